/* What ranks hand to each other while they run a plan together (CoupletExchange). Each does the
 * tiles of its own shards of the steps that are cut, and all others whole. */
#ifndef COUPLET_RUNTIME_RANKS_H
#define COUPLET_RUNTIME_RANKS_H

#include "runtime/executor.h"
#include "runtime/group.h"

typedef struct CoupletExchanges CoupletExchanges;

/* True if a run of the plan on the device is cut among the ranks of its group. */
bool couplet_ranks_cut(const CoupletDevice *device, const CoupletPlan *plan);
/* The threads of a rank; `asked` is what the user said, and 0 where that is nothing: one for each
 * core. Ranks of one machine share its cores, where the launcher has not dealt them out. */
int couplet_threads_for(const CoupletGroup *group, int asked);
/* The bytes of the arena of this rank, or of the one that there is. */
int64_t couplet_ranks_arena(const CoupletDevice *device, const CoupletPlan *plan);
/* The bytes that a rank of so many sends for an exchange. What a sum sends is the sums of whole
 * subtrees: for all others their parts of them, and to all others its own part of the root. */
int64_t couplet_exchange_bytes(const CoupletPlan *plan, const CoupletExchange *exchange, int ranks,
                               int rank);

/* With `any_order` sums are those of couplet_group_sum. NULL when memory runs out. The plan and the
 * group outlive it. */
CoupletExchanges *couplet_exchanges_new(CoupletGroup *group, const CoupletPlan *plan,
                                        bool any_order);
void couplet_exchanges_free(CoupletExchanges *exchanges);
/* Begins with the first step. `places` is the memory of each buffer that is exchanged. */
void couplet_exchanges_begin(CoupletExchanges *exchanges, void *const *places);
/* Starts what the step has made ready to travel, and goes on with what is under way. */
bool couplet_exchanges_made(CoupletExchanges *exchanges, int step);
/* Completes what must be whole ahead of the step, or behind the last one. */
bool couplet_exchanges_need(CoupletExchanges *exchanges, int step);
/* True if an exchange does what the step does. */
bool couplet_exchanges_replace(const CoupletExchanges *exchanges, int step);
/* Ends all that is under way, behind the last step or where a step failed for good. */
bool couplet_exchanges_end(CoupletExchanges *exchanges);
/* The seconds that were waited so far for an exchange of the plan. */
double couplet_exchanges_waited(const CoupletExchanges *exchanges, int number);

/* The same, of a run; 0 where it is not cut. */
double couplet_run_waited(const CoupletRun *run, int exchange);

#endif
