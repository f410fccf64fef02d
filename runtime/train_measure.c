/* The evaluations of a run, and the reports of its `eval`: measured, shown, and logged as rows. */
#include "runtime/trainer.h"

#include "runtime/data/guard.h"
#include "runtime/epoch.h"

#include <stdlib.h>

const char *couplet_trainer_subject_name(const Trainer *t, CoupletSubject subject) {
    return couplet_subject_name(t->program, t->sources.data, subject);
}

/* Writes a row for an evaluation, in percent, or for a number that is reported. `kind` is "percent"
 * or "value". */
static bool result_row(Trainer *t, CoupletSubject subject, const char *name, const char *kind,
                       double value) {
    const CoupletMetric row[] = {{"step", (double)t->session->step, NULL},
                                 {"of", 0, couplet_trainer_subject_name(t, subject)},
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
        char name[COUPLET_EVAL_NAME_BYTES];
        double percent = t->percents[i];
        couplet_eval_name(t->program, i, t->sources.data, name, sizeof name);
        couplet_trainer_say(t, "%-16s %-14s %6.2f %%\n", couplet_trainer_subject_name(t, subject),
                            name, percent);
        if (!result_row(t, subject, name, "percent", percent)) return false;
    }
    return couplet_trainer_was_heard(t);
}

static bool tell_of_measure(void *context, const CoupletAction *action, const char *name,
                            double value) {
    Trainer *t = context;
    (void)action;
    couplet_trainer_erase_line(t);
    couplet_trainer_say_number(t, couplet_trainer_subject_name(t, t->subject), name, value);
    return result_row(t, t->subject, name, "value", value);
}

bool couplet_trainer_evaluates(const CoupletProgram *program) {
    return program->eval_count > 0 || program->measure_count > 0;
}

/* Nothing once a signal has come, nor of what it cuts short. */
bool couplet_trainer_measure(Trainer *t, CoupletSubject subject) {
    const CoupletReports reports = {tell_of_measure, t};
    const bool reports_too = subject != COUPLET_RAW && t->program->measure_count > 0;
    if (!t->program->eval_count && !reports_too) return true;
    if (couplet_trainer_stopped(t)) return t->cut = true;
    t->subject = subject;
    if (t->terminal)
        couplet_trainer_say(t, "evaluating %s ...", couplet_trainer_subject_name(t, subject));
    bool good = couplet_measure(t->session, t->sources.data, subject, t->percents, t->error,
                                t->error_bytes);
    good = couplet_guard_whole(t->error, t->error_bytes) && good;
    couplet_trainer_erase_line(t);
    good = good && show_results(t, subject);
    good = good && (!reports_too || (couplet_measures_make(t->session, &t->sources, &reports,
                                                           t->error, t->error_bytes) &&
                                     couplet_trainer_was_heard(t)));
    t->cut = !good && couplet_trainer_ended_by_signal(t);
    return good || t->cut;
}

bool couplet_trainer_measure_start(Trainer *t) {
    return couplet_trainer_measure(t, COUPLET_RAW) &&
           couplet_trainer_measure(t, COUPLET_BEFORE_TRAINING);
}

/* A run that was stopped by --max-steps has not been measured at its start. Its rows are what a
 * whole run has: these come first. */
bool couplet_trainer_measure_late(Trainer *t, char **rows) {
    size_t length;
    CoupletSession *trained = t->session;
    t->session = NULL;
    t->metrics = open_memstream(rows, &length);
    if (!t->metrics) snprintf(t->error, t->error_bytes, "out of memory");
    bool good = t->metrics && couplet_trainer_open_start(t, trained->seed, trained->total_steps) &&
                couplet_trainer_measure_start(t);
    if (t->metrics) fclose(t->metrics);
    t->metrics = NULL;
    couplet_session_free(t->session);
    t->session = trained;
    return good;
}
