/* Builders of the syntax tree. Each action of the grammar is a call of such a function. */
#include "lang/ast_build.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOPE_no,
    SLOPE_yes,
};

const ReduceRow reduce_rows[REDUCE_KINDS] = {
#define REDUCTION(text, name, takes, gives, slope, least, ...)                                     \
    {#text, REDUCE_TAKES_##takes, REDUCE_GIVES_##gives, SLOPE_##slope, least},
#include "lang/reductions.def"
#undef REDUCTION
};

/* Returns the span from the beginning of `a` to the end of `b`. */
static Span ast_span(Span a, Span b) {
    if (b.end > a.end) a.end = b.end;
    return a;
}

void parser_too_deep(Parser *p, Span span, const char *what) {
    if (p->is_too_deep) return;
    p->is_too_deep = true;
    bool brackets = strcmp(what, "brackets") == 0;
    diag_report(p->diag, CODE_TOO_DEEP, span, "%s nest deeper than %d here", what,
                brackets ? MOST_NESTED_BRACKETS : MOST_NESTED_TERMS);
    diag_suggest(
        p->diag, "%s",
        "name parts of it: `let a = ..`; a sum over many alike is a reduction, `sum[i] x[i]`");
}

Expr *ast_expr(Parser *p, ExprKind kind, Span span) {
    Expr *e = arena_new_of(p->arena, Expr);
    e->kind = kind;
    e->span = span;
    e->depth = 1;
    return e;
}

/* Counts a part into the depth of an expression. The depth has a limit because every walk over
 * expressions is recursive. */
static void nest(Parser *p, Expr *e, const Expr *part) {
    if (!part || part->depth < e->depth) return;
    e->depth = part->depth + 1;
    if (e->depth > MOST_NESTED_TERMS) {
        parser_too_deep(p, e->span, "expressions");
    }
}

/* Returns the bytes of a unit, as in 512MiB, or 1 for no unit. */
static double unit_of(const char *unit) {
    return *unit == 'K' ? 0x1p10 : *unit == 'M' ? 0x1p20 : *unit == 'G' ? 0x1p30 : 1;
}

/* Reports a number that would silently become another one: 1e400, for instance, would be
 * infinity. */
static void refuse_range(Parser *p, Expr *e, bool is_zero) {
    if (e->is_integer && e->number > MOST_WHOLE) {
        diag_report(p->diag, CODE_NUMBER_RANGE, e->span,
                    "a whole number is at most 2^53 - 1 = %.0f", MOST_WHOLE);
        diag_suggest(p->diag, "%s", "with a point or an exponent it is a real: `1e20`");
    } else if (!e->is_integer && e->number > MOST_REAL) {
        diag_report(p->diag, CODE_NUMBER_RANGE, e->span,
                    "a real is at most 3.4e38, the largest number of float32");
    } else if (!e->is_integer && !is_zero && e->number < LEAST_REAL) {
        diag_report(p->diag, CODE_NUMBER_RANGE, e->span,
                    "a real that is not 0 is at least 1.4e-45, the smallest number of float32");
    } else {
        return;
    }
    e->number = 1; /* a number of 1 causes no further errors, which would say nothing new */
}

Expr *ast_number(Parser *p, Span span) {
    Expr *e = ast_expr(p, EXPR_NUMBER, span);
    const char *text =
        arena_strndup(p->arena, p->source->text + span.begin, (size_t)(span.end - span.begin));
    char *unit;
    e->number = strtod(text, &unit);
    bool is_zero = strspn(text, "0.") == strcspn(text, "eE");
    e->is_integer = strpbrk(text, ".eE") == NULL || *unit;
    e->number *= unit_of(unit);
    if (*unit) e->number = floor(e->number);
    refuse_range(p, e, is_zero);
    return e;
}

Expr *ast_name(Parser *p, const char *name, Span span) {
    Expr *e = ast_expr(p, EXPR_NAME, span);
    e->name = name;
    return e;
}

static void set_args(Parser *p, Expr *e, Expr *const *args, int count) {
    e->args = arena_array(p->arena, Expr *, count ? count : 1);
    for (int i = 0; i < count; i++) {
        e->args[i] = args[i];
        nest(p, e, args[i]);
    }
    e->arg_count = count;
}

Expr *ast_unary(Parser *p, Operator op, Expr *a, Span span) {
    Expr *e = ast_expr(p, EXPR_UNARY, ast_span(span, a->span));
    e->op = op;
    set_args(p, e, &a, 1);
    return e;
}

Expr *ast_binary(Parser *p, Operator op, Expr *a, Expr *b) {
    Expr *e = ast_expr(p, EXPR_BINARY, ast_span(a->span, b->span));
    e->op = op;
    Expr *args[2] = {a, b};
    set_args(p, e, args, 2);
    return e;
}

Expr *ast_member(Parser *p, Expr *base, const char *name, Span span) {
    Expr *e = ast_expr(p, EXPR_MEMBER, ast_span(base->span, span));
    e->name = name;
    set_args(p, e, &base, 1);
    return e;
}

/* Takes a list as arguments. Names are kept only if one of the arguments has a name. */
static void take_list(Parser *p, Expr *e, const ExprListBox *list) {
    if (!list) {
        set_args(p, e, NULL, 0);
        return;
    }
    set_args(p, e, list->exprs.items, list->exprs.count);
    for (int i = 0; i < list->names.count; i++)
        if (list->names.items[i]) {
            e->arg_names = list->names.items;
            e->arg_spans = list->spans.items;
        }
}

Expr *ast_call(Parser *p, ExprKind kind, Expr *callee, ExprListBox *args, Span span) {
    Expr *e = ast_expr(p, kind, ast_span(callee->span, span));
    e->callee = callee;
    nest(p, e, callee);
    take_list(p, e, args);
    return e;
}

Expr *ast_nary(Parser *p, ExprKind kind, ExprListBox *args, Span span) {
    Expr *e = ast_expr(p, kind, span);
    take_list(p, e, args);
    return e;
}

Expr *ast_reduce(Parser *p, ReduceKind reduce, BinderList *binders, Expr *guard, Expr *body,
                 Span span) {
    Expr *e = ast_expr(p, EXPR_REDUCE, body ? ast_span(span, body->span) : span);
    e->reduce = reduce;
    e->binders = binders->items;
    e->binder_count = binders->count;
    e->guard = guard;
    nest(p, e, guard);
    for (int i = 0; i < binders->count; i++)
        nest(p, e, binders->items[i]->bound);
    set_args(p, e, &body, body ? 1 : 0);
    return e;
}

ExprListBox *ast_named(Parser *p, ExprListBox *list, const char *name, Span name_span, Expr *expr) {
    if (!list) list = arena_new_of(p->arena, ExprListBox);
    array_push(p->arena, &list->exprs, expr);
    array_push(p->arena, &list->names, name);
    array_push(p->arena, &list->spans, name_span);
    return list;
}

ExprListBox *ast_list(Parser *p, ExprListBox *list, const char *name, Expr *expr) {
    return ast_named(p, list, name, expr->span, expr);
}

BinderList *ast_binders(Parser *p, BinderList *list, const char *name, Expr *bound, Span span) {
    if (!list) list = arena_new_of(p->arena, BinderList);
    Binder *binder = arena_new_of(p->arena, Binder);
    binder->name = name;
    binder->bound = bound;
    binder->span = span;
    array_push(p->arena, list, binder);
    return list;
}

ParamList *ast_params(Parser *p, ParamList *list, Param param) {
    if (!list) list = arena_new_of(p->arena, ParamList);
    array_push(p->arena, &list->items, param);
    return list;
}

StmtList *ast_stmts(Parser *p, StmtList *list, StmtList *more) {
    if (!list) list = arena_new_of(p->arena, StmtList);
    for (int i = 0; more && i < more->count; i++)
        array_push(p->arena, list, more->items[i]);
    return list;
}

StmtList *ast_one(Parser *p, Stmt *stmt) {
    StmtList *list = arena_new_of(p->arena, StmtList);
    array_push(p->arena, list, stmt);
    return list;
}

Stmt *ast_stmt(Parser *p, StmtKind kind, Span span) {
    Stmt *s = arena_new_of(p->arena, Stmt);
    s->kind = kind;
    s->span = s->name_span = span;
    return s;
}

StmtList *ast_as(StmtKind kind, StmtList *lets) {
    for (int i = 0; i < lets->count; i++)
        lets->items[i]->kind = kind;
    return lets;
}

Stmt *ast_eval(Parser *p, Span span) {
    return ast_stmt(p, STMT_EVAL, span);
}

Stmt *ast_eval_every(Parser *p, Stmt *eval, const Stmt *cadence) {
    if (!cadence) return eval;
    Expr *once = ast_expr(p, EXPR_NUMBER, cadence->span);
    once->number = 1;
    once->is_integer = true;
    eval->value = cadence->value ? cadence->value : once;
    eval->of_steps = cadence->of_steps;
    return eval;
}

Stmt *ast_eval_line(Parser *p, Stmt *eval, const ExprListBox *calls, const StmtList *stmts) {
    ARRAY(Expr *) targets = {eval->targets, eval->target_count, eval->target_count};
    ARRAY(Stmt *) body = {eval->body, eval->body_count, eval->body_count};
    for (int i = 0; calls && i < calls->exprs.count; i++)
        array_push(p->arena, &targets, calls->exprs.items[i]);
    for (int i = 0; stmts && i < stmts->count; i++)
        array_push(p->arena, &body, stmts->items[i]);
    eval->targets = targets.items;
    eval->target_count = targets.count;
    eval->body = body.items;
    eval->body_count = body.count;
    return eval;
}

Stmt *ast_scan(Parser *p, BinderList *round, const StmtList *carry, const StmtList *body,
               Span span) {
    Stmt *s = ast_stmt(p, STMT_SCAN, span);
    s->binders = round->items;
    s->binder_count = round->count;
    s->carry = carry->items;
    s->carry_count = carry->count;
    s->body = body->items;
    s->body_count = body->count;
    for (int i = 0; i < s->carry_count; i++)
        s->carry[i]->scan = s;
    return s;
}

void ast_set_params(Stmt *stmt, const ParamList *params) {
    stmt->has_params = true;
    if (!params) return;
    stmt->params = params->items.items;
    stmt->param_count = params->items.count;
}

void ast_set_config(Stmt *stmt, const ParamList *params) {
    stmt->has_config = true;
    if (!params) return;
    stmt->config = params->items.items;
    stmt->config_count = params->items.count;
}

void ast_set_body(Stmt *stmt, Expr *value, const StmtList *body) {
    stmt->value = value;
    if (!body) return;
    stmt->body = body->items;
    stmt->body_count = body->count;
}

QueueOrder ast_order(Parser *p, const char *when, const char *what, Span span) {
    bool before = strcmp(when, "before") == 0;
    bool after = strcmp(when, "after") == 0;
    if ((before || after) && strcmp(what, "push") == 0)
        return after ? QUEUE_PUSH_FIRST : QUEUE_READ_FIRST;
    diag_report(
        p->diag, CODE_SYNTAX, span,
        "a queue is `read before push`, which it is when nothing is said, or `read after push`");
    return QUEUE_READ_FIRST;
}

Stmt *ast_ema(Parser *p, Expr *target, Expr *source, Expr *rate, Span span) {
    Stmt *s = ast_stmt(p, STMT_EMA, span);
    s->targets = ast_list(p, NULL, NULL, target)->exprs.items;
    s->target_count = 1;
    s->source = source;
    s->value = rate;
    return s;
}

void ast_with(Parser *p, Stmt *ema, const char *what, Span span) {
    if (strcmp(what, "state") != 0)
        diag_report(p->diag, CODE_SYNTAX, span,
                    "an ema edge goes `with state`, and found is `with %s`", what);
    ema->with_state = true;
}

void ast_before(Parser *p, Stmt *ema, const char *what, Span span) {
    if (strcmp(what, "forward") != 0)
        diag_report(
            p->diag, CODE_SYNTAX, span,
            "an ema edge moves after the optimiser or `before forward`, and found is `before %s`",
            what);
    ema->before_forward = true;
}

Stmt *ast_when(Parser *p, Expr *condition, StmtList *body, StmtList *otherwise, Span span) {
    Stmt *s = ast_stmt(p, STMT_WHEN, span);
    s->value = condition;
    s->body = body->items;
    s->body_count = body->count;
    if (!otherwise) return s;
    s->otherwise = otherwise->items;
    s->otherwise_count = otherwise->count;
    return s;
}

Stmt *ast_cadence(Parser *p, Expr *count, const char *what, Span what_span, Span span) {
    const bool is_one = !count || count->number == 1;
    const bool of_steps =
        count && (strcmp(what, "steps") == 0 || (is_one && strcmp(what, "step") == 0));
    const bool fits = of_steps || (count && strcmp(what, "epochs") == 0) ||
                      (is_one && strcmp(what, "epoch") == 0);
    if (!fits && count)
        diag_report(p->diag, CODE_SYNTAX, what_span,
                    "`every` counts epochs or steps, `every %.9g epochs` or `every %.9g steps`, "
                    "and found is `%s`",
                    count->number, count->number, what);
    else if (!fits)
        diag_report(p->diag, CODE_SYNTAX, what_span,
                    "`every` counts epochs or steps, `every epoch` or `every 100 steps`, and found "
                    "is `every %s`",
                    what);
    Stmt *s = ast_stmt(p, STMT_EVERY, span);
    s->value = count;
    s->of_steps = of_steps;
    return s;
}

Stmt *ast_every(Parser *p, Expr *count, const char *what, Span what_span, StmtList *body,
                Span span) {
    Stmt *s = ast_cadence(p, count, what, what_span, span);
    s->body = body->items;
    s->body_count = body->count;
    return s;
}

Stmt *ast_over(Parser *p, Expr *source, StmtList *body, Span span) {
    Stmt *s = ast_when(p, source, body, NULL, span);
    s->kind = STMT_OVER;
    return s;
}

const char *ast_part_text(Parser *p, const Expr *part) {
    if (part->kind != EXPR_MEMBER) return part->name;
    return arena_printf(p->arena, "%s.%s", ast_part_text(p, part->args[0]), part->name);
}

Stmt *ast_start(Parser *p, Expr *part, const char *path, Span path_span, ParamList *names,
                Span span) {
    Stmt *s = ast_stmt(p, STMT_START, span);
    s->targets = arena_array(p->arena, Expr *, 1);
    s->targets[0] = part;
    s->target_count = 1;
    s->name = ast_part_text(p, part);
    s->name_span = part->span;
    s->value = ast_expr(p, EXPR_STRING, path_span);
    s->value->text = path;
    ast_set_params(s, names);
    return s;
}

Param ast_on(Parser *p, Param setting, Expr *part) {
    ARRAY(Expr *) parts = {setting.parts, setting.part_count, setting.part_count};
    array_push(p->arena, &parts, part);
    setting.parts = parts.items;
    setting.part_count = parts.count;
    return setting;
}

/* `freeze encoder` parses as a setting with a value. The value is its first part. */
ParamList *ast_setting(Parser *p, ParamList *list, Param setting) {
    if (setting.name && strcmp(setting.name, "freeze") == 0 && setting.value) {
        setting = ast_on(p, setting, setting.value);
        setting.value = NULL;
    }
    if (setting.name) return ast_params(p, list, setting);
    Param *before = list && list->items.count ? &list->items.items[list->items.count - 1] : NULL;
    if (!before || !before->part_count) {
        diag_report(
            p->diag, CODE_SYNTAX, setting.span,
            "a setting is a name and its value, like `batch 256`; here the value is missing");
        return list;
    }
    *before = ast_on(p, *before, setting.parts[0]);
    if (setting.guard) before->guard = setting.guard;
    return list;
}
