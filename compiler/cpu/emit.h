/* Inside the CPU back end: what the files of compiler/cpu share. kernel.c emits loops for any compute node, contract.c
 * register-blocked kernels for sums of products, bucket.c data-dependent scatters; plan.c puts them in order. */
#ifndef COUPLET_COMPILER_CPU_EMIT_H
#define COUPLET_COMPILER_CPU_EMIT_H

#include "compiler/graph/graph.h"
#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

typedef struct Emitter {
    Arena *arena;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMTypeRef f32, i32, i64, i8, i1, ptr, nothing;
    int vector_lanes; /* f32 lanes of the widest vector: 16 with AVX-512, 8 with AVX2, 4 */
} Emitter;

/* One kernel of a node: `void symbol(ptr buffers, i64 begin, i64 end, ptr worker)` with tiles in [0, tiles).
 * operands[i] is what buffers[i] points to; the outputs come last. A temp is an arena array private to the node's kernels. */
typedef struct KernelOperand {
    GNode *node;         /* an operand or the node itself; NULL for a temp */
    int temp;            /* number of the temp */
} KernelOperand;
typedef struct Kernel {
    LLVMValueRef function; /* made by emit_begin_kernel */
    const char *runtime;   /* instead of a function: the name of a runtime call of the same signature */
    int64_t tiles, scratch_bytes;
    double flops, bytes;
    KernelOperand operands[64];
    int operand_count, output_count;
} Kernel;
typedef struct KernelList {
    Kernel *items;
    int count;
    int64_t temp_bytes[16];
    int temp_count;
    const char *faults[8]; /* sentences; fault i of this list is reported as the first fault number of the node + i */
    int fault_count;
} KernelList;

/* The values an expression is evaluated with. */
typedef struct EmitScope {
    Emitter *emitter;
    const GNode *node;
    LLVMValueRef indices[GRAPH_MAX_INDICES]; /* i64, by number of the node's index */
    LLVMValueRef (*base)(struct EmitScope *scope, GNode *tensor); /* base pointer of an operand */
    LLVMValueRef run_seed, run_step; /* for G_RANDOM: base pointers of "seed" and "step" */
    LLVMValueRef fault;  /* pointer to the fault word, or NULL where no fault can arise */
    int first_fault;
    void *context;
} EmitScope;

/* kernel.c / scalar.c. Emits straight-line code for an expression at the scope's indices: reals as f32, ints as i64 or i32 widened to i64,
 * truth values as i1. Selects are evaluated without branches; loads in an arm not taken are clamped into range, so they are safe. */
LLVMValueRef emit_expr(EmitScope *scope, const GExpr *expr);
/* Loop helpers: for (i = begin; i < end; i += step) { ... }; emit_loop_end closes the loop opened last. */
typedef struct EmitLoop {
    LLVMBasicBlockRef header, body, exit;
    LLVMValueRef index;
} EmitLoop;
EmitLoop emit_loop_begin(Emitter *e, LLVMValueRef begin, LLVMValueRef end, LLVMValueRef step, const char *name);
void emit_loop_end(Emitter *e, EmitLoop *loop);
/* Declares the kernel function, positions the builder in it, and returns it; parameters: buffers, begin, end, worker. Pointers loaded
 * from `buffers` are marked noalias through scoped metadata or by passing them on to an inner function with noalias parameters. */
LLVMValueRef emit_begin_kernel(Emitter *e, const char *symbol);

/* contract.c. Recognises reducer SUM of a product of factors whose loads can be split into two operands A(m.., k..) and B(n.., k..)
 * (matrix products, similarity matrices, convolutions and both their gradients, any affine loads with else 0 or guards), large enough to be worth it. */
typedef struct Contraction Contraction;
Contraction *contract_match(Arena *arena, const GNode *node);
/* Emits it: packs both operands through their own index expressions into worker scratch, runs the micro-kernel, stores through the
 * output's layout. Deterministic: a split of the reduced range has a fixed number of parts, added in order by a second kernel. */
void contract_emit(Emitter *e, const Contraction *contraction, const char *symbol, KernelList *out);

/* kernel.c: any compute node, as plain vectorisable loops. */
void kernel_emit(Emitter *e, const GNode *node, const char *symbol, KernelList *out);
/* bucket.c: SUM (or count) whose guard has conjuncts `key(r) == output index`: stable counting sort, then each target adds its members in order. */
bool bucket_match(const GNode *node);
void bucket_emit(Emitter *e, const GNode *node, const char *symbol, KernelList *out);

#endif
