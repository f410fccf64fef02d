/* Walks over expressions.
 *
 * Expressions are graphs, not trees: equal parts are one object (hash-consing). Thirty formulas,
 * each of which names the one before it twice, are thirty parts with 2^30 paths through them. A
 * walk must therefore meet each part once. This header is the one way to do so.
 *
 * Constants and indices are met as often as they stand, since looking them up costs more than
 * visiting them. All other parts, reads among them, are met once. Parents come before their
 * arguments, and arguments in order. The arguments of a read are its subscripts, then its `else`;
 * the array that it reads is not entered. Ids increase from arguments to parents, so an older part
 * does not hold a younger one. */
#ifndef COUPLET_COMPILER_GRAPH_VISIT_H
#define COUPLET_COMPILER_GRAPH_VISIT_H

#include "compiler/graph/graph.h"

/* ---- a map from parts to values -------------------------------------------------------------- */

typedef union ExprValue {
    const void *pointer;
    int64_t integer;
    double real;
} ExprValue;

/* The entries in the struct itself, which are enough for most expressions. */
enum { EXPR_MAP_FEW = 16 };

typedef struct ExprMap {
    /* `capacity` is 0 while the entries are in `few`, unsorted. Else it is the number of slots of
     * the table, a power of two. */
    uint32_t count;
    uint32_t capacity;
    const GExpr *few[EXPR_MAP_FEW];
    ExprValue few_values[EXPR_MAP_FEW];
    const GExpr **keys;
    ExprValue *values;
    Arena *arena; /* NULL: the table is allocated apart */
} ExprMap;

/* Makes the map empty. A map that was opened must be closed. */
void expr_map_open(ExprMap *map);
/* Makes the map empty, with memory from an arena. Such a map is not closed. */
void expr_map_open_in(ExprMap *map, Arena *arena);
void expr_map_close(ExprMap *map);
/* Returns a part's value, or NULL. The pointer is valid until the next entry is made. */
ExprValue *expr_map_find(const ExprMap *map, const GExpr *e);
void expr_map_set(ExprMap *map, const GExpr *e, ExprValue value);
/* Adds an entry for a part that is known to have none, which saves a search. */
void expr_map_add_new(ExprMap *map, const GExpr *e, ExprValue value);
/* Adds a part. Returns true the first time. */
bool expr_map_add(ExprMap *map, const GExpr *e);

/* ---- walks ----------------------------------------------------------------------------------- */

typedef enum VisitStep {
    VISIT_INSIDE, /* go on with the arguments of the part */
    VISIT_PAST,   /* skip the arguments */
    VISIT_END     /* end the walk */
} VisitStep;

typedef VisitStep (*ExprVisit)(void *context, const GExpr *e);

/* Walks the expression, which may be NULL. Returns true if `visit` ended the walk. */
bool expr_visit(const GExpr *e, ExprVisit visit, void *context);
/* Walks the expression, but skips the parts that earlier walks with this map have met. */
bool expr_visit_rest(ExprMap *met, const GExpr *e, ExprVisit visit, void *context);

/* Walks what a compute node evaluates: its value, its guard and its active condition. */
bool expr_visit_node(const GNode *node, ExprVisit visit, void *context);

/* Walks the parts that are evaluated wherever the expression is, but skips those in `met`. Left out
 * are the arms of a choice, the right side of `and` and `or`, and the `else` of a read. */
bool expr_visit_sure(ExprMap *met, const GExpr *e, ExprVisit visit, void *context);

/* True if some part fulfils the predicate. */
typedef bool (*ExprPredicate)(const void *context, const GExpr *e);
bool expr_any(const GExpr *e, ExprPredicate is, const void *context);

/* Computes the value of an expression from the values of its arguments, each part once. `args` has
 * a value for each argument. */
typedef ExprValue (*ExprFold)(void *context, const GExpr *e, const ExprValue *args);
ExprValue expr_fold(const GExpr *e, ExprFold fold, void *context);
/* Folds as expr_fold, but looks at the arguments of a part only if `enters` is true of the part.
 * For any other part, `args` is NULL. */
typedef bool (*ExprEnters)(void *context, const GExpr *e);
ExprValue expr_fold_inside(const GExpr *e, ExprEnters enters, ExprFold fold, void *context);
/* Folds, but skips the parts whose values `done` has from earlier folds. If `enters` is NULL, all
 * parts are entered. `fold` may itself fold other expressions with the same map. */
ExprValue expr_fold_rest(ExprMap *done, const GExpr *e, ExprEnters enters, ExprFold fold,
                         void *context);

/* Returns the number of parts that walks, folds and rewrites of this thread have met so far. The
 * difference of two calls is the work between them, which is the same on any machine. */
uint64_t expr_steps(void);
/* Counts one step of a walk that does not use this header. */
void expr_count_step(void);

/* ---- frequent questions ---------------------------------------------------------------------- */

/* Returns the number of parts that are no constants and no indices. */
int expr_size(const GExpr *e);
/* Returns the number of parts that compute something, which reads do not. */
int expr_operations(const GExpr *e);
/* True if the expression is small even when written out as a tree, in which shared parts stand
 * wherever they are used. Index arithmetic is walked as such a tree (affine.h). Larger index
 * arithmetic is not looked into, and nothing is known of its values. */
bool expr_is_small_tree(const GExpr *e);
/* Returns the price of all parts together (gx_price). */
int64_t expr_price(const GExpr *e);
/* True if the expression reads an array. */
bool expr_reads(const GExpr *e);
/* True if the value is known only when the graph runs, because the expression reads an array,
 * draws, or rounds a real. A subscript of this kind is checked at run time. Any other subscript is
 * proved to be inside. */
bool expr_is_data(const GExpr *e);
/* Returns the indices of a finished node that the expression reads, a bit for each. The expression
 * may be NULL. */
uint32_t expr_index_mask(const GExpr *e);
/* True if the expression contains one of the given parts, which are mostly indices. */
bool expr_holds_any(const GExpr *e, int count, const GExpr *const *parts);

#endif
