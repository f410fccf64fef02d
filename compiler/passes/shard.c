/* shard: a sum over samples becomes the sums of shards of them, which are then added by a tree, so
 * that several ranks can make it and it is the same on any number of them.
 *
 *     y[o] = sum over n of f(n, o)
 *     ->     p[s, o] = sum over the n of shard s of f(n, o);  y[o] = ((p[0, o] + p[1, o]) + ..
 *
 * Without shards (GraphSettings) the pass leaves a graph as it is. It leaves alone, too, sums of so
 * few terms that it is cheaper to hand the terms to all ranks. Trees that are only read where they
 * are added to each other become one. What the shards are depends on the
 * graph and their number, never on the ranks. */
#include "compiler/graph/key.h"
#include "compiler/graph/loads.h"
#include "compiler/graph/pairs.h"
#include "compiler/graph/product.h"
#include "compiler/graph/sample_shards.h"
#include "compiler/graph/visit.h"
#include "compiler/graph/walk.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

#include <string.h>

enum {
    FEWEST_BYTES = 1 << 12, /* terms of fewer bytes are sent to all ranks */
    LONGEST_LEAF = 4096,    /* the most products that one leaf adds, if the leaves stay small */
    MOST_SHORT = 64,        /* the most leaves that are made to keep each of them so short */
    HEAVY = 1 << 24 /* a sum of so many evaluations is worth its leaves, whatever their size */
};

typedef struct Sharding {
    Graph *g;
    int64_t shards;
    bool all_inputs; /* true if all inputs are rows, as those of a function */
    /* By the id of a node: 1 if it is made row by row, -1 if not, 0 if not known. */
    signed char *rows;
    uint32_t known;
} Sharding;

/* ---- what is made row by row ----------------------------------------------------------------- */

static bool is_made_by_rows(Sharding *s, const GNode *n);

/* True if the node reads an array that is made by rows, at a row that moves with the index. */
static bool reads_rows_along(Sharding *s, const GNode *n, int index) {
    const Loads loads = loads_of(s->g->arena, n);
    for (int i = 0; i < loads.items.count; i++)
        if (is_made_by_rows(s, loads.items.items[i]->tensor) &&
            shard_reads_own(s->g, n, index, loads.items.items[i], s->shards))
            return true;
    return false;
}

static bool find_rows(Sharding *s, const GNode *n) {
    if (!shard_has_rows(n, s->shards)) return false;
    switch (n->kind) {
    case GN_INPUT:
        return s->all_inputs || graph_is_batch(n);
    case GN_COMPUTE:
        return reads_rows_along(s, n, 0);
    case GN_TOPK:
        return n->rank > 1 && is_made_by_rows(s, n->operand);
    case GN_STATE:
    case GN_CONST:
    case GN_CALL:
    case GN_STOP:
        return false;
    }
    return false;
}

/* True if the first axis of the node runs over samples: a field of the batch, or an array each of
 * whose shards reads rows of the same shard. */
static bool is_made_by_rows(Sharding *s, const GNode *n) {
    if (n->id >= s->known) {
        const uint32_t known = 2 * n->id + 64;
        signed char *rows = arena_array(s->g->arena, signed char, known);
        if (s->known) memcpy(rows, s->rows, s->known);
        s->rows = rows;
        s->known = known;
    }
    if (!s->rows[n->id]) {
        /* This may grow the table, so it comes before the assignment. */
        const bool found = find_rows(s, n);
        s->rows[n->id] = found ? 1 : -1;
    }
    return s->rows[n->id] > 0;
}

/* ---- which sums ------------------------------------------------------------------------------ */

/* Returns the first reduced index along which rows are read, or -1. */
static int axis_of_samples(Sharding *s, const GNode *n) {
    for (int i = n->rank; i < n->rank + n->red_rank; i++)
        if (graph_extent(n, i) % s->shards == 0 && reads_rows_along(s, n, i)) return i;
    return -1;
}

/* Returns the bytes of the arrays of rows that the sum reads. */
static int64_t bytes_of_rows(Sharding *s, const GNode *n) {
    const Loads loads = loads_of(s->g->arena, n);
    int64_t bytes = 0;
    for (int i = 0; i < loads.items.count; i++) {
        const GNode *from = loads.items.items[i]->tensor;
        bool counted = !is_made_by_rows(s, from);
        for (int k = 0; k < i; k++)
            counted |= loads.items.items[k]->tensor == from;
        if (!counted) bytes += graph_bytes(from);
    }
    return bytes;
}

/* True if a tree is worth it. A tree sends the result twice. Without one, all terms are sent to all
 * ranks, and each does the whole sum. */
static bool is_worth_cutting(Sharding *s, const GNode *n) {
    if (s->g->settings.cut_always) return true;
    const int64_t bytes = bytes_of_rows(s, n);
    const int64_t work = graph_element_count(n) * node_reduced_terms(n);
    return bytes >= FEWEST_BYTES && (2 * graph_bytes(n) <= bytes || work >= HEAVY);
}

static bool is_plain_sum(const GNode *n) {
    PairSink sink;
    return n->kind == GN_COMPUTE && n->reducer == GR_SUM && n->type == GT_REAL && n->red_rank &&
           !n->streamed && !n->again && !n->empty_is_error && n->rank < GRAPH_MAX_RANK &&
           !node_reduces_by_key(n) && !pair_sink(n, &sink);
}

/* Returns the number of leaves. A leaf of a long sum of products is so short that it is one chain
 * of a register block. */
static int64_t leaves_of(Sharding *s, const GNode *n, int axis) {
    Product product;
    int64_t leaves = s->shards;
    if (!product_of(s->g->arena, n, &product)) return leaves;
    const int64_t terms = node_reduced_terms(n);
    const int64_t bytes = bytes_of_rows(s, n);
    while (terms / leaves > LONGEST_LEAF && 2 * leaves <= MOST_SHORT &&
           graph_extent(n, axis) % (2 * leaves) == 0 && 4 * leaves * graph_bytes(n) <= bytes)
        leaves *= 2;
    return leaves;
}

/* ---- the two levels -------------------------------------------------------------------------- */

/* Makes the array of the leaves, whose first axis numbers them: each sums its own range of the
 * samples. */
static GNode *leaf_node(Graph *g, const GNode *n, int axis, int64_t leaves) {
    ComputeSpec leaf;
    graph_open(g, n, &leaf);
    const GExpr **sample = &leaf.red[axis - n->rank];
    const GExpr *whole = *sample;
    const GExpr *shard = graph_fresh_index(g, leaves);
    const GExpr *inside = graph_fresh_index(g, graph_extent(n, axis) / leaves);
    const GExpr *index =
        gx2(g, G_ADD, gx2(g, G_MUL, shard, gx_int(g, graph_extent(n, axis) / leaves)), inside);
    *sample = inside;
    leaf.value = gx_substitute(g, leaf.value, 1, &whole, &index);
    if (leaf.guard) {
        leaf.guard = gx_substitute(g, leaf.guard, 1, &whole, &index);
    }
    memmove(leaf.out + 1, leaf.out, sizeof *leaf.out * (size_t)leaf.out_rank++);
    leaf.out[0] = shard;
    return graph_compute(g, &leaf);
}

/* Makes a sum over samples a tree of leaves. Returns any other node as it is. */
static GNode *shard_node(void *context, Graph *g, GNode *n) {
    Sharding *s = context;
    if (!is_plain_sum(n) || is_made_by_rows(s, n)) return n;
    const int axis = axis_of_samples(s, n);
    if (axis < 0 || !is_worth_cutting(s, n)) return n;
    const int64_t leaves = leaves_of(s, n, axis);
    const ShardSum tree = {{leaf_node(g, n, axis, leaves)}, 1, (int)leaves};
    ComputeSpec sum;
    graph_open(g, n, &sum);
    sum.reducer = GR_NONE;
    sum.red_rank = 0;
    sum.guard = sum.active = NULL; /* the leaves already have guard and active condition */
    sum.value = shard_tree(g, &tree, sum.out_rank, sum.out);
    return graph_compute(g, &sum);
}

/* ---- sums of sums ---------------------------------------------------------------------------- */

/* Joins two trees that are only read where one is added to the other, as the gradients of a weight
 * by two views are. One tree adds the leaves of both, so that half as much travels. */
typedef struct Joining {
    const GNode *node; /* the node that is being rewritten (rewrite_nodes) */
    Graph *g;
    uint32_t known; /* the ids of nodes when the tables were made */
    int joined;
    ShardSum *sums; /* by the id of a node; a count of 0: the node is no tree */
    /* By the id of a tree: the tree that it is added to, or itself if there is none. */
    GNode **partner;
} Joining;

static bool is_tree(const Joining *j, const GExpr *e) {
    return e->op == G_LOAD && j->sums[e->tensor->id].count > 0;
}

/* True of the sum of an element of one tree and the same element of another. */
static bool adds_trees(const Joining *j, const GExpr *e) {
    if (e->op != G_ADD || !is_tree(j, e->args[0]) || !is_tree(j, e->args[1])) return false;
    const GExpr *a = e->args[0];
    const GExpr *b = e->args[1];
    const ShardSum *x = &j->sums[a->tensor->id];
    const ShardSum *y = &j->sums[b->tensor->id];
    bool same = a->tensor != b->tensor && a->tensor->rank == b->tensor->rank && !a->has_else &&
                !b->has_else && x->leaves == y->leaves &&
                x->count + y->count <= COUPLET_MOST_ADDENDS;
    for (int i = 0; same && i < a->tensor->rank; i++)
        same = a->args[i] == b->args[i] && a->tensor->shape[i] == b->tensor->shape[i];
    return same;
}

/* Notes that a tree is added to another. A tree that is read in another way as well becomes its own
 * partner, and is not joined. */
static void pair_with(const Joining *j, const GNode *tree, GNode *other) {
    GNode **partner = &j->partner[tree->id];
    *partner = !*partner || *partner == other ? other : (GNode *)(uintptr_t)tree;
}

static void note_alone(const Joining *j, const GExpr *e) {
    if (e && is_tree(j, e)) pair_with(j, e->tensor, e->tensor);
}

static VisitStep note_tree_reads(void *context, const GExpr *e) {
    const Joining *j = context;
    if (adds_trees(j, e)) {
        pair_with(j, e->args[0]->tensor, e->args[1]->tensor);
        pair_with(j, e->args[1]->tensor, e->args[0]->tensor);
    } else {
        for (int i = 0; i < e->arg_count; i++)
            note_alone(j, e->args[i]);
    }
    return VISIT_INSIDE;
}

static void note_node(const Joining *j, GNode *n) {
    if (n && j->sums[n->id].count) pair_with(j, n, n);
}

static void note_readers(Joining *j, const GNode *n) {
    const GExpr *const roots[] = {n->value, n->guard, n->active};
    for (int i = 0; n->kind == GN_COMPUTE && i < 3; i++) {
        note_alone(j, roots[i]);
        expr_visit(roots[i], note_tree_reads, j);
    }
    note_node(j, n->operand);
    for (int i = 0; n->kind == GN_CALL && i < n->operand_count; i++)
        note_node(j, n->operands[i]);
}

/* Finds, for each tree, the tree that it is added to. Returns true if two trees are each other's.
 */
static bool find_pairs(Joining *j) {
    Graph *g = j->g;
    const uint32_t ids = graph_node_ids(g);
    bool found = false;
    j->sums = arena_array(g->arena, ShardSum, ids);
    j->partner = arena_array(g->arena, GNode *, ids);
    for (int i = 0; i < g->nodes.count; i++)
        shard_sum(g->nodes.items[i], g->settings.shards, &j->sums[g->nodes.items[i]->id]);
    for (int i = 0; i < g->nodes.count; i++)
        note_readers(j, g->nodes.items[i]);
    for (int i = 0; i < g->outputs.count; i++)
        note_node(j, g->outputs.items[i].node);
    for (int i = 0; i < g->commits.count; i++)
        note_node(j, g->commits.items[i].value);
    for (int i = 0; i < g->nodes.count; i++) {
        const GNode *n = g->nodes.items[i];
        const GNode *other = j->partner[n->id];
        found |= other && other != n && j->partner[other->id] == n;
    }
    return found;
}

static GNode *joined_tree(const Joining *j, const GNode *a, const GNode *b) {
    const ShardSum *second = &j->sums[b->id];
    ShardSum sum = j->sums[a->id];
    ComputeSpec tree;
    for (int i = 0; i < second->count; i++)
        sum.arrays[sum.count++] = second->arrays[i];
    graph_open(j->g, a, &tree);
    tree.value = shard_tree(j->g, &sum, tree.out_rank, tree.out);
    return graph_compute(j->g, &tree);
}

/* Joins trees of the old graph. A tree whose leaves were made anew is joined in the next round. */
static const GExpr *join_pair(void *context, Graph *g, const GExpr *e) {
    Joining *j = context;
    if (e->op != G_ADD || e->args[0]->op != G_LOAD || e->args[1]->op != G_LOAD) return e;
    const GNode *a = e->args[0]->tensor;
    const GNode *b = e->args[1]->tensor;
    if (a->id >= j->known || b->id >= j->known || !adds_trees(j, e) || j->partner[a->id] != b ||
        j->partner[b->id] != a)
        return e;
    j->joined++;
    return gx_load(g, joined_tree(j, a, b), a->rank, e->args[0]->args, NULL);
}

static void join_trees(Graph *g) {
    for (bool found = true; found;) {
        Joining j = {.g = g};
        found = find_pairs(&j);
        j.known = graph_node_ids(g);
        if (found) rewrite_nodes(g, join_pair, &j, false);
        if (found) graph_prune(g);
        found = j.joined > 0;
    }
}

static bool has_batch(const Graph *g) {
    for (int i = 0; i < g->nodes.count; i++)
        if (graph_is_batch(g->nodes.items[i])) return true;
    return false;
}

void pass_shard(Graph *g) {
    Sharding s = {.g = g, .shards = g->settings.shards, .all_inputs = !has_batch(g)};
    if (s.shards < 2) return;
    rewrite_each_in(g, shard_node, &s);
    graph_prune(g);
    join_trees(g);
}
