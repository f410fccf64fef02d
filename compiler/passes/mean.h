/* Means: what a quotient of a sum by the number of its terms, or by the sum of its weights, is the
 * mean of. */
#ifndef COUPLET_COMPILER_PASSES_MEAN_H
#define COUPLET_COMPILER_PASSES_MEAN_H

#include "compiler/passes/logform.h"

/* sum / count, the sum being of weight * entry. */
typedef struct Mean {
    const GExpr *load;      /* the read of the sum */
    const ComputeSpec *sum; /* the node that it reads, opened (logs_opened) */
    /* At the indices of `sum`: */
    const GExpr *count, *weight, *entry; /* weight: NULL: 1 */
} Mean;

/* True if the quotient is a mean. Its place in the graph may be any; a guard of the sum, or a
 * weight, asks for a read of the sum at plain indices. */
bool mean_of(Logs *l, const GExpr *quotient, Mean *found);

/* `e`, which stands where the load does, at the results of the node that is read; NULL: the load is
 * not at indices of its own, or `e` has others. */
const GExpr *mean_at_results(Graph *g, const ComputeSpec *sum, const GExpr *load, const GExpr *e);

/* A mean of products less the product of the means, a - b, as the mean of the products of what is
 * away from the means; NULL: it is none. */
const GExpr *mean_of_products_apart(Logs *l, const GExpr *a, const GExpr *b);

#endif
