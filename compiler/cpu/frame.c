/* The frame of a kernel. The outer function unpacks the array of buffers and calls a body whose
 * pointers are noalias, which spares the loops their run-time checks for overlap. */
#include "compiler/cpu/emit.h"

#include <assert.h>
#include <llvm-c/DebugInfo.h>
#include <string.h>

LLVMValueRef emit_whole(Frame *f, int64_t value) {
    return LLVMConstInt(f->e->i64, (unsigned long long)value, 1);
}
LLVMValueRef emit_number(Frame *f, double value) {
    return LLVMConstReal(f->e->f32, value);
}

LLVMBasicBlockRef frame_block(Frame *f, const char *name) {
    return LLVMAppendBasicBlockInContext(f->e->context, f->function, name);
}

static void add_attribute(Emitter *e, LLVMValueRef function, unsigned at, const char *name,
                          uint64_t value) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, at, LLVMCreateEnumAttribute(e->context, kind, value));
}

/* Loads pointer number `at` from the pointers that begin at `base`. */
static LLVMValueRef field(Emitter *e, LLVMValueRef base, int64_t at) {
    LLVMValueRef index = LLVMConstInt(e->i64, (unsigned long long)at, 0);
    return LLVMBuildLoad2(e->builder, e->ptr,
                          LLVMBuildInBoundsGEP2(e->builder, e->ptr, base, &index, 1, ""), "");
}

/* Emits the function that the runtime calls (CoupletKernel). It unpacks the buffers and the worker,
 * and calls the body. */
static void emit_entry(Emitter *e, const Kernel *kernel, LLVMTypeRef body_type, LLVMValueRef body) {
    LLVMTypeRef params[4] = {e->ptr, e->i64, e->i64, e->ptr};
    LLVMValueRef entry =
        LLVMAddFunction(e->module, kernel->symbol, LLVMFunctionType(e->nothing, params, 4, 0));
    LLVMPositionBuilderAtEnd(e->builder, LLVMAppendBasicBlockInContext(e->context, entry, "entry"));
    LLVMValueRef args[MAX_KERNEL_OPERANDS + 5];
    LLVMValueRef worker = LLVMGetParam(entry, 3);
    unsigned count = 0;
    args[count++] = LLVMGetParam(entry, 1);
    args[count++] = LLVMGetParam(entry, 2);
    args[count++] = field(e, worker, 0); /* the members scratch and fault of CoupletWorker */
    args[count++] = field(e, worker, 1);
    for (int i = 0; i < kernel->operand_count; i++)
        args[count++] = field(e, LLVMGetParam(entry, 0), i);
    LLVMBuildCall2(e->builder, body_type, body, args, count, "");
    LLVMBuildRetVoid(e->builder);
}

/* Loads the numbers of the table of arguments, ahead of all loops. */
static void load_arguments(Frame *f) {
    const Arguments *a = kernel_arguments(f->kernel);
    LLVMBuilderRef b = f->e->builder;
    for (int i = 0; i < f->node->rank + f->node->red_rank; i++) {
        int loop = a->loop_of[i];
        if (loop < 0) continue;
        f->counts[i] = argument_is_literal(a, loop)
                           ? emit_whole(f, a->extents[loop])
                           : element_load(f, GT_INT, f->bases[0], emit_whole(f, loop));
    }
    if (a->chunk)
        f->chunk = element_load(f, GT_INT, f->bases[0], emit_whole(f, argument_of_chunk(a)));
    for (int i = 0; i < a->constant_count; i++) {
        bool real = a->constants[i]->op == G_CONST && a->constants[i]->type == GT_REAL;
        LLVMTypeRef type = real ? f->e->f32 : f->e->i32;
        LLVMValueRef at = emit_whole(f, argument_of_constant(a, i));
        LLVMValueRef place = LLVMBuildInBoundsGEP2(b, type, f->bases[0], &at, 1, "");
        LLVMValueRef value = LLVMBuildLoad2(b, type, place, "");
        f->constants[i] = real ? value : LLVMBuildZExt(b, value, f->e->i64, "");
    }
}

LLVMValueRef loop_axis_count(Frame *f, const int64_t *extents, int axis) {
    return f->counts[axis] ? f->counts[axis] : emit_whole(f, extents[axis]);
}

LLVMValueRef emit_step_along(Frame *f, LLVMValueRef at, int axis, int64_t extent) {
    if (kernel_arguments(f->kernel) && kernel_arguments(f->kernel)->loop_of[axis] < 0) return at;
    LLVMValueRef count = f->counts[axis] ? f->counts[axis] : emit_whole(f, extent);
    return at ? LLVMBuildNSWAdd(f->e->builder, LLVMBuildNSWMul(f->e->builder, at, count, ""),
                                f->indices[axis], "")
              : f->indices[axis];
}

/* Declares the kernel's body, and its entry, which calls it. */
static void declare_body(Frame *f) {
    Emitter *e = f->e;
    Kernel *kernel = f->kernel;
    LLVMTypeRef params[MAX_KERNEL_OPERANDS + 5] = {e->i64, e->i64, e->ptr, e->ptr};
    unsigned count = 4;
    for (int i = 0; i < kernel->operand_count; i++)
        params[count++] = e->ptr;
    LLVMTypeRef type = LLVMFunctionType(e->nothing, params, count, 0);
    char name[SYMBOL_BYTES + 8];
    snprintf(name, sizeof name, "%s_body", kernel->symbol);
    f->function = LLVMAddFunction(e->module, name, type);
    LLVMSetLinkage(f->function, LLVMInternalLinkage);
    add_attribute(e, f->function, (unsigned)LLVMAttributeFunctionIndex, "noinline", 0);
    add_attribute(e, f->function, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
    for (unsigned i = 2; i < count; i++) {
        add_attribute(e, f->function, i + 1, "noalias", 0);
        if (i >= 4) add_attribute(e, f->function, i + 1, "align", 4);
    }
    emit_entry(e, kernel, type, f->function);
}

void frame_begin(Frame *f, Emitter *e, Kernel *kernel) {
    memset(f, 0, sizeof *f);
    f->e = e;
    f->kernel = kernel;
    f->node = kernel->node;
    e->graph = kernel->graph;
    if (kernel->node) {
        for (int i = 0; i < kernel->node->rank; i++)
            f->extents[i] = kernel->node->shape[i];
        for (int i = 0; i < kernel->node->red_rank; i++)
            f->extents[kernel->node->rank + i] = kernel->node->red_shape[i];
    }
    declare_body(f);
    LLVMPositionBuilderAtEnd(e->builder, frame_block(f, "entry"));
    f->begin = LLVMGetParam(f->function, 0);
    f->end = LLVMGetParam(f->function, 1);
    f->scratch = LLVMGetParam(f->function, 2);
    f->fault = LLVMGetParam(f->function, 3);
    for (int i = 0; i < kernel->operand_count; i++)
        f->bases[i] = LLVMGetParam(f->function, (unsigned)(4 + i));
    for (int i = 0; i < kernel->operand_count; i++)
        /* An operand that the result is written over shares its pointer, because two noalias
         * pointers must not overlap. */
        if (kernel->operands[i] == kernel_over(kernel))
            f->bases[i] = f->bases[kernel->operand_count - kernel->output_count];
    if (kernel_arguments(kernel)) load_arguments(f);
}

LLVMValueRef frame_result(Frame *f) {
    int at = f->kernel->operand_count - 1;
    while (at > 0 && f->kernel->operands[at] != f->node)
        at--;
    return f->bases[at];
}

void frame_end(Frame *f) {
    LLVMBuildRetVoid(f->e->builder);
}

Loop loop_begin_step(Frame *f, LLVMValueRef begin, LLVMValueRef end, int64_t step) {
    LLVMBuilderRef b = f->e->builder;
    Loop loop = {
        .body = frame_block(f, "body"), .exit = frame_block(f, "exit"), .end = end, .step = step};
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, begin, end, ""), loop.body, loop.exit);
    LLVMPositionBuilderAtEnd(b, loop.body);
    loop.index = LLVMBuildPhi(b, f->e->i64, "i");
    LLVMAddIncoming(loop.index, &begin, &before, 1);
    frame_forget(f);
    return loop;
}

Loop loop_begin(Frame *f, LLVMValueRef begin, LLVMValueRef end) {
    return loop_begin_step(f, begin, end, 1);
}

LLVMValueRef loop_end(Frame *f, Loop *loop) {
    assert(LLVMGetBasicBlockTerminator(LLVMGetInsertBlock(f->e->builder)) == NULL);
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef next = LLVMBuildNSWAdd(b, loop->index, emit_whole(f, loop->step), "next");
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMAddIncoming(loop->index, &next, &here, 1);
    LLVMValueRef back = LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, loop->end, ""),
                                        loop->body, loop->exit);
    LLVMPositionBuilderAtEnd(b, loop->exit);
    frame_forget(f);
    return back;
}

/* Returns a wish to LLVM about a loop: its name and, unless `number` is 0, a number. */
static LLVMMetadataRef wish_of(Frame *f, const char *text, int number) {
    LLVMContextRef context = f->e->context;
    LLVMMetadataRef parts[2] = {LLVMMDStringInContext2(context, text, strlen(text))};
    if (number) {
        parts[1] = LLVMValueAsMetadata(LLVMConstInt(f->e->i32, (unsigned)number, 0));
    }
    return LLVMMDNodeInContext2(context, parts, number ? 2 : 1);
}

static void set_wishes(Frame *f, LLVMValueRef branch, const LLVMMetadataRef *wishes, int count) {
    static const char kind[] = "llvm.loop";
    LLVMContextRef context = f->e->context;
    /* The metadata node of a loop has itself as its first operand. */
    LLVMMetadataRef place = LLVMTemporaryMDNode(context, NULL, 0);
    LLVMMetadataRef parts[3] = {place};
    for (int i = 0; i < count; i++)
        parts[1 + i] = wishes[i];
    LLVMMetadataRef node = LLVMMDNodeInContext2(context, parts, (size_t)count + 1);
    LLVMMetadataReplaceAllUsesWith(place, node);
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(context, kind, sizeof kind - 1),
                    LLVMMetadataAsValue(context, node));
}

void loop_keep_rolled(Frame *f, LLVMValueRef branch) {
    set_wishes(f, branch, (LLVMMetadataRef[]){wish_of(f, "llvm.loop.unroll.disable", 0)}, 1);
}

void loop_take_vectors(Frame *f, LLVMValueRef branch, int vectors) {
    set_wishes(f, branch,
               (LLVMMetadataRef[]){wish_of(f, "llvm.loop.unroll.disable", 0),
                                   wish_of(f, "llvm.loop.interleave.count", vectors)},
               2);
}

void loop_take_lanes(Frame *f, LLVMValueRef branch, int lanes) {
    set_wishes(f, branch, (LLVMMetadataRef[]){wish_of(f, "llvm.loop.vectorize.width", lanes)}, 1);
}

LLVMValueRef frame_local(Frame *f, LLVMTypeRef type) {
    LLVMBuilderRef b = f->e->builder;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(f->function);
    LLVMValueRef first = LLVMGetFirstInstruction(entry);
    if (first)
        LLVMPositionBuilderBefore(b, first);
    else
        LLVMPositionBuilderAtEnd(b, entry);
    LLVMValueRef slot = LLVMBuildAlloca(b, type, "");
    LLVMPositionBuilderAtEnd(b, here);
    return slot;
}

LLVMValueRef local_get(Frame *f, LLVMTypeRef type, LLVMValueRef slot) {
    return LLVMBuildLoad2(f->e->builder, type, slot, "");
}
void local_set(Frame *f, LLVMValueRef slot, LLVMValueRef value) {
    LLVMBuildStore(f->e->builder, value, slot);
}

/* Gathers faults. The kind of a fault is a small number, and the largest that was met is kept. A
 * maximum does not keep LLVM from making vectors of the loop, as a store to memory would. */
void frame_gather_faults(Frame *f) {
    f->met = frame_local(f, f->e->i32);
    local_set(f, f->met, LLVMConstInt(f->e->i32, 0, 0));
}

void frame_raise_gathered(Frame *f) {
    if (!f->raises) return;
    LLVMBuilderRef b = f->e->builder;
    LLVMValueRef met = LLVMBuildZExt(b, local_get(f, f->e->i32, f->met), f->e->i64, "");
    LLVMValueRef old = LLVMBuildLoad2(b, f->e->i64, f->fault, "");
    LLVMBuildStore(
        b, LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntNE, met, emit_whole(f, 0), ""), met, old, ""),
        f->fault);
}

void frame_raise(Frame *f, LLVMValueRef condition, CoupletFaultKind kind) {
    assert(LLVMTypeOf(condition) == f->e->i1);
    LLVMBuilderRef b = f->e->builder;
    f->raises = true;
    if (f->met) {
        LLVMTypeRef i32 = f->e->i32;
        LLVMValueRef met = local_get(f, i32, f->met);
        LLVMValueRef new =
            LLVMBuildSelect(b, condition, LLVMConstInt(i32, kind, 0), LLVMConstInt(i32, 0, 0), "");
        local_set(f, f->met,
                  LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntUGT, new, met, ""), new, met, ""));
        return;
    }
    LLVMValueRef old = LLVMBuildLoad2(b, f->e->i64, f->fault, "");
    LLVMBuildStore(b, LLVMBuildSelect(b, condition, emit_whole(f, kind), old, ""), f->fault);
}

LLVMTypeRef element_value_type(Emitter *e, GType type) {
    return type == GT_REAL || type == GT_U8 ? e->f32 : type == GT_INT ? e->i64 : e->i1;
}
LLVMTypeRef element_type(Emitter *e, GType type) {
    return type == GT_REAL ? e->f32 : type == GT_INT ? e->i32 : e->i8;
}

LLVMValueRef element_load(Frame *f, GType type, LLVMValueRef base, LLVMValueRef at) {
    Emitter *e = f->e;
    LLVMTypeRef memory = element_type(e, type);
    LLVMValueRef value = LLVMBuildLoad2(
        e->builder, memory, LLVMBuildInBoundsGEP2(e->builder, memory, base, &at, 1, ""), "");
    if (type == GT_INT) return LLVMBuildSExt(e->builder, value, e->i64, "");
    if (type == GT_BOOL)
        return LLVMBuildICmp(e->builder, LLVMIntNE, value, LLVMConstInt(e->i8, 0, 0), "");
    if (type == GT_U8)
        return LLVMBuildFDiv(e->builder, LLVMBuildUIToFP(e->builder, value, e->f32, ""),
                             emit_number(f, 255), "");
    return value;
}

void element_store(Frame *f, GType type, LLVMValueRef base, LLVMValueRef at, LLVMValueRef value) {
    Emitter *e = f->e;
    LLVMTypeRef memory = element_type(e, type);
    if (type == GT_INT) value = LLVMBuildTrunc(e->builder, value, memory, "");
    if (type == GT_BOOL) value = LLVMBuildZExt(e->builder, value, memory, "");
    LLVMBuildStore(e->builder, value, LLVMBuildInBoundsGEP2(e->builder, memory, base, &at, 1, ""));
}

LLVMValueRef emit_add_in_any_order(Frame *f, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef sum = LLVMBuildFAdd(f->e->builder, a, b, "");
    if (LLVMIsAInstruction(sum))
        LLVMSetFastMathFlags(sum, LLVMFastMathAllowReassoc | LLVMFastMathAllowContract);
    return sum;
}

LLVMValueRef emit_multiply_add(Frame *f, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c) {
    LLVMValueRef args[3] = {a, b, c};
    return math_intrinsic(f, "llvm.fma", args, 3);
}
