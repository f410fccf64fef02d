#include "runtime/session.h"

#include "runtime/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t info_count(const CoupletStateInfo *info) {
    int64_t count = 1;
    for (int i = 0; i < info->rank; i++) count *= info->shape[i];
    return count;
}

static size_t info_bytes(const CoupletStateInfo *info) { return (size_t)(info_count(info) * couplet_type_bytes(info->type)); }

static bool fail_memory(char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "out of memory for the method's states");
    return false;
}

static bool fail_device(const CoupletSession *s, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s", s->device->name, s->device->fault.sentence);
    return false;
}

/* A state starts as zeros: what the init plan does not assign (heads of queues) stays so. */
static bool allocate_state(CoupletSession *s, int slot) {
    CoupletDevice *d = s->device;
    size_t bytes = info_bytes(&s->program->states[slot]);
    void *zeros = calloc(1, bytes + 1);
    s->states[slot] = d->calls->allocate(d, (int64_t)bytes);
    bool good = zeros && s->states[slot] && d->calls->write(d, s->states[slot], 0, zeros, (int64_t)bytes) && d->calls->wait(d);
    free(zeros);
    return good;
}

static bool allocate(CoupletSession *s) {
    const CoupletProgram *p = s->program;
    s->states = calloc((size_t)p->state_count + 1, sizeof *s->states);
    s->hyper_reals = calloc((size_t)p->hyper_count + 1, sizeof *s->hyper_reals);
    s->hyper_words = calloc((size_t)p->hyper_count + 1, sizeof *s->hyper_words);
    if (!s->states || !s->hyper_reals || !s->hyper_words) return false;
    for (int i = 0; i < p->state_count; i++)
        if (!allocate_state(s, i)) return false;
    for (int i = 0; i < p->hyper_count; i++) {
        s->hyper_reals[i] = (float)p->hypers[i].value;
        s->hyper_words[i] = (int32_t)p->hypers[i].value;
    }
    return true;
}

const CoupletPhase *couplet_program_phase(const CoupletProgram *p, int64_t epoch, int64_t step) {
    const CoupletPhase *found = &p->phases[0];
    for (int i = 1; i < p->phase_count; i++)
        if (p->phases[i].from_epoch <= epoch && p->phases[i].from_step <= step) found = &p->phases[i];
    return found;
}

static void renew_words(CoupletSession *s) {
    s->seed_words[0] = (int32_t)(uint32_t)s->seed;
    s->seed_words[1] = (int32_t)(uint32_t)(s->seed >> 32);
    s->step_word = (int32_t)s->step;
    s->steps_word = (int32_t)s->total_steps;
    s->epoch_word = (int32_t)s->epoch;
}

void couplet_session_scalars(CoupletSession *s, const CoupletPlan *plan, void **inputs) {
    renew_words(s);
    for (int i = 0; i < plan->input_count; i++) {
        const char *name = plan->inputs[i].name;
        if (strcmp(name, "seed") == 0) inputs[i] = s->seed_words;
        else if (strcmp(name, "step") == 0) inputs[i] = &s->step_word;
        else if (strcmp(name, "steps") == 0) inputs[i] = &s->steps_word;
        else if (strcmp(name, "epoch") == 0) inputs[i] = &s->epoch_word;
        if (strncmp(name, "hyper.", 6) != 0) continue;
        bool real = plan->buffers[plan->inputs[i].buffer].type == COUPLET_F32;
        for (int h = 0; h < s->program->hyper_count; h++)
            if (strcmp(s->program->hypers[h].name, name + 6) == 0) inputs[i] = real ? (void *)&s->hyper_reals[h] : (void *)&s->hyper_words[h];
    }
}

/* An input that nothing was found for would be read through a null pointer. */
static bool all_bound(const CoupletPlan *plan, void *const *inputs, char *error, size_t error_bytes) {
    for (int i = 0; i < plan->input_count; i++) {
        if (inputs[i]) continue;
        snprintf(error, error_bytes, "a fault of the compiler: the plan `%s` reads `%s`, which nothing provides", plan->name, plan->inputs[i].name);
        return false;
    }
    return true;
}

static bool run_init(CoupletSession *s, char *error, size_t error_bytes) {
    const CoupletPlan *plan = s->program->init;
    void **inputs = calloc((size_t)plan->input_count + 1, sizeof *inputs);
    CoupletRun *run = couplet_run_on(s->device, plan);
    bool good = inputs && run ? true : fail_device(s, error, error_bytes);
    if (good) {
        CoupletFault fault;
        couplet_session_scalars(s, plan, inputs);
        good = all_bound(plan, inputs, error, error_bytes);
        if (good && (!couplet_run_steps(run, inputs, s->states, &fault) || !couplet_run_finite(run, &fault) ||
                     !couplet_run_commit(run, s->states, s->program->states, &fault))) {
            couplet_fault_text(&fault, "at the start of a state", error, error_bytes);
            good = false;
        }
    }
    couplet_run_free(run);
    free(inputs);
    return good;
}

CoupletSession *couplet_session_new(const CoupletProgram *program, CoupletDevice *device, CoupletThreads *threads, uint64_t seed, char *error, size_t error_bytes) {
    CoupletSession *s = calloc(1, sizeof *s);
    if (!s) {
        fail_memory(error, error_bytes);
        return NULL;
    }
    s->program = program;
    s->device = device;
    s->threads = threads;
    s->seed = seed;
    couplet_device_clear(device);
    bool good = allocate(s) ? true : device->fault.kind ? fail_device(s, error, error_bytes) : fail_memory(error, error_bytes);
    if (good && run_init(s, error, error_bytes)) return s;
    couplet_session_free(s);
    return NULL;
}

/* ---- features ------------------------------------------------------------------------------------------------- */

static const CoupletPlan *features_plan(const CoupletSession *s, const char *name) {
    for (int i = 0; i < s->program->feature_count; i++)
        if (strcmp(s->program->features[i]->name, name) == 0) return s->program->features[i];
    return NULL;
}

int64_t couplet_session_width(const CoupletSession *s, const char *features) {
    const CoupletPlan *plan = features_plan(s, features);
    const CoupletBuffer *out = plan ? couplet_plan_output(plan, "features") : NULL;
    return out ? out->shape[1] : -1;
}

static bool run_features(CoupletSession *s, const CoupletPlan *plan, CoupletRun *run, const CoupletDataset *data, uint8_t *images, void **inputs, float *out,
                         char *error, size_t error_bytes) {
    int64_t rows = couplet_plan_output(plan, "features")->shape[0], width = couplet_plan_output(plan, "features")->shape[1];
    for (int64_t first = 0; first < data->count; first += rows) {
        int64_t here = data->count - first < rows ? data->count - first : rows;
        memcpy(images, data->images + first * data->image_bytes, (size_t)(here * data->image_bytes));
        for (int64_t i = here; i < rows; i++) memcpy(images + i * data->image_bytes, images, (size_t)data->image_bytes);
        CoupletFault fault;
        if (!couplet_run_steps(run, inputs, s->states, &fault) || !couplet_run_finite(run, &fault)) {
            couplet_fault_text(&fault, "in the features of an evaluation", error, error_bytes);
            return false;
        }
        const float *features = couplet_run_output(run, "features");
        if (!features) return fail_device(s, error, error_bytes);
        memcpy(out + first * width, features, (size_t)(here * width) * sizeof *out);
    }
    return true;
}

bool couplet_session_features(CoupletSession *s, const char *features, const CoupletDataset *data, float *out, char *error, size_t error_bytes) {
    const CoupletPlan *plan = features_plan(s, features);
    int at = plan ? couplet_plan_input(plan, "image") : -1;
    if (at < 0) {
        snprintf(error, error_bytes, "there is no evaluation plan for `%s`", features);
        return false;
    }
    int64_t rows = couplet_plan_output(plan, "features")->shape[0];
    uint8_t *images = malloc((size_t)(rows * data->image_bytes));
    void **inputs = calloc((size_t)plan->input_count + 1, sizeof *inputs);
    CoupletRun *run = couplet_run_on(s->device, plan);
    bool good = images && inputs && run ? true : fail_device(s, error, error_bytes);
    if (good) {
        couplet_session_scalars(s, plan, inputs);
        inputs[at] = images;
        good = all_bound(plan, inputs, error, error_bytes) && run_features(s, plan, run, data, images, inputs, out, error, error_bytes);
    }
    couplet_run_free(run);
    free(inputs);
    free(images);
    return good;
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------ */

enum { FIXED_PAIRS = 7, VALUE_BYTES = 40 };

/* Where a state's bytes are on the host: in place, or a copy that the caller frees. NULL when it cannot be had. */
static void *state_on_host(const CoupletSession *s, int slot) {
    CoupletDevice *d = s->device;
    if (d->is_host) return s->states[slot];
    size_t bytes = info_bytes(&s->program->states[slot]);
    void *copy = malloc(bytes + 1);
    if (copy && d->calls->read(d, copy, s->states[slot], 0, (int64_t)bytes)) return copy;
    free(copy);
    return NULL;
}

bool couplet_session_save(const CoupletSession *s, const char *path, char *error, size_t error_bytes) {
    const CoupletProgram *p = s->program;
    int pair_count = FIXED_PAIRS + p->hyper_count;
    CoupletTensorEntry *entries = calloc((size_t)p->state_count + 1, sizeof *entries);
    CoupletTensorPair *pairs = calloc((size_t)pair_count, sizeof *pairs);
    char(*values)[VALUE_BYTES] = calloc((size_t)pair_count, sizeof *values), (*names)[128] = calloc((size_t)pair_count, sizeof *names);
    bool good = entries && pairs && values && names ? true : fail_memory(error, error_bytes);
    if (good) {
        for (int i = 0; i < p->state_count; i++) {
            void *data = state_on_host(s, i);
            good &= data != NULL;
            entries[i] = (CoupletTensorEntry){.name = p->states[i].name, .type = p->states[i].type, .rank = p->states[i].rank, .data = data};
            memcpy(entries[i].shape, p->states[i].shape, sizeof entries[i].shape);
        }
        static const char *const fixed[FIXED_PAIRS] = {"format", "step", "steps", "epoch", "seed", "method", "plan"};
        snprintf(values[0], VALUE_BYTES, "couplet checkpoint 1");
        snprintf(values[1], VALUE_BYTES, "%" PRId64, s->step);
        snprintf(values[2], VALUE_BYTES, "%" PRId64, s->total_steps);
        snprintf(values[3], VALUE_BYTES, "%" PRId64, s->epoch);
        snprintf(values[4], VALUE_BYTES, "%" PRIu64, s->seed);
        snprintf(values[5], VALUE_BYTES, "%016" PRIx64, p->method_hash);
        snprintf(values[6], VALUE_BYTES, "%016" PRIx64, p->plan_hash);
        for (int i = 0; i < FIXED_PAIRS; i++) pairs[i] = (CoupletTensorPair){fixed[i], values[i]};
        for (int i = 0; i < p->hyper_count; i++) {
            snprintf(names[i], sizeof names[i], "hyper.%s", p->hypers[i].name);
            snprintf(values[FIXED_PAIRS + i], VALUE_BYTES, "%.17g", p->hypers[i].value);
            pairs[FIXED_PAIRS + i] = (CoupletTensorPair){names[i], values[FIXED_PAIRS + i]};
        }
        if (!good) s->device->fault.kind ? fail_device(s, error, error_bytes) : fail_memory(error, error_bytes);
        good = good && couplet_tensors_write(path, entries, p->state_count, pairs, pair_count, error, error_bytes);
        for (int i = 0; !s->device->is_host && i < p->state_count; i++) free((void *)(uintptr_t)entries[i].data);
    }
    free(entries);
    free(pairs);
    free(values);
    free(names);
    return good;
}

static bool whole_number(const CoupletTensorFile *file, const char *path, const char *key, int64_t *out, char *error, size_t error_bytes) {
    const char *text = couplet_tensors_metadata(file, key);
    char *end = NULL;
    if (text) *out = strtoll(text, &end, 10);
    if (text && *text && !*end && *out >= 0) return true;
    snprintf(error, error_bytes, "%s: the checkpoint's `%s` is %s%s%s, and a whole number was expected", path, key, text ? "`" : "", text ? text : "missing", text ? "`" : "");
    return false;
}

static bool arrays_fit(const CoupletSession *s, const CoupletTensorFile *file, const char *path, char *error, size_t error_bytes) {
    for (int i = 0; i < s->program->state_count; i++) {
        const CoupletStateInfo *info = &s->program->states[i];
        const CoupletTensorEntry *entry = couplet_tensors_find(file, info->name);
        if (!entry) {
            snprintf(error, error_bytes, "%s: the checkpoint has no array `%s`, which this method keeps", path, info->name);
            return false;
        }
        bool same = entry->type == info->type && entry->rank == info->rank;
        for (int a = 0; same && a < info->rank; a++) same = entry->shape[a] == info->shape[a];
        if (same) continue;
        snprintf(error, error_bytes, "%s: the array `%s` has another shape or type in the checkpoint than in this method", path, info->name);
        return false;
    }
    return true;
}

/* Checks, takes, and frees the file. */
static bool take_file(CoupletSession *s, const char *path, CoupletTensorFile *file, bool *same_plan, char *error, size_t error_bytes) {
    char method[24], plan[24];
    int64_t step, steps, epoch;
    const char *found = couplet_tensors_metadata(file, "method"), *seed = couplet_tensors_metadata(file, "seed"), *found_plan = couplet_tensors_metadata(file, "plan");
    snprintf(method, sizeof method, "%016" PRIx64, s->program->method_hash);
    snprintf(plan, sizeof plan, "%016" PRIx64, s->program->plan_hash);
    bool good = false;
    if (!found || !seed) snprintf(error, error_bytes, "%s: this is no checkpoint of Couplet: it has no `%s`", path, found ? "seed" : "method");
    else if (strcmp(found, method) != 0) snprintf(error, error_bytes, "%s: this is the checkpoint of another method (%s, and this one is %s)", path, found, method);
    else
        good = whole_number(file, path, "step", &step, error, error_bytes) && whole_number(file, path, "steps", &steps, error, error_bytes) &&
               whole_number(file, path, "epoch", &epoch, error, error_bytes) && arrays_fit(s, file, path, error, error_bytes);
    CoupletDevice *d = s->device;
    for (int i = 0; good && i < s->program->state_count; i++)
        good = d->calls->write(d, s->states[i], 0, couplet_tensors_find(file, s->program->states[i].name)->data, (int64_t)info_bytes(&s->program->states[i])) ||
               fail_device(s, error, error_bytes);
    good = good && (d->calls->wait(d) || fail_device(s, error, error_bytes));
    if (good) {
        s->step = step;
        s->total_steps = steps;
        s->epoch = epoch;
        s->seed = strtoull(seed, NULL, 10);
        *same_plan = found_plan && strcmp(found_plan, plan) == 0;
    }
    couplet_tensors_free(file);
    return good;
}

bool couplet_session_load(CoupletSession *s, const char *path, bool *same_plan, char *error, size_t error_bytes) {
    CoupletTensorFile file;
    return couplet_tensors_read(path, &file, error, error_bytes) && take_file(s, path, &file, same_plan, error, error_bytes);
}

bool couplet_session_load_bytes(CoupletSession *s, const char *name, const void *bytes, size_t length, bool *same_plan, char *error, size_t error_bytes) {
    CoupletTensorFile file;
    return couplet_tensors_parse(name, bytes, length, &file, error, error_bytes) && take_file(s, name, &file, same_plan, error, error_bytes);
}

void couplet_session_free(CoupletSession *s) {
    if (!s) return;
    for (int i = 0; s->states && i < s->program->state_count; i++)
        if (s->states[i]) s->device->calls->release(s->device, s->states[i]);
    free(s->states);
    free(s->hyper_reals);
    free(s->hyper_words);
    free(s);
}
