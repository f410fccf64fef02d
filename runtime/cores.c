/* Keeps the threads of the pool on different cores (cores.h says why). Each thread writes its core
 * into a table. It moves if a thread of lower number is there, by binding itself to the free cores
 * for a moment.
 *
 * The table may be out of date, which costs time and never gives a wrong result. */
#include "runtime/cores.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct CoupletCores {
    cpu_set_t allowed;
    int threads;
    _Atomic int on[]; /* by thread: the core that it noted last; -1: none yet */
};

int couplet_cores_count(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

CoupletCores *couplet_cores_new(int threads) {
    if (threads < 2 || couplet_cores_count() < threads) return NULL;
    CoupletCores *cores = malloc(sizeof *cores + (size_t)threads * sizeof *cores->on);
    if (!cores) return NULL;
    cores->threads = threads;
    for (int i = 0; i < threads; i++)
        atomic_init(&cores->on[i], -1);
    if (sched_getaffinity(0, sizeof cores->allowed, &cores->allowed) == 0) return cores;
    free(cores);
    return NULL;
}

int couplet_cores_last(const CoupletCores *cores, int number) {
    return atomic_load_explicit(&cores->on[number], memory_order_relaxed);
}

static int taken_before(CoupletCores *cores, int number, int core) {
    for (int i = 0; i < number; i++)
        if (couplet_cores_last(cores, i) == core) return 1;
    return 0;
}

static cpu_set_t without(CoupletCores *cores, int from, int to, int itself, cpu_set_t set) {
    for (int i = from; i < to; i++) {
        int core = couplet_cores_last(cores, i);
        if (i != itself && core >= 0 && core < CPU_SETSIZE) {
            CPU_CLR(core, &set);
        }
    }
    return set;
}

/* Binds the thread for a moment to the cores that no other thread is on, which moves it at once.
 * Notes of threads with higher numbers may be out of date; those threads give way. */
static int move(CoupletCores *cores, int number) {
    const cpu_set_t open = without(cores, 0, number, number, cores->allowed);
    const cpu_set_t best = without(cores, number, cores->threads, number, open);
    const cpu_set_t *to = CPU_COUNT(&best) > 0 ? &best : &open;
    if (CPU_COUNT(to) > 0 && sched_setaffinity(0, sizeof *to, to) == 0)
        sched_setaffinity(0, sizeof cores->allowed, &cores->allowed);
    return sched_getcpu();
}

void couplet_cores_settle(CoupletCores *cores, int number) {
    if (!cores) return;
    int core = sched_getcpu();
    if (taken_before(cores, number, core)) core = move(cores, number);
    if (couplet_cores_last(cores, number) != core)
        atomic_store_explicit(&cores->on[number], core, memory_order_relaxed);
}

void couplet_cores_free(CoupletCores *cores) {
    free(cores);
}
