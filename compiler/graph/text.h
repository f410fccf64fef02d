/* The words of the text form, which text.c prints and read.c reads. */
#ifndef COUPLET_COMPILER_GRAPH_TEXT_H
#define COUPLET_COMPILER_GRAPH_TEXT_H

#include "compiler/graph/graph.h"

/* The words of operations; NULL for G_CONST, G_INDEX and G_LOAD, which have forms of their own. */
extern const char *const graph_op_words[G_OP_COUNT];
extern const int graph_op_arity[G_OP_COUNT];
enum {
    GRAPH_TYPES = 4,
    GRAPH_COMMITS = 3,
};
extern const char *const graph_type_words[GRAPH_TYPES];
extern const char *const graph_reducer_words[GRAPH_REDUCERS];
extern const char *const graph_commit_words[GRAPH_COMMITS];

#endif
