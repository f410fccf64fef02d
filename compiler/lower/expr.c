/* Formulas: scalar expressions over indices, reductions, array arithmetic. A reduction becomes a
 * compute node over the indices that are free in it, and the formula around it loads its element.
 */
#include "compiler/lower/internal.h"

#include "compiler/graph/point.h"
#include "compiler/graph/visit.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

static const GExpr *zero(Lower *l) {
    return gx_real(l->g, 0);
}

static bool is_library(const Source *source) {
    return source && strncmp(source->path, "stdlib/", strlen("stdlib/")) == 0;
}

/* ---- compile-time values --------------------------------------------------------------------- */

bool lower_static(Lower *l, const Expr *e, double *out) {
    double a = 0, b = 0;
    switch (e->kind) {
    case EXPR_NUMBER:
        *out = e->number;
        return true;
    case EXPR_BOOL:
        *out = e->boolean;
        return true;
    case EXPR_NAME: {
        if (!e->symbol) return false;
        if (e->symbol->kind == SYMBOL_DATA) { /* a dimension: its rows */
            *out = (double)e->symbol->stmt->data->rows;
            return true;
        }
        if (e->symbol->kind == SYMBOL_STAGE) {
            *out = stage_holds(l, e->symbol);
            return l->phase != NULL;
        }
        if (l->in_condition && e->symbol->kind == SYMBOL_BUILTIN) { /* of the phase at hand */
            *out = (double)(strcmp(e->name, "epoch") == 0 ? l->phase->from_epoch
                                                          : l->phase->from_step);
            return strcmp(e->name, "epoch") == 0 || strcmp(e->name, "step") == 0;
        }
        const Value *value = frame_find(l->frame, e->symbol);
        if (!value || !value->is_static) return false;
        lower_mark_static(l, e->symbol);
        *out = value->constant;
        return true;
    }
    case EXPR_UNARY:
        if (!lower_static(l, e->args[0], &a)) return false;
        *out = e->op == OP_NEG ? -a : !a;
        return true;
    case EXPR_BINARY:
        if (!lower_static(l, e->args[0], &a) || !lower_static(l, e->args[1], &b)) return false;
        switch (e->op) {
        case OP_ADD:
            *out = a + b;
            return true;
        case OP_SUB:
            *out = a - b;
            return true;
        case OP_MUL:
            *out = a * b;
            return true;
        case OP_DIV:
            *out = a / b;
            return true;
        case OP_FLOORDIV:
            *out = floor(a / b);
            return true;
        case OP_MOD:
            *out = a - b * floor(a / b);
            return true;
        case OP_POW:
            *out = pow(a, b);
            return true;
        case OP_LT:
            *out = a < b;
            return true;
        case OP_LE:
            *out = a <= b;
            return true;
        case OP_GT:
            *out = a > b;
            return true;
        case OP_GE:
            *out = a >= b;
            return true;
        case OP_EQ:
            *out = a == b;
            return true;
        case OP_NE:
            *out = a != b;
            return true;
        case OP_AND:
            *out = a && b;
            return true;
        case OP_OR:
            *out = a || b;
            return true;
        default:
            return false;
        }
    case EXPR_CALL:
        if (e->callee->kind != EXPR_NAME || !e->callee->symbol ||
            e->callee->symbol->kind != SYMBOL_BUILTIN)
            return false;
        if (e->arg_count < 1 || !lower_static(l, e->args[0], &a)) return false;
        if (e->arg_count > 1 && !lower_static(l, e->args[1], &b)) return false;
        if (strcmp(e->callee->name, "ceil") == 0)
            *out = ceil(a);
        else if (strcmp(e->callee->name, "floor") == 0)
            *out = floor(a);
        else if (strcmp(e->callee->name, "sqrt") == 0)
            *out = sqrt(a);
        else if (strcmp(e->callee->name, "min") == 0)
            *out = isnan(a) || a < b ? a : b;
        else if (strcmp(e->callee->name, "max") == 0)
            *out = isnan(a) || a > b ? a : b;
        else
            return false;
        return true;
    default:
        return false;
    }
}

bool lower_extent(Lower *l, const Expr *e, int64_t *out) {
    double value;
    int64_t whole;
    if (!lower_static(l, e, &value) || !whole_of(value, &whole) || whole < 1) return false;
    *out = whole;
    return true;
}

/* ---- reductions ------------------------------------------------------------------------------ */

static const GExpr *load_at(Lower *l, GNode *node, const GExpr *const *free, int count) {
    return gx_load(l->g, node, count, free, NULL);
}

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
    /* the slope of a product has an axis more: the product of the other terms, for each term */
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
    if (empty_is_error ||
        (l->condition && (lower_may_leave(l, value) || lower_may_leave(l, guard))))
        spec.active = lower_condition_over(l, l->condition, free, *free_count);
    spec.span = span;
    return graph_compute(l->g, &spec);
}

GNode *lower_sum_node(Lower *l, const GExpr *value, const GExpr *guard, const GExpr *const *red,
                      int red_count, const GExpr **free, int *free_count, Span span) {
    return reduce_node(l, GR_SUM, value, guard, red, red_count, free, free_count, false, span);
}

/* ---- reductions that have no term at these sizes --------------------------------------------- */

enum { MOST_POINTS = 100000 /* a few milliseconds */ };

typedef struct Emptiness {
    Lower *l;
    PointFormula *guard;
    const GExpr *index[GRAPH_MAX_INDICES];
    int64_t value[GRAPH_MAX_INDICES];
    int count, points;
} Emptiness;

static bool next_point(Emptiness *p, int from, int count) {
    for (int i = from + count - 1; i >= from; i--) {
        if (++p->value[i] < graph_index_extent(p->l->g, p->index[i])) return true;
        p->value[i] = 0;
    }
    return false;
}

/* Whether the guard holds for no index at some point outside, whatever the data. */
static bool has_empty_row(Emptiness *p, int outer, int inner) {
    do {
        bool any = false;
        memset(p->value + outer, 0, sizeof *p->value * (size_t)inner);
        do {
            int64_t holds;
            any = !point_value(p->guard, p->value, &holds) || holds;
        } while (!any && ++p->points < MOST_POINTS && next_point(p, outer, inner));
        if (!any) return p->points < MOST_POINTS;
    } while (++p->points < MOST_POINTS && next_point(p, 0, outer));
    return false;
}

/* The line that the user wrote: of a formula in the library the call that led there. */
static Span user_span(const Lower *l, Span span) {
    for (const Call *c = l->call; c && is_library(span.source); c = c->outer) {
        const Made *made = c->net ? c->net->made : NULL;
        if (c->call) span = made ? made->place : c->call->span;
        for (; made && is_library(span.source); made = made->in)
            span = made->place;
    }
    return span;
}

static void report_no_term(Lower *l, Span span, const char *what) {
    const Span user = user_span(l, span);
    diag_report(l->diag, CODE_NO_TERM, user, "%s", what);
    if (!span_same(user, span)) diag_note(l->diag, span, "in the library");
    diag_suggest(l->diag, is_library(span.source)
                              ? "a larger batch, or other sizes, give it terms"
                              : "`(mean[j | ..] .. else 0)` says what a reduction without a term "
                                "is worth; or take other sizes");
}

/* A method is refused before it runs when a mean, a maximum or a softmax of it has no term at the
 * sizes that it has. */
static void refuse_empty(Lower *l, const Expr *e, const GExpr *guard, const GExpr *const *red,
                         int count) {
    Emptiness p = {.l = l};
    if (!guard || !l->program || l->condition || !expr_is_small_tree(guard)) return;
    const int outer = lower_sorted_free(l, &guard, 1, red, count, p.index);
    if (outer + count > GRAPH_MAX_INDICES) return;
    memcpy(p.index + outer, red, sizeof *red * (size_t)count);
    p.count = outer + count;
    p.guard = point_formula(l->arena, guard, p.index, p.count);
    if (!has_empty_row(&p, outer, count)) return;
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

/* The reducer applied to `value`, as an expression over the free indices. */
static const GExpr *reduced(Lower *l, GReducer reducer, const GExpr *value, const GExpr *guard,
                            const GExpr *const *red, int red_count, bool empty_is_error,
                            Span span) {
    const GExpr *free[GRAPH_MAX_FREE];
    int count;
    GNode *node =
        reduce_node(l, reducer, value, guard, red, red_count, free, &count, empty_is_error, span);
    return load_at(l, node, free, count);
}

static double extent_product(Lower *l, const GExpr *const *red, int count) {
    double product = 1;
    for (int i = 0; i < count; i++)
        product *= (double)graph_index_extent(l->g, red[i]);
    return product;
}

/* How many terms there are, as a real. A guarded mean of nothing is an error unless a default was
 * written. */
static const GExpr *term_count(Lower *l, const GExpr *guard, const GExpr *const *red, int count,
                               bool empty_is_error, Span span) {
    const double most = extent_product(l, red, count);
    if (!guard) return gx_real(l->g, most);
    /* a count would not fit */
    if (most > INT32_MAX)
        return reduced(l, GR_SUM, gx_real(l->g, 1), guard, red, count, empty_is_error, span);
    return lower_as_real(
        l, reduced(l, GR_SUM, gx_int(l->g, 1), guard, red, count, empty_is_error, span));
}

static const GExpr *mean_of(Lower *l, const GExpr *value, const GExpr *guard,
                            const GExpr *const *red, int count, bool empty_is_error, Span span) {
    const GExpr *sum = reduced(l, GR_SUM, lower_as_real(l, value), guard, red, count, false, span);
    return gx2(l->g, G_DIV, sum, term_count(l, guard, red, count, empty_is_error, span));
}

static const GExpr *variance(Lower *l, const GExpr *value, const GExpr *guard,
                             const GExpr *const *red, int count, bool unbiased, bool empty_is_error,
                             Span span) {
    /* Two passes, never E[x^2] - mu^2: that cancels. */
    value = lower_as_real(l, value);
    const GExpr *mean = lower_hoist_scalar(
        l, mean_of(l, value, guard, red, count, empty_is_error, span), "mean", span);
    const GExpr *d = gx2(l->g, G_SUB, value, mean);
    const GExpr *sum = reduced(l, GR_SUM, gx2(l->g, G_MUL, d, d), guard, red, count, false, span);
    const GExpr *n = term_count(l, guard, red, count, empty_is_error, span);
    if (unbiased) n = gx2(l->g, G_SUB, n, gx_real(l->g, 1));
    return gx2(l->g, G_DIV, sum, n);
}

static const GExpr *binder_index(Lower *l, const Binder *binder) {
    while (binder->same)
        binder = binder->same;
    const Value *value = frame_find(l->frame, binder);
    assert(value && value->kind == VALUE_SCALAR);
    return value->scalar;
}

/* Whether at least `least` indices fulfil the guard: what a reduction needs, so that its `else` is
 * not asked for. */
static const GExpr *has_terms(Lower *l, const GExpr *guard, const GExpr *const *red, int count,
                              int least, Span span) {
    if (least == 1) return reduced(l, GR_ANY, gx_bool(l->g, true), guard, red, count, false, span);
    return gx2(l->g, G_LE, gx_int(l->g, least),
               reduced(l, GR_SUM, gx_int(l->g, 1), guard, red, count, false, span));
}

/* `value` where `condition` holds, else what the source gives for `else`. */
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

static const GExpr *lower_softmax(Lower *l, const Expr *e, const Expr *otherwise) {
    const GExpr *outer = binder_index(l, e->binders[0]);
    const GExpr *inner =
        graph_named_index(l->g, graph_index_extent(l->g, outer), e->binders[0]->name);
    const GExpr *saved = l->condition;
    const GExpr *guard = e->guard ? lower_scalar(l, e->guard) : NULL;
    l->condition = gx_and(l->g, saved, guard);
    const GExpr *value = lower_as_real(l, lower_scalar(l, e->args[0]));
    l->condition = saved;
    const GExpr *value_in = gx_substitute(l->g, value, 1, &outer, &inner);
    const GExpr *guard_in = guard ? gx_substitute(l->g, guard, 1, &outer, &inner) : NULL;
    if (!otherwise) refuse_empty(l, e, guard_in, &inner, 1);
    const GExpr *lse = reduced(l, GR_LSE, value_in, guard_in, &inner, 1, !otherwise, e->span);
    const GExpr *p = gx1(l->g, G_EXP, gx2(l->g, G_SUB, value, lse));
    if (!guard) return p;
    p = gx_select(l->g, guard, p, zero(l));
    return otherwise ? or_else(l, has_terms(l, guard_in, &inner, 1, 1, e->span), p, otherwise) : p;
}

void lower_open_indices(Lower *l, int count, Span span) {
    l->indices += count;
    if (l->indices <= MOST_OPEN_INDICES) return;
    diag_report(l->diag, CODE_TOO_MANY_AXES, span,
                "%d indices are bound around this place, and at most %d may be", l->indices,
                MOST_OPEN_INDICES);
}

/* A few are found by as many passes over the row; many are selected and sorted by a library call.
 */
enum { FEW = 16 };

/* Below every candidate, and no -inf, which would be none at all. */
static const double last_of_all = -FLT_MAX;

/* The ranks that there are: those beyond have the value of an `else`, or are refused where the
 * sizes are known, which is here. */
static int64_t ranks_of(Lower *l, const Expr *e, int64_t asked, int64_t there, bool has_else) {
    if (asked <= there) return asked;
    if (has_else) return there;
    const Span user = user_span(l, e->span);
    diag_report(l->diag, CODE_TOO_FEW, user,
                "topk asks for %lld places here, and `%s` runs over %lld", (long long)asked,
                e->binders[0]->name, (long long)there);
    if (!span_same(user, e->span)) diag_note(l->diag, e->span, "in the library");
    diag_suggest(l->diag,
                 is_library(e->span.source)
                     ? "a line of the library fits other sizes: change what the call gives it"
                     : "`(topk[..] .. else -1)` says what a rank beyond them is worth");
    return there;
}

static const GExpr *lower_topk(Lower *l, const Expr *e, const Expr *otherwise) {
    const GExpr *rank = binder_index(l, e->binders[1]);
    Frame *frame = frame_new(l, l->frame);
    int64_t extent;
    lower_eval_dim(l, e->binders[0]->extent, e->binders[0]->span, &extent);
    const GExpr *j = graph_named_index(l->g, extent, e->binders[0]->name);
    frame_set(l, frame, e->binders[0], value_scalar(j));
    Frame *outer = l->frame;
    const GExpr *saved = l->condition;
    const int open = l->indices;
    lower_open_indices(l, 1, e->span);
    l->frame = frame;
    const GExpr *guard = e->guard ? lower_scalar(l, e->guard) : NULL;
    l->condition = gx_and(l->g, saved, guard);
    const GExpr *value = lower_as_real(l, lower_scalar(l, e->args[0]));
    l->condition = saved;
    l->frame = outer;
    l->indices = open;
    const GExpr *has_rank = NULL;
    /* what is no candidate fills the row up to the ranks asked for, and is not read there */
    if (guard && otherwise) {
        guard = gx2(l->g, G_AND, guard, gx2(l->g, G_NE, value, gx_real(l->g, -INFINITY)));
        has_rank = gx2(l->g, G_LT, rank,
                       reduced(l, GR_SUM, gx_int(l->g, 1), guard, &j, 1, false, e->span));
    }
    if (guard)
        value = gx_select(l->g, guard, value, gx_real(l->g, otherwise ? last_of_all : -INFINITY));
    /* A row that nothing asks for has candidates enough. */
    const GExpr *rows[GRAPH_MAX_FREE];
    const GExpr *asked =
        lower_condition_over(l, saved, rows, lower_sorted_free(l, &value, 1, &j, 1, rows));
    if (guard && asked) value = gx_select(l->g, asked, value, zero(l));
    Value scores = lower_array_from(l, value, &j, 1, "candidates", e->span);
    const int64_t asked_ranks = graph_index_extent(l->g, rank),
                  count = ranks_of(l, e, asked_ranks, extent, otherwise != NULL);
    if (count < asked_ranks)
        has_rank = gx_and(l->g, has_rank, gx2(l->g, G_LT, rank, gx_int(l->g, count)));
    GNode *top = count > FEW ? graph_call(l->g, COUPLET_CALL_SELECT, &scores.tensor, count, e->span)
                             : graph_topk(l->g, scores.tensor, count, e->span);
    const GExpr *at[GRAPH_MAX_RANK];
    memcpy(at, scores.prefix, sizeof *at * (size_t)scores.prefix_count);
    at[scores.prefix_count] = rank;
    graph_name_indices(l->g, top, at, scores.prefix_count + 1);
    if (count < asked_ranks)
        at[scores.prefix_count] = gx2(l->g, G_MIN, rank, gx_int(l->g, count - 1));
    const GExpr *place = gx_load(l->g, top, scores.prefix_count + 1, at, NULL);
    return has_rank && otherwise ? or_else(l, has_rank, place, otherwise) : place;
}

/* Where the largest (GR_MAX) or smallest (GR_MIN) value stands. Back ends find places among reals,
 * and those do not tell large whole numbers apart: of these the best one is found first, and then
 * the first that equals it. */
static const GExpr *place_of(Lower *l, GReducer best_of, const GExpr *value, const GExpr *guard,
                             const GExpr *const *red, int count, bool strict, Span span) {
    const GReducer place = best_of == GR_MAX ? GR_ARGMAX : GR_ARGMIN;
    if (value->type != GT_INT)
        return reduced(l, place, lower_as_real(l, value), guard, red, count, strict, span);
    const GExpr *best = reduced(l, best_of, value, guard, red, count, strict, span);
    return reduced(l, GR_ARGMAX, lower_as_real(l, gx2(l->g, G_EQ, value, best)), guard, red, count,
                   strict, span);
}

/* True for a reduction whose value without a term is known: 0, 1, false or true. */
static bool has_empty_value(ReduceKind kind) {
    return kind == REDUCE_SUM || kind == REDUCE_PROD || kind == REDUCE_COUNT ||
           kind == REDUCE_ANY || kind == REDUCE_ALL;
}

/* A reduction; `otherwise` is the value of an empty one, or NULL. */
static const GExpr *lower_reduce(Lower *l, const Expr *e, const Expr *otherwise) {
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
    bool strict = guard && !otherwise;
    if (strict && !has_empty_value(e->reduce)) refuse_empty(l, e, guard, red, count);
    if (e->reduce == REDUCE_VAR_UNBIASED && !e->guard && !otherwise && l->program &&
        !l->condition && extent_product(l, red, count) == 1)
        report_no_term(l, e->span,
                       "this variance has one term, and divides by the number of terms less one");
    const GExpr *result;
    switch (e->reduce) {
    case REDUCE_SUM:
        result = reduced(l, GR_SUM, value, guard, red, count, false, e->span);
        break;
    case REDUCE_PROD:
        result = reduced(l, GR_PROD, lower_as_real(l, value), guard, red, count, false, e->span);
        break;
    case REDUCE_COUNT:
        result = reduced(l, GR_SUM, gx_int(l->g, 1), guard, red, count, false, e->span);
        break;
    case REDUCE_MEAN:
        result = mean_of(l, value, guard, red, count, strict, e->span);
        break;
    case REDUCE_VAR:
        result = variance(l, value, guard, red, count, false, strict, e->span);
        break;
    case REDUCE_VAR_UNBIASED:
        result = variance(l, value, guard, red, count, true, strict, e->span);
        break;
    case REDUCE_MAX:
        result = reduced(l, GR_MAX, value, guard, red, count, strict, e->span);
        break;
    case REDUCE_MIN:
        result = reduced(l, GR_MIN, value, guard, red, count, strict, e->span);
        break;
    case REDUCE_ARGMAX:
        result = place_of(l, GR_MAX, value, guard, red, count, strict, e->span);
        break;
    case REDUCE_ARGMIN:
        result = place_of(l, GR_MIN, value, guard, red, count, strict, e->span);
        break;
    case REDUCE_ANY:
        result = reduced(l, GR_ANY, value, guard, red, count, false, e->span);
        break;
    case REDUCE_ALL:
        result = reduced(l, GR_ALL, value, guard, red, count, false, e->span);
        break;
    case REDUCE_LOGSUMEXP:
        result = reduced(l, GR_LSE, lower_as_real(l, value), guard, red, count, strict, e->span);
        break;
    default:
        result = zero(l);
        break;
    }
    if (!otherwise || !guard || has_empty_value(e->reduce)) return result;
    return or_else(
        l, has_terms(l, guard, red, count, e->reduce == REDUCE_VAR_UNBIASED ? 2 : 1, e->span),
        result, otherwise);
}

/* ---- reads ----------------------------------------------------------------------------------- */

static Value lower_index(Lower *l, const Expr *e, const Expr *otherwise) {
    Value base = lower_value(l, e->callee);
    if (base.kind != VALUE_ARRAY) return base;
    Value value = base;
    bool may_miss = false;
    for (int i = 0; i < e->arg_count; i++) {
        const GExpr *index = lower_scalar(l, e->args[i]);
        int64_t extent = value_extent(&base, i), bad = 0;
        bool data;
        if (!prove_in_range(l, index, extent, &data, &bad)) {
            may_miss = true;
            if (!otherwise) {
                diag_report(l->diag, CODE_OUT_OF_RANGE, e->args[i]->span,
                            "this index reaches %lld, and axis %d of %s has entries 0 to %lld",
                            (long long)bad, i + 1,
                            e->callee->kind == EXPR_NAME
                                ? arena_printf(l->arena, "`%s`", e->callee->name)
                                : "the array",
                            (long long)extent - 1);
                diag_suggest(
                    l->diag,
                    is_library(e->span.source)
                        ? "a line of the library fits other sizes: change what the call gives it"
                        : "write `(x[..] else 0)` to say what a read outside is worth, or narrow "
                          "the index with a guard");
                index = gx_int(l->g, 0);
            }
        } else if (data && otherwise) {
            may_miss = true;
        }
        value.prefix[value.prefix_count++] = index;
    }
    if (otherwise && value_rank(&value) == 0) {
        const GExpr *instead = lower_scalar(l, otherwise);
        bool real = base.tensor->type == GT_REAL || base.tensor->type == GT_U8;
        return value_scalar(
            gx_load(l->g, value.tensor, value.prefix_count, value.prefix,
                    may_miss ? (real ? lower_as_real(l, instead) : instead) : NULL));
    }
    if (value_rank(&value) == 0)
        return value_scalar(gx_load(l->g, value.tensor, value.prefix_count, value.prefix, NULL));
    return value;
}

double lower_known_number(Lower *l, const Expr *expr) {
    double value;
    /* asked all the same: hypers that stand here are fixed */
    return lower_static(l, expr, &value) ? value : expr->constant;
}

/* ---- operators ------------------------------------------------------------------------------- */

static const GExpr *power(Lower *l, const GExpr *base, const GExpr *exponent) {
    base = lower_as_real(l, base);
    if (exponent->op == G_CONST) {
        double n = exponent->type == GT_REAL ? exponent->real : (double)exponent->integer;
        if (n == 1) return base;
        if (n == 2) return gx2(l->g, G_MUL, base, base);
        if (n == 3) return gx2(l->g, G_MUL, base, gx2(l->g, G_MUL, base, base));
        if (n == 0.5) return lower_root(l, base);
        if (n == -1) return lower_quotient(l, gx_real(l->g, 1), base);
    }
    base = lower_power_base(l, base, exponent);
    return gx2(l->g, G_POW, base, lower_as_real(l, exponent));
}

static const GExpr *binary(Lower *l, Operator op, const GExpr *a, const GExpr *b) {
    Graph *g = l->g;
    if (op == OP_POW) return power(l, a, b);
    if (op == OP_AND) return gx2(g, G_AND, a, b);
    if (op == OP_OR) return gx2(g, G_OR, a, b);
    if (op == OP_DIV || a->type == GT_REAL || b->type == GT_REAL) {
        a = lower_as_real(l, a);
        b = lower_as_real(l, b);
    }
    switch (op) {
    case OP_ADD:
        return gx2(g, G_ADD, a, b);
    case OP_SUB:
        return gx2(g, G_SUB, a, b);
    case OP_MUL:
        return gx2(g, G_MUL, a, b);
    case OP_DIV:
        return lower_quotient(l, a, b);
    case OP_FLOORDIV:
        return a->type == GT_REAL ? gx1(g, G_FLOOR, gx2(g, G_DIV, a, b)) : gx2(g, G_FLOORDIV, a, b);
    case OP_MOD:
        return a->type == GT_REAL
                   ? gx2(g, G_SUB, a, gx2(g, G_MUL, b, gx1(g, G_FLOOR, gx2(g, G_DIV, a, b))))
                   : gx2(g, G_MOD, a, b);
    case OP_LT:
        return gx2(g, G_LT, a, b);
    case OP_LE:
        return gx2(g, G_LE, a, b);
    case OP_GT:
        return gx2(g, G_LT, b, a);
    case OP_GE:
        return gx2(g, G_LE, b, a);
    case OP_EQ:
        return gx2(g, G_EQ, a, b);
    case OP_NE:
        return gx2(g, G_NE, a, b);
    default:
        assert(!"not a binary operator");
        return a;
    }
}

/* Element by element over values of equal shape, or scalars beside them. */
typedef const GExpr *(*Elementwise)(Lower *l, void *context, const GExpr *const *elements);
static Value map_values(Lower *l, const Value *values, int count, Elementwise apply, void *context,
                        Span span) {
    const Value *shaped = NULL;
    for (int i = 0; i < count; i++)
        if (value_rank(&values[i]) > 0) shaped = &values[i];
    const GExpr *axes[GRAPH_MAX_RANK], *elements[8] = {NULL};
    int rank = shaped ? value_rank(shaped) : 0;
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(l->g, value_extent(shaped, i));
    for (int i = 0; i < count; i++) {
        if (shaped && value_rank(&values[i]) > 0) {
            bool same = value_rank(&values[i]) == rank;
            for (int a = 0; same && a < rank; a++)
                same = value_extent(&values[i], a) == value_extent(shaped, a);
            if (!same) {
                diag_report(
                    l->diag, CODE_SHAPES_DIFFER, span,
                    "element by element work needs equal shapes, and these arrays differ here");
                return value_scalar(zero(l));
            }
        }
        elements[i] = value_element(l, &values[i], axes, span);
    }
    const GExpr *result = apply(l, context, elements);
    return rank ? lower_array_from(l, result, axes, rank, NULL, span) : value_scalar(result);
}

static const GExpr *apply_binary(Lower *l, void *context, const GExpr *const *e) {
    return binary(l, *(Operator *)context, e[0], e[1]);
}
static const GExpr *apply_unary(Lower *l, void *context, const GExpr *const *e) {
    return *(Operator *)context == OP_NOT ? gx1(l->g, G_NOT, e[0]) : gx1(l->g, G_NEG, e[0]);
}
static const GExpr *apply_select(Lower *l, void *context, const GExpr *const *e) {
    (void)context;
    bool real = e[1]->type == GT_REAL || e[2]->type == GT_REAL;
    return gx_select(l->g, e[0], real ? lower_as_real(l, e[1]) : e[1],
                     real ? lower_as_real(l, e[2]) : e[2]);
}

/* ---- numbers made of constants and hypers ---------------------------------------------------- */

static bool is_number_arithmetic(void *context, const GExpr *e) {
    (void)context;
    return e->op == G_TO_REAL || e->op == G_NEG || e->op == G_ADD || e->op == G_SUB ||
           e->op == G_MUL;
}

static const double *hyper_value(const Lower *l, const GNode *n) {
    const bool is_scalar = n->kind == GN_INPUT && n->rank == 0 && l->program;
    for (int i = 0; is_scalar && i < l->program->hypers.count; i++)
        if (strncmp(n->name, "hyper.", 6) == 0 &&
            strcmp(n->name + 6, l->program->hypers.items[i].name) == 0)
            return &l->program->hypers.items[i].value;
    return NULL;
}

/* The value of a part; NULL: it is not known. */
static ExprValue find_number(void *context, const GExpr *e, const ExprValue *args) {
    const Lower *l = context;
    double value = 0;
    for (int i = 0; args && i < e->arg_count; i++)
        if (!args[i].pointer) return (ExprValue){.pointer = NULL};
    const double *a = args ? args[0].pointer : NULL;
    const double *b = args && e->arg_count > 1 ? args[1].pointer : NULL;
    if (e->op == G_LOAD) return (ExprValue){.pointer = hyper_value(l, e->tensor)};
    if (e->op == G_CONST)
        value = e->type == GT_REAL ? e->real : (double)e->integer;
    else if (!args)
        return (ExprValue){.pointer = NULL};
    else if (!b)
        value = e->op == G_NEG ? -*a : *a;
    else
        value = e->op == G_ADD ? *a + *b : e->op == G_SUB ? *a - *b : *a * *b;
    double *kept = arena_new_of(l->arena, double);
    *kept = value;
    return (ExprValue){.pointer = kept};
}

/* A number that is made of constants and hypers, as they are set. */
static bool number_known(Lower *l, const GExpr *e, double *out) {
    const double *value = expr_fold_inside(e, is_number_arithmetic, find_number, l).pointer;
    if (value) *out = *value;
    return value != NULL;
}

/* What the checker cannot see: a divisor that is 0 with the arguments and dimensions of this call.
 * Behind a condition it may never be computed. */
static void refuse_zero_divisor(Lower *l, const Expr *e, const Value *divisor) {
    double value;
    const bool divides =
        e->kind == EXPR_BINARY && (e->op == OP_DIV || e->op == OP_MOD || e->op == OP_FLOORDIV);
    if (!divides || l->condition || divisor->kind != VALUE_SCALAR ||
        !number_known(l, divisor->scalar, &value) || value != 0)
        return;
    const Span span = e->args[1]->span, user = user_span(l, span);
    diag_report(l->diag, CODE_NO_VALUE, user, "`%.*s` is 0 here, and something is divided by it",
                span.end - span.begin, span.source->text + span.begin);
    if (!span_same(user, span)) diag_note(l->diag, span, "in the library");
}

/* Whole numbers that are known give one that is known, unless it does not fit. */
static bool is_unheld(const Value *values, int count, const Value *result) {
    if (result->kind != VALUE_SCALAR || result->scalar->type != GT_INT ||
        result->scalar->op == G_CONST)
        return false;
    for (int i = 0; i < count; i++)
        if (values[i].kind != VALUE_SCALAR || values[i].scalar->op != G_CONST) return false;
    return true;
}

static Value lower_operator(Lower *l, const Expr *e) {
    Value values[2];
    const GExpr *saved = l->condition;
    for (int i = 0; i < e->arg_count; i++) {
        values[i] = lower_value(l, e->args[i]);
        /* `and` is lazy: its right side is read only where the left holds. */
        if (i == 0 && e->kind == EXPR_BINARY && e->op == OP_AND && values[0].kind == VALUE_SCALAR)
            l->condition = gx_and(l->g, saved, values[0].scalar);
    }
    l->condition = saved;
    if (e->arg_count == 2) refuse_zero_divisor(l, e, &values[1]);
    Operator op = e->op;
    Value result = map_values(l, values, e->arg_count,
                              e->kind == EXPR_UNARY ? apply_unary : apply_binary, &op, e->span);
    if (is_unheld(values, e->arg_count, &result))
        diag_report(l->diag, CODE_NUMBER_RANGE, e->span,
                    "the result of these whole numbers is beyond 64 bits");
    return result;
}

static Value lower_if(Lower *l, const Expr *e) {
    Value values[3];
    values[0] = lower_value(l, e->args[0]);
    if (values[0].is_static) return lower_value(l, e->args[values[0].constant != 0 ? 1 : 2]);
    const GExpr *saved = l->condition;
    bool scalar = values[0].kind == VALUE_SCALAR;
    if (scalar) l->condition = gx_and(l->g, saved, values[0].scalar);
    values[1] = lower_value(l, e->args[1]);
    if (scalar) l->condition = gx_and(l->g, saved, gx1(l->g, G_NOT, values[0].scalar));
    values[2] = lower_value(l, e->args[2]);
    l->condition = saved;
    return map_values(l, values, 3, apply_select, NULL, e->span);
}

static Value lower_stop(Lower *l, const Expr *e) {
    Value value = lower_value(l, e->args[0]);
    if (value.kind == VALUE_SCALAR) {
        if (value.is_static || value.scalar->type != GT_REAL) return value;
        value = lower_array_from(l, value.scalar, NULL, 0, NULL, e->span);
        GNode *stopped = graph_stop(l->g, value.tensor, e->span);
        return value_scalar(gx_load(l->g, stopped, value.prefix_count, value.prefix, NULL));
    }
    if (value.kind != VALUE_ARRAY || value.tensor->type != GT_REAL) return value;
    /* of the whole: stop acts on each element alone */
    value.tensor = graph_stop(l->g, value.tensor, e->span);
    return value;
}

static Value lower_name(Lower *l, const Expr *e) {
    Symbol *symbol = e->symbol;
    assert(symbol);
    if (symbol->kind == SYMBOL_INDEX) return value_scalar(binder_index(l, symbol->binder));
    if (symbol->kind == SYMBOL_BUILTIN) {
        if (strcmp(symbol->name, "training") == 0) return value_scalar(gx_bool(l->g, l->training));
        if (strcmp(symbol->name, "pi") == 0)
            return value_scalar(gx_real(l->g, 3.14159265358979323846));
        /* step, steps, epoch: run scalars, handed over at each run. */
        GNode *input = graph_input(l->g, symbol->name, GT_INT, 0, NULL, e->span);
        return value_scalar(gx_load(l->g, input, 0, NULL, NULL));
    }
    if (symbol->kind == SYMBOL_STAGE) return value_scalar(gx_bool(l->g, stage_holds(l, symbol)));
    const Value *value = frame_find(l->frame, symbol);
    if (!value) {
        if (symbol->stmt && (symbol->kind == SYMBOL_FN || symbol->kind == SYMBOL_OPTIMISER ||
                             symbol->kind == SYMBOL_NET)) {
            Value function = value_none();
            function.kind = VALUE_FUNCTION;
            function.function = symbol->stmt;
            function.frame = l->root;
            return function;
        }
        if (l->between && symbol->kind != SYMBOL_INDEX)
            diag_report(l->diag, CODE_EVERY_EPOCH, e->span,
                        "`%s` has no value here: it belongs to a step, or to the part of `every "
                        "epoch` before the last sweep or k-means",
                        symbol->name);
        else
            diag_report(l->diag, CODE_NEEDS_NUMBER, e->span, "`%s` has no value here",
                        symbol->name);
        return value_scalar(zero(l));
    }
    if (symbol->kind == SYMBOL_HYPER && l->program) {
        /* A run-time scalar: sweeping it recompiles nothing. Compile-time uses go through
         * lower_static. */
        bool integer = value->scalar->type == GT_INT;
        char name[256];
        snprintf(name, sizeof name, "hyper.%s", symbol->name);
        GNode *input = graph_input(l->g, arena_intern(l->arena, name, strlen(name)),
                                   integer ? GT_INT : GT_REAL, 0, NULL, symbol->span);
        return value_scalar(gx_load(l->g, input, 0, NULL, NULL));
    }
    if (value->is_static) { /* made anew: expressions belong to one graph, and frames outlive it */
        if (value->scalar->type == GT_BOOL)
            return value_scalar(gx_bool(l->g, value->constant != 0));
        return value_static(l, value->constant, value->scalar->type == GT_INT);
    }
    if (e->is_sample) return lower_sample(l, e, *value);
    if (value->kind == VALUE_ARRAY && value_rank(value) == 0)
        return value_scalar(gx_load(l->g, value->tensor, value->prefix_count, value->prefix, NULL));
    return *value;
}

static Value lower_member(Lower *l, const Expr *e) {
    Symbol *symbol = e->symbol;
    assert(symbol);
    if (symbol->kind == SYMBOL_FIELD) return lower_field(l, e);
    if (symbol->kind == SYMBOL_NET_PART) {
        Value value = value_none();
        value.kind = VALUE_NET;
        value.net = lower_net(l, e, "");
        return value;
    }
    if (symbol->kind == SYMBOL_COLUMN) {
        const Value *value = frame_find(l->frame, symbol);
        if (value) return *value;
        char key[256];
        snprintf(key, sizeof key, "%s.%s", e->args[0]->name, e->name);
        return value_array(state_now(l, key));
    }
    return lower_name(l, e);
}

static Value value_of(Lower *l, const Expr *e) {
    switch (e->kind) {
    case EXPR_NUMBER:
        return value_static(l, e->number, e->is_integer);
    case EXPR_BOOL:
        return value_scalar(gx_bool(l->g, e->boolean));
    case EXPR_NAME:
        return lower_name(l, e);
    case EXPR_MEMBER:
        return lower_member(l, e);
    case EXPR_INDEX:
        return lower_index(l, e, NULL);
    case EXPR_UNARY:
    case EXPR_BINARY:
        return lower_operator(l, e);
    case EXPR_REDUCE:
        return value_scalar(lower_reduce(l, e, NULL));
    case EXPR_IF:
        return lower_if(l, e);
    case EXPR_DEFAULT:
        if (e->args[0]->kind == EXPR_REDUCE)
            return value_scalar(lower_reduce(l, e->args[0], e->args[1]));
        return lower_index(l, e->args[0], e->args[1]);
    case EXPR_STOP:
        return lower_stop(l, e);
    case EXPR_CALL:
        return lower_call(l, e);
    case EXPR_COPY:
    case EXPR_COMPOSE: {
        Value value = value_none();
        value.kind = VALUE_NET;
        value.net = lower_net(l, e, "net");
        return value;
    }
    case EXPR_STRING:
    case EXPR_RANGE:
        break;
    }
    diag_report(l->diag, CODE_NEEDS_NUMBER, e->span, "this has no numeric value");
    return value_scalar(zero(l));
}

Value lower_value(Lower *l, const Expr *e) {
    if (l->nested == MOST_NESTED_TERMS) {
        diag_report(l->diag, CODE_TOO_DEEP, e->span,
                    "with those of the functions called, expressions nest deeper than %d here",
                    MOST_NESTED_TERMS);
        return value_scalar(zero(l));
    }
    Graph *g = l->g;
    const GPlace *outer = g->place;
    g->place = trail_place_at(l, e->span);
    l->nested++;
    Value value = value_of(l, e);
    l->nested--;
    g->place = outer;
    return value;
}

const GExpr *lower_scalar(Lower *l, const Expr *e) {
    Value value = lower_value(l, e);
    if (value.kind == VALUE_SCALAR) return value.scalar;
    if (value.kind == VALUE_ARRAY && value_rank(&value) == 0)
        return gx_load(l->g, value.tensor, value.prefix_count, value.prefix, NULL);
    diag_report(l->diag, CODE_NEEDS_NUMBER, e->span,
                "a number is needed here, and this is an array of %d axes", value_rank(&value));
    return zero(l);
}

GNode *lower_tensor(Lower *l, const Expr *e) {
    Value value = lower_value(l, e);
    const GExpr *free[GRAPH_MAX_FREE];
    int free_count;
    if (value.kind != VALUE_SCALAR && value.kind != VALUE_ARRAY) {
        diag_report(l->diag, CODE_NEEDS_NUMBER, e->span, "a number or an array is needed here");
        value = value_scalar(zero(l));
    }
    GNode *node = lower_materialise(l, &value, free, &free_count, e->span);
    assert(free_count == 0);
    return node;
}
