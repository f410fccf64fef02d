/* The parts of which a value is made: a walk from the loss back through lets and calls to views,
 * networks and memory. The checker finds edges of the method's picture by it (a gradient into a
 * target, a branch that nobody uses), and the picture is drawn by it. */
#ifndef COUPLET_LANG_FLOW_H
#define COUPLET_LANG_FLOW_H

#include "lang/ast.h"

/* A call of a function with its arguments. NULL is the method itself. */
typedef struct FlowFrame FlowFrame;

/* The indices that are bound around an expression, inner first. */
typedef struct FlowScope {
    const Binder *binder;
    /* The reduction that binds the index; NULL: the head of a let binds it. */
    const Expr *reduction;
    const Stmt *let;
    /* The only value of the index here: s[0] reads `let s[v] = ..` at v = 0. -1: all of its
     * range. */
    int64_t value;
    const struct FlowScope *outer;
} FlowScope;

typedef struct FlowVisit {
    const Expr *e;
    const FlowFrame *frame;
    const FlowScope *scope;
    /* True if no gradient comes here: under a stop, and in an index, a guard, a comparison or an
     * argmax. */
    bool stopped;
    const Expr *stop; /* the stop around it, or NULL */
} FlowVisit;

/* A function that is called for every expression on the way. If it returns false, what the
 * expression is made of is not visited. */
typedef bool (*FlowVisitor)(void *context, const FlowVisit *visit);

typedef struct Flow Flow;
Flow *flow_new(Arena *arena, const Method *method);
/* Walks an expression. A let that is reached twice in the same way is walked once. */
void flow_walk(Flow *flow, const Expr *e, const FlowFrame *frame, FlowVisitor visit, void *context);
/* Walks every `loss` of the method, those in phases among them, as one walk. */
void flow_walk_losses(Flow *flow, FlowVisitor visit, void *context);

/* Returns the call in the method that leads to what is visited, or NULL if it stands in the method
 * itself. */
const Expr *flow_call(const FlowVisit *visit);

/* Returns the network that a call applies (its statement; in *part the part's name for
 * encoder.trunk), or NULL if it is no application. */
const Stmt *flow_applied(const Expr *call, const char **part);

/* Calls `visit` with each statement of the method, those of its phases among them. */
void method_each_stmt(const Module *spec, void (*visit)(void *context, Stmt *s), void *context);

/* The value of a scalar that depends on nothing but hypers and the run, such as a schedule at a
 * step. */
typedef struct FlowClock {
    double step;
    double steps;
} FlowClock;
bool flow_number(const Expr *e, const FlowFrame *frame, const FlowClock *clock, double *value);

#endif
