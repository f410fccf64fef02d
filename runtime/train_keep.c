/* Writes the checkpoints of a run: the last one, for --resume; those before it, for --keep; and the
 * best one, for --best. Also ends a run by --stop-early.
 *
 * What is best, and for how long nothing was better, is taken from the rows of the log, including
 * those of a resumed run. So the log and the checkpoint tell everything, whenever a run was killed.
 * A kept checkpoint is another name of the same file, since each checkpoint is a new file. */
#include "runtime/trainer.h"

#include "runtime/data/copies.h"
#include "runtime/data/mapping_guard.h"
#include "runtime/epoch.h"
#include "runtime/files.h"

#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool write_checkpoint(Trainer *t) {
    return !t->writes || couplet_session_save(t->session, t->checkpoint, t->error, t->error_bytes);
}

/* Saves a checkpoint, unless a data file has changed meanwhile, or the ranks do not agree. */
bool couplet_trainer_save(Trainer *t) {
    if (t->rehearses) return true;
    if (!couplet_guard_whole(t->error, t->error_bytes) || !couplet_trainer_compare_states(t) ||
        !write_checkpoint(t))
        return false;
    t->saved = t->session->step;
    return true;
}

bool couplet_trainer_checkpoint_is_due(const Trainer *t) {
    const CoupletMoment m = couplet_trainer_moment(t);
    const int64_t every = t->options->checkpoint_every;
    const int64_t step = t->session->step;
    if (step == t->session->total_steps) return true;
    if (every) return step % every == 0;
    for (int i = 1; i < couplet_trainer_stages(t); i++)
        if (step == t->clocks[i].first) return true;
    return m.made > 0 && m.made % m.per_epoch == 0;
}

/* ---- files of the run ------------------------------------------------------------------------ */

/* True if the file is a checkpoint of this run and, unless `step` is negative, of this step. */
static bool is_own(const Trainer *t, const char *path, int64_t step) {
    char ignored[COUPLET_PATH_BYTES + 256];
    char method[24];
    char seed[24];
    char number[24];
    CoupletMapped mapped;
    if (!couplet_mapped_open(path, &mapped, ignored, sizeof ignored)) return false;
    const char *format = couplet_tensors_metadata(&mapped.file, "format");
    const char *of = couplet_tensors_metadata(&mapped.file, "method");
    const char *with = couplet_tensors_metadata(&mapped.file, "seed");
    const char *at = couplet_tensors_metadata(&mapped.file, "step");
    snprintf(method, sizeof method, "%016" PRIx64, t->program->method_hash);
    snprintf(seed, sizeof seed, "%" PRIu64, t->session->seed);
    snprintf(number, sizeof number, "%" PRId64, step);
    const bool own = format && strncmp(format, "couplet checkpoint", 18) == 0 && of &&
                     strcmp(of, method) == 0 && with && strcmp(with, seed) == 0 && at &&
                     (step < 0 || strcmp(at, number) == 0);
    couplet_mapped_close(&mapped);
    return own;
}

/* Gives the last checkpoint another name, which an earlier checkpoint of this run may have. */
static bool name_also(Trainer *t, const char *path) {
    if (access(path, F_OK) == 0 && !is_own(t, path, -1)) {
        snprintf(t->error, t->error_bytes,
                 "%s: this is no checkpoint of the run, and one would replace it; move it away",
                 path);
        return false;
    }
    return couplet_file_name_also(t->checkpoint, path, t->error, t->error_bytes);
}

/* ---- the last ones --------------------------------------------------------------------------- */

static int compare_steps(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static bool kept_path(Trainer *t, int64_t step, char *out) {
    char name[64];
    snprintf(name, sizeof name, COUPLET_KEPT_BEGIN "%" PRId64 COUPLET_KEPT_END, step);
    return couplet_path_join(t->options->folder->path, name, out, t->error, t->error_bytes);
}

/* Returns the steps of the kept checkpoints in the folder, in order. The caller frees them. */
static int64_t *kept_steps(const Trainer *t, int *count) {
    DIR *folder = opendir(t->options->folder->path);
    int64_t *steps = NULL;
    int64_t step;
    *count = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!couplet_folder_is_kept(entry->d_name, &step)) continue;
        int64_t *more = realloc(steps, (size_t)(*count + 1) * sizeof *more);
        if (!more) break;
        steps = more;
        steps[(*count)++] = step;
    }
    if (folder) closedir(folder);
    if (steps) qsort(steps, (size_t)*count, sizeof *steps, compare_steps);
    return steps;
}

/* Keeps the checkpoint that was just written. Removes the oldest kept checkpoints beyond the number
 * of --keep. */
bool couplet_trainer_keep_last(Trainer *t) {
    char path[COUPLET_PATH_BYTES];
    int count;
    if (t->options->keep == 0 || t->rehearses || !t->writes || t->saved != t->session->step ||
        t->saved == 0 || !couplet_trainer_checkpoint_is_due(t))
        return true;
    if (!kept_path(t, t->saved, path) || !name_also(t, path)) return false;
    int64_t *steps = kept_steps(t, &count);
    bool good = true;
    for (int i = 0; good && i < count - t->options->keep; i++) {
        good = kept_path(t, steps[i], path);
        if (good && is_own(t, path, steps[i])) unlink(path);
    }
    free(steps);
    return good;
}

/* ---- the best one ---------------------------------------------------------------------------- */

static bool refuse_watch(Trainer *t, const char *sentence) {
    snprintf(t->error, t->error_bytes, "--best %s: %s", t->watch.asked, sentence);
    t->refused = true;
    return false;
}

static bool is_named_loss(const Trainer *t, const char *name) {
    for (int i = 0; i < t->program->loss_count; i++)
        if (strcmp(t->program->losses[i].name, name) == 0) return true;
    return false;
}

/* Returns the number of the evaluation or report that a word means: its name in tables, or the
 * evaluation's word in the spec, such as `knn`, if there is one such evaluation. -1: none; -2:
 * several. */
static int find_measured(const Trainer *t, const char *word) {
    int found = -1;
    for (int i = 0; i < t->name_count; i++)
        if (strcmp(t->names[i], word) == 0) return i;
    for (int i = 0; i < t->program->eval_count; i++) {
        if (strcmp(t->program->evals[i].method, word) != 0) continue;
        found = found == -1 ? i : -2;
    }
    return found;
}

/* True if the evaluation or report is measured during the training. */
static bool is_watched(const Trainer *t, int number) {
    const CoupletAction *by;
    if (number < t->program->eval_count) return t->program->evals[number].every > 0;
    couplet_measures_name(t->program, number - t->program->eval_count, &by);
    return by->every > 0;
}

/* Watches a loss, if there is one of this name. */
static bool watch_loss(Trainer *t, const char *name) {
    Watch *w = &t->watch;
    const bool is_sum = strcmp(name, "loss") == 0;
    if (!is_sum && !is_named_loss(t, name)) return false;
    snprintf(w->key, sizeof w->key, "epoch_%s", name);
    w->said = is_sum ? "the loss" : t->watch.name;
    if (!w->has_direction) w->is_lowest = true;
    return true;
}

/* Reports the evaluations that a word may mean, of which the user must choose one. */
static bool refuse_several(Trainer *t, const char *word) {
    char sentence[600];
    size_t at = (size_t)snprintf(sentence, sizeof sentence, "the log has several of these:");
    for (int i = 0; i < t->program->eval_count && at < sizeof sentence; i++)
        if (strcmp(t->program->evals[i].method, word) == 0)
            at += (size_t)snprintf(sentence + at, sizeof sentence - at, " \"%s\"", t->names[i]);
    return refuse_watch(t, sentence);
}

/* Watches an evaluation or a report. Returns false with a sentence if none can be watched by this
 * name. */
static bool watch_measure(Trainer *t, const char *name) {
    Watch *w = &t->watch;
    char sentence[400];
    const int number = find_measured(t, name);
    if (number == -1)
        return refuse_watch(t, "the method measures nothing by this name; `loss` is the mean of an "
                               "epoch, and what `eval` measures goes by its name");
    if (number == -2) return refuse_several(t, name);
    if (!is_watched(t, number)) {
        snprintf(sentence, sizeof sentence,
                 "%.200s is measured around the training alone; `eval every epoch { .. }` measures "
                 "in it",
                 t->names[number]);
        return refuse_watch(t, sentence);
    }
    if (number >= t->program->eval_count && !w->has_direction)
        return refuse_watch(t, "whether the least or the largest of a report is the best is said "
                               "behind its name: `=min` or `=max`");
    if (!w->has_direction) w->is_lowest = couplet_eval_is_cost(&t->program->evals[number]);
    w->evaluation = w->said = t->names[number];
    return true;
}

bool couplet_trainer_open_watch(Trainer *t) {
    const CoupletTrainOptions *o = t->options;
    Watch *w = &t->watch;
    if (!o->best && !o->stop_early) return true;
    w->asked = o->best ? o->best : "loss";
    w->on = true;
    if (strlen(w->asked) >= sizeof w->name)
        return refuse_watch(t, "the name is longer than 199 bytes");
    strcpy(w->name, w->asked);
    char *direction = strrchr(w->name, '=');
    if (direction && (strcmp(direction, "=min") == 0 || strcmp(direction, "=max") == 0)) {
        w->has_direction = true;
        w->is_lowest = strcmp(direction, "=min") == 0;
        *direction = 0;
    }
    if (o->stop_early && t->program->stage_count) {
        snprintf(t->error, t->error_bytes,
                 "--stop-early: the stages of the method end with their own `epochs`, and one that "
                 "ended early would begin the next one sooner than the spec says; --best keeps the "
                 "best checkpoint of them all");
        t->refused = true;
        return false;
    }
    return watch_loss(t, w->name) || watch_measure(t, w->name);
}

/* Returns a value as the log has it, so that a resumed run decides equally. */
static double as_logged(double value) {
    char text[40];
    snprintf(text, sizeof text, "%.9g", value);
    return strtod(text, NULL);
}

void couplet_trainer_watch_row(Trainer *t, const CoupletMetric *row, int count) {
    Watch *w = &t->watch;
    const CoupletMetric *found = NULL;
    const CoupletMetric *step = couplet_metrics_find(row, count, "step");
    if (!w->on || !step) return;
    if (w->evaluation) {
        const CoupletMetric *of = couplet_metrics_find(row, count, "of");
        const CoupletMetric *name = couplet_metrics_find(row, count, "evaluation");
        const int subject = of && of->text ? (int)couplet_subject_of(of->text) : COUPLET_SUBJECTS;
        if ((subject != COUPLET_IN_TRAINING && subject != COUPLET_AFTER_TRAINING) || !name ||
            !name->text || strcmp(name->text, w->evaluation) != 0)
            return;
        found = couplet_metrics_find(row, count, "percent");
        if (!found) found = couplet_metrics_find(row, count, "value");
    } else
        found = couplet_metrics_find(row, count, w->key);
    if (!found || found->text || !isfinite(found->value)) return;
    const double value = as_logged(found->value);
    const bool better = w->best_step == 0 || (w->is_lowest ? value < w->best : value > w->best);
    w->since = better ? 0 : w->since + 1;
    if (!better) return;
    w->best = value;
    w->best_step = (int64_t)step->value;
    w->is_new = true;
}

/* Takes a row of the log, if the resumed run keeps it. */
static bool hear_row(void *context, const CoupletMetric *row, int count) {
    Trainer *t = context;
    const CoupletMetric *step = couplet_metrics_find(row, count, "step");
    const CoupletMetric *of = couplet_metrics_find(row, count, "of");
    const double last = (double)t->session->step;
    if (!step || step->value > last) return true;
    const int subject = of && of->text ? (int)couplet_subject_of(of->text) : COUPLET_SUBJECTS;
    const bool is_dropped =
        step->value == last && subject < COUPLET_SUBJECTS && !t->seen.complete[subject];
    if (!is_dropped) couplet_trainer_watch_row(t, row, count);
    return true;
}

bool couplet_trainer_hear_log(Trainer *t) {
    if (!t->watch.on) return true;
    const bool good = couplet_metrics_each(t->metrics_path, hear_row, t, t->error, t->error_bytes);
    /* The run may have been killed after it wrote the row and before it kept the checkpoint. */
    t->watch.is_new =
        t->watch.best_step == t->session->step && !is_own(t, t->best, t->watch.best_step);
    return good;
}

bool couplet_trainer_take_log(Trainer *t) {
    Watch *w = &t->watch;
    return couplet_trainer_take_from_first(t, &w->best, sizeof w->best) &&
           couplet_trainer_take_from_first(t, &w->best_step, sizeof w->best_step) &&
           couplet_trainer_take_from_first(t, &w->since, sizeof w->since) &&
           couplet_trainer_take_from_first(t, &w->is_new, sizeof w->is_new);
}

bool couplet_trainer_keep_best(Trainer *t) {
    Watch *w = &t->watch;
    if (!w->is_new || !t->options->best || t->rehearses) return true;
    w->is_new = false;
    if (w->best_step != t->session->step) return true;
    return (t->saved == t->session->step || couplet_trainer_save(t)) &&
           (!t->writes || name_also(t, t->best));
}

bool couplet_trainer_ends_early(const Trainer *t) {
    return t->options->stop_early > 0 && t->watch.since >= t->options->stop_early;
}

void couplet_trainer_say_early(Trainer *t) {
    const Watch *w = &t->watch;
    couplet_trainer_say(t,
                        "stopped early after step %" PRId64 " of %" PRId64 ": for %" PRId64
                        " times %s was not better than %.6g at step %" PRId64 "\n",
                        t->session->step, t->session->total_steps, w->since, w->said, w->best,
                        w->best_step);
}

void couplet_trainer_say_best(Trainer *t) {
    const Watch *w = &t->watch;
    if (!t->options->best || w->best_step == 0) return;
    couplet_trainer_say(t, "the best by %s, %.6g at step %" PRId64 ", is kept in %s\n", w->said,
                        w->best, w->best_step, t->best);
}
