/* Places in one arena for memory that is needed during a part of a run. The compiler lays out a
 * plan with it, and a rank lays out its own part of the plan. */
#ifndef COUPLET_RUNTIME_ARENA_H
#define COUPLET_RUNTIME_ARENA_H

#include <stdint.h>

/* A piece of memory that is needed from step `first` to step `last`. */
typedef struct CoupletSpan {
    int64_t bytes;
    int64_t offset;
    int first;
    int last;
    /* Chosen by the caller; spans of equal size are placed in the order of their numbers. */
    int number;
} CoupletSpan;

/* Gives each span an offset. Spans that are needed at the same time do not overlap. Sorts the spans
 * by size. `placed` has room for `count` pointers. Returns the bytes of the arena. All sizes must
 * be multiples of the alignment that the offsets should have. */
int64_t couplet_arena_place(CoupletSpan *spans, int count, CoupletSpan **placed);

#endif
