/* Finds where in a formula a value that is not finite arose. That is an operation whose own
 * operands are all finite, or an element that was read. */
#include "runtime/formula_parts.h"

/* True if the expression is a choice that the compiler has made (compiler/lower/vanish.c), and NaN
 * was chosen in place of a number that is too small. */
static bool has_vanished(Point *p, const Expr *e) {
    if (e->op != COUPLET_OP_SELECT || p->formula->exprs[e->args[1]].op != COUPLET_OP_REAL)
        return false;
    return couplet_formula_eval(p, e->args[0]) != 0 && isnan(couplet_formula_eval(p, e->args[1])) &&
           fabs(couplet_formula_eval(p, e->args[2])) < 1;
}

/* Returns advice on an operation whose operands are finite and whose result is not. */
static const char *advice_of_operation(Point *p, const Expr *e, bool is_slope) {
    if (has_vanished(p, e))
        return "float32 ends at 1.2e-38: scale what is multiplied here, or add a small number to "
               "it";
    switch (e->op) {
    case COUPLET_OP_DIV:
        if (is_slope)
            return "the slope has no end here: keep what is divided by away from 0, as `sqrt(x + "
                   "1e-12)` does";
        return "keep the divisor away from 0: add a small number to it, or leave such terms out "
               "with a guard";
    case COUPLET_OP_LOG:
    case COUPLET_OP_LOG1P:
        return "keep what the logarithm is taken of above 0: add a small number to it, or leave "
               "such terms out with a guard";
    case COUPLET_OP_SQRT:
    case COUPLET_OP_RSQRT:
    case COUPLET_OP_POW:
        return "keep what the root is taken of above 0: `max(x, 1e-12)`";
    case COUPLET_OP_SELECT:
        return "a sum of squares, or a length, is beyond float32 here: scale or normalise what it "
               "is made of";
    case COUPLET_OP_EXP:
    case COUPLET_OP_EXPM1:
        return "exp overflows from 88.7 on: take the logarithm of the whole sum (`logsumexp[j] "
               "..`), or divide by a larger temperature";
    case COUPLET_OP_ADD:
    case COUPLET_OP_SUB:
    case COUPLET_OP_MUL:
        return "float32 ends at 3.4e38: normalise what is added or multiplied here";
    default:
        return NULL;
    }
}

/* Makes the finding that an element is not finite which a read has taken from its array. */
static void blame_load(Point *p, int number, CoupletFinding *out) {
    const Expr *e = &p->formula->exprs[number];
    const double value = couplet_formula_eval(p, number);
    Text t = couplet_formula_begin_finding(out, isnan(value) ? COUPLET_FAULT_NAN
                                                             : COUPLET_FAULT_INFINITE);
    couplet_formula_add_load(&t, p, number);
    if (e->name >= 0)
        couplet_formula_add(&t, " is "), couplet_formula_add_real(&t, value);
    else
        couplet_formula_add(&t, " is read here");
    out->buffer = e->is_pairs ? -1 : e->array;
    out->element = 0;
    for (int i = 0; i < e->rank; i++)
        out->element = out->element * e->shape[i] + (int64_t)couplet_formula_eval(p, e->args[i]);
    couplet_formula_set_place(p->work, e->place >= 0 ? e->place : p->formula->place, out);
}

/* Makes the finding about the first part of an expression that is not finite although its own parts
 * are. Parts that are NaN come before parts that are infinite. */
static void blame(Point *p, int number, CoupletFinding *out) {
    const Expr *e = &p->formula->exprs[number];
    for (;;) {
        int worse = -1;
        if (e->op == COUPLET_OP_LOAD) break;
        for (int i = 0; i < e->arg_count; i++) {
            const Expr *arg = &p->formula->exprs[e->args[i]];
            if (e->op == COUPLET_OP_SELECT &&
                i != (couplet_formula_eval(p, e->args[0]) != 0 ? 1 : 2))
                continue;
            if (!arg->is_real || isfinite(couplet_formula_eval(p, e->args[i]))) continue;
            if (worse < 0 || (isnan(couplet_formula_eval(p, e->args[i])) &&
                              !isnan(couplet_formula_eval(p, worse))))
                worse = e->args[i];
        }
        if (worse < 0 || p->formula->exprs[worse].op == COUPLET_OP_REAL) break;
        number = worse;
        e = &p->formula->exprs[number];
    }
    if (e->op == COUPLET_OP_LOAD && !e->is_pairs) {
        blame_load(p, number, out);
        return;
    }
    const double value = couplet_formula_eval(p, number);
    const bool is_slope = e->place >= 0 && p->work->places[e->place].is_slope;
    Text t = couplet_formula_begin_finding(out, isnan(value) ? COUPLET_FAULT_NAN
                                                             : COUPLET_FAULT_INFINITE);
    if (is_slope) couplet_formula_add(&t, "in the gradient, ");
    if (has_vanished(p, e)) {
        couplet_formula_add(&t, "a product of numbers that are not 0 is too small for float32");
    } else {
        couplet_formula_add_operation(&t, p, number);
        couplet_formula_add(&t, " is ");
        couplet_formula_add_real(&t, value);
    }
    couplet_formula_add_point(&t, p, e->indices);
    out->advice = advice_of_operation(p, e, is_slope);
    couplet_formula_set_place(p->work, e->place >= 0 ? e->place : p->formula->place, out);
}

/* Makes the finding about the first term of a reduction that is not finite, or about the whole
 * reduction, if finite terms have a sum that is not. */
static void blame_reduction(Point *p, CoupletFinding *out) {
    Formula *f = p->formula;
    int64_t worst[MOST_INDICES];
    int64_t terms = 0;
    bool found = false;
    bool is_nan = false;
    memset(p->index + f->rank, 0, sizeof *p->index * (size_t)f->red_rank);
    do {
        f->turn++;
        if (!couplet_formula_holds(p, f->guard)) continue;
        const double v = couplet_formula_eval(p, f->value);
        terms++;
        if (isfinite(v) || (found && (is_nan || !isnan(v))) ||
            (v == -INFINITY &&
             (f->reducer == COUPLET_REDUCE_LSE || f->reducer == COUPLET_REDUCE_LSE_REST)))
            continue;
        found = true;
        is_nan = isnan(v);
        memcpy(worst, p->index, sizeof worst);
    } while (!is_nan && couplet_formula_advance(p->index, f->extent, f->rank, f->red_rank) &&
             p->work->left > 0);
    if (found) {
        memcpy(p->index, worst, sizeof worst);
        f->turn++;
        blame(p, f->value, out);
        return;
    }
    Text t = couplet_formula_begin_finding(out, COUPLET_FAULT_INFINITE);
    if (terms == 0)
        couplet_formula_add(&t, "a reduction without a term is infinite");
    else if (f->reducer == COUPLET_REDUCE_PROD)
        couplet_formula_add(&t, "the product of %lld finite terms is larger than float32 holds",
                            (long long)terms);
    else
        couplet_formula_add(&t, "the sum of %lld finite terms is larger than float32 holds",
                            (long long)terms);
    couplet_formula_add_point(&t, p, couplet_formula_result_indices(f));
    out->advice = "float32 ends at 3.4e38: normalise what is added here";
    couplet_formula_set_place(p->work, f->place, out);
}

bool couplet_formula_origin(const CoupletPlan *plan, int step, int buffer, int64_t element,
                            const CoupletArrays *arrays, CoupletFinding *out) {
    Work w;
    if (!couplet_formula_work_begin(&w, plan, step, arrays)) return false;
    bool found = false;
    for (int i = 0; i < w.results && !found; i++) {
        Point p = {&w, &w.formulas[i], {0}};
        Formula *f = p.formula;
        if (f->buffer != buffer || f->kind != COUPLET_FORMULA_COMPUTE) continue;
        couplet_formula_set_row(&p, f->rank, element);
        f->turn++;
        if (f->reducer == COUPLET_REDUCE_NONE) {
            if (isfinite(couplet_formula_element_of(&p)))
                break; /* The element is finite now, so the arrays have been written over since. */
            blame(&p, f->value, out);
        } else {
            blame_reduction(&p, out);
        }
        found = w.left > 0;
    }
    couplet_formula_work_end(&w);
    return found;
}
