/* Writes expressions as straight-line OpenCL C, in which each shared part is computed once. */
#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"
#include "compiler/opencl/write.h"

#include <string.h>

/* ---- values written so far ------------------------------------------------------------------- */

/* Returns the slot that holds the expression under this mask, or the free slot for it. */
static int slot_of(const Known *known, const GExpr *expr, Value mask) {
    int at = (int)(expr->id * 2654435761u) & (known->capacity - 1);
    while (known->keys[at] && (known->keys[at] != expr || known->masks[at] != mask))
        at = (at + 1) & (known->capacity - 1);
    return at;
}

static void put_known(Known *known, const GExpr *expr, Value mask, Value value) {
    int at = slot_of(known, expr, mask);
    known->keys[at] = expr;
    known->masks[at] = mask;
    known->values[at] = value;
}

static void remember(Frame *f, Known *known, const GExpr *expr, Value mask, Value value) {
    if (2 * known->count >= known->capacity) {
        Known old = *known;
        known->capacity = old.capacity ? 2 * old.capacity : 64;
        known->keys = arena_array(f->arena, const GExpr *, known->capacity);
        known->masks = arena_array(f->arena, Value, known->capacity);
        known->values = arena_array(f->arena, Value, known->capacity);
        for (int i = 0; i < old.capacity; i++)
            if (old.keys[i]) put_known(known, old.keys[i], old.masks[i], old.values[i]);
    }
    put_known(known, expr, mask, value);
    known->count++;
}

/* ---- scalar functions ------------------------------------------------------------------------ */

/* The text of each scalar operation in C, for reals and for whole numbers or truth values, with the
 * arguments as %1$s and %2$s. Where a row has no text for a type, the graph has no such node. The
 * built-in functions of OpenCL are within a few ulp. Infinities and NaN go through them as through
 * the CPU's own. */
typedef struct ScalarText {
    const char *real;
    const char *whole;
} ScalarText;

static const ScalarText scalars[G_OP_COUNT] = {
    [G_ADD] = {"%1$s + %2$s", "%1$s + %2$s"},
    [G_SUB] = {"%1$s - %2$s", "%1$s - %2$s"},
    [G_MUL] = {"%1$s * %2$s", "%1$s * %2$s"},
    [G_DIV] = {"%1$s / %2$s", NULL},
    [G_NEG] = {"-%1$s", "-%1$s"},
    [G_POW] = {"pow(%1$s, %2$s)", NULL},
    /* A NaN as either argument is the result. */
    [G_MAX] = {"%1$s < %2$s || isnan(%2$s) ? %2$s : %1$s", "%1$s < %2$s ? %2$s : %1$s"},
    [G_MIN] = {"%1$s > %2$s || isnan(%2$s) ? %2$s : %1$s", "%1$s > %2$s ? %2$s : %1$s"},
    [G_EXP] = {"exp(%1$s)", NULL},
    [G_EXPM1] = {"expm1(%1$s)", NULL},
    [G_LOG] = {"log(%1$s)", NULL},
    [G_LOG1P] = {"log1p(%1$s)", NULL},
    [G_ROOT] = {"%2$s", NULL},
    [G_SQRT] = {"sqrt(%1$s)", NULL},
    [G_RSQRT] = {"1.0f / sqrt(%1$s)", NULL},
    [G_TANH] = {"tanh(%1$s)", NULL},
    [G_SIGMOID] = {"1.0f / (1.0f + exp(-%1$s))", NULL},
    [G_SOFTPLUS] = {"(%1$s < 0.0f ? 0.0f : %1$s) + log1p(exp(-fabs(%1$s)))", NULL},
    [G_ERF] = {"erf(%1$s)", NULL},
    [G_SIN] = {"sin(%1$s)", NULL},
    [G_COS] = {"cos(%1$s)", NULL},
    [G_ABS] = {"fabs(%1$s)", "%1$s < 0 ? -%1$s : %1$s"},
    [G_SIGN] = {"isnan(%1$s) ? %1$s : (float)(%1$s > 0.0f) - (float)(%1$s < 0.0f)",
                "(%1$s > 0) - (%1$s < 0)"},
    [G_FLOOR] = {"floor(%1$s)", NULL},
    [G_CEIL] = {"ceil(%1$s)", NULL},
    [G_ROUND] = {"rint(%1$s)", NULL},
    [G_TO_REAL] = {"(float)%1$s", NULL},
    [G_FLOORDIV] = {NULL, "floor_div(%1$s, %2$s)"},
    [G_MOD] = {NULL, "floor_mod(%1$s, %2$s)"},
    [G_LT] = {"%1$s < %2$s", "%1$s < %2$s"},
    [G_LE] = {"%1$s <= %2$s", "%1$s <= %2$s"},
    [G_EQ] = {"%1$s == %2$s", "%1$s == %2$s"},
    [G_NE] = {"%1$s != %2$s", "%1$s != %2$s"},
    [G_NOT] = {NULL, "!%1$s"},
    [G_IS_FINITE] = {"fabs(%1$s) < INFINITY", NULL},
};

static bool fits_int(Frame *f, const GExpr *e) {
    int64_t low;
    int64_t high;
    if (e->op == G_TO_INT) return true;
    return gx_range(f->kernel->graph, e, f->extents, &low, &high) && low >= INT32_MIN &&
           high <= INT32_MAX;
}

static const char *c_type_of(Frame *f, const GExpr *e) {
    if (e->type == GT_INT) return fits_int(f, e) ? "int" : "long";
    return opencl_value_type(e->type);
}

static bool is_positive_constant(const GExpr *e) {
    return e->op == G_CONST && e->integer > 0;
}

/* Returns the text of a division by a positive constant whose dividend is never negative, or NULL.
 * Such a division needs no flooring. */
static const char *division_text(Frame *f, const GExpr *e) {
    int64_t low;
    int64_t high;
    if (!is_positive_constant(e->args[1]) ||
        !gx_range(f->kernel->graph, e->args[0], f->extents, &low, &high) || low < 0)
        return NULL;
    return e->op == G_FLOORDIV ? "%1$s / %2$s" : "%1$s %% %2$s";
}

/* Writes the conversion of gx_to_int. */
static Value write_to_int(Frame *f, const GExpr *e, Value mask) {
    Value a = write_expr(f, e->args[0], mask);
    Value fits = write_const(f, "int", "%s >= -0x1p31f && %s < 0x1p31f", a, a);
    write_fault(f, mask_and(f, mask, mask_not(f, fits)), COUPLET_FAULT_WHOLE);
    return write_const(f, "int", "%s ? (int)%s : 0", fits, a);
}

Value write_whole_sum(Frame *f, Value a, Value b, Value mask) {
    Value sum = write_const(f, "long", "as_long((ulong)%s + (ulong)%s)", a, b);
    write_fault(
        f, mask_and(f, mask, arena_printf(f->arena, "((%s ^ %s) & (%s ^ %s)) < 0", a, sum, b, sum)),
        COUPLET_FAULT_WHOLE);
    return sum;
}

/* Writes an operation whose result 64 bits may not hold. The least number of 64 bits has no
 * negative and no quotient by -1, and no number has a quotient by 0. */
static Value write_checked(Frame *f, const GExpr *e, Value mask) {
    Value a = write_const(f, "long", "%s", write_expr(f, e->args[0], mask));
    Value b =
        e->arg_count > 1 ? write_const(f, "long", "%s", write_expr(f, e->args[1], mask)) : NULL;
    if (e->op == G_ADD) return write_whole_sum(f, a, b, mask);
    if (e->op == G_SUB || e->op == G_MUL) {
        Value result = write_const(f, "long", "as_long((ulong)%s %s (ulong)%s)", a,
                                   e->op == G_SUB ? "-" : "*", b);
        Value wraps = e->op == G_SUB
                          ? arena_printf(f->arena, "((%s ^ %s) & (%s ^ %s)) < 0", a, b, a, result)
                          : arena_printf(f->arena, "mul_hi(%s, %s) != %s >> 63", a, b, result);
        write_fault(f, mask_and(f, mask, wraps), COUPLET_FAULT_WHOLE);
        return result;
    }
    Value wraps = write_const(
        f, "int", b ? "(%s == LONG_MIN && %s == -1) || %s == 0" : "%s == LONG_MIN", a, b, b);
    write_fault(f, mask_and(f, mask, wraps), COUPLET_FAULT_WHOLE);
    return write_const(f, "long", scalars[e->op].whole,
                       arena_printf(f->arena, "(%s ? 0 : %s)", wraps, a), b);
}

static Value write_scalar(Frame *f, const GExpr *e, Value mask) {
    if (gx_may_wrap(f->kernel->graph, e, f->extents)) return write_checked(f, e, mask);
    Value a = write_expr(f, e->args[0], mask);
    Value b = e->arg_count > 1 ? write_expr(f, e->args[1], mask) : "";
    /* An axis of one turn has index 0, so the sum is its other term. */
    if (e->op == G_ADD && e->type == GT_INT && strcmp(a, "0") == 0) return b;
    if (e->op == G_ADD && e->type == GT_INT && strcmp(b, "0") == 0) return a;
    bool real = e->op == G_TO_REAL || e->args[0]->type == GT_REAL;
    const char *text = real ? scalars[e->op].real : scalars[e->op].whole;
    const char *type = c_type_of(f, e);
    if (e->op == G_FLOORDIV || e->op == G_MOD) {
        const char *plain = division_text(f, e);
        if (plain) text = plain;
    }
    /* If the result may need 64 bits, one operand is widened, and C then widens the other. */
    if (strcmp(type, "long") == 0) {
        a = arena_printf(f->arena, "(long)%s", a);
    }
    return write_const(f, type, text, a, b);
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* Reads the element at position `at` of an operand. */
static Value element_at(Frame *f, const GNode *tensor, Value at) {
    int operand = frame_operand_of(f, tensor);
    switch (tensor->type) {
    case GT_REAL:
        return write_const(f, "float", "a%d[%s]", operand, at);
    case GT_INT:
        return write_const(f, "int", "a%d[%s]", operand, at);
    case GT_U8:
        return write_const(f, "float", "(float)a%d[%s] / 255.0f", operand, at);
    case GT_BOOL:
        break;
    }
    return write_const(f, "int", "a%d[%s] != 0", operand, at);
}

/* Writes a read. A subscript outside its axis is replaced by 0, so that the read is safe. `inside`
 * is the condition that all subscripts are in the array, and `checked` is the part of it whose
 * failure is a fault. */
static Value write_load(Frame *f, const GExpr *load, Value mask) {
    const GNode *tensor = load->tensor;
    if (tensor->streamed && f->kernel->kind == KERNEL_SWEEP) return sweep_element(f, load);
    Value at = NULL;
    Value inside = NULL;
    Value checked = NULL;
    for (int i = 0; i < tensor->rank; i++) {
        Value index = write_expr(f, load->args[i], mask);
        long long extent = (long long)tensor->shape[i];
        int64_t low;
        int64_t high;
        bool safe = gx_range(f->kernel->graph, load->args[i], f->extents, &low, &high) &&
                    low >= 0 && high < tensor->shape[i];
        if (!safe) {
            Value fits = write_const(f, "int", "%s >= 0 && %s < %lld", index, index, extent);
            inside = mask_and(f, inside, fits);
            index = write_const(f, "int", "%s ? (int)%s : 0", fits, index);
            if (subscript_may_fault(f->kernel->graph, load->args[i], f->extents, extent))
                checked = mask_and(f, checked, fits);
        }
        if (strcmp(index, "0") == 0 && i + 1 < tensor->rank && !at) continue;
        at = at ? arena_printf(f->arena, "(%s * %lld + %s)", at, extent, index) : index;
    }
    Value value = element_at(f, tensor, at ? at : "0");
    if (!inside) return value;
    if (load->has_else) {
        if (inside[0] == '(') {
            inside = write_const(f, "int", "%s", inside);
        }
        const Value outside = mask_and(f, mask, mask_not(f, inside));
        const Value otherwise = write_expr(f, load->args[load->arg_count - 1], outside);
        return write_const(f, c_type_of(f, load), "%s ? %s : %s", inside, value, otherwise);
    }
    if (checked && checked[0] == '(') checked = write_const(f, "int", "%s", checked);
    if (checked) write_fault(f, mask_and(f, mask, mask_not(f, checked)), COUPLET_FAULT_INDEX);
    return value;
}

/* Writes a draw. Seed and step are the kernel's operands right ahead of its output. */
static Value write_random(Frame *f, const GExpr *e, Value mask) {
    Value site = write_expr(f, e->args[0], mask);
    Value element = write_expr(f, e->args[1], mask);
    int seed = f->kernel->operand_count - 3;
    return write_const(
        f, "float",
        "random_unit((uint)a%d[0], (uint)a%d[1], (uint)a%d[0], (uint)%s, (ulong)%s, %d)", seed,
        seed, seed + 1, site, element, (int)(e->args[2]->integer & 3));
}

/* ---- choice ---------------------------------------------------------------------------------- */

static bool may_fault(Frame *f, const GExpr *e);

/* Returns mask && condition and remembers the mask, because values that were written where the mask
 * holds serve here, too. */
static Value narrowed(Frame *f, Value mask, Value condition) {
    if (!mask) return condition;
    Value both = mask_and(f, mask, condition);
    both = arena_intern(f->arena, both, strlen(both));
    array_push(f->arena, &f->narrowed, ((Narrowed){both, mask}));
    return both;
}

/* Returns the mask that `mask` was narrowed from, or NULL. */
static Value wider(const Frame *f, Value mask) {
    for (int i = f->narrowed.count - 1; i >= 0; i--)
        if (f->narrowed.items[i].mask == mask) return f->narrowed.items[i].of;
    return NULL;
}

typedef struct Arms {
    Frame *frame;
    Value mask;
    const ExprMap *sure; /* the parts that the first arm evaluates in any case */
} Arms;

static VisitStep go_on(void *context, const GExpr *e) {
    (void)context, (void)e;
    return VISIT_INSIDE;
}

static VisitStep write_if_sure(void *context, const GExpr *e) {
    const Arms *a = context;
    if (!may_fault(a->frame, e)) return VISIT_PAST;
    if (!expr_map_find(a->sure, e)) return VISIT_INSIDE;
    write_expr(a->frame, e, a->mask);
    return VISIT_PAST;
}

/* Writes, ahead of both arms, the parts that both evaluate in any case and that may fault
 * (emit_ahead in the CPU's back end). */
static void write_ahead(Frame *f, const GExpr *then, const GExpr *otherwise, Value mask) {
    if (!may_fault(f, then) || !may_fault(f, otherwise)) return;
    ExprMap sure;
    ExprMap met;
    Arms arms = {f, mask, &sure};
    expr_map_open(&sure);
    expr_map_open(&met);
    expr_visit_sure(&sure, then, go_on, NULL);
    expr_visit_sure(&met, otherwise, write_if_sure, &arms);
    expr_map_close(&met);
    expr_map_close(&sure);
}

static Value write_select(Frame *f, const GExpr *e, Value mask) {
    const GExpr *const *args = e->args;
    Value condition = write_expr(f, args[0], mask);
    write_ahead(f, args[1], args[2], mask);
    Value then_mask = narrowed(f, mask, condition);
    Value then = write_expr(f, args[1], then_mask);
    Value else_mask = narrowed(f, mask, mask_not(f, condition));
    Value otherwise = write_expr(f, args[2], else_mask);
    return write_const(f, c_type_of(f, e), "%s ? %s : %s", condition, then, otherwise);
}

/* Writes AND or OR, which are lazy on their right, as a choice is. */
static Value write_lazy(Frame *f, const GExpr *e, Value mask) {
    Value left = write_expr(f, e->args[0], mask);
    Value right =
        write_expr(f, e->args[1], narrowed(f, mask, e->op == G_AND ? left : mask_not(f, left)));
    return write_const(f, "int", "%s %s %s", left, e->op == G_AND ? "&&" : "||", right);
}

static Value constant(Frame *f, const GExpr *e) {
    if (e->type == GT_REAL) return frame_real_text(f, e->real);
    bool wide = e->integer > INT32_MAX || e->integer < -INT32_MAX;
    return arena_printf(f->arena, e->integer < 0 ? "(%lld%s)" : "%lld%s", (long long)e->integer,
                        wide ? "L" : "");
}

static Value write_new(Frame *f, const GExpr *e, Value mask) {
    if (e->op == G_LOAD) return write_load(f, e, mask);
    if (e->op == G_RANDOM) return write_random(f, e, mask);
    if (e->op == G_SELECT) return write_select(f, e, mask);
    if (e->op == G_AND || e->op == G_OR) return write_lazy(f, e, mask);
    return e->op == G_TO_INT ? write_to_int(f, e, mask) : write_scalar(f, e, mask);
}

/* True if the expression may fault: an index read from data may leave its array, a real may not fit
 * as an int, or an int may leave 64 bits. No other expression depends on the mask that it is
 * written under. */
static bool may_fault(Frame *f, const GExpr *e) {
    static const char no[] = "no";
    static const char yes[] = "yes";
    if (e->arg_count == 0) return false;
    if (f->checked.capacity) {
        int at = slot_of(&f->checked, e, NULL);
        if (f->checked.keys[at]) return f->checked.values[at] == yes;
    }
    bool may = e->op == G_TO_INT || gx_may_wrap(f->kernel->graph, e, f->extents);
    for (int i = 0; i < e->arg_count && !may; i++)
        may = may_fault(f, e->args[i]);
    for (int i = 0; e->op == G_LOAD && !e->has_else && i < e->tensor->rank && !may; i++)
        may = subscript_may_fault(f->kernel->graph, e->args[i], f->extents, e->tensor->shape[i]);
    remember(f, &f->checked, e, NULL, may ? yes : no);
    return may;
}

Value write_expr(Frame *f, const GExpr *e, Value mask) {
    if (e->op == G_CONST) return constant(f, e);
    if (e->op == G_INDEX) return f->indices[e->index];
    if (mask && !may_fault(f, e)) mask = NULL;
    /* Equal texts are one pointer, which serves as the key. */
    if (mask) mask = arena_intern(f->arena, mask, strlen(mask));
    for (Value at = mask; f->known.capacity; at = wider(f, at)) {
        int slot = slot_of(&f->known, e, at);
        if (f->known.keys[slot]) return f->known.values[slot];
        if (!at) break;
    }
    Value value = write_new(f, e, mask);
    remember(f, &f->known, e, mask, value);
    return value;
}
