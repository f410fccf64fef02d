/* `every epoch`: what is done between two epochs, one statement after the other. */
#include "lang/check.h"

#include <string.h>

/* ---- k-means ------------------------------------------------------------------------------------------------ */

static const char kmeans_form[] = "update centres, members <- kmeans(points, 100)";

static bool is_kmeans(const Check *c, const Stmt *s) {
    const Expr *v = s->value;
    const Symbol *callee = v->kind == EXPR_CALL && v->callee->kind == EXPR_NAME && strcmp(v->callee->name, "kmeans") == 0 ? find_symbol(c->scope, "kmeans") : NULL;
    return callee && callee->kind == SYMBOL_BUILTIN;
}

static void check_kmeans_option(Check *c, const Expr *call, int at) {
    static const char *const options[] = {"iterations", "spherical", "start"};
    const char *name = call->arg_names ? call->arg_names[at] : NULL;
    Expr *value = call->args[at];
    bool good = false;
    if (!name) {
        diag_report(c->diag, CODE_EVERY_EPOCH, value->span, "kmeans takes the points and the number of clusters; an option needs its name: `spherical = true`");
        return;
    }
    if (strcmp(name, "iterations") == 0) {
        check_expr(c, value);
        good = value->kind == EXPR_NUMBER && value->is_integer && value->number >= 1;
        if (!good) diag_report(c->diag, CODE_EVERY_EPOCH, value->span, "`iterations` is a whole number of at least 1");
    } else if (strcmp(name, "spherical") == 0) {
        good = value->kind == EXPR_BOOL;
        if (!good) diag_report(c->diag, CODE_EVERY_EPOCH, value->span, "`spherical` is true or false");
    } else if (strcmp(name, "start") == 0) {
        good = value->kind == EXPR_STRING && (strcmp(value->text, "plus_plus") == 0 || strcmp(value->text, "sample") == 0);
        if (!good) diag_report(c->diag, CODE_EVERY_EPOCH, value->span, "k-means starts by \"plus_plus\", or from a \"sample\" of the points");
    } else {
        diag_report(c->diag, CODE_EVERY_EPOCH, value->span, "kmeans has no option `%s`; it has iterations, spherical and start", name);
        const char *near = diag_nearest(name, options, 3);
        if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
    }
}

/* One of the two states: centres real[K, D], members int[N]. */
static bool keeps(Check *c, Expr *target, TypeKind kind, int rank, Dim *const *dims, const char *what) {
    Type *t = check_expr(c, target);
    if (t->kind == KIND_POISON) return false;
    bool state = target->symbol && target->symbol->kind == SYMBOL_STATE, fits = t->kind == kind && t->rank == rank;
    for (int i = 0; fits && i < rank; i++) fits = t->dims[i] == dims[i];
    if (state && fits) return true;
    Type wanted = {kind, rank, {dims[0], rank > 1 ? dims[1] : NULL}};
    diag_report(c->diag, CODE_EVERY_EPOCH, target->span, "the %s of these clusters are kept in a state of %s, and this is %s%s", what, type_text(c->arena, &wanted),
                state ? "" : "no state but ", type_text(c->arena, t));
    return false;
}

static void check_kmeans(Check *c, Stmt *s) {
    Expr *call = s->value;
    if (s->target_count != 2 || call->arg_count < 2) {
        diag_report(c->diag, CODE_EVERY_EPOCH, s->span, "k-means gives centres and members: `%s`", kmeans_form);
        return;
    }
    Type *points = check_expr(c, call->args[0]), *count = check_expr(c, call->args[1]);
    for (int i = 2; i < call->arg_count; i++) check_kmeans_option(c, call, i);
    if (points->kind == KIND_POISON || count->kind == KIND_POISON) return;
    if (points->kind != KIND_REAL || points->rank != 2) {
        diag_report(c->diag, CODE_EVERY_EPOCH, call->args[0]->span, "k-means groups points, the rows of a real[N, D]; this is %s", type_text(c->arena, points));
        return;
    }
    Dim *clusters = dim_of(c, call->args[1]);
    if (!clusters) {
        diag_report(c->diag, CODE_EVERY_EPOCH, call->args[1]->span, "the number of clusters is a whole number known at compile time; this is %s", type_text(c->arena, count));
        return;
    }
    if (clusters->kind == DIM_CONST && points->dims[0]->kind == DIM_CONST && (clusters->value < 1 || clusters->value > points->dims[0]->value))
        diag_report(c->diag, CODE_EVERY_EPOCH, call->args[1]->span, "%s points make from 1 to %s clusters, and %s are asked for", dim_text(c->arena, points->dims[0]),
                    dim_text(c->arena, points->dims[0]), dim_text(c->arena, clusters));
    Dim *centres[] = {clusters, points->dims[1]}, *members[] = {points->dims[0]};
    keeps(c, s->targets[0], KIND_REAL, 2, centres, "centres");
    keeps(c, s->targets[1], KIND_INT, 1, members, "members");
}

/* ---- statements --------------------------------------------------------------------------------------------- */

static void check_sweep_statement(Check *c, Stmt *s) {
    switch (s->kind) {
    case STMT_LET: check_let(c, s); break;
    case STMT_VIEW: check_view(c, s); break;
    case STMT_UPDATE: check_update(c, s); break;
    default: diag_report(c->diag, CODE_STATEMENT_PLACE, s->span, "a sweep is made of view, let and update"); break;
    }
}

static void check_over(Check *c, Stmt *s) {
    Type *t = check_expr(c, s->value);
    if (t->kind != KIND_DATA || !s->value->symbol || s->value->symbol->kind != SYMBOL_DATA) {
        if (t->kind != KIND_POISON) diag_report(c->diag, CODE_EVERY_EPOCH, s->value->span, "a sweep goes over a data set; this is %s", type_text(c->arena, t));
        return;
    }
    const DataSource *outer = c->sweep;
    c->sweep = s->value->symbol->stmt->data;
    push_scope(c);
    for (int i = 0; i < s->body_count; i++) check_sweep_statement(c, s->body[i]);
    pop_scope(c);
    c->sweep = outer;
}

void check_every(Check *c, Stmt *s) {
    c->in_epoch = true;
    push_scope(c);
    for (int i = 0; i < s->body_count; i++) {
        Stmt *part = s->body[i];
        switch (part->kind) {
        case STMT_LET: check_let(c, part); break;
        case STMT_OVER: check_over(c, part); break;
        case STMT_UPDATE:
            if (is_kmeans(c, part)) check_kmeans(c, part);
            else check_update(c, part);
            break;
        default: diag_report(c->diag, CODE_STATEMENT_PLACE, part->span, "`every epoch` is made of over, let and update"); break;
        }
    }
    pop_scope(c);
    c->in_epoch = false;
}
