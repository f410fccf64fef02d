/* Trains a program in a run folder: opens data and session, resumes or begins, makes steps, logs,
 * saves and evaluates. couplet_train and couplet_evaluate at the end read as the table of contents.
 *
 * The order of writing makes it safe to kill a run at any time. The record comes first, then a
 * checkpoint, and the log is flushed line by line. A resumed run drops the lines behind its
 * checkpoint. A signal ends the run between two steps. If a signal interrupts work ahead of an
 * epoch, this work is done again; so a checkpoint comes before it. */
#include "runtime/train.h"

#include "runtime/data/mapping_guard.h"
#include "runtime/hash.h"
#include "runtime/trainer.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

double couplet_trainer_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool couplet_trainer_stopped(const Trainer *t) {
    return t->options->stop && *t->options->stop;
}

/* True if a signal ended the work: a signal has come, and there is no sentence about a failure. */
bool couplet_trainer_ended_by_signal(const Trainer *t) {
    return couplet_trainer_stopped(t) && !*t->error;
}

/* Does what follows a step: the log of its epoch, checkpoints, and the evaluations that are due. */
static bool end_step(Trainer *t, int64_t last) {
    const CoupletSession *s = t->session;
    const bool epoch_ends = (s->step - s->stage_first) % t->per_epoch == 0;
    if (epoch_ends &&
        !(couplet_guard_whole(t->error, t->error_bytes) && couplet_trainer_end_epoch(t)))
        return false;
    if (couplet_trainer_checkpoint_is_due(t) && s->step < last && !couplet_trainer_save(t))
        return false;
    return couplet_trainer_measure_due(t) && couplet_trainer_keep_last(t) &&
           couplet_trainer_keep_best(t);
}

/* Makes the steps up to `last`, with their logs, checkpoints and evaluations. Ends before if a
 * signal comes, if output is lost, or by --stop-early. */
static bool train_steps(Trainer *t, int64_t last) {
    CoupletSession *s = t->session;
    couplet_trainer_start_clock(t);
    t->pace_started = t->line_at = couplet_trainer_now();
    t->pace_step = t->line_step = s->step;
    while (s->step < last && !t->output_fault && !couplet_trainer_ends_early(t)) {
        float loss;
        if (!couplet_trainer_hear_signals(t)) return false;
        if (couplet_trainer_stopped(t)) break;
        if (!couplet_trainer_step(t, &loss)) {
            if (t->halted) break;
            t->torn = couplet_trainer_ended_by_signal(t);
            if (t->torn) break;
            /* If a data file was cut short meanwhile, that explains the failure, and is reported in
             * its place. */
            return couplet_guard_whole(t->error, t->error_bytes) && false;
        }
        if (!couplet_trainer_log_step(t, loss)) return false;
        couplet_trainer_show_step(t, loss);
        if (!end_step(t, last)) return false;
    }
    couplet_trainer_erase_line(t);
    return (t->torn || (couplet_trainer_save(t) && couplet_trainer_keep_last(t))) &&
           couplet_trainer_was_heard(t);
}

static bool is_whole(const Trainer *t) {
    return t->options->max_steps == 0 || t->options->max_steps >= t->session->total_steps;
}

/* Makes the steps, and those evaluations around them that are missing. */
static bool train_whole(Trainer *t) {
    CoupletSession *s = t->session;
    const CoupletTrainOptions *o = t->options;
    bool start_is_measured = t->seen.complete[COUPLET_RAW];
    couplet_trainer_say_size(t);
    if (is_whole(t) && s->step == 0 && !start_is_measured && !couplet_trainer_measure_start(t))
        return false;
    /* a signal may have kept the checkpoint's step from being evaluated */
    if (!t->seen.complete[COUPLET_IN_TRAINING] && s->step > 0 && !couplet_trainer_measure_due(t))
        return false;
    if (!train_steps(t, is_whole(t) ? s->total_steps : o->max_steps)) return false;
    const bool is_early = couplet_trainer_ends_early(t) && s->step < s->total_steps;
    if (is_early) couplet_trainer_say_early(t);
    if (s->step < s->total_steps && !is_early)
        couplet_trainer_say(
            t, "stopped after step %" PRId64 " of %" PRId64 "; --resume goes on from here\n",
            s->step, s->total_steps);
    else if (!couplet_trainer_measure(t, COUPLET_AFTER_TRAINING) || !couplet_trainer_keep_best(t))
        return false;
    else if (t->cut)
        couplet_trainer_say(t, "stopped before the evaluation was made; --resume makes it\n");
    else
        couplet_trainer_say_best(t);
    return couplet_trainer_was_heard(t);
}

/* Returns how the run ended. If it failed without a sentence, a signal ended it before its first
 * step, and nothing is written. */
static CoupletRunEnd end_of(const Trainer *t, bool good, bool was_stopped) {
    if (!good && couplet_trainer_ended_by_signal(t)) return COUPLET_RUN_STOPPED;
    if (good) return was_stopped ? COUPLET_RUN_STOPPED : COUPLET_RUN_DONE;
    return t->refused ? COUPLET_RUN_REFUSED : COUPLET_RUN_FAILED;
}

CoupletRunEnd couplet_train(const CoupletProgram *program, const CoupletTrainOptions *options,
                            char *error, size_t error_bytes) {
    Trainer t;
    couplet_trainer_init(&t, program, options, error, error_bytes);
    bool good = couplet_trainer_open_all(&t);
    const CoupletSession *s = t.session;
    bool is_finished = good && options->record &&
                       (s->step >= s->total_steps || couplet_trainer_ends_early(&t)) &&
                       t.seen.complete[COUPLET_AFTER_TRAINING];
    if (is_finished) {
        couplet_trainer_say(
            &t, "this run is finished: %" PRId64 " steps of %" PRId64 "%s; nothing is left to do\n",
            s->step, s->total_steps,
            couplet_trainer_evaluates(program) ? " and its evaluation" : "");
        good = couplet_trainer_was_heard(&t);
    } else
        good = good && couplet_trainer_begin(&t) && train_whole(&t);
    good = couplet_trainer_close_logs(&t, good);
    couplet_trainer_end_ranks(&t, good);
    bool was_stopped = good && !is_finished && couplet_trainer_stopped(&t);
    if (!good && couplet_trainer_ended_by_signal(&t))
        couplet_trainer_say(&t, "stopped before its first step; nothing is written\n");
    couplet_trainer_close(&t);
    return end_of(&t, good, was_stopped);
}

/* ---- evaluation of a run that was made ------------------------------------------------------- */

/* Notes the data and the time, which each row of evaluations.jsonl has. */
static void stamp_data(Trainer *t) {
    uint64_t hash = COUPLET_HASH_START;
    time_t seconds = time(NULL);
    struct tm utc;
    for (int i = 0; i < t->program->source_count; i++)
        hash = couplet_hash(hash, &t->sources.data[i].hash, sizeof hash);
    snprintf(t->data_hash, sizeof t->data_hash, "%016" PRIx64, hash);
    snprintf(t->data_folder, sizeof t->data_folder, "%s",
             t->program->source_count ? t->sources.data[0].path : "none");
    strftime(t->time, sizeof t->time, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
}

/* Opens the trained states, the record, and the file for results. A damaged checkpoint and other
 * data are reported before minutes of work. */
static CoupletSession *open_trained(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    const CoupletLeave leave = {.change = o->data_was_named ? "data" : NULL,
                                .only_data = true,
                                .note = couplet_trainer_note,
                                .context = t};
    CoupletLoaded loaded;
    CoupletSession *trained =
        couplet_session_new(t->program, t->device, t->threads, o->seed, t->error, t->error_bytes);
    bool good = trained && couplet_trainer_make_record(t) &&
                couplet_record_agrees(o->record, &t->now, o->folder->path, &leave, t->error,
                                      t->error_bytes) &&
                couplet_session_load(trained, t->checkpoint, &loaded, t->error, t->error_bytes);
    t->refused = !good;
    if (good) {
        stamp_data(t);
        couplet_trainer_say(t, "evaluating step %" PRId64 " of %s on the data in %s\n",
                            trained->step, o->folder->path, t->data_folder);
        static const CoupletMetricsSeen all = {.complete = {true, true, true, true}};
        t->metrics = t->writes ? couplet_metrics_go_on(t->metrics_path, "", INT64_MAX - 1, &all,
                                                       t->error, t->error_bytes)
                               : couplet_trainer_no_log(t);
    }
    if (good && t->metrics) return trained;
    couplet_session_free(trained);
    return NULL;
}

CoupletRunEnd couplet_evaluate(const CoupletProgram *program, const CoupletTrainOptions *options,
                               char *error, size_t error_bytes) {
    Trainer t;
    couplet_trainer_init(&t, program, options, error, error_bytes);
    CoupletSession *trained = NULL;
    bool good = couplet_trainer_open_data(&t) &&
                (!program->stage_count || couplet_trainer_open_schedule(&t)) &&
                couplet_trainer_compare_ranks(&t, "eval") &&
                couplet_trainer_open_paths(&t, couplet_evaluations_name) &&
                couplet_trainer_open_session(&t);
    if (good && !couplet_trainer_evaluates(program)) {
        snprintf(error, error_bytes, "%s has no `eval` block, so there is nothing to measure",
                 program->spec_path);
        good = false;
    }
    good = good && (trained = open_trained(&t)) &&
           couplet_trainer_open_start(&t, trained->seed, trained->total_steps) &&
           couplet_trainer_measure_start(&t);
    if (good) {
        couplet_session_free(t.session);
        t.session = trained;
        trained = NULL;
        if (t.clocks) couplet_trainer_set_stage(&t);
        good = couplet_trainer_measure(&t, COUPLET_AFTER_TRAINING);
    }
    if (good && !couplet_trainer_stopped(&t))
        couplet_trainer_say(&t, "kept in %s\n", t.metrics_path);
    good = good && couplet_trainer_was_heard(&t);
    couplet_trainer_end_ranks(&t, good);
    bool was_stopped = good && couplet_trainer_stopped(&t);
    couplet_session_free(trained);
    couplet_trainer_close(&t);
    return end_of(&t, good, was_stopped);
}
