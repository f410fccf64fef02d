/* Lowering within a stated budget of memory: `train { memory 512MiB }`, or --memory, which goes before it. The budget bounds the arena of a training
 * step (activations, gradients, what the loss stores), as the plan lays it out; parameters, data and scratch are not in it. What is faster is done
 * as long as there is room; the nearer the bound, the more is made again instead of kept. The plan depends on the budget, never on the machine's memory. */
#ifndef COUPLET_DRIVER_BUDGET_H
#define COUPLET_DRIVER_BUDGET_H

#include "compiler/lower/lower.h"
#include "compiler/plan/kernel.h"

/* `target` is the device that the plans are for. NULL after errors, which are in diag; a step that needs more than it may take is one. */
LoweredProgram *lower_within(Arena *arena, Diag *diag, const Method *method, const LowerOptions *options, const PlanTarget *target);
/* The same for one function. */
Graph *lower_function_within(Arena *arena, Diag *diag, const Method *method, const char *fn, const FunctionInput *inputs, int input_count, const LowerOptions *options,
                             const PlanTarget *target);

#endif
