/* The reference evaluator: any graph, in float64, slowly and plainly. Every back end and every pass
 * is tested against the evaluator, and the evaluator against finite differences. Guards and selects
 * are lazy: a value that is guarded out is never evaluated. */
#ifndef COUPLET_COMPILER_REFERENCE_H
#define COUPLET_COMPILER_REFERENCE_H

#include "compiler/graph/graph.h"
#include "runtime/formula.h"

/* Gives the elements of an input or a state, row major, with ints and truth values as whole
 * numbers; NULL if no array has that name. The array belongs to the caller and must outlive the
 * run. */
typedef const double *(*ReferenceSource)(void *context, const GNode *node);

typedef struct Reference Reference;

/* Evaluates every node. Returns NULL when memory runs out. A fault (an empty mean, a read out of
 * range, too few candidates, a missing array) is kept as a sentence: reference_fault. States are
 * not renewed; their new values are reference_value of the commits' values. */
Reference *reference_run(const Graph *g, ReferenceSource source, void *context);
/* Evaluates with every real operation rounded to the 24 digits of float32, and the range of
 * float64. A sum is rounded term by term within parts of 256 terms, and the parts are added in
 * float64. The distance to reference_run is how far the rounding of a back end may be off. Tests
 * take their tolerance from it. */
Reference *reference_run_rounded(const Graph *g, ReferenceSource source, void *context);
/* Evaluates with every result that float32 does not hold rounded by chance, a unit in the last
 * place up or down, differently in every `turn`. Two equal operations that cancel when both are
 * rounded alike do not cancel here, as they do not if one of them is a fused multiply-add. */
Reference *reference_run_by_chance(const Graph *g, uint32_t turn, ReferenceSource source,
                                   void *context);
/* Repeats the run `base` with one input or state changed. The value of a stop stays, and so do all
 * values that the change does not reach. These are shared with `base`, which must outlive the new
 * run. */
Reference *reference_rerun(const Reference *base, const GNode *changed, const double *values);
/* Gives the sentence of the fault and its place; NULL without a fault. */
const char *reference_fault(const Reference *run, Span *span);
/* Explains the fault, or else the first output that is not finite, as the runtime does: by element,
 * with the place and a way out. `name` gets the element of that output, "grad_z[3, 7]", or "" for a
 * fault. Returns false if all outputs are finite, or if nothing is found. Takes memory from the
 * graph's arena. */
bool reference_explain(const Reference *run, CoupletFinding *out, char *name, size_t name_bytes);
const double *reference_value(const Reference *run, const GNode *node);
const double *reference_output(const Reference *run, const char *name);
void reference_free(Reference *run);

#endif
