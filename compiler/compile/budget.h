/* A stated budget of memory: `train { memory 512MiB }`, or --memory, which goes before it. It
 * bounds the arena of a step as its plan lays it out: activations, gradients, what the loss stores.
 * Parameters, data and scratch are not in it. What is faster is done as long as there is room; the
 * nearer the bound, the more is made again instead of kept. The plan depends on the budget, never
 * on the machine's memory. */
#ifndef COUPLET_COMPILER_COMPILE_BUDGET_H
#define COUPLET_COMPILER_COMPILE_BUDGET_H

#include "compiler/compile/compile.h"

/* A way to do the passes of the stage `after`, and what comes of it. */
typedef struct Attempt {
    GraphSettings settings;
    int64_t peak;   /* bytes of the largest arena; -1: a pass failed */
    double cost;    /* milliseconds of its steps, by a model */
    int64_t stored; /* bytes of products of pairs that could be streamed */
    int64_t fixed;  /* bytes alive at the end, however the step is done: new values of states */
    GMix mix;       /* the obstacle that keeps a batch from going in parts */
} Attempt;

/* The choice of budget_fit. */
typedef struct Fit {
    GraphSettings settings;
    Attempt best;
    int64_t budget; /* bytes; 0: none is stated */
    Span place;     /* the place that states it; no source: the command line */
    int64_t batch;
    bool is_function, may_stream;
} Fit;

/* Finds settings with which the steps of a program, or a function, fit the budget. Each attempt
 * starts from copies of the graphs, and the graphs stay as they are. Without a budget the settings
 * of `options` hold. `program` is NULL for a function. */
Fit budget_fit(GraphUnit *const *units, int unit_count, const LoweredProgram *program,
               const CompileOptions *options);
/* False after an error in diag: no attempt fitted. */
bool budget_holds(const Fit *fit, Diag *diag);

#endif
