/* What formulas read. */
#ifndef COUPLET_COMPILER_GRAPH_LOADS_H
#define COUPLET_COMPILER_GRAPH_LOADS_H

#include "compiler/graph/graph.h"

/* The loads of expressions, each once, in order. */
typedef struct Loads {
    ARRAY(const GExpr *) items;
    bool draws; /* there are random draws as well */
} Loads;

/* Those of several expressions, any of which may be NULL. */
Loads loads_of_all(Arena *arena, int count, const GExpr *const *exprs);
/* Those of the node's value, guard and active part. */
Loads loads_of(Arena *arena, const GNode *node);
/* Whether it reads the element whose indices are those of the reader's own result, and nothing else in its stead. */
bool load_is_at_own_place(const GExpr *load);

#endif
