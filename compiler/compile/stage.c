/* Runs passes. Every pass runs here, so that its graph is shown to the watcher, is verified, and is
 * asked for the properties that its row in passes.def promises. So a pass at fault is named itself,
 * and not a later pass that stumbles over its graph. Before a pass, only those needed properties
 * are checked which the pass ahead of it has not just promised. */
#include "compiler/compile/stage.h"

#include "compiler/graph/visit.h"

#include <time.h>

static double processor_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

PassFigures pass_figures_begin(const Graph *g, const char *pass) {
    return (PassFigures){.pass = pass,
                         .seconds = -processor_seconds(),
                         .nodes_before = g ? g->nodes.count : 0,
                         .steps = -(int64_t)expr_steps(),
                         .exprs = g ? -(int64_t)graph_expr_count(g) : 0};
}

void pass_figures_end(PassLog *log, PassFigures figures, const Graph *g) {
    if (!log) return;
    figures.graph = g->name;
    figures.seconds += processor_seconds();
    figures.nodes = g->nodes.count;
    figures.exprs += graph_expr_count(g);
    figures.steps += (int64_t)expr_steps();
    array_push(g->arena, log, figures);
}

static const char *fault(Graph *g, const char *when, const char *pass, const char *wrong) {
    return wrong ? arena_printf(g->arena, "a fault of the compiler: %s %s, %s", when, pass, wrong)
                 : NULL;
}

const char *stage_pass_done(Graph *g, const char *pass, PassWatch watch, void *context) {
    /* NULL for "lower" and "differentiate", which have no row. */
    const PassRow *row = pass_find(pass);
    if (watch) watch(context, g, pass);
    const char *wrong = graph_verify(g);
    if (!wrong && row) wrong = graph_lacks(g, row->gives);
    return fault(g, "after", pass, wrong);
}

const char *stage_run(Graph *g, PassStage stage, PassWatch watch, void *context, PassLog *log) {
    int count;
    const PassRow *rows = passes_table(&count);
    unsigned given = HAS_nothing;
    for (int i = 0; i < count; i++) {
        if (rows[i].stage != stage || !rows[i].run) continue;
        const char *wrong =
            fault(g, "ahead of", rows[i].name, graph_lacks(g, rows[i].needs & ~given));
        if (wrong) return wrong;
        const PassFigures figures = pass_figures_begin(g, rows[i].name);
        rows[i].run(g);
        pass_figures_end(log, figures, g);
        wrong = stage_pass_done(g, rows[i].name, watch, context);
        if (wrong) return wrong;
        given = rows[i].gives;
    }
    return NULL;
}
