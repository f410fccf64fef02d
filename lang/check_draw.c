/* Checks `draw r[N] ~ uniform(a, b)`. The name on the left gives the shape, and the distribution
 * gives the kind. A permutation is an array already and adds an axis of its own. */
#include "lang/check.h"

#include <string.h>

static const char *const distributions[] = {"uniform", "log_uniform", "normal",     "exponential",
                                            "beta",    "bernoulli",   "permutation"};
enum { DISTRIBUTION_COUNT = sizeof distributions / sizeof *distributions };

bool call_is_distribution(const Expr *e) {
    if (!e || e->kind != EXPR_CALL || e->callee->kind != EXPR_NAME || !e->callee->symbol ||
        e->callee->symbol->kind != SYMBOL_BUILTIN)
        return false;
    for (int i = 0; i < DISTRIBUTION_COUNT; i++)
        if (strcmp(distributions[i], e->callee->name) == 0) return true;
    return false;
}

/* Returns the type of one drawn name, or poison after a message. */
static Type *draw_type(Check *c, Param *p) {
    c->at.drawn = p->value;
    Type *value = check_expr(c, p->value);
    if (value->kind == KIND_POISON) return value;
    if (!call_is_distribution(p->value)) {
        diag_report(c->diag, CODE_DISTRIBUTION, p->value->span,
                    "`%s` is drawn from a distribution, and this is none; there are uniform, "
                    "log_uniform, normal, exponential, beta, bernoulli and permutation",
                    p->name);
        const char *name = p->value->kind == EXPR_CALL ? p->value->callee->name : NULL;
        const char *near = name ? diag_nearest(name, distributions, DISTRIBUTION_COUNT) : NULL;
        if (near) diag_mean(c->diag, p->value->callee->span, near);
        return type_poison(c);
    }
    Type *head = type_of_shape(c, value->kind, p->dims, p->dim_count);
    if (head->kind == KIND_POISON || value->rank == 0) return head;
    if (head->rank == MAX_RANK) {
        diag_report(c->diag, CODE_TOO_MANY_AXES, p->span,
                    "an array has at most %d axes, and a permutation adds one to the %d of `%s`",
                    MAX_RANK, head->rank, p->name);
        return type_poison(c);
    }
    Dim *dims[MAX_RANK];
    memcpy(dims, head->dims, sizeof head->dims);
    dims[head->rank] = value->dims[0];
    return type_make(c, value->kind, head->rank + 1, dims);
}

void check_draw(Check *c, Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        p->type = draw_type(c, p);
        p->symbol = scope_declare(c, SYMBOL_DRAW, p->name, p->span, s, p);
        p->symbol->type = p->type;
    }
}
