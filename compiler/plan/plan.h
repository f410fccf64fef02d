/* From a graph to a plan: kernels in order, every buffer and its place, steps and commits. Only the
 * code of the kernels is left to the back end, which sets `kernel` of each step. */
#ifndef COUPLET_COMPILER_PLAN_PLAN_H
#define COUPLET_COMPILER_PLAN_PLAN_H

#include "compiler/plan/kernel.h"

/* The time for which a buffer of the arena is alive: from the first step of the launch that writes
 * it to the last step of the last launch that reads it. */
typedef struct Life {
    int buffer;
    int first;
    int last;
    int64_t bytes;
    /* The array that takes over this memory (in-place update) in the launch after the last read, or
     * NULL. */
    struct Life *next;
} Life;

typedef struct Plan {
    Arena *arena;
    Graph *g;
    KernelList kernels; /* the kernels, one for each step, in order */
    CoupletPlan *out;
    CoupletBuffer *buffers;
    const int *numbers; /* by the id of a node: the number of its buffer */
    CoupletStep *steps;
    Life *lives; /* by buffer; a buffer that takes no memory of the arena has 0 bytes */
} Plan;

/* Returns the number of the buffer that holds what the node makes. */
static inline int plan_buffer(const Plan *plan, const GNode *node) {
    return plan->numbers[node->id];
}

/* Makes the whole plan except the code of its kernels. States are numbered as in `states`. Returns
 * false on failure, with a sentence in *error, which lies in the arena. */
bool plan_make(Plan *plan, Arena *arena, Graph *g, const ProgramState *states, int state_count,
               const PlanTarget *target, const char **error);
/* Lists the kernels of all plans that need code, one for each symbol. Returns their number. */
int plan_unique_kernels(Arena *arena, const Plan *plans, int plan_count, Kernel ***out);

/* lay.c: decides which steps are cut among ranks, and what the ranks exchange. */
void plan_lay(Plan *plan, const PlanTarget *target);

/* plan_text.c: prints the steps, with their kernels and the places of their buffers. */
void plan_print(const Plan *plan, FILE *out);

/* placement.c: life_measure finds when each buffer of the arena is alive. plan_place gives each its
 * offset, and decides which kernels write over an operand (Kernel.over). */
void life_measure(Plan *plan);
void plan_place(Plan *plan);
/* Lists the buffers of the arena that are not written over another, by number; the buffers written
 * over each of them follow by `next`. Returns how many there are. `heads` has room for all
 * buffers. */
int life_heads(const Plan *plan, const Life **heads);

#endif
