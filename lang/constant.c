/* Finds numbers that are known while a file is checked: literals, `pi`, hypers as they are set,
 * lets of these, and arithmetic on them. */
#include "lang/constant.h"

#include "lang/check.h"

#include <math.h>
#include <string.h>

/* Notes the value of an expression. Returns true. */
static bool known(Expr *e, double value) {
    e->is_constant = true;
    e->constant = value;
    return true;
}

/* Notes the value of a name. An array and the carry of a scan have none. */
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

double constant_of_operator(Operator op, double a, double b) {
    switch (op) {
    case OP_ADD:
        return a + b;
    case OP_SUB:
        return a - b;
    case OP_MUL:
        return a * b;
    case OP_DIV:
        return a / b;
    case OP_FLOORDIV:
        return floor(a / b);
    case OP_MOD:
        return a - b * floor(a / b);
    case OP_POW:
        return pow(a, b);
    case OP_LT:
        return a < b;
    case OP_LE:
        return a <= b;
    case OP_GT:
        return a > b;
    case OP_GE:
        return a >= b;
    case OP_EQ:
        return a == b;
    case OP_NE:
        return a != b;
    case OP_AND:
        return a != 0 && b != 0;
    case OP_OR:
        return a != 0 || b != 0;
    case OP_NEG:
        return -a;
    case OP_NOT:
        return a == 0;
    }
    return 0;
}

/* These give the smaller and the larger number. If one of both is NaN, the result is NaN. */
static double smaller_number(double a, double b) {
    return isnan(a) || a <= b ? a : b;
}
static double larger(double a, double b) {
    return isnan(a) || a >= b ? a : b;
}

bool constant_of_function(const char *name, int count, const double *args, double *out) {
    static const struct {
        const char *name;
        double (*one)(double), (*two)(double, double);
    } functions[] = {{"exp", exp, NULL},     {"log", log, NULL},   {"log1p", log1p, NULL},
                     {"expm1", expm1, NULL}, {"sqrt", sqrt, NULL}, {"abs", fabs, NULL},
                     {"floor", floor, NULL}, {"ceil", ceil, NULL}, {"cos", cos, NULL},
                     {"sin", sin, NULL},     {"tanh", tanh, NULL}, {"min", NULL, smaller_number},
                     {"max", NULL, larger}};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(functions[i].name, name) != 0 || count != (functions[i].two ? 2 : 1)) continue;
        *out = functions[i].two ? functions[i].two(args[0], args[1]) : functions[i].one(args[0]);
        return true;
    }
    return false;
}

/* True for an operator whose result is a number and no truth value. */
static bool gives_number(Operator op) {
    return op == OP_ADD || op == OP_SUB || op == OP_MUL || op == OP_DIV || op == OP_FLOORDIV ||
           op == OP_MOD || op == OP_POW;
}

static void fold_binary(Expr *e) {
    if (gives_number(e->op))
        known(e, constant_of_operator(e->op, e->args[0]->constant, e->args[1]->constant));
}

static void fold_call(Expr *e, const char *name) {
    enum { MOST = 2 };
    double args[MOST];
    double value;
    for (int i = 0; i < e->arg_count && i < MOST; i++)
        args[i] = e->args[i]->constant;
    if (constant_of_function(name, e->arg_count, args, &value)) {
        known(e, value);
    }
}

/* ---- operations without a value -------------------------------------------------------------- */

/* Returns a constant for a message: a written number alone, and any other expression with its
 * value. */
static const char *shown(Check *c, const Expr *e) {
    const char *text = arena_printf(c->arena, "%.6g", e->constant);
    if (e->kind == EXPR_NUMBER || (e->kind == EXPR_UNARY && e->args[0]->kind == EXPR_NUMBER))
        return text;
    return arena_printf(c->arena, "`%.*s`, which is %s,", e->span.end - e->span.begin,
                        e->span.source->text + e->span.begin, text);
}

/* Reports an operation on constants that has no value. If a hyper is in an operand, a condition
 * around the operation, or around a call of the body in which it stands, may exclude just that
 * value of the hyper. */
static void report_no_value(Check *c, Span span, bool is_tunable, const char *sentence) {
    if (is_tunable)
        check_doubt(c, (Doubt){.code = CODE_NO_VALUE, .span = span, .sentence = sentence});
    else
        diag_report(c->diag, CODE_NO_VALUE, span, "%s", sentence);
}

/* Looks for a binary operation on constants that has no value. */
static void find_nonsense_of_operator(Check *c, const Expr *e, const Expr *last) {
    const Expr *first = e->args[0];
    if (last->constant == 0 && e->op == OP_DIV)
        report_no_value(c, last->span, last->is_tunable,
                        arena_printf(c->arena, "a division by %s has no value", shown(c, last)));
    if (last->constant == 0 && (e->op == OP_MOD || e->op == OP_FLOORDIV))
        report_no_value(c, last->span, last->is_tunable,
                        arena_printf(c->arena, "`%s` by %s has no value",
                                     e->op == OP_MOD ? "mod" : "div", shown(c, last)));
    if (e->op == OP_POW && first->is_constant && !isfinite(pow(first->constant, last->constant)))
        report_no_value(c, e->span, first->is_tunable || last->is_tunable,
                        arena_printf(c->arena, "%s to the power of %s has no finite value",
                                     shown(c, first), shown(c, last)));
}

/* Looks for an operation on constants that has no value. */
static void find_nonsense(Check *c, Expr *e) {
    const Expr *last = e->arg_count ? e->args[e->arg_count - 1] : NULL;
    if (!last || !last->is_constant) return;
    if (e->kind == EXPR_BINARY) find_nonsense_of_operator(c, e, last);
    if (e->kind != EXPR_CALL || e->arg_count != 1) return;
    const char *name = e->callee->name;
    const bool is_log = strcmp(name, "log") == 0 && last->constant <= 0;
    const bool is_log1p = strcmp(name, "log1p") == 0 && last->constant <= -1;
    if (is_log || is_log1p)
        report_no_value(
            c, last->span, last->is_tunable,
            arena_printf(c->arena, "`%s` of %s has no finite value", name, shown(c, last)));
    if (strcmp(name, "sqrt") == 0 && last->constant < 0)
        report_no_value(c, last->span, last->is_tunable,
                        arena_printf(c->arena, "`sqrt` of %s is no real number", shown(c, last)));
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
    /* An infinite value was reported, or is too large to be known. */
    if (e->is_constant && !isfinite(e->constant)) {
        e->is_constant = false;
    }
}
