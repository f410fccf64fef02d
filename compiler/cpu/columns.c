/* Reductions whose results lie side by side in what they read (sums_columns), several at once: a row of results is kept in y itself, and a row of terms is added to it at
 * a time, so that every access walks memory. The order in which the terms of one result are added is that of the reduced indices. */
#include "compiler/cpu/emit.h"

#include <math.h>

static LLVMValueRef position(Frame *f) {
    LLVMValueRef at = NULL;
    for (int i = 0; i < f->node->rank; i++) at = step_along(f, at, i, f->node->shape[i]);
    return at;
}

static LLVMValueRef neutral(Frame *f) {
    return f->node->reducer == GR_SUM ? number(f, 0) : number(f, f->node->reducer == GR_MIN ? INFINITY : -INFINITY);
}

static LLVMValueRef fold(Frame *f, LLVMValueRef old, LLVMValueRef term) {
    LLVMValueRef pair[2] = {old, term};
    if (f->node->reducer == GR_SUM) return LLVMBuildFAdd(f->e->builder, old, term, "");
    return math_intrinsic(f, f->node->reducer == GR_MIN ? "llvm.minimum" : "llvm.maximum", pair, 2); /* keeps a NaN */
}

static void begin_row(Frame *f) { element_store(f, GT_REAL, frame_result(f), position(f), neutral(f)); }

static void add_term(Frame *f) {
    const GNode *n = f->node;
    LLVMValueRef y = frame_result(f), holds = n->guard ? emit_expr(f, n->guard) : NULL, term = emit_expr_where(f, n->value, holds), at = position(f);
    if (holds) term = LLVMBuildSelect(f->e->builder, holds, term, neutral(f), "");
    element_store(f, GT_REAL, y, at, fold(f, element_load(f, GT_REAL, y, at), term));
}

static void for_each_node(Frame *f, const GNode *const *nodes, int count, void (*visit)(Frame *f)) {
    for (int i = 0; i < count; i++) {
        f->node = nodes[i];
        visit(f);
    }
}

void emit_columns(Frame *f, const GNode *const *nodes, int count, const int64_t *extents, LLVMValueRef begin, LLVMValueRef end) {
    const GNode *n = nodes[0];
    const int last = n->rank - 1;
    Loop start = loop_begin(f, begin, end), loops[GRAPH_MAX_RANK + 1];
    f->indices[last] = start.index;
    for_each_node(f, nodes, count, begin_row);
    loop_end(f, &start);
    int depth = 0;
    for (int i = n->rank; i < n->rank + n->red_rank; i++) {
        f->indices[i] = whole(f, 0);
        if (extents[i] == 1) continue;
        loops[depth] = loop_begin(f, whole(f, 0), axis_count(f, extents, i));
        f->indices[i] = loops[depth++].index;
    }
    loops[depth] = loop_begin(f, begin, end);
    f->indices[last] = loops[depth++].index;
    for_each_node(f, nodes, count, add_term);
    loop_end(f, &loops[--depth]);
    while (depth > 0) loop_keep_rolled(f, loop_end(f, &loops[--depth])); /* a copy of the row's loop for each turn would gain nothing */
}
