#include "runtime/metrics.h"

#include "runtime/files.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows up to a step, byte for byte; a last line that a kill cut short is no JSON and goes. */
static bool keep_rows(const char *path, int64_t up_to, char *error, size_t error_bytes) {
    size_t length;
    char *text = couplet_text_read(path, &length, error, error_bytes);
    if (!text) return errno == ENOENT; /* no row was written yet */
    FILE *file = couplet_file_begin(path, error, error_bytes);
    if (!file) {
        free(text);
        return false;
    }
    for (char *line = text; line < text + length;) {
        char *end = memchr(line, '\n', (size_t)(text + length - line));
        if (!end) break;
        json_t *row = json_loadb(line, (size_t)(end - line), 0, NULL);
        const json_t *step = json_object_get(row, "step");
        if (json_is_integer(step) && json_integer_value(step) <= up_to) fwrite(line, 1, (size_t)(end + 1 - line), file);
        json_decref(row);
        line = end + 1;
    }
    free(text);
    return couplet_file_commit(path, file, error, error_bytes);
}

FILE *couplet_metrics_open(const char *path, int64_t keep_up_to, char *error, size_t error_bytes) {
    if (keep_up_to >= 0 && !keep_rows(path, keep_up_to, error, error_bytes)) return NULL;
    FILE *file = fopen(path, keep_up_to >= 0 ? "ab" : "wb");
    if (!file) snprintf(error, error_bytes, "%s: cannot be written: %s", path, strerror(errno));
    return file;
}

enum { DIGITS = 9 /* enough to tell any two floats apart */ };

static json_t *number(double value) {
    if (!isfinite(value)) return json_null();
    return value == floor(value) && fabs(value) < 1e15 ? json_integer((json_int_t)value) : json_real(value);
}

bool couplet_metrics_row(FILE *file, const char *path, const CoupletMetric *metrics, int count, char *error, size_t error_bytes) {
    json_t *row = json_object();
    bool good = row != NULL;
    for (int i = 0; good && i < count; i++)
        good = json_object_set_new(row, metrics[i].name, metrics[i].text ? json_string(metrics[i].text) : number(metrics[i].value)) == 0;
    char *text = good ? json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS)) : NULL;
    json_decref(row);
    errno = ENOMEM;
    good = text && fprintf(file, "%s\n", text) >= 0 && fflush(file) == 0;
    if (!good) snprintf(error, error_bytes, "%s: cannot be written: %s", path, strerror(errno));
    free(text);
    return good;
}
