/* Training and evaluation of a compiled method, in the folder of a run. */
#ifndef COUPLET_RUNTIME_TRAIN_H
#define COUPLET_RUNTIME_TRAIN_H

#include "runtime/folder.h"
#include "runtime/record.h"
#include "runtime/session.h"

#include <signal.h>
#include <stdio.h>

typedef struct CoupletTrainOptions {
    const CoupletRunFolder *folder; /* held: claimed for a new run, opened for one that goes on or is evaluated */
    const CoupletRecord *record;    /* of the folder's run; NULL: the run is new */
    const char *start;              /* of a new run: a run folder or a file, whose arrays it begins with (runtime/start.h); NULL: it starts as the spec says */
    const char *change;             /* what may differ from the record: "tau,epochs"; NULL: nothing */
    CoupletPlaces places;           /* of the data */
    CoupletLoading loading;         /* how it comes into memory */
    bool data_was_named;            /* by the user: an evaluation may be on other data than the run's */
    CoupletSources *sources;        /* opened already, and then taken over; NULL: they are opened here */
    uint64_t seed;
    int threads;                    /* 0: one for each core */
    CoupletDevice *device;          /* NULL: the host's cores */
    int64_t max_steps;              /* stop after this many, without an evaluation; 0: train to the end */
    int64_t checkpoint_every;       /* steps; 0: at the end of each epoch */
    bool quiet;
    FILE *out;                         /* progress and results */
    const volatile sig_atomic_t *stop; /* set by a signal: end at the next step, with a checkpoint */
} CoupletTrainOptions;

typedef enum {
    COUPLET_RUN_FAILED,  /* with a sentence; the last checkpoint is whole */
    COUPLET_RUN_REFUSED, /* with a sentence: the folder's record or checkpoint does not fit; nothing was written */
    COUPLET_RUN_DONE,    /* or stopped as max_steps asks */
    COUPLET_RUN_STOPPED  /* by a signal, with a checkpoint */
} CoupletRunEnd;

/* Trains and evaluates; goes on with the folder's run when there is a record. */
CoupletRunEnd couplet_train(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes);
/* Evaluates the checkpoint in the folder, beside raw pixels and the encoder before training, and keeps the results in evaluations.jsonl. */
CoupletRunEnd couplet_evaluate(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes);

#endif
