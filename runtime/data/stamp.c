/* Stamps files without reading them (stamp.h). Asking the system about a file takes about a
 * microsecond, so several threads ask about a folder of many files. A path is looked up from the
 * open root, which shortens it. */
#include "runtime/data/stamp.h"

#include "runtime/cores.h"
#include "runtime/hash.h"
#include "runtime/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SECOND = 1000000000,
    TICK = 20000000,
}; /* in nanoseconds; ticks are at most 10 ms */
enum {
    FEW = 2048,
    MOST_THREADS = 8,
};

static int64_t nanoseconds(struct timespec time) {
    return (int64_t)time.tv_sec * SECOND + time.tv_nsec;
}

int64_t couplet_stamp_changed(const struct stat *about) {
    return nanoseconds(about->st_ctim);
}

uint64_t couplet_stamp(const struct stat *about) {
    const int64_t words[] = {about->st_size, nanoseconds(about->st_mtim),
                             couplet_stamp_changed(about)};
    return couplet_hash(COUPLET_HASH_START, words, sizeof words);
}

/* Waits until a later write would have another stamp. A time ahead of ours, from another machine's
 * clock, is not waited for longer than a tick. */
void couplet_stamp_settle(int64_t changed) {
    const int64_t tick = changed % SECOND ? TICK : 2 * (int64_t)SECOND;
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return;
    int64_t left = changed + tick - nanoseconds(now);
    if (left <= 0) return;
    left = left < tick ? left : tick;
    const struct timespec pause = {left / SECOND, left % SECOND};
    nanosleep(&pause, NULL);
}

/* ---- many files ------------------------------------------------------------------------------ */

typedef struct Look {
    CoupletStampPath path;
    const void *context;
    uint64_t *stamps;
    int root;
    _Atomic int64_t bad; /* the number of the first bad file; `count` if there is none */
    _Atomic int64_t newest;
} Look;

/* Stamps a file. Returns 0, or its errno, or -1 if it is no regular file. */
static int stamp_file(const Look *look, int64_t number, int64_t *newest) {
    struct stat about;
    if (fstatat(look->root, look->path(look->context, number), &about, 0) != 0) return errno;
    if (!S_ISREG(about.st_mode)) return -1;
    look->stamps[number] = couplet_stamp(&about);
    const int64_t changed = couplet_stamp_changed(&about);
    if (changed > *newest) *newest = changed;
    return 0;
}

/* Stamps a range of the files. Threads keep the number of the first bad file of all ranges, so that
 * the reported one does not depend on their order. */
static void look_at_range(void *context, int64_t begin, int64_t end, int worker) {
    Look *look = context;
    int64_t newest = 0;
    int64_t i = begin;
    int64_t bad = atomic_load(&look->bad);
    (void)worker;
    while (i < end && i <= bad && stamp_file(look, i, &newest) == 0)
        i++;
    while (i < end && i < bad && !atomic_compare_exchange_weak(&look->bad, &bad, i)) {
    }
    int64_t before = atomic_load(&look->newest);
    while (newest > before && !atomic_compare_exchange_weak(&look->newest, &before, newest)) {
    }
}

static void look_at_all(Look *look, int64_t count) {
    const int cores = couplet_cores_count();
    CoupletThreads *threads =
        count > FEW ? couplet_threads_new(cores < MOST_THREADS ? cores : MOST_THREADS) : NULL;
    couplet_threads_run(threads, count, look_at_range, look);
    couplet_threads_free(threads);
}

int64_t couplet_stamps(const char *root, int64_t count, CoupletStampPath path, const void *context,
                       uint64_t *stamps, int64_t *newest, int *reason) {
    Look look = {.path = path, .context = context, .stamps = stamps, .root = AT_FDCWD};
    *newest = 0;
    *reason = 0;
    if (*root) look.root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*root && look.root < 0) {
        *reason = errno;
        return 0;
    }
    atomic_init(&look.bad, count);
    atomic_init(&look.newest, 0);
    look_at_all(&look, count);
    const int64_t bad = atomic_load(&look.bad);
    if (bad < count) *reason = stamp_file(&look, bad, newest);
    if (*reason < 0) *reason = 0;
    *newest = atomic_load(&look.newest);
    if (*root) close(look.root);
    return bad < count ? bad : -1;
}
