/* Running the passes of one stage, in the order of passes.def. */
#ifndef COUPLET_COMPILER_COMPILE_STAGE_H
#define COUPLET_COMPILER_COMPILE_STAGE_H

#include "compiler/passes/passes.h"

/* Called with the graph after each pass; may be NULL. */
typedef void (*PassWatch)(void *context, const Graph *g, const char *pass);

/* The passes of the stage. NULL, or a sentence about the first that left a graph in disorder. */
const char *stage_run(Graph *g, PassStage stage, PassWatch watch, void *context);
/* What stage_run does after each pass, for whoever changed the graph without one: lowering is the
 * pass "lower", the gradient "differentiate". */
const char *stage_pass_done(Graph *g, const char *pass, PassWatch watch, void *context);

#endif
