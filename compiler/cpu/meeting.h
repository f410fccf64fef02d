/* Which blocks meet in a task of a round (compiler/plan/sweep.h). */
#ifndef COUPLET_COMPILER_CPU_MEETING_H
#define COUPLET_COMPILER_CPU_MEETING_H

#include "compiler/cpu/tile.h"

/* One side of a tile: its rows, or its columns. */
typedef struct Side {
    LLVMValueRef block, first, count; /* the block's number, its first row in the whole array, how many there are */
    LLVMValueRef starts, ends;        /* i1: this is the first, the last task of the block */
} Side;

void meeting_of_both(Frame *f, const Sweep *s, LLVMValueRef round, LLVMValueRef task, Side *rows, Side *columns);
/* i1: there is such a task in this round. */
LLVMValueRef meeting_of_symmetric(Frame *f, const Sweep *s, LLVMValueRef round, LLVMValueRef task, Side *rows, Side *columns);

#endif
