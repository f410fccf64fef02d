/* split: a large sum with few results is taken in two levels, so that there are enough tiles for every thread and the first level stays in a cache:
 * the statistics of a batch are sums of those of its samples (Note [About the mean of a part]). Only where the results lie side by side in what is read (sums_columns), since the other
 * order has its vectors along the sum already. */
#include "compiler/graph/key.h"
#include "compiler/graph/pairs.h"
#include "compiler/graph/product.h"
#include "compiler/graph/visit.h"
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
    if (extents(node->shape, node->rank) * extents(node->red_shape, node->red_rank) <
            SMALLEST_SUM ||
        product_of(g->arena, node, &product) || pair_sink(node, &sink))
        return 0;
    int64_t tiles = extents(node->shape, node->rank - 1);
    int kept = 0;
    while (tiles < ENOUGH_TILES && kept < node->red_rank) tiles *= node->red_shape[kept++];
    return kept < node->red_rank && node->rank + kept <= GRAPH_MAX_RANK ? kept : 0;
}

/* ---- sums of squares about a mean ---------------------------------------------------------------------------------------- */

/* Note [About the mean of a part]
 * sum of (x - m)^2 over a part of K terms is sum of (x - p)^2 + (p - m) (2 sum of (x - p) + K (p - m)), whatever p is. The right side needs p alone for its pass
 * over memory, not m, which waits for all parts. With p the part's own mean (Chan, Golub and LeVeque, 1979) a part is summed, and summed about its mean while it is
 * still in the cache (compiler/plan/together.h), and the variance of a batch takes one pass over memory instead of two. All terms are distances from a mean, so
 * nothing cancels that two passes would keep; sum of (x - p) is what p has lost by rounding, without which values at 1e4 with a deviation of 1 would lose two
 * digits. */

/* (x - centre)^2, the centre the same for all terms. */
static bool is_square_about(const ComputeSpec *sum, const GExpr **x, const GExpr **centre) {
    const GExpr *square = sum->value, *away = square->args[0];
    if (sum->reducer != GR_SUM || sum->guard || square->op != G_MUL || away != square->args[1] || away->op != G_SUB) return false;
    *x = away->args[0];
    *centre = away->args[1];
    return expr_holds_any(*x, sum->red_rank, sum->red) &&
           !expr_holds_any(*centre, sum->red_rank, sum->red);
}

enum { MOST_STEPS = 4 /* from a mean to the sum of a part: the quotient, the sum of the parts */ };

typedef struct Maker {
    const GNode *part;
    int steps;
} Maker;

static bool is_made_of(const GExpr *e, const GNode *part, int steps);

static bool reads_maker(const void *context, const GExpr *e) {
    const Maker *m = context;
    if (e->op != G_LOAD) return false;
    if (e->tensor == m->part) return true;
    return m->steps > 0 && e->tensor->kind == GN_COMPUTE &&
           is_made_of(e->tensor->value, m->part, m->steps - 1);
}

static bool is_made_of(const GExpr *e, const GNode *part, int steps) {
    Maker maker = {part, steps};
    return expr_any(e, reads_maker, &maker);
}

/* In place of the squares about the centre of all, those about the mean of each part; *rest is what is then missing at the second level, at the indices that
 * `at` has for the first level's results. False: the centre is no mean of these terms. */
static bool centre_on_parts(Graph *g, ComputeSpec *first, const GExpr *const *at, const GExpr **rest) {
    const GExpr *x, *centre;
    if (g->settings.apart || g->settings.no_fuse || !is_square_about(first, &x, &centre)) return false;
    ComputeSpec sum = *first;
    sum.value = x;
    GNode *part = graph_compute(g, &sum);
    if (!is_made_of(centre, part, MOST_STEPS)) return false;
    double terms = 1;
    for (int i = 0; i < first->red_rank; i++) terms *= (double)graph_index_extent(g, first->red[i]);
    ComputeSpec quotient = sum; /* a node, so that all see the same digits of it */
    quotient.reducer = GR_NONE;
    quotient.red_rank = 0;
    quotient.value = gx2(g, G_MUL, gx_load(g, part, first->out_rank, first->out, NULL), gx_real(g, 1 / terms));
    const GExpr *mean = gx_load(g, graph_compute(g, &quotient), first->out_rank, first->out, NULL), *away = gx2(g, G_SUB, x, mean);
    sum.value = away;
    const GExpr *lost = gx_load(g, graph_compute(g, &sum), first->out_rank, first->out, NULL), *apart = gx2(g, G_SUB, mean, centre);
    const GExpr *missing = gx2(g, G_MUL, apart, gx2(g, G_ADD, gx2(g, G_ADD, lost, lost), gx2(g, G_MUL, gx_real(g, terms), apart)));
    *rest = gx_substitute(g, missing, first->out_rank, first->out, at);
    first->value = gx2(g, G_MUL, away, away);
    return true;
}

/* ---- two levels ------------------------------------------------------------------------------------------------------------ */

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
    const GExpr *rest = NULL;
    bool centred = centre_on_parts(g, &first, indices, &rest);
    second.value = gx_load(g, graph_compute(g, &first), first.out_rank, indices, NULL);
    if (centred) second.value = gx2(g, G_ADD, second.value, rest);
    return graph_compute(g, &second);
}

void pass_split(Graph *g) {
    rewrite_each(g, split_node);
    graph_prune(g);
}
