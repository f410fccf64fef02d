/* `every epoch` and the statements of `eval`: sweeps of a data set, clustering, and whatever else
 * is no step. */
#ifndef COUPLET_RUNTIME_EPOCH_H
#define COUPLET_RUNTIME_EPOCH_H

#include "runtime/session.h"
#include "runtime/sources.h"

/* Hears each number that is reported, as it is made. `tell` returns false to end the work, and has
 * then left the sentence. */
typedef struct CoupletReports {
    bool (*tell)(void *context, const CoupletAction *action, const char *name, double value);
    void *context;
} CoupletReports;

/* True if actions of the phase are due before the step that the session has come to. `into` steps
 * of its stage were made, and an epoch has `per_epoch`. */
bool couplet_work_is_due(const CoupletSession *session, const CoupletPhase *phase, int64_t into,
                         int64_t per_epoch);
/* Does the actions that are due in order, each upon the states that the action before left. False
 * with a sentence, or with an empty one if a signal ended the work. Each state is then whole, old
 * or new. */
bool couplet_work_do(CoupletSession *session, const CoupletPhase *phase, int64_t into,
                     int64_t per_epoch, CoupletSources *sources, const CoupletReports *reports,
                     char *error, size_t error_bytes);
/* Does the program's measures likewise, or those that are due at a moment of the training, where
 * that is not NULL. Behind each block of them every state is what it was. */
bool couplet_measures_make(CoupletSession *session, CoupletSources *sources,
                           const CoupletMoment *moment, const CoupletReports *reports, char *error,
                           size_t error_bytes);
bool couplet_measure_is_due(const CoupletAction *measure, const CoupletMoment *moment);
/* The name of a value that an action reports, by its number; NULL: there are fewer. */
const char *couplet_action_reports(const CoupletAction *action, int number);
/* The number of values that the measures report, and the name of each, with the action that reports
 * it, unless `by` is NULL. They come in this order. */
int couplet_measures_count(const CoupletProgram *program);
const char *couplet_measures_name(const CoupletProgram *program, int number,
                                  const CoupletAction **by);

#endif
