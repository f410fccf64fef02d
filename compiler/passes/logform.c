/* Takes values apart into exp(shift) * scale, and puts logs and quotients of such values
 * together without an overflow. stabilise.c asks for the rewrites; share_of_sum.c and complement.c
 * know special forms.
 *
 * A sum of terms is shifted by the largest of their shifts. That maximum carries no gradient,
 * because the value does not depend on it: log e = m + log(e * exp(-m)) for every m. Where a
 * scale may be 0, its shift does not count for the maximum, or a term of weight 0 could push all
 * others below what float32 holds.
 *
 * The rewrites follow a value through the nodes that hold it, through at most REACH_OF_EXP
 * reductions. Beyond that a formula stays as it is, and is right, but may overflow.
 *
 * Note [Exponentials alone]
 * A value that is made of exponentials and positive numbers alone, by sums, products and quotients,
 * is one exponential, however many reductions lie in it: rounds of Sinkhorn's scaling, shares of
 * shares. Such a value is opened to the end, once, and in a long chain each MOST_INLINED-th array
 * of exponents is kept. Opened down to some depth alone, each link of a chain would have another
 * form for each depth at which it is met, and the gradient would be what is left of the large
 * slopes of all of them. */
#include "compiler/passes/logform.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum {
    MOST_TERMS = 24,
    MOST_BEHIND_NODES = 8, /* the most nodes of a sum, and of all sums that it reads */
    MOST_INLINED = 8       /* the arrays whose exponents are written into one formula */
};

/* Bounds within which float32 and its exponential are finite. */
static const double lowest = -3e38, highest_exponent = 80;

static bool is_real(const GExpr *e, double value) {
    return e->op == G_CONST && e->type == GT_REAL && e->real == value;
}

/* ---- what is known -------------------------------------------------------------------------- */

void logs_open(Logs *l, Graph *g) {
    memset(l, 0, sizeof *l);
    l->g = g;
    expr_map_open_in(&l->reach, g->arena);
    expr_map_open_in(&l->behind, g->arena);
    expr_map_open_in(&l->bounds, g->arena);
    expr_map_open_in(&l->logs, g->arena);
    expr_map_open_in(&l->lengths, g->arena);
    expr_map_open_in(&l->pure, g->arena);
    for (int i = 0; i < WAYS; i++)
        expr_map_open_in(&l->forms[i], g->arena);
    for (int i = 0; i < MOST_NESTED; i++)
        expr_map_open_in(&l->complements[i], g->arena);
}

const ComputeSpec *logs_opened(Logs *l, const GNode *node) {
    while ((uint32_t)l->opened.count <= node->id)
        array_push(l->g->arena, &l->opened, NULL);
    if (!l->opened.items[node->id]) {
        ComputeSpec *spec = arena_new_of(l->g->arena, ComputeSpec);
        graph_open(l->g, node, spec);
        l->opened.items[node->id] = spec;
    }
    return l->opened.items[node->id];
}

int log_made_as(const Logs *l, const GNode *node) {
    return (uint32_t)l->made.count > node->id ? l->made.items[node->id] : 0;
}

static void note_made(Logs *l, const GNode *node, bool positive) {
    while ((uint32_t)l->made.count <= node->id)
        array_push(l->g->arena, &l->made, 0);
    l->made.items[node->id] = positive ? LOG_MADE_POSITIVE : LOG_MADE_SCALE;
}

/* ---- small forms ----------------------------------------------------------------------------- */

static bool provably_positive(const GExpr *e) {
    return (e->op == G_CONST && e->real > 0) || e->op == G_EXP || e->op == G_SIGMOID ||
           e->op == G_SOFTPLUS;
}

/* Returns the form of a value that is not opened. A constant or a condition is an exponential; any
 * other value is its own scale. */
static LogForm plain(Logs *l, const GExpr *e) {
    Graph *g = l->g;
    if (is_real(e, 0)) return (LogForm){gx_real(g, -INFINITY), NULL, true};
    if (e->op == G_CONST && e->type == GT_REAL && e->real > 0) {
        const GExpr *shift = e->real == 1 ? NULL : gx_real(g, log(e->real));
        return (LogForm){shift, NULL, true};
    }
    if (e->op == G_TO_REAL && e->args[0]->type == GT_BOOL) {
        const GExpr *nothing = gx_real(g, -INFINITY);
        const GExpr *shift = gx_select(g, e->args[0], gx_real(g, 0), nothing);
        return (LogForm){shift, NULL, true};
    }
    const bool is_positive = e->op == G_LOAD && log_made_as(l, e->tensor) == LOG_MADE_POSITIVE;
    return (LogForm){NULL, e, is_positive || provably_positive(e)};
}

static const GExpr *shift_of(Graph *g, const LogForm *f) {
    return f->shift ? f->shift : gx_real(g, 0);
}
static const GExpr *scale_of(Graph *g, const LogForm *f) {
    return f->scale ? f->scale : gx_real(g, 1);
}
static bool is_unit(const LogForm *f) {
    return !f->scale;
}

static LogForm product(Graph *g, const LogForm *a, const LogForm *b) {
    const GExpr *shift = !a->shift   ? b->shift
                         : !b->shift ? a->shift
                                     : gx2(g, G_ADD, a->shift, b->shift);
    const GExpr *scale = !a->scale   ? b->scale
                         : !b->scale ? a->scale
                                     : gx2(g, G_MUL, a->scale, b->scale);
    return (LogForm){shift, scale, a->positive && b->positive};
}

static LogForm inverse(Graph *g, const LogForm *f) {
    return (LogForm){f->shift ? gx1(g, G_NEG, f->shift) : NULL,
                     f->scale ? gx2(g, G_DIV, gx_real(g, 1), f->scale) : NULL, f->positive};
}

static LogForm quotient(Graph *g, const LogForm *a, const LogForm *b) {
    const GExpr *shift = a->shift;
    if (b->shift) shift = shift ? gx2(g, G_SUB, shift, b->shift) : gx1(g, G_NEG, b->shift);
    const GExpr *scale = b->scale ? gx2(g, G_DIV, scale_of(g, a), b->scale) : a->scale;
    return (LogForm){shift, scale, a->positive && b->positive};
}

static LogForm power(Graph *g, const LogForm *f, double exponent) {
    const GExpr *scale = !f->scale         ? NULL
                         : exponent == 0.5 ? gx1(g, G_SQRT, f->scale)
                                           : gx2(g, G_POW, f->scale, gx_real(g, exponent));
    return (LogForm){f->shift ? gx2(g, G_MUL, f->shift, gx_real(g, exponent)) : NULL, scale,
                     f->positive};
}

/* Returns log(exp(a) + exp(b)), where a or b may be -inf. There is no maximum and no absolute value
 * in it, so equal arguments have half of the gradient each. */
static const GExpr *log_add(Graph *g, const GExpr *a, const GExpr *b) {
    const GExpr *turned = gx2(g, G_LT, a, b);
    const GExpr *high = gx_select(g, turned, b, a);
    const GExpr *low = gx_select(g, turned, a, b);
    return gx2(g, G_ADD, high, gx1(g, G_SOFTPLUS, gx2(g, G_SUB, low, high)));
}

/* ---- shared shifts --------------------------------------------------------------------------- */

/* A shared shift m carries no gradient, because log e = m + log(e * exp(-m)) does not depend on m.
 */
const GExpr *log_stopped(Graph *g, const GExpr *e) {
    ComputeSpec spec;
    memset(&spec, 0, sizeof spec);
    const GExpr *free[GRAPH_MAX_FREE];
    int count = gx_free_indices(g, e, free);
    if (e->op == G_CONST || count > GRAPH_MAX_RANK) return e;
    spec.out_rank = count;
    memcpy(spec.out, free, sizeof *free * (size_t)count);
    spec.value = e;
    return gx_load(g, graph_stop(g, graph_compute(g, &spec), (Span){0}), count, free, NULL);
}

/* Returns a shift that is not infinite, so that a term of -inf, lowered by it, is 0 and not NaN. */
static const GExpr *bounded(Graph *g, const GExpr *shift) {
    return gx2(g, G_MAX, shift, gx_real(g, lowest));
}

/* Returns scale * exp(shift - by). If the scale may be 0, the shift may be larger than all shifts
 * that count. The exponent is then kept small enough that exp is finite, and 0 times exp is 0. */
static const GExpr *lowered(Graph *g, const LogForm *f, const GExpr *by) {
    const GExpr *exponent = gx2(g, G_SUB, shift_of(g, f), by);
    if (f->scale && !f->positive) {
        exponent = gx2(g, G_MIN, exponent, gx_real(g, highest_exponent));
    }
    return gx2(g, G_MUL, scale_of(g, f), gx1(g, G_EXP, exponent));
}

/* Returns the shift of a term, or -inf where the scale is 0, so that the term does not count for
 * the maximum. */
static const GExpr *counting_shift(Graph *g, const LogForm *f) {
    if (!f->scale || f->positive) return shift_of(g, f);
    return gx_select(g, gx2(g, G_NE, f->scale, gx_real(g, 0)), shift_of(g, f),
                     gx_real(g, -INFINITY));
}

const GExpr *log_settled(Graph *g, const GExpr *e) {
    enum { LARGE = 48 };
    const GExpr *free[GRAPH_MAX_FREE];
    if (!e || expr_size(e) <= LARGE) return e;
    ComputeSpec spec = {.value = e};
    spec.out_rank = gx_free_indices(g, e, free);
    if (spec.out_rank > GRAPH_MAX_RANK) return e;
    memcpy(spec.out, free, sizeof *free * (size_t)spec.out_rank);
    return gx_load(g, graph_compute(g, &spec), spec.out_rank, free, NULL);
}

static const GExpr *settled_scale(Logs *l, const GExpr *e, bool positive) {
    const GExpr *found = log_settled(l->g, e);
    if (found != e) note_made(l, found->tensor, positive);
    return found;
}

/* ---- sums of terms --------------------------------------------------------------------------- */

typedef struct SignedTerms {
    const GExpr *items[MOST_TERMS];
    bool negative[MOST_TERMS];
    int count;
} SignedTerms;

static void add_signed(SignedTerms *terms, const GExpr *e, bool negative) {
    terms->negative[terms->count] = negative;
    terms->items[terms->count++] = e;
}

/* Collects addends, at most `most` with those that are there already; the rest stays a sum, as one
 * addend. An array that is read at another place (log_is_moved) is not opened if it holds sums, and
 * is opened if it holds single terms, which may cancel. */
static void collect(Logs *l, const GExpr *e, bool negative, int most, SignedTerms *terms) {
    const GExpr *v = log_value_behind(l, e);
    if (v != e && most > MOST_BEHIND_NODES) most = MOST_BEHIND_NODES;
    if (log_is_moved(e) && (v->op == G_ADD || v->op == G_SUB)) v = e;
    const bool has_room = terms->count + 2 <= most;
    if ((v->op == G_ADD || v->op == G_SUB) && has_room) {
        collect(l, v->args[0], negative, most - 1, terms);
        collect(l, v->args[1], v->op == G_SUB ? !negative : negative, most, terms);
    } else if (v->op == G_EXPM1 && has_room) {
        add_signed(terms, gx1(l->g, G_EXP, v->args[0]), negative);
        add_signed(terms, gx_real(l->g, 1), !negative);
    } else if (v->op == G_NEG) {
        collect(l, v->args[0], !negative, most, terms);
    } else {
        add_signed(terms, v->op == G_LOAD || logs_hold_exp(l, v) ? v : e, negative);
    }
}

static void drop_term(SignedTerms *terms, int i) {
    terms->count--;
    terms->items[i] = terms->items[terms->count];
    terms->negative[i] = terms->negative[terms->count];
}

/* Cancels terms that are subtracted from a sum that contains them: sum[j] e[j] - e[i] is the sum
 * over all other j. */
static void cancel(Logs *l, SignedTerms *terms) {
    for (int i = 0; i < terms->count; i++) {
        for (int k = 0; terms->negative[i] && k < terms->count; k++) {
            const GExpr *rest;
            if (terms->negative[k] || !log_take_out(l, terms->items[k], terms->items[i], &rest))
                continue;
            if (rest) terms->items[k] = rest;
            drop_term(terms, i);
            if (!rest) drop_term(terms, k < terms->count ? k : i);
            return cancel(l, terms);
        }
    }
}

static SignedTerms signed_terms(Logs *l, const GExpr *e) {
    SignedTerms terms = {.count = 0};
    collect(l, e, false, MOST_TERMS, &terms);
    cancel(l, &terms);
    return terms;
}

/* Returns exp(a) - exp(b) as exp(max(a, b)) * (1 - exp(-|a - b|)), which loses no digits if they
 * are close. */
static LogForm difference(Graph *g, const GExpr *a, const GExpr *b) {
    const GExpr *turned = gx2(g, G_LT, a, b);
    const GExpr *high = gx_select(g, turned, b, a);
    const GExpr *low = gx_select(g, turned, a, b);
    const GExpr *shift = bounded(g, high);
    const GExpr *is_nothing = gx2(g, G_EQ, high, gx_real(g, -INFINITY));
    const GExpr *apart = gx2(g, G_SUB, low, shift);
    const GExpr *size = gx1(g, G_NEG, gx1(g, G_EXPM1, apart));
    size = gx_select(g, is_nothing, gx_real(g, 0), size);
    const GExpr *scale = gx_select(g, turned, gx1(g, G_NEG, size), size);
    return (LogForm){shift, scale, false};
}

static LogForm form_at(Logs *l, const GExpr *e, int way);

static LogForm sum_of_units(Logs *l, const LogForm *forms, int count) {
    const GExpr *log = shift_of(l->g, &forms[0]);
    for (int i = 1; i < count; i++)
        log = log_settled(l->g, log_add(l->g, log, shift_of(l->g, &forms[i])));
    return (LogForm){log, NULL, true};
}

/* Returns the form of a sum. Exponentials that are added, and two that are subtracted, have forms
 * without a shared shift. Other terms are lowered by the largest shift that counts. */
static LogForm sum_form(Logs *l, const GExpr *e, int way) {
    Graph *g = l->g;
    const SignedTerms terms = signed_terms(l, e);
    LogForm forms[MOST_TERMS] = {{NULL, NULL, false}};
    if (terms.count == 0) return plain(l, gx_real(g, 0));
    bool units = true;
    bool alike = true;
    bool positive = true;
    for (int i = 0; i < terms.count; i++) {
        forms[i] = form_at(l, terms.items[i], way);
        units = units && is_unit(&forms[i]);
        alike = alike && !terms.negative[i];
        positive = positive && forms[i].positive && !terms.negative[i];
    }
    if (units && alike) return sum_of_units(l, forms, terms.count);
    if (units && terms.count == 2 && terms.negative[0] != terms.negative[1]) {
        const int less = terms.negative[0] ? 0 : 1;
        return difference(g, shift_of(g, &forms[1 - less]), shift_of(g, &forms[less]));
    }
    const GExpr *shift = counting_shift(g, &forms[0]);
    for (int i = 1; i < terms.count; i++)
        shift = gx2(g, G_MAX, shift, counting_shift(g, &forms[i]));
    shift = log_stopped(g, bounded(g, shift));
    if (shift->op == G_LOAD) note_made(l, shift->tensor, false);
    const GExpr *sum = NULL;
    for (int i = 0; i < terms.count; i++) {
        const GExpr *term = lowered(g, &forms[i], shift);
        if (!sum)
            sum = terms.negative[i] ? gx1(g, G_NEG, term) : term;
        else
            sum = gx2(g, terms.negative[i] ? G_SUB : G_ADD, sum, term);
    }
    return (LogForm){shift, settled_scale(l, sum, positive), positive};
}

/* ---- one of two ------------------------------------------------------------------------------ */

static LogForm chosen_form(Graph *g, const GExpr *condition, const LogForm *a, const LogForm *b,
                           bool positive) {
    const GExpr *scale =
        a->scale || b->scale ? gx_select(g, condition, scale_of(g, a), scale_of(g, b)) : NULL;
    return (LogForm){gx_select(g, condition, shift_of(g, a), shift_of(g, b)), scale, positive};
}

/* Returns the form of an extremum. The form chosen keeps its own shift: lowered by a shift that
 * both sides share, it may be too small for float32. */
static LogForm extreme_form(Logs *l, const GExpr *e, int way) {
    Graph *g = l->g;
    LogForm a = form_at(l, e->args[0], way);
    LogForm b = form_at(l, e->args[1], way);
    const GExpr *shift_a = shift_of(g, &a);
    const GExpr *shift_b = shift_of(g, &b);
    if (is_unit(&a) && is_unit(&b)) return (LogForm){gx2(g, e->op, shift_a, shift_b), NULL, true};
    const GExpr *by = bounded(g, gx2(g, G_MAX, shift_a, shift_b));
    const GExpr *left = lowered(g, &a, by);
    const GExpr *right = lowered(g, &b, by);
    const GExpr *zero = gx_real(g, 0);
    const bool is_max = e->op == G_MAX;
    const GExpr *less = is_max ? gx2(g, G_LT, left, right) : gx2(g, G_LT, right, left);
    /* A number that underflows when it is lowered is still positive, so signs decide as well. */
    const GExpr *low = scale_of(g, is_max ? &a : &b);
    const GExpr *high = scale_of(g, is_max ? &b : &a);
    const GExpr *signs = gx2(g, G_AND, gx2(g, G_LE, low, zero), gx2(g, G_LT, zero, high));
    const GExpr *second = gx2(g, G_OR, less, signs);
    const bool is_positive = is_max ? a.positive || b.positive : a.positive && b.positive;
    return chosen_form(g, second, &b, &a, is_positive);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool reads_reduced(Graph *g, const ComputeSpec *spec, const GExpr *e) {
    const GExpr *found[GRAPH_MAX_FREE];
    int count = gx_free_indices(g, e, found);
    for (int i = 0; i < count; i++)
        for (int r = 0; r < spec->red_rank; r++)
            if (found[i] == spec->red[r]) return true;
    return false;
}

static const GExpr *node_at(Graph *g, const ComputeSpec *spec, const GExpr *load, bool stops) {
    GNode *node = graph_compute(g, spec);
    return gx_load(g, stops ? graph_stop(g, node, spec->span) : node, load->tensor->rank,
                   load->args, NULL);
}

/* Returns the form of the sum over r of scale * exp(shift). If the scale does not depend on r, the
 * sum is a log-sum-exp, and has that scale. Otherwise the terms are lowered by the largest shift of
 * a term that counts. */
static LogForm sum_node_form(Logs *l, const GExpr *load, int way) {
    Graph *g = l->g;
    ComputeSpec spec = *logs_opened(l, load->tensor);
    LogForm f = form_at(l, spec.value, way + 1);
    if (!f.shift && f.scale) return plain(l, load);
    spec.name = NULL;
    if (!f.scale || !reads_reduced(g, &spec, f.scale)) {
        spec.reducer = GR_LSE;
        spec.value = shift_of(g, &f);
        const GExpr *scale =
            f.scale ? gx_substitute(g, f.scale, spec.out_rank, spec.out, load->args) : NULL;
        return (LogForm){node_at(g, &spec, load, false), scale, f.positive};
    }
    ComputeSpec largest = spec;
    largest.reducer = GR_MAX;
    largest.value = shift_of(g, &f);
    largest.guard =
        f.positive ? spec.guard : gx_and(g, spec.guard, gx2(g, G_NE, f.scale, gx_real(g, 0)));
    GNode *shift = graph_stop(g, graph_compute(g, &largest), spec.span);
    /* A term of weight 0 may be larger than all terms that count. */
    const GExpr *exponent =
        gx2(g, G_SUB, largest.value, bounded(g, gx_load(g, shift, spec.out_rank, spec.out, NULL)));
    if (!f.positive) {
        exponent = gx2(g, G_MIN, exponent, gx_real(g, highest_exponent));
    }
    spec.value = gx2(g, G_MUL, f.scale, gx1(g, G_EXP, exponent));
    const GExpr *scale = node_at(g, &spec, load, false);
    note_made(l, scale->tensor, f.positive);
    return (LogForm){bounded(g, gx_load(g, shift, spec.out_rank, load->args, NULL)), scale,
                     f.positive};
}

/* Returns the form of the largest of exponentials, which is that of the largest exponent. */
static LogForm extreme_node_form(Logs *l, const GExpr *load, int way) {
    Graph *g = l->g;
    ComputeSpec spec = *logs_opened(l, load->tensor);
    LogForm f = form_at(l, spec.value, way + 1);
    if (!is_unit(&f)) return plain(l, load);
    spec.name = NULL;
    spec.value = shift_of(g, &f);
    return (LogForm){node_at(g, &spec, load, false), NULL, true};
}

/* Returns the form of a stopped weight: that of the weight, with both parts stopped. */
static LogForm stopped_form(Logs *l, const GExpr *e, int way) {
    Graph *g = l->g;
    LogForm f = form_at(l, log_behind_stop(g, e), way);
    return (LogForm){f.shift ? log_stopped(g, f.shift) : NULL,
                     f.scale ? log_stopped(g, f.scale) : NULL, f.positive};
}

/* Returns the form of an array of exponentials alone. Its exponents are kept as an array. */
static LogForm kept_form(Logs *l, const GExpr *load) {
    ComputeSpec spec = *logs_opened(l, load->tensor);
    const LogForm f = form_at(l, spec.value, 0);
    assert(is_unit(&f));
    spec.name = NULL;
    spec.value = shift_of(l->g, &f);
    return (LogForm){node_at(l->g, &spec, load, false), NULL, true};
}

/* Returns the form of the value behind a read, which counts as a move if it is at another place. */
static LogForm behind_form(Logs *l, const GExpr *load, int way) {
    const int64_t depth = log_pure_depth(l, load);
    if (depth > 0 && depth % MOST_INLINED == 0) return kept_form(l, load);
    if (log_is_moved(load)) way += PER_MOVE;
    return way < WAYS ? form_at(l, log_value_behind(l, load), way) : plain(l, load);
}

static LogForm node_form(Logs *l, const GExpr *load, int way) {
    const GReducer reducer = load->tensor->reducer;
    if (reducer == GR_SUM) return sum_node_form(l, load, way);
    if (reducer == GR_MAX || reducer == GR_MIN) return extreme_node_form(l, load, way);
    return behind_form(l, load, way);
}

/* True if the expression holds an exponential that is near enough by itself, and too far on this
 * way. */
static bool is_out_of_reach(Logs *l, const GExpr *e, int way) {
    return logs_hold_exp(l, e) && !log_holds_within(l, e, way);
}

/* True if only half of a product or quotient is in reach. It is taken apart as a whole or not at
 * all: the exponent of a numerator without that of its denominator could have any size. */
static bool is_half_in_reach(Logs *l, const GExpr *e, int way) {
    if (e->op != G_MUL && e->op != G_DIV) return false;
    return is_out_of_reach(l, e->args[0], way) || is_out_of_reach(l, e->args[1], way);
}

static LogForm exp_form(Logs *l, const GExpr *e, int way) {
    (void)l, (void)way;
    return (LogForm){e->args[0], NULL, true};
}

static LogForm sigmoid_form(Logs *l, const GExpr *e, int way) {
    Graph *g = l->g;
    (void)way;
    return (LogForm){gx1(g, G_NEG, gx1(g, G_SOFTPLUS, gx1(g, G_NEG, e->args[0]))), NULL, true};
}

static LogForm product_form(Logs *l, const GExpr *e, int way) {
    const LogForm a = form_at(l, e->args[0], way);
    const LogForm b = form_at(l, e->args[1], way);
    return product(l->g, &a, &b);
}

static LogForm quotient_form(Logs *l, const GExpr *e, int way) {
    const LogForm a = form_at(l, e->args[0], way);
    const LogForm b = form_at(l, e->args[1], way);
    return is_real(e->args[0], 1) ? inverse(l->g, &b) : quotient(l->g, &a, &b);
}

static LogForm root_form(Logs *l, const GExpr *e, int way) {
    const LogForm a = form_at(l, e->args[0], way);
    return power(l->g, &a, 0.5);
}

static LogForm power_form(Logs *l, const GExpr *e, int way) {
    const LogForm a = form_at(l, e->args[0], way);
    return power(l->g, &a, e->args[1]->real);
}

static LogForm choice_form(Logs *l, const GExpr *e, int way) {
    const LogForm a = form_at(l, e->args[1], way);
    const LogForm b = form_at(l, e->args[2], way);
    return chosen_form(l->g, e->args[0], &a, &b, a.positive && b.positive);
}

static LogForm form_of(Logs *l, const GExpr *e, int way) {
    static LogForm (*const rules[G_OP_COUNT])(Logs * l, const GExpr *e, int way) = {
        [G_EXP] = exp_form,      [G_SIGMOID] = sigmoid_form, [G_MUL] = product_form,
        [G_DIV] = quotient_form, [G_SQRT] = root_form,       [G_POW] = power_form,
        [G_ADD] = sum_form,      [G_SUB] = sum_form,         [G_EXPM1] = sum_form,
        [G_NEG] = sum_form,      [G_MAX] = extreme_form,     [G_MIN] = extreme_form,
        [G_SELECT] = choice_form};
    if (is_half_in_reach(l, e, way)) return plain(l, e);
    if (rules[e->op]) return rules[e->op](l, e, way);
    return log_is_stop_read(e) ? stopped_form(l, e, way) : node_form(l, e, way);
}

/* Gives the form of a part without an exponential. A large part becomes an array of its own,
 * because in a chain of logs each part holds the form of the link before it. */
static LogForm plain_part(Logs *l, const GExpr *e) {
    LogForm f = plain(l, e);
    if (f.scale == e) f.scale = log_settled(l->g, e);
    return f;
}

static LogForm form_at(Logs *l, const GExpr *e, int way) {
    if (way && log_pure_depth(l, e)) way = 0;
    if (!log_holds_within(l, e, way)) return plain_part(l, e);
    const ExprValue *known = expr_map_find(&l->forms[way], e);
    if (known) return *(const LogForm *)known->pointer;
    LogForm *form = arena_new_of(l->g->arena, LogForm);
    *form = form_of(l, e, way);
    form->shift = log_settled(l->g, form->shift);
    form->scale = settled_scale(l, form->scale, form->positive);
    expr_map_set(&l->forms[way], e, (ExprValue){.pointer = form});
    return *form;
}

LogForm log_form(Logs *l, const GExpr *e) {
    return form_at(l, e, 0);
}

const GExpr *log_of_form(Logs *l, const LogForm *f) {
    if (!f->scale) return shift_of(l->g, f);
    const GExpr *rest = gx1(l->g, G_LOG, f->scale);
    return f->shift ? gx2(l->g, G_ADD, f->shift, rest) : rest;
}

/* ---- logs and quotients ---------------------------------------------------------------------- */

/* Returns log(1 - exp(u)). Below -log 2 the exponential is small beside 1; above, 1 - exp(u) is
 * small. The arm that is not taken is kept finite. */
const GExpr *log_one_minus_exp(Graph *g, const GExpr *u) {
    static const double half = -0.69314718055994531;
    const GExpr *is_near = gx2(g, G_LT, gx_real(g, half), u);
    const GExpr *near = gx1(g, G_LOG, gx1(g, G_NEG, gx1(g, G_EXPM1, u)));
    const GExpr *far = gx1(g, G_LOG1P, gx1(g, G_NEG, gx1(g, G_EXP, u)));
    return gx_select(g, is_near, near, far);
}

/* Returns log(exp(a) - exp(b)) as a + log(1 - exp(b - a)). NULL: the value is no difference of two
 * exponentials. */
static const GExpr *log_of_difference(Logs *l, const GExpr *e) {
    Graph *g = l->g;
    if (e->op != G_ADD && e->op != G_SUB && e->op != G_NEG && e->op != G_EXPM1) return NULL;
    const SignedTerms terms = signed_terms(l, e);
    if (terms.count != 2 || terms.negative[0] == terms.negative[1]) return NULL;
    const int less = terms.negative[0] ? 0 : 1;
    const LogForm a = log_form(l, terms.items[1 - less]);
    const LogForm b = log_form(l, terms.items[less]);
    if (!is_unit(&a) || !is_unit(&b)) return NULL;
    const GExpr *apart = gx2(g, G_SUB, shift_of(g, &b), shift_of(g, &a));
    const GExpr *rest = log_one_minus_exp(g, apart);
    return a.shift ? gx2(g, G_ADD, a.shift, rest) : rest;
}

/* Returns the side of a product or quotient, 0 or 1, whose other side holds no exponential. -1:
 * there is none. */
static int side_with_exps(Logs *l, const GExpr *v) {
    if (v->op != G_MUL && v->op != G_DIV) return -1;
    if (!logs_hold_exp(l, v->args[1])) return 0;
    return v->op == G_MUL && !logs_hold_exp(l, v->args[0]) ? 1 : -1;
}

/* Takes factors without exponentials off a product or quotient: core * over / under. Returns the
 * core. */
static const GExpr *peel(Logs *l, const GExpr *e, const GExpr **over, const GExpr **under) {
    const GExpr *v = log_value_behind(l, e);
    for (int side; (side = side_with_exps(l, v)) >= 0;) {
        const GExpr *factor = v->args[1 - side];
        const GExpr **to = v->op == G_DIV ? under : over;
        *to = *to ? gx2(l->g, G_MUL, *to, factor) : factor;
        v = log_value_behind(l, v->args[side]);
    }
    return v;
}

/* Returns over / under, either of which may be NULL for 1. NULL: the quotient is 1. */
static const GExpr *factor_of(Graph *g, const GExpr *over, const GExpr *under) {
    if (!under) return over;
    return gx2(g, G_DIV, over ? over : gx_real(g, 1), under);
}

static const GExpr *add_log(Graph *g, const GExpr *log, const GExpr *factor) {
    return factor ? gx2(g, G_ADD, log, gx1(g, G_LOG, factor)) : log;
}

/* Returns log(a / b) where a / b or b / a is a share n / (n + r). Factors without exponentials on
 * either side of a share have a log of their own, which is added. NULL: there is no share. */
static const GExpr *log_of_quotient(Logs *l, const GExpr *a, const GExpr *b) {
    const GExpr *share = log_of_share(l, a, b);
    const GExpr *inverse = share ? NULL : log_of_share(l, b, a);
    if (share) return share;
    if (inverse) return gx1(l->g, G_NEG, inverse);
    const GExpr *over = NULL;
    const GExpr *under = NULL;
    const GExpr *n = peel(l, a, &over, &under);
    const GExpr *d = peel(l, b, &under, &over);
    if (!over && !under) return NULL;
    share = log_of_share(l, n, d);
    return share ? add_log(l->g, share, factor_of(l->g, over, under)) : NULL;
}

/* Returns the log of a value: of each arm of a choice, of a share with factors, of a difference of
 * two exponentials, or else of the value's form. */
static const GExpr *new_log_of(Logs *l, const GExpr *e, bool *split) {
    Graph *g = l->g;
    const GExpr *v = log_value_behind(l, e);
    const GExpr *over = NULL;
    const GExpr *under = NULL;
    const GExpr *whole = v;
    if (!logs_hold_exp(l, v)) return gx1(g, G_LOG, e);
    if (v->op == G_SELECT)
        return gx_select(g, v->args[0], log_of(l, v->args[1], split), log_of(l, v->args[2], split));
    if (v->op == G_MUL || v->op == G_DIV) { /* for instance, 3 * (n / (n + r)) */
        const GExpr *core = peel(l, v, &over, &under);
        const GExpr *share =
            core->op == G_DIV ? log_of_quotient(l, core->args[0], core->args[1]) : NULL;
        *split |= share != NULL;
        const GExpr *factor = factor_of(g, over, under);
        const bool has_log = factor && factor->op == G_CONST && factor->real > 0;
        if (!share && factor) share = has_log ? log_of(l, core, split) : log_of_difference(l, core);
        if (share) return add_log(g, share, factor);
    }
    const GExpr *difference_log = log_of_difference(l, whole);
    if (difference_log) return difference_log;
    LogForm form = log_form(l, whole);
    return log_of_form(l, &form);
}

/* An entry of Logs.logs. */
typedef struct KnownLog {
    const GExpr *log;
    bool split;
} KnownLog;

const GExpr *log_of(Logs *l, const GExpr *e, bool *split) {
    const ExprValue *known = expr_map_find(&l->logs, e);
    const KnownLog *log = known ? known->pointer : NULL;
    if (!log) {
        KnownLog *made = arena_new_of(l->g->arena, KnownLog);
        made->log = new_log_of(l, e, &made->split);
        expr_map_set(&l->logs, e, (ExprValue){.pointer = made});
        log = made;
    }
    *split |= log->split;
    return log->log;
}

const GExpr *log_quotient_of_exps(Logs *l, const GExpr *a, const GExpr *b) {
    Graph *g = l->g;
    LogForm n =
        logs_hold_bare_exp(l, a) || log_reach_of_exp(l, b) > 0 ? log_form(l, a) : plain(l, a);
    LogForm d = log_form(l, b);
    LogForm q = quotient(g, &n, &d);
    const GExpr *e = gx1(g, G_EXP, shift_of(g, &q));
    return q.scale ? gx2(g, G_MUL, q.scale, e) : e;
}
