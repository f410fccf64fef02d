/* Affine index expressions: a constant plus multiples of indices. */
#ifndef COUPLET_COMPILER_AFFINE_H
#define COUPLET_COMPILER_AFFINE_H

#include "compiler/graph/graph.h"

/* The form constant + sum of factor[i] * index i, over the indices of a finished node. */
typedef struct Affine {
    int64_t constant;
    int64_t factor[GRAPH_MAX_INDICES];
} Affine;

/* Takes an index expression apart as a sum. Calls `term` with each addend that is no constant,
 * times a factor, in order; *constant becomes the sum of the constants. An addend may come more
 * than once. Returns false if `term` does, if a factor or the constant exceeds 64 bits, or if the
 * expression is no whole number. An expression that is large as a tree (visit.h) is refused,
 * too. */
typedef bool (*AffineTerm)(void *context, const GExpr *addend, int64_t factor);
bool affine_each(const GExpr *e, int64_t *constant, AffineTerm term, void *context);

/* The form constant + sum of factor[i] * part[i]. No part comes twice, and a factor may be 0. */
typedef struct AffineSum {
    int64_t constant;
    int count;
    const GExpr *part[GRAPH_MAX_INDICES];
    int64_t factor[GRAPH_MAX_INDICES];
} AffineSum;

/* Adds an expression, `by` times, to a sum that begins as {0}. The parts of the sum are the addends
 * that are no constants. Returns false where affine_each does, and if there are too many parts. */
bool affine_add(AffineSum *sum, const GExpr *e, int64_t by);
/* Finds the form of an expression. Returns false if one of its parts is no index. The indices may
 * be fresh, or those of a finished node. */
bool affine_of_indices(const GExpr *e, AffineSum *sum);

/* Finds the form of an expression of a finished node. Returns false if the expression has another
 * form, or holds a fresh index. */
bool affine_of(const GExpr *e, Affine *out);
/* Finds the position in memory that a load reads, in elements. Returns false unless every subscript
 * is affine. */
bool affine_load(const GExpr *load, Affine *out);
/* True if every subscript is proved to stay inside its array for all values of the node's
 * indices. */
bool load_is_inside(Graph *g, const GNode *node, const GExpr *load);

#endif
