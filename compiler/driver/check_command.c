/* `couplet check`: types and shapes, and on request numbers (--numerics), memory (--memory) and
 * the graph after a pass (--print-after). A file with a loss is compiled up to its plans, since
 * a read out of range only shows with concrete extents. In a file without one, each function
 * that gives a number is taken for itself. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/load.h"
#include "compiler/driver/memory_report.h"
#include "compiler/driver/print_after.h"
#include "compiler/driver/ranks_report.h"
#include "compiler/driver/report.h"
#include "compiler/plan/plan.h"

#include <string.h>

static const DeviceChoice host = {.backend = &cpu_backend};

static void print_placements(Arena *arena, const char *pass, const LoweredProgram *program) {
    for (int i = 0; i < program->phases.count; i++)
        print_after_place(arena, pass, program->phases.items[i].train, program->states.items,
                          program->states.count, &host);
    for (int i = 0; i < program->features.count; i++)
        print_after_place(arena, pass, program->features.items[i], program->states.items,
                          program->states.count, &host);
    print_after_place(arena, pass, program->init, program->states.items, program->states.count,
                      &host);
}

/* Prints the rewrites that keep numbers finite and exact, one line for each formula. */
static void print_numerics(const Graph *g, FILE *out) {
    if (g->notes.count == 0) {
        fprintf(out, "no formula needed another form\n");
    }
    for (int i = 0; i < g->notes.count; i++) {
        const GNote *n = &g->notes.items[i];
        bool said = false;
        for (int k = 0; k < i; k++)
            said |=
                g->notes.items[k].span.line == n->span.line && g->notes.items[k].text == n->text;
        if (!said && n->span.source)
            fprintf(out, "%s:%d: %s\n", n->span.source->path, n->span.line, n->text);
    }
}

static void print_figures(const PassFigures *f) {
    printf("%-16s %-14s %9.2f %8d %8d %12lld %10lld\n", f->graph, f->pass, 1e3 * f->seconds,
           f->nodes_before, f->nodes, (long long)f->exprs, (long long)f->steps);
}

/* Logs the plans of the CPU as if planning were the last pass over each graph. The kernels of a
 * plan count as its nodes. */
static void log_plans(Arena *arena, const LoweredProgram *program, PassLog *log) {
    const GraphList list = program_graphs(arena, program);
    const PlanTarget target = device_target(arena, &host);
    for (int i = 0; i < list.count; i++) {
        Plan plan;
        const char *error;
        const PassFigures figures = pass_figures_begin(list.graphs[i], "place");
        if (!plan_make(&plan, arena, list.graphs[i], program->states.items, program->states.count,
                       &target, &error))
            continue;
        pass_figures_end(log, figures, list.graphs[i]);
        log->items[log->count - 1].nodes = plan.kernels.items.count;
    }
}

/* Prints a line for each pass over each graph, and the sum of all. */
static void print_passes(Arena *arena, const LoweredProgram *program, PassLog *log) {
    double seconds = 0;
    int64_t exprs = 0;
    int64_t steps = 0;
    log_plans(arena, program, log);
    printf("%-16s %-14s %9s %8s %8s %12s %10s\n", "graph", "pass", "ms", "before", "after",
           "expressions", "visits");
    for (int i = 0; i < log->count; i++) {
        print_figures(&log->items[i]);
        seconds += log->items[i].seconds;
        exprs += log->items[i].exprs;
        steps += log->items[i].steps;
    }
    printf("%-16s %-14s %9.2f %8s %8s %12lld %10lld\n", "all", "", 1e3 * seconds, "", "",
           (long long)exprs, (long long)steps);
}

static bool report_memory(Arena *arena, Method *method, const LoweredProgram *program,
                          int64_t asked) {
    const CompileOptions options = {.settings = {.no_stream = true}};
    return memory_report(arena, program,
                         compile_method(arena, diag_new(arena), method, METHOD_STEPS, &options),
                         asked, stdout);
}

/* True if the options fit the file, which has a loss if `trains`. Returns false after a message on
 * stderr. */
static bool fits_options(const Options *o, bool trains) {
    if (o->ranks && !trains) {
        report(CODE_SETTING, "--ranks is about the step of a method, and `%s` has no loss",
               o->file);
        return false;
    }
    if (o->ranks > o->shards) {
        report(CODE_SETTING, "%lld ranks need as many shards at least, and --shards is %lld",
               (long long)o->ranks, (long long)o->shards);
        return false;
    }
    if (o->device && !o->ranks) {
        report(CODE_SETTING, "--device goes with --ranks: the other reports are of the CPU");
        return false;
    }
    if (o->passes && !trains) {
        report(CODE_SETTING, "--passes is about the graphs of a method, and `%s` has no loss",
               o->file);
        return false;
    }
    if (!o->fn && o->sizes.count == 0) return true;
    const bool reports = o->memory || o->numerics;
    if (!reports)
        report(CODE_SETTING, "--fn and --size say which function is meant, and go with --memory or "
                             "--numerics");
    else if (trains)
        report(CODE_SETTING,
               "--fn and --size are for a file of functions; `%s` trains a method, and "
               "--memory and --numerics are about its step",
               o->file);
    return reports && !trains;
}

static bool gives_a_number(const Stmt *s) {
    return s->kind == STMT_FN && s->result && s->result->kind == KIND_REAL && s->result->rank == 0;
}

static bool report_function(Arena *arena, const Options *o, const char *name, Graph *g) {
    if (o->numerics) {
        printf("%s:\n", name);
        print_numerics(g, stdout);
    }
    return !o->memory || memory_report_function(arena, name, g, stdout);
}

/* Reports on a file without a loss: on each function that gives a number, or on the function that
 * --fn names. Arrays have the sizes that --size says. */
static bool report_functions(Arena *arena, Diag *diag, const Options *o, const Method *method) {
    const PlanTarget target = device_target(arena, &host);
    const CompileOptions lower = options_to_compile(arena, o, &target);
    bool any = false;
    bool good = true;
    if (o->fn && !method_find_function(method, o->fn)) {
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
        Graph *g =
            compile_function(arena, diag, method, s->name, arrays.inputs, arrays.count, &lower);
        good &= g && report_function(arena, o, s->name, g);
    }
    if (!any && o->fn)
        report(CODE_NOTHING_TO_DO,
               "`%s` gives no number, so it has no gradient that could be reported on", o->fn);
    return good && (any || !o->fn);
}

/* Reports on a method, or on functions, that passed the checker. Returns false after a message,
 * which may be in `diag`. */
static bool report_checked(Arena *arena, Diag *diag, const Options *o, Method *method) {
    PassLog log = {0};
    DeviceChoice choice = host;
    if (o->device && !device_choose(o->device, false, &choice)) return false;
    const PlanTarget target = device_target(arena, &choice);
    CompileOptions lower = options_to_compile(arena, o, o->device ? &target : NULL);
    if (o->passes) lower.log = &log;
    LoweredProgram *program = load_lowered(arena, diag, method, &lower);
    const bool sound = diag_error_count(diag) == 0;
    for (int i = 0; program && o->numerics && i < program->phases.count; i++)
        print_numerics(program->phases.items[i].train, stdout);
    if (program && o->passes) print_passes(arena, program, &log);
    if (program) print_placements(arena, o->print_after, program);
    if (program && o->ranks && !ranks_report(arena, program, &target, (int)o->ranks, stdout))
        return false;
    if (program) return !o->memory || report_memory(arena, method, program, o->memory_bytes);
    if (!o->memory && !o->numerics) return true;
    return !sound || report_functions(arena, diag, o, method);
}

/* True if no option asks for more than names, types and shapes. */
static bool asks_for_types(const Options *o) {
    return !o->print_after && !o->numerics && !o->memory && !o->passes && !o->ranks;
}

static int check_file(Arena *arena, const Options *o) {
    Diag *diag = diag_new(arena);
    Method *method = load_method(arena, diag, o->file, o);
    if (method && diag_error_count(diag) == 0 && !fits_options(o, method_is_trained(method)))
        return 2;
    const bool reported = method && report_checked(arena, diag, o, method);
    report_messages(diag);
    if (!reported || diag_error_count(diag)) return 1;
    if (asks_for_types(o)) check_print(method, stdout);
    return 0;
}

int check_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    const char *const taken =
        "set data skip-bad in fn size seed epochs print-after numerics passes "
        "memory [memory] ranks shards device no-stream no-fuse";
    if (options_read(arena, &options, "check", taken, argc, argv) &&
        print_after_exists(options.print_after)) {
        if (!options.shards) {
            options.shards = options_shards_for(options.ranks);
        }
        status = check_file(arena, &options);
    }
    arena_free(arena);
    return status;
}
