/* What length.c and vanish.c share: questions about the value under a root, a power or a log. */
#ifndef COUPLET_COMPILER_LOWER_LENGTH_H
#define COUPLET_COMPILER_LOWER_LENGTH_H

#include "compiler/lower/internal.h"

/* True if the read stands for the value of an elementwise node. */
bool length_stands_for_value(const GExpr *e);
/* Returns the value behind reads of elementwise nodes. */
const GExpr *length_behind_reads(Graph *g, const GExpr *e);
/* True if the value is made of exponentials, whose roots, logs and quotients stabilise takes. */
bool length_is_of_exps(Lower *l, const GExpr *e);
/* Returns the value, or NaN where it is infinite. */
const GExpr *length_unless_infinite(Graph *g, const GExpr *e);
/* Makes an array of `value`, an expression over the axes of the sum. */
GNode *length_beside(Graph *g, const ComputeSpec *sum, const GExpr *value);

/* True if the terms come from an array of pairs that is larger than all that it is made of. The
 * pass stream may want to make such an array in tiles. */
bool length_is_of_pairs(Lower *l, const GNode *sum);
/* Returns the sum of products of all pairs, with both arrays scaled as wholes, or NULL if its terms
 * are no products of plain sums and differences of reads. The sum is scaled by both `over`. A sum
 * of squares has one scale, so the slope by an entry lacks one of its factors. */
const GExpr *length_scaled_pairs(Graph *g, const GExpr *load, const GExpr *over[2]);

#endif
