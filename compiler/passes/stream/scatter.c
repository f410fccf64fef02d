/* What few chosen places of a row send back (the gradient of s[i, near[i, r]]) is an array of pairs with r entries in a row:
 *
 *     S[i, j] = sum over r of v[i, r]  where near[i, r] == j
 *
 * Stored, it is as large as the product itself. Put into the users of pairs, it is r comparisons for an element of the tile, and v is an array of
 * its own. */
#include "compiler/passes/stream/internal.h"

#include <string.h>

enum { MOST_PLACES = 16 /* of a row */, MOST_CONJUNCTS = 16 };

typedef struct Conjuncts {
    const GExpr *items[MOST_CONJUNCTS];
    int count;
} Conjuncts;

static bool conjuncts(const GExpr *e, Conjuncts *c) {
    if (e->op == G_AND) return conjuncts(e->args[0], c) && conjuncts(e->args[1], c);
    if (c->count == MOST_CONJUNCTS) return false;
    c->items[c->count++] = e;
    return true;
}

/* v[own, r], 0 where a part of the guard fails that does not speak of the other index; *places is the rest of the guard. */
static GNode *amounts(Graph *g, const ComputeSpec *spec, const GExpr *own, const GExpr *other, const GExpr **places) {
    ComputeSpec amount;
    Conjuncts c = {.count = 0};
    const GExpr *holds = NULL;
    if (!conjuncts(spec->guard, &c)) return NULL;
    for (int i = 0; i < c.count; i++) {
        bool places_it = reads_index(g, c.items[i], other);
        if (places_it) *places = gx_and(g, *places, c.items[i]);
        else holds = gx_and(g, holds, c.items[i]);
    }
    if (!*places) return NULL;
    memset(&amount, 0, sizeof amount);
    amount.out_rank = 2;
    amount.out[0] = graph_fresh_index(g, graph_index_extent(g, own));
    amount.out[1] = graph_fresh_index(g, graph_index_extent(g, spec->red[0]));
    const GExpr *from[2] = {own, spec->red[0]}, *value = holds ? gx_select(g, holds, spec->value, gx_real(g, 0)) : spec->value;
    amount.value = gx_substitute(g, value, 2, from, amount.out);
    amount.span = spec->span;
    return graph_compute(g, &amount);
}

bool stream_scatter(Graph *g, ComputeSpec *spec) {
    if (spec->reducer != GR_SUM || spec->out_rank != 2 || spec->red_rank != 1 || !spec->guard || spec->active || spec->value->type != GT_REAL) return false;
    int64_t places = graph_index_extent(g, spec->red[0]);
    bool of_row = !reads_index(g, spec->value, spec->out[1]);
    if (places > MOST_PLACES || (!of_row && reads_index(g, spec->value, spec->out[0]))) return false;
    const GExpr *own = spec->out[of_row ? 0 : 1], *other = spec->out[of_row ? 1 : 0], *place = NULL;
    GNode *amount = amounts(g, spec, own, other, &place);
    if (!amount) return false;
    const GExpr *sum = gx_real(g, 0);
    for (int64_t r = 0; r < places; r++) {
        const GExpr *at[2] = {own, gx_int(g, r)};
        const GExpr *here = gx_substitute(g, place, 1, spec->red, &at[1]);
        sum = gx2(g, G_ADD, sum, gx_select(g, here, gx_load(g, amount, 2, at, NULL), gx_real(g, 0)));
    }
    spec->value = sum;
    spec->guard = NULL;
    spec->reducer = GR_NONE;
    spec->red_rank = 0;
    return true;
}
