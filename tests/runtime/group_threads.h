/* Ranks that are threads of one process, for tests: a transport that copies what is sent into a
 * list, from which receives take it. A rank can be cut off, and then neither sends nor gets. */
#ifndef TESTS_RUNTIME_GROUP_THREADS_H
#define TESTS_RUNTIME_GROUP_THREADS_H

#include "runtime/transport.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREAD_RANKS = 64 };

typedef struct Message {
    int from, to, tag;
    int64_t bytes;
    struct Message *next;
    char data[];
} Message;

typedef struct Want {
    int from, to, tag;
    int64_t bytes;
    void *into;
} Want;

static struct {
    pthread_mutex_t lock;
    Message *first, **last;
    int ranks;
    bool is_cut[MOST_THREAD_RANKS];
    int orderly; /* the ranks that left in order */
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local int thread_rank;

static void *thread_open(int *rank, int *ranks, char *error) {
    int *self = malloc(sizeof *self);
    (void)error;
    *rank = *self = thread_rank;
    *ranks = world.ranks;
    return self;
}

static bool thread_send(void *link, int to, int tag, const void *from, int64_t bytes,
                        CoupletTransfer *transfer, char *error) {
    Message *m = malloc(sizeof *m + (size_t)bytes);
    (void)transfer;
    (void)error;
    *m = (Message){*(int *)link, to, tag, bytes, NULL};
    if (bytes) memcpy(m->data, from, (size_t)bytes);
    pthread_mutex_lock(&world.lock);
    if (world.is_cut[m->from] || world.is_cut[to])
        free(m);
    else {
        *world.last = m;
        world.last = &m->next;
    }
    pthread_mutex_unlock(&world.lock);
    return true;
}

static bool thread_receive(void *link, int from, int tag, void *to, int64_t bytes,
                           CoupletTransfer *transfer, char *error) {
    Want *want = malloc(sizeof *want);
    (void)error;
    *want = (Want){from, *(int *)link, tag, bytes, to};
    transfer->words[0] = (int64_t)(uintptr_t)want;
    return true;
}

static bool thread_done(void *link, CoupletTransfer *transfer, bool *is_done, char *error) {
    Want *want = (Want *)(uintptr_t)transfer->words[0];
    bool good = true;
    (void)link;
    *is_done = false;
    pthread_mutex_lock(&world.lock);
    for (Message **at = &world.first; *at; at = &(*at)->next) {
        Message *m = *at;
        if (m->from != want->from || m->to != want->to || m->tag != want->tag) continue;
        good = m->bytes <= want->bytes;
        if (!good) strcpy(error, "more bytes came than were expected");
        if (good && m->bytes) memcpy(want->into, m->data, (size_t)m->bytes);
        *at = m->next;
        if (world.last == &m->next) world.last = at;
        free(m);
        free(want);
        transfer->words[0] = 0;
        *is_done = true;
        break;
    }
    pthread_mutex_unlock(&world.lock);
    return good;
}

static void thread_abandon(void *link, CoupletTransfer *transfer) {
    (void)link;
    free((Want *)(uintptr_t)transfer->words[0]);
    transfer->words[0] = 0;
}

static void thread_close(void *link, bool orderly) {
    pthread_mutex_lock(&world.lock);
    world.orderly += orderly;
    pthread_mutex_unlock(&world.lock);
    free(link);
}

static const CoupletTransport thread_transport = {"threads",      thread_open, thread_send,
                                                  thread_receive, NULL,        thread_done,
                                                  thread_abandon, thread_close};

/* ---- running ranks --------------------------------------------------------------------------- */

typedef struct ThreadRank {
    int rank;
    double patience;
    void (*work)(CoupletGroup *group, void *context);
    void *context;
    char fault[COUPLET_GROUP_SENTENCE_BYTES]; /* the group's fault when the work returned */
    int culprit;
} ThreadRank;

static void *run_rank(void *argument) {
    ThreadRank *r = argument;
    thread_rank = r->rank;
    CoupletGroup *g = couplet_group_open(&thread_transport, r->patience, r->fault, sizeof r->fault);
    if (!g) return NULL;
    r->work(g, r->context);
    memcpy(r->fault, g->fault, sizeof r->fault);
    r->culprit = couplet_group_culprit(g);
    couplet_group_close(g);
    return NULL;
}

/* Runs `work` as each of `count` ranks, and leaves what became of them in `ranks`. */
static void run_ranks(ThreadRank *ranks, int count, double patience,
                      void (*work)(CoupletGroup *group, void *context), void *context) {
    pthread_t ids[MOST_THREAD_RANKS];
    world.ranks = count;
    world.orderly = 0;
    world.last = &world.first;
    memset(world.is_cut, 0, sizeof world.is_cut);
    for (int r = 0; r < count; r++) {
        ranks[r] = (ThreadRank){.rank = r, .patience = patience, .work = work, .context = context};
        pthread_create(&ids[r], NULL, run_rank, &ranks[r]);
    }
    for (int r = 0; r < count; r++)
        pthread_join(ids[r], NULL);
    while (world.first) {
        Message *m = world.first;
        world.first = m->next;
        free(m);
    }
}

#endif
