/* Formulas of a graph, written for the runtime (runtime/formula.h), which reads them when a step has met a fault or a value that is not finite. `mark` of each node is the number of its buffer. */
#ifndef COUPLET_COMPILER_FORMULAS_H
#define COUPLET_COMPILER_FORMULAS_H

#include "compiler/graph/graph.h"

typedef struct Formulas Formulas;

/* `stores_all`: arrays of pairs have a buffer as all others have; else their formula goes along with those that read them. */
Formulas *formulas_new(Arena *arena, Graph *g, bool stores_all);
/* The next step makes these. Those that have no formula (packed panels, partial sums) are left out. */
void formulas_step(Formulas *formulas, const GNode *const *results, int count);
const unsigned char *formulas_finish(Formulas *formulas, int64_t *bytes);

#endif
