/* A sum of what few chosen places hold becomes a sum over those places alone. With w[i, r] =
 * amount[i, r] * c(i, key(i, r)),
 *
 *     sum over x of c(i, x) * S[i, x] * V[x, d]
 *         = sum over r of w[i, r] * V[key(i, r), d]
 *
 *     sum over i of c(i, x) * S[i, x] * V[i, d]
 *         = sum over i, r where key(i, r) == x of w[i, r] * V[i, d]
 *
 * Each takes N R D steps in place of N N D. The second one is a reduction by key
 * (compiler/plan/bucket.h). */
#include "compiler/passes/factors.h"
#include "compiler/passes/zeros/internal.h"

#include <string.h>

enum { MOST_FACTORS = 24 };

typedef struct Gather {
    Graph *g;
    const GExpr *own[GRAPH_MAX_RANK + 1]; /* the indices of the amount: its own indices, then r */
    int own_count;
    /* `inside` says that the key is a place of the row; NULL: it always is. */
    const GExpr *x;
    const GExpr *key;
    const GExpr *inside;
    /* The factors that depend on own indices and the place alone are `taken`. */
    Factors of;
} Gather;

static bool is_weight(const void *context, Graph *g, const GExpr *e) {
    const Gather *a = context;
    const GExpr *found[GRAPH_MAX_FREE];
    int count = gx_free_indices(g, e, found);
    for (int i = 0; i < count; i++) {
        bool known = found[i] == a->x;
        for (int k = 0; k < a->own_count; k++)
            known |= found[i] == a->own[k];
        if (!known) return false;
    }
    return true;
}

static const GExpr *at_key(Gather *a, const GExpr *e) {
    return e ? gx_substitute(a->g, e, 1, &a->x, &a->key) : NULL;
}

/* Returns w[own.., r] as an array of its own, so that its expensive parts are computed once for
 * each place. */
static const GExpr *weights(Gather *a, GNode *amount, Span span) {
    Graph *g = a->g;
    const GExpr *read = gx_load(g, amount, a->own_count, a->own, NULL);
    if (!a->of.taken) return read;
    ComputeSpec w = {.out_rank = a->own_count, .span = span};
    const GExpr *value = gx2(g, G_MUL, read, at_key(a, a->of.taken));
    if (a->inside) {
        value = gx_select(g, a->inside, value, gx_real(g, 0));
    }
    for (int i = 0; i < a->own_count; i++)
        w.out[i] = graph_fresh_index(g, graph_index_extent(g, a->own[i]));
    w.value = gx_substitute(g, value, a->own_count, a->own, w.out);
    return gx_load(g, graph_compute(g, &w), a->own_count, a->own, NULL);
}

GNode *gather_term(Graph *g, const ComputeSpec *sum, const Term *term) {
    const Scatter *s = term->scatter;
    Gather a = {.g = g, .x = term->at[s->axis]};
    ComputeSpec spec = *sum;
    const GExpr *from[GRAPH_MAX_RANK + 1];
    const GExpr *place = graph_fresh_index(g, graph_index_extent(g, s->place));
    for (int i = 0; i < s->node->rank; i++) {
        if (i == s->axis) continue;
        from[a.own_count] = s->out[i];
        a.own[a.own_count++] = term->at[i];
    }
    from[a.own_count] = s->place;
    a.own[a.own_count++] = place;
    a.key = gx_substitute(g, s->key, a.own_count, from, a.own);
    a.inside = gx_inside(g, a.key, graph_index_extent(g, a.x));
    if (term->coefficient) {
        factors_split(g, term->coefficient, is_weight, &a, &a.of);
    }
    const GExpr *weight = weights(&a, s->amount, sum->span);
    int at = 0;
    while (at < spec.red_rank && spec.red[at] != a.x)
        at++;
    bool reduced = at < spec.red_rank;
    if (reduced)
        spec.red[at] = place;
    else
        spec.red[spec.red_rank++] = place;
    spec.guard = gx_and(g, spec.guard, a.inside);
    if (reduced)
        spec.guard = at_key(&a, spec.guard);
    else
        spec.guard = gx_and(g, spec.guard, gx2(g, G_EQ, a.key, a.x));
    const GExpr *rest = reduced ? at_key(&a, a.of.rest) : a.of.rest;
    spec.value = rest ? gx2(g, G_MUL, weight, rest) : weight;
    return graph_compute(g, &spec);
}
