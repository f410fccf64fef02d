/* What the sinks of a sweep compute alike. Two formulas over a tile are alike when one is the other with its node's indices put in the place of the other's: the row of the
 * tile for the row, the column for the column.
 *
 * A costly part (an exponential, a hyperbolic tangent) that is asked for more than once is made once, into a tile of its own, a map; all others read it there. Weights that
 * are alike are evaluated once for all their sums: the two gradients of a similarity have the same. */
#include "compiler/graph/affine.h"
#include "compiler/plan/sweep.h"

enum { MOST_COMPARED = 4096 /* expressions in one comparison, which are trees here: what is larger counts as unlike */ };

/* ---- alike ----------------------------------------------------------------------------------------------------- */

typedef struct Comparison {
    const Sweep *sweep;
    SweepView a, b;
    int left;
} Comparison;

enum { OF_NEITHER, OF_ROW, OF_COLUMN };

static int side_of(const SweepView *v, const GExpr *index) {
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

static bool same(Comparison *c, const GExpr *a, const GExpr *b) {
    if (a->op != b->op || a->type != b->type || a->arg_count != b->arg_count || a->tensor != b->tensor || --c->left < 0) return false;
    if (a->op == G_INDEX) return side_of(&c->a, a) == side_of(&c->b, b) && (side_of(&c->a, a) != OF_NEITHER || a == b);
    if (a->op == G_CONST) return a == b;
    if (a->op == G_LOAD && a->tensor->streamed && is_symmetric(c->sweep, a->tensor)) return true;
    bool straight = true;
    for (int i = 0; straight && i < a->arg_count; i++) straight = same(c, a->args[i], b->args[i]);
    if (straight || !commutes(a->op)) return straight;
    return same(c, a->args[0], b->args[1]) && same(c, a->args[1], b->args[0]);
}

static bool is_same(const Sweep *s, SweepView v, const GExpr *a, SweepView w, const GExpr *b) {
    Comparison c = {s, v, w, MOST_COMPARED};
    return same(&c, a, b);
}

bool sweep_same_weights(const Sweep *s, SweepView a, SweepView b) {
    return a.sink->payload && b.sink->payload && is_same(s, a, a.sink->pair.weight, b, b.sink->pair.weight);
}

/* ---- costly parts ------------------------------------------------------------------------------------------------- */

typedef struct Walk {
    Graph *g;
    Sweep *s;
    SweepView view;
    ARRAY(const GExpr *) seen;
} Walk;

static bool visit(Walk *w, const GExpr *e) {
    for (int i = 0; i < w->seen.count; i++)
        if (w->seen.items[i] == e) return false;
    array_push(w->g->arena, &w->seen, e);
    return true;
}

static bool holds_costly(Walk *w, const GExpr *e) {
    if (gx_price(e->op) >= GX_COSTLY) return true;
    if (!visit(w, e)) return false;
    for (int i = 0; i < e->arg_count; i++)
        if (holds_costly(w, e->args[i])) return true;
    return false;
}

/* A map is made for every element, also where a guard fails: its reads have to be inside everywhere. */
static bool is_safe(Walk *w, const GExpr *e) {
    if (!visit(w, e)) return true;
    if (e->op == G_RANDOM || (e->op == G_LOAD && !e->has_else && !e->tensor->streamed && !load_is_inside(w->g, w->view.sink->pair.node, e))) return false;
    for (int i = 0; i < e->arg_count; i++)
        if (!is_safe(w, e->args[i])) return false;
    return true;
}

static bool contains(Walk *w, const GExpr *e, SweepView view, const GExpr *part) {
    if (!e || !visit(w, e)) return false;
    if (is_same(w->s, w->view, e, view, part)) return true;
    for (int i = 0; i < e->arg_count; i++)
        if (contains(w, e->args[i], view, part)) return true;
    return false;
}

/* ---- who evaluates what -------------------------------------------------------------------------------------------- */

typedef struct Views {
    SweepView items[2 * MOST_SINKS];
    int count;
} Views;

/* Every evaluation of a sink's formulas in a tile. */
static Views views_of(const Sweep *s) {
    Views views = {.count = 0};
    for (int i = 0; i < s->sink_count; i++) {
        for (int columns = 0; columns < 2; columns++) {
            SweepView view = {&s->sinks[i], columns};
            bool known = columns ? !sweep_feeds_columns(s, view.sink) : !sweep_feeds_rows(s, view.sink);
            for (int k = 0; !known && k < views.count; k++) known = sweep_same_weights(s, views.items[k], view);
            if (!known) views.items[views.count++] = view;
        }
    }
    return views;
}

static bool is_asked_elsewhere(Graph *g, Sweep *s, const Views *views, SweepView view, const GExpr *part) {
    for (int i = 0; i < views->count; i++) {
        const SweepView other = views->items[i];
        if (other.sink == view.sink && other.columns == view.columns) continue;
        Walk w = {g, s, other, {0}};
        const GNode *n = other.sink->pair.node;
        if (other.sink->payload ? contains(&w, other.sink->pair.weight, view, part) : contains(&w, n->value, view, part) || contains(&w, n->guard, view, part)) return true;
    }
    return false;
}

/* A log-sum-exp of columns looks at its terms twice. */
static bool is_asked_twice(SweepView view) { return view.columns && view.sink->pair.node->reducer == GR_LSE; }

static void find_in(Walk *w, const Views *views, const GExpr *e) {
    Walk costly = {w->g, w->s, w->view, {0}}, safe = costly;
    if (!e || e->arg_count == 0 || !visit(w, e) || !holds_costly(&costly, e) || sweep_map_of(w->s, w->view, e) >= 0) return;
    bool fits = e->type == GT_REAL && e->op != G_LOAD && w->s->map_count < MOST_MAPS && is_safe(&safe, e);
    if (fits && (is_asked_twice(w->view) || is_asked_elsewhere(w->g, w->s, views, w->view, e))) {
        w->s->maps[w->s->map_count++] = (SweepMap){w->view, e};
        return;
    }
    for (int i = 0; i < e->arg_count; i++) find_in(w, views, e->args[i]);
}

int sweep_map_of(const Sweep *s, SweepView view, const GExpr *e) {
    for (int i = 0; i < s->map_count; i++)
        if (is_same(s, s->maps[i].view, s->maps[i].expr, view, e)) return i;
    return -1;
}

void sweep_share(Graph *g, Sweep *s) {
    const Views views = views_of(s);
    for (int i = 0; i < views.count; i++) {
        Walk w = {g, s, views.items[i], {0}};
        const GNode *n = w.view.sink->pair.node;
        if (w.view.sink->payload) {
            find_in(&w, &views, w.view.sink->pair.weight);
            continue;
        }
        find_in(&w, &views, n->value);
        find_in(&w, &views, n->guard);
    }
}
