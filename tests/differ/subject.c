/* Reads a subject and runs it in the reference evaluator (subject.h): in float64, rounded to
 * float32 after each operation, and rounded up or down by chance. The graph after each pass, and
 * the gradients, are compared with the formula as it is written. */
#include "tests/differ/subject.h"

#include "compiler/driver/load.h"
#include "runtime/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The factor between the rounding of the reference evaluator and the allowance of a back end, which
 * adds in another order. */
enum { ORDERS = 8 };
static const double last_place = 2e-6;

int64_t subject_elements(const GNode *node) {
    int64_t count = 1;
    for (int i = 0; i < node->rank; i++)
        count *= node->shape[i];
    return count;
}

static double largest(const double *values, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(values[i])) most = fmax(most, fabs(values[i]));
    return most;
}

/* ---- answers in float64 ---------------------------------------------------------------------- */

static void answer(Subject *s, const char *name, const GNode *node, const Reference *exact,
                   const Reference *rounded) {
    Answer *a = &s->answers[s->answer_count++];
    const double *values = reference_value(exact, node);
    const double *others = reference_value(rounded, node);
    *a = (Answer){.name = name, .type = node->type, .count = subject_elements(node)};
    a->exact = arena_array(s->arena, double, a->count);
    memcpy(a->exact, values, sizeof *values * (size_t)a->count);
    double off = 0;
    for (int64_t i = 0; i < a->count; i++) {
        double here = fabs(values[i] - others[i]);
        if (!(here <= off)) off = isfinite(values[i]) ? here : off;
    }
    a->allowed = ORDERS * off + last_place * (1 + largest(values, a->count));
}

static void take_answers(Subject *s, const Graph *g) {
    Reference *exact = reference_run(g, s->source, s->context);
    Reference *rounded = reference_run_rounded(g, s->source, s->context);
    const char *fault = exact && rounded ? reference_fault(exact, NULL) : NULL;
    if (!exact || !rounded) s->error = "out of memory";
    if (fault) s->fault = arena_printf(s->arena, "%s", fault);
    s->answers = arena_array(s->arena, Answer, g->outputs.count + g->commits.count + 1);
    s->answer_count = 0;
    for (int i = 0; !s->error && !fault && i < g->outputs.count; i++)
        answer(s, g->outputs.items[i].name, g->outputs.items[i].node, exact, rounded);
    for (int i = 0; !s->error && !fault && i < g->commits.count; i++)
        answer(s, g->commits.items[i].state->name, g->commits.items[i].value, exact, rounded);
    reference_free(exact);
    reference_free(rounded);
}

/* Compares the values of the graph before and after a pass. */
static void compare_pass(Subject *s, const Graph *g, const char *pass) {
    Reference *run = reference_run(g, s->source, s->context);
    const char *fault = run ? reference_fault(run, NULL) : "out of memory";
    if (fault && !s->fault)
        s->error = arena_printf(s->arena, "after %s the reference evaluator says: %s", pass, fault);
    if (!fault && s->fault)
        s->error = arena_printf(s->arena, "after %s there is no fault, and there was one: %s", pass,
                                s->fault);
    for (int i = 0; !s->error && !s->fault && i < g->outputs.count; i++) {
        const Answer *a = &s->answers[i];
        const double *now = reference_value(run, g->outputs.items[i].node);
        double scale = largest(a->exact, a->count);
        for (int64_t k = 0; !s->error && k < a->count; k++) {
            bool same = fabs(now[k] - a->exact[k]) <= 1e-9 * scale + 1e-11 || now[k] == a->exact[k];
            same |= isnan(now[k]) && isnan(a->exact[k]);
            /* When terms of 2^66 cancel, what is left is rounding, in float64 as well. A tiny
             * divisor makes such terms, too. */
            same |= (s->extreme == WITH_HUGE_ROW || s->extreme == WITH_TINY_ROW) &&
                    fabs(now[k] - a->exact[k]) <= a->allowed;
            same |= s->extreme != ORDINARY && !isfinite(now[k]) && !isfinite(a->exact[k]);
            if (!same)
                s->error =
                    arena_printf(s->arena, "after %s, entry %lld of `%s` is %.12g, and was %.12g",
                                 pass, (long long)k, a->name, now[k], a->exact[k]);
        }
    }
    reference_free(run);
}

/* ---- functions ------------------------------------------------------------------------------- */

/* Returns an array of the function, or a number of the run that it is part of, at its sixth
 * step. */
static const double *function_array(void *context, const GNode *node) {
    static const struct {
        const char *name;
        double value;
    } scalars[] = {{"step", 5}, {"steps", 100}, {"epoch", 1}};
    const Subject *s = context;
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        if (strcmp(node->name, scalars[i].name) == 0) return &scalars[i].value;
    return arrays_find(s->arrays, node);
}

typedef struct Watching {
    Subject *s;
    Snapshot written;
} Watching;

static void watch_function(void *context, const Graph *g, const char *pass) {
    Watching *w = context;
    gradient_snapshot_pass(&w->written, g, pass);
    gradient_snapshot_pass(&w->s->differentiated, g, pass);
    if (strcmp(pass, "lower") == 0) arrays_fit_indices(w->s->arrays, g);
    /* In a huge row, a log-sum-exp absorbs the log of its sum in float64, too: two equal terms have
     * weight 1 each, and not one half. Behind `shift` the two are apart, and the values are right.
     */
    const bool is_absorbed = w->s->extreme == WITH_HUGE_ROW && strcmp(pass, "shift") == 0;
    if (strcmp(pass, "differentiate") == 0 || (w->s->answers && !w->s->error && is_absorbed))
        take_answers(w->s, g);
    if (strcmp(pass, "differentiate") == 0 && w->s->answers && w->s->answer_count)
        w->s->unshifted = w->s->answers[0].exact[0];
    else if (w->s->answers && !w->s->error && (!w->s->is_long || strcmp(pass, "split") == 0))
        compare_pass(w->s, g, pass);
}

/* True if the slopes to the left and to the right differ, as at a maximum whose two sides are
 * equal. Any number between them is a gradient. */
static bool is_kink(const Reference *base, const GNode *value, const GNode *input,
                    const double *values, int64_t at, double gradient) {
    double *moved = malloc(sizeof *values * (size_t)subject_elements(input));
    double slopes[2] = {0, 0};
    double h = 1e-6 * (1 + fabs(values[at]));
    for (int side = 0; moved && side < 2; side++) {
        memcpy(moved, values, sizeof *values * (size_t)subject_elements(input));
        moved[at] += side ? h : -h;
        Reference *run = reference_rerun(base, input, moved);
        if (run && !reference_fault(run, NULL))
            slopes[side] =
                (*reference_value(run, value) - *reference_value(base, value)) / (side ? h : -h);
        reference_free(run);
    }
    free(moved);
    double low = fmin(slopes[0], slopes[1]);
    double high = fmax(slopes[0], slopes[1]);
    double slack = 1e-3 * (1 + fabs(gradient));
    return high - low > slack && gradient > low - slack && gradient < high + slack;
}

/* Checks the value under extreme inputs. A value that is no number may become a number only if the
 * inputs hold infinities, because a rewritten formula may avoid an overflow (such as the log of a
 * sum). It may never do so if the inputs hold a NaN. */
static void check_extreme(Subject *s, double found) {
    if (s->fault) return;
    const double exact = s->unshifted;
    const bool same = isfinite(found) ? fabs(found - exact) <= 1e-9 * (1 + fabs(found))
                                      : s->extreme != WITH_NAN || !isfinite(exact);
    if (!same)
        s->error = arena_printf(
            s->arena, "the formula as written is %.12g, and after `stabilise` it is %.12g", found,
            exact);
}

/* Checks the formula as it is written: its value, and the gradients by its slopes. */
static void check_written(Subject *s, const Graph *written) {
    enum { ENTRIES = 2 };
    Reference *base = reference_run(written, s->source, s->context);
    const GNode *value = written->outputs.items[0].node;
    double found = base && !reference_fault(base, NULL) ? *reference_value(base, value) : NAN;
    if (s->extreme != ORDINARY || s->is_long) {
        check_extreme(s, found);
        reference_free(base);
        return;
    }
    if (!s->fault && !(fabs(found - s->answers[0].exact[0]) <= 1e-9 * (1 + fabs(found))))
        s->error = arena_printf(
            s->arena, "the formula as written is %.12g, and after `stabilise` it is %.12g", found,
            s->answers[0].exact[0]);
    for (int i = 1; !s->error && !s->fault && i < s->answer_count; i++) {
        for (int k = 0; k < written->nodes.count; k++) {
            const GNode *input = written->nodes.items[k];
            if (input->kind != GN_INPUT ||
                strcmp(input->name, s->answers[i].name + strlen("grad_")) != 0)
                continue;
            GradientCheck check = gradient_check(base, value, input, s->source(s->context, input),
                                                 s->answers[i].exact, ENTRIES);
            if (!(check.off <= 1e-4) && !is_kink(base, value, input, s->source(s->context, input),
                                                 check.worst, check.found))
                s->error = arena_printf(s->arena,
                                        "entry %lld of `%s` is %.9g, and the differences of the "
                                        "formula as written give %.9g",
                                        (long long)check.worst, s->answers[i].name, check.found,
                                        check.expected);
        }
    }
    reference_free(base);
}

/* Reads the first line, `# N=5 D=3 seed=7 shards=8`. */
static void read_head(Subject *s, const char *text, Options *o, GraphSettings *settings) {
    Arena *arena = s->arena;
    memset(o, 0, sizeof *o);
    if (*text != '#') return;
    char *line = arena_strndup(arena, text + 1, strcspn(text, "\n") - 1);
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');
        if (!equals) continue;
        *equals = 0;
        if (strcmp(word, "seed") == 0)
            o->seed = strtol(equals + 1, NULL, 10);
        else if (strcmp(word, "stream") == 0)
            settings->stream_bytes = strtol(equals + 1, NULL, 10);
        else if (strcmp(word, "shards") == 0)
            settings->shards = strtol(equals + 1, NULL, 10);
        else if (strcmp(word, "input") == 0)
            s->extreme = extreme_named(equals + 1);
        else if (strcmp(word, "long") == 0)
            s->is_long = true;
        else
            array_push(arena, &o->sizes, ((Setting){word, equals + 1}));
    }
    /* Long sums are cut anyway. */
    settings->cut_always = settings->shards > 0 && !s->is_long;
}

static const char *last_function(const Method *method) {
    const char *name = NULL;
    for (int i = 0; i < method->spec->stmt_count; i++)
        if (method->spec->stmts[i]->kind == STMT_FN) name = method->spec->stmts[i]->name;
    return name;
}

static const char *messages(Arena *arena, const Diag *diag) {
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    if (!memory) return "out of memory";
    diag_print(diag, memory);
    fclose(memory);
    const char *copy = arena_printf(arena, "it does not compile:\n%s", text);
    free(text);
    return copy;
}

void subject_of_text(Subject *s, Arena *arena, const char *name, const char *text) {
    *s = (Subject){
        .arena = arena, .name = name, .text = text, .source = function_array, .context = s};
    Diag *diag = diag_new(arena);
    Options o;
    GraphSettings settings = {0};
    read_head(s, text, &o, &settings);
    Method *method = load_text(arena, diag, name, text);
    s->function = last_function(method);
    s->arrays = arena_new_of(arena, FunctionArrays);
    s->arrays->arena = arena;
    if (diag_error_count(diag) || !s->function ||
        !arrays_make_up(s->arrays, method_find_function(method, s->function), &o)) {
        s->error = messages(arena, diag);
        return;
    }
    extreme_put(s->arrays, s->extreme, (uint32_t)o.seed);
    Watching w = {.s = s, .written = {.name = s->function, .pass = "lower"}};
    s->differentiated = (Snapshot){.name = s->function, .pass = "differentiate"};
    const CompileOptions options = {.after = watch_function, .context = &w, .settings = settings};
    s->g = compile_function(arena, diag, method, s->function, s->arrays->inputs, s->arrays->count,
                            &options);
    if (!s->g)
        s->error = messages(arena, diag);
    else if (!s->error)
        check_written(s, &w.written.graph);
}

/* ---- rounding or a mistake ------------------------------------------------------------------- */

typedef struct Moved {
    const Subject *s;
    uint32_t turn;
    ARRAY(const GNode *) nodes; /* the nodes that were asked for so far, and their arrays */
    ARRAY(double *) arrays;
} Moved;

static const double *moved_array(void *context, const GNode *node) {
    Moved *m = context;
    const double *values = m->s->source(m->s->context, node);
    int64_t count = subject_elements(node);
    if (!values || node->kind != GN_INPUT || node->type != GT_REAL) return values;
    double *moved = arena_array(m->s->arena, double, count);
    for (int64_t i = 0; i < count; i++) {
        double u = couplet_random_unit(m->turn, 0, 0, (uint32_t)node->id, (uint64_t)i, 0);
        moved[i] = values[i] + (2 * u - 1) * 4e-7 * (fabs(values[i]) + (m->s->extreme == ORDINARY));
    }
    return moved;
}

bool subject_is_fragile(Subject *s, const double *off) {
    enum { TURNS = 24 };
    if (!s->differentiated.taken) return false;
    double *reach = arena_array(s->arena, double, s->answer_count);
    for (uint32_t turn = 1; turn <= TURNS; turn++) {
        Moved m = {.s = s, .turn = turn};
        const Graph *g = &s->differentiated.graph;
        Reference *run = turn % 2 ? reference_run(g, moved_array, &m)
                                  : reference_run_by_chance(g, turn, moved_array, &m);
        for (int i = 0; run && !reference_fault(run, NULL) && i < s->answer_count; i++) {
            const double *values = reference_value(run, g->outputs.items[i].node);
            for (int64_t k = 0; k < s->answers[i].count; k++)
                reach[i] = fmax(reach[i], fabs(values[k] - s->answers[i].exact[k]));
        }
        reference_free(run);
    }
    for (int i = 0; i < s->answer_count; i++)
        if (!(off[i] <= ORDERS * reach[i] || off[i] <= s->answers[i].allowed)) return false;
    return true;
}
