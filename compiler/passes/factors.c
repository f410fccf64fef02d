/* The walk of factors.h. Factors come in the order in which the product has them, each as often as
 * it stands. A product nests as deep as it has factors, which lowering bounds. */
#include "compiler/passes/factors.h"

static const GExpr *times(Graph *g, const GExpr *product, const GExpr *factor, bool divides) {
    if (divides) return gx2(g, G_DIV, product ? product : gx_real(g, 1), factor);
    return product ? gx2(g, G_MUL, product, factor) : factor;
}

typedef struct Split {
    Graph *g;
    FactorTaken takes;
    const void *context;
    Factors *to;
} Split;

/* Multiplies a factor into the product of its side, or takes it apart. */
static void take_factor(const Split *s, const GExpr *e, bool divides) {
    Factors *f = s->to;
    if (s->takes(s->context, s->g, e)) {
        f->taken = times(s->g, f->taken, e, divides);
    } else if (e->op == G_MUL || e->op == G_DIV) {
        take_factor(s, e->args[0], divides);
        take_factor(s, e->args[1], divides != (e->op == G_DIV));
    } else if (e->op == G_NEG) {
        f->taken = gx1(s->g, G_NEG, f->taken ? f->taken : gx_real(s->g, 1));
        take_factor(s, e->args[0], divides);
    } else {
        f->rest = times(s->g, f->rest, e, divides);
    }
}

void factors_split(Graph *g, const GExpr *e, FactorTaken takes, const void *context, Factors *f) {
    const Split s = {g, takes, context, f};
    take_factor(&s, e, false);
}
