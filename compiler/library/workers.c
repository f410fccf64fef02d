/* Keeps threads for formulas in a process that is not ours. Pools are made once for each number of
 * threads and stay. Runs follow each other, and so do compilations, since each uses all cores
 * itself.
 *
 * After a fork the child has the memory of its parent and none of its threads. It leaves the
 * parent's pools alone and starts its own. The fork waits for a compilation to end, since a
 * child would find it half done. */
#include "compiler/library/workers.h"

#include <pthread.h>
#include <stdlib.h>

typedef struct Pool {
    struct Pool *next;
    int asked;
    CoupletThreads *threads;
} Pool;

static struct {
    pthread_mutex_t running;
    pthread_mutex_t compiling;
    Pool *pools; /* one pool for each number of threads that was asked for; pools are kept */
    unsigned process;
} shared = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, NULL, 0};

/* ---- fork ------------------------------------------------------------------------------------ */

/* Waits before a fork for the end of a compilation, which the child would find half done. */
static void ahead_of_fork(void) {
    pthread_mutex_lock(&shared.compiling);
}
static void in_parent(void) {
    pthread_mutex_unlock(&shared.compiling);
}

/* Forgets the pools in a child, where the parent's threads do not exist and nobody can end them. */
static void in_child(void) {
    pthread_mutex_unlock(&shared.compiling);
    pthread_mutex_init(&shared.running, NULL);
    shared.pools = NULL;
    shared.process++;
}

static void watch_forks(void) {
    pthread_atfork(ahead_of_fork, in_parent, in_child);
}

static void watch_forks_once(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
}

/* ---- threads --------------------------------------------------------------------------------- */

static Pool *find_pool(int asked) {
    for (Pool *pool = shared.pools; pool; pool = pool->next)
        if (pool->asked == asked) return pool;
    return NULL;
}

static Pool *start_pool(int asked) {
    Pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    *pool = (Pool){shared.pools, asked, couplet_threads_new(asked)};
    if (pool->threads) return shared.pools = pool;
    free(pool);
    return NULL;
}

CoupletThreads *workers_enter(int threads, unsigned *process) {
    watch_forks_once();
    pthread_mutex_lock(&shared.running);
    Pool *pool = find_pool(threads);
    if (!pool) pool = start_pool(threads);
    *process = shared.process;
    if (pool) return pool->threads;
    workers_leave();
    return NULL;
}

void workers_leave(void) {
    pthread_mutex_unlock(&shared.running);
}

void library_compiling_begin(void) {
    watch_forks_once();
    pthread_mutex_lock(&shared.compiling);
}

void library_compiling_end(void) {
    pthread_mutex_unlock(&shared.compiling);
}
