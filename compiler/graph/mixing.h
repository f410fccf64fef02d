/* Tells whether each row of a graph's output is made of a single sample. */
#ifndef COUPLET_COMPILER_GRAPH_MIXING_H
#define COUPLET_COMPILER_GRAPH_MIXING_H

#include "compiler/graph/graph.h"

/* Returns a node that looks at several samples to make a part that stands for one sample, or NULL.
 * It is the first such node that an output reaches. Fields of a batch (graph_is_batch), all of one
 * length, have the samples along their first axis. The samples may be merged with other axes, and
 * taken apart again, in front of these or behind. The graph must be as lowering made it. */
const GNode *graph_mixing(Graph *g);

#endif
