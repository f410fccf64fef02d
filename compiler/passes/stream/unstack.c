/* Takes arrays of pairs with a third, short axis (views of a support, levels of a hierarchy) apart
 * along that axis: T[v, i, j] becomes T0[i, j], T1[i, j] and so on. Each of these is an array of
 * pairs like any other, which tiles can serve.
 *
 * A node that reads T and has the axis itself is taken apart as well. A node that reduces over the
 * axis joins the parts term by term: the maximum over v of T[v, i, j] is max(T0[i, j], T1[i, j]).
 */
#include "compiler/graph/loads.h"
#include "compiler/graph/reducer.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/stream/internal.h"

#include <math.h>
#include <string.h>

enum {
    LONGEST = 8, /* the most parts */
    OUTER = 8    /* how many times larger the array is than what it is made of */
};

typedef struct Stack {
    int axis;
    GNode *parts[LONGEST];
} Stack;

typedef struct Unstack {
    Graph *g;
    int64_t threshold;
    uint32_t ids;
    /* By old id: true for a product of pairs, or an array made element by element of one. */
    bool *pairs;
    Stack **stacks; /* by old id: the stack that the array is, or NULL */
    GNode **now;
} Unstack;

/* ---- where it begins ------------------------------------------------------------------------- */

/* Returns the shortest axis, if it has at most LONGEST elements and each part would still be large.
 * -1: there is none. */
static int short_axis(const Unstack *u, const GNode *n) {
    int axis = -1;
    for (int i = 0; i < n->rank; i++)
        if (n->shape[i] <= LONGEST && n->shape[i] > 1 && (axis < 0 || n->shape[i] < n->shape[axis]))
            axis = i;
    return axis >= 0 && graph_bytes(n) / n->shape[axis] >= u->threshold ? axis : -1;
}

/* True for a product whose parts are products of pairs: one factor of rows and one of columns, of
 * which there are so many that the product is large against them. */
static bool is_product(Graph *g, const GNode *n, int axis) {
    if (n->reducer != GR_SUM || n->type != GT_REAL || n->guard || n->red_rank != 1 ||
        n->value->op != G_MUL)
        return false;
    ComputeSpec spec;
    int pair[2];
    int count = 0;
    graph_open(g, n, &spec);
    for (int i = 0; i < n->rank; i++)
        if (i != axis) pair[count++] = i;
    for (int row = 0; row < 2; row++)
        if (!stream_reads_index(g, spec.value->args[0], spec.out[pair[!row]]) &&
            !stream_reads_index(g, spec.value->args[1], spec.out[pair[row]]))
            return n->shape[pair[0]] * n->shape[pair[1]] >=
                   (n->shape[pair[0]] + n->shape[pair[1]]) * n->red_shape[0];
    return false;
}

/* True for an array that is made of arrays of pairs, or of much smaller rows and columns, and that
 * has no draws. */
static bool is_element(Unstack *u, const GNode *n, int axis) {
    const Loads l = loads_of(u->g->arena, n);
    int64_t part = graph_element_count(n) / n->shape[axis];
    bool outer = l.items.count > 0;
    if (l.draws) return false;
    for (int i = 0; i < l.items.count; i++) {
        const GNode *read = l.items.items[i]->tensor;
        if (u->pairs[read->id]) return true;
        outer &= OUTER * graph_element_count(read) <= part;
    }
    return outer;
}

static int first_axis(Unstack *u, const GNode *n) {
    if (n->kind != GN_COMPUTE || n->rank != 3 || n->active) return -1;
    int axis = short_axis(u, n);
    if (axis < 0) return -1;
    return is_product(u->g, n, axis) || is_element(u, n, axis) ? axis : -1;
}

static bool reads_pairs(const Unstack *u, const GNode *n) {
    const Loads l = loads_of(u->g->arena, n);
    for (int i = 0; i < l.items.count; i++)
        if (u->pairs[l.items.items[i]->tensor->id]) return true;
    return false;
}

static bool is_of_pairs(const Unstack *u, const GNode *n) {
    PairProduct p;
    if (n->kind != GN_COMPUTE || n->rank < 2 || graph_bytes(n) < u->threshold) return false;
    if (pair_product(u->g, n, &p)) return true;
    int axis = n->rank == 3 ? short_axis(u, n) : -1;
    if (axis >= 0 && is_product(u->g, n, axis)) return true;
    bool element = n->reducer == GR_NONE || (n->red_rank == 1 && n->red_shape[0] <= LONGEST);
    return element && reads_pairs(u, n);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Redirects a read of a stack to one of its parts, if the place along the axis is a constant. */
static const GExpr *redirect(void *context, Graph *g, const GExpr *e) {
    const Unstack *u = context;
    if (e->op != G_LOAD || e->tensor->id >= u->ids) return e;
    const Stack *s = u->stacks[e->tensor->id];
    const GExpr *at = s ? e->args[s->axis] : NULL;
    const GExpr *args[GRAPH_MAX_RANK];
    if (s && at->op == G_CONST && !e->has_else) {
        int rank = 0;
        for (int i = 0; i < e->tensor->rank; i++)
            if (i != s->axis) args[rank++] = e->args[i];
        return gx_load(g, s->parts[at->integer], rank, args, NULL);
    }
    GNode *now = u->now[e->tensor->id];
    return now == e->tensor ? e
                            : gx_load(g, now, e->tensor->rank, e->args,
                                      e->has_else ? e->args[e->arg_count - 1] : NULL);
}

/* Returns the index of a node that runs along the axis of a stack that it reads, or -1. */
static int index_along(const Unstack *u, const GNode *n) {
    const Loads l = loads_of(u->g->arena, n);
    for (int i = 0; i < l.items.count; i++) {
        const GExpr *e = l.items.items[i];
        const Stack *s = u->stacks[e->tensor->id];
        if (s && !e->has_else && e->args[s->axis]->op == G_INDEX) return e->args[s->axis]->index;
    }
    return -1;
}

/* ---- taking apart ---------------------------------------------------------------------------- */

static void hold(Graph *g, ComputeSpec *spec, const GExpr *index, int64_t number) {
    const GExpr *value = gx_int(g, number);
    spec->value = gx_substitute(g, spec->value, 1, &index, &value);
    if (spec->guard) {
        spec->guard = gx_substitute(g, spec->guard, 1, &index, &value);
    }
}

static void redirect_all(Unstack *u, ComputeSpec *spec) {
    spec->value = gx_rewrite(u->g, spec->value, redirect, u);
    if (spec->guard) {
        spec->guard = gx_rewrite(u->g, spec->guard, redirect, u);
    }
}

/* Makes the whole array of its parts, for readers that want it in another way. */
static GNode *put_together(Unstack *u, const GNode *n, const Stack *s) {
    Graph *g = u->g;
    ComputeSpec whole = {.out_rank = n->rank, .name = n->name, .span = n->span};
    const GExpr *args[GRAPH_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < n->rank; i++) {
        whole.out[i] = graph_fresh_index(g, n->shape[i]);
        if (i != s->axis) args[rank++] = whole.out[i];
    }
    int64_t last = n->shape[s->axis] - 1;
    whole.value = gx_load(g, s->parts[last], rank, args, NULL);
    for (int64_t i = last - 1; i >= 0; i--)
        whole.value = gx_select(g, gx2(g, G_EQ, whole.out[s->axis], gx_int(g, i)),
                                gx_load(g, s->parts[i], rank, args, NULL), whole.value);
    return graph_compute(g, &whole);
}

/* Makes a part for each value of the axis. Returns the array that puts them together. */
static GNode *take_axis_apart(Unstack *u, const GNode *n, int axis) {
    Stack *s = u->stacks[n->id] = arena_new_of(u->g->arena, Stack);
    s->axis = axis;
    for (int64_t i = 0; i < n->shape[axis]; i++) {
        ComputeSpec part;
        graph_open(u->g, n, &part);
        hold(u->g, &part, part.out[axis], i);
        redirect_all(u, &part);
        memmove(&part.out[axis], &part.out[axis + 1],
                sizeof part.out[0] * (size_t)(part.out_rank - axis - 1));
        part.out_rank--;
        s->parts[i] = graph_compute(u->g, &part);
    }
    return put_together(u, n, s);
}

static GNode *take_topk_apart(Unstack *u, const GNode *n, const Stack *of) {
    Stack *s = u->stacks[n->id] = arena_new_of(u->g->arena, Stack);
    s->axis = of->axis;
    for (int64_t i = 0; i < n->shape[of->axis]; i++)
        s->parts[i] =
            n->kind == GN_TOPK
                ? graph_topk(u->g, of->parts[i], n->shape[n->rank - 1], n->span)
                : graph_call(u->g, n->call, &of->parts[i], n->shape[n->rank - 1], n->span);
    return put_together(u, n, s);
}

/* ---- joining --------------------------------------------------------------------------------- */

static bool can_join(const ComputeSpec *spec) {
    bool real = spec->value->type == GT_REAL;
    if (spec->active || spec->empty_is_error) return false;
    const ReducerRow *row = &graph_reducers[spec->reducer];
    const bool is_best = row->start == REDUCER_LEAST || row->start == REDUCER_MOST;
    return row->join != G_OP_COUNT && (real || !is_best);
}

/* Joins the terms of a node's only reduced index, in order. `u` tells which arrays are read in
 * place of the old ones; with NULL the reads stay as they are. */
static void join_terms(Graph *g, ComputeSpec *spec, Unstack *u) {
    const GExpr *all = NULL;
    const GExpr *index = spec->red[0];
    for (int64_t i = 0; i < graph_index_extent(g, index); i++) {
        ComputeSpec part = *spec;
        hold(g, &part, index, i);
        if (u) redirect_all(u, &part);
        const GExpr *start = reducer_start(g, spec->reducer, spec->value->type);
        const GExpr *term = part.guard ? gx_select(g, part.guard, part.value, start) : part.value;
        all = all ? gx2(g, graph_reducers[spec->reducer].join, all, term) : term;
    }
    spec->value = all;
    spec->guard = NULL;
    spec->red_rank = 0;
    spec->reducer = GR_NONE;
}

bool stream_join_terms(Graph *g, ComputeSpec *spec) {
    if (spec->red_rank != 1 || !can_join(spec) || graph_index_extent(g, spec->red[0]) > LONGEST)
        return false;
    join_terms(g, spec, NULL);
    return true;
}

/* Joins the results of a node for each part, if the node reduces over further indices. */
static GNode *join_results(Unstack *u, const ComputeSpec *spec, int at) {
    Graph *g = u->g;
    ComputeSpec all = {.out_rank = spec->out_rank, .name = spec->name, .span = spec->span};
    for (int i = 0; i < spec->out_rank; i++)
        all.out[i] = graph_fresh_index(g, graph_index_extent(g, spec->out[i]));
    for (int64_t i = 0; i < graph_index_extent(g, spec->red[at]); i++) {
        ComputeSpec part = *spec;
        hold(g, &part, spec->red[at], i);
        redirect_all(u, &part);
        memmove(&part.red[at], &part.red[at + 1],
                sizeof part.red[0] * (size_t)(part.red_rank - at - 1));
        part.red_rank--;
        const GExpr *term = gx_load(g, graph_compute(g, &part), spec->out_rank, all.out, NULL);
        all.value = all.value ? gx2(g, graph_reducers[spec->reducer].join, all.value, term) : term;
    }
    return graph_compute(g, &all);
}

/* Finds the place of the first term that is the largest, or the smallest. */
static GNode *join_places(Unstack *u, const ComputeSpec *spec) {
    Graph *g = u->g;
    const GExpr *best = NULL;
    const GExpr *at = gx_int(g, 0);
    ComputeSpec place = *spec;
    for (int64_t i = 0; i < graph_index_extent(g, spec->red[0]); i++) {
        ComputeSpec part = *spec;
        hold(g, &part, spec->red[0], i);
        redirect_all(u, &part);
        const GExpr *better = !best                        ? NULL
                              : spec->reducer == GR_ARGMAX ? gx2(g, G_LT, best, part.value)
                                                           : gx2(g, G_LT, part.value, best);
        at = better ? gx_select(g, better, gx_int(g, i), at) : at;
        best = better ? gx_select(g, better, part.value, best) : part.value;
    }
    place.value = at;
    place.reducer = GR_NONE;
    place.red_rank = 0;
    return graph_compute(g, &place);
}

/* Returns a node that reduces over the parts of the stacks that `n` reads. NULL: its reducer does
 * not join them. */
static GNode *join_node(Unstack *u, const GNode *n, int index) {
    ComputeSpec spec;
    graph_open(u->g, n, &spec);
    bool places = n->reducer == GR_ARGMAX || n->reducer == GR_ARGMIN;
    if (places)
        return n->red_rank == 1 && !n->guard && !n->active && spec.value->type == GT_REAL
                   ? join_places(u, &spec)
                   : NULL;
    if (!can_join(&spec)) return NULL;
    if (n->red_rank > 1) return join_results(u, &spec, index - n->rank);
    join_terms(u->g, &spec, u);
    return graph_compute(u->g, &spec);
}

/* ---- all ------------------------------------------------------------------------------------- */

static GNode *now(void *context, GNode *node) {
    return ((const Unstack *)context)->now[node->id];
}

static GNode *renew(Unstack *u, GNode *n) {
    const GNode *rows = n->kind == GN_TOPK                            ? n->operand
                        : n->kind == GN_CALL && n->operand_count == 1 ? n->operands[0]
                                                                      : NULL;
    const Stack *of = rows ? u->stacks[rows->id] : NULL;
    if (of && of->axis < n->rank - 1 && n->rank == rows->rank &&
        (n->kind == GN_TOPK || couplet_calls[n->call].operand_axes[0] == 1))
        return take_topk_apart(u, n, of);
    if (n->kind != GN_COMPUTE)
        return n->kind == GN_STOP ? n : rewrite_node(u->g, n, now, redirect, u);
    int index = index_along(u, n);
    int axis = index >= 0 && index < n->rank ? index : index < 0 ? first_axis(u, n) : -1;
    if (axis >= 0 && n->rank >= 2 && !n->active && n->shape[axis] <= LONGEST)
        return take_axis_apart(u, n, axis);
    GNode *joined = index >= n->rank ? join_node(u, n, index) : NULL;
    return joined ? joined : rewrite_node(u->g, n, now, redirect, u);
}

void stream_unstack(Graph *g, int64_t threshold) {
    Unstack u = {.g = g, .threshold = threshold};
    bool any = false;
    int count = g->nodes.count;
    GNode **nodes = arena_array(g->arena, GNode *, count + 1);
    for (int i = 0; i < count; i++) {
        nodes[i] = g->nodes.items[i];
        if (nodes[i]->id >= u.ids) u.ids = nodes[i]->id + 1;
    }
    u.pairs = arena_array(g->arena, bool, u.ids);
    for (int i = 0; i < count; i++) {
        u.pairs[nodes[i]->id] = is_of_pairs(&u, nodes[i]);
        any |= first_axis(&u, nodes[i]) >= 0;
    }
    if (!any) return;
    u.stacks = arena_array(g->arena, Stack *, u.ids);
    u.now = arena_array(g->arena, GNode *, u.ids);
    for (int i = 0; i < count; i++)
        u.now[nodes[i]->id] = renew(&u, nodes[i]);
    rewrite_ends(g, now, &u);
    graph_prune(g);
}
