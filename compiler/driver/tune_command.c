/* couplet tune: measures on this machine how the contractions of a training step are best cut. The
 * result is kept beside the compiled kernels. The whole step runs on made-up data, once for each
 * candidate. Every contraction takes its next candidate in each run, and is timed among the kernels
 * that really surround it. */
#include "compiler/driver/assemble.h"
#include "compiler/driver/options.h"
#include "compiler/driver/report.h"
#include "compiler/driver/step_bench.h"
#include "compiler/plan/contraction.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS = 7 };
/* A cut counts as better if its time is below this share of the time of the model's choice. A
 * smaller gain is noise. */
static const double worth_it = 0.97;

typedef struct Measured {
    uint64_t key;
    const char *label;
    ContractionChoice candidates[MOST_CANDIDATES];
    double seconds[MOST_CANDIDATES]; /* the time of all kernels of the contractions with this key */
    int count;
} Measured;

typedef struct Tuner {
    Arena *arena;
    const Options *options;
    Method *method;
    LoweredProgram *lowered;
    CoupletDevice *device;
    ARRAY(Measured) items;
    int train_plan;
    int rounds;
} Tuner;

static bool fail(const char *sentence) {
    report_error(CODE_RUN_STOPPED, sentence);
    return false;
}

static Measured *measured_of(Tuner *t, const Kernel *kernel) {
    uint64_t key = contraction_key(kernel->as.contraction);
    for (int i = 0; i < t->items.count; i++)
        if (t->items.items[i].key == key) return &t->items.items[i];
    Measured m = {.key = key};
    const Product *p = &kernel->as.contraction->form;
    m.label = arena_printf(t->arena, "product %lld x %lld x %lld x %lld", (long long)p->z_size,
                           (long long)p->m_size, (long long)p->n_size, (long long)p->k_size);
    m.count = contraction_candidates(kernel->as.contraction, m.candidates);
    if (m.count > t->rounds) t->rounds = m.count;
    array_push(t->arena, &t->items, m);
    return &t->items.items[t->items.count - 1];
}

/* Returns a table in which every contraction has its candidate for this round. A contraction
 * without further candidates keeps the model's choice. */
static Tuning *table_of_round(Tuner *t, int round) {
    Tuning *table = arena_new_of(t->arena, Tuning);
    for (int i = 0; i < t->items.count; i++) {
        const Measured *m = &t->items.items[i];
        tuning_set(t->arena, table, m->key, &m->candidates[round < m->count ? round : 0]);
    }
    return table;
}

/* Runs one round. In round 0 all contractions have the model's choice, and are found. */
static bool run_round(Tuner *t, int round) {
    const CpuTarget target = {.tuning = table_of_round(t, round)};
    const CpuOptions options = {cpu_cache_folder(t->arena)};
    const char *error = "out of memory";
    char sentence[REPORT_BYTES] = "out of memory";
    Assembled a = {0};
    StepTimes times = {0};
    if (!assemble_for(t->arena, t->method, t->lowered, &target, &a, &error)) return fail(error);
    CpuCode *code = cpu_jit(t->arena, a.plans, &options, &error);
    if (!code) return fail(error);
    int steps = t->options->steps ? (int)t->options->steps : STEPS;
    bool good =
        step_measure(a.program, t->device, steps, true, &times, sentence, sizeof sentence) ||
        fail(sentence);
    for (int i = 0; good && i < a.program->train->step_count; i++) {
        const Kernel *kernel = cpu_plan_kernel(a.plans, t->train_plan, i);
        if (!kernel_contraction(kernel)) continue;
        Measured *m = measured_of(t, kernel);
        if (round < m->count) m->seconds[round] += times.kernels[i];
    }
    free(times.kernels);
    cpu_free(code);
    return good;
}

static const char *tuning_name(Arena *arena, const ContractionChoice *c) {
    return arena_printf(
        arena, "%d x %d vectors, %lld part%s, tasks of %lld rows and %lld panel%s, k by %lld",
        c->block.rows, c->block.vectors, (long long)c->parts, c->parts == 1 ? "" : "s",
        (long long)c->task_rows, (long long)c->task_panels, c->task_panels == 1 ? "" : "s",
        (long long)c->chunk);
}

static bool keep_best(Tuner *t) {
    const char *path = cpu_tuning_path(t->arena);
    if (!path)
        return fail("there is no cache folder to keep the choices in; COUPLET_CACHE, "
                    "XDG_CACHE_HOME or HOME names one");
    Tuning *kept = tuning_read(t->arena, path);
    int changed = 0;
    for (int i = 0; i < t->items.count; i++) {
        const Measured *m = &t->items.items[i];
        int best = 0;
        for (int k = 1; k < m->count; k++)
            if (m->seconds[k] < m->seconds[best] && m->seconds[k] < worth_it * m->seconds[0])
                best = k;
        tuning_set(t->arena, kept, m->key, &m->candidates[best]);
        changed += best != 0;
        printf("%s: %.3f ms by the model, %.3f ms with %s%s\n", m->label, m->seconds[0] * 1e3,
               m->seconds[best] * 1e3, tuning_name(t->arena, &m->candidates[best]),
               best ? "" : " (the model's choice)");
    }
    if (!tuning_write(kept, path))
        return fail(arena_printf(t->arena, "%s cannot be written", path));
    printf("%d contractions measured, %d better than by the model; kept in %s\n", t->items.count,
           changed, path);
    return true;
}

static bool tune(Tuner *t) {
    t->lowered = lower_spec(t->arena, t->options, t->options->file,
                            &(DeviceChoice){.backend = &cpu_backend}, &t->method);
    if (!t->lowered) return false;
    CoupletThreads *threads = couplet_threads_new((int)t->options->threads);
    t->device = couplet_host_device_new(threads);
    t->train_plan = 1; /* plan 0 of program_graphs starts the states */
    bool good = t->device && run_round(t, 0);
    for (int round = 1; good && round < t->rounds; round++)
        good = run_round(t, round);
    if (good) good = keep_best(t);
    couplet_device_free(t->device);
    couplet_threads_free(threads);
    return good;
}

int tune_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "tune", "set data threads steps", argc, argv)) {
        Tuner t = {.arena = arena, .options = &o};
        status = tune(&t) ? 0 : 1;
    }
    arena_free(arena);
    return status;
}
