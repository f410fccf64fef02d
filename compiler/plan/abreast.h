/* Launch groups and deferred work. Kernels that read nothing of each other's results have no order
 * between them. Neighbours of this kind become one launch, whose tiles the threads take as if they
 * were one kernel's.
 *
 * What a step leaves behind (renewed parameters, moments, moving averages) is deferred to the end
 * of the step where that keeps no more memory alive. It is then one pass over all parameters,
 * whatever their shapes and rules are. */
#ifndef COUPLET_COMPILER_PLAN_ABREAST_H
#define COUPLET_COMPILER_PLAN_ABREAST_H

#include "compiler/plan/kernel.h"

/* Finds the nodes that wait for the end of the step: elementwise work and small sums that only
 * commits and outputs read, if waiting keeps no more memory alive than their results take.
 *
 * Returns an entry for each node id: 0 for a node that does not wait, else its depth in the chain
 * of waiting nodes. Nodes of one depth read nothing of each other's results. *depth is the
 * largest. */
unsigned char *plan_late_nodes(Arena *arena, Graph *g, int *depth);

/* Sets `first` and `last` of every kernel. Each kernel is a launch of its own if `abreast` is
 * false. */
void plan_set_launches(const Graph *g, KernelList *kernels, bool abreast);

#endif
