/* Finds the types of expressions, and reports operands that do not go together. */
#include "lang/check.h"

bool type_same_shape(const Type *a, const Type *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

bool type_is_numeric(const Type *t) {
    return t->kind == KIND_REAL || t->kind == KIND_INT || t->kind == KIND_ANY_SHAPE;
}

/* Returns the type of an operation on two sides, with elements of this kind, or poison after a
 * message. A number goes with an array of any shape. */
static Type *join_types(Check *c, Expr *e, Type *a, Type *b, TypeKind kind) {
    if (a->kind == KIND_ANY_SHAPE || b->kind == KIND_ANY_SHAPE)
        return type_make(c, KIND_ANY_SHAPE, 0, NULL);
    if (a->rank && b->rank && !type_same_shape(a, b)) {
        diag_report(c->diag, CODE_SHAPES_DIFFER, e->span,
                    "the two sides differ in shape: %s and %s", type_text(c->arena, a),
                    type_text(c->arena, b));
        diag_note(c->diag, e->args[0]->span, "this is %s", type_text(c->arena, a));
        diag_note(c->diag, e->args[1]->span, "this is %s", type_text(c->arena, b));
        const bool matrices =
            e->op == OP_MUL && a->rank == 2 && b->rank == 2 && a->dims[1] == b->dims[0];
        if (matrices)
            diag_suggest(
                c->diag,
                "a product of matrices is its formula: `let z[i, j] = sum[k] x[i, k] * y[k, j]`");
        else
            diag_suggest(c->diag,
                         "only a number goes with an array of any shape; where rows or columns "
                         "repeat, write the elements: `let y[i, d] = a[i, d] + b[d]`");
        return type_poison(c);
    }
    const Type *shaped = a->rank ? a : b;
    return type_make(c, kind, shaped->rank, shaped->dims);
}

static Type *check_binary(Check *c, Expr *e) {
    Type *a = check_expr(c, e->args[0]);
    Type *b = check_expr(c, e->args[1]);
    if (type_is_poison(a) || type_is_poison(b)) return type_poison(c);
    bool logic = e->op == OP_AND || e->op == OP_OR;
    bool compare = e->op >= OP_LT && e->op <= OP_NE;
    bool equality = e->op == OP_EQ || e->op == OP_NE;
    for (int i = 0; i < 2; i++) {
        Type *t = i ? b : a;
        bool fits =
            logic ? t->kind == KIND_BOOL : type_is_numeric(t) || (equality && t->kind == KIND_BOOL);
        if (fits) continue;
        diag_report(c->diag, logic ? CODE_NEEDS_CONDITION : CODE_NEEDS_NUMBER, e->args[i]->span,
                    logic ? "`and` and `or` join conditions, and this is %s"
                          : "a number is needed here, and this is %s",
                    type_text(c->arena, t));
        if (t->kind == KIND_BOOL)
            diag_suggest(
                c->diag, "%s",
                "real(condition) is 1 or 0; a guard leaves terms out: `sum[i | condition] ..`");
        return type_poison(c);
    }
    if (equality && (a->kind == KIND_BOOL) != (b->kind == KIND_BOOL)) {
        diag_report(c->diag, CODE_CONDITION_AND_NUMBER, e->span,
                    "a condition and a number cannot be compared: %s and %s",
                    type_text(c->arena, a), type_text(c->arena, b));
        return type_poison(c);
    }
    if (logic || compare) return join_types(c, e, a, b, KIND_BOOL);
    bool both_int = a->kind == KIND_INT && b->kind == KIND_INT;
    bool whole = both_int && e->op != OP_DIV && e->op != OP_POW;
    return join_types(c, e, a, b, whole ? KIND_INT : KIND_REAL);
}

/* True if an arm of `if` is made of numbers or conditions. False after a message. */
static bool check_arm(Check *c, const Expr *arm) {
    if (type_is_numeric(arm->type) || arm->type->kind == KIND_BOOL) return true;
    diag_report(c->diag, CODE_NEEDS_NUMBER, arm->span,
                "the arms of `if` are numbers or conditions, and this is %s",
                type_text(c->arena, arm->type));
    return false;
}

static Type *check_if(Check *c, Expr *e) {
    Type *t = check_expr(c, e->args[0]);
    const bool was_choice = c->at.in_choice;
    c->at.in_choice = true;
    Type *a = check_expr(c, e->args[1]);
    Type *b = check_expr(c, e->args[2]);
    c->at.in_choice = was_choice;
    if (type_is_poison(t) || type_is_poison(a) || type_is_poison(b)) return type_poison(c);
    if (t->kind != KIND_BOOL) {
        diag_report(c->diag, CODE_NEEDS_CONDITION, e->args[0]->span,
                    "`if` needs a condition, and this is %s", type_text(c->arena, t));
        return type_poison(c);
    }
    if (!check_arm(c, e->args[1]) || !check_arm(c, e->args[2])) return type_poison(c);
    if (a->kind == KIND_BOOL && b->kind == KIND_BOOL) return a;
    if (a->kind == KIND_BOOL || b->kind == KIND_BOOL) {
        diag_report(c->diag, CODE_CONDITION_AND_NUMBER, e->args[2]->span,
                    "one arm of `if` is %s and the other %s", type_text(c->arena, a),
                    type_text(c->arena, b));
        diag_suggest(c->diag, "`real(..)` makes 1 and 0 of a condition");
        return type_poison(c);
    }
    /* join_types takes the two sides from args[0] and args[1], where `if` has its condition. */
    Expr sides = *e;
    sides.args = e->args + 1;
    return join_types(c, &sides, a, b,
                      a->kind == KIND_INT && b->kind == KIND_INT ? KIND_INT : KIND_REAL);
}

static Type *check_compose(Check *c, Expr *e) {
    for (int i = 0; i < e->arg_count; i++) {
        Type *t = check_expr(c, e->args[i]);
        if (t->kind == KIND_FN) check_part_of_chain(c, e->args[i]);
        if (type_is_poison(t) || t->kind == KIND_NET || t->kind == KIND_FN) continue;
        diag_report(c->diag, CODE_NOT_A_NETWORK, e->args[i]->span,
                    "only networks and functions are composed with `>>`; this is %s",
                    type_text(c->arena, t));
    }
    return type_make(c, KIND_NET, 0, NULL);
}

static Type *check_unary(Check *c, Expr *e) {
    Type *t = check_expr(c, e->args[0]);
    if (type_is_poison(t)) return t;
    if (e->op == OP_NOT ? t->kind == KIND_BOOL : type_is_numeric(t)) return t;
    diag_report(c->diag, CODE_NEEDS_CONDITION, e->args[0]->span,
                e->op == OP_NOT ? "`not` needs a condition, and this is %s"
                                : "a number is needed after the minus, and this is %s",
                type_text(c->arena, t));
    return type_poison(c);
}

static Type *check_copy(Check *c, Expr *e) {
    Type *t = check_expr(c, e->args[0]);
    if (!type_is_poison(t) && t->kind != KIND_NET)
        diag_report(c->diag, CODE_NOT_A_NETWORK, e->span, "`copy` copies a network; this is %s",
                    type_text(c->arena, t));
    return type_make(c, KIND_NET, 0, NULL);
}

/* Checks `(x[..] else E)` and `(sum[..] .. else E)`. */
static Type *check_default(Check *c, Expr *e) {
    Expr *given = e->args[0];
    Expr *instead = e->args[1];
    const bool was_default = c->at.in_default;
    c->at.in_default = given->kind == EXPR_INDEX;
    Type *t = check_expr(c, given);
    c->at.in_default = was_default;
    Type *other = check_expr(c, instead);
    if (given->kind != EXPR_INDEX && given->kind != EXPR_REDUCE) {
        diag_report(c->diag, CODE_ELSE_PLACE, given->span,
                    "only a read `x[..]` or a reduction can have a value for `else`");
        return type_poison(c);
    }
    if (type_is_poison(t) || type_is_poison(other)) return type_poison(c);
    if (given->kind == EXPR_REDUCE && t->kind == KIND_INT && other->kind == KIND_REAL)
        t = type_make(c, KIND_REAL, 0, NULL);
    const bool fits = other->kind == t->kind || (t->kind == KIND_REAL && type_is_numeric(other));
    if (other->rank == 0 && fits) return t;
    diag_report(c->diag, CODE_ELSE_PLACE, instead->span,
                "the value for `else` is %s, and takes the place of %s", type_text(c->arena, other),
                type_text(c->arena, type_make(c, t->kind, 0, NULL)));
    return type_poison(c);
}

static Type *infer(Check *c, Expr *e) {
    switch (e->kind) {
    case EXPR_NUMBER:
        return type_make(c, e->is_integer ? KIND_INT : KIND_REAL, 0, NULL);
    case EXPR_STRING:
        return type_make(c, KIND_STRING, 0, NULL);
    case EXPR_RANGE:
        diag_report(c->diag, CODE_SYNTAX, e->span,
                    "a range is the value of `part` of a data source, and of nothing else");
        return type_poison(c);
    case EXPR_BOOL:
        return type_make(c, KIND_BOOL, 0, NULL);
    case EXPR_NAME:
        return check_name(c, e);
    case EXPR_MEMBER:
        return check_member(c, e);
    case EXPR_CALL:
        return check_call(c, e);
    case EXPR_INDEX:
        return check_index(c, e);
    case EXPR_BINARY:
        return check_binary(c, e);
    case EXPR_REDUCE:
        return check_reduce(c, e);
    case EXPR_IF:
        return check_if(c, e);
    case EXPR_COMPOSE:
        return check_compose(c, e);
    case EXPR_STOP:
        return check_expr(c, e->args[0]);
    case EXPR_COPY:
        return check_copy(c, e);
    case EXPR_UNARY:
        return check_unary(c, e);
    case EXPR_DEFAULT:
        return check_default(c, e);
    }
    return type_poison(c);
}

Span call_argument_span(const Expr *call, int at) {
    return call->arg_names && call->arg_names[at] ? call->arg_spans[at] : call->args[at]->span;
}

Type *check_expr(Check *c, Expr *e) {
    /* The limit is twice the depth that one expression may have, because the body of a function is
     * checked in the middle of the expression that calls it first. */
    if (c->nested == 2 * MOST_NESTED_TERMS) {
        diag_report(c->diag, CODE_TOO_DEEP, e->span,
                    "with those of the functions called, expressions nest deeper than %d here",
                    2 * MOST_NESTED_TERMS);
        return e->type = type_poison(c);
    }
    c->nested++;
    e->type = infer(c, e);
    c->nested--;
    c->at.untyped += type_is_poison(e->type) && diag_error_count(c->diag) > 0;
    dim_report_fault(c, e->span);
    constant_find(c, e);
    return e->type;
}
