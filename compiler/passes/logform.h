/* Values made of exponentials, in the log domain: e = exp(shift) * scale, where the shift takes
 * what could overflow or vanish and the scale is of the size of a few terms. The scale may be zero
 * or negative (a difference, a weight), and nothing but a scale is ever multiplied or added as it
 * is. */
#ifndef COUPLET_COMPILER_PASSES_LOGFORM_H
#define COUPLET_COMPILER_PASSES_LOGFORM_H

#include "compiler/graph/graph.h"
#include "compiler/graph/visit.h"

#include <math.h>

/* The most reductions between a formula and an exponential for which the formula is taken apart.
 * There are fewer on the way to a softmax, whose size is bounded: a loss is not worth taking apart
 * down to the softmax of a network's attention. */
enum {
    REACH_OF_EXP = 4,
    REACH_OF_SOFTMAX = 2,
};
/* The most reads at another place, such as a[(i + 1) mod N], between a formula and an exponential.
 * Each read opens its formula again, and a chain of formulas that read their neighbours has as many
 * places as links. */
enum { MOST_MOVES = 2 };
/* The way in which a form was reached, as a number: the reductions that were opened on the way, and
 * PER_MOVE for each move. */
enum {
    PER_MOVE = REACH_OF_EXP + 2,
    WAYS = (MOST_MOVES + 1) * PER_MOVE,
};

/* The most products, choices and clamps around a probability whose complement is looked for. */
enum { MOST_NESTED = 12 };

typedef struct LogForm {
    const GExpr *shift; /* NULL: 0 */
    const GExpr *scale; /* NULL: 1 */
    bool positive;      /* true if the scale is proved to be positive */
} LogForm;

/* The facts about the expressions of a graph that are found while stabilise rewrites the graph.
 * Each expression is looked at once. */
typedef struct Logs {
    Graph *g;
    ExprMap reach;  /* by expression: how near the nearest exponentials are */
    ExprMap behind; /* by expression: the result of log_value_behind */
    ExprMap bounds; /* by expression: the result of bound_of (bound.h) */
    ExprMap logs;   /* by expression: the result of log_of */
    /* By expression: true if it is a length, or a product of lengths. */
    ExprMap lengths;
    /* By expression: how deep arrays nest in it, or 0 if it is not made of exponentials alone
     * (reach.c). */
    ExprMap pure;
    ExprMap forms[WAYS]; /* by expression, for each way: the result of log_form */
    /* By expression, for each depth: the result of complement_of. */
    ExprMap complements[MOST_NESTED];
    /* By the id of a node: the node, opened with indices of its own. */
    ARRAY(const ComputeSpec *) opened;
    ARRAY(char) made; /* by the id of a node: not 0 if it is a scale or a shift of a form */
} Logs;

void logs_open(Logs *l, Graph *g);
/* Returns the node, opened with the same indices at each call. */
const ComputeSpec *logs_opened(Logs *l, const GNode *node);

/* What forms have made. A scale is of the size of a few terms, and a shared shift is an exponent:
 * what they are made of need not be taken apart again. Without this, each of a chain of quotients
 * or logs would take apart all that were rewritten before it. */
enum {
    LOG_MADE_SCALE = 1,
    LOG_MADE_POSITIVE,
};
/* Returns one of these for a node that is a scale or a shift of a form, and 0 for others. */
int log_made_as(const Logs *l, const GNode *node);
/* Returns the form of an expression. An expression without exponentials is its own scale. */
LogForm log_form(Logs *l, const GExpr *e);
/* Returns the log of the value; it is NaN for a negative value. */
const GExpr *log_of_form(Logs *l, const LogForm *form);
/* Returns log e. *split is set if e is n / (n + r) and n was taken out of the sum, which gives
 * -softplus(log r - log n). */
const GExpr *log_of(Logs *l, const GExpr *e, bool *split);
/* Returns a / b as one exponential. */
const GExpr *log_quotient_of_exps(Logs *l, const GExpr *a, const GExpr *b);
/* Returns log(1 - exp(u)) with all digits, for u below 0. */
const GExpr *log_one_minus_exp(Graph *g, const GExpr *u);
/* Returns the expression, or a read of an array of it if it has grown large, so that formulas that
 * are made of such formulas have a bound. */
const GExpr *log_settled(Graph *g, const GExpr *e);
/* Returns the value, with no gradient through it. */
const GExpr *log_stopped(Graph *g, const GExpr *e);

/* reach.c: where the exponentials of a value are. */

/* True if the value is made of an exponential by sums, products, quotients, maxima and choices, and
 * the exponential is near enough (REACH_OF_EXP). The parts may be held by other nodes. */
bool logs_hold_exp(Logs *l, const GExpr *e);
/* True if the value is made in this way of an exponential that may overflow. A softmax or a sigmoid
 * counts only if no reduction lies between. */
bool logs_hold_bare_exp(Logs *l, const GExpr *e);
/* True if an exponential is near enough on a way that has opened reductions already. */
bool log_holds_within(Logs *l, const GExpr *e, int way);
/* Returns the number of reductions between the value and its nearest exponential that may overflow.
 * Where there is none, the number is above REACH_OF_EXP. */
int log_reach_of_exp(Logs *l, const GExpr *e);
/* Returns 1 more than the number of elementwise arrays that lie within each other in the value,
 * down to the first reduction. 0: the value is not made of exponentials alone. */
int64_t log_pure_depth(Logs *l, const GExpr *e);
/* True for a move: a read of an array of the graph at a computed place. */
bool log_is_moved(const GExpr *e);

/* complement.c: returns 1 - v without the difference, which would lose digits where v is close to
 * 1. v may be a sigmoid, a softmax, a share n / (n + r), a hyperbolic tangent, an exponential, or a
 * product, power, choice or clamp of these. NULL: v is none of them. */
const GExpr *complement_of(Logs *l, const GExpr *v);
/* complement.c: returns 1 - v for a sum v of roots of the products of two softmaxes' entries, or
 * NULL for any other value. */
const GExpr *complement_of_roots(Logs *l, const GExpr *v);

/* ratio.c: returns the log of a quotient such as (1 - exp(-x)) / x by its power series near 0, or
 * NULL. */
const GExpr *log_ratio(Logs *l, const GExpr *quotient);
/* True if the graph holds some function that has such a series. If not, no quotient needs to be
 * looked at. */
bool log_ratio_may_be(const Graph *g);

/* A softmax, exp(exponent - total). The total is the read `lse` of a log-sum-exp, or a choice
 * around that read for empty rows. */
typedef struct Softmax {
    const GExpr *exponent;
    const GExpr *total;
    const GExpr *lse;
} Softmax;
bool log_is_softmax(Logs *l, const GExpr *e, Softmax *found);

/* share_of_sum.c: returns log(n / (n + r)) = -softplus(log r - log n). r is what is left of the
 * denominator without the numerator: its other addends, or its sum without the terms that make the
 * numerator. NULL: the denominator does not provably hold the numerator. */
const GExpr *log_of_share(Logs *l, const GExpr *numerator, const GExpr *denominator);
/* Makes *rest = sum - part without adding the part first, or NULL if nothing is left. Returns false
 * if the part is not provably in the sum. */
bool log_take_out(Logs *l, const GExpr *sum, const GExpr *part, const GExpr **rest);
/* Takes the numerator out of the addends of a denominator, as log_take_out does. */
bool log_take_out_of_addends(Logs *l, const GExpr *denominator, const GExpr *numerator,
                             const GExpr **rest);
/* Returns a sum, or a log-sum-exp, without the term of the given value. NULL unless the value is
 * provably a term of it, by its place in the row. */
const GExpr *log_without_term(Logs *l, const GExpr *load, const GExpr *term);
/* True if every conjunct of the other guard is a conjunct of this one. A guard that is NULL has
 * none. */
bool log_guard_implies(const GExpr *guard, const GExpr *other);
/* Returns the value of the node's one reduced index at which its term is `term`, or NULL if there
 * is no such value. */
const GExpr *log_place_of_term(Logs *l, const GExpr *load, const GExpr *term);
/* Returns the value behind a read of an elementwise node. For any other expression, returns that
 * expression. */
const GExpr *log_value_behind(Logs *l, const GExpr *e);
/* Returns what a stop holds, read at the same place: the same value, with a gradient. */
static inline const GExpr *log_behind_stop(Graph *g, const GExpr *e) {
    return gx_load(g, e->tensor->operand, e->tensor->rank, e->args, NULL);
}
/* True for a read of an array of reals, without a choice for places outside. */
static inline bool log_is_read(const GExpr *e, GNodeKind kind) {
    return e->op == G_LOAD && !e->has_else && e->type == GT_REAL && e->tensor->kind == kind;
}
static inline bool log_is_node(const GExpr *e) {
    return log_is_read(e, GN_COMPUTE);
}
static inline bool log_is_stop_read(const GExpr *e) {
    return log_is_read(e, GN_STOP);
}
/* True of the constant that is no number. */
static inline bool log_is_nan(const GExpr *e) {
    return e->op == G_CONST && e->type == GT_REAL && isnan(e->real);
}

#endif
