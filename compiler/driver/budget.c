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
    bool is_program;
    int64_t peak;   /* bytes of the largest arena; -1: it has errors */
    double cost;    /* milliseconds of its steps, by a model */
    int64_t stored; /* of products of pairs that could be streamed */
    int64_t fixed;  /* alive at the end: new values of what is kept from step to step, however the step is done */
    GMix mix;       /* what keeps a batch from going in parts */
    int64_t batch, memory; /* as the program says */
} Attempt;

typedef struct Lowered {
    LoweredProgram *program;
    Graph *function;
} Lowered;

static Lowered lower_with(const Work *w, Arena *arena, Diag *diag, const LowerOptions *options, GraphSettings settings) {
    LowerOptions with = *options;
    Lowered done = {.program = NULL};
    with.settings = settings;
    with.settings.apart = !w->target->together;
    if (w->fn) done.function = lower_function(arena, diag, w->method, w->fn, w->inputs, w->input_count, &with);
    else done.program = lower_method(arena, diag, w->method, &with);
    return done;
}

/* Each step waits for its operations or for its bytes. What matters is the ratio of plans: constants of two cores. */
static double cost_of(const Plan *plan) {
    static const double operations = 180, bytes = 14, start = 2500; /* in a nanosecond; nanoseconds */
    double all = 0;
    for (int s = 0; s < plan->kernels.items.count; s++) all += start + fmax(plan->steps[s].flops / operations, plan->steps[s].bytes / bytes);
    return all * 1e-6;
}

static int64_t fixed_of(const Plan *plan) {
    int64_t bytes = 0;
    for (int b = 0; b < plan->out->buffer_count; b++)
        if (plan->lives[b].last == plan->kernels.items.count) bytes += plan->lives[b].bytes;
    return bytes;
}

static void measure(const Work *w, Arena *arena, Attempt *a, Graph *g, const LoweredProgram *program) {
    const char *error;
    Plan plan;
    bool good = plan_make(&plan, arena, g, program ? program->states.items : NULL, program ? program->states.count : 0, w->target, &error);
    int64_t peak = good ? plan.out->arena_bytes : 0, stored = 0; /* a graph that has no plan is reported by who needs one */
    if (good) a->cost += cost_of(&plan);
    if (good && fixed_of(&plan) > a->fixed) a->fixed = fixed_of(&plan);
    for (int i = 0; i < g->choices.count; i++)
        if (!g->choices.items[i].is_streamed && !g->choices.items[i].reason) stored += g->choices.items[i].bytes;
    if (peak > a->peak) a->peak = peak;
    if (stored > a->stored) a->stored = stored;
    if (g->mix.bytes > a->mix.bytes) a->mix = g->mix;
}

/* In silence, and nothing of it stays. */
static Attempt attempt(const Work *w, const LowerOptions *options, GraphSettings settings) {
    Arena *arena = arena_new();
    Lowered done = lower_with(w, arena, diag_new(arena), options, settings);
    const LoweredProgram *program = done.program;
    Attempt a = {.settings = settings, .is_program = program != NULL, .peak = program || done.function ? 0 : -1};
    if (done.function) measure(w, arena, &a, done.function, NULL);
    for (int i = 0; program && i < program->phases.count; i++) measure(w, arena, &a, program->phases.items[i].train, program);
    if (program) {
        a.batch = program->batch;
        a.memory = program->memory;
    }
    arena_free(arena);
    return a;
}

/* ---- the search ------------------------------------------------------------------------------------------------- */

/* Fewer arrays of pairs are stored: as many as fit, else none. */
static Attempt stream_more(const Work *w, const LowerOptions *options, Attempt now, int64_t budget) {
    Attempt first = now;
    while (now.peak > budget && now.stored > 0) {
        int64_t bound = now.stored - (now.peak - budget);
        GraphSettings settings = now.settings;
        settings.is_bounded = true;
        settings.stored_bytes = bound > 0 && bound < now.stored ? bound : 0;
        now = attempt(w, options, settings);
    }
    return now.peak < first.peak ? now : first; /* where it does not help, what is faster */
}

/* Arrays are computed again: how many is told by an estimate, and measured by the plan. */
static Attempt recompute_more(const Work *w, const LowerOptions *options, Attempt now, int64_t budget) {
    enum { MOST_TRIES = 4 };
    Attempt best = now;
    int64_t kept = budget;
    for (int i = 0; i < MOST_TRIES && best.peak > budget && kept > budget / 4; i++) {
        GraphSettings settings = now.settings;
        settings.kept_bytes = kept;
        Attempt next = attempt(w, options, settings);
        if (next.peak < best.peak) best = next;
        kept -= next.peak > budget ? next.peak - budget : 0;
    }
    return best;
}

/* The largest number of parts up to a bound. */
static int64_t parts_up_to(int64_t batch, int64_t bound) {
    int64_t parts = batch < bound ? batch : bound;
    while (parts > 1 && batch % parts != 0) parts--;
    return parts;
}

enum { MOST_CHUNKS = 64 };

/* The batch goes through the network in parts: in as few as will do. A step in so many parts needs at least that part of what it needs as a whole, beside what is
 * there at its end. */
static Attempt chunk_more(const Work *w, const LowerOptions *options, Attempt whole, Attempt best, int64_t budget) {
    const int64_t most = parts_up_to(whole.batch, MOST_CHUNKS);
    for (int64_t chunks = 2; chunks <= most && best.peak > budget; chunks++) {
        GraphSettings settings = best.settings;
        if (whole.batch % chunks != 0 || (whole.fixed + (whole.peak - whole.fixed) / chunks > budget && chunks < most)) continue;
        settings.kept_bytes = 0;
        settings.chunks = chunks;
        Attempt next = attempt(w, options, settings);
        if (next.mix.bytes > best.mix.bytes) best.mix = next.mix;
        if (next.peak < best.peak) best = next;
        if (best.mix.bytes > budget) break; /* in however many parts */
    }
    return best;
}

/* So many parts, and within each arrays are computed again: less of the whole is kept than would do, until the plan says that a part does. */
static Attempt recompute_in_parts(const Work *w, const LowerOptions *options, Attempt whole, GraphSettings settings, int64_t estimate, int64_t budget) {
    enum { MOST_TRIES = 3 };
    Attempt best = {.peak = INT64_MAX};
    int64_t kept = whole.peak - (estimate - budget) * settings.chunks, least = whole.peak / 16;
    for (int i = 0; i < MOST_TRIES && best.peak > budget && (i == 0 || kept > least); i++) {
        settings.kept_bytes = kept > least ? kept : least;
        Attempt next = attempt(w, options, settings);
        if (i && next.peak >= best.peak) break; /* there is no more to compute again */
        if (next.peak < best.peak) best = next;
        kept = settings.kept_bytes - (next.peak > budget ? (next.peak - budget) * settings.chunks : 0);
    }
    return best;
}

/* Neither is enough alone: both. Most parts need least; in fewer, more is computed again and there are fewer kernels to start: of those that fit, what costs least. */
static Attempt combine(const Work *w, const LowerOptions *options, Attempt whole, Attempt best, int64_t budget) {
    enum { MOST_COUNTS = 3 };
    Attempt fitting = {.peak = -1};
    int64_t most = parts_up_to(whole.batch, MOST_CHUNKS), chunks = most;
    const int64_t least = best.settings.chunks > 1 ? best.peak : whole.peak / most;
    for (int i = 0; i < MOST_COUNTS && chunks > 1; i++, chunks = parts_up_to(whole.batch, chunks - 1)) {
        GraphSettings settings = best.settings;
        settings.chunks = chunks;
        Attempt next = recompute_in_parts(w, options, whole, settings, least + whole.peak / chunks - whole.peak / most, budget);
        if (next.peak < best.peak) best = next;
        if (next.peak > budget || (fitting.peak >= 0 && next.cost >= fitting.cost)) break;
        fitting = next;
    }
    return fitting.peak >= 0 ? fitting : best;
}

enum { FAR = 6 /* times more than there may be */ };

static Attempt search(const Work *w, const LowerOptions *options, Attempt best, int64_t budget) {
    const bool streams = !options->settings.no_stream;
    const Attempt whole = best;
    Attempt parts = whole;
    const bool far = whole.batch > 1 && whole.peak > FAR * budget; /* only parts can do that */
    if (far) parts = chunk_more(w, options, whole, whole, budget);
    if (parts.peak <= budget) return parts;
    if (streams) best = stream_more(w, options, best, budget);
    if (best.peak > budget) best = recompute_more(w, options, best, budget);
    if (streams && best.peak > budget) best = stream_more(w, options, best, budget);
    if (best.peak > budget && far && !best.settings.is_bounded) best = parts.peak < best.peak ? parts : best; /* tried */
    else if (best.peak > budget) best = chunk_more(w, options, whole, best, budget);
    if (parts.mix.bytes > best.mix.bytes) best.mix = parts.mix;
    if (best.peak > budget && best.mix.bytes <= budget && whole.batch > 1) best = combine(w, options, whole, best, budget);
    return best;
}

/* ---- when nothing more helps --------------------------------------------------------------------------------------- */

/* Where embeddings alone are whole they are a small part of what a step needs. */
static void note_mix(Diag *diag, const Attempt *best) {
    enum { SMALL_PART = 32 };
    if (!best->mix.span.source || best->mix.bytes * SMALL_PART < best->peak) return;
    diag_note(diag, best->mix.span,
              "the batch cannot go through the network in parts: this looks at all of its samples, and asks for arrays of %.1f MiB to be there for all at once; a normalisation of each "
              "sample by itself, like nn.group_norm2d or nn.layer_norm, asks for none",
              (double)best->mix.bytes / mib);
}

static void refuse(Diag *diag, const Attempt *best, int64_t budget, Span span, bool may_stream) {
    double needed = (double)best->peak / mib;
    diag_report(diag, CODE_BUDGET, span, "%s needs at least %.1f MiB for its arrays, and %.1f MiB are allowed", best->is_program ? "a step" : "the function with its gradient", needed,
                (double)budget / mib);
    int64_t batch = (int64_t)((double)best->batch * (double)budget / (double)best->peak) / 8 * 8;
    if (!may_stream) diag_suggest(diag, "without --no-stream, arrays of pairs need not be stored");
    else if (batch) diag_suggest(diag, "%.0fMiB would do; or a batch of about %lld in place of %lld", ceil(needed), (long long)batch, (long long)best->batch);
    else diag_suggest(diag, "%.0fMiB would do", ceil(needed));
    note_mix(diag, best);
}

static const Span *spec_budget(const Method *method) {
    for (int i = 0; i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        for (int p = 0; s->kind == STMT_TRAIN && p < s->param_count; p++)
            if (strcmp(s->params[p].name, "memory") == 0) return &s->params[p].span;
    }
    return NULL;
}

/* The one that is taken is lowered once more, for its messages and for who watches the passes. */
static Lowered lower_in_budget(const Work *w, Diag *diag, const LowerOptions *options) {
    static const LowerOptions none = {.memory = 0};
    if (!options) options = &none;
    const LowerOptions silent = {.settings = options->settings, .memory = options->memory};
    const Span *place = w->fn ? NULL : spec_budget(w->method);
    if (!options->memory && !place) return lower_with(w, w->arena, diag, options, options->settings);
    Attempt best = attempt(w, &silent, options->settings);
    int64_t budget = options->memory ? options->memory : best.memory;
    if (best.peak > budget) best = search(w, &silent, best, budget);
    Lowered taken = lower_with(w, w->arena, diag, options, best.settings);
    if (best.peak <= budget || (!taken.program && !taken.function)) return taken;
    refuse(diag, &best, budget, options->memory ? (Span){0} : *place, !options->settings.no_stream);
    return (Lowered){.program = NULL};
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
