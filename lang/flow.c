/* The walk from an expression back to everything that it is made of, through lets, calls, views and
 * scans.
 *
 * A let that two formulas name is walked once for each way in which it is reached. A way is the
 * frame of the call, the one row that is read if it is known (s[0] of `let s[v] = ..`), and whether
 * a gradient comes along. If ways were not remembered, the walk would take exponential time. If the
 * row did not count, a symmetric loss would look as if each branch fed both views.
 *
 * The second half evaluates scalars that depend on hypers and the clock alone: schedules and
 * rates. */
#include "lang/flow.h"
#include "lang/constant.h"

#include <math.h>
#include <string.h>

struct FlowFrame {
    const Stmt *fn;
    const Expr *call;
    const FlowFrame *caller; /* the frame in which the call with its arguments stands */
    FlowFrame *next;         /* another frame of the same call, in another caller */
};

/* A way in which a let, a function, a view or an argument was reached. */
typedef struct Reached {
    struct Reached *next;
    const FlowFrame *frame;
    bool stopped;
    bool under_stop;
    int64_t row;
} Reached;

struct Flow {
    Arena *arena;
    const Method *method;
    Map frames;  /* by call: the list of its frames, each with another caller */
    Map reached; /* by let, function, view or argument: the list of ways that were walked */
    FlowVisitor visit;
    void *context;
};

/* The state of the walk at an expression. */
typedef struct State {
    const FlowFrame *frame;
    const FlowScope *scope;
    bool stopped;
    const Expr *stop;
    /* The one entry of the first axis that is read of the array at hand, or -1 if all entries
     * are. */
    int64_t row;
} State;

static void walk(Flow *f, const Expr *e, State at);

Flow *flow_new(Arena *arena, const Method *method) {
    Flow *f = arena_new_of(arena, Flow);
    f->arena = arena;
    f->method = method;
    return f;
}

/* True if a part was not reached in this way before. The way is noted. */
static bool first_time(Flow *f, const void *what, const State *at) {
    Reached *others = map_get(&f->reached, what);
    for (const Reached *r = others; r; r = r->next) {
        const bool same = r->frame == at->frame && r->stopped == at->stopped &&
                          r->under_stop == (at->stop != NULL) && r->row == at->row;
        if (same) return false;
    }
    Reached *r = arena_new_of(f->arena, Reached);
    *r = (Reached){others, at->frame, at->stopped, at->stop != NULL, at->row};
    map_put(f->arena, &f->reached, what, r);
    return true;
}

/* Returns the frame of a call in a caller. There is one frame for each such pair, so that frames
 * can be compared by their addresses. */
static const FlowFrame *enter(Flow *f, const Stmt *fn, const Expr *call, const FlowFrame *caller) {
    FlowFrame *others = map_get(&f->frames, call);
    for (const FlowFrame *frame = others; frame; frame = frame->next)
        if (frame->caller == caller) return frame;
    FlowFrame *frame = arena_new_of(f->arena, FlowFrame);
    *frame = (FlowFrame){fn, call, caller, others};
    map_put(f->arena, &f->frames, call, frame);
    return frame;
}

/* Returns the scope with these indices inside. `row` is the only value of the first index, or
 * -1. */
static const FlowScope *open_scope(Flow *f, const FlowScope *outer, Binder *const *binders,
                                   int count, const Expr *reduction, const Stmt *let, int64_t row) {
    for (int i = 0; i < count; i++) {
        FlowScope *scope = arena_new_of(f->arena, FlowScope);
        *scope = (FlowScope){binders[i], reduction, let, i == 0 ? row : -1, outer};
        outer = scope;
    }
    return outer;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Returns the innermost frame whose function has the parameter, with the parameter's number in
 * *position. NULL if there is none. */
static const FlowFrame *frame_with_param(const FlowFrame *frame, const Param *param,
                                         int *position) {
    for (; frame; frame = frame->caller)
        for (int i = 0; i < frame->fn->param_count; i++)
            if (&frame->fn->params[i] == param) {
                *position = i;
                return frame;
            }
    return NULL;
}

/* Returns the argument that a call gives for a parameter: by name, by position, or its default,
 * which is NULL if there is none. */
static const Expr *argument_of(const FlowFrame *frame, int position) {
    const Expr *call = frame->call;
    const Param *param = &frame->fn->params[position];
    int place = 0;
    for (int i = 0; i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        if (name ? strcmp(name, param->name) == 0 : place++ == position) return call->args[i];
    }
    return param->value;
}

/* True if a statement, or the carry of a scan, stands in the body or in a block inside it. */
static bool body_holds(Stmt *const *body, int count, const Stmt *s) {
    for (int i = 0; i < count; i++) {
        if (body[i] == s) return true;
        for (int k = 0; k < body[i]->carry_count; k++)
            if (body[i]->carry[k] == s) return true;
        if (body_holds(body[i]->body, body[i]->body_count, s) ||
            body_holds(body[i]->otherwise, body[i]->otherwise_count, s))
            return true;
    }
    return false;
}

/* Returns the frame in whose function the let stands: the frame itself, or that of a caller if the
 * function stands inside another one. NULL for a let of the method. */
static const FlowFrame *frame_of_let(const FlowFrame *frame, const Stmt *let) {
    for (; frame; frame = frame->caller)
        if (body_holds(frame->fn->body, frame->fn->body_count, let)) return frame;
    return NULL;
}

/* Walks the value of a let. For a carry of a scan, its values in later rounds are walked too. */
static void walk_let(Flow *f, const Stmt *let, State at) {
    at.frame = frame_of_let(at.frame, let);
    if (!first_time(f, let, &at)) return;
    at.scope = open_scope(f, NULL, let->binders, let->binder_count, NULL, let, at.row);
    if (let->binder_count) at.row = -1;
    walk(f, let->value, at);
    const Stmt *scan = let->scan;
    for (int i = 0; scan && i < scan->body_count; i++) {
        const Stmt *next = scan->body[i];
        if (next->kind != STMT_NEXT || strcmp(next->name, let->name) != 0) continue;
        at.scope =
            open_scope(f, open_scope(f, NULL, scan->binders, scan->binder_count, NULL, scan, -1),
                       next->binders, next->binder_count, NULL, next, -1);
        walk(f, next->value, at);
    }
}

/* Walks the computed arrays that a view reads. Its draws and fields do not count, since every view
 * has some. */
static void walk_view(Flow *f, const Stmt *view, State at) {
    at.frame = NULL;
    at.scope = NULL;
    at.row = -1;
    if (!first_time(f, view, &at)) return;
    for (int i = 0; i < view->reads.count; i++)
        walk(f, view->reads.items[i], at);
}

/* Goes on from a name to its let or view, or to the argument that is given for a parameter. */
static void walk_name(Flow *f, const Expr *e, State at) {
    const Symbol *s = e->symbol;
    if (s && s->kind == SYMBOL_LET && s->stmt) walk_let(f, s->stmt, at);
    if (s && s->kind == SYMBOL_VIEW && s->stmt && s->stmt->reads.count) walk_view(f, s->stmt, at);
    int position;
    const FlowFrame *frame =
        s && s->kind == SYMBOL_ARGUMENT ? frame_with_param(at.frame, s->param, &position) : NULL;
    if (!frame) return;
    const Expr *given = argument_of(frame, position);
    at.frame = frame->caller;
    at.scope = NULL;
    if (given && first_time(f, given, &at)) walk(f, given, at);
}

/* ---- calls ----------------------------------------------------------------------------------- */

/* Returns the value that a function gives, or NULL if it lacks one. */
static const Expr *returned_of(const Stmt *fn) {
    for (int i = 0; i < fn->body_count; i++)
        if (fn->body[i]->kind == STMT_RETURN) return fn->body[i]->value;
    return fn->value;
}

/* Returns the array of a `concat` that has the row which is read, and makes *row the row inside it.
 * Returns NULL if that is not known. */
static const Expr *piece_with(const Expr *concat, int64_t *row) {
    int64_t before = 0;
    for (int i = 0; i < concat->arg_count; i++) {
        const Type *type = concat->args[i]->type;
        int64_t extent;
        /* With `axis = ..` the arrays are joined along another axis. */
        if (concat->arg_names && concat->arg_names[i]) return NULL;
        if (!type || type->rank < 1 || !dim_eval(type->dims[0], NULL, NULL, &extent)) return NULL;
        if (*row < before + extent) {
            *row -= before;
            return concat->args[i];
        }
        before += extent;
    }
    return NULL;
}

static void walk_args(Flow *f, const Expr *e, State at) {
    for (int i = 0; i < e->arg_count; i++)
        walk(f, e->args[i], at);
}

static void walk_call(Flow *f, const Expr *e, State at) {
    const Symbol *s = e->callee->symbol;
    bool function = s && (s->kind == SYMBOL_FN || s->kind == SYMBOL_LET_FN) && s->stmt;
    if (!function) {
        static const char *const without_slope[] = {"floor", "ceil", "round", "range", "filled"};
        for (size_t i = 0;
             s && s->kind == SYMBOL_BUILTIN && i < sizeof without_slope / sizeof *without_slope;
             i++)
            at.stopped |= strcmp(without_slope[i], s->name) == 0;
        const bool keeps_rows = s && s->kind == SYMBOL_BUILTIN && strcmp(s->name, "normalise") == 0;
        const bool joins = s && s->kind == SYMBOL_BUILTIN && strcmp(s->name, "concat") == 0;
        const Expr *piece = joins && at.row >= 0 ? piece_with(e, &at.row) : NULL;
        if (!keeps_rows && !piece) at.row = -1;
        if (piece)
            walk(f, piece, at);
        else
            walk_args(f, e, at);
        return;
    }
    /* The walk goes into the body and from there to the arguments that it uses. An argument that
     * the body does not use is no part of the value. */
    at.frame = enter(f, s->stmt, e, at.frame);
    if (first_time(f, s->stmt, &at) && returned_of(s->stmt)) {
        walk(f, returned_of(s->stmt), at);
    }
}

const Expr *flow_call(const FlowVisit *visit) {
    const FlowFrame *frame = visit->frame;
    while (frame && frame->caller)
        frame = frame->caller;
    return frame ? frame->call : NULL;
}

const Stmt *flow_applied(const Expr *call, const char **part) {
    *part = NULL;
    if (call->kind != EXPR_CALL || !call->callee->type || call->callee->type->kind != KIND_NET ||
        !call->type || call->type->kind == KIND_NET)
        return NULL;
    const Symbol *s = call->callee->symbol;
    if (s && s->kind == SYMBOL_NET_PART) *part = s->name;
    return s ? s->stmt : NULL;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static void walk_reduce(Flow *f, const Expr *e, State at) {
    at.scope = open_scope(f, at.scope, e->binders, e->binder_count, e, NULL, -1);
    State still = at;
    still.stopped = true;
    if (e->guard) walk(f, e->guard, still);
    walk_args(f, e, reduce_rows[e->reduce].has_slope ? at : still);
}

/* Returns the row that an index reads, if it is a number or a bound index with one value here, or
 * -1. */
static int64_t row_of(const Expr *index, const FlowScope *scope) {
    int64_t row;
    if (index->kind == EXPR_NUMBER) return whole_of(index->number, &row) ? row : -1;
    const Binder *binder =
        index->kind == EXPR_NAME && index->symbol && index->symbol->kind == SYMBOL_INDEX
            ? index->symbol->binder
            : NULL;
    for (; scope && binder; scope = scope->outer)
        if (scope->binder == binder) return scope->value;
    return -1;
}

/* True if a row of the expression is made of the same row of its operands. Calls are decided by
 * walk_call. */
static bool is_by_element(const Expr *e) {
    return e->kind == EXPR_NAME || e->kind == EXPR_CALL || e->kind == EXPR_STOP ||
           e->kind == EXPR_UNARY || e->kind == EXPR_BINARY;
}

static void walk(Flow *f, const Expr *e, State at) {
    if (!e) return;
    if (!is_by_element(e)) at.row = -1;
    const FlowVisit visit = {e, at.frame, at.scope, at.stopped, at.stop};
    if (!f->visit(f->context, &visit)) return;
    State still = at;
    still.stopped = true;
    switch (e->kind) {
    case EXPR_NAME:
        walk_name(f, e, at);
        break;
    case EXPR_CALL:
        walk_call(f, e, at);
        break;
    case EXPR_REDUCE:
        walk_reduce(f, e, at);
        break;
    case EXPR_INDEX:
        at.row = e->arg_count ? row_of(e->args[0], at.scope) : -1;
        walk(f, e->callee, at);
        walk_args(f, e, still);
        break;
    case EXPR_IF:
        walk(f, e->args[0], still);
        walk(f, e->args[1], at);
        walk(f, e->args[2], at);
        break;
    case EXPR_STOP:
        still.stop = e;
        walk_args(f, e, still);
        break;
    case EXPR_BINARY:
        walk_args(f, e, e->op >= OP_LT && e->op <= OP_NE ? still : at);
        break;
    case EXPR_MEMBER:
        break; /* nothing is below a field, a column or a part */
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_BOOL:
    case EXPR_UNARY:
    case EXPR_DEFAULT:
    case EXPR_COPY:
    case EXPR_RANGE:
    case EXPR_COMPOSE:
        walk_args(f, e, at);
        break;
    }
}

void flow_walk(Flow *f, const Expr *e, const FlowFrame *frame, FlowVisitor visit, void *context) {
    f->reached = (Map){0};
    f->visit = visit;
    f->context = context;
    walk(f, e, (State){.frame = frame, .row = -1});
}

void method_each_stmt(const Module *spec, void (*visit)(void *context, Stmt *s), void *context) {
    for (int i = 0; i < spec->stmt_count; i++) {
        Stmt *s = spec->stmts[i];
        visit(context, s);
        if (s->kind != STMT_WHEN) continue;
        const Module body = {.stmts = s->body, .stmt_count = s->body_count};
        const Module otherwise = {.stmts = s->otherwise, .stmt_count = s->otherwise_count};
        method_each_stmt(&body, visit, context);
        method_each_stmt(&otherwise, visit, context);
    }
}

static void walk_loss(void *context, Stmt *s) {
    if (s->kind == STMT_LOSS) walk(context, s->value, (State){.row = -1});
}

void flow_walk_losses(Flow *f, FlowVisitor visit, void *context) {
    f->reached = (Map){0};
    f->visit = visit;
    f->context = context;
    method_each_stmt(f->method->spec, walk_loss, f);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static bool number_of_builtin(const char *name, const FlowClock *clock, double *value) {
    if (strcmp(name, "pi") == 0)
        *value = acos(-1);
    else if (strcmp(name, "step") == 0)
        *value = clock->step;
    else if (strcmp(name, "steps") == 0)
        *value = clock->steps;
    else
        return false;
    return true;
}

static bool number_of_name(const Expr *e, const FlowFrame *frame, const FlowClock *clock,
                           double *value) {
    const Symbol *s = e->symbol;
    if (!s) return false;
    if (s->kind == SYMBOL_HYPER)
        return s->param && s->param->value && flow_number(s->param->value, NULL, clock, value);
    if (s->kind == SYMBOL_LET)
        return s->stmt && !s->stmt->binder_count && !s->stmt->scan &&
               flow_number(s->stmt->value, frame_of_let(frame, s->stmt), clock, value);
    if (s->kind == SYMBOL_ARGUMENT) {
        int position;
        const FlowFrame *owner = frame_with_param(frame, s->param, &position);
        const Expr *given = owner ? argument_of(owner, position) : NULL;
        return given && flow_number(given, owner->caller, clock, value);
    }
    return s->kind == SYMBOL_BUILTIN && number_of_builtin(s->name, clock, value);
}

/* Evaluates a call of a function, or of a built-in of one or two numbers. */
static bool number_of_call(const Expr *e, const FlowFrame *frame, const FlowClock *clock,
                           double *value) {
    const Symbol *s = e->callee->symbol;
    if (!s) return false;
    if (s->kind == SYMBOL_FN && s->stmt) {
        const FlowFrame inside = {.fn = s->stmt, .call = e, .caller = frame};
        const Expr *result = returned_of(s->stmt);
        return result && flow_number(result, &inside, clock, value);
    }
    enum { MOST = 2 };
    double args[MOST];
    if (s->kind != SYMBOL_BUILTIN || e->arg_count > MOST) return false;
    for (int i = 0; i < e->arg_count; i++)
        if (!flow_number(e->args[i], frame, clock, &args[i])) return false;
    return constant_of_function(s->name, e->arg_count, args, value);
}

/* True for the operators that schedules are made of. */
static bool is_of_schedules(Operator op) {
    return op == OP_ADD || op == OP_SUB || op == OP_MUL || op == OP_DIV || op == OP_POW;
}

bool flow_number(const Expr *e, const FlowFrame *frame, const FlowClock *clock, double *value) {
    double a;
    double b = 0;
    if (e->kind == EXPR_NUMBER) {
        *value = e->number;
        return true;
    }
    if (e->kind == EXPR_NAME) return number_of_name(e, frame, clock, value);
    if (e->kind == EXPR_CALL) return number_of_call(e, frame, clock, value);
    const bool is_binary = e->kind == EXPR_BINARY && is_of_schedules(e->op);
    const bool is_negation = e->kind == EXPR_UNARY && e->op == OP_NEG;
    if ((!is_binary && !is_negation) || !flow_number(e->args[0], frame, clock, &a)) return false;
    if (is_binary && !flow_number(e->args[1], frame, clock, &b)) return false;
    *value = constant_of_operator(e->op, a, b);
    return e->op != OP_DIV || b != 0;
}
