/* Makes the operations of a formula from operators of ONNX. */
#include "compiler/onnx/internal.h"

#include <math.h>
#include <string.h>

/* ---- single operators ------------------------------------------------------------------------ */

int onnx_axis(uint32_t mask, int index) {
    return onnx_count(mask & ((1u << index) - 1));
}

int onnx_count(uint32_t mask) {
    return __builtin_popcount(mask);
}

Value onnx_real(Onnx *o, double value) {
    const float real = (float)value;
    return (Value){onnx_constant(o->m, ONNX_FLOAT, 0, NULL, &real), GT_REAL, 0};
}

Value onnx_whole(Onnx *o, int64_t value) {
    return (Value){onnx_constant(o->m, ONNX_INT64, 0, NULL, &value), GT_INT, 0};
}

Value onnx_truth(Onnx *o, bool value) {
    const unsigned char byte = value;
    return (Value){onnx_constant(o->m, ONNX_BOOL, 0, NULL, &byte), GT_BOOL, 0};
}

Value onnx_one(Onnx *o, const char *op, Value a, GType type) {
    return (Value){onnx_operator(o->m, op, 1, &a.name, 0, NULL), type, a.mask};
}

Value onnx_cast(Onnx *o, Value a, GType type) {
    const OnnxAttribute to = {.name = "to", .kind = ONNX_ATTRIBUTE_INT, .number = onnx_type(type)};
    if (a.type == type) return a;
    return (Value){onnx_operator(o->m, "Cast", 1, &a.name, 1, &to), type, a.mask};
}

Value onnx_widen(Onnx *o, Value a, uint32_t mask) {
    int64_t axes[GRAPH_MAX_INDICES];
    int count = 0;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        if ((mask & ~a.mask) >> i & 1) axes[count++] = onnx_axis(mask, i);
    if (!count) return a;
    const char *const inputs[] = {a.name, onnx_ints(o->m, count, axes)};
    return (Value){onnx_operator(o->m, "Unsqueeze", 2, inputs, 0, NULL), a.type, mask};
}

/* Returns the array with an axis of one entry for each axis of the mask that is missing behind its
 * own first axis. Operators add the missing axes in front by themselves. */
static const char *lined_up(Onnx *o, Value a, uint32_t mask) {
    if (!a.mask) return a.name;
    const uint32_t before = (a.mask & -a.mask) - 1;
    return onnx_widen(o, a, mask & ~before).name;
}

Value onnx_two(Onnx *o, const char *op, Value a, Value b, GType type) {
    const uint32_t mask = a.mask | b.mask;
    const char *const inputs[] = {lined_up(o, a, mask), lined_up(o, b, mask)};
    return (Value){onnx_operator(o->m, op, 2, inputs, 0, NULL), type, mask};
}

/* Returns the choice between two truth values, made of `And`, `Or` and `Not`, because runtimes of
 * ONNX have no `Where` for truth values. */
static Value choose_truth(Onnx *o, Value condition, Value then, Value otherwise) {
    const Value other = onnx_one(o, "Not", condition, GT_BOOL);
    return onnx_two(o, "Or", onnx_two(o, "And", condition, then, GT_BOOL),
                    onnx_two(o, "And", other, otherwise, GT_BOOL), GT_BOOL);
}

Value onnx_where(Onnx *o, Value condition, Value then, Value otherwise) {
    if (then.type == GT_BOOL) return choose_truth(o, condition, then, otherwise);
    const uint32_t mask = condition.mask | then.mask | otherwise.mask;
    const char *const inputs[] = {lined_up(o, condition, mask), lined_up(o, then, mask),
                                  lined_up(o, otherwise, mask)};
    return (Value){onnx_operator(o->m, "Where", 3, inputs, 0, NULL), then.type, mask};
}

const char *onnx_transpose(Onnx *o, const char *name, int rank, const int *order) {
    int64_t perm[GRAPH_MAX_INDICES];
    bool same = true;
    for (int i = 0; i < rank; i++) {
        perm[i] = order[i];
        same &= order[i] == i;
    }
    const OnnxAttribute a = {
        .name = "perm", .kind = ONNX_ATTRIBUTE_INTS, .numbers = perm, .count = rank};
    return same ? name : onnx_operator(o->m, "Transpose", 1, &name, 1, &a);
}

/* ---- what is known when the model is made ---------------------------------------------------- */

static VisitStep find_unknown(void *context, const GExpr *e) {
    const Onnx *o = context;
    const bool is_known = e->type != GT_REAL && e->op != G_LOAD && e->op != G_RANDOM &&
                          !(e->op == G_INDEX && e->index == o->samples);
    return is_known ? VISIT_INSIDE : VISIT_END;
}

bool onnx_is_known(const Onnx *o, const GExpr *e) {
    return expr_is_small_tree(e) && !expr_visit(e, find_unknown, (void *)o);
}

bool onnx_known(const GExpr *e, const int64_t *indices, int64_t *out) {
    int64_t values[GRAPH_MAX_RANK + 1] = {0};
    if (e->op == G_CONST) return *out = e->integer, true;
    if (e->op == G_INDEX) return *out = indices[e->index], true;
    for (int i = 0; i < e->arg_count; i++)
        if (!onnx_known(e->args[i], indices, &values[i])) return false;
    if (e->op == G_SELECT) return *out = values[0] ? values[1] : values[2], true;
    return gx_of_ints(e->op, values, out);
}

/* The most entries of an array that a model holds instead of computing them. */
enum { MOST_KNOWN = 1 << 22 };

/* Goes on to the next values of the indices of the mask, the last one fastest. */
static void step_indices(const Onnx *o, uint32_t mask, int64_t *indices) {
    for (int i = GRAPH_MAX_INDICES - 1; i >= 0; i--) {
        if (!(mask >> i & 1)) continue;
        if (++indices[i] < o->extents[i]) return;
        indices[i] = 0;
    }
}

int64_t *onnx_known_values(Onnx *o, const GExpr *e, uint32_t mask, int64_t *count) {
    int64_t indices[GRAPH_MAX_INDICES] = {0};
    *count = 1;
    for (int i = 0; i < GRAPH_MAX_INDICES && *count <= MOST_KNOWN; i++)
        if (mask >> i & 1) *count *= o->extents[i];
    if (*count > MOST_KNOWN) return NULL;
    int64_t *values = arena_array(o->arena, int64_t, *count + 1);
    for (int64_t at = 0; at < *count; at++, step_indices(o, mask, indices))
        if (!onnx_known(e, indices, &values[at])) return NULL;
    return values;
}

Value onnx_known_array(Onnx *o, const int64_t *values, uint32_t mask, GType type) {
    int64_t shape[GRAPH_MAX_INDICES];
    int64_t count = 1;
    int rank = 0;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        if (mask >> i & 1) count *= shape[rank++] = o->extents[i];
    unsigned char *truths =
        type == GT_BOOL ? arena_array(o->arena, unsigned char, count + 1) : NULL;
    for (int64_t i = 0; truths && i < count; i++)
        truths[i] = values[i] != 0;
    const void *data = truths ? (const void *)truths : values;
    return (Value){onnx_constant(o->m, onnx_type(type), rank, shape, data), type, mask};
}

/* ---- operations ------------------------------------------------------------------------------ */

/* exp(x) - 1 = tanh(x / 2) (exp(x) + 1), which keeps its digits near 0. */
static Value exp_less_one(Onnx *o, Value x) {
    const Value half = onnx_two(o, "Mul", x, onnx_real(o, 0.5), GT_REAL);
    const Value sum = onnx_two(o, "Add", onnx_one(o, "Exp", x, GT_REAL), onnx_real(o, 1), GT_REAL);
    return onnx_two(o, "Mul", onnx_one(o, "Tanh", half, GT_REAL), sum, GT_REAL);
}

/* log(1 + x) = 2 atanh(x / (2 + x)), which keeps its digits near 0. It is taken for x below 0.5 in
 * size. */
static Value log_of_one_more(Onnx *o, Value x) {
    const Value near =
        onnx_two(o, "Less", onnx_one(o, "Abs", x, GT_REAL), onnx_real(o, 0.5), GT_BOOL);
    const Value ratio =
        onnx_two(o, "Div", x, onnx_two(o, "Add", x, onnx_real(o, 2), GT_REAL), GT_REAL);
    const Value small =
        onnx_two(o, "Mul", onnx_one(o, "Atanh", ratio, GT_REAL), onnx_real(o, 2), GT_REAL);
    const Value large =
        onnx_one(o, "Log", onnx_two(o, "Add", x, onnx_real(o, 1), GT_REAL), GT_REAL);
    return onnx_where(o, near, small, large);
}

/* Returns the quotient rounded towards minus infinity, as the language means it. `Div` of ONNX
 * rounds towards 0, so the rest is taken away first. */
static Value floor_div(Onnx *o, Value a, Value b) {
    const Value rest = onnx_two(o, "Mod", a, b, GT_INT);
    return onnx_two(o, "Div", onnx_two(o, "Sub", a, rest, GT_INT), b, GT_INT);
}

static Value is_finite(Onnx *o, Value x) {
    const Value none = onnx_two(o, "Or", onnx_one(o, "IsInf", x, GT_BOOL),
                                onnx_one(o, "IsNaN", x, GT_BOOL), GT_BOOL);
    return onnx_one(o, "Not", none, GT_BOOL);
}

/* True if a divisor may be 0, which stops a run and ends the process of a runtime of ONNX. */
static bool may_divide_by_0(Onnx *o, const GExpr *e) {
    int64_t low;
    int64_t high;
    return !gx_range_of_data(o->g, e->args[1], o->extents, &low, &high) || (low <= 0 && high >= 0);
}

/* True for a real that is rounded to a whole number and used as a real again, for which the model
 * converts nothing. A value that is no whole number even then, such as NaN, stays as it is in the
 * model, while a run stops with it. */
static bool is_rounded(const GExpr *e) {
    const GExpr *whole = e->op == G_TO_REAL ? e->args[0] : NULL;
    return whole && whole->op == G_TO_INT &&
           (whole->args[0]->op == G_FLOOR || whole->args[0]->op == G_CEIL ||
            whole->args[0]->op == G_ROUND);
}

/* Returns the operator of ONNX that does the operation, or NULL if no single operator does. */
static const char *operator_of(GOp op) {
    static const char *const names[G_OP_COUNT] = {
        [G_ADD] = "Add",         [G_SUB] = "Sub",           [G_MUL] = "Mul",   [G_DIV] = "Div",
        [G_NEG] = "Neg",         [G_POW] = "Pow",           [G_MAX] = "Max",   [G_MIN] = "Min",
        [G_EXP] = "Exp",         [G_LOG] = "Log",           [G_SQRT] = "Sqrt", [G_TANH] = "Tanh",
        [G_SIGMOID] = "Sigmoid", [G_SOFTPLUS] = "Softplus", [G_ERF] = "Erf",   [G_SIN] = "Sin",
        [G_COS] = "Cos",         [G_ABS] = "Abs",           [G_SIGN] = "Sign", [G_FLOOR] = "Floor",
        [G_CEIL] = "Ceil",       [G_ROUND] = "Round",       [G_MOD] = "Mod",   [G_LT] = "Less",
        [G_LE] = "LessOrEqual",  [G_EQ] = "Equal",          [G_AND] = "And",   [G_OR] = "Or",
        [G_NOT] = "Not"};
    return names[op];
}

static Value inverse_root(Onnx *o, Value x) {
    const Value root = onnx_one(o, "Sqrt", x, GT_REAL);
    return onnx_one(o, "Reciprocal", root, GT_REAL);
}

static Value unequal(Onnx *o, Value a, Value b) {
    const Value equal = onnx_two(o, "Equal", a, b, GT_BOOL);
    return onnx_one(o, "Not", equal, GT_BOOL);
}

/* Adds an operation that needs several operators, or an operator with other arguments. */
static Value compose(Onnx *o, const GExpr *e, const Value *args) {
    if (e->op == G_EXPM1) return exp_less_one(o, args[0]);
    if (e->op == G_LOG1P) return log_of_one_more(o, args[0]);
    if (e->op == G_RSQRT) return inverse_root(o, args[0]);
    if (e->op == G_TO_REAL || e->op == G_TO_INT) return onnx_cast(o, args[0], e->type);
    if (e->op == G_FLOORDIV) return floor_div(o, args[0], args[1]);
    if (e->op == G_NE) return unequal(o, args[0], args[1]);
    if (e->op == G_IS_FINITE) return is_finite(o, args[0]);
    if (e->op == G_SELECT) return onnx_where(o, args[0], args[1], args[2]);
    return onnx_refuse(o, o->node->span, "ONNX has no operator for this formula");
}

static Value operation(Onnx *o, const GExpr *e) {
    Value args[3];
    const char *op = operator_of(e->op);
    if (e->op == G_ROOT) return onnx_value(o, e->args[1]);
    if ((e->op == G_FLOORDIV || e->op == G_MOD) && may_divide_by_0(o, e))
        return onnx_refuse(
            o, o->node->span,
            "a divisor may be 0 here, which stops a run, and a model gives no fault");
    if (e->type == GT_INT && e->op != G_TO_INT && gx_may_wrap(o->g, e, o->extents))
        return onnx_refuse(o, o->node->span,
                           "whole numbers may leave 64 bits here, which stops a run, and a model "
                           "gives no fault");
    if (is_rounded(e)) return onnx_value(o, e->args[0]->args[0]);
    for (int i = 0; i < e->arg_count && i < 3; i++)
        args[i] = onnx_value(o, e->args[i]);
    if (o->failed) return args[0];
    if (!op) return compose(o, e, args);
    return e->arg_count == 1 ? onnx_one(o, op, args[0], e->type)
                             : onnx_two(o, op, args[0], args[1], e->type);
}

/* Returns the values of an index, 0 and up, as a constant. The index of the samples has no such
 * values and is refused. */
static Value index_values(Onnx *o, int index) {
    const int64_t count = o->extents[index];
    if (index == o->samples)
        return onnx_refuse(o, o->node->span,
                           "the features of a sample depend on its place among the others here");
    int64_t *values = arena_array(o->arena, int64_t, count + 1);
    for (int64_t i = 0; i < count; i++)
        values[i] = i;
    return onnx_known_array(o, values, 1u << index, GT_INT);
}

static Value make_value(Onnx *o, const GExpr *e) {
    int64_t count;
    if (e->op == G_LOAD) return onnx_read(o, e);
    if (e->op == G_CONST && e->type == GT_REAL) return onnx_real(o, e->real);
    if (e->op == G_CONST && e->type == GT_INT) return onnx_whole(o, e->integer);
    if (e->op == G_CONST) return onnx_truth(o, e->integer != 0);
    if (e->op == G_INDEX) return index_values(o, e->index);
    if (e->op == G_RANDOM)
        return onnx_refuse(o, o->node->span, "features that are drawn are others each time");
    if (e->type != GT_REAL && onnx_is_known(o, e)) {
        const uint32_t mask = expr_index_mask(e);
        int64_t *values = onnx_known_values(o, e, mask, &count);
        if (values) return onnx_known_array(o, values, mask, e->type);
    }
    return operation(o, e);
}

static const Value *find_done(const Onnx *o, const GExpr *e) {
    const ExprValue *found = expr_map_find(&o->done, e);
    return found ? found->pointer : NULL;
}

Value onnx_value(Onnx *o, const GExpr *e) {
    const Value *known = find_done(o, e);
    if (known || o->failed) return known ? *known : (Value){"", e->type, 0};
    Value *made = arena_new_of(o->arena, Value);
    *made = make_value(o, e);
    expr_map_set(&o->done, e, (ExprValue){.pointer = made});
    return *made;
}
