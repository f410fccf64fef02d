/* The fuzz target of tar archives. The sums of the headers are made right in every other input of a
 * plain archive. */
#include "runtime/data/images.h"
#include "tests/runtime/fuzz/table.h"

enum { BLOCK = 512, SUM = 148, SUM_BYTES = 8, SIZE = 124, SIZE_BYTES = 11 };

static void mend_sums(uint8_t *data, size_t size) {
    for (size_t at = 0; at + BLOCK <= size && data[at];) {
        unsigned sum = 0;
        char digits[SIZE_BYTES + 1];
        memset(data + at + SUM, ' ', SUM_BYTES);
        for (int i = 0; i < BLOCK; i++)
            sum += data[at + i];
        snprintf((char *)data + at + SUM, SUM_BYTES, "%06o", sum);
        memcpy(digits, data + at + SIZE, SIZE_BYTES);
        digits[SIZE_BYTES] = 0;
        size_t length = (size_t)strtoull(digits, NULL, 8);
        if (length > size) return;
        at += BLOCK + (length + BLOCK - 1) / BLOCK * BLOCK;
    }
}

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    const CoupletSetting settings[] = {{"size", 5, NULL},
                                       {"label", 0, strstr(name, "json") ? "json.class" : "cls"}};
    uint8_t *copy = malloc(size + !size);
    memcpy(copy, data, size);
    if (size % 4 < 2 && strstr(name, ".tar") && !strstr(name, ".tar.")) mend_sums(copy, size);
    fuzz_table(&couplet_reader_shards, copy, size, settings, 2);
    free(copy);
}

#include "tests/runtime/fuzz/mutate.h"
