/* Reductions of formulas: sums, means, extrema, places, softmax, top-k. A reduction becomes a
 * compute node over the indices that are free in it, and the formula around it loads its element.
 *
 * A reduction that has no term at the sizes at hand, whatever the data, is refused here. */
#include "compiler/graph/point.h"
#include "compiler/graph/visit.h"
#include "compiler/lower/internal.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

static const GExpr *zero(Lower *l) {
    return gx_real(l->g, 0);
}

/* ---- reductions ------------------------------------------------------------------------------ */

static const GExpr *load_at(Lower *l, GNode *node, const GExpr *const *free, int count) {
    return gx_load(l->g, node, count, free, NULL);
}

/* Makes a reduction over `red`, with an axis for each index that is free in value and guard; `free`
 * gets these. */
static GNode *reduce_node(Lower *l, GReducer reducer, const GExpr *value, const GExpr *guard,
                          const GExpr *const *red, int red_count, const GExpr **free,
                          int *free_count, bool empty_is_error, Span span) {
    const GExpr *both[2] = {value, guard};
    *free_count = lower_sorted_free(l, both, 2, red, red_count, free);
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    spec.reducer = reducer;
    spec.out_rank = *free_count;
    spec.red_rank = red_count;
    /* The slope of a product has one more axis: for each term, the product of the other terms. */
    const int most = reducer == GR_PROD ? GRAPH_MAX_RANK - 1 : GRAPH_MAX_RANK;
    if (*free_count > most) {
        diag_report(l->diag, CODE_TOO_MANY_AXES, span,
                    "this reduction depends on %d outer indices; at most %d fit", *free_count,
                    most);
        spec.out_rank = *free_count = most;
    }
    memcpy(spec.out, free, sizeof *free * (size_t)spec.out_rank);
    memcpy(spec.red, red, sizeof *red * (size_t)red_count);
    lower_refuse_space(l, spec.out, spec.out_rank, red, red_count, span);
    spec.value = value;
    spec.guard = guard;
    spec.empty_is_error = empty_is_error;
    spec.span = span;
    spec.active = lower_active(l, &spec);
    return graph_compute(l->g, &spec);
}

GNode *lower_sum_node(Lower *l, const GExpr *value, const GExpr *guard, const GExpr *const *red,
                      int red_count, const GExpr **free, int *free_count, Span span) {
    return reduce_node(l, GR_SUM, value, guard, red, red_count, free, free_count, false, span);
}

/* ---- reductions that have no term at these sizes --------------------------------------------- */

enum { MOST_POINTS = 100000 /* so many take a few milliseconds */ };

typedef struct Emptiness {
    Lower *l;
    PointFormula *guard;
    PointFormula *asked; /* where a row is asked for; NULL: everywhere */
    const GExpr *index[GRAPH_MAX_INDICES];
    int64_t value[GRAPH_MAX_INDICES];
    int count;
    int points;
} Emptiness;

static bool next_point(Emptiness *p, int from, int count) {
    for (int i = from + count - 1; i >= from; i--) {
        if (++p->value[i] < graph_index_extent(p->l->g, p->index[i])) return true;
        p->value[i] = 0;
    }
    return false;
}

/* True if the row of the outer indices may be asked for. */
static bool is_asked(const Emptiness *p) {
    int64_t holds;
    return !p->asked || !point_value(p->asked, p->value, &holds) || holds;
}

/* True if, at some values of the outer indices that are asked for, the guard holds for no reduced
 * index, whatever the data are. */
static bool has_empty_row(Emptiness *p, int outer, int inner) {
    do {
        bool any = false;
        memset(p->value + outer, 0, sizeof *p->value * (size_t)inner);
        do {
            int64_t holds;
            any = !point_value(p->guard, p->value, &holds) || holds;
        } while (!any && ++p->points < MOST_POINTS && next_point(p, outer, inner));
        if (!any && p->points >= MOST_POINTS) return false;
        if (!any && is_asked(p)) return true;
    } while (++p->points < MOST_POINTS && next_point(p, 0, outer));
    return false;
}

/* Fills in the outer indices of a guard, and of a condition on them (NULL: none), and the reduced
 * ones. Returns how many the outer ones are, or -1 if the guard cannot be tried. */
static int open_emptiness(Emptiness *p, const GExpr *guard, const GExpr *asked,
                          const GExpr *const *red, int count) {
    const GExpr *both[2] = {guard, asked};
    Lower *l = p->l;
    if (!guard || !expr_is_small_tree(guard) || (asked && !expr_is_small_tree(asked))) return -1;
    const int outer = lower_sorted_free(l, both, 2, red, count, p->index);
    if (outer + count > GRAPH_MAX_INDICES) return -1;
    memcpy(p->index + outer, red, sizeof *red * (size_t)count);
    p->count = outer + count;
    p->guard = point_formula(l->arena, guard, p->index, p->count);
    p->asked = asked ? point_formula(l->arena, asked, p->index, p->count) : NULL;
    return outer;
}

/* Returns the line that the user wrote. For a formula in the library, it is that of the call that
 * led there. */
Span lower_user_span(const Lower *l, Span span) {
    for (const Call *c = l->call; c && lower_is_library(span.source); c = c->outer) {
        const Made *made = c->net ? c->net->made : NULL;
        if (c->call) span = made ? made->place : c->call->span;
        for (; made && lower_is_library(span.source); made = made->in)
            span = made->place;
    }
    return span;
}

static void report_no_term(Lower *l, Span span, const char *what) {
    const Span user = lower_user_span(l, span);
    diag_report(l->diag, CODE_NO_TERM, user, "%s", what);
    if (!span_same(user, span)) {
        diag_note(l->diag, span, "in the library");
    }
    diag_suggest(l->diag, lower_is_library(span.source)
                              ? "a larger batch, or other sizes, give it terms"
                              : "`(mean[j | ..] .. else 0)` says what a reduction without a term "
                                "is worth; or take other sizes");
}

/* Refuses a mean, a maximum or a softmax that has no term at the given sizes. So a method is
 * refused before it runs. */
static void refuse_empty(Lower *l, const Expr *e, const GExpr *guard, const GExpr *const *red,
                         int count) {
    Emptiness p = {.l = l};
    if (!l->program || l->condition) return;
    const int outer = open_emptiness(&p, guard, NULL, red, count);
    if (outer < 0 || !has_empty_row(&p, outer, count)) return;
    const char *text =
        arena_printf(l->arena, "no `%s` fulfils the guard here", e->binders[0]->name);
    for (int i = 0; i < outer; i++) {
        const char *name = graph_index_name(l->g, p.index[i]);
        if (name)
            text = arena_printf(l->arena, "%s%s%s = %lld", text, i ? ", " : " for ", name,
                                (long long)p.value[i]);
    }
    report_no_term(l, e->span, text);
}

/* ---- where a hoisted formula is needed ------------------------------------------------------- */

/* True if all reads of the node stay inside by what its guard and `kept` say. */
static bool reads_stay_inside(Lower *l, const ComputeSpec *spec, const GExpr *kept) {
    const GExpr *saved = l->condition;
    l->condition = gx_and(l->g, kept, spec->guard);
    const bool stay = lower_reads_inside(l, spec->value) && lower_reads_inside(l, spec->guard);
    l->condition = saved;
    return stay;
}

/* True if it is known that a row which `kept` lets through has no term. */
static bool has_row_without_term(Lower *l, const ComputeSpec *spec, const GExpr *kept) {
    Emptiness p = {.l = l};
    const int outer = open_emptiness(&p, spec->guard, kept, spec->red, spec->red_rank);
    return outer >= 0 && has_empty_row(&p, outer, spec->red_rank);
}

/* Returns the condition that the present one holds for some values of the indices that the node
 * does not have, or NULL if these are too many for a node. */
static const GExpr *holds_somewhere(Lower *l, const ComputeSpec *spec) {
    const GExpr *condition = l->condition;
    const GExpr *others[GRAPH_MAX_FREE];
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    const int other_count = lower_sorted_free(l, &condition, 1, spec->out, spec->out_rank, others);
    if (other_count > GRAPH_MAX_RANK) return NULL;
    l->condition = NULL; /* the condition is the guard itself */
    GNode *any = reduce_node(l, GR_ANY, gx_bool(l->g, true), condition, others, other_count, free,
                             &count, false, spec->span);
    l->condition = condition;
    return load_at(l, any, free, count);
}

/* A node has elements that the formula around it never asks for: those for which the condition
 * around it fails. There, its reads may leave their arrays, and it may have no term, although the
 * formula is right. `active` tells such elements.
 *
 * As a rule it is the part of the condition that speaks of the node's indices alone. In
 *
 *     sum[i, k | i < k] (max[j | j > i] x[j])
 *
 * the maximum has the index i alone, and no part of the condition does: k decides that the last i
 * is never asked for. Where the rule leaves a fault possible, the condition is whether there is
 * such a k, which takes a node of its own. */
const GExpr *lower_active(Lower *l, const ComputeSpec *spec) {
    const bool may_leave = lower_may_leave(l, spec->value) || lower_may_leave(l, spec->guard);
    if (!l->condition || !(may_leave || spec->empty_is_error)) return NULL;
    const GExpr *kept = lower_condition_over(l, l->condition, spec->out, spec->out_rank);
    if (lower_speaks_only_of(l, l->condition, spec->out, spec->out_rank)) return kept;
    if (!(may_leave && !reads_stay_inside(l, spec, kept)) &&
        !(spec->empty_is_error && has_row_without_term(l, spec, kept)))
        return kept;
    const GExpr *exact = holds_somewhere(l, spec);
    return exact ? gx_and(l->g, kept, exact) : kept;
}

/* The terms of a reduction: their formula, the guard that picks them, and the indices that they run
 * over. */
typedef struct Terms {
    const GExpr *value;
    const GExpr *guard;
    const GExpr *const *red;
    int count;
    bool strict; /* true if fewer terms than the reduction needs are an error of the run */
    Span span;
} Terms;

/* Returns the reducer applied to `value` over the terms, as an expression over the free indices. */
static const GExpr *reduced_if(Lower *l, GReducer reducer, const GExpr *value, const Terms *t,
                               bool empty_is_error) {
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    GNode *node = reduce_node(l, reducer, value, t->guard, t->red, t->count, free, &count,
                              empty_is_error, t->span);
    return load_at(l, node, free, count);
}

static const GExpr *reduced(Lower *l, GReducer reducer, const GExpr *value, const Terms *t) {
    return reduced_if(l, reducer, value, t, t->strict);
}

/* Returns the reduction by a reducer whose value without a term is known. */
static const GExpr *total(Lower *l, GReducer reducer, const GExpr *value, const Terms *t) {
    return reduced_if(l, reducer, value, t, false);
}

static double extent_product(Lower *l, const GExpr *const *red, int count) {
    double product = 1;
    for (int i = 0; i < count; i++)
        product *= (double)graph_index_extent(l->g, red[i]);
    return product;
}

/* Returns the number of terms, as a real. If it may not fit an int, it is summed as a real. */
static const GExpr *term_count(Lower *l, const Terms *t) {
    const double most = extent_product(l, t->red, t->count);
    if (!t->guard) return gx_real(l->g, most);
    if (most > INT32_MAX) return reduced(l, GR_SUM, gx_real(l->g, 1), t);
    return lower_as_real(l, reduced(l, GR_SUM, gx_int(l->g, 1), t));
}

/* Returns the condition that at least `least` indices fulfil the guard, as many as the reduction
 * needs. Where it fails, the `else` counts. */
static const GExpr *has_terms(Lower *l, const Terms *t, int least) {
    if (least == 1) return total(l, GR_ANY, gx_bool(l->g, true), t);
    return gx2(l->g, G_LE, gx_int(l->g, least), total(l, GR_SUM, gx_int(l->g, 1), t));
}

const GExpr *lower_binder_index(Lower *l, const Binder *binder) {
    while (binder->same)
        binder = binder->same;
    const Value *value = frame_find(l->frame, binder);
    assert(value && value->kind == VALUE_SCALAR);
    return value->scalar;
}

/* Returns `value` where `condition` holds, else what the source gives for `else`. */
static const GExpr *or_else(Lower *l, const GExpr *condition, const GExpr *value,
                            const Expr *otherwise) {
    const GExpr *saved = l->condition;
    l->condition = gx_and(l->g, saved, gx1(l->g, G_NOT, condition));
    const GExpr *instead = lower_scalar(l, otherwise);
    l->condition = saved;
    if (value->type == GT_REAL || instead->type == GT_REAL)
        value = lower_as_real(l, value), instead = lower_as_real(l, instead);
    return gx_select(l->g, condition, value, instead);
}

/* Returns the softmax weight of the term at the bound index, which is 0 where the guard fails. */
static const GExpr *lower_softmax(Lower *l, const Expr *e, const Expr *otherwise) {
    Graph *g = l->g;
    const GExpr *outer = lower_binder_index(l, e->binders[0]);
    const GExpr *inner = graph_named_index(g, graph_index_extent(g, outer), e->binders[0]->name);
    const GExpr *saved = l->condition;
    const GExpr *guard = e->guard ? lower_scalar(l, e->guard) : NULL;
    l->condition = gx_and(g, saved, guard);
    const GExpr *value = lower_as_real(l, lower_scalar(l, e->args[0]));
    l->condition = saved;
    const GExpr *value_in = gx_substitute(g, value, 1, &outer, &inner);
    const GExpr *guard_in = guard ? gx_substitute(g, guard, 1, &outer, &inner) : NULL;
    if (!otherwise) refuse_empty(l, e, guard_in, &inner, 1);
    const Terms terms = {value_in, guard_in, &inner, 1, !otherwise, e->span};
    const GExpr *lse = reduced(l, GR_LSE, value_in, &terms);
    const GExpr *p = gx1(g, G_EXP, gx2(g, G_SUB, value, lse));
    if (!guard) return p;
    p = gx_select(g, guard, p, zero(l));
    return otherwise ? or_else(l, has_terms(l, &terms, 1), p, otherwise) : p;
}

void lower_open_indices(Lower *l, int count, Span span) {
    l->indices += count;
    if (l->indices <= MOST_OPEN_INDICES) return;
    diag_report(l->diag, CODE_TOO_MANY_AXES, span,
                "%d indices are bound around this place, and at most %d may be", l->indices,
                MOST_OPEN_INDICES);
}

/* The most ranks that are found by passes over the row. More are selected and sorted by a library
 * call. */
enum { FEW = 16 };

/* The value of an entry that only fills up a row: below every candidate, and no -inf, which would
 * be no entry at all. */
static const double last_of_all = -FLT_MAX;

/* Returns how many of the ranks exist. The others have the value of the `else`, or are refused if
 * the sizes are known. */
static int64_t ranks_of(Lower *l, const Expr *e, int64_t asked, int64_t there, bool has_else) {
    if (asked <= there) return asked;
    if (has_else) return there;
    const Span user = lower_user_span(l, e->span);
    diag_report(l->diag, CODE_TOO_FEW, user,
                "topk asks for %lld places here, and `%s` runs over %lld", (long long)asked,
                e->binders[0]->name, (long long)there);
    if (!span_same(user, e->span)) {
        diag_note(l->diag, e->span, "in the library");
    }
    diag_suggest(l->diag,
                 lower_is_library(e->span.source)
                     ? "a line of the library fits other sizes: change what the call gives it"
                     : "`(topk[..] .. else -1)` says what a rank beyond them is worth");
    return there;
}

/* Returns the value of candidate j. *guard is the condition under which j is a candidate, or NULL.
 */
static const GExpr *lower_candidate(Lower *l, const Expr *e, const GExpr *j, const GExpr **guard) {
    Frame *frame = frame_new(l, l->frame);
    frame_set(l, frame, e->binders[0], value_scalar(j));
    Frame *outer = l->frame;
    const GExpr *saved = l->condition;
    const int open = l->indices;
    lower_open_indices(l, 1, e->span);
    l->frame = frame;
    *guard = e->guard ? lower_scalar(l, e->guard) : NULL;
    l->condition = gx_and(l->g, saved, *guard);
    const GExpr *value = lower_as_real(l, lower_scalar(l, e->args[0]));
    l->condition = saved;
    l->frame = outer;
    l->indices = open;
    return value;
}

/* Returns the position of the entry that has the bound rank. A rank beyond the candidates has the
 * value of `otherwise`. */
static const GExpr *lower_topk(Lower *l, const Expr *e, const Expr *otherwise) {
    Graph *g = l->g;
    const GExpr *rank = lower_binder_index(l, e->binders[1]);
    int64_t extent;
    lower_eval_dim(l, e->binders[0]->extent, e->binders[0]->span, &extent);
    const GExpr *j = graph_named_index(g, extent, e->binders[0]->name);
    const GExpr *guard;
    const GExpr *value = lower_candidate(l, e, j, &guard);
    const GExpr *has_rank = NULL;
    /* Entries that are no candidates fill the row up to the ranks asked for. They are not read
     * there. */
    if (otherwise) {
        guard = gx_and(g, guard, gx2(g, G_NE, value, gx_real(g, -INFINITY)));
        const Terms candidates = {value, guard, &j, 1, false, e->span};
        has_rank = gx2(g, G_LT, rank, total(l, GR_SUM, gx_int(g, 1), &candidates));
    }
    if (guard) value = gx_select(g, guard, value, gx_real(g, otherwise ? last_of_all : -INFINITY));
    /* A row that nobody asks for needs no candidates. */
    const GExpr *rows[GRAPH_MAX_FREE];
    const GExpr *asked =
        lower_condition_over(l, l->condition, rows, lower_sorted_free(l, &value, 1, &j, 1, rows));
    if (guard && asked) value = gx_select(g, asked, value, zero(l));
    Value scores = lower_array_from(l, value, &j, 1, "candidates", e->span);
    const int64_t asked_ranks = graph_index_extent(g, rank);
    const int64_t count = ranks_of(l, e, asked_ranks, extent, otherwise != NULL);
    if (count < asked_ranks) has_rank = gx_and(g, has_rank, gx2(g, G_LT, rank, gx_int(g, count)));
    GNode *top = count > FEW ? graph_call(g, COUPLET_CALL_SELECT, &scores.tensor, count, e->span)
                             : graph_topk(g, scores.tensor, count, e->span);
    const GExpr *at[GRAPH_MAX_RANK];
    memcpy(at, scores.prefix, sizeof *at * (size_t)scores.prefix_count);
    at[scores.prefix_count] = rank;
    graph_name_indices(g, top, at, scores.prefix_count + 1);
    if (count < asked_ranks) at[scores.prefix_count] = gx2(g, G_MIN, rank, gx_int(g, count - 1));
    const GExpr *place = gx_load(g, top, scores.prefix_count + 1, at, NULL);
    return has_rank && otherwise ? or_else(l, has_rank, place, otherwise) : place;
}

/* ---- the rows of reductions.def -------------------------------------------------------------- */

static const GExpr *reduce_sum(Lower *l, const Terms *t) {
    return total(l, GR_SUM, t->value, t);
}

static const GExpr *reduce_prod(Lower *l, const Terms *t) {
    return total(l, GR_PROD, lower_as_real(l, t->value), t);
}

static const GExpr *reduce_mean(Lower *l, const Terms *t) {
    const GExpr *sum = total(l, GR_SUM, lower_as_real(l, t->value), t);
    return gx2(l->g, G_DIV, sum, term_count(l, t));
}

static const GExpr *reduce_max(Lower *l, const Terms *t) {
    return reduced(l, GR_MAX, t->value, t);
}

static const GExpr *reduce_min(Lower *l, const Terms *t) {
    return reduced(l, GR_MIN, t->value, t);
}

/* Returns the place of the largest (GR_MAX) or smallest (GR_MIN) value. Back ends find places among
 * reals, which do not distinguish large whole numbers. For whole numbers the best value is found
 * first, and then the first place that has it. */
static const GExpr *place_of_best(Lower *l, GReducer best_of, const Terms *t) {
    const GReducer place = best_of == GR_MAX ? GR_ARGMAX : GR_ARGMIN;
    if (t->value->type != GT_INT) return reduced(l, place, lower_as_real(l, t->value), t);
    const GExpr *best = reduced(l, best_of, t->value, t);
    const GExpr *is_best = gx2(l->g, G_EQ, t->value, best);
    return reduced(l, GR_ARGMAX, lower_as_real(l, is_best), t);
}

static const GExpr *reduce_argmax(Lower *l, const Terms *t) {
    return place_of_best(l, GR_MAX, t);
}

static const GExpr *reduce_argmin(Lower *l, const Terms *t) {
    return place_of_best(l, GR_MIN, t);
}

static const GExpr *reduce_count(Lower *l, const Terms *t) {
    return total(l, GR_SUM, gx_int(l->g, 1), t);
}

static const GExpr *reduce_any(Lower *l, const Terms *t) {
    return total(l, GR_ANY, t->value, t);
}

static const GExpr *reduce_all(Lower *l, const Terms *t) {
    return total(l, GR_ALL, t->value, t);
}

/* Returns the sum of the squared distances from the mean, in two passes. E[x^2] - mu^2 would
 * cancel. */
static const GExpr *squares_around_mean(Lower *l, const Terms *t) {
    const GExpr *value = lower_as_real(l, t->value);
    const GExpr *mean = lower_hoist_scalar(l, reduce_mean(l, t), "mean", t->span);
    const GExpr *d = gx2(l->g, G_SUB, value, mean);
    return total(l, GR_SUM, gx2(l->g, G_MUL, d, d), t);
}

static const GExpr *reduce_var(Lower *l, const Terms *t) {
    const GExpr *sum = squares_around_mean(l, t);
    return gx2(l->g, G_DIV, sum, term_count(l, t));
}

static const GExpr *reduce_var_unbiased(Lower *l, const Terms *t) {
    const GExpr *sum = squares_around_mean(l, t);
    return gx2(l->g, G_DIV, sum, gx2(l->g, G_SUB, term_count(l, t), gx_real(l->g, 1)));
}

static const GExpr *reduce_logsumexp(Lower *l, const Terms *t) {
    return reduced(l, GR_LSE, lower_as_real(l, t->value), t);
}

static const GExpr *reduce_terms(Lower *l, ReduceKind kind, const Terms *t) {
    static const GExpr *(*const rules[REDUCE_KINDS])(Lower * l, const Terms *t) = {
#define KEPT(text, name, ...)      [REDUCE_##name] = NULL,
#define REDUCTION(text, name, ...) [REDUCE_##name] = reduce_##text,
#include "lang/reductions.def"
#undef REDUCTION
    };
    return rules[kind](l, t);
}

/* Refuses a reduction that has fewer terms than it needs at the sizes at hand. */
static void refuse_too_few(Lower *l, const Expr *e, const Terms *t) {
    const int least = reduce_rows[e->reduce].least;
    if (t->guard && least) refuse_empty(l, e, t->guard, t->red, t->count);
    if (least < 2 || e->guard || !l->program || l->condition) return;
    if (extent_product(l, t->red, t->count) == 1)
        report_no_term(l, e->span,
                       "this variance has one term, and divides by the number of terms less one");
}

/* Lowers a reduction. `otherwise` is its value where it has fewer terms than it needs, or NULL. */
const GExpr *lower_reduce(Lower *l, const Expr *e, const Expr *otherwise) {
    if (e->reduce == REDUCE_SOFTMAX) return lower_softmax(l, e, otherwise);
    if (e->reduce == REDUCE_TOPK) return lower_topk(l, e, otherwise);
    Frame *outer = l->frame;
    Frame *frame = frame_new(l, outer);
    const GExpr *red[GRAPH_MAX_RANK];
    int count = e->binder_count;
    for (int i = 0; i < count; i++) {
        int64_t extent;
        lower_eval_dim(l, e->binders[i]->extent, e->binders[i]->span, &extent);
        red[i] = graph_named_index(l->g, extent, e->binders[i]->name);
        frame_set(l, frame, e->binders[i], value_scalar(red[i]));
    }
    const GExpr *saved = l->condition;
    const int open = l->indices;
    lower_open_indices(l, count, e->span);
    l->frame = frame;
    const GExpr *guard = e->guard ? lower_scalar(l, e->guard) : NULL;
    if (guard && guard->op == G_CONST && guard->integer) guard = NULL;
    l->condition = gx_and(l->g, saved, guard);
    const GExpr *value = e->arg_count ? lower_scalar(l, e->args[0]) : gx_int(l->g, 1);
    l->condition = saved;
    l->frame = outer;
    l->indices = open;
    const Terms terms = {value, guard, red, count, guard && !otherwise, e->span};
    const int least = reduce_rows[e->reduce].least;
    if (!otherwise) refuse_too_few(l, e, &terms);
    if (otherwise && !guard && extent_product(l, red, count) < least)
        return lower_as_real(l, lower_scalar(l, otherwise));
    const GExpr *result = reduce_terms(l, e->reduce, &terms);
    return otherwise && guard && least ? or_else(l, has_terms(l, &terms, least), result, otherwise)
                                       : result;
}
