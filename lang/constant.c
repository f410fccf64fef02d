/* Numbers that are known while a file is checked: literals, `pi`, hypers as they are set, lets of
 * these, and arithmetic on them. */
#include "lang/check.h"

#include <math.h>
#include <string.h>

static bool known(Expr *e, double value) {
    e->is_constant = true;
    e->constant = value;
    return true;
}

static void fold_name(Expr *e) {
    const Symbol *s = e->symbol;
    const Expr *value = NULL;
    if (s->kind == SYMBOL_BUILTIN && strcmp(s->name, "pi") == 0)
        e->is_named = known(e, 3.14159265358979323846);
    if (s->kind == SYMBOL_HYPER && s->param) value = s->param->value;
    if (s->kind == SYMBOL_LET && s->stmt && s->stmt->kind == STMT_LET && !s->stmt->scan &&
        s->stmt->binder_count == 0)
        value = s->stmt->value;
    if (!value || !value->is_constant) return;
    known(e, value->constant);
    e->is_tunable = s->kind == SYMBOL_HYPER || value->is_tunable;
    e->is_named = s->kind == SYMBOL_LET || value->is_named;
}

static void fold_binary(Expr *e) {
    const double a = e->args[0]->constant, b = e->args[1]->constant;
    switch (e->op) {
    case OP_ADD:
        known(e, a + b);
        return;
    case OP_SUB:
        known(e, a - b);
        return;
    case OP_MUL:
        known(e, a * b);
        return;
    case OP_DIV:
        known(e, a / b);
        return;
    case OP_FLOORDIV:
        known(e, floor(a / b));
        return;
    case OP_MOD:
        known(e, a - b * floor(a / b));
        return;
    case OP_POW:
        known(e, pow(a, b));
        return;
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE:
    case OP_EQ:
    case OP_NE:
    case OP_AND:
    case OP_OR:
    case OP_NEG:
    case OP_NOT:
        return;
    }
}

static const struct {
    const char *name;
    double (*of)(double);
} functions[] = {{"exp", exp},   {"log", log},  {"log1p", log1p}, {"expm1", expm1},
                 {"sqrt", sqrt}, {"abs", fabs}, {"floor", floor}, {"ceil", ceil}};

static void fold_call(Expr *e, const char *name) {
    for (size_t i = 0; e->arg_count == 1 && i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, name) == 0) known(e, functions[i].of(e->args[0]->constant));
    if (e->arg_count != 2) return;
    if (strcmp(name, "min") == 0) known(e, fmin(e->args[0]->constant, e->args[1]->constant));
    if (strcmp(name, "max") == 0) known(e, fmax(e->args[0]->constant, e->args[1]->constant));
}

/* ---- what has no value ----------------------------------------------------------------------- */

static const char *shown(Check *c, const Expr *e) {
    const char *text = arena_printf(c->arena, "%.6g", e->constant);
    if (e->kind == EXPR_NUMBER || (e->kind == EXPR_UNARY && e->args[0]->kind == EXPR_NUMBER))
        return text;
    return arena_printf(c->arena, "`%.*s`, which is %s,", e->span.end - e->span.begin,
                        e->span.source->text + e->span.begin, text);
}

/* Reports an operation on constants that has no value. Where a choice decides whether the operation
 * is done at all, hypers may be what it decides by. */
static void find_nonsense(Check *c, Expr *e) {
    const Expr *last = e->arg_count ? e->args[e->arg_count - 1] : NULL;
    if (!last || !last->is_constant || (c->in_choice && last->is_tunable)) return;
    if (e->kind == EXPR_BINARY && last->constant == 0) {
        if (e->op == OP_DIV)
            diag_report(c->diag, CODE_NO_VALUE, last->span, "a division by %s has no value",
                        shown(c, last));
        else if (e->op == OP_MOD || e->op == OP_FLOORDIV)
            diag_report(c->diag, CODE_NO_VALUE, last->span, "`%s` by %s has no value",
                        e->op == OP_MOD ? "mod" : "div", shown(c, last));
    }
    if (e->kind == EXPR_BINARY && e->op == OP_POW && e->args[0]->is_constant &&
        !isfinite(pow(e->args[0]->constant, last->constant)))
        diag_report(c->diag, CODE_NO_VALUE, e->span, "%s to the power of %s has no finite value",
                    shown(c, e->args[0]), shown(c, last));
    if (e->kind != EXPR_CALL || e->arg_count != 1) return;
    const char *name = e->callee->name;
    if (strcmp(name, "log") == 0 && last->constant <= 0)
        diag_report(c->diag, CODE_NO_VALUE, last->span, "`log` of %s has no finite value",
                    shown(c, last));
    if (strcmp(name, "log1p") == 0 && last->constant <= -1)
        diag_report(c->diag, CODE_NO_VALUE, last->span, "`log1p` of %s has no finite value",
                    shown(c, last));
    if (strcmp(name, "sqrt") == 0 && last->constant < 0)
        diag_report(c->diag, CODE_NO_VALUE, last->span, "`sqrt` of %s is no real number",
                    shown(c, last));
}

void constant_find(Check *c, Expr *e) {
    e->is_constant = e->is_tunable = e->is_named = false;
    if (e->kind == EXPR_NUMBER) known(e, e->number);
    if (e->kind == EXPR_NAME && e->symbol) fold_name(e);
    const bool builtin =
        e->kind == EXPR_CALL && e->callee->symbol && e->callee->symbol->kind == SYMBOL_BUILTIN;
    if (e->kind != EXPR_UNARY && e->kind != EXPR_BINARY && !builtin) return;
    find_nonsense(c, e);
    for (int i = 0; i < e->arg_count; i++) {
        if (!e->args[i]->is_constant) return;
        e->is_tunable |= e->args[i]->is_tunable;
        e->is_named |= e->args[i]->is_named;
    }
    if (e->kind == EXPR_UNARY && e->op == OP_NEG) known(e, -e->args[0]->constant);
    if (e->kind == EXPR_BINARY) fold_binary(e);
    if (builtin) fold_call(e, e->callee->name);
    /* said already, or too large to know */
    if (e->is_constant && !isfinite(e->constant)) e->is_constant = false;
}
