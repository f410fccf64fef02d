/* simplify: STOP nodes vanish (their work is done once differentiate has run), what became equal is shared, dead nodes go. Every node is
 * built anew in order, so the constructors' folding applies to it again. */
#include "compiler/passes/passes.h"

#include <string.h>

static GNode *now(GNode *node) { return node->aux ? node->aux : node; }

static const GExpr *redirect(void *context, Graph *g, const GExpr *e) {
    (void)context;
    if (e->op != G_LOAD || now(e->tensor) == e->tensor) return e;
    return gx_load(g, now(e->tensor), e->tensor->rank, e->args, e->has_else ? e->args[e->arg_count - 1] : NULL);
}

static GNode *rebuild(Graph *g, GNode *node) {
    if (node->kind == GN_STOP) return now(node->operand);
    if (node->kind == GN_TOPK) {
        GNode *operand = now(node->operand);
        return operand == node->operand ? node : graph_topk(g, operand, node->shape[node->rank - 1], node->span);
    }
    if (node->kind != GN_COMPUTE) return node;
    ComputeSpec spec;
    graph_open(g, node, &spec);
    spec.value = gx_rewrite(g, spec.value, redirect, NULL);
    if (spec.guard) spec.guard = gx_rewrite(g, spec.guard, redirect, NULL);
    if (spec.active) spec.active = gx_rewrite(g, spec.active, redirect, NULL);
    return graph_compute(g, &spec);
}

void pass_simplify(Graph *g) {
    graph_prune(g);
    int count = g->nodes.count;
    GNode **nodes = arena_array(g->arena, GNode *, count + 1);
    for (int i = 0; i < count; i++) {
        nodes[i] = g->nodes.items[i];
        nodes[i]->aux = NULL;
    }
    for (int i = 0; i < count; i++) nodes[i]->aux = rebuild(g, nodes[i]);
    for (int i = 0; i < g->outputs.count; i++) g->outputs.items[i].node = now(g->outputs.items[i].node);
    for (int i = 0; i < g->commits.count; i++) {
        GCommit *c = &g->commits.items[i];
        c->value = now(c->value);
        if (c->rows) c->rows = now(c->rows);
    }
    for (int i = 0; i < count; i++) nodes[i]->aux = NULL;
    graph_prune(g);
}
