/* Training and evaluation of a compiled method, in the folder of a run. */
#ifndef COUPLET_RUNTIME_TRAIN_H
#define COUPLET_RUNTIME_TRAIN_H

#include "runtime/folder.h"
#include "runtime/record.h"
#include "runtime/session.h"

#include <signal.h>
#include <stdio.h>

typedef struct CoupletTrainOptions {
    /* The folder, held: claimed for a new run, or opened for a run that is resumed or evaluated. */
    const CoupletRunFolder *folder;
    const CoupletRecord *record; /* the record of the folder's run; NULL: the run is new */
    /* For a new run: the run folder or file with whose arrays it begins (runtime/start.h). NULL: it
     * begins as the spec says. */
    const char *start;
    /* The names of what may differ from the record, such as "tau,epochs". NULL: nothing may. */
    const char *change;
    CoupletPlaces places;   /* where the data lies */
    CoupletLoading loading; /* how the data comes into memory */
    /* The user named the data of an evaluation, so it may differ from the record's. */
    bool data_was_named;
    /* Sources that are open already, which the run takes over. NULL: the run opens them. */
    CoupletSources *sources;
    /* The ranks of the run, of which rank 0 alone writes. NULL: there is one. The other options are
     * the same for every rank. */
    CoupletGroup *group;
    bool unordered; /* MPI chooses the order of sums over ranks, so other ranks give other bits */
    uint64_t seed;
    int threads;           /* 0: one for each core */
    CoupletDevice *device; /* NULL: the host's cores */
    /* The steps after which the run stops without an evaluation; 0: no limit. */
    int64_t max_steps;
    int64_t checkpoint_every; /* in steps; 0: a checkpoint comes at the end of each epoch */
    /* The number of steps between two whose given values are written; 0: none are. */
    int64_t give_every;
    /* The number of last checkpoints that are kept beside the current one; 0: none. */
    int keep;
    /* The measure by which the best checkpoint is chosen, such as "knn" or "error=min"; NULL:
     * none. */
    const char *best;
    /* The number of values of `best` (NULL: of the loss) in a row, none of them better, after which
     * the training ends. 0: it does not end early. */
    int64_t stop_early;
    bool tensorboard; /* event files are written */
    /* For an evaluation: the name of the checkpoint in the folder. NULL: the last one. */
    const char *checkpoint;
    bool quiet;
    FILE *out;                         /* for progress and results */
    const volatile sig_atomic_t *stop; /* a signal sets it, and the run ends at the next step */
} CoupletTrainOptions;

typedef enum {
    COUPLET_RUN_FAILED, /* with a sentence; the last checkpoint is complete */
    /* With a sentence: the folder's record or checkpoint does not fit. Nothing was written. */
    COUPLET_RUN_REFUSED,
    COUPLET_RUN_DONE,   /* finished, or stopped by max_steps */
    COUPLET_RUN_STOPPED /* stopped by a signal, with a checkpoint */
} CoupletRunEnd;

/* Trains and evaluates. Resumes the folder's run if there is a record. */
CoupletRunEnd couplet_train(const CoupletProgram *program, const CoupletTrainOptions *options,
                            char *error, size_t error_bytes);
/* Evaluates the checkpoint in the folder, raw values, and the encoder before training. Adds the
 * results to evaluations.jsonl. */
CoupletRunEnd couplet_evaluate(const CoupletProgram *program, const CoupletTrainOptions *options,
                               char *error, size_t error_bytes);

#endif
