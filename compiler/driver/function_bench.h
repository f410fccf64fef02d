/* Timings of one compiled function: couplet grad --bench and --by-kernel. */
#ifndef COUPLET_DRIVER_FUNCTION_BENCH_H
#define COUPLET_DRIVER_FUNCTION_BENCH_H

#include "runtime/executor.h"

typedef struct FunctionBench {
    const char *name; /* the function's name */
    bool by_kernel;   /* true to print the time of each kernel in one run, a line each */
    /* true to print the median of some runs, and what the plan allocates, as a line of JSON */
    bool whole;
} FunctionBench;

void bench(const FunctionBench *what, const CoupletPlan *plan, CoupletRun *run,
           const CoupletThreads *threads, void *const *inputs);
/* Times the function. The inputs are on the device before the clock starts, as embeddings are in a
 * step, and take memory beside the plan's. Returns false after a message on stderr. */
bool bench_on_device(CoupletDevice *device, const FunctionBench *what, const CoupletPlan *plan,
                     CoupletRun *run, void *const *inputs);

#endif
