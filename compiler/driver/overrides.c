/* Writes numbers of the command line into the spec's tree before the check. So ranges, types and
 * messages treat them as if the file had said them. In a resumed run, values of its record are
 * written where neither the command line nor a changed spec says otherwise.
 *
 * A name that is no hyper is an error with the nearest name. In a file of functions the name may be
 * a parameter, which only the checked tree can tell. */
#include "compiler/driver/overrides.h"

#include "compiler/driver/report.h"
#include "compiler/lower/lower.h"
#include "lang/habits.h"
#include "runtime/numbers.h"
#include "runtime/record.h"

#include <math.h>
#include <string.h>

/* ---- numbers in the tree --------------------------------------------------------------------- */

static void set_number(Arena *arena, Param *param, double value, bool integer) {
    Expr *number = arena_new_of(arena, Expr);
    number->kind = EXPR_NUMBER;
    number->number = value;
    number->is_integer = integer;
    number->span = param->value ? param->value->span : param->span;
    param->value = number;
}

/* Returns a setting of `train`, which is added to the block if it is not there. */
static Param *setting_of(Arena *arena, Stmt *train, const char *name) {
    for (int p = 0; p < train->param_count; p++)
        if (strcmp(train->params[p].name, name) == 0) return &train->params[p];
    Param *params = arena_array(arena, Param, train->param_count + 1);
    if (train->param_count)
        memcpy(params, train->params, sizeof *params * (size_t)train->param_count);
    Param *added = &params[train->param_count++];
    *added = (Param){.span = train->span, .name = name};
    /* an added setting has no place in the text, so its span is empty */
    added->span.end = added->span.begin;
    train->params = params;
    return added;
}

static void set_in_train(Arena *arena, Module *spec, const char *name, double value) {
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_TRAIN)
            set_number(arena, setting_of(arena, spec->stmts[i], name), value,
                       value == floor(value));
}

/* ---- names ----------------------------------------------------------------------------------- */

typedef ARRAY(const char *) Names;

static Param *find_hyper(const Module *spec, const char *name) {
    for (int i = 0; i < spec->stmt_count; i++) {
        Stmt *s = spec->stmts[i];
        for (int p = 0; s->kind == STMT_HYPER && p < s->param_count; p++)
            if (strcmp(s->params[p].name, name) == 0) return &s->params[p];
    }
    return NULL;
}

static void add_hypers(Arena *arena, const Module *spec, Names *names) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        for (int p = 0; s->kind == STMT_HYPER && p < s->param_count; p++)
            array_push(arena, names, s->params[p].name);
    }
}

static bool unknown(Arena *arena, const char *option, const char *name, const char *whose,
                    const Names *names) {
    const char *near = diag_nearest(name, names->items, names->count);
    const char *help = NULL;
    if (near)
        help = arena_printf(arena, "did you mean `%s`?", near);
    else if (names->count == 0)
        help = "it has none at all";
    else {
        help = "it has";
        for (int i = 0; i < names->count && i < 12; i++)
            help = arena_printf(arena, "%s%s `%s`", help,
                                i == 0                  ? ""
                                : i + 1 == names->count ? " and"
                                                        : ",",
                                names->items[i]);
        if (names->count > 12)
            help = arena_printf(arena, "%s and %d more", help, names->count - 12);
    }
    return report_with_help(CODE_SETTING, help, "--%s: %s `%s`", option, whose, name);
}

/* ---- hypers ---------------------------------------------------------------------------------- */

static bool is_whole_number(const Expr *e) {
    if (e && e->kind == EXPR_UNARY && e->op == OP_NEG) e = e->args[0];
    return e && e->kind == EXPR_NUMBER && e->is_integer;
}

static void set_truth(Arena *arena, Param *param, bool value) {
    Expr *truth = arena_new_of(arena, Expr);
    truth->kind = EXPR_BOOL;
    truth->boolean = value;
    truth->span = param->value->span;
    param->value = truth;
}

bool settings_read_truth(Arena *arena, const char *what, const char *text, bool *value) {
    *value = strcmp(text, "true") == 0;
    if (*value || strcmp(text, "false") == 0) return true;
    const char *meant = habit_of_truth(text);
    return report_with_help(CODE_SETTING,
                            meant ? arena_printf(arena, "the word is `%s`", meant) : NULL,
                            "%s is true or false, and `%s` was given", what, text);
}

static bool set_hyper(Arena *arena, Param *hyper, const Setting *set) {
    double value;
    bool integer, truth;
    if (hyper->value && hyper->value->kind == EXPR_BOOL) {
        const char *what = arena_printf(arena, "the hyper `%s`", set->name);
        if (!settings_read_truth(arena, what, set->value, &truth)) return false;
        set_truth(arena, hyper, truth);
        return true;
    }
    if (!couplet_read_number(set->value, &value, &integer))
        return report(CODE_SETTING, "the hyper `%s` needs a number, and `%s` was given", set->name,
                      set->value);
    const bool wants_whole = is_whole_number(hyper->value);
    if (wants_whole && !integer)
        return report(CODE_SETTING, "the hyper `%s` is a whole number, and `%s` was given",
                      set->name, set->value);
    set_number(arena, hyper, value, wants_whole);
    return true;
}

/* ---- settings of a resumed run --------------------------------------------------------------- */

const char *settings_text(Arena *arena, const Module *spec, StmtKind kind, const char *name) {
    for (int i = 0; i < spec->stmt_count; i++) {
        const Stmt *s = spec->stmts[i];
        for (int p = 0; s->kind == kind && p < s->param_count; p++) {
            const Expr *value = s->params[p].value;
            if (strcmp(s->params[p].name, name) != 0 || !value) continue;
            return arena_strndup(arena, value->span.source->text + value->span.begin,
                                 (size_t)(value->span.end - value->span.begin));
        }
    }
    return "";
}

static bool is_set(const Options *o, const char *name) {
    for (int i = 0; i < o->sets.count; i++)
        if (strcmp(o->sets.items[i].name, name) == 0) return true;
    return false;
}

static bool has_stages(const Module *spec) {
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_STAGE) return true;
    return false;
}

/* Writes the values of the run's record. If the text of the spec has changed such a value since,
 * the new value stays. */
static void take_recorded(Arena *arena, Module *spec, const Options *o) {
    CoupletRecordedHyper recorded;
    for (int i = 0; couplet_record_hyper(o->record, i, &recorded); i++) {
        Param *hyper = find_hyper(spec, recorded.name);
        bool same_text =
            strcmp(settings_text(arena, spec, STMT_HYPER, recorded.name), recorded.written) == 0;
        if (!hyper || !same_text || is_set(o, recorded.name)) continue;
        if (hyper->value && hyper->value->kind == EXPR_BOOL)
            set_truth(arena, hyper, recorded.value != 0);
        else
            set_number(arena, hyper, recorded.value, is_whole_number(hyper->value));
    }
    double epochs;
    const char *then = couplet_record_text(o->record, "written.epochs");
    const char *now = settings_text(arena, spec, STMT_TRAIN, "epochs");
    if (!(o->epochs > 0) && !has_stages(spec) && then && strcmp(then, now) == 0 &&
        couplet_record_number(o->record, "epochs", &epochs))
        set_in_train(arena, spec, "epochs", epochs);
}

bool settings_write(Arena *arena, Module *spec, const Options *options, bool for_functions) {
    bool good = true;
    if (options->inputs.count > 0 && !for_functions)
        good = report(CODE_SETTING,
                      "--in gives arrays to a function, and `%s` trains a method: --fn NAME names "
                      "one of its functions",
                      options->file);
    for (int i = 0; i < options->sets.count; i++) {
        const Setting *set = &options->sets.items[i];
        Param *hyper = find_hyper(spec, set->name);
        if (hyper) good &= set_hyper(arena, hyper, set);
        if (hyper || for_functions) continue;
        Names names = {0};
        add_hypers(arena, spec, &names);
        good = unknown(arena, "set", set->name,
                       arena_printf(arena, "`%s` has no hyper", spec->source->path), &names);
    }
    if (options->record) take_recorded(arena, spec, options);
    if (options->epochs > 0 && has_stages(spec))
        return report(CODE_SETTING, "--epochs: the method has stages, each with epochs of its own");
    if (options->epochs > 0) set_in_train(arena, spec, "epochs", options->epochs);
    if (options->batch > 0) set_in_train(arena, spec, "batch", (double)options->batch);
    return good;
}

/* ---- functions ------------------------------------------------------------------------------- */

/* The functions whose parameters may be given: the function that --fn names, which may be of
 * another module, or all functions of the file. */
typedef ARRAY(const Stmt *) Functions;

static Functions functions_of(Arena *arena, const Method *method, const Options *o) {
    Functions list = {0};
    const Stmt *named = o->fn ? method_find_function(method, o->fn) : NULL;
    if (named) array_push(arena, &list, named);
    for (int i = 0; !o->fn && i < method->spec->stmt_count; i++)
        if (method->spec->stmts[i]->kind == STMT_FN)
            array_push(arena, &list, method->spec->stmts[i]);
    return list;
}

static const Param *hyper_named(const Functions *functions, const char *name) {
    for (int i = 0; i < functions->count; i++)
        for (int p = 0; p < functions->items[i]->param_count; p++)
            if (strcmp(functions->items[i]->params[p].name, name) == 0)
                return &functions->items[i]->params[p];
    return NULL;
}

static bool unknown_parameter(Arena *arena, const Functions *functions, const Module *hypers,
                              const Options *o, const char *option, const char *name) {
    Names names = {0};
    for (int i = 0; i < functions->count; i++)
        for (int p = 0; p < functions->items[i]->param_count; p++)
            array_push(arena, &names, functions->items[i]->params[p].name);
    if (hypers) add_hypers(arena, hypers, &names);
    const char *whose = o->fn ? arena_printf(arena, "`%s` has no parameter", o->fn)
                              : arena_printf(arena, "no function of `%s` has a parameter", o->file);
    return unknown(arena, option, name, whose, &names);
}

static bool fits_parameter(Arena *arena, const Setting *set, const Param *param) {
    double value;
    bool whole, truth;
    if (param->type && param->type->kind == KIND_BOOL && !param->has_shape)
        return settings_read_truth(arena, arena_printf(arena, "`%s`", set->name), set->value,
                                   &truth);
    if (!couplet_read_number(set->value, &value, &whole))
        return report(CODE_SETTING, "`%s` needs a number, and `%s` was given", set->name,
                      set->value);
    if (param->has_shape)
        return report(CODE_SETTING, "`%s` is an array and no number: give it with --in %s=FILE.npy",
                      set->name, set->name);
    if (param->type && param->type->kind == KIND_INT && !whole)
        return report(CODE_SETTING, "`%s` is a whole number, and `%s` was given", set->name,
                      set->value);
    return true;
}

bool settings_fit_functions(Arena *arena, const Method *method, const Options *o) {
    const Functions functions = functions_of(arena, method, o);
    bool good = true;
    if (o->fn && functions.count == 0) return true;
    for (int i = 0; i < o->inputs.count; i++)
        if (!hyper_named(&functions, o->inputs.items[i].name))
            good = unknown_parameter(arena, &functions, NULL, o, "in", o->inputs.items[i].name);
    for (int i = 0; i < o->sets.count; i++) {
        const Setting *set = &o->sets.items[i];
        const Param *param = hyper_named(&functions, set->name);
        if (param)
            good &= fits_parameter(arena, set, param);
        else if (!find_hyper(method->spec, set->name))
            good = unknown_parameter(arena, &functions, method->spec, o, "set", set->name);
        for (int k = 0; k < o->inputs.count; k++)
            if (strcmp(o->inputs.items[k].name, set->name) == 0)
                good = report(CODE_SETTING, "`%s` is given twice: by --in and by --set", set->name);
    }
    return good;
}
