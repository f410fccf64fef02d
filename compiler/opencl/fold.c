/* The step of each reducer, as lines of OpenCL C: a work-item takes a term, two shares are joined
 * in local memory, the cells of a sweep take a term. Each reducer is written here and nowhere else.
 *
 * Sums keep what each addition has lost (Kahan's rule), because a device need not have doubles. A
 * log-sum-exp keeps its largest term and the sum shifted by it. */
#include "compiler/opencl/fold.h"

#include "compiler/graph/reducer.h"
#include "compiler/graph/walk.h"

#include <math.h>
#include <string.h>

static bool fold_takes_smallest(const GNode *n) {
    return reducer_takes_least(n->reducer);
}
bool fold_takes_position(const GNode *n) {
    return graph_reducers[n->reducer].gives_place;
}

Fold fold_of(Frame *f, const GNode *n) {
    return (Fold){.f = f,
                  .node = n,
                  .type = opencl_value_type(n->value->type),
                  .is_sum = n->reducer == GR_SUM,
                  .is_product = n->reducer == GR_PROD,
                  .may_wrap = gx_sum_may_wrap(f->kernel->graph, n),
                  .counts = n->empty_is_error && n->guard};
}

static bool is_float(const Fold *fold) {
    return strcmp(fold->type, "float") == 0;
}

Value fold_neutral(const Fold *fold) {
    const GNode *n = fold->node;
    /* The exponentials of a log-sum-exp are added from 0; its largest term starts elsewhere. */
    const double start = fold->is_sum ? 0 : reducer_value(graph_reducers[n->reducer].start);
    if (is_float(fold))
        return start == 0 ? "0.0f" : start == 1 ? "1.0f" : start > 0 ? "INFINITY" : "-INFINITY";
    if (isfinite(start)) return start != 0 ? "1" : "0";
    if (strcmp(fold->type, "long") == 0 && !fold_takes_position(n))
        return fold_takes_smallest(n) ? "LONG_MAX" : "LONG_MIN";
    return fold_takes_smallest(n) ? "INT_MAX" : "INT_MIN";
}

/* Returns the condition that `a` is better than `b`. A NaN is better than any number. */
static Value better(const Fold *fold, Value a, Value b) {
    const char *sign = fold_takes_smallest(fold->node) ? "<" : ">";
    if (!is_float(fold)) return arena_printf(fold->f->arena, "%s %s %s", a, sign, b);
    return arena_printf(fold->f->arena, "%s %s %s || (isnan(%s) && !isnan(%s))", a, sign, b, a, b);
}

/* Adds a term by Kahan's rule, if the fold keeps rounding errors: what an addition rounds off is
 * added with the next term. The error of a sum of any number of terms is then two roundings of the
 * sum of magnitudes, and one of the second order for each addition. Doubles are not used, because a
 * device need not have them. */
static void add_keeping(const Fold *fold, Value sum, Value lost, Value term) {
    Frame *f = fold->f;
    if (!fold->keeps_lost) {
        write_line(f, fold->may_wrap ? "%s = %s;" : "%s += %s;", sum,
                   fold->may_wrap ? write_whole_sum(f, sum, term, NULL) : term);
        return;
    }
    Value whole = write_const(f, "float", "%s + %s", term, lost);
    Value after = write_const(f, "float", "%s + %s", sum, whole);
    /* An infinite sum has no rounding error. */
    write_line(f, "%s = isinf(%s) ? 0.0f : %s - (%s - %s);", lost, after, whole, after, sum);
    write_line(f, "%s = %s;", sum, after);
}

/* Returns the digits of a number, from 1/2 to 1, and its exponent in *power. 0 and numbers that are
 * not finite are returned as they are, with exponent 0. */
static Value write_digits(const Fold *fold, Value number, Value *power) {
    Frame *f = fold->f;
    Value plain = write_const(f, "bool", "isfinite(%s) && %s != 0.0f", number, number);
    *power = write_const(f, "int", "%s ? ilogb(%s) + 1 : 0", plain, number);
    return write_const(f, "float", "%s ? ldexp(%s, -%s) : %s", plain, number, *power, number);
}

/* Multiplies the product by a term, or by another share, whose `lost` and `power` are then given.
 * The part that a multiplication rounds off is kept, as for sums. The exponent is kept apart, so
 * that no part of a product overflows or vanishes. */
static void multiply_shares(const Fold *fold, const Cells *c, Value term, Value lost, Value power) {
    Frame *f = fold->f;
    Value more;
    Value moved;
    Value digits = write_digits(fold, term, &more);
    Value product = write_const(f, "float", "%s * %s", c->best, digits);
    Value rest = write_const(f, "float", "fma(%s, %s, -%s) + %s * %s", c->best, digits, product,
                             c->lost, digits);
    if (lost) {
        rest = write_const(f, "float", "%s + %s * ldexp(%s, -%s)", rest, c->best, lost, more);
    }
    Value next = write_digits(fold, product, &moved);
    write_line(f, "%s = isfinite(%s) ? ldexp(%s, -%s) : 0.0f;", c->lost, product, rest, moved);
    write_line(f, "%s = %s;", c->best, next);
    write_line(f, power ? "%s += %s + %s + %s;" : "%s += %s + %s;", c->power, more, moved, power);
}

static Value sum_text(const Fold *fold, Value sum, Value lost) {
    return fold->keeps_lost ? arena_printf(fold->f->arena, "(%s + %s)", sum, lost) : sum;
}

Value fold_sum(const Fold *fold, const Cells *c) {
    if (fold->is_product)
        return arena_printf(fold->f->arena, "ldexp(%s + %s, %s)", c->best, c->lost, c->power);
    return sum_text(fold, c->best, c->lost);
}
void fold_exponential(const Fold *fold, const Cells *c, Value term) {
    add_keeping(fold, c->sum, c->lost, term);
}

/* Takes a term, or the value of another share, if the reducer treats both alike. Returns false for
 * a place, which it leaves to the caller. */
static bool combine_term(const Fold *fold, const Cells *c, Value term) {
    const GOp join = graph_reducers[fold->node->reducer].join;
    const char *sign = join == G_OR ? "|" : join == G_AND ? "&" : NULL;
    if (fold->is_sum)
        add_keeping(fold, c->best, c->lost, term);
    else if (fold->is_product)
        multiply_shares(fold, c, term, NULL, NULL);
    else if (sign)
        write_line(fold->f, "%s %s= %s;", c->best, sign, term);
    else if (!fold_takes_position(fold->node))
        write_line(fold->f, "if (%s) %s = %s;", better(fold, term, c->best), c->best, term);
    return fold->is_sum || sign || !fold_takes_position(fold->node);
}

void fold_term(const Fold *fold, const Cells *c, Value term, Value holds, Value place) {
    Frame *f = fold->f;
    if (!combine_term(fold, c, term)) {
        /* The first term wins against the neutral value even if the two are equal. */
        write_open(f, "if (%s(%s < 0 || %s))", holds ? arena_printf(f->arena, "%s && ", holds) : "",
                   c->winner, better(fold, term, c->best));
        write_line(f, "%s = %s;", c->best, term);
        write_line(f, "%s = %s;", c->winner, place);
        write_close(f);
    }
    if (fold->counts) write_line(f, holds ? "%s += %s;" : "%s++;", c->terms, holds);
}

void fold_join(const Fold *fold, const Cells *mine, const Cells *other) {
    Frame *f = fold->f;
    if (fold_takes_position(fold->node)) {
        Value theirs = better(fold, other->best, mine->best);
        Value ours = better(fold, mine->best, other->best);
        write_open(f, "if (%s >= 0 && (%s < 0 || %s || (!(%s) && %s < %s)))", other->winner,
                   mine->winner, theirs, ours, other->winner, mine->winner);
        write_line(f, "%s = %s;", mine->best, other->best);
        write_line(f, "%s = %s;", mine->winner, other->winner);
        write_close(f);
    } else if (fold->is_product) {
        multiply_shares(fold, mine, other->best, other->lost, other->power);
    } else {
        combine_term(fold, mine, other->best);
        if (fold->keeps_lost && fold->is_sum) write_line(f, "%s += %s;", mine->lost, other->lost);
    }
    if (fold->counts) write_line(f, "%s += %s;", mine->terms, other->terms);
}

/* Joins two shares of a log-sum-exp. A share without a term has the largest term -inf and the sum
 * 0, and stays so; a share with +inf is shifted by 0. */
void fold_join_exponentials(const Fold *fold, const Cells *mine, const Cells *other) {
    Frame *f = fold->f;
    Value most = write_const(f, "float", "%s ? %s : %s", better(fold, other->best, mine->best),
                             other->best, mine->best);
    Value shift = write_const(f, "float", "isinf(%s) ? 0.0f : %s", most, most);
    Value scale = write_const(f, "float", "exp(%s - %s)", mine->best, shift);
    Value theirs = write_const(f, "float", "exp(%s - %s)", other->best, shift);
    write_line(f, "%s *= %s;", mine->sum, scale);
    write_line(f, "%s = %s * %s + %s * %s;", mine->lost, mine->lost, scale, other->lost, theirs);
    fold_exponential(fold, mine, write_const(f, "float", "%s * %s", other->sum, theirs));
    write_line(f, "%s = %s;", mine->best, most);
    if (fold->counts) write_line(f, "%s += %s;", mine->terms, other->terms);
}

Value fold_log(const Fold *fold, const Cells *c) {
    if (fold->node->reducer == GR_LSE_REST)
        return arena_printf(fold->f->arena, "log(%s)", sum_text(fold, c->sum, c->lost));
    return arena_printf(fold->f->arena, "(isinf(%s) ? 0.0f : %s) + log(%s)", c->best, c->best,
                        sum_text(fold, c->sum, c->lost));
}
