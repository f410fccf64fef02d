#include "runtime/plan.h"

#include <stdlib.h>
#include <string.h>

struct CoupletRun {
    const CoupletPlan *plan;
    char *arena;
    void *scratch;
    void *const *inputs;
};

CoupletRun *couplet_run_new(const CoupletPlan *plan) {
    CoupletRun *run = calloc(1, sizeof *run);
    if (!run) return NULL;
    run->plan = plan;
    /* aligned_alloc wants a multiple of the alignment; zero bytes would be no allocation at all. */
    size_t bytes = ((size_t)plan->arena_bytes / 128 + 1) * 128, scratch = ((size_t)plan->scratch_bytes / 128 + 1) * 128;
    run->arena = aligned_alloc(128, bytes);
    run->scratch = aligned_alloc(128, scratch);
    if (run->arena && run->scratch) return run;
    couplet_run_free(run);
    return NULL;
}

static void *address(const CoupletRun *run, int number) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    switch (b->place) {
    case COUPLET_IN_ARENA: return run->arena + b->offset;
    case COUPLET_IN_INPUT: return run->inputs[b->slot];
    case COUPLET_IN_CONST: return (void *)(uintptr_t)b->constant;
    default: return NULL;
    }
}

const CoupletFault *couplet_run_steps(CoupletRun *run, void *const *inputs) {
    const CoupletPlan *plan = run->plan;
    int64_t fault = 0;
    CoupletWorker worker = {run->scratch, &fault};
    run->inputs = inputs;
    for (int i = 0; i < plan->step_count; i++) {
        const CoupletStep *step = &plan->steps[i];
        void *buffers[COUPLET_MAX_KERNEL_BUFFERS];
        for (int b = 0; b < step->buffer_count; b++) buffers[b] = address(run, step->buffers[b]);
        step->kernel(buffers, 0, step->tiles, &worker);
        if (fault > 0 && fault <= plan->fault_count) return &plan->faults[fault - 1];
    }
    return NULL;
}

const void *couplet_run_output(const CoupletRun *run, const char *name) {
    for (int i = 0; i < run->plan->output_count; i++)
        if (strcmp(run->plan->outputs[i].name, name) == 0) return address(run, run->plan->outputs[i].buffer);
    return NULL;
}

void couplet_run_free(CoupletRun *run) {
    if (!run) return;
    free(run->arena);
    free(run->scratch);
    free(run);
}
