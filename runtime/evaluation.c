/* The evaluations of a method: features of bank and query, their labels, and the classifier.
 * Features are also made of the raw samples, because a figure means little without that one
 * beside it.
 *
 * Bank and query must mean the same. Codes that go through the network are compared by their words,
 * and labels are matched by class names where both sides have them. A query that stands in the bank
 * does not vote for itself (find_own). */
#include "runtime/evaluation.h"

#include "runtime/classes.h"
#include "runtime/data/kept.h"
#include "runtime/data/reader.h"
#include "runtime/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const subjects[COUPLET_SUBJECTS] = {"raw pixels", "before training",
                                                       "in training", "after training"};
static const char raw_values[] = "raw values";

static bool is_knn(const CoupletEval *eval) {
    return strcmp(eval->method, "knn") == 0;
}

/* ---- what is measured ------------------------------------------------------------------------ */

const char *couplet_subject_name(const CoupletProgram *program, const CoupletTable *data,
                                 CoupletSubject subject) {
    (void)data;
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

/* ---- samples that are asked for and stand in the bank ---------------------------------------- */

/* True if bank and query are of one source of rows: the same reader, place and settings. */
static bool of_one_source(const CoupletTable *bank, const CoupletTable *query) {
    return bank->asked == query->asked && bank->hash == query->hash;
}

/* The number of queries that stand in the bank. own[q], if `own` is not NULL, is the row of the
 * bank that query q is, or -1. */
static int64_t find_own(const CoupletEval *eval, const CoupletTable *data, int32_t *own) {
    const CoupletTable *bank = &data[eval->bank], *query = &data[eval->query];
    const bool can_be = of_one_source(bank, query);
    int64_t found = 0, row = 0;
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

/* True if another evaluation measures the same of other features. */
static bool has_namesake(const CoupletProgram *program, int number) {
    const CoupletEval *eval = &program->evals[number];
    for (int i = 0; i < program->eval_count; i++) {
        const CoupletEval *other = &program->evals[i];
        const bool same =
            strcmp(other->method, eval->method) == 0 && (!is_knn(eval) || other->k == eval->k);
        if (i != number && same && strcmp(other->features, eval->features) != 0) return true;
    }
    return false;
}

void couplet_eval_name(const CoupletProgram *program, int number, const CoupletTable *data,
                       char *out, size_t bytes) {
    const CoupletEval *eval = &program->evals[number];
    const bool own = find_own(eval, data, NULL) > 0;
    int at;
    if (is_knn(eval))
        at = snprintf(out, bytes, own ? "kNN (k = %.0f, itself left out)" : "kNN (k = %.0f)",
                      eval->k);
    else
        at = snprintf(out, bytes, own ? "linear probe (query in bank)" : "linear probe");
    if (at > 0 && (size_t)at < bytes && has_namesake(program, number))
        snprintf(out + at, bytes - (size_t)at, ", %s", eval->features);
}

/* ---- what can be asked ----------------------------------------------------------------------- */

static bool neighbours_fit(const CoupletProgram *program, const CoupletEval *e,
                           const CoupletTable *data, char *error, size_t error_bytes) {
    const char *bank = program->sources[e->bank].name;
    const int64_t rows = data[e->bank].count, own = find_own(e, data, NULL) > 0, most = rows - own;
    if (!(e->temperature > 0) || !isfinite(e->temperature)) {
        snprintf(error, error_bytes,
                 "%s: error: the temperature of knn is %.9g, and a number above 0 is expected",
                 e->place, e->temperature);
        return false;
    }
    if (e->k >= 1 && e->k <= (double)most && e->k == floor(e->k)) return true;
    snprintf(error, error_bytes,
             "%s: error: k of knn is %.9g, and a whole number from 1 to %lld is expected: so many "
             "samples of `%s` can be neighbours%s",
             e->place, e->k, (long long)most, bank, own ? ", a sample itself left out" : "");
    return false;
}

static const CoupletPlan *plan_of(const CoupletProgram *program, const CoupletEval *e) {
    return couplet_program_features(program, e->features);
}

/* Codes that go through the network mean the same in bank and query; classes of labels are told by
 * their names, and may differ. */
static bool codes_of_field_fit(const CoupletEval *e, const char *name,
                               const CoupletProgram *program, const CoupletTable *data, char *error,
                               size_t error_bytes) {
    int in_bank_at, in_query_at;
    const CoupletField *bank = couplet_table_field(&data[e->bank], name, &in_bank_at),
                       *query = couplet_table_field(&data[e->query], name, &in_query_at);
    int64_t code;
    if (!couplet_kept_may_read(&data[e->bank], in_bank_at, name, error, error_bytes) ||
        !couplet_kept_may_read(&data[e->query], in_query_at, name, error, error_bytes))
        return false;
    if (couplet_field_same_classes(bank, query, &code)) return true;
    const char *in_bank = code < bank->classes ? bank->class_names[code] : "nothing",
               *in_query = code < query->classes ? query->class_names[code] : "nothing";
    const bool alike = couplet_reader_has_setting(program->sources[e->query].reader, "like");
    snprintf(error, error_bytes,
             "%s: error: the code %lld of `%s` is `%.80s` in `%s`, and `%.80s` in `%s`%s", e->place,
             (long long)code, name, in_bank, program->sources[e->bank].name, in_query,
             program->sources[e->query].name,
             alike ? "; the setting like = \"PATH\" reads one as the other" : "");
    return false;
}

static bool codes_fit(const CoupletEval *e, const CoupletProgram *program, const CoupletTable *data,
                      char *error, size_t error_bytes) {
    const char *name;
    for (int i = 0; couplet_features_field(plan_of(program, e), i, &name); i++)
        if (!codes_of_field_fit(e, name, program, data, error, error_bytes)) return false;
    return true;
}

/* Bank and query have the field, of one type and shape. */
static bool field_fits(const CoupletEval *e, const char *name, const CoupletTable *data,
                       char *error, size_t error_bytes) {
    const CoupletTable *bank = &data[e->bank], *query = &data[e->query];
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
    for (int i = 0; couplet_features_field(plan_of(program, e), i, &name); i++)
        if (!field_fits(e, name, data, error, error_bytes)) return false;
    return field_fits(e, e->labels, data, error, error_bytes);
}

bool couplet_evaluations_fit(const CoupletProgram *program, const CoupletTable *data, char *error,
                             size_t error_bytes) {
    for (int i = 0; i < program->eval_count; i++) {
        const CoupletEval *e = &program->evals[i];
        if (!fields_fit(e, program, data, error, error_bytes) ||
            !codes_fit(e, program, data, error, error_bytes) ||
            (is_knn(e) && !neighbours_fit(program, e, data, error, error_bytes)))
            return false;
    }
    return true;
}

/* ---- features -------------------------------------------------------------------------------- */

/* A field as it is: bytes as 0 .. 1. */
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

/* The fields that features are made of, one behind the other. */
static void take_raw(const CoupletPlan *plan, const CoupletSamples *samples, float *out) {
    const CoupletBuffer *field;
    int64_t at = 0;
    for (int f = 0; (field = couplet_features_field(plan, f, NULL)); at += elements_of(field), f++)
        take_raw_field(samples, samples->rows[f], field->type, elements_of(field), raw_width(plan),
                       out + at);
}

/* Rows of one source; the caller frees the values. */
static float *rows_of(CoupletSession *s, const CoupletEval *eval, const CoupletTable *data,
                      bool raw, int64_t *width, char *error, size_t error_bytes) {
    const CoupletPlan *plan = plan_of(s->program, eval);
    const void **rows = malloc(((size_t)couplet_features_field_count(plan) + 1) * sizeof *rows);
    CoupletSamples samples;
    *width = raw ? raw_width(plan) : couplet_session_width(s, eval->features);
    float *values =
        rows && *width > 0 ? malloc((size_t)(data->count * *width) * sizeof *values) : NULL;
    if (!values) snprintf(error, error_bytes, "out of memory for the features of %s", data->name);
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

/* Classes of bank and query, counted alike. */
typedef struct Labels {
    CoupletClasses bank, query;
    int64_t count;
} Labels;

/* The class of the bank that class `c` of the query is: of the same name where both have names, of
 * the same value else. -1: the bank has none. */
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

/* Gives the query the bank's classes, and further ones, which are never told rightly, for what the
 * bank does not have. */
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
    const CoupletTable *bank = &data[e->bank], *query = &data[e->query];
    *out = (Labels){0};
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

bool couplet_evaluation_has_one_class(const CoupletEval *eval, const CoupletTable *data) {
    return couplet_classes_is_one(&data[eval->bank], eval->labels);
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* The percentage; negative when memory runs out. `guess` and `near` are those of
 * CoupletNeighbours. */
static double classify(CoupletSession *s, const CoupletEval *eval, const CoupletTable *data,
                       const CoupletFeatures *bank, const CoupletFeatures *query, int classes,
                       int32_t *guess, CoupletNear *near) {
    if (!is_knn(eval))
        return couplet_linear_probe(s->threads, bank, query, classes, eval->decay, NULL, guess);
    int32_t *own = malloc(((size_t)query->count + 1) * sizeof *own);
    if (!own) return -1;
    find_own(eval, data, own);
    const CoupletNeighbours how = {.k = (int64_t)eval->k,
                                   .temperature = eval->temperature,
                                   .own = own,
                                   .guess = guess,
                                   .near = near};
    double percent = couplet_knn(s->threads, bank, query, classes, &how);
    free(own);
    return percent;
}

/* The features that evaluations which follow each other may share. */
typedef struct Made {
    const CoupletEval *eval; /* the evaluation whose features these are; NULL: none */
    float *bank, *query;
    int64_t width;
} Made;

static bool of_same_fields(const CoupletPlan *a, const CoupletPlan *b) {
    const char *first, *second;
    int i = 0;
    for (; couplet_features_field(a, i, &first) && couplet_features_field(b, i, &second); i++)
        if (strcmp(first, second) != 0) return false;
    return !couplet_features_field(a, i, NULL) && !couplet_features_field(b, i, NULL);
}

static bool shares(const CoupletProgram *program, const Made *made, const CoupletEval *e,
                   bool raw) {
    const CoupletEval *m = made->eval;
    if (!m || m->bank != e->bank || m->query != e->query) return false;
    return strcmp(m->features, e->features) == 0 ||
           (raw && of_same_fields(plan_of(program, m), plan_of(program, e)));
}

static bool make_features(CoupletSession *s, const CoupletEval *e, const CoupletTable *data,
                          bool raw, Made *made, char *error, size_t error_bytes) {
    if (shares(s->program, made, e, raw)) return true;
    free(made->bank);
    free(made->query);
    made->query = NULL;
    made->bank = rows_of(s, e, &data[e->bank], raw, &made->width, error, error_bytes);
    if (made->bank)
        made->query = rows_of(s, e, &data[e->query], raw, &made->width, error, error_bytes);
    made->eval = e;
    return made->query != NULL;
}

static bool measure_one(CoupletSession *s, const CoupletEval *e, const CoupletTable *data,
                        const Made *made, double *percent, char *error, size_t error_bytes) {
    Labels labels;
    if (!read_labels(e, data, &labels, error, error_bytes)) return false;
    const CoupletFeatures from = {made->bank, labels.bank.of, data[e->bank].count, made->width},
                          to = {made->query, labels.query.of, data[e->query].count, made->width};
    *percent = classify(s, e, data, &from, &to, (int)labels.count, NULL, NULL);
    free_labels(&labels);
    if (*percent < 0 && !couplet_threads_stopped(s->threads))
        snprintf(error, error_bytes, "out of memory in an evaluation");
    return *percent >= 0;
}

bool couplet_eval_is_due(const CoupletEval *eval, const CoupletMoment *moment) {
    return !moment || couplet_moment_has(moment, eval->every, eval->of_steps);
}

bool couplet_measure(CoupletSession *s, const CoupletTable *data, CoupletSubject subject,
                     const CoupletMoment *moment, double *percents, char *error,
                     size_t error_bytes) {
    bool raw = subject == COUPLET_RAW,
         good = couplet_evaluations_fit(s->program, data, error, error_bytes);
    Made made = {0};
    for (int i = 0; good && i < s->program->eval_count; i++) {
        const CoupletEval *e = &s->program->evals[i];
        if (!couplet_eval_is_due(e, moment)) continue;
        good = make_features(s, e, data, raw, &made, error, error_bytes) &&
               measure_one(s, e, data, &made, &percents[i], error, error_bytes);
    }
    free(made.bank);
    free(made.query);
    return good;
}

/* ---- what is said of each query -------------------------------------------------------------- */

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

/* Features, classes and their names, and room for what is said. */
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
    const double percent =
        classify(s, e, data, &out->bank, &out->query, (int)out->class_count, out->guess, out->near);
    if (percent < 0 && !couplet_threads_stopped(s->threads))
        snprintf(error, error_bytes, "out of memory in an evaluation");
    return percent >= 0;
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
