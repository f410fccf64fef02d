/* Implements runtime/couplet.h over sessions and runs. */
#include "runtime/couplet.h"

#include "runtime/dispatch.h"
#include "runtime/files.h"
#include "runtime/given.h"
#include "runtime/numbers.h"
#include "runtime/run.h"
#include "runtime/session.h"
#include "runtime/weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CoupletModel {
    const CoupletProgram *program;
    CoupletThreads *threads;
    CoupletDevice *device;
    CoupletSession *session;
    const CoupletPhase *phase; /* the phase of `run`; NULL: no step was made yet */
    CoupletRun *run;
    void **inputs;
    int64_t per_epoch; /* the steps of an epoch; 0: not known */
    bool has_given;    /* true if the arrays that the last step gave are there */
    char error[1024];
};

/* ---- what a method needs and gives ----------------------------------------------------------- */

/* True for an input of data, such as "train.image", which the caller hands over. */
static bool is_data(const CoupletNamed *input) {
    return strchr(input->name, '.') && strncmp(input->name, "hyper.", 6) != 0;
}

/* Returns array `number` of the data among a plan's inputs, or NULL if there are fewer. */
static const CoupletNamed *data_input(const CoupletPlan *plan, int number) {
    for (int i = 0; i < plan->input_count; i++)
        if (is_data(&plan->inputs[i]) && number-- == 0) return &plan->inputs[i];
    return NULL;
}

int couplet_method_input_count(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    if (!program) return -1;
    int count = 0;
    while (data_input(program->train, count))
        count++;
    return count;
}

int couplet_method_input(const CoupletMethod *method, int number, CoupletShape *shape) {
    const CoupletProgram *program = couplet_method_program(method);
    const CoupletNamed *input = program && number >= 0 ? data_input(program->train, number) : NULL;
    if (!input || !shape) return 0;
    const CoupletBuffer *buffer = &program->train->buffers[input->buffer];
    /* CoupletElement has the values of CoupletType. */
    *shape = (CoupletShape){
        .name = input->name, .element = (CoupletElement)buffer->type, .rank = buffer->rank};
    memcpy(shape->extent, buffer->shape, sizeof shape->extent);
    return 1;
}

int couplet_method_given_count(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    if (!program) return -1;
    int count = 0;
    while (couplet_given(program, count, NULL))
        count++;
    return count;
}

int couplet_method_given(const CoupletMethod *method, int number, CoupletShape *shape) {
    const CoupletProgram *program = couplet_method_program(method);
    const CoupletBuffer *buffer;
    const char *name = program && number >= 0 ? couplet_given(program, number, &buffer) : NULL;
    if (!name || !shape) return 0;
    *shape =
        (CoupletShape){.name = name, .element = (CoupletElement)buffer->type, .rank = buffer->rank};
    memcpy(shape->extent, buffer->shape, sizeof shape->extent);
    return 1;
}

const char *couplet_method_name(const CoupletMethod *method) {
    return method ? method->name : "";
}

int64_t couplet_method_batch(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    return program ? program->batch : 0;
}

static const CoupletPlan *features_plan(const CoupletProgram *program) {
    return program && program->feature_count ? program->features[0] : NULL;
}

/* Returns the only field of samples, or NULL if there are none or several. */
static const CoupletBuffer *only_field(const CoupletPlan *plan) {
    return couplet_features_field_count(plan) == 1 ? couplet_features_field(plan, 0, NULL) : NULL;
}

int64_t couplet_method_sample_bytes(const CoupletMethod *method) {
    const CoupletPlan *plan = features_plan(couplet_method_program(method));
    return only_field(plan) ? couplet_features_field_bytes(plan, 0) : 0;
}

int64_t couplet_method_image_bytes(const CoupletMethod *method) {
    return couplet_method_sample_bytes(method);
}

int couplet_method_field_count(const CoupletMethod *method) {
    return couplet_features_field_count(features_plan(couplet_method_program(method)));
}

int couplet_method_field(const CoupletMethod *method, int number, CoupletShape *shape) {
    const char *name;
    const CoupletBuffer *field =
        number < 0
            ? NULL
            : couplet_features_field(features_plan(couplet_method_program(method)), number, &name);
    if (!field || !shape) return 0;
    *shape = (CoupletShape){
        .name = name, .element = (CoupletElement)field->type, .rank = field->rank - 1};
    memcpy(shape->extent, field->shape + 1, (size_t)shape->rank * sizeof *shape->extent);
    return 1;
}

int couplet_method_sample(const CoupletMethod *method, CoupletShape *shape) {
    return only_field(features_plan(couplet_method_program(method)))
               ? couplet_method_field(method, 0, shape)
               : 0;
}

int64_t couplet_method_feature_width(const CoupletMethod *method) {
    const CoupletPlan *plan = features_plan(couplet_method_program(method));
    return plan ? couplet_plan_output(plan, "features")->shape[1] : 0;
}

int64_t couplet_method_parameter_count(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    int64_t count = 0;
    for (int i = 0; program && i < program->state_count; i++) {
        int64_t elements = 1;
        for (int a = 0; a < program->states[i].rank; a++)
            elements *= program->states[i].shape[a];
        if (program->states[i].role == COUPLET_ROLE_PARAM) {
            count += elements;
        }
    }
    return count;
}

/* The arena holds the states, and above them what runs need: that of init, or that of a step with
 * that of features on top. */
size_t couplet_method_arena_bytes(const CoupletMethod *method) {
    const CoupletProgram *program = couplet_method_program(method);
    if (!program) return 0;
    int64_t states = 0;
    int64_t most = couplet_run_bytes(program->init);
    int64_t train = 0;
    int64_t features = 0;
    for (int i = 0; i < program->state_count; i++) {
        int64_t bytes = couplet_type_bytes(program->states[i].type);
        for (int a = 0; a < program->states[i].rank; a++)
            bytes *= program->states[i].shape[a];
        states += couplet_device_round(bytes);
    }
    for (int i = 0; i < program->phase_count; i++)
        if (couplet_run_bytes(program->phases[i].train) > train)
            train = couplet_run_bytes(program->phases[i].train);
    for (int i = 0; i < program->feature_count; i++)
        if (couplet_run_bytes(program->features[i]) > features)
            features = couplet_run_bytes(program->features[i]);
    if (train + features > most) most = train + features;
    return (size_t)(states + most);
}

/* ---- models ---------------------------------------------------------------------------------- */

static CoupletStatus fail_with(CoupletModel *m, CoupletStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static CoupletStatus fail_with(CoupletModel *m, CoupletStatus status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(m->error, sizeof m->error, format, args);
    va_end(args);
    return status;
}

/* Loads a checkpoint. The caller decides the length of the training, whatever the checkpoint
 * says. */
static CoupletStatus load_bytes(CoupletModel *m, const char *name, const void *bytes,
                                size_t length) {
    CoupletLoaded loaded;
    int64_t total = m->session->total_steps;
    m->has_given = false;
    bool good = couplet_session_load_bytes(m->session, name, bytes, length, &loaded, m->error,
                                           sizeof m->error);
    m->session->total_steps = total;
    return good ? COUPLET_OK : COUPLET_ERROR_WEIGHTS;
}

/* Returns a sentence about the first impossible option, or NULL. */
static const char *wrong_option(const CoupletModelOptions *o) {
    if (o->threads < 0 || o->threads > COUPLET_MOST_THREADS)
        return "threads of the options is not in 0 .. 256; 0 is one for each core";
    if (o->total_steps < 0)
        return "total_steps of the options is negative; 0 is for a model that only embeds";
    if (o->total_steps > COUPLET_MOST_STEPS)
        return "total_steps of the options is above 2147483647, which kernels do not count to";
    if (o->steps_per_epoch < 0)
        return "steps_per_epoch of the options is negative; 0 is for methods that read no epoch";
    if (!o->arena && o->arena_bytes)
        return "arena of the options is NULL, and arena_bytes is not 0";
    if ((uintptr_t)o->arena % 128) return "the arena is not aligned to 128 bytes";
    return NULL;
}

static void say_nothing(void *context, const char *line) {
    (void)context;
    (void)line;
}

/* Takes the arrays of the method's `start` statements. Their relative paths start from the current
 * folder here. */
static CoupletStatus begin_model(CoupletModel *m) {
    uint64_t *hashes = calloc((size_t)m->program->start_count + 1, sizeof *hashes);
    if (!hashes) return fail_with(m, COUPLET_ERROR_MEMORY, "out of memory");
    const bool good = couplet_weights_take(m->session, NULL, hashes, say_nothing, NULL, m->error,
                                           sizeof m->error);
    free(hashes);
    return good ? COUPLET_OK : COUPLET_ERROR_WEIGHTS;
}

static CoupletStatus open_model(CoupletModel *m, const CoupletMethod *method,
                                const CoupletModelOptions *o) {
    if (!method) return fail_with(m, COUPLET_ERROR_ARGUMENT, "the method is NULL");
    m->program = couplet_method_program(method);
    if (!m->program)
        return fail_with(m, COUPLET_ERROR_PROCESSOR,
                         "%s was compiled for %s and above, which this machine has not",
                         method->name, method->variants[method->variant_count - 1].level);
    if (wrong_option(o)) return fail_with(m, COUPLET_ERROR_ARGUMENT, "%s", wrong_option(o));
    m->threads = couplet_threads_new(o->threads);
    if (!m->threads)
        return fail_with(m, COUPLET_ERROR_MEMORY, "%d threads cannot be started", o->threads);
    m->device =
        couplet_host_device_in(m->threads, o->arena, o->arena ? (int64_t)o->arena_bytes : 0);
    if (!m->device) return fail_with(m, COUPLET_ERROR_MEMORY, "out of memory");
    m->session =
        couplet_session_new(m->program, m->device, m->threads, o->seed, m->error, sizeof m->error);
    if (!m->session) return COUPLET_ERROR_MEMORY;
    m->per_epoch = o->steps_per_epoch;
    m->session->total_steps = o->total_steps;
    if (!method->weights) return begin_model(m);
    return load_bytes(m, "the embedded weights", method->weights, (size_t)method->weight_bytes);
}

CoupletStatus couplet_model_new(const CoupletMethod *method, const CoupletModelOptions *options,
                                CoupletModel **model, char *error, size_t error_bytes) {
    static const CoupletModelOptions none;
    const bool tells = error && error_bytes;
    if (!model) {
        if (tells) {
            snprintf(error, error_bytes, "the place for the model is NULL");
        }
        return COUPLET_ERROR_ARGUMENT;
    }
    CoupletModel *m = calloc(1, sizeof *m);
    *model = NULL;
    CoupletStatus status =
        m ? open_model(m, method, options ? options : &none) : COUPLET_ERROR_MEMORY;
    if (tells) {
        snprintf(error, error_bytes, "%s", m ? m->error : "out of memory");
    }
    if (status == COUPLET_OK)
        *model = m;
    else
        couplet_model_free(m);
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
    if (!m) return COUPLET_ERROR_ARGUMENT;
    m->error[0] = 0;
    if (!path) return fail_with(m, COUPLET_ERROR_ARGUMENT, "the path of the checkpoint is NULL");
    size_t length;
    char *bytes = couplet_text_read(path, &length, m->error, sizeof m->error);
    if (!bytes) return COUPLET_ERROR_FILE;
    CoupletStatus status = load_bytes(m, path, bytes, length);
    free(bytes);
    return status;
}

CoupletStatus couplet_model_save(CoupletModel *m, const char *path) {
    if (!m) return COUPLET_ERROR_ARGUMENT;
    m->error[0] = 0;
    if (!path) return fail_with(m, COUPLET_ERROR_ARGUMENT, "the path of the checkpoint is NULL");
    return couplet_session_save(m->session, path, m->error, sizeof m->error) ? COUPLET_OK
                                                                             : COUPLET_ERROR_FILE;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Prepares to run the phase of the next step. */
static CoupletStatus enter_phase(CoupletModel *m) {
    const CoupletPhase *phase =
        couplet_program_phase(m->program, 0, m->session->epoch, m->session->step);
    if (phase == m->phase) return COUPLET_OK;
    if (m->program->stage_count)
        return fail_with(
            m, COUPLET_ERROR_ARGUMENT,
            "this method has stages, each with batches and a clock of its own, which one "
            "who hands it batches has not; its own program trains it");
    if (phase->action_count)
        return fail_with(m, COUPLET_ERROR_ARGUMENT,
                         "%s: this method works on its whole data before each epoch, which one who "
                         "hands it batches has not; its own program trains it",
                         phase->actions[0].place);
    couplet_run_free(m->run);
    free(m->inputs);
    m->phase = NULL;
    m->inputs = calloc((size_t)phase->train->input_count + 1, sizeof *m->inputs);
    m->run = m->inputs ? couplet_run_on(m->device, phase->train) : NULL;
    if (!m->run) {
        CoupletStatus status =
            fail_with(m, COUPLET_ERROR_MEMORY, "a step needs %lld bytes: %s",
                      (long long)couplet_run_bytes(phase->train), m->device->fault.sentence);
        couplet_device_clear(m->device);
        return status;
    }
    m->phase = phase;
    return COUPLET_OK;
}

static bool source_has(const CoupletProgram *p, int source, const char *field) {
    const CoupletSource *s = &p->sources[source];
    bool found = strcmp(field, "index") == 0;
    for (int i = 0; i < s->field_count; i++)
        found |= strcmp(s->fields[i].name, field) == 0;
    for (int i = 0; i < p->eval_count; i++) {
        const CoupletEval *e = &p->evals[i];
        if (e->bank == source || e->query == source) {
            found |= strcmp(e->labels, field) == 0;
        }
    }
    return found;
}

/* True if the method knows an array of this name, whether or not this step reads it. */
static bool is_known(const CoupletModel *m, const char *name) {
    const CoupletProgram *p = m->program;
    for (int i = 0; i < p->phase_count; i++)
        if (couplet_plan_input(p->phases[i].train, name) >= 0) return true;
    for (int i = 0; i < p->source_count; i++) {
        const size_t length = strlen(p->sources[i].name);
        if (strncmp(p->sources[i].name, name, length) == 0 && name[length] == '.' &&
            source_has(p, i, name + length + 1))
            return true;
    }
    return false;
}

/* Writes names for messages, such as "`train.image`, `train.index`". */
static const char *names_of_inputs(const CoupletPlan *plan, char *out, size_t bytes) {
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; data_input(plan, i) && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s`%s`", i ? ", " : "",
                                 data_input(plan, i)->name);
    return out;
}

static CoupletStatus check_names(CoupletModel *m, const CoupletInput *inputs, int input_count) {
    char names[512];
    if (input_count < 0 || (input_count > 0 && !inputs))
        return fail_with(m, COUPLET_ERROR_ARGUMENT, "%d inputs were given%s; the step reads %s",
                         input_count, inputs ? "" : " as a NULL",
                         names_of_inputs(m->phase->train, names, sizeof names));
    for (int k = 0; k < input_count; k++) {
        const char *name = inputs[k].name;
        if (!name || !is_known(m, name))
            return fail_with(m, COUPLET_ERROR_ARGUMENT,
                             "there is no input `%.100s`; the step reads %s", name ? name : "NULL",
                             names_of_inputs(m->phase->train, names, sizeof names));
        for (int earlier = 0; earlier < k; earlier++)
            if (strcmp(inputs[earlier].name, name) == 0)
                return fail_with(m, COUPLET_ERROR_ARGUMENT, "the input `%s` is given twice", name);
    }
    return COUPLET_OK;
}

/* Binds the caller's arrays, and the run scalars, to the inputs of the step. */
static CoupletStatus bind(CoupletModel *m, const CoupletInput *inputs, int input_count) {
    const CoupletPlan *plan = m->phase->train;
    CoupletStatus status = check_names(m, inputs, input_count);
    for (int i = 0; status == COUPLET_OK && i < plan->input_count; i++) {
        if (!is_data(&plan->inputs[i])) continue;
        const CoupletInput *given = NULL;
        for (int k = 0; k < input_count; k++)
            if (strcmp(inputs[k].name, plan->inputs[i].name) == 0) given = &inputs[k];
        int64_t expected = couplet_buffer_count(&plan->buffers[plan->inputs[i].buffer]);
        if (!given)
            return fail_with(m, COUPLET_ERROR_ARGUMENT, "the step reads `%s`, which was not given",
                             plan->inputs[i].name);
        if (!given->data)
            return fail_with(m, COUPLET_ERROR_ARGUMENT, "the array of `%s` is NULL", given->name);
        if (given->count != expected)
            return fail_with(m, COUPLET_ERROR_ARGUMENT,
                             "`%s` has %lld elements, and %lld are expected", given->name,
                             (long long)given->count, (long long)expected);
        m->inputs[i] = (void *)(uintptr_t)given->data;
    }
    if (status == COUPLET_OK) {
        couplet_session_scalars(m->session, plan, m->inputs);
    }
    return status;
}

CoupletStatus couplet_model_step(CoupletModel *m, const CoupletInput *inputs, int input_count,
                                 float *loss) {
    if (!m) return COUPLET_ERROR_ARGUMENT;
    m->error[0] = 0;
    const int64_t done = m->session->step;
    const int64_t total = m->session->total_steps;
    if (total < 1)
        return fail_with(
            m, COUPLET_ERROR_ARGUMENT,
            "total_steps of the model's options is needed to train: schedules span it");
    if (done >= total)
        return fail_with(m, COUPLET_ERROR_ARGUMENT,
                         "all %lld of total_steps are made, %lld in all: schedules end there",
                         (long long)total, (long long)done);
    m->has_given = false;
    CoupletStatus status = enter_phase(m);
    if (status == COUPLET_OK) status = bind(m, inputs, input_count);
    if (status != COUPLET_OK) return status;
    CoupletFault fault;
    CoupletSession *s = m->session;
    bool good = couplet_run_steps(m->run, m->inputs, s->states, &fault) &&
                couplet_run_finite(m->run, &fault) &&
                couplet_run_commit(m->run, s->states, m->program->states, &fault);
    if (!good) {
        char advice[400];
        couplet_session_advise(s, &fault, advice, sizeof advice);
        couplet_fault_text(&fault, NULL, m->error, sizeof m->error);
        status = COUPLET_ERROR_NUMBERS;
        couplet_device_clear(m->device);
        return status;
    }
    const float value = *(const float *)couplet_run_output(m->run, "loss");
    couplet_session_losses(s, m->run, m->phase->train);
    if (loss) *loss = value;
    couplet_session_count(s, value, m->per_epoch);
    m->has_given = true;
    return COUPLET_OK;
}

static bool is_given(const CoupletProgram *program, const char *name) {
    const char *given;
    for (int i = 0; (given = couplet_given(program, i, NULL)); i++)
        if (strcmp(given, name) == 0) return true;
    return false;
}

CoupletStatus couplet_model_given(CoupletModel *m, const char *name, void *out, int64_t count) {
    if (!m) return COUPLET_ERROR_ARGUMENT;
    m->error[0] = 0;
    if (!name || !is_given(m->program, name))
        return fail_with(m, COUPLET_ERROR_ARGUMENT, "the method gives nothing by the name `%.100s`",
                         name ? name : "NULL");
    if (!out) return fail_with(m, COUPLET_ERROR_ARGUMENT, "the array for `%.100s` is NULL", name);
    if (!m->has_given)
        return fail_with(
            m, COUPLET_ERROR_ARGUMENT,
            "there is no step whose `%.100s` could be given: it is what the last step made", name);
    const CoupletPlan *plan = m->phase->train;
    const CoupletNamed *output = couplet_given_output(plan, name);
    if (!output)
        return fail_with(
            m, COUPLET_ERROR_ARGUMENT,
            "the last step gives no `%.100s`: it belongs to another phase of the method", name);
    const CoupletBuffer *b = &plan->buffers[output->buffer];
    if (count != couplet_buffer_count(b))
        return fail_with(m, COUPLET_ERROR_ARGUMENT,
                         "`%.100s` has %lld elements, and room for %lld is there", name,
                         (long long)couplet_buffer_count(b), (long long)count);
    memcpy(out, couplet_run_output(m->run, output->name), (size_t)couplet_buffer_bytes(b));
    return COUPLET_OK;
}

int64_t couplet_model_steps(const CoupletModel *m) {
    return m ? m->session->step : 0;
}

static CoupletStatus embed_samples(CoupletModel *m, const CoupletPlan *plan,
                                   const CoupletSamples *samples, float *out) {
    if (samples->count > 0 && !out)
        return fail_with(m, COUPLET_ERROR_ARGUMENT,
                         "the array for the features of %lld samples is NULL",
                         (long long)samples->count);
    if (samples->count == 0 ||
        couplet_session_features(m->session, plan->name, samples, out, m->error, sizeof m->error))
        return COUPLET_OK;
    couplet_device_clear(m->device);
    return COUPLET_ERROR_NUMBERS;
}

/* Returns COUPLET_OK if the method has features, and if this may be a number of samples. */
static CoupletStatus may_embed(CoupletModel *m, const CoupletPlan *plan, int64_t count) {
    if (!plan)
        return fail_with(m, COUPLET_ERROR_ARGUMENT,
                         "the method has no `eval` block, and so no features");
    if (count < 0)
        return fail_with(m, COUPLET_ERROR_ARGUMENT,
                         "%lld samples were given, and 0 or more are expected", (long long)count);
    return COUPLET_OK;
}

CoupletStatus couplet_model_embed(CoupletModel *m, const void *samples, int64_t count, float *out) {
    if (!m) return COUPLET_ERROR_ARGUMENT;
    m->error[0] = 0;
    const CoupletPlan *plan = features_plan(m->program);
    const CoupletStatus status = may_embed(m, plan, count);
    char names[512];
    if (status != COUPLET_OK) return status;
    if (!only_field(plan))
        return fail_with(
            m, COUPLET_ERROR_ARGUMENT,
            "a sample is made of the fields %s, which couplet_model_embed_fields takes",
            couplet_features_fields_text(plan, names, sizeof names));
    if (count > 0 && !samples)
        return fail_with(m, COUPLET_ERROR_ARGUMENT, "the array of the %lld samples is NULL",
                         (long long)count);
    return embed_samples(
        m, plan, &(CoupletSamples){.name = "the samples", .rows = &samples, .count = count}, out);
}

static const CoupletInput *find_given(const CoupletInput *fields, int field_count,
                                      const char *name) {
    const CoupletInput *found = NULL;
    for (int i = 0; i < field_count; i++)
        if (fields[i].name && strcmp(fields[i].name, name) == 0) found = &fields[i];
    return found;
}

/* Finds the array of each field, in the order of the plan. Refuses a field that is missing, given
 * twice or unknown. */
static CoupletStatus take_fields(CoupletModel *m, const CoupletPlan *plan,
                                 const CoupletInput *fields, int field_count, int64_t count,
                                 const void **rows) {
    const char *name;
    const CoupletBuffer *b;
    char names[512];
    for (int i = 0; (b = couplet_features_field(plan, i, &name)); i++) {
        const CoupletInput *given = find_given(fields, field_count, name);
        const int64_t expected = couplet_buffer_count(b) / b->shape[0] * count;
        if (!given)
            return fail_with(m, COUPLET_ERROR_ARGUMENT,
                             "a sample has the field `%s`, which was not given; it is made of %s",
                             name, couplet_features_fields_text(plan, names, sizeof names));
        if (count > 0 && !given->data)
            return fail_with(m, COUPLET_ERROR_ARGUMENT, "the array of `%s` is NULL", name);
        if (given->count != expected)
            return fail_with(m, COUPLET_ERROR_ARGUMENT,
                             "`%s` has %lld elements, and %lld are expected for %lld samples", name,
                             (long long)given->count, (long long)expected, (long long)count);
        rows[i] = given->data;
    }
    for (int i = 0; i < field_count; i++) {
        bool known = false;
        for (int f = 0; fields[i].name && couplet_features_field(plan, f, &name); f++)
            known |= strcmp(fields[i].name, name) == 0;
        if (!known || find_given(fields + i + 1, field_count - i - 1, fields[i].name))
            return fail_with(m, COUPLET_ERROR_ARGUMENT,
                             known ? "the field `%.100s` is given twice%s"
                                   : "a sample has no field `%.100s`; it is made of %s",
                             fields[i].name ? fields[i].name : "NULL",
                             known ? "" : couplet_features_fields_text(plan, names, sizeof names));
    }
    return COUPLET_OK;
}

CoupletStatus couplet_model_embed_fields(CoupletModel *m, const CoupletInput *fields,
                                         int field_count, int64_t count, float *out) {
    if (!m) return COUPLET_ERROR_ARGUMENT;
    m->error[0] = 0;
    const CoupletPlan *plan = features_plan(m->program);
    CoupletStatus status = may_embed(m, plan, count);
    if (status != COUPLET_OK) return status;
    if (field_count < 0 || (field_count > 0 && !fields))
        return fail_with(m, COUPLET_ERROR_ARGUMENT, "%d fields were given%s", field_count,
                         fields ? "" : " as a NULL");
    const void **rows = malloc(((size_t)couplet_features_field_count(plan) + 1) * sizeof *rows);
    if (!rows) return fail_with(m, COUPLET_ERROR_MEMORY, "out of memory");
    status = take_fields(m, plan, fields, field_count, count, rows);
    if (status == COUPLET_OK)
        status = embed_samples(
            m, plan, &(CoupletSamples){.name = "the samples", .rows = rows, .count = count}, out);
    free(rows);
    return status;
}

const char *couplet_model_error(const CoupletModel *m) {
    return m ? m->error : "the model is NULL";
}

const char *couplet_version(void) {
    return COUPLET_VERSION;
}

const char *couplet_status_text(CoupletStatus status) {
    static const char *const texts[] = {"done",
                                        "out of memory",
                                        "a file that cannot be read or written",
                                        "weights that do not fit",
                                        "a wrong argument",
                                        "numbers that went wrong",
                                        "a processor that the method was not compiled for",
                                        "a formula with mistakes",
                                        "stopped by the caller"};
    return (size_t)status < sizeof texts / sizeof *texts ? texts[status] : "an unknown status";
}
