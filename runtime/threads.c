/* The pool of threads. Tiles are handed out in chunks from one counter, to whichever thread is
 * free, so a slow core does not hold up the others. Results do not depend on this, because a tile
 * writes its own memory.
 *
 * Workers spin for about 50 microseconds before they sleep, since the kernels of a step follow each
 * other faster than a thread wakes up. A run is published by raising `generation` after the job is
 * written. The caller works too, and returns when all workers have reported. */
#include "runtime/threads.h"

#include "runtime/cores.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
    MAX_THREADS = 256,
    /* The chunks of a run for each thread: a slow thread leaves some to the others. */
    CHUNKS_PER_THREAD = 16,
    /* About 50 microseconds, which is more than the time between two kernels of a step. */
    SPINS = 2000
};

/* The pool. A run is published by raising `generation`. Workers that see it take chunks until none
 * is left, and then report. The next run is published after all have reported, so the job is never
 * written while it is read. */
struct CoupletThreads {
    int count;
    pthread_t *ids;
    CoupletCores *cores;
    CoupletTiles work;
    void *context;
    int64_t tiles;
    int64_t chunk;
    _Atomic int64_t next;
    _Atomic unsigned generation;
    _Atomic int busy;
    _Atomic bool ending;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    const volatile sig_atomic_t *stop;
};

typedef struct Worker {
    CoupletThreads *pool;
    int number;
} Worker;

static void pause_a_little(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void take_chunks(CoupletThreads *pool, int worker) {
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&pool->next, pool->chunk, memory_order_relaxed);
        if (begin >= pool->tiles) return;
        int64_t end = begin + pool->chunk < pool->tiles ? begin + pool->chunk : pool->tiles;
        pool->work(pool->context, begin, end, worker);
    }
}

/* Returns the number of the next run. Spins for a while, and then sleeps until the run is
 * published. */
static unsigned wait_for_work(CoupletThreads *pool, unsigned seen) {
    for (int i = 0; i < SPINS; i++) {
        unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen) return now;
        pause_a_little();
    }
    pthread_mutex_lock(&pool->lock);
    unsigned now;
    while ((now = atomic_load_explicit(&pool->generation, memory_order_acquire)) == seen)
        pthread_cond_wait(&pool->wake, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    return now;
}

static void *serve(void *argument) {
    Worker worker = *(Worker *)argument;
    free(argument);
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_work(worker.pool, seen);
        if (atomic_load(&worker.pool->ending)) return NULL;
        couplet_cores_settle(worker.pool->cores, worker.number);
        take_chunks(worker.pool, worker.number);
        atomic_fetch_sub_explicit(&worker.pool->busy, 1, memory_order_release);
    }
}

static void publish(CoupletThreads *pool) {
    /* With the lock held, a worker that is about to sleep cannot miss the signal. */
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

CoupletThreads *couplet_threads_new(int count) {
    if (count <= 0) count = couplet_cores_count();
    if (count > MAX_THREADS) count = MAX_THREADS;
    CoupletThreads *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->count = 1;
    pool->cores = couplet_cores_new(count);
    pool->ids = calloc((size_t)count, sizeof *pool->ids);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (int i = 1; pool->ids && i < count; i++) {
        Worker *worker = malloc(sizeof *worker);
        if (worker) *worker = (Worker){pool, i};
        if (!worker || pthread_create(&pool->ids[i], NULL, serve, worker) != 0) {
            free(worker);
            break;
        }
        pool->count++;
    }
    if (pool->count == count) return pool;
    couplet_threads_free(pool);
    return NULL;
}

void couplet_threads_heed(CoupletThreads *pool, const volatile sig_atomic_t *stop) {
    pool->stop = stop;
}

const volatile sig_atomic_t *couplet_threads_flag(const CoupletThreads *pool) {
    return pool ? pool->stop : NULL;
}

bool couplet_threads_stopped(const CoupletThreads *pool) {
    return pool && pool->stop && *pool->stop;
}

int couplet_threads_count(const CoupletThreads *pool) {
    return pool ? pool->count : 1;
}

void couplet_threads_run(CoupletThreads *pool, int64_t tiles, CoupletTiles work, void *context) {
    if (tiles <= 0) return;
    if (!pool || pool->count == 1 || tiles == 1) {
        work(context, 0, tiles, 0);
        return;
    }
    pool->work = work;
    pool->context = context;
    pool->tiles = tiles;
    pool->chunk = tiles / ((int64_t)pool->count * CHUNKS_PER_THREAD);
    if (pool->chunk < 1) pool->chunk = 1;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->busy, pool->count - 1, memory_order_relaxed);
    couplet_cores_settle(pool->cores, 0);
    publish(pool);
    take_chunks(pool, 0);
    for (int spins = 0; atomic_load_explicit(&pool->busy, memory_order_acquire) > 0; spins++) {
        if (spins < SPINS)
            pause_a_little();
        else
            sched_yield();
    }
}

void couplet_threads_free(CoupletThreads *pool) {
    if (!pool) return;
    atomic_store(&pool->ending, true);
    publish(pool);
    for (int i = 1; i < pool->count; i++)
        pthread_join(pool->ids[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->wake);
    couplet_cores_free(pool->cores);
    free(pool->ids);
    free(pool);
}
