/* Decides whether a reduction goes along its terms or across its results. If the last axis of the
 * result is also the last axis of the arrays that are read, neighbouring results lie side by side
 * in memory. Then a whole row of results is summed at once, and every access walks memory.
 *
 * This file also counts the terms of a sum. By their number, back ends choose how to add, so that
 * the error stays within 1e-6 of the sum of magnitudes. */
#include "compiler/graph/walk.h"

#include "compiler/graph/affine.h"
#include "compiler/graph/visit.h"

enum {
    FEWEST_COLUMNS = 4,
    WIDEST_STENCIL = 64,
};

static bool is_reduced_index(const void *context, const GExpr *e) {
    const GNode *n = context;
    return e->op == G_INDEX && e->index >= n->rank;
}

typedef struct Reads {
    const GNode *node;
    int columns;
    int rows;
} Reads;

/* True if a few terms are the result's neighbours in memory, x[.., j + u]. Results then lie side by
 * side as well as terms. */
static bool is_stencil(const GNode *n, const GExpr *last) {
    Affine at;
    return node_reduced_terms(n) <= WIDEST_STENCIL && affine_of(last, &at) &&
           at.factor[n->rank - 1] == 1;
}

/* Counts the reads whose last subscript is the last axis of the results, and the reads whose last
 * subscript moves with a reduced index. A read that is the same for all terms counts as neither. */
static VisitStep count_read(void *context, const GExpr *e) {
    Reads *r = context;
    if (e->op != G_LOAD || e->tensor->rank == 0) return VISIT_INSIDE;
    const GExpr *last = e->args[e->tensor->rank - 1];
    if ((last->op == G_INDEX && last->index == r->node->rank - 1) || is_stencil(r->node, last))
        r->columns += expr_any(e, is_reduced_index, r->node);
    else if (expr_any(last, is_reduced_index, r->node))
        r->rows++;
    return VISIT_INSIDE;
}

/* True of a sum or an extremum of reals that does not count its terms. */
static bool folds_reals(const GNode *n) {
    const bool folds =
        node_reduces(n, GR_SUM) || node_reduces(n, GR_MAX) || node_reduces(n, GR_MIN);
    const bool is_counted = n->empty_is_error && n->guard;
    return folds && n->type == GT_REAL && n->value->type == GT_REAL && !is_counted;
}

bool node_sums_columns(const GNode *n) {
    if (!folds_reals(n) || n->active) return false;
    if (n->rank == 0 || n->red_rank == 0 || n->shape[n->rank - 1] < FEWEST_COLUMNS) return false;
    Reads reads = {.node = n};
    expr_visit(n->value, count_read, &reads);
    return reads.columns > 0 && reads.columns >= reads.rows;
}

int64_t node_reduced_terms(const GNode *n) {
    int64_t terms = 1;
    for (int i = 0; i < n->red_rank; i++)
        terms *= n->red_shape[i];
    return terms;
}

/* The most terms in one chain of float additions. With this many equal terms, the worst case, the
 * error is at most 1e-6 of the sum of magnitudes. */
enum { FEW_TERMS = 64 };

bool node_sums_exponentials(const GNode *n) {
    return n->reducer == GR_LSE || n->reducer == GR_LSE_REST;
}

bool node_sums_many(const GNode *n) {
    const bool adds = n->reducer == GR_SUM || node_sums_exponentials(n);
    return adds && n->value->type == GT_REAL && node_reduced_terms(n) > FEW_TERMS;
}
