/* Tests the gradient of every scalar operation and every reducer, and of every way in which an
 * index is solved. The gradient that the pass makes is compared with central differences, both in
 * float64 by the reference evaluator. */
#include "compiler/passes/passes.h"
#include "compiler/reference/reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 4, COLUMNS = 6 };

static double x_data[ROWS * COLUMNS], y_data[ROWS * COLUMNS], key_data[ROWS * COLUMNS];

static const double *find(void *context, const GNode *node) {
    (void)context;
    return strcmp(node->name, "x") == 0 ? x_data : strcmp(node->name, "y") == 0 ? y_data : key_data;
}

typedef struct Bench {
    Arena *arena;
    Graph *g;
    GNode *x, *y, *key;
    const GExpr *i, *j, *xij, *yij;
} Bench;

static Bench bench(void) {
    Bench b;
    int64_t shape[2] = {ROWS, COLUMNS};
    b.arena = arena_new();
    b.g = graph_new(b.arena, "test");
    b.x = graph_input(b.g, "x", GT_REAL, 2, shape, (Span){0});
    b.y = graph_input(b.g, "y", GT_REAL, 2, shape, (Span){0});
    b.key = graph_input(b.g, "key", GT_INT, 2, shape, (Span){0});
    b.i = graph_fresh_index(b.g, ROWS);
    b.j = graph_fresh_index(b.g, COLUMNS);
    const GExpr *at[2] = {b.i, b.j};
    b.xij = gx_load(b.g, b.x, 2, at, NULL);
    b.yij = gx_load(b.g, b.y, 2, at, NULL);
    return b;
}

static GNode *node(Bench *b, GReducer reducer, const GExpr *value, const GExpr *guard, int out,
                   const GExpr **outs, int red, const GExpr **reds) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = reducer;
    spec.out_rank = out;
    spec.red_rank = red;
    for (int k = 0; k < out; k++)
        spec.out[k] = outs[k];
    for (int k = 0; k < red; k++)
        spec.red[k] = reds[k];
    spec.value = value;
    spec.guard = guard;
    return graph_compute(b->g, &spec);
}

/* Makes the sum of weight * element over all elements. Each element has another weight, so that a
 * gradient in the wrong place shows. */
static GNode *scalarise(Bench *b, GNode *array) {
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *flat = gx_int(b->g, 0);
    for (int k = 0; k < array->rank; k++) {
        axes[k] = graph_fresh_index(b->g, array->shape[k]);
        flat = gx2(b->g, G_ADD, gx2(b->g, G_MUL, flat, gx_int(b->g, array->shape[k])), axes[k]);
    }
    const GExpr *weight = gx1(b->g, G_COS, gx1(b->g, G_TO_REAL, flat));
    const GExpr *value = gx2(b->g, G_MUL, weight, gx_load(b->g, array, array->rank, axes, NULL));
    if (array->rank == 0) return node(b, GR_NONE, value, NULL, 0, NULL, 0, NULL);
    return node(b, GR_SUM, value, NULL, 0, NULL, array->rank, axes);
}

static double loss_value(Bench *b) {
    Reference *run = reference_run(b->g, find, NULL);
    assert_non_null(run);
    assert_null(reference_fault(run, NULL));
    double value = *reference_output(run, "loss");
    reference_free(run);
    return value;
}

static void compare_gradients(Bench *b, GNode *loss, const char *what) {
    graph_output(b->g, "loss", loss);
    GNode *wrt[2] = {b->x, b->y};
    GNode *grads[2];
    pass_differentiate(b->g, loss, wrt, 2, grads);
    if (grads[0]) graph_output(b->g, "gx", grads[0]);
    if (grads[1]) graph_output(b->g, "gy", grads[1]);
    pass_simplify(b->g);
    const char *wrong = graph_verify(b->g);
    if (wrong) fail_msg("%s: %s", what, wrong);
    Reference *run = reference_run(b->g, find, NULL);
    assert_non_null(run);
    for (int side = 0; side < 2; side++) {
        double *data = side ? y_data : x_data;
        const double *gradient = reference_output(run, side ? "gy" : "gx");
        for (int k = 0; k < ROWS * COLUMNS; k++) {
            double kept = data[k];
            double h = 1e-5;
            data[k] = kept + h;
            double up = loss_value(b);
            data[k] = kept - h;
            double down = loss_value(b);
            data[k] = kept;
            double expected = (up - down) / (2 * h);
            double found = gradient ? gradient[k] : 0;
            if (!(fabs(found - expected) <= 1e-6 * (1 + fabs(expected))))
                fail_msg("%s: d/d%c[%d] is %.12g, and finite differences give %.12g", what,
                         side ? 'y' : 'x', k, found, expected);
        }
    }
    reference_free(run);
    arena_free(b->arena);
}

static int fill_data(void **state) {
    (void)state;
    for (int k = 0; k < ROWS * COLUMNS; k++) {
        /* The values have no ties, and none is near 0. */
        x_data[k] = 0.9 * sin(1.0 + 1.7 * k) + 0.013 * k;
        y_data[k] = 0.8 * cos(2.0 + 2.3 * k) - 0.011 * k;
        key_data[k] = (k * 7 + k / COLUMNS) % ROWS;
    }
    return 0;
}

/* Returns samples in the row's domain, made of x and y by smooth positive or nonzero maps. */
static const GExpr *in_domain(Bench *b, const GExpr *e, const char *domain) {
    if (strcmp(domain, "positive") == 0)
        return gx2(b->g, G_ADD, gx_real(b->g, 0.3), gx2(b->g, G_MUL, e, e));
    if (strcmp(domain, "nonzero") == 0) return gx2(b->g, G_ADD, gx_real(b->g, 2.5), e);
    return e;
}

static void scalar_rows(void **state) {
    (void)state;
    static const struct {
        const char *name, *result, *rule, *domain;
        GOp op;
        int arity;
    } rows[] = {
#define SCALAR(name, text, arity, takes, result, price, whole, real, same, rule, domain)           \
    {#text, #result, #rule, #domain, G_##name, arity},
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    int tried = 0;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        /* The value of `root` is an operand that must be the root of another one, which samples are
         * not. */
        if (strcmp(rows[k].rule, "none") == 0 || rows[k].op == G_SELECT || rows[k].op == G_ROOT)
            continue;
        Bench b = bench();
        const GExpr *args[2] = {in_domain(&b, b.xij, rows[k].domain),
                                in_domain(&b, b.yij, rows[k].domain)};
        const GExpr *axes[2] = {b.i, b.j};
        GNode *array =
            node(&b, GR_NONE, gx_op(b.g, rows[k].op, rows[k].arity, args), NULL, 2, axes, 0, NULL);
        compare_gradients(&b, scalarise(&b, array), rows[k].name);
        tried++;
    }
    assert_true(tried >= 20);
}

static void select_guards_its_arms(void **state) {
    (void)state;
    Bench b = bench();
    const GExpr *axes[2] = {b.i, b.j};
    /* The log of a negative number stands in the arm that is not taken. Neither the forward nor the
     * backward pass may evaluate it. */
    const GExpr *positive = gx2(b.g, G_LT, gx_real(b.g, 0.05), b.xij);
    GNode *array =
        node(&b, GR_NONE,
             gx_select(b.g, positive, gx1(b.g, G_LOG, b.xij), gx2(b.g, G_MUL, b.yij, b.yij)), NULL,
             2, axes, 0, NULL);
    compare_gradients(&b, scalarise(&b, array), "select");
}

static void reducers(void **state) {
    (void)state;
    static const struct {
        GReducer reducer;
        const char *name;
    } rows[] = {
        {GR_SUM, "sum"}, {GR_MAX, "max"}, {GR_MIN, "min"}, {GR_LSE, "lse"}, {GR_PROD, "prod"}};
    for (int guarded = 0; guarded < 2; guarded++)
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            Bench b = bench();
            const GExpr *guard = guarded ? gx2(b.g, G_NE, b.j, b.i) : NULL;
            GNode *array =
                node(&b, rows[k].reducer, gx2(b.g, G_MUL, b.xij, b.yij), guard, 1, &b.i, 1, &b.j);
            compare_gradients(&b, scalarise(&b, array), rows[k].name);
        }
}

/* A read of x at index expressions of i and j, or, in a convolution, of a fresh index and a tap. */
typedef struct Access {
    const char *name;
    const GExpr *row;
    const GExpr *column;
    bool misses;        /* some elements are outside of x */
    const GExpr *along; /* the index of the result's columns */
    const GExpr *tap;   /* the index of a convolution's sum; NULL: there is no sum */
} Access;

enum { ACCESSES = 8 };

static Access access_of(const Bench *b, int kind) {
    Graph *g = b->g;
    const GExpr *i = b->i;
    const GExpr *j = b->j;
    const GExpr *two = gx_int(g, 2);
    const GExpr *half = graph_fresh_index(g, COLUMNS / 2);
    const GExpr *tap = graph_fresh_index(g, 3);
    const GExpr *strided =
        gx2(g, G_ADD, gx2(g, G_MUL, half, two), gx2(g, G_SUB, tap, gx_int(g, 1)));
    const GExpr *turned = gx2(g, G_ADD, j, gx_int(g, 4));
    switch (kind) {
    case 0:
        return (Access){"shift", i, gx2(g, G_ADD, j, two), true, j, NULL};
    case 1:
        return (Access){"rotation", i, gx2(g, G_MOD, turned, gx_int(g, COLUMNS)), false, j, NULL};
    case 2:
        return (Access){"reverse", i, gx2(g, G_SUB, gx_int(g, COLUMNS - 1), j), false, j, NULL};
    case 3:
        return (Access){
            "gather", gx_load(g, b->key, 2, (const GExpr *[2]){i, j}, NULL), j, false, j, NULL};
    case 4:
        return (Access){"constant", two, j, false, j, NULL};
    case 5:
        return (Access){"strided convolution", i, strided, true, half, tap};
    case 6:
        return (Access){"division", i, gx2(g, G_FLOORDIV, j, two), false, j, NULL};
    default:
        return (Access){"diagonal", i, i, false, j, NULL};
    }
}

/* Tests the square of what is read of x, times y. The adjoint must find the way back. */
static void reads(void **state) {
    (void)state;
    for (int kind = 0; kind < ACCESSES; kind++) {
        Bench b = bench();
        Graph *g = b.g;
        Access a = access_of(&b, kind);
        const GExpr *at[2] = {a.row, a.column};
        const GExpr *y_at[2] = {a.tap ? gx_int(g, 1) : b.i, a.tap ? a.tap : b.j};
        const GExpr *outs[2] = {b.i, a.along};
        const GExpr *x = gx_load(g, b.x, 2, at, a.misses ? gx_real(g, 0) : NULL);
        const GExpr *value = gx2(g, G_MUL, gx2(g, G_MUL, x, x), gx_load(g, b.y, 2, y_at, NULL));
        GNode *array = a.tap ? node(&b, GR_SUM, value, NULL, 2, outs, 1, &a.tap)
                             : node(&b, GR_NONE, value, NULL, 2, outs, 0, NULL);
        compare_gradients(&b, scalarise(&b, array), a.name);
    }
}

static void stop_ends_the_gradient(void **state) {
    (void)state;
    Bench b = bench();
    const GExpr *axes[2] = {b.i, b.j};
    GNode *stopped = graph_stop(b.g, b.y, (Span){0});
    GNode *array = node(&b, GR_NONE, gx2(b.g, G_MUL, b.xij, gx_load(b.g, stopped, 2, axes, NULL)),
                        NULL, 2, axes, 0, NULL);
    GNode *loss = scalarise(&b, array);
    GNode *wrt[2] = {b.x, b.y};
    GNode *grads[2];
    pass_differentiate(b.g, loss, wrt, 2, grads);
    assert_non_null(grads[0]);
    assert_null(grads[1]);
    arena_free(b.arena);
}

static void empty_reduction_is_a_fault(void **state) {
    (void)state;
    Bench b = bench();
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_MAX;
    spec.out_rank = spec.red_rank = 1;
    spec.out[0] = b.i;
    spec.red[0] = b.j;
    spec.value = b.xij;
    spec.guard = gx2(b.g, G_LT, b.j, b.i); /* nothing lies before the first row */
    spec.empty_is_error = true;
    graph_output(b.g, "max", graph_compute(b.g, &spec));
    graph_prune(b.g);
    Reference *run = reference_run(b.g, find, NULL);
    assert_non_null(run);
    assert_non_null(reference_fault(run, NULL));
    reference_free(run);
    arena_free(b.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_rows),
        cmocka_unit_test(select_guards_its_arms),
        cmocka_unit_test(reducers),
        cmocka_unit_test(reads),
        cmocka_unit_test(stop_ends_the_gradient),
        cmocka_unit_test(empty_reduction_is_a_fault),
    };
    return cmocka_run_group_tests(tests, fill_data, NULL);
}
