/* Reads of arrays at subscripts.
 *
 * Subscripts that are known when the model is made come first: axes whose subscripts share an index
 * are one group, which is read at known places of those axes taken together. Then one `Gather`
 * reads along the axes that data leads to. Each step puts axes of indices in the place of axes of
 * the array; at the end the indices are put in order. */
#include "compiler/onnx/internal.h"

#include <string.h>

/* An axis of a read under way: still an axis of the array that is read, or already an index. */
typedef struct Dim {
    int axis;       /* the axis of the array; -1: this is an index already */
    int index;      /* the index of the node; -1: this is an axis of the array still */
    int64_t extent; /* -1: the number of samples */
} Dim;

typedef struct Read {
    Onnx *o;
    const GExpr *load;
    const char *name;
    int rank;
    Dim dims[GRAPH_MAX_INDICES + GRAPH_MAX_RANK];
} Read;

static const char *reshape_value(Read *r) {
    int64_t shape[GRAPH_MAX_INDICES + GRAPH_MAX_RANK];
    for (int i = 0; i < r->rank; i++)
        shape[i] = r->dims[i].extent;
    const char *const inputs[] = {r->name, onnx_ints(r->o->m, r->rank, shape)};
    return onnx_operator(r->o->m, "Reshape", 2, inputs, 0, NULL);
}

static void permute_axes(Read *r, const int *order) {
    Dim dims[GRAPH_MAX_INDICES + GRAPH_MAX_RANK];
    r->name = onnx_transpose(r->o, r->name, r->rank, order);
    for (int i = 0; i < r->rank; i++)
        dims[i] = r->dims[order[i]];
    memcpy(r->dims, dims, sizeof *dims * (size_t)r->rank);
}

static bool is_of(const Dim *d, uint32_t axes) {
    return d->axis >= 0 && axes >> d->axis & 1;
}

/* Brings the axes side by side, in the place of the first one, and returns that place. */
static int gather_axes(Read *r, uint32_t axes) {
    int order[GRAPH_MAX_INDICES + GRAPH_MAX_RANK];
    int count = 0;
    int first = 0;
    while (!is_of(&r->dims[first], axes))
        order[count++] = first++;
    for (int i = first; i < r->rank; i++)
        if (is_of(&r->dims[i], axes)) order[count++] = i;
    for (int i = first; i < r->rank; i++)
        if (!is_of(&r->dims[i], axes)) order[count++] = i;
    permute_axes(r, order);
    return first;
}

/* Makes one axis of those side by side, and returns its extent. */
static int64_t merge_axes(Read *r, int first, int count) {
    int64_t extent = 1;
    for (int i = 0; i < count; i++)
        extent *= r->dims[first + i].extent;
    r->dims[first].extent = extent;
    memmove(&r->dims[first + 1], &r->dims[first + count],
            sizeof *r->dims * (size_t)(r->rank - first - count));
    r->rank -= count - 1;
    if (count > 1) r->name = reshape_value(r);
    return extent;
}

/* Puts the indices of the mask in the place of an axis. */
static void put_indices(Read *r, int at, uint32_t mask) {
    const int count = onnx_count(mask);
    memmove(&r->dims[at + count], &r->dims[at + 1], sizeof *r->dims * (size_t)(r->rank - at - 1));
    r->rank += count - 1;
    for (int i = 0, to = at; i < GRAPH_MAX_INDICES; i++)
        if (mask >> i & 1)
            r->dims[to++] = (Dim){-1, i, i == r->o->samples ? (int64_t)ONNX_ANY : r->o->extents[i]};
}

/* ---- places that are known ------------------------------------------------------------------- */

static int64_t clamped(int64_t value, int64_t extent) {
    if (value < 0) return 0;
    return value < extent ? value : extent - 1;
}

/* Returns the row-major places in the axes taken together, for all values of the indices. A
 * subscript outside its axis is moved to the nearest end, and with_else replaces the entry that is
 * read there. Returns NULL after a message. */
static int64_t *known_places(Read *r, uint32_t axes, uint32_t mask, int64_t *count) {
    int64_t *places = NULL;
    for (int a = 0; a < r->load->tensor->rank; a++) {
        const int64_t extent = r->load->tensor->shape[a];
        if (!(axes >> a & 1)) continue;
        const int64_t *values = onnx_known_values(r->o, r->load->args[a], mask, count);
        if (!values) {
            onnx_refuse(r->o, r->o->node->span,
                        "the places that are read here are more than a model may hold");
            return NULL;
        }
        if (!places) {
            places = arena_array(r->o->arena, int64_t, *count + 1);
        }
        for (int64_t i = 0; i < *count; i++)
            places[i] = places[i] * extent + clamped(values[i], extent);
    }
    return places;
}

static bool is_progression(const int64_t *places, int64_t count) {
    for (int64_t i = 2; i < count; i++)
        if (places[i] - places[i - 1] != places[1] - places[0]) return false;
    return count > 1 && places[1] != places[0];
}

static const char *slice(Read *r, int at, const int64_t *places, int64_t count) {
    const int64_t step = places[1] - places[0];
    const int64_t last = places[count - 1] + step;
    const int64_t axis = at;
    const int64_t end = last < 0 ? INT64_MIN : last;
    OnnxModel *m = r->o->m;
    const char *const inputs[] = {r->name, onnx_ints(m, 1, places), onnx_ints(m, 1, &end),
                                  onnx_ints(m, 1, &axis), onnx_ints(m, 1, &step)};
    return onnx_operator(m, "Slice", 5, inputs, 0, NULL);
}

static const char *gather_axis(Read *r, int at, const char *places) {
    const OnnxAttribute axis = {.name = "axis", .kind = ONNX_ATTRIBUTE_INT, .number = at};
    const char *const inputs[] = {r->name, places};
    return onnx_operator(r->o->m, "Gather", 2, inputs, 1, &axis);
}

static void read_known(Read *r, uint32_t axes, uint32_t mask) {
    int64_t count = 1;
    const int64_t *places = known_places(r, axes, mask, &count);
    if (!places) return;
    const int at = gather_axes(r, axes);
    const int64_t extent = merge_axes(r, at, onnx_count(axes));
    const bool is_whole =
        count == extent && is_progression(places, count) && places[0] == 0 && places[1] == 1;
    if (is_whole || (count == 1 && extent == 1)) {
        put_indices(r, at, mask);
        if (onnx_count(mask) != 1) r->name = reshape_value(r);
        return;
    }
    r->name = onnx_count(mask) == 1 && is_progression(places, count)
                  ? slice(r, at, places, count)
                  : gather_axis(r, at, onnx_known_array(r->o, places, mask, GT_INT).name);
    put_indices(r, at, mask);
}

/* Returns the axes whose known subscripts share an index with those of `axes`, directly or through
 * other axes. *mask gets the indices of all of them. */
static uint32_t group_of(const Read *r, uint32_t known, uint32_t axes, uint32_t *mask) {
    uint32_t before;
    do {
        before = axes;
        for (int a = 0; a < r->load->tensor->rank; a++) {
            if (!(known >> a & 1)) continue;
            const uint32_t own = expr_index_mask(r->load->args[a]);
            if (axes >> a & 1 || own & *mask) {
                axes |= 1u << a;
                *mask |= own;
            }
        }
    } while (axes != before);
    return axes;
}

static void read_known_axes(Read *r, uint32_t known) {
    while (known && !r->o->failed) {
        uint32_t mask = 0;
        const uint32_t axes = group_of(r, known, known & -known, &mask);
        read_known(r, axes, mask);
        known &= ~axes;
    }
}

/* ---- places that data leads to --------------------------------------------------------------- */

static bool is_proved(const Onnx *o, const GExpr *subscript, int64_t extent) {
    int64_t low;
    int64_t high;
    return gx_range_of_data(o->g, subscript, o->extents, &low, &high) && low >= 0 && high < extent;
}

static Value is_inside(Onnx *o, Value at, int64_t extent) {
    return onnx_two(o, "And", onnx_two(o, "LessOrEqual", onnx_whole(o, 0), at, GT_BOOL),
                    onnx_two(o, "Less", at, onnx_whole(o, extent), GT_BOOL), GT_BOOL);
}

/* Returns the subscript in a form that an operator may take. With an `else`, any place inside
 * stands for a place outside. Without one, a place outside becomes a place that the operator
 * refuses, because a negative place would count from the end. */
static Value safe_place(Read *r, int axis, int64_t beyond) {
    Onnx *o = r->o;
    const int64_t extent = r->load->tensor->shape[axis];
    const Value at = onnx_value(o, r->load->args[axis]);
    if (o->failed || is_proved(o, r->load->args[axis], extent)) return at;
    const Value other = onnx_whole(o, r->load->has_else ? 0 : beyond);
    return onnx_where(o, is_inside(o, at, extent), at, other);
}

/* Returns the row-major places in the axes taken together, computed from the subscripts. */
static Value data_places(Read *r, uint32_t axes) {
    Onnx *o = r->o;
    Value flat = {NULL, GT_INT, 0};
    int64_t beyond = 1;
    for (int a = 0; a < r->load->tensor->rank; a++)
        if (axes >> a & 1) beyond *= r->load->tensor->shape[a];
    for (int a = 0; a < r->load->tensor->rank && !o->failed; a++) {
        if (!(axes >> a & 1)) continue;
        const Value at = safe_place(r, a, beyond);
        if (!flat.name) {
            flat = at;
            continue;
        }
        const Value extent = onnx_whole(o, r->load->tensor->shape[a]);
        flat = onnx_two(o, "Add", onnx_two(o, "Mul", flat, extent, GT_INT), at, GT_INT);
    }
    return flat;
}

/* Brings the indices of the mask to the front, in their order, then the axis, then the rest. */
static void shared_first(Read *r, uint32_t mask, int axis) {
    int order[GRAPH_MAX_INDICES + GRAPH_MAX_RANK];
    int count = 0;
    bool taken[GRAPH_MAX_INDICES + GRAPH_MAX_RANK] = {false};
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        for (int d = 0; d < r->rank; d++)
            if (mask >> i & 1 && r->dims[d].axis < 0 && r->dims[d].index == i) {
                order[count++] = d;
                taken[d] = true;
            }
    order[count++] = axis;
    taken[axis] = true;
    for (int d = 0; d < r->rank; d++)
        if (!taken[d]) order[count++] = d;
    permute_axes(r, order);
}

/* Returns the places with the shared indices in front and an axis of one entry behind, as GatherND
 * takes them. */
static const char *places_behind(Onnx *o, Value places, uint32_t shared) {
    int order[GRAPH_MAX_INDICES];
    int count = 0;
    int at = 0;
    for (int turn = 0; turn < 2; turn++, at = 0)
        for (int i = 0; i < GRAPH_MAX_INDICES; i++) {
            if (!(places.mask >> i & 1)) continue;
            if ((shared >> i & 1) == !turn) order[count++] = at;
            at++;
        }
    const int64_t last = -1;
    const char *const inputs[] = {onnx_transpose(o, places.name, count, order),
                                  onnx_ints(o->m, 1, &last)};
    return onnx_operator(o->m, "Unsqueeze", 2, inputs, 0, NULL);
}

/* Reads at places that depend on indices which the array has already. For each value of these
 * indices, the places are those of that value. */
static void read_shared(Read *r, int at, Value places, uint32_t shared) {
    const int count = onnx_count(shared);
    shared_first(r, shared, at);
    const OnnxAttribute shares = {
        .name = "batch_dims", .kind = ONNX_ATTRIBUTE_INT, .number = count};
    const char *const inputs[] = {r->name, places_behind(r->o, places, shared)};
    r->name = onnx_operator(r->o->m, "GatherND", 2, inputs, 1, &shares);
    put_indices(r, count, places.mask & ~shared);
}

static void read_data_axes(Read *r, uint32_t axes) {
    uint32_t shared = 0;
    if (!axes || r->o->failed) return;
    const Value places = data_places(r, axes);
    if (r->o->failed) return;
    int at = gather_axes(r, axes);
    merge_axes(r, at, onnx_count(axes));
    for (int d = 0; d < r->rank; d++)
        if (r->dims[d].axis < 0) shared |= places.mask & 1u << r->dims[d].index;
    if (shared) {
        read_shared(r, at, places, shared);
        return;
    }
    r->name = gather_axis(r, at, places.name);
    put_indices(r, at, places.mask);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Returns an array that is true where every subscript is inside its axis. A name of NULL means that
 * all are inside, everywhere. */
static Value inside_axes(Read *r) {
    Onnx *o = r->o;
    Value all = {NULL, GT_BOOL, 0};
    for (int a = 0; a < r->load->tensor->rank && !o->failed; a++) {
        const GExpr *at = r->load->args[a];
        const int64_t extent = r->load->tensor->shape[a];
        if ((at->op == G_INDEX && at->index == o->samples) || is_proved(o, at, extent)) continue;
        const Value here = is_inside(o, onnx_value(o, at), extent);
        all = all.name ? onnx_two(o, "And", all, here, GT_BOOL) : here;
    }
    return all;
}

/* Returns the read with the `else` in place of each entry whose subscript is outside. If no
 * subscript can be outside, the `else` is left out. */
static Value with_else(Read *r, Value read) {
    Onnx *o = r->o;
    const Value all = inside_axes(r);
    if (o->failed || !all.name) return read;
    return onnx_where(o, all, read, onnx_value(o, r->load->args[r->load->tensor->rank]));
}

static Value finish_read(Read *r) {
    int order[GRAPH_MAX_INDICES];
    int count = 0;
    uint32_t mask = 0;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        for (int d = 0; d < r->rank; d++)
            if (r->dims[d].index == i) {
                order[count++] = d;
                mask |= 1u << i;
            }
    const Value read = {onnx_transpose(r->o, r->name, r->rank, order), r->load->type, mask};
    return r->load->has_else ? with_else(r, read) : read;
}

Value onnx_read(Onnx *o, const GExpr *load) {
    const GNode *from = load->tensor;
    const Tensor *t = &o->tensors[from->id];
    Read r = {.o = o, .load = load, .name = t->name};
    uint32_t known = 0;
    uint32_t data = 0;
    for (int a = 0; a < from->rank; a++) {
        if (!(t->axes >> a & 1)) continue;
        const bool is_samples = a == t->samples;
        r.dims[r.rank++] =
            is_samples ? (Dim){-1, o->samples, ONNX_ANY} : (Dim){a, -1, from->shape[a]};
        if (is_samples) continue;
        if (onnx_is_known(o, load->args[a]))
            known |= 1u << a;
        else
            data |= 1u << a;
    }
    read_known_axes(&r, known);
    read_data_axes(&r, data);
    return o->failed ? (Value){"", load->type, 0} : finish_read(&r);
}
