/* The values that formulas have while they are lowered, the frames that hold values by name, and
 * the expressions that read their elements. */
#include "compiler/graph/guard.h"
#include "compiler/graph/visit.h"
#include "compiler/lower/internal.h"

#include <assert.h>
#include <string.h>

Frame *frame_new(Lower *l, Frame *parent) {
    Frame *frame = arena_new_of(l->arena, Frame);
    frame->parent = parent;
    frame->owner = parent ? parent->owner : NULL;
    return frame;
}

enum { FEW_ENTRIES = 16 };

static FrameEntry *entry_of(const Frame *frame, const void *key) {
    if (frame->by_key.count) {
        const intptr_t number = (intptr_t)map_get(&frame->by_key, key);
        return number ? &frame->entries.items[number - 1] : NULL;
    }
    for (int i = 0; i < frame->entries.count; i++)
        if (frame->entries.items[i].key == key) return &frame->entries.items[i];
    return NULL;
}

void frame_set(Lower *l, Frame *frame, const void *key, Value value) {
    FrameEntry *known = entry_of(frame, key);
    if (known) {
        known->value = value;
        return;
    }
    FrameEntry entry = {key, value};
    array_push(l->arena, &frame->entries, entry);
    if (frame->entries.count <= FEW_ENTRIES) return;
    for (int i = frame->by_key.count ? frame->entries.count - 1 : 0; i < frame->entries.count; i++)
        map_put(l->arena, &frame->by_key, frame->entries.items[i].key, (void *)(intptr_t)(i + 1));
}

const Value *frame_find(const Frame *frame, const void *key) {
    const FrameEntry *found = NULL;
    for (; frame && !found; frame = frame->parent)
        found = entry_of(frame, key);
    return found ? &found->value : NULL;
}

Value value_none(void) {
    Value value;
    memset(&value, 0, sizeof value);
    return value;
}

Value value_scalar(const GExpr *expr) {
    assert(expr);
    Value value = value_none();
    value.kind = VALUE_SCALAR;
    value.scalar = expr;
    if (expr->op == G_CONST) {
        value.is_static = true;
        value.constant = expr->type == GT_REAL ? expr->real : (double)expr->integer;
    }
    return value;
}

Value value_static(Lower *l, double constant, bool is_integer) {
    int64_t whole;
    return value_scalar(is_integer && whole_of(constant, &whole) ? gx_int(l->g, whole)
                                                                 : gx_real(l->g, constant));
}

Value value_array(GNode *tensor) {
    assert(tensor);
    Value value = value_none();
    value.kind = VALUE_ARRAY;
    value.tensor = tensor;
    return value;
}

int value_rank(const Value *value) {
    return value->kind == VALUE_ARRAY ? value->tensor->rank - value->prefix_count : 0;
}

int64_t value_extent(const Value *value, int axis) {
    return value->tensor->shape[value->prefix_count + axis];
}

static const char *shape_text(Arena *arena, const int64_t *shape, int rank) {
    if (!rank) return "one number";
    const char *text = "";
    for (int i = 0; i < rank; i++)
        text = arena_printf(arena, "%s%s%lld", text, i ? ", " : "", (long long)shape[i]);
    return arena_printf(arena, "[%s]", text);
}

const char *value_shape_text(Lower *l, const Value *value) {
    if (value->kind != VALUE_ARRAY) return shape_text(l->arena, NULL, 0);
    return shape_text(l->arena, value->tensor->shape + value->prefix_count, value_rank(value));
}

const char *lower_shape_text(Lower *l, const GNode *node) {
    return shape_text(l->arena, node->shape, node->rank);
}

const GExpr *lower_as_real(Lower *l, const GExpr *expr) {
    return expr->type == GT_REAL ? expr : gx1(l->g, G_TO_REAL, expr);
}

const GExpr *value_element(Lower *l, const Value *value, const GExpr *const *indices, Span span) {
    if (value->kind == VALUE_SCALAR) return value->scalar;
    (void)span;
    assert(value->kind == VALUE_ARRAY);
    const GExpr *all[GRAPH_MAX_RANK];
    int rank = value->tensor->rank;
    for (int i = 0; i < rank; i++)
        all[i] = i < value->prefix_count ? value->prefix[i] : indices[i - value->prefix_count];
    return gx_load(l->g, value->tensor, rank, all, NULL);
}

static bool contains(const GExpr *const *list, int count, const GExpr *expr) {
    for (int i = 0; i < count; i++)
        if (list[i] == expr) return true;
    return false;
}

/* Lists the free indices of all expressions in the order in which they were bound, outer ones
 * first, and returns how many there are. Fresh indices get increasing numbers, so the numbers give
 * this order. The order makes equal formulas equal nodes. */
int lower_sorted_free(Lower *l, const GExpr *const *exprs, int count, const GExpr *const *except,
                      int except_count, const GExpr **out) {
    int n = 0;
    for (int e = 0; e < count; e++) {
        if (!exprs[e]) continue;
        const GExpr *found[GRAPH_MAX_FREE];
        int found_count = gx_free_indices(l->g, exprs[e], found);
        for (int i = 0; i < found_count; i++) {
            if (contains(out, n, found[i]) || contains(except, except_count, found[i])) continue;
            int at = n++;
            while (at > 0 && out[at - 1]->index > found[i]->index) {
                out[at] = out[at - 1];
                at--;
            }
            out[at] = found[i];
        }
    }
    return n;
}

/* True if the expression is exactly the element of a tensor at these indices, in order. No new node
 * is needed then. */
static bool is_plain_load(const GExpr *expr, const GExpr *const *free, int free_count,
                          const GExpr *const *axes, int axis_count, Lower *l) {
    if (expr->op != G_LOAD || expr->has_else || expr->tensor->rank != free_count + axis_count)
        return false;
    if (expr->tensor->type == GT_U8) return false;
    for (int i = 0; i < expr->tensor->rank; i++) {
        const GExpr *want = i < free_count ? free[i] : axes[i - free_count];
        if (expr->args[i] != want || graph_index_extent(l->g, want) != expr->tensor->shape[i])
            return false;
    }
    return true;
}

typedef struct Indices {
    const GExpr *const *items;
    int count;
} Indices;

/* Indices, and the graph that they are of. */
typedef struct Known {
    Graph *g;
    Indices indices;
} Known;

/* Returns the conjunct if it reads the given indices alone, else NULL. */
static const GExpr *speaks_only_of(void *context, Graph *g, const GExpr *conjunct) {
    const Indices *known = context;
    const GExpr *found[GRAPH_MAX_FREE];
    const int count = gx_free_indices(g, conjunct, found);
    for (int i = 0; i < count; i++) {
        bool is_known = false;
        for (int j = 0; j < known->count; j++)
            is_known |= known->items[j] == found[i];
        if (!is_known) return NULL;
    }
    return conjunct;
}

/* Returns the part of the present condition that depends on the given indices alone. It says where
 * a hoisted formula is needed. */
const GExpr *lower_condition_over(Lower *l, const GExpr *condition, const GExpr *const *free,
                                  int free_count) {
    Indices known = {free, free_count};
    return guard_keep(l->g, condition, speaks_only_of, &known);
}

static bool is_about(void *context, const GExpr *conjunct) {
    const Known *known = context;
    return speaks_only_of((void *)&known->indices, known->g, conjunct) != NULL;
}

/* True if every part of the condition depends on the given indices alone. */
bool lower_speaks_only_of(Lower *l, const GExpr *condition, const GExpr *const *free,
                          int free_count) {
    Known known = {l->g, {free, free_count}};
    return guard_all(condition, is_about, &known);
}

static VisitStep may_leave(void *context, const GExpr *e) {
    Lower *l = context;
    int64_t low;
    int64_t high;
    if (e->op == G_TO_INT) return VISIT_END;
    for (int i = 0; e->op == G_LOAD && !e->has_else && i < e->arg_count; i++)
        if (!gx_range(l->g, e->args[i], NULL, &low, &high) || low < 0 ||
            high >= e->tensor->shape[i])
            return VISIT_END;
    return VISIT_INSIDE;
}

/* True if a read in the expression may leave its array, or if a real may not fit as an int. The
 * expression then is valid only under the condition around it. */
bool lower_may_leave(Lower *l, const GExpr *e) {
    return expr_visit(e, may_leave, l);
}

void lower_refuse_space(Lower *l, const GExpr *const *out, int out_count, const GExpr *const *red,
                        int red_count, Span span) {
    int64_t points = 1;
    for (int i = 0; i < out_count + red_count; i++) {
        const int64_t extent =
            graph_index_extent(l->g, i < out_count ? out[i] : red[i - out_count]);
        if (!__builtin_mul_overflow(points, extent, &points) && points <= MOST_ELEMENTS) continue;
        diag_report(l->diag, CODE_DIMENSION_RANGE, span,
                    "this formula has more than 2^48 elements and terms");
        return;
    }
}

Value lower_array_from(Lower *l, const GExpr *expr, const GExpr *const *axes, int axis_count,
                       const char *name, Span span) {
    const GExpr *free[GRAPH_MAX_FREE];
    int free_count = lower_sorted_free(l, &expr, 1, axes, axis_count, free);
    Value value = value_none();
    value.kind = VALUE_ARRAY;
    value.prefix_count = free_count;
    if (free_count + axis_count > GRAPH_MAX_RANK) {
        diag_report(l->diag, CODE_TOO_MANY_AXES, span,
                    "this array depends on %d indices, more than the %d axes an array may have",
                    free_count + axis_count, GRAPH_MAX_RANK);
        free_count = value.prefix_count = GRAPH_MAX_RANK - axis_count;
    }
    memcpy(value.prefix, free, sizeof *free * (size_t)free_count);
    if (is_plain_load(expr, free, free_count, axes, axis_count, l)) {
        value.tensor = expr->tensor;
        return value;
    }
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = GR_NONE;
    spec.out_rank = free_count + axis_count;
    memcpy(spec.out, free, sizeof *free * (size_t)free_count);
    if (axis_count) {
        memcpy(spec.out + free_count, axes, sizeof *axes * (size_t)axis_count);
    }
    spec.value = expr;
    lower_refuse_space(l, spec.out, spec.out_rank, NULL, 0, span);
    spec.name = name;
    spec.span = span;
    spec.active = lower_active(l, &spec);
    value.tensor = graph_compute(l->g, &spec);
    return value;
}

const GExpr *lower_hoist_scalar(Lower *l, const GExpr *expr, const char *name, Span span) {
    if (expr->op == G_CONST || expr->op == G_INDEX || expr->op == G_LOAD) return expr;
    Value value = lower_array_from(l, expr, NULL, 0, name, span);
    return gx_load(l->g, value.tensor, value.prefix_count, value.prefix, NULL);
}

enum { DEEP = 256 }; /* more than formulas that people write */

Value value_shallow(Lower *l, Value value, const char *name, Span span) {
    if (value.kind != VALUE_SCALAR || value.is_static || value.scalar->depth <= DEEP) return value;
    return value_scalar(lower_hoist_scalar(l, value.scalar, name, span));
}

GNode *lower_materialise(Lower *l, const Value *value, const GExpr **free, int *free_count,
                         Span span) {
    int rank = value_rank(value);
    const GExpr *axes[GRAPH_MAX_RANK];
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(l->g, value_extent(value, i));
    const GExpr *expr = value_element(l, value, axes, span);
    Value made = lower_array_from(l, expr, axes, rank, NULL, span);
    *free_count = made.prefix_count;
    memcpy(free, made.prefix, sizeof *free * (size_t)made.prefix_count);
    return made.tensor;
}

/* ---- compile-time numbers -------------------------------------------------------------------- */

void lower_mark_static(Lower *l, const Symbol *symbol) {
    if (symbol->kind != SYMBOL_HYPER || !l->program) return;
    for (int i = 0; i < l->program->hypers.count; i++)
        if (strcmp(l->program->hypers.items[i].name, symbol->name) == 0)
            l->program->hypers.items[i].is_static = true;
}

static bool lookup_dim(void *context, const Symbol *symbol, int64_t *out) {
    Lower *l = context;
    const Value *value = frame_find(l->frame, symbol);
    if (!value || !value->is_static) return false;
    lower_mark_static(l, symbol);
    return whole_of(value->constant, out);
}

bool lower_eval_dim(Lower *l, const Dim *dim, Span span, int64_t *out) {
    if (dim && dim_eval(dim, lookup_dim, l, out)) {
        if (*out > 0) return true;
        diag_report(l->diag, CODE_DIMENSION_UNKNOWN, span,
                    "this dimension, `%s`, is %lld here; a dimension is at least 1",
                    dim_text(l->arena, dim), (long long)*out);
        *out = 1;
        return false;
    }
    diag_report(l->diag, CODE_DIMENSION_UNKNOWN, span,
                "the dimension `%s` is not known at compile time",
                dim ? dim_text(l->arena, dim) : "?");
    *out = 1;
    return false;
}
