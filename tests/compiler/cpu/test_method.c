/* Compares one training step of a method on the CPU in float32 with the reference evaluator in
 * float64, which runs the graph as it stands before the passes that serve a back end only. Every
 * commit (parameters, optimiser state, running statistics, queues) and the loss are compared.
 *
 *     test_method [--no-fuse | --chunks N] SPEC... */
#include "compiler/compile/compile.h"
#include "compiler/driver/assemble.h"
#include "compiler/driver/load.h"
#include "compiler/reference/reference.h"
#include "runtime/executor.h"
#include "runtime/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 512 };

typedef struct Wanted {
    int phase;
    const char *name;
    double *values;
    int64_t count;
} Wanted;

typedef struct Test {
    Arena *arena;
    Wanted wanted[MOST];
    int count, phases;
    const char *fault;
} Test;

static uint32_t hash_name(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

/* Gives an entry of an input, by the input's name. Both sides get the same numbers, exact in
 * float32. */
static double sample(const GNode *n, int64_t i) {
    double u = couplet_random_unit(7, 0, 0, hash_name(n->name), (uint64_t)i, 0);
    if (strcmp(n->name, "seed") == 0) return i ? 0 : 3;
    if (strcmp(n->name, "step") == 0) return 5;
    if (strcmp(n->name, "steps") == 0) return 100;
    if (strcmp(n->name, "epoch") == 0) return 0;
    if (strncmp(n->name, "hyper.", 6) == 0) return 0.25;
    if (text_ends_with(n->name, ".label")) return (double)(int)(u * 3);
    if (text_ends_with(n->name, ".index")) return (double)(i * 7 % 100);
    if (n->type == GT_INT) return 0;
    if (n->type == GT_U8) return (double)(int)(u * 256);
    if (text_ends_with(n->name, "running_var") || text_ends_with(n->name, ".gain"))
        return (float)(0.75 + u / 2);
    /* an optimiser's mean of squares has a name of this form */
    if (strncmp(n->name, "optimiser.", 10) == 0 && text_ends_with(n->name, ".v"))
        return (float)(0.01 + u / 4);
    return (float)(0.4 * (u - 0.5));
}

static const double *reference_array(void *context, const GNode *n) {
    Test *t = context;
    double *values = arena_array(t->arena, double, graph_element_count(n) + 2);
    int64_t count = graph_element_count(n);
    if (strcmp(n->name, "seed") == 0) count = 2;
    for (int64_t i = 0; i < count; i++)
        values[i] = sample(n, i);
    return values;
}

static void want(Test *t, const char *name, const Reference *run, const GNode *node) {
    Wanted *w = &t->wanted[t->count++];
    w->phase = t->phases;
    w->name = name;
    w->count = graph_element_count(node);
    w->values = arena_array(t->arena, double, w->count);
    memcpy(w->values, reference_value(run, node), sizeof(double) * (size_t)w->count);
}

static void watch(void *context, const Graph *g, const char *pass) {
    Test *t = context;
    if (strcmp(g->name, "train") != 0 || strcmp(pass, "simplify") != 0) return;
    Reference *run = t->fault ? NULL : reference_run(g, reference_array, t);
    Span span;
    if (!run) return;
    const char *fault = reference_fault(run, &span);
    t->fault = fault ? arena_printf(t->arena, "%s", fault) : NULL; /* it outlives the evaluation */
    if (!t->fault) {
        for (int i = 0; i < g->outputs.count && t->count < MOST; i++)
            want(t, g->outputs.items[i].name, run, g->outputs.items[i].node);
        for (int i = 0; i < g->commits.count && t->count < MOST; i++)
            want(t, g->commits.items[i].state->name, run, g->commits.items[i].value);
    }
    t->phases++;
    reference_free(run);
}

static void *narrow(Arena *arena, const GNode *n) {
    int64_t count = graph_element_count(n);
    char *bytes = arena_alloc(arena, (size_t)count * 4 + 4);
    for (int64_t i = 0; i < count; i++) {
        double value = sample(n, i);
        if (n->type == GT_REAL)
            ((float *)(void *)bytes)[i] = (float)value;
        else if (n->type == GT_INT)
            ((int32_t *)(void *)bytes)[i] = (int32_t)value;
        else
            ((uint8_t *)bytes)[i] = (uint8_t)value;
    }
    return bytes;
}

static double value_at(const void *values, CoupletType type, int64_t i) {
    if (type == COUPLET_F32) return (double)((const float *)values)[i];
    return type == COUPLET_I32 ? (double)((const int32_t *)values)[i]
                               : (double)((const uint8_t *)values)[i];
}

/* Gives the largest difference relative to the largest entry of the array, which is what float32
 * keeps through a whole network. */
static double largest_difference(const Wanted *w, const void *got, CoupletType type) {
    double most = 0;
    double scale = 1e-30;
    for (int64_t i = 0; i < w->count; i++) {
        double d = fabs(value_at(got, type, i) - w->values[i]);
        if (!(d <= most)) most = isnan(d) ? HUGE_VAL : d;
        if (fabs(w->values[i]) > scale) scale = fabs(w->values[i]);
    }
    return most / scale;
}

/* Compares every step with the reference's value of its node, if COUPLET_TEST_STEPS asks for that.
 * The first differences are printed. */
typedef struct Trace {
    const CoupletPlan *plan;
    const Graph *g;
    const Reference *run;
} Trace;

static void trace_step(void *context, int step, void *const *buffers) {
    const Trace *t = context;
    const CoupletStep *s = &t->plan->steps[step];
    int number = s->buffers[s->buffer_count - 1];
    if (number >= t->g->nodes.count || t->plan->buffers[number].type != COUPLET_F32) return;
    const GNode *node = t->g->nodes.items[number];
    Wanted w = {0, node->name, (double *)(uintptr_t)reference_value(t->run, node),
                graph_element_count(node)};
    double off = largest_difference(&w, buffers[s->buffer_count - 1], COUPLET_F32);
    if (off > 2e-4)
        printf("step %d, node %%%u at %s: off by %.2g of the largest entry\n", step, node->id,
               s->source, off);
}

static void **inputs_of(Test *t, const CoupletPlan *plan, const Graph *g) {
    void **inputs = arena_array(t->arena, void *, plan->input_count + 1);
    for (int i = 0; i < plan->input_count; i++)
        inputs[i] = narrow(t->arena, g->nodes.items[plan->inputs[i].buffer]);
    return inputs;
}

static void **states_of(Test *t, const LoweredProgram *lowered) {
    void **states = arena_array(t->arena, void *, lowered->states.count + 1);
    for (int i = 0; i < lowered->states.count; i++) {
        const ProgramState *s = &lowered->states.items[i];
        GNode node = {.name = s->name, .type = s->type, .rank = s->rank};
        memcpy(node.shape, s->shape, sizeof node.shape);
        states[i] = narrow(t->arena, &node);
    }
    return states;
}

static double compare_arrays(Test *t, const char *path, int phase, const CoupletRun *run,
                             const CoupletPlan *plan, const char **worst_name) {
    double worst = 0;
    int at = 0;
    for (int i = 0; i < t->count; i++) {
        const Wanted *w = &t->wanted[i];
        if (w->phase != phase) continue;
        int commit = at++ - plan->output_count;
        const void *got =
            commit < 0 ? couplet_run_output(run, w->name) : couplet_run_commit_value(run, commit);
        const CoupletBuffer *buffer = commit < 0 ? couplet_plan_output(plan, w->name)
                                                 : &plan->buffers[plan->commits[commit].value];
        double off = largest_difference(w, got, buffer->type);
        if (off > worst) {
            worst = off;
            *worst_name = w->name;
        }
        if (off <= 2e-4) continue;
        printf("%s: `%s` is off by %.2g of its largest entry (%g, and %g in the reference)\n", path,
               w->name, off, value_at(got, buffer->type, 0), w->values[0]);
    }
    printf("%s: phase %d, %d arrays, worst %.2g in `%s`\n", path, phase, at, worst, *worst_name);
    return at == plan->output_count + plan->commit_count ? worst : HUGE_VAL;
}

static bool compare_phase(Test *t, const char *path, const LoweredProgram *lowered,
                          const CoupletProgram *program, int phase) {
    const CoupletPlan *plan = program->phases[phase].train;
    const Graph *g = lowered->phases.items[phase].train;
    CoupletThreads *threads = couplet_threads_new(2);
    CoupletRun *run = couplet_run_new(plan, threads);
    Trace trace = {plan, g,
                   getenv("COUPLET_TEST_STEPS") ? reference_run(g, reference_array, t) : NULL};
    if (trace.run) couplet_run_watch(run, trace_step, &trace);
    CoupletFault fault;
    const char *worst_name = "";
    double worst = HUGE_VAL;
    if (couplet_run_steps(run, inputs_of(t, plan, g), states_of(t, lowered), &fault))
        worst = compare_arrays(t, path, phase, run, plan, &worst_name);
    else
        printf("%s: %s: %s\n", path, fault.source, fault.sentence);
    reference_free((Reference *)(uintptr_t)trace.run);
    couplet_run_free(run);
    couplet_threads_free(threads);
    return worst <= 2e-4;
}

static int compare_method(const char *path, GraphSettings settings) {
    Test t = {.arena = arena_new()};
    Diag *diag = diag_new(t.arena);
    Options none;
    memset(&none, 0, sizeof none);
    Method *method = load_method(t.arena, diag, path, &none);
    const CompileOptions options = {.after = watch, .context = &t, .settings = settings};
    LoweredProgram *lowered =
        method ? compile_method(t.arena, diag, method, METHOD_STEPS, &options) : NULL;
    diag_print(diag, stderr);
    Assembled program;
    const char *error = "it does not compile";
    if (!lowered || t.fault || !assemble(t.arena, method, lowered, &program, &error)) {
        printf("%s: %s\n", path, t.fault ? t.fault : error);
        return 1;
    }
    bool good = t.phases == program.program->phase_count;
    for (int i = 0; i < lowered->phases.count; i++) {
        int64_t chunks = lowered->phases.items[i].train->chunks;
        if (chunks == settings.chunks) continue;
        printf("%s: phase %d goes through its networks in %lld parts, not in %lld\n", path, i,
               (long long)chunks, (long long)settings.chunks);
        good = false;
    }
    for (int i = 0; i < program.program->phase_count; i++)
        good &= compare_phase(&t, path, lowered, program.program, i);
    backend_free(&program.code);
    arena_free(t.arena);
    return !good;
}

int main(int argc, char **argv) {
    GraphSettings settings = {.no_fuse = argc > 1 && strcmp(argv[1], "--no-fuse") == 0};
    int wrong = 0;
    int first = settings.no_fuse ? 2 : 1;
    if (argc > 2 && strcmp(argv[1], "--chunks") == 0) {
        settings.chunks = atoi(argv[2]);
        first = 3;
    }
    for (int i = first; i < argc; i++)
        wrong += compare_method(argv[i], settings);
    printf("%d passed, %d failed\n", argc - first - wrong, wrong);
    return wrong != 0;
}
