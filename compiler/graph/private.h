/* What graph.c and expr.c share: the tables of hash-consing. */
#ifndef COUPLET_COMPILER_GRAPH_PRIVATE_H
#define COUPLET_COMPILER_GRAPH_PRIVATE_H

#include "compiler/graph/graph.h"

typedef struct GraphTables {
    void **exprs, **computes; /* open addressing, a power of two of slots */
    int expr_capacity, expr_count, compute_capacity, compute_count;
    uint32_t last_expr, last_node;
    int next_fresh;
    ARRAY(int64_t) fresh_extents;
} GraphTables;

const GExpr *graph_intern_expr(Graph *g, const GExpr *e);
const GExpr *graph_node_index(Graph *g, int number);
bool graph_index_is_fresh(const GExpr *e);
/* Substitution of fresh indices by a node's own, without folding by ranges: the extents are not known by number alone. */
const GExpr *graph_renumber(Graph *g, const GExpr *e, int count, const GExpr *const *from, const GExpr *const *to);

#endif
