/* What the files of the zeros pass share.
 *
 *     zeros.c     the pass, and conditions of a sum that only its result's own indices decide
 *     places.c    arrays of pairs that hold a few chosen places of each row: which sums use them up
 *     gather.c    such a sum, over the chosen places alone */
#ifndef COUPLET_COMPILER_PASSES_ZEROS_INTERNAL_H
#define COUPLET_COMPILER_PASSES_ZEROS_INTERNAL_H

#include "compiler/graph/key.h"
#include "compiler/graph/loads.h"
#include "compiler/passes/passes.h"

bool reads_one_of(Graph *g, const GExpr *expr, const GExpr *const *indices, int count);

/* S[own.., x] = sum over r of amount[own.., r]  where key(own.., r) == x, x being axis `axis` of S. */
typedef struct Scatter {
    const GNode *node;
    int axis;
    const GExpr *out[GRAPH_MAX_RANK], *place; /* fresh indices that the key is written in: out[axis] is in none of it */
    const GExpr *key;
    GNode *amount; /* axes: the own ones in order, then r */
    bool refused;  /* something wants it whole */
} Scatter;

/* coefficient * S[at..] */
typedef struct Term {
    Scatter *scatter;
    const GExpr *at[GRAPH_MAX_RANK];
    const GExpr *coefficient; /* NULL: 1 */
} Term;

enum { MOST_TERMS = 8 };

/* rest + the terms */
typedef struct Linear {
    const GExpr *rest; /* NULL: 0 */
    Term terms[MOST_TERMS];
    int count;
} Linear;

/* What one term gives to a sum: `sum` has its indices, guard, name and span. */
GNode *gather_term(Graph *g, const ComputeSpec *sum, const Term *term);

void use_places(Graph *g);

#endif
