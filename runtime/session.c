/* A program with its states on a device: starts them with a seed, counts steps and epochs, sets the
 * run scalars, computes features. Training, the C API and evaluations each have a session;
 * checkpoint.c saves and loads it.
 *
 * A state that the plan `init` does not set is zero. After a step that met a NaN, the session looks
 * at the size of parameters, which distinguishes a run that diverged from a formula that failed. */
#include "runtime/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t couplet_state_bytes(const CoupletStateInfo *info) {
    int64_t bytes = couplet_type_bytes(info->type);
    for (int i = 0; i < info->rank; i++)
        bytes *= info->shape[i];
    return (size_t)bytes;
}

static bool out_of_memory(char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "out of memory for the method's states");
    return false;
}

static bool fail_device(const CoupletSession *s, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s", s->device->name, s->device->fault.sentence);
    return false;
}

/* Allocates a state of zeros. States that the plan `init` does not set, such as heads of queues,
 * stay zero. */
static bool allocate_state(CoupletSession *s, int slot) {
    CoupletDevice *d = s->device;
    size_t bytes = couplet_state_bytes(&s->program->states[slot]);
    void *zeros = calloc(1, bytes + 1);
    s->states[slot] = d->calls->allocate(d, (int64_t)bytes);
    bool good = zeros && s->states[slot] &&
                d->calls->write(d, s->states[slot], 0, zeros, (int64_t)bytes) && d->calls->wait(d);
    free(zeros);
    return good;
}

static bool allocate_weights(CoupletSession *s) {
    const CoupletProgram *p = s->program;
    s->weights = calloc((size_t)p->source_count + 1, sizeof *s->weights);
    for (int i = 0; s->weights && i < p->source_count; i++) {
        if (p->sources[i].weights < 0) continue;
        s->weights[i] = calloc(1, couplet_state_bytes(&p->states[p->sources[i].weights]) + 1);
        if (!s->weights[i]) return false;
    }
    return s->weights != NULL;
}

static bool allocate_states(CoupletSession *s) {
    const CoupletProgram *p = s->program;
    s->states = calloc((size_t)p->state_count + 1, sizeof *s->states);
    s->hyper_reals = calloc((size_t)p->hyper_count + 1, sizeof *s->hyper_reals);
    s->named = calloc((size_t)p->loss_count + 1, sizeof *s->named);
    s->hyper_words = calloc((size_t)p->hyper_count + 1, sizeof *s->hyper_words);
    if (!s->states || !s->named || !s->hyper_reals || !s->hyper_words) return false;
    for (int i = 0; i < p->state_count; i++)
        if (!allocate_state(s, i)) return false;
    for (int i = 0; i < p->hyper_count; i++) {
        s->hyper_reals[i] = (float)p->hypers[i].value;
        s->hyper_words[i] = (int32_t)p->hypers[i].value;
    }
    s->codes = calloc((size_t)p->source_count + 1, sizeof *s->codes);
    s->classes = calloc((size_t)p->source_count + 1, sizeof *s->classes);
    return s->codes && s->classes && allocate_weights(s);
}

const CoupletPhase *couplet_program_phase(const CoupletProgram *p, int stage, int64_t epoch,
                                          int64_t step) {
    const CoupletPhase *found = &p->phases[0];
    for (int i = 1; i < p->phase_count; i++)
        if (p->phases[i].stage == stage && p->phases[i].from_epoch <= epoch &&
            p->phases[i].from_step <= step)
            found = &p->phases[i];
    return found;
}

bool couplet_moment_has(const CoupletMoment *moment, int64_t every, bool of_steps) {
    if (every == 0 || moment->made == 0) return false;
    if (of_steps) return moment->made % every == 0;
    return moment->made % moment->per_epoch == 0 && moment->made / moment->per_epoch % every == 0;
}

uint64_t couplet_session_seed(const CoupletSession *s) {
    return s->seed + (uint64_t)s->stage * 0x9e3779b97f4a7c15u;
}

bool couplet_session_losses(CoupletSession *s, const CoupletRun *run, const CoupletPlan *plan) {
    for (int i = 0; i < s->program->loss_count; i++) {
        char output[300];
        snprintf(output, sizeof output, "loss %s", s->program->losses[i].name);
        s->named[i].latest = NAN;
        if (!couplet_plan_output(plan, output)) continue;
        const float *value = couplet_run_output(run, output);
        if (!value) return false;
        s->named[i].latest = (double)*value;
    }
    return true;
}

/* Counts a named loss in the mean of its epoch. */
static void count_named(CoupletMean *mean, bool epoch_begins) {
    if (epoch_begins) *mean = (CoupletMean){.latest = mean->latest};
    if (isnan(mean->latest)) return;
    mean->sum += mean->latest;
    mean->count++;
}

void couplet_session_count(CoupletSession *s, float loss, int64_t steps_per_epoch) {
    bool epoch_begins = steps_per_epoch > 0 && (s->step - s->stage_first) % steps_per_epoch == 0;
    if (epoch_begins) {
        s->loss_sum = 0;
        s->loss_count = 0;
    }
    for (int i = 0; i < s->program->loss_count; i++)
        count_named(&s->named[i], epoch_begins);
    s->loss_sum += (double)loss;
    s->loss_count++;
    s->step++;
    if (steps_per_epoch > 0) {
        s->epoch = (s->step - s->stage_first) / steps_per_epoch;
    }
}

static void renew_words(CoupletSession *s) {
    const uint64_t seed = couplet_session_seed(s);
    s->seed_words[0] = (int32_t)(uint32_t)seed;
    s->seed_words[1] = (int32_t)(uint32_t)(seed >> 32);
    s->step_word = (int32_t)(s->step - s->stage_first);
    s->steps_word = (int32_t)(s->stage_steps ? s->stage_steps : s->total_steps);
    s->epoch_word = (int32_t)s->epoch;
}

void couplet_session_scalars(CoupletSession *s, const CoupletPlan *plan, void **inputs) {
    renew_words(s);
    for (int i = 0; i < plan->input_count; i++) {
        const char *name = plan->inputs[i].name;
        if (strcmp(name, "seed") == 0)
            inputs[i] = s->seed_words;
        else if (strcmp(name, "step") == 0)
            inputs[i] = &s->step_word;
        else if (strcmp(name, "steps") == 0)
            inputs[i] = &s->steps_word;
        else if (strcmp(name, "epoch") == 0)
            inputs[i] = &s->epoch_word;
        if (strncmp(name, "hyper.", 6) != 0) continue;
        bool real = plan->buffers[plan->inputs[i].buffer].type == COUPLET_F32;
        for (int h = 0; h < s->program->hyper_count; h++)
            if (strcmp(s->program->hypers[h].name, name + 6) == 0)
                inputs[i] = real ? (void *)&s->hyper_reals[h] : (void *)&s->hyper_words[h];
    }
}

/* True if every input has an array. Without one, a kernel would read through a null pointer. */
static bool all_bound(const CoupletPlan *plan, void *const *inputs, char *error,
                      size_t error_bytes) {
    for (int i = 0; i < plan->input_count; i++) {
        if (inputs[i]) continue;
        snprintf(error, error_bytes,
                 "a fault of the compiler: the plan `%s` reads `%s`, which nothing provides",
                 plan->name, plan->inputs[i].name);
        return false;
    }
    return true;
}

/* Runs the plan `init`, which sets the states to their start. Returns false with a sentence, or
 * with an empty one if a signal ended the run. */
static bool run_init(CoupletSession *s, char *error, size_t error_bytes) {
    const CoupletPlan *plan = s->program->init;
    void **inputs = calloc((size_t)plan->input_count + 1, sizeof *inputs);
    CoupletRun *run = couplet_run_on(s->device, plan);
    bool good = inputs && run ? true : fail_device(s, error, error_bytes);
    if (good) {
        CoupletFault fault;
        couplet_session_scalars(s, plan, inputs);
        good = all_bound(plan, inputs, error, error_bytes);
        couplet_run_heed(run, couplet_threads_flag(s->threads));
        if (good && (!couplet_run_steps(run, inputs, s->states, &fault) ||
                     !couplet_run_finite(run, &fault) ||
                     !couplet_run_commit(run, s->states, s->program->states, &fault))) {
            if (couplet_run_stopped(run))
                *error = 0;
            else
                couplet_fault_text(&fault, "at the start of a state", error, error_bytes);
            good = false;
        }
    }
    couplet_run_free(run);
    free(inputs);
    return good;
}

CoupletSession *couplet_session_new(const CoupletProgram *program, CoupletDevice *device,
                                    CoupletThreads *threads, uint64_t seed, char *error,
                                    size_t error_bytes) {
    CoupletSession *s = calloc(1, sizeof *s);
    if (!s) {
        out_of_memory(error, error_bytes);
        return NULL;
    }
    s->program = program;
    s->device = device;
    s->threads = threads;
    s->seed = seed;
    couplet_device_clear(device);
    bool good = allocate_states(s)   ? true
                : device->fault.kind ? fail_device(s, error, error_bytes)
                                     : out_of_memory(error, error_bytes);
    if (good && run_init(s, error, error_bytes)) return s;
    couplet_session_free(s);
    return NULL;
}

/* ---- features -------------------------------------------------------------------------------- */

int64_t couplet_session_width(const CoupletSession *s, const char *features) {
    const CoupletPlan *plan = couplet_program_features(s->program, features);
    const CoupletBuffer *out = plan ? couplet_plan_output(plan, "features") : NULL;
    return out ? out->shape[1] : -1;
}

/* Fills each field's array of a batch. Places behind the last sample get the first sample of the
 * batch. */
static void take_samples(const CoupletPlan *plan, const CoupletSamples *samples, int64_t first,
                         int64_t count, int64_t rows, char *const *batch) {
    for (int f = 0; couplet_features_field(plan, f, NULL); f++) {
        const int64_t bytes = couplet_features_field_bytes(plan, f);
        for (int64_t i = 0; i < rows; i++) {
            const int64_t sample = first + (i < count ? i : 0);
            const int64_t row = samples->origin ? samples->origin[sample] : sample;
            memcpy(batch[f] + i * bytes, (const char *)samples->rows[f] + row * bytes,
                   (size_t)bytes);
        }
    }
}

static bool run_features(CoupletSession *s, const CoupletPlan *plan, CoupletRun *run,
                         const CoupletSamples *samples, char *const *batch, void **inputs,
                         float *out, char *error, size_t error_bytes) {
    int64_t rows = couplet_plan_output(plan, "features")->shape[0];
    int64_t width = couplet_plan_output(plan, "features")->shape[1];
    for (int64_t first = 0; first < samples->count; first += rows) {
        int64_t here = samples->count - first < rows ? samples->count - first : rows;
        if (couplet_threads_stopped(s->threads)) return false;
        take_samples(plan, samples, first, here, rows, batch);
        CoupletFault fault;
        if (!couplet_run_steps(run, inputs, s->states, &fault) ||
            !couplet_run_finite(run, &fault)) {
            couplet_fault_text(&fault, "in the features of an evaluation", error, error_bytes);
            return false;
        }
        const float *features = couplet_run_output(run, "features");
        if (!features) return fail_device(s, error, error_bytes);
        memcpy(out + first * width, features, (size_t)(here * width) * sizeof *out);
    }
    return true;
}

/* Allocates an array for a batch of each field, and binds it to the plan's input. */
static bool bind_batch(const CoupletPlan *plan, char **batch, void **inputs) {
    const CoupletBuffer *b;
    for (int f = 0; (b = couplet_features_field(plan, f, NULL)); f++) {
        batch[f] = malloc((size_t)(couplet_buffer_count(b) * couplet_type_bytes(b->type)));
        if (!batch[f]) return false;
        for (int i = 0; i < plan->input_count; i++)
            if (&plan->buffers[plan->inputs[i].buffer] == b) inputs[i] = batch[f];
    }
    return true;
}

bool couplet_session_features(CoupletSession *s, const char *features,
                              const CoupletSamples *samples, float *out, char *error,
                              size_t error_bytes) {
    const CoupletPlan *plan = couplet_program_features(s->program, features);
    const int fields = couplet_features_field_count(plan);
    if (!fields) {
        snprintf(error, error_bytes, "there is no evaluation plan for `%s`", features);
        return false;
    }
    char **batch = calloc((size_t)fields, sizeof *batch);
    void **inputs = calloc((size_t)plan->input_count + 1, sizeof *inputs);
    CoupletRun *run = couplet_run_on(s->device, plan);
    bool good = batch && inputs && run ? true : fail_device(s, error, error_bytes);
    if (good && !bind_batch(plan, batch, inputs)) {
        good = out_of_memory(error, error_bytes);
    }
    if (good) {
        couplet_session_scalars(s, plan, inputs);
        good = all_bound(plan, inputs, error, error_bytes) &&
               run_features(s, plan, run, samples, batch, inputs, out, error, error_bytes);
    }
    couplet_run_free(run);
    for (int f = 0; batch && f < fields; f++)
        free(batch[f]);
    free(inputs);
    free(batch);
    return good;
}

bool couplet_session_weigh(CoupletSession *s, char *error, size_t error_bytes) {
    for (int i = 0; i < s->program->source_count; i++) {
        const int state = s->program->sources[i].weights;
        if (!s->weights[i]) continue;
        const int64_t bytes = (int64_t)couplet_state_bytes(&s->program->states[state]);
        if (!s->device->calls->read(s->device, s->weights[i], s->states[state], 0, bytes))
            return fail_device(s, error, error_bytes);
    }
    return true;
}

void couplet_session_free(CoupletSession *s) {
    if (!s) return;
    for (int i = 0; s->states && i < s->program->state_count; i++)
        if (s->states[i]) s->device->calls->release(s->device, s->states[i]);
    free(s->states);
    for (int i = 0; s->weights && i < s->program->source_count; i++)
        free(s->weights[i]);
    for (int i = 0; i < s->program->source_count; i++) {
        if (s->codes) free(s->codes[i]);
        if (s->classes) free(s->classes[i]);
    }
    free(s->codes);
    free(s->classes);
    free(s->weights);
    free(s->hyper_reals);
    free(s->named);
    free(s->hyper_words);
    free(s);
}

/* ---- divergence ------------------------------------------------------------------------------ */

/* Returns the size of the largest entry of a state. A NaN does not count. */
static float largest_of_state(CoupletSession *s, int state) {
    const CoupletStateInfo *info = &s->program->states[state];
    int64_t count = 1;
    for (int i = 0; i < info->rank; i++)
        count *= info->shape[i];
    float *values = malloc((size_t)count * sizeof *values + 1);
    float largest = 0;
    if (values && s->device->calls->read(s->device, values, s->states[state], 0,
                                         count * (int64_t)sizeof *values))
        for (int64_t i = 0; i < count; i++)
            if (fabsf(values[i]) > largest) largest = fabsf(values[i]);
    free(values);
    return largest;
}

void couplet_session_advise(CoupletSession *s, CoupletFault *fault, char *text, size_t bytes) {
    /* weights start below 1, and decay and norms keep them small */
    static const float too_large = 1e6f;
    float largest = 0;
    int which = -1;
    if (fault->kind != COUPLET_FAULT_NAN && fault->kind != COUPLET_FAULT_INFINITE) return;
    for (int i = 0; i < s->program->state_count; i++) {
        const CoupletStateInfo *info = &s->program->states[i];
        if (info->role != COUPLET_ROLE_PARAM || info->type != COUPLET_F32) continue;
        const float entry = largest_of_state(s, i);
        if (entry > largest) largest = entry, which = i;
    }
    if (largest < too_large) return;
    snprintf(text, bytes,
             "the run has diverged: the steps before have made entries of `%s` as large as %.3g. A "
             "lower rate of the optimiser, a warm-up, or `clip` in `train` keeps them small",
             s->program->states[which].name, (double)largest);
    fault->advice = text;
}
