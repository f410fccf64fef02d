#include "runtime/selection.h"

#include "runtime/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SELECTION_SITE = 0x53454c45 /* "SELE" */ };

int64_t couplet_selection_keep(const CoupletSelection *s, int class_number, int class_count, int64_t available) {
    double kept = (double)available;
    if (s->per_class > 0) kept = s->per_class;
    else if (s->fraction > 0) kept = round(s->fraction * (double)available);
    /* Cui, Jia, Lin, Song, Belongie: Class-Balanced Loss Based on Effective Number of Samples. CVPR 2019, section 5.1. */
    else if (s->imbalance > 0 && class_count > 1) kept = floor((double)available * pow(s->imbalance, -(double)class_number / (class_count - 1)) + 1e-9);
    if (kept < 1) kept = 1;
    return kept < (double)available ? (int64_t)kept : available;
}

typedef struct Ranked {
    uint32_t key;
    int32_t row;
} Ranked;

static int by_key(const void *a, const void *b) {
    const Ranked *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* Marks the kept rows of one class: the first ones, or those with the smallest drawn keys. */
static void mark_class(const CoupletSelection *s, const int32_t *labels, int64_t count, int class_number, int class_count, Ranked *ranked, uint8_t *kept) {
    uint32_t seed = s->seed < 0 ? 0 : (uint32_t)s->seed;
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        if (labels[i] != class_number) continue;
        uint32_t key = s->seed < 0 ? 0 : couplet_random_bits(seed, 0, 0, SELECTION_SITE, (uint64_t)i, 0);
        ranked[found++] = (Ranked){key, (int32_t)i};
    }
    qsort(ranked, (size_t)found, sizeof *ranked, by_key);
    int64_t keep = couplet_selection_keep(s, class_number, class_count, found);
    for (int64_t i = 0; i < keep; i++) kept[ranked[i].row] = 1;
}

static bool selects(const CoupletSelection *s) { return s->per_class > 0 || s->fraction > 0 || s->imbalance > 0; }

bool couplet_selection_apply(const CoupletSelection *s, CoupletDataset *data, char *error, size_t error_bytes) {
    if (!selects(s)) return true;
    Ranked *ranked = malloc(((size_t)data->count + 1) * sizeof *ranked);
    uint8_t *kept = calloc((size_t)data->count + 1, 1);
    data->origin = malloc(((size_t)data->count + 1) * sizeof *data->origin);
    bool good = ranked && kept && data->origin;
    if (good) {
        for (int c = 0; c < data->class_count; c++) mark_class(s, data->labels, data->count, c, data->class_count, ranked, kept);
        int64_t left = 0;
        for (int64_t i = 0; i < data->count; i++) {
            if (!kept[i]) continue;
            memmove(data->images + left * data->image_bytes, data->images + i * data->image_bytes, (size_t)data->image_bytes);
            data->origin[left] = (int32_t)i;
            data->labels[left++] = data->labels[i];
        }
        data->count = left;
    } else {
        snprintf(error, error_bytes, "out of memory for a selection of %s", data->name);
    }
    free(ranked);
    free(kept);
    return good;
}

int64_t couplet_selection_rows(const CoupletSelection *s, const char *reader, const char *split, const char *folder) {
    CoupletDataset data; /* labels only */
    char error[1024];
    if (!couplet_dataset_labels(reader, split, folder, &data, error, sizeof error)) return -1;
    int64_t rows = data.count;
    if (selects(s)) {
        rows = 0;
        for (int c = 0; c < data.class_count; c++) {
            int64_t available = 0;
            for (int64_t i = 0; i < data.count; i++) available += data.labels[i] == c;
            rows += available ? couplet_selection_keep(s, c, data.class_count, available) : 0;
        }
    }
    couplet_dataset_free(&data);
    return rows;
}
