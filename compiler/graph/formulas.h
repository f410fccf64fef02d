/* Writes the formulas of a graph for the runtime (runtime/formula.h), which reads them when a step
 * has met a fault or a value that is not finite. `mark` of each node is the number of its
 * buffer. */
#ifndef COUPLET_COMPILER_FORMULAS_H
#define COUPLET_COMPILER_FORMULAS_H

#include "compiler/graph/graph.h"

typedef struct Formulas Formulas;

/* If `stores_all`, arrays of pairs have buffers as all others have. Else their formula goes along
 * with the formulas that read them. */
Formulas *formulas_new(Arena *arena, Graph *g, bool stores_all);
/* Adds the next step, which makes these results. A result without a formula (packed panels, partial
 * sums) is left out. */
void formulas_step(Formulas *formulas, const GNode *const *results, int count);
/* The bytes of all steps. */
const unsigned char *formulas_finish(Formulas *formulas, int64_t *bytes);

#endif
