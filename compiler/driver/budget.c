#include "compiler/driver/budget.h"

#include "compiler/plan/plan.h"

#include <math.h>
#include <string.h>

static const double mib = 1 << 20;

typedef struct Work {
    Arena *arena;
    const Method *method;
    const char *fn; /* NULL: the whole method */
    const FunctionInput *inputs;
    int input_count;
    const PlanTarget *target;
} Work;

/* A way to lower it, and what comes of it. */
typedef struct Attempt {
    GraphSettings settings;
    LoweredProgram *program;
    Graph *function;
    int64_t peak;   /* bytes of the largest arena; -1: it has errors */
    int64_t stored; /* of products of pairs that could be streamed */
} Attempt;

static int64_t arena_of(const Work *w, Graph *g, const LoweredProgram *program) {
    const char *error;
    Plan plan;
    bool good = plan_make(&plan, w->arena, g, program ? program->states.items : NULL, program ? program->states.count : 0, w->target, &error);
    return good ? plan.out->arena_bytes : 0; /* a graph that has no plan is reported by who needs one */
}

static void measure(const Work *w, Attempt *a, Graph *g) {
    int64_t peak = arena_of(w, g, a->program), stored = 0;
    for (int i = 0; i < g->choices.count; i++)
        if (!g->choices.items[i].is_streamed && !g->choices.items[i].reason) stored += g->choices.items[i].bytes;
    if (peak > a->peak) a->peak = peak;
    if (stored > a->stored) a->stored = stored;
}

static Attempt lower_with(const Work *w, Diag *diag, const LowerOptions *options, GraphSettings settings, bool measured) {
    LowerOptions with = *options;
    Attempt a = {.settings = settings, .peak = 0};
    with.settings = settings;
    with.settings.apart = !w->target->together;
    if (w->fn) a.function = lower_function(w->arena, diag, w->method, w->fn, w->inputs, w->input_count, &with);
    else a.program = lower_method(w->arena, diag, w->method, &with);
    if (!a.function && !a.program) a.peak = -1;
    if (a.peak < 0 || !measured) return a;
    if (a.function) measure(w, &a, a.function);
    for (int i = 0; a.program && i < a.program->phases.count; i++) measure(w, &a, a.program->phases.items[i].train);
    return a;
}

/* ---- the search ------------------------------------------------------------------------------------------------- */

/* Fewer arrays of pairs are stored: as many as fit, else none. */
static Attempt stream_more(const Work *w, const LowerOptions *options, Attempt now, int64_t budget) {
    Attempt first = now;
    Diag *quiet = diag_new(w->arena);
    while (now.peak > budget && now.stored > 0) {
        int64_t bound = now.stored - (now.peak - budget);
        GraphSettings settings = now.settings;
        settings.is_bounded = true;
        settings.stored_bytes = bound > 0 && bound < now.stored ? bound : 0;
        now = lower_with(w, quiet, options, settings, true);
    }
    return now.peak < first.peak ? now : first; /* where it does not help, what is faster */
}

/* Arrays are computed again: how many is told by an estimate, and measured by the plan. */
static Attempt recompute_more(const Work *w, const LowerOptions *options, Attempt now, int64_t budget) {
    enum { MOST_TRIES = 4 };
    Diag *quiet = diag_new(w->arena);
    Attempt best = now;
    int64_t kept = budget;
    for (int i = 0; i < MOST_TRIES && best.peak > budget && kept > budget / 4; i++) {
        GraphSettings settings = now.settings;
        settings.kept_bytes = kept;
        Attempt next = lower_with(w, quiet, options, settings, true);
        if (next.peak < best.peak) best = next;
        kept -= next.peak > budget ? next.peak - budget : 0;
    }
    return best;
}

static Attempt search(const Work *w, const LowerOptions *options, Attempt best, int64_t budget) {
    bool streams = !options->settings.no_stream;
    if (streams) best = stream_more(w, options, best, budget);
    if (best.peak > budget) best = recompute_more(w, options, best, budget);
    if (streams && best.peak > budget) best = stream_more(w, options, best, budget);
    return best;
}

/* ---- when nothing more helps --------------------------------------------------------------------------------------- */

static void refuse(Diag *diag, const Attempt *best, int64_t budget, Span span, bool may_stream) {
    const LoweredProgram *program = best->program;
    double needed = (double)best->peak / mib;
    diag_report(diag, CODE_BUDGET, span, "%s needs at least %.1f MiB for its arrays, and %.1f MiB are allowed", program ? "a step" : "the function with its gradient", needed,
                (double)budget / mib);
    int64_t batch = program ? (int64_t)((double)program->batch * (double)budget / (double)best->peak) / 8 * 8 : 0;
    if (!may_stream) diag_suggest(diag, "without --no-stream, arrays of pairs need not be stored");
    else if (batch) diag_suggest(diag, "%.0fMiB would do; or a batch of about %lld in place of %lld", ceil(needed), (long long)batch, (long long)program->batch);
    else diag_suggest(diag, "%.0fMiB would do", ceil(needed));
}

static const Span *spec_budget(const Method *method) {
    for (int i = 0; i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        for (int p = 0; s->kind == STMT_TRAIN && p < s->param_count; p++)
            if (strcmp(s->params[p].name, "memory") == 0) return &s->params[p].span;
    }
    return NULL;
}

/* The attempts are silent; the one that is taken is lowered once more, for its messages and for who watches the passes. */
static Attempt lower_in_budget(const Work *w, Diag *diag, const LowerOptions *options) {
    static const LowerOptions none = {.memory = 0};
    if (!options) options = &none;
    const LowerOptions silent = {.settings = options->settings, .memory = options->memory};
    const Span *place = w->fn ? NULL : spec_budget(w->method);
    if (!options->memory && !place) return lower_with(w, diag, options, options->settings, false);
    Attempt best = lower_with(w, diag_new(w->arena), &silent, options->settings, true);
    int64_t budget = options->memory ? options->memory : best.program ? best.program->memory : 0;
    if (best.peak > budget) best = search(w, &silent, best, budget);
    Attempt taken = lower_with(w, diag, options, best.settings, false);
    if (best.peak <= budget || taken.peak < 0) return taken;
    refuse(diag, &best, budget, options->memory ? (Span){0} : *place, !options->settings.no_stream);
    return (Attempt){.peak = -1};
}

LoweredProgram *lower_within(Arena *arena, Diag *diag, const Method *method, const LowerOptions *options, const PlanTarget *target) {
    const Work w = {.arena = arena, .method = method, .target = target};
    return lower_in_budget(&w, diag, options).program;
}

Graph *lower_function_within(Arena *arena, Diag *diag, const Method *method, const char *fn, const FunctionInput *inputs, int input_count, const LowerOptions *options,
                             const PlanTarget *target) {
    const Work w = {arena, method, fn, inputs, input_count, target};
    return lower_in_budget(&w, diag, options).function;
}
