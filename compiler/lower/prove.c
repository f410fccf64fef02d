/* Proof that a read stays inside its array. Extents are concrete, so an index expression that
 * depends on no data is settled by intervals, and where these are too wide, by trying every value
 * of its few indices under the conditions that hold there. What depends on data is checked at run
 * time instead. */
#include "compiler/lower/internal.h"

#include <string.h>

enum { MAX_TRIED = 1 << 22 };

typedef struct Assignment {
    int count;
    const GExpr *index[GRAPH_MAX_FREE];
    int64_t value[GRAPH_MAX_FREE];
} Assignment;

/* False: depends on data. */
static bool eval_int(const GExpr *e, const Assignment *at, int64_t *out) {
    if (e->op == G_CONST && e->type != GT_REAL) {
        *out = e->integer;
        return true;
    }
    if (e->op == G_INDEX) {
        for (int i = 0; i < at->count; i++) {
            if (at->index[i] == e) {
                *out = at->value[i];
                return true;
            }
        }
        return false;
    }
    if (e->op == G_LOAD || e->op == G_RANDOM || e->type == GT_REAL) return false;
    int64_t v[3] = {0};
    for (int i = 0; i < e->arg_count && i < 3; i++)
        if (e->args[i]->type == GT_REAL || !eval_int(e->args[i], at, &v[i])) return false;
    return gx_of_ints(e->op, v, out);
}

/* May the condition hold? Conjuncts that depend on data may. */
static bool may_hold(const GExpr *condition, const Assignment *at) {
    if (!condition) return true;
    if (condition->op == G_AND)
        return may_hold(condition->args[0], at) && may_hold(condition->args[1], at);
    int64_t value;
    return !eval_int(condition, at, &value) || value != 0;
}

static bool depends_on_data(const GExpr *e) {
    if (e->op == G_LOAD || e->op == G_RANDOM || e->op == G_TO_INT) return true;
    for (int i = 0; i < e->arg_count; i++)
        if (depends_on_data(e->args[i])) return true;
    return false;
}

bool prove_in_range(Lower *l, const GExpr *index, int64_t extent, bool *data_dependent,
                    int64_t *bad) {
    int64_t low, high;
    *data_dependent = false;
    if (gx_range(l->g, index, NULL, &low, &high) && low >= 0 && high < extent) return true;
    if (depends_on_data(index)) {
        *data_dependent = true;
        return true;
    }
    Assignment at;
    at.count = gx_free_indices(l->g, index, at.index);
    int own = at.count;
    if (l->condition) {
        const GExpr *more[GRAPH_MAX_FREE];
        int more_count = gx_free_indices(l->g, l->condition, more);
        double size = 1;
        for (int i = 0; i < at.count; i++)
            size *= (double)graph_index_extent(l->g, at.index[i]);
        for (int i = 0; i < more_count && at.count < GRAPH_MAX_FREE; i++) {
            bool known = false;
            for (int j = 0; j < at.count; j++)
                known |= at.index[j] == more[i];
            if (known) continue;
            size *= (double)graph_index_extent(l->g, more[i]);
            if (size > MAX_TRIED) break;
            at.index[at.count++] = more[i];
        }
    }
    double size = 1;
    for (int i = 0; i < at.count; i++)
        size *= (double)graph_index_extent(l->g, at.index[i]);
    if (size > MAX_TRIED) at.count = own;
    memset(at.value, 0, sizeof at.value);
    for (int64_t tried = 0; tried < 4 * (int64_t)MAX_TRIED; tried++) {
        int64_t value;
        if (may_hold(l->condition, &at) && eval_int(index, &at, &value) &&
            (value < 0 || value >= extent)) {
            *bad = value;
            return false;
        }
        int i = 0;
        while (i < at.count && ++at.value[i] == graph_index_extent(l->g, at.index[i]))
            at.value[i++] = 0;
        if (i == at.count) return true;
    }
    *bad = low < 0 ? low : high;
    return false;
}
