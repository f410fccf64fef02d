/* The interface of runtime/couplet.h over sessions and runs. */
#include "runtime/couplet.h"

#include "runtime/files.h"
#include "runtime/method.h"
#include "runtime/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CoupletModel {
    const CoupletProgram *program;
    CoupletThreads *threads;
    CoupletDevice *device;
    CoupletSession *session;
    const CoupletPhase *phase; /* that `run` is of; NULL: no step was made yet */
    CoupletRun *run;
    void **inputs;
    int64_t per_epoch; /* steps; 0: not known */
    char error[1024];
};

/* ---- what a method needs and gives --------------------------------------------------------------------------------- */

static bool is_data(const CoupletNamed *input) { return strchr(input->name, '.') && strncmp(input->name, "hyper.", 6) != 0; }

/* The number-th array of data among the inputs of a plan; NULL when there are fewer. */
static const CoupletNamed *data_input(const CoupletPlan *plan, int number) {
    for (int i = 0; i < plan->input_count; i++)
        if (is_data(&plan->inputs[i]) && number-- == 0) return &plan->inputs[i];
    return NULL;
}

int couplet_method_input_count(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    if (!program) return -1;
    int count = 0;
    while (data_input(program->train, count)) count++;
    return count;
}

int couplet_method_input(const CoupletMethod *method, int number, CoupletShape *shape) {
    const CoupletProgram *program = couplet_method_program(method);
    const CoupletNamed *input = program && number >= 0 ? data_input(program->train, number) : NULL;
    if (!input) return 0;
    const CoupletBuffer *buffer = &program->train->buffers[input->buffer];
    *shape = (CoupletShape){.name = input->name, .element = (CoupletElement)buffer->type, .rank = buffer->rank}; /* the enums agree */
    memcpy(shape->extent, buffer->shape, sizeof shape->extent);
    return 1;
}

const char *couplet_method_name(const CoupletMethod *method) { return method->name; }

int64_t couplet_method_batch(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    return program ? program->batch : 0;
}

static const CoupletPlan *features_of(const CoupletProgram *program) { return program && program->feature_count ? program->features[0] : NULL; }

int64_t couplet_method_image_bytes(const CoupletMethod *method) {
    const CoupletPlan *plan = features_of(couplet_method_program(method));
    int at = plan ? couplet_plan_input(plan, "image") : -1;
    if (at < 0) return 0;
    const CoupletBuffer *image = &plan->buffers[plan->inputs[at].buffer];
    return couplet_buffer_count(image) / image->shape[0];
}

int64_t couplet_method_feature_width(const CoupletMethod *method) {
    const CoupletPlan *plan = features_of(couplet_method_program(method));
    return plan ? couplet_plan_output(plan, "features")->shape[1] : 0;
}

int64_t couplet_method_parameter_count(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    int64_t count = 0;
    for (int i = 0; program && i < program->state_count; i++) {
        int64_t elements = 1;
        for (int a = 0; a < program->states[i].rank; a++) elements *= program->states[i].shape[a];
        if (program->states[i].role == COUPLET_ROLE_PARAM) count += elements;
    }
    return count;
}

/* States, and above them what runs hold: those of init, or a step's with features on top. */
size_t couplet_method_arena_bytes(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    if (!program) return 0;
    int64_t states = 0, most = couplet_run_bytes(program->init), train = 0, features = 0;
    for (int i = 0; i < program->state_count; i++) {
        int64_t bytes = couplet_type_bytes(program->states[i].type);
        for (int a = 0; a < program->states[i].rank; a++) bytes *= program->states[i].shape[a];
        states += couplet_device_round(bytes);
    }
    for (int i = 0; i < program->phase_count; i++)
        if (couplet_run_bytes(program->phases[i].train) > train) train = couplet_run_bytes(program->phases[i].train);
    for (int i = 0; i < program->feature_count; i++)
        if (couplet_run_bytes(program->features[i]) > features) features = couplet_run_bytes(program->features[i]);
    if (train + features > most) most = train + features;
    return (size_t)(states + most);
}

/* ---- models ---------------------------------------------------------------------------------------------------------- */

static CoupletStatus fail(CoupletModel *m, CoupletStatus status, const char *format, ...) __attribute__((format(printf, 3, 4)));
static CoupletStatus fail(CoupletModel *m, CoupletStatus status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(m->error, sizeof m->error, format, args);
    va_end(args);
    return status;
}

/* The length of the training is the caller's, whatever the file says. */
static CoupletStatus load_bytes(CoupletModel *m, const char *name, const void *bytes, size_t length) {
    bool same_plan;
    int64_t total = m->session->total_steps;
    bool good = couplet_session_load_bytes(m->session, name, bytes, length, &same_plan, m->error, sizeof m->error);
    m->session->total_steps = total;
    return good ? COUPLET_OK : COUPLET_ERROR_WEIGHTS;
}

static CoupletStatus open_model(CoupletModel *m, const CoupletMethod *method, const CoupletModelOptions *o) {
    m->program = couplet_method_program(method);
    if (!m->program) return fail(m, COUPLET_ERROR_PROCESSOR, "%s was compiled for %s and above, which this machine has not", method->name, method->variants[method->variant_count - 1].level);
    if (o->arena && (uintptr_t)o->arena % 128) return fail(m, COUPLET_ERROR_ARGUMENT, "the arena is not aligned to 128 bytes");
    m->threads = couplet_threads_new(o->threads);
    if (!m->threads) return fail(m, COUPLET_ERROR_MEMORY, "%d threads cannot be started", o->threads);
    m->device = couplet_host_device_in(m->threads, o->arena, o->arena ? (int64_t)o->arena_bytes : 0);
    if (!m->device) return fail(m, COUPLET_ERROR_MEMORY, "out of memory");
    m->session = couplet_session_new(m->program, m->device, m->threads, o->seed, m->error, sizeof m->error);
    if (!m->session) return COUPLET_ERROR_MEMORY;
    m->per_epoch = o->steps_per_epoch;
    m->session->total_steps = o->total_steps;
    if (!method->weights) return COUPLET_OK;
    return load_bytes(m, "the embedded weights", method->weights, (size_t)method->weight_bytes);
}

CoupletStatus couplet_model_new(const CoupletMethod *method, const CoupletModelOptions *options, CoupletModel **model, char *error, size_t error_bytes) {
    static const CoupletModelOptions none;
    CoupletModel *m = calloc(1, sizeof *m);
    *model = NULL;
    CoupletStatus status = m ? open_model(m, method, options ? options : &none) : COUPLET_ERROR_MEMORY;
    if (error && error_bytes) snprintf(error, error_bytes, "%s", m ? m->error : "out of memory");
    if (status == COUPLET_OK) *model = m;
    else couplet_model_free(m);
    return status;
}

void couplet_model_free(CoupletModel *m) {
    if (!m) return;
    couplet_run_free(m->run);
    free(m->inputs);
    couplet_session_free(m->session);
    couplet_device_free(m->device);
    couplet_threads_free(m->threads);
    free(m);
}

CoupletStatus couplet_model_load(CoupletModel *m, const char *path) {
    m->error[0] = 0;
    size_t length;
    char *bytes = couplet_text_read(path, &length, m->error, sizeof m->error);
    if (!bytes) return COUPLET_ERROR_FILE;
    CoupletStatus status = load_bytes(m, path, bytes, length);
    free(bytes);
    return status;
}

CoupletStatus couplet_model_save(CoupletModel *m, const char *path) {
    m->error[0] = 0;
    return couplet_session_save(m->session, path, m->error, sizeof m->error) ? COUPLET_OK : COUPLET_ERROR_FILE;
}

/* ---- steps ------------------------------------------------------------------------------------------------------------- */

static CoupletStatus enter_phase(CoupletModel *m) {
    const CoupletPhase *phase = couplet_program_phase(m->program, m->session->epoch, m->session->step);
    if (phase == m->phase) return COUPLET_OK;
    if (phase->action_count)
        return fail(m, COUPLET_ERROR_ARGUMENT, "%s: this method works on its whole data before each epoch, which one who hands it batches has not; its own program trains it",
                    phase->actions[0].place);
    couplet_run_free(m->run);
    free(m->inputs);
    m->phase = NULL;
    m->inputs = calloc((size_t)phase->train->input_count + 1, sizeof *m->inputs);
    m->run = m->inputs ? couplet_run_on(m->device, phase->train) : NULL;
    if (!m->run) {
        CoupletStatus status = fail(m, COUPLET_ERROR_MEMORY, "a step needs %.1f MB: %s", (double)couplet_run_bytes(phase->train) / 1e6, m->device->fault.sentence);
        couplet_device_clear(m->device);
        return status;
    }
    m->phase = phase;
    return COUPLET_OK;
}

static CoupletStatus bind(CoupletModel *m, const CoupletInput *inputs, int input_count) {
    const CoupletPlan *plan = m->phase->train;
    for (int i = 0; i < plan->input_count; i++) {
        if (!is_data(&plan->inputs[i])) continue;
        const CoupletInput *given = NULL;
        for (int k = 0; k < input_count; k++)
            if (inputs[k].name && strcmp(inputs[k].name, plan->inputs[i].name) == 0) given = &inputs[k];
        int64_t expected = couplet_buffer_count(&plan->buffers[plan->inputs[i].buffer]);
        if (!given || !given->data) return fail(m, COUPLET_ERROR_ARGUMENT, "the step reads `%s`, which was not given", plan->inputs[i].name);
        if (given->count != expected)
            return fail(m, COUPLET_ERROR_ARGUMENT, "`%s` has %lld elements, and %lld were expected", given->name, (long long)given->count, (long long)expected);
        m->inputs[i] = (void *)(uintptr_t)given->data;
    }
    couplet_session_scalars(m->session, plan, m->inputs);
    return COUPLET_OK;
}

CoupletStatus couplet_model_step(CoupletModel *m, const CoupletInput *inputs, int input_count, float *loss) {
    m->error[0] = 0;
    if (m->session->total_steps < 1) return fail(m, COUPLET_ERROR_ARGUMENT, "total_steps of the model's options is needed to train: schedules span it");
    CoupletStatus status = enter_phase(m);
    if (status == COUPLET_OK) status = bind(m, inputs, input_count);
    if (status != COUPLET_OK) return status;
    CoupletFault fault;
    CoupletSession *s = m->session;
    bool good = couplet_run_steps(m->run, m->inputs, s->states, &fault) && couplet_run_finite(m->run, &fault) &&
                couplet_run_commit(m->run, s->states, m->program->states, &fault);
    if (!good) {
        status = fail(m, COUPLET_ERROR_NUMBERS, "%s: %s", fault.source, fault.sentence);
        couplet_device_clear(m->device);
        return status;
    }
    if (loss) *loss = *(const float *)couplet_run_output(m->run, "loss");
    s->step++;
    if (m->per_epoch) s->epoch = s->step / m->per_epoch;
    return COUPLET_OK;
}

int64_t couplet_model_steps(const CoupletModel *m) { return m->session->step; }

CoupletStatus couplet_model_embed(CoupletModel *m, const uint8_t *images, int64_t count, float *out) {
    m->error[0] = 0;
    const CoupletPlan *plan = features_of(m->program);
    if (!plan) return fail(m, COUPLET_ERROR_ARGUMENT, "the method has no `eval` block, and so no features");
    if (count < 0 || (count > 0 && (!images || !out))) return fail(m, COUPLET_ERROR_ARGUMENT, "%lld images were given", (long long)count);
    const CoupletBuffer *image = &plan->buffers[plan->inputs[couplet_plan_input(plan, "image")].buffer];
    CoupletDataset data = {.name = "the images", .count = count, .image_bytes = couplet_buffer_count(image) / image->shape[0], .images = (uint8_t *)(uintptr_t)images};
    if (count == 0 || couplet_session_features(m->session, plan->name, &data, out, m->error, sizeof m->error)) return COUPLET_OK;
    couplet_device_clear(m->device);
    return COUPLET_ERROR_NUMBERS;
}

const char *couplet_model_error(const CoupletModel *m) { return m->error; }

const char *couplet_status_text(CoupletStatus status) {
    static const char *const texts[] = {"done", "out of memory", "a file that cannot be read or written", "weights that do not fit", "a wrong argument",
                                        "numbers that went wrong", "a processor that the method was not compiled for"};
    return (size_t)status < sizeof texts / sizeof *texts ? texts[status] : "an unknown status";
}
