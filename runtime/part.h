/* The memory that one rank of several has for a plan: all of a buffer, or, where the buffer is in
 * rows, the shards of this rank alone. */
#ifndef COUPLET_RUNTIME_PART_H
#define COUPLET_RUNTIME_PART_H

#include "runtime/abi.h"

typedef struct CoupletPart CoupletPart;

/* Lays out the arena of a rank; the plan has shards, and outlives the part. NULL when memory runs
 * out. */
CoupletPart *couplet_part_new(const CoupletPlan *plan, int ranks, int rank);
void couplet_part_free(CoupletPart *part);
int64_t couplet_part_bytes(const CoupletPart *part);
/* The place in the arena at which a buffer would begin if all of it were there: shard s lies s
 * slabs behind that, also where the first shards have no memory, and the place is outside. */
int64_t couplet_part_offset(const CoupletPart *part, const CoupletBuffer *buffer);
/* The first of a plan's shards that belongs to a rank; that of rank `ranks` is their number. */
int64_t couplet_part_first(const CoupletPlan *plan, int ranks, int rank);

#endif
