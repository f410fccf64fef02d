/* Evaluates an element of a formula, and its parts, as a kernel does: rounded to float32 after each
 * operation, unless CoupletArrays.exact asks for doubles. */
#include "runtime/formula_parts.h"

static double rounded(const Work *w, double value) {
    return w->arrays->exact ? value : (double)(float)value;
}

/* True if the subscript of an axis is outside its array. */
bool couplet_formula_leaves(Point *p, const Expr *e, int axis, double *index) {
    *index = couplet_formula_eval(p, e->args[axis]);
    return !(*index >= 0 && *index < (double)e->shape[axis]);
}

static double eval_load(Point *p, const Expr *e) {
    int64_t at = 0;
    int64_t index[COUPLET_MAX_RANK];
    for (int i = 0; i < e->rank; i++) {
        double subscript;
        if (couplet_formula_leaves(p, e, i, &subscript))
            return e->has_else ? couplet_formula_eval(p, e->args[e->rank]) : 0;
        index[i] = (int64_t)subscript;
        at = at * e->shape[i] + index[i];
    }
    if (e->is_pairs) {
        Point inner = {p->work, &p->work->formulas[e->array], {0}};
        memcpy(inner.index, index, sizeof *index * (size_t)e->rank);
        return couplet_formula_element_of(&inner);
    }
    const double value = p->work->arrays->read(p->work->arrays->context, e->array, at);
    return e->is_byte ? value / 255 : value;
}

static double read_at(Work *w, int buffer, int64_t element) {
    return buffer < 0 ? 0 : w->arrays->read(w->arrays->context, buffer, element);
}

bool couplet_formula_fits_int(double a) {
    return a >= INT32_MIN && a < 0x1p31;
}

static double eval_random(Point *p, const Expr *e) {
    Work *w = p->work;
    const uint32_t low = (uint32_t)(int64_t)read_at(w, w->seed, 0);
    const uint32_t high = (uint32_t)(int64_t)read_at(w, w->seed, 1);
    const uint32_t step = (uint32_t)(int64_t)read_at(w, w->step, 0);
    return couplet_random_unit(low, high, step, (uint32_t)couplet_formula_eval(p, e->args[0]),
                               (uint64_t)couplet_formula_eval(p, e->args[1]),
                               (int)couplet_formula_eval(p, e->args[2]));
}

static double apply(Point *p, const Expr *e) {
    const double a = couplet_formula_eval(p, e->args[0]);
    const double b = e->arg_count > 1 ? couplet_formula_eval(p, e->args[1]) : 0;
    switch (e->op) {
    case COUPLET_OP_ADD:
        return a + b;
    case COUPLET_OP_SUB:
        return a - b;
    case COUPLET_OP_MUL:
        return a * b;
    case COUPLET_OP_DIV:
        return a / b;
    case COUPLET_OP_NEG:
        return -a;
    case COUPLET_OP_POW:
        return pow(a, b);
    case COUPLET_OP_MAX:
        return isnan(a) || a >= b ? a : b;
    case COUPLET_OP_MIN:
        return isnan(a) || a <= b ? a : b;
    case COUPLET_OP_EXP:
        return exp(a);
    case COUPLET_OP_EXPM1:
        return expm1(a);
    case COUPLET_OP_LOG:
        return log(a);
    case COUPLET_OP_LOG1P:
        return log1p(a);
    case COUPLET_OP_SQRT:
        return sqrt(a);
    case COUPLET_OP_ROOT:
        return b;
    case COUPLET_OP_RSQRT:
        return 1 / sqrt(a);
    case COUPLET_OP_TANH:
        return tanh(a);
    case COUPLET_OP_SIGMOID:
        return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a));
    case COUPLET_OP_SOFTPLUS:
        return a > 0 ? a + log1p(exp(-a)) : log1p(exp(a));
    case COUPLET_OP_ERF:
        return erf(a);
    case COUPLET_OP_SIN:
        return sin(a);
    case COUPLET_OP_COS:
        return cos(a);
    case COUPLET_OP_ABS:
        return fabs(a);
    case COUPLET_OP_SIGN:
        return isnan(a) ? a : (a > 0) - (a < 0);
    case COUPLET_OP_FLOOR:
        return floor(a);
    case COUPLET_OP_CEIL:
        return ceil(a);
    case COUPLET_OP_ROUND:
        return rint(a);
    case COUPLET_OP_TO_REAL:
        return a;
    case COUPLET_OP_TO_INT:
        return couplet_formula_fits_int(a) ? trunc(a) : 0; /* kernels do the same */
    case COUPLET_OP_FLOORDIV:
        return b != 0 ? floor(a / b) : 0;
    case COUPLET_OP_MOD:
        return b != 0 ? a - b * floor(a / b) : 0;
    case COUPLET_OP_LT:
        return a < b;
    case COUPLET_OP_LE:
        return a <= b;
    case COUPLET_OP_EQ:
        return a == b;
    case COUPLET_OP_NE:
        return a != b;
    case COUPLET_OP_NOT:
        return a == 0;
    case COUPLET_OP_IS_FINITE:
        return isfinite(a);
    case COUPLET_OP_AND:
    case COUPLET_OP_OR:
    case COUPLET_OP_SELECT:
    case COUPLET_OP_CONST:
    case COUPLET_OP_INDEX:
    case COUPLET_OP_LOAD:
    case COUPLET_OP_RANDOM:
    case COUPLET_OP_REAL:
    case COUPLET_OP_INT:
    case COUPLET_OP_COUNT:
        break;
    }
    return 0;
}

/* Evaluates a part. Parts whose value is not needed are left out: the other arm of a choice, and
 * what stands behind a condition that is false. */
static double eval_new(Point *p, const Expr *e) {
    switch (e->op) {
    case COUPLET_OP_REAL:
    case COUPLET_OP_INT:
        return e->number;
    case COUPLET_OP_INDEX:
        return (double)p->index[(int)e->number];
    case COUPLET_OP_LOAD:
        return eval_load(p, e);
    case COUPLET_OP_RANDOM:
        return eval_random(p, e);
    case COUPLET_OP_SELECT:
        return couplet_formula_eval(p, e->args[0]) != 0 ? couplet_formula_eval(p, e->args[1])
                                                        : couplet_formula_eval(p, e->args[2]);
    case COUPLET_OP_AND:
        return couplet_formula_eval(p, e->args[0]) != 0 && couplet_formula_eval(p, e->args[1]) != 0;
    case COUPLET_OP_OR:
        return couplet_formula_eval(p, e->args[0]) != 0 || couplet_formula_eval(p, e->args[1]) != 0;
    default:
        return apply(p, e);
    }
}

double couplet_formula_eval(Point *p, int number) {
    Formula *f = p->formula;
    const Expr *e = &f->exprs[number];
    if (e->arg_count == 0 && e->op != COUPLET_OP_LOAD) return eval_new(p, e);
    if (f->known_at[number] == f->turn) return f->known[number];
    if (p->work->left-- <= 0) return 0;
    const uint64_t turn = f->turn;
    double value = eval_new(p, e);
    if (e->is_real) value = rounded(p->work, value);
    /* The value is kept if the turn is still the same. It always is, as long as no array of pairs
     * reads itself. */
    if (f->turn == turn) {
        f->known[number] = value;
        f->known_at[number] = turn;
    }
    return value;
}

/* Advances to the next point of a space, the last axis fastest. Returns false after the last
 * point. */
bool couplet_formula_advance(int64_t *index, const int64_t *extent, int from, int count) {
    for (int i = from + count - 1; i >= from; i--) {
        if (++index[i] < extent[i]) return true;
        index[i] = 0;
    }
    return false;
}

bool couplet_formula_holds(Point *p, int condition) {
    return condition < 0 || couplet_formula_eval(p, condition) != 0;
}

/* The state of a reduction. */
typedef struct Sum {
    double value;
    /* The largest term so far, for log-sum-exp. */
    double shift;
    int64_t power; /* for a product, which is value * 2^power */
    int64_t terms;
    int64_t position;
    int64_t winner;
} Sum;

static void sum_add(const Work *w, const Formula *f, Sum *s, double v) {
    const bool first = s->terms++ == 0;
    switch (f->reducer) {
    case COUPLET_REDUCE_MAX:
    case COUPLET_REDUCE_ARGMAX:
        if (first || v > s->value || (isnan(v) && !isnan(s->value)))
            s->value = v, s->winner = s->position;
        break;
    case COUPLET_REDUCE_MIN:
    case COUPLET_REDUCE_ARGMIN:
        if (first || v < s->value || (isnan(v) && !isnan(s->value)))
            s->value = v, s->winner = s->position;
        break;
    case COUPLET_REDUCE_ANY:
        s->value = s->value != 0 || v != 0;
        break;
    case COUPLET_REDUCE_ALL:
        s->value = (first || s->value != 0) && v != 0;
        break;
    case COUPLET_REDUCE_LSE:
    case COUPLET_REDUCE_LSE_REST:
        if (v > s->shift) {
            s->value = s->value * exp(s->shift - v) + 1;
            s->shift = v;
        } else if (v == INFINITY || isnan(v)) {
            s->value = NAN;
        } else if (v != -INFINITY) {
            s->value += exp(v - s->shift);
        }
        break;
    case COUPLET_REDUCE_PROD: {
        int more;
        s->value = frexp(first ? v : s->value * v, &more);
        s->power += isfinite(s->value) ? more : 0;
        break;
    }
    case COUPLET_REDUCE_NONE:
    case COUPLET_REDUCE_SUM:
        s->value += v;
        break; /* doubles are added; float32 may overflow when the sum is rounded */
    }
    (void)w;
}

static double with_power(double digits, int64_t power) {
    enum { BEYOND = 1 << 12 /* at half of this exponent a double is infinite, or 0 */ };
    return ldexp(digits, power > BEYOND ? BEYOND : power < -BEYOND ? -BEYOND : (int)power);
}

static double sum_result(const Formula *f, const Sum *s) {
    switch (f->reducer) {
    case COUPLET_REDUCE_LSE:
        return s->shift == -INFINITY && !isnan(s->value) ? -INFINITY : s->shift + log(s->value);
    case COUPLET_REDUCE_LSE_REST:
        return isinf(s->shift) && !isnan(s->value) ? s->shift : log(s->value);
    case COUPLET_REDUCE_ARGMAX:
    case COUPLET_REDUCE_ARGMIN:
        return (double)s->winner;
    case COUPLET_REDUCE_ALL:
        return s->terms ? s->value : 1;
    case COUPLET_REDUCE_MAX:
        return s->terms ? s->value : -INFINITY;
    case COUPLET_REDUCE_MIN:
        return s->terms ? s->value : INFINITY;
    case COUPLET_REDUCE_PROD:
        return s->terms ? with_power(s->value, s->power) : 1;
    case COUPLET_REDUCE_NONE:
    case COUPLET_REDUCE_SUM:
    case COUPLET_REDUCE_ANY:
        break;
    }
    return s->value;
}

/* Returns the element at the point's first indices. */
double couplet_formula_element_of(Point *p) {
    Formula *f = p->formula;
    f->turn++;
    if (!couplet_formula_holds(p, f->active)) return 0;
    if (f->reducer == COUPLET_REDUCE_NONE) return couplet_formula_eval(p, f->value);
    Sum sum = {.shift = -INFINITY};
    memset(p->index + f->rank, 0, sizeof *p->index * (size_t)f->red_rank);
    do {
        f->turn++;
        if (couplet_formula_holds(p, f->guard))
            sum_add(p->work, f, &sum, couplet_formula_eval(p, f->value));
        sum.position++;
    } while (couplet_formula_advance(p->index, f->extent, f->rank, f->red_rank) &&
             p->work->left > 0);
    const double value = sum_result(f, &sum);
    return f->exprs[f->value].is_real ? rounded(p->work, value) : value;
}

/* Sets the indices of the first axes from the row's number. */
void couplet_formula_set_row(Point *p, int axes, int64_t row) {
    for (int i = axes - 1; i >= 0; i--) {
        p->index[i] = row % p->formula->extent[i];
        row /= p->formula->extent[i];
    }
}
