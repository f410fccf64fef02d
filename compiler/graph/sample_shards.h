/* Shards: equal parts of the rows of an array, the same for any number of ranks.
 *
 * The first axis of an array of E rows has `shards` equal parts, where E is a multiple of their
 * number. Shard s has the rows from E s / shards to E (s + 1) / shards - 1, which are a slab of
 * memory. If the rows of shard s of a node read only rows of shard s, a rank can compute them
 * without any other rows. */
#ifndef COUPLET_COMPILER_GRAPH_SAMPLE_SHARDS_H
#define COUPLET_COMPILER_GRAPH_SAMPLE_SHARDS_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

enum { MOST_LEAVES = COUPLET_MOST_SHARDS /* the most leaves of a sum over samples (shard_sum) */ };

/* True if the array has a first axis that can be cut into `shards` shards. */
bool shard_has_rows(const GNode *node, int64_t shards);
/* True if the load reads its own shard: while the node's index number `index` is in shard s of its
 * extent, the load reads rows of shard s alone, for each s. */
bool shard_reads_own(Graph *g, const GNode *node, int index, const GExpr *load, int64_t shards);
/* A sum over shards. A leaf is the sum of one row of each array, in order. A binary tree adds the
 * leaves, neighbours first. The number of leaves is a power of two. */
typedef struct ShardSum {
    GNode *arrays[COUPLET_MOST_ADDENDS];
    int count;
    int leaves;
} ShardSum;
/* Takes a node apart as a sum over shards. Returns false if it is none. */
bool shard_sum(const GNode *node, int64_t shards, ShardSum *out);
/* Returns the sum as an expression. `at` has the subscripts behind the row, `at_count` of them. */
const GExpr *shard_tree(Graph *g, const ShardSum *sum, int at_count, const GExpr *const *at);

#endif
