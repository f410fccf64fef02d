/* Finds the types of expressions, and reports operands that do not go together. */
#include "lang/check.h"
#include "lang/habits.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

bool type_same_shape(const Type *a, const Type *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

/* True if a quotient, a remainder, a minimum or a maximum is in the dimension. Its value is not
 * known before its sizes are numbers, so it may equal a dimension of another form. */
static bool is_opaque(const Dim *d) {
    switch (d->kind) {
    case DIM_CONST:
    case DIM_NAME:
        return false;
    case DIM_ADD:
    case DIM_MUL:
        return is_opaque(d->a) || is_opaque(d->b);
    case DIM_CEIL_DIV:
    case DIM_FLOOR_DIV:
    case DIM_MOD:
    case DIM_MIN:
    case DIM_MAX:
        return true;
    }
    return false;
}

bool dim_may_be_equal(Check *c, Dim *a, Dim *b) {
    if (a == b) return true;
    if (!is_opaque(a) && !is_opaque(b)) return false;
    return dim_make(c->dims, DIM_ADD, a, dim_make(c->dims, DIM_MUL, dim_const(c->dims, -1), b))
               ->kind != DIM_CONST;
}

bool type_is_numeric(const Type *t) {
    return t->kind == KIND_REAL || t->kind == KIND_INT || t->kind == KIND_ANY_SHAPE;
}

/* ---- dimensions ------------------------------------------------------------------------------ */

/* Returns the dimension of a name: the value of a hyper, the rows of a source, or the name itself
 * if it is a dimension or a number of a signature. NULL for other names. */
static Dim *dim_of_name(Check *c, const Expr *e) {
    Symbol *s = e->symbol ? e->symbol : scope_find(c->at.scope, e->name);
    if (!s) return NULL;
    if (s->kind == SYMBOL_HYPER && s->param && s->param->value) return dim_of(c, s->param->value);
    if (s->kind == SYMBOL_DATA && s->stmt && s->stmt->data)
        return dim_const(c->dims, source_rows(c, s->stmt->data, e->span));
    const bool is_number =
        s->kind == SYMBOL_DIMENSION || s->kind == SYMBOL_CONFIG ||
        (s->kind == SYMBOL_ARGUMENT && s->type && s->type->rank == 0 && type_is_numeric(s->type));
    return is_number ? dim_name(c->dims, s) : NULL;
}

static Dim *dim_of_pair(Check *c, DimKind kind, const Expr *first, const Expr *second) {
    Dim *a = dim_of(c, first);
    Dim *b = dim_of(c, second);
    return a && b ? dim_make(c->dims, kind, a, b) : NULL;
}

static Dim *dim_of_binary(Check *c, const Expr *e) {
    const Expr *a = e->args[0];
    const Expr *b = e->args[1];
    if (e->op == OP_ADD) return dim_of_pair(c, DIM_ADD, a, b);
    if (e->op == OP_MUL) return dim_of_pair(c, DIM_MUL, a, b);
    if (e->op == OP_FLOORDIV) return dim_of_pair(c, DIM_FLOOR_DIV, a, b);
    if (e->op == OP_MOD) return dim_of_pair(c, DIM_MOD, a, b);
    if (e->op != OP_SUB) return NULL;
    Dim *from = dim_of(c, a);
    Dim *less = dim_of(c, b);
    if (!from || !less) return NULL;
    Dim *negative = dim_make(c->dims, DIM_MUL, dim_const(c->dims, -1), less);
    return dim_make(c->dims, DIM_ADD, from, negative);
}

/* Returns the dimension of `ceil(a / b)`, `floor(a / b)`, `min(a, b)` or `max(a, b)`, or NULL. Ceil
 * and floor of anything but a quotient are their argument, which is a whole number. */
static Dim *dim_of_call(Check *c, const Expr *e) {
    if (e->callee->kind != EXPR_NAME || e->arg_count < 1) return NULL;
    const char *name = e->callee->name;
    const Expr *first = e->args[0];
    const bool is_ceil = strcmp(name, "ceil") == 0;
    const bool is_min = strcmp(name, "min") == 0;
    if (is_ceil || strcmp(name, "floor") == 0) {
        if (first->kind != EXPR_BINARY || first->op != OP_DIV) return dim_of(c, first);
        return dim_of_pair(c, is_ceil ? DIM_CEIL_DIV : DIM_FLOOR_DIV, first->args[0],
                           first->args[1]);
    }
    if (e->arg_count != 2 || (!is_min && strcmp(name, "max") != 0)) return NULL;
    return dim_of_pair(c, is_min ? DIM_MIN : DIM_MAX, first, e->args[1]);
}

Dim *dim_of(Check *c, const Expr *e) {
    if (e->kind == EXPR_NUMBER)
        return e->number == floor(e->number) && fabs(e->number) <= MOST_WHOLE
                   ? dim_const(c->dims, (int64_t)e->number)
                   : NULL;
    if (e->kind == EXPR_NAME) return dim_of_name(c, e);
    if (e->kind == EXPR_BINARY) return dim_of_binary(c, e);
    return e->kind == EXPR_CALL ? dim_of_call(c, e) : NULL;
}

void dim_report_fault(Check *c, Span span) {
    switch (dim_fault(c->dims)) {
    case DIM_FINE:
        break;
    case DIM_OVERFLOW:
        diag_report(c->diag, CODE_DIMENSION_RANGE, span, "a dimension here goes beyond 64 bits");
        break;
    case DIM_TOO_LONG:
        diag_report(c->diag, CODE_DIMENSION_RANGE, span,
                    "a dimension here, multiplied out, has more than %d terms or factors",
                    MOST_DIMENSION_TERMS);
        break;
    }
}

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

static Type *check_reduce(Check *c, Expr *e) {
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

/* ---- names ----------------------------------------------------------------------------------- */

/* True for the statements that declare the name in front of their `=`, `<-` or brackets. The name
 * of a loss or a report is none that a formula can speak of. */
static bool declares_its_name(const Stmt *s) {
    return s->kind == STMT_LET || s->kind == STMT_NET || s->kind == STMT_FN ||
           s->kind == STMT_OPTIMISER || s->kind == STMT_DATA || s->kind == STMT_QUEUE ||
           s->kind == STMT_BANK;
}

static bool declares_params(const Stmt *s) {
    return s->kind == STMT_VIEW || s->kind == STMT_PARAM || s->kind == STMT_STATE ||
           s->kind == STMT_DRAW || s->kind == STMT_HYPER;
}

/* Returns the place where a statement declares the name, or NULL. */
static const Span *declared_in(const Stmt *s, const char *name) {
    if (declares_its_name(s) && strcmp(s->name, name) == 0) return &s->name_span;
    for (int i = 0; declares_params(s) && i < s->param_count; i++)
        if (strcmp(s->params[i].name, name) == 0) return &s->params[i].span;
    for (int i = 0; i < s->carry_count; i++)
        if (strcmp(s->carry[i]->name, name) == 0) return &s->carry[i]->name_span;
    return NULL;
}

/* Returns the place where the module will declare the name, or NULL. Values are defined from top to
 * bottom, and a body is checked at its first call, so what counts is which statements were checked,
 * and not where the name stands. */
static const Span *declared_later(const Check *c, const char *name) {
    const Module *m = c->at.module;
    const Span *found = NULL;
    for (int i = m->checked_count; i < m->stmt_count && !found; i++)
        found = declared_in(m->stmts[i], name);
    return found;
}

/* Help for an unknown name takes a search through all names. A text of thousands of errors gets
 * help for the first ones only, which are more than are shown. */
enum { ENOUGH_ERRORS = 100 };

static bool is_of_word(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

/* True if the second word of a text begins with the name. A declaration that lacks its bracket,
 * such as `param CD, c] = 0`, may have been that of C. */
static bool is_glued(const char *text, int length, const char *name) {
    int at = 0;
    while (at < length && is_of_word(text[at]))
        at++;
    while (at < length && text[at] == ' ')
        at++;
    return length - at > (int)strlen(name) && strncmp(text + at, name, strlen(name)) == 0;
}

/* True if the name stands as a word in a part of the module that the parser left out. */
static bool stands_in_broken(const Module *module, const char *name) {
    const int length = (int)strlen(name);
    for (int i = 0; i < module->broken_count; i++) {
        const Span span = module->broken[i];
        const char *text = span.source->text;
        if (is_glued(text + span.begin, span.end - span.begin, name)) return true;
        for (int at = span.begin; at + length <= span.end; at++) {
            const bool begins = at == 0 || !is_of_word(text[at - 1]);
            const bool ends = !is_of_word(text[at + length]);
            if (begins && ends && strncmp(text + at, name, (size_t)length) == 0) return true;
        }
    }
    return false;
}

bool parse_was_broken(Check *c, const char *name) {
    const bool broken = c->at.module->lacks_name || stands_in_broken(c->at.module, name);
    c->misses_declaration |= broken;
    return broken;
}

/* True for a character outside ASCII, about which the scanner has said what to write instead. */
static bool is_foreign(Span span) {
    return (unsigned char)span.source->text[span.begin] >= 0x80;
}

/* Attaches the fix of an unknown module: a line `use NAME` ahead of the first statement of the file
 * in which the name stands. */
static void fix_use(Check *c, const Expr *name) {
    const Module *m = c->at.module;
    for (int i = 0; i < m->stmt_count; i++) {
        Span at = m->stmts[i]->span;
        if (at.source != name->span.source) continue;
        while (at.begin > 0 && at.source->text[at.begin - 1] != '\n')
            at.begin--;
        at.end = at.begin;
        at.column = 1;
        diag_fix(c->diag, at, arena_printf(c->arena, "use %s\n", name->name));
        return;
    }
}

/* Reports an unknown name, but not the same name twice in a row on one line, since the second
 * message would say nothing new. The help is the first guess that fits. */
static void unknown_name(Check *c, const Expr *e) {
    if (is_foreign(e->span)) return;
    if (diag_error_count(c->diag) <= ENOUGH_ERRORS && parse_was_broken(c, e->name)) return;
    Span last = c->unknown;
    bool again = last.source == e->span.source && last.line == e->span.line &&
                 last.end - last.begin == e->span.end - e->span.begin &&
                 memcmp(last.source->text + last.begin, e->name, strlen(e->name)) == 0;
    if (again) return;
    c->unknown = e->span;
    diag_report(c->diag, CODE_UNKNOWN_NAME, e->span, "the name `%s` is not known here", e->name);
    if (diag_error_count(c->diag) > ENOUGH_ERRORS) return;
    const char *meant = habit_of_name(e->name);
    scope_suggest(c, e->name, e->span);
    if (meant)
        diag_suggest(c->diag, "%s", meant);
    else if (c->at.in_signature)
        diag_suggest(c->diag,
                     "the dimensions of a signature begin with a capital letter: `x[N, D]`");
    else if (habit_is_behind_reduction(e->span, e->name))
        diag_suggest(c->diag,
                     "a reduction ends ahead of `+` and `-`: `sum[%s] (a[%s] + b[%s])` goes on",
                     e->name, e->name, e->name);
    else if (c->at.in_index && !e->name[1])
        diag_suggest(c->diag,
                     "an index is bound by a reduction, `sum[%s] ..`, or by the head of a let, "
                     "`let y[%s] = ..`",
                     e->name, e->name);
    else if (c->hooks && c->hooks->module &&
             c->hooks->module(c->hooks->context, c->arena, e->name, 0)) {
        diag_suggest(c->diag, "`use %s` makes the names of the library's module visible", e->name);
        fix_use(c, e);
    }
}

static Type *check_name(Check *c, Expr *e) {
    Symbol *s = scope_find(c->at.scope, e->name);
    const Span *later =
        s || diag_error_count(c->diag) > ENOUGH_ERRORS ? NULL : declared_later(c, e->name);
    if (later) {
        diag_report(c->diag, CODE_USED_EARLY, e->span, "`%s` is used before it is defined",
                    e->name);
        diag_note(c->diag, *later, "its definition is here");
        return type_poison(c);
    }
    if (!s) {
        unknown_name(c, e);
        return type_poison(c);
    }
    s->used = true;
    e->symbol = s;
    if (!s->type) {
        diag_report(c->diag, CODE_USED_EARLY, e->span, "`%s` is used before it is defined",
                    e->name);
        diag_note(c->diag, s->span, "its definition is here");
        return type_poison(c);
    }
    return type_of_sample(c, e, s->type);
}

/* A network may be a copy of a copy, each with a name of its own. So many names are followed. */
enum { MOST_HOPS = 1 << 16 };

/* Returns the composition that the network stands for, or NULL for a single layer. */
static const Expr *composition_of(const Symbol *net) {
    const Expr *whole = net && net->stmt ? net->stmt->value : NULL;
    for (int hop = 0; whole && whole->kind != EXPR_COMPOSE && hop < MOST_HOPS; hop++) {
        if (whole->kind == EXPR_COPY)
            whole = whole->args[0];
        else if (whole->symbol && whole->symbol->stmt && whole->symbol->stmt->value != whole)
            whole = whole->symbol->stmt->value;
        else
            break;
    }
    return whole && whole->kind == EXPR_COMPOSE ? whole : NULL;
}

/* Returns the number of the part of this name in the composition, or -1. */
static int number_of_part(const Expr *composition, const char *name) {
    for (int i = 0; composition && composition->arg_names && i < composition->arg_count; i++)
        if (composition->arg_names[i] && strcmp(composition->arg_names[i], name) == 0) return i;
    return -1;
}

bool net_has_part(const Symbol *net, const char *name) {
    return number_of_part(composition_of(net), name) >= 0;
}

bool net_names_all_parts(const Symbol *net) {
    const Expr *whole = composition_of(net);
    bool all = whole && whole->arg_names;
    for (int i = 0; all && i < whole->arg_count; i++)
        all = whole->arg_names[i] != NULL;
    return all;
}

/* Suggests the names of a module, or the command that lists them if they are many. */
static void suggest_names_of(Check *c, const char *module, const Scope *scope) {
    enum { MOST = 12 };
    const char *text = "";
    int count = 0;
    for (int i = 0; scope && i < scope->symbols.count; i++) {
        const Symbol *s = scope->symbols.items[i];
        if (s->kind != SYMBOL_FN && s->kind != SYMBOL_NET && s->kind != SYMBOL_OPTIMISER) continue;
        if (count++ < MOST)
            text = arena_printf(c->arena, "%s%s%s", text, *text ? ", " : "", s->name);
    }
    if (count > MOST)
        diag_suggest(c->diag, "`couplet doc %s` lists its %d names", module, count);
    else if (count)
        diag_suggest(c->diag, "it has %s", text);
}

/* Reports a name that the module does not have. Says nothing if it stands in text of the module
 * that the parser left out. */
static Type *miss_in_module(Check *c, const Expr *e, const Module *m, const Scope *scope) {
    if (stands_in_broken(m, e->name)) return type_poison(c);
    const char *name = e->args[0]->symbol->name;
    const int count = scope ? scope->symbols.count : 0;
    const char **names = arena_array(c->arena, const char *, count);
    for (int i = 0; i < count; i++)
        names[i] = scope->symbols.items[i]->name;
    diag_report(c->diag, CODE_UNKNOWN_MEMBER, e->span, "the module `%s` has no `%s`", name,
                e->name);
    const char *near = diag_nearest(e->name, names, count);
    if (near)
        diag_mean(c->diag, e->span, arena_printf(c->arena, "%s.%s", name, near));
    else
        suggest_names_of(c, m->used ? m->source->path : name, scope);
    return type_poison(c);
}

static Type *check_member_of_module(Check *c, Expr *e, Module *m) {
    Scope *scope = module_scope(c, m);
    Symbol *found = scope ? scope_find_in(scope, e->name) : NULL;
    if (!found) return miss_in_module(c, e, m, scope);
    found->used = true;
    e->symbol = found;
    return found->type ? found->type : type_poison(c);
}

/* Reports a name that no part of the composition has. `whole` is NULL for a single layer. */
static Type *miss_part(Check *c, const Expr *e, const Expr *whole) {
    if (parse_was_broken(c, e->name)) return type_poison(c);
    const char **names = arena_array(c->arena, const char *, (whole ? whole->arg_count : 0) + 1);
    int count = 0;
    for (int i = 0; whole && whole->arg_names && i < whole->arg_count; i++)
        if (whole->arg_names[i]) names[count++] = whole->arg_names[i];
    diag_report(c->diag, CODE_UNKNOWN_MEMBER, e->span, "the network has no part named `%s`",
                e->name);
    const char *near = diag_nearest(e->name, names, count);
    if (near)
        diag_mean(c->diag, member_name_span(e), near);
    else
        diag_suggest(c->diag, "parts are named where they are composed: `%s: nn.convnet() >> ...`",
                     e->name);
    return type_poison(c);
}

static Type *check_part_of_net(Check *c, Expr *e, const Symbol *net) {
    const Expr *whole = composition_of(net);
    const int item = number_of_part(whole, e->name);
    if (item < 0) return miss_part(c, e, whole);
    Symbol *s = arena_new_of(c->arena, Symbol);
    *s = (Symbol){.kind = SYMBOL_NET_PART,
                  .name = e->name,
                  .span = whole->arg_spans[item],
                  .stmt = net ? net->stmt : NULL,
                  .item = item};
    e->symbol = s;
    return s->type = type_make(c, KIND_NET, 0, NULL);
}

/* Returns the column of the queue that has this name, or NULL. */
static const Param *column_of(const Symbol *queue, const char *name) {
    for (int i = 0; i < queue->stmt->param_count; i++)
        if (strcmp(queue->stmt->params[i].name, name) == 0) return &queue->stmt->params[i];
    return NULL;
}

static Type *check_member(Check *c, Expr *e) {
    Type *t = check_expr(c, e->args[0]);
    if (type_is_poison(t)) return t;
    Symbol *b = e->args[0]->symbol;
    if (b && b->kind == SYMBOL_MODULE) return check_member_of_module(c, e, b->module);
    if (b && (b->kind == SYMBOL_DATA || (b->kind == SYMBOL_FIELD && t->kind == KIND_DATA)))
        return check_field(c, e, b);
    if (t->kind == KIND_NET) return check_part_of_net(c, e, b);
    const Param *column = b && b->kind == SYMBOL_QUEUE && b->stmt ? column_of(b, e->name) : NULL;
    if (column) {
        e->symbol = column->symbol;
        return column->type ? column->type : type_poison(c);
    }
    if (parse_was_broken(c, e->name)) return type_poison(c);
    diag_report(c->diag, CODE_UNKNOWN_MEMBER, e->span, "%s has no parts to pick `%s` from",
                type_text(c->arena, t), e->name);
    const char *meant = habit_of_member(e->name);
    if (meant) diag_suggest(c->diag, "%s", meant);
    return type_poison(c);
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

static Type *check_index(Check *c, Expr *e) {
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

/* ---- operators ------------------------------------------------------------------------------- */

/* Returns the type of an operation on two sides, with elements of this kind, or poison after a
 * message. A number goes with an array of any shape. */
static Type *join_types(Check *c, Expr *e, Type *a, Type *b, TypeKind kind) {
    if (a->kind == KIND_ANY_SHAPE || b->kind == KIND_ANY_SHAPE)
        return type_make(c, KIND_ANY_SHAPE, 0, NULL);
    if (a->rank && b->rank && !type_same_shape(a, b)) {
        diag_report(c->diag, CODE_SHAPES_DIFFER, e->span,
                    "the two sides differ in shape: %s and %s", type_text(c->arena, a),
                    type_text(c->arena, b));
        diag_note(c->diag, e->args[0]->span, "this is %s", type_text(c->arena, a));
        diag_note(c->diag, e->args[1]->span, "this is %s", type_text(c->arena, b));
        const bool matrices =
            e->op == OP_MUL && a->rank == 2 && b->rank == 2 && a->dims[1] == b->dims[0];
        if (matrices)
            diag_suggest(
                c->diag,
                "a product of matrices is its formula: `let z[i, j] = sum[k] x[i, k] * y[k, j]`");
        else
            diag_suggest(c->diag,
                         "only a number goes with an array of any shape; where rows or columns "
                         "repeat, write the elements: `let y[i, d] = a[i, d] + b[d]`");
        return type_poison(c);
    }
    const Type *shaped = a->rank ? a : b;
    return type_make(c, kind, shaped->rank, shaped->dims);
}

static Type *check_binary(Check *c, Expr *e) {
    Type *a = check_expr(c, e->args[0]);
    Type *b = check_expr(c, e->args[1]);
    if (type_is_poison(a) || type_is_poison(b)) return type_poison(c);
    bool logic = e->op == OP_AND || e->op == OP_OR;
    bool compare = e->op >= OP_LT && e->op <= OP_NE;
    bool equality = e->op == OP_EQ || e->op == OP_NE;
    for (int i = 0; i < 2; i++) {
        Type *t = i ? b : a;
        bool fits =
            logic ? t->kind == KIND_BOOL : type_is_numeric(t) || (equality && t->kind == KIND_BOOL);
        if (fits) continue;
        diag_report(c->diag, logic ? CODE_NEEDS_CONDITION : CODE_NEEDS_NUMBER, e->args[i]->span,
                    logic ? "`and` and `or` join conditions, and this is %s"
                          : "a number is needed here, and this is %s",
                    type_text(c->arena, t));
        if (t->kind == KIND_BOOL)
            diag_suggest(
                c->diag, "%s",
                "real(condition) is 1 or 0; a guard leaves terms out: `sum[i | condition] ..`");
        return type_poison(c);
    }
    if (equality && (a->kind == KIND_BOOL) != (b->kind == KIND_BOOL)) {
        diag_report(c->diag, CODE_CONDITION_AND_NUMBER, e->span,
                    "a condition and a number cannot be compared: %s and %s",
                    type_text(c->arena, a), type_text(c->arena, b));
        return type_poison(c);
    }
    if (logic || compare) return join_types(c, e, a, b, KIND_BOOL);
    bool both_int = a->kind == KIND_INT && b->kind == KIND_INT;
    bool whole = both_int && e->op != OP_DIV && e->op != OP_POW;
    return join_types(c, e, a, b, whole ? KIND_INT : KIND_REAL);
}

/* True if an arm of `if` is made of numbers or conditions. False after a message. */
static bool check_arm(Check *c, const Expr *arm) {
    if (type_is_numeric(arm->type) || arm->type->kind == KIND_BOOL) return true;
    diag_report(c->diag, CODE_NEEDS_NUMBER, arm->span,
                "the arms of `if` are numbers or conditions, and this is %s",
                type_text(c->arena, arm->type));
    return false;
}

static Type *check_if(Check *c, Expr *e) {
    Type *t = check_expr(c, e->args[0]);
    const bool was_choice = c->at.in_choice;
    c->at.in_choice = true;
    Type *a = check_expr(c, e->args[1]);
    Type *b = check_expr(c, e->args[2]);
    c->at.in_choice = was_choice;
    if (type_is_poison(t) || type_is_poison(a) || type_is_poison(b)) return type_poison(c);
    if (t->kind != KIND_BOOL) {
        diag_report(c->diag, CODE_NEEDS_CONDITION, e->args[0]->span,
                    "`if` needs a condition, and this is %s", type_text(c->arena, t));
        return type_poison(c);
    }
    if (!check_arm(c, e->args[1]) || !check_arm(c, e->args[2])) return type_poison(c);
    if (a->kind == KIND_BOOL && b->kind == KIND_BOOL) return a;
    if (a->kind == KIND_BOOL || b->kind == KIND_BOOL) {
        diag_report(c->diag, CODE_CONDITION_AND_NUMBER, e->args[2]->span,
                    "one arm of `if` is %s and the other %s", type_text(c->arena, a),
                    type_text(c->arena, b));
        diag_suggest(c->diag, "`real(..)` makes 1 and 0 of a condition");
        return type_poison(c);
    }
    /* join_types takes the two sides from args[0] and args[1], where `if` has its condition. */
    Expr sides = *e;
    sides.args = e->args + 1;
    return join_types(c, &sides, a, b,
                      a->kind == KIND_INT && b->kind == KIND_INT ? KIND_INT : KIND_REAL);
}

static Type *check_compose(Check *c, Expr *e) {
    for (int i = 0; i < e->arg_count; i++) {
        Type *t = check_expr(c, e->args[i]);
        if (t->kind == KIND_FN) check_part_of_chain(c, e->args[i]);
        if (type_is_poison(t) || t->kind == KIND_NET || t->kind == KIND_FN) continue;
        diag_report(c->diag, CODE_NOT_A_NETWORK, e->args[i]->span,
                    "only networks and functions are composed with `>>`; this is %s",
                    type_text(c->arena, t));
    }
    return type_make(c, KIND_NET, 0, NULL);
}

static Type *check_unary(Check *c, Expr *e) {
    Type *t = check_expr(c, e->args[0]);
    if (type_is_poison(t)) return t;
    if (e->op == OP_NOT ? t->kind == KIND_BOOL : type_is_numeric(t)) return t;
    diag_report(c->diag, CODE_NEEDS_CONDITION, e->args[0]->span,
                e->op == OP_NOT ? "`not` needs a condition, and this is %s"
                                : "a number is needed after the minus, and this is %s",
                type_text(c->arena, t));
    return type_poison(c);
}

static Type *check_copy(Check *c, Expr *e) {
    Type *t = check_expr(c, e->args[0]);
    if (!type_is_poison(t) && t->kind != KIND_NET)
        diag_report(c->diag, CODE_NOT_A_NETWORK, e->span, "`copy` copies a network; this is %s",
                    type_text(c->arena, t));
    return type_make(c, KIND_NET, 0, NULL);
}

/* Checks `(x[..] else E)` and `(sum[..] .. else E)`. */
static Type *check_default(Check *c, Expr *e) {
    Expr *given = e->args[0];
    Expr *instead = e->args[1];
    const bool was_default = c->at.in_default;
    c->at.in_default = given->kind == EXPR_INDEX;
    Type *t = check_expr(c, given);
    c->at.in_default = was_default;
    Type *other = check_expr(c, instead);
    if (given->kind != EXPR_INDEX && given->kind != EXPR_REDUCE) {
        diag_report(c->diag, CODE_ELSE_PLACE, given->span,
                    "only a read `x[..]` or a reduction can have a value for `else`");
        return type_poison(c);
    }
    if (type_is_poison(t) || type_is_poison(other)) return type_poison(c);
    if (given->kind == EXPR_REDUCE && t->kind == KIND_INT && other->kind == KIND_REAL)
        t = type_make(c, KIND_REAL, 0, NULL);
    const bool fits = other->kind == t->kind || (t->kind == KIND_REAL && type_is_numeric(other));
    if (other->rank == 0 && fits) return t;
    diag_report(c->diag, CODE_ELSE_PLACE, instead->span,
                "the value for `else` is %s, and takes the place of %s", type_text(c->arena, other),
                type_text(c->arena, type_make(c, t->kind, 0, NULL)));
    return type_poison(c);
}

static Type *infer(Check *c, Expr *e) {
    switch (e->kind) {
    case EXPR_NUMBER:
        return type_make(c, e->is_integer ? KIND_INT : KIND_REAL, 0, NULL);
    case EXPR_STRING:
        return type_make(c, KIND_STRING, 0, NULL);
    case EXPR_RANGE:
        diag_report(c->diag, CODE_SYNTAX, e->span,
                    "a range is the value of `part` of a data source, and of nothing else");
        return type_poison(c);
    case EXPR_BOOL:
        return type_make(c, KIND_BOOL, 0, NULL);
    case EXPR_NAME:
        return check_name(c, e);
    case EXPR_MEMBER:
        return check_member(c, e);
    case EXPR_CALL:
        return check_call(c, e);
    case EXPR_INDEX:
        return check_index(c, e);
    case EXPR_BINARY:
        return check_binary(c, e);
    case EXPR_REDUCE:
        return check_reduce(c, e);
    case EXPR_IF:
        return check_if(c, e);
    case EXPR_COMPOSE:
        return check_compose(c, e);
    case EXPR_STOP:
        return check_expr(c, e->args[0]);
    case EXPR_COPY:
        return check_copy(c, e);
    case EXPR_UNARY:
        return check_unary(c, e);
    case EXPR_DEFAULT:
        return check_default(c, e);
    }
    return type_poison(c);
}

Span call_argument_span(const Expr *call, int at) {
    return call->arg_names && call->arg_names[at] ? call->arg_spans[at] : call->args[at]->span;
}

Type *check_expr(Check *c, Expr *e) {
    /* The limit is twice the depth that one expression may have, because the body of a function is
     * checked in the middle of the expression that calls it first. */
    if (c->nested == 2 * MOST_NESTED_TERMS) {
        diag_report(c->diag, CODE_TOO_DEEP, e->span,
                    "with those of the functions called, expressions nest deeper than %d here",
                    2 * MOST_NESTED_TERMS);
        return e->type = type_poison(c);
    }
    c->nested++;
    e->type = infer(c, e);
    c->nested--;
    c->at.untyped += type_is_poison(e->type) && diag_error_count(c->diag) > 0;
    dim_report_fault(c, e->span);
    constant_find(c, e);
    return e->type;
}
