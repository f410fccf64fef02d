/* Proves bounds on the size of exponents. In a contrastive loss an exponent is mostly a similarity
 * of unit vectors over a temperature, which cannot be large. */
#ifndef COUPLET_COMPILER_PASSES_BOUND_H
#define COUPLET_COMPILER_PASSES_BOUND_H

#include "compiler/passes/logform.h"

/* The bound |value| <= size, or |value| <= size / over if `over` is not NULL. `over` is a scalar of
 * the run, such as the hyper tau. */
typedef struct Bound {
    double size;
    const GNode *over;
} Bound;

/* Finds a bound of a value. Returns false if none is proved. */
bool bound_of(Logs *l, const GExpr *e, Bound *out);
/* Finds a bound for all exponents of which the value is made. Returns false if one of them has
 * none. */
bool bound_of_exponents(Logs *l, const GExpr *e, Bound *out);

#endif
