/* The derivative of every scalar operation, built of ordinary expressions. The table of rules comes
 * from scalars.def, so that a row without a rule does not compile.
 *
 * Two choices are not in the textbooks. At 0 the slope of sqrt, log and powers below 1 is 0 where
 * it would be infinite, so that equal rows have a gradient of 0 and not NaN. And slopes near
 * saturation are written so that they keep their digits: 1 - tanh(x)^2 would be 0 from x = 9 on.
 *
 * A choice stays a choice around the slopes of its arms, since the arm that is not taken may be
 * NaN. differentiate.c uses the rules; this file knows nothing of nodes. */
#include "compiler/passes/derivative.h"

#include "compiler/graph/visit.h"

typedef const GExpr *(*Rule)(Graph *g, const GExpr *e, int i);

static const GExpr *mul(Graph *g, const GExpr *a, const GExpr *b) {
    return gx2(g, G_MUL, a, b);
}
static const GExpr *sub(Graph *g, const GExpr *a, const GExpr *b) {
    return gx2(g, G_SUB, a, b);
}
static const GExpr *quotient(Graph *g, const GExpr *a, const GExpr *b) {
    return gx2(g, G_DIV, a, b);
}

static const GExpr *d_none(Graph *g, const GExpr *e, int i) {
    (void)g, (void)e, (void)i;
    return NULL;
}
static const GExpr *d_add(Graph *g, const GExpr *e, int i) {
    (void)e, (void)i;
    return gx_real(g, 1);
}
static const GExpr *d_sub(Graph *g, const GExpr *e, int i) {
    (void)e;
    return gx_real(g, i ? -1 : 1);
}
static const GExpr *d_mul(Graph *g, const GExpr *e, int i) {
    (void)g;
    return e->args[1 - i];
}
static const GExpr *d_div(Graph *g, const GExpr *e, int i) {
    if (i == 0) return quotient(g, gx_real(g, 1), e->args[1]);
    return gx1(g, G_NEG, quotient(g, e, e->args[1]));
}
static const GExpr *d_neg(Graph *g, const GExpr *e, int i) {
    (void)e, (void)i;
    return gx_real(g, -1);
}
/* Returns the slope, or 0 at 0 if it would be infinite there. The root of 0 has slope 0, as in
 * norm. The gradient of a distance of equal rows is then 0, and not the NaN of 0 times infinity. */
static const GExpr *unless_zero(Graph *g, const GExpr *x, const GExpr *slope) {
    return gx_select(g, gx2(g, G_EQ, x, gx_real(g, 0)), gx_real(g, 0), slope);
}
/* The slope of a log is 0 at 0, too. The log is -inf there, so a result that is finite can only
 * have weighed it by 0. */
static const GExpr *d_log(Graph *g, const GExpr *e, int i) {
    (void)i;
    return unless_zero(g, e->args[0], quotient(g, gx_real(g, 1), e->args[0]));
}
static const GExpr *d_log1p(Graph *g, const GExpr *e, int i) {
    (void)i;
    const GExpr *x = gx2(g, G_ADD, gx_real(g, 1), e->args[0]);
    return unless_zero(g, x, quotient(g, gx_real(g, 1), x));
}
/* At 0 a power below 1 has an infinite slope, and so has the log behind the slope by the
 * exponent. */
static const GExpr *d_pow(Graph *g, const GExpr *e, int i) {
    const GExpr *x = e->args[0];
    const GExpr *power = e->args[1];
    if (i == 1) {
        const GExpr *by_power = mul(g, e, gx1(g, G_LOG, x));
        return unless_zero(g, x, by_power);
    }
    const GExpr *one = gx_real(g, 1);
    const GExpr *lower = gx2(g, G_POW, x, sub(g, power, one));
    const GExpr *slope = mul(g, power, lower);
    const GExpr *is_steep_at_0 = gx2(g, G_LT, power, one);
    return gx_select(g, is_steep_at_0, unless_zero(g, x, slope), slope);
}
/* In a tie, the first argument has the whole slope. */
static const GExpr *d_max(Graph *g, const GExpr *e, int i) {
    const GExpr *second = gx2(g, G_LT, e->args[0], e->args[1]);
    return gx_select(g, second, gx_real(g, i ? 1 : 0), gx_real(g, i ? 0 : 1));
}
static const GExpr *d_min(Graph *g, const GExpr *e, int i) {
    const GExpr *second = gx2(g, G_LT, e->args[1], e->args[0]);
    return gx_select(g, second, gx_real(g, i ? 1 : 0), gx_real(g, i ? 0 : 1));
}
static const GExpr *d_exp(Graph *g, const GExpr *e, int i) {
    (void)g, (void)i;
    return e;
}
static const GExpr *d_expm1(Graph *g, const GExpr *e, int i) {
    (void)i;
    return gx1(g, G_EXP, e->args[0]);
}
static const GExpr *d_sqrt(Graph *g, const GExpr *e, int i) {
    (void)i;
    return unless_zero(g, e, quotient(g, gx_real(g, 0.5), e));
}
static const GExpr *d_root(Graph *g, const GExpr *e, int i) {
    (void)g;
    return i == 0 ? e->args[2] : NULL;
}
static const GExpr *d_rsqrt(Graph *g, const GExpr *e, int i) {
    (void)i;
    return mul(g, gx_real(g, -0.5), quotient(g, e, e->args[0]));
}
/* 1 - e^2 would be 0, or rounding alone, where the function is close to 1 in size. With s the
 * logistic function of -2 |x|, which is at most one half, the slope is 4 s (1 - s) to the last
 * digits. */
static const GExpr *d_tanh(Graph *g, const GExpr *e, int i) {
    (void)i;
    const GExpr *size = gx1(g, G_ABS, e->args[0]);
    const GExpr *s = gx1(g, G_SIGMOID, mul(g, gx_real(g, -2), size));
    const GExpr *rest = sub(g, gx_real(g, 1), s);
    return mul(g, gx_real(g, 4), mul(g, s, rest));
}
/* Avoids e (1 - e), which would be 0 where the function is close to 1. */
static const GExpr *d_sigmoid(Graph *g, const GExpr *e, int i) {
    (void)i;
    return mul(g, e, gx1(g, G_SIGMOID, gx1(g, G_NEG, e->args[0])));
}
static const GExpr *d_softplus(Graph *g, const GExpr *e, int i) {
    (void)i;
    return gx1(g, G_SIGMOID, e->args[0]);
}
static const GExpr *d_erf(Graph *g, const GExpr *e, int i) {
    (void)i;
    const GExpr *square = mul(g, e->args[0], e->args[0]);
    return mul(g, gx_real(g, 1.12837916709551257390), gx1(g, G_EXP, gx1(g, G_NEG, square)));
}
static const GExpr *d_sin(Graph *g, const GExpr *e, int i) {
    (void)i;
    return gx1(g, G_COS, e->args[0]);
}
static const GExpr *d_cos(Graph *g, const GExpr *e, int i) {
    (void)i;
    return gx1(g, G_NEG, gx1(g, G_SIN, e->args[0]));
}
static const GExpr *d_abs(Graph *g, const GExpr *e, int i) {
    (void)i;
    return gx1(g, G_SIGN, e->args[0]);
}
/* derivative_by_load does not come here: it keeps the select around the slopes of its arms. */
static const GExpr *d_select(Graph *g, const GExpr *e, int i) {
    if (i == 0) return NULL;
    return gx_select(g, e->args[0], gx_real(g, i == 1), gx_real(g, i == 2));
}

static const Rule rules[G_OP_COUNT] = {
#define SCALAR(name, text, arity, takes, result, price, whole, real, same, rule, ...)              \
    [G_##name] = d_##rule,
#include "compiler/graph/scalars.def"
#undef SCALAR
};

/* Returns the place of a formula, marked as that of its slope, so that a slope that is no number is
 * reported as a fault of the formula that it belongs to. */
static const GPlace *place_of_slope(Graph *g, const GPlace *place) {
    if (!place || place->is_slope) return place;
    GPlace *slope = arena_new_of(g->arena, GPlace);
    *slope = *place;
    slope->is_slope = true;
    return slope;
}

const GExpr *derivative_of(Graph *g, const GExpr *e, int i) {
    if (e->type != GT_REAL || !rules[e->op]) return NULL;
    const GPlace *outer = g->place;
    g->place = place_of_slope(g, e->place);
    const GExpr *slope = rules[e->op](g, e, i);
    g->place = outer;
    return slope;
}

typedef struct ByLoad {
    Graph *g;
    const GExpr *load;
    /* By part: its derivative, or NULL. Each part is derived once, however often it occurs. */
    ExprMap known;
} ByLoad;

static const GExpr *by_load(ByLoad *d, const GExpr *e);

/* Keeps the choice around the slopes of its arms, since the slope of the other arm may be NaN. */
static const GExpr *by_arms(ByLoad *d, const GExpr *e) {
    const GExpr *a = by_load(d, e->args[1]);
    const GExpr *b = by_load(d, e->args[2]);
    if (!a && !b) return NULL;
    return gx_select(d->g, e->args[0], a ? a : gx_real(d->g, 0), b ? b : gx_real(d->g, 0));
}

static const GExpr *by_arguments(ByLoad *d, const GExpr *e) {
    const GExpr *sum = NULL;
    for (int i = 0; i < e->arg_count; i++) {
        const GExpr *inner = by_load(d, e->args[i]);
        const GExpr *outer = inner ? derivative_of(d->g, e, i) : NULL;
        if (!outer) continue;
        const GExpr *term = mul(d->g, outer, inner);
        sum = sum ? gx2(d->g, G_ADD, sum, term) : term;
    }
    return sum;
}

const GExpr *derivative_read_is_inside(Graph *g, const GExpr *load) {
    const GExpr *inside = NULL;
    for (int i = 0; i < load->tensor->rank; i++) {
        const GExpr *axis = gx_inside(g, load->args[i], load->tensor->shape[i]);
        if (axis) inside = gx_and(g, inside, axis);
    }
    return inside ? inside : gx_bool(g, true);
}

/* Returns the slope of the `else`, where the read is outside its array. */
static const GExpr *by_else(ByLoad *d, const GExpr *e) {
    const GExpr *slope = e->has_else ? by_load(d, e->args[e->arg_count - 1]) : NULL;
    return slope ? gx_select(d->g, derivative_read_is_inside(d->g, e), gx_real(d->g, 0), slope)
                 : NULL;
}

/* An expression that is older than the load does not hold it (visit.h). */
static const GExpr *by_load(ByLoad *d, const GExpr *e) {
    if (e == d->load) return gx_real(d->g, 1);
    if (e->id < d->load->id || e->type != GT_REAL || e->arg_count == 0) return NULL;
    if (e->op == G_RANDOM) return NULL;
    const ExprValue *known = expr_map_find(&d->known, e);
    if (known) return known->pointer;
    const GExpr *slope = e->op == G_LOAD     ? by_else(d, e)
                         : e->op == G_SELECT ? by_arms(d, e)
                                             : by_arguments(d, e);
    expr_map_set(&d->known, e, (ExprValue){.pointer = slope});
    return slope;
}

const GExpr *derivative_by_load(Graph *g, const GExpr *e, const GExpr *load) {
    ByLoad d = {.g = g, .load = load};
    expr_map_open(&d.known);
    const GExpr *slope = by_load(&d, e);
    expr_map_close(&d.known);
    return slope;
}
