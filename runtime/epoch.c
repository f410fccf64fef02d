/* Does what `every epoch` and the statements of `eval` ask for: plans that run once, sweeps over a
 * data set, k-means.
 *
 * The last batch of a sweep reaches back so that it is full. Rows that are computed twice get the
 * same values twice. Measures may change states while they run. The states are copied before, and
 * restored after the last measure, so the training is the same with and without `eval`. */
#include "runtime/epoch.h"

#include "runtime/kmeans.h"
#include "runtime/undo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Work {
    CoupletSession *session;
    CoupletSources *sources;
    const CoupletAction *action;
    const CoupletReports *reports;
    const char *when; /* the time for messages, such as "before epoch 3" */
    CoupletRun *run;
    void **inputs;
    char *error;
    size_t error_bytes;
} Work;

static bool fail(const Work *w, const CoupletFault *fault) {
    couplet_fault_text(fault, w->when, w->error, w->error_bytes);
    return false;
}

/* Runs the action's plan, and commits if all results are finite. Returns false with a sentence. */
static bool run_once(Work *w) {
    CoupletSession *s = w->session;
    CoupletFault fault;
    for (int i = 0; i < w->action->plan->input_count; i++) {
        if (w->inputs[i]) continue;
        snprintf(w->error, w->error_bytes,
                 "a fault of the compiler: the work %s reads `%s`, which nothing provides", w->when,
                 w->action->plan->inputs[i].name);
        return false;
    }
    bool good = couplet_run_steps(w->run, w->inputs, s->states, &fault) &&
                couplet_run_finite(w->run, &fault) &&
                couplet_run_commit(w->run, s->states, s->program->states, &fault);
    return good ? true : fail(w, &fault);
}

/* ---- sweeps ---------------------------------------------------------------------------------- */

/* Returns the samples of a batch, or 0 if the plan reads no field of the source's samples. */
static int64_t sweep_rows(const Work *w) {
    const CoupletPlan *plan = w->action->plan;
    const char *source = w->session->program->sources[w->action->source].name;
    size_t length = strlen(source);
    for (int i = 0; i < plan->input_count; i++) {
        const char *name = plan->inputs[i].name;
        if (strncmp(name, source, length) == 0 && name[length] == '.' &&
            strncmp(name + length, ".all.", 5) != 0)
            return plan->buffers[plan->inputs[i].buffer].shape[0];
    }
    return 0;
}

static bool run_sweep(Work *w) {
    int64_t count = w->sources->data[w->action->source].count;
    int64_t rows = sweep_rows(w);
    /* The action reads no sample, so there is nothing to sweep over. */
    if (rows == 0) return run_once(w);
    if (count < rows) {
        snprintf(w->error, w->error_bytes,
                 "%s: error: the sweep takes %" PRId64 " samples at a time, and there are %" PRId64,
                 w->action->place, rows, count);
        return false;
    }
    for (int64_t done = 0; done < count; done += rows) {
        if (couplet_threads_stopped(w->session->threads)) return false;
        /* The last batch reaches back, and writes the same values again. */
        const int64_t first = done + rows <= count ? done : count - rows;
        if (!couplet_sources_rows(w->sources, w->action->source, first, rows, w->action->plan,
                                  w->inputs, w->error, w->error_bytes) ||
            !run_once(w))
            return false;
    }
    return true;
}

/* ---- clusters -------------------------------------------------------------------------------- */

/* Runs the plan, clusters its output "points", and writes centres and members into their states. */
static bool cluster(Work *w) {
    CoupletSession *s = w->session;
    const CoupletAction *a = w->action;
    if (!run_once(w)) return false;
    const CoupletBuffer *b = couplet_plan_output(a->plan, "points");
    const float *points = couplet_run_output(w->run, "points");
    int64_t clusters = s->program->states[a->centres].shape[0];
    int64_t count = b->shape[0];
    int64_t width = b->shape[1];
    const CoupletKmeans options = {clusters, a->iterations, a->spherical, a->sampled, a->site};
    float *centres = malloc((size_t)(clusters * width) * sizeof *centres);
    int32_t *members = malloc((size_t)count * sizeof *members);
    bool good = points && centres && members &&
                couplet_kmeans(s->threads, points, count, width, &options, s->seed, s->step,
                               centres, members);
    if (!good && !couplet_threads_stopped(s->threads))
        snprintf(w->error, w->error_bytes, "%s: error: out of memory for k-means", a->place);
    CoupletDevice *d = s->device;
    if (good &&
        !(d->calls->write(d, s->states[a->centres], 0, centres, clusters * width * 4) &&
          d->calls->write(d, s->states[a->members], 0, members, count * 4) && d->calls->wait(d))) {
        snprintf(w->error, w->error_bytes, "%s: error: %s", a->place, d->fault.sentence);
        good = false;
    }
    free(centres);
    free(members);
    return good;
}

/* ---- reports --------------------------------------------------------------------------------- */

/* Returns the name by which an output is reported, or NULL. */
static const char *reported(const CoupletNamed *output) {
    const size_t length = strlen(COUPLET_REPORT);
    return strncmp(output->name, COUPLET_REPORT, length) == 0 ? output->name + length : NULL;
}

static bool tell_reports(Work *w) {
    const CoupletPlan *plan = w->action->plan;
    for (int i = 0; i < plan->output_count; i++) {
        const char *name = reported(&plan->outputs[i]);
        if (!name) continue;
        const float *value = couplet_run_output(w->run, plan->outputs[i].name);
        if (!value) {
            snprintf(w->error, w->error_bytes, "%s: error: %s", w->action->place,
                     w->session->device->fault.sentence);
            return false;
        }
        if (!w->reports->tell(w->reports->context, w->action, name, (double)*value)) return false;
    }
    return true;
}

const char *couplet_action_reports(const CoupletAction *action, int number) {
    for (int i = 0; i < action->plan->output_count; i++) {
        const char *name = reported(&action->plan->outputs[i]);
        if (name && number-- == 0) return name;
    }
    return NULL;
}

const char *couplet_measures_name(const CoupletProgram *program, int number,
                                  const CoupletAction **by) {
    for (int i = 0; i < program->measure_count; i++) {
        const char *name;
        for (int k = 0; (name = couplet_action_reports(&program->measures[i], k)); k++) {
            if (number-- != 0) continue;
            if (by) *by = &program->measures[i];
            return name;
        }
    }
    return NULL;
}

int couplet_measures_count(const CoupletProgram *program) {
    int count = 0;
    while (couplet_measures_name(program, count, NULL))
        count++;
    return count;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Does one action. Returns false with a sentence, or with an empty one if a signal ended it. */
static bool act(Work *w) {
    const CoupletAction *a = w->action;
    w->run = couplet_run_on(w->session->device, a->plan);
    w->inputs = calloc((size_t)a->plan->input_count + 1, sizeof *w->inputs);
    char sentence[1200];
    bool good = w->run && w->inputs;
    if (!good) {
        snprintf(w->error, w->error_bytes, "%s: error: this needs %.0f MB: %s", a->place,
                 (double)a->plan->arena_bytes / 1e6, w->session->device->fault.sentence);
    } else if (!couplet_sources_attach(w->sources, w->session->device, a->plan, w->run, sentence,
                                       sizeof sentence)) {
        snprintf(w->error, w->error_bytes, "%s: error: %s", a->place, sentence);
        good = false;
    } else {
        couplet_session_scalars(w->session, a->plan, w->inputs);
        couplet_sources_whole(w->sources, a->plan, w->inputs);
        good = a->kind == COUPLET_ACTION_SWEEP    ? run_sweep(w)
               : a->kind == COUPLET_ACTION_KMEANS ? cluster(w)
                                                  : run_once(w);
        good = good && tell_reports(w);
    }
    couplet_run_free(w->run);
    free(w->inputs);
    return good;
}

static bool is_due(const CoupletSession *session, const CoupletAction *action, int64_t into,
                   int64_t per_epoch) {
    if (action->of_steps) return into % action->every == 0;
    return into % per_epoch == 0 && session->epoch % action->every == 0;
}

bool couplet_work_is_due(const CoupletSession *session, const CoupletPhase *phase, int64_t into,
                         int64_t per_epoch) {
    for (int i = 0; i < phase->action_count; i++)
        if (is_due(session, &phase->actions[i], into, per_epoch)) return true;
    return false;
}

bool couplet_work_do(CoupletSession *session, const CoupletPhase *phase, int64_t into,
                     int64_t per_epoch, CoupletSources *sources, const CoupletReports *reports,
                     char *error, size_t error_bytes) {
    for (int i = 0; i < phase->action_count; i++) {
        const CoupletAction *action = &phase->actions[i];
        char when[40];
        if (!is_due(session, action, into, per_epoch)) continue;
        snprintf(when, sizeof when, "before %s %" PRId64, action->of_steps ? "step" : "epoch",
                 action->of_steps ? session->step : session->epoch);
        Work w = {.session = session,
                  .sources = sources,
                  .action = action,
                  .reports = reports,
                  .when = when,
                  .error = error,
                  .error_bytes = error_bytes};
        if (!act(&w)) return false;
    }
    return true;
}

/* ---- measures -------------------------------------------------------------------------------- */

/* Keeps the states that the actions [first, end), which are a block, change. */
static bool keep_all(const CoupletUndo *undo, int first, int end) {
    const CoupletProgram *p = undo->session->program;
    bool good = true;
    for (int i = first; i < end; i++) {
        const CoupletAction *a = &p->measures[i];
        good = good && couplet_undo_keep_plan(undo, a->plan);
        if (a->kind == COUPLET_ACTION_KMEANS)
            good =
                good && couplet_undo_keep(undo, a->centres) && couplet_undo_keep(undo, a->members);
    }
    return good;
}

static bool fail_states(const CoupletSession *s, char *error, size_t error_bytes) {
    const char *sentence = s->device->fault.kind ? s->device->fault.sentence : "out of memory";
    snprintf(error, error_bytes, "the states that `eval` changes: %s", sentence);
    return false;
}

/* Does the actions of a block, and restores the states that they have changed. */
static bool run_block(CoupletSession *session, CoupletSources *sources,
                      const CoupletReports *reports, int first, int end, char *error,
                      size_t error_bytes) {
    const CoupletProgram *p = session->program;
    CoupletUndo undo;
    bool good = couplet_undo_begin(&undo, session) && keep_all(&undo, first, end)
                    ? true
                    : fail_states(session, error, error_bytes);
    if (good) {
        for (int i = first; good && i < end; i++) {
            Work w = {.session = session,
                      .sources = sources,
                      .action = &p->measures[i],
                      .reports = reports,
                      .when = "in `eval`",
                      .error = error,
                      .error_bytes = error_bytes};
            good = act(&w);
        }
        if (!couplet_undo_put_back(&undo) && good) {
            good = fail_states(session, error, error_bytes);
        }
    }
    couplet_undo_end(&undo);
    return good;
}

bool couplet_measure_is_due(const CoupletAction *measure, const CoupletMoment *moment) {
    return !moment || couplet_moment_has(moment, measure->every, measure->of_steps);
}

bool couplet_measures_make(CoupletSession *session, CoupletSources *sources,
                           const CoupletMoment *moment, const CoupletReports *reports, char *error,
                           size_t error_bytes) {
    const CoupletProgram *p = session->program;
    bool good = true;
    for (int first = 0, end; good && first < p->measure_count; first = end) {
        for (end = first;
             end < p->measure_count && p->measures[end].block == p->measures[first].block;)
            end++;
        if (couplet_measure_is_due(&p->measures[first], moment))
            good = run_block(session, sources, reports, first, end, error, error_bytes);
    }
    return good;
}
