/* A copy of a whole graph, so that several settings of passes can be tried on one lowered graph
 * (compile/budget.c). */
#ifndef COUPLET_COMPILER_GRAPH_COPY_H
#define COUPLET_COMPILER_GRAPH_COPY_H

#include "compiler/graph/graph.h"

/* Copies a graph into another arena, where passes may change it while the original stays as it is.
 * Takes time linear in the expressions that were ever made for the original, which must outlive the
 * copy. */
Graph *graph_copy(Arena *arena, const Graph *from);

#endif
