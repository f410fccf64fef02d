/* A program with its states: what training, evaluation and a checkpoint share. */
#ifndef COUPLET_RUNTIME_SESSION_H
#define COUPLET_RUNTIME_SESSION_H

#include "runtime/abi.h"
#include "runtime/plan.h"
#include "runtime/samples.h"

/* What a loss was, over the steps of an epoch that had it. */
typedef struct CoupletMean {
    double sum;
    int64_t count;
    double latest; /* of the last step; NAN: it had no such loss */
} CoupletMean;

typedef struct CoupletSession {
    const CoupletProgram *program;
    CoupletDevice *device;
    CoupletThreads *threads; /* of the host, for evaluations */
    void **states;        /* by slot, of program->states' types and shapes: memory of the device */
    uint64_t seed;
    int64_t step;         /* completed steps */
    int64_t total_steps;  /* of the whole run: what schedules see as `steps` */
    int64_t epoch;        /* of the stage */
    int stage;            /* at hand, of the program's; 0 where there are none */
    int64_t stage_first, stage_steps; /* the step that it began with, and how many it has; 0, and 0: the whole run is one */
    double loss_sum;      /* of the steps of the epoch that the last step belongs to */
    int64_t loss_count;   /* so many they are */
    CoupletMean *named;   /* [program->loss_count] the losses with names */
    int32_t seed_words[2], step_word, steps_word, epoch_word; /* what kernels read */
    float *hyper_reals;
    int32_t *hyper_words;
    char **codes;         /* by source: how it turns words into codes (data/codes.h), kept in the checkpoint; NULL: it has none */
    float **weights;      /* by source: what the epoch's batches are drawn in proportion to, as its state was when the epoch began; NULL: they are not weighed */
} CoupletSession;

/* Allocates the states on the device and runs the program's init plan with the seed: the same seed starts from the same bits. `device` and `threads`
 * must outlive the session. NULL with a sentence in `error`. */
CoupletSession *couplet_session_new(const CoupletProgram *program, CoupletDevice *device, CoupletThreads *threads, uint64_t seed, char *error, size_t error_bytes);
size_t couplet_state_bytes(const CoupletStateInfo *state);
/* Counts a step that was made: its number, its epoch, and its loss in the mean of its epoch. `steps_per_epoch` 0: all steps are of epoch 0. */
/* Takes the losses with names that the run's last step had, to be counted with it. False when the device fails. */
bool couplet_session_losses(CoupletSession *session, const CoupletRun *run, const CoupletPlan *plan);
void couplet_session_count(CoupletSession *session, float loss, int64_t steps_per_epoch);
/* The last phase that has begun. */
const CoupletPhase *couplet_program_phase(const CoupletProgram *program, int stage, int64_t epoch, int64_t step);
/* What draws of the stage at hand are keyed by: the seed, and for stages behind the first their number. */
uint64_t couplet_session_seed(const CoupletSession *session);
/* Pointers for a plan's run scalars (seed, step, steps, epoch, hyper.NAME), by name; arrays of data stay as they are. inputs[plan->input_count]. */
void couplet_session_scalars(CoupletSession *session, const CoupletPlan *plan, void **inputs);

/* The features plan over samples, in evaluation mode: out[count, width]. The last batch is filled up with its first sample; what those
 * rows give is dropped. `width` from couplet_session_width. */
bool couplet_session_features(CoupletSession *session, const char *features, const CoupletSamples *samples, float *out, char *error, size_t error_bytes);
/* Reads the states that batches are drawn in proportion to, as an epoch begins. False with a sentence when the device fails. */
bool couplet_session_weigh(CoupletSession *session, char *error, size_t error_bytes);
int64_t couplet_session_width(const CoupletSession *session, const char *features); /* -1: no such plan */

/* The whole state of a run in one safetensors file: every state, step, epoch, total steps, the sum of the epoch's losses, seed, hypers, hashes of method
 * and plan. The file is written beside its name and renamed, so that what has the name is whole. */
bool couplet_session_save(const CoupletSession *session, const char *path, char *error, size_t error_bytes);

typedef struct CoupletLoaded {
    bool same_plan;   /* going on is exact to the bit */
    bool whole_state; /* false: the file is of the first format, which has the states and not the sum of the epoch's losses */
} CoupletLoaded;

/* A file of another method or of a format that is not known, or with missing, surplus or misshapen arrays, is refused and changes nothing. The second form
 * reads a file that is in memory already; `name` is for messages. */
bool couplet_session_load(CoupletSession *session, const char *path, CoupletLoaded *loaded, char *error, size_t error_bytes);
bool couplet_session_load_bytes(CoupletSession *session, const char *name, const void *bytes, size_t length, CoupletLoaded *loaded, char *error,
                                size_t error_bytes);
void couplet_session_free(CoupletSession *session);

/* When a step of training has met values that are not finite and parameters have grown so large that the run has diverged before: says so in `text`, which becomes the fault's advice. */
void couplet_session_advise(CoupletSession *session, CoupletFault *fault, char *text, size_t bytes);

#endif
