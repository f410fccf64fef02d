/* Keeps the threads of a pool on different cores. An operating system may wake a worker on the core
 * of the thread that woke it, and leave both there for milliseconds while another core is idle. A
 * run of that length then takes twice its time. So each thread notes its core, and a thread that
 * finds one of lower number on its core moves to a free core. Threads are not bound: between runs
 * the system may move them as usual. */
#ifndef COUPLET_RUNTIME_CORES_H
#define COUPLET_RUNTIME_CORES_H

typedef struct CoupletCores CoupletCores;

/* Makes the table for `threads` threads. Returns NULL if there are fewer cores than threads, so
 * that there is nothing to do, or if memory is out. The other functions accept NULL. */
CoupletCores *couplet_cores_new(int threads);
/* Is called by thread `number` at the start of its part of a run. Thread 0, which is the caller's
 * own, is never moved. */
void couplet_cores_settle(CoupletCores *cores, int number);
/* Returns the core that a thread noted last, or -1 before the first time. */
int couplet_cores_last(const CoupletCores *cores, int number);
void couplet_cores_free(CoupletCores *cores);
/* Returns the number of cores that this process may use. */
int couplet_cores_count(void);

#endif
