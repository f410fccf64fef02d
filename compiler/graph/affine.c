#include "compiler/graph/affine.h"

#include <string.h>

enum { SMALLEST_PRODUCT = 1 << 15, SMALLEST_SIDE = 4 };

static void add_scaled(Affine *to, const Affine *from, int64_t by) {
    to->constant += by * from->constant;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++) to->factor[i] += by * from->factor[i];
}

static bool collect(const GExpr *e, int64_t by, Affine *out) {
    switch (e->op) {
    case G_CONST:
        if (e->type != GT_INT) return false;
        out->constant += by * e->integer;
        return true;
    case G_INDEX:
        if (e->index < 0 || e->index >= GRAPH_MAX_INDICES) return false;
        out->factor[e->index] += by;
        return true;
    case G_ADD: return collect(e->args[0], by, out) && collect(e->args[1], by, out);
    case G_SUB: return collect(e->args[0], by, out) && collect(e->args[1], -by, out);
    case G_NEG: return collect(e->args[0], -by, out);
    case G_MUL:
        if (e->args[1]->op == G_CONST) return collect(e->args[0], by * e->args[1]->integer, out);
        return e->args[0]->op == G_CONST && collect(e->args[1], by * e->args[0]->integer, out);
    default: return false;
    }
}

bool affine_of(const GExpr *e, Affine *out) {
    memset(out, 0, sizeof *out);
    return e->type == GT_INT && collect(e, 1, out);
}

bool affine_load(const GExpr *load, Affine *out) {
    memset(out, 0, sizeof *out);
    int64_t stride = 1;
    for (int i = load->tensor->rank - 1; i >= 0; i--) {
        Affine axis;
        if (!affine_of(load->args[i], &axis)) return false;
        add_scaled(out, &axis, stride);
        stride *= load->tensor->shape[i];
    }
    return true;
}

static void extents_of(const GNode *node, int64_t *extents) {
    memset(extents, 0, sizeof(int64_t) * 2 * GRAPH_MAX_RANK);
    for (int i = 0; i < node->rank; i++) extents[i] = node->shape[i];
    for (int i = 0; i < node->red_rank; i++) extents[node->rank + i] = node->red_shape[i];
}

bool load_is_inside(Graph *g, const GNode *node, const GExpr *load) {
    int64_t extents[2 * GRAPH_MAX_RANK], low, high;
    extents_of(node, extents);
    for (int i = 0; i < load->tensor->rank; i++)
        if (!gx_range(g, load->args[i], extents, &low, &high) || low < 0 || high >= load->tensor->shape[i]) return false;
    return true;
}

static bool is_operand(Graph *g, const GNode *node, const GExpr *e, Affine *at) {
    return e->op == G_LOAD && e->tensor->type == GT_REAL && affine_load(e, at) && load_is_inside(g, node, e);
}

static void append(int *list, int *count, int64_t *size, int index, int64_t extent) {
    list[(*count)++] = index;
    *size *= extent;
}

/* Sorts the node's indices; false when one is read by neither operand, or when a side would be empty. */
static bool sort_indices(const GNode *node, ProductForm *p) {
    p->m_count = p->n_count = p->z_count = p->k_count = 0;
    p->m_size = p->n_size = p->z_size = p->k_size = 1;
    for (int i = 0; i < node->rank; i++) {
        bool a = p->at_a.factor[i] != 0, b = p->at_b.factor[i] != 0;
        int64_t extent = node->shape[i];
        if (a && b) append(p->z, &p->z_count, &p->z_size, i, extent);
        else if (b) append(p->n, &p->n_count, &p->n_size, i, extent);
        else append(p->m, &p->m_count, &p->m_size, i, extent);
    }
    for (int i = 0; i < node->red_rank; i++) append(p->k, &p->k_count, &p->k_size, node->rank + i, node->red_shape[i]);
    return p->n_size >= SMALLEST_SIDE && p->m_size >= SMALLEST_SIDE && p->m_size * p->n_size * p->k_size >= SMALLEST_PRODUCT;
}

bool product_form(Graph *g, const GNode *node, ProductForm *p) {
    memset(p, 0, sizeof *p);
    if (node->kind != GN_COMPUTE || node->reducer != GR_SUM || node->type != GT_REAL || node->guard || node->active) return false;
    const GExpr *v = node->value;
    if (v->op != G_MUL || !is_operand(g, node, v->args[0], &p->at_a) || !is_operand(g, node, v->args[1], &p->at_b)) return false;
    p->a = v->args[0];
    p->b = v->args[1];
    int64_t stride = 1;
    for (int i = node->rank - 1; i >= 0; i--) {
        p->at_y.factor[i] = stride;
        stride *= node->shape[i];
    }
    ProductForm other = *p;
    other.a = p->b;
    other.b = p->a;
    other.at_a = p->at_b;
    other.at_b = p->at_a;
    bool first = sort_indices(node, p), second = sort_indices(node, &other);
    if (!first && !second) return false;
    if (!first || (second && other.n_size < p->n_size && other.n_size >= 16)) *p = other;
    return true;
}
