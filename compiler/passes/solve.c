/* Solves the equations that an adjoint meets (solve.h). The forms are tried in this order:
 *
 *   - mixed radix, where one index is told from the others by its digits;
 *   - an index with a stride;
 *   - an index alone;
 *   - a rotation;
 *   - one digit of an index, whose other digits are summed over.
 *
 * An equation that none of them solves becomes the guard EQ(f, m). */
#include "compiler/passes/solve.h"

#include "compiler/graph/affine.h"
#include "compiler/graph/visit.h"

#include <string.h>

typedef struct Factor {
    const GExpr *index;
    int64_t factor;
} Factor;

static bool add_to_factor(void *context, const GExpr *addend, int64_t factor) {
    Factor *f = context;
    if (addend == f->index) return !__builtin_add_overflow(f->factor, factor, &f->factor);
    return !expr_holds_any(addend, 1, &f->index);
}

/* Finds expr = factor * index + rest, affine in the index. Returns false if it is not. */
static bool split_affine(Graph *g, const GExpr *e, const GExpr *index, int64_t *factor,
                         const GExpr **rest) {
    Factor f = {index, 0};
    int64_t constant;
    const GExpr *zero = gx_int(g, 0);
    if (!affine_each(e, &constant, add_to_factor, &f)) return false;
    *factor = f.factor;
    *rest = gx_substitute(g, e, 1, &index, &zero);
    return true;
}

static const GExpr *in_range(Graph *g, const GExpr *e, int64_t extent) {
    const GExpr *low = gx2(g, G_LE, gx_int(g, 0), e);
    const GExpr *high = gx2(g, G_LT, e, gx_int(g, extent));
    return gx_and(g, gx_and(g, NULL, low), gx_and(g, NULL, high));
}

const GExpr *solver_apply(const Solver *s, const GExpr *e) {
    const GExpr *from[MOST_UNKNOWNS];
    const GExpr *to[MOST_UNKNOWNS];
    int count = 0;
    for (int i = 0; i < s->count; i++) {
        if (!s->solved[i]) continue;
        from[count] = s->index[i];
        to[count++] = s->solved[i];
    }
    return count ? gx_substitute(s->g, e, count, from, to) : e;
}

static void settle(Solver *s, int at, const GExpr *value) {
    Graph *g = s->g;
    const GExpr **index = &s->index[at];
    for (int i = 0; i < s->count; i++)
        if (s->solved[i]) s->solved[i] = gx_substitute(g, s->solved[i], 1, index, &value);
    if (s->guard) s->guard = gx_substitute(g, s->guard, 1, index, &value);
    s->solved[at] = value;
    /* The condition comes first, so that the others read at this index only where the index is
     * valid. */
    const GExpr *is_valid = in_range(g, value, graph_index_extent(g, *index));
    s->guard = gx_and(g, is_valid, s->guard);
}

/* Solves f = m for one index, the one with the largest extent, so that the smallest loop is
 * left. */
static bool solve_unit(Solver *s, const GExpr *f, const GExpr *m) {
    Graph *g = s->g;
    int best = -1;
    const GExpr *best_value = NULL;
    for (int i = 0; i < s->count; i++) {
        int64_t factor;
        const GExpr *rest;
        if (s->solved[i] || !split_affine(g, f, s->index[i], &factor, &rest) ||
            (factor != 1 && factor != -1))
            continue;
        if (best >= 0 &&
            graph_index_extent(g, s->index[i]) <= graph_index_extent(g, s->index[best]))
            continue;
        best = i;
        best_value = factor == 1 ? gx2(g, G_SUB, m, rest) : gx2(g, G_SUB, rest, m);
    }
    if (best < 0) return false;
    settle(s, best, best_value);
    return true;
}

/* Solves factor * index + rest = m with |factor| > 1 (a strided convolution): the index is (m -
 * rest) / factor where that is whole. */
static bool solve_strided(Solver *s, const GExpr *f, const GExpr *m) {
    Graph *g = s->g;
    for (int i = 0; i < s->count; i++) {
        int64_t factor;
        const GExpr *rest;
        if (s->solved[i] || !split_affine(g, f, s->index[i], &factor, &rest) || factor <= 1)
            continue;
        const GExpr *difference = gx2(g, G_SUB, m, rest);
        const GExpr *by = gx_int(g, factor);
        const GExpr *whole = gx2(g, G_EQ, gx2(g, G_MOD, difference, by), gx_int(g, 0));
        settle(s, i, gx2(g, G_FLOORDIV, difference, by));
        s->guard = gx_and(g, s->guard, gx_and(g, NULL, whole));
        return true;
    }
    return false;
}

/* Solves (+-index + rest) mod M = m, with the index over the full range of M, which is a rotation
 * backwards. */
static bool solve_rotation(Solver *s, const GExpr *f, const GExpr *m) {
    Graph *g = s->g;
    if (f->op != G_MOD || f->args[1]->op != G_CONST) return false;
    for (int i = 0; i < s->count; i++) {
        int64_t factor;
        const GExpr *rest;
        if (s->solved[i] || !split_affine(g, f->args[0], s->index[i], &factor, &rest) ||
            (factor != 1 && factor != -1))
            continue;
        if (graph_index_extent(g, s->index[i]) > f->args[1]->integer) continue;
        const GExpr *back = factor == 1 ? gx2(g, G_SUB, m, rest) : gx2(g, G_SUB, rest, m);
        settle(s, i, gx2(g, G_MOD, back, f->args[1]));
        return true;
    }
    return false;
}

/* ---- digits ---------------------------------------------------------------------------------- */

/* Returns a new index for digits that no equation gives, or NULL if there is no room. */
static const GExpr *new_unknown(Solver *s, int64_t extent) {
    if (s->count == MOST_UNKNOWNS || extent < 1) return NULL;
    return s->index[s->count++] = graph_fresh_index(s->g, extent);
}

/* Solves sum of factor * index + rest = m, where each factor is a multiple of what the smaller ones
 * reach: every index is a digit of m - rest. */
static bool solve_radix(Solver *s, const GExpr *f, const GExpr *m) {
    Graph *g = s->g;
    int digits[MOST_UNKNOWNS];
    int count = 0;
    int64_t factors[MOST_UNKNOWNS];
    const GExpr *rest = f;
    for (int i = 0; i < s->count; i++) {
        int64_t factor;
        const GExpr *less;
        if (s->solved[i] || !split_affine(g, rest, s->index[i], &factor, &less) || factor < 1)
            continue;
        int at = count++;
        for (; at > 0 && factors[at - 1] < factor; at--) {
            factors[at] = factors[at - 1];
            digits[at] = digits[at - 1];
        }
        factors[at] = factor;
        digits[at] = i;
        rest = less;
    }
    if (count < 2 || factors[count - 1] != 1) return false;
    for (int i = 1; i < count; i++)
        if (factors[i - 1] % factors[i] != 0 ||
            factors[i - 1] < factors[i] * graph_index_extent(g, s->index[digits[i]]))
            return false;
    const GExpr *left = gx2(g, G_SUB, m, rest);
    for (int i = 0; i < count; i++) {
        const GExpr *by = gx_int(g, factors[i]);
        const GExpr *digit = gx2(g, G_FLOORDIV, left, by);
        left = gx2(g, G_MOD, left, by);
        settle(s, digits[i], digit);
    }
    return true;
}

/* Solves a div W = m: a is m * W + t for some t in 0 .. W - 1. */
static bool solve_quotient(Solver *s, const GExpr *f, const GExpr *m) {
    if (f->op != G_FLOORDIV || f->args[1]->op != G_CONST || f->args[1]->integer < 1) return false;
    Solver before = *s;
    const GExpr *digit = new_unknown(s, f->args[1]->integer);
    if (digit &&
        solve_unit(s, f->args[0], gx2(s->g, G_ADD, gx2(s->g, G_MUL, m, f->args[1]), digit)))
        return true;
    *s = before;
    return false;
}

/* Solves a mod W = m: a is q * W + m for some q. */
static bool solve_remainder(Solver *s, const GExpr *f, const GExpr *m) {
    Graph *g = s->g;
    int64_t low;
    int64_t high;
    if (f->op != G_MOD || f->args[1]->op != G_CONST || !gx_range(g, f->args[0], NULL, &low, &high))
        return false;
    int64_t by = f->args[1]->integer;
    int64_t first = (low - (low % by + by) % by) / by;
    int64_t last = (high - (high % by + by) % by) / by;
    Solver before = *s;
    const GExpr *digit = new_unknown(s, last - first + 1);
    const GExpr *place =
        digit ? gx2(g, G_ADD, gx2(g, G_MUL, gx2(g, G_ADD, digit, gx_int(g, first)), f->args[1]), m)
              : NULL;
    if (digit && solve_unit(s, f->args[0], place)) {
        s->guard = gx_and(g, in_range(g, m, by), s->guard);
        return true;
    }
    *s = before;
    return false;
}

typedef struct Equation {
    const GExpr *f;
    const GExpr *m;
} Equation;

/* True if the two give a whole number: e div W = q and e mod W = r say e = q * W + r; so do e div
 * (V W) and (e div V) mod W for e div V. */
static bool is_division_pair(const GExpr *quotient, const GExpr *remainder) {
    if (quotient->op != G_FLOORDIV || remainder->op != G_MOD || quotient->args[1]->op != G_CONST ||
        remainder->args[1]->op != G_CONST)
        return false;
    const GExpr *e = remainder->args[0];
    if (quotient->args[0] == e) return quotient->args[1] == remainder->args[1];
    return e->op == G_FLOORDIV && e->args[0] == quotient->args[0] && e->args[1]->op == G_CONST &&
           e->args[1]->integer * remainder->args[1]->integer == quotient->args[1]->integer;
}

/* Joins two equations, of a quotient and of a remainder, into one for the number that both are made
 * of. Returns false if there are no such two. */
static bool join_two(Solver *s, Equation *all, int *count) {
    Graph *g = s->g;
    for (int q = 0; q < *count; q++) {
        for (int r = 0; r < *count; r++) {
            if (q == r || !is_division_pair(all[q].f, all[r].f)) continue;
            const GExpr *by = all[r].f->args[1];
            s->guard = gx_and(g, in_range(g, all[r].m, by->integer), s->guard);
            const GExpr *whole = gx2(g, G_ADD, gx2(g, G_MUL, all[q].m, by), all[r].m);
            all[q] = (Equation){all[r].f->args[0], whole};
            all[r] = all[--*count];
            return true;
        }
    }
    return false;
}

static int join_digits(Solver *s, Equation *all, int count) {
    while (join_two(s, all, &count))
        continue;
    return count;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void solve_one(Solver *s, const GExpr *f, const GExpr *m) {
    f = solver_apply(s, f);
    const bool is_looked_into = expr_is_small_tree(f);
    if (f->op == G_INDEX && solve_unit(s, f, m)) return;
    /* Solving for a strided index leaves a small loop over the taps. Solving for the tap would
     * leave the large loop instead. */
    if (is_looked_into && (solve_radix(s, f, m) || solve_strided(s, f, m) || solve_unit(s, f, m) ||
                           solve_rotation(s, f, m)))
        return;
    if (is_looked_into && (solve_quotient(s, f, m) || solve_remainder(s, f, m))) return;
    s->guard = gx_and(s->g, s->guard, gx_and(s->g, NULL, gx2(s->g, G_EQ, f, m)));
}

void solve(Solver *s, const GExpr *const *subscripts, const GExpr *const *targets, int count) {
    Equation all[GRAPH_MAX_RANK];
    for (int i = 0; i < count; i++)
        all[i] = (Equation){subscripts[i], targets[i]};
    count = join_digits(s, all, count);
    for (int i = 0; i < count; i++)
        solve_one(s, all[i].f, all[i].m);
}
