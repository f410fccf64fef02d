/* Runs a plan on a device: allocates one arena, runs the steps in order, and does the commits if
 * all results are finite. */
#ifndef COUPLET_RUNTIME_EXECUTOR_H
#define COUPLET_RUNTIME_EXECUTOR_H

#include "runtime/abi.h"
#include "runtime/device.h"

#include <signal.h>

typedef struct CoupletRun CoupletRun; /* a plan with its arena; the plan must outlive it */

/* The fault that stopped a run. The texts are valid until the run's next call. */
typedef struct CoupletFault {
    const char *sentence; /* the finding, with the element and its array if they are known */
    /* The place, such as "f.cpl:7:12" or "f.cpl:7", or the name of the device that failed. */
    const char *source;
    const char *inner;  /* the line of the library that a call at `source` led to; NULL: none */
    const char *advice; /* advice to the user; NULL: none */
    CoupletFaultKind kind;
    /* The number of the plan's input that holds a value which is not finite. -1: a formula made the
     * value. */
    int input;
    int64_t element; /* the position of the element in that input */
} CoupletFault;
/* Returns the code of a fault for `couplet explain`, such as "E801". */
const char *couplet_fault_code(CoupletFaultKind kind);
/* Writes the fault as a message. The first line is "f.cpl:7:12: error[E801]: in step 4: y[1] is -1,
 * ..". If there are a line of the library and advice, each follows in a line. `when` ("in step 4")
 * may be NULL. */
void couplet_fault_text(const CoupletFault *fault, const char *when, char *text, size_t bytes);

/* Makes a run on the host's cores. Returns NULL if memory runs out; plan->arena_bytes are needed.
 * `threads` may be NULL, and must outlive the run. */
CoupletRun *couplet_run_new(const CoupletPlan *plan, CoupletThreads *threads);
/* Makes a run on any device, which must outlive the run. Returns NULL if the device has no room for
 * it or cannot build its kernels; device->fault says why. */
CoupletRun *couplet_run_on(CoupletDevice *device, const CoupletPlan *plan);
/* Returns the bytes that a run on the host takes. */
int64_t couplet_run_bytes(const CoupletPlan *plan);
/* Save copying an input to a device at each step. With the first, inputs[input] holds numbers of
 * rows (i32), which are gathered from `table`. With the second, the whole input is `memory`. Both
 * are the device's memory, are only read, and must outlive the run. */
bool couplet_run_feed_rows(CoupletRun *run, int input, const void *table);
void couplet_run_feed_resident(CoupletRun *run, int input, void *memory);
/* Runs the steps. inputs[i] is the array of plan->inputs[i] on the host, in that buffer's type and
 * shape. states[i] is the device's memory of state i of the program. Neither is written. Allocates
 * nothing. Returns false if a kernel met a fault or the device failed; outputs are then
 * undefined. */
bool couplet_run_steps(CoupletRun *run, void *const *inputs, void *const *states,
                       CoupletFault *fault);
/* True if every float output, and every value that is about to be committed, is finite. If not,
 * runs the steps again and names the first one whose result is no number or, if there is none, is
 * infinite. Inputs and states must be unchanged. */
bool couplet_run_finite(CoupletRun *run, CoupletFault *fault);
/* Writes the states from the last run. All values are complete before the first state is written.
 * Returns false if the device failed. The states are then undefined, and only the last checkpoint
 * remains. */
bool couplet_run_commit(CoupletRun *run, void *const *states, const CoupletStateInfo *infos,
                        CoupletFault *fault);
/* Returns the array of an output on the host, valid until the next couplet_run_steps. NULL if there
 * is no such output, or if the device fails. */
const void *couplet_run_output(const CoupletRun *run, const char *name);
/* Returns the value that commit number `commit` would write after couplet_run_steps. For tests. */
const void *couplet_run_commit_value(const CoupletRun *run, int commit);
const CoupletBuffer *couplet_plan_output(const CoupletPlan *plan, const char *name);
/* Returns the number of an input by its name, or -1 if the plan does not read it. */
int couplet_plan_input(const CoupletPlan *plan, const char *name);
/* Adds up the milliseconds spent in each step, for profiles. `milliseconds` has plan->step_count
 * entries. NULL turns this off. */
void couplet_run_profile(CoupletRun *run, double *milliseconds);
/* Sets the flag that a signal raises. The steps then end ahead of the next launch, and where a
 * device's compiler is asked for a kernel at its first launch. States are unchanged. NULL: nothing
 * ends the steps. */
void couplet_run_heed(CoupletRun *run, const volatile sig_atomic_t *stop);
/* If a run is cut among ranks, inputs in rows (CoupletBuffer) may hold this rank's rows alone. If
 * all rows are needed to find a fault, `bring` is called. It replaces the arrays of the inputs, or
 * returns false. */
void couplet_run_feed_whole(CoupletRun *run, bool (*bring)(void *context), void *context);
/* True if the flag ended the last couplet_run_steps, which then returned false without a fault. */
bool couplet_run_stopped(const CoupletRun *run);
/* Sets a function that is called after each step with the step's number and its arrays, outputs
 * last. It serves to compare intermediate values. If the device is not the host, the arrays are
 * copies. NULL turns this off. */
typedef void (*CoupletWatch)(void *context, int step, void *const *buffers);
void couplet_run_watch(CoupletRun *run, CoupletWatch watch, void *context);
void couplet_run_free(CoupletRun *run);

int64_t couplet_buffer_count(const CoupletBuffer *buffer); /* Returns the number of elements. */
int64_t couplet_type_bytes(CoupletType type);

/* Writes a shape with a separator, as in "1 x 28 x 28" for " x ". Returns `out`. */
enum { COUPLET_SHAPE_BYTES = COUPLET_MAX_RANK * 24 };
const char *couplet_shape_text(int rank, const int64_t *shape, const char *separator,
                               char out[COUPLET_SHAPE_BYTES]);

#endif
