/* Shared by the files of a group: group.c makes and ends it and waits for transfers,
 * group_together.c has the calls of all ranks, group_watch.c the thread that hears whether the
 * others live, group_join.c finds out how the program was started. */
#ifndef COUPLET_RUNTIME_GROUP_INSIDE_H
#define COUPLET_RUNTIME_GROUP_INSIDE_H

#include "runtime/transport.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

/* 4096 ranks have 12 neighbours. */
enum { COUPLET_MOST_NEIGHBOURS = 12 };

/* What ranks tell of themselves when they meet. */
typedef struct CoupletRankName {
    char host[COUPLET_GROUP_HOST_BYTES];
    /* Ranks with one `machine` see the numbers of each other's processes. */
    uint64_t machine;
    int64_t process;
} CoupletRankName;

/* The last two end the group: a rank said so itself, or others found that it is gone. */
typedef enum {
    COUPLET_BEAT_LIVES,
    COUPLET_BEAT_LEAVES,
    COUPLET_BEAT_FAILED,
    COUPLET_BEAT_LOST
} CoupletBeatKind;

typedef struct CoupletBeat {
    int32_t kind, culprit;
    char sentence[COUPLET_GROUP_SENTENCE_BYTES];
} CoupletBeat;

/* Rank r tells r + 2^k that it lives, and hears it of r - 2^k. */
typedef struct CoupletNeighbour {
    int to, from;
    CoupletBeat out, in;
    CoupletTransfer sending, receiving;
    double sent, heard; /* when */
    bool has_left, knows_failure, told_leave;
} CoupletNeighbour;

struct CoupletGroupInside {
    const CoupletTransport *transport;
    void *link;
    CoupletRankName *names; /* by rank */
    double patience;
    pthread_mutex_t lock; /* of the transport, and of what follows */
    pthread_cond_t wake;  /* of the watching thread */
    pthread_t watcher;
    bool watches, ending, parted;
    const volatile sig_atomic_t *signalled; /* NULL: nobody sets a flag */
    int pending;                            /* transfers of the caller that are under way */
    CoupletNeighbour neighbours[COUPLET_MOST_NEIGHBOURS];
    int neighbour_count;
    atomic_bool failed; /* `first` is complete then */
    CoupletBeat first;  /* the first failure */
};

double couplet_group_now(void);
/* Keeps a first failure, of `culprit`, or of nobody (-1), whose sentence is whole. Under the lock.
 */
void couplet_group_note(CoupletGroup *group, CoupletBeatKind kind, int culprit,
                        const char *sentence);
/* "rank 2 of 4 (process 4711 on HOST)" */
void couplet_group_rank_text(const CoupletGroup *group, int rank, char *text, size_t bytes);

bool couplet_group_watch_start(CoupletGroup *group);
/* Stops the thread once all neighbours have said that they leave. False when they did not. */
bool couplet_group_watch_stop(CoupletGroup *group);

/* Start a transfer with any tag. */
bool couplet_group_start_send(CoupletGroup *group, int to, int tag, const void *from, int64_t bytes,
                              CoupletTransfer *transfer);
bool couplet_group_start_receive(CoupletGroup *group, int from, int tag, void *to, int64_t bytes,
                                 CoupletTransfer *transfer);
/* Looks once whether a transfer is done; a group that failed has none that is. */
bool couplet_group_look(CoupletGroup *group, CoupletTransfer *transfer);
bool couplet_group_start_sum(CoupletGroup *group, float *values, int64_t count,
                             CoupletTransfer *transfer);

#endif
