/* Code for the statistics of a sweep: what a sink keeps for each row of the array of pairs, how a
 * tile's terms join it, and what the result is at the end.
 *
 * Tiles do not come in the order of columns, so a statistic must not depend on that order. The
 * place of a maximum is the lowest of equal ones. A log-sum-exp is rescaled when a larger term
 * comes, as in online softmax. Sums keep what they lose by rounding, because many tiles may be
 * added one after the other.
 *
 * A statistic of rows folds along a row of the tile. A statistic of columns folds many columns at
 * once, whose cells are neighbours in memory. Weights and maps are in element.c, sums of rows in
 * tile.c and emit_sweep.c. */
#include "compiler/cpu/element.h"
#include "compiler/graph/reducer.h"
#include "compiler/graph/walk.h"

#include <math.h>

/* ---- cells ----------------------------------------------------------------------------------- */

/* The cells that a statistic keeps for each row:
 *
 *                         CELL_VALUE               CELL_SECOND      behind it
 *     maximum, minimum    the best term
 *     place               the best term            its position
 *     any                 how many terms hold
 *     all                 how many terms fail
 *     sum of ints         the sum
 *     wide sum of ints    the lower half           the upper half
 *     sum of reals        the sum                  what it has lost
 *     log-sum-exp         the largest term         the sum          what it has lost
 *
 * The terms in the sum of a log-sum-exp are shifted by the largest term. The last cell counts the
 * terms if it is an error to have none. */
typedef enum {
    CELL_VALUE,
    CELL_SECOND,
} CellRole;

static bool is_place(const GNode *n) {
    return graph_reducers[n->reducer].gives_place;
}
static bool takes_smallest(const GNode *n) {
    return reducer_takes_least(n->reducer);
}
/* True if CELL_VALUE is the best term. Else terms are added, or those that hold (or fail) are
 * counted. */
static bool takes_best(const GNode *n) {
    const ReducerValue start = graph_reducers[n->reducer].start;
    return start == REDUCER_LEAST || start == REDUCER_MOST;
}
/* True if the last cell counts the terms. */
static bool counts(const GNode *n) {
    return n->empty_is_error && n->guard;
}
static bool sums_reals(const GNode *n) {
    return n->value->type == GT_REAL;
}

/* Returns the cell for the rounding error of the sum, or -1 if this is no sum of reals. */
static int lost_cell(const GNode *n) {
    return !sweep_keeps_lost(n) ? -1 : node_sums_exponentials(n) ? CELL_SECOND + 1 : CELL_SECOND;
}

static bool cell_is_real(const SweepSink *s, int cell) {
    const GNode *n = s->pair.node;
    if (counts(n) && cell == s->cells - 1) return false;
    return sums_reals(n) &&
           (cell == CELL_VALUE || node_sums_exponentials(n) || cell == lost_cell(n));
}

static LLVMTypeRef cell_type(Frame *f, const SweepSink *s, int cell) {
    return cell_is_real(s, cell) ? f->e->f32 : f->e->i32;
}

static LLVMValueRef int_const(Frame *f, int64_t value) {
    return LLVMConstInt(f->e->i32, (unsigned long long)value, 1);
}

static LLVMValueRef neutral_cell(Frame *f, const SweepSink *s, int cell) {
    const GNode *n = s->pair.node;
    if (counts(n) && cell == s->cells - 1) return int_const(f, 0);
    if (cell == lost_cell(n)) return emit_number(f, 0);
    if (s->is_wide) return int_const(f, 0);
    if (cell == CELL_SECOND)
        return node_sums_exponentials(n) ? emit_number(f, 0) : int_const(f, -1);
    if (!takes_best(n)) return sums_reals(n) ? emit_number(f, 0) : int_const(f, 0);
    if (sums_reals(n)) return emit_number(f, takes_smallest(n) ? INFINITY : -INFINITY);
    return int_const(f, takes_smallest(n) ? INT32_MAX : INT32_MIN);
}

/* The places of the cells for the row at hand. They are in memory, or in locals while a row of the
 * tile is folded. */
typedef struct Cells {
    Frame *f;
    const SweepSink *sink;
    LLVMValueRef base;
    int64_t block;
    /* the position of the row in its block */
    LLVMValueRef at;
    LLVMValueRef slots[SWEEP_CELLS]; /* NULL: the cells are in memory */
} Cells;

static LLVMValueRef cell_pointer(const Cells *c, int cell) {
    return helper_float_pointer(c->f, c->base,
                                helper_sum_of(c->f, c->at, emit_whole(c->f, cell * c->block)));
}

static LLVMValueRef cell_get(const Cells *c, int cell) {
    LLVMTypeRef type = cell_type(c->f, c->sink, cell);
    return LLVMBuildLoad2(c->f->e->builder, type,
                          c->slots[cell] ? c->slots[cell] : cell_pointer(c, cell), "");
}

static void cell_set(const Cells *c, int cell, LLVMValueRef value) {
    LLVMBuildStore(c->f->e->builder, value,
                   c->slots[cell] ? c->slots[cell] : cell_pointer(c, cell));
}

static void cells_into_locals(Cells *c) {
    for (int i = 0; i < c->sink->cells; i++) {
        LLVMValueRef slot = frame_local(c->f, cell_type(c->f, c->sink, i));
        LLVMValueRef value = cell_get(c, i);
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
    for (int i = 0; i < c->sink->cells; i++)
        cell_set(c, i, values[i]);
}

/* Returns a wide sum, from its two halves. */
static LLVMValueRef wide_get(const Cells *c) {
    LLVMBuilderRef b = c->f->e->builder;
    LLVMTypeRef i64 = c->f->e->i64;
    LLVMValueRef low = LLVMBuildZExt(b, cell_get(c, CELL_VALUE), i64, "");
    LLVMValueRef high = LLVMBuildZExt(b, cell_get(c, CELL_SECOND), i64, "");
    return LLVMBuildOr(b, LLVMBuildShl(b, high, emit_whole(c->f, 32), ""), low, "");
}

static void wide_add(const Cells *c, LLVMValueRef more) {
    LLVMBuilderRef b = c->f->e->builder;
    LLVMTypeRef i32 = c->f->e->i32;
    LLVMValueRef wraps;
    LLVMValueRef sum = emit_add_whole(c->f, wide_get(c), more, &wraps);
    if (gx_sum_may_wrap(c->f->e->graph, c->sink->pair.node))
        frame_raise(c->f, wraps, COUPLET_FAULT_WHOLE);
    cell_set(c, CELL_VALUE, LLVMBuildTrunc(b, sum, i32, ""));
    cell_set(c, CELL_SECOND,
             LLVMBuildTrunc(b, LLVMBuildLShr(b, sum, emit_whole(c->f, 32), ""), i32, ""));
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* Returns a term in 32 bits. A sum that is not wide is known to fit them, and so is each of its
 * terms. A term of a place or an extremum may be wider. Such a term raises a fault, because terms
 * that were cut could not be told apart. */
static LLVMValueRef narrow_term(Frame *f, const GNode *n, LLVMValueRef v, LLVMValueRef holds) {
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef narrow = LLVMBuildTrunc(b, v, f->e->i32, "");
    if (n->reducer == GR_SUM || gx_fits_32_bits(f->e->graph, n->value, f->extents)) return narrow;
    LLVMValueRef cut = LLVMBuildICmp(b, LLVMIntNE, LLVMBuildSExt(b, narrow, f->e->i64, ""), v, "");
    frame_raise(f, holds ? LLVMBuildAnd(b, holds, cut, "") : cut, COUPLET_FAULT_WHOLE);
    return narrow;
}

/* Returns the term at hand: a float, an i32 or, for a wide sum, an i64. *holds is the guard, or
 * NULL if there is none. The term of `all` is negated, since failures are counted. */
static LLVMValueRef term_of(Frame *f, const SweepSink *sink, LLVMValueRef *holds) {
    const GNode *n = sink->pair.node;
    const GType type = n->value->type;
    LLVMBuilderRef builder = f->e->builder;
    *holds = n->guard ? emit_expr(f, n->guard) : NULL;
    LLVMValueRef v = emit_expr_where(f, n->value, *holds);
    if (type == GT_INT) return sink->is_wide ? v : narrow_term(f, n, v, *holds);
    if (n->reducer == GR_ALL) v = LLVMBuildNot(builder, v, "");
    return type == GT_BOOL ? LLVMBuildZExt(builder, v, f->e->i32, "") : v;
}

static LLVMValueRef only_if(Frame *f, LLVMValueRef holds, LLVMValueRef v, LLVMValueRef otherwise) {
    return holds ? LLVMBuildSelect(f->e->builder, holds, v, otherwise, "") : v;
}

static LLVMValueRef better_of(Frame *f, const GNode *n, LLVMValueRef old, LLVMValueRef v) {
    if (sums_reals(n)) { /* The intrinsic keeps a NaN. Either zero will do. */
        LLVMValueRef pair[2] = {old, v};
        LLVMValueRef best =
            math_intrinsic(f, takes_smallest(n) ? "llvm.minimum" : "llvm.maximum", pair, 2);
        if (LLVMIsAInstruction(best)) {
            LLVMSetFastMathFlags(best, LLVMFastMathNoSignedZeros);
        }
        return best;
    }
    LLVMValueRef better =
        LLVMBuildICmp(f->e->builder, takes_smallest(n) ? LLVMIntSLT : LLVMIntSGT, v, old, "");
    return LLVMBuildSelect(f->e->builder, better, v, old, "");
}

/* True if a term is better than another one, by value alone. A NaN is better than a number, and as
 * good as a NaN. */
static LLVMValueRef is_better(Frame *f, const GNode *n, LLVMValueRef v, LLVMValueRef old) {
    LLVMBuilderRef b = f->e->builder;
    if (!sums_reals(n))
        return LLVMBuildICmp(b, takes_smallest(n) ? LLVMIntSLT : LLVMIntSGT, v, old, "");
    LLVMValueRef old_nan = LLVMBuildFCmp(b, LLVMRealUNO, old, old, "");
    LLVMValueRef new_nan = LLVMBuildFCmp(b, LLVMRealUNO, v, v, "");
    return LLVMBuildOr(b,
                       LLVMBuildFCmp(b, takes_smallest(n) ? LLVMRealOLT : LLVMRealOGT, v, old, ""),
                       LLVMBuildAnd(b, new_nan, LLVMBuildNot(b, old_nan, ""), ""), "");
}

static LLVMValueRef is_as_good(Frame *f, const GNode *n, LLVMValueRef v, LLVMValueRef old) {
    LLVMBuilderRef b = f->e->builder;
    if (!sums_reals(n)) return LLVMBuildICmp(b, LLVMIntEQ, v, old, "");
    LLVMValueRef both_nan = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealUNO, old, old, ""),
                                         LLVMBuildFCmp(b, LLVMRealUNO, v, v, ""), "");
    return LLVMBuildOr(b, LLVMBuildFCmp(b, LLVMRealOEQ, v, old, ""), both_nan, "");
}

/* Folds a term into the cells of a place. The best value wins, and of equal ones the lower place,
 * since tiles do not come in the order of places. `holds` is NULL if the term always takes part. */
static void fold_place(Cells *c, LLVMValueRef v, LLVMValueRef place, LLVMValueRef holds) {
    Frame *f = c->f;
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = c->sink->pair.node;
    LLVMValueRef old = cell_get(c, CELL_VALUE);
    LLVMValueRef at = cell_get(c, CELL_SECOND);
    LLVMValueRef unset = LLVMBuildICmp(b, LLVMIntSLT, at, int_const(f, 0), "");
    LLVMValueRef lower = LLVMBuildICmp(b, LLVMIntSLT, place, at, "");
    LLVMValueRef wins = LLVMBuildOr(b, LLVMBuildOr(b, is_better(f, n, v, old), unset, ""),
                                    LLVMBuildAnd(b, is_as_good(f, n, v, old), lower, ""), "");
    if (holds) wins = LLVMBuildAnd(b, wins, holds, "");
    cell_set(c, CELL_VALUE, LLVMBuildSelect(b, wins, v, old, ""));
    cell_set(c, CELL_SECOND, LLVMBuildSelect(b, wins, place, at, ""));
}

static LLVMValueRef place_at_hand(Cells *c) {
    return c->f->narrow[c->sink->pair.other];
}

static void fold_count(Cells *c, LLVMValueRef holds) {
    LLVMBuilderRef b = c->f->e->builder;
    if (!counts(c->sink->pair.node)) return;
    LLVMValueRef count = cell_get(c, c->sink->cells - 1);
    cell_set(c, c->sink->cells - 1,
             LLVMBuildAdd(b, count,
                          holds ? LLVMBuildZExt(b, holds, c->f->e->i32, "") : int_const(c->f, 1),
                          ""));
}

/* Joins a term, neutral where the guard fails, with the value so far. For a log-sum-exp and for
 * places, that value is the best term. */
static LLVMValueRef joined(Frame *f, const GNode *n, LLVMValueRef old, LLVMValueRef v) {
    LLVMBuilderRef b = f->e->builder;
    if (takes_best(n)) return better_of(f, n, old, v);
    return sums_reals(n) ? emit_add_in_any_order(f, old, v) : LLVMBuildAdd(b, old, v, "");
}

/* Returns the shift of a row, which is its largest term, or 0 if that is infinite. */
static LLVMValueRef shift_of(Frame *f, LLVMValueRef largest) {
    LLVMValueRef size = math_intrinsic(f, "llvm.fabs", &largest, 1);
    LLVMValueRef endless =
        LLVMBuildFCmp(f->e->builder, LLVMRealOEQ, size, emit_number(f, INFINITY), "");
    return LLVMBuildSelect(f->e->builder, endless, emit_number(f, 0), largest, "");
}

/* Returns exp(term - shift), or 0 where the term is -inf. */
static LLVMValueRef exponential(Frame *f, LLVMValueRef term, LLVMValueRef shift) {
    return math_exp(f, LLVMBuildFSub(f->e->builder, term, shift, ""));
}

static LLVMValueRef neutral_term(Frame *f, const SweepSink *sink) {
    return sink->is_wide ? emit_whole(f, 0) : neutral_cell(f, sink, CELL_VALUE);
}

/* Returns the term at hand, neutral where the guard fails. *holds is the guard, or NULL. */
static LLVMValueRef guarded_term(Frame *f, const SweepSink *sink, LLVMValueRef *holds) {
    LLVMValueRef v = term_of(f, sink, holds);
    return only_if(f, *holds, v, neutral_term(f, sink));
}

/* Returns the lowest column of the row at hand whose term equals `best`, the best of the tile;
 * INT32_MAX if there is none. The terms are read from the spare row, because they could be rounded
 * otherwise if they were computed again. */
static LLVMValueRef lowest_place(Element *x, Cells *c, LLVMValueRef row, LLVMValueRef best) {
    Frame *f = &x->open.inner;
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = x->view.sink->pair.node;
    LLVMTypeRef type = cell_type(f, x->view.sink, CELL_VALUE);
    LLVMValueRef lowest = frame_local(f, f->e->i32);
    local_set(f, lowest, int_const(f, INT32_MAX));
    ElementLoop elements = element_loop_begin(x, row);
    LLVMValueRef v =
        LLVMBuildLoad2(b, type, helper_float_pointer(f, x->spare, elements.columns.index), "");
    LLVMValueRef good = is_as_good(f, n, v, best);
    if (n->guard) {
        good = LLVMBuildAnd(b, good, emit_expr(f, n->guard), "");
    }
    LLVMValueRef place = LLVMBuildSelect(b, good, place_at_hand(c), int_const(f, INT32_MAX), "");
    LLVMValueRef old = local_get(f, f->e->i32, lowest);
    local_set(f, lowest,
              LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, place, old, ""), place, old, ""));
    element_loop_end(x, &elements);
    return local_get(f, f->e->i32, lowest);
}

/* Folds a row of the tile, whose best term is `best`, into the cells of a place. The column of that
 * term is looked for only if the term is no worse than the best so far, which is so in few
 * tiles. */
static void fold_places(Element *x, Cells *c, LLVMValueRef row, LLVMValueRef best) {
    Frame *f = &x->open.inner;
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = x->view.sink->pair.node;
    LLVMValueRef old = cell_get(c, CELL_VALUE);
    LLVMValueRef unset =
        LLVMBuildICmp(b, LLVMIntSLT, cell_get(c, CELL_SECOND), int_const(f, 0), "");
    LLVMValueRef asks = LLVMBuildOr(
        b, LLVMBuildOr(b, is_better(f, n, best, old), is_as_good(f, n, best, old), ""), unset, "");
    LLVMBasicBlockRef look = frame_block(f, "look");
    LLVMBasicBlockRef after = frame_block(f, "after");
    LLVMBuildCondBr(b, asks, look, after);
    LLVMPositionBuilderAtEnd(b, look);
    LLVMValueRef place = lowest_place(x, c, row, best);
    fold_place(c, best, place, LLVMBuildICmp(b, LLVMIntNE, place, int_const(f, INT32_MAX), ""));
    LLVMBuildBr(b, after);
    LLVMPositionBuilderAtEnd(b, after);
    frame_forget(f);
}

/* Adds to Kahan's sum of floats: the rounding error of an addition is added with the next term. An
 * infinite sum has no error. `cell` is the cell of the sum. */
static void add_keeping(const Cells *c, int cell, LLVMValueRef sum) {
    Frame *f = c->f;
    LLVMBuilderRef b = f->e->builder;
    int lost = lost_cell(c->sink->pair.node);
    LLVMValueRef before = cell_get(c, cell);
    LLVMValueRef more = LLVMBuildFAdd(b, sum, cell_get(c, lost), "");
    LLVMValueRef after = LLVMBuildFAdd(b, before, more, "");
    LLVMValueRef left = LLVMBuildFSub(b, more, LLVMBuildFSub(b, after, before, ""), "");
    LLVMValueRef size = math_intrinsic(f, "llvm.fabs", &after, 1);
    LLVMValueRef endless = LLVMBuildFCmp(b, LLVMRealOEQ, size, emit_number(f, INFINITY), "");
    cell_set(c, lost, LLVMBuildSelect(b, endless, emit_number(f, 0), left, ""));
    cell_set(c, cell, after);
}

/* Brings the sum of exponentials, and what it has lost, to a larger shift. */
static void rescale(const Cells *c, LLVMValueRef old_largest, LLVMValueRef shift) {
    LLVMValueRef by = exponential(c->f, old_largest, shift);
    for (int cell = CELL_SECOND; cell <= CELL_SECOND + 1; cell++)
        cell_set(c, cell, LLVMBuildFMul(c->f->e->builder, cell_get(c, cell), by, ""));
}

/* Adds exp(term - shift) for the terms in the spare row. Earlier sums are brought to the new
 * shift. */
static void add_exponentials(Element *x, Cells *c, LLVMValueRef old_largest) {
    Frame *f = c->f;
    LLVMValueRef shift = shift_of(f, cell_get(c, CELL_VALUE));
    LLVMValueRef sum = frame_local(f, f->e->f32);
    rescale(c, old_largest, shift);
    local_set(f, sum, emit_number(f, 0));
    Loop terms = loop_begin(f, emit_whole(f, 0), x->column_count);
    LLVMValueRef from = helper_float_pointer(f, x->spare, terms.index);
    LLVMValueRef term = LLVMBuildLoad2(f->e->builder, f->e->f32, from, "");
    LLVMValueRef added =
        emit_add_in_any_order(f, local_get(f, f->e->f32, sum), exponential(f, term, shift));
    local_set(f, sum, added);
    loop_end(f, &terms);
    add_keeping(c, CELL_SECOND, local_get(f, f->e->f32, sum));
}

/* Takes the terms into the statistics of rows. Statistics that look at the terms twice keep them in
 * the spare row. For sums, the row of a tile is added by itself, and then joins the sum so far. */
static void statistic_of_rows(Element *x) {
    Frame *f = &x->open.inner;
    LLVMBuilderRef b = f->e->builder;
    const GNode *n = x->view.sink->pair.node;
    const bool logs = node_sums_exponentials(n);
    const bool places = is_place(n);
    const bool wide = x->view.sink->is_wide;
    Loop rows = loop_begin(f, emit_whole(f, 0), x->rows);
    Cells c = {.f = f,
               .sink = x->view.sink,
               .base = x->target,
               .block = x->sweep->block_rows,
               .at = rows.index};
    cells_into_locals(&c);
    const bool sums = n->reducer == GR_SUM && sums_reals(n);
    LLVMTypeRef type = wide ? f->e->i64 : cell_type(f, x->view.sink, CELL_VALUE);
    LLVMValueRef old_largest = cell_get(&c, CELL_VALUE);
    LLVMValueRef value = c.slots[CELL_VALUE];
    LLVMValueRef holds;
    if (places || sums || wide) {
        value = frame_local(f, type);
        local_set(f, value, neutral_term(f, x->view.sink));
    }
    ElementLoop elements = element_loop_begin(x, rows.index);
    LLVMValueRef v = guarded_term(f, x->view.sink, &holds);
    if (logs || places)
        LLVMBuildStore(b, v, helper_float_pointer(f, x->spare, elements.columns.index));
    local_set(f, value, joined(f, n, local_get(f, type, value), v));
    fold_count(&c, holds);
    element_loop_end(x, &elements);
    if (places) fold_places(x, &c, rows.index, local_get(f, type, value));
    if (sums) add_keeping(&c, CELL_VALUE, local_get(f, type, value));
    if (wide) wide_add(&c, local_get(f, type, value));
    if (logs) add_exponentials(x, &c, old_largest);
    locals_into_cells(&c);
    loop_end(f, &rows);
}

/* Statistics of columns. The inner loop is over columns, whose cells are neighbours in memory. A
 * ColumnTerm returns what the element at hand gives to its column: the term, or its exponential
 * with the shift that the spare row holds. */
typedef LLVMValueRef (*ColumnTerm)(Element *x, Cells *c, LLVMValueRef *holds);

static LLVMValueRef plain_term(Element *x, Cells *c, LLVMValueRef *holds) {
    return guarded_term(c->f, x->view.sink, holds);
}

static LLVMValueRef exponential_term(Element *x, Cells *c, LLVMValueRef *holds) {
    LLVMValueRef shift = LLVMBuildLoad2(c->f->e->builder, c->f->e->f32,
                                        helper_float_pointer(c->f, x->spare, c->at), "");
    return exponential(c->f, guarded_term(c->f, x->view.sink, holds), shift);
}

/* The rows whose terms are summed in float, in the second spare row, before the sums join the cells
 * of the columns. Each such sum has fifteen roundings at most. */
enum { LEAF_ROWS = 16 };

/* Adds the terms of the tile to the sums of its columns, which are in `cell`, leaf by leaf. */
static void sum_columns(Element *x, Cells *c, int cell, ColumnTerm term_at) {
    Frame *f = &x->open.inner;
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef sums = helper_float_pointer(f, x->spare, emit_whole(f, x->sweep->block_columns));
    LLVMValueRef holds;
    Loop leaves = loop_begin_step(f, emit_whole(f, 0), x->rows, LEAF_ROWS);
    Loop clear = loop_begin(f, emit_whole(f, 0), x->column_count);
    LLVMBuildStore(b, emit_number(f, 0), helper_float_pointer(f, sums, clear.index));
    loop_end(f, &clear);
    Loop rows = loop_begin(
        f, leaves.index,
        helper_smaller_of(f, helper_sum_of(f, leaves.index, emit_whole(f, LEAF_ROWS)), x->rows));
    ElementLoop elements = element_loop_begin(x, rows.index);
    c->at = elements.columns.index;
    LLVMValueRef v = term_at(x, c, &holds);
    LLVMValueRef sum = helper_float_pointer(f, sums, c->at);
    LLVMBuildStore(b, LLVMBuildFAdd(b, LLVMBuildLoad2(b, f->e->f32, sum, ""), v, ""), sum);
    if (cell == CELL_VALUE) fold_count(c, holds);
    element_loop_end(x, &elements);
    loop_end(f, &rows);
    Loop join = loop_begin(f, emit_whole(f, 0), x->column_count);
    c->at = join.index;
    add_keeping(c, cell,
                LLVMBuildLoad2(b, f->e->f32, helper_float_pointer(f, sums, join.index), ""));
    loop_end(f, &join);
    loop_end(f, &leaves);
}

/* Joins the terms of the tile with the cells of its columns one by one. This serves all statistics
 * but sums of reals. */
static void best_of_columns(Element *x, Cells *c) {
    Frame *f = &x->open.inner;
    const GNode *n = x->view.sink->pair.node;
    Loop rows = loop_begin(f, emit_whole(f, 0), x->rows);
    ElementLoop elements = element_loop_begin(x, rows.index);
    c->at = elements.columns.index;
    LLVMValueRef holds;
    LLVMValueRef v;
    if (is_place(n)) {
        v = term_of(f, x->view.sink, &holds);
        fold_place(c, v, place_at_hand(c), holds);
    } else {
        v = guarded_term(f, x->view.sink, &holds);
        if (x->view.sink->is_wide)
            wide_add(c, v);
        else
            cell_set(c, CELL_VALUE, joined(f, n, cell_get(c, CELL_VALUE), v));
    }
    fold_count(c, holds);
    element_loop_end(x, &elements);
    loop_end(f, &rows);
}

/* Folds log-sum-exps of columns. The spare row holds the largest terms before this tile, and then
 * the new shifts. */
static void logs_of_columns(Element *x, Cells *c) {
    Frame *f = &x->open.inner;
    LLVMBuilderRef b = f->e->builder;
    Loop before = loop_begin(f, emit_whole(f, 0), x->column_count);
    c->at = before.index;
    LLVMBuildStore(b, cell_get(c, CELL_VALUE), helper_float_pointer(f, x->spare, before.index));
    loop_end(f, &before);
    best_of_columns(x, c);
    Loop shifts = loop_begin(f, emit_whole(f, 0), x->column_count);
    c->at = shifts.index;
    LLVMValueRef spare = helper_float_pointer(f, x->spare, shifts.index);
    LLVMValueRef shift = shift_of(f, cell_get(c, CELL_VALUE));
    rescale(c, LLVMBuildLoad2(b, f->e->f32, spare, ""), shift);
    LLVMBuildStore(b, shift, spare);
    loop_end(f, &shifts);
    sum_columns(x, c, CELL_SECOND, exponential_term);
}

static void statistic_of_columns(Element *x) {
    const GNode *n = x->view.sink->pair.node;
    Cells c = {.f = &x->open.inner,
               .sink = x->view.sink,
               .base = x->target,
               .block = x->sweep->block_columns};
    if (node_sums_exponentials(n))
        logs_of_columns(x, &c);
    else if (sweep_keeps_lost(n))
        sum_columns(x, &c, CELL_VALUE, plain_term);
    else
        best_of_columns(x, &c);
}

Helper emit_statistic(Frame *outer, SweepView view, int number) {
    Element x;
    element_begin(&x, outer, view, view.columns ? "columns" : "rows", number);
    if (view.columns)
        statistic_of_columns(&x);
    else
        statistic_of_rows(&x);
    return element_end(&x);
}

/* ---- before and after ------------------------------------------------------------------------ */

Helper emit_first_cells(Frame *outer, const SweepSink *sink, int64_t block, int number) {
    OpenHelper open;
    helper_begin(&open, outer, "first", number, 3, 2);
    Frame *f = &open.inner;
    Cells c = {.f = f, .sink = sink, .base = helper_pointer(&open, 0), .block = block};
    Loop loop = loop_begin(f, emit_whole(f, 0), helper_number(&open, 1));
    c.at = loop.index;
    for (int i = 0; i < sink->cells; i++)
        cell_set(&c, i, neutral_cell(f, sink, i));
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
    Loop loop = loop_begin(f, emit_whole(f, 0), helper_number(&open, 1));
    c.at = loop.index;
    if (counts(n))
        frame_raise(f,
                    LLVMBuildICmp(b, LLVMIntEQ, cell_get(&c, sink->cells - 1), int_const(f, 0), ""),
                    COUPLET_FAULT_EMPTY);
    LLVMValueRef v = cell_get(&c, CELL_VALUE);
    if (sweep_keeps_lost(n)) {
        LLVMValueRef sum =
            LLVMBuildFAdd(b, cell_get(&c, node_sums_exponentials(n) ? CELL_SECOND : CELL_VALUE),
                          cell_get(&c, lost_cell(n)), "");
        if (!node_sums_exponentials(n))
            v = sum;
        else if (n->reducer == GR_LSE_REST)
            v = math_log(f, sum);
        else
            v = LLVMBuildFAdd(b, shift_of(f, v), math_log(f, sum), "");
    }
    if (is_place(n)) {
        v = cell_get(&c, CELL_SECOND);
        v = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntSLT, v, int_const(f, 0), ""),
                            int_const(f, 0), v, "");
    }
    if (n->type == GT_INT) v = sink->is_wide ? wide_get(&c) : LLVMBuildSExt(b, v, f->e->i64, "");
    if (sink->is_wide) frame_raise_if_wide(f, n, v);
    if (n->type == GT_BOOL)
        v = LLVMBuildICmp(b, n->reducer == GR_ALL ? LLVMIntEQ : LLVMIntNE, v, int_const(f, 0), "");
    element_store(f, n->type, helper_pointer(&open, 2),
                  helper_sum_of(f, helper_number(&open, 0), loop.index), v);
    loop_end(f, &loop);
    return helper_end(&open);
}
