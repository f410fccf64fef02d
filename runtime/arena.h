/* Places in one arena for memory that is needed for a part of a run: the compiler lays out a plan
 * by it, and a rank its own part of the plan. */
#ifndef COUPLET_RUNTIME_ARENA_H
#define COUPLET_RUNTIME_ARENA_H

#include <stdint.h>

/* Memory that is needed from step `first` to step `last`. */
typedef struct CoupletSpan {
    int64_t bytes, offset;
    int first, last;
    int number; /* of the caller; spans of one size are placed in its order */
} CoupletSpan;

/* Gives each span an offset, so that spans which are needed at one time do not overlap, and puts
 * the spans in order of their size. `placed` has room for `count` pointers. Returns the bytes of
 * the arena. Sizes are multiples of whatever the offsets are to be aligned to. */
int64_t couplet_arena_place(CoupletSpan *spans, int count, CoupletSpan **placed);

#endif
