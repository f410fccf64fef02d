/* Checks the options that every source has: which of its rows are kept, and how batches are drawn
 * from them. */
#include "lang/check.h"

#include <string.h>

static const OptionRow options[] = {
#define DATA_OPTION(name, kind, low, high, range)                                                  \
    {"data", #name, WANTS_##kind, low, high, 0, range},
#include "lang/data_options.def"
#undef DATA_OPTION
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

const char *data_options_text(Check *c, const char **names, int *count) {
    const char *text = "";
    for (int i = 0; i < OPTION_COUNT; i++) {
        text = arena_printf(c->arena, "%s%s%s", text, i == 0 ? "" : ", ", options[i].name);
        names[(*count)++] = options[i].name;
    }
    names[(*count)++] = "episodes";
    return arena_printf(c->arena, "%s and episodes", text);
}

static const Expr *find_argument(const Expr *call, const char *name) {
    for (int i = 0; call->kind == EXPR_CALL && call->arg_names && i < call->arg_count; i++)
        if (call->arg_names[i] && strcmp(call->arg_names[i], name) == 0) return call->args[i];
    return NULL;
}

static Span option_span(const Expr *call, const char *name) {
    for (int i = 0; call->arg_names && i < call->arg_count; i++)
        if (call->arg_names[i] && strcmp(call->arg_names[i], name) == 0) return call->arg_spans[i];
    return call->span;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* Puts the value of a numeric option in its field of the source. */
static void take_number(DataSource *data, const char *name, double number) {
    const struct {
        const char *name;
        double *place;
    } reals[] = {{"per_class", &data->selection.per_class}, {"fraction", &data->selection.fraction},
                 {"imbalance", &data->selection.imbalance}, {"seed", &data->selection.seed},
                 {"from", &data->selection.first_class},    {"classes", &data->selection.classes}};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        if (strcmp(reals[i].name, name) == 0) *reals[i].place = number;
    if (strcmp(name, "batch") == 0) data->batch = (int64_t)number;
    if (strcmp(name, "rows") == 0) data->claimed_rows = (int64_t)number;
}

static void read_number_choice(Check *c, DataSource *data, const OptionRow *row, Expr *value,
                               Span span) {
    check_expr(c, value);
    if (check_number(c, row, value, span, CODE_DATA_OPTION, ""))
        take_number(data, row->name, value->constant);
}

/* Reads `part = 0.0 .. 0.8`, and reports what is no such range. */
static void read_part_choice(Check *c, DataSource *data, const OptionRow *row, Expr *value,
                             Span span) {
    const OptionRow end = {.name = "part",
                           .wants = WANTS_NUMBER,
                           .low = row->low,
                           .high = row->high,
                           .range = row->range};
    if (value->kind != EXPR_RANGE) {
        diag_report(c->diag, CODE_DATA_OPTION, span, "`part` is %s", row->range);
        return;
    }
    for (int i = 0; i < 2; i++) {
        check_expr(c, value->args[i]);
        if (!check_number(c, &end, value->args[i], value->args[i]->span, CODE_DATA_OPTION, ""))
            return;
    }
    data->selection.part_from = value->args[0]->constant;
    data->selection.part_to = value->args[1]->constant;
    if (data->selection.part_from < data->selection.part_to) return;
    diag_report(c->diag, CODE_DATA_OPTION, value->span,
                "a part begins below its end, and this is %g .. %g", data->selection.part_from,
                data->selection.part_to);
}

/* ---- episodes(ways = 5, each = 6) ------------------------------------------------------------ */

static bool is_episodes(const Expr *e) {
    return e->kind == EXPR_CALL && e->callee->kind == EXPR_NAME &&
           strcmp(e->callee->name, "episodes") == 0;
}

/* Returns the value of `ways` or `each`, or 0 after a message. */
static int64_t episode_number(Check *c, const Expr *call, int at) {
    const OptionRow row = {.name = call->arg_names[at],
                           .wants = WANTS_WHOLE,
                           .low = 1,
                           .high = 1e6,
                           .range = "a whole number from 1 to 1000000"};
    Expr *value = call->args[at];
    check_expr(c, value);
    return check_number(c, &row, value, call_argument_span(call, at), CODE_DATA_OPTION,
                        " of episodes")
               ? (int64_t)value->constant
               : 0;
}

/* Reads both arguments of an episode. After a message, the source has no episodes. */
static void read_episodes(Check *c, DataSource *data, const Expr *call) {
    static const char *const names[] = {"ways", "each"};
    int64_t *places[] = {&data->ways, &data->each};
    bool good = true;
    for (int i = 0; i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        const int at = name && strcmp(name, "ways") == 0   ? 0
                       : name && strcmp(name, "each") == 0 ? 1
                                                           : -1;
        if (at >= 0 && !*places[at]) {
            *places[at] = episode_number(c, call, i);
            good &= *places[at] > 0;
            continue;
        }
        good = false;
        diag_report(c->diag, CODE_DATA_OPTION, call_argument_span(call, i),
                    "an episode has so many `ways` and so many rows of `each`: `episodes(ways = 5, "
                    "each = 6)`");
        const char *near = name ? diag_nearest(name, names, 2) : NULL;
        if (near && at < 0) {
            diag_mean(c->diag, call_argument_span(call, i), near);
        }
    }
    if (good && (!data->ways || !data->each))
        diag_report(c->diag, CODE_DATA_OPTION, call->span,
                    "an episode has so many `ways` and so many rows of `each`: `episodes(ways = 5, "
                    "each = 6)`");
    if (good && data->ways && data->each) return;
    data->ways = data->each = 0;
}

/* ---- one option ------------------------------------------------------------------------------ */

bool check_data_option(Check *c, DataSource *data, const Expr *call, int at) {
    const char *name = call->arg_names ? call->arg_names[at] : NULL;
    Expr *value = call->args[at];
    const Span span = call_argument_span(call, at);
    if (!name && is_episodes(value)) {
        if (data->ways)
            diag_report(c->diag, CODE_DATA_OPTION, span, "`episodes` is given twice");
        else
            read_episodes(c, data, value);
        return true;
    }
    const OptionRow *row = name ? option_find(options, OPTION_COUNT, "data", name) : NULL;
    if (!row) return false;
    switch (row->wants) {
    case WANTS_WHOLE:
    case WANTS_NUMBER:
    case WANTS_ABOVE:
        read_number_choice(c, data, row, value, span);
        break;
    case WANTS_TRUTH:
        if (check_truth(c, value, span, CODE_DATA_OPTION, arena_printf(c->arena, "`%s`", name)))
            data->balanced = value->boolean;
        break;
    case WANTS_FIELD:
        if (value->kind == EXPR_NAME)
            data->selection.by = value->name;
        else
            diag_report(c->diag, CODE_DATA_OPTION, span, "`%s` is %s: `%s = label`", name,
                        row->range, name);
        break;
    case WANTS_PART:
        read_part_choice(c, data, row, value, span);
        break;
    case WANTS_STATE:
        data->weights = value;
        if (value->kind == EXPR_NAME) break;
        diag_report(c->diag, CODE_DATA_OPTION, span, "`%s` is %s", name, row->range);
        data->weights = NULL;
        break;
    case WANTS_SIZE:
    case WANTS_TEXT:
    case WANTS_RULE:
    case WANTS_PARTS:
    case WANTS_NETWORK:
    case WANTS_DATA:
    case WANTS_OF:
        break;
    }
    return true;
}

/* ---- where ----------------------------------------------------------------------------------- */

/* Gives the comparison of an operator. False for an operator that does not compare. */
static bool comparison_of(Operator op, DataComparison *out) {
    switch (op) {
    case OP_EQ:
        *out = DATA_EQUAL;
        return true;
    case OP_NE:
        *out = DATA_UNEQUAL;
        return true;
    case OP_LT:
        *out = DATA_BELOW;
        return true;
    case OP_LE:
        *out = DATA_AT_MOST;
        return true;
    case OP_GT:
        *out = DATA_ABOVE;
        return true;
    case OP_GE:
        *out = DATA_AT_LEAST;
        return true;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_FLOORDIV:
    case OP_MOD:
    case OP_POW:
    case OP_AND:
    case OP_OR:
    case OP_NEG:
    case OP_NOT:
        return false;
    }
    return false;
}

/* True if rows may be chosen by this field: it is a number, or `index`. False after a message, or
 * where one was given before. */
static bool is_number_field(Check *c, const Stmt *s, const Expr *name) {
    const DataSource *data = s->data;
    const DataField *field = source_find_field(data, name->name);
    if (strcmp(name->name, "index") == 0 || (field && field->rank == 0 && field->type != DATA_U8))
        return true;
    if (data->poisoned || (!field && parse_was_broken(c, name->name))) return false;
    if (field) {
        diag_report(c->diag, CODE_DATA_OPTION, name->span,
                    "rows are kept by a field that is a number, and `%s` is none; `%s` has %s",
                    name->name, s->name, source_fields_text(c, data));
        return false;
    }
    diag_report(c->diag, CODE_UNKNOWN_MEMBER, name->span,
                "the data `%s` has no field `%s`; it has %s", s->name, name->name,
                source_fields_text(c, data));
    const char *near = source_nearest_field(c, data, name->name);
    if (near) diag_mean(c->diag, name->span, near);
    return false;
}

typedef ARRAY(DataCondition) Conditions;

/* Appends the conditions that `and` joins to the list. What is no comparison of a field with a
 * known number is reported and left out. */
static void read_condition(Check *c, const Stmt *s, const Expr *e, Conditions *list) {
    DataCondition condition = {.field = NULL};
    if (e->kind == EXPR_BINARY && e->op == OP_AND) {
        read_condition(c, s, e->args[0], list);
        read_condition(c, s, e->args[1], list);
        return;
    }
    if (e->kind != EXPR_BINARY || e->args[0]->kind != EXPR_NAME ||
        !comparison_of(e->op, &condition.is)) {
        diag_report(c->diag, CODE_DATA_OPTION, e->span,
                    "rows are kept where a field compares with a number: `where label == 3 and "
                    "index < 1000`");
        return;
    }
    const Type *t = check_expr(c, e->args[1]);
    if (t->kind == KIND_POISON || !is_number_field(c, s, e->args[0])) return;
    if (t->rank || !type_is_numeric(t) || !e->args[1]->is_constant || e->args[1]->is_named) {
        diag_report(c->diag, CODE_DATA_OPTION, e->args[1]->span,
                    "a field is compared with a number that is known at compile time: made of "
                    "numbers and hypers");
        return;
    }
    condition.field = e->args[0]->name;
    condition.value = e->args[1]->constant;
    array_push(c->arena, list, condition);
}

/* ---- classes --------------------------------------------------------------------------------- */

/* Returns the first given option that goes by classes, or NULL. */
static const char *class_option(const DataSource *data) {
    const DataSelection *s = &data->selection;
    return s->per_class > 0   ? "per_class"
           : s->fraction > 0  ? "fraction"
           : s->imbalance > 0 ? "imbalance"
           : s->classes > 0   ? "classes"
           : data->balanced   ? "balanced"
           : data->ways       ? "episodes"
                              : NULL;
}

/* Checks that the source has the int field that says the class of a sample, where `by` names it or
 * an option needs it. */
static void check_class_field(Check *c, const Stmt *s) {
    const DataSource *data = s->data;
    const char *by = data->selection.by ? data->selection.by : "label";
    const char *option = class_option(data);
    const DataField *field = source_find_field(data, by);
    const bool fits = field && field->type == DATA_INT && field->rank == 0;
    if (data->poisoned || fits || (!option && !data->selection.by)) return;
    const Expr *given = find_argument(s->value, "by");
    if (given) {
        diag_report(c->diag, field ? CODE_DATA_OPTION : CODE_UNKNOWN_MEMBER, given->span,
                    "`by` is the name of an int field, and `%s` is none; `%s` has %s", by, s->name,
                    source_fields_text(c, data));
        const char *near = field ? NULL : source_nearest_field(c, data, by);
        if (near) diag_mean(c->diag, given->span, near);
        return;
    }
    diag_report(c->diag, CODE_DATA_OPTION, option_span(s->value, option),
                "`%s` goes by classes, and `%s` has no int field `label`; it has %s", option,
                s->name, source_fields_text(c, data));
    diag_suggest(c->diag, "`by = FIELD` names the int field that says the class of a sample; a "
                          "share of all rows is `part = 0.0 .. 0.1`");
}

/* Reports options that exclude each other. A batch of episodes has ways times each rows. */
static void check_together(Check *c, const Stmt *s) {
    DataSource *data = s->data;
    const DataSelection *chosen = &data->selection;
    const Expr *call = s->value;
    if ((chosen->per_class > 0) + (chosen->fraction > 0) + (chosen->imbalance > 0) > 1)
        diag_report(
            c->diag, CODE_DATA_OPTION, call->span,
            "a selection is one of per_class, fraction and imbalance, and more than one is given");
    if (find_argument(call, "from") && !find_argument(call, "classes"))
        diag_report(
            c->diag, CODE_DATA_OPTION, option_span(call, "from"),
            "`from` goes with `classes`, which says how many classes are kept from there on");
    if (data->balanced + (data->weights != NULL) + (data->ways > 0) > 1)
        diag_report(c->diag, CODE_DATA_OPTION, call->span,
                    "batches are drawn in one way: `balanced`, by `weights` or in `episodes`, and "
                    "more than one is given");
    if (!data->ways) return;
    const int64_t batch = data->ways * data->each;
    if (data->batch && data->batch != batch)
        diag_report(c->diag, CODE_DATA_OPTION, option_span(call, "batch"),
                    "a batch of episodes has ways times each = %lld rows, and `batch` is %lld",
                    (long long)batch, (long long)data->batch);
    data->batch = batch;
}

void check_choice(Check *c, Stmt *s) {
    Conditions list = {0};
    if (s->where) read_condition(c, s, s->where, &list);
    s->data->selection.where = list.items;
    s->data->selection.where_count = list.count;
    check_class_field(c, s);
    check_together(c, s);
}

/* Called after all statements, because a source stands above the state that its `weights` names. */
void check_weights(Check *c, Stmt *s) {
    DataSource *data = s->data;
    if (!data->weights) return;
    Expr *name = (Expr *)(uintptr_t)data->weights;
    const Type *t = check_expr(c, name);
    const int errors = diag_error_count(c->diag);
    Dim *rows =
        t->kind == KIND_POISON ? NULL : dim_const(c->dims, source_rows(c, data, name->span));
    if (!rows || diag_error_count(c->diag) > errors) return;
    const bool state = name->symbol && name->symbol->kind == SYMBOL_STATE;
    if (state && t->kind == KIND_REAL && t->rank == 1 && t->dims[0] == rows) return;
    diag_report(c->diag, CODE_DATA_OPTION, name->span,
                "the weights of `%s` are a state with a number for each of its rows, `state w[%s] "
                "= 1`; this is %s%s",
                s->name, s->name, state ? "" : "no state but ", type_text(c->arena, t));
}
