/* Checks `scan t < T (h = h0) { .. next h = .. }`. A carry, such as h, has the type of its start in
 * every round. Behind the loop, its name stands for the value of the last round. */
#include "lang/check.h"

#include <string.h>

/* Returns the type of a carry. As in `state v = 0`, a carry whose start is written as a whole
 * number holds a real. */
static Type *carry_type(Check *c, Stmt *carry) {
    Type *t = type_of_let(c, carry);
    return carry->value->kind == EXPR_NUMBER && t->kind == KIND_INT
               ? type_make(c, KIND_REAL, t->rank, t->dims)
               : t;
}

static void declare_carries(Check *c, Stmt *scan) {
    Type **types = arena_array(c->arena, Type *, scan->carry_count);
    for (int i = 0; i < scan->carry_count; i++) {
        Stmt *carry = scan->carry[i];
        if (carry->is_function)
            diag_report(c->diag, CODE_SCAN, carry->name_span,
                        "a scan carries numbers and arrays, and `%s` is written as a function",
                        carry->name);
        types[i] = carry->is_function ? type_poison(c) : carry_type(c, carry);
        bool fits = type_is_numeric(types[i]) || types[i]->kind == KIND_BOOL;
        if (fits || type_is_poison(types[i])) continue;
        diag_report(c->diag, CODE_SCAN, carry->value->span,
                    "a scan carries numbers and arrays; this is %s", type_text(c->arena, types[i]));
        types[i] = type_poison(c);
    }
    for (int i = 0; i < scan->carry_count; i++) { /* no start sees the other names */
        Stmt *carry = scan->carry[i];
        carry->symbol = scope_declare(c, SYMBOL_LET, carry->name, carry->name_span, carry, NULL);
        carry->symbol->type = types[i];
    }
}

static Stmt *find_carry(const Stmt *scan, const char *name) {
    for (int i = 0; i < scan->carry_count; i++)
        if (strcmp(scan->carry[i]->name, name) == 0) return scan->carry[i];
    return NULL;
}

/* True if the body has a `next` for this carry, or one for an unknown name. The unknown name is
 * reported at its place and may be a misspelt carry, so the carry is not reported as well. */
static bool may_have_next(const Stmt *scan, const Stmt *carry) {
    for (int i = 0; i < scan->body_count; i++) {
        const Stmt *s = scan->body[i];
        if (s->kind == STMT_NEXT &&
            (strcmp(s->name, carry->name) == 0 || !find_carry(scan, s->name)))
            return true;
    }
    return false;
}

void check_scan(Check *c, Stmt *s) {
    declare_carries(c, s);
    scope_push(c);
    binder_open(c, s->binders[0]);
    Stmt *outer = c->at.scan;
    c->at.scan = s;
    for (int i = 0; i < s->body_count; i++) {
        StmtKind kind = s->body[i]->kind;
        if (kind == STMT_LET || kind == STMT_DRAW || kind == STMT_SCAN || kind == STMT_NEXT)
            check_body(c, &s->body[i], 1);
        else
            diag_report(c->diag, CODE_STATEMENT_PLACE, s->body[i]->span,
                        "the body of a scan is made of let, draw, scan and next; what it carries "
                        "is there after it, under its name");
    }
    c->at.scan = outer;
    scope_pop(c);
    for (int i = 0; i < s->carry_count; i++) {
        if (may_have_next(s, s->carry[i]) || parse_was_broken(c, s->carry[i]->name)) continue;
        diag_report(c->diag, CODE_SCAN, s->carry[i]->name_span,
                    "`%s` would stay as it starts: the scan has no `next %s = ..`",
                    s->carry[i]->name, s->carry[i]->name);
        diag_suggest(
            c->diag,
            "what does not change from round to round is named by a `let` before the scan");
    }
}

static void unknown_carry(Check *c, const Stmt *s) {
    const char **names = arena_array(c->arena, const char *, c->at.scan->carry_count);
    int count = 0;
    for (int i = 0; i < c->at.scan->carry_count; i++)
        names[count++] = c->at.scan->carry[i]->name;
    diag_report(c->diag, CODE_SCAN, s->name_span,
                "the scan does not carry `%s`; what it carries stands with its start in "
                "parentheses: `(%s = ..)`",
                s->name, s->name);
    const char *near = diag_nearest(s->name, names, count);
    if (near) diag_mean(c->diag, s->name_span, near);
}

/* True if a carry may have this type in the next round: it keeps its shape and its kind, but an int
 * may follow a real. */
static bool follows(const Type *next, const Type *carried) {
    return type_same_shape(next, carried) &&
           (next->kind == carried->kind || (carried->kind == KIND_REAL && next->kind == KIND_INT));
}

void check_next(Check *c, Stmt *s) {
    Type *next = s->is_function ? type_poison(c) : type_of_let(c, s);
    if (s->is_function)
        diag_report(c->diag, CODE_SCAN, s->name_span,
                    "`next` gives a value, and `%s` is written as a function", s->name);
    if (!c->at.scan) {
        diag_report(c->diag, CODE_STATEMENT_PLACE, s->span,
                    "`next` belongs into the body of a scan");
        return;
    }
    Stmt *carry = find_carry(c->at.scan, s->name);
    if (!carry) {
        unknown_carry(c, s);
        return;
    }
    for (int i = 0; c->at.scan->body[i] != s; i++) {
        if (c->at.scan->body[i]->kind != STMT_NEXT ||
            strcmp(c->at.scan->body[i]->name, s->name) != 0)
            continue;
        diag_report(c->diag, CODE_SCAN, s->name_span, "`%s` has its next value already", s->name);
        diag_note(c->diag, c->at.scan->body[i]->span, "it is given here");
    }
    s->symbol = carry->symbol;
    const Type *carried = carry->symbol->type;
    if (type_is_poison(next) || type_is_poison(carried) || follows(next, carried)) return;
    diag_report(c->diag, CODE_SCAN, s->value->span, "the next value of `%s` is %s", s->name,
                type_text(c->arena, next));
    diag_note(c->diag, carry->span, "and it starts as %s: what a scan carries keeps its type",
              type_text(c->arena, carried));
    if (carried->rank == 0 && next->rank > 0)
        diag_suggest(c->diag, "start it as an array: `%s[i < N] = 0`", s->name);
}
