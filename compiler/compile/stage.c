/* Passes are run in one place, so that each graph that a pass leaves is shown to whoever watches and is
 * verified: a pass at fault is named, not the one behind it that meets the graph. */
#include "compiler/compile/stage.h"

const char *stage_pass_done(Graph *g, const char *pass, PassWatch watch, void *context) {
    if (watch) watch(context, g, pass);
    const char *wrong = graph_verify(g);
    return wrong ? arena_printf(g->arena, "a fault of the compiler: after %s, %s", pass, wrong) : NULL;
}

const char *stage_run(Graph *g, PassStage stage, PassWatch watch, void *context) {
    int count;
    const PassRow *rows = passes_table(&count);
    for (int i = 0; i < count; i++) {
        if (rows[i].stage != stage || !rows[i].run) continue;
        rows[i].run(g);
        const char *wrong = stage_pass_done(g, rows[i].name, watch, context);
        if (wrong) return wrong;
    }
    return NULL;
}
