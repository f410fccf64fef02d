/* The budget of memory that a spec states (`train { memory 512MiB }`), or that --memory states in
 * its place. It bounds the arena of a step as the plan lays it out: activations, gradients and the
 * arrays that the loss stores. Parameters, data and scratch are not counted.
 *
 * Within the budget the fastest plan is taken. Near it, arrays are streamed, rematerialised, or
 * made in microbatches. The plan depends on the stated budget and never on the memory of the
 * machine. */
#ifndef COUPLET_COMPILER_COMPILE_BUDGET_H
#define COUPLET_COMPILER_COMPILE_BUDGET_H

#include "compiler/compile/compile.h"

/* The settings of the stage `after` that were tried, and the figures of the plans they gave. */
typedef struct Attempt {
    GraphSettings settings;
    int64_t peak;   /* the bytes of the largest arena; -1: a pass failed */
    double cost;    /* the milliseconds of all steps, by a model of costs */
    int64_t stored; /* the bytes of stored products of pairs that could be streamed */
    /* The bytes alive at the end of a step with any settings: the new values of states. */
    int64_t fixed;
    GMix mix; /* the array that keeps the batch from being cut into microbatches */
} Attempt;

/* The choice of budget_fit. */
typedef struct Fit {
    GraphSettings settings;
    Attempt best;
    int64_t budget; /* bytes; 0: none is stated */
    Span place;     /* the place in the spec that states it; without a source: --memory does */
    int64_t batch;
    bool is_function;
    bool may_stream;
} Fit;

/* Finds settings with which the steps of a program, or a function, fit the budget. Each attempt
 * starts from copies of the graphs, and the graphs stay as they are. Without a budget the settings
 * of `options` hold. `program` is NULL for a function. */
Fit budget_fit(GraphUnit *const *units, int unit_count, const LoweredProgram *program,
               const CompileOptions *options);
/* True if an attempt fitted. Else reports an error to `diag` and returns false. */
bool budget_holds(const Fit *fit, Diag *diag);

#endif
