/* Finds the rows that the reads of a node reach, shard by shard. Also makes and recognises sums by
 * a tree (sample_shards.h). */
#include "compiler/graph/sample_shards.h"

#include "compiler/graph/affine.h"
#include "compiler/graph/visit.h"

bool shard_has_rows(const GNode *n, int64_t shards) {
    return shards > 1 && n->rank > 0 && n->shape[0] > 0 && n->shape[0] % shards == 0;
}

/* ---- reads ----------------------------------------------------------------------------------- */

/* A subscript with one index that is limited to a shard, and the range of its values there. */
typedef struct InShard {
    Graph *g;
    const GNode *node;
    const GExpr *subscript;
    const GExpr *index;
    Affine affine;
    bool is_affine;
    int number;     /* the number of the index */
    int64_t length; /* the number of its values in a shard */
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
        const int64_t extent = i == in->number ? in->length : graph_extent(in->node, i);
        const int64_t reach = in->affine.factor[i] * (extent - 1);
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
    const GExpr *there =
        gx2(in->g, G_ADD, gx_int(in->g, shard * in->length), graph_fresh_index(in->g, in->length));
    const GExpr *at = gx_substitute(in->g, in->subscript, 1, &in->index, &there);
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
        int64_t low;
        int64_t high;
        if (!range_in_shard(&in, s, &low, &high)) return false;
        /* A read outside the array has its `else` value and reads no row. */
        if (load->has_else && low < 0) low = 0;
        if (load->has_else && high >= from->shape[0]) high = from->shape[0] - 1;
        if (low <= high && (low < s * rows || high >= (s + 1) * rows)) return false;
    }
    return true;
}

/* ---- trees ----------------------------------------------------------------------------------- */

/* Returns the leaf that sums row `row` of all arrays. */
static const GExpr *leaf_of(Graph *g, const ShardSum *sum, int row, int at_count,
                            const GExpr *const *at) {
    const GExpr *subscripts[GRAPH_MAX_RANK];
    const GExpr *leaf = NULL;
    subscripts[0] = gx_int(g, row);
    for (int i = 0; i < at_count; i++)
        subscripts[i + 1] = at[i];
    for (int i = 0; i < sum->count; i++) {
        const GExpr *one = gx_load(g, sum->arrays[i], at_count + 1, subscripts, NULL);
        leaf = leaf ? gx2(g, G_ADD, leaf, one) : one;
    }
    return leaf;
}

const GExpr *shard_tree(Graph *g, const ShardSum *sum, int at_count, const GExpr *const *at) {
    const GExpr *sums[MOST_LEAVES];
    for (int i = 0; i < sum->leaves; i++)
        sums[i] = leaf_of(g, sum, i, at_count, at);
    for (int width = sum->leaves; width > 1; width /= 2)
        for (int i = 0; i < width / 2; i++)
            sums[i] = gx2(g, G_ADD, sums[2 * i], sums[2 * i + 1]);
    return sums[0];
}

/* True if the load reads row `row`, at the element of the node. */
static bool reads_row(const GNode *node, const GExpr *load, int64_t row) {
    if (load->op != G_LOAD || load->has_else || load->tensor->rank != node->rank + 1 ||
        load->args[0]->op != G_CONST || load->args[0]->integer != row)
        return false;
    for (int i = 0; i < node->rank; i++)
        if (load->args[i + 1]->op != G_INDEX || load->args[i + 1]->index != i ||
            load->tensor->shape[i + 1] != node->shape[i])
            return false;
    return true;
}

/* Lists the arrays of which the expression adds row `row`, first to last. Returns false if the
 * expression has another form. */
static bool addends_of(const GNode *node, const GExpr *e, int64_t row, ShardSum *out) {
    if (e->op == G_ADD)
        return addends_of(node, e->args[0], row, out) && e->args[1]->op == G_LOAD &&
               addends_of(node, e->args[1], row, out);
    if (!reads_row(node, e, row) || out->count == COUPLET_MOST_ADDENDS) return false;
    for (int i = 0; i < out->count; i++)
        if (out->arrays[i] == e->tensor) return false;
    out->arrays[out->count++] = e->tensor;
    return true;
}

/* True if the expression is a leaf. Every leaf must sum the arrays of the first one. */
static bool is_like_first(const GNode *node, const GExpr *e, int64_t row, ShardSum *sum) {
    ShardSum leaf = {.count = 0};
    if (!addends_of(node, e, row, &leaf)) return false;
    if (sum->count == 0) *sum = leaf;
    if (leaf.count != sum->count) return false;
    for (int i = 0; i < leaf.count; i++)
        if (leaf.arrays[i] != sum->arrays[i]) return false;
    return true;
}

/* Returns how many leaves the tree below `e` has, whose rows begin at `first`; 0 if `e` is no such
 * tree. */
static int64_t rows_below(const GNode *node, const GExpr *e, int64_t first, ShardSum *sum) {
    if (is_like_first(node, e, first, sum)) return 1;
    if (e->op != G_ADD) return 0;
    const int64_t left = rows_below(node, e->args[0], first, sum);
    const int64_t right = left ? rows_below(node, e->args[1], first + left, sum) : 0;
    return left == right ? left + right : 0;
}

bool shard_sum(const GNode *n, int64_t shards, ShardSum *out) {
    *out = (ShardSum){.count = 0};
    if (!node_reduces(n, GR_NONE) || !node_is_unconditional(n)) return false;
    if (n->type != GT_REAL || n->value->op != G_ADD) return false;
    const int64_t rows = rows_below(n, n->value, 0, out);
    if (rows < 2 || rows % shards) return false;
    out->leaves = (int)rows;
    for (int i = 0; i < out->count; i++)
        if (out->arrays[i]->shape[0] != rows) return false;
    return true;
}
