/* Tests random formulas and their gradients. Every pass and the compiled kernels are compared with
 * the reference evaluator in float64 on the graph as it was made, and its gradient with a
 * difference along one direction. A float32 result may be as far off as rounding alone takes the
 * reference.
 *
 *     test_formulas [opencl] [FIRST COUNT]
 *     test_formulas [opencl] FILE.graph
 *
 * The first form runs on the CPU, or on the first OpenCL device. A formula that fails is printed
 * with the command that runs it alone. The second form does the same for a graph in a file, such as
 * one that was printed and perhaps cut down by hand. Its states have to be made inputs. */
#include "compiler/compile/stage.h"
#include "compiler/cpu/cpu.h"
#include "compiler/opencl/opencl_compile.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"
#include "runtime/opencl/opencl.h"
#include "tests/compiler/formulas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 40, FIRST = 1, COUNT = 200 };

typedef struct Values {
    const char *name;
    double *values;
    int64_t count;
} Values;

typedef struct Formula {
    uint32_t seed;
    const char *file; /* NULL: the formula is made from the seed */
    Arena *arena;
    Graph *g;          /* the graph after the passes */
    Values *exact;     /* the values of the graph as it was made, by output */
    double *roundings; /* by output: the distance that rounding makes */
    int count;
    double shift; /* how far the inputs are moved along the direction */
    const char *fault;
} Formula;

/* ---- the reference --------------------------------------------------------------------------- */

static double direction(const GNode *n, int64_t i) {
    return cos(1 + (double)n->name[0] + 1.3 * (double)i);
}

static const double *array_of(void *context, const GNode *n) {
    const Formula *f = context;
    /* Random formulas draw nothing, so nothing reads these inputs. */
    if (strcmp(n->name, "seed") == 0 || strcmp(n->name, "step") == 0) return NULL;
    double *values = arena_array(f->arena, double, formula_elements(n));
    for (int64_t i = 0; i < formula_elements(n); i++)
        values[i] = formula_sample(n, i) +
                    (n->type == GT_REAL && f->shift != 0 ? f->shift * direction(n, i) : 0);
    return values;
}

static Values *evaluate_formula(Formula *f, const Graph *g, bool rounded) {
    Reference *run =
        rounded ? reference_run_rounded(g, array_of, f) : reference_run(g, array_of, f);
    const char *fault = reference_fault(run, NULL);
    if (fault) f->fault = arena_printf(f->arena, "reference: %s", fault);
    Values *all = arena_array(f->arena, Values, g->outputs.count + 1);
    for (int i = 0; i < g->outputs.count && !fault; i++) {
        const GNode *n = g->outputs.items[i].node;
        all[i] = (Values){g->outputs.items[i].name,
                          arena_array(f->arena, double, formula_elements(n)), formula_elements(n)};
        memcpy(all[i].values, reference_value(run, n), sizeof(double) * (size_t)all[i].count);
    }
    reference_free(run);
    return fault ? NULL : all;
}

static double largest(const Values *v) {
    double most = 0;
    for (int64_t i = 0; i < v->count; i++)
        most = fmax(most, fabs(v->values[i]));
    return most;
}

static double distance(const Values *a, const Values *b) {
    double most = 0;
    for (int64_t i = 0; i < a->count; i++) {
        double off = fabs(a->values[i] - b->values[i]);
        if (!(off <= most)) most = isnan(off) ? HUGE_VAL : off;
    }
    return most;
}

/* ---- passes ---------------------------------------------------------------------------------- */

static void add_gradients(Graph *g, GNode *const *inputs) {
    GNode *grads[FORMULA_INPUTS];
    GNode *loss = g->outputs.items[g->outputs.count - 1].node;
    pass_differentiate(g, loss, inputs, FORMULA_INPUTS, grads);
    for (int i = 0; i < FORMULA_INPUTS; i++)
        if (grads[i]) graph_output(g, arena_printf(g->arena, "grad_%s", inputs[i]->name), grads[i]);
}

/* Compares the values of a graph before and after a pass. */
static void compare_pass(void *context, const Graph *g, const char *pass) {
    Formula *f = context;
    Values *now = f->fault ? NULL : evaluate_formula(f, g, false);
    for (int i = 0; now && i < g->outputs.count; i++) {
        double off = distance(&now[i], &f->exact[i]);
        double scale = largest(&f->exact[i]);
        if (off <= 1e-10 * scale + 1e-12 || f->fault) continue;
        f->fault = arena_printf(f->arena, "after %s, `%s` is off by %.2g; its largest entry is %g",
                                pass, now[i].name, off, scale);
    }
}

static bool run_passes(Formula *f, PassStage stage) {
    const char *wrong = stage_run(f->g, stage, compare_pass, f, NULL);
    if (!f->fault) f->fault = wrong;
    return !f->fault;
}

static bool has_stop(const Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->kind == GN_STOP) return true;
    return false;
}

/* True if <gradient, direction> is the change of the loss along the direction. */
static bool gradient_holds(Formula *f, GNode *const *inputs) {
    GNode *again[FORMULA_INPUTS];
    const Graph *forward = formula_make(f->arena, f->seed, again);
    if (has_stop(forward)) return true; /* the stopped part moves the loss, and has no gradient */
    double loss[2];
    double slope = 0;
    double size = 0;
    for (int side = 0; side < 2; side++) {
        f->shift = side ? 1e-6 : -1e-6;
        Values *values = evaluate_formula(f, forward, false);
        if (!values) return false;
        loss[side] = values[forward->outputs.count - 1].values[0];
    }
    f->shift = 0;
    for (int i = forward->outputs.count; i < f->count; i++) {
        const GNode *input = inputs[0];
        for (int k = 0; k < FORMULA_INPUTS; k++)
            if (f->exact[i].name[5] == inputs[k]->name[0]) input = inputs[k];
        for (int64_t k = 0; k < f->exact[i].count; k++) {
            slope += f->exact[i].values[k] * direction(input, k);
            size += fabs(f->exact[i].values[k]);
        }
    }
    double measured = (loss[1] - loss[0]) / 2e-6;
    if (fabs(measured - slope) <= 1e-6 * (1 + size)) return true;
    f->fault = arena_printf(
        f->arena, "the slope of the loss is %.9g along a direction, and %.9g by its gradient",
        measured, slope);
    return false;
}

static bool round_and_pass(Formula *f) {
    Values *rounded = evaluate_formula(f, f->g, true);
    if (!rounded) return false;
    f->roundings = arena_array(f->arena, double, f->count);
    for (int i = 0; i < f->count; i++)
        f->roundings[i] = distance(&rounded[i], &f->exact[i]);
    return run_passes(f, PASS_after);
}

static bool prepare_formula(Formula *f) {
    GNode *inputs[FORMULA_INPUTS];
    f->arena = arena_new();
    Graph *made = formula_make(f->arena, f->seed, inputs);
    add_gradients(made, inputs);
    f->count = made->outputs.count;
    f->exact = evaluate_formula(f, made, false);
    if (!f->exact || !gradient_holds(f, inputs)) return false;
    f->g = formula_make(f->arena, f->seed, inputs);
    if (!run_passes(f, PASS_before)) return false;
    add_gradients(f->g, inputs);
    compare_pass(f, f->g, "differentiate");
    f->g->settings.stream_bytes = 1; /* so small that every array of pairs is streamed */
    return !f->fault && round_and_pass(f);
}

/* ---- back ends ------------------------------------------------------------------------------- */

/* The devices of the two runs that must agree bit for bit: the CPU on one thread and on two, or an
 * OpenCL device twice. */
typedef struct Backend {
    const char *name;
    bool is_opencl;
    CoupletThreads *threads;
    CoupletDevice *one, *two;
} Backend;

static bool open_backend(Backend *b, bool is_opencl) {
    char error[640];
    *b = (Backend){.name = is_opencl ? "opencl" : "cpu",
                   .is_opencl = is_opencl,
                   .threads = couplet_threads_new(2)};
    b->one = is_opencl ? couplet_opencl_open(0, getenv("COUPLET_CACHE"), error, sizeof error)
                       : couplet_host_device_new(NULL);
    b->two = is_opencl ? b->one : couplet_host_device_new(b->threads);
    if (!b->one) printf("%s\n", error);
    return b->one != NULL;
}

static void close_backend(Backend *b) {
    if (b->two != b->one) couplet_device_free(b->two);
    couplet_device_free(b->one);
    couplet_threads_free(b->threads);
}

static bool compile_graphs(const Backend *b, Arena *arena, Graph *const *graphs, int count,
                           CoupletPlan **plans, CpuCode **code, const char **error) {
    const CpuOptions cpu = {NULL};
    const OpenclOptions opencl = {.has_products = couplet_opencl_has_products(),
                                  .is_gpu = couplet_opencl_is_gpu(0)};
    int kernels;
    if (b->is_opencl)
        return opencl_compile(arena, graphs, count, NULL, 0, &opencl, plans, &kernels, error);
    *code = cpu_compile(arena, graphs, count, NULL, 0, &cpu, plans, error);
    return *code != NULL;
}

/* ---- kernels --------------------------------------------------------------------------------- */

static void *narrow(Arena *arena, const GNode *n) {
    int64_t count = formula_elements(n);
    char *bytes = arena_alloc(arena, (size_t)count * 4);
    for (int64_t k = 0; k < count; k++) {
        float real = (float)formula_sample(n, k);
        int32_t integer = (int32_t)formula_sample(n, k);
        memcpy(bytes + 4 * k, n->type == GT_INT ? (void *)&integer : (void *)&real, 4);
    }
    return bytes;
}

static bool same_bits(const CoupletRun *one, const CoupletRun *two, const Values *v) {
    return memcmp(couplet_run_output(one, v->name), couplet_run_output(two, v->name),
                  (size_t)v->count * 4) == 0;
}

static void compare_output(Formula *f, const Backend *b, int i, const CoupletRun *one,
                           const CoupletRun *two) {
    const Values *v = &f->exact[i];
    Values got = {v->name, arena_array(f->arena, double, v->count), v->count};
    for (int64_t k = 0; k < v->count; k++)
        got.values[k] = ((const float *)couplet_run_output(one, v->name))[k];
    double off = distance(&got, v);
    double scale = largest(v);
    double allowed = 8 * f->roundings[i] + 2e-6 * (1 + scale);
    if (!(off <= allowed))
        f->fault = arena_printf(
            f->arena,
            "%s: `%s` is off by %.2g, and rounding explains %.2g; its largest entry is %g", b->name,
            v->name, off, allowed, scale);
    else if (!same_bits(one, two, v))
        f->fault =
            arena_printf(f->arena, "%s: `%s` has other bits on two threads, or the second time",
                         b->name, v->name);
}

static void run_kernels(Formula *f, const CoupletPlan *plan, const Backend *b) {
    void **inputs = arena_array(f->arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++)
        inputs[i] = narrow(f->arena, f->g->nodes.items[plan->inputs[i].buffer]);
    CoupletRun *one = couplet_run_on(b->one, plan);
    CoupletRun *two = couplet_run_on(b->two, plan);
    CoupletFault fault;
    if (!one || !two)
        f->fault = arena_printf(f->arena, "%s: %s", b->name, b->one->fault.sentence);
    else if (!couplet_run_steps(one, inputs, NULL, &fault) ||
             !couplet_run_steps(two, inputs, NULL, &fault))
        f->fault = arena_printf(f->arena, "%s: %s", b->name, fault.sentence);
    for (int i = 0; i < f->count && !f->fault; i++)
        compare_output(f, b, i, one, two);
    couplet_run_free(one);
    couplet_run_free(two);
}

/* ---- a batch: one compilation ---------------------------------------------------------------- */

static int say_fault(const Formula *f) {
    if (!f->fault) return 0;
    if (f->file) {
        printf("%s: %s\n", f->file, f->fault);
        return 1;
    }
    GNode *inputs[FORMULA_INPUTS];
    printf("\nformula %u: %s\n", f->seed, f->fault);
    graph_print(formula_make(f->arena, f->seed, inputs), stdout);
    printf("again: test_formulas %u 1\n", f->seed);
    return 1;
}

static int run_batch(uint32_t first, int count, const Backend *b) {
    Formula formulas[BATCH];
    Graph *graphs[BATCH];
    CoupletPlan *plans[BATCH];
    int which[BATCH];
    int good = 0;
    int faults = 0;
    memset(formulas, 0, sizeof formulas);
    for (int i = 0; i < count; i++) {
        formulas[i].seed = first + (uint32_t)i;
        if (!prepare_formula(&formulas[i])) continue;
        which[good] = i;
        graphs[good++] = formulas[i].g;
    }
    const char *error = "out of memory";
    Arena *arena = arena_new();
    CpuCode *code = NULL;
    bool compiled = good && compile_graphs(b, arena, graphs, good, plans, &code, &error);
    for (int i = 0; i < good; i++) {
        if (compiled)
            run_kernels(&formulas[which[i]], plans[i], b);
        else
            formulas[which[i]].fault = error;
    }
    for (int i = 0; i < count; i++) {
        faults += say_fault(&formulas[i]);
        arena_free(formulas[i].arena);
    }
    cpu_free(code);
    arena_free(arena);
    return faults;
}

/* ---- a graph from a file --------------------------------------------------------------------- */

static bool read_graph(Formula *f) {
    FILE *file = fopen(f->file, "rb");
    char *text = arena_alloc(f->arena, 1 << 24);
    Source source = {f->file, text, file ? fread(text, 1, (1 << 24) - 1, file) : 0};
    if (file) fclose(file);
    Diag *diag = diag_new(f->arena);
    f->g = graph_read(f->arena, diag, &source);
    diag_print(diag, stdout);
    if (!f->g) f->fault = "this is no graph";
    return f->g != NULL;
}

static int run_file(const char *path, const Backend *b) {
    Formula f = {.file = path, .arena = arena_new()};
    CoupletPlan *plan;
    CpuCode *code = NULL;
    if (read_graph(&f)) {
        f.count = f.g->outputs.count;
        f.exact = evaluate_formula(&f, f.g, false);
        if (f.exact && round_and_pass(&f) &&
            compile_graphs(b, f.arena, &f.g, 1, &plan, &code, &f.fault))
            run_kernels(&f, plan, b);
    }
    int faults = say_fault(&f);
    cpu_free(code);
    arena_free(f.arena);
    return faults;
}

int main(int argc, char **argv) {
    Backend b;
    bool is_opencl = argc > 1 && strcmp(argv[1], "opencl") == 0;
    if (is_opencl) argc--, argv++;
    if (!open_backend(&b, is_opencl)) return 1;
    bool is_file = argc == 2 && strstr(argv[1], ".graph");
    int first = argc > 2 ? atoi(argv[1]) : FIRST;
    int count = is_file ? 0 : argc > 2 ? atoi(argv[2]) : COUNT;
    int faults = 0;
    for (int i = 0; i < count; i += BATCH)
        faults += run_batch((uint32_t)(first + i), count - i < BATCH ? count - i : BATCH, &b);
    if (is_file) faults = run_file(argv[count = 1], &b);
    close_backend(&b);
    printf("%d passed, %d failed\n", count - faults, faults);
    return faults != 0;
}
