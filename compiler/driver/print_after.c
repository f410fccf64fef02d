/* Prints graphs for --print-after PASS. compile/stage.c calls a watch after each pass. The pass
 * `place` works on a plan and has a printer of its own. */
#include "compiler/driver/print_after.h"

#include "compiler/driver/assemble.h"
#include "compiler/driver/report.h"
#include "compiler/plan/plan.h"

#include <string.h>

bool print_after_exists(const char *pass) {
    if (!pass || pass_exists(pass)) return true;
    Arena *arena = arena_new();
    report(CODE_COMMAND_LINE, "there is no pass `%s`; there are %s", pass, passes_list(arena));
    arena_free(arena);
    return false;
}

/* Returns the form that the graph had after its last pass. print_after_pass sees by it whether a
 * pass changed the graph. */
static GraphForm *form_of(PrintAfter *p, const Graph *g) {
    for (int i = 0; i < p->forms.count; i++)
        if (p->forms.items[i].graph == g) return &p->forms.items[i];
    const GraphForm none = {.graph = g};
    array_push(p->arena, &p->forms, none);
    return &p->forms.items[p->forms.count - 1];
}

PrintAfter *print_after_new(Arena *arena, const char *pass) {
    PrintAfter *p = arena_new_of(arena, PrintAfter);
    *p = (PrintAfter){.arena = arena, .pass = pass};
    return p;
}

void print_after_pass(void *context, const Graph *g, const char *done) {
    PrintAfter *p = context;
    if (!p->pass) return;
    GraphForm *known = form_of(p, g);
    const uint64_t hash = graph_form_hash(g);
    const uint64_t before = known->hash;
    known->hash = hash;
    if (strcmp(p->pass, done) != 0) return;
    if (hash == before) printf("# %s leaves this graph unchanged\n", done);
    graph_print(g, stdout);
}

void print_after_place(Arena *arena, const char *pass, Graph *g, const ProgramState *states,
                       int state_count, const DeviceChoice *device) {
    if (!pass || strcmp(pass, "place") != 0) return;
    const PlanTarget target = device_target(arena, device);
    const char *error = NULL;
    Plan plan;
    if (plan_make(&plan, arena, g, states, state_count, &target, &error))
        plan_print(&plan, stdout);
    else
        report_error(CODE_COMMAND_LINE, error);
    fflush(stdout);
}
