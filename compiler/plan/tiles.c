/* Loops and tiles of a compute node. Tiles are slices of the outermost axes, so they write disjoint
 * memory and any split over threads gives the same bits. */
#include "compiler/graph/visit.h"
#include "compiler/plan/kernel.h"

#include "compiler/graph/affine.h"
#include "compiler/graph/walk.h"

enum {
    TILE_WORK = 2048, /* the scalar evaluations that make a tile worth its start */
    LEAST_WORK = 8,   /* the evaluations of a tile where its start does not count */
    COLUMNS = 16,     /* the columns of a tile of a column sum come in multiples of this */
    MOST_TIMES = 4    /* equal pieces are at most so many times as many as were wanted */
};

static bool is_index(const GExpr *e, int index) {
    return e->op == G_INDEX && e->index == index;
}

typedef struct Neighbours {
    const GNode *node;
    int p;
    const int64_t *shape;
} Neighbours;

/* True if subscript i of a load is index p, and the next subscript is p + 1 over all of its axis:
 * `a[p, p+1]`, or a block of its rows, `a[k*8 + p, p+1]`. */
static bool subscripts_walk(const Neighbours *n, const GExpr *load, int i) {
    const GNode *t = load->tensor;
    const int p = n->p;
    Affine at;
    if (i + 1 >= t->rank || !is_index(load->args[i + 1], p + 1)) return false;
    if (t->shape[i + 1] != n->shape[p + 1]) return false;
    if (is_index(load->args[i], p)) return t->shape[i] >= n->shape[p];
    if (load->has_else || !affine_of(load->args[i], &at)) return false;
    if (at.factor[p] != 1 || at.factor[p + 1] != 0) return false;
    int64_t last = at.constant;
    for (int k = 0; k < n->node->rank + n->node->red_rank; k++) {
        if (at.factor[k] < 0) return false;
        last += at.factor[k] * (graph_extent(n->node, k) - 1);
    }
    return at.constant >= 0 && last < t->shape[i];
}

/* Ends the visit at a use of p or p + 1 that walks_together does not allow. */
static VisitStep stands_apart(void *context, const GExpr *e) {
    const Neighbours *n = context;
    const int p = n->p;
    Affine sum;
    if (e->op != G_LOAD && affine_of(e, &sum)) {
        return sum.factor[p] == sum.factor[p + 1] * n->shape[p + 1] ? VISIT_PAST : VISIT_END;
    }
    if (e->op != G_LOAD) return VISIT_INSIDE;
    const GNode *t = e->tensor;
    for (int i = 0; i < t->rank; i++) {
        if (subscripts_walk(n, e, i))
            i++;
        else if (expr_visit(e->args[i], stands_apart, context))
            return VISIT_END;
    }
    return e->has_else && expr_visit(e->args[t->rank], stands_apart, context) ? VISIT_END
                                                                              : VISIT_PAST;
}

/* True if indices p and p + 1 of a node are used only as neighbouring subscripts that walk memory
 * without a gap, or in the row-major number that they make together. */
static bool walks_together(const GNode *node, const GExpr *e, int p, const int64_t *shape) {
    Neighbours n = {node, p, shape};
    return !expr_visit(e, stands_apart, &n);
}

void compute_collapse_axes(const GNode *n, int64_t *extents) {
    int64_t shape[2 * GRAPH_MAX_RANK];
    /* By axis: the last axis of the run that the axis was joined to. */
    int last[2 * GRAPH_MAX_RANK];
    for (int i = 0; i < n->rank + n->red_rank; i++)
        last[i] = i;
    for (int i = 0; i < n->rank; i++)
        shape[i] = extents[i] = n->shape[i];
    for (int i = 0; i < n->red_rank; i++)
        shape[n->rank + i] = extents[n->rank + i] = n->red_shape[i];
    for (int p = n->rank + n->red_rank - 2; p >= 0; p--) {
        if (p == n->rank - 1) continue; /* p is an output axis and p + 1 a reduced one */
        if (!walks_together(n, n->value, p, shape) || !walks_together(n, n->guard, p, shape) ||
            !walks_together(n, n->active, p, shape))
            continue;
        last[p] = last[p + 1];
        extents[last[p]] *= extents[p];
        extents[p] = 1;
    }
}

static int64_t tile_work(const GraphSettings *settings) {
    return settings->cut_always ? LEAST_WORK : TILE_WORK;
}

static int64_t reduced_work(const GNode *n) {
    int64_t work = 1;
    for (int i = 0; i < n->red_rank; i++)
        work *= n->red_shape[i];
    return work;
}

/* Returns the number of axes that make tiles of a column sum. The last axis stays inside the tile;
 * if there is no other axis, a chunk of the last one does. */
static int column_tile_axes(const GNode *n, const int64_t *extents, int64_t least, int64_t *chunk) {
    int64_t outer = 1;
    int64_t last = extents[n->rank - 1];
    int64_t terms = reduced_work(n);
    for (int i = 0; i < n->rank - 1; i++)
        outer *= extents[i];
    *chunk = 0;
    if (outer > 1) return n->rank - 1;
    int64_t columns = ((least + terms - 1) / terms + COLUMNS - 1) / COLUMNS * COLUMNS;
    if (columns < last) *chunk = columns;
    return n->rank - 1;
}

/* Returns the number of equal pieces of a length that is next above `wanted`. If that is many times
 * as many, as for a prime length, returns the number next below. */
static int64_t equal_pieces(int64_t length, int64_t wanted) {
    int64_t more = length, fewer = 1;
    for (int64_t d = 1; d <= length / d; d++) {
        if (length % d) continue;
        const int64_t pieces[] = {d, length / d};
        for (int i = 0; i < 2; i++) {
            if (pieces[i] >= wanted && pieces[i] < more) more = pieces[i];
            if (pieces[i] < wanted && pieces[i] > fewer) fewer = pieces[i];
        }
    }
    return more <= MOST_TIMES * wanted ? more : fewer;
}

/* Returns a chunk for which each shard of the axis has whole chunks, so that a rank computes whole
 * tiles. */
static int64_t chunk_of_shards(int64_t extent, int64_t chunk, int64_t shards) {
    if (!chunk || shards < 2 || extent % shards) return chunk;
    const int64_t shard = extent / shards;
    return shard / equal_pieces(shard, (shard + chunk - 1) / chunk);
}

int compute_tile_axes(const GNode *n, const int64_t *extents, const GraphSettings *settings,
                      int64_t *chunk) {
    const int64_t least = tile_work(settings);
    if (node_sums_columns(n)) return column_tile_axes(n, extents, least, chunk);
    int64_t work = reduced_work(n);
    int axis = n->rank;
    *chunk = 0;
    while (axis > 0 && work < least)
        work *= extents[--axis];
    while (axis < n->rank && extents[axis] == 1)
        axis++;
    int64_t outer = 1;
    for (int i = 0; i < axis; i++)
        outer *= extents[i];
    /* The axis that was taken last has all of the work. */
    if (outer == 1 && axis < n->rank && work >= 2 * least) {
        int64_t inside = work / extents[axis];
        *chunk = (least + inside - 1) / inside;
        if (*chunk >= extents[axis]) *chunk = 0;
        *chunk = chunk_of_shards(extents[axis], *chunk, settings->shards);
    }
    return axis;
}

int64_t compute_tiles(const GNode *n, const GraphSettings *settings) {
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t chunk;
    int64_t tiles = 1;
    compute_collapse_axes(n, extents);
    int axes = compute_tile_axes(n, extents, settings, &chunk);
    for (int i = 0; i < axes; i++)
        tiles *= extents[i];
    return chunk ? (extents[axes] + chunk - 1) / chunk : tiles;
}

int64_t compute_column_totals(const Kernel *k) {
    int64_t extents[2 * GRAPH_MAX_RANK];
    int64_t chunk;
    bool has_totals = false;
    for (int i = 0; i < kernel_node_count(k); i++) {
        const GNode *n = kernel_node(k, i);
        has_totals |= n->red_rank && node_sums_columns(n) && node_sums_many(n);
    }
    if (!has_totals) return 0;
    /* Collapsed axes count together as the columns of a tile. */
    compute_collapse_axes(k->node, extents);
    compute_tile_axes(k->node, extents, &k->graph->settings, &chunk);
    int64_t columns = chunk ? chunk : extents[k->node->rank - 1];
    return kernel_node_count(k) * columns * (int64_t)sizeof(double);
}
