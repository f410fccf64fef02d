/* Adds one compute node: its samples, its value, and the terms that its guard lets in. */
#include "compiler/graph/loads.h"
#include "compiler/onnx/internal.h"

/* Finds the index that counts the samples. Returns false after a message, if a read has another
 * subscript than an index of the result for the samples, or if two reads have different indices. */
static bool find_samples(Onnx *o, const GNode *n) {
    const Loads loads = loads_of(o->arena, n);
    o->samples = -1;
    for (int i = 0; i < loads.items.count; i++) {
        const GExpr *load = loads.items.items[i];
        const int axis = o->tensors[load->tensor->id].samples;
        if (axis < 0) continue;
        const GExpr *at = load->args[axis];
        if (at->op == G_INDEX && (o->samples < 0 || o->samples == at->index) &&
            at->index < n->rank) {
            o->samples = at->index;
            continue;
        }
        onnx_refuse(o, n->span,
                    "the samples are read by another subscript than their own index here, and a "
                    "model of any number of them has no operator for that");
        return false;
    }
    return true;
}

static Value value_of(Onnx *o, const GNode *n) {
    Value value;
    if (n->reducer == GR_NONE || !n->red_rank) return onnx_value(o, n->value);
    if (onnx_window(o, &value) || onnx_product(o, &value)) return value;
    return onnx_reduce(o, onnx_value(o, n->value), n->guard);
}

static Value zero_of(Onnx *o, GType type) {
    if (type == GT_REAL) return onnx_real(o, 0);
    return type == GT_INT ? onnx_whole(o, 0) : onnx_truth(o, false);
}

bool onnx_compute(Onnx *o, const GNode *n) {
    o->node = n;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        o->extents[i] = i < n->rank + n->red_rank ? graph_extent(n, i) : 0;
    if (!find_samples(o, n)) return false;
    expr_map_open(&o->done);
    Value value = value_of(o, n);
    if (n->active && !o->failed)
        value = onnx_where(o, onnx_value(o, n->active), value, zero_of(o, n->type));
    expr_map_close(&o->done);
    const bool has_samples = o->samples >= 0 && value.mask >> o->samples & 1;
    o->tensors[n->id] = (Tensor){value.name, value.mask, has_samples ? o->samples : -1};
    return !o->failed;
}
