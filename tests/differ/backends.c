/* Runs subjects on the doors of the differential test: in this process on one thread and on two, in
 * a binary that is linked with the runtime alone, and on an OpenCL device (backends.h). */
#include "tests/differ/backends.h"

#include "compiler/cpu/cpu.h"
#include "compiler/cpu/processor.h"
#include "compiler/driver/device_option.h"
#include "compiler/driver/link.h"
#include "runtime/executor.h"
#include "runtime/opencl/opencl.h"
#include "runtime/run.h"
#include "tests/runtime/group_threads.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const backend_names[BACKENDS] = {"CPU, 1 thread", "CPU, 2 threads", "binary",
                                             "OpenCL",        "2 ranks",        "3 ranks"};

struct Backends {
    unsigned wanted;
    CoupletThreads *threads;
    CoupletDevice *devices[BACKENDS]; /* by back end; NULL for the binary and for ranks */
    char folder[64];
    int64_t steps, cut; /* the steps of the plans that ran on ranks, and those that were cut */
};

/* The back ends that run the code of the JIT. */
enum {
    JIT = 1u << ON_ONE_THREAD | 1u << ON_TWO_THREADS | 1u << ON_TWO_RANKS | 1u << ON_THREE_RANKS
};

/* One call of backends_run. */
typedef struct Round {
    Backends *b;
    Arena *arena;
    Subject *const *subjects;
    int count;
    Graph **graphs;
    /* The joint table of the states of all methods, in which a name has one slot and each method
     * has its own shapes. */
    ARRAY(ProgramState) states;
    const char *error;
} Round;

static bool is_wanted(const Backends *b, Backend backend) {
    return (b->wanted >> backend) & 1;
}

Backends *backends_open(unsigned wanted) {
    char error[640] = "out of memory";
    Backends *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->wanted = wanted;
    b->threads = couplet_threads_new(2);
    b->devices[ON_ONE_THREAD] = couplet_host_device_new(NULL);
    b->devices[ON_TWO_THREADS] = couplet_host_device_new(b->threads);
    if (is_wanted(b, ON_A_DEVICE))
        b->devices[ON_A_DEVICE] =
            couplet_opencl_open(0, getenv("COUPLET_CACHE"), error, sizeof error);
    strcpy(b->folder, "/tmp/couplet-differ-XXXXXX");
    bool good = mkdtemp(b->folder) && b->devices[ON_ONE_THREAD] && b->devices[ON_TWO_THREADS] &&
                (b->devices[ON_A_DEVICE] || !is_wanted(b, ON_A_DEVICE));
    if (good) return b;
    printf("%s\n", error);
    backends_close(b);
    return NULL;
}

void backends_close(Backends *b) {
    for (int i = 0; i < BACKENDS; i++)
        couplet_device_free(b->devices[i]);
    couplet_threads_free(b->threads);
    rmdir(b->folder);
    free(b);
}

/* ---- arrays as a plan wants them ------------------------------------------------------------- */

static int64_t element_bytes(GType type) {
    return type == GT_REAL || type == GT_INT ? 4 : 1;
}

static void *narrow(Arena *arena, const Subject *s, const GNode *n) {
    int64_t count = subject_elements(n);
    if (strcmp(n->name, "seed") == 0) count = 2;
    const double *wide = s->source(s->context, n);
    char *bytes = arena_alloc(arena, (size_t)count * 4 + 4);
    for (int64_t i = 0; i < count; i++) {
        if (n->type == GT_REAL)
            ((float *)(void *)bytes)[i] = (float)wide[i];
        else if (n->type == GT_INT)
            ((int32_t *)(void *)bytes)[i] = (int32_t)wide[i];
        else
            ((uint8_t *)bytes)[i] = (uint8_t)wide[i];
    }
    return bytes;
}

static void **inputs_of(Arena *arena, const Subject *s, const CoupletPlan *plan) {
    void **inputs = arena_array(arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++)
        inputs[i] = narrow(arena, s, s->g->nodes.items[plan->inputs[i].buffer]);
    return inputs;
}

static int joint_slot(Round *r, const ProgramState *state) {
    for (int i = 0; i < r->states.count; i++)
        if (strcmp(r->states.items[i].name, state->name) == 0) return i;
    array_push(r->arena, &r->states, *state);
    return r->states.count - 1;
}

static GNode state_node(const ProgramState *state) {
    GNode node = {.kind = GN_STATE, .name = state->name, .type = state->type, .rank = state->rank};
    memcpy(node.shape, state->shape, sizeof node.shape);
    return node;
}

/* Returns the states on the host by their slots in the joint table. bytes[slot] is the size of
 * each. */
static void **states_of(Round *r, const Subject *s, int64_t *bytes) {
    void **states = arena_array(r->arena, void *, r->states.count + 1);
    for (int i = 0; s->lowered && i < s->lowered->states.count; i++) {
        const GNode node = state_node(&s->lowered->states.items[i]);
        int slot = joint_slot(r, &s->lowered->states.items[i]);
        states[slot] = narrow(r->arena, s, &node);
        bytes[slot] = subject_elements(&node) * element_bytes(node.type);
    }
    return states;
}

/* ---- in this process ------------------------------------------------------------------------- */

static void keep_values(Round *r, const Subject *s, const CoupletRun *run, Result *result) {
    result->values = arena_array(r->arena, void *, s->answer_count + 1);
    for (int i = 0; i < s->answer_count; i++) {
        int commit = i - s->g->outputs.count;
        const void *found = commit < 0 ? couplet_run_output(run, s->answers[i].name)
                                       : couplet_run_commit_value(run, commit);
        size_t bytes = (size_t)(s->answers[i].count * element_bytes(s->answers[i].type));
        if (!found) result->fault = "an output cannot be read";
        result->values[i] = arena_alloc(r->arena, bytes + 1);
        if (found) memcpy(result->values[i], found, bytes);
    }
}

/* Returns the states in the device's memory, or on the host for a host device. */
static void **hand_over(Round *r, CoupletDevice *device, const Subject *s) {
    int64_t *bytes = arena_array(r->arena, int64_t, r->states.count + 1);
    void **states = states_of(r, s, bytes);
    for (int i = 0; !device->is_host && i < r->states.count; i++) {
        if (!states[i]) continue;
        void *there = device->calls->allocate(device, bytes[i]);
        if (there) device->calls->write(device, there, 0, states[i], bytes[i]);
        states[i] = there;
    }
    return states;
}

static void take_back(const Round *r, CoupletDevice *device, void **states) {
    for (int i = 0; !device->is_host && i < r->states.count; i++)
        if (states[i]) device->calls->release(device, states[i]);
}

/* Fills the memory of a run with NaN, so that a step that reads what nothing has made shows. */
static void spoil_memory(CoupletDevice *device, const CoupletPlan *plan, CoupletRun *run) {
    if (device->is_host) memset(run->arena, 0xff, (size_t)couplet_ranks_arena(device, plan));
}

static void run_plan(Round *r, CoupletDevice *device, const Subject *s, const CoupletPlan *plan,
                     Result *result) {
    CoupletFault fault = {.sentence = "out of memory", .source = ""};
    couplet_device_clear(device);
    CoupletRun *run = couplet_run_on(device, plan);
    void **states = run ? hand_over(r, device, s) : NULL;
    if (run) spoil_memory(device, plan, run);
    *result = (Result){.fault = NULL};
    if (!run)
        result->fault = arena_printf(r->arena, "%s", device->fault.sentence);
    else if (!couplet_run_steps(run, inputs_of(r->arena, s, plan), states, &fault))
        result->fault = arena_printf(r->arena, "%s", fault.sentence);
    else
        keep_values(r, s, run, result);
    if (states) take_back(r, device, states);
    couplet_run_free(run);
}

/* ---- on ranks -------------------------------------------------------------------------------- */

enum { MOST_RANKS = 3 };

/* The work of one plan on ranks that are threads of this process. */
typedef struct RankWork {
    Round rounds[MOST_RANKS]; /* by rank, each with an arena of its own */
    const Subject *subject;
    const CoupletPlan *plan;
    Result results[MOST_RANKS];
} RankWork;

static void work_of_rank(CoupletGroup *group, void *context) {
    RankWork *w = context;
    const int rank = group->rank;
    CoupletThreads *threads = couplet_threads_new(1 + rank % 2);
    CoupletDevice *device = couplet_host_device_new(threads);
    device->group = group;
    run_plan(&w->rounds[rank], device, w->subject, w->plan, &w->results[rank]);
    couplet_device_free(device);
    couplet_threads_free(threads);
}

static bool same_result(const Subject *s, const Result *a, const Result *b) {
    if (a->fault || b->fault) return a->fault && b->fault && strcmp(a->fault, b->fault) == 0;
    for (int i = 0; i < s->answer_count; i++) {
        const int64_t bytes = s->answers[i].count * element_bytes(s->answers[i].type);
        if (memcmp(a->values[i], b->values[i], (size_t)bytes) != 0) return false;
    }
    return true;
}

static Result copy_of(Arena *arena, const Subject *s, const Result *from) {
    Result copy = {.fault = from->fault ? arena_printf(arena, "%s", from->fault) : NULL};
    if (copy.fault) return copy;
    copy.values = arena_array(arena, void *, s->answer_count + 1);
    for (int i = 0; i < s->answer_count; i++) {
        const int64_t bytes = s->answers[i].count * element_bytes(s->answers[i].type);
        copy.values[i] = arena_alloc(arena, (size_t)bytes + 1);
        memcpy(copy.values[i], from->values[i], (size_t)bytes);
    }
    return copy;
}

static void count_cut(Backends *b, const CoupletPlan *plan) {
    b->steps += plan->step_count;
    for (int i = 0; i < plan->step_count; i++)
        b->cut += plan->steps[i].is_cut;
}

double backends_cut(const Backends *b) {
    return b->steps ? (double)b->cut / (double)b->steps : 0;
}

static void run_on_ranks(Round *r, int count, int subject, const CoupletPlan *plan,
                         Result *result) {
    enum { PATIENCE = 300 }; /* seconds, after which a rank that hangs is given up */
    const Subject *s = r->subjects[subject];
    RankWork w = {.subject = s, .plan = plan};
    ThreadRank ranks[MOST_RANKS];
    for (int i = 0; i < count; i++) {
        w.rounds[i] = *r;
        w.rounds[i].arena = arena_new();
        w.results[i].fault = "the rank does not begin";
    }
    run_ranks(ranks, count, PATIENCE, work_of_rank, &w);
    count_cut(r->b, plan);
    int other = 0;
    for (int i = 1; i < count; i++)
        if (!same_result(s, &w.results[0], &w.results[i])) other = i;
    *result = copy_of(r->arena, s, &w.results[other]);
    for (int i = 0; i < count; i++)
        arena_free(w.rounds[i].arena);
}

/* ---- what is compiled in this process -------------------------------------------------------- */

static bool run_jit(Round *r, Result *results[BACKENDS]) {
    const CpuOptions options = {NULL};
    CoupletPlan **plans = arena_array(r->arena, CoupletPlan *, r->count);
    CpuCode *code = cpu_compile(r->arena, r->graphs, r->count, r->states.items, r->states.count,
                                &options, plans, &r->error);
    for (int i = 0; code && i < r->count; i++) {
        for (Backend k = ON_ONE_THREAD; k <= ON_TWO_THREADS; k++)
            if (is_wanted(r->b, k))
                run_plan(r, r->b->devices[k], r->subjects[i], plans[i], &results[k][i]);
        for (Backend k = ON_TWO_RANKS; k <= ON_THREE_RANKS; k++)
            if (is_wanted(r->b, k))
                run_on_ranks(r, k == ON_TWO_RANKS ? 2 : 3, i, plans[i], &results[k][i]);
    }
    cpu_free(code);
    return code != NULL;
}

static bool run_device(Round *r, Result *results) {
    const GraphList list = {r->graphs, r->count, r->states.items, r->states.count};
    BackEndCode code;
    if (!opencl_backend.compile(r->arena, &list, 0, &code, &r->error)) return false;
    for (int i = 0; i < r->count; i++)
        run_plan(r, r->b->devices[ON_A_DEVICE], r->subjects[i], code.plans[i], &results[i]);
    return true;
}

/* ---- in a process of its own ----------------------------------------------------------------- */

static void write_block(FILE *file, const void *data, int64_t bytes) {
    fwrite(&bytes, sizeof bytes, 1, file);
    fwrite(data, 1, (size_t)bytes, file);
}

/* Writes for each plan its inputs, and then its states with their slots (client.c reads the
 * file). */
static bool write_arrays(Round *r, CoupletPlan *const *plans, const char *path) {
    FILE *file = fopen(path, "wb");
    for (int i = 0; file && i < r->count; i++) {
        const Subject *s = r->subjects[i];
        void **inputs = inputs_of(r->arena, s, plans[i]);
        for (int k = 0; k < plans[i]->input_count; k++) {
            const CoupletBuffer *b = &plans[i]->buffers[plans[i]->inputs[k].buffer];
            write_block(file, inputs[k], couplet_buffer_count(b) * couplet_type_bytes(b->type));
        }
        int64_t *bytes = arena_array(r->arena, int64_t, r->states.count + 1);
        int64_t known = s->lowered ? s->lowered->states.count : 0;
        void **states = states_of(r, s, bytes);
        fwrite(&known, sizeof known, 1, file);
        for (int64_t slot = 0; slot < r->states.count; slot++) {
            if (!states[slot]) continue;
            fwrite(&slot, sizeof slot, 1, file);
            write_block(file, states[slot], bytes[slot]);
        }
    }
    bool good = file && !ferror(file);
    return (!file || fclose(file) == 0) && good;
}

/* Reads for each plan the sentence of its fault, empty for none, and without a fault the
 * answers. */
static bool read_answers(Round *r, const char *path, Result *results) {
    FILE *file = fopen(path, "rb");
    bool good = file != NULL;
    for (int i = 0; good && i < r->count; i++) {
        const Subject *s = r->subjects[i];
        char sentence[256];
        good = fread(sentence, sizeof sentence, 1, file) == 1;
        results[i] = (Result){
            .fault = good && *sentence ? arena_printf(r->arena, "%.255s", sentence) : NULL};
        results[i].values = arena_array(r->arena, void *, s->answer_count + 1);
        for (int k = 0; good && !results[i].fault && k < s->answer_count; k++) {
            size_t bytes = (size_t)(s->answers[k].count * element_bytes(s->answers[k].type));
            results[i].values[k] = arena_alloc(r->arena, bytes + 1);
            good = fread(results[i].values[k], 1, bytes, file) == bytes;
        }
    }
    if (file) fclose(file);
    return good;
}

static CoupletProgram *make_program(Round *r, CoupletPlan **plans) {
    CoupletProgram *program = arena_new_of(r->arena, CoupletProgram);
    CoupletPhase *phase = arena_new_of(r->arena, CoupletPhase);
    CoupletStateInfo *states = arena_array(r->arena, CoupletStateInfo, r->states.count + 1);
    for (int i = 0; i < r->states.count; i++)
        states[i] = (CoupletStateInfo){.name = r->states.items[i].name};
    phase->train = plans[0];
    *program = (CoupletProgram){.name = "differ",
                                .spec_path = "",
                                .states = states,
                                .state_count = r->states.count,
                                .init = plans[0],
                                .train = plans[0],
                                .phases = phase,
                                .phase_count = 1,
                                .features = plans,
                                .feature_count = r->count};
    return program;
}

static bool build_binary(Round *r, CoupletPlan **plans, const char *out) {
    const char *object = arena_printf(r->arena, "%s/program.o", r->b->folder);
    const char *objects[] = {DIFFER_CLIENT, object};
    const CpuTarget target = {.processor = processor_here()->name};
    CpuPlans *made = cpu_plans(r->arena, r->graphs, r->count, r->states.items, r->states.count,
                               &target, plans, &r->error);
    if (!made) return false;
    bool good = cpu_write_program(r->arena, made, make_program(r, plans), "couplet_differ", false,
                                  object, &r->error) &&
                link_executable(r->arena, objects, 2, out);
    remove(object);
    return good;
}

static bool run_binary(Round *r, Result *results) {
    const char *program = arena_printf(r->arena, "%s/program", r->b->folder);
    const char *in = arena_printf(r->arena, "%s/in", r->b->folder);
    const char *out = arena_printf(r->arena, "%s/out", r->b->folder);
    CoupletPlan **plans = arena_array(r->arena, CoupletPlan *, r->count);
    r->error = "the binary cannot be linked";
    bool good = build_binary(r, plans, program);
    if (good) r->error = "the binary does not run, or hands over too little";
    good = good && write_arrays(r, plans, in) &&
           tool_run((const char *const[]){program, in, out, NULL}) && read_answers(r, out, results);
    remove(program);
    remove(in);
    remove(out);
    return good;
}

/* ---- all ------------------------------------------------------------------------------------- */

bool backends_run(Backends *b, Arena *arena, Subject *const *subjects, int count,
                  Result *results[BACKENDS], const char **error) {
    Round r = {.b = b,
               .arena = arena,
               .subjects = subjects,
               .count = count,
               .graphs = arena_array(arena, Graph *, count + 1),
               .error = "out of memory"};
    for (int i = 0; i < count; i++) {
        r.graphs[i] = subjects[i]->g;
        for (int k = 0; subjects[i]->lowered && k < subjects[i]->lowered->states.count; k++)
            joint_slot(&r, &subjects[i]->lowered->states.items[k]);
    }
    for (int i = 0; i < BACKENDS; i++)
        results[i] = arena_array(arena, Result, count + 1);
    bool good =
        count == 0 || ((!(b->wanted & JIT) || run_jit(&r, results)) &&
                       (!is_wanted(b, IN_A_BINARY) || run_binary(&r, results[IN_A_BINARY])) &&
                       (!is_wanted(b, ON_A_DEVICE) || run_device(&r, results[ON_A_DEVICE])));
    *error = r.error;
    return good;
}
