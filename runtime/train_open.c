/* Prepares a run for its first step: opens data, session and schedule, makes the record or compares
 * it with the earlier one, and makes the folder or resumes in it. */
#include "runtime/trainer.h"

#include "runtime/classes.h"
#include "runtime/data/copies.h"
#include "runtime/data/kept.h"
#include "runtime/epoch.h"
#include "runtime/files.h"
#include "runtime/given.h"
#include "runtime/numbers.h"
#include "runtime/ranks.h"
#include "runtime/start.h"
#include "runtime/terminal.h"
#include "runtime/weights.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_whole(const Trainer *t) {
    return t->options->max_steps == 0 || t->options->max_steps >= t->session->total_steps;
}

/* Opens the sources. The checkpoint of a resumed run tells the names of its classes. A checkpoint
 * that cannot be read is refused later, where its arrays are taken. */
static bool open_sources(Trainer *t) {
    char path[COUPLET_PATH_BYTES];
    char why[COUPLET_PATH_BYTES + 256];
    CoupletPlaces places = t->options->places;
    CoupletMapped kept = {.length = 0};
    if (t->options->record &&
        couplet_path_join(t->options->folder->path,
                          t->options->checkpoint ? t->options->checkpoint : couplet_checkpoint_name,
                          path, why, sizeof why) &&
        couplet_mapped_open(path, &kept, why, sizeof why))
        places.kept = &kept.file;
    const bool good = couplet_sources_open(t->program, &places, &t->options->loading, NULL,
                                           &t->sources, t->error, t->error_bytes);
    couplet_mapped_close(&kept);
    return good;
}

/* Reports how classes are numbered where the data numbers them otherwise than the training did. */
static void say_classes(Trainer *t) {
    for (int i = 0; i < t->program->source_count; i++) {
        const CoupletTable *table = &t->sources.data[i];
        for (int f = 0; f < table->field_count; f++) {
            const char *stranger = couplet_kept_stranger(table, f);
            if (stranger)
                couplet_trainer_say(t, "note: %s: %s; they are numbered anew\n", table->name,
                                    stranger);
            if (couplet_kept_is_renumbered(table, f))
                couplet_trainer_say(
                    t,
                    "note: %s: the classes of `%s` have the numbers that their names had in "
                    "training\n",
                    table->name, table->fields[f].name);
        }
    }
}

/* Takes over the sources in the options, or opens them. */
static bool take_sources(Trainer *t) {
    if (!t->options->sources) return open_sources(t);
    t->sources = *t->options->sources;
    *t->options->sources = (CoupletSources){0};
    for (int i = 0; i < t->program->source_count; i++)
        assert(strcmp(t->sources.program->sources[i].name, t->program->sources[i].name) == 0);
    t->sources.program = t->program;
    return true;
}

static void warn_of_last_channels(Trainer *t, const CoupletTable *table) {
    char text[128];
    for (int f = 0; f < table->field_count; f++) {
        const CoupletField *field = &table->fields[f];
        if (field->type != COUPLET_U8 || !couplet_field_ends_in_channels(field)) continue;
        couplet_trainer_say(
            t,
            "%s: warning: `%s` is %s, and pictures have their channels first, [%lld, .., ..]: "
            "numpy.moveaxis(a, -1, -3) puts them there; a claim of the field says that it is "
            "meant so\n",
            table->name, field->name, couplet_field_text(field, text, sizeof text),
            (long long)field->shape[field->rank - 1]);
    }
}

/* True if an earlier source is of the same file, about which the user has been told. */
static bool is_told(const Trainer *t, int source) {
    const CoupletTable *data = t->sources.data;
    for (int other = 0; other < source; other++)
        if (strcmp(data[other].path, data[source].path) == 0) return true;
    return false;
}

static void warn_of_values(Trainer *t) {
    for (int i = 0; i < t->program->source_count; i++) {
        const CoupletTable *table = &t->sources.data[i];
        if (*table->note && !is_told(t, i))
            couplet_trainer_say(t, "%s: warning: %s\n", table->name, table->note);
    }
}

/* Warns of fields with unexpected shapes. If the spec claims the fields, their shapes are intended.
 * Of several sources of one file, the first is warned of. */
static void warn_of_shapes(Trainer *t) {
    for (int i = 0; i < t->program->source_count; i++)
        if (t->program->sources[i].claim_count == 0 && !is_told(t, i))
            warn_of_last_channels(t, &t->sources.data[i]);
}

static void warn_of_one_class(Trainer *t) {
    for (int i = 0; i < t->program->eval_count; i++) {
        const CoupletEval *e = &t->program->evals[i];
        if (!couplet_evaluation_has_one_class(e, t->sources.data)) continue;
        couplet_trainer_say(
            t,
            "%s: warning: all samples of `%s` have one `%s`, so this evaluation tells no classes "
            "apart\n",
            e->place, t->program->sources[e->bank].name, e->labels);
    }
}

static void warn_of_strangers(Trainer *t, const CoupletEval *e) {
    char name[200];
    const int64_t count = couplet_evaluation_strangers(e, t->sources.data, name, sizeof name);
    if (count == 0) return;
    couplet_trainer_say(t,
                        "%s: warning: %lld of the %lld samples of `%s` have a `%s` that no sample "
                        "of `%s` has, such as `%s`: they count as told wrongly\n",
                        e->place, (long long)count, (long long)t->sources.data[e->query].count,
                        t->program->sources[e->query].name, e->labels,
                        t->program->sources[e->bank].name, name);
}

static bool of_same_labels(const CoupletEval *a, const CoupletEval *b) {
    return a->bank == b->bank && a->query == b->query && strcmp(a->labels, b->labels) == 0;
}

/* Warns of classes that cannot be predicted, once for all evaluations of the same labels of the
 * same sources. */
static void warn_of_classes(Trainer *t) {
    const CoupletEval *told = NULL;
    warn_of_one_class(t);
    for (int i = 0; i < t->program->eval_count; i++) {
        const CoupletEval *e = &t->program->evals[i];
        if (!couplet_eval_learns(e) || couplet_evaluation_has_one_class(e, t->sources.data) ||
            (told && of_same_labels(told, e)))
            continue;
        warn_of_strangers(t, e);
        told = e;
    }
}

bool couplet_trainer_open_data(Trainer *t) {
    t->results = calloc((size_t)t->program->eval_count + 1, sizeof *t->results);
    if (!t->results) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    if (!take_sources(t)) return false;
    say_classes(t);
    if (!couplet_trainer_name_measures(t)) return false;
    if (!couplet_evaluations_fit(t->program, t->sources.data, t->error, t->error_bytes))
        return false;
    warn_of_shapes(t);
    warn_of_values(t);
    warn_of_classes(t);
    return true;
}

bool couplet_trainer_open_session(Trainer *t) {
    const int threads = couplet_threads_for(t->group, t->options->threads);
    t->threads = couplet_threads_new(threads);
    if (!t->threads) {
        snprintf(t->error, t->error_bytes, "%d threads cannot be started", threads);
        return false;
    }
    couplet_threads_heed(t->threads, t->options->stop);
    t->device = t->options->device ? t->options->device
                                   : (t->own_device = couplet_host_device_new(t->threads));
    if (!t->device) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    t->device->group = t->group;
    t->device->any_order = t->options->unordered;
    t->session = couplet_session_new(t->program, t->device, t->threads, t->options->seed, t->error,
                                     t->error_bytes);
    return t->session != NULL;
}

bool couplet_trainer_open_paths(Trainer *t, const char *metrics_name) {
    const char *folder = t->options->folder->path;
    const char *checkpoint = t->options->checkpoint;
    return couplet_path_join(folder, checkpoint ? checkpoint : couplet_checkpoint_name,
                             t->checkpoint, t->error, t->error_bytes) &&
           couplet_path_join(folder, metrics_name, t->metrics_path, t->error, t->error_bytes) &&
           couplet_path_join(folder, couplet_start_name, t->start, t->error, t->error_bytes) &&
           couplet_path_join(folder, couplet_best_name, t->best, t->error, t->error_bytes);
}

bool couplet_trainer_make_record(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    const char *start = o->record ? couplet_record_text(o->record, "start") : o->start;
    const CoupletRecorded from = {.program = t->program,
                                  .session = t->session,
                                  .sources = &t->sources,
                                  .device = t->device->name,
                                  .threads = o->threads,
                                  .checkpoint_every = o->checkpoint_every,
                                  .start = start,
                                  .keep = o->keep,
                                  .best = o->best,
                                  .stop_early = o->stop_early,
                                  .tensorboard = o->tensorboard,
                                  .unordered = o->unordered,
                                  .start_hashes = t->start_hashes,
                                  .was = o->record,
                                  .skip_bad = o->loading.skip_bad};
    return couplet_record_make(&from, &t->now, t->error, t->error_bytes);
}

/* Finds out which evaluations the log has, up to the step of the checkpoint. */
static bool survey(Trainer *t) {
    const CoupletMoment moment = couplet_trainer_moment(t);
    bool *due = calloc((size_t)t->name_count + 1, sizeof *due);
    const bool is_last = t->session->step >= t->session->total_steps;
    if (!due) snprintf(t->error, t->error_bytes, "out of memory");
    for (int i = 0; due && i < t->name_count; i++)
        due[i] = !is_last && couplet_trainer_is_due(t, i, &moment);
    const CoupletMetricsNames wanted = {t->names, due, t->program->eval_count, t->name_count};
    const bool good = due && couplet_metrics_survey(t->metrics_path, t->session->step, &wanted,
                                                    &t->seen, t->error, t->error_bytes);
    free(due);
    return good;
}

/* Compares the settings with the record, and then loads the checkpoint and surveys the log. */
static bool resume(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    const CoupletLeave leave = {.change = o->change, .note = couplet_trainer_note, .context = t};
    int64_t steps = t->session->total_steps;
    uint64_t seed = t->session->seed;
    uint64_t recorded;
    /* The settings are compared first. Of a checkpoint with another batch, loading could only say
     * that it is of another method. */
    if (!couplet_trainer_make_record(t) ||
        !couplet_record_agrees(o->record, &t->now, o->folder->path, &leave, t->error,
                               t->error_bytes))
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
    return !t->writes || (survey(t) && couplet_trainer_hear_log(t));
}

static bool write_spec(Trainer *t) {
    const CoupletProgram *p = t->program;
    char path[COUPLET_PATH_BYTES];
    char below[COUPLET_PATH_BYTES];
    for (int i = 0; i < p->file_count; i++) {
        const char *name = p->files[i].name;
        const char *slash = strrchr(name, '/');
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

/* Writes the record first. From then on the folder holds a run. */
static bool write_settings(Trainer *t) {
    if (!t->writes) return true;
    return couplet_record_write(&t->now, t->options->folder->path, t->error, t->error_bytes) &&
           write_spec(t);
}

/* Computes the steps of a stage and of its epochs. Returns false with a sentence. */
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

/* Takes the codes of the data's words and the names of its classes, which checkpoints keep. */
static bool take_codes(Trainer *t) {
    if (couplet_sources_codes(&t->sources, t->session->codes, t->session->classes)) return true;
    snprintf(t->error, t->error_bytes, "out of memory for the codes of the data");
    return false;
}

bool couplet_trainer_open_schedule(Trainer *t) {
    int64_t first = 0;
    t->clocks = calloc((size_t)couplet_trainer_stages(t), sizeof *t->clocks);
    if (!t->clocks) snprintf(t->error, t->error_bytes, "out of memory");
    for (int i = 0; t->clocks && i < couplet_trainer_stages(t); i++) {
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

/* True if --give-every has something to write. If not, the option is refused. */
static bool has_given(Trainer *t) {
    if (t->options->give_every == 0 || couplet_given(t->program, 0, NULL)) return true;
    snprintf(t->error, t->error_bytes,
             "--give-every writes what steps give by a name, and %s has no `give NAME = ..`",
             t->program->spec_path);
    t->refused = true;
    return false;
}

/* Begins a new run with the files that the spec names, and then with --start. */
static bool begin_with(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    t->start_hashes = calloc((size_t)t->program->start_count + 1, sizeof *t->start_hashes);
    if (!t->start_hashes) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    const bool good =
        couplet_weights_take(t->session, &o->places, t->start_hashes, couplet_trainer_say_line, t,
                             t->error, t->error_bytes) &&
        (!o->start || couplet_session_start(t->session, o->start, couplet_trainer_say_line, t,
                                            t->error, t->error_bytes));
    t->refused = !good;
    return good;
}

static bool is_compared_before(const CoupletProgram *p, int number) {
    const CoupletCompared *one = &p->compared[number];
    for (int i = 0; i < number; i++)
        if (p->compared[i].source == one->source && strcmp(p->compared[i].field, one->field) == 0)
            return true;
    return false;
}

/* Warns of a field that a loss compares and that has one value. The compiler warns of data that it
 * sees, but a program that was built is trained on data that its compiler has not seen. */
static void warn_of_one_label(Trainer *t) {
    const CoupletProgram *p = t->program;
    for (int i = 0; i < p->compared_count; i++) {
        const CoupletCompared *c = &p->compared[i];
        if ((t->options->sources && c->is_said) || is_compared_before(p, i) ||
            !couplet_classes_is_one(&t->sources.data[c->source], c->field))
            continue;
        couplet_trainer_say(t,
                            "%s: warning[W705]: all samples of `%s` have one `%s`, so comparing it "
                            "tells no two of them apart\n",
                            c->place, p->sources[c->source].name, c->field);
    }
}

bool couplet_trainer_open_all(Trainer *t) {
    bool goes_on = t->options->record != NULL;
    if (!has_given(t)) return false;
    if (!couplet_trainer_open_data(t) || !couplet_trainer_open_schedule(t) ||
        !couplet_trainer_compare_ranks(t, "train") ||
        !couplet_trainer_open_paths(t, couplet_metrics_name) || !couplet_trainer_open_session(t))
        return false;
    if (!goes_on) warn_of_one_label(t);
    const Clock *last = &t->clocks[couplet_trainer_stages(t) - 1];
    t->session->total_steps = last->first + last->steps;
    couplet_trainer_set_stage(t);
    if (!couplet_trainer_open_watch(t)) return false;
    if (!goes_on && !take_codes(t)) return false;
    if (!goes_on)
        return begin_with(t) && couplet_trainer_compare_states(t) && couplet_trainer_make_record(t);
    t->refused = !resume(t);
    return !t->refused && take_codes(t) && couplet_trainer_compare_states(t) &&
           couplet_trainer_take_from_first(t, &t->seen, sizeof t->seen) &&
           couplet_trainer_take_log(t);
}

/* Sets the states to the method's start, for a run of a given length. If the run began with a file,
 * the states are those that were kept then. */
bool couplet_trainer_open_start(Trainer *t, uint64_t seed, int64_t total_steps) {
    couplet_session_free(t->session);
    CoupletLoaded loaded;
    t->session =
        couplet_session_new(t->program, t->device, t->threads, seed, t->error, t->error_bytes);
    const bool began = t->session && t->options->record && couplet_record_began(t->options->record);
    if (began && !couplet_session_load(t->session, t->start, &loaded, t->error, t->error_bytes))
        return false;
    if (t->session) t->session->total_steps = total_steps;
    if (t->session && t->clocks) couplet_trainer_set_stage(t);
    return t->session != NULL;
}

static bool go_on_with_metrics(Trainer *t) {
    bool *complete = t->seen.complete;
    bool measured = complete[COUPLET_RAW] && complete[COUPLET_BEFORE_TRAINING];
    char *rows = NULL;
    complete[COUPLET_RAW] = complete[COUPLET_BEFORE_TRAINING] = measured;
    bool is_late = !measured && t->session->step > 0 && is_whole(t) && !couplet_trainer_stopped(t);
    t->measured_late = is_late;
    if (is_late && !couplet_trainer_measure_late(t, &rows))
        t->metrics = NULL;
    else if (!t->writes)
        t->metrics = couplet_trainer_no_log(t);
    else
        t->metrics = couplet_metrics_go_on(t->metrics_path, rows ? rows : "", t->session->step,
                                           &t->seen, t->error, t->error_bytes);
    free(rows);
    return t->metrics != NULL;
}

static bool begin_files(Trainer *t) {
    if (!t->writes) return (t->metrics = couplet_trainer_no_log(t)) != NULL;
    t->metrics = couplet_metrics_begin(t->metrics_path, t->error, t->error_bytes);
    return t->metrics && (!couplet_record_began(&t->now) ||
                          couplet_session_save(t->session, t->start, t->error, t->error_bytes));
}

/* Writes what comes before the first step. A new run is saved at once, so that it can be resumed
 * from any step at which it ends. */
bool couplet_trainer_begin(Trainer *t) {
    CoupletSession *s = t->session;
    couplet_trainer_set_stage(t);
    const int64_t done = s->step - s->stage_first;
    const int64_t into = done % t->per_epoch;
    if (!couplet_trainer_enter_phase(
            t, couplet_program_phase(t->program, s->stage, done / t->per_epoch, done)) ||
        !write_settings(t))
        return false;
    if (t->options->record) {
        t->warned = t->seen.lowest_deviation < COUPLET_COLLAPSED;
        couplet_trainer_say_resumed(t);
        if (!go_on_with_metrics(t)) return false;
    } else {
        if (!begin_files(t) || !couplet_trainer_save(t)) return false;
    }
    if (!couplet_trainer_open_logs(t) || !couplet_trainer_keep_last(t) ||
        !couplet_trainer_keep_best(t))
        return false;
    /* In the middle of an epoch, the weights are those of the checkpoint. */
    return couplet_trainer_begin_sources(t) &&
           (into == 0 || couplet_sources_weigh(&t->sources, s->weights, done - into + t->per_epoch,
                                               t->error, t->error_bytes));
}

void couplet_trainer_close(Trainer *t) {
    couplet_run_free(t->run);
    couplet_sources_close(&t->sources);
    couplet_session_free(t->session);
    couplet_device_free(t->own_device);
    couplet_threads_free(t->threads);
    couplet_record_free(&t->now);
    if (t->metrics) fclose(t->metrics);
    free(t->inputs);
    couplet_results_free(t->results, t->program->eval_count);
    free(t->names);
    for (int i = 0; t->eval_names && i < t->program->eval_count; i++)
        free(t->eval_names[i]);
    free(t->eval_names);
    free(t->clocks);
    free(t->start_hashes);
}

void couplet_trainer_init(Trainer *t, const CoupletProgram *program,
                          const CoupletTrainOptions *options, char *error, size_t error_bytes) {
    memset(t, 0, sizeof *t);
    t->program = program;
    t->options = options;
    t->error = error;
    t->error_bytes = error_bytes;
    *error = 0;
    t->saved = -1;
    couplet_trainer_take_ranks(t);
    t->terminal = !t->options->quiet && couplet_terminal_is(options->out);
    t->colours = t->terminal && couplet_terminal_has_colours(options->out);
}
