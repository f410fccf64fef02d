/* Checks that need the whole method. They find gradients into a target, rates out of range, what
 * nothing uses, what a queue holds before it is filled, and whether anything keeps features from
 * becoming one constant.
 *
 * All of them but the unused names are walks of lang/flow.h from the loss back to the views.
 * Collapse cannot be decided exactly, so it is a warning: one thing that may separate features
 * (negatives, a batch statistic, a stop, memory, labels, a margin) is enough to say nothing. */
#include "lang/edges.h"

#include "lang/ast_walk.h"
#include "lang/compared.h"
#include "lang/flow.h"

#include <string.h>

typedef struct Edges {
    Arena *arena;
    Diag *diag;
    const Method *method;
    Flow *flow;
} Edges;

/* ---- statements ------------------------------------------------------------------------------ */

/* The search for the first statement of a kind, with this target if `symbol` is not NULL. */
typedef struct Search {
    StmtKind kind;
    const Symbol *symbol;
    const Stmt *found;
} Search;

static void match_stmt(void *context, Stmt *s) {
    Search *search = context;
    if (!search->found && s->kind == search->kind &&
        (!search->symbol || s->targets[0]->symbol == search->symbol))
        search->found = s;
}

static const Stmt *find_stmt(const Method *method, StmtKind kind, const Symbol *target) {
    Search search = {kind, target, NULL};
    method_each_stmt(method->spec, match_stmt, &search);
    return search.found;
}

/* ---- the gradient ---------------------------------------------------------------------------- */

/* Reports a gradient into the target of an ema edge. Wherever the loss applies the target, there
 * must be a stop. */
static bool find_leak(void *context, const FlowVisit *v) {
    Edges *e = context;
    const Symbol *callee = v->e->kind == EXPR_CALL ? v->e->callee->symbol : NULL;
    /* A call of an unknown name may be meant to stop the gradient, so the walk ends there. */
    if (v->e->kind == EXPR_CALL && !callee) return false;
    const Stmt *edge = callee && callee->kind == SYMBOL_NET && !v->stopped
                           ? find_stmt(e->method, STMT_EMA, callee)
                           : NULL;
    /* An edge from a network to itself was refused before. */
    if (!edge || edge->source->symbol == callee) return true;
    diag_report(
        e->diag, CODE_EMA_GRADIENT, v->e->span,
        "the gradient of the loss reaches `%s`, which an ema edge moves and no gradient should",
        callee->name);
    diag_note(e->diag, edge->span, "the ema edge is here");
    diag_suggest(e->diag, "write `stop(%.*s)`", v->e->span.end - v->e->span.begin,
                 v->e->span.source->text + v->e->span.begin);
    return true;
}

static void check_leaks(void *context, Stmt *s) {
    Edges *e = context;
    if (s->kind == STMT_LOSS && s->target_count == 0)
        flow_walk(e->flow, s->value, NULL, find_leak, e);
}

/* ---- rates ----------------------------------------------------------------------------------- */

/* True if a schedule leaves 0 .. 1 in a run of so many steps: at its start, in the middle or at its
 * end. Sets *value to the rate there. */
static bool is_outside(const Expr *rate, double steps, double *value) {
    const double times[] = {0, 0.5 * steps, steps - 1};
    for (int i = 0; i < 3; i++) {
        const FlowClock clock = {times[i], steps};
        if (flow_number(rate, NULL, &clock, value) && (*value < -1e-9 || *value > 1 + 1e-9))
            return true;
    }
    return false;
}

/* Reports a rate that leaves 0 .. 1. The length of the run is not known here, so only a rate that
 * does so in a short run and in a long one is reported. */
static void check_rate(void *context, Stmt *s) {
    Edges *e = context;
    double value;
    double other;
    if (s->kind != STMT_EMA || !is_outside(s->value, 1e5, &other) ||
        !is_outside(s->value, 1e3, &value))
        return;
    bool literal = s->value->kind == EXPR_NUMBER;
    diag_report(e->diag, CODE_EMA_RATE, s->value->span,
                literal ? "the rate of an ema edge lies in 0 .. 1, and this is %g"
                        : "the rate of an ema edge lies in 0 .. 1, and this reaches %g",
                value);
    if (value > 1 && value <= 100)
        diag_suggest(e->diag, "%s",
                     "the rate is the part of the target that stays: 0.99, not 99 and not 0.01");
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* The search for reads of a queue, and for the guard `filled` that leaves out unpushed rows. */
typedef struct QueueReads {
    Edges *edges;
    const Stmt *queue;
    const Expr *read;
    const Expr *guard;
} QueueReads;

/* True if the read array starts as 0. Rows of reals start as random unit vectors, but labels and
 * numbers start as 0, which looks like an ordinary label. */
static bool starts_as_nothing(const Expr *read) {
    const Type *t = read->type;
    return t && (t->kind == KIND_INT || t->kind == KIND_BOOL || t->rank == 1);
}

static bool find_queue_reads(void *context, const FlowVisit *v) {
    QueueReads *reads = context;
    const Symbol *s = v->e->symbol;
    const Symbol *callee = v->e->kind == EXPR_CALL ? v->e->callee->symbol : NULL;
    if (callee && callee->kind == SYMBOL_BUILTIN && strcmp(callee->name, "filled") == 0) {
        if (v->e->args[0]->symbol && v->e->args[0]->symbol->stmt == reads->queue)
            reads->guard = v->e;
        return false;
    }
    bool queue =
        s && (s->kind == SYMBOL_QUEUE || s->kind == SYMBOL_COLUMN) && s->stmt == reads->queue;
    if (queue && !reads->read && starts_as_nothing(v->e)) {
        reads->read = v->e;
    }
    return true;
}

static void check_queue_reads(void *context, Stmt *s) {
    Edges *e = context;
    if (s->kind != STMT_QUEUE) return;
    QueueReads reads = {e, s, NULL, NULL};
    flow_walk_losses(e->flow, find_queue_reads, &reads);
    if (!reads.read || reads.guard) return;
    diag_report(e->diag, CODE_QUEUE_UNFILLED, reads.read->span,
                "until the queue `%s` is full, this reads rows that nobody pushed: %s", s->name,
                reads.read->type->kind == KIND_INT ? "their label is 0, like that of a class"
                                                   : "they hold 0");
    diag_note(e->diag, s->name_span, "the queue is declared here");
    diag_suggest(e->diag, "leave them out with the guard `filled(%s, j)`", s->name);
}

/* ---- what nothing uses ----------------------------------------------------------------------- */

static void warn_unused(Edges *e, const Symbol *symbol, Span span, const char *what) {
    if (symbol && !symbol->used)
        diag_report(e->diag, CODE_UNUSED, span, "nothing uses the %s `%s`", what, symbol->name);
}

static void warn_unused_params(Edges *e, const Stmt *s, const char *what) {
    for (int i = 0; i < s->param_count; i++)
        warn_unused(e, s->params[i].symbol, s->params[i].span, what);
}

static void check_use(void *context, Stmt *s) {
    Edges *e = context;
    if (s->kind == STMT_VIEW) warn_unused_params(e, s, "view");
    if (s->kind == STMT_HYPER) warn_unused_params(e, s, "hyper");
    if (s->kind == STMT_DRAW) warn_unused_params(e, s, "draw");
    if (s->kind == STMT_NET && !s->has_config) warn_unused(e, s->symbol, s->name_span, "network");
    if (s->kind == STMT_LET && !s->is_function) warn_unused(e, s->symbol, s->name_span, "value");
    if (s->kind == STMT_QUEUE) warn_unused(e, s->symbol, s->name_span, "queue");
}

/* Warns of unused values inside functions and nets. Branches of `when` are no bodies in this sense,
 * since method_each_stmt visits their statements. */
static void check_use_in_bodies(Edges *e) {
    for (int i = 0; i < e->method->spec->stmt_count; i++) {
        const Stmt *s = e->method->spec->stmts[i];
        for (int k = 0; s->kind != STMT_WHEN && k < s->body_count; k++)
            if (s->body[k]->kind == STMT_LET || s->body[k]->kind == STMT_DRAW)
                check_use(e, s->body[k]);
    }
}

/* ---- collapse -------------------------------------------------------------------------------- */

/* The search for places where an index runs over samples. `depth` counts the lets on the way. */
typedef struct Occurrences {
    const Binder *binder;
    bool found;
    int depth;
} Occurrences;

static bool ranges_over_samples(const Binder *binder, const Expr *const *within, int count,
                                int depth);

/* Returns the binder whose index an expression is, or NULL. For the index that softmax keeps, this
 * is the binder outside. */
static const Binder *binder_of(const Expr *e) {
    const Binder *b = e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_INDEX
                          ? e->symbol->binder
                          : NULL;
    return b && b->same ? b->same : b;
}

/* Looks for x[i, ..]. If x is defined by its elements, the index in the head of its let decides
 * whether i runs over samples. Else the first axis of an array of rows is that of the samples. */
static bool find_occurrence(void *context, Expr *e) {
    Occurrences *o = context;
    if (e->kind != EXPR_INDEX || o->found) return !o->found;
    const Symbol *s = e->callee->symbol;
    const Stmt *let = s && s->kind == SYMBOL_LET ? s->stmt : NULL;
    for (int k = 0; k < e->arg_count; k++) {
        if (binder_of(e->args[k]) != o->binder) continue;
        if (let && let->binder_count > k)
            o->found |= ranges_over_samples(let->binders[k], (const Expr *const *)&let->value, 1,
                                            o->depth + 1);
        else
            o->found |= k == 0 && e->callee->type && e->callee->type->rank >= 2;
    }
    return true;
}

/* True if an index runs over samples in one of the expressions. Lets are followed 16 deep. */
static bool ranges_over_samples(const Binder *binder, const Expr *const *within, int count,
                                int depth) {
    Occurrences o = {binder, false, depth};
    for (int i = 0; depth < 16 && i < count; i++)
        ast_walk_expr((Expr *)within[i], find_occurrence, &o);
    return o.found;
}

/* Counts the indices of a reduction that run over samples. */
static int sample_binders(const Expr *reduction) {
    int count = 0;
    const Expr *const within[] = {reduction->arg_count ? reduction->args[0] : NULL,
                                  reduction->guard};
    for (int i = 0; i < reduction->binder_count; i++)
        count += ranges_over_samples(reduction->binders[i], within, 2, 0);
    return count;
}

/* Notes a reduction over samples. Under another index of samples, or with two of its own, it
 * compares samples, so it has pairs. Else it is a statistic over the batch. */
static void judge_reduction(Separation *s, const FlowVisit *v) {
    int samples = sample_binders(v->e);
    if (samples > 1) s->pairs = v->e;
    if (samples == 0 || !v->scope) return;
    const FlowScope *outer = v->scope;
    const Expr *within = outer->reduction                  ? outer->reduction->args[0]
                         : outer->let && outer->let->value ? outer->let->value
                                                           : NULL;
    if (within && ranges_over_samples(outer->binder, &within, 1, 0))
        s->pairs = v->e;
    else
        s->statistic = v->e;
}

/* True for z[(i + 1) mod N] with N = 1. It means the row of another sample, and there is none. */
static bool reads_itself(const Expr *e) {
    int64_t rows;
    return e->args[0]->kind == EXPR_BINARY &&
           dim_eval(e->callee->type->dims[0], NULL, NULL, &rows) && rows == 1;
}

/* True for u[pos(i)] or z[(i + 1) mod N], the row of another sample. */
static bool reads_another(const Expr *e) {
    if (e->kind != EXPR_INDEX || e->arg_count == 0 || !e->callee->type || e->callee->type->rank < 2)
        return false;
    return e->args[0]->kind == EXPR_BINARY || e->args[0]->kind == EXPR_CALL ||
           e->args[0]->kind == EXPR_INDEX;
}

/* True for max(0, near - far + margin), which keeps samples at a distance. */
static bool is_margin(const Expr *e) {
    const Symbol *s = e->kind == EXPR_CALL ? e->callee->symbol : NULL;
    return s && s->kind == SYMBOL_BUILTIN &&
           (strcmp(s->name, "max") == 0 || strcmp(s->name, "relu") == 0);
}

static bool find_separation(void *context, const FlowVisit *v) {
    Separation *s = context;
    const char *part;
    const Expr *e = v->e;
    if (e->kind == EXPR_STOP) s->stop = e;
    if (e->kind == EXPR_REDUCE) judge_reduction(s, v);
    if (reads_another(e) || is_margin(e)) s->other = e;
    if (reads_another(e) && reads_itself(e)) s->itself = e;
    if (e->symbol) {
        SymbolKind kind = e->symbol->kind;
        if (kind == SYMBOL_QUEUE || kind == SYMBOL_COLUMN || kind == SYMBOL_STATE) s->memory = e;
        if (kind == SYMBOL_FIELD) s->label = e;
        if (kind == SYMBOL_DRAW) s->other = e;
    }
    if (!v->stopped && flow_applied(e, &part)) s->applied = e;
    return true;
}

/* Finds an image beside the result of a network, as in an autoencoder. No one constant is close to
 * all images, so this separates. */
static bool find_target(void *context, const FlowVisit *v) {
    Separation *s = context;
    const char *part;
    if (flow_applied(v->e, &part)) return false;
    if (v->e->symbol && v->e->symbol->kind == SYMBOL_VIEW) s->other = v->e;
    return true;
}

Separation method_separation(Arena *arena, const Method *method) {
    Separation s = {0};
    flow_walk_losses(flow_new(arena, method), find_separation, &s);
    flow_walk_losses(flow_new(arena, method), find_target, &s);
    return s;
}

Separation edges_separation(Arena *arena, const Method *method, const Stmt *loss) {
    Separation s = {0};
    flow_walk(flow_new(arena, method), loss->value, NULL, find_separation, &s);
    return s;
}

static void check_collapse(Edges *e) {
    Separation s = method_separation(e->arena, e->method);
    if (!s.applied || s.stop || s.pairs || s.statistic || s.memory || s.label || s.other) return;
    const Stmt *loss = find_stmt(e->method, STMT_LOSS, NULL);
    diag_report(e->diag, CODE_COLLAPSE, loss->span,
                "nothing here keeps features of different images apart: one constant vector for "
                "all of them makes this loss smallest");
    diag_suggest(e->diag, "%s",
                 "add negatives (a sum over other samples), a predictor with `stop` on the other "
                 "branch, or statistics over the batch");
}

void check_edges(Arena *arena, Diag *diag, const Method *method) {
    Edges e = {arena, diag, method, flow_new(arena, method)};
    method_each_stmt(method->spec, check_leaks, &e);
    method_each_stmt(method->spec, check_rate, &e);
    /* The rest is for methods without errors: a statement with an error may be the one that would
     * have used a value, stopped a gradient or separated the features. */
    if (diag_error_count(diag)) return;
    check_use_in_bodies(&e);
    if (!find_stmt(method, STMT_LOSS, NULL)) return;
    method_each_stmt(method->spec, check_queue_reads, &e);
    method_each_stmt(method->spec, check_use, &e);
    check_collapse(&e);
    check_compared(arena, diag, method);
}
