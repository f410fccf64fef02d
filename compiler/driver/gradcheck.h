/* Gradients against central differences, in float64. The differences are taken of the formula as it
 * is written (before any pass), the gradient is that of the finished graph: so they check the
 * passes too. What stands behind a `stop` is held fixed while an input moves. */
#ifndef COUPLET_DRIVER_GRADCHECK_H
#define COUPLET_DRIVER_GRADCHECK_H

#include "compiler/compile/compile.h"
#include "compiler/reference/reference.h"

/* A graph as it stood after a pass; later passes do not change it. gradient_snapshot_pass is for
 * use as CompileOptions.after, with it as the context. */
typedef struct Snapshot {
    const char *name; /* the name of the graph that is wanted: "train", or the function's name */
    const char *pass; /* "lower": the formula as written */
    Graph graph;
    bool taken;
} Snapshot;
void gradient_snapshot_pass(void *snapshot, const Graph *graph, const char *pass);

typedef struct GradientCheck {
    int64_t entries, tried;
    double largest; /* entry of the gradient, by size */
    /* largest deviation from the differences, relative to the largest entry */
    double off;
    int64_t worst;          /* the entry with the largest deviation */
    double found, expected; /* there: gradient, difference */
} GradientCheck;

/* Checks the gradient of one input or state of `forward`, whose run `base` is. `values` are its
 * elements; `gradient` is checked at no more than `most` entries, spread evenly. Deviations count
 * relative to the largest entry of either, or to 1e-4 of the value if that is more: smaller
 * differences are rounding. */
GradientCheck gradient_check(const Reference *base, const GNode *output, const GNode *input,
                             const double *values, const double *gradient, int64_t most);

#endif
