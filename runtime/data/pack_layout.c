/* Lays out the columns of a safetensors file. Columns are aligned to 64 bytes, and the format
 * allows no gap between arrays, so arrays whose names begin with two underscores fill the gaps. The
 * length of the header is computed ahead, since columns are written before it. */
#include "runtime/data/pack_layout.h"

#include "runtime/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    NAME_BYTES = 24,
    MOST_PAIRS_MORE = 16,
};

/* ---- columns -------------------------------------------------------------------------------- */

static bool fail(const CoupletTable *table, const char *sentence, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s", table->name, sentence);
    return false;
}

/* Adds a field's column to the layout. Returns false if its bytes do not fit 64 bits. */
static bool add_column(CoupletPackLayout *l, const CoupletField *field) {
    CoupletTensorEntry *column = &l->entries[l->count++];
    *column =
        (CoupletTensorEntry){.name = field->name, .type = field->type, .rank = field->rank + 1};
    column->shape[0] = l->rows;
    int64_t bytes = couplet_type_bytes(field->type);
    bool fits = !__builtin_mul_overflow(bytes, l->rows, &bytes);
    for (int i = 0; i < field->rank; i++) {
        column->shape[i + 1] = field->shape[i];
        fits = fits && !__builtin_mul_overflow(bytes, field->shape[i], &bytes);
    }
    return fits && !__builtin_add_overflow(l->data_bytes, bytes, &l->data_bytes);
}

/* Adds an array that fills the gap up to the next multiple of the alignment. Its name contains
 * `number`. */
static bool add_filling(CoupletPackLayout *l, json_t *texts, int number) {
    const int64_t over = l->data_bytes % COUPLET_PACK_ALIGNMENT;
    if (over == 0) return true;
    json_t *name = json_sprintf("__fill%d", number);
    if (!name || json_array_append_new(texts, name) != 0) return false;
    const int64_t missing = COUPLET_PACK_ALIGNMENT - over;
    CoupletTensorEntry *filling = &l->entries[l->count++];
    *filling = (CoupletTensorEntry){
        .name = json_string_value(name), .type = COUPLET_U8, .rank = 1, .shape = {missing}};
    return !__builtin_add_overflow(l->data_bytes, missing, &l->data_bytes);
}

/* ---- metadata of the fields ------------------------------------------------------------------ */

/* Returns a JSON list of the names, or the number of classes. */
static char *classes_text(const CoupletField *field) {
    json_t *value = field->class_names ? json_array() : json_integer(field->classes);
    bool good = value != NULL;
    for (int64_t c = 0; good && field->class_names && c < field->classes; c++)
        good = json_array_append_new(value, json_string(field->class_names[c])) == 0;
    char *text = good ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    return text;
}

/* Adds the names of a field's classes to the metadata. Returns false if memory is out. */
static bool add_classes(CoupletPackLayout *l, json_t *texts, const CoupletField *field) {
    if (field->classes == 0) return true;
    char *value = classes_text(field);
    json_t *key = json_sprintf("classes.%s", field->name);
    json_t *kept = value ? json_string(value) : NULL;
    free(value);
    const bool good =
        json_array_append_new(texts, key) == 0 && json_array_append_new(texts, kept) == 0;
    if (good)
        l->pairs[l->pair_count++] =
            (CoupletTensorPair){json_string_value(key), json_string_value(kept)};
    return good;
}

/* ---- the layout ------------------------------------------------------------------------------ */

static bool lay_out_fields(CoupletPackLayout *l, const CoupletTable *table, char *error,
                           size_t error_bytes) {
    for (int f = 0; f < table->field_count; f++) {
        const CoupletField *field = &table->fields[f];
        if (field->rank >= COUPLET_MAX_RANK) {
            snprintf(error, error_bytes,
                     "%s: the field `%s` has %d axes, and a field that is packed has at most %d",
                     table->name, field->name, field->rank, COUPLET_MAX_RANK - 1);
            return false;
        }
        l->columns[f] = l->data_bytes;
        if (!add_column(l, field))
            return fail(table, "its rows take more bytes than a file can have", error, error_bytes);
        if (!add_filling(l, l->texts, f) || !add_classes(l, l->texts, field))
            return fail(table, "out of memory for its fields", error, error_bytes);
    }
    return true;
}

bool couplet_pack_layout(const CoupletTable *table, int64_t rows, size_t extra,
                         CoupletPackLayout *l, char *error, size_t error_bytes) {
    const size_t fields = (size_t)table->field_count;
    *l = (CoupletPackLayout){.rows = rows};
    l->entries = calloc(2 * fields + 1, sizeof *l->entries);
    l->columns = calloc(fields + 1, sizeof *l->columns);
    l->pairs = calloc(fields + MOST_PAIRS_MORE, sizeof *l->pairs);
    l->texts = json_array();
    bool good = l->entries && l->columns && l->pairs && l->texts;
    if (!good) {
        fail(table, "out of memory for its fields", error, error_bytes);
    }
    good = good && lay_out_fields(l, table, error, error_bytes);
    char *head = NULL;
    if (good) {
        head = couplet_tensors_head(l->entries, l->count, l->pairs, l->pair_count,
                                    COUPLET_PACK_ALIGNMENT, 0, &l->head_bytes);
        l->head_bytes +=
            (extra + COUPLET_PACK_ALIGNMENT - 1) / COUPLET_PACK_ALIGNMENT * COUPLET_PACK_ALIGNMENT;
        for (int f = 0; f < table->field_count; f++)
            l->columns[f] += (int64_t)l->head_bytes;
        if (!head)
            good = fail(
                table, "its fields have names that no JSON text can hold (UTF-8), or memory is out",
                error, error_bytes);
    }
    free(head);
    if (!good) couplet_pack_layout_free(l);
    return good;
}

static void *join_bytes(const void *first, size_t first_bytes, const void *second,
                        size_t second_bytes) {
    char *both = malloc(first_bytes + second_bytes + 1);
    if (!both) return NULL;
    if (first_bytes) memcpy(both, first, first_bytes);
    if (second_bytes) memcpy(both + first_bytes, second, second_bytes);
    return both;
}

char *couplet_pack_head(const CoupletPackLayout *l, const CoupletTensorEntry *after,
                        int after_count, const CoupletTensorPair *more, int more_count) {
    const size_t entry = sizeof *after;
    const size_t pair = sizeof *more;
    CoupletTensorEntry *entries =
        join_bytes(l->entries, (size_t)l->count * entry, after, (size_t)after_count * entry);
    CoupletTensorPair *pairs =
        join_bytes(more, (size_t)more_count * pair, l->pairs, (size_t)l->pair_count * pair);
    size_t length;
    char *head = NULL;
    if (entries && pairs)
        head =
            couplet_tensors_head(entries, l->count + after_count, pairs, l->pair_count + more_count,
                                 COUPLET_PACK_ALIGNMENT, l->head_bytes, &length);
    free(entries);
    free(pairs);
    return head;
}

void couplet_pack_layout_free(CoupletPackLayout *l) {
    json_decref(l->texts);
    free(l->entries);
    free(l->columns);
    free(l->pairs);
    *l = (CoupletPackLayout){.rows = 0};
}

/* ---- the file -------------------------------------------------------------------------------- */

bool couplet_pack_put(int file, const void *bytes, size_t length, int64_t place) {
    const char *at = bytes;
    while (length > 0) {
        const ssize_t written = pwrite(file, at, length, place);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            if (written == 0) errno = ENOSPC;
            return false;
        }
        at += written;
        place += written;
        length -= (size_t)written;
    }
    return true;
}

const char *couplet_bytes_text(int64_t count, char *out, size_t bytes) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)count;
    int unit = 0;
    for (; value >= 999.5; unit++)
        value /= 1000;
    const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(out, bytes, "%.*f %s", digits, value, units[unit]);
    return out;
}

/* Reserves blocks. A file beyond the limit of the process would end it by a signal. */
static int reserve(int file, int64_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        (uint64_t)bytes > limit.rlim_cur)
        return EFBIG;
    int reason;
    do
        reason = posix_fallocate(file, 0, bytes);
    while (reason == EINTR);
    return reason;
}

bool couplet_pack_reserve(int file, const char *path, const char *of, int64_t bytes, char *error,
                          size_t error_bytes) {
    const int reason = reserve(file, bytes);
    if (reason == 0) return true;
    char needed[32];
    char left[32];
    struct statvfs disk;
    /* the bytes that were written before the disk was full are freed */
    const bool emptied = ftruncate(file, 0) == 0;
    couplet_bytes_text(bytes, needed, sizeof needed);
    const bool known = emptied && fstatvfs(file, &disk) == 0;
    if (reason == ENOSPC && known)
        snprintf(error, error_bytes,
                 "%s: the packed copy of %s needs %s (%lld bytes), and the disk has %s free", path,
                 of, needed, (long long)bytes,
                 couplet_bytes_text((int64_t)(disk.f_bavail * disk.f_frsize), left, sizeof left));
    else
        snprintf(error, error_bytes, "%s: the packed copy of %s needs %s (%lld bytes): %s", path,
                 of, needed, (long long)bytes, strerror(reason));
    return false;
}
