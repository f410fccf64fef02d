/* Keeps the numbers that classes had when a method was trained. Class folders are numbered in the
 * order of their names. A new folder would shift all later numbers, and labels that the network has
 * learned would mean other classes.
 *
 * The checkpoint has the names, as a text of word_codes.h. A table that is opened with this text is
 * renumbered by names: its fields at once, and its columns after loading, in memory of their own,
 * since files are never changed. */
#include "runtime/data/kept.h"

#include "runtime/data/reader.h"
#include "runtime/data/vocabulary.h"
#include "runtime/data/word_codes.h"

#include <stdlib.h>
#include <string.h>

static const char format[] = "couplet classes 1";

enum {
    SHOWN_NAMES = 5,
    SENTENCE_BYTES = 800,
};

/* ---- writing --------------------------------------------------------------------------------- */

static bool has_class_names(const CoupletField *field) {
    return field->type == COUPLET_I32 && field->class_names != NULL;
}

bool couplet_kept_write(const CoupletTable *table, FILE *out) {
    int count = 0;
    for (int f = 0; f < table->field_count; f++)
        count += has_class_names(&table->fields[f]);
    couplet_codes_text(out, format, strlen(format));
    couplet_codes_whole(out, count);
    for (int f = 0; f < table->field_count; f++) {
        const CoupletField *field = &table->fields[f];
        if (!has_class_names(field)) continue;
        couplet_codes_text(out, field->name, strlen(field->name));
        couplet_codes_whole(out, field->classes);
        for (int64_t c = 0; c < field->classes; c++)
            couplet_codes_text(out, field->class_names[c], strlen(field->class_names[c]));
    }
    return count > 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool out_of_memory(const CoupletTable *table, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: out of memory for the names of its classes", table->name);
    return false;
}

/* Reads the names of one field, in their order: word number c is class c. If two classes have one
 * name, which is possible in a file of arrays, names distinguish nothing, and there are no
 * words. */
static bool read_names(CoupletCodes *codes, CoupletWords *names) {
    const int64_t count = couplet_codes_next_whole(codes, 0, INT32_MAX);
    bool differ = true;
    for (int64_t c = 0; c < count && !codes->failed; c++) {
        const char *name = couplet_codes_next(codes);
        const int32_t number = couplet_words_add(names, name, codes->length);
        if (number < 0) return false;
        differ = differ && number == c;
    }
    if (!differ) couplet_words_free(names);
    return true;
}

/* Returns a sentence such as "its class `zebra` of `label` is none of those of the training,
 * `bird`, `cat` .. (10)". */
static char *strange(const CoupletField *field, const char *name, const CoupletWords *names) {
    char list[SENTENCE_BYTES / 2] = "";
    char text[SENTENCE_BYTES];
    size_t at = 0;
    for (int32_t i = 0; i < names->count && i < SHOWN_NAMES; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s`%.40s`", i ? ", " : "",
                               names->words[i].text);
    snprintf(text, sizeof text,
             "its class `%.80s` of `%.80s` is none of those that the method was trained with: %s%s "
             "(%d)",
             name, field->name, list, names->count > SHOWN_NAMES ? " .." : "", (int)names->count);
    return strdup(text);
}

/* Returns the kept number of each class. A class without one ends the list with -1. */
static int32_t *number_classes(const CoupletField *field, const CoupletWords *names,
                               int64_t *stranger) {
    int32_t *to = malloc(((size_t)field->classes + 1) * sizeof *to);
    *stranger = -1;
    for (int64_t c = 0; to && c < field->classes && *stranger < 0; c++) {
        to[c] = couplet_words_find(names, field->class_names[c], strlen(field->class_names[c]));
        if (to[c] < 0) *stranger = c;
    }
    return to;
}

static bool rename_field(CoupletField *field, const CoupletWords *names) {
    const char **list = malloc(((size_t)names->count + 1) * sizeof *list);
    for (int32_t i = 0; list && i < names->count; i++)
        list[i] = names->words[i].text;
    CoupletField fresh = {.name = field->name};
    const bool good = list && couplet_field_classes(&fresh, list, names->count);
    free(list);
    if (!good) return false;
    field->class_names = fresh.class_names; /* the names before are those of `given` */
    field->classes = fresh.classes;
    return true;
}

static bool same_numbers(const CoupletField *field, const int32_t *to, const CoupletWords *names) {
    bool same = field->classes == names->count;
    for (int64_t c = 0; same && c < field->classes; c++)
        same = to[c] == c;
    return same;
}

/* Gives a field the kept names and numbers or, if one of its classes has no kept number, a sentence
 * about that class. Returns false if memory is out. */
static bool apply_names(CoupletTable *table, int f, const CoupletWords *names) {
    CoupletField *field = &table->fields[f];
    CoupletKept *kept = &table->kept[f];
    int64_t stranger;
    int32_t *to = number_classes(field, names, &stranger);
    if (!to) return false;
    if (stranger >= 0) {
        kept->stranger = strange(field, field->class_names[stranger], names);
        free(to);
        return kept->stranger != NULL;
    }
    if (same_numbers(field, to, names)) {
        free(to);
        return true;
    }
    kept->to = to;
    return rename_field(field, names);
}

static bool apply_field(CoupletTable *table, CoupletCodes *codes) {
    CoupletWords names = {.count = 0};
    int number;
    const CoupletField *found = couplet_table_field(table, couplet_codes_next(codes), &number);
    bool good = read_names(codes, &names);
    if (good && !codes->failed && names.count && found && has_class_names(found))
        good = apply_names(table, number, &names);
    couplet_words_free(&names);
    return good;
}

bool couplet_kept_apply(CoupletTable *table, const char *text, char *error, size_t error_bytes) {
    CoupletCodes codes;
    table->kept = calloc((size_t)table->field_count + 1, sizeof *table->kept);
    if (!table->kept) return out_of_memory(table, error, error_bytes);
    for (int f = 0; f < table->field_count; f++)
        table->kept[f].given = table->fields[f];
    couplet_codes_open(&codes, text);
    couplet_codes_expect(&codes, format);
    const int64_t count = couplet_codes_next_whole(&codes, 0, INT32_MAX);
    bool good = !codes.failed;
    for (int64_t i = 0; good && i < count; i++)
        good = apply_field(table, &codes);
    const bool failed = codes.failed;
    couplet_codes_close(&codes);
    if (failed)
        snprintf(error, error_bytes,
                 "%s: what the checkpoint says of the names of classes is damaged", table->name);
    return failed ? false : good || out_of_memory(table, error, error_bytes);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void swap_fields(CoupletTable *table) {
    for (int f = 0; table->kept && f < table->field_count; f++) {
        if (!table->kept[f].to) continue;
        const CoupletField field = table->fields[f];
        table->fields[f] = table->kept[f].given;
        table->kept[f].given = field;
    }
}

void couplet_kept_hide(CoupletTable *table) {
    swap_fields(table);
}

void couplet_kept_show(CoupletTable *table) {
    swap_fields(table);
}

void couplet_kept_renumber(const CoupletTable *table, int field, int32_t *values, int64_t count) {
    const CoupletKept *kept = table->kept ? &table->kept[field] : NULL;
    for (int64_t i = 0; kept && kept->to && i < count; i++)
        if (values[i] >= 0 && values[i] < kept->given.classes) values[i] = kept->to[values[i]];
}

static bool load_field(CoupletTable *table, int f, char *error, size_t error_bytes) {
    CoupletKept *kept = &table->kept[f];
    const int32_t *from = table->columns[f];
    const int64_t count = table->held * couplet_field_elements(&table->fields[f]);
    kept->column = malloc((size_t)count * sizeof *kept->column + 1);
    if (!kept->column) return out_of_memory(table, error, error_bytes);
    for (int64_t i = 0; i < count; i++) {
        if (from[i] < 0 || from[i] >= kept->given.classes) {
            snprintf(error, error_bytes, "%s: `%s` holds %d, and its classes are 0 to %lld",
                     table->name, kept->given.name, (int)from[i],
                     (long long)kept->given.classes - 1);
            return false;
        }
        kept->column[i] = kept->to[from[i]];
    }
    table->columns[f] = kept->column;
    return true;
}

bool couplet_kept_load(CoupletTable *table, char *error, size_t error_bytes) {
    for (int f = 0; table->kept && f < table->field_count; f++)
        if (table->kept[f].to && !load_field(table, f, error, error_bytes)) return false;
    return true;
}

void couplet_kept_free(CoupletTable *table) {
    for (int f = 0; table->kept && f < table->field_count; f++) {
        CoupletKept *kept = &table->kept[f];
        if (kept->given.class_names != table->fields[f].class_names)
            free((void *)(uintptr_t)kept->given.class_names);
        free(kept->to);
        free(kept->column);
        free(kept->stranger);
    }
    free(table->kept);
    table->kept = NULL;
}

const char *couplet_kept_stranger(const CoupletTable *table, int field) {
    return table->kept ? table->kept[field].stranger : NULL;
}

bool couplet_kept_may_read(const CoupletTable *table, int field, const char *input, char *error,
                           size_t error_bytes) {
    const char *stranger = couplet_kept_stranger(table, field);
    if (stranger)
        snprintf(error, error_bytes,
                 "%s: %s; the method reads `%s`, and would take its number for another class",
                 table->name, stranger, input);
    return !stranger;
}

bool couplet_kept_is_renumbered(const CoupletTable *table, int field) {
    return table->kept && table->kept[field].to;
}
