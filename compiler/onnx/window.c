/* Finds reads of windows and adds them as operators. Along some axes of such a read the subscript
 * is stride * i + dilation * k + c, with an index i of the result and a reduced index k that stand
 * nowhere else in the read. */
#include "compiler/onnx/internal.h"

#include "compiler/graph/affine.h"

#include <string.h>

enum { MOST_WINDOWS = 3 /* the most axes of a window that runtimes for ONNX accept */ };

typedef struct Window {
    int axis;            /* the axis of the array */
    int result, reduced; /* the two indices whose sum moves along that axis */
    int64_t stride;
    int64_t dilation;
    int64_t begin;
    /* the entries to add at each end; a negative number leaves entries out */
    int64_t before, after;
} Window;

typedef struct Windows {
    const GExpr *load;
    Window items[MOST_WINDOWS];
    int count;
    uint32_t plain; /* the indices that are subscripts by themselves, a bit for each */
} Windows;

/* ---- recognition ----------------------------------------------------------------------------- */

/* Finds the window along an axis of a read. Returns false if the subscript has another form. */
static bool window_of(const Onnx *o, const GExpr *load, int axis, Window *out) {
    Affine at;
    *out = (Window){.axis = axis, .result = -1, .reduced = -1};
    if (!affine_of(load->args[axis], &at)) return false;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++) {
        int *place = i < o->node->rank ? &out->result : &out->reduced;
        if (!at.factor[i]) continue;
        if (*place >= 0 || at.factor[i] < 0) return false;
        *place = i;
    }
    if (out->result < 0 || out->reduced < 0 || out->result == o->samples) return false;
    out->begin = at.constant;
    out->stride = at.factor[out->result];
    out->dilation = at.factor[out->reduced];
    const int64_t last = at.constant + out->stride * (o->extents[out->result] - 1) +
                         out->dilation * (o->extents[out->reduced] - 1);
    out->before = -out->begin;
    out->after = last - (load->tensor->shape[axis] - 1);
    return true;
}

/* Takes apart a read of which each axis is a window or a plain index. Returns false if an axis is
 * neither, if an index stands in two axes, if the array lacks an axis, or if there is no window. */
static bool windows_of(const Onnx *o, const GExpr *load, Windows *out) {
    const Tensor *t = load->op == G_LOAD ? &o->tensors[load->tensor->id] : NULL;
    uint32_t seen = 0;
    *out = (Windows){.load = load};
    if (!t || onnx_count(t->axes) != load->tensor->rank) return false;
    for (int a = 0; a < load->tensor->rank; a++) {
        const GExpr *at = load->args[a];
        Window *w = &out->items[out->count];
        uint32_t own;
        if (at->op == G_INDEX && o->extents[at->index] == load->tensor->shape[a]) {
            own = 1u << at->index;
            out->plain |= own;
        } else {
            if (out->count == MOST_WINDOWS || !window_of(o, load, a, w)) return false;
            own = 1u << w->result | 1u << w->reduced;
            out->count++;
        }
        if (seen & own) return false;
        seen |= own;
    }
    return out->count > 0;
}

/* True if some window reaches outside the array. The read then must have a number for entries
 * outside. */
static bool reaches_outside(const Windows *w) {
    for (int i = 0; i < w->count; i++)
        if (w->items[i].before > 0 || w->items[i].after > 0) return true;
    return false;
}

/* Finds the number that stands for entries outside the array. Returns false if a window reaches
 * outside and the `else` is no constant. */
static bool outside_of(const Windows *w, double *out) {
    const GExpr *load = w->load;
    const GExpr *other = load->has_else ? load->args[load->tensor->rank] : NULL;
    *out = other && other->op == G_CONST ? other->real : 0;
    return !reaches_outside(w) || (other && other->op == G_CONST);
}

static uint32_t reduced_windows(const Windows *w) {
    uint32_t mask = 0;
    for (int i = 0; i < w->count; i++)
        mask |= 1u << w->items[i].reduced;
    return mask;
}

static uint32_t result_windows(const Windows *w) {
    uint32_t mask = 0;
    for (int i = 0; i < w->count; i++)
        mask |= 1u << w->items[i].result;
    return mask;
}

/* ---- arrays in the order of an operator ------------------------------------------------------ */

/* Lists the axes of the array whose indices are in the mask, in their order. Returns their
 * number. */
static int axes_of(const GExpr *load, uint32_t mask, int *out) {
    int count = 0;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++)
        for (int a = 0; a < load->tensor->rank; a++)
            if (mask >> i & 1 && load->args[a]->op == G_INDEX && load->args[a]->index == i)
                out[count++] = a;
    return count;
}

/* Returns the product of the extents of the indices, or -1, which the model infers, if the samples
 * are among them. */
static int64_t masked_extent(const Onnx *o, uint32_t mask) {
    int64_t extent = 1;
    for (int i = 0; i < GRAPH_MAX_INDICES; i++) {
        if (!(mask >> i & 1)) continue;
        if (i == o->samples) return -1;
        extent *= o->extents[i];
    }
    return extent;
}

static const char *reshape(Onnx *o, const char *name, int rank, const int64_t *shape) {
    const char *const inputs[] = {name, onnx_ints(o->m, rank, shape)};
    return onnx_operator(o->m, "Reshape", 2, inputs, 0, NULL);
}

/* Slices away the entries at both ends that no window reaches. */
static const char *cut_ends(Onnx *o, const char *name, int first, const Windows *w) {
    for (int i = 0; i < w->count; i++) {
        const Window *d = &w->items[i];
        const int64_t begin = d->before < 0 ? -d->before : 0;
        const int64_t axis = first + i;
        const int64_t end = w->load->tensor->shape[d->axis] + (d->after < 0 ? d->after : 0);
        if (d->before >= 0 && d->after >= 0) continue;
        const char *const inputs[] = {name, onnx_ints(o->m, 1, &begin), onnx_ints(o->m, 1, &end),
                                      onnx_ints(o->m, 1, &axis)};
        name = onnx_operator(o->m, "Slice", 4, inputs, 0, NULL);
    }
    return name;
}

/* Returns the image as [rows, channels, windows..]. The indices of the result that the kernel lacks
 * are rows, and all others are channels. */
static const char *image(Onnx *o, const Windows *w, uint32_t rows, uint32_t channels) {
    int order[GRAPH_MAX_RANK];
    int count = axes_of(w->load, rows, order);
    int64_t shape[GRAPH_MAX_RANK] = {masked_extent(o, rows), masked_extent(o, channels)};
    count += axes_of(w->load, channels, order + count);
    const bool is_plain = onnx_count(rows) == 1 && onnx_count(channels) == 1;
    for (int i = 0; i < w->count; i++) {
        order[count++] = w->items[i].axis;
        shape[2 + i] = w->load->tensor->shape[w->items[i].axis];
    }
    const char *name = onnx_transpose(o, o->tensors[w->load->tensor->id].name, count, order);
    if (!is_plain) name = reshape(o, name, 2 + w->count, shape);
    return cut_ends(o, name, 2, w);
}

/* Takes the result of an operator, [rows, channels, windows..], and returns it with an axis for
 * each index in order. */
static Value in_order(Onnx *o, const char *name, const Windows *w, uint32_t rows,
                      uint32_t channels) {
    const uint32_t parts[] = {rows, channels};
    int indices[GRAPH_MAX_INDICES];
    int order[GRAPH_MAX_INDICES];
    int count = 0;
    int64_t shape[GRAPH_MAX_INDICES];
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < GRAPH_MAX_INDICES; i++)
            if (parts[p] >> i & 1) indices[count++] = i;
    for (int i = 0; i < w->count; i++)
        indices[count++] = w->items[i].result;
    for (int i = 0; i < count; i++)
        shape[i] = indices[i] == o->samples ? -1 : o->extents[indices[i]];
    if (onnx_count(rows) != 1 || onnx_count(channels) != 1) {
        name = reshape(o, name, count, shape);
    }
    const uint32_t mask = rows | channels | result_windows(w);
    for (int i = 0; i < count; i++)
        order[onnx_axis(mask, indices[i])] = i;
    return (Value){onnx_transpose(o, name, count, order), GT_REAL, mask};
}

/* ---- convolutions ---------------------------------------------------------------------------- */

typedef struct Convolution {
    Windows w;
    const GExpr *kernel;
    /* the indices of each part of the convolution, a bit for each */
    uint32_t rows, groups, inner, outer;
} Convolution;

/* Finds the axes of the kernel. Its subscripts are plain indices: those of the windows, those that
 * it shares with the image, and those of the result that the image lacks. Returns false for another
 * kernel. */
static bool kernel_of(const Onnx *o, const GExpr *kernel, Convolution *c) {
    const Windows *w = &c->w;
    const uint32_t reduced = ((1u << o->node->red_rank) - 1) << o->node->rank;
    uint32_t own = 0;
    if (kernel->op != G_LOAD || kernel->has_else) return false;
    const Tensor *t = &o->tensors[kernel->tensor->id];
    if (onnx_count(t->axes) != kernel->tensor->rank) return false;
    for (int a = 0; a < kernel->tensor->rank; a++) {
        const GExpr *at = kernel->args[a];
        if (at->op != G_INDEX || own >> at->index & 1 || at->index == o->samples ||
            o->extents[at->index] != kernel->tensor->shape[a])
            return false;
        own |= 1u << at->index;
    }
    c->kernel = kernel;
    c->inner = own & w->plain & reduced;
    c->groups = own & w->plain & ~reduced;
    c->outer = own & ~w->plain & ~reduced;
    c->rows = w->plain & ~own;
    const bool is_complete = (own & reduced) == (c->inner | reduced_windows(w)) &&
                             reduced == (c->inner | reduced_windows(w));
    return is_complete && !(own & result_windows(w)) && !(c->rows & reduced);
}

static bool convolution_of(const Onnx *o, Convolution *c) {
    const GNode *n = o->node;
    double outside;
    if (n->reducer != GR_SUM || n->guard || n->value->op != G_MUL) return false;
    for (int i = 0; i < 2; i++)
        if (windows_of(o, n->value->args[i], &c->w) && outside_of(&c->w, &outside) &&
            outside == 0 && kernel_of(o, n->value->args[1 - i], c))
            return true;
    return false;
}

/* Returns the kernel as [groups * outer, inner, windows..]. */
static const char *kernel(Onnx *o, const Convolution *c) {
    const GExpr *load = c->kernel;
    int order[GRAPH_MAX_RANK];
    int count = axes_of(load, c->groups, order);
    int64_t shape[GRAPH_MAX_RANK] = {masked_extent(o, c->groups) * masked_extent(o, c->outer),
                                     masked_extent(o, c->inner)};
    count += axes_of(load, c->outer, order + count);
    count += axes_of(load, c->inner, order + count);
    for (int i = 0; i < c->w.count; i++) {
        count += axes_of(load, 1u << c->w.items[i].reduced, order + count);
        shape[2 + i] = o->extents[c->w.items[i].reduced];
    }
    const char *name = onnx_transpose(o, o->tensors[load->tensor->id].name, count, order);
    const bool is_plain = !c->groups && onnx_count(c->outer) == 1 && onnx_count(c->inner) == 1;
    return is_plain ? name : reshape(o, name, 2 + c->w.count, shape);
}

typedef struct Numbers {
    int64_t strides[MOST_WINDOWS], dilations[MOST_WINDOWS], sides[MOST_WINDOWS],
        pads[2 * MOST_WINDOWS];
    OnnxAttribute attributes[5];
} Numbers;

static void fill_numbers(const Onnx *o, const Windows *w, Numbers *n) {
    for (int i = 0; i < w->count; i++) {
        const Window *d = &w->items[i];
        n->strides[i] = d->stride;
        n->dilations[i] = d->dilation;
        n->sides[i] = o->extents[d->reduced];
        n->pads[i] = d->before > 0 ? d->before : 0;
        n->pads[w->count + i] = d->after > 0 ? d->after : 0;
    }
    const struct {
        const char *name;
        const int64_t *numbers;
        int count;
    } rows[] = {{"strides", n->strides, w->count},
                {"dilations", n->dilations, w->count},
                {"kernel_shape", n->sides, w->count},
                {"pads", n->pads, 2 * w->count}};
    for (int i = 0; i < 4; i++)
        n->attributes[i] = (OnnxAttribute){.name = rows[i].name,
                                           .kind = ONNX_ATTRIBUTE_INTS,
                                           .numbers = rows[i].numbers,
                                           .count = rows[i].count};
}

static Value convolve(Onnx *o, const Convolution *c) {
    Numbers n;
    fill_numbers(o, &c->w, &n);
    n.attributes[4] = (OnnxAttribute){
        .name = "group", .kind = ONNX_ATTRIBUTE_INT, .number = masked_extent(o, c->groups)};
    const char *image_name = image(o, &c->w, c->rows, c->groups | c->inner);
    const char *const inputs[] = {image_name, kernel(o, c)};
    const char *name = onnx_operator(o->m, "Conv", 2, inputs, 5, n.attributes);
    return in_order(o, name, &c->w, c->rows, c->groups | c->outer);
}

/* ---- the largest of windows ------------------------------------------------------------------ */

/* Returns the image with the number that stands for the outside around it. MaxPool by itself would
 * take minus infinity. */
static const char *padded(Onnx *o, const char *name, const Windows *w, double outside) {
    int64_t pads[2 * (MOST_WINDOWS + 2)] = {0};
    const int rank = w->count + 2;
    for (int i = 0; i < w->count; i++) {
        const Window *d = &w->items[i];
        pads[2 + i] = d->before > 0 ? d->before : 0;
        pads[rank + 2 + i] = d->after > 0 ? d->after : 0;
    }
    const char *const inputs[] = {name, onnx_ints(o->m, 2 * rank, pads),
                                  onnx_real(o, outside).name};
    return reaches_outside(w) ? onnx_operator(o->m, "Pad", 3, inputs, 0, NULL) : name;
}

static bool largest_in_window(Onnx *o, Value *out) {
    const GNode *node = o->node;
    Windows w;
    Numbers n;
    double outside;
    if (node->reducer != GR_MAX || node->guard || node->type != GT_REAL ||
        !windows_of(o, node->value, &w) || !outside_of(&w, &outside) || w.plain >> node->rank ||
        onnx_count(reduced_windows(&w)) != node->red_rank)
        return false;
    const uint32_t rows = o->samples >= 0 ? 1u << o->samples : 0;
    fill_numbers(o, &w, &n);
    const char *name = padded(o, image(o, &w, rows & w.plain, w.plain & ~rows), &w, outside);
    name = onnx_operator(o->m, "MaxPool", 1, &name, 3, n.attributes);
    *out = in_order(o, name, &w, rows & w.plain, w.plain & ~rows);
    return true;
}

bool onnx_window(Onnx *o, Value *out) {
    Convolution c;
    if (convolution_of(o, &c)) {
        *out = convolve(o, &c);
        return true;
    }
    return largest_in_window(o, out);
}
