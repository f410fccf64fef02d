/* The road from a checked method, or from a checked function, to the graphs that back ends take.
 * The function compile_graphs in compile.c is its table of contents. */
#ifndef COUPLET_COMPILER_COMPILE_H
#define COUPLET_COMPILER_COMPILE_H

#include "compiler/compile/stage.h"
#include "compiler/lower/lower.h"
#include "compiler/plan/kernel.h"

typedef struct CompileOptions {
    /* Called with each graph after lowering (as the pass "lower") and after each pass. May be
     * NULL. */
    PassWatch after;
    void *context;
    /* The list to which the figures of each pass over each graph are added. May be NULL. */
    PassLog *log;
    GraphSettings settings;
    /* The device that plans are for. NULL: none is known, so no budget holds. */
    const PlanTarget *target;
    /* For a function: true if its value may be an array. There is no gradient of an array. */
    bool may_give_array;
    /* True if the graphs are wanted as the text means them: no pass for a device runs, and no
     * budget holds. */
    bool only_meaning;
    /* True if steps have the output "gradient norm". */
    bool gradient_norm;
    /* The bytes that a step may take (budget.h), above what the spec says. 0: the spec decides. */
    int64_t memory;
} CompileOptions;

/* Compiles a method. Returns NULL after errors, which are in `diag`. A step that does not fit its
 * budget of memory is such an error. */
LoweredProgram *compile_method(Arena *arena, Diag *diag, const Method *method, MethodWanted wanted,
                               const CompileOptions *options);

/* Compiles one function on arrays of given shapes, together with its gradients. The outputs are
 * "value", and "grad_NAME" for every real input whose gradient is wanted. Returns NULL after
 * errors. */
Graph *compile_function(Arena *arena, Diag *diag, const Method *method, const char *fn,
                        const FunctionInput *inputs, int input_count,
                        const CompileOptions *options);

#endif
