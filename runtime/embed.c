#include "runtime/embed.h"

#include "runtime/dataset.h"
#include "runtime/method.h"
#include "runtime/npy.h"
#include "runtime/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Images {
    uint8_t *pixels; /* [count, channels, rows, columns] */
    int64_t count;
} Images;

static bool fail(char *error, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool fail(char *error, size_t bytes, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error, bytes, format, args);
    va_end(args);
    return false;
}

/* ---- from an array ------------------------------------------------------------------------------------------------- */

/* Whether the axes behind the first are those of one image; one channel need not be written. */
static bool has_shape_of(const CoupletNpy *array, const CoupletBuffer *image) {
    const int left_out = image->rank - array->rank;
    if (left_out < 0 || left_out > 1 || (left_out == 1 && image->shape[1] != 1)) return false;
    for (int i = 1; i < array->rank; i++)
        if (array->shape[i] != image->shape[i + left_out]) return false;
    return true;
}

static bool refuse_shape(const char *path, const CoupletNpy *array, const CoupletBuffer *image, char *error, size_t error_bytes) {
    char found[COUPLET_SHAPE_BYTES], wanted[COUPLET_SHAPE_BYTES], flat[COUPLET_SHAPE_BYTES] = "";
    couplet_shape_text(array->rank, array->shape, ", ", found);
    couplet_shape_text(image->rank - 1, image->shape + 1, ", ", wanted);
    const bool grey = image->shape[1] == 1;
    if (grey) couplet_shape_text(image->rank - 2, image->shape + 2, ", ", flat);
    return fail(error, error_bytes, "%s: its shape is (%s), and (count, %s)%s%s%s is expected: images, channels, rows, columns", path, found, wanted,
                grey ? " or (count, " : "", flat, grey ? ")" : "");
}

static bool take_pixels(const char *path, const CoupletNpy *array, Images *out, char *error, size_t error_bytes) {
    out->pixels = malloc((size_t)array->count + 1);
    if (!out->pixels) return fail(error, error_bytes, "out of memory for the images of %s", path);
    for (int64_t i = 0; i < array->count; i++) {
        if (array->wholes[i] < 0 || array->wholes[i] > 255) {
            char number[24];
            couplet_npy_whole_text(array, i, number, sizeof number);
            return fail(error, error_bytes, "%s: image %lld holds the number %s, and pixels go from 0 to 255", path,
                        (long long)(i / (array->count / array->shape[0])), number);
        }
        out->pixels[i] = (uint8_t)array->wholes[i];
    }
    out->count = array->shape[0];
    return true;
}

static bool read_images(const char *path, const CoupletBuffer *image, Images *out, char *error, size_t error_bytes) {
    CoupletNpy array;
    if (!couplet_npy_read(path, &array, error, error_bytes)) return false;
    bool good = array.is_integer || fail(error, error_bytes, "%s: it holds reals, and pixels are whole numbers from 0 to 255", path);
    good = good && (has_shape_of(&array, image) || refuse_shape(path, &array, image, error, error_bytes));
    good = good && take_pixels(path, &array, out, error, error_bytes);
    couplet_npy_free(&array);
    return good;
}

/* ---- from a data source -------------------------------------------------------------------------------------------- */

static bool open_images(const CoupletMethod *method, const CoupletEmbedding *what, const CoupletBuffer *image, Images *out, char *error, size_t error_bytes) {
    CoupletDataset data;
    const CoupletSource *source = couplet_method_program(method)->sources;
    if (!couplet_dataset_open(source->reader, what->split, what->data, &data, error, error_bytes)) return false;
    bool same = image->rank == 4;
    for (int i = 1; same && i < 4; i++) same = image->shape[i] == data.shape[i - 1];
    char found[COUPLET_SHAPE_BYTES], wanted[COUPLET_SHAPE_BYTES];
    if (same) {
        *out = (Images){data.images, data.count};
        data.images = NULL; /* taken over */
    } else {
        fail(error, error_bytes, "%s: the images are %s, and the method was compiled for %s", data.name, couplet_shape_text(3, data.shape, " x ", found),
             couplet_shape_text(image->rank - 1, image->shape + 1, " x ", wanted));
    }
    couplet_dataset_free(&data);
    return same;
}

/* ---- features ------------------------------------------------------------------------------------------------------ */

static bool write_features(const char *path, const float *features, int64_t count, int64_t width, char *error, size_t error_bytes) {
    double *values = malloc((size_t)(count * width) * sizeof *values + 1);
    if (!values) return fail(error, error_bytes, "out of memory");
    for (int64_t i = 0; i < count * width; i++) values[i] = (double)features[i];
    bool good = couplet_npy_write_f32(path, values, 2, (int64_t[]){count, width}, error, error_bytes);
    free(values);
    return good;
}

static bool embed_images(const CoupletMethod *method, CoupletModel *model, const char *path, const Images *images, char *error, size_t error_bytes) {
    const int64_t width = couplet_method_feature_width(method);
    float *features = malloc((size_t)(images->count * width) * sizeof *features + 1);
    if (!features) return fail(error, error_bytes, "out of memory for the features of %lld images", (long long)images->count);
    bool good = couplet_model_embed(model, images->pixels, images->count, features) == COUPLET_OK || fail(error, error_bytes, "%s", couplet_model_error(model));
    good = good && write_features(path, features, images->count, width, error, error_bytes);
    free(features);
    return good;
}

bool couplet_embed(const CoupletMethod *method, const CoupletEmbedding *what, int64_t *count, char *error, size_t error_bytes) {
    const CoupletModelOptions options = {.threads = what->threads, .seed = what->seed};
    CoupletModel *model;
    if (couplet_model_new(method, &options, &model, error, error_bytes) != COUPLET_OK) return false;
    const CoupletBuffer *image = couplet_method_image(method);
    Images images = {NULL, 0};
    bool good = image || fail(error, error_bytes, "the method has no `eval` block, and so no features");
    if (good && what->weights) good = couplet_model_load(model, what->weights) == COUPLET_OK || fail(error, error_bytes, "%s", couplet_model_error(model));
    if (good) good = what->images ? read_images(what->images, image, &images, error, error_bytes) : open_images(method, what, image, &images, error, error_bytes);
    good = good && embed_images(method, model, what->out, &images, error, error_bytes);
    *count = images.count;
    free(images.pixels);
    couplet_model_free(model);
    return good;
}
