/* Tests kernels that differ only in sizes and constants: which of them share code and which must
 * not, and that each is right with the numbers of its own table. All nodes are in one graph and are
 * compared with the reference evaluator. */
#include "compiler/cpu/cpu.h"
#include "compiler/plan/plan.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 1 << 16 };

typedef struct Test {
    Arena *arena;
    Graph *g;
    int failures, count;
} Test;

static double sample(const GNode *n, int64_t i) {
    return (double)(float)(0.01 * (double)((i * 7 + n->shape[0]) % 101) - 0.3);
}

static const double *find(void *context, const GNode *n) {
    double *values = arena_array(context, double, MOST);
    for (int64_t i = 0; i < graph_element_count(n) && n->type == GT_REAL; i++)
        values[i] = sample(n, i);
    return values;
}

static GNode *input(Test *t, int rank, const int64_t *shape) {
    const char *name = "x";
    for (int i = 0; i < rank; i++)
        name = arena_printf(t->arena, "%s_%d", name, (int)shape[i]);
    return graph_input(t->g, name, GT_REAL, rank, shape, (Span){0});
}

typedef struct Form {
    ComputeSpec spec;
    const GExpr *x; /* the read of an input of the loops' extents */
} Form;

/* Opens a node of `rank` axes, whose first `reduced` axes are summed. */
static Form form(Test *t, int rank, int reduced, const int64_t *shape) {
    Form f;
    const GExpr *index[GRAPH_MAX_RANK];
    memset(&f, 0, sizeof f);
    for (int i = 0; i < rank; i++) {
        index[i] = graph_fresh_index(t->g, shape[i]);
        if (i < reduced)
            f.spec.red[f.spec.red_rank++] = index[i];
        else
            f.spec.out[f.spec.out_rank++] = index[i];
    }
    f.spec.reducer = reduced ? GR_SUM : GR_NONE;
    f.x = gx_load(t->g, input(t, rank, shape), rank, index, NULL);
    return f;
}

static void finish_form(Test *t, Form *f, const GExpr *value) {
    f->spec.value = value;
    graph_output(t->g, arena_printf(t->arena, "y%d", t->count++), graph_compute(t->g, &f->spec));
}

/* Makes a x + b of every element. */
static void line(Test *t, int rank, const int64_t *shape, double a, double b) {
    Form f = form(t, rank, 0, shape);
    finish_form(t, &f, gx2(t->g, G_ADD, gx2(t->g, G_MUL, gx_real(t->g, a), f.x), gx_real(t->g, b)));
}

static void column_sums(Test *t, const int64_t *shape, double a) {
    Form f = form(t, 2, 1, shape);
    finish_form(t, &f, gx2(t->g, G_MUL, gx_real(t->g, a), f.x));
}

/* Makes the sum of x and a draw that is numbered by the place of the element. */
static void drawn(Test *t, int rank, const int64_t *shape, int64_t site) {
    Form f = form(t, rank, 0, shape);
    const GExpr *at = f.spec.out[0];
    for (int i = 1; i < rank; i++)
        at = gx2(t->g, G_ADD, gx2(t->g, G_MUL, at, gx_int(t->g, shape[i])), f.spec.out[i]);
    finish_form(t, &f, gx2(t->g, G_ADD, f.x, gx_random(t->g, site, at, 0)));
}

/* Makes every element plus its number along the last axis. Such a node is no walk through memory,
 * so its loops stay apart. */
static void numbered(Test *t, const int64_t *shape) {
    Form f = form(t, 2, 0, shape);
    finish_form(t, &f, gx2(t->g, G_ADD, f.x, gx1(t->g, G_TO_REAL, f.spec.out[1])));
}

/* Makes some rows of a longer array, from row `from` on. */
static void partial_rows(Test *t, int64_t rows, int64_t columns, int64_t from, int64_t count) {
    Form f = form(t, 2, 0, (const int64_t[]){count, columns});
    const GExpr *at[2] = {gx2(t->g, G_ADD, f.spec.out[0], gx_int(t->g, from)), f.spec.out[1]};
    finish_form(t, &f,
                gx2(t->g, G_MUL, gx_real(t->g, 3),
                    gx_load(t->g, input(t, 2, (const int64_t[]){rows, columns}), 2, at, NULL)));
}

static void compare_output(Test *t, const CoupletRun *run, const Reference *exact, int number) {
    const GNode *node = t->g->outputs.items[number].node;
    const float *got = couplet_run_output(run, t->g->outputs.items[number].name);
    const double *want = reference_value(exact, node);
    for (int64_t i = 0; i < graph_element_count(node); i++) {
        if (fabs((double)got[i] - want[i]) <= 1e-5 * (1 + fabs(want[i]))) continue;
        printf("FAILED  node %d: element %lld is %.9g, and %.9g in the reference\n", number,
               (long long)i, (double)got[i], want[i]);
        t->failures++;
        return;
    }
}

/* Gives the kernel's symbol of the step that makes an output. */
static const char *symbol_of(const CoupletPlan *plan, int output) {
    for (int i = 0; i < plan->step_count; i++)
        if (plan->steps[i].buffers[plan->steps[i].buffer_count - 1] == plan->outputs[output].buffer)
            return plan->steps[i].symbol;
    return "none";
}

/* Some nodes of the graph that follow each other, and the kernels that they have together. */
typedef struct Group {
    const char *what;
    int first;
    int last; /* behind the last node */
    int kernels;
} Group;

static void expect_kernels(Test *t, const CoupletPlan *plan, Group group) {
    int found = 0;
    for (int i = group.first; i < group.last; i++) {
        bool known = false;
        for (int k = group.first; k < i; k++)
            known |= strcmp(symbol_of(plan, i), symbol_of(plan, k)) == 0;
        found += !known;
    }
    if (found != group.kernels) t->failures++;
    printf("%s  %s: %d nodes, %d kernels (expected %d)\n",
           found == group.kernels ? "ok    " : "FAILED", group.what, group.last - group.first,
           found, group.kernels);
}

static Group add_lines(Test *t) {
    const int first = t->count;
    line(t, 1, (const int64_t[]){100}, 0.5, 3);
    line(t, 3, (const int64_t[]){7, 20, 33}, 2, -1);
    line(t, 2, (const int64_t[]){300, 64}, 0.25, 0.125);
    return (Group){"lines", first, t->count, 1};
}

static Group add_column_sums(Test *t) {
    const int first = t->count;
    /* These are more rows than one chain of floats adds (graph/walk.c). */
    column_sums(t, (const int64_t[]){70, 32}, 0.5);
    column_sums(t, (const int64_t[]){400, 100}, 0.125);
    column_sums(t, (const int64_t[]){3, 32}, 2); /* a short loop is spelled out */
    return (Group){"sums of columns", first, t->count, 2};
}

static Group add_draws(Test *t) {
    const int first = t->count;
    drawn(t, 1, (const int64_t[]){90}, 12345);
    drawn(t, 4, (const int64_t[]){6, 5, 3, 3}, 999);
    drawn(t, 2, (const int64_t[]){64, 40}, 0x7fffffff);
    return (Group){"draws", first, t->count, 1};
}

static Group add_numbered(Test *t) {
    const int first = t->count;
    numbered(t, (const int64_t[]){20, 30});
    numbered(t, (const int64_t[]){40, 50});
    return (Group){"numbered", first, t->count, 1};
}

/* Adds parts of arrays, each of an array of its own. Parts of one array would share a kernel as
 * neighbours. */
static Group add_parts(Test *t) {
    const int first = t->count;
    partial_rows(t, 600, 48, 0, 60);
    partial_rows(t, 610, 48, 60, 60);
    partial_rows(t, 620, 48, 540, 60);
    partial_rows(t, 700, 40, 31, 70);
    return (Group){"parts", first, t->count, 1};
}

static void **make_inputs(Test *t, const CoupletPlan *plan) {
    void **inputs = arena_array(t->arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++) {
        const GNode *n = t->g->nodes.items[plan->inputs[i].buffer];
        float *values = arena_array(t->arena, float, graph_element_count(n) + 2);
        for (int64_t k = 0; k < graph_element_count(n) && n->type == GT_REAL; k++)
            values[k] = (float)sample(n, k);
        inputs[i] = values;
    }
    return inputs;
}

/* Puts all nodes into one graph, because the nodes of a graph decide together what is shared. */
static void nodes_share_their_kernels(void **state) {
    (void)state;
    Test t = {.arena = arena_new()};
    t.g = graph_new(t.arena, "arguments");
    enum { GROUPS = 5 };
    static Group (*const add[GROUPS])(Test *) = {add_lines, add_column_sums, add_draws,
                                                 add_numbered, add_parts};
    Group groups[GROUPS];
    for (int i = 0; i < GROUPS; i++)
        groups[i] = add[i](&t);
    /* The same number twice gives the formula another form. */
    line(&t, 1, (const int64_t[]){77}, 0.5, 0.5);

    const char *wrong = graph_verify(t.g);
    const char *error = "out of memory";
    CoupletPlan *plan;
    const CpuOptions options = {NULL};
    CpuCode *code = wrong ? NULL : cpu_compile(t.arena, &t.g, 1, NULL, 0, &options, &plan, &error);
    CoupletRun *run = code ? couplet_run_new(plan, NULL) : NULL;
    if (!run) fail_msg("%s", wrong ? wrong : error);
    Reference *exact = reference_run(t.g, find, t.arena);
    CoupletFault fault;
    if (!couplet_run_steps(run, make_inputs(&t, plan), NULL, &fault))
        printf("FAILED  %s\n", fault.sentence), t.failures++;
    for (int i = 0; i < t.count; i++)
        compare_output(&t, run, exact, i);
    for (int i = 0; i < GROUPS; i++)
        expect_kernels(&t, plan, groups[i]);
    expect_kernels(&t, plan, (Group){"all", 0, t.count, 7});
    reference_free(exact);
    couplet_run_free(run);
    cpu_free(code);
    arena_free(t.arena);
    assert_int_equal(t.failures, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(nodes_share_their_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
