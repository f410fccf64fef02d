/* Checks the rows of properties.def. Each function returns a node that breaks the property, or
 * NULL. The graph must be one that graph_verify accepts. */
#include "compiler/graph/properties.h"
#include "compiler/graph/node_set.h"

#include "compiler/graph/pairs.h"
#include "compiler/graph/visit.h"

const PropertyRow graph_properties[GRAPH_PROPERTIES] = {
#define PROPERTY(name, sentence) {#name, sentence},
#include "compiler/graph/properties.def"
#undef PROPERTY
};

static const GNode *check_no_stops(Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->kind == GN_STOP) return g->nodes.items[i];
    return NULL;
}

static const GNode *check_no_pairs(Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->streamed) return g->nodes.items[i];
    return NULL;
}

static VisitStep find_streamed(void *context, const GExpr *e) {
    (void)context;
    return e->op == G_LOAD && e->tensor->streamed ? VISIT_END : VISIT_INSIDE;
}

static bool is_streamed(const GNode *n) {
    return n && n->streamed;
}

static bool calls_with_streamed(const GNode *n) {
    for (int i = 0; i < n->operand_count; i++)
        if (is_streamed(n->operands[i])) return true;
    return is_streamed(n->operand);
}

/* Returns a node that looks at a streamed array and is no sink. A streamed array is never stored,
 * so no other node may read it. */
static const GNode *check_sinks(Graph *g) {
    PairProduct product;
    PairSink sink;
    for (int i = 0; i < g->nodes.count; i++) {
        const GNode *n = g->nodes.items[i];
        if (n->streamed && !pair_product(g, n, &product)) return n;
        if (calls_with_streamed(n)) return n;
        if (expr_visit_node(n, find_streamed, NULL) && !pair_sink(n, &sink)) return n;
    }
    for (int i = 0; i < g->outputs.count; i++)
        if (is_streamed(g->outputs.items[i].node)) return g->outputs.items[i].node;
    for (int i = 0; i < g->commits.count; i++)
        if (is_streamed(g->commits.items[i].value)) return g->commits.items[i].value;
    return NULL;
}

static const GNode *check_no_copies(Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->again) return g->nodes.items[i];
    return NULL;
}

static const GNode *check_live(Graph *g) {
    const GNode *dead = NULL;
    NodeSet reached;
    node_set_open(&reached, g);
    graph_add_reached(g, &reached);
    for (int i = 0; i < g->nodes.count && !dead; i++)
        if (!node_set_holds(&reached, g->nodes.items[i])) dead = g->nodes.items[i];
    node_set_close(&reached);
    return dead;
}

const char *graph_lacks(Graph *g, unsigned properties) {
    static const GNode *(*const checks[GRAPH_PROPERTIES])(Graph *) = {
#define PROPERTY(name, sentence) check_##name,
#include "compiler/graph/properties.def"
#undef PROPERTY
    };
    for (int i = 0; i < GRAPH_PROPERTIES; i++) {
        const GNode *node = properties & 1u << i ? checks[i](g) : NULL;
        if (node)
            return arena_printf(g->arena, "node %%%u is against `%s`: %s", node->id,
                                graph_properties[i].name, graph_properties[i].sentence);
    }
    return NULL;
}
