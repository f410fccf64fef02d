/* What ranks hand to each other while they run a plan together (CoupletExchange). Each does the
 * tiles of its own shards of the steps that are cut, and all others whole. */
#ifndef COUPLET_RUNTIME_RANKS_H
#define COUPLET_RUNTIME_RANKS_H

#include "runtime/executor.h"
#include "runtime/group.h"

typedef struct CoupletExchanges CoupletExchanges;

/* True if a run of the plan on the device is cut among the ranks of its group. */
bool couplet_ranks_cut(const CoupletDevice *device, const CoupletPlan *plan);
/* The shards of a rank: first[r] to first[r + 1] - 1 of `count`, for count a multiple of the plan's
 * shards. */
int64_t couplet_ranks_first(const CoupletGroup *group, int rank, int64_t count);

/* The bytes that a rank of so many sends for an exchange. What a sum sends is the sums of whole
 * subtrees: for all others their parts of them, and to all others its own part of the root. */
int64_t couplet_exchange_bytes(const CoupletPlan *plan, const CoupletExchange *exchange, int ranks,
                               int rank);

/* NULL when memory runs out. The plan and the group outlive it. */
CoupletExchanges *couplet_exchanges_new(CoupletGroup *group, const CoupletPlan *plan);
void couplet_exchanges_free(CoupletExchanges *exchanges);
/* Begins with the first step. `places` is the memory of each buffer that is exchanged. */
void couplet_exchanges_begin(CoupletExchanges *exchanges, void *const *places);
/* Starts what the step has made ready to travel. */
bool couplet_exchanges_made(CoupletExchanges *exchanges, int step);
/* Completes what must be whole ahead of the step, or behind the last one. Sets *combined if the
 * step is done by that. */
bool couplet_exchanges_need(CoupletExchanges *exchanges, int step, bool *combined);
/* Ends all that is under way, behind the last step or where a step failed for good. */
bool couplet_exchanges_end(CoupletExchanges *exchanges);
/* The seconds that were waited for other ranks ahead of each step so far; step_count + 1 of
 * them. */
const double *couplet_exchanges_waited(const CoupletExchanges *exchanges);

#endif
