/* couplet gradcheck: compares gradients with central differences in float64. The gradient is that
 * of one function, of every function of a file, or of a method's whole loss. */
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/gradcheck.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/driver/whole_numbers.h"
#include "runtime/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    BATCH = 4,
    METHOD_ENTRIES = 2,
    FUNCTION_ENTRIES = 4096,
};
static const double tolerance = 1e-6;

static const GNode *find_node(const Graph *g, const char *name) {
    for (int i = 0; i < g->nodes.count; i++) {
        const GNode *n = g->nodes.items[i];
        if ((n->kind == GN_INPUT || n->kind == GN_STATE) && strcmp(n->name, name) == 0) return n;
    }
    return NULL;
}

static bool has_fault(Diag *diag, const Reference *run) {
    Span span;
    const char *fault = run ? reference_fault(run, &span) : "out of memory";
    CoupletFinding found;
    char name[8];
    char text[2048];
    if (!fault) return false;
    if (run && reference_explain(run, &found, name, sizeof name) && found.place[0]) {
        const CoupletFault said = {.sentence = found.sentence,
                                   .source = found.place,
                                   .inner = found.inner[0] ? found.inner : NULL,
                                   .advice = found.advice,
                                   .kind = found.kind,
                                   .input = -1};
        couplet_fault_text(&said, NULL, text, sizeof text);
        report_error(CODE_RUN_FAULT, text);
    } else if (run)
        diag_report(diag, CODE_RUN_FAULT, span, "%s", fault);
    else
        report_error(CODE_RUN_STOPPED, fault);
    return true;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* True if the value is a finite number, since differences of other values mean nothing. Returns
 * false after a message. */
static bool is_comparable(const char *name, double value) {
    if (isfinite(value)) return true;
    const char *what = isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    report(CODE_GRADIENT,
           "the value of `%s` is %s on these arrays, and no gradient can be compared; give other "
           "arrays with --in, or guard the formula",
           name, what);
    return false;
}

static void print_gradient_head(const char *name, double value, int width) {
    printf("%s = %.10g\n  %-*s  entries  largest gradient  off by\n", name, value, width, "");
}

static bool print_gradient(const char *name, const GradientCheck *c, int width) {
    bool good = c->off <= tolerance;
    char entries[48];
    if (c->tried < c->entries)
        snprintf(entries, sizeof entries, "%lld of %lld", (long long)c->tried,
                 (long long)c->entries);
    else
        snprintf(entries, sizeof entries, "%lld", (long long)c->entries);
    printf("  %-*s  %7s  %16.4g  %.1e", width, name, entries, c->largest, c->off);
    /* fabs drops the sign of a NaN, which is accidental */
    const double found = isnan(c->found) ? fabs(c->found) : c->found;
    const double expected = isnan(c->expected) ? fabs(c->expected) : c->expected;
    if (!good)
        printf("   WRONG: at entry %lld the gradient is %.8g and the differences give %.8g",
               (long long)c->worst, found, expected);
    printf("\n");
    fflush(stdout); /* computing the next row may take a while */
    return good;
}

static int longest_name(const Graph *g) {
    int width = 5;
    for (int i = 0; i < g->outputs.count; i++) {
        int length = (int)strlen(g->outputs.items[i].name) - 5;
        if (strncmp(g->outputs.items[i].name, "grad_", 5) == 0 && length > width) {
            width = length;
        }
    }
    return width;
}

/* ---- what is checked ------------------------------------------------------------------------- */

/* The graphs of a formula, as written and finished with its gradients, and the source of both
 * graphs' arrays. */
typedef struct Subject {
    const char *name;
    const char *output;
    const Graph *forward;
    const Graph *finished;
    ReferenceSource source;
    void *context;
    int64_t entries;
} Subject;

/* Checks the outputs grad_NAME of the finished graph, one after the other. Returns false if one is
 * wrong, or if a run stops with a fault. */
static bool check_gradients(Diag *diag, const Subject *s) {
    clock_t begin = clock();
    Reference *base = reference_run(s->forward, s->source, s->context);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    if (seconds > 0.5)
        report_note("one evaluation in float64 takes %.1f s, and several are needed for each row: "
                    "a smaller network is quicker",
                    seconds);
    Reference *run = reference_run(s->finished, s->source, s->context);
    bool good = !has_fault(diag, base) && !has_fault(diag, run);
    const GNode *output = NULL;
    for (int i = 0; i < s->forward->outputs.count; i++)
        if (strcmp(s->forward->outputs.items[i].name, s->output) == 0)
            output = s->forward->outputs.items[i].node;
    int width = longest_name(s->finished);
    good = good && is_comparable(s->name, *reference_value(base, output));
    if (good) {
        print_gradient_head(s->name, *reference_value(base, output), width);
    }
    for (int i = 0; good && i < s->finished->outputs.count; i++) {
        const GOutput *gradient = &s->finished->outputs.items[i];
        if (strncmp(gradient->name, "grad_", 5) != 0) continue;
        const GNode *input = find_node(s->forward, gradient->name + 5);
        if (!input) continue; /* no formula reads the parameter, so its gradient is 0 */
        const double *values = s->source(s->context, input);
        GradientCheck check = gradient_check(base, output, input, values,
                                             reference_value(run, gradient->node), s->entries);
        good = print_gradient(gradient->name + 5, &check, width);
    }
    reference_free(base);
    reference_free(run);
    return good;
}

static bool check_function(Arena *arena, Diag *diag, const Options *o, const Method *method,
                           const char *name) {
    const Stmt *fn = method_find_function(method, name);
    FunctionArrays *arrays = arena_new_of(arena, FunctionArrays);
    arrays->arena = arena;
    Snapshot written = {.name = name, .pass = "lower"};
    const CompileOptions lower = {.after = gradient_snapshot_pass, .context = &written};
    if (!arrays_read(arrays, o) || (fn && !arrays_make_up(arrays, fn, o))) return false;
    Graph *g = compile_function(arena, diag, method, name, arrays->inputs, arrays->count, &lower);
    if (!g || !arrays_fit_whole_numbers(arrays, g)) return false;
    arrays_fit_indices(arrays, &written.graph);
    const Subject subject = {name,        "value", &written.graph,  g,
                             arrays_find, arrays,  FUNCTION_ENTRIES};
    return check_gradients(diag, &subject);
}

static bool gives_number(const Stmt *fn) {
    return fn->result && fn->result->kind == KIND_REAL && fn->result->rank == 0;
}

/* Checks every function of the file that gives one real number, and lists the others. */
static bool check_functions(Arena *arena, Diag *diag, const Options *o, const Method *method) {
    int checked = 0;
    int wrong = 0;
    const char *others = NULL;
    for (int i = 0; i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        if (s->kind != STMT_FN) continue;
        if (!gives_number(s)) {
            others = others ? arena_printf(arena, "%s, `%s`", others, s->name)
                            : arena_printf(arena, "`%s`", s->name);
            continue;
        }
        checked++;
        if (check_function(arena, diag, o, method, s->name)) continue;
        wrong++;
        report(CODE_GRADIENT, "`%s` does not pass", s->name);
    }
    if (checked == 0)
        report(CODE_NOTHING_TO_DO, "`%s` has neither a loss nor a function that gives a number",
               o->file);
    else
        printf("%d functions, %d wrong\n", checked, wrong);
    if (checked && others)
        printf("not checked, since no single real number comes out: %s\n", others);
    return checked > 0 && wrong == 0;
}

/* ---- a whole method -------------------------------------------------------------------------- */

typedef struct MethodArrays {
    Arena *arena;
    const LoweredProgram *program;
    const Reference *start; /* the graph `init`, which starts every state */
    uint32_t seed;
    ARRAY(const char *) names;
    ARRAY(double *) values;
} MethodArrays;

/* Returns the field of data that an input holds, as in "train.x" or "train.all.x". NULL: the input
 * holds row numbers or something else. */
static const DataField *field_of(const LoweredProgram *program, const char *input) {
    for (int i = 0; i < program->sources.count; i++) {
        const DataSource *data = program->sources.items[i].data;
        for (int k = 0; k < data->field_count; k++) {
            const size_t length = strlen(data->name);
            if (strncmp(input, data->name, length) != 0 || input[length] != '.') continue;
            const char *name = input + length + 1;
            if (strncmp(name, "all.", 4) == 0) name += 4;
            if (strcmp(name, data->fields[k].name) == 0) return &data->fields[k];
        }
    }
    return NULL;
}

/* Returns a made-up entry of a field. Classes are few, so that some samples share one; an int
 * without a known range is 0 or 1. */
static double made_up(const DataField *field, uint32_t bits) {
    if (field->type == DATA_REAL) return (double)(bits >> 8) * 0x1p-24;
    return bits % (field->classes > 3 ? 3 : field->classes ? (uint32_t)field->classes : 2);
}

static double input_element(const MethodArrays *m, const GNode *n, int64_t i) {
    uint32_t bits = couplet_random_bits(m->seed, 0, 0, 1, (uint64_t)i, 0);
    if (strcmp(n->name, "seed") == 0) return i ? 0 : m->seed;
    if (strcmp(n->name, "steps") == 0) return 100;
    for (int h = 0; h < m->program->hypers.count; h++)
        if (strncmp(n->name, "hyper.", 6) == 0 &&
            strcmp(n->name + 6, m->program->hypers.items[h].name) == 0)
            return m->program->hypers.items[h].value;
    if (n->type == GT_U8) return bits % 256;
    const DataField *field = field_of(m->program, n->name);
    if (field) return made_up(field, bits);
    return n->rank ? (double)i : 0;
}

static const double *method_array(void *context, const GNode *n) {
    MethodArrays *m = context;
    for (int i = 0; i < m->names.count; i++)
        if (strcmp(m->names.items[i], n->name) == 0) return m->values.items[i];
    int64_t count = 1;
    for (int i = 0; i < n->rank; i++)
        count *= n->shape[i];
    double *values = arena_array(m->arena, double, count + 1);
    for (int64_t i = 0; n->kind == GN_INPUT && i < count; i++)
        values[i] = input_element(m, n, i);
    /* While `init` itself is evaluated, no state has a value yet. */
    if (n->kind == GN_STATE && !m->start) return values;
    for (int i = 0; n->kind == GN_STATE && i < m->program->init->commits.count; i++) {
        const GCommit *c = &m->program->init->commits.items[i];
        if (strcmp(c->state->name, n->name) == 0)
            memcpy(values, reference_value(m->start, c->value), sizeof *values * (size_t)count);
    }
    array_push(m->arena, &m->names, n->name);
    array_push(m->arena, &m->values, values);
    return values;
}

static bool trains_in_parts(const Module *spec) {
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_LOSS && spec->stmts[i]->target_count) return true;
    return false;
}

static bool check_whole(Arena *arena, Diag *diag, const Options *o, const Method *method) {
    if (trains_in_parts(method->spec)) {
        report(CODE_COMMAND_LINE,
               "a loss of `%s` trains only some parts, so no parameter's gradient is that of the "
               "whole loss; check its functions with --fn",
               o->file);
        return false;
    }
    Snapshot written = {.name = "train", .pass = "lower"};
    const CompileOptions lower = {.after = gradient_snapshot_pass, .context = &written};
    LoweredProgram *program = compile_method(arena, diag, method, METHOD_GRADIENTS, &lower);
    if (!program) return false;
    MethodArrays arrays = {.arena = arena, .program = program, .seed = (uint32_t)o->seed};
    Reference *start = reference_run(program->init, method_array, &arrays);
    arrays.start = start;
    const Subject subject = {"loss",       "loss",  &written.graph, program->train,
                             method_array, &arrays, METHOD_ENTRIES};
    bool good = !has_fault(diag, start) && check_gradients(diag, &subject);
    reference_free(start);
    return good;
}

int gradcheck_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    if (options_read(arena, &options, "gradcheck", "fn in set data size batch seed", argc, argv)) {
        Diag *diag = diag_new(arena);
        if (!options.batch) options.batch = BATCH;
        Method *method = load_method(arena, diag, options.file, &options);
        bool is_method = false;
        for (int i = 0; method && i < method->spec->stmt_count; i++)
            is_method |= method->spec->stmts[i]->kind == STMT_LOSS;
        bool good = method && (is_method || arrays_know_sizes(method, &options)) &&
                    (options.fn  ? check_function(arena, diag, &options, method, options.fn)
                     : is_method ? check_whole(arena, diag, &options, method)
                                 : check_functions(arena, diag, &options, method));
        report_messages(diag);
        status = good ? 0 : 1;
    }
    arena_free(arena);
    return status;
}
