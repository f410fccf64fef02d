/* The `eval` block of a method, on its sources. */
#ifndef COUPLET_RUNTIME_EVALUATION_H
#define COUPLET_RUNTIME_EVALUATION_H

#include "runtime/data/table.h"
#include "runtime/session.h"

typedef enum { COUPLET_RAW, COUPLET_BEFORE_TRAINING, COUPLET_AFTER_TRAINING, COUPLET_SUBJECTS } CoupletSubject;
/* "raw pixels" where features are made of bytes, "raw values" of other fields; "before training", "after training". */
const char *couplet_subject_name(const CoupletProgram *program, const CoupletTable *data, CoupletSubject subject);
CoupletSubject couplet_subject_of(const char *name); /* COUPLET_SUBJECTS: of none */

/* True if every evaluation can be made of these data: a k of which the bank has enough rows, a temperature above 0. False
 * with a sentence in `error`. `data` has an entry for each of the program's sources. */
bool couplet_evaluations_fit(const CoupletProgram *program, const CoupletTable *data, char *error, size_t error_bytes);
/* True if all samples of the bank of an evaluation have one class: it tells nothing apart then. */
bool couplet_evaluation_has_one_class(const CoupletEval *eval, const CoupletTable *data);
/* Measures every evaluation for one subject: percents[i] is that of program->evals[i]. False with a sentence, or without one where a signal ended it. */
bool couplet_measure(CoupletSession *session, const CoupletTable *data, CoupletSubject subject, double *percents,
                     char *error, size_t error_bytes);
/* "kNN (k = 20)", "linear probe"; where another evaluation of the program would have the same name, with its features, "kNN (k = 20), words.trunk". When samples of the
 * query are in the bank, it says what was done about them: neighbours leave such a sample itself out, and the probe has been fitted to it. */
void couplet_eval_name(const CoupletProgram *program, int number, const CoupletTable *data, char *out, size_t bytes);

#endif
