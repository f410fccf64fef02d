/* Takes scatters out of sums. What few chosen places of each row send back (the gradient of s[i,
 * near[i, r]]) is an array of pairs with r entries in a row:
 *
 *     S[i, x] = sum over r of v[i, r]  where near[i, r] == x
 *
 * It is added to what other users of s send. If all that reads it does so linearly and ends in sums
 * (the gradients of both operands of s), the sums are taken without it. What it gives to each of
 * them is a sum over the chosen places (gather.c). It is then neither stored nor swept, however
 * many places there are. If anything else reads it, it is left alone. */
#include "compiler/graph/key.h"
#include "compiler/graph/visit.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/zeros/internal.h"

#include <string.h>

enum {
    SMALLEST = 1 << 17, /* the fewest bytes of the array */
    LEAST_GAIN = 4,     /* how many times fewer places than entries a row must have */
    MOST_SCATTERS = 64
};

/* A node that is linear in scatters: an elementwise node, or a scatter itself. */
typedef struct Carrier {
    const GExpr *out[GRAPH_MAX_RANK]; /* the indices in which the form is written */
    Linear form;
    GNode *rest; /* the part of the array that is no scatter; NULL: none */
    uint64_t scatters;
} Carrier;

typedef struct Places {
    Graph *g;
    Scatter scatters[MOST_SCATTERS];
    int count;
    uint32_t ids;
    Carrier **carriers; /* by the id of a node */
    GNode **now;        /* by the id of a node: its new form; used only while building */
    bool building;
    bool failed;
} Places;

/* ---- arrays of chosen places ----------------------------------------------------------------- */

/* True of a large sum by key with few places in a row, of which amounts and other conditions do not
 * depend on the axis of the key. */
static bool is_scatter(Graph *g, const GNode *n, Scatter *s) {
    int64_t smallest = g->settings.stream_bytes ? g->settings.stream_bytes : SMALLEST;
    if (!node_reduces_by_key(n) || !node_is_real_sum(n) || n->empty_is_error) return false;
    if (n->red_rank != 1 || n->rank < 2 || graph_bytes(n) < smallest) return false;
    Conjuncts c = {.count = 0};
    if (!guard_list(n->guard, &c)) return false;
    for (int i = 0; i < c.count; i++) {
        int axis;
        if (!key_of(n, c.items[i], &axis) || LEAST_GAIN * n->red_shape[0] > n->shape[axis])
            continue;
        *s = (Scatter){.node = n, .axis = axis};
        uint32_t others = expr_index_mask(n->value);
        for (int k = 0; k < c.count; k++)
            others |= k == i ? 0 : expr_index_mask(c.items[k]);
        if (!(others & 1u << axis)) return true;
    }
    return false;
}

static const GExpr *redirect(void *context, Graph *g, const GExpr *e) {
    const Places *p = context;
    if (e->op != G_LOAD || e->tensor->id >= p->ids) return e;
    GNode *now = p->now[e->tensor->id];
    if (now == e->tensor) return e;
    const GExpr *outside = e->has_else ? e->args[e->arg_count - 1] : NULL;
    return gx_load(g, now, e->tensor->rank, e->args, outside);
}

/* Returns an expression that reads no scatter. While the new nodes are built, its reads go to them.
 */
static const GExpr *plain(Places *p, const GExpr *e) {
    return p->building && e ? gx_rewrite(p->g, e, redirect, p) : e;
}

/* Makes an array of the sum's own indices and r. */
static GNode *of_places(Places *p, const ComputeSpec *spec, int axis, const GExpr *value) {
    Graph *g = p->g;
    ComputeSpec made = {.out_rank = spec->out_rank, .span = spec->span};
    const GExpr *from[GRAPH_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < spec->out_rank; i++)
        if (i != axis) from[rank++] = spec->out[i];
    from[rank++] = spec->red[0];
    for (int i = 0; i < rank; i++)
        made.out[i] = graph_fresh_index(g, graph_index_extent(g, from[i]));
    made.value = gx_substitute(g, plain(p, value), rank, from, made.out);
    return graph_compute(g, &made);
}

/* Takes key and amount apart, with operands in their new form. The conditions ahead of the key's
 * say where it may be read; elsewhere it is -1. */
static void open_scatter(Places *p, Scatter *s) {
    Graph *g = p->g;
    ComputeSpec spec;
    Conjuncts c = {.count = 0};
    graph_open(g, s->node, &spec);
    guard_list(spec.guard, &c);
    const GExpr *ahead = NULL;
    const GExpr *behind = NULL;
    const GExpr *key = NULL;
    const GExpr *x = spec.out[s->axis];
    for (int i = 0; i < c.count; i++) {
        if (zeros_reads_one_of(g, c.items[i], &x, 1))
            key = c.items[i]->args[c.items[i]->args[0] == x ? 1 : 0];
        else if (key)
            behind = gx_and(g, behind, c.items[i]);
        else
            ahead = gx_and(g, ahead, c.items[i]);
    }
    memcpy(s->out, spec.out, sizeof s->out);
    s->place = spec.red[0];
    s->key = key;
    if (!p->building) return;
    const GExpr *holds =
        gx_and(g, gx_and(g, ahead, gx_inside(g, key, graph_index_extent(g, x))), behind);
    s->amount = of_places(p, &spec, s->axis,
                          holds ? gx_select(g, holds, spec.value, gx_real(g, 0)) : spec.value);
    s->key = plain(p, key);
    if (!ahead) return;
    const GExpr *at[GRAPH_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < spec.out_rank; i++)
        if (i != s->axis) at[rank++] = spec.out[i];
    at[rank++] = s->place;
    s->key = gx_load(g, of_places(p, &spec, s->axis, gx_select(g, ahead, key, gx_int(g, -1))), rank,
                     at, NULL);
}

/* ---- what is linear in them ------------------------------------------------------------------ */

/* Returns the scatters that the expressions read, a bit for each. */
static uint64_t scatters_in(const Places *p, const GExpr *const *exprs, int count) {
    uint64_t scatters = 0;
    const Loads loads = loads_of_all(p->g->arena, count, exprs);
    for (int i = 0; i < loads.items.count; i++) {
        const Carrier *c = loads.items.items[i]->tensor->id < p->ids
                               ? p->carriers[loads.items.items[i]->tensor->id]
                               : NULL;
        if (c) scatters |= c->scatters;
    }
    return scatters;
}

static bool is_plain_load(const GExpr *e) {
    if (e->has_else) return false;
    for (int i = 0; i < e->tensor->rank; i++) {
        if (e->args[i]->op != G_INDEX) return false;
        for (int k = 0; k < i; k++)
            if (e->args[k] == e->args[i]) return false;
    }
    return true;
}

static Linear no_form(Places *p) {
    p->failed = true;
    return (Linear){.rest = NULL};
}

/* Returns the linear form of a read of a carrier, at the indices of the read. Until new nodes are
 * built, `rest` says only whether there is one. */
static Linear read_carrier(Places *p, const GExpr *e) {
    const Carrier *c = p->carriers[e->tensor->id];
    if (!is_plain_load(e)) return no_form(p);
    Linear l = c->form;
    l.rest = p->building ? (c->rest ? gx_load(p->g, c->rest, e->tensor->rank, e->args, NULL) : NULL)
             : c->form.rest ? gx_real(p->g, 1)
                            : NULL;
    for (int i = 0; i < l.count; i++) {
        Term *t = &l.terms[i];
        for (int k = 0; k < t->scatter->node->rank; k++)
            t->at[k] = gx_substitute(p->g, t->at[k], e->tensor->rank, c->out, e->args);
        if (t->coefficient)
            t->coefficient = gx_substitute(p->g, t->coefficient, e->tensor->rank, c->out, e->args);
    }
    return l;
}

static const GExpr *or_zero(Graph *g, const GExpr *e) {
    return e ? e : gx_real(g, 0);
}

static void append_terms(Places *p, Linear *to, const Linear *from) {
    for (int i = 0; i < from->count; i++) {
        if (to->count == MOST_TERMS)
            p->failed = true;
        else
            to->terms[to->count++] = from->terms[i];
    }
}

static Linear negated(Places *p, Linear l) {
    Graph *g = p->g;
    if (l.rest) l.rest = gx1(g, G_NEG, l.rest);
    for (int i = 0; i < l.count; i++)
        l.terms[i].coefficient =
            l.terms[i].coefficient ? gx1(g, G_NEG, l.terms[i].coefficient) : gx_real(g, -1);
    return l;
}

static Linear scaled_form(Places *p, Linear l, const GExpr *factor, bool divides) {
    Graph *g = p->g;
    GOp op = divides ? G_DIV : G_MUL;
    if (l.rest) l.rest = gx2(g, op, l.rest, factor);
    for (int i = 0; i < l.count; i++) {
        const GExpr *c = l.terms[i].coefficient;
        l.terms[i].coefficient = c         ? gx2(g, op, c, factor)
                                 : divides ? gx2(g, G_DIV, gx_real(g, 1), factor)
                                           : factor;
    }
    return l;
}

static Linear sum_of_forms(Places *p, const Linear *a, const Linear *b) {
    Linear l = *a;
    if (b->rest) {
        l.rest = l.rest ? gx2(p->g, G_ADD, l.rest, b->rest) : b->rest;
    }
    append_terms(p, &l, b);
    return l;
}

static Linear chosen_form(Places *p, const GExpr *condition, Linear a, Linear b) {
    Graph *g = p->g;
    for (int i = 0; i < a.count; i++)
        a.terms[i].coefficient =
            gx_select(g, condition, a.terms[i].coefficient ? a.terms[i].coefficient : gx_real(g, 1),
                      gx_real(g, 0));
    for (int i = 0; i < b.count; i++)
        b.terms[i].coefficient =
            gx_select(g, condition, gx_real(g, 0),
                      b.terms[i].coefficient ? b.terms[i].coefficient : gx_real(g, 1));
    if (a.rest || b.rest) {
        a.rest = gx_select(g, condition, or_zero(g, a.rest), or_zero(g, b.rest));
    }
    append_terms(p, &a, &b);
    return a;
}

static bool is_carried(const Places *p, const GExpr *load) {
    const uint32_t id = load->tensor->id;
    return id < p->ids && p->carriers[id];
}

/* Returns the linear form of an expression. Sets p->failed if it has none. */
static Linear linear(Places *p, const GExpr *e) {
    const GExpr *const *args = e->args;
    bool in[3] = {false};
    if (p->failed) return no_form(p);
    if (!scatters_in(p, &e, 1)) return (Linear){.rest = plain(p, e)};
    if (e->op == G_LOAD) return is_carried(p, e) ? read_carrier(p, e) : no_form(p);
    for (int i = 0; i < e->arg_count && i < 3; i++)
        in[i] = scatters_in(p, &args[i], 1) != 0;
    if (e->op == G_MUL && !(in[0] && in[1])) {
        const GExpr *factor = plain(p, in[0] ? args[1] : args[0]);
        return scaled_form(p, linear(p, in[0] ? args[0] : args[1]), factor, false);
    }
    if (e->op == G_DIV && !in[1]) {
        const GExpr *divisor = plain(p, args[1]);
        return scaled_form(p, linear(p, args[0]), divisor, true);
    }
    if (e->op == G_NEG) return negated(p, linear(p, args[0]));
    if (e->op == G_SELECT && !in[0]) {
        const Linear then = linear(p, args[1]);
        const Linear otherwise = linear(p, args[2]);
        return chosen_form(p, plain(p, args[0]), then, otherwise);
    }
    if (e->op != G_ADD && e->op != G_SUB) return no_form(p);
    const Linear a = linear(p, args[0]);
    Linear b = linear(p, args[1]);
    if (e->op == G_SUB) b = negated(p, b);
    return sum_of_forms(p, &a, &b);
}

/* ---- who reads them -------------------------------------------------------------------------- */

static void refuse_scatters(Places *p, uint64_t scatters) {
    for (int i = 0; i < p->count; i++)
        if (scatters & (uint64_t)1 << i) p->scatters[i].refused = true;
}

static bool is_taken(const Places *p, const GNode *n, Scatter **found) {
    for (int i = 0; i < p->count; i++) {
        if (p->scatters[i].node != n || p->scatters[i].refused) continue;
        *found = (Scatter *)&p->scatters[i];
        return true;
    }
    return false;
}

static void add_carrier(Places *p, const GNode *n, const ComputeSpec *spec, const Linear *form,
                        uint64_t scatters) {
    Carrier *c = p->carriers[n->id] = arena_new_of(p->g->arena, Carrier);
    memcpy(c->out, spec->out, sizeof c->out);
    c->form = *form;
    c->scatters = scatters;
    if (!p->building || !form->rest) return;
    ComputeSpec rest = *spec;
    rest.value = form->rest;
    c->rest = graph_compute(p->g, &rest);
}

static void carry_scatter(Places *p, const GNode *n, Scatter *s) {
    ComputeSpec spec = {.out_rank = n->rank};
    Linear form = {.rest = NULL, .count = 1};
    open_scatter(p, s);
    memcpy(spec.out, s->out, sizeof spec.out);
    form.terms[0] = (Term){.scatter = s};
    memcpy(form.terms[0].at, s->out, sizeof form.terms[0].at);
    add_carrier(p, n, &spec, &form, (uint64_t)1 << (s - p->scatters));
}

/* True if the node is linear in the scatters that it reads: an elementwise node, or a sum that may
 * be taken apart. *scatters are those that it reads, whatever the answer. */
static bool is_linear(Places *p, const GNode *n, uint64_t *scatters, ComputeSpec *spec,
                      Linear *form) {
    const GExpr *const outside[2] = {n->guard, n->active};
    if (n->kind != GN_COMPUTE) return false;
    *scatters = scatters_in(p, &n->value, 1) | scatters_in(p, outside, 2);
    if (!*scatters) return false;
    bool kind = n->type == GT_REAL && !n->active && !n->empty_is_error &&
                (n->reducer == GR_SUM || (n->reducer == GR_NONE && !n->guard && n->rank >= 2));
    p->failed = !kind || scatters_in(p, outside, 2);
    graph_open(p->g, n, spec);
    if (!p->failed) *form = linear(p, spec->value);
    return !p->failed;
}

/* Finds whether a node carries scatters, uses them up in a sum, or wants them whole, so that they
 * are refused. */
static void look_at_node(Places *p, const GNode *n) {
    Scatter *s;
    uint64_t scatters = 0;
    ComputeSpec spec;
    Linear form;
    if (is_taken(p, n, &s)) carry_scatter(p, n, s);
    const GNode *whole[COUPLET_CALL_OPERANDS + 1] = {n->operand};
    for (int i = 0; i < n->operand_count; i++)
        whole[i + 1] = n->operands[i];
    for (int i = 0; i <= n->operand_count; i++)
        if (whole[i] && p->carriers[whole[i]->id])
            refuse_scatters(p, p->carriers[whole[i]->id]->scatters);
    if (!is_linear(p, n, &scatters, &spec, &form))
        refuse_scatters(p, scatters);
    else if (n->reducer == GR_NONE)
        add_carrier(p, n, &spec, &form, scatters);
}

static void keep_whole(Places *p, const GNode *n) {
    if (n && p->carriers[n->id]) {
        refuse_scatters(p, p->carriers[n->id]->scatters);
    }
}

static int refused_count(const Places *p) {
    int count = 0;
    for (int i = 0; i < p->count; i++)
        count += p->scatters[i].refused;
    return count;
}

/* Finds users. A refusal can leave elements that were made of two scatters with one, so all is
 * looked at again without the refused ones, until nothing changes. */
static void find_users(Places *p) {
    Graph *g = p->g;
    for (int before = -1; before != refused_count(p);) {
        before = refused_count(p);
        memset(p->carriers, 0, sizeof *p->carriers * p->ids);
        int count = g->nodes.count;
        for (int i = 0; i < count; i++)
            look_at_node(p, g->nodes.items[i]);
        for (int i = 0; i < g->outputs.count; i++)
            keep_whole(p, g->outputs.items[i].node);
        for (int i = 0; i < g->commits.count; i++) {
            keep_whole(p, g->commits.items[i].value);
            keep_whole(p, g->commits.items[i].rows);
        }
    }
}

/* ---- the new nodes --------------------------------------------------------------------------- */

static GNode *now(void *context, GNode *node) {
    return ((const Places *)context)->now[node->id];
}

/* Makes the sum without scatters, with what each scatter gives to it added. */
static GNode *take_apart(Places *p, ComputeSpec *spec, const Linear *form) {
    Graph *g = p->g;
    ComputeSpec all = {.out_rank = spec->out_rank, .name = spec->name, .span = spec->span};
    for (int i = 0; i < spec->out_rank; i++)
        all.out[i] = graph_fresh_index(g, graph_index_extent(g, spec->out[i]));
    spec->guard = plain(p, spec->guard);
    spec->value = form->rest;
    if (form->rest) {
        all.value = gx_load(g, graph_compute(g, spec), spec->out_rank, all.out, NULL);
    }
    for (int i = 0; i < form->count; i++) {
        const GExpr *term =
            gx_load(g, gather_term(g, spec, &form->terms[i]), spec->out_rank, all.out, NULL);
        all.value = all.value ? gx2(g, G_ADD, all.value, term) : term;
    }
    return graph_compute(g, &all);
}

/* Makes a node anew without scatters. A scatter or a carrier stays in the list, and is pruned. */
static GNode *renew(Places *p, GNode *n) {
    Scatter *s;
    uint64_t scatters = 0;
    ComputeSpec spec;
    Linear form;
    if (is_taken(p, n, &s)) {
        carry_scatter(p, n, s);
        return n;
    }
    if (!is_linear(p, n, &scatters, &spec, &form))
        return n->kind == GN_STOP ? n : rewrite_node(p->g, n, now, redirect, p);
    if (n->reducer == GR_SUM) return take_apart(p, &spec, &form);
    add_carrier(p, n, &spec, &form, scatters);
    return n; /* no node reads it any more */
}

static void build_nodes(Places *p) {
    Graph *g = p->g;
    int count = g->nodes.count;
    GNode **nodes = arena_array(g->arena, GNode *, count + 1);
    for (int i = 0; i < count; i++)
        nodes[i] = g->nodes.items[i];
    memset(p->carriers, 0, sizeof *p->carriers * p->ids);
    p->building = true;
    for (int i = 0; i < count; i++)
        p->now[nodes[i]->id] = renew(p, nodes[i]);
    rewrite_ends(g, now, p);
}

void zeros_use_places(Graph *g) {
    Places *p = arena_new_of(g->arena, Places);
    p->g = g;
    for (int i = 0; i < g->nodes.count; i++) {
        const GNode *n = g->nodes.items[i];
        if (n->id >= p->ids) p->ids = n->id + 1;
        if (p->count < MOST_SCATTERS && is_scatter(g, n, &p->scatters[p->count])) p->count++;
    }
    if (!p->count) return;
    p->carriers = arena_array(g->arena, Carrier *, p->ids);
    p->now = arena_array(g->arena, GNode *, p->ids);
    find_users(p);
    if (refused_count(p) < p->count) build_nodes(p);
}
