/* stabilise: values made of exponentials are computed in the log domain (logform.h), so that no exponential overflows or vanishes. It runs before
 * differentiate, so that the gradient inherits the form.
 *
 *  - log e, and log1p e: a sum of exponentials is a log-sum-exp, products and quotients are sums of exponents; differences, weights and clamps, which
 *    may be zero or negative, are computed with all exponents lowered by the largest one, which the gradient does not see, since it cancels.
 *  - log(n / (n + r)), as every contrastive loss is, loses its digits in log n - log(n + r) when n is most of the sum; it is -softplus(log r - log n).
 *  - a quotient whose denominator is made of exponentials is one exponential. */
#include "compiler/passes/bound.h"
#include "compiler/passes/logform.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum { SAFE_EXPONENT = 30 /* exp of it squared, times as many terms as there may be, is a float32 */ };

typedef struct Stabilise {
    const GNode *node; /* the one at hand: rewrite.h */
} Stabilise;

/* Of what the graph still needs: a log that was rewritten leaves its quotient behind, which nothing reads any more. */
static void note(Graph *g, const Stabilise *s, const char *text) {
    if (s->node->mark) array_push(g->arena, &g->notes, ((GNote){s->node->span, text}));
}

/* Said, not used: in a log the shifted form costs next to nothing where it is not needed. */
static void note_range(Graph *g, const Stabilise *s, const GExpr *e) {
    Bound bound;
    if (!bound_of_exponents(g, e, &bound)) return;
    const char *name = bound.over ? bound.over->name : NULL;
    if (name && strncmp(name, "hyper.", 6) == 0) name += 6;
    const char *text = name ? arena_printf(g->arena, "proved: unit vectors and a temperature keep every exponent within +-%g / %s", bound.size, name)
                            : arena_printf(g->arena, "proved: unit vectors and a temperature keep every exponent within +-%g", bound.size);
    note(g, s, arena_intern(g->arena, text, strlen(text)));
}

static const GExpr *visit_log(void *context, Graph *g, const GExpr *e) {
    const Stabilise *s = context;
    if ((e->op != G_LOG && e->op != G_LOG1P) || !holds_exp(g, e->args[0])) return e;
    if (e->op == G_LOG1P) {
        LogForm form = log_form(g, e->args[0]);
        if (!form.positive) return e;
        note(g, s, "log1p of exps is computed as the softplus of their log");
        return gx1(g, G_SOFTPLUS, log_of_form(g, &form));
    }
    note_range(g, s, e->args[0]);
    bool split = false;
    const GExpr *log = log_of(g, e->args[0], &split);
    note(g, s, split ? "the log of n / (n + r) is computed as -softplus(log r - log n), the logs as shifted log-sum-exps" : "the log of exps is computed as a shifted log-sum-exp");
    return log;
}

/* A length has a floor of its own (normalise), and what is divided by it is mostly a softmax, which is in 0 .. 1 already. */
static bool is_length(Graph *g, const GExpr *e) {
    GOp op = value_behind(g, e)->op;
    return op == G_SQRT || op == G_SELECT;
}

/* After the logs: these look through the quotients that they are made of. */
static const GExpr *visit_quotient(void *context, Graph *g, const GExpr *e) {
    const Stabilise *s = context;
    if (e->op != G_DIV || !holds_exp(g, e->args[1]) || is_length(g, e->args[1])) return e;
    Bound bound;
    if (bound_of_exponents(g, e->args[1], &bound) && !bound.over && bound.size < SAFE_EXPONENT) return e;
    note(g, s, "a quotient of exps is computed as one exp");
    return quotient_of_exps(g, e->args[0], e->args[1]);
}

/* Old nodes stay: names of the method may still stand for them. What nothing uses goes with simplify. */
void pass_stabilise(Graph *g) {
    Stabilise s = {NULL};
    g->marks.count = 0; /* they are holds_exp's */
    graph_mark_reached(g);
    rewrite_nodes(g, visit_log, &s, false);
    graph_mark_reached(g);
    rewrite_nodes(g, visit_quotient, &s, false);
    for (int i = 0; i < g->nodes.count; i++) g->nodes.items[i]->mark = 0;
}
