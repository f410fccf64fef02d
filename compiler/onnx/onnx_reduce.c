/* Adds reductions of one array along its last axes. Reduced indices have higher numbers than those
 * of the result, so their axes come last. */
#include "compiler/onnx/internal.h"

#include <math.h>

static uint32_t reduced_indices(const GNode *n) {
    return ((1u << n->red_rank) - 1) << n->rank;
}

/* Returns the number of terms that one entry of the value stands for, if it does not depend on the
 * missing indices. */
static int64_t repeats(const Onnx *o, uint32_t missing) {
    int64_t count = 1;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        if (missing >> i & 1) count *= o->extents[i];
    return count;
}

/* Returns the value that a term has if a guard leaves it out, by which it does not count. */
static Value left_out_value(Onnx *o, GReducer reducer, GType type) {
    const double none = type == GT_INT ? 0 : INFINITY;
    switch (reducer) {
    case GR_NONE:
    case GR_SUM:
        return type == GT_REAL ? onnx_real(o, 0) : onnx_whole(o, 0);
    case GR_MAX:
    case GR_ARGMAX:
    case GR_LSE:
    case GR_LSE_REST:
        return type == GT_INT ? onnx_whole(o, INT32_MIN) : onnx_real(o, -none);
    case GR_MIN:
    case GR_ARGMIN:
        return type == GT_INT ? onnx_whole(o, INT32_MAX) : onnx_real(o, none);
    case GR_ANY:
        return onnx_truth(o, false);
    case GR_ALL:
        return onnx_truth(o, true);
    case GR_PROD:
        return onnx_real(o, 1);
    case GRAPH_REDUCERS:
        break;
    }
    return onnx_real(o, 0);
}

/* Reduces the last `count` axes. Operators of sums take their axes as an array, and the others as
 * an attribute. */
static const char *reduce(Onnx *o, const char *op, Value v, int count, bool keeps) {
    int64_t axes[GRAPH_MAX_RANK];
    const int rank = onnx_count(v.mask);
    for (int i = 0; i < count; i++)
        axes[i] = rank - count + i;
    const bool is_sum = op[6] == 'S';
    const OnnxAttribute attributes[] = {
        {.name = "keepdims", .kind = ONNX_ATTRIBUTE_INT, .number = keeps},
        {.name = "axes", .kind = ONNX_ATTRIBUTE_INTS, .numbers = axes, .count = count}};
    const char *const inputs[] = {v.name, is_sum ? onnx_ints(o->m, count, axes) : NULL};
    return onnx_operator(o->m, op, is_sum ? 2 : 1, inputs, is_sum ? 1 : 2, attributes);
}

static Value reduced(Onnx *o, const char *op, Value v, uint32_t indices) {
    const uint32_t own = v.mask & indices;
    return own ? (Value){reduce(o, op, v, onnx_count(own), false), v.type, v.mask & ~own} : v;
}

static Value sum(Onnx *o, Value v, uint32_t indices) {
    if (v.type == GT_BOOL) v = onnx_cast(o, v, GT_INT);
    const int64_t count = repeats(o, indices & ~v.mask);
    const Value total = reduced(o, "ReduceSum", v, indices);
    if (count == 1) return total;
    const Value times = v.type == GT_INT ? onnx_whole(o, count) : onnx_real(o, (double)count);
    return onnx_two(o, "Mul", total, times, v.type);
}

/* Reduces truth values as whole numbers, because runtimes have no maximum of truth values. */
static Value truth(Onnx *o, const char *op, Value v, uint32_t indices) {
    return onnx_cast(o, reduced(o, op, onnx_cast(o, v, GT_INT), indices), GT_BOOL);
}

/* Returns log(sum(exp(v))). The largest term, if it is finite, is taken out of the sum, so that no
 * exponential overflows. */
static Value log_of_sum(Onnx *o, Value v, uint32_t indices) {
    const uint32_t own = v.mask & indices;
    const int count = onnx_count(own);
    const int64_t terms = repeats(o, indices & ~v.mask);
    Value total = v;
    if (own) {
        const Value largest = {reduce(o, "ReduceMax", v, count, true), GT_REAL, v.mask};
        const Value infinite = onnx_one(o, "IsInf", largest, GT_BOOL);
        const Value shift = onnx_where(o, infinite, onnx_real(o, 0), largest);
        const Value parts = onnx_one(o, "Exp", onnx_two(o, "Sub", v, shift, GT_REAL), GT_REAL);
        const Value rest = {reduce(o, "ReduceSum", parts, count, false), GT_REAL, v.mask & ~own};
        const Value back = {reduce(o, "ReduceMax", shift, count, false), GT_REAL, v.mask & ~own};
        total = onnx_two(o, "Add", onnx_one(o, "Log", rest, GT_REAL), back, GT_REAL);
    }
    return terms == 1 ? total
                      : onnx_two(o, "Add", total, onnx_real(o, log((double)terms)), GT_REAL);
}

/* Returns the value with an axis for each reduced index. */
static Value expanded(Onnx *o, Value v, uint32_t indices) {
    const uint32_t mask = v.mask | indices;
    int64_t shape[GRAPH_MAX_INDICES];
    if (mask == v.mask) return v;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        if (mask >> i & 1) shape[onnx_axis(mask, i)] = indices >> i & 1 ? o->extents[i] : 1;
    const char *const inputs[] = {onnx_widen(o, v, mask).name,
                                  onnx_ints(o->m, onnx_count(mask), shape)};
    return (Value){onnx_operator(o->m, "Expand", 2, inputs, 0, NULL), v.type, mask};
}

/* Returns the value with the axes of its reduced indices, which are its last ones, as one axis. */
static const char *flattened(Onnx *o, Value v, uint32_t indices) {
    int64_t shape[GRAPH_MAX_INDICES];
    int rank = 0;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        if ((v.mask & ~indices) >> i & 1) shape[rank++] = i == o->samples ? -1 : o->extents[i];
    shape[rank++] = repeats(o, indices);
    const char *const inputs[] = {v.name, onnx_ints(o->m, rank, shape)};
    return onnx_operator(o->m, "Reshape", 2, inputs, 0, NULL);
}

/* Returns the place of the extremum in the reduced space, and of equal entries the lowest place.
 * Whole numbers are compared as doubles, because runtimes have no such operator for numbers of 64
 * bits. */
static Value reduced_place(Onnx *o, const char *op, Value v, uint32_t indices) {
    v = expanded(o, v, indices);
    const char *name = flattened(o, v, indices);
    const OnnxAttribute wide = {.name = "to", .kind = ONNX_ATTRIBUTE_INT, .number = ONNX_DOUBLE};
    if (v.type != GT_REAL) {
        name = onnx_operator(o->m, "Cast", 1, &name, 1, &wide);
    }
    const OnnxAttribute attributes[] = {
        {.name = "axis", .kind = ONNX_ATTRIBUTE_INT, .number = -1},
        {.name = "keepdims", .kind = ONNX_ATTRIBUTE_INT, .number = 0}};
    return (Value){onnx_operator(o->m, op, 1, &name, 2, attributes), GT_INT, v.mask & ~indices};
}

static Value guarded(Onnx *o, Value v, const GExpr *guard) {
    const GNode *n = o->node;
    const Value holds = onnx_value(o, guard);
    if (n->empty_is_error && !onnx_is_known(o, guard))
        return onnx_refuse(o, n->span,
                           "for some data there is no term here, which stops a run, and a model "
                           "gives no fault");
    if (v.type == GT_BOOL && n->reducer == GR_SUM) {
        v = onnx_cast(o, v, GT_INT);
    }
    return onnx_where(o, holds, v, left_out_value(o, n->reducer, v.type));
}

Value onnx_reduce(Onnx *o, Value v, const GExpr *guard) {
    const uint32_t indices = reduced_indices(o->node);
    if (guard) v = guarded(o, v, guard);
    if (o->failed) return v;
    if (gx_sum_may_wrap(o->g, o->node))
        return onnx_refuse(o, o->node->span,
                           "a sum of whole numbers may leave 64 bits here, which stops a run, and "
                           "a model gives no fault");
    switch (o->node->reducer) {
    case GR_NONE:
        return v;
    case GR_SUM:
        return sum(o, v, indices);
    case GR_MAX:
        return reduced(o, "ReduceMax", v, indices);
    case GR_MIN:
        return reduced(o, "ReduceMin", v, indices);
    case GR_ARGMAX:
        return reduced_place(o, "ArgMax", v, indices);
    case GR_ARGMIN:
        return reduced_place(o, "ArgMin", v, indices);
    case GR_ANY:
        return truth(o, "ReduceMax", v, indices);
    case GR_ALL:
        return truth(o, "ReduceMin", v, indices);
    case GR_LSE:
        return log_of_sum(o, v, indices);
    case GR_PROD:
        return reduced(o, "ReduceProd", expanded(o, v, indices), indices);
    case GR_LSE_REST:
    case GRAPH_REDUCERS:
        break;
    }
    return onnx_refuse(o, o->node->span, "ONNX has no operator for this reduction");
}
