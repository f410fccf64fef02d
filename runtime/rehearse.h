/* The first steps of a run without a folder: nothing is written, and what they say of the run is
 * handed out. For `couplet train --dry-run` and `couplet find`. */
#ifndef COUPLET_RUNTIME_REHEARSE_H
#define COUPLET_RUNTIME_REHEARSE_H

#include "runtime/train.h"

enum { COUPLET_MOST_REHEARSED = 100000 };

typedef struct CoupletRehearsal {
    /* So many steps are made at most; once half of them, and three, are made, also no more than fit
     * into the seconds, unless these are 0. */
    int64_t steps;
    double seconds;
    /* Called ahead of each step, counted from 0, and with its loss behind it; each may be NULL.
     * `behind` returns false to end the rehearsal. A step that meets a number which is not finite
     * ends it, too. */
    void (*ahead)(void *context, CoupletSession *session, int64_t step);
    bool (*behind)(void *context, int64_t step, float loss);
    void *context;
    /* what is handed out */
    int64_t made;                   /* steps */
    int64_t total_steps, per_epoch; /* of the run; of an epoch of its first stage */
    /* Seconds: the median of the steps but the first, what the first took in addition (work that
     * `every` does is in it), and the data while it was opened. */
    double step_seconds, first_seconds;
    int64_t arena_bytes, state_bytes, data_bytes;
    /* Of a step where there are several ranks: the bytes that this rank sends to others, and the
     * seconds that it waits for them. */
    int ranks;
    double sent_bytes, waited_seconds;
    bool diverged; /* ended by a number that is not finite */
} CoupletRehearsal;

/* Makes the steps. The options are those of couplet_train; those of files are left out. */
CoupletRunEnd couplet_rehearse(const CoupletProgram *program, const CoupletTrainOptions *options,
                               CoupletRehearsal *rehearsal, char *error, size_t error_bytes);

#endif
