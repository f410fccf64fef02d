/* Exponential and logarithm as polynomials, and what follows from them. Coefficients: Cephes
 * (Moshier), expf.c and logf.c. The code is free of branches and calls, so that LLVM turns a loop
 * around it into vectors; nothing here may be re-associated. */
#include "compiler/cpu/emit.h"

#include <math.h>
#include <string.h>

LLVMValueRef math_intrinsic(Frame *f, const char *name, LLVMValueRef *args, unsigned count) {
    Emitter *e = f->e;
    LLVMTypeRef type = LLVMTypeOf(args[0]);
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, &type, 1);
    return LLVMBuildCall2(e->builder, LLVMIntrinsicGetType(e->context, id, &type, 1), function,
                          args, count, "");
}

static LLVMValueRef word(Frame *f, uint32_t value) {
    return LLVMConstInt(f->e->i32, value, 0);
}
static LLVMValueRef bits_of(Frame *f, LLVMValueRef x) {
    return LLVMBuildBitCast(f->e->builder, x, f->e->i32, "");
}
static LLVMValueRef real_of(Frame *f, LLVMValueRef bits) {
    return LLVMBuildBitCast(f->e->builder, bits, f->e->f32, "");
}

static LLVMValueRef select_by(Frame *f, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b,
                              LLVMValueRef then, LLVMValueRef otherwise) {
    return LLVMBuildSelect(f->e->builder, LLVMBuildFCmp(f->e->builder, p, a, b, ""), then,
                           otherwise, "");
}

/* c[0] x^(n-1) + ... + c[n-1] */
static LLVMValueRef polynomial(Frame *f, LLVMValueRef x, const double *c, int n) {
    LLVMValueRef sum = emit_number(f, c[0]);
    for (int i = 1; i < n; i++)
        sum = emit_multiply_add(f, sum, x, emit_number(f, c[i]));
    return sum;
}

static LLVMValueRef power_of_two(Frame *f, LLVMValueRef n) {
    LLVMBuilderRef b = f->e->builder;
    return real_of(f, LLVMBuildShl(b, LLVMBuildAdd(b, n, word(f, 127), ""), word(f, 23), ""));
}

static const double exponential[] = {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3,
                                     4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1};

/* A number x taken apart: x = n log 2 + r with n whole and |r| at most half of log 2. The member q
 * is e^r - 1. If x is NaN, so is q. */
typedef struct Parted {
    LLVMValueRef n, q; /* n is an i32 */
} Parted;

static Parted parted(Frame *f, LLVMValueRef x) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef turns = LLVMBuildFMul(b, x, emit_number(f, 1.44269504088896341), "");
    LLVMValueRef n = math_intrinsic(f, "llvm.rint", &turns, 1);
    LLVMValueRef r = emit_multiply_add(f, n, emit_number(f, -0.693359375), x);
    r = emit_multiply_add(f, n, emit_number(f, 2.12194440e-4), r);
    LLVMValueRef q =
        emit_multiply_add(f, polynomial(f, r, exponential, 6), LLVMBuildFMul(b, r, r, ""), r);
    return (Parted){LLVMBuildFreeze(b, LLVMBuildFPToSI(b, n, f->e->i32, ""), ""), q};
}

/* Bound a value from one side. A NaN compares false and stays. */
static LLVMValueRef at_least(Frame *f, LLVMValueRef x, double low) {
    return select_by(f, LLVMRealOLT, x, emit_number(f, low), emit_number(f, low), x);
}
static LLVMValueRef at_most(Frame *f, LLVMValueRef x, double high) {
    return select_by(f, LLVMRealOGT, x, emit_number(f, high), emit_number(f, high), x);
}

LLVMValueRef math_exp(Frame *f, LLVMValueRef x) {
    LLVMBuilderRef b = f->e->builder;
    /* Beyond this range the result is 0 or inf anyway. */
    Parted e = parted(f, at_most(f, at_least(f, x, -104), 89));
    LLVMValueRef p = LLVMBuildFAdd(b, e.q, emit_number(f, 1), "");
    /* 2^n is taken as two factors, because n is from -150 to 128, which is more than the exponent
     * of one float holds. */
    LLVMValueRef half = LLVMBuildAShr(b, e.n, word(f, 1), "");
    LLVMValueRef rest = LLVMBuildSub(b, e.n, half, "");
    return LLVMBuildFMul(b, LLVMBuildFMul(b, p, power_of_two(f, half), ""), power_of_two(f, rest),
                         "");
}

LLVMValueRef math_log(Frame *f, LLVMValueRef x) {
    static const double c[] = {7.0376836292e-2,  -1.1514610310e-1, 1.1676998740e-1,
                               -1.2420140846e-1, 1.4249322787e-1,  -1.6668057665e-1,
                               2.0000714765e-1,  -2.4999993993e-1, 3.3333331174e-1};
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef smallest = emit_number(f, 0x1p-126);
    LLVMValueRef tiny = LLVMBuildFCmp(b, LLVMRealOLT, x, smallest, "");
    LLVMValueRef scaled =
        LLVMBuildSelect(b, tiny, LLVMBuildFMul(b, x, emit_number(f, 0x1p23), ""), x, "");
    LLVMValueRef bits = bits_of(f, scaled);
    LLVMValueRef exponent =
        LLVMBuildSub(b, LLVMBuildLShr(b, bits, word(f, 23), ""), word(f, 126), "");
    exponent = LLVMBuildSelect(b, tiny, LLVMBuildSub(b, exponent, word(f, 23), ""), exponent, "");
    LLVMValueRef m = real_of(
        f, LLVMBuildOr(b, LLVMBuildAnd(b, bits, word(f, 0x007FFFFF), ""), word(f, 0x3F000000), ""));
    /* m is in [0.5, 1). Below sqrt(1/2), 2m is taken instead, so that log(m) is small either
     * way. */
    LLVMValueRef below = LLVMBuildFCmp(b, LLVMRealOLT, m, emit_number(f, 0.707106781186547524), "");
    exponent = LLVMBuildSelect(b, below, LLVMBuildSub(b, exponent, word(f, 1), ""), exponent, "");
    LLVMValueRef t = LLVMBuildFSub(b, LLVMBuildSelect(b, below, LLVMBuildFAdd(b, m, m, ""), m, ""),
                                   emit_number(f, 1), "");
    LLVMValueRef n = LLVMBuildSIToFP(b, exponent, f->e->f32, "");
    LLVMValueRef square = LLVMBuildFMul(b, t, t, "");
    LLVMValueRef y = LLVMBuildFMul(b, polynomial(f, t, c, 9), LLVMBuildFMul(b, square, t, ""), "");
    y = emit_multiply_add(f, n, emit_number(f, -2.12194440e-4), y);
    y = emit_multiply_add(f, square, emit_number(f, -0.5), y);
    y = emit_multiply_add(f, n, emit_number(f, 0.693359375), LLVMBuildFAdd(b, t, y, ""));
    LLVMValueRef infinity = emit_number(f, INFINITY);
    LLVMValueRef zero = emit_number(f, 0);
    y = select_by(f, LLVMRealOEQ, x, infinity, infinity, y);
    y = select_by(f, LLVMRealOEQ, x, zero, emit_number(f, -INFINITY), y);
    return select_by(f, LLVMRealUGE, x, zero, select_by(f, LLVMRealUNO, x, x, x, y),
                     emit_number(f, NAN));
}

/* Returns log(u) x / (u - 1) with u = 1 + x (Kahan). The rounding error of u cancels in the
 * quotient. */
LLVMValueRef math_log1p(Frame *f, LLVMValueRef x) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef one = emit_number(f, 1);
    LLVMValueRef u = LLVMBuildFAdd(b, one, x, "");
    LLVMValueRef less = LLVMBuildFSub(b, u, one, "");
    LLVMValueRef y = LLVMBuildFMul(b, math_log(f, u), LLVMBuildFDiv(b, x, less, ""), "");
    y = select_by(f, LLVMRealOEQ, less, emit_number(f, 0), x, y);
    return select_by(
        f, LLVMRealOEQ, x, emit_number(f, INFINITY), x,
        select_by(f, LLVMRealOEQ, x, emit_number(f, -1), emit_number(f, -INFINITY), y));
}

/* Returns 2^(n - 1) for n from -125 to 128. With 2^n itself, a float's exponent would not reach the
 * largest values of e^x. */
static LLVMValueRef half_power_of_two(Frame *f, LLVMValueRef n) {
    return power_of_two(f, LLVMBuildSub(f->e->builder, n, word(f, 1), ""));
}
static LLVMValueRef twice(Frame *f, LLVMValueRef x) {
    return LLVMBuildFAdd(f->e->builder, x, x, "");
}

/* Returns 2^n q + (2^n - 1), or q alone if n is 0. Below -20 the result is -1. */
LLVMValueRef math_expm1(Frame *f, LLVMValueRef x) {
    Parted e = parted(f, at_most(f, at_least(f, x, -20), 89));
    LLVMValueRef half = half_power_of_two(f, e.n);
    return twice(f, emit_multiply_add(f, half, e.q,
                                      LLVMBuildFSub(f->e->builder, half, emit_number(f, 0.5), "")));
}

LLVMValueRef math_tanh(Frame *f, LLVMValueRef x) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef size = math_intrinsic(f, "llvm.fabs", &x, 1);
    /* Above 10 the result is 1 in float32. */
    LLVMValueRef grown = math_expm1(f, twice(f, at_most(f, size, 10)));
    LLVMValueRef args[2] = {
        LLVMBuildFDiv(b, grown, LLVMBuildFAdd(b, grown, emit_number(f, 2), ""), ""), x};
    return math_intrinsic(f, "llvm.copysign", args, 2);
}

/* Returns 1 / (1 + e^-x). Beside the 1, a small exponential need not be exact, and a large one may
 * be infinite. */
LLVMValueRef math_sigmoid(Frame *f, LLVMValueRef x) {
    LLVMBuilderRef b = f->e->builder;
    Parted e = parted(f, at_most(f, at_least(f, LLVMBuildFNeg(b, x, ""), -86), 89));
    LLVMValueRef half = half_power_of_two(f, e.n);
    LLVMValueRef grown = twice(f, emit_multiply_add(f, half, e.q, half));
    return LLVMBuildFDiv(b, emit_number(f, 1), LLVMBuildFAdd(b, emit_number(f, 1), grown, ""), "");
}

/* Returns max(x, 0) + log(1 + e), where e = exp(-|x|) is from 0 to 1. As in fdlibm's log1p: with s
 * = e / (2 + e), log(1 + e) = 2 artanh(s) = e - (h - s (h + s^2 P(s^2))), h = e^2 / 2. */
LLVMValueRef math_softplus(Frame *f, LLVMValueRef x) {
    static const double c[] = {0.26867548460766216, 0.2823395609136443, 0.4000767085236246,
                               0.6666663966575233};
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef e = math_exp(f, LLVMBuildFNeg(b, math_intrinsic(f, "llvm.fabs", &x, 1), ""));
    LLVMValueRef s = LLVMBuildFDiv(b, e, LLVMBuildFAdd(b, e, emit_number(f, 2), ""), "");
    LLVMValueRef z = LLVMBuildFMul(b, s, s, "");
    LLVMValueRef h = LLVMBuildFMul(b, LLVMBuildFMul(b, e, emit_number(f, 0.5), ""), e, "");
    LLVMValueRef inner = emit_multiply_add(f, z, polynomial(f, z, c, 4), h);
    LLVMValueRef tail =
        LLVMBuildFSub(b, e, LLVMBuildFSub(b, h, LLVMBuildFMul(b, s, inner, ""), ""), "");
    return LLVMBuildFAdd(b, at_least(f, x, 0), tail, "");
}

/* Above 0.93, erf(x) is 1 - exp of a polynomial in |x|. Below, it is x plus x times a polynomial in
 * x^2. The coefficients are N. Juffa's. */
LLVMValueRef math_erf(Frame *f, LLVMValueRef x) {
    static const double small[] = {-5.96761703e-4, 4.99119423e-3,  -2.67681349e-2,
                                   1.12819925e-1,  -3.76125336e-1, 1.28379166e-1};
    static const double rest[] = {-1.06777877e-1, -6.34846687e-1, -1.28717512e-1};
    LLVMBuilderRef b = f->e->builder;
    /* Above 4 the result is 1 in float32. */
    LLVMValueRef t = at_most(f, math_intrinsic(f, "llvm.fabs", &x, 1), 4);
    LLVMValueRef s = LLVMBuildFMul(b, t, t, "");
    LLVMValueRef r =
        emit_multiply_add(f, emit_number(f, -1.72853470e-5), t, emit_number(f, 3.83197126e-4));
    LLVMValueRef u =
        emit_multiply_add(f, emit_number(f, -3.88396438e-3), t, emit_number(f, 2.42546219e-2));
    r = emit_multiply_add(f, r, s, u);
    for (int i = 0; i < 3; i++)
        r = emit_multiply_add(f, r, t, emit_number(f, rest[i]));
    r = emit_multiply_add(f, r, t, LLVMBuildFNeg(b, t, ""));
    LLVMValueRef large[2] = {LLVMBuildFSub(b, emit_number(f, 1), math_exp(f, r), ""), x};
    LLVMValueRef near = emit_multiply_add(f, polynomial(f, s, small, 6), x, x);
    return select_by(f, LLVMRealOGT, t, emit_number(f, 0.927734375),
                     math_intrinsic(f, "llvm.copysign", large, 2), near);
}
