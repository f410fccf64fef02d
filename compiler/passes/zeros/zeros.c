/* zeros: sums are not taken where they are known to be 0.
 *
 *   - A condition that only indices of the result decide leaves the sum: `where i < n` narrows the
 *     result to the first n, with zeros behind; `where i == f(j)` makes one sum for each j instead
 *     of one for each i and j. The gradient of s[i, i] inside a sum over j has this form, and so
 *     has that of a part of an array.
 *   - A condition that picks one value of a reduced index, `where j == f(i)`, leaves one term.
 *   - `where f(j) == c` in a sum over i and j that are no part of c: first the sum over i, for each
 *     j, then those of each c (two-level sums by key).
 *   - What few chosen places of an array of pairs send back is no array of pairs: unscatter.c. */
#include "compiler/passes/rewrite.h"
#include "compiler/passes/zeros/internal.h"

#include <string.h>

bool zeros_reads_one_of(Graph *g, const GExpr *expr, const GExpr *const *indices, int count) {
    const GExpr *found[GRAPH_MAX_FREE];
    int free = expr ? gx_free_indices(g, expr, found) : 0;
    for (int i = 0; i < free; i++)
        for (int k = 0; k < count; k++)
            if (found[i] == indices[k]) return true;
    return false;
}

static int axis_of(const ComputeSpec *spec, const GExpr *index) {
    for (int i = 0; i < spec->out_rank; i++)
        if (spec->out[i] == index) return i;
    return -1;
}

static const GExpr *without(Graph *g, const Conjuncts *c, int number) {
    const GExpr *rest = NULL;
    for (int i = 0; i < c->count; i++)
        if (i != number) rest = gx_and(g, rest, c->items[i]);
    return rest;
}

static void replace(Graph *g, ComputeSpec *spec, const GExpr *index, const GExpr *by) {
    spec->value = gx_substitute(g, spec->value, 1, &index, &by);
    if (spec->guard) {
        spec->guard = gx_substitute(g, spec->guard, 1, &index, &by);
    }
}

static const GExpr *zero_of_type(Graph *g, GType type) {
    return type == GT_REAL ? gx_real(g, 0) : gx_int(g, 0);
}

/* Opens an elementwise node for the whole result, with fresh indices. */
static ComputeSpec outer_of(Graph *g, const ComputeSpec *spec) {
    ComputeSpec outer = {.out_rank = spec->out_rank, .name = spec->name, .span = spec->span};
    for (int i = 0; i < spec->out_rank; i++)
        outer.out[i] = graph_fresh_index(g, graph_index_extent(g, spec->out[i]));
    return outer;
}

/* ---- where i < n ----------------------------------------------------------------------------- */

/* Finds the range [*low, *high) of an index that a condition on it alone leaves. Returns false if
 * the condition is not of this kind. */
static bool condition_range(Graph *g, const ComputeSpec *spec, const GExpr *e, int *axis,
                            int64_t *low, int64_t *high) {
    if (e->op != G_LT && e->op != G_LE) return false;
    bool below = e->args[1]->op == G_CONST;
    const GExpr *index = e->args[below ? 0 : 1];
    const GExpr *bound = e->args[below ? 1 : 0];
    if (bound->op != G_CONST || bound->type != GT_INT || index->op != G_INDEX) return false;
    *axis = axis_of(spec, index);
    if (*axis < 0) return false;
    int64_t extent = graph_index_extent(g, index);
    *low = below ? 0 : bound->integer + (e->op == G_LT);
    *high = below ? bound->integer + (e->op == G_LE) : extent;
    return *low >= 0 && *high <= extent && *low < *high;
}

/* Makes the sum for low <= out[axis] < high alone, with zeros elsewhere. */
static GNode *narrow_range(Graph *g, const ComputeSpec *spec, GType type, const Conjuncts *c,
                           int number, int axis, int64_t low, int64_t high) {
    ComputeSpec inner = *spec;
    ComputeSpec outer = outer_of(g, spec);
    const GExpr *at[GRAPH_MAX_RANK];
    inner.guard = without(g, c, number);
    inner.out[axis] = graph_fresh_index(g, high - low);
    replace(g, &inner, spec->out[axis], gx2(g, G_ADD, inner.out[axis], gx_int(g, low)));
    memcpy(at, outer.out, sizeof at);
    at[axis] = gx2(g, G_SUB, outer.out[axis], gx_int(g, low));
    outer.value = gx_load(g, graph_compute(g, &inner), inner.out_rank, at, zero_of_type(g, type));
    return graph_compute(g, &outer);
}

/* ---- where i == f(j) ------------------------------------------------------------------------- */

/* True of out[axis] == place, if the place is inside the axis and does not depend on its index. */
static bool is_place(Graph *g, const ComputeSpec *spec, const GExpr *e, int *axis,
                     const GExpr **place) {
    if (e->op != G_EQ || e->args[0]->type != GT_INT) return false;
    for (int side = 0; side < 2; side++) {
        const GExpr *index = e->args[side];
        int64_t low;
        int64_t high;
        *place = e->args[1 - side];
        *axis = index->op == G_INDEX ? axis_of(spec, index) : -1;
        bool inside = *axis >= 0 && gx_range(g, *place, NULL, &low, &high) && low >= 0 &&
                      high < graph_index_extent(g, index);
        if (inside && !zeros_reads_one_of(g, *place, &index, 1)) return true;
    }
    return false;
}

/* True if the conditions ahead of the place read no index of the sum. The place may be no place
 * where these conditions do not hold, so they must go with it. */
static bool stands_alone(Graph *g, const ComputeSpec *spec, const Conjuncts *c, int number) {
    for (int i = 0; i < number; i++)
        if (zeros_reads_one_of(g, c->items[i], spec->red, spec->red_rank)) return false;
    return true;
}

/* Makes the sum without out[axis], which is `place` in it, and a result that has zeros elsewhere.
 */
static GNode *at_place(Graph *g, const ComputeSpec *spec, GType type, const Conjuncts *c,
                       int number, int axis, const GExpr *place) {
    ComputeSpec inner = *spec;
    ComputeSpec outer = outer_of(g, spec);
    const GExpr *at[GRAPH_MAX_RANK];
    int rank = 0;
    inner.guard = without(g, c, number);
    replace(g, &inner, spec->out[axis], place);
    for (int i = 0; i < spec->out_rank; i++) {
        if (i == axis) continue;
        inner.out[rank] = spec->out[i];
        at[rank++] = outer.out[i];
    }
    inner.out_rank = rank;
    const GExpr *here = NULL;
    for (int i = 0; i <= number; i++)
        here = gx_and(g, here, c->items[i]);
    here = gx_substitute(g, here, spec->out_rank, spec->out, outer.out);
    outer.value = gx_select(g, here, gx_load(g, graph_compute(g, &inner), rank, at, NULL),
                            zero_of_type(g, type));
    return graph_compute(g, &outer);
}

/* ---- where j == f(i), j being reduced -------------------------------------------------------- */

/* Returns the value of the reduced index that a condition makes the only one in the sum, or
 * NULL. */
static const GExpr *only_value(Graph *g, const ComputeSpec *spec, const GExpr *e, int *at) {
    if (e->op != G_EQ || e->args[0]->type != GT_INT) return NULL;
    for (int side = 0; side < 2; side++)
        for (*at = 0; *at < spec->red_rank; ++*at)
            if (e->args[side] == spec->red[*at] &&
                !zeros_reads_one_of(g, e->args[1 - side], spec->red, spec->red_rank))
                return e->args[1 - side];
    return NULL;
}

/* Makes the sum with red[at] == value alone. */
static GNode *one_term(Graph *g, const ComputeSpec *spec, const Conjuncts *c, int number, int at,
                       const GExpr *value) {
    ComputeSpec term = *spec;
    const GExpr *index = spec->red[at];
    const GExpr *first = NULL;
    const GExpr *then = NULL;
    /* The value may be read only where the conditions ahead of it hold. */
    for (int i = 0; i < c->count; i++) {
        bool ahead = i < number && !zeros_reads_one_of(g, c->items[i], &index, 1);
        if (ahead)
            first = gx_and(g, first, c->items[i]);
        else if (i != number)
            then = gx_and(g, then, c->items[i]);
    }
    term.guard = then;
    replace(g, &term, index, value);
    term.guard =
        gx_and(g, gx_and(g, first, gx_inside(g, value, graph_index_extent(g, index))), term.guard);
    memmove(&term.red[at], &term.red[at + 1],
            sizeof term.red[0] * (size_t)(term.red_rank - at - 1));
    if (--term.red_rank == 0) {
        term.reducer = GR_NONE;
        if (term.guard)
            term.value = gx_select(g, term.guard, term.value, zero_of_type(g, term.value->type));
        term.guard = NULL;
    }
    return graph_compute(g, &term);
}

/* ---- where f(j) == c, in a sum over i and j -------------------------------------------------- */

enum { LARGE_SUM = 1 << 16 /* the fewest terms */ };

/* Returns which of two reduced indices the key reads; the other one is summed over first. -1: it is
 * no such sum. */
static int kept_first(Graph *g, const ComputeSpec *spec, int *target, const GExpr **read) {
    const GExpr *guard = spec->guard;
    if (spec->red_rank != 2 || guard->op != G_EQ || guard->args[0]->type != GT_INT) return -1;
    for (int side = 0; side < 2; side++) {
        const GExpr *index = guard->args[side];
        const GExpr *key = guard->args[1 - side];
        *target = index->op == G_INDEX ? axis_of(spec, index) : -1;
        if (*target < 0 || zeros_reads_one_of(g, key, spec->out, spec->out_rank) ||
            zeros_reads_one_of(g, spec->value, &index, 1))
            continue;
        *read = key;
        bool first = zeros_reads_one_of(g, key, &spec->red[0], 1);
        bool second = zeros_reads_one_of(g, key, &spec->red[1], 1);
        if (first != second) return first ? 0 : 1;
    }
    return -1;
}

/* Sums over the other reduced index first, and then by key over red[kept]. */
static GNode *in_two_levels(Graph *g, const ComputeSpec *spec, int kept, int target,
                            const GExpr *key) {
    ComputeSpec inner = *spec;
    ComputeSpec outer = *spec;
    const GExpr *at[GRAPH_MAX_RANK];
    /* A key that belongs to no result may be outside of the arrays that are read with it. */
    inner.guard = gx_inside(g, key, graph_index_extent(g, spec->out[target]));
    inner.out_rank = 0;
    at[inner.out_rank] = spec->red[kept];
    inner.out[inner.out_rank++] = spec->red[kept];
    for (int i = 0; i < spec->out_rank; i++) {
        if (i == target) continue;
        at[inner.out_rank] = spec->out[i];
        inner.out[inner.out_rank++] = spec->out[i];
    }
    inner.red[0] = spec->red[1 - kept];
    inner.red_rank = outer.red_rank = 1;
    outer.red[0] = spec->red[kept];
    outer.value = gx_load(g, graph_compute(g, &inner), inner.out_rank, at, NULL);
    return graph_compute(g, &outer);
}

/* ---- the pass -------------------------------------------------------------------------------- */

/* Makes a sum without terms that are known to be 0, by the first rule that fits. Its other
 * conditions stay in the guard. */
static GNode *leave_out(Graph *g, GNode *node) {
    if (!node_reduces(node, GR_SUM) || !node->guard || node->active) return node;
    if (node->empty_is_error) return node;
    ComputeSpec spec;
    Conjuncts c = {.count = 0};
    graph_open(g, node, &spec);
    if (!guard_list(spec.guard, &c)) return node;
    const GExpr *key;
    int target;
    int kept =
        node->red_rank == 2 &&
                graph_extent(node, node->rank) * graph_extent(node, node->rank + 1) >= LARGE_SUM
            ? kept_first(g, &spec, &target, &key)
            : -1;
    if (kept >= 0) return in_two_levels(g, &spec, kept, target, key);
    for (int i = 0; i < c.count; i++) {
        int at;
        const GExpr *value = only_value(g, &spec, c.items[i], &at);
        if (value) return one_term(g, &spec, &c, i, at, value);
    }
    for (int i = 0; i < c.count; i++) {
        int axis;
        int64_t low;
        int64_t high;
        const GExpr *place;
        if (zeros_reads_one_of(g, c.items[i], spec.red, spec.red_rank)) continue;
        if (condition_range(g, &spec, c.items[i], &axis, &low, &high))
            return narrow_range(g, &spec, node->type, &c, i, axis, low, high);
        if (is_place(g, &spec, c.items[i], &axis, &place) && stands_alone(g, &spec, &c, i))
            return at_place(g, &spec, node->type, &c, i, axis, place);
    }
    return node;
}

void pass_zeros(Graph *g) {
    graph_prune(g);
    rewrite_each(g, leave_out);
    graph_prune(g);
    zeros_use_places(g);
    graph_prune(g);
}
