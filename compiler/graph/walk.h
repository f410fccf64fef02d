/* In which direction a node's reads walk memory. */
#ifndef COUPLET_COMPILER_WALK_H
#define COUPLET_COMPILER_WALK_H

#include "compiler/graph/graph.h"

/* Whether a reduction's results, along the last axis, lie side by side in the arrays it reads, rather than its terms: it is then done for a row of
 * results at once, a row of terms at a time. */
bool sums_columns(const GNode *node);

#endif
