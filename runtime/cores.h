/* Threads of a pool on cores of their own. A kernel of the operating system may wake a worker on the core of the thread that woke it, and leaves both there
 * for milliseconds while another core is idle: a run of that length then takes twice its time. So each thread says where it is, and one that meets another of
 * lower number on its core moves to a free one. Threads are not bound: between runs they may be moved as always. */
#ifndef COUPLET_RUNTIME_CORES_H
#define COUPLET_RUNTIME_CORES_H

typedef struct CoupletCores CoupletCores;

/* For `threads` threads; NULL when there is nothing to do (fewer cores than threads) or no memory: the others take NULL. */
CoupletCores *couplet_cores_new(int threads);
/* Called by thread `number` at the start of its part of a run. Thread 0, the caller's own, is never moved. */
void couplet_cores_settle(CoupletCores *cores, int number);
/* Where it was then; -1 before the first time. */
int couplet_cores_last(const CoupletCores *cores, int number);
void couplet_cores_free(CoupletCores *cores);
/* The cores this process may use. */
int couplet_cores_count(void);

#endif
