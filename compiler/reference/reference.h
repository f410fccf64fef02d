/* The reference evaluator: any graph, in float64, slowly and plainly. Every back end and every pass is tested against it, and it
 * against finite differences. Guards and selects are lazy: what is guarded out is never evaluated. */
#ifndef COUPLET_COMPILER_REFERENCE_H
#define COUPLET_COMPILER_REFERENCE_H

#include "compiler/graph/graph.h"
#include "runtime/formula.h"

/* The elements of an input or a state, row major, ints and truth values as whole numbers; NULL when there is none of that name. The array
 * is the caller's and must outlive the run. */
typedef const double *(*ReferenceSource)(void *context, const GNode *node);

typedef struct Reference Reference;

/* Evaluates every node. NULL when memory runs out. Faults (an empty mean, a read out of range, too few candidates, a missing array) are
 * kept as a sentence: reference_fault. States are not renewed: reference_value of a commit's value is what they become. */
Reference *reference_run(const Graph *g, ReferenceSource source, void *context);
/* The same with every real operation rounded to the 24 digits of float32, with the range of float64. A sum is rounded
 * term by term within parts of 256 terms, and the parts are added in float64. How far this is from reference_run is how
 * far the rounding of a back end may be: the measure of a test's tolerance. */
Reference *reference_run_rounded(const Graph *g, ReferenceSource source, void *context);
/* The same with every result that float32 does not hold rounded by chance, a unit in the last place up or down, otherwise in every `turn`. What cancels exactly when the same
 * operation is rounded the same way in both places does not cancel here, as it does not where one place has a fused multiply-add. */
Reference *reference_run_by_chance(const Graph *g, uint32_t turn, ReferenceSource source, void *context);
/* The run `base` again with one input or state changed. What stands behind a stop keeps its value, and so does what the change does not reach: both are
 * shared with `base`, which must outlive the new run. */
Reference *reference_rerun(const Reference *base, const GNode *changed, const double *values);
const char *reference_fault(const Reference *run, Span *span); /* NULL when there was none */
/* The fault, or else why the first output that is not finite is so, as the runtime says it: by element, with the place and a way out. `name` gets that output's element ("grad_z[3, 7]"; "" for
 * a fault). False when all outputs are finite, or nothing is known. Sets the marks of the graph's nodes. */
bool reference_explain(const Reference *run, CoupletFinding *out, char *name, size_t name_bytes);
const double *reference_value(const Reference *run, const GNode *node);
const double *reference_output(const Reference *run, const char *name);
void reference_free(Reference *run);

#endif
