/* Decides which segment reductions are worth sorting, and the role of each axis of the result: a
 * target (a key says its index), a segment (each has a sort of its own) or payload.
 *
 * A condition on segments and members alone is a filter, which is asked once while the members are
 * listed. The sum asks all other conditions of each term. */
#include "compiler/plan/bucket.h"

#include "compiler/graph/visit.h"

#include <string.h>

enum {
    SMALLEST_SWEEP = 1 << 12 /* the terms of a plain loop from which on a sort pays */,
    FEWEST_TARGETS = 3,
    TILES = 256
};

/* Takes one key for each target. A second key for the same target becomes a condition that the sum
 * asks. */
static void take_keys(Bucket *b) {
    for (int i = 0; i < b->conjuncts.count; i++) {
        int target;
        const GExpr *key = key_of(b->node, b->conjuncts.items[i], &target);
        if (!key || b->role[target] == BUCKET_TARGET) continue;
        b->targets[i] = target;
        b->keys[i] = key;
        b->role[target] = BUCKET_TARGET;
    }
}

/* Drops each key that reads the target of another key. The sum then asks its equality of each
 * term. */
static void drop_entangled(Bucket *b) {
    for (int i = 0; i < b->conjuncts.count; i++) {
        if (b->targets[i] < 0) continue;
        uint32_t read = expr_index_mask(b->keys[i]);
        for (int k = 0; k < b->conjuncts.count; k++) {
            if (b->targets[k] < 0 || !(read & 1u << b->targets[k])) continue;
            b->role[b->targets[i]] = BUCKET_PAYLOAD;
            b->targets[i] = -1;
            break;
        }
    }
}

static void find_roles(Bucket *b) {
    for (int i = 0; i < b->conjuncts.count; i++) {
        uint32_t read = b->targets[i] >= 0 ? expr_index_mask(b->keys[i]) : 0;
        for (int a = 0; a < b->node->rank; a++)
            if (read & 1u << a) b->role[a] = BUCKET_SEGMENT;
    }
    b->targets_size = b->segments = b->payload = b->members = 1;
    for (int a = 0; a < b->node->rank; a++)
        *(b->role[a] == BUCKET_TARGET    ? &b->targets_size
          : b->role[a] == BUCKET_SEGMENT ? &b->segments
                                         : &b->payload) *= b->node->shape[a];
    for (int i = 0; i < b->node->red_rank; i++)
        b->members *= b->node->red_shape[i];
}

/* Finds the filters: the conditions that depend on segments and members alone. */
static void find_filters(Bucket *b, Graph *g) {
    uint32_t known = ~((1u << b->node->rank) - 1);
    for (int a = 0; a < b->node->rank; a++)
        if (b->role[a] == BUCKET_SEGMENT) known |= 1u << a;
    for (int i = 0; i < b->conjuncts.count; i++) {
        if (b->targets[i] >= 0) continue;
        b->filters[i] = !(expr_index_mask(b->conjuncts.items[i]) & ~known);
        if (!b->filters[i]) {
            b->rest = gx_and(g, b->rest, b->conjuncts.items[i]);
        }
    }
}

static bool pays_off(const Bucket *b) {
    double sweep =
        (double)b->targets_size * (double)b->segments * (double)b->payload * (double)b->members;
    double lists = (double)b->segments * (double)bucket_list_size(b);
    return b->targets_size >= FEWEST_TARGETS && sweep >= SMALLEST_SWEEP &&
           b->targets_size < INT32_MAX && b->members < INT32_MAX && lists < INT32_MAX / 4;
}

Bucket *bucket_of(Arena *arena, Graph *g, const GNode *node) {
    if (!node_reduces_by_key(node)) return NULL;
    Bucket *b = arena_new_of(arena, Bucket);
    b->node = node;
    for (int a = 0; a < node->rank; a++)
        b->role[a] = BUCKET_PAYLOAD;
    if (!guard_list(node->guard, &b->conjuncts)) return NULL;
    for (int i = 0; i < b->conjuncts.count; i++)
        b->targets[i] = -1;
    take_keys(b);
    drop_entangled(b);
    find_roles(b);
    find_filters(b, g);
    return pays_off(b) ? b : NULL;
}

int64_t bucket_list_size(const Bucket *b) {
    return b->targets_size + b->members;
}
int64_t bucket_chunk(const Bucket *b) {
    return (b->targets_size * b->segments + TILES - 1) / TILES;
}
int64_t bucket_sum_tiles(const Bucket *b) {
    return (b->targets_size * b->segments + bucket_chunk(b) - 1) / bucket_chunk(b);
}
