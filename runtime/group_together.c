/* The calls that all ranks of a group make together. They are made of sends and receives, so the
 * bytes are the same with every transport, and a wait in them ends when a rank fails. */
#include "runtime/group_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- slabs ----------------------------------------------------------------------------------- */

int couplet_group_gather_transfers(const CoupletGroup *g) {
    return 2 * (g->ranks - 1);
}

/* Sends the rank's slab to every other rank. Each rank begins with its successor, so that not all
 * send to the same rank at a time. */
static bool start_gather(CoupletGroup *g, int tag, void *array, const int64_t *first,
                         CoupletTransfer *transfers) {
    const int64_t own = first[g->rank + 1] - first[g->rank];
    char *bytes = array;
    bool good = true;
    int at = 0;
    for (int i = 0; i < couplet_group_gather_transfers(g); i++)
        transfers[i] = (CoupletTransfer){{0}};
    for (int i = 1; good && i < g->ranks; i++) {
        const int from = (g->rank - i + g->ranks) % g->ranks;
        const int64_t slab = first[from + 1] - first[from];
        if (slab == 0) continue;
        g->received_bytes += slab;
        good =
            couplet_group_start_receive(g, from, tag, bytes + first[from], slab, &transfers[at++]);
    }
    for (int i = 1; good && own > 0 && i < g->ranks; i++) {
        g->sent_bytes += own;
        good = couplet_group_start_send(g, (g->rank + i) % g->ranks, tag, bytes + first[g->rank],
                                        own, &transfers[at++]);
    }
    return good;
}

bool couplet_group_gather_start(CoupletGroup *g, int tag, void *array, const int64_t *first,
                                CoupletTransfer *transfers) {
    return !g->inside || start_gather(g, tag, array, first, transfers);
}

bool couplet_group_gather(CoupletGroup *g, void *array, const int64_t *first) {
    if (!g->inside) return true;
    const int count = couplet_group_gather_transfers(g);
    CoupletTransfer *transfers = calloc((size_t)count + 1, sizeof *transfers);
    if (!transfers) return couplet_group_fail(g, "out of memory for a gather");
    const bool started = start_gather(g, COUPLET_TAG_GATHER, array, first, transfers);
    const bool good = couplet_group_wait(g, transfers, count) && started;
    free(transfers);
    return good;
}

/* ---- from one to all ------------------------------------------------------------------------- */

/* Sends along a binomial tree: in the round of bit k, the ranks below 2^k, counted from `from`,
 * send to the ranks 2^k further on. */
bool couplet_group_broadcast(CoupletGroup *g, int from, void *array, int64_t bytes) {
    if (!g->inside || bytes == 0) return true;
    const int self = (g->rank - from + g->ranks) % g->ranks;
    CoupletTransfer sends[32] = {{{0}}};
    CoupletTransfer receive;
    int count = 0;
    int bit = 1;
    for (; bit <= self; bit *= 2)
        ;
    if (self > 0) {
        const int parent = (self - bit / 2 + from) % g->ranks;
        g->received_bytes += bytes;
        if (!couplet_group_start_receive(g, parent, COUPLET_TAG_BROADCAST, array, bytes,
                                         &receive) ||
            !couplet_group_wait(g, &receive, 1))
            return false;
    }
    bool started = true;
    for (; started && self + bit < g->ranks; bit *= 2) {
        g->sent_bytes += bytes;
        started = couplet_group_start_send(g, (self + bit + from) % g->ranks, COUPLET_TAG_BROADCAST,
                                           array, bytes, &sends[count++]);
    }
    return couplet_group_wait(g, sends, count) && started;
}

/* ---- agreement ------------------------------------------------------------------------------- */

/* The message of a rank to another in a round of an agreement. */
typedef struct Say {
    int32_t status;
    int32_t rank;
} Say;

static bool comes_first(const Say *a, const Say *b) {
    return a->status != b->status ? a->status > b->status : a->rank < b->rank;
}

/* Collects the worst status of all. In round k every rank hears what the rank 2^k before it knows,
 * so after the last round each knows of all. */
static bool hear_all(CoupletGroup *g, int tag, Say *worst) {
    for (int step = 1; step < g->ranks; step *= 2) {
        const Say mine = *worst;
        Say heard;
        CoupletTransfer both[2] = {{{0}}};
        const bool started = couplet_group_start_receive(g, (g->rank - step + g->ranks) % g->ranks,
                                                         tag, &heard, sizeof heard, &both[0]) &&
                             couplet_group_start_send(g, (g->rank + step) % g->ranks, tag, &mine,
                                                      sizeof mine, &both[1]);
        if (!couplet_group_wait(g, both, 2) || !started) return false;
        if (comes_first(&heard, worst)) *worst = heard;
    }
    return true;
}

bool couplet_group_barrier(CoupletGroup *g) {
    Say nothing = {0, g->rank};
    return !g->inside || hear_all(g, COUPLET_TAG_BARRIER, &nothing);
}

bool couplet_group_agree(CoupletGroup *g, int status, const char *sentence, CoupletAgreed *worst) {
    Say say = {status, g->rank};
    worst->status = status;
    worst->rank = g->rank;
    snprintf(worst->sentence, sizeof worst->sentence, "%s", status && sentence ? sentence : "");
    if (!g->inside) return true;
    if (!hear_all(g, COUPLET_TAG_AGREE, &say)) return false;
    worst->status = say.status;
    worst->rank = say.rank;
    if (say.status == 0) {
        worst->sentence[0] = 0;
        return true;
    }
    const int64_t sent = g->sent_bytes;
    const int64_t received = g->received_bytes;
    const bool good =
        couplet_group_broadcast(g, say.rank, worst->sentence, (int64_t)sizeof worst->sentence);
    g->sent_bytes = sent;
    g->received_bytes = received;
    return good;
}

/* ---- sums ------------------------------------------------------------------------------------ */

bool couplet_group_sum(CoupletGroup *g, float *values, int64_t count) {
    CoupletTransfer t;
    if (!g->inside || count == 0) return true;
    /* The library's traffic is not known. At best, an array goes to the others and back. */
    const int64_t bytes = count * (int64_t)sizeof *values * 2 * (g->ranks - 1) / g->ranks;
    g->sent_bytes += bytes;
    g->received_bytes += bytes;
    return couplet_group_start_sum(g, values, count, &t) && couplet_group_wait(g, &t, 1);
}
