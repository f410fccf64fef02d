#include "compiler/passes/rewrite.h"

typedef struct Rewrite {
    GVisit visit;
    void *context;
    NodeVisit then;
    bool drop_stops;
} Rewrite;

static GNode *now(GNode *node) { return node->aux ? node->aux : node; }

static const GExpr *redirect(void *context, Graph *g, const GExpr *e) {
    const Rewrite *r = context;
    if (e->op == G_LOAD && now(e->tensor) != e->tensor)
        return gx_load(g, now(e->tensor), e->tensor->rank, e->args, e->has_else ? e->args[e->arg_count - 1] : NULL);
    return r->visit ? r->visit(r->context, g, e) : e;
}

static GNode *rebuild_call(Graph *g, GNode *node) {
    GNode *operands[COUPLET_CALL_OPERANDS];
    for (int i = 0; i < node->operand_count; i++) operands[i] = now(node->operands[i]);
    return graph_call_again(g, node, operands);
}

static GNode *rebuild(Graph *g, GNode *node, Rewrite *r) {
    GNode *operand = node->operand ? now(node->operand) : NULL;
    if (node->kind == GN_STOP && r->drop_stops) return operand;
    if (node->kind == GN_STOP) return operand == node->operand ? node : graph_stop(g, operand, node->span);
    if (node->kind == GN_TOPK) return operand == node->operand ? node : graph_topk(g, operand, node->shape[node->rank - 1], node->span);
    if (node->kind == GN_CALL) return rebuild_call(g, node);
    if (node->kind != GN_COMPUTE) return node;
    if (r->context) *(const GNode **)r->context = node;
    ComputeSpec spec;
    graph_open(g, node, &spec);
    spec.value = gx_rewrite(g, spec.value, redirect, r);
    spec.guard = gx_rewrite(g, spec.guard, redirect, r);
    spec.active = gx_rewrite(g, spec.active, redirect, r);
    GNode *made = graph_compute(g, &spec);
    return r->then ? r->then(g, made) : made;
}

static void rewrite_all(Graph *g, Rewrite *r) {
    int count = g->nodes.count;
    GNode **nodes = arena_array(g->arena, GNode *, count + 1);
    for (int i = 0; i < count; i++) {
        nodes[i] = g->nodes.items[i];
        nodes[i]->aux = NULL;
    }
    for (int i = 0; i < count; i++) nodes[i]->aux = rebuild(g, nodes[i], r);
    for (int i = 0; i < g->outputs.count; i++) g->outputs.items[i].node = now(g->outputs.items[i].node);
    for (int i = 0; i < g->commits.count; i++) {
        GCommit *c = &g->commits.items[i];
        c->value = now(c->value);
        if (c->rows) c->rows = now(c->rows);
    }
    for (int i = 0; i < count; i++) nodes[i]->aux = NULL;
}

void rewrite_nodes(Graph *g, GVisit visit, void *context, bool drop_stops) {
    Rewrite r = {visit, context, NULL, drop_stops};
    rewrite_all(g, &r);
}

void rewrite_each(Graph *g, NodeVisit then) {
    Rewrite r = {NULL, NULL, then, false};
    rewrite_all(g, &r);
}
