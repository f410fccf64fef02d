/* The passes over the graph, in the order of passes.def. One pass, one file. Each leaves a graph that
 * graph_verify accepts; the driver checks that after every pass in debug builds. */
#ifndef COUPLET_COMPILER_PASSES_H
#define COUPLET_COMPILER_PASSES_H

#include "compiler/graph/graph.h"

/* Rewrites logs of sums of exps to their shifted forms (log-sum-exp, softplus); runs before differentiate, so that
 * gradients inherit the stable form. Appends a line to `report` for each rewrite (may be NULL). */
void pass_stabilise(Graph *g, FILE *report);

/* Adds to the graph the gradient of the scalar node `loss` with respect to each of `wrt` (states or inputs); grads[i] is the node,
 * or NULL where no gradient reaches. New nodes are ordinary ones and carry the span of the node they come from. */
void pass_differentiate(Graph *g, GNode *loss, GNode *const *wrt, int count, GNode **grads);

/* Removes STOP nodes; hoists row-invariant factors out of sums; folds what became constant; drops dead nodes. */
void pass_simplify(Graph *g);

/* Inlines elementwise producers into their consumers where that saves memory traffic and repeats no costly work. Operands of
 * contractions stay as plain loads. */
void pass_fuse(Graph *g);

typedef struct PassRow {
    const char *name;
    const char *sentence;
} PassRow;
extern const PassRow pass_rows[];
extern const int pass_row_count;

#endif
