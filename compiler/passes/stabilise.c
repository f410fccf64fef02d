/* stabilise: values made of exponentials are computed in the log domain (logform.h), so that no
 * exponential overflows or vanishes. The pass runs before differentiate, so that the gradient
 * inherits the form.
 *
 *   - log e and log1p e. A sum of exponentials is a log-sum-exp, and the log of a product or
 *     quotient is a sum of exponents. Differences, weights and clamps may be zero or negative.
 *     They are computed with all exponents lowered by the largest one, which cancels and therefore
 *     carries no gradient.
 *   - log(n / (n + r)), the form of every contrastive loss. As log n - log(n + r) it loses its
 *     digits where n is most of the sum, so it becomes -softplus(log r - log n).
 *   - A quotient whose denominator is made of exponentials becomes one exponential, and so does a
 *     root of exponentials.
 *   - A difference from 1 of what comes close to 1 (complement.c), and a mean of products less the
 *     product of the means (mean.c), are written without the difference. */
#include "compiler/graph/node_set.h"
#include "compiler/passes/bound.h"
#include "compiler/passes/logform.h"
#include "compiler/passes/mean.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum {
    /* For this exponent, exp squared, times as many terms as there may be, fits float32. */
    SAFE_EXPONENT = 30
};

typedef struct Stabilise {
    const GNode *node; /* the node at hand (rewrite.h) */
    Logs *logs;
    NodeSet needed;
} Stabilise;

/* Adds a note about a node that the graph still needs. A log that was rewritten leaves its quotient
 * behind, which is no longer read. */
static void note(Graph *g, const Stabilise *s, const char *text) {
    if (node_set_holds(&s->needed, s->node))
        array_push(g->arena, &g->notes, ((GNote){s->node->span, text}));
}

/* Notes the range without using it: in a log, the shifted form costs next to nothing where it is
 * not needed. */
static void note_range(Graph *g, const Stabilise *s, const GExpr *e) {
    Bound bound;
    if (!bound_of_exponents(s->logs, e, &bound)) return;
    const char *name = bound.over ? bound.over->name : NULL;
    if (name && strncmp(name, "hyper.", 6) == 0) name += 6;
    const char *text =
        name
            ? arena_printf(
                  g->arena,
                  "proved: unit vectors and a temperature keep every exponent within +-%g / %s",
                  bound.size, name)
            : arena_printf(g->arena,
                           "proved: unit vectors and a temperature keep every exponent within +-%g",
                           bound.size);
    note(g, s, arena_intern(g->arena, text, strlen(text)));
}

/* ---- differences ----------------------------------------------------------------------------- */

static bool is_number(const GExpr *e, double value) {
    return e->op == G_CONST && e->type == GT_REAL && e->real == value;
}

/* Returns v for 1 - v, and for v - 1, with *turned set. NULL: the value is neither. */
static const GExpr *less_than_one(Graph *g, const GExpr *e, bool *turned) {
    const GExpr *a = e->args[0];
    const GExpr *b = e->args[1];
    *turned = false;
    if (e->op == G_SUB && is_number(a, 1)) return b;
    if (e->op == G_ADD && is_number(a, 1)) return gx1(g, G_NEG, b);
    if (e->op == G_ADD && is_number(b, 1)) return gx1(g, G_NEG, a);
    *turned = true;
    return (e->op == G_SUB && is_number(b, 1)) || (e->op == G_ADD && is_number(b, -1)) ? a : NULL;
}

/* Returns a mean of products less the product of the means without the difference (mean.c). NULL:
 * the value is none. */
static const GExpr *products_apart(const Stabilise *s, const GExpr *e) {
    if (e->op == G_SUB) return mean_of_products_apart(s->logs, e->args[0], e->args[1]);
    for (int side = 0; side < 2; side++) {
        if (e->args[side]->op != G_NEG) continue;
        const GExpr *a = e->args[1 - side];
        const GExpr *b = e->args[side]->args[0];
        const GExpr *apart = mean_of_products_apart(s->logs, a, b);
        if (apart) return apart;
    }
    return NULL;
}

/* Rewrites a mean of products less the product of the means, and 1 less a value close to 1. */
static const GExpr *visit_difference(void *context, Graph *g, const GExpr *e) {
    const Stabilise *s = context;
    bool turned;
    if ((e->op != G_ADD && e->op != G_SUB) || e->type != GT_REAL) return e;
    const GExpr *apart = products_apart(s, e);
    if (apart) {
        note(g, s,
             "a mean of products less the product of the means is the mean of the products "
             "of what is away from them");
        return apart;
    }
    const GExpr *v = less_than_one(g, e, &turned);
    const GExpr *complement = v ? complement_of(s->logs, v) : NULL;
    if (!complement) return e;
    note(g, s, "1 less a value close to 1 is computed from what the value is made of");
    return turned ? gx1(g, G_NEG, complement) : complement;
}

/* ---- logs ------------------------------------------------------------------------------------ */

/* Returns the log of a function: log softplus(x) is x where softplus is exp(x), which vanishes; log
 * tanh(x) is that of (1 - e) / (1 + e). */
static const GExpr *log_of_function(Graph *g, const GExpr *v) {
    enum { IS_EXP = -17 /* at most this, softplus(x) equals exp(x) in float32 */ };
    const GExpr *x = v->args[0];
    const GExpr *low = gx_real(g, IS_EXP);
    if (v->op == G_SOFTPLUS) {
        return gx_select(g, gx2(g, G_LT, x, low), x,
                         gx1(g, G_LOG, gx1(g, G_SOFTPLUS, gx2(g, G_MAX, x, low))));
    }
    const GExpr *u = gx2(g, G_MUL, gx_real(g, -2), x);
    return gx2(g, G_SUB, log_one_minus_exp(g, u), gx1(g, G_SOFTPLUS, u));
}

/* Rewrites log(1 + v) where 1 + v is a complement without a difference, or v is made of
 * exponentials. */
static const GExpr *visit_log1p(const Stabilise *s, Graph *g, const GExpr *e) {
    Logs *l = s->logs;
    bool split = false;
    const GExpr *v = e->args[0];
    const GExpr *complement = complement_of(l, gx1(g, G_NEG, v));
    if (complement) {
        note(g, s,
             "the log of 1 less a value close to 1 is computed from what the value is made of");
        return log_of(l, complement, &split);
    }
    if (!logs_hold_exp(l, v)) return e;
    LogForm form = log_form(l, v);
    if (!form.positive) return e;
    note(g, s, "log1p of exps is computed as the softplus of their log");
    return gx1(g, G_SOFTPLUS, log_of_form(l, &form));
}

/* Returns u for a value 1 + u. NULL: the value is none. */
static const GExpr *more_than_one(Graph *g, const GExpr *v) {
    const GExpr *a = v->args[0];
    const GExpr *b = v->args[1];
    if (v->op == G_ADD && is_number(a, 1)) return b;
    if (v->op == G_ADD && is_number(b, 1)) return a;
    return v->op == G_SUB && is_number(a, 1) ? gx1(g, G_NEG, b) : NULL;
}

/* Returns the log of 1 + u as log1p(u), which keeps the digits of a small u, and any other log as
 * it is. */
static const GExpr *log_beside_one(Graph *g, const GExpr *log, const GExpr *v) {
    const GExpr *u = more_than_one(g, v);
    return u ? gx1(g, G_LOG1P, log_settled(g, u)) : log;
}

/* Returns exp(u) for a value 1 + exp(u). NULL: the value is none. */
static const GExpr *exp_beside_one(Logs *l, const GExpr *v) {
    if (v->op != G_ADD) return NULL;
    for (int side = 0; side < 2; side++) {
        const GExpr *power = log_value_behind(l, v->args[1 - side]);
        if (is_number(v->args[side], 1) && power->op == G_EXP) return power;
    }
    return NULL;
}

/* Returns the log of the affinity of two softmaxes, sum sqrt(p q), which is close to 1 where they
 * are close. NULL: the value is no affinity. */
static const GExpr *log_of_affinity(Logs *l, const GExpr *v) {
    Graph *g = l->g;
    bool split = false;
    const GExpr *less = complement_of_roots(l, v);
    if (!less) return NULL;
    const GExpr *near = gx1(g, G_LOG1P, gx1(g, G_NEG, less));
    return gx_select(g, gx2(g, G_LT, less, gx_real(g, 0.5)), near, log_of(l, v, &split));
}

/* Rewrites a log of a softplus or a tanh, of 1 + exp, of an affinity, or of exponentials. Any other
 * log of 1 + u becomes log1p. */
static const GExpr *visit_log(void *context, Graph *g, const GExpr *e) {
    const Stabilise *s = context;
    Logs *l = s->logs;
    if (e->op == G_LOG1P) return visit_log1p(s, g, e);
    if (e->op != G_LOG) return e;
    const GExpr *v = log_value_behind(l, e->args[0]);
    if (v->op == G_SOFTPLUS || v->op == G_TANH) {
        note(g, s,
             "the log of a function that vanishes or saturates is computed from its argument");
        return log_of_function(g, v);
    }
    if (!logs_hold_exp(l, e->args[0])) return log_beside_one(g, e, v);
    const GExpr *power = exp_beside_one(l, v);
    if (power) {
        note(g, s, "the log of 1 more than an exp is computed as a softplus");
        return gx1(g, G_SOFTPLUS, power->args[0]);
    }
    const GExpr *affinity = log_of_affinity(l, v);
    if (affinity) {
        note(g, s,
             "the log of a sum of roots of two softmaxes is computed from what it lacks to 1");
        return affinity;
    }
    note_range(g, s, e->args[0]);
    bool split = false;
    const GExpr *log = log_of(l, e->args[0], &split);
    note(g, s,
         split ? "the log of n / (n + r) is computed as -softplus(log r - log n), the logs as "
                 "shifted log-sum-exps"
               : "the log of exps is computed as a shifted log-sum-exp");
    return log;
}

/* ---- quotients and products ------------------------------------------------------------------ */

/* True for a length, and for a product of lengths and factors without exponentials: a quotient by
 * such a value is left as it is. A length has a floor of its own (normalise), and what is divided
 * by it is mostly a softmax, which is in 0 .. 1 already. Products count because the slope of a root
 * is a quotient by a length times a scale. */
static bool is_length(Logs *l, const GExpr *e) {
    const GExpr *v = log_value_behind(l, e);
    if (v->op != G_MUL) return v->op == G_SQRT || v->op == G_ROOT || v->op == G_SELECT;
    const ExprValue *known = expr_map_find(&l->lengths, v);
    if (known) return known->integer != 0;
    bool all = true;
    for (int i = 0; i < v->arg_count && all; i++)
        all = !logs_hold_exp(l, v->args[i]) || is_length(l, v->args[i]);
    expr_map_set(&l->lengths, v, (ExprValue){.integer = all});
    return all;
}

/* True of an exponential, or a sum of exponentials. */
static bool is_bare(Logs *l, const GExpr *e) {
    const GExpr *v = log_value_behind(l, e);
    if (v->op == G_EXP) return true;
    const bool is_sum = v->op == G_LOAD && !v->has_else && node_reduces(v->tensor, GR_SUM);
    return is_sum && log_value_behind(l, logs_opened(l, v->tensor)->value)->op == G_EXP;
}

/* Joins the exponentials of a product: if one factor overflows and the other vanishes, the product
 * may have any size. */
static const GExpr *product_of_exps(const Stabilise *s, Graph *g, const GExpr *e) {
    Logs *l = s->logs;
    if (!is_bare(l, e->args[0]) || !is_bare(l, e->args[1])) return e;
    if (!logs_hold_bare_exp(l, e->args[0]) || !logs_hold_bare_exp(l, e->args[1])) return e;
    const LogForm form = log_form(l, e);
    if (form.scale || !form.shift) return e;
    note(g, s, "a product of exps is computed as one exp");
    return gx1(g, G_EXP, form.shift);
}

/* True if the power of a value that vanishes or overflows may be an ordinary number, as for
 * exponents between -1 and 1. */
static bool may_shrink(const GExpr *exponent) {
    return exponent->op == G_CONST && exponent->real > -1 && exponent->real < 1;
}

/* True of an exponential, a sigmoid, a sum of exponentials, or products and quotients of these. */
static bool is_of_bare_exps(Logs *l, const GExpr *e, int depth) {
    enum { DEEPEST = 8 };
    const GExpr *v = log_value_behind(l, e);
    if (v->op == G_SIGMOID || v->op == G_CONST || is_bare(l, v)) return true;
    if ((v->op != G_MUL && v->op != G_DIV) || depth == DEEPEST) return false;
    return is_of_bare_exps(l, v->args[0], depth + 1) && is_of_bare_exps(l, v->args[1], depth + 1);
}

/* The root of exp(u) is exp(u / 2). */
static const GExpr *visit_root(void *context, Graph *g, const GExpr *e) {
    const Stabilise *s = context;
    Logs *l = s->logs;
    if (e->op != G_SQRT && !(e->op == G_POW && may_shrink(e->args[1]))) return e;
    const GExpr *of = e->args[0];
    if (!logs_hold_bare_exp(l, of) || !is_of_bare_exps(l, of, 0)) return e;
    Bound bound;
    if (bound_of_exponents(l, of, &bound) && !bound.over && bound.size < SAFE_EXPONENT) return e;
    const LogForm form = log_form(l, of);
    if (form.scale || !form.shift) return e;
    note(g, s, "a root of exps is computed as one exp");
    const GExpr *exponent = e->op == G_SQRT ? gx_real(g, 0.5) : e->args[1];
    return gx1(g, G_EXP, gx2(g, G_MUL, form.shift, exponent));
}

/* Makes a quotient of two values that vanish together a series (ratio.c). This visit comes after
 * those of the logs and of the differences from 1. */
static const GExpr *visit_ratio(void *context, Graph *g, const GExpr *e) {
    const Stabilise *s = context;
    if (e->op != G_DIV || e->type != GT_REAL) return e;
    const GExpr *ratio = log_ratio(s->logs, e);
    if (!ratio) return e;
    note(g, s, "a quotient of two values that vanish together is its power series near 0");
    return ratio;
}

/* Rewrites quotients after the logs, which look through the quotients that they are made of. */
static const GExpr *visit_quotient(void *context, Graph *g, const GExpr *e) {
    const Stabilise *s = context;
    if (e->op == G_MUL && e->type == GT_REAL) return product_of_exps(s, g, e);
    if (e->op != G_DIV || !logs_hold_exp(s->logs, e->args[1]) || is_length(s->logs, e->args[1]))
        return e;
    Bound bound;
    if (bound_of_exponents(s->logs, e->args[1], &bound) && !bound.over &&
        bound.size < SAFE_EXPONENT)
        return e;
    note(g, s, "a quotient of exps is computed as one exp");
    return log_quotient_of_exps(s->logs, e->args[0], e->args[1]);
}

/* Old nodes stay: names of the method may still stand for them. What nothing uses goes with
 * simplify. */
void pass_stabilise(Graph *g) {
    static const GVisit visits[] = {visit_difference, visit_log, visit_ratio, visit_root,
                                    visit_quotient};
    Logs logs;
    Stabilise s = {.logs = &logs};
    logs_open(&logs, g);
    for (size_t i = 0; i < sizeof visits / sizeof *visits; i++) {
        if (visits[i] == visit_ratio && !log_ratio_may_be(g)) continue;
        node_set_open(&s.needed, g);
        graph_add_reached(g, &s.needed);
        rewrite_nodes(g, visits[i], &s, false);
        node_set_close(&s.needed);
    }
}
