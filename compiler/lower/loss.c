/* Which formulas are the loss's: those between it and what the networks give. Spans survive every
 * pass and go with each gradient, so a kernel belongs to the loss when its span does. */
#include "compiler/lower/internal.h"

typedef struct LossWalk {
    Lower *l;
    ARRAY(const GExpr *) seen;
} LossWalk;

static void visit_node(LossWalk *w, GNode *node);

static void visit_expr(LossWalk *w, const GExpr *e) {
    if (!e || (e->arg_count == 0 && e->op != G_LOAD)) return;
    for (int i = 0; i < w->seen.count; i++)
        if (w->seen.items[i] == e) return;
    array_push(w->l->arena, &w->seen, e);
    if (e->op == G_LOAD) visit_node(w, e->tensor);
    for (int i = 0; i < e->arg_count; i++)
        visit_expr(w, e->args[i]);
}

static void add_span(LossWalk *w, Span span) {
    Graph *g = w->l->g;
    for (int i = 0; i < g->loss.count; i++)
        if (span_same(g->loss.items[i], span)) return;
    if (span.source) array_push(w->l->arena, &g->loss, span);
}

static void visit_node(LossWalk *w, GNode *node) {
    if (!node || node->mark) return;
    node->mark = 1;
    for (int i = 0; i < w->l->applied.count; i++)
        if (w->l->applied.items[i] == node) return;
    if (node->kind != GN_COMPUTE && node->kind != GN_TOPK && node->kind != GN_CALL &&
        node->kind != GN_STOP)
        return;
    add_span(w, node->span);
    visit_node(w, node->operand);
    for (int i = 0; i < node->operand_count; i++)
        visit_node(w, node->operands[i]);
    visit_expr(w, node->value);
    visit_expr(w, node->guard);
    visit_expr(w, node->active);
}

void lower_note_loss_formulas(Lower *l, GNode *loss) {
    LossWalk w = {.l = l};
    for (int i = 0; i < l->g->nodes.count; i++)
        l->g->nodes.items[i]->mark = 0;
    visit_node(&w, loss);
    for (int i = 0; i < l->g->nodes.count; i++)
        l->g->nodes.items[i]->mark = 0;
}
