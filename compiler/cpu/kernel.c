/* Any compute node as loops. The tile is a slice of the output's first axis, so tiles write disjoint memory and any split over threads
 * gives the same bits; a reduction is added in index order. */
#include "compiler/cpu/emit.h"

#include <math.h>
#include <string.h>

typedef struct Loop {
    LLVMBasicBlockRef body, exit;
    LLVMValueRef index, end;
} Loop;

typedef struct KernelFunction {
    EmitScope scope;
    LLVMValueRef function;
} KernelFunction;

static LLVMValueRef whole(EmitScope *s, int64_t value) { return LLVMConstInt(s->e->i64, (unsigned long long)value, 1); }

static LLVMBasicBlockRef block(KernelFunction *k, const char *name) {
    return LLVMAppendBasicBlockInContext(k->scope.e->context, k->function, name);
}

static Loop loop_begin(KernelFunction *k, LLVMValueRef begin, LLVMValueRef end) {
    EmitScope *s = &k->scope;
    LLVMBuilderRef b = s->e->builder;
    Loop loop = {.body = block(k, "body"), .exit = block(k, "exit"), .end = end};
    LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, begin, end, ""), loop.body, loop.exit);
    LLVMPositionBuilderAtEnd(b, loop.body);
    loop.index = LLVMBuildPhi(b, s->e->i64, "i");
    LLVMAddIncoming(loop.index, &begin, &before, 1);
    return loop;
}

static void loop_end(KernelFunction *k, Loop *loop) {
    LLVMBuilderRef b = k->scope.e->builder;
    LLVMValueRef next = LLVMBuildAdd(b, loop->index, whole(&k->scope, 1), "next");
    LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
    LLVMAddIncoming(loop->index, &next, &here, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, loop->end, ""), loop->body, loop->exit);
    LLVMPositionBuilderAtEnd(b, loop->exit);
}

/* if (condition) { ... }: returns the block to go on in. */
static LLVMBasicBlockRef guard_begin(KernelFunction *k, const GExpr *guard) {
    if (!guard) return NULL;
    LLVMBuilderRef b = k->scope.e->builder;
    LLVMValueRef holds = emit_expr(&k->scope, guard);
    LLVMBasicBlockRef then = block(k, "guarded"), after = block(k, "after");
    LLVMBuildCondBr(b, holds, then, after);
    LLVMPositionBuilderAtEnd(b, then);
    return after;
}

static void guard_end(KernelFunction *k, LLVMBasicBlockRef after) {
    if (!after) return;
    LLVMBuildBr(k->scope.e->builder, after);
    LLVMPositionBuilderAtEnd(k->scope.e->builder, after);
}

static LLVMTypeRef value_type(Emitter *e, GType type) { return type == GT_REAL ? e->f32 : type == GT_INT ? e->i64 : e->i1; }

/* A local that lives in the entry block, where LLVM turns it into a register. */
static LLVMValueRef local(KernelFunction *k, LLVMTypeRef type) {
    Emitter *e = k->scope.e;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder), entry = LLVMGetEntryBasicBlock(k->function);
    LLVMPositionBuilderBefore(e->builder, LLVMGetFirstInstruction(entry));
    LLVMValueRef slot = LLVMBuildAlloca(e->builder, type, "");
    LLVMPositionBuilderAtEnd(e->builder, here);
    return slot;
}

static LLVMValueRef get(KernelFunction *k, LLVMTypeRef type, LLVMValueRef slot) { return LLVMBuildLoad2(k->scope.e->builder, type, slot, ""); }
static void set(KernelFunction *k, LLVMValueRef slot, LLVMValueRef value) { LLVMBuildStore(k->scope.e->builder, value, slot); }

/* Runs `term` for each point of the reduced space where the guard holds. */
typedef struct Reduction {
    LLVMTypeRef type;
    LLVMValueRef best, count, position, winner; /* locals */
    int sweep;                                  /* LSE: 0 the maximum, 1 the sum of the shifted */
} Reduction;

static void fold_term(KernelFunction *k, const GNode *n, Reduction *r) {
    EmitScope *s = &k->scope;
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef v = emit_expr(s, n->value);
    bool real = n->value->type == GT_REAL;
    if (n->reducer == GR_SUM && n->value->type == GT_BOOL) v = LLVMBuildZExt(b, v, s->e->i64, "");
    LLVMValueRef old = get(k, r->type, r->best), first = LLVMBuildICmp(b, LLVMIntEQ, get(k, s->e->i64, r->count), whole(s, 0), "");
    switch (n->reducer) {
    case GR_SUM:
        set(k, r->best, real ? LLVMBuildFAdd(b, old, v, "") : LLVMBuildAdd(b, old, v, ""));
        break;
    case GR_ANY: set(k, r->best, LLVMBuildOr(b, old, v, "")); break;
    case GR_ALL: set(k, r->best, LLVMBuildAnd(b, old, v, "")); break;
    case GR_LSE:
        if (r->sweep == 1) {
            LLVMValueRef shift = get(k, s->e->f32, r->winner);
            LLVMValueRef shifted = LLVMBuildFSub(b, v, shift, "");
            LLVMTypeRef type = LLVMFunctionType(s->e->f32, &s->e->f32, 1, 0);
            LLVMValueRef function = LLVMGetNamedFunction(s->e->module, "expf");
            if (!function) function = LLVMAddFunction(s->e->module, "expf", type);
            LLVMValueRef power = LLVMBuildCall2(b, type, function, &shifted, 1, "");
            /* -inf - -inf is no number: such a term weighs nothing. */
            LLVMValueRef nothing = LLVMBuildFCmp(b, LLVMRealOEQ, v, LLVMConstReal(s->e->f32, -INFINITY), "");
            set(k, r->best, LLVMBuildFAdd(b, old, LLVMBuildSelect(b, nothing, LLVMConstReal(s->e->f32, 0), power, ""), ""));
            break;
        }
        __attribute__((fallthrough)); /* the first sweep is a maximum */
    default: {
        bool smallest = n->reducer == GR_MIN || n->reducer == GR_ARGMIN;
        LLVMValueRef better;
        if (real) {
            better = LLVMBuildFCmp(b, smallest ? LLVMRealOLT : LLVMRealOGT, v, old, "");
            LLVMValueRef new_nan = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealUNO, v, v, ""), LLVMBuildFCmp(b, LLVMRealORD, old, old, ""), "");
            better = LLVMBuildOr(b, better, new_nan, "");
        } else {
            better = LLVMBuildICmp(b, smallest ? LLVMIntSLT : LLVMIntSGT, v, old, "");
        }
        better = LLVMBuildOr(b, better, first, "");
        set(k, r->best, LLVMBuildSelect(b, better, v, old, ""));
        if (n->reducer != GR_LSE) set(k, r->winner, LLVMBuildSelect(b, better, get(k, s->e->i64, r->position), get(k, s->e->i64, r->winner), ""));
        break;
    }
    }
    set(k, r->count, LLVMBuildAdd(b, get(k, s->e->i64, r->count), whole(s, 1), ""));
}

static void sweep(KernelFunction *k, const GNode *n, Reduction *r) {
    EmitScope *s = &k->scope;
    LLVMBuilderRef b = s->e->builder;
    Loop loops[GRAPH_MAX_RANK];
    set(k, r->count, whole(s, 0));
    set(k, r->position, whole(s, 0));
    for (int i = 0; i < n->red_rank; i++) {
        loops[i] = loop_begin(k, whole(s, 0), whole(s, n->red_shape[i]));
        s->indices[n->rank + i] = loops[i].index;
    }
    LLVMBasicBlockRef after = guard_begin(k, n->guard);
    fold_term(k, n, r);
    guard_end(k, after);
    set(k, r->position, LLVMBuildAdd(b, get(k, s->e->i64, r->position), whole(s, 1), ""));
    for (int i = n->red_rank - 1; i >= 0; i--) loop_end(k, &loops[i]);
}

static LLVMValueRef neutral(KernelFunction *k, const GNode *n, LLVMTypeRef type) {
    Emitter *e = k->scope.e;
    if (type == e->f32) {
        double value = n->reducer == GR_MAX || n->reducer == GR_ARGMAX || n->reducer == GR_LSE ? -INFINITY : n->reducer == GR_MIN || n->reducer == GR_ARGMIN ? INFINITY : 0;
        return LLVMConstReal(type, value);
    }
    return LLVMConstInt(type, n->reducer == GR_ALL, 0);
}

static LLVMValueRef reduce(KernelFunction *k, const GNode *n) {
    EmitScope *s = &k->scope;
    LLVMBuilderRef b = s->e->builder;
    Reduction r;
    memset(&r, 0, sizeof r);
    r.type = n->reducer == GR_SUM && n->value->type == GT_BOOL ? s->e->i64 : value_type(s->e, n->value->type);
    r.best = local(k, r.type);
    r.count = local(k, s->e->i64);
    r.position = local(k, s->e->i64);
    r.winner = local(k, n->reducer == GR_LSE ? s->e->f32 : s->e->i64);
    set(k, r.best, neutral(k, n, r.type));
    if (n->reducer != GR_LSE) set(k, r.winner, whole(s, 0));
    sweep(k, n, &r);
    if (n->reducer == GR_LSE) {
        /* A row that is all -inf, or empty, shifts by 0 and stays -inf. */
        LLVMValueRef top = get(k, s->e->f32, r.best);
        LLVMValueRef none = LLVMBuildFCmp(b, LLVMRealOEQ, top, LLVMConstReal(s->e->f32, -INFINITY), "");
        set(k, r.winner, LLVMBuildSelect(b, none, LLVMConstReal(s->e->f32, 0), top, ""));
        set(k, r.best, LLVMConstReal(s->e->f32, 0));
        r.sweep = 1;
        sweep(k, n, &r);
    }
    if (n->empty_is_error) {
        LLVMValueRef empty = LLVMBuildICmp(b, LLVMIntEQ, get(k, s->e->i64, r.count), whole(s, 0), "");
        LLVMValueRef old = LLVMBuildLoad2(b, s->e->i64, s->fault, "");
        LLVMBuildStore(b, LLVMBuildSelect(b, empty, whole(s, s->first_fault + 2), old, ""), s->fault);
    }
    if (n->reducer == GR_ARGMAX || n->reducer == GR_ARGMIN) return get(k, s->e->i64, r.winner);
    LLVMValueRef result = get(k, r.type, r.best);
    if (n->reducer != GR_LSE) return result;
    LLVMTypeRef type = LLVMFunctionType(s->e->f32, &s->e->f32, 1, 0);
    LLVMValueRef function = LLVMGetNamedFunction(s->e->module, "logf");
    if (!function) function = LLVMAddFunction(s->e->module, "logf", type);
    return LLVMBuildFAdd(b, get(k, s->e->f32, r.winner), LLVMBuildCall2(b, type, function, &result, 1, ""), "");
}

static void store(KernelFunction *k, const GNode *n, LLVMValueRef base, LLVMValueRef value) {
    EmitScope *s = &k->scope;
    LLVMBuilderRef b = s->e->builder;
    LLVMValueRef at = whole(s, 0);
    for (int i = 0; i < n->rank; i++) at = LLVMBuildAdd(b, LLVMBuildMul(b, at, whole(s, n->shape[i]), ""), s->indices[i], "");
    LLVMTypeRef type = n->type == GT_REAL ? s->e->f32 : n->type == GT_INT ? s->e->i32 : s->e->i8;
    if (n->type == GT_INT) value = LLVMBuildTrunc(b, value, type, "");
    if (n->type == GT_BOOL) value = LLVMBuildZExt(b, value, type, "");
    LLVMBuildStore(b, value, LLVMBuildInBoundsGEP2(b, type, base, &at, 1, ""));
}

static LLVMValueRef zero_of(KernelFunction *k, const GNode *n) {
    LLVMTypeRef type = value_type(k->scope.e, n->type);
    return type == k->scope.e->f32 ? LLVMConstReal(type, 0) : LLVMConstInt(type, 0, 0);
}

static void begin_function(KernelFunction *k, Kernel *kernel) {
    Emitter *e = k->scope.e;
    LLVMTypeRef params[4] = {e->ptr, e->i64, e->i64, e->ptr};
    k->function = LLVMAddFunction(e->module, kernel->symbol, LLVMFunctionType(e->nothing, params, 4, 0));
    LLVMPositionBuilderAtEnd(e->builder, block(k, "entry"));
    for (int i = 0; i < kernel->operand_count; i++) {
        LLVMValueRef at = LLVMConstInt(e->i64, (unsigned long long)i, 0);
        k->scope.bases[i] = LLVMBuildLoad2(e->builder, e->ptr, LLVMBuildInBoundsGEP2(e->builder, e->ptr, LLVMGetParam(k->function, 0), &at, 1, ""), "");
    }
    /* CoupletWorker: scratch, then fault. */
    LLVMValueRef second = LLVMConstInt(e->i64, 1, 0);
    k->scope.fault = LLVMBuildLoad2(e->builder, e->ptr, LLVMBuildInBoundsGEP2(e->builder, e->ptr, LLVMGetParam(k->function, 3), &second, 1, ""), "");
}

bool kernel_emit(Emitter *e, const GNode *node, const char *symbol, int64_t first_fault, Kernel *kernel) {
    memset(kernel, 0, sizeof *kernel);
    kernel->symbol = symbol;
    kernel->tiles = node->rank ? node->shape[0] : 1;
    if (!emit_collect(e, kernel, node->value) || !emit_collect(e, kernel, node->guard) || !emit_collect(e, kernel, node->active)) return false;
    kernel->operands[kernel->operand_count++] = (GNode *)node;
    KernelFunction k;
    memset(&k, 0, sizeof k);
    k.scope.e = e;
    k.scope.node = node;
    k.scope.kernel = kernel;
    k.scope.first_fault = first_fault;
    for (int i = 0; i < node->rank; i++) k.scope.extents[i] = node->shape[i];
    for (int i = 0; i < node->red_rank; i++) k.scope.extents[node->rank + i] = node->red_shape[i];
    begin_function(&k, kernel);
    Loop loops[GRAPH_MAX_RANK + 1];
    int depth = 0;
    loops[depth++] = loop_begin(&k, LLVMGetParam(k.function, 1), LLVMGetParam(k.function, 2));
    k.scope.indices[0] = loops[0].index;
    for (int i = 1; i < node->rank; i++) {
        loops[depth++] = loop_begin(&k, whole(&k.scope, 0), whole(&k.scope, node->shape[i]));
        k.scope.indices[i] = loops[depth - 1].index;
    }
    LLVMValueRef slot = local(&k, value_type(e, node->type));
    set(&k, slot, zero_of(&k, node));
    LLVMBasicBlockRef after = guard_begin(&k, node->active);
    set(&k, slot, node->reducer == GR_NONE ? emit_expr(&k.scope, node->value) : reduce(&k, node));
    guard_end(&k, after);
    store(&k, node, k.scope.bases[kernel->operand_count - 1], get(&k, value_type(e, node->type), slot));
    while (depth > 0) loop_end(&k, &loops[--depth]);
    LLVMBuildRetVoid(e->builder);
    return true;
}
