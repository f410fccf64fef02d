/* What wants whole rows of an array of pairs (the r largest of each, their order) gets them a strip of rows at a time: a strip is made, its rows are
 * used up, and the next one takes its place. */
#include "compiler/passes/stream/internal.h"

#include <string.h>

enum {
    STRIP_BYTES = 4 << 20,
    LEAST_ROWS = 64,   /* so that the product of a strip is worth its start */
    MOST_STRIPS = 64,
    LEAST_GAIN = 4     /* results of a row that are as many as its entries would only be another array of pairs */
};

static const GNode *rows_of(const GNode *n) { return n->kind == GN_TOPK ? n->operand : n->operands[0]; }

bool stream_takes_rows(const GNode *n) {
    if (n->kind == GN_CALL && (n->operand_count != 1 || couplet_calls[n->call].operand_axes[0] != 1)) return false;
    if (n->kind != GN_TOPK && n->kind != GN_CALL) return false;
    const GNode *rows = rows_of(n);
    return rows->rank == 2 && n->rank == 2 && LEAST_GAIN * n->shape[1] <= rows->shape[1];
}

static int64_t strip_height(int64_t rows, int64_t columns) {
    int64_t height = STRIP_BYTES / (4 * columns), least = (rows + MOST_STRIPS - 1) / MOST_STRIPS;
    if (height < LEAST_ROWS) height = LEAST_ROWS;
    if (height < least) height = least;
    return height < rows ? height : rows;
}

/* The rows from `first` on, stored; `element` is what makes one. */
static GNode *make_strip(Graph *g, const ComputeSpec *element, int64_t first, int64_t height, Span span) {
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
    int64_t rows = whole->shape[0], height = strip_height(rows, whole->shape[1]);
    ComputeSpec joined;
    memset(&joined, 0, sizeof joined);
    joined.out_rank = 2;
    for (int i = 0; i < 2; i++) joined.out[i] = graph_fresh_index(g, n->shape[i]);
    joined.name = n->name;
    joined.span = n->span;
    joined.value = gx_int(g, 0);
    int count = (int)((rows + height - 1) / height);
    GNode **parts = arena_array(g->arena, GNode *, count);
    for (int i = 0; i < count; i++) { /* in order, so that each strip is used up before the next is made */
        int64_t first = i * height;
        GNode *strip = make_strip(g, element, first, first + height < rows ? height : rows - first, n->span);
        parts[i] = n->kind == GN_TOPK ? graph_topk(g, strip, n->shape[1], n->span) : graph_call(g, n->call, &strip, n->shape[1], n->span);
    }
    if (n->type == GT_REAL) joined.value = gx_real(g, 0);
    for (int i = count - 1; i >= 0; i--) {
        const GExpr *at[2] = {gx2(g, G_SUB, joined.out[0], gx_int(g, i * height)), joined.out[1]};
        joined.value = gx_load(g, parts[i], 2, at, joined.value);
    }
    return graph_compute(g, &joined);
}
