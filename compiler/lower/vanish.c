/* Takes care of products that vanish though the values that are made of them do not.
 *
 * x * y is 0 in float32 where both are 1e-25, and its root is 1e-25. A value under a root, under a
 * power between -1 and 1, or under a log is therefore looked at. Where it is below 2^-100, or
 * infinite, its root is made of the roots of its factors, and its log of their logs. The entries of
 * a sum of products are scaled by a power of two. The degree of the sum says how to take this back:
 * (sum |x|^3)^(1/3) of x is that of 2^67 x, over 2^67. Both are computed in such rows alone, so
 * that other rows keep their bits. Where no scale helps, because addends are of different degrees
 * or too small together, the result is NaN, and the run stops with the line.
 *
 * A quotient is NaN where its denominator has vanished. It is NaN, too, where its numerator has
 * vanished and its denominator is below 2^-60. Over a larger denominator the lost digits are of no
 * account.
 *
 * Note [Vanished]
 * A product is 0 in earnest where a factor is, and has vanished where it is below what float32
 * holds to all digits and no factor is 0. A sum of products has vanished where some term has.
 *
 * Note [Slopes]
 * A slope by a scaled entry is the scale times too large, or too small. So the gradient goes
 * through a carrier: a sum whose entries are scaled, but have the slope of those that are not
 * (G_ROOT). Nothing reads its value, so it is not computed. What is missing, one factor of the
 * scale, stands in the slope of the result by the carrier.
 *
 * Rules of optimisers are left alone: the squares of tiny gradients vanish beside an epsilon. So
 * are views, whose numbers are those of pictures and draws. */
#include "compiler/graph/rewriter.h"
#include "compiler/graph/visit.h"
#include "compiler/lower/length.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    SMALL_EXPONENT = -100, /* the exponent of 2 below which sums lose digits of their terms */
    LARGE_EXPONENT = 120,
    /* The powers of 2 by which a small value, and each entry of it, is multiplied first, and those
     * for a value that is still too small. A slope multiplies by the same power once more. */
    FIRST_SHIFT = 180,
    FIRST_OF_ENTRY = 60,
    SECOND_SHIFT = 330,
    SECOND_OF_ENTRY = 100,
    /* The power of 2 by which the entries of a value that is too large are divided. */
    LOWERED_OF_ENTRY = 90,
    /* The most parts of a value that one root looks into, which bounds the time. */
    MOST_OPENED = 64
};

static const double small_denominator = 0x1p-60;

static const GExpr *mul(Graph *g, const GExpr *a, const GExpr *b) {
    return gx2(g, G_MUL, a, b);
}
static const GExpr *magnitude(Graph *g, const GExpr *e) {
    return gx1(g, G_ABS, e);
}
static const GExpr *is_below(Graph *g, const GExpr *e, double bound) {
    return gx2(g, G_LT, magnitude(g, e), gx_real(g, bound));
}
static bool is_zero(const GExpr *e) {
    return e->op == G_CONST && e->real == 0;
}
/* True of a sum, and of an extreme, which scales as a sum does. */
static bool is_sum(const GExpr *e) {
    if (e->op != G_LOAD || e->has_else || e->tensor->kind != GN_COMPUTE) return false;
    const GReducer r = e->tensor->reducer;
    return (r == GR_SUM || r == GR_MAX || r == GR_MIN) && e->tensor->type == GT_REAL &&
           !e->tensor->active;
}
static bool is_product_of_all(const GExpr *e) {
    return e->op == G_LOAD && !e->has_else && e->tensor->kind == GN_COMPUTE &&
           e->tensor->reducer == GR_PROD && !e->tensor->active;
}

static bool is_nan_or_value(const GExpr *e) {
    return e->op == G_SELECT && e->args[1]->op == G_CONST && e->args[1]->type == GT_REAL &&
           isnan(e->args[1]->real);
}

/* Returns the value behind a guard that puts NaN in place of a quotient whose parts vanish or
 * overflow, or of an infinity. A root or a log of it looks at the parts itself. NULL: `e` is no
 * guard. */
static const GExpr *guarded(const GExpr *e) {
    if (is_nan_or_value(e)) return e->args[2];
    if (e->op != G_ROOT || !is_nan_or_value(e->args[1])) return NULL;
    return e->args[1]->args[2] == e->args[0] ? e->args[0] : NULL;
}

/* ---- what is known of a value ---------------------------------------------------------------- */

/* `degree` is n if the value is s^n times as large where all that it reads is s times as large; 0
 * of constants. */
typedef struct Shape {
    double degree;
    bool is_even;    /* true if all addends have this degree */
    bool may_vanish; /* true if it may be 0, or lose digits, where nothing that it reads is 0 */
} Shape;

struct VanishFacts {
    Graph *g;
    Arena *arena;
    ExprMap shapes; /* by expression: its Shape */
};

static VanishFacts *facts_of(Lower *l) {
    if (l->vanish_facts && l->vanish_facts->g == l->g) return l->vanish_facts;
    VanishFacts *facts = l->vanish_facts = arena_new_of(l->arena, VanishFacts);
    facts->g = l->g;
    facts->arena = l->arena;
    expr_map_open_in(&facts->shapes, l->arena);
    return facts;
}

/* By operation: true if its value may vanish where an argument may. */
static const bool passes_on[G_OP_COUNT] = {
    [G_MUL] = true, [G_DIV] = true, [G_POW] = true,    [G_SQRT] = true,
    [G_ADD] = true, [G_SUB] = true, [G_MAX] = true,    [G_MIN] = true,
    [G_NEG] = true, [G_ABS] = true, [G_SELECT] = true, [G_ROOT] = true};

static bool has_parts(void *context, const GExpr *e) {
    (void)context;
    return e->type == GT_REAL && passes_on[e->op];
}

static const Shape leaf = {1, true, false}, constant = {0, true, false};

static bool is_number_but_0(const GExpr *e) {
    return e->op == G_CONST && !is_zero(e);
}

static Shape shape_of_sum(const GExpr *e, Shape a, Shape b) {
    const GExpr *left = e->args[0];
    const GExpr *right = e->args[1];
    const bool is_constant = a.degree == 0 && b.degree == 0;
    if (!a.may_vanish && !b.may_vanish) return is_constant ? constant : leaf;
    const bool has_number = is_number_but_0(left) || is_number_but_0(right);
    const bool keeps_number = e->op == G_ADD || e->op == G_SUB || e->op == G_MAX;
    if (has_number && keeps_number) return leaf;
    const bool alike = a.is_even && b.is_even && a.degree == b.degree;
    const bool beside_zero = is_zero(left) || is_zero(right);
    const double degree = a.degree > b.degree ? a.degree : b.degree;
    return (Shape){degree, alike || beside_zero, true};
}

static Shape shape_of_power(const GExpr *e, Shape a) {
    const GExpr *exponent = e->args[1];
    if (a.degree == 0 && !a.may_vanish) return constant;
    if (exponent->op != G_CONST || exponent->real < 0) return (Shape){1, false, true};
    return (Shape){a.degree * exponent->real, a.is_even, a.may_vanish || exponent->real > 1};
}

static Shape shape_of_product(Shape a, Shape b, bool divides) {
    return (Shape){divides ? a.degree : a.degree + b.degree, a.is_even && (divides || b.is_even),
                   a.may_vanish || (!divides && b.may_vanish) || (a.degree > 0 && b.degree > 0)};
}

static Shape shape_of_parts(const GExpr *e, const Shape *const *parts) {
    const Shape a = *parts[0];
    const Shape b = e->arg_count > 1 ? *parts[1] : constant;
    const bool divides = e->op == G_DIV;
    if (e->op == G_MUL || divides) return shape_of_product(a, b, divides);
    if (e->op == G_POW) return shape_of_power(e, a);
    if (e->op == G_SQRT) return (Shape){a.degree / 2, a.is_even, a.may_vanish};
    if (e->op == G_NEG || e->op == G_ABS) return a;
    if (e->op == G_ROOT) return guarded(e) ? a : leaf;
    if (e->op != G_SELECT) return shape_of_sum(e, a, b);
    return guarded(e) ? *parts[2] : shape_of_sum(e, *parts[1], *parts[2]);
}

static VisitStep find_negative(void *context, const GExpr *e) {
    (void)context;
    const bool is_square = e->op == G_MUL && e->args[0] == e->args[1];
    const bool is_number = e->op == G_CONST && e->real >= 0;
    if (is_square || is_number || e->op == G_ABS || e->op == G_SQRT || e->op == G_EXP)
        return VISIT_PAST;
    return e->op == G_MUL || e->op == G_DIV || e->op == G_ADD ? VISIT_INSIDE : VISIT_END;
}

static const Shape *shape_of(VanishFacts *f, const GExpr *e);

/* True of a value that is never negative. Beside other terms, a sum is scaled by way of its root,
 * which a negative sum does not have. */
static bool is_never_negative(const GExpr *e) {
    return !expr_visit(e, find_negative, NULL);
}

static Shape shape_behind(VanishFacts *f, const GExpr *e) {
    if (length_stands_for_value(e)) return *shape_of(f, e->tensor->value);
    if (e->op == G_LOAD && !e->has_else && e->tensor->kind == GN_STOP) {
        GNode *held = e->tensor->operand;
        const GExpr *read = gx_load(f->g, held, e->tensor->rank, e->args, NULL);
        return (Shape){1, false, shape_of(f, read)->may_vanish};
    }
    if (is_product_of_all(e)) return (Shape){1, false, true};
    if (!is_sum(e)) return leaf;
    Shape term = *shape_of(f, e->tensor->value);
    if (!term.may_vanish && term.degree > 0) return leaf;
    term.is_even &= is_never_negative(e->tensor->value);
    return term;
}

static ExprValue find_shape(void *context, const GExpr *e, const ExprValue *args) {
    VanishFacts *f = context;
    Shape *found = arena_new_of(f->arena, Shape);
    const Shape *parts[GRAPH_MAX_RANK + 1];
    for (int i = 0; args && i < e->arg_count; i++)
        parts[i] = args[i].pointer;
    if (e->op == G_CONST || e->op == G_TO_REAL || e->type != GT_REAL)
        *found = constant;
    else
        *found = args ? shape_of_parts(e, parts) : shape_behind(f, e);
    return (ExprValue){.pointer = found};
}

static const Shape *shape_of(VanishFacts *f, const GExpr *e) {
    return expr_fold_rest(&f->shapes, e, has_parts, find_shape, f).pointer;
}

static bool may_vanish(Lower *l, const GExpr *e) {
    if (l->in_rule || l->sample) return false;
    return !length_is_of_exps(l, e) && shape_of(facts_of(l), e)->may_vanish;
}

/* Returns the condition that a value is small, infinite or no number. */
static const GExpr *is_odd(Graph *g, const GExpr *e) {
    const GExpr *size = magnitude(g, e);
    const GExpr *is_ordinary = gx2(g, G_AND, gx2(g, G_LE, gx_real(g, exp2(SMALL_EXPONENT)), size),
                                   gx2(g, G_LT, size, gx_real(g, INFINITY)));
    return gx1(g, G_NOT, is_ordinary);
}

/* ---- has it vanished ------------------------------------------------------------------------- */

typedef struct Opened {
    Lower *l;
    int count; /* the number of parts that were looked into */
} Opened;

static const GExpr *open_read(Opened *o, const GExpr *e) {
    for (; guarded(e) || length_stands_for_value(e); o->count++) {
        if (o->count >= MOST_OPENED) return e;
        const GExpr *behind = guarded(e) ? guarded(e) : length_behind_reads(o->l->g, e);
        if (behind == e) return e;
        e = behind;
    }
    return e;
}

/* True if the value is made of products that are looked into. */
static bool goes_inside(Opened *o, const GExpr *e) {
    return o->count++ < MOST_OPENED && shape_of(facts_of(o->l), e)->may_vanish;
}

static const GExpr *is_nonzero(Opened *o, const GExpr *read);

/* Returns the condition that some term is nonzero, for sums below `bound`. */
static const GExpr *has_nonzero_term(Opened *o, const GExpr *load, double bound) {
    Graph *g = o->l->g;
    ComputeSpec any;
    graph_open(g, load->tensor, &any);
    const int rank = any.out_rank;
    const GExpr *plain = gx_load(g, load->tensor, rank, any.out, NULL);
    any.reducer = load->tensor->reducer == GR_PROD ? GR_ALL : GR_ANY;
    any.value = is_nonzero(o, any.value);
    any.active = is_below(g, plain, bound);
    any.name = NULL;
    return gx_load(g, graph_compute(g, &any), rank, load->args, NULL);
}

static const GExpr *either(Graph *g, const GExpr *a, const GExpr *b) {
    return gx2(g, G_OR, a, b);
}

static const GExpr *is_nonzero_read(Opened *o, const GExpr *e) {
    Graph *g = o->l->g;
    if (e->tensor->kind == GN_STOP)
        return is_nonzero(o, gx_load(g, e->tensor->operand, e->tensor->rank, e->args, NULL));
    if (is_product_of_all(e) || (is_sum(e) && !length_is_of_pairs(o->l, e->tensor)))
        return has_nonzero_term(o, e, FLT_MIN);
    return gx2(g, G_NE, e, gx_real(g, 0));
}

/* Returns the condition that the value would not be 0 if no product vanished. It also holds for
 * sums that cancel. */
static const GExpr *is_nonzero(Opened *o, const GExpr *read) {
    Graph *g = o->l->g;
    const GExpr *e = open_read(o, read);
    const GExpr *const *args = e->args;
    if (!goes_inside(o, e)) return gx2(g, G_NE, e, gx_real(g, 0));
    if (e->op == G_LOAD) return is_nonzero_read(o, e);
    if (e->op == G_SELECT) {
        const GExpr *otherwise = is_nonzero(o, args[2]);
        const GExpr *then = is_nonzero(o, args[1]);
        return gx_select(g, args[0], then, otherwise);
    }
    const bool multiplies = e->op == G_MUL;
    const bool adds = e->op == G_ADD || e->op == G_SUB || e->op == G_MAX || e->op == G_MIN;
    if (!multiplies && !adds) return is_nonzero(o, args[0]);
    const GExpr *right = is_nonzero(o, args[1]);
    const GExpr *left = is_nonzero(o, args[0]);
    return multiplies ? gx_and(g, left, right) : either(g, left, right);
}

/* Returns the condition that the value has vanished: see Note [Vanished]. */
static const GExpr *has_vanished(Lower *l, const GExpr *e) {
    Opened o = {l, 0};
    return gx_and(l->g, is_below(l->g, e, FLT_MIN), is_nonzero(&o, e));
}

static const GExpr *unless(Graph *g, const GExpr *condition, const GExpr *e) {
    return gx_select(g, condition, gx_real(g, NAN), e);
}

/* Returns NaN under the condition, else `e`, with the slope of `e` in both cases. The gradient does
 * not wait for the condition, which may take a pass over all pairs, since a run with the NaN stops
 * at its value. */
static const GExpr *value_unless(Graph *g, const GExpr *condition, const GExpr *e) {
    const GExpr *args[3] = {e, unless(g, condition, e), gx_real(g, 1)};
    return gx_op(g, G_ROOT, 3, args);
}

/* ---- ways: a power, or the log --------------------------------------------------------------- */

typedef struct Way {
    Opened opened;
    Graph *g;
} Way;

/* Returns x^exponent, or log x if `exponent` is NULL. */
static const GExpr *on_the_way(Graph *g, const GExpr *x, const GExpr *exponent) {
    if (!exponent) return gx1(g, G_LOG, x);
    if (exponent->op == G_CONST && exponent->real == 1) return x;
    if (exponent->op == G_CONST && exponent->real == 0.5) return gx1(g, G_SQRT, x);
    return gx2(g, G_POW, x, exponent);
}

/* Combines the powers, or the logs, of a product's factors. */
static const GExpr *together(Graph *g, const GExpr *a, const GExpr *b, bool divides,
                             const GExpr *exponent) {
    if (exponent) return gx2(g, divides ? G_DIV : G_MUL, a, b);
    return gx2(g, divides ? G_SUB : G_ADD, a, b);
}

/* Converts the `value` of an argument that was multiplied by 2^shift to that of the argument
 * itself. */
static const GExpr *taken_back(Graph *g, const GExpr *value, double shift, const GExpr *exponent) {
    enum { AT_ONCE = 100 };
    if (!exponent) return gx2(g, G_SUB, value, gx_real(g, shift * 0.69314718055994531));
    if (exponent->op != G_CONST) {
        const GExpr *unit = gx2(g, G_POW, gx_real(g, 0x1p100), exponent);
        return gx2(g, G_DIV, value, gx2(g, G_POW, unit, gx_real(g, shift / 100)));
    }
    double rest = -shift * exponent->real;
    for (; rest < -AT_ONCE; rest += AT_ONCE)
        value = mul(g, value, gx_real(g, 0x1p-100));
    for (; rest > AT_ONCE; rest -= AT_ONCE)
        value = mul(g, value, gx_real(g, 0x1p100));
    return mul(g, value, gx_real(g, exp2(rest)));
}

/* ---- scaled sums ----------------------------------------------------------------------------- */

typedef struct Scaling {
    Opened *opened;
    GRewriter rewriter;
    const GExpr *by; /* the scale, a power of 2 */
    bool keeps_slope;
} Scaling;

static const GExpr *scale_part(void *context, Graph *g, const GExpr *read);

static const GExpr *scaled_as(Opened *o, const GExpr *e, const GExpr *by, bool keeps_slope) {
    Scaling s = {.opened = o, .by = by, .keeps_slope = keeps_slope};
    gx_rewriter_open(&s.rewriter, o->l->g, scale_part, NULL, &s);
    const GExpr *result = gx_rewriter_apply(&s.rewriter, e);
    gx_rewriter_close(&s.rewriter);
    return result;
}

static const GExpr *scaled(Opened *o, const GExpr *e, const GExpr *by) {
    return scaled_as(o, e, by, false);
}

/* Returns the carrier of a value, whose entries are scaled by `by`: see Note [Slopes]. */
static const GExpr *carrier(Opened *o, const GExpr *e, const GExpr *by) {
    return scaled_as(o, e, by, true);
}

static GNode *scaled_sum(Opened *o, const ComputeSpec *sum, const GExpr *by, const GExpr *active) {
    ComputeSpec spec = *sum;
    spec.name = NULL;
    spec.value = scaled(o, sum->value, by);
    spec.active = active;
    return graph_compute(o->l->g, &spec);
}

static const GExpr *scaled_entry(const Scaling *s, Graph *g, const GExpr *entry) {
    const GExpr *args[3] = {entry, mul(g, entry, s->by), gx_real(g, 1)};
    return s->keeps_slope ? gx_op(g, G_ROOT, 3, args) : args[1];
}

static const GExpr *of_sum(Opened *o, const GExpr *load, const GExpr *count, const GExpr *exponent);

/* Scales a sum of degree n that stands beside others. It is the n-th power of its n-th root, which
 * is scaled as an entry is. */
static const GExpr *scaled_sum_beside(const Scaling *s, Graph *g, const GExpr *load,
                                      double degree) {
    const GExpr *entry = of_sum(s->opened, load, NULL, gx_real(g, 1 / degree));
    entry = scaled_entry(s, g, entry);
    return degree == 1   ? entry
           : degree == 2 ? mul(g, entry, entry)
                         : gx2(g, G_POW, entry, gx_real(g, degree));
}

/* Scales the arrays that are read, and leaves the formula as it is. */
static const GExpr *scale_part(void *context, Graph *g, const GExpr *read) {
    Scaling *s = context;
    const Shape *shape = shape_of(facts_of(s->opened->l), read);
    if (shape->degree == 0) return read;
    if (!shape->may_vanish) return scaled_entry(s, g, read);
    const GExpr *e = open_read(s->opened, read);
    const GExpr *a = e->args[0];
    GRewriter *r = &s->rewriter;
    if (e != read) return gx_rewriter_apply(r, e);
    if (e->op == G_DIV) return gx2(g, G_DIV, gx_rewriter_apply(r, a), e->args[1]);
    if (e->op == G_POW) return gx2(g, G_POW, gx_rewriter_apply(r, a), e->args[1]);
    if (e->op == G_SELECT)
        return gx_select(g, a, gx_rewriter_apply(r, e->args[1]), gx_rewriter_apply(r, e->args[2]));
    if (is_sum(e)) return scaled_sum_beside(s, g, e, shape->degree);
    return e->op == G_LOAD ? scaled_entry(s, g, read) : NULL;
}

static int shift_of_entry(double degree, int shift, int most) {
    const double each = floor(shift / degree);
    return each > most ? most : each < 1 ? 1 : (int)each;
}

/* Returns the condition that a value, whose entries were raised by `shift`, is still small, or was
 * so before its last factor. */
static const GExpr *is_small_still(Graph *g, const GExpr *raised, int shift) {
    return is_below(g, raised, exp2(SMALL_EXPONENT + shift));
}

/* The levels of scaling of a sum: as it is, raised, raised more, lowered. */
typedef struct Levels {
    const GExpr *plain;
    const GExpr *first;
    const GExpr *second;
    const GExpr *lowered;
    int by_first, by_second, by_lowered; /* the power of 2 by which each level scales the entries */
    const GExpr *is_small;
    const GExpr *is_smaller;
    const GExpr *is_large;
} Levels;

static void levels_open(Graph *g, Levels *v, const GExpr *plain, double degree) {
    v->plain = plain;
    v->by_first = shift_of_entry(degree, FIRST_SHIFT, FIRST_OF_ENTRY);
    v->by_second = shift_of_entry(degree, SECOND_SHIFT, SECOND_OF_ENTRY);
    v->by_lowered = -shift_of_entry(degree, FIRST_SHIFT, LOWERED_OF_ENTRY);
    v->is_small = is_below(g, plain, exp2(SMALL_EXPONENT));
    v->is_large = gx2(g, G_LT, gx_real(g, exp2(LARGE_EXPONENT)), magnitude(g, plain));
}

/* Returns the power or log of the sum, from the level of scaling at which the sum is in range. It
 * is NaN if the sum is still small and has a term that is not 0 (`lost`). */
static const GExpr *result_of(Graph *g, const Levels *v, double degree, const GExpr *exponent,
                              const GExpr *lost) {
    const GExpr *lower =
        taken_back(g, on_the_way(g, v->second, exponent), v->by_second * degree, exponent);
    if (lost) {
        lower = unless(g, gx_and(g, is_small_still(g, v->second, v->by_second), lost), lower);
    }
    const GExpr *high =
        taken_back(g, on_the_way(g, v->first, exponent), v->by_first * degree, exponent);
    const GExpr *low = gx_select(g, v->is_smaller, lower, high);
    const GExpr *large =
        taken_back(g, on_the_way(g, length_unless_infinite(g, v->lowered), exponent),
                   v->by_lowered * degree, exponent);
    const GExpr *rest = gx_select(g, v->is_large, large, on_the_way(g, v->plain, exponent));
    return gx_select(g, v->is_small, low, rest);
}

static const GExpr *read_here(Graph *g, GNode *node, const ComputeSpec *sum) {
    return gx_load(g, node, sum->out_rank, sum->out, NULL);
}

/* Returns the scale of each entry of a row. */
static const GExpr *scale_of(Graph *g, const Levels *v) {
    const GExpr *low =
        gx_select(g, v->is_smaller, gx_real(g, exp2(v->by_second)), gx_real(g, exp2(v->by_first)));
    return gx_select(g, v->is_small, low,
                     gx_select(g, v->is_large, gx_real(g, exp2(v->by_lowered)), gx_real(g, 1)));
}

/* Returns the scaled sum of a row. */
static const GExpr *level_of(Graph *g, const Levels *v) {
    const GExpr *low = gx_select(g, v->is_smaller, v->second, v->first);
    return gx_select(g, v->is_small, low, gx_select(g, v->is_large, v->lowered, v->plain));
}

/* Returns the power of the scaled sum of a row, which is of an ordinary size where the power of the
 * sum itself may be too small for float32. */
static const GExpr *power_of_level(Graph *g, const Levels *v, const GExpr *exponent) {
    const GExpr *second = on_the_way(g, v->second, exponent);
    const GExpr *low = gx_select(g, v->is_smaller, second, on_the_way(g, v->first, exponent));
    return gx_select(g, v->is_small, low, on_the_way(g, v->lowered, exponent));
}

/* Returns the factor for the slope by the carrier, if entries were raised by 2^shift: 2^shift,
 * divided by what the power is raised by. */
static const GExpr *slope_factor(Graph *g, int shift, double degree, const GExpr *exponent) {
    const GExpr *by = gx_real(g, exp2(shift));
    return exponent ? taken_back(g, by, shift * degree, exponent) : by;
}

/* Returns the slope of `value` by the carrier. Rows in range have the slope of the plain form. */
static const GExpr *slope_of(Graph *g, const Levels *v, double degree, const GExpr *value,
                             const GExpr *exponent) {
    const GExpr *zero = gx_real(g, 0);
    const GExpr *one = gx_real(g, 1);
    const GExpr *sum = level_of(g, v);
    const GExpr *plain;
    if (!exponent) {
        plain = gx2(g, G_DIV, one, sum);
    } else if (exponent->op == G_CONST && exponent->real == 0.5) {
        plain = gx2(g, G_DIV, gx_real(g, 0.5), value);
    } else {
        plain = mul(g, exponent, gx2(g, G_POW, sum, gx2(g, G_SUB, exponent, one)));
    }
    const GExpr *first = slope_factor(g, v->by_first, degree, exponent);
    const GExpr *second = slope_factor(g, v->by_second, degree, exponent);
    const GExpr *lowered = slope_factor(g, v->by_lowered, degree, exponent);
    const GExpr *factor =
        gx_select(g, v->is_small, gx_select(g, v->is_smaller, second, first), lowered);
    const GExpr *scaled = gx2(g, G_DIV, one, sum);
    if (exponent) {
        scaled = mul(g, exponent, gx2(g, G_DIV, power_of_level(g, v, exponent), sum));
    }
    const GExpr *slope =
        gx_select(g, either(g, v->is_small, v->is_large), mul(g, scaled, factor), plain);
    return gx_select(g, gx2(g, G_EQ, sum, zero), zero, slope);
}

/* Returns the power or log of a sum whose terms are all of one degree, over `count`, which may be
 * NULL. */
static const GExpr *of_sum(Opened *o, const GExpr *load, const GExpr *count,
                           const GExpr *exponent) {
    Graph *g = o->l->g;
    ComputeSpec sum;
    graph_open(g, load->tensor, &sum);
    const double degree = shape_of(facts_of(o->l), load)->degree;
    Levels v = {0};
    levels_open(g, &v, read_here(g, load->tensor, &sum), degree);
    v.first = read_here(g, scaled_sum(o, &sum, gx_real(g, exp2(v.by_first)), v.is_small), &sum);
    v.lowered = read_here(g, scaled_sum(o, &sum, gx_real(g, exp2(v.by_lowered)), v.is_large), &sum);
    v.is_smaller = gx_and(g, v.is_small, is_small_still(g, v.first, v.by_first));
    v.second = read_here(g, scaled_sum(o, &sum, gx_real(g, exp2(v.by_second)), v.is_smaller), &sum);
    const GExpr *lost = NULL;
    if (degree > 3) {
        const GExpr *here = read_here(g, load->tensor, &sum);
        lost = has_nonzero_term(o, here, FLT_MIN);
    }
    GNode *values = length_beside(g, &sum, result_of(g, &v, degree, exponent, lost));
    GNode *scales = graph_stop(g, length_beside(g, &sum, scale_of(g, &v)), sum.span);
    ComputeSpec carrying = sum;
    carrying.name = NULL;
    carrying.value = carrier(o, sum.value, read_here(g, scales, &sum));
    GNode *carriers = graph_compute(g, &carrying);
    const GExpr *slope = slope_of(g, &v, degree, read_here(g, values, &sum), exponent);
    const GExpr *args[3] = {
        gx_load(g, carriers, sum.out_rank, load->args, NULL),
        gx_load(g, values, sum.out_rank, load->args, NULL),
        gx_load(g, length_beside(g, &sum, slope), sum.out_rank, load->args, NULL)};
    const GExpr *result = gx_op(g, G_ROOT, 3, args);
    return count ? together(g, result, on_the_way(g, count, exponent), true, exponent) : result;
}

/* Returns the power or log of a sum over all pairs of rows. A log keeps the pairs as they are,
 * since they may be streamed. */
static const GExpr *of_pairs(Graph *g, const GExpr *load, const GExpr *count,
                             const GExpr *exponent) {
    const GExpr *over[2];
    const GExpr *sum = exponent ? length_scaled_pairs(g, load, over) : NULL;
    const GExpr *result;
    if (sum) {
        const GExpr *value = on_the_way(g, length_unless_infinite(g, sum), exponent);
        for (int i = 0; i < 2; i++)
            value = gx2(g, G_DIV, value, on_the_way(g, over[i], exponent));
        const GExpr *zero = gx_real(g, 0);
        const GExpr *factor = mul(g, exponent, value);
        if (over[0] == over[1]) factor = mul(g, factor, over[0]);
        const GExpr *slope = gx2(g, G_DIV, factor, sum);
        const GExpr *args[3] = {sum, value, gx_select(g, gx2(g, G_EQ, sum, zero), zero, slope)};
        result = gx_op(g, G_ROOT, 3, args);
    } else {
        const GExpr *has_digits_lost =
            gx_and(g, is_below(g, load, FLT_MIN), gx2(g, G_NE, load, gx_real(g, 0)));
        const GExpr *kept = exponent ? length_unless_infinite(g, load) : load;
        result = on_the_way(g, unless(g, has_digits_lost, kept), exponent);
    }
    return count ? together(g, result, on_the_way(g, count, exponent), true, exponent) : result;
}

/* ---- factors --------------------------------------------------------------------------------- */

/* The power or log of a value's magnitude, and the value's sign, where it may be negative. */
typedef struct Part {
    /* The power or log of the magnitude; the sign, where NULL means that it is 0 or above. */
    const GExpr *way;
    const GExpr *sign;
} Part;

static Part part_of(Opened *o, const GExpr *read, const GExpr *exponent);

static const GExpr *sign_together(Graph *g, const GExpr *a, const GExpr *b) {
    return !a ? b : !b ? a : mul(g, a, b);
}

static const GExpr *times_exponent(Graph *g, const GExpr *exponent, const GExpr *by) {
    return exponent ? mul(g, exponent, by) : NULL;
}

/* Returns the part of the power base^by. If `exponent` is NULL, the part is a log. */
static Part power_of(Opened *o, const GExpr *base, const GExpr *by, const GExpr *exponent) {
    Graph *g = o->l->g;
    Part p = part_of(o, base, times_exponent(g, exponent, by));
    if (!exponent) p.way = mul(g, by, p.way);
    return p;
}

static Part part_of_product(Opened *o, const GExpr *e, const GExpr *exponent) {
    Graph *g = o->l->g;
    if (e->op == G_MUL && e->args[0] == e->args[1]) {
        Part p = power_of(o, e->args[0], gx_real(g, 2), exponent);
        p.sign = NULL;
        return p;
    }
    const Part a = part_of(o, e->args[0], exponent);
    const Part b = part_of(o, e->args[1], exponent);
    return (Part){together(g, a.way, b.way, e->op == G_DIV, exponent),
                  sign_together(g, a.sign, b.sign)};
}

static bool is_even_number(const GExpr *e) {
    return e->op == G_CONST && fmod(e->real, 2) == 0;
}

/* Returns the part of a product over many terms, by adding their logs. */
static Part part_of_product_of_all(Opened *o, const GExpr *load, const GExpr *exponent) {
    Graph *g = o->l->g;
    ComputeSpec logs;
    ComputeSpec signs;
    graph_open(g, load->tensor, &logs);
    signs = logs;
    const GExpr *here = read_here(g, load->tensor, &logs);
    logs.reducer = GR_SUM;
    logs.name = signs.name = NULL;
    logs.active = signs.active = is_odd(g, here);
    const Part term = part_of(o, logs.value, NULL);
    logs.value = term.way;
    const GExpr *log = gx_load(g, graph_compute(g, &logs), logs.out_rank, load->args, NULL);
    Part p = {exponent ? gx1(g, G_EXP, mul(g, exponent, log)) : log, NULL};
    if (term.sign) {
        signs.value = term.sign;
        p.sign = gx_load(g, graph_compute(g, &signs), logs.out_rank, load->args, NULL);
    }
    return p;
}

/* Returns the value with what it reads scaled by 2^exponent. */
static const GExpr *scaled_by_power(Opened *o, const GExpr *e, double exponent) {
    return scaled(o, e, gx_real(o->l->g, exp2(exponent)));
}

/* Opens a sum or choice of products, all of one degree. */
static Part part_of_sum(Opened *o, const GExpr *e, double degree, const GExpr *exponent) {
    Graph *g = o->l->g;
    Levels v = {0};
    levels_open(g, &v, magnitude(g, e), degree);
    const GExpr *last = scaled_by_power(o, e, v.by_second);
    v.first = magnitude(g, scaled_by_power(o, e, v.by_first));
    v.second = magnitude(g, last);
    v.lowered = magnitude(g, scaled_by_power(o, e, v.by_lowered));
    v.is_smaller = is_small_still(g, v.first, v.by_first);
    const GExpr *lost = degree > 3 ? is_nonzero(o, e) : NULL;
    const GExpr *value = result_of(g, &v, degree, exponent, lost);
    const GExpr *kept = gx_select(g, v.is_small, last, e);
    const GExpr *sign = gx1(g, G_SIGN, kept);
    const GExpr *slope = slope_of(g, &v, degree, value, exponent);
    const GExpr *carried = carrier(o, e, scale_of(g, &v));
    const GExpr *args[3] = {carried, value, mul(g, sign, slope)};
    return (Part){gx_op(g, G_ROOT, 3, args), sign};
}

/* True of a sum of each row whose terms are all of one degree. */
static bool is_row(Opened *o, const GExpr *e) {
    if (!is_sum(e) || length_is_of_pairs(o->l, e->tensor)) return false;
    const Shape *term = shape_of(facts_of(o->l), e->tensor->value);
    return term->is_even && term->degree > 0;
}

/* Returns the part of an expression that is no product of a few factors. */
static Part part_of_whole(Opened *o, const GExpr *e, const GExpr *exponent) {
    Graph *g = o->l->g;
    const Shape *shape = shape_of(facts_of(o->l), e);
    if (is_product_of_all(e)) return part_of_product_of_all(o, e, exponent);
    if (is_row(o, e)) {
        const GExpr *way = of_sum(o, e, NULL, exponent);
        return (Part){exponent ? magnitude(g, way) : way, gx1(g, G_SIGN, e)};
    }
    if (shape->is_even && shape->degree > 0) return part_of_sum(o, e, shape->degree, exponent);
    e = unless(g, has_vanished(o->l, e), e);
    return (Part){on_the_way(g, magnitude(g, e), exponent), gx1(g, G_SIGN, e)};
}

/* Returns the power or log of a value, and its sign, from those of its factors. */
static Part part_of(Opened *o, const GExpr *read, const GExpr *exponent) {
    Graph *g = o->l->g;
    const GExpr *e = open_read(o, read);
    const GExpr *const *args = e->args;
    if (e->op == G_CONST)
        return (Part){on_the_way(g, gx_real(g, fabs(e->real)), exponent),
                      e->real < 0 ? gx_real(g, -1) : NULL};
    if (!goes_inside(o, e))
        return (Part){on_the_way(g, magnitude(g, e), exponent), gx1(g, G_SIGN, e)};
    if (e->op == G_MUL || e->op == G_DIV) return part_of_product(o, e, exponent);
    if (e->op == G_SQRT) return power_of(o, args[0], gx_real(g, 0.5), exponent);
    if (e->op == G_POW) {
        Part p = power_of(o, args[0], args[1], exponent);
        if (is_even_number(args[1])) p.sign = NULL;
        return p;
    }
    if (e->op != G_ABS && e->op != G_NEG) return part_of_whole(o, e, exponent);
    Part p = part_of(o, args[0], exponent);
    if (e->op == G_ABS) p.sign = NULL;
    if (e->op == G_NEG) p.sign = p.sign ? gx1(g, G_NEG, p.sign) : gx_real(g, -1);
    return p;
}

/* ---- roots, powers, logs, quotients ---------------------------------------------------------- */

/* Returns the power or log of a value with factors, or of a sum beside others. */
static const GExpr *of_factors(Opened *o, const GExpr *e, const GExpr *exponent) {
    Graph *g = o->l->g;
    const Part p = part_of(o, e, exponent);
    const GExpr *odd = p.way;
    if (p.sign) {
        const GExpr *is_negative = gx2(g, G_LT, p.sign, gx_real(g, 0));
        odd = unless(g, is_negative, p.way);
    }
    const GExpr *even = on_the_way(g, e, exponent);
    return gx_select(g, is_odd(g, e), odd, even);
}

const GExpr *lower_vanishing(Lower *l, const GExpr *e, const GExpr *exponent) {
    Graph *g = l->g;
    if (!may_vanish(l, e)) return NULL;
    Opened o = {l, 0};
    const GExpr *v = open_read(&o, e);
    const GExpr *count = NULL;
    if (v->op == G_DIV && shape_of(facts_of(l), v->args[1])->degree == 0)
        count = v->args[1], v = open_read(&o, v->args[0]);
    if (is_sum(v) && length_is_of_pairs(l, v->tensor)) return of_pairs(g, v, count, exponent);
    if (is_row(&o, v)) return of_sum(&o, v, count, exponent);
    return of_factors(&o, e, exponent);
}

const GExpr *lower_log(Lower *l, const GExpr *e) {
    const GExpr *log = lower_vanishing(l, e, NULL);
    return log ? log : gx1(l->g, G_LOG, e);
}

static bool is_of_array(const void *context, const GExpr *e) {
    (void)context;
    return e->op == G_INDEX || e->op == G_RANDOM ||
           (e->op == G_LOAD && (e->tensor->rank > 0 || e->tensor->kind == GN_COMPUTE));
}

/* True for a temperature: a setting, a parameter that is a number, or a formula of these. */
static bool is_setting(const GExpr *e) {
    return !expr_any(e, is_of_array, NULL);
}

static bool is_number_from(const GExpr *e, double bound) {
    return e->op == G_CONST && e->type == GT_REAL && e->real >= bound;
}

/* True if an epsilon keeps the value above the bound, as in the root of a variance and an
 * epsilon. */
static bool is_kept_above(Opened *o, const GExpr *read, double bound) {
    const GExpr *e = open_read(o, read);
    const GExpr *const *args = e->args;
    if (e->op == G_ADD || e->op == G_MAX)
        return is_number_from(args[0], bound) || is_number_from(args[1], bound);
    if (e->op == G_SQRT) return is_kept_above(o, args[0], bound * bound);
    if (e->op == G_ROOT) return is_kept_above(o, args[1], bound);
    if (e->op == G_SELECT)
        return is_kept_above(o, args[1], bound) && is_kept_above(o, args[2], bound);
    return is_number_from(e, bound);
}

const GExpr *lower_vanishing_quotient(Lower *l, const GExpr *a, const GExpr *b) {
    Graph *g = l->g;
    Opened o = {l, 0};
    if (is_setting(b) || is_kept_above(&o, b, small_denominator)) return gx2(g, G_DIV, a, b);
    if (may_vanish(l, a))
        a = value_unless(g, gx_and(g, is_below(g, b, small_denominator), has_vanished(l, a)), a);
    if (may_vanish(l, b)) {
        const GExpr *is_infinite = gx2(g, G_EQ, magnitude(g, b), gx_real(g, INFINITY));
        b = unless(g, either(g, has_vanished(l, b), is_infinite), b);
    }
    return gx2(g, G_DIV, a, b);
}
