/* Arrays in the IDX format (that of MNIST): a header of a type and up to nine axes, then the
 * elements, the most significant byte first; gzipped or not. The first axis counts samples.
 * docs/data/idx.md says which fields they become. */
#include "runtime/data/mapping.h"
#include "runtime/data/mapping_guard.h"
#include "runtime/data/reader.h"
#include "runtime/data/stamp.h"
#include "runtime/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static const char debian_folder[] = "/usr/share/datasets/fashion-mnist";

enum {
    MOST_AXES = COUPLET_MAX_RANK, /* the most axes of a file; a batch of samples has as many */
    /* An upper bound of the bytes that a byte of deflate can become. */
    MOST_INFLATED = 1100,
    PIECE = 1 << 20,
    ALIGNMENT = 64,
    MOST_CLASSES = 65536,
    FASHION_CLASSES = 10,
    FASHION_SIDE = 28
};
/* Smaller files are read as a whole, so that later changes of the file do not matter. */
static const int64_t least_mapped = INT64_C(1) << 26;

/* ---- types ----------------------------------------------------------------------------------- */

typedef struct Element {
    int code;
    int bytes;
    bool real;
} Element;

static const Element elements[] = {{0x08, 1, false}, {0x09, 1, false}, {0x0B, 2, false},
                                   {0x0C, 4, false}, {0x0D, 4, true},  {0x0E, 8, true}};
enum {
    U8 = 0x08,
    I8 = 0x09,
};

static const Element *element_of(int code) {
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (elements[i].code == code) return &elements[i];
    return NULL;
}

static uint64_t big_endian_word(const uint8_t *bytes, int count) {
    uint64_t word = 0;
    for (int i = 0; i < count; i++)
        word = word << 8 | bytes[i];
    return word;
}

static int32_t whole_of(const uint8_t *bytes, const Element *e) {
    const uint32_t word = (uint32_t)big_endian_word(bytes, e->bytes);
    if (e->code == U8) return (int32_t)word;
    const int shift = 32 - 8 * e->bytes; /* the shift keeps the sign */
    return (int32_t)(word << shift) >> shift;
}

static float real_of(const uint8_t *bytes, const Element *e) {
    const uint64_t word = big_endian_word(bytes, e->bytes);
    const uint32_t low = (uint32_t)word;
    float single;
    double twice;
    memcpy(&single, &low, sizeof single);
    memcpy(&twice, &word, sizeof twice);
    return e->bytes == 4 ? single : (float)twice;
}

/* ---- a file ---------------------------------------------------------------------------------- */

typedef struct File {
    const char *path;
    gzFile stream;
    int64_t offset; /* the position in the unpacked stream */
    int64_t bytes;  /* the size of the file on the disk */
    bool packed;
    const Element *element;
    int rank;
    int64_t shape[MOST_AXES];
    int64_t count; /* elements */
    char *error;
    size_t error_bytes;
} File;

/* Reads exactly `count` bytes. A stream that ends early or cannot be unpacked is an error. */
static bool read_exactly(File *f, uint8_t *to, int64_t count, const char *what) {
    for (int64_t got = 0; got < count;) {
        const int want = count - got < PIECE ? (int)(count - got) : PIECE;
        const int read = gzread(f->stream, to + got, (unsigned)want);
        if (read > 0) {
            got += read;
            continue;
        }
        int code;
        const char *text = gzerror(f->stream, &code);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            snprintf(f->error, f->error_bytes,
                     "%s: the gzip stream is corrupt near byte %lld of its contents (%s)", f->path,
                     (long long)(f->offset + got), text);
        else
            snprintf(f->error, f->error_bytes,
                     "%s: the file ends in %s at byte %lld of its contents; %lld more bytes were "
                     "expected",
                     f->path, what, (long long)(f->offset + got), (long long)(count - got));
        return false;
    }
    f->offset += count;
    return true;
}

/* Reads past the last element, because the checksum is verified only at the end. */
static bool read_end(File *f) {
    uint8_t more;
    int code;
    const int read = gzread(f->stream, &more, 1);
    const char *text = gzerror(f->stream, &code);
    if (read == 0 && (code == Z_OK || code == Z_STREAM_END)) return true;
    if (read == 0)
        snprintf(f->error, f->error_bytes,
                 "%s: the file ends in the gzip trailer after byte %lld of its contents", f->path,
                 (long long)f->offset);
    else if (read < 0)
        snprintf(f->error, f->error_bytes, "%s: the gzip stream is corrupt at its end (%s)",
                 f->path, text);
    else
        snprintf(f->error, f->error_bytes,
                 "%s: there are bytes after the last element, at byte %lld of its contents",
                 f->path, (long long)f->offset);
    return false;
}

static bool read_axes(File *f) {
    uint8_t axis[4];
    /* The most elements that a file of this size can hold. If an axis says more, nothing is
     * allocated for it. */
    const int64_t most = (f->packed ? f->bytes * MOST_INFLATED : f->bytes) / f->element->bytes + 1;
    f->count = 1;
    for (int i = 0; i < f->rank; i++) {
        if (!read_exactly(f, axis, 4, "the header")) return false;
        f->shape[i] = (int64_t)big_endian_word(axis, 4);
        if (f->shape[i] == 0 || f->shape[i] > most / f->count) {
            snprintf(f->error, f->error_bytes,
                     "%s: axis %d of the header is %lld, which makes no sensible size for a file "
                     "of %lld bytes",
                     f->path, i + 1, (long long)f->shape[i], (long long)f->bytes);
            return false;
        }
        f->count *= f->shape[i];
    }
    return true;
}

static bool read_header(File *f) {
    uint8_t head[4];
    if (!read_exactly(f, head, 4, "the magic number")) return false;
    f->element = head[0] || head[1] ? NULL : element_of(head[2]);
    f->rank = head[3];
    if (f->element && f->rank >= 1 && f->rank <= MOST_AXES) return read_axes(f);
    snprintf(f->error, f->error_bytes,
             "%s: the magic number is %02x%02x%02x%02x, and two zeros, a type (08, 09, 0b, 0c, 0d "
             "or 0e) and one to %d axes are expected of an IDX file",
             f->path, head[0], head[1], head[2], head[3], MOST_AXES);
    return false;
}

static void close_file(File *f) {
    if (f->stream) gzclose(f->stream);
    f->stream = NULL;
}

static bool open_file(File *f, const char *path, char *error, size_t error_bytes) {
    struct stat status;
    *f = (File){.path = path, .error = error, .error_bytes = error_bytes};
    errno = 0;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    else
        f->stream = gzopen(path, "rbe");
    if (!f->stream) {
        snprintf(error, error_bytes, "%s: cannot be opened: %s", path,
                 errno ? strerror(errno) : "out of memory");
        return false;
    }
    f->bytes = status.st_size;
    f->packed = !gzdirect(f->stream);
    const bool good = read_header(f);
    if (good && !f->packed && f->bytes < f->offset + f->count * f->element->bytes)
        snprintf(error, error_bytes,
                 "%s: the file ends in the elements at byte %lld of its contents; %lld more bytes "
                 "were expected",
                 path, (long long)f->bytes,
                 (long long)(f->offset + f->count * f->element->bytes - f->bytes));
    else if (good && !f->packed && f->bytes > f->offset + f->count * f->element->bytes)
        snprintf(error, error_bytes,
                 "%s: there are bytes after the last element, at byte %lld of its contents", path,
                 (long long)(f->offset + f->count * f->element->bytes));
    else if (good)
        return true;
    close_file(f);
    return false;
}

/* ---- elements -------------------------------------------------------------------------------- */

/* Converts elements to float or int32. Returns false with a sentence if a real one is no finite
 * float. */
static bool convert_elements(const File *f, const uint8_t *from, int64_t first, int64_t count,
                             void *out) {
    const Element *e = f->element;
    for (int64_t i = 0; i < count; i++) {
        if (!e->real) {
            ((int32_t *)out)[first + i] = whole_of(from + i * e->bytes, e);
            continue;
        }
        const float value = real_of(from + i * e->bytes, e);
        ((float *)out)[first + i] = value;
        if (isfinite(value)) continue;
        const int64_t sample = f->count / f->shape[0];
        snprintf(
            f->error, f->error_bytes,
            "%s: element %lld of sample %lld is %s, and finite numbers of 32 bits are expected",
            f->path, (long long)((first + i) % sample), (long long)((first + i) / sample),
            isnan(value) ? "no number" : "infinite, or becomes so");
        return false;
    }
    return true;
}

/* Reads all elements: bytes as they are if `type` is U8, else as ints or reals of 32 bits. */
static bool read_elements(File *f, CoupletType type, void *out) {
    if (type == COUPLET_U8) return read_exactly(f, out, f->count, "the elements") && read_end(f);
    const int64_t piece = PIECE / 8;
    uint8_t *bytes = malloc((size_t)(piece * f->element->bytes));
    bool good = bytes != NULL;
    if (!good) {
        snprintf(f->error, f->error_bytes, "%s: out of memory", f->path);
    }
    for (int64_t done = 0; good && done < f->count; done += piece) {
        const int64_t here = f->count - done < piece ? f->count - done : piece;
        good = read_exactly(f, bytes, here * f->element->bytes, "the elements") &&
               convert_elements(f, bytes, done, here, out);
    }
    free(bytes);
    return good && read_end(f);
}

/* ---- labels ---------------------------------------------------------------------------------- */

typedef struct Labels {
    int32_t *values;
    int64_t count;
} Labels;

static bool read_labels(const char *path, Labels *out, char *error, size_t error_bytes) {
    File f;
    if (!open_file(&f, path, error, error_bytes)) return false;
    bool good = false;
    out->count = f.count;
    if (f.rank != 1)
        snprintf(error, error_bytes, "%s: labels in one axis are expected, and the file has %d",
                 path, f.rank);
    else if (f.element->real)
        snprintf(error, error_bytes, "%s: labels are whole numbers, and the file holds reals",
                 path);
    else if (!(out->values = couplet_lines_take(f.count * (int64_t)sizeof *out->values)))
        snprintf(error, error_bytes, "%s: out of memory", path);
    else
        good = read_elements(&f, COUPLET_I32, out->values);
    if (!good) {
        free(out->values);
        out->values = NULL;
    }
    close_file(&f);
    return good;
}

/* Returns the number of classes. Labels that count from 0 are classes, as in data.arrays. */
static int64_t classes_of(const Labels *labels) {
    int32_t least = INT32_MAX;
    int32_t most = INT32_MIN;
    for (int64_t i = 0; i < labels->count; i++) {
        if (labels->values[i] < least) least = labels->values[i];
        if (labels->values[i] > most) most = labels->values[i];
    }
    return least == 0 && most < MOST_CLASSES ? (int64_t)most + 1 : 0;
}

/* ---- tables ---------------------------------------------------------------------------------- */

typedef struct State {
    char path[COUPLET_PATH_BYTES];
    char labels_path[COUPLET_PATH_BYTES];
    Labels labels; /* `values` is NULL if there are no labels */
} State;

typedef struct Storage {
    void *samples;
    void *mapped;
    size_t mapped_bytes;
    int32_t *labels;
} Storage;

static bool out_of_memory(const char *path, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: out of memory", path);
    return false;
}

static uint64_t hash_file(uint64_t key, const char *path) {
    struct stat status = {0};
    if (stat(path, &status) != 0) return key;
    const uint64_t stamp = couplet_stamp(&status);
    key = couplet_hash(key, path, strlen(path));
    return couplet_hash(key, &stamp, sizeof stamp);
}

/* Adds the field of the samples. Bytes in two axes are a picture of one channel. */
static CoupletField *add_samples(CoupletTable *out, const File *f, const char *name) {
    const bool picture = f->element->code == U8 && f->rank >= 3;
    const bool grey = picture && f->rank == 3;
    const CoupletType type = picture ? COUPLET_U8 : f->element->real ? COUPLET_F32 : COUPLET_I32;
    int64_t shape[MOST_AXES + 1] = {1};
    for (int i = 1; i < f->rank; i++)
        shape[i - 1 + grey] = f->shape[i];
    if (!*name) name = picture && f->rank <= 4 ? "image" : "x";
    return couplet_table_add(out, name, type, f->rank - 1 + grey, shape);
}

static bool add_fields(CoupletTable *out, const File *f, const char *name, const State *state,
                       char *error, size_t error_bytes) {
    if (!add_samples(out, f, name)) return out_of_memory(f->path, error, error_bytes);
    if (!state->labels.values) return true;
    CoupletField *label = couplet_table_add(out, "label", COUPLET_I32, 0, NULL);
    if (!label) return out_of_memory(f->path, error, error_bytes);
    label->classes = classes_of(&state->labels);
    return true;
}

static bool open_samples(CoupletTable *out, State *state, const char *name, char *error,
                         size_t error_bytes) {
    File f;
    if (!open_file(&f, state->path, error, error_bytes)) return false;
    bool good = add_fields(out, &f, name, state, error, error_bytes);
    if (good && state->labels.values && f.shape[0] != state->labels.count) {
        snprintf(error, error_bytes,
                 "%s has %lld labels, and %s has %lld samples; one for each is expected",
                 state->labels_path, (long long)state->labels.count, state->path,
                 (long long)f.shape[0]);
        good = false;
    }
    out->held = f.shape[0];
    out->state = state;
    out->key = hash_file(hash_file(COUPLET_HASH_START, state->path), state->labels_path);
    close_file(&f);
    return good;
}

static void free_state(State *state) {
    if (state) free(state->labels.values);
    free(state);
}

/* Writes the path of the labels, which lie beside the samples unless their path is absolute. */
static bool place_labels(const char *samples, const char *labels, char *out, char *error,
                         size_t error_bytes) {
    const char *slash = strrchr(samples, '/');
    const int folder = *labels == '/' || !slash ? 0 : (int)(slash - samples) + 1;
    const int length = snprintf(out, COUPLET_PATH_BYTES, "%.*s%s", folder, samples, labels);
    if (length < COUPLET_PATH_BYTES) return true;
    snprintf(error, error_bytes, "%.200s..: a path has at most %d bytes", labels,
             COUPLET_PATH_BYTES - 1);
    return false;
}

static bool open_idx(const CoupletRequest *request, CoupletTable *out, char *error,
                     size_t error_bytes) {
    const char *labels = couplet_request_text(request, "labels");
    State *state = calloc(1, sizeof *state);
    if (!state) return out_of_memory(request->path, error, error_bytes);
    snprintf(out->name, sizeof out->name, "%s", request->path);
    bool good = couplet_path_absolute(request->path, out->path, error, error_bytes);
    if (good) {
        snprintf(state->path, sizeof state->path, "%s", request->path);
    }
    if (good && *labels)
        good = place_labels(request->path, labels, state->labels_path, error, error_bytes);
    /* new samples may have no labels */
    if (good && *labels && (!request->unlabelled || access(state->labels_path, F_OK) == 0))
        good = read_labels(state->labels_path, &state->labels, error, error_bytes);
    good = good &&
           open_samples(out, state, couplet_request_text(request, "field"), error, error_bytes);
    if (!good) free_state(state);
    return good;
}

static bool map_samples(const File *f, Storage *storage, const void **column) {
    const int descriptor = open(f->path, O_RDONLY | O_CLOEXEC);
    void *mapped = descriptor < 0
                       ? MAP_FAILED
                       : mmap(NULL, (size_t)f->bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (descriptor >= 0) close(descriptor);
    if (mapped == MAP_FAILED) return false;
    storage->mapped = mapped;
    storage->mapped_bytes = (size_t)f->bytes;
    couplet_guard_begin(mapped, storage->mapped_bytes, f->path);
    *column = (const char *)mapped + f->offset;
    return true;
}

static bool load_samples(const State *state, const CoupletField *field, Storage *storage,
                         const void **column, char *error, size_t error_bytes) {
    File f;
    if (!open_file(&f, state->path, error, error_bytes)) return false;
    bool good = field->type == COUPLET_U8 && !f.packed && f.bytes >= least_mapped &&
                map_samples(&f, storage, column);
    if (!good) {
        const int64_t bytes = f.count * (field->type == COUPLET_U8 ? 1 : (int64_t)sizeof(int32_t));
        *column = storage->samples = couplet_lines_take(bytes);
        if (!*column)
            snprintf(error, error_bytes, "%s: out of memory for %lld bytes", state->path,
                     (long long)bytes);
        good = *column && read_elements(&f, field->type, storage->samples);
    }
    close_file(&f);
    return good;
}

static void release_storage(void *context) {
    Storage *storage = context;
    couplet_guard_end(storage->mapped);
    if (storage->mapped) munmap(storage->mapped, storage->mapped_bytes);
    free(storage->samples);
    free(storage->labels);
    free(storage);
}

static bool load(CoupletTable *table, char *error, size_t error_bytes) {
    const State *state = table->state;
    Storage *storage = calloc(1, sizeof *storage);
    if (!storage) return out_of_memory(state->path, error, error_bytes);
    bool good =
        load_samples(state, &table->fields[0], storage, &table->columns[0], error, error_bytes);
    if (good && state->labels.values) {
        table->columns[1] = storage->labels =
            couplet_lines_take(state->labels.count * (int64_t)sizeof *storage->labels);
        good = storage->labels ? true : out_of_memory(state->labels_path, error, error_bytes);
        if (good)
            memcpy(storage->labels, state->labels.values,
                   (size_t)state->labels.count * sizeof *storage->labels);
    }
    if (!good) {
        release_storage(storage);
        return false;
    }
    const CoupletField *samples = &table->fields[0];
    table->hash = couplet_hash(COUPLET_HASH_START, samples->shape,
                               (size_t)samples->rank * sizeof *samples->shape);
    if (storage->labels)
        table->hash = couplet_hash(table->hash, storage->labels,
                                   (size_t)table->held * sizeof *storage->labels);
    table->hash = couplet_hash_array(table->hash, table->columns[0],
                                     table->held * couplet_field_bytes(samples));
    table->mapped = storage->mapped != NULL;
    table->storage = storage;
    table->release = release_storage;
    return true;
}

static bool column(const CoupletTable *table, int field, int32_t *out, char *error,
                   size_t error_bytes) {
    const State *state = table->state;
    if (error_bytes) *error = 0;
    if (field != 1) return false;
    memcpy(out, state->labels.values, (size_t)table->held * sizeof *out);
    return true;
}

static void close_table(CoupletTable *table) {
    free_state(table->state);
}

const CoupletReader couplet_reader_idx = {
    .name = "idx", .open = open_idx, .load = load, .column = column, .close = close_table};

/* ---- Fashion-MNIST: the four files of a folder ----------------------------------------------- */

static bool is_file(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* Finds FOLDER/NAME.gz, or FOLDER/NAME; zlib reads both. */
static bool find_file(const char *folder, const char *prefix, const char *rest, char *out,
                      char *error, size_t error_bytes) {
    for (int packed = 1; packed >= 0; packed--) {
        const int length = snprintf(out, COUPLET_PATH_BYTES, "%s/%s-%s%s", folder, prefix, rest,
                                    packed ? ".gz" : "");
        if (length >= COUPLET_PATH_BYTES) {
            snprintf(error, error_bytes, "%.200s..: a path has at most %d bytes", folder,
                     COUPLET_PATH_BYTES - 1);
            return false;
        }
        if (is_file(out)) return true;
    }
    snprintf(error, error_bytes,
             "%s: this folder has no %s-%s.gz, nor one without .gz. A data folder holds "
             "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
             "t10k-labels-idx1-ubyte in the IDX format",
             folder, prefix, rest);
    return false;
}

static bool find_files(const char *split, const char *folder, CoupletTable *out, State *state,
                       char *error, size_t error_bytes) {
    if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0) {
        snprintf(error, error_bytes, "fashion_mnist has no split `%s`; it has train and test",
                 split);
        return false;
    }
    struct stat status;
    const bool there = stat(folder, &status) == 0;
    if (!there || !S_ISDIR(status.st_mode)) {
        snprintf(error, error_bytes,
                 "%s: this data folder %s; --data FOLDER names another, and Debian's package "
                 "dataset-fashion-mnist installs the data",
                 folder, there ? "is a file" : "does not exist");
        return false;
    }
    if (!couplet_path_absolute(folder, out->path, error, error_bytes)) return false;
    const char *prefix = strcmp(split, "test") == 0 ? "t10k" : "train";
    return find_file(out->path, prefix, "labels-idx1-ubyte", state->labels_path, error,
                     error_bytes) &&
           find_file(out->path, prefix, "images-idx3-ubyte", state->path, error, error_bytes);
}

/* True if the images are bytes in 28 rows of 28. Returns false with a sentence otherwise. */
static bool has_fashion_shape(const State *state, char *error, size_t error_bytes) {
    File f;
    if (!open_file(&f, state->path, error, error_bytes)) return false;
    if (f.rank != 3 || f.element->code != U8)
        snprintf(error, error_bytes,
                 "%s: images of bytes in three axes (count, rows, columns) are expected, and the "
                 "file has %d axes of type %02x",
                 state->path, f.rank, (unsigned)f.element->code);
    else if (f.shape[1] != FASHION_SIDE || f.shape[2] != FASHION_SIDE)
        snprintf(error, error_bytes,
                 "%s: its images are %lld x %lld, and %d x %d is expected; data.idx reads images "
                 "of any size",
                 state->path, (long long)f.shape[1], (long long)f.shape[2], FASHION_SIDE,
                 FASHION_SIDE);
    else {
        close_file(&f);
        return true;
    }
    close_file(&f);
    return false;
}

static bool has_fashion_labels(const State *state, char *error, size_t error_bytes) {
    for (int64_t i = 0; i < state->labels.count; i++) {
        if (state->labels.values[i] >= 0 && state->labels.values[i] < FASHION_CLASSES) continue;
        snprintf(error, error_bytes, "%s: the label of sample %lld is %d, and 0 to %d is expected",
                 state->labels_path, (long long)i, state->labels.values[i], FASHION_CLASSES - 1);
        return false;
    }
    return true;
}

static bool open_fashion(const CoupletRequest *request, CoupletTable *out, char *error,
                         size_t error_bytes) {
    static const char *const names[FASHION_CLASSES] = {
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    const char *set = getenv("COUPLET_DATA");
    const char *folder = request->path ? request->path : set && *set ? set : debian_folder;
    State *state = calloc(1, sizeof *state);
    if (!state) return out_of_memory(folder, error, error_bytes);
    snprintf(out->name, sizeof out->name, "fashion_mnist (%.100s)", request->split);
    bool good = find_files(request->split, folder, out, state, error, error_bytes) &&
                read_labels(state->labels_path, &state->labels, error, error_bytes) &&
                has_fashion_labels(state, error, error_bytes) &&
                has_fashion_shape(state, error, error_bytes) &&
                open_samples(out, state, "image", error, error_bytes);
    if (good && !couplet_field_classes(&out->fields[1], names, FASHION_CLASSES))
        good = out_of_memory(folder, error, error_bytes);
    if (!good) free_state(state);
    return good;
}

const CoupletReader couplet_reader_fashion_mnist = {.name = "fashion_mnist",
                                                    .open = open_fashion,
                                                    .load = load,
                                                    .column = column,
                                                    .close = close_table};
