/* Training and evaluation of a compiled method, in the folder of a run. */
#ifndef COUPLET_RUNTIME_TRAIN_H
#define COUPLET_RUNTIME_TRAIN_H

#include "runtime/folder.h"
#include "runtime/record.h"
#include "runtime/session.h"

#include <signal.h>
#include <stdio.h>

typedef struct CoupletTrainOptions {
    /* Held: claimed for a new run, opened for one that goes on or is evaluated. */
    const CoupletRunFolder *folder;
    const CoupletRecord *record; /* of the folder's run; NULL: the run is new */
    /* Of a new run: a run folder or a file with whose arrays it begins (runtime/start.h). NULL: it
     * starts as the spec says. */
    const char *start;
    /* What may differ from the record: "tau,epochs"; NULL: nothing. */
    const char *change;
    CoupletPlaces places;   /* where the data lies */
    CoupletLoading loading; /* how the data comes into memory */
    /* The user named the data of an evaluation, which may be other data. */
    bool data_was_named;
    /* Sources that are open, and are taken over; NULL: they are opened. */
    CoupletSources *sources;
    /* The ranks of the run, of which rank 0 alone writes; NULL: there is one. The other options are
     * those of every rank. */
    CoupletGroup *group;
    bool unordered; /* sums over the ranks are added in MPI's order: other bits on other ranks */
    uint64_t seed;
    int threads;              /* 0: one for each core */
    CoupletDevice *device;    /* NULL: the host's cores */
    int64_t max_steps;        /* stops after so many steps, without an evaluation; 0: never */
    int64_t checkpoint_every; /* steps; 0: a checkpoint comes at the end of each epoch */
    /* steps from one whose gives are written to the next; 0: none */
    int64_t give_every;
    int keep;         /* so many of the last checkpoints are kept beside it; 0: none */
    const char *best; /* what the best checkpoint is chosen by, "knn" or "error=min"; NULL: none */
    /* the training ends once so many values of `best` (NULL: of the loss) were no better; 0: it
     * does not */
    int64_t stop_early;
    bool tensorboard; /* event files are written */
    /* Of an evaluation: the name of the checkpoint in the folder; NULL: the last one. */
    const char *checkpoint;
    bool quiet;
    FILE *out;                         /* progress and results */
    const volatile sig_atomic_t *stop; /* a signal sets it to end the run at the next step */
} CoupletTrainOptions;

typedef enum {
    COUPLET_RUN_FAILED, /* with a sentence; the last checkpoint is whole */
    /* With a sentence: the folder's record or checkpoint does not fit; nothing was written. */
    COUPLET_RUN_REFUSED,
    COUPLET_RUN_DONE,   /* or stopped as max_steps asks */
    COUPLET_RUN_STOPPED /* by a signal, with a checkpoint */
} CoupletRunEnd;

/* Trains and evaluates. Goes on with the folder's run if there is a record. */
CoupletRunEnd couplet_train(const CoupletProgram *program, const CoupletTrainOptions *options,
                            char *error, size_t error_bytes);
/* Evaluates the checkpoint in the folder, beside raw pixels and the encoder before training, and
 * keeps the results in evaluations.jsonl. */
CoupletRunEnd couplet_evaluate(const CoupletProgram *program, const CoupletTrainOptions *options,
                               char *error, size_t error_bytes);

#endif
