/* The threads that formulas run on, shared by the whole process. A run has them to itself, so runs
 * of several callers follow each other. A child of fork has none of its parent's threads and starts
 * its own. */
#ifndef COUPLET_LIBRARY_WORKERS_H
#define COUPLET_LIBRARY_WORKERS_H

#include "runtime/threads.h"

/* Waits until no other run is under way, and returns a pool of so many threads (0: one for each
 * core) until workers_leave. Returns NULL, with nothing to leave, if they cannot be started.
 * *process counts the forks. A pool that was returned with another count does not exist in this
 * process. */
CoupletThreads *workers_enter(int threads, unsigned *process);
void workers_leave(void);

/* Begins a compilation. There is one at a time, since each uses all cores itself. */
void library_compiling_begin(void);
void library_compiling_end(void);

#endif
