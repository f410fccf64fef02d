/* The `eval` block of a method, on its data sets. */
#ifndef COUPLET_RUNTIME_EVALUATION_H
#define COUPLET_RUNTIME_EVALUATION_H

#include "runtime/session.h"

enum { COUPLET_MAX_EVALS = 16 };

typedef enum { COUPLET_RAW_PIXELS, COUPLET_BEFORE_TRAINING, COUPLET_AFTER_TRAINING, COUPLET_SUBJECTS } CoupletSubject;
extern const char *const couplet_subject_names[COUPLET_SUBJECTS]; /* "raw pixels", "before training", "after training" */

/* Percentages by eval and subject; negative: not measured. */
typedef struct CoupletResults {
    double percent[COUPLET_MAX_EVALS][COUPLET_SUBJECTS];
} CoupletResults;

void couplet_results_clear(CoupletResults *results);
/* Measures every eval for one subject. `data` has an entry for each of the program's sources. */
bool couplet_measure(CoupletSession *session, const CoupletDataset *data, CoupletSubject subject, CoupletResults *results, char *error, size_t error_bytes);
/* "kNN (k = 20)", "linear probe" */
void couplet_eval_name(const CoupletEval *eval, char *out, size_t bytes);

#endif
