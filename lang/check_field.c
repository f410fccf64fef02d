/* Finds the fields of a source. `train.image` is the field of a batch, or of one sample inside a
 * view; `train.all.image` is the field of every row. */
#include "lang/check.h"

#include <string.h>

static const char index_name[] = "index", all_name[] = "all";

const DataField *source_find_field(const DataSource *data, const char *name) {
    for (int i = 0; i < data->field_count; i++)
        if (strcmp(data->fields[i].name, name) == 0) return &data->fields[i];
    return NULL;
}

/* Returns a field as text, as in "image u8[1, 28, 28]". */
static const char *field_text(Check *c, const DataField *field) {
    const char *text = arena_printf(c->arena, "%s %s", field->name, data_type_names[field->type]);
    for (int i = 0; i < field->rank; i++)
        text = arena_printf(c->arena, "%s%s%lld%s", text, i ? ", " : "[",
                            (long long)field->shape[i], i + 1 == field->rank ? "]" : "");
    return text;
}

const char *source_fields_text(Check *c, const DataSource *data) {
    enum { MOST = 12 };
    const char *text = "";
    for (int i = 0; i < data->field_count && i < MOST; i++)
        text =
            arena_printf(c->arena, "%s%s%s", text, i ? ", " : "", field_text(c, &data->fields[i]));
    if (data->field_count > MOST)
        text = arena_printf(c->arena, "%s, %d more", text, data->field_count - MOST);
    return arena_printf(c->arena, "%s%sindex int", text, *text ? " and " : "");
}

const char *source_nearest_field(Check *c, const DataSource *data, const char *name) {
    const char **names = arena_array(c->arena, const char *, data->field_count + 1);
    int count = 0;
    for (int i = 0; i < data->field_count; i++)
        names[count++] = data->fields[i].name;
    names[count++] = index_name;
    return diag_nearest(name, names, count);
}

static Type *unknown_field(Check *c, const Expr *e, const Symbol *symbol) {
    const DataSource *data = symbol->stmt->data;
    if (data->poisoned || parse_was_broken(c, e->name)) return type_poison(c);
    diag_report(c->diag, CODE_UNKNOWN_MEMBER, e->span, "the data `%s` has no field `%s`; it has %s",
                symbol->stmt->name, e->name, source_fields_text(c, data));
    const char *near = source_nearest_field(c, data, e->name);
    if (near) diag_suggest(c->diag, "did you mean `%s.%s`?", symbol->stmt->name, near);
    if (near) diag_fix(c->diag, member_name_span(e), near);
    return type_poison(c);
}

static Symbol *field_symbol(Check *c, Expr *e, const Symbol *data) {
    Symbol *s = arena_new_of(c->arena, Symbol);
    *s = (Symbol){.kind = SYMBOL_FIELD, .name = e->name, .span = data->span, .stmt = data->stmt};
    return e->symbol = s;
}

/* Returns the type of a field of `rows` samples. A NULL field is `index`, which numbers the
 * rows. */
static Type *field_type(Check *c, const DataField *field, int64_t rows /* 0: of one sample */) {
    Dim *dims[MAX_RANK];
    int rank = 0;
    if (rows) dims[rank++] = dim_const(c->dims, rows);
    for (int i = 0; field && i < field->rank; i++)
        dims[rank++] = dim_const(c->dims, field->shape[i]);
    return type_make(c, !field || field->type == DATA_INT ? KIND_INT : KIND_REAL, rank, dims);
}

int64_t source_rows(Check *c, DataSource *data, Span span) {
    data->sized = true;
    if (data->rows || data->poisoned) return data->rows ? data->rows : 1;
    diag_report(c->diag, CODE_DATA_ABSENT, span,
                "how many rows `%s` has is not known, and an array here has one for each: its data "
                "is not there: %s",
                data->name, data->absent ? data->absent : "nobody looked for it");
    diag_suggest(c->diag, "an option of the source claims their number: `rows = 10000`");
    data->rows = 1;
    data->said_small = true;
    return 1;
}

int64_t source_batch(const Check *c, const DataSource *data) {
    if (c->at.sweep == data) return c->at.sweep_rows;
    return c->at.stage && c->at.stage->batch && data->follows ? c->at.stage->batch : data->batch;
}

/* Reports a read outside of all stages where stages have different batches. Such a line belongs to
 * every stage, and its arrays have one size. */
static void report_stages(Check *c, const DataSource *data, Span span) {
    if (c->at.stage || !data->follows) return;
    for (int i = 0; i < c->method->spec->stmt_count; i++) {
        const Stmt *s = c->method->spec->stmts[i];
        if (s->kind != STMT_STAGE || !s->batch || s->batch == data->batch) continue;
        diag_report(c->diag, CODE_STAGE, span,
                    "this line belongs to every stage, and reads a batch of %lld%s; that of the "
                    "stage `%s` is %lld",
                    (long long)data->batch, c->names_batch ? "" : ", for `train` names none",
                    s->name, (long long)s->batch);
        diag_note(c->diag, s->name_span, "the stage is here");
        diag_suggest(
            c->diag,
            "what is read of the data stands in `when %s { .. }` then, and so for the other stages",
            s->name);
        return;
    }
}

/* Reports a source with fewer rows than a batch, once, where it is read. Every training batch is
 * full. Sources that draw a row more than once, by class or weight, may be smaller. */
static void report_small(Check *c, DataSource *data, Span span) {
    const bool repeats = data->balanced || data->weights || data->ways;
    if (!data->rows || source_batch(c, data) <= data->rows || data->said_small || repeats) return;
    data->said_small = true;
    diag_report(c->diag, CODE_DATA_OPTION, span,
                "the batch of %lld is larger than the %lld samples of `%s`",
                (long long)source_batch(c, data), (long long)data->rows, data->name);
    diag_suggest(
        c->diag,
        "a smaller batch: `batch %lld` in `train`, or an option of the source, `batch = %lld`",
        (long long)data->rows, (long long)data->rows);
}

/* Notes a read of a batch in the body that is being checked, one for each source. */
static void note_batch(Check *c, BatchRead read) {
    Scheme *body = c->at.body;
    for (int i = 0; i < body->reads.count; i++)
        if (body->reads.items[i].data == read.data && body->reads.items[i].rows == read.rows)
            return;
    array_push(c->arena, &body->reads, read);
}

bool check_reads_of_body(Check *c, const Scheme *scheme, const char *name, Span call) {
    for (int i = 0; i < scheme->reads.count; i++) {
        const BatchRead read = scheme->reads.items[i];
        const int64_t rows = source_batch(c, read.data);
        const bool is_nowhere = c->at.in_epoch && c->at.sweep != read.data;
        const char *field = span_text(c->arena, read.field->span);
        if (c->at.in_view || is_nowhere || rows != read.rows) {
            const char *here = c->at.in_view ? "that of one sample"
                               : is_nowhere
                                   ? "none"
                                   : arena_printf(c->arena, "one of %lld", (long long)rows);
            diag_report(c->diag, CODE_BATCH_OF_BODY, call,
                        "`%s` reads `%s`, a batch of %lld samples, and here is %s", name, field,
                        (long long)read.rows, here);
            diag_note(c->diag, read.field->span, "it is read here, alike for all calls of `%s`",
                      name);
            diag_suggest(c->diag,
                         "let `%s` have it as an argument: a parameter in place of `%s`, and each "
                         "call gives what is meant there",
                         name, field);
            return false;
        }
        if (c->at.body && c->at.body != scheme) note_batch(c, read);
    }
    return true;
}

Type *check_field(Check *c, Expr *e, Symbol *symbol) {
    const bool whole = symbol->kind == SYMBOL_FIELD; /* true for a name such as train.all */
    DataSource *data = symbol->stmt->data;
    const DataField *field = source_find_field(data, e->name);
    const bool is_all = !whole && strcmp(e->name, all_name) == 0;
    if (!field && !is_all && strcmp(e->name, index_name) != 0) return unknown_field(c, e, symbol);
    Symbol *s = field_symbol(c, e, symbol);
    if (is_all) return s->type = type_make(c, KIND_DATA, 0, NULL);
    if (field && field->rank >= MAX_RANK) {
        diag_report(c->diag, CODE_TOO_MANY_AXES, e->span,
                    "an array has at most %d axes, and a batch of `%s` would have %d", MAX_RANK,
                    e->name, field->rank + 1);
        return s->type = type_poison(c);
    }
    if (whole) return s->type = field_type(c, field, source_rows(c, data, e->span));
    if (c->at.in_epoch && c->at.sweep != data) {
        diag_report(c->diag, CODE_EVERY_EPOCH, e->span, "%s there is no batch of `%s`",
                    c->at.in_eval ? "in `eval`" : "between two epochs", symbol->name);
        diag_suggest(c->diag, "sweep it, `over %s { .. }`, or read the whole, `%s.all.%s[r]`",
                     symbol->name, symbol->name, e->name);
        return s->type = type_poison(c);
    }
    if (c->at.sweep != data) report_small(c, data, e->span);
    if (c->at.sweep != data) report_stages(c, data, e->span);
    if (c->at.body)
        note_batch(c, (BatchRead){.field = e, .data = data, .rows = source_batch(c, data)});
    return s->type = field_type(c, field, c->at.in_view ? 0 : source_batch(c, data));
}

const DataField *check_named_field(Check *c, Expr *e) {
    Expr *base = e->kind == EXPR_MEMBER ? e->args[0] : NULL;
    e->type = type_poison(c);
    if (base && base->kind == EXPR_NAME) check_expr(c, base);
    if (!base || !base->symbol || base->symbol->kind != SYMBOL_DATA) {
        if (!base || !base->type || base->type->kind != KIND_POISON)
            diag_report(c->diag, CODE_EVALUATION, e->span,
                        "a field of data is named here, like `train.image`");
        return NULL;
    }
    const DataField *field = source_find_field(base->symbol->stmt->data, e->name);
    if (field)
        field_symbol(c, e, base->symbol)->type = e->type;
    else
        unknown_field(c, e, base->symbol);
    return field;
}
