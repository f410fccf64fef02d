/* Folds: finds the value of an operation on constants, and leaves out operations that need not be
 * done at all. Three columns of scalars.def name the rules of each operation, and a row without its
 * rules does not compile. */
#include "compiler/graph/private.h"

#include <math.h>

static bool is_int(const GExpr *e, int64_t value) {
    return e->op == G_CONST && e->type == GT_INT && e->integer == value;
}
static bool is_real(const GExpr *e, double value) {
    return e->op == G_CONST && e->type == GT_REAL && e->real == value;
}
static bool is_number(const GExpr *e, double value) {
    return is_real(e, value) || is_int(e, (int64_t)value);
}
static bool is_nan(const GExpr *e) {
    return e->op == G_CONST && e->type == GT_REAL && isnan(e->real);
}
static bool is_true(const GExpr *e) {
    return e->op == G_CONST && e->type == GT_BOOL && e->integer;
}
static bool is_false(const GExpr *e) {
    return e->op == G_CONST && e->type == GT_BOOL && !e->integer;
}

/* ---- whole numbers and truth values, which are 0 and 1 --------------------------------------- */

typedef bool WholeFold(const int64_t *v, int64_t *out);

static bool gives(int64_t value, int64_t *out) {
    *out = value;
    return true;
}

#define whole_none NULL

static bool whole_add(const int64_t *v, int64_t *out) {
    return !__builtin_add_overflow(v[0], v[1], out);
}
static bool whole_sub(const int64_t *v, int64_t *out) {
    return !__builtin_sub_overflow(v[0], v[1], out);
}
static bool whole_mul(const int64_t *v, int64_t *out) {
    return !__builtin_mul_overflow(v[0], v[1], out);
}
static bool whole_neg(const int64_t *v, int64_t *out) {
    return !__builtin_sub_overflow((int64_t)0, v[0], out);
}
static bool whole_max(const int64_t *v, int64_t *out) {
    return gives(v[0] > v[1] ? v[0] : v[1], out);
}
static bool whole_min(const int64_t *v, int64_t *out) {
    return gives(v[0] < v[1] ? v[0] : v[1], out);
}
static bool whole_abs(const int64_t *v, int64_t *out) {
    return v[0] >= 0 ? gives(v[0], out) : whole_neg(v, out);
}
static bool whole_sign(const int64_t *v, int64_t *out) {
    return gives((v[0] > 0) - (v[0] < 0), out);
}
static bool whole_fdiv(const int64_t *v, int64_t *out) {
    if (v[1] == 0 || (v[0] == INT64_MIN && v[1] == -1)) return false;
    return gives(gx_floor_div(v[0], v[1]), out);
}
/* The remainder by -1 is 0. It is a case of its own because the quotient by -1 may not fit. */
static bool whole_mod(const int64_t *v, int64_t *out) {
    if (v[1] == 0) return false;
    return gives(v[1] == -1 ? 0 : v[0] - v[1] * gx_floor_div(v[0], v[1]), out);
}
static bool whole_lt(const int64_t *v, int64_t *out) {
    return gives(v[0] < v[1], out);
}
static bool whole_le(const int64_t *v, int64_t *out) {
    return gives(v[0] <= v[1], out);
}
static bool whole_eq(const int64_t *v, int64_t *out) {
    return gives(v[0] == v[1], out);
}
static bool whole_ne(const int64_t *v, int64_t *out) {
    return gives(v[0] != v[1], out);
}
static bool whole_and(const int64_t *v, int64_t *out) {
    return gives(v[0] && v[1], out);
}
static bool whole_or(const int64_t *v, int64_t *out) {
    return gives(v[0] || v[1], out);
}
static bool whole_not(const int64_t *v, int64_t *out) {
    return gives(!v[0], out);
}
static bool whole_select(const int64_t *v, int64_t *out) {
    return gives(v[0] ? v[1] : v[2], out);
}

bool gx_of_ints(GOp op, const int64_t *v, int64_t *out) {
    static WholeFold *const folds[G_OP_COUNT] = {
#define SCALAR(name, text, arity, takes, result, price, whole, ...) [G_##name] = whole_##whole,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    return folds[op] && folds[op](v, out);
}

bool gx_to_int(double value, int32_t *out) {
    const bool fits = value >= INT32_MIN && value < 0x1p31;
    *out = fits ? (int32_t)value : 0;
    return fits;
}

/* ---- reals ----------------------------------------------------------------------------------- */

/* Folds an operation on constants. Returns false if the value is left to the run. `b` is 0 for an
 * operation of one argument. */
typedef bool RealFold(double a, double b, double *out);

#define real_none NULL

static bool real_add(double a, double b, double *out) {
    *out = a + b;
    return true;
}
static bool real_sub(double a, double b, double *out) {
    *out = a - b;
    return true;
}
static bool real_mul(double a, double b, double *out) {
    *out = a * b;
    return true;
}
static bool real_div(double a, double b, double *out) {
    *out = a / b;
    return true;
}
static bool real_neg(double a, double b, double *out) {
    (void)b;
    *out = -a;
    return true;
}
static bool real_max(double a, double b, double *out) {
    *out = isnan(a) || a >= b ? a : b;
    return true;
}
static bool real_min(double a, double b, double *out) {
    *out = isnan(a) || a <= b ? a : b;
    return true;
}
static bool real_abs(double a, double b, double *out) {
    (void)b;
    *out = fabs(a);
    return true;
}
static bool real_sqrt(double a, double b, double *out) {
    (void)b;
    *out = sqrt(a);
    return true;
}
static bool real_log(double a, double b, double *out) {
    (void)b;
    *out = log(a);
    return true;
}
static bool real_cos(double a, double b, double *out) {
    (void)b;
    *out = cos(a);
    return true;
}
static bool real_sin(double a, double b, double *out) {
    (void)b;
    *out = sin(a);
    return true;
}
static bool real_floor(double a, double b, double *out) {
    (void)b;
    *out = floor(a);
    return true;
}
static bool real_ceil(double a, double b, double *out) {
    (void)b;
    *out = ceil(a);
    return true;
}

/* The largest argument for which an exponential is folded. float32 may not hold a larger one; in a
 * formula with a finite value it meets another exponential, and the pass stabilise joins the
 * two. */
enum { LARGEST_FOLDED_EXPONENT = 60 };

static bool real_exp(double a, double b, double *out) {
    (void)b;
    *out = exp(a);
    return isinf(a) || fabs(a) <= LARGEST_FOLDED_EXPONENT;
}

static bool fold_real(GOp op, double a, double b, double *out) {
    static RealFold *const folds[G_OP_COUNT] = {
#define SCALAR(name, text, arity, takes, result, price, whole, real, ...) [G_##name] = real_##real,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    return folds[op] && folds[op](a, b, out);
}

static bool fold_compare(GOp op, double a, double b, bool *out) {
    if (op == G_LT)
        *out = a < b;
    else if (op == G_LE)
        *out = a <= b;
    else if (op == G_EQ || op == G_NE)
        *out = (a == b) == (op == G_EQ);
    else
        return false;
    return true;
}

static double constant_value(const GExpr *e) {
    return e->type == GT_REAL ? e->real : (double)e->integer;
}

/* Returns the value of an operation on constants. NULL: an argument is no constant, or the value is
 * left to the run. */
static const GExpr *fold_constants(Graph *g, GOp op, int count, const GExpr *const *args) {
    for (int i = 0; i < count; i++)
        if (args[i]->op != G_CONST) return NULL;
    if (op == G_SELECT) return args[0]->integer ? args[1] : args[2];
    if (op == G_AND) return gx_bool(g, args[0]->integer && args[1]->integer);
    if (op == G_OR) return gx_bool(g, args[0]->integer || args[1]->integer);
    if (op == G_NOT) return gx_bool(g, !args[0]->integer);
    if (op == G_TO_REAL) return gx_real(g, constant_value(args[0]));
    if (op == G_TO_INT) { /* a number that does not fit stops the run, if the run ever gets there */
        int32_t whole;
        return gx_to_int(constant_value(args[0]), &whole) ? gx_int(g, whole) : NULL;
    }
    bool truth;
    if (count == 2 && fold_compare(op, constant_value(args[0]), constant_value(args[1]), &truth))
        return gx_bool(g, truth);
    if (args[0]->type == GT_REAL) {
        double value;
        return fold_real(op, args[0]->real, count > 1 ? args[1]->real : 0, &value)
                   ? gx_real(g, value)
                   : NULL;
    }
    const int64_t given[2] = {args[0]->integer, count > 1 ? args[1]->integer : 0};
    int64_t value;
    return gx_of_ints(op, given, &value) ? gx_int(g, value) : NULL;
}

/* ---- operations that need not be done -------------------------------------------------------- */

/* Returns a simpler expression of the same value, or NULL. */
typedef const GExpr *Identity(Graph *g, GOp op, const GExpr *const *args);

#define same_none NULL

/* True if the expression is (terms) + constant. */
static bool ends_with_number(const GExpr *e) {
    return e->op == G_ADD && e->args[1]->op == G_CONST;
}

/* Adds a number to the constant of (terms) + constant. Returns NULL if the sum leaves int64. */
static const GExpr *add_to_number(Graph *g, const GExpr *sum, int64_t number) {
    int64_t both;
    if (__builtin_add_overflow(sum->args[1]->integer, number, &both)) return NULL;
    return gx2(g, G_ADD, sum->args[0], gx_int(g, both));
}

/* Returns what is left of a sum and a difference that undo each other, or NULL. */
static const GExpr *undone_sum(GOp op, const GExpr *a, const GExpr *b) {
    if (op == G_ADD && a->op == G_SUB && a->args[1] == b) return a->args[0];
    if (op == G_SUB && a->op == G_ADD && a->args[1] == b) return a->args[0];
    if (op == G_SUB && a->op == G_ADD && a->args[0] == b) return a->args[1];
    return NULL;
}

/* Keeps sums of whole numbers in the form (terms) + constant, with the constant last. So x + 1 - 1
 * becomes x, and affine indices stay readable. */
static const GExpr *fold_int_sum(Graph *g, GOp op, const GExpr *a, const GExpr *b) {
    if (op == G_SUB && b->op == G_CONST && b->integer != INT64_MIN)
        return gx2(g, G_ADD, a, gx_int(g, -b->integer));
    if (op == G_SUB && a == b) return gx_int(g, 0);
    if (op == G_ADD && a->op == G_CONST && b->op != G_CONST) return gx2(g, G_ADD, b, a);
    const bool a_has = ends_with_number(a);
    if (op == G_ADD && b->op == G_CONST) return a_has ? add_to_number(g, a, b->integer) : NULL;
    if (a_has) {
        const GExpr *terms = gx2(g, op, a->args[0], b);
        return gx2(g, G_ADD, terms, a->args[1]);
    }
    if (ends_with_number(b)) {
        const int64_t number = b->args[1]->integer;
        const GExpr *terms = gx2(g, op, a, b->args[0]);
        return gx2(g, G_ADD, terms, gx_int(g, op == G_ADD ? number : -number));
    }
    return undone_sum(op, a, b);
}

static const GExpr *same_add(Graph *g, GOp op, const GExpr *const *args) {
    if (is_number(args[1], 0)) return args[0];
    if (is_number(args[0], 0)) return args[1];
    return args[0]->type == GT_INT ? fold_int_sum(g, op, args[0], args[1]) : NULL;
}

static const GExpr *same_sub(Graph *g, GOp op, const GExpr *const *args) {
    if (is_number(args[1], 0)) return args[0];
    if (is_number(args[0], 0)) return gx1(g, G_NEG, args[1]);
    return args[0]->type == GT_INT ? fold_int_sum(g, op, args[0], args[1]) : NULL;
}

/* For whole numbers, turns (x + 1) * 2 into x * 2 + 2, so that affine indices stay readable. */
static const GExpr *same_whole_mul(Graph *g, const GExpr *a, const GExpr *b) {
    int64_t product;
    if (a->op == G_CONST && b->op != G_CONST) return gx2(g, G_MUL, b, a);
    if (b->op != G_CONST || !ends_with_number(a)) return NULL;
    if (__builtin_mul_overflow(a->args[1]->integer, b->integer, &product)) return NULL;
    const GExpr *terms = gx2(g, G_MUL, a->args[0], b);
    return gx2(g, G_ADD, terms, gx_int(g, product));
}

static const GExpr *same_mul(Graph *g, GOp op, const GExpr *const *args) {
    const GExpr *a = args[0];
    const GExpr *b = args[1];
    (void)op;
    if (is_number(b, 1)) return a;
    if (is_number(a, 1)) return b;
    if (is_number(a, -1)) return gx1(g, G_NEG, b);
    if (is_number(b, -1)) return gx1(g, G_NEG, a);
    /* Reals keep 0 * inf, which is no number. */
    if (is_int(a, 0) || is_int(b, 0)) return gx_int(g, 0);
    return a->type == GT_INT ? same_whole_mul(g, a, b) : NULL;
}

static const GExpr *same_div(Graph *g, GOp op, const GExpr *const *args) {
    (void)g, (void)op;
    return is_real(args[1], 1) ? args[0] : NULL;
}

static const GExpr *same_neg(Graph *g, GOp op, const GExpr *const *args) {
    (void)g, (void)op;
    return args[0]->op == G_NEG ? args[0]->args[0] : NULL;
}

static const GExpr *same_fdiv(Graph *g, GOp op, const GExpr *const *args) {
    const GExpr *a = args[0];
    const GExpr *b = args[1];
    if (b->op != G_CONST || b->integer <= 0) return NULL;
    int64_t m = b->integer;
    int64_t low;
    int64_t high;
    if (m == 1) return op == G_MOD ? gx_int(g, 0) : a;
    if (gx_range(g, a, NULL, &low, &high)) {
        int64_t q = gx_floor_div(low, m);
        if (q == gx_floor_div(high, m)) /* the quotient is the same over the whole range */
            return op == G_FLOORDIV ? gx_int(g, q)
                   : q == 0         ? a
                                    : gx2(g, G_ADD, a, gx_int(g, -q * m));
    }
    if (op == G_MOD && a->op == G_MOD && a->args[1] == b) return a;
    return NULL;
}

static const GExpr *same_extreme(Graph *g, GOp op, const GExpr *const *args) {
    const GExpr *a = args[0];
    const GExpr *b = args[1];
    int64_t al;
    int64_t ah;
    int64_t bl;
    int64_t bh;
    if (a == b || is_nan(a)) return a;
    if (is_nan(b)) return b;
    if (a->type != GT_INT) return NULL;
    if (!gx_range(g, a, NULL, &al, &ah) || !gx_range(g, b, NULL, &bl, &bh)) return NULL;
    if (ah <= bl) return op == G_MAX ? b : a;
    if (bh <= al) return op == G_MAX ? a : b;
    return NULL;
}

static const GExpr *same_and(Graph *g, GOp op, const GExpr *const *args) {
    (void)op;
    if (is_true(args[0]) || args[0] == args[1]) return args[1];
    if (is_true(args[1])) return args[0];
    return is_false(args[0]) || is_false(args[1]) ? gx_bool(g, false) : NULL;
}

static const GExpr *same_or(Graph *g, GOp op, const GExpr *const *args) {
    (void)op;
    if (is_false(args[0]) || args[0] == args[1]) return args[1];
    if (is_false(args[1])) return args[0];
    return is_true(args[0]) || is_true(args[1]) ? gx_bool(g, true) : NULL;
}

static const GExpr *same_not(Graph *g, GOp op, const GExpr *const *args) {
    (void)g, (void)op;
    return args[0]->op == G_NOT ? args[0]->args[0] : NULL;
}

/* True of a real that is whole, infinite or no number. Made an int and a real again, it is folded
 * to itself, which keeps the infinity and the NaN that an int cannot hold. */
static bool rounds(const GExpr *e) {
    return e->op == G_FLOOR || e->op == G_CEIL || e->op == G_ROUND;
}

static const GExpr *same_real(Graph *g, GOp op, const GExpr *const *args) {
    (void)g, (void)op;
    return args[0]->op == G_TO_INT && rounds(args[0]->args[0]) ? args[0]->args[0] : NULL;
}

static const GExpr *same_select(Graph *g, GOp op, const GExpr *const *args) {
    (void)g, (void)op;
    if (is_true(args[0])) return args[1];
    if (is_false(args[0])) return args[2];
    return args[1] == args[2] ? args[1] : NULL;
}

static const GExpr *same_compare(Graph *g, GOp op, const GExpr *const *args) {
    const GExpr *a = args[0];
    const GExpr *b = args[1];
    if (a->type != GT_INT) return NULL;
    int64_t al;
    int64_t ah;
    int64_t bl;
    int64_t bh;
    if (a == b) return gx_bool(g, op == G_LE || op == G_EQ);
    if (!gx_range(g, a, NULL, &al, &ah) || !gx_range(g, b, NULL, &bl, &bh)) return NULL;
    const bool is_apart = ah < bl || bh < al;
    if (op == G_EQ || op == G_NE) return is_apart ? gx_bool(g, op == G_NE) : NULL;
    if (op == G_LT ? ah < bl : ah <= bl) return gx_bool(g, true);
    if (op == G_LT ? al >= bh : al > bh) return gx_bool(g, false);
    return NULL;
}

const GExpr *graph_fold(Graph *g, GOp op, int count, const GExpr *const *args) {
    static Identity *const identities[G_OP_COUNT] = {
#define SCALAR(name, text, arity, takes, result, price, whole, real, same, ...)                    \
    [G_##name] = same_##same,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    const GExpr *constant = fold_constants(g, op, count, args);
    if (constant) return constant;
    return identities[op] ? identities[op](g, op, args) : NULL;
}
