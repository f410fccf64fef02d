/* A program as constant data of an LLVM module: the structures of runtime/abi.h, with their pointers as relocations. */
#ifndef COUPLET_COMPILER_CPU_IMAGE_H
#define COUPLET_COMPILER_CPU_IMAGE_H

#include "compiler/cpu/emit.h"

/* A constant named `symbol`, hidden, that a linker joins to the kernels in the same module; those not in it are taken from the runtime. */
LLVMValueRef image_of_program(Emitter *e, const CoupletProgram *program, const char *symbol);
/* A string, and plain bytes, as private constants. */
LLVMValueRef image_text(Emitter *e, const char *text);
LLVMValueRef image_bytes(Emitter *e, const void *data, size_t size);

#endif
