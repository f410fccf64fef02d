/* Makes and ends a group of ranks, and starts transfers and waits for them.
 *
 * A transport only starts transfers and tells whether they are done. All waiting is done here, so a
 * wait ends when the watching thread hears of a failure. */
#include "runtime/group_inside.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/hash.h"

enum {
    LOOKS = 40,           /* the number of looks at a transfer before the first nap */
    FIRST_NAP = 5000,     /* in nanoseconds */
    LONGEST_NAP = 200000, /* in nanoseconds */
};

CoupletGroup *couplet_group_alone(void) {
    static CoupletGroup alone = {.ranks = 1, .local_ranks = 1};
    return &alone;
}

double couplet_group_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- failure --------------------------------------------------------------------------------- */

void couplet_group_rank_text(const CoupletGroup *g, int rank, char *text, size_t bytes) {
    const CoupletRankName *name = &g->inside->names[rank];
    if (*name->host)
        snprintf(text, bytes, "rank %d of %d (process %lld on %s)", rank, g->ranks,
                 (long long)name->process, name->host);
    else
        snprintf(text, bytes, "rank %d of %d", rank, g->ranks);
}

void couplet_group_note(CoupletGroup *g, CoupletBeatKind kind, int culprit, const char *sentence) {
    CoupletGroupInside *in = g->inside;
    if (atomic_load(&in->failed)) return;
    in->first.kind = kind;
    in->first.culprit = culprit;
    snprintf(in->first.sentence, sizeof in->first.sentence, "%s", sentence);
    atomic_store(&in->failed, true);
    pthread_cond_signal(&in->wake);
}

/* True if the group has failed. g->fault, which belongs to the caller's thread, then has the
 * sentence. */
static bool has_failed(CoupletGroup *g) {
    if (!atomic_load(&g->inside->failed)) return false;
    if (!*g->fault) memcpy(g->fault, g->inside->first.sentence, sizeof g->fault);
    return true;
}

/* Returns the length of a code such as "error[E607]: " at the start of a sentence. */
static int code_length(const char *sentence) {
    const char *end = strchr(sentence, ']');
    if (strncmp(sentence, "error[", 6) != 0 || !end || strncmp(end, "]: ", 3) != 0) return 0;
    return (int)(end + 3 - sentence);
}

bool couplet_group_fail(CoupletGroup *g, const char *sentence) {
    char whole[COUPLET_GROUP_SENTENCE_BYTES];
    char who[160];
    const int code = code_length(sentence);
    if (!g->inside) {
        if (!*g->fault) {
            snprintf(g->fault, sizeof g->fault, "%s", sentence);
        }
        return false;
    }
    couplet_group_rank_text(g, g->rank, who, sizeof who);
    snprintf(whole, sizeof whole, "%.*s%s: %s", code, sentence, who, sentence + code);
    pthread_mutex_lock(&g->inside->lock);
    couplet_group_note(g, COUPLET_BEAT_FAILED, g->rank, whole);
    pthread_mutex_unlock(&g->inside->lock);
    has_failed(g);
    return false;
}

int couplet_group_culprit(const CoupletGroup *g) {
    return g->inside && atomic_load(&g->inside->failed) ? g->inside->first.culprit : -1;
}

const char *couplet_group_failure(const CoupletGroup *g) {
    return g->inside && atomic_load(&g->inside->failed) ? g->inside->first.sentence : NULL;
}

int couplet_group_lost(const CoupletGroup *g) {
    const bool is_lost =
        g->inside && atomic_load(&g->inside->failed) && g->inside->first.kind == COUPLET_BEAT_LOST;
    return is_lost ? g->inside->first.culprit : -1;
}

/* Notes that the transport could not do what was asked of it. The lock must be held. */
static void note_broken(CoupletGroup *g, int other, const char *why) {
    char whole[COUPLET_GROUP_SENTENCE_BYTES];
    char who[160];
    if (other >= 0) couplet_group_rank_text(g, other, who, sizeof who);
    snprintf(whole, sizeof whole, "the connection to %s failed: %s",
             other >= 0 ? who : "the other ranks", why);
    couplet_group_note(g, COUPLET_BEAT_LOST, other, whole);
}

/* ---- transfers ------------------------------------------------------------------------------- */

static bool is_over(const CoupletTransfer *t) {
    return !(t->words[0] | t->words[1] | t->words[2] | t->words[3]);
}

/* Counts a transfer that was started, so that the watching thread moves it on. The lock must be
 * held. */
static void count_started(CoupletGroupInside *in, const CoupletTransfer *t) {
    if (is_over(t)) return;
    if (in->pending++ == 0) pthread_cond_signal(&in->wake);
}

bool couplet_group_start_send(CoupletGroup *g, int to, int tag, const void *from, int64_t bytes,
                              CoupletTransfer *t) {
    CoupletGroupInside *in = g->inside;
    char why[COUPLET_TRANSPORT_ERROR_BYTES] = "";
    *t = (CoupletTransfer){{0}};
    if (has_failed(g)) return false;
    pthread_mutex_lock(&in->lock);
    const bool good = in->transport->send(in->link, to, tag, from, bytes, t, why);
    if (good)
        count_started(in, t);
    else
        note_broken(g, to, why);
    pthread_mutex_unlock(&in->lock);
    return good || !has_failed(g);
}

bool couplet_group_start_receive(CoupletGroup *g, int from, int tag, void *to, int64_t bytes,
                                 CoupletTransfer *t) {
    CoupletGroupInside *in = g->inside;
    char why[COUPLET_TRANSPORT_ERROR_BYTES] = "";
    *t = (CoupletTransfer){{0}};
    if (has_failed(g)) return false;
    pthread_mutex_lock(&in->lock);
    const bool good = in->transport->receive(in->link, from, tag, to, bytes, t, why);
    if (good)
        count_started(in, t);
    else
        note_broken(g, from, why);
    pthread_mutex_unlock(&in->lock);
    return good || !has_failed(g);
}

bool couplet_group_start_sum(CoupletGroup *g, float *values, int64_t count, CoupletTransfer *t) {
    CoupletGroupInside *in = g->inside;
    char why[COUPLET_TRANSPORT_ERROR_BYTES] = "";
    *t = (CoupletTransfer){{0}};
    if (has_failed(g)) return false;
    pthread_mutex_lock(&in->lock);
    const bool good = in->transport->sum(in->link, values, count, t, why);
    if (good)
        count_started(in, t);
    else
        note_broken(g, -1, why);
    pthread_mutex_unlock(&in->lock);
    return good || !has_failed(g);
}

bool couplet_group_send(CoupletGroup *g, int to, int tag, const void *from, int64_t bytes,
                        CoupletTransfer *t) {
    g->sent_bytes += bytes;
    return couplet_group_start_send(g, to, tag, from, bytes, t);
}

bool couplet_group_receive(CoupletGroup *g, int from, int tag, void *to, int64_t bytes,
                           CoupletTransfer *t) {
    g->received_bytes += bytes;
    return couplet_group_start_receive(g, from, tag, to, bytes, t);
}

bool couplet_group_look(CoupletGroup *g, CoupletTransfer *t) {
    CoupletGroupInside *in = g->inside;
    if (is_over(t)) return true;
    char why[COUPLET_TRANSPORT_ERROR_BYTES] = "";
    bool is_done = false;
    pthread_mutex_lock(&in->lock);
    if (!in->transport->done(in->link, t, &is_done, why)) note_broken(g, -1, why);
    if (is_done) in->pending--;
    pthread_mutex_unlock(&in->lock);
    return is_done;
}

/* Waits until a transfer is done: first yields the core between two looks, and then naps, longer
 * each time. Returns false if the group has failed. */
static bool wait_one(CoupletGroup *g, CoupletTransfer *t) {
    long nap = FIRST_NAP;
    for (int looks = 0; !is_over(t); looks++) {
        if (has_failed(g)) return false;
        if (couplet_group_look(g, t)) return true;
        if (looks < LOOKS) {
            sched_yield();
            continue;
        }
        nanosleep(&(struct timespec){.tv_nsec = nap}, NULL);
        nap = nap * 2 < LONGEST_NAP ? nap * 2 : LONGEST_NAP;
    }
    return true;
}

/* Abandons transfers, so that their memory may be freed. */
static void abandon(CoupletGroup *g, CoupletTransfer *transfers, int count) {
    CoupletGroupInside *in = g->inside;
    pthread_mutex_lock(&in->lock);
    for (int i = 0; i < count; i++) {
        if (is_over(&transfers[i])) continue;
        in->transport->abandon(in->link, &transfers[i]);
        in->pending--;
    }
    pthread_mutex_unlock(&in->lock);
}

bool couplet_group_wait(CoupletGroup *g, CoupletTransfer *transfers, int count) {
    if (!g->inside) return true;
    const double began = couplet_group_now();
    bool good = !has_failed(g);
    for (int i = 0; good && i < count; i++)
        good = wait_one(g, &transfers[i]);
    g->waited += couplet_group_now() - began;
    if (!good) abandon(g, transfers, count);
    return good;
}

/* ---- making and ending ----------------------------------------------------------------------- */

/* Returns a number that differs between machines, and between containers of one machine that do not
 * see each other's processes. */
static uint64_t machine_number(const char *host) {
    char boot[64] = "";
    struct stat processes = {0};
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file) {
        if (!fgets(boot, sizeof boot, file)) *boot = 0;
        fclose(file);
    }
    if (stat("/proc/self/ns/pid", &processes) != 0) {
        processes.st_ino = 0;
    }
    uint64_t hash = couplet_hash(COUPLET_HASH_START, host, strlen(host));
    hash = couplet_hash(hash, boot, strlen(boot));
    return couplet_hash(hash, &processes.st_ino, sizeof processes.st_ino);
}

static void name_self(CoupletGroup *g, CoupletRankName *name) {
    *name = (CoupletRankName){.process = getpid()};
    if (gethostname(name->host, sizeof name->host - 1) != 0 || !*name->host)
        strcpy(name->host, "a machine without a name");
    memcpy(g->host, name->host, sizeof g->host);
    name->machine = machine_number(name->host);
}

/* Tells the ranks about each other. The watching thread runs already, so a rank that does not come
 * is lost when the patience ends. */
static bool meet(CoupletGroup *g, char *error, size_t error_bytes) {
    CoupletGroupInside *in = g->inside;
    int64_t *first = malloc(((size_t)g->ranks + 1) * sizeof *first);
    CoupletRankName *names = calloc((size_t)g->ranks, sizeof *names);
    bool good = first && names;
    if (!good) {
        snprintf(error, error_bytes, "out of memory for %d ranks", g->ranks);
    }
    if (good) {
        name_self(g, &names[g->rank]);
        for (int r = 0; r <= g->ranks; r++)
            first[r] = r * (int64_t)sizeof *names;
        good = couplet_group_gather(g, names, first);
        if (!good) snprintf(error, error_bytes, "%s", g->fault);
    }
    g->sent_bytes = g->received_bytes = 0;
    for (int r = 0; good && r < g->ranks; r++) {
        if (names[r].machine != names[g->rank].machine) continue;
        g->local_ranks++;
        if (r < g->rank) g->local_rank++;
    }
    if (good) {
        pthread_mutex_lock(&in->lock);
        memcpy(in->names, names, (size_t)g->ranks * sizeof *names);
        pthread_mutex_unlock(&in->lock);
    }
    free(first);
    free(names);
    return good;
}

static void free_group(CoupletGroup *g) {
    if (!g || !g->inside) {
        free(g);
        return;
    }
    pthread_mutex_destroy(&g->inside->lock);
    pthread_cond_destroy(&g->inside->wake);
    free(g->inside->names);
    free(g->inside);
    free(g);
}

static CoupletGroup *make_group(const CoupletTransport *transport, double patience) {
    CoupletGroup *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    CoupletGroupInside *in = g->inside = calloc(1, sizeof *g->inside);
    if (!in) {
        free(g);
        return NULL;
    }
    in->transport = transport;
    in->patience = patience;
    in->names = calloc(COUPLET_MOST_RANKS, sizeof *in->names);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&in->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&in->lock, NULL);
    if (in->names) return g;
    free_group(g);
    return NULL;
}

CoupletGroup *couplet_group_open(const CoupletTransport *transport, double patience, char *error,
                                 size_t error_bytes) {
    char why[COUPLET_TRANSPORT_ERROR_BYTES] = "";
    CoupletGroup *g = make_group(transport, patience);
    if (!g) {
        snprintf(error, error_bytes, "out of memory for the group of ranks");
        return NULL;
    }
    g->inside->link = transport->open(&g->rank, &g->ranks, why);
    if (!g->inside->link) {
        snprintf(error, error_bytes, "%s could not join the ranks of this run: %s", transport->name,
                 why);
        free_group(g);
        return NULL;
    }
    if (g->ranks > COUPLET_MOST_RANKS) {
        snprintf(error, error_bytes, "the run has %d ranks, and at most %d are possible", g->ranks,
                 COUPLET_MOST_RANKS);
        transport->close(g->inside->link, false);
        free_group(g);
        return NULL;
    }
    if (!couplet_group_watch_start(g))
        snprintf(error, error_bytes, "the thread that watches the other ranks cannot be started");
    else if (meet(g, error, error_bytes))
        return g;
    couplet_group_close(g);
    return NULL;
}

void couplet_group_close(CoupletGroup *g) {
    if (!g || !g->inside) return;
    CoupletGroupInside *in = g->inside;
    bool orderly = !has_failed(g) && couplet_group_barrier(g);
    orderly = couplet_group_watch_stop(g) && orderly;
    in->transport->close(in->link, orderly);
    free_group(g);
}
