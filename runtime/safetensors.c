/* Reads and writes the safetensors format: checkpoints, packed copies, embedded weights. jansson
 * parses the header. Type, shape, place and length of every array are checked first, so users of
 * the result need no checks of their own. */
#include "runtime/safetensors.h"

#include "runtime/executor.h"
#include "runtime/files.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"F32", "I32", "U8"}; /* by the value of CoupletType */
enum {
    TYPE_COUNT = 3,
    LENGTH_BYTES = 8,
};

/* Types of the format for which the runtime has no arrays. */
static const struct {
    const char *name;
    int bytes;
} other_types[] = {{"BOOL", 1}, {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2},
                   {"U16", 2},  {"F16", 2}, {"BF16", 2},    {"U32", 4},     {"F64", 8},
                   {"I64", 8},  {"U64", 8}, {"C64", 8}};

int64_t couplet_tensor_bytes(const CoupletTensorEntry *e) {
    int64_t bytes = couplet_type_bytes(e->type);
    for (int i = 0; i < e->rank; i++)
        bytes *= e->shape[i];
    return bytes;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Returns a header, or NULL if memory is out. jansson keeps the order in which members are
 * added. */
static char *make_header(const CoupletTensorEntry *entries, int count,
                         const CoupletTensorPair *pairs, int pair_count) {
    json_t *root = json_object();
    json_t *about = json_object();
    bool good = root && about;
    for (int i = 0; good && i < pair_count; i++)
        good = json_object_set_new(about, pairs[i].key, json_string(pairs[i].value)) == 0;
    good = json_object_set_new(root, "__metadata__", about) == 0 && good;
    int64_t at = 0;
    for (int i = 0; good && i < count; i++) {
        json_t *shape = json_array();
        for (int k = 0; good && k < entries[i].rank; k++)
            good = json_array_append_new(shape, json_integer(entries[i].shape[k])) == 0;
        int64_t begin = at;
        at += couplet_tensor_bytes(&entries[i]);
        json_t *entry =
            json_pack("{s:s, s:o, s:[I, I]}", "dtype", type_names[entries[i].type], "shape", shape,
                      "data_offsets", (json_int_t)begin, (json_int_t)at);
        good = json_object_set_new(root, entries[i].name, entry) == 0 && good;
    }
    char *text = good ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

char *couplet_tensors_head(const CoupletTensorEntry *entries, int count,
                           const CoupletTensorPair *pairs, int pair_count, size_t alignment,
                           size_t reserved, size_t *length) {
    char *header = make_header(entries, count, pairs, pair_count);
    const size_t used = LENGTH_BYTES + (header ? strlen(header) : 0);
    *length = reserved ? reserved : (used + alignment - 1) / alignment * alignment;
    char *head = header && used <= *length ? malloc(*length) : NULL;
    if (head) {
        const uint64_t padded = *length - LENGTH_BYTES;
        for (int i = 0; i < LENGTH_BYTES; i++)
            head[i] = (char)(padded >> (8 * i));
        memset(head + LENGTH_BYTES, ' ', *length - LENGTH_BYTES);
        memcpy(head + LENGTH_BYTES, header, used - LENGTH_BYTES);
    }
    free(header);
    return head;
}

bool couplet_tensors_write(const char *path, const CoupletTensorEntry *entries, int count,
                           const CoupletTensorPair *pairs, int pair_count, char *error,
                           size_t error_bytes) {
    size_t length;
    char *head = couplet_tensors_head(entries, count, pairs, pair_count, LENGTH_BYTES, 0, &length);
    if (!head) {
        snprintf(error, error_bytes, "%s: out of memory for the header", path);
        return false;
    }
    FILE *file = couplet_file_begin(path, error, error_bytes);
    if (!file) {
        free(head);
        return false;
    }
    fwrite(head, 1, length, file);
    for (int i = 0; i < count; i++)
        fwrite(entries[i].data, 1, (size_t)couplet_tensor_bytes(&entries[i]), file);
    free(head);
    return couplet_file_commit(path, file, error, error_bytes);
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool whole(const json_t *item, int64_t *out) {
    if (!json_is_integer(item) || json_integer_value(item) < 0) return false;
    *out = json_integer_value(item);
    return true;
}

/* Returns the bytes of an element. Sets *type if the runtime has the type. Returns 0 if the type is
 * not read. */
static int find_type(const char *name, bool any, CoupletType *type) {
    for (int i = 0; name && i < TYPE_COUNT; i++) {
        if (strcmp(name, type_names[i]) != 0) continue;
        *type = (CoupletType)i;
        return (int)couplet_type_bytes(*type);
    }
    for (size_t i = 0; name && any && i < sizeof other_types / sizeof *other_types; i++)
        if (strcmp(name, other_types[i].name) == 0) return other_types[i].bytes;
    return 0;
}

/* Reads the fields of an entry. Returns NULL, or the end of a sentence about a wrong field. */
static const char *read_entry(const json_t *item, bool any, CoupletTensorEntry *entry,
                              const char *data, int64_t data_bytes) {
    const json_t *shape = json_object_get(item, "shape");
    const json_t *offsets = json_object_get(item, "data_offsets");
    entry->dtype = json_string_value(json_object_get(item, "dtype"));
    int64_t bytes = find_type(entry->dtype, any, &entry->type);
    int64_t begin;
    int64_t end;
    if (!bytes && any) return "has no `dtype` that is known";
    if (!bytes) return "has no `dtype` of F32, I32 or U8";
    if (!json_is_array(shape) || json_array_size(shape) > COUPLET_MAX_RANK)
        return "has no `shape` of at most 8 axes";
    for (size_t i = 0; i < json_array_size(shape); i++) {
        int64_t extent;
        if (!whole(json_array_get(shape, i), &extent))
            return "has a `shape` that is not made of whole numbers";
        if (extent && bytes > data_bytes / extent)
            return "has a `shape` that is larger than the file";
        bytes *= extent;
        entry->shape[entry->rank++] = extent;
    }
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !whole(json_array_get(offsets, 0), &begin) || !whole(json_array_get(offsets, 1), &end))
        return "has no two `data_offsets`";
    if (begin > end || end > data_bytes) return "lies outside the file's data";
    if (end - begin != bytes) return "has `data_offsets` that do not fit its shape";
    entry->data = data + begin;
    entry->bytes = bytes;
    return NULL;
}

static int by_place(const void *a, const void *b) {
    const CoupletTensorEntry *x = *(CoupletTensorEntry *const *)a;
    const CoupletTensorEntry *y = *(CoupletTensorEntry *const *)b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

/* True if no two arrays share bytes. All arrays together take as many bytes as there are, so a gap
 * means that two of them overlap. */
static bool lie_apart(const char *path, const CoupletTensorFile *file, char *error,
                      size_t error_bytes) {
    CoupletTensorEntry **sorted = malloc(((size_t)file->count + 1) * sizeof *sorted);
    const CoupletTensorEntry *first = NULL;
    const CoupletTensorEntry *second = NULL;
    for (int i = 0; sorted && i < file->count; i++)
        sorted[i] = &file->entries[i];
    if (sorted) {
        qsort(sorted, (size_t)file->count, sizeof *sorted, by_place);
    }
    for (int i = 1; sorted && !first && i < file->count; i++) {
        if ((const char *)sorted[i]->data >=
            (const char *)sorted[i - 1]->data + sorted[i - 1]->bytes)
            continue;
        first = sorted[i - 1];
        second = sorted[i];
    }
    if (!sorted)
        snprintf(error, error_bytes, "%s: out of memory", path);
    else if (first)
        snprintf(error, error_bytes,
                 "%s: the arrays `%.100s` and `%.100s` share bytes, and each has bytes of its own "
                 "in this format; the header is damaged, write the file anew",
                 path, first->name, second->name);
    const bool good = sorted && !first;
    free(sorted);
    return good;
}

static bool read_entries(const char *path, bool any, CoupletTensorFile *out, const char *data,
                         int64_t data_bytes, char *error, size_t error_bytes) {
    json_t *root = out->json;
    json_t *item;
    const char *name;
    out->entries = calloc(json_object_size(root) + 1, sizeof *out->entries);
    if (!out->entries) {
        snprintf(error, error_bytes, "%s: out of memory", path);
        return false;
    }
    int64_t sum = 0;
    json_object_foreach(root, name, item) {
        if (strcmp(name, "__metadata__") == 0) continue;
        CoupletTensorEntry *entry = &out->entries[out->count];
        entry->name = name;
        const char *wrong = read_entry(item, any, entry, data, data_bytes);
        if (wrong) {
            snprintf(error, error_bytes, "%s: the array `%.100s` %s", path, name, wrong);
            return false;
        }
        sum += entry->bytes;
        out->count++;
    }
    if (sum == data_bytes) return lie_apart(path, out, error, error_bytes);
    snprintf(error, error_bytes,
             "%s: the arrays take %lld bytes, and the file has %lld after its header", path,
             (long long)sum, (long long)data_bytes);
    return false;
}

static bool parse(const char *name, bool any, const void *bytes, size_t length,
                  CoupletTensorFile *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    const char *text = bytes;
    uint64_t header = 0;
    for (int i = 0; i < LENGTH_BYTES && length >= LENGTH_BYTES; i++)
        header |= (uint64_t)(uint8_t)text[i] << (8 * i);
    bool good = false;
    if (length < LENGTH_BYTES)
        snprintf(error, error_bytes,
                 "%s: the file has %zu bytes, too few for the length of a header", name, length);
    else if (header > length - LENGTH_BYTES)
        snprintf(error, error_bytes,
                 "%s: the header is said to have %llu bytes, and the file ends after %zu", name,
                 (unsigned long long)header, length - LENGTH_BYTES);
    else {
        json_error_t found;
        out->json = json_loadb(text + LENGTH_BYTES, (size_t)header, JSON_REJECT_DUPLICATES, &found);
        if (json_is_object((json_t *)out->json))
            good = read_entries(name, any, out, text + LENGTH_BYTES + header,
                                (int64_t)(length - LENGTH_BYTES - header), error, error_bytes);
        else
            snprintf(error, error_bytes,
                     "%s: the header is no JSON object (%s); this is no safetensors file, or it is "
                     "damaged",
                     name, out->json ? "something else" : found.text);
    }
    if (!good) couplet_tensors_free(out);
    return good;
}

bool couplet_tensors_parse(const char *name, const void *bytes, size_t length,
                           CoupletTensorFile *out, char *error, size_t error_bytes) {
    return parse(name, false, bytes, length, out, error, error_bytes);
}

bool couplet_tensors_parse_any(const char *name, const void *bytes, size_t length,
                               CoupletTensorFile *out, char *error, size_t error_bytes) {
    return parse(name, true, bytes, length, out, error, error_bytes);
}

bool couplet_tensors_read(const char *path, CoupletTensorFile *out, char *error,
                          size_t error_bytes) {
    size_t length;
    char *bytes = couplet_text_read(path, &length, error, error_bytes);
    bool good = bytes && couplet_tensors_parse(path, bytes, length, out, error, error_bytes);
    if (good)
        out->bytes = bytes;
    else
        free(bytes);
    return good;
}

const CoupletTensorEntry *couplet_tensors_find(const CoupletTensorFile *file, const char *name) {
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].name, name) == 0) return &file->entries[i];
    return NULL;
}

const char *couplet_tensors_metadata(const CoupletTensorFile *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->json, "__metadata__"), key));
}

void couplet_tensors_free(CoupletTensorFile *file) {
    json_decref(file->json);
    free(file->entries);
    free(file->bytes);
    memset(file, 0, sizeof *file);
}
