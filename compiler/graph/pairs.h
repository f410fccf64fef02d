/* Arrays of pairs: T[i, j] = sum over k of a(i, k) * b(j, k), a similarity of every row with every other, and the nodes that use them up.
 *
 * A node marked `streamed` is such a product that is never stored: a back end makes a tile of it, does with the tile what every user of T
 * asks for, and drops it. The stream pass sees to it that the users of a streamed product are *sinks*: each reduces over one index of the pair
 * and keeps the other,
 *
 *     y[i]    = R over j of value(T[i, j], i, j)                      a statistic
 *     y[i, d] = sum over j of weight(T[i, j], i, j) * V[j, d]         a weighted sum of rows
 *
 * and reads the product at its own two indices in either order. A back end that cannot make tiles takes such nodes as the ordinary ones they are. */
#ifndef COUPLET_COMPILER_GRAPH_PAIRS_H
#define COUPLET_COMPILER_GRAPH_PAIRS_H

#include "compiler/graph/affine.h"

typedef struct PairProduct {
    const GExpr *a, *b; /* a reads the node's first index, b its second; both the reduced one */
    Affine at_a, at_b;
    int64_t rows, columns, depth;
    bool symmetric; /* T[i, j] is T[j, i]: one array with itself */
} PairProduct;

bool pair_product(Graph *g, const GNode *node, PairProduct *out);

enum { MOST_PAIR_SOURCES = 4 };

typedef struct PairSink {
    const GNode *node;
    int own, other;      /* indices of the node: the one of the pair that it keeps, the one it reduces over */
    int payload;         /* the axis of V that it keeps too; -1: a statistic */
    const GExpr *weight; /* of a weighted sum */
    const GExpr *rows;   /* its V[other, payload] */
    Affine at_rows;
    int source_count;    /* streamed products it reads, each in one order of the indices */
    const GNode *sources[MOST_PAIR_SOURCES];
    bool swapped[MOST_PAIR_SOURCES]; /* read at [other, own] */
} PairSink;

/* False when the node reads no streamed product, or is no sink. */
bool pair_sink(const GNode *node, PairSink *out);

/* The indices of a finished node that an expression reads, a bit for each. */
uint32_t index_mask(const GExpr *expr);

#endif
