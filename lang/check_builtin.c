/* Finds the types of calls of built-ins. A row of builtins.def says how many arguments a built-in
 * takes, and by which rule it is typed. */
#include "lang/check.h"

#include <limits.h>
#include <string.h>

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

bool builtin_takes_one(Check *c, const Expr *name) {
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

bool call_is_reduction(Check *c, const Expr *e) {
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

Type *call_report_reduction(Check *c, const Expr *e) {
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

Type *check_builtin(Check *c, Expr *e) {
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
