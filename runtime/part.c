/* Lays out the arena of a rank. Kernels number the rows of the whole array, so a buffer begins
 * where its first row would be, and only this rank's rows have memory. Rows keep their distance
 * from multiples of the arena's alignment. */
#include "runtime/part.h"

#include "runtime/arena.h"

#include <stdlib.h>

enum { ALIGNMENT = 128 /* the alignment of a buffer's first row, as in the plan */ };

struct CoupletPart {
    int64_t bytes;
    int64_t *offsets; /* by block */
};

int64_t couplet_part_first(const CoupletPlan *plan, int ranks, int rank) {
    return plan->shards * rank / ranks;
}

/* Returns the bytes from where a block begins to the rows of a rank. */
static int64_t ahead_of(const CoupletBlock *b, int64_t first) {
    return b->slab * first;
}

/* Returns the bytes of the rows, with the gap ahead of them and what follows the last shard:
 * kernels read some arrays a vector beyond their end. */
static int64_t span_bytes(const CoupletPlan *plan, const CoupletBlock *b, int64_t first,
                          int64_t end) {
    if (!b->slab) return b->bytes;
    const int64_t bytes = ahead_of(b, first) % ALIGNMENT + (end - first) * b->slab + b->bytes -
                          plan->shards * b->slab;
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Places the blocks, and notes where each would begin if all of its shards were there. */
static bool place_blocks(CoupletPart *part, const CoupletPlan *plan, int64_t first, int64_t end) {
    const int count = plan->block_count;
    CoupletSpan *spans = calloc((size_t)count + 1, sizeof *spans);
    CoupletSpan **placed = calloc((size_t)count + 1, sizeof *placed);
    const bool good = spans && placed;
    for (int i = 0; good && i < count; i++) {
        const CoupletBlock *b = &plan->blocks[i];
        spans[i] = (CoupletSpan){span_bytes(plan, b, first, end), 0, b->first, b->last, i};
    }
    if (good) part->bytes = couplet_arena_place(spans, count, placed);
    for (int i = 0; good && i < count; i++) {
        const int64_t ahead = ahead_of(&plan->blocks[spans[i].number], first);
        part->offsets[spans[i].number] = spans[i].offset - ahead / ALIGNMENT * ALIGNMENT;
    }
    free(spans);
    free(placed);
    return good;
}

CoupletPart *couplet_part_new(const CoupletPlan *plan, int ranks, int rank) {
    CoupletPart *part = calloc(1, sizeof *part);
    if (!part) return NULL;
    part->offsets = calloc((size_t)plan->block_count + 1, sizeof *part->offsets);
    if (part->offsets && place_blocks(part, plan, couplet_part_first(plan, ranks, rank),
                                      couplet_part_first(plan, ranks, rank + 1)))
        return part;
    couplet_part_free(part);
    return NULL;
}

void couplet_part_free(CoupletPart *part) {
    if (part) free(part->offsets);
    free(part);
}

int64_t couplet_part_bytes(const CoupletPart *part) {
    return part->bytes;
}

int64_t couplet_part_offset(const CoupletPart *part, const CoupletBuffer *buffer) {
    return part->offsets[buffer->block];
}
