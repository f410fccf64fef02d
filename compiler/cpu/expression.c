/* Expressions to LLVM IR: straight-line, each sub-expression once. */
#include "compiler/cpu/emit.h"
#include "compiler/graph/loads.h"
#include "compiler/graph/visit.h"

#include <math.h>
#include <string.h>

/* ---- values emitted so far ------------------------------------------------------------------- */

static void forget(ValueMap *map) {
    if (!map->count) return;
    memset(map->keys, 0, sizeof *map->keys * (size_t)map->capacity);
    map->count = 0;
}

void frame_forget(Frame *f) {
    forget(&f->known);
    forget(&f->faults);
}

static int slot_of(const ValueMap *map, const GExpr *expr, LLVMValueRef mask) {
    int at = (int)(expr->id * 2654435761u) & (map->capacity - 1);
    while (map->keys[at] && (map->keys[at] != expr || map->masks[at] != mask))
        at = (at + 1) & (map->capacity - 1);
    return at;
}

static void remember(Frame *f, ValueMap *map, const GExpr *expr, LLVMValueRef mask,
                     LLVMValueRef value) {
    if (2 * map->count >= map->capacity) {
        ValueMap old = *map;
        map->capacity = old.capacity ? 2 * old.capacity : 64;
        map->keys = arena_array(f->e->arena, const GExpr *, map->capacity);
        map->values = arena_array(f->e->arena, LLVMValueRef, map->capacity);
        map->masks = arena_array(f->e->arena, LLVMValueRef, map->capacity);
        for (int i = 0; i < old.capacity; i++) {
            if (!old.keys[i]) continue;
            int at = slot_of(map, old.keys[i], old.masks[i]);
            map->keys[at] = old.keys[i];
            map->values[at] = old.values[i];
            map->masks[at] = old.masks[i];
        }
    }
    int at = slot_of(map, expr, mask);
    map->keys[at] = expr;
    map->masks[at] = mask;
    map->values[at] = value;
    map->count++;
}

static LLVMValueRef recall(const ValueMap *map, const GExpr *expr, LLVMValueRef mask) {
    if (!map->capacity) return NULL;
    int at = slot_of(map, expr, mask);
    return map->keys[at] ? map->values[at] : NULL;
}

/* Looks for a value that was emitted under a wider condition. Where a condition holds, its
 * conjuncts hold too, so values that were emitted under some of them serve here. */
static LLVMValueRef recall_wider(const ValueMap *map, const GExpr *expr, LLVMValueRef mask) {
    LLVMValueRef value = recall(map, expr, mask);
    while (!value && mask) {
        mask = LLVMIsAInstruction(mask) && LLVMGetInstructionOpcode(mask) == LLVMAnd
                   ? LLVMGetOperand(mask, 0)
                   : NULL;
        value = recall(map, expr, mask);
    }
    return value;
}

/* ---- calls ----------------------------------------------------------------------------------- */

static LLVMValueRef call_named(Frame *s, const char *name, LLVMValueRef *args, unsigned count) {
    LLVMTypeRef params[2] = {s->e->f32, s->e->f32};
    LLVMTypeRef type = LLVMFunctionType(s->e->f32, params, count, 0);
    LLVMValueRef function = LLVMGetNamedFunction(s->e->module, name);
    if (!function) function = LLVMAddFunction(s->e->module, name, type);
    return LLVMBuildCall2(s->e->builder, type, function, args, count, "");
}

static LLVMValueRef intrinsic(Frame *s, const char *name, LLVMValueRef a) {
    return math_intrinsic(s, name, &a, 1);
}

static LLVMValueRef emit(Frame *s, const GExpr *e, LLVMValueRef mask);

static LLVMValueRef masked(Frame *s, LLVMValueRef mask, LLVMValueRef condition) {
    return mask ? LLVMBuildAnd(s->e->builder, mask, condition, "") : condition;
}

/* The two orders in which a product may be read are two sources, unless it is symmetric. */
static LLVMValueRef emit_tile_read(Frame *s, const GExpr *load) {
    const TileReads *t = s->tile;
    bool flipped = load->args[0]->index != t->row_index;
    for (int i = 0; i < t->sweep->source_count; i++) {
        const SweepSource *source = &t->sweep->sources[i];
        if (source->node == load->tensor && (source->symmetric || source->flipped == flipped))
            return element_load(s, GT_REAL, t->bases[i], t->at);
    }
    return LLVMGetUndef(s->e->f32); /* a sink's sources are all in its sweep */
}

/* Every subscript is an index that covers its axis, or a part of the array is read that begins
 * where the table says (arguments.h). */
static LLVMValueRef emit_walk(Frame *s, const GExpr *load, LLVMValueRef base) {
    LLVMValueRef at = NULL;
    for (int i = 0; i < load->tensor->rank; i++)
        at = emit_step_along(s, at, argument_subscript(load, i)->index, load->tensor->shape[i]);
    if (!at) at = emit_whole(s, 0);
    int part = argument_find(s->kernel->arguments, load);
    if (part >= 0) at = LLVMBuildNSWAdd(s->e->builder, at, s->constants[part], "");
    return element_load(s, load->tensor->type, base, at);
}

static LLVMValueRef emit_load(Frame *s, const GExpr *load, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    GNode *tensor = load->tensor;
    if (s->tile && tensor->streamed) return emit_tile_read(s, load);
    LLVMValueRef base = NULL, at = NULL, inside = NULL, checked = NULL;
    for (int i = 0; i < s->kernel->operand_count; i++)
        if (s->kernel->operands[i] == tensor) base = s->bases[i];
    if (s->kernel->arguments) return emit_walk(s, load, base);
    for (int i = 0; i < tensor->rank; i++) {
        LLVMValueRef index = emit(s, load->args[i], mask);
        int64_t low, high;
        bool safe = gx_range_of_data(s->e->graph, load->args[i], s->extents, &low, &high) &&
                    low >= 0 && high < tensor->shape[i];
        if (!safe) {
            LLVMValueRef fits =
                LLVMBuildICmp(b, LLVMIntULT, index, emit_whole(s, tensor->shape[i]), "");
            inside = inside ? LLVMBuildAnd(b, inside, fits, "") : fits;
            index = LLVMBuildSelect(b, fits, index, emit_whole(s, 0), "");
            if (subscript_may_fault(s->e->graph, load->args[i], s->extents, tensor->shape[i]))
                checked = checked ? LLVMBuildAnd(b, checked, fits, "") : fits;
        }
        at = at ? LLVMBuildNSWAdd(b, LLVMBuildNSWMul(b, at, emit_whole(s, tensor->shape[i]), ""),
                                  index, "")
                : index;
    }
    if (!at) at = emit_whole(s, 0);
    LLVMValueRef value = element_load(s, tensor->type, base, at);
    if (!inside) return value;
    if (load->has_else) {
        LLVMValueRef outside = masked(s, mask, LLVMBuildNot(b, inside, ""));
        return LLVMBuildSelect(b, inside, value, emit(s, load->args[load->arg_count - 1], outside),
                               "");
    }
    if (checked) {
        LLVMValueRef bad = masked(s, mask, LLVMBuildNot(b, checked, ""));
        frame_raise(s, bad, COUPLET_FAULT_INDEX);
    }
    return value;
}

/* ---- what may fault -------------------------------------------------------------------------- */

static bool read_may_fault(Frame *s, const GExpr *load) {
    if (load->has_else || s->kernel->arguments || (s->tile && load->tensor->streamed)) return false;
    for (int i = 0; i < load->tensor->rank; i++)
        if (subscript_may_fault(s->e->graph, load->args[i], s->extents, load->tensor->shape[i]))
            return true;
    return false;
}

/* True if an index read from data may leave its array, a real may not fit as an int, or an int may
 * leave 64 bits. Nothing else is said under a mask. */
static bool may_fault(Frame *s, const GExpr *e) {
    if (e->arg_count == 0) return false;
    LLVMValueRef no = LLVMConstInt(s->e->i1, 0, 0), yes = LLVMConstInt(s->e->i1, 1, 0);
    LLVMValueRef known = recall(&s->faults, e, NULL);
    if (known) return known == yes;
    bool may = e->op == G_TO_INT || (e->op == G_LOAD && read_may_fault(s, e)) ||
               gx_may_wrap(s->e->graph, e, s->extents);
    for (int i = 0; i < e->arg_count && !may; i++)
        may = may_fault(s, e->args[i]);
    remember(s, &s->faults, e, NULL, may ? yes : no);
    return may;
}

bool frame_may_fault(Frame *f, const GExpr *expr) {
    return may_fault(f, expr);
}

typedef struct Arms {
    Frame *frame;
    LLVMValueRef mask;
    const ExprMap *sure; /* the parts that the first arm evaluates in any case */
} Arms;

static VisitStep go_on(void *context, const GExpr *e) {
    (void)context, (void)e;
    return VISIT_INSIDE;
}

static VisitStep emit_if_sure(void *context, const GExpr *e) {
    const Arms *a = context;
    if (!may_fault(a->frame, e)) return VISIT_PAST;
    if (!expr_map_find(a->sure, e)) return VISIT_INSIDE;
    emit(a->frame, e, a->mask);
    return VISIT_PAST;
}

/* Emits, ahead of both arms of a choice, the parts that both evaluate in any case and that may
 * fault. In each arm such a part would have a mask of its own; choices inside choices would then
 * take code for each path through them. */
static void emit_ahead(Frame *s, const GExpr *then, const GExpr *otherwise, LLVMValueRef mask) {
    if (!may_fault(s, then) || !may_fault(s, otherwise)) return;
    ExprMap sure, met;
    Arms arms = {s, mask, &sure};
    expr_map_open(&sure);
    expr_map_open(&met);
    expr_visit_sure(&sure, then, go_on, NULL);
    expr_visit_sure(&met, otherwise, emit_if_sure, &arms);
    expr_map_close(&met);
    expr_map_close(&sure);
}

/* A whole number that is 32 bits in memory, or an index, or otherwise known to be small. */
static bool is_narrow(Frame *s, const GExpr *e) {
    int64_t low, high;
    if (e->op == G_LOAD || e->op == G_TO_INT) return true;
    return gx_range_of_data(s->e->graph, e, s->extents, &low, &high) && low >= INT32_MIN &&
           high <= INT32_MAX;
}

/* Such a number in 32 bits: twice as many are in a vector. */
static LLVMValueRef narrowed(Frame *s, const GExpr *e, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    if (e->op == G_INDEX && s->narrow[e->index]) return s->narrow[e->index];
    if ((e->op == G_ADD || e->op == G_SUB || e->op == G_MUL) && is_narrow(s, e->args[0]) &&
        is_narrow(s, e->args[1])) {
        LLVMValueRef a = narrowed(s, e->args[0], mask), c = narrowed(s, e->args[1], mask);
        return e->op == G_ADD   ? LLVMBuildAdd(b, a, c, "")
               : e->op == G_SUB ? LLVMBuildSub(b, a, c, "")
                                : LLVMBuildMul(b, a, c, "");
    }
    return LLVMBuildTrunc(b, emit(s, e, mask), s->e->i32, "");
}

/* Floored division and its remainder, from the truncated ones. A divisor of 0 is taken as 1: it has
 * stopped the run, or what it makes is left out. */
static LLVMValueRef floored(Frame *s, LLVMValueRef a, LLVMValueRef c, bool remainder) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(a)), one = LLVMConstInt(LLVMTypeOf(a), 1, 0);
    LLVMValueRef divisor = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntEQ, c, zero, ""), one, c, "");
    LLVMValueRef r = LLVMBuildSRem(b, a, divisor, "");
    LLVMValueRef unlike = LLVMBuildICmp(b, LLVMIntSLT, LLVMBuildXor(b, r, divisor, ""), zero, "");
    LLVMValueRef adjust = LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntNE, r, zero, ""), unlike, "");
    if (remainder) return LLVMBuildSelect(b, adjust, LLVMBuildAdd(b, r, divisor, ""), r, "");
    LLVMValueRef q = LLVMBuildSDiv(b, a, divisor, "");
    return LLVMBuildSelect(b, adjust, LLVMBuildSub(b, q, one, ""), q, "");
}

/* In a tile, by a constant, which has no vectors of 64 bits. */
static LLVMValueRef emit_quotient(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                                  LLVMValueRef mask) {
    const bool remainder = e->op == G_MOD;
    if (!s->tile || e->args[1]->op != G_CONST || !is_narrow(s, e->args[0]) ||
        !is_narrow(s, e->args[1]))
        return floored(s, a, c, remainder);
    LLVMValueRef value =
        floored(s, narrowed(s, e->args[0], mask), narrowed(s, e->args[1], mask), remainder);
    return LLVMBuildSExt(s->e->builder, value, s->e->i64, "");
}

static LLVMValueRef compare(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                            LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    if (e->args[0]->type == GT_REAL) {
        LLVMRealPredicate p = e->op == G_LT   ? LLVMRealOLT
                              : e->op == G_LE ? LLVMRealOLE
                              : e->op == G_EQ ? LLVMRealOEQ
                                              : LLVMRealUNE;
        return LLVMBuildFCmp(b, p, a, c, "");
    }
    if (e->args[0]->type == GT_INT && is_narrow(s, e->args[0]) && is_narrow(s, e->args[1])) {
        a = narrowed(s, e->args[0], mask);
        c = narrowed(s, e->args[1], mask);
    }
    LLVMIntPredicate p = e->op == G_LT   ? LLVMIntSLT
                         : e->op == G_LE ? LLVMIntSLE
                         : e->op == G_EQ ? LLVMIntEQ
                                         : LLVMIntNE;
    return LLVMBuildICmp(b, p, a, c, "");
}

static LLVMValueRef emit_int(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask);

/* The least of 64 bits has no negative, and its quotient by -1 stops a processor, as one by 0 does.
 */
static LLVMValueRef emit_unary_or_quotient(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                                           LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef wraps = LLVMBuildICmp(b, LLVMIntEQ, a, emit_whole(s, INT64_MIN), "");
    if (c) {
        wraps = LLVMBuildAnd(b, wraps, LLVMBuildICmp(b, LLVMIntEQ, c, emit_whole(s, -1), ""), "");
        wraps = LLVMBuildOr(b, wraps, LLVMBuildICmp(b, LLVMIntEQ, c, emit_whole(s, 0), ""), "");
    }
    frame_raise(s, masked(s, mask, wraps), COUPLET_FAULT_WHOLE);
    a = LLVMBuildSelect(b, wraps, emit_whole(s, 0), a, "");
    return emit_int(s, e, a, c, mask);
}

LLVMValueRef emit_add_whole(Frame *f, LLVMValueRef a, LLVMValueRef c, LLVMValueRef *wraps) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef sum = LLVMBuildAdd(b, a, c, ""),
                 unlike =
                     LLVMBuildAnd(b, LLVMBuildXor(b, a, sum, ""), LLVMBuildXor(b, c, sum, ""), "");
    *wraps = LLVMBuildICmp(b, LLVMIntSLT, unlike, emit_whole(f, 0), "");
    return sum;
}

/* An operation whose result 64 bits may not hold. */
static LLVMValueRef emit_checked(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                                 LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef result, wraps, pair[2] = {a, c};
    switch (e->op) {
    case G_ADD:
        result = emit_add_whole(s, a, c, &wraps);
        break;
    case G_SUB: /* a - c is wrong where a and c are unlike, and a and the result, too */
        result = LLVMBuildSub(b, a, c, "");
        wraps = LLVMBuildAnd(b, LLVMBuildXor(b, a, c, ""), LLVMBuildXor(b, a, result, ""), "");
        wraps = LLVMBuildICmp(b, LLVMIntSLT, wraps, emit_whole(s, 0), "");
        break;
    case G_MUL: {
        LLVMValueRef both = math_intrinsic(s, "llvm.smul.with.overflow", pair, 2);
        result = LLVMBuildExtractValue(b, both, 0, "");
        wraps = LLVMBuildExtractValue(b, both, 1, "");
        break;
    }
    default:
        return emit_unary_or_quotient(s, e, a, c, mask);
    }
    frame_raise(s, masked(s, mask, wraps), COUPLET_FAULT_WHOLE);
    return result;
}

static LLVMValueRef emit_int(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMTypeRef i64 = s->e->i64;
    switch (e->op) {
    case G_ADD:
        return LLVMBuildAdd(b, a, c, "");
    case G_SUB:
        return LLVMBuildSub(b, a, c, "");
    case G_MUL:
        return LLVMBuildMul(b, a, c, "");
    case G_NEG:
        return LLVMBuildNeg(b, a, "");
    case G_MAX:
        return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGE, a, c, ""), a, c, "");
    case G_MIN:
        return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLE, a, c, ""), a, c, "");
    case G_ABS:
        return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, a, emit_whole(s, 0), ""),
                               LLVMBuildNeg(b, a, ""), a, "");
    case G_SIGN: {
        LLVMValueRef up =
            LLVMBuildZExt(b, LLVMBuildICmp(b, LLVMIntSGT, a, emit_whole(s, 0), ""), i64, "");
        return LLVMBuildSub(
            b, up, LLVMBuildZExt(b, LLVMBuildICmp(b, LLVMIntSLT, a, emit_whole(s, 0), ""), i64, ""),
            "");
    }
    default:
        return emit_quotient(s, e, a, c, mask); /* G_FLOORDIV, G_MOD */
    }
}

/* A product and a sum may become one fused operation. */
static LLVMValueRef fusible(LLVMValueRef value) {
    if (LLVMIsAInstruction(value)) LLVMSetFastMathFlags(value, LLVMFastMathAllowContract);
    return value;
}

/* `value`, or `x` where that is no number. */
static LLVMValueRef unless_nan(Frame *s, LLVMValueRef x, LLVMValueRef value) {
    return LLVMBuildSelect(s->e->builder, LLVMBuildFCmp(s->e->builder, LLVMRealUNO, x, x, ""), x,
                           value, "");
}

/* True if the value is provably no NaN. */
static bool is_number(const GExpr *e) {
    return (e->op == G_CONST && !isnan(e->real)) || e->op == G_TO_REAL || e->op == G_RANDOM;
}

/* The larger or the smaller of the two, by what `wins` compares; a NaN in either place stays. One
 * instruction where one of the two is known to be a number: a comparison with a NaN is false, and
 * the NaN is the operand that it then leaves. */
static LLVMValueRef extreme(Frame *s, const GExpr *e, LLVMRealPredicate wins, LLVMValueRef a,
                            LLVMValueRef c) {
    LLVMBuilderRef b = s->e->builder;
    if (is_number(e->args[0]))
        return LLVMBuildSelect(b, LLVMBuildFCmp(b, wins, a, c, ""), a, c, "");
    LLVMValueRef best = LLVMBuildSelect(b, LLVMBuildFCmp(b, wins, c, a, ""), c, a, "");
    return is_number(e->args[1]) ? best : unless_nan(s, c, best);
}

static LLVMValueRef emit_real(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c) {
    LLVMBuilderRef b = s->e->builder;
    LLVMTypeRef f32 = s->e->f32;
    LLVMValueRef pair[2] = {a, c}, zero = emit_number(s, 0), one = emit_number(s, 1);
    switch (e->op) {
    case G_ADD:
        return fusible(LLVMBuildFAdd(b, a, c, ""));
    case G_SUB:
        return fusible(LLVMBuildFSub(b, a, c, ""));
    case G_MUL:
        return fusible(LLVMBuildFMul(b, a, c, ""));
    case G_DIV:
        return LLVMBuildFDiv(b, a, c, "");
    case G_NEG:
        return LLVMBuildFNeg(b, a, "");
    case G_MAX:
        return extreme(s, e, LLVMRealOGT, a, c);
    case G_MIN:
        return extreme(s, e, LLVMRealOLT, a, c);
    case G_POW:
        return call_named(s, "powf", pair, 2);
    case G_EXP:
        return math_exp(s, a);
    case G_EXPM1:
        return math_expm1(s, a);
    case G_LOG:
        return math_log(s, a);
    case G_LOG1P:
        return math_log1p(s, a);
    case G_TANH:
        return math_tanh(s, a);
    case G_ERF:
        return math_erf(s, a);
    case G_SIN:
        return call_named(s, "sinf", &a, 1);
    case G_COS:
        return call_named(s, "cosf", &a, 1);
    case G_ROOT:
        return c;
    case G_SQRT:
        return intrinsic(s, "llvm.sqrt", a);
    case G_RSQRT:
        return LLVMBuildFDiv(b, one, intrinsic(s, "llvm.sqrt", a), "");
    case G_ABS:
        return intrinsic(s, "llvm.fabs", a);
    case G_FLOOR:
        return intrinsic(s, "llvm.floor", a);
    case G_CEIL:
        return intrinsic(s, "llvm.ceil", a);
    case G_ROUND:
        return intrinsic(s, "llvm.rint", a);
    case G_SIGN: {
        LLVMValueRef up = LLVMBuildUIToFP(b, LLVMBuildFCmp(b, LLVMRealOGT, a, zero, ""), f32, "");
        LLVMValueRef sign = LLVMBuildFSub(
            b, up, LLVMBuildUIToFP(b, LLVMBuildFCmp(b, LLVMRealOLT, a, zero, ""), f32, ""), "");
        return unless_nan(s, a, sign);
    }
    case G_SIGMOID:
        return math_sigmoid(s, a);
    default:
        return math_softplus(s, a); /* G_SOFTPLUS */
    }
}

/* Philox 4x32-10, as in runtime/random.h; the kernel's operands have seed and step right ahead of
 * its outputs. */
static LLVMValueRef emit_random(Frame *s, const GExpr *e, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMTypeRef i32 = s->e->i32, i64 = s->e->i64;
    const Arguments *arguments = s->kernel->arguments;
    LLVMValueRef site = arguments ? s->constants[argument_find(arguments, e->args[0])]
                                  : emit(s, e->args[0], mask),
                 element = emit(s, e->args[1], mask), key[2], x[4];
    const int first = s->kernel->operand_count - s->kernel->output_count - 2;
    for (int i = 0; i < 2; i++) {
        LLVMValueRef at = emit_whole(s, i);
        key[i] =
            LLVMBuildLoad2(b, i32, LLVMBuildInBoundsGEP2(b, i32, s->bases[first], &at, 1, ""), "");
    }
    x[0] = LLVMBuildTrunc(b, element, i32, "");
    x[1] = LLVMBuildTrunc(b, LLVMBuildLShr(b, element, emit_whole(s, 32), ""), i32, "");
    x[2] = LLVMBuildTrunc(b, site, i32, "");
    x[3] = LLVMBuildLoad2(b, i32, s->bases[first + 1], "");
    for (int round = 0; round < 10; round++) {
        LLVMValueRef p =
            LLVMBuildMul(b, LLVMBuildZExt(b, x[0], i64, ""), emit_whole(s, 0xD2511F53), "");
        LLVMValueRef q =
            LLVMBuildMul(b, LLVMBuildZExt(b, x[2], i64, ""), emit_whole(s, 0xCD9E8D57), "");
        LLVMValueRef p_high =
            LLVMBuildTrunc(b, LLVMBuildLShr(b, p, emit_whole(s, 32), ""), i32, "");
        LLVMValueRef q_high =
            LLVMBuildTrunc(b, LLVMBuildLShr(b, q, emit_whole(s, 32), ""), i32, "");
        x[0] = LLVMBuildXor(b, LLVMBuildXor(b, q_high, x[1], ""), key[0], "");
        x[2] = LLVMBuildXor(b, LLVMBuildXor(b, p_high, x[3], ""), key[1], "");
        x[1] = LLVMBuildTrunc(b, q, i32, "");
        x[3] = LLVMBuildTrunc(b, p, i32, "");
        key[0] = LLVMBuildAdd(b, key[0], LLVMConstInt(i32, 0x9E3779B9u, 0), "");
        key[1] = LLVMBuildAdd(b, key[1], LLVMConstInt(i32, 0xBB67AE85u, 0), "");
    }
    LLVMValueRef high = LLVMBuildLShr(b, x[e->args[2]->integer & 3], LLVMConstInt(i32, 8, 0), "");
    return LLVMBuildFMul(b, LLVMBuildUIToFP(b, high, s->e->f32, ""), emit_number(s, 0x1p-24), "");
}

/* From 32 bits there are vectors of conversions. */
static LLVMValueRef emit_to_real(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef mask) {
    if (e->args[0]->type == GT_BOOL) return LLVMBuildUIToFP(s->e->builder, a, s->e->f32, "");
    return LLVMBuildSIToFP(
        s->e->builder, is_narrow(s, e->args[0]) ? narrowed(s, e->args[0], mask) : a, s->e->f32, "");
}

/* In 32 bits, as gx_to_int. */
static LLVMValueRef emit_to_int(Frame *s, LLVMValueRef a, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef below = LLVMBuildFCmp(b, LLVMRealOLT, a, emit_number(s, 0x1p31), "");
    LLVMValueRef fits =
        LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOGE, a, emit_number(s, -0x1p31), ""), below, "");
    frame_raise(s, masked(s, mask, LLVMBuildNot(b, fits, "")), COUPLET_FAULT_WHOLE);
    return LLVMBuildFPToSI(b, LLVMBuildSelect(b, fits, a, emit_number(s, 0), ""), s->e->i32, "");
}

static LLVMValueRef emit_real_constant(Frame *s, const GExpr *e) {
    int number_of = s->kernel->arguments ? argument_find(s->kernel->arguments, e) : -1;
    return number_of < 0 ? emit_number(s, e->real) : s->constants[number_of];
}

static LLVMValueRef emit_new(Frame *s, const GExpr *e, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    switch (e->op) {
    case G_CONST:
        if (e->type == GT_REAL) return emit_real_constant(s, e);
        return e->type == GT_INT ? emit_whole(s, e->integer)
                                 : LLVMConstInt(s->e->i1, (unsigned long long)e->integer, 0);
    case G_INDEX:
        return s->indices[e->index];
    case G_LOAD:
        return emit_load(s, e, mask);
    case G_RANDOM:
        return emit_random(s, e, mask);
    case G_SELECT: {
        LLVMValueRef condition = emit(s, e->args[0], mask);
        if (LLVMIsConstant(condition))
            return emit(s, e->args[LLVMConstIntGetZExtValue(condition) ? 1 : 2], mask);
        emit_ahead(s, e->args[1], e->args[2], mask);
        LLVMValueRef then = emit(s, e->args[1], masked(s, mask, condition));
        LLVMValueRef otherwise =
            emit(s, e->args[2], masked(s, mask, LLVMBuildNot(b, condition, "")));
        return LLVMBuildSelect(b, condition, then, otherwise, "");
    }
    case G_AND:
    case G_OR: { /* lazy on their right, as a select is */
        LLVMValueRef left = emit(s, e->args[0], mask);
        if (LLVMIsConstant(left))
            return LLVMConstIntGetZExtValue(left) == (e->op == G_AND) ? emit(s, e->args[1], mask)
                                                                      : left;
        LLVMValueRef open = e->op == G_AND ? left : LLVMBuildNot(b, left, "");
        LLVMValueRef right = emit(s, e->args[1], masked(s, mask, open)),
                     settled = LLVMConstInt(s->e->i1, e->op == G_OR, 0);
        return LLVMBuildSelect(b, open, right, settled, "");
    }
    default:
        break;
    }
    LLVMValueRef a = emit(s, e->args[0], mask),
                 c = e->arg_count > 1 ? emit(s, e->args[1], mask) : NULL;
    switch (e->op) {
    case G_NOT:
        return LLVMBuildNot(b, a, "");
    case G_LT:
    case G_LE:
    case G_EQ:
    case G_NE:
        return compare(s, e, a, c, mask);
    case G_TO_REAL:
        return emit_to_real(s, e, a, mask);
    case G_TO_INT:
        return LLVMBuildSExt(b, emit_to_int(s, a, mask), s->e->i64, "");
    case G_IS_FINITE:
        return LLVMBuildFCmp(b, LLVMRealOLT, intrinsic(s, "llvm.fabs", a), emit_number(s, HUGE_VAL),
                             "");
    default:
        break;
    }
    if (e->type != GT_INT) return emit_real(s, e, a, c);
    return gx_may_wrap(s->e->graph, e, s->extents) ? emit_checked(s, e, a, c, mask)
                                                   : emit_int(s, e, a, c, mask);
}

static LLVMValueRef emit(Frame *s, const GExpr *e, LLVMValueRef mask) {
    if (e->op == G_CONST || e->op == G_INDEX) return emit_new(s, e, mask);
    const int assumed = e->type == GT_BOOL ? frame_assumed(s, e) : UNSETTLED;
    if (assumed != UNSETTLED) return LLVMConstInt(s->e->i1, (unsigned long long)assumed, 0);
    if (mask && !may_fault(s, e)) mask = NULL;
    LLVMValueRef known = recall_wider(&s->known, e, mask);
    if (known) return known;
    int map = s->tile && !s->tile->makes_maps ? sweep_map_of(s->tile->sweep, s->tile->view, e) : -1;
    LLVMValueRef value =
        map < 0 ? emit_new(s, e, mask) : element_load(s, GT_REAL, s->tile->maps[map], s->tile->at);
    remember(s, &s->known, e, mask, value);
    return value;
}

LLVMValueRef emit_expr(Frame *f, const GExpr *expr) {
    return emit(f, expr, NULL);
}
LLVMValueRef emit_expr_where(Frame *f, const GExpr *expr, LLVMValueRef mask) {
    return emit(f, expr, mask);
}
