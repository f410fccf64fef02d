/* Shared by the files of a group. group.c makes and ends the group and waits for transfers.
 * group_together.c has the calls of all ranks. group_watch.c has the thread that checks whether the
 * other ranks live. group_join.c finds out how the program was started. */
#ifndef COUPLET_RUNTIME_GROUP_INSIDE_H
#define COUPLET_RUNTIME_GROUP_INSIDE_H

#include "runtime/transport.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

/* The most neighbours of a rank: 2^12 is COUPLET_MOST_RANKS. */
enum { COUPLET_MOST_NEIGHBOURS = 12 };

/* The facts that ranks tell each other about themselves at the start. */
typedef struct CoupletRankName {
    char host[COUPLET_GROUP_HOST_BYTES];
    /* Ranks of one `machine` see each other's process numbers. */
    uint64_t machine;
    int64_t process;
} CoupletRankName;

/* The kinds of beats. FAILED and LOST end the group: a rank said itself that it failed, or others
 * found that it is gone. */
typedef enum {
    COUPLET_BEAT_LIVES,
    COUPLET_BEAT_LEAVES,
    COUPLET_BEAT_FAILED,
    COUPLET_BEAT_LOST
} CoupletBeatKind;

typedef struct CoupletBeat {
    int32_t kind;
    int32_t culprit;
    char sentence[COUPLET_GROUP_SENTENCE_BYTES];
} CoupletBeat;

/* A neighbour: rank r sends beats to r + 2^k, and hears beats of r - 2^k. */
typedef struct CoupletNeighbour {
    int to;
    int from;
    CoupletBeat out;
    CoupletBeat in;
    CoupletTransfer sending;
    CoupletTransfer receiving;
    double sent, heard; /* the times of the last beats */
    int ended_looks;    /* how often the process of rank `from` was found to have ended */
    /* `has_left`: rank `from` leaves or has failed, and sends no more beats. The other two say what
     * rank `to` was told. */
    bool has_left;
    bool knows_failure;
    bool told_leave;
} CoupletNeighbour;

struct CoupletGroupInside {
    const CoupletTransport *transport;
    void *link;
    CoupletRankName *names; /* by rank */
    double patience;
    pthread_mutex_t lock; /* guards the transport and the members below */
    pthread_cond_t wake;  /* wakes the watching thread */
    pthread_t watcher;
    /* `watches`: the thread runs. `ending`: this rank leaves the group. `parted`: its neighbours
     * know that, and have left too. */
    bool watches;
    bool ending;
    bool parted;
    const volatile sig_atomic_t *signalled; /* NULL: no signal raises a flag */
    int pending;                            /* the caller's transfers that are under way */
    CoupletNeighbour neighbours[COUPLET_MOST_NEIGHBOURS];
    int neighbour_count;
    atomic_bool failed; /* true once `first` is complete */
    CoupletBeat first;  /* the first failure */
};

/* Returns the seconds of a clock that never goes back. */
double couplet_group_now(void);
/* Notes the first failure, caused by `culprit` or by nobody (-1). The lock must be held, and the
 * sentence complete. */
void couplet_group_note(CoupletGroup *group, CoupletBeatKind kind, int culprit,
                        const char *sentence);
/* Writes "rank 2 of 4 (process 4711 on HOST)". */
void couplet_group_rank_text(const CoupletGroup *group, int rank, char *text, size_t bytes);

/* Starts the thread, which watches the neighbours from then on. Returns false if it cannot be
 * started, or if the transport fails. */
bool couplet_group_watch_start(CoupletGroup *group);
/* Stops the thread once all neighbours have said that they leave. Returns false if they did not. */
bool couplet_group_watch_stop(CoupletGroup *group);

/* Start a transfer with any tag. Its bytes do not count as the caller's. */
bool couplet_group_start_send(CoupletGroup *group, int to, int tag, const void *from, int64_t bytes,
                              CoupletTransfer *transfer);
bool couplet_group_start_receive(CoupletGroup *group, int from, int tag, void *to, int64_t bytes,
                                 CoupletTransfer *transfer);
/* Looks once whether a transfer is done. Returns true if it is. */
bool couplet_group_look(CoupletGroup *group, CoupletTransfer *transfer);
/* Starts a sum in the order of the transport. */
bool couplet_group_start_sum(CoupletGroup *group, float *values, int64_t count,
                             CoupletTransfer *transfer);

#endif
