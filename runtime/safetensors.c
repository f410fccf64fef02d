#include "runtime/safetensors.h"

#include "runtime/files.h"
#include "runtime/plan.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"F32", "I32", "U8"}; /* by CoupletType */
enum { TYPE_COUNT = 3, LENGTH_BYTES = 8 };

static int64_t entry_bytes(const CoupletTensorEntry *e) {
    int64_t bytes = couplet_type_bytes(e->type);
    for (int i = 0; i < e->rank; i++) bytes *= e->shape[i];
    return bytes;
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static char *make_header(const CoupletTensorEntry *entries, int count, const CoupletTensorPair *pairs, int pair_count) {
    cJSON *root = cJSON_CreateObject(), *about = cJSON_AddObjectToObject(root, "__metadata__");
    for (int i = 0; i < pair_count; i++) cJSON_AddStringToObject(about, pairs[i].key, pairs[i].value);
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        cJSON *entry = cJSON_AddObjectToObject(root, entries[i].name);
        cJSON_AddStringToObject(entry, "dtype", type_names[entries[i].type]);
        cJSON *shape = cJSON_AddArrayToObject(entry, "shape"), *offsets = cJSON_AddArrayToObject(entry, "data_offsets");
        for (int k = 0; k < entries[i].rank; k++) cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)entries[i].shape[k]));
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
        at += entry_bytes(&entries[i]);
        cJSON_AddItemToArray(offsets, cJSON_CreateNumber((double)at));
    }
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

bool couplet_tensors_write(const char *path, const CoupletTensorEntry *entries, int count, const CoupletTensorPair *pairs, int pair_count, char *error,
                           size_t error_bytes) {
    char *header = make_header(entries, count, pairs, pair_count);
    if (!header) {
        snprintf(error, error_bytes, "%s: out of memory for the header", path);
        return false;
    }
    FILE *file = couplet_file_begin(path, error, error_bytes);
    if (!file) {
        cJSON_free(header);
        return false;
    }
    size_t length = strlen(header), padded = (length + 7) / 8 * 8;
    uint8_t head[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++) head[i] = (uint8_t)((uint64_t)padded >> (8 * i));
    fwrite(head, 1, sizeof head, file);
    fwrite(header, 1, length, file);
    for (size_t i = length; i < padded; i++) fputc(' ', file);
    for (int i = 0; i < count; i++) fwrite(entries[i].data, 1, (size_t)entry_bytes(&entries[i]), file);
    cJSON_free(header);
    return couplet_file_commit(path, file, error, error_bytes);
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static bool whole(const cJSON *item, int64_t *out) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > 0x1p52 || item->valuedouble != floor(item->valuedouble)) return false;
    *out = (int64_t)item->valuedouble;
    return true;
}

/* One entry's fields; the sentence says which of them is wrong. */
static const char *read_entry(const cJSON *item, CoupletTensorEntry *entry, const char *data, int64_t data_bytes) {
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "dtype"));
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape"), *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets"), *axis;
    int found = -1;
    for (int i = 0; type && i < TYPE_COUNT; i++)
        if (strcmp(type, type_names[i]) == 0) found = i;
    if (found < 0) return "has no `dtype` of F32, I32 or U8";
    if (!cJSON_IsArray(shape) || cJSON_GetArraySize(shape) > COUPLET_MAX_RANK) return "has no `shape` of at most 8 axes";
    entry->name = item->string;
    entry->type = (CoupletType)found;
    int64_t bytes = couplet_type_bytes(entry->type), begin, end;
    cJSON_ArrayForEach(axis, shape) {
        int64_t extent;
        if (!whole(axis, &extent)) return "has a `shape` that is not made of whole numbers";
        if (extent && bytes > data_bytes / extent) return "has a `shape` that is larger than the file";
        bytes *= extent;
        entry->shape[entry->rank++] = extent;
    }
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 || !whole(cJSON_GetArrayItem(offsets, 0), &begin) || !whole(cJSON_GetArrayItem(offsets, 1), &end))
        return "has no two `data_offsets`";
    if (begin > end || end > data_bytes) return "lies outside the file's data";
    if (end - begin != bytes) return "has `data_offsets` that do not fit its shape";
    entry->data = data + begin;
    return NULL;
}

static bool read_entries(const char *path, CoupletTensorFile *out, const char *data, int64_t data_bytes, char *error, size_t error_bytes) {
    cJSON *root = out->json, *item;
    out->entries = calloc((size_t)cJSON_GetArraySize(root) + 1, sizeof *out->entries);
    if (!out->entries) {
        snprintf(error, error_bytes, "%s: out of memory", path);
        return false;
    }
    int64_t sum = 0;
    cJSON_ArrayForEach(item, root) {
        if (strcmp(item->string, "__metadata__") == 0) continue;
        const char *wrong = couplet_tensors_find(out, item->string) ? "is there twice" : read_entry(item, &out->entries[out->count], data, data_bytes);
        if (wrong) {
            snprintf(error, error_bytes, "%s: the array `%.100s` %s", path, item->string, wrong);
            return false;
        }
        sum += entry_bytes(&out->entries[out->count++]);
    }
    if (sum == data_bytes) return true;
    snprintf(error, error_bytes, "%s: the arrays take %lld bytes, and the file has %lld after its header", path, (long long)sum, (long long)data_bytes);
    return false;
}

bool couplet_tensors_read(const char *path, CoupletTensorFile *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    size_t length;
    out->bytes = couplet_text_read(path, &length, error, error_bytes);
    if (!out->bytes) return false;
    uint64_t header = 0;
    for (int i = 0; i < LENGTH_BYTES && length >= LENGTH_BYTES; i++) header |= (uint64_t)(uint8_t)out->bytes[i] << (8 * i);
    bool good = false;
    if (length < LENGTH_BYTES) snprintf(error, error_bytes, "%s: the file has %zu bytes, too few for the length of a header", path, length);
    else if (header > length - LENGTH_BYTES)
        snprintf(error, error_bytes, "%s: the header is said to have %llu bytes, and the file ends after %zu", path, (unsigned long long)header, length - LENGTH_BYTES);
    else {
        out->json = cJSON_ParseWithLength(out->bytes + LENGTH_BYTES, (size_t)header);
        if (cJSON_IsObject((cJSON *)out->json))
            good = read_entries(path, out, out->bytes + LENGTH_BYTES + header, (int64_t)(length - LENGTH_BYTES - header), error, error_bytes);
        else snprintf(error, error_bytes, "%s: the header is no JSON object; this is no safetensors file, or it is damaged", path);
    }
    if (!good) couplet_tensors_free(out);
    return good;
}

const CoupletTensorEntry *couplet_tensors_find(const CoupletTensorFile *file, const char *name) {
    for (int i = 0; i < file->count; i++)
        if (strcmp(file->entries[i].name, name) == 0) return &file->entries[i];
    return NULL;
}

const char *couplet_tensors_metadata(const CoupletTensorFile *file, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(file->json, "__metadata__"), key));
}

void couplet_tensors_free(CoupletTensorFile *file) {
    cJSON_Delete(file->json);
    free(file->entries);
    free(file->bytes);
    memset(file, 0, sizeof *file);
}
