/* Quotients such as (1 - exp(-x)) / x, whose limit at 0 is an ordinary number. The value is right
 * in float32, and its slope is not: f'(x) / x and f(x) / x^2 are as large as 1 / x, and their
 * difference is about 1. Near 0 the quotient is therefore its power series, whose slope is a series
 * as well. At 0 itself it stays the quotient, which is no number there. */
#include "compiler/passes/logform.h"

#include <math.h>

enum {
    MOST_FACTORS = 12,
    MOST_TERMS = 12,
};

/* The series of f(u) / u by powers of u, or of u^2 if it is even. It is good to 1e-12 where |u| is
 * below the bound. */
typedef struct Series {
    GOp op;
    bool is_even;
    double below;
    int count;
    double factors[MOST_TERMS];
} Series;

static const Series series[] = {
    {G_EXPM1,
     false,
     0.5,
     12,
     {1, 1 / 2.0, 1 / 6.0, 1 / 24.0, 1 / 120.0, 1 / 720.0, 1 / 5040.0, 1 / 40320.0, 1 / 362880.0,
      1 / 3628800.0, 1 / 39916800.0, 1 / 479001600.0}},
    {G_LOG1P,
     false,
     0.125,
     12,
     {1, -1 / 2.0, 1 / 3.0, -1 / 4.0, 1 / 5.0, -1 / 6.0, 1 / 7.0, -1 / 8.0, 1 / 9.0, -1 / 10.0,
      1 / 11.0, -1 / 12.0}},
    {G_SIN, true, 0.5, 6, {1, -1 / 6.0, 1 / 120.0, -1 / 5040.0, 1 / 362880.0, -1 / 39916800.0}},
    {G_TANH,
     true,
     0.25,
     7,
     {1, -1 / 3.0, 2 / 15.0, -17 / 315.0, 62 / 2835.0, -1382 / 155925.0, 21844 / 6081075.0}},
};

static const Series *series_of(GOp op) {
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        if (series[i].op == op) return &series[i];
    return NULL;
}

static bool has_series(const void *context, const GExpr *e) {
    (void)context;
    return series_of(e->op) != NULL;
}

bool log_ratio_may_be(const Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->value && expr_any(g->nodes.items[i]->value, has_series, NULL))
            return true;
    return false;
}

/* A product of factors, divided by a product of others. */
typedef struct Factors {
    const GExpr *over[MOST_FACTORS];
    const GExpr *under[MOST_FACTORS];
    int over_count;
    int under_count;
    /* True if the divisor was NaN where a product in it vanishes (lower/vanish.c). */
    bool is_guarded;
} Factors;

static bool add_factor(const GExpr **factors, int *count, const GExpr *e) {
    if (*count == MOST_FACTORS) return false;
    factors[(*count)++] = e;
    return true;
}

/* Lists the factors of a value. Returns false if there are more than fit. */
static bool factors_of(Logs *l, const GExpr *read, bool divides, Factors *f) {
    const GExpr *e = log_value_behind(l, read);
    if (divides && e->op == G_SELECT && log_is_nan(e->args[1])) {
        f->is_guarded = true;
        return factors_of(l, e->args[2], divides, f);
    }
    if (e->op == G_MUL || e->op == G_DIV)
        return factors_of(l, e->args[0], divides, f) &&
               factors_of(l, e->args[1], divides != (e->op == G_DIV), f);
    if (e->op == G_NEG && !add_factor(f->over, &f->over_count, gx_real(l->g, -1))) return false;
    if (e->op == G_NEG) return factors_of(l, e->args[0], divides, f);
    return divides ? add_factor(f->under, &f->under_count, e)
                   : add_factor(f->over, &f->over_count, e);
}

static int find_factor(const GExpr *const *factors, int count, const GExpr *e) {
    for (int i = 0; i < count; i++)
        if (factors[i] == e) return i;
    return -1;
}

static void drop_factor(const GExpr **factors, int *count, int place) {
    factors[place] = factors[--*count];
}

static const GExpr *product_of(Graph *g, const GExpr *const *factors, int count) {
    const GExpr *product = NULL;
    for (int i = 0; i < count; i++)
        product = product ? gx2(g, G_MUL, product, factors[i]) : factors[i];
    return product;
}

static const GExpr *quotient_of(Graph *g, const Factors *f) {
    const GExpr *over = product_of(g, f->over, f->over_count);
    const GExpr *under = product_of(g, f->under, f->under_count);
    if (!over) over = gx_real(g, 1);
    return under ? gx2(g, G_DIV, over, under) : over;
}

/* Returns f(u) / u: the series near 0, and the quotient elsewhere and at 0. */
static const GExpr *ratio(Graph *g, const Series *s, const GExpr *f, const GExpr *u) {
    const GExpr *x = s->is_even ? gx2(g, G_MUL, u, u) : u;
    const GExpr *sum = gx_real(g, s->factors[s->count - 1]);
    for (int i = s->count - 2; i >= 0; i--) {
        const GExpr *times_x = gx2(g, G_MUL, sum, x);
        sum = gx2(g, G_ADD, times_x, gx_real(g, s->factors[i]));
    }
    const GExpr *is_near = gx2(g, G_LT, gx1(g, G_ABS, u), gx_real(g, s->below));
    const GExpr *is_zero = gx2(g, G_EQ, u, gx_real(g, 0));
    const GExpr *has_series = gx2(g, G_AND, is_near, gx1(g, G_NOT, is_zero));
    const GExpr *quotient = gx2(g, G_DIV, f, u);
    return gx_select(g, has_series, sum, quotient);
}

/* Puts f(u) / u in place of a factor f(u) and a factor of u that divides it. Returns false if the
 * factor at `place` has no series, or no factor of u is a divisor. */
static bool take_ratio(Logs *l, Factors *f, int place) {
    const Series *s = series_of(f->over[place]->op);
    Factors u = {.over_count = 0};
    if (!s) return false;
    const GExpr *function = f->over[place];
    const GExpr *argument = function->args[0];
    if (!factors_of(l, argument, false, &u)) return false;
    for (int i = 0; i < u.over_count; i++) {
        const int under = find_factor(f->under, f->under_count, u.over[i]);
        if (under < 0 || u.over[i]->op == G_CONST) continue;
        drop_factor(f->under, &f->under_count, under);
        drop_factor(u.over, &u.over_count, i);
        f->over[place] =
            gx2(l->g, G_MUL, ratio(l->g, s, function, argument), quotient_of(l->g, &u));
        return true;
    }
    return false;
}

const GExpr *log_ratio(Logs *l, const GExpr *quotient) {
    Factors f = {.over_count = 0};
    if (!factors_of(l, quotient, false, &f) || !f.under_count) return NULL;
    bool joined = false;
    for (int i = 0; i < f.over_count; i++)
        joined |= take_ratio(l, &f, i);
    if (!joined || (f.is_guarded && f.under_count)) return NULL;
    return quotient_of(l->g, &f);
}
