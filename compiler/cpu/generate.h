/* From kernels to code: what the JIT and the compilation ahead of time share. */
#ifndef COUPLET_COMPILER_CPU_GENERATE_H
#define COUPLET_COMPILER_CPU_GENERATE_H

#include "compiler/cpu/emit.h"

#include <llvm-c/TargetMachine.h>

/* A context, an empty module and a builder; closed in one call. */
void emitter_open(Emitter *e, Arena *arena);
void emitter_close(Emitter *e);
void emit_kernel(Emitter *e, Kernel *kernel);
/* Verifies; false, with a sentence, when the emitted code is wrong. Then optimises. */
bool optimise_code(Arena *arena, LLVMModuleRef module, LLVMTargetMachineRef machine, const char **error);
/* An object or assembly of an optimised module; NULL, with a sentence. */
LLVMMemoryBufferRef generate_code(Arena *arena, LLVMModuleRef module, LLVMTargetMachineRef machine, LLVMCodeGenFileType kind, const char **error);

#endif
