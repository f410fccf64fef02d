/* The built-ins that arrange arrays: they join arrays, and merge, split or exchange axes. Each
 * becomes an elementwise node that reads its argument at other indices. The pass fuse puts that
 * read into whatever uses the result, so there is mostly no copy. */
#include "compiler/lower/internal.h"

#include <string.h>

/* ---- joining --------------------------------------------------------------------------------- */

/* True if the arrays have equal shapes apart from the axis. Returns false after a message. */
static bool joins(Lower *l, const Value *args, int count, int axis, Span span) {
    for (int i = 0; i < count; i++) {
        if (args[i].kind != VALUE_ARRAY || value_rank(&args[i]) != value_rank(&args[0])) {
            diag_report(l->diag, CODE_SHAPES_DIFFER, span,
                        "concat joins arrays with equally many axes, and here are %d and %d",
                        value_rank(&args[0]), value_rank(&args[i]));
            return false;
        }
        for (int a = 0; a < value_rank(&args[0]); a++) {
            if (a == axis || value_extent(&args[i], a) == value_extent(&args[0], a)) continue;
            diag_report(l->diag, CODE_SHAPES_DIFFER, span,
                        "concat joins along axis %d, and axis %d differs: %lld and %lld", axis + 1,
                        a + 1, (long long)value_extent(&args[0], a),
                        (long long)value_extent(&args[i], a));
            return false;
        }
    }
    return true;
}

static Value concat(Lower *l, const Value *args, int count, int axis, Span span) {
    Graph *g = l->g;
    if (!joins(l, args, count, axis, span)) return args[0];
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *at[GRAPH_MAX_RANK];
    const GExpr *result = NULL;
    int rank = value_rank(&args[0]);
    int64_t total = 0;
    bool real = false;
    for (int i = 0; i < count; i++) {
        total += value_extent(&args[i], axis);
        real |= args[i].tensor->type == GT_REAL || args[i].tensor->type == GT_U8;
    }
    for (int a = 0; a < rank; a++)
        axes[a] = graph_fresh_index(g, a == axis ? total : value_extent(&args[0], a));
    memcpy(at, axes, sizeof at);
    int64_t end = total;
    for (int i = count - 1; i >= 0; i--) {
        int64_t begin = end - value_extent(&args[i], axis);
        at[axis] = gx2(g, G_SUB, axes[axis], gx_int(g, begin));
        const GExpr *element = value_element(l, &args[i], at, span);
        if (real) element = lower_as_real(l, element);
        result = result ? gx_select(g, gx2(g, G_LT, axes[axis], gx_int(g, end)), element, result)
                        : element;
        end = begin;
    }
    return lower_array_from(l, result, axes, rank, "concat", span);
}

/* ---- axes ------------------------------------------------------------------------------------ */

/* Takes `flat` apart into the indices of old axes first .. last - 1, which are its digits. */
static void split_digits(Lower *l, const Value *value, const GExpr *flat, int first, int last,
                         const GExpr **at) {
    for (int i = last - 1; i >= first; i--) {
        const GExpr *extent = gx_int(l->g, value_extent(value, i));
        at[i] = i == first ? flat : gx2(l->g, G_MOD, flat, extent);
        flat = gx2(l->g, G_FLOORDIV, flat, extent);
    }
}

/* Reshapes row by row. Old and new axes fall into groups of equal size, and indices are joined and
 * taken apart within a group alone. */
static Value reshape(Lower *l, const Value *value, const int64_t *shape, int rank, Span span) {
    Graph *g = l->g;
    const GExpr *axes[GRAPH_MAX_RANK];
    const GExpr *at[GRAPH_MAX_RANK];
    int old = 0;
    int made = 0;
    int old_rank = value_rank(value);
    for (int i = 0; i < rank; i++)
        axes[i] = graph_fresh_index(g, shape[i]);
    while (old < old_rank || made < rank) {
        int first = old;
        int64_t before = 1;
        int64_t after = 1;
        const GExpr *flat = gx_int(g, 0);
        do {
            if (made == rank || (old < old_rank && before <= after)) {
                before *= value_extent(value, old++);
            } else {
                after *= shape[made];
                flat = gx2(g, G_ADD, gx2(g, G_MUL, flat, gx_int(g, shape[made])), axes[made]);
                made++;
            }
        } while (before != after);
        split_digits(l, value, flat, first, old, at);
    }
    return lower_array_from(l, value_element(l, value, at, span), axes, rank, "reshape", span);
}

/* Reshapes a value to the shape that the call states. After a message, returns the value as it is.
 */
static Value reshape_to(Lower *l, const Expr *e, const Value *value) {
    int64_t shape[GRAPH_MAX_RANK];
    int64_t wanted = 1;
    int64_t there = 1;
    int rank = e->arg_count - 1;
    for (int i = 0; i < rank; i++) {
        int64_t extent;
        if (!lower_extent(l, e->args[i + 1], &extent)) {
            diag_report(
                l->diag, CODE_DIMENSION_UNKNOWN, e->args[i + 1]->span,
                "axis %d that `reshape` makes is no whole number of at least 1 that is known at "
                "compile time",
                i + 1);
            return *value;
        }
        shape[i] = extent;
        /* No array has that many entries. */
        if (__builtin_mul_overflow(wanted, extent, &wanted)) {
            wanted = -1;
        }
    }
    for (int i = 0; i < value_rank(value); i++)
        there *= value_extent(value, i);
    if (wanted == there) return reshape(l, value, shape, rank, e->span);
    diag_report(l->diag, CODE_SHAPES_DIFFER, e->span,
                "reshape keeps every element, and here %lld become %lld", (long long)there,
                (long long)wanted);
    return *value;
}

static Value flatten(Lower *l, const Value *value, Span span) {
    int64_t shape[2] = {value_extent(value, 0), 1};
    for (int i = 1; i < value_rank(value); i++)
        shape[1] *= value_extent(value, i);
    return value_rank(value) <= 2 ? *value : reshape(l, value, shape, 2, span);
}

static Value transpose(Lower *l, const Value *value, Span span) {
    const GExpr *axes[2] = {graph_fresh_index(l->g, value_extent(value, 1)),
                            graph_fresh_index(l->g, value_extent(value, 0))};
    const GExpr *at[2] = {axes[1], axes[0]};
    return lower_array_from(l, value_element(l, value, at, span), axes, 2, "transpose", span);
}

static Value range(Lower *l, const Expr *e) {
    int64_t extent;
    if (!lower_extent(l, e->args[0], &extent)) {
        diag_report(l->diag, CODE_DIMENSION_UNKNOWN, e->span,
                    "`range` needs a whole number above 0 that is known at compile time");
        extent = 1;
    }
    const GExpr *i = graph_fresh_index(l->g, extent);
    return lower_array_from(l, i, &i, 1, "range", e->span);
}

bool lower_arrangement(Lower *l, const Expr *e, const Value *args, Value *out) {
    const char *name = e->callee->name;
    int arrays;
    if (strcmp(name, "concat") == 0) {
        int axis = call_concat_axis(e, &arrays);
        *out = concat(l, args, arrays, axis, e->span);
    } else if (strcmp(name, "reshape") == 0)
        *out = reshape_to(l, e, &args[0]);
    else if (strcmp(name, "flatten") == 0)
        *out = flatten(l, &args[0], e->span);
    else if (strcmp(name, "transpose") == 0)
        *out = transpose(l, &args[0], e->span);
    else if (strcmp(name, "range") == 0)
        *out = range(l, e);
    else
        return false;
    return true;
}
