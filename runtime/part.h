/* The memory of one rank of several for a plan: all of a buffer, or, for a buffer in rows, the
 * shards of this rank alone. */
#ifndef COUPLET_RUNTIME_PART_H
#define COUPLET_RUNTIME_PART_H

#include "runtime/abi.h"

typedef struct CoupletPart CoupletPart;

/* Lays out the arena of a rank. The plan must have shards, and must outlive the part. Returns NULL
 * if memory runs out. */
CoupletPart *couplet_part_new(const CoupletPlan *plan, int ranks, int rank);
void couplet_part_free(CoupletPart *part);
int64_t couplet_part_bytes(const CoupletPart *part);
/* Returns where the buffer would begin in the arena if all of its shards were there: shard s lies s
 * slabs behind. Without memory for the first shards, the result may be outside the arena. */
int64_t couplet_part_offset(const CoupletPart *part, const CoupletBuffer *buffer);
/* Returns the first of a plan's shards that belongs to a rank. For rank `ranks` it is the number of
 * shards. */
int64_t couplet_part_first(const CoupletPlan *plan, int ranks, int rank);

#endif
