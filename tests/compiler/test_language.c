/* Tests every function of a file of formulas on made-up arrays. Its value and gradients on the CPU
 * in float32 are compared with the reference evaluator in float64, and the evaluator's gradients
 * with central differences.
 *
 *     test_language [opencl|gpu] FILE...
 *
 * The name of a function may ask for something else:
 *
 *     law_..      its value is 0: what it says holds of any input
 *     stopped_..  no central differences: what it stops would move with the rest
 *     large_..    no central differences: there are too many of them
 *     faults_..   it ends with a named error, on both
 *     frugal_..   ten times its int argument takes no more memory
 *     nan_..      its value is a NaN
 *     flat_..     its gradients are 0, and its value is finite
 *     edge_..     no central differences: it stands where a slope jumps, or beyond float32's
 *                 squares. Values and gradients are finite
 *
 * The name of an array may ask for special entries: `zero` holds zeros, `holes` a NaN in each half,
 * `huge` entries of about 1e25, `tiny` entries of about 1e-25, `masked` a row of -inf and a row
 * with one -inf, `onehot` a 1 in each row.
 *
 * Each function runs fused and, without that pass, as one kernel for each node. A function with an
 * array of pairs runs once more, with every such array stored. On the first OpenCL device only the
 * kernels are tried, fused, and arrays of pairs are streamed. With `gpu` they are the kernels of a
 * GPU, whatever the device is. */
#include "compiler/compile/compile.h"
#include "compiler/cpu/cpu.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/load.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"
#include "runtime/opencl/opencl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INPUTS = 12, MOST_OUTPUTS = 16 };

static CoupletDevice *opencl; /* NULL: everything but OpenCL is tried */
static bool as_gpu;

typedef struct Case {
    Arena *arena;
    const Stmt *fn;
    FunctionInput inputs[MOST_INPUTS];
    double *data[MOST_INPUTS];
    int count;
    double *raw[MOST_OUTPUTS]; /* by output: its value before the passes that serve a back end */
    int failures;
} Case;

static int64_t elements(int rank, const int64_t *shape) {
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= shape[i];
    return count;
}

static void complain(Case *c, const char *what, double found, double expected) {
    if (c->failures++ < 5)
        printf("  %s: %s is %.12g, expected %.12g\n", c->fn->name, what, found, expected);
}

/* Gives the extent of a dimension by its name. All differ, so that a mixed-up axis shows. */
static int64_t extent_of(const Expr *dim) {
    static const struct {
        const char *name;
        int64_t extent;
    } rows[] = {{"N", 6}, {"D", 4},  {"K", 5},  {"C", 3},   {"M", 9},
                {"B", 2}, {"P", 71}, {"Q", 45}, {"R", 100}, {"W", 37}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (dim->kind == EXPR_NAME && strcmp(dim->name, rows[i].name) == 0) return rows[i].extent;
    return dim->kind == EXPR_NUMBER ? (int64_t)dim->number : 7;
}

/* Returns element i of an array as its name asks. Rows have `row` elements. */
static double special(const char *name, int64_t i, int64_t size, int64_t row, double x) {
    if (strcmp(name, "zero") == 0) return 0;
    if (strcmp(name, "holes") == 0) return i == size / 4 || i == size / 2 + 1 ? NAN : x;
    if (strcmp(name, "huge") == 0) return (double)(float)(1e25 * x);
    if (strcmp(name, "tiny") == 0) return (double)(float)(1e-25 * x);
    if (strcmp(name, "masked") == 0) return i / row == 1 || i == 2 * row ? -INFINITY : x;
    if (strcmp(name, "onehot") == 0) return i % row == i / row % row;
    return x;
}

static void make_input(Case *c, const Param *p) {
    FunctionInput *in = &c->inputs[c->count];
    memset(in, 0, sizeof *in);
    in->name = p->name;
    bool whole = p->type->kind != KIND_REAL;
    in->type = whole ? GT_INT : GT_REAL;
    in->is_constant = !p->has_shape;
    in->value = whole ? 3 : 0.5;
    in->rank = p->dim_count;
    for (int i = 0; i < in->rank; i++)
        in->shape[i] = extent_of(p->dims[i]);
    int64_t size = elements(in->rank, in->shape);
    double *data = arena_array(c->arena, double, size);
    for (int64_t i = 0; i < size; i++) {
        double x = 0.9 * sin(1.0 + 1.7 * (double)i + 0.6 * c->count) + 0.013 * (double)i;
        data[i] = p->type->kind == KIND_BOOL ? (double)(i % 2)
                  : whole                    ? (double)(i * 7 % 11 % 3)
                          : special(p->name, i, size, in->rank ? in->shape[in->rank - 1] : 1,
                                    (double)(float)x);
    }
    for (int64_t i = 0; i < size; i++)
        in->holds_infinity |= isinf(data[i]) != 0;
    c->data[c->count++] = data;
}

static const double *find(void *context, const GNode *node) {
    static const double zero[2] = {0, 0};
    const Case *c = context;
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->inputs[i].name, node->name) == 0) return c->data[i];
    return zero; /* for the inputs `seed` and `step` */
}

static bool starts_with(const char *name, const char *start) {
    return strncmp(name, start, strlen(start)) == 0;
}

/* True if two numbers are near; two NaN are as near as two numbers can be. */
static bool near(double found, double expected, double allowed) {
    return (isnan(found) && isnan(expected)) || found == expected ||
           fabs(found - expected) <= allowed;
}

/* Checks the promise of the function's name about its value and gradients. */
static void keep_promise(Case *c, const char *output, double value) {
    const char *name = c->fn->name;
    bool is_value = strcmp(output, "value") == 0;
    if (starts_with(name, "nan_") && is_value && !isnan(value)) complain(c, output, value, NAN);
    if (starts_with(name, "flat_") && !(is_value ? isfinite(value) : value == 0))
        complain(c, output, value, 0);
    if (starts_with(name, "edge_") && !isfinite(value)) complain(c, output, value, 0);
}

static void keep_raw(void *context, const Graph *g, const char *pass) {
    Case *c = context;
    if (strcmp(pass, "differentiate") != 0) return;
    Reference *run = reference_run(g, find, c);
    for (int i = 0; run && i < g->outputs.count && i < MOST_OUTPUTS; i++) {
        const GNode *n = g->outputs.items[i].node;
        const double *values = reference_value(run, n);
        int64_t size = elements(n->rank, n->shape);
        c->raw[i] = arena_array(c->arena, double, size);
        if (values) memcpy(c->raw[i], values, sizeof(double) * (size_t)size);
        for (int64_t k = 0; k < size; k++)
            keep_promise(c, g->outputs.items[i].name, c->raw[i][k]);
    }
    reference_free(run);
}

static double evaluated_value(Case *c, const Graph *g) {
    Reference *run = reference_run(g, find, c);
    const double *value = run ? reference_output(run, "value") : NULL;
    double result = value ? *value : NAN;
    reference_free(run);
    return result;
}

static void compare_differences(Case *c, const Graph *g) {
    for (int o = 1; o < g->outputs.count; o++) {
        const char *name = g->outputs.items[o].name + strlen("grad_");
        int at = 0;
        while (strcmp(c->inputs[at].name, name) != 0)
            at++;
        int64_t size = elements(c->inputs[at].rank, c->inputs[at].shape);
        for (int64_t i = 0; i < size; i++) {
            double kept = c->data[at][i];
            double h = 1e-5;
            c->data[at][i] = kept + h;
            double up = evaluated_value(c, g);
            c->data[at][i] = kept - h;
            double down = evaluated_value(c, g);
            c->data[at][i] = kept;
            double expected = (up - down) / (2 * h);
            if (!(fabs(c->raw[o][i] - expected) <= 1e-6 * (1 + fabs(expected))))
                complain(c, g->outputs.items[o].name, c->raw[o][i], expected);
        }
    }
}

static void compare_passes(Case *c, const Graph *g) {
    Reference *run = reference_run(g, find, c);
    Span span;
    if (reference_fault(run, &span))
        printf("  %s: line %d: %s\n", c->fn->name, span.line, reference_fault(run, &span)),
            c->failures++;
    for (int o = 0; !reference_fault(run, NULL) && o < g->outputs.count; o++) {
        const GNode *n = g->outputs.items[o].node;
        const double *values = reference_value(run, n);
        for (int64_t i = 0; i < elements(n->rank, n->shape); i++)
            if (!near(values[i], c->raw[o][i], 1e-9 * (1 + fabs(c->raw[o][i]))))
                complain(c, "after the passes", values[i], c->raw[o][i]);
    }
    reference_free(run);
}

static void **narrow(Case *c, const Graph *g, const CoupletPlan *plan) {
    void **inputs = arena_array(c->arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++) {
        const GNode *node = g->nodes.items[plan->inputs[i].buffer];
        const double *wide = find(c, node);
        int64_t size = elements(node->rank, node->shape);
        inputs[i] = arena_alloc(c->arena, (size_t)size * 4);
        for (int64_t k = 0; k < size; k++) {
            if (node->type == GT_INT)
                ((int32_t *)inputs[i])[k] = (int32_t)wide[k];
            else
                ((float *)inputs[i])[k] = (float)wide[k];
        }
    }
    return inputs;
}

/* Compares two runs bit for bit. The second run is on two threads; on OpenCL it repeats the
 * first. */
static void compare_runs(Case *c, const Graph *g, const CoupletPlan *plan, CoupletRun *run,
                         CoupletRun *again, bool must_fault, const char *error) {
    CoupletFault fault = {.sentence = error, .source = "compiling"};
    bool done = run && couplet_run_steps(run, narrow(c, g, plan), NULL, &fault);
    if (done == must_fault || !run)
        printf("  %s: %s\n", c->fn->name,
               done ? "no error, and there should be one" : fault.sentence),
            c->failures++;
    if (done && !couplet_run_steps(again, narrow(c, g, plan), NULL, &fault))
        printf("  %s: the second run: %s\n", c->fn->name, fault.sentence), c->failures++;
    for (int o = 0; done && !must_fault && o < g->outputs.count; o++) {
        const GNode *n = g->outputs.items[o].node;
        const float *values = couplet_run_output(run, g->outputs.items[o].name);
        if (memcmp(values, couplet_run_output(again, g->outputs.items[o].name),
                   (size_t)elements(n->rank, n->shape) * sizeof *values) != 0)
            printf("  %s: `%s` has other bits the second time\n", c->fn->name,
                   g->outputs.items[o].name),
                c->failures++;
        int64_t size = elements(n->rank, n->shape);
        double largest = starts_with(c->fn->name, "edge_") ? 0 : 1e-3;
        for (int64_t i = 0; i < size; i++)
            largest = fmax(largest, fabs(c->raw[o][i]));
        for (int64_t i = 0; i < size; i++)
            keep_promise(c, g->outputs.items[o].name, (double)values[i]);
        bool law = starts_with(c->fn->name, "law_");
        for (int64_t i = 0; i < size && !(law && o > 0); i++)
            if (!near((double)values[i], c->raw[o][i], law ? 1e-5 : 1e-5 * largest))
                complain(c, g->outputs.items[o].name, (double)values[i], c->raw[o][i]);
    }
}

static void compare_cpu(Case *c, Graph *g, bool must_fault) {
    CoupletPlan *plan = NULL;
    const char *error = "out of memory";
    CpuOptions options = {NULL};
    CpuCode *code = cpu_compile(c->arena, &g, 1, NULL, 0, &options, &plan, &error);
    CoupletThreads *threads = couplet_threads_new(2);
    CoupletRun *run = code ? couplet_run_new(plan, NULL) : NULL;
    CoupletRun *threaded = code ? couplet_run_new(plan, threads) : NULL;
    compare_runs(c, g, plan, run, threaded, must_fault, error);
    couplet_run_free(run);
    couplet_run_free(threaded);
    couplet_threads_free(threads);
    cpu_free(code);
}

static void compare_opencl(Case *c, Graph *g, const CoupletPlan *plan, bool must_fault) {
    CoupletRun *run = couplet_run_on(opencl, plan);
    CoupletRun *again = run ? couplet_run_on(opencl, plan) : NULL;
    compare_runs(c, g, plan, run, again, must_fault, opencl->fault.sentence);
    couplet_run_free(run);
    couplet_run_free(again);
}

static void make_inputs(Case *c, const Stmt *fn) {
    memset(c, 0, sizeof *c);
    c->arena = arena_new();
    c->fn = fn;
    for (int i = 0; i < fn->param_count && i < MOST_INPUTS; i++)
        if (!fn->params[i].value) make_input(c, &fn->params[i]);
}

static int64_t arena_with(Diag *diag, const Method *method, const Stmt *fn, double number) {
    Case c;
    CoupletPlan *plan;
    const char *error;
    CpuOptions options = {NULL};
    make_inputs(&c, fn);
    for (int i = 0; i < c.count; i++)
        if (c.inputs[i].is_constant && c.inputs[i].type == GT_INT) c.inputs[i].value = number;
    Graph *g = compile_function(c.arena, diag, method, fn->name, c.inputs, c.count, NULL);
    CpuCode *code = g ? cpu_compile(c.arena, &g, 1, NULL, 0, &options, &plan, &error) : NULL;
    int64_t bytes = code ? plan->arena_bytes : -1;
    cpu_free(code);
    arena_free(c.arena);
    return bytes;
}

static bool skips_differences(const char *name) {
    static const char *const starts[] = {"law_", "stopped_", "large_", "frugal_",
                                         "nan_", "flat_",    "edge_"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (starts_with(name, starts[i])) return true;
    return false;
}

static bool faults(const Case *c) {
    return starts_with(c->fn->name, "faults_");
}

/* Makes the graph of a function. Returns NULL, with messages, if the function does not compile. */
static Graph *make_graph(Case *c, Diag *diag, const Method *method, const Stmt *fn,
                         GraphSettings settings) {
    make_inputs(c, fn);
    if (starts_with(fn->name, "frugal_")) {
        int64_t few = arena_with(diag, method, fn, 4);
        int64_t many = arena_with(diag, method, fn, 40);
        if (few < 0 || few != many) complain(c, "the arena in bytes", (double)many, (double)few);
    }
    CompileOptions options = {.after = keep_raw, .context = c, .settings = settings};
    Graph *g = compile_function(c->arena, diag, method, fn->name, c->inputs, c->count, &options);
    if (!g) diag_print(diag, stdout), c->failures++;
    return g;
}

static int finish_case(Case *c, const char *how) {
    const bool failed = c->failures != 0;
    printf("%s%s: %s\n", c->fn->name, how, failed ? "FAILED" : "ok");
    arena_free(c->arena);
    return failed;
}

static void compare_reference(Case *c, const Graph *g) {
    if (faults(c)) {
        Reference *run = reference_run(g, find, c);
        if (!reference_fault(run, NULL))
            printf("  %s: the reference evaluator meets no error, and should\n", c->fn->name),
                c->failures++;
        reference_free(run);
        return;
    }
    if (starts_with(c->fn->name, "law_") && !(fabs(c->raw[0][0]) <= 1e-9))
        complain(c, "the value", c->raw[0][0], 0);
    compare_passes(c, g);
    if (!skips_differences(c->fn->name)) compare_differences(c, g);
}

/* Tries a function with these settings. *pairs is set to the number of arrays of pairs. */
static int try_with(Diag *diag, const Method *method, const Stmt *fn, GraphSettings settings,
                    const char *how, int *pairs) {
    Case c;
    Graph *g = make_graph(&c, diag, method, fn, settings);
    if (g) {
        compare_reference(&c, g);
        compare_cpu(&c, g, faults(&c));
        *pairs = g->choices.count;
    }
    return finish_case(&c, how);
}

static int try_function(Diag *diag, const Method *method, const Stmt *fn) {
    const GraphSettings streamed = {.stream_bytes = 1};
    const GraphSettings stored = {.no_stream = true};
    const GraphSettings not_fused = {.stream_bytes = 1, .no_fuse = true};
    int pairs = 0;
    int failed = try_with(diag, method, fn, streamed, "", &pairs);
    if (pairs) failed |= try_with(diag, method, fn, stored, ", stored", &pairs);
    return failed | try_with(diag, method, fn, not_fused, ", not fused", &pairs);
}

/* Tries all functions as one program of the device, so that its compiler starts once and builds
 * shared kernels once. */
static int try_on_device(Arena *arena, Diag *diag, const Method *method, const Stmt *const *fns,
                         int count) {
    const GraphSettings settings = {.stream_bytes = 1};
    Case *cases = arena_array(arena, Case, count + 1);
    Graph **graphs = arena_array(arena, Graph *, count + 1);
    int failed = 0;
    int made = 0;
    for (int i = 0; i < count; i++) {
        graphs[made] = make_graph(&cases[made], diag, method, fns[i], settings);
        if (graphs[made])
            made++;
        else
            failed += finish_case(&cases[made], "");
    }
    BackEndCode code;
    const char *error = "?";
    const GraphList list = {.graphs = graphs, .count = made};
    if (!opencl_backend.compile(arena, &list, as_gpu ? ANY_DEVICE : 0, &code, &error))
        return printf("%s\n", error), 1;
    for (int i = 0; i < made; i++) {
        compare_opencl(&cases[i], graphs[i], code.plans[i], faults(&cases[i]));
        failed += finish_case(&cases[i], "");
    }
    return failed;
}

static int try_file(const char *path) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    Method *method = load_method(arena, diag, path, NULL);
    int failed = 0;
    int count = 0;
    if (!method || diag_error_count(diag)) {
        diag_print(diag, stdout);
        arena_free(arena);
        return 1;
    }
    const Stmt **fns = arena_array(arena, const Stmt *, method->spec->stmt_count + 1);
    for (int i = 0; i < method->spec->stmt_count; i++)
        if (method->spec->stmts[i]->kind == STMT_FN) fns[count++] = method->spec->stmts[i];
    if (!count) failed = 1, printf("%s holds no function\n", path);
    if (opencl)
        failed += try_on_device(arena, diag, method, fns, count);
    else
        for (int i = 0; i < count; i++)
            failed += try_function(diag, method, fns[i]);
    arena_free(arena);
    return failed;
}

int main(int argc, char **argv) {
    char error[640];
    as_gpu = argc > 1 && strcmp(argv[1], "gpu") == 0;
    int first = as_gpu || (argc > 1 && strcmp(argv[1], "opencl") == 0) ? 2 : 1;
    int failed = argc <= first;
    if (first == 2 &&
        !(opencl = couplet_opencl_open(0, getenv("COUPLET_CACHE"), error, sizeof error))) {
        printf("%s\n", error);
        return 1;
    }
    for (int i = first; i < argc; i++)
        failed += try_file(argv[i]);
    couplet_device_free(opencl);
    return failed != 0;
}
