/* Checks numbers and truth values against the rows of option tables, and the settings of `train`
 * and of stages, which are rows of settings.def. */
#include "lang/check.h"
#include "lang/habits.h"

#include <math.h>
#include <string.h>

static const OptionRow settings[] = {
#define TRAIN_SETTING(name, kind, low, high, range)                                                \
    {"train", #name, WANTS_##kind, low, high, 0, range},
#include "lang/settings.def"
#undef TRAIN_SETTING
};
enum { SETTING_ROWS = sizeof settings / sizeof *settings };

const OptionRow *option_find(const OptionRow *rows, int count, const char *owner,
                             const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(rows[i].owner, owner) == 0 && strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

/* ---- numbers --------------------------------------------------------------------------------- */

bool option_in_range(const OptionRow *row, double value) {
    if (value > row->high ||
        (row->wants == WANTS_ABOVE ? !(value > row->low) : !(value >= row->low)))
        return false;
    return (row->wants != WANTS_WHOLE && row->wants != WANTS_TRUTH) || value == floor(value);
}

bool check_number(Check *c, const OptionRow *row, const Expr *value, Span name, DiagCode code,
                  const char *of) {
    const Type *t = value->type;
    if (t->kind == KIND_POISON) return false;
    const int errors = diag_error_count(c->diag);
    if (t->rank || !type_is_numeric(t))
        diag_report(c->diag, code, name, "`%s`%s is %s, and this is %s", row->name, of, row->range,
                    type_text(c->arena, t));
    else if (!value->is_constant || value->is_named)
        diag_report(c->diag, code, name,
                    "`%s`%s is %s, known at compile time: made of numbers and hypers", row->name,
                    of, row->range);
    else if (!option_in_range(row, value->constant))
        diag_report(c->diag, code, name, "`%s`%s is %s, and this is %.9g", row->name, of,
                    row->range, value->constant);
    if (row->wants == WANTS_SIZE && value->is_constant && value->constant < row->low)
        diag_suggest(c->diag, "a size is a number with its unit: 512MiB, 1.5GiB");
    return diag_error_count(c->diag) == errors;
}

/* ---- true and false -------------------------------------------------------------------------- */

void option_suggest_truth(Check *c, Span value) {
    Span word = value;
    if (!value.source) return;
    if (value.end - value.begin > 2 && value.source->text[value.begin] == '"')
        word.begin++, word.end--;
    const char *meant = habit_of_truth(span_text(c->arena, word));
    if (!meant) return;
    diag_suggest(c->diag, "the word is `%s`", meant);
    diag_fix(c->diag, value, meant);
}

bool check_truth(Check *c, const Expr *value, Span span, DiagCode code, const char *what) {
    if (value->kind == EXPR_BOOL) return true;
    diag_report(c->diag, code, span, "%s is true or false, and this is `%s`", what,
                span_text(c->arena, value->span));
    option_suggest_truth(c, value->span);
    return false;
}

/* ---- train ----------------------------------------------------------------------------------- */

/* Reports a setting that `train` or a stage does not have. A stage has all settings but
 * `memory`. */
static void unknown_setting(Check *c, const Stmt *s, const Param *p) {
    const char *names[SETTING_ROWS];
    const char *list = "";
    int count = 0;
    int stated = 0;
    for (int i = 0; i < SETTING_ROWS; i++)
        if (s->kind != STMT_STAGE || strcmp(settings[i].name, "memory") != 0)
            names[count++] = settings[i].name;
    for (; stated < count; stated++)
        list = arena_printf(c->arena, "%s%s %s", list,
                            !stated               ? ""
                            : stated + 1 == count ? " and"
                                                  : ",",
                            names[stated]);
    const char *near = diag_nearest(p->name, names, count);
    diag_report(c->diag, CODE_TRAIN_SETTING, p->span, "%s has no setting `%s`; it has%s",
                s->kind == STMT_STAGE ? "a stage" : "`train`", p->name, list);
    if (strcmp(p->name, "seed") == 0)
        diag_suggest(c->diag, "a seed belongs to a run: `couplet train FILE --seed 5`");
    else if (near)
        diag_mean(c->diag, p->span, near);
    else
        diag_suggest(
            c->diag,
            "what belongs to the optimiser stands in its call: `optimiser optim.sgd(lr = 0.1)`");
}

/* Checks the parts and the condition of a setting; only `optimiser` and `freeze` have them. */
static void check_parts(Check *c, const Param *p, const OptionRow *row) {
    for (int i = 0; i < p->part_count; i++)
        check_trained_part(c, p->parts[i], row->wants == WANTS_RULE);
    if (p->guard) {
        check_condition(c, p->guard, "what stands after `while`");
    }
    if (p->part_count && row->wants != WANTS_RULE && row->wants != WANTS_PARTS)
        diag_report(c->diag, CODE_TRAIN_SETTING, p->span,
                    "only `optimiser` and `freeze` name parts, and this is `%s`", p->name);
    if (p->guard && row->wants != WANTS_PARTS && row->wants != WANTS_RULE)
        diag_report(c->diag, CODE_TRAIN_SETTING, p->guard->span,
                    "only `optimiser` and `freeze` go by a condition, and this is `%s`", p->name);
}

/* Checks one setting of `train` or of a stage. */
static void check_setting(Check *c, const Stmt *s, int at) {
    const Param *p = &s->params[at];
    const OptionRow *row = option_find(settings, SETTING_ROWS, "train", p->name);
    if (!row) {
        unknown_setting(c, s, p);
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
    if (row->wants != WANTS_RULE)
        check_number(c, row, p->value, p->span, CODE_TRAIN_SETTING, "");
    else if (t->kind != KIND_POISON && t->kind != KIND_OPTIMISER)
        diag_report(c->diag, CODE_OPTIMISER, p->value->span,
                    "`optimiser` needs a call of one, optim.sgd(lr = 0.1); this is %s",
                    type_text(c->arena, t));
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* Returns the first setting of this name in a statement, or NULL. */
static const Param *setting_of(const Stmt *s, const char *name) {
    for (int i = 0; i < s->param_count; i++)
        if (strcmp(s->params[i].name, name) == 0) return &s->params[i];
    return NULL;
}

void check_declare_stages(Check *c, Module *m) {
    for (int i = 0; i < m->stmt_count; i++) {
        Stmt *s = m->stmts[i];
        if (s->kind != STMT_STAGE) continue;
        const Param *batch = setting_of(s, "batch");
        if (batch && batch->value && check_expr(c, batch->value)->kind != KIND_POISON &&
            batch->value->is_constant && batch->value->constant >= 1 &&
            batch->value->constant <= 1e6)
            s->batch = (int64_t)batch->value->constant;
        s->symbol = scope_declare(c, SYMBOL_STAGE, s->name, s->name_span, s, NULL);
        s->symbol->type = type_make(c, KIND_BOOL, 0, NULL);
    }
}

static const Stmt *first_stage(const Module *m) {
    for (int i = 0; i < m->stmt_count; i++)
        if (m->stmts[i]->kind == STMT_STAGE) return m->stmts[i];
    return NULL;
}

void check_stage(Check *c, Stmt *s) {
    bool misnamed = false;
    for (int i = 0; i < s->param_count; i++) {
        misnamed |= !option_find(settings, SETTING_ROWS, "train", s->params[i].name);
        check_setting(c, s, i);
        if (strcmp(s->params[i].name, "memory") == 0)
            diag_report(c->diag, CODE_STAGE, s->params[i].span,
                        "`memory` bounds the steps of all stages: it stands in `train`");
    }
    /* A setting with an unknown name may be a misspelt `epochs`. */
    if (setting_of(s, "epochs") || misnamed) return;
    diag_report(c->diag, CODE_STAGE, s->name_span, "the stage `%s` does not say how long it is",
                s->name);
    diag_suggest(c->diag, "`epochs 10` in its braces");
}

/* Returns the first `train` of the method, or NULL. A second one is reported. */
static const Stmt *first_train(const Module *m) {
    for (int i = 0; i < m->stmt_count; i++)
        if (m->stmts[i]->kind == STMT_TRAIN) return m->stmts[i];
    return NULL;
}

void check_train(Check *c, const Module *m, Stmt *s) {
    const Stmt *first = first_train(m);
    if (first && first != s) {
        diag_report(c->diag, CODE_DECLARED_TWICE, s->span,
                    "a method has one `train`, and this is another");
        diag_note(c->diag, first->span, "the first one is here");
    }
    for (int i = 0; i < s->param_count; i++)
        check_setting(c, s, i);
    const Param *epochs = setting_of(s, "epochs");
    const Stmt *stage = first_stage(m);
    if (!epochs || !stage) return;
    diag_report(c->diag, CODE_STAGE, epochs->span,
                "each stage says how many epochs it has, and `train` what they have in common");
    diag_note(c->diag, stage->name_span, "the first stage is here");
}
