/* Finds the dimension that an expression is: a polynomial in sizes that are known now or once the
 * data is. */
#include "lang/check.h"

#include <math.h>
#include <string.h>

/* True if a quotient, a remainder, a minimum or a maximum is in the dimension. Its value is not
 * known before its sizes are numbers, so it may equal a dimension of another form. */
static bool is_opaque(const Dim *d) {
    switch (d->kind) {
    case DIM_CONST:
    case DIM_NAME:
        return false;
    case DIM_ADD:
    case DIM_MUL:
        return is_opaque(d->a) || is_opaque(d->b);
    case DIM_CEIL_DIV:
    case DIM_FLOOR_DIV:
    case DIM_MOD:
    case DIM_MIN:
    case DIM_MAX:
        return true;
    }
    return false;
}

bool dim_may_be_equal(Check *c, Dim *a, Dim *b) {
    if (a == b) return true;
    if (!is_opaque(a) && !is_opaque(b)) return false;
    return dim_make(c->dims, DIM_ADD, a, dim_make(c->dims, DIM_MUL, dim_const(c->dims, -1), b))
               ->kind != DIM_CONST;
}

/* Returns the dimension of a name: the value of a hyper, the rows of a source, or the name itself
 * if it is a dimension or a number of a signature. NULL for other names. */
static Dim *dim_of_name(Check *c, const Expr *e) {
    Symbol *s = e->symbol ? e->symbol : scope_find(c->at.scope, e->name);
    if (!s) return NULL;
    if (s->kind == SYMBOL_HYPER && s->param && s->param->value) return dim_of(c, s->param->value);
    if (s->kind == SYMBOL_DATA && s->stmt && s->stmt->data)
        return dim_const(c->dims, source_rows(c, s->stmt->data, e->span));
    const bool is_number =
        s->kind == SYMBOL_DIMENSION || s->kind == SYMBOL_CONFIG ||
        (s->kind == SYMBOL_ARGUMENT && s->type && s->type->rank == 0 && type_is_numeric(s->type));
    return is_number ? dim_name(c->dims, s) : NULL;
}

static Dim *dim_of_pair(Check *c, DimKind kind, const Expr *first, const Expr *second) {
    Dim *a = dim_of(c, first);
    Dim *b = dim_of(c, second);
    return a && b ? dim_make(c->dims, kind, a, b) : NULL;
}

static Dim *dim_of_binary(Check *c, const Expr *e) {
    const Expr *a = e->args[0];
    const Expr *b = e->args[1];
    if (e->op == OP_ADD) return dim_of_pair(c, DIM_ADD, a, b);
    if (e->op == OP_MUL) return dim_of_pair(c, DIM_MUL, a, b);
    if (e->op == OP_FLOORDIV) return dim_of_pair(c, DIM_FLOOR_DIV, a, b);
    if (e->op == OP_MOD) return dim_of_pair(c, DIM_MOD, a, b);
    if (e->op != OP_SUB) return NULL;
    Dim *from = dim_of(c, a);
    Dim *less = dim_of(c, b);
    if (!from || !less) return NULL;
    Dim *negative = dim_make(c->dims, DIM_MUL, dim_const(c->dims, -1), less);
    return dim_make(c->dims, DIM_ADD, from, negative);
}

/* Returns the dimension of `ceil(a / b)`, `floor(a / b)`, `min(a, b)` or `max(a, b)`, or NULL. Ceil
 * and floor of anything but a quotient are their argument, which is a whole number. */
static Dim *dim_of_call(Check *c, const Expr *e) {
    if (e->callee->kind != EXPR_NAME || e->arg_count < 1) return NULL;
    const char *name = e->callee->name;
    const Expr *first = e->args[0];
    const bool is_ceil = strcmp(name, "ceil") == 0;
    const bool is_min = strcmp(name, "min") == 0;
    if (is_ceil || strcmp(name, "floor") == 0) {
        if (first->kind != EXPR_BINARY || first->op != OP_DIV) return dim_of(c, first);
        return dim_of_pair(c, is_ceil ? DIM_CEIL_DIV : DIM_FLOOR_DIV, first->args[0],
                           first->args[1]);
    }
    if (e->arg_count != 2 || (!is_min && strcmp(name, "max") != 0)) return NULL;
    return dim_of_pair(c, is_min ? DIM_MIN : DIM_MAX, first, e->args[1]);
}

Dim *dim_of(Check *c, const Expr *e) {
    if (e->kind == EXPR_NUMBER)
        return e->number == floor(e->number) && fabs(e->number) <= MOST_WHOLE
                   ? dim_const(c->dims, (int64_t)e->number)
                   : NULL;
    if (e->kind == EXPR_NAME) return dim_of_name(c, e);
    if (e->kind == EXPR_BINARY) return dim_of_binary(c, e);
    return e->kind == EXPR_CALL ? dim_of_call(c, e) : NULL;
}

void dim_report_fault(Check *c, Span span) {
    switch (dim_fault(c->dims)) {
    case DIM_FINE:
        break;
    case DIM_OVERFLOW:
        diag_report(c->diag, CODE_DIMENSION_RANGE, span, "a dimension here goes beyond 64 bits");
        break;
    case DIM_TOO_LONG:
        diag_report(c->diag, CODE_DIMENSION_RANGE, span,
                    "a dimension here, multiplied out, has more than %d terms or factors",
                    MOST_DIMENSION_TERMS);
        break;
    }
}
