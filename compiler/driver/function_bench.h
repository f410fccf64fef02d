/* Timings of one compiled function: couplet grad --bench, --by-kernel. */
#ifndef COUPLET_DRIVER_FUNCTION_BENCH_H
#define COUPLET_DRIVER_FUNCTION_BENCH_H

#include "runtime/plan.h"

/* The time of each kernel in one run, a line each. */
void bench_kernels(const CoupletPlan *plan, CoupletRun *run, void *const *inputs);
/* The median of a number of runs, and what the plan allocates, as a line of JSON. */
void bench_function(const char *name, const CoupletPlan *plan, CoupletRun *run, const CoupletThreads *threads, void *const *inputs);

#endif
