/* The fuzz target of pictures. The sums of PNG's chunks are made right in every other input, so
 * that what lies behind them is reached. */
#include "runtime/data/picture_format.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uint32_t big_endian(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void mend_sums(uint8_t *data, size_t size) {
    for (size_t at = 8; at + 12 <= size;) {
        size_t length = big_endian(data + at);
        if (length > size - at - 12) return;
        uint32_t sum = (uint32_t)crc32(0, data + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++)
            data[at + 8 + length + i] = (uint8_t)(sum >> (24 - 8 * i));
        at += length + 12;
    }
}

/* Compares a picture that was read without libpng with what libpng reads, to the byte. */
static void compare_with_libpng(const CoupletPicture *picture, size_t bytes) {
    uint8_t *plain = malloc(bytes);
    CoupletPicture other = *picture;
    other.out = plain;
    if (couplet_picture_plain(&other)) {
        assert(couplet_picture_png(picture));
        assert(memcmp(plain, picture->out, bytes) == 0);
    }
    free(plain);
}

static void fuzz_one(const char *name, const uint8_t *data, size_t size) {
    char error[512] = "";
    int side = 1 + (int)(size % 37);
    bool grey = size % 2;
    uint8_t *copy = malloc(size + !size);
    uint8_t *out = malloc((size_t)(grey ? 1 : 3) * (size_t)side * (size_t)side);
    memcpy(copy, data, size);
    if (size % 4 < 2) mend_sums(copy, size);
    const CoupletPicture picture = {copy, size, name, side, grey, out, error, sizeof error};
    assert(couplet_picture_read(&picture) || strncmp(error, name, strlen(name)) == 0);
    if (strstr(name, ".png"))
        compare_with_libpng(&picture, (size_t)(grey ? 1 : 3) * (size_t)side * (size_t)side);
    free(copy);
    free(out);
}

#include "tests/runtime/fuzz/mutate.h"
