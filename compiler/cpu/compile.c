#include "compiler/cpu/cpu.h"

#include "compiler/cpu/emit.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

struct CpuCode {
    LLVMOrcLLJITRef jit;
};

enum { FAULTS_PER_NODE = 2, ALIGNMENT = 128 };

typedef struct Compile {
    Arena *arena;
    Graph *g;
    Emitter e;
    const char **error;
    ARRAY(Kernel) kernels;
    ARRAY(GNode *) kernel_nodes;
} Compile;

static bool fail_llvm(Compile *c, LLVMErrorRef error, const char *doing) {
    char *text = LLVMGetErrorMessage(error);
    *c->error = arena_printf(c->arena, "%s failed: %s", doing, text);
    LLVMDisposeErrorMessage(text);
    return false;
}

static const char *place_of(Arena *arena, const GNode *node) {
    return node->span.source ? arena_printf(arena, "%s:%d", node->span.source->path, node->span.line) : "?";
}

/* ---- code ------------------------------------------------------------------------------------------------ */

static LLVMTargetMachineRef host_machine(Compile *c) {
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    char *triple = LLVMGetDefaultTargetTriple(), *cpu = LLVMGetHostCPUName(), *features = LLVMGetHostCPUFeatures(), *text = NULL;
    LLVMTargetRef target;
    LLVMTargetMachineRef machine = NULL;
    if (LLVMGetTargetFromTriple(triple, &target, &text)) {
        *c->error = arena_printf(c->arena, "LLVM has no target for this machine: %s", text);
        LLVMDisposeMessage(text);
    } else {
        machine = LLVMCreateTargetMachine(target, triple, cpu, features, LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
        LLVMSetTarget(c->e.module, triple);
        LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
        LLVMSetModuleDataLayout(c->e.module, layout);
        LLVMDisposeTargetData(layout);
    }
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
    return machine;
}

static bool emit_kernels(Compile *c) {
    for (int i = 0; i < c->g->nodes.count; i++) {
        GNode *node = c->g->nodes.items[i];
        if (node->kind != GN_COMPUTE && node->kind != GN_TOPK) continue;
        Kernel kernel;
        const char *symbol = arena_printf(c->arena, "kernel_%u", node->id);
        bool made = node->kind == GN_COMPUTE && kernel_emit(&c->e, node, symbol, (int64_t)FAULTS_PER_NODE * c->kernels.count, &kernel);
        if (!made) {
            *c->error = arena_printf(c->arena, "%s: the CPU back end does not emit this yet (top-k, or a random draw)", place_of(c->arena, node));
            return false;
        }
        array_push(c->arena, &c->kernels, kernel);
        array_push(c->arena, &c->kernel_nodes, node);
    }
    char *text = NULL;
    if (LLVMVerifyModule(c->e.module, LLVMReturnStatusAction, &text)) {
        *c->error = arena_printf(c->arena, "a fault of the compiler: LLVM rejects the emitted code: %s", text);
        LLVMDisposeMessage(text);
        return false;
    }
    LLVMDisposeMessage(text);
    return true;
}

static bool optimise(Compile *c, LLVMTargetMachineRef machine) {
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(c->e.module, "default<O3>", machine, options);
    LLVMDisposePassBuilderOptions(options);
    return error ? fail_llvm(c, error, "optimising the kernels") : true;
}

/* Takes the module and its context over, success or not. */
static LLVMOrcLLJITRef link_code(Compile *c, LLVMOrcThreadSafeContextRef context, LLVMTargetMachineRef machine) {
    LLVMOrcLLJITRef jit = NULL;
    LLVMOrcThreadSafeModuleRef module = LLVMOrcCreateNewThreadSafeModule(c->e.module, context);
    LLVMOrcDisposeThreadSafeContext(context);
    LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
    LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder, LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(machine));
    LLVMErrorRef error = LLVMOrcCreateLLJIT(&jit, builder);
    if (error) {
        LLVMOrcDisposeThreadSafeModule(module);
        fail_llvm(c, error, "starting the JIT");
        return NULL;
    }
    LLVMOrcDefinitionGeneratorRef process = NULL;
    error = LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, LLVMOrcLLJITGetGlobalPrefix(jit), NULL, NULL);
    if (!error) LLVMOrcJITDylibAddGenerator(LLVMOrcLLJITGetMainJITDylib(jit), process);
    if (!error) error = LLVMOrcLLJITAddLLVMIRModule(jit, LLVMOrcLLJITGetMainJITDylib(jit), module);
    if (!error) return jit;
    fail_llvm(c, error, "linking the kernels");
    LLVMErrorRef dropped = LLVMOrcDisposeLLJIT(jit);
    if (dropped) LLVMConsumeError(dropped);
    return NULL;
}

/* ---- plan ------------------------------------------------------------------------------------------------ */

static CoupletType type_of(GType type) { return type == GT_REAL ? COUPLET_F32 : type == GT_INT ? COUPLET_I32 : COUPLET_U8; }

static int64_t bytes_of(const GNode *n) {
    int64_t bytes = n->type == GT_REAL || n->type == GT_INT ? 4 : 1;
    for (int i = 0; i < n->rank; i++) bytes *= n->shape[i];
    return bytes;
}

static const void *constant_data(Compile *c, const GNode *n) {
    int64_t count = 1;
    for (int i = 0; i < n->rank; i++) count *= n->shape[i];
    unsigned char *data = arena_alloc(c->arena, (size_t)bytes_of(n));
    for (int64_t i = 0; i < count; i++) {
        float real = (float)n->data[i];
        int32_t integer = (int32_t)n->data[i];
        if (n->type == GT_REAL) memcpy(data + 4 * i, &real, 4);
        else if (n->type == GT_INT) memcpy(data + 4 * i, &integer, 4);
        else data[i] = (unsigned char)n->data[i];
    }
    return data;
}

static void place_buffers(Compile *c, CoupletPlan *plan) {
    int count = c->g->nodes.count;
    CoupletBuffer *buffers = arena_array(c->arena, CoupletBuffer, count + 1);
    CoupletNamed *inputs = arena_array(c->arena, CoupletNamed, count + 1);
    for (int i = 0; i < count; i++) {
        GNode *n = c->g->nodes.items[i];
        CoupletBuffer *b = &buffers[i];
        n->mark = i;
        b->type = type_of(n->type);
        b->rank = n->rank;
        memcpy(b->shape, n->shape, sizeof b->shape);
        if (n->kind == GN_INPUT || n->kind == GN_STATE) {
            b->place = COUPLET_IN_INPUT;
            b->slot = plan->input_count;
            inputs[plan->input_count++] = (CoupletNamed){n->name, i};
        } else if (n->kind == GN_CONST) {
            b->place = COUPLET_IN_CONST;
            b->constant = constant_data(c, n);
        } else {
            b->place = COUPLET_IN_ARENA;
            b->offset = plan->arena_bytes;
            plan->arena_bytes += (bytes_of(n) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
    }
    plan->buffers = buffers;
    plan->buffer_count = count;
    plan->inputs = inputs;
}

static bool make_steps(Compile *c, LLVMOrcLLJITRef jit, CoupletPlan *plan) {
    int count = c->kernels.count;
    CoupletStep *steps = arena_array(c->arena, CoupletStep, count + 1);
    CoupletFault *faults = arena_array(c->arena, CoupletFault, FAULTS_PER_NODE * count + 1);
    for (int i = 0; i < count; i++) {
        Kernel *k = &c->kernels.items[i];
        LLVMOrcExecutorAddress address = 0;
        LLVMErrorRef error = LLVMOrcLLJITLookup(jit, &address, k->symbol);
        if (error) return fail_llvm(c, error, "finding a kernel");
        int *buffers = arena_array(c->arena, int, k->operand_count);
        for (int b = 0; b < k->operand_count; b++) buffers[b] = k->operands[b]->mark;
        const char *source = place_of(c->arena, c->kernel_nodes.items[i]);
        steps[i] = (CoupletStep){.kernel = (CoupletKernel)(uintptr_t)address, .tiles = k->tiles, .buffer_count = k->operand_count, .buffers = buffers,
                                 .output_count = 1, .symbol = k->symbol, .source = source};
        faults[FAULTS_PER_NODE * i] = (CoupletFault){"an index read from data is out of range", source};
        faults[FAULTS_PER_NODE * i + 1] = (CoupletFault){"a reduction has no term here: no index fulfils its guard", source};
    }
    CoupletNamed *outputs = arena_array(c->arena, CoupletNamed, c->g->outputs.count + 1);
    for (int i = 0; i < c->g->outputs.count; i++) outputs[i] = (CoupletNamed){c->g->outputs.items[i].name, c->g->outputs.items[i].node->mark};
    plan->steps = steps;
    plan->step_count = count;
    plan->faults = faults;
    plan->fault_count = FAULTS_PER_NODE * count;
    plan->outputs = outputs;
    plan->output_count = c->g->outputs.count;
    return true;
}

CpuCode *cpu_compile(Arena *arena, Graph *graph, CoupletPlan **plan, const char **error) {
    Compile c;
    memset(&c, 0, sizeof c);
    c.arena = arena;
    c.g = graph;
    c.error = error;
    LLVMOrcThreadSafeContextRef context = LLVMOrcCreateNewThreadSafeContext();
    Emitter *e = &c.e;
    e->arena = arena;
    e->graph = graph;
    e->context = LLVMOrcThreadSafeContextGetContext(context);
    e->module = LLVMModuleCreateWithNameInContext(graph->name, e->context);
    e->builder = LLVMCreateBuilderInContext(e->context);
    e->f32 = LLVMFloatTypeInContext(e->context);
    e->i32 = LLVMInt32TypeInContext(e->context);
    e->i64 = LLVMInt64TypeInContext(e->context);
    e->i8 = LLVMInt8TypeInContext(e->context);
    e->i1 = LLVMInt1TypeInContext(e->context);
    e->ptr = LLVMPointerTypeInContext(e->context, 0);
    e->nothing = LLVMVoidTypeInContext(e->context);
    LLVMTargetMachineRef machine = host_machine(&c);
    bool good = machine && emit_kernels(&c) && optimise(&c, machine);
    LLVMDisposeBuilder(e->builder);
    if (!good) {
        LLVMDisposeModule(e->module);
        LLVMOrcDisposeThreadSafeContext(context);
        if (machine) LLVMDisposeTargetMachine(machine);
        return NULL;
    }
    LLVMOrcLLJITRef jit = link_code(&c, context, machine);
    CpuCode *code = jit ? calloc(1, sizeof *code) : NULL;
    if (!code) return NULL;
    code->jit = jit;
    *plan = arena_new_of(arena, CoupletPlan);
    (*plan)->name = graph->name;
    place_buffers(&c, *plan);
    if (make_steps(&c, jit, *plan)) return code;
    cpu_free(code);
    return NULL;
}

void cpu_free(CpuCode *code) {
    if (!code) return;
    LLVMErrorRef error = LLVMOrcDisposeLLJIT(code->jit);
    if (error) LLVMConsumeError(error);
    free(code);
}
