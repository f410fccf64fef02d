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
/* Whether `value`, put in place of the load, meets a fault wherever the load would have met one: for each subscript that is read from data, and may lie outside, it always reads an array as
 * short at the same subscript. Indices of both are fresh ones. */
bool load_keeps_checks(Graph *g, const GExpr *load, const GExpr *value);

/* Whether an axis of `extent` entries may be left so that the step ends: by a subscript that data leads to, or by a
 * constant. Any other one was proved to be inside where its value counts; a value that was taken out of its guard reads
 * some entry there, and no fault is said of it. */
bool subscript_may_fault(Graph *g, const GExpr *subscript, const int64_t *extents, int64_t extent);

#endif
