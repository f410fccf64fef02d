/* Derivatives of the scalar operations: one rule a row of scalars.def. */
#ifndef COUPLET_COMPILER_PASSES_DERIVATIVE_H
#define COUPLET_COMPILER_PASSES_DERIVATIVE_H

#include "compiler/graph/graph.h"

/* d expr / d args[i], as an expression; NULL where the slope is zero everywhere (comparisons, floor, integers). */
const GExpr *derivative_of(Graph *g, const GExpr *expr, int i);

/* d expr / d load, walking the whole expression: NULL when it does not depend on it. Selects stay selects, so that the arm not taken
 * is not evaluated into the gradient either. */
const GExpr *derivative_by_load(Graph *g, const GExpr *expr, const GExpr *load);

#endif
