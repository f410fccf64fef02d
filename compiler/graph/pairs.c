/* Recognises arrays of pairs and the nodes that use them up (pairs.h).
 *
 * Both functions take a finished node apart and return false for anything they do not know. The
 * stream pass asks before it marks a product. The planner asks again for every node that reads a
 * marked product. So the two agree because they ask the same question, and no pass has to leave
 * notes for the planner. */
#include "compiler/graph/pairs.h"
#include "compiler/graph/visit.h"

#include <string.h>

/* ---- products -------------------------------------------------------------------------------- */

/* True if the subscripts of a load are plain indices. Rows of merged axes (x[r div C, r mod C, d])
 * are not evenly spaced in memory, so such a product is stored. */
static bool plain_indices(const GExpr *load) {
    for (int i = 0; i < load->tensor->rank; i++)
        if (load->args[i]->op == G_FLOORDIV || load->args[i]->op == G_MOD) return false;
    return true;
}

static bool is_operand(Graph *g, const GNode *node, const GExpr *e, Affine *at) {
    return e->op == G_LOAD && !e->has_else && e->tensor->type == GT_REAL && plain_indices(e) &&
           affine_load(e, at) && load_is_inside(g, node, e);
}

bool pair_product(Graph *g, const GNode *node, PairProduct *p) {
    memset(p, 0, sizeof *p);
    if (!node_is_real_sum(node) || !node_is_unconditional(node)) return false;
    if (node->rank != 2 || node->red_rank != 1 || node->value->op != G_MUL) return false;
    p->a = node->value->args[0];
    p->b = node->value->args[1];
    if (!is_operand(g, node, p->a, &p->at_a) || !is_operand(g, node, p->b, &p->at_b)) return false;
    if (p->at_a.factor[1]) { /* b reads the node's first index, so the two are swapped */
        PairProduct other = *p;
        p->a = other.b;
        p->b = other.a;
        p->at_a = other.at_b;
        p->at_b = other.at_a;
    }
    if (!p->at_a.factor[0] || p->at_a.factor[1] || !p->at_b.factor[1] || p->at_b.factor[0] ||
        !p->at_a.factor[2] || !p->at_b.factor[2])
        return false;
    p->rows = node->shape[0];
    p->columns = node->shape[1];
    p->depth = node->red_shape[0];
    p->symmetric = p->a->tensor == p->b->tensor && p->rows == p->columns &&
                   p->at_a.constant == p->at_b.constant && p->at_a.factor[0] == p->at_b.factor[1] &&
                   p->at_a.factor[2] == p->at_b.factor[2];
    return true;
}

/* ---- sinks ----------------------------------------------------------------------------------- */

typedef struct Reads {
    PairSink *sink;
    int first, second; /* the indices of the pair, in the order of the first read; -1: none yet */
    bool fits;
} Reads;

static void note_source(Reads *r, const GNode *node, bool swapped) {
    PairSink *s = r->sink;
    for (int i = 0; i < s->source_count; i++)
        if (s->sources[i] == node && s->swapped[i] == swapped) return;
    if (s->source_count == MOST_PAIR_SOURCES) {
        r->fits = false;
        return;
    }
    s->sources[s->source_count] = node;
    s->swapped[s->source_count++] = swapped;
}

static VisitStep note_pair_read(void *context, const GExpr *e) {
    Reads *r = context;
    if (e->op != G_LOAD || !e->tensor->streamed) return VISIT_INSIDE;
    const GExpr *x = e->args[0];
    const GExpr *y = e->args[1];
    if (x->op != G_INDEX || y->op != G_INDEX || x == y || e->has_else) {
        r->fits = false;
        return VISIT_PAST;
    }
    if (r->first < 0) {
        r->first = x->index;
        r->second = y->index;
    }
    bool same = x->index == r->first && y->index == r->second;
    if (!same && (x->index != r->second || y->index != r->first)) {
        r->fits = false;
    }
    note_source(r, e->tensor, !same);
    return VISIT_PAST;
}

/* Splits the value of a sink into weight * V[other, payload]. */
static bool split_weight(PairSink *s) {
    const GExpr *value = s->node->value;
    if (s->node->reducer != GR_SUM || s->node->type != GT_REAL || s->node->guard ||
        s->node->active || value->op != G_MUL)
        return false;
    for (int i = 0; i < 2; i++) {
        const GExpr *v = value->args[i];
        const GExpr *w = value->args[1 - i];
        uint32_t payload = 1u << s->payload;
        if (v->op != G_LOAD || v->has_else || v->tensor->streamed || v->tensor->type != GT_REAL ||
            !plain_indices(v) || !affine_load(v, &s->at_rows))
            continue;
        if (expr_index_mask(v) != (payload | 1u << s->other) || (expr_index_mask(w) & payload))
            continue;
        s->weight = w;
        s->rows = v;
        return true;
    }
    return false;
}

bool pair_sink(const GNode *node, PairSink *s) {
    memset(s, 0, sizeof *s);
    if (node->kind != GN_COMPUTE || node->red_rank != 1 || node->rank < 1 || node->rank > 2 ||
        node->active)
        return false;
    s->node = node;
    Reads r = {.sink = s, .first = -1, .fits = true};
    expr_visit(node->value, note_pair_read, &r);
    expr_visit(node->guard, note_pair_read, &r);
    if (!r.fits || r.first < 0) return false;
    s->other = node->rank;
    s->own = r.first == s->other ? r.second : r.first;
    if (s->own >= node->rank || (r.first != s->other && r.second != s->other)) return false;
    bool swap = r.first == s->other;
    for (int i = 0; i < s->source_count; i++)
        s->swapped[i] ^= swap;
    s->payload = node->rank == 1 ? -1 : 1 - s->own;
    return s->payload < 0 || split_weight(s);
}
