/* Proves bounds of exponents. The exponent of a contrastive loss is a dot product of two unit
 * vectors over a temperature, so it lies between -1/tau and 1/tau; stabilise then knows that exp
 * cannot overflow, and need not shift by a maximum.
 *
 * A vector is known to be a unit vector by its formula: it is divided by its own length along the
 * last axis, whatever the function is called that did so. Proofs that nest deeper than DEEPEST are
 * given up, and the shift stays. */
#include "compiler/passes/bound.h"

#include "compiler/passes/logform.h"

#include <math.h>

enum { DEEPEST = 12 };

/* ---- unit vectors ---------------------------------------------------------------------------- */

/* Returns the sum of squares whose root the length is. NULL: the length is no root. Lowering makes
 * lengths of a choice between the plain root and a scaled one (lower/length.c). The plain root is
 * argument 1 of the choice, and the choice is argument 1 of a G_ROOT. */
static const GExpr *squares_of(Logs *l, const GExpr *length) {
    const GExpr *e = log_value_behind(l, length);
    if (e->op == G_ROOT) e = log_value_behind(l, e->args[1]);
    if (e->op == G_SELECT) e = log_value_behind(l, e->args[1]);
    return e->op == G_SQRT ? log_value_behind(l, e->args[0]) : NULL;
}

/* True of x / length, where the length is that of x along the last axis of the node. */
static bool is_over_length(Logs *l, const ComputeSpec *spec, const GExpr *e) {
    const GExpr *squares = e->op == G_DIV ? squares_of(l, e->args[1]) : NULL;
    if (!squares || squares->op != G_LOAD) return false;
    const GNode *made = squares->tensor;
    const bool is_whole_sum = node_reduces(made, GR_SUM) && made->red_rank == 1 && !made->guard;
    if (!is_whole_sum) return false;
    Graph *g = l->g;
    const ComputeSpec sum = *logs_opened(l, squares->tensor);
    const GExpr *term = gx_substitute(g, sum.value, sum.out_rank, sum.out, squares->args);
    const GExpr *last = spec->out[spec->out_rank - 1];
    term = gx_substitute(g, term, 1, sum.red, &last);
    return term == gx2(g, G_MUL, e->args[0], e->args[0]);
}

static bool is_unit_array(Logs *l, const GNode *node, int depth);

/* True if the vectors that the value has along the last axis of the node are no longer than 1. */
static bool is_unit_value(Logs *l, const ComputeSpec *spec, const GExpr *e, int depth) {
    if (e->op == G_SELECT) {
        if (is_over_length(l, spec, e->args[1]))
            /* A normalised row is shorter than 1 inside the ball of eps, and never longer. */
            return true;
        return is_unit_value(l, spec, e->args[1], depth) &&
               is_unit_value(l, spec, e->args[2], depth);
    }
    if (e->op == G_LOAD)
        return e->tensor->rank > 0 &&
               e->args[e->tensor->rank - 1] == spec->out[spec->out_rank - 1] &&
               is_unit_array(l, e->tensor, depth);
    return is_over_length(l, spec, e);
}

/* True if the vectors along the last axis are no longer than 1. */
static bool is_unit_array(Logs *l, const GNode *node, int depth) {
    if (depth > DEEPEST) return false;
    if (node->kind == GN_STOP) return is_unit_array(l, node->operand, depth + 1);
    if (!node_reduces(node, GR_NONE) || node->active || node->rank == 0) return false;
    const ComputeSpec *spec = logs_opened(l, node);
    return is_unit_value(l, spec, spec->value, depth + 1);
}

/* True of a read of products of two arrays of unit vectors, summed along the last axis of both. */
static bool is_cosine(Logs *l, const GExpr *e) {
    if (e->op != G_LOAD || e->has_else) return false;
    if (!node_reduces(e->tensor, GR_SUM) || e->tensor->red_rank != 1) return false;
    const GExpr *v = e->tensor->value;
    if (v->op != G_MUL) return false;
    for (int side = 0; side < 2; side++) {
        const GExpr *load = v->args[side];
        if (load->op != G_LOAD || load->has_else || load->tensor->rank == 0) return false;
        const GExpr *last = load->args[load->tensor->rank - 1];
        if (last->op != G_INDEX || last->index != e->tensor->rank ||
            !is_unit_array(l, load->tensor, 0))
            return false;
    }
    return true;
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

static bool is_run_scalar(const GExpr *e, const GNode **out) {
    if (e->op != G_LOAD || e->tensor->kind != GN_INPUT || e->tensor->rank != 0) return false;
    *out = e->tensor;
    return true;
}

/* Finds the bound of a sum, a difference or a product. Addends must have the same divisor, and only
 * one factor may have a divisor. */
static bool bound_of_pair(Logs *l, const GExpr *e, Bound *out) {
    Bound a;
    Bound b;
    if (!bound_of(l, e->args[0], &a) || !bound_of(l, e->args[1], &b)) return false;
    if (e->op == G_MUL) {
        *out = (Bound){a.size * b.size, a.over ? a.over : b.over};
        return !a.over || !b.over;
    }
    *out = (Bound){a.size + b.size, a.over};
    return a.over == b.over;
}

/* Finds the bound of a quotient by a constant, or by a scalar of the run, which becomes the bound's
 * divisor. */
static bool bound_of_quotient(Logs *l, const GExpr *v, Bound *out) {
    const GNode *over;
    if (!bound_of(l, v->args[0], out)) return false;
    if (is_run_scalar(log_value_behind(l, v->args[1]), &over)) {
        if (out->over) return false;
        out->over = over;
        return true;
    }
    if (v->args[1]->op != G_CONST || v->args[1]->real == 0) return false;
    out->size /= fabs(v->args[1]->real);
    return true;
}

static bool find_bound(Logs *l, const GExpr *v, Bound *out) {
    *out = (Bound){1, NULL};
    if (is_cosine(l, v) || v->op == G_RANDOM) return true;
    if (v->op == G_CONST) {
        out->size = fabs(v->real);
        return v->type == GT_REAL;
    }
    if (v->op == G_NEG) return bound_of(l, v->args[0], out);
    if (v->op == G_ADD || v->op == G_SUB || v->op == G_MUL) return bound_of_pair(l, v, out);
    return v->op == G_DIV && bound_of_quotient(l, v, out);
}

bool bound_of(Logs *l, const GExpr *e, Bound *out) {
    const GExpr *v = log_value_behind(l, e);
    const ExprValue *known = expr_map_find(&l->bounds, v);
    if (!known) {
        Bound *found = arena_new_of(l->g->arena, Bound);
        bool has_one = find_bound(l, v, found);
        expr_map_set(&l->bounds, v, (ExprValue){.pointer = has_one ? found : NULL});
        known = expr_map_find(&l->bounds, v);
    }
    if (known->pointer) *out = *(const Bound *)known->pointer;
    return known->pointer != NULL;
}

/* ---- all exponents --------------------------------------------------------------------------- */

typedef struct Widest {
    Logs *logs;
    Bound *all;
    ExprMap met;
} Widest;

/* Widens the bound of all exponents by those of which `e` is made. Returns false if an exponent has
 * no bound, or another divisor than the exponents before it. */
static bool widen(Widest *w, const GExpr *e, int depth) {
    Logs *l = w->logs;
    Bound one;
    Bound *all = w->all;
    if (depth > DEEPEST || !logs_hold_exp(l, e)) return depth <= DEEPEST;
    if (!expr_map_add(&w->met, e)) return true;
    if (e->op == G_EXP) {
        if (!bound_of(l, e->args[0], &one) || (all->size > 0 && all->over != one.over))
            return false;
        *all = (Bound){fmax(all->size, one.size), one.over};
        return true;
    }
    if (e->op == G_LOAD) {
        const GNode *n = e->tensor;
        while (n->kind == GN_STOP)
            n = n->operand;
        return widen(w, n->value, depth + 1);
    }
    for (int i = 0; i < e->arg_count; i++)
        if (!widen(w, e->args[i], depth + 1)) return false;
    return true;
}

bool bound_of_exponents(Logs *l, const GExpr *e, Bound *out) {
    Widest w = {.logs = l, .all = out};
    *out = (Bound){0, NULL};
    expr_map_open(&w.met);
    bool has_one = widen(&w, e, 0);
    expr_map_close(&w.met);
    return has_one && out->size > 0;
}
