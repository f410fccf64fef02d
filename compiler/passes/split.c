/* split: a large sum with few results is taken in two levels, so that there are enough tiles for every thread and the first level stays in a cache:
 * the statistics of a batch are sums of those of its samples. Only where the results lie side by side in what is read (sums_columns), since the other
 * order has its vectors along the sum already. */
#include "compiler/graph/key.h"
#include "compiler/graph/pairs.h"
#include "compiler/graph/product.h"
#include "compiler/graph/walk.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum { ENOUGH_TILES = 16, SMALLEST_SUM = 1 << 16 };

static int64_t extents(const int64_t *shape, int count) {
    int64_t size = 1;
    for (int i = 0; i < count; i++) size *= shape[i];
    return size;
}

/* How many of the leading reduced indices the first level keeps; 0: the sum is left as it is. */
static int kept_indices(Graph *g, const GNode *node) {
    Product product;
    PairSink sink; /* has tasks enough */
    bool sum = node->reducer == GR_SUM || node->reducer == GR_MAX || node->reducer == GR_MIN;
    if (node->kind != GN_COMPUTE || !sum || node->type != GT_REAL || node->active || node->empty_is_error || !sums_columns(node) || reduces_by_key(node)) return 0;
    if (extents(node->shape, node->rank) * extents(node->red_shape, node->red_rank) < SMALLEST_SUM || product_of(g->arena, node, &product) || pair_sink(g->arena, node, &sink)) return 0;
    int64_t tiles = extents(node->shape, node->rank - 1);
    int kept = 0;
    while (tiles < ENOUGH_TILES && kept < node->red_rank) tiles *= node->red_shape[kept++];
    return kept < node->red_rank && node->rank + kept <= GRAPH_MAX_RANK ? kept : 0;
}

static GNode *split_node(Graph *g, GNode *node) {
    int kept = kept_indices(g, node);
    if (!kept) return node;
    ComputeSpec first, second;
    graph_open(g, node, &first);
    memset(&second, 0, sizeof second);
    second.reducer = first.reducer;
    second.out_rank = first.out_rank;
    second.red_rank = kept;
    second.name = first.name;
    second.span = first.span;
    const GExpr *indices[GRAPH_MAX_RANK];
    for (int i = 0; i < kept; i++) indices[i] = second.red[i] = graph_fresh_index(g, node->red_shape[i]);
    for (int i = 0; i < first.out_rank; i++) indices[kept + i] = second.out[i] = graph_fresh_index(g, node->shape[i]);
    memmove(first.out + kept, first.out, sizeof *first.out * (size_t)first.out_rank);
    memcpy(first.out, first.red, sizeof *first.red * (size_t)kept);
    memmove(first.red, first.red + kept, sizeof *first.red * (size_t)(first.red_rank - kept));
    first.out_rank += kept;
    first.red_rank -= kept;
    second.value = gx_load(g, graph_compute(g, &first), first.out_rank, indices, NULL);
    return graph_compute(g, &second);
}

void pass_split(Graph *g) {
    rewrite_each(g, split_node);
    graph_prune(g);
}
