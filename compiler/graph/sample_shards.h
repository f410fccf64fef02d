/* Shards: the places where the rows of an array may be cut, the same for any number of ranks.
 *
 * The first axis of an array of E rows has `shards` equal parts, where E is a multiple of them.
 * Shard s is the rows E s / shards to E (s + 1) / shards - 1, a slab of its memory. A node whose
 * rows of shard s read rows of shard s alone can be made by a rank that has no others. */
#ifndef COUPLET_COMPILER_GRAPH_SAMPLE_SHARDS_H
#define COUPLET_COMPILER_GRAPH_SAMPLE_SHARDS_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

enum { MOST_LEAVES = COUPLET_MOST_SHARDS /* of a sum over samples (shard_sum) */ };

/* True if an array has an axis of rows that can be cut. */
bool shard_has_rows(const GNode *node, int64_t shards);
/* True if the load, in a finished node, reads rows of shard s alone wherever the node's index
 * number `index` is in shard s of its own extent, for each s. */
bool shard_reads_own(Graph *g, const GNode *node, int index, const GExpr *load, int64_t shards);
/* A sum over shards: a leaf is the sum of one row of each array, in order, and the leaves are added
 * by a binary tree, neighbours first. Their number is a power of two. */
typedef struct ShardSum {
    GNode *arrays[COUPLET_MOST_ADDENDS];
    int count, leaves;
} ShardSum;
/* False: the node is no such sum. */
bool shard_sum(const GNode *node, int64_t shards, ShardSum *out);
/* The sum, at the other subscripts `at`, of which there are `at_count`. */
const GExpr *shard_tree(Graph *g, const ShardSum *sum, int at_count, const GExpr *const *at);

#endif
