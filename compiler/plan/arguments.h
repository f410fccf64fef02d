/* What kernels of one form differ in: the extents of their loops, and the numbers in their formulas. Where every read of a compute node walks along with its
 * loops, its kernel finds these in a table, and so the layers of a network, the parameters of an optimiser and the draws of an augmentation share code. */
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
    const GExpr *constants[MOST_CONSTANTS]; /* reals other than 0, and the sites of draws */
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
/* Whether the expression numbers the results, row by row, in a node that is one loop over them. */
bool argument_is_position(const Arguments *a, const GNode *node, const GExpr *e);

#endif
