/* Reductions by key: y[k, d] = R over r where key(r) == k of value(k, d, r). The adjoint of a read at an index that depends on data (an embedding, c[y[i]],
 * bilinear sampling) has this form, and so have sums and counts by class. A sweep of every r for every k would take K N D steps; here the members r of
 * every k are listed first, by a stable counting sort of the keys, and each k visits its own, in ascending order: N D steps, and the same bits on any
 * number of threads.
 *
 * The sort makes, for each segment, the ends of the lists (list k is [k ? ends[k - 1] : 0, ends[k])) and the lists, one after the other. */
#ifndef COUPLET_COMPILER_PLAN_BUCKET_H
#define COUPLET_COMPILER_PLAN_BUCKET_H

#include "compiler/graph/key.h"
#include "compiler/plan/kernel.h"

typedef struct Bucket {
    const GNode *node;
    /* The guard's conjuncts, in order: an equality of an output index (`target`) with a key, a condition that says whether r takes part at all, or
     * (neither) one that is left to the sum. */
    Conjuncts conjuncts;
    const GExpr *keys[MOST_CONJUNCTS];
    int targets[MOST_CONJUNCTS]; /* by conjunct: the output index, or -1 */
    bool filters[MOST_CONJUNCTS];
    const GExpr *rest; /* what is left of the guard, or NULL */
    enum { BUCKET_TARGET, BUCKET_SEGMENT /* keys read it: it has a sort of its own */, BUCKET_PAYLOAD } role[GRAPH_MAX_RANK]; /* of the output's axes */
    int64_t targets_size, segments, payload, members; /* products of extents */
} Bucket;

/* NULL when the node is none, or too small to be worth a sort. */
Bucket *bucket_of(Arena *arena, Graph *g, const GNode *node);
int64_t bucket_list_size(const Bucket *b);  /* ints of one segment */
int64_t bucket_chunk(const Bucket *b);      /* rows of the output (one for each target and segment) in a tile of the sum */
int64_t bucket_sum_tiles(const Bucket *b);

#endif
