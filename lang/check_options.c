/* The settings of `train` and the options of evaluations, held against settings.def and evals.def. */
#include "lang/check.h"
#include "lang/evals.h"

#include <math.h>
#include <string.h>

static const OptionRow evals[] = {
#define EVAL_OPTION(evaluation, name, kind, low, high, standard, range) {#evaluation, #name, WANTS_##kind, low, high, standard, range},
#include "lang/evals.def"
#undef EVAL_OPTION
};
static const OptionRow settings[] = {
#define TRAIN_SETTING(name, kind, low, high, range) {"train", #name, WANTS_##kind, low, high, 0, range},
#include "lang/settings.def"
#undef TRAIN_SETTING
};
enum { EVAL_ROWS = sizeof evals / sizeof *evals, SETTING_ROWS = sizeof settings / sizeof *settings };

const OptionRow *find_option(const OptionRow *rows, int count, const char *owner, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(rows[i].owner, owner) == 0 && strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

double eval_standard(const char *evaluation, const char *option) {
    const OptionRow *row = find_option(evals, EVAL_ROWS, evaluation, option);
    return row ? row->standard : 0;
}

/* ---- numbers -------------------------------------------------------------------------------------------------------------- */

bool option_in_range(const OptionRow *row, double value) {
    if (value > row->high || (row->wants == WANTS_ABOVE ? !(value > row->low) : !(value >= row->low))) return false;
    return (row->wants != WANTS_WHOLE && row->wants != WANTS_TRUTH) || value == floor(value);
}

bool check_number(Check *c, const OptionRow *row, const Expr *value, Span name, DiagCode code, const char *of) {
    const Type *t = value->type;
    if (t->kind == KIND_POISON) return false;
    const int errors = diag_error_count(c->diag);
    if (t->rank || !is_numeric(t)) diag_report(c->diag, code, name, "`%s`%s is %s, and this is %s", row->name, of, row->range, type_text(c->arena, t));
    else if (!value->is_constant || value->is_named) diag_report(c->diag, code, name, "`%s`%s is %s, known at compile time: made of numbers and hypers", row->name, of, row->range);
    else if (!option_in_range(row, value->constant)) diag_report(c->diag, code, name, "`%s`%s is %s, and this is %.9g", row->name, of, row->range, value->constant);
    if (row->wants == WANTS_SIZE && value->is_constant && value->constant < row->low) diag_suggest(c->diag, "a size is a number with its unit: 512MiB, 1.5GiB");
    return diag_error_count(c->diag) == errors;
}

/* ---- train ------------------------------------------------------------------------------------------------------------------ */

static void unknown_setting(Check *c, const Param *p) {
    const char *names[SETTING_ROWS], *list = "";
    for (int i = 0; i < SETTING_ROWS; i++) {
        names[i] = settings[i].name;
        list = arena_printf(c->arena, "%s%s %s", list, i == 0 ? "" : i + 1 == SETTING_ROWS ? " and" : ",", names[i]);
    }
    const char *near = diag_nearest(p->name, names, SETTING_ROWS);
    diag_report(c->diag, CODE_TRAIN_SETTING, p->span, "`train` has no setting `%s`; it has%s", p->name, list);
    if (strcmp(p->name, "seed") == 0) diag_suggest(c->diag, "a seed belongs to a run: `couplet train FILE --seed 5`");
    else if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
    else diag_suggest(c->diag, "what belongs to the optimiser stands in its call: `optimiser optim.sgd(lr = 0.1)`");
}

static void check_parts(Check *c, const Param *p, const OptionRow *row) {
    for (int i = 0; i < p->part_count; i++) check_trained_part(c, p->parts[i], row->wants == WANTS_RULE);
    if (p->guard) check_condition(c, p->guard, "what stands after `while`");
    if (p->part_count && row->wants != WANTS_RULE && row->wants != WANTS_PARTS) diag_report(c->diag, CODE_TRAIN_SETTING, p->span, "only `optimiser` and `freeze` speak of parts");
    if (p->guard && row->wants != WANTS_PARTS) diag_report(c->diag, CODE_TRAIN_SETTING, p->guard->span, "only `freeze` goes by a condition");
}

static void check_setting(Check *c, const Stmt *s, int at) {
    const Param *p = &s->params[at];
    const OptionRow *row = find_option(settings, SETTING_ROWS, "train", p->name);
    if (!row) {
        unknown_setting(c, p);
        return;
    }
    check_parts(c, p, row);
    for (int i = 0; i < at && row->wants != WANTS_RULE && row->wants != WANTS_PARTS; i++) {
        if (strcmp(s->params[i].name, p->name) != 0) continue;
        diag_report(c->diag, CODE_TRAIN_SETTING, p->span, "`%s` is set twice", p->name);
        diag_note(c->diag, s->params[i].span, "the first time is here");
        break;
    }
    if (!p->value) return;
    const Type *t = check_expr(c, p->value);
    if (row->wants != WANTS_RULE) check_number(c, row, p->value, p->span, CODE_TRAIN_SETTING, "");
    else if (t->kind != KIND_POISON && t->kind != KIND_OPTIMISER)
        diag_report(c->diag, CODE_OPTIMISER, p->value->span, "`optimiser` needs a call of one, optim.sgd(lr = 0.1); this is %s", type_text(c->arena, t));
}

/* The first `train` of the method: a second one would be a second answer to the same questions. */
static const Stmt *first_train(const Module *m) {
    for (int i = 0; i < m->stmt_count; i++)
        if (m->stmts[i]->kind == STMT_TRAIN) return m->stmts[i];
    return NULL;
}

void check_train(Check *c, const Module *m, Stmt *s) {
    const Stmt *first = first_train(m);
    if (first && first != s) {
        diag_report(c->diag, CODE_DECLARED_TWICE, s->span, "a method has one `train`, and this is another");
        diag_note(c->diag, first->span, "the first one is here");
    }
    for (int i = 0; i < s->param_count; i++) check_setting(c, s, i);
}

/* ---- eval ------------------------------------------------------------------------------------------------------------------- */

static const char *options_text(Check *c, const char *evaluation) {
    const char *text = "";
    for (int i = 0; i < EVAL_ROWS; i++)
        if (strcmp(evals[i].owner, evaluation) == 0) text = arena_printf(c->arena, "%s%s%s", text, *text ? ", " : "", evals[i].name);
    return text;
}

static void unknown_option(Check *c, const Expr *call, int at, const char *evaluation) {
    const char *name = call->arg_names ? call->arg_names[at] : NULL, *names[EVAL_ROWS];
    int count = 0;
    if (!name) {
        diag_report(c->diag, CODE_EVALUATION, call->args[at]->span, "an option of `%s` needs its name, like `features = encoder`", evaluation);
        return;
    }
    for (int i = 0; i < EVAL_ROWS; i++)
        if (strcmp(evals[i].owner, evaluation) == 0) names[count++] = evals[i].name;
    const char *near = diag_nearest(name, names, count);
    diag_report(c->diag, CODE_EVALUATION, argument_span(call, at), "`%s` has no option `%s`; it has %s", evaluation, name, options_text(c, evaluation));
    if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
}

static void check_option(Check *c, const Expr *call, int at, const char *evaluation) {
    const char *name = call->arg_names ? call->arg_names[at] : NULL;
    const OptionRow *row = name ? find_option(evals, EVAL_ROWS, evaluation, name) : NULL;
    const Span span = argument_span(call, at);
    const Type *t = row && row->wants == WANTS_OF ? type_poison(c) : check_expr(c, call->args[at]);
    if (!row) {
        unknown_option(c, call, at, evaluation);
        return;
    }
    for (int i = 0; i < at; i++)
        if (call->arg_names[i] && strcmp(call->arg_names[i], name) == 0) diag_report(c->diag, CODE_EVALUATION, span, "`%s` of %s is given twice", name, evaluation);
    const char *of = arena_printf(c->arena, " of %s", evaluation);
    const bool fits = row->wants == WANTS_NETWORK ? t->kind == KIND_NET : row->wants == WANTS_DATA ? t->kind == KIND_DATA && call->args[at]->kind == EXPR_NAME : true;
    if (!fits && t->kind != KIND_POISON) diag_report(c->diag, CODE_EVALUATION, span, "`%s`%s is %s, and this is %s", name, of, row->range, type_text(c->arena, t));
    else if (row->wants != WANTS_NETWORK && row->wants != WANTS_DATA && row->wants != WANTS_OF) check_number(c, row, call->args[at], span, CODE_EVALUATION, of);
}

static void check_missing(Check *c, const Expr *call, const char *evaluation) {
    const char *missing = "";
    for (int i = 0; i < EVAL_ROWS; i++) {
        const bool needed = strcmp(evals[i].owner, evaluation) == 0 && (evals[i].wants == WANTS_NETWORK || evals[i].wants == WANTS_DATA);
        bool given = false;
        for (int a = 0; a < call->arg_count; a++) given |= call->arg_names && call->arg_names[a] && strcmp(call->arg_names[a], evals[i].name) == 0;
        if (needed && !given) missing = arena_printf(c->arena, "%s%s%s", missing, *missing ? " and " : "", evals[i].name);
    }
    if (*missing) diag_report(c->diag, CODE_EVALUATION, call->span, "`%s` needs its %s: `%s(features = encoder, bank = train, query = test)`", evaluation, missing, evaluation);
}

/* ---- the fields of an evaluation ---------------------------------------------------------------------------------------------- */

static Expr *eval_argument(const Expr *call, const char *name) {
    for (int i = 0; call->arg_names && i < call->arg_count; i++)
        if (call->arg_names[i] && strcmp(call->arg_names[i], name) == 0) return call->args[i];
    return NULL;
}

static const DataSource *eval_source(const Expr *call, const char *name) {
    const Expr *e = eval_argument(call, name);
    return e && e->symbol && e->symbol->kind == SYMBOL_DATA ? e->symbol->stmt->data : NULL;
}

static bool is_label(const DataField *field) { return field->type == DATA_INT && field->rank == 0; }

static bool is_of_bytes(const DataField *field) { return field->type == DATA_U8; }
static bool is_array(const DataField *field) { return field->rank > 0; }

static const DataField *only_field(const DataSource *bank, bool (*fits)(const DataField *field)) {
    const DataField *only = NULL;
    for (int i = 0; i < bank->field_count; i++) {
        if (!fits(&bank->fields[i])) continue;
        if (only) return NULL;
        only = &bank->fields[i];
    }
    return only;
}

const DataField *eval_field(const DataSource *bank, const char *option) {
    const bool labels = strcmp(option, "labels") == 0;
    const DataField *named = find_field(bank, labels ? "label" : "image"), *bytes = labels ? NULL : only_field(bank, is_of_bytes);
    if (named && (!labels || is_label(named))) return named;
    return labels ? only_field(bank, is_label) : bytes ? bytes : only_field(bank, is_array);
}

/* Whether both sources have the field, alike. */
static void compare_sources(Check *c, const DataField *field, const DataSource *bank, const DataSource *query, Span span) {
    const DataField *other = find_field(query, field->name);
    const bool same = other && other->type == field->type && other->rank == field->rank && memcmp(other->shape, field->shape, sizeof *field->shape * (size_t)field->rank) == 0;
    if (same || query->poisoned) return;
    diag_report(c->diag, CODE_EVALUATION, span, "bank and query have the field `%s` alike; `%s` has %s, and `%s` has %s", field->name, bank->name, fields_text(c, bank), query->name,
                fields_text(c, query));
}

static void check_eval_field(Check *c, const Expr *call, const char *option, const DataSource *bank, const DataSource *query) {
    Expr *given = eval_argument(call, option);
    const DataField *field = given ? NULL : eval_field(bank, option);
    const char *form = strcmp(option, "of") == 0 ? "of = train.image" : "labels = train.label";
    if (given) {
        field = check_named_field(c, given);
        if (!field) return;
    }
    if (!field) {
        if (bank->poisoned) return;
        diag_report(c->diag, CODE_EVALUATION, call->span, "`%s` does not say which field it is %s: `%s` has %s", call->callee->name,
                    strcmp(option, "of") == 0 ? "of" : "to tell", bank->name, fields_text(c, bank));
        diag_suggest(c->diag, "name it: `%s`", form);
        return;
    }
    if (strcmp(option, "labels") == 0 && !is_label(field)) {
        diag_report(c->diag, CODE_EVALUATION, given ? given->span : call->span, "`labels` is an int field with a number for each sample, and `%s` is none; `%s` has %s", field->name, bank->name,
                    fields_text(c, bank));
        return;
    }
    compare_sources(c, field, bank, query, given ? given->span : call->span);
}

void check_eval(Check *c, Stmt *s) {
    static const char *const evaluations[] = {"knn", "linear"};
    enum { COUNT = sizeof evaluations / sizeof *evaluations };
    for (int i = 0; i < s->target_count; i++) {
        const Expr *call = s->targets[i];
        const char *name = call->kind == EXPR_CALL && call->callee->kind == EXPR_NAME ? call->callee->name : "";
        bool known = false;
        for (int k = 0; k < COUNT; k++) known |= strcmp(evaluations[k], name) == 0;
        if (!known) {
            diag_report(c->diag, CODE_EVALUATION, call->span, "`eval` knows knn(..) and linear(..), and statements: over, let, update and report");
            const char *near = diag_nearest(name, evaluations, COUNT);
            if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
            continue;
        }
        for (int a = 0; a < call->arg_count; a++) check_option(c, call, a, name);
        check_missing(c, call, name);
        const DataSource *bank = eval_source(call, "bank"), *query = eval_source(call, "query");
        if (!bank || !query) continue;
        check_eval_field(c, call, "of", bank, query);
        check_eval_field(c, call, "labels", bank, query);
    }
    check_measures(c, s);
}
