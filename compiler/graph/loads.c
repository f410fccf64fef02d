/* Lists the arrays that a formula reads, each read once, and says which of these reads may leave
 * their array.
 *
 * A read at a subscript that depends on data is checked when it runs. A pass that moves a value to
 * another place must not lose that check, since a wrong index would then go unnoticed:
 * load_keeps_checks says whether another formula makes the same check. A read whose subscript is
 * affine was proved to be inside before (lower/prove.c). */
#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"

typedef struct Gather {
    Arena *arena;
    Loads *loads;
} Gather;

static VisitStep gather_load(void *context, const GExpr *e) {
    Gather *to = context;
    to->loads->draws |= e->op == G_RANDOM;
    if (e->op == G_LOAD) array_push(to->arena, &to->loads->items, e);
    return VISIT_INSIDE;
}

Loads loads_of_all(Arena *arena, int count, const GExpr *const *exprs) {
    Loads l = {0};
    Gather to = {arena, &l};
    ExprMap met;
    expr_map_open(&met);
    for (int i = 0; i < count; i++)
        expr_visit_rest(&met, exprs[i], gather_load, &to);
    expr_map_close(&met);
    return l;
}

Loads loads_of(Arena *arena, const GNode *n) {
    const GExpr *parts[3] = {n->value, n->guard, n->active};
    return loads_of_all(arena, 3, parts);
}

bool load_is_at_own_place(const GExpr *load) {
    for (int i = 0; i < load->tensor->rank; i++)
        if (load->args[i]->op != G_INDEX || load->args[i]->index != i) return false;
    return !load->has_else;
}

bool subscript_may_fault(Graph *g, const GExpr *subscript, const int64_t *extents, int64_t extent) {
    if (subscript->op != G_CONST && !expr_is_data(subscript)) return false;
    int64_t low;
    int64_t high;
    return !gx_range_of_data(g, subscript, extents, &low, &high) || low < 0 || high >= extent;
}

typedef struct Check {
    const GExpr *subscript;
    int64_t extent;
} Check;

static VisitStep makes_check(void *context, const GExpr *e) {
    const Check *check = context;
    for (int i = 0; e->op == G_LOAD && !e->has_else && i < e->arg_count; i++)
        if (e->args[i] == check->subscript && e->tensor->shape[i] <= check->extent)
            return VISIT_END;
    return VISIT_INSIDE;
}

bool load_keeps_checks(Graph *g, const GExpr *load, const GExpr *value) {
    bool keeps = true;
    for (int i = 0; i < load->tensor->rank && keeps; i++) {
        const Check check = {load->args[i], load->tensor->shape[i]};
        int64_t low;
        int64_t high;
        if (!expr_is_data(check.subscript)) continue;
        if (gx_range_of_data(g, check.subscript, NULL, &low, &high) && low >= 0 &&
            high < check.extent)
            continue;
        ExprMap met;
        expr_map_open(&met);
        keeps = expr_visit_sure(&met, value, makes_check, (void *)(uintptr_t)&check);
        expr_map_close(&met);
    }
    return keeps;
}
