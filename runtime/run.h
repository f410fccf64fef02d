/* Shared by the files of the executor: executor.c runs the steps, results.c checks and commits what
 * they leave behind, explain.c says what stopped them. */
#ifndef COUPLET_RUNTIME_RUN_H
#define COUPLET_RUNTIME_RUN_H

#include "runtime/executor.h"
#include "runtime/formula.h"
#include "runtime/part.h"
#include "runtime/ranks.h"

/* The way in which an input comes to a device that is not the host. */
typedef struct Feed {
    enum { FEED_ARRAY, FEED_ROWS, FEED_RESIDENT } kind;
    const void *table; /* ROWS: the array that the rows are gathered from */
    void *numbers;     /* ROWS: the numbers of the rows, on the device */
} Feed;

struct CoupletRun {
    const CoupletPlan *plan;
    CoupletDevice *device, *own_device;
    void *code;
    void *arena, *staging;
    /* By buffer: its memory. NULL for states, and for inputs if the device is the host. */
    void **places;
    void **copies; /* by buffer: outputs on the host, made when they are first asked for */
    void *tables;  /* constants that came packed */
    Feed *feeds;   /* by input */
    void *const *inputs, *const *states;
    double *milliseconds;
    CoupletExchanges *exchanges; /* with other ranks; NULL: the run is not cut */
    CoupletPart *part;           /* how memory lies; NULL: as the plan says */
    bool (*whole_inputs)(void *context);
    void *whole_context;
    const volatile sig_atomic_t *stop; /* NULL: nothing ends the steps half way */
    bool stopped;
    CoupletWatch watch;
    void *watch_context;
    CoupletFinding finding; /* the finding that stopped the run */
    char sentence[900];     /* the sentence about it */
};

int64_t couplet_buffer_bytes(const CoupletBuffer *buffer);
/* The bytes of a row, which is an entry of the first axis. */
int64_t couplet_run_row_bytes(const CoupletBuffer *value);
/* The memory of a buffer on the device, and its array on the host, which is the memory itself or a
 * copy made now. NULL when the device fails, or memory runs out. */
void *couplet_run_memory(const CoupletRun *run, int number);
const void *couplet_run_on_host(const CoupletRun *run, int number);
bool couplet_run_send_inputs(CoupletRun *run);
bool couplet_run_launch_steps(CoupletRun *run, int first, int count);
/* Puts what the device met into *fault. Returns false. */
bool couplet_run_fail(CoupletRun *run, CoupletFault *fault);

/* Does all steps whole, where the run is cut among ranks, with memory for all shards. False with
 * the fault that this meets. */
bool couplet_run_whole(CoupletRun *run);

/* explain.c: finds the element and the array of a fault. Both functions run steps again, so that
 * arrays are what they were; inputs and states must still be. False: nothing more can be said. */
bool couplet_run_explain_fault(CoupletRun *run, int step);
/* Explains a value among the results and commits of the last run that is not finite; `infinite`
 * says that none of them is NaN. Fills *fault, and returns false. */
bool couplet_run_explain_value(CoupletRun *run, bool infinite, CoupletFault *fault);
/* The worst value in what a step made. */
bool couplet_run_step_health(CoupletRun *run, int number, CoupletHealth *worst);

#endif
