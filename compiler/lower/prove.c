/* Proves that reads stay inside their arrays. Extents are concrete, so an index expression that
 * depends on no data is settled by intervals. Where these are too wide, every value of its few
 * indices is tried, under the conditions that hold there. An index that depends on data is checked
 * at run time instead. */
#include "compiler/graph/guard.h"
#include "compiler/graph/point.h"
#include "compiler/graph/visit.h"
#include "compiler/lower/internal.h"

#include <string.h>

enum { MAX_TRIED = 1 << 22 };

/* The indices whose values are tried, and the formulas that are computed for each of them. */
typedef struct Trial {
    Lower *l;
    int count;
    const GExpr *index[GRAPH_MAX_FREE];
    int64_t value[GRAPH_MAX_FREE];
    ARRAY(PointFormula *) conditions;
} Trial;

static int64_t index_extent(const Trial *t, int i) {
    return graph_index_extent(t->l->g, t->index[i]);
}

static double points_of(const Trial *t) {
    double size = 1;
    for (int i = 0; i < t->count; i++)
        size *= (double)index_extent(t, i);
    return size;
}

static bool is_tried(const Trial *t, const GExpr *index) {
    for (int i = 0; i < t->count; i++)
        if (t->index[i] == index) return true;
    return false;
}

/* Adds the indices of the condition that holds here, as many as there is time to try. */
static void add_indices_of_condition(Trial *t) {
    const GExpr *more[GRAPH_MAX_FREE];
    const int own = t->count;
    const int count = gx_free_indices(t->l->g, t->l->condition, more);
    double size = points_of(t);
    for (int i = 0; i < count && t->count < GRAPH_MAX_FREE; i++) {
        if (is_tried(t, more[i])) continue;
        size *= (double)graph_index_extent(t->l->g, more[i]);
        if (size > MAX_TRIED) break;
        t->index[t->count++] = more[i];
    }
    if (points_of(t) > MAX_TRIED) t->count = own;
}

static bool add_condition(void *context, const GExpr *conjunct) {
    Trial *t = context;
    array_push(t->l->arena, &t->conditions,
               point_formula(t->l->arena, conjunct, t->index, t->count));
    return true;
}

/* True if the condition may hold at the point. A conjunct that depends on data may. */
static bool may_hold(const Trial *t) {
    int64_t value;
    for (int i = 0; i < t->conditions.count; i++)
        if (point_value(t->conditions.items[i], t->value, &value) && value == 0) return false;
    return true;
}

static bool next_point(Trial *t) {
    for (int i = 0; i < t->count; i++) {
        if (++t->value[i] < index_extent(t, i)) return true;
        t->value[i] = 0;
    }
    return false;
}

/* Tries all points. Returns false if some point leads outside (*bad is the value there), or if
 * there are too many points to try (`otherwise`). */
static bool stays_inside(Trial *t, const GExpr *index, int64_t extent, int64_t otherwise,
                         int64_t *bad) {
    PointFormula *formula = point_formula(t->l->arena, index, t->index, t->count);
    guard_all(t->l->condition, add_condition, t);
    for (int64_t tried = 0; tried < 4 * (int64_t)MAX_TRIED; tried++) {
        int64_t value;
        if (may_hold(t) && point_value(formula, t->value, &value) &&
            (value < 0 || value >= extent)) {
            *bad = value;
            return false;
        }
        if (!next_point(t)) return true;
    }
    *bad = otherwise;
    return false;
}

bool prove_in_range(Lower *l, const GExpr *index, int64_t extent, bool *data_dependent,
                    int64_t *bad) {
    int64_t low = 0;
    int64_t high = 0;
    *data_dependent = false;
    if (gx_range(l->g, index, NULL, &low, &high) && low >= 0 && high < extent) return true;
    if (expr_is_data(index)) {
        *data_dependent = true;
        return true;
    }
    Trial trial = {.l = l};
    trial.count = gx_free_indices(l->g, index, trial.index);
    if (l->condition) add_indices_of_condition(&trial);
    return stays_inside(&trial, index, extent, low < 0 ? low : high, bad);
}

static VisitStep leaves(void *context, const GExpr *e) {
    Lower *l = context;
    bool data;
    int64_t bad;
    for (int i = 0; e->op == G_LOAD && !e->has_else && i < e->arg_count; i++)
        if (!prove_in_range(l, e->args[i], e->tensor->shape[i], &data, &bad) || data)
            return VISIT_END;
    return VISIT_INSIDE;
}

bool lower_reads_inside(Lower *l, const GExpr *e) {
    return !expr_visit(e, leaves, l);
}
