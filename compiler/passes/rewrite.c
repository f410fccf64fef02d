/* Makes the nodes of a graph anew, in order, with their expressions rewritten and their operands
 * replaced.
 *
 * Nodes are never changed, since equal nodes are shared: a rewritten node is another node. A table
 * by id leads from the old one to the new one meanwhile. The list of nodes grows while the walk
 * runs, so it goes over as many nodes as there were at the start; old ones stay until a prune. */
#include "compiler/passes/rewrite.h"

#include "compiler/graph/visit.h"

#include <assert.h>

typedef struct Rewrite {
    GVisit visit;
    void *context;
    NodeVisit then;
    NodeVisitIn then_in; /* the visit that is done in place of `then`, with its context */
    void *then_context;
    bool drop_stops;
    GNode **made; /* by the id of an old node; NULL: not reached yet */
    uint32_t ids;
} Rewrite;

static GNode *now(const Rewrite *r, GNode *node) {
    return node->id < r->ids && r->made[node->id] ? r->made[node->id] : node;
}

static const GExpr *redirect(void *context, Graph *g, const GExpr *e) {
    const Rewrite *r = context;
    if (e->op == G_LOAD && now(r, e->tensor) != e->tensor)
        return gx_load(g, now(r, e->tensor), e->tensor->rank, e->args,
                       e->has_else ? e->args[e->arg_count - 1] : NULL);
    return r->visit ? r->visit(r->context, g, e) : e;
}

GNode *rewrite_node(Graph *g, GNode *node, NodeMap current, GVisit visit, void *context) {
    assert(node->kind != GN_STOP);
    if (node->kind == GN_TOPK) {
        GNode *operand = current(context, node->operand);
        GNode *made = operand == node->operand
                          ? node
                          : graph_topk(g, operand, node->shape[node->rank - 1], node->span);
        if (!made->index_names) made->index_names = node->index_names;
        return made;
    }
    if (node->kind == GN_CALL) {
        GNode *operands[COUPLET_CALL_OPERANDS];
        for (int i = 0; i < node->operand_count; i++)
            operands[i] = current(context, node->operands[i]);
        return graph_call_again(g, node, operands);
    }
    if (node->kind != GN_COMPUTE) return node;
    ComputeSpec spec;
    graph_open(g, node, &spec);
    spec.value = gx_rewrite(g, spec.value, visit, context);
    spec.guard = gx_rewrite(g, spec.guard, visit, context);
    spec.active = gx_rewrite(g, spec.active, visit, context);
    return graph_compute(g, &spec);
}

static GNode *renewed(void *context, GNode *node) {
    return now(context, node);
}

static VisitStep find_renewed(void *context, const GExpr *e) {
    const Rewrite *r = context;
    const bool is_renewed = e->op == G_LOAD && now(r, e->tensor) != e->tensor;
    return is_renewed ? VISIT_END : VISIT_INSIDE;
}

/* True if the rewrite leaves the node as it is. This is asked of compute nodes alone, and saves
 * opening a node to no end. */
static bool stays(const GNode *node, Rewrite *r) {
    return node->kind == GN_COMPUTE && !r->visit && !expr_visit_node(node, find_renewed, r);
}

static GNode *rebuild(Graph *g, GNode *node, Rewrite *r) {
    GNode *operand = node->operand ? now(r, node->operand) : NULL;
    if (node->kind == GN_STOP && r->drop_stops) return operand;
    if (node->kind == GN_STOP)
        return operand == node->operand ? node : graph_stop(g, operand, node->span);
    const bool is_compute = node->kind == GN_COMPUTE;
    if (is_compute && r->context) *(const GNode **)r->context = node;
    GNode *made = stays(node, r) ? node : rewrite_node(g, node, renewed, redirect, r);
    if (r->then_in) return r->then_in(r->then_context, g, made);
    return r->then ? r->then(g, made) : made;
}

void rewrite_ends(Graph *g, NodeMap current, void *context) {
    for (int i = 0; i < g->outputs.count; i++)
        g->outputs.items[i].node = current(context, g->outputs.items[i].node);
    for (int i = 0; i < g->commits.count; i++) {
        GCommit *c = &g->commits.items[i];
        c->value = current(context, c->value);
        if (c->rows) c->rows = current(context, c->rows);
    }
}

static void rewrite_all(Graph *g, Rewrite *r) {
    int count = g->nodes.count;
    GNode **nodes = arena_array(g->arena, GNode *, count + 1);
    r->ids = graph_node_ids(g);
    r->made = arena_array(g->arena, GNode *, r->ids);
    for (int i = 0; i < count; i++)
        nodes[i] = g->nodes.items[i];
    for (int i = 0; i < count; i++)
        r->made[nodes[i]->id] = rebuild(g, nodes[i], r);
    rewrite_ends(g, renewed, r);
}

void rewrite_nodes(Graph *g, GVisit visit, void *context, bool drop_stops) {
    Rewrite r = {.visit = visit, .context = context, .drop_stops = drop_stops};
    rewrite_all(g, &r);
}

void rewrite_each(Graph *g, NodeVisit then) {
    Rewrite r = {.then = then};
    rewrite_all(g, &r);
}

void rewrite_each_in(Graph *g, NodeVisitIn then, void *context) {
    Rewrite r = {.then_in = then, .then_context = context};
    rewrite_all(g, &r);
}
