/* Finds out whether an index expression is a constant plus multiples of indices. Products of
 * arrays, arrays of pairs and proofs of ranges work on this form.
 *
 * Only sums, differences, negation and products with a constant are affine here. Quotients and
 * remainders are not, even where they could be solved: graph/product.c handles those of a region,
 * and passes/solve.c those of a gradient. An expression that is large as a tree counts as not
 * affine, since it is walked as a tree. */
#include "compiler/graph/affine.h"

#include "compiler/graph/visit.h"

#include <string.h>

static void add_scaled(Affine *to, const Affine *from, int64_t by) {
    to->constant += by * from->constant;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        to->factor[i] += by * from->factor[i];
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
    case G_ADD:
        return collect(e->args[0], by, out) && collect(e->args[1], by, out);
    case G_SUB:
        return collect(e->args[0], by, out) && collect(e->args[1], -by, out);
    case G_NEG:
        return collect(e->args[0], -by, out);
    case G_MUL:
        if (e->args[1]->op == G_CONST) return collect(e->args[0], by * e->args[1]->integer, out);
        return e->args[0]->op == G_CONST && collect(e->args[1], by * e->args[0]->integer, out);
    default:
        return false;
    }
}

bool affine_of(const GExpr *e, Affine *out) {
    memset(out, 0, sizeof *out);
    return e->type == GT_INT && expr_is_small_tree(e) && collect(e, 1, out);
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
    for (int i = 0; i < node->rank; i++)
        extents[i] = node->shape[i];
    for (int i = 0; i < node->red_rank; i++)
        extents[node->rank + i] = node->red_shape[i];
}

bool load_is_inside(Graph *g, const GNode *node, const GExpr *load) {
    int64_t extents[2 * GRAPH_MAX_RANK], low, high;
    extents_of(node, extents);
    for (int i = 0; i < load->tensor->rank; i++)
        if (!gx_range(g, load->args[i], extents, &low, &high) || low < 0 ||
            high >= load->tensor->shape[i])
            return false;
    return true;
}
