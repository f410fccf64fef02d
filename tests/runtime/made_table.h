/* A table in memory: row i has the byte i of a field `image`, the int i % 10 of `label`, and three
 * reals of `x` that are i, i / 2 and -i. */
#ifndef COUPLET_TESTS_RUNTIME_MADE_TABLE_H
#define COUPLET_TESTS_RUNTIME_MADE_TABLE_H

#include "runtime/data/reader.h"

#include <stdlib.h>

enum { MADE_IMAGE, MADE_LABEL, MADE_X, MADE_FIELDS };

static inline CoupletTable made_table(int count) {
    CoupletTable t = {.name = "numbers", .held = count, .count = count};
    couplet_table_add(&t, "image", COUPLET_U8, 3, (const int64_t[]){1, 1, 1});
    couplet_table_add(&t, "label", COUPLET_I32, 0, NULL)->classes = 10;
    couplet_table_add(&t, "x", COUPLET_F32, 1, (const int64_t[]){3});
    t.columns = calloc(MADE_FIELDS, sizeof *t.columns);
    char *storage = calloc((size_t)count, 1 + 4 + 12);
    float *x = (float *)storage;
    int32_t *label = (int32_t *)(storage + 12 * count);
    uint8_t *image = (uint8_t *)(storage + 16 * count);
    t.columns[MADE_X] = x;
    t.columns[MADE_LABEL] = label;
    t.columns[MADE_IMAGE] = image;
    t.storage = storage;
    t.release = free;
    for (int i = 0; i < count; i++) {
        image[i] = (uint8_t)i;
        label[i] = i % 10;
        x[3 * i] = (float)i;
        x[3 * i + 1] = (float)i / 2;
        x[3 * i + 2] = -(float)i;
    }
    return t;
}

static inline int32_t *made_labels(CoupletTable *t) {
    return (int32_t *)(uintptr_t)t->columns[MADE_LABEL];
}

#endif
