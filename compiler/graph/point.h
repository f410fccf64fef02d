/* Whole numbers and truth values at given values of the indices. Proofs try a formula at many
 * points; it is taken apart once, and each part is then computed once for each point. */
#ifndef COUPLET_COMPILER_GRAPH_POINT_H
#define COUPLET_COMPILER_GRAPH_POINT_H

#include "compiler/graph/graph.h"

typedef struct PointFormula PointFormula;

/* The formula of an expression. `indices` has the indices whose values will be given, in their
 * order; where it is NULL, the values go by the numbers of a node's own indices. */
PointFormula *point_formula(Arena *arena, const GExpr *e, const GExpr *const *indices, int count);
/* The value at a point. False if it depends on data, on a real or on an index without a value, if
 * it leaves 64 bits, or if it divides by 0. Of `and` and `or` one side may suffice. */
bool point_value(PointFormula *formula, const int64_t *values, int64_t *out);

#endif
