/* simplify: STOP nodes vanish, since their work is done once differentiate has run; nodes that
 * became equal are shared, and dead nodes go. Every node is built anew in order, so the
 * constructors' folding applies to it again. Beyond that, for sums without a guard:
 *
 *   - Factors that no reduced index appears in are taken out of the sum. Sums that differ only by
 *     such factors are then one, as in the gradients of batch normalisation.
 *   - The sum of x - mean x over what the mean was taken over is 0.
 *
 * A guarded sum is left alone, since it may be empty: an infinite factor outside of an empty sum
 * would make 0 * inf of what was 0.
 *
 * A choice between 0 and something that is 0 there anyway is no choice; this holds in any
 * expression. */
#include "compiler/graph/affine.h"
#include "compiler/graph/guard.h"
#include "compiler/graph/visit.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <math.h>
#include <string.h>

enum { MAX_FACTORS = 24 };

typedef struct Factors {
    const GExpr *inside[MAX_FACTORS];
    const GExpr *outside[MAX_FACTORS];
    bool inside_divides[MAX_FACTORS];
    bool outside_divides[MAX_FACTORS];
    int inside_count;
    int outside_count;
    bool negative;
} Factors;

static bool add_factor(Factors *f, const GExpr *e, bool divides, bool outside) {
    int *count = outside ? &f->outside_count : &f->inside_count;
    if (*count == MAX_FACTORS) return false;
    (outside ? f->outside : f->inside)[*count] = e;
    (outside ? f->outside_divides : f->inside_divides)[(*count)++] = divides;
    return true;
}

/* Sorts the factors of a term by whether a reduced index appears in them. Returns false if there
 * are too many. */
static bool take_apart(Graph *g, const ComputeSpec *spec, const GExpr *e, bool divides,
                       Factors *f) {
    if (!expr_holds_any(e, spec->red_rank, spec->red)) return add_factor(f, e, divides, true);
    if (e->op == G_MUL || e->op == G_DIV)
        return take_apart(g, spec, e->args[0], divides, f) &&
               take_apart(g, spec, e->args[1], divides != (e->op == G_DIV), f);
    if (e->op == G_NEG) {
        f->negative = !f->negative;
        return take_apart(g, spec, e->args[0], divides, f);
    }
    if (e->op == G_ADD && e->args[0] == e->args[1])
        return add_factor(f, gx_real(g, 2), divides, true) &&
               take_apart(g, spec, e->args[0], divides, f);
    return add_factor(f, e, divides, false);
}

static const GExpr *product_of_factors(Graph *g, const GExpr *first, const GExpr *const *factors,
                                       const bool *divides, int count) {
    const GExpr *over = NULL;
    const GExpr *all = first;
    for (int i = 0; i < count; i++) {
        if (divides[i])
            over = over ? gx2(g, G_MUL, over, factors[i]) : factors[i];
        else
            all = all ? gx2(g, G_MUL, all, factors[i]) : factors[i];
    }
    if (!all) all = gx_real(g, 1);
    return over ? gx2(g, G_DIV, all, over) : all;
}

/* Multiplies the factors in the order in which they were met. So the intermediate products are
 * those that the sum would have, and overflow no sooner. */
static const GExpr *in_order(Graph *g, const GExpr *first, const GExpr *const *factors,
                             const bool *divides, int count) {
    const GExpr *all = first;
    for (int i = 0; i < count; i++)
        all = gx2(g, divides[i] ? G_DIV : G_MUL, all, factors[i]);
    return all;
}

/* ---- sum of x - mean x ----------------------------------------------------------------------- */

/* True if `mean` reads the mean of `term` over the reduced indices of the sum. */
static bool is_mean_of(Graph *g, const ComputeSpec *spec, const GExpr *mean, const GExpr *term) {
    if (mean->op != G_LOAD || mean->has_else || mean->tensor->rank != spec->out_rank) return false;
    for (int i = 0; i < spec->out_rank; i++)
        if (mean->args[i] != spec->out[i]) return false;
    ComputeSpec sum = *spec;
    sum.value = term;
    sum.guard = sum.active = NULL;
    GNode *total = graph_compute(g, &sum);
    double count = 1;
    for (int i = 0; i < spec->red_rank; i++)
        count *= (double)graph_index_extent(g, spec->red[i]);
    ComputeSpec quotient;
    memset(&quotient, 0, sizeof quotient);
    quotient.out_rank = spec->out_rank;
    const GExpr *indices[GRAPH_MAX_RANK];
    for (int i = 0; i < spec->out_rank; i++)
        indices[i] = quotient.out[i] = graph_fresh_index(g, graph_index_extent(g, spec->out[i]));
    quotient.value =
        gx2(g, G_DIV, gx_load(g, total, spec->out_rank, indices, NULL), gx_real(g, count));
    quotient.span = spec->span;
    return graph_compute(g, &quotient) == mean->tensor;
}

static bool sums_to_zero(Graph *g, const ComputeSpec *spec, const Factors *f) {
    if (f->inside_count != 1 || f->inside_divides[0]) return false;
    const GExpr *e = f->inside[0];
    return e->op == G_SUB && is_mean_of(g, spec, e->args[1], e->args[0]);
}

/* ---- one sum --------------------------------------------------------------------------------- */

/* Takes factors out of a sum, or replaces a sum of distances from the mean by 0. */
static GNode *hoist(Graph *g, GNode *node) {
    if (!node_is_real_sum(node) || !node_is_unconditional(node)) return node;
    if (node->value->type != GT_REAL) return node;
    ComputeSpec spec;
    Factors f;
    memset(&f, 0, sizeof f);
    graph_open(g, node, &spec);
    if (!take_apart(g, &spec, spec.value, false, &f)) return node;
    bool zero = sums_to_zero(g, &spec, &f);
    if (!zero && f.inside_count == 0) return node; /* the sum of a constant is left as it stands */
    if (!zero && f.outside_count == 0 && !f.negative) return node;
    ComputeSpec inner = spec;
    ComputeSpec outer;
    memset(&outer, 0, sizeof outer);
    outer.out_rank = spec.out_rank;
    for (int i = 0; i < spec.out_rank; i++)
        outer.out[i] = graph_fresh_index(g, graph_index_extent(g, spec.out[i]));
    outer.name = spec.name;
    outer.span = spec.span;
    if (zero) {
        outer.value = gx_real(g, 0);
        return graph_compute(g, &outer);
    }
    inner.value = product_of_factors(g, NULL, f.inside, f.inside_divides, f.inside_count);
    const GExpr *sum = gx_load(g, graph_compute(g, &inner), spec.out_rank, outer.out, NULL);
    const GExpr *factors[MAX_FACTORS];
    for (int i = 0; i < f.outside_count; i++)
        factors[i] = gx_substitute(g, f.outside[i], spec.out_rank, spec.out, outer.out);
    outer.value = in_order(g, f.negative ? gx1(g, G_NEG, sum) : sum, factors, f.outside_divides,
                           f.outside_count);
    return graph_compute(g, &outer);
}

/* ---- choices that choose nothing ------------------------------------------------------------- */

static bool is_finite_number(const GExpr *e) {
    return e->op == G_CONST && e->type == GT_REAL && isfinite(e->real);
}

/* True if the value is the weight times a finite number, and so is 0 wherever the weight is 0. */
static bool is_multiple_of(const GExpr *weight, const GExpr *e) {
    while (e != weight) {
        const int factor = e->op != G_MUL                 ? -1
                           : is_finite_number(e->args[0]) ? 1
                           : is_finite_number(e->args[1]) ? 0
                                                          : -1;
        if (e->op != G_NEG && factor < 0) return false;
        e = e->args[e->op == G_NEG ? 0 : factor];
    }
    return true;
}

/* True if the condition holds only where some weight is 0, of which `multiple` is a multiple. */
static bool is_zero_where(void *multiple, const GExpr *condition) {
    if (condition->op != G_EQ) return false;
    const GExpr *a = condition->args[0];
    const GExpr *b = condition->args[1];
    if (is_finite_number(a) && a->real == 0) return is_multiple_of(b, multiple);
    return is_finite_number(b) && b->real == 0 && is_multiple_of(a, multiple);
}

/* Drops a choice between 0 and a value that is 0 there anyway. The slope of a weighed log by the
 * log is such a choice (weigh.c), and without it the gradient does not wait for the log, which may
 * be a sum over all pairs. A G_ROOT gives way to its value, since its slope is needed no more once
 * the gradient is taken. */
static const GExpr *unweighed(void *context, Graph *g, const GExpr *e) {
    (void)context, (void)g;
    if (e->op == G_ROOT) return e->args[1];
    if (e->op != G_SELECT || !is_finite_number(e->args[1]) || e->args[1]->real != 0) return e;
    const bool is_multiple = guard_any(e->args[0], is_zero_where, (void *)(uintptr_t)e->args[2]);
    return is_multiple ? e->args[2] : e;
}

void pass_simplify(Graph *g) {
    graph_prune(g);
    rewrite_nodes(g, unweighed, NULL, true);
    graph_prune(g);
    rewrite_each(g, hoist);
    graph_prune(g);
}
