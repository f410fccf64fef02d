/* What code is made for. A processor is a level of the x86-64 architecture, not the model that happens to sit in this machine: a program compiled
 * ahead of time for a level and one compiled here at the same level are the same code, and so give the same bits, on any machine that has it. */
#ifndef COUPLET_COMPILER_CPU_PROCESSOR_H
#define COUPLET_COMPILER_CPU_PROCESSOR_H

#include "lang/support.h"

#include <llvm-c/TargetMachine.h>

typedef struct Processor {
    const char *name;     /* as `couplet build --target` takes it: "x86-64-v4" */
    const char *features; /* LLVM's, beyond those of the name */
    const char *tune;     /* the model whose timings the code is scheduled by */
    int lanes;            /* floats in a vector register */
} Processor;

/* The highest level that this machine has; on a machine of another architecture, the machine itself. */
const Processor *processor_here(void);
/* By name: one of the levels, or "native". NULL when there is none. */
const Processor *processor_find(const char *name);
/* The names, in one sentence's worth of text. */
const char *processor_names(Arena *arena);

/* NULL, with a sentence in *error. Dispose with LLVMDisposeTargetMachine. */
LLVMTargetMachineRef processor_machine(Arena *arena, const Processor *processor, const char **error);
/* Sets the module's target, and the tuning of every function in it. */
void processor_prepare(const Processor *processor, LLVMTargetMachineRef machine, LLVMModuleRef module);

#endif
