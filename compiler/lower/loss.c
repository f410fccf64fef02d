/* Finds the formulas of the loss, which are those between the loss and what the networks give. A
 * span survives every pass, and a gradient has the span of its formula. So a kernel belongs to the
 * loss if its span does. */
#include "compiler/graph/node_set.h"
#include "compiler/graph/visit.h"
#include "compiler/lower/internal.h"

typedef struct LossWalk {
    Lower *l;
    NodeSet seen;
    ExprMap met; /* the expressions, of all formulas, that were visited */
} LossWalk;

static void visit_node(LossWalk *w, GNode *node);

static VisitStep visit_operand(void *context, const GExpr *e) {
    if (e->op == G_LOAD) visit_node(context, e->tensor);
    return VISIT_INSIDE;
}

static void add_span(LossWalk *w, Span span) {
    Graph *g = w->l->g;
    for (int i = 0; i < g->loss.count; i++)
        if (span_same(g->loss.items[i], span)) return;
    if (span.source) array_push(w->l->arena, &g->loss, span);
}

static void visit_node(LossWalk *w, GNode *node) {
    if (!node || !node_set_add(&w->seen, node)) return;
    for (int i = 0; i < w->l->applied.count; i++)
        if (w->l->applied.items[i] == node) return;
    if (!node_is_made(node) && node->kind != GN_STOP) return;
    add_span(w, node->span);
    visit_node(w, node->operand);
    for (int i = 0; i < node->operand_count; i++)
        visit_node(w, node->operands[i]);
    expr_visit_rest(&w->met, node->value, visit_operand, w);
    expr_visit_rest(&w->met, node->guard, visit_operand, w);
    expr_visit_rest(&w->met, node->active, visit_operand, w);
}

void lower_note_loss_formulas(Lower *l, GNode *loss) {
    LossWalk w = {.l = l};
    node_set_open(&w.seen, l->g);
    expr_map_open(&w.met);
    visit_node(&w, loss);
    expr_map_close(&w.met);
    node_set_close(&w.seen);
}
