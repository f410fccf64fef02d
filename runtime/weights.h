/* `start PART from "FILE"`: what a new run takes from files of other runs and other libraries. */
#ifndef COUPLET_RUNTIME_WEIGHTS_H
#define COUPLET_RUNTIME_WEIGHTS_H

#include "runtime/data/place.h"
#include "runtime/session.h"

/* Takes the arrays that the method's `start` statements name. Every parameter and state of a part
 * is taken, or nothing is: an array that the file lacks, has with another shape or holds no finite
 * numbers in is a sentence with both shapes, and the session is then as it was. An array of the
 * file that has no place in the part is said in a line. Elements of 16 and 64 bits become float32.
 *
 * The name of an array is the one that the statement has for it; else the part's own, with the name
 * of the part or without it; else that of the family of runtime/weight_names.def of which the file
 * has the most. hashes[i] is that of the file of statement i, for the record of the run. `say` is
 * told in lines what was taken. False with a sentence. */
bool couplet_weights_take(CoupletSession *session, const CoupletPlaces *places, uint64_t *hashes,
                          void (*say)(void *context, const char *line), void *context, char *error,
                          size_t error_bytes);

#endif
