#include "runtime/metrics.h"

#include "runtime/files.h"

#include <cjson/cJSON.h>
#include <errno.h>
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
        cJSON *row = cJSON_ParseWithLength(line, (size_t)(end - line));
        const cJSON *step = cJSON_GetObjectItemCaseSensitive(row, "step");
        if (cJSON_IsNumber(step) && step->valuedouble <= (double)up_to) fwrite(line, 1, (size_t)(end + 1 - line), file);
        cJSON_Delete(row);
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

static cJSON *number(double value) {
    char text[40];
    if (!isfinite(value)) return cJSON_CreateNull();
    snprintf(text, sizeof text, value == floor(value) && fabs(value) < 1e15 ? "%.0f" : "%.9g", value);
    return cJSON_CreateRaw(text);
}

bool couplet_metrics_row(FILE *file, const char *path, const CoupletMetric *metrics, int count, char *error, size_t error_bytes) {
    cJSON *row = cJSON_CreateObject();
    for (int i = 0; i < count; i++)
        cJSON_AddItemToObject(row, metrics[i].name, metrics[i].text ? cJSON_CreateString(metrics[i].text) : number(metrics[i].value));
    char *text = cJSON_PrintUnformatted(row);
    cJSON_Delete(row);
    errno = ENOMEM;
    bool good = text && fprintf(file, "%s\n", text) >= 0 && fflush(file) == 0;
    if (!good) snprintf(error, error_bytes, "%s: cannot be written: %s", path, strerror(errno));
    cJSON_free(text);
    return good;
}
