/* Plans and the machine code of their kernels, together. */
#include "compiler/cpu/cpu.h"

#include "compiler/cpu/emit.h"
#include "compiler/cpu/processor.h"
#include "compiler/plan/plan.h"

#include <stdlib.h>
#include <string.h>

struct CpuCode {
    CpuModule *module;
    int kernel_count;
};

static bool find_code(Plan *p, CpuModule *module, const char **error) {
    for (int i = 0; i < p->out->step_count; i++) {
        if (p->kernels.items.items[i].kind == KERNEL_CALL) {
            p->steps[i].kernel = couplet_call;
            continue;
        }
        p->steps[i].kernel = module_find(module, p->steps[i].symbol, p->arena, error);
        if (!p->steps[i].kernel) return false;
    }
    return true;
}

PlanTarget cpu_plan_target(void) { return (PlanTarget){.lanes = processor_here()->lanes, .sweeps = true}; }

CpuCode *cpu_compile(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states, int state_count, const CpuOptions *options,
                     CoupletPlan **plans, const char **error) {
    const PlanTarget target = cpu_plan_target();
    Plan *work = arena_array(arena, Plan, graph_count);
    for (int i = 0; i < graph_count; i++) {
        if (!plan_make(&work[i], arena, graphs[i], states, state_count, &target, error)) return NULL;
        plans[i] = work[i].out;
    }
    Kernel **kernels;
    int count = plan_unique_kernels(arena, work, graph_count, &kernels);
    CpuCode *code = calloc(1, sizeof *code);
    if (!code) return NULL;
    code->kernel_count = count;
    code->module = module_build(arena, processor_here(), kernels, count, options->cache_folder, error);
    bool good = code->module != NULL;
    for (int i = 0; good && i < graph_count; i++) good = find_code(&work[i], code->module, error);
    if (good) return code;
    cpu_free(code);
    return NULL;
}

int cpu_kernel_count(const CpuCode *code) { return code->kernel_count; }
bool cpu_was_cached(const CpuCode *code) { return module_was_cached(code->module); }

void cpu_free(CpuCode *code) {
    if (!code) return;
    module_free(code->module);
    free(code);
}
