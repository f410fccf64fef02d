/* The record of a run, settings.json. It is made when a run begins, read when the run is resumed,
 * and compared in every entry that the numbers depend on.
 *
 * The table `rows` says for each entry whether another value makes another run, may be allowed by
 * --change, or is only noted. A difference in an entry without a row would be accepted in silence,
 * so a new entry needs a row. Records of older formats are converted to the present one when they
 * are read. */
#include "runtime/record.h"

#include "runtime/hash.h"
#include "runtime/json_text.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char record_format[] = "couplet run 2", first_format[] = "couplet run 1";

/* ---- values ---------------------------------------------------------------------------------- */

static json_t *json_hash(uint64_t hash) {
    return json_sprintf("%016" PRIx64, hash);
}

/* Returns a number for JSON; a whole number is written as one. */
static json_t *json_number(double value) {
    bool whole = value == floor(value) && fabs(value) < 1e15;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

/* Returns a seed for JSON. Above 2^63 - 1 it is written as a text, because readers of JSON have no
 * such integers. */
static json_t *seed_of(uint64_t seed) {
    return seed <= INT64_MAX ? json_integer((json_int_t)seed) : json_sprintf("%" PRIu64, seed);
}

static json_t *or_null(bool given, json_t *value) {
    if (given) return value;
    json_decref(value);
    return json_null();
}

/* ---- making ---------------------------------------------------------------------------------- */

static json_t *make_files(const CoupletProgram *p) {
    json_t *files = json_object();
    for (int i = 0; i < p->file_count; i++)
        json_object_set_new(files, p->files[i].name,
                            json_hash(couplet_hash(COUPLET_HASH_START, p->files[i].text,
                                                   strlen(p->files[i].text))));
    return files;
}

static json_t *make_hypers(const CoupletProgram *p) {
    json_t *hypers = json_object();
    for (int i = 0; i < p->hyper_count; i++)
        json_object_set_new(hypers, p->hypers[i].name, json_number(p->hypers[i].value));
    return hypers;
}

/* Returns the values in the text of the spec that --set and --epochs may replace. */
static json_t *make_written(const CoupletProgram *p) {
    json_t *hypers = json_object();
    for (int i = 0; i < p->hyper_count; i++)
        json_object_set_new(hypers, p->hypers[i].name, couplet_json_text(p->hypers[i].written));
    return json_pack("{s:o, s:o}", "epochs", couplet_json_text(p->written_epochs), "hypers",
                     hypers);
}

/* the signs of CoupletComparison, in its order */
static const char *const comparisons[] = {"==", "!=", "<", "<=", ">", ">="};

static json_t *make_where(const CoupletSelection *s) {
    json_t *where = json_array();
    for (int i = 0; i < s->where_count; i++)
        json_array_append_new(where,
                              json_pack("[s, s, o]", s->where[i].field, comparisons[s->where[i].is],
                                        json_number(s->where[i].value)));
    return where;
}

static json_t *make_selection(const CoupletProgram *p, const CoupletSource *s) {
    json_t *selection = json_object();
    if (s->selection.per_class > 0)
        json_object_set_new(selection, "per_class", json_number(s->selection.per_class));
    if (s->selection.fraction > 0)
        json_object_set_new(selection, "fraction", json_number(s->selection.fraction));
    if (s->selection.imbalance > 0)
        json_object_set_new(selection, "imbalance", json_number(s->selection.imbalance));
    if (s->selection.seed >= 0)
        json_object_set_new(selection, "seed", json_number(s->selection.seed));
    if (s->selection.by) {
        json_object_set_new(selection, "by", couplet_json_text(s->selection.by));
    }
    if (s->selection.part_to > s->selection.part_from)
        json_object_set_new(selection, "part",
                            json_pack("[o, o]", json_number(s->selection.part_from),
                                      json_number(s->selection.part_to)));
    if (s->selection.classes > 0)
        json_object_set_new(selection, "classes", json_number(s->selection.classes));
    if (s->selection.classes > 0 && s->selection.first_class > 0)
        json_object_set_new(selection, "from", json_number(s->selection.first_class));
    if (s->selection.where_count)
        json_object_set_new(selection, "where", make_where(&s->selection));
    if (s->balanced) {
        json_object_set_new(selection, "balanced", json_true());
    }
    if (s->weights >= 0)
        json_object_set_new(selection, "weights", couplet_json_text(p->states[s->weights].name));
    if (s->ways)
        json_object_set_new(
            selection, "episodes",
            json_pack("{s:I, s:I}", "ways", (json_int_t)s->ways, "each", (json_int_t)s->each));
    return selection;
}

static json_t *make_settings(const CoupletSource *s) {
    json_t *settings = json_object();
    for (int i = 0; i < s->setting_count; i++)
        json_object_set_new(settings, s->settings[i].name,
                            s->settings[i].text ? couplet_json_text(s->settings[i].text)
                                                : json_number(s->settings[i].number));
    return settings;
}

static json_t *make_fields(const CoupletTable *t) {
    json_t *fields = json_object();
    char text[128];
    for (int i = 0; i < t->field_count; i++)
        json_object_set_new(fields, t->fields[i].name,
                            json_string(couplet_field_text(&t->fields[i], text, sizeof text)));
    return fields;
}

static json_t *make_source(const CoupletProgram *p, const CoupletSource *s, const CoupletTable *t) {
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "reader", s->reader, "path",
                     couplet_json_text(s->path), "place", couplet_json_text(t->path), "hash",
                     json_hash(t->hash), "settings", make_settings(s), "fields", make_fields(t),
                     "rows", (json_int_t)t->held, "used", (json_int_t)t->count, "selection",
                     make_selection(p, s));
}

static json_t *make_data(const CoupletRecorded *from) {
    const CoupletProgram *p = from->program;
    json_t *data = json_object();
    for (int i = 0; i < p->source_count; i++)
        json_object_set_new(data, p->sources[i].name,
                            make_source(p, &p->sources[i], &from->sources->data[i]));
    return data;
}

/* Returns the names of classes for human readers: {"train": {"label": ["bird", "cat"]}}. A
 * checkpoint has them too. */
static json_t *make_classes(const CoupletRecorded *from) {
    const CoupletProgram *p = from->program;
    json_t *classes = json_object();
    for (int i = 0; i < p->source_count; i++) {
        const CoupletTable *t = &from->sources->data[i];
        json_t *fields = json_object();
        for (int f = 0; f < t->field_count; f++) {
            const CoupletField *field = &t->fields[f];
            json_t *names = field->class_names && field->rank == 0 ? json_array() : NULL;
            for (int64_t c = 0; names && c < field->classes; c++)
                json_array_append_new(names, couplet_json_text(field->class_names[c]));
            if (names) json_object_set_new(fields, field->name, names);
        }
        json_object_set_new(classes, p->sources[i].name, fields);
    }
    return classes;
}

/* Returns how many classes each field of classes has: {"train": {"label": 10}}. A method that is
 * compiled again without its data asks for them. */
static json_t *make_class_counts(const CoupletRecorded *from) {
    json_t *counts = json_object();
    for (int i = 0; i < from->program->source_count; i++) {
        const CoupletTable *t = &from->sources->data[i];
        json_t *fields = json_object();
        for (int f = 0; f < t->field_count; f++)
            if (t->fields[f].classes > 0)
                json_object_set_new(fields, t->fields[f].name, json_integer(t->fields[f].classes));
        json_object_set_new(counts, from->program->sources[i].name, fields);
    }
    return counts;
}

static json_t *make_options(const CoupletRecorded *from) {
    const CoupletOrigin *origin = from->program->origin;
    json_t *options = json_pack(
        "{s:s, s:o, s:b, s:b, s:o, s:o, s:o}", "device", from->device, "memory",
        or_null(origin->memory_bytes > 0, json_integer((json_int_t)origin->memory_bytes)),
        "no_stream", (int)origin->no_stream, "no_fuse", (int)origin->no_fuse, "threads",
        or_null(from->threads > 0, json_integer(from->threads)), "checkpoint_every",
        or_null(from->checkpoint_every > 0, json_integer((json_int_t)from->checkpoint_every)),
        "skip_bad", or_null(from->skip_bad > 0, json_integer((json_int_t)from->skip_bad)));
    if (origin->shards)
        json_object_set_new(options, "shards", json_integer((json_int_t)origin->shards));
    if (from->keep) json_object_set_new(options, "keep", json_integer(from->keep));
    if (from->best) json_object_set_new(options, "best", couplet_json_text(from->best));
    if (from->stop_early)
        json_object_set_new(options, "stop_early", json_integer((json_int_t)from->stop_early));
    if (from->unordered) json_object_set_new(options, "unordered", json_true());
    if (from->tensorboard) json_object_set_new(options, "tensorboard", json_true());
    if (origin->gradient_norm) json_object_set_new(options, "gradient_norm", json_true());
    return options;
}

static json_t *make_versions(const CoupletRecorded *from) {
    const CoupletOrigin *origin = from->program->origin;
    const CoupletDevice *device = from->session->device;
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "couplet", origin->couplet, "library",
                     origin->library, "llvm", origin->llvm, "device",
                     couplet_json_text(device->name), "driver",
                     or_null(*device->driver != 0, couplet_json_text(device->driver)));
}

/* Returns the stages, as in "pretrain": {"epochs": 100, "batch": 512}. */
static json_t *make_stages(const CoupletProgram *p) {
    json_t *stages = json_object();
    for (int i = 0; i < p->stage_count; i++)
        json_object_set_new(stages, p->stages[i].name,
                            json_pack("{s:i, s:o, s:I}", "number", i, "epochs",
                                      json_number(p->stages[i].epochs), "batch",
                                      (json_int_t)p->stages[i].batch));
    return stages;
}

/* Returns what `start` statements took, as in "encoder.trunk": {"path": "resnet18.safetensors",
 * "hash": ..}. */
static json_t *make_weights(const CoupletRecorded *from) {
    const CoupletProgram *p = from->program;
    if (from->was) return json_incref(json_object_get(from->was->json, "weights"));
    if (!from->start_hashes || !p->start_count) return NULL;
    json_t *weights = json_object();
    for (int i = 0; i < p->start_count; i++)
        json_object_set_new(weights, p->starts[i].part,
                            json_pack("{s:o, s:o}", "path", couplet_json_text(p->starts[i].path),
                                      "hash", json_hash(from->start_hashes[i])));
    return weights;
}

static bool hypers_are_finite(const CoupletProgram *p, char *error, size_t error_bytes) {
    for (int i = 0; i < p->hyper_count; i++) {
        if (isfinite(p->hypers[i].value)) continue;
        snprintf(error, error_bytes, "the hyper `%s` is %g, and a finite number was expected",
                 p->hypers[i].name, p->hypers[i].value);
        return false;
    }
    if (isfinite(p->epochs)) return true;
    snprintf(error, error_bytes, "there are %g epochs, and a finite number was expected",
             p->epochs);
    return false;
}

bool couplet_record_make(const CoupletRecorded *from, CoupletRecord *out, char *error,
                         size_t error_bytes) {
    const CoupletProgram *p = from->program;
    *out = (CoupletRecord){.json = NULL};
    if (!hypers_are_finite(p, error, error_bytes)) return false;
    out->json = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:[]}",
        "format", record_format, "method", couplet_json_text(p->name), "spec",
        couplet_json_text(p->spec_path), "files", make_files(p), "seed",
        seed_of(from->session->seed), "epochs", json_number(p->epochs), "steps",
        (json_int_t)from->session->total_steps, "batch", (json_int_t)p->batch, "hypers",
        make_hypers(p), "written", make_written(p), "data", make_data(from), "options",
        make_options(from), "versions", make_versions(from), "method_hash",
        json_hash(p->method_hash), "plan_hash", json_hash(p->plan_hash), "changes");
    json_t *weights = make_weights(from);
    if (out->json && weights)
        json_object_set_new(out->json, "weights", weights);
    else
        json_decref(weights);
    if (out->json && p->main) json_object_set_new(out->json, "main", couplet_json_text(p->main));
    if (out->json && p->stage_count) json_object_set_new(out->json, "stages", make_stages(p));
    if (out->json) json_object_set_new(out->json, "classes", make_classes(from));
    if (out->json) json_object_set_new(out->json, "class_counts", make_class_counts(from));
    if (out->json && from->start)
        json_object_set_new(out->json, "start", couplet_json_text(from->start));
    if (!out->json) {
        snprintf(error, error_bytes, "out of memory for the record of the run");
    }
    return out->json != NULL;
}

/* ---- reading and writing --------------------------------------------------------------------- */

/* Returns the digits that a real number needs to be read back exactly. */
static int digits_of(double value) {
    char text[40];
    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return digits;
    }
    return 17;
}

/* Returns the digits that all real numbers of the value need. So 0.3 is written as 0.3, and read
 * back exactly. */
static int digits_in(const json_t *value) {
    int most = json_is_real(value) ? digits_of(json_real_value(value)) : 1;
    const char *name;
    json_t *part;
    size_t at;
    json_object_foreach((json_t *)(uintptr_t)value, name, part) most =
        digits_in(part) > most ? digits_in(part) : most;
    json_array_foreach(value, at, part) most = digits_in(part) > most ? digits_in(part) : most;
    return most;
}

bool couplet_record_write(const CoupletRecord *record, const char *folder, char *error,
                          size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    if (!couplet_path_join(folder, couplet_record_name, path, error, error_bytes)) return false;
    char *text = json_dumps(record->json,
                            JSON_INDENT(2) | JSON_REAL_PRECISION((size_t)digits_in(record->json)));
    if (!text) {
        snprintf(error, error_bytes, "%s: out of memory", path);
        return false;
    }
    FILE *file = couplet_file_begin(path, error, error_bytes);
    if (file) fprintf(file, "%s\n", text);
    free(text);
    return file && couplet_file_commit(path, file, error, error_bytes);
}

static void rename_entry(json_t *object, const char *old, const char *name) {
    json_t *value = json_object_get(object, old);
    if (value) json_object_set(object, name, value);
    json_object_del(object, old);
}

/* Converts the data of a version up to 0.1, in which every source had labelled pictures and their
 * shape stood in place of the fields. */
static void renew_data(json_t *data) {
    const char *name;
    json_t *source;
    json_object_foreach(data, name, source) {
        const json_t *shape = json_object_get(source, "shape");
        rename_entry(source, "split", "path");
        rename_entry(source, "folder", "place");
        if (json_array_size(shape) == 3) {
            char text[128];
            snprintf(text, sizeof text, "u8[%lld, %lld, %lld]",
                     json_integer_value(json_array_get(shape, 0)),
                     json_integer_value(json_array_get(shape, 1)),
                     json_integer_value(json_array_get(shape, 2)));
            json_object_set_new(source, "fields",
                                json_pack("{s:s, s:s}", "image", text, "label", "int"));
        }
        json_object_del(source, "shape");
    }
}

/* Lists the places of the sources, as in "train=/photos/a". */
static bool list_places(CoupletRecord *out, const char *path, char *error, size_t error_bytes) {
    const char *name;
    json_t *source;
    json_t *data = json_object_get(out->json, "data");
    out->places = calloc(json_object_size(data) + 1, sizeof *out->places);
    json_object_foreach(data, name, source) {
        const char *place = json_string_value(json_object_get(source, "place"));
        if (!out->places || !place) continue;
        char *made = malloc(strlen(name) + strlen(place) + 2);
        if (!made) {
            couplet_record_free(out);
            break;
        }
        sprintf(made, "%s=%s", name, place);
        out->places[out->place_count++] = made;
    }
    if (!out->places) {
        snprintf(error, error_bytes, "%s: out of memory", path);
    }
    return out->places != NULL;
}

bool couplet_record_read(const char *folder, CoupletRecord *out, char *error, size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    size_t length;
    *out = (CoupletRecord){.json = NULL};
    if (!couplet_path_join(folder, couplet_record_name, path, error, error_bytes)) return false;
    char *text = couplet_text_read(path, &length, error, error_bytes);
    if (!text) return false;
    json_error_t found;
    json_t *json = json_loadb(text, length, 0, &found);
    free(text);
    const char *format = json_string_value(json_object_get(json, "format"));
    const bool is_first = format && strcmp(format, first_format) == 0;
    if (is_first || (format && strcmp(format, record_format) == 0)) {
        if (is_first) renew_data(json_object_get(json, "data"));
        out->json = json;
        return list_places(out, path, error, error_bytes);
    }
    if (!json)
        snprintf(error, error_bytes,
                 "%s:%d:%d: this is no JSON, and the record of a run was expected: %s", path,
                 found.line, found.column, found.text);
    else if (!format)
        snprintf(error, error_bytes,
                 "%s: this is no record of a run (it has no `format`); an older Couplet made the "
                 "run, and did not record its data: train anew",
                 path);
    else
        snprintf(error, error_bytes,
                 "%s: the format of this record is `%.60s`, and this Couplet knows `%s` and `%s`: "
                 "a newer one wrote it",
                 path, format, first_format, record_format);
    json_decref(json);
    return false;
}

void couplet_record_free(CoupletRecord *record) {
    json_decref(record->json);
    for (int i = 0; i < record->place_count; i++)
        free(record->places[i]);
    free(record->places);
    *record = (CoupletRecord){.json = NULL};
}

/* ---- looking up ------------------------------------------------------------------------------ */

/* Returns the entry at a path such as "options.memory", or NULL. */
static json_t *entry_at(json_t *from, const char *path) {
    while (from && *path) {
        char name[128];
        size_t length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        from = json_object_get(from, name);
        path += length + (path[length] == '.');
    }
    return from;
}

const char *couplet_record_text(const CoupletRecord *record, const char *path) {
    return json_string_value(entry_at(record->json, path));
}

bool couplet_record_began(const CoupletRecord *record) {
    return couplet_record_text(record, "start") || json_object_get(record->json, "weights");
}

bool couplet_record_number(const CoupletRecord *record, const char *path, double *out) {
    const json_t *found = entry_at(record->json, path);
    if (!json_is_number(found)) return false;
    *out = json_number_value(found);
    return true;
}

/* Reads a field such as "u8[3, 64, 64]". */
static bool read_field(const char *text, CoupletField *out) {
    static const struct {
        const char *name;
        CoupletType type;
    } types[] = {{"u8", COUPLET_U8}, {"int", COUPLET_I32}, {"real", COUPLET_F32}};
    const size_t length = strcspn(text, "[");
    bool known = false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strlen(types[i].name) != length || strncmp(types[i].name, text, length) != 0) continue;
        out->type = types[i].type;
        known = true;
    }
    for (const char *at = text + length;
         known && (*at == '[' || *at == ',') && out->rank < COUPLET_MAX_RANK;) {
        char *end;
        out->shape[out->rank++] = strtoll(at + 1, &end, 10);
        at = end;
    }
    return known;
}

/* Returns how many classes a field of a source had, or 0 where the record does not say. Runs of
 * older versions tell the names of classes alone. */
static int64_t class_count(const CoupletRecord *record, const char *source, const char *field) {
    const json_t *counts = json_object_get(json_object_get(record->json, "class_counts"), source);
    const json_t *named = json_object_get(json_object_get(record->json, "classes"), source);
    const json_t *count = json_object_get(counts, field);
    if (json_is_integer(count)) return json_integer_value(count);
    return (int64_t)json_array_size(json_object_get(named, field));
}

bool couplet_record_field(const CoupletRecord *record, const char *source, int number,
                          CoupletField *out) {
    json_t *fields =
        json_object_get(json_object_get(json_object_get(record->json, "data"), source), "fields");
    json_t *text;
    const char *name;
    json_object_foreach(fields, name, text) {
        *out = (CoupletField){.name = name, .classes = class_count(record, source, name)};
        if (number-- == 0) return json_is_string(text) && read_field(json_string_value(text), out);
    }
    return false;
}

bool couplet_record_true(const CoupletRecord *record, const char *path) {
    return json_is_true(entry_at(record->json, path));
}

void couplet_record_keeping(const CoupletRecord *record, int *keep, const char **best,
                            int64_t *stop_early, bool *tensorboard) {
    double number;
    if (!*keep && couplet_record_number(record, "options.keep", &number)) *keep = (int)number;
    if (!*best) *best = couplet_record_text(record, "options.best");
    if (!*stop_early && couplet_record_number(record, "options.stop_early", &number))
        *stop_early = (int64_t)number;
    *tensorboard |= couplet_record_true(record, "options.tensorboard");
}

bool couplet_record_seed(const CoupletRecord *record, uint64_t *out) {
    const json_t *seed = json_object_get(record->json, "seed");
    if (json_is_integer(seed))
        *out = (uint64_t)json_integer_value(seed);
    else if (json_is_string(seed))
        *out = strtoull(json_string_value(seed), NULL, 10);
    else
        return false;
    return true;
}

bool couplet_record_has_file(const CoupletRecord *record, const char *text, size_t length) {
    char hash[24];
    const char *name;
    json_t *found;
    snprintf(hash, sizeof hash, "%016" PRIx64, couplet_hash(COUPLET_HASH_START, text, length));
    json_object_foreach(json_object_get(record->json, "files"), name,
                        found) if (json_is_string(found) &&
                                   strcmp(json_string_value(found), hash) == 0) return true;
    return false;
}

bool couplet_record_hyper(const CoupletRecord *record, int number, CoupletRecordedHyper *out) {
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(record->json, "hypers"), name, value) {
        if (number-- > 0) continue;
        const char *written =
            json_string_value(json_object_get(entry_at(record->json, "written.hypers"), name));
        *out = (CoupletRecordedHyper){name, written ? written : "", json_number_value(value)};
        return true;
    }
    return false;
}

/* ---- comparing ------------------------------------------------------------------------------- */

typedef enum {
    NEVER,    /* another value makes another run */
    IF_NAMED, /* the entry may differ if --change names it */
    /* The entry may differ, and a note says so: the method is the same, and the numbers are equal,
     * to the bit or to rounding. */
    NOTED
} Verdict;

/* The entries that are compared. `word` is the entry's name for --change; NULL: its own name. A
 * path that ends in a dot stands for all entries below it. */
static const struct {
    const char *path;
    const char *word;
    Verdict verdict;
    bool of_data; /* true if an evaluation depends on it too */
} rows[] = {
    {"seed", "seed", NEVER, false},        {"batch", "batch", NEVER, false},
    {"epochs", "epochs", IF_NAMED, false}, {"stages.", "stages", NEVER, false},
    {"hypers.", NULL, IF_NAMED, false},    {"data.", "data", IF_NAMED, true},
    {"options.", NULL, NOTED, false},      {"files.", NULL, NOTED, true},
    {"versions.", NULL, NOTED, false},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

typedef struct Comparing {
    const CoupletRecord *was;
    CoupletRecord *now;
    const char *folder;
    const CoupletLeave *leave;
    json_t *changes;
    char refused[640]; /* the differences that are not allowed, one after the other */
    int refused_count;
    int left_out;
    char words[160]; /* the words with which --change would allow them: "tau,epochs" */
    bool never;
} Comparing;

/* True if a list such as "tau,epochs" has the word. */
static bool has_word(const char *list, const char *word) {
    size_t length = strlen(word);
    while (list && *list) {
        size_t here = strcspn(list, ",");
        if (here == length && strncmp(list, word, length) == 0) return true;
        list += here + (list[here] == ',');
    }
    return false;
}

static void show_value(const json_t *value, char *out, size_t bytes) {
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT |
                                               JSON_REAL_PRECISION((size_t)digits_in(value)))
                       : NULL;
    if (json_is_string(value))
        snprintf(out, bytes, "`%s`", json_string_value(value));
    else if (!value || json_is_null(value))
        snprintf(out, bytes, "not given");
    else
        snprintf(out, bytes, "%s", text ? text : "?");
    free(text);
}

/* Notes a difference that is not allowed, and the word with which --change would allow it. */
static void note_refusal(Comparing *c, const char *word, Verdict verdict, const char *sentence) {
    size_t used = strlen(c->refused);
    c->refused_count++;
    if (used + strlen(sentence) + 8 < sizeof c->refused)
        snprintf(c->refused + used, sizeof c->refused - used, "%s%s", used ? ", " : "", sentence);
    else
        c->left_out++;
    if (verdict == NEVER) c->never = true;
    size_t length = strlen(c->words);
    bool is_new = verdict == IF_NAMED && !has_word(c->words, word);
    if (is_new && length + strlen(word) + 2 < sizeof c->words)
        snprintf(c->words + length, sizeof c->words - length, "%s%s", length ? "," : "", word);
}

static void keep_change(Comparing *c, const char *path, json_t *was, json_t *now) {
    json_t *from = was ? json_incref(was) : json_null();
    json_t *to = now ? json_incref(now) : json_null();
    json_array_append_new(c->changes,
                          json_pack("{s:s, s:o, s:o}", "name", path, "from", from, "to", to));
}

/* Notes a difference if it is allowed, and refuses it if not. */
static void differ(Comparing *c, const char *path, const char *word, Verdict verdict, json_t *was,
                   json_t *now) {
    char old[200];
    char new[200];
    char sentence[640];
    show_value(was, old, sizeof old);
    show_value(now, new, sizeof new);
    snprintf(sentence, sizeof sentence, "%s was %s in %s/%s and is %s now", path, old, c->folder,
             couplet_record_name, new);
    if (verdict == NOTED || (verdict == IF_NAMED && has_word(c->leave->change, word))) {
        c->leave->note(c->leave->context, sentence);
        keep_change(c, path, was, now);
    } else
        note_refusal(c, word, verdict, sentence);
}

/* Compares an entry. The place of data does not matter as long as the data is the same. */
static void compare_entry(Comparing *c, const char *path, const char *word, Verdict verdict,
                          json_t *was, json_t *now) {
    if (json_is_object(was) || json_is_object(now)) {
        const char *name;
        json_t *part;
        char below[200];
        json_object_foreach(was, name, part) {
            snprintf(below, sizeof below, "%s.%s", path, name);
            compare_entry(c, below, word ? word : name, verdict, part, json_object_get(now, name));
        }
        json_object_foreach(now, name, part) {
            snprintf(below, sizeof below, "%s.%s", path, name);
            if (!json_object_get(was, name))
                compare_entry(c, below, word ? word : name, verdict, NULL, part);
        }
        return;
    }
    /* an older record lacks entries that have their default */
    if (json_is_null(was)) was = NULL;
    if (json_is_null(now)) now = NULL;
    bool equal = was && now
                     ? json_equal(was, now) || (json_is_number(was) && json_is_number(now) &&
                                                json_number_value(was) == json_number_value(now))
                     : !was && !now;
    const char *last = strrchr(path, '.');
    bool is_place = last && strcmp(last, ".place") == 0;
    if (!equal) {
        differ(c, path, word, is_place ? NOTED : verdict, was, now);
    }
}

static void compare_row(Comparing *c, int row) {
    char path[64];
    snprintf(path, sizeof path, "%s", rows[row].path);
    size_t length = strlen(path);
    if (path[length - 1] == '.') path[length - 1] = 0;
    compare_entry(c, path, rows[row].word, rows[row].verdict, entry_at(c->was->json, path),
                  entry_at(c->now->json, path));
}

/* True if every word of --change means something. A wrong word would hide a difference in
 * silence. */
static bool words_known(const Comparing *c, char *error, size_t error_bytes) {
    for (const char *list = c->leave->change; list && *list;) {
        char word[128];
        size_t length = strcspn(list, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, list);
        bool known = json_object_get(json_object_get(c->now->json, "hypers"), word) != NULL;
        for (int i = 0; i < ROW_COUNT; i++)
            known |= rows[i].verdict == IF_NAMED && rows[i].word && strcmp(rows[i].word, word) == 0;
        if (!known) {
            snprintf(
                error, error_bytes,
                "--change %s: there is no `%s` that may change; it names hypers, epochs or data",
                c->leave->change, word);
            return false;
        }
        list += length + (list[length] == ',');
    }
    return true;
}

static bool say_refused(const Comparing *c, char *error, size_t error_bytes) {
    char more[64] = "";
    char advice[320] = "";
    if (c->left_out) {
        snprintf(more, sizeof more, ", and %d more", c->left_out);
    }
    if (c->leave->only_data)
        snprintf(advice, sizeof advice,
                 "the data is not what it was; --data FOLDER, named by hand, evaluates on what is "
                 "there now");
    else if (c->never)
        snprintf(advice, sizeof advice,
                 "that is another run: leave out --resume, or leave the settings as they were");
    else
        snprintf(advice, sizeof advice,
                 "without these it goes on as it was; --change %s goes on with what is now",
                 c->words);
    const char *what = c->leave->only_data ? "on other data" : "with other settings";
    snprintf(error, error_bytes, "%s: this run was made %s: %s%s; %s", c->folder, what, c->refused,
             more, advice);
    return false;
}

bool couplet_record_agrees(const CoupletRecord *was, CoupletRecord *now, const char *folder,
                           const CoupletLeave *leave, char *error, size_t error_bytes) {
    Comparing c = {.was = was, .now = now, .folder = folder, .leave = leave};
    if (!words_known(&c, error, error_bytes)) return false;
    json_t *old = json_object_get(was->json, "changes");
    c.changes = json_is_array(old) ? json_deep_copy(old) : json_array();
    for (int i = 0; i < ROW_COUNT; i++)
        if (!leave->only_data || rows[i].of_data) compare_row(&c, i);
    json_object_set_new(now->json, "changes", c.changes);
    return c.refused_count == 0 || say_refused(&c, error, error_bytes);
}

void couplet_record_place(CoupletRecord *now, int64_t step) {
    size_t at;
    json_t *change;
    json_array_foreach(json_object_get(now->json, "changes"), at,
                       change) if (!json_object_get(change, "step"))
        json_object_set_new(change, "step", json_integer((json_int_t)step));
}

/* Adds an option of the command line to the list "--memory and --no-fuse". */
static void add_option(char *out, size_t bytes, const char *name, bool is_first) {
    const size_t used = strlen(out);
    snprintf(out + used, bytes - used, "%s--%s", is_first ? "" : " and ", name);
    for (char *at = out + used; *at; at++)
        if (*at == '_') *at = '-';
}

void couplet_record_changed_options(const CoupletRecord *now, int64_t step, char *out,
                                    size_t bytes) {
    static const char *const of_code[] = {"device",  "memory", "no_stream",
                                          "no_fuse", "shards", "gradient_norm"};
    size_t at;
    json_t *change;
    *out = 0;
    json_array_foreach(json_object_get(now->json, "changes"), at, change) {
        const char *name = json_string_value(json_object_get(change, "name"));
        if (!name || strncmp(name, "options.", 8) != 0 ||
            json_integer_value(json_object_get(change, "step")) != step)
            continue;
        for (size_t i = 0; i < sizeof of_code / sizeof *of_code; i++)
            if (strcmp(of_code[i], name + 8) == 0) add_option(out, bytes, name + 8, !*out);
    }
}
