/* Finds the values that an expression of whole numbers may have. They are an interval, which
 * follows from the extents of its indices and from what is known of the arrays that it reads. By
 * these intervals comparisons and remainders fold, reads are proved to stay inside their arrays,
 * and sums to stay within 64 bits. */
#include "compiler/graph/affine.h"
#include "compiler/graph/private.h"
#include "compiler/graph/reducer.h"
#include "compiler/graph/visit.h"

#include <stdlib.h>
#include <string.h>

static int64_t min_of(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t max_of(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static bool index_extent(Graph *g, const GExpr *e, const int64_t *extents, int64_t *extent) {
    if (graph_index_is_fresh(e)) {
        *extent = graph_index_extent(g, e);
        return true;
    }
    if (!extents) return false;
    *extent = extents[e->index];
    return true;
}

/* Finds the range by the affine form, in which i - i and 2*i - i are one term. Intervals alone
 * would lose what two terms share. */
static bool affine_range(Graph *g, const GExpr *e, const int64_t *extents, int64_t *low,
                         int64_t *high) {
    AffineSum sum;
    if (!affine_of_indices(e, &sum)) return false;
    *low = *high = sum.constant;
    for (int i = 0; i < sum.count; i++) {
        int64_t extent;
        if (!index_extent(g, sum.part[i], extents, &extent)) return false;
        int64_t reach;
        if (__builtin_mul_overflow(sum.factor[i], extent - 1, &reach)) return false;
        if (__builtin_add_overflow(*low, min_of(0, reach), low) ||
            __builtin_add_overflow(*high, max_of(0, reach), high))
            return false;
    }
    return true;
}

enum { DEEPEST_RANGE = 4 /* how far a range is followed through arrays that are made of arrays */ };

typedef struct Interval {
    int64_t low;
    int64_t high;
    bool is_known;
} Interval;

/* The ranges of the parts of one expression. Most expressions are small, so the first parts are
 * looked at as they come. Later parts are kept in the map, so that a part that stands in several
 * places is looked at once. */
typedef struct Ranges {
    Graph *g;
    const int64_t *extents;
    int depth;
    int steps;
    bool of_any_data; /* entries of arrays, and reals made whole, may be any 32-bit number */
    ExprMap known;    /* by part: its interval */
    Interval *kept;
    int kept_count;
    int kept_capacity;
} Ranges;

enum { STEPS_WITHOUT_MEMORY = 48 };

static bool range(Ranges *r, const GExpr *e, int64_t *low, int64_t *high);
static bool range_of(Graph *g, const GExpr *e, const int64_t *extents, int depth, int64_t *low,
                     int64_t *high);

/* Finds the range of an array's entries, as far as the node that computes it tells. 32 bits hold
 * each entry. */
static bool range_of_entries(Graph *g, const GNode *n, int depth, int64_t *low, int64_t *high) {
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t terms = 1;
    if (depth == 0 || n->kind != GN_COMPUTE || n->type != GT_INT) return false;
    for (int i = 0; i < n->rank; i++)
        extents[i] = n->shape[i];
    for (int i = 0; i < n->red_rank; i++) {
        extents[n->rank + i] = n->red_shape[i];
        terms *= n->red_shape[i];
    }
    const bool counts = n->reducer == GR_SUM && n->value->type == GT_BOOL;
    bool known = true;
    if (graph_reducers[n->reducer].gives_place) {
        *low = 0;
        *high = terms - 1;
    } else if (n->reducer != GR_NONE && n->reducer != GR_SUM) {
        return false;
    } else if (counts) {
        *low = 0;
        *high = 1;
    } else {
        known = range_of(g, n->value, extents, depth - 1, low, high);
    }
    /* A guard may leave out terms, so the sum may have only some of them. */
    if (n->reducer == GR_SUM) {
        known = known && !__builtin_mul_overflow(*low, terms, low) &&
                !__builtin_mul_overflow(*high, terms, high);
        *low = known ? min_of(0, *low) : 0;
        *high = known ? max_of(0, *high) : 0;
    }
    return known && *low >= INT32_MIN && *high <= INT32_MAX;
}

/* True of a value that has 32 bits: an entry of an array, or a real made whole. A computed number
 * may have more. */
static bool is_stored(const GExpr *e) {
    return (e->op == G_LOAD && !e->has_else) || e->op == G_TO_INT;
}

/* Finds the range of a value that the data decides, whatever the data is. */
static bool range_of_any_data(Ranges *r, const GExpr *e, int64_t *low, int64_t *high) {
    int64_t else_low;
    int64_t else_high;
    const bool is_read = e->op == G_LOAD && e->tensor->type == GT_INT;
    if (!is_read && e->op != G_TO_INT) return false;
    *low = INT32_MIN;
    *high = INT32_MAX;
    if (!is_read || !e->has_else) return true;
    if (!range(r, e->args[e->arg_count - 1], &else_low, &else_high)) return false;
    *low = min_of(*low, else_low);
    *high = max_of(*high, else_high);
    return true;
}

/* The ranges of an operation's first two arguments, where these are known. */
typedef struct Sides {
    bool a;
    bool b;
    int64_t al;
    int64_t ah;
    int64_t bl;
    int64_t bh;
} Sides;

/* Sets the range of an operation from those of its arguments. Returns false if the range is not
 * known. */
typedef bool RangeRule(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high);

static bool range_of_add(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)r, (void)e;
    return s->a && s->b && !__builtin_add_overflow(s->al, s->bl, low) &&
           !__builtin_add_overflow(s->ah, s->bh, high);
}

static bool range_of_sub(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)r, (void)e;
    return s->a && s->b && !__builtin_sub_overflow(s->al, s->bh, low) &&
           !__builtin_sub_overflow(s->ah, s->bl, high);
}

static bool range_of_neg(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)r, (void)e;
    return s->a && !__builtin_sub_overflow(0, s->ah, low) &&
           !__builtin_sub_overflow(0, s->al, high);
}

static bool range_of_mul(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    int64_t corners[4];
    (void)r, (void)e;
    if (!s->a || !s->b || __builtin_mul_overflow(s->al, s->bl, &corners[0]) ||
        __builtin_mul_overflow(s->al, s->bh, &corners[1]) ||
        __builtin_mul_overflow(s->ah, s->bl, &corners[2]) ||
        __builtin_mul_overflow(s->ah, s->bh, &corners[3]))
        return false;
    *low = min_of(min_of(corners[0], corners[1]), min_of(corners[2], corners[3]));
    *high = max_of(max_of(corners[0], corners[1]), max_of(corners[2], corners[3]));
    return true;
}

static bool range_of_abs(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)e;
    if (!r->of_any_data || !s->a || s->al == INT64_MIN) return false;
    *low = 0;
    *high = max_of(s->ah, -s->al);
    return true;
}

static bool range_of_sign(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)e, (void)s;
    *low = -1;
    *high = 1;
    return r->of_any_data;
}

/* Bounds a quotient by the range of its dividend, or a remainder by that of its divisor, since
 * neither is larger in size. */
static bool range_of_division(bool is_known, int64_t least, int64_t most, int64_t *low,
                              int64_t *high) {
    if (!is_known || least == INT64_MIN) return false;
    *high = max_of(max_of(most, -least), 1);
    *low = -*high;
    return true;
}

static bool divides_by_constant(const Sides *s) {
    return s->b && s->bl == s->bh && s->bl > 0;
}

static bool range_of_fdiv(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)e;
    if (!s->a || !divides_by_constant(s))
        return r->of_any_data && range_of_division(s->a, s->al, s->ah, low, high);
    *low = gx_floor_div(s->al, s->bl);
    *high = gx_floor_div(s->ah, s->bl);
    return true;
}

static bool range_of_mod(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)e;
    if (!divides_by_constant(s))
        return r->of_any_data && range_of_division(s->b, s->bl, s->bh, low, high);
    const bool is_one_quotient = s->a && gx_floor_div(s->al, s->bl) == gx_floor_div(s->ah, s->bl);
    *low = is_one_quotient ? s->al - s->bl * gx_floor_div(s->al, s->bl) : 0;
    *high = is_one_quotient ? s->ah - s->bl * gx_floor_div(s->al, s->bl) : s->bl - 1;
    return true;
}

/* Finds the range of a maximum. If only one side is known, it bounds the maximum from below; the
 * upper end is then the largest 32-bit number, if 32 bits hold the other side. */
static bool range_of_max(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)r;
    if (s->a && s->b) {
        *low = max_of(s->al, s->bl);
        *high = max_of(s->ah, s->bh);
        return true;
    }
    if (s->a == s->b || !is_stored(e->args[s->a])) return false;
    *low = s->a ? s->al : s->bl;
    *high = max_of(INT32_MAX, s->a ? s->ah : s->bh);
    return true;
}

static bool range_of_min(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)r;
    if (s->a && s->b) {
        *low = min_of(s->al, s->bl);
        *high = min_of(s->ah, s->bh);
        return true;
    }
    if (s->a == s->b || !is_stored(e->args[s->a])) return false;
    *low = min_of(INT32_MIN, s->a ? s->al : s->bl);
    *high = s->a ? s->ah : s->bh;
    return true;
}

static bool range_of_select(Ranges *r, const GExpr *e, const Sides *s, int64_t *low,
                            int64_t *high) {
    int64_t al;
    int64_t ah;
    int64_t bl;
    int64_t bh;
    (void)s;
    if (e->args[1]->type != GT_INT || !range(r, e->args[1], &al, &ah) ||
        !range(r, e->args[2], &bl, &bh))
        return false;
    *low = min_of(al, bl);
    *high = max_of(ah, bh);
    return true;
}

static bool range_of_load(Ranges *r, const GExpr *e, const Sides *s, int64_t *low, int64_t *high) {
    (void)s;
    return !e->has_else && range_of_entries(r->g, e->tensor, r->depth, low, high);
}

/* Finds the range of a part that was not met before: by its affine form, or by its operation. */
static bool range_new(Ranges *r, const GExpr *e, int64_t *low, int64_t *high) {
    static RangeRule *const rules[G_OP_COUNT] = {
        [G_ADD] = range_of_add,       [G_SUB] = range_of_sub,       [G_NEG] = range_of_neg,
        [G_MUL] = range_of_mul,       [G_ABS] = range_of_abs,       [G_SIGN] = range_of_sign,
        [G_FLOORDIV] = range_of_fdiv, [G_MOD] = range_of_mod,       [G_MAX] = range_of_max,
        [G_MIN] = range_of_min,       [G_SELECT] = range_of_select, [G_LOAD] = range_of_load};
    if (affine_range(r->g, e, r->extents, low, high)) return true;
    if (r->of_any_data && (e->op == G_LOAD || e->op == G_TO_INT))
        return range_of_any_data(r, e, low, high);
    if (!rules[e->op]) return false;
    Sides s = {0};
    if (e->arg_count > 0 && e->op != G_LOAD && e->args[0]->type == GT_INT)
        s.a = range(r, e->args[0], &s.al, &s.ah);
    if (e->arg_count > 1 && e->op != G_LOAD && e->args[1]->type == GT_INT)
        s.b = range(r, e->args[1], &s.bl, &s.bh);
    return rules[e->op](r, e, &s, low, high);
}

static void keep_interval(Ranges *r, const GExpr *e, Interval interval) {
    if (r->kept_count == r->kept_capacity) {
        r->kept_capacity = r->kept_capacity ? 2 * r->kept_capacity : 64;
        Interval *grown = realloc(r->kept, sizeof *grown * (size_t)r->kept_capacity);
        if (!grown) return; /* without memory the walk is slower, and not wrong */
        r->kept = grown;
    }
    expr_map_set(&r->known, e, (ExprValue){.integer = r->kept_count});
    r->kept[r->kept_count++] = interval;
}

/* Finds the range of a part. Returns false if it is not known. Ranges are kept once there are many.
 */
static bool range(Ranges *r, const GExpr *e, int64_t *low, int64_t *high) {
    if (e->type != GT_INT) return false;
    const bool has_memory = e->arg_count > 0 && ++r->steps > STEPS_WITHOUT_MEMORY;
    const ExprValue *known = has_memory ? expr_map_find(&r->known, e) : NULL;
    if (known) {
        const Interval *kept = &r->kept[known->integer];
        *low = kept->low;
        *high = kept->high;
        return kept->is_known;
    }
    bool is_known = range_new(r, e, low, high);
    if (has_memory)
        keep_interval(r, e, (Interval){is_known ? *low : 0, is_known ? *high : 0, is_known});
    return is_known;
}

static bool range_of(Graph *g, const GExpr *e, const int64_t *extents, int depth, int64_t *low,
                     int64_t *high) {
    Ranges r = {.g = g, .extents = extents, .depth = depth};
    expr_map_open(&r.known);
    bool is_known = range(&r, e, low, high);
    expr_map_close(&r.known);
    free(r.kept);
    return is_known;
}

static bool range_in_64_bits(Graph *g, const GExpr *e, const int64_t *extents, int64_t *low,
                             int64_t *high) {
    Ranges r = {.g = g, .extents = extents, .of_any_data = true};
    expr_map_open(&r.known);
    bool is_known = range(&r, e, low, high);
    expr_map_close(&r.known);
    free(r.kept);
    return is_known;
}

static bool is_sum_or_product(GOp op) {
    return op == G_ADD || op == G_SUB || op == G_MUL || op == G_NEG || op == G_ABS;
}

bool gx_may_wrap(Graph *g, const GExpr *e, const int64_t *extents) {
    int64_t low;
    int64_t high;
    if (is_sum_or_product(e->op))
        return e->type == GT_INT && !range_in_64_bits(g, e, extents, &low, &high);
    if (e->op != G_FLOORDIV && e->op != G_MOD) return false;
    const bool is_known = range_in_64_bits(g, e->args[1], extents, &low, &high);
    if (!is_known || (low <= 0 && high >= 0)) return true;
    return !range_in_64_bits(g, e, extents, &low, &high);
}

bool gx_sum_may_wrap(Graph *g, const GNode *n) {
    int64_t low;
    int64_t high;
    int64_t terms = 1;
    int64_t extents[2 * GRAPH_MAX_RANK];
    if (n->reducer != GR_SUM || n->value->type != GT_INT) return false;
    for (int i = 0; i < n->rank; i++)
        extents[i] = n->shape[i];
    for (int i = 0; i < n->red_rank; i++)
        extents[n->rank + i] = n->red_shape[i];
    for (int i = 0; i < n->red_rank; i++)
        if (__builtin_mul_overflow(terms, n->red_shape[i], &terms)) return true;
    return !range_in_64_bits(g, n->value, extents, &low, &high) ||
           __builtin_mul_overflow(low, terms, &low) || __builtin_mul_overflow(high, terms, &high);
}

bool gx_range(Graph *g, const GExpr *e, const int64_t *extents, int64_t *low, int64_t *high) {
    return range_of(g, e, extents, 0, low, high);
}

bool gx_range_of_data(Graph *g, const GExpr *e, const int64_t *extents, int64_t *low,
                      int64_t *high) {
    return range_of(g, e, extents, DEEPEST_RANGE, low, high);
}

typedef struct Fit {
    Graph *g;
    const int64_t *extents;
} Fit;

/* Ends the walk at a number that may need more than 32 bits. Both values of a choice must fit. */
static VisitStep may_not_fit(void *context, const GExpr *e) {
    const Fit *fit = context;
    int64_t low;
    int64_t high;
    if (e->type == GT_BOOL || is_stored(e)) return VISIT_PAST;
    if (range_of(fit->g, e, fit->extents, DEEPEST_RANGE, &low, &high))
        return low >= INT32_MIN && high <= INT32_MAX ? VISIT_PAST : VISIT_END;
    return e->op == G_SELECT || e->op == G_MAX || e->op == G_MIN ? VISIT_INSIDE : VISIT_END;
}

bool gx_fits_32_bits(Graph *g, const GExpr *e, const int64_t *extents) {
    Fit fit = {g, extents};
    return is_stored(e) || (e->type != GT_BOOL && !expr_visit(e, may_not_fit, &fit));
}

bool gx_entries_fit(Graph *g, const GNode *n) {
    int64_t low;
    int64_t high;
    int64_t extents[2 * GRAPH_MAX_RANK];
    if (range_of_entries(g, n, DEEPEST_RANGE, &low, &high)) return true;
    for (int i = 0; i < n->rank; i++)
        extents[i] = n->shape[i];
    for (int i = 0; i < n->red_rank; i++)
        extents[n->rank + i] = n->red_shape[i];
    const bool picks = n->reducer == GR_NONE || n->reducer == GR_MAX || n->reducer == GR_MIN;
    return picks && gx_fits_32_bits(g, n->value, extents);
}

const GExpr *gx_inside(Graph *g, const GExpr *index, int64_t extent) {
    int64_t low;
    int64_t high;
    if (gx_range(g, index, NULL, &low, &high) && low >= 0 && high < extent) return NULL;
    return gx2(g, G_AND, gx2(g, G_LE, gx_int(g, 0), index), gx2(g, G_LT, index, gx_int(g, extent)));
}
