/* data.arrays: every array of a file is a field, and its first axis counts the samples. Arrays that
 * the file stores in the language's form are mapped. Others are converted into memory or, if they
 * are large, row by row into a packed copy. */
#include "runtime/data/array.h"
#include "runtime/data/checked.h"
#include "runtime/data/reader.h"
#include "runtime/data/stamp.h"
#include "runtime/hash.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CLASSES = 1 << 16 };
/* the most bytes that are converted into memory at each start */
static const int64_t most_converted = INT64_C(1) << 30;

typedef struct State {
    CoupletArrays files;
    CoupletType *types; /* by field, as all lists below */
    /* Values of fields of one int a sample, which are read when the table is opened. NULL: the
     * field is of another kind. */
    int32_t **numbers;
    bool unusual; /* true if NaN and infinities are kept */
} State;

static bool fail(const CoupletTable *t, const char *text, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s", t->name, text);
    return false;
}

static bool out_of_memory(const CoupletTable *t, char *error, size_t error_bytes) {
    return fail(t, "out of memory", error, error_bytes);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The wanted arrays, and the names of all arrays that were met, for a message. */
typedef struct Choice {
    const CoupletRequest *request;
    char *met;
    size_t met_bytes;
} Choice;

static void add_met_name(const Choice *choice, const char *name) {
    const size_t used = strlen(choice->met);
    const size_t left = choice->met_bytes - used;
    if (used >= 2 && strcmp(choice->met + used - 2, "..") == 0) return;
    const bool fits = strlen(name) + 2 * sizeof ", .." < left;
    snprintf(choice->met + used, left, "%s%s", used ? ", " : "", fits ? name : "..");
}

static bool is_claimed(const void *context, const char *array) {
    const Choice *choice = context;
    char name[160];
    couplet_field_name(array, name, sizeof name);
    add_met_name(choice, name);
    return couplet_request_claim(choice->request, name) != NULL;
}

static bool has_array(const CoupletArrays *files, const char *field) {
    char name[160];
    for (int i = 0; i < files->count; i++) {
        couplet_field_name(files->arrays[i].name, name, sizeof name);
        if (strcmp(name, field) == 0) return true;
    }
    return false;
}

/* True if the file has all claimed fields. The array of a .npy file is called x, and a claim gives
 * it another name. */
static bool has_claims(const CoupletTable *t, const CoupletArrays *files, const Choice *choice,
                       char *error, size_t error_bytes) {
    const CoupletRequest *r = choice->request;
    char type[200];
    if (!*choice->met && files->count == 1 && r->claim_count == 1) return true;
    for (int i = 0; i < r->claim_count; i++) {
        const CoupletField *claim = &r->claim[i];
        if (strcmp(claim->name, "index") == 0 || has_array(files, claim->name)) continue;
        couplet_field_text(claim, type, sizeof type);
        snprintf(error, error_bytes, "%s has no array `%s`, and `%s : %s` is claimed; it has %s",
                 t->name, claim->name, claim->name, type,
                 *choice->met ? choice->met : (files->count ? files->arrays[0].name : "no arrays"));
        return false;
    }
    return true;
}

/* Returns the language's type for the elements of an array. A claim chooses among the possible
 * types. */
static CoupletType type_of(const CoupletArray *a, const CoupletField *claim) {
    if (claim && couplet_elements_fit(a->element, claim->type)) return claim->type;
    if (couplet_elements_are_real(a->element)) return COUPLET_F32;
    return a->element == COUPLET_ELEMENT_U8 && a->rank > 2 ? COUPLET_U8 : COUPLET_I32;
}

static bool samples_agree(CoupletTable *t, const CoupletArrays *files, char *error,
                          size_t error_bytes) {
    bool agree = true;
    for (int i = 1; i < files->count; i++)
        agree = agree && files->arrays[i].shape[0] == files->arrays[0].shape[0];
    if (agree) return true;
    int at = snprintf(error, error_bytes,
                      "%s: the first axis counts the samples, and its arrays disagree:", t->name);
    for (int i = 0; i < files->count && at > 0 && (size_t)at < error_bytes; i++) {
        char text[160];
        couplet_array_text(&files->arrays[i], text, sizeof text);
        at += snprintf(error + at, error_bytes - (size_t)at, "%s %s %s", i ? "," : "",
                       files->arrays[i].name, text);
    }
    if (at > 0 && (size_t)at < error_bytes)
        snprintf(error + at, error_bytes - (size_t)at,
                 "; claim the arrays that are meant: { x : real[50] }");
    return false;
}

static bool add_field(CoupletTable *t, const CoupletRequest *request, int i, char *error,
                      size_t error_bytes) {
    State *s = t->state;
    CoupletArray *a = &s->files.arrays[i];
    char name[160];
    const bool is_single = s->files.count == 1 && strcmp(a->name, "x") == 0;
    couplet_field_name(a->name, name, sizeof name);
    if (is_single && request->claim_count == 1)
        snprintf(name, sizeof name, "%s", request->claim[0].name);
    if (couplet_table_field(t, name, NULL)) {
        snprintf(error, error_bytes,
                 "%s: two of its arrays would be the field `%s`; give them names of letters, "
                 "digits and underscores",
                 t->name, name);
        return false;
    }
    s->types[i] = type_of(a, couplet_request_claim(request, name));
    return couplet_table_add(t, name, s->types[i], a->rank - 1, a->shape + 1) ||
           out_of_memory(t, error, error_bytes);
}

/* Takes the names of the classes from a packed copy: a JSON list, or the number of classes. */
static bool take_class_names(CoupletTable *t, CoupletField *field, char *error,
                             size_t error_bytes) {
    State *s = t->state;
    char key[200];
    snprintf(key, sizeof key, "classes.%s", field->name);
    const char *text =
        s->files.tensors.json ? couplet_tensors_metadata(&s->files.tensors, key) : NULL;
    if (!text || field->type != COUPLET_I32) return true;
    json_t *list = json_loads(text, JSON_DECODE_ANY, NULL);
    json_t *name;
    const size_t count = json_array_size(list);
    const char **names = calloc(count + 1, sizeof *names);
    bool good =
        (json_is_array(list) && count) || (json_is_integer(list) && json_integer_value(list) > 0);
    size_t i;
    json_array_foreach(list, i, name) {
        if (names && i < count) names[i] = json_string_value(name);
        good = good && names && names[i];
    }
    if (!good)
        snprintf(
            error, error_bytes,
            "%s: `%s` in its metadata is `%.40s`, and a JSON list of names or their number was "
            "expected: [\"cat\", \"dog\"]",
            t->name, key, text);
    else if (json_is_integer(list))
        field->classes = json_integer_value(list);
    else
        good = couplet_field_classes(field, names, (int64_t)count) ||
               out_of_memory(t, error, error_bytes);
    free(names);
    json_decref(list);
    return good;
}

/* True if all values of a field with classes are below their number. */
static bool classes_hold(const CoupletTable *t, const CoupletField *field, const int32_t *values,
                         int64_t count, char *error, size_t error_bytes) {
    for (int64_t i = 0; i < count; i++) {
        if (values[i] >= 0 && values[i] < field->classes) continue;
        const int64_t elements = couplet_field_elements(field);
        snprintf(
            error, error_bytes,
            "%s: `%s` of row %lld is %d, and its classes, which the file names, are 0 to %lld; "
            "name more of them, or mend the value",
            t->name, field->name, (long long)(i / elements), (int)values[i],
            (long long)field->classes - 1);
        return false;
    }
    return true;
}

/* Takes the names in a list beside the array. */
static bool take_names_beside(CoupletTable *t, int i, char *error, size_t error_bytes) {
    const State *s = t->state;
    CoupletField *field = &t->fields[i];
    char name[160];
    snprintf(name, sizeof name, "%s_names", s->files.arrays[i].name);
    for (int k = 0; k < s->files.name_count && field->type == COUPLET_I32; k++) {
        const CoupletArrayNames *names = &s->files.names[k];
        if (strcmp(names->name, name) != 0) continue;
        return couplet_field_classes(field, (const char *const *)names->names, names->count) ||
               out_of_memory(t, error, error_bytes);
    }
    return true;
}

/* Reads a field of numbers. A field of one int a sample may be a label, so its classes are counted
 * at once. */
static bool read_number_field(CoupletTable *t, int i, char *error, size_t error_bytes) {
    State *s = t->state;
    CoupletField *field = &t->fields[i];
    if (!take_class_names(t, field, error, error_bytes) ||
        !take_names_beside(t, i, error, error_bytes))
        return false;
    if (field->type != COUPLET_I32 || field->rank || t->held > INT32_MAX) return true;
    int32_t *numbers = s->numbers[i] = malloc((size_t)t->held * sizeof *numbers);
    if (!numbers) return out_of_memory(t, error, error_bytes);
    if (!couplet_array_read(&s->files.arrays[i], COUPLET_I32, s->unusual, numbers, error,
                            error_bytes))
        return false;
    if (field->classes) return classes_hold(t, field, numbers, t->held, error, error_bytes);
    int32_t low = 0;
    int32_t high = 0;
    for (int64_t row = 0; row < t->held; row++) {
        if (numbers[row] < low) low = numbers[row];
        if (numbers[row] > high) high = numbers[row];
    }
    field->classes = low == 0 && high < MOST_CLASSES ? high + 1 : 0;
    return true;
}

static uint64_t key_of(const CoupletTable *t, const State *s) {
    uint64_t key = COUPLET_HASH_START;
    for (int i = 0; i < s->files.mapping_count; i++)
        key = couplet_hash(key, &s->files.mappings[i].stamp, sizeof s->files.mappings[i].stamp);
    for (int i = 0; i < s->files.count; i++) {
        key = couplet_hash(key, t->fields[i].name, strlen(t->fields[i].name));
        key = couplet_hash(key, &s->types[i], sizeof s->types[i]);
    }
    return couplet_hash(key, &s->unusual, sizeof s->unusual);
}

static bool read_setting(const CoupletRequest *request, CoupletTable *t, bool *unusual, char *error,
                         size_t error_bytes) {
    const char *missing = couplet_request_text(request, "missing");
    *unusual = strcmp(missing, "keep") == 0;
    if (*unusual || strcmp(missing, "refuse") == 0) return true;
    snprintf(error, error_bytes,
             "%s: `missing` of arrays is \"refuse\" or \"keep\", and this is \"%.40s\"", t->name,
             missing);
    return false;
}

static bool open_fields(const CoupletRequest *request, CoupletTable *t, char *error,
                        size_t error_bytes) {
    State *s = t->state;
    CoupletArrays *files = &s->files;
    if (!read_setting(request, t, &s->unusual, error, error_bytes)) return false;
    char met[300] = "";
    const Choice choice = {request, met, sizeof met};
    if (!couplet_arrays_open(t->path, t->name, request->claim_count ? is_claimed : NULL, &choice,
                             files, error, error_bytes) ||
        !has_claims(t, files, &choice, error, error_bytes))
        return false;
    if (!files->count)
        return fail(t, "it has no arrays, and one for each field was expected", error, error_bytes);
    s->types = calloc((size_t)files->count, sizeof *s->types);
    s->numbers = calloc((size_t)files->count, sizeof *s->numbers);
    if (!s->types || !s->numbers) return out_of_memory(t, error, error_bytes);
    if (!samples_agree(t, files, error, error_bytes)) return false;
    t->held = files->arrays[0].shape[0];
    for (int i = 0; i < files->count; i++)
        if (!add_field(t, request, i, error, error_bytes)) return false;
    for (int i = 0; i < files->count; i++)
        if (!read_number_field(t, i, error, error_bytes)) return false;
    t->key = key_of(t, s);
    for (int i = 0; i < files->mapping_count; i++)
        if (files->mappings[i].changed > t->changed) t->changed = files->mappings[i].changed;
    return true;
}

static void close_arrays(CoupletTable *t) {
    State *s = t->state;
    if (!s) return;
    for (int i = 0; s->numbers && i < s->files.count; i++)
        free(s->numbers[i]);
    free(s->numbers);
    free(s->types);
    couplet_arrays_close(&s->files);
    free(s);
    t->state = NULL;
}

/* ---- all at once ----------------------------------------------------------------------------- */

typedef struct Pages {
    void *at;
    size_t bytes;
} Pages;

typedef struct Storage {
    int count;
    Pages pages[];
} Storage;

static void release_storage(void *storage) {
    Storage *s = storage;
    for (int i = 0; i < s->count; i++)
        couplet_pages_give(s->pages[i].at, s->pages[i].bytes);
    free(s);
}

static bool is_mapped(const CoupletTable *t, int i) {
    const State *s = t->state;
    return couplet_array_is_column(&s->files.arrays[i], s->types[i]);
}

/* Checks an array that stays mapped. A large array is checked only if it is new. */
static bool check_mapped(const CoupletTable *t, int i, char *error, size_t error_bytes) {
    const State *s = t->state;
    const CoupletArray *a = &s->files.arrays[i];
    const bool is_large = t->held * couplet_field_bytes(&t->fields[i]) > COUPLET_HASH_WHOLE;
    uint64_t key = couplet_hash(t->key, t->path, strlen(t->path));
    key = couplet_hash(key, a->name, strlen(a->name));
    if (is_large && couplet_checked_before(key)) return true;
    if (is_large) couplet_stamp_settle(t->changed);
    if (!couplet_array_check(a, s->types[i], s->unusual, error, error_bytes)) return false;
    if (is_large) couplet_checked_keep(key);
    return true;
}

static bool load_column(CoupletTable *t, int i, Storage *storage, char *error, size_t error_bytes) {
    const State *s = t->state;
    const CoupletArray *a = &s->files.arrays[i];
    if (is_mapped(t, i)) {
        t->columns[i] = a->data;
        t->mapped = true;
        return check_mapped(t, i, error, error_bytes);
    }
    Pages *pages = &storage->pages[storage->count];
    pages->bytes = (size_t)(t->held * couplet_field_bytes(&t->fields[i]));
    pages->at = couplet_pages_take(pages->bytes);
    if (!pages->at) {
        snprintf(error, error_bytes, "%s: out of memory for %zu bytes", a->label, pages->bytes);
        return false;
    }
    storage->count++;
    t->columns[i] = pages->at;
    if (s->numbers[i])
        memcpy(pages->at, s->numbers[i], pages->bytes);
    else if (!couplet_array_read(a, s->types[i], s->unusual, pages->at, error, error_bytes))
        return false;
    return true;
}

static bool load(CoupletTable *t, char *error, size_t error_bytes) {
    Storage *storage = calloc(1, sizeof *storage + (size_t)t->field_count * sizeof *storage->pages);
    uint64_t hash = COUPLET_HASH_START;
    bool good = storage || out_of_memory(t, error, error_bytes);
    for (int i = 0; good && i < t->field_count; i++) {
        const CoupletField *field = &t->fields[i];
        const int64_t bytes = t->held * couplet_field_bytes(field);
        good = load_column(t, i, storage, error, error_bytes);
        if (good && field->classes && field->rank)
            good = classes_hold(t, field, t->columns[i], bytes / 4, error, error_bytes);
        if (!good) break;
        hash = couplet_hash(hash, field->name, strlen(field->name));
        hash = couplet_hash_array(hash, t->columns[i], bytes);
        hash = couplet_field_hash(hash, field);
    }
    if (!good) {
        if (storage) release_storage(storage);
        t->mapped = false;
        return false;
    }
    t->storage = storage;
    t->release = release_storage;
    t->hash = hash ? hash : 1;
    return true;
}

/* ---- row by row ------------------------------------------------------------------------------ */

/* Reads one row. A checksum is of a whole array, so reading the first row checks all arrays. */
static bool read_row(const CoupletTable *t, int64_t row, void *const *fields, char *error,
                     size_t error_bytes) {
    const State *s = t->state;
    for (int i = 0; i < t->field_count; i++) {
        const CoupletArray *a = &s->files.arrays[i];
        if (row == 0 && !couplet_array_checksum(a, error, error_bytes)) return false;
        if (!couplet_array_row(a, row, s->types[i], s->unusual, fields[i], error, error_bytes))
            return false;
        const CoupletField *f = &t->fields[i];
        if (f->classes && f->rank &&
            !classes_hold(t, f, fields[i], couplet_field_elements(f), error, error_bytes))
            return false;
    }
    return true;
}

static bool column(const CoupletTable *t, int field, int32_t *out, char *error,
                   size_t error_bytes) {
    const State *s = t->state;
    if (error_bytes) *error = 0;
    if (!s->numbers[field]) return false;
    memcpy(out, s->numbers[field], (size_t)t->held * sizeof *out);
    return true;
}

static bool open_arrays(const CoupletRequest *request, CoupletTable *out, char *error,
                        size_t error_bytes);

static const CoupletReader by_rows = {.name = "arrays",
                                      .open = open_arrays,
                                      .read = read_row,
                                      .column = column,
                                      .close = close_arrays};
const CoupletReader couplet_reader_arrays = {
    .name = "arrays", .open = open_arrays, .load = load, .column = column, .close = close_arrays};

/* True if so much must be converted that a packed copy is worth its space. A deflated array has no
 * rows, and is unpacked into memory whatever its size. */
static bool is_for_packing(const CoupletTable *t) {
    const State *s = t->state;
    int64_t converted = 0;
    for (int i = 0; i < t->field_count; i++) {
        if (!couplet_array_has_rows(&s->files.arrays[i])) return false;
        if (!is_mapped(t, i)) converted += t->held * couplet_field_bytes(&t->fields[i]);
    }
    return converted > most_converted;
}

static bool open_arrays(const CoupletRequest *request, CoupletTable *out, char *error,
                        size_t error_bytes) {
    snprintf(out->name, sizeof out->name, "%s", request->path);
    if (!couplet_path_absolute(request->path, out->path, error, error_bytes)) return false;
    out->state = calloc(1, sizeof(State));
    if (!out->state) return out_of_memory(out, error, error_bytes);
    if (!open_fields(request, out, error, error_bytes)) {
        close_arrays(out);
        return false;
    }
    out->reader = is_for_packing(out) ? &by_rows : &couplet_reader_arrays;
    return true;
}
