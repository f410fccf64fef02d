/* Exponential and logarithm as polynomials, and what follows from them. Coefficients: Cephes (Moshier), expf.c and logf.c. The code is free
 * of branches and calls, so that LLVM turns a loop around it into vectors; nothing here may be re-associated. */
#include "compiler/cpu/emit.h"

#include <math.h>
#include <string.h>

LLVMValueRef math_intrinsic(Frame *f, const char *name, LLVMValueRef *args, unsigned count) {
    Emitter *e = f->e;
    LLVMTypeRef type = LLVMTypeOf(args[0]);
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, &type, 1);
    return LLVMBuildCall2(e->builder, LLVMIntrinsicGetType(e->context, id, &type, 1), function, args, count, "");
}

static LLVMValueRef word(Frame *f, uint32_t value) { return LLVMConstInt(f->e->i32, value, 0); }
static LLVMValueRef bits_of(Frame *f, LLVMValueRef x) { return LLVMBuildBitCast(f->e->builder, x, f->e->i32, ""); }
static LLVMValueRef real_of(Frame *f, LLVMValueRef bits) { return LLVMBuildBitCast(f->e->builder, bits, f->e->f32, ""); }

static LLVMValueRef choose(Frame *f, LLVMRealPredicate p, LLVMValueRef a, LLVMValueRef b, LLVMValueRef then, LLVMValueRef otherwise) {
    return LLVMBuildSelect(f->e->builder, LLVMBuildFCmp(f->e->builder, p, a, b, ""), then, otherwise, "");
}

/* c[0] x^(n-1) + ... + c[n-1] */
static LLVMValueRef polynomial(Frame *f, LLVMValueRef x, const double *c, int n) {
    LLVMValueRef sum = number(f, c[0]);
    for (int i = 1; i < n; i++) sum = multiply_add(f, sum, x, number(f, c[i]));
    return sum;
}

static LLVMValueRef power_of_two(Frame *f, LLVMValueRef n) {
    LLVMBuilderRef b = f->e->builder;
    return real_of(f, LLVMBuildShl(b, LLVMBuildAdd(b, n, word(f, 127), ""), word(f, 23), ""));
}

LLVMValueRef math_exp(Frame *f, LLVMValueRef x) {
    static const double c[] = {1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1};
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef low = number(f, -104), high = number(f, 89);
    /* Beyond these the result is 0 or inf whatever x is. A NaN compares false and stays. */
    x = choose(f, LLVMRealOLT, x, low, low, x);
    x = choose(f, LLVMRealOGT, x, high, high, x);
    LLVMValueRef turns = LLVMBuildFMul(b, x, number(f, 1.44269504088896341), "");
    LLVMValueRef n = math_intrinsic(f, "llvm.rint", &turns, 1);
    LLVMValueRef r = multiply_add(f, n, number(f, -0.693359375), x);
    r = multiply_add(f, n, number(f, 2.12194440e-4), r);
    LLVMValueRef p = polynomial(f, r, c, 6);
    p = LLVMBuildFAdd(b, multiply_add(f, p, LLVMBuildFMul(b, r, r, ""), r), number(f, 1), "");
    /* 2^n in two factors: n reaches 128 above and -150 below, outside the exponents of one float. */
    LLVMValueRef whole_turns = LLVMBuildFreeze(b, LLVMBuildFPToSI(b, n, f->e->i32, ""), "");
    LLVMValueRef half = LLVMBuildAShr(b, whole_turns, word(f, 1), "");
    LLVMValueRef rest = LLVMBuildSub(b, whole_turns, half, "");
    return LLVMBuildFMul(b, LLVMBuildFMul(b, p, power_of_two(f, half), ""), power_of_two(f, rest), "");
}

LLVMValueRef math_log(Frame *f, LLVMValueRef x) {
    static const double c[] = {7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
                               -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1};
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef smallest = number(f, 0x1p-126);
    LLVMValueRef tiny = LLVMBuildFCmp(b, LLVMRealOLT, x, smallest, "");
    LLVMValueRef scaled = LLVMBuildSelect(b, tiny, LLVMBuildFMul(b, x, number(f, 0x1p23), ""), x, "");
    LLVMValueRef bits = bits_of(f, scaled);
    LLVMValueRef exponent = LLVMBuildSub(b, LLVMBuildLShr(b, bits, word(f, 23), ""), word(f, 126), "");
    exponent = LLVMBuildSelect(b, tiny, LLVMBuildSub(b, exponent, word(f, 23), ""), exponent, "");
    LLVMValueRef m = real_of(f, LLVMBuildOr(b, LLVMBuildAnd(b, bits, word(f, 0x007FFFFF), ""), word(f, 0x3F000000), ""));
    /* m in [0.5, 1): below sqrt(1/2) take 2m, so that log(m) is small either way. */
    LLVMValueRef below = LLVMBuildFCmp(b, LLVMRealOLT, m, number(f, 0.707106781186547524), "");
    exponent = LLVMBuildSelect(b, below, LLVMBuildSub(b, exponent, word(f, 1), ""), exponent, "");
    LLVMValueRef t = LLVMBuildFSub(b, LLVMBuildSelect(b, below, LLVMBuildFAdd(b, m, m, ""), m, ""), number(f, 1), "");
    LLVMValueRef n = LLVMBuildSIToFP(b, exponent, f->e->f32, "");
    LLVMValueRef square = LLVMBuildFMul(b, t, t, "");
    LLVMValueRef y = LLVMBuildFMul(b, polynomial(f, t, c, 9), LLVMBuildFMul(b, square, t, ""), "");
    y = multiply_add(f, n, number(f, -2.12194440e-4), y);
    y = multiply_add(f, square, number(f, -0.5), y);
    y = multiply_add(f, n, number(f, 0.693359375), LLVMBuildFAdd(b, t, y, ""));
    LLVMValueRef infinity = number(f, INFINITY), zero = number(f, 0);
    y = choose(f, LLVMRealOEQ, x, infinity, infinity, y);
    y = choose(f, LLVMRealOEQ, x, zero, number(f, -INFINITY), y);
    return choose(f, LLVMRealUGE, x, zero, choose(f, LLVMRealUNO, x, x, x, y), number(f, NAN));
}

/* Kahan's: the rounding error of 1 + x (of e^x) cancels in the quotient. */
LLVMValueRef math_log1p(Frame *f, LLVMValueRef x) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef one = number(f, 1), u = LLVMBuildFAdd(b, one, x, ""), less = LLVMBuildFSub(b, u, one, "");
    LLVMValueRef y = LLVMBuildFDiv(b, LLVMBuildFMul(b, math_log(f, u), x, ""), less, "");
    y = choose(f, LLVMRealOEQ, less, number(f, 0), x, y);
    return choose(f, LLVMRealOEQ, x, number(f, INFINITY), x, choose(f, LLVMRealOEQ, x, number(f, -1), number(f, -INFINITY), y));
}

LLVMValueRef math_expm1(Frame *f, LLVMValueRef x) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef one = number(f, 1), u = math_exp(f, x), less = LLVMBuildFSub(b, u, one, "");
    LLVMValueRef y = LLVMBuildFDiv(b, LLVMBuildFMul(b, less, x, ""), math_log(f, u), "");
    y = choose(f, LLVMRealOEQ, u, one, x, y);
    /* Large or very negative: the subtraction is exact enough, and log(u) may be infinite. */
    LLVMValueRef size = math_intrinsic(f, "llvm.fabs", &x, 1);
    return choose(f, LLVMRealOGT, size, number(f, 1), less, y);
}

LLVMValueRef math_tanh(Frame *f, LLVMValueRef x) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef size = math_intrinsic(f, "llvm.fabs", &x, 1);
    /* Above 10 the result is 1 in float32; expm1 must not reach inf / inf. */
    LLVMValueRef twice = LLVMBuildFMul(b, choose(f, LLVMRealOGT, size, number(f, 10), number(f, 10), size), number(f, 2), "");
    LLVMValueRef grown = math_expm1(f, twice);
    LLVMValueRef args[2] = {LLVMBuildFDiv(b, grown, LLVMBuildFAdd(b, grown, number(f, 2), ""), ""), x};
    return math_intrinsic(f, "llvm.copysign", args, 2);
}
