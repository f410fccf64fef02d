/* Checks what binds and uses indices: the heads of lets and reductions, the reductions themselves,
 * and reads of arrays, from whose axes an index takes its extent. */
#include "lang/check.h"
#include "lang/habits.h"

#include <string.h>

/* ---- indices --------------------------------------------------------------------------------- */

/* Returns the read that gave the binder its extent, or NULL if there is none. A later read that
 * disagrees is reported with both places. */
static const Occurrence *occurrence_of(const Check *c, const Binder *binder) {
    for (int i = c->occurrences.count - 1; i >= 0; i--)
        if (c->occurrences.items[i].binder == binder) return &c->occurrences.items[i];
    return NULL;
}

void binder_give_extent(Check *c, Binder *binder, Dim *dim, Span span, const char *what) {
    if (binder->same) binder = binder->same;
    if (!binder->extent) {
        binder->extent = dim;
        Occurrence occurrence = {binder, span, what};
        array_push(c->arena, &c->occurrences, occurrence);
        return;
    }
    if (binder->extent == dim || binder->bound) return;
    diag_report(c->diag, CODE_TWO_EXTENTS, span, "the index `%s` runs over %s here, which is %s",
                binder->name, what, dim_text(c->arena, dim));
    const Occurrence *first = occurrence_of(c, binder);
    if (first)
        diag_note(c->diag, first->span, "and over %s here, which is %s", first->what,
                  dim_text(c->arena, binder->extent));
    diag_suggest(c->diag, "axes of one length have one name in the signature; axes of two lengths "
                          "have an index each");
}

void binders_close(Check *c, Binder **binders, int count, bool quiet) {
    for (int i = 0; i < count; i++) {
        Binder *b = binders[i];
        if (b->extent || b->same) continue;
        bool again = false; /* true in `sum[i, i]`, where scope_declare has reported the second i */
        for (int k = 0; k < count; k++)
            again |= k != i && strcmp(binders[k]->name, b->name) == 0;
        if (!again && !quiet && !c->misses_declaration) {
            diag_report(
                c->diag, CODE_ENDLESS_INDEX, b->span,
                "nothing says how far the index `%s` runs: it is the plain index of no array",
                b->name);
            if (habit_goes_on(b->span, b->name))
                diag_suggest(
                    c->diag,
                    "a reduction ends ahead of `+` and `-`: `sum[%s] (a[%s] + b[%s])` goes on",
                    b->name, b->name, b->name);
            else
                diag_suggest(c->diag, "write its end: `%s < N`", b->name);
        }
        b->extent = dim_const(c->dims, 1);
    }
}

/* Returns the symbol that an index of this name would hide, or NULL. The search ends at the body of
 * the function, network or optimiser: an index there may have the name of something in the
 * method. */
static const Symbol *hidden_by(const Check *c, const char *name) {
    const Symbol *found = NULL;
    for (const Scope *scope = c->at.scope; scope && scope != c->at.outside && !found;
         scope = scope->parent)
        found = scope_find_in(scope, name);
    return found;
}

void binder_open(Check *c, Binder *b) {
    const Symbol *visible = hidden_by(c, b->name);
    if (b->bound) {
        check_expr(c, b->bound);
        b->extent = dim_of(c, b->bound);
        const bool is_known = b->bound->type && b->bound->type->kind != KIND_POISON;
        if (!b->extent && is_known) {
            diag_report(c->diag, CODE_DIMENSION_UNKNOWN, b->bound->span,
                        "the end of the index `%s` is no dimension known at compile time", b->name);
            b->extent = dim_const(c->dims, 1);
        }
    }
    const bool is_beside = visible && visible == scope_find_in(c->at.scope, b->name);
    if (visible && !is_beside && visible->kind != SYMBOL_BUILTIN) {
        diag_report(c->diag, CODE_INDEX_HIDES, b->span, "the index `%s` hides another `%s`",
                    b->name, b->name);
        diag_note(c->diag, visible->span, "which is declared here");
    }
    Symbol *s = scope_declare(c, SYMBOL_INDEX, b->name, b->span, NULL, NULL);
    s->binder = b;
    s->type = type_make(c, KIND_INT, 0, NULL);
}

static void check_guard(Check *c, Expr *guard) {
    Type *t = check_expr(c, guard);
    if (type_is_poison(t) || (t->kind == KIND_BOOL && t->rank == 0)) return;
    diag_report(c->diag, CODE_GUARD, guard->span,
                "the guard after the bar must be a condition, true or false; this is %s",
                type_text(c->arena, t));
    diag_suggest(c->diag, "compare it with something: `!= 0`, `== k`, `> t`");
}

/* Checks `softmax[k] e` and `topk[j, r] e`. They give a value for each k and each r, which is an
 * index that is bound outside; only j is bound here. */
static Type *check_kept(Check *c, Expr *e) {
    /* The number of the kept index among the binders. */
    int kept = e->reduce == REDUCE_SOFTMAX ? 0 : 1;
    if (e->binder_count != kept + 1) {
        diag_report(
            c->diag, CODE_KEPT_INDEX, e->span,
            kept ? "topk needs two indices: what it looks through and the rank, `topk[j, r] s[j]`"
                 : "softmax needs one index");
        return type_poison(c);
    }
    Binder *outer = e->binders[kept];
    Symbol *s = scope_find(c->at.scope, outer->name);
    if (!s || s->kind != SYMBOL_INDEX) {
        diag_report(c->diag, CODE_KEPT_INDEX, outer->span,
                    "`%s` must be an index bound outside, as in `let p[i, %s] = %s`", outer->name,
                    outer->name, kept ? "topk[j, r] s[i, j]" : "softmax[k] s[i, k]");
        return type_poison(c);
    }
    outer->same = s->binder->same ? s->binder->same : s->binder;
    scope_push(c);
    if (kept) binder_open(c, e->binders[0]);
    const int untyped = c->at.untyped;
    if (e->guard) check_guard(c, e->guard);
    Type *body = check_expr(c, e->args[0]);
    scope_pop(c);
    if (kept) binders_close(c, e->binders, 1, c->at.untyped > untyped);
    if (type_is_poison(body)) return body;
    if (body->rank > 0 || !type_is_numeric(body)) {
        diag_report(c->diag, CODE_NEEDS_NUMBER, e->args[0]->span,
                    "%s needs a number for each index; this is %s", kept ? "topk" : "softmax",
                    type_text(c->arena, body));
        return type_poison(c);
    }
    return type_make(c, kept ? KIND_INT : KIND_REAL, 0, NULL);
}

bool binders_too_many(Check *c, Binder *const *binders, int count, const char *of) {
    if (count <= MOST_AXES) return false;
    diag_report(c->diag, CODE_TOO_MANY_AXES, binders[MOST_AXES]->span,
                "%s has at most %d indices, and here are %d", of, MOST_AXES, count);
    return true;
}

static TypeKind kind_of_result(ReduceGives gives, TypeKind term) {
    switch (gives) {
    case REDUCE_GIVES_same:
        return term;
    case REDUCE_GIVES_real:
        return KIND_REAL;
    case REDUCE_GIVES_int:
        return KIND_INT;
    case REDUCE_GIVES_bool:
        return KIND_BOOL;
    }
    return KIND_POISON;
}

Type *check_reduce(Check *c, Expr *e) {
    if (e->reduce == REDUCE_SOFTMAX || e->reduce == REDUCE_TOPK) return check_kept(c, e);
    if (binders_too_many(c, e->binders, e->binder_count, "a reduction")) return type_poison(c);
    scope_push(c);
    for (int i = 0; i < e->binder_count; i++)
        binder_open(c, e->binders[i]);
    const int untyped = c->at.untyped;
    if (e->guard) check_guard(c, e->guard);
    Type *body = e->arg_count ? check_expr(c, e->args[0]) : type_make(c, KIND_INT, 0, NULL);
    scope_pop(c);
    binders_close(c, e->binders, e->binder_count, c->at.untyped > untyped);
    if (type_is_poison(body)) return body;
    if (body->rank > 0) {
        diag_report(c->diag, CODE_INDEX_MISSING, e->args[0]->span,
                    "each term of a reduction is a number, and this is %s: an index is missing",
                    type_text(c->arena, body));
        diag_suggest(c->diag, "an element has an index for each axis, `x[i, d]`; `dot`, `norm` or "
                              "one more index of the reduction makes one number of a row");
        return type_poison(c);
    }
    const ReduceRow *row = &reduce_rows[e->reduce];
    const bool truth = row->takes == REDUCE_TAKES_truth;
    if (truth != (body->kind == KIND_BOOL) && row->takes != REDUCE_TAKES_nothing) {
        diag_report(c->diag, truth ? CODE_NEEDS_CONDITION : CODE_NEEDS_NUMBER, e->args[0]->span,
                    truth ? "any and all need a condition; this is %s"
                          : "this reduction needs numbers; this is %s",
                    type_text(c->arena, body));
        if (truth)
            diag_suggest(c->diag, "a reduction ends before a comparison: put the condition in "
                                  "parentheses, `any[j] (x[j] == y)`");
        else
            diag_suggest(c->diag, "count[j | condition] counts, real(condition) is 0 or 1");
        return type_poison(c);
    }
    return type_make(c, kind_of_result(row->gives, body->kind), 0, NULL);
}

/* ---- reads of arrays ------------------------------------------------------------------------- */

/* True after a message about a place below 0. With `else` a read outside has a value, so such a
 * place is allowed. Where a hyper is in it, a condition may decide that the read is not done. */
static bool refuse_negative_place(Check *c, const Expr *e, const Type *base) {
    for (int i = 0; i < e->arg_count && !c->at.in_default; i++) {
        const Expr *at = e->args[i];
        if (!at->is_constant || at->constant >= 0) continue;
        Doubt doubt = {
            .code = CODE_OUT_OF_RANGE,
            .span = at->span,
            .sentence = arena_printf(
                c->arena, "a place in an array is at least 0, and this is %.9g", at->constant)};
        if (i < base->rank)
            doubt.help = arena_printf(c->arena, "the last one is `%s - %.9g`",
                                      dim_text(c->arena, base->dims[i]), -at->constant);
        if (at->is_tunable) {
            check_doubt(c, doubt);
            continue;
        }
        diag_report(c->diag, doubt.code, doubt.span, "%s", doubt.sentence);
        if (doubt.help) diag_suggest(c->diag, "%s", doubt.help);
        return true;
    }
    return false;
}

static bool refuse_many_indices(Check *c, const Expr *e, const Type *base) {
    const char *name = e->callee->name ? e->callee->name : "this";
    if (e->arg_count <= base->rank) return false;
    if (base->rank == 0)
        diag_report(c->diag, CODE_TOO_MANY_INDICES, e->span,
                    "`%s` is a number and has no axes to index", name);
    else
        diag_report(c->diag, CODE_TOO_MANY_INDICES, e->args[base->rank]->span,
                    "too many indices: `%s` is %s, with %d %s", name, type_text(c->arena, base),
                    base->rank, base->rank == 1 ? "axis" : "axes");
    if (e->callee->symbol && e->callee->symbol->span.source)
        diag_note(c->diag, e->callee->symbol->span, "it is declared here");
    return true;
}

/* True after a message about a read of a queue of columns that names no column. */
static bool refuse_whole_queue(Check *c, const Expr *e) {
    const Symbol *array = e->callee->symbol;
    if (!array || array->kind != SYMBOL_QUEUE || !array->stmt->param_count) return false;
    diag_report(c->diag, CODE_QUEUE_ROW, e->span,
                "the queue `%s` has columns, and a read names one: `%s.%s[..]`", array->name,
                array->name, array->stmt->params[0].name);
    return true;
}

/* Checks the place e->args[axis] at which an axis of the array is read. An index that stands there
 * alone runs over the extent of the axis. */
static void check_subscript(Check *c, const Expr *e, int axis, Dim *extent) {
    const Expr *index = e->args[axis];
    const Type *t = index->type;
    if (type_is_poison(t)) return;
    if (t->kind != KIND_INT || t->rank != 0) {
        diag_report(c->diag, CODE_INDEX_KIND, index->span,
                    "an index is a whole number, and this is %s", type_text(c->arena, t));
        if (t->kind == KIND_REAL && t->rank == 0)
            diag_suggest(c->diag, "`floor(x)` and `round(x)` make whole numbers of reals");
        return;
    }
    if (index->kind != EXPR_NAME || !index->symbol || index->symbol->kind != SYMBOL_INDEX) return;
    binder_give_extent(c, index->symbol->binder, extent, index->span,
                       arena_printf(c->arena, "axis %d of `%s`", axis + 1,
                                    e->callee->name ? e->callee->name : "the array"));
}

Type *check_index(Check *c, Expr *e) {
    /* The `else` of a read is that of this read, and not of others in its subscripts. */
    const bool is_default = c->at.in_default;
    const bool was_index = c->at.in_index;
    c->at.in_default = false;
    Type *base = check_expr(c, e->callee);
    c->at.in_index = true;
    for (int i = 0; i < e->arg_count; i++)
        check_expr(c, e->args[i]);
    c->at.in_index = was_index;
    c->at.in_default = is_default;
    if (type_is_poison(base)) return base;
    if (refuse_negative_place(c, e, base) || refuse_many_indices(c, e, base) ||
        refuse_whole_queue(c, e))
        return type_poison(c);
    for (int i = 0; i < e->arg_count; i++)
        check_subscript(c, e, i, base->dims[i]);
    return type_make(c, base->kind, base->rank - e->arg_count, base->dims + e->arg_count);
}
