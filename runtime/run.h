/* Shared by the files of the executor. executor.c runs the steps, results.c checks and commits
 * their results, and explain.c explains what stopped them. */
#ifndef COUPLET_RUNTIME_RUN_H
#define COUPLET_RUNTIME_RUN_H

#include "runtime/executor.h"
#include "runtime/formula.h"
#include "runtime/part.h"
#include "runtime/ranks.h"

/* How an input reaches a device that is not the host. */
typedef struct Feed {
    enum {
        FEED_ARRAY,
        FEED_ROWS,
        FEED_RESIDENT,
    } kind;
    const void *table; /* ROWS: the array from which rows are gathered */
    void *numbers;     /* ROWS: the numbers of the rows, on the device */
} Feed;

struct CoupletRun {
    const CoupletPlan *plan;
    CoupletDevice *device;
    /* The device, if the run has made it for itself; else NULL. */
    CoupletDevice *own_device;
    void *code;
    void *arena;
    void *staging;
    /* By buffer: its memory. NULL for states, and for inputs if the device is the host. */
    void **places;
    void **copies; /* by buffer: a copy of an output on the host, made when it is first asked for */
    void *tables;  /* the memory of constants that were packed */
    Feed *feeds;   /* by input */
    void *const *inputs;
    void *const *states;
    double *milliseconds;
    CoupletExchanges *exchanges; /* the exchanges with other ranks; NULL: the run is not cut */
    CoupletPart *part;           /* the layout of this rank's memory; NULL: the plan's layout */
    bool (*whole_inputs)(void *context);
    void *whole_context;
    const volatile sig_atomic_t *stop; /* NULL: nothing ends the steps early */
    bool stopped;
    CoupletWatch watch;
    void *watch_context;
    CoupletFinding finding; /* the finding that stopped the run */
    char sentence[900];     /* the sentence about it */
};

int64_t couplet_buffer_bytes(const CoupletBuffer *buffer);
/* Returns the bytes of a row, which is an entry of the first axis. */
int64_t couplet_run_row_bytes(const CoupletBuffer *value);
/* Return the memory of a buffer on the device, and its array on the host, which is that memory or a
 * fresh copy. Return NULL if the device fails, or if memory runs out. */
void *couplet_run_memory(const CoupletRun *run, int number);
const void *couplet_run_on_host(const CoupletRun *run, int number);
bool couplet_run_send_inputs(CoupletRun *run);
bool couplet_run_launch_steps(CoupletRun *run, int first, int count);
/* Copies the device's fault to *fault. Returns false. */
bool couplet_run_fail(CoupletRun *run, CoupletFault *fault);

/* Does all steps whole, with memory for all shards, although the run is cut among ranks. Returns
 * false with the fault. */
bool couplet_run_whole(CoupletRun *run);

/* explain.c: finds the element and the array of a fault. Both functions run steps again, so inputs
 * and states must be unchanged. They return false if nothing more can be said. */
bool couplet_run_explain_fault(CoupletRun *run, int step);
/* Explains a value that is not finite among the results and commits of the last run. `infinite`
 * says that none of them is NaN. Fills *fault and returns false. */
bool couplet_run_explain_value(CoupletRun *run, bool infinite, CoupletFault *fault);
/* Finds the worst value in the results of a step. */
bool couplet_run_step_health(CoupletRun *run, int number, CoupletHealth *worst);

#endif
