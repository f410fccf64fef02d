/* Shards: the places where the rows of an array may be cut, the same for any number of ranks.
 *
 * The first axis of an array of E rows has `shards` equal parts, where E is a multiple of them.
 * Shard s is the rows E s / shards to E (s + 1) / shards - 1, a slab of its memory. A node whose
 * rows of shard s read rows of shard s alone can be made by a rank that has no others. */
#ifndef COUPLET_COMPILER_GRAPH_SAMPLE_SHARDS_H
#define COUPLET_COMPILER_GRAPH_SAMPLE_SHARDS_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

enum { MOST_LEAVES = COUPLET_MOST_SHARDS /* of a sum over samples (shard_leaves) */ };

/* True if an array has an axis of rows that can be cut. */
bool shard_has_rows(const GNode *node, int64_t shards);
/* True if the load, in a finished node, reads rows of shard s alone wherever the node's index
 * number `index` is in shard s of its own extent, for each s. */
bool shard_reads_own(Graph *g, const GNode *node, int index, const GExpr *load, int64_t shards);
/* A node that adds the rows of an array by a binary tree, neighbours first: the array, and in
 * *leaves the number of its rows. NULL: it is no such node. */
GNode *shard_leaves(const GNode *node, int64_t shards, int *leaves);
/* The sum of `leaves` rows of an array, a power of two, by that tree, at the given other
 * subscripts. */
const GExpr *shard_tree(Graph *g, GNode *array, int leaves, int count, const GExpr *const *at);

#endif
