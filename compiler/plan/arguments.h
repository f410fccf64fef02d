/* What kernels of one form differ in: the extents of their loops, the numbers in their formulas, and where a part of an array begins that they read. Where every
 * read of a compute node walks along with its loops, its kernel finds these in a table, and so the layers of a network, the parameters of an optimiser, the draws of an
 * augmentation and the parts of a batch share code. */
#ifndef COUPLET_COMPILER_PLAN_ARGUMENTS_H
#define COUPLET_COMPILER_PLAN_ARGUMENTS_H

#include "compiler/plan/kernel.h"

enum { MOST_CONSTANTS = 48 };

typedef struct Arguments {
    int loop_count;                      /* collapsed axes of more than one turn, in order */
    int loop_of[2 * GRAPH_MAX_RANK];     /* of an axis; -1: it has one turn */
    int64_t extents[2 * GRAPH_MAX_RANK]; /* of a loop */
    int64_t chunk;                       /* of the axis that tiles cut (tile_axes), or all of it; 0: none */
    int constant_count;
    const GExpr *constants[MOST_CONSTANTS]; /* reals other than 0, the sites of draws, and reads of a part of an array: by their shift */
    const GNode *owners[MOST_CONSTANTS];    /* the node that has it */
} Arguments;

/* The table: an extent for each loop, the chunk, the constants (a real by its bits). */
static inline int argument_of_chunk(const Arguments *a) { return a->loop_count; }
static inline int argument_of_constant(const Arguments *a, int number) { return a->loop_count + 1 + number; }
const int32_t *arguments_table(Arena *arena, const Arguments *a, int *count);

/* Of a COMPUTE kernel, whose first node says the loops. NULL when its code is its own. */
const Arguments *arguments_of(Arena *arena, const Kernel *kernel);
/* Short loops are spelled out in the code, which then becomes vectors of what is around them. */
bool argument_is_literal(const Arguments *a, int loop);
/* Its number, or -1. */
int argument_find(const Arguments *a, const GExpr *constant);
/* The index that a subscript of such a read walks along with, and how far the part that it reads is from the array's begin, in elements (0: it reads all of it, too). */
const GExpr *argument_subscript(const GExpr *load, int axis);
bool argument_shift(const GNode *node, const GExpr *load, int64_t *shift);
/* Whether the expression numbers the results, row by row, in a node that is one loop over them. */
bool argument_is_position(const Arguments *a, const GNode *node, const GExpr *e);

#endif
