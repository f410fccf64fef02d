/* The loop over the elements of a tile, into which the code of a sink emits what it does with each
 * element. */
#ifndef COUPLET_COMPILER_CPU_ELEMENT_H
#define COUPLET_COMPILER_CPU_ELEMENT_H

#include "compiler/cpu/sink.h"

/* A helper that goes over a tile for a sink, while it is open. The members from `target` on are its
 * parameters (sink.h). */
typedef struct Element {
    OpenHelper open;
    TileReads tile;
    const Sweep *sweep;
    SweepView view;
    LLVMValueRef target;
    LLVMValueRef spare;
    LLVMValueRef first_row;
    LLVMValueRef first_column;
    LLVMValueRef rows;
    LLVMValueRef column_count;
} Element;

/* Opens the helper of a sink, which element_end closes and returns. `name` and `number` make its
 * symbol. */
void element_begin(Element *x, Frame *outer, SweepView view, const char *name, int number);
/* The loop over the columns of a row of the tile. Columns are counted twice: in 64 bits for
 * addresses, and in 32 bits for what formulas say of the column. A vector of 32-bit numbers takes
 * one addition from turn to turn, and it has as many lanes as a vector of floats, so labels and
 * columns are compared as fast as floats. */
typedef struct ElementLoop {
    Loop columns;
    LLVMValueRef row, count; /* `count` is an i32: the number of the column in the whole array */
} ElementLoop;
ElementLoop element_loop_begin(Element *x, LLVMValueRef row);
void element_loop_end(Element *x, ElementLoop *loop);
Helper element_end(Element *x);

#endif
