/* The processes of one run, which are its *ranks*: one on each machine, or several on one. An
 * ordinary run is a group of one, in which all calls return at once and copy nothing.
 *
 * A call that returns false has put a sentence into group->fault, which names the rank that failed
 * if that is known. The first sentence stays, and every later call returns false at once, so a
 * group that failed can only be closed. All ranks that can still be reached get the same sentence.
 * No call waits for ever: a rank that was silent for `patience` seconds counts as lost, even if it
 * is only stopped.
 *
 * There is one caller at a time, as for a device. All ranks make the same calls in the same order,
 * except for sends and receives. Meanwhile a thread of the group moves transfers on, so computing
 * between the start of a transfer and its wait hides the transfer. */
#ifndef COUPLET_RUNTIME_GROUP_H
#define COUPLET_RUNTIME_GROUP_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COUPLET_GROUP_SENTENCE_BYTES = 1200,
    COUPLET_GROUP_HOST_BYTES = 64,
    /* The tags of callers are below this. */
    COUPLET_GROUP_TAGS = 1 << 12,
    COUPLET_MOST_RANKS = 4096,
};

/* A send or a receive that was started. Its memory is the caller's, and its members are the
 * group's, until the wait. A transfer of all zeros is done. */
typedef struct CoupletTransfer {
    int64_t words[4];
} CoupletTransfer;

typedef struct CoupletGroupInside CoupletGroupInside;

typedef struct CoupletGroup {
    int rank;
    int ranks;
    /* The number of this rank among those on its machine, by which it chooses a device, and the
     * number of such ranks. */
    int local_rank;
    int local_ranks;
    char host[COUPLET_GROUP_HOST_BYTES]; /* the name of this machine; "" in a group of one */
    bool waits_at_once; /* exchanges wait where they start, to measure what hiding them gains */
    /* "": the group is whole */
    char fault[COUPLET_GROUP_SENTENCE_BYTES];
    /* The bytes that this rank has sent and received so far, without agreements and beats. */
    int64_t sent_bytes;
    int64_t received_bytes;
    double waited; /* the seconds for which calls of the group have waited for other ranks */
    CoupletGroupInside *inside; /* NULL in a group of one */
} CoupletGroup;

/* Returns the group of one. It is shared by all who are alone, and never closed. */
CoupletGroup *couplet_group_alone(void);

/* ---- between two ranks ----------------------------------------------------------------------- */

/* Start sending an array to a rank, and receiving an array from a rank into `to`. The array must
 * not be changed, or must not be touched, until the wait. As many bytes are received as were sent,
 * which may be more than 2 GiB, or 0. Arrays between two ranks with one tag arrive in the order in
 * which they were sent. `tag` is at least 0 and below COUPLET_GROUP_TAGS. A rank does not send to
 * itself. */
bool couplet_group_send(CoupletGroup *group, int to, int tag, const void *from, int64_t bytes,
                        CoupletTransfer *transfer);
bool couplet_group_receive(CoupletGroup *group, int from, int tag, void *to, int64_t bytes,
                           CoupletTransfer *transfer);
/* Waits until `count` transfers are done; if the group has failed, gives them up instead. Every
 * transfer that was started must be waited for before its memory is freed. */
bool couplet_group_wait(CoupletGroup *group, CoupletTransfer *transfers, int count);

/* ---- between all ranks ----------------------------------------------------------------------- */

/* Completes an array on all ranks. Rank r brings the bytes first[r] to first[r + 1] - 1, which may
 * be none, and receives those of the others. `first` has ranks + 1 entries, and is the same on all
 * ranks. */
bool couplet_group_gather(CoupletGroup *group, void *array, const int64_t *first);
/* Starts such a gather. Fills `transfers`, of which couplet_group_gather_transfers(group) are
 * needed. Two gathers that are under way at the same time need different tags. */
int couplet_group_gather_transfers(const CoupletGroup *group);
bool couplet_group_gather_start(CoupletGroup *group, int tag, void *array, const int64_t *first,
                                CoupletTransfer *transfers);
/* Copies the array of rank `from` to all ranks. */
bool couplet_group_broadcast(CoupletGroup *group, int from, void *array, int64_t bytes);
/* Returns on no rank before all ranks have called it. */
bool couplet_group_barrier(CoupletGroup *group);

/* Tells all ranks the worst of their statuses; 0 is good, and the largest is the worst. *worst is
 * set to that status, to the lowest rank that has it, and to that rank's sentence, which is "" for
 * a status of 0. The group does not fail by this: all ranks go on, or end, together. `sentence` may
 * be NULL, and is cut to COUPLET_GROUP_SENTENCE_BYTES - 1 bytes. */
typedef struct CoupletAgreed {
    int status;
    int rank;
    char sentence[COUPLET_GROUP_SENTENCE_BYTES];
} CoupletAgreed;
bool couplet_group_agree(CoupletGroup *group, int status, const char *sentence,
                         CoupletAgreed *worst);

/* Adds `values` over all ranks, in an order that the library chooses. So the bits differ with the
 * number of ranks, and may differ from one day to the next. */
bool couplet_group_sum(CoupletGroup *group, float *values, int64_t count);
/* Sums in an order that does not depend on the number of ranks. There are `shards` arrays of
 * `count` floats, a power of two, which are the leaves of a binary tree in which neighbours are
 * added first. Rank r holds the arrays first[r] to first[r + 1] - 1, maybe none. `first` has ranks
 * + 1 entries, from 0 to `shards`. With `any_order` the sum is that of couplet_group_sum instead.
 * The object is made once and may be used again and again. Several sums may be under way at the
 * same time. Returns NULL if memory runs out. */
typedef struct CoupletSum CoupletSum;
CoupletSum *couplet_group_sum_new(CoupletGroup *group, int64_t count, int shards, const int *first,
                                  bool any_order);
/* Starts a sum. The leaves of this rank lie one after the other at `parts`, which is overwritten,
 * and belongs to the caller again when this function returns. `to` receives the root's `count`
 * floats on every rank, and belongs to the group until the end. All ranks must start their sums in
 * the same order. Two sums that are under way need different tags. */
bool couplet_group_sum_start(CoupletSum *sum, int tag, float *parts, float *to);
/* Continues with what has arrived, without waiting. */
bool couplet_group_sum_move(CoupletSum *sum);
bool couplet_group_sum_is_done(const CoupletSum *sum);
/* Waits until the sum is complete. Every sum that was started must be ended before its memory is
 * freed, even if its start failed. */
bool couplet_group_sum_end(CoupletSum *sum);
void couplet_group_sum_free(CoupletSum *sum);
/* Returns true if each rank sends all its floats to every other, so that the sum takes the delay of
 * the network once. Otherwise ranks send each other parts, and then the sums of the parts. */
bool couplet_group_sum_is_at_once(int64_t count, int ranks);

/* ---- the end --------------------------------------------------------------------------------- */

/* Ends the group with a sentence of this rank. Every rank's calls return false with "rank 2 of 4
 * (process 4711 on HOST): SENTENCE"; a code such as "error[E607]: " stays in front. It is for a
 * failure that only this rank has met while the others wait for something else. Where all ranks
 * make the same call, couplet_group_agree is the orderly way. The first sentence stays. Returns
 * false. */
bool couplet_group_fail(CoupletGroup *group, const char *sentence);
/* Returns the rank that caused a failure; -1: none, or not known. */
int couplet_group_culprit(const CoupletGroup *group);
/* Returns the sentence of a failed group, as soon as this rank has heard of it, or NULL. May be
 * called from any thread. */
const char *couplet_group_failure(const CoupletGroup *group);
/* Returns the rank whose end or silence ended the group, or -1. */
int couplet_group_lost(const CoupletGroup *group);
/* Sets the flag that a signal raises. When a rank dies, the launcher sends a signal to all, so
 * ranks that stay silent after a signal are lost. */
void couplet_group_heed(CoupletGroup *group, const volatile sig_atomic_t *stop);
/* Leaves the group. If the group is whole, this waits for all ranks. If it has failed, the others
 * are told, and this rank leaves at once. Does nothing for the group of one, and for NULL. */
void couplet_group_close(CoupletGroup *group);

#endif
