/* Computes 1 - v where the difference would lose its digits. A probability p close to 1 leaves none
 * for 1 - p in float32: from a logit of 17 on, 1 - sigmoid(x) is 0 and its log infinite. The
 * formula of p says what 1 - p is without a difference:
 *
 *     1 - sigmoid(x) = sigmoid(-x)              1 - exp(u) = -expm1(u)
 *     1 - tanh(x) = 2 sigmoid(-2x)              1 - n / (n + r) = r / (n + r)
 *     1 - v^2 = (1 - v) (1 + v)                 1 - min(v, c) = max(1 - v, 1 - c)
 *     1 - erf(x) = t exp(P(t) - x^2)            1 - cos(x) = 2 sin(x / 2)^2
 *     1 - sqrt(w) = (1 - w) / (1 + sqrt(w))     1 - (1 + u) = -u
 *
 * Note [The largest of a softmax]
 * 1 - p[j] is the sum of the others over the sum of all. Only the largest p of a row can be above
 * 1/2, and only there the difference loses digits. So one log-sum-exp of a row, without its largest
 * term, serves all j: work for each row, not for each pair of terms.
 *
 * Note [Some of a softmax]
 * All entries p[j] of a row sum to 1. The complement of a weighted sum of some of them is therefore
 * the sum of what the weights leave of each entry:
 * 1 - sum[j | g] w[j] p[j] = sum[j] (if g then 1 - w[j] else 1) p[j].
 *
 * Note [Roots of two softmaxes]
 * Of two rows p and q, each of which sums to 1, 1 - sum[j] sqrt(p[j] q[j]) is half of sum[j]
 * (sqrt(p[j]) - sqrt(q[j]))^2: the square of the Hellinger distance. A term of that sum is the
 * larger of p and q times expm1(-|log p - log q| / 2)^2. The exponents of p and q are subtracted
 * first, which is exact where the rows are close. The rounding of both log-sum-exps is then one
 * number for all terms, and cancels but for its square. */
#include "compiler/passes/logform.h"

#include <math.h>

static const GExpr *negated(Graph *g, const GExpr *e) {
    return gx1(g, G_NEG, e);
}
static const GExpr *times(Graph *g, const GExpr *a, const GExpr *b) {
    return gx2(g, G_MUL, a, b);
}
static const GExpr *sigmoid(Graph *g, const GExpr *x) {
    return gx1(g, G_SIGMOID, x);
}
static const GExpr *one_minus(Graph *g, const GExpr *e) {
    return gx2(g, G_SUB, gx_real(g, 1), e);
}
static bool is_real_const(const GExpr *e) {
    return e->op == G_CONST && e->type == GT_REAL;
}

static const GExpr *complement(Logs *l, const GExpr *v, int depth);

/* ---- softmax --------------------------------------------------------------------------------- */

/* Returns the read of a log-sum-exp, which may stand in a choice for rows that are all -inf. NULL:
 * there is none. */
static const GExpr *lse_in(const GExpr *e) {
    if (e->op == G_SELECT) e = e->args[2];
    return gx_reads_all(e, GR_LSE) ? e : NULL;
}

bool log_is_softmax(Logs *l, const GExpr *e, Softmax *found) {
    const GExpr *difference = e->op == G_EXP ? log_value_behind(l, e->args[0]) : e;
    if (difference->op != G_SUB) return false;
    found->exponent = difference->args[0];
    found->total = log_value_behind(l, difference->args[1]);
    found->lse = lse_in(found->total);
    return found->lse != NULL;
}

/* Returns a read of a new node at the place of `like`. */
static const GExpr *read_of(Graph *g, const ComputeSpec *spec, const GExpr *like) {
    return gx_load(g, graph_compute(g, spec), like->tensor->rank, like->args, NULL);
}

/* Returns the others' share where p is above 1/2; else the difference, which is then exact to a
 * rounding. */
static const GExpr *share_of_others(Graph *g, const GExpr *p, const GExpr *others,
                                    const Softmax *s) {
    const GExpr *share = gx1(g, G_EXP, gx2(g, G_SUB, others, s->total));
    return gx_select(g, gx2(g, G_LT, gx_real(g, 0.5), p), share, one_minus(g, p));
}

/* Returns 1 - p for p = exp(exponent - total), by Note [The largest of a softmax]. NULL: p is not
 * provably one of the entries of its row. */
static const GExpr *softmax_complement(Logs *l, const GExpr *p, const Softmax *s) {
    Graph *g = l->g;
    const GExpr *term = log_value_behind(l, s->exponent);
    const GExpr *lse = s->lse;
    const GExpr *others = log_without_term(l, lse, term);
    if (others) return share_of_others(g, p, others, s);
    const GExpr *place = log_place_of_term(l, lse, term);
    if (!place) return NULL;
    ComputeSpec largest = *logs_opened(l, lse->tensor);
    ComputeSpec rest = largest;
    largest.reducer = GR_ARGMAX;
    largest.empty_is_error = rest.empty_is_error = false;
    const GExpr *winner =
        gx_load(g, graph_compute(g, &largest), largest.out_rank, largest.out, NULL);
    rest.guard = gx_and(g, rest.guard, gx2(g, G_NE, rest.red[0], winner));
    const GExpr *is_largest = gx2(g, G_EQ, place, read_of(g, &largest, lse));
    return gx_select(g, is_largest, share_of_others(g, p, read_of(g, &rest, lse), s),
                     one_minus(g, p));
}

static bool is_sum_over_one_index(const GExpr *e) {
    return gx_reads_all(e, GR_SUM) && e->tensor->red_rank == 1;
}

/* Recognises exp(u) / sum of exp as a softmax, and makes its log-sum-exp. */
static bool is_quotient_softmax(Logs *l, const GExpr *n, const GExpr *d, Softmax *found) {
    if (n->op != G_EXP || !is_sum_over_one_index(d)) return false;
    ComputeSpec sum = *logs_opened(l, d->tensor);
    const GExpr *term = log_value_behind(l, sum.value);
    if (term->op != G_EXP) return false;
    sum.reducer = GR_LSE;
    sum.value = term->args[0];
    found->exponent = n->args[0];
    found->total = found->lse = read_of(l->g, &sum, d);
    return true;
}

/* Recognises exp(u - log(sum of exp)) as a softmax. */
static bool is_logged_softmax(Logs *l, const GExpr *v, Softmax *found) {
    const GExpr *u = log_value_behind(l, v->args[0]);
    const GExpr *log = u->op == G_SUB ? log_value_behind(l, u->args[1]) : u;
    if (log == u || log->op != G_LOG) return false;
    return is_quotient_softmax(l, gx1(l->g, G_EXP, u->args[0]), log_value_behind(l, log->args[0]),
                               found);
}

static const GExpr *entry_of(Graph *g, const Softmax *s) {
    return gx1(g, G_EXP, gx2(g, G_SUB, s->exponent, s->total));
}

/* Returns 1 - n / (n + r) as r / (n + r), or the complement of a softmax. NULL: the quotient is
 * neither. */
static const GExpr *complement_of_quotient(Logs *l, const GExpr *numerator,
                                           const GExpr *denominator) {
    Graph *g = l->g;
    const GExpr *rest;
    const GExpr *n = log_value_behind(l, numerator);
    const GExpr *d = log_value_behind(l, denominator);
    Softmax s;
    if (!logs_hold_exp(l, n) && !logs_hold_exp(l, d)) return NULL;
    if (log_take_out_of_addends(l, d, n, &rest))
        return rest ? gx2(g, G_DIV, rest, d) : gx_real(g, 0);
    return is_quotient_softmax(l, n, d, &s) ? softmax_complement(l, entry_of(g, &s), &s) : NULL;
}

/* A term of a sum: an entry of a softmax by a weight, where a condition holds, else 0. */
typedef struct WeightedEntry {
    const GExpr *weight, *holds; /* a weight of NULL is 1; a condition of NULL always holds */
    Softmax softmax;
} WeightedEntry;

static bool find_entry(Logs *l, const GExpr *value, int depth, WeightedEntry *found);

static bool find_weighted(Logs *l, const GExpr *product, int depth, WeightedEntry *found) {
    for (int i = 0; i < 2; i++) {
        WeightedEntry inner = *found;
        const GExpr *weight = product->args[1 - i];
        if (!find_entry(l, product->args[i], depth + 1, &inner)) continue;
        *found = inner;
        found->weight = inner.weight ? times(l->g, inner.weight, weight) : weight;
        return true;
    }
    return false;
}

/* Takes a term apart into an entry of a softmax, a weight and a condition. Returns false if it has
 * no such form. */
static bool find_entry(Logs *l, const GExpr *value, int depth, WeightedEntry *found) {
    const GExpr *v = log_value_behind(l, value);
    if (depth == MOST_NESTED) return false;
    if (v->op == G_EXP)
        return log_is_softmax(l, v, &found->softmax) || is_logged_softmax(l, v, &found->softmax);
    if (v->op == G_DIV)
        return is_quotient_softmax(l, log_value_behind(l, v->args[0]),
                                   log_value_behind(l, v->args[1]), &found->softmax);
    if (v->op == G_MUL) return find_weighted(l, v, depth, found);
    if (v->op != G_SELECT) return false;
    found->holds = gx_and(l->g, found->holds, v->args[0]);
    return is_real_const(v->args[2]) && v->args[2]->real == 0 &&
           find_entry(l, v->args[1], depth + 1, found);
}

static bool depends_on(Graph *g, const GExpr *e, const GExpr *index) {
    const GExpr *free[GRAPH_MAX_FREE];
    const int count = gx_free_indices(g, e, free);
    for (int i = 0; i < count; i++)
        if (free[i] == index) return true;
    return false;
}

/* True if the entries are those of one row, each once: `place` is the index that is summed over,
 * and the row does not depend on it. */
static bool are_of_one_row(Logs *l, const ComputeSpec *sum, const WeightedEntry *e) {
    const GExpr *lse = e->softmax.lse;
    const GExpr *place = log_place_of_term(l, lse, log_value_behind(l, e->softmax.exponent));
    if (place != sum->red[0] || lse->tensor->red_shape[0] != graph_index_extent(l->g, sum->red[0]))
        return false;
    for (int i = 0; i < lse->tensor->rank; i++)
        if (depends_on(l->g, lse->args[i], sum->red[0])) return false;
    return true;
}

/* Returns the guard of the row's log-sum-exp, at the index that is summed over. NULL: it has none.
 */
static const GExpr *guard_of_row(Logs *l, const ComputeSpec *sum, const Softmax *row) {
    Graph *g = l->g;
    const ComputeSpec *lse = logs_opened(l, row->lse->tensor);
    if (!lse->guard) return NULL;
    const GExpr *here = gx_substitute(g, lse->guard, lse->out_rank, lse->out, row->lse->args);
    return gx_substitute(g, here, 1, lse->red, sum->red);
}

/* True if the value is an entry of a softmax's row, and the sum takes every entry of that row once.
 * *where is the condition under which a term is such an entry; all other terms are 0. */
static bool is_of_whole_row(Logs *l, const ComputeSpec *sum, const GExpr *value, Softmax *row,
                            const GExpr **where) {
    WeightedEntry e = {0};
    if (!find_entry(l, value, 0, &e) || e.weight || !are_of_one_row(l, sum, &e)) return false;
    const GExpr *taken = guard_of_row(l, sum, &e.softmax);
    *row = e.softmax;
    *where = gx_and(l->g, sum->guard, e.holds);
    return log_guard_implies(*where, taken) && log_guard_implies(taken, *where);
}

/* Returns w for a value sqrt(w). NULL: the value is no square root. */
static const GExpr *under_root(Logs *l, const GExpr *e) {
    const GExpr *v = log_value_behind(l, e);
    const bool is_root =
        v->op == G_SQRT || (v->op == G_POW && is_real_const(v->args[1]) && v->args[1]->real == 0.5);
    return is_root ? log_value_behind(l, v->args[0]) : NULL;
}

/* True of sqrt(a b) and of sqrt(a) sqrt(b); the factors are a and b. */
static bool is_root_of_product(Logs *l, const GExpr *term, const GExpr *factors[2]) {
    const GExpr *v = log_value_behind(l, term);
    const GExpr *under = under_root(l, v);
    const GExpr *product = under ? under : v;
    if (product->op != G_MUL) return false;
    for (int i = 0; i < 2; i++)
        factors[i] = under ? product->args[i] : under_root(l, product->args[i]);
    return factors[0] && factors[1];
}

/* Returns (sqrt(p) - sqrt(q))^2. A term that neither row has is 0. */
static const GExpr *square_between_roots(Graph *g, const Softmax *p, const Softmax *q) {
    const GExpr *log_p = gx2(g, G_SUB, p->exponent, p->total);
    const GExpr *log_q = gx2(g, G_SUB, q->exponent, q->total);
    const GExpr *high = gx2(g, G_MAX, log_p, log_q);
    const GExpr *is_nothing = gx2(g, G_EQ, high, gx_real(g, -INFINITY));
    const GExpr *exponents_apart = gx2(g, G_SUB, p->exponent, q->exponent);
    const GExpr *totals_apart = gx2(g, G_SUB, p->total, q->total);
    const GExpr *apart = gx2(g, G_SUB, exponents_apart, totals_apart);
    const GExpr *size = times(g, gx_real(g, -0.5), gx1(g, G_ABS, apart));
    const GExpr *loss = gx1(g, G_EXPM1, size);
    const GExpr *square = times(g, gx1(g, G_EXP, high), times(g, loss, loss));
    return gx_select(g, is_nothing, gx_real(g, 0), square);
}

/* Returns 1 less the sum of roots of the products of two rows' entries, by Note [Roots of two
 * softmaxes]. NULL: the sum is none of these. */
static const GExpr *roots_complement(Logs *l, const ComputeSpec *sum, const GExpr *v) {
    Graph *g = l->g;
    const GExpr *factors[2];
    const GExpr *where[2];
    Softmax p;
    Softmax q;
    if (!is_root_of_product(l, sum->value, factors)) return NULL;
    if (!is_of_whole_row(l, sum, factors[0], &p, &where[0]) ||
        !is_of_whole_row(l, sum, factors[1], &q, &where[1]) ||
        !log_guard_implies(where[0], where[1]) || !log_guard_implies(where[1], where[0]))
        return NULL;
    ComputeSpec squares = *sum;
    squares.name = NULL;
    squares.guard = where[0];
    squares.value = square_between_roots(g, &p, &q);
    return times(g, gx_real(g, 0.5), read_of(g, &squares, v));
}

/* Returns the complement of a sum by Note [Some of a softmax] or Note [Roots of two softmaxes].
 * NULL: the sum is neither. The entries that are summed have to be among those that the row's
 * log-sum-exp takes. */
static const GExpr *sum_complement(Logs *l, const GExpr *v, int depth) {
    Graph *g = l->g;
    if (!is_sum_over_one_index(v)) return NULL;
    ComputeSpec rest = *logs_opened(l, v->tensor);
    WeightedEntry e = {0};
    if (!find_entry(l, rest.value, 0, &e)) return roots_complement(l, &rest, v);
    if (!are_of_one_row(l, &rest, &e)) return NULL;
    const GExpr *taken = guard_of_row(l, &rest, &e.softmax);
    const GExpr *summed = gx_and(g, rest.guard, e.holds);
    const GExpr *entry = entry_of(g, &e.softmax);
    if (!log_guard_implies(summed, taken)) return NULL;
    if (!e.weight) {
        rest.guard = gx_and(g, taken, summed ? gx1(g, G_NOT, summed) : gx_bool(g, false));
        rest.value = entry;
    } else {
        const GExpr *left = complement(l, e.weight, depth);
        const GExpr *other = times(g, left ? left : one_minus(g, e.weight), entry);
        rest.guard = taken;
        rest.value = summed ? gx_select(g, summed, other, entry) : other;
    }
    return read_of(g, &rest, v);
}

static const GExpr *exp_complement(Logs *l, const GExpr *v, int depth) {
    (void)depth;
    Graph *g = l->g;
    const GExpr *u = log_value_behind(l, v->args[0]);
    const GExpr *found = NULL;
    Softmax s;
    if (u->op == G_NEG && u->args[0]->op == G_SOFTPLUS) return sigmoid(g, u->args[0]->args[0]);
    if (log_is_softmax(l, v, &s)) found = softmax_complement(l, v, &s);
    const GExpr *log = u->op == G_SUB ? log_value_behind(l, u->args[1]) : u;
    if (log->op == G_LOG && log != u)
        found = complement_of_quotient(l, gx1(g, G_EXP, u->args[0]), log->args[0]);
    return found ? found : negated(g, gx1(g, G_EXPM1, u));
}

/* ---- the error function ---------------------------------------------------------------------- */

/* 1 - erf(x). From 1/2 on it is t exp(P(t) - x^2) with t = 1 / (1 + x / 2), as in Numerical
 * Recipes, 6.2.2; P is a Chebyshev fit of degree 11 in 2.5 t - 1, within 2.3e-9, and its slope
 * within 9e-8. t is written without a quotient, which stabilise would take apart where x is made of
 * exponentials: the attention of a network ahead of a GELU. */
static const GExpr *complement_of_error(Graph *g, const GExpr *x) {
    static const double fit[] = {
        -0.80407230806831675,   0.51876843944897022,     0.046375936163609625,
        -0.018367313970915951,  -0.0069734856011656101,  0.0016196701227144674,
        0.0011519968632855181,  -0.00023786992337917923, -0.00019563408234887447,
        4.5802840411965923e-05, 2.3645612717473341e-05,  -6.4564115541543293e-06};
    enum { TERMS = sizeof fit / sizeof *fit };
    const GExpr *start = gx_real(g, 0.5);
    const GExpr *one = gx_real(g, 1);
    const GExpr *y = gx2(g, G_MAX, x, start);
    const GExpr *below = gx2(g, G_ADD, one, times(g, start, y));
    const GExpr *t = gx1(g, G_RSQRT, times(g, below, below));
    const GExpr *s = gx2(g, G_SUB, times(g, gx_real(g, 2.5), t), one);
    const GExpr *sum = gx_real(g, fit[TERMS - 1]);
    for (int i = TERMS - 2; i >= 0; i--)
        sum = gx2(g, G_ADD, times(g, sum, s), gx_real(g, fit[i]));
    const GExpr *tail = times(g, t, gx1(g, G_EXP, gx2(g, G_SUB, sum, times(g, y, y))));
    return gx_select(g, gx2(g, G_LT, start, x), tail, one_minus(g, gx1(g, G_ERF, x)));
}

/* ---- products, choices, clamps --------------------------------------------------------------- */

static const GExpr *square_complement(Logs *l, const GExpr *v, int depth) {
    Graph *g = l->g;
    const GExpr *less = complement(l, v, depth);
    const GExpr *more = complement(l, negated(g, v), depth);
    if (!less && !more) return NULL;
    return times(g, less ? less : one_minus(g, v), more ? more : gx2(g, G_ADD, gx_real(g, 1), v));
}

/* 1 - p q = (1 - p) + p (1 - q). */
static const GExpr *product_complement(Logs *l, const GExpr *v, int depth) {
    Graph *g = l->g;
    const GExpr *p = v->args[0];
    const GExpr *q = v->args[1];
    if (log_value_behind(l, p) == log_value_behind(l, q)) return square_complement(l, p, depth);
    const GExpr *less_p = complement(l, p, depth);
    const GExpr *less_q = less_p ? complement(l, q, depth) : NULL;
    return less_q ? gx2(g, G_ADD, less_p, times(g, p, less_q)) : NULL;
}

/* 1 - p^k = -expm1(k log p). */
static const GExpr *power_complement(Logs *l, const GExpr *v, int depth) {
    Graph *g = l->g;
    const GExpr *base = v->args[0];
    const GExpr *power = v->args[1];
    bool split = false;
    if (!is_real_const(power)) return NULL;
    if (power->real == 2) return square_complement(l, base, depth);
    if (!logs_hold_exp(l, base) || !log_form(l, base).positive) return NULL;
    const GExpr *log = times(g, power, log_of(l, base, &split));
    return negated(g, gx1(g, G_EXPM1, log));
}

/* Returns the complement of an arm of a choice or a clamp. *known is set if the complement is more
 * than a plain difference: only then it is worth rewriting the choice. */
static const GExpr *arm_complement(Logs *l, const GExpr *arm, int depth, bool *known) {
    const GExpr *found = complement(l, arm, depth);
    *known |= found && !is_real_const(arm);
    return found ? found : one_minus(l->g, arm);
}

static const GExpr *clamp_complement(Logs *l, const GExpr *v, int depth) {
    bool known = false;
    const GExpr *a = arm_complement(l, v->args[0], depth, &known);
    const GExpr *b = arm_complement(l, v->args[1], depth, &known);
    return known ? gx2(l->g, v->op == G_MIN ? G_MAX : G_MIN, a, b) : NULL;
}

static const GExpr *choice_complement(Logs *l, const GExpr *v, int depth) {
    bool known = false;
    const GExpr *a = arm_complement(l, v->args[1], depth, &known);
    const GExpr *b = arm_complement(l, v->args[2], depth, &known);
    return known ? gx_select(l->g, v->args[0], a, b) : NULL;
}

/* Returns 1 - (-w), for functions w that come close to -1. */
static const GExpr *negative_complement(Logs *l, const GExpr *v, int depth) {
    Graph *g = l->g;
    const GExpr *w = log_value_behind(l, v->args[0]);
    if (w->op != G_ERF && w->op != G_TANH) return NULL;
    const GExpr *x = negated(g, w->args[0]);
    return w->op == G_ERF ? complement_of_error(g, x) : complement(l, gx1(g, G_TANH, x), depth);
}

/* Takes constant factors off. Returns what they multiply. */
static const GExpr *without_factors(Logs *l, const GExpr *v, double *factor) {
    *factor = 1;
    for (;;) {
        const GExpr *a = v->arg_count > 0 ? v->args[0] : NULL;
        const GExpr *b = v->arg_count > 1 ? v->args[1] : NULL;
        const bool is_quotient = v->op == G_DIV && is_real_const(b) && b->real != 0;
        const bool is_product = v->op == G_MUL && (is_real_const(a) || is_real_const(b));
        if (!is_quotient && !is_product) return v;
        *factor =
            is_quotient ? *factor / b->real : *factor * (is_real_const(a) ? a->real : b->real);
        v = log_value_behind(l, is_product && is_real_const(a) ? b : a);
    }
}

static const GExpr *constant_complement(Logs *l, const GExpr *v, int depth) {
    (void)depth;
    return gx_real(l->g, 1 - v->real);
}

static const GExpr *sigmoid_complement(Logs *l, const GExpr *v, int depth) {
    (void)depth;
    return sigmoid(l->g, negated(l->g, v->args[0]));
}

static const GExpr *error_complement(Logs *l, const GExpr *v, int depth) {
    (void)depth;
    return complement_of_error(l->g, v->args[0]);
}

static const GExpr *quotient_complement(Logs *l, const GExpr *v, int depth) {
    (void)depth;
    return complement_of_quotient(l, v->args[0], v->args[1]);
}

static const GExpr *tanh_complement(Logs *l, const GExpr *v, int depth) {
    Graph *g = l->g;
    (void)depth;
    return times(g, gx_real(g, 2), sigmoid(g, times(g, gx_real(g, -2), v->args[0])));
}

/* 1 - (1 - u) = u. */
static const GExpr *difference_complement(Logs *l, const GExpr *v, int depth) {
    (void)l, (void)depth;
    return is_real_const(v->args[0]) && v->args[0]->real == 1 ? v->args[1] : NULL;
}

/* 1 - (1 + u) = -u. */
static const GExpr *addend_complement(Logs *l, const GExpr *v, int depth) {
    (void)depth;
    for (int i = 0; i < 2; i++)
        if (is_real_const(v->args[i]) && v->args[i]->real == 1)
            return negated(l->g, v->args[1 - i]);
    return NULL;
}

/* 1 - sqrt(w) = (1 - w) / (1 + sqrt(w)). */
static const GExpr *root_complement(Logs *l, const GExpr *v, int depth) {
    Graph *g = l->g;
    const GExpr *less = complement(l, v->args[0], depth);
    return less ? gx2(g, G_DIV, less, gx2(g, G_ADD, gx_real(g, 1), v)) : NULL;
}

/* 1 - cos(x) = 2 sin(x / 2)^2. */
static const GExpr *cosine_complement(Logs *l, const GExpr *v, int depth) {
    Graph *g = l->g;
    (void)depth;
    const GExpr *sine = gx1(g, G_SIN, times(g, gx_real(g, 0.5), v->args[0]));
    return times(g, gx_real(g, 2), times(g, sine, sine));
}

/* Returns 1 - v by the rule of v's outermost operation, or NULL. Constant factors that cancel are
 * looked through. */
static const GExpr *complement_behind(Logs *l, const GExpr *v, int depth) {
    static const GExpr *(*const rules[G_OP_COUNT])(Logs * l, const GExpr *v, int depth) = {
        [G_CONST] = constant_complement,  [G_LOAD] = sum_complement,
        [G_SIGMOID] = sigmoid_complement, [G_TANH] = tanh_complement,
        [G_ERF] = error_complement,       [G_EXP] = exp_complement,
        [G_SUB] = difference_complement,  [G_NEG] = negative_complement,
        [G_ADD] = addend_complement,      [G_SQRT] = root_complement,
        [G_COS] = cosine_complement,      [G_DIV] = quotient_complement,
        [G_MUL] = product_complement,     [G_POW] = power_complement,
        [G_MAX] = clamp_complement,       [G_MIN] = clamp_complement,
        [G_SELECT] = choice_complement};
    Graph *g = l->g;
    double factor;
    if (log_is_stop_read(v)) {
        const GExpr *found = complement(l, log_behind_stop(g, v), depth);
        return found ? log_stopped(g, found) : NULL;
    }
    const GExpr *core = without_factors(l, v, &factor);
    if (core != v) return factor == 1 ? complement(l, core, depth) : NULL;
    return rules[v->op] ? rules[v->op](l, v, depth) : NULL;
}

static const GExpr *complement(Logs *l, const GExpr *v, int depth) {
    if (log_is_moved(v)) depth += MOST_NESTED / MOST_MOVES - 1;
    if (v->type != GT_REAL || depth >= MOST_NESTED) return NULL;
    const ExprValue *known = expr_map_find(&l->complements[depth], v);
    if (known) return known->pointer;
    const GExpr *found = complement_behind(l, log_value_behind(l, v), depth + 1);
    expr_map_set(&l->complements[depth], v, (ExprValue){.pointer = found});
    return found;
}

const GExpr *complement_of_roots(Logs *l, const GExpr *v) {
    return is_sum_over_one_index(v) ? roots_complement(l, logs_opened(l, v->tensor), v) : NULL;
}

const GExpr *complement_of(Logs *l, const GExpr *v) {
    return is_real_const(v) ? NULL : complement(l, v, 0);
}
