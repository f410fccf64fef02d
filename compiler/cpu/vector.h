/* Explicit vectors and table look-ups for the kernels of contractions. Vectors have the alignment
 * of a float in memory. */
#ifndef COUPLET_COMPILER_CPU_VECTOR_H
#define COUPLET_COMPILER_CPU_VECTOR_H

#include "compiler/cpu/emit.h"
#include "compiler/plan/contraction.h"

LLVMValueRef vector_add(Frame *f, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef vector_times(Frame *f, LLVMValueRef a, int64_t b);
LLVMValueRef vector_smaller(Frame *f, LLVMValueRef a, LLVMValueRef b);
/* Returns word `at` + `more` of a table of int32, as i64. */
LLVMValueRef vector_table_at(Frame *f, LLVMValueRef tables, LLVMValueRef at, int64_t more);
LLVMValueRef vector_float_at(Frame *f, LLVMValueRef base, LLVMValueRef at);

LLVMValueRef vector_load(Frame *f, LLVMTypeRef type, LLVMValueRef base, int64_t at);
/* Loads a vector. Lanes that the mask excludes are 0, and are not read. */
LLVMValueRef vector_load_masked(Frame *f, LLVMTypeRef type, LLVMValueRef base, int64_t at,
                                LLVMValueRef mask);
void vector_store(Frame *f, LLVMValueRef value, LLVMValueRef base, int64_t at,
                  LLVMValueRef mask /* or NULL */);
LLVMValueRef vector_splat(Frame *f, LLVMTypeRef type, LLVMValueRef scalar);
/* Returns a mask. Its lane i is true if first + i < left. */
LLVMValueRef vector_mask(Frame *f, LLVMTypeRef type, LLVMValueRef left, int64_t first);
/* Asks for a cache line in the cache of that level, 1 or 2. The address may lie outside all
 * arrays. */
void vector_prefetch(Frame *f, LLVMValueRef at, int level);
/* Loads as many words of a table as there are lanes. */
LLVMValueRef vector_table(Frame *f, LLVMTypeRef type, LLVMValueRef tables, LLVMValueRef at);
/* Stores each lane at the offset that `offsets` has for it, where the mask is true. */
void vector_scatter(Frame *f, LLVMValueRef value, LLVMValueRef base, LLVMValueRef offsets,
                    LLVMValueRef mask);
/* Transposes as many vectors as there are lanes: rows become columns. */
void vector_transpose(Frame *f, LLVMValueRef *rows, int64_t lanes);

#endif
