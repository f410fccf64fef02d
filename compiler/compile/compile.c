/* The road. Each graph of a method (the step of a phase, an evaluation's features, what is done
 * between epochs, the start of all states) and each function goes along it as a unit. It has two
 * parts. The first makes of the text what it means, whatever runs it. The second makes that fast
 * and small for one device; within a budget of memory it is tried on copies until a plan fits
 * (budget.c). */
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

/* A pass that leaves a graph in disorder is a fault of the compiler, but stops it like one of the
 * text. */
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

/* Networks that are only evaluated, and starts, are computed as they are written. */
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
    if (has_formulas_to_stabilise(unit)) run_stage(c, unit, PASS_before);
    differentiate(c, unit);
    lower_updates(c->lower, unit);
    if (diag_error_count(c->diag)) return;
    lower_meaning(unit->graph);
    if (c->options->gradient_norm) lower_watch_gradients(c->lower, unit);
}

/* Compiles the graph for a device. The plan (plan_make) is left for the back end. */
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

/* All graphs of a method, or the one of a function. The settings that fit a budget are those of the
 * whole program, so the first part ends for every graph before the second begins for any. */
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
