/* From kernels to optimised modules and objects. The JIT and the compiler ahead of time share
 * this. */
#ifndef COUPLET_COMPILER_CPU_GENERATE_H
#define COUPLET_COMPILER_CPU_GENERATE_H

#include "compiler/cpu/emit.h"

#include <llvm-c/TargetMachine.h>

/* Opens a context with an empty module and a builder. emitter_close frees all three. */
void emitter_open(Emitter *e, Arena *arena);
void emitter_close(Emitter *e);
void emit_kernel(Emitter *e, Kernel *kernel);
/* Verifies the emitted code, then optimises it. Returns false, with a sentence in *error, if LLVM
 * rejects the code or a pass fails. */
bool cpu_optimise_code(Arena *arena, LLVMModuleRef module, LLVMTargetMachineRef machine,
                       const char **error);
/* Makes an object or assembly of an optimised module. Returns NULL on failure, with a sentence in
 * *error. The caller frees the buffer. */
LLVMMemoryBufferRef generate_code(Arena *arena, LLVMModuleRef module, LLVMTargetMachineRef machine,
                                  LLVMCodeGenFileType kind, const char **error);

#endif
