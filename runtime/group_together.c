/* The calls that all ranks of a group make together. They are made of sends and receives, so the
 * same bytes come out with every transport, and a wait in them ends when a rank fails. */
#include "runtime/group_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- slabs ----------------------------------------------------------------------------------- */

int couplet_group_gather_transfers(const CoupletGroup *g) {
    return 2 * (g->ranks - 1);
}

/* Every rank sends its slab to every other. Each starts with its successor, so that they do not all
 * send to one at a time. */
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

/* A binomial tree: in the round of bit k, those below 2^k (counted from `from`) send to 2^k more.
 */
bool couplet_group_broadcast(CoupletGroup *g, int from, void *array, int64_t bytes) {
    if (!g->inside || bytes == 0) return true;
    const int self = (g->rank - from + g->ranks) % g->ranks;
    CoupletTransfer sends[32] = {{{0}}}, receive;
    int count = 0, bit = 1;
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

/* What one rank says to another in a round of an agreement. */
typedef struct Say {
    int32_t status, rank;
} Say;

static bool is_worse(const Say *a, const Say *b) {
    return a->status != b->status ? a->status > b->status : a->rank < b->rank;
}

/* In round k every rank hears what the rank 2^k before it has heard, so after the last round each
 * has heard of all. */
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
        if (is_worse(&heard, worst)) *worst = heard;
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
    const int64_t sent = g->sent_bytes, received = g->received_bytes;
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
    /* what a library sends for it is not known: an array to the others and back, at best */
    const int64_t bytes = count * (int64_t)sizeof *values * 2 * (g->ranks - 1) / g->ranks;
    g->sent_bytes += bytes;
    g->received_bytes += bytes;
    return couplet_group_start_sum(g, values, count, &t) && couplet_group_wait(g, &t, 1);
}

/* A whole subtree: its leaves are first .. first + count - 1, and count is a power of two. */
typedef struct Subtree {
    int first, count;
} Subtree;

/* A range of leaves falls into at most two subtrees of each size. */
enum { MOST_SUBTREES = 64 };

/* Cuts the leaves [from, to) into the fewest whole subtrees, in order. Returns their number. */
static int cut(int from, int to, Subtree *out) {
    int count = 0;
    while (from < to) {
        int size = 1;
        while (from % (size * 2) == 0 && from + size * 2 <= to)
            size *= 2;
        if (out) out[count] = (Subtree){from, size};
        count++;
        from += size;
    }
    return count;
}

static void add(float *restrict to, const float *restrict from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

/* Adds a subtree whose leaves lie at parts, parts + count, ..; the sum comes to `parts`. */
static void add_leaves(float *parts, int64_t count, int leaves) {
    if (leaves == 1) return;
    float *right = parts + count * (leaves / 2);
    add_leaves(parts, count, leaves / 2);
    add_leaves(right, count, leaves / 2);
    add(parts, right, count);
}

/* The floats of an array whose sum rank r works out. */
static int64_t cut_at(const CoupletGroup *g, int64_t count, int r) {
    return count / g->ranks * r + (r < count % g->ranks ? r : count % g->ranks);
}

static int64_t cut_size(const CoupletGroup *g, int64_t count, int r) {
    return cut_at(g, count, r + 1) - cut_at(g, count, r);
}

int64_t couplet_group_sum_scratch(const CoupletGroup *g, int64_t count, int shards,
                                  const int *first) {
    int64_t floats = 0;
    (void)shards;
    for (int r = 0; r < g->ranks; r++)
        if (r != g->rank) floats += cut(first[r], first[r + 1], NULL) * cut_size(g, count, g->rank);
    return floats;
}

/* The subtrees of all ranks, in order, while this rank adds up its floats. */
typedef struct Ordered {
    CoupletGroup *group;
    int64_t size; /* floats of this rank */
    Subtree *subtrees;
    float **at; /* by subtree: this rank's floats of its sum */
    CoupletTransfer *transfers;
    int count, transfer_count;
} Ordered;

static void free_ordered(Ordered *o) {
    free(o->subtrees);
    free(o->at);
    free(o->transfers);
}

static bool make_ordered(Ordered *o, CoupletGroup *g, int64_t count, const int *first) {
    int subtrees = 0, own = cut(first[g->rank], first[g->rank + 1], NULL);
    for (int r = 0; r < g->ranks; r++)
        subtrees += cut(first[r], first[r + 1], NULL);
    *o = (Ordered){.group = g, .size = cut_size(g, count, g->rank)};
    o->subtrees = calloc((size_t)subtrees + 1, sizeof *o->subtrees);
    o->at = calloc((size_t)subtrees + 1, sizeof *o->at);
    o->transfers = calloc((size_t)subtrees + (size_t)(own * g->ranks) + 1, sizeof *o->transfers);
    if (o->subtrees && o->at && o->transfers) return true;
    free_ordered(o);
    return couplet_group_fail(g, "out of memory for a sum");
}

/* Receives this rank's floats of the subtrees of another. */
static bool receive_of(Ordered *o, int r, const int *first, float **scratch) {
    CoupletGroup *g = o->group;
    const int count = cut(first[r], first[r + 1], &o->subtrees[o->count]);
    bool good = true;
    for (int i = 0; good && i < count; i++, o->count++) {
        o->at[o->count] = *scratch;
        *scratch += o->size;
        const int64_t bytes = o->size * (int64_t)sizeof(float);
        if (bytes == 0) continue;
        g->received_bytes += bytes;
        good = couplet_group_start_receive(g, r, COUPLET_TAG_SUM, o->at[o->count], bytes,
                                           &o->transfers[o->transfer_count++]);
    }
    return good;
}

/* Adds up the subtrees of this rank, and sends every other rank its floats of them. */
static bool send_own(Ordered *o, float *parts, int64_t count, const int *first) {
    CoupletGroup *g = o->group;
    const int own = cut(first[g->rank], first[g->rank + 1], &o->subtrees[o->count]);
    for (int i = 0; i < own; i++, o->count++) {
        const Subtree *s = &o->subtrees[o->count];
        float *sum = parts + (s->first - first[g->rank]) * count;
        add_leaves(sum, count, s->count);
        o->at[o->count] = sum + cut_at(g, count, g->rank);
        for (int k = 1; k < g->ranks; k++) {
            const int to = (g->rank + k) % g->ranks;
            const int64_t bytes = cut_size(g, count, to) * (int64_t)sizeof(float);
            if (bytes == 0) continue;
            g->sent_bytes += bytes;
            if (!couplet_group_start_send(g, to, COUPLET_TAG_SUM, sum + cut_at(g, count, to), bytes,
                                          &o->transfers[o->transfer_count++]))
                return false;
        }
    }
    return true;
}

/* Adds up the leaves [first, first + leaves) out of the subtrees from number *at on, and returns
 * where the sum lies. */
static float *add_subtrees(Ordered *o, int first, int leaves, int *at) {
    const Subtree *s = &o->subtrees[*at];
    if (s->first == first && s->count == leaves) return o->at[(*at)++];
    float *left = add_subtrees(o, first, leaves / 2, at);
    const float *right = add_subtrees(o, first + leaves / 2, leaves / 2, at);
    add(left, right, o->size);
    return left;
}

bool couplet_group_sum_ordered(CoupletGroup *g, float *parts, int64_t count, int shards,
                               const int *first, float *scratch, float *sum) {
    Ordered o;
    if (!g->inside) {
        add_leaves(parts, count, shards);
        if (sum != parts) memcpy(sum, parts, (size_t)count * sizeof *sum);
        return true;
    }
    int64_t *slabs = calloc((size_t)g->ranks + 1, sizeof *slabs);
    if (!slabs) return couplet_group_fail(g, "out of memory for a sum");
    if (!make_ordered(&o, g, count, first)) {
        free(slabs);
        return false;
    }
    for (int r = 0; r <= g->ranks; r++)
        slabs[r] = cut_at(g, count, r) * (int64_t)sizeof *sum;
    bool good = true;
    for (int r = 0; good && r < g->ranks; r++)
        good =
            r == g->rank ? send_own(&o, parts, count, first) : receive_of(&o, r, first, &scratch);
    good = couplet_group_wait(g, o.transfers, o.transfer_count) && good;
    if (good) {
        int at = 0;
        const float *mine = add_subtrees(&o, 0, shards, &at);
        memmove(sum + cut_at(g, count, g->rank), mine, (size_t)o.size * sizeof *sum);
        good = couplet_group_gather(g, sum, slabs);
    }
    free_ordered(&o);
    free(slabs);
    return good;
}
