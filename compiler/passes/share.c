#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"
#include "compiler/passes/logform.h"

#include <string.h>

enum { MAX_TERMS = 16 };

typedef struct Terms {
    const GExpr *items[MAX_TERMS];
    int count;
} Terms;

/* The value behind a read of an elementwise node; the expression itself, when it is anything else. */
const GExpr *value_behind(Graph *g, const GExpr *e) {
    while (e->op == G_LOAD && !e->has_else && e->tensor->kind == GN_COMPUTE && e->tensor->reducer == GR_NONE && !e->tensor->active) {
        ComputeSpec spec;
        graph_open(g, e->tensor, &spec);
        const GExpr *value = gx_substitute(g, spec.value, spec.out_rank, spec.out, e->args);
        if (!load_keeps_checks(g, e, value)) break;
        e = value;
    }
    return e;
}

static bool addends(Graph *g, const GExpr *e, Terms *terms) {
    const GExpr *value = value_behind(g, e);
    if (value->op == G_ADD) return addends(g, value->args[0], terms) && addends(g, value->args[1], terms);
    if (terms->count == MAX_TERMS) return false;
    terms->items[terms->count++] = value;
    return true;
}

/* What the reduced indices must be for `pattern` to become `e`; found[] is filled as they appear. */
static bool unify(const ComputeSpec *spec, const GExpr *pattern, const GExpr *e, const GExpr **found) {
    for (int i = 0; i < spec->red_rank; i++) {
        if (pattern != spec->red[i]) continue;
        if (e->type != GT_INT || (found[i] && found[i] != e)) return false;
        found[i] = e;
        return true;
    }
    if (pattern == e) return true;
    if (pattern->op != e->op || pattern->type != e->type || pattern->arg_count != e->arg_count || pattern->tensor != e->tensor || pattern->has_else != e->has_else) return false;
    if (pattern->op == G_CONST || pattern->op == G_INDEX) return false;
    for (int i = 0; i < e->arg_count; i++)
        if (!unify(spec, pattern->args[i], e->args[i], found)) return false;
    return true;
}

/* a - b as a constant when it is one: sums of indices that cancel. */
typedef struct Difference {
    const GExpr *index[MAX_TERMS];
    int64_t factor[MAX_TERMS], constant;
    int count;
} Difference;

static bool subtract(Difference *d, const GExpr *e, int64_t by) {
    if (e->op == G_CONST && e->type == GT_INT) {
        d->constant += by * e->integer;
        return true;
    }
    if (e->op == G_ADD || e->op == G_SUB) return subtract(d, e->args[0], by) && subtract(d, e->args[1], e->op == G_ADD ? by : -by);
    for (int i = 0; i < d->count; i++) {
        if (d->index[i] != e) continue;
        d->factor[i] += by;
        return true;
    }
    if (d->count == MAX_TERMS) return false;
    d->index[d->count] = e;
    d->factor[d->count++] = by;
    return true;
}

static bool constant_difference(const GExpr *a, const GExpr *b, int64_t *out) {
    Difference d;
    memset(&d, 0, sizeof d);
    if (!expr_is_small_tree(a) || !expr_is_small_tree(b)) return false;
    if (!subtract(&d, a, 1) || !subtract(&d, b, -1)) return false;
    for (int i = 0; i < d.count; i++)
        if (d.factor[i]) return false;
    *out = d.constant;
    return true;
}

/* a != b for every value of the indices; (x mod m) != b when x - b is a constant that m does not divide and b is a remainder itself. */
static bool always_differ(Graph *g, const GExpr *a, const GExpr *b) {
    int64_t difference, low, high;
    if (constant_difference(a, b, &difference)) return difference != 0;
    if (b->op == G_MOD) {
        const GExpr *swap = a;
        a = b;
        b = swap;
    }
    if (a->op != G_MOD || a->args[1]->op != G_CONST) return false;
    int64_t m = a->args[1]->integer;
    return gx_range(g, b, NULL, &low, &high) && low >= 0 && high < m && constant_difference(a->args[0], b, &difference) && difference % m != 0;
}

static bool always_true(Graph *g, const GExpr *e) {
    if (!e) return true;
    if (e->op == G_CONST) return e->integer != 0;
    if (e->op == G_AND) return always_true(g, e->args[0]) && always_true(g, e->args[1]);
    return e->op == G_NE && e->args[0]->type == GT_INT && always_differ(g, e->args[0], e->args[1]);
}

static bool only_indices_of(Graph *g, const GExpr *e, const GExpr *const *args, int count) {
    const GExpr *mine[GRAPH_MAX_FREE], *theirs[GRAPH_MAX_FREE];
    int mine_count = gx_free_indices(g, e, mine);
    for (int i = 0; i < mine_count; i++) {
        bool there = false;
        for (int a = 0; a < count && !there; a++) {
            int theirs_count = gx_free_indices(g, args[a], theirs);
            for (int k = 0; k < theirs_count; k++) there |= theirs[k] == mine[i];
        }
        if (!there) return false;
    }
    return true;
}

/* The sum `load` without the term that is `numerator`; NULL when it is not provably one of them. */
static const GExpr *without_term(Graph *g, const GExpr *load, const GExpr *numerator) {
    if (load->op != G_LOAD || load->has_else || load->tensor->kind != GN_COMPUTE || load->tensor->reducer != GR_SUM || load->tensor->active) return NULL;
    if (load->tensor->red_rank != 1) return NULL;
    ComputeSpec spec;
    const GExpr *found[GRAPH_MAX_RANK] = {NULL};
    graph_open(g, load->tensor, &spec);
    const GExpr *value = gx_substitute(g, value_behind(g, spec.value), spec.out_rank, spec.out, load->args);
    const GExpr *guard = spec.guard ? gx_substitute(g, spec.guard, spec.out_rank, spec.out, load->args) : NULL;
    if (!unify(&spec, value, numerator, found) || !found[0]) return NULL;
    int64_t low, high;
    if (!only_indices_of(g, found[0], load->args, load->tensor->rank)) return NULL;
    if (!gx_range(g, found[0], NULL, &low, &high) || low < 0 || high >= graph_index_extent(g, spec.red[0])) return NULL;
    if (guard && !always_true(g, gx_substitute(g, guard, 1, spec.red, found))) return NULL;
    /* The row's own indices, so that the place of the numerator can be written into its guard. */
    for (int i = 0; i < load->tensor->rank; i++)
        if (load->args[i]->op != G_INDEX) return NULL;
    const GExpr *at = gx_substitute(g, found[0], spec.out_rank, load->args, spec.out);
    spec.guard = gx_and(g, spec.guard, gx2(g, G_NE, spec.red[0], at));
    return gx_load(g, graph_compute(g, &spec), load->tensor->rank, load->args, NULL);
}

/* ---- a sum that is part of a sum ------------------------------------------------------------------------------------- */

static bool is_conjunct(const GExpr *guard, const GExpr *c) {
    if (!guard) return false;
    if (guard->op == G_AND) return is_conjunct(guard->args[0], c) || is_conjunct(guard->args[1], c);
    return guard == c;
}

static bool implies(const GExpr *guard, const GExpr *other) {
    if (!other) return true;
    if (other->op == G_AND) return implies(guard, other->args[0]) && implies(guard, other->args[1]);
    return is_conjunct(guard, other);
}

/* The conjuncts of `guard` that `other` lacks. */
static const GExpr *beyond(Graph *g, const GExpr *guard, const GExpr *other) {
    if (guard->op == G_AND) return gx_and(g, beyond(g, guard->args[0], other), beyond(g, guard->args[1], other));
    return is_conjunct(other, guard) ? NULL : guard;
}

static bool is_plain_sum(const GExpr *e) {
    return e->op == G_LOAD && !e->has_else && e->tensor->kind == GN_COMPUTE && e->tensor->reducer == GR_SUM && !e->tensor->active;
}

/* The sum `load` without the terms of the sum `part`, when these are some of its own: the same value under a guard that says more. */
static const GExpr *without_part(Graph *g, const GExpr *load, const GExpr *part) {
    if (!is_plain_sum(load) || !is_plain_sum(part)) return NULL;
    const GNode *all = load->tensor, *some = part->tensor;
    if (all->rank != some->rank || all->red_rank != some->red_rank || !some->guard) return NULL;
    if (memcmp(all->red_shape, some->red_shape, sizeof all->red_shape) != 0 || memcmp(all->shape, some->shape, sizeof all->shape) != 0) return NULL;
    for (int i = 0; i < all->rank; i++)
        if (load->args[i] != part->args[i]) return NULL;
    ComputeSpec a, b;
    graph_open(g, all, &a);
    graph_open(g, some, &b);
    const GExpr *from[2 * GRAPH_MAX_RANK], *to[2 * GRAPH_MAX_RANK];
    int count = 0;
    for (int i = 0; i < b.out_rank; i++, count++) from[count] = b.out[i], to[count] = a.out[i];
    for (int i = 0; i < b.red_rank; i++, count++) from[count] = b.red[i], to[count] = a.red[i];
    const GExpr *guard = gx_substitute(g, b.guard, count, from, to);
    if (value_behind(g, gx_substitute(g, b.value, count, from, to)) != value_behind(g, a.value) || !implies(guard, a.guard)) return NULL;
    const GExpr *extra = beyond(g, guard, a.guard);
    if (!extra) return NULL;
    a.guard = gx_and(g, a.guard, gx1(g, G_NOT, extra));
    return gx_load(g, graph_compute(g, &a), load->tensor->rank, load->args, NULL);
}

/* ---- the share --------------------------------------------------------------------------------------------------------- */

bool take_out(Graph *g, const GExpr *sum, const GExpr *part, const GExpr **rest) {
    *rest = NULL;
    if (sum == part) return true;
    *rest = without_part(g, sum, part);
    if (!*rest) *rest = without_term(g, sum, part);
    return *rest != NULL;
}

const GExpr *log_of_share(Graph *g, const GExpr *numerator, const GExpr *denominator) {
    Terms terms = {.count = 0};
    const GExpr *n = value_behind(g, numerator), *rest = NULL, *left;
    if (!addends(g, denominator, &terms)) return NULL;
    bool taken = false;
    for (int i = 0; i < terms.count; i++) {
        const GExpr *term = terms.items[i];
        if (!taken && take_out(g, term, n, &left)) {
            taken = true;
            term = left;
        }
        if (term) rest = rest ? gx2(g, G_ADD, rest, term) : term;
    }
    if (!taken || !rest) return NULL;
    LogForm of_n = log_form(g, n), of_rest = log_form(g, rest);
    if (!of_n.positive || !of_rest.positive) return NULL;
    return gx1(g, G_NEG, gx1(g, G_SOFTPLUS, gx2(g, G_SUB, log_of_form(g, &of_rest), log_of_form(g, &of_n))));
}
