/* `start PART from "FILE"`: takes arrays from files of other runs and other libraries into a new
 * run. */
#ifndef COUPLET_RUNTIME_WEIGHTS_H
#define COUPLET_RUNTIME_WEIGHTS_H

#include "runtime/data/place.h"
#include "runtime/session.h"

/* Takes the arrays that the method's `start` statements name. Either every parameter and state of a
 * part is taken, or nothing is. If the file lacks an array, has it with another shape, or holds
 * numbers in it that are not finite, the function fails with a sentence, and the session is
 * unchanged. A line reports each array of the file that has no place in the part. Elements of 16
 * and 64 bits become float32.
 *
 * An array's name in the file is the one in the statement; else its own name, with or without the
 * name of the part; else its name in that family of runtime/weight_names.def of which the file has
 * the most names. hashes[i] is the hash of the file of statement i, for the record of the run.
 * `say` receives lines about what was taken. Returns false with a sentence. */
bool couplet_weights_take(CoupletSession *session, const CoupletPlaces *places, uint64_t *hashes,
                          void (*say)(void *context, const char *line), void *context, char *error,
                          size_t error_bytes);

#endif
