/* data.table: a CSV table. Columns of numbers together are the field `number`, columns of words
 * together the field `word`, and the column that `label` names is the field `label`. In the module
 * `tables`. */
#include "runtime/data/cells.h"
#include "runtime/data/columns.h"
#include "runtime/data/reader.h"
#include "runtime/data/textfile.h"
#include "runtime/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The columns of which a field is made. */
typedef struct Part {
    int *columns; /* [count] */
    int count;
    int32_t *first; /* [count]: for words, the code of each column's first word; NULL: numbers */
} Part;

typedef struct State {
    CoupletCells cells;
    CoupletCells like;
    Part *parts; /* by field */
} State;

static bool fail(const CoupletTable *t, const char *text, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s", t->name, text);
    return false;
}

static bool out_of_memory(const CoupletTable *t, char *error, size_t error_bytes) {
    return fail(t, "out of memory", error, error_bytes);
}

/* ---- settings -------------------------------------------------------------------------------- */

static bool refuse_setting(const CoupletTable *t, const char *name, const char *expected,
                           const char *found, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: `%s` of a table is %s, and this is \"%.40s\"", t->name, name,
             expected, found);
    return false;
}

static bool read_separator(const char *text, char *out) {
    const bool is_tab = strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0;
    *out = is_tab ? '\t' : *text;
    return is_tab || !*text || (strlen(text) == 1 && strchr(",;|\t: ", *text));
}

static bool read_rules(const CoupletRequest *request, const CoupletTable *t,
                       CoupletCellsRules *rules, char *error, size_t error_bytes) {
    static const char *const missing[] = {"refuse", "mean", "drop"};
    const char *separator = couplet_request_text(request, "separator");
    const char *decimal = couplet_request_text(request, "decimal");
    const char *chosen = couplet_request_text(request, "missing");
    *rules = (CoupletCellsRules){.label = couplet_request_text(request, "label"),
                                 .columns = couplet_request_text(request, "columns"),
                                 .skip = couplet_request_text(request, "skip"),
                                 .words = couplet_request_text(request, "words"),
                                 .fields = couplet_request_text(request, "fields"),
                                 .absent = couplet_request_text(request, "absent"),
                                 .decimal = *decimal,
                                 .header = couplet_request_number(request, "header") != 0,
                                 .header_is_said = couplet_request_gives(request, "header")};
    if (!read_separator(separator, &rules->separator))
        return refuse_setting(t, "separator", "\",\", \";\", \"|\", \":\", \" \" or \"tab\"",
                              separator, error, error_bytes);
    if (strcmp(decimal, ".") != 0 && strcmp(decimal, ",") != 0)
        return refuse_setting(t, "decimal", "\".\" or \",\"", decimal, error, error_bytes);
    for (int i = 0; i < 3; i++) {
        if (strcmp(missing[i], chosen) != 0) continue;
        rules->missing = (CoupletMissing)i;
        return true;
    }
    return refuse_setting(t, "missing", "\"refuse\", \"mean\" or \"drop\"", chosen, error,
                          error_bytes);
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* Adds the field of this name, made of `count` columns. There is room for it. */
static CoupletField *add_columns_field(CoupletTable *t, const char *name, bool words, int rank,
                                       const int *columns, int count) {
    State *s = t->state;
    const int64_t shape[] = {count};
    Part *parts = realloc(s->parts, ((size_t)t->field_count + 1) * sizeof *parts);
    if (!parts) return NULL;
    s->parts = parts;
    Part *p = &parts[t->field_count];
    *p = (Part){0};
    CoupletField *field =
        couplet_table_add(t, name, words ? COUPLET_I32 : COUPLET_F32, rank, shape);
    if (!field) return NULL;
    p->columns = calloc((size_t)count, sizeof *p->columns);
    if (words) p->first = calloc((size_t)count, sizeof *p->first);
    if (!p->columns || (words && !p->first)) return NULL;
    memcpy(p->columns, columns, (size_t)count * sizeof *columns);
    p->count = count;
    return field;
}

/* Returns the column whose words are in the order of their codes, which is that of the table that
 * this one is like. */
static const CoupletColumn *coded(const State *s, int column) {
    return s->like.count ? &s->like.columns[s->cells.columns[column].alike]
                         : &s->cells.columns[column];
}

/* Names all codes of the field. If columns share a field, each column's codes follow those of the
 * columns before, and a name tells its column: "city=Oslo". */
static bool name_codes(const CoupletTable *t, CoupletField *field, bool with_column) {
    const State *s = t->state;
    Part *p = &s->parts[field - t->fields];
    int64_t count = 0;
    size_t bytes = 1;
    for (int i = 0; i < p->count; i++) {
        const CoupletColumn *c = coded(s, p->columns[i]);
        p->first[i] = (int32_t)count;
        count += c->classes;
        for (int32_t k = 0; k < c->classes; k++)
            bytes += strlen(c->name) + c->words.words[c->order[k]].length + 2;
    }
    const char **names = malloc(((size_t)count + 1) * sizeof *names);
    char *texts = malloc(bytes);
    char *at = texts;
    int64_t code = 0;
    for (int i = 0; names && texts && i < p->count; i++) {
        const CoupletColumn *c = coded(s, p->columns[i]);
        for (int32_t k = 0; k < c->classes; k++) {
            names[code++] = at;
            if (with_column) at = stpcpy(stpcpy(at, c->name), "=");
            at = stpcpy(at, c->words.words[c->order[k]].text) + 1;
        }
    }
    const bool good = names && texts && couplet_field_classes(field, names, count);
    free(names);
    free(texts);
    return good;
}

static bool add_words_field(CoupletTable *t, const char *name, int rank, const int *columns,
                            int count) {
    CoupletField *field = add_columns_field(t, name, true, rank, columns, count);
    return field && name_codes(t, field, rank > 0);
}

/* Adds a column as a field of its own, under a name that the language allows. */
static bool add_apart(CoupletTable *t, int column, char *error, size_t error_bytes) {
    const State *s = t->state;
    const CoupletColumn *c = &s->cells.columns[column];
    char name[160];
    couplet_field_name(c->name, name, sizeof name);
    if (couplet_table_field(t, name, NULL) || strcmp(name, "number") == 0 ||
        strcmp(name, "word") == 0) {
        snprintf(error, error_bytes,
                 "%s: the column `%.60s` would be the field `%s`, which there is already", t->name,
                 c->name, name);
        return false;
    }
    const bool good = c->kind == COUPLET_CELLS_WORDS
                          ? add_words_field(t, name, 0, &column, 1)
                          : add_columns_field(t, name, false, 0, &column, 1) != NULL;
    return good || out_of_memory(t, error, error_bytes);
}

static bool add_fields(CoupletTable *t, char *error, size_t error_bytes) {
    const State *s = t->state;
    const CoupletCells *cells = &s->cells;
    int *numbers = malloc((size_t)cells->count * sizeof *numbers);
    int *words = malloc((size_t)cells->count * sizeof *words);
    int label = -1;
    int number_count = 0;
    int word_count = 0;
    for (int i = 0; numbers && words && i < cells->count; i++) {
        const CoupletColumn *c = &cells->columns[i];
        if (c->is_label)
            label = i;
        else if (c->is_apart)
            continue;
        else if (c->kind == COUPLET_CELLS_NUMBERS)
            numbers[number_count++] = i;
        else
            words[word_count++] = i;
    }
    bool good = numbers && words;
    if (good && number_count)
        good = add_columns_field(t, "number", false, 1, numbers, number_count) != NULL;
    if (good && word_count) good = add_words_field(t, "word", 1, words, word_count);
    if (good && label >= 0) good = add_words_field(t, "label", 0, &label, 1);
    free(numbers);
    free(words);
    if (!good) return out_of_memory(t, error, error_bytes);
    for (int i = 0; i < cells->count; i++)
        if (cells->columns[i].is_apart && !add_apart(t, i, error, error_bytes)) return false;
    return true;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_table(CoupletTable *t) {
    State *s = t->state;
    if (!s) return;
    for (int i = 0; s->parts && i < t->field_count; i++) {
        free(s->parts[i].columns);
        free(s->parts[i].first);
    }
    free(s->parts);
    couplet_cells_free(&s->cells);
    couplet_cells_free(&s->like);
    free(s);
    t->state = NULL;
}

static uint64_t add_key(uint64_t key, const CoupletCells *cells) {
    key = couplet_hash(key, &cells->stamp, sizeof cells->stamp);
    return couplet_hash(key, &cells->hash, sizeof cells->hash);
}

static bool read_tables(const CoupletRequest *request, CoupletTable *t, char *error,
                        size_t error_bytes) {
    State *s = t->state;
    CoupletCellsRules rules;
    const char *like = couplet_request_text(request, "like");
    char path[COUPLET_PATH_BYTES];
    if (!read_rules(request, t, &rules, error, error_bytes)) return false;
    if (request->codes && !couplet_cells_read_codes(request->codes, &s->like, error, error_bytes))
        return false;
    if (!request->codes && *like &&
        (!couplet_path_beside(request->beside ? request->beside : request->path, like, path, error,
                              error_bytes) ||
         !couplet_cells_read(path, path, &rules, NULL, &s->like, error, error_bytes)))
        return false;
    if (!couplet_cells_read(t->path, t->name, &rules, *like || request->codes ? &s->like : NULL,
                            &s->cells, error, error_bytes))
        return false;
    t->held = s->cells.rows;
    snprintf(t->note, sizeof t->note, "%s", s->cells.note);
    t->key = add_key(add_key(COUPLET_HASH_START, &s->cells), &s->like);
    if (request->codes) {
        t->key = couplet_hash(t->key, request->codes, strlen(request->codes));
    }
    return add_fields(t, error, error_bytes);
}

static bool open_table(const CoupletRequest *request, CoupletTable *out, char *error,
                       size_t error_bytes) {
    snprintf(out->name, sizeof out->name, "%s", request->path);
    if (!couplet_path_absolute(request->path, out->path, error, error_bytes)) return false;
    out->state = calloc(1, sizeof(State));
    if (!out->state) return out_of_memory(out, error, error_bytes);
    if (read_tables(request, out, error, error_bytes)) return true;
    close_table(out);
    return false;
}

/* ---- columns --------------------------------------------------------------------------------- */

/* Writes the values of a field, row by row. */
static void fill_field(const CoupletTable *t, int f, void *out) {
    const State *s = t->state;
    const Part *p = &s->parts[f];
    for (int i = 0; i < p->count; i++) {
        const CoupletColumn *c = &s->cells.columns[p->columns[i]];
        float *numbers = (float *)out + i;
        int32_t *codes = (int32_t *)out + i;
        for (int64_t row = 0; row < t->held; row++) {
            if (p->first)
                codes[row * p->count] = p->first[i] + c->codes[c->ids[row]];
            else
                numbers[row * p->count] = c->numbers[row];
        }
    }
}

static bool load(CoupletTable *t, char *error, size_t error_bytes) {
    if (!couplet_columns_take(t)) return out_of_memory(t, error, error_bytes);
    for (int f = 0; f < t->field_count; f++)
        fill_field(t, f, couplet_columns_at(t, f));
    t->hash = couplet_columns_hash(t);
    return true;
}

static bool column(const CoupletTable *t, int field, int32_t *out, char *error,
                   size_t error_bytes) {
    if (error_bytes) *error = 0;
    fill_field(t, field, out);
    return true;
}

static void name_row(const CoupletTable *t, int64_t row, char *out, size_t bytes) {
    const State *s = t->state;
    snprintf(out, bytes, "%s, line %lld", t->name, (long long)s->cells.lines[row]);
}

static const char *name_entry(const CoupletTable *t, int field, int64_t entry) {
    const State *s = t->state;
    const Part *p = &s->parts[field];
    return entry < p->count ? s->cells.columns[p->columns[entry]].name : NULL;
}

static void codes(const CoupletTable *t, FILE *out) {
    const State *s = t->state;
    couplet_cells_write_codes(&s->cells, &s->like, out);
}

static const CoupletReader reader = {.name = "table",
                                     .open = open_table,
                                     .load = load,
                                     .column = column,
                                     .name_row = name_row,
                                     .name_entry = name_entry,
                                     .codes = codes,
                                     .close = close_table};

__attribute__((visibility("default"))) const CoupletReader *couplet_reader_module(const char *name,
                                                                                  int version);
const CoupletReader *couplet_reader_module(const char *name, int version) {
    return version == COUPLET_READER_VERSION && strcmp(name, reader.name) == 0 ? &reader : NULL;
}
