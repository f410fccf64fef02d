/* Tests that a variance in two levels, each part about its own mean, is as exact as the squares
 * about the mean of all terms, for values far from 0 with a small deviation. */
#include "compiler/cpu/cpu.h"
#include "compiler/passes/passes.h"
#include "compiler/plan/plan.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

enum { N = 64, K = 60, C = 33, TERMS = N * K }; /* x[n, k, c]; the statistics of each c */

typedef struct Test {
    Arena *arena;
    double mean, deviation;
    int failures;
} Test;

/* Gives a sample; parts differ from each other as well as within. */
static double sample(const Test *t, int64_t i) {
    double within = (double)(i * 7919 % 1009) / 1009 - 0.5;
    double between = (double)(i / (K * C) * 31 % 64) / 64 - 0.5;
    return (double)(float)(t->mean + t->deviation * (3 * within + 2 * between));
}

static const double *find(void *context, const GNode *n) {
    Test *t = context;
    double *values = arena_array(t->arena, double, graph_element_count(n));
    for (int64_t i = 0; i < graph_element_count(n); i++)
        values[i] = sample(t, i);
    return values;
}

/* Makes the sum over n and k of (x - centre)^2, or of x. */
static GNode *sum(Graph *g, GNode *x, GNode *centre) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_SUM;
    spec.out[spec.out_rank++] = graph_fresh_index(g, C);
    spec.red[spec.red_rank++] = graph_fresh_index(g, N);
    spec.red[spec.red_rank++] = graph_fresh_index(g, K);
    spec.value = gx_load(g, x, 3, (const GExpr *[]){spec.red[0], spec.red[1], spec.out[0]}, NULL);
    if (centre) {
        const GExpr *away = gx2(g, G_SUB, spec.value, gx_load(g, centre, 1, spec.out, NULL));
        spec.value = gx2(g, G_MUL, away, away);
    }
    return graph_compute(g, &spec);
}

static GNode *mean_of(Graph *g, GNode *total) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.out[spec.out_rank++] = graph_fresh_index(g, C);
    spec.value = gx2(g, G_DIV, gx_load(g, total, 1, spec.out, NULL), gx_real(g, TERMS));
    return graph_compute(g, &spec);
}

/* Counts the nodes that read the large array, and those of them that are about a mean of all
 * terms. */
static int about_all(const Graph *g, const GExpr *e) {
    int count = e->op == G_LOAD && e->tensor->rank == 1;
    for (int i = 0; i < e->arg_count; i++)
        count += about_all(g, e->args[i]);
    return count;
}

static void expect_parts(Test *t, const Graph *g) {
    int waiting = 0;
    for (int i = 0; i < g->nodes.count; i++) {
        const GNode *n = g->nodes.items[i];
        if (n->kind == GN_COMPUTE && n->rank == 2) waiting += about_all(g, n->value) > 0;
    }
    printf("%s  %d passes over the parts wait for the mean of all\n", waiting ? "FAILED" : "ok    ",
           waiting);
    t->failures += waiting != 0;
}

static void compare_sums(Test *t, const float *got, const double *want, double most) {
    double worst = 0;
    for (int i = 0; i < C; i++) {
        double error = fabs((double)got[i] / want[i] - 1);
        if (!(error <= worst)) worst = error;
    }
    bool good = worst <= most;
    printf("%s  mean %g, deviation %g: the variance is within %.1e (expected %.0e)\n",
           good ? "ok    " : "FAILED", t->mean, t->deviation, worst, most);
    t->failures += !good;
}

static void variance(Test *t, double mean, double deviation, double most) {
    t->mean = mean;
    t->deviation = deviation;
    Graph *g = graph_new(t->arena, "variance");
    GNode *x = graph_input(g, "x", GT_REAL, 3, (const int64_t[]){N, K, C}, (Span){0});
    GNode *total = sum(g, x, NULL);
    GNode *m = mean_of(g, total);
    graph_output(g, "squares", sum(g, x, m));
    pass_split(g);
    const char *wrong = graph_verify(g);
    const char *error = "out of memory";
    expect_parts(t, g);
    CoupletPlan *plan;
    const CpuOptions options = {NULL};
    CpuCode *code = wrong ? NULL : cpu_compile(t->arena, &g, 1, NULL, 0, &options, &plan, &error);
    CoupletRun *run = code ? couplet_run_new(plan, NULL) : NULL;
    CoupletFault fault;
    if (!run) {
        printf("FAILED  %s\n", wrong ? wrong : error);
        t->failures++;
        return;
    }
    float *values = arena_array(t->arena, float, graph_element_count(x));
    for (int64_t i = 0; i < graph_element_count(x); i++)
        values[i] = (float)sample(t, i);
    void *inputs[] = {values};
    Reference *exact = reference_run(g, find, t);
    if (couplet_run_steps(run, inputs, NULL, &fault))
        compare_sums(t, couplet_run_output(run, "squares"),
                     reference_value(exact, g->outputs.items[0].node), most);
    else
        printf("FAILED  %s\n", fault.sentence), t->failures++;
    reference_free(exact);
    couplet_run_free(run);
    cpu_free(code);
}

static void try_variance(double mean, double deviation, double most) {
    Test t = {.arena = arena_new()};
    variance(&t, mean, deviation, most);
    arena_free(t.arena);
    assert_int_equal(t.failures, 0);
}

static void around_zero(void **state) {
    (void)state;
    try_variance(0, 1, 2e-6);
}

static void far_from_zero(void **state) {
    (void)state;
    try_variance(100, 1, 2e-6);
    try_variance(-1e4, 100, 2e-6);
}

/* A float at 1e4 is within 5e-4 of the value. */
static void as_far_as_floats_tell(void **state) {
    (void)state;
    try_variance(1e4, 1, 2e-5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(around_zero),
        cmocka_unit_test(far_from_zero),
        cmocka_unit_test(as_far_as_floats_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
