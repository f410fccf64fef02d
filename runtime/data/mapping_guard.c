/* Keeps the program alive if a mapped file is cut short. The handler of SIGBUS maps zeros over the
 * pages that the file has lost, and notes it; the reader asks afterwards whether what it read was
 * whole. A signal at any other address is passed to the earlier handler.
 *
 * The table of guarded files has a fixed size and atomic entries, because a handler may neither
 * lock nor allocate. */
#include "runtime/data/mapping_guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST = 4096 };

typedef struct Watched {
    /* 0: the entry is free. Set last and cleared first, so that a handler sees complete entries. */
    _Atomic uintptr_t begin;
    size_t length;
    atomic_bool cut;
    char *path;
    struct stat about; /* the file's state when it was mapped */
} Watched;

static Watched watched[MOST];
static atomic_int used; /* entries from here on were never used */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct sigaction before;
static long page_bytes;

/* ---- the signal ------------------------------------------------------------------------------ */

static Watched *find_watched(uintptr_t address) {
    for (int i = 0; i < atomic_load(&used); i++) {
        const uintptr_t begin = atomic_load(&watched[i].begin);
        if (begin && address >= begin && address - begin < watched[i].length) return &watched[i];
    }
    return NULL;
}

/* Maps zeros from the page of the address to the end of the mapping. */
static bool fill_with_zeros(Watched *w, uintptr_t address) {
    const uintptr_t page = address / (uintptr_t)page_bytes * (uintptr_t)page_bytes;
    const uintptr_t end = atomic_load(&w->begin) + w->length;
    atomic_store(&w->cut, true);
    return mmap((void *)page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                0) != MAP_FAILED;
}

/* Passes a signal that is not about our files to the earlier handler. If there was none, the signal
 * comes again and ends the program, as it would have without us. */
static void hand_on(int number, siginfo_t *info, void *context) {
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
        before.sa_handler(number);
    else
        sigaction(SIGBUS, &before, NULL);
}

static void catch (int number, siginfo_t *info, void *context) {
    const int reason = errno;
    Watched *w = find_watched((uintptr_t)info->si_addr);
    if (!w || !fill_with_zeros(w, (uintptr_t)info->si_addr)) {
        hand_on(number, info, context);
    }
    errno = reason;
}

static void install(void) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    page_bytes = sysconf(_SC_PAGESIZE);
    action.sa_sigaction = catch;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &before);
}

/* ---- what is watched ------------------------------------------------------------------------- */

void couplet_guard_begin(const void *bytes, size_t length, const char *path) {
    struct stat about;
    char *copy = bytes && stat(path, &about) == 0 ? strdup(path) : NULL;
    if (!copy) return;
    pthread_once(&once, install);
    pthread_mutex_lock(&lock);
    int at = 0;
    while (at < MOST && atomic_load(&watched[at].begin))
        at++;
    if (at < MOST) {
        Watched *w = &watched[at];
        w->length = length;
        w->path = copy;
        w->about = about;
        atomic_store(&w->cut, false);
        atomic_store(&w->begin, (uintptr_t)bytes);
        if (at >= atomic_load(&used)) atomic_store(&used, at + 1);
    } else
        free(copy);
    pthread_mutex_unlock(&lock);
}

void couplet_guard_end(const void *bytes) {
    pthread_mutex_lock(&lock);
    for (int i = 0; bytes && i < atomic_load(&used); i++) {
        if (atomic_load(&watched[i].begin) != (uintptr_t)bytes) continue;
        atomic_store(&watched[i].begin, 0);
        free(watched[i].path);
        watched[i].path = NULL;
    }
    pthread_mutex_unlock(&lock);
}

bool couplet_guard_was_cut(const void *bytes) {
    const Watched *w = find_watched((uintptr_t)bytes);
    return w && atomic_load(&w->cut);
}

/* Returns a text that says how the file has changed since it was mapped, or NULL. */
static const char *change_of(const Watched *w) {
    struct stat now;
    if (atomic_load(&w->cut)) return "was cut short";
    if (stat(w->path, &now) != 0 || now.st_ino != w->about.st_ino || now.st_dev != w->about.st_dev)
        return NULL;
    if (now.st_size < w->about.st_size) return "was cut short";
    const bool same_time = now.st_mtim.tv_sec == w->about.st_mtim.tv_sec &&
                           now.st_mtim.tv_nsec == w->about.st_mtim.tv_nsec;
    return now.st_size == w->about.st_size && same_time ? NULL : "was written to";
}

bool couplet_guard_whole(char *error, size_t error_bytes) {
    bool whole = true;
    pthread_mutex_lock(&lock);
    for (int i = 0; whole && i < atomic_load(&used); i++) {
        const char *change = atomic_load(&watched[i].begin) ? change_of(&watched[i]) : NULL;
        whole = change == NULL;
        if (!whole)
            snprintf(error, error_bytes, "%s: the file %s while it was read", watched[i].path,
                     change);
    }
    pthread_mutex_unlock(&lock);
    return whole;
}
