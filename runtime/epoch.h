/* The work between steps: `every epoch` and the statements of `eval`, with sweeps of a data set and
 * clustering. */
#ifndef COUPLET_RUNTIME_EPOCH_H
#define COUPLET_RUNTIME_EPOCH_H

#include "runtime/session.h"
#include "runtime/sources.h"

/* Receives each number that is reported, as soon as it is known. `tell` may return false, with a
 * sentence, to end the work. */
typedef struct CoupletReports {
    bool (*tell)(void *context, const CoupletAction *action, const char *name, double value);
    void *context;
} CoupletReports;

/* True if actions of the phase are due before the step that the session has reached. `into` is the
 * number of steps made in its stage, and `per_epoch` that of an epoch. */
bool couplet_work_is_due(const CoupletSession *session, const CoupletPhase *phase, int64_t into,
                         int64_t per_epoch);
/* Does the due actions, in order. Each sees the states that the one before left. Returns false with
 * a sentence, or with an empty one if a signal ended the work. Each state is then whole, old or
 * new. */
bool couplet_work_do(CoupletSession *session, const CoupletPhase *phase, int64_t into,
                     int64_t per_epoch, CoupletSources *sources, const CoupletReports *reports,
                     char *error, size_t error_bytes);
/* Does the program's measures likewise. If the moment is not NULL, only those are done that are due
 * then. After each block of them every state is as it was. */
bool couplet_measures_make(CoupletSession *session, CoupletSources *sources,
                           const CoupletMoment *moment, const CoupletReports *reports, char *error,
                           size_t error_bytes);
bool couplet_measure_is_due(const CoupletAction *measure, const CoupletMoment *moment);
/* Returns the name of reported value `number` of an action, or NULL if there are fewer. */
const char *couplet_action_reports(const CoupletAction *action, int number);
/* Return the number of values that the measures report, and the name of value `number`, in the
 * order in which they are reported. `by`, if not NULL, is set to the action that reports it. */
int couplet_measures_count(const CoupletProgram *program);
const char *couplet_measures_name(const CoupletProgram *program, int number,
                                  const CoupletAction **by);

#endif
