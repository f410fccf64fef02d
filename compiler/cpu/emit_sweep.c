/* Emits the kernel of a sweep: its tasks, blocks and strips. sink.c has what happens to a tile, and
 * tile.c the products and copies of blocks. */
#include "compiler/cpu/meeting.h"
#include "compiler/cpu/sink.h"

#include <string.h>

enum {
    SUMMED_BLOCKS = 4, /* the blocks of columns whose sums are added to the result together */
    /* The columns whose weighted rows are summed before their sum is added to that of the block.
     * With this number, a chain of 64 blocks of equal terms stays within 1e-6. */
    LEAF = 32
};

/* Returns the length of the leaves of a sum, or 0 if the sum is one leaf. */
static int64_t leaf_of(int64_t terms, int64_t most) {
    return terms > most ? most : 0;
}

/* The code that makes the weights of a tile, with the first view that has these weights. Views with
 * equal weights share the code. */
typedef struct Weights {
    SweepView view;
    Helper code;
} Weights;

/* The helpers of a sink, for the rows and for the columns of a tile. Those for a statistic take the
 * terms of a tile (fold), set the cells ahead of the first tile, and make the results. A weighted
 * sum has all others. */
typedef struct SinkCode {
    Helper row_fold;
    Helper column_fold;
    int row_weights, column_weights; /* numbers in Walk.weights */
    Helper row_first;
    Helper column_first;
    Helper row_result;
    Helper column_result;
    /* The rows that the sums read, in panels: those at the tile's columns serve the sums of rows,
     * and those at its rows serve the sums of columns. */
    Helper row_panels;
    Helper column_panels;
    Helper row_product;
    Helper column_product;
    /* They copy the sums from the scratch to the sink's array, or add them to it. */
    Helper row_store;
    Helper row_add;
    Helper column_store;
    Helper column_add;
} SinkCode;

/* A sweep while it is emitted: the helpers, and the block of rows and the block of columns at
 * hand. */
typedef struct Walk {
    Frame f;
    const Sweep *s;
    SweepLayout at;
    Helper cell_copy;
    Helper operand[MOST_PAIR_SOURCES];
    Helper panels[MOST_PAIR_SOURCES];
    Helper product[MOST_PAIR_SOURCES];
    SinkCode sinks[MOST_SINKS];
    Helper maps;
    Weights weights[2 * MOST_SINKS];
    /* `weights_there` is the number of the weights that the tile of weights holds. -1: it holds
     * none, or that depends on a branch. */
    int weight_count;
    int weights_there;
    LLVMValueRef row_operand[MOST_PAIR_SOURCES]; /* where the rows of the task's block are read */
    Side rows;
    Side columns;
    /* the number of helpers so far, which tells their symbols apart */
    int helpers;
} Walk;

/* ---- operands -------------------------------------------------------------------------------- */

static int operand_number(const Walk *w, const GNode *array) {
    for (int i = 0; i < w->f.kernel->operand_count; i++)
        if (w->f.kernel->operands[i] == array) return i;
    return 0;
}

static LLVMValueRef base_of(const Walk *w, const GNode *array) {
    return w->f.bases[operand_number(w, array)];
}
static LLVMValueRef scratch_at(Walk *w, int64_t floats) {
    return helper_float_pointer(&w->f, w->f.scratch, emit_whole(&w->f, floats));
}

/* The results of sinks are the last operands, and the state is the one just ahead of them. */
static LLVMValueRef result_base(const Walk *w, int sink) {
    return w->f.bases[w->f.kernel->operand_count - w->s->sink_count + sink];
}
static LLVMValueRef state_of(const Walk *w) {
    return w->f.bases[w->f.kernel->operand_count - w->s->sink_count - 1];
}

/* Returns the address of row `first` of an operand. */
static LLVMValueRef operand_start(Walk *w, const SweepOperand *o, LLVMValueRef first) {
    Frame *f = &w->f;
    return helper_float_pointer(
        f, base_of(w, o->array),
        helper_sum_of(f, helper_scaled(f, first, o->line), emit_whole(f, o->start)));
}

/* True if rows are neighbours in memory. The copy in the scratch keeps them so: it is [k][row], and
 * else [row][k]. */
static bool lies_by_columns(const SweepOperand *o) {
    return o->line == 1 && o->step != 1;
}
/* True if rows have no gaps in memory. A whole block of them is read where it lies. A smaller one
 * is copied, because register blocks read some rows behind the last. */
static bool lies_ready(const SweepSource *source) {
    return source->row.step == 1 && source->row.line == source->depth;
}

/* ---- the helpers ----------------------------------------------------------------------------- */

static void emit_source_helpers(Walk *w, int i) {
    const Sweep *s = w->s;
    const SweepSource *source = &s->sources[i];
    bool turned = lies_by_columns(&source->row);
    CopyShape copy = {source->row.line, source->row.step, turned ? 1 : source->depth,
                      turned ? s->block_rows : 1, .adds = false};
    if (turned)
        copy = (CopyShape){source->row.step, source->row.line, s->block_rows, 1, .adds = false};
    w->operand[i] = emit_copy(&w->f, &copy, w->helpers++);
    PanelShape panels = {s->lanes, source->column.line, source->column.step,
                         source->depth * s->panel};
    w->panels[i] = emit_panels(&w->f, &panels, w->helpers++);
    BlockShape product = {s->lanes,
                          s->strip_rows,
                          turned ? 1 : source->depth,
                          turned ? s->block_rows : 1,
                          source->depth * s->panel,
                          s->line,
                          .leaf = leaf_of(source->depth, LEAF_K)};
    w->product[i] = emit_block_product(&w->f, &product, w->helpers++);
}

static void emit_statistic_helpers(Walk *w, SinkCode *c, const SweepSink *sink) {
    const Sweep *s = w->s;
    if (sweep_feeds_rows(s, sink)) {
        c->row_fold = emit_statistic(&w->f, (SweepView){sink, false}, w->helpers++);
        c->row_first = emit_first_cells(&w->f, sink, s->block_rows, w->helpers++);
        c->row_result = emit_result(&w->f, sink, s->block_rows, w->helpers++);
    }
    if (sweep_feeds_columns(s, sink)) {
        c->column_fold = emit_statistic(&w->f, (SweepView){sink, true}, w->helpers++);
        c->column_first = emit_first_cells(&w->f, sink, s->block_columns, w->helpers++);
        c->column_result = emit_result(&w->f, sink, s->block_columns, w->helpers++);
    }
}

/* Return the strides of the sink's array, along its own index and along the payload. */
static int64_t own_stride(const SweepSink *sink) {
    return sink->pair.own == 0 ? sink->payload : 1;
}
static int64_t payload_stride(const SweepSink *sink) {
    return sink->pair.own == 0 ? 1 : sink->pair.node->shape[1];
}

/* Returns the number of a view's weights, whose code is emitted unless an earlier view has the
 * same. */
static int weights_of(Walk *w, SweepView view) {
    int i = 0;
    while (i < w->weight_count && !sweep_same_weights(w->s, w->weights[i].view, view))
        i++;
    if (i == w->weight_count)
        w->weights[w->weight_count++] = (Weights){view, emit_weights(&w->f, view, w->helpers++)};
    return i;
}

static void emit_sum_helpers(Walk *w, SinkCode *c, const SweepSink *sink) {
    const Sweep *s = w->s;
    CopyShape store = {sink->width, 1, own_stride(sink), payload_stride(sink),
                       .lost_line = sweep_sum_keeps_lost(s, sink) ? sink->payload : 0};
    CopyShape more = store;
    more.adds = true;
    if (sweep_feeds_rows(s, sink)) {
        c->row_weights = weights_of(w, (SweepView){sink, false});
        PanelShape panels = {s->lanes, sink->rows.step, sink->rows.line,
                             s->block_columns * s->panel};
        c->row_panels = emit_panels(&w->f, &panels, w->helpers++);
        BlockShape product = {s->lanes,
                              s->strip_rows,
                              s->line,
                              1,
                              s->block_columns * s->panel,
                              sink->width,
                              true,
                              leaf_of(s->block_columns, LEAF)};
        c->row_product = emit_block_product(&w->f, &product, w->helpers++);
        c->row_store = emit_copy(&w->f, &store, w->helpers++);
        c->row_add = emit_copy(&w->f, &more, w->helpers++);
    }
    if (sweep_feeds_columns(s, sink)) {
        c->column_weights = weights_of(w, (SweepView){sink, true});
        PanelShape panels = {s->lanes, sink->rows.step, sink->rows.line, s->block_rows * s->panel};
        c->column_panels = emit_panels(&w->f, &panels, w->helpers++);
        BlockShape product = {
            s->lanes, s->strip_rows,          1, s->line, s->block_rows * s->panel, sink->width,
            true,     leaf_of(s->strip, LEAF)};
        c->column_product = emit_block_product(&w->f, &product, w->helpers++);
        c->column_store = emit_copy(&w->f, &store, w->helpers++);
        c->column_add = emit_copy(&w->f, &more, w->helpers++);
    }
}

static void emit_helpers(Walk *w) {
    const CopyShape cells = {0, 1, 0, 1, .adds = false};
    w->cell_copy = emit_copy(&w->f, &cells, w->helpers++);
    for (int i = 0; i < w->s->source_count; i++)
        emit_source_helpers(w, i);
    if (w->s->map_count) w->maps = emit_maps(&w->f, w->helpers++);
    for (int i = 0; i < w->s->sink_count; i++) {
        const SweepSink *sink = &w->s->sinks[i];
        if (sink->payload)
            emit_sum_helpers(w, &w->sinks[i], sink);
        else
            emit_statistic_helpers(w, &w->sinks[i], sink);
    }
}

/* ---- branches -------------------------------------------------------------------------------- */

typedef struct Branch {
    LLVMBasicBlockRef otherwise;
    LLVMBasicBlockRef after;
} Branch;

static Branch branch_begin(Walk *w, LLVMValueRef condition) {
    Branch branch = {frame_block(&w->f, "else"), frame_block(&w->f, "then_after")};
    LLVMBasicBlockRef then = frame_block(&w->f, "then");
    LLVMBuildCondBr(w->f.e->builder, condition, then, branch.otherwise);
    LLVMPositionBuilderAtEnd(w->f.e->builder, then);
    return branch;
}

static void branch_else(Walk *w, const Branch *branch) {
    LLVMBuildBr(w->f.e->builder, branch->after);
    LLVMPositionBuilderAtEnd(w->f.e->builder, branch->otherwise);
}

static void branch_end(Walk *w, const Branch *branch) {
    LLVMBuildBr(w->f.e->builder, branch->after);
    LLVMPositionBuilderAtEnd(w->f.e->builder, branch->after);
}

/* ---- what outlives a task -------------------------------------------------------------------- */

/* Copies the cells of a side from the state to the scratch, or back. */
static void copy_cells(Walk *w, const SweepSink *sink, int number, const Side *side,
                       int64_t scratch, int64_t block, bool in) {
    Frame *f = &w->f;
    int64_t length = sink->by_column ? w->s->columns : w->s->rows;
    for (int cell = 0; cell < sink->cells; cell++) {
        LLVMValueRef kept = helper_float_pointer(
            f, state_of(w),
            helper_sum_of(f, side->first,
                          emit_whole(f, sweep_state_offset(w->s, number) + cell * length)));
        LLVMValueRef here = scratch_at(w, scratch + cell * block);
        LLVMValueRef numbers[2] = {emit_whole(f, 1), side->count};
        LLVMValueRef pointers[2] = {in ? kept : here, in ? here : kept};
        helper_call(f, &w->cell_copy, pointers, numbers);
    }
}

static void clear(Walk *w, int64_t scratch, int64_t floats) {
    Emitter *e = w->f.e;
    LLVMBuildMemSet(e->builder, scratch_at(w, scratch), LLVMConstInt(e->i8, 0, 0),
                    emit_whole(&w->f, 4 * floats), 64);
}

/* Tell whether the sink is a weighted sum, or a statistic, that is fed from the rows, or from the
 * columns. */
static bool sums_side(const Walk *w, const SweepSink *sink, bool rows) {
    if (!sink->payload) return false;
    return rows ? sweep_feeds_rows(w->s, sink) : sweep_feeds_columns(w->s, sink);
}

static bool counts_side(const Walk *w, const SweepSink *sink, bool rows) {
    if (sink->payload) return false;
    return rows ? sweep_feeds_rows(w->s, sink) : sweep_feeds_columns(w->s, sink);
}

/* Sets the sums of a block to 0. So all that its tiles give is added to the result as one term. */
static void open_sums(Walk *w, bool rows) {
    const int64_t block = rows ? w->s->block_rows : w->s->block_columns;
    for (int i = 0; i < w->s->sink_count; i++) {
        if (!sums_side(w, &w->s->sinks[i], rows)) continue;
        clear(w, rows ? w->at.row_sums[i] : w->at.column_sums[i], block * w->s->sinks[i].width);
    }
}

/* Adds these sums to the result, or stores them if they are the first, which the i1 `first`
 * tells. */
static void close_sums(Walk *w, const Side *side, bool rows, LLVMValueRef first) {
    Frame *f = &w->f;
    Branch branch = branch_begin(w, first);
    for (int again = 0; again < 2; again++) {
        if (again) branch_else(w, &branch);
        for (int i = 0; i < w->s->sink_count; i++) {
            const SweepSink *sink = &w->s->sinks[i];
            const SinkCode *c = &w->sinks[i];
            if (!sums_side(w, sink, rows)) continue;
            LLVMValueRef start = helper_scaled(f, side->first, own_stride(sink));
            LLVMValueRef from = scratch_at(w, rows ? w->at.row_sums[i] : w->at.column_sums[i]);
            LLVMValueRef pointers[3] = {from, helper_float_pointer(f, result_base(w, i), start)};
            if (sweep_sum_keeps_lost(w->s, sink) && w->s->mode == SWEEP_ROWS) {
                pointers[2] = scratch_at(w, w->at.row_lost[i]);
            } else if (sweep_sum_keeps_lost(w->s, sink)) {
                LLVMValueRef at = helper_scaled(f, side->first, sink->payload);
                at = helper_sum_of(f, at, emit_whole(f, sweep_state_offset(w->s, i)));
                pointers[2] = helper_float_pointer(f, state_of(w), at);
            }
            LLVMValueRef numbers[2] = {side->count, emit_whole(f, sink->payload)};
            if (again)
                helper_call(f, rows ? &c->row_add : &c->column_add, pointers, numbers);
            else
                helper_call(f, rows ? &c->row_store : &c->column_store, pointers, numbers);
        }
    }
    branch_end(w, &branch);
}

/* Puts the cells of a side into the scratch, as they begin, or as the task before left them in the
 * state. */
static void open_cells(Walk *w, const Side *side, bool rows) {
    const Sweep *s = w->s;
    Frame *f = &w->f;
    int64_t block = rows ? s->block_rows : s->block_columns;
    if (!s->cells) return;
    Branch branch = branch_begin(w, side->starts);
    for (int again = 0; again < 2; again++) {
        if (again) branch_else(w, &branch);
        for (int i = 0; i < s->sink_count; i++) {
            const SweepSink *sink = &s->sinks[i];
            const SinkCode *c = &w->sinks[i];
            if (!counts_side(w, sink, rows)) continue;
            int64_t cells = rows ? w->at.row_cells[i] : w->at.column_cells[i];
            LLVMValueRef numbers[2] = {side->first, side->count};
            LLVMValueRef pointers[3] = {scratch_at(w, cells), f->fault, result_base(w, i)};
            if (!again)
                helper_call(f, rows ? &c->row_first : &c->column_first, pointers, numbers);
            else if (s->mode != SWEEP_ROWS)
                copy_cells(w, sink, i, side, cells, block, true);
        }
    }
    branch_end(w, &branch);
}

/* Makes the results of a side from its cells if this is its last task. Else puts the cells back
 * into the state. */
static void close_cells(Walk *w, const Side *side, bool rows) {
    const Sweep *s = w->s;
    Frame *f = &w->f;
    int64_t block = rows ? s->block_rows : s->block_columns;
    if (!s->cells) return;
    Branch branch = branch_begin(w, side->ends);
    for (int again = 0; again < 2; again++) {
        if (again) branch_else(w, &branch);
        for (int i = 0; i < s->sink_count; i++) {
            const SweepSink *sink = &s->sinks[i];
            const SinkCode *c = &w->sinks[i];
            if (!counts_side(w, sink, rows)) continue;
            int64_t cells = rows ? w->at.row_cells[i] : w->at.column_cells[i];
            LLVMValueRef numbers[2] = {side->first, side->count};
            LLVMValueRef pointers[3] = {scratch_at(w, cells), f->fault, result_base(w, i)};
            if (!again)
                helper_call(f, rows ? &c->row_result : &c->column_result, pointers, numbers);
            else if (s->mode != SWEEP_ROWS)
                copy_cells(w, sink, i, side, cells, block, false);
        }
    }
    branch_end(w, &branch);
}

static void open_side(Walk *w, const Side *side, bool rows) {
    open_sums(w, rows);
    open_cells(w, side, rows);
}

static void close_side(Walk *w, const Side *side, bool rows) {
    close_sums(w, side, rows, side->starts);
    close_cells(w, side, rows);
}

/* ---- a tile ---------------------------------------------------------------------------------- */

/* Calls a helper of sink.h for a strip, with its arguments in order. */
static void call_on_tile(Walk *w, const Helper *helper, LLVMValueRef target, LLVMValueRef strip,
                         LLVMValueRef rows) {
    Frame *f = &w->f;
    LLVMValueRef pointers[MOST_HELPER_POINTERS];
    LLVMValueRef numbers[4] = {helper_sum_of(f, w->rows.first, strip), w->columns.first, rows,
                               w->columns.count};
    int count = 0;
    for (int i = 0; i < w->s->source_count; i++)
        pointers[count++] = scratch_at(w, w->at.tiles[i]);
    for (int i = 0; i < w->s->map_count; i++)
        pointers[count++] = scratch_at(w, w->at.maps[i]);
    pointers[count++] = target;
    pointers[count++] = scratch_at(w, w->at.spare);
    pointers[count++] = f->fault;
    for (int i = 0; i < f->kernel->operand_count; i++)
        pointers[count++] = f->bases[i];
    helper_call(f, helper, pointers, numbers);
}

/* Makes the tile of source i for a strip of rows. */
static void make_tile(Walk *w, int i, LLVMValueRef strip, LLVMValueRef rows) {
    Frame *f = &w->f;
    const SweepSource *source = &w->s->sources[i];
    LLVMBuilderRef b = f->e->builder;
    int64_t line = lies_by_columns(&source->row) ? 1 : source->depth;
    LLVMValueRef panels =
        LLVMBuildUDiv(b, helper_sum_of(f, w->columns.count, emit_whole(f, w->s->panel - 1)),
                      emit_whole(f, w->s->panel), "");
    LLVMValueRef pointers[3] = {
        helper_float_pointer(f, w->row_operand[i], helper_scaled(f, strip, line)),
        scratch_at(w, w->at.column_panels[i]), scratch_at(w, w->at.tiles[i])};
    LLVMValueRef numbers[3] = {rows, panels, emit_whole(f, source->depth)};
    helper_call(f, &w->product[i], pointers, numbers);
}

static void add_row_sums(Walk *w, int i, LLVMValueRef strip, LLVMValueRef rows) {
    Frame *f = &w->f;
    const SweepSink *sink = &w->s->sinks[i];
    LLVMValueRef sums = helper_float_pointer(f, scratch_at(w, w->at.row_sums[i]),
                                             helper_scaled(f, strip, sink->width));
    LLVMValueRef pointers[3] = {scratch_at(w, w->at.weights), scratch_at(w, w->at.column_rows[i]),
                                sums};
    LLVMValueRef numbers[3] = {rows, emit_whole(f, sink->width / w->s->panel), w->columns.count};
    helper_call(f, &w->sinks[i].row_product, pointers, numbers);
}

static void add_column_sums(Walk *w, int i, LLVMValueRef strip, LLVMValueRef rows) {
    Frame *f = &w->f;
    const SweepSink *sink = &w->s->sinks[i];
    LLVMValueRef v = helper_float_pointer(f, scratch_at(w, w->at.row_rows[i]),
                                          helper_scaled(f, strip, w->s->panel));
    LLVMValueRef pointers[3] = {scratch_at(w, w->at.weights), v,
                                scratch_at(w, w->at.column_sums[i])};
    LLVMValueRef numbers[3] = {w->columns.count, emit_whole(f, sink->width / w->s->panel), rows};
    helper_call(f, &w->sinks[i].column_product, pointers, numbers);
}

/* Makes the weights of a strip, unless they are in their tile already. */
static void bring_weights(Walk *w, int which, LLVMValueRef strip, LLVMValueRef rows) {
    if (w->weights_there == which) return;
    call_on_tile(w, &w->weights[which].code, scratch_at(w, w->at.weights), strip, rows);
    w->weights_there = which;
}

static void feed_rows(Walk *w, int i, LLVMValueRef strip, LLVMValueRef rows) {
    if (w->s->sinks[i].payload) {
        bring_weights(w, w->sinks[i].row_weights, strip, rows);
        add_row_sums(w, i, strip, rows);
    } else {
        call_on_tile(w, &w->sinks[i].row_fold,
                     helper_float_pointer(&w->f, scratch_at(w, w->at.row_cells[i]), strip), strip,
                     rows);
    }
}

static void feed_columns(Walk *w, int i, LLVMValueRef strip, LLVMValueRef rows) {
    if (w->s->sinks[i].payload) {
        bring_weights(w, w->sinks[i].column_weights, strip, rows);
        add_column_sums(w, i, strip, rows);
    } else {
        call_on_tile(w, &w->sinks[i].column_fold, scratch_at(w, w->at.column_cells[i]), strip,
                     rows);
    }
}

/* Feeds a sink from a strip. A tile of a symmetric product serves both its sides, unless they are
 * the same block; `apart` is an i1 that is true if they are different ones. NULL: they always
 * are. */
static void feed_sink(Walk *w, int i, LLVMValueRef strip, LLVMValueRef rows, LLVMValueRef apart) {
    const SweepSink *sink = &w->s->sinks[i];
    if (sweep_feeds_rows(w->s, sink)) feed_rows(w, i, strip, rows);
    if (!sweep_feeds_columns(w->s, sink)) return;
    int there = w->weights_there;
    Branch branch;
    if (apart) branch = branch_begin(w, apart);
    feed_columns(w, i, strip, rows);
    if (!apart) return;
    branch_else(w, &branch);
    branch_end(w, &branch);
    if (w->weights_there != there) w->weights_there = -1;
}

/* ---- a block of rows with a block of columns ------------------------------------------------- */

/* Copies the rows of the sources to the scratch, except for those that are read where they lie. */
static void bring_rows(Walk *w) {
    const Sweep *s = w->s;
    Frame *f = &w->f;
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef full =
        LLVMBuildICmp(b, LLVMIntEQ, w->rows.count, emit_whole(f, s->block_rows), "");
    for (int i = 0; i < s->source_count; i++) {
        const SweepSource *source = &s->sources[i];
        LLVMValueRef from = operand_start(w, &source->row, w->rows.first);
        LLVMValueRef to = scratch_at(w, w->at.row_operand[i]);
        LLVMValueRef numbers[2] = {w->rows.count, emit_whole(f, source->depth)};
        LLVMValueRef turned[2] = {numbers[1], numbers[0]};
        bool ready = lies_ready(source);
        Branch branch;
        w->row_operand[i] = ready ? LLVMBuildSelect(b, full, from, to, "") : to;
        if (ready) branch = branch_begin(w, LLVMBuildNot(b, full, ""));
        LLVMValueRef pointers[2] = {from, to};
        helper_call(f, &w->operand[i], pointers, lies_by_columns(&source->row) ? turned : numbers);
        if (!ready) continue;
        branch_else(w, &branch);
        branch_end(w, &branch);
    }
}

/* Packs the rows that weighted sums read: for the sums of columns those at the tile's rows, and for
 * the sums of rows those at its columns. */
static void bring_sink_rows(Walk *w, const Side *side, bool rows) {
    const Sweep *s = w->s;
    for (int i = 0; i < s->sink_count; i++) {
        const SweepSink *sink = &s->sinks[i];
        if (!sink->payload || (rows ? !sweep_feeds_columns(s, sink) : !sweep_feeds_rows(s, sink)))
            continue;
        LLVMValueRef pointers[2] = {operand_start(w, &sink->rows, side->first),
                                    scratch_at(w, rows ? w->at.row_rows[i] : w->at.column_rows[i])};
        LLVMValueRef numbers[2] = {emit_whole(&w->f, sink->payload), side->count};
        helper_call(&w->f, rows ? &w->sinks[i].column_panels : &w->sinks[i].row_panels, pointers,
                    numbers);
    }
}

/* Packs the columns of the sources, and the rows that sums read there. */
static void bring_columns(Walk *w) {
    const Sweep *s = w->s;
    for (int i = 0; i < s->source_count; i++) {
        LLVMValueRef pointers[2] = {operand_start(w, &s->sources[i].column, w->columns.first),
                                    scratch_at(w, w->at.column_panels[i])};
        LLVMValueRef numbers[2] = {w->columns.count, emit_whole(&w->f, s->sources[i].depth)};
        helper_call(&w->f, &w->panels[i], pointers, numbers);
    }
    bring_sink_rows(w, &w->columns, false);
}

static void set_extent(Walk *w, Side *side, int64_t block, int64_t total) {
    Frame *f = &w->f;
    side->first = helper_scaled(f, side->block, block);
    side->count =
        helper_smaller_of(f, emit_whole(f, block),
                          LLVMBuildNSWSub(f->e->builder, emit_whole(f, total), side->first, ""));
}

/* Opens or closes the columns' side of a task, if the two sides are different blocks
 * (feed_sink). */
static void column_side(Walk *w, LLVMValueRef apart, bool open) {
    if (w->s->mode == SWEEP_ROWS) return;
    Branch branch;
    if (apart) branch = branch_begin(w, apart);
    if (open)
        open_side(w, &w->columns, false);
    else
        close_side(w, &w->columns, false);
    if (!apart) return;
    branch_else(w, &branch);
    branch_end(w, &branch);
}

/* Emits the work on a block of rows and a block of columns, strip by strip. */
static void meet(Walk *w, LLVMValueRef apart) {
    const Sweep *s = w->s;
    Frame *f = &w->f;
    set_extent(w, &w->columns, s->block_columns, s->columns);
    bring_columns(w);
    column_side(w, apart, true);
    Loop strips = loop_begin_step(f, emit_whole(f, 0), w->rows.count, s->strip);
    LLVMValueRef rows =
        helper_smaller_of(f, emit_whole(f, s->strip),
                          LLVMBuildNSWSub(f->e->builder, w->rows.count, strips.index, ""));
    for (int i = 0; i < s->source_count; i++)
        make_tile(w, i, strips.index, rows);
    if (s->map_count) {
        call_on_tile(w, &w->maps, scratch_at(w, w->at.spare), strips.index, rows);
    }
    w->weights_there = -1;
    for (int i = 0; i < s->sink_count; i++)
        feed_sink(w, i, strips.index, rows, apart);
    loop_end(f, &strips);
    column_side(w, apart, false);
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static void when(Walk *w, LLVMValueRef condition, void (*act)(Walk *)) {
    Branch branch = branch_begin(w, condition);
    act(w);
    branch_else(w, &branch);
    branch_end(w, &branch);
}

static void open_row_sums(Walk *w) {
    open_sums(w, true);
}

/* Closes the sums of SUMMED_BLOCKS blocks of columns. */
static void close_row_sums(Walk *w) {
    LLVMBuilderRef b = w->f.e->builder;
    LLVMValueRef most = emit_whole(&w->f, SUMMED_BLOCKS);
    close_sums(w, &w->rows, true, LLVMBuildICmp(b, LLVMIntSLT, w->columns.block, most, ""));
}

/* Does a task of SWEEP_ROWS. The sums of a row are added to the result a few blocks of columns at a
 * time, which makes two short chains of additions and no long one. */
static void task_of_rows(Walk *w, LLVMValueRef task) {
    Frame *f = &w->f;
    LLVMBuilderRef b = f->e->builder;
    w->rows.block = task;
    w->rows.starts = w->rows.ends = LLVMConstInt(f->e->i1, 1, 0);
    set_extent(w, &w->rows, w->s->block_rows, w->s->rows);
    bring_rows(w);
    open_cells(w, &w->rows, true);
    Loop columns = loop_begin(f, emit_whole(f, 0), emit_whole(f, w->s->column_blocks));
    w->columns.block = columns.index;
    LLVMValueRef place = LLVMBuildURem(b, columns.index, emit_whole(f, SUMMED_BLOCKS), "");
    when(w, LLVMBuildICmp(b, LLVMIntEQ, place, emit_whole(f, 0), ""), open_row_sums);
    meet(w, NULL);
    LLVMValueRef full = LLVMBuildICmp(b, LLVMIntEQ, place, emit_whole(f, SUMMED_BLOCKS - 1), "");
    LLVMValueRef last =
        LLVMBuildICmp(b, LLVMIntEQ, columns.index, emit_whole(f, w->s->column_blocks - 1), "");
    when(w, LLVMBuildOr(b, full, last, ""), close_row_sums);
    loop_end(f, &columns);
    close_cells(w, &w->rows, true);
}

/* Does a task in which a block of rows meets a block of columns (meeting.c). */
static void task_of_pair(Walk *w, LLVMValueRef tile) {
    const Sweep *s = w->s;
    Frame *f = &w->f;
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef round = LLVMBuildUDiv(b, tile, emit_whole(f, s->tasks), "");
    LLVMValueRef task = LLVMBuildURem(b, tile, emit_whole(f, s->tasks), "");
    bool symmetric = s->mode == SWEEP_SYMMETRIC;
    LLVMValueRef exists = NULL;
    LLVMValueRef apart = NULL;
    if (symmetric)
        exists = meeting_of_symmetric(f, s, round, task, &w->rows, &w->columns);
    else
        meeting_of_both(f, s, round, task, &w->rows, &w->columns);
    Branch branch;
    if (symmetric) branch = branch_begin(w, exists);
    if (symmetric) apart = LLVMBuildICmp(b, LLVMIntNE, w->rows.block, w->columns.block, "");
    set_extent(w, &w->rows, s->block_rows, s->rows);
    bring_rows(w);
    bring_sink_rows(w, &w->rows, true);
    open_side(w, &w->rows, true);
    meet(w, apart);
    close_side(w, &w->rows, true);
    if (!symmetric) return;
    branch_else(w, &branch);
    branch_end(w, &branch);
}

void emit_sweep(Emitter *e, Kernel *kernel) {
    Walk w;
    memset(&w, 0, sizeof w);
    frame_begin(&w.f, e, kernel);
    w.s = kernel->as.sweep.sweep;
    sweep_layout(w.s, &w.at);
    emit_helpers(&w);
    Loop tasks = loop_begin(&w.f, w.f.begin, w.f.end);
    if (w.s->mode == SWEEP_ROWS)
        task_of_rows(&w, tasks.index);
    else
        task_of_pair(&w, tasks.index);
    loop_end(&w.f, &tasks);
    frame_end(&w.f);
}
