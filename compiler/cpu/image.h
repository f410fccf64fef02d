/* A program as constant data of an LLVM module: the structures of runtime/abi.h, with their
 * pointers as relocations. */
#ifndef COUPLET_COMPILER_CPU_IMAGE_H
#define COUPLET_COMPILER_CPU_IMAGE_H

#include "compiler/cpu/emit.h"

/* Makes the program a hidden constant named `symbol`. Its steps point to the kernels in the same
 * module. A step whose kernel the module does not have points to couplet_call of the runtime. */
LLVMValueRef image_of_program(Emitter *e, const CoupletProgram *program, const char *symbol);
/* Make private constants, of a string and of plain bytes. */
LLVMValueRef image_text(Emitter *e, const char *text);
LLVMValueRef image_bytes(Emitter *e, const void *data, size_t size);

#endif
