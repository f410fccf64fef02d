/* Affine index expressions: a constant plus multiples of indices. */
#ifndef COUPLET_COMPILER_AFFINE_H
#define COUPLET_COMPILER_AFFINE_H

#include "compiler/graph/graph.h"

/* The form constant + sum of factor[i] * index i, over the indices of a finished node. */
typedef struct Affine {
    int64_t constant;
    int64_t factor[GRAPH_MAX_INDICES];
} Affine;

/* Takes an expression into this form. False if the expression has another form, or an index that is
 * still fresh. */
bool affine_of(const GExpr *e, Affine *out);
/* The position in memory that a load reads, in elements. False unless every subscript is affine. */
bool affine_load(const GExpr *load, Affine *out);
/* True if every subscript is proved to stay inside its array, for all values of the node's
 * indices. */
bool load_is_inside(Graph *g, const GNode *node, const GExpr *load);

#endif
