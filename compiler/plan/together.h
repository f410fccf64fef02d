/* Horizontal fusion: nodes that share a kernel. Sums over the same arrays (the moments of a layer,
 * the two sums of a normalisation's gradient) and small maps of their results are done in one pass
 * over memory.
 *
 * The kernel has the tiles of its first node. In each tile every node does its part of the results,
 * one after the other. An array that two nodes read is in the cache for the second one. A node may
 * also read what a node before it has made, at the place of its own result. */
#ifndef COUPLET_COMPILER_PLAN_TOGETHER_H
#define COUPLET_COMPILER_PLAN_TOGETHER_H

#include "compiler/plan/kernel.h"

/* The nodes that read one array. */
typedef struct Readers {
    ARRAY(GNode *) items;
} Readers;

/* The candidates for joining the kernel at hand. A candidate reads an array that the kernel reads
 * or makes, and its result has the shape of the kernel's. */
typedef struct Alike {
    Arena *arena;
    Readers *readers; /* by node id */
    int64_t *largest; /* by node id: the entries of the largest array that the node reads */
    int *position;    /* by node id: the node's place in the graph */
    int *noted;       /* by node id: the last kernel for which the node was listed */
    int kernel;       /* the number of the kernel at hand */
    const GNode *first;
    ARRAY(GNode *) candidates; /* in the order of the graph */
} Alike;

Alike alike_of(Arena *arena, const Graph *g);
/* Begins a kernel with its first node. Afterwards alike_note is told each array that the kernel
 * reads or makes. */
void alike_begin(Alike *alike, const GNode *first);
void alike_note(Alike *alike, const GNode *array);

/* True if `node` can be done in the tiles of kernel->node and joining saves something: the kernel
 * must read or make the largest array that the node reads. A `late` node waits for the end of the
 * step, as its kernel does; only then may a large result be made earlier than it is needed. The
 * caller knows that everything else which the node reads has been computed. */
bool kernel_joins(Arena *arena, const Kernel *kernel, const GNode *node, bool late);
/* True if an expression of `reader` reads `node`. */
bool kernel_reads_node(Arena *arena, const GNode *reader, const GNode *node);

#endif
