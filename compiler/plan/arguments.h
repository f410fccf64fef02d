/* The differences between two kernels of one form: the extents of their loops, the numbers in their
 * formulas, and the places where the parts of arrays that they read begin.
 *
 * If every read of a compute node walks along with its loops, the kernel takes these from a table.
 * Then one piece of code serves the layers of a network, the parameters of an optimiser, the draws
 * of an augmentation and the microbatches of a step. */
#ifndef COUPLET_COMPILER_PLAN_ARGUMENTS_H
#define COUPLET_COMPILER_PLAN_ARGUMENTS_H

#include "compiler/plan/kernel.h"

enum { MOST_CONSTANTS = 48 };

typedef struct Arguments {
    int loop_count; /* the collapsed axes of more than one turn, in order */
    /* By axis: the number of its loop, or -1 for an axis of one turn. */
    int loop_of[2 * GRAPH_MAX_RANK];
    int64_t extents[2 * GRAPH_MAX_RANK]; /* by loop: its number of turns */
    /* The turns of the cut axis in one tile, or all of its turns if it is one tile
     * (compute_tile_axes). 0: no axis is cut. */
    int64_t chunk;
    int constant_count;
    /* Reals other than 0, sites of draws, and reads of a part of an array. Such a read stands for
     * its shift. */
    const GExpr *constants[MOST_CONSTANTS];
    const GNode *owners[MOST_CONSTANTS]; /* by constant: the node that holds it */
} Arguments;

/* The layout of the table: an extent for each loop, the chunk, the constants. A real is stored by
 * its bits. These two functions return the positions of the chunk and of a constant. */
static inline int argument_of_chunk(const Arguments *a) {
    return a->loop_count;
}
static inline int argument_of_constant(const Arguments *a, int number) {
    return a->loop_count + 1 + number;
}
/* Returns the words of the arguments: extents, the chunk, and the bits of constants. */
const int32_t *arguments_table(Arena *arena, const Arguments *a, int *count);

/* Returns the arguments of a COMPUTE kernel, whose first node sets the loops. NULL: the kernel has
 * code of its own. */
const Arguments *arguments_of(Arena *arena, const Kernel *kernel);
/* True if the loop is so short that its extent stays in the code. It is unrolled there, and the
 * loop around it becomes vectors. */
bool argument_is_literal(const Arguments *a, int loop);
/* Returns the number of a constant, or -1 if `constant` is not among the arguments. */
int argument_find(const Arguments *a, const GExpr *constant);
/* Returns the index that the subscript of a read consists of, apart from a shift. */
const GExpr *argument_subscript(const GExpr *load, int axis);
/* True if the read takes only a part of its array. *shift is the element that the part begins with,
 * and 0 for a read of all of it. */
bool argument_shift(const GNode *node, const GExpr *load, int64_t *shift);
/* True if `e` is the row-major position of the result at hand, in a node that is one flat loop. */
bool argument_is_position(const Arguments *a, const GNode *node, const GExpr *e);

#endif
