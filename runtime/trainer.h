/* Shared by the files of training: train.c is the table of contents and the loop, train_open.c
 * makes everything ready, train_step.c makes a step, train_show.c says and logs what happens,
 * train_log.c keeps the logs, train_measure.c evaluates, and train_keep.c writes checkpoints. */
#ifndef COUPLET_RUNTIME_TRAINER_H
#define COUPLET_RUNTIME_TRAINER_H

#include "runtime/evaluation.h"
#include "runtime/events.h"
#include "runtime/metrics.h"
#include "runtime/metrics_csv.h"
#include "runtime/sources.h"
#include "runtime/train.h"

enum { COUPLET_EVAL_NAME_BYTES = 160 };

/* The epochs and steps that a stage takes. */
typedef struct Clock {
    const CoupletStage *stage; /* NULL: the method has none */
    int64_t first, steps, per_epoch;
} Clock;

/* The measure by which the best checkpoint is chosen, and by which a run is ended early. */
typedef struct Watch {
    bool on;
    const char *asked;        /* --best, as it was given */
    char name[200], key[210]; /* its name; the key of a row of an epoch */
    const char *evaluation;   /* the name of an evaluation or report; NULL: a loss is watched */
    const char *said;         /* in sentences */
    bool has_direction, is_lowest;
    double best;
    int64_t best_step,
        since;   /* 0: there is no best yet; the values since then that were no better */
    bool is_new; /* the best has not been kept yet */
} Watch;

typedef struct Trainer {
    const CoupletProgram *program;
    const CoupletTrainOptions *options;
    CoupletGroup *group;                    /* the ranks of the run; never NULL */
    bool writes;                            /* rank 0, which alone writes files */
    CoupletTrainOptions own;                /* the options where there are several ranks */
    const volatile sig_atomic_t *signalled; /* this rank's flag */
    volatile sig_atomic_t agreed;           /* the signal that all ranks end by; 0: none */
    CoupletSession *session;
    CoupletThreads *threads;
    CoupletDevice *device, *own_device;
    CoupletSources sources;
    const CoupletPhase *phase;
    CoupletRun *run; /* of the phase */
    void **inputs;
    FILE *metrics;
    CoupletCsv *csv;       /* NULL: there is none, or not yet */
    CoupletEvents *events; /* likewise */
    char **columns;        /* of the table */
    int column_count;
    CoupletRecord now; /* what the folder's record says from here on */
    CoupletMetricsSeen seen;
    CoupletLoaded loaded; /* of the checkpoint that is gone on with */
    int64_t old_steps;    /* that its schedule spanned */
    /* of an evaluation that is made again; "" while training */
    char data_folder[COUPLET_PATH_BYTES], data_hash[24], time[32];
    char checkpoint[COUPLET_PATH_BYTES], metrics_path[COUPLET_PATH_BYTES],
        start[COUPLET_PATH_BYTES], csv_path[COUPLET_PATH_BYTES], best[COUPLET_PATH_BYTES];
    /* Of what the method measures: evaluations, and behind them reports. */
    char (*eval_names)[COUPLET_EVAL_NAME_BYTES];
    const char **names;
    int name_count;
    CoupletResult *results;       /* of the evaluations, for the subject measured last */
    CoupletSubject subject;       /* that is measured */
    Clock *clocks;                /* by stage; one where there are none */
    int64_t per_epoch, rate_step; /* steps of an epoch; the step at which the clock was started */
    double rate_started;
    /* when, and behind which step, the steps of this process began, of which the time that is left
     * is told; time that goes into evaluations is not counted */
    double pace_started;
    int64_t pace_step;
    double line_at; /* when, and behind which step, the last line of progress was written */
    int64_t line_step;
    Watch watch;
    bool measured_late; /* the start was measured when the run went on */
    bool rehearses;     /* nothing is written */
    int64_t saved;      /* the step of the checkpoint in the folder; -1: there is none */
    bool terminal, colours, warned, refused;
    /* a signal ended an evaluation, or the work ahead of an epoch: states are between two steps
     * then */
    bool cut, torn;
    bool halted;            /* a signal ended a step half way: states are those ahead of it */
    int output_fault;       /* errno of the first line that could not be written; 0: all were */
    uint64_t *start_hashes; /* of the files of `start` statements, by statement */
    char *error;
    size_t error_bytes;
} Trainer;

/* of couplet_embedding_deviation, which is about 1 for a spread embedding */
#define COUPLET_COLLAPSED 0.1

/* Functions that return a bool have left a sentence in `error` where that is false. */

/* ---- train.c ---- */

double couplet_trainer_now(void); /* seconds of a clock that never goes back */
bool couplet_trainer_stopped(const Trainer *t);
/* True if a signal ended the work: one has come, and there is no sentence about a failure. */
bool couplet_trainer_ended_by_signal(const Trainer *t);

/* ---- train_open.c ---- */

void couplet_trainer_init(Trainer *t, const CoupletProgram *program,
                          const CoupletTrainOptions *options, char *error, size_t error_bytes);
void couplet_trainer_close(Trainer *t);
bool couplet_trainer_open_data(Trainer *t);
bool couplet_trainer_open_session(Trainer *t);
/* The names of the files; `metrics_name` is that of the log. */
bool couplet_trainer_open_paths(Trainer *t, const char *metrics_name);
bool couplet_trainer_open_schedule(Trainer *t);
bool couplet_trainer_make_record(Trainer *t);
/* Opens all of the above, for a run that begins or goes on. */
bool couplet_trainer_open_all(Trainer *t);
/* The method as it starts, of a run of so many steps; with --start, as it was kept then. */
bool couplet_trainer_open_start(Trainer *t, uint64_t seed, int64_t total_steps);
/* Writes all that comes before the first step. */
bool couplet_trainer_begin(Trainer *t);

/* ---- train_ranks.c: nothing of it does anything in a run of one rank ---- */

/* Takes the group of the options. Rank 0 alone speaks and writes from here on. */
void couplet_trainer_take_ranks(Trainer *t);
/* Refuses ranks that were started with other specs, settings, data, or versions. `command` is the
 * word for what they do. */
bool couplet_trainer_compare_ranks(Trainer *t, const char *command);
/* Refuses ranks whose states differ. */
bool couplet_trainer_compare_states(Trainer *t);
/* The log of a rank that writes none; NULL with a sentence. */
FILE *couplet_trainer_no_log(Trainer *t);
/* Gives all ranks an array of rank 0. */
bool couplet_trainer_take_from_first(Trainer *t, void *array, size_t bytes);
/* Lets a signal that came to one rank end the work of all at the same place. */
bool couplet_trainer_hear_signals(Trainer *t);
/* Tells the other ranks of a failure that only this one may know of. */
void couplet_trainer_end_ranks(Trainer *t, bool good);

/* ---- train_step.c ---- */

int couplet_trainer_stages(const Trainer *t); /* the number of clocks */
/* Sets the stage that the next step belongs to; behind the last step, the last one. */
void couplet_trainer_set_stage(Trainer *t);
const CoupletStage *couplet_trainer_stage(const Trainer *t); /* at hand; NULL: there are none */
/* Sets the stage of a clock. */
void couplet_trainer_enter_stage(Trainer *t, int clock);
bool couplet_trainer_begin_sources(Trainer *t);
void couplet_trainer_start_clock(Trainer *t); /* of the rate that is shown */
bool couplet_trainer_enter_phase(Trainer *t, const CoupletPhase *phase);
/* The work that is due ahead of a step, and the step. Without a sentence, a signal ended it. */
bool couplet_trainer_step(Trainer *t, float *loss);

/* ---- train_show.c ---- */

void couplet_trainer_say(Trainer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* False with a sentence when what was said could not be written: a line that is lost is an
 * error. */
bool couplet_trainer_was_heard(Trainer *t);
void couplet_trainer_erase_line(Trainer *t);
/* A number under the percentages of evaluations, whatever its size. */
void couplet_trainer_say_number(Trainer *t, const char *of, const char *name, double value);
void couplet_trainer_note(void *trainer, const char *sentence);
void couplet_trainer_say_line(void *trainer, const char *line);
void couplet_trainer_say_size(Trainer *t);
void couplet_trainer_say_resumed(Trainer *t);
void couplet_trainer_show_step(Trainer *t, float loss);
bool couplet_trainer_log_step(Trainer *t, float loss);
bool couplet_trainer_end_epoch(Trainer *t); /* shows and logs it */

/* ---- train_log.c ---- */

/* Opens what is made of metrics.jsonl, with the rows that are there. */
bool couplet_trainer_open_logs(Trainer *t);
/* Writes a row into every log. */
bool couplet_trainer_row(Trainer *t, const CoupletMetric *row, int count);
/* Closes them, of a run that went well or did not; returns whether it still did. */
bool couplet_trainer_close_logs(Trainer *t, bool good);

/* ---- train_measure.c ---- */

const char *couplet_trainer_subject_name(const Trainer *t, CoupletSubject subject);
/* Fills in the names of what is measured. */
bool couplet_trainer_name_measures(Trainer *t);
/* True if the evaluation or report of this number is due at the moment. */
bool couplet_trainer_is_due(const Trainer *t, int number, const CoupletMoment *moment);
/* The moment behind the last step that was made. */
CoupletMoment couplet_trainer_moment(const Trainer *t);
bool couplet_trainer_evaluates(const CoupletProgram *program);
/* Measures, shows and logs. Nothing is done once a signal has come; `cut` says so. */
bool couplet_trainer_measure(Trainer *t, CoupletSubject subject);
bool couplet_trainer_measure_start(Trainer *t);
/* Measures what is due behind the last step, upon a checkpoint: a signal may end it there. */
bool couplet_trainer_measure_due(Trainer *t);
/* The rows of the start of a run that was stopped by --max-steps, and so not measured then. */
bool couplet_trainer_measure_late(Trainer *t, char **rows);

/* ---- train_keep.c ---- */

bool couplet_trainer_save(Trainer *t);
/* True if the step that was made is one whose checkpoint is written, by an epoch's end or
 * --checkpoint-every. */
bool couplet_trainer_checkpoint_is_due(const Trainer *t);
/* Keeps the checkpoint of the step by --keep, and, if the step is the best one, by --best. */
bool couplet_trainer_keep_last(Trainer *t);
bool couplet_trainer_keep_best(Trainer *t);
/* Reads --best; one that names nothing is refused. */
bool couplet_trainer_open_watch(Trainer *t);
/* Hears a row of the log, and, of a run that goes on, all rows up to its checkpoint. */
void couplet_trainer_watch_row(Trainer *t, const CoupletMetric *row, int count);
bool couplet_trainer_hear_log(Trainer *t);
/* Takes over from rank 0 what it heard there. */
bool couplet_trainer_take_log(Trainer *t);
bool couplet_trainer_ends_early(const Trainer *t); /* by --stop-early */
void couplet_trainer_say_early(Trainer *t);
void couplet_trainer_say_best(Trainer *t);

#endif
