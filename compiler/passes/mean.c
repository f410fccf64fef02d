/* Recognises means, and writes a mean of products less the product of the means without the
 * difference.
 *
 * E[x y] - E[x] E[y] is E[(x - E[x]) (y - E[y])]. In float32 the squares of values near 1e4 are
 * rounded to 8, and values that lie 0.01 apart have a variance of 1e-4: nothing is left of the
 * difference. The distances from the means keep their digits, and the pass centre takes care of the
 * means. The rewrite runs ahead of the gradient, which therefore has the same form. */
#include "compiler/passes/mean.h"

#include "compiler/graph/visit.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { MOST_FACTORS = 8 };

static bool is_one(const GExpr *e) {
    if (e->op != G_CONST) return false;
    return e->type == GT_REAL ? e->real == 1 : e->type == GT_INT && e->integer == 1;
}

static bool is_sum(const GExpr *e) {
    return e->op == G_LOAD && !e->has_else && e->type == GT_REAL && e->tensor->kind == GN_COMPUTE &&
           e->tensor->reducer == GR_SUM && !e->tensor->streamed;
}

/* Returns the value behind reads, and behind the choice that puts NaN in place of a dividend or a
 * divisor that vanishes (lower/vanish.c). */
static const GExpr *unguarded(Logs *l, const GExpr *e) {
    const GExpr *v = log_value_behind(l, e);
    const GExpr *chosen = v->op == G_ROOT ? v->args[1] : v;
    if (chosen->op != G_SELECT || !log_is_nan(chosen->args[1])) return v;
    return log_value_behind(l, chosen->args[2]);
}

/* ---- places ---------------------------------------------------------------------------------- */

static bool is_at_plain_indices(const GExpr *load) {
    for (int i = 0; i < load->tensor->rank; i++) {
        if (load->args[i]->op != G_INDEX) return false;
        for (int k = 0; k < i; k++)
            if (load->args[k] == load->args[i]) return false;
    }
    return true;
}

static bool has_only(Graph *g, const GExpr *e, const GExpr *const *indices, int count) {
    const GExpr *free[GRAPH_MAX_FREE];
    const int free_count = gx_free_indices(g, e, free);
    for (int i = 0; i < free_count; i++) {
        bool is_there = false;
        for (int k = 0; k < count && !is_there; k++)
            is_there = indices[k] == free[i];
        if (!is_there) return false;
    }
    return true;
}

/* Returns `e`, which stands beside the load, at the results of the node that the load reads. NULL:
 * the load is not at plain indices, or `e` has other indices. */
static const GExpr *mean_at_results(Graph *g, const ComputeSpec *sum, const GExpr *load,
                                    const GExpr *e) {
    if (!is_at_plain_indices(load) || !has_only(g, e, load->args, sum->out_rank)) return NULL;
    return gx_substitute(g, e, sum->out_rank, load->args, sum->out);
}

/* ---- factors --------------------------------------------------------------------------------- */

typedef struct Factors {
    const GExpr *items[MOST_FACTORS];
    int count;
} Factors;

/* Collects the factors of a product, without those that are 1. Returns false if there are more than
 * fit. */
static bool add_factors(Logs *l, const GExpr *e, Factors *f) {
    const GExpr *v = log_value_behind(l, e);
    if (v->op == G_MUL) return add_factors(l, v->args[0], f) && add_factors(l, v->args[1], f);
    if (is_one(v)) return true;
    if (f->count == MOST_FACTORS) return false;
    f->items[f->count++] = v;
    return true;
}

static bool take_factor(Factors *f, const GExpr *e) {
    for (int i = 0; i < f->count; i++) {
        if (f->items[i] != e) continue;
        memmove(&f->items[i], &f->items[i + 1], sizeof f->items[0] * (size_t)(--f->count - i));
        return true;
    }
    return false;
}

/* Takes the factors of the product `of` out of `f`. Returns false if one of them is not in `f`. */
static bool take_factors(Factors *f, const Factors *of) {
    for (int i = 0; i < of->count; i++)
        if (!take_factor(f, of->items[i])) return false;
    return true;
}

static const GExpr *product_of_all(Graph *g, const Factors *f) {
    const GExpr *product = NULL;
    for (int i = 0; i < f->count; i++)
        product = product ? gx2(g, G_MUL, product, f->items[i]) : f->items[i];
    return product ? product : gx_real(g, 1);
}

/* ---- means ----------------------------------------------------------------------------------- */

static double terms_of(Graph *g, const ComputeSpec *sum) {
    double terms = 1;
    for (int i = 0; i < sum->red_rank; i++)
        terms *= (double)graph_index_extent(g, sum->red[i]);
    return terms;
}

/* True of a read of the sum of ones under the guard of the sum, at the results that the guard
 * depends on. */
static bool counts_under_guard(Graph *g, const ComputeSpec *sum, const GExpr *count) {
    if (count->op == G_TO_REAL) count = count->args[0];
    if (count->op != G_LOAD || count->has_else || count->tensor->kind != GN_COMPUTE) return false;
    const GNode *n = count->tensor;
    if (n->reducer != GR_SUM || !is_one(n->value) || n->active) return false;
    ComputeSpec ones = *sum;
    ones.name = NULL;
    ones.value = n->value;
    ones.empty_is_error = n->empty_is_error;
    ones.out_rank = 0;
    for (int i = 0; i < sum->out_rank; i++)
        if (expr_holds_any(sum->guard, 1, &sum->out[i])) ones.out[ones.out_rank++] = sum->out[i];
    if (graph_compute(g, &ones) != n) return false;
    for (int i = 0; i < n->rank; i++)
        if (count->args[i] != ones.out[i]) return false;
    return true;
}

/* Returns an expression over the indices of the sum `other`, whose results are read at `args`, as
 * an expression over the indices of `sum`, which has the same terms. */
static const GExpr *at_indices_of(Graph *g, const ComputeSpec *sum, const ComputeSpec *other,
                                  const GExpr *const *args, const GExpr *e) {
    if (!e) return NULL;
    e = gx_substitute(g, e, other->out_rank, other->out, args);
    return gx_substitute(g, e, other->red_rank, other->red, sum->red);
}

/* True if the other sum, where its results are read at `args`, has the same terms. */
static bool has_same_terms(Graph *g, const ComputeSpec *sum, const ComputeSpec *other,
                           const GExpr *const *args) {
    if (sum->red_rank != other->red_rank || other->active) return false;
    for (int i = 0; i < sum->red_rank; i++)
        if (graph_index_extent(g, sum->red[i]) != graph_index_extent(g, other->red[i]))
            return false;
    return at_indices_of(g, sum, other, args, other->guard) == sum->guard;
}

/* Returns the weight whose sum over the same terms the count is. NULL: the count is no such sum. */
static const GExpr *weight_of(Logs *l, const ComputeSpec *sum, const GExpr *count) {
    const GExpr *read = unguarded(l, count);
    if (!is_sum(read)) return NULL;
    const ComputeSpec *weights = logs_opened(l, read->tensor);
    if (!has_same_terms(l->g, sum, weights, read->args)) return NULL;
    return at_indices_of(l->g, sum, weights, read->args, weights->value);
}

static bool is_weighted_mean(Logs *l, Mean *m) {
    Factors all = {.count = 0};
    Factors weights = {.count = 0};
    const GExpr *weight = weight_of(l, m->sum, m->count);
    if (!weight || !add_factors(l, m->sum->value, &all) || !add_factors(l, weight, &weights))
        return false;
    if (!take_factors(&all, &weights)) return false;
    m->weight = weight;
    m->entry = product_of_all(l->g, &all);
    return all.count > 0;
}

bool mean_of(Logs *l, const GExpr *quotient, Mean *m) {
    Graph *g = l->g;
    if (quotient->op != G_DIV || quotient->type != GT_REAL) return false;
    const GExpr *load = unguarded(l, quotient->args[0]);
    const GExpr *count = quotient->args[1];
    if (!is_sum(load)) return false;
    *m = (Mean){.load = load, .sum = logs_opened(l, load->tensor)};
    m->entry = m->sum->value;
    m->count = count;
    if (count->op == G_CONST) return !m->sum->guard && count->real == terms_of(g, m->sum);
    m->count = mean_at_results(g, m->sum, load, count);
    if (!m->count || m->sum->active) return false;
    return (m->sum->guard && counts_under_guard(g, m->sum, m->count)) || is_weighted_mean(l, m);
}

/* ---- products -------------------------------------------------------------------------------- */

/* Returns entry - mean. If it does not depend on all indices of the sum, it is an array of its own,
 * so that a sum over products of all pairs stays a product of matrices. */
static const GExpr *away_from(Graph *g, const ComputeSpec *sum, const GExpr *entry,
                              const GExpr *mean) {
    const GExpr *free[GRAPH_MAX_FREE];
    ComputeSpec away;
    memset(&away, 0, sizeof away);
    away.value = gx2(g, G_SUB, entry, mean);
    away.span = sum->span;
    away.out_rank = gx_free_indices(g, away.value, free);
    if (away.out_rank == sum->out_rank + sum->red_rank || away.out_rank > GRAPH_MAX_RANK)
        return away.value;
    memcpy(away.out, free, sizeof *free * (size_t)away.out_rank);
    return gx_load(g, graph_compute(g, &away), away.out_rank, away.out, NULL);
}

/* A factor of the product of the means: a mean over the same terms as the mean of the products, at
 * the indices of the sum of the products. */
typedef struct Side {
    const GExpr *mean;
    const GExpr *entry;
    Factors factors;
} Side;

/* True if the value is a mean over the terms of the products, with the same weights. */
static bool is_over_same_terms(Logs *l, const Mean *products, const GExpr *e, Side *side) {
    Graph *g = l->g;
    Mean m;
    if (!mean_of(l, log_value_behind(l, e), &m)) return false;
    const GExpr *args[GRAPH_MAX_RANK];
    for (int i = 0; i < m.sum->out_rank; i++) {
        args[i] = mean_at_results(g, products->sum, products->load, m.load->args[i]);
        if (!args[i]) return false;
    }
    if (!has_same_terms(g, products->sum, m.sum, args)) return false;
    if (at_indices_of(g, products->sum, m.sum, args, m.weight) != products->weight) return false;
    side->mean = mean_at_results(g, products->sum, products->load, e);
    side->entry = at_indices_of(g, products->sum, m.sum, args, m.entry);
    side->factors.count = 0;
    return side->mean && add_factors(l, side->entry, &side->factors);
}

/* A weighted sum that underflows may have been 0 or not. Divided by a tiny sum of weights, the
 * difference would count, so the sum is NaN then. */
static const GExpr *unless_vanished(Graph *g, const GExpr *sum, const GExpr *weights) {
    static const double small_weights = 0x1p-60;
    const GExpr *has_small_weights =
        gx2(g, G_LT, gx1(g, G_ABS, weights), gx_real(g, small_weights));
    const GExpr *is_small = gx2(g, G_LT, gx1(g, G_ABS, sum), gx_real(g, FLT_MIN));
    const GExpr *value = gx_select(g, gx_and(g, has_small_weights, is_small), gx_real(g, NAN), sum);
    const GExpr *args[3] = {sum, value, gx_real(g, 1)};
    return gx_op(g, G_ROOT, 3, args);
}

const GExpr *mean_of_products_apart(Logs *l, const GExpr *a, const GExpr *b) {
    Graph *g = l->g;
    Mean products;
    Side sides[2];
    Factors factors = {.count = 0};
    const GExpr *means = log_value_behind(l, b);
    const GExpr *quotient = log_value_behind(l, a);
    if (means->op != G_MUL || !mean_of(l, quotient, &products)) return NULL;
    if (!add_factors(l, products.entry, &factors)) return NULL;
    for (int i = 0; i < 2; i++)
        if (!is_over_same_terms(l, &products, means->args[i], &sides[i]) ||
            !take_factors(&factors, &sides[i].factors))
            return NULL;
    if (factors.count) return NULL;
    ComputeSpec sum = *products.sum;
    const GExpr *x = away_from(g, &sum, sides[0].entry, sides[0].mean);
    const GExpr *y = away_from(g, &sum, sides[1].entry, sides[1].mean);
    const GExpr *product = gx2(g, G_MUL, x, y);
    sum.name = NULL;
    sum.value = products.weight ? gx2(g, G_MUL, products.weight, product) : product;
    const GExpr *load = products.load;
    const GExpr *count = quotient->args[1];
    const GExpr *apart = gx_load(g, graph_compute(g, &sum), load->tensor->rank, load->args, NULL);
    return gx2(g, G_DIV, products.weight ? unless_vanished(g, apart, count) : apart, count);
}
