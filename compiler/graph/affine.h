/* Index expressions that are sums of multiples of indices. */
#ifndef COUPLET_COMPILER_AFFINE_H
#define COUPLET_COMPILER_AFFINE_H

#include "compiler/graph/graph.h"

/* constant + sum of factor[i] * index i, over the indices of a finished node. */
typedef struct Affine {
    int64_t constant;
    int64_t factor[GRAPH_MAX_INDICES];
} Affine;

/* False when the expression is anything else. Fresh indices are none. */
bool affine_of(const GExpr *e, Affine *out);
/* The position in memory of a load, in elements, when every subscript is affine. */
bool affine_load(const GExpr *load, Affine *out);
/* Whether every subscript is proved to stay inside its array, indices ranging over the node's extents. */
bool load_is_inside(Graph *g, const GNode *node, const GExpr *load);

#endif
