/* Shared by the files of training. train.c is the table of contents and has the loop. train_open.c
 * prepares a run, train_step.c makes a step, train_show.c prints and logs, train_log.c writes the
 * logs, train_measure.c evaluates, and train_keep.c writes checkpoints. */
#ifndef COUPLET_RUNTIME_TRAINER_H
#define COUPLET_RUNTIME_TRAINER_H

#include "runtime/evaluation.h"
#include "runtime/events.h"
#include "runtime/metrics.h"
#include "runtime/metrics_csv.h"
#include "runtime/sources.h"
#include "runtime/train.h"

/* The epochs and steps that a stage takes. */
typedef struct Clock {
    const CoupletStage *stage; /* NULL: the method has no stages */
    int64_t first;
    int64_t steps;
    int64_t per_epoch;
} Clock;

/* The figure that chooses the best checkpoint, and that may end a run early. */
typedef struct Watch {
    bool on;
    const char *asked;        /* the text of --best */
    char name[200], key[210]; /* the name of the figure; its key in a row of an epoch */
    const char *evaluation;   /* the name of an evaluation or report; NULL: the figure is a loss */
    const char *said;         /* the name for sentences */
    bool has_direction;
    bool is_lowest;
    double best;
    /* The step of the best value, 0 if there is none; the number of values since then. */
    int64_t best_step;
    int64_t since;
    bool is_new; /* the best is not kept yet */
} Watch;

typedef struct Trainer {
    const CoupletProgram *program;
    const CoupletTrainOptions *options;
    CoupletGroup *group;                    /* the ranks of the run; never NULL */
    bool writes;                            /* true for rank 0, which alone writes files */
    CoupletTrainOptions own;                /* the options of this rank, if there are several */
    const volatile sig_atomic_t *signalled; /* the flag that a signal to this rank raises */
    volatile sig_atomic_t agreed;           /* the signal by which all ranks end; 0: none */
    CoupletSession *session;
    CoupletThreads *threads;
    CoupletDevice *device;
    CoupletDevice *own_device;
    CoupletSources sources;
    const CoupletPhase *phase;
    CoupletRun *run; /* the run of the phase */
    void **inputs;
    FILE *metrics;
    CoupletCsv *csv;       /* NULL: there is none, or not yet */
    CoupletEvents *events; /* NULL: there are none, or not yet */
    char **columns;        /* the columns of the table */
    int column_count;
    CoupletRecord now; /* the folder's record from here on */
    CoupletMetricsSeen seen;
    CoupletLoaded loaded; /* what the checkpoint of a resumed run said */
    int64_t old_steps;    /* the number of steps over which that run's schedule extended */
    /* For an evaluation of a run that is done again; "" in training. */
    char data_folder[COUPLET_PATH_BYTES];
    char data_hash[24];
    char time[32];
    char checkpoint[COUPLET_PATH_BYTES], metrics_path[COUPLET_PATH_BYTES],
        start[COUPLET_PATH_BYTES], csv_path[COUPLET_PATH_BYTES], best[COUPLET_PATH_BYTES];
    /* The names of what the method measures: evaluations, then reports. */
    char **eval_names; /* those of the evaluations, each from malloc */
    const char **names;
    int name_count;
    CoupletResult *results; /* the results of the evaluations for the last subject */
    CoupletSubject subject; /* the subject that is measured */
    Clock *clocks;          /* one for each stage; a single one if there are none */
    /* The steps of an epoch. The step and the time at which the clock of the shown rate was
     * started. */
    int64_t per_epoch;
    int64_t rate_step;
    double rate_started;
    /* The time at which, and the step behind which, this process began to make steps. The remaining
     * time is estimated from these. Time for evaluations is not counted. */
    double pace_started;
    int64_t pace_step;
    /* The time of the last line of progress, and the step behind which it was written. */
    double line_at;
    int64_t line_step;
    Watch watch;
    bool measured_late; /* the evaluation before the training was made when the run was resumed */
    bool rehearses;     /* a rehearsal: nothing is written */
    int64_t saved;      /* the step of the checkpoint in the folder; -1: none */
    bool terminal;
    bool colours;
    bool warned;
    bool refused;
    /* `cut`: a signal ended an evaluation. `torn`: a signal ended the work ahead of an epoch, so
     * the states are between two steps. */
    bool cut;
    bool torn;
    bool halted;            /* a signal ended a step half way: states are those ahead of it */
    int output_fault;       /* errno of the first line that could not be written; 0: all were */
    uint64_t *start_hashes; /* by `start` statement: the hash of its file */
    char *error;
    size_t error_bytes;
} Trainer;

/* An embedding has collapsed if its couplet_embedding_deviation is below this. A spread embedding
 * has about 1. */
#define COUPLET_COLLAPSED 0.1

/* A function that returns false has left a sentence in `error`. */

/* ---- train.c ---- */

double couplet_trainer_now(void); /* seconds of a clock that never goes back */
bool couplet_trainer_stopped(const Trainer *t);
/* True if a signal ended the work: a signal has come, and there is no sentence about a failure. */
bool couplet_trainer_ended_by_signal(const Trainer *t);

/* ---- train_open.c ---- */

void couplet_trainer_init(Trainer *t, const CoupletProgram *program,
                          const CoupletTrainOptions *options, char *error, size_t error_bytes);
void couplet_trainer_close(Trainer *t);
bool couplet_trainer_open_data(Trainer *t);
bool couplet_trainer_open_session(Trainer *t);
/* Sets the names of the files. `metrics_name` is that of the log. */
bool couplet_trainer_open_paths(Trainer *t, const char *metrics_name);
bool couplet_trainer_open_schedule(Trainer *t);
bool couplet_trainer_make_record(Trainer *t);
/* Opens everything for a run that begins or is resumed. */
bool couplet_trainer_open_all(Trainer *t);
/* Sets the states to the method's start, for a run of a given length. With --start, the states are
 * those that were kept then. */
bool couplet_trainer_open_start(Trainer *t, uint64_t seed, int64_t total_steps);
/* Writes what comes before the first step. */
bool couplet_trainer_begin(Trainer *t);

/* ---- train_ranks.c: nothing of it does anything in a run of one rank ---- */

/* Takes the group of the options. From here on rank 0 alone prints and writes. */
void couplet_trainer_take_ranks(Trainer *t);
/* Refuses ranks that were started with different specs, settings, data or versions. `command` says
 * what they were to do. */
bool couplet_trainer_compare_ranks(Trainer *t, const char *command);
/* Refuses ranks whose states differ. */
bool couplet_trainer_compare_states(Trainer *t);
/* Returns a log for a rank that writes none, or NULL with a sentence. */
FILE *couplet_trainer_no_log(Trainer *t);
/* Copies an array of rank 0 to all ranks. */
bool couplet_trainer_take_from_first(Trainer *t, void *array, size_t bytes);
/* Makes all ranks end at the same place if one of them received a signal. */
bool couplet_trainer_hear_signals(Trainer *t);
/* Tells the other ranks of a failure that only this rank may have met. */
void couplet_trainer_end_ranks(Trainer *t, bool good);

/* ---- train_step.c ---- */

int couplet_trainer_stages(const Trainer *t); /* the number of clocks */
/* Sets the stage of the next step; behind the last step, the last stage. */
void couplet_trainer_set_stage(Trainer *t);
/* Returns the present stage, or NULL if the method has none. */
const CoupletStage *couplet_trainer_stage(const Trainer *t);
/* Sets the stage of a clock. */
void couplet_trainer_enter_stage(Trainer *t, int clock);
bool couplet_trainer_begin_sources(Trainer *t);
void couplet_trainer_start_clock(Trainer *t); /* starts the clock of the rate that is shown */
bool couplet_trainer_enter_phase(Trainer *t, const CoupletPhase *phase);
/* Does the work that is due ahead of a step, and the step. Returns false with a sentence, or
 * without one if a signal ended it. */
bool couplet_trainer_step(Trainer *t, float *loss);

/* ---- train_show.c ---- */

void couplet_trainer_say(Trainer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Returns false with a sentence if something could not be printed, since a lost line is an
 * error. */
bool couplet_trainer_was_heard(Trainer *t);
void couplet_trainer_erase_line(Trainer *t);
/* Prints a plain number of any size, below the percentages of evaluations. */
void couplet_trainer_say_number(Trainer *t, const char *of, const char *name, double value);
void couplet_trainer_note(void *trainer, const char *sentence);
void couplet_trainer_say_line(void *trainer, const char *line);
void couplet_trainer_say_size(Trainer *t);
void couplet_trainer_say_resumed(Trainer *t);
void couplet_trainer_show_step(Trainer *t, float loss);
bool couplet_trainer_log_step(Trainer *t, float loss);
bool couplet_trainer_end_epoch(Trainer *t); /* prints and logs it */

/* ---- train_log.c ---- */

/* Opens the logs that are made of metrics.jsonl, with the rows that are there. */
bool couplet_trainer_open_logs(Trainer *t);
/* Writes a row into every log. */
bool couplet_trainer_row(Trainer *t, const CoupletMetric *row, int count);
/* Closes the logs. `good` tells whether the run went well. Returns whether it still does. */
bool couplet_trainer_close_logs(Trainer *t, bool good);

/* ---- train_measure.c ---- */

const char *couplet_trainer_subject_name(const Trainer *t, CoupletSubject subject);
/* Fills in the names of what is measured. */
bool couplet_trainer_name_measures(Trainer *t);
/* True if the evaluation or report of this number is due at the moment. */
bool couplet_trainer_is_due(const Trainer *t, int number, const CoupletMoment *moment);
/* Returns the moment behind the last step. */
CoupletMoment couplet_trainer_moment(const Trainer *t);
bool couplet_trainer_evaluates(const CoupletProgram *program);
/* Measures, prints and logs. Does nothing after a signal, and sets `cut`. */
bool couplet_trainer_measure(Trainer *t, CoupletSubject subject);
bool couplet_trainer_measure_start(Trainer *t);
/* Measures what is due behind the last step. A checkpoint comes first, because a signal may end the
 * work. */
bool couplet_trainer_measure_due(Trainer *t);
/* Measures the start of a run that --max-steps stopped, and that therefore was not measured then.
 * Returns its rows. */
bool couplet_trainer_measure_late(Trainer *t, char **rows);

/* ---- train_keep.c ---- */

bool couplet_trainer_save(Trainer *t);
/* True if the last step's checkpoint is to be written, because an epoch ends or by
 * --checkpoint-every. */
bool couplet_trainer_checkpoint_is_due(const Trainer *t);
/* Keeps the checkpoint of the step by --keep and, if the step is the best, by --best. */
bool couplet_trainer_keep_last(Trainer *t);
bool couplet_trainer_keep_best(Trainer *t);
/* Reads --best. A name that is not measured is refused. */
bool couplet_trainer_open_watch(Trainer *t);
/* Takes a row of the log; in a resumed run, all rows up to its checkpoint. */
void couplet_trainer_watch_row(Trainer *t, const CoupletMetric *row, int count);
bool couplet_trainer_hear_log(Trainer *t);
/* Takes over from rank 0 what rank 0 has seen in its log. */
bool couplet_trainer_take_log(Trainer *t);
bool couplet_trainer_ends_early(const Trainer *t); /* true if --stop-early ends the run */
void couplet_trainer_say_early(Trainer *t);
void couplet_trainer_say_best(Trainer *t);

#endif
