/* What must hold of every graph, after every pass. */
#include "compiler/graph/graph.h"

#include <string.h>

typedef struct Verify {
    const Graph *g;
    const GNode *node;
    char *sentence;
    size_t size;
} Verify;

static bool wrong(Verify *v, const char *what) {
    snprintf(v->sentence, v->size, "node %%%u%s%s %s", v->node->id, v->node->name ? " " : "", v->node->name ? v->node->name : "", what);
    return false;
}

static bool check_expr(Verify *v, const GExpr *e, int index_count) {
    if (e->op == G_INDEX) return (e->index >= 0 && e->index < index_count) || wrong(v, "uses an index that is not its own");
    if (e->op == G_LOAD) {
        if (e->tensor->mark != 1) return wrong(v, "reads a node that does not come before it");
        if (e->arg_count != e->tensor->rank + (e->has_else ? 1 : 0)) return wrong(v, "reads with a wrong number of indices");
        for (int i = 0; i < e->tensor->rank; i++)
            if (e->args[i]->type != GT_INT) return wrong(v, "reads at an index that is no integer");
        if (e->has_else && e->args[e->tensor->rank]->type != e->type) return wrong(v, "reads with an else of another type");
    }
    if (e->op == G_SELECT && (e->args[0]->type != GT_BOOL || e->args[1]->type != e->args[2]->type)) return wrong(v, "selects between unlike types");
    bool arithmetic = e->op == G_ADD || e->op == G_SUB || e->op == G_MUL || e->op == G_DIV || e->op == G_MAX || e->op == G_MIN;
    if (arithmetic && e->args[0]->type != e->args[1]->type) return wrong(v, "mixes types in arithmetic");
    for (int i = 0; i < e->arg_count; i++)
        if (!check_expr(v, e->args[i], index_count)) return false;
    return true;
}

static bool check_node(Verify *v, const GNode *n) {
    v->node = n;
    for (int i = 0; i < n->rank; i++)
        if (n->shape[i] < 1) return wrong(v, "has an empty axis");
    if (n->kind != GN_COMPUTE) return !n->operand || n->operand->mark == 1 || wrong(v, "reads a node that does not come before it");
    if ((n->reducer == GR_NONE) != (n->red_rank == 0) && n->reducer == GR_NONE) return wrong(v, "has reduced indices and no reducer");
    if (n->guard && (n->guard->type != GT_BOOL || !check_expr(v, n->guard, n->rank + n->red_rank))) return v->sentence[0] ? false : wrong(v, "has a guard that is no condition");
    if (n->active && (n->active->type != GT_BOOL || !check_expr(v, n->active, n->rank))) return v->sentence[0] ? false : wrong(v, "has an active that is no condition");
    return check_expr(v, n->value, n->rank + n->red_rank);
}

const char *graph_verify(const Graph *g) {
    Verify v = {.g = g, .sentence = arena_alloc(g->arena, 512), .size = 512};
    bool good = true;
    for (int i = 0; i < g->nodes.count; i++) g->nodes.items[i]->mark = 0;
    for (int i = 0; good && i < g->nodes.count; i++) {
        good = check_node(&v, g->nodes.items[i]);
        g->nodes.items[i]->mark = 1;
    }
    for (int i = 0; good && i < g->outputs.count; i++) {
        v.node = g->outputs.items[i].node;
        if (v.node->mark != 1) good = wrong(&v, "is an output and not in the graph");
    }
    for (int i = 0; i < g->nodes.count; i++) g->nodes.items[i]->mark = 0;
    return good ? NULL : v.sentence;
}
