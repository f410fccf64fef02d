/* Exchanges of a plan. A gather starts behind the step that makes its array, and is waited for
 * ahead of the first step that reads more of it than its own shard, so that the steps between hide
 * it. Tags tell exchanges under way apart: all ranks start them in the order of the plan. */
#include "runtime/ranks.h"

#include <stdlib.h>
#include <string.h>

struct CoupletExchanges {
    CoupletGroup *group;
    const CoupletPlan *plan;
    int64_t *first;              /* ranks + 1: of the exchange at hand */
    int *leaves;                 /* the same, of a sum */
    CoupletTransfer **transfers; /* by exchange; NULL: it is no gather */
    bool *under_way;             /* by exchange */
    int *by_made, made_at;       /* exchanges by the step that makes what travels */
    int need_at;
    void *const *places;
    float *scratch;
    double *waited;
};

bool couplet_ranks_cut(const CoupletDevice *device, const CoupletPlan *plan) {
    return device->is_host && plan->shards > 0 && device->group->ranks > 1;
}

int64_t couplet_ranks_first(const CoupletGroup *group, int rank, int64_t count) {
    return count * rank / group->ranks;
}

/* In whole shards, whatever a shard has of what is counted. */
static int64_t first_of(const CoupletExchanges *x, int rank, int64_t each) {
    return couplet_ranks_first(x->group, rank, x->plan->shards) * each;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* The fewest whole subtrees that the leaves [from, to) are, as a sum in one order takes them. */
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
    const int64_t first = plan->shards * rank / ranks, end = plan->shards * (rank + 1) / ranks;
    const CoupletBuffer *b = &plan->buffers[e->buffer];
    if (e->kind == COUPLET_GATHER) return (end - first) * b->slab * (ranks - 1);
    const int64_t count = couplet_buffer_count(b), each = e->leaves / plan->shards,
                  part = count / ranks + (rank < count % ranks);
    return couplet_type_bytes(b->type) *
           (subtrees(first * each, end * each) * (count - part) + part * (ranks - 1));
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void set_leaves(CoupletExchanges *x, const CoupletExchange *e) {
    for (int r = 0; r <= x->group->ranks; r++)
        x->leaves[r] = (int)first_of(x, r, e->leaves / x->plan->shards);
}

static bool make_scratch(CoupletExchanges *x) {
    int64_t most = 0;
    for (int i = 0; i < x->plan->exchange_count; i++) {
        const CoupletExchange *e = &x->plan->exchanges[i];
        if (e->kind != COUPLET_COMBINE) continue;
        set_leaves(x, e);
        const int64_t floats = couplet_group_sum_scratch(
            x->group, couplet_buffer_count(&x->plan->buffers[e->buffer]), e->leaves, x->leaves);
        if (floats > most) most = floats;
    }
    return (x->scratch = malloc(((size_t)most + 1) * sizeof *x->scratch)) != NULL;
}

static bool make_transfers(CoupletExchanges *x) {
    const size_t each = (size_t)couplet_group_gather_transfers(x->group) + 1;
    for (int i = 0; i < x->plan->exchange_count; i++)
        if (x->plan->exchanges[i].kind == COUPLET_GATHER &&
            !(x->transfers[i] = calloc(each, sizeof **x->transfers)))
            return false;
    return true;
}

/* Few, and nearly in order. */
static void sort_by_made(CoupletExchanges *x) {
    const CoupletExchange *all = x->plan->exchanges;
    for (int i = 0; i < x->plan->exchange_count; i++) {
        int at = i;
        for (; at > 0 && all[x->by_made[at - 1]].made > all[i].made; at--)
            x->by_made[at] = x->by_made[at - 1];
        x->by_made[at] = i;
    }
}

CoupletExchanges *couplet_exchanges_new(CoupletGroup *group, const CoupletPlan *plan) {
    CoupletExchanges *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    const size_t count = (size_t)plan->exchange_count + 1, ranks = (size_t)group->ranks + 1;
    x->group = group;
    x->plan = plan;
    x->first = calloc(ranks, sizeof *x->first);
    x->leaves = calloc(ranks, sizeof *x->leaves);
    x->transfers = calloc(count, sizeof *x->transfers);
    x->under_way = calloc(count, sizeof *x->under_way);
    x->by_made = calloc(count, sizeof *x->by_made);
    x->waited = calloc((size_t)plan->step_count + 1, sizeof *x->waited);
    if (x->first && x->leaves && x->transfers && x->under_way && x->by_made && x->waited &&
        make_transfers(x) && make_scratch(x)) {
        sort_by_made(x);
        return x;
    }
    couplet_exchanges_free(x);
    return NULL;
}

void couplet_exchanges_free(CoupletExchanges *x) {
    if (!x) return;
    for (int i = 0; x->transfers && i < x->plan->exchange_count; i++)
        free(x->transfers[i]);
    free(x->first);
    free(x->leaves);
    free(x->transfers);
    free(x->under_way);
    free(x->by_made);
    free(x->scratch);
    free(x->waited);
    free(x);
}

/* ---- in the course of a run ------------------------------------------------------------------ */

void couplet_exchanges_begin(CoupletExchanges *x, void *const *places) {
    x->places = places;
    x->made_at = x->need_at = 0;
}

static bool start(CoupletExchanges *x, int number) {
    const CoupletExchange *e = &x->plan->exchanges[number];
    const int64_t slab = x->plan->buffers[e->buffer].slab;
    for (int r = 0; r <= x->group->ranks; r++)
        x->first[r] = first_of(x, r, slab);
    x->under_way[number] = true;
    return couplet_group_gather_start(x->group, number % COUPLET_GROUP_TAGS, x->places[e->buffer],
                                      x->first, x->transfers[number]);
}

bool couplet_exchanges_made(CoupletExchanges *x, int step) {
    for (; x->made_at < x->plan->exchange_count; x->made_at++) {
        const int number = x->by_made[x->made_at];
        if (x->plan->exchanges[number].made > step) break;
        if (x->plan->exchanges[number].kind == COUPLET_GATHER && !start(x, number)) return false;
    }
    return true;
}

static bool complete(CoupletExchanges *x, int number) {
    if (!x->under_way[number]) return true;
    x->under_way[number] = false;
    return couplet_group_wait(x->group, x->transfers[number],
                              couplet_group_gather_transfers(x->group));
}

static bool combine(CoupletExchanges *x, const CoupletExchange *e) {
    const int64_t count = couplet_buffer_count(&x->plan->buffers[e->buffer]);
    set_leaves(x, e);
    float *own = (float *)x->places[e->from] + x->leaves[x->group->rank] * count;
    return couplet_group_sum_ordered(x->group, own, count, e->leaves, x->leaves, x->scratch,
                                     x->places[e->buffer]);
}

bool couplet_exchanges_need(CoupletExchanges *x, int step, bool *combined) {
    const double before = x->group->waited;
    bool good = true;
    *combined = false;
    for (; good && x->need_at < x->plan->exchange_count; x->need_at++) {
        const CoupletExchange *e = &x->plan->exchanges[x->need_at];
        if (e->step > step) break;
        *combined |= e->kind == COUPLET_COMBINE;
        good = e->kind == COUPLET_COMBINE ? combine(x, e) : complete(x, x->need_at);
    }
    x->waited[step] += x->group->waited - before;
    return good;
}

bool couplet_exchanges_end(CoupletExchanges *x) {
    bool good = true;
    for (int i = 0; i < x->plan->exchange_count; i++)
        good &= complete(x, i);
    return good;
}

const double *couplet_exchanges_waited(const CoupletExchanges *x) {
    return x->waited;
}
