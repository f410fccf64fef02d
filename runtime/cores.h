/* Keeps the threads of a pool on cores of their own. An operating system may wake a worker on the
 * core of the thread that woke it, and leave both there for milliseconds while another core is
 * idle. A run of that length then takes twice its time. So each thread says where it is, and a
 * thread that meets one of lower number on its core moves to a free core. Threads are not bound:
 * between runs they may be moved as always. */
#ifndef COUPLET_RUNTIME_CORES_H
#define COUPLET_RUNTIME_CORES_H

typedef struct CoupletCores CoupletCores;

/* Makes the table for `threads` threads. NULL when there is nothing to do, because there are fewer
 * cores than threads, or when memory is out. The other functions take NULL. */
CoupletCores *couplet_cores_new(int threads);
/* Called by thread `number` at the start of its part of a run. Thread 0, the caller's own, is never
 * moved. */
void couplet_cores_settle(CoupletCores *cores, int number);
/* The core on which a thread last said to be; -1 before the first time. */
int couplet_cores_last(const CoupletCores *cores, int number);
void couplet_cores_free(CoupletCores *cores);
/* The number of cores that this process may use. */
int couplet_cores_count(void);

#endif
