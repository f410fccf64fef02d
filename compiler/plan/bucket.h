/* Segment reductions, here called reductions by key:
 *
 *     y[k, d] = R over r  where key(r) == k  of value(k, d, r)
 *
 * The adjoint of a read at an index that depends on data (an embedding, c[y[i]], bilinear sampling)
 * has this form, and so have sums and counts by class. A sweep over every r for every k would take
 * K N D steps. Here the members r of each k are listed first, by a stable counting sort of the
 * keys, and each k visits its own in ascending order. That takes N D steps, and gives the same bits
 * on any number of threads.
 *
 * For each segment the sort makes the ends of the lists, then the lists, one after the other. List
 * k is [k ? ends[k - 1] : 0, ends[k]). */
#ifndef COUPLET_COMPILER_PLAN_BUCKET_H
#define COUPLET_COMPILER_PLAN_BUCKET_H

#include "compiler/graph/key.h"
#include "compiler/plan/kernel.h"

typedef struct Bucket {
    const GNode *node;
    /* The conjuncts of the guard, in order, each in one of three roles. An equality of an output
     * index with a key has its entry in `targets`. A filter decides whether r takes part at all.
     * The sum asks all others of each term. */
    Conjuncts conjuncts;
    const GExpr *keys[MOST_CONJUNCTS];
    int targets[MOST_CONJUNCTS]; /* by conjunct: the output index that its key decides, or -1 */
    bool filters[MOST_CONJUNCTS];
    const GExpr *rest; /* the conjuncts that the sum asks, joined; NULL: none */
    /* The role of each axis of the output. The index of a target is given by a key. A segment is
     * read by keys and has a sort of its own. A payload is neither. */
    enum {
        BUCKET_TARGET,
        BUCKET_SEGMENT,
        BUCKET_PAYLOAD,
    } role[GRAPH_MAX_RANK];
    int64_t targets_size, segments, payload, members; /* products of extents */
} Bucket;

/* Returns the node as a segment reduction. NULL: the node is none, or too small to be worth a
 * sort. */
Bucket *bucket_of(Arena *arena, Graph *g, const GNode *node);
/* Returns the number of ints that the sort makes for one segment. */
int64_t bucket_list_size(const Bucket *b);
/* Returns the rows of the output in a tile of the sum. There is a row for each target and
 * segment. */
int64_t bucket_chunk(const Bucket *b);
int64_t bucket_sum_tiles(const Bucket *b);

#endif
