/* From a graph to a plan: kernels in order, every buffer and its place, steps and commits. What is left to the back end is the code of the
 * kernels: it sets `kernel` of each step. */
#ifndef COUPLET_COMPILER_PLAN_PLAN_H
#define COUPLET_COMPILER_PLAN_PLAN_H

#include "compiler/plan/kernel.h"

typedef struct Life {
    int buffer, first, last; /* steps: from the first of a launch to the last of one */
    int64_t bytes;
    struct Life *next; /* of the array that is written over it, in the launch after its last; NULL: none */
} Life;

typedef struct Plan {
    Arena *arena;
    Graph *g;
    KernelList kernels; /* one for each step, in order */
    CoupletPlan *out;
    CoupletBuffer *buffers;
    CoupletStep *steps;
    Life *lives; /* by buffer; bytes 0 outside the arena */
} Plan;

/* Everything but the code. States are numbered as in `states`. False, with a sentence in *error (in the arena), on failure. */
bool plan_make(Plan *plan, Arena *arena, Graph *g, const ProgramState *states, int state_count, const PlanTarget *target, const char **error);
/* The kernels of all plans that need code, each symbol once; the count. */
int plan_unique_kernels(Arena *arena, const Plan *plans, int plan_count, Kernel ***out);

/* text.c: the steps, their kernels and where each of their buffers lies. */
void plan_print(const Plan *plan, FILE *out);

/* place.c: when each buffer of the arena is alive, and where it lies; which kernels write over an operand (Kernel.over). */
void measure_lives(Plan *plan);
void place_in_arena(Plan *plan);

#endif
