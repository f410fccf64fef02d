/* The passes over the graph: a row of passes.def and a file each. Each leaves a graph that
 * graph_verify accepts, which is checked. */
#ifndef COUPLET_COMPILER_PASSES_H
#define COUPLET_COMPILER_PASSES_H

#include "compiler/graph/properties.h"

typedef enum {
    PASS_before,
    PASS_gradient,
    PASS_after,
    PASS_plan,
} PassStage;

typedef struct PassRow {
    const char *name;
    PassStage stage;
    void (*run)(Graph *g); /* NULL: compile.c calls the pass with more than a graph */
    unsigned needs, gives; /* sets of the properties in compiler/graph/properties.h */
    const char *sentence;
} PassRow;

const PassRow *passes_table(int *count);
const PassRow *pass_find(const char *name); /* NULL: there is none */
bool pass_exists(const char *name);         /* true for "lower", too: the graph before all passes */
/* Returns "lower, stabilise, ... and place". */
const char *passes_list(Arena *arena);

/* Declares void pass_NAME(Graph *g) for each row that is a function of a graph alone. The top of
 * its file says what a pass does, when it leaves a graph alone, and why. */
#define PASS_FUNCTION_graph(name) void pass_##name(Graph *g);
#define PASS_FUNCTION_called(name)
#define PASS(name, stage, how, needs, gives, sentence) PASS_FUNCTION_##how(name)
#include "compiler/passes/passes.def"
#undef PASS
#undef PASS_FUNCTION_graph
#undef PASS_FUNCTION_called

/* Adds to the graph the gradient of the scalar node `loss` with respect to each of `wrt` (states or
 * inputs); grads[i] is the node, or NULL where no gradient reaches. New nodes are ordinary ones and
 * carry the span of the node they come from. */
void pass_differentiate(Graph *g, GNode *loss, GNode *const *wrt, int count, GNode **grads);

#endif
