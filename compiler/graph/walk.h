/* The direction in which the reads of a node walk memory, and the length of its sums. */
#ifndef COUPLET_COMPILER_WALK_H
#define COUPLET_COMPILER_WALK_H

#include "compiler/graph/graph.h"

/* True if, in the arrays that a reduction reads, its results along the last axis lie side by side,
 * rather than its terms. A whole row of results is then summed at once, a row of terms at a
 * time. */
bool node_sums_columns(const GNode *node);

/* Returns the number of terms of each result. A guard may leave out some of them. */
int64_t node_reduced_terms(const GNode *node);
/* True for a log-sum-exp, with its largest term subtracted or not. */
bool node_sums_exponentials(const GNode *node);
/* True if a result is a sum of more than 64 reals. Plain additions in float would then not keep the
 * error within 1e-6 of the sum of their magnitudes. */
bool node_sums_many(const GNode *node);

#endif
