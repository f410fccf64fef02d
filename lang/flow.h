/* What a value is made of: a walk against the stream, from the loss through lets and calls to views, networks and memory. It is how the
 * checker finds edges of the method's picture (a gradient into a target, a branch nobody uses), and how the picture is drawn. */
#ifndef COUPLET_LANG_FLOW_H
#define COUPLET_LANG_FLOW_H

#include "lang/ast.h"

/* A call of a function: what its parameters are. NULL is the method itself. */
typedef struct FlowFrame FlowFrame;

/* The indices that are bound around an expression, inner first. */
typedef struct FlowScope {
    const Binder *binder;
    const Expr *reduction; /* which binds it, or NULL for the head of a let */
    const Stmt *let;
    int64_t value; /* the one value that it has here (s[0] reads `let s[v] = ..` at v = 0); -1: all of its range */
    const struct FlowScope *outer;
} FlowScope;

typedef struct FlowVisit {
    const Expr *e;
    const FlowFrame *frame;
    const FlowScope *scope;
    bool stopped;     /* no gradient comes here: under a stop, in an index, a guard, a comparison or an argmax */
    const Expr *stop; /* the stop it is under, or NULL */
} FlowVisit;

/* Called for every expression on the way; false: what it is made of is not visited. */
typedef bool (*FlowVisitor)(void *context, const FlowVisit *visit);

typedef struct Flow Flow;
Flow *flow_new(Arena *arena, const Method *method);
/* A let that is reached twice in the same way is walked once. */
void flow_walk(Flow *flow, const Expr *e, const FlowFrame *frame, FlowVisitor visit, void *context);
/* The same for every `loss` of the method, those in phases among them, as one walk. */
void flow_walk_losses(Flow *flow, FlowVisitor visit, void *context);

/* The network that a call applies (its statement; the part's name for encoder.trunk in *part), or NULL when it is no application. */
const Stmt *flow_applied(const Expr *call, const char **part);

/* Calls `visit` with each statement of the method, those of its phases among them. */
void method_each_stmt(const Module *spec, void (*visit)(void *context, Stmt *s), void *context);

/* Values of scalars that depend on nothing but hypers and the run: a schedule at a step. */
typedef struct FlowClock {
    double step, steps;
} FlowClock;
bool flow_number(const Expr *e, const FlowFrame *frame, const FlowClock *clock, double *value);

#endif
