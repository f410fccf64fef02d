/* The passes over the graph. One pass, one file. Each leaves a graph that
 * graph_verify accepts; the driver checks that after every pass in debug builds. */
#ifndef COUPLET_COMPILER_PASSES_H
#define COUPLET_COMPILER_PASSES_H

#include "compiler/graph/graph.h"

/* Computes logs of values made of exps in the log domain (log-sum-exp); runs before differentiate, so that gradients inherit the form.
 * Outputs stand for the rewritten nodes afterwards. */
void pass_stabilise(Graph *g);

/* Adds to the graph the gradient of the scalar node `loss` with respect to each of `wrt` (states or inputs); grads[i] is the node,
 * or NULL where no gradient reaches. New nodes are ordinary ones and carry the span of the node they come from. */
void pass_differentiate(Graph *g, GNode *loss, GNode *const *wrt, int count, GNode **grads);

/* Removes STOP nodes, folds what became constant, shares what became equal, drops dead nodes. */
void pass_simplify(Graph *g);

/* Brings sums of products into the form of the register-blocked kernels: split by remainder, guards and edges into padded copies. */
void pass_contract(Graph *g);

/* Puts elementwise nodes into their consumers where that spares storing them. */
void pass_fuse(Graph *g);

#endif
