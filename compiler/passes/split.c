/* split: a large sum with few results is taken in two levels, so that there are enough tiles for
 * every thread and the first level stays in a cache: the statistics of a batch are sums of those of
 * its samples (Note [About the mean of a part]). The first level keeps the leading reduced axes, as
 * long as they make few enough parts, and blocks of the next one. What the parts are depends on the
 * sum alone, never on the machine. */
#include "compiler/graph/key.h"
#include "compiler/graph/pairs.h"
#include "compiler/graph/product.h"
#include "compiler/graph/reducer.h"
#include "compiler/graph/visit.h"
#include "compiler/graph/walk.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "compiler/passes/shift.h"

#include <string.h>

enum {
    ENOUGH_TILES = 16,
    SMALLEST_SUM = 1 << 16, /* the fewest evaluations of the term */
    BLOCK_TERMS = 1 << 14,  /* the terms that are worth a tile */
    MOST_BLOCKS = 1024,     /* the most blocks of one result */
    /* The parts of axes that are kept whole. These are mostly samples, which a microbatch asks for
     * one by one (chunk). */
    MOST_KEPT = 8192,
    FEWEST_TERMS = 256, /* the fewest terms of one part */
    /* The fewest terms of a sum of columns for which a second level pays, since columns make tiles
     * too. */
    FEWEST_ROWS = 1 << 12,
    ROWS_OF_A_BLOCK =
        /* The fewest rows of a block in a sum of columns. Blocks of 4 rows made an array of parts
         * of 16 MiB. */
    64
};

static int64_t extents(const int64_t *shape, int count) {
    int64_t size = 1;
    for (int i = 0; i < count; i++)
        size *= shape[i];
    return size;
}

/* The cut of the reduced space. The first `kept` axes are indices of the parts, and the next axis
 * goes in blocks of `length`. The rest behind the last whole block is one more part. */
typedef struct Cut {
    int kept;
    int64_t length; /* 0: the axis is not cut */
} Cut;

static bool is_split(Graph *g, const GNode *node) {
    Product product;
    PairSink sink; /* a sink already has enough tasks */
    if (node->kind != GN_COMPUTE || node->red_rank == 0 || node_reduces_by_key(node)) return false;
    if (!graph_reducers[node->reducer].in_parts) return false;
    if (extents(node->shape, node->rank) * node_reduced_terms(node) < SMALLEST_SUM) return false;
    return !product_of(g->arena, node, &product) && !pair_sink(node, &sink);
}

/* Returns the length near `wanted` that divides the axis, or `wanted`. */
static int64_t block_length(int64_t axis, int64_t wanted) {
    for (int64_t more = 0; more <= wanted / 2; more++) {
        if (axis % (wanted + more) == 0) return wanted + more;
        if (axis % (wanted - more) == 0) return wanted - more;
    }
    return wanted;
}

/* Returns the length of the blocks into which the axis behind the kept ones is cut. 0: the axis
 * stays whole. The kept axes make `tiles` already. */
static int64_t cut_axis(const GNode *node, int kept, int64_t tiles, bool columns) {
    int64_t axis = node->red_shape[kept];
    int64_t terms = extents(node->red_shape + kept, node->red_rank - kept);
    if (columns && terms < FEWEST_ROWS) return 0;
    int64_t width = columns ? node->shape[node->rank - 1] : 1;
    int64_t blocks = terms * width / BLOCK_TERMS;
    int64_t most = MOST_BLOCKS / tiles;
    int64_t fewest = ENOUGH_TILES / tiles;
    if (columns && blocks > terms / ROWS_OF_A_BLOCK) blocks = terms / ROWS_OF_A_BLOCK;
    if (blocks > most) blocks = most;
    if (blocks < fewest) blocks = fewest;
    if (blocks > axis / 2) blocks = axis / 2;
    return blocks > 1 ? block_length(axis, axis / blocks) : 0;
}

/* Chooses the cut. Returns false if the sum is left as it is. */
static bool choose_cut(Graph *g, const GNode *node, Cut *cut) {
    *cut = (Cut){0};
    if (!is_split(g, node)) return false;
    bool columns = node_sums_columns(node);
    int64_t tiles = extents(node->shape, columns ? node->rank - 1 : node->rank);
    int64_t rest = node_reduced_terms(node);
    if (tiles >= ENOUGH_TILES) return false;
    while (tiles < ENOUGH_TILES && cut->kept < node->red_rank - 1) {
        int64_t axis = node->red_shape[cut->kept];
        if (tiles * axis > MOST_KEPT || rest / axis < (columns ? 1 : FEWEST_TERMS)) break;
        tiles *= axis;
        rest /= axis;
        cut->kept++;
    }
    if (tiles < ENOUGH_TILES) {
        cut->length = cut_axis(node, cut->kept, tiles, columns);
    }
    return (cut->kept || cut->length) &&
           node->rank + cut->kept + (cut->length > 0) <= GRAPH_MAX_RANK;
}

/* ---- sums of squares about a mean ------------------------------------------------------------ */

/* Note [About the mean of a part]
 * sum of (x - m)^2 over a part of K terms is sum of (x - p)^2 + (p - m) (2 sum of (x - p) + K (p -
 * m)), whatever p is. The right side needs p alone for its pass over memory, not m, which waits for
 * all parts. With p the part's own mean (Chan, Golub and LeVeque, 1979) a part is summed, and
 * summed about its mean while it is still in the cache (compiler/plan/together.h), and the variance
 * of a batch takes one pass over memory instead of two. All terms are distances from a mean, so
 * nothing cancels that two passes would keep; sum of (x - p) is what p has lost by rounding,
 * without which values at 1e4 with a deviation of 1 would lose two digits. */

/* True of a sum of (x - centre)^2 with the same centre for all terms. */
static bool is_square_about(const ComputeSpec *sum, const GExpr **x, const GExpr **centre) {
    const GExpr *square = sum->value;
    const GExpr *away = square->args[0];
    if (sum->reducer != GR_SUM || sum->guard || square->op != G_MUL || away != square->args[1] ||
        away->op != G_SUB)
        return false;
    *x = away->args[0];
    *centre = away->args[1];
    return expr_holds_any(*x, sum->red_rank, sum->red) &&
           !expr_holds_any(*centre, sum->red_rank, sum->red);
}

/* The most reads on the way from a mean to the sum of a part: the quotient, then the sum of the
 * parts. */
enum { MOST_STEPS = 4 };

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

/* Replaces the squares about the common centre by those about the mean of each part. *rest is what
 * is then missing at the second level, at the indices `at` of the first level's results. Returns
 * false if the centre is no mean of these terms. */
static bool centre_on_parts(Graph *g, ComputeSpec *first, const GExpr *const *at,
                            const GExpr **rest) {
    const GExpr *x;
    const GExpr *centre;
    if (g->settings.apart || g->settings.no_fuse || !is_square_about(first, &x, &centre))
        return false;
    ComputeSpec sum = *first;
    sum.value = x;
    GNode *part = graph_compute(g, &sum);
    if (!is_made_of(centre, part, MOST_STEPS)) return false;
    double terms = 1;
    for (int i = 0; i < first->red_rank; i++)
        terms *= (double)graph_index_extent(g, first->red[i]);
    /* The quotient is a node, so that all its readers see the same digits. */
    ComputeSpec quotient = sum;
    quotient.reducer = GR_NONE;
    quotient.red_rank = 0;
    quotient.value =
        gx2(g, G_MUL, gx_load(g, part, first->out_rank, first->out, NULL), gx_real(g, 1 / terms));
    const GExpr *mean = gx_load(g, graph_compute(g, &quotient), first->out_rank, first->out, NULL);
    const GExpr *away = gx2(g, G_SUB, x, mean);
    sum.value = away;
    const GExpr *lost = gx_load(g, graph_compute(g, &sum), first->out_rank, first->out, NULL);
    const GExpr *apart = gx2(g, G_SUB, mean, centre);
    const GExpr *missing =
        gx2(g, G_MUL, apart,
            gx2(g, G_ADD, gx2(g, G_ADD, lost, lost), gx2(g, G_MUL, gx_real(g, terms), apart)));
    *rest = gx_substitute(g, missing, first->out_rank, first->out, at);
    first->value = gx2(g, G_MUL, away, away);
    return true;
}

/* ---- two levels ------------------------------------------------------------------------------ */

/* Parts of a sum: `blocks` parts of `length` terms along the cut axis, the first of which begins at
 * `begin`. 0 blocks: a single part, without an index. */
typedef struct Region {
    int64_t begin;
    int64_t blocks;
    int64_t length;
} Region;

/* Makes the first level of a region. The indices of its results are the kept ones, then that of the
 * block, then the node's own. */
static void open_region(Graph *g, const GNode *node, const Cut *cut, const Region *r,
                        ComputeSpec *out) {
    ComputeSpec whole;
    graph_open(g, node, &whole);
    *out = whole;
    out->empty_is_error = false;
    out->out_rank = 0;
    out->red_rank = 0;
    for (int i = 0; i < cut->kept; i++)
        out->out[out->out_rank++] = whole.red[i];
    if (cut->length) {
        const GExpr *term = graph_fresh_index(g, r->length);
        const GExpr *index = gx2(g, G_ADD, gx_int(g, r->begin), term);
        const GExpr *axis = whole.red[cut->kept];
        if (r->blocks) {
            const GExpr *block = out->out[out->out_rank++] = graph_fresh_index(g, r->blocks);
            index = gx2(g, G_ADD, gx2(g, G_MUL, block, gx_int(g, r->length)), index);
        }
        out->value = gx_substitute(g, whole.value, 1, &axis, &index);
        out->guard = whole.guard ? gx_substitute(g, whole.guard, 1, &axis, &index) : NULL;
        out->red[out->red_rank++] = term;
    }
    for (int i = 0; i < whole.out_rank; i++)
        out->out[out->out_rank++] = whole.out[i];
    for (int i = cut->kept + (cut->length > 0); i < whole.red_rank; i++)
        out->red[out->red_rank++] = whole.red[i];
}

/* Returns the term that a region gives to the second level at these indices. If a shorter part
 * follows the region (`otherwise`), squares stay about the common centre. */
static const GExpr *region_term(Graph *g, ComputeSpec *first, const GExpr *const *at,
                                const GExpr *otherwise) {
    const GExpr *rest = NULL;
    bool centred = !otherwise && centre_on_parts(g, first, at, &rest);
    const GExpr *part = gx_load(g, graph_compute(g, first), first->out_rank, at, otherwise);
    return centred ? gx2(g, G_ADD, part, rest) : part;
}

/* Returns the condition that a part has a term. */
static const GExpr *holds_in_part(Graph *g, const ComputeSpec *first, const GExpr *const *at,
                                  const GExpr *otherwise) {
    ComputeSpec any = *first;
    any.reducer = GR_ANY;
    any.value = gx_bool(g, true);
    return gx_load(g, graph_compute(g, &any), any.out_rank, at, otherwise);
}

/* The indices of the second level, as the first level's results have them: with that of the blocks,
 * and without. */
typedef struct Indices {
    const GExpr *with[GRAPH_MAX_RANK];
    const GExpr *without[GRAPH_MAX_RANK];
    const GExpr *block;
} Indices;

/* Opens the second level, which reduces over the kept axes and over `parts` blocks; 0: there are
 * none. */
static void open_second(Graph *g, const GNode *node, const Cut *cut, int64_t parts,
                        ComputeSpec *second, Indices *at) {
    int with = 0;
    int without = 0;
    graph_open(g, node, second);
    second->red_rank = 0;
    second->guard = NULL;
    for (int i = 0; i < cut->kept; i++)
        at->with[with++] = at->without[without++] = second->red[second->red_rank++] =
            graph_fresh_index(g, node->red_shape[i]);
    if (parts)
        at->block = at->with[with++] = second->red[second->red_rank++] =
            graph_fresh_index(g, parts);
    for (int i = 0; i < second->out_rank; i++)
        at->with[with++] = at->without[without++] = second->out[i];
}

/* ---- a log-sum-exp without its largest term -------------------------------------------------- */

/* Returns a read of the parts' results under another reducer. */
static const GExpr *parts_of(Graph *g, ComputeSpec first, ComputeSpec last, const Indices *at,
                             bool has_left, GReducer reducer) {
    first.reducer = last.reducer = reducer;
    const GExpr *left = NULL;
    if (has_left) {
        left = gx_load(g, graph_compute(g, &last), last.out_rank, at->without, NULL);
    }
    return gx_load(g, graph_compute(g, &first), first.out_rank, at->with, left);
}

/* Takes a log-sum-exp without its largest term in two levels: the second one needs the largest term
 * of each part as well (shift.h). */
static GNode *split_rest(Graph *g, ComputeSpec *second, const ComputeSpec *first,
                         const ComputeSpec *last, const Indices *at, bool has_left) {
    const GExpr *largest = parts_of(g, *first, *last, at, has_left, GR_MAX);
    const GExpr *rest = parts_of(g, *first, *last, at, has_left, GR_LSE_REST);
    return shift_rest_of_parts(g, second, largest, rest);
}

/* Takes a sum in two levels, or returns the node as it is. */
static GNode *split_node(Graph *g, GNode *node) {
    Cut cut;
    if (!choose_cut(g, node, &cut)) return node;
    ComputeSpec second;
    ComputeSpec first;
    ComputeSpec last;
    Indices at;
    Region blocks = {0};
    Region left = {0};
    if (cut.length) {
        int64_t axis = node->red_shape[cut.kept];
        blocks = (Region){0, axis / cut.length, cut.length};
        left = (Region){blocks.blocks * cut.length, 0, axis % cut.length};
    }
    open_second(g, node, &cut, blocks.blocks + (left.length > 0), &second, &at);
    open_region(g, node, &cut, &blocks, &first);
    if (left.length) open_region(g, node, &cut, &left, &last);
    if (node->empty_is_error && node->guard) {
        const GExpr *holds = left.length ? holds_in_part(g, &last, at.without, NULL) : NULL;
        second.guard = holds_in_part(g, &first, at.with, holds);
    }
    if (node->reducer == GR_LSE_REST)
        return split_rest(g, &second, &first, &last, &at, left.length > 0);
    const GExpr *otherwise =
        left.length ? gx_load(g, graph_compute(g, &last), last.out_rank, at.without, NULL) : NULL;
    second.value = region_term(g, &first, at.with, otherwise);
    return graph_compute(g, &second);
}

void pass_split(Graph *g) {
    rewrite_each(g, split_node);
    graph_prune(g);
}
