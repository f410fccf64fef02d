/* Evaluates the numbers that lowering must know: sizes, settings, and hypers. A hyper that stands
 * where a size is asked for is fixed by that. */
#include "compiler/lower/internal.h"

#include "lang/constant.h"

#include <string.h>

static bool clock_of_phase(const Lower *l, const Expr *e, double *out) {
    const bool is_epoch = strcmp(e->name, "epoch") == 0;
    *out = (double)(is_epoch ? l->phase->from_epoch : l->phase->from_step);
    return is_epoch || strcmp(e->name, "step") == 0;
}

static bool static_name(Lower *l, const Expr *e, double *out) {
    if (!e->symbol) return false;
    if (e->symbol->kind == SYMBOL_DATA) { /* a table as a dimension is its number of rows */
        *out = (double)e->symbol->stmt->data->rows;
        return true;
    }
    if (e->symbol->kind == SYMBOL_STAGE) {
        *out = stage_holds(l, e->symbol);
        return l->in_condition ? l->phase != NULL : stage_is_known(l);
    }
    if (l->in_condition && e->symbol->kind == SYMBOL_BUILTIN) return clock_of_phase(l, e, out);
    const Value *value = frame_find(l->frame, e->symbol);
    if (!value || !value->is_static) return false;
    lower_mark_static(l, e->symbol);
    *out = value->constant;
    return true;
}

/* True of the functions that sizes are made of. Other functions are left to the graph, which folds
 * them as float32 has them. */
static bool is_of_sizes(const char *name) {
    static const char *const names[] = {"ceil", "floor", "sqrt", "min", "max"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static bool static_call(Lower *l, const Expr *e, double *out) {
    enum { MOST = 2 };
    double args[MOST];
    const bool is_builtin = e->callee->kind == EXPR_NAME && e->callee->symbol &&
                            e->callee->symbol->kind == SYMBOL_BUILTIN;
    if (!is_builtin || !is_of_sizes(e->callee->name) || e->arg_count > MOST) return false;
    for (int i = 0; i < e->arg_count; i++)
        if (!lower_static(l, e->args[i], &args[i])) return false;
    return constant_of_function(e->callee->name, e->arg_count, args, out);
}

bool lower_static(Lower *l, const Expr *e, double *out) {
    double a = 0;
    double b = 0;
    if (e->kind == EXPR_NUMBER || e->kind == EXPR_BOOL) {
        *out = e->kind == EXPR_NUMBER ? e->number : e->boolean;
        return true;
    }
    if (e->kind == EXPR_NAME) return static_name(l, e, out);
    if (e->kind == EXPR_CALL) return static_call(l, e, out);
    if (e->kind != EXPR_UNARY && e->kind != EXPR_BINARY) return false;
    if (!lower_static(l, e->args[0], &a)) return false;
    if (e->kind == EXPR_BINARY && !lower_static(l, e->args[1], &b)) return false;
    *out = constant_of_operator(e->op, a, b);
    return true;
}

bool lower_extent(Lower *l, const Expr *e, int64_t *out) {
    double value;
    int64_t whole;
    if (!lower_static(l, e, &value) || !whole_of(value, &whole) || whole < 1) return false;
    *out = whole;
    return true;
}

double lower_known_number(Lower *l, const Expr *expr) {
    double value;
    /* The value is asked for in any case, since that marks the hypers in it as fixed. */
    return lower_static(l, expr, &value) ? value : expr->constant;
}
