/* The processes of one run, its *ranks*: one on each machine, or several on one. A group of one is
 * the ordinary run; all calls return at once then and copy nothing.
 *
 * A call that returns false has put one sentence into group->fault, which names the rank that
 * failed where that is known. The first sentence stays, and every later call returns false at once:
 * a group that failed is only closed. All ranks of a group that failed have the same sentence,
 * where it could still reach them. No call waits for ever: a rank of which nothing was heard for
 * `patience` seconds counts as lost, also if it is only stopped.
 *
 * There is one caller at a time, as for a device, and all ranks make the same calls in the same
 * order, except for sends and receives. A thread of the group moves transfers on meanwhile, so work
 * between the start of a transfer and its wait hides it. */
#ifndef COUPLET_RUNTIME_GROUP_H
#define COUPLET_RUNTIME_GROUP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COUPLET_GROUP_SENTENCE_BYTES = 1200,
    COUPLET_GROUP_HOST_BYTES = 64,
    /* The tags of callers are below. */
    COUPLET_GROUP_TAGS = 1 << 12,
    COUPLET_MOST_RANKS = 4096,
};

/* A send or a receive that was started. Its memory is the caller's until the wait, and what is in
 * it the group's. All zeros is a transfer that is done. */
typedef struct CoupletTransfer {
    int64_t words[4];
} CoupletTransfer;

typedef struct CoupletGroupInside CoupletGroupInside;

typedef struct CoupletGroup {
    int rank, ranks;
    /* The place of this rank among those on its machine, which chooses a device, and their
     * number. */
    int local_rank, local_ranks;
    char host[COUPLET_GROUP_HOST_BYTES]; /* the name of its machine; "" in a group of one */
    /* "": the group is whole */
    char fault[COUPLET_GROUP_SENTENCE_BYTES];
    /* What this rank handed to others, and got, so far; what agreements and beats need is left
     * out. */
    int64_t sent_bytes, received_bytes;
    double waited; /* the seconds that calls of the group waited for other ranks so far */
    CoupletGroupInside *inside; /* NULL in a group of one */
} CoupletGroup;

/* The group of one. It is never closed, and shared by all who are alone. */
CoupletGroup *couplet_group_alone(void);

/* ---- between two ranks ----------------------------------------------------------------------- */

/* Start to send an array to a rank, or to receive one from it into `to`. The array stays as it is,
 * or is left alone, until the wait. What is received has exactly the bytes that were sent, which
 * may be more than 2 GiB, or 0. Arrays between two ranks with one tag arrive in the order in which
 * they were sent. `tag` is at least 0 and below COUPLET_GROUP_TAGS; a rank does not send to
 * itself. */
bool couplet_group_send(CoupletGroup *group, int to, int tag, const void *from, int64_t bytes,
                        CoupletTransfer *transfer);
bool couplet_group_receive(CoupletGroup *group, int from, int tag, void *to, int64_t bytes,
                           CoupletTransfer *transfer);
/* Waits until `count` transfers are done. Those of a group that failed are given up instead. Either
 * way every transfer that was started comes by here, before its memory is given back. */
bool couplet_group_wait(CoupletGroup *group, CoupletTransfer *transfers, int count);

/* ---- between all ranks ----------------------------------------------------------------------- */

/* Completes an array on all ranks. It consists of slabs: rank r brings the bytes first[r] to
 * first[r + 1] - 1, which may be none, and gets those of the others. `first` has ranks + 1 entries,
 * the same on all ranks. */
bool couplet_group_gather(CoupletGroup *group, void *array, const int64_t *first);
/* The same, begun only: fills `transfers`, of which couplet_group_gather_transfers(group) are
 * needed. Two gathers that are under way at once have different tags. */
int couplet_group_gather_transfers(const CoupletGroup *group);
bool couplet_group_gather_start(CoupletGroup *group, int tag, void *array, const int64_t *first,
                                CoupletTransfer *transfers);
/* Gives all ranks the array of rank `from`. */
bool couplet_group_broadcast(CoupletGroup *group, int from, void *array, int64_t bytes);
/* Returns on no rank before it was called on all. */
bool couplet_group_barrier(CoupletGroup *group);

/* Lets all ranks know the worst of their statuses: 0 is good, and the largest is the worst. Every
 * rank gets, in *worst, that status, the lowest rank that has it, and that rank's sentence, which
 * is
 * "" for a status of 0. This is no failure of the group: all ranks go on, or end, alike. `sentence`
 * may be NULL, and is cut to COUPLET_GROUP_SENTENCE_BYTES - 1 bytes. */
typedef struct CoupletAgreed {
    int status, rank;
    char sentence[COUPLET_GROUP_SENTENCE_BYTES];
} CoupletAgreed;
bool couplet_group_agree(CoupletGroup *group, int status, const char *sentence,
                         CoupletAgreed *worst);

/* Sets `values` of all ranks to their sum over the ranks, added in an order of the library's
 * choice: other bits for another number of ranks, and perhaps on another day. */
bool couplet_group_sum(CoupletGroup *group, float *values, int64_t count);
/* Sums in one order, whatever the number of ranks. There are `shards` arrays of `count` floats, a
 * power of two, the leaves of a binary tree in which neighbours are added first. Rank r holds the
 * arrays first[r] to first[r + 1] - 1, and `first` has ranks + 1 entries, from 0 to `shards`; a
 * rank may hold none. With `any_order` a sum is that of couplet_group_sum instead. A sum is made
 * once, and may be taken again and again; several may be under way at once. NULL when memory runs
 * out. */
typedef struct CoupletSum CoupletSum;
CoupletSum *couplet_group_sum_new(CoupletGroup *group, int64_t count, int shards, const int *first,
                                  bool any_order);
/* Starts a sum. The leaves of this rank lie one after the other at `parts`, which is overwritten,
 * and the caller's again when this returns. `sum` gets the root's `count` floats on every rank, and
 * is the group's until the end. Sums are started in the same order on all ranks; two that are under
 * way have different tags. */
bool couplet_group_sum_start(CoupletSum *sum, int tag, float *parts, float *to);
/* Goes on with what has arrived, and does not wait. */
bool couplet_group_sum_move(CoupletSum *sum);
bool couplet_group_sum_is_done(const CoupletSum *sum);
/* Waits until the sum is there. A sum that was started comes by here, also if its start failed,
 * before its memory is given back. */
bool couplet_group_sum_end(CoupletSum *sum);
void couplet_group_sum_free(CoupletSum *sum);

/* ---- the end --------------------------------------------------------------------------------- */

/* Ends the group with a sentence of this rank: every rank's calls return false with "rank 2 of 4
 * (process 4711 on HOST): SENTENCE"; a code ahead of the sentence, "error[E607]: ", stays ahead. It
 * is for what only this rank met, at a moment at which the others wait for
 * something else; where all ranks come by, couplet_group_agree is the orderly way. The first
 * sentence stays. Returns false. */
bool couplet_group_fail(CoupletGroup *group, const char *sentence);
/* The rank that a failure is due to; -1: none, or it is not known. */
int couplet_group_culprit(const CoupletGroup *group);
/* The sentence of a group that failed, as soon as this rank has heard of it, and from any thread;
 * NULL: it is whole. */
const char *couplet_group_failure(const CoupletGroup *group);
/* The rank that is gone, or silent for too long, where that ended the group; else -1. */
int couplet_group_lost(const CoupletGroup *group);
/* Gives the group the flag that a signal to end sets. Whoever starts ranks sends one to all when a
 * rank died, so ranks that stay silent after it are lost. */
void couplet_group_heed(CoupletGroup *group, const volatile sig_atomic_t *stop);
/* Leaves the group. Where it is whole this waits for all ranks; one that failed is left at once,
 * after the others were told. Nothing for the group of one, or NULL. */
void couplet_group_close(CoupletGroup *group);

#endif
