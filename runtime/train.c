/* Training from a program to a run folder: open data and session, go on or begin, step, log, save,
 * evaluate. couplet_train and couplet_evaluate at the end read as the table of contents.
 *
 * The order of writing is what makes a run safe to kill. The record comes first, then a checkpoint,
 * and the log is flushed line by line; a resumed run drops the lines behind its checkpoint. A
 * signal ends the run between two steps. Work ahead of an epoch that a signal interrupts is done
 * again, and is preceded by a checkpoint for that. */
#include "runtime/train.h"

#include "runtime/data/copies.h"
#include "runtime/data/guard.h"
#include "runtime/data/kept.h"
#include "runtime/epoch.h"
#include "runtime/evaluate.h"
#include "runtime/evaluation.h"
#include "runtime/files.h"
#include "runtime/given.h"
#include "runtime/hash.h"
#include "runtime/metrics.h"
#include "runtime/numbers.h"
#include "runtime/sources.h"
#include "runtime/start.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* of couplet_embedding_deviation, which is about 1 for a spread embedding */
static const double collapsed = 0.1;

/* When a stage is. */
typedef struct Clock {
    const CoupletStage *stage; /* NULL: the method has none */
    int64_t first, steps, per_epoch;
} Clock;

typedef struct Trainer {
    const CoupletProgram *program;
    const CoupletTrainOptions *options;
    CoupletSession *session;
    CoupletThreads *threads;
    CoupletDevice *device, *own_device;
    CoupletSources sources;
    const CoupletPhase *phase;
    CoupletRun *run; /* of the phase */
    void **inputs;
    FILE *metrics;
    CoupletRecord now; /* what the folder's record says from here on */
    CoupletMetricsSeen seen;
    CoupletLoaded loaded; /* of the checkpoint that is gone on with */
    int64_t old_steps;    /* that its schedule spanned */
    /* of an evaluation that is made again; "" while training */
    char data_folder[COUPLET_PATH_BYTES], data_hash[24], time[32];
    char checkpoint[COUPLET_PATH_BYTES], metrics_path[COUPLET_PATH_BYTES],
        start[COUPLET_PATH_BYTES];
    double *percents;             /* of the evaluations, for the subject measured last */
    CoupletSubject subject;       /* that is measured */
    Clock *clocks;                /* by stage; one where there are none */
    int64_t per_epoch, rate_step; /* steps of an epoch; the step at which the clock was started */
    double rate_started, line_at;
    int64_t saved; /* the step of the checkpoint in the folder; -1: there is none */
    bool terminal, warned, refused;
    /* a signal ended an evaluation, or the work ahead of an epoch: states are between two steps
     * then */
    bool cut, torn;
    bool halted;      /* a signal ended a step half way: states are those ahead of it */
    int output_fault; /* errno of the first line that could not be written; 0: all were */
    char *error;
    size_t error_bytes;
} Trainer;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void say(Trainer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(Trainer *t, const char *format, ...) {
    if (t->options->quiet) return;
    va_list args;
    va_start(args, format);
    bool written = vfprintf(t->options->out, format, args) >= 0 && fflush(t->options->out) == 0;
    if (!written && !t->output_fault) t->output_fault = errno ? errno : EIO;
    va_end(args);
}

/* False with a sentence when what was said could not be written: a line that is lost is an
 * error. */
static bool was_heard(Trainer *t) {
    if (t->output_fault)
        snprintf(t->error, t->error_bytes, "standard output cannot be written: %s",
                 strerror(t->output_fault));
    return !t->output_fault;
}

static bool stopped(const Trainer *t) {
    return t->options->stop && *t->options->stop;
}

/* True if a signal ended the work: one has come, and there is no sentence about a failure. */
static bool ended_by_signal(const Trainer *t) {
    return stopped(t) && !*t->error;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The checkpoint of a run that was made says what its classes were called. One that cannot be read
 * is refused later, where its arrays are taken. */
static bool open_sources(Trainer *t) {
    char path[COUPLET_PATH_BYTES], why[COUPLET_PATH_BYTES + 256];
    CoupletPlaces places = t->options->places;
    CoupletMapped kept = {.length = 0};
    if (t->options->record &&
        couplet_path_join(t->options->folder->path, couplet_checkpoint_name, path, why,
                          sizeof why) &&
        couplet_mapped_open(path, &kept, why, sizeof why))
        places.kept = &kept.file;
    const bool good = couplet_sources_open(t->program, &places, &t->options->loading, NULL,
                                           &t->sources, t->error, t->error_bytes);
    couplet_mapped_close(&kept);
    return good;
}

/* Other data may name its classes otherwise: what became of their numbers. */
static void say_classes(Trainer *t) {
    for (int i = 0; i < t->program->source_count; i++) {
        const CoupletTable *table = &t->sources.data[i];
        for (int f = 0; f < table->field_count; f++) {
            const char *stranger = couplet_kept_stranger(table, f);
            if (stranger) say(t, "note: %s: %s; they are numbered anew\n", table->name, stranger);
            if (couplet_kept_is_renumbered(table, f))
                say(t,
                    "note: %s: the classes of `%s` have the numbers that their names had in "
                    "training\n",
                    table->name, table->fields[f].name);
        }
    }
}

static bool take_sources(Trainer *t) {
    if (!t->options->sources) return open_sources(t);
    t->sources = *t->options->sources;
    *t->options->sources = (CoupletSources){0};
    for (int i = 0; i < t->program->source_count; i++)
        assert(strcmp(t->sources.program->sources[i].name, t->program->sources[i].name) == 0);
    t->sources.program = t->program;
    return true;
}

static void warn_of_one_class(Trainer *t) {
    for (int i = 0; i < t->program->eval_count; i++) {
        const CoupletEval *e = &t->program->evals[i];
        if (!couplet_evaluation_has_one_class(e, t->sources.data)) continue;
        say(t,
            "%s: warning: all samples of `%s` have one `%s`, so this evaluation tells no classes "
            "apart\n",
            e->place, t->program->sources[e->bank].name, e->labels);
    }
}

static bool open_data(Trainer *t) {
    t->percents = calloc((size_t)t->program->eval_count + 1, sizeof *t->percents);
    if (!t->percents) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    if (!take_sources(t)) return false;
    say_classes(t);
    if (!couplet_evaluations_fit(t->program, t->sources.data, t->error, t->error_bytes))
        return false;
    warn_of_one_class(t);
    return true;
}

static bool open_session(Trainer *t) {
    t->threads = couplet_threads_new(t->options->threads);
    if (!t->threads) {
        snprintf(t->error, t->error_bytes, "%d threads cannot be started", t->options->threads);
        return false;
    }
    couplet_threads_heed(t->threads, t->options->stop);
    t->device = t->options->device ? t->options->device
                                   : (t->own_device = couplet_host_device_new(t->threads));
    if (!t->device) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    t->session = couplet_session_new(t->program, t->device, t->threads, t->options->seed, t->error,
                                     t->error_bytes);
    return t->session != NULL;
}

static bool open_paths(Trainer *t, const char *metrics_name) {
    const char *folder = t->options->folder->path;
    return couplet_path_join(folder, couplet_checkpoint_name, t->checkpoint, t->error,
                             t->error_bytes) &&
           couplet_path_join(folder, metrics_name, t->metrics_path, t->error, t->error_bytes) &&
           couplet_path_join(folder, couplet_start_name, t->start, t->error, t->error_bytes);
}

static void note(void *context, const char *sentence) {
    say(context, "note: %s\n", sentence);
}

static void say_line(void *context, const char *line) {
    say(context, "%s\n", line);
}

static bool make_record(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    const char *start = o->record ? couplet_record_text(o->record, "start") : o->start;
    const CoupletRecorded from = {.program = t->program,
                                  .session = t->session,
                                  .sources = &t->sources,
                                  .device = t->device->name,
                                  .threads = o->threads,
                                  .checkpoint_every = o->checkpoint_every,
                                  .start = start,
                                  .skip_bad = o->loading.skip_bad};
    return couplet_record_make(&from, &t->now, t->error, t->error_bytes);
}

enum { EVAL_NAME_BYTES = 160 };

static const char *subject_name(const Trainer *t, CoupletSubject subject) {
    return couplet_subject_name(t->program, t->sources.data, subject);
}

/* Reads what the rows of the run say up to the checkpoint. */
static bool survey(Trainer *t) {
    const int count = t->program->eval_count, reports = couplet_measures_count(t->program);
    char(*texts)[EVAL_NAME_BYTES] = calloc((size_t)count + 1, sizeof *texts);
    const char **names = calloc((size_t)(count + reports) + 1, sizeof *names);
    bool good = texts && names;
    if (!good) snprintf(t->error, t->error_bytes, "out of memory");
    for (int i = 0; good && i < count; i++) {
        couplet_eval_name(t->program, i, t->sources.data, texts[i], sizeof texts[i]);
        names[i] = texts[i];
    }
    for (int i = 0; good && i < reports; i++)
        names[count + i] = couplet_measures_name(t->program, i);
    const CoupletMetricsNames wanted = {names, count, count + reports};
    good = good && couplet_metrics_survey(t->metrics_path, t->session->step, &wanted, &t->seen,
                                          t->error, t->error_bytes);
    free(names);
    free(texts);
    return good;
}

/* The checkpoint's place in the run, and what was set from then on. */
static bool resume(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    const CoupletLeave leave = {.change = o->change, .note = note, .context = t};
    int64_t steps = t->session->total_steps;
    uint64_t seed = t->session->seed, recorded;
    /* The settings first: a checkpoint of another batch would only be said to be of another
     * method. */
    if (!make_record(t) || !couplet_record_agrees(o->record, &t->now, o->folder->path, &leave,
                                                  t->error, t->error_bytes))
        return false;
    if (!couplet_session_load(t->session, t->checkpoint, &t->loaded, t->error, t->error_bytes))
        return false;
    if (!t->loaded.whole_state) {
        snprintf(t->error, t->error_bytes,
                 "%s: an older Couplet wrote this checkpoint, without the losses of the epoch: it "
                 "can be evaluated, and not be gone on with",
                 t->checkpoint);
        return false;
    }
    if (t->session->seed != seed || !couplet_record_seed(o->record, &recorded) ||
        recorded != seed) {
        snprintf(t->error, t->error_bytes,
                 "%s: the seed of this checkpoint is %" PRIu64 ", and %" PRIu64
                 " that of the run's record: they are of two runs",
                 t->checkpoint, t->session->seed, seed);
        return false;
    }
    couplet_record_place(&t->now, t->session->step);
    t->saved = t->session->step;
    t->old_steps = t->session->total_steps;
    t->session->total_steps = steps;
    return survey(t);
}

static void say_resumed(Trainer *t) {
    const CoupletSession *s = t->session;
    say(t, "going on from step %" PRId64 " of %s\n", s->step, t->checkpoint);
    if (!t->loaded.same_plan)
        say(t, "note: the checkpoint was made by other machine code; the run is continued, but not "
               "exactly to the bit\n");
    if (t->old_steps != s->total_steps)
        say(t, "note: the schedule spanned %" PRId64 " steps and now spans %" PRId64 "\n",
            t->old_steps, s->total_steps);
}

static bool write_spec(Trainer *t) {
    const CoupletProgram *p = t->program;
    char path[COUPLET_PATH_BYTES], below[COUPLET_PATH_BYTES];
    for (int i = 0; i < p->file_count; i++) {
        const char *name = p->files[i].name, *slash = strrchr(name, '/');
        if (!couplet_path_join(t->options->folder->path, name, path, t->error, t->error_bytes))
            return false;
        if (slash) {
            snprintf(below, sizeof below, "%.*s", (int)(strlen(path) - strlen(slash)), path);
            if (!couplet_folder_make(below, NULL, t->error, t->error_bytes)) return false;
        }
        if (!couplet_text_write(path, p->files[i].text, t->error, t->error_bytes)) return false;
    }
    return true;
}

/* The record first: from then on the folder holds a run. */
static bool write_settings(Trainer *t) {
    return couplet_record_write(&t->now, t->options->folder->path, t->error, t->error_bytes) &&
           write_spec(t);
}

/* Makes ready to run the steps of a phase; one phase has memory at a time. */
static bool enter_phase(Trainer *t, const CoupletPhase *phase) {
    if (t->phase == phase) return true;
    couplet_run_free(t->run);
    free(t->inputs);
    const CoupletPlan *plan = phase->train;
    t->phase = phase;
    t->run = couplet_run_on(t->device, plan);
    t->inputs = calloc((size_t)plan->input_count + 1, sizeof *t->inputs);
    /* kernels may be compiled in its first step */
    if (t->run) couplet_run_heed(t->run, t->options->stop);
    if (t->run && t->inputs)
        return couplet_sources_attach(&t->sources, t->device, plan, t->run, t->error,
                                      t->error_bytes);
    snprintf(t->error, t->error_bytes, "a step of this method needs %.0f MB: %s",
             (double)plan->arena_bytes / 1e6, t->device->fault.sentence);
    return false;
}

/* Nothing that was made of a file which others changed is kept. */
static bool save(Trainer *t) {
    if (!couplet_guard_whole(t->error, t->error_bytes) ||
        !couplet_session_save(t->session, t->checkpoint, t->error, t->error_bytes))
        return false;
    t->saved = t->session->step;
    return true;
}

/* ---- one step -------------------------------------------------------------------------------- */

static void erase_line(Trainer *t) {
    if (t->terminal) say(t, "\r\033[K");
}

enum { NAME_COLUMN = 14 };

/* A number under the percentages of evaluations, whatever its size. */
static void say_number(Trainer *t, const char *of, const char *name, double value) {
    const double size = fabs(value);
    const bool is_plain = size == 0 || (size >= 0.001 && size < 100000);
    say(t, is_plain ? "%-16s %-*s %8.4f\n" : "%-16s %-*s %8.2e\n", of, NAME_COLUMN, name, value);
}

/* Epochs and steps that begin are counted from 1. */
static bool tell_of_work(void *context, const CoupletAction *action, const char *name,
                         double value) {
    Trainer *t = context;
    const CoupletSession *s = t->session;
    const int64_t begins = (action->of_steps ? s->step : s->epoch) + 1;
    char when[40];
    snprintf(when, sizeof when, "before %s %" PRId64, action->of_steps ? "step" : "epoch", begins);
    erase_line(t);
    say_number(t, when, name, value);
    const CoupletMetric row[] = {
        {"step", (double)s->step, NULL},
        {action->of_steps ? "before_step" : "before_epoch", (double)begins, NULL},
        {name, value, NULL}};
    return couplet_metrics_row(t->metrics, t->metrics_path, row, 3, t->error, t->error_bytes);
}

/* Batches that are drawn in proportion to a state go by what it is when an epoch begins. */
static bool weigh_epoch(Trainer *t, int64_t into) {
    CoupletSession *s = t->session;
    return couplet_session_weigh(s, t->error, t->error_bytes) &&
           couplet_sources_weigh(&t->sources, s->weights, into + t->per_epoch, t->error,
                                 t->error_bytes);
}

/* Ahead of a step, of which `into` were made in its stage. */
static bool work_ahead(Trainer *t, const CoupletPhase *phase, int64_t into) {
    CoupletSession *s = t->session;
    const CoupletReports reports = {tell_of_work, t};
    if (couplet_work_is_due(s, phase, into, t->per_epoch)) {
        /* what a signal interrupts here is begun anew */
        if (t->saved != s->step && !save(t)) return false;
        if (!couplet_work_do(s, phase, into, t->per_epoch, &t->sources, &reports, t->error,
                             t->error_bytes))
            return false;
    }
    return into % t->per_epoch != 0 || weigh_epoch(t, into);
}

static int clock_count(const Trainer *t) {
    return t->program->stage_count ? t->program->stage_count : 1;
}

/* The stage that the next step belongs to; behind the last step, the last one. */
static void set_stage(Trainer *t) {
    CoupletSession *s = t->session;
    int at = 0;
    while (at + 1 < clock_count(t) && t->clocks[at + 1].first <= s->step)
        at++;
    s->stage = at;
    s->stage_first = t->clocks[at].first;
    s->stage_steps = t->clocks[at].stage ? t->clocks[at].steps : 0;
    t->per_epoch = t->clocks[at].per_epoch;
}

static const CoupletStage *stage_at_hand(const Trainer *t) {
    return t->clocks[t->session->stage].stage;
}

static bool begin_sources(Trainer *t) {
    const CoupletSession *s = t->session;
    return couplet_sources_begin(&t->sources, stage_at_hand(t), couplet_session_seed(s),
                                 s->step - s->stage_first, t->error, t->error_bytes);
}

static void start_clock(Trainer *t) {
    t->rate_started = now();
    t->rate_step = t->session->step;
}

/* Into the next stage, where the one at hand is over. */
static bool go_on_in_stages(Trainer *t) {
    CoupletSession *s = t->session;
    const int before = s->stage;
    set_stage(t);
    if (s->stage == before) return true;
    start_clock(t);
    return begin_sources(t);
}

/* What the step that was made gives, where it is one of those that are asked for. */
static bool give(Trainer *t, const CoupletPlan *plan) {
    const int64_t every = t->options->give_every, step = t->session->step;
    if (every == 0 || step % every != 0) return true;
    return couplet_given_write(t->run, plan, step, t->options->folder->path, t->error,
                               t->error_bytes);
}

/* The step is done again, and so is the work ahead of it (`worked`), whose states are not kept. */
static bool halt(Trainer *t, bool worked, int64_t epoch_before) {
    t->halted = true;
    t->torn = worked;
    t->session->epoch = epoch_before;
    return false;
}

static bool step(Trainer *t, float *loss) {
    CoupletSession *s = t->session;
    const int64_t epoch_before = s->epoch;
    CoupletFault fault;
    if (!go_on_in_stages(t)) return false;
    const int64_t done = s->step - s->stage_first;
    s->epoch = done / t->per_epoch;
    const CoupletPhase *phase = couplet_program_phase(t->program, s->stage, s->epoch, done);
    const bool works = couplet_work_is_due(s, phase, done, t->per_epoch);
    if (!work_ahead(t, phase, done)) return false;
    if (!enter_phase(t, phase)) return false;
    const CoupletPlan *plan = t->phase->train;
    couplet_session_scalars(s, plan, t->inputs);
    couplet_sources_whole(&t->sources, plan, t->inputs);
    couplet_sources_next(&t->sources, plan, t->inputs);
    for (int i = 0; i < plan->input_count; i++) {
        if (t->inputs[i]) continue;
        snprintf(t->error, t->error_bytes,
                 "a fault of the compiler: the step reads `%s`, which nothing provides",
                 plan->inputs[i].name);
        return false;
    }
    bool good = couplet_run_steps(t->run, t->inputs, s->states, &fault) &&
                couplet_run_finite(t->run, &fault);
    if (!good && couplet_run_stopped(t->run)) return halt(t, works, epoch_before);
    couplet_run_heed(t->run, NULL);
    const float *value = good ? couplet_run_output(t->run, "loss") : NULL;
    if (good && !value)
        fault = (CoupletFault){.sentence = t->device->fault.sentence,
                               .source = t->device->name,
                               .kind = t->device->fault.kind};
    if (value) *loss = *value;
    if (value && !couplet_session_losses(s, t->run, plan)) {
        snprintf(t->error, t->error_bytes, "%s: %s", t->device->name, t->device->fault.sentence);
        return false;
    }
    if (!value || !couplet_run_commit(t->run, s->states, t->program->states, &fault)) {
        char when[40], advice[400];
        snprintf(when, sizeof when, "in step %" PRId64, s->step);
        couplet_session_advise(s, &fault, advice, sizeof advice);
        couplet_fault_text(&fault, when, t->error, t->error_bytes);
        return false;
    }
    couplet_session_count(s, *loss, t->per_epoch);
    return give(t, plan);
}

/* ---- what is shown and kept ------------------------------------------------------------------ */

/* The rate of the epoch, or of its part since a resume. */
static double views_per_second(const Trainer *t) {
    double seconds = now() - t->rate_started;
    return seconds > 0
               ? (double)((t->session->step - t->rate_step) *
                          (stage_at_hand(t) ? stage_at_hand(t)->views : t->program->views)) /
                     seconds
               : 0;
}

/* " (near 1.2345, length 0.0500)": the losses with names, of the last step or over the epoch. */
static const char *named_losses(const Trainer *t, bool of_epoch, char *out, size_t bytes) {
    const CoupletSession *s = t->session;
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < t->program->loss_count && used < bytes; i++) {
        const CoupletMean *m = &s->named[i];
        const double value = of_epoch ? (m->count ? m->sum / (double)m->count : NAN) : m->latest;
        if (!isnan(value))
            used += (size_t)snprintf(out + used, bytes - used, "%s%s %.4f", used ? ", " : " (",
                                     t->program->losses[i].name, value);
    }
    if (used && used + 1 < bytes) snprintf(out + used, bytes - used, ")");
    return out;
}

static void progress_line(Trainer *t, float loss) {
    if (!t->terminal || now() - t->line_at < 0.2) return;
    t->line_at = now();
    const CoupletSession *s = t->session;
    int64_t done = s->step - t->rate_step, left = s->total_steps - s->step;
    const CoupletStage *stage = stage_at_hand(t);
    double seconds = done ? (now() - t->rate_started) / (double)done * (double)left : 0;
    char named[200];
    say(t,
        "\r\033[K%s%sepoch %" PRId64 "/%.9g  step %" PRId64 "/%" PRId64
        "  loss %.4f%s  %.0f views/s  %.0f:%02.0f left",
        stage ? stage->name : "", stage ? ": " : "", s->epoch + 1,
        stage ? stage->epochs : t->program->epochs, s->step, s->total_steps, (double)loss,
        named_losses(t, false, named, sizeof named), views_per_second(t), floor(seconds / 60),
        floor(fmod(seconds, 60)));
}

/* A row of the log, and behind it the losses with names: of the last step by their names, over the
 * epoch with "epoch_" before them. */
static bool row_with_losses(Trainer *t, const CoupletMetric *row, int count, bool of_epoch) {
    enum { KEY_BYTES = 300 };
    const int named = t->program->loss_count;
    const CoupletStage *stage = stage_at_hand(t);
    CoupletMetric *all = malloc(sizeof *all * (size_t)(count + named + 1));
    char(*keys)[KEY_BYTES] = malloc(sizeof *keys * (size_t)(named + 1));
    if (all) memcpy(all, row, sizeof *all * (size_t)count);
    for (int i = 0; all && keys && i < named; i++) {
        const CoupletMean *m = &t->session->named[i];
        snprintf(keys[i], KEY_BYTES, "%s%s", of_epoch ? "epoch_" : "", t->program->losses[i].name);
        if (of_epoch ? m->count > 0 : !isnan(m->latest))
            all[count++] =
                (CoupletMetric){keys[i], of_epoch ? m->sum / (double)m->count : m->latest, NULL};
    }
    bool good = all && keys;
    if (!good) snprintf(t->error, t->error_bytes, "out of memory");
    if (good && stage) all[count++] = (CoupletMetric){"stage", 0, stage->name};
    good = good &&
           couplet_metrics_row(t->metrics, t->metrics_path, all, count, t->error, t->error_bytes);
    free(all);
    free(keys);
    return good;
}

static bool metrics_step(Trainer *t, float loss) {
    const CoupletMetric row[] = {
        {"step", (double)t->session->step, NULL},
        {"epoch", (double)(t->session->step - t->session->stage_first) / (double)t->per_epoch,
         NULL},
        {"loss", (double)loss, NULL}};
    return row_with_losses(t, row, 3, false);
}

static double deviation(const Trainer *t) {
    const CoupletBuffer *b = couplet_plan_output(t->phase->train, "embedding");
    const float *embedding = b ? couplet_run_output(t->run, "embedding") : NULL;
    if (!embedding) return NAN;
    int64_t views = b->rank == 3 ? b->shape[0] : 1;
    return couplet_embedding_deviation(embedding, views * b->shape[b->rank - 2],
                                       b->shape[b->rank - 1]);
}

static bool end_epoch(Trainer *t) {
    const CoupletSession *s = t->session;
    double mean = s->loss_count ? s->loss_sum / (double)s->loss_count : NAN, spread = deviation(t),
           rate = views_per_second(t);
    erase_line(t);
    char watch[48] = "";
    if (!isnan(spread)) snprintf(watch, sizeof watch, "embedding deviation %.3f   ", spread);
    char named[400];
    const CoupletStage *stage = stage_at_hand(t);
    const int64_t epochs = (s->step - s->stage_first) / t->per_epoch;
    if (stage) say(t, "%s: ", stage->name);
    say(t, "epoch %-3" PRId64 " loss %.4f%s   %s%.0f views/s\n", epochs, mean,
        named_losses(t, true, named, sizeof named), watch, rate);
    if (spread < collapsed && !t->warned) {
        say(t,
            "warning: the embedding has collapsed: its rows all but agree (deviation %.3f, 1 is "
            "spread out)\n",
            spread);
        t->warned = true;
    }
    start_clock(t);
    const CoupletMetric row[] = {{"step", (double)s->step, NULL},
                                 {"epochs", (double)epochs, NULL},
                                 {"epoch_loss", mean, NULL},
                                 {"embedding_deviation", spread, NULL},
                                 {"views_per_second", rate, NULL}};
    return row_with_losses(t, row, 5, true);
}

/* Writes a row for an evaluation, in percent, or for a number that is reported. `kind` is "percent"
 * or "value". */
static bool result_row(Trainer *t, CoupletSubject subject, const char *name, const char *kind,
                       double value) {
    const CoupletMetric row[] = {{"step", (double)t->session->step, NULL},
                                 {"of", 0, subject_name(t, subject)},
                                 {"evaluation", 0, name},
                                 {kind, value, NULL},
                                 {"data", 0, t->data_folder},
                                 {"hash", 0, t->data_hash},
                                 {"time", 0, t->time}};
    bool of_training = !*t->data_folder; /* whose record says where its data lies */
    return couplet_metrics_row(t->metrics, t->metrics_path, row, of_training ? 4 : 7, t->error,
                               t->error_bytes);
}

static bool show_results(Trainer *t, CoupletSubject subject) {
    for (int i = 0; i < t->program->eval_count; i++) {
        char name[EVAL_NAME_BYTES];
        double percent = t->percents[i];
        couplet_eval_name(t->program, i, t->sources.data, name, sizeof name);
        say(t, "%-16s %-14s %6.2f %%\n", subject_name(t, subject), name, percent);
        if (!result_row(t, subject, name, "percent", percent)) return false;
    }
    return was_heard(t);
}

static bool tell_of_measure(void *context, const CoupletAction *action, const char *name,
                            double value) {
    Trainer *t = context;
    (void)action;
    erase_line(t);
    say_number(t, subject_name(t, t->subject), name, value);
    return result_row(t, t->subject, name, "value", value);
}

static bool evaluates(const CoupletProgram *program) {
    return program->eval_count > 0 || program->measure_count > 0;
}

/* Nothing once a signal has come, nor of what it cuts short. */
static bool measure(Trainer *t, CoupletSubject subject) {
    const CoupletReports reports = {tell_of_measure, t};
    const bool reports_too = subject != COUPLET_RAW && t->program->measure_count > 0;
    if (!t->program->eval_count && !reports_too) return true;
    if (stopped(t)) return t->cut = true;
    t->subject = subject;
    if (t->terminal) say(t, "evaluating %s ...", subject_name(t, subject));
    bool good = couplet_measure(t->session, t->sources.data, subject, t->percents, t->error,
                                t->error_bytes);
    good = couplet_guard_whole(t->error, t->error_bytes) && good;
    erase_line(t);
    good = good && show_results(t, subject);
    good = good && (!reports_too || (couplet_measures_make(t->session, &t->sources, &reports,
                                                           t->error, t->error_bytes) &&
                                     was_heard(t)));
    t->cut = !good && ended_by_signal(t);
    return good || t->cut;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static bool train_steps(Trainer *t, int64_t last) {
    CoupletSession *s = t->session;
    start_clock(t);
    while (s->step < last && !stopped(t) && !t->output_fault) {
        float loss;
        if (!step(t, &loss)) {
            if (t->halted) break;
            t->torn = ended_by_signal(t);
            if (t->torn) break;
            /* a file that was cut short explains what went wrong */
            return couplet_guard_whole(t->error, t->error_bytes) && false;
        }
        if (!metrics_step(t, loss)) return false;
        progress_line(t, loss);
        const bool stage_ends =
            s->stage + 1 < clock_count(t) && s->step == t->clocks[s->stage + 1].first;
        bool epoch_ends = (s->step - s->stage_first) % t->per_epoch == 0;
        if (epoch_ends && !(couplet_guard_whole(t->error, t->error_bytes) && end_epoch(t)))
            return false;
        int64_t every = t->options->checkpoint_every;
        bool due = every ? s->step % every == 0 : epoch_ends || stage_ends;
        if (due && s->step < last && !save(t)) return false;
    }
    erase_line(t);
    return (t->torn || save(t)) && was_heard(t);
}

static bool open_clock(Trainer *t, Clock *clock) {
    const CoupletStage *stage = clock->stage;
    const int at = stage ? stage->train_source : t->program->train_source;
    const double epochs = stage ? stage->epochs : t->program->epochs;
    clock->per_epoch = couplet_sources_batches(&t->sources, stage);
    const double steps = floor(epochs * (double)clock->per_epoch + 1e-9);
    clock->steps = steps < 1 ? 1 : steps > COUPLET_MOST_STEPS ? COUPLET_MOST_STEPS : (int64_t)steps;
    if (clock->per_epoch > 0 && steps <= COUPLET_MOST_STEPS) return true;
    if (clock->per_epoch > 0)
        snprintf(t->error, t->error_bytes, "%.9g epochs are %.0f steps, and a run has at most %d",
                 epochs, steps, COUPLET_MOST_STEPS);
    else if (at < 0)
        snprintf(t->error, t->error_bytes,
                 "the method reads no data and does not say how many steps an epoch has");
    else
        snprintf(t->error, t->error_bytes,
                 "the batch of %lld is larger than the %lld samples of %s",
                 (long long)couplet_source_batch(&t->program->sources[at], stage),
                 (long long)t->sources.data[at].count, t->sources.data[at].name);
    return false;
}

/* Gathers what checkpoints are to say about the words of the data. */
static bool take_codes(Trainer *t) {
    if (couplet_sources_codes(&t->sources, t->session->codes, t->session->classes)) return true;
    snprintf(t->error, t->error_bytes, "out of memory for the codes of the data");
    return false;
}

static bool open_schedule(Trainer *t) {
    int64_t first = 0;
    t->clocks = calloc((size_t)clock_count(t), sizeof *t->clocks);
    if (!t->clocks) snprintf(t->error, t->error_bytes, "out of memory");
    for (int i = 0; t->clocks && i < clock_count(t); i++) {
        t->clocks[i].stage = t->program->stage_count ? &t->program->stages[i] : NULL;
        t->clocks[i].first = first;
        if (!open_clock(t, &t->clocks[i])) return false;
        first += t->clocks[i].steps;
        if (first <= COUPLET_MOST_STEPS) continue;
        snprintf(t->error, t->error_bytes,
                 "the stages have %lld steps and more, and a run has at most %d", (long long)first,
                 COUPLET_MOST_STEPS);
        return false;
    }
    return t->clocks != NULL;
}

/* An option that would do nothing is refused. */
static bool has_given(Trainer *t) {
    if (t->options->give_every == 0 || couplet_given(t->program, 0, NULL)) return true;
    snprintf(t->error, t->error_bytes,
             "--give-every writes what steps give by a name, and %s has no `give NAME = ..`",
             t->program->spec_path);
    t->refused = true;
    return false;
}

static bool open_all(Trainer *t) {
    bool goes_on = t->options->record != NULL;
    if (!has_given(t)) return false;
    if (!open_data(t) || !open_schedule(t) || !open_paths(t, couplet_metrics_name) ||
        !open_session(t))
        return false;
    const Clock *last = &t->clocks[clock_count(t) - 1];
    t->session->total_steps = last->first + last->steps;
    set_stage(t);
    if (!goes_on && !take_codes(t)) return false;
    if (!goes_on && t->options->start &&
        !couplet_session_start(t->session, t->options->start, say_line, t, t->error,
                               t->error_bytes)) {
        t->refused = true;
        return false;
    }
    if (!goes_on) return make_record(t);
    t->refused = !resume(t);
    return !t->refused && take_codes(t);
}

static bool is_whole(const Trainer *t) {
    return t->options->max_steps == 0 || t->options->max_steps >= t->session->total_steps;
}

static bool measure_start(Trainer *t) {
    return measure(t, COUPLET_RAW) && measure(t, COUPLET_BEFORE_TRAINING);
}

/* The method as it starts, of a run of so many steps; with --start, as it was kept then. */
static bool open_start(Trainer *t, uint64_t seed, int64_t total_steps) {
    couplet_session_free(t->session);
    CoupletLoaded loaded;
    t->session =
        couplet_session_new(t->program, t->device, t->threads, seed, t->error, t->error_bytes);
    const bool began =
        t->session && t->options->record && couplet_record_text(t->options->record, "start");
    if (began && !couplet_session_load(t->session, t->start, &loaded, t->error, t->error_bytes))
        return false;
    if (t->session) t->session->total_steps = total_steps;
    if (t->session && t->clocks) set_stage(t);
    return t->session != NULL;
}

/* A run that was stopped by --max-steps has not been measured at its start. Its rows are what a
 * whole run has: these come first. */
static bool measure_late(Trainer *t, char **rows) {
    size_t length;
    CoupletSession *trained = t->session;
    t->session = NULL;
    t->metrics = open_memstream(rows, &length);
    if (!t->metrics) snprintf(t->error, t->error_bytes, "out of memory");
    bool good =
        t->metrics && open_start(t, trained->seed, trained->total_steps) && measure_start(t);
    if (t->metrics) fclose(t->metrics);
    t->metrics = NULL;
    couplet_session_free(t->session);
    t->session = trained;
    return good;
}

static bool go_on_with_metrics(Trainer *t) {
    bool *complete = t->seen.complete;
    bool measured = complete[COUPLET_RAW] && complete[COUPLET_BEFORE_TRAINING];
    char *rows = NULL;
    complete[COUPLET_RAW] = complete[COUPLET_BEFORE_TRAINING] = measured;
    bool is_late = !measured && t->session->step > 0 && is_whole(t) && !stopped(t);
    if (!is_late || measure_late(t, &rows))
        t->metrics = couplet_metrics_go_on(t->metrics_path, rows ? rows : "", t->session->step,
                                           &t->seen, t->error, t->error_bytes);
    free(rows);
    return t->metrics != NULL;
}

/* All that is written before the first step. A new run is saved at once, so that it can be gone on
 * with from whatever step it ends at. */
static bool begin_writing(Trainer *t) {
    CoupletSession *s = t->session;
    set_stage(t);
    const int64_t done = s->step - s->stage_first, into = done % t->per_epoch;
    if (!enter_phase(t, couplet_program_phase(t->program, s->stage, done / t->per_epoch, done)) ||
        !write_settings(t))
        return false;
    if (t->options->record) {
        t->warned = t->seen.lowest_deviation < collapsed;
        say_resumed(t);
        if (!go_on_with_metrics(t)) return false;
    } else {
        t->metrics = couplet_metrics_begin(t->metrics_path, t->error, t->error_bytes);
        const bool begins =
            t->metrics &&
            (!t->options->start || couplet_session_save(s, t->start, t->error, t->error_bytes));
        if (!begins || !save(t)) return false;
    }
    /* In the middle of an epoch, its weights are those of the checkpoint. */
    return begin_sources(t) &&
           (into == 0 || couplet_sources_weigh(&t->sources, s->weights, done - into + t->per_epoch,
                                               t->error, t->error_bytes));
}

static void close_all(Trainer *t) {
    couplet_run_free(t->run);
    couplet_sources_close(&t->sources);
    couplet_session_free(t->session);
    couplet_device_free(t->own_device);
    couplet_threads_free(t->threads);
    couplet_record_free(&t->now);
    if (t->metrics) fclose(t->metrics);
    free(t->inputs);
    free(t->percents);
    free(t->clocks);
}

static void open_trainer(Trainer *t, const CoupletProgram *program,
                         const CoupletTrainOptions *options, char *error, size_t error_bytes) {
    memset(t, 0, sizeof *t);
    t->program = program;
    t->options = options;
    t->error = error;
    t->error_bytes = error_bytes;
    *error = 0;
    t->saved = -1;
    t->terminal = !options->quiet && isatty(fileno(options->out));
}

/* Says what the run is about to do: `simclr: 60000 samples, batch 256, 1170 steps, 207 MB for a
 * step, 2 threads, run folder ..`. Batches are those of the sources that the step draws from. The
 * source that sets the epoch comes first: `batch 256, 64 of few`. */
static void say_size(Trainer *t) {
    const int64_t steps = t->session->total_steps;
    const int threads = couplet_threads_count(t->threads);
    const int at = t->program->train_source;
    say(t, "%s: ", t->program->name);
    if (at >= 0) say(t, "%lld samples, ", (long long)t->sources.data[at].count);
    if (at >= 0 && !t->program->stage_count)
        say(t, "batch %lld, ", (long long)t->program->sources[at].batch);
    for (int i = 0; i < t->program->source_count && !t->program->stage_count; i++)
        if (i != at && t->program->sources[i].drawn)
            say(t, "%lld of %s, ", (long long)t->program->sources[i].batch,
                t->program->sources[i].name);
    for (int i = 0; i < t->program->stage_count; i++)
        say(t, "%s %" PRId64 " steps, ", t->program->stages[i].name, t->clocks[i].steps);
    say(t, "%" PRId64 " step%s, ", steps, steps == 1 ? "" : "s");
    say(t, "%.0f MB for a step, %d thread%s, run folder %s\n",
        (double)t->program->train->arena_bytes / 1e6, threads, threads == 1 ? "" : "s",
        t->options->folder->path);
}

/* The steps, and the evaluations around them that are not there yet. */
static bool train_whole(Trainer *t) {
    CoupletSession *s = t->session;
    const CoupletTrainOptions *o = t->options;
    bool start_is_measured = t->seen.complete[COUPLET_RAW];
    say_size(t);
    if (is_whole(t) && s->step == 0 && !start_is_measured && !measure_start(t)) return false;
    if (!train_steps(t, is_whole(t) ? s->total_steps : o->max_steps)) return false;
    if (s->step < s->total_steps)
        say(t, "stopped after step %" PRId64 " of %" PRId64 "; --resume goes on from here\n",
            s->step, s->total_steps);
    else if (!measure(t, COUPLET_AFTER_TRAINING))
        return false;
    else if (t->cut)
        say(t, "stopped before the evaluation was made; --resume makes it\n");
    return was_heard(t);
}

/* Without a sentence, a signal ended what comes ahead of the run, of which nothing is written
 * then. */
static CoupletRunEnd end_of(const Trainer *t, bool good, bool was_stopped) {
    if (!good && ended_by_signal(t)) return COUPLET_RUN_STOPPED;
    if (good) return was_stopped ? COUPLET_RUN_STOPPED : COUPLET_RUN_DONE;
    return t->refused ? COUPLET_RUN_REFUSED : COUPLET_RUN_FAILED;
}

CoupletRunEnd couplet_train(const CoupletProgram *program, const CoupletTrainOptions *options,
                            char *error, size_t error_bytes) {
    Trainer t;
    open_trainer(&t, program, options, error, error_bytes);
    bool good = open_all(&t);
    const CoupletSession *s = t.session;
    bool is_finished = good && options->record && s->step >= s->total_steps &&
                       t.seen.complete[COUPLET_AFTER_TRAINING];
    if (is_finished) {
        say(&t, "this run is finished: %" PRId64 " steps of %" PRId64 "%s; nothing is left to do\n",
            s->step, s->total_steps, evaluates(program) ? " and its evaluation" : "");
        good = was_heard(&t);
    } else
        good = good && begin_writing(&t) && train_whole(&t);
    bool was_stopped = good && !is_finished && stopped(&t);
    if (!good && ended_by_signal(&t))
        say(&t, "stopped before its first step; nothing is written\n");
    close_all(&t);
    return end_of(&t, good, was_stopped);
}

/* ---- evaluation of a run that was made ------------------------------------------------------- */

/* On what data, and when: each row of evaluations.jsonl says it. */
static void describe_data(Trainer *t) {
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

/* The trained states, the record, and the file for the results; a damaged checkpoint and other data
 * are said before minutes of work. */
static CoupletSession *open_trained(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    const CoupletLeave leave = {
        .change = o->data_was_named ? "data" : NULL, .only_data = true, .note = note, .context = t};
    CoupletLoaded loaded;
    CoupletSession *trained =
        couplet_session_new(t->program, t->device, t->threads, o->seed, t->error, t->error_bytes);
    bool good = trained &&
                couplet_session_load(trained, t->checkpoint, &loaded, t->error, t->error_bytes) &&
                make_record(t) &&
                couplet_record_agrees(o->record, &t->now, o->folder->path, &leave, t->error,
                                      t->error_bytes);
    t->refused = !good;
    if (good) {
        describe_data(t);
        say(t, "evaluating step %" PRId64 " of %s on the data in %s\n", trained->step,
            o->folder->path, t->data_folder);
        static const CoupletMetricsSeen all = {.complete = {true, true, true}};
        t->metrics = couplet_metrics_go_on(t->metrics_path, "", INT64_MAX - 1, &all, t->error,
                                           t->error_bytes);
    }
    if (good && t->metrics) return trained;
    couplet_session_free(trained);
    return NULL;
}

CoupletRunEnd couplet_evaluate(const CoupletProgram *program, const CoupletTrainOptions *options,
                               char *error, size_t error_bytes) {
    Trainer t;
    open_trainer(&t, program, options, error, error_bytes);
    CoupletSession *trained = NULL;
    bool good = open_data(&t) && (!program->stage_count || open_schedule(&t)) &&
                open_paths(&t, couplet_evaluations_name) && open_session(&t);
    if (good && !evaluates(program)) {
        snprintf(error, error_bytes, "%s has no `eval` block, so there is nothing to measure",
                 program->spec_path);
        good = false;
    }
    good = good && (trained = open_trained(&t)) &&
           open_start(&t, trained->seed, trained->total_steps) && measure_start(&t);
    if (good) {
        couplet_session_free(t.session);
        t.session = trained;
        trained = NULL;
        if (t.clocks) set_stage(&t);
        good = measure(&t, COUPLET_AFTER_TRAINING);
    }
    if (good && !stopped(&t)) say(&t, "kept in %s\n", t.metrics_path);
    good = good && was_heard(&t);
    bool was_stopped = good && stopped(&t);
    couplet_session_free(trained);
    close_all(&t);
    return end_of(&t, good, was_stopped);
}
