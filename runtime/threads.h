/* One pool of threads. Work is a count of tiles; each tile is done by exactly one thread, and what a tile writes does not depend on
 * which, so that the same bits come out for any number of threads. */
#ifndef COUPLET_RUNTIME_THREADS_H
#define COUPLET_RUNTIME_THREADS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct CoupletThreads CoupletThreads;

/* Does tiles [begin, end); `worker` is 0 .. count-1 and names a thread, for scratch of its own. May be called several times a run. */
typedef void (*CoupletTiles)(void *context, int64_t begin, int64_t end, int worker);

/* `count` threads, the caller's included; 0: one for each core this process may use. NULL when they cannot be started. */
CoupletThreads *couplet_threads_new(int count);
int couplet_threads_count(const CoupletThreads *threads); /* 1 for NULL */
/* Returns when all tiles are done. Not re-entrant. NULL threads: all on the caller. */
void couplet_threads_run(CoupletThreads *threads, int64_t tiles, CoupletTiles work, void *context);
void couplet_threads_free(CoupletThreads *threads);

/* A flag that a signal sets. Work of many parts looks at it between them and ends early, without a result; NULL: nothing ends it. */
void couplet_threads_heed(CoupletThreads *threads, const volatile sig_atomic_t *stop);
bool couplet_threads_stopped(const CoupletThreads *threads); /* false for NULL */

#endif
