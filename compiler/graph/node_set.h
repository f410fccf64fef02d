/* A set of a graph's nodes, by id. Nodes that are made after it was opened are not in it. */
#ifndef COUPLET_COMPILER_GRAPH_NODE_SET_H
#define COUPLET_COMPILER_GRAPH_NODE_SET_H

#include "compiler/graph/graph.h"

typedef struct NodeSet {
    Arena *arena;
    bool *holds;
    uint32_t count; /* the number of ids that the set can hold */
} NodeSet;

/* Opens an empty set, which must be closed. */
void node_set_open(NodeSet *set, const Graph *g);
void node_set_close(NodeSet *set);
/* Adds the node. Returns false if the set had it already. */
bool node_set_add(NodeSet *set, const GNode *node);
bool node_set_holds(const NodeSet *set, const GNode *node);

#endif
