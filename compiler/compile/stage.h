/* Runs the passes of one stage, in the order of passes.def. */
#ifndef COUPLET_COMPILER_COMPILE_STAGE_H
#define COUPLET_COMPILER_COMPILE_STAGE_H

#include "compiler/passes/passes.h"

/* Called with the graph after each pass; may be NULL. */
typedef void (*PassWatch)(void *context, const Graph *g, const char *pass);

/* The figures of one run of a pass: its time, and the nodes and expressions that it made. */
typedef struct PassFigures {
    const char *graph;
    const char *pass;
    double seconds; /* seconds of the processor */
    int nodes_before;
    int nodes;
    int64_t exprs; /* the expressions that the graph did not have before */
    int64_t steps; /* the parts of expressions that the pass looked at (visit.h) */
} PassFigures;
typedef ARRAY(PassFigures) PassLog;

/* Measure a pass, whose work lies between the two calls. `g` is NULL if the pass makes the graph.
 * `log` is NULL if nobody wants the figures. */
PassFigures pass_figures_begin(const Graph *g, const char *pass);
void pass_figures_end(PassLog *log, PassFigures figures, const Graph *g);

/* Runs the passes of one stage. Returns NULL, or a sentence about the first pass that was given a
 * graph without a property that it needs, or that left a graph in disorder. */
const char *stage_run(Graph *g, PassStage stage, PassWatch watch, void *context, PassLog *log);
/* Shows and checks the graph as stage_run does after each pass. It serves changes of the graph that
 * no row of passes.def makes: lowering ("lower") and the gradient ("differentiate"). */
const char *stage_pass_done(Graph *g, const char *pass, PassWatch watch, void *context);

#endif
