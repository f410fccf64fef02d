/* Nodes that share a kernel. Sums over the same arrays (the moments of a layer, the two sums of a normalisation's gradient) and small maps of what they make
 * are done in one pass over memory: the kernel's tiles are those of its first node, and in each tile every node does its part of the results, one after
 * the other. What a node reads again is in the cache, and it may read what a node before it has made, at the place of its own result. */
#ifndef COUPLET_COMPILER_PLAN_TOGETHER_H
#define COUPLET_COMPILER_PLAN_TOGETHER_H

#include "compiler/plan/kernel.h"

/* Who reads what, and of them, the nodes with a result of the shape of the kernel at hand that read or make an array of it: only these are worth a look. */
typedef struct Readers {
    ARRAY(GNode *) items;
} Readers;
typedef struct Alike {
    Arena *arena;
    Readers *readers; /* by node id */
    int64_t *largest; /* by node id: entries of the largest array that it reads */
    int *position;    /* by node id: in the graph */
    int *noted;       /* by node id: the last kernel for which it was listed */
    int kernel;       /* the one at hand */
    const GNode *first;
    ARRAY(GNode *) candidates; /* in the order of the graph */
} Alike;

Alike alike_of(Arena *arena, const Graph *g);
/* A kernel that begins with a node; then each array that it reads or makes. */
void alike_begin(Alike *alike, const GNode *first);
void alike_note(Alike *alike, const GNode *array);
/* Whether `node` can be done in the tiles of kernel->node beside those that the kernel has, and saves the kernel of its own something: the largest array
 * that it reads is read or made by them. Large results are made early for that only if they are `late`: they and the kernel are done at the end of the
 * step anyway. That everything else it reads is computed is the caller's to know. */
bool joins_kernel(Arena *arena, const Kernel *kernel, const GNode *node, bool late);
/* Whether the expressions of `reader` read `node`. */
bool reads_node(Arena *arena, const GNode *reader, const GNode *node);

#endif
