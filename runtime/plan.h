/* Runs a plan on a device: one arena, the steps in order; then, when all is finite, the commits. */
#ifndef COUPLET_RUNTIME_PLAN_H
#define COUPLET_RUNTIME_PLAN_H

#include "runtime/abi.h"
#include "runtime/device.h"

typedef struct CoupletRun CoupletRun; /* a plan with its arena; the plan must outlive it */

/* What stopped a run. The texts are valid until the next call for the run. */
typedef struct CoupletFault {
    const char *sentence; /* which element of which array, where that could be found out */
    const char *source;   /* the place, "f.cpl:7:12" or "f.cpl:7"; of a device that fails, its name */
    const char *inner;    /* the line of the library that a call at `source` led to; NULL */
    const char *advice;   /* how to mend it; NULL */
    CoupletFaultKind kind;
    int input;            /* of a value that is not finite: the plan's input that has it, and */
    int64_t element;      /* where; input is -1 if it arose in a formula */
} CoupletFault;
/* "E801": the code of a fault, as `couplet explain` knows it. */
const char *couplet_fault_code(CoupletFaultKind kind);
/* The fault as a message of one line and more: "f.cpl:7:12: error[E801]: in step 4: y[1] is -1, ..", then a line for the library's line and one for the advice. `when` may be NULL. */
void couplet_fault_text(const CoupletFault *fault, const char *when, char *text, size_t bytes);

/* On the host's cores. NULL when memory runs out: plan->arena_bytes are needed. `threads` may be NULL and must outlive the run. */
CoupletRun *couplet_run_new(const CoupletPlan *plan, CoupletThreads *threads);
/* On any device, which must outlive the run. NULL when the device has no room for it or cannot build its kernels: device->fault says why. */
CoupletRun *couplet_run_on(CoupletDevice *device, const CoupletPlan *plan);
/* What a run takes of the device's memory, on the host. */
int64_t couplet_run_bytes(const CoupletPlan *plan);
/* On a device that is not the host an input need not be sent at each step. Either inputs[input] holds the numbers of its rows (i32), which are gathered
 * from `table`; or it is `memory` itself, whole. Both are memory of the device, are only read, and outlive the run. */
bool couplet_run_feed_rows(CoupletRun *run, int input, const void *table);
void couplet_run_feed_resident(CoupletRun *run, int input, void *memory);
/* `inputs[i]` is the array of plan->inputs[i] on the host, of that buffer's type and shape; `states[i]` the device's memory of the program's
 * state i. Neither is written. Allocates nothing. False when a kernel met a fault or the device failed; outputs are then worth nothing. */
bool couplet_run_steps(CoupletRun *run, void *const *inputs, void *const *states, CoupletFault *fault);
/* Whether every float output and everything about to be committed is finite. When not, runs the steps again, watching, and names the first
 * step whose result is no number (or, if there is none, is infinite). Inputs and states must be as they were. */
bool couplet_run_finite(CoupletRun *run, CoupletFault *fault);
/* Renews the states from the last run. All values are complete before the first state is written. False when the device failed: the states
 * are then worth nothing, and the last checkpoint is what is left. */
bool couplet_run_commit(CoupletRun *run, void *const *states, const CoupletStateInfo *infos, CoupletFault *fault);
/* The array of an output on the host: valid until the next couplet_run_steps. NULL when there is no such output or the device fails to hand it over. */
const void *couplet_run_output(const CoupletRun *run, const char *name);
/* What commit number `commit` would write, after couplet_run_steps: for tests. */
const void *couplet_run_commit_value(const CoupletRun *run, int commit);
const CoupletBuffer *couplet_plan_output(const CoupletPlan *plan, const char *name);
/* The number of an input, by name; -1: the plan does not read it. */
int couplet_plan_input(const CoupletPlan *plan, const char *name);
/* Milliseconds spent in each step so far, for profiles; `milliseconds` has plan->step_count entries. NULL turns it off. */
void couplet_run_profile(CoupletRun *run, double *milliseconds);
/* Called after each step with its number and the arrays it worked on (copies, when the device is not the host), outputs last: to compare
 * intermediate values. NULL turns it off. */
typedef void (*CoupletWatch)(void *context, int step, void *const *buffers);
void couplet_run_watch(CoupletRun *run, CoupletWatch watch, void *context);
void couplet_run_free(CoupletRun *run);

int64_t couplet_buffer_count(const CoupletBuffer *buffer); /* elements */
int64_t couplet_type_bytes(CoupletType type);

/* "1 x 28 x 28" for the separator " x ". Returns `out`. */
enum { COUPLET_SHAPE_BYTES = COUPLET_MAX_RANK * 24 };
const char *couplet_shape_text(int rank, const int64_t *shape, const char *separator, char out[COUPLET_SHAPE_BYTES]);

#endif
