/* Checks the memory of a method from step to step: queues, banks, states and their updates. */
#include "lang/check.h"

#include <string.h>

/* Checks the word behind `init` of a queue or a bank. */
static void check_start(Check *c, const Stmt *s) {
    if (!s->init_name || strcmp(s->init_name, "unit_normal") == 0 ||
        strcmp(s->init_name, "zero") == 0)
        return;
    diag_report(c->diag, CODE_START_SHAPE, s->span,
                "rows start as `init unit_normal`, random vectors of length 1, or as `init zero`; "
                "`%s` is no start",
                s->init_name);
}

/* True if both arrays have the same number of axes, and all axes but the first agree. */
static bool same_row(const Type *value, const Type *array) {
    if (value->rank != array->rank) return false;
    for (int i = 1; i < array->rank; i++)
        if (value->dims[i] != array->dims[i]) return false;
    return true;
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* True after a message about what is pushed: a column holds numbers, and a queue without columns
 * reals. */
static bool refuse_pushed_kind(Check *c, const Expr *pushed, const Stmt *queue, bool is_column) {
    const Type *value = pushed->type;
    if (type_is_poison(value) || value->kind == KIND_REAL || (is_column && value->kind == KIND_INT))
        return false;
    diag_report(c->diag, CODE_QUEUE_ROW, pushed->span, "what is pushed is %s, and `%s` holds %s",
                type_text(c->arena, value), queue->name,
                is_column ? "numbers, reals or ints" : "reals");
    diag_note(c->diag, queue->name_span, "the queue is declared here");
    if (value->kind == KIND_BOOL)
        diag_suggest(c->diag, "`real(..)` makes 1 and 0 of conditions");
    else if (value->kind == KIND_INT)
        diag_suggest(c->diag,
                     "a column holds ints: `queue %s[..] { label <- .. }`, read as "
                     "`%s.label[j]`",
                     queue->name, queue->name);
    return true;
}

/* Checks a column of a queue and declares its symbol, which only `Q.feat` finds. */
static void check_column(Check *c, Stmt *s, Param *p, const Type *rows) {
    Type *value = check_expr(c, p->value);
    Type *row = type_of_shape(c, KIND_REAL, p->dims, p->dim_count);
    Dim *dims[MAX_RANK] = {rows->rank ? rows->dims[0] : NULL};
    bool good =
        rows->rank == 1 && !type_is_poison(row) && !type_is_poison(value) && row->rank < MAX_RANK;
    if (row->rank == MAX_RANK)
        diag_report(c->diag, CODE_TOO_MANY_AXES, p->span,
                    "an array has at most %d axes, and a column has one more than its rows: `%s` "
                    "would have %d",
                    MAX_RANK, p->name, MAX_RANK + 1);
    for (int d = 0; good && d < row->rank; d++)
        dims[d + 1] = row->dims[d];
    /* A column holds ints if ints are pushed, as labels are, and else reals. */
    p->type =
        good ? type_make(c, value->kind == KIND_INT ? KIND_INT : KIND_REAL, row->rank + 1, dims)
             : type_poison(c);
    p->symbol = arena_new_of(c->arena, Symbol);
    *p->symbol = (Symbol){.kind = SYMBOL_COLUMN,
                          .name = p->name,
                          .span = p->span,
                          .stmt = s,
                          .param = p,
                          .type = p->type};
    if (refuse_pushed_kind(c, p->value, s, true)) return;
    if (type_is_poison(value) || type_is_poison(p->type) || same_row(value, p->type)) return;
    diag_report(c->diag, CODE_QUEUE_ROW, p->value->span,
                "what is pushed is %s: its rows do not fit", type_text(c->arena, value));
    diag_note(c->diag, p->span, "and the rows of the column `%s` are those of %s", p->name,
              type_text(c->arena, p->type));
}

void check_queue(Check *c, Stmt *s) {
    Type *rows = type_of_shape(c, KIND_REAL, s->dims, s->dim_count);
    s->symbol = scope_declare(c, SYMBOL_QUEUE, s->name, s->name_span, s, NULL);
    s->symbol->type = rows;
    check_start(c, s);
    if (s->param_count && !type_is_poison(rows) && rows->rank != 1)
        diag_report(c->diag, CODE_QUEUE_ROW, s->name_span,
                    "a queue of columns has one extent, its length: `queue %s[4096] { feat[128] <- "
                    "k, label <- y }`",
                    s->name);
    for (int i = 0; i < s->param_count; i++)
        check_column(c, s, &s->params[i], rows);
}

void check_push(Check *c, Stmt *s) {
    if (!s->value) return;
    Type *value = check_expr(c, s->value);
    Type *rows = s->symbol->type;
    if (refuse_pushed_kind(c, s->value, s, false)) return;
    if (type_is_poison(value) || type_is_poison(rows) || same_row(value, rows)) return;
    diag_report(c->diag, CODE_QUEUE_ROW, s->value->span,
                "what is pushed is %s: its rows do not fit", type_text(c->arena, value));
    diag_note(c->diag, s->name_span, "and the rows of the queue `%s` are those of %s", s->name,
              type_text(c->arena, rows));
}

/* ---- banks ----------------------------------------------------------------------------------- */

void check_bank(Check *c, Stmt *s) {
    Param *p = &s->params[0];
    check_start(c, s);
    Type *first = check_expr(c, p->dims[0]);
    if (!type_is_poison(first) && first->kind != KIND_DATA)
        diag_report(c->diag, CODE_BANK, p->dims[0]->span,
                    "a bank has a row for each sample of a data set, whose name is its first "
                    "extent: `bank %s[train, 128]`",
                    s->name);
    check_owned(c, s, SYMBOL_STATE, false);
}

/* ---- updates --------------------------------------------------------------------------------- */

static void wrong_value(Check *c, const Stmt *s, const Symbol *target, const Type *wanted) {
    diag_report(c->diag, CODE_UPDATE, s->value->span, "the new value of `%s` is %s", target->name,
                type_text(c->arena, s->value->type));
    diag_note(c->diag, target->span, "and it holds %s", type_text(c->arena, wanted));
}

/* True if the kind of the value can be written into the target: an int may be written into reals.
 * Inside an optimiser, what has the shape of the parameter holds reals, and takes numbers. */
static bool kind_fits(const Type *value, const Type *target) {
    if (value->kind == target->kind) return true;
    return (target->kind == KIND_REAL || target->kind == KIND_ANY_SHAPE) &&
           (value->kind == KIND_INT || value->kind == KIND_REAL);
}

/* Checks `update M[train.index] <- k`, in which row train.index[i] of M becomes k[i]. */
static void check_rows_update(Check *c, Stmt *s, Expr *target) {
    Type *array = check_expr(c, target->callee);
    Type *rows = check_expr(c, target->args[0]);
    Type *value = s->value->type;
    const Symbol *symbol = target->callee->symbol;
    target->type = array;
    /* The symbol is set even if the update is not checked further, because a type is poison. */
    target->symbol = target->callee->symbol;
    if (type_is_poison(array) || type_is_poison(rows) || type_is_poison(value)) return;
    if (!symbol || symbol->kind != SYMBOL_STATE || target->arg_count != 1) {
        diag_report(c->diag, CODE_UPDATE, target->span,
                    "rows of a bank or a state are updated as `M[rows] <- values`, with one array "
                    "of row numbers");
        return;
    }
    if (rows->kind != KIND_INT || rows->rank != 1) {
        diag_report(c->diag, CODE_UPDATE, target->args[0]->span,
                    "the rows to write are an array of whole numbers, int[B]; this is %s",
                    type_text(c->arena, rows));
        return;
    }
    if (same_row(value, array) && kind_fits(value, array) && value->dims[0] == rows->dims[0])
        return;
    diag_report(c->diag, CODE_UPDATE, s->value->span, "what is written is %s",
                type_text(c->arena, value));
    diag_note(c->diag, target->span, "and here are %s rows of %s",
              dim_text(c->arena, rows->dims[0]), type_text(c->arena, array));
}

/* Checks `update s <- value`. A number may be written into an array of any shape. */
static void check_whole_update(Check *c, Stmt *s, Expr *target) {
    Type *array = check_expr(c, target);
    Type *value = s->value->type;
    if (type_is_poison(array) || type_is_poison(value)) return;
    const Symbol *symbol = target->symbol;
    bool renewable = symbol && (symbol->kind == SYMBOL_STATE || symbol->kind == SYMBOL_PARAM ||
                                array->kind == KIND_ANY_SHAPE);
    if (!renewable) {
        diag_report(
            c->diag, CODE_UPDATE, target->span,
            "only a state, a bank or a parameter is updated; `let` names a value once and for all");
        return;
    }
    bool fits = value->rank == 0 || type_same_shape(array, value);
    if (!fits || !kind_fits(value, array)) {
        wrong_value(c, s, symbol, array);
    }
}

/* True after a message about `update c[d] <- ..`, which is written like a let. An update binds no
 * index, and nothing else binds d. */
static bool updates_elements(Check *c, const Expr *target) {
    const Expr *at = target->kind == EXPR_INDEX ? target->args[0] : NULL;
    if (!at || at->kind != EXPR_NAME || scope_find(c->at.scope, at->name)) return false;
    const char *name = target->callee->kind == EXPR_NAME ? target->callee->name : "s";
    diag_report(c->diag, CODE_UPDATE, target->span,
                "an update binds no index: it renews the whole of `%s`, or rows by their numbers",
                name);
    diag_suggest(c->diag,
                 "`let new_%s[%s] = ..` ahead of it, and `update %s <- new_%s`; rows of a bank are "
                 "`update M[train.index] <- k`",
                 name, at->name, name, name);
    return true;
}

void check_update(Check *c, Stmt *s) {
    if (s->target_count == 1 && updates_elements(c, s->targets[0])) return;
    check_expr(c, s->value);
    if (s->target_count > 1) {
        diag_report(c->diag, CODE_UPDATE, s->targets[1]->span,
                    "an update renews one thing: write a line for each");
        return;
    }
    if (s->targets[0]->kind == EXPR_INDEX)
        check_rows_update(c, s, s->targets[0]);
    else
        check_whole_update(c, s, s->targets[0]);
}
