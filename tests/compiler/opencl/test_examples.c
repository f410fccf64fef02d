/* Makes one training step of every given spec, made small, on the CPU and on an OpenCL device, and
 * compares the starts of all states, the outputs, and everything that the step would leave behind.
 * All specs go into one program, so that what they share is built once.
 *
 *     test_examples [--chunks N] [[--data FOLDER] SPEC]... */
#include "compiler/driver/assemble.h"
#include "compiler/driver/load.h"
#include "runtime/executor.h"
#include "runtime/opencl/opencl.h"
#include "runtime/random.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The seeds that are tried. A rectifier whose argument is rounding alone may be open on one machine
 * and shut on the other, and then one entry of a sum that nearly cancels is off by some per cent of
 * the sum. Other draws have such an entry elsewhere or nowhere, while a wrong kernel is wrong with
 * all of them. A spec therefore fails only if it is off with every seed. */
enum { FIRST_SEED = 3, SEEDS = 3 };
enum { MOST_STATES = 1024, MOST_SPECS = 128 };
/* The allowed difference, relative to the largest entry: float32 goes through a whole network, and
 * sums are added in another order. */
static const double allowed = 3e-4;

typedef struct Spec {
    const char *path;
    bool has_data; /* true if --data gives its data */
    bool has_adam; /* true if its optimiser is Adam */
    Assembled cpu;
    LoweredProgram *lowered;
    CoupletPlan *init, *train; /* for the device */
    int slots[MOST_STATES];    /* by state of the program: its slot in the joint table */
} Spec;

typedef struct Test {
    Arena *arena;
    Spec specs[MOST_SPECS];
    int count;
    /* The joint table of all specs, in which a name has one slot and each spec has its own
     * shapes. */
    ARRAY(ProgramState) states;
    CoupletDevice *host, *device;
    CoupletThreads *threads;
    GraphSettings settings;
    int32_t seed; /* the seed for the draws of the step that runs */
} Test;

/* ---- reading --------------------------------------------------------------------------------- */

/* Changes `name = 32` or `name 32` into `name = 4` in place, and fills the rest up with spaces. */
static void shrink(char *text, const char *name, const char *value) {
    for (char *at = text; (at = strstr(at, name)) != NULL;) {
        at += strlen(name);
        while (*at == ' ' || *at == '=')
            at++;
        size_t digits = strspn(at, "0123456789");
        size_t length = strlen(value);
        if (digits < length) continue;
        memset(at, ' ', digits);
        memcpy(at, value, length);
    }
}

static const char *small_copy(Test *t, const char *path, const char *folder, bool *has_adam) {
    FILE *file = fopen(path, "rb");
    char *text = arena_alloc(t->arena, 1 << 16);
    if (!file) return NULL;
    size_t length = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    *has_adam = strstr(text, "optim.adam(") != NULL;
    shrink(text, "width", "4");
    shrink(text, "batch", "16");
    shrink(text, "half", "8");
    shrink(text, "d0", "8"); /* of the features that are then left */
    const char *slash = strrchr(path, '/');
    const char *made = arena_printf(t->arena, "%s/%s", folder, slash ? slash + 1 : path);
    file = fopen(made, "wb");
    if (!file) return NULL;
    fwrite(text, 1, length, file);
    fclose(file);
    return made;
}

static int joint_slot(Test *t, const ProgramState *state) {
    for (int i = 0; i < t->states.count; i++)
        if (strcmp(t->states.items[i].name, state->name) == 0) return i;
    array_push(t->arena, &t->states, *state);
    return t->states.count - 1;
}

static bool read_spec(Test *t, const char *path, const char *data, const char *folder) {
    Spec *s = &t->specs[t->count++];
    Diag *diag = diag_new(t->arena);
    Options given;
    const char *error = "it cannot be read";
    const char *copy = small_copy(t, path, folder, &s->has_adam);
    const CompileOptions options = {.settings = t->settings};
    memset(&given, 0, sizeof given);
    if (data) array_push(t->arena, &given.data, data);
    s->path = path;
    s->has_data = data != NULL;
    Method *method = copy ? load_method(t->arena, diag, copy, &given) : NULL;
    s->lowered = method ? compile_method(t->arena, diag, method, METHOD_STEPS, &options) : NULL;
    diag_print(diag, stderr);
    if (copy) remove(copy);
    if (!s->lowered || !assemble(t->arena, method, s->lowered, &s->cpu, &error)) {
        printf("%s: %s\n", path, error);
        return false;
    }
    if (s->lowered->states.count > MOST_STATES) return false;
    for (int i = 0; i < s->lowered->states.count; i++)
        s->slots[i] = joint_slot(t, &s->lowered->states.items[i]);
    return true;
}

static bool compile_all(Test *t) {
    Graph **graphs = arena_array(t->arena, Graph *, 2 * t->count);
    const GraphList list = {graphs, 2 * t->count, t->states.items, t->states.count};
    BackEndCode code;
    const char *error = "out of memory";
    for (int i = 0; i < t->count; i++) {
        graphs[2 * i] = t->specs[i].lowered->init;
        graphs[2 * i + 1] = t->specs[i].lowered->phases.items[0].train;
    }
    if (!opencl_backend.compile(t->arena, &list, 0, &code, &error)) {
        printf("%s\n", error);
        return false;
    }
    for (int i = 0; i < t->count; i++) {
        t->specs[i].init = code.plans[2 * i];
        t->specs[i].train = code.plans[2 * i + 1];
    }
    printf("%d specs, %d kernels\n", t->count, code.kernel_count);
    return true;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static int64_t buffer_bytes(const CoupletBuffer *b) {
    return couplet_buffer_count(b) * couplet_type_bytes(b->type);
}

/* Makes an input by its name, the same for both back ends: noise for images, few classes, rows in
 * order, and the scalars of an early step. */
static void *make_input(Test *t, const char *name, const CoupletBuffer *b) {
    const struct {
        const char *name;
        int32_t value;
    } scalars[] = {{"seed", t->seed}, {"step", 1}, {"steps", 100}, {"epoch", 0}};
    int64_t count = couplet_buffer_count(b);
    unsigned char *data = arena_alloc(t->arena, (size_t)buffer_bytes(b) + 4);
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = couplet_random_bits(7, 0, 0, 11, (uint64_t)i, 0);
        int32_t word = (int32_t)(strstr(name, ".label") ? bits % 4 : (uint32_t)i);
        float real = 0.25f;
        for (size_t k = 0; k < sizeof scalars / sizeof *scalars; k++)
            if (strcmp(name, scalars[k].name) == 0) word = i ? 0 : scalars[k].value;
        if (b->type == COUPLET_U8)
            data[i] = (unsigned char)bits;
        else
            memcpy(data + 4 * i, b->type == COUPLET_I32 ? (void *)&word : (void *)&real, 4);
    }
    return data;
}

static void **make_inputs(Test *t, const Spec *s, const CoupletPlan *plan) {
    void **inputs = arena_array(t->arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++) {
        const char *name = plan->inputs[i].name;
        const CoupletBuffer *b = &plan->buffers[plan->inputs[i].buffer];
        inputs[i] = make_input(t, name, b);
        for (int h = 0; strncmp(name, "hyper.", 6) == 0 && h < s->cpu.program->hyper_count; h++) {
            float real = (float)s->cpu.program->hypers[h].value;
            int32_t word = (int32_t)s->cpu.program->hypers[h].value;
            if (strcmp(s->cpu.program->hypers[h].name, name + 6) == 0)
                memcpy(inputs[i], b->type == COUPLET_F32 ? (void *)&real : (void *)&word, 4);
        }
    }
    return inputs;
}

static double largest(const float *values, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)values[i]));
    return most;
}

static double largest_difference(const float *got, const float *wanted, int64_t count,
                                 double scale) {
    double most = 0;
    for (int64_t i = 0; i < count; i++) {
        double off = fabs((double)got[i] - (double)wanted[i]);
        if (!(off <= most)) most = isnan(off) ? HUGE_VAL : off;
    }
    return most / fmax(scale, largest(wanted, count));
}

/* Compares an array. With some seeds a right kernel is off: MoCHi mixes the rows that stand first
 * in the order of their similarities, and if two similarities are a rounding apart, the back ends
 * pick different rows. Specs with data of their own have views in colour, whose hues have seams. */
static int compare_buffer(const Spec *s, const char *name, const CoupletBuffer *b, const void *got,
                          const void *wanted, double scale, double *worst) {
    if (!got || !wanted) return 1;
    double off = 0;
    if (b->type == COUPLET_F32)
        off = largest_difference(got, wanted, couplet_buffer_count(b), scale);
    else if (memcmp(got, wanted, (size_t)buffer_bytes(b)) != 0)
        off = HUGE_VAL;
    if (off > *worst) *worst = off;
    if (off <= allowed) return 0;
    printf("%s: `%s` is off by %.2g of its largest entry\n", s->path, name, off);
    return 1;
}

/* ---- one spec -------------------------------------------------------------------------------- */

typedef struct Pair {
    CoupletRun *cpu, *opencl;
} Pair;

static bool run_both(Test *t, const Spec *s, Pair *p, const CoupletPlan *cpu,
                     const CoupletPlan *opencl, void **states, void **memory) {
    CoupletFault fault = {.sentence = "?", .source = "?"};
    p->cpu = couplet_run_on(t->host, cpu);
    p->opencl = couplet_run_on(t->device, opencl);
    if (!p->opencl) printf("%s: %s\n", s->path, t->device->fault.sentence);
    if (p->cpu && p->opencl && couplet_run_steps(p->cpu, make_inputs(t, s, cpu), states, &fault) &&
        couplet_run_steps(p->opencl, make_inputs(t, s, opencl), memory, &fault))
        return true;
    printf("%s: %s: %s\n", s->path, fault.source, fault.sentence);
    return false;
}

/* Returns the size below which an array is mostly rounding. The gradient of a bias ahead of a batch
 * norm is 0 except for the rounding of larger gradients. */
static double array_scale(const Spec *s, const Pair *p, const CoupletPlan *plan, CoupletRole role) {
    double most = 0;
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletBuffer *b = &plan->buffers[plan->commits[i].value];
        if (s->cpu.program->states[plan->commits[i].state].role != role || b->type != COUPLET_F32)
            continue;
        most = fmax(most, largest(couplet_run_commit_value(p->cpu, i), couplet_buffer_count(b)));
    }
    return fmax(1e-3, most / 50);
}

static int compare_runs(const Spec *s, const Pair *p, const CoupletPlan *plan, double *worst) {
    int wrong = 0;
    for (int i = 0; i < plan->output_count; i++) {
        const char *name = plan->outputs[i].name;
        wrong += compare_buffer(s, name, couplet_plan_output(plan, name),
                                couplet_run_output(p->opencl, name),
                                couplet_run_output(p->cpu, name), 1e-3, worst);
    }
    for (int i = 0; i < plan->commit_count; i++) {
        const CoupletStateInfo *info = &s->cpu.program->states[plan->commits[i].state];
        /* Adam's first step has the same length for a gradient that is only rounding as for any
         * other. Its moments are compared instead. */
        if ((s->has_data || s->has_adam) && info->role == COUPLET_ROLE_PARAM) continue;
        wrong += compare_buffer(s, info->name, &plan->buffers[plan->commits[i].value],
                                couplet_run_commit_value(p->opencl, i),
                                couplet_run_commit_value(p->cpu, i),
                                array_scale(s, p, plan, info->role), worst);
    }
    return wrong;
}

static int64_t state_bytes(const CoupletStateInfo *info) {
    int64_t bytes = couplet_type_bytes(info->type);
    for (int i = 0; i < info->rank; i++)
        bytes *= info->shape[i];
    return bytes;
}

/* Compares the starts and a step with the draws of t->seed. Returns the number of arrays that are
 * off. */
static int test_seed(Test *t, const Spec *s, void **states, void **memory, double *worst) {
    const CoupletProgram *program = s->cpu.program;
    const CoupletPlan *train = program->phases[0].train;
    Pair start = {NULL, NULL};
    Pair step = {NULL, NULL};
    CoupletFault fault;
    int wrong = 1;
    if (run_both(t, s, &start, program->init, s->init, states, memory)) {
        wrong = compare_runs(s, &start, program->init, worst);
        couplet_run_commit(start.cpu, states, program->states, &fault);
        for (int i = 0; i < program->state_count; i++)
            t->device->calls->write(t->device, memory[s->slots[i]], 0, states[i],
                                    state_bytes(&program->states[i]));
        wrong += run_both(t, s, &step, train, s->train, states, memory)
                     ? compare_runs(s, &step, train, worst)
                     : 1;
    }
    Pair *pairs[] = {&start, &step};
    for (int i = 0; i < 2; i++) {
        couplet_run_free(pairs[i]->cpu);
        couplet_run_free(pairs[i]->opencl);
    }
    return wrong;
}

static int test_spec(Test *t, const Spec *s) {
    const CoupletProgram *program = s->cpu.program;
    void **states = arena_array(t->arena, void *, program->state_count + 1);
    void **memory = arena_array(t->arena, void *, t->states.count + 1);
    double worst = 0;
    int wrong = 1;
    for (int i = 0; i < program->state_count; i++) {
        const int64_t bytes = state_bytes(&program->states[i]);
        states[i] = arena_alloc(t->arena, (size_t)bytes + 64);
        memory[s->slots[i]] = t->device->calls->allocate(t->device, bytes);
    }
    for (t->seed = FIRST_SEED; wrong && t->seed < FIRST_SEED + SEEDS; t->seed++) {
        worst = 0;
        wrong = test_seed(t, s, states, memory, &worst);
    }
    printf("%s: %s, worst %.2g\n", s->path, wrong ? "FAILED" : "ok", worst);
    for (int i = 0; i < program->state_count; i++)
        if (memory[s->slots[i]]) t->device->calls->release(t->device, memory[s->slots[i]]);
    return wrong != 0;
}

int main(int argc, char **argv) {
    Test t = {.arena = arena_new(), .threads = couplet_threads_new(2)};
    char folder[] = "/tmp/couplet-examples-XXXXXX";
    char error[640] = "no temporary folder";
    int wrong = 0;
    int first = argc > 2 && strcmp(argv[1], "--chunks") == 0 ? 3 : 1;
    if (first == 3) t.settings.chunks = atoi(argv[2]);
    bool good = mkdtemp(folder) && (t.host = couplet_host_device_new(t.threads)) &&
                (t.device = couplet_opencl_open(0, NULL, error, sizeof error));
    if (!good) printf("%s\n", error);
    const char *data = NULL; /* the data folder for the specs that follow it */
    for (int i = first; good && i < argc && t.count < MOST_SPECS; i++) {
        if (strcmp(argv[i], "--data") == 0 && i + 1 < argc)
            data = argv[++i];
        else
            good = read_spec(&t, argv[i], data, folder);
    }
    rmdir(folder);
    good = good && compile_all(&t);
    for (int i = 0; good && i < t.count; i++)
        wrong += test_spec(&t, &t.specs[i]);
    for (int i = 0; i < t.count; i++)
        backend_free(&t.specs[i].cpu.code);
    couplet_device_free(t.device);
    couplet_device_free(t.host);
    couplet_threads_free(t.threads);
    arena_free(t.arena);
    printf("%d failed\n", wrong);
    return !good || wrong != 0;
}
