/* Statements of a method: data, views, memory (queues, states), edges, the loss, training and evaluation. */
#include "lang/check.h"

#include <string.h>

static void check_hyper(Check *c, Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        Type *t = check_expr(c, p->value);
        if (t->kind != KIND_POISON && (t->rank || (!is_numeric(t) && t->kind != KIND_BOOL)))
            diag_report(c->diag, CODE_HYPER, p->value->span, "a hyper is a number; this is %s", type_text(c->arena, t));
        p->type = t;
        p->symbol = declare(c, SYMBOL_HYPER, p->name, p->span, s, p);
        p->symbol->type = t;
        if (!p->guard) continue;
        Type *g = check_expr(c, p->guard);
        if (g->kind != KIND_POISON && g->kind != KIND_BOOL) diag_report(c->diag, CODE_HYPER, p->guard->span, "the range of a hyper is a condition; this is %s", type_text(c->arena, g));
    }
}

static void check_queue(Check *c, Stmt *s) {
    Type *rows = shape_type(c, KIND_REAL, s->dims, s->dim_count);
    s->symbol = declare(c, SYMBOL_QUEUE, s->name, s->name_span, s, NULL);
    s->symbol->type = rows;
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        Type *value = check_expr(c, p->value);
        Dim *dims[MAX_RANK] = {rows->rank ? rows->dims[0] : NULL};
        Type *row = shape_type(c, KIND_REAL, p->dims, p->dim_count);
        for (int d = 0; d < row->rank && d + 1 < MAX_RANK; d++) dims[d + 1] = row->dims[d];
        p->type = rows->rank ? type_make(c, value->kind == KIND_INT ? KIND_INT : KIND_REAL, row->rank + 1, dims) : type_poison(c);
        p->symbol = arena_new_of(c->arena, Symbol);
        *p->symbol = (Symbol){.kind = SYMBOL_COLUMN, .name = p->name, .span = p->span, .stmt = s, .param = p, .type = p->type};
    }
}

/* What is pushed is checked after all lets: a queue may stand before what feeds it. */
void check_push(Check *c, Stmt *s) {
    if (!s->value) return;
    Type *value = check_expr(c, s->value), *rows = s->symbol->type;
    if (value->kind == KIND_POISON || rows->kind == KIND_POISON) return;
    bool fits = value->rank == rows->rank;
    for (int i = 1; fits && i < rows->rank; i++) fits = value->dims[i] == rows->dims[i];
    if (fits) return;
    diag_report(c->diag, CODE_QUEUE_ROW, s->value->span, "what is pushed is %s", type_text(c->arena, value));
    diag_note(c->diag, s->name_span, "and the rows of the queue `%s` are those of %s", s->name, type_text(c->arena, rows));
}

enum { MOST_VIEWS = 64 };

/* `a`: [B, ..]; `g[2]`: [2, B, ..]. */
static Type *view_type(Check *c, Param *view, const Type *sample) {
    Dim *dims[MAX_RANK];
    int rank = 0;
    if (view->has_shape) {
        Type *t = check_expr(c, view->dims[0]);
        Dim *count = view->dim_count == 1 ? dim_of(c, view->dims[0]) : NULL;
        if (!count || count->kind != DIM_CONST || count->value < 1 || count->value > MOST_VIEWS) {
            if (t->kind != KIND_POISON)
                diag_report(c->diag, CODE_DIMENSION_UNKNOWN, view->span, "views along an axis have one number from 1 to %d, known at compile time: `%s[2]`", MOST_VIEWS, view->name);
            return type_poison(c);
        }
        dims[rank++] = count;
    }
    dims[rank++] = dim_const(c->dims, c->seen ? c->seen->batch : c->batch);
    for (int i = 0; i < sample->rank && rank < MAX_RANK; i++) dims[rank++] = sample->dims[i];
    return type_make(c, KIND_REAL, rank, dims);
}

static void check_view(Check *c, Stmt *s) {
    c->in_view = true;
    c->seen = NULL;
    Type *t = check_expr(c, s->value);
    c->in_view = false;
    bool good = t->kind == KIND_REAL && t->rank + 2 <= MAX_RANK;
    if (!good && t->kind != KIND_POISON)
        diag_report(c->diag, CODE_VIEW, s->value->span, "a view is an array of reals for each sample; this is %s", type_text(c->arena, t));
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        p->type = good ? view_type(c, p, t) : type_poison(c);
        p->symbol = declare(c, SYMBOL_VIEW, p->name, p->span, s, p);
        p->symbol->item = i;
        p->symbol->type = p->type;
    }
}

static void check_ema(Check *c, Stmt *s) {
    Type *rate = check_expr(c, s->value);
    Type *target = check_expr(c, s->targets[0]), *source = check_expr(c, s->source);
    if (rate->kind != KIND_POISON && (!is_numeric(rate) || rate->rank)) diag_report(c->diag, CODE_EMA_RATE, s->value->span, "the rate is a number in 0..1; this is %s", type_text(c->arena, rate));
    if (target->kind != KIND_POISON && target->kind != KIND_NET) diag_report(c->diag, CODE_EMA_ENDS, s->targets[0]->span, "an ema edge joins two networks; this is %s", type_text(c->arena, target));
    if (source->kind != KIND_POISON && source->kind != KIND_NET) diag_report(c->diag, CODE_EMA_ENDS, s->source->span, "an ema edge joins two networks; this is %s", type_text(c->arena, source));
    double value = s->value->number;
    if (s->value->kind == EXPR_NUMBER && (value < 0 || value > 1)) diag_report(c->diag, CODE_EMA_RATE, s->value->span, "the rate of an ema edge lies in 0..1, and this is %g", value);
}

/* ---- gradient into an EMA target ------------------------------------------------------------------------- */

static bool is_ema_target(const Module *spec, const Symbol *symbol) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        if (s->kind == STMT_EMA && s->targets[0]->symbol == symbol) return true;
    }
    return false;
}

static void walk_gradient(Check *c, const Module *spec, const Expr *e, int depth);

/* What a scan carries comes from its starts and from each `next`; these read the carry again, hence the mark. */
static void walk_rounds(Check *c, const Module *spec, Stmt *scan, int depth) {
    if (!scan || scan->walking) return;
    scan->walking = true;
    for (int i = 0; i < scan->carry_count; i++) walk_gradient(c, spec, scan->carry[i]->value, depth);
    for (int i = 0; i < scan->body_count; i++)
        if (scan->body[i]->kind == STMT_NEXT) walk_gradient(c, spec, scan->body[i]->value, depth);
    scan->walking = false;
}

static void walk_gradient(Check *c, const Module *spec, const Expr *e, int depth) {
    if (!e || e->kind == EXPR_STOP || depth > 64) return;
    if (e->kind == EXPR_CALL && e->callee->symbol && e->callee->symbol->kind == SYMBOL_NET && is_ema_target(spec, e->callee->symbol)) {
        diag_report(c->diag, CODE_EMA_GRADIENT, e->span, "the gradient of the loss reaches `%s`, which an ema edge moves and no gradient should", e->callee->symbol->name);
        for (int i = 0; i < spec->stmt_count; i++)
            if (spec->stmts[i]->kind == STMT_EMA && spec->stmts[i]->targets[0]->symbol == e->callee->symbol)
                diag_note(c->diag, spec->stmts[i]->span, "the ema edge is here");
        diag_suggest(c->diag, "write `stop(%.*s)`", e->span.end - e->span.begin, e->span.source->text + e->span.begin);
    }
    if (e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_LET && e->symbol->stmt) {
        walk_gradient(c, spec, e->symbol->stmt->value, depth + 1);
        walk_rounds(c, spec, e->symbol->stmt->scan, depth + 1);
    }
    if (e->callee && (e->kind == EXPR_INDEX)) walk_gradient(c, spec, e->callee, depth + 1);
    for (int i = 0; i < e->arg_count; i++) walk_gradient(c, spec, e->args[i], depth + 1);
}

Param *train_setting(Module *spec, const char *name) {
    for (int i = 0; i < spec->stmt_count; i++)
        for (int p = 0; spec->stmts[i]->kind == STMT_TRAIN && p < spec->stmts[i]->param_count; p++)
            if (strcmp(spec->stmts[i]->params[p].name, name) == 0) return &spec->stmts[i]->params[p];
    return NULL;
}

static void check_train(Check *c, Stmt *s) {
    static const char *const known[] = {"epochs", "batch", "optimiser", "seed", "clip"};
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        bool found = false;
        for (int k = 0; k < 5; k++) found |= strcmp(known[k], p->name) == 0;
        if (!found) {
            diag_report(c->diag, CODE_TRAIN_SETTING, p->span, "`train` has no setting `%s`; it has epochs, batch, optimiser, seed and clip", p->name);
            const char *near = diag_nearest(p->name, known, 5);
            if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
            continue;
        }
        Type *t = check_expr(c, p->value);
        bool optimiser = strcmp(p->name, "optimiser") == 0;
        if (t->kind == KIND_POISON || (optimiser ? t->kind == KIND_OPTIMISER : is_numeric(t))) continue;
        diag_report(c->diag, CODE_OPTIMISER, p->value->span, optimiser ? "`optimiser` needs a call of one, optim.sgd(lr = 0.1); this is %s" : "this setting is a number, and this is %s", type_text(c->arena, t));
    }
}

static void check_eval(Check *c, Stmt *s) {
    static const char *const methods[] = {"knn", "linear"};
    static const char *const options[] = {"k", "temperature", "features", "bank", "query", "decay"};
    for (int i = 0; i < s->target_count; i++) {
        Expr *call = s->targets[i];
        const char *name = call->kind == EXPR_CALL && call->callee->kind == EXPR_NAME ? call->callee->name : "";
        if (strcmp(name, "knn") != 0 && strcmp(name, "linear") != 0) {
            diag_report(c->diag, CODE_EVALUATION, call->span, "`eval` knows knn(..) and linear(..)");
            const char *near = diag_nearest(name, methods, 2);
            if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
            continue;
        }
        for (int a = 0; a < call->arg_count; a++) {
            const char *option = call->arg_names ? call->arg_names[a] : NULL;
            bool found = false;
            for (int k = 0; option && k < 6; k++) found |= strcmp(options[k], option) == 0;
            if (!found) {
                diag_report(c->diag, CODE_EVALUATION, call->args[a]->span, option ? "`%s` has no option `%s`" : "an option of `%s` needs its name: `k = 20`", name, option ? option : "");
                const char *near = option ? diag_nearest(option, options, 6) : NULL;
                if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
                continue;
            }
            check_expr(c, call->args[a]);
        }
    }
}

void check_statement(Check *c, Module *m, Stmt *s) {
    switch (s->kind) {
    case STMT_DATA: check_data(c, s); break;
    case STMT_HYPER: check_hyper(c, s); break;
    case STMT_VIEW: check_view(c, s); break;
    case STMT_LET: check_let(c, s); break;
    case STMT_PARAM: check_owned(c, s, SYMBOL_PARAM, false); break;
    case STMT_STATE: check_owned(c, s, SYMBOL_STATE, false); break;
    case STMT_DRAW: check_owned(c, s, SYMBOL_DRAW, false); break;
    case STMT_QUEUE: check_queue(c, s); break;
    case STMT_UPDATE: check_update(c, s); break;
    case STMT_EMA: check_ema(c, s); break;
    case STMT_TRAIN: check_train(c, s); break;
    case STMT_EVAL: check_eval(c, s); break;
    case STMT_NET: if (!s->has_config) check_net(c, s); break;
    case STMT_LOSS: {
        Type *t = check_expr(c, s->value);
        if (t->kind != KIND_POISON && (t->rank || !is_numeric(t))) diag_report(c->diag, CODE_LOSS_KIND, s->value->span, "a loss is one number; this is %s", type_text(c->arena, t));
        walk_gradient(c, m, s->value, 0);
        break;
    }
    case STMT_SCAN: check_scan(c, s); break;
    case STMT_NEXT: check_next(c, s); break;
    case STMT_RETURN: diag_report(c->diag, CODE_STATEMENT_PLACE, s->span, "`return` belongs into a function or a net"); break;
    default: break;
    }
}

