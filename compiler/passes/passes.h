/* The passes over the graph: a row of passes.def and a file each. Each leaves a graph that graph_verify accepts, which is checked. */
#ifndef COUPLET_COMPILER_PASSES_H
#define COUPLET_COMPILER_PASSES_H

#include "compiler/graph/graph.h"

typedef enum { PASS_before, PASS_gradient, PASS_after, PASS_plan } PassStage;

typedef struct PassRow {
    const char *name;
    PassStage stage;
    void (*run)(Graph *g); /* NULL: called by whoever knows more */
    const char *sentence;
} PassRow;

const PassRow *passes_table(int *count);
bool pass_exists(const char *name); /* or "lower", what there is before the first one */
/* "lower, stabilise, ... and place" */
const char *passes_list(Arena *arena);

/* Leaves infinite logs of weight 0 out of sums, forward and backward; runs before stabilise, which rewrites the logs. */
void pass_weigh(Graph *g);

/* Computes logs of values made of exps in the log domain (log-sum-exp); runs before differentiate, so that gradients inherit the form.
 * Outputs stand for the rewritten nodes afterwards. */
void pass_stabilise(Graph *g);

/* Adds to the graph the gradient of the scalar node `loss` with respect to each of `wrt` (states or inputs); grads[i] is the node,
 * or NULL where no gradient reaches. New nodes are ordinary ones and carry the span of the node they come from. */
void pass_differentiate(Graph *g, GNode *loss, GNode *const *wrt, int count, GNode **grads);

/* Removes STOP nodes, folds what became constant, shares what became equal, drops dead nodes. */
void pass_simplify(Graph *g);

/* Keeps a log-sum-exp of terms of any size as two numbers, its largest term and the rest, where
 * something is subtracted from it. Behind differentiate: the rest has no derivative. */
void pass_shift(Graph *g);

/* Leaves out of sums what is known to be 0: outside a range of the result, off a diagonal, between few chosen places of a row. */
void pass_zeros(Graph *g);

/* Chooses the order of every tensor's axes in memory, so that sums of products find theirs side by side. */
void pass_layout(Graph *g);

/* Brings sums of products into the form of the register-blocked kernels: split by remainder, guards and edges into padded copies. */
void pass_contract(Graph *g);

/* Marks large products of pairs that tiles can serve as streamed, and turns their users into sinks (compiler/graph/pairs.h); what it decided is
 * in graph->choices. */
void pass_stream(Graph *g);

/* Takes costly parts that depend on few indices out of large spaces. */
void pass_hoist(Graph *g);

/* Puts elementwise nodes into their consumers where that spares storing them. */
void pass_fuse(Graph *g);

/* Takes large sums with few results in two levels. */
void pass_split(Graph *g);

/* Computes again what would be kept for the gradient, until settings.kept_bytes are alive at once. */
void pass_recompute(Graph *g);

/* Takes in settings.chunks parts what is done for each sample by itself. */
void pass_chunk(Graph *g);

#endif
