/* A pool of threads. Work is a number of tiles. Exactly one thread does each tile, and what a tile
 * writes does not depend on which thread that is. So the same bits come out for any number of
 * threads. */
#ifndef COUPLET_RUNTIME_THREADS_H
#define COUPLET_RUNTIME_THREADS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct CoupletThreads CoupletThreads;

/* A function that does tiles [begin, end). `worker`, 0 .. count - 1, names a thread, which may have
 * scratch of its own. It may be called several times a run. */
typedef void (*CoupletTiles)(void *context, int64_t begin, int64_t end, int worker);

/* Starts `count` threads, the caller's included; 0: one for each core that this process may use.
 * NULL when they cannot be started. */
CoupletThreads *couplet_threads_new(int count);
int couplet_threads_count(const CoupletThreads *threads); /* 1 for NULL */
/* Runs the work, and returns when all tiles are done. It is not re-entrant. If `threads` is NULL,
 * the caller does all tiles. */
void couplet_threads_run(CoupletThreads *threads, int64_t tiles, CoupletTiles work, void *context);
void couplet_threads_free(CoupletThreads *threads);

/* Sets the flag that a signal raises. Work of many parts looks at it between the parts and ends
 * early, without a result. NULL: nothing ends it. */
void couplet_threads_heed(CoupletThreads *threads, const volatile sig_atomic_t *stop);
const volatile sig_atomic_t *couplet_threads_flag(const CoupletThreads *threads);
bool couplet_threads_stopped(const CoupletThreads *threads); /* false for NULL */

#endif
