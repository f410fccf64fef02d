/* A walk over everything that a value is made of: from the loss back through lets and calls to
 * views, networks and memory. By this walk the checker finds edges of the method's picture (a
 * gradient into a target, a branch that nobody uses), and the picture is drawn. */
#ifndef COUPLET_LANG_FLOW_H
#define COUPLET_LANG_FLOW_H

#include "lang/ast.h"

/* A call of a function, with its arguments. A NULL frame means the statements of the method,
 * outside of all calls. */
typedef struct FlowFrame FlowFrame;

/* An index that is bound around an expression. `outer` is the next one around it. */
typedef struct FlowScope {
    const Binder *binder;
    /* The reduction that binds the index, or NULL if the head of `let` does. */
    const Expr *reduction;
    const Stmt *let;
    /* The only value that the index has here, or -1 for all of its range. If s[0] reads `let s[v] =
     * ..`, then v is 0 in that let. */
    int64_t value;
    const struct FlowScope *outer;
} FlowScope;

/* An expression that the walk has come to, and the way there. */
typedef struct FlowVisit {
    const Expr *e;
    const FlowFrame *frame;
    const FlowScope *scope;
    /* True if no gradient comes here: under a stop, and in an index, a guard, a comparison or an
     * argmax. */
    bool stopped;
    const Expr *stop; /* the stop around the expression, or NULL */
} FlowVisit;

/* A function that is called for every expression on the way. If it returns false, the walk does not
 * go into what the expression is made of. */
typedef bool (*FlowVisitor)(void *context, const FlowVisit *visit);

typedef struct Flow Flow;
Flow *flow_new(Arena *arena, const Method *method);
/* Walks an expression that stands in a frame. A let that is reached twice in the same way is walked
 * once. */
void flow_walk(Flow *flow, const Expr *e, const FlowFrame *frame, FlowVisitor visit, void *context);
/* Walks every `loss` of the method, also those in branches of `when`, as one walk. */
void flow_walk_losses(Flow *flow, FlowVisitor visit, void *context);

/* Returns the call in the method's own text that leads to the visited expression, or NULL if the
 * expression stands there itself. */
const Expr *flow_call(const FlowVisit *visit);

/* Returns the statement of the network that a call applies, or NULL if the call is no application.
 * For `encoder.trunk`, *part is the part's name; else it is NULL. */
const Stmt *flow_applied(const Expr *call, const char **part);

/* Calls `visit` with each statement of the method, also those in branches of `when`. */
void method_each_stmt(const Module *spec, void (*visit)(void *context, Stmt *s), void *context);

/* The place in a run at which a schedule is asked for its value. */
typedef struct FlowClock {
    double step;
    double steps;
} FlowClock;
/* Sets *value to a scalar that depends on nothing but hypers and the clock, such as a schedule.
 * Returns false for any other. */
bool flow_number(const Expr *e, const FlowFrame *frame, const FlowClock *clock, double *value);

#endif
