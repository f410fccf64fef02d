/* The processor for which code is made. It is a level of the x86-64 architecture, and not the model
 * that happens to sit in this machine, unless `native` is asked for. A program that was compiled
 * ahead of time for a level, and a program that is compiled here for the same level, are the same
 * code. So they give the same bits on any machine that has the level. */
#ifndef COUPLET_COMPILER_CPU_PROCESSOR_H
#define COUPLET_COMPILER_CPU_PROCESSOR_H

#include "lang/support.h"

#include <llvm-c/TargetMachine.h>

typedef struct Processor {
    const char *name;     /* the name that `couplet build --target` takes: "x86-64-v4" */
    const char *features; /* LLVM's features beyond those that the name implies */
    const char *tune;     /* the model of processor whose timings the code is scheduled for */
    int lanes;            /* floats in a vector register */
} Processor;

/* Returns the highest level that this machine has. On another architecture, returns the machine
 * itself. */
const Processor *processor_here(void);
/* Returns the processor of this name, a level or "native", or NULL. */
const Processor *processor_find(const char *name);
/* Returns the names of all processors, for a sentence. */
const char *processor_names(Arena *arena);

/* Makes LLVM's machine, to be freed with LLVMDisposeTargetMachine. Returns NULL on failure, with a
 * sentence in *error. */
LLVMTargetMachineRef processor_machine(Arena *arena, const Processor *processor,
                                       const char **error);
/* Sets the module's target, and the tuning of every function in it. */
void processor_prepare(const Processor *processor, LLVMTargetMachineRef machine,
                       LLVMModuleRef module);

#endif
