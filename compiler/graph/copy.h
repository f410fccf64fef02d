/* A copy of a whole graph, so that several settings of passes can be tried on one lowered graph
 * (compile/budget.c). */
#ifndef COUPLET_COMPILER_GRAPH_COPY_H
#define COUPLET_COMPILER_GRAPH_COPY_H

#include "compiler/graph/graph.h"

/* Returns a copy of a graph in another arena. Passes may change the copy, while the original stays
 * as it is. The original must outlive the copy. Takes time linear in the expressions that were ever
 * made for the original. */
Graph *graph_copy(Arena *arena, const Graph *from);

#endif
