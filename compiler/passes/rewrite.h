/* Building nodes anew: one, or all of a graph in order. */
#ifndef COUPLET_COMPILER_PASSES_REWRITE_H
#define COUPLET_COMPILER_PASSES_REWRITE_H

#include "compiler/graph/graph.h"

/* The node with `now` of its operands, and its expressions rewritten by `visit`; itself, where there is nothing to renew. Not for GN_STOP. */
typedef GNode *(*NodeMap)(void *context, GNode *node);
GNode *rewrite_node(Graph *g, GNode *node, NodeMap now, GVisit visit, void *context);

/* Outputs and the right sides of commits stand for what `now` makes of them. */
void rewrite_ends(Graph *g, NodeMap now, void *context);

/* All nodes. Each expression goes through `visit` (or only to the renewed operands, when it is NULL); with drop_stops, STOP nodes give way to their
 * operands. The context is handed to `visit`; when it is not NULL, its first member is a `const GNode *`, set to the node at hand. Outputs and the right sides of commits stand for the renewed nodes afterwards; old ones stay in the list until a prune. */
void rewrite_nodes(Graph *g, GVisit visit, void *context, bool drop_stops);

/* The same, each renewed node then going through `then`, which returns it or another in its place. */
typedef GNode *(*NodeVisit)(Graph *g, GNode *node);
void rewrite_each(Graph *g, NodeVisit then);

#endif
