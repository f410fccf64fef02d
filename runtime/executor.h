/* Runs a plan on a device: one arena, the steps in order, and then the commits, if all results are
 * finite. */
#ifndef COUPLET_RUNTIME_EXECUTOR_H
#define COUPLET_RUNTIME_EXECUTOR_H

#include "runtime/abi.h"
#include "runtime/device.h"

#include <signal.h>

typedef struct CoupletRun CoupletRun; /* a plan with its arena; the plan must outlive it */

/* The fault that stopped a run. The texts are valid until the next call for the run. */
typedef struct CoupletFault {
    const char *sentence; /* the finding, with the element and its array where they are known */
    /* The place, "f.cpl:7:12" or "f.cpl:7"; or the name of a device that failed. */
    const char *source;
    const char *inner;  /* the line of the library that a call at `source` led to; NULL */
    const char *advice; /* advice to the user; NULL: there is none */
    CoupletFaultKind kind;
    /* The plan's input that holds a value that is not finite; -1: a formula made the value. */
    int input;
    int64_t element; /* the place of the element in that input */
} CoupletFault;
/* The code of a fault as `couplet explain` knows it: "E801". */
const char *couplet_fault_code(CoupletFaultKind kind);
/* Writes the fault as a message. The first line is "f.cpl:7:12: error[E801]: in step 4: y[1] is -1,
 * ..". A line for the library's line and a line for the advice follow where there are such. `when`
 * ("in step 4") may be NULL. */
void couplet_fault_text(const CoupletFault *fault, const char *when, char *text, size_t bytes);

/* Makes a run on the host's cores. NULL when memory runs out: plan->arena_bytes are needed.
 * `threads` may be NULL, and must outlive the run. */
CoupletRun *couplet_run_new(const CoupletPlan *plan, CoupletThreads *threads);
/* Makes a run on any device, which must outlive the run. NULL when the device has no room for it or
 * cannot build its kernels; device->fault says why. */
CoupletRun *couplet_run_on(CoupletDevice *device, const CoupletPlan *plan);
/* The bytes that a run on the host takes. */
int64_t couplet_run_bytes(const CoupletPlan *plan);
/* Spare a device that is not the host an input at each step. Either inputs[input] holds the numbers
 * of its rows (i32), which are gathered from `table`; or the whole input is `memory` itself. Both
 * are memory of the device, are only read, and outlive the run. */
bool couplet_run_feed_rows(CoupletRun *run, int input, const void *table);
void couplet_run_feed_resident(CoupletRun *run, int input, void *memory);
/* Runs the steps. inputs[i] is the array of plan->inputs[i] on the host, of that buffer's type and
 * shape; states[i] is the device's memory of the program's state i. Neither is written. Allocates
 * nothing. False when a kernel met a fault or the device failed; outputs are then worth nothing. */
bool couplet_run_steps(CoupletRun *run, void *const *inputs, void *const *states,
                       CoupletFault *fault);
/* True if every float output and every value that is about to be committed is finite. Else runs the
 * steps again and names the first one whose result is no number, or, if there is none, is infinite.
 * Inputs and states must be as they were. */
bool couplet_run_finite(CoupletRun *run, CoupletFault *fault);
/* Renews the states from the last run. All values are complete before the first state is written.
 * False when the device failed. The states are then worth nothing, and the last checkpoint is what
 * is left. */
bool couplet_run_commit(CoupletRun *run, void *const *states, const CoupletStateInfo *infos,
                        CoupletFault *fault);
/* The array of an output on the host, valid until the next couplet_run_steps. NULL when there is no
 * such output, or the device fails to hand it over. */
const void *couplet_run_output(const CoupletRun *run, const char *name);
/* The value that commit number `commit` would write, after couplet_run_steps. For tests. */
const void *couplet_run_commit_value(const CoupletRun *run, int commit);
const CoupletBuffer *couplet_plan_output(const CoupletPlan *plan, const char *name);
/* The number of an input by its name; -1: the plan does not read it. */
int couplet_plan_input(const CoupletPlan *plan, const char *name);
/* Milliseconds spent in each step so far, for profiles; `milliseconds` has plan->step_count
 * entries. NULL turns it off. */
void couplet_run_profile(CoupletRun *run, double *milliseconds);
/* Gives the run a flag that a signal sets. The steps then end ahead of the next launch, as where a
 * device's compiler is asked for a kernel when that is launched for the first time. States are what
 * they were. NULL: nothing ends the steps. */
void couplet_run_heed(CoupletRun *run, const volatile sig_atomic_t *stop);
/* Where a run is cut among ranks, inputs in rows (CoupletBuffer) may hold the rows of this rank
 * alone. `bring` is called if all of them are needed after all, to find a fault. It replaces the
 * arrays of the inputs, and is false where it cannot. */
void couplet_run_feed_whole(CoupletRun *run, bool (*bring)(void *context), void *context);
/* True if the flag ended the last couplet_run_steps, which was false then, without a fault. */
bool couplet_run_stopped(const CoupletRun *run);
/* Sets a function that is called after each step with its number and the arrays that it worked on,
 * outputs last. It serves to compare intermediate values. The arrays are copies if the device is
 * not the host. NULL turns it off. */
typedef void (*CoupletWatch)(void *context, int step, void *const *buffers);
void couplet_run_watch(CoupletRun *run, CoupletWatch watch, void *context);
void couplet_run_free(CoupletRun *run);

int64_t couplet_buffer_count(const CoupletBuffer *buffer); /* elements */
int64_t couplet_type_bytes(CoupletType type);

/* Writes a shape, as in "1 x 28 x 28" for the separator " x ". Returns `out`. */
enum { COUPLET_SHAPE_BYTES = COUPLET_MAX_RANK * 24 };
const char *couplet_shape_text(int rank, const int64_t *shape, const char *separator,
                               char out[COUPLET_SHAPE_BYTES]);

#endif
