/* Finds the types of calls: of built-ins, of functions of the language by their signatures, and of
 * constructors and applications of networks. */
#include "lang/check.h"

#include <limits.h>
#include <math.h>
#include <string.h>

/* The values of a signature's dimensions and numbers in one call. */
typedef struct Bindings {
    ARRAY(Symbol *) from;
    ARRAY(Dim *) to;
} Bindings;

/* Returns the dimension that a symbol of the signature stands for in this call, or NULL if it is
 * not bound yet. */
static Dim *bound(const Bindings *b, const Symbol *s) {
    for (int i = 0; i < b->from.count; i++)
        if (b->from.items[i] == s) return b->to.items[i];
    return NULL;
}

static void bind_dim(Check *c, Bindings *b, Symbol *s, Dim *to) {
    array_push(c->arena, &b->from, s);
    array_push(c->arena, &b->to, to);
}

/* Returns a dimension of the signature in the dimensions of the call. */
static Dim *replaced(Check *c, Dim *dim, const Bindings *b) {
    return dim_substitute(c->dims, dim, b->from.items, b->to.items, b->from.count);
}

static Type *substituted(Check *c, const Type *t, const Bindings *b) {
    Dim *dims[MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        dims[i] = replaced(c, t->dims[i], b);
    return type_make(c, t->kind, t->rank, dims);
}

static void note_parameter(Check *c, const Param *param) {
    diag_note(c->diag, param->span, "`%s` is declared here", param->name);
}

/* True if an argument fits a parameter by the kind of its elements: an int counts as a real. An
 * array of ints for an array of reals is refused before. */
static bool kinds_fit(const Type *want, const Type *given) {
    return want->kind == given->kind || (want->kind == KIND_REAL && type_is_numeric(given)) ||
           want->kind == KIND_ANY_SHAPE;
}

static void report_kind(Check *c, const Param *param, const Type *given, Span span) {
    diag_report(c->diag, CODE_ARGUMENT_KIND, span, "`%s` is %s, and this is %s", param->name,
                type_text(c->arena, param->type), type_text(c->arena, given));
}

/* Suggests, below the message about the kind of an argument, what makes it one of the kind. */
static void suggest_kind(Check *c, const Type *want, const Type *given, Span span) {
    const bool from_numbers = type_is_numeric(given);
    if (want->kind == KIND_BOOL && from_numbers && given->rank)
        diag_suggest(c->diag, "a comparison makes conditions of numbers: `let m[i] = y[i] != 0`");
    else if (want->kind == KIND_BOOL && want->rank == 0)
        option_suggest_truth(c, span);
    else if (want->kind == KIND_INT && given->kind == KIND_REAL)
        diag_suggest(c->diag, "`floor(x)` and `round(x)` make whole numbers of reals");
    else if (want->kind == KIND_REAL && given->kind == KIND_BOOL)
        diag_suggest(c->diag, "`real(..)` makes 1 and 0 of conditions");
}

/* True after a message: the argument differs from the parameter in kind or in its number of
 * axes. */
static bool refuse_kind_or_rank(Check *c, const Param *param, const Type *given, Span span) {
    const Type *want = param->type;
    bool lacks_flat = false, is_other_kind = false;
    if (want->kind == KIND_REAL && given->kind == KIND_INT && want->rank > 0) {
        diag_report(c->diag, CODE_LABEL_AS_FEATURE, span,
                    "`%s` is an array of reals, and this is %s: labels and indices are no features",
                    param->name, type_text(c->arena, given));
    } else if (!kinds_fit(want, given)) {
        report_kind(c, param, given, span);
        is_other_kind = true;
    } else if (want->rank != given->rank) {
        diag_report(c->diag, CODE_ARGUMENT_RANK, span, "`%s` has %d %s, and this is %s",
                    param->name, want->rank, want->rank == 1 ? "axis" : "axes",
                    type_text(c->arena, given));
        lacks_flat = want->rank == 2 && given->rank > 2;
    } else {
        return false;
    }
    note_parameter(c, param);
    if (lacks_flat) diag_suggest(c->diag, "%s", "`flatten(x)` makes one row of each sample");
    if (is_other_kind) suggest_kind(c, want, given, span);
    return true;
}

/* True if an argument of this type fits the parameter, or if one of both types is poison. False
 * after a message. A dimension of the signature that is not bound yet is bound where it stands
 * alone as an axis. */
static bool unify(Check *c, const Param *param, const Type *given, Bindings *b, Span span) {
    const Type *want = param->type;
    if (type_is_poison(given) || type_is_poison(want)) return true;
    if (refuse_kind_or_rank(c, param, given, span)) return false;
    for (int i = 0; i < want->rank; i++) {
        Dim *dim = want->dims[i];
        if (dim->kind == DIM_NAME && dim->symbol->kind == SYMBOL_DIMENSION &&
            !bound(b, dim->symbol)) {
            bind_dim(c, b, dim->symbol, given->dims[i]);
            continue;
        }
        Dim *expected = replaced(c, dim, b);
        if (expected == given->dims[i]) continue;
        const char *value = dim_text(c->arena, expected);
        bool plain = strcmp(value, dim_text(c->arena, dim)) == 0;
        diag_report(c->diag, CODE_ARGUMENT_DIMENSION, span,
                    "axis %d of `%s` must be %s%s%s%s here, and it is %s", i + 1, param->name,
                    plain ? "" : "`", plain ? "" : dim_text(c->arena, dim),
                    plain ? "" : "`, which is ", value, dim_text(c->arena, given->dims[i]));
        note_parameter(c, param);
        return false;
    }
    return true;
}

/* Binds the names that stand alone in a signature's axes to the given extents. This is done for all
 * parameters before any comparison, because a formula may stand ahead of the axis that introduces
 * its name: `x[2 * N], y[N]`. */
static void introduce(Check *c, const Param *param, const Type *given, Bindings *b) {
    const Type *want = param->type;
    if (!want || type_is_poison(want) || want->rank != given->rank) return;
    for (int i = 0; i < want->rank; i++) {
        const Dim *dim = want->dims[i];
        if (dim->kind == DIM_NAME && dim->symbol->kind == SYMBOL_DIMENSION &&
            !bound(b, dim->symbol))
            bind_dim(c, b, dim->symbol, given->dims[i]);
    }
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Returns the number of the parameter of this name, or -1. */
static int find_param(const Param *params, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0) return i;
    return -1;
}

/* Returns the names as text, as in "z, w and tau". There is at least one. */
static const char *list_names(Check *c, const char *const *names, int count) {
    const char *text = names[0];
    for (int i = 1; i < count; i++)
        text = arena_printf(c->arena, "%s%s %s", text, i + 1 == count ? " and" : ",", names[i]);
    return text;
}

static void unknown_argument(Check *c, Span span, const char *name, const char *callee,
                             const Param *params, int count) {
    const char **names = arena_array(c->arena, const char *, count + 1);
    for (int i = 0; i < count; i++)
        names[i] = params[i].name;
    diag_report(c->diag, CODE_UNKNOWN_ARGUMENT, span, "`%s` has no argument `%s`", callee, name);
    const char *near = diag_nearest(name, names, count);
    if (near)
        diag_mean(c->diag, span, near);
    else if (count)
        diag_suggest(c->diag, "its arguments are %s", list_names(c, names, count));
}

/* Returns the arguments in the order of the parameters. An entry is NULL where the call leaves out
 * a parameter that has a default. Reports unknown, repeated, missing and superfluous arguments, and
 * returns NULL after such a message. */
static Expr **place_arguments(Check *c, const Expr *call, const char *callee, const Param *params,
                              int count, Span declared) {
    Expr **placed = arena_array(c->arena, Expr *, count + 1);
    bool good = true;
    int position = 0;
    for (int i = 0; i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        int at = name ? find_param(params, count, name) : position++;
        if (name && at < 0) {
            unknown_argument(c, call_argument_span(call, i), name, callee, params, count);
            good = false;
        } else if (at >= count) {
            diag_report(c->diag, CODE_ARGUMENT_COUNT, call->args[i]->span,
                        "`%s` takes %d %s, and %d are given", callee, count,
                        count == 1 ? "argument" : "arguments", call->arg_count);
            if (declared.source) {
                diag_note(c->diag, declared, "it is declared here");
            }
            return NULL;
        } else if (placed[at]) {
            diag_report(c->diag, CODE_ARGUMENT_TWICE, call_argument_span(call, i),
                        "the argument `%s` is given twice", params[at].name);
            good = false;
        } else {
            placed[at] = call->args[i];
        }
    }
    /* After an unknown name nothing is said about missing arguments, because the one that is
     * missing is most likely the one whose name was misspelt. */
    for (int i = 0; good && i < count; i++) {
        if (placed[i] || params[i].value) continue;
        diag_report(c->diag, CODE_MISSING_ARGUMENT, call->span, "`%s` needs its argument `%s`",
                    callee, params[i].name);
        if (declared.source)
            diag_note(c->diag, params[i].span, "it is declared here, without a default");
        good = false;
    }
    return good ? placed : NULL;
}

/* ---- built-ins ------------------------------------------------------------------------------- */

typedef enum {
    RULE_map,
    RULE_map_int,
    RULE_map_same,
    RULE_own,
} Rule;
static const struct {
    const char *name;
    int low;
    int high;
    Rule rule;
} builtins[] = {
#define ANY                                           INT_MAX
#define BUILTIN(name, low, high, rule, call, meaning) {#name, low, high, RULE_##rule},
#include "lang/builtins.def"
#undef BUILTIN
#undef ANY
};

/* Returns the type of a built-in that works element by element, or poison after a message. Numbers
 * go with arrays of any shape; all arrays have one shape. */
static Type *map_type(Check *c, const Expr *e, Rule rule) {
    Type *shape = e->args[0]->type;
    bool whole = true;
    for (int i = 0; i < e->arg_count; i++) {
        Type *t = e->args[i]->type;
        if (!type_is_numeric(t) &&
            !(strcmp(e->callee->name, "real") == 0 && t->kind == KIND_BOOL)) {
            diag_report(c->diag, CODE_NEEDS_NUMBER, e->args[i]->span,
                        "`%s` needs numbers, and this is %s", e->callee->name,
                        type_text(c->arena, t));
            return type_poison(c);
        }
        if (t->kind == KIND_ANY_SHAPE) return t;
        whole &= t->kind == KIND_INT;
        if (t->rank == 0) continue;
        if (shape->rank && !type_same_shape(shape, t)) {
            diag_report(c->diag, CODE_SHAPES_DIFFER, e->span,
                        "`%s` works element by element, and the shapes differ: %s and %s",
                        e->callee->name, type_text(c->arena, shape), type_text(c->arena, t));
            return type_poison(c);
        }
        shape = t;
    }
    TypeKind kind = rule == RULE_map_int || (rule == RULE_map_same && whole) ? KIND_INT : KIND_REAL;
    return type_make(c, kind, shape->rank, shape->dims);
}

/* Returns the type of `dot` or `cos` of two vectors, or poison after a message. */
static Type *pair_type(Check *c, const Expr *e) {
    Type *a = e->args[0]->type;
    Type *b = e->args[1]->type;
    for (int i = 0; i < 2; i++) {
        Type *t = e->args[i]->type;
        if (t->kind == KIND_REAL && t->rank == 1) continue;
        if (t->kind == KIND_ANY_SHAPE && strcmp(e->callee->name, "dot") == 0) continue;
        diag_report(c->diag, CODE_NEEDS_AXES, e->args[i]->span,
                    "`%s` compares two vectors of reals, and this is %s", e->callee->name,
                    type_text(c->arena, t));
        if (t->kind == KIND_REAL && t->rank > 1)
            diag_suggest(c->diag,
                         "rows have an index, `mean[i] %s(x[i], y[i])`; a product over all "
                         "entries is `sum[i, d] x[i, d] * y[i, d]`",
                         e->callee->name);
        return type_poison(c);
    }
    if (a->kind == KIND_ANY_SHAPE && b->kind == KIND_ANY_SHAPE)
        return type_make(c, KIND_REAL, 0, NULL);
    if (!type_same_shape(a, b)) {
        diag_report(c->diag, CODE_SHAPES_DIFFER, e->span,
                    "`%s` needs two vectors of one length: %s and %s", e->callee->name,
                    type_text(c->arena, a), type_text(c->arena, b));
        diag_note(c->diag, e->args[0]->span, "this is %s", type_text(c->arena, a));
        diag_note(c->diag, e->args[1]->span, "this is %s", type_text(c->arena, b));
        return type_poison(c);
    }
    return type_make(c, KIND_REAL, 0, NULL);
}

int call_concat_axis(const Expr *e, int *arrays) {
    const Expr *last = e->args[e->arg_count - 1];
    bool named = e->arg_names && e->arg_names[e->arg_count - 1] &&
                 strcmp(e->arg_names[e->arg_count - 1], "axis") == 0;
    *arrays = named ? e->arg_count - 1 : e->arg_count;
    if (!named) return 0;
    return last->kind == EXPR_NUMBER && last->is_integer && last->number <= MOST_AXES
               ? (int)last->number - 1
               : -1;
}

static Type *concat_type(Check *c, const Expr *e) {
    Type *first = e->args[0]->type;
    Dim *total = NULL;
    int arrays;
    int axis = call_concat_axis(e, &arrays);
    if (arrays < e->arg_count && (axis < 0 || axis >= first->rank)) {
        diag_report(c->diag, CODE_NEEDS_AXES, e->args[arrays]->span,
                    "the axis along which concat joins is a number in 1 .. %d here, the first "
                    "array being %s",
                    first->rank, type_text(c->arena, first));
        return type_poison(c);
    }
    for (int i = 0; i < arrays; i++) {
        Type *t = e->args[i]->type;
        bool fits = t->rank == first->rank && t->rank > 0 && t->kind == first->kind;
        for (int a = 0; fits && a < t->rank; a++)
            fits = a == axis || dim_may_be_equal(c, t->dims[a], first->dims[a]);
        if (!fits) {
            diag_report(c->diag, CODE_SHAPES_DIFFER, e->args[i]->span,
                        "concat joins arrays along axis %d, all other axes equal: %s and %s",
                        axis + 1, type_text(c->arena, first), type_text(c->arena, t));
            diag_note(c->diag, e->args[0]->span, "the first is this");
            if (t->kind == first->kind && t->rank == first->rank && axis == 0 && t->rank > 1)
                diag_suggest(c->diag, "another axis is named last: `concat(a, b, axis = 2)`");
            return type_poison(c);
        }
        total = total ? dim_make(c->dims, DIM_ADD, total, t->dims[axis]) : t->dims[axis];
    }
    Dim *dims[MAX_RANK];
    memcpy(dims, first->dims, sizeof dims);
    dims[axis] = total;
    return type_make(c, first->kind, first->rank, dims);
}

/* Returns the type of `reshape`. `there` and `wanted` are the numbers of elements before and
 * after. */
static Type *reshape_type(Check *c, const Expr *e) {
    Type *t = e->args[0]->type;
    Dim *dims[MAX_RANK];
    Dim *there = dim_const(c->dims, 1);
    Dim *wanted = there;
    if (t->rank == 0) {
        diag_report(c->diag, CODE_NEEDS_AXES, e->args[0]->span,
                    "`reshape` needs an array, and this is %s", type_text(c->arena, t));
        return type_poison(c);
    }
    for (int i = 0; i < t->rank; i++)
        there = dim_make(c->dims, DIM_MUL, there, t->dims[i]);
    if (e->arg_count - 1 > MAX_RANK) {
        diag_report(c->diag, CODE_TOO_MANY_AXES, e->args[MAX_RANK + 1]->span,
                    "an array has at most %d axes, and here are %d", MAX_RANK, e->arg_count - 1);
        return type_poison(c);
    }
    for (int i = 1; i < e->arg_count; i++) {
        dims[i - 1] = dim_of(c, e->args[i]);
        if (!dims[i - 1]) {
            diag_report(c->diag, CODE_DIMENSION_UNKNOWN, e->args[i]->span,
                        "an axis of `reshape` is a number known at compile time");
            return type_poison(c);
        }
        wanted = dim_make(c->dims, DIM_MUL, wanted, dims[i - 1]);
    }
    /* A product with a name in it, or with ceil(H / 2) of a name H, may be equal for some sizes.
     * Lowering, which knows the sizes, compares it. */
    if (wanted != there && wanted->kind == DIM_CONST && there->kind == DIM_CONST) {
        diag_report(c->diag, CODE_SHAPES_DIFFER, e->span,
                    "reshape keeps every element, and here %s become %s", dim_text(c->arena, there),
                    dim_text(c->arena, wanted));
        return type_poison(c);
    }
    return type_make(c, t->kind, e->arg_count - 1, dims);
}

/* Returns the type of the first argument if it has from `low` to `high` axes, or NULL after a
 * message. */
static Type *need_rank(Check *c, const Expr *e, int low, int high) {
    Type *t = e->args[0]->type;
    if (t->rank >= low && t->rank <= high) return t;
    diag_report(c->diag, CODE_NEEDS_AXES, e->args[0]->span,
                "`%s` needs an array of %d%s axes, and this is %s", e->callee->name, low,
                low == high ? "" : " or more", type_text(c->arena, t));
    return NULL;
}

/* Returns the type of `filled(Q, j)`. An index j runs over the rows of the queue. */
static Type *filled_type(Check *c, Expr *e) {
    const Symbol *queue = e->args[0]->symbol;
    if (!queue || queue->kind != SYMBOL_QUEUE) {
        diag_report(c->diag, CODE_ARGUMENT_KIND, e->args[0]->span,
                    "`filled` asks whether a row of a queue was pushed yet, and this is no queue");
        return type_poison(c);
    }
    Expr *row = e->args[1];
    if (row->type->kind != KIND_INT || row->type->rank)
        diag_report(c->diag, CODE_INDEX_KIND, row->span,
                    "a row of a queue is a whole number, and this is %s",
                    type_text(c->arena, row->type));
    else if (row->kind == EXPR_NAME && row->symbol && row->symbol->kind == SYMBOL_INDEX &&
             queue->type->rank)
        binder_give_extent(c, row->symbol->binder, queue->type->dims[0], row->span,
                           arena_printf(c->arena, "the rows of `%s`", queue->name));
    return type_make(c, KIND_BOOL, 0, NULL);
}

/* Returns the type of new(..), which is for states, banks and queues of the method. A state inside
 * a net needs no `new`: of the applications in one step, each reads what the one before has
 * left. */
static Type *new_type(Check *c, Expr *e) {
    const Symbol *s = e->args[0]->symbol;
    bool memory =
        s && (s->kind == SYMBOL_STATE || s->kind == SYMBOL_QUEUE || s->kind == SYMBOL_COLUMN);
    if (memory) return e->args[0]->type;
    diag_report(c->diag, CODE_ARGUMENT_KIND, e->args[0]->span,
                "`new` tells what this step leaves in a state, a bank or a queue, and this is none "
                "of them");
    return type_poison(c);
}

/* ---- library calls, which work along the last axes, for each row of the axes before ---------- */

static Type *solve_type(Check *c, const Expr *e) {
    Type *a = e->args[0]->type;
    Type *b = e->args[1]->type;
    bool square = a->rank >= 2 && a->dims[a->rank - 1] == a->dims[a->rank - 2];
    bool fits = square && b->rank == a->rank - 1;
    for (int i = 0; fits && i < b->rank; i++)
        fits = a->dims[i] == b->dims[i];
    if (fits) return type_make(c, KIND_REAL, b->rank, b->dims);
    diag_report(c->diag, CODE_SHAPES_DIFFER, e->span,
                "`solve` needs a square matrix and a vector as long as its side, or as many of "
                "both: %s and %s",
                type_text(c->arena, a), type_text(c->arena, b));
    return type_poison(c);
}

/* Returns the type of `argsort`, `solve` or `assignment`, or poison after a message. `argsort`
 * gives a place for each element, `assignment` a column for each row of its matrix. */
static Type *library_type(Check *c, const Expr *e, const char *name) {
    for (int i = 0; i < e->arg_count; i++) {
        if (e->args[i]->type->kind == KIND_REAL || e->args[i]->type->kind == KIND_INT) continue;
        diag_report(c->diag, CODE_NEEDS_NUMBER, e->args[i]->span,
                    "`%s` needs numbers, and this is %s", name,
                    type_text(c->arena, e->args[i]->type));
        return type_poison(c);
    }
    if (strcmp(name, "solve") == 0) return solve_type(c, e);
    bool matrix = strcmp(name, "assignment") == 0;
    Type *t = need_rank(c, e, matrix ? 2 : 1, MAX_RANK);
    return t ? type_make(c, KIND_INT, matrix ? t->rank - 1 : t->rank, t->dims) : type_poison(c);
}

static Type *norm_type(Check *c, Expr *e) {
    if (e->args[0]->type->kind == KIND_ANY_SHAPE) return type_make(c, KIND_REAL, 0, NULL);
    return need_rank(c, e, 1, MAX_RANK) ? type_make(c, KIND_REAL, 0, NULL) : type_poison(c);
}

static Type *transposed_type(Check *c, Expr *e) {
    const Type *t = need_rank(c, e, 2, 2);
    if (!t) return type_poison(c);
    Dim *dims[] = {t->dims[1], t->dims[0]};
    return type_make(c, t->kind, 2, dims);
}

static Type *flat_type(Check *c, Expr *e) {
    const Type *t = need_rank(c, e, 2, MAX_RANK);
    if (!t) return type_poison(c);
    Dim *dims[] = {t->dims[0], t->dims[1]};
    for (int i = 2; i < t->rank; i++)
        dims[1] = dim_make(c->dims, DIM_MUL, dims[1], t->dims[i]);
    return type_make(c, t->kind, 2, dims);
}

/* Returns the type of `range(E)` or `permutation(E)`, an array of E ints. */
static Type *counted_type(Check *c, Expr *e, const char *name) {
    Dim *count = dim_of(c, e->args[0]);
    if (count) return type_make(c, KIND_INT, 1, &count);
    diag_report(c->diag, CODE_DIMENSION_UNKNOWN, e->args[0]->span,
                "`%s` needs a number known at compile time", name);
    return type_poison(c);
}

/* Returns the type of `bilinear(x, c, row, column)`. An index c runs over the channels of the
 * image. */
static Type *bilinear_type(Check *c, Expr *e) {
    const Type *t = need_rank(c, e, 3, 3);
    const Expr *channel = e->args[1];
    if (!t) return type_poison(c);
    if (channel->kind == EXPR_NAME && channel->symbol && channel->symbol->kind == SYMBOL_INDEX)
        binder_give_extent(c, channel->symbol->binder, t->dims[0], channel->span,
                           "the channels of the image");
    return type_make(c, KIND_REAL, 0, NULL);
}

static Type *misplaced_kmeans(Check *c, const Expr *e) {
    diag_report(c->diag, CODE_EVERY_EPOCH, e->span,
                "kmeans gives two things, and stands where they are kept: `update centres, "
                "members <- kmeans(points, 100)` in `every epoch`");
    return type_poison(c);
}

static Type *misplaced_distribution(Check *c, const Expr *e, const char *name) {
    diag_report(c->diag, CODE_DISTRIBUTION, e->span,
                "`%s` is a distribution, and no number: it stands behind the `~` of a draw, or "
                "alone as the start of a parameter or a state",
                name);
    diag_suggest(c->diag, "draw first: `draw r ~ %.*s`, then write `r` here",
                 e->span.end - e->span.begin, e->span.source->text + e->span.begin);
    return type_poison(c);
}

/* Returns the type of a built-in whose row of builtins.def has the rule `own`, or poison after a
 * message. */
static Type *own_type(Check *c, Expr *e, const char *name) {
    if (strcmp(name, "cos") == 0)
        return e->arg_count == 1 ? map_type(c, e, RULE_map) : pair_type(c, e);
    if (strcmp(name, "dot") == 0) return pair_type(c, e);
    if (strcmp(name, "norm") == 0) return norm_type(c, e);
    if (strcmp(name, "normalise") == 0) {
        Type *t = need_rank(c, e, 1, MAX_RANK);
        return t ? t : type_poison(c);
    }
    if (strcmp(name, "concat") == 0) return concat_type(c, e);
    if (strcmp(name, "reshape") == 0) return reshape_type(c, e);
    if (strcmp(name, "transpose") == 0) return transposed_type(c, e);
    if (strcmp(name, "flatten") == 0) return flat_type(c, e);
    if (strcmp(name, "argsort") == 0 || strcmp(name, "solve") == 0 ||
        strcmp(name, "assignment") == 0)
        return library_type(c, e, name);
    if (call_is_distribution(e) && c->at.drawn != e) return misplaced_distribution(c, e, name);
    if (strcmp(name, "range") == 0 || strcmp(name, "permutation") == 0)
        return counted_type(c, e, name);
    if (strcmp(name, "bilinear") == 0) return bilinear_type(c, e);
    if (strcmp(name, "filled") == 0) return filled_type(c, e);
    if (strcmp(name, "new") == 0) return new_type(c, e);
    if (strcmp(name, "kmeans") == 0) return misplaced_kmeans(c, e);
    if (strcmp(name, "bernoulli") == 0) return type_make(c, KIND_BOOL, 0, NULL);
    return type_make(c, KIND_REAL, 0, NULL); /* a distribution makes one draw */
}

/* True for a reduction that is called like a function, `sum(x)`, unless the spec declares that
 * name. */
static bool is_reduction(Check *c, const Expr *e) {
    if (e->callee->kind != EXPR_NAME || scope_find(c->at.scope, e->callee->name)) return false;
    for (int i = 0; i < REDUCE_KINDS; i++)
        if (strcmp(reduce_rows[i].word, e->callee->name) == 0) return true;
    return false;
}

/* Returns the argument with an index for each of its axes, `z[i, j]`, and sets *indices to the
 * indices alone, `i, j`. An argument that is no name stands as `x`. */
static const char *with_indices(Check *c, const Expr *argument, const char **indices) {
    static const char *const letters[] = {"i", "j", "k", "l", "m", "n", "a", "b"};
    const int rank =
        argument && argument->type && !type_is_poison(argument->type) && argument->type->rank
            ? argument->type->rank
            : 1;
    const bool plain = argument && (argument->kind == EXPR_NAME || argument->kind == EXPR_MEMBER);
    *indices = "i";
    for (int i = 1; i < rank && i < 8; i++)
        *indices = arena_printf(c->arena, "%s, %s", *indices, letters[i]);
    const char *name =
        plain ? arena_printf(c->arena, "%.*s", argument->span.end - argument->span.begin,
                             argument->span.source->text + argument->span.begin)
              : "x";
    return arena_printf(c->arena, "%s[%s]", name, *indices);
}

/* Reports `sum(x)`, and suggests the reduction with an index for each axis of its argument. */
static Type *report_reduction(Check *c, const Expr *e) {
    const char *name = e->callee->name;
    const char *indices;
    const char *element = with_indices(c, e->arg_count ? e->args[0] : NULL, &indices);
    diag_report(c->diag, CODE_UNKNOWN_NAME, e->callee->span,
                "`%s` is a reduction and no function: it needs its index", name);
    if (strcmp(name, "softmax") == 0)
        diag_suggest(c->diag, "softmax keeps its index, which the head of a let binds: `let p[i, "
                              "k] = softmax[k] s[i, k]`");
    else if (strcmp(name, "topk") == 0)
        diag_suggest(
            c->diag,
            "`let near[i, r < 5] = topk[j, r] s[i, j]` gives the places of the five largest");
    else if (strcmp(name, "count") == 0)
        diag_suggest(c->diag, "`count[i | x[i] > 0]` counts");
    else
        diag_suggest(c->diag, "`%s[%s] %s`; over one axis of several, `let m[i] = %s[d] x[i, d]`",
                     name, indices, element, name);
    return type_poison(c);
}

static Type *check_builtin(Check *c, Expr *e) {
    const char *name = e->callee->name;
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++) {
        if (strcmp(builtins[i].name, name) != 0) continue;
        if (builtins[i].high == 0) {
            diag_report(c->diag, CODE_NOT_CALLABLE, e->span,
                        "`%s` is a value, not a function: write it without parentheses", name);
            return type_poison(c);
        }
        if (e->arg_count < builtins[i].low || e->arg_count > builtins[i].high) {
            diag_report(c->diag, CODE_ARGUMENT_COUNT, e->span,
                        "`%s` takes %d%s %s, and %d %s given", name, builtins[i].low,
                        builtins[i].high > builtins[i].low ? " or more" : "",
                        builtins[i].low == 1 ? "argument" : "arguments", e->arg_count,
                        e->arg_count == 1 ? "is" : "are");
            const char *indices;
            const char *element = with_indices(c, e->arg_count ? e->args[0] : NULL, &indices);
            if (e->arg_count == 1 && (strcmp(name, "max") == 0 || strcmp(name, "min") == 0))
                diag_suggest(c->diag, "over an axis it has an index: `%s[%s] %s`", name, indices,
                             element);
            return type_poison(c);
        }
        for (int a = 0; a < e->arg_count; a++)
            if (type_is_poison(e->args[a]->type)) return type_poison(c);
        return builtins[i].rule == RULE_own ? own_type(c, e, name)
                                            : map_type(c, e, builtins[i].rule);
    }
    return type_poison(c);
}

/* ---- functions ------------------------------------------------------------------------------- */

/* True if every parameter is a scalar. Such a function acts element by element on arrays. */
static bool all_scalars(const Stmt *fn) {
    for (int i = 0; i < fn->param_count; i++)
        if (fn->params[i].has_shape) return false;
    return true;
}

/* True if the parameters have their symbols. A function has none after the message that it calls
 * itself, or that calls nest too deep, and no call of it can be checked. */
static bool is_checked(const Stmt *fn) {
    for (int i = 0; i < fn->param_count; i++)
        if (!fn->params[i].symbol) return false;
    return true;
}

/* Binds the numbers that the call leaves out to their defaults, which may depend on the given
 * numbers. */
static void bind_defaults(Check *c, const Stmt *fn, Expr *const *placed, Bindings *b) {
    for (int i = 0; i < fn->param_count; i++) {
        const Param *param = &fn->params[i];
        Dim *number =
            placed[i] || !param->value || param->has_shape ? NULL : dim_of(c, param->value);
        if (number) {
            bind_dim(c, b, param->symbol, replaced(c, number, b));
        }
    }
}

/* Notes the shape of an array to whose elements a function of scalars is applied. False after a
 * message: the array before it has another shape, or its elements do not fit the parameter. */
static bool maps_over(Check *c, const Stmt *fn, const Param *param, const Expr *array,
                      Type **shape) {
    Type *given = array->type;
    if (*shape && !type_same_shape(*shape, given)) {
        diag_report(c->diag, CODE_SHAPES_DIFFER, array->span,
                    "`%s` acts element by element, and the shapes differ: %s and %s", fn->name,
                    type_text(c->arena, *shape), type_text(c->arena, given));
        return false;
    }
    *shape = given;
    if (type_is_poison(param->type) || kinds_fit(param->type, given)) return true;
    report_kind(c, param, given, array->span);
    note_parameter(c, param);
    suggest_kind(c, param->type, given, array->span);
    return false;
}

static Type *check_function(Check *c, Expr *e, Symbol *symbol) {
    const Stmt *fn = symbol->stmt;
    Scheme *scheme = type_scheme_of(c, symbol);
    if (!is_checked(fn) || !check_reads_of_body(c, scheme, fn->name, e->span))
        return type_poison(c);
    Expr **placed = place_arguments(c, e, fn->name, fn->params, fn->param_count, fn->name_span);
    if (!placed) return type_poison(c);
    Bindings b = {0};
    Type *shape = NULL;
    bool scalars = all_scalars(fn);
    bool good = true;
    for (int i = 0; i < fn->param_count; i++)
        if (placed[i]) introduce(c, &fn->params[i], placed[i]->type, &b);
    for (int i = 0; i < fn->param_count; i++) {
        if (!placed[i]) continue;
        Type *given = placed[i]->type;
        if (type_is_poison(given)) {
            good = false;
            continue;
        }
        if (given->kind == KIND_ANY_SHAPE) return given;
        if (scalars && given->rank > 0) {
            good &= maps_over(c, fn, &fn->params[i], placed[i], &shape);
            continue;
        }
        good &= unify(c, &fn->params[i], given, &b, placed[i]->span);
        /* A number may size an array inside the function, as d0 does in the shape of a slice. */
        Dim *number = given->rank == 0 ? dim_of(c, placed[i]) : NULL;
        if (number) bind_dim(c, &b, fn->params[i].symbol, number);
    }
    if (!good || !scheme->result || type_is_poison(scheme->result)) return type_poison(c);
    bind_defaults(c, fn, placed, &b);
    Type *result = substituted(c, scheme->result, &b);
    return shape ? type_make(c, result->kind, shape->rank, shape->dims) : result;
}

/* ---- networks -------------------------------------------------------------------------------- */

/* Binds the configuration of a network to the numbers that its constructor gives, or to the
 * defaults. Arguments that do not fit are passed over here, since `configure` reports them. */
static void bind_config(Check *c, const Stmt *net, Expr *call, Bindings *b) {
    Expr **placed = arena_array(c->arena, Expr *, net->config_count + 1);
    int position = 0;
    for (int i = 0; call->kind == EXPR_CALL && i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        int at = name ? find_param(net->config, net->config_count, name) : position++;
        if (at >= 0 && at < net->config_count) {
            placed[at] = call->args[i];
        }
    }
    for (int i = 0; i < net->config_count; i++) {
        const Expr *value = placed[i] ? placed[i] : net->config[i].value;
        Dim *dim = value ? dim_of(c, value) : NULL;
        if (dim) bind_dim(c, b, net->config[i].symbol, dim);
    }
}

static Type *apply_definition(Check *c, Symbol *symbol, Expr *call, Type *argument, Span span) {
    const Stmt *net = symbol->stmt;
    Bindings b = {0};
    /* The body of the network is checked first, wherever its statement stands, because only then do
     * the names in it have symbols and types. */
    Scheme *scheme = type_scheme_of(c, symbol);
    bind_config(c, net, call, &b);
    if (!net->has_params) {
        Type *result = net->value ? net_typed_apply(c, net->value, argument, span) : type_poison(c);
        return type_is_poison(result) ? result : substituted(c, result, &b);
    }
    if (!is_checked(net) || !check_reads_of_body(c, scheme, net->name, span)) return type_poison(c);
    if (net->param_count != 1) {
        diag_report(c->diag, CODE_NETWORK_ARGUMENT, span,
                    "a network is applied to one array, and `%s` has %d parameters", net->name,
                    net->param_count);
        return type_poison(c);
    }
    if (!unify(c, &net->params[0], argument, &b, span) || !scheme->result ||
        type_is_poison(scheme->result))
        return type_poison(c);
    return substituted(c, scheme->result, &b);
}

/* True if a built-in takes one argument, as whatever stands in a composition must. False after a
 * message. */
static bool takes_one(Check *c, const Expr *name) {
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++) {
        if (strcmp(builtins[i].name, name->symbol->name) != 0 || builtins[i].low <= 1) continue;
        diag_report(
            c->diag, CODE_NETWORK_ARGUMENT, name->span,
            "`%s` takes %d%s arguments, and what is composed or applied like a network takes one",
            name->symbol->name, builtins[i].low,
            builtins[i].high > builtins[i].low ? " or more" : "");
        diag_suggest(c->diag,
                     "a function of one array says what the others are: `fn f(x) = max(x, 0)`");
        return false;
    }
    return true;
}

void check_part_of_chain(Check *c, const Expr *part) {
    if (part->symbol && part->symbol->kind == SYMBOL_BUILTIN) {
        takes_one(c, part);
    }
}

/* Returns the type of a function or a built-in in a composition. It is the type of a call whose one
 * argument, `x`, is made up here. */
static Type *apply_function(Check *c, Expr *name, Type *argument, Span span) {
    Symbol *input = arena_new_of(c->arena, Symbol);
    *input = (Symbol){.kind = SYMBOL_LET, .name = "x", .span = span, .type = argument};
    Expr *given = arena_new_of(c->arena, Expr);
    Expr *call = arena_new_of(c->arena, Expr);
    *given =
        (Expr){.kind = EXPR_NAME, .span = span, .name = "x", .symbol = input, .type = argument};
    *call = (Expr){.kind = EXPR_CALL,
                   .span = name->span,
                   .callee = name,
                   .args = arena_array(c->arena, Expr *, 1),
                   .arg_count = 1};
    call->args[0] = given;
    if (name->symbol->kind != SYMBOL_BUILTIN) return check_function(c, call, name->symbol);
    return takes_one(c, name) ? check_builtin(c, call) : type_poison(c);
}

Type *net_typed_apply(Check *c, Expr *net, Type *argument, Span span) {
    if (type_is_poison(argument)) return argument;
    if (net->type && type_is_poison(net->type)) return net->type;
    Symbol *s = net->symbol;
    switch (net->kind) {
    case EXPR_COMPOSE:
        for (int i = 0; i < net->arg_count && !type_is_poison(argument); i++)
            argument = net_typed_apply(c, net->args[i], argument, span);
        return argument;
    case EXPR_COPY:
        return net_typed_apply(c, net->args[0], argument, span);
    case EXPR_CALL:
        s = net->callee->symbol;
        if (s && s->kind == SYMBOL_NET) return apply_definition(c, s, net, argument, span);
        return type_poison(c);
    case EXPR_NAME:
    case EXPR_MEMBER:
        if (!s) return type_poison(c);
        if (s->kind == SYMBOL_NET_PART) {
            /* Names and copies may stand between the network and the composition that has its
             * parts. The number of steps is bounded in case they lead in a circle. */
            const Expr *whole = net->args[0];
            for (int hop = 0;
                 whole && whole->kind != EXPR_COMPOSE && hop <= 2 * c->at.module->stmt_count; hop++)
                whole = whole->kind == EXPR_COPY               ? whole->args[0]
                        : whole->symbol && whole->symbol->stmt ? whole->symbol->stmt->value
                                                               : NULL;
            return whole && s->item < whole->arg_count
                       ? net_typed_apply(c, whole->args[s->item], argument, span)
                       : type_poison(c);
        }
        if (s->kind == SYMBOL_NET)
            return s->stmt->has_config ? apply_definition(c, s, net, argument, span)
                                       : net_typed_apply(c, s->stmt->value, argument, span);
        if (s->kind == SYMBOL_BUILTIN || s->kind == SYMBOL_FN || s->kind == SYMBOL_LET_FN)
            return apply_function(c, net, argument, span);
        return type_poison(c);
    case EXPR_NUMBER:
    case EXPR_STRING:
    case EXPR_BOOL:
    case EXPR_INDEX:
    case EXPR_UNARY:
    case EXPR_BINARY:
    case EXPR_REDUCE:
    case EXPR_IF:
    case EXPR_DEFAULT:
    case EXPR_STOP:
    case EXPR_RANGE:
        break; /* the name is no network */
    }
    return type_poison(c);
}

/* True if the expression contains the index that the binder brings into scope. */
static bool speaks_of(const Expr *e, const Binder *binder) {
    if (!e) return false;
    if (e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_INDEX &&
        e->symbol->binder == binder)
        return true;
    for (int i = 0; i < e->arg_count; i++)
        if (speaks_of(e->args[i], binder)) return true;
    return speaks_of(e->callee, binder) || speaks_of(e->guard, binder);
}

bool net_takes_index(const Expr *e, const Binder *binder) {
    if (!e) return false;
    bool application = e->kind == EXPR_CALL && e->callee->type && e->callee->type->kind == KIND_NET;
    for (int i = 0; i < e->arg_count; i++)
        if ((application && speaks_of(e->args[i], binder)) || net_takes_index(e->args[i], binder))
            return true;
    return net_takes_index(e->callee, binder) || net_takes_index(e->guard, binder);
}

/* Returns the declaration of a network's weights that has this setting as an extent, or NULL. */
static const Param *sized_by(const Stmt *net, const char *setting) {
    for (int i = 0; i < net->body_count; i++)
        for (int k = 0; net->body[i]->kind == STMT_PARAM && k < net->body[i]->param_count; k++) {
            const Param *weights = &net->body[i]->params[k];
            for (int d = 0; d < weights->dim_count; d++)
                if (weights->dims[d]->kind == EXPR_NAME &&
                    strcmp(weights->dims[d]->name, setting) == 0)
                    return weights;
        }
    return NULL;
}

/* True if all settings that are extents of weights are whole and at least 1. False after a
 * message. */
static bool sizes_are_whole(Check *c, const Stmt *net, Expr *const *placed) {
    bool good = true;
    for (int i = 0; i < net->config_count; i++) {
        const Expr *size = placed[i];
        if (!size || !size->is_constant ||
            (size->constant >= 1 && size->constant == floor(size->constant)))
            continue;
        const Param *weights = sized_by(net, net->config[i].name);
        if (!weights) continue;
        diag_report(c->diag, CODE_DIMENSION_UNKNOWN, size->span,
                    "`%s` of `%s` is a whole number of at least 1, and this is %.9g",
                    net->config[i].name, net->name, size->constant);
        diag_note(c->diag, weights->span, "it is an axis of `%s`", weights->name);
        good = false;
    }
    return good;
}

/* ---- the call -------------------------------------------------------------------------------- */

static Type *apply_net(Check *c, Expr *e) {
    if (e->arg_count == 1) return net_typed_apply(c, e->callee, e->args[0]->type, e->args[0]->span);
    diag_report(c->diag, CODE_NETWORK_ARGUMENT, e->span,
                "a network is applied to one array, and %d are given", e->arg_count);
    if (e->arg_count > 1)
        diag_suggest(
            c->diag, "%s",
            "two views are two applications, which share the weights: `let z = encoder(a), "
            "w = encoder(b)`");
    return type_poison(c);
}

/* Checks the settings of a net or an optimiser, in parentheses behind its name, and returns its
 * type. A net whose settings do not fit is poison. */
static Type *configure(Check *c, Expr *e, Symbol *s) {
    const Stmt *stmt = s->stmt;
    Expr **placed =
        place_arguments(c, e, s->name, stmt->config, stmt->config_count, stmt->name_span);
    const bool is_net = s->kind == SYMBOL_NET;
    if (is_net && (!placed || !sizes_are_whole(c, stmt, placed))) return type_poison(c);
    if (!is_net || stmt->has_params) type_scheme_of(c, s);
    return type_make(c, is_net ? KIND_NET : KIND_OPTIMISER, 0, NULL);
}

Type *check_call(Check *c, Expr *e) {
    if (is_reduction(c, e)) {
        for (int i = 0; i < e->arg_count; i++)
            check_expr(c, e->args[i]);
        return report_reduction(c, e);
    }
    Type *callee = check_expr(c, e->callee);
    for (int i = 0; i < e->arg_count; i++)
        check_expr(c, e->args[i]);
    if (type_is_poison(callee)) return callee;
    Symbol *s = e->callee->symbol;
    if (s && s->kind == SYMBOL_BUILTIN) return check_builtin(c, e);
    if (s && (s->kind == SYMBOL_FN || s->kind == SYMBOL_LET_FN)) return check_function(c, e, s);
    if (s && s->kind == SYMBOL_OPTIMISER) return configure(c, e, s);
    if (s && s->kind == SYMBOL_NET && s->stmt->has_config) return configure(c, e, s);
    if (callee->kind == KIND_NET) return apply_net(c, e);
    diag_report(c->diag, CODE_NOT_CALLABLE, e->callee->span, "this is %s and cannot be called",
                type_text(c->arena, callee));
    return type_poison(c);
}
