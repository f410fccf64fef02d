/* Emits sums of products in register blocks: the micro-kernel, and the sum of the parts of a split
 * contraction. All offsets come from the tables of compiler/plan/contraction.h, so one piece of
 * code serves every contraction with the same block. */
#include "compiler/cpu/vector.h"

enum {
    MAX_SUMS = 32,
    /* The distance of the prefetch in k (measured). It is beyond the reads that the processor has
     * under way by itself. */
    AHEAD = 32
};

typedef struct Task {
    Frame *f;
    const Contraction *c;
    LLVMTypeRef vector;
    /* The rows of a block, and the vectors of its panel. */
    int rows, vectors;
    LLVMValueRef tables;
    LLVMValueRef a_step;
    LLVMValueRef b_step;
    LLVMValueRef a, y; /* where a and y begin for the task at hand */
    /* The floats of a from these rows to those of the next block. NULL: these are not
     * prefetched. */
    LLVMValueRef next;
    /* A copy of the elements of a that the block reads in the chunk, [k][row]. NULL: a is read
     * where it lies. */
    LLVMValueRef gathered;
    /* The number of the chunk. Chunk 0 writes y, and later chunks add to it. */
    LLVMValueRef chunk;
    /* The place of the chunk's runs in the table, and their number. Without runs, the sums of the
     * chunk are 0. */
    LLVMValueRef runs, run_count;
    LLVMValueRef panel, y_panel;  /* where the panel begins, in b and in y */
    LLVMValueRef masks[MAX_SUMS]; /* by vector; NULL: the whole vector */
    /* The block's sums of the leaves that are finished in this chunk. NULL: k is one leaf. */
    LLVMValueRef totals;
} Task;

/* Emits one k of a run: adds a row of the panel times a column of a to the sums. The prefetch along
 * k asks for the first row alone, because the others are in the same cache line. */
static void multiply_column(Task *t, const LLVMValueRef *row, LLVMValueRef a_at, LLVMValueRef b,
                            const LLVMValueRef *old, LLVMValueRef *sums) {
    LLVMValueRef column[MAX_SUMS];
    if (t->c->ahead)
        vector_prefetch(
            t->f,
            vector_float_at(t->f, row[0],
                            vector_add(t->f, a_at, vector_times(t->f, t->a_step, AHEAD))),
            1);
    for (int r = 0; t->next && r < t->rows; r++)
        vector_prefetch(t->f, vector_float_at(t->f, row[r], vector_add(t->f, a_at, t->next)), 2);
    for (int v = 0; v < t->vectors; v++)
        column[v] = t->masks[v] && !t->c->packed
                        ? vector_load_masked(t->f, t->vector, b, v * t->c->lanes, t->masks[v])
                        : vector_load(t->f, t->vector, b, v * t->c->lanes);
    for (int r = 0; r < t->rows; r++) {
        LLVMValueRef value =
            LLVMBuildLoad2(t->f->e->builder, t->f->e->f32, vector_float_at(t->f, row[r], a_at), "");
        LLVMValueRef all = vector_splat(t->f, t->vector, value);
        for (int v = 0; v < t->vectors; v++)
            sums[r * t->vectors + v] =
                emit_multiply_add(t->f, all, column[v], old[r * t->vectors + v]);
    }
}

/* A loop that keeps the block's sums in registers. It makes at least one turn. */
typedef struct SumLoop {
    LLVMBasicBlockRef before;
    LLVMBasicBlockRef body;
    LLVMValueRef turn;
    LLVMValueRef sums[MAX_SUMS];
} SumLoop;

static void sum_loop_begin(Task *t, SumLoop *loop, LLVMValueRef *start) {
    LLVMBuilderRef b = t->f->e->builder;
    LLVMValueRef zero = emit_whole(t->f, 0);
    loop->before = LLVMGetInsertBlock(b);
    loop->body = frame_block(t->f, "sum");
    LLVMBuildBr(b, loop->body);
    LLVMPositionBuilderAtEnd(b, loop->body);
    loop->turn = LLVMBuildPhi(b, t->f->e->i64, "");
    LLVMAddIncoming(loop->turn, &zero, &loop->before, 1);
    for (int i = 0; i < t->rows * t->vectors; i++) {
        loop->sums[i] = LLVMBuildPhi(b, t->vector, "");
        LLVMAddIncoming(loop->sums[i], &start[i], &loop->before, 1);
    }
}

/* Ends the loop, which goes on while `more`, an i1, is true. If `more` is NULL, it makes `count`
 * turns. */
static void sum_loop_end(Task *t, SumLoop *loop, LLVMValueRef *sums, LLVMValueRef count,
                         LLVMValueRef more) {
    LLVMBuilderRef b = t->f->e->builder;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef after = frame_block(t->f, "summed");
    LLVMValueRef next = vector_add(t->f, loop->turn, emit_whole(t->f, 1));
    if (!more) more = LLVMBuildICmp(b, LLVMIntSLT, next, count, "");
    LLVMAddIncoming(loop->turn, &next, &here, 1);
    for (int i = 0; i < t->rows * t->vectors; i++)
        LLVMAddIncoming(loop->sums[i], &sums[i], &here, 1);
    /* The loop stays rolled, because unrolled its addresses of rows would need more registers than
     * there are. */
    loop_keep_rolled(t->f, LLVMBuildCondBr(b, more, loop->body, after));
    LLVMPositionBuilderAtEnd(b, after);
}

/* Returns the length of the run at `run_at` in the table. *ends is true if the run ends a leaf
 * (contraction.h). */
static LLVMValueRef run_length(Task *t, LLVMValueRef run_at, LLVMValueRef *ends) {
    LLVMBuilderRef b = t->f->e->builder;
    LLVMValueRef word = vector_table_at(t->f, t->tables, run_at, 2);
    *ends = LLVMBuildICmp(b, LLVMIntSLT, word, emit_whole(t->f, 0), "");
    return t->c->leaves ? LLVMBuildSelect(b, *ends, LLVMBuildNeg(b, word, ""), word, "") : word;
}

/* Copies what a block of rows reads of a, for all runs of the chunk, side by side. If the rows are
 * `neighbours` in a too, they are copied as vectors. */
static void gather_runs(Task *t, const LLVMValueRef *row, bool neighbours) {
    Frame *f = t->f;
    LLVMBuilderRef b = f->e->builder;
    LLVMTypeRef type = neighbours ? LLVMVectorType(f->e->f32, (unsigned)t->rows) : f->e->f32;
    LLVMValueRef place = frame_local(f, f->e->i64);
    local_set(f, place, emit_whole(f, 0));
    Loop runs = loop_begin(f, emit_whole(f, 0), t->run_count);
    LLVMValueRef at = vector_add(f, t->runs, vector_times(f, runs.index, 3));
    LLVMValueRef first = vector_table_at(f, t->tables, at, 0);
    LLVMValueRef ends;
    Loop terms = loop_begin(f, emit_whole(f, 0), run_length(t, at, &ends));
    LLVMValueRef from = vector_add(f, first, LLVMBuildNSWMul(b, terms.index, t->a_step, ""));
    LLVMValueRef to = local_get(f, f->e->i64, place);
    for (int r = 0; r < (neighbours ? 1 : t->rows); r++)
        vector_store(f, vector_load(f, type, vector_float_at(f, row[r], from), 0),
                     vector_float_at(f, t->gathered, to), r, NULL);
    local_set(f, place, vector_add(f, to, emit_whole(f, t->rows)));
    loop_keep_rolled(f, loop_end(f, &terms));
    loop_end(f, &runs);
}

/* Copies the rows at `rows_at` in the table, with a branch for rows that are neighbours in a. */
static void gather_row_places(Task *t, LLVMValueRef rows_at) {
    Frame *f = t->f;
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef row[MAX_SUMS];
    LLVMValueRef first = vector_table_at(f, t->tables, rows_at, 0);
    LLVMValueRef neighbours = LLVMConstInt(f->e->i1, 1, 0);
    for (int r = 0; r < t->rows; r++) {
        LLVMValueRef at = vector_table_at(f, t->tables, rows_at, 2 * r);
        row[r] = vector_float_at(f, t->a, at);
        neighbours = LLVMBuildAnd(
            b, neighbours,
            LLVMBuildICmp(b, LLVMIntEQ, at, vector_add(f, first, emit_whole(f, r)), ""), "");
    }
    LLVMBasicBlockRef side_by_side = frame_block(f, "neighbours");
    LLVMBasicBlockRef apart = frame_block(f, "apart");
    LLVMBasicBlockRef after = frame_block(f, "gathered");
    LLVMBuildCondBr(b, neighbours, side_by_side, apart);
    LLVMPositionBuilderAtEnd(b, side_by_side);
    gather_runs(t, row, true);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, apart);
    gather_runs(t, row, false);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}

/* Returns the address of total number i. Totals are read and written as volatile: there are no
 * registers to keep them in, and a compiler that tries to keep them moves them to places of its
 * own. They are written from the first to the last, which is five times as fast on a Zen 4 as the
 * other way round. */
static LLVMValueRef total_at(Task *t, int i) {
    return vector_float_at(t->f, t->totals, emit_whole(t->f, i * t->c->lanes));
}

static LLVMValueRef plus_total(Task *t, int i, LLVMValueRef sum) {
    LLVMBuilderRef b = t->f->e->builder;
    LLVMValueRef total = LLVMBuildLoad2(b, t->vector, total_at(t, i), "");
    LLVMSetVolatile(total, true);
    return LLVMBuildFAdd(b, total, sum, "");
}

static void keep_total(Task *t, int i, LLVMValueRef sum) {
    LLVMSetVolatile(LLVMBuildStore(t->f->e->builder, sum, total_at(t, i)), true);
}

/* Sums runs from number `first_run` on, for the rows at `row`: all runs of the chunk or, if there
 * are totals, those of a leaf. *done is the number of runs that were summed. *gathered is the place
 * in the copy of a at which they begin, and afterwards where they end. */
static void sum_runs(Task *t, const LLVMValueRef *row, LLVMValueRef first_run,
                     LLVMValueRef *gathered, LLVMValueRef *start, LLVMValueRef *sums,
                     LLVMValueRef *done) {
    LLVMBuilderRef b = t->f->e->builder;
    Frame *f = t->f;
    SumLoop runs;
    SumLoop terms;
    sum_loop_begin(t, &runs, start);
    LLVMValueRef place = t->gathered ? LLVMBuildPhi(b, f->e->i64, "gathered") : NULL;
    LLVMValueRef next = NULL;
    LLVMValueRef at =
        vector_add(f, t->runs, vector_times(f, vector_add(f, first_run, runs.turn), 3));
    LLVMValueRef first = vector_table_at(f, t->tables, at, 0);
    LLVMValueRef panel = vector_float_at(f, t->panel, vector_table_at(f, t->tables, at, 1));
    LLVMValueRef ends;
    LLVMValueRef length = run_length(t, at, &ends);
    if (t->gathered) first = place;
    sum_loop_begin(t, &terms, runs.sums);
    LLVMValueRef a_at = LLVMBuildPhi(b, f->e->i64, "a");
    LLVMValueRef b_at = LLVMBuildPhi(b, f->e->ptr, "b");
    multiply_column(t, row, a_at, b_at, terms.sums, sums);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMValueRef a_next = vector_add(f, a_at, t->gathered ? emit_whole(f, t->rows) : t->a_step);
    LLVMValueRef b_next = vector_float_at(f, b_at, t->b_step);
    LLVMAddIncoming(a_at, &first, &terms.before, 1);
    LLVMAddIncoming(b_at, &panel, &terms.before, 1);
    LLVMAddIncoming(a_at, &a_next, &here, 1);
    LLVMAddIncoming(b_at, &b_next, &here, 1);
    sum_loop_end(t, &terms, sums, length, NULL);
    *done = vector_add(f, runs.turn, emit_whole(f, 1));
    if (t->gathered) {
        next = vector_add(f, place, vector_times(f, length, t->rows));
        here = LLVMGetInsertBlock(b);
        LLVMAddIncoming(place, gathered, &runs.before, 1);
        LLVMAddIncoming(place, &next, &here, 1);
    }
    sum_loop_end(t, &runs, sums, t->run_count, t->totals ? LLVMBuildNot(b, ends, "") : NULL);
    *gathered = next;
}

/* Adds a leaf to the totals. The sums of the first leaf become the totals. */
static void keep_leaf(Task *t, LLVMValueRef is_first, const LLVMValueRef *sums) {
    LLVMBuilderRef b = t->f->e->builder;
    LLVMBasicBlockRef first = frame_block(t->f, "first");
    LLVMBasicBlockRef later = frame_block(t->f, "later");
    LLVMBasicBlockRef after = frame_block(t->f, "kept");
    LLVMBuildCondBr(b, is_first, first, later);
    LLVMPositionBuilderAtEnd(b, first);
    for (int i = 0; i < t->rows * t->vectors; i++)
        keep_total(t, i, sums[i]);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, later);
    for (int i = 0; i < t->rows * t->vectors; i++)
        keep_total(t, i, plus_total(t, i, sums[i]));
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}

/* Adds the totals of the leaves before to the sums of the last leaf. There are no totals if the
 * last leaf is also the first. */
static void join_leaves(Task *t, LLVMValueRef is_first, LLVMValueRef *sums) {
    LLVMBuilderRef b = t->f->e->builder;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef more = frame_block(t->f, "more");
    LLVMBasicBlockRef after = frame_block(t->f, "joined");
    LLVMValueRef joined[MAX_SUMS];
    LLVMBuildCondBr(b, is_first, after, more);
    LLVMPositionBuilderAtEnd(b, more);
    for (int i = 0; i < t->rows * t->vectors; i++)
        joined[i] = plus_total(t, i, sums[i]);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
    for (int i = 0; i < t->rows * t->vectors; i++) {
        LLVMValueRef alone = sums[i];
        sums[i] = LLVMBuildPhi(b, t->vector, "");
        LLVMAddIncoming(sums[i], &alone, &before, 1);
        LLVMAddIncoming(sums[i], &joined[i], &more, 1);
    }
}

/* Sums the chunk leaf after leaf, each from 0, and adds the leaves up. */
static void sum_leaves(Task *t, const LLVMValueRef *row, LLVMValueRef *zeros, LLVMValueRef *sums) {
    LLVMBuilderRef b = t->f->e->builder;
    Frame *f = t->f;
    LLVMValueRef done;
    LLVMValueRef none = emit_whole(f, 0);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef body = frame_block(f, "leaf");
    LLVMBasicBlockRef again = frame_block(f, "again");
    LLVMBasicBlockRef after = frame_block(f, "leaves");
    LLVMBuildBr(b, body);
    LLVMPositionBuilderAtEnd(b, body);
    LLVMValueRef run = LLVMBuildPhi(b, f->e->i64, "run");
    LLVMValueRef place = LLVMBuildPhi(b, f->e->i64, "place");
    LLVMValueRef gathered = place;
    sum_runs(t, row, run, &gathered, zeros, sums, &done);
    LLVMValueRef next = vector_add(f, run, done);
    LLVMValueRef is_first = LLVMBuildICmp(b, LLVMIntEQ, run, none, "");
    if (!gathered) gathered = none;
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, t->run_count, ""), again, after);
    LLVMPositionBuilderAtEnd(b, again);
    keep_leaf(t, is_first, sums);
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMAddIncoming(run, &none, &before, 1);
    LLVMAddIncoming(run, &next, &here, 1);
    LLVMAddIncoming(place, &none, &before, 1);
    LLVMAddIncoming(place, &gathered, &here, 1);
    loop_keep_rolled(f, LLVMBuildBr(b, body));
    LLVMPositionBuilderAtEnd(b, after);
    join_leaves(t, is_first, sums);
}

static LLVMValueRef row_of_y(Task *t, LLVMValueRef rows_at, int r) {
    return vector_float_at(t->f, t->y_panel, vector_table_at(t->f, t->tables, rows_at, 2 * r + 1));
}

static LLVMValueRef load_y(Task *t, LLVMValueRef row, int v) {
    const int64_t at = v * t->c->lanes;
    return t->masks[v] ? vector_load_masked(t->f, t->vector, row, at, t->masks[v])
                       : vector_load(t->f, t->vector, row, at);
}

static void store_block(Task *t, LLVMValueRef rows_at, const LLVMValueRef *sums) {
    for (int r = 0; r < t->rows; r++) {
        LLVMValueRef row = row_of_y(t, rows_at, r);
        for (int v = 0; v < t->vectors; v++)
            vector_store(t->f, sums[r * t->vectors + v], row, v * t->c->lanes, t->masks[v]);
    }
}

/* Adds a block of sums to y. All of y is read before any of it is written, because the last block
 * of a task repeats its last row. */
static void add_block(Task *t, LLVMValueRef rows_at, const LLVMValueRef *sums) {
    LLVMValueRef all[MAX_SUMS];
    for (int r = 0; r < t->rows; r++) {
        LLVMValueRef row = row_of_y(t, rows_at, r);
        for (int v = 0; v < t->vectors; v++) {
            const int i = r * t->vectors + v;
            all[i] = LLVMBuildFAdd(t->f->e->builder, load_y(t, row, v), sums[i], "");
        }
    }
    store_block(t, rows_at, all);
}

static LLVMValueRef is_first_chunk(Task *t) {
    return LLVMBuildICmp(t->f->e->builder, LLVMIntEQ, t->chunk, emit_whole(t->f, 0), "");
}

/* Writes the sums of a chunk to y, or adds them to y. */
static void put_block(Task *t, LLVMValueRef rows_at, const LLVMValueRef *sums) {
    LLVMBuilderRef b = t->f->e->builder;
    LLVMBasicBlockRef first = frame_block(t->f, "put");
    LLVMBasicBlockRef again = frame_block(t->f, "add");
    LLVMBasicBlockRef after = frame_block(t->f, "written");
    LLVMBuildCondBr(b, is_first_chunk(t), first, again);
    LLVMPositionBuilderAtEnd(b, first);
    store_block(t, rows_at, sums);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, again);
    add_block(t, rows_at, sums);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}

/* Loads the values that a block's sums begin with: zeros, or what y holds after the chunks
 * before. */
static void load_block(Task *t, LLVMValueRef rows_at, LLVMValueRef *sums) {
    LLVMBuilderRef b = t->f->e->builder;
    int count = t->rows * t->vectors;
    LLVMValueRef zero = LLVMConstNull(t->vector);
    LLVMValueRef held[MAX_SUMS];
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef again = frame_block(t->f, "again");
    LLVMBasicBlockRef after = frame_block(t->f, "begun");
    LLVMBuildCondBr(b, is_first_chunk(t), after, again);
    LLVMPositionBuilderAtEnd(b, again);
    for (int r = 0; r < t->rows; r++) {
        LLVMValueRef row = row_of_y(t, rows_at, r);
        for (int v = 0; v < t->vectors; v++)
            held[r * t->vectors + v] = load_y(t, row, v);
    }
    again = LLVMGetInsertBlock(b);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
    for (int i = 0; i < count; i++) {
        sums[i] = LLVMBuildPhi(b, t->vector, "");
        LLVMAddIncoming(sums[i], &zero, &before, 1);
        LLVMAddIncoming(sums[i], &held[i], &again, 1);
    }
}

/* Emits a block of rows, whose list begins at `rows_at` in the table, times the panel. */
static void emit_block(Task *t, LLVMValueRef rows_at) {
    LLVMBuilderRef b = t->f->e->builder;
    LLVMValueRef row[MAX_SUMS], begun[MAX_SUMS], sums[MAX_SUMS], kept[MAX_SUMS];
    LLVMValueRef first = emit_whole(t->f, 0);
    LLVMValueRef gathered = first;
    LLVMValueRef done;
    int count = t->rows * t->vectors;
    for (int r = 0; r < t->rows; r++)
        row[r] = t->gathered ? vector_float_at(t->f, t->gathered, emit_whole(t->f, r))
                             : vector_float_at(t->f, t->a,
                                               vector_table_at(t->f, t->tables, rows_at, 2 * r));
    if (t->totals)
        for (int i = 0; i < count; i++)
            begun[i] = LLVMConstNull(t->vector);
    else
        load_block(t, rows_at, begun);
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef some = frame_block(t->f, "some");
    LLVMBasicBlockRef after = frame_block(t->f, "stored");
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSGT, t->run_count, emit_whole(t->f, 0), ""), some,
                    after);
    LLVMPositionBuilderAtEnd(b, some);
    if (t->totals)
        sum_leaves(t, row, begun, sums);
    else
        sum_runs(t, row, first, &gathered, begun, sums, &done);
    LLVMBasicBlockRef summed = LLVMGetInsertBlock(b);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
    for (int i = 0; i < count; i++) {
        kept[i] = LLVMBuildPhi(b, t->vector, "");
        LLVMAddIncoming(kept[i], &begun[i], &before, 1);
        LLVMAddIncoming(kept[i], &sums[i], &summed, 1);
    }
    if (t->totals)
        put_block(t, rows_at, kept);
    else
        store_block(t, rows_at, kept);
}

static void set_masks(Task *t, LLVMValueRef panel) {
    Frame *f = t->f;
    const int last = t->vectors - 1;
    LLVMValueRef columns = vector_table_at(f, t->tables, emit_whole(f, HEAD_COLUMNS), 0);
    LLVMValueRef begin = vector_times(f, panel, t->c->panel);
    LLVMValueRef left = LLVMBuildNSWSub(f->e->builder, columns, begin, "");
    t->masks[last] = vector_mask(f, t->vector, left, last * t->c->lanes);
}

/* Emits a panel. If the last panel is not full, there is a block with fewer vectors for it, the
 * last of which is masked. If there are no registers for masks, b is read in place only if its
 * columns fill vectors (reads_in_place). */
static void emit_panel(Task *t, LLVMValueRef panel, LLVMValueRef rows_at) {
    if (!t->c->masked) {
        emit_block(t, rows_at);
        return;
    }
    LLVMBuilderRef b = t->f->e->builder;
    Task narrow = *t;
    narrow.vectors = t->c->last_vectors;
    LLVMBasicBlockRef full = frame_block(t->f, "full");
    LLVMBasicBlockRef last = frame_block(t->f, "last");
    LLVMBasicBlockRef after = frame_block(t->f, "after");
    LLVMValueRef panels = vector_table_at(t->f, t->tables, emit_whole(t->f, HEAD_PANELS), 0);
    LLVMBuildCondBr(
        b, LLVMBuildICmp(b, LLVMIntEQ, vector_add(t->f, panel, emit_whole(t->f, 1)), panels, ""),
        last, full);
    LLVMPositionBuilderAtEnd(b, full);
    emit_block(t, rows_at);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, last);
    if (t->c->packed || t->c->lanes >= MASKED_LANES) {
        set_masks(&narrow, panel);
    }
    emit_block(&narrow, rows_at);
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
}

/* Returns the floats of a from the rows of this block to those of the next; 0 for the last block of
 * a task. */
static LLVMValueRef to_next_rows(Task *t, LLVMValueRef rows_at, LLVMValueRef block,
                                 LLVMValueRef row_count) {
    Frame *f = t->f;
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef more =
        LLVMBuildICmp(b, LLVMIntSLT, vector_add(f, block, emit_whole(f, t->rows)), row_count, "");
    LLVMValueRef next =
        LLVMBuildSelect(b, more, vector_add(f, rows_at, emit_whole(f, 2 * t->rows)), rows_at, "");
    return LLVMBuildNSWSub(b, vector_table_at(f, t->tables, next, 0),
                           vector_table_at(f, t->tables, rows_at, 0), "");
}

static Task open_task(Frame *f, const Contraction *c) {
    LLVMValueRef tables = f->bases[1];
    Task t = {.f = f,
              .c = c,
              .vector = LLVMVectorType(f->e->f32, (unsigned)c->lanes),
              .rows = c->rows,
              .vectors = (int)(c->panel / c->lanes),
              .tables = tables};
    LLVMValueRef head = emit_whole(f, 0);
    t.a_step = vector_table_at(f, tables, head, HEAD_A_STEP);
    t.b_step = vector_table_at(f, tables, head, HEAD_B_STEP);
    if (c->leaves) t.totals = f->scratch;
    if (c->gathered)
        t.gathered = vector_float_at(f, f->scratch, emit_whole(f, contraction_totals(c)));
    return t;
}

/* Emits the blocks of one chunk. Panels are the inner loop. So y is written along its rows, which
 * the processor prefetches, and the rows of a stay in the first-level cache. */
static void emit_blocks(Task *t, LLVMValueRef b_base, const LLVMValueRef *words,
                        LLVMValueRef panel_step) {
    Frame *f = t->f;
    const Contraction *c = t->c;
    Loop blocks = loop_begin_step(f, emit_whole(f, 0), words[TASK_ROW_COUNT], c->rows);
    LLVMValueRef rows_at = vector_add(f, words[TASK_ROWS], vector_times(f, blocks.index, 2));
    if (c->gathered) gather_row_places(t, rows_at);
    if (c->rows_ahead) t->next = to_next_rows(t, rows_at, blocks.index, words[TASK_ROW_COUNT]);
    Loop panels = loop_begin(f, words[TASK_PANEL_BEGIN], words[TASK_PANEL_END]);
    LLVMValueRef panel_at = LLVMBuildNSWMul(f->e->builder, panels.index, panel_step, "");
    t->panel = vector_float_at(f, b_base, panel_at);
    t->y_panel = vector_float_at(f, t->y, vector_times(f, panels.index, c->panel));
    emit_panel(t, panels.index, rows_at);
    loop_end(f, &panels);
    loop_end(f, &blocks);
}

void emit_product(Emitter *e, Kernel *kernel) {
    Frame f;
    frame_begin(&f, e, kernel);
    Task t = open_task(&f, kernel->as.contraction);
    LLVMValueRef tables = t.tables;
    LLVMValueRef head = emit_whole(&f, 0);
    LLVMValueRef panel_step = vector_table_at(&f, tables, head, HEAD_PANEL_STEP);
    LLVMValueRef first_task = vector_table_at(&f, tables, head, HEAD_TASKS);

    Loop tasks = loop_begin(&f, f.begin, f.end);
    LLVMValueRef task = vector_add(&f, first_task, vector_times(&f, tasks.index, TASK_WORDS));
    LLVMValueRef words[TASK_WORDS];
    for (int i = 0; i < TASK_WORDS; i++)
        words[i] = vector_table_at(&f, tables, task, i);
    t.a = vector_float_at(&f, f.bases[0], words[TASK_A]);
    t.y = vector_float_at(&f, f.bases[3], words[TASK_Y]);
    LLVMValueRef b_base = vector_float_at(&f, f.bases[2], words[TASK_B]);
    Loop chunks = loop_begin(&f, emit_whole(&f, 0), words[TASK_CHUNK_COUNT]);
    LLVMValueRef chunk_at = vector_add(&f, words[TASK_CHUNKS], vector_times(&f, chunks.index, 2));
    t.chunk = chunks.index;
    t.runs = vector_table_at(&f, tables, chunk_at, 0);
    t.run_count = vector_table_at(&f, tables, chunk_at, 1);
    emit_blocks(&t, b_base, words, panel_step);
    loop_end(&f, &chunks);
    loop_end(&f, &tasks);
    frame_end(&f);
}

/* Adds the parts in order, a vector of columns at a time, and puts the sums where they belong in y.
 */
void emit_gather_partials(Emitter *e, Kernel *kernel) {
    Frame f;
    const Contraction *c = kernel->as.contraction;
    frame_begin(&f, e, kernel);
    LLVMBuilderRef b = e->builder;
    LLVMTypeRef vector = LLVMVectorType(e->f32, (unsigned)c->lanes);
    LLVMValueRef parts = f.bases[0], tables = f.bases[1], y = f.bases[2], head = emit_whole(&f, 0);
    LLVMValueRef columns = vector_table_at(&f, tables, head, HEAD_COLUMNS);
    LLVMValueRef row_count = vector_table_at(&f, tables, head, HEAD_PART_ROWS);
    LLVMValueRef part_step = LLVMBuildNSWMul(b, row_count, columns, "");
    LLVMValueRef part_count = vector_table_at(&f, tables, head, HEAD_PARTS);
    LLVMValueRef y_of_row = vector_table_at(&f, tables, head, HEAD_Y_OF_ROW);
    LLVMValueRef y_of_n = vector_table_at(&f, tables, head, HEAD_Y_OF_N);
    /* The sums have a double for each lane, in as many registers as that takes. */
    LLVMTypeRef doubles = LLVMVectorType(e->f64, (unsigned)c->lanes);
    LLVMValueRef sum = frame_local(&f, doubles);
    Loop rows = loop_begin(&f, vector_times(&f, f.begin, GATHER_ROWS),
                           vector_smaller(&f, vector_times(&f, f.end, GATHER_ROWS), row_count));
    LLVMValueRef from = LLVMBuildNSWMul(b, rows.index, columns, "");
    LLVMValueRef to = vector_float_at(
        &f, y, vector_table_at(&f, tables, vector_add(&f, y_of_row, rows.index), 0));
    Loop vectors = loop_begin_step(&f, emit_whole(&f, 0), columns, c->lanes);
    local_set(&f, sum, LLVMConstNull(doubles));
    LLVMValueRef first = vector_float_at(&f, parts, vector_add(&f, from, vectors.index));
    Loop all = loop_begin(&f, emit_whole(&f, 0), part_count);
    LLVMValueRef one = vector_load(
        &f, vector, vector_float_at(&f, first, LLVMBuildNSWMul(b, all.index, part_step, "")), 0);
    local_set(
        &f, sum,
        LLVMBuildFAdd(b, local_get(&f, doubles, sum), LLVMBuildFPExt(b, one, doubles, ""), ""));
    loop_end(&f, &all);
    LLVMValueRef mask = vector_mask(&f, vector, LLVMBuildNSWSub(b, columns, vectors.index, ""), 0);
    vector_scatter(&f, LLVMBuildFPTrunc(b, local_get(&f, doubles, sum), vector, ""), to,
                   vector_table(&f, vector, tables, vector_add(&f, y_of_n, vectors.index)), mask);
    loop_end(&f, &vectors);
    loop_end(&f, &rows);
    frame_end(&f);
}
