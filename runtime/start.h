/* --start: a new run begins with what another run has learned. */
#ifndef COUPLET_RUNTIME_START_H
#define COUPLET_RUNTIME_START_H

#include "runtime/session.h"

/* Takes over what another run has learned. Parameters and states of networks and of the method take
 * arrays of the same name, type and shape; all others start as the spec says. The states of
 * optimisers and queues are not taken.
 *
 * `from` is a run folder, a checkpoint, or any safetensors file. `say` receives lines about what
 * was taken and what was not. Returns false with a sentence if the file is damaged or is no such
 * file, if nothing in it fits, or if it holds numbers that are not finite. The session is then
 * unchanged. */
bool couplet_session_start(CoupletSession *session, const char *from,
                           void (*say)(void *context, const char *line), void *context, char *error,
                           size_t error_bytes);

#endif
