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
/* Returns the name of a subject: "raw pixels" (or "raw values" if features are not made of bytes),
 * "before training", "in training" or "after training". */
const char *couplet_subject_name(const CoupletProgram *program, CoupletSubject subject);
/* Returns the subject of this name, or COUPLET_SUBJECTS if there is none. */
CoupletSubject couplet_subject_of(const char *name);

/* True if every evaluation is possible with these data: the bank has rows enough for k, and the
 * temperature is above 0. `data` has an entry for each of the program's sources. Returns false with
 * a sentence in `error`. */
bool couplet_evaluations_fit(const CoupletProgram *program, const CoupletTable *data, char *error,
                             size_t error_bytes);
/* True if all samples of an evaluation's bank have one class, so that nothing can be learned. */
bool couplet_evaluation_has_one_class(const CoupletEval *eval, const CoupletTable *data);
/* True for an evaluation that learns the labels of the bank, by neighbours or by a classifier. */
bool couplet_eval_learns(const CoupletEval *eval);
/* Returns the number of query samples whose class no sample of the bank has, and the name of the
 * first such class. An evaluation that learns must predict these samples wrongly. */
int64_t couplet_evaluation_strangers(const CoupletEval *eval, const CoupletTable *data, char *name,
                                     size_t bytes);

/* The result of an evaluation. */
typedef struct CoupletResult {
    double value;
    /* The result for each class, if the evaluation is by class; else without classes. */
    CoupletShares by_class;
} CoupletResult;
/* Does every evaluation for one subject. If the moment is not NULL, only those are done that are
 * due then. results[i] is the result of program->evals[i]; at the first call it must be zero, and
 * later it may hold the result of an earlier call. couplet_results_free frees the last results.
 * Returns false with a sentence, or with an empty one if a signal ended the work. */
bool couplet_measure(CoupletSession *session, const CoupletTable *data, CoupletSubject subject,
                     const CoupletMoment *moment, CoupletResult *results, char *error,
                     size_t error_bytes);
void couplet_results_free(CoupletResult *results, int count);
/* True if the evaluation is due at the moment. NULL: always true. */
bool couplet_eval_is_due(const CoupletEval *eval, const CoupletMoment *moment);
/* The prediction of an evaluation for each query, after the training. */
typedef struct CoupletTold {
    CoupletFeatures bank, query; /* rows whose labels are their classes, 0 .. class_count - 1 */
    int64_t class_count,
        /* The number of named classes; the classes behind them occur in the query alone. */
        named;
    char **names;   /* [named]: the names of the classes, or the values of the field */
    int32_t *guess; /* [queries]: the class predicted for each query */
    /* [queries, near_count] for an evaluation by neighbours, nearest first; else NULL. */
    CoupletNear *near;
    int64_t near_count;
} CoupletTold;
/* True if the result of the evaluation is a percentage. False: it is a plain number. */
bool couplet_eval_is_percent(const CoupletEval *eval);
/* True if the least result is the best. */
bool couplet_eval_is_cost(const CoupletEval *eval);
/* True if the evaluation predicts a class for each query. */
bool couplet_eval_tells(const CoupletEval *eval);
/* Makes the features for evaluation `number`, which must predict classes, and predicts the class of
 * each query. Returns false with a sentence, or with an empty one if a signal ended the work.
 * couplet_told_free must be called in any case. */
bool couplet_evaluation_tell(CoupletSession *session, const CoupletTable *data, int number,
                             CoupletTold *out, char *error, size_t error_bytes);
void couplet_told_free(CoupletTold *told);
/* Returns the name of an evaluation, such as "kNN (k = 20)" or "linear probe", in memory from
 * malloc, or NULL without memory. If another evaluation
 * of the program would have the same name, the features follow: "kNN (k = 20), words.trunk". If
 * samples of the query are in the bank, the name says how they are treated: neighbours leave the
 * sample itself out, while the probe was fitted to it. */
char *couplet_eval_name(const CoupletProgram *program, int number, const CoupletTable *data);

#endif
