#include "runtime/evaluation.h"

#include "runtime/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const couplet_subject_names[COUPLET_SUBJECTS] = {"raw pixels", "before training", "after training"};

static bool is_knn(const CoupletEval *eval) { return strcmp(eval->method, "knn") == 0; }

/* ---- images that are asked for and stand in the bank ---------------------------------------------------------------- */

static int64_t number_in_file(const CoupletDataset *data, int64_t row) { return data->origin ? data->origin[row] : row; }

static bool of_one_file(const CoupletProgram *program, const CoupletEval *eval) {
    const CoupletSource *bank = &program->sources[eval->bank], *query = &program->sources[eval->query];
    return strcmp(bank->reader, query->reader) == 0 && strcmp(bank->path, query->path) == 0;
}

/* The number of queries that stand in the bank. own[q], if `own` is not NULL, is the row of the bank that query q is, or -1. */
static int64_t find_own(const CoupletProgram *program, const CoupletEval *eval, const CoupletDataset *data, int32_t *own) {
    const CoupletDataset *bank = &data[eval->bank], *query = &data[eval->query];
    const bool can_be = of_one_file(program, eval);
    int64_t found = 0, row = 0;
    for (int64_t q = 0; q < query->count; q++) {
        int64_t number = number_in_file(query, q);
        while (can_be && row < bank->count && number_in_file(bank, row) < number) row++;
        bool is_there = can_be && row < bank->count && number_in_file(bank, row) == number;
        if (own) own[q] = is_there ? (int32_t)row : -1;
        found += is_there;
    }
    return found;
}

void couplet_eval_name(const CoupletEval *eval, const CoupletProgram *program, const CoupletDataset *data, char *out, size_t bytes) {
    bool own = find_own(program, eval, data, NULL) > 0;
    if (is_knn(eval)) snprintf(out, bytes, own ? "kNN (k = %.0f, itself left out)" : "kNN (k = %.0f)", eval->k);
    else snprintf(out, bytes, own ? "linear probe (query in bank)" : "linear probe");
}

/* ---- what can be asked -------------------------------------------------------------------------------------------------- */

static bool neighbours_fit(const CoupletProgram *program, const CoupletEval *e, const CoupletDataset *data, char *error, size_t error_bytes) {
    const char *bank = program->sources[e->bank].name;
    const int64_t rows = data[e->bank].count, own = find_own(program, e, data, NULL) > 0, most = rows - own;
    if (!(e->temperature > 0) || !isfinite(e->temperature)) {
        snprintf(error, error_bytes, "%s: error: the temperature of knn is %.9g, and a number above 0 is expected", e->place, e->temperature);
        return false;
    }
    if (e->k >= 1 && e->k <= (double)most && e->k == floor(e->k)) return true;
    snprintf(error, error_bytes, "%s: error: k of knn is %.9g, and a whole number from 1 to %lld is expected: so many images of `%s` can be neighbours%s",
             e->place, e->k, (long long)most, bank, own ? ", an image itself left out" : "");
    return false;
}

bool couplet_evaluations_fit(const CoupletProgram *program, const CoupletDataset *data, char *error, size_t error_bytes) {
    for (int i = 0; i < program->eval_count; i++)
        if (is_knn(&program->evals[i]) && !neighbours_fit(program, &program->evals[i], data, error, error_bytes)) return false;
    return true;
}

/* ---- measuring ---------------------------------------------------------------------------------------------------------- */

/* Rows of one data set; the caller frees the values. */
static float *rows_of(CoupletSession *s, const CoupletEval *eval, const CoupletDataset *data, bool raw, int64_t *width, char *error, size_t error_bytes) {
    *width = raw ? data->image_bytes : couplet_session_width(s, eval->features);
    float *values = *width > 0 ? malloc((size_t)(data->count * *width) * sizeof *values) : NULL;
    if (!values) {
        snprintf(error, error_bytes, "out of memory for the features of %s", data->name);
        return NULL;
    }
    if (raw) {
        for (int64_t i = 0; i < data->count * *width; i++) values[i] = (float)data->images[i] / 255;
        return values;
    }
    if (couplet_session_features(s, eval->features, data, values, error, error_bytes)) return values;
    free(values);
    return NULL;
}

/* The percentage; negative when memory runs out. */
static double classify(CoupletSession *s, const CoupletEval *eval, const CoupletDataset *data, const CoupletFeatures *bank, const CoupletFeatures *query) {
    const int classes = data[eval->bank].class_count;
    if (!is_knn(eval)) return couplet_linear_probe(s->threads, bank, query, classes, eval->decay, NULL);
    int32_t *own = malloc(((size_t)query->count + 1) * sizeof *own);
    if (!own) return -1;
    find_own(s->program, eval, data, own);
    const CoupletNeighbours how = {(int64_t)eval->k, eval->temperature, own};
    double percent = couplet_knn(s->threads, bank, query, classes, &how);
    free(own);
    return percent;
}

bool couplet_measure(CoupletSession *s, const CoupletDataset *data, CoupletSubject subject, double *percents, char *error, size_t error_bytes) {
    bool raw = subject == COUPLET_RAW_PIXELS, good = couplet_evaluations_fit(s->program, data, error, error_bytes);
    float *bank = NULL, *query = NULL;
    const CoupletEval *made = NULL;
    int64_t width = 0;
    for (int i = 0; good && i < s->program->eval_count; i++) {
        const CoupletEval *e = &s->program->evals[i];
        bool same = made && made->bank == e->bank && made->query == e->query && (raw || strcmp(made->features, e->features) == 0);
        if (!same) { /* features are made once for all evaluations that share them */
            free(bank);
            free(query);
            query = NULL;
            bank = rows_of(s, e, &data[e->bank], raw, &width, error, error_bytes);
            if (bank) query = rows_of(s, e, &data[e->query], raw, &width, error, error_bytes);
            good = bank && query;
            made = e;
        }
        if (!good) break;
        const CoupletFeatures from = {bank, data[e->bank].labels, data[e->bank].count, width}, to = {query, data[e->query].labels, data[e->query].count, width};
        percents[i] = classify(s, e, data, &from, &to);
        if (percents[i] >= 0) continue;
        snprintf(error, error_bytes, "out of memory in an evaluation");
        good = false;
    }
    free(bank);
    free(query);
    return good;
}
