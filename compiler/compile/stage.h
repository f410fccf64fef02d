/* Running the passes of one stage, in the order of passes.def. */
#ifndef COUPLET_COMPILER_COMPILE_STAGE_H
#define COUPLET_COMPILER_COMPILE_STAGE_H

#include "compiler/passes/passes.h"

/* Called with the graph after each pass; may be NULL. */
typedef void (*PassWatch)(void *context, const Graph *g, const char *pass);

/* The figures of one pass: its time, and the nodes that it made. */
typedef struct PassFigures {
    const char *graph, *pass;
    double seconds; /* the processor's time */
    int nodes_before, nodes;
    int64_t exprs; /* expressions that no one had made before */
    int64_t steps; /* parts of expressions that were looked at (visit.h) */
} PassFigures;
typedef ARRAY(PassFigures) PassLog;

/* Between the two lies the work of the pass. `g` is NULL where the pass makes the graph, and `log`
 * is NULL where nobody asks. */
PassFigures pass_figures_begin(const Graph *g, const char *pass);
void pass_figures_end(PassLog *log, PassFigures figures, const Graph *g);

/* The passes of the stage. NULL, or a sentence about the first that left a graph in disorder, or
 * was given one that lacks what it needs. */
const char *stage_run(Graph *g, PassStage stage, PassWatch watch, void *context, PassLog *log);
/* Does what stage_run does after each pass, for changes of the graph that no pass makes: lowering
 * is the pass "lower", the gradient "differentiate". */
const char *stage_pass_done(Graph *g, const char *pass, PassWatch watch, void *context);

#endif
