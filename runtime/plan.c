#include "runtime/plan.h"

#include "runtime/packed.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How an input comes to a device that is not the host. */
typedef struct Feed {
    enum { FEED_ARRAY, FEED_ROWS, FEED_RESIDENT } kind;
    const void *table; /* ROWS: what the rows are gathered from */
    void *numbers;     /* ROWS: their numbers, on the device */
} Feed;

struct CoupletRun {
    const CoupletPlan *plan;
    CoupletDevice *device, *own_device;
    void *code;
    void *arena, *staging;
    void **places;  /* by buffer: its memory; NULL for states, and for inputs where the device is the host */
    void **copies;  /* by buffer: outputs on the host, made when they are first asked for */
    void *tables;   /* constants that came packed */
    Feed *feeds;    /* by input */
    void *const *inputs, *const *states;
    double *milliseconds;
    CoupletWatch watch;
    void *watch_context;
};

int64_t couplet_type_bytes(CoupletType type) { return type == COUPLET_U8 ? 1 : 4; }

int64_t couplet_buffer_count(const CoupletBuffer *b) {
    int64_t count = 1;
    for (int i = 0; i < b->rank; i++) count *= b->shape[i];
    return count;
}

static int64_t buffer_bytes(const CoupletBuffer *b) { return couplet_buffer_count(b) * couplet_type_bytes(b->type); }

/* ---- memory ------------------------------------------------------------------------------------------------- */

/* Values to be committed that are not in the arena (a state copied into another) are set aside first. */
static int64_t staging_bytes(const CoupletPlan *plan) {
    int64_t bytes = 0;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletBuffer *value = &plan->buffers[plan->commits[i].value];
        if (value->place == COUPLET_IN_STATE) bytes += buffer_bytes(value);
    }
    return bytes;
}

static int64_t tables_bytes(const CoupletPlan *plan) {
    int64_t bytes = 0;
    for (int i = 0; i < plan->buffer_count; i++)
        if (plan->buffers[i].packed_bytes) bytes += couplet_device_round(buffer_bytes(&plan->buffers[i]));
    return bytes;
}

int64_t couplet_run_bytes(const CoupletPlan *plan) {
    return couplet_device_round(plan->arena_bytes) + couplet_device_round(staging_bytes(plan)) + couplet_device_round(tables_bytes(plan));
}

/* A packed table into `at`; what is there for good afterwards, on the device or in `at`, is the buffer's place. */
static bool unpack(CoupletRun *run, int number, char *at) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    CoupletDevice *d = run->device;
    if (!couplet_words_unpack(b->constant, b->packed_bytes, (int32_t *)(void *)at, couplet_buffer_count(b)))
        return couplet_device_fail(d, COUPLET_FAULT_DEVICE, -1, "a table of the program is damaged");
    if (d->is_host) run->places[number] = at;
    return d->is_host || d->calls->write(d, run->places[number], 0, at, buffer_bytes(b));
}

/* Where the device is not the host, the tables are only on their way here. */
static bool unpack_all(CoupletRun *run) {
    CoupletDevice *d = run->device;
    int64_t bytes = tables_bytes(run->plan), at = 0;
    if (bytes == 0) return true;
    char *tables = d->is_host ? d->calls->allocate(d, bytes) : malloc((size_t)bytes);
    bool good = tables != NULL;
    for (int i = 0; good && i < run->plan->buffer_count; i++) {
        if (!run->plan->buffers[i].packed_bytes) continue;
        good = unpack(run, i, tables + at);
        at += couplet_device_round(buffer_bytes(&run->plan->buffers[i]));
    }
    if (d->is_host) run->tables = tables;
    else good = good && d->calls->wait(d);
    if (!d->is_host) free(tables);
    return good;
}

/* Buffers that are allocations of their own where the device is not the host, and those that are parts of the arena. */
static bool is_separate(const CoupletBuffer *b) { return b->place == COUPLET_IN_CONST || (b->place == COUPLET_IN_INPUT && b->offset < 0); }
static bool is_part(const CoupletDevice *d, const CoupletBuffer *b) { return b->place == COUPLET_IN_ARENA || (!d->is_host && b->place == COUPLET_IN_INPUT && b->offset >= 0); }

static bool place_buffer(CoupletRun *run, int number) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    CoupletDevice *d = run->device;
    void **place = &run->places[number];
    if (b->place == COUPLET_NOWHERE) return true;
    if (is_part(d, b)) return (*place = d->calls->part(d, run->arena, b->offset, buffer_bytes(b))) != NULL;
    if (d->is_host) {
        if (b->place == COUPLET_IN_CONST && !b->packed_bytes) *place = (void *)(uintptr_t)b->constant;
        return true;
    }
    if (!is_separate(b)) return true;
    *place = d->calls->allocate(d, buffer_bytes(b));
    if (*place && b->place == COUPLET_IN_CONST && !b->packed_bytes) return d->calls->write(d, *place, 0, b->constant, buffer_bytes(b));
    return *place != NULL;
}

CoupletRun *couplet_run_on(CoupletDevice *device, const CoupletPlan *plan) {
    CoupletRun *run = calloc(1, sizeof *run);
    if (!run) return NULL;
    run->plan = plan;
    run->device = device;
    run->places = calloc((size_t)plan->buffer_count + 1, sizeof *run->places);
    run->copies = calloc((size_t)plan->buffer_count + 1, sizeof *run->copies);
    run->feeds = calloc((size_t)plan->input_count + 1, sizeof *run->feeds);
    bool good = run->places && run->copies && run->feeds;
    good = good && (run->arena = device->calls->allocate(device, plan->arena_bytes)) && (run->staging = device->calls->allocate(device, staging_bytes(plan)));
    for (int i = 0; good && i < plan->buffer_count; i++) good = place_buffer(run, i);
    good = good && unpack_all(run);
    if (good && device->calls->prepare(device, plan, &run->code) && device->calls->wait(device)) return run;
    couplet_run_free(run);
    return NULL;
}

CoupletRun *couplet_run_new(const CoupletPlan *plan, CoupletThreads *threads) {
    CoupletDevice *host = couplet_host_device_new(threads);
    CoupletRun *run = host ? couplet_run_on(host, plan) : NULL;
    if (run) run->own_device = host;
    else couplet_device_free(host);
    return run;
}

static void release_places(CoupletRun *run) {
    CoupletDevice *d = run->device;
    for (int i = 0; run->feeds && i < run->plan->input_count; i++) {
        if (run->feeds[i].numbers) d->calls->release(d, run->feeds[i].numbers);
        if (run->feeds[i].kind == FEED_RESIDENT) run->places[run->plan->inputs[i].buffer] = NULL; /* the caller's */
    }
    for (int i = 0; i < run->plan->buffer_count; i++) {
        const CoupletBuffer *b = &run->plan->buffers[i];
        if (!run->places[i]) continue;
        if (is_part(d, b)) d->calls->drop(d, run->places[i]);
        else if (!d->is_host) d->calls->release(d, run->places[i]);
    }
}

void couplet_run_free(CoupletRun *run) {
    if (!run) return;
    CoupletDevice *d = run->device;
    if (run->code) d->calls->forget(d, run->code);
    if (run->places) release_places(run);
    for (int i = 0; run->copies && i < run->plan->buffer_count; i++) free(run->copies[i]);
    if (run->tables) d->calls->release(d, run->tables);
    if (run->staging) d->calls->release(d, run->staging);
    if (run->arena) d->calls->release(d, run->arena);
    free(run->places);
    free(run->copies);
    free(run->feeds);
    couplet_device_free(run->own_device);
    free(run);
}

static void *memory_of(const CoupletRun *run, int number) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    if (b->place == COUPLET_IN_STATE) return run->states[b->slot];
    if (b->place == COUPLET_IN_INPUT && run->device->is_host) return run->inputs[b->slot];
    return run->places[number];
}

/* The array on the host: where it lies, or a copy made now. NULL when the device fails, or memory runs out. */
static const void *on_host(const CoupletRun *run, int number) {
    CoupletDevice *d = run->device;
    const CoupletBuffer *b = &run->plan->buffers[number];
    if (d->is_host) return memory_of(run, number);
    if (b->place == COUPLET_IN_INPUT && run->feeds[b->slot].kind == FEED_ARRAY) return run->inputs[b->slot];
    int64_t bytes = buffer_bytes(&run->plan->buffers[number]);
    if (!run->copies[number]) run->copies[number] = malloc((size_t)bytes + 1);
    if (!run->copies[number]) couplet_device_fail(d, COUPLET_FAULT_MEMORY, -1, "out of memory for a result of %.1f MB on the host", (double)bytes / 1e6);
    else if (d->calls->read(d, run->copies[number], memory_of(run, number), 0, bytes)) return run->copies[number];
    return NULL;
}

/* ---- steps -------------------------------------------------------------------------------------------------- */

static bool fail(const CoupletRun *run, CoupletFault *fault) {
    const CoupletDeviceFault *met = &run->device->fault;
    *fault = (CoupletFault){met->sentence, met->step >= 0 ? run->plan->steps[met->step].source : run->device->name};
    return false;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static bool show_step(CoupletRun *run, int number) {
    void *arrays[COUPLET_MAX_KERNEL_BUFFERS];
    const CoupletStep *step = &run->plan->steps[number];
    for (int b = 0; b < step->buffer_count; b++) {
        arrays[b] = (void *)(uintptr_t)on_host(run, step->buffers[b]);
        if (!arrays[b]) return false;
    }
    run->watch(run->watch_context, number, arrays);
    return true;
}

static bool launch(CoupletRun *run, int number) {
    CoupletDevice *d = run->device;
    void *buffers[COUPLET_MAX_KERNEL_BUFFERS];
    const CoupletStep *step = &run->plan->steps[number];
    for (int b = 0; b < step->buffer_count; b++) buffers[b] = memory_of(run, step->buffers[b]);
    return d->calls->launch(d, run->plan, run->code, number, buffers);
}

static bool run_step(CoupletRun *run, int number) {
    double start = run->milliseconds ? now() : 0;
    if (!launch(run, number)) return false;
    if (run->milliseconds) {
        if (!run->device->calls->wait(run->device)) return false;
        run->milliseconds[number] += now() - start;
    }
    return !run->watch || show_step(run, number);
}

static int64_t row_bytes(const CoupletBuffer *value) { return buffer_bytes(value) / (value->shape[0] ? value->shape[0] : 1); }

static bool send_input(CoupletRun *run, int input) {
    CoupletDevice *d = run->device;
    int number = run->plan->inputs[input].buffer;
    const CoupletBuffer *b = &run->plan->buffers[number];
    const Feed *feed = &run->feeds[input];
    switch (feed->kind) {
    case FEED_RESIDENT: return true;
    case FEED_ROWS:
        return d->calls->write(d, feed->numbers, 0, run->inputs[input], b->shape[0] * (int64_t)sizeof(int32_t)) &&
               d->calls->gather_rows(d, run->places[number], feed->table, feed->numbers, b->shape[0], row_bytes(b));
    default: return d->calls->write(d, run->places[number], 0, run->inputs[input], buffer_bytes(b));
    }
}

static bool send_inputs(CoupletRun *run) {
    for (int i = 0; !run->device->is_host && i < run->plan->input_count; i++)
        if (!send_input(run, i)) return false;
    return true;
}

bool couplet_run_feed_rows(CoupletRun *run, int input, const void *table) {
    Feed *feed = &run->feeds[input];
    if (run->device->is_host) return true;
    feed->numbers = run->device->calls->allocate(run->device, run->plan->buffers[run->plan->inputs[input].buffer].shape[0] * (int64_t)sizeof(int32_t));
    if (!feed->numbers) return false;
    feed->kind = FEED_ROWS;
    feed->table = table;
    return true;
}

void couplet_run_feed_resident(CoupletRun *run, int input, void *memory) {
    CoupletDevice *d = run->device;
    int number = run->plan->inputs[input].buffer;
    if (d->is_host) return;
    if (is_part(d, &run->plan->buffers[number])) d->calls->drop(d, run->places[number]);
    else d->calls->release(d, run->places[number]);
    run->places[number] = memory;
    run->feeds[input].kind = FEED_RESIDENT;
}

bool couplet_run_steps(CoupletRun *run, void *const *inputs, void *const *states, CoupletFault *fault) {
    CoupletDevice *d = run->device;
    run->inputs = inputs;
    run->states = states;
    couplet_device_clear(d);
    if (!send_inputs(run)) return fail(run, fault);
    for (int i = 0; i < run->plan->step_count; i++)
        if (!run_step(run, i)) return fail(run, fault);
    return d->calls->wait(d) || fail(run, fault);
}

/* ---- the finite check ------------------------------------------------------------------------------------- */

enum { MOST_ARRAYS = 256 /* that are looked at before the device is asked */ };

typedef struct Arrays {
    const void *memory[MOST_ARRAYS];
    int64_t lengths[MOST_ARRAYS];
    int count;
} Arrays;

static bool flush(CoupletRun *run, Arrays *arrays, CoupletHealth *worst) {
    CoupletHealth found;
    bool good = run->device->calls->health(run->device, arrays->count, arrays->memory, arrays->lengths, &found);
    if (good && found > *worst) *worst = found;
    arrays->count = 0;
    return good;
}

static bool look_at(CoupletRun *run, Arrays *arrays, int number, CoupletHealth *worst) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    if (b->type != COUPLET_F32) return true;
    arrays->memory[arrays->count] = memory_of(run, number);
    arrays->lengths[arrays->count++] = couplet_buffer_count(b);
    return arrays->count < MOST_ARRAYS || flush(run, arrays, worst);
}

static bool results_health(CoupletRun *run, CoupletHealth *worst) {
    const CoupletPlan *plan = run->plan;
    Arrays arrays = {.count = 0};
    *worst = COUPLET_FINITE;
    for (int i = 0; i < plan->output_count; i++)
        if (!look_at(run, &arrays, plan->outputs[i].buffer, worst)) return false;
    for (int i = 0; i < plan->commit_count; i++)
        if (!look_at(run, &arrays, plan->commits[i].value, worst)) return false;
    return flush(run, &arrays, worst);
}

static bool step_health(CoupletRun *run, int number, CoupletHealth *worst) {
    const CoupletStep *step = &run->plan->steps[number];
    Arrays arrays = {.count = 0};
    *worst = COUPLET_FINITE;
    for (int o = step->buffer_count - step->output_count; o < step->buffer_count; o++)
        if (!look_at(run, &arrays, step->buffers[o], worst)) return false;
    return flush(run, &arrays, worst);
}

bool couplet_run_finite(CoupletRun *run, CoupletFault *fault) {
    CoupletHealth worst;
    if (!results_health(run, &worst)) return fail(run, fault);
    if (worst == COUPLET_FINITE) return true;
    const CoupletPlan *plan = run->plan;
    const char *infinite = NULL;
    if (!send_inputs(run)) return fail(run, fault); /* what no later step reads was written over */
    for (int i = 0; i < plan->step_count; i++) {
        if (!launch(run, i) || !step_health(run, i, &worst)) return fail(run, fault);
        if (worst == COUPLET_NOT_A_NUMBER) {
            *fault = (CoupletFault){"the first value that is no number (NaN) arose here", plan->steps[i].source};
            return false;
        }
        if (worst == COUPLET_INFINITE && !infinite) infinite = plan->steps[i].source;
    }
    *fault = (CoupletFault){"the first infinite value arose here", infinite ? infinite : "?"};
    return false;
}

/* ---- commits -------------------------------------------------------------------------------------------------- */

static bool commit_one(CoupletRun *run, const CoupletCommit *c, const void *from, int64_t from_offset, void *const *states, const CoupletStateInfo *infos) {
    CoupletDevice *d = run->device;
    const CoupletBuffer *value = &run->plan->buffers[c->value];
    switch (c->kind) {
    case COUPLET_ASSIGN: return d->calls->copy(d, states[c->state], 0, from, from_offset, buffer_bytes(value));
    case COUPLET_ROWS: return d->calls->write_rows(d, states[c->state], from, from_offset, memory_of(run, c->rows), value->shape[0], row_bytes(value));
    default: return d->calls->push_rows(d, states[c->state], infos[c->state].shape[0], states[c->head], from, from_offset, value->shape[0], row_bytes(value));
    }
}

/* The columns of a queue share a head and a fill, which move once, after the last column. */
static bool move_heads(CoupletRun *run, void *const *states, const CoupletStateInfo *infos) {
    const CoupletPlan *plan = run->plan;
    CoupletDevice *d = run->device;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletCommit *c = &plan->commits[i];
        bool moved = c->kind != COUPLET_PUSH;
        for (int k = 0; k < i; k++) moved |= plan->commits[k].kind == COUPLET_PUSH && plan->commits[k].head == c->head;
        if (!moved && !d->calls->move_head(d, states[c->head], states[c->fill], plan->buffers[c->value].shape[0], infos[c->state].shape[0])) return false;
    }
    return true;
}

static bool set_aside(CoupletRun *run) {
    const CoupletPlan *plan = run->plan;
    int64_t at = 0;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletBuffer *value = &plan->buffers[plan->commits[i].value];
        if (value->place != COUPLET_IN_STATE) continue;
        if (!run->device->calls->copy(run->device, run->staging, at, memory_of(run, plan->commits[i].value), 0, buffer_bytes(value))) return false;
        at += buffer_bytes(value);
    }
    return true;
}

/* Rows to be written are computed, so they are looked at before anything is. */
static bool rows_inside(CoupletRun *run, const CoupletStateInfo *infos, CoupletFault *fault) {
    const CoupletPlan *plan = run->plan;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletCommit *c = &plan->commits[i];
        if (c->kind != COUPLET_ROWS) continue;
        const int32_t *rows = on_host(run, c->rows);
        if (!rows) return fail(run, fault);
        for (int64_t r = 0; r < plan->buffers[c->value].shape[0]; r++) {
            if (rows[r] >= 0 && rows[r] < infos[c->state].shape[0]) continue;
            *fault = (CoupletFault){couplet_fault_sentence(COUPLET_FAULT_INDEX), c->source};
            return false;
        }
    }
    return true;
}

bool couplet_run_commit(CoupletRun *run, void *const *states, const CoupletStateInfo *infos, CoupletFault *fault) {
    const CoupletPlan *plan = run->plan;
    if (!rows_inside(run, infos, fault)) return false;
    if (!set_aside(run)) return fail(run, fault);
    int64_t aside = 0;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletCommit *c = &plan->commits[i];
        const CoupletBuffer *value = &plan->buffers[c->value];
        bool staged = value->place == COUPLET_IN_STATE;
        if (!commit_one(run, c, staged ? run->staging : memory_of(run, c->value), staged ? aside : 0, states, infos)) return fail(run, fault);
        if (staged) aside += buffer_bytes(value);
    }
    return move_heads(run, states, infos) || fail(run, fault);
}

/* ---- outside ------------------------------------------------------------------------------------------------ */

const CoupletBuffer *couplet_plan_output(const CoupletPlan *plan, const char *name) {
    for (int i = 0; i < plan->output_count; i++)
        if (strcmp(plan->outputs[i].name, name) == 0) return &plan->buffers[plan->outputs[i].buffer];
    return NULL;
}

const void *couplet_run_output(const CoupletRun *run, const char *name) {
    const CoupletBuffer *b = couplet_plan_output(run->plan, name);
    return b ? on_host(run, (int)(b - run->plan->buffers)) : NULL;
}

const void *couplet_run_commit_value(const CoupletRun *run, int commit) { return on_host(run, run->plan->commits[commit].value); }

int couplet_plan_input(const CoupletPlan *plan, const char *name) {
    for (int i = 0; i < plan->input_count; i++)
        if (strcmp(plan->inputs[i].name, name) == 0) return i;
    return -1;
}

void couplet_run_profile(CoupletRun *run, double *milliseconds) { run->milliseconds = milliseconds; }

void couplet_run_watch(CoupletRun *run, CoupletWatch watch, void *context) {
    run->watch = watch;
    run->watch_context = context;
}
