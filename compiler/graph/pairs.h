/* Arrays of pairs, T[i, j] = sum over k of a(i, k) * b(j, k), and the nodes that use them up. Such
 * an array holds, for example, the similarity of every row with every other.
 *
 * A node marked `streamed` is such a product that is never stored. A back end makes a tile of it,
 * does with the tile what every user of T asks for, and drops it. The stream pass sees to it that
 * the users of a streamed product are *sinks*. A sink reduces over one index of the pair and keeps
 * the other:
 *
 *     y[i]    = R over j of value(T[i, j], i, j)                      a statistic
 *     y[i, d] = sum over j of weight(T[i, j], i, j) * V[j, d]         a weighted sum of rows
 *
 * A sink reads the product at its own two indices, in either order. A back end that cannot make
 * tiles compiles these nodes like any others. */
#ifndef COUPLET_COMPILER_GRAPH_PAIRS_H
#define COUPLET_COMPILER_GRAPH_PAIRS_H

#include "compiler/graph/affine.h"

typedef struct PairProduct {
    /* `a` reads the node's first index and `b` its second; both read the reduced index. */
    const GExpr *a;
    const GExpr *b;
    Affine at_a;
    Affine at_b;
    int64_t rows;
    int64_t columns;
    int64_t depth;
    bool symmetric; /* T[i, j] equals T[j, i], because a and b are one array */
} PairProduct;

/* Takes a node apart as a product of pairs. Returns false if the node is none. */
bool pair_product(Graph *g, const GNode *node, PairProduct *out);

enum { MOST_PAIR_SOURCES = 4 };

typedef struct PairSink {
    const GNode *node;
    /* The index of the pair that the node keeps, and the index that it reduces over. */
    int own;
    int other;
    int payload; /* for a weighted sum: the axis of V that the node keeps too; -1 for a statistic */
    const GExpr *weight; /* for a weighted sum: the weight */
    const GExpr *rows;   /* for a weighted sum: the read V[other, payload] */
    Affine at_rows;
    /* The streamed products that the node reads, each in one order of the indices. */
    int source_count;
    const GNode *sources[MOST_PAIR_SOURCES];
    bool swapped[MOST_PAIR_SOURCES]; /* true if the source is read at [other, own] */
} PairSink;

/* Takes a node apart as a sink. Returns false if the node reads no streamed product, or is no sink.
 */
bool pair_sink(const GNode *node, PairSink *out);

#endif
