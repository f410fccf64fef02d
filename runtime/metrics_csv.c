/* The table of a run as CSV (RFC 4180, with plain line feeds). One line is held in memory, because
 * the numbers of a step come in several rows, one after the other. */
#include "runtime/metrics_csv.h"

#include "runtime/files.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct CoupletCsv {
    FILE *file;
    const char *path;
    const char *const *names;
    char **cells; /* the cells of the held line; NULL: empty */
    int count;
    double step; /* the step of the held line; negative: there is none */
};

static bool fail(const CoupletCsv *c, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: cannot be written: %s", c->path, strerror(errno));
    return false;
}

/* Writes a cell. A text with a comma, a quote or a line feed is put in quotes. */
static void put_cell(FILE *file, const char *text) {
    const bool quoted = strpbrk(text, ",\"\n\r") != NULL;
    if (!quoted) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"') fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static bool end_line(CoupletCsv *c, char *error, size_t error_bytes) {
    if (fputc('\n', c->file) != EOF && fflush(c->file) == 0) return true;
    return fail(c, error, error_bytes);
}

static bool put_names(CoupletCsv *c, char *error, size_t error_bytes) {
    for (int i = 0; i < c->count; i++) {
        if (i) fputc(',', c->file);
        put_cell(c->file, c->names[i]);
    }
    return end_line(c, error, error_bytes);
}

static bool put_line(CoupletCsv *c, char *error, size_t error_bytes) {
    if (c->step < 0) return true;
    fprintf(c->file, "%.0f", c->step);
    for (int i = 1; i < c->count; i++) {
        fputc(',', c->file);
        if (c->cells[i]) put_cell(c->file, c->cells[i]);
        free(c->cells[i]);
        c->cells[i] = NULL;
    }
    c->step = -1;
    return end_line(c, error, error_bytes);
}

/* Fills the cell in the column PREFIX NAME, if there is such a column. Returns false if memory is
 * out. */
static bool fill_cell(CoupletCsv *c, const char *prefix, const char *name,
                      const CoupletMetric *value) {
    const size_t length = strlen(prefix);
    char number[40];
    int at = 1;
    while (at < c->count &&
           (strncmp(c->names[at], prefix, length) != 0 || strcmp(c->names[at] + length, name) != 0))
        at++;
    if (at == c->count || (!value->text && !isfinite(value->value))) return true;
    snprintf(number, sizeof number, "%.9g", value->value);
    free(c->cells[at]);
    c->cells[at] = strdup(value->text ? value->text : number);
    return c->cells[at] != NULL;
}

/* Fills the cells that a row of metrics.jsonl has. Returns false if memory is out. */
static bool fill_row(CoupletCsv *c, const CoupletMetric *metrics, int count) {
    const CoupletMetric *evaluation = couplet_metrics_find(metrics, count, "evaluation");
    const CoupletMetric *of = couplet_metrics_find(metrics, count, "of");
    const CoupletMetric *value = couplet_metrics_find(metrics, count, "value");
    const CoupletMetric *class = couplet_metrics_find(metrics, count, "class");
    const bool before = couplet_metrics_find(metrics, count, "before_epoch") ||
                        couplet_metrics_find(metrics, count, "before_step");
    bool good = true;
    if (evaluation && of) {
        if (!value) {
            value = couplet_metrics_find(metrics, count, "percent");
        }
        return couplet_subject_of(of->text) == COUPLET_RAW || !value ||
               fill_cell(c, "eval.", evaluation->text, value);
    }
    /* The row of a class is left out; the mean of all classes is an evaluation. */
    if (class && class->text) return true;
    for (int i = 0; good && i < count; i++)
        good = fill_cell(c, before ? "before." : "", metrics[i].name, &metrics[i]);
    return good;
}

bool couplet_csv_row(CoupletCsv *c, const CoupletMetric *metrics, int count, char *error,
                     size_t error_bytes) {
    const CoupletMetric *step = couplet_metrics_find(metrics, count, "step");
    if (!step) return true;
    if (c->step != step->value && !put_line(c, error, error_bytes)) return false;
    c->step = step->value;
    errno = ENOMEM;
    return fill_row(c, metrics, count) || fail(c, error, error_bytes);
}

typedef struct Replay {
    CoupletCsv *csv;
    char *error;
    size_t error_bytes;
} Replay;

static bool take(void *context, const CoupletMetric *metrics, int count) {
    const Replay *r = context;
    return couplet_csv_row(r->csv, metrics, count, r->error, r->error_bytes);
}

/* True if the name is free, or if the file is such a table. */
static bool may_replace(const char *path, char *error, size_t error_bytes) {
    char begin[5] = "";
    FILE *file = fopen(path, "rb");
    if (!file) return true;
    const size_t length = fread(begin, 1, sizeof begin, file);
    fclose(file);
    if (length == 0 || memcmp(begin, "step,", sizeof begin) == 0) return true;
    snprintf(error, error_bytes,
             "%s: no run wrote this file, and this one would replace it; move it away", path);
    return false;
}

static void free_csv(CoupletCsv *c) {
    for (int i = 0; c->cells && i < c->count; i++)
        free(c->cells[i]);
    free(c->cells);
    free(c);
}

CoupletCsv *couplet_csv_open(const char *path, const char *const *names, int count,
                             const char *metrics_path, char *error, size_t error_bytes) {
    if (!may_replace(path, error, error_bytes)) return NULL;
    CoupletCsv *c = calloc(1, sizeof *c);
    if (c) *c = (CoupletCsv){.path = path, .names = names, .count = count, .step = -1};
    if (c) c->cells = calloc((size_t)count, sizeof *c->cells);
    if (!c || !c->cells) {
        snprintf(error, error_bytes, "%s: out of memory", path);
        free(c);
        return NULL;
    }
    Replay replay = {c, error, error_bytes};
    c->file = couplet_file_begin(path, error, error_bytes);
    const bool made = c->file && put_names(c, error, error_bytes) &&
                      couplet_metrics_each(metrics_path, take, &replay, error, error_bytes);
    if (c->file && !made) couplet_file_drop(path, c->file);
    const bool whole = made && couplet_file_commit(path, c->file, error, error_bytes);
    c->file = whole ? fopen(path, "ab") : NULL;
    if (c->file) return c;
    if (whole) fail(c, error, error_bytes);
    free_csv(c);
    return NULL;
}

bool couplet_csv_close(CoupletCsv *c, char *error, size_t error_bytes) {
    if (!c) return true;
    bool good = put_line(c, error, error_bytes);
    if (fclose(c->file) != 0 && good) {
        good = fail(c, error, error_bytes);
    }
    free_csv(c);
    return good;
}
