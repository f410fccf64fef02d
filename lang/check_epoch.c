/* Checks the statements that are done between two epochs, between two steps, or in `eval`, one
 * after the other. */
#include "lang/check.h"

#include <string.h>

/* ---- k-means --------------------------------------------------------------------------------- */

static const char kmeans_form[] = "update centres, members <- kmeans(points, 100)";

/* True for an update whose value is a call of the built-in `kmeans`. */
static bool is_kmeans(const Check *c, const Stmt *s) {
    const Expr *v = s->value;
    const Symbol *callee = v->kind == EXPR_CALL && v->callee->kind == EXPR_NAME &&
                                   strcmp(v->callee->name, "kmeans") == 0
                               ? scope_find(c->at.scope, "kmeans")
                               : NULL;
    return callee && callee->kind == SYMBOL_BUILTIN;
}

static void check_kmeans_option(Check *c, const Expr *call, int at) {
    static const char *const options[] = {"iterations", "spherical", "start"};
    const char *name = call->arg_names ? call->arg_names[at] : NULL;
    Expr *value = call->args[at];
    bool good = false;
    if (!name) {
        diag_report(c->diag, CODE_EVERY_EPOCH, value->span,
                    "kmeans takes the points and the number of clusters; an option needs its name: "
                    "`spherical = true`");
        return;
    }
    if (strcmp(name, "iterations") == 0) {
        check_expr(c, value);
        good = value->kind == EXPR_NUMBER && value->is_integer && value->number >= 1;
        if (!good)
            diag_report(c->diag, CODE_EVERY_EPOCH, value->span,
                        "`iterations` is a whole number of at least 1");
    } else if (strcmp(name, "spherical") == 0) {
        check_truth(c, value, value->span, CODE_EVERY_EPOCH, "`spherical` of kmeans");
    } else if (strcmp(name, "start") == 0) {
        good = value->kind == EXPR_STRING &&
               (strcmp(value->text, "plus_plus") == 0 || strcmp(value->text, "sample") == 0);
        if (!good)
            diag_report(c->diag, CODE_EVERY_EPOCH, value->span,
                        "k-means starts by \"plus_plus\", or from a \"sample\" of the points");
    } else {
        diag_report(c->diag, CODE_EVERY_EPOCH, call_argument_span(call, at),
                    "kmeans has no option `%s`; it has iterations, spherical and start", name);
        const char *near = diag_nearest(name, options, 3);
        if (near) {
            diag_mean(c->diag, call_argument_span(call, at), near);
        }
    }
}

/* True if the target is a state that can keep one of the two results: the centres, real[K, D], or
 * the members, int[N]. False after a message. */
static bool keeps(Check *c, Expr *target, TypeKind kind, int rank, Dim *const *dims,
                  const char *what) {
    Type *t = check_expr(c, target);
    if (t->kind == KIND_POISON) return false;
    bool state = target->symbol && target->symbol->kind == SYMBOL_STATE;
    bool fits = t->kind == kind && t->rank == rank;
    for (int i = 0; fits && i < rank; i++)
        fits = t->dims[i] == dims[i];
    if (state && fits) return true;
    Type wanted = {kind, rank, {dims[0], rank > 1 ? dims[1] : NULL}};
    diag_report(c->diag, CODE_EVERY_EPOCH, target->span,
                "the %s of these clusters are kept in a state of %s, and this is %s%s", what,
                type_text(c->arena, &wanted), state ? "" : "no state but ", type_text(c->arena, t));
    return false;
}

/* True if a source without known rows was reported. Its arrays then have one row, which says
 * nothing about the number of clusters. */
static bool rows_are_unknown(const Check *c) {
    for (int i = 0; i < c->method->spec->stmt_count; i++) {
        const Stmt *s = c->method->spec->stmts[i];
        if (s->kind == STMT_DATA && s->data && s->data->rows <= 1 &&
            (s->data->poisoned || s->data->said_small))
            return true;
    }
    return false;
}

/* Checks `update centres, members <- kmeans(points, 100)`. */
static void check_kmeans(Check *c, Stmt *s) {
    Expr *call = s->value;
    if (s->target_count != 2 || call->arg_count < 2) {
        diag_report(c->diag, CODE_EVERY_EPOCH, s->span, "k-means gives centres and members: `%s`",
                    kmeans_form);
        return;
    }
    Type *points = check_expr(c, call->args[0]);
    Type *count = check_expr(c, call->args[1]);
    for (int i = 2; i < call->arg_count; i++)
        check_kmeans_option(c, call, i);
    if (points->kind == KIND_POISON || count->kind == KIND_POISON) return;
    if (points->kind != KIND_REAL || points->rank != 2) {
        diag_report(c->diag, CODE_EVERY_EPOCH, call->args[0]->span,
                    "k-means groups points, the rows of a real[N, D]; this is %s",
                    type_text(c->arena, points));
        return;
    }
    Dim *clusters = dim_of(c, call->args[1]);
    if (!clusters) {
        diag_report(c->diag, CODE_EVERY_EPOCH, call->args[1]->span,
                    "the number of clusters is a whole number known at compile time; this is %s",
                    type_text(c->arena, count));
        return;
    }
    if (clusters->kind == DIM_CONST && points->dims[0]->kind == DIM_CONST && !rows_are_unknown(c) &&
        (clusters->value < 1 || clusters->value > points->dims[0]->value))
        diag_report(c->diag, CODE_EVERY_EPOCH, call->args[1]->span,
                    "%s points make from 1 to %s clusters, and %s are asked for",
                    dim_text(c->arena, points->dims[0]), dim_text(c->arena, points->dims[0]),
                    dim_text(c->arena, clusters));
    Dim *centres[] = {clusters, points->dims[1]};
    Dim *members[] = {points->dims[0]};
    keeps(c, s->targets[0], KIND_REAL, 2, centres, "centres");
    keeps(c, s->targets[1], KIND_INT, 1, members, "members");
}

/* ---- statements ------------------------------------------------------------------------------ */

static void check_sweep_statement(Check *c, Stmt *s) {
    if (s->kind == STMT_LET)
        check_let(c, s);
    else if (s->kind == STMT_VIEW)
        check_view(c, s);
    else if (s->kind == STMT_UPDATE)
        check_update(c, s);
    else if (s->kind == STMT_OVER)
        diag_report(c->diag, CODE_EVERY_EPOCH, s->span,
                    "a sweep stands in no other sweep, which would go over the whole of `%s` for "
                    "each of its batches",
                    s->value->name);
    else if (s->kind == STMT_REPORT)
        diag_report(c->diag, CODE_REPORT, s->span,
                    "a sweep makes no number: it writes into a state what is reported behind it");
    else
        diag_report(c->diag, CODE_STATEMENT_PLACE, s->span,
                    "a sweep is made of view, let and update");
}

/* True if a sweep writes a whole state, as sums over batches do, so that it must meet each sample
 * once. A sweep that writes rows by their numbers may meet some samples twice. */
static bool adds_up(const Stmt *over) {
    for (int i = 0; i < over->body_count; i++)
        if (over->body[i]->kind == STMT_UPDATE && over->body[i]->targets[0]->kind != EXPR_INDEX)
            return true;
    return false;
}

/* Returns the number of samples that a sweep takes at a time. If each sample must be met once, it
 * divides the rows of the source. Returns 0 after a message that no such number is suitable. */
static int64_t rows_at_a_time(Check *c, const Stmt *over, DataSource *data) {
    enum {
        FEWEST = 50,
        MOST = 5000,
    };
    if (!adds_up(over)) return sweep_rows(data);
    const int64_t rows = source_rows(c, data, over->value->span);
    if (rows <= SWEEP_ROWS) return rows;
    for (int64_t n = SWEEP_ROWS; n >= FEWEST; n--)
        if (rows % n == 0) return n;
    for (int64_t n = SWEEP_ROWS; n <= MOST; n++)
        if (rows % n == 0) return n;
    diag_report(c->diag, CODE_EVERY_EPOCH, over->span,
                "this sweep adds up over batches, and the %lld rows of `%s` come in no batches of "
                "%d to %d rows alike: some would count twice",
                (long long)rows, data->name, FEWEST, MOST);
    diag_suggest(
        c->diag,
        "write what belongs to a row, `update s[%s.index] <- ..`, and add it up behind the sweep",
        data->name);
    return 0;
}

static void check_over(Check *c, Stmt *s) {
    Type *t = check_expr(c, s->value);
    if (t->kind != KIND_DATA || !s->value->symbol || s->value->symbol->kind != SYMBOL_DATA) {
        if (t->kind != KIND_POISON)
            diag_report(c->diag, CODE_EVERY_EPOCH, s->value->span,
                        "a sweep goes over a data set; this is %s", type_text(c->arena, t));
        return;
    }
    DataSource *data = s->value->symbol->stmt->data;
    s->sweep_rows = c->at.sweep_rows = rows_at_a_time(c, s, data);
    if (s->sweep_rows == 0) return;
    c->at.sweep = data;
    scope_push(c);
    for (int i = 0; i < s->body_count; i++)
        check_sweep_statement(c, s->body[i]);
    scope_pop(c);
    c->at.sweep = NULL;
}

/* ---- reports --------------------------------------------------------------------------------- */

bool check_is_key_of_log(const char *name) {
    static const char *const keys[] = {"step",
                                       "epoch",
                                       "epochs",
                                       "before_epoch",
                                       "loss",
                                       "epoch_loss",
                                       "embedding_deviation",
                                       "views_per_second",
                                       "learning_rate",
                                       "gradient_norm",
                                       "of",
                                       "evaluation",
                                       "before_step",
                                       "percent",
                                       "value",
                                       "data",
                                       "hash",
                                       "time"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], name) == 0) return true;
    return false;
}

static void check_report(Check *c, const Stmt *s) {
    if (s->is_function || s->binder_count || s->has_dims) {
        diag_report(c->diag, CODE_REPORT, s->span,
                    "a report is a name and a number: `report %s = ..`", s->name);
        return;
    }
    const Type *t = check_expr(c, s->value);
    if (t->kind != KIND_POISON && (t->rank || !type_is_numeric(t))) {
        diag_report(c->diag, CODE_REPORT, s->value->span, "a report is one number; this is %s",
                    type_text(c->arena, t));
        if (t->rank == 1)
            diag_suggest(c->diag,
                         "a mean, a sum or one of its entries is: `report %s = mean[i] ..`",
                         s->name);
    }
    if (check_is_key_of_log(s->name))
        diag_report(c->diag, CODE_REPORT, s->name_span,
                    "the log has a key `%s` already; a report has a name of its own", s->name);
}

void check_misplaced_report(Check *c, const Stmt *s) {
    diag_report(c->diag, CODE_REPORT, s->span,
                "a report stands in `eval { .. }`, in `every epoch { .. }`, or in `every 100 steps "
                "{ .. }`");
    diag_suggest(c->diag, "of a step the log has the losses: `loss %s: ..` has a column of its own",
                 s->name);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Checks a statement between two epochs, between two steps or in `eval`; `where` names the
 * block. */
static void check_statement_between(Check *c, Stmt *s, const char *where) {
    if (s->kind == STMT_LET) {
        check_let(c, s);
    } else if (s->kind == STMT_OVER) {
        check_over(c, s);
    } else if (s->kind == STMT_REPORT) {
        check_report(c, s);
    } else if (s->kind == STMT_UPDATE && is_kmeans(c, s)) {
        check_kmeans(c, s);
    } else if (s->kind == STMT_UPDATE) {
        check_update(c, s);
    } else {
        diag_report(c->diag, CODE_STATEMENT_PLACE, s->span,
                    "`%s` is made of over, let, update and report", where);
        if (s->kind == STMT_EVERY && c->at.in_eval)
            diag_suggest(c->diag, "how often it measures stands ahead of its brace: `eval every "
                                  "2 epochs { .. }`");
    }
}

static void check_between(Check *c, Stmt *const *body, int count, const char *where) {
    scope_push(c);
    for (int i = 0; i < count; i++)
        check_statement_between(c, body[i], where);
    scope_pop(c);
}

void check_cadence(Check *c, const Stmt *s) {
    const Expr *count = s->value;
    if (count && !(count->is_integer && count->number >= 1 && count->number <= 1e6))
        diag_report(c->diag, CODE_EVERY_EPOCH, count->span,
                    "the %s from one time to the next are a whole number from 1 to 1000000, and "
                    "this is %.9g",
                    s->of_steps ? "steps" : "epochs", count->number);
}

void check_every(Check *c, Stmt *s) {
    check_cadence(c, s);
    c->at.in_epoch = true;
    check_between(c, s->body, s->body_count, s->of_steps ? "every .. steps" : "every epoch");
    c->at.in_epoch = false;
}

void check_measures(Check *c, const Stmt *eval) {
    c->at.in_epoch = c->at.in_eval = true;
    check_between(c, eval->body, eval->body_count, "eval");
    c->at.in_epoch = c->at.in_eval = false;
}
