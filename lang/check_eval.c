/* Checks `eval`: each evaluation and its options against evals.def, and the fields and formulas
 * that it names. */
#include "lang/check.h"

#include "lang/ast_walk.h"
#include "lang/evals.h"

#include <string.h>

static const OptionRow evals[] = {
#define EVAL_OPTION(evaluation, name, kind, low, high, standard, range)                            \
    {#evaluation, #name, WANTS_##kind, low, high, standard, range},
#include "lang/evals.def"
#undef EVAL_OPTION
};
enum { EVAL_ROWS = sizeof evals / sizeof *evals };

double eval_standard(const char *evaluation, const char *option) {
    const OptionRow *row = option_find(evals, EVAL_ROWS, evaluation, option);
    return row ? row->standard : 0;
}

bool eval_has_option(const char *evaluation, const char *option) {
    return option_find(evals, EVAL_ROWS, evaluation, option) != NULL;
}

bool eval_is_field(const Expr *of) {
    return of->kind == EXPR_MEMBER && of->args[0]->kind == EXPR_NAME;
}

/* ---- eval ------------------------------------------------------------------------------------ */

/* Returns the names of the options of an evaluation: "k, temperature, by_class". */
static const char *options_text(Check *c, const char *evaluation) {
    const char *text = "";
    for (int i = 0; i < EVAL_ROWS; i++)
        if (strcmp(evals[i].owner, evaluation) == 0)
            text = arena_printf(c->arena, "%s%s%s", text, *text ? ", " : "", evals[i].name);
    return text;
}

/* Reports an argument that has no name, or the name of no option. */
static void unknown_option(Check *c, const Expr *call, int at, const char *evaluation) {
    const char *name = call->arg_names ? call->arg_names[at] : NULL;
    const char *names[EVAL_ROWS];
    int count = 0;
    if (!name) {
        diag_report(c->diag, CODE_EVALUATION, call->args[at]->span,
                    "an option of `%s` needs its name, like `features = encoder`", evaluation);
        return;
    }
    for (int i = 0; i < EVAL_ROWS; i++)
        if (strcmp(evals[i].owner, evaluation) == 0) names[count++] = evals[i].name;
    const char *near = diag_nearest(name, names, count);
    diag_report(c->diag, CODE_EVALUATION, call_argument_span(call, at),
                "`%s` has no option `%s`; it has %s", evaluation, name,
                options_text(c, evaluation));
    if (near) diag_mean(c->diag, call_argument_span(call, at), near);
}

/* Reports the networks and sources that the evaluation needs and the call leaves out. */
static void check_missing(Check *c, const Expr *call, const char *evaluation) {
    const char *missing = "";
    for (int i = 0; i < EVAL_ROWS; i++) {
        const bool needed = strcmp(evals[i].owner, evaluation) == 0 &&
                            (evals[i].wants == WANTS_NETWORK || evals[i].wants == WANTS_DATA);
        bool given = false;
        for (int a = 0; a < call->arg_count; a++)
            given |= call->arg_names && call->arg_names[a] &&
                     strcmp(call->arg_names[a], evals[i].name) == 0;
        if (needed && !given)
            missing =
                arena_printf(c->arena, "%s%s%s", missing, *missing ? " and " : "", evals[i].name);
    }
    if (*missing)
        diag_report(c->diag, CODE_EVALUATION, call->span,
                    "`%s` needs its %s: `%s(features = encoder, bank = train, query = test)`",
                    evaluation, missing, evaluation);
}

/* ---- the sources of an evaluation ------------------------------------------------------------ */

static Expr *eval_argument(const Expr *call, const char *name) {
    for (int i = 0; call->arg_names && i < call->arg_count; i++)
        if (call->arg_names[i] && strcmp(call->arg_names[i], name) == 0) return call->args[i];
    return NULL;
}

/* Returns the source that the option names, or NULL. */
static const DataSource *eval_source(const Expr *call, const char *name) {
    const Expr *e = eval_argument(call, name);
    return e && e->symbol && e->symbol->kind == SYMBOL_DATA ? e->symbol->stmt->data : NULL;
}

/* ---- the fields of an evaluation ------------------------------------------------------------- */

static bool is_label(const DataField *field) {
    return field->type == DATA_INT && field->rank == 0;
}

static bool is_of_bytes(const DataField *field) {
    return field->type == DATA_U8;
}
static bool is_array(const DataField *field) {
    return field->rank > 0;
}

/* Returns the one field of the source that fits. NULL if none or several fit. */
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
    const DataField *named = source_find_field(bank, labels ? "label" : "image");
    const DataField *bytes = labels ? NULL : only_field(bank, is_of_bytes);
    if (named && (!labels || is_label(named))) return named;
    return labels ? only_field(bank, is_label) : bytes ? bytes : only_field(bank, is_array);
}

/* Reports a field of the bank that the query does not have with the same type and shape. The
 * evaluation reads the field of both. */
static void compare_sources(Check *c, const DataField *field, const DataSource *bank,
                            const DataSource *query, Span span) {
    const DataField *other = source_find_field(query, field->name);
    const bool same =
        other && other->type == field->type && other->rank == field->rank &&
        memcmp(other->shape, field->shape, sizeof *field->shape * (size_t)field->rank) == 0;
    if (same || query->poisoned) return;
    diag_report(c->diag, CODE_EVALUATION, span,
                "bank and query have the field `%s` alike; `%s` has %s, and `%s` has %s",
                field->name, bank->name, source_fields_text(c, bank), query->name,
                source_fields_text(c, query));
}

/* Suggests a field of the bank for an option that is not given and has no answer of its own. For
 * labels that are no ints, suggests a claim. */
static void suggest_field(Check *c, const char *option, const DataSource *bank) {
    const bool labels = strcmp(option, "labels") == 0;
    const DataField *label = labels ? source_find_field(bank, "label") : NULL;
    for (int i = 0; i < bank->field_count; i++) {
        const DataField *field = &bank->fields[i];
        if (labels ? !is_label(field) : !is_array(field)) continue;
        diag_suggest(c->diag, "name it: `%s = %s.%s`", option, bank->name, field->name);
        return;
    }
    if (label && label->rank == 0)
        diag_suggest(c->diag,
                     "labels are ints; where `label` holds whole numbers, a claim behind the "
                     "source, `{ .., label : int }`, reads it so");
    else
        diag_suggest(c->diag, "no field of `%s` is %s", bank->name,
                     labels ? "an int with a number for each sample, as labels are" : "an array");
}

/* Checks the field that an evaluation reads for `of` or `labels`: the one that the call names, or
 * the one that eval_field finds. */
static void check_eval_field(Check *c, const Expr *call, const char *option, const DataSource *bank,
                             const DataSource *query) {
    Expr *given = eval_argument(call, option);
    const DataField *field = given ? NULL : eval_field(bank, option);
    if (given) {
        field = check_named_field(c, given);
        if (!field) return;
    }
    if (!field) {
        if (bank->poisoned) return;
        diag_report(c->diag, CODE_EVALUATION, call->span,
                    "`%s` does not say which field it is %s: `%s` has %s", call->callee->name,
                    strcmp(option, "of") == 0 ? "of" : "to tell", bank->name,
                    source_fields_text(c, bank));
        suggest_field(c, option, bank);
        return;
    }
    if (strcmp(option, "labels") == 0 && !is_label(field)) {
        diag_report(
            c->diag, CODE_EVALUATION, given ? given->span : call->span,
            "`labels` is an int field with a number for each sample, and `%s` is none; `%s` has %s",
            field->name, bank->name, source_fields_text(c, bank));
        return;
    }
    compare_sources(c, field, bank, query, given ? given->span : call->span);
}

/* ---- formulas -------------------------------------------------------------------------------- */

/* A walk over a formula of an evaluation, and what it has found. */
typedef struct Reading {
    Check *c;
    const Expr *call;
    const DataSource *bank;
    const DataSource *query;
    bool reads_field; /* true if the formula reads a field of some source */
    bool refused;     /* true after a message */
} Reading;

static void refuse_features(Reading *r, Span span, const char *what) {
    r->refused = true;
    diag_report(r->c->diag, CODE_EVALUATION, span,
                "features are made of fields of the bank, networks and functions, and %s", what);
}

/* True for a name whose value belongs to a step or is kept from step to step. Features are made of
 * fields, networks and functions alone. */
static bool is_kept(const Symbol *s) {
    switch (s->kind) {
    case SYMBOL_LET:
    case SYMBOL_LET_FN:
    case SYMBOL_VIEW:
    case SYMBOL_DRAW:
    case SYMBOL_PARAM:
    case SYMBOL_STATE:
    case SYMBOL_QUEUE:
        return true;
    case SYMBOL_POISON:
    case SYMBOL_MODULE:
    case SYMBOL_DATA:
    case SYMBOL_FIELD:
    case SYMBOL_HYPER:
    case SYMBOL_STAGE:
    case SYMBOL_NET:
    case SYMBOL_NET_PART:
    case SYMBOL_NET_STATE:
    case SYMBOL_FN:
    case SYMBOL_OPTIMISER:
    case SYMBOL_COLUMN:
    case SYMBOL_ARGUMENT:
    case SYMBOL_CONFIG:
    case SYMBOL_DIMENSION:
    case SYMBOL_INDEX:
    case SYMBOL_BUILTIN:
        return false;
    }
    return false;
}

/* Checks a read of a field such as `train.wave`. It must be a field of the bank that the query has
 * too, because the query's field is read in its place when the query's features are computed. */
static void read_field(Reading *r, const Expr *e, const DataSource *source) {
    Check *c = r->c;
    r->reads_field = true;
    if (source != r->bank)
        refuse_features(
            r, e->span,
            arena_printf(c->arena,
                         "`%s` is no field of the bank, `%s`: the query's fields are read in "
                         "place of the bank's",
                         span_text(c->arena, e->span), r->bank->name));
    else if (strcmp(e->name, "all") == 0)
        refuse_features(
            r, e->span,
            arena_printf(c->arena, "`%s` is the whole source", span_text(c->arena, e->span)));
    else if (strcmp(e->name, "index") == 0)
        refuse_features(r, e->span, "the number of a row says nothing about a new sample");
    else if (source_find_field(source, e->name))
        compare_sources(c, source_find_field(source, e->name), r->bank, r->query, e->span);
}

/* Checks a name in a formula. Goes no further into `train.wave`, whose base `train` is no read by
 * itself. */
static bool read_name(void *context, Expr *e) {
    Reading *r = context;
    const Expr *base = e->kind == EXPR_MEMBER ? e->args[0] : e->kind == EXPR_NAME ? e : NULL;
    const Symbol *s =
        base && base->kind == EXPR_NAME ? scope_find(r->c->at.scope, base->name) : NULL;
    if (!s) return true;
    if (e->kind == EXPR_MEMBER && s->kind == SYMBOL_DATA)
        read_field(r, e, s->stmt->data);
    else if (s->kind == SYMBOL_DATA)
        refuse_features(r, e->span,
                        arena_printf(r->c->arena,
                                     "`%s` is a whole source; a field of it is `%s.NAME`", s->name,
                                     s->name));
    else if (is_kept(s))
        refuse_features(r, e->span, arena_printf(r->c->arena, "`%s` belongs to a step", s->name));
    return e->kind != EXPR_MEMBER || !base || base->kind != EXPR_NAME;
}

/* Returns the type of a formula of the bank's fields, either for one sample, as in a view, or for
 * the samples of a batch, as in a sweep. Poison after a message. */
static const Type *formula_type(Reading *r, Expr *formula, bool of_sample) {
    static Stmt no_view;
    Check *c = r->c;
    ast_walk_expr(formula, read_name, r);
    if (r->refused) return type_poison(c);
    c->at.sweep = r->bank;
    c->at.sweep_rows = sweep_rows(r->bank);
    c->at.in_view = of_sample;
    c->at.view = of_sample ? &no_view : NULL;
    const Type *type = check_expr(c, formula);
    c->at.sweep = NULL;
    c->at.in_view = false;
    c->at.view = NULL;
    if (type->kind != KIND_POISON && !r->reads_field)
        refuse_features(
            r, formula->span,
            arena_printf(c->arena, "this reads no field of the bank, `%s`", r->bank->name));
    return r->refused ? type_poison(c) : type;
}

/* Checks `of = waves.mel(train.wave)`, a formula whose value for one sample is given to the
 * network. */
static void check_recipe(Reading *r, Expr *recipe) {
    const Type *type = formula_type(r, recipe, true);
    if (type->kind == KIND_POISON || (type_is_numeric(type) && type->rank < MAX_RANK)) return;
    diag_report(r->c->diag, CODE_EVALUATION, recipe->span,
                "`of` is a field of the bank, or a formula of its fields that gives a number or an "
                "array of at most %d axes for one sample; this is %s",
                MAX_RANK - 1, type_text(r->c->arena, type));
}

/* Checks the type of `features = joined(numbers(train.number), words(train.word))`, which has a row
 * for each sample of a batch. */
static void check_rows(Reading *r, Expr *formula, const Type *type) {
    Check *c = r->c;
    const Dim *rows = dim_const(c->dims, sweep_rows(r->bank));
    if (type->kind == KIND_POISON ||
        (type->kind == KIND_REAL && type->rank == 2 && type->dims[0] == rows))
        return;
    diag_report(c->diag, CODE_EVALUATION, formula->span,
                "`features` of %s is a network or a part of one, or a formula that gives a row of "
                "reals for each of %s samples, real[%s, D]; this is %s",
                r->call->callee->name, dim_text(c->arena, rows), dim_text(c->arena, rows),
                type_text(c->arena, type));
}

/* True if an expression names a network, which is then applied to `of`. True also for a name that
 * nothing declares, since the message about the name is then the right one. */
static bool names_net(Check *c, const Expr *e) {
    while (e->kind == EXPR_MEMBER)
        e = e->args[0];
    const Symbol *s = e->kind == EXPR_NAME ? scope_find(c->at.scope, e->name) : NULL;
    return !s || s->kind == SYMBOL_NET || s->kind == SYMBOL_MODULE || s->kind == SYMBOL_POISON;
}

/* Checks `features = encoder.trunk`, a name that must be that of a network. */
static void check_network(Reading *r, Expr *features) {
    const Type *t = check_expr(r->c, features);
    if (t->kind == KIND_NET || t->kind == KIND_POISON) return;
    diag_report(r->c->diag, CODE_EVALUATION, features->span,
                "`features` of %s is a network or a part of one, or a formula of these and of "
                "fields; this is %s",
                r->call->callee->name, type_text(r->c->arena, t));
}

/* Checks `features` and `of`: a network with what it is given, or a formula that stands for
 * both. */
static void check_features(Reading *r) {
    Check *c = r->c;
    Expr *features = eval_argument(r->call, "features");
    Expr *of = eval_argument(r->call, "of");
    if (!features) return;
    if ((features->kind == EXPR_NAME || features->kind == EXPR_MEMBER) && names_net(c, features)) {
        check_network(r, features);
        if (!of || eval_is_field(of))
            check_eval_field(c, r->call, "of", r->bank, r->query);
        else
            check_recipe(r, of);
        return;
    }
    const Type *type = formula_type(r, features, false);
    if (type->kind != KIND_NET)
        check_rows(r, features, type);
    else
        diag_report(c->diag, CODE_EVALUATION, features->span,
                    "`features` is a network that has a name, or a formula of fields; this makes a "
                    "new one");
    if (of)
        diag_report(c->diag, CODE_EVALUATION, of->span,
                    "`of` is what a network is given, and these features are a formula, which "
                    "names its fields itself");
}

/* ---- one evaluation -------------------------------------------------------------------------- */

/* True if an argument before this one has the same name. */
static bool is_given_twice(const Expr *call, int at) {
    for (int i = 0; i < at; i++)
        if (call->arg_names[i] && strcmp(call->arg_names[i], call->arg_names[at]) == 0) return true;
    return false;
}

/* Checks one option if it is a source, a number or a truth value. Features and fields depend on the
 * sources, so check_one checks them after all options. */
static void check_option(Check *c, const Expr *call, int at, const char *evaluation) {
    const char *name = call->arg_names ? call->arg_names[at] : NULL;
    const OptionRow *row = name ? option_find(evals, EVAL_ROWS, evaluation, name) : NULL;
    const Span span = call_argument_span(call, at);
    if (!row) {
        check_expr(c, call->args[at]);
        unknown_option(c, call, at, evaluation);
        return;
    }
    if (is_given_twice(call, at))
        diag_report(c->diag, CODE_EVALUATION, span, "`%s` of %s is given twice", name, evaluation);
    if (row->wants == WANTS_OF || row->wants == WANTS_NETWORK) return;
    if (row->wants == WANTS_TRUTH) {
        check_truth(c, call->args[at], span, CODE_EVALUATION,
                    arena_printf(c->arena, "`%s` of %s", name, evaluation));
        return;
    }
    const Type *t = check_expr(c, call->args[at]);
    const char *of = arena_printf(c->arena, " of %s", evaluation);
    const bool fits =
        row->wants != WANTS_DATA || (t->kind == KIND_DATA && call->args[at]->kind == EXPR_NAME);
    if (!fits && t->kind != KIND_POISON)
        diag_report(c->diag, CODE_EVALUATION, span, "`%s`%s is %s, and this is %s", name, of,
                    row->range, type_text(c->arena, t));
    else if (row->wants != WANTS_DATA)
        check_number(c, row, call->args[at], span, CODE_EVALUATION, of);
}

static void check_one(Check *c, const Expr *call) {
    const char *name = call->callee->name;
    for (int a = 0; a < call->arg_count; a++)
        check_option(c, call, a, name);
    check_missing(c, call, name);
    Reading reading = {.c = c,
                       .call = call,
                       .bank = eval_source(call, "bank"),
                       .query = eval_source(call, "query")};
    /* A missing source is reported already, and no field can be checked without it. */
    if (!reading.bank || !reading.query) {
        Expr *features = eval_argument(call, "features");
        if (features && features->kind == EXPR_NAME) {
            check_network(&reading, features);
        }
        return;
    }
    check_features(&reading);
    if (eval_has_option(name, "labels"))
        check_eval_field(c, call, "labels", reading.bank, reading.query);
}

/* Sets `names` to the evaluations in the order of evals.def, and returns how many there are. All
 * rows of one evaluation stand together. */
static int evaluation_names(const char **names) {
    int count = 0;
    for (int i = 0; i < EVAL_ROWS; i++)
        if (count == 0 || strcmp(names[count - 1], evals[i].owner) != 0)
            names[count++] = evals[i].owner;
    return count;
}

/* Returns the names as text: "knn(..), linear(..)". */
static const char *names_text(Check *c, const char *const *names, int count) {
    const char *text = "";
    for (int i = 0; i < count; i++)
        text = arena_printf(c->arena, "%s%s%s(..)", text, i ? ", " : "", names[i]);
    return text;
}

void check_eval(Check *c, Stmt *s) {
    const char *evaluations[EVAL_ROWS];
    const int count = evaluation_names(evaluations);
    check_cadence(c, s);
    for (int i = 0; i < s->target_count; i++) {
        const Expr *call = s->targets[i];
        const char *name =
            call->kind == EXPR_CALL && call->callee->kind == EXPR_NAME ? call->callee->name : "";
        bool known = false;
        for (int k = 0; k < count; k++)
            known |= strcmp(evaluations[k], name) == 0;
        if (known) {
            check_one(c, call);
            continue;
        }
        diag_report(c->diag, CODE_EVALUATION, call->span,
                    "`eval` knows %s, and statements: over, let, update and report",
                    names_text(c, evaluations, count));
        const char *near = diag_nearest(name, evaluations, count);
        if (near) diag_mean(c->diag, call->callee->span, near);
    }
    check_measures(c, s);
}
