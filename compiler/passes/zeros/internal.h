/* The shared parts of the zeros pass.
 *
 *     zeros.c      the pass, and conditions of a sum that only its result's own indices decide
 *     unscatter.c  which sums use up arrays of pairs that hold a few chosen places of each row
 *     gather.c     such a sum, over the chosen places alone */
#ifndef COUPLET_COMPILER_PASSES_ZEROS_INTERNAL_H
#define COUPLET_COMPILER_PASSES_ZEROS_INTERNAL_H

#include "compiler/graph/key.h"
#include "compiler/graph/loads.h"
#include "compiler/passes/passes.h"

/* True if the expression reads one of the indices. */
bool zeros_reads_one_of(Graph *g, const GExpr *expr, const GExpr *const *indices, int count);

/* A scatter: S[own.., x] = sum over r of amount[own.., r] where key(own.., r) == x. x is axis
 * `axis` of S. */
typedef struct Scatter {
    const GNode *node;
    int axis;
    /* Fresh indices: those of S, and r. `key` is written in them. It does not read out[axis], the
     * index that it is compared with. */
    const GExpr *out[GRAPH_MAX_RANK];
    const GExpr *place;
    const GExpr *key;
    GNode *amount; /* the array of amounts; its axes are the own ones in order, then r */
    bool refused;  /* true if some reader wants all of S */
} Scatter;

/* The term coefficient * S[at..] of a linear form. */
typedef struct Term {
    Scatter *scatter;
    const GExpr *at[GRAPH_MAX_RANK];
    const GExpr *coefficient; /* NULL: 1 */
} Term;

enum { MOST_TERMS = 8 };

/* An expression that is linear in scatters: rest + the terms. */
typedef struct Linear {
    const GExpr *rest; /* NULL: 0 */
    Term terms[MOST_TERMS];
    int count;
} Linear;

/* Makes what one term gives to a sum. `sum` has the indices, guard, name and span of that sum. */
GNode *gather_term(Graph *g, const ComputeSpec *sum, const Term *term);

/* unscatter.c: replaces sums over scatters by sums over their places. */
void zeros_use_places(Graph *g);

#endif
