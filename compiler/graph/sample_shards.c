/* Finds which rows the reads of a node reach, shard by shard, and makes and recognises sums by a
 * tree (sample_shards.h). */
#include "compiler/graph/sample_shards.h"

#include "compiler/graph/affine.h"
#include "compiler/graph/visit.h"

bool shard_has_rows(const GNode *n, int64_t shards) {
    return shards > 1 && n->rank > 0 && n->shape[0] > 0 && n->shape[0] % shards == 0;
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* A subscript with one index in a shard, and the range of its values there. */
typedef struct InShard {
    Graph *g;
    const GNode *node;
    const GExpr *subscript, *index;
    Affine affine;
    bool is_affine;
    int number;     /* of the index */
    int64_t length; /* values of the index in a shard */
} InShard;

static VisitStep find_index(void *context, const GExpr *e) {
    InShard *in = context;
    if (e->op != G_INDEX || e->index != in->number) return VISIT_INSIDE;
    in->index = e;
    return VISIT_END;
}

static void affine_range(const InShard *in, int64_t shard, int64_t *low, int64_t *high) {
    *low = *high = in->affine.constant + in->affine.factor[in->number] * shard * in->length;
    for (int i = 0; i < in->node->rank + in->node->red_rank; i++) {
        const int64_t extent = i == in->number ? in->length : graph_extent(in->node, i),
                      reach = in->affine.factor[i] * (extent - 1);
        *(reach < 0 ? low : high) += reach;
    }
}

static bool range_in_shard(const InShard *in, int64_t shard, int64_t *low, int64_t *high) {
    if (in->is_affine) {
        affine_range(in, shard, low, high);
        return true;
    }
    int64_t extents[GRAPH_MAX_INDICES];
    for (int i = 0; i < in->node->rank + in->node->red_rank; i++)
        extents[i] = graph_extent(in->node, i);
    const GExpr *there = gx2(in->g, G_ADD, gx_int(in->g, shard * in->length),
                             graph_fresh_index(in->g, in->length)),
                *at = gx_substitute(in->g, in->subscript, 1, &in->index, &there);
    return gx_range(in->g, at, extents, low, high);
}

bool shard_reads_own(Graph *g, const GNode *node, int index, const GExpr *load, int64_t shards) {
    const GNode *from = load->tensor;
    const int64_t extent = graph_extent(node, index);
    if (!shard_has_rows(from, shards) || extent % shards) return false;
    InShard in = {.g = g,
                  .node = node,
                  .subscript = load->args[0],
                  .number = index,
                  .length = extent / shards};
    if (!expr_visit(in.subscript, find_index, &in)) return false;
    in.is_affine = affine_of(in.subscript, &in.affine);
    const int64_t rows = from->shape[0] / shards;
    for (int64_t s = 0; s < shards; s++) {
        int64_t low, high;
        if (!range_in_shard(&in, s, &low, &high)) return false;
        /* a read outside the array has another value in its stead */
        if (load->has_else && low < 0) low = 0;
        if (load->has_else && high >= from->shape[0]) high = from->shape[0] - 1;
        if (low <= high && (low < s * rows || high >= (s + 1) * rows)) return false;
    }
    return true;
}

/* ---- trees ----------------------------------------------------------------------------------- */

const GExpr *shard_tree(Graph *g, GNode *array, int leaves, int count, const GExpr *const *at) {
    const GExpr *sums[MOST_LEAVES], *subscripts[GRAPH_MAX_RANK];
    for (int i = 0; i < count; i++)
        subscripts[i + 1] = at[i];
    for (int i = 0; i < leaves; i++) {
        subscripts[0] = gx_int(g, i);
        sums[i] = gx_load(g, array, count + 1, subscripts, NULL);
    }
    for (int width = leaves; width > 1; width /= 2)
        for (int i = 0; i < width / 2; i++)
            sums[i] = gx2(g, G_ADD, sums[2 * i], sums[2 * i + 1]);
    return sums[0];
}

/* The leaves of the tree below `e` are the rows from `first` on; how many, or 0. */
static int64_t rows_below(const GNode *node, const GExpr *e, int64_t first, GNode **array) {
    if (e->op == G_ADD) {
        const int64_t left = rows_below(node, e->args[0], first, array);
        const int64_t right = left ? rows_below(node, e->args[1], first + left, array) : 0;
        return left == right ? left + right : 0;
    }
    if (e->op != G_LOAD || e->has_else || e->tensor->rank != node->rank + 1) return 0;
    if (!*array) *array = e->tensor;
    if (e->tensor != *array || e->args[0]->op != G_CONST || e->args[0]->integer != first) return 0;
    for (int i = 0; i < node->rank; i++)
        if (e->args[i + 1]->op != G_INDEX || e->args[i + 1]->index != i ||
            e->tensor->shape[i + 1] != node->shape[i])
            return 0;
    return 1;
}

GNode *shard_leaves(const GNode *n, int64_t shards, int *leaves) {
    GNode *array = NULL;
    if (!node_reduces(n, GR_NONE) || !node_is_unconditional(n)) return NULL;
    if (n->type != GT_REAL || n->value->op != G_ADD) return NULL;
    const int64_t rows = rows_below(n, n->value, 0, &array);
    *leaves = (int)rows;
    return rows > 1 && rows == array->shape[0] && rows % shards == 0 ? array : NULL;
}
