/* The loop over the elements of a tile that a sink sees, as one helper: rows, then the columns
 * of a row, with the indices of the node and the tiles of its sources set for emit_expr.
 *
 * Weights and maps are complete here, since they only store what an expression gives.
 * Statistics, which keep something from element to element, are in sink.c. */
#include "compiler/cpu/element.h"

/* Sets the view whose expressions are emitted next: their node, its extents, and the index that is
 * the tile's row. */
static void element_view(Element *x, SweepView view) {
    Frame *f = &x->open.inner;
    const GNode *n = f->node = view.sink->pair.node;
    x->view = x->tile.view = view;
    x->tile.row_index = view.columns ? view.sink->pair.other : view.sink->pair.own;
    for (int i = 0; i < n->rank; i++)
        f->extents[i] = n->shape[i];
    for (int i = 0; i < n->red_rank; i++)
        f->extents[n->rank + i] = n->red_shape[i];
    frame_forget(f);
}

void element_begin(Element *x, Frame *outer, SweepView view, const char *name, int number) {
    const Sweep *sweep = outer->kernel->as.sweep.sweep;
    int operands = outer->kernel->operand_count;
    int at = 0;
    helper_begin(&x->open, outer, name, number,
                 sweep->source_count + sweep->map_count + 3 + operands, 4);
    Frame *f = &x->open.inner;
    x->sweep = sweep;
    x->tile = (TileReads){.sweep = sweep};
    for (int i = 0; i < sweep->source_count; i++)
        x->tile.bases[i] = helper_pointer(&x->open, at++);
    for (int i = 0; i < sweep->map_count; i++)
        x->tile.maps[i] = helper_pointer(&x->open, at++);
    x->target = helper_pointer(&x->open, at++);
    x->spare = helper_pointer(&x->open, at++);
    f->fault = helper_pointer(&x->open, at++);
    for (int i = 0; i < operands; i++)
        f->bases[i] = helper_pointer(&x->open, at++);
    x->first_row = helper_number(&x->open, 0);
    x->first_column = helper_number(&x->open, 1);
    x->rows = helper_number(&x->open, 2);
    x->column_count = helper_number(&x->open, 3);
    f->tile = &x->tile;
    element_view(x, view);
    frame_gather_faults(f);
}

/* Sets the indices of the node, and the position in the tile, to the element at hand. */
static void element_at(Element *x, const ElementLoop *loop) {
    Frame *f = &x->open.inner;
    const PairSink *pair = &x->view.sink->pair;
    int of_row = x->view.columns ? pair->other : pair->own;
    int of_column = x->view.columns ? pair->own : pair->other;
    x->tile.at = helper_sum_of(f, helper_scaled(f, loop->row, x->sweep->line), loop->columns.index);
    f->indices[of_row] = helper_sum_of(f, x->first_row, loop->row);
    f->indices[of_column] = helper_sum_of(f, x->first_column, loop->columns.index);
    f->narrow[of_row] = LLVMBuildTrunc(f->e->builder, f->indices[of_row], f->e->i32, "");
    f->narrow[of_column] = loop->count;
}

ElementLoop element_loop_begin(Element *x, LLVMValueRef row) {
    Frame *f = &x->open.inner;
    LLVMValueRef first = LLVMBuildTrunc(f->e->builder, x->first_column, f->e->i32, "");
    LLVMBasicBlockRef before = LLVMGetInsertBlock(f->e->builder);
    ElementLoop loop = {.columns = loop_begin(f, emit_whole(f, 0), x->column_count), .row = row};
    loop.count = LLVMBuildPhi(f->e->builder, f->e->i32, "column");
    LLVMAddIncoming(loop.count, &first, &before, 1);
    element_at(x, &loop);
    return loop;
}

void element_loop_end(Element *x, ElementLoop *loop) {
    LLVMBuilderRef b = x->open.inner.e->builder;
    LLVMValueRef next =
        LLVMBuildNSWAdd(b, loop->count, LLVMConstInt(x->open.inner.e->i32, 1, 0), "");
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMAddIncoming(loop->count, &next, &here, 1);
    loop_end(&x->open.inner, &loop->columns);
}

Helper element_end(Element *x) {
    frame_raise_gathered(&x->open.inner);
    return helper_end(&x->open);
}

Helper emit_weights(Frame *outer, SweepView view, int number) {
    Element x;
    element_begin(&x, outer, view, view.columns ? "column_weights" : "row_weights", number);
    Frame *f = &x.open.inner;
    Loop rows = loop_begin(f, emit_whole(f, 0), x.rows);
    ElementLoop columns = element_loop_begin(&x, rows.index);
    LLVMBuildStore(f->e->builder, emit_expr(f, view.sink->pair.weight),
                   helper_float_pointer(f, x.target, x.tile.at));
    element_loop_end(&x, &columns);
    loop_end(f, &rows);
    return element_end(&x);
}

Helper emit_maps(Frame *outer, int number) {
    const Sweep *sweep = outer->kernel->as.sweep.sweep;
    Element x;
    element_begin(&x, outer, sweep->maps[0].view, "maps", number);
    Frame *f = &x.open.inner;
    x.tile.makes_maps = true;
    Loop rows = loop_begin(f, emit_whole(f, 0), x.rows);
    ElementLoop columns = element_loop_begin(&x, rows.index);
    for (int i = 0; i < sweep->map_count; i++) {
        element_view(&x, sweep->maps[i].view);
        element_at(&x, &columns);
        LLVMBuildStore(f->e->builder, emit_expr(f, sweep->maps[i].expr),
                       helper_float_pointer(f, x.tile.maps[i], x.tile.at));
    }
    element_loop_end(&x, &columns);
    loop_end(f, &rows);
    return element_end(&x);
}
