/* Guards as conjunctions: a guard is one condition, or several that are joined by `and`. */
#ifndef COUPLET_COMPILER_GRAPH_GUARD_H
#define COUPLET_COMPILER_GRAPH_GUARD_H

#include "compiler/graph/graph.h"

enum { MOST_CONJUNCTS = 16 };

typedef struct Conjuncts {
    const GExpr *items[MOST_CONJUNCTS];
    int count;
} Conjuncts;

/* Appends the conjuncts of a guard, in order. NULL is a guard without any. Returns false if there
 * are too many. */
bool guard_list(const GExpr *guard, Conjuncts *c);

/* Tell whether some conjunct, or every one, fulfils the predicate. Conjuncts are asked in order, up
 * to the first that decides. NULL is a guard without any. */
typedef bool (*GuardPredicate)(void *context, const GExpr *conjunct);
bool guard_any(const GExpr *guard, GuardPredicate is, void *context);
bool guard_all(const GExpr *guard, GuardPredicate is, void *context);
/* True if the condition is a conjunct of the guard. */
bool guard_has(const GExpr *guard, const GExpr *condition);

/* Returns the guard with each conjunct replaced by what `keep` returns for it. NULL stands for a
 * condition that always holds, as an argument and as a result. */
typedef const GExpr *(*GuardKeep)(void *context, Graph *g, const GExpr *conjunct);
const GExpr *guard_keep(Graph *g, const GExpr *guard, GuardKeep keep, void *context);

#endif
