/* Kernels that go abreast. Between kernels that read nothing of each other's there is no order: those that follow each other so are one launch, whose tiles
 * the threads take as if they were one kernel's. What a step leaves behind (renewed parameters, moments, moving averages) waits for the end of the
 * step where it can, so that it is one pass over all parameters, whatever their shapes and rules are. */
#ifndef COUPLET_COMPILER_PLAN_ABREAST_H
#define COUPLET_COMPILER_PLAN_ABREAST_H

#include "compiler/plan/kernel.h"

/* By node id: 0, or how many late nodes deep it is: elementwise work and small sums for commits and outputs alone, which keep no more alive for it than they
 * make. Those of one depth read nothing of each other's. *depth is the largest. */
unsigned char *late_nodes(Arena *arena, Graph *g, int *depth);

/* Sets `first` and `last` of every kernel. Without `abreast` each is a launch of its own. */
void set_launches(const Graph *g, KernelList *kernels, bool abreast);

#endif
