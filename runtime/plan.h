/* Runs a plan: one arena, the steps in order. */
#ifndef COUPLET_RUNTIME_PLAN_H
#define COUPLET_RUNTIME_PLAN_H

#include "runtime/abi.h"

typedef struct CoupletRun CoupletRun; /* a plan with its arena; the plan must outlive it */

/* NULL when memory runs out: plan->arena_bytes are needed. */
CoupletRun *couplet_run_new(const CoupletPlan *plan);
/* `inputs[i]` is the array of plan->inputs[i], of that buffer's type and shape. Allocates nothing. NULL when all went well, else the fault that a
 * kernel met (an empty mean, an index out of range); outputs are then worth nothing. */
const CoupletFault *couplet_run_steps(CoupletRun *run, void *const *inputs);
/* The array of an output, in the arena: valid until the next couplet_run_steps; NULL when there is no such output. */
const void *couplet_run_output(const CoupletRun *run, const char *name);
void couplet_run_free(CoupletRun *run);

#endif
