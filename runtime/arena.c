/* Gives spans of memory their places in an arena: the largest first, each at the lowest offset that
 * is free while the span is needed. */
#include "runtime/arena.h"

#include <stdlib.h>

static int by_size(const void *a, const void *b) {
    const CoupletSpan *x = a;
    const CoupletSpan *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->number - y->number;
}

/* Returns the lowest offset that is free while the span is needed. `placed` has the spans that have
 * an offset already, in the order of their offsets. */
static int64_t free_place(const CoupletSpan *span, CoupletSpan *const *placed, int count) {
    int64_t offset = 0;
    for (int i = 0; i < count; i++) {
        const CoupletSpan *other = placed[i];
        if (span->first > other->last || other->first > span->last) continue;
        /* The spans behind this one in `placed` begin even later, so none of them is in the way. */
        if (other->offset >= offset + span->bytes) break;
        if (other->offset + other->bytes > offset) offset = other->offset + other->bytes;
    }
    return offset;
}

int64_t couplet_arena_place(CoupletSpan *spans, int count, CoupletSpan **placed) {
    int64_t bytes = 0;
    qsort(spans, (size_t)count, sizeof *spans, by_size);
    for (int i = 0; i < count; i++) {
        CoupletSpan *span = &spans[i];
        span->offset = free_place(span, placed, i);
        int at = i;
        for (; at > 0 && placed[at - 1]->offset > span->offset; at--)
            placed[at] = placed[at - 1];
        placed[at] = span;
        if (span->offset + span->bytes > bytes) {
            bytes = span->offset + span->bytes;
        }
    }
    return bytes;
}
