/* Which blocks meet in a task of a round (compiler/plan/sweep.h). meeting.c has a drawing. */
#ifndef COUPLET_COMPILER_CPU_MEETING_H
#define COUPLET_COMPILER_CPU_MEETING_H

#include "compiler/cpu/tile.h"

/* A side of a tile: its rows, or its columns. */
typedef struct Side {
    /* The number of the block, its first row in the whole array, and the number of its rows. */
    LLVMValueRef block;
    LLVMValueRef first;
    LLVMValueRef count;
    LLVMValueRef starts, ends; /* i1: true if this is the block's first task, and its last task */
} Side;

/* Set the sides of a task of SWEEP_BOTH, and of SWEEP_SYMMETRIC, except for their first rows and
 * counts. */
void meeting_of_both(Frame *f, const Sweep *s, LLVMValueRef round, LLVMValueRef task, Side *rows,
                     Side *columns);
/* The i1 that is returned is true if this round has such a task. */
LLVMValueRef meeting_of_symmetric(Frame *f, const Sweep *s, LLVMValueRef round, LLVMValueRef task,
                                  Side *rows, Side *columns);

#endif
