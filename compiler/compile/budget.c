/* Searches for settings of the passes with which every step fits a budget of memory. Only the
 * passes of the stage `after` and the plan depend on the settings. So an attempt copies each step's
 * lowered graph, runs these passes on the copy and plans it. */
#include "compiler/compile/budget.h"

#include "compiler/graph/copy.h"
#include "compiler/plan/plan.h"

#include <math.h>

static const double mib = 1 << 20;

typedef struct Work {
    GraphUnit *const *units;
    int unit_count;
    const LoweredProgram *program; /* NULL for a single function */
    const PlanTarget *target;
    GraphSettings settings; /* the settings that the caller asked for */
    int64_t batch;
} Work;

/* True if the budget holds for the unit. Steps and functions take nearly all the memory of a
 * run. */
static bool is_bounded(const GraphUnit *unit) {
    return unit->kind == UNIT_STEP || unit->kind == UNIT_FUNCTION;
}

/* Estimates the time of a plan in milliseconds: each kernel takes the longer of its arithmetic and
 * its memory traffic. Plans are only compared, so the constants, measured on two cores, serve for
 * every machine. */
static double cost_of(const Plan *plan) {
    /* The first two are per nanosecond; `start` is in nanoseconds for each kernel. */
    static const double operations = 180;
    static const double bytes = 14;
    static const double start = 2500;
    double all = 0;
    for (int s = 0; s < plan->kernels.items.count; s++)
        all += start + fmax(plan->steps[s].flops / operations, plan->steps[s].bytes / bytes);
    return all * 1e-6;
}

static int64_t fixed_of(const Plan *plan) {
    int64_t bytes = 0;
    for (int b = 0; b < plan->out->buffer_count; b++)
        if (plan->lives[b].last == plan->kernels.items.count) bytes += plan->lives[b].bytes;
    return bytes;
}

/* Plans one graph, and adds its figures to those of the attempt. */
static void measure_attempt(const Work *w, Attempt *a, Graph *g) {
    const char *error;
    Plan plan;
    const LoweredProgram *program = w->program;
    bool good = plan_make(&plan, g->arena, g, program ? program->states.items : NULL,
                          program ? program->states.count : 0, w->target, &error);
    /* A graph without a plan counts as 0 here; the back end, which plans again, reports the
     * error. */
    int64_t peak = good ? plan.out->arena_bytes : 0;
    int64_t stored = 0;
    if (good) a->cost += cost_of(&plan);
    if (good && fixed_of(&plan) > a->fixed) a->fixed = fixed_of(&plan);
    for (int i = 0; i < g->choices.count; i++)
        if (!g->choices.items[i].is_streamed && !g->choices.items[i].reason)
            stored += g->choices.items[i].bytes;
    if (peak > a->peak) a->peak = peak;
    if (stored > a->stored) a->stored = stored;
    if (g->mix.bytes > a->mix.bytes) a->mix = g->mix;
}

/* Runs the passes and plans with these settings. Messages and copies are dropped. */
static Attempt attempt(const Work *w, GraphSettings settings) {
    Attempt a = {.settings = settings};
    bool good = true;
    for (int i = 0; good && i < w->unit_count; i++) {
        if (!is_bounded(w->units[i])) continue;
        Arena *arena = arena_new();
        Graph *g = graph_copy(arena, w->units[i]->graph);
        g->settings = settings;
        good = !stage_run(g, PASS_after, NULL, NULL, NULL);
        if (good) measure_attempt(w, &a, g);
        arena_free(arena);
    }
    if (!good) a.peak = -1;
    return a;
}

/* ---- the search ------------------------------------------------------------------------------ */

/* Stores fewer arrays of pairs and streams the others: as many stay stored as fit, at last none. */
static Attempt stream_more(const Work *w, Attempt now, int64_t budget) {
    Attempt first = now;
    while (now.peak > budget && now.stored > 0) {
        int64_t bound = now.stored - (now.peak - budget);
        GraphSettings settings = now.settings;
        settings.is_bounded = true;
        settings.stored_bytes = bound > 0 && bound < now.stored ? bound : 0;
        now = attempt(w, settings);
    }
    /* Streaming may not lower the peak. Then the first attempt, which is faster, is the answer. */
    return now.peak < first.peak ? now : first;
}

/* Rematerialises arrays. An estimate says how many; the plan then shows the true peak, and the next
 * try is corrected by the difference. */
static Attempt recompute_more(const Work *w, Attempt now, int64_t budget) {
    enum { MOST_TRIES = 4 };
    Attempt best = now;
    int64_t kept = budget;
    for (int i = 0; i < MOST_TRIES && best.peak > budget && kept > budget / 4; i++) {
        GraphSettings settings = now.settings;
        settings.kept_bytes = kept;
        Attempt next = attempt(w, settings);
        if (next.peak < best.peak) best = next;
        kept -= next.peak > budget ? next.peak - budget : 0;
    }
    return best;
}

/* Returns the largest divisor of the batch that is at most `bound`. */
static int64_t parts_up_to(int64_t batch, int64_t bound) {
    int64_t parts = batch < bound ? batch : bound;
    while (parts > 1 && batch % parts != 0)
        parts--;
    return parts;
}

enum { MOST_CHUNKS = 64 };

/* Takes the batch in microbatches, in as few as fit the budget. With n of them a step needs at
 * least 1/n of what it needs as a whole, beside the arrays that are alive at its end, so smaller
 * counts than that allows are not tried. */
static Attempt chunk_more(const Work *w, Attempt whole, Attempt best, int64_t budget) {
    const int64_t most = parts_up_to(w->batch, MOST_CHUNKS);
    for (int64_t chunks = 2; chunks <= most && best.peak > budget; chunks++) {
        GraphSettings settings = best.settings;
        if (w->batch % chunks != 0 ||
            (whole.fixed + (whole.peak - whole.fixed) / chunks > budget && chunks < most))
            continue;
        settings.kept_bytes = 0;
        settings.chunks = chunks;
        Attempt next = attempt(w, settings);
        if (next.mix.bytes > best.mix.bytes) best.mix = next.mix;
        if (next.peak < best.peak) best = next;
        /* More microbatches do not help: this array stays whole. */
        if (best.mix.bytes > budget) break;
    }
    return best;
}

/* Takes microbatches, with rematerialisation within each. `kept_bytes` speaks of the whole step, so
 * an excess in one microbatch is taken off as often as there are microbatches. The tries end once
 * the plan's peak fits. */
static Attempt recompute_in_parts(const Work *w, Attempt whole, GraphSettings settings,
                                  int64_t estimate, int64_t budget) {
    enum { MOST_TRIES = 3 };
    Attempt best = {.peak = INT64_MAX};
    int64_t kept = whole.peak - (estimate - budget) * settings.chunks;
    int64_t least = whole.peak / 16;
    for (int i = 0; i < MOST_TRIES && best.peak > budget && (i == 0 || kept > least); i++) {
        settings.kept_bytes = kept > least ? kept : least;
        Attempt next = attempt(w, settings);
        if (i && next.peak >= best.peak) break; /* no more can be rematerialised */
        if (next.peak < best.peak) best = next;
        kept =
            settings.kept_bytes - (next.peak > budget ? (next.peak - budget) * settings.chunks : 0);
    }
    return best;
}

/* Combines microbatches and rematerialisation where neither suffices alone. Many microbatches need
 * the least memory; few of them start fewer kernels but rematerialise more. Of the attempts that
 * fit, the one of least cost is the answer. */
static Attempt combine_attempts(const Work *w, Attempt whole, Attempt best, int64_t budget) {
    enum { MOST_COUNTS = 3 };
    Attempt fitting = {.peak = -1};
    int64_t most = parts_up_to(w->batch, MOST_CHUNKS);
    int64_t chunks = most;
    const int64_t least = best.settings.chunks > 1 ? best.peak : whole.peak / most;
    for (int i = 0; i < MOST_COUNTS && chunks > 1;
         i++, chunks = parts_up_to(w->batch, chunks - 1)) {
        GraphSettings settings = best.settings;
        settings.chunks = chunks;
        Attempt next = recompute_in_parts(w, whole, settings,
                                          least + whole.peak / chunks - whole.peak / most, budget);
        if (next.peak < best.peak) best = next;
        if (next.peak > budget || (fitting.peak >= 0 && next.cost >= fitting.cost)) break;
        fitting = next;
    }
    return fitting.peak >= 0 ? fitting : best;
}

/* Above this multiple of the budget, only microbatches can help, so they are tried first. */
enum { FAR = 6 };

/* Tries streaming, rematerialisation and microbatches, in this order unless the step is far too
 * large. Returns the attempt that fits, or else the one of the lowest peak. */
static Attempt search(const Work *w, Attempt best, int64_t budget) {
    const bool streams = !w->settings.no_stream;
    const Attempt whole = best;
    Attempt parts = whole;
    const bool far = w->batch > 1 && whole.peak > FAR * budget;
    if (far) parts = chunk_more(w, whole, whole, budget);
    if (parts.peak <= budget) return parts;
    if (streams) best = stream_more(w, best, budget);
    if (best.peak > budget) best = recompute_more(w, best, budget);
    if (streams && best.peak > budget) best = stream_more(w, best, budget);
    /* Microbatches of the unstreamed step were tried above, so they are not tried again. */
    if (best.peak > budget && far && !best.settings.is_bounded)
        best = parts.peak < best.peak ? parts : best;
    else if (best.peak > budget)
        best = chunk_more(w, whole, best, budget);
    if (parts.mix.bytes > best.mix.bytes) best.mix = parts.mix;
    if (best.peak > budget && best.mix.bytes <= budget && w->batch > 1)
        best = combine_attempts(w, whole, best, budget);
    return best;
}

/* ---- when nothing more helps ----------------------------------------------------------------- */

/* Adds a note about the obstacle to microbatches. An array of embeddings is no obstacle worth a
 * note, since it is a small part of a step's memory. */
static void note_mix(Diag *diag, const Attempt *best) {
    enum { SMALL_PART = 32 };
    if (!best->mix.span.source || best->mix.bytes * SMALL_PART < best->peak) return;
    diag_note(
        diag, best->mix.span,
        "the batch cannot go through the network in parts: this looks at all of its samples, and "
        "asks for arrays of %.1f MiB to be there for all at once; a normalisation of each "
        "sample by itself, like nn.group_norm2d or nn.layer_norm, asks for none",
        (double)best->mix.bytes / mib);
}

bool budget_holds(const Fit *fit, Diag *diag) {
    const Attempt *best = &fit->best;
    const int64_t budget = fit->budget;
    if (!budget || best->peak <= budget) return true;
    double needed = (double)best->peak / mib;
    diag_report(diag, CODE_BUDGET, fit->place,
                "%s needs at least %.*f MiB for its arrays, and %.*f MiB are allowed",
                fit->is_function ? "the function with its gradient" : "a step", needed < 1 ? 3 : 1,
                needed, budget < 1024 * 1024 ? 3 : 1, (double)budget / mib);
    int64_t batch = (int64_t)((double)fit->batch * (double)budget / (double)best->peak) / 8 * 8;
    if (!fit->may_stream)
        diag_suggest(diag, "without --no-stream, arrays of pairs need not be stored");
    else if (batch)
        diag_suggest(diag, "%.0fMiB would do; or a batch of about %lld in place of %lld",
                     ceil(needed), (long long)batch, (long long)fit->batch);
    else
        diag_suggest(diag, "%.0fMiB would do", ceil(needed));
    note_mix(diag, best);
    return false;
}

/* ---- the whole ------------------------------------------------------------------------------- */

Fit budget_fit(GraphUnit *const *units, int unit_count, const LoweredProgram *program,
               const CompileOptions *options) {
    Fit fit = {.settings = options->settings,
               .is_function = !program,
               .may_stream = !options->settings.no_stream};
    if (!options->target) return fit;
    fit.settings.apart = !options->target->together;
    fit.budget = options->memory;
    fit.batch = program ? program->batch : 0;
    if (!fit.budget && program) {
        fit.budget = program->memory;
        fit.place = program->memory_span;
    }
    if (!fit.budget) return fit;
    const Work w = {units, unit_count, program, options->target, fit.settings, fit.batch};
    fit.best = attempt(&w, w.settings);
    if (fit.best.peak > fit.budget) {
        fit.best = search(&w, fit.best, fit.budget);
    }
    fit.settings = fit.best.settings;
    return fit;
}
