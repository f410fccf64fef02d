/* Common subexpressions of the sinks of a sweep. Two formulas over a tile are alike if one becomes
 * the other when its node's indices take the place of the other's: the row of the tile for the row,
 * the column for the column.
 *
 * A costly part (an exponential, a hyperbolic tangent) that several sinks use is made once, into a
 * tile of its own, a map, where all others read it. Weights that are alike are evaluated once for
 * all their sums. The two gradients of a similarity have the same weights, for instance. */
#include "compiler/graph/affine.h"
#include "compiler/graph/visit.h"
#include "compiler/graph/walk.h"
#include "compiler/plan/sweep.h"

enum {
    /* The most steps of one comparison in which operands are tried in both orders. A longer
     * comparison says "unlike". */
    MOST_COMPARED = 4096
};

/* ---- alike ----------------------------------------------------------------------------------- */

typedef struct Comparison {
    const Sweep *sweep;
    SweepView a;
    SweepView b;
    int left;
    /* By part of the first formula: the part of the second that was found to be like it. */
    ExprMap alike;
} Comparison;

enum {
    OF_NEITHER,
    OF_ROW,
    OF_COLUMN,
};

static int index_side(const SweepView *v, const GExpr *index) {
    if (index->index == v->sink->pair.own) return v->columns ? OF_COLUMN : OF_ROW;
    if (index->index == v->sink->pair.other) return v->columns ? OF_ROW : OF_COLUMN;
    return OF_NEITHER;
}

static bool is_symmetric(const Sweep *s, const GNode *product) {
    for (int i = 0; i < s->source_count; i++)
        if (s->sources[i].node == product) return s->sources[i].symmetric;
    return false;
}

static bool commutes(GOp op) {
    return op == G_ADD || op == G_MUL || op == G_EQ || op == G_NE || op == G_AND || op == G_OR;
}

static bool same(Comparison *c, const GExpr *a, const GExpr *b);

static bool same_operands(Comparison *c, const GExpr *a, const GExpr *b) {
    bool straight = true;
    for (int i = 0; straight && i < a->arg_count; i++)
        straight = same(c, a->args[i], b->args[i]);
    if (straight || !commutes(a->op)) return straight;
    return same(c, a->args[0], b->args[1]) && same(c, a->args[1], b->args[0]);
}

static bool same(Comparison *c, const GExpr *a, const GExpr *b) {
    if (a->op != b->op || a->type != b->type || a->arg_count != b->arg_count ||
        a->tensor != b->tensor || --c->left < 0)
        return false;
    if (a->op == G_INDEX)
        return index_side(&c->a, a) == index_side(&c->b, b) &&
               (index_side(&c->a, a) != OF_NEITHER || a == b);
    if (a->op == G_CONST) return a == b;
    if (a->op == G_LOAD && a->tensor->streamed && is_symmetric(c->sweep, a->tensor)) return true;
    const ExprValue *known = expr_map_find(&c->alike, a);
    if (known && known->pointer == b) return true;
    if (!same_operands(c, a, b)) return false;
    expr_map_set(&c->alike, a, (ExprValue){.pointer = b});
    return true;
}

static bool is_same_part(const Sweep *s, SweepView v, const GExpr *a, SweepView w, const GExpr *b) {
    Comparison c = {.sweep = s, .a = v, .b = w, .left = MOST_COMPARED};
    expr_map_open(&c.alike);
    bool is = same(&c, a, b);
    expr_map_close(&c.alike);
    return is;
}

bool sweep_same_weights(const Sweep *s, SweepView a, SweepView b) {
    return a.sink->payload && b.sink->payload &&
           is_same_part(s, a, a.sink->pair.weight, b, b.sink->pair.weight);
}

/* ---- costly parts ---------------------------------------------------------------------------- */

typedef struct Views {
    SweepView items[2 * MOST_SINKS];
    int count;
} Views;

typedef struct Walk {
    Graph *g;
    Sweep *s;
    SweepView view;
    const Views *views;
} Walk;

static bool costs_much(const void *context, const GExpr *e) {
    (void)context;
    return gx_price(e->op) >= GX_COSTLY;
}

/* True if the part must not be computed for every element of a tile. A map is computed where a
 * guard fails, too. So each of its reads must be inside everywhere, and a map makes no real an
 * int. */
static bool is_unsafe(const void *context, const GExpr *e) {
    const Walk *w = context;
    if (e->op == G_RANDOM || e->op == G_TO_INT) return true;
    if (e->op != G_LOAD || e->has_else || e->tensor->streamed) return false;
    return !load_is_inside(w->g, w->view.sink->pair.node, e);
}

typedef struct Sought {
    const Walk *walk;
    SweepView view;
    const GExpr *part;
} Sought;

static bool is_sought(const void *context, const GExpr *e) {
    const Sought *s = context;
    return is_same_part(s->walk->s, s->walk->view, e, s->view, s->part);
}

static bool contains(const Walk *w, const GExpr *e, SweepView view, const GExpr *part) {
    Sought sought = {w, view, part};
    return expr_any(e, is_sought, &sought);
}

/* ---- who evaluates what ---------------------------------------------------------------------- */

/* Returns each view whose formulas are evaluated in a tile, once for views of equal weights. */
static Views views_of(const Sweep *s) {
    Views views = {.count = 0};
    for (int i = 0; i < s->sink_count; i++) {
        for (int columns = 0; columns < 2; columns++) {
            SweepView view = {&s->sinks[i], columns};
            bool known =
                columns ? !sweep_feeds_columns(s, view.sink) : !sweep_feeds_rows(s, view.sink);
            for (int k = 0; !known && k < views.count; k++)
                known = sweep_same_weights(s, views.items[k], view);
            if (!known) views.items[views.count++] = view;
        }
    }
    return views;
}

/* True if the formulas of another view contain the part, too. */
static bool is_asked_elsewhere(Graph *g, Sweep *s, const Views *views, SweepView view,
                               const GExpr *part) {
    for (int i = 0; i < views->count; i++) {
        const SweepView other = views->items[i];
        if (other.sink == view.sink && other.columns == view.columns) continue;
        const Walk w = {g, s, other, views};
        const GNode *n = other.sink->pair.node;
        if (other.sink->payload
                ? contains(&w, other.sink->pair.weight, view, part)
                : contains(&w, n->value, view, part) || contains(&w, n->guard, view, part))
            return true;
    }
    return false;
}

/* True if the view evaluates its terms twice, as a log-sum-exp of columns does. */
static bool is_asked_twice(SweepView view) {
    return view.columns && node_sums_exponentials(view.sink->pair.node);
}

static VisitStep find_map(void *context, const GExpr *e) {
    Walk *w = context;
    const Views *views = w->views;
    if (e->arg_count == 0 || !expr_any(e, costs_much, NULL) || sweep_map_of(w->s, w->view, e) >= 0)
        return VISIT_PAST;
    bool fits = e->type == GT_REAL && e->op != G_LOAD && w->s->map_count < MOST_MAPS &&
                !expr_any(e, is_unsafe, w);
    if (fits && (is_asked_twice(w->view) || is_asked_elsewhere(w->g, w->s, views, w->view, e))) {
        w->s->maps[w->s->map_count++] = (SweepMap){w->view, e};
        return VISIT_PAST;
    }
    return VISIT_INSIDE;
}

int sweep_map_of(const Sweep *s, SweepView view, const GExpr *e) {
    for (int i = 0; i < s->map_count; i++)
        if (is_same_part(s, s->maps[i].view, s->maps[i].expr, view, e)) return i;
    return -1;
}

void sweep_share(Graph *g, Sweep *s) {
    const Views views = views_of(s);
    for (int i = 0; i < views.count; i++) {
        Walk w = {g, s, views.items[i], &views};
        const GNode *n = w.view.sink->pair.node;
        ExprMap met;
        expr_map_open(&met);
        expr_visit_rest(&met, w.view.sink->payload ? w.view.sink->pair.weight : n->value, find_map,
                        &w);
        if (!w.view.sink->payload) {
            expr_visit_rest(&met, n->guard, find_map, &w);
        }
        expr_map_close(&met);
    }
}
