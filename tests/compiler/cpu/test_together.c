/* Tests nodes that share a kernel: which nodes do and which must not, and that all values are
 * right, compared with the reference evaluator. */
#include "compiler/cpu/cpu.h"
#include "compiler/plan/plan.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"

#include <math.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

enum { N = 40, K = 30, C = 32 }; /* x[n, k, c]; results are [n, c] */

typedef struct Test {
    Arena *arena;
    Graph *g;
    GNode *x, *other;
    int failures;
} Test;

static double sample(int64_t i) {
    return (double)(float)(0.01 * (double)(i * 7 % 101) - 0.3);
}

static const double *find(void *context, const GNode *n) {
    Test *t = context;
    double *values = arena_array(t->arena, double, graph_element_count(n));
    for (int64_t i = 0; i < graph_element_count(n); i++)
        values[i] = sample(i);
    return values;
}

typedef struct Form {
    ComputeSpec spec;
    const GExpr *x; /* the read of `from` at the indices of the loops */
} Form;

/* Opens a reduction over k of one of the large arrays. */
static Form form(Test *t, GReducer reducer, GNode *from) {
    Form f;
    memset(&f, 0, sizeof f);
    f.spec.reducer = reducer;
    f.spec.out[f.spec.out_rank++] = graph_fresh_index(t->g, N);
    f.spec.out[f.spec.out_rank++] = graph_fresh_index(t->g, C);
    f.spec.red[f.spec.red_rank++] = graph_fresh_index(t->g, K);
    f.x = gx_load(t->g, from, 3, (const GExpr *[]){f.spec.out[0], f.spec.red[0], f.spec.out[1]},
                  NULL);
    return f;
}

static Form map_form(Test *t) {
    Form f;
    memset(&f, 0, sizeof f);
    f.spec.out[f.spec.out_rank++] = graph_fresh_index(t->g, N);
    f.spec.out[f.spec.out_rank++] = graph_fresh_index(t->g, C);
    return f;
}

static const GExpr *read_of(Test *t, const Form *f, GNode *from) {
    return gx_load(t->g, from, 2, f->spec.out, NULL);
}

static GNode *finish_form(Test *t, Form *f, const char *name, const GExpr *value) {
    f->spec.value = value;
    GNode *made = graph_compute(t->g, &f->spec);
    graph_output(t->g, name, made);
    return made;
}

static const GExpr *minus(Test *t, const GExpr *a, const GExpr *b) {
    return gx2(t->g, G_SUB, a, b);
}
static const GExpr *multiplied(Test *t, const GExpr *a, const GExpr *b) {
    return gx2(t->g, G_MUL, a, b);
}

/* Makes two sums, a maximum, a sum about the result of the first, a sum of some terms alone, and
 * maps of their results, which are one pass over x. */
static void moments(Test *t) {
    Form f = form(t, GR_SUM, t->x);
    GNode *sum = finish_form(t, &f, "sum", f.x);
    f = form(t, GR_SUM, t->x);
    finish_form(t, &f, "squares", multiplied(t, f.x, f.x));
    f = form(t, GR_MAX, t->x);
    GNode *most = finish_form(t, &f, "maximum", f.x);
    f = map_form(t);
    GNode *mean =
        finish_form(t, &f, "mean", multiplied(t, read_of(t, &f, sum), gx_real(t->g, 1.0 / K)));
    f = form(t, GR_SUM, t->x);
    const GExpr *away = minus(t, f.x, read_of(t, &f, mean));
    finish_form(t, &f, "about the mean", multiplied(t, away, away));
    f = form(t, GR_SUM, t->x);
    f.spec.guard = gx2(t->g, G_LT, read_of(t, &f, mean), f.x);
    finish_form(t, &f, "above the mean", f.x);
    f = map_form(t);
    finish_form(t, &f, "range", minus(t, read_of(t, &f, most), read_of(t, &f, mean)));
}

/* Makes a sum about the result of another tile, and a sum of another array, which are kernels of
 * their own. */
static void strangers(Test *t) {
    GNode *sum = t->g->outputs.items[0].node;
    Form f = form(t, GR_SUM, t->x);
    const GExpr *next =
        gx2(t->g, G_MOD, gx2(t->g, G_ADD, f.spec.out[0], gx_int(t->g, 1)), gx_int(t->g, N));
    finish_form(t, &f, "about the next",
                minus(t, f.x, gx_load(t->g, sum, 2, (const GExpr *[]){next, f.spec.out[1]}, NULL)));
    f = form(t, GR_SUM, t->other);
    finish_form(t, &f, "of another", f.x);
}

static void compare_outputs(Test *t, const CoupletRun *run, const Reference *exact) {
    for (int i = 0; i < t->g->outputs.count; i++) {
        const GOutput *output = &t->g->outputs.items[i];
        const float *got = couplet_run_output(run, output->name);
        const double *want = reference_value(exact, output->node);
        int64_t wrong = 0;
        for (int64_t k = 0; k < N * C; k++)
            wrong += !(fabs((double)got[k] - want[k]) <= 1e-5 * (1 + fabs(want[k])));
        printf("%s  %s: %lld elements of %d differ from the reference\n",
               wrong ? "FAILED" : "ok    ", output->name, (long long)wrong, N * C);
        t->failures += wrong != 0;
    }
}

static void expect_plan(Test *t, const CoupletPlan *plan, int kernels, int results) {
    bool good = plan->step_count == kernels && plan->steps[0].output_count == results;
    printf("%s  %d kernels, the first with %d results (expected %d and %d)\n",
           good ? "ok    " : "FAILED", plan->step_count, plan->steps[0].output_count, kernels,
           results);
    t->failures += !good;
}

static void run_all(Test *t, bool together) {
    const char *wrong = graph_verify(t->g);
    const char *error = "out of memory";
    t->g->settings.no_fuse = !together;
    CoupletPlan *plan;
    const CpuOptions options = {NULL};
    CpuCode *code =
        wrong ? NULL : cpu_compile(t->arena, &t->g, 1, NULL, 0, &options, &plan, &error);
    CoupletRun *run = code ? couplet_run_new(plan, NULL) : NULL;
    if (!run) {
        printf("FAILED  %s\n", wrong ? wrong : error);
        t->failures++;
        return;
    }
    if (together)
        expect_plan(t, plan, 3, 7);
    else
        expect_plan(t, plan, t->g->outputs.count, 1);
    void **inputs = arena_array(t->arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++) {
        const GNode *n = t->g->nodes.items[plan->inputs[i].buffer];
        float *values = arena_array(t->arena, float, graph_element_count(n));
        for (int64_t k = 0; k < graph_element_count(n); k++)
            values[k] = (float)sample(k);
        inputs[i] = values;
    }
    CoupletFault fault;
    Reference *exact = reference_run(t->g, find, t);
    if (couplet_run_steps(run, inputs, NULL, &fault))
        compare_outputs(t, run, exact);
    else
        printf("FAILED  %s\n", fault.sentence), t->failures++;
    reference_free(exact);
    couplet_run_free(run);
    cpu_free(code);
}

static void check_kernels(bool together) {
    Test t = {.arena = arena_new()};
    t.g = graph_new(t.arena, "together");
    t.x = graph_input(t.g, "x", GT_REAL, 3, (const int64_t[]){N, K, C}, (Span){0});
    t.other = graph_input(t.g, "other", GT_REAL, 3, (const int64_t[]){N, K, C}, (Span){0});
    moments(&t);
    strangers(&t);
    run_all(&t, together);
    arena_free(t.arena);
    assert_int_equal(t.failures, 0);
}

static void shared_kernels(void **state) {
    (void)state;
    check_kernels(true);
}

static void a_kernel_for_each_node(void **state) {
    (void)state;
    check_kernels(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_kernels),
        cmocka_unit_test(a_kernel_for_each_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
