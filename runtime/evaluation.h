/* The evaluations of a method's `eval` block, on its sources. */
#ifndef COUPLET_RUNTIME_EVALUATION_H
#define COUPLET_RUNTIME_EVALUATION_H

#include "runtime/data/table.h"
#include "runtime/evaluate.h"
#include "runtime/session.h"
#include "runtime/shares.h"

typedef enum {
    COUPLET_RAW,
    COUPLET_BEFORE_TRAINING,
    COUPLET_IN_TRAINING,
    COUPLET_AFTER_TRAINING,
    COUPLET_SUBJECTS
} CoupletSubject;
/* The name of a subject: "raw pixels" if features are made of bytes and else "raw values", "before
 * training", "in training", "after training". */
const char *couplet_subject_name(const CoupletProgram *program, const CoupletTable *data,
                                 CoupletSubject subject);
/* The subject of this name; COUPLET_SUBJECTS: there is none. */
CoupletSubject couplet_subject_of(const char *name);

/* True if every evaluation can be made of these data: the bank has rows enough for k, and the
 * temperature is above 0. `data` has an entry for each of the program's sources. False with a
 * sentence in `error`. */
bool couplet_evaluations_fit(const CoupletProgram *program, const CoupletTable *data, char *error,
                             size_t error_bytes);
/* True if all samples of the bank of an evaluation have one class, so that it tells nothing
 * apart. */
bool couplet_evaluation_has_one_class(const CoupletEval *eval, const CoupletTable *data);
/* True for an evaluation that learns the labels of the bank, by neighbours or a classifier. */
bool couplet_eval_learns(const CoupletEval *eval);
/* The number of samples of the query whose class no sample of the bank has, so that an evaluation
 * that learns tells them wrongly, and the name of the first such class. */
int64_t couplet_evaluation_strangers(const CoupletEval *eval, const CoupletTable *data, char *name,
                                     size_t bytes);
/* The result of an evaluation. */
typedef struct CoupletResult {
    double value;
    CoupletShares by_class; /* of one that is asked class by class; else without classes */
} CoupletResult;
/* Measures every evaluation for one subject, or those that are due at a moment of the training,
 * where that is not NULL. results[i] is that of program->evals[i], zero or of a call before.
 * couplet_results_free ends the last of them. False with a sentence, or with an empty one if a
 * signal ended it. */
bool couplet_measure(CoupletSession *session, const CoupletTable *data, CoupletSubject subject,
                     const CoupletMoment *moment, CoupletResult *results, char *error,
                     size_t error_bytes);
void couplet_results_free(CoupletResult *results, int count);
/* True if the evaluation is due at the moment; NULL: all are. */
bool couplet_eval_is_due(const CoupletEval *eval, const CoupletMoment *moment);
/* The answer of an evaluation to each query, once training has ended. */
typedef struct CoupletTold {
    CoupletFeatures bank, query; /* with their classes, 0 .. class_count - 1, as labels */
    int64_t class_count,
        named;      /* the classes behind the first `named` are those of the query alone */
    char **names;   /* [named]: what the classes are called, or the values of the field */
    int32_t *guess; /* [queries]: the class that each is told to be */
    /* [queries, near_count] of an evaluation by neighbours, the nearest first; else NULL. */
    CoupletNear *near;
    int64_t near_count;
} CoupletTold;
/* True for an evaluation whose result is a percentage; the others are plain numbers. */
bool couplet_eval_is_percent(const CoupletEval *eval);
/* True for an evaluation that tells each query to be of a class. */
bool couplet_eval_tells(const CoupletEval *eval);
/* Makes the features of evaluation `number` and tells each query; it is one that
 * tells. False with a sentence, or with an
 * empty one if a signal ended it. couplet_told_free in any case. */
bool couplet_evaluation_tell(CoupletSession *session, const CoupletTable *data, int number,
                             CoupletTold *out, char *error, size_t error_bytes);
void couplet_told_free(CoupletTold *told);
/* Writes the name of an evaluation: "kNN (k = 20)", "linear probe". If another evaluation of the
 * program had the same name, the features follow: "kNN (k = 20), words.trunk". If samples of the
 * query are in the bank, the name says what was done about them: neighbours leave such a sample
 * itself out, and the probe has been fitted to it. */
void couplet_eval_name(const CoupletProgram *program, int number, const CoupletTable *data,
                       char *out, size_t bytes);

#endif
