/* The direction in which the reads of a node walk memory, and the length of its sums. */
#ifndef COUPLET_COMPILER_WALK_H
#define COUPLET_COMPILER_WALK_H

#include "compiler/graph/graph.h"

/* True if a reduction's results, along the last axis, lie side by side in the arrays that it reads,
 * rather than its terms. A whole row of results is then summed at once, a row of terms at a
 * time. */
bool node_sums_columns(const GNode *node);

/* The number of terms of each result. A guard may leave out some of them. */
int64_t node_reduced_terms(const GNode *node);
/* True for a log-sum-exp, with its largest term or without. */
bool node_sums_exponentials(const GNode *node);
/* True if a result is the sum of so many reals that additions in float, one after the other, would
 * not keep it within 1e-6 of the sum of their magnitudes: more than 64. */
bool node_sums_many(const GNode *node);

#endif
