/* Recognises means: a sum divided by the number of its terms, or a weighted sum divided by the sum
 * of its weights. */
#ifndef COUPLET_COMPILER_PASSES_MEAN_H
#define COUPLET_COMPILER_PASSES_MEAN_H

#include "compiler/passes/logform.h"

/* The mean sum / count, where the sum is over weight * entry. */
typedef struct Mean {
    const GExpr *load;      /* the read of the sum */
    const ComputeSpec *sum; /* the node that it reads, opened (logs_opened) */
    /* At the indices of `sum`: */
    const GExpr *count, *weight, *entry; /* a weight of NULL is 1 */
} Mean;

/* True if the quotient is a mean. If its sum has a guard or a weight, the sum must be read at plain
 * indices; otherwise it may be read anywhere. */
bool mean_of(Logs *l, const GExpr *quotient, Mean *found);

/* Returns a - b, a mean of products less the product of the means, as the mean of the products of
 * the distances from the means. NULL: a - b is no such difference. */
const GExpr *mean_of_products_apart(Logs *l, const GExpr *a, const GExpr *b);

#endif
