/* Times a compiled function: the median of some runs, as a whole or for each kernel. Runs end when
 * there are enough or when they have taken long enough, so a large function does not take
 * minutes. */
#include "compiler/driver/function_bench.h"
#include "compiler/driver/report.h"
#include "runtime/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    MOST_RUNS = 25,
    LEAST_RUNS = 3,
    /* the milliseconds after which no further run starts, if there were LEAST_RUNS */
    LONGEST_BENCH = 8000
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void bench_kernels(const CoupletPlan *plan, CoupletRun *run, void *const *inputs) {
    CoupletFault fault;
    double *milliseconds = calloc((size_t)plan->step_count + 1, sizeof *milliseconds);
    if (!milliseconds) return;
    couplet_run_profile(run, milliseconds);
    couplet_run_steps(run, inputs, NULL, &fault);
    couplet_run_profile(run, NULL);
    for (int i = 0; i < plan->step_count; i++) {
        const CoupletStep *s = &plan->steps[i];
        printf("%9.3f ms %8.1f GFLOP/s  %s  %s\n", milliseconds[i],
               s->flops / milliseconds[i] * 1e-6, s->source, s->label ? s->label : "");
    }
    free(milliseconds);
}

static void bench_whole(const char *name, const CoupletPlan *plan, CoupletRun *run,
                        const CoupletThreads *threads, void *const *inputs) {
    CoupletFault fault;
    double times[MOST_RUNS];
    double start = 1e3 * couplet_seconds();
    int count = 0;
    int workers = couplet_threads_count(threads);
    while (count < MOST_RUNS &&
           (count < LEAST_RUNS || 1e3 * couplet_seconds() - start < LONGEST_BENCH)) {
        double begin = 1e3 * couplet_seconds();
        if (!couplet_run_steps(run, inputs, NULL, &fault)) return;
        times[count++] = 1e3 * couplet_seconds() - begin;
    }
    qsort(times, (size_t)count, sizeof *times, by_value);
    printf("{\"function\": \"%s\", \"ms\": %.3f, \"fastest_ms\": %.3f, \"runs\": %d, \"threads\": "
           "%d, \"kernels\": %d, \"arena_mib\": %.2f, \"scratch_mib\": %.2f}\n",
           name, times[count / 2], times[0], count, workers, plan->step_count,
           (double)plan->arena_bytes / 0x1p20, (double)plan->scratch_bytes * workers / 0x1p20);
}

void bench(const FunctionBench *what, const CoupletPlan *plan, CoupletRun *run,
           const CoupletThreads *threads, void *const *inputs) {
    if (what->by_kernel) bench_kernels(plan, run, inputs);
    if (what->whole) bench_whole(what->name, plan, run, threads, inputs);
}

/* Copies the inputs to the device before the clock starts, since embeddings are there in a step. */
static bool send_inputs(const CoupletPlan *plan, CoupletRun *run, CoupletDevice *device,
                        void *const *inputs, void **sent) {
    for (int i = 0; i < plan->input_count; i++) {
        const CoupletBuffer *b = &plan->buffers[plan->inputs[i].buffer];
        int64_t bytes = couplet_buffer_count(b) * couplet_type_bytes(b->type);
        sent[i] = device->calls->allocate(device, bytes);
        if (!sent[i] || !device->calls->write(device, sent[i], 0, inputs[i], bytes) ||
            !device->calls->wait(device))
            return false;
        couplet_run_feed_resident(run, i, sent[i]);
    }
    return true;
}

bool bench_on_device(CoupletDevice *device, const FunctionBench *what, const CoupletPlan *plan,
                     CoupletRun *run, void *const *inputs) {
    void **sent = calloc((size_t)plan->input_count + 1, sizeof *sent);
    bool good = sent && send_inputs(plan, run, device, inputs, sent);
    if (good)
        bench(what, plan, run, NULL, inputs);
    else
        report(CODE_RUN_STOPPED, "%s: %s", device->name,
               sent ? device->fault.sentence : "out of memory");
    for (int i = 0; sent && i < plan->input_count; i++)
        if (sent[i]) device->calls->release(device, sent[i]);
    free(sent);
    return good;
}
