/* Derivatives of the scalar operations: a rule for each row of scalars.def. */
#ifndef COUPLET_COMPILER_PASSES_DERIVATIVE_H
#define COUPLET_COMPILER_PASSES_DERIVATIVE_H

#include "compiler/graph/graph.h"

/* The derivative of an operation by its argument i, as an expression. NULL if the slope is zero
 * everywhere (comparisons, floor, integers). */
const GExpr *derivative_of(Graph *g, const GExpr *expr, int i);

/* The derivative of a whole expression by a load in it. NULL if the expression does not depend on
 * the load. Selects stay selects, so that the arm that is not taken is not evaluated into the
 * gradient either. */
const GExpr *derivative_by_load(Graph *g, const GExpr *expr, const GExpr *load);

/* The condition that a read is inside its array along every axis, true where that is known. */
const GExpr *derivative_read_is_inside(Graph *g, const GExpr *load);

#endif
