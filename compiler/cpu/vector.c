/* Explicit vectors for the kernels of contractions, where LLVM is not left to find them: loads and
 * stores with masks, transposition in registers, look-ups in tables, prefetch.
 *
 * A load has the alignment of a float, since operands are read wherever they lie in an array. Lanes
 * outside the mask are not read, so a panel that is not full never touches what lies behind its
 * array. */
#include "compiler/cpu/vector.h"

#include <string.h>

enum { MAX_LANES = 16 };

LLVMValueRef vector_add(Frame *f, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildNSWAdd(f->e->builder, a, b, "");
}
LLVMValueRef vector_times(Frame *f, LLVMValueRef a, int64_t b) {
    return LLVMBuildNSWMul(f->e->builder, a, emit_whole(f, b), "");
}

LLVMValueRef vector_smaller(Frame *f, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildSelect(f->e->builder, LLVMBuildICmp(f->e->builder, LLVMIntSLT, a, b, ""), a, b,
                           "");
}

LLVMValueRef vector_table_at(Frame *f, LLVMValueRef tables, LLVMValueRef at, int64_t more) {
    LLVMValueRef index = vector_add(f, at, emit_whole(f, more));
    LLVMTypeRef i32 = f->e->i32;
    LLVMValueRef value = LLVMBuildLoad2(
        f->e->builder, i32, LLVMBuildInBoundsGEP2(f->e->builder, i32, tables, &index, 1, ""), "");
    return LLVMBuildSExt(f->e->builder, value, f->e->i64, "");
}

LLVMValueRef vector_float_at(Frame *f, LLVMValueRef base, LLVMValueRef at) {
    return LLVMBuildInBoundsGEP2(f->e->builder, f->e->f32, base, &at, 1, "");
}

static LLVMValueRef near(Frame *f, LLVMValueRef base, int64_t at) {
    return at ? vector_float_at(f, base, emit_whole(f, at)) : base;
}

/* Calls an intrinsic that is overloaded on two types. */
static LLVMValueRef call_typed(Frame *f, const char *name, LLVMTypeRef *types, LLVMValueRef *args,
                               unsigned count) {
    Emitter *e = f->e;
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, types, 2);
    return LLVMBuildCall2(e->builder, LLVMIntrinsicGetType(e->context, id, types, 2), function,
                          args, count, "");
}

LLVMValueRef vector_load(Frame *f, LLVMTypeRef type, LLVMValueRef base, int64_t at) {
    LLVMValueRef v = LLVMBuildLoad2(f->e->builder, type, near(f, base, at), "");
    LLVMSetAlignment(v, 4);
    return v;
}

LLVMValueRef vector_load_masked(Frame *f, LLVMTypeRef type, LLVMValueRef base, int64_t at,
                                LLVMValueRef mask) {
    LLVMTypeRef types[2] = {type, f->e->ptr};
    LLVMValueRef args[4] = {near(f, base, at), LLVMConstInt(f->e->i32, 4, 0), mask,
                            LLVMConstNull(type)};
    return call_typed(f, "llvm.masked.load", types, args, 4);
}

void vector_store(Frame *f, LLVMValueRef value, LLVMValueRef base, int64_t at, LLVMValueRef mask) {
    LLVMTypeRef types[2] = {LLVMTypeOf(value), f->e->ptr};
    LLVMValueRef args[4] = {value, near(f, base, at), LLVMConstInt(f->e->i32, 4, 0), mask};
    if (mask)
        call_typed(f, "llvm.masked.store", types, args, 4);
    else
        LLVMSetAlignment(LLVMBuildStore(f->e->builder, value, args[1]), 4);
}

LLVMValueRef vector_splat(Frame *f, LLVMTypeRef type, LLVMValueRef scalar) {
    Emitter *e = f->e;
    LLVMValueRef none = LLVMGetUndef(type);
    LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(e->i32, LLVMGetVectorSize(type)));
    LLVMValueRef one =
        LLVMBuildInsertElement(e->builder, none, scalar, LLVMConstInt(e->i32, 0, 0), "");
    return LLVMBuildShuffleVector(e->builder, one, none, zeros, "");
}

LLVMValueRef vector_mask(Frame *f, LLVMTypeRef type, LLVMValueRef left, int64_t first) {
    unsigned lanes = LLVMGetVectorSize(type);
    LLVMValueRef places[MAX_LANES];
    for (unsigned i = 0; i < lanes; i++)
        places[i] = emit_whole(f, first + (int64_t)i);
    LLVMValueRef all = vector_splat(f, LLVMVectorType(f->e->i64, lanes), left);
    return LLVMBuildICmp(f->e->builder, LLVMIntSLT, LLVMConstVector(places, lanes), all, "");
}

void vector_prefetch(Frame *f, LLVMValueRef at, int level) {
    Emitter *e = f->e;
    static const char name[] = "llvm.prefetch";
    unsigned id = LLVMLookupIntrinsicID(name, sizeof name - 1);
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module, id, &e->ptr, 1);
    LLVMValueRef read = LLVMConstInt(e->i32, 0, 0);
    LLVMValueRef locality = LLVMConstInt(e->i32, (unsigned long long)(4 - level), 0);
    LLVMValueRef data = LLVMConstInt(e->i32, 1, 0);
    LLVMValueRef args[4] = {at, read, locality, data};
    LLVMBuildCall2(e->builder, LLVMIntrinsicGetType(e->context, id, &e->ptr, 1), function, args, 4,
                   "");
}

LLVMValueRef vector_table(Frame *f, LLVMTypeRef type, LLVMValueRef tables, LLVMValueRef at) {
    LLVMTypeRef words = LLVMVectorType(f->e->i32, LLVMGetVectorSize(type));
    LLVMValueRef v =
        LLVMBuildLoad2(f->e->builder, words,
                       LLVMBuildInBoundsGEP2(f->e->builder, f->e->i32, tables, &at, 1, ""), "");
    LLVMSetAlignment(v, 4);
    return v;
}

void vector_scatter(Frame *f, LLVMValueRef value, LLVMValueRef base, LLVMValueRef offsets,
                    LLVMValueRef mask) {
    LLVMValueRef places = LLVMBuildGEP2(f->e->builder, f->e->f32, base, &offsets, 1, "");
    LLVMTypeRef types[2] = {LLVMTypeOf(value), LLVMTypeOf(places)};
    LLVMValueRef args[4] = {value, places, LLVMConstInt(f->e->i32, 4, 0), mask};
    call_typed(f, "llvm.masked.scatter", types, args, 4);
}

/* Transposes in log2(lanes) stages: stage s exchanges, between rows i and i + s, the blocks of s
 * lanes that lie off the diagonal. */
void vector_transpose(Frame *f, LLVMValueRef *rows, int64_t lanes) {
    LLVMTypeRef i32 = f->e->i32;
    for (int64_t s = 1; s < lanes; s *= 2) {
        LLVMValueRef low[MAX_LANES];
        LLVMValueRef high[MAX_LANES];
        for (int64_t l = 0; l < lanes; l++) {
            low[l] = LLVMConstInt(i32, (unsigned long long)(l & s ? lanes + l - s : l), 0);
            high[l] = LLVMConstInt(i32, (unsigned long long)(l & s ? lanes + l : l + s), 0);
        }
        for (int64_t i = 0; i < lanes; i++) {
            if (i & s) continue;
            LLVMValueRef a = rows[i];
            LLVMValueRef b = rows[i + s];
            rows[i] = LLVMBuildShuffleVector(f->e->builder, a, b,
                                             LLVMConstVector(low, (unsigned)lanes), "");
            rows[i + s] = LLVMBuildShuffleVector(f->e->builder, a, b,
                                                 LLVMConstVector(high, (unsigned)lanes), "");
        }
    }
}
