/* `embed`: writes the features of an array or of a data source as .npy. New samples must be read as
 * the training data was. So relative paths in settings begin where that data lay, and words become
 * the codes that the checkpoint keeps.
 *
 * A value that the field's type does not hold is refused, with its position in the array. The file
 * is written only after all features are computed. */
#include "runtime/embed.h"

#include "runtime/data/kept.h"
#include "runtime/data/mapping_guard.h"
#include "runtime/data/place.h"
#include "runtime/data/reader.h"
#include "runtime/dispatch.h"
#include "runtime/executor.h"
#include "runtime/json_text.h"
#include "runtime/npy.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool fail(char *error, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(char *error, size_t bytes, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error, bytes, format, args);
    va_end(args);
    return false;
}

/* ---- from an array --------------------------------------------------------------------------- */

/* True if the axes behind the first are those of one sample. A single channel may be left out. */
static bool has_shape_of(const CoupletNpy *array, const CoupletBuffer *sample) {
    const int left_out = sample->rank - array->rank;
    if (left_out < 0 || left_out > 1 ||
        (left_out == 1 && (sample->rank < 3 || sample->shape[1] != 1)))
        return false;
    for (int i = 1; i < array->rank; i++)
        if (array->shape[i] != sample->shape[i + left_out]) return false;
    return true;
}

static bool refuse_shape(const char *path, const CoupletNpy *array, const CoupletBuffer *sample,
                         char *error, size_t error_bytes) {
    char found[COUPLET_SHAPE_BYTES];
    char wanted[COUPLET_SHAPE_BYTES];
    char flat[COUPLET_SHAPE_BYTES] = "";
    couplet_shape_text(array->rank, array->shape, ", ", found);
    couplet_shape_text(sample->rank - 1, sample->shape + 1, ", ", wanted);
    const bool one = sample->rank >= 3 && sample->shape[1] == 1;
    const bool many = sample->rank > 1;
    if (one) {
        couplet_shape_text(sample->rank - 2, sample->shape + 2, ", ", flat);
    }
    return fail(error, error_bytes,
                "%s: its shape is (%s), and (count%s%s)%s%s%s is expected: the samples, and the "
                "shape of one",
                path, found, many ? ", " : "", wanted, one ? " or (count, " : "", flat,
                one ? ")" : "");
}

/* Converts element `at` to the type of the field: a byte, an int or a real. */
static bool take_element(const char *path, const CoupletNpy *array, int64_t at, CoupletType type,
                         void *out, char *error, size_t error_bytes) {
    const int64_t sample = at / (array->count / array->shape[0]);
    const int64_t low = type == COUPLET_U8 ? 0 : INT32_MIN;
    const int64_t high = type == COUPLET_U8 ? 255 : INT32_MAX;
    char number[24];
    if (type == COUPLET_F32) {
        const double value = !array->is_integer   ? array->values[at]
                             : array->is_unsigned ? (double)(uint64_t)array->wholes[at]
                                                  : (double)array->wholes[at];
        ((float *)out)[at] = (float)value;
        return isfinite((float)value) ||
               fail(error, error_bytes,
                    "%s: sample %lld holds %g, and finite numbers of 32 bits are expected", path,
                    (long long)sample, value);
    }
    if ((array->is_unsigned && array->wholes[at] < 0) || array->wholes[at] < low ||
        array->wholes[at] > high)
        return fail(error, error_bytes,
                    "%s: sample %lld holds the number %s, and the method's go from %lld to %lld",
                    path, (long long)sample,
                    couplet_npy_whole_text(array, at, number, sizeof number), (long long)low,
                    (long long)high);
    if (type == COUPLET_U8)
        ((uint8_t *)out)[at] = (uint8_t)array->wholes[at];
    else
        ((int32_t *)out)[at] = (int32_t)array->wholes[at];
    return true;
}

/* Converts all elements. *out is from malloc, and the caller frees it after a failure, too. */
static bool take_elements(const char *path, const CoupletNpy *array, CoupletType type, void **out,
                          char *error, size_t error_bytes) {
    if (type != COUPLET_F32 && !array->is_integer)
        return fail(error, error_bytes,
                    "%s: it holds reals, and the method's samples are whole numbers%s", path,
                    type == COUPLET_U8 ? " from 0 to 255" : "");
    *out = malloc((size_t)(array->count * couplet_type_bytes(type)) + 1);
    if (!*out) return fail(error, error_bytes, "out of memory for the samples of %s", path);
    for (int64_t i = 0; i < array->count; i++)
        if (!take_element(path, array, i, type, *out, error, error_bytes)) return false;
    return true;
}

static bool read_array(const char *path, const CoupletBuffer *sample, void **rows, int64_t *count,
                       char *error, size_t error_bytes) {
    CoupletNpy array;
    if (!couplet_npy_read(path, &array, error, error_bytes)) return false;
    bool good = array.rank > 0 && has_shape_of(&array, sample)
                    ? true
                    : refuse_shape(path, &array, sample, error, error_bytes);
    good = good && take_elements(path, &array, sample->type, rows, error, error_bytes);
    *count = array.shape[0];
    couplet_npy_free(&array);
    return good;
}

/* ---- from a data source ---------------------------------------------------------------------- */

/* The place of new samples, and memory for what their request points to. */
typedef struct Place {
    /* The path of the samples, and the path of the program's source, for the setting `like`. */
    char path[COUPLET_PATH_BYTES];
    char like[COUPLET_PATH_BYTES];
    CoupletSetting *settings;
    CoupletField *claims;
} Place;

/* Changes the request so that new samples are read as the program's source was read. Paths in
 * settings begin where that source lay. Words become the codes of the source, which the checkpoint
 * has; a checkpoint from before version 0.3 has none, and then the source itself is read. */
static bool read_alike(CoupletRequest *r, Place *place, char *error, size_t error_bytes) {
    r->beside = r->path;
    if (r->codes || !couplet_reader_has_setting(r->reader, "like") ||
        couplet_request_gives(r, "like"))
        return true;
    char why[COUPLET_PATH_BYTES + 64];
    if (!couplet_path_absolute(r->path, place->like, why, sizeof why))
        return fail(error, error_bytes,
                    "the codes of new samples are those of the source that was trained on, and it "
                    "is not there: %s",
                    why);
    place->settings = malloc(((size_t)r->setting_count + 1) * sizeof *place->settings);
    if (!place->settings) return fail(error, error_bytes, "out of memory");
    for (int i = 0; i < r->setting_count; i++)
        place->settings[i] = r->settings[i];
    place->settings[r->setting_count++] = (CoupletSetting){.name = "like", .text = place->like};
    r->settings = place->settings;
    return true;
}

static bool is_of_features(const CoupletPlan *plan, const char *field) {
    const char *name;
    for (int i = 0; couplet_features_field(plan, i, &name); i++)
        if (strcmp(name, field) == 0) return true;
    return false;
}

/* Keeps those claims of the spec that decide how the fields of the features are read, and how the
 * labels are if `labels` is not NULL. */
static bool claim_features(const CoupletSession *s, const char *labels, Place *place,
                           CoupletRequest *out) {
    place->claims = malloc(((size_t)out->claim_count + 1) * sizeof *place->claims);
    int count = 0;
    for (int i = 0; place->claims && i < out->claim_count; i++)
        if (is_of_features(s->program->features[0], out->claim[i].name) ||
            (labels && strcmp(labels, out->claim[i].name) == 0))
            place->claims[count++] = out->claim[i];
    out->claim = place->claims;
    out->claim_count = count;
    return place->claims != NULL;
}

static bool make_request(const CoupletSession *s, const CoupletEmbedding *what, Place *place,
                         CoupletRequest *out, char *error, size_t error_bytes) {
    const int number = s->program->evals[0].query;
    const CoupletSource *source = &s->program->sources[number];
    if (!couplet_place_request(&what->places, source, place->path, out, error, error_bytes))
        return false;
    if (what->split && !out->split)
        return fail(error, error_bytes,
                    "--split is for sources that have splits, and `%s` is data.%s", source->name,
                    source->reader);
    if (what->split) out->split = what->split;
    out->codes = s->codes[number];
    out->classes = s->classes[number];
    if (what->data && out->path && !read_alike(out, place, error, error_bytes)) return false;
    if (what->data) out->path = what->data;
    out->unlabelled = true;
    return true;
}

/* True if the fields of the features are as the method was compiled for them. */
static bool has_fields(const CoupletPlan *plan, const CoupletTable *table, char *error,
                       size_t error_bytes) {
    const CoupletBuffer *b;
    const char *name;
    for (int i = 0; (b = couplet_features_field(plan, i, &name)); i++) {
        CoupletField claim = {.name = name, .type = b->type, .rank = b->rank - 1};
        memcpy(claim.shape, b->shape + 1, (size_t)claim.rank * sizeof *claim.shape);
        int number;
        if (!couplet_table_claims(table, &claim, 1, error, error_bytes)) return false;
        if (couplet_table_field(table, name, &number) &&
            !couplet_kept_may_read(table, number, name, error, error_bytes))
            return false;
    }
    return true;
}

/* Opens the samples. New samples need no labels. So if they cannot be opened with the claim of
 * their labels, they are opened with the claims of the features' fields alone. */
static bool open_claimed(const CoupletSession *s, const CoupletRequest *request, Place *place,
                         CoupletTable *out, char *error, size_t error_bytes) {
    const char *labels = s->program->evals[0].labels;
    for (int with_labels = *labels != 0; with_labels >= 0; with_labels--) {
        CoupletRequest claimed = *request;
        free(place->claims);
        if (!claim_features(s, with_labels ? labels : NULL, place, &claimed))
            return fail(error, error_bytes, "out of memory");
        if (couplet_table_open(&claimed, out, error, error_bytes)) return true;
        if (request->claim_count == 0) break; /* without claims a second try would be the same */
    }
    return false;
}

static bool open_rows(const CoupletSession *s, const CoupletEmbedding *what, CoupletTable *out,
                      char *error, size_t error_bytes) {
    Place place = {.settings = NULL};
    CoupletRequest request;
    const CoupletProgram *program = s->program;
    if (program->origin) {
        couplet_reader_modules_at(program->origin->modules);
    }
    const bool good = make_request(s, what, &place, &request, error, error_bytes) &&
                      open_claimed(s, &request, &place, out, error, error_bytes) &&
                      has_fields(program->features[0], out, error, error_bytes) &&
                      couplet_table_load(out, &what->loading, error, error_bytes);
    free(place.settings);
    free(place.claims);
    return good;
}

/* ---- features -------------------------------------------------------------------------------- */

/* Puts the code of an output that cannot be written ahead of the sentence. Always returns false. */
static bool fail_output(char *error, size_t error_bytes) {
    static const char code[] = "error[E606]: ";
    const size_t length = strlen(error), ahead = sizeof code - 1;
    const size_t kept = length + ahead < error_bytes ? length : error_bytes - ahead - 1;
    memmove(error + ahead, error, kept);
    memcpy(error, code, ahead);
    error[ahead + kept] = 0;
    return false;
}

static bool write_features(const char *path, const float *features, int64_t count, int64_t width,
                           char *error, size_t error_bytes) {
    double *values = malloc((size_t)(count * width) * sizeof *values + 1);
    if (!values) return fail(error, error_bytes, "out of memory");
    for (int64_t i = 0; i < count * width; i++)
        values[i] = (double)features[i];
    bool good =
        couplet_npy_write_f32(path, values, 2, (int64_t[]){count, width}, error, error_bytes);
    free(values);
    return good || fail_output(error, error_bytes);
}

/* Computes the features of the samples, and writes them to `path`. */
static bool embed_samples(CoupletSession *s, const char *path, const CoupletSamples *samples,
                          char *error, size_t error_bytes) {
    const char *features = s->program->features[0]->name;
    const int64_t width = couplet_session_width(s, features);
    float *out = malloc((size_t)(samples->count * width) * sizeof *out + 1);
    if (!out)
        return fail(error, error_bytes, "out of memory for the features of %lld samples",
                    (long long)samples->count);
    bool good = samples->count == 0 ||
                couplet_session_features(s, features, samples, out, error, error_bytes);
    good = couplet_guard_whole(error, error_bytes) && good;
    good = good && write_features(path, out, samples->count, width, error, error_bytes);
    free(out);
    return good;
}

/* ---- which sample is which ------------------------------------------------------------------- */

/* Returns the path "features.jsonl" beside "features.npy". */
static bool rows_path(const char *out, char path[COUPLET_PATH_BYTES], char *error,
                      size_t error_bytes) {
    const size_t length = strlen(out);
    const bool ends = length > 4 && strcmp(out + length - 4, ".npy") == 0;
    const int wrote =
        snprintf(path, COUPLET_PATH_BYTES, "%.*s.jsonl", (int)(ends ? length - 4 : length), out);
    return (wrote > 0 && wrote < COUPLET_PATH_BYTES) ||
           fail(error, error_bytes, "%s: the path is too long", out);
}

/* Returns an object such as {"row": 12, "name": "cat/012.png", "label": 0, "class": "cat"}. */
static json_t *row_object(const CoupletTable *table, int64_t row, const char *labels) {
    char name[COUPLET_PATH_BYTES];
    int number;
    json_t *object = json_pack("{s:I}", "row", (json_int_t)row);
    if (table->reader->name_row) {
        table->reader->name_row(table, row, name, sizeof name);
        json_object_set_new(object, "name", couplet_json_text(name));
    }
    const CoupletField *field = *labels ? couplet_table_field(table, labels, &number) : NULL;
    if (!field || field->rank || field->type != COUPLET_I32 || !table->columns[number])
        return object;
    const int32_t label = ((const int32_t *)table->columns[number])[row];
    json_object_set_new(object, "label", json_integer(label));
    if (field->class_names && label >= 0 && label < field->classes)
        json_object_set_new(object, "class", json_string(field->class_names[label]));
    return object;
}

/* Writes the .jsonl that tells which sample each row of the features is. */
static bool write_embeddings(const CoupletSession *s, const char *out, const CoupletTable *table,
                             char *error, size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    if (!rows_path(out, path, error, error_bytes)) return false;
    FILE *file = couplet_file_begin(path, error, error_bytes);
    if (!file) return fail_output(error, error_bytes);
    bool good = true;
    for (int64_t i = 0; good && i < table->count; i++) {
        json_t *object =
            row_object(table, couplet_table_origin(table, i), s->program->evals[0].labels);
        char *line = object ? json_dumps(object, JSON_COMPACT) : NULL;
        good = line && fprintf(file, "%s\n", line) > 0;
        free(line);
        json_decref(object);
    }
    if (good && couplet_file_commit(path, file, error, error_bytes)) return true;
    if (good) return fail_output(error, error_bytes);
    couplet_file_drop(path, file);
    return fail(error, error_bytes, "error[E606]: %s: it cannot be written", path);
}

static bool embed_array(CoupletSession *s, const CoupletEmbedding *what, int64_t *count,
                        char *error, size_t error_bytes) {
    const CoupletPlan *plan = s->program->features[0];
    char names[512];
    if (couplet_features_field_count(plan) > 1)
        return fail(error, error_bytes,
                    "features are made of the fields %s, and %s is one array: samples of several "
                    "fields come from a data source",
                    couplet_features_fields_text(plan, names, sizeof names), what->array);
    void *rows = NULL;
    CoupletSamples samples = {.name = what->array};
    bool good = read_array(what->array, couplet_features_field(plan, 0, NULL), &rows,
                           &samples.count, error, error_bytes);
    const void *field = rows;
    samples.rows = &field;
    good = good && embed_samples(s, what->out, &samples, error, error_bytes);
    *count = samples.count;
    free(rows);
    return good;
}

static bool embed_source(CoupletSession *s, const CoupletEmbedding *what, int64_t *count,
                         char *error, size_t error_bytes) {
    const CoupletPlan *plan = s->program->features[0];
    CoupletTable table = {.held = 0};
    CoupletSamples samples = {.count = 0};
    const void **rows = malloc(((size_t)couplet_features_field_count(plan) + 1) * sizeof *rows);
    if (!rows) return fail(error, error_bytes, "out of memory");
    const bool good = open_rows(s, what, &table, error, error_bytes) &&
                      couplet_samples_of(plan, &table, rows, &samples, error, error_bytes) &&
                      embed_samples(s, what->out, &samples, error, error_bytes) &&
                      write_embeddings(s, what->out, &table, error, error_bytes);
    *count = samples.count;
    couplet_table_close(&table);
    free(rows);
    return good;
}

/* True if the features do not replace the file of the samples. */
static bool is_apart(const char *samples, const char *out, char *error, size_t error_bytes) {
    struct stat of_samples;
    struct stat of_out;
    if (!samples || stat(samples, &of_samples) != 0 || stat(out, &of_out) != 0 ||
        of_samples.st_dev != of_out.st_dev || of_samples.st_ino != of_out.st_ino)
        return true;
    return fail(error, error_bytes,
                "%s is both the samples and the file of their features; give the features another "
                "name",
                out);
}

bool couplet_embed(CoupletSession *s, const CoupletEmbedding *what, int64_t *count, char *error,
                   size_t error_bytes) {
    *count = 0;
    if (!s->program->feature_count || !s->program->eval_count)
        return fail(error, error_bytes, "the method has no `eval` block, and so no features");
    if (!is_apart(what->array ? what->array : what->data, what->out, error, error_bytes))
        return false;
    return (what->array ? embed_array : embed_source)(s, what, count, error, error_bytes);
}
