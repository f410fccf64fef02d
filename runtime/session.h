/* A program with its states. Training, evaluations and checkpoints all work on one. */
#ifndef COUPLET_RUNTIME_SESSION_H
#define COUPLET_RUNTIME_SESSION_H

#include "runtime/abi.h"
#include "runtime/executor.h"
#include "runtime/samples.h"

/* The mean of a loss over the steps of an epoch that had it. */
typedef struct CoupletMean {
    double sum;
    int64_t count;
    double latest; /* the loss of the last step; NAN: it had no such loss */
} CoupletMean;

typedef struct CoupletSession {
    const CoupletProgram *program;
    CoupletDevice *device;
    CoupletThreads *threads; /* the threads of the host, for evaluations */
    /* By slot: the device's memory, of the type and shape in program->states. */
    void **states;
    uint64_t seed;
    int64_t step;        /* completed steps */
    int64_t total_steps; /* the steps of the whole run, which schedules see as `steps` */
    int64_t epoch;       /* the epoch of the stage */
    int stage;           /* the stage at hand; 0 if the program has none */
    /* The step that the stage began with, and its number of steps; both 0 if the whole run is one
     * stage. */
    int64_t stage_first, stage_steps;
    double loss_sum;    /* the losses of the steps of the present epoch, added up */
    int64_t loss_count; /* the number of these steps */
    CoupletMean *named; /* [program->loss_count] the losses with names */
    /* the words of memory from which kernels read seed, step, steps and epoch */
    int32_t seed_words[2], step_word, steps_word, epoch_word;
    float *hyper_reals;
    int32_t *hyper_words;
    /* By source: the names of its classes (data/kept.h), which the checkpoint keeps. NULL: the
     * source has none. */
    char **classes;
    /* By source: how it turns words into codes (data/word_codes.h), which the checkpoint keeps.
     * NULL: the source has no words. */
    char **codes;
    /* By source: the weights that batches are drawn in proportion to, as the state was when the
     * epoch began. NULL: batches are not weighed. */
    float **weights;
} CoupletSession;

/* Allocates the states on the device and runs the program's init plan with the seed. The same seed
 * gives the same bits. `device` and `threads` must outlive the session. NULL with a sentence in
 * `error`. */
CoupletSession *couplet_session_new(const CoupletProgram *program, CoupletDevice *device,
                                    CoupletThreads *threads, uint64_t seed, char *error,
                                    size_t error_bytes);
size_t couplet_state_bytes(const CoupletStateInfo *state);
/* Takes the losses with names that the run's last step had, to be counted with it. False when the
 * device fails. */
bool couplet_session_losses(CoupletSession *session, const CoupletRun *run,
                            const CoupletPlan *plan);
/* Counts a step that was made: its number, its epoch, and its loss in the mean of its epoch. If
 * `steps_per_epoch` is 0, all steps are of epoch 0. */
void couplet_session_count(CoupletSession *session, float loss, int64_t steps_per_epoch);
/* The last phase of the stage that has begun at this epoch and step. */
const CoupletPhase *couplet_program_phase(const CoupletProgram *program, int stage, int64_t epoch,
                                          int64_t step);
/* The seed of draws in the stage at hand. It is the seed of the run for the first stage; the others
 * mix in their number. */
uint64_t couplet_session_seed(const CoupletSession *session);
/* A moment in training: so many steps of a stage were made, and its epoch has so many. */
typedef struct CoupletMoment {
    int64_t made, per_epoch;
} CoupletMoment;
/* True if what is done behind every `every` epochs, or steps, is due at the moment. Nothing is due
 * before the first step, nor where `every` is 0. */
bool couplet_moment_has(const CoupletMoment *moment, int64_t every, bool of_steps);
/* Sets inputs[plan->input_count] of a plan's run scalars (seed, step, steps, epoch, hyper.NAME) by
 * their names. The inputs that are data stay as they are. */
void couplet_session_scalars(CoupletSession *session, const CoupletPlan *plan, void **inputs);

/* Makes features of samples in evaluation mode: out[count, width], with the width of
 * couplet_session_width. The last batch is filled up with its first sample, and the features of
 * these rows are dropped. */
bool couplet_session_features(CoupletSession *session, const char *features,
                              const CoupletSamples *samples, float *out, char *error,
                              size_t error_bytes);
/* Reads the states that batches are drawn in proportion to. It is called as an epoch begins. False
 * with a sentence when the device fails. */
bool couplet_session_weigh(CoupletSession *session, char *error, size_t error_bytes);
/* The width of the features; -1: there is no such plan. */
int64_t couplet_session_width(const CoupletSession *session, const char *features);

/* Saves the whole state of a run in one safetensors file: every state, step, epoch, total steps,
 * the sum of the epoch's losses, seed, hypers, and the hashes of method and plan. The file is
 * written beside its name and renamed, so that what has the name is whole. */
bool couplet_session_save(const CoupletSession *session, const char *path, char *error,
                          size_t error_bytes);

/* Hashes what such a file would hold of arrays. False with a sentence when the device fails. */
bool couplet_session_hash(const CoupletSession *session, uint64_t *hash, char *error,
                          size_t error_bytes);

typedef struct CoupletLoaded {
    bool same_plan; /* going on is exact to the bit */
    /* False: the file is of the first format, which has the states and not the sum of the
     * epoch's losses. */
    bool whole_state;
} CoupletLoaded;

/* Loads such a file. A file of another method, of a format that is not known, or with missing,
 * surplus or misshapen arrays is refused and changes nothing. The second form reads a file that is
 * in memory already; `name` is for messages. */
bool couplet_session_load(CoupletSession *session, const char *path, CoupletLoaded *loaded,
                          char *error, size_t error_bytes);
bool couplet_session_load_bytes(CoupletSession *session, const char *name, const void *bytes,
                                size_t length, CoupletLoaded *loaded, char *error,
                                size_t error_bytes);
void couplet_session_free(CoupletSession *session);

/* Advises after a step that met values which are not finite. If parameters have grown so large that
 * the run had diverged before, `text` says so and becomes the fault's advice. */
void couplet_session_advise(CoupletSession *session, CoupletFault *fault, char *text, size_t bytes);

#endif
