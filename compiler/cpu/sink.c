#include "compiler/cpu/sink.h"

#include <math.h>

/* ---- cells ---------------------------------------------------------------------------------------------------------- */

/* What a statistic keeps for each row: its value so far; of a log-sum-exp the largest term and the sum of exponentials shifted by it; of a place the best
 * value and where it is; behind these the count of terms, when having none is an error. */
typedef enum { CELL_VALUE, CELL_SECOND } CellRole;

static bool is_place(const GNode *n) { return n->reducer == GR_ARGMAX || n->reducer == GR_ARGMIN; }
static bool takes_smallest(const GNode *n) { return n->reducer == GR_MIN || n->reducer == GR_ARGMIN; }
static bool counts(const GNode *n) { return n->empty_is_error && n->guard; }
static bool is_real(const GNode *n) { return n->value->type == GT_REAL; }

static bool cell_is_real(const SweepSink *s, int cell) {
    const GNode *n = s->pair.node;
    if (counts(n) && cell == s->cells - 1) return false;
    return is_real(n) && (cell == CELL_VALUE || n->reducer == GR_LSE);
}

static LLVMTypeRef cell_type(Frame *f, const SweepSink *s, int cell) { return cell_is_real(s, cell) ? f->e->f32 : f->e->i32; }

static LLVMValueRef word(Frame *f, int64_t value) { return LLVMConstInt(f->e->i32, (unsigned long long)value, 1); }

static LLVMValueRef neutral_cell(Frame *f, const SweepSink *s, int cell) {
    const GNode *n = s->pair.node;
    if (counts(n) && cell == s->cells - 1) return word(f, 0);
    if (cell == CELL_SECOND) return n->reducer == GR_LSE ? number(f, 0) : word(f, -1);
    if (n->reducer == GR_SUM || n->reducer == GR_ANY) return is_real(n) ? number(f, 0) : word(f, 0);
    if (n->reducer == GR_ALL) return word(f, 1);
    if (is_real(n)) return number(f, takes_smallest(n) ? INFINITY : -INFINITY);
    return word(f, takes_smallest(n) ? INT32_MAX : INT32_MIN);
}

/* Where the cells of the row at hand are: in memory, or in locals while a row is swept. */
typedef struct Cells {
    Frame *f;
    const SweepSink *sink;
    LLVMValueRef base;
    int64_t block;
    LLVMValueRef at;
    LLVMValueRef slots[SWEEP_CELLS]; /* NULL: in memory */
} Cells;

static LLVMValueRef cell_pointer(const Cells *c, int cell) { return float_pointer(c->f, c->base, sum_of(c->f, c->at, whole(c->f, cell * c->block))); }

static LLVMValueRef cell_get(const Cells *c, int cell) {
    LLVMTypeRef type = cell_type(c->f, c->sink, cell);
    return LLVMBuildLoad2(c->f->e->builder, type, c->slots[cell] ? c->slots[cell] : cell_pointer(c, cell), "");
}

static void cell_set(const Cells *c, int cell, LLVMValueRef value) {
    LLVMBuildStore(c->f->e->builder, value, c->slots[cell] ? c->slots[cell] : cell_pointer(c, cell));
}

static void cells_into_locals(Cells *c) {
    for (int i = 0; i < c->sink->cells; i++) {
        LLVMValueRef slot = frame_local(c->f, cell_type(c->f, c->sink, i)), value = cell_get(c, i);
        LLVMBuildStore(c->f->e->builder, value, slot);
        c->slots[i] = slot;
    }
}

static void locals_into_cells(Cells *c) {
    LLVMValueRef values[SWEEP_CELLS];
    for (int i = 0; i < c->sink->cells; i++) {
        values[i] = cell_get(c, i);
        c->slots[i] = NULL;
    }
    for (int i = 0; i < c->sink->cells; i++) cell_set(c, i, values[i]);
}

/* ---- one element of the tile ---------------------------------------------------------------------------------------- */

typedef struct Element {
    OpenHelper open;
    TileReads tile;
    const Sweep *sweep;
    const SweepSink *sink;
    bool columns;
    LLVMValueRef target, spare, first_row, first_column, rows, column_count;
} Element;

static void element_begin(Element *x, Frame *outer, const SweepSink *sink, bool columns, const char *name, int number) {
    const Sweep *sweep = outer->kernel->sweep;
    int operands = outer->kernel->operand_count, at = sweep->source_count;
    helper_begin(&x->open, outer, name, number, at + 3 + operands, 4);
    Frame *f = &x->open.inner;
    const GNode *n = f->node = sink->pair.node;
    x->sweep = sweep;
    x->sink = sink;
    x->columns = columns;
    x->target = helper_pointer(&x->open, at);
    x->spare = helper_pointer(&x->open, at + 1);
    f->fault = helper_pointer(&x->open, at + 2);
    for (int i = 0; i < operands; i++) f->bases[i] = helper_pointer(&x->open, at + 3 + i);
    for (int i = 0; i < n->rank; i++) f->extents[i] = n->shape[i];
    for (int i = 0; i < n->red_rank; i++) f->extents[n->rank + i] = n->red_shape[i];
    x->first_row = helper_number(&x->open, 0);
    x->first_column = helper_number(&x->open, 1);
    x->rows = helper_number(&x->open, 2);
    x->column_count = helper_number(&x->open, 3);
    x->tile = (TileReads){.sweep = sweep, .row_index = columns ? sink->pair.other : sink->pair.own};
    for (int i = 0; i < sweep->source_count; i++) x->tile.bases[i] = helper_pointer(&x->open, i);
    f->tile = &x->tile;
}

static void element_at(Element *x, LLVMValueRef row, LLVMValueRef column) {
    Frame *f = &x->open.inner;
    int of_row = x->columns ? x->sink->pair.other : x->sink->pair.own, of_column = x->columns ? x->sink->pair.own : x->sink->pair.other;
    x->tile.at = sum_of(f, scaled(f, row, x->sweep->line), column);
    f->indices[of_row] = sum_of(f, x->first_row, row);
    f->indices[of_column] = sum_of(f, x->first_column, column);
}

/* ---- statistics ------------------------------------------------------------------------------------------------------- */

static LLVMValueRef term_of(Frame *f, const GNode *n, LLVMValueRef *holds) {
    *holds = n->guard ? emit_expr(f, n->guard) : NULL;
    LLVMValueRef v = emit_expr_where(f, n->value, *holds);
    if (n->value->type == GT_INT) return LLVMBuildTrunc(f->e->builder, v, f->e->i32, "");
    return n->value->type == GT_BOOL ? LLVMBuildZExt(f->e->builder, v, f->e->i32, "") : v;
}

static LLVMValueRef only_if(Frame *f, LLVMValueRef holds, LLVMValueRef v, LLVMValueRef otherwise) {
    return holds ? LLVMBuildSelect(f->e->builder, holds, v, otherwise, "") : v;
}

static LLVMValueRef better_of(Frame *f, const GNode *n, LLVMValueRef old, LLVMValueRef v) {
    if (is_real(n)) { /* keeps a NaN */
        LLVMValueRef pair[2] = {old, v};
        return math_intrinsic(f, takes_smallest(n) ? "llvm.minimum" : "llvm.maximum", pair, 2);
    }
    LLVMValueRef better = LLVMBuildICmp(f->e->builder, takes_smallest(n) ? LLVMIntSLT : LLVMIntSGT, v, old, "");
    return LLVMBuildSelect(f->e->builder, better, v, old, "");
}

/* The best value wins, of equal ones the lower place: tiles do not come in the order of places. */
static void fold_place(Cells *c, LLVMValueRef v, LLVMValueRef holds) {
    Frame *f = c->f;
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = c->sink->pair.node;
    LLVMValueRef old = cell_get(c, CELL_VALUE), at = cell_get(c, CELL_SECOND);
    LLVMValueRef place = LLVMBuildTrunc(b, f->indices[c->sink->pair.other], f->e->i32, ""), better, equal;
    LLVMValueRef unset = LLVMBuildICmp(b, LLVMIntSLT, at, word(f, 0), ""), lower = LLVMBuildICmp(b, LLVMIntSLT, place, at, "");
    if (is_real(n)) {
        LLVMValueRef old_nan = LLVMBuildFCmp(b, LLVMRealUNO, old, old, ""), new_nan = LLVMBuildFCmp(b, LLVMRealUNO, v, v, "");
        better = LLVMBuildOr(b, LLVMBuildFCmp(b, takes_smallest(n) ? LLVMRealOLT : LLVMRealOGT, v, old, ""), LLVMBuildAnd(b, new_nan, LLVMBuildNot(b, old_nan, ""), ""), "");
        equal = LLVMBuildOr(b, LLVMBuildFCmp(b, LLVMRealOEQ, v, old, ""), LLVMBuildAnd(b, new_nan, old_nan, ""), "");
    } else {
        better = LLVMBuildICmp(b, takes_smallest(n) ? LLVMIntSLT : LLVMIntSGT, v, old, "");
        equal = LLVMBuildICmp(b, LLVMIntEQ, v, old, "");
    }
    LLVMValueRef wins = LLVMBuildOr(b, LLVMBuildOr(b, better, unset, ""), LLVMBuildAnd(b, equal, lower, ""), "");
    if (holds) wins = LLVMBuildAnd(b, wins, holds, "");
    cell_set(c, CELL_VALUE, LLVMBuildSelect(b, wins, v, old, ""));
    cell_set(c, CELL_SECOND, LLVMBuildSelect(b, wins, place, at, ""));
}

/* The term joins the cells; of a log-sum-exp only the largest term: `largest` is where that is kept. */
static void fold_term(Cells *c) {
    Frame *f = c->f;
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = c->sink->pair.node;
    LLVMValueRef holds, v = term_of(f, n, &holds);
    if (is_place(n)) {
        fold_place(c, v, holds);
    } else {
        LLVMValueRef old = cell_get(c, CELL_VALUE);
        v = only_if(f, holds, v, neutral_cell(f, c->sink, CELL_VALUE));
        if (n->reducer == GR_SUM) v = is_real(n) ? add_in_any_order(f, old, v) : LLVMBuildAdd(b, old, v, "");
        else if (n->reducer == GR_ANY) v = LLVMBuildOr(b, old, v, "");
        else if (n->reducer == GR_ALL) v = LLVMBuildAnd(b, old, v, "");
        else v = better_of(f, n, old, v);
        cell_set(c, CELL_VALUE, v);
    }
    if (!counts(n)) return;
    LLVMValueRef count = cell_get(c, c->sink->cells - 1);
    cell_set(c, c->sink->cells - 1, LLVMBuildAdd(b, count, holds ? LLVMBuildZExt(b, holds, f->e->i32, "") : word(f, 1), ""));
}

/* A row whose largest term is infinite is shifted by 0. */
static LLVMValueRef shift_of(Frame *f, LLVMValueRef largest) {
    LLVMValueRef size = math_intrinsic(f, "llvm.fabs", &largest, 1);
    LLVMValueRef endless = LLVMBuildFCmp(f->e->builder, LLVMRealOEQ, size, number(f, INFINITY), "");
    return LLVMBuildSelect(f->e->builder, endless, number(f, 0), largest, "");
}

/* exp(term - shift), 0 where the guard fails or the term is -inf. */
static LLVMValueRef exponential(Frame *f, const GNode *n, LLVMValueRef shift) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef holds, v = term_of(f, n, &holds);
    LLVMValueRef weighs = LLVMBuildFCmp(b, LLVMRealUNE, v, number(f, -INFINITY), "");
    if (holds) weighs = LLVMBuildAnd(b, weighs, holds, "");
    return LLVMBuildSelect(b, weighs, math_exp(f, LLVMBuildFSub(b, v, shift, "")), number(f, 0), "");
}

/* The sum so far, for a larger shift. */
static LLVMValueRef rescaled(Frame *f, LLVMValueRef sum, LLVMValueRef old_largest, LLVMValueRef shift) {
    return LLVMBuildFMul(f->e->builder, sum, math_exp(f, LLVMBuildFSub(f->e->builder, old_largest, shift, "")), "");
}

static void statistic_of_rows(Element *x) {
    Frame *f = &x->open.inner;
    const GNode *n = x->sink->pair.node;
    Loop rows = loop_begin(f, whole(f, 0), x->rows);
    Cells c = {.f = f, .sink = x->sink, .base = x->target, .block = x->sweep->block_rows, .at = rows.index};
    cells_into_locals(&c);
    LLVMValueRef old_largest = cell_get(&c, CELL_VALUE);
    Loop columns = loop_begin(f, whole(f, 0), x->column_count);
    element_at(x, rows.index, columns.index);
    fold_term(&c);
    loop_end(f, &columns);
    if (n->reducer == GR_LSE) {
        LLVMValueRef shift = shift_of(f, cell_get(&c, CELL_VALUE));
        cell_set(&c, CELL_SECOND, rescaled(f, cell_get(&c, CELL_SECOND), old_largest, shift));
        Loop terms = loop_begin(f, whole(f, 0), x->column_count);
        element_at(x, rows.index, terms.index);
        cell_set(&c, CELL_SECOND, add_in_any_order(f, cell_get(&c, CELL_SECOND), exponential(f, n, shift)));
        loop_end(f, &terms);
    }
    locals_into_cells(&c);
    loop_end(f, &rows);
}

/* Along the columns at once: the inner loop is over columns, whose cells are neighbours. The spare row holds what the largest terms were. */
static void statistic_of_columns(Element *x) {
    Frame *f = &x->open.inner;
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = x->sink->pair.node;
    Cells c = {.f = f, .sink = x->sink, .base = x->target, .block = x->sweep->block_columns};
    bool logs = n->reducer == GR_LSE;
    if (logs) {
        Loop before = loop_begin(f, whole(f, 0), x->column_count);
        c.at = before.index;
        LLVMBuildStore(b, cell_get(&c, CELL_VALUE), float_pointer(f, x->spare, before.index));
        loop_end(f, &before);
    }
    Loop rows = loop_begin(f, whole(f, 0), x->rows), columns = loop_begin(f, whole(f, 0), x->column_count);
    c.at = columns.index;
    element_at(x, rows.index, columns.index);
    fold_term(&c);
    loop_end(f, &columns);
    loop_end(f, &rows);
    if (!logs) return;
    Loop shifts = loop_begin(f, whole(f, 0), x->column_count);
    c.at = shifts.index;
    LLVMValueRef spare = float_pointer(f, x->spare, shifts.index), shift = shift_of(f, cell_get(&c, CELL_VALUE));
    cell_set(&c, CELL_SECOND, rescaled(f, cell_get(&c, CELL_SECOND), LLVMBuildLoad2(b, f->e->f32, spare, ""), shift));
    LLVMBuildStore(b, shift, spare);
    loop_end(f, &shifts);
    rows = loop_begin(f, whole(f, 0), x->rows);
    columns = loop_begin(f, whole(f, 0), x->column_count);
    c.at = columns.index;
    element_at(x, rows.index, columns.index);
    shift = LLVMBuildLoad2(b, f->e->f32, float_pointer(f, x->spare, columns.index), "");
    cell_set(&c, CELL_SECOND, add_in_any_order(f, cell_get(&c, CELL_SECOND), exponential(f, n, shift)));
    loop_end(f, &columns);
    loop_end(f, &rows);
}

Helper emit_statistic(Frame *outer, const SweepSink *sink, bool columns, int number) {
    Element x;
    element_begin(&x, outer, sink, columns, columns ? "columns" : "rows", number);
    if (columns) statistic_of_columns(&x);
    else statistic_of_rows(&x);
    return helper_end(&x.open);
}

Helper emit_weights(Frame *outer, const SweepSink *sink, bool columns, int number) {
    Element x;
    element_begin(&x, outer, sink, columns, columns ? "column_weights" : "row_weights", number);
    Frame *f = &x.open.inner;
    Loop rows = loop_begin(f, whole(f, 0), x.rows), inner = loop_begin(f, whole(f, 0), x.column_count);
    element_at(&x, rows.index, inner.index);
    LLVMBuildStore(f->e->builder, emit_expr(f, sink->pair.weight), float_pointer(f, x.target, x.tile.at));
    loop_end(f, &inner);
    loop_end(f, &rows);
    return helper_end(&x.open);
}

/* ---- before and after ----------------------------------------------------------------------------------------------- */

Helper emit_first_cells(Frame *outer, const SweepSink *sink, int64_t block, int number) {
    OpenHelper open;
    helper_begin(&open, outer, "first", number, 3, 2);
    Frame *f = &open.inner;
    Cells c = {.f = f, .sink = sink, .base = helper_pointer(&open, 0), .block = block};
    Loop loop = loop_begin(f, whole(f, 0), helper_number(&open, 1));
    c.at = loop.index;
    for (int i = 0; i < sink->cells; i++) cell_set(&c, i, neutral_cell(f, sink, i));
    loop_end(f, &loop);
    return helper_end(&open);
}

Helper emit_result(Frame *outer, const SweepSink *sink, int64_t block, int number) {
    OpenHelper open;
    helper_begin(&open, outer, "result", number, 3, 2);
    Frame *f = &open.inner;
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = sink->pair.node;
    f->fault = helper_pointer(&open, 1);
    Cells c = {.f = f, .sink = sink, .base = helper_pointer(&open, 0), .block = block};
    Loop loop = loop_begin(f, whole(f, 0), helper_number(&open, 1));
    c.at = loop.index;
    if (counts(n)) frame_raise(f, LLVMBuildICmp(b, LLVMIntEQ, cell_get(&c, sink->cells - 1), word(f, 0), ""), COUPLET_FAULT_EMPTY);
    LLVMValueRef v = cell_get(&c, CELL_VALUE);
    if (n->reducer == GR_LSE) v = LLVMBuildFAdd(b, shift_of(f, v), math_log(f, cell_get(&c, CELL_SECOND)), "");
    if (is_place(n)) {
        v = cell_get(&c, CELL_SECOND);
        v = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, v, word(f, 0), ""), word(f, 0), v, "");
    }
    if (n->type == GT_INT) v = LLVMBuildSExt(b, v, f->e->i64, "");
    if (n->type == GT_BOOL) v = LLVMBuildICmp(b, LLVMIntNE, v, word(f, 0), "");
    element_store(f, n->type, helper_pointer(&open, 2), sum_of(f, helper_number(&open, 0), loop.index), v);
    loop_end(f, &loop);
    return helper_end(&open);
}
