/* --start: a new run begins from what another one has learned. */
#ifndef COUPLET_RUNTIME_START_H
#define COUPLET_RUNTIME_START_H

#include "runtime/session.h"

/* Takes over what another run has learned. Parameters and states of networks and of the method take
 * the arrays of the same name, type and shape; all others start as the spec says. What optimisers
 * and queues hold belongs to the run that made it, and stays there.
 *
 * `from` is a run folder, a checkpoint, or any file of safetensors. `say` is told in lines what was
 * taken and what was not. False with a sentence when the file is damaged or is no such file, when
 * nothing in it fits, or when it holds numbers that are not finite. The session is then as it
 * was. */
bool couplet_session_start(CoupletSession *session, const char *from,
                           void (*say)(void *context, const char *line), void *context, char *error,
                           size_t error_bytes);

#endif
