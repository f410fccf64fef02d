/* Tests every row of scalars.def and every reducer, compiled for the CPU or for the first OpenCL
 * device: float32 results are compared with the reference evaluator in float64. The inputs are
 * samples of the row's domain, and all pairs of values outside of it: NaN, infinities, both zeros,
 * denormal and huge numbers.
 *
 *     test_scalars [opencl] */
#include "compiler/cpu/cpu.h"
#include "compiler/opencl/opencl_compile.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"
#include "runtime/opencl/opencl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 512 };

typedef struct Row {
    const char *name, *domain;
    GOp op;
    int arity;
} Row;

static const Row rows[] = {
#define SCALAR(name, text, arity, takes, result, price, whole, real, same, rule, domain)           \
    {#text, #domain, G_##name, arity},
#include "compiler/graph/scalars.def"
#undef SCALAR
};
enum { ROWS = sizeof rows / sizeof *rows };

/* Gives a sample, exact in float32. The first few are edges. */
static double sample(const char *input, int64_t i) {
    static const double edges[] = {0,   1,  -1,  0.5,  -0.5,  2,   -2,  20,
                                   -20, 80, -80, 1e-6, -1e-6, 1e4, -1e4};
    double u = i < (int64_t)(sizeof edges / sizeof *edges)
                   ? edges[i]
                   : 6 * sin(0.37 * (double)(i * (input[0] == 'x' ? 1 : 3)) + input[0]);
    return (double)(float)u;
}

static const double extremes[] = {NAN,     INFINITY, -INFINITY, 0,    -0.0,   1e-45, -1e-40,
                                  1.2e-38, 3e38,     -3e38,     1e20, -1e-20, 1,     -1,
                                  0.5,     2.5,      88.5,      -104, -0.5};
enum { EXTREMES = sizeof extremes / sizeof *extremes };

/* Returns an extreme value. The arrays `a` and `b` hold all pairs of extremes. The array `rows` has
 * 8 rows of 64 in which some extremes meet. */
static double extreme(const char *input, int64_t i) {
    if (input[0] == 'a') return (double)(float)extremes[i % EXTREMES];
    if (input[0] == 'b') return (double)(float)extremes[i / EXTREMES % EXTREMES];
    const int64_t row = i / (COUNT / 8);
    const int64_t k = i % (COUNT / 8);
    const double usual = (double)(float)(3 * sin(0.7 * (double)i));
    switch (row) {
    case 1:
        return k == 37 ? NAN : usual;
    case 2:
        return k == 5 || k == 60 ? INFINITY : usual;
    case 3:
        return k % 2 ? -INFINITY : usual;
    case 4:
        return -INFINITY;
    case 5:
        return k == 11 ? INFINITY : k == 12 ? NAN : usual;
    case 6:
        return NAN;
    case 7:
        return (double)(float)(1e36 * usual);
    default:
        return usual;
    }
}

static double input_value(const char *input, int64_t i) {
    return input[0] == 'x' || input[0] == 'y' ? sample(input, i) : extreme(input, i);
}

static bool is_array(const char *name) {
    return strcmp(name, "x") == 0 || strcmp(name, "y") == 0 || strcmp(name, "a") == 0 ||
           strcmp(name, "b") == 0 || strcmp(name, "rows") == 0;
}

static const double *find(void *context, const GNode *n) {
    if (!is_array(n->name)) return NULL;
    double *values = arena_array(context, double, COUNT);
    for (int64_t i = 0; i < COUNT; i++)
        values[i] = input_value(n->name, i);
    return values;
}

/* Gives an argument in the row's domain. */
static const GExpr *in_domain(Graph *g, const GExpr *e, const char *domain) {
    const GExpr *size = gx1(g, G_ABS, e);
    const GExpr *above = gx2(g, G_ADD, size, gx_real(g, 1e-3));
    if (strcmp(domain, "positive") == 0) return above;
    if (strcmp(domain, "nonzero") == 0)
        return gx_select(g, gx2(g, G_LT, e, gx_real(g, 0)), gx1(g, G_NEG, above), above);
    if (strcmp(domain, "unit") == 0) return gx1(g, G_SIN, e);
    if (strcmp(domain, "int") == 0) return gx1(g, G_TO_INT, gx1(g, G_FLOOR, e));
    if (strcmp(domain, "bool") == 0) return gx2(g, G_LT, e, gx_real(g, 0.3));
    return e;
}

static GNode *row_node(Graph *g, const Row *row, GNode *x, GNode *y) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out_rank = 1;
    spec.out[0] = graph_fresh_index(g, COUNT);
    const GExpr *a = gx_load(g, x, 1, spec.out, NULL);
    const GExpr *b = gx_load(g, y, 1, spec.out, NULL);
    const GExpr *args[3] = {in_domain(g, a, row->domain), in_domain(g, b, row->domain), a};
    if (row->op == G_SELECT) args[0] = in_domain(g, b, "bool");
    if (row->op == G_POW) args[1] = gx1(g, G_SIN, b);
    if (row->op == G_SIN || row->op == G_COS) args[0] = gx2(g, G_MIN, a, gx_real(g, 100));
    if (row->op == G_FLOORDIV || row->op == G_MOD)
        args[1] = gx2(g, G_ADD, gx1(g, G_ABS, args[1]), gx_int(g, 1));
    spec.value = gx_op(g, row->op, row->arity, args);
    if (spec.value->type != GT_REAL) spec.value = gx1(g, G_TO_REAL, spec.value);
    return graph_compute(g, &spec);
}

/* Makes the row's operation on the extremes themselves. Returns NULL for a row of ints or truth
 * values. */
static GNode *extreme_node(Graph *g, const Row *row, GNode *a, GNode *b) {
    if (strcmp(row->domain, "int") == 0 || strcmp(row->domain, "bool") == 0) return NULL;
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out_rank = 1;
    spec.out[0] = graph_fresh_index(g, COUNT);
    const GExpr *args[3] = {gx_load(g, a, 1, spec.out, NULL), gx_load(g, b, 1, spec.out, NULL)};
    args[2] = args[0];
    if (row->op == G_SELECT) args[0] = gx2(g, G_LT, args[0], args[1]);
    spec.value = gx_op(g, row->op, row->arity, args);
    /* Reals that fit no int stop a run, NaN too, and are left out. */
    if (row->op == G_TO_INT)
        spec.value = gx_select(g, gx2(g, G_LT, gx1(g, G_ABS, args[0]), gx_real(g, 0x1p31)),
                               spec.value, gx_int(g, 7));
    if (spec.value->type != GT_REAL) spec.value = gx1(g, G_TO_REAL, spec.value);
    return graph_compute(g, &spec);
}

/* Makes a reduction over the 8 x 64 samples, with or without a guard. */
static GNode *reducer_node(Graph *g, GReducer reducer, bool guarded, GNode *x) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = reducer;
    spec.out_rank = spec.red_rank = 1;
    spec.out[0] = graph_fresh_index(g, 8);
    spec.red[0] = graph_fresh_index(g, COUNT / 8);
    const GExpr *at = gx2(g, G_ADD, gx2(g, G_MUL, spec.out[0], gx_int(g, COUNT / 8)), spec.red[0]);
    spec.value = gx_load(g, x, 1, &at, NULL);
    if (reducer == GR_ANY || reducer == GR_ALL)
        spec.value = gx2(g, G_LT, gx_real(g, 5.9), spec.value);
    if (guarded) spec.guard = gx2(g, G_NE, gx2(g, G_MOD, spec.red[0], gx_int(g, 3)), gx_int(g, 1));
    GNode *made = graph_compute(g, &spec);
    if (made->type == GT_REAL) return made;
    ComputeSpec real;
    memset(&real, 0, sizeof real);
    real.out_rank = 1;
    real.out[0] = graph_fresh_index(g, 8);
    real.value = gx1(g, G_TO_REAL, gx_load(g, made, 1, real.out, NULL));
    return graph_compute(g, &real);
}

/* Returns the difference that another order of adding may make to the sum of a row. It is the
 * rounding of the terms, which does not become smaller when they cancel. */
static double order_of_sum(const char *name, int64_t row) {
    double terms = 0;
    if (strncmp(name, "reduce sum", 10) != 0) return 0;
    const char *input = strstr(name, "extremes") ? "rows" : "x";
    for (int64_t k = 0; k < COUNT / 8; k++) {
        const double term = input_value(input, row * (COUNT / 8) + k);
        if (isfinite(term)) terms += fabs(term);
    }
    return 8 * 0x1p-24 * terms;
}

static bool compare_scalar(Arena *arena, const char *name, const float *got, const Reference *exact,
                           const Reference *rounded, const GNode *node) {
    const double *want = reference_value(exact, node);
    const double *near = reference_value(rounded, node);
    for (int64_t i = 0; i < node->shape[0]; i++) {
        double off = fabs((double)got[i] - want[i]);
        double allowed =
            4 * fabs(near[i] - want[i]) + 4e-7 * fabs(want[i]) + order_of_sum(name, i) + 1e-37;
        /* A number that float32 cannot hold may become infinite. */
        bool same = (isnan(want[i]) && isnan(got[i])) || (double)got[i] == want[i] ||
                    (double)got[i] == (double)(float)want[i];
        if (same || off <= allowed) continue;
        printf("%s: element %lld is %.9g, and %.12g in the reference\n", name, (long long)i,
               (double)got[i], want[i]);
        return false;
    }
    (void)arena;
    return true;
}

typedef struct Backend {
    Arena *arena;
    bool is_opencl;
    CoupletDevice *device;
    CpuCode *code;
    const char *error;
} Backend;

static CoupletRun *compile_graph(Backend *b, Graph *g, CoupletPlan **plan) {
    char error[640];
    int kernels;
    b->error = "out of memory";
    if (!b->is_opencl) {
        const CpuOptions options = {cpu_cache_folder(b->arena)};
        b->code = cpu_compile(b->arena, &g, 1, NULL, 0, &options, plan, &b->error);
        return b->code ? couplet_run_new(*plan, NULL) : NULL;
    }
    const OpenclOptions options = {.has_products = couplet_opencl_has_products(),
                                   .is_gpu = couplet_opencl_is_gpu(0)};
    b->device = couplet_opencl_open(0, getenv("COUPLET_CACHE"), error, sizeof error);
    if (!b->device) printf("%s\n", error);
    bool compiled =
        b->device && opencl_compile(b->arena, &g, 1, NULL, 0, &options, plan, &kernels, &b->error);
    return compiled ? couplet_run_on(b->device, *plan) : NULL;
}

static void add_outputs(Arena *arena, Graph *g) {
    static const char *const reducers[] = {"none", "sum", "max", "min",      "argmax", "argmin",
                                           "any",  "all", "lse", "lse_rest", "prod"};
    static const char *const names[] = {"x", "y", "a", "b", "rows"};
    const int64_t shape = COUNT;
    GNode *in[5];
    for (int i = 0; i < 5; i++)
        in[i] = graph_input(g, names[i], GT_REAL, 1, &shape, (Span){0});
    for (int i = 0; i < ROWS; i++) {
        graph_output(g, rows[i].name, row_node(g, &rows[i], in[0], in[1]));
        GNode *node = extreme_node(g, &rows[i], in[2], in[3]);
        if (node) graph_output(g, arena_printf(arena, "%s of extremes", rows[i].name), node);
    }
    for (int i = GR_SUM; i <= GR_PROD; i++)
        for (int guarded = 0; guarded < 2; guarded++) {
            const char *name =
                arena_printf(arena, "reduce %s%s", reducers[i], guarded ? ", guarded" : "");
            graph_output(g, name, reducer_node(g, (GReducer)i, guarded, in[0]));
            graph_output(g, arena_printf(arena, "%s, of extremes", name),
                         reducer_node(g, (GReducer)i, guarded, in[4]));
        }
}

int main(int argc, char **argv) {
    Arena *arena = arena_new();
    Backend b = {.arena = arena, .is_opencl = argc > 1 && strcmp(argv[1], "opencl") == 0};
    Graph *g = graph_new(arena, "scalars");
    add_outputs(arena, g);
    const char *wrong = graph_verify(g);
    if (wrong) printf("%s\n", wrong);
    Reference *exact = reference_run(g, find, arena);
    Reference *rounded = reference_run_rounded(g, find, arena);
    CoupletPlan *plan;
    CoupletRun *run = compile_graph(&b, g, &plan);
    if (wrong || !run || reference_fault(exact, NULL)) {
        printf("%s\n", run ? "the reference has a fault" : b.error);
        return 1;
    }
    void **inputs = arena_array(arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++) {
        float *values = arena_array(arena, float, COUNT);
        for (int64_t k = 0; k < COUNT && is_array(plan->inputs[i].name); k++)
            values[k] = (float)input_value(plan->inputs[i].name, k);
        inputs[i] = values;
    }
    CoupletFault fault;
    int failed = !couplet_run_steps(run, inputs, NULL, &fault);
    int tried = 0;
    for (int i = 0; i < g->outputs.count; i++, tried++)
        failed += !compare_scalar(arena, g->outputs.items[i].name,
                                  couplet_run_output(run, g->outputs.items[i].name), exact, rounded,
                                  g->outputs.items[i].node);
    printf("%d operations and reducers, %d failed\n", tried, failed);
    couplet_run_free(run);
    couplet_device_free(b.device);
    cpu_free(b.code);
    reference_free(exact);
    reference_free(rounded);
    arena_free(arena);
    return failed != 0 || tried < ROWS;
}
