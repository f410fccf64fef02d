/* Times a training step on made-up data, kernel by kernel. The step is the program's own, with its
 * states started as in a run; only the rows are noise. So no data is needed, and the step alone is
 * measured. */
#include "compiler/driver/step_bench.h"

#include "compiler/driver/yardstick.h"
#include "runtime/random.h"
#include "runtime/ranks.h"
#include "runtime/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SITE = 0x42454e43 /* "BENC" in ASCII */ };

typedef struct Bench {
    const CoupletProgram *program;
    const CoupletPlan *plan;
    const CoupletGroup *group;
    CoupletSession *session;
    CoupletRun *run;
    void **inputs, **made_up; /* `made_up` has those of the inputs that must be freed */
    double *now;
    double *kernels;
    double *whole;
    double *finite;
    double *commit;
    bool by_kernel;
    char *error;
    size_t error_bytes;
} Bench;

static bool fail(Bench *b, const char *sentence) {
    snprintf(b->error, b->error_bytes, "%s", sentence);
    return false;
}

/* Returns the field's name in an input such as "train.x" or "train.all.x", for the source "train".
 * NULL: the input is no field of that source. */
static const char *field_name(const char *input, const char *source) {
    const size_t length = strlen(source);
    if (strncmp(input, source, length) != 0 || input[length] != '.') return NULL;
    const char *field = input + length + 1;
    return strncmp(field, "all.", 4) == 0 ? field + 4 : field;
}

/* Returns the field that an input holds. NULL: the input holds row numbers or something else. */
static const CoupletField *program_field(const CoupletProgram *program, const char *input) {
    for (int i = 0; i < program->source_count; i++) {
        const CoupletSource *source = &program->sources[i];
        const char *name = field_name(input, source->name);
        for (int k = 0; name && k < source->field_count; k++)
            if (strcmp(source->fields[k].name, name) == 0) return &source->fields[k];
    }
    return NULL;
}

/* Makes the entries of an input: noise for bytes and reals, the numbers of the first rows for row
 * numbers, and draws for classes. An int without a known range is 0 or 1, because most tables that
 * such an int indexes have as many rows. */
static void *make_up(const CoupletProgram *program, const CoupletBuffer *buffer, const char *name) {
    int64_t count = couplet_buffer_count(buffer);
    unsigned char *data = malloc((size_t)(count * couplet_type_bytes(buffer->type)) + 1);
    if (!data) return NULL;
    const CoupletField *field = program_field(program, name);
    const uint32_t classes = field && field->classes > 0 ? (uint32_t)field->classes : 2;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = couplet_random_bits(1, 2, 3, SITE, (uint64_t)i, 0);
        int32_t word = (int32_t)(field ? bits % classes : (uint32_t)i);
        float real = (float)(bits >> 8) * 0x1p-24f;
        if (buffer->type == COUPLET_U8)
            data[i] = (unsigned char)(bits >> 24);
        else
            memcpy(data + 4 * i, buffer->type == COUPLET_I32 ? (void *)&word : (void *)&real, 4);
    }
    return data;
}

static bool bind_inputs(Bench *b) {
    couplet_session_scalars(b->session, b->plan, b->inputs);
    for (int i = 0; i < b->plan->input_count; i++) {
        if (b->inputs[i]) continue;
        b->inputs[i] = b->made_up[i] = make_up(
            b->program, &b->plan->buffers[b->plan->inputs[i].buffer], b->plan->inputs[i].name);
        if (!b->inputs[i]) return fail(b, "out of memory");
    }
    return true;
}

static bool one_step(Bench *b, int number) {
    CoupletFault fault;
    couplet_session_scalars(b->session, b->plan, b->inputs);
    const double start = yardstick_now();
    bool good = couplet_run_steps(b->run, b->inputs, b->session->states, &fault);
    const double done = yardstick_now();
    good = good && couplet_run_finite(b->run, &fault);
    const double checked = yardstick_now();
    good = good && couplet_run_commit(b->run, b->session->states, b->program->states, &fault);
    const double end = yardstick_now();
    if (!good) {
        snprintf(b->error, b->error_bytes, "%s: error: %s", fault.source, fault.sentence);
        return false;
    }
    b->whole[number] = end - start;
    b->finite[number] = checked - done;
    b->commit[number] = end - checked;
    b->session->step++;
    return true;
}

/* Adds `factor` times the waits and the sent bytes so far. run_steps takes those of the warm-up
 * away by a negative factor. */
static void add_waits(const Bench *b, StepTimes *times, double factor) {
    for (int i = 0; times->waits && i < b->plan->exchange_count; i++)
        times->waits[i] += factor * couplet_run_waited(b->run, i);
    times->sent_bytes += factor * (double)b->group->sent_bytes;
}

/* Runs the step. kernels[k * steps + s] is the time of kernel k in step s. The first step warms
 * up. */
static bool run_steps(Bench *b, int steps, StepTimes *times) {
    if (!one_step(b, 0)) return false;
    add_waits(b, times, -1.0 / steps);
    for (int s = 0; s < steps; s++) {
        memset(b->now, 0, sizeof *b->now * (size_t)b->plan->step_count);
        if (!one_step(b, s)) return false;
        for (int k = 0; k < b->plan->step_count; k++)
            b->kernels[k * steps + s] = b->now[k] * 1e-3;
    }
    add_waits(b, times, 1.0 / steps);
    return true;
}

static bool open_bench(Bench *b, CoupletDevice *device, int steps) {
    size_t kernels = (size_t)b->plan->step_count + 1;
    b->session = couplet_session_new(b->program, device, NULL, 0, b->error, b->error_bytes);
    if (!b->session) return false;
    /* In a run of this length, schedules are near their beginning. */
    b->session->total_steps = 1000;
    b->run = couplet_run_on(device, b->plan);
    b->inputs = calloc((size_t)b->plan->input_count + 1, sizeof *b->inputs);
    b->made_up = calloc((size_t)b->plan->input_count + 1, sizeof *b->made_up);
    b->now = calloc(kernels, sizeof *b->now);
    b->kernels = calloc(kernels * (size_t)steps, sizeof *b->kernels);
    b->whole = calloc(3 * (size_t)steps, sizeof *b->whole);
    b->finite = b->whole + steps;
    b->commit = b->whole + 2 * steps;
    if (!b->run || !b->inputs || !b->made_up || !b->now || !b->kernels || !b->whole)
        return fail(b, device->fault.kind ? device->fault.sentence : "out of memory");
    if (b->by_kernel) couplet_run_profile(b->run, b->now);
    return bind_inputs(b);
}

static bool take_medians(Bench *b, int steps, StepTimes *times) {
    times->kernels =
        b->by_kernel ? calloc((size_t)b->plan->step_count + 1, sizeof *times->kernels) : NULL;
    if (b->by_kernel && !times->kernels) return fail(b, "out of memory");
    for (int k = 0; times->kernels && k < b->plan->step_count; k++)
        times->kernels[k] = yardstick_median(b->kernels + k * steps, steps);
    times->whole = yardstick_median(b->whole, steps);
    times->finite = yardstick_median(b->finite, steps);
    times->commit = yardstick_median(b->commit, steps);
    times->steps = steps;
    return true;
}

int step_launches(const CoupletPlan *plan) {
    int count = 0;
    for (int i = 0; i<plan->step_count; i += plan->steps[i].abreast> 1 ? plan->steps[i].abreast : 1)
        count++;
    return count;
}

bool step_measure(const CoupletProgram *program, CoupletDevice *device, int steps, bool by_kernel,
                  StepTimes *times, char *error, size_t error_bytes) {
    Bench b = {.program = program,
               .plan = program->train,
               .group = device->group,
               .by_kernel = by_kernel,
               .error = error,
               .error_bytes = error_bytes};
    memset(times, 0, sizeof *times);
    if (couplet_ranks_cut(device, b.plan))
        times->waits = calloc((size_t)b.plan->exchange_count + 1, sizeof *times->waits);
    const bool good = open_bench(&b, device, steps) && run_steps(&b, steps, times) &&
                      take_medians(&b, steps, times);
    if (!good) {
        free(times->waits);
        times->waits = NULL;
    }
    for (int i = 0; b.made_up && i < b.plan->input_count; i++)
        free(b.made_up[i]);
    free(b.made_up);
    free(b.inputs);
    free(b.now);
    free(b.kernels);
    free(b.whole);
    couplet_run_free(b.run);
    couplet_session_free(b.session);
    return good;
}
