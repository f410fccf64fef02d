/* A pool of threads. Work is a number of tiles, and each tile is done by exactly one thread. What a
 * tile writes does not depend on the thread, so the bits are the same for any number of threads. */
#ifndef COUPLET_RUNTIME_THREADS_H
#define COUPLET_RUNTIME_THREADS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct CoupletThreads CoupletThreads;

/* A function that does the tiles [begin, end). `worker`, 0 .. count - 1, names a thread, which may
 * have scratch of its own. The function may be called several times in a run. */
typedef void (*CoupletTiles)(void *context, int64_t begin, int64_t end, int worker);

/* Starts `count` threads, of which the caller is one. 0: one for each core that this process may
 * use. Returns NULL if they cannot be started. */
CoupletThreads *couplet_threads_new(int count);
/* Returns the number of threads; 1 for NULL. */
int couplet_threads_count(const CoupletThreads *threads);
/* Runs the work, and returns when all tiles are done. Not re-entrant. If `threads` is NULL, the
 * caller does all tiles. */
void couplet_threads_run(CoupletThreads *threads, int64_t tiles, CoupletTiles work, void *context);
void couplet_threads_free(CoupletThreads *threads);

/* Sets the flag that a signal raises. Work of many parts checks it between the parts and ends
 * early, without a result. NULL: nothing ends the work. */
void couplet_threads_heed(CoupletThreads *threads, const volatile sig_atomic_t *stop);
const volatile sig_atomic_t *couplet_threads_flag(const CoupletThreads *threads);
/* True if the flag is raised; false for NULL. */
bool couplet_threads_stopped(const CoupletThreads *threads);

#endif
