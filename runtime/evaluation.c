/* Does the evaluations of a method: features of bank and query, their labels, and the classifier.
 * Features of the raw samples are evaluated too, because a figure means little without their figure
 * beside it.
 *
 * Bank and query must agree. Codes that go through the network are compared by their words, and
 * labels are matched by class names if both have them. A query that is also in the bank does not
 * vote for itself (find_own). */
#include "runtime/evaluation.h"

#include "runtime/classes.h"
#include "runtime/data/kept.h"
#include "runtime/data/reader.h"
#include "runtime/evaluate.h"
#include "runtime/finetune.h"
#include "runtime/quality.h"
#include "runtime/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const subjects[COUPLET_SUBJECTS] = {"raw pixels", "before training",
                                                       "in training", "after training"};
static const char raw_values[] = "raw values";

static bool is_method(const CoupletEval *eval, const char *method) {
    return strcmp(eval->method, method) == 0;
}
static bool is_knn(const CoupletEval *eval) {
    return is_method(eval, "knn");
}
static bool is_linear_probe(const CoupletEval *eval) {
    return is_method(eval, "linear");
}
static bool is_finetune(const CoupletEval *eval) {
    return is_method(eval, "finetune");
}
/* True for evaluations that fit a classifier to the bank. */
static bool is_fitted(const CoupletEval *eval) {
    return is_linear_probe(eval) || is_finetune(eval);
}
static bool is_of_clusters(const CoupletEval *eval) {
    return is_method(eval, "nmi") || is_method(eval, "ari") || is_method(eval, "cluster_accuracy");
}
/* True for evaluations by neighbours, in which a query that is in the bank is no neighbour of
 * itself. */
static bool has_neighbours(const CoupletEval *eval) {
    return is_knn(eval) || is_method(eval, "recall") || is_method(eval, "mean_precision");
}

bool couplet_eval_is_cost(const CoupletEval *eval) {
    return is_method(eval, "uniformity") || is_method(eval, "alignment");
}

bool couplet_eval_is_percent(const CoupletEval *eval) {
    return !couplet_eval_is_cost(eval) && !is_method(eval, "rank");
}

bool couplet_eval_tells(const CoupletEval *eval) {
    return is_knn(eval) || is_linear_probe(eval);
}

/* ---- what is measured ------------------------------------------------------------------------ */

const char *couplet_subject_name(const CoupletProgram *program, CoupletSubject subject) {
    for (int i = 0; subject == COUPLET_RAW && i < program->feature_count; i++) {
        const CoupletBuffer *field;
        for (int f = 0; (field = couplet_features_field(program->features[i], f, NULL)); f++)
            if (field->type != COUPLET_U8) return raw_values;
    }
    return subjects[subject];
}

CoupletSubject couplet_subject_of(const char *name) {
    for (int i = 0; i < COUPLET_SUBJECTS; i++)
        if (strcmp(name, subjects[i]) == 0) return (CoupletSubject)i;
    return strcmp(name, raw_values) == 0 ? COUPLET_RAW : COUPLET_SUBJECTS;
}

/* ---- queries that are in the bank ------------------------------------------------------------ */

/* True if bank and query are read from the same source: the same reader, place, settings and
 * content. */
static bool of_one_source(const CoupletTable *bank, const CoupletTable *query) {
    return bank->asked == query->asked && bank->hash == query->hash;
}

/* Returns the number of queries that are in the bank. own[q], if `own` is not NULL, is set to the
 * row of the bank that query q is, or -1. */
static int64_t find_own(const CoupletEval *eval, const CoupletTable *data, int32_t *own) {
    const CoupletTable *bank = &data[eval->bank];
    const CoupletTable *query = &data[eval->query];
    const bool can_be = of_one_source(bank, query);
    int64_t found = 0;
    int64_t row = 0;
    for (int64_t q = 0; q < query->count; q++) {
        const int64_t number = couplet_table_origin(query, q);
        while (can_be && row < bank->count && couplet_table_origin(bank, row) < number)
            row++;
        const bool is_there =
            can_be && row < bank->count && couplet_table_origin(bank, row) == number;
        if (own) own[q] = is_there ? (int32_t)row : -1;
        found += is_there;
    }
    return found;
}

enum { NAME_BYTES = 160 };

/* Returns the text that follows the name of an evaluation by class; "" for other evaluations. */
static const char *by_class_text(const CoupletEval *e) {
    return e->by_class ? ", mean of classes" : "";
}

/* Writes the name without the features, and without a note on queries in the bank. */
static void plain_name(const CoupletEval *e, char out[NAME_BYTES]) {
    if (is_knn(e))
        snprintf(out, NAME_BYTES, "kNN (k = %.0f)%s", e->k, by_class_text(e));
    else if (is_fitted(e)) {
        const int at =
            snprintf(out, NAME_BYTES, "%s", is_linear_probe(e) ? "linear probe" : "fine-tuning");
        if (e->fraction < 1)
            snprintf(out + at, (size_t)(NAME_BYTES - at), ", %.3g %% of labels%s",
                     100 * e->fraction, by_class_text(e));
        else
            snprintf(out + at, (size_t)(NAME_BYTES - at), "%s", by_class_text(e));
    } else if (is_method(e, "recall"))
        snprintf(out, NAME_BYTES, "recall at %.0f", e->k);
    else if (is_method(e, "mean_precision"))
        snprintf(out, NAME_BYTES, "mean precision");
    else if (is_of_clusters(e)) {
        const char *what = is_method(e, "nmi") ? "NMI" : is_method(e, "ari") ? "ARI" : "accuracy";
        const int at = snprintf(out, NAME_BYTES, "%s of clusters", what);
        if (e->clusters > 0) {
            snprintf(out + at, (size_t)(NAME_BYTES - at), " (%.0f)", e->clusters);
        }
    } else if (is_method(e, "few_shot"))
        snprintf(out, NAME_BYTES, "%.0f-way %.0f-shot", e->ways, e->shots);
    else
        snprintf(out, NAME_BYTES, "%s", is_method(e, "rank") ? "effective rank" : e->method);
}

/* True if another evaluation measures the same for other features. */
static bool has_namesake(const CoupletProgram *program, int number) {
    const CoupletEval *eval = &program->evals[number];
    char name[NAME_BYTES];
    char of_other[NAME_BYTES];
    plain_name(eval, name);
    for (int i = 0; i < program->eval_count; i++) {
        const CoupletEval *other = &program->evals[i];
        plain_name(other, of_other);
        if (i != number && strcmp(name, of_other) == 0 &&
            strcmp(other->features, eval->features) != 0)
            return true;
    }
    return false;
}

char *couplet_eval_name(const CoupletProgram *program, int number, const CoupletTable *data) {
    const CoupletEval *eval = &program->evals[number];
    const bool own = couplet_eval_learns(eval) && find_own(eval, data, NULL) > 0;
    char name[NAME_BYTES];
    plain_name(eval, name);
    if (own && is_knn(eval))
        snprintf(name, sizeof name, "kNN (k = %.0f, itself left out)%s", eval->k,
                 by_class_text(eval));
    const char *note = !own || is_knn(eval) ? ""
                       : is_fitted(eval)    ? " (query in bank)"
                                            : " (itself left out)";
    const bool namesake = has_namesake(program, number);
    const char *parts[] = {name, note, namesake ? ", " : "", namesake ? eval->features : ""};
    size_t length = 0;
    for (int i = 0; i < 4; i++)
        length += strlen(parts[i]);
    char *out = calloc(length + 1, 1);
    for (int i = 0; out && i < 4; i++)
        strcat(out, parts[i]);
    return out;
}

/* ---- what can be asked ----------------------------------------------------------------------- */

/* True if the bank has enough rows for k neighbours, and the temperature is above 0. */
static bool neighbours_fit(const CoupletProgram *program, const CoupletEval *e,
                           const CoupletTable *data, char *error, size_t error_bytes) {
    const char *bank = program->sources[e->bank].name;
    const int64_t rows = data[e->bank].count;
    const int64_t own = find_own(e, data, NULL) > 0;
    const int64_t most = rows - own;
    if (is_knn(e) && (!(e->temperature > 0) || !isfinite(e->temperature))) {
        snprintf(error, error_bytes,
                 "%s: error: the temperature of knn is %.9g, and a number above 0 is expected",
                 e->place, e->temperature);
        return false;
    }
    if (e->k >= 1 && e->k <= (double)most && e->k == floor(e->k)) return true;
    snprintf(error, error_bytes,
             "%s: error: k of %s is %.9g, and a whole number from 1 to %lld is expected: so many "
             "samples of `%s` can be neighbours%s",
             e->place, e->method, e->k, (long long)most, bank,
             own ? ", a sample itself left out" : "");
    return false;
}

static const CoupletPlan *features_plan(const CoupletProgram *program, const CoupletEval *e) {
    return couplet_program_features(program, e->features);
}

/* True if the codes of the field mean the same in bank and query, because they go through the
 * network. Classes of labels are matched by name, and may differ. */
static bool codes_of_field_fit(const CoupletEval *e, const char *name,
                               const CoupletProgram *program, const CoupletTable *data, char *error,
                               size_t error_bytes) {
    int in_bank_at;
    int in_query_at;
    const CoupletField *bank = couplet_table_field(&data[e->bank], name, &in_bank_at);
    const CoupletField *query = couplet_table_field(&data[e->query], name, &in_query_at);
    int64_t code;
    if (!couplet_kept_may_read(&data[e->bank], in_bank_at, name, error, error_bytes) ||
        !couplet_kept_may_read(&data[e->query], in_query_at, name, error, error_bytes))
        return false;
    if (couplet_field_same_classes(bank, query, &code)) return true;
    const char *in_bank = code < bank->classes ? bank->class_names[code] : "nothing";
    const char *in_query = code < query->classes ? query->class_names[code] : "nothing";
    const bool alike = couplet_reader_has_setting(program->sources[e->query].reader, "like");
    snprintf(error, error_bytes,
             "%s: error: the code %lld of `%s` is `%.80s` in `%s`, and `%.80s` in `%s`%s", e->place,
             (long long)code, name, in_bank, program->sources[e->bank].name, in_query,
             program->sources[e->query].name,
             alike ? "; the setting like = \"PATH\" reads one as the other" : "");
    return false;
}

/* True if the field of this name has the same columns, in the same order, in both tables. */
static bool entries_of_field_fit(const CoupletEval *e, const char *name,
                                 const CoupletProgram *program, const CoupletTable *data,
                                 char *error, size_t error_bytes) {
    int in_bank;
    int in_query;
    const CoupletField *field = couplet_table_field(&data[e->bank], name, &in_bank);
    couplet_table_field(&data[e->query], name, &in_query);
    for (int64_t i = 0; field->rank == 1 && i < field->shape[0]; i++) {
        const char *bank = couplet_table_entry(&data[e->bank], in_bank, i);
        const char *query = couplet_table_entry(&data[e->query], in_query, i);
        if (!bank || !query || strcmp(bank, query) == 0) continue;
        snprintf(error, error_bytes,
                 "%s: error: entry %lld of `%s` is the column `%.80s` in `%s`, and `%.80s` in "
                 "`%s`; the setting like = \"PATH\" brings the columns of one into the order of "
                 "the other",
                 e->place, (long long)i, name, bank, program->sources[e->bank].name, query,
                 program->sources[e->query].name);
        return false;
    }
    return true;
}

static bool codes_fit(const CoupletEval *e, const CoupletProgram *program, const CoupletTable *data,
                      char *error, size_t error_bytes) {
    const char *name;
    for (int i = 0; couplet_features_field(features_plan(program, e), i, &name); i++)
        if (!codes_of_field_fit(e, name, program, data, error, error_bytes) ||
            !entries_of_field_fit(e, name, program, data, error, error_bytes))
            return false;
    return true;
}

/* True if bank and query have the field, with equal type and shape. */
static bool field_fits(const CoupletEval *e, const char *name, const CoupletTable *data,
                       char *error, size_t error_bytes) {
    const CoupletTable *bank = &data[e->bank];
    const CoupletTable *query = &data[e->query];
    const CoupletField *field = couplet_table_field(bank, name, NULL);
    if (!field) {
        snprintf(error, error_bytes, "%s: error: %s has no field `%s`, which the evaluation reads",
                 e->place, bank->name, name);
        return false;
    }
    CoupletField claim = *field;
    claim.classes = 0;
    char sentence[800];
    if (couplet_table_claims(query, &claim, 1, sentence, sizeof sentence)) return true;
    snprintf(error, error_bytes, "%s: error: bank and query differ: %s", e->place, sentence);
    return false;
}

static bool fields_fit(const CoupletEval *e, const CoupletProgram *program,
                       const CoupletTable *data, char *error, size_t error_bytes) {
    const char *name;
    for (int i = 0; couplet_features_field(features_plan(program, e), i, &name); i++)
        if (!field_fits(e, name, data, error, error_bytes)) return false;
    return !*e->labels || field_fits(e, e->labels, data, error, error_bytes);
}

/* True if the query has enough samples: some for clusters, and two for pairs. */
static bool query_fits(const CoupletProgram *program, const CoupletEval *e,
                       const CoupletTable *data, char *error, size_t error_bytes) {
    const int64_t rows = data[e->query].count;
    const char *query = program->sources[e->query].name;
    if (is_method(e, "uniformity") && rows < 2)
        snprintf(error, error_bytes,
                 "%s: error: uniformity is of pairs, and `%s` has %lld sample%s", e->place, query,
                 (long long)rows, rows == 1 ? "" : "s");
    else if (is_of_clusters(e) && e->clusters > (double)rows)
        snprintf(error, error_bytes,
                 "%s: error: %.0f clusters are asked for, and `%s` has %lld samples", e->place,
                 e->clusters, query, (long long)rows);
    else
        return true;
    return false;
}

bool couplet_evaluations_fit(const CoupletProgram *program, const CoupletTable *data, char *error,
                             size_t error_bytes) {
    for (int i = 0; i < program->eval_count; i++) {
        const CoupletEval *e = &program->evals[i];
        if (!fields_fit(e, program, data, error, error_bytes) ||
            !codes_fit(e, program, data, error, error_bytes) ||
            !query_fits(program, e, data, error, error_bytes) ||
            ((is_knn(e) || is_method(e, "recall")) &&
             !neighbours_fit(program, e, data, error, error_bytes)))
            return false;
    }
    return true;
}

/* ---- features -------------------------------------------------------------------------------- */

/* Copies a field as it is, with bytes as 0 .. 1. */
static void take_raw_field(const CoupletSamples *samples, const void *rows, CoupletType type,
                           int64_t elements, int64_t width, float *out) {
    for (int64_t i = 0; i < samples->count; i++) {
        const char *row = (const char *)rows + (samples->origin ? samples->origin[i] : i) *
                                                   elements * couplet_type_bytes(type);
        for (int64_t k = 0; k < elements; k++) {
            float *to = &out[i * width + k];
            switch (type) {
            case COUPLET_U8:
                *to = (float)((const uint8_t *)row)[k] / 255;
                break;
            case COUPLET_I32:
                *to = (float)((const int32_t *)row)[k];
                break;
            case COUPLET_F32:
                *to = ((const float *)row)[k];
                break;
            }
        }
    }
}

static int64_t elements_of(const CoupletBuffer *field) {
    return couplet_buffer_count(field) / field->shape[0];
}

static int64_t raw_width(const CoupletPlan *plan) {
    const CoupletBuffer *field;
    int64_t width = 0;
    for (int f = 0; (field = couplet_features_field(plan, f, NULL)); f++)
        width += elements_of(field);
    return width;
}

/* Copies the fields that features are made of, one behind the other. */
static void take_raw(const CoupletPlan *plan, const CoupletSamples *samples, float *out) {
    const CoupletBuffer *field;
    int64_t at = 0;
    for (int f = 0; (field = couplet_features_field(plan, f, NULL)); at += elements_of(field), f++)
        take_raw_field(samples, samples->rows[f], field->type, elements_of(field), raw_width(plan),
                       out + at);
}

/* Returns the features of rows of one source. The caller frees them. */
static float *feature_rows(CoupletSession *s, const CoupletEval *eval, const CoupletTable *data,
                           bool raw, int64_t *width, char *error, size_t error_bytes) {
    const CoupletPlan *plan = features_plan(s->program, eval);
    const void **rows = malloc(((size_t)couplet_features_field_count(plan) + 1) * sizeof *rows);
    CoupletSamples samples;
    *width = raw ? raw_width(plan) : couplet_session_width(s, eval->features);
    float *values =
        rows && *width > 0 ? malloc((size_t)(data->count * *width) * sizeof *values) : NULL;
    if (!values) {
        snprintf(error, error_bytes, "out of memory for the features of %s", data->name);
    }
    bool good = values && couplet_samples_of(plan, data, rows, &samples, error, error_bytes);
    if (good && raw)
        take_raw(plan, &samples, values);
    else if (good)
        good = couplet_session_features(s, eval->features, &samples, values, error, error_bytes);
    free(rows);
    if (good) return values;
    free(values);
    return NULL;
}

/* ---- labels ---------------------------------------------------------------------------------- */

/* The classes of bank and query, with common numbers. */
typedef struct Labels {
    CoupletClasses bank;
    CoupletClasses query;
    int64_t count;
} Labels;

/* Returns the bank's class that equals class `c` of the query: by name if both have names, else by
 * value. -1: the bank has no such class. */
static int64_t class_of_bank(const Labels *l, const char *const *bank_names,
                             const char *const *query_names, int64_t c) {
    const bool by_name = bank_names && query_names;
    for (int64_t b = 0; by_name && b < l->bank.count; b++)
        if (strcmp(bank_names[b], query_names[c]) == 0) return b;
    for (int64_t low = 0, high = l->bank.count - 1; !by_name && low <= high;) {
        const int64_t middle = low + (high - low) / 2;
        if (l->bank.values[middle] == l->query.values[c]) return middle;
        if (l->bank.values[middle] < l->query.values[c])
            low = middle + 1;
        else
            high = middle - 1;
    }
    return -1;
}

/* Numbers the query's classes as the bank does. Classes that the bank does not have get further
 * numbers, which are never predicted. */
static bool count_alike(Labels *l, const CoupletField *bank, const CoupletField *query,
                        int64_t queries) {
    int32_t *now = malloc(((size_t)l->query.count + 1) * sizeof *now);
    l->count = l->bank.count;
    for (int64_t c = 0; now && c < l->query.count; c++) {
        const int64_t found = class_of_bank(l, bank->class_names, query->class_names, c);
        now[c] = (int32_t)(found >= 0 ? found : l->count++);
    }
    for (int64_t i = 0; now && i < queries; i++)
        l->query.of[i] = now[l->query.of[i]];
    free(now);
    return now != NULL;
}

static void free_labels(Labels *l) {
    couplet_classes_free(&l->bank);
    couplet_classes_free(&l->query);
}

static bool read_labels(const CoupletEval *e, const CoupletTable *data, Labels *out, char *error,
                        size_t error_bytes) {
    const CoupletTable *bank = &data[e->bank];
    const CoupletTable *query = &data[e->query];
    *out = (Labels){0};
    if (!*e->labels) return true;
    bool good = couplet_classes_chosen(bank, e->labels, &out->bank, error, error_bytes) &&
                couplet_classes_chosen(query, e->labels, &out->query, error, error_bytes);
    if (good && !count_alike(out, couplet_table_field(bank, e->labels, NULL),
                             couplet_table_field(query, e->labels, NULL), query->count)) {
        snprintf(error, error_bytes, "out of memory for the labels of an evaluation");
        good = false;
    }
    if (!good) free_labels(out);
    return good;
}

bool couplet_eval_learns(const CoupletEval *eval) {
    return has_neighbours(eval) || is_fitted(eval);
}

int64_t couplet_evaluation_strangers(const CoupletEval *eval, const CoupletTable *data, char *name,
                                     size_t bytes) {
    const CoupletTable *bank = &data[eval->bank];
    const CoupletTable *query = &data[eval->query];
    char ignored[400];
    Labels labels = {0};
    int64_t count = 0;
    if (!read_labels(eval, data, &labels, ignored, sizeof ignored)) return 0;
    bool *held = calloc((size_t)labels.count + 1, sizeof *held);
    for (int64_t i = 0; held && i < bank->count; i++)
        held[labels.bank.of[i]] = true;
    for (int64_t i = 0; held && i < query->count; i++) {
        if (held[labels.query.of[i]] || count++) continue;
        couplet_class_of_row(query, eval->labels, i, name, bytes);
    }
    free(held);
    free_labels(&labels);
    return count;
}

bool couplet_evaluation_has_one_class(const CoupletEval *eval, const CoupletTable *data) {
    return *eval->labels && couplet_classes_is_one(&data[eval->bank], eval->labels);
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* The data and features that an evaluation works on. */
typedef struct Measured {
    const CoupletEval *eval;
    CoupletFeatures bank;
    CoupletFeatures query;
    int64_t classes; /* the number of classes of both */
    int32_t *own;    /* [queries]: the row of the bank that each query is, or -1 */
    int32_t *guess;  /* as in CoupletNeighbours */
    CoupletNear *near;
} Measured;

/* ---- a part of the labels -------------------------------------------------------------------- */

typedef struct Drawn {
    int32_t label;
    int32_t row;
    uint32_t order;
} Drawn;

static int by_order(const void *a, const void *b) {
    const Drawn *x = a;
    const Drawn *y = b;
    if (x->label != y->label) return x->label < y->label ? -1 : 1;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void copy_row(const CoupletFeatures *from, int64_t row, float *values, int32_t *labels,
                     CoupletFeatures *out) {
    memcpy(values + out->count * from->width, from->values + row * from->width,
           (size_t)from->width * sizeof *values);
    labels[out->count++] = from->labels[row];
}

/* Draws a part of the rows of each class, at least one row. rows[0 .. result - 1] are their
 * numbers, which are the same for all features. Returns a negative number if memory is out. */
static int64_t draw_part(const int32_t *labels, int64_t count, double fraction, int32_t *rows) {
    enum { SITE = 0x4c41424c };
    Drawn *drawn = malloc(((size_t)count + 1) * sizeof *drawn);
    int64_t taken = 0;
    if (!drawn) return -1;
    for (int64_t i = 0; i < count; i++)
        drawn[i] =
            (Drawn){labels[i], (int32_t)i, couplet_random_bits(0, 0, 0, SITE, (uint64_t)i, 0)};
    qsort(drawn, (size_t)count, sizeof *drawn, by_order);
    for (int64_t first = 0, end = 0; first < count; first = end) {
        while (end < count && drawn[end].label == drawn[first].label)
            end++;
        const int64_t wanted = (int64_t)ceil(fraction * (double)(end - first));
        for (int64_t k = first; k < first + wanted; k++)
            rows[taken++] = drawn[k].row;
    }
    free(drawn);
    return taken;
}

/* Copies a part of the rows. The caller frees values and labels. Returns false if memory is out. */
static bool take_part(const CoupletFeatures *from, double fraction, CoupletFeatures *out) {
    const size_t rows = (size_t)from->count + 1;
    float *values = malloc(rows * (size_t)from->width * sizeof *values + 1);
    int32_t *labels = malloc(rows * sizeof *labels);
    int32_t *part = malloc(rows * sizeof *part);
    *out = (CoupletFeatures){values, labels, 0, from->width};
    const int64_t taken =
        values && labels && part ? draw_part(from->labels, from->count, fraction, part) : -1;
    for (int64_t i = 0; i < taken; i++)
        copy_row(from, part[i], values, labels, out);
    free(part);
    return taken >= 0;
}

/* The decay of the probe that replaces fine-tuning for raw values. */
static const double probe_decay = 1e-4;

/* Fits the linear probe to the labels that are used. Returns false if memory is out, or if a signal
 * ended the work. */
static bool probe(CoupletSession *s, const Measured *m, double *value) {
    CoupletFeatures part = m->bank;
    const bool whole = m->eval->fraction >= 1;
    const double decay = is_finetune(m->eval) ? probe_decay : m->eval->decay;
    const bool good = whole || take_part(&m->bank, m->eval->fraction, &part);
    *value = good ? couplet_linear_probe(s->threads, &part, &m->query, (int)m->classes, decay, NULL,
                                         m->guess)
                  : -1;
    if (!whole) {
        free((void *)part.values);
        free((void *)part.labels);
    }
    return *value >= 0;
}

/* ---- one evaluation -------------------------------------------------------------------------- */

static bool by_neighbours(CoupletSession *s, const Measured *m, double *value) {
    const CoupletEval *e = m->eval;
    const CoupletNeighbours how = {.k = (int64_t)e->k,
                                   .temperature = e->temperature,
                                   .own = m->own,
                                   .guess = m->guess,
                                   .near = m->near};
    if (is_method(e, "recall"))
        return couplet_recall(s->threads, &m->bank, &m->query, (int)m->classes, &how, value);
    if (is_method(e, "mean_precision"))
        return couplet_mean_precision(s->threads, &m->bank, &m->query, m->own, value);
    *value = couplet_knn(s->threads, &m->bank, &m->query, (int)m->classes, &how);
    return *value >= 0;
}

/* Returns the number of classes that occur among the rows. It is the number of clusters if the spec
 * gives none. */
static int64_t classes_that_occur(const CoupletFeatures *rows, int64_t classes) {
    int64_t count = 0;
    for (int64_t c = 0; c < classes; c++)
        for (int64_t i = 0; i < rows->count; i++)
            if (rows->labels[i] == c) {
                count++;
                break;
            }
    return count;
}

static bool by_clusters(CoupletSession *s, const Measured *m, double *value) {
    const CoupletEval *e = m->eval;
    CoupletAgreement a;
    const int64_t asked = (int64_t)e->clusters;
    const int64_t clusters = asked ? asked : classes_that_occur(&m->query, m->classes);
    if (!couplet_cluster_agreement(s->threads, &m->query, clusters, m->classes, &a)) return false;
    *value = is_method(e, "nmi") ? a.nmi : is_method(e, "ari") ? a.ari : a.accuracy;
    return true;
}

static bool by_few(const Measured *m, double *value, char *error, size_t error_bytes) {
    const CoupletEval *e = m->eval;
    const CoupletFewShot how = {(int64_t)e->ways, (int64_t)e->shots, (int64_t)e->episodes};
    const int64_t enough = couplet_few_shot_classes(&m->query, m->classes, how.shots);
    if (enough >= how.ways) return couplet_few_shot(&m->query, m->classes, &how, value);
    snprintf(error, error_bytes,
             "%s: error: ways of few_shot is %lld, and %lld classes of the query have more than "
             "%lld samples: so many are examples, and one is asked for",
             e->place, (long long)how.ways, (long long)enough, (long long)how.shots);
    return false;
}

/* Does an evaluation. Returns false with a sentence, or without one if a signal ended it. */
static bool run_evaluation(CoupletSession *s, const Measured *m, double *value, char *error,
                           size_t error_bytes) {
    const CoupletEval *e = m->eval;
    bool good;
    *error = 0;
    if (has_neighbours(e))
        good = by_neighbours(s, m, value);
    else if (is_fitted(e))
        good = probe(s, m, value);
    else if (is_of_clusters(e))
        good = by_clusters(s, m, value);
    else if (is_method(e, "few_shot"))
        good = by_few(m, value, error, error_bytes);
    else if (is_method(e, "uniformity"))
        good = couplet_uniformity(s->threads, &m->query, e->t, value);
    else if (is_method(e, "alignment"))
        good = couplet_alignment(s->threads, &m->query, value);
    else
        good = couplet_effective_rank(s->threads, &m->query, value);
    if (good && isfinite(*value)) return true;
    if (good)
        snprintf(error, error_bytes, "%s: error: %s of these features is no finite number",
                 e->place, e->method);
    else if (!*error && !couplet_threads_stopped(s->threads))
        snprintf(error, error_bytes, "out of memory in an evaluation");
    return false;
}

/* Does an evaluation on two sources. Finds the queries that are in the bank. */
static bool evaluate_pair(CoupletSession *s, const CoupletTable *data, Measured *m, double *value,
                          char *error, size_t error_bytes) {
    m->own = malloc(((size_t)m->query.count + 1) * sizeof *m->own);
    if (!m->own) {
        snprintf(error, error_bytes, "out of memory in an evaluation");
        return false;
    }
    if (has_neighbours(m->eval)) find_own(m->eval, data, m->own);
    const bool good = run_evaluation(s, m, value, error, error_bytes);
    free(m->own);
    return good;
}

/* Features that consecutive evaluations may share. */
typedef struct Made {
    const CoupletEval *eval; /* the evaluation for which the features were made; NULL: none */
    float *bank;
    float *query;
    int64_t width;
} Made;

static bool of_same_fields(const CoupletPlan *a, const CoupletPlan *b) {
    const char *first;
    const char *second;
    int i = 0;
    for (; couplet_features_field(a, i, &first) && couplet_features_field(b, i, &second); i++)
        if (strcmp(first, second) != 0) return false;
    return !couplet_features_field(a, i, NULL) && !couplet_features_field(b, i, NULL);
}

/* True if the features that were made last are those of this evaluation. Raw values are equal if
 * they come from the same fields. */
static bool shares(const CoupletProgram *program, const Made *made, const CoupletEval *e,
                   bool raw) {
    const CoupletEval *m = made->eval;
    if (!m || m->bank != e->bank || m->query != e->query) return false;
    return strcmp(m->features, e->features) == 0 ||
           (raw && of_same_fields(features_plan(program, m), features_plan(program, e)));
}

/* Makes the features of bank and query, unless `made` has them already. */
static bool make_features(CoupletSession *s, const CoupletEval *e, const CoupletTable *data,
                          bool raw, Made *made, char *error, size_t error_bytes) {
    if (shares(s->program, made, e, raw)) return true;
    free(made->bank);
    free(made->query);
    made->query = NULL;
    made->bank = feature_rows(s, e, &data[e->bank], raw, &made->width, error, error_bytes);
    if (made->bank)
        made->query = feature_rows(s, e, &data[e->query], raw, &made->width, error, error_bytes);
    made->eval = e;
    return made->query != NULL;
}

/* Computes the mean over the classes of the percentages of their queries, in place of the
 * percentage of all queries. */
static bool evaluate_by_class(CoupletSession *s, const CoupletTable *data, Measured *m,
                              CoupletResult *result, char *error, size_t error_bytes) {
    m->guess = malloc(((size_t)m->query.count + 1) * sizeof *m->guess);
    bool good = !m->guess || evaluate_pair(s, data, m, &result->value, error, error_bytes);
    const CoupletGuesses of = {m->guess, m->query.labels, m->classes, &data[m->eval->query],
                               m->eval->labels};
    if (good && (!m->guess || !couplet_shares_count(&of, &result->by_class))) {
        snprintf(error, error_bytes, "out of memory in an evaluation");
        good = false;
    }
    if (good) result->value = couplet_shares_mean(&result->by_class);
    free(m->guess);
    return good;
}

static bool measure_one(CoupletSession *s, const CoupletEval *e, const CoupletTable *data,
                        const Made *made, CoupletResult *result, char *error, size_t error_bytes) {
    Labels labels;
    if (!read_labels(e, data, &labels, error, error_bytes)) return false;
    Measured m = {.eval = e,
                  .bank = {made->bank, labels.bank.of, data[e->bank].count, made->width},
                  .query = {made->query, labels.query.of, data[e->query].count, made->width},
                  .classes = labels.count};
    const bool good = e->by_class ? evaluate_by_class(s, data, &m, result, error, error_bytes)
                                  : evaluate_pair(s, data, &m, &result->value, error, error_bytes);
    free_labels(&labels);
    return good;
}

/* Returns the label of each query, as the value that its class has in the bank; -1: the bank has no
 * such class. The caller frees the list, which is NULL if memory is out. */
static int32_t *wanted_labels(const Labels *labels, int64_t queries) {
    int32_t *wanted = malloc(((size_t)queries + 1) * sizeof *wanted);
    for (int64_t i = 0; wanted && i < queries; i++) {
        const int32_t c = labels->query.of[i];
        wanted[i] = c < labels->bank.count ? labels->bank.values[c] : -1;
    }
    return wanted;
}

static bool finetune(CoupletSession *s, const CoupletEval *e, const CoupletTable *data,
                     double *value, char *error, size_t error_bytes) {
    Labels labels;
    const CoupletTable *bank = &data[e->bank];
    const CoupletTable *query = &data[e->query];
    if (!read_labels(e, data, &labels, error, error_bytes)) return false;
    int32_t *rows = malloc(((size_t)bank->count + 1) * sizeof *rows);
    int32_t *wanted = wanted_labels(&labels, query->count);
    const int64_t count =
        rows && wanted ? draw_part(labels.bank.of, bank->count, e->fraction, rows) : -1;
    const CoupletFinetuneRows from = {bank, query, rows, count, wanted};
    bool good = count > 0;
    if (good)
        good = couplet_finetune(s, e, &from, value, error, error_bytes);
    else
        snprintf(error, error_bytes, "out of memory in an evaluation");
    free(rows);
    free(wanted);
    free_labels(&labels);
    return good;
}

bool couplet_eval_is_due(const CoupletEval *eval, const CoupletMoment *moment) {
    return !moment || couplet_moment_has(moment, eval->every, eval->of_steps);
}

bool couplet_measure(CoupletSession *s, const CoupletTable *data, CoupletSubject subject,
                     const CoupletMoment *moment, CoupletResult *results, char *error,
                     size_t error_bytes) {
    bool raw = subject == COUPLET_RAW;
    bool good = couplet_evaluations_fit(s->program, data, error, error_bytes);
    Made made = {0};
    for (int i = 0; good && i < s->program->eval_count; i++) {
        const CoupletEval *e = &s->program->evals[i];
        if (!couplet_eval_is_due(e, moment)) continue;
        couplet_shares_free(&results[i].by_class);
        if (is_finetune(e) && !raw)
            good = finetune(s, e, data, &results[i].value, error, error_bytes);
        else
            good = make_features(s, e, data, raw, &made, error, error_bytes) &&
                   measure_one(s, e, data, &made, &results[i], error, error_bytes);
    }
    free(made.bank);
    free(made.query);
    return good;
}

void couplet_results_free(CoupletResult *results, int count) {
    for (int i = 0; results && i < count; i++)
        couplet_shares_free(&results[i].by_class);
    free(results);
}

/* ---- the prediction for each query ----------------------------------------------------------- */

static bool name_classes(const CoupletField *field, const CoupletClasses *classes,
                         CoupletTold *out) {
    out->names = calloc((size_t)classes->count + 1, sizeof *out->names);
    for (int64_t c = 0; out->names && c < classes->count; c++) {
        char number[16];
        snprintf(number, sizeof number, "%d", classes->values[c]);
        out->names[c] = strdup(field->class_names ? field->class_names[c] : number);
        if (!out->names[c]) return false;
        out->named = c + 1;
    }
    return out->names != NULL;
}

/* Makes the features, the classes with their names, and room for the predictions. */
static bool begin_telling(CoupletSession *s, const CoupletEval *e, const CoupletTable *data,
                          CoupletTold *out, char *error, size_t error_bytes) {
    Made made = {0};
    Labels labels;
    const bool good = make_features(s, e, data, false, &made, error, error_bytes) &&
                      read_labels(e, data, &labels, error, error_bytes);
    out->bank = (CoupletFeatures){made.bank, NULL, data[e->bank].count, made.width};
    out->query = (CoupletFeatures){made.query, NULL, data[e->query].count, made.width};
    if (!good) return false;
    out->bank.labels = labels.bank.of;
    out->query.labels = labels.query.of;
    out->class_count = labels.count;
    labels.bank.of = labels.query.of = NULL;
    out->near_count = is_knn(e) ? (int64_t)e->k : 0;
    const size_t queries = (size_t)out->query.count + 1;
    out->guess = calloc(queries, sizeof *out->guess);
    out->near = is_knn(e) ? calloc(queries * (size_t)e->k, sizeof *out->near) : NULL;
    const bool named =
        name_classes(couplet_table_field(&data[e->bank], e->labels, NULL), &labels.bank, out);
    free_labels(&labels);
    if (named && out->guess && (out->near || !is_knn(e))) return true;
    snprintf(error, error_bytes, "out of memory in an evaluation");
    return false;
}

bool couplet_evaluation_tell(CoupletSession *s, const CoupletTable *data, int number,
                             CoupletTold *out, char *error, size_t error_bytes) {
    const CoupletEval *e = &s->program->evals[number];
    *out = (CoupletTold){.near_count = 0};
    *error = 0;
    if (!couplet_evaluations_fit(s->program, data, error, error_bytes) ||
        !begin_telling(s, e, data, out, error, error_bytes))
        return false;
    Measured m = {.eval = e,
                  .bank = out->bank,
                  .query = out->query,
                  .classes = out->class_count,
                  .guess = out->guess,
                  .near = out->near};
    double percent;
    return evaluate_pair(s, data, &m, &percent, error, error_bytes);
}

void couplet_told_free(CoupletTold *told) {
    free((void *)told->bank.values);
    free((void *)told->query.values);
    free((void *)told->bank.labels);
    free((void *)told->query.labels);
    for (int64_t i = 0; i < told->named; i++)
        free(told->names[i]);
    free(told->names);
    free(told->guess);
    free(told->near);
    *told = (CoupletTold){.near_count = 0};
}
