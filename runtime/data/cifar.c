/* data.cifar10 and data.cifar100: the binary versions of the two sets (docs/data/cifar.md). A file
 * is a row of records: one label, or a coarse and a fine one, and a picture of three planes of 32 x
 * 32 bytes. */
#include "runtime/data/reader.h"
#include "runtime/data/stamp.h"
#include "runtime/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SIDE = 32,
    PICTURE_BYTES = 3 * SIDE * SIDE,
    MOST_FILES = 5,
    MOST_LABELS = 2,
    MOST_CLASSES = 100,
    ALIGNMENT = 64,
    RECORDS_AT_ONCE = 256
};

/* A byte of a record that is a label. */
typedef struct Label {
    const char *field;
    int classes;
    const char *names; /* the file in the same folder that names the classes */
} Label;

typedef struct Kind {
    const char *reader;
    Label labels[MOST_LABELS]; /* in the order of the record */
    int label_count;
    const char *train[MOST_FILES + 1], *test[2]; /* NULL at the end */
} Kind;

static const Kind cifar10 = {"cifar10",
                             {{"label", 10, "batches.meta.txt"}},
                             1,
                             {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                              "data_batch_4.bin", "data_batch_5.bin"},
                             {"test_batch.bin"}};
static const Kind cifar100 = {
    "cifar100",
    {{"coarse", 20, "coarse_label_names.txt"}, {"label", 100, "fine_label_names.txt"}},
    2,
    {"train.bin"},
    {"test.bin"}};

typedef struct File {
    char path[COUPLET_PATH_BYTES];
    int64_t records;
} File;

typedef struct Cifar {
    const Kind *kind;
    File files[MOST_FILES];
    int file_count;
} Cifar;

static int record_bytes(const Kind *kind) {
    return kind->label_count + PICTURE_BYTES;
}

static bool out_of_memory(const CoupletTable *table, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: out of memory", table->name);
    return false;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool add_file(Cifar *c, const char *path, uint64_t *key, char *error, size_t error_bytes) {
    struct stat info;
    File *file = &c->files[c->file_count++];
    int bytes = record_bytes(c->kind);
    if (strlen(path) >= sizeof file->path) {
        snprintf(error, error_bytes, "%s: the path is longer than %d bytes", path,
                 COUPLET_PATH_BYTES);
        return false;
    }
    strcpy(file->path, path);
    errno = 0;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        snprintf(error, error_bytes, "%s: cannot be read: %s", path,
                 errno ? strerror(errno) : "this is no file");
        return false;
    }
    if (info.st_size == 0 || info.st_size % bytes != 0) {
        snprintf(error, error_bytes,
                 "%s: the file has %lld bytes, and whole records of %d bytes were expected (%s in "
                 "the binary version)",
                 path, (long long)info.st_size, bytes, c->kind->reader);
        return false;
    }
    file->records = info.st_size / bytes;
    const uint64_t stamp = couplet_stamp(&info);
    const char *slash = strrchr(path, '/');
    *key = couplet_hash(*key, slash ? slash : path, strlen(slash ? slash : path));
    *key = couplet_hash(*key, &stamp, sizeof stamp);
    return true;
}

static bool add_folder(Cifar *c, const char *folder, const char *split, uint64_t *key, char *error,
                       size_t error_bytes) {
    bool is_test = strcmp(split, "test") == 0;
    if (!is_test && strcmp(split, "train") != 0) {
        snprintf(error, error_bytes, "`split` of %s is \"%s\"; \"train\" or \"test\" was expected",
                 c->kind->reader, split);
        return false;
    }
    for (const char *const *name = is_test ? c->kind->test : c->kind->train; *name; name++) {
        char path[COUPLET_PATH_BYTES];
        if (!couplet_path_join(folder, *name, path, error, error_bytes) ||
            !add_file(c, path, key, error, error_bytes))
            return false;
    }
    return true;
}

/* Takes the names of classes from a file with a name in each line. Returns false with a sentence if
 * there are not as many names as classes. */
static bool read_class_names(CoupletField *field, const Label *label, const char *path, char *error,
                             size_t error_bytes) {
    const char *names[MOST_CLASSES];
    char *rest = NULL;
    size_t length;
    int count = 0;
    char *text = couplet_text_read(path, &length, error, error_bytes);
    if (!text) return false;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (count < label->classes) names[count] = line;
        count++;
    }
    bool good = count == label->classes;
    if (!good)
        snprintf(error, error_bytes, "%s: the file has %d names of classes, and %d were expected",
                 path, count, label->classes);
    else if (!couplet_field_classes(field, names, count)) {
        good = false;
        snprintf(error, error_bytes, "%s: out of memory", path);
    }
    free(text);
    return good;
}

/* Adds the label fields, with the names of their classes if the file of names lies in the
 * folder. */
static bool add_labels(const Kind *kind, const char *folder, CoupletTable *out, char *error,
                       size_t error_bytes) {
    for (int i = 0; i < kind->label_count; i++) {
        const Label *label = &kind->labels[i];
        char path[COUPLET_PATH_BYTES];
        CoupletField *field = couplet_table_add(out, label->field, COUPLET_I32, 0, NULL);
        if (!field) return out_of_memory(out, error, error_bytes);
        field->classes = label->classes;
        if (!couplet_path_join(folder, label->names, path, error, error_bytes)) return false;
        if (access(path, F_OK) == 0 && !read_class_names(field, label, path, error, error_bytes))
            return false;
    }
    return true;
}

/* Writes the folder that contains the path. */
static void folder_of(const char *path, char *out) {
    const char *slash = strrchr(path, '/');
    snprintf(out, COUPLET_PATH_BYTES, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static bool open_files(const CoupletRequest *request, Cifar *c, CoupletTable *out, char *error,
                       size_t error_bytes) {
    static const int64_t shape[3] = {3, SIDE, SIDE};
    struct stat info;
    char folder[COUPLET_PATH_BYTES];
    size_t length = request->path ? strlen(request->path) : 0;
    size_t most = sizeof out->name - 1;
    if (!length) {
        snprintf(error, error_bytes, "data.%s needs the path of a folder or a file",
                 c->kind->reader);
        return false;
    }
    snprintf(out->name, sizeof out->name, "%s",
             length > most ? request->path + length - most : request->path);
    if (!couplet_path_absolute(request->path, out->path, error, error_bytes)) return false;
    bool is_folder = stat(out->path, &info) == 0 && S_ISDIR(info.st_mode);
    if (!is_folder && couplet_request_gives(request, "split")) {
        snprintf(error, error_bytes,
                 "%s: this is a file, and `split` chooses from a folder; leave `split` out",
                 out->name);
        return false;
    }
    out->key = couplet_hash(COUPLET_HASH_START, c->kind->reader, strlen(c->kind->reader));
    if (is_folder)
        strcpy(folder, out->path);
    else
        folder_of(out->path, folder);
    return (is_folder ? add_folder(c, request->path, couplet_request_text(request, "split"),
                                   &out->key, error, error_bytes)
                      : add_file(c, request->path, &out->key, error, error_bytes)) &&
           (couplet_table_add(out, "image", COUPLET_U8, 3, shape) ||
            out_of_memory(out, error, error_bytes)) &&
           add_labels(c->kind, folder, out, error, error_bytes);
}

static bool open_kind(const Kind *kind, const CoupletRequest *request, CoupletTable *out,
                      char *error, size_t error_bytes) {
    Cifar *c = calloc(1, sizeof *c);
    if (!c) return out_of_memory(out, error, error_bytes);
    c->kind = kind;
    if (!open_files(request, c, out, error, error_bytes)) {
        free(c);
        return false;
    }
    for (int i = 0; i < c->file_count; i++)
        out->held += c->files[i].records;
    out->state = c;
    return true;
}

static bool open_10(const CoupletRequest *request, CoupletTable *out, char *error,
                    size_t error_bytes) {
    return open_kind(&cifar10, request, out, error, error_bytes);
}

static bool open_100(const CoupletRequest *request, CoupletTable *out, char *error,
                     size_t error_bytes) {
    return open_kind(&cifar100, request, out, error, error_bytes);
}

static void close_cifar(CoupletTable *table) {
    free(table->state);
}

/* ---- loading --------------------------------------------------------------------------------- */

/* The columns of a table that the records are written into. */
typedef struct Columns {
    uint8_t *images;
    int32_t *labels[MOST_LABELS];
} Columns;

static bool read_exactly(int file, uint8_t *bytes, size_t count) {
    while (count) {
        ssize_t got = read(file, bytes, count);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        bytes += got;
        count -= (size_t)got;
    }
    return true;
}

static bool take_sample(const Kind *kind, const File *file, int64_t number, const uint8_t *record,
                        const Columns *to, int64_t row, char *error, size_t error_bytes) {
    for (int i = 0; i < kind->label_count; i++) {
        to->labels[i][row] = record[i];
        if (record[i] < kind->labels[i].classes) continue;
        snprintf(error, error_bytes,
                 "%s: record %lld (from 0) has %d for `%s`; a number from 0 to %d was expected (%s "
                 "in the binary version)",
                 file->path, (long long)number, record[i], kind->labels[i].field,
                 kind->labels[i].classes - 1, kind->reader);
        return false;
    }
    memcpy(to->images + row * PICTURE_BYTES, record + kind->label_count, PICTURE_BYTES);
    return true;
}

static bool load_file(const Kind *kind, const File *file, const Columns *to, int64_t first_row,
                      uint8_t *records, char *error, size_t error_bytes) {
    size_t bytes = (size_t)record_bytes(kind);
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    bool good = descriptor >= 0;
    if (!good) {
        snprintf(error, error_bytes, "%s: cannot be read: %s", file->path, strerror(errno));
    }
    for (int64_t done = 0; good && done < file->records;) {
        int64_t left = file->records - done;
        int64_t count = left < RECORDS_AT_ONCE ? left : RECORDS_AT_ONCE;
        errno = 0;
        good = read_exactly(descriptor, records, (size_t)count * bytes);
        if (!good)
            snprintf(error, error_bytes, "%s: record %lld (from 0) cannot be read: %s", file->path,
                     (long long)done, errno ? strerror(errno) : "the file became shorter");
        for (int64_t i = 0; good && i < count; i++)
            good = take_sample(kind, file, done + i, records + (size_t)i * bytes, to,
                               first_row + done + i, error, error_bytes);
        done += count;
    }
    if (descriptor >= 0) close(descriptor);
    return good;
}

static size_t aligned_bytes(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool load_cifar(CoupletTable *table, char *error, size_t error_bytes) {
    const Cifar *c = table->state;
    size_t image_bytes = aligned_bytes((size_t)table->held * PICTURE_BYTES);
    size_t label_bytes = aligned_bytes((size_t)table->held * sizeof(int32_t));
    uint8_t *storage =
        aligned_alloc(ALIGNMENT, image_bytes + (size_t)c->kind->label_count * label_bytes);
    uint8_t *records = malloc((size_t)RECORDS_AT_ONCE * (size_t)record_bytes(c->kind));
    bool good = (storage && records) || out_of_memory(table, error, error_bytes);
    Columns to = {.images = storage};
    for (int i = 0; good && i < c->kind->label_count; i++)
        to.labels[i] = (int32_t *)(storage + image_bytes + (size_t)i * label_bytes);
    for (int64_t i = 0, row = 0; good && i < c->file_count; row += c->files[i++].records)
        good = load_file(c->kind, &c->files[i], &to, row, records, error, error_bytes);
    free(records);
    if (!good) {
        free(storage);
        return false;
    }
    table->columns[0] = to.images;
    table->hash = couplet_hash(COUPLET_HASH_START, to.images, (size_t)table->held * PICTURE_BYTES);
    for (int i = 0; i < c->kind->label_count; i++) {
        table->columns[i + 1] = to.labels[i];
        table->hash =
            couplet_hash(table->hash, to.labels[i], (size_t)table->held * sizeof(int32_t));
    }
    table->storage = storage;
    table->release = free;
    return true;
}

static void name_row(const CoupletTable *table, int64_t row, char *out, size_t bytes) {
    const Cifar *c = table->state;
    int file = 0;
    while (file + 1 < c->file_count && row >= c->files[file].records)
        row -= c->files[file++].records;
    snprintf(out, bytes, "%s, record %lld", c->files[file].path, (long long)row);
}

const CoupletReader couplet_reader_cifar10 = {.name = "cifar10",
                                              .open = open_10,
                                              .load = load_cifar,
                                              .name_row = name_row,
                                              .close = close_cifar};
const CoupletReader couplet_reader_cifar100 = {.name = "cifar100",
                                               .open = open_100,
                                               .load = load_cifar,
                                               .name_row = name_row,
                                               .close = close_cifar};
