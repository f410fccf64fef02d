/* Evaluates a graph node by node, element by element, term by term, in float64. The code is plain
 * at the cost of speed, because everything else is tested against it. Guards and choices are lazy,
 * so what the formula leaves out is never evaluated and cannot fault.
 *
 * One switch rounds after each operation (see Rounding), which turns the same code into the measure
 * of what rounding may do. Values of expressions are remembered for the present point, because
 * shared parts would otherwise be evaluated again and again. */
#include "compiler/reference/reference.h"

#include "compiler/graph/formulas.h"
#include "compiler/graph/reducer.h"
#include "compiler/graph/visit.h"
#include "compiler/graph/walk.h"
#include "runtime/device.h"
#include "runtime/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The rounding after every real operation: none, to the nearest float32, or by chance to one of the
 * two or three nearest. */
typedef enum Rounding {
    EXACT,
    NEAREST,
    BY_CHANCE,
} Rounding;

struct Reference {
    const Graph *g;
    double **values; /* by the id of a node */
    bool *owned;
    uint32_t count;
    char fault[256];
    Span span;
    const GNode *faulty; /* the node that met the fault; NULL: an array or memory was missing */
    const double *seed;
    const double *step;
    Rounding rounding;
    uint32_t turn_of_rounding;
    uint64_t operations; /* operations since the last rounding */
    /* The values of expressions at the present point, by id. A formula that stands in several
     * places is computed once. */
    double *known;
    uint64_t *known_at;
    uint64_t turn;
};

typedef struct Point {
    Reference *run;
    const GNode *node;
    int64_t index[2 * GRAPH_MAX_RANK];
} Point;

static void fault(Point *p, const char *sentence) {
    if (p->run->fault[0]) return;
    snprintf(p->run->fault, sizeof p->run->fault, "%s", sentence);
    p->run->span = p->node->span;
    p->run->faulty = p->node;
}

static double eval(Point *p, const GExpr *e);

static const char too_long[] = "a whole number is beyond 2^53 here, which the doubles of the "
                               "reference evaluator do not hold exactly";

/* True if a fault of the subscript is reported. A subscript without data was proved to be inside
 * where its value counts; a value that a pass took out of its guard may read anything. */
static bool is_checked(const GExpr *subscript) {
    return expr_is_data(subscript) || subscript->op == G_CONST;
}

static double eval_load(Point *p, const GExpr *e) {
    int64_t at = 0;
    for (int i = 0; i < e->tensor->rank; i++) {
        int64_t index = (int64_t)eval(p, e->args[i]);
        if (index < 0 || index >= e->tensor->shape[i]) {
            if (e->has_else) return eval(p, e->args[e->arg_count - 1]);
            if (!is_checked(e->args[i])) return 0;
            fault(p, "an index read from data is out of range");
            return 0;
        }
        at = at * e->tensor->shape[i] + index;
    }
    const double *data = p->run->values[e->tensor->id];
    double value = data ? data[at] : 0;
    return e->tensor->type == GT_U8 ? value / 255 : value;
}

/* Gives the nearest number of 24 binary digits. The range stays that of float64: a back end whose
 * square overflows in float32 must scale or refuse, and the reference shows the right value. */
static double nearest_of_24_digits(double value) {
    int exponent;
    const double digits = frexp(value, &exponent);
    return isfinite(value) ? ldexp(rint(ldexp(digits, 24)), exponent - 24) : value;
}

/* Rounds a value. A value of 24 digits stays as it is, because an exact operation is exact
 * everywhere. */
static double rounded(Reference *run, double value) {
    if (run->rounding == EXACT) return value;
    const double nearest = nearest_of_24_digits(value);
    if (run->rounding == NEAREST || value == nearest || !isfinite(value)) return nearest;
    double u = couplet_random_unit(run->turn_of_rounding, 0, 0, 0, run->operations++, 0);
    return nearest_of_24_digits(value * (1 + (2 * u - 1) * 0x1p-23));
}

static double to_int(Point *p, double value) {
    int32_t whole;
    if (!gx_to_int(value, &whole)) {
        fault(p, couplet_fault_sentence(COUPLET_FAULT_WHOLE));
    }
    return whole;
}

static double draw(Point *p, double site, double element, double lane) {
    const double *seed = p->run->seed;
    const double *step = p->run->step;
    const uint32_t low = seed ? (uint32_t)(int64_t)seed[0] : 0;
    const uint32_t high = seed ? (uint32_t)(int64_t)seed[1] : 0;
    return couplet_random_unit(low, high, step ? (uint32_t)step[0] : 0, (uint32_t)site,
                               (int64_t)element, (int)lane);
}

static double divide_floored(Point *p, GOp op, double a, double b) {
    if (b == 0) fault(p, couplet_fault_sentence(COUPLET_FAULT_WHOLE));
    return b == 0 ? 0 : op == G_FLOORDIV ? floor(a / b) : a - b * floor(a / b);
}

/* Applies an operation to the values of all its arguments. */
static double apply_to(Point *p, GOp op, double a, double b) {
    switch (op) {
    case G_ADD:
        return a + b;
    case G_SUB:
        return a - b;
    case G_MUL:
        return a * b;
    case G_DIV:
        return a / b;
    case G_NEG:
        return -a;
    case G_POW:
        return pow(a, b);
    case G_MAX:
        return isnan(a) || a >= b ? a : b;
    case G_MIN:
        return isnan(a) || a <= b ? a : b;
    case G_EXP:
        return exp(a);
    case G_EXPM1:
        return expm1(a);
    case G_LOG:
        return log(a);
    case G_LOG1P:
        return log1p(a);
    case G_ROOT:
        return b;
    case G_SQRT:
        return sqrt(a);
    case G_RSQRT:
        return 1 / sqrt(a);
    case G_TANH:
        return tanh(a);
    case G_SIGMOID:
        return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a));
    case G_SOFTPLUS:
        return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a));
    case G_ERF:
        return erf(a);
    case G_SIN:
        return sin(a);
    case G_COS:
        return cos(a);
    case G_ABS:
        return fabs(a);
    case G_SIGN:
        return isnan(a) ? a : (a > 0) - (a < 0);
    case G_FLOOR:
        return floor(a);
    case G_CEIL:
        return ceil(a);
    case G_ROUND:
        return rint(a);
    case G_TO_REAL:
        return a;
    case G_TO_INT:
        return to_int(p, a);
    case G_FLOORDIV:
    case G_MOD:
        return divide_floored(p, op, a, b);
    case G_LT:
        return a < b;
    case G_LE:
        return a <= b;
    case G_EQ:
        return a == b;
    case G_NE:
        return a != b;
    case G_NOT:
        return a == 0;
    case G_IS_FINITE:
        return isfinite(a);
    case G_CONST:
    case G_INDEX:
    case G_LOAD:
    case G_RANDOM:
    case G_SELECT:
    case G_AND:
    case G_OR:
    case G_OP_COUNT:
        break; /* `apply` handles these */
    }
    return 0;
}

/* Applies an operation. Choices and connectives ask for their arguments, because an argument that
 * is not evaluated must not fault. */
static double apply(Point *p, const GExpr *e) {
    if (e->op == G_CONST) return e->type == GT_REAL ? e->real : (double)e->integer;
    if (e->op == G_INDEX) return (double)p->index[e->index];
    if (e->op == G_LOAD) return eval_load(p, e);
    const GExpr *const *args = e->args;
    const double a = eval(p, args[0]);
    if (e->op == G_SELECT) return eval(p, a != 0 ? args[1] : args[2]);
    if (e->op == G_AND) return a != 0 && eval(p, args[1]) != 0;
    if (e->op == G_OR) return a != 0 || eval(p, args[1]) != 0;
    const double b = e->arg_count > 1 ? eval(p, args[1]) : 0;
    if (e->op != G_RANDOM) return apply_to(p, e->op, a, b);
    const double lane = eval(p, args[2]);
    return draw(p, a, b, lane);
}

/* Evaluates an expression at the present point. A part of several arguments is computed once a
 * point. */
static double eval(Point *p, const GExpr *e) {
    Reference *run = p->run;
    bool shared = e->arg_count > 1;
    if (shared && run->known_at[e->id] == run->turn) return run->known[e->id];
    double value = apply(p, e);
    if (e->type == GT_REAL)
        value = rounded(run, value);
    else if (isfinite(value) && fabs(value) > 0x1p53)
        fault(p, fabs(value) < 0x1p63 ? too_long : couplet_fault_sentence(COUPLET_FAULT_WHOLE));
    if (shared) {
        run->known[e->id] = value;
        run->known_at[e->id] = run->turn;
    }
    return value;
}

/* Steps to the next point of a space, last axis fastest. Returns false after the last point. */
static bool advance(int64_t *index, const int64_t *shape, int rank) {
    for (int i = rank - 1; i >= 0; i--) {
        if (++index[i] < shape[i]) return true;
        index[i] = 0;
    }
    return false;
}

/* A sum of many terms. If operations are rounded, parts of a fixed length are rounded term by term,
 * and the parts are added in float64. Back ends must add in this way, too: a long sum in one
 * float32 is a mistake and no rounding. */
typedef struct Sum {
    double parts;
    double part;
    int terms; /* the number of terms in the part */
} Sum;

enum { TERMS_OF_A_PART = 256 };

static void sum_add(Reference *run, Sum *s, double term) {
    s->part = rounded(run, s->part + term);
    if (++s->terms < TERMS_OF_A_PART) return;
    s->parts += s->part;
    s->part = 0;
    s->terms = 0;
}

/* Multiplies the sum so far by a factor, as a log-sum-exp needs it when a larger exponent comes. */
static void sum_scale(Sum *s, double factor) {
    s->parts *= factor;
    s->part *= factor;
}

static double sum_value(Reference *run, const Sum *s) {
    return rounded(run, s->parts + s->part);
}

static double with_power(double digits, int64_t power) {
    enum { BEYOND = 1 << 12 /* at half of this exponent a double is infinite, or 0 */ };
    return ldexp(digits, power > BEYOND ? BEYOND : power < -BEYOND ? -BEYOND : (int)power);
}

/* The state of a reduction after the terms so far. */
typedef struct Terms {
    int64_t count;
    int64_t winner;
    /* The best term; for `any` and `all`, the result so far; for a product, its digits. */
    double best;
    int64_t power; /* for a product, which is best * 2^power */
    double shift;  /* for a log-sum-exp: its largest term */
    Sum sum;
} Terms;

/* Takes the term if it is better than the best one. A NaN is better than any number. */
static void take_best(Terms *t, double v, bool takes_least, int64_t position) {
    const bool is_better = takes_least ? v < t->best : v > t->best;
    if (t->count > 0 && !is_better && !(isnan(v) && !isnan(t->best))) return;
    t->best = v;
    t->winner = position;
}

static void add_exponential(Reference *run, Terms *t, double v) {
    if (v > t->shift) {
        sum_scale(&t->sum, exp(rounded(run, t->shift - v)));
        sum_add(run, &t->sum, 1);
        t->shift = v;
    } else if (isnan(v)) {
        sum_add(run, &t->sum, NAN);
    } else if (v == INFINITY) {
        /* The largest term is infinite, too, and their difference would be NaN. */
        sum_add(run, &t->sum, 1);
    } else if (v != -INFINITY) {
        sum_add(run, &t->sum, exp(rounded(run, v - t->shift)));
    }
}

static void multiply_term(Terms *t, double v) {
    int more;
    t->best = frexp(t->count == 0 ? v : t->best * v, &more);
    t->power += isfinite(t->best) ? more : 0;
}

static void add_to_terms(Point *p, const GNode *n, Terms *t, double v) {
    if (n->type == GT_REAL)
        sum_add(p->run, &t->sum, v);
    else
        t->sum.parts += v;
    if (n->type == GT_INT && fabs(t->sum.parts) > 0x1p53)
        fault(p, couplet_fault_sentence(COUPLET_FAULT_WHOLE));
}

static void take_term(Point *p, const GNode *n, Terms *t, double v, int64_t position) {
    switch (n->reducer) {
    case GR_MAX:
    case GR_ARGMAX:
    case GR_MIN:
    case GR_ARGMIN:
        take_best(t, v, reducer_takes_least(n->reducer), position);
        break;
    case GR_ANY:
        t->best = (t->count > 0 && t->best != 0) || v != 0;
        break;
    case GR_ALL:
        t->best = (t->count == 0 || t->best != 0) && v != 0;
        break;
    case GR_LSE:
    case GR_LSE_REST:
        add_exponential(p->run, t, v);
        break;
    case GR_PROD:
        multiply_term(t, v);
        break;
    case GR_SUM:
        add_to_terms(p, n, t, v);
        break;
    case GR_NONE:
    case GRAPH_REDUCERS:
        break;
    }
    t->count++;
}

static double log_of_terms(Reference *run, const GNode *n, const Terms *t) {
    const double total = sum_value(run, &t->sum);
    if (n->reducer == GR_LSE_REST && isfinite(t->shift)) return rounded(run, log(total));
    return t->shift == -INFINITY && !isnan(total) ? -INFINITY : rounded(run, t->shift + log(total));
}

static double result_of(Point *p, const GNode *n, const Terms *t) {
    const ReducerRow *row = &graph_reducers[n->reducer];
    if (t->count == 0) return reducer_value(row->empty);
    if (row->gives_place) return (double)t->winner;
    if (node_sums_exponentials(n)) return log_of_terms(p->run, n, t);
    if (n->reducer == GR_PROD) {
        const double product = with_power(t->best, t->power);
        return rounded(p->run, product);
    }
    if (n->reducer != GR_SUM) return t->best;
    return n->type == GT_REAL ? sum_value(p->run, &t->sum) : t->sum.parts;
}

static double reduce_node(Point *p, const GNode *n) {
    Terms terms = {.shift = -INFINITY};
    int64_t position = 0;
    int64_t *r = p->index + n->rank;
    memset(r, 0, sizeof *r * (size_t)n->red_rank);
    do {
        p->run->turn++;
        if (!n->guard || eval(p, n->guard) != 0)
            take_term(p, n, &terms, eval(p, n->value), position);
        position++;
    } while (advance(r, n->red_shape, n->red_rank));
    if (terms.count == 0 && n->empty_is_error)
        fault(p, "a reduction has no term here: no index fulfils its guard");
    return result_of(p, n, &terms);
}

static void run_compute(Reference *run, const GNode *n, double *out) {
    Point p = {run, n, {0}};
    int64_t at = 0;
    do {
        run->turn++;
        if (n->active && eval(&p, n->active) == 0)
            out[at++] = 0;
        else
            out[at++] = n->reducer == GR_NONE ? eval(&p, n->value) : reduce_node(&p, n);
        const bool is_wide = n->type == GT_INT && isfinite(out[at - 1]) &&
                             (out[at - 1] < INT32_MIN || out[at - 1] > INT32_MAX);
        /* An extremum without terms is infinite, which is no fault, since it is not read. */
        if (is_wide) {
            fault(&p, couplet_fault_sentence(COUPLET_FAULT_WHOLE));
        }
    } while (advance(p.index, n->shape, n->rank));
}

/* Gives the worth of a candidate: a NaN and infinite scores come first. */
static double worth(double score) {
    return isnan(score) ? INFINITY : score;
}

/* Finds the best entries of each row in order, each by one pass over the row. */
static void run_topk(Reference *run, const GNode *n, double *out) {
    int64_t length = n->operand->shape[n->rank - 1];
    int64_t k = n->shape[n->rank - 1];
    int64_t rows = graph_element_count(n) / k;
    const double *scores = run->values[n->operand->id];
    Point p = {run, n, {0}};
    for (int64_t row = 0; row < rows; row++) {
        const double *s = scores + row * length;
        double last = INFINITY;
        int64_t last_at = -1;
        for (int64_t r = 0; r < k; r++) {
            int64_t best = -1;
            for (int64_t j = 0; j < length; j++) {
                double value = worth(s[j]);
                bool after = value < last || (value == last && j > last_at);
                if (after && value > -INFINITY && (best < 0 || value > worth(s[best]))) {
                    best = j;
                }
            }
            if (best < 0) {
                fault(&p, "topk asks for more entries than there are candidates");
                best = 0;
            }
            out[row * k + r] = (double)best;
            last = worth(s[best]);
            last_at = best;
        }
    }
}

static void run_call(Reference *run, const GNode *n, double *out) {
    CoupletCallSize size;
    Point p = {run, n, {0}};
    const CoupletCall *call = &couplet_calls[n->call];
    int64_t rows = graph_call_size(n, &size);
    double *in[COUPLET_CALL_OPERANDS] = {NULL};
    double *work = calloc((size_t)couplet_call_work(&size), sizeof *work);
    for (int64_t row = 0; row < rows && work; row++) {
        for (int i = 0; i < n->operand_count; i++)
            in[i] = run->values[n->operands[i]->id] +
                    row * couplet_call_elements(call->operand_axes[i], &size);
        CoupletFaultKind met = call->run(&size, in, out + row * size.result, work);
        if (met) fault(&p, couplet_fault_sentence(met));
        for (int64_t i = 0; i < size.result; i++)
            out[row * size.result + i] = rounded(run, out[row * size.result + i]);
    }
    if (!work) fault(&p, couplet_fault_sentence(COUPLET_FAULT_MEMORY));
    free(work);
}

static void run_node(Reference *run, const GNode *n, ReferenceSource source, void *context) {
    if (n->kind == GN_INPUT || n->kind == GN_STATE) {
        run->values[n->id] = (double *)source(context, n);
        if (!run->values[n->id] && !run->fault[0]) {
            snprintf(run->fault, sizeof run->fault, "no array is given for `%s`", n->name);
            run->span = n->span;
        }
        return;
    }
    if (n->kind == GN_STOP || n->kind == GN_CONST) {
        run->values[n->id] = n->kind == GN_STOP ? run->values[n->operand->id] : (double *)n->data;
        return;
    }
    double *out = calloc((size_t)graph_element_count(n), sizeof *out);
    run->values[n->id] = out;
    run->owned[n->id] = true;
    if (!out) {
        if (!run->fault[0]) {
            snprintf(run->fault, sizeof run->fault, "out of memory");
        }
        return;
    }
    if (n->kind == GN_COMPUTE)
        run_compute(run, n, out);
    else if (n->kind == GN_CALL)
        run_call(run, n, out);
    else
        run_topk(run, n, out);
}

/* Gives the run's seed or step. A draw reads both even if the graph has no input of that name;
 * without an array they are 0. */
static const double *run_scalar(const char *name, int rank, ReferenceSource source, void *context) {
    GNode node;
    memset(&node, 0, sizeof node);
    node.kind = GN_INPUT;
    node.name = name;
    node.type = GT_INT;
    node.rank = rank;
    node.shape[0] = 2;
    return source(context, &node);
}

static Reference *run_new(const Graph *g, Rounding rounding) {
    Reference *run = calloc(1, sizeof *run);
    if (!run) return NULL;
    run->g = g;
    run->rounding = rounding;
    for (int i = 0; i < g->nodes.count; i++)
        if (g->nodes.items[i]->id >= run->count) run->count = g->nodes.items[i]->id + 1;
    run->values = calloc(run->count + 1, sizeof *run->values);
    run->owned = calloc(run->count + 1, sizeof *run->owned);
    run->known = calloc((size_t)graph_expr_count(g) + 1, sizeof *run->known);
    run->known_at = calloc((size_t)graph_expr_count(g) + 1, sizeof *run->known_at);
    if (run->values && run->owned && run->known && run->known_at) return run;
    reference_free(run);
    return NULL;
}

static Reference *run_graph(const Graph *g, Rounding rounding, uint32_t turn,
                            ReferenceSource source, void *context) {
    Reference *run = run_new(g, rounding);
    if (!run) return NULL;
    run->turn_of_rounding = turn;
    run->seed = run_scalar("seed", 1, source, context);
    run->step = run_scalar("step", 0, source, context);
    for (int i = 0; i < g->nodes.count && !run->fault[0]; i++)
        run_node(run, g->nodes.items[i], source, context);
    return run;
}

Reference *reference_run(const Graph *g, ReferenceSource source, void *context) {
    return run_graph(g, EXACT, 0, source, context);
}
Reference *reference_run_rounded(const Graph *g, ReferenceSource source, void *context) {
    return run_graph(g, NEAREST, 0, source, context);
}
Reference *reference_run_by_chance(const Graph *g, uint32_t turn, ReferenceSource source,
                                   void *context) {
    return run_graph(g, BY_CHANCE, turn, source, context);
}

/* ---- again, with one array changed ----------------------------------------------------------- */

static VisitStep ends_at_reached(void *reached, const GExpr *e) {
    return e->op == G_LOAD && ((const bool *)reached)[e->tensor->id] ? VISIT_END : VISIT_INSIDE;
}

static bool is_reached(const GNode *n, bool *reached) {
    if (n->kind == GN_STOP) return false;
    for (int i = 0; i < n->operand_count; i++)
        if (reached[n->operands[i]->id]) return true;
    return (n->operand && reached[n->operand->id]) || expr_visit_node(n, ends_at_reached, reached);
}

Reference *reference_rerun(const Reference *base, const GNode *changed, const double *values) {
    Reference *run = run_new(base->g, base->rounding);
    bool *reached = run ? calloc(run->count + 1, sizeof *reached) : NULL;
    if (!reached) {
        reference_free(run);
        return NULL;
    }
    run->seed = base->seed;
    run->step = base->step;
    for (int i = 0; i < run->g->nodes.count && !run->fault[0]; i++) {
        const GNode *n = run->g->nodes.items[i];
        run->values[n->id] = n == changed ? (double *)(uintptr_t)values : base->values[n->id];
        reached[n->id] = n == changed || is_reached(n, reached);
        if (n != changed && reached[n->id]) {
            run_node(run, n, NULL, NULL);
        }
    }
    free(reached);
    return run;
}

const char *reference_fault(const Reference *run, Span *span) {
    if (!run->fault[0]) return NULL;
    if (span) *span = run->span;
    return run->fault;
}

/* ---- what went wrong ------------------------------------------------------------------------- */

static double read_value(void *context, int buffer, int64_t element) {
    const Reference *run = context;
    const double *values = run->values[run->g->nodes.items[buffer]->id];
    return values ? values[element] : 0;
}

/* Gives, by the id of a node, its place in the graph, which is the number of its buffer here. */
static const int *places_of(const Reference *run) {
    const Graph *g = run->g;
    int *places = arena_array(g->arena, int, graph_node_ids(g));
    for (int i = 0; i < g->nodes.count; i++)
        places[g->nodes.items[i]->id] = i;
    return places;
}

/* Gives a plan of one step, which makes one node. */
static CoupletPlan node_plan(const Reference *run, const GNode *node, const int *places) {
    CoupletPlan plan = {.buffer_count = run->g->nodes.count};
    Graph *g = (Graph *)(uintptr_t)run->g; /* the graph's arena holds the formulas */
    Formulas *formulas = formulas_new(g->arena, g, places, true);
    formulas_step(formulas, &node, 1);
    plan.formulas = formulas_finish(formulas, &plan.formula_bytes);
    return plan;
}

static bool explain_fault(const Reference *run, CoupletFinding *out) {
    const CoupletArrays arrays = {read_value, (void *)(uintptr_t)run, true};
    const CoupletPlan plan = node_plan(run, run->faulty, places_of(run));
    return couplet_formula_fault(&plan, 0, 0, 1, &arrays, out);
}

static int64_t first_not_finite(const Reference *run, const GNode *n, bool infinite) {
    const double *values = reference_value(run, n);
    for (int64_t i = 0; values && i < graph_element_count(n); i++)
        if (infinite ? isinf(values[i]) : isnan(values[i])) return i;
    return -1;
}

/* Goes from array to array to the formula in which the value arose, or to the input that brought
 * it. */
static bool explain_element(const Reference *run, const GNode *node, int64_t element,
                            CoupletFinding *out) {
    const CoupletArrays arrays = {read_value, (void *)(uintptr_t)run, true};
    const int *places = places_of(run);
    CoupletFinding next;
    for (bool found = false;; found = true) {
        const CoupletPlan plan = node_plan(run, node, places);
        if (node->kind != GN_COMPUTE ||
            !couplet_formula_origin(&plan, 0, places[node->id], element, &arrays, &next))
            return found;
        *out = next;
        if (out->buffer < 0) return true;
        node = run->g->nodes.items[out->buffer];
        element = out->element;
    }
}

bool reference_explain(const Reference *run, CoupletFinding *out, char *name, size_t name_bytes) {
    name[0] = 0;
    if (run->fault[0]) return run->faulty && explain_fault(run, out);
    for (int infinite = 0; infinite < 2; infinite++) {
        for (int i = 0; i < run->g->outputs.count; i++) {
            const GOutput *o = &run->g->outputs.items[i];
            const int64_t at = first_not_finite(run, o->node, infinite);
            if (at < 0) continue;
            couplet_element_text(o->name, o->node->rank, o->node->shape, at, name, name_bytes);
            return explain_element(run, o->node, at, out);
        }
    }
    return false;
}

const double *reference_value(const Reference *run, const GNode *node) {
    return node->id < run->count ? run->values[node->id] : NULL;
}

const double *reference_output(const Reference *run, const char *name) {
    for (int i = 0; i < run->g->outputs.count; i++)
        if (strcmp(run->g->outputs.items[i].name, name) == 0)
            return reference_value(run, run->g->outputs.items[i].node);
    return NULL;
}

void reference_free(Reference *run) {
    if (!run) return;
    for (uint32_t i = 0; run->values && run->owned && i < run->count; i++)
        if (run->owned[i]) free(run->values[i]);
    free(run->values);
    free(run->owned);
    free(run->known);
    free(run->known_at);
    free(run);
}
