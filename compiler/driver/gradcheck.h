/* Gradients compared with central differences, in float64. The differences are taken of the formula
 * as it is written, before any pass. The gradient is that of the finished graph, so the passes are
 * checked too. A value behind a `stop` is held fixed while an input moves. */
#ifndef COUPLET_DRIVER_GRADCHECK_H
#define COUPLET_DRIVER_GRADCHECK_H

#include "compiler/compile/compile.h"
#include "compiler/reference/reference.h"

/* A graph as it stood after one pass, unchanged by later passes. gradient_snapshot_pass serves as
 * CompileOptions.after, with a Snapshot as its context. */
typedef struct Snapshot {
    const char *name; /* the name of the wanted graph: "train", or the function's name */
    const char *pass; /* the pass; "lower" gives the formula as written */
    Graph graph;
    bool taken;
} Snapshot;
void gradient_snapshot_pass(void *snapshot, const Graph *graph, const char *pass);

typedef struct GradientCheck {
    int64_t entries;
    int64_t tried;
    double largest; /* the entry of the gradient that is largest in size */
    /* the largest deviation from the differences, relative to the largest entry */
    double off;
    int64_t worst;          /* the number of the entry with the largest deviation */
    double found, expected; /* the gradient and the difference at that entry */
} GradientCheck;

/* Checks the gradient of one input or state of `forward`, whose run is `base`. `values` are its
 * elements. At most `most` entries of `gradient` are checked, spread evenly. Deviations are
 * relative to the largest entry of either, or to 1e-4 of the value if that is more, since smaller
 * differences are rounding. */
GradientCheck gradient_check(const Reference *base, const GNode *output, const GNode *input,
                             const double *values, const double *gradient, int64_t most);

#endif
