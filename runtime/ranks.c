/* Does the exchanges of a plan. Each starts behind the step that makes its data. It is waited for
 * ahead of the first step that reads more than its own shard, so the steps between hide it. Tags
 * distinguish exchanges that are under way; all ranks start them in the order of the plan. */
#include "runtime/ranks.h"

#include "runtime/cores.h"
#include "runtime/part.h"

#include <stdlib.h>
#include <unistd.h>

/* An exchange during a run. */
typedef struct Going {
    CoupletTransfer *transfers; /* for a gather */
    CoupletSum *sum;            /* for a sum; NULL: a gather */
    bool is_under_way;
    double waited;
} Going;

struct CoupletExchanges {
    CoupletGroup *group;
    const CoupletPlan *plan;
    int64_t *first;    /* [ranks + 1], for the gather at hand */
    Going *going;      /* by exchange */
    int *by_made;      /* exchanges, sorted by the step that makes their data */
    bool *is_replaced; /* by step: true if an exchange replaces it */
    int made_at, need_at, moved_at;
    void *const *places;
};

bool couplet_ranks_cut(const CoupletDevice *device, const CoupletPlan *plan) {
    return device->is_host && plan->shards > 0 && device->group->ranks > 1;
}

int64_t couplet_ranks_arena(const CoupletDevice *device, const CoupletPlan *plan) {
    CoupletPart *part = couplet_ranks_cut(device, plan)
                            ? couplet_part_new(plan, device->group->ranks, device->group->rank)
                            : NULL;
    const int64_t bytes = part ? couplet_part_bytes(part) : plan->arena_bytes;
    couplet_part_free(part);
    return bytes;
}

int couplet_threads_for(const CoupletGroup *group, int asked) {
    const int cores = couplet_cores_count();
    if (asked > 0 || group->local_ranks == 1) return asked;
    if (cores < sysconf(_SC_NPROCESSORS_ONLN)) return cores;
    return cores / group->local_ranks > 1 ? cores / group->local_ranks : 1;
}

/* Returns the first item of a rank, if each shard has `each` items. Ranks have whole shards. */
static int64_t first_of(const CoupletExchanges *x, int rank, int64_t each) {
    return couplet_part_first(x->plan, x->group->ranks, rank) * each;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Returns the fewest whole subtrees that the leaves [from, to) make, as in a sum of fixed order. */
static int subtrees(int64_t from, int64_t to) {
    int count = 0;
    for (; from < to; count++) {
        int64_t size = 1;
        while (from % (2 * size) == 0 && from + 2 * size <= to)
            size *= 2;
        from += size;
    }
    return count;
}

int64_t couplet_exchange_bytes(const CoupletPlan *plan, const CoupletExchange *e, int ranks,
                               int rank) {
    const int64_t first = couplet_part_first(plan, ranks, rank),
                  end = couplet_part_first(plan, ranks, rank + 1);
    const CoupletBuffer *b = &plan->buffers[e->buffer];
    if (e->kind == COUPLET_GATHER) return (end - first) * b->slab * (ranks - 1);
    const int64_t count = couplet_buffer_count(b), each = e->leaves / plan->shards,
                  part = count / ranks + (rank < count % ranks);
    return couplet_type_bytes(b->type) *
           (subtrees(first * each, end * each) * (count - part) + part * (ranks - 1));
}

/* ---- memory ---------------------------------------------------------------------------------- */

static bool make_sum(CoupletExchanges *x, const CoupletExchange *e, bool any_order, Going *going) {
    int *leaves = calloc((size_t)x->group->ranks + 1, sizeof *leaves);
    for (int r = 0; leaves && r <= x->group->ranks; r++)
        leaves[r] = (int)first_of(x, r, e->leaves / x->plan->shards);
    going->sum =
        leaves ? couplet_group_sum_new(x->group, couplet_buffer_count(&x->plan->buffers[e->buffer]),
                                       e->leaves, leaves, any_order)
               : NULL;
    free(leaves);
    return going->sum != NULL;
}

static bool make_each(CoupletExchanges *x, bool any_order) {
    const size_t transfers = (size_t)couplet_group_gather_transfers(x->group) + 1;
    for (int i = 0; i < x->plan->exchange_count; i++) {
        const CoupletExchange *e = &x->plan->exchanges[i];
        Going *going = &x->going[i];
        if (e->kind == COUPLET_COMBINE) {
            x->is_replaced[e->instead] = true;
            if (!make_sum(x, e, any_order, going)) return false;
        } else if (!(going->transfers = calloc(transfers, sizeof *going->transfers))) {
            return false;
        }
    }
    return true;
}

/* Sorts by insertion: there are few exchanges, nearly in order. */
static void sort_by_made(CoupletExchanges *x) {
    const CoupletExchange *all = x->plan->exchanges;
    for (int i = 0; i < x->plan->exchange_count; i++) {
        int at = i;
        for (; at > 0 && all[x->by_made[at - 1]].made > all[i].made; at--)
            x->by_made[at] = x->by_made[at - 1];
        x->by_made[at] = i;
    }
}

CoupletExchanges *couplet_exchanges_new(CoupletGroup *group, const CoupletPlan *plan,
                                        bool any_order) {
    CoupletExchanges *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    const size_t count = (size_t)plan->exchange_count + 1;
    x->group = group;
    x->plan = plan;
    x->first = calloc((size_t)group->ranks + 1, sizeof *x->first);
    x->going = calloc(count, sizeof *x->going);
    x->by_made = calloc(count, sizeof *x->by_made);
    x->is_replaced = calloc((size_t)plan->step_count + 1, sizeof *x->is_replaced);
    if (x->first && x->going && x->by_made && x->is_replaced && make_each(x, any_order)) {
        sort_by_made(x);
        return x;
    }
    couplet_exchanges_free(x);
    return NULL;
}

void couplet_exchanges_free(CoupletExchanges *x) {
    if (!x) return;
    for (int i = 0; x->going && i < x->plan->exchange_count; i++) {
        free(x->going[i].transfers);
        couplet_group_sum_free(x->going[i].sum);
    }
    free(x->first);
    free(x->going);
    free(x->by_made);
    free(x->is_replaced);
    free(x);
}

/* ---- in the course of a run ------------------------------------------------------------------ */

void couplet_exchanges_begin(CoupletExchanges *x, void *const *places) {
    x->places = places;
    x->made_at = x->need_at = x->moved_at = 0;
}

static bool complete(CoupletExchanges *x, int number) {
    Going *going = &x->going[number];
    const double before = x->group->waited;
    if (!going->is_under_way) return true;
    going->is_under_way = false;
    const bool good = going->sum ? couplet_group_sum_end(going->sum)
                                 : couplet_group_wait(x->group, going->transfers,
                                                      couplet_group_gather_transfers(x->group));
    going->waited += x->group->waited - before;
    return good;
}

static bool start_gather(CoupletExchanges *x, const CoupletExchange *e, int tag, Going *going) {
    const int64_t slab = x->plan->buffers[e->buffer].slab;
    for (int r = 0; r <= x->group->ranks; r++)
        x->first[r] = first_of(x, r, slab);
    return couplet_group_gather_start(x->group, tag, x->places[e->buffer], x->first,
                                      going->transfers);
}

/* Returns the leaves of this rank, which are made in the first array. */
static float *own_leaves(const CoupletExchanges *x, const CoupletExchange *e) {
    const int64_t leaf = couplet_buffer_count(&x->plan->buffers[e->buffer]),
                  each = e->leaves / x->plan->shards * leaf,
                  first = first_of(x, x->group->rank, each),
                  end = first_of(x, x->group->rank + 1, each);
    float *leaves = x->places[e->from[0]];
    for (int k = 1; k < e->from_count; k++) {
        const float *restrict other = x->places[e->from[k]];
        for (int64_t i = first; i < end; i++)
            leaves[i] += other[i];
    }
    return leaves + first;
}

static bool start_sum(CoupletExchanges *x, const CoupletExchange *e, int tag, Going *going) {
    return couplet_group_sum_start(going->sum, tag, own_leaves(x, e), x->places[e->buffer]);
}

/* Starts an exchange. Tags are used in turn, so the exchange that had this tag before is over by
 * now. */
static bool start(CoupletExchanges *x, int at) {
    const CoupletExchange *e = &x->plan->exchanges[x->by_made[at]];
    Going *going = &x->going[x->by_made[at]];
    if (at >= COUPLET_GROUP_TAGS && !complete(x, x->by_made[at - COUPLET_GROUP_TAGS])) return false;
    going->is_under_way = true;
    return going->sum ? start_sum(x, e, at % COUPLET_GROUP_TAGS, going)
                      : start_gather(x, e, at % COUPLET_GROUP_TAGS, going);
}

/* Continues with the first sum that is not complete. Later sums complete after it. */
static bool move_on(CoupletExchanges *x) {
    for (; x->moved_at < x->made_at; x->moved_at++) {
        const Going *going = &x->going[x->by_made[x->moved_at]];
        if (!going->sum || !going->is_under_way) continue;
        if (!couplet_group_sum_move(going->sum)) return false;
        if (!couplet_group_sum_is_done(going->sum)) break;
    }
    return true;
}

bool couplet_exchanges_made(CoupletExchanges *x, int step) {
    for (; x->made_at < x->plan->exchange_count; x->made_at++) {
        if (x->plan->exchanges[x->by_made[x->made_at]].made > step) break;
        if (!start(x, x->made_at)) return false;
    }
    return move_on(x);
}

bool couplet_exchanges_need(CoupletExchanges *x, int step) {
    for (; x->need_at < x->plan->exchange_count; x->need_at++) {
        if (x->plan->exchanges[x->need_at].step > step) break;
        if (!complete(x, x->need_at)) return false;
    }
    return true;
}

bool couplet_exchanges_replace(const CoupletExchanges *x, int step) {
    return x->is_replaced[step];
}

bool couplet_exchanges_end(CoupletExchanges *x) {
    bool good = true;
    for (int i = 0; i < x->plan->exchange_count; i++)
        good &= complete(x, i);
    return good;
}

double couplet_exchanges_waited(const CoupletExchanges *x, int number) {
    return x->going[number].waited;
}
