/* stabilise: the log of a value that is made of exps is computed in the log domain, so that no exp overflows or vanishes. It runs before
 * differentiate, so the gradient inherits the shifted form. With lf(e) the log of e,
 *     lf(exp(a)) = a          lf(a * b) = lf(a) + lf(b)       lf(a / b) = lf(a) - lf(b)      lf(c) = log(c), c > 0
 *     lf(sum over r of v) = logsumexp over r of lf(v)          lf(a + b) = m + log1p(exp(-|lf(a) - lf(b)|)), m the larger
 * through the nodes that hold the parts. A log whose argument holds anything else is left as it stands.
 *
 * A quotient whose denominator holds the numerator, n / (n + r), as every contrastive loss is, loses its digits in lf(n) - lf(n + r) when n is
 * most of the sum; it becomes
 *     lf(n / (n + r)) = -softplus(lf(r) - lf(n))
 * with r what is left of the denominator: the other addends, or the sum without the term that the numerator is, when that term is provably one of
 * its terms (u[i] . u[pos(i)] among all j != i, where pos(i) != i) and depends on no more indices than the sum. */
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <math.h>
#include <string.h>

enum { MAX_DEPTH = 32, MAX_TERMS = 16 };

typedef struct LogDomain {
    Graph *g;
    bool split; /* a numerator was taken out of its denominator */
    bool has_exp; /* without one there is nothing to gain */
    int depth;
} LogDomain;

static const GExpr *log_form(LogDomain *domain, const GExpr *e);

static const GExpr *log_of_sum_node(LogDomain *domain, const GExpr *load) {
    Graph *g = domain->g;
    ComputeSpec spec;
    graph_open(g, load->tensor, &spec);
    if (spec.active) return NULL; /* inactive elements are 0, whose log is no log-sum-exp */
    spec.value = log_form(domain, spec.value);
    if (!spec.value) return NULL;
    spec.reducer = GR_LSE;
    return gx_load(g, graph_compute(g, &spec), load->tensor->rank, load->args, NULL);
}

static const GExpr *log_of_plain_node(LogDomain *domain, const GExpr *load) {
    ComputeSpec spec;
    graph_open(domain->g, load->tensor, &spec);
    if (spec.active) return NULL;
    return log_form(domain, gx_substitute(domain->g, spec.value, spec.out_rank, spec.out, load->args));
}

/* ---- n / (n + r) ------------------------------------------------------------------------------------------- */

typedef struct Terms {
    const GExpr *items[MAX_TERMS];
    int count;
} Terms;

/* The value behind a read of an elementwise node; the expression itself, when it is anything else. */
static const GExpr *behind(Graph *g, const GExpr *e) {
    while (e->op == G_LOAD && !e->has_else && e->tensor->kind == GN_COMPUTE && e->tensor->reducer == GR_NONE && !e->tensor->active) {
        ComputeSpec spec;
        graph_open(g, e->tensor, &spec);
        e = gx_substitute(g, spec.value, spec.out_rank, spec.out, e->args);
    }
    return e;
}

static bool addends(Graph *g, const GExpr *e, Terms *terms) {
    const GExpr *value = behind(g, e);
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
    const GExpr *mine[GRAPH_MAX_INDICES], *theirs[GRAPH_MAX_INDICES];
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
    const GExpr *value = gx_substitute(g, behind(g, spec.value), spec.out_rank, spec.out, load->args);
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

/* lf(numerator / denominator) as -softplus; NULL when the denominator does not hold the numerator. */
static const GExpr *log_of_share(LogDomain *domain, const GExpr *numerator, const GExpr *denominator) {
    Graph *g = domain->g;
    Terms terms = {.count = 0};
    const GExpr *n = behind(g, numerator);
    if (!addends(g, denominator, &terms)) return NULL;
    bool taken = false;
    for (int i = 0; i < terms.count && !taken; i++) {
        const GExpr *left = terms.items[i] == n ? NULL : without_term(g, terms.items[i], n);
        taken = terms.items[i] == n || left;
        if (terms.items[i] == n) terms.items[i] = terms.items[--terms.count];
        else if (left) terms.items[i] = left;
    }
    if (!taken || terms.count == 0) return NULL;
    const GExpr *rest = terms.items[0];
    for (int i = 1; i < terms.count; i++) rest = gx2(g, G_ADD, rest, terms.items[i]);
    const GExpr *log_n = log_form(domain, n), *log_rest = log_n ? log_form(domain, rest) : NULL;
    if (!log_rest) return NULL;
    domain->split = true;
    return gx1(g, G_NEG, gx1(g, G_SOFTPLUS, gx2(g, G_SUB, log_rest, log_n)));
}

/* ---- the forms ----------------------------------------------------------------------------------------------- */

static const GExpr *log_of_pair(LogDomain *domain, const GExpr *e) {
    Graph *g = domain->g;
    if (e->op == G_DIV) {
        const GExpr *share = log_of_share(domain, e->args[0], e->args[1]), *inverse = share ? NULL : log_of_share(domain, e->args[1], e->args[0]);
        if (share) return share;
        if (inverse) return gx1(g, G_NEG, inverse);
    }
    const GExpr *a = log_form(domain, e->args[0]), *b = a ? log_form(domain, e->args[1]) : NULL;
    if (!b) return NULL;
    if (e->op == G_MUL) return gx2(g, G_ADD, a, b);
    if (e->op == G_DIV) return gx2(g, G_SUB, a, b);
    const GExpr *distance = gx1(g, G_ABS, gx2(g, G_SUB, a, b));
    return gx2(g, G_ADD, gx2(g, G_MAX, a, b), gx1(g, G_LOG1P, gx1(g, G_EXP, gx1(g, G_NEG, distance))));
}

static const GExpr *log_form(LogDomain *domain, const GExpr *e) {
    const GExpr *result = NULL;
    if (++domain->depth > MAX_DEPTH) return NULL;
    switch (e->op) {
    case G_EXP:
        domain->has_exp = true;
        result = e->args[0];
        break;
    case G_CONST:
        if (e->type == GT_REAL && e->real > 0) result = gx_real(domain->g, log(e->real));
        break;
    case G_MUL:
    case G_DIV:
    case G_ADD: result = log_of_pair(domain, e); break;
    case G_LOAD:
        if (e->has_else || e->tensor->kind != GN_COMPUTE || e->type != GT_REAL) break;
        if (e->tensor->reducer == GR_SUM) result = log_of_sum_node(domain, e);
        if (e->tensor->reducer == GR_NONE) result = log_of_plain_node(domain, e);
        break;
    default: break;
    }
    domain->depth--;
    return result;
}

typedef struct Stabilise {
    const GNode *node; /* the one at hand: rewrite.h */
} Stabilise;

static const GExpr *visit(void *context, Graph *g, const GExpr *e) {
    const Stabilise *s = context;
    if (e->op != G_LOG) return e;
    LogDomain domain = {.g = g};
    const GExpr *form = log_form(&domain, e->args[0]);
    if (!form || !domain.has_exp) return e;
    const char *text = domain.split ? "the log of n / (n + r) is computed as -softplus(log r - log n), the logs as shifted log-sum-exps"
                                    : "the log of exps is computed as a shifted log-sum-exp";
    array_push(g->arena, &g->notes, ((GNote){s->node->span, text}));
    return form;
}

/* Old nodes stay: names of the method may still stand for them. What nothing uses goes with simplify. */
void pass_stabilise(Graph *g) {
    Stabilise s = {NULL};
    rewrite_nodes(g, visit, &s, false);
}
