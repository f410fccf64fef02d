/* Tests the ranges that functions, networks and optimisers state for their parameters, as in
 * `fn flip(x[C, H, W], chance = 0.5 | chance >= 0 and chance <= 1)`.
 *
 * A range is tested where it depends on numbers and hypers alone. A value that a run makes, of
 * data, draws, parameters or the step, is not tested, nor is an argument that a program gives a
 * function at each call. A built program takes other values for its hypers; so a range that depends
 * on a hyper becomes a part of that hyper's own range, which the program tests when it starts. */
#include "compiler/lower/internal.h"
#include "runtime/range.h"

#include <math.h>
#include <string.h>

/* A range is at most as long as its text allows: expressions nest 2000 deep (lang/limits.h). */
enum { MOST_RANGE_WORDS = 1 << 16 };

/* Returns the last hyper that a formula names, and NULL if the formula has none. Sets `only` to
 * false if it names something else, such as the step. */
static LoweredHyper *last_hyper(const Lower *l, const char *formula, bool *only) {
    LoweredHyper *last = NULL;
    *only = true;
    for (const char *at = strchr(formula, '$'); at; at = strchr(at + 1, '$')) {
        const size_t length = strcspn(at + 1, " ");
        LoweredHyper *found = NULL;
        for (int i = 0; l->program && i < l->program->hypers.count; i++) {
            LoweredHyper *h = &l->program->hypers.items[i];
            if (strlen(h->name) == length && strncmp(h->name, at + 1, length) == 0) found = h;
        }
        *only = *only && found;
        if (found > last) last = found;
    }
    return last;
}

/* True if the words of a formula stand in those of the other one, where nothing lies between. */
static bool has_words(const char *formula, const char *words) {
    const size_t length = strlen(words);
    for (const char *at = formula; (at = strstr(at, words)); at++)
        if ((at == formula || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
    return false;
}

/* Makes the condition a part of the hyper's range, once. */
static void narrow_range(Lower *l, LoweredHyper *hyper, const char *formula, const char *text) {
    if (hyper->range && has_words(hyper->range, formula)) return;
    hyper->range =
        hyper->range ? arena_printf(l->arena, "%s %s and", hyper->range, formula) : formula;
    hyper->range_text =
        hyper->range_text ? arena_printf(l->arena, "%s, and %s", hyper->range_text, text) : text;
}

/* Returns false after a message. */
static bool test_range(Lower *l, const Stmt *of, const Param *param, Span place) {
    const Span span = param->guard->span;
    bool only = false;
    const char *formula = lower_run_formula(l, lower_scalar(l, param->guard), MOST_RANGE_WORDS);
    LoweredHyper *hyper = formula ? last_hyper(l, formula, &only) : NULL;
    if (!only) return true;
    const int count = l->program ? l->program->hypers.count : 0;
    CoupletHyper *hypers = arena_array(l->arena, CoupletHyper, count + 1);
    for (int i = 0; i < count; i++)
        hypers[i] = (CoupletHyper){.name = l->program->hypers.items[i].name,
                                   .value = l->program->hypers.items[i].value};
    const char *text = span_text(l->arena, span);
    if (couplet_range_holds(formula, hypers, count)) {
        if (hyper)
            narrow_range(l, hyper, formula,
                         arena_printf(l->arena, "`%s` of `%s` in %s", param->name, of->name, text));
        return true;
    }
    const Value *value = frame_find(l->frame, param->symbol);
    const char *given = value && value->kind == VALUE_SCALAR
                            ? lower_run_formula(l, value->scalar, MOST_RANGE_WORDS)
                            : NULL;
    diag_report(l->diag, CODE_ARGUMENT_RANGE, lower_user_span(l, place),
                "`%s` of `%s` is %.9g, and must fulfil `%s`", param->name, of->name,
                given ? couplet_range_value(given, hypers, count) : NAN, text);
    diag_note(l->diag, span, "the range is stated here");
    return false;
}

bool lower_test_ranges(Lower *l, const Stmt *of, const Param *params, int count, Frame *frame,
                       Span place) {
    Frame *outer = l->frame;
    bool good = true;
    l->frame = frame;
    for (int i = 0; i < count; i++)
        if (params[i].guard) good &= test_range(l, of, &params[i], place);
    l->frame = outer;
    return good;
}
