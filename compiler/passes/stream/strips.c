/* Serves nodes that want whole rows of an array of pairs (the r largest of each row, their order).
 * They get a strip of rows at a time. A strip is made, its rows are used up, and the next strip
 * takes its place in memory. */
#include "compiler/graph/loads.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/stream/internal.h"

#include <string.h>

enum {
    STRIP_BYTES = 4 << 20,
    LEAST_ROWS = 64,  /* the rows of a strip that make its product worth its start */
    MOST_STRIPS = 48, /* the most strips that one formula joins */
    /* How many times fewer results than entries a row must have. Else the results would be another
     * array of pairs. */
    LEAST_GAIN = 4
};

static const GNode *rows_of(const GNode *n) {
    return n->kind == GN_TOPK ? n->operand : n->operands[0];
}

bool stream_takes_rows(const GNode *n) {
    if (n->kind == GN_CALL &&
        (n->operand_count != 1 || couplet_calls[n->call].operand_axes[0] != 1))
        return false;
    if (n->kind != GN_TOPK && n->kind != GN_CALL) return false;
    const GNode *rows = rows_of(n);
    return rows->rank == 2 && n->rank == 2 && LEAST_GAIN * n->shape[1] <= rows->shape[1];
}

static int64_t strip_height(int64_t rows, int64_t columns) {
    int64_t height = STRIP_BYTES / (4 * columns);
    int64_t least = (rows + MOST_STRIPS - 1) / MOST_STRIPS;
    if (height < LEAST_ROWS) height = LEAST_ROWS;
    if (height < least) height = least;
    return height < rows ? height : rows;
}

/* Makes a strip: the array of the rows from `first` on. `element` makes an element. */
static GNode *make_strip(Graph *g, const ComputeSpec *element, int64_t first, int64_t height,
                         Span span) {
    ComputeSpec strip;
    memset(&strip, 0, sizeof strip);
    strip.out_rank = 2;
    strip.out[0] = graph_fresh_index(g, height);
    strip.out[1] = graph_fresh_index(g, graph_index_extent(g, element->out[1]));
    strip.span = span;
    const GExpr *at[2] = {gx2(g, G_ADD, strip.out[0], gx_int(g, first)), strip.out[1]};
    strip.value = stream_ungather_all(g, gx_substitute(g, element->value, 2, element->out, at));
    return graph_compute(g, &strip);
}

GNode *stream_in_strips(Graph *g, const GNode *n, const ComputeSpec *element) {
    const GNode *whole = rows_of(n);
    int64_t rows = whole->shape[0];
    int64_t height = strip_height(rows, whole->shape[1]);
    ComputeSpec joined;
    memset(&joined, 0, sizeof joined);
    joined.out_rank = 2;
    for (int i = 0; i < 2; i++)
        joined.out[i] = graph_fresh_index(g, n->shape[i]);
    joined.name = n->name;
    joined.span = n->span;
    joined.value = gx_int(g, 0);
    int count = (int)((rows + height - 1) / height);
    GNode **parts = arena_array(g->arena, GNode *, count);
    /* The order lets each strip be used up before the next is made. */
    for (int i = 0; i < count; i++) {
        int64_t first = i * height;
        GNode *strip =
            make_strip(g, element, first, first + height < rows ? height : rows - first, n->span);
        parts[i] = n->kind == GN_TOPK ? graph_topk(g, strip, n->shape[1], n->span)
                                      : graph_call(g, n->call, &strip, n->shape[1], n->span);
    }
    if (n->type == GT_REAL) joined.value = gx_real(g, 0);
    for (int i = count - 1; i >= 0; i--) {
        const GExpr *at[2] = {gx2(g, G_SUB, joined.out[0], gx_int(g, i * height)), joined.out[1]};
        joined.value = gx_load(g, parts[i], 2, at, joined.value);
    }
    return graph_compute(g, &joined);
}

/* ---- elements without a product -------------------------------------------------------------- */

enum { OUTER = 8 /* how many times larger the array is than what it is made of */ };

/* True of a large array that is made of much smaller ones. It may hold draws: they are keyed by
 * their element, and so are the same in any strip. */
static bool is_made_of_rows(Graph *g, const GNode *n) {
    if (n->kind != GN_COMPUTE || n->reducer != GR_NONE || n->active || n->guard || n->rank != 2 ||
        4 * graph_element_count(n) < stream_threshold(g))
        return false;
    const Loads l = loads_of(g->arena, n);
    for (int i = 0; i < l.items.count; i++)
        if (OUTER * graph_element_count(l.items.items[i]->tensor) > graph_element_count(n))
            return false;
    return true;
}

/* Puts the formula of a large elementwise array in place of a read of the array. */
static const GExpr *put_in(void *context, Graph *g, const GExpr *e) {
    if (e->op != G_LOAD || e->has_else || e->tensor->kind != GN_COMPUTE ||
        e->tensor->reducer != GR_NONE || e->tensor->active || e->tensor->rank != 2)
        return e;
    if (4 * graph_element_count(e->tensor) < stream_threshold(g)) return e;
    ComputeSpec spec;
    graph_open(g, e->tensor, &spec);
    return gx_rewrite(g, gx_substitute(g, spec.value, 2, spec.out, e->args), put_in, context);
}

static GNode *in_strips(Graph *g, GNode *n) {
    if (!stream_takes_rows(n)) return n;
    const GNode *whole = rows_of(n);
    if (whole->kind != GN_COMPUTE || whole->reducer != GR_NONE || whole->active || whole->guard ||
        4 * graph_element_count(whole) < stream_threshold(g))
        return n;
    ComputeSpec element;
    graph_open(g, whole, &element);
    element.value = gx_rewrite(g, element.value, put_in, NULL);
    return is_made_of_rows(g, graph_compute(g, &element)) ? stream_in_strips(g, n, &element) : n;
}

void stream_elements_in_strips(Graph *g) {
    rewrite_each(g, in_strips);
    graph_prune(g);
}
