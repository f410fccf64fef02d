/* Makes nodes anew: one, or all nodes of a graph in order. */
#ifndef COUPLET_COMPILER_PASSES_REWRITE_H
#define COUPLET_COMPILER_PASSES_REWRITE_H

#include "compiler/graph/graph.h"

/* Returns the node with its operands replaced by `now` of them, and its expressions rewritten by
 * `visit`. Returns the node itself if there is nothing to renew. Not for GN_STOP. */
typedef GNode *(*NodeMap)(void *context, GNode *node);
GNode *rewrite_node(Graph *g, GNode *node, NodeMap now, GVisit visit, void *context);

/* Makes outputs and the right sides of commits stand for what `now` gives for them. */
void rewrite_ends(Graph *g, NodeMap now, void *context);

/* Rewrites all nodes. Each expression goes through `visit`, or is only redirected to the renewed
 * operands if `visit` is NULL. With drop_stops, STOP nodes give way to their operands. The context
 * is handed to `visit`; unless it is NULL, its first member is a `const GNode *`, which is set to
 * the node at hand. Outputs and the right sides of commits stand for the renewed nodes afterwards.
 * Old nodes stay in the list until a prune. */
void rewrite_nodes(Graph *g, GVisit visit, void *context, bool drop_stops);

/* Rewrites all nodes. Each renewed node goes through `then`, which returns it or another node in
 * its place. */
typedef GNode *(*NodeVisit)(Graph *g, GNode *node);
void rewrite_each(Graph *g, NodeVisit then);
/* Rewrites all nodes, with a context for `then`. */
typedef GNode *(*NodeVisitIn)(void *context, Graph *g, GNode *node);
void rewrite_each_in(Graph *g, NodeVisitIn then, void *context);

#endif
