/* Rewrites the users of a streamed product so that each is a sink (graph/pairs.h). Elements are put
 * into the formulas that use them. Statistics and weighted sums get the canonical form, and reads
 * at few places become products of two rows.
 *
 * stream/users.c has decided beforehand what each user is, so nothing here can fail. An array of
 * pairs that reads no product, such as `y[i] == y[j]`, is put into its users as well, unless it is
 * there anyway or is smaller than what would be read in its place. */
#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"
#include "compiler/passes/factors.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/shift.h"
#include "compiler/passes/stream/internal.h"

#include <string.h>

typedef struct Unfold {
    Stream *s;
    Graph *g;
    GNode **now;           /* by old id: the node in its new form */
    ComputeSpec **element; /* by old id: an element, which is put into its users and not built */
    /* By old id: a large array made of rows and columns alone, such as y[i] == y[j]. It is put into
     * users of pairs, and built for others. */
    ComputeSpec **outer;
    bool of_pairs;        /* true if the node at hand is a user of pairs */
    const GExpr *payload; /* the result's index beside that of the pair; NULL: none */
} Unfold;

/* ---- places read on their own ---------------------------------------------------------------- */

static bool is_plain_pair_read(const GExpr *load) {
    return load->tensor->rank == 2 && !load->has_else && load->args[0] != load->args[1] &&
           load->args[0]->op == G_INDEX && load->args[1]->op == G_INDEX;
}

/* Returns the condition that both places lie inside T; NULL when that is known. */
static const GExpr *inside(Graph *g, const GExpr *load) {
    const GExpr *all = NULL;
    for (int i = 0; i < 2; i++)
        all = gx_and(g, all, gx_inside(g, load->args[i], load->tensor->shape[i]));
    return all;
}

/* Returns T[f, g], at places that few indices make, as a product of two rows. The places are
 * computed for all values of these indices, also where a guard or a choice keeps the user from
 * reading. There they may lie outside T. A user that really reads outside T reads outside the
 * operands instead, so the same fault is raised. */
static const GExpr *product_of_rows(Graph *g, const GExpr *load) {
    ComputeSpec product;
    ComputeSpec places;
    graph_open(g, load->tensor, &product);
    memset(&places, 0, sizeof places);
    const GExpr *free[GRAPH_MAX_FREE];
    const GExpr *at[2];
    const GExpr *fits = inside(g, load);
    int count = gx_free_indices(g, load, free);
    for (int i = 0; i < count; i++)
        places.out[i] = graph_fresh_index(g, graph_index_extent(g, free[i]));
    for (int i = 0; i < 2; i++)
        at[i] = gx_substitute(g, load->args[i], count, free, places.out);
    if (fits) {
        places.guard = gx_substitute(g, fits, count, free, places.out);
    }
    places.reducer = GR_SUM;
    places.out_rank = count;
    places.red_rank = 1;
    places.red[0] = product.red[0];
    places.span = product.span;
    places.value = gx_substitute(g, product.value, 2, product.out, at);
    const GExpr *read = gx_load(g, graph_compute(g, &places), count, free, NULL);
    if (!fits) return read;
    const GExpr *from[3] = {product.out[0], product.out[1], product.red[0]};
    const GExpr *to[3] = {load->args[0], load->args[1], gx_int(g, 0)};
    return gx_select(g, fits, read, gx_substitute(g, product.value, 3, from, to));
}

static const GExpr *ungather(void *context, Graph *g, const GExpr *e) {
    (void)context;
    return e->op == G_LOAD && e->tensor->streamed && !is_plain_pair_read(e) ? product_of_rows(g, e)
                                                                            : e;
}

static const GExpr *ungather_any(void *context, Graph *g, const GExpr *e) {
    (void)context;
    return e->op == G_LOAD && e->tensor->streamed ? product_of_rows(g, e) : e;
}

const GExpr *stream_ungather_all(Graph *g, const GExpr *expr) {
    return gx_rewrite(g, expr, ungather_any, NULL);
}

/* ---- elements into their users --------------------------------------------------------------- */

/* Returns a read of a streamed product. The transpose of an earlier product is read from that one.
 */
static const GExpr *of_root(Unfold *u, const GExpr *load, int number) {
    const Root *r = &u->s->roots[number];
    const GExpr *args[2] = {load->args[0], load->args[1]};
    bool mirrored = r->mirror >= 0 && u->s->root_of[u->s->roots[r->mirror].node->id] >= 0;
    if (mirrored) {
        const GExpr *first = args[0];
        args[0] = args[1];
        args[1] = first;
        r = &u->s->roots[r->mirror];
    }
    const GExpr *made = gx_load(u->g, u->now[r->node->id], 2, args, NULL);
    return ungather(NULL, u->g, made);
}

/* Replaces a read of a product by a read of the new node. A read of an element, and in users of
 * pairs a read of an array of rows and columns, is replaced by the formula. */
static const GExpr *insert(void *context, Graph *g, const GExpr *e) {
    Unfold *u = context;
    if (e->op != G_LOAD || e->tensor->id >= u->s->ids) return e;
    uint32_t id = e->tensor->id;
    if (u->s->root_of[id] >= 0) return of_root(u, e, u->s->root_of[id]);
    const ComputeSpec *element = u->element[id];
    const ComputeSpec *outer = NULL;
    if (!element && u->of_pairs && !e->has_else &&
        !(u->payload && stream_reads_index(g, e, u->payload)))
        outer = u->outer[id];
    if (element || outer) {
        const ComputeSpec *made = element ? element : outer;
        const GExpr *value = gx_substitute(g, made->value, 2, made->out, e->args);
        if (element && is_plain_pair_read(e)) return value;
        if (element || load_keeps_checks(g, e, value)) return gx_rewrite(g, value, ungather, NULL);
    }
    GNode *node = u->now[id];
    return !node || node == e->tensor ? e
                                      : gx_load(g, node, node->rank, e->args,
                                                e->has_else ? e->args[e->arg_count - 1] : NULL);
}

/* ---- sinks ----------------------------------------------------------------------------------- */

/* Turns a read of a symmetric product, so that the index that the sink keeps comes first. */
static const GExpr *own_first(void *context, Graph *g, const GExpr *e) {
    const GExpr *const *pair = context; /* the own index, then the other one */
    if (e->op != G_LOAD || !e->tensor->streamed || e->args[0] != pair[1] || e->args[1] != pair[0])
        return e;
    PairProduct p;
    if (!pair_product(g, e->tensor, &p) || !p.symmetric) return e;
    return gx_load(g, e->tensor, 2, pair, NULL);
}

/* Prepares an expression of a pair for the tile: the kept index comes first, and parts that read
 * one index are nodes of their own. */
static const GExpr *tidy(Graph *g, const GExpr *e, const GExpr *own, const GExpr *other,
                         bool guarded, Span span) {
    const GExpr *pair[2] = {own, other};
    return stream_hoist(g, gx_rewrite(g, e, own_first, pair), own, other, guarded, span);
}

static GNode *make_statistic(Graph *g, ComputeSpec *spec) {
    const GExpr *own = spec->out[0];
    const GExpr *other = spec->red[0];
    spec->value = tidy(g, spec->value, own, other, spec->guard != NULL, spec->span);
    spec->guard = tidy(g, spec->guard, own, other, false, spec->span);
    return graph_compute(g, spec);
}

/* Reduces over both indices, first along each row and then over the rows. Only rows with a term
 * count in the test for any term at all. */
static GNode *make_total(Graph *g, const ComputeSpec *spec) {
    ComputeSpec row = *spec;
    ComputeSpec total;
    row.out_rank = row.red_rank = 1;
    row.out[0] = spec->red[0];
    row.red[0] = spec->red[1];
    row.empty_is_error = false;
    memset(&total, 0, sizeof total);
    total.red_rank = 1;
    total.red[0] = graph_fresh_index(g, graph_index_extent(g, spec->red[0]));
    total.reducer = spec->reducer;
    total.span = spec->span;
    total.name = spec->name;
    if (spec->empty_is_error && spec->guard) {
        ComputeSpec any = row;
        any.reducer = GR_ANY;
        any.value = gx_bool(g, true);
        total.guard = gx_load(g, graph_compute(g, &any), 1, total.red, NULL);
        total.empty_is_error = true;
    }
    const GExpr *part = gx_load(g, make_statistic(g, &row), 1, total.red, NULL);
    if (spec->reducer == GR_LSE_REST) {
        row.reducer = GR_MAX;
        const GExpr *largest = gx_load(g, graph_compute(g, &row), 1, total.red, NULL);
        return shift_rest_of_parts(g, &total, largest, part);
    }
    total.value = part;
    return graph_compute(g, &total);
}

/* True of a factor of the weight, which does not read the index of the payload. */
static bool is_of_weight(const void *payload, Graph *g, const GExpr *e) {
    return !stream_reads_index(g, e, payload);
}

static bool is_row_read(const GExpr *e, const GExpr *other, const GExpr *payload) {
    if (e->op != G_LOAD || e->has_else || e->tensor->streamed || e->tensor->type != GT_REAL ||
        e->tensor->rank != 2)
        return false;
    return (e->args[0] == other && e->args[1] == payload) ||
           (e->args[0] == payload && e->args[1] == other);
}

/* Returns the rows as a plain read. If they are no plain read, they get an array of their own. */
static const GExpr *stored_rows(Graph *g, const GExpr *e, const GExpr *other, const GExpr *payload,
                                Span span) {
    if (is_row_read(e, other, payload)) return e;
    ComputeSpec rows;
    memset(&rows, 0, sizeof rows);
    const GExpr *from[2] = {other, payload};
    rows.out_rank = 2;
    for (int i = 0; i < 2; i++)
        rows.out[i] = graph_fresh_index(g, graph_index_extent(g, from[i]));
    rows.value = gx_substitute(g, e, 2, from, rows.out);
    rows.span = span;
    return gx_load(g, graph_compute(g, &rows), 2, from, NULL);
}

/* Makes a weighted sum of rows. Factors without the payload are the weight, the others are the
 * rows, and the guard becomes a choice in the weight. */
static GNode *make_weighted(Graph *g, ComputeSpec *spec, const GExpr *own) {
    const GExpr *other = spec->red[0];
    const GExpr *payload = spec->out[spec->out[0] == own ? 1 : 0];
    Factors f = {0};
    factors_split(g, spec->value, is_of_weight, payload, &f);
    const GExpr *weight = f.taken ? f.taken : gx_real(g, 1);
    if (spec->guard) {
        weight = gx_select(g, spec->guard, weight, gx_real(g, 0));
    }
    weight = tidy(g, weight, own, other, false, spec->span);
    spec->guard = NULL;
    spec->value = gx2(g, G_MUL, weight, stored_rows(g, f.rest, other, payload, spec->span));
    return graph_compute(g, spec);
}

/* ---- arrays of pairs without a product ------------------------------------------------------- */

enum { OUTER = 8 /* how many times larger the array is than what it is made of */ };

/* True if a large array is read instead of being computed in the tile: it exists anyway (a mask
 * that was handed over), or is smaller than its operands (truth values). */
static bool is_there_anyway(const GNode *read, const GNode *made) {
    return read->kind == GN_INPUT || read->kind == GN_STATE || read->kind == GN_CONST ||
           (read->type == GT_BOOL && made->type != GT_BOOL);
}

/* True of a draw, or of a read, that keeps the array `made` from being put into its users: the
 * array that is read is less than OUTER times smaller, and is not there anyway. */
static bool is_other_read(const void *context, const GExpr *e) {
    const GNode *made = context;
    if (e->op == G_RANDOM) return true;
    return e->op == G_LOAD && OUTER * graph_element_count(e->tensor) > graph_element_count(made) &&
           !is_there_anyway(e->tensor, made);
}

static bool reads_rows_only(const GExpr *e, const GNode *made) {
    return !expr_any(e, is_other_read, made);
}

/* Notes the formula of a large array that is made of rows and columns alone. */
static void note_outer(Unfold *u, const GNode *n) {
    if (n->kind != GN_COMPUTE || n->red_rank > 1 || n->rank != 2 || n->active || n->streamed)
        return;
    ComputeSpec *spec = arena_new_of(u->g->arena, ComputeSpec);
    u->of_pairs = true;
    u->payload = NULL;
    graph_open(u->g, n, spec);
    spec->value = gx_rewrite(u->g, spec->value, insert, u);
    spec->guard = gx_rewrite(u->g, spec->guard, insert, u);
    if (n->reducer != GR_NONE && !stream_scatter(u->g, spec) && !stream_join_terms(u->g, spec))
        return;
    if (reads_rows_only(spec->value, n)) u->outer[n->id] = spec;
}

/* ---- all ------------------------------------------------------------------------------------- */

static GNode *renew_rows(Unfold *u, const GNode *n) {
    const GNode *operand = n->operand ? n->operand : n->operands[0];
    const ComputeSpec *element = u->element[operand->id];
    ComputeSpec product;
    if (element) return stream_in_strips(u->g, n, element);
    graph_open(u->g, operand, &product); /* the operand is the product itself */
    product.value = of_root(u, gx_load(u->g, (GNode *)(uintptr_t)operand, 2, product.out, NULL),
                            u->s->root_of[operand->id]);
    return stream_in_strips(u->g, n, &product);
}

/* True if the node counts the pairs of a row for which a condition holds, or adds their values. The
 * array of pairs that it reads is then put into it instead of being stored. */
static bool counts_pairs(const GNode *n) {
    if (n->reducer == GR_NONE || n->red_rank != 1 || n->rank > 1) return false;
    return n->type != GT_REAL || n->value->op != G_MUL;
}

/* Makes a node anew in the form of its use. Returns NULL for an element, which has no node any
 * more. */
static GNode *renew(Unfold *u, GNode *n) {
    Graph *g = u->g;
    if (u->s->use[n->id] == USE_ROWS) return renew_rows(u, n);
    if (n->operand) {
        GNode *operand = u->now[n->operand->id];
        if (operand == n->operand) return n;
        return n->kind == GN_TOPK ? graph_topk(g, operand, n->shape[n->rank - 1], n->span)
                                  : graph_stop(g, operand, n->span);
    }
    if (n->kind == GN_CALL) {
        GNode *operands[COUPLET_CALL_OPERANDS];
        for (int i = 0; i < n->operand_count; i++)
            operands[i] = u->now[n->operands[i]->id];
        return graph_call_again(g, n, operands);
    }
    if (n->kind != GN_COMPUTE) return n;
    ComputeSpec spec;
    u->of_pairs = u->s->use[n->id] > USE_GATHER || counts_pairs(n);
    graph_open(g, n, &spec);
    u->payload = u->s->use[n->id] == USE_WEIGHTS ? spec.out[1 - u->s->own[n->id]] : NULL;
    spec.value = gx_rewrite(g, spec.value, insert, u);
    spec.guard = gx_rewrite(g, spec.guard, insert, u);
    spec.active = gx_rewrite(g, spec.active, insert, u);
    switch (u->s->use[n->id]) {
    case USE_SINK:
        return make_statistic(g, &spec);
    case USE_TOTAL:
        return make_total(g, &spec);
    case USE_WEIGHTS:
        return make_weighted(g, &spec, spec.out[u->s->own[n->id]]);
    case USE_PLACES:
        stream_scatter(g, &spec);
        return graph_compute(g, &spec);
    case USE_ELEMENT:
        u->element[n->id] = arena_new_of(g->arena, ComputeSpec);
        *u->element[n->id] = spec;
        return NULL;
    case USE_NONE:
    case USE_GATHER:
    case USE_ROWS:
        break;
    }
    spec.streamed |= u->s->root_of[n->id] >= 0;
    return graph_compute(g, &spec);
}

static GNode *now(void *context, GNode *node) {
    return ((const Unfold *)context)->now[node->id];
}

void stream_unfold(Stream *s) {
    Graph *g = s->g;
    Unfold u = {.s = s,
                .g = g,
                .now = arena_array(g->arena, GNode *, s->ids),
                .element = arena_array(g->arena, ComputeSpec *, s->ids),
                .outer = arena_array(g->arena, ComputeSpec *, s->ids)};
    int count = g->nodes.count;
    GNode **nodes = arena_array(g->arena, GNode *, count + 1);
    for (int i = 0; i < count; i++)
        nodes[i] = g->nodes.items[i];
    for (int i = 0; i < count; i++) {
        u.now[nodes[i]->id] = renew(&u, nodes[i]);
        if (u.now[nodes[i]->id]) note_outer(&u, nodes[i]);
    }
    rewrite_ends(g, now, &u);
}
