/* Inside the code of sinks: the element of a tile at hand. */
#ifndef COUPLET_COMPILER_CPU_ELEMENT_H
#define COUPLET_COMPILER_CPU_ELEMENT_H

#include "compiler/cpu/sink.h"

/* A helper that goes over a tile while it is open, for a sink. */
typedef struct Element {
    OpenHelper open;
    TileReads tile;
    const Sweep *sweep;
    SweepView view;
    LLVMValueRef target, spare, first_row, first_column, rows, column_count;
} Element;

void element_begin(Element *x, Frame *outer, SweepView view, const char *name, int number);
void element_at(Element *x, LLVMValueRef row, LLVMValueRef column);
Helper element_end(Element *x);

#endif
