/* Makes the first steps of a run without a folder, for `couplet train --dry-run` and `couplet
 * find`. Nothing is written; the caller receives the figures. */
#ifndef COUPLET_RUNTIME_REHEARSE_H
#define COUPLET_RUNTIME_REHEARSE_H

#include "runtime/train.h"

enum { COUPLET_MOST_REHEARSED = 100000 };

typedef struct CoupletRehearsal {
    /* The most steps. After half of them, and at least three, no more are made than fit into the
     * seconds, unless these are 0. */
    int64_t steps;
    double seconds;
    /* `ahead` is called before each step, with its number from 0, and `behind` after it, with its
     * loss. Either may be NULL. `behind` may return false to end the rehearsal. */
    void (*ahead)(void *context, CoupletSession *session, int64_t step);
    bool (*behind)(void *context, int64_t step, float loss);
    void *context;
    /* The members from here on are what the caller receives. */
    int64_t made; /* the steps that were made */
    /* The steps of the run; the steps of an epoch of its first stage. */
    int64_t total_steps;
    int64_t per_epoch;
    /* In seconds: the median of all steps but the first; what the first took in addition, including
     * the work of `every`; the opening of the data. */
    double step_seconds;
    double first_seconds;
    int64_t arena_bytes;
    int64_t state_bytes;
    int64_t data_bytes;
    /* With several ranks: the bytes that this rank sends to others in a step, and the seconds that
     * it waits for them. */
    int ranks;
    double sent_bytes;
    double waited_seconds;
    /* if there is `behind`: a step after the first one failed, as by a value that is not finite */
    bool diverged;
} CoupletRehearsal;

/* Makes the steps. The options are those of couplet_train; those about files are ignored. */
CoupletRunEnd couplet_rehearse(const CoupletProgram *program, const CoupletTrainOptions *options,
                               CoupletRehearsal *rehearsal, char *error, size_t error_bytes);

#endif
