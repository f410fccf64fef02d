/* What is provable of the size of an exponent: that it is a similarity of unit vectors over a temperature. */
#ifndef COUPLET_COMPILER_PASSES_BOUND_H
#define COUPLET_COMPILER_PASSES_BOUND_H

#include "compiler/passes/logform.h"

/* |value| <= size, or <= size / over, a scalar of the run such as the hyper tau. */
typedef struct Bound {
    double size;
    const GNode *over;
} Bound;

bool bound_of(Logs *l, const GExpr *e, Bound *out);
/* The bound of every exponent that the value is made of; false when one of them has none. */
bool bound_of_exponents(Logs *l, const GExpr *e, Bound *out);

#endif
