/* Does the exchanges of a plan. Each starts behind the step that makes its data. It is waited for
 * ahead of the first step that reads more than its own shard, so the steps between hide it. Tags
 * distinguish exchanges that are under way; all ranks start them in the order of the plan.
 *
 * On the host, arrays are sent and received where they lie. On another device each exchange has an
 * array on the host beside the device's. The queue copies this rank's data into it, behind the step
 * that makes them. The following steps are queued up to the first step that needs an exchange.
 * There the exchanges are started in order, as their data arrive, and what other ranks have made is
 * written to the device. So the device computes while exchanges are under way. */
#include "runtime/ranks.h"

#include "runtime/cores.h"
#include "runtime/part.h"

#include <stdlib.h>
#include <unistd.h>

/* An exchange during a run. */
typedef struct Going {
    CoupletTransfer *transfers; /* for a gather */
    CoupletSum *sum;            /* for a sum; NULL: a gather */
    char *array;   /* on the host: a copy of the device's array; NULL: the device is the host */
    float *leaves; /* on the host: this rank's leaves of a sum, of one array after the other */
    void *mark;    /* the mark of the last copy to the host that was started; NULL: none */
    bool is_under_way;
    double waited;
} Going;

struct CoupletExchanges {
    CoupletDevice *device;
    CoupletGroup *group;
    const CoupletPlan *plan;
    int64_t *first;    /* [ranks + 1], for the gather at hand */
    Going *going;      /* by exchange */
    int *by_made;      /* exchanges, sorted by the step that makes their data */
    bool *is_replaced; /* by step: true if an exchange replaces it */
    /* Positions in by_made: the exchanges before made_at have their data, those before started_at
     * are started, and the sums before moved_at are complete. need_at is a position among the
     * plan's exchanges. */
    int made_at;
    int started_at;
    int need_at;
    int moved_at;
    void *const *places;
};

bool couplet_ranks_cut(const CoupletDevice *device, const CoupletPlan *plan) {
    return plan->shards > 0 && device->group->ranks > 1;
}

int64_t couplet_ranks_arena(const CoupletDevice *device, const CoupletPlan *plan) {
    CoupletPart *part = device->is_host && couplet_ranks_cut(device, plan)
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
    const int64_t first = couplet_part_first(plan, ranks, rank);
    const int64_t end = couplet_part_first(plan, ranks, rank + 1);
    const CoupletBuffer *b = &plan->buffers[e->buffer];
    if (e->kind == COUPLET_GATHER) return (end - first) * b->slab * (ranks - 1);
    const int64_t count = couplet_buffer_count(b);
    const int64_t each = e->leaves / plan->shards;
    const int own = subtrees(first * each, end * each);
    const int64_t part = count / ranks + (rank < count % ranks);
    const int64_t floats = couplet_group_sum_is_at_once(count, ranks)
                               ? own * count * (ranks - 1)
                               : own * (count - part) + part * (ranks - 1);
    return couplet_type_bytes(b->type) * floats;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Returns the number of floats in the leaves ahead of those of a rank. */
static int64_t first_leaf(const CoupletExchanges *x, const CoupletExchange *e, int rank) {
    const int64_t leaf = couplet_buffer_count(&x->plan->buffers[e->buffer]);
    return first_of(x, rank, e->leaves / x->plan->shards * leaf);
}

static int64_t own_leaf_count(const CoupletExchanges *x, const CoupletExchange *e) {
    return first_leaf(x, e, x->group->rank + 1) - first_leaf(x, e, x->group->rank);
}

/* Allocates the arrays on the host beside those of another device. */
static bool make_arrays(CoupletExchanges *x, const CoupletExchange *e, Going *going) {
    if (x->device->is_host) return true;
    const CoupletBuffer *b = &x->plan->buffers[e->buffer];
    going->array = malloc((size_t)(couplet_buffer_count(b) * couplet_type_bytes(b->type)) + 1);
    if (e->kind == COUPLET_COMBINE)
        going->leaves =
            malloc((size_t)(e->from_count * own_leaf_count(x, e)) * sizeof *going->leaves + 1);
    return going->array && (e->kind == COUPLET_GATHER || going->leaves);
}

static bool make_sum(CoupletExchanges *x, const CoupletExchange *e, Going *going) {
    int *leaves = calloc((size_t)x->group->ranks + 1, sizeof *leaves);
    for (int r = 0; leaves && r <= x->group->ranks; r++)
        leaves[r] = (int)first_of(x, r, e->leaves / x->plan->shards);
    going->sum =
        leaves ? couplet_group_sum_new(x->group, couplet_buffer_count(&x->plan->buffers[e->buffer]),
                                       e->leaves, leaves, x->device->any_order)
               : NULL;
    free(leaves);
    return going->sum != NULL;
}

static bool make_each(CoupletExchanges *x) {
    const size_t transfers = (size_t)couplet_group_gather_transfers(x->group) + 1;
    for (int i = 0; i < x->plan->exchange_count; i++) {
        const CoupletExchange *e = &x->plan->exchanges[i];
        Going *going = &x->going[i];
        if (!make_arrays(x, e, going)) return false;
        if (e->kind == COUPLET_COMBINE) {
            x->is_replaced[e->instead] = true;
            if (!make_sum(x, e, going)) return false;
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

CoupletExchanges *couplet_exchanges_new(CoupletDevice *device, const CoupletPlan *plan) {
    CoupletExchanges *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    const size_t count = (size_t)plan->exchange_count + 1;
    x->device = device;
    x->group = device->group;
    x->plan = plan;
    x->first = calloc((size_t)x->group->ranks + 1, sizeof *x->first);
    x->going = calloc(count, sizeof *x->going);
    x->by_made = calloc(count, sizeof *x->by_made);
    x->is_replaced = calloc((size_t)plan->step_count + 1, sizeof *x->is_replaced);
    if (x->first && x->going && x->by_made && x->is_replaced && make_each(x)) {
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
        free(x->going[i].array);
        free(x->going[i].leaves);
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
    x->made_at = x->started_at = x->need_at = x->moved_at = 0;
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

/* Returns the array on the host that is exchanged. */
static void *array_of(const CoupletExchanges *x, const CoupletExchange *e, const Going *going) {
    return going->array ? (void *)going->array : x->places[e->buffer];
}

static void set_first(CoupletExchanges *x, const CoupletExchange *e) {
    for (int r = 0; r <= x->group->ranks; r++)
        x->first[r] = first_of(x, r, x->plan->buffers[e->buffer].slab);
}

/* Has the queue of another device copy this rank's data to the host. */
static bool copy_to_host(CoupletExchanges *x, const CoupletExchange *e, Going *going) {
    CoupletDevice *d = x->device;
    const int64_t first = first_leaf(x, e, x->group->rank);
    const int64_t count = own_leaf_count(x, e);
    if (!going->array) return true;
    if (!going->sum) {
        set_first(x, e);
        const int64_t own = x->first[x->group->rank];
        const int64_t end = x->first[x->group->rank + 1];
        return d->calls->fetch(d, going->array + own, x->places[e->buffer], own, end - own,
                               &going->mark);
    }
    bool good = true;
    for (int k = 0; good && k < e->from_count; k++)
        good = d->calls->fetch(d, going->leaves + k * count, x->places[e->from[k]],
                               first * (int64_t)sizeof(float), count * (int64_t)sizeof(float),
                               k + 1 == e->from_count ? &going->mark : NULL);
    return good;
}

static bool start_gather(CoupletExchanges *x, const CoupletExchange *e, int tag, Going *going) {
    set_first(x, e);
    return couplet_group_gather_start(x->group, tag, array_of(x, e, going), x->first,
                                      going->transfers);
}

/* Returns the leaves of this rank in array number `k`, on the host. */
static float *leaves_of(const CoupletExchanges *x, const CoupletExchange *e, int k,
                        const Going *going) {
    return going->leaves ? going->leaves + k * own_leaf_count(x, e)
                         : (float *)x->places[e->from[k]] + first_leaf(x, e, x->group->rank);
}

/* Adds the leaves of all arrays to those of the first, and starts their sum. */
static bool start_sum(CoupletExchanges *x, const CoupletExchange *e, int tag, Going *going) {
    const int64_t count = own_leaf_count(x, e);
    float *leaves = leaves_of(x, e, 0, going);
    for (int k = 1; k < e->from_count; k++) {
        const float *restrict other = leaves_of(x, e, k, going);
        for (int64_t i = 0; i < count; i++)
            leaves[i] += other[i];
    }
    return couplet_group_sum_start(going->sum, tag, leaves, array_of(x, e, going));
}

/* Writes bytes of the host's array to the device's. */
static bool store(CoupletExchanges *x, const CoupletExchange *e, const Going *going, int64_t first,
                  int64_t end) {
    CoupletDevice *d = x->device;
    return end == first ||
           d->calls->write(d, x->places[e->buffer], first, going->array + first, end - first);
}

/* Writes what other ranks have made to the device. */
static bool deliver(CoupletExchanges *x, int number) {
    const CoupletExchange *e = &x->plan->exchanges[number];
    const Going *going = &x->going[number];
    const CoupletBuffer *b = &x->plan->buffers[e->buffer];
    const int64_t bytes = couplet_buffer_count(b) * couplet_type_bytes(b->type);
    if (!going->array) return true;
    if (going->sum) return store(x, e, going, 0, bytes);
    return store(x, e, going, 0, first_of(x, x->group->rank, b->slab)) &&
           store(x, e, going, first_of(x, x->group->rank + 1, b->slab), bytes);
}

/* Waits for the copy of this rank's data to the host. */
static bool arrived(CoupletExchanges *x, Going *going) {
    void *mark = going->mark;
    going->mark = NULL;
    return !mark || x->device->calls->await(x->device, mark);
}

/* Starts an exchange. Tags are used in turn. The exchange that had this tag before is completed
 * first. */
static bool start_exchange(CoupletExchanges *x, int at) {
    const CoupletExchange *e = &x->plan->exchanges[x->by_made[at]];
    Going *going = &x->going[x->by_made[at]];
    if (!arrived(x, going)) return false;
    if (at >= COUPLET_GROUP_TAGS && !complete(x, x->by_made[at - COUPLET_GROUP_TAGS])) return false;
    going->is_under_way = true;
    const bool good = going->sum ? start_sum(x, e, at % COUPLET_GROUP_TAGS, going)
                                 : start_gather(x, e, at % COUPLET_GROUP_TAGS, going);
    return good && (!x->group->waits_at_once || complete(x, x->by_made[at]));
}

/* Continues with the first sum that is not complete. Later sums complete after it. */
static bool move_on(CoupletExchanges *x) {
    for (; x->moved_at < x->started_at; x->moved_at++) {
        const Going *going = &x->going[x->by_made[x->moved_at]];
        if (!going->sum || !going->is_under_way) continue;
        if (!couplet_group_sum_move(going->sum)) return false;
        if (!couplet_group_sum_is_done(going->sum)) break;
    }
    return true;
}

static bool start_what_is_made(CoupletExchanges *x) {
    while (x->started_at < x->made_at)
        if (!start_exchange(x, x->started_at++) || !move_on(x)) return false;
    return true;
}

bool couplet_exchanges_made(CoupletExchanges *x, int step) {
    for (; x->made_at < x->plan->exchange_count; x->made_at++) {
        const int number = x->by_made[x->made_at];
        if (x->plan->exchanges[number].made > step) break;
        if (!copy_to_host(x, &x->plan->exchanges[number], &x->going[number])) return false;
    }
    const bool starts = x->device->is_host || x->group->waits_at_once;
    return (!starts || start_what_is_made(x)) && move_on(x);
}

bool couplet_exchanges_need(CoupletExchanges *x, int step) {
    for (; x->need_at < x->plan->exchange_count; x->need_at++) {
        if (x->plan->exchanges[x->need_at].step > step) break;
        if (!start_what_is_made(x)) return false;
        if (!complete(x, x->need_at) || !deliver(x, x->need_at)) return false;
    }
    return true;
}

bool couplet_exchanges_replace(const CoupletExchanges *x, int step) {
    return x->is_replaced[step];
}

bool couplet_exchanges_end(CoupletExchanges *x) {
    bool good = true;
    for (int i = 0; i < x->plan->exchange_count; i++)
        good = arrived(x, &x->going[i]) && complete(x, i) && good;
    return good;
}

double couplet_exchanges_waited(const CoupletExchanges *x, int number) {
    return x->going[number].waited;
}
