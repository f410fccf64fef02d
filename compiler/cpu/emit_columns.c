/* Emits reductions whose results lie side by side in what they read (node_sums_columns). A row of
 * results is kept in y itself, and a row of terms at a time is added to it, so that every access
 * walks along memory. Several reductions over the same terms are done together.
 *
 * The terms of one result are added in the order of the reduced indices. In a long sum, y holds at
 * most LEAF_ROWS terms, which then go to a row of doubles in the worker's scratch. So a float sum
 * takes fourteen terms, and is off by thirteen roundings at most, however many terms there are. */
#include "compiler/cpu/emit.h"
#include "compiler/graph/reducer.h"
#include "compiler/graph/walk.h"

#include <math.h>

/* The columns of a block, also counted in vectors of the widest kind, and the rows of a leaf. */
enum { BLOCK_COLUMNS = 32, BLOCK_VECTORS = 2 /* of 16 lanes */, LEAF_ROWS = 14 };

/* The nodes and the columns that are summed, and the innermost loop over rows of terms. */
typedef struct Block {
    Frame *f;
    const GNode *const *nodes;
    int count, row; /* `row` is the reduced index of that loop; -1: there is one row */
    LLVMValueRef row_end;
    /* The first column of the tile, and the number of columns in a row of totals. */
    LLVMValueRef first, width;
    bool is_long; /* true if one of the sums has many terms */
} Block;

static LLVMValueRef position(Frame *f) {
    LLVMValueRef at = NULL;
    for (int i = 0; i < f->node->rank; i++)
        at = emit_step_along(f, at, i, f->node->shape[i]);
    return at;
}

static LLVMValueRef neutral(Frame *f) {
    return emit_number(f, reducer_value(graph_reducers[f->node->reducer].start));
}

static LLVMValueRef fold(Frame *f, LLVMValueRef old, LLVMValueRef term) {
    LLVMValueRef pair[2] = {old, term};
    if (f->node->reducer == GR_SUM) return LLVMBuildFAdd(f->e->builder, old, term, "");
    /* The intrinsic keeps a NaN. */
    return math_intrinsic(f, f->node->reducer == GR_MIN ? "llvm.minimum" : "llvm.maximum", pair, 2);
}

/* Returns the address of node i's total for the column at hand. */
static LLVMValueRef total_of(const Block *b, int i) {
    Frame *f = b->f;
    LLVMBuilderRef build = f->e->builder;
    LLVMValueRef column = LLVMBuildNSWSub(build, f->indices[f->node->rank - 1], b->first, "");
    LLVMValueRef at =
        LLVMBuildNSWAdd(build, LLVMBuildNSWMul(build, b->width, emit_whole(f, i), ""), column, "");
    return LLVMBuildInBoundsGEP2(build, f->e->f64, f->scratch, &at, 1, "");
}

static void begin_row(const Block *b, int i) {
    Frame *f = b->f;
    element_store(f, GT_REAL, frame_result(f), position(f), neutral(f));
    if (node_sums_many(f->node))
        LLVMBuildStore(f->e->builder, LLVMConstNull(f->e->f64), total_of(b, i));
}

/* Adds the leaf in y to its total, and sets y to 0. */
static void add_leaf(const Block *b, int i) {
    Frame *f = b->f;
    LLVMBuilderRef build = f->e->builder;
    if (!node_sums_many(f->node)) return;
    LLVMValueRef y = frame_result(f);
    LLVMValueRef at = position(f);
    LLVMValueRef total = total_of(b, i);
    LLVMValueRef leaf = LLVMBuildFPExt(build, element_load(f, GT_REAL, y, at), f->e->f64, "");
    LLVMBuildStore(
        build, LLVMBuildFAdd(build, LLVMBuildLoad2(build, f->e->f64, total, ""), leaf, ""), total);
    element_store(f, GT_REAL, y, at, emit_number(f, 0));
}

static void end_column(const Block *b, int i) {
    Frame *f = b->f;
    if (!node_sums_many(f->node)) return;
    LLVMValueRef total = LLVMBuildLoad2(f->e->builder, f->e->f64, total_of(b, i), "");
    element_store(f, GT_REAL, frame_result(f), position(f),
                  LLVMBuildFPTrunc(f->e->builder, total, f->e->f32, ""));
}

static void emit_column_term(const Block *b, int i) {
    (void)i;
    Frame *f = b->f;
    const GNode *n = f->node;
    if (frame_settled(f, n->guard) == 0) return;
    LLVMValueRef y = frame_result(f);
    LLVMValueRef holds = n->guard ? emit_expr(f, n->guard) : NULL;
    LLVMValueRef term = emit_expr_where(f, n->value, holds);
    LLVMValueRef at = position(f);
    if (holds) {
        term = LLVMBuildSelect(f->e->builder, holds, term, neutral(f), "");
    }
    element_store(f, GT_REAL, y, at, fold(f, element_load(f, GT_REAL, y, at), term));
}

static void for_each_node(const Block *b, void (*visit)(const Block *b, int i)) {
    for (int i = 0; i < b->count; i++) {
        b->f->node = b->nodes[i];
        visit(b, i);
    }
}

/* Emits a pass over the columns [begin, end) that visits each node at each column. */
static LLVMValueRef each_column(const Block *b, LLVMValueRef begin, LLVMValueRef end,
                                void (*visit)(const Block *b, int i)) {
    Loop columns = loop_begin(b->f, begin, end);
    b->f->indices[b->nodes[0]->rank - 1] = columns.index;
    for_each_node(b, visit);
    return loop_end(b->f, &columns);
}

/* Does the same for the columns of a block, whose number is fixed. */
static LLVMValueRef each_of_block(const Block *b, LLVMValueRef begin,
                                  void (*visit)(const Block *b, int i)) {
    Frame *f = b->f;
    Loop columns = loop_begin(f, emit_whole(f, 0), emit_whole(f, BLOCK_COLUMNS));
    f->indices[b->nodes[0]->rank - 1] = LLVMBuildNSWAdd(f->e->builder, begin, columns.index, "");
    for_each_node(b, visit);
    return loop_end(f, &columns);
}

/* Opens the loop over the rows [begin, end): those of a leaf, or all. */
static Loop rows_begin(const Block *b, LLVMValueRef begin, LLVMValueRef end) {
    Loop rows = loop_begin(b->f, begin, end);
    if (b->row >= 0) b->f->indices[b->row] = rows.index;
    return rows;
}

static LLVMValueRef end_of_leaf(const Block *b, LLVMValueRef begin, LLVMValueRef end) {
    LLVMBuilderRef build = b->f->e->builder;
    LLVMValueRef next = LLVMBuildNSWAdd(build, begin, emit_whole(b->f, LEAF_ROWS), "");
    return LLVMBuildSelect(build, LLVMBuildICmp(build, LLVMIntSLT, next, end, ""), next, end, "");
}

/* Emits a fixed number of columns. Their loop becomes vectors, so the sums stay in registers from
 * row to row. */
static void emit_column_block(const Block *b, LLVMValueRef begin) {
    Frame *f = b->f;
    Loop leaves;
    Loop rows;
    if (b->is_long) {
        leaves = loop_begin_step(f, emit_whole(f, 0), b->row_end, LEAF_ROWS);
    }
    rows = b->is_long ? rows_begin(b, leaves.index, end_of_leaf(b, leaves.index, b->row_end))
                      : rows_begin(b, emit_whole(f, 0), b->row_end);
    loop_take_vectors(f, each_of_block(b, begin, emit_column_term), BLOCK_VECTORS);
    loop_keep_rolled(f, loop_end(f, &rows));
    if (!b->is_long) return;
    loop_take_vectors(f, each_of_block(b, begin, add_leaf), BLOCK_VECTORS);
    loop_keep_rolled(f, loop_end(f, &leaves));
}

/* Emits the columns behind the blocks. */
static void add_other_columns(const Block *b, LLVMValueRef begin, LLVMValueRef end) {
    Frame *f = b->f;
    LLVMBuilderRef build = f->e->builder;
    Loop leaves;
    Loop rows;
    /* Without columns, the loop over rows is left out too. */
    LLVMValueRef some = LLVMBuildICmp(build, LLVMIntSLT, begin, end, "");
    LLVMValueRef row_end = LLVMBuildSelect(build, some, b->row_end, emit_whole(f, 0), "");
    if (b->is_long) {
        leaves = loop_begin_step(f, emit_whole(f, 0), row_end, LEAF_ROWS);
    }
    rows = b->is_long ? rows_begin(b, leaves.index, end_of_leaf(b, leaves.index, row_end))
                      : rows_begin(b, emit_whole(f, 0), row_end);
    each_column(b, begin, end, emit_column_term);
    /* Unrolling would copy the loop over columns for each row and gain nothing. */
    loop_keep_rolled(f, loop_end(f, &rows));
    if (!b->is_long) return;
    each_column(b, begin, end, add_leaf);
    loop_keep_rolled(f, loop_end(f, &leaves));
}

/* Returns the column at which the blocks end. If the terms are in the cache, all columns are in
 * blocks, except for a rest. If they come from memory, rows are best read whole and in order, so
 * there is a block only in a row that has room for no second one. In a longer row, the sums in y
 * have long been stored when the next row needs them. */
static LLVMValueRef end_of_blocks(Frame *f, bool is_cached, LLVMValueRef begin, LLVMValueRef end) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef count = LLVMBuildNSWSub(b, end, begin, "");
    LLVMValueRef blocks =
        LLVMBuildNSWAdd(b, begin, LLVMBuildAnd(b, count, emit_whole(f, -BLOCK_COLUMNS), ""), "");
    return is_cached
               ? blocks
               : LLVMBuildSelect(
                     b, LLVMBuildICmp(b, LLVMIntSLT, count, emit_whole(f, 2 * BLOCK_COLUMNS), ""),
                     blocks, begin, "");
}

/* Sets the loop over rows: the last reduced axis that has more than one turn. */
static void set_rows(Block *b, const int64_t *extents) {
    const GNode *n = b->nodes[0];
    b->row = -1;
    for (int i = n->rank; i < n->rank + n->red_rank; i++) {
        b->f->indices[i] = emit_whole(b->f, 0);
        if (extents[i] != 1) b->row = i;
    }
    b->row_end = b->row >= 0 ? loop_axis_count(b->f, extents, b->row) : emit_whole(b->f, 1);
}

void emit_columns(Frame *f, const GNode *const *nodes, int count, bool is_cached,
                  const int64_t *extents, LLVMValueRef begin, LLVMValueRef end) {
    const GNode *n = nodes[0];
    Loop loops[GRAPH_MAX_RANK];
    Block block = {.f = f,
                   .nodes = nodes,
                   .count = count,
                   .first = begin,
                   .width = LLVMBuildNSWSub(f->e->builder, end, begin, "")};
    for (int i = 0; i < count; i++)
        block.is_long |= node_sums_many(nodes[i]);
    set_rows(&block, extents);
    each_column(&block, begin, end, begin_row);
    int depth = 0;
    for (int i = n->rank; i < block.row; i++) {
        if (extents[i] == 1) continue;
        loops[depth] = loop_begin(f, emit_whole(f, 0), loop_axis_count(f, extents, i));
        f->indices[i] = loops[depth++].index;
    }
    LLVMValueRef middle = end_of_blocks(f, is_cached, begin, end);
    Loop blocks = loop_begin_step(f, begin, middle, BLOCK_COLUMNS);
    emit_column_block(&block, blocks.index);
    loop_keep_rolled(f, loop_end(f, &blocks));
    add_other_columns(&block, middle, end);
    while (depth > 0)
        loop_keep_rolled(f, loop_end(f, &loops[--depth]));
    if (block.is_long) each_column(&block, begin, end, end_column);
}
