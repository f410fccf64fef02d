#include "runtime/dataset.h"

#include "runtime/idx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char debian_folder[] = "/usr/share/datasets/fashion-mnist";

enum { CLASSES = 10, SIDE = 28, PATH_BYTES = 1024 };

static bool take(CoupletDataset *out, CoupletIdx *images, const CoupletIdx *labels, const char *image_path, const char *label_path, char *error, size_t error_bytes) {
    if (images->rank != 3 || images->shape[1] != SIDE || images->shape[2] != SIDE) {
        snprintf(error, error_bytes, "%s: images of %d x %d in three axes were expected, and the file has %d axes", image_path, SIDE, SIDE, images->rank);
        return false;
    }
    if (labels->rank != 1 || labels->count != images->shape[0]) {
        snprintf(error, error_bytes, "%s has %lld labels, and %s has %lld images; one for each was expected", label_path, (long long)labels->count, image_path,
                 (long long)images->shape[0]);
        return false;
    }
    out->labels = malloc((size_t)labels->count * sizeof *out->labels);
    if (!out->labels) {
        snprintf(error, error_bytes, "%s: out of memory", label_path);
        return false;
    }
    for (int64_t i = 0; i < labels->count; i++) {
        if (labels->bytes[i] >= CLASSES) {
            snprintf(error, error_bytes, "%s: label %lld is %d, and 0 to %d was expected", label_path, (long long)i, labels->bytes[i], CLASSES - 1);
            return false;
        }
        out->labels[i] = labels->bytes[i];
    }
    out->count = labels->count;
    out->shape[0] = 1;
    out->shape[1] = out->shape[2] = SIDE;
    out->image_bytes = SIDE * SIDE;
    out->images = images->bytes;
    images->bytes = NULL; /* taken over */
    out->class_count = CLASSES;
    return true;
}

bool couplet_dataset_open(const char *reader, const char *split, const char *folder, CoupletDataset *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    const char *set = getenv("COUPLET_DATA");
    bool given = folder || (set && *set);
    if (!folder) folder = given ? set : debian_folder;
    if (strcmp(reader, "fashion_mnist") != 0) {
        snprintf(error, error_bytes, "there is no data reader `%s`; there is fashion_mnist", reader);
        return false;
    }
    struct stat status;
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode)) {
        snprintf(error, error_bytes, "%s: this data folder %s; --data FOLDER names another, and Debian's package dataset-fashion-mnist installs the data", folder,
                 stat(folder, &status) == 0 ? "is a file" : "does not exist");
        return false;
    }
    const char *prefix = strcmp(split, "test") == 0 ? "t10k" : "train";
    char image_path[PATH_BYTES], label_path[PATH_BYTES];
    snprintf(image_path, sizeof image_path, "%s/%s-images-idx3-ubyte.gz", folder, prefix);
    snprintf(label_path, sizeof label_path, "%s/%s-labels-idx1-ubyte.gz", folder, prefix);
    snprintf(out->name, sizeof out->name, "%s (%s)", reader, split);
    CoupletIdx images, labels;
    bool good = couplet_idx_read(image_path, &images, error, error_bytes);
    if (good) {
        memset(&labels, 0, sizeof labels);
        good = couplet_idx_read(label_path, &labels, error, error_bytes);
        if (good) good = take(out, &images, &labels, image_path, label_path, error, error_bytes);
        couplet_idx_free(&labels);
    }
    couplet_idx_free(&images);
    if (!good) couplet_dataset_free(out);
    return good;
}

void couplet_dataset_free(CoupletDataset *data) {
    free(data->images);
    free(data->labels);
    memset(data, 0, sizeof *data);
}
