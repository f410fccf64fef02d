/* Evaluates while a run trains. The evaluations and reports of `eval` are measured, printed, and
 * logged as rows. */
#include "runtime/trainer.h"

#include "runtime/data/mapping_guard.h"
#include "runtime/epoch.h"

#include <inttypes.h>
#include <stdlib.h>

const char *couplet_trainer_subject_name(const Trainer *t, CoupletSubject subject) {
    return couplet_subject_name(t->program, subject);
}

bool couplet_trainer_name_measures(Trainer *t) {
    const int evals = t->program->eval_count;
    const int reports = couplet_measures_count(t->program);
    t->eval_names = calloc((size_t)evals + 1, sizeof *t->eval_names);
    t->names = calloc((size_t)(evals + reports) + 1, sizeof *t->names);
    if (!t->eval_names || !t->names) {
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    for (int i = 0; i < evals; i++) {
        t->names[i] = t->eval_names[i] = couplet_eval_name(t->program, i, t->sources.data);
        if (t->names[i]) continue;
        snprintf(t->error, t->error_bytes, "out of memory");
        return false;
    }
    for (int i = 0; i < reports; i++)
        t->names[evals + i] = couplet_measures_name(t->program, i, NULL);
    t->name_count = evals + reports;
    return true;
}

bool couplet_trainer_is_due(const Trainer *t, int number, const CoupletMoment *moment) {
    const CoupletAction *by;
    if (number < t->program->eval_count)
        return couplet_eval_is_due(&t->program->evals[number], moment);
    couplet_measures_name(t->program, number - t->program->eval_count, &by);
    return couplet_measure_is_due(by, moment);
}

/* Returns the clock of the last step. */
static int last_clock(const Trainer *t) {
    int at = 0;
    while (at + 1 < couplet_trainer_stages(t) && t->clocks[at + 1].first < t->session->step)
        at++;
    return at;
}

CoupletMoment couplet_trainer_moment(const Trainer *t) {
    const Clock *clock = &t->clocks[last_clock(t)];
    return (CoupletMoment){t->session->step - clock->first, clock->per_epoch};
}

/* Writes a row for an evaluation or a report. `kind` is "percent" or "value". */
static bool result_row(Trainer *t, CoupletSubject subject, const char *name, const char *kind,
                       double value) {
    const CoupletMetric row[] = {{"step", (double)t->session->step, NULL},
                                 {"of", 0, couplet_trainer_subject_name(t, subject)},
                                 {"evaluation", 0, name},
                                 {kind, value, NULL},
                                 {"data", 0, t->data_folder},
                                 {"hash", 0, t->data_hash},
                                 {"time", 0, t->time}};
    bool of_training = !*t->data_folder; /* the record of the training says where its data lies */
    return couplet_trainer_row(t, row, of_training ? 4 : 7);
}

enum { LABEL_BYTES = 48 };

/* Returns the text in front of a result: the subject, or a time in the training, "after epoch
 * 2". */
static const char *result_label(const Trainer *t, CoupletSubject subject, bool of_steps,
                                char out[LABEL_BYTES]) {
    if (subject != COUPLET_IN_TRAINING) return couplet_trainer_subject_name(t, subject);
    const CoupletMoment moment = couplet_trainer_moment(t);
    snprintf(out, LABEL_BYTES, "after %s %" PRId64, of_steps ? "step" : "epoch",
             of_steps ? t->session->step : moment.made / moment.per_epoch);
    return out;
}

/* Writes a row for one class of an evaluation by class. */
static bool class_row(Trainer *t, CoupletSubject subject, const char *by,
                      const CoupletShare *share) {
    const CoupletMetric row[] = {{"step", (double)t->session->step, NULL},
                                 {"of", 0, couplet_trainer_subject_name(t, subject)},
                                 {"by", 0, by},
                                 {"class", 0, share->name},
                                 {"percent", share->percent, NULL},
                                 {"data", 0, t->data_folder},
                                 {"hash", 0, t->data_hash},
                                 {"time", 0, t->time}};
    bool of_training = !*t->data_folder;
    return couplet_trainer_row(t, row, of_training ? 5 : 8);
}

static int by_percent(const void *a, const void *b) {
    const CoupletShare *x = a;
    const CoupletShare *y = b;
    return x->percent < y->percent ? -1 : x->percent > y->percent;
}

/* With more than MOST_SHOWN classes, the LOWEST_SHOWN worst ones are printed. */
enum {
    MOST_SHOWN = 20,
    LOWEST_SHOWN = 10,
};

/* Logs the classes as rows, for every subject. Prints them after the training alone; of many
 * classes, those with the worst results. */
static bool show_classes(Trainer *t, CoupletSubject subject, const char *name,
                         CoupletShares *shares) {
    const bool is_many = shares->count > MOST_SHOWN;
    for (int64_t c = 0; c < shares->count; c++)
        if (!class_row(t, subject, name, &shares->classes[c])) return false;
    if (subject != COUPLET_AFTER_TRAINING) return true;
    if (is_many) qsort(shares->classes, (size_t)shares->count, sizeof *shares->classes, by_percent);
    for (int64_t c = 0; c < (is_many ? LOWEST_SHOWN : shares->count); c++)
        couplet_trainer_say(t, "%-18s %-12s %6.2f %%\n", "", shares->classes[c].name,
                            shares->classes[c].percent);
    if (is_many)
        couplet_trainer_say(t, "%-18s and %" PRId64 " classes above these, in metrics.jsonl\n", "",
                            shares->count - LOWEST_SHOWN);
    return true;
}

/* Prints and logs the results of the evaluations that are due. */
static bool show_results(Trainer *t, CoupletSubject subject, const CoupletMoment *moment) {
    char label[LABEL_BYTES];
    for (int i = 0; i < t->program->eval_count; i++) {
        const char *name = t->names[i];
        const double percent = t->results[i].value;
        if (!couplet_trainer_is_due(t, i, moment)) continue;
        const CoupletEval *eval = &t->program->evals[i];
        const char *of = result_label(t, subject, eval->of_steps, label);
        const bool is_percent = couplet_eval_is_percent(eval);
        if (is_percent)
            couplet_trainer_say(t, "%-16s %-14s %6.2f %%\n", of, name, percent);
        else
            couplet_trainer_say_number(t, of, name, percent);
        if (!result_row(t, subject, name, is_percent ? "percent" : "value", percent) ||
            !show_classes(t, subject, name, &t->results[i].by_class))
            return false;
    }
    return couplet_trainer_was_heard(t);
}

/* Prints and logs a report of `eval`. */
static bool tell_of_measure(void *context, const CoupletAction *action, const char *name,
                            double value) {
    Trainer *t = context;
    char label[LABEL_BYTES];
    couplet_trainer_erase_line(t);
    couplet_trainer_say_number(t, result_label(t, t->subject, action->of_steps, label), name,
                               value);
    return result_row(t, t->subject, name, "value", value);
}

bool couplet_trainer_evaluates(const CoupletProgram *program) {
    return program->eval_count > 0 || program->measure_count > 0;
}

/* Measures what is due at the moment (NULL: everything). Measures nothing after a signal, and does
 * not log what a signal cuts short. */
static bool measure_at(Trainer *t, CoupletSubject subject, const CoupletMoment *moment) {
    const CoupletReports reports = {tell_of_measure, t};
    const bool reports_too = subject != COUPLET_RAW && t->program->measure_count > 0;
    if (!t->program->eval_count && !reports_too) return true;
    if (!couplet_trainer_hear_signals(t)) return false;
    if (couplet_trainer_stopped(t)) return t->cut = true;
    t->subject = subject;
    couplet_trainer_erase_line(t);
    if (t->terminal)
        couplet_trainer_say(t, "evaluating %s ...", couplet_trainer_subject_name(t, subject));
    bool good = couplet_measure(t->session, t->sources.data, subject, moment, t->results, t->error,
                                t->error_bytes);
    good = couplet_guard_whole(t->error, t->error_bytes) && good;
    couplet_trainer_erase_line(t);
    good = good && show_results(t, subject, moment);
    good = good && (!reports_too || (couplet_measures_make(t->session, &t->sources, moment,
                                                           &reports, t->error, t->error_bytes) &&
                                     couplet_trainer_was_heard(t)));
    t->cut = !good && couplet_trainer_ended_by_signal(t);
    return good || t->cut;
}

bool couplet_trainer_measure(Trainer *t, CoupletSubject subject) {
    return measure_at(t, subject, NULL);
}

/* Measures behind the last step. A resumed run may begin with the first step of a stage, and then
 * still measures behind the last step of the stage before. */
static bool measure_in_stage(Trainer *t, const CoupletMoment *moment) {
    const double started = couplet_trainer_now();
    const int at_hand = t->session->stage;
    couplet_trainer_enter_stage(t, last_clock(t));
    const bool good = measure_at(t, COUPLET_IN_TRAINING, moment);
    couplet_trainer_enter_stage(t, at_hand);
    /* The rate that is printed is that of the steps alone. */
    t->rate_started += couplet_trainer_now() - started;
    t->pace_started += couplet_trainer_now() - started;
    return good;
}

bool couplet_trainer_measure_due(Trainer *t) {
    const CoupletMoment moment = couplet_trainer_moment(t);
    bool is_due = false;
    for (int i = 0; i < t->name_count; i++)
        is_due |= couplet_trainer_is_due(t, i, &moment);
    if (!is_due || t->session->step >= t->session->total_steps) return true;
    return (t->saved == t->session->step || couplet_trainer_save(t)) &&
           measure_in_stage(t, &moment);
}

bool couplet_trainer_measure_start(Trainer *t) {
    return couplet_trainer_measure(t, COUPLET_RAW) &&
           couplet_trainer_measure(t, COUPLET_BEFORE_TRAINING);
}

/* Measures a run that --max-steps stopped before its start was measured. Its rows must be those of
 * an undisturbed run, in which these rows come first. */
bool couplet_trainer_measure_late(Trainer *t, char **rows) {
    size_t length;
    CoupletSession *trained = t->session;
    t->session = NULL;
    t->metrics = open_memstream(rows, &length);
    if (!t->metrics) {
        snprintf(t->error, t->error_bytes, "out of memory");
    }
    bool good = t->metrics && couplet_trainer_open_start(t, trained->seed, trained->total_steps) &&
                couplet_trainer_measure_start(t);
    if (t->metrics) fclose(t->metrics);
    t->metrics = NULL;
    couplet_session_free(t->session);
    t->session = trained;
    return good;
}
