/* Formulas of a plan's steps, worked out element by element: slowly, where a kernel has met a fault or made a value that is not finite. */
#include "runtime/formula.h"

#include "runtime/calls.h"
#include "runtime/device.h"
#include "runtime/random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INDICES = 2 * COUPLET_MAX_RANK, MOST_ARGS = COUPLET_MAX_RANK + 1, DEEPEST_CONDITIONS = 64, MOST_CHECKS = 256 };
static const int64_t PATIENCE = 200000000; /* operations: a few seconds */

typedef struct String {
    const char *text;
    int length;
} String;

typedef struct Place {
    int64_t path, line, column;
    int call; /* -1: none */
    bool is_slope;
} Place;

typedef struct Expr {
    CoupletFormulaOp op;
    bool is_real;
    int place; /* -1: unknown */
    int arg_count, args[MOST_ARGS];
    double number; /* of a constant; of an index, which */
    uint32_t indices; /* that it reads, a bit for each */
    /* LOAD */
    bool is_pairs, is_byte, has_else;
    int array, rank, name;
    int64_t shape[COUPLET_MAX_RANK];
    bool may_leave[COUPLET_MAX_RANK];
} Expr;

typedef struct Formula {
    CoupletFormulaKind kind;
    int buffer, name, place;
    int rank, red_rank;
    int64_t extent[MOST_INDICES];
    int index_name[MOST_INDICES];
    CoupletFormulaReducer reducer;
    bool empty_is_fault;
    int expr_count, guard, active, value; /* -1: none */
    Expr *exprs;
    double *known; /* values at the present point */
    uint64_t *known_at, turn;
    int candidates_buffer; /* TOPK */
    int64_t candidates;
    CoupletCallKind call; /* CALL */
    int64_t rows;
    CoupletCallSize size;
    int operands[COUPLET_CALL_OPERANDS], operand_count;
} Formula;

/* A step's formulas, read. */
typedef struct Work {
    const unsigned char *at, *end;
    bool broken; /* the bytes, or memory ran out */
    const CoupletArrays *arrays;
    int seed, step; /* buffers; -1 */
    String *strings;
    int64_t string_count;
    Place *places;
    int64_t place_count;
    Formula *formulas;
    int count, results;
    int64_t left; /* operations before patience ends */
} Work;

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static uint64_t take(Work *w) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        const unsigned char byte = *w->at++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return value;
    }
    w->broken = true;
    return 0;
}

static int64_t take_signed(Work *w) {
    const uint64_t value = take(w);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static double take_real(Work *w) {
    double value = 0;
    if (w->end - w->at < (int64_t)sizeof value) w->broken = true;
    else memcpy(&value, w->at, sizeof value), w->at += sizeof value;
    return value;
}

/* A number below `limit`. */
static int64_t take_below(Work *w, int64_t limit) {
    const uint64_t value = take(w);
    if (value < (uint64_t)limit) return (int64_t)value;
    w->broken = true;
    return 0;
}

/* A number that may be missing; -1. */
static int take_optional(Work *w, int64_t limit) { return (int)take_below(w, limit + 1) - 1; }

static void *take_memory(Work *w, int64_t count, size_t bytes) {
    void *memory = w->broken ? NULL : calloc((size_t)count + 1, bytes);
    if (!memory) w->broken = true;
    return memory;
}

static void read_strings(Work *w) {
    w->string_count = take_below(w, w->end - w->at + 1);
    w->strings = take_memory(w, w->string_count, sizeof *w->strings);
    for (int64_t i = 0; i < w->string_count && !w->broken; i++) {
        const int64_t length = take_below(w, w->end - w->at + 1);
        w->strings[i] = (String){(const char *)w->at, (int)length};
        w->at += length;
    }
}

static void read_places(Work *w) {
    w->place_count = take_below(w, w->end - w->at + 1);
    w->places = take_memory(w, w->place_count, sizeof *w->places);
    for (int64_t i = 0; i < w->place_count && !w->broken; i++) {
        Place *p = &w->places[i];
        p->path = take_below(w, w->string_count);
        p->line = (int64_t)take(w);
        p->column = (int64_t)take(w);
        p->call = take_optional(w, i); /* an earlier one: the way out of the library ends */
        p->is_slope = take(w) != 0;
    }
}

static void read_axes(Work *w, Formula *f, int from, int *count) {
    *count = (int)take_below(w, COUPLET_MAX_RANK + 1);
    for (int i = from; i < from + *count; i++) {
        f->extent[i] = (int64_t)take(w);
        f->index_name[i] = take_optional(w, w->string_count);
    }
}

static void read_load(Work *w, Expr *e) {
    const uint64_t array = take(w);
    e->is_pairs = array & 1;
    e->array = (int)(array >> 1);
    e->name = take_optional(w, w->string_count);
    e->is_byte = take(w) != 0;
    e->has_else = take(w) != 0;
    e->rank = (int)take_below(w, COUPLET_MAX_RANK + 1);
    for (int i = 0; i < e->rank; i++) {
        e->shape[i] = (int64_t)take(w);
        e->may_leave[i] = take(w) != 0;
    }
    if (e->arg_count != e->rank + e->has_else || (e->is_pairs && e->array >= w->count)) w->broken = true;
}

static void read_expr(Work *w, Formula *f, int number) {
    Expr *e = &f->exprs[number];
    const int64_t op = take_below(w, 2 * COUPLET_OP_COUNT);
    e->op = (CoupletFormulaOp)(op / 2);
    e->is_real = op & 1;
    e->place = take_optional(w, w->place_count);
    e->arg_count = (int)take_below(w, MOST_ARGS + 1);
    for (int i = 0; i < e->arg_count; i++) {
        const int64_t back = take_below(w, number + 1);
        if (back == 0) w->broken = true;
        e->args[i] = number - (int)back;
        if (!w->broken) e->indices |= f->exprs[e->args[i]].indices;
    }
    if (e->op == COUPLET_OP_REAL) e->number = take_real(w);
    if (e->op == COUPLET_OP_INT) e->number = (double)take_signed(w);
    if (e->op == COUPLET_OP_INDEX) {
        const int64_t index = take_below(w, MOST_INDICES);
        e->number = (double)index;
        e->indices = 1u << index;
    }
    if (e->op == COUPLET_OP_LOAD) read_load(w, e);
}

static void read_compute(Work *w, Formula *f) {
    f->reducer = (CoupletFormulaReducer)take_below(w, COUPLET_REDUCE_LSE + 1);
    f->empty_is_fault = take(w) != 0;
    read_axes(w, f, f->rank, &f->red_rank);
    f->expr_count = (int)take_below(w, w->end - w->at + 1);
    f->exprs = take_memory(w, f->expr_count, sizeof *f->exprs);
    f->known = take_memory(w, f->expr_count, sizeof *f->known);
    f->known_at = take_memory(w, f->expr_count, sizeof *f->known_at);
    for (int i = 0; i < f->expr_count && !w->broken; i++) read_expr(w, f, i);
    f->guard = take_optional(w, f->expr_count);
    f->active = take_optional(w, f->expr_count);
    f->value = take_optional(w, f->expr_count);
    if (f->value < 0) w->broken = true;
}

static void read_call(Work *w, Formula *f) {
    f->call = (CoupletCallKind)take_below(w, COUPLET_CALL_COUNT);
    f->rows = (int64_t)take(w);
    f->size.rows = (int64_t)take(w);
    f->size.columns = (int64_t)take(w);
    f->size.result = (int64_t)take(w);
    f->operand_count = (int)take_below(w, COUPLET_CALL_OPERANDS + 1);
    for (int i = 0; i < f->operand_count; i++) f->operands[i] = (int)take(w);
}

static void read_formula(Work *w, Formula *f) {
    f->kind = (CoupletFormulaKind)take_below(w, COUPLET_FORMULA_CALL + 1);
    f->buffer = (int)take(w);
    f->name = take_optional(w, w->string_count);
    f->place = take_optional(w, w->place_count);
    read_axes(w, f, 0, &f->rank);
    if (f->kind == COUPLET_FORMULA_CALL) {
        read_call(w, f);
    } else if (f->kind == COUPLET_FORMULA_TOPK) {
        f->candidates_buffer = (int)take(w);
        f->candidates = (int64_t)take(w);
    } else {
        read_compute(w, f);
    }
}

static void work_end(Work *w) {
    for (int i = 0; w->formulas && i < w->count; i++) {
        free(w->formulas[i].exprs);
        free(w->formulas[i].known);
        free(w->formulas[i].known_at);
    }
    free(w->formulas);
    free(w->strings);
    free(w->places);
}

static bool work_begin(Work *w, const CoupletPlan *plan, int step, const CoupletArrays *arrays) {
    memset(w, 0, sizeof *w);
    if (!plan->formulas) return false;
    w->at = plan->formulas;
    w->end = plan->formulas + plan->formula_bytes;
    w->arrays = arrays;
    w->left = PATIENCE;
    w->seed = take_optional(w, plan->buffer_count);
    w->step = take_optional(w, plan->buffer_count);
    read_strings(w);
    read_places(w);
    const int64_t steps = take_below(w, w->end - w->at + 1);
    int64_t before = 0;
    for (int64_t i = 0; i < steps; i++) {
        const int64_t length = (int64_t)take(w);
        if (i < step) before += length;
    }
    if (step >= steps || before > w->end - w->at) w->broken = true;
    if (!w->broken) w->at += before;
    const int64_t count = take_below(w, w->end - w->at + 1);
    w->results = (int)take_below(w, count + 1);
    w->formulas = take_memory(w, count, sizeof *w->formulas);
    w->count = w->formulas ? (int)count : 0;
    for (int i = 0; i < w->count && !w->broken; i++) read_formula(w, &w->formulas[i]);
    if (!w->broken) return true;
    work_end(w);
    return false;
}

/* ---- values ------------------------------------------------------------------------------------------------------------ */

typedef struct Point {
    Work *work;
    Formula *formula;
    int64_t index[MOST_INDICES];
} Point;

static double eval(Point *p, int number);
static double element_of(Point *p);

static double rounded(const Work *w, double value) { return w->arrays->exact ? value : (double)(float)value; }

/* The subscript of an axis lies outside. */
static bool leaves(Point *p, const Expr *e, int axis, double *index) {
    *index = eval(p, e->args[axis]);
    return !(*index >= 0 && *index < (double)e->shape[axis]);
}

static double eval_load(Point *p, const Expr *e) {
    int64_t at = 0, index[COUPLET_MAX_RANK];
    for (int i = 0; i < e->rank; i++) {
        double subscript;
        if (leaves(p, e, i, &subscript)) return e->has_else ? eval(p, e->args[e->rank]) : 0;
        index[i] = (int64_t)subscript;
        at = at * e->shape[i] + index[i];
    }
    if (e->is_pairs) {
        Point inner = {p->work, &p->work->formulas[e->array], {0}};
        memcpy(inner.index, index, sizeof *index * (size_t)e->rank);
        return element_of(&inner);
    }
    const double value = p->work->arrays->read(p->work->arrays->context, e->array, at);
    return e->is_byte ? value / 255 : value;
}

static double read_at(Work *w, int buffer, int64_t element) { return buffer < 0 ? 0 : w->arrays->read(w->arrays->context, buffer, element); }

static bool fits_int(double a) { return a >= INT32_MIN && a < 0x1p31; }

static double eval_random(Point *p, const Expr *e) {
    Work *w = p->work;
    const uint32_t low = (uint32_t)(int64_t)read_at(w, w->seed, 0), high = (uint32_t)(int64_t)read_at(w, w->seed, 1), step = (uint32_t)(int64_t)read_at(w, w->step, 0);
    return couplet_random_unit(low, high, step, (uint32_t)eval(p, e->args[0]), (uint64_t)eval(p, e->args[1]), (int)eval(p, e->args[2]));
}

static double apply(Point *p, const Expr *e) {
    const double a = eval(p, e->args[0]), b = e->arg_count > 1 ? eval(p, e->args[1]) : 0;
    switch (e->op) {
    case COUPLET_OP_ADD: return a + b;
    case COUPLET_OP_SUB: return a - b;
    case COUPLET_OP_MUL: return a * b;
    case COUPLET_OP_DIV: return a / b;
    case COUPLET_OP_NEG: return -a;
    case COUPLET_OP_POW: return pow(a, b);
    case COUPLET_OP_MAX: return isnan(a) || a >= b ? a : b;
    case COUPLET_OP_MIN: return isnan(a) || a <= b ? a : b;
    case COUPLET_OP_EXP: return exp(a);
    case COUPLET_OP_EXPM1: return expm1(a);
    case COUPLET_OP_LOG: return log(a);
    case COUPLET_OP_LOG1P: return log1p(a);
    case COUPLET_OP_SQRT: return sqrt(a);
    case COUPLET_OP_ROOT: return b;
    case COUPLET_OP_RSQRT: return 1 / sqrt(a);
    case COUPLET_OP_TANH: return tanh(a);
    case COUPLET_OP_SIGMOID: return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a));
    case COUPLET_OP_SOFTPLUS: return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a));
    case COUPLET_OP_ERF: return erf(a);
    case COUPLET_OP_SIN: return sin(a);
    case COUPLET_OP_COS: return cos(a);
    case COUPLET_OP_ABS: return fabs(a);
    case COUPLET_OP_SIGN: return isnan(a) ? a : (a > 0) - (a < 0);
    case COUPLET_OP_FLOOR: return floor(a);
    case COUPLET_OP_CEIL: return ceil(a);
    case COUPLET_OP_ROUND: return rint(a);
    case COUPLET_OP_TO_REAL: return a;
    case COUPLET_OP_TO_INT: return fits_int(a) ? trunc(a) : 0; /* as the kernels do */
    case COUPLET_OP_FLOORDIV: return b != 0 ? floor(a / b) : 0;
    case COUPLET_OP_MOD: return b != 0 ? a - b * floor(a / b) : 0;
    case COUPLET_OP_LT: return a < b;
    case COUPLET_OP_LE: return a <= b;
    case COUPLET_OP_EQ: return a == b;
    case COUPLET_OP_NE: return a != b;
    case COUPLET_OP_NOT: return a == 0;
    case COUPLET_OP_IS_FINITE: return isfinite(a);
    case COUPLET_OP_AND:
    case COUPLET_OP_OR:
    case COUPLET_OP_SELECT:
    case COUPLET_OP_CONST:
    case COUPLET_OP_INDEX:
    case COUPLET_OP_LOAD:
    case COUPLET_OP_RANDOM:
    case COUPLET_OP_REAL:
    case COUPLET_OP_INT:
    case COUPLET_OP_COUNT: break;
    }
    return 0;
}

/* What is not asked for is not worked out: the other arm, and what stands behind a condition that does not hold. */
static double eval_new(Point *p, const Expr *e) {
    switch (e->op) {
    case COUPLET_OP_REAL:
    case COUPLET_OP_INT: return e->number;
    case COUPLET_OP_INDEX: return (double)p->index[(int)e->number];
    case COUPLET_OP_LOAD: return eval_load(p, e);
    case COUPLET_OP_RANDOM: return eval_random(p, e);
    case COUPLET_OP_SELECT: return eval(p, e->args[0]) != 0 ? eval(p, e->args[1]) : eval(p, e->args[2]);
    case COUPLET_OP_AND: return eval(p, e->args[0]) != 0 && eval(p, e->args[1]) != 0;
    case COUPLET_OP_OR: return eval(p, e->args[0]) != 0 || eval(p, e->args[1]) != 0;
    default: return apply(p, e);
    }
}

static double eval(Point *p, int number) {
    Formula *f = p->formula;
    const Expr *e = &f->exprs[number];
    if (e->arg_count == 0 && e->op != COUPLET_OP_LOAD) return eval_new(p, e);
    if (f->known_at[number] == f->turn) return f->known[number];
    if (p->work->left-- <= 0) return 0;
    const uint64_t turn = f->turn;
    double value = eval_new(p, e);
    if (e->is_real) value = rounded(p->work, value);
    if (f->turn == turn) { /* an array of pairs that reads itself there is none, but its turn would be another */
        f->known[number] = value;
        f->known_at[number] = turn;
    }
    return value;
}

/* The next point of a space, the last axis fastest; false after the last one. */
static bool advance(int64_t *index, const int64_t *extent, int from, int count) {
    for (int i = from + count - 1; i >= from; i--) {
        if (++index[i] < extent[i]) return true;
        index[i] = 0;
    }
    return false;
}

static bool holds(Point *p, int condition) { return condition < 0 || eval(p, condition) != 0; }

/* A running reduction. */
typedef struct Sum {
    double value, shift;
    int64_t terms, position, winner;
} Sum;

static void sum_add(const Work *w, const Formula *f, Sum *s, double v) {
    const bool first = s->terms++ == 0;
    switch (f->reducer) {
    case COUPLET_REDUCE_MAX:
    case COUPLET_REDUCE_ARGMAX:
        if (first || v > s->value || (isnan(v) && !isnan(s->value))) s->value = v, s->winner = s->position;
        break;
    case COUPLET_REDUCE_MIN:
    case COUPLET_REDUCE_ARGMIN:
        if (first || v < s->value || (isnan(v) && !isnan(s->value))) s->value = v, s->winner = s->position;
        break;
    case COUPLET_REDUCE_ANY: s->value = s->value != 0 || v != 0; break;
    case COUPLET_REDUCE_ALL: s->value = (first || s->value != 0) && v != 0; break;
    case COUPLET_REDUCE_LSE:
        if (v > s->shift) {
            s->value = s->value * exp(s->shift - v) + 1;
            s->shift = v;
        } else if (v == INFINITY || isnan(v)) {
            s->value = NAN;
        } else if (v != -INFINITY) {
            s->value += exp(v - s->shift);
        }
        break;
    case COUPLET_REDUCE_NONE:
    case COUPLET_REDUCE_SUM: s->value += v; break; /* in double: whether float32 overflows shows when it is rounded */
    }
    (void)w;
}

static double sum_result(const Formula *f, const Sum *s) {
    switch (f->reducer) {
    case COUPLET_REDUCE_LSE: return s->shift == -INFINITY && !isnan(s->value) ? -INFINITY : s->shift + log(s->value);
    case COUPLET_REDUCE_ARGMAX:
    case COUPLET_REDUCE_ARGMIN: return (double)s->winner;
    case COUPLET_REDUCE_ALL: return s->terms ? s->value : 1;
    case COUPLET_REDUCE_MAX: return s->terms ? s->value : -INFINITY;
    case COUPLET_REDUCE_MIN: return s->terms ? s->value : INFINITY;
    case COUPLET_REDUCE_NONE:
    case COUPLET_REDUCE_SUM:
    case COUPLET_REDUCE_ANY: break;
    }
    return s->value;
}

/* The element at the point's first indices. */
static double element_of(Point *p) {
    Formula *f = p->formula;
    f->turn++;
    if (!holds(p, f->active)) return 0;
    if (f->reducer == COUPLET_REDUCE_NONE) return eval(p, f->value);
    Sum sum = {.shift = -INFINITY};
    memset(p->index + f->rank, 0, sizeof *p->index * (size_t)f->red_rank);
    do {
        f->turn++;
        if (holds(p, f->guard)) sum_add(p->work, f, &sum, eval(p, f->value));
        sum.position++;
    } while (advance(p->index, f->extent, f->rank, f->red_rank) && p->work->left > 0);
    const double value = sum_result(f, &sum);
    return f->exprs[f->value].is_real ? rounded(p->work, value) : value;
}

/* ---- text -------------------------------------------------------------------------------------------------------------- */

typedef struct Text {
    char *at;
    size_t length, bytes;
} Text;

static void add(Text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int wrote = vsnprintf(t->at + t->length, t->bytes - t->length, format, args);
    va_end(args);
    if (wrote > 0) t->length += (size_t)wrote;
    if (t->length >= t->bytes) t->length = t->bytes - 1;
}

static void add_real(Text *t, double value) {
    if (isnan(value)) add(t, "nan");
    else add(t, "%.6g", value);
}

static void add_value(Text *t, const Expr *e, double value) {
    if (e->is_real) add_real(t, value);
    else add(t, "%.0f", value);
}

static void add_string(Text *t, const Work *w, int number) { add(t, "%.*s", w->strings[number].length, w->strings[number].text); }

void couplet_element_text(const char *name, int rank, const int64_t *shape, int64_t element, char *text, size_t bytes) {
    Text t = {text, 0, bytes};
    int64_t index[COUPLET_MAX_RANK];
    for (int i = rank - 1; i >= 0; i--) {
        index[i] = element % shape[i];
        element /= shape[i];
    }
    add(&t, "%s", name);
    for (int i = 0; i < rank; i++) add(&t, i ? ", %lld" : "[%lld", (long long)index[i]);
    if (rank) add(&t, "]");
}

/* " for i = 3, j = 4"; of indices without a name " for element [3, 4]"; nothing where there is no index. */
static void add_point(Text *t, const Point *p, uint32_t which) {
    const Formula *f = p->formula;
    bool named = true;
    int count = 0;
    for (int i = 0; i < f->rank + f->red_rank; i++) {
        if (!(which >> i & 1)) continue;
        named &= f->index_name[i] >= 0 || f->extent[i] == 1;
        count++;
    }
    const char *between = named ? " for " : " for element [";
    for (int i = 0; i < f->rank + f->red_rank; i++) {
        if (!(which >> i & 1) || (named && f->index_name[i] < 0)) continue;
        add(t, "%s", between);
        if (named) add_string(t, p->work, f->index_name[i]), add(t, " = ");
        add(t, "%lld", (long long)p->index[i]);
        between = ", ";
    }
    if (!named && count) add(t, "]");
}

static uint32_t all_indices(const Formula *f) { return (1u << f->rank) - 1; }

static void add_expr(Text *t, Point *p, int number, int binds);

/* An element that is read: `y[1]`, or its value where the array has no name. */
static void add_load(Text *t, Point *p, int number) {
    const Expr *e = &p->formula->exprs[number];
    if (e->name < 0) {
        add_value(t, e, eval(p, number));
        return;
    }
    add_string(t, p->work, e->name);
    for (int i = 0; i < e->rank; i++) add(t, i ? ", %.0f" : "[%.0f", eval(p, e->args[i]));
    if (e->rank) add(t, "]");
}

typedef struct Written {
    const char *before, *between, *after;
    int binds; /* how tightly, as an operator; 0: in parentheses of its own */
} Written;

static const Written written[COUPLET_OP_COUNT] = {
    [COUPLET_OP_ADD] = {"", " + ", "", 1},
    [COUPLET_OP_SUB] = {"", " - ", "", 1},
    [COUPLET_OP_MUL] = {"", " * ", "", 2},
    [COUPLET_OP_DIV] = {"", " / ", "", 2},
    [COUPLET_OP_FLOORDIV] = {"", " div ", "", 2},
    [COUPLET_OP_MOD] = {"", " mod ", "", 2},
    [COUPLET_OP_NEG] = {"-", "", "", 3},
    [COUPLET_OP_POW] = {"", " ^ ", "", 4},
    [COUPLET_OP_MAX] = {"max(", ", ", ")", 0},
    [COUPLET_OP_MIN] = {"min(", ", ", ")", 0},
    [COUPLET_OP_EXP] = {"exp(", "", ")", 0},
    [COUPLET_OP_EXPM1] = {"expm1(", "", ")", 0},
    [COUPLET_OP_LOG] = {"log(", "", ")", 0},
    [COUPLET_OP_LOG1P] = {"log(1 + ", "", ")", 0},
    [COUPLET_OP_SQRT] = {"sqrt(", "", ")", 0},
    [COUPLET_OP_RSQRT] = {"1 / sqrt(", "", ")", 0},
    [COUPLET_OP_TANH] = {"tanh(", "", ")", 0},
    [COUPLET_OP_SIGMOID] = {"sigmoid(", "", ")", 0},
    [COUPLET_OP_SOFTPLUS] = {"softplus(", "", ")", 0},
    [COUPLET_OP_ERF] = {"erf(", "", ")", 0},
    [COUPLET_OP_SIN] = {"sin(", "", ")", 0},
    [COUPLET_OP_COS] = {"cos(", "", ")", 0},
    [COUPLET_OP_ABS] = {"abs(", "", ")", 0},
    [COUPLET_OP_SIGN] = {"sign(", "", ")", 0},
    [COUPLET_OP_FLOOR] = {"floor(", "", ")", 0},
    [COUPLET_OP_CEIL] = {"ceil(", "", ")", 0},
    [COUPLET_OP_ROUND] = {"round(", "", ")", 0},
    [COUPLET_OP_TO_REAL] = {"", "", "", 5},
    [COUPLET_OP_TO_INT] = {"", "", "", 5},
};

/* An index expression as the text has it, with numbers for its indices. Binds looser than its surroundings: in parentheses. */
static void add_expr(Text *t, Point *p, int number, int binds) {
    const Expr *e = &p->formula->exprs[number];
    const Written *how = &written[e->op];
    if (e->op == COUPLET_OP_LOAD) {
        add_load(t, p, number);
    } else if (!how->before) {
        add_value(t, e, eval(p, number));
    } else {
        const bool parentheses = how->binds && how->binds < binds;
        add(t, "%s%s", parentheses ? "(" : "", how->before);
        for (int i = 0; i < e->arg_count; i++) {
            if (i) add(t, "%s", how->between);
            add_expr(t, p, e->args[i], how->binds + i);
        }
        add(t, "%s%s", how->after, parentheses ? ")" : "");
    }
}

/* An operation on the values that it got: `log(-4)`, `1 / 0`. */
static void add_operation(Text *t, Point *p, int number) {
    const Expr *e = &p->formula->exprs[number];
    const Written *how = &written[e->op];
    if (!how->before) {
        add(t, "this");
        return;
    }
    add(t, "%s", how->before);
    for (int i = 0; i < e->arg_count; i++) {
        const double value = eval(p, e->args[i]);
        const bool parentheses = how->binds && signbit(value) && !isnan(value) && i > 0;
        if (i) add(t, "%s", how->between);
        if (parentheses) add(t, "(");
        add_value(t, &p->formula->exprs[e->args[i]], value);
        if (parentheses) add(t, ")");
    }
    add(t, "%s", how->after);
}

static bool in_library(const Work *w, const Place *place) {
    static const char library[] = "stdlib/";
    const String *path = &w->strings[place->path];
    return path->length > (int)sizeof library - 1 && memcmp(path->text, library, sizeof library - 1) == 0;
}

static void write_place(const Work *w, const Place *place, char *text, size_t bytes) {
    const String *path = &w->strings[place->path];
    snprintf(text, bytes, "%.*s:%lld:%lld", path->length, path->text, (long long)place->line, (long long)place->column);
}

/* The first place on the way out of the library is the user's. */
static void set_place(const Work *w, int number, CoupletFinding *out) {
    out->place[0] = out->inner[0] = 0;
    if (number < 0) return;
    int user = number;
    while (in_library(w, &w->places[user]) && w->places[user].call >= 0) user = w->places[user].call;
    write_place(w, &w->places[user], out->place, sizeof out->place);
    if (user != number) write_place(w, &w->places[number], out->inner, sizeof out->inner);
}

static Text begin_finding(CoupletFinding *out, CoupletFaultKind kind) {
    *out = (CoupletFinding){.kind = kind, .buffer = -1};
    return (Text){out->sentence, 0, sizeof out->sentence};
}

/* ---- faults -------------------------------------------------------------------------------------------------------------- */

/* What must hold for an expression to be worked out, the innermost first. */
typedef struct Condition {
    int expr; /* -1: nothing */
    bool truth;
    const struct Condition *outer;
} Condition;

typedef struct Search {
    Point point;
    bool *seen; /* by expression */
    CoupletFinding *out;
    bool found;
} Search;

static bool all_hold(Point *p, const Condition *c) {
    bool good = true;
    const Condition *list[DEEPEST_CONDITIONS];
    int count = 0;
    for (; c && count < DEEPEST_CONDITIONS; c = c->outer)
        if (c->expr >= 0) list[count++] = c;
    for (int i = count - 1; i >= 0 && good; i--) good = (eval(p, list[i]->expr) != 0) == list[i]->truth; /* the outer ones first: they keep the inner ones' reads inside */
    return good;
}

static uint32_t indices_of(const Formula *f, const Condition *c) {
    uint32_t indices = 0;
    for (; c; c = c->outer)
        if (c->expr >= 0) indices |= f->exprs[c->expr].indices;
    return indices;
}

/* The next point over some of the indices, the others being 0. */
static bool advance_some(int64_t *index, const Formula *f, uint32_t which) {
    for (int i = f->rank + f->red_rank - 1; i >= 0; i--) {
        if (!(which >> i & 1)) continue;
        if (++index[i] < f->extent[i]) return true;
        index[i] = 0;
    }
    return false;
}

static const char *advice_of(CoupletFaultKind kind) {
    switch (kind) {
    case COUPLET_FAULT_INDEX: return "a guard leaves such elements out (`| 0 <= y[i] and y[i] < C`), and `(o[i, y[i]] else 0)` says what a read outside is worth";
    case COUPLET_FAULT_EMPTY: return "`(mean[j | ..] .. else 0)` says what a reduction without a term is worth";
    case COUPLET_FAULT_FEW: return "ask for fewer, or let more fulfil the guard";
    case COUPLET_FAULT_SINGULAR: return "add a little to the diagonal: `a[i, j] + (if i == j then 1e-6 else 0)`";
    case COUPLET_FAULT_COST: return "keep the costs finite: they are compared with each other";
    case COUPLET_FAULT_BETA: return "keep both parameters above 0";
    case COUPLET_FAULT_WHOLE: return "reals hold larger numbers, to seven digits: `real(y[i]) * 100000`";
    case COUPLET_NO_FAULT:
    case COUPLET_FAULT_MEMORY:
    case COUPLET_FAULT_DEVICE:
    case COUPLET_FAULT_NAN:
    case COUPLET_FAULT_INFINITE: break;
    }
    return NULL;
}

static void report_index(Search *s, int number, int axis, double index) {
    Point *p = &s->point;
    const Expr *e = &p->formula->exprs[number];
    Text t = begin_finding(s->out, COUPLET_FAULT_INDEX);
    add_expr(&t, p, e->args[axis], 0);
    add(&t, " is %.0f, and axis %d of ", index, axis + 1);
    if (e->name >= 0) add(&t, "`"), add_string(&t, p->work, e->name), add(&t, "`");
    else add(&t, "the array that it reads");
    add(&t, " has 0 to %lld", (long long)e->shape[axis] - 1);
    s->out->advice = advice_of(COUPLET_FAULT_INDEX);
    set_place(p->work, e->place >= 0 ? e->place : p->formula->place, s->out);
    s->found = true;
}

/* Whether a read leaves its array anywhere where its conditions hold. */
static void check_load(Search *s, int number, const Condition *c) {
    Point *p = &s->point;
    Formula *f = p->formula;
    const Expr *e = &f->exprs[number];
    uint32_t which = indices_of(f, c);
    for (int i = 0; i < e->rank; i++)
        if (e->may_leave[i]) which |= f->exprs[e->args[i]].indices;
    memset(p->index, 0, sizeof p->index);
    do {
        f->turn++;
        double index;
        if (!all_hold(p, c)) continue;
        for (int i = 0; i < e->rank; i++) {
            if (!e->may_leave[i] || !leaves(p, e, i, &index)) continue;
            report_index(s, number, i, index);
            return;
        }
    } while (advance_some(p->index, f, which) && p->work->left > 0);
}

static bool can_leave(const Expr *e) {
    bool can = false;
    for (int i = 0; i < e->rank; i++) can |= e->may_leave[i];
    return can && !e->has_else;
}

static void report_real(Search *s, int number) {
    Point *p = &s->point;
    const Expr *e = &p->formula->exprs[number];
    Text t = begin_finding(s->out, COUPLET_FAULT_WHOLE);
    if (p->formula->exprs[e->args[0]].op == COUPLET_OP_REAL) add(&t, "a number here");
    else add_expr(&t, p, e->args[0], 0);
    add(&t, " is ");
    add_real(&t, eval(p, e->args[0]));
    add(&t, ", and as an int it has to lie in -2147483648 to 2147483647");
    s->out->advice = "a guard or an `if` leaves such elements out, and `real(floor(x[i]))` keeps them as reals";
    set_place(p->work, e->place >= 0 ? e->place : p->formula->place, s->out);
    s->found = true;
}

/* Whether a real does not fit as an int anywhere where its conditions hold. */
static void check_real(Search *s, int number, const Condition *c) {
    Point *p = &s->point;
    Formula *f = p->formula;
    const uint32_t which = indices_of(f, c) | f->exprs[number].indices;
    memset(p->index, 0, sizeof p->index);
    do {
        f->turn++;
        if (!all_hold(p, c) || fits_int(eval(p, f->exprs[number].args[0])) || p->work->left <= 0) continue;
        report_real(s, number);
        return;
    } while (advance_some(p->index, f, which) && p->work->left > 0);
}

/* Reads, and reals as ints, ahead of what is made of them. */
static void check_reads(Search *s, int number, const Condition *c) {
    if (number < 0 || s->found || s->seen[number]) return;
    s->seen[number] = true;
    const Expr *e = &s->point.formula->exprs[number];
    for (int i = 0; i < e->arg_count && !s->found; i++) {
        const bool is_lazy = i > 0 && (e->op == COUPLET_OP_SELECT || e->op == COUPLET_OP_AND || e->op == COUPLET_OP_OR);
        const Condition here = {is_lazy ? e->args[0] : -1, e->op == COUPLET_OP_SELECT ? i == 1 : e->op == COUPLET_OP_AND, c};
        check_reads(s, e->args[i], &here);
    }
    if (!s->found && e->op == COUPLET_OP_LOAD && can_leave(e)) check_load(s, number, c);
    if (!s->found && e->op == COUPLET_OP_TO_INT) check_real(s, number, c);
}

/* Of a whole number that 64 bits do not hold, or of a divisor that is 0. */
static void report_wrapped(Search *s, int number, double value) {
    Point *p = &s->point;
    Text t = begin_finding(s->out, COUPLET_FAULT_WHOLE);
    add_expr(&t, p, number, 0);
    add(&t, " is ");
    add_real(&t, value);
    add(&t, value == 0 ? ": a whole number is divided by it" : ", and whole numbers are computed in 64 bits, up to 9.2e18");
    s->out->advice = value == 0 ? "a guard or an `if` leaves such elements out" : advice_of(COUPLET_FAULT_WHOLE);
    set_place(p->work, p->formula->exprs[number].place >= 0 ? p->formula->exprs[number].place : p->formula->place, s->out);
    s->found = true;
}

/* Whether 64 bits do not hold a whole number that is computed, or a divisor is 0, anywhere where its conditions hold. */
static void check_wrap(Search *s, int number, bool divides, const Condition *c) {
    Point *p = &s->point;
    Formula *f = p->formula;
    const uint32_t which = indices_of(f, c) | f->exprs[number].indices;
    memset(p->index, 0, sizeof p->index);
    do {
        f->turn++;
        if (!all_hold(p, c)) continue;
        const double value = eval(p, number);
        if ((divides ? value != 0 : fabs(value) < 0x1p63) || p->work->left <= 0) continue;
        report_wrapped(s, number, value);
        return;
    } while (advance_some(p->index, f, which) && p->work->left > 0);
}

static void check_arithmetic(Search *s, int number, const Condition *c) {
    if (number < 0 || s->found || s->seen[number]) return;
    s->seen[number] = true;
    const Expr *e = &s->point.formula->exprs[number];
    for (int i = 0; i < e->arg_count && !s->found; i++) {
        const bool is_lazy = i > 0 && (e->op == COUPLET_OP_SELECT || e->op == COUPLET_OP_AND || e->op == COUPLET_OP_OR);
        const Condition here = {is_lazy ? e->args[0] : -1, e->op == COUPLET_OP_SELECT ? i == 1 : e->op == COUPLET_OP_AND, c};
        check_arithmetic(s, e->args[i], &here);
    }
    const bool computes = e->op == COUPLET_OP_ADD || e->op == COUPLET_OP_SUB || e->op == COUPLET_OP_MUL || e->op == COUPLET_OP_NEG;
    const bool divides = e->op == COUPLET_OP_FLOORDIV || e->op == COUPLET_OP_MOD;
    if (!s->found && divides) check_wrap(s, e->args[1], true, c);
    else if (!s->found && computes && !e->is_real) check_wrap(s, number, false, c);
}

static void check_empty(Search *s) {
    Point *p = &s->point;
    Formula *f = p->formula;
    if (!f->empty_is_fault || f->guard < 0) return;
    const uint32_t reads = f->exprs[f->guard].indices | (f->active >= 0 ? f->exprs[f->active].indices : 0), own = reads & all_indices(f), reduced = reads & ~own;
    memset(p->index, 0, sizeof p->index);
    do {
        f->turn++;
        if (!holds(p, f->active)) continue;
        bool any = false;
        memset(p->index + f->rank, 0, sizeof *p->index * (size_t)f->red_rank);
        do {
            f->turn++;
            any = eval(p, f->guard) != 0;
        } while (!any && advance_some(p->index, f, reduced) && p->work->left > 0);
        if (any) continue;
        if (p->work->left <= 0) return;
        Text t = begin_finding(s->out, COUPLET_FAULT_EMPTY);
        add(&t, "no ");
        const char *between = "";
        for (int i = f->rank; i < f->rank + f->red_rank; i++) {
            if (f->index_name[i] < 0) continue;
            add(&t, "%s`", between), add_string(&t, p->work, f->index_name[i]), add(&t, "`");
            between = ", ";
        }
        add(&t, "%s fulfils the guard", *between ? "" : "term");
        add_point(&t, p, own);
        s->out->advice = advice_of(COUPLET_FAULT_EMPTY);
        set_place(p->work, f->place, s->out);
        s->found = true;
        return;
    } while (advance_some(p->index, f, own) && p->work->left > 0);
}

/* An element that is stored as an int, and does not fit. */
static void check_stored(Search *s) {
    Point *p = &s->point;
    Formula *f = p->formula;
    if (f->exprs[f->value].is_real || (f->reducer != COUPLET_REDUCE_NONE && f->reducer != COUPLET_REDUCE_SUM)) return;
    memset(p->index, 0, sizeof p->index);
    do {
        const double value = element_of(p);
        if (fits_int(value) || p->work->left <= 0) continue;
        Text t = begin_finding(s->out, COUPLET_FAULT_WHOLE);
        add(&t, "a whole number is outside -2147483648 to 2147483647");
        add_point(&t, p, all_indices(f));
        add(&t, ": it is %.0f", value);
        s->out->advice = advice_of(COUPLET_FAULT_WHOLE);
        set_place(p->work, f->place, s->out);
        s->found = true;
        return;
    } while (advance_some(p->index, f, all_indices(f)) && p->work->left > 0);
}

static void check_compute(Search *s) {
    const Formula *f = s->point.formula;
    s->seen = calloc((size_t)f->expr_count + 1, sizeof *s->seen);
    if (!s->seen) return;
    const Condition active = {f->active, true, NULL}, guard = {f->guard, true, &active};
    check_reads(s, f->active, NULL);
    check_reads(s, f->guard, &active);
    check_reads(s, f->value, &guard);
    if (!s->found) check_empty(s);
    if (!s->found) check_stored(s);
    if (!s->found) {
        memset(s->seen, 0, (size_t)f->expr_count + 1);
        check_arithmetic(s, f->guard, &active);
        check_arithmetic(s, f->value, &guard);
    }
    free(s->seen);
}

/* The row's number as indices of the first axes. */
static void set_row(Point *p, int axes, int64_t row) {
    for (int i = axes - 1; i >= 0; i--) {
        p->index[i] = row % p->formula->extent[i];
        row /= p->formula->extent[i];
    }
}

static int64_t product(const int64_t *extent, int count) {
    int64_t all = 1;
    for (int i = 0; i < count; i++) all *= extent[i];
    return all;
}

static void report_few(Search *s, int axes, int64_t asked, int64_t there) {
    Text t = begin_finding(s->out, COUPLET_FAULT_FEW);
    add(&t, "topk asks for %lld", (long long)asked);
    add_point(&t, &s->point, axes ? (1u << axes) - 1 : 0);
    add(&t, there == 1 ? ", and %lld candidate fulfils its guard" : ", and %lld candidates fulfil its guard", (long long)there);
    s->out->advice = advice_of(COUPLET_FAULT_FEW);
    set_place(s->point.work, s->point.formula->place, s->out);
    s->found = true;
}

static int64_t candidates_in(Work *w, int buffer, int64_t row, int64_t length) {
    int64_t there = 0;
    for (int64_t i = 0; i < length && w->left-- > 0; i++) there += !(w->arrays->read(w->arrays->context, buffer, row * length + i) == -INFINITY);
    return there;
}

static void check_topk(Search *s, int axes, int buffer, int64_t length, int64_t asked) {
    Work *w = s->point.work;
    const int64_t rows = product(s->point.formula->extent, axes);
    for (int64_t row = 0; row < rows && !s->found && w->left > 0; row++) {
        const int64_t there = candidates_in(w, buffer, row, length);
        if (there >= asked || w->left <= 0) continue;
        set_row(&s->point, axes, row);
        report_few(s, axes, asked, there);
    }
}

static void report_call(Search *s, int axes, CoupletFaultKind kind, double *const *in) {
    const Formula *f = s->point.formula;
    Text t = begin_finding(s->out, kind);
    if (kind == COUPLET_FAULT_SINGULAR) {
        add(&t, "solve meets a singular matrix");
        add_point(&t, &s->point, axes ? (1u << axes) - 1 : 0);
        add(&t, ": its equations have no solution, or many");
    } else if (kind == COUPLET_FAULT_COST) {
        int64_t at = 0;
        while (at < f->size.rows * f->size.columns - 1 && isfinite(in[0][at])) at++;
        add(&t, "assignment needs costs that are finite numbers, and that of row %lld in column %lld is ", (long long)(at / f->size.columns), (long long)(at % f->size.columns));
        add_real(&t, in[0][at]);
        add_point(&t, &s->point, axes ? (1u << axes) - 1 : 0);
    } else {
        add(&t, "a beta distribution needs two positive parameters, and meets ");
        add_real(&t, in[1][0]);
        add(&t, " and ");
        add_real(&t, in[2][0]);
        add_point(&t, &s->point, axes ? (1u << axes) - 1 : 0);
    }
    s->out->advice = advice_of(kind);
    set_place(s->point.work, f->place, s->out);
    s->found = true;
}

static void check_call(Search *s) {
    const Formula *f = s->point.formula;
    Work *w = s->point.work;
    const CoupletCall *call = &couplet_calls[f->call];
    const int axes = f->rank - call->result_axes;
    if (f->call == COUPLET_CALL_SELECT) {
        check_topk(s, axes, f->operands[0], f->size.rows, f->size.result);
        return;
    }
    double *in[COUPLET_CALL_OPERANDS] = {NULL}, *out = calloc((size_t)f->size.result + 1, sizeof *out), *work = calloc((size_t)couplet_call_work(&f->size) + 1, sizeof *work);
    bool good = out && work;
    for (int i = 0; i < f->operand_count; i++) good = (in[i] = calloc((size_t)couplet_call_elements(call->operand_axes[i], &f->size) + 1, sizeof *in[i])) != NULL && good;
    for (int64_t row = 0; row < f->rows && good && !s->found && w->left > 0; row++) {
        for (int i = 0; i < f->operand_count; i++) {
            const int64_t count = couplet_call_elements(call->operand_axes[i], &f->size);
            for (int64_t k = 0; k < count; k++) in[i][k] = w->arrays->read(w->arrays->context, f->operands[i], row * count + k);
            w->left -= count;
        }
        const CoupletFaultKind met = call->run(&f->size, in, out, work);
        set_row(&s->point, axes, row);
        if (met != COUPLET_NO_FAULT) report_call(s, axes, met, in);
    }
    for (int i = 0; i < COUPLET_CALL_OPERANDS; i++) free(in[i]);
    free(out);
    free(work);
}

int couplet_formula_count(const CoupletPlan *plan, int step) {
    Work w;
    if (!work_begin(&w, plan, step, NULL)) return 0;
    const int count = w.results;
    work_end(&w);
    return count;
}

bool couplet_formula_fault(const CoupletPlan *plan, int step, int from, int count, const CoupletArrays *arrays, CoupletFinding *out) {
    Work w;
    if (!work_begin(&w, plan, step, arrays)) return false;
    bool found = false;
    for (int i = from; i < from + count && i < w.results && !found; i++) {
        Search s = {.point = {&w, &w.formulas[i], {0}}, .out = out};
        const Formula *f = s.point.formula;
        if (f->kind == COUPLET_FORMULA_COMPUTE) check_compute(&s);
        else if (f->kind == COUPLET_FORMULA_CALL) check_call(&s);
        else check_topk(&s, f->rank - 1, f->candidates_buffer, f->candidates, f->extent[f->rank - 1]);
        found = s.found;
    }
    work_end(&w);
    return found;
}

/* ---- values that are not finite --------------------------------------------------------------------------------------- */

/* Why an operation's result is not finite although what it got is. */
static const char *advice_of_operation(const Point *p, const Expr *e, bool is_slope) {
    (void)p;
    switch (e->op) {
    case COUPLET_OP_DIV:
        if (is_slope) return "the slope has no end here: keep what is divided by away from 0, as `sqrt(x + 1e-12)` does";
        return "keep the divisor away from 0: add a small number to it, or leave such terms out with a guard";
    case COUPLET_OP_LOG:
    case COUPLET_OP_LOG1P: return "keep what the logarithm is taken of above 0: add a small number to it, or leave such terms out with a guard";
    case COUPLET_OP_SQRT:
    case COUPLET_OP_RSQRT:
    case COUPLET_OP_POW: return "keep what the root is taken of above 0: `max(x, 1e-12)`";
    case COUPLET_OP_SELECT: return "a sum of squares, or a length, is beyond float32 here: scale or normalise what it is made of";
    case COUPLET_OP_EXP:
    case COUPLET_OP_EXPM1: return "exp overflows from 88.7 on: take the logarithm of the whole sum (`logsumexp[j] ..`), or divide by a larger temperature";
    case COUPLET_OP_ADD:
    case COUPLET_OP_SUB:
    case COUPLET_OP_MUL: return "float32 ends at 3.4e38: normalise what is added or multiplied here";
    default: return NULL;
    }
}

static void blame_load(Point *p, int number, CoupletFinding *out) {
    const Expr *e = &p->formula->exprs[number];
    const double value = eval(p, number);
    Text t = begin_finding(out, isnan(value) ? COUPLET_FAULT_NAN : COUPLET_FAULT_INFINITE);
    add_load(&t, p, number);
    if (e->name >= 0) add(&t, " is "), add_real(&t, value);
    else add(&t, " is read here");
    out->buffer = e->is_pairs ? -1 : e->array;
    out->element = 0;
    for (int i = 0; i < e->rank; i++) out->element = out->element * e->shape[i] + (int64_t)eval(p, e->args[i]);
    set_place(p->work, e->place >= 0 ? e->place : p->formula->place, out);
}

/* Goes down to the first part that is not finite although its own parts are. Of several the first that is no number, or else the first that is infinite. */
static void blame(Point *p, int number, CoupletFinding *out) {
    const Expr *e = &p->formula->exprs[number];
    for (;;) {
        int worse = -1;
        if (e->op == COUPLET_OP_LOAD) break;
        for (int i = 0; i < e->arg_count; i++) {
            const Expr *arg = &p->formula->exprs[e->args[i]];
            if (e->op == COUPLET_OP_SELECT && i != (eval(p, e->args[0]) != 0 ? 1 : 2)) continue;
            if (!arg->is_real || isfinite(eval(p, e->args[i]))) continue;
            if (worse < 0 || (isnan(eval(p, e->args[i])) && !isnan(eval(p, worse)))) worse = e->args[i];
        }
        if (worse < 0 || p->formula->exprs[worse].op == COUPLET_OP_REAL) break;
        number = worse;
        e = &p->formula->exprs[number];
    }
    if (e->op == COUPLET_OP_LOAD && !e->is_pairs) {
        blame_load(p, number, out);
        return;
    }
    const double value = eval(p, number);
    const bool is_slope = e->place >= 0 && p->work->places[e->place].is_slope;
    Text t = begin_finding(out, isnan(value) ? COUPLET_FAULT_NAN : COUPLET_FAULT_INFINITE);
    if (is_slope) add(&t, "in the gradient, ");
    add_operation(&t, p, number);
    add(&t, " is ");
    add_real(&t, value);
    add_point(&t, p, e->indices);
    out->advice = advice_of_operation(p, e, is_slope);
    set_place(p->work, e->place >= 0 ? e->place : p->formula->place, out);
}

/* The term of a reduction that is not finite, or the whole: finite numbers whose sum is none. */
static void blame_reduction(Point *p, CoupletFinding *out) {
    Formula *f = p->formula;
    int64_t worst[MOST_INDICES], terms = 0;
    bool found = false, is_nan = false;
    memset(p->index + f->rank, 0, sizeof *p->index * (size_t)f->red_rank);
    do {
        f->turn++;
        if (!holds(p, f->guard)) continue;
        const double v = eval(p, f->value);
        terms++;
        if (isfinite(v) || (found && (is_nan || !isnan(v))) || (f->reducer == COUPLET_REDUCE_LSE && v == -INFINITY)) continue;
        found = true;
        is_nan = isnan(v);
        memcpy(worst, p->index, sizeof worst);
    } while (!is_nan && advance(p->index, f->extent, f->rank, f->red_rank) && p->work->left > 0);
    if (found) {
        memcpy(p->index, worst, sizeof worst);
        f->turn++;
        blame(p, f->value, out);
        return;
    }
    Text t = begin_finding(out, COUPLET_FAULT_INFINITE);
    if (terms == 0) add(&t, "a reduction without a term is infinite");
    else add(&t, "the sum of %lld finite terms is larger than float32 holds", (long long)terms);
    add_point(&t, p, all_indices(f));
    out->advice = "float32 ends at 3.4e38: normalise what is added here";
    set_place(p->work, f->place, out);
}

bool couplet_formula_origin(const CoupletPlan *plan, int step, int buffer, int64_t element, const CoupletArrays *arrays, CoupletFinding *out) {
    Work w;
    if (!work_begin(&w, plan, step, arrays)) return false;
    bool found = false;
    for (int i = 0; i < w.results && !found; i++) {
        Point p = {&w, &w.formulas[i], {0}};
        Formula *f = p.formula;
        if (f->buffer != buffer || f->kind != COUPLET_FORMULA_COMPUTE) continue;
        set_row(&p, f->rank, element);
        f->turn++;
        if (f->reducer == COUPLET_REDUCE_NONE) {
            if (isfinite(element_of(&p))) break; /* its arrays are no more what they were */
            blame(&p, f->value, out);
        } else {
            blame_reduction(&p, out);
        }
        found = w.left > 0;
    }
    work_end(&w);
    return found;
}
