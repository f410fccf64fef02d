#include "runtime/epoch.h"

#include "runtime/kmeans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Work {
    CoupletSession *session;
    CoupletSources *sources;
    const CoupletAction *action;
    CoupletRun *run;
    void **inputs;
    char *error;
    size_t error_bytes;
} Work;

static bool fail(const Work *w, const CoupletFault *fault) {
    char when[40];
    snprintf(when, sizeof when, "before epoch %" PRId64, w->session->epoch);
    couplet_fault_text(fault, when, w->error, w->error_bytes);
    return false;
}

static bool run_once(Work *w) {
    CoupletSession *s = w->session;
    CoupletFault fault;
    for (int i = 0; i < w->action->plan->input_count; i++) {
        if (w->inputs[i]) continue;
        snprintf(w->error, w->error_bytes, "a fault of the compiler: `every epoch` reads `%s`, which nothing provides", w->action->plan->inputs[i].name);
        return false;
    }
    bool good = couplet_run_steps(w->run, w->inputs, s->states, &fault) && couplet_run_finite(w->run, &fault) &&
                couplet_run_commit(w->run, s->states, s->program->states, &fault);
    return good ? true : fail(w, &fault);
}

/* ---- sweeps --------------------------------------------------------------------------------------------------------- */

static int64_t sweep_rows(const Work *w) {
    const CoupletPlan *plan = w->action->plan;
    const char *source = w->session->program->sources[w->action->source].name;
    size_t length = strlen(source);
    for (int i = 0; i < plan->input_count; i++) {
        const char *name = plan->inputs[i].name;
        if (strncmp(name, source, length) == 0 && name[length] == '.' && strncmp(name + length, ".all.", 5) != 0) return plan->buffers[plan->inputs[i].buffer].shape[0];
    }
    return 0;
}

static bool sweep(Work *w) {
    int64_t count = w->sources->data[w->action->source].count, rows = sweep_rows(w);
    if (rows == 0) return run_once(w); /* it reads no sample */
    if (count < rows) {
        snprintf(w->error, w->error_bytes, "%s: error: the sweep takes %" PRId64 " samples at a time, and there are %" PRId64, w->action->place, rows, count);
        return false;
    }
    for (int64_t done = 0; done < count; done += rows) {
        /* The last batch reaches back: what it writes again is what stands there. */
        const int64_t first = done + rows <= count ? done : count - rows;
        if (!couplet_sources_rows(w->sources, w->action->source, first, rows, w->action->plan, w->inputs, w->error, w->error_bytes) || !run_once(w)) return false;
    }
    return true;
}

/* ---- clusters ------------------------------------------------------------------------------------------------------- */

static bool cluster(Work *w) {
    CoupletSession *s = w->session;
    const CoupletAction *a = w->action;
    if (!run_once(w)) return false;
    const CoupletBuffer *b = couplet_plan_output(a->plan, "points");
    const float *points = couplet_run_output(w->run, "points");
    int64_t clusters = s->program->states[a->centres].shape[0], count = b->shape[0], width = b->shape[1];
    const CoupletKmeans options = {clusters, a->iterations, a->spherical, a->sampled, a->site};
    float *centres = malloc((size_t)(clusters * width) * sizeof *centres);
    int32_t *members = malloc((size_t)count * sizeof *members);
    bool good = points && centres && members && couplet_kmeans(s->threads, points, count, width, &options, s->seed, s->step, centres, members);
    if (!good) snprintf(w->error, w->error_bytes, "%s: error: out of memory for k-means", a->place);
    CoupletDevice *d = s->device;
    if (good && !(d->calls->write(d, s->states[a->centres], 0, centres, clusters * width * 4) && d->calls->write(d, s->states[a->members], 0, members, count * 4) &&
                  d->calls->wait(d))) {
        snprintf(w->error, w->error_bytes, "%s: error: %s", a->place, d->fault.sentence);
        good = false;
    }
    free(centres);
    free(members);
    return good;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static bool act(Work *w) {
    const CoupletAction *a = w->action;
    w->run = couplet_run_on(w->session->device, a->plan);
    w->inputs = calloc((size_t)a->plan->input_count + 1, sizeof *w->inputs);
    char sentence[1200];
    bool good = w->run && w->inputs;
    if (!good) {
        snprintf(w->error, w->error_bytes, "%s: error: this needs %.0f MB: %s", a->place, (double)a->plan->arena_bytes / 1e6, w->session->device->fault.sentence);
    } else if (!couplet_sources_attach(w->sources, w->session->device, a->plan, w->run, sentence, sizeof sentence)) {
        snprintf(w->error, w->error_bytes, "%s: error: %s", a->place, sentence);
        good = false;
    } else {
        couplet_session_scalars(w->session, a->plan, w->inputs);
        couplet_sources_whole(w->sources, a->plan, w->inputs);
        good = a->kind == COUPLET_ACTION_SWEEP ? sweep(w) : a->kind == COUPLET_ACTION_KMEANS ? cluster(w) : run_once(w);
    }
    couplet_run_free(w->run);
    free(w->inputs);
    return good;
}

bool couplet_epoch_begin(CoupletSession *session, const CoupletPhase *phase, CoupletSources *sources, char *error, size_t error_bytes) {
    for (int i = 0; i < phase->action_count; i++) {
        Work w = {.session = session, .sources = sources, .action = &phase->actions[i], .error = error, .error_bytes = error_bytes};
        if (!act(&w)) return false;
    }
    return true;
}
