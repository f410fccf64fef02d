/* Derivatives of the scalar operations: a rule for each row of scalars.def. */
#ifndef COUPLET_COMPILER_PASSES_DERIVATIVE_H
#define COUPLET_COMPILER_PASSES_DERIVATIVE_H

#include "compiler/graph/graph.h"

/* Returns the derivative of an operation by its argument i, as an expression. NULL: the slope is 0
 * everywhere (comparisons, floor, integers). */
const GExpr *derivative_of(Graph *g, const GExpr *expr, int i);

/* Returns the derivative of a whole expression by a load in it. NULL: the expression does not
 * depend on the load. Selects stay selects, so that the arm that is not taken does not reach the
 * gradient either. */
const GExpr *derivative_by_load(Graph *g, const GExpr *expr, const GExpr *load);

/* Returns the condition that a read is inside its array along every axis; true if that is known. */
const GExpr *derivative_read_is_inside(Graph *g, const GExpr *load);

#endif
