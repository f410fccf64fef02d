/* Segment reductions, here called reductions by key: the guard says key(r) == k, where k is an
 * index of the output (compiler/plan/bucket.h). */
#ifndef COUPLET_COMPILER_GRAPH_KEY_H
#define COUPLET_COMPILER_GRAPH_KEY_H

#include "compiler/graph/graph.h"

enum { MOST_CONJUNCTS = 16 };

typedef struct Conjuncts {
    const GExpr *items[MOST_CONJUNCTS];
    int count;
} Conjuncts;

/* Adds the conjuncts of a guard in order. NULL is a guard without any. False when there are too
 * many. */
bool expr_list_conjuncts(const GExpr *guard, Conjuncts *c);
/* The key in a conjunct of the node's guard. *target is the output index that the key is compared
 * with. NULL: the conjunct is no such equality. */
const GExpr *key_of(const GNode *node, const GExpr *conjunct, int *target);
/* True if the node is a reduction and some conjunct of its guard has a key. */
bool node_reduces_by_key(const GNode *node);
/* The indices of a finished node that an expression reads, a bit for each. */
uint32_t key_indices(const GExpr *e);

#endif
