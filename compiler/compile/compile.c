/* The road of a compilation. Each graph of a method is a unit: the step of a phase, the features of
 * an evaluation, the work between epochs, the start of all states. A single function is a unit too.
 *
 * The road has two parts. The first makes of the text a graph that means the same on every device.
 * The second makes this graph fast and small for one device. If there is a budget of memory, the
 * second part is tried on copies of the graph until a plan fits (budget.c). */
#include "compiler/compile/compile.h"

#include "compiler/compile/budget.h"

typedef struct Compile {
    Arena *arena;
    Diag *diag;
    const Method *method;
    Lower *lower;
    const CompileOptions *options;
    ARRAY(GraphUnit *) units;
} Compile;

/* Reports a fault of the compiler: a pass left a graph in disorder. Compilation stops as it does
 * after an error in the text. */
static void report_fault(Compile *c, const char *wrong) {
    const Module *spec = c->method->spec;
    const Span span = spec->stmt_count ? spec->stmts[0]->span : (Span){0};
    if (wrong) diag_report(c->diag, CODE_SYNTAX, span, "%s", wrong);
}

static void pass_done(Compile *c, GraphUnit *unit, const char *pass) {
    report_fault(c, stage_pass_done(unit->graph, pass, c->options->after, c->options->context));
}

static void run_stage(Compile *c, GraphUnit *unit, PassStage stage) {
    if (diag_error_count(c->diag)) return;
    report_fault(
        c, stage_run(unit->graph, stage, c->options->after, c->options->context, c->options->log));
}

/* True if the unit has formulas that may lose accuracy. Networks that are only evaluated and the
 * starts of states are computed as they are written. */
static bool has_formulas_to_stabilise(const GraphUnit *unit) {
    return unit->kind != UNIT_FEATURES && unit->kind != UNIT_INIT;
}

static void differentiate(Compile *c, GraphUnit *unit) {
    const PassFigures figures = pass_figures_begin(unit->graph, "differentiate");
    lower_losses(c->lower, unit);
    for (int i = 0; i < unit->loss_count; i++) {
        UnitLoss *loss = &unit->losses[i];
        if (!loss->count) continue;
        pass_differentiate(unit->graph, loss->value, loss->wanted, loss->count, loss->gradients);
    }
    lower_optimisers(c->lower, unit);
    if (!unit->loss_count) return;
    pass_figures_end(c->options->log, figures, unit->graph);
    pass_done(c, unit, "differentiate");
}

/* Compiles the meaning of the text: forward, backward, and the updates at the end of a step. */
static void compile_meaning(Compile *c, GraphUnit *unit) {
    pass_done(c, unit, "lower");
    if (has_formulas_to_stabilise(unit)) {
        run_stage(c, unit, PASS_before);
    }
    differentiate(c, unit);
    lower_updates(c->lower, unit);
    if (diag_error_count(c->diag)) return;
    lower_meaning(unit->graph);
    if (c->options->gradient_norm) {
        lower_watch_gradients(c->lower, unit);
    }
}

/* Makes the graph fast and small for a device. Only the plan is left to the back end, which calls
 * plan_make. */
static void compile_for_device(Compile *c, GraphUnit *unit, const GraphSettings *settings) {
    unit->graph->settings = *settings;
    run_stage(c, unit, PASS_after);
}

static GraphUnit *next_unit(Compile *c) {
    const PassFigures figures = pass_figures_begin(NULL, "lower");
    GraphUnit *unit = lower_next(c->lower);
    if (!unit) return NULL;
    pass_figures_end(c->options->log, figures, unit->graph);
    array_push(c->arena, &c->units, unit);
    return unit;
}

/* Compiles all graphs of a method, or the graph of a function. One choice of settings holds for the
 * whole program and must fit the budget, so the first part is done for every graph before the
 * second begins for any. */
static bool compile_graphs(Compile *c, LoweredProgram **program) {
    for (GraphUnit *unit; (unit = next_unit(c));)
        compile_meaning(c, unit);
    *program = lower_end(c->lower);
    if (diag_error_count(c->diag)) return false;
    if (c->options->only_meaning) return true;
    const Fit fit = budget_fit(c->units.items, c->units.count, *program, c->options);
    for (int i = 0; i < c->units.count; i++)
        compile_for_device(c, c->units.items[i], &fit.settings);
    return !diag_error_count(c->diag) && budget_holds(&fit, c->diag);
}

static const CompileOptions no_options = {.after = NULL};

LoweredProgram *compile_method(Arena *arena, Diag *diag, const Method *method, MethodWanted wanted,
                               const CompileOptions *options) {
    Compile c = {.arena = arena,
                 .diag = diag,
                 .method = method,
                 .lower = lower_begin(arena, diag, method, wanted),
                 .options = options ? options : &no_options};
    LoweredProgram *program;
    return compile_graphs(&c, &program) ? program : NULL;
}

Graph *compile_function(Arena *arena, Diag *diag, const Method *method, const char *fn,
                        const FunctionInput *inputs, int input_count,
                        const CompileOptions *options) {
    Compile c = {.arena = arena,
                 .diag = diag,
                 .method = method,
                 .lower = lower_begin_function(arena, diag, method, fn, inputs, input_count),
                 .options = options ? options : &no_options};
    LoweredProgram *none;
    if (c.options->may_give_array) lower_allow_array(c.lower);
    return compile_graphs(&c, &none) ? c.units.items[0]->graph : NULL;
}
