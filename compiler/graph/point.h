/* Values of whole numbers and truth values at given indices. Proofs try a formula at many points.
 * The formula is taken apart once, and each part is then computed once for each point. */
#ifndef COUPLET_COMPILER_GRAPH_POINT_H
#define COUPLET_COMPILER_GRAPH_POINT_H

#include "compiler/graph/graph.h"

typedef struct PointFormula PointFormula;

/* Returns the formula of an expression. `indices` lists the indices whose values will be given, in
 * order. If it is NULL, the values are given by the numbers of a node's own indices. */
PointFormula *point_formula(Arena *arena, const GExpr *e, const GExpr *const *indices, int count);
/* Finds the value at a point. Returns false if the value depends on data, on a real or on an index
 * without a value, if it exceeds 64 bits, or if it divides by 0. For `and` and `or` one side may
 * suffice. */
bool point_value(PointFormula *formula, const int64_t *values, int64_t *out);

#endif
