#include "compiler/passes/stream/internal.h"

#include <string.h>

typedef struct Hoist {
    Graph *g;
    const GExpr *own, *other;
    Span span;
    ARRAY(const GExpr *) from, to; /* done already, by expression: a part under a choice is kept apart by `chosen` */
    ARRAY(bool) chosen;
} Hoist;

bool reads_index(Graph *g, const GExpr *expr, const GExpr *index) {
    const GExpr *found[GRAPH_MAX_INDICES];
    int count = gx_free_indices(g, expr, found);
    for (int i = 0; i < count; i++)
        if (found[i] == index) return true;
    return false;
}

/* Index arithmetic, comparisons and plain reads cost a tile nothing; what is worth a node of its own is the rest. */
static bool is_worth_it(const GExpr *e) {
    switch (e->op) {
    case G_CONST:
    case G_INDEX: return false;
    case G_LOAD:
        for (int i = 0; i < e->arg_count; i++)
            if (e->args[i]->op != G_INDEX && e->args[i]->op != G_CONST) return true;
        return false;
    case G_ADD:
    case G_SUB:
    case G_MUL:
    case G_NEG:
        if (e->type != GT_INT) return true;
        break;
    case G_LT:
    case G_LE:
    case G_EQ:
    case G_NE:
    case G_AND:
    case G_OR:
    case G_NOT: break;
    default: return true;
    }
    for (int i = 0; i < e->arg_count; i++)
        if (is_worth_it(e->args[i])) return true;
    return false;
}

/* Whether every read is proved to stay inside its array. */
static bool cannot_fault(Graph *g, const GExpr *e) {
    if (e->op == G_LOAD && !e->has_else) {
        for (int i = 0; i < e->tensor->rank; i++) {
            int64_t low, high;
            if (!gx_range(g, e->args[i], NULL, &low, &high) || low < 0 || high >= e->tensor->shape[i]) return false;
        }
    }
    for (int i = 0; i < e->arg_count; i++)
        if (!cannot_fault(g, e->args[i])) return false;
    return true;
}

static const GExpr *node_of(Hoist *h, const GExpr *e, const GExpr *index) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.span = h->span;
    spec.value = e;
    if (index) {
        spec.out_rank = 1;
        spec.out[0] = graph_fresh_index(h->g, graph_index_extent(h->g, index));
        spec.value = gx_substitute(h->g, e, 1, &index, spec.out);
    }
    return gx_load(h->g, graph_compute(h->g, &spec), spec.out_rank, &index, NULL);
}

static const GExpr *with_args(Graph *g, const GExpr *e, const GExpr *const *args) {
    if (e->op == G_LOAD) return gx_load(g, e->tensor, e->tensor->rank, args, e->has_else ? args[e->arg_count - 1] : NULL);
    if (e->op == G_RANDOM) return gx_random(g, e->args[0]->integer, args[1], (int)e->args[2]->integer);
    return gx_op(g, e->op, e->arg_count, args);
}

static const GExpr *hoist(Hoist *h, const GExpr *e, bool chosen) {
    if (e->op == G_CONST || e->op == G_INDEX) return e;
    for (int i = 0; i < h->from.count; i++)
        if (h->from.items[i] == e && h->chosen.items[i] == chosen) return h->to.items[i];
    bool own = reads_index(h->g, e, h->own), other = reads_index(h->g, e, h->other);
    const GExpr *result;
    if (!(own && other) && is_worth_it(e) && (!chosen || cannot_fault(h->g, e))) {
        result = node_of(h, e, own ? h->own : other ? h->other : NULL);
    } else {
        const GExpr *args[GRAPH_MAX_RANK + 1];
        for (int i = 0; i < e->arg_count; i++) {
            bool choice = (e->op == G_SELECT && i > 0) || (e->op == G_AND && i > 0) || (e->op == G_LOAD && i == e->tensor->rank);
            args[i] = hoist(h, e->args[i], chosen || choice);
        }
        result = with_args(h->g, e, args);
    }
    array_push(h->g->arena, &h->from, e);
    array_push(h->g->arena, &h->to, result);
    array_push(h->g->arena, &h->chosen, chosen);
    return result;
}

/* A division by what the tile does not change is a product with its reciprocal. */
typedef struct Reciprocal {
    const GExpr *own, *other;
} Reciprocal;

static const GExpr *multiply_instead(void *context, Graph *g, const GExpr *e) {
    const Reciprocal *r = context;
    if (e->op != G_DIV || e->args[0]->op == G_CONST) return e;
    if (!reads_index(g, e->args[0], r->own) || !reads_index(g, e->args[0], r->other)) return e;
    if (reads_index(g, e->args[1], r->own) && reads_index(g, e->args[1], r->other)) return e;
    return gx2(g, G_MUL, e->args[0], gx2(g, G_DIV, gx_real(g, 1), e->args[1]));
}

const GExpr *stream_hoist(Graph *g, const GExpr *expr, const GExpr *own, const GExpr *other, bool guarded, Span span) {
    if (!expr) return NULL;
    Reciprocal r = {own, other};
    Hoist h = {.g = g, .own = own, .other = other, .span = span};
    return hoist(&h, gx_rewrite(g, expr, multiply_instead, &r), guarded);
}
