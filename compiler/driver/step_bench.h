/* The time of a training step, kernel by kernel, on made-up data. `couplet profile` and `couplet
 * bench` share it. */
#ifndef COUPLET_DRIVER_STEP_BENCH_H
#define COUPLET_DRIVER_STEP_BENCH_H

#include "runtime/abi.h"
#include "runtime/device.h"

typedef struct StepTimes {
    int steps;
    /* the median of the seconds from the first kernel to the last commit, finite check included */
    double whole;
    /* The medians of the finite check and of the commits, which `whole` contains. */
    double finite;
    double commit;
    double *kernels; /* the median seconds of each of plan->steps; the caller frees them */
    /* By exchange of the plan: the mean seconds in a step for which this rank waited. The caller
     * frees them. NULL unless the step is cut among ranks. */
    double *waits;
    double sent_bytes; /* the bytes that this rank sends in a step */
} StepTimes;

/* Runs the program's step `steps` times, after one that warms up, from freshly started states.
 * Inputs are made up. Without `by_kernel`, times->kernels stays NULL, and a device need not wait
 * after each kernel. All ranks of the device's group must call this. Returns false with a sentence;
 * times->kernels and times->waits are then NULL. */
bool step_measure(const CoupletProgram *program, CoupletDevice *device, int steps, bool by_kernel,
                  StepTimes *times, char *error, size_t error_bytes);

/* Returns the number of launches of a step: its kernels, where a launch group counts as one. */
int step_launches(const CoupletPlan *plan);

#endif
