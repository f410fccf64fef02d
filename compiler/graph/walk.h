/* In which direction a node's reads walk memory. */
#ifndef COUPLET_COMPILER_WALK_H
#define COUPLET_COMPILER_WALK_H

#include "compiler/graph/graph.h"

/* Whether a reduction's results, along the last axis, lie side by side in the arrays it reads, rather than its terms: it is then done for a row of
 * results at once, a row of terms at a time. */
bool sums_columns(const GNode *node);

/* Terms of each result; a guard may leave out some. */
int64_t reduced_terms(const GNode *node);
/* A log-sum-exp, with its largest term or without. */
bool sums_exponentials(const GNode *node);
/* Whether a result is summed from so many reals that a float would not keep within 1e-6 of the sum of their magnitudes: more than 16, fifteen roundings of 2^-24 each in whatever order. */
bool sums_many(const GNode *node);

#endif
