/* The values that steps give by a name (`give NAME = E`): the outputs "given NAME" of their
 * plans. */
#ifndef COUPLET_RUNTIME_GIVEN_H
#define COUPLET_RUNTIME_GIVEN_H

#include "runtime/executor.h"

/* The number-th array that steps of the program give, each name once over all phases; NULL when
 * there are fewer. *buffer: its type and shape; may be NULL. */
const char *couplet_given(const CoupletProgram *program, int number, const CoupletBuffer **buffer);
/* The output of the plan that is given by this name; NULL: it gives none such. */
const CoupletNamed *couplet_given_output(const CoupletPlan *plan, const char *name);
/* Writes what the run's last step gave into the folder `given` of a run folder, NAME-STEP.npy each,
 * float32 or int32. False with a sentence. */
bool couplet_given_write(const CoupletRun *run, const CoupletPlan *plan, int64_t step,
                         const char *folder, char *error, size_t error_bytes);

#endif
