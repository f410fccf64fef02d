/* A program with its states, on which training, evaluations and checkpoints work. */
#ifndef COUPLET_RUNTIME_SESSION_H
#define COUPLET_RUNTIME_SESSION_H

#include "runtime/abi.h"
#include "runtime/executor.h"
#include "runtime/samples.h"

/* The mean of a loss over those steps of an epoch that had it. */
typedef struct CoupletMean {
    double sum;
    int64_t count;
    double latest; /* the loss of the last step; NAN: the step had no such loss */
} CoupletMean;

typedef struct CoupletSession {
    const CoupletProgram *program;
    CoupletDevice *device;
    CoupletThreads *threads; /* the threads of the host, for evaluations */
    /* By number of the state: the device's memory, in the type and shape of program->states. */
    void **states;
    uint64_t seed;
    int64_t step;        /* the number of completed steps */
    int64_t total_steps; /* the steps of the whole run, which schedules read as `steps` */
    int64_t epoch;       /* the epoch within the stage */
    int stage;           /* the number of the stage; 0 if the program has none */
    /* The first step of the stage, and its number of steps. Both are 0 if the whole run is one
     * stage. */
    int64_t stage_first;
    int64_t stage_steps;
    double loss_sum;    /* the sum of the losses of this epoch's steps */
    int64_t loss_count; /* the number of these steps */
    CoupletMean *named; /* [program->loss_count]: the losses that have names */
    /* The words from which kernels read seed, step, steps and epoch. */
    int32_t seed_words[2];
    int32_t step_word;
    int32_t steps_word;
    int32_t epoch_word;
    float *hyper_reals;
    int32_t *hyper_words;
    /* By source: the names of its classes (data/kept.h), which the checkpoint keeps. NULL: it has
     * none. */
    char **classes;
    /* By source: how words become codes (data/word_codes.h), which the checkpoint keeps. NULL: it
     * has no words. */
    char **codes;
    /* By source: the weights for drawing batches, which are the values of a state at the begin of
     * the epoch. NULL: batches are not weighed. */
    float **weights;
} CoupletSession;

/* Allocates the states on the device and runs the program's plan `init` with the seed. The same
 * seed gives the same bits. `device` and `threads` must outlive the session. Returns NULL with a
 * sentence in `error`. */
CoupletSession *couplet_session_new(const CoupletProgram *program, CoupletDevice *device,
                                    CoupletThreads *threads, uint64_t seed, char *error,
                                    size_t error_bytes);
size_t couplet_state_bytes(const CoupletStateInfo *state);
/* Notes the named losses of the run's last step, for couplet_session_count. Returns false if the
 * device fails. */
bool couplet_session_losses(CoupletSession *session, const CoupletRun *run,
                            const CoupletPlan *plan);
/* Counts a completed step: its number, its epoch, and its loss in the mean of the epoch. If
 * `steps_per_epoch` is 0, all steps are in epoch 0. */
void couplet_session_count(CoupletSession *session, float loss, int64_t steps_per_epoch);
/* Returns the last phase of the stage that has begun at this epoch and step. */
const CoupletPhase *couplet_program_phase(const CoupletProgram *program, int stage, int64_t epoch,
                                          int64_t step);
/* Returns the seed for draws in the present stage. In the first stage it is the seed of the run;
 * other stages mix in their number. */
uint64_t couplet_session_seed(const CoupletSession *session);
/* A moment in the training: the number of steps made in a stage, and the number of steps in its
 * epochs. */
typedef struct CoupletMoment {
    int64_t made;
    int64_t per_epoch;
} CoupletMoment;
/* True if work behind every `every` epochs, or steps, is due at the moment. Nothing is due before
 * the first step, or if `every` is 0. */
bool couplet_moment_has(const CoupletMoment *moment, int64_t every, bool of_steps);
/* Sets the run scalars (seed, step, steps, epoch, hyper.NAME) among inputs[plan->input_count], by
 * their names. Inputs that are data are left alone. */
void couplet_session_scalars(CoupletSession *session, const CoupletPlan *plan, void **inputs);

/* Computes features of samples in evaluation mode: out[count, width], with the width of
 * couplet_session_width. The last batch is filled up with its first sample, whose extra features
 * are dropped. */
bool couplet_session_features(CoupletSession *session, const char *features,
                              const CoupletSamples *samples, float *out, char *error,
                              size_t error_bytes);
/* Reads the states that are weights for drawing batches. Called at the begin of an epoch. Returns
 * false with a sentence if the device fails. */
bool couplet_session_weigh(CoupletSession *session, char *error, size_t error_bytes);
/* Returns the width of the features, or -1 if there is no such plan. */
int64_t couplet_session_width(const CoupletSession *session, const char *features);

/* Saves the whole state of a run in one safetensors file: every state, step, epoch, total steps,
 * the sum of the epoch's losses, seed, hypers, and the hashes of method and plan. The file is
 * written beside its name and renamed, so it is complete if it has its name. */
bool couplet_session_save(const CoupletSession *session, const char *path, char *error,
                          size_t error_bytes);

/* Hashes the arrays that such a file would hold. Returns false with a sentence if the device
 * fails. */
bool couplet_session_hash(const CoupletSession *session, uint64_t *hash, char *error,
                          size_t error_bytes);

typedef struct CoupletLoaded {
    bool same_plan; /* the plan is the same, so the resumed run has the same bits */
    /* False for a file of the first format, which lacks the sum of the epoch's losses. */
    bool whole_state;
} CoupletLoaded;

/* Load such a file. A file of another method or an unknown format, or with missing, additional or
 * misshapen arrays, is refused and changes nothing. The second function reads a file that is in
 * memory; `name` is for messages. */
bool couplet_session_load(CoupletSession *session, const char *path, CoupletLoaded *loaded,
                          char *error, size_t error_bytes);
bool couplet_session_load_bytes(CoupletSession *session, const char *name, const void *bytes,
                                size_t length, CoupletLoaded *loaded, char *error,
                                size_t error_bytes);
void couplet_session_free(CoupletSession *session);

/* Adds advice after a step that met values which are not finite. If parameters are so large that
 * the run must have diverged before, `text` says so and becomes the fault's advice. */
void couplet_session_advise(CoupletSession *session, CoupletFault *fault, char *text, size_t bytes);

#endif
