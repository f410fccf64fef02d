/* `every epoch`, and the statements of `eval`: sweeps of a data set, clustering, and what else is no step. */
#ifndef COUPLET_RUNTIME_EPOCH_H
#define COUPLET_RUNTIME_EPOCH_H

#include "runtime/session.h"
#include "runtime/sources.h"

/* Is told each number that is reported, as it is made; false ends the work, and who says so has left the sentence. */
typedef struct CoupletReports {
    bool (*tell)(void *context, const char *name, double value);
    void *context;
} CoupletReports;

/* Does the phase's actions in order, each upon the states that the one before it left. False with a sentence, or without one where a signal ended it; a state is then whole, old or new. */
bool couplet_epoch_begin(CoupletSession *session, const CoupletPhase *phase, CoupletSources *sources, const CoupletReports *reports, char *error, size_t error_bytes);
/* The same for the program's measures; behind them every state is what it was. */
bool couplet_measures_make(CoupletSession *session, CoupletSources *sources, const CoupletReports *reports, char *error, size_t error_bytes);
/* How many numbers the measures report, and the name of one; they come in this order. */
int couplet_measures_count(const CoupletProgram *program);
const char *couplet_measures_name(const CoupletProgram *program, int number);

#endif
