/* From a kernel to optimised LLVM code: the emitter of each kind of kernel, the pipeline of LLVM
 * passes, and the object.
 *
 * The pipeline is short on purpose. Emitted code is straight lines in loops with nothing to inline,
 * and LLVM's standard pipeline takes more than twice as long to compile the same step. The JIT
 * (module.c) and the compiler ahead of time (object.c) both use the short one, so they make the
 * same code. */
#include "compiler/cpu/generate.h"

#include <assert.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>
#include <stdlib.h>

/* Prints the errors of LLVM and drops its remarks. Only those who write the emitter want remarks,
 * for instance on the loops that were not vectorised. */
static void say_errors_only(LLVMDiagnosticInfoRef said, void *context) {
    (void)context;
    if (LLVMGetDiagInfoSeverity(said) != LLVMDSError) return;
    char *text = LLVMGetDiagInfoDescription(said);
    fprintf(stderr, "%s\n", text);
    LLVMDisposeMessage(text);
}

void emitter_open(Emitter *e, Arena *arena) {
    *e = (Emitter){.arena = arena, .context = LLVMContextCreate()};
    LLVMContextSetDiagnosticHandler(e->context, say_errors_only, NULL);
    e->module = LLVMModuleCreateWithNameInContext("kernels", e->context);
    e->builder = LLVMCreateBuilderInContext(e->context);
    e->f32 = LLVMFloatTypeInContext(e->context);
    e->f64 = LLVMDoubleTypeInContext(e->context);
    e->i32 = LLVMInt32TypeInContext(e->context);
    e->i64 = LLVMInt64TypeInContext(e->context);
    e->i8 = LLVMInt8TypeInContext(e->context);
    e->i1 = LLVMInt1TypeInContext(e->context);
    e->ptr = LLVMPointerTypeInContext(e->context, 0);
    e->nothing = LLVMVoidTypeInContext(e->context);
}

void emitter_close(Emitter *e) {
    LLVMDisposeBuilder(e->builder);
    LLVMDisposeModule(e->module);
    LLVMContextDispose(e->context);
}

static void emit_sums_of_products(Emitter *e, Kernel *k) {
    k->as.contraction->dots ? emit_dots(e, k) : emit_product(e, k);
}

/* The emitters by kind of kernel. NULL: plans for the CPU have no such kernel, or the kernel needs
 * no code of its own. */
static void (*const emitters[])(Emitter *e, Kernel *k) = {
    [KERNEL_COMPUTE] = emit_compute,
    [KERNEL_TOPK] = emit_topk,
    [KERNEL_CALL] = NULL,  /* the runtime has its code */
    [KERNEL_ORDER] = NULL, /* on this target sorting is a library call */
    [KERNEL_PACK] = emit_pack,
    [KERNEL_PRODUCT] = emit_sums_of_products,
    [KERNEL_GATHER_PARTIALS] = emit_gather_partials,
    [KERNEL_SWEEP] = emit_sweep,
    [KERNEL_SWEEP_JOIN] = NULL, /* on this target columns are not cut into parts */
    [KERNEL_BUCKET_SORT] = emit_bucket_sort,
    [KERNEL_BUCKET] = emit_bucket,
};
_Static_assert(sizeof emitters / sizeof *emitters == KERNEL_KINDS, "a row for each kind");

void emit_kernel(Emitter *e, Kernel *k) {
    assert(emitters[k->kind]);
    emitters[k->kind](e, k);
}

/* The passes of LLVM's own pipeline for -O3 from which emitted code gains. Short loops vanish, so
 * that the loop around them can become vectors; what does not change in a loop leaves it; loops
 * become vectors. Vectors are not interleaved, because a processor that reorders instructions has
 * the next turn under way anyhow. A cold start of examples/simclr.cpl takes 0.4 of the processor
 * time that it takes with -O3, and no kernel of its step is slower. */
static const char passes[] = "function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-"
                             "fixpoint>,loop-mssa(licm),loop(indvars,loop-unroll-full),"
                             "loop-vectorize<interleave-forced-only>,instcombine<no-verify-"
                             "fixpoint>,simplifycfg,loop-mssa(licm),early-cse)";

bool cpu_optimise_code(Arena *arena, LLVMModuleRef module, LLVMTargetMachineRef machine,
                       const char **error) {
    char *text = NULL;
    if (getenv("COUPLET_DUMP_IR")) {
        LLVMPrintModuleToFile(module, getenv("COUPLET_DUMP_IR"), NULL);
    }
    bool broken = LLVMVerifyModule(module, LLVMReturnStatusAction, &text);
    if (broken)
        *error =
            arena_printf(arena, "a fault of the compiler: LLVM rejects the emitted code: %s", text);
    LLVMDisposeMessage(text);
    if (broken) return false;
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef failed = LLVMRunPasses(module, passes, machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (!failed) return true;
    text = LLVMGetErrorMessage(failed);
    *error = arena_printf(arena, "optimising the kernels failed: %s", text);
    LLVMDisposeErrorMessage(text);
    return false;
}

LLVMMemoryBufferRef generate_code(Arena *arena, LLVMModuleRef module, LLVMTargetMachineRef machine,
                                  LLVMCodeGenFileType kind, const char **error) {
    LLVMMemoryBufferRef object = NULL;
    char *text = NULL;
    if (!LLVMTargetMachineEmitToMemoryBuffer(machine, module, kind, &text, &object)) return object;
    *error = arena_printf(arena, "generating code failed: %s", text);
    LLVMDisposeMessage(text);
    return NULL;
}
