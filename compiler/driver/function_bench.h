/* Timings of one compiled function: couplet grad --bench, --by-kernel. */
#ifndef COUPLET_DRIVER_FUNCTION_BENCH_H
#define COUPLET_DRIVER_FUNCTION_BENCH_H

#include "runtime/executor.h"

typedef struct FunctionBench {
    const char *name; /* the function's name */
    bool by_kernel;   /* the time of each kernel in one run, a line each */
    /* the median of a number of runs, and what the plan allocates, as a line of JSON */
    bool whole;
} FunctionBench;

void bench(const FunctionBench *what, const CoupletPlan *plan, CoupletRun *run,
           const CoupletThreads *threads, void *const *inputs);
/* Times the function with its inputs on the device before the clock starts, as embeddings are in a
 * step; they take memory beside the plan's. False after a message on stderr. */
bool bench_on_device(CoupletDevice *device, const FunctionBench *what, const CoupletPlan *plan,
                     CoupletRun *run, void *const *inputs);

#endif
