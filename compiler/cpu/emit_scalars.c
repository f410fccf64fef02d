/* The code of the scalar operations, a function for each row of scalars.def. This file does not
 * compile if a row has no function.
 *
 * Whole numbers have 64 bits. An operation whose result needs more raises a fault, which stops the
 * run. This is checked only where the ranges of the arguments allow such a result (gx_may_wrap). */
#include "compiler/cpu/emit.h"

#include <assert.h>
#include <math.h>

/* Emits the value of `e`. `a` and `c` are the values of its first two arguments; NULL if there is
 * no such argument, or if the operation is lazy. */
typedef LLVMValueRef EmitScalar(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                                LLVMValueRef mask);

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

/* ---- whole numbers --------------------------------------------------------------------------- */

/* True for a whole number that has 32 bits in memory, or whose range is known to fit them. */
static bool is_narrow(Frame *s, const GExpr *e) {
    int64_t low;
    int64_t high;
    if (e->op == G_LOAD || e->op == G_TO_INT) return true;
    return gx_range_of_data(s->e->graph, e, s->extents, &low, &high) && low >= INT32_MIN &&
           high <= INT32_MAX;
}

/* Returns a number in 32 bits, so that a vector holds twice as many. */
static LLVMValueRef narrowed(Frame *s, const GExpr *e, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    if (e->op == G_INDEX && s->narrow[e->index]) return s->narrow[e->index];
    if ((e->op == G_ADD || e->op == G_SUB || e->op == G_MUL) && is_narrow(s, e->args[0]) &&
        is_narrow(s, e->args[1])) {
        LLVMValueRef a = narrowed(s, e->args[0], mask);
        LLVMValueRef c = narrowed(s, e->args[1], mask);
        return e->op == G_ADD   ? LLVMBuildAdd(b, a, c, "")
               : e->op == G_SUB ? LLVMBuildSub(b, a, c, "")
                                : LLVMBuildMul(b, a, c, "");
    }
    return LLVMBuildTrunc(b, emit_expr_where(s, e, mask), s->e->i32, "");
}

/* Computes the floored quotient and its remainder from the truncated ones. A divisor of 0 counts as
 * 1: either it has stopped the run, or the result is not used. */
static LLVMValueRef floored(Frame *s, LLVMValueRef a, LLVMValueRef c, bool remainder) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(a));
    LLVMValueRef one = LLVMConstInt(LLVMTypeOf(a), 1, 0);
    LLVMValueRef by_zero = LLVMBuildICmp(b, LLVMIntEQ, c, zero, "");
    LLVMValueRef divisor = LLVMBuildSelect(b, by_zero, one, c, "");
    LLVMValueRef r = LLVMBuildSRem(b, a, divisor, "");
    LLVMValueRef signs = LLVMBuildXor(b, r, divisor, "");
    LLVMValueRef unlike = LLVMBuildICmp(b, LLVMIntSLT, signs, zero, "");
    LLVMValueRef has_rest = LLVMBuildICmp(b, LLVMIntNE, r, zero, "");
    LLVMValueRef adjust = LLVMBuildAnd(b, has_rest, unlike, "");
    if (remainder) {
        LLVMValueRef above = LLVMBuildAdd(b, r, divisor, "");
        return LLVMBuildSelect(b, adjust, above, r, "");
    }
    LLVMValueRef q = LLVMBuildSDiv(b, a, divisor, "");
    LLVMValueRef below = LLVMBuildSub(b, q, one, "");
    return LLVMBuildSelect(b, adjust, below, q, "");
}

/* Emits a quotient or a remainder. In a tile, a division by a constant is done in 32 bits, because
 * a division of 64 bits has no vectors. */
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

LLVMValueRef emit_add_whole(Frame *f, LLVMValueRef a, LLVMValueRef c, LLVMValueRef *wraps) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef sum = LLVMBuildAdd(b, a, c, "");
    LLVMValueRef unlike =
        LLVMBuildAnd(b, LLVMBuildXor(b, a, sum, ""), LLVMBuildXor(b, c, sum, ""), "");
    *wraps = LLVMBuildICmp(b, LLVMIntSLT, unlike, emit_whole(f, 0), "");
    return sum;
}

static bool may_wrap(Frame *s, const GExpr *e) {
    return gx_may_wrap(s->e->graph, e, s->extents);
}

static void raise_where(Frame *s, LLVMValueRef mask, LLVMValueRef wraps) {
    frame_raise(s, emit_masked(s, mask, wraps), COUPLET_FAULT_WHOLE);
}

/* Returns `a`, or 0 if its negative would need more than 64 bits, which is so for the least
 * number. */
static LLVMValueRef unless_least(Frame *s, LLVMValueRef a, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef wraps = LLVMBuildICmp(b, LLVMIntEQ, a, emit_whole(s, INT64_MIN), "");
    raise_where(s, mask, wraps);
    return LLVMBuildSelect(b, wraps, emit_whole(s, 0), a, "");
}

/* Returns `a`, or 0 if dividing it by `c` would stop a processor: by 0, or the least number by
 * -1. */
static LLVMValueRef if_divisible(Frame *s, LLVMValueRef a, LLVMValueRef c, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef zero = emit_whole(s, 0);
    LLVMValueRef is_least = LLVMBuildICmp(b, LLVMIntEQ, a, emit_whole(s, INT64_MIN), "");
    LLVMValueRef by_less = LLVMBuildICmp(b, LLVMIntEQ, c, emit_whole(s, -1), "");
    LLVMValueRef wraps = LLVMBuildAnd(b, is_least, by_less, "");
    LLVMValueRef by_zero = LLVMBuildICmp(b, LLVMIntEQ, c, zero, "");
    LLVMValueRef stops = LLVMBuildOr(b, wraps, by_zero, "");
    raise_where(s, mask, stops);
    return LLVMBuildSelect(b, stops, zero, a, "");
}

static LLVMValueRef emit_fdiv(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                              LLVMValueRef mask) {
    if (may_wrap(s, e)) a = if_divisible(s, a, c, mask);
    return emit_quotient(s, e, a, c, mask);
}

static LLVMValueRef emit_mod(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    return emit_fdiv(s, e, a, c, mask);
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

/* Allows a product and a sum to become one fused operation. */
static LLVMValueRef fusible(LLVMValueRef value) {
    if (LLVMIsAInstruction(value)) {
        LLVMSetFastMathFlags(value, LLVMFastMathAllowContract);
    }
    return value;
}

/* Returns `x` where `x` is NaN, else `value`. */
static LLVMValueRef unless_nan(Frame *s, LLVMValueRef x, LLVMValueRef value) {
    return LLVMBuildSelect(s->e->builder, LLVMBuildFCmp(s->e->builder, LLVMRealUNO, x, x, ""), x,
                           value, "");
}

/* True if the value is provably no NaN. */
static bool is_never_nan(const GExpr *e) {
    return (e->op == G_CONST && !isnan(e->real)) || e->op == G_TO_REAL || e->op == G_RANDOM;
}

/* Returns the larger or the smaller, by the comparison `wins`. A NaN as either argument is the
 * result. One instruction is enough if one of the two is known to be a number, since a comparison
 * with a NaN is false and then leaves the NaN. */
static LLVMValueRef extreme(Frame *s, const GExpr *e, LLVMRealPredicate wins, LLVMValueRef a,
                            LLVMValueRef c) {
    LLVMBuilderRef b = s->e->builder;
    if (is_never_nan(e->args[0]))
        return LLVMBuildSelect(b, LLVMBuildFCmp(b, wins, a, c, ""), a, c, "");
    LLVMValueRef best = LLVMBuildSelect(b, LLVMBuildFCmp(b, wins, c, a, ""), c, a, "");
    return is_never_nan(e->args[1]) ? best : unless_nan(s, c, best);
}

static LLVMValueRef emit_add(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    if (e->type != GT_INT) return fusible(LLVMBuildFAdd(s->e->builder, a, c, ""));
    if (!may_wrap(s, e)) return LLVMBuildAdd(s->e->builder, a, c, "");
    LLVMValueRef wraps;
    LLVMValueRef sum = emit_add_whole(s, a, c, &wraps);
    raise_where(s, mask, wraps);
    return sum;
}

/* Emits a - c, which has overflowed if the signs of a and c differ, and those of a and the result
 * do too. */
static LLVMValueRef emit_sub(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    if (e->type != GT_INT) return fusible(LLVMBuildFSub(b, a, c, ""));
    LLVMValueRef result = LLVMBuildSub(b, a, c, "");
    if (!may_wrap(s, e)) return result;
    LLVMValueRef unlike = LLVMBuildXor(b, a, c, "");
    LLVMValueRef changed = LLVMBuildXor(b, a, result, "");
    LLVMValueRef wraps = LLVMBuildAnd(b, unlike, changed, "");
    raise_where(s, mask, LLVMBuildICmp(b, LLVMIntSLT, wraps, emit_whole(s, 0), ""));
    return result;
}

static LLVMValueRef emit_mul(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef pair[2] = {a, c};
    if (e->type != GT_INT) return fusible(LLVMBuildFMul(b, a, c, ""));
    if (!may_wrap(s, e)) return LLVMBuildMul(b, a, c, "");
    LLVMValueRef both = math_intrinsic(s, "llvm.smul.with.overflow", pair, 2);
    LLVMValueRef result = LLVMBuildExtractValue(b, both, 0, "");
    raise_where(s, mask, LLVMBuildExtractValue(b, both, 1, ""));
    return result;
}

static LLVMValueRef emit_neg(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    (void)c;
    if (e->type != GT_INT) return LLVMBuildFNeg(s->e->builder, a, "");
    if (may_wrap(s, e)) a = unless_least(s, a, mask);
    return LLVMBuildNeg(s->e->builder, a, "");
}

static LLVMValueRef emit_abs(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    (void)c;
    if (e->type != GT_INT) return intrinsic(s, "llvm.fabs", a);
    if (may_wrap(s, e)) a = unless_least(s, a, mask);
    LLVMValueRef is_less = LLVMBuildICmp(b, LLVMIntSLT, a, emit_whole(s, 0), "");
    return LLVMBuildSelect(b, is_less, LLVMBuildNeg(b, a, ""), a, "");
}

static LLVMValueRef emit_sign(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                              LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    (void)c, (void)mask;
    if (e->type == GT_INT) {
        LLVMValueRef zero = emit_whole(s, 0);
        LLVMValueRef up =
            LLVMBuildZExt(b, LLVMBuildICmp(b, LLVMIntSGT, a, zero, ""), s->e->i64, "");
        LLVMValueRef down =
            LLVMBuildZExt(b, LLVMBuildICmp(b, LLVMIntSLT, a, zero, ""), s->e->i64, "");
        return LLVMBuildSub(b, up, down, "");
    }
    LLVMValueRef zero = emit_number(s, 0);
    LLVMValueRef up = LLVMBuildUIToFP(b, LLVMBuildFCmp(b, LLVMRealOGT, a, zero, ""), s->e->f32, "");
    LLVMValueRef down =
        LLVMBuildUIToFP(b, LLVMBuildFCmp(b, LLVMRealOLT, a, zero, ""), s->e->f32, "");
    return unless_nan(s, a, LLVMBuildFSub(b, up, down, ""));
}

static LLVMValueRef emit_max(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    (void)mask;
    if (e->type != GT_INT) return extreme(s, e, LLVMRealOGT, a, c);
    return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSGE, a, c, ""), a, c, "");
}

static LLVMValueRef emit_min(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    (void)mask;
    if (e->type != GT_INT) return extreme(s, e, LLVMRealOLT, a, c);
    return LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLE, a, c, ""), a, c, "");
}

/* ---- reals ----------------------------------------------------------------------------------- */

static LLVMValueRef emit_div(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    (void)e, (void)mask;
    return LLVMBuildFDiv(s->e->builder, a, c, "");
}

static LLVMValueRef emit_pow(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    LLVMValueRef pair[2] = {a, c};
    (void)e, (void)mask;
    return call_named(s, "powf", pair, 2);
}

/* Emits the root, whose value is its second argument; the first and third serve its slope. */
static LLVMValueRef emit_root(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                              LLVMValueRef mask) {
    (void)s, (void)e, (void)a, (void)mask;
    return c;
}

static LLVMValueRef emit_rsqrt(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                               LLVMValueRef mask) {
    (void)e, (void)c, (void)mask;
    return LLVMBuildFDiv(s->e->builder, emit_number(s, 1), intrinsic(s, "llvm.sqrt", a), "");
}

/* Defines the emitter of a function of one real, by the code that makes the value. */
#define OF_ONE_REAL(name, code)                                                                    \
    static LLVMValueRef emit_##name(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,      \
                                    LLVMValueRef mask) {                                           \
        (void)e, (void)c, (void)mask;                                                              \
        return code;                                                                               \
    }
OF_ONE_REAL(exp, math_exp(s, a))
OF_ONE_REAL(expm1, math_expm1(s, a))
OF_ONE_REAL(log, math_log(s, a))
OF_ONE_REAL(log1p, math_log1p(s, a))
OF_ONE_REAL(tanh, math_tanh(s, a))
OF_ONE_REAL(sigmoid, math_sigmoid(s, a))
OF_ONE_REAL(softplus, math_softplus(s, a))
OF_ONE_REAL(erf, math_erf(s, a))
OF_ONE_REAL(sin, call_named(s, "sinf", &a, 1))
OF_ONE_REAL(cos, call_named(s, "cosf", &a, 1))
OF_ONE_REAL(sqrt, intrinsic(s, "llvm.sqrt", a))
OF_ONE_REAL(floor, intrinsic(s, "llvm.floor", a))
OF_ONE_REAL(ceil, intrinsic(s, "llvm.ceil", a))
OF_ONE_REAL(round, intrinsic(s, "llvm.rint", a))
#undef OF_ONE_REAL

/* ---- from type to type ----------------------------------------------------------------------- */

/* Converts to a real, from 32 bits if possible, because only those conversions have vectors. */
static LLVMValueRef emit_real(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                              LLVMValueRef mask) {
    (void)c;
    if (e->args[0]->type == GT_BOOL) return LLVMBuildUIToFP(s->e->builder, a, s->e->f32, "");
    return LLVMBuildSIToFP(
        s->e->builder, is_narrow(s, e->args[0]) ? narrowed(s, e->args[0], mask) : a, s->e->f32, "");
}

/* Converts to an int in 32 bits, as gx_to_int does. */
static LLVMValueRef emit_int(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    (void)e, (void)c;
    LLVMValueRef below = LLVMBuildFCmp(b, LLVMRealOLT, a, emit_number(s, 0x1p31), "");
    LLVMValueRef fits =
        LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOGE, a, emit_number(s, -0x1p31), ""), below, "");
    frame_raise(s, emit_masked(s, mask, LLVMBuildNot(b, fits, "")), COUPLET_FAULT_WHOLE);
    LLVMValueRef inside = LLVMBuildSelect(b, fits, a, emit_number(s, 0), "");
    return LLVMBuildSExt(b, LLVMBuildFPToSI(b, inside, s->e->i32, ""), s->e->i64, "");
}

/* ---- truth ----------------------------------------------------------------------------------- */

static LLVMValueRef emit_comparison(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
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

static LLVMValueRef emit_lt(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                            LLVMValueRef mask) {
    return emit_comparison(s, e, a, c, mask);
}

static LLVMValueRef emit_le(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                            LLVMValueRef mask) {
    return emit_comparison(s, e, a, c, mask);
}

static LLVMValueRef emit_eq(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                            LLVMValueRef mask) {
    return emit_comparison(s, e, a, c, mask);
}

static LLVMValueRef emit_ne(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                            LLVMValueRef mask) {
    return emit_comparison(s, e, a, c, mask);
}

static LLVMValueRef emit_not(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    (void)e, (void)c, (void)mask;
    return LLVMBuildNot(s->e->builder, a, "");
}

static LLVMValueRef emit_finite(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                                LLVMValueRef mask) {
    (void)e, (void)c, (void)mask;
    return LLVMBuildFCmp(s->e->builder, LLVMRealOLT, intrinsic(s, "llvm.fabs", a),
                         emit_number(s, HUGE_VAL), "");
}

/* ---- lazy operations, which emit their arguments themselves ---------------------------------- */

static bool is_lazy(GOp op) {
    return op == G_SELECT || op == G_AND || op == G_OR;
}

static LLVMValueRef emit_select(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                                LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef condition = emit_expr_where(s, e->args[0], mask);
    (void)a, (void)c;
    if (LLVMIsConstant(condition))
        return emit_expr_where(s, e->args[LLVMConstIntGetZExtValue(condition) ? 1 : 2], mask);
    emit_ahead(s, e->args[1], e->args[2], mask);
    LLVMValueRef then = emit_expr_where(s, e->args[1], emit_masked(s, mask, condition));
    LLVMValueRef otherwise =
        emit_expr_where(s, e->args[2], emit_masked(s, mask, LLVMBuildNot(b, condition, "")));
    return LLVMBuildSelect(b, condition, then, otherwise, "");
}

/* Emits AND or OR. The right side is evaluated where the left side does not decide. */
static LLVMValueRef emit_junction(Frame *s, const GExpr *e, LLVMValueRef mask) {
    LLVMBuilderRef b = s->e->builder;
    const bool is_and = e->op == G_AND;
    LLVMValueRef left = emit_expr_where(s, e->args[0], mask);
    if (LLVMIsConstant(left))
        return LLVMConstIntGetZExtValue(left) == is_and ? emit_expr_where(s, e->args[1], mask)
                                                        : left;
    LLVMValueRef open = is_and ? left : LLVMBuildNot(b, left, "");
    LLVMValueRef right = emit_expr_where(s, e->args[1], emit_masked(s, mask, open));
    return LLVMBuildSelect(b, open, right, LLVMConstInt(s->e->i1, !is_and, 0), "");
}

static LLVMValueRef emit_and(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                             LLVMValueRef mask) {
    (void)a, (void)c;
    return emit_junction(s, e, mask);
}

static LLVMValueRef emit_or(Frame *s, const GExpr *e, LLVMValueRef a, LLVMValueRef c,
                            LLVMValueRef mask) {
    (void)a, (void)c;
    return emit_junction(s, e, mask);
}

LLVMValueRef emit_scalar(Frame *s, const GExpr *e, LLVMValueRef mask) {
    static EmitScalar *const rows[G_OP_COUNT] = {
#define SCALAR(name, text, ...) [G_##name] = emit_##text,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    assert(rows[e->op]);
    LLVMValueRef a = NULL;
    LLVMValueRef c = NULL;
    if (!is_lazy(e->op)) {
        a = emit_expr_where(s, e->args[0], mask);
        if (e->arg_count > 1) c = emit_expr_where(s, e->args[1], mask);
    }
    return rows[e->op](s, e, a, c, mask);
}
