/* Scalar expressions: constructors that fold, and rewriting. What values an expression may have is
 * the matter of range.c. */
#include "compiler/graph/private.h"
#include "compiler/graph/rewriter.h"
#include "compiler/graph/visit.h"

#include <assert.h>
#include <math.h>

const GExpr *gx_real(Graph *g, double value) {
    GExpr e = {.op = G_CONST, .type = GT_REAL, .real = value};
    return graph_intern_expr(g, &e);
}

const GExpr *gx_int(Graph *g, int64_t value) {
    GExpr e = {.op = G_CONST, .type = GT_INT, .integer = value};
    return graph_intern_expr(g, &e);
}

const GExpr *gx_bool(Graph *g, bool value) {
    GExpr e = {.op = G_CONST, .type = GT_BOOL, .integer = value};
    return graph_intern_expr(g, &e);
}

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

const GExpr *gx_load(Graph *g, GNode *tensor, int count, const GExpr *const *indices,
                     const GExpr *otherwise) {
    assert(count == tensor->rank);
    GExpr e = {.op = G_LOAD,
               .type = tensor->type == GT_U8 ? GT_REAL : tensor->type,
               .tensor = tensor,
               .arg_count = count};
    for (int i = 0; i < count; i++)
        e.args[i] = indices[i];
    if (otherwise) {
        bool inside = true;
        for (int i = 0; i < count && inside; i++) {
            int64_t low, high;
            inside =
                gx_range(g, indices[i], NULL, &low, &high) && low >= 0 && high < tensor->shape[i];
        }
        if (!inside) {
            e.has_else = true;
            e.args[e.arg_count++] = otherwise;
        }
    }
    return graph_intern_expr(g, &e);
}

const GExpr *gx_random(Graph *g, int64_t site, const GExpr *element, int lane) {
    GExpr e = {.op = G_RANDOM, .type = GT_REAL, .arg_count = 3};
    e.args[0] = gx_int(g, site);
    e.args[1] = element;
    e.args[2] = gx_int(g, lane);
    return graph_intern_expr(g, &e);
}

/* ---- folding --------------------------------------------------------------------------------- */

bool gx_of_ints(GOp op, const int64_t *v, int64_t *out) {
    switch (op) {
    case G_ADD:
        return !__builtin_add_overflow(v[0], v[1], out);
    case G_SUB:
        return !__builtin_sub_overflow(v[0], v[1], out);
    case G_MUL:
        return !__builtin_mul_overflow(v[0], v[1], out);
    case G_NEG:
        return !__builtin_sub_overflow((int64_t)0, v[0], out);
    case G_MAX:
        *out = v[0] > v[1] ? v[0] : v[1];
        return true;
    case G_MIN:
        *out = v[0] < v[1] ? v[0] : v[1];
        return true;
    case G_ABS:
        *out = v[0];
        return v[0] >= 0 || !__builtin_sub_overflow((int64_t)0, v[0], out);
    case G_SIGN:
        *out = (v[0] > 0) - (v[0] < 0);
        return true;
    case G_FLOORDIV:
        if (v[1] == 0 || (v[0] == INT64_MIN && v[1] == -1)) return false;
        *out = gx_floor_div(v[0], v[1]);
        return true;
    case G_MOD:
        if (v[1] == 0 || v[1] == -1) {
            *out = 0;
            return v[1] != 0;
        }
        *out = v[0] - v[1] * gx_floor_div(v[0], v[1]);
        return true;
    case G_LT:
        *out = v[0] < v[1];
        return true;
    case G_LE:
        *out = v[0] <= v[1];
        return true;
    case G_EQ:
        *out = v[0] == v[1];
        return true;
    case G_NE:
        *out = v[0] != v[1];
        return true;
    case G_AND:
        *out = v[0] && v[1];
        return true;
    case G_OR:
        *out = v[0] || v[1];
        return true;
    case G_NOT:
        *out = !v[0];
        return true;
    case G_SELECT:
        *out = v[0] ? v[1] : v[2];
        return true;
    default:
        return false;
    }
}

/* Only what is exact in float32 as in float64 is folded among the transcendentals: none is.
 * Arithmetic of constants is. */
/* Nor an exponential that float32 may not hold: in a formula that is finite it meets another one,
 * and stabilise takes the two together. */
enum { LARGEST_FOLDED_EXPONENT = 60 };

static bool fold_real(GOp op, double a, double b, double *out) {
    switch (op) {
    case G_ADD:
        *out = a + b;
        return true;
    case G_SUB:
        *out = a - b;
        return true;
    case G_MUL:
        *out = a * b;
        return true;
    case G_DIV:
        *out = a / b;
        return true;
    case G_NEG:
        *out = -a;
        return true;
    case G_MAX:
        *out = isnan(a) || a >= b ? a : b;
        return true;
    case G_MIN:
        *out = isnan(a) || a <= b ? a : b;
        return true;
    case G_ABS:
        *out = fabs(a);
        return true;
    case G_SQRT:
        *out = sqrt(a);
        return true;
    case G_EXP:
        *out = exp(a);
        return isinf(a) || fabs(a) <= LARGEST_FOLDED_EXPONENT;
    case G_LOG:
        *out = log(a);
        return true;
    case G_COS:
        *out = cos(a);
        return true;
    case G_SIN:
        *out = sin(a);
        return true;
    case G_FLOOR:
        *out = floor(a);
        return true;
    case G_CEIL:
        *out = ceil(a);
        return true;
    default:
        return false;
    }
}

bool gx_to_int(double value, int32_t *out) {
    const bool fits = value >= INT32_MIN && value < 0x1p31;
    *out = fits ? (int32_t)value : 0;
    return fits;
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

static const GExpr *fold_constants(Graph *g, GOp op, int count, const GExpr *const *args) {
    for (int i = 0; i < count; i++)
        if (args[i]->op != G_CONST) return NULL;
    if (op == G_SELECT) return args[0]->integer ? args[1] : args[2];
    if (op == G_AND) return gx_bool(g, args[0]->integer && args[1]->integer);
    if (op == G_OR) return gx_bool(g, args[0]->integer || args[1]->integer);
    if (op == G_NOT) return gx_bool(g, !args[0]->integer);
    if (op == G_TO_REAL) return gx_real(g, constant_value(args[0]));
    if (op == G_TO_INT) { /* one that does not fit stops the run, if it gets there */
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

static const GExpr *fold_compare_ranges(Graph *g, GOp op, const GExpr *a, const GExpr *b) {
    if (a->type != GT_INT) return NULL;
    int64_t al, ah, bl, bh;
    if (a == b) return gx_bool(g, op == G_LE || op == G_EQ);
    if (!gx_range(g, a, NULL, &al, &ah) || !gx_range(g, b, NULL, &bl, &bh)) return NULL;
    const bool is_apart = ah < bl || bh < al;
    if (op == G_EQ || op == G_NE) return is_apart ? gx_bool(g, op == G_NE) : NULL;
    if (op == G_LT ? ah < bl : ah <= bl) return gx_bool(g, true);
    if (op == G_LT ? al >= bh : al > bh) return gx_bool(g, false);
    return NULL;
}

/* Integer sums are kept as (terms) + constant, the constant last: x + 1 - 1 is x, and affine
 * indices stay readable. */
static const GExpr *fold_int_sum(Graph *g, GOp op, const GExpr *a, const GExpr *b) {
    if (op == G_SUB && b->op == G_CONST && b->integer != INT64_MIN)
        return gx2(g, G_ADD, a, gx_int(g, -b->integer));
    if (op == G_SUB && a == b) return gx_int(g, 0);
    if (op == G_ADD && a->op == G_CONST && b->op != G_CONST) return gx2(g, G_ADD, b, a);
    bool a_has = a->op == G_ADD && a->args[1]->op == G_CONST,
         b_has = b->op == G_ADD && b->args[1]->op == G_CONST;
    int64_t sum;
    if (op == G_ADD && b->op == G_CONST && a_has &&
        !__builtin_add_overflow(a->args[1]->integer, b->integer, &sum))
        return gx2(g, G_ADD, a->args[0], gx_int(g, sum));
    if (op == G_ADD && b->op == G_CONST) return NULL;
    if (a_has) return gx2(g, G_ADD, gx2(g, op, a->args[0], b), a->args[1]);
    if (b_has)
        return gx2(g, G_ADD, gx2(g, op, a, b->args[0]),
                   gx_int(g, op == G_ADD ? b->args[1]->integer : -b->args[1]->integer));
    if (op == G_ADD && a->op == G_SUB && a->args[1] == b) return a->args[0];
    if (op == G_SUB && a->op == G_ADD && a->args[1] == b) return a->args[0];
    if (op == G_SUB && a->op == G_ADD && a->args[0] == b) return a->args[1];
    return NULL;
}

static const GExpr *fold_div_mod(Graph *g, GOp op, const GExpr *a, const GExpr *b) {
    if (b->op != G_CONST || b->integer <= 0) return NULL;
    int64_t m = b->integer, low, high;
    if (m == 1) return op == G_MOD ? gx_int(g, 0) : a;
    if (gx_range(g, a, NULL, &low, &high)) {
        int64_t q = gx_floor_div(low, m);
        if (q == gx_floor_div(high, m)) /* one quotient over the whole range */
            return op == G_FLOORDIV ? gx_int(g, q)
                   : q == 0         ? a
                                    : gx2(g, G_ADD, a, gx_int(g, -q * m));
    }
    if (op == G_MOD && a->op == G_MOD && a->args[1] == b) return a;
    return NULL;
}

/* A real that is whole, infinite or no number: as a real again it keeps all three, which an int
 * does not hold. */
static bool is_whole(const GExpr *e) {
    return e->op == G_FLOOR || e->op == G_CEIL || e->op == G_ROUND;
}

static const GExpr *fold_identity(Graph *g, GOp op, int count, const GExpr *const *args) {
    const GExpr *a = args[0], *b = count > 1 ? args[1] : NULL;
    switch (op) {
    case G_ADD:
        if (is_number(b, 0)) return a;
        if (is_number(a, 0)) return b;
        return a->type == GT_INT ? fold_int_sum(g, op, a, b) : NULL;
    case G_SUB:
        if (is_number(b, 0)) return a;
        if (is_number(a, 0)) return gx1(g, G_NEG, b);
        return a->type == GT_INT ? fold_int_sum(g, op, a, b) : NULL;
    case G_MUL:
        if (is_number(b, 1)) return a;
        if (is_number(a, 1)) return b;
        if (is_number(a, -1)) return gx1(g, G_NEG, b);
        if (is_number(b, -1)) return gx1(g, G_NEG, a);
        if (is_int(a, 0) || is_int(b, 0)) return gx_int(g, 0); /* reals keep 0 * inf */
        if (a->type == GT_INT && a->op == G_CONST && b->op != G_CONST) return gx2(g, G_MUL, b, a);
        if (a->type == GT_INT && b->op == G_CONST && a->op == G_ADD && a->args[1]->op == G_CONST) {
            int64_t product;
            if (__builtin_mul_overflow(a->args[1]->integer, b->integer, &product)) return NULL;
            return gx2(g, G_ADD, gx2(g, G_MUL, a->args[0], b), gx_int(g, product));
        }
        return NULL;
    case G_DIV:
        return is_real(b, 1) ? a : NULL;
    case G_NEG:
        return a->op == G_NEG ? a->args[0] : NULL;
    case G_FLOORDIV:
    case G_MOD:
        return fold_div_mod(g, op, a, b);
    case G_MAX:
    case G_MIN:
        if (a == b || is_nan(a)) return a;
        if (is_nan(b)) return b;
        if (a->type == GT_INT) {
            int64_t al, ah, bl, bh;
            if (gx_range(g, a, NULL, &al, &ah) && gx_range(g, b, NULL, &bl, &bh)) {
                if (ah <= bl) return op == G_MAX ? b : a;
                if (bh <= al) return op == G_MAX ? a : b;
            }
        }
        return NULL;
    case G_AND:
        if (is_true(a) || a == b) return b;
        if (is_true(b)) return a;
        return is_false(a) || is_false(b) ? gx_bool(g, false) : NULL;
    case G_OR:
        if (is_false(a) || a == b) return b;
        if (is_false(b)) return a;
        return is_true(a) || is_true(b) ? gx_bool(g, true) : NULL;
    case G_NOT:
        return a->op == G_NOT ? a->args[0] : NULL;
    case G_TO_REAL:
        return a->op == G_TO_INT && is_whole(a->args[0]) ? a->args[0] : NULL;
    case G_SELECT:
        if (is_true(a)) return args[1];
        if (is_false(a)) return args[2];
        return args[1] == args[2] ? args[1] : NULL;
    case G_LT:
    case G_LE:
    case G_EQ:
    case G_NE:
        return fold_compare_ranges(g, op, a, b);
    default:
        return NULL;
    }
}

GType graph_op_type(GOp op, int count, const GExpr *const *args) {
    typedef enum { R_real, R_int, R_bool, R_same, R_arms } Rule;
    static const Rule rules[G_OP_COUNT] = {
#define SCALAR(name, text, arity, takes, result, ...) [G_##name] = R_##result,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    switch (rules[op]) {
    case R_real:
        return GT_REAL;
    case R_int:
        return GT_INT;
    case R_bool:
        return GT_BOOL;
    case R_same:
        return args[0]->type == GT_BOOL ? GT_INT : args[0]->type;
    case R_arms:
        return args[1]->type;
    }
    (void)count;
    return GT_REAL;
}

const GExpr *gx_op(Graph *g, GOp op, int count, const GExpr *const *args) {
    const GExpr *folded = fold_constants(g, op, count, args);
    if (!folded) folded = fold_identity(g, op, count, args);
    if (folded) return folded;
    GExpr e = {.op = op, .arg_count = count};
    for (int i = 0; i < count; i++)
        e.args[i] = args[i];
    e.type = graph_op_type(op, count, args);
    return graph_intern_expr(g, &e);
}

const GExpr *gx1(Graph *g, GOp op, const GExpr *a) {
    return gx_op(g, op, 1, &a);
}

const GExpr *gx2(Graph *g, GOp op, const GExpr *a, const GExpr *b) {
    const GExpr *args[2] = {a, b};
    return gx_op(g, op, 2, args);
}

const GExpr *gx_select(Graph *g, const GExpr *condition, const GExpr *then,
                       const GExpr *otherwise) {
    const GExpr *args[3] = {condition, then, otherwise};
    return gx_op(g, G_SELECT, 3, args);
}

const GExpr *gx_and(Graph *g, const GExpr *a, const GExpr *b) {
    if (!a) return b && is_true(b) ? NULL : b;
    if (!b) return is_true(a) ? NULL : a;
    const GExpr *both = gx2(g, G_AND, a, b);
    return is_true(both) ? NULL : both;
}

/* ---- rewriting ------------------------------------------------------------------------------- */

const GExpr *gx_with_args(Graph *g, const GExpr *e, const GExpr *const *args) {
    bool same = true;
    for (int i = 0; i < e->arg_count; i++)
        same &= args[i] == e->args[i];
    if (same) return e;
    if (e->op == G_LOAD)
        return gx_load(g, e->tensor, e->tensor->rank, args,
                       e->has_else ? args[e->arg_count - 1] : NULL);
    if (e->op == G_RANDOM)
        return gx_random(g, e->args[0]->integer, args[1], (int)e->args[2]->integer);
    return gx_op(g, e->op, e->arg_count, args);
}

void gx_rewriter_open(GRewriter *r, Graph *g, GVisit before, GVisit after, void *context) {
    *r = (GRewriter){.g = g, .before = before, .after = after, .context = context};
    expr_map_open(&r->done);
}

void gx_rewriter_close(GRewriter *r) {
    expr_map_close(&r->done);
}

static const GExpr *rewrite_new(GRewriter *r, const GExpr *e) {
    const GExpr *args[GRAPH_MAX_RANK + 1];
    const GExpr *replaced = r->before ? r->before(r->context, r->g, e) : NULL;
    if (replaced) return replaced;
    for (int i = 0; i < e->arg_count; i++)
        args[i] = gx_rewriter_apply(r, e->args[i]);
    const GPlace *outer = r->g->place;
    r->g->place = e->place;
    const GExpr *result = gx_with_args(r->g, e, args);
    if (r->after) result = r->after(r->context, r->g, result);
    r->g->place = outer;
    return result;
}

const GExpr *gx_rewriter_apply(GRewriter *r, const GExpr *e) {
    if (!e) return NULL;
    expr_count_step();
    const bool is_leaf = e->op == G_CONST || e->op == G_INDEX;
    const ExprValue *known = is_leaf ? NULL : expr_map_find(&r->done, e);
    if (known) return known->pointer;
    const GExpr *result = rewrite_new(r, e);
    if (!is_leaf) expr_map_add_new(&r->done, e, (ExprValue){.pointer = result});
    return result;
}

const GExpr *gx_rewrite(Graph *g, const GExpr *expr, GVisit visit, void *context) {
    if (!expr) return NULL;
    GRewriter r;
    gx_rewriter_open(&r, g, NULL, visit, context);
    const GExpr *result = gx_rewriter_apply(&r, expr);
    gx_rewriter_close(&r);
    return result;
}

typedef struct Substitution {
    int count;
    const GExpr *const *from, *const *to;
} Substitution;

static const GExpr *substitute_index(void *context, Graph *g, const GExpr *e) {
    const Substitution *s = context;
    (void)g;
    if (e->op != G_INDEX) return e;
    for (int i = 0; i < s->count; i++)
        if (s->from[i] == e) return s->to[i];
    return e;
}

const GExpr *gx_substitute(Graph *g, const GExpr *expr, int count, const GExpr *const *from,
                           const GExpr *const *to) {
    Substitution s = {count, from, to};
    return gx_rewrite(g, expr, substitute_index, &s);
}

/* Folding ranges of a node's own indices would need their extents, which an expression does not
 * know; constructors leave such indices alone (gx_range answers false), so renumbering is a plain
 * substitution that folds nothing new. */
const GExpr *graph_renumber(Graph *g, const GExpr *e, int count, const GExpr *const *from,
                            const GExpr *const *to) {
    return gx_substitute(g, e, count, from, to);
}

typedef struct Indices {
    const GExpr **items;
    int count;
} Indices;

static VisitStep note_fresh_index(void *context, const GExpr *e) {
    Indices *found = context;
    if (e->op != G_INDEX || !graph_index_is_fresh(e)) return VISIT_INSIDE;
    for (int i = 0; i < found->count; i++)
        if (found->items[i] == e) return VISIT_INSIDE;
    assert(found->count < GRAPH_MAX_FREE);
    found->items[found->count++] = e;
    return VISIT_INSIDE;
}

int gx_free_indices(Graph *g, const GExpr *expr, const GExpr **indices) {
    (void)g;
    Indices found = {indices, 0};
    expr_visit(expr, note_fresh_index, &found);
    return found.count;
}

/* ---- what an operation costs ------------------------------------------------------------------
 */

int gx_price(GOp op) {
    enum { costly = GX_COSTLY };
    static const int prices[G_OP_COUNT] = {
        [G_RANDOM] = costly,
#define SCALAR(name, text, arity, takes, result, price, ...) [G_##name] = price,
#include "compiler/graph/scalars.def"
#undef SCALAR
    };
    return prices[op];
}
