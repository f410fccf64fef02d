/* Affine index expressions: a constant plus multiples of indices. */
#ifndef COUPLET_COMPILER_AFFINE_H
#define COUPLET_COMPILER_AFFINE_H

#include "compiler/graph/graph.h"

/* The form constant + sum of factor[i] * index i, over the indices of a finished node. */
typedef struct Affine {
    int64_t constant;
    int64_t factor[GRAPH_MAX_INDICES];
} Affine;

/* The addends of an index expression that are no constants, each times a factor. Calls `term` with
 * each of them, in order; *constant is the sum of the others. An addend may come more than once.
 * False if `term` returns false, if a factor or the constant leaves 64 bits, or if the expression
 * is no whole number. It is false, too, of an expression that is large as a tree (visit.h). */
typedef bool (*AffineTerm)(void *context, const GExpr *addend, int64_t factor);
bool affine_each(const GExpr *e, int64_t *constant, AffineTerm term, void *context);

/* The form constant + sum of factor[i] * part[i]. No part comes twice, and a factor may be 0. */
typedef struct AffineSum {
    int64_t constant;
    int count;
    const GExpr *part[GRAPH_MAX_INDICES];
    int64_t factor[GRAPH_MAX_INDICES];
} AffineSum;

/* Adds an expression, `by` times, to a sum that begins as {0}: its parts are the addends that are
 * no constants. False as affine_each is, and if there are too many parts. */
bool affine_add(AffineSum *sum, const GExpr *e, int64_t by);
/* Finds the form of an expression whose parts are indices, fresh ones or those of a finished
 * node. */
bool affine_of_indices(const GExpr *e, AffineSum *sum);

/* Takes an expression into this form. False if the expression has another form, or an index that is
 * still fresh. */
bool affine_of(const GExpr *e, Affine *out);
/* The position in memory that a load reads, in elements. False unless every subscript is affine. */
bool affine_load(const GExpr *load, Affine *out);
/* True if every subscript is proved to stay inside its array, for all values of the node's
 * indices. */
bool load_is_inside(Graph *g, const GNode *node, const GExpr *load);

#endif
