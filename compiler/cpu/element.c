#include "compiler/cpu/element.h"

void element_begin(Element *x, Frame *outer, const SweepSink *sink, bool columns, const char *name, int number) {
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
    frame_gather_faults(f);
}

void element_at(Element *x, LLVMValueRef row, LLVMValueRef column) {
    Frame *f = &x->open.inner;
    int of_row = x->columns ? x->sink->pair.other : x->sink->pair.own, of_column = x->columns ? x->sink->pair.own : x->sink->pair.other;
    x->tile.at = sum_of(f, scaled(f, row, x->sweep->line), column);
    f->indices[of_row] = sum_of(f, x->first_row, row);
    f->indices[of_column] = sum_of(f, x->first_column, column);
}

Helper element_end(Element *x) {
    frame_raise_gathered(&x->open.inner);
    return helper_end(&x->open);
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
    return element_end(&x);
}
