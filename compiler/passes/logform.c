#include "compiler/passes/logform.h"

#include <math.h>
#include <string.h>

enum { MOST_TERMS = 24 };

static const double lowest = -3e38, highest_exponent = 80; /* of float32 */

static const GExpr *real(Graph *g, double value) { return gx_real(g, value); }
static bool is_real(const GExpr *e, double value) { return e->op == G_CONST && e->type == GT_REAL && e->real == value; }
static bool is_read(const GExpr *e, GNodeKind kind) { return e->op == G_LOAD && !e->has_else && e->type == GT_REAL && e->tensor->kind == kind; }
static bool is_node(const GExpr *e) { return is_read(e, GN_COMPUTE); }
static bool is_stopped(const GExpr *e) { return is_read(e, GN_STOP); }
/* What a stop holds: the same value, with a gradient. */
static const GExpr *behind_stop(Graph *g, const GExpr *e) { return gx_load(g, e->tensor->operand, e->tensor->rank, e->args, NULL); }

/* ---- does it hold an exponential --------------------------------------------------------------------------------- */

enum { UNKNOWN, WITHOUT, WITH };

static bool any_holds(Graph *g, const GExpr *e, int first) {
    for (int i = first; i < e->arg_count; i++)
        if (holds_exp(g, e->args[i])) return true;
    return false;
}

static bool finds_exp(Graph *g, const GExpr *e) {
    switch (e->op) {
    case G_EXP: return true;
    case G_ADD:
    case G_SUB:
    case G_MUL:
    case G_DIV:
    case G_MAX:
    case G_MIN:
    case G_NEG:
    case G_SQRT: return any_holds(g, e, 0);
    case G_SELECT: return any_holds(g, e, 1);
    case G_POW: return e->args[1]->op == G_CONST && holds_exp(g, e->args[0]);
    case G_LOAD: {
        if (is_stopped(e)) return holds_exp(g, behind_stop(g, e));
        if (!is_node(e)) return false;
        GReducer r = e->tensor->reducer;
        return (r == GR_NONE ? !e->tensor->active : r == GR_SUM || r == GR_MAX || r == GR_MIN) && holds_exp(g, e->tensor->value);
    }
    default: return false;
    }
}

/* Asked of every quotient of a whole network: each expression is looked at once. */
bool holds_exp(Graph *g, const GExpr *e) {
    if (e->type != GT_REAL) return false;
    while ((uint32_t)g->marks.count <= e->id) array_push(g->arena, &g->marks, UNKNOWN);
    if (g->marks.items[e->id] == UNKNOWN) {
        signed char found = finds_exp(g, e) ? WITH : WITHOUT; /* may make marks move */
        g->marks.items[e->id] = found;
    }
    return g->marks.items[e->id] == WITH;
}

/* ---- small forms --------------------------------------------------------------------------------------------------- */

static bool provably_positive(const GExpr *e) { return (e->op == G_CONST && e->real > 0) || e->op == G_EXP || e->op == G_SIGMOID || e->op == G_SOFTPLUS; }

static LogForm plain(Graph *g, const GExpr *e) {
    if (is_real(e, 0)) return (LogForm){real(g, -INFINITY), NULL, true};
    if (e->op == G_CONST && e->type == GT_REAL && e->real > 0) return (LogForm){e->real == 1 ? NULL : real(g, log(e->real)), NULL, true};
    if (e->op == G_TO_REAL && e->args[0]->type == GT_BOOL) return (LogForm){gx_select(g, e->args[0], real(g, 0), real(g, -INFINITY)), NULL, true};
    return (LogForm){NULL, e, provably_positive(e)};
}

static const GExpr *shift_of(Graph *g, const LogForm *f) { return f->shift ? f->shift : real(g, 0); }
static const GExpr *scale_of(Graph *g, const LogForm *f) { return f->scale ? f->scale : real(g, 1); }
static bool is_unit(const LogForm *f) { return !f->scale; }

static LogForm product(Graph *g, const LogForm *a, const LogForm *b) {
    const GExpr *shift = !a->shift ? b->shift : !b->shift ? a->shift : gx2(g, G_ADD, a->shift, b->shift);
    const GExpr *scale = !a->scale ? b->scale : !b->scale ? a->scale : gx2(g, G_MUL, a->scale, b->scale);
    return (LogForm){shift, scale, a->positive && b->positive};
}

static LogForm inverse(Graph *g, const LogForm *f) {
    return (LogForm){f->shift ? gx1(g, G_NEG, f->shift) : NULL, f->scale ? gx2(g, G_DIV, real(g, 1), f->scale) : NULL, f->positive};
}

static LogForm quotient(Graph *g, const LogForm *a, const LogForm *b) {
    if (!b->shift) {
        const GExpr *scale = b->scale ? gx2(g, G_DIV, scale_of(g, a), b->scale) : a->scale;
        return (LogForm){a->shift, scale, a->positive && b->positive};
    }
    const GExpr *shift = a->shift ? gx2(g, G_SUB, a->shift, b->shift) : gx1(g, G_NEG, b->shift);
    return (LogForm){shift, b->scale ? gx2(g, G_DIV, scale_of(g, a), b->scale) : a->scale, a->positive && b->positive};
}

static LogForm power(Graph *g, const LogForm *f, double exponent) {
    const GExpr *scale = !f->scale ? NULL : exponent == 0.5 ? gx1(g, G_SQRT, f->scale) : gx2(g, G_POW, f->scale, real(g, exponent));
    return (LogForm){f->shift ? gx2(g, G_MUL, f->shift, real(g, exponent)) : NULL, scale, f->positive};
}

/* log(exp(a) + exp(b)), either of which may be -inf. No maximum and no distance: of equal ones each has half of the gradient. */
static const GExpr *log_add(Graph *g, const GExpr *a, const GExpr *b) {
    const GExpr *turned = gx2(g, G_LT, a, b), *high = gx_select(g, turned, b, a), *low = gx_select(g, turned, a, b);
    return gx2(g, G_ADD, high, gx1(g, G_SOFTPLUS, gx2(g, G_SUB, low, high)));
}

/* ---- shared shifts ------------------------------------------------------------------------------------------------- */

/* The value, with no gradient through it: log e = m + log(e * exp(-m)) does not depend on m. */
static const GExpr *stopped(Graph *g, const GExpr *e) {
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

/* A shift that is no infinity, so that a term of -inf lowered by it is 0 and not NaN. */
static const GExpr *bounded(Graph *g, const GExpr *shift) { return gx2(g, G_MAX, shift, real(g, lowest)); }

/* Where the scale may be 0, the exponent may lie above all that count: it is kept from overflowing, so that 0 times it is 0. */
static const GExpr *lowered(Graph *g, const LogForm *f, const GExpr *by) {
    const GExpr *exponent = gx2(g, G_SUB, shift_of(g, f), by);
    if (f->scale && !f->positive) exponent = gx2(g, G_MIN, exponent, real(g, highest_exponent));
    return gx2(g, G_MUL, scale_of(g, f), gx1(g, G_EXP, exponent));
}

/* The shift of a term that counts. */
static const GExpr *counting_shift(Graph *g, const LogForm *f) {
    if (!f->scale || f->positive) return shift_of(g, f);
    return gx_select(g, gx2(g, G_NE, f->scale, real(g, 0)), shift_of(g, f), real(g, -INFINITY));
}

/* ---- sums of terms ------------------------------------------------------------------------------------------------- */

typedef struct SignedTerms {
    const GExpr *items[MOST_TERMS];
    bool negative[MOST_TERMS];
    int count;
} SignedTerms;

static bool collect(Graph *g, const GExpr *e, bool negative, SignedTerms *terms) {
    const GExpr *v = value_behind(g, e);
    if (v->op == G_ADD || v->op == G_SUB)
        return collect(g, v->args[0], negative, terms) && collect(g, v->args[1], v->op == G_SUB ? !negative : negative, terms);
    if (v->op == G_NEG) return collect(g, v->args[0], !negative, terms);
    if (terms->count == MOST_TERMS) return false;
    terms->negative[terms->count] = negative;
    terms->items[terms->count++] = v->op == G_LOAD || holds_exp(g, v) ? v : e;
    return true;
}

static void drop(SignedTerms *terms, int i) {
    terms->count--;
    terms->items[i] = terms->items[terms->count];
    terms->negative[i] = terms->negative[terms->count];
}

/* What is subtracted from a sum that holds it is never added: sum[j] e[j] - e[i] is the sum over the others. */
static void cancel(Graph *g, SignedTerms *terms) {
    for (int i = 0; i < terms->count; i++) {
        for (int k = 0; terms->negative[i] && k < terms->count; k++) {
            const GExpr *rest;
            if (terms->negative[k] || !take_out(g, terms->items[k], terms->items[i], &rest)) continue;
            if (rest) terms->items[k] = rest;
            drop(terms, i);
            if (!rest) drop(terms, k < terms->count ? k : i);
            return cancel(g, terms);
        }
    }
}

static LogForm sum_form(Graph *g, const GExpr *e) {
    SignedTerms terms = {.count = 0};
    LogForm forms[MOST_TERMS] = {{NULL, NULL, false}};
    if (!collect(g, e, false, &terms)) return plain(g, e);
    cancel(g, &terms);
    if (terms.count == 0) return plain(g, real(g, 0));
    bool units = true, positive = true;
    for (int i = 0; i < terms.count; i++) {
        forms[i] = log_form(g, terms.items[i]);
        units = units && is_unit(&forms[i]) && !terms.negative[i];
        positive = positive && forms[i].positive && !terms.negative[i];
    }
    if (units) {
        const GExpr *log = shift_of(g, &forms[0]);
        for (int i = 1; i < terms.count; i++) log = log_add(g, log, shift_of(g, &forms[i]));
        return (LogForm){log, NULL, true};
    }
    const GExpr *shift = counting_shift(g, &forms[0]);
    for (int i = 1; i < terms.count; i++) shift = gx2(g, G_MAX, shift, counting_shift(g, &forms[i]));
    shift = stopped(g, bounded(g, shift));
    const GExpr *sum = NULL;
    for (int i = 0; i < terms.count; i++) {
        const GExpr *term = lowered(g, &forms[i], shift);
        if (!sum) sum = terms.negative[i] ? gx1(g, G_NEG, term) : term;
        else sum = gx2(g, terms.negative[i] ? G_SUB : G_ADD, sum, term);
    }
    return (LogForm){shift, sum, positive};
}

/* ---- one of two ------------------------------------------------------------------------------------------------------ */

static LogForm chosen(Graph *g, const GExpr *condition, const LogForm *a, const LogForm *b, bool positive) {
    const GExpr *scale = a->scale || b->scale ? gx_select(g, condition, scale_of(g, a), scale_of(g, b)) : NULL;
    return (LogForm){gx_select(g, condition, shift_of(g, a), shift_of(g, b)), scale, positive};
}

/* Each side keeps a shift of its own: the one that loses may be too small to be seen from the other. */
static LogForm extreme_form(Graph *g, const GExpr *e) {
    LogForm a = log_form(g, e->args[0]), b = log_form(g, e->args[1]);
    if (is_unit(&a) && is_unit(&b)) return (LogForm){gx2(g, e->op, shift_of(g, &a), shift_of(g, &b)), NULL, true};
    const GExpr *by = bounded(g, gx2(g, G_MAX, shift_of(g, &a), shift_of(g, &b)));
    const GExpr *left = lowered(g, &a, by), *right = lowered(g, &b, by), *zero = real(g, 0);
    bool is_max = e->op == G_MAX;
    const GExpr *less = is_max ? gx2(g, G_LT, left, right) : gx2(g, G_LT, right, left);
    /* What underflows is still positive. */
    const GExpr *low = scale_of(g, is_max ? &a : &b), *high = scale_of(g, is_max ? &b : &a);
    const GExpr *signs = gx2(g, G_AND, gx2(g, G_LE, low, zero), gx2(g, G_LT, zero, high));
    const GExpr *second = gx2(g, G_OR, less, signs);
    return chosen(g, second, &b, &a, is_max ? a.positive || b.positive : a.positive && b.positive);
}

/* ---- nodes ----------------------------------------------------------------------------------------------------------- */

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
    return gx_load(g, stops ? graph_stop(g, node, spec->span) : node, load->tensor->rank, load->args, NULL);
}

/* The sum over r of scale * exp(shift). */
static LogForm sum_node_form(Graph *g, const GExpr *load) {
    ComputeSpec spec;
    graph_open(g, load->tensor, &spec);
    LogForm f = log_form(g, spec.value);
    spec.name = NULL;
    if (!f.scale || !reads_reduced(g, &spec, f.scale)) {
        spec.reducer = GR_LSE;
        spec.value = shift_of(g, &f);
        const GExpr *scale = f.scale ? gx_substitute(g, f.scale, spec.out_rank, spec.out, load->args) : NULL;
        return (LogForm){node_at(g, &spec, load, false), scale, f.positive};
    }
    ComputeSpec largest = spec;
    largest.reducer = GR_MAX;
    largest.value = shift_of(g, &f);
    largest.guard = f.positive ? spec.guard : gx_and(g, spec.guard, gx2(g, G_NE, f.scale, real(g, 0)));
    GNode *shift = graph_stop(g, graph_compute(g, &largest), spec.span);
    /* A term of weight 0 may lie above all that count. */
    const GExpr *exponent = gx2(g, G_SUB, largest.value, bounded(g, gx_load(g, shift, spec.out_rank, spec.out, NULL)));
    if (!f.positive) exponent = gx2(g, G_MIN, exponent, real(g, highest_exponent));
    spec.value = gx2(g, G_MUL, f.scale, gx1(g, G_EXP, exponent));
    return (LogForm){bounded(g, gx_load(g, shift, spec.out_rank, load->args, NULL)), node_at(g, &spec, load, false), f.positive};
}

/* The largest of exponentials is that of the largest exponent. */
static LogForm extreme_node_form(Graph *g, const GExpr *load) {
    ComputeSpec spec;
    graph_open(g, load->tensor, &spec);
    LogForm f = log_form(g, spec.value);
    if (!is_unit(&f)) return plain(g, load);
    spec.name = NULL;
    spec.value = shift_of(g, &f);
    return (LogForm){node_at(g, &spec, load, false), NULL, true};
}

/* A stopped weight has the form of what it holds, with both parts stopped. */
static LogForm stopped_form(Graph *g, const GExpr *e) {
    LogForm f = log_form(g, behind_stop(g, e));
    return (LogForm){f.shift ? stopped(g, f.shift) : NULL, f.scale ? stopped(g, f.scale) : NULL, f.positive};
}

LogForm log_form(Graph *g, const GExpr *e) {
    if (!holds_exp(g, e)) return plain(g, e);
    if (is_stopped(e)) return stopped_form(g, e);
    LogForm a, b;
    switch (e->op) {
    case G_EXP: return (LogForm){e->args[0], NULL, true};
    case G_MUL:
        a = log_form(g, e->args[0]), b = log_form(g, e->args[1]);
        return product(g, &a, &b);
    case G_DIV:
        a = log_form(g, e->args[0]), b = log_form(g, e->args[1]);
        return is_real(e->args[0], 1) ? inverse(g, &b) : quotient(g, &a, &b);
    case G_SQRT:
        a = log_form(g, e->args[0]);
        return power(g, &a, 0.5);
    case G_POW:
        a = log_form(g, e->args[0]);
        return power(g, &a, e->args[1]->real);
    case G_ADD:
    case G_SUB:
    case G_NEG: return sum_form(g, e);
    case G_MAX:
    case G_MIN: return extreme_form(g, e);
    case G_SELECT:
        a = log_form(g, e->args[1]), b = log_form(g, e->args[2]);
        return chosen(g, e->args[0], &a, &b, a.positive && b.positive);
    default: break; /* a read of a node */
    }
    switch (e->tensor->reducer) {
    case GR_SUM: return sum_node_form(g, e);
    case GR_MAX:
    case GR_MIN: return extreme_node_form(g, e);
    default: return log_form(g, value_behind(g, e));
    }
}

const GExpr *log_of_form(Graph *g, const LogForm *f) {
    if (!f->scale) return shift_of(g, f);
    const GExpr *rest = gx1(g, G_LOG, f->scale);
    return f->shift ? gx2(g, G_ADD, f->shift, rest) : rest;
}

/* ---- logs and quotients ------------------------------------------------------------------------------------------------ */

/* Factors without exponentials, taken off a product or quotient: core * over / under. */
static const GExpr *peel(Graph *g, const GExpr *e, const GExpr **over, const GExpr **under) {
    const GExpr *v = value_behind(g, e);
    bool is_product = v->op == G_MUL, is_quotient = v->op == G_DIV;
    for (int side = 0; (is_product || is_quotient) && side < 2; side++) {
        const GExpr *factor = v->args[1 - side];
        if (holds_exp(g, factor) || (is_quotient && side == 1)) continue;
        const GExpr **to = is_quotient ? under : over;
        *to = *to ? gx2(g, G_MUL, *to, factor) : factor;
        return peel(g, v->args[side], over, under);
    }
    return v;
}

/* Plain factors on either side of n / (n + r) are a log of their own. */
static const GExpr *log_of_quotient(Graph *g, const GExpr *a, const GExpr *b) {
    const GExpr *share = log_of_share(g, a, b), *inverse = share ? NULL : log_of_share(g, b, a);
    if (share) return share;
    if (inverse) return gx1(g, G_NEG, inverse);
    const GExpr *over = NULL, *under = NULL;
    const GExpr *n = peel(g, a, &over, &under), *d = peel(g, b, &under, &over);
    if (!over && !under) return NULL;
    share = log_of_share(g, n, d);
    if (!share) return NULL;
    const GExpr *factor = over && under ? gx2(g, G_DIV, over, under) : over ? over : gx2(g, G_DIV, gx_real(g, 1), under);
    return gx2(g, G_ADD, share, gx1(g, G_LOG, factor));
}

const GExpr *log_of(Graph *g, const GExpr *e, bool *split) {
    const GExpr *v = value_behind(g, e), *over = NULL, *under = NULL, *whole = v;
    if (v->op == G_MUL) v = peel(g, v, &over, &under); /* 3 * (n / (n + r)) */
    const GExpr *share = v->op == G_DIV ? log_of_quotient(g, v->args[0], v->args[1]) : NULL;
    if (share) {
        const GExpr *factor = over && under ? gx2(g, G_DIV, over, under) : over ? over : under ? gx2(g, G_DIV, gx_real(g, 1), under) : NULL;
        *split = true;
        return factor ? gx2(g, G_ADD, share, gx1(g, G_LOG, factor)) : share;
    }
    LogForm form = log_form(g, whole);
    return log_of_form(g, &form);
}

const GExpr *quotient_of_exps(Graph *g, const GExpr *a, const GExpr *b) {
    LogForm n = log_form(g, a), d = log_form(g, b), q = quotient(g, &n, &d);
    const GExpr *e = gx1(g, G_EXP, shift_of(g, &q));
    return q.scale ? gx2(g, G_MUL, q.scale, e) : e;
}
