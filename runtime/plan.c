#include "runtime/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SMALL_WORK = 20000 /* scalar operations that are done before another thread would have begun */ };

struct CoupletRun {
    const CoupletPlan *plan;
    CoupletThreads *threads;
    char *arena, *staging;
    char **scratch;  /* by worker */
    int64_t *faults; /* by worker, a cache line apart */
    int worker_count;
    void *const *inputs, *const *states;
    double *milliseconds;
    CoupletWatch watch;
    void *watch_context;
    /* the step being run */
    const CoupletStep *step;
    void *buffers[COUPLET_MAX_KERNEL_BUFFERS];
};

enum { FAULT_STRIDE = 8 };

int64_t couplet_type_bytes(CoupletType type) { return type == COUPLET_U8 ? 1 : 4; }

int64_t couplet_buffer_count(const CoupletBuffer *b) {
    int64_t count = 1;
    for (int i = 0; i < b->rank; i++) count *= b->shape[i];
    return count;
}

static size_t buffer_bytes(const CoupletBuffer *b) { return (size_t)(couplet_buffer_count(b) * couplet_type_bytes(b->type)); }

/* Values to be committed that are not in the arena (a state copied into another) are set aside first. */
static size_t staging_bytes(const CoupletPlan *plan) {
    size_t bytes = 0;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletBuffer *value = &plan->buffers[plan->commits[i].value];
        if (value->place == COUPLET_IN_STATE) bytes += buffer_bytes(value);
    }
    return bytes;
}

/* aligned_alloc wants a multiple of the alignment; zero bytes would be no allocation at all. */
static void *allocate(int64_t bytes) { return aligned_alloc(128, ((size_t)bytes / 128 + 1) * 128); }

CoupletRun *couplet_run_new(const CoupletPlan *plan, CoupletThreads *threads) {
    CoupletRun *run = calloc(1, sizeof *run);
    if (!run) return NULL;
    run->plan = plan;
    run->threads = threads;
    run->worker_count = couplet_threads_count(threads);
    run->arena = allocate(plan->arena_bytes);
    run->staging = malloc(staging_bytes(plan) + 1);
    run->scratch = calloc((size_t)run->worker_count, sizeof *run->scratch);
    run->faults = calloc((size_t)run->worker_count * FAULT_STRIDE, sizeof *run->faults);
    bool good = run->arena && run->staging && run->scratch && run->faults;
    for (int i = 0; good && i < run->worker_count; i++) good = (run->scratch[i] = allocate(plan->scratch_bytes)) != NULL;
    if (good) return run;
    couplet_run_free(run);
    return NULL;
}

static void *address(const CoupletRun *run, int number) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    switch (b->place) {
    case COUPLET_IN_ARENA: return run->arena + b->offset;
    case COUPLET_IN_INPUT: return run->inputs[b->slot];
    case COUPLET_IN_STATE: return run->states[b->slot];
    default: return (void *)(uintptr_t)b->constant;
    }
}

static const char *sentence_of(int64_t kind) {
    switch (kind) {
    case COUPLET_FAULT_INDEX: return "an index read from data is out of range";
    case COUPLET_FAULT_EMPTY: return "a reduction has no term here: no index fulfils its guard";
    case COUPLET_FAULT_FEW: return "topk has fewer candidates here than it is asked for";
    default: return "a kernel ran out of memory";
    }
}

static void run_tiles(void *context, int64_t begin, int64_t end, int worker) {
    CoupletRun *run = context;
    CoupletWorker w = {run->scratch[worker], &run->faults[worker * FAULT_STRIDE]};
    run->step->kernel(run->buffers, begin, end, &w);
}

static void run_step(CoupletRun *run, const CoupletStep *step) {
    run->step = step;
    for (int b = 0; b < step->buffer_count; b++) run->buffers[b] = address(run, step->buffers[b]);
    if (step->tiles == 1 || step->flops < SMALL_WORK) run_tiles(run, 0, step->tiles, 0);
    else couplet_threads_run(run->threads, step->tiles, run_tiles, run);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* The lowest kind, so that the sentence does not depend on which thread met it. */
static int64_t first_fault(const CoupletRun *run) {
    int64_t kind = 0;
    for (int i = 0; i < run->worker_count; i++) {
        int64_t met = run->faults[i * FAULT_STRIDE];
        if (met && (!kind || met < kind)) kind = met;
    }
    return kind;
}

bool couplet_run_steps(CoupletRun *run, void *const *inputs, void *const *states, CoupletFault *fault) {
    const CoupletPlan *plan = run->plan;
    run->inputs = inputs;
    run->states = states;
    memset(run->faults, 0, sizeof *run->faults * FAULT_STRIDE * (size_t)run->worker_count);
    for (int i = 0; i < plan->step_count; i++) {
        double start = run->milliseconds ? now() : 0;
        run_step(run, &plan->steps[i]);
        if (run->milliseconds) run->milliseconds[i] += now() - start;
        if (run->watch) run->watch(run->watch_context, i, run->buffers);
        int64_t kind = first_fault(run);
        if (!kind) continue;
        *fault = (CoupletFault){sentence_of(kind), plan->steps[i].source};
        return false;
    }
    return true;
}

/* ---- the finite check ------------------------------------------------------------------------------------- */

typedef enum { FINITE, INFINITE, NOT_A_NUMBER } Health;

static Health health(const CoupletRun *run, int number) {
    const CoupletBuffer *b = &run->plan->buffers[number];
    if (b->type != COUPLET_F32) return FINITE;
    const float *values = address(run, number);
    int64_t count = couplet_buffer_count(b);
    Health worst = FINITE;
    for (int64_t i = 0; i < count; i++) {
        if (isnan(values[i])) return NOT_A_NUMBER;
        if (isinf(values[i])) worst = INFINITE;
    }
    return worst;
}

static bool all_finite(const CoupletRun *run) {
    const CoupletPlan *plan = run->plan;
    for (int i = 0; i < plan->output_count; i++)
        if (health(run, plan->outputs[i].buffer) != FINITE) return false;
    for (int i = 0; i < plan->commit_count; i++)
        if (health(run, plan->commits[i].value) != FINITE) return false;
    return true;
}

bool couplet_run_finite(CoupletRun *run, CoupletFault *fault) {
    if (all_finite(run)) return true;
    const CoupletPlan *plan = run->plan;
    const char *infinite = NULL;
    for (int i = 0; i < plan->step_count; i++) {
        const CoupletStep *step = &plan->steps[i];
        run_step(run, step);
        for (int o = step->buffer_count - step->output_count; o < step->buffer_count; o++) {
            Health found = health(run, step->buffers[o]);
            if (found == NOT_A_NUMBER) {
                *fault = (CoupletFault){"the first value that is no number (NaN) arose here", step->source};
                return false;
            }
            if (found == INFINITE && !infinite) infinite = step->source;
        }
    }
    *fault = (CoupletFault){"the first infinite value arose here", infinite ? infinite : "?"};
    return false;
}

/* ---- commits -------------------------------------------------------------------------------------------------- */

static void push_rows(const CoupletRun *run, const CoupletCommit *c, const char *from, void *const *states, const CoupletStateInfo *infos, int32_t head) {
    const CoupletBuffer *value = &run->plan->buffers[c->value];
    int64_t length = infos[c->state].shape[0], rows = value->shape[0];
    size_t row = buffer_bytes(value) / (size_t)(rows ? rows : 1);
    char *to = states[c->state];
    for (int64_t i = 0; i < rows; i++) memcpy(to + (size_t)((head + i) % length) * row, from + (size_t)i * row, row);
}

static void write_rows(const CoupletRun *run, const CoupletCommit *c, const char *from, void *const *states) {
    const CoupletBuffer *value = &run->plan->buffers[c->value];
    const int32_t *rows = address(run, c->rows);
    int64_t count = value->shape[0];
    size_t row = buffer_bytes(value) / (size_t)(count ? count : 1);
    char *to = states[c->state];
    for (int64_t i = 0; i < count; i++) memcpy(to + (size_t)rows[i] * row, from + (size_t)i * row, row);
}

/* The columns of a queue share a head and a fill, which move once, after the last column. */
static void move_heads(const CoupletRun *run, void *const *states, const CoupletStateInfo *infos) {
    const CoupletPlan *plan = run->plan;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletCommit *c = &plan->commits[i];
        bool moved = c->kind != COUPLET_PUSH;
        for (int k = 0; k < i; k++) moved |= plan->commits[k].kind == COUPLET_PUSH && plan->commits[k].head == c->head;
        if (moved) continue;
        int64_t length = infos[c->state].shape[0], rows = plan->buffers[c->value].shape[0];
        int32_t *head = states[c->head], *fill = states[c->fill];
        *head = (int32_t)((*head + rows) % length);
        *fill = (int32_t)(*fill + rows < length ? *fill + rows : length);
    }
}

void couplet_run_commit(CoupletRun *run, void *const *states, const CoupletStateInfo *infos) {
    const CoupletPlan *plan = run->plan;
    char *aside = run->staging;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletBuffer *value = &plan->buffers[plan->commits[i].value];
        if (value->place != COUPLET_IN_STATE) continue;
        memcpy(aside, address(run, plan->commits[i].value), buffer_bytes(value));
        aside += buffer_bytes(value);
    }
    aside = run->staging;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletCommit *c = &plan->commits[i];
        const CoupletBuffer *value = &plan->buffers[c->value];
        const char *from = address(run, c->value);
        if (value->place == COUPLET_IN_STATE) {
            from = aside;
            aside += buffer_bytes(value);
        }
        if (c->kind == COUPLET_ASSIGN) memcpy(states[c->state], from, buffer_bytes(value));
        else if (c->kind == COUPLET_ROWS) write_rows(run, c, from, states);
        else push_rows(run, c, from, states, infos, *(const int32_t *)states[c->head]);
    }
    move_heads(run, states, infos);
}

/* ---- outside ------------------------------------------------------------------------------------------------ */

const CoupletBuffer *couplet_plan_output(const CoupletPlan *plan, const char *name) {
    for (int i = 0; i < plan->output_count; i++)
        if (strcmp(plan->outputs[i].name, name) == 0) return &plan->buffers[plan->outputs[i].buffer];
    return NULL;
}

const void *couplet_run_output(const CoupletRun *run, const char *name) {
    const CoupletBuffer *b = couplet_plan_output(run->plan, name);
    return b ? address(run, (int)(b - run->plan->buffers)) : NULL;
}

const void *couplet_run_commit_value(const CoupletRun *run, int commit) { return address(run, run->plan->commits[commit].value); }

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

void couplet_run_free(CoupletRun *run) {
    if (!run) return;
    for (int i = 0; run->scratch && i < run->worker_count; i++) free(run->scratch[i]);
    free(run->scratch);
    free(run->faults);
    free(run->staging);
    free(run->arena);
    free(run);
}
