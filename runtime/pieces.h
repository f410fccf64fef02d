/* Several pieces of work as one run of the pool: the kernels of a launch with their tiles, or the
 * arrays that a step leaves behind. */
#ifndef COUPLET_RUNTIME_PIECES_H
#define COUPLET_RUNTIME_PIECES_H

#include "runtime/threads.h"

/* A function that does the part [begin, end) of work number `number`. `worker` is as in
 * threads.h. */
typedef void (*CoupletPiece)(void *context, int number, int64_t begin, int64_t end, int worker);

/* Does [0, lengths[i]) of each work i, cut only at multiples of `piece`. Returns when all is
 * done. */
void couplet_pieces_run(CoupletThreads *threads, int count, const int64_t *lengths, int64_t piece,
                        CoupletPiece work, void *context);

#endif
