/* Exchanges between ranks that run a plan together (CoupletExchange). In cut steps each rank does
 * the tiles of its own shards; it does all other steps whole. */
#ifndef COUPLET_RUNTIME_RANKS_H
#define COUPLET_RUNTIME_RANKS_H

#include "runtime/executor.h"
#include "runtime/group.h"

typedef struct CoupletExchanges CoupletExchanges;

/* True if a run of the plan on the device is cut among the ranks of its group. */
bool couplet_ranks_cut(const CoupletDevice *device, const CoupletPlan *plan);
/* Returns the number of threads of a rank. `asked` is the user's number; 0 means one for each core.
 * Ranks on one machine share its cores, unless the launcher has divided them. */
int couplet_threads_for(const CoupletGroup *group, int asked);
/* Returns the bytes of the arena of this rank, or of the only rank. */
int64_t couplet_ranks_arena(const CoupletDevice *device, const CoupletPlan *plan);
/* Returns the bytes that a rank sends for an exchange. For a COMBINE, a rank sends the sums of
 * whole subtrees: to each other rank that rank's part of them, and to all other ranks its own part
 * of the root. */
int64_t couplet_exchange_bytes(const CoupletPlan *plan, const CoupletExchange *exchange, int ranks,
                               int rank);

/* Prepares the exchanges of a plan among the ranks of the device's group. Data of a device other
 * than the host travel through memory of the host. Returns NULL if memory runs out. The plan and
 * the device must outlive the result. */
CoupletExchanges *couplet_exchanges_new(CoupletDevice *device, const CoupletPlan *plan);
void couplet_exchanges_free(CoupletExchanges *exchanges);
/* Begins before the first step. `places` is the memory of each exchanged buffer. */
void couplet_exchanges_begin(CoupletExchanges *exchanges, void *const *places);
/* Starts the exchanges whose data the step has completed, and continues those under way. */
bool couplet_exchanges_made(CoupletExchanges *exchanges, int step);
/* Completes the exchanges that must be done ahead of the step, or behind the last step. */
bool couplet_exchanges_need(CoupletExchanges *exchanges, int step);
/* True if an exchange replaces the step. */
bool couplet_exchanges_replace(const CoupletExchanges *exchanges, int step);
/* Ends all exchanges, after the last step or after a step that failed. */
bool couplet_exchanges_end(CoupletExchanges *exchanges);
/* Returns the seconds for which an exchange of the plan was waited for so far. */
double couplet_exchanges_waited(const CoupletExchanges *exchanges, int number);

/* Returns the same for an exchange of a run; 0 if the run is not cut. */
double couplet_run_waited(const CoupletRun *run, int exchange);

#endif
