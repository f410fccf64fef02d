/* `--print-after PASS`. Graphs are shown by the watch that compile/stage.c calls after each
 * pass. `place` is the one pass that works on a plan, so it has a printer of its own. */
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

void print_after_pass(void *pass, const Graph *g, const char *done) {
    if (pass && strcmp(pass, done) == 0) graph_print(g, stdout);
}

void print_after_place(Arena *arena, const char *pass, Graph *g, const ProgramState *states, int state_count, const DeviceChoice *device) {
    if (!pass || strcmp(pass, "place") != 0) return;
    const PlanTarget target = device_target(arena, device);
    const char *error = NULL;
    Plan plan;
    if (plan_make(&plan, arena, g, states, state_count, &target, &error)) plan_print(&plan, stdout);
    else report_error(CODE_COMMAND_LINE, error);
    fflush(stdout);
}
