/* Tests walks over expressions: a shared part is visited once, however many paths lead to it. */
#include "compiler/graph/visit.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

enum { DOUBLINGS = 200 };

typedef struct Bench {
    Arena *arena;
    Graph *g;
    const GExpr *index, *load;
} Bench;

static Bench bench(void) {
    Bench b;
    int64_t shape[1] = {8};
    b.arena = arena_new();
    b.g = graph_new(b.arena, "test");
    GNode *x = graph_input(b.g, "x", GT_REAL, 1, shape, (Span){0});
    b.index = graph_fresh_index(b.g, 8);
    b.load = gx_load(b.g, x, 1, &b.index, NULL);
    return b;
}

/* Makes 2^DOUBLINGS paths through DOUBLINGS products. */
static const GExpr *doubled(Bench *b, const GExpr *e) {
    for (int i = 0; i < DOUBLINGS; i++)
        e = gx2(b->g, G_MUL, e, e);
    return e;
}

static VisitStep count(void *context, const GExpr *e) {
    *(int *)context += e->op == G_MUL || e->op == G_LOAD;
    return VISIT_INSIDE;
}

static void meets_shared_parts_once(void **state) {
    (void)state;
    Bench b = bench();
    int met = 0;
    assert_false(expr_visit(doubled(&b, b.load), count, &met));
    assert_int_equal(met, DOUBLINGS + 1);
    assert_int_equal(expr_size(doubled(&b, b.load)), DOUBLINGS + 1);
    assert_int_equal(expr_operations(doubled(&b, b.load)), DOUBLINGS);
    assert_true(expr_reads(doubled(&b, b.load)));
    assert_true(expr_holds_any(doubled(&b, b.load), 1, &b.index));
    assert_false(expr_is_small_tree(doubled(&b, b.load)));
    assert_true(expr_is_small_tree(b.load));
    arena_free(b.arena);
}

static VisitStep end_at_load(void *context, const GExpr *e) {
    ++*(int *)context;
    return e->op == G_LOAD ? VISIT_END : VISIT_INSIDE;
}

static VisitStep past_products(void *context, const GExpr *e) {
    ++*(int *)context;
    return e->op == G_MUL ? VISIT_PAST : VISIT_INSIDE;
}

static void obeys_its_visitor(void **state) {
    (void)state;
    Bench b = bench();
    int met = 0;
    const GExpr *product = gx2(b.g, G_MUL, b.load, b.load);
    const GExpr *sum = gx2(b.g, G_ADD, gx1(b.g, G_NEG, product), gx1(b.g, G_EXP, b.load));
    assert_true(expr_visit(sum, end_at_load, &met));
    assert_int_equal(met, 4); /* sum, neg, product, load: parents first, arguments in order */
    met = 0;
    assert_false(expr_visit(sum, past_products, &met));
    assert_int_equal(met, 6); /* sum, neg, product; exp, load, index */
    assert_false(expr_visit(NULL, past_products, &met));
    arena_free(b.arena);
}

static ExprValue depth(void *context, const GExpr *e, const ExprValue *args) {
    ExprValue deepest = {.integer = 0};
    (void)context;
    for (int i = 0; i < e->arg_count; i++)
        if (args[i].integer >= deepest.integer) deepest.integer = args[i].integer + 1;
    return deepest;
}

static void folds_each_part_once(void **state) {
    (void)state;
    Bench b = bench();
    assert_int_equal(expr_fold(doubled(&b, b.load), depth, NULL).integer, DOUBLINGS + 1);
    arena_free(b.arena);
}

static void keeps_every_entry(void **state) {
    (void)state;
    Bench b = bench();
    ExprMap map;
    expr_map_open(&map);
    const GExpr *parts[5 * EXPR_MAP_FEW];
    for (int i = 0; i < 5 * EXPR_MAP_FEW; i++) {
        parts[i] = gx2(b.g, G_ADD, b.load, gx_real(b.g, i + 1));
        assert_true(expr_map_add(&map, parts[i]));
        assert_false(expr_map_add(&map, parts[i]));
        expr_map_set(&map, parts[i], (ExprValue){.integer = i});
    }
    for (int i = 0; i < 5 * EXPR_MAP_FEW; i++)
        assert_int_equal(expr_map_find(&map, parts[i])->integer, i);
    assert_null(expr_map_find(&map, b.load));
    expr_map_close(&map);
    arena_free(b.arena);
}

/* In `if c then a else b`, only c is evaluated in any case. */
static void knows_what_is_evaluated(void **state) {
    (void)state;
    Bench b = bench();
    const GExpr *arm = gx1(b.g, G_EXP, b.load);
    const GExpr *other = gx1(b.g, G_NEG, b.load);
    const GExpr *condition = gx2(b.g, G_LT, gx1(b.g, G_ABS, b.load), gx_real(b.g, 1));
    const GExpr *choice = gx_select(b.g, condition, arm, other);
    ExprMap met;
    int parts = 0;
    expr_map_open(&met);
    assert_false(expr_visit_sure(&met, choice, count, &parts));
    assert_non_null(expr_map_find(&met, condition));
    assert_non_null(expr_map_find(&met, b.load));
    assert_null(expr_map_find(&met, arm));
    assert_null(expr_map_find(&met, other));
    expr_map_close(&met);
    arena_free(b.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(meets_shared_parts_once), cmocka_unit_test(obeys_its_visitor),
        cmocka_unit_test(folds_each_part_once),    cmocka_unit_test(keeps_every_entry),
        cmocka_unit_test(knows_what_is_evaluated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
