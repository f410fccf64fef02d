/* Inside the CPU back end: what its files share. expression.c emits expressions, kernel.c loops around them, compile.c makes plans. */
#ifndef COUPLET_COMPILER_CPU_EMIT_H
#define COUPLET_COMPILER_CPU_EMIT_H

#include "compiler/graph/graph.h"

#include <llvm-c/Core.h>

enum { MAX_KERNEL_OPERANDS = 62 };

typedef struct Emitter {
    Arena *arena;
    Graph *graph;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef f32, i32, i64, i8, i1, ptr, nothing;
} Emitter;

/* One kernel: what buffers[i] points to, the node it makes last. */
typedef struct Kernel {
    const char *symbol;
    int64_t tiles;
    GNode *operands[MAX_KERNEL_OPERANDS + 1];
    int operand_count;
} Kernel;

/* The values that an expression is evaluated with, in the function being emitted. */
typedef struct EmitScope {
    Emitter *e;
    const GNode *node;
    int64_t extents[2 * GRAPH_MAX_RANK];
    LLVMValueRef indices[2 * GRAPH_MAX_RANK]; /* i64 */
    LLVMValueRef bases[MAX_KERNEL_OPERANDS + 1];
    LLVMValueRef fault;    /* pointer to the fault word */
    int64_t first_fault;   /* number of "index out of range" of this node */
    Kernel *kernel;
} EmitScope;

/* Straight-line code for an expression: reals as float, ints as i64, truth values as i1. Both arms of a select are evaluated, with reads
 * of the arm not taken kept inside their array, so they are safe and never reach the result. */
LLVMValueRef emit_expr(EmitScope *scope, const GExpr *expr);

/* The operands an expression reads, each once, into kernel->operands; false when there are too many, or when it draws random numbers, which this
 * back end does not emit yet. */
bool emit_collect(Emitter *e, Kernel *kernel, const GExpr *expr);

/* Any compute node as loops: tile t is the slice t of the first axis. */
bool kernel_emit(Emitter *e, const GNode *node, const char *symbol, int64_t first_fault, Kernel *kernel);

#endif
