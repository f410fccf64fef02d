/* Checks `data` statements: the reader and its settings, the fields that the statement claims, and
 * the fields and rows that the data has. */
#include "lang/check.h"

#include <math.h>
#include <string.h>

const char *const data_type_names[DATA_TYPES] = {"real", "int", "u8"};

/* Returns the readers that the caller of the checker knows. There may be none. */
static const DataCatalogue *catalogue_of(const Check *c) {
    static const DataCatalogue none = {.reader_count = 0};
    return c->hooks->data ? c->hooks->data : &none;
}

/* ---- the reader ------------------------------------------------------------------------------ */

static const char *reader_list(Check *c) {
    const DataCatalogue *known = catalogue_of(c);
    const char *text = "";
    for (int i = 0; i < known->reader_count; i++)
        text = arena_printf(c->arena, "%s%s%s", text,
                            i == 0                         ? ""
                            : i + 1 == known->reader_count ? " and "
                                                           : ", ",
                            known->readers[i].name);
    return text;
}

/* Returns the reader that is called, or NULL after a message. */
static const DataReader *find_reader(Check *c, const Expr *call) {
    const DataCatalogue *known = catalogue_of(c);
    const bool named = call->kind == EXPR_CALL && call->callee->kind == EXPR_MEMBER;
    const char *name = named ? call->callee->name : "";
    const char **names = arena_array(c->arena, const char *, known->reader_count + 1);
    for (int i = 0; i < known->reader_count; i++) {
        names[i] = known->readers[i].name;
        if (strcmp(names[i], name) == 0) return &known->readers[i];
    }
    if (named)
        diag_report(c->diag, CODE_UNKNOWN_DATA, call->span,
                    "there is no data source `%s`; there are %s", name, reader_list(c));
    else
        diag_report(c->diag, CODE_UNKNOWN_DATA, call->span,
                    "a data source is a call with its path: `data.images(\"photos\", size = 64)`");
    /* A reader that is called without `data.` is looked for by its bare name. */
    if (call->kind == EXPR_CALL && call->callee->kind == EXPR_NAME) {
        name = call->callee->name;
    }
    const char *near = diag_nearest(name, names, known->reader_count);
    if (near && call->kind == EXPR_CALL)
        diag_mean(c->diag, call->callee->span, arena_printf(c->arena, "data.%s", near));
    else if (near)
        diag_suggest(c->diag, "did you mean `data.%s`?", near);
    return NULL;
}

/* Returns the first argument if it has no name, which is the path or the split, or NULL. */
static const Expr *first_argument(const Expr *call) {
    return call->arg_count && !(call->arg_names && call->arg_names[0]) ? call->args[0] : NULL;
}

/* Reads the split of a reader whose data is the same wherever it lies. After a message the source
 * counts as "train". */
static void read_split(Check *c, DataSource *data, const Expr *call) {
    static const char *const splits[] = {"train", "test"};
    const Expr *split = first_argument(call);
    data->path = split && split->kind == EXPR_STRING ? split->text : "";
    if (strcmp(data->path, "train") == 0 || strcmp(data->path, "test") == 0) return;
    const char *near = diag_nearest(data->path, splits, 2);
    const Span span = split ? split->span : call->span;
    diag_report(c->diag, CODE_UNKNOWN_DATA, span,
                "`data.%s` needs its split, \"train\" or \"test\"", data->reader);
    if (near) diag_suggest(c->diag, "did you mean \"%s\"?", near);
    if (near)
        diag_fix(c->diag, span, arena_printf(c->arena, "\"%s\"", near));
    else if (split && split->kind == EXPR_NAME)
        diag_suggest(c->diag, "it stands in double quotes: \"%s\"", split->name);
    data->path = splits[0];
    data->poisoned = true;
}

static void read_path(Check *c, DataSource *data, const Expr *call) {
    const Expr *path = first_argument(call);
    data->path = path && path->kind == EXPR_STRING ? path->text : "";
    if (*data->path) return;
    data->poisoned = true;
    const Span span = path ? path->span : call->span;
    diag_report(c->diag, CODE_UNKNOWN_DATA, span,
                "`data.%s` needs the path of its data, in double quotes", data->reader);
    if (path && path->kind == EXPR_NAME)
        diag_suggest(c->diag, "it stands in double quotes: \"%s\"", path->name);
}

/* ---- settings -------------------------------------------------------------------------------- */

static void add_setting(Check *c, DataSource *data, DataSetting setting) {
    ARRAY(DataSetting) list = {data->settings, data->setting_count, data->setting_count};
    array_push(c->arena, &list, setting);
    data->settings = list.items;
    data->setting_count = list.count;
}

static void read_setting(Check *c, DataSource *data, const OptionRow *row, const Expr *call,
                         int at) {
    Expr *value = call->args[at];
    const Span span = call_argument_span(call, at);
    const char *of = arena_printf(c->arena, " of %s", data->reader);
    DataSetting setting = {.name = row->name};
    bool good = value->kind == EXPR_STRING && *value->text;
    if (row->wants == WANTS_TEXT && good)
        setting.text = value->text;
    else if (row->wants == WANTS_TEXT)
        diag_report(c->diag, CODE_DATA_OPTION, span, "`%s`%s is a text in double quotes: %s",
                    row->name, of, row->range);
    else if (row->wants == WANTS_TRUTH) {
        good = check_truth(c, value, span, CODE_DATA_OPTION,
                           arena_printf(c->arena, "`%s`%s", row->name, of));
        setting.number = value->boolean;
    } else {
        check_expr(c, value);
        good = check_number(c, row, value, span, CODE_DATA_OPTION, of);
        setting.number = value->constant;
    }
    if (good)
        add_setting(c, data, setting);
    else
        data->poisoned = true; /* the fields may depend on the setting that is wrong */
}

static bool names_argument(const Expr *call, const char *name) {
    for (int i = 0; i < call->arg_count; i++)
        if (call->arg_names && call->arg_names[i] && strcmp(call->arg_names[i], name) == 0)
            return true;
    return false;
}

/* Reports required settings that are missing. A setting is required if it is a whole number and its
 * row has a standard value below the least allowed value. */
static void check_required(Check *c, DataSource *data, const Expr *call) {
    const DataCatalogue *known = catalogue_of(c);
    for (int i = 0; i < known->setting_count; i++) {
        const OptionRow *row = &known->settings[i];
        const bool needed = strcmp(row->owner, data->reader) == 0 && row->wants == WANTS_WHOLE &&
                            row->standard < row->low;
        if (!needed || names_argument(call, row->name)) continue;
        data->poisoned = true;
        diag_report(c->diag, CODE_DATA_OPTION, call->span, "`data.%s` needs its `%s`, %s",
                    data->reader, row->name, row->range);
    }
}

static void unknown_setting(Check *c, const DataSource *data, const Expr *call, int at) {
    const DataCatalogue *known = catalogue_of(c);
    const char *name = call->arg_names ? call->arg_names[at] : NULL;
    const char *own = "";
    const char **names =
        arena_array(c->arena, const char *, known->setting_count + MOST_DATA_OPTIONS);
    const Span span = call_argument_span(call, at);
    int count = 0;
    if (!name) {
        diag_report(c->diag, CODE_DATA_OPTION, span,
                    "an option of a data source needs its name: `fraction = 0.01`");
        return;
    }
    for (int i = 0; i < known->setting_count; i++) {
        if (strcmp(known->settings[i].owner, data->reader) != 0) continue;
        own = arena_printf(c->arena, "%s%s%s", own, *own ? ", " : "", known->settings[i].name);
        names[count++] = known->settings[i].name;
    }
    const char *common = data_options_text(c, names, &count);
    if (*own)
        diag_report(c->diag, CODE_DATA_OPTION, span,
                    "`data.%s` has no option `%s`; it has %s, and every source has %s",
                    data->reader, name, own, common);
    else
        diag_report(c->diag, CODE_DATA_OPTION, span, "a data source has no option `%s`; it has %s",
                    name, common);
    const char *near = diag_nearest(name, names, count);
    if (near)
        diag_mean(c->diag, span, near);
    else if (strcmp(name, "where") == 0)
        diag_suggest(c->diag, "it stands behind the call: `data.%s(..) where label == 3`",
                     data->reader);
}

/* True after a message: an argument before this one has the same name. The first of them counts. */
static bool is_again(Check *c, const Expr *call, int at) {
    const char *name = call->arg_names ? call->arg_names[at] : NULL;
    for (int i = 0; name && i < at; i++) {
        if (!call->arg_names[i] || strcmp(call->arg_names[i], name) != 0) continue;
        diag_report(c->diag, CODE_DATA_OPTION, call_argument_span(call, at), "`%s` is given twice",
                    name);
        diag_note(c->diag, call_argument_span(call, i), "the first time is here");
        return true;
    }
    return false;
}

static void read_data_settings(Check *c, DataSource *data, const Expr *call) {
    const DataCatalogue *known = catalogue_of(c);
    for (int i = first_argument(call) ? 1 : 0; i < call->arg_count; i++) {
        const char *name = call->arg_names ? call->arg_names[i] : NULL;
        const OptionRow *row =
            name ? option_find(known->settings, known->setting_count, data->reader, name) : NULL;
        if (is_again(c, call, i)) continue;
        if (row)
            read_setting(c, data, row, call, i);
        else if (!check_data_option(c, data, call, i))
            unknown_setting(c, data, call, i);
    }
    check_required(c, data, call);
}

/* ---- the claim ------------------------------------------------------------------------------- */

static bool claimed_type(Check *c, const Param *p, DataType *type) {
    for (int i = 0; i < DATA_TYPES; i++) {
        if (strcmp(data_type_names[i], p->kind_name) != 0) continue;
        *type = (DataType)i;
        return true;
    }
    diag_report(c->diag, CODE_UNKNOWN_KIND, p->span,
                "`%s` is no kind of field; there are real, int and u8, bytes that are read as "
                "reals of 0 .. 1",
                p->kind_name);
    const char *near = diag_nearest(p->kind_name, data_type_names, DATA_TYPES);
    if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
    return false;
}

/* Sets *out to the extent of a claimed axis. False after a message. */
static bool claimed_axis(Check *c, Expr *e, int64_t *out) {
    const Type *t = check_expr(c, e);
    if (t->kind == KIND_POISON) return false;
    if (t->rank == 0 && e->is_constant && !e->is_named && e->constant >= 1 &&
        e->constant <= (double)MOST_ELEMENTS && e->constant == floor(e->constant)) {
        *out = (int64_t)e->constant;
        return true;
    }
    diag_report(c->diag, CODE_DIMENSION_UNKNOWN, e->span,
                "an axis of a field is a whole number of at least 1, made of numbers and hypers");
    return false;
}

static bool claimed_shape(Check *c, const Param *p, DataField *field) {
    if (p->dim_count >= MOST_AXES) {
        diag_report(c->diag, CODE_TOO_MANY_AXES, p->span,
                    "a field has at most %d axes, for a batch of it has one more, and `%s` has %d",
                    MOST_AXES - 1, p->name, p->dim_count);
        return false;
    }
    field->rank = p->dim_count;
    for (int i = 0; i < p->dim_count; i++)
        if (!claimed_axis(c, p->dims[i], &field->shape[i])) return false;
    return true;
}

static bool may_name_field(Check *c, const Stmt *s, int at) {
    const Param *p = &s->params[at];
    for (int i = 0; i < at; i++) {
        if (strcmp(s->params[i].name, p->name) != 0) continue;
        diag_report(c->diag, CODE_DECLARED_TWICE, p->span, "the field `%s` is claimed twice",
                    p->name);
        diag_note(c->diag, s->params[i].span, "the first time is here");
        return false;
    }
    if (strcmp(p->name, "index") != 0 && strcmp(p->name, "all") != 0) return true;
    diag_report(c->diag, CODE_RESERVED_NAME, p->span, "no field is called `%s`: `%s.%s` is %s",
                p->name, s->name, p->name,
                p->name[0] == 'i' ? "the number of a row" : "the whole source");
    return false;
}

/* Reads the fields that the statement claims. A field that does not fit is left out and poisons the
 * source, since other statements may use it. */
static void read_claim(Check *c, const Stmt *s, DataSource *data) {
    data->claim = arena_array(c->arena, DataField, s->param_count + 1);
    for (int i = 0; i < s->param_count; i++) {
        DataField field = {.name = s->params[i].name};
        const bool good = may_name_field(c, s, i) && claimed_type(c, &s->params[i], &field.type) &&
                          claimed_shape(c, &s->params[i], &field);
        if (good)
            data->claim[data->claim_count++] = field;
        else
            data->poisoned = true;
    }
}

/* ---- what the data has ----------------------------------------------------------------------- */

/* Returns how many rows the split holds in the data as it is published: the split that the argument
 * names, or the setting `split`, which is "train" if it is not given. Returns 0 for the path of a
 * single file, whose rows are not known. */
static int64_t preset_rows(const DataPreset *preset, const DataReader *reader,
                           const DataSource *data) {
    const char *split = reader->of_split ? data->path : "train";
    for (int i = 0; i < data->setting_count; i++)
        if (strcmp(data->settings[i].name, "split") == 0) split = data->settings[i].text;
    if (preset->ending && text_ends_with(data->path, preset->ending)) return 0;
    return strcmp(split, "test") == 0 ? preset->test : preset->train;
}

/* Takes the fields of a reader whose data is the same wherever it lies, unless the spec claims
 * some, and sets *held to the rows of its split. Both stay as they are for other readers. */
static void take_preset(Check *c, const DataReader *reader, DataSource *data, int64_t *held) {
    const DataCatalogue *known = catalogue_of(c);
    for (int i = 0; i < known->preset_count; i++)
        if (strcmp(known->presets[i].reader, data->reader) == 0)
            *held = preset_rows(&known->presets[i], reader, data);
    if (data->field_count) return;
    DataField *fields = data->fields = arena_array(c->arena, DataField, known->field_count + 1);
    for (int i = 0; i < known->field_count; i++)
        if (strcmp(known->fields[i].reader, data->reader) == 0)
            fields[data->field_count++] = known->fields[i].field;
}

/* Takes what the spec claims, or what is known of the reader, because the data is missing or does
 * not fit. Reports a source whose fields nobody knows. */
static void take_claim(Check *c, const DataReader *reader, const Stmt *s, const char *sentence) {
    DataSource *data = s->data;
    int64_t held = 0;
    data->absent = sentence;
    data->fields = data->claim;
    data->field_count = data->claim_count;
    take_preset(c, reader, data, &held);
    const DataField *by =
        source_find_field(data, data->selection.by ? data->selection.by : "label");
    data->rows = data->claimed_rows;
    if (held && !data->rows && c->hooks->kept)
        data->rows =
            c->hooks->kept(c->hooks->context, data, held, by && by->classes ? by->classes : 1);
    if (data->field_count || data->poisoned) return;
    data->poisoned = true;
    diag_report(c->diag, CODE_DATA_ABSENT, s->value->span, "the data of `%s` is not there: %s",
                s->name, sentence);
    diag_suggest(c->diag,
                 "`--data FOLDER` says where paths begin, `--data %s=PATH` where this one is; a "
                 "claim of its fields, `data %s = data.%s(..) { x : real[50], y : int }`, lets the "
                 "spec be checked without it",
                 s->name, s->name, data->reader);
}

/* Finds the fields: in the data, if the caller finds it there, or in the claim. */
static void take_schema(Check *c, const DataReader *reader, const Stmt *s) {
    DataSource *data = s->data;
    const char *sentence = "nobody looked for it";
    const SchemaAnswer answer = c->hooks->schema && !data->poisoned
                                    ? c->hooks->schema(c->hooks->context, c->arena, data, &sentence)
                                    : SCHEMA_ABSENT;
    switch (answer) {
    case SCHEMA_READ:
        return;
    case SCHEMA_ABSENT:
        take_claim(c, reader, s, sentence);
        return;
    case SCHEMA_REFUSED:
        diag_report(c->diag, CODE_DATA, s->value->span, "%s", sentence);
        data->poisoned = true;
        take_claim(c, reader, s, sentence);
        return;
    }
}

/* Counts the rows that the selection leaves of data that is there. A choice with an error is not
 * counted, since it would be reported a second time. */
static void count_rows(Check *c, const Stmt *s, bool choice_fits) {
    DataSource *data = s->data;
    const char *sentence = "";
    if (!choice_fits || data->absent || data->poisoned || !c->hooks->rows ||
        c->hooks->rows(c->hooks->context, c->arena, data, &sentence) == SCHEMA_READ)
        return;
    diag_report(c->diag, CODE_DATA, s->value->span, "%s", sentence);
}

void check_data(Check *c, Stmt *s) {
    DataSource *data = s->data = arena_new_of(c->arena, DataSource);
    *data = (DataSource){
        .name = s->name, .reader = "", .path = "", .selection = {.seed = -1}, .poisoned = true};
    const DataReader *reader = find_reader(c, s->value);
    data->poisoned = !reader;
    read_claim(c, s, data);
    if (reader) {
        data->reader = reader->name;
        if (reader->of_split)
            read_split(c, data, s->value);
        else
            read_path(c, data, s->value);
        read_data_settings(c, data, s->value);
        take_schema(c, reader, s);
        const int errors = diag_error_count(c->diag);
        check_choice(c, s);
        count_rows(c, s, diag_error_count(c->diag) == errors);
    }
    s->symbol = scope_declare(c, SYMBOL_DATA, s->name, s->name_span, s, NULL);
    s->symbol->type = type_make(c, KIND_DATA, 0, NULL);
}
