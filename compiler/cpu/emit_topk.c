/* Emits top-k by selection: each of R passes over a row takes the best entry below the one that was
 * taken last, in the order of falling values, then of rising positions. A NaN counts as +inf. R is
 * small, so passes cost less than a sort. */
#include "compiler/cpu/emit.h"

#include <math.h>

void emit_topk(Emitter *e, Kernel *kernel) {
    Frame f;
    const GNode *n = kernel->node, *from = n->operand;
    int64_t row = from->shape[from->rank - 1], count = n->shape[n->rank - 1];
    frame_begin(&f, e, kernel);
    LLVMBuilderRef b = e->builder;
    LLVMValueRef last_value = frame_local(&f, e->f32), last_at = frame_local(&f, e->i64);
    LLVMValueRef best_value = frame_local(&f, e->f32), best_at = frame_local(&f, e->i64);
    Loop rows = loop_begin(&f, f.begin, f.end);
    local_set(&f, last_value, emit_number(&f, INFINITY));
    local_set(&f, last_at, emit_whole(&f, -1));
    Loop ranks = loop_begin(&f, emit_whole(&f, 0), emit_whole(&f, count));
    local_set(&f, best_value, emit_number(&f, -INFINITY));
    local_set(&f, best_at, emit_whole(&f, -1));
    Loop terms = loop_begin(&f, emit_whole(&f, 0), emit_whole(&f, row));
    LLVMValueRef at = LLVMBuildNSWAdd(b, LLVMBuildNSWMul(b, rows.index, emit_whole(&f, row), ""),
                                      terms.index, "");
    LLVMValueRef read = element_load(&f, GT_REAL, f.bases[0], at);
    LLVMValueRef v = LLVMBuildSelect(b, LLVMBuildFCmp(b, LLVMRealUNO, read, read, ""),
                                     emit_number(&f, INFINITY), read, ""),
                 old = local_get(&f, e->f32, last_value);
    LLVMValueRef after =
        LLVMBuildICmp(b, LLVMIntSGT, terms.index, local_get(&f, e->i64, last_at), "");
    LLVMValueRef open =
        LLVMBuildOr(b, LLVMBuildFCmp(b, LLVMRealOLT, v, old, ""),
                    LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOEQ, v, old, ""), after, ""), "");
    LLVMValueRef better = LLVMBuildAnd(
        b, open, LLVMBuildFCmp(b, LLVMRealOGT, v, local_get(&f, e->f32, best_value), ""), "");
    local_set(&f, best_value, LLVMBuildSelect(b, better, v, local_get(&f, e->f32, best_value), ""));
    local_set(&f, best_at,
              LLVMBuildSelect(b, better, terms.index, local_get(&f, e->i64, best_at), ""));
    loop_end(&f, &terms);
    LLVMValueRef found = local_get(&f, e->i64, best_at),
                 none = LLVMBuildICmp(b, LLVMIntSLT, found, emit_whole(&f, 0), "");
    frame_raise(&f, none, COUPLET_FAULT_FEW);
    LLVMValueRef kept = LLVMBuildSelect(b, none, emit_whole(&f, 0), found, "");
    local_set(&f, last_value, local_get(&f, e->f32, best_value));
    local_set(&f, last_at, found);
    element_store(&f, GT_INT, f.bases[1],
                  LLVMBuildNSWAdd(b, LLVMBuildNSWMul(b, rows.index, emit_whole(&f, count), ""),
                                  ranks.index, ""),
                  kept);
    loop_end(&f, &ranks);
    loop_end(&f, &rows);
    frame_end(&f);
}
