#include "runtime/evaluation.h"

#include "runtime/evaluate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const couplet_subject_names[COUPLET_SUBJECTS] = {"raw pixels", "before training", "after training"};

void couplet_results_clear(CoupletResults *results) {
    for (int i = 0; i < COUPLET_MAX_EVALS; i++)
        for (int s = 0; s < COUPLET_SUBJECTS; s++) results->percent[i][s] = -1;
}

void couplet_eval_name(const CoupletEval *eval, char *out, size_t bytes) {
    if (strcmp(eval->method, "knn") == 0) snprintf(out, bytes, "kNN (k = %.0f)", eval->k);
    else snprintf(out, bytes, "linear probe");
}

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

static double classify(CoupletSession *s, const CoupletEval *eval, const CoupletFeatures *bank, const CoupletFeatures *query, int classes) {
    if (strcmp(eval->method, "knn") == 0) return couplet_knn(s->threads, bank, query, classes, (int)eval->k, eval->temperature);
    return couplet_linear_probe(s->threads, bank, query, classes, eval->decay, NULL);
}

bool couplet_measure(CoupletSession *s, const CoupletDataset *data, CoupletSubject subject, CoupletResults *results, char *error, size_t error_bytes) {
    bool raw = subject == COUPLET_RAW_PIXELS, good = true;
    float *bank = NULL, *query = NULL;
    const CoupletEval *made = NULL;
    int64_t width = 0;
    for (int i = 0; good && i < s->program->eval_count && i < COUPLET_MAX_EVALS; i++) {
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
        results->percent[i][subject] = classify(s, e, &from, &to, data[e->bank].class_count);
        if (results->percent[i][subject] >= 0) continue;
        snprintf(error, error_bytes, "out of memory in an evaluation");
        good = false;
    }
    free(bank);
    free(query);
    return good;
}
