/* The log of a run as JSON lines. A line is flushed when it is written. If the last line has no
 * line feed, a kill cut it short, and it does not count.
 *
 * A resumed run keeps the rows up to its checkpoint byte for byte and drops the later ones. So its
 * file is that of an undisturbed run. */
#include "runtime/metrics.h"

#include "runtime/files.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Row {
    const char *begin; /* where the row's line begins */
    size_t length;     /* the length of the line, with its line feed */
    json_t *json;
} Row;

/* Finds the next row of a text. A last line without a line feed, which a kill cut short, is no
 * row. */
static bool next_row(const char **at, const char *end, Row *row) {
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    if (!stop) return false;
    *row = (Row){*at, (size_t)(stop + 1 - *at), json_loadb(*at, (size_t)(stop - *at), 0, NULL)};
    *at = stop + 1;
    return true;
}

static int64_t step_of(const Row *row) {
    const json_t *step = json_object_get(row->json, "step");
    return json_is_integer(step) ? json_integer_value(step) : INT64_MAX;
}

/* Returns the subject that the row evaluates, or COUPLET_SUBJECTS if it is no evaluation. An
 * evaluation in or after the training counts only if it is of the given step. Earlier ones are kept
 * as they are. */
static int subject_of(const Row *row, int64_t step) {
    const char *of = json_string_value(json_object_get(row->json, "of"));
    const CoupletSubject subject = of ? couplet_subject_of(of) : COUPLET_SUBJECTS;
    const bool of_step = subject == COUPLET_IN_TRAINING || subject == COUPLET_AFTER_TRAINING;
    return of_step && step_of(row) != step ? COUPLET_SUBJECTS : subject;
}

/* Returns the text of the file; *length is 0 if there is no file. Returns NULL with a sentence. */
static char *read_metrics(const char *path, size_t *length, char *error, size_t error_bytes) {
    *length = 0;
    if (access(path, F_OK) == 0) return couplet_text_read(path, length, error, error_bytes);
    char *nothing = calloc(1, 1);
    if (!nothing) {
        snprintf(error, error_bytes, "%s: out of memory", path);
    }
    return nothing;
}

/* True if the row is a wanted evaluation of its subject. */
static bool is_wanted(const Row *row, int subject, const CoupletMetricsNames *wanted) {
    const char *name = json_string_value(json_object_get(row->json, "evaluation"));
    for (int i = 0; name && i < wanted->count; i++)
        if (strcmp(name, wanted->names[i]) == 0)
            return subject != COUPLET_IN_TRAINING || (wanted->due && wanted->due[i]);
    return false;
}

/* Returns the number of rows that are wanted for a subject. */
static int count_wanted(int subject, const CoupletMetricsNames *wanted) {
    int due = 0;
    for (int i = 0; wanted->due && i < wanted->count; i++)
        due += wanted->due[i];
    return subject == COUPLET_RAW           ? wanted->raw
           : subject == COUPLET_IN_TRAINING ? due
                                            : wanted->count;
}

bool couplet_metrics_survey(const char *path, int64_t step, const CoupletMetricsNames *wanted,
                            CoupletMetricsSeen *seen, char *error, size_t error_bytes) {
    size_t length;
    char *text = read_metrics(path, &length, error, error_bytes);
    if (!text) return false;
    int found[COUPLET_SUBJECTS + 1] = {0};
    seen->lowest_deviation = INFINITY;
    const char *at = text;
    for (Row row; next_row(&at, text + length, &row); json_decref(row.json)) {
        if (step_of(&row) > step) continue;
        const int subject = subject_of(&row, step);
        if (is_wanted(&row, subject, wanted)) found[subject]++;
        const json_t *deviation = json_object_get(row.json, "embedding_deviation");
        if (json_is_number(deviation))
            seen->lowest_deviation = fmin(seen->lowest_deviation, json_number_value(deviation));
    }
    for (int i = 0; i < COUPLET_SUBJECTS; i++)
        seen->complete[i] = found[i] >= count_wanted(i, wanted);
    free(text);
    return true;
}

static FILE *open_for(const char *path, const char *mode, char *error, size_t error_bytes) {
    FILE *file = fopen(path, mode);
    if (!file) {
        snprintf(error, error_bytes, "%s: cannot be written: %s", path, strerror(errno));
    }
    return file;
}

FILE *couplet_metrics_begin(const char *path, char *error, size_t error_bytes) {
    return open_for(path, "wb", error, error_bytes);
}

/* True if a resumed run keeps the row. */
static bool is_kept(const Row *row, int64_t step, const CoupletMetricsSeen *seen) {
    int subject = subject_of(row, step);
    const bool of_work =
        json_object_get(row->json, "before_epoch") || json_object_get(row->json, "before_step");
    /* The run does the work ahead of this step again, with its reports. */
    if (step_of(row) == step && of_work) return false;
    return step_of(row) <= step && (subject == COUPLET_SUBJECTS || seen->complete[subject]);
}

FILE *couplet_metrics_go_on(const char *path, const char *first, int64_t step,
                            const CoupletMetricsSeen *seen, char *error, size_t error_bytes) {
    size_t length;
    char *text = read_metrics(path, &length, error, error_bytes);
    FILE *file = text ? couplet_file_begin(path, error, error_bytes) : NULL;
    const char *at = text;
    if (file) fputs(first, file);
    for (Row row; file && next_row(&at, text + length, &row); json_decref(row.json))
        if (is_kept(&row, step, seen)) fwrite(row.begin, 1, row.length, file);
    free(text);
    if (!file || !couplet_file_commit(path, file, error, error_bytes)) return NULL;
    return open_for(path, "ab", error, error_bytes);
}

bool couplet_metrics_each(const char *path,
                          bool (*take)(void *context, const CoupletMetric *metrics, int count),
                          void *context, char *error, size_t error_bytes) {
    size_t length;
    char *text = read_metrics(path, &length, error, error_bytes);
    bool good = text != NULL;
    const char *at = text;
    for (Row row; good && next_row(&at, text + length, &row); json_decref(row.json)) {
        CoupletMetric *metrics = malloc((json_object_size(row.json) + 1) * sizeof *metrics);
        const char *name;
        json_t *value;
        int count = 0;
        good = metrics != NULL;
        if (!good) {
            snprintf(error, error_bytes, "%s: out of memory", path);
        }
        json_object_foreach(row.json, name, value) if (good) metrics[count++] = (CoupletMetric){
            name, json_is_number(value) ? json_number_value(value) : NAN, json_string_value(value)};
        good = good && take(context, metrics, count);
        free(metrics);
    }
    free(text);
    return good;
}

enum { DIGITS = 9 /* enough digits to distinguish any two floats */ };

static json_t *json_number(double value) {
    if (!isfinite(value)) return json_null();
    return value == floor(value) && fabs(value) < 1e15 ? json_integer((json_int_t)value)
                                                       : json_real(value);
}

const CoupletMetric *couplet_metrics_find(const CoupletMetric *row, int count, const char *name) {
    for (int i = 0; i < count; i++)
        if (strcmp(row[i].name, name) == 0) return &row[i];
    return NULL;
}

bool couplet_metrics_row(FILE *file, const char *path, const CoupletMetric *metrics, int count,
                         char *error, size_t error_bytes) {
    json_t *row = json_object();
    bool good = row != NULL;
    for (int i = 0; good && i < count; i++)
        good = json_object_set_new(row, metrics[i].name,
                                   metrics[i].text ? json_string(metrics[i].text)
                                                   : json_number(metrics[i].value)) == 0;
    char *text = good ? json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS)) : NULL;
    json_decref(row);
    errno = ENOMEM;
    good = text && fprintf(file, "%s\n", text) >= 0 && fflush(file) == 0;
    if (!good) {
        snprintf(error, error_bytes, "%s: cannot be written: %s", path, strerror(errno));
    }
    free(text);
    return good;
}
