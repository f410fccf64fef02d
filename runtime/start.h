/* --start: a new run begins from what another one has learned. */
#ifndef COUPLET_RUNTIME_START_H
#define COUPLET_RUNTIME_START_H

#include "runtime/session.h"

/* Gives the parameters and the states of the session, of networks and of the method, what the arrays of another run hold under the same names, where type and shape agree; the rest starts as the spec
 * says. What optimisers and queues keep is of the run that made it, and stays there. `from` is a run folder, a checkpoint, or any file of safetensors. `say` is told in lines what was taken and what was
 * not. False with a sentence: the file is damaged or no such file, nothing in it fits, or it holds numbers that are not finite; the session is then as it was. */
bool couplet_session_start(CoupletSession *session, const char *from, void (*say)(void *context, const char *line), void *context, char *error, size_t error_bytes);

#endif
