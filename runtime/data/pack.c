/* Packed copies: finds, checks and maps them, or makes, writes and renames them. Files for
 * data.arrays are written here too, since they have the same layout.
 *
 * A copy is found by the request and the files (copies.h), so a source that has changed has another
 * copy, and an old one is never taken for it. The copy lists the rows that could not be read, with
 * the reasons, so later runs report them without decoding again. The header is written last: a file
 * without it is no copy. */
#include "runtime/data/pack.h"

#include "runtime/clock.h"
#include "runtime/data/copies.h"
#include "runtime/data/pack_layout.h"
#include "runtime/data/pack_rows.h"
#include "runtime/data/reader.h"
#include "runtime/data/stamp.h"
#include "runtime/hash.h"
#include "runtime/selection.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Behind the columns a copy has two arrays about the rows that could not be read: their numbers,
 * and a line with the reason for each. */
static const char format[] = "couplet packed 1", file_format[] = "couplet data 1",
                  row_hashes[] = "__rows", skipped_rows[] = "__skipped",
                  skipped_reasons[] = "__reasons";

enum {
    /* The bytes of the header for the arrays behind the columns, and for the metadata. */
    HEAD_EXTRA = 4096,
    SMALL_COLUMN = 64 << 20
};

typedef struct Copy {
    CoupletMapped mapped;
    const int32_t *bad; /* [bad_count], ascending */
    int64_t bad_count;
    const char *reasons; /* lines, [reason_bytes] */
    int64_t reason_bytes;
} Copy;

static void release_copy(void *storage) {
    Copy *copy = storage;
    couplet_mapped_close(&copy->mapped);
    free(copy);
}

/* ---- a copy that is there -------------------------------------------------------------------- */

static bool is_column(const CoupletTensorEntry *entry, const CoupletField *field, int64_t rows) {
    if (!entry || entry->type != field->type || entry->rank != field->rank + 1 ||
        entry->shape[0] != rows)
        return false;
    if ((uintptr_t)entry->data % COUPLET_PACK_ALIGNMENT) return false;
    return field->rank == 0 ||
           memcmp(entry->shape + 1, field->shape, (size_t)field->rank * sizeof *field->shape) == 0;
}

/* Takes the rows that were left out when the copy was made, and the reasons. Returns false if the
 * copy's own arrays of them are damaged. */
static bool take_skipped(Copy *copy, int64_t rows) {
    const CoupletTensorEntry *bad = couplet_tensors_find(&copy->mapped.file, skipped_rows);
    const CoupletTensorEntry *why = couplet_tensors_find(&copy->mapped.file, skipped_reasons);
    if (!bad && !why) return true;
    if (!bad || !why || bad->type != COUPLET_I32 || why->type != COUPLET_U8 || bad->rank != 1 ||
        why->rank != 1 || bad->shape[0] > rows)
        return false;
    copy->bad = bad->data;
    copy->bad_count = bad->shape[0];
    copy->reasons = why->data;
    copy->reason_bytes = why->shape[0];
    for (int64_t i = 0; i < copy->bad_count; i++)
        if (copy->bad[i] < (i ? copy->bad[i - 1] + 1 : 0) || copy->bad[i] >= rows) return false;
    return copy->reason_bytes > 0 && copy->reasons[copy->reason_bytes - 1] == '\n';
}

/* True if the mapped file is a copy of the table. Takes its columns and its hash. */
static bool is_copy_of(Copy *copy, CoupletTable *table, const void **columns) {
    const char *made_as = couplet_tensors_metadata(&copy->mapped.file, "format");
    const char *hash = couplet_tensors_metadata(&copy->mapped.file, "hash");
    uint64_t value = 0;
    if (!made_as || strcmp(made_as, format) != 0 || !hash ||
        sscanf(hash, "%16" SCNx64, &value) != 1)
        return false;
    for (int f = 0; f < table->field_count; f++) {
        const CoupletTensorEntry *entry =
            couplet_tensors_find(&copy->mapped.file, table->fields[f].name);
        if (!is_column(entry, &table->fields[f], table->held)) return false;
        columns[f] = entry->data;
    }
    if (!take_skipped(copy, table->held)) return false;
    table->hash = value;
    return true;
}

/* Marks the copy as used, by the file's time of access. The time of change is left alone, since it
 * tells those who have the copy mapped that it was written to. */
static void mark_used(const char *path) {
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    const struct timespec now[] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    futimens(file, now);
    close(file);
}

typedef enum { USED, ABSENT /* ABSENT: there is no copy, or it does not fit */, FAILED } Found;

static Found tell_found(Found found, CoupletTable *table, const char *sentence, char *error,
                        size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s", table->name, sentence);
    return found;
}

/* Finds a copy that can be used for the table, and gives the table its columns. ABSENT: there is
 * none that fits. FAILED: memory is out. */
static Found find_copy(const char *path, CoupletTable *table, Copy **out, char *error,
                       size_t error_bytes) {
    Copy *copy = calloc(1, sizeof *copy);
    const void **columns = calloc((size_t)table->field_count + 1, sizeof *columns);
    Found found = copy && columns ? ABSENT
                                  : tell_found(FAILED, table, "out of memory for its columns",
                                               error, error_bytes);
    if (found == ABSENT && couplet_mapped_open(path, &copy->mapped, error, error_bytes)) {
        if (is_copy_of(copy, table, columns))
            found = USED;
        else
            couplet_mapped_close(&copy->mapped);
        /* if there is no room to map a copy, it is not made again */
    } else if (errno == ENOMEM)
        found = FAILED;
    if (found == USED) {
        table->columns = columns;
        *out = copy;
        mark_used(path);
        return USED;
    }
    free(copy);
    free(columns);
    return found;
}

/* ---- rows that are left out ------------------------------------------------------------------ */

/* Copies the next line of the reasons to `out`. */
static const char *next_reason(const char *at, const char *end, char *out, size_t bytes) {
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    const size_t length = stop ? (size_t)(stop - at) : 0;
    snprintf(out, bytes, "%.*s", (int)length, at);
    return stop ? stop + 1 : end;
}

static void tell_skipped(const Copy *copy, const CoupletLoading *loading) {
    char sentence[COUPLET_PATH_BYTES + 512];
    const char *at = copy->reasons;
    const char *end = at + copy->reason_bytes;
    while (loading->skipped && at < end) {
        at = next_reason(at, end, sentence, sizeof sentence);
        loading->skipped(loading->context, sentence);
    }
}

/* Leaves out the rows that could not be read when the copy was made. Returns false with a sentence
 * if there are more of them than --skip-bad allows, or if no row is left. */
static bool leave_out_rows(CoupletTable *table, const Copy *copy, const CoupletLoading *loading,
                           char *error, size_t error_bytes) {
    char first[COUPLET_PATH_BYTES + 512];
    if (copy->bad_count == 0) return true;
    next_reason(copy->reasons, copy->reasons + copy->reason_bytes, first, sizeof first);
    if (copy->bad_count > loading->skip_bad) {
        snprintf(error, error_bytes,
                 "%s; --skip-bad %lld leaves out the %lld row%s of %s that cannot be read", first,
                 (long long)copy->bad_count, (long long)copy->bad_count,
                 copy->bad_count == 1 ? "" : "s", table->name);
        return false;
    }
    const int64_t kept = table->held - copy->bad_count;
    if (kept == 0) {
        snprintf(error, error_bytes, "%s: none of its rows can be read; of the first: %s",
                 table->name, first);
        return false;
    }
    table->origin = malloc((size_t)kept * sizeof *table->origin);
    if (!table->origin) {
        snprintf(error, error_bytes, "%s: out of memory for the numbers of its rows", table->name);
        return false;
    }
    int64_t count = 0;
    int64_t bad = 0;
    for (int64_t row = 0; row < table->held; row++) {
        if (bad < copy->bad_count && copy->bad[bad] == row)
            bad++;
        else
            table->origin[count++] = (int32_t)row;
    }
    table->count = count;
    tell_skipped(copy, loading);
    return true;
}

/* ---- making a copy --------------------------------------------------------------------------- */

typedef struct Making {
    const CoupletTable *table;
    const CoupletLoading *loading;
    const char *path;
    char partial[COUPLET_PATH_BYTES];
    CoupletPackLayout layout;
    CoupletBadRows bad;
    uint64_t hash;
    int file;
    char *error;
    size_t error_bytes;
} Making;

static bool fail_writing(const Making *m, const char *doing) {
    snprintf(m->error, m->error_bytes, "%s: the packed copy of %s cannot be %s: %s", m->path,
             m->table->name, doing, strerror(errno));
    return false;
}

static bool begin_file(Making *m) {
    errno = ENAMETOOLONG;
    const bool fits_name =
        snprintf(m->partial, sizeof m->partial, "%s.partial", m->path) < (int)sizeof m->partial;
    m->file = fits_name
                  ? open(m->partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666)
                  : -1;
    return m->file >= 0 || fail_writing(m, "written; COUPLET_CACHE=FOLDER names another folder");
}

/* Joins the reasons to lines. A line break inside a reason becomes a space. */
static char *join_reasons(const CoupletBadRows *bad, size_t *length) {
    *length = 0;
    for (int64_t i = 0; i < bad->count; i++)
        *length += strlen(bad->rows[i].sentence) + 1;
    char *text = malloc(*length + 1);
    char *at = text;
    for (int64_t i = 0; text && i < bad->count; i++) {
        for (const char *c = bad->rows[i].sentence; *c; c++)
            *at++ = *c == '\n' ? ' ' : *c;
        *at++ = '\n';
    }
    return text;
}

/* Writes the two arrays behind the columns. Returns false with errno. */
static bool put_skipped(const Making *m, CoupletTensorEntry *after) {
    size_t length;
    char *reasons = join_reasons(&m->bad, &length);
    int32_t *rows = malloc((size_t)m->bad.count * sizeof *rows);
    const int64_t place = (int64_t)m->layout.head_bytes + m->layout.data_bytes;
    const size_t row_bytes = (size_t)m->bad.count * sizeof *rows;
    errno = ENOMEM;
    for (int64_t i = 0; rows && i < m->bad.count; i++)
        rows[i] = (int32_t)m->bad.rows[i].row;
    const bool good = reasons && rows && couplet_pack_put(m->file, rows, row_bytes, place) &&
                      couplet_pack_put(m->file, reasons, length, place + (int64_t)row_bytes);
    free(reasons);
    free(rows);
    after[0] = (CoupletTensorEntry){
        .name = skipped_rows, .type = COUPLET_I32, .rank = 1, .shape = {m->bad.count}};
    after[1] = (CoupletTensorEntry){
        .name = skipped_reasons, .type = COUPLET_U8, .rank = 1, .shape = {(int64_t)length}};
    return good;
}

static bool put_head(const Making *m, const CoupletTensorEntry *after, int after_count) {
    char hash[24];
    char rows[24];
    snprintf(hash, sizeof hash, "%016" PRIx64, m->hash);
    snprintf(rows, sizeof rows, "%lld", (long long)m->table->held);
    const CoupletTensorPair pairs[] = {
        {"format", format},       {"reader", m->table->reader->name},
        {"path", m->table->path}, {"choices", m->table->choices},
        {"rows", rows},           {"hash", hash},
    };
    char *head =
        couplet_pack_head(&m->layout, after, after_count, pairs, sizeof pairs / sizeof *pairs);
    errno = ENOMEM;
    const bool good = head && couplet_pack_put(m->file, head, m->layout.head_bytes, 0);
    free(head);
    return good;
}

/* Writes the header last, since a file without it does not have the format. */
static bool put_rest(const Making *m) {
    CoupletTensorEntry after[2];
    const int after_count = m->bad.count ? 2 : 0;
    if (after_count && !put_skipped(m, after)) return fail_writing(m, "written");
    if (!put_head(m, after, after_count)) return fail_writing(m, "written");
    if (fsync(m->file) != 0) return fail_writing(m, "written");
    if (rename(m->partial, m->path) != 0) return fail_writing(m, "renamed");
    couplet_folder_sync(m->path);
    return true;
}

static void tell_size(const Making *m, double seconds) {
    char size[32];
    char sentence[2 * COUPLET_PATH_BYTES];
    if (!m->loading->said) return;
    snprintf(
        sentence, sizeof sentence, "%s: %lld rows packed in %.1f s, %s in %s", m->table->name,
        (long long)m->table->held, seconds,
        couplet_bytes_text((int64_t)m->layout.head_bytes + m->layout.data_bytes, size, sizeof size),
        m->path);
    m->loading->said(m->loading->context, sentence);
}

/* Returns the additional length of the header for strings of the metadata, whose length has no
 * limit. */
static size_t extra_of(const CoupletTable *table) {
    return HEAD_EXTRA + 6 * (strlen(table->path) + strlen(table->choices));
}

/* Makes a copy. The process must hold the copy's lock. */
static bool make_copy(const CoupletTable *table, const CoupletLoading *loading, const char *path,
                      char *error, size_t error_bytes) {
    Making m = {.table = table,
                .loading = loading,
                .path = path,
                .file = -1,
                .error = error,
                .error_bytes = error_bytes};
    const double start = couplet_seconds();
    couplet_stamp_settle(table->changed);
    if (!couplet_pack_layout(table, table->held, extra_of(table), &m.layout, error, error_bytes))
        return false;
    const int64_t bytes = (int64_t)m.layout.head_bytes + m.layout.data_bytes;
    bool good =
        begin_file(&m) &&
        couplet_pack_reserve(m.file, path, table->name, bytes, error, error_bytes) &&
        couplet_pack_rows(table, loading, &m.layout, m.file, &m.hash, &m.bad, error, error_bytes) &&
        put_rest(&m);
    if (m.file >= 0) close(m.file);
    if (m.file >= 0 && !good) unlink(m.partial);
    if (good) tell_size(&m, couplet_seconds() - start);
    couplet_bad_rows_free(&m.bad);
    couplet_pack_layout_free(&m.layout);
    return good;
}

/* Makes the copy, unless another process made it while this one waited for the lock. */
static Found make_or_take(const char *folder, const char *path, CoupletTable *table,
                          const CoupletLoading *loading, Copy **copy, char *error,
                          size_t error_bytes) {
    const CoupletCopyWait wait = {table->name, loading->said, loading->context, loading->stop};
    const int lock = couplet_copy_lock(path, &wait, error, error_bytes);
    if (lock < 0) return FAILED;
    Found found = find_copy(path, table, copy, error, error_bytes);
    if (found == ABSENT) {
        couplet_copies_tidy(folder, path);
        found = make_copy(table, loading, path, error, error_bytes)
                    ? find_copy(path, table, copy, error, error_bytes)
                    : FAILED;
        if (found == ABSENT)
            found = tell_found(FAILED, table,
                               "its packed copy was changed by someone else while it was made",
                               error, error_bytes);
    }
    couplet_copy_unlock(path, lock);
    return found;
}

/* ---- loading --------------------------------------------------------------------------------- */

/* Returns the key, with the layout, so that a copy of another version is not found. */
static uint64_t key_of(const CoupletTable *table) {
    uint64_t key = couplet_hash(COUPLET_HASH_START, format, sizeof format);
    key = couplet_hash(key, &table->key, sizeof table->key);
    key = couplet_hash(key, &table->held, sizeof table->held);
    for (int f = 0; f < table->field_count; f++) {
        const CoupletField *field = &table->fields[f];
        const int64_t about[] = {field->type, field->rank, field->classes};
        key = couplet_hash(key, field->name, strlen(field->name));
        key = couplet_hash(key, about, sizeof about);
        key = couplet_hash(key, field->shape, (size_t)field->rank * sizeof *field->shape);
    }
    return key;
}

/* Writes the folder, and the copy's path in it. */
static bool copy_path(const CoupletTable *table, const CoupletLoading *loading, char *folder,
                      char *path, char *error, size_t error_bytes) {
    if (!loading->cache && !couplet_copies_folder(folder, error, error_bytes)) return false;
    if (loading->cache &&
        snprintf(folder, COUPLET_PATH_BYTES, "%s", loading->cache) >= COUPLET_PATH_BYTES) {
        snprintf(error, error_bytes,
                 "%s: the path of the folder for packed copies is longer than %d bytes",
                 table->name, COUPLET_PATH_BYTES);
        return false;
    }
    return couplet_copy_path(folder, table->asked, key_of(table), path, error, error_bytes);
}

static bool make_copy_folder(const CoupletTable *table, const char *folder, char *error,
                             size_t error_bytes) {
    char reason[COUPLET_PATH_BYTES + 128];
    if (couplet_folder_make(folder, NULL, reason, sizeof reason)) return true;
    snprintf(error, error_bytes,
             "the packed copy of %s has no place: %s; COUPLET_CACHE=FOLDER names another folder",
             table->name, reason);
    return false;
}

bool couplet_pack_load(CoupletTable *table, const CoupletLoading *loading, char *error,
                       size_t error_bytes) {
    char folder[COUPLET_PATH_BYTES];
    char path[COUPLET_PATH_BYTES];
    Copy *copy = NULL;
    if (!copy_path(table, loading, folder, path, error, error_bytes)) return false;
    const CoupletTable before = *table;
    Found found = find_copy(path, table, &copy, error, error_bytes);
    if (found == ABSENT)
        found = make_copy_folder(table, folder, error, error_bytes)
                    ? make_or_take(folder, path, table, loading, &copy, error, error_bytes)
                    : FAILED;
    if (found == FAILED) return false;
    if (!leave_out_rows(table, copy, loading, error, error_bytes)) {
        free(table->columns);
        release_copy(copy);
        *table = before;
        return false;
    }
    table->storage = copy;
    table->release = release_copy;
    table->mapped = true;
    return true;
}

bool couplet_pack_check(const CoupletTable *table, char *error, size_t error_bytes) {
    uint64_t hash = table->hash;
    if (table->release != release_copy) return true;
    if (!couplet_pack_hash(table, &hash)) {
        snprintf(error, error_bytes, "%s: out of memory to look through its packed copy",
                 table->name);
        return false;
    }
    if (hash == table->hash) return true;
    snprintf(error, error_bytes,
             "%s: its packed copy is damaged: the bytes have another hash than when it was made. "
             "couplet data --cache --clear %s removes it",
             table->name, table->path);
    return false;
}

/* ---- rows ahead of time ---------------------------------------------------------------------- */

static void ask_for(const char *bytes, int64_t length) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t start = (uintptr_t)bytes / page * page;
    madvise((void *)start, (size_t)((uintptr_t)bytes + (uintptr_t)length - start), MADV_WILLNEED);
}

/* a small column stays in memory anyway, once it has been read */
void couplet_table_prefetch(const CoupletTable *table, const int32_t *rows, int64_t count) {
    for (int f = 0; table->mapped && f < table->field_count; f++) {
        const int64_t bytes = couplet_field_bytes(&table->fields[f]);
        if (bytes * table->held <= SMALL_COLUMN) continue;
        const char *column = table->columns[f];
        for (int64_t i = 0; i < count; i++)
            ask_for(column + rows[i] * bytes, bytes);
    }
}

/* ---- writing a file for data.arrays ---------------------------------------------------------- */

typedef struct Writing {
    const CoupletTable *table;
    const CoupletPackLayout *layout;
    const char *path;
    FILE *file;
    char *error;
    size_t error_bytes;
} Writing;

static bool put_zeros(FILE *file, int64_t count) {
    static const char zeros[COUPLET_PACK_ALIGNMENT];
    return count == 0 || fwrite(zeros, 1, (size_t)count, file) == (size_t)count;
}

/* Writes the chosen rows of one field, and the filling behind them. */
static bool put_column(const Writing *w, int f) {
    const CoupletTable *t = w->table;
    const size_t bytes = (size_t)couplet_field_bytes(&t->fields[f]);
    const char *column = t->columns[f];
    bool good = true;
    for (int64_t row = 0; good && row < t->count; row++)
        good = fwrite(column + (size_t)couplet_table_origin(t, row) * bytes, 1, bytes, w->file) ==
               bytes;
    const int64_t over = (int64_t)bytes * t->count % COUPLET_PACK_ALIGNMENT;
    return good && put_zeros(w->file, over ? COUPLET_PACK_ALIGNMENT - over : 0);
}

/* Writes the hashes, each with its low word first. */
static bool put_row_hashes(const Writing *w) {
    bool good = true;
    for (int64_t row = 0; good && row < w->table->count; row++) {
        const uint64_t hash =
            couplet_selection_row_hash(w->table, couplet_table_origin(w->table, row));
        const uint32_t words[] = {(uint32_t)hash, (uint32_t)(hash >> 32)};
        good = fwrite(words, sizeof *words, 2, w->file) == 2;
    }
    return good;
}

static bool put_columns(const Writing *w) {
    const CoupletTensorPair pairs[] = {{"format", file_format}, {"choices", w->table->choices}};
    const CoupletTensorEntry rows = {
        .name = row_hashes, .type = COUPLET_I32, .rank = 2, .shape = {w->table->count, 2}};
    char *head = couplet_pack_head(w->layout, &rows, 1, pairs, sizeof pairs / sizeof *pairs);
    if (!head) {
        snprintf(w->error, w->error_bytes, "%s: out of memory for the header", w->path);
    }
    bool good = head && fwrite(head, 1, w->layout->head_bytes, w->file) == w->layout->head_bytes;
    free(head);
    for (int f = 0; good && f < w->table->field_count; f++)
        good = put_column(w, f);
    return good && put_row_hashes(w);
}

bool couplet_pack_write(const CoupletTable *table, const char *path, char *error,
                        size_t error_bytes) {
    CoupletPackLayout layout;
    if (!couplet_pack_layout(table, table->count, HEAD_EXTRA, &layout, error, error_bytes))
        return false;
    Writing w = {table, &layout,    path, couplet_file_begin(path, error, error_bytes),
                 error, error_bytes};
    bool good = w.file != NULL;
    if (good &&
        !couplet_pack_reserve(fileno(w.file), path, table->name,
                              (int64_t)layout.head_bytes + layout.data_bytes + 8 * table->count,
                              error, error_bytes)) {
        couplet_file_drop(path, w.file);
        good = false;
    } else if (good) {
        /* the file remembers a failure, and the commit reports it */
        good = put_columns(&w) || ferror(w.file);
        if (good)
            good = couplet_file_commit(path, w.file, error, error_bytes);
        else
            couplet_file_drop(path, w.file);
    }
    couplet_pack_layout_free(&layout);
    return good;
}

/* ---- a file in the place of its source ------------------------------------------------------- */

static bool is_file(const char *path) {
    struct stat status;
    return path && stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

CoupletPackedFile couplet_pack_file_kind(const CoupletRequest *request, const char *choices,
                                         char *error, size_t error_bytes) {
    CoupletMapped mapped;
    char sentence[COUPLET_PATH_BYTES + 256];
    if (strcmp(request->reader, "arrays") == 0 || !is_file(request->path))
        return COUPLET_NOT_PACKED;
    if (!couplet_mapped_open(request->path, &mapped, sentence, sizeof sentence))
        return COUPLET_NOT_PACKED;
    const char *made_as = couplet_tensors_metadata(&mapped.file, "format");
    const char *chosen = couplet_tensors_metadata(&mapped.file, "choices");
    CoupletPackedFile kind = COUPLET_NOT_PACKED;
    if (made_as && chosen && strcmp(made_as, file_format) == 0)
        kind = strcmp(chosen, choices) == 0 ? COUPLET_PACKED_FITS : COUPLET_PACKED_OTHERWISE;
    if (kind == COUPLET_PACKED_OTHERWISE)
        snprintf(error, error_bytes,
                 "%s: this file was packed from data.%s, and the source is data.%s", request->path,
                 chosen, choices);
    couplet_mapped_close(&mapped);
    return kind;
}

static bool take_rows(CoupletTable *table, const CoupletTensorEntry *rows) {
    const uint32_t *words = rows->data;
    table->row_hashes = malloc((size_t)table->held * sizeof *table->row_hashes);
    for (int64_t i = 0; table->row_hashes && i < table->held; i++)
        table->row_hashes[i] = (uint64_t)words[2 * i + 1] << 32 | words[2 * i];
    return table->row_hashes != NULL;
}

bool couplet_pack_take_rows(CoupletTable *table, char *error, size_t error_bytes) {
    CoupletMapped mapped;
    if (!couplet_mapped_open(table->path, &mapped, error, error_bytes)) return false;
    const CoupletTensorEntry *rows = couplet_tensors_find(&mapped.file, row_hashes);
    const bool fits_table = rows && rows->type == COUPLET_I32 && rows->rank == 2 &&
                            rows->shape[0] == table->held && rows->shape[1] == 2;
    const bool good = fits_table && take_rows(table, rows);
    if (!good)
        snprintf(error, error_bytes,
                 "%s: the names of its rows are missing (`%s`), or memory is out; couplet data "
                 "pack writes the file anew",
                 table->name, row_hashes);
    couplet_mapped_close(&mapped);
    return good;
}
