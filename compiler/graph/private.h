/* The shared parts of graph.c, expr.c, constant_fold.c and the text form: the tables of
 * hash-consing, and constructors that do not fold. */
#ifndef COUPLET_COMPILER_GRAPH_PRIVATE_H
#define COUPLET_COMPILER_GRAPH_PRIVATE_H

#include "compiler/graph/graph.h"

typedef struct Slot {
    void *item; /* NULL: the slot is free */
    uint64_t hash;
} Slot;

typedef struct GraphTables {
    /* Hash tables with open addressing; the number of slots is a power of two. */
    Slot *exprs;
    Slot *computes;
    int expr_capacity;
    int expr_count;
    int compute_capacity;
    int compute_count;
    uint32_t last_expr;
    uint32_t last_node;
    int next_fresh;
    ARRAY(int64_t) fresh_extents;
    ARRAY(const char *) fresh_names;
} GraphTables;

/* Returns the one copy of the expression that the graph keeps, without folding. */
const GExpr *graph_intern_expr(Graph *g, const GExpr *e);
const GExpr *graph_node_index(Graph *g, int number);
bool graph_index_is_fresh(const GExpr *e);
/* Makes the node that the draft describes, over its own indices, or returns an equal node that
 * exists. Sets the type of the draft. */
GNode *graph_intern_compute(Graph *g, GNode *draft, const char *name, Span span);
GNode *graph_find_named(const Graph *g, GNodeKind kind, const char *name);
/* constant_fold.c: returns a simpler expression for the operation, or NULL. */
const GExpr *graph_fold(Graph *g, GOp op, int count, const GExpr *const *args);
GType graph_op_type(GOp op, int count, const GExpr *const *args);
/* Replaces fresh indices by a node's own. Nothing is folded by ranges, because the number of an
 * index does not tell its extent. */
const GExpr *graph_renumber(Graph *g, const GExpr *e, int count, const GExpr *const *from,
                            const GExpr *const *to);

#endif
