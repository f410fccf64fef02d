/* Opens, loads and closes a table of any reader. Also compares the claim of a spec, and makes the
 * text of all choices (reader, split, settings with their standard values), which finds the packed
 * copy for a request.
 *
 * After loading, the mapped files are checked for being whole: a file that was cut short gave
 * zeros, and any other message about these would mislead. */
#include "runtime/data/table.h"

#include "runtime/data/kept.h"
#include "runtime/data/mapping_guard.h"
#include "runtime/data/pack.h"
#include "runtime/data/reader.h"
#include "runtime/data/textfile.h"
#include "runtime/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 128 };

/* ---- what the spec claims -------------------------------------------------------------------- */

/* Lists fields, as in "image : u8[1, 28, 28], label : int". */
static void list_fields(const CoupletTable *table, char *out, size_t bytes) {
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < table->field_count && at < bytes; i++) {
        char text[TEXT_BYTES];
        const char *type = couplet_field_text(&table->fields[i], text, sizeof text);
        at += (size_t)snprintf(out + at, bytes - at, "%s%s : %s", i ? ", " : "",
                               table->fields[i].name, type);
    }
}

static bool same_shape(const CoupletField *a, const CoupletField *b) {
    if (a->type != b->type || a->rank != b->rank) return false;
    return memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

bool couplet_table_claims(const CoupletTable *table, const CoupletField *claim, int count,
                          char *error, size_t error_bytes) {
    char wanted[TEXT_BYTES];
    char there[TEXT_BYTES];
    char all[512];
    for (int i = 0; i < count; i++) {
        const CoupletField *c = &claim[i];
        const CoupletField *found = couplet_table_field(table, c->name, NULL);
        if (strcmp(c->name, "index") == 0) continue; /* every table has it */
        couplet_field_text(c, wanted, sizeof wanted);
        if (!found) {
            list_fields(table, all, sizeof all);
            snprintf(error, error_bytes,
                     "%s has no field `%s`, and `%s : %s` is expected; it has %s", table->name,
                     c->name, c->name, wanted, all);
            return false;
        }
        if (!same_shape(c, found)) {
            snprintf(error, error_bytes, "%s: its field `%s` is %s, and %s is expected",
                     table->name, c->name, couplet_field_text(found, there, sizeof there), wanted);
            return false;
        }
        if (c->classes && found->classes != c->classes) {
            snprintf(error, error_bytes,
                     "%s: its field `%s` has %lld classes, and %lld are expected", table->name,
                     c->name, (long long)found->classes, (long long)c->classes);
            return false;
        }
    }
    return true;
}

/* ---- opening --------------------------------------------------------------------------------- */

static uint64_t hash_text(uint64_t hash, const char *text) {
    return couplet_hash(hash, text ? text : "", text ? strlen(text) : 0);
}

static const struct {
    const char *reader;
    const char *name;
    bool is_text;
} setting_rows[] = {
#define IS_TEXT_WHOLE  false
#define IS_TEXT_NUMBER false
#define IS_TEXT_ABOVE  false
#define IS_TEXT_TRUTH  false
#define IS_TEXT_TEXT   true
#define READER_SETTING(reader, name, kind, low, high, number, text, range)                         \
    {#reader, #name, IS_TEXT_##kind},
#include "runtime/data/readers.def"
};

/* Adds to the text as far as there is room, and to the hash in any case. */
static size_t add_choice(CoupletTable *t, size_t at, uint64_t *hash, const char *text) {
    *hash = hash_text(*hash, text);
    if (at < sizeof t->choices)
        at += (size_t)snprintf(t->choices + at, sizeof t->choices - at, "%s", text);
    return at;
}

/* Writes every setting, with its standard value if none is given. If there is no room, the text
 * ends with a hash of all. */
static void write_choices(const CoupletRequest *request, CoupletTable *t) {
    uint64_t hash = COUPLET_HASH_START;
    char part[2 * COUPLET_PATH_BYTES];
    size_t at = add_choice(t, 0, &hash, request->reader);
    snprintf(part, sizeof part, ", %s", request->split ? request->split : "");
    if (request->split) at = add_choice(t, at, &hash, part);
    for (size_t i = 0; i < sizeof setting_rows / sizeof *setting_rows; i++) {
        const char *name = setting_rows[i].name;
        if (strcmp(setting_rows[i].reader, request->reader) != 0) continue;
        if (setting_rows[i].is_text)
            snprintf(part, sizeof part, ", %s = \"%s\"", name, couplet_request_text(request, name));
        else
            snprintf(part, sizeof part, ", %s = %.17g", name,
                     couplet_request_number(request, name));
        at = add_choice(t, at, &hash, part);
    }
    if (at >= sizeof t->choices)
        snprintf(t->choices + sizeof t->choices - 22, 22, ".. %016llx", (unsigned long long)hash);
}

static uint64_t asked_of(const CoupletTable *t) {
    return hash_text(hash_text(COUPLET_HASH_START, t->choices), t->path);
}

static void free_fields(CoupletTable *table) {
    for (int i = 0; i < table->field_count; i++) {
        free((void *)(uintptr_t)table->fields[i].name);
        free((void *)(uintptr_t)table->fields[i].class_names);
    }
    free(table->fields);
}

static bool holds_rows(const CoupletTable *table, char *error, size_t error_bytes) {
    if (table->held >= 1 && table->held <= INT32_MAX) return true;
    if (table->held < 1)
        snprintf(error, error_bytes, "%s holds no sample", table->name);
    else
        snprintf(error, error_bytes, "%s holds %lld samples, and at most %d are read", table->name,
                 (long long)table->held, INT32_MAX);
    return false;
}

/* True if the names of fields differ from each other, and from `index` and `all`, which mean
 * something after the name of every source. */
static bool names_differ(const CoupletTable *table, char *error, size_t error_bytes) {
    for (int i = 0; i < table->field_count; i++) {
        const char *name = table->fields[i].name;
        const bool reserved = strcmp(name, "index") == 0 || strcmp(name, "all") == 0;
        if (!reserved && couplet_table_field(table, name, NULL) == &table->fields[i]) continue;
        snprintf(error, error_bytes, "%s: %s field%s `%s`, and %s", table->name,
                 reserved ? "it has a" : "two", reserved ? "" : "s are called", name,
                 reserved ? "index and all are names that every source has"
                          : "each field has a name of its own");
        return false;
    }
    return true;
}

static bool is_text(const char *name) {
    return couplet_utf8_length(name, strlen(name)) == strlen(name);
}

static bool escape_names(CoupletField *field) {
    char **copies = calloc((size_t)field->classes + 1, sizeof *copies);
    bool good = copies != NULL;
    for (int64_t c = 0; good && c < field->classes; c++) {
        copies[c] = malloc(couplet_utf8_escape(field->class_names[c], NULL) + 1);
        good = copies[c] != NULL;
        if (good) couplet_utf8_escape(field->class_names[c], copies[c]);
    }
    good = good && couplet_field_classes(field, (const char *const *)copies, field->classes);
    for (int64_t c = 0; copies && c < field->classes; c++)
        free(copies[c]);
    free(copies);
    return good;
}

/* Makes the names of classes valid UTF-8. They may come from the names of folders, which hold any
 * bytes, and packed copies, reports and JSON must be UTF-8. Returns false with a sentence if memory
 * is out. */
static bool names_are_text(CoupletTable *table, char *error, size_t error_bytes) {
    for (int i = 0; i < table->field_count; i++) {
        CoupletField *field = &table->fields[i];
        int64_t c = 0;
        while (field->class_names && c < field->classes && is_text(field->class_names[c]))
            c++;
        if (!field->class_names || c == field->classes || escape_names(field)) continue;
        snprintf(error, error_bytes, "%s: out of memory for the names of its classes", table->name);
        return false;
    }
    return true;
}

static bool open_by(const CoupletReader *reader, const CoupletRequest *request, CoupletTable *out,
                    char *error, size_t error_bytes) {
    if (!reader->open(request, out, error, error_bytes)) {
        free_fields(out); /* frees the fields that were added before the failure */
        memset(out, 0, sizeof *out);
        return false;
    }
    /* A reader may set another one of the same kind of source, which is then kept. */
    if (!out->reader) out->reader = reader;
    out->count = out->held;
    return true;
}

bool couplet_table_open(const CoupletRequest *request, CoupletTable *out, char *error,
                        size_t error_bytes) {
    const CoupletSetting keep = {.name = "missing", .text = "keep"};
    CoupletRequest from_file = {.reader = "arrays",
                                .path = request->path,
                                .settings = &keep,
                                .setting_count = 1,
                                .claim = request->claim,
                                .claim_count = request->claim_count};
    CoupletTable choices = {.held = 0};
    write_choices(request, &choices);
    memset(out, 0, sizeof *out);
    const CoupletPackedFile kind =
        couplet_pack_file_kind(request, choices.choices, error, error_bytes);
    if (kind == COUPLET_PACKED_OTHERWISE) return false;
    const CoupletRequest *taken = kind == COUPLET_PACKED_FITS ? &from_file : request;
    const CoupletReader *reader = couplet_reader_find(taken->reader, error, error_bytes);
    if (!reader || !open_by(reader, taken, out, error, error_bytes)) return false;
    memcpy(out->choices, choices.choices, sizeof out->choices);
    out->asked = asked_of(out);
    const bool named =
        kind != COUPLET_PACKED_FITS || couplet_pack_take_rows(out, error, error_bytes);
    if (named && holds_rows(out, error, error_bytes) && names_differ(out, error, error_bytes) &&
        names_are_text(out, error, error_bytes) &&
        (!request->classes || couplet_kept_apply(out, request->classes, error, error_bytes)) &&
        couplet_table_claims(out, request->claim, request->claim_count, error, error_bytes))
        return true;
    couplet_table_close(out);
    return false;
}

void couplet_table_close(CoupletTable *table) {
    couplet_kept_free(table);
    if (table->release) table->release(table->storage);
    if (table->reader && table->reader->close) table->reader->close(table);
    free((void *)(uintptr_t)table->columns);
    free(table->origin);
    free(table->row_hashes);
    free_fields(table);
    memset(table, 0, sizeof *table);
}

/* ---- loading --------------------------------------------------------------------------------- */

static bool load_columns(CoupletTable *table, const CoupletLoading *loading, char *error,
                         size_t error_bytes) {
    if (!table->reader->load) return couplet_pack_load(table, loading, error, error_bytes);
    table->columns = calloc((size_t)table->field_count + 1, sizeof *table->columns);
    if (!table->columns) {
        snprintf(error, error_bytes, "%s: out of memory", table->name);
        return false;
    }
    if (table->reader->load(table, error, error_bytes)) return true;
    free((void *)(uintptr_t)table->columns);
    table->columns = NULL;
    return false;
}

/* After loading, a file that was cut short in the meantime comes first: it gave zeros, and messages
 * about these would mislead. */
bool couplet_table_load(CoupletTable *table, const CoupletLoading *loading, char *error,
                        size_t error_bytes) {
    couplet_kept_hide(table);
    bool good = load_columns(table, loading, error, error_bytes);
    couplet_kept_show(table);
    good = good && couplet_kept_load(table, error, error_bytes);
    return couplet_guard_whole(error, error_bytes) && good;
}

const char *couplet_table_entry(const CoupletTable *table, int field, int64_t entry) {
    if (table->fields[field].rank != 1 || !table->reader || !table->reader->name_entry) return NULL;
    return table->reader->name_entry(table, field, entry);
}

bool couplet_table_column(const CoupletTable *table, int field, int32_t *out, char *error,
                          size_t error_bytes) {
    const CoupletReader *reader = table->reader;
    CoupletTable given = *table; /* the reader must see its own numbers */
    *error = 0;
    if (!reader || !reader->column) return false;
    couplet_kept_hide(&given);
    const bool good = reader->column(&given, field, out, error, error_bytes);
    couplet_kept_show(&given);
    if (good) couplet_kept_renumber(table, field, out, table->held);
    return good;
}
