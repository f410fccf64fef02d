/* The reads of formulas. */
#ifndef COUPLET_COMPILER_GRAPH_LOADS_H
#define COUPLET_COMPILER_GRAPH_LOADS_H

#include "compiler/graph/graph.h"

/* The loads of expressions, each listed once, in order. */
typedef struct Loads {
    ARRAY(const GExpr *) items;
    bool draws; /* true if there are random draws as well */
} Loads;

/* Returns the loads of several expressions, any of which may be NULL. */
Loads loads_of_all(Arena *arena, int count, const GExpr *const *exprs);
/* Returns the loads of a node's value, guard and active condition. */
Loads loads_of(Arena *arena, const GNode *node);
/* True if the load reads the element at the indices of the reader's own result, and has no
 * `else`. */
bool load_is_at_own_place(const GExpr *load);
/* True if `value`, in place of the load, meets a fault wherever the load would have met one. For
 * each subscript of the load that depends on data and may be outside, `value` must always read an
 * array at the same subscript, along an axis that is no longer. The indices of both are fresh. */
bool load_keeps_checks(Graph *g, const GExpr *load, const GExpr *value);

/* True if the subscript may leave an axis of `extent` entries, so that the step ends with a fault.
 * Only a constant, or a subscript that depends on data, may do so. Any other subscript was proved
 * to be inside wherever its value counts. Where a pass computes its value in vain, outside of a
 * guard, it reads some entry or other and reports no fault. */
bool subscript_may_fault(Graph *g, const GExpr *subscript, const int64_t *extents, int64_t extent);

#endif
