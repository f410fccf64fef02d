/* Finds the first fault of a step: an index outside its array, a reduction without a term, a number
 * that 32 bits do not hold. */
#include "runtime/formula_parts.h"

/* A condition under which an expression is evaluated. `outer` is the next condition outwards. */
typedef struct Condition {
    int expr; /* the number of the expression; -1: none */
    bool truth;
    const struct Condition *outer;
} Condition;

typedef struct Search {
    Point point;
    bool *seen; /* by expression: true if it was checked */
    CoupletFinding *out;
    bool found;
} Search;

/* True if the condition and all conditions around it hold at the point. */
static bool all_hold(Point *p, const Condition *c) {
    bool good = true;
    const Condition *list[DEEPEST_CONDITIONS];
    int count = 0;
    for (; c && count < DEEPEST_CONDITIONS; c = c->outer)
        if (c->expr >= 0) list[count++] = c;
    for (int i = count - 1; i >= 0 && good; i--)
        good = (couplet_formula_eval(p, list[i]->expr) != 0) ==
               /* Outer conditions are evaluated first, because they keep the reads of inner
                * conditions inside their arrays. */
               list[i]->truth;
    return good;
}

/* Returns the indices that the conditions read, a bit for each. */
static uint32_t indices_of(const Formula *f, const Condition *c) {
    uint32_t indices = 0;
    for (; c; c = c->outer)
        if (c->expr >= 0) indices |= f->exprs[c->expr].indices;
    return indices;
}

/* Advances the indices of `which`, a bit for each, to their next values. The other indices stay 0.
 * Returns false after the last values. */
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
    case COUPLET_FAULT_INDEX:
        return "a guard leaves such elements out (`| 0 <= y[i] and y[i] < C`), and `(o[i, y[i]] "
               "else 0)` says what a read outside is worth";
    case COUPLET_FAULT_EMPTY:
        return "`(mean[j | ..] .. else 0)` says what a reduction without a term is worth";
    case COUPLET_FAULT_FEW:
        return "ask for fewer, or let more fulfil the guard";
    case COUPLET_FAULT_SINGULAR:
        return "add a little to the diagonal: `a[i, j] + (if i == j then 1e-6 else 0)`";
    case COUPLET_FAULT_COST:
        return "keep the costs finite: they are compared with each other";
    case COUPLET_FAULT_BETA:
        return "keep both parameters above 0";
    case COUPLET_FAULT_WHOLE:
        return "reals hold larger numbers, to seven digits: `real(y[i]) * 100000`";
    case COUPLET_NO_FAULT:
    case COUPLET_FAULT_MEMORY:
    case COUPLET_FAULT_DEVICE:
    case COUPLET_FAULT_NAN:
    case COUPLET_FAULT_INFINITE:
        break;
    }
    return NULL;
}

static void report_index(Search *s, int number, int axis, double index) {
    Point *p = &s->point;
    const Expr *e = &p->formula->exprs[number];
    Text t = couplet_formula_begin_finding(s->out, COUPLET_FAULT_INDEX);
    couplet_formula_add_expr(&t, p, e->args[axis], 0);
    couplet_formula_add(&t, " is %.0f, and axis %d of ", index, axis + 1);
    if (e->name >= 0)
        couplet_formula_add(&t, "`"), couplet_formula_add_string(&t, p->work, e->name),
            couplet_formula_add(&t, "`");
    else
        couplet_formula_add(&t, "the array that it reads");
    couplet_formula_add(&t, " has 0 to %lld", (long long)e->shape[axis] - 1);
    s->out->advice = advice_of(COUPLET_FAULT_INDEX);
    couplet_formula_set_place(p->work, e->place >= 0 ? e->place : p->formula->place, s->out);
    s->found = true;
}

/* Reports the first point at which a read leaves its array and its conditions hold, if there is
 * one. */
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
            if (!e->may_leave[i] || !couplet_formula_leaves(p, e, i, &index)) continue;
            report_index(s, number, i, index);
            return;
        }
    } while (advance_some(p->index, f, which) && p->work->left > 0);
}

static bool can_leave(const Expr *e) {
    bool can = false;
    for (int i = 0; i < e->rank; i++)
        can |= e->may_leave[i];
    return can && !e->has_else;
}

static void report_real(Search *s, int number) {
    Point *p = &s->point;
    const Expr *e = &p->formula->exprs[number];
    Text t = couplet_formula_begin_finding(s->out, COUPLET_FAULT_WHOLE);
    if (p->formula->exprs[e->args[0]].op == COUPLET_OP_REAL)
        couplet_formula_add(&t, "a number here");
    else
        couplet_formula_add_expr(&t, p, e->args[0], 0);
    couplet_formula_add(&t, " is ");
    couplet_formula_add_real(&t, couplet_formula_eval(p, e->args[0]));
    couplet_formula_add(&t, ", and as an int it has to lie in -2147483648 to 2147483647");
    s->out->advice =
        "a guard or an `if` leaves such elements out, and `real(floor(x[i]))` keeps them as reals";
    couplet_formula_set_place(p->work, e->place >= 0 ? e->place : p->formula->place, s->out);
    s->found = true;
}

/* Finds the first element at which the conditions hold and an expression has a bad value. The point
 * is then that of the element. */
static bool find_bad(Search *s, int number, const Condition *c, bool (*is_bad)(double value),
                     double *value) {
    Point *p = &s->point;
    Formula *f = p->formula;
    const uint32_t which = indices_of(f, c) | f->exprs[number].indices;
    memset(p->index, 0, sizeof p->index);
    do {
        f->turn++;
        if (!all_hold(p, c)) continue;
        *value = couplet_formula_eval(p, number);
        if (is_bad(*value) && p->work->left > 0) return true;
    } while (advance_some(p->index, f, which) && p->work->left > 0);
    return false;
}

static bool is_no_int(double value) {
    return !couplet_formula_fits_int(value);
}
static bool is_zero(double value) {
    return value == 0;
}
static bool is_no_whole(double value) {
    return !(fabs(value) < 0x1p63);
}

typedef void (*Check)(Search *s, int number, const Condition *c);

/* Checks an expression after its parts, each under the conditions under which it is evaluated. */
static void check_parts(Search *s, int number, const Condition *c, Check check) {
    if (number < 0 || s->found || s->seen[number]) return;
    s->seen[number] = true;
    const Expr *e = &s->point.formula->exprs[number];
    const bool selects = e->op == COUPLET_OP_SELECT;
    const bool ands = e->op == COUPLET_OP_AND;
    for (int i = 0; i < e->arg_count && !s->found; i++) {
        const bool is_lazy = i > 0 && (selects || ands || e->op == COUPLET_OP_OR);
        const Condition here = {is_lazy ? e->args[0] : -1, selects ? i == 1 : ands, c};
        check_parts(s, e->args[i], &here, check);
    }
    if (!s->found) check(s, number, c);
}

/* Checks a read, or the conversion of a real to an int. */
static void check_read(Search *s, int number, const Condition *c) {
    const Expr *e = &s->point.formula->exprs[number];
    double value;
    if (e->op == COUPLET_OP_LOAD && can_leave(e)) {
        check_load(s, number, c);
    }
    if (e->op == COUPLET_OP_TO_INT && find_bad(s, e->args[0], c, is_no_int, &value))
        report_real(s, number);
}

/* Reports a whole number that exceeds 64 bits, or a divisor of 0. */
static void report_wrapped(Search *s, int number, double value) {
    Point *p = &s->point;
    Text t = couplet_formula_begin_finding(s->out, COUPLET_FAULT_WHOLE);
    couplet_formula_add_expr(&t, p, number, 0);
    couplet_formula_add(&t, " is ");
    couplet_formula_add_real(&t, value);
    couplet_formula_add(&t, value == 0
                                ? ": a whole number is divided by it"
                                : ", and whole numbers are computed in 64 bits, up to 9.2e18");
    s->out->advice =
        value == 0 ? "a guard or an `if` leaves such elements out" : advice_of(COUPLET_FAULT_WHOLE);
    couplet_formula_set_place(p->work,
                              p->formula->exprs[number].place >= 0 ? p->formula->exprs[number].place
                                                                   : p->formula->place,
                              s->out);
    s->found = true;
}

/* Checks whether a whole number exceeds 64 bits, or a divisor is 0. */
static void check_whole(Search *s, int number, const Condition *c) {
    const Expr *e = &s->point.formula->exprs[number];
    double value;
    const bool divides = e->op == COUPLET_OP_FLOORDIV || e->op == COUPLET_OP_MOD;
    const bool adds = e->op == COUPLET_OP_ADD || e->op == COUPLET_OP_SUB;
    const bool computes =
        !e->is_real && (adds || e->op == COUPLET_OP_MUL || e->op == COUPLET_OP_NEG);
    if (divides && find_bad(s, e->args[1], c, is_zero, &value))
        report_wrapped(s, e->args[1], value);
    if (computes && find_bad(s, number, c, is_no_whole, &value)) {
        report_wrapped(s, number, value);
    }
}

/* Reports the first element whose reduction has no term, if that is a fault. */
static void check_empty(Search *s) {
    Point *p = &s->point;
    Formula *f = p->formula;
    if (!f->empty_is_fault || f->guard < 0) return;
    const uint32_t reads =
        f->exprs[f->guard].indices | (f->active >= 0 ? f->exprs[f->active].indices : 0);
    const uint32_t own = reads & couplet_formula_result_indices(f);
    const uint32_t reduced = reads & ~own;
    memset(p->index, 0, sizeof p->index);
    do {
        f->turn++;
        if (!couplet_formula_holds(p, f->active)) continue;
        bool any = false;
        memset(p->index + f->rank, 0, sizeof *p->index * (size_t)f->red_rank);
        do {
            f->turn++;
            any = couplet_formula_eval(p, f->guard) != 0;
        } while (!any && advance_some(p->index, f, reduced) && p->work->left > 0);
        if (any) continue;
        if (p->work->left <= 0) return;
        Text t = couplet_formula_begin_finding(s->out, COUPLET_FAULT_EMPTY);
        couplet_formula_add(&t, "no ");
        const char *between = "";
        for (int i = f->rank; i < f->rank + f->red_rank; i++) {
            if (f->index_name[i] < 0) continue;
            couplet_formula_add(&t, "%s`", between),
                couplet_formula_add_string(&t, p->work, f->index_name[i]),
                couplet_formula_add(&t, "`");
            between = ", ";
        }
        couplet_formula_add(&t, "%s fulfils the guard", *between ? "" : "term");
        couplet_formula_add_point(&t, p, own);
        s->out->advice = advice_of(COUPLET_FAULT_EMPTY);
        couplet_formula_set_place(p->work, f->place, s->out);
        s->found = true;
        return;
    } while (advance_some(p->index, f, own) && p->work->left > 0);
}

/* Reports the first element that does not fit the int as which it is stored. */
static void check_stored(Search *s) {
    Point *p = &s->point;
    Formula *f = p->formula;
    if (f->exprs[f->value].is_real ||
        (f->reducer != COUPLET_REDUCE_NONE && f->reducer != COUPLET_REDUCE_SUM))
        return;
    memset(p->index, 0, sizeof p->index);
    do {
        const double value = couplet_formula_element_of(p);
        if (couplet_formula_fits_int(value) || p->work->left <= 0) continue;
        Text t = couplet_formula_begin_finding(s->out, COUPLET_FAULT_WHOLE);
        couplet_formula_add(&t, "a whole number is outside -2147483648 to 2147483647");
        couplet_formula_add_point(&t, p, couplet_formula_result_indices(f));
        couplet_formula_add(&t, ": it is %.0f", value);
        s->out->advice = advice_of(COUPLET_FAULT_WHOLE);
        couplet_formula_set_place(p->work, f->place, s->out);
        s->found = true;
        return;
    } while (advance_some(p->index, f, couplet_formula_result_indices(f)) && p->work->left > 0);
}

static void check_compute(Search *s) {
    const Formula *f = s->point.formula;
    s->seen = calloc((size_t)f->expr_count + 1, sizeof *s->seen);
    if (!s->seen) return;
    const Condition active = {f->active, true, NULL};
    const Condition guard = {f->guard, true, &active};
    check_parts(s, f->active, NULL, check_read);
    check_parts(s, f->guard, &active, check_read);
    check_parts(s, f->value, &guard, check_read);
    if (!s->found) check_empty(s);
    if (!s->found) check_stored(s);
    if (!s->found) {
        memset(s->seen, 0, (size_t)f->expr_count + 1);
        check_parts(s, f->guard, &active, check_whole);
        check_parts(s, f->value, &guard, check_whole);
    }
    free(s->seen);
}

static int64_t point_count(const int64_t *extent, int count) {
    int64_t all = 1;
    for (int i = 0; i < count; i++)
        all *= extent[i];
    return all;
}

static void report_few(Search *s, int axes, int64_t asked, int64_t there) {
    Text t = couplet_formula_begin_finding(s->out, COUPLET_FAULT_FEW);
    couplet_formula_add(&t, "topk asks for %lld", (long long)asked);
    couplet_formula_add_point(&t, &s->point, axes ? (1u << axes) - 1 : 0);
    couplet_formula_add(&t,
                        there == 1 ? ", and there is %lld candidate: what its guard excludes is "
                                     "none, and neither is -inf"
                                   : ", and there are %lld candidates: what its guard excludes is "
                                     "none, and neither is -inf",
                        (long long)there);
    s->out->advice = advice_of(COUPLET_FAULT_FEW);
    couplet_formula_set_place(s->point.work, s->point.formula->place, s->out);
    s->found = true;
}

static int64_t candidates_in(Work *w, int buffer, int64_t row, int64_t length) {
    int64_t there = 0;
    for (int64_t i = 0; i < length && w->left-- > 0; i++)
        there += !(w->arrays->read(w->arrays->context, buffer, row * length + i) == -INFINITY);
    return there;
}

/* Reports the first row in which a top-k has fewer candidates than it asks for. */
static void check_topk(Search *s, int axes, int buffer, int64_t length, int64_t asked) {
    Work *w = s->point.work;
    const int64_t rows = point_count(s->point.formula->extent, axes);
    for (int64_t row = 0; row < rows && !s->found && w->left > 0; row++) {
        const int64_t there = candidates_in(w, buffer, row, length);
        if (there >= asked || w->left <= 0) continue;
        couplet_formula_set_row(&s->point, axes, row);
        report_few(s, axes, asked, there);
    }
}

static void report_call(Search *s, int axes, CoupletFaultKind kind, double *const *in) {
    const Formula *f = s->point.formula;
    Text t = couplet_formula_begin_finding(s->out, kind);
    if (kind == COUPLET_FAULT_SINGULAR) {
        couplet_formula_add(&t, "solve meets a singular matrix");
        couplet_formula_add_point(&t, &s->point, axes ? (1u << axes) - 1 : 0);
        couplet_formula_add(&t, ": its equations have no solution, or many");
    } else if (kind == COUPLET_FAULT_COST) {
        int64_t at = 0;
        while (at < f->size.rows * f->size.columns - 1 && isfinite(in[0][at]))
            at++;
        couplet_formula_add(&t,
                            "assignment needs costs that are finite numbers, and that of row %lld "
                            "in column %lld is ",
                            (long long)(at / f->size.columns), (long long)(at % f->size.columns));
        couplet_formula_add_real(&t, in[0][at]);
        couplet_formula_add_point(&t, &s->point, axes ? (1u << axes) - 1 : 0);
    } else {
        couplet_formula_add(&t, "a beta distribution needs two positive parameters, and meets ");
        couplet_formula_add_real(&t, in[1][0]);
        couplet_formula_add(&t, " and ");
        couplet_formula_add_real(&t, in[2][0]);
        couplet_formula_add_point(&t, &s->point, axes ? (1u << axes) - 1 : 0);
    }
    s->out->advice = advice_of(kind);
    couplet_formula_set_place(s->point.work, f->place, s->out);
    s->found = true;
}

/* Runs a library call again, row by row, and reports the first row that meets a fault. */
static void check_call(Search *s) {
    const Formula *f = s->point.formula;
    Work *w = s->point.work;
    const CoupletCall *call = &couplet_calls[f->call];
    const int axes = f->rank - call->result_axes;
    if (f->call == COUPLET_CALL_SELECT) {
        check_topk(s, axes, f->operands[0], f->size.rows, f->size.result);
        return;
    }
    double *in[COUPLET_CALL_OPERANDS] = {NULL};
    double *out = calloc((size_t)f->size.result + 1, sizeof *out);
    double *work = calloc((size_t)couplet_call_work(&f->size) + 1, sizeof *work);
    bool good = out && work;
    for (int i = 0; i < f->operand_count; i++)
        good = (in[i] = calloc((size_t)couplet_call_elements(call->operand_axes[i], &f->size) + 1,
                               sizeof *in[i])) != NULL &&
               good;
    for (int64_t row = 0; row < f->rows && good && !s->found && w->left > 0; row++) {
        for (int i = 0; i < f->operand_count; i++) {
            const int64_t count = couplet_call_elements(call->operand_axes[i], &f->size);
            for (int64_t k = 0; k < count; k++)
                in[i][k] = w->arrays->read(w->arrays->context, f->operands[i], row * count + k);
            w->left -= count;
        }
        const CoupletFaultKind met = call->run(&f->size, in, out, work);
        couplet_formula_set_row(&s->point, axes, row);
        if (met != COUPLET_NO_FAULT) report_call(s, axes, met, in);
    }
    for (int i = 0; i < COUPLET_CALL_OPERANDS; i++)
        free(in[i]);
    free(out);
    free(work);
}

int couplet_formula_count(const CoupletPlan *plan, int step) {
    Work w;
    if (!couplet_formula_work_begin(&w, plan, step, NULL)) return 0;
    const int count = w.results;
    couplet_formula_work_end(&w);
    return count;
}

bool couplet_formula_fault(const CoupletPlan *plan, int step, int from, int count,
                           const CoupletArrays *arrays, CoupletFinding *out) {
    Work w;
    if (!couplet_formula_work_begin(&w, plan, step, arrays)) return false;
    bool found = false;
    for (int i = from; i < from + count && i < w.results && !found; i++) {
        Search s = {.point = {&w, &w.formulas[i], {0}}, .out = out};
        const Formula *f = s.point.formula;
        if (f->kind == COUPLET_FORMULA_COMPUTE)
            check_compute(&s);
        else if (f->kind == COUPLET_FORMULA_CALL)
            check_call(&s);
        else
            check_topk(&s, f->rank - 1, f->candidates_buffer, f->candidates,
                       f->extent[f->rank - 1]);
        found = s.found;
    }
    couplet_formula_work_end(&w);
    return found;
}
