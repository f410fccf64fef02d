#include "runtime/dataset.h"

#include "runtime/files.h"
#include "runtime/hash.h"
#include "runtime/idx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char debian_folder[] = "/usr/share/datasets/fashion-mnist";

enum { CLASSES = 10, SIDE = 28, PATH_BYTES = 1024 };

static bool take_images(CoupletDataset *out, CoupletIdx *images, const char *path, const char *label_path, char *error, size_t error_bytes) {
    if (images->rank != 3) {
        snprintf(error, error_bytes, "%s: images in three axes (count, rows, columns) are expected, and the file has %d", path, images->rank);
        return false;
    }
    if (images->shape[1] != SIDE || images->shape[2] != SIDE) {
        snprintf(error, error_bytes, "%s: its images are %lld x %lld, and %d x %d is expected", path, (long long)images->shape[1], (long long)images->shape[2], SIDE, SIDE);
        return false;
    }
    if (images->shape[0] != out->count) {
        snprintf(error, error_bytes, "%s has %lld labels, and %s has %lld images; one for each is expected", label_path, (long long)out->count, path,
                 (long long)images->shape[0]);
        return false;
    }
    out->images = images->bytes;
    images->bytes = NULL; /* taken over */
    return true;
}

static bool take_labels(CoupletDataset *out, const CoupletIdx *labels, const char *path, char *error, size_t error_bytes) {
    if (labels->rank != 1) {
        snprintf(error, error_bytes, "%s: labels in one axis are expected, and the file has %d", path, labels->rank);
        return false;
    }
    out->labels = malloc((size_t)labels->count * sizeof *out->labels);
    if (!out->labels) {
        snprintf(error, error_bytes, "%s: out of memory", path);
        return false;
    }
    for (int64_t i = 0; i < labels->count; i++) {
        if (labels->bytes[i] >= CLASSES) {
            snprintf(error, error_bytes, "%s: the label of image %lld is %d, and 0 to %d is expected", path, (long long)i, labels->bytes[i], CLASSES - 1);
            return false;
        }
        out->labels[i] = labels->bytes[i];
    }
    out->count = labels->count;
    out->shape[0] = 1;
    out->shape[1] = out->shape[2] = SIDE;
    out->image_bytes = SIDE * SIDE;
    out->class_count = CLASSES;
    return true;
}

static bool is_file(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* FOLDER/NAME.gz, or FOLDER/NAME: packed or not, zlib reads both. */
static bool find_file(const char *folder, const char *prefix, const char *rest, char *out, char *error, size_t error_bytes) {
    for (int packed = 1; packed >= 0; packed--) {
        const int length = snprintf(out, PATH_BYTES, "%s/%s-%s%s", folder, prefix, rest, packed ? ".gz" : "");
        if (length >= PATH_BYTES) {
            snprintf(error, error_bytes, "the path of the data folder is too long: %.200s..", folder);
            return false;
        }
        if (is_file(out)) return true;
    }
    snprintf(error, error_bytes,
             "%s: this folder has no %s-%s.gz, nor one without .gz. A data folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
             "t10k-labels-idx1-ubyte in the IDX format",
             folder, prefix, rest);
    return false;
}

typedef struct Paths {
    char folder[PATH_BYTES], images[PATH_BYTES], labels[PATH_BYTES];
} Paths;

static bool find_files(const char *reader, const char *split, const char *folder, Paths *out, char *error, size_t error_bytes) {
    const char *set = getenv("COUPLET_DATA");
    if (!folder) folder = set && *set ? set : debian_folder;
    if (strcmp(reader, "fashion_mnist") != 0) {
        snprintf(error, error_bytes, "there is no data reader `%s`; there is fashion_mnist", reader);
        return false;
    }
    if (strcmp(split, "train") != 0 && strcmp(split, "test") != 0) {
        snprintf(error, error_bytes, "%s has no split `%s`; it has train and test", reader, split);
        return false;
    }
    struct stat status;
    bool there = stat(folder, &status) == 0;
    if (!there || !S_ISDIR(status.st_mode)) {
        snprintf(error, error_bytes, "%s: this data folder %s; --data FOLDER names another, and Debian's package dataset-fashion-mnist installs the data", folder,
                 there ? "is a file" : "does not exist");
        return false;
    }
    if (!couplet_path_absolute(folder, out->folder, error, error_bytes)) return false;
    const char *prefix = strcmp(split, "test") == 0 ? "t10k" : "train";
    return find_file(folder, prefix, "labels-idx1-ubyte", out->labels, error, error_bytes) &&
           find_file(folder, prefix, "images-idx3-ubyte", out->images, error, error_bytes);
}

static bool read_labels(const Paths *paths, CoupletDataset *out, char *error, size_t error_bytes) {
    CoupletIdx labels;
    bool good = couplet_idx_read(paths->labels, &labels, error, error_bytes);
    if (good) good = take_labels(out, &labels, paths->labels, error, error_bytes);
    couplet_idx_free(&labels);
    return good;
}

static bool read_images(const Paths *paths, CoupletDataset *out, char *error, size_t error_bytes) {
    CoupletIdx images;
    bool good = couplet_idx_read(paths->images, &images, error, error_bytes);
    if (good) good = take_images(out, &images, paths->images, paths->labels, error, error_bytes);
    couplet_idx_free(&images);
    return good;
}

static uint64_t content_hash(const CoupletDataset *data) {
    uint64_t hash = couplet_hash(COUPLET_HASH_START, data->shape, sizeof data->shape);
    hash = couplet_hash(hash, data->labels, (size_t)data->count * sizeof *data->labels);
    return couplet_hash(hash, data->images, (size_t)(data->count * data->image_bytes));
}

static bool open_set(const char *reader, const char *split, const char *folder, bool with_images, CoupletDataset *out, char *error, size_t error_bytes) {
    Paths paths;
    memset(out, 0, sizeof *out);
    if (!find_files(reader, split, folder, &paths, error, error_bytes)) return false;
    snprintf(out->name, sizeof out->name, "%s (%s)", reader, split);
    memcpy(out->folder, paths.folder, sizeof out->folder);
    bool good = read_labels(&paths, out, error, error_bytes) && (!with_images || read_images(&paths, out, error, error_bytes));
    out->held = out->count;
    if (good && with_images) out->hash = content_hash(out);
    if (!good) couplet_dataset_free(out);
    return good;
}

bool couplet_dataset_open(const char *reader, const char *split, const char *folder, CoupletDataset *out, char *error, size_t error_bytes) {
    return open_set(reader, split, folder, true, out, error, error_bytes);
}

bool couplet_dataset_labels(const char *reader, const char *split, const char *folder, CoupletDataset *out, char *error, size_t error_bytes) {
    return open_set(reader, split, folder, false, out, error, error_bytes);
}

void couplet_dataset_free(CoupletDataset *data) {
    free(data->images);
    free(data->labels);
    free(data->origin);
    memset(data, 0, sizeof *data);
}
