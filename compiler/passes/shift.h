/* A log-sum-exp without its largest term (GR_LSE_REST), taken in two levels. */
#ifndef COUPLET_COMPILER_PASSES_SHIFT_H
#define COUPLET_COMPILER_PASSES_SHIFT_H

#include "compiler/graph/graph.h"

/* Returns a log-sum-exp without its largest term, made from those of its parts. `largest` is the
 * largest term of a part, and `rest` what the part has left without it. `over` reduces over the
 * parts: it has indices, guard, active and name, and its reducer and value are set here. */
GNode *shift_rest_of_parts(Graph *g, ComputeSpec *over, const GExpr *largest, const GExpr *rest);

#endif
