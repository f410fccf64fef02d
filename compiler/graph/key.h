/* Reductions by key: those whose guard says key(r) == k, with k an index of the output (compiler/plan/bucket.h). */
#ifndef COUPLET_COMPILER_GRAPH_KEY_H
#define COUPLET_COMPILER_GRAPH_KEY_H

#include "compiler/graph/graph.h"

enum { MOST_CONJUNCTS = 16 };

typedef struct Conjuncts {
    const GExpr *items[MOST_CONJUNCTS];
    int count;
} Conjuncts;

/* Adds those of a guard (NULL: none), in order. False when there are too many. */
bool list_conjuncts(const GExpr *guard, Conjuncts *c);
/* The key of a conjunct of the node's guard, *target being the output index that it is compared with; NULL when it is no such equality. */
const GExpr *key_of(const GNode *node, const GExpr *conjunct, int *target);
bool reduces_by_key(const GNode *node);
/* Which indices of a finished node an expression reads, a bit each. */
uint32_t key_indices(const GExpr *e);

#endif
