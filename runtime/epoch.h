/* `every epoch`: sweeps of a data set, clustering, and what else stands between two epochs. */
#ifndef COUPLET_RUNTIME_EPOCH_H
#define COUPLET_RUNTIME_EPOCH_H

#include "runtime/session.h"
#include "runtime/sources.h"

/* Does the phase's actions in order, each upon the states that the one before it left. False with a sentence; a state is then whole, old or new. */
bool couplet_epoch_begin(CoupletSession *session, const CoupletPhase *phase, CoupletSources *sources, char *error, size_t error_bytes);

#endif
