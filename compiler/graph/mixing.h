/* Tells whether each row of a graph's output is made of one sample alone. */
#ifndef COUPLET_COMPILER_GRAPH_MIXING_H
#define COUPLET_COMPILER_GRAPH_MIXING_H

#include "compiler/graph/graph.h"

/* The first node, of those that an output reaches, which looks at several samples to make what
 * stands for one. Inputs that are a field of a batch (graph_is_batch), all of one length, have the
 * samples along their first axis. The samples may be merged with other axes and taken apart again,
 * in front of these or behind. NULL: there is no such node. Expects the graph as lowering made
 * it. */
const GNode *graph_mixing(Graph *g);

#endif
