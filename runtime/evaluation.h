/* The `eval` block of a method, on its data sets. */
#ifndef COUPLET_RUNTIME_EVALUATION_H
#define COUPLET_RUNTIME_EVALUATION_H

#include "runtime/session.h"

typedef enum { COUPLET_RAW_PIXELS, COUPLET_BEFORE_TRAINING, COUPLET_AFTER_TRAINING, COUPLET_SUBJECTS } CoupletSubject;
extern const char *const couplet_subject_names[COUPLET_SUBJECTS]; /* "raw pixels", "before training", "after training" */

/* True if every evaluation can be made of these data: a k of which the bank has enough rows, a temperature above 0. False
 * with a sentence in `error`. `data` has an entry for each of the program's sources. */
bool couplet_evaluations_fit(const CoupletProgram *program, const CoupletDataset *data, char *error, size_t error_bytes);
/* Measures every evaluation for one subject: percents[i] is that of program->evals[i]. */
bool couplet_measure(CoupletSession *session, const CoupletDataset *data, CoupletSubject subject, double *percents,
                     char *error, size_t error_bytes);
/* "kNN (k = 20)", "linear probe"; and, when images of the query are in the bank, what was done about them: neighbours leave
 * such an image itself out, and the probe has been fitted to it. */
void couplet_eval_name(const CoupletEval *eval, const CoupletProgram *program, const CoupletDataset *data, char *out, size_t bytes);

#endif
