/* The pool does every tile once, on any number of threads. Threads that share a core part without
 * being bound for good. */
#include "runtime/cores.h"
#include "runtime/threads.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { TILES = 1000 };

typedef struct Counted {
    int times[TILES];
} Counted;

static void count(void *context, int64_t begin, int64_t end, int worker) {
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        ((Counted *)context)->times[i]++;
}

static void every_tile_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= 5; threads++) {
        CoupletThreads *pool = couplet_threads_new(threads);
        assert_non_null(pool);
        for (int64_t tiles = 0; tiles <= TILES; tiles = tiles * 3 + 1) {
            Counted counted;
            memset(&counted, 0, sizeof counted);
            couplet_threads_run(pool, tiles, count, &counted);
            for (int64_t i = 0; i < TILES; i++)
                assert_int_equal(counted.times[i], i < tiles);
        }
        couplet_threads_free(pool);
    }
}

static int only_on(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

static int core_of_thread_0;

/* Starts thread 1 on the core that thread 0 named. */
static void *settle_beside(void *cores) {
    cpu_set_t all, after;
    sched_getaffinity(0, sizeof all, &all);
    assert_int_equal(only_on(core_of_thread_0), 0);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    couplet_cores_settle(cores, 1);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&all, &after));
    return NULL;
}

static void threads_part(void **state) {
    (void)state;
    if (couplet_cores_count() < 2) {
        assert_null(couplet_cores_new(2)); /* there is no core to move to */
        return;
    }
    assert_null(couplet_cores_new(1));
    assert_null(couplet_cores_new(couplet_cores_count() + 1));
    CoupletCores *cores = couplet_cores_new(2);
    assert_non_null(cores);
    cpu_set_t all;
    sched_getaffinity(0, sizeof all, &all);
    core_of_thread_0 = sched_getcpu();
    assert_int_equal(only_on(core_of_thread_0), 0);
    couplet_cores_settle(cores, 0);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0); /* the other thread inherits it */
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, settle_beside, cores), 0);
    pthread_join(other, NULL);
    assert_int_not_equal(couplet_cores_last(cores, 1), core_of_thread_0);
    couplet_cores_free(cores);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_tile_once),
                                       cmocka_unit_test(threads_part)};
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
