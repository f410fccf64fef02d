/* Makes a subject of one training step of a method: its text is made small, and the step starts
 * with made-up states and batches. */
#include "tests/differ/subject.h"

#include "compiler/driver/load.h"
#include "runtime/random.h"

#include <math.h>
#include <string.h>

/* The allowance of float32 through a whole network with batch statistics, relative to the largest
 * entry of the array or of its kind. */
static const double through_a_network = 2e-4;

/* ---- made small ------------------------------------------------------------------------------ */

/* Changes `name = 32` or `name 32` into `name = 4` in place, and fills the rest up with spaces. */
static void shrink_setting(char *text, const char *name, const char *value) {
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

static const char *small_text(Arena *arena, const char *path) {
    static const struct {
        const char *name, *value;
    } smaller[] = {{"width", "2"}, {"batch", "8"}, {"half", "4"}, {"d0", "4"}};
    Source *source = load_source(arena, path);
    if (!source) return NULL;
    char *text = arena_strndup(arena, source->text, source->length);
    for (size_t i = 0; i < sizeof smaller / sizeof *smaller; i++)
        shrink_setting(text, smaller[i].name, smaller[i].value);
    return text;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static uint32_t hash_name(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

static double hyper_value(const LoweredProgram *program, const char *name) {
    for (int i = 0; i < program->hypers.count; i++)
        if (strcmp(program->hypers.items[i].name, name) == 0) return program->hypers.items[i].value;
    return 0;
}

/* Returns an entry by the array's name and the place, exact in float32. States have values as after
 * some training: variances and gains are about 1, and weights are small. */
static double sample(const LoweredProgram *program, const GNode *n, int64_t i) {
    static const struct {
        const char *name;
        double value;
    } scalars[] = {{"step", 5}, {"steps", 100}, {"epoch", 0}};
    double u = couplet_random_unit(7, 0, 0, hash_name(n->name), (uint64_t)i, 0);
    for (size_t k = 0; k < sizeof scalars / sizeof *scalars; k++)
        if (strcmp(n->name, scalars[k].name) == 0) return scalars[k].value;
    if (strcmp(n->name, "seed") == 0) return i ? 0 : 3;
    if (strncmp(n->name, "hyper.", 6) == 0) return (float)hyper_value(program, n->name + 6);
    if (text_ends_with(n->name, ".label")) return (double)(int)(u * 3);
    if (text_ends_with(n->name, ".index")) return (double)(i * 7 % 100);
    if (n->type == GT_INT) return 0;
    if (n->type == GT_U8) return (double)(int)(u * 256);
    if (text_ends_with(n->name, "running_var") || text_ends_with(n->name, ".gain"))
        return (float)(0.75 + u / 2);
    return (float)(0.4 * (u - 0.5));
}

static const double *method_array(void *context, const GNode *n) {
    Subject *s = context;
    int64_t count = strcmp(n->name, "seed") == 0 ? 2 : subject_elements(n);
    double *values = arena_array(s->arena, double, count + 2);
    for (int64_t i = 0; i < count; i++)
        values[i] = sample(s->lowered, n, i);
    return values;
}

/* ---- answers --------------------------------------------------------------------------------- */

static double largest(const double *values, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs(values[i]));
    return most;
}

static void add_answer(Subject *s, const char *name, const GNode *node, const Reference *run) {
    Answer *a = &s->answers[s->answer_count++];
    *a = (Answer){.name = name, .type = node->type, .count = subject_elements(node)};
    a->exact = arena_array(s->arena, double, a->count);
    memcpy(a->exact, reference_value(run, node), sizeof(double) * (size_t)a->count);
    a->allowed = through_a_network * fmax(1e-3, largest(a->exact, a->count));
}

static void evaluate_graph(Subject *s, const Graph *g) {
    Reference *run = reference_run(g, s->source, s->context);
    const char *fault = run ? reference_fault(run, NULL) : "out of memory";
    if (fault) s->error = arena_printf(s->arena, "the reference evaluator says: %s", fault);
    s->answers = arena_array(s->arena, Answer, g->outputs.count + g->commits.count + 1);
    for (int i = 0; !fault && i < g->outputs.count; i++)
        add_answer(s, g->outputs.items[i].name, g->outputs.items[i].node, run);
    for (int i = 0; !fault && i < g->commits.count; i++)
        add_answer(s, g->commits.items[i].state->name, g->commits.items[i].value, run);
    reference_free(run);
}

void subject_of_method(Subject *s, Arena *arena, const char *path) {
    *s = (Subject){.arena = arena, .name = path, .source = method_array, .context = s};
    Diag *diag = diag_new(arena);
    const char *text = small_text(arena, path);
    Method *method = text ? load_text(arena, diag, path, text) : NULL;
    Snapshot written = {.name = "train", .pass = "simplify"};
    const CompileOptions options = {.after = gradient_snapshot_pass, .context = &written};
    if (!method || diag_error_count(diag) ||
        !(s->lowered = compile_method(arena, diag, method, METHOD_STEPS, &options))) {
        diag_print(diag, stdout);
        s->error = "it does not compile";
        return;
    }
    s->g = s->lowered->phases.items[0].train;
    evaluate_graph(s, &written.graph);
}
