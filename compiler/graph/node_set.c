/* Sets of nodes: a truth value for each id. */
#include "compiler/graph/node_set.h"

#include <assert.h>

void node_set_open(NodeSet *set, const Graph *g) {
    set->arena = arena_new();
    set->count = graph_node_ids(g);
    set->holds = arena_array(set->arena, bool, set->count + 1);
}

void node_set_close(NodeSet *set) {
    arena_free(set->arena);
    *set = (NodeSet){0};
}

bool node_set_add(NodeSet *set, const GNode *node) {
    assert(node->id < set->count);
    if (set->holds[node->id]) return false;
    return set->holds[node->id] = true;
}

bool node_set_holds(const NodeSet *set, const GNode *node) {
    return node->id < set->count && set->holds[node->id];
}
