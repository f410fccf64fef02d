/* Emits top-k by selection: each of R passes over a row takes the best entry below the one that was
 * taken last, in the order of falling values, then of rising positions. A NaN counts as +inf. R is
 * small, so passes cost less than a sort. */
#include "compiler/cpu/emit.h"

#include <math.h>

/* The entry that the last rank took, and the best one behind it so far, in the order of ranks. Each
 * has a value and a position. */
typedef struct Ranking {
    LLVMValueRef last_value;
    LLVMValueRef last_at;
    LLVMValueRef best_value;
    LLVMValueRef best_at;
} Ranking;

static LLVMValueRef entry_at(Frame *f, LLVMValueRef row, int64_t length, LLVMValueRef column) {
    LLVMBuilderRef b = f->e->builder;
    return LLVMBuildNSWAdd(b, LLVMBuildNSWMul(b, row, emit_whole(f, length), ""), column, "");
}

/* The entry at `position` becomes the best one if, in the order of ranks, it stands behind the
 * entry that the last rank took and ahead of the best one so far. Positions rise, so of equal
 * values the first one stays. */
static void emit_candidate(Frame *f, const Ranking *r, LLVMValueRef read, LLVMValueRef position) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, read, read, "");
    LLVMValueRef v = LLVMBuildSelect(b, is_nan, emit_number(f, INFINITY), read, "");
    LLVMValueRef old = local_get(f, f->e->f32, r->last_value);
    LLVMValueRef after =
        LLVMBuildICmp(b, LLVMIntSGT, position, local_get(f, f->e->i64, r->last_at), "");
    LLVMValueRef below = LLVMBuildFCmp(b, LLVMRealOLT, v, old, "");
    LLVMValueRef ties = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOEQ, v, old, ""), after, "");
    LLVMValueRef open = LLVMBuildOr(b, below, ties, "");
    LLVMValueRef best = local_get(f, f->e->f32, r->best_value);
    LLVMValueRef better = LLVMBuildAnd(b, open, LLVMBuildFCmp(b, LLVMRealOGT, v, best, ""), "");
    local_set(f, r->best_value,
              LLVMBuildSelect(b, better, v, local_get(f, f->e->f32, r->best_value), ""));
    local_set(f, r->best_at,
              LLVMBuildSelect(b, better, position, local_get(f, f->e->i64, r->best_at), ""));
}

void emit_topk(Emitter *e, Kernel *kernel) {
    Frame f;
    const GNode *n = kernel->node;
    const GNode *from = n->operand;
    int64_t row = from->shape[from->rank - 1];
    int64_t count = n->shape[n->rank - 1];
    frame_begin(&f, e, kernel);
    LLVMBuilderRef b = e->builder;
    Ranking r;
    r.last_value = frame_local(&f, e->f32);
    r.last_at = frame_local(&f, e->i64);
    r.best_value = frame_local(&f, e->f32);
    r.best_at = frame_local(&f, e->i64);
    Loop rows = loop_begin(&f, f.begin, f.end);
    local_set(&f, r.last_value, emit_number(&f, INFINITY));
    local_set(&f, r.last_at, emit_whole(&f, -1));
    Loop ranks = loop_begin(&f, emit_whole(&f, 0), emit_whole(&f, count));
    local_set(&f, r.best_value, emit_number(&f, -INFINITY));
    local_set(&f, r.best_at, emit_whole(&f, -1));
    Loop terms = loop_begin(&f, emit_whole(&f, 0), emit_whole(&f, row));
    LLVMValueRef at = entry_at(&f, rows.index, row, terms.index);
    emit_candidate(&f, &r, element_load(&f, GT_REAL, f.bases[0], at), terms.index);
    loop_end(&f, &terms);
    LLVMValueRef found = local_get(&f, e->i64, r.best_at);
    LLVMValueRef none = LLVMBuildICmp(b, LLVMIntSLT, found, emit_whole(&f, 0), "");
    frame_raise(&f, none, COUPLET_FAULT_FEW);
    LLVMValueRef kept = LLVMBuildSelect(b, none, emit_whole(&f, 0), found, "");
    local_set(&f, r.last_value, local_get(&f, e->f32, r.best_value));
    local_set(&f, r.last_at, found);
    element_store(&f, GT_INT, f.bases[1], entry_at(&f, rows.index, count, ranks.index), kept);
    loop_end(&f, &ranks);
    loop_end(&f, &rows);
    frame_end(&f);
}
