/* Segment reductions, here called reductions by key. Their guard says key(r) == k, where k is an
 * index of the output (compiler/plan/bucket.h). */
#ifndef COUPLET_COMPILER_GRAPH_KEY_H
#define COUPLET_COMPILER_GRAPH_KEY_H

#include "compiler/graph/guard.h"

/* Returns the key in a conjunct of the node's guard, or NULL if the conjunct is no such equality.
 * *target becomes the output index that the key is compared with. */
const GExpr *key_of(const GNode *node, const GExpr *conjunct, int *target);
/* True if the node is a reduction with a key in some conjunct of its guard. */
bool node_reduces_by_key(const GNode *node);

#endif
