/* `data` statements and the fields of what they name. */
#include "lang/check.h"

#include <string.h>

static const struct {
    const char *name;
    int channels, height, width, classes;
    int64_t train, test;
} sources[] = {
#define DATA_SOURCE(name, ...) {#name, __VA_ARGS__},
#include "lang/data_sources.def"
#undef DATA_SOURCE
};
enum { SOURCE_COUNT = sizeof sources / sizeof *sources };

static int find_source(Check *c, const Expr *call) {
    const char *name = call->kind == EXPR_CALL && call->callee->kind == EXPR_MEMBER ? call->callee->name : "", *names[SOURCE_COUNT];
    for (int i = 0; i < SOURCE_COUNT; i++) {
        names[i] = sources[i].name;
        if (strcmp(sources[i].name, name) == 0) return i;
    }
    if (name[0]) diag_report(c->diag, CODE_UNKNOWN_DATA, call->span, "there is no data source `%s`; data.fashion_mnist(\"train\") is one", name);
    else diag_report(c->diag, CODE_UNKNOWN_DATA, call->span, "a data source is a call with its split: `data.fashion_mnist(\"train\")`");
    if (call->kind == EXPR_CALL && call->callee->kind == EXPR_NAME) name = call->callee->name; /* without its `data.` */
    const char *near = diag_nearest(name, names, SOURCE_COUNT);
    if (near) diag_suggest(c->diag, "did you mean `data.%s`?", near);
    return -1;
}

/* ---- options ---------------------------------------------------------------------------------------------- */

typedef struct Option {
    const char *name;
    double low, high;
    const char *range;
    bool whole;
} Option;
static const Option options[] = {
    {"per_class", 1, 1e9, "a whole number of at least 1", true}, {"fraction", 0, 1, "a number above 0 and at most 1", false},
    {"imbalance", 1, 1e9, "a number of at least 1", false},      {"seed", 0, 1e9, "a whole number of at least 0", true},
    {"batch", 1, 1e9, "a whole number of at least 1", true},
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

/* A number written out, or a hyper. */
static bool number_of(Check *c, Expr *e, double *out) {
    check_expr(c, e);
    if (e->kind == EXPR_NAME && e->symbol && e->symbol->kind == SYMBOL_HYPER && e->symbol->param->value) e = e->symbol->param->value;
    if (e->kind != EXPR_NUMBER) return false;
    *out = e->number;
    return true;
}

static void unknown_option(Check *c, Span span, const char *name) {
    const char *names[OPTION_COUNT + 1] = {"balanced"};
    for (int i = 0; i < OPTION_COUNT; i++) names[i + 1] = options[i].name;
    if (!name) {
        diag_report(c->diag, CODE_DATA_OPTION, span, "an option of a data source needs its name: `fraction = 0.01`");
        return;
    }
    diag_report(c->diag, CODE_DATA_OPTION, span, "a data source has no option `%s`; it has per_class, fraction, imbalance, seed, batch and balanced", name);
    const char *near = diag_nearest(name, names, OPTION_COUNT + 1);
    if (near) diag_suggest(c->diag, "did you mean `%s`?", near);
}

static void read_option(Check *c, DataSource *data, const char *name, Span name_span, Expr *value) {
    int64_t whole = 0;
    double *places[OPTION_COUNT] = {&data->per_class, &data->fraction, &data->imbalance, &data->seed, NULL}, number;
    if (name && strcmp(name, "balanced") == 0) {
        if (value->kind == EXPR_BOOL) data->balanced = value->boolean;
        else diag_report(c->diag, CODE_DATA_OPTION, name_span, "`balanced` is true or false");
        return;
    }
    for (int i = 0; name && i < OPTION_COUNT; i++) {
        if (strcmp(options[i].name, name) != 0) continue;
        bool fits = number_of(c, value, &number) && number >= options[i].low && number <= options[i].high && (number > 0 || options[i].whole) &&
                    (!options[i].whole || whole_of(number, &whole));
        if (!fits) diag_report(c->diag, CODE_DATA_OPTION, name_span, "`%s` is %s, known at compile time", name, options[i].range);
        else if (places[i]) *places[i] = number;
        else data->batch = whole;
        return;
    }
    unknown_option(c, name_span, name);
}

static void read_options(Check *c, DataSource *data, const Expr *call) {
    const Expr *split = call->arg_count ? call->args[0] : NULL;
    data->split = split && split->kind == EXPR_STRING ? split->text : "";
    if (strcmp(data->split, "train") != 0 && strcmp(data->split, "test") != 0) {
        static const char *const splits[] = {"train", "test"};
        const char *near = diag_nearest(data->split, splits, 2);
        diag_report(c->diag, CODE_UNKNOWN_DATA, split ? split->span : call->span, "a data source needs its split, \"train\" or \"test\"");
        if (near) diag_suggest(c->diag, "did you mean \"%s\"?", near);
        else if (split && split->kind == EXPR_NAME) diag_suggest(c->diag, "it stands in double quotes: \"%s\"", split->name);
    }
    for (int i = 1; i < call->arg_count; i++) read_option(c, data, call->arg_names ? call->arg_names[i] : NULL, argument_span(call, i), call->args[i]);
    if ((data->per_class > 0) + (data->fraction > 0) + (data->imbalance > 0) > 1)
        diag_report(c->diag, CODE_DATA_OPTION, call->span, "a selection is one of per_class, fraction and imbalance, and more than one is given");
}

void check_data(Check *c, Stmt *s) {
    DataSource *data = s->data = arena_new_of(c->arena, DataSource);
    *data = (DataSource){.reader = "", .split = "train", .channels = 1, .height = 1, .width = 1, .classes = 1, .rows = 1, .seed = -1};
    int row = find_source(c, s->value);
    if (row >= 0) {
        data->reader = sources[row].name;
        data->channels = sources[row].channels;
        data->height = sources[row].height;
        data->width = sources[row].width;
        data->classes = sources[row].classes;
        read_options(c, data, s->value);
        data->rows = strcmp(data->split, "test") == 0 ? sources[row].test : sources[row].train;
        if (c->hooks->rows) data->rows = c->hooks->rows(c->hooks->context, data);
    }
    s->symbol = declare(c, SYMBOL_DATA, s->name, s->name_span, s, NULL);
    s->symbol->type = type_make(c, KIND_DATA, 0, NULL);
}

/* ---- fields ------------------------------------------------------------------------------------------------- */

static Symbol *field_symbol(Check *c, Expr *e, const Symbol *data, int field) {
    Symbol *s = arena_new_of(c->arena, Symbol);
    *s = (Symbol){.kind = SYMBOL_FIELD, .name = e->name, .span = data->span, .stmt = data->stmt, .item = field};
    return e->symbol = s;
}

static Type *field_type(Check *c, const DataSource *data, int field, int64_t rows /* 0: of one sample */) {
    Dim *dims[4];
    int rank = 0;
    if (rows) dims[rank++] = dim_const(c->dims, rows);
    if (field == 0) {
        dims[rank++] = dim_const(c->dims, data->channels);
        dims[rank++] = dim_const(c->dims, data->height);
        dims[rank++] = dim_const(c->dims, data->width);
    }
    return type_make(c, field == 0 ? KIND_REAL : KIND_INT, rank, dims);
}

int64_t batch_of(const Check *c, const DataSource *data) {
    if (c->sweep != data) return data->batch;
    return data->rows < SWEEP_ROWS ? data->rows : SWEEP_ROWS;
}

/* A training batch is full, so it cannot be larger than the data that it is drawn from. Said once, where the source is read. */
static void report_small(Check *c, DataSource *data, Span span, const char *name) {
    if (data->batch <= data->rows || data->said_small || data->balanced) return;
    data->said_small = true;
    diag_report(c->diag, CODE_DATA_OPTION, span, "the batch of %lld is larger than the %lld images of `%s`", (long long)data->batch, (long long)data->rows, name);
    diag_suggest(c->diag, "a smaller batch: `batch %lld` in `train`, or an option of the source, `batch = %lld`", (long long)data->rows, (long long)data->rows);
}

Type *check_field(Check *c, Expr *e, Symbol *symbol) {
    static const char *const fields[] = {"image", "label", "index", "all"};
    bool whole = symbol->kind == SYMBOL_FIELD; /* train.all */
    int field = -1;
    for (int i = 0; i < (whole ? 3 : 4); i++)
        if (strcmp(fields[i], e->name) == 0) field = i;
    if (field < 0) {
        diag_report(c->diag, CODE_UNKNOWN_MEMBER, e->span, "the data `%s` has no field `%s`; it has image, label and index", symbol->stmt->name, e->name);
        const char *near = diag_nearest(e->name, fields, 3);
        if (near) diag_suggest(c->diag, "did you mean `%s.%s`?", symbol->stmt->name, near);
        return type_poison(c);
    }
    const DataSource *data = symbol->stmt->data;
    Symbol *s = field_symbol(c, e, symbol, field);
    if (field == 3) return s->type = type_make(c, KIND_DATA, 0, NULL);
    if (whole) {
        symbol->stmt->data->sized = true;
        return s->type = field_type(c, data, field, data->rows);
    }
    c->seen = data;
    if (c->in_epoch && c->sweep != data) {
        diag_report(c->diag, CODE_EVERY_EPOCH, e->span, "between two epochs there is no batch of `%s`", symbol->name);
        diag_suggest(c->diag, "sweep it, `over %s { .. }`, or read the whole, `%s.all.%s[r]`", symbol->name, symbol->name, e->name);
        return type_poison(c);
    }
    if (c->sweep != data) report_small(c, symbol->stmt->data, e->span, symbol->name);
    return s->type = field_type(c, data, field, c->in_view ? 0 : batch_of(c, data));
}
