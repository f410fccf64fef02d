/* A program as constant data of an LLVM module: the structures of runtime/abi.h, with their
 * pointers as relocations. */
#ifndef COUPLET_COMPILER_CPU_IMAGE_H
#define COUPLET_COMPILER_CPU_IMAGE_H

#include "compiler/cpu/emit.h"

/* Makes a hidden constant named `symbol`, which points to the kernels in the same module. A kernel
 * that the module does not have is taken from the runtime. */
LLVMValueRef image_of_program(Emitter *e, const CoupletProgram *program, const char *symbol);
/* Make private constants of a string, and of plain bytes. */
LLVMValueRef image_text(Emitter *e, const char *text);
LLVMValueRef image_bytes(Emitter *e, const void *data, size_t size);

#endif
