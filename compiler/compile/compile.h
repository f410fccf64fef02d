/* The road from a checked method, or a function, to the graphs that back ends take: compile.c reads
 * as its table of contents. */
#ifndef COUPLET_COMPILER_COMPILE_H
#define COUPLET_COMPILER_COMPILE_H

#include "compiler/compile/stage.h"
#include "compiler/lower/lower.h"
#include "compiler/plan/kernel.h"

typedef struct CompileOptions {
    /* called with each graph when it is lowered ("lower") and after each pass; NULL: nobody watches
     */
    PassWatch after;
    void *context;
    PassLog *log; /* figures of each pass over each graph are added; NULL: nobody asks */
    GraphSettings settings;
    /* the device that plans are for; NULL: none is known, and no budget holds */
    const PlanTarget *target;
    /* for a function: its value may be an array, where no gradient is wanted */
    bool may_give_array;
    /* graphs stay as the text means them: no pass that serves a device runs, and no budget holds */
    bool only_meaning;
    /* steps have the output "gradient norm" */
    bool gradient_norm;
    /* bytes that a step may take (budget.h), in place of what the spec says; 0: as that says */
    int64_t memory;
} CompileOptions;

/* Compiles a method. Returns NULL after errors, which are in diag. A step that needs more memory
 * than it may take is such an error. */
LoweredProgram *compile_method(Arena *arena, Diag *diag, const Method *method, MethodWanted wanted,
                               const CompileOptions *options);

/* Compiles one function on given arrays, with the gradient of its value: outputs "value", and
 * "grad_NAME" for every real input whose gradient is wanted. NULL after errors. */
Graph *compile_function(Arena *arena, Diag *diag, const Method *method, const char *fn,
                        const FunctionInput *inputs, int input_count,
                        const CompileOptions *options);

#endif
