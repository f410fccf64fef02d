/* A log-sum-exp without its largest term (GR_LSE_REST), taken in two levels. */
#ifndef COUPLET_COMPILER_PASSES_SHIFT_H
#define COUPLET_COMPILER_PASSES_SHIFT_H

#include "compiler/graph/graph.h"

/* The whole from its parts, which `over` reduces over: the largest term of each and what it has
 * left without that. `over` has indices, guard, active and name; reducer and value are set here. */
GNode *shift_rest_of_parts(Graph *g, ComputeSpec *over, const GExpr *largest, const GExpr *rest);

#endif
