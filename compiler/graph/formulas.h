/* Writes the formulas of a graph for the runtime (runtime/formula.h), which reads them when a step
 * has met a fault or a value that is not finite. */
#ifndef COUPLET_COMPILER_FORMULAS_H
#define COUPLET_COMPILER_FORMULAS_H

#include "compiler/graph/graph.h"

typedef struct Formulas Formulas;

/* Opens the formulas of a graph. `buffers` gives, by the id of a node, the number of the buffer
 * that holds its result. If `stores_all`, arrays of pairs have buffers like all others. Else the
 * formula of such an array goes with the formulas that read it. */
Formulas *formulas_new(Arena *arena, Graph *g, const int *buffers, bool stores_all);
/* Adds the next step, which computes these results. A result without a formula (packed panels,
 * partial sums) is left out. */
void formulas_step(Formulas *formulas, const GNode *const *results, int count);
/* Returns the bytes of all steps. */
const unsigned char *formulas_finish(Formulas *formulas, int64_t *bytes);

#endif
