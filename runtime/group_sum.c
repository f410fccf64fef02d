/* Sums over the ranks of a group in a fixed order. They are made of sends and receives, so the bits
 * are the same with every transport, and a wait in them ends when a rank fails.
 *
 * Each rank adds its whole subtrees. Every rank is responsible for one part of the array, and gets
 * this part of all subtrees from the others. When it has them all, it adds them in the order of the
 * tree and sends the result to all.
 *
 * An array of few floats, such as the statistics of a layer, takes the network's delay and hardly
 * any time on its link. Every rank is then responsible for the whole array, and the second round,
 * in which the result is sent, does not take place. */
#include "runtime/group_inside.h"

#include <stdlib.h>
#include <string.h>

/* A whole subtree. Its leaves are first .. first + count - 1, and count is a power of two. */
typedef struct Subtree {
    int first;
    int count;
} Subtree;

typedef enum {
    SUM_IS_DONE,
    SUM_OF_PARTS,
    SUM_OF_ALL,
} SumState;

struct CoupletSum {
    CoupletGroup *group;
    int64_t count;
    int shards, own; /* `own` is the number of this rank's subtrees */
    int *first;      /* by rank: the number of its first leaf */
    int64_t *slabs;  /* by rank: where the part that it adds begins, in bytes */
    bool any_order;
    bool is_at_once;   /* each rank adds the whole array */
    Subtree *subtrees; /* the subtrees of all ranks, in the order of ranks */
    float **at;        /* by subtree: this rank's part of its sum */
    int subtree_count;
    float *memory; /* in a sum: the sums of the rank's own subtrees, and its parts of the others */
    CoupletTransfer *transfers;
    int transfer_count;
    int looked_at;
    SumState state;
    int tag;
    float *result;
};

/* Divides the leaves [from, to) into the fewest whole subtrees, in order. Returns their number. */
static int cut_leaves(int from, int to, Subtree *out) {
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

static void add_floats(float *restrict to, const float *restrict from, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

/* Adds a subtree whose leaves are at parts, parts + count, and so on. The sum is then at
 * `parts`. */
static void add_leaves(float *parts, int64_t count, int leaves) {
    if (leaves == 1) return;
    float *right = parts + count * (leaves / 2);
    add_leaves(parts, count, leaves / 2);
    add_leaves(right, count, leaves / 2);
    add_floats(parts, right, count);
}

/* Adds a subtree in the same way, and copies the sum to `sum`. */
static void add_leaves_to(float *restrict sum, float *parts, int64_t count, int leaves) {
    add_leaves(parts, count, leaves);
    memcpy(sum, parts, (size_t)count * sizeof *sum);
}

/* ---- making ---------------------------------------------------------------------------------- */

bool couplet_group_sum_is_at_once(int64_t count, int ranks) {
    enum { MOST_FLOATS = 16384 }; /* the most floats that a rank sends of a subtree: 64 KiB */
    return count * (ranks - 1) <= MOST_FLOATS;
}

/* Returns where the part begins that rank r is responsible for. */
static int64_t cut_at(const CoupletSum *s, int r) {
    return s->is_at_once ? 0 : s->slabs[r] / (int64_t)sizeof(float);
}

static int64_t cut_size(const CoupletSum *s, int r) {
    return s->is_at_once ? s->count : (s->slabs[r + 1] - s->slabs[r]) / (int64_t)sizeof(float);
}

static void cut_floats(CoupletSum *s) {
    const int64_t ranks = s->group->ranks;
    for (int64_t r = 0; r <= ranks; r++)
        s->slabs[r] = (s->count / ranks * r + (r < s->count % ranks ? r : s->count % ranks)) *
                      (int64_t)sizeof(float);
}

static bool allocate_sum(CoupletSum *s) {
    const size_t ranks = (size_t)s->group->ranks;
    s->first = calloc(ranks + 1, sizeof *s->first);
    s->slabs = calloc(ranks + 1, sizeof *s->slabs);
    return s->first && s->slabs;
}

static bool allocate_subtrees(CoupletSum *s) {
    const int ranks = s->group->ranks;
    int subtrees = 0;
    for (int r = 0; r < ranks; r++)
        subtrees += cut_leaves(s->first[r], s->first[r + 1], NULL);
    s->own = cut_leaves(s->first[s->group->rank], s->first[s->group->rank + 1], NULL);
    const size_t transfers = (size_t)subtrees + (size_t)(s->own + 2) * (size_t)ranks;
    s->subtrees = calloc((size_t)subtrees + 1, sizeof *s->subtrees);
    s->at = calloc((size_t)subtrees + 1, sizeof *s->at);
    s->transfers = calloc(transfers + 1, sizeof *s->transfers);
    return s->subtrees && s->at && s->transfers;
}

CoupletSum *couplet_group_sum_new(CoupletGroup *g, int64_t count, int shards, const int *first,
                                  bool any_order) {
    CoupletSum *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    *s = (CoupletSum){.group = g, .count = count, .shards = shards, .any_order = any_order};
    s->is_at_once = couplet_group_sum_is_at_once(count, g->ranks);
    bool good = allocate_sum(s);
    if (good) {
        memcpy(s->first, first, ((size_t)g->ranks + 1) * sizeof *first);
        cut_floats(s);
        good = allocate_subtrees(s);
    }
    if (good) return s;
    couplet_group_sum_free(s);
    return NULL;
}

void couplet_group_sum_free(CoupletSum *s) {
    if (!s) return;
    free(s->first);
    free(s->slabs);
    free(s->subtrees);
    free(s->at);
    free(s->memory);
    free(s->transfers);
    free(s);
}

/* ---- the parts ------------------------------------------------------------------------------- */

/* Receives this rank's part of the subtrees of rank r. */
static bool receive_of(CoupletSum *s, int r, float **memory) {
    CoupletGroup *g = s->group;
    const int64_t size = cut_size(s, g->rank);
    const int64_t bytes = size * (int64_t)sizeof(float);
    const int count = cut_leaves(s->first[r], s->first[r + 1], &s->subtrees[s->subtree_count]);
    bool good = true;
    for (int i = 0; good && i < count; i++, *memory += size) {
        s->at[s->subtree_count++] = *memory;
        if (bytes > 0)
            good = couplet_group_receive(g, r, s->tag, *memory, bytes,
                                         &s->transfers[s->transfer_count++]);
    }
    return good;
}

/* Sends every other rank its part of the sum of a subtree. */
static bool send_parts(CoupletSum *s, const float *sum) {
    CoupletGroup *g = s->group;
    bool good = true;
    for (int k = 1; good && k < g->ranks; k++) {
        const int to = (g->rank + k) % g->ranks;
        const int64_t bytes = cut_size(s, to) * (int64_t)sizeof(float);
        if (bytes > 0)
            good = couplet_group_send(g, to, s->tag, sum + cut_at(s, to), bytes,
                                      &s->transfers[s->transfer_count++]);
    }
    return good;
}

/* Adds this rank's own subtrees, keeps its part of their sums, and sends the others theirs. */
static bool send_own(CoupletSum *s, float *parts, float **memory) {
    CoupletGroup *g = s->group;
    const int own =
        cut_leaves(s->first[g->rank], s->first[g->rank + 1], &s->subtrees[s->subtree_count]);
    bool good = true;
    for (int i = 0; good && i < own; i++, *memory += s->count) {
        const Subtree *t = &s->subtrees[s->subtree_count];
        add_leaves_to(*memory, parts + (t->first - s->first[g->rank]) * s->count, s->count,
                      t->count);
        s->at[s->subtree_count++] = *memory + cut_at(s, g->rank);
        good = send_parts(s, *memory);
    }
    return good;
}

/* Starts the first round, in which the parts of all subtrees are sent and received. */
static bool start_parts(CoupletSum *s, float *parts) {
    CoupletGroup *g = s->group;
    int others = 0;
    for (int r = 0; r < g->ranks; r++)
        if (r != g->rank) others += cut_leaves(s->first[r], s->first[r + 1], NULL);
    const int64_t floats = s->own * s->count + others * cut_size(s, g->rank);
    float *memory = s->memory = malloc(((size_t)floats + 1) * sizeof *memory);
    if (!memory) return couplet_group_fail(g, "out of memory for a sum over the ranks");
    bool good = true;
    s->state = SUM_OF_PARTS;
    for (int r = 0; good && r < g->ranks; r++)
        good = r == g->rank ? send_own(s, parts, &memory) : receive_of(s, r, &memory);
    return good;
}

/* Starts a sum in the library's order: first of the rank's own leaves, then over all ranks. */
static bool start_any_order(CoupletSum *s, float *parts) {
    CoupletGroup *g = s->group;
    const int64_t bytes = s->count * (int64_t)sizeof *parts * 2 * (g->ranks - 1) / g->ranks;
    const int leaves = s->first[g->rank + 1] - s->first[g->rank];
    memset(s->result, 0, (size_t)s->count * sizeof *parts);
    for (int i = 0; i < leaves; i++)
        add_floats(s->result, parts + i * s->count, s->count);
    s->state = SUM_OF_ALL;
    s->transfer_count = 1;
    /* The library's traffic is not known. At best, an array goes to the others and back. */
    g->sent_bytes += bytes;
    g->received_bytes += bytes;
    return couplet_group_start_sum(g, s->result, s->count, &s->transfers[0]);
}

bool couplet_group_sum_start(CoupletSum *s, int tag, float *parts, float *sum) {
    if (!s->group->inside) {
        add_leaves(parts, s->count, s->shards);
        if (sum != parts) {
            memcpy(sum, parts, (size_t)s->count * sizeof *sum);
        }
        return true;
    }
    s->tag = tag;
    s->result = sum;
    s->subtree_count = s->transfer_count = s->looked_at = 0;
    return s->any_order ? s->count == 0 || start_any_order(s, parts) : start_parts(s, parts);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Adds the leaves [first, first + leaves) from the subtrees beginning at number *at. Returns where
 * the sum is. */
static float *add_subtrees(CoupletSum *s, int first, int leaves, int *at) {
    const Subtree *t = &s->subtrees[*at];
    if (t->first == first && t->count == leaves) return s->at[(*at)++];
    float *left = add_subtrees(s, first, leaves / 2, at);
    const float *right = add_subtrees(s, first + leaves / 2, leaves / 2, at);
    add_floats(left, right, cut_size(s, s->group->rank));
    return left;
}

/* Is called when the parts of all ranks have arrived. Adds this rank's part of the whole sum, and
 * starts the second round, which brings it to all ranks. */
static bool start_whole(CoupletSum *s) {
    CoupletGroup *g = s->group;
    int at = 0;
    memcpy(s->result + cut_at(s, g->rank), add_subtrees(s, 0, s->shards, &at),
           (size_t)cut_size(s, g->rank) * sizeof(float));
    free(s->memory);
    s->memory = NULL;
    s->looked_at = s->transfer_count = 0;
    s->state = s->is_at_once ? SUM_IS_DONE : SUM_OF_ALL;
    if (s->is_at_once) return true;
    s->transfer_count = couplet_group_gather_transfers(g);
    return couplet_group_gather_start(g, s->tag, s->result, s->slabs, s->transfers);
}

bool couplet_group_sum_move(CoupletSum *s) {
    while (s->state != SUM_IS_DONE) {
        while (s->looked_at < s->transfer_count &&
               couplet_group_look(s->group, &s->transfers[s->looked_at]))
            s->looked_at++;
        if (s->looked_at < s->transfer_count) break;
        if (s->state == SUM_OF_ALL)
            s->state = SUM_IS_DONE;
        else if (!start_whole(s))
            return false;
    }
    return true;
}

bool couplet_group_sum_is_done(const CoupletSum *s) {
    return s->state == SUM_IS_DONE;
}

bool couplet_group_sum_end(CoupletSum *s) {
    bool good = true;
    while (s->state != SUM_IS_DONE) {
        good = couplet_group_wait(s->group, s->transfers, s->transfer_count) && good;
        if (s->state == SUM_OF_PARTS && good) {
            good = start_whole(s);
            continue;
        }
        s->state = SUM_IS_DONE;
        free(s->memory);
        s->memory = NULL;
    }
    return good;
}
