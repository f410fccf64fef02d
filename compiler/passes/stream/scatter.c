/* Arrays of pairs that a few chosen places of each row make: what these places send back (the
 * gradient of s[i, near[i, r]]), and which pairs are among them. They have r entries in a row:
 *
 *     S[i, j] = sum over r of v[i, r]  where near[i, r] == j
 *     M[i, j] = any over r of (near[i, r] == j and c(i, r, j))
 *
 * Stored, they are as large as the product itself. Put into the users of pairs, each takes r
 * comparisons for an element of the tile. v, and the truth of c, are arrays of their own, in which
 * j is near[i, r]. If S only ends in sums, passes/zeros has taken it out before. */
#include "compiler/graph/key.h"
#include "compiler/passes/stream/internal.h"

#include <string.h>

enum { MOST_PLACES = 16 /* the most places of a row */ };

typedef struct Pick {
    /* The indices of the pair. The places belong to `own`, and are values of `other`. */
    const GExpr *own;
    const GExpr *other;
    const GExpr *key; /* the key, as a function of own and r */
    /* The condition that is asked before the key is read. NULL: none. */
    const GExpr *ahead;
    const GExpr *holds; /* the remaining condition */
} Pick;

/* Returns the key that a condition compares the index `other` with. NULL: the condition is no such
 * comparison, or the key does not depend on the place. */
static const GExpr *key_in(Graph *g, const GExpr *e, const GExpr *other, const GExpr *place) {
    if (e->op != G_EQ || e->args[0]->type != GT_INT) return NULL;
    for (int side = 0; side < 2; side++)
        if (e->args[side] == other && !stream_reads_index(g, e->args[1 - side], other) &&
            stream_reads_index(g, e->args[1 - side], place))
            return e->args[1 - side];
    return NULL;
}

/* Takes the conditions apart, with out[other] as the index that is compared with the key. Returns
 * false if none of them has a key, or if the terms of a sum depend on that index. */
static bool pick_along(Graph *g, const ComputeSpec *spec, const Conjuncts *c, int other, Pick *p) {
    *p = (Pick){.own = spec->out[1 - other], .other = spec->out[other]};
    for (int i = 0; i < c->count; i++) {
        const GExpr *key = p->key ? NULL : key_in(g, c->items[i], p->other, spec->red[0]);
        if (key)
            p->key = key;
        else if (!p->key && !stream_reads_index(g, c->items[i], p->other))
            p->ahead = gx_and(g, p->ahead, c->items[i]);
        else
            p->holds = gx_and(g, p->holds, c->items[i]);
    }
    return p->key && !(spec->reducer == GR_SUM && stream_reads_index(g, spec->value, p->other));
}

static bool pick_sum(Graph *g, const ComputeSpec *spec, Pick *p) {
    Conjuncts c = {.count = 0};
    bool sum = spec->reducer == GR_SUM && spec->value->type == GT_REAL;
    bool any = spec->reducer == GR_ANY;
    if ((!sum && !any) || spec->empty_is_error || spec->out_rank != 2 || spec->red_rank != 1 ||
        spec->active)
        return false;
    if (graph_index_extent(g, spec->red[0]) > MOST_PLACES || !guard_list(spec->guard, &c) ||
        (any && !guard_list(spec->value, &c)))
        return false;
    return pick_along(g, spec, &c, 1, p) || pick_along(g, spec, &c, 0, p);
}

bool stream_is_scatter(Graph *g, const GNode *node) {
    ComputeSpec spec;
    Pick p;
    if (node->kind != GN_COMPUTE || (node->reducer != GR_SUM && node->reducer != GR_ANY))
        return false;
    graph_open(g, node, &spec);
    return pick_sum(g, &spec, &p);
}

static GNode *of_places(Graph *g, const ComputeSpec *spec, const Pick *p, const GExpr *value) {
    const GExpr *from[2] = {p->own, spec->red[0]};
    ComputeSpec made = {.out_rank = 2, .span = spec->span};
    for (int i = 0; i < 2; i++)
        made.out[i] = graph_fresh_index(g, graph_index_extent(g, from[i]));
    made.value = stream_ungather_all(g, gx_substitute(g, value, 2, from, made.out));
    return graph_compute(g, &made);
}

/* Returns the remaining condition at the place itself. */
static const GExpr *rest_at_place(Graph *g, const Pick *p) {
    const GExpr *holds = p->holds ? gx_substitute(g, p->holds, 1, &p->other, &p->key) : NULL;
    return gx_and(g, p->ahead,
                  gx_and(g, gx_inside(g, p->key, graph_index_extent(g, p->other)), holds));
}

/* Makes the array of places, which are -1 where the remaining condition does not hold. */
static GNode *valid_places(Graph *g, const ComputeSpec *spec, const Pick *p) {
    const GExpr *holds = rest_at_place(g, p);
    return of_places(g, spec, p, holds ? gx_select(g, holds, p->key, gx_int(g, -1)) : p->key);
}

static GNode *amounts(Graph *g, const ComputeSpec *spec, const Pick *p) {
    const GExpr *holds = rest_at_place(g, p);
    return of_places(g, spec, p,
                     holds ? gx_select(g, holds, spec->value, gx_real(g, 0)) : spec->value);
}

bool stream_scatter(Graph *g, ComputeSpec *spec) {
    Pick p;
    if (!pick_sum(g, spec, &p)) return false;
    bool sum = spec->reducer == GR_SUM;
    int64_t places = graph_index_extent(g, spec->red[0]);
    GNode *amount = sum ? amounts(g, spec, &p) : NULL;
    GNode *place = valid_places(g, spec, &p);
    const GExpr *all = sum ? gx_real(g, 0) : gx_bool(g, false);
    for (int64_t r = 0; r < places; r++) {
        const GExpr *at[2] = {p.own, gx_int(g, r)};
        const GExpr *here = gx2(g, G_EQ, gx_load(g, place, 2, at, NULL), p.other);
        all = sum ? gx2(g, G_ADD, all,
                        gx_select(g, here, gx_load(g, amount, 2, at, NULL), gx_real(g, 0)))
                  : gx2(g, G_OR, all, here);
    }
    spec->value = all;
    spec->guard = NULL;
    spec->reducer = GR_NONE;
    spec->red_rank = 0;
    return true;
}
