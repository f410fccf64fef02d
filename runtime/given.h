/* The values that steps give by a name (`give NAME = E`): the outputs "given NAME" of their
 * plans. */
#ifndef COUPLET_RUNTIME_GIVEN_H
#define COUPLET_RUNTIME_GIVEN_H

#include "runtime/executor.h"

/* Returns the name of the array with number `number` that steps of the program give, or NULL if
 * there are fewer. Each name counts once over all phases. *buffer is set to its type and shape,
 * unless `buffer` is NULL. */
const char *couplet_given(const CoupletProgram *program, int number, const CoupletBuffer **buffer);
/* Returns the output of the plan that is given by this name, or NULL. */
const CoupletNamed *couplet_given_output(const CoupletPlan *plan, const char *name);
/* Writes what the run's last step gave into the folder `given` of a run folder, each as
 * NAME-STEP.npy of float32 or int32. Returns false with a sentence. */
bool couplet_given_write(const CoupletRun *run, const CoupletPlan *plan, int64_t step,
                         const char *folder, char *error, size_t error_bytes);

#endif
