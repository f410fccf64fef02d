/* The time of a training step, kernel by kernel, on made-up data: what `couplet profile` and
 * `couplet bench` share. */
#ifndef COUPLET_DRIVER_STEP_BENCH_H
#define COUPLET_DRIVER_STEP_BENCH_H

#include "runtime/abi.h"
#include "runtime/device.h"

typedef struct StepTimes {
    int steps;
    /* seconds from the first kernel to the last commit, the finite check included; median */
    double whole;
    double finite, commit; /* the finite check and the commits, which `whole` contains; medians */
    double *kernels;       /* seconds of each of plan->steps; medians; the caller frees them */
    /* By exchange of the plan: the seconds that this rank waited for it in a step, in the mean; the
     * caller frees them. NULL unless the step is cut among ranks. */
    double *waits;
    double sent_bytes; /* of a step, by this rank */
} StepTimes;

/* Runs the program's step `steps` times after one that warms up, on images, labels and indices that
 * are made up, from freshly started states. Without `by_kernel` times->kernels stays NULL, and a
 * device need not wait after each kernel. The ranks of the device's group all call this. False with
 * a sentence; times->kernels and waits are NULL then. */
bool step_measure(const CoupletProgram *program, CoupletDevice *device, int steps, bool by_kernel,
                  StepTimes *times, char *error, size_t error_bytes);

/* Launches of a step: its kernels, with those that go abreast counted as one. */
int step_launches(const CoupletPlan *plan);

#endif
