#include "compiler/driver/function_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_RUNS = 25, LEAST_RUNS = 3, LONGEST_BENCH = 8000 /* milliseconds, once there are enough runs */ };

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

void bench_kernels(const CoupletPlan *plan, CoupletRun *run, void *const *inputs) {
    CoupletFault fault;
    double *milliseconds = calloc((size_t)plan->step_count + 1, sizeof *milliseconds);
    if (!milliseconds) return;
    couplet_run_profile(run, milliseconds);
    couplet_run_steps(run, inputs, NULL, &fault);
    couplet_run_profile(run, NULL);
    for (int i = 0; i < plan->step_count; i++) {
        const CoupletStep *s = &plan->steps[i];
        printf("%9.3f ms %8.1f GFLOP/s  %s  %s\n", milliseconds[i], s->flops / milliseconds[i] * 1e-6, s->source, s->label ? s->label : "");
    }
    free(milliseconds);
}

void bench_function(const char *name, const CoupletPlan *plan, CoupletRun *run, const CoupletThreads *threads, void *const *inputs) {
    CoupletFault fault;
    double times[MOST_RUNS], start = now();
    int count = 0, workers = couplet_threads_count(threads);
    while (count < MOST_RUNS && (count < LEAST_RUNS || now() - start < LONGEST_BENCH)) {
        double begin = now();
        if (!couplet_run_steps(run, inputs, NULL, &fault)) return;
        times[count++] = now() - begin;
    }
    qsort(times, (size_t)count, sizeof *times, by_value);
    printf("{\"function\": \"%s\", \"ms\": %.3f, \"fastest_ms\": %.3f, \"runs\": %d, \"threads\": %d, \"kernels\": %d, \"arena_mib\": %.2f, \"scratch_mib\": %.2f}\n", name,
           times[count / 2], times[0], count, workers, plan->step_count, (double)plan->arena_bytes / 0x1p20, (double)plan->scratch_bytes * workers / 0x1p20);
}
