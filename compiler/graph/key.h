/* Segment reductions, here called reductions by key: the guard says key(r) == k, where k is an
 * index of the output (compiler/plan/bucket.h). */
#ifndef COUPLET_COMPILER_GRAPH_KEY_H
#define COUPLET_COMPILER_GRAPH_KEY_H

#include "compiler/graph/guard.h"

/* The key in a conjunct of the node's guard. *target is the output index that the key is compared
 * with. NULL: the conjunct is no such equality. */
const GExpr *key_of(const GNode *node, const GExpr *conjunct, int *target);
/* True if the node is a reduction and some conjunct of its guard has a key. */
bool node_reduces_by_key(const GNode *node);

#endif
