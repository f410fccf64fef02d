/* `couplet check`: types and shapes, and on request numbers (--numerics), memory (--memory) and
 * the graph after a pass (--print-after). A file with a loss is compiled up to its plans, since
 * a read out of range only shows with concrete extents. In a file without one, each function
 * that gives a number is taken for itself. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/device.h"
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/load.h"
#include "compiler/driver/memory_report.h"
#include "compiler/driver/print_after.h"
#include "compiler/driver/report.h"
#include "compiler/plan/plan.h"

#include <string.h>

static const DeviceChoice host = {.kind = ON_CPU};

static void print_placements(Arena *arena, const char *pass, const LoweredProgram *program) {
    for (int i = 0; i < program->phases.count; i++) print_after_place(arena, pass, program->phases.items[i].train, program->states.items, program->states.count, &host);
    for (int i = 0; i < program->features.count; i++) print_after_place(arena, pass, program->features.items[i], program->states.items, program->states.count, &host);
    print_after_place(arena, pass, program->init, program->states.items, program->states.count, &host);
}

/* What was done so that the numbers stay finite and exact, a line for each formula. */
static void print_numerics(const Graph *g, FILE *out) {
    if (g->notes.count == 0) fprintf(out, "no formula needed another form\n");
    for (int i = 0; i < g->notes.count; i++) {
        const GNote *n = &g->notes.items[i];
        bool said = false;
        for (int k = 0; k < i; k++) said |= g->notes.items[k].span.line == n->span.line && g->notes.items[k].text == n->text;
        if (!said && n->span.source) fprintf(out, "%s:%d: %s\n", n->span.source->path, n->span.line, n->text);
    }
}

static void print_figures(const PassFigures *f) {
    printf("%-16s %-14s %9.2f %8d %8d %12lld\n", f->graph, f->pass, 1e3 * f->seconds, f->nodes_before, f->nodes, (long long)f->exprs);
}

/* The plans that a back end would make; their "nodes" are kernels. */
static void log_plans(Arena *arena, const LoweredProgram *program, PassLog *log) {
    int count;
    Graph **graphs = program_graphs(arena, program, &count);
    const PlanTarget target = device_target(arena, &host);
    for (int i = 0; i < count; i++) {
        Plan plan;
        const char *error;
        const PassFigures figures = figures_begin(graphs[i], "place");
        if (!plan_make(&plan, arena, graphs[i], program->states.items, program->states.count, &target, &error)) continue;
        figures_end(log, figures, graphs[i]);
        log->items[log->count - 1].nodes = plan.kernels.items.count;
    }
}

/* A line for each pass over each graph, and their sum. */
static void print_passes(Arena *arena, const LoweredProgram *program, PassLog *log) {
    double seconds = 0;
    int64_t exprs = 0;
    log_plans(arena, program, log);
    printf("%-16s %-14s %9s %8s %8s %12s\n", "graph", "pass", "ms", "before", "after", "expressions");
    for (int i = 0; i < log->count; i++) {
        print_figures(&log->items[i]);
        seconds += log->items[i].seconds;
        exprs += log->items[i].exprs;
    }
    printf("%-16s %-14s %9.2f %8s %8s %12lld\n", "all", "", 1e3 * seconds, "", "", (long long)exprs);
}

static bool report_memory(Arena *arena, Method *method, const LoweredProgram *program, int64_t asked) {
    const CompileOptions options = {.settings = {.no_stream = true}};
    return memory_report(arena, program, compile_method(arena, diag_new(arena), method, METHOD_STEPS, &options), asked, stdout);
}

/* What says whose memory is meant says something: false after a message on stderr. */
static bool fits_options(const Options *o, bool is_method) {
    if (!o->fn && o->sizes.count == 0) return true;
    if (!o->memory) report(CODE_SETTING, "--fn and --size say which function's memory is meant, and go with --memory");
    else if (is_method) report(CODE_SETTING, "--fn and --size are for a file of functions; `%s` trains a method, and --memory is about its step", o->file);
    return o->memory && !is_method;
}

static bool gives_a_number(const Stmt *s) { return s->kind == STMT_FN && s->result && s->result->kind == KIND_REAL && s->result->rank == 0; }

/* Of a file without a loss: its functions that give a number, or the one of --fn, on arrays as large as --size says. */
static bool report_functions(Arena *arena, Diag *diag, const Options *o, const Method *method) {
    const PlanTarget target = device_target(arena, &host);
    const CompileOptions lower = compile_options(arena, o, &target);
    bool any = false, good = true;
    if (o->fn && !find_function(method, o->fn)) {
        report(CODE_FUNCTION_INPUT, "`%s` has no function `%s`", o->file, o->fn);
        return false;
    }
    if (!arrays_know_sizes(method, o)) return false;
    for (int i = 0; i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        if (!gives_a_number(s) || (o->fn && strcmp(s->name, o->fn) != 0)) continue;
        FunctionArrays arrays = {.arena = arena, .only_shapes = true};
        any = true;
        if (!arrays_read(&arrays, o) || !arrays_make_up(&arrays, s, o)) return false;
        Graph *g = compile_function(arena, diag, method, s->name, arrays.inputs, arrays.count, &lower);
        good &= g && memory_report_function(arena, s->name, g, stdout);
    }
    if (!any && o->fn) report(CODE_NOTHING_TO_DO, "`%s` gives no number, so it has no gradient whose memory could be said", o->fn);
    return good && (any || !o->fn);
}

int check_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    if (options_read(arena, &options, "check", "set data skip-bad in fn size seed epochs print-after numerics passes memory [memory] no-stream no-fuse", argc, argv) && print_after_exists(options.print_after)) {
        Diag *diag = diag_new(arena);
        Method *method = load_method(arena, diag, options.file, &options);
        if (method && options.passes && !is_method(method)) {
            report(CODE_SETTING, "--passes is about the graphs of a method, and `%s` has no loss", options.file);
            return 2;
        }
        if (method) {
            PassLog log = {0};
            CompileOptions lower = compile_options(arena, &options, NULL);
            if (options.passes) lower.log = &log;
            LoweredProgram *program = load_lowered(arena, diag, method, &lower);
            if (diag_error_count(diag) == 0 && !fits_options(&options, program != NULL)) return 2;
            for (int i = 0; program && options.numerics && i < program->phases.count; i++) print_numerics(program->phases.items[i].train, stdout);
            if (program && options.passes) print_passes(arena, program, &log);
            if (program) print_placements(arena, options.print_after, program);
            if (program && options.memory && !report_memory(arena, method, program, options.memory_bytes)) return 1;
            if (!program && options.memory && diag_error_count(diag) == 0 && !report_functions(arena, diag, &options, method)) {
                report_messages(diag);
                return 1;
            }
        }
        report_messages(diag);
        bool good = method && diag_error_count(diag) == 0;
        if (good && !options.print_after && !options.numerics && !options.memory && !options.passes) check_print(method, stdout);
        status = good ? 0 : 1;
    }
    arena_free(arena);
    return status;
}
