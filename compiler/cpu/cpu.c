/* Makes the plans of a program and the machine code of their kernels together. */
#include "compiler/cpu/cpu.h"

#include "compiler/cpu/emit.h"
#include "compiler/cpu/plans.h"
#include "compiler/plan/tuning.h"

#include <stdlib.h>
#include <string.h>

struct CpuCode {
    CpuModule *module;
    int kernel_count;
};

/* Sets the kernel of every step. The code of a library call is in the runtime. Returns false, with
 * a sentence in *error, if a kernel has no code. */
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

static PlanTarget target_of(const Processor *p, const Tuning *tuning) {
    return (PlanTarget){.tuning = tuning,
                        .name = "cpu",
                        .alignment = 128,
                        .lanes = p->lanes,
                        .sweeps = true,
                        .buckets = true,
                        .arguments = true,
                        .together = true,
                        .abreast = true};
}

const char *cpu_tuning_path(Arena *arena) {
    const char *folder = cpu_cache_folder(arena);
    return folder ? arena_printf(arena, "%s/tuned-%s", folder, processor_here()->tune) : NULL;
}

PlanTarget cpu_plan_target(Arena *arena) {
    return target_of(processor_here(), tuning_read(arena, cpu_tuning_path(arena)));
}

const Kernel *cpu_plan_kernel(const CpuPlans *plans, int plan, int step) {
    return &plans->plans[plan].kernels.items.items[step];
}

CpuPlans *cpu_plans(Arena *arena, Graph *const *graphs, int graph_count, const ProgramState *states,
                    int state_count, const CpuTarget *wanted, CoupletPlan **plans,
                    const char **error) {
    CpuPlans *made = arena_new_of(arena, CpuPlans);
    made->processor =
        wanted && wanted->processor ? processor_find(wanted->processor) : processor_here();
    if (!made->processor) {
        *error = cpu_refuses(arena, wanted->processor);
        return NULL;
    }
    const PlanTarget target =
        wanted ? target_of(made->processor, wanted->tuning) : cpu_plan_target(arena);
    made->count = graph_count;
    made->plans = arena_array(arena, Plan, graph_count);
    for (int i = 0; i < graph_count; i++) {
        if (!plan_make(&made->plans[i], arena, graphs[i], states, state_count, &target, error))
            return NULL;
        plans[i] = made->plans[i].out;
    }
    made->kernel_count = plan_unique_kernels(arena, made->plans, graph_count, &made->kernels);
    return made;
}

CpuCode *cpu_jit(Arena *arena, CpuPlans *plans, const CpuOptions *options, const char **error) {
    CpuCode *code = calloc(1, sizeof *code);
    if (!code) {
        *error = "out of memory";
        return NULL;
    }
    code->kernel_count = plans->kernel_count;
    code->module = module_build(arena, plans->processor, plans->kernels, plans->kernel_count,
                                options->cache_folder, error);
    bool good = code->module != NULL;
    for (int i = 0; good && i < plans->count; i++)
        good = find_code(&plans->plans[i], code->module, error);
    if (good) return code;
    cpu_free(code);
    return NULL;
}

CpuCode *cpu_compile(Arena *arena, Graph *const *graphs, int graph_count,
                     const ProgramState *states, int state_count, const CpuOptions *options,
                     CoupletPlan **plans, const char **error) {
    CpuPlans *made = cpu_plans(arena, graphs, graph_count, states, state_count, NULL, plans, error);
    return made ? cpu_jit(arena, made, options, error) : NULL;
}

const char *cpu_refuses(Arena *arena, const char *processor) {
    if (processor_find(processor)) return NULL;
    return arena_printf(arena, "there is no processor `%s` to compile for; there are %s", processor,
                        processor_names(arena));
}

int cpu_kernel_count(const CpuCode *code) {
    return code->kernel_count;
}
bool cpu_was_cached(const CpuCode *code) {
    return module_was_cached(code->module);
}

void cpu_free(CpuCode *code) {
    if (!code) return;
    module_free(code->module);
    free(code);
}
