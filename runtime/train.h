/* Training and evaluation of a compiled method. */
#ifndef COUPLET_RUNTIME_TRAIN_H
#define COUPLET_RUNTIME_TRAIN_H

#include "runtime/session.h"

#include <signal.h>
#include <stdio.h>

typedef struct CoupletTrainOptions {
    const char *folder;       /* of the run: metrics.jsonl, checkpoint.safetensors, spec.cpl, settings.json */
    const char *data;         /* NULL: the default */
    uint64_t seed;
    int threads;              /* 0: one for each core */
    CoupletDevice *device;    /* NULL: the host's cores */
    int64_t max_steps;        /* stop after this many, without an evaluation; 0: train to the end */
    int64_t checkpoint_every; /* steps; 0: at the end of each epoch */
    bool resume, quiet;
    FILE *out;                          /* progress and results */
    const volatile sig_atomic_t *stop;  /* set by a signal: end at the next step, with a checkpoint */
} CoupletTrainOptions;

/* Trains and evaluates. False with a sentence; the last checkpoint is then whole. */
bool couplet_train(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes);
/* Evaluates the checkpoint in the folder, beside raw pixels and the encoder before training. */
bool couplet_evaluate(const CoupletProgram *program, const CoupletTrainOptions *options, char *error, size_t error_bytes);

#endif
