/* What the executor's files share: plan.c runs the steps, results.c checks and commits what they leave behind. */
#ifndef COUPLET_RUNTIME_RUN_H
#define COUPLET_RUNTIME_RUN_H

#include "runtime/formula.h"
#include "runtime/plan.h"

/* How an input comes to a device that is not the host. */
typedef struct Feed {
    enum { FEED_ARRAY, FEED_ROWS, FEED_RESIDENT } kind;
    const void *table; /* ROWS: what the rows are gathered from */
    void *numbers;     /* ROWS: their numbers, on the device */
} Feed;

struct CoupletRun {
    const CoupletPlan *plan;
    CoupletDevice *device, *own_device;
    void *code;
    void *arena, *staging;
    void **places;  /* by buffer: its memory; NULL for states, and for inputs where the device is the host */
    void **copies;  /* by buffer: outputs on the host, made when they are first asked for */
    void *tables;   /* constants that came packed */
    Feed *feeds;    /* by input */
    void *const *inputs, *const *states;
    double *milliseconds;
    CoupletWatch watch;
    void *watch_context;
    CoupletFinding finding; /* what stopped the run, and */
    char sentence[900];     /* what is said about it */
};

int64_t couplet_buffer_bytes(const CoupletBuffer *buffer);
int64_t couplet_run_row_bytes(const CoupletBuffer *value); /* of its first axis */
/* The memory of a buffer on the device; and the array on the host: where it lies, or a copy made now. NULL when the device fails, or memory runs out. */
void *couplet_run_memory(const CoupletRun *run, int number);
const void *couplet_run_on_host(const CoupletRun *run, int number);
bool couplet_run_send_inputs(CoupletRun *run);
bool couplet_run_launch_steps(CoupletRun *run, int first, int count);
/* Tells what the device met; false. */
bool couplet_run_fail(CoupletRun *run, CoupletFault *fault);

/* explain.c: which element of which array it was. Both run steps again, so that arrays are what they were; inputs and states must be, too. False: nothing more can be said. */
bool couplet_run_explain_fault(CoupletRun *run, int step);
/* Of the results and commits of the last run, of which some are not finite; `infinite`: none of them is NaN. Tells, and returns false. */
bool couplet_run_explain_value(CoupletRun *run, bool infinite, CoupletFault *fault);
/* The health of what a step made. */
bool couplet_run_step_health(CoupletRun *run, int number, CoupletHealth *worst);

#endif
