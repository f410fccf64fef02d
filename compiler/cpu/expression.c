/* Expressions to LLVM IR. */
#include "compiler/cpu/emit.h"

#include <math.h>
#include <string.h>

static LLVMValueRef number(EmitScope *s, double value) { return LLVMConstReal(s->e->f32, value); }
static LLVMValueRef whole(EmitScope *s, int64_t value) { return LLVMConstInt(s->e->i64, (unsigned long long)value, 1); }

static LLVMValueRef call_named(EmitScope *s, const char *name, LLVMValueRef *args, unsigned count) {
    LLVMTypeRef params[2] = {s->e->f32, s->e->f32};
    LLVMTypeRef type = LLVMFunctionType(s->e->f32, params, count, 0);
    LLVMValueRef function = LLVMGetNamedFunction(s->e->module, name);
    if (!function) function = LLVMAddFunction(s->e->module, name, type);
    return LLVMBuildCall2(s->e->builder, type, function, args, count, "");
}

static LLVMValueRef intrinsic(EmitScope *s, const char *name, LLVMValueRef a) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(s->e->module, id, &s->e->f32, 1);
    return LLVMBuildCall2(s->e->builder, LLVMIntrinsicGetType(s->e->context, id, &s->e->f32, 1), function, &a, 1, "");
}

static LLVMValueRef math(EmitScope *s, const char *name, LLVMValueRef a) { return call_named(s, name, &a, 1); }

bool emit_collect(Emitter *e, Kernel *kernel, const GExpr *expr) {
    if (!expr) return true;
    if (expr->op == G_RANDOM) return false;
    if (expr->op == G_LOAD) {
        bool known = false;
        for (int i = 0; i < kernel->operand_count; i++) known |= kernel->operands[i] == expr->tensor;
        if (!known) {
            if (kernel->operand_count == MAX_KERNEL_OPERANDS) return false;
            kernel->operands[kernel->operand_count++] = expr->tensor;
        }
    }
    for (int i = 0; i < expr->arg_count; i++)
        if (!emit_collect(e, kernel, expr->args[i])) return false;
    return true;
}

static bool reads_data(const GExpr *e) {
    if (e->op == G_LOAD) return true;
    for (int i = 0; i < e->arg_count; i++)
        if (reads_data(e->args[i])) return true;
    return false;
}

static LLVMValueRef emit(EmitScope *s, const GExpr *e, LLVMValueRef mask);

static LLVMValueRef read_element(EmitScope *s, const GNode *tensor, LLVMValueRef base, LLVMValueRef at) {
    Emitter *e = s->e;
    LLVMTypeRef type = tensor->type == GT_REAL ? e->f32 : tensor->type == GT_INT ? e->i32 : e->i8;
    LLVMValueRef value = LLVMBuildLoad2(e->builder, type, LLVMBuildInBoundsGEP2(e->builder, type, base, &at, 1, ""), "");
    if (tensor->type == GT_INT) return LLVMBuildSExt(e->builder, value, e->i64, "");
    if (tensor->type == GT_BOOL) return LLVMBuildICmp(e->builder, LLVMIntNE, value, LLVMConstInt(e->i8, 0, 0), "");
    if (tensor->type == GT_U8) return LLVMBuildFDiv(e->builder, LLVMBuildUIToFP(e->builder, value, e->f32, ""), number(s, 255), "");
    return value;
}

static LLVMValueRef masked(EmitScope *s, LLVMValueRef mask, LLVMValueRef condition) {
    return mask ? LLVMBuildAnd(s->e->builder, mask, condition, "") : condition;
}

static LLVMValueRef emit_load(EmitScope *s, const GExpr *load, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    GNode *tensor = load->tensor;
    LLVMValueRef base = NULL, at = whole(s, 0), inside = NULL;
    bool checked = false;
    for (int i = 0; i < s->kernel->operand_count; i++)
        if (s->kernel->operands[i] == tensor) base = s->bases[i];
    for (int i = 0; i < tensor->rank; i++) {
        LLVMValueRef index = emit(s, load->args[i], mask);
        int64_t low, high;
        bool safe = gx_range(s->e->graph, load->args[i], s->extents, &low, &high) && low >= 0 && high < tensor->shape[i];
        if (!safe) {
            LLVMValueRef fits = LLVMBuildICmp(b, LLVMIntULT, index, whole(s, tensor->shape[i]), "");
            inside = inside ? LLVMBuildAnd(b, inside, fits, "") : fits;
            index = LLVMBuildSelect(b, fits, index, whole(s, 0), "");
            checked |= reads_data(load->args[i]);
        }
        at = LLVMBuildAdd(b, LLVMBuildMul(b, at, whole(s, tensor->shape[i]), ""), index, "");
    }
    LLVMValueRef value = read_element(s, tensor, base, at);
    if (!inside) return value;
    if (load->has_else) return LLVMBuildSelect(b, inside, value, emit(s, load->args[load->arg_count - 1], mask), "");
    if (checked) {
        LLVMValueRef bad = masked(s, mask, LLVMBuildNot(b, inside, ""));
        LLVMValueRef old = LLVMBuildLoad2(b, s->e->i64, s->fault, "");
        LLVMBuildStore(b, LLVMBuildSelect(b, bad, whole(s, s->first_fault + 1), old, ""), s->fault);
    }
    return value;
}

/* Floored division and its remainder, from the truncated ones. A divisor of 0 is taken as 1: the read it would make is guarded out. */
static LLVMValueRef floored(EmitScope *s, LLVMValueRef a, LLVMValueRef c, bool remainder) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef zero = whole(s, 0);
    LLVMValueRef divisor = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntEQ, c, zero, ""), whole(s, 1), c, "");
    LLVMValueRef r = LLVMBuildSRem(b, a, divisor, "");
    LLVMValueRef unlike = LLVMBuildICmp(b, LLVMIntSLT, LLVMBuildXor(b, r, divisor, ""), zero, "");
    LLVMValueRef adjust = LLVMBuildAnd(b, LLVMBuildICmp(b, LLVMIntNE, r, zero, ""), unlike, "");
    if (remainder) return LLVMBuildSelect(b, adjust, LLVMBuildAdd(b, r, divisor, ""), r, "");
    LLVMValueRef q = LLVMBuildSDiv(b, a, divisor, "");
    return LLVMBuildSelect(b, adjust, LLVMBuildSub(b, q, whole(s, 1), ""), q, "");
}

static LLVMValueRef compare(EmitScope *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c) {
    LLVMBuilderRef b = s->e->builder;
    if (e->args[0]->type == GT_REAL) {
        LLVMRealPredicate p = e->op == G_LT ? LLVMRealOLT : e->op == G_LE ? LLVMRealOLE : e->op == G_EQ ? LLVMRealOEQ : LLVMRealUNE;
        return LLVMBuildFCmp(b, p, a, c, "");
    }
    LLVMIntPredicate p = e->op == G_LT ? LLVMIntSLT : e->op == G_LE ? LLVMIntSLE : e->op == G_EQ ? LLVMIntEQ : LLVMIntNE;
    return LLVMBuildICmp(b, p, a, c, "");
}

static LLVMValueRef emit_int(EmitScope *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c) {
    LLVMBuilderRef b = s->e->builder;
    LLVMTypeRef i64 = s->e->i64;
    switch (e->op) {
    case G_ADD: return LLVMBuildAdd(b, a, c, "");
    case G_SUB: return LLVMBuildSub(b, a, c, "");
    case G_MUL: return LLVMBuildMul(b, a, c, "");
    case G_NEG: return LLVMBuildNeg(b, a, "");
    case G_MAX: return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGE, a, c, ""), a, c, "");
    case G_MIN: return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLE, a, c, ""), a, c, "");
    case G_ABS: return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, a, whole(s, 0), ""), LLVMBuildNeg(b, a, ""), a, "");
    case G_SIGN: {
        LLVMValueRef up = LLVMBuildZExt(b, LLVMBuildICmp(b, LLVMIntSGT, a, whole(s, 0), ""), i64, "");
        return LLVMBuildSub(b, up, LLVMBuildZExt(b, LLVMBuildICmp(b, LLVMIntSLT, a, whole(s, 0), ""), i64, ""), "");
    }
    case G_FLOORDIV: return floored(s, a, c, false);
    default: return floored(s, a, c, true); /* G_MOD */
    }
}

static LLVMValueRef emit_real(EmitScope *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c) {
    LLVMBuilderRef b = s->e->builder;
    LLVMTypeRef f32 = s->e->f32;
    LLVMValueRef pair[2] = {a, c}, zero = number(s, 0), one = number(s, 1);
    switch (e->op) {
    case G_ADD: return LLVMBuildFAdd(b, a, c, "");
    case G_SUB: return LLVMBuildFSub(b, a, c, "");
    case G_MUL: return LLVMBuildFMul(b, a, c, "");
    case G_DIV: return LLVMBuildFDiv(b, a, c, "");
    case G_NEG: return LLVMBuildFNeg(b, a, "");
    /* A NaN on the left stays, as in the reference. */
    case G_MAX: return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOLT, a, c, ""), c, a, "");
    case G_MIN: return LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOGT, a, c, ""), c, a, "");
    case G_POW: return call_named(s, "powf", pair, 2);
    case G_EXP: return math(s, "expf", a);
    case G_EXPM1: return math(s, "expm1f", a);
    case G_LOG: return math(s, "logf", a);
    case G_LOG1P: return math(s, "log1pf", a);
    case G_TANH: return math(s, "tanhf", a);
    case G_ERF: return math(s, "erff", a);
    case G_SIN: return math(s, "sinf", a);
    case G_COS: return math(s, "cosf", a);
    case G_SQRT: return intrinsic(s, "llvm.sqrt", a);
    case G_RSQRT: return LLVMBuildFDiv(b, one, intrinsic(s, "llvm.sqrt", a), "");
    case G_ABS: return intrinsic(s, "llvm.fabs", a);
    case G_FLOOR: return intrinsic(s, "llvm.floor", a);
    case G_CEIL: return intrinsic(s, "llvm.ceil", a);
    case G_ROUND: return intrinsic(s, "llvm.rint", a);
    case G_SIGN: {
        LLVMValueRef up = LLVMBuildUIToFP(b, LLVMBuildFCmp(b, LLVMRealOGT, a, zero, ""), f32, "");
        return LLVMBuildFSub(b, up, LLVMBuildUIToFP(b, LLVMBuildFCmp(b, LLVMRealOLT, a, zero, ""), f32, ""), "");
    }
    case G_SIGMOID: /* exp overflows to inf for very negative a, and 1 / inf is the right 0 */
        return LLVMBuildFDiv(b, one, LLVMBuildFAdd(b, one, math(s, "expf", LLVMBuildFNeg(b, a, "")), ""), "");
    default: { /* G_SOFTPLUS: max(a, 0) + log1p(exp(-|a|)) */
        LLVMValueRef tail = math(s, "log1pf", math(s, "expf", LLVMBuildFNeg(b, intrinsic(s, "llvm.fabs", a), "")));
        return LLVMBuildFAdd(b, LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealOLT, a, zero, ""), zero, a, ""), tail, "");
    }
    }
}

static LLVMValueRef emit(EmitScope *s, const GExpr *e, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    switch (e->op) {
    case G_CONST:
        if (e->type == GT_REAL) return number(s, e->real);
        return e->type == GT_INT ? whole(s, e->integer) : LLVMConstInt(s->e->i1, (unsigned long long)e->integer, 0);
    case G_INDEX: return s->indices[e->index];
    case G_LOAD: return emit_load(s, e, mask);
    case G_SELECT: {
        LLVMValueRef condition = emit(s, e->args[0], mask);
        LLVMValueRef then = emit(s, e->args[1], masked(s, mask, condition));
        LLVMValueRef otherwise = emit(s, e->args[2], masked(s, mask, LLVMBuildNot(b, condition, "")));
        return LLVMBuildSelect(b, condition, then, otherwise, "");
    }
    case G_AND: { /* lazy on its right, as a select is */
        LLVMValueRef left = emit(s, e->args[0], mask);
        return LLVMBuildSelect(b, left, emit(s, e->args[1], masked(s, mask, left)), LLVMConstInt(s->e->i1, 0, 0), "");
    }
    default: break;
    }
    LLVMValueRef a = emit(s, e->args[0], mask), c = e->arg_count > 1 ? emit(s, e->args[1], mask) : NULL;
    switch (e->op) {
    case G_OR: return LLVMBuildOr(b, a, c, "");
    case G_NOT: return LLVMBuildNot(b, a, "");
    case G_LT:
    case G_LE:
    case G_EQ:
    case G_NE: return compare(s, e, a, c);
    case G_TO_REAL: return e->args[0]->type == GT_BOOL ? LLVMBuildUIToFP(b, a, s->e->f32, "") : LLVMBuildSIToFP(b, a, s->e->f32, "");
    case G_TO_INT: return LLVMBuildFPToSI(b, a, s->e->i64, "");
    case G_IS_FINITE: return LLVMBuildFCmp(b, LLVMRealOLT, intrinsic(s, "llvm.fabs", a), number(s, HUGE_VAL), "");
    default: break;
    }
    return e->type == GT_INT ? emit_int(s, e, a, c) : emit_real(s, e, a, c);
}

LLVMValueRef emit_expr(EmitScope *scope, const GExpr *expr) { return emit(scope, expr, NULL); }
