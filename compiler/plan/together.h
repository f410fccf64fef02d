/* Horizontal fusion: several nodes in one kernel. Sums over the same arrays (the moments of a
 * layer, the two sums of a normalisation's gradient) and small maps of their results need one pass
 * over memory.
 *
 * The kernel has the tiles of its first node. In each tile every node computes its part of its
 * result, one node after the other. So an array that two nodes read is in the cache for the second
 * node. A node may also read the result of a node before it, at the place of its own result. */
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
    int kernel;       /* counts kernels, and is the number of the one at hand */
    const GNode *first;
    ARRAY(GNode *) candidates; /* sorted by their position in the graph */
} Alike;

Alike alike_of(Arena *arena, const Graph *g);
/* alike_begin starts a kernel with its first node. alike_note is then called with each array that
 * the kernel reads or makes. */
void alike_begin(Alike *alike, const GNode *first);
void alike_note(Alike *alike, const GNode *array);

/* True if `node` can be computed in the tiles of kernel->node, and joining saves something: the
 * kernel must read or make the largest array that the node reads. `late` says that both the kernel
 * and the node are deferred; only then may a large result be made earlier than it is needed. The
 * caller ensures that everything else which the node reads has been computed. */
bool kernel_joins(Arena *arena, const Kernel *kernel, const GNode *node, bool late);
/* True if an expression of `reader` reads `node`. */
bool kernel_reads_node(Arena *arena, const GNode *reader, const GNode *node);

#endif
