/* Takes a term out of a sum that holds it, provably. With n / (n + r) for a loss's probability,
 * log(n / (n + r)) is -softplus(log r - log n), which keeps its digits when the probability is
 * close to 1.
 *
 * What is left of the sum is found by unification: the numerator is a term of the denominator's
 * reduction if its reduced indices can be chosen so that both are the same expression. Then r is
 * the same sum under a guard that leaves that one term out. A proof that fails returns NULL, and
 * the quotient is computed as it was written. */
#include "compiler/graph/affine.h"
#include "compiler/graph/guard.h"
#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"
#include "compiler/passes/logform.h"

#include <string.h>

enum { MAX_TERMS = 16 };

typedef struct Terms {
    const GExpr *items[MAX_TERMS];
    int count;
} Terms;

static bool is_elementwise_read(const GExpr *e) {
    return gx_reads_all(e, GR_NONE);
}

const GExpr *log_value_behind(Logs *l, const GExpr *e) {
    if (!is_elementwise_read(e)) return e;
    const ExprValue *known = expr_map_find(&l->behind, e);
    if (known) return known->pointer;
    const ComputeSpec *spec = logs_opened(l, e->tensor);
    const GExpr *value = gx_substitute(l->g, spec->value, spec->out_rank, spec->out, e->args);
    value = load_keeps_checks(l->g, e, value) ? log_value_behind(l, value) : e;
    expr_map_set(&l->behind, e, (ExprValue){.pointer = value});
    return value;
}

/* Lists the addends of a value. Returns false if there are more than fit. */
static bool addends(Logs *l, const GExpr *e, Terms *terms) {
    const GExpr *value = log_value_behind(l, e);
    if (value->op == G_ADD)
        return addends(l, value->args[0], terms) && addends(l, value->args[1], terms);
    if (terms->count == MAX_TERMS) return false;
    terms->items[terms->count++] = value;
    return true;
}

typedef struct Unify {
    const ComputeSpec *spec;
    /* The values that the reduced indices must have, as they are found. */
    const GExpr *found[GRAPH_MAX_RANK];
    ExprMap same; /* by part of the pattern: the part of the other that it was found to become */
} Unify;

/* True if the pattern becomes `e` for some values of the reduced indices, which u->found gets. */
static bool unify(Unify *u, const GExpr *pattern, const GExpr *e) {
    for (int i = 0; i < u->spec->red_rank; i++) {
        if (pattern != u->spec->red[i]) continue;
        if (e->type != GT_INT || (u->found[i] && u->found[i] != e)) return false;
        u->found[i] = e;
        return true;
    }
    if (pattern == e) return true;
    if (pattern->op != e->op || pattern->type != e->type || pattern->arg_count != e->arg_count)
        return false;
    if (pattern->tensor != e->tensor || pattern->has_else != e->has_else) return false;
    if (pattern->op == G_CONST || pattern->op == G_INDEX) return false;
    const ExprValue *known = expr_map_find(&u->same, pattern);
    if (known && known->pointer == e) return true;
    for (int i = 0; i < e->arg_count; i++)
        if (!unify(u, pattern->args[i], e->args[i])) return false;
    expr_map_set(&u->same, pattern, (ExprValue){.pointer = e});
    return true;
}

/* Finds a - b if it is a constant. Both are sums of indices that cancel. */
static bool constant_difference(const GExpr *a, const GExpr *b, int64_t *out) {
    AffineSum d = {0};
    if (!affine_add(&d, a, 1) || !affine_add(&d, b, -1)) return false;
    for (int i = 0; i < d.count; i++)
        if (d.factor[i]) return false;
    *out = d.constant;
    return true;
}

/* True if a != b for every value of the indices. (x mod m) is not b if x - b is a constant that m
 * does not divide, and b is a remainder itself. */
static bool always_differ(Graph *g, const GExpr *a, const GExpr *b) {
    int64_t difference;
    int64_t low;
    int64_t high;
    if (constant_difference(a, b, &difference)) return difference != 0;
    if (b->op == G_MOD) {
        const GExpr *swap = a;
        a = b;
        b = swap;
    }
    if (a->op != G_MOD || a->args[1]->op != G_CONST) return false;
    int64_t m = a->args[1]->integer;
    return gx_range(g, b, NULL, &low, &high) && low >= 0 && high < m &&
           constant_difference(a->args[0], b, &difference) && difference % m != 0;
}

static bool always_true(void *context, const GExpr *e) {
    if (e->op == G_CONST) return e->integer != 0;
    return e->op == G_NE && e->args[0]->type == GT_INT &&
           always_differ(context, e->args[0], e->args[1]);
}

/* True if every index in `e` is in one of the arguments. */
static bool only_indices_of(Graph *g, const GExpr *e, const GExpr *const *args, int count) {
    const GExpr *mine[GRAPH_MAX_FREE];
    const GExpr *theirs[GRAPH_MAX_FREE];
    int mine_count = gx_free_indices(g, e, mine);
    for (int i = 0; i < mine_count; i++) {
        bool there = false;
        for (int a = 0; a < count && !there; a++) {
            int theirs_count = gx_free_indices(g, args[a], theirs);
            for (int k = 0; k < theirs_count; k++)
                there |= theirs[k] == mine[i];
        }
        if (!there) return false;
    }
    return true;
}

static bool has_one_term_index(const GExpr *load) {
    if (load->op != G_LOAD || load->has_else || load->tensor->kind != GN_COMPUTE ||
        load->tensor->active)
        return false;
    const GReducer r = load->tensor->reducer;
    return (r == GR_SUM || r == GR_LSE) && load->tensor->red_rank == 1;
}

const GExpr *log_place_of_term(Logs *l, const GExpr *load, const GExpr *term) {
    if (!has_one_term_index(load)) return NULL;
    const ComputeSpec *spec = logs_opened(l, load->tensor);
    const GExpr *value = gx_substitute(l->g, log_value_behind(l, spec->value), spec->out_rank,
                                       spec->out, load->args);
    Unify u = {.spec = spec};
    expr_map_open(&u.same);
    bool is_term = unify(&u, value, term);
    expr_map_close(&u.same);
    return is_term ? u.found[0] : NULL;
}

const GExpr *log_without_term(Logs *l, const GExpr *load, const GExpr *term) {
    Graph *g = l->g;
    const GExpr *place = log_place_of_term(l, load, term);
    if (!place || !only_indices_of(g, place, load->args, load->tensor->rank)) return NULL;
    ComputeSpec spec = *logs_opened(l, load->tensor);
    int64_t low;
    int64_t high;
    int64_t extent = graph_index_extent(g, spec.red[0]);
    if (!gx_range(g, place, NULL, &low, &high) || low < 0 || high >= extent) return NULL;
    const GExpr *guard =
        spec.guard ? gx_substitute(g, spec.guard, spec.out_rank, spec.out, load->args) : NULL;
    if (!guard_all(gx_substitute(g, guard, 1, spec.red, &place), always_true, g)) return NULL;
    /* The row's subscripts must be plain indices, so that the place of the term can be written into
     * its guard. */
    for (int i = 0; i < load->tensor->rank; i++)
        if (load->args[i]->op != G_INDEX) return NULL;
    const GExpr *at = gx_substitute(g, place, spec.out_rank, load->args, spec.out);
    spec.guard = gx_and(g, spec.guard, gx2(g, G_NE, spec.red[0], at));
    return gx_load(g, graph_compute(g, &spec), load->tensor->rank, load->args, NULL);
}

/* ---- a sum that is part of a sum ------------------------------------------------------------- */

static bool stands_in(void *guard, const GExpr *conjunct) {
    return guard_has(guard, conjunct);
}

bool log_guard_implies(const GExpr *guard, const GExpr *other) {
    return guard_all(other, stands_in, (void *)(uintptr_t)guard);
}

/* Returns a conjunct, or NULL if `other` has it. */
static const GExpr *unless_in(void *other, Graph *g, const GExpr *conjunct) {
    (void)g;
    return guard_has(other, conjunct) ? NULL : conjunct;
}

static bool is_plain_sum(const GExpr *e) {
    return gx_reads_all(e, GR_SUM);
}

/* Returns the sum `load` without the terms of the sum `part`, if these are some of its own: the
 * same value under a stricter guard. NULL: they are not. */
static const GExpr *without_part(Logs *l, const GExpr *load, const GExpr *part) {
    Graph *g = l->g;
    if (!is_plain_sum(load) || !is_plain_sum(part)) return NULL;
    const GNode *all = load->tensor;
    const GNode *some = part->tensor;
    if (all->rank != some->rank || all->red_rank != some->red_rank || !some->guard) return NULL;
    if (memcmp(all->red_shape, some->red_shape, sizeof all->red_shape) != 0 ||
        memcmp(all->shape, some->shape, sizeof all->shape) != 0)
        return NULL;
    for (int i = 0; i < all->rank; i++)
        if (load->args[i] != part->args[i]) return NULL;
    ComputeSpec a = *logs_opened(l, all);
    ComputeSpec b = *logs_opened(l, some);
    const GExpr *from[2 * GRAPH_MAX_RANK];
    const GExpr *to[2 * GRAPH_MAX_RANK];
    int count = 0;
    for (int i = 0; i < b.out_rank; i++, count++)
        from[count] = b.out[i], to[count] = a.out[i];
    for (int i = 0; i < b.red_rank; i++, count++)
        from[count] = b.red[i], to[count] = a.red[i];
    const GExpr *guard = gx_substitute(g, b.guard, count, from, to);
    if (log_value_behind(l, gx_substitute(g, b.value, count, from, to)) !=
            log_value_behind(l, a.value) ||
        !log_guard_implies(guard, a.guard))
        return NULL;
    const GExpr *extra = guard_keep(g, guard, unless_in, (void *)(uintptr_t)a.guard);
    if (!extra) return NULL;
    a.guard = gx_and(g, a.guard, gx1(g, G_NOT, extra));
    return gx_load(g, graph_compute(g, &a), load->tensor->rank, load->args, NULL);
}

/* ---- the share ------------------------------------------------------------------------------- */

bool log_take_out(Logs *l, const GExpr *sum, const GExpr *part, const GExpr **rest) {
    *rest = NULL;
    if (sum == part) return true;
    *rest = without_part(l, sum, part);
    if (!*rest && is_plain_sum(sum)) {
        *rest = log_without_term(l, sum, part);
    }
    return *rest != NULL;
}

bool log_take_out_of_addends(Logs *l, const GExpr *denominator, const GExpr *numerator,
                             const GExpr **rest) {
    Terms terms = {.count = 0};
    const GExpr *n = log_value_behind(l, numerator);
    const GExpr *left;
    *rest = NULL;
    if (!addends(l, denominator, &terms)) return false;
    bool taken = false;
    for (int i = 0; i < terms.count; i++) {
        const GExpr *term = terms.items[i];
        if (!taken && log_take_out(l, term, n, &left)) {
            taken = true;
            term = left;
        }
        if (term) *rest = *rest ? gx2(l->g, G_ADD, *rest, term) : term;
    }
    return taken;
}

const GExpr *log_of_share(Logs *l, const GExpr *numerator, const GExpr *denominator) {
    Graph *g = l->g;
    const GExpr *rest;
    if (!log_take_out_of_addends(l, denominator, numerator, &rest) || !rest) return NULL;
    LogForm of_n = log_form(l, log_value_behind(l, numerator));
    LogForm of_rest = log_form(l, rest);
    if (!of_n.positive || !of_rest.positive) return NULL;
    const GExpr *odds = gx2(g, G_SUB, log_of_form(l, &of_rest), log_of_form(l, &of_n));
    return gx1(g, G_NEG, gx1(g, G_SOFTPLUS, odds));
}
