/* Reductions whose results lie side by side in what they read (sums_columns), several at once: a row of results is kept in y itself, and a row of terms is added to it at
 * a time, so that every access walks memory. The order in which the terms of one result are added is that of the reduced indices. */
#include "compiler/cpu/emit.h"

#include <math.h>

enum { BLOCK_COLUMNS = 32, BLOCK_VECTORS = 2 /* of the widest that there are */ };

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

/* What is summed, and the rows of the innermost loop over them. */
typedef struct Block {
    const GNode *const *nodes;
    int count, row; /* the index that goes down the rows; -1: there is one row */
    LLVMValueRef row_end;
} Block;

static Loop rows_begin(Frame *f, const Block *b, LLVMValueRef end) {
    Loop rows = loop_begin(f, whole(f, 0), end);
    if (b->row >= 0) f->indices[b->row] = rows.index;
    return rows;
}

/* A fixed number of columns: with their loop gone into vectors, the sums stay in registers from row to row. */
static void add_block(Frame *f, const Block *b, LLVMValueRef begin) {
    Loop rows = rows_begin(f, b, b->row_end), columns = loop_begin(f, whole(f, 0), whole(f, BLOCK_COLUMNS));
    f->indices[b->nodes[0]->rank - 1] = LLVMBuildNSWAdd(f->e->builder, begin, columns.index, "");
    for_each_node(f, b->nodes, b->count, add_term);
    loop_take_vectors(f, loop_end(f, &columns), BLOCK_VECTORS);
    loop_keep_rolled(f, loop_end(f, &rows));
}

static void add_other_columns(Frame *f, const Block *b, LLVMValueRef begin, LLVMValueRef end) {
    LLVMValueRef some = LLVMBuildICmp(f->e->builder, LLVMIntSLT, begin, end, ""); /* else no rows either */
    Loop rows = rows_begin(f, b, LLVMBuildSelect(f->e->builder, some, b->row_end, whole(f, 0), "")), columns = loop_begin(f, begin, end);
    f->indices[b->nodes[0]->rank - 1] = columns.index;
    for_each_node(f, b->nodes, b->count, add_term);
    loop_end(f, &columns);
    loop_keep_rolled(f, loop_end(f, &rows)); /* a copy of the columns' loop for each turn would gain nothing */
}

/* Where the blocks end. From memory rows are best taken whole, in order: one block, if it takes a row, since with more columns than that the sums of a row have
 * long been stored when the next row wants them. From the cache as many as there are. */
static LLVMValueRef end_of_blocks(Frame *f, bool is_cached, LLVMValueRef begin, LLVMValueRef end) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef count = LLVMBuildNSWSub(b, end, begin, ""), blocks = LLVMBuildNSWAdd(b, begin, LLVMBuildAnd(b, count, whole(f, -BLOCK_COLUMNS), ""), "");
    return is_cached ? blocks : LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, count, whole(f, 2 * BLOCK_COLUMNS), ""), blocks, begin, "");
}

void emit_columns(Frame *f, const GNode *const *nodes, int count, bool is_cached, const int64_t *extents, LLVMValueRef begin, LLVMValueRef end) {
    const GNode *n = nodes[0];
    const int last = n->rank - 1;
    Loop start = loop_begin(f, begin, end), loops[GRAPH_MAX_RANK];
    f->indices[last] = start.index;
    for_each_node(f, nodes, count, begin_row);
    loop_end(f, &start);
    Block block = {.nodes = nodes, .count = count, .row = -1, .row_end = whole(f, 1)};
    int depth = 0;
    for (int i = n->rank; i < n->rank + n->red_rank; i++) {
        f->indices[i] = whole(f, 0);
        if (extents[i] != 1) block.row = i;
    }
    for (int i = n->rank; i < block.row; i++) {
        if (extents[i] == 1) continue;
        loops[depth] = loop_begin(f, whole(f, 0), axis_count(f, extents, i));
        f->indices[i] = loops[depth++].index;
    }
    if (block.row >= 0) block.row_end = axis_count(f, extents, block.row);
    LLVMValueRef middle = end_of_blocks(f, is_cached, begin, end);
    Loop blocks = loop_begin_step(f, begin, middle, BLOCK_COLUMNS);
    add_block(f, &block, blocks.index);
    loop_keep_rolled(f, loop_end(f, &blocks));
    add_other_columns(f, &block, middle, end);
    while (depth > 0) loop_keep_rolled(f, loop_end(f, &loops[--depth]));
}
