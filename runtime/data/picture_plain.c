/* PNG files as most programs write them (8 bits, grey, RGB or RGBA, not interlaced, without a
 * transparent colour), faster than libpng reads them: libdeflate unpacks all rows at once, and the
 * filters between pixels are undone for all bytes of a pixel together. Whatever else a file holds,
 * and whatever is wrong with it, is left to libpng, which reads or refuses it. Measured on
 * photographs: half the time. */
#include "runtime/data/fit.h"
#include "runtime/data/picture_format.h"

#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

enum { HEAD = 8, FRAME = 12 /* the bytes of a chunk's length, name and checksum */, SLACK = 16 };

typedef enum {
    NONE,
    SUB,
    UP,
    AVERAGE,
    PAETH,
} Filter;

typedef struct Plain {
    const CoupletPicture *picture;
    uint32_t width;
    uint32_t height;
    int channels;
    bool turned; /* true once an EXIF block was met, since the first one counts */
    int orientation;
    const uint8_t *packed; /* the data of the IDAT chunks, in the file or joined */
    size_t packed_length;
    uint8_t *joined; /* the bytes of several chunks, joined */
    uint8_t *rows;   /* [height][1 + width * channels], and SLACK bytes */
    uint8_t *pixels; /* a row, four bytes a pixel */
    CoupletFit fit;
} Plain;

/* ---- chunks ---------------------------------------------------------------------------------- */

static uint32_t big_endian(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool is_chunk(const uint8_t *chunk, const char *name) {
    return memcmp(chunk + 4, name, 4) == 0;
}

static bool is_letter(uint8_t byte) {
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
}

/* True if the chunk at `at` is inside the file and has a name. *length is that of its data. */
static bool has_chunk(const CoupletPicture *p, size_t at, size_t *length) {
    if (p->length - at < FRAME) return false;
    const uint8_t *chunk = p->bytes + at;
    *length = big_endian(chunk);
    bool named =
        is_letter(chunk[4]) && is_letter(chunk[5]) && is_letter(chunk[6]) && is_letter(chunk[7]);
    return named && *length <= p->length - at - FRAME;
}

static bool has_right_sum(const uint8_t *chunk, size_t length) {
    return libdeflate_crc32(0, chunk + 4, length + 4) == big_endian(chunk + 8 + length);
}

/* Reads the header. Returns false if its kind is not read here. */
static bool read_head(Plain *p, const uint8_t *chunk, size_t length) {
    if (!is_chunk(chunk, "IHDR") || length != 13) return false;
    const uint8_t *h = chunk + 8;
    p->width = big_endian(h);
    p->height = big_endian(h + 4);
    p->channels = h[9] == 0 ? 1 : h[9] == 2 ? 3 : h[9] == 6 ? 4 : 0;
    bool in_bounds = p->width >= 1 && p->height >= 1 && p->width <= COUPLET_PICTURE_SIDE &&
                     p->height <= COUPLET_PICTURE_SIDE &&
                     (uint64_t)p->width * p->height <= COUPLET_PICTURE_PIXELS;
    bool as_usual = h[8] == 8 && h[10] == 0 && h[11] == 0 && h[12] == 0;
    return p->channels && in_bounds && as_usual;
}

/* Joins another piece to the packed data. The first piece stays in place. */
static bool add_packed(Plain *p, const uint8_t *data, size_t length) {
    if (!p->packed) {
        p->packed = data;
        p->packed_length = length;
        return true;
    }
    if (!p->joined) {
        p->joined = malloc(p->picture->length);
        if (!p->joined) return false;
        memcpy(p->joined, p->packed, p->packed_length);
        p->packed = p->joined;
    }
    memcpy(p->joined + p->packed_length, data, length);
    p->packed_length += length;
    return true;
}

/* Goes through all chunks. Beside the known chunks, only those may stand that no pixel depends on,
 * and data may stand in one place alone. */
static bool read_chunks(Plain *p) {
    const CoupletPicture *picture = p->picture;
    bool data_ended = false;
    bool in_data = false;
    size_t length;
    for (size_t at = HEAD; has_chunk(picture, at, &length); at += length + FRAME) {
        const uint8_t *chunk = picture->bytes + at;
        bool is_data = is_chunk(chunk, "IDAT");
        bool is_needed = !(chunk[4] & 0x20);
        if ((is_needed || is_chunk(chunk, "eXIf")) && !has_right_sum(chunk, length)) return false;
        if (at == HEAD) {
            if (!read_head(p, chunk, length)) return false;
            continue;
        }
        if (is_chunk(chunk, "IEND")) return length == 0 && p->packed;
        if (is_data && (data_ended || !add_packed(p, chunk + 8, length))) return false;
        if (is_chunk(chunk, "tRNS") || (is_needed && !is_data)) return false;
        if (is_chunk(chunk, "eXIf") && !p->turned) {
            p->turned = true;
            p->orientation = couplet_picture_orientation(chunk + 8, length);
        }
        data_ended = data_ended || (in_data && !is_data);
        in_data = is_data;
    }
    return false;
}

static bool unpack_rows(Plain *p) {
    size_t bytes = ((size_t)p->width * (size_t)p->channels + 1) * p->height;
    size_t taken;
    /* deflate cannot pack better, so memory is not allocated for what cannot come */
    bool can_be = bytes / 1040 <= p->packed_length;
    p->rows = can_be ? malloc(bytes + SLACK) : NULL;
    struct libdeflate_decompressor *unpacker = p->rows ? libdeflate_alloc_decompressor() : NULL;
    bool good =
        unpacker && libdeflate_zlib_decompress_ex(unpacker, p->packed, p->packed_length, p->rows,
                                                  bytes, &taken, NULL) == LIBDEFLATE_SUCCESS;
    libdeflate_free_decompressor(unpacker);
    return good && taken == p->packed_length;
}

/* ---- filters --------------------------------------------------------------------------------- */

typedef uint8_t Bytes __attribute__((vector_size(8)));
typedef int16_t Lanes __attribute__((vector_size(16)));

static inline Lanes load_lanes(const uint8_t *at) {
    Bytes bytes = {0};
    memcpy(&bytes, at, 4);
    return __builtin_convertvector(bytes, Lanes);
}

static inline void store(uint8_t *at, Lanes lanes, int channels) {
    Bytes bytes = __builtin_convertvector(lanes, Bytes);
    memcpy(at, &bytes, (size_t)channels);
}

static inline Lanes magnitude(Lanes x) {
    Lanes negative = x < 0;
    return (x ^ negative) - negative;
}

/* Returns the one of left, above and both that is nearest to left + above - both; if several are,
 * the first of them. */
static inline Lanes nearest(Lanes left, Lanes above, Lanes both) {
    Lanes to_left = magnitude(above - both);
    Lanes to_above = magnitude(left - both);
    Lanes to_both = magnitude(left + above - both - both);
    Lanes is_left = (to_left <= to_above) & (to_left <= to_both);
    Lanes is_above = ~is_left & (to_above <= to_both);
    return (is_left & left) | (is_above & above) | (~(is_left | is_above) & both);
}

/* Undoes SUB, AVERAGE or PAETH for a row. Some bytes behind a pixel are read, but not written. */
static inline void undo_filter(Filter filter, uint8_t *row, const uint8_t *above_row, size_t bytes,
                               int channels) {
    Lanes left = {0};
    Lanes both = {0};
    const Lanes byte = {255, 255, 255, 255, 255, 255, 255, 255};
    for (size_t i = 0; i < bytes; i += (size_t)channels) {
        Lanes above = load_lanes(above_row + i);
        Lanes guess = filter == SUB       ? left
                      : filter == AVERAGE ? (left + above) >> 1
                                          : nearest(left, above, both);
        left = (load_lanes(row + i) + guess) & byte;
        both = above;
        store(row + i, left, channels);
    }
}

static inline void undo_row(Filter filter, uint8_t *row, const uint8_t *above, size_t bytes,
                            int channels) {
    if (filter == SUB)
        undo_filter(SUB, row, above, bytes, channels);
    else if (filter == AVERAGE)
        undo_filter(AVERAGE, row, above, bytes, channels);
    else if (filter == PAETH)
        undo_filter(PAETH, row, above, bytes, channels);
    for (size_t i = 0; filter == UP && i < bytes; i++)
        row[i] = (uint8_t)(row[i] + above[i]);
}

static bool undo_filters(Plain *p) {
    size_t bytes = (size_t)p->width * (size_t)p->channels;
    uint8_t *zeros = calloc(1, bytes + SLACK);
    const uint8_t *above = zeros;
    bool good = zeros != NULL;
    for (uint32_t i = 0; good && i < p->height; i++) {
        uint8_t *row = p->rows + (bytes + 1) * i;
        good = row[0] <= PAETH;
        if (p->channels == 1)
            undo_row(row[0], row + 1, above, bytes, 1);
        else if (p->channels == 3)
            undo_row(row[0], row + 1, above, bytes, 3);
        else
            undo_row(row[0], row + 1, above, bytes, 4);
        above = row + 1;
    }
    free(zeros);
    return good;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

/* Converts the pixels of the row to four bytes each. */
static void widen(const uint8_t *from, uint8_t *to, int64_t count, int channels) {
    if (channels == 4) memcpy(to, from, 4 * (size_t)count);
    for (int64_t i = 0; channels == 3 && i < count; i++, from += 3, to += 4)
        memcpy(to, from, 4);
    for (int64_t i = 0; channels == 1 && i < count; i++, to += 4)
        to[0] = to[1] = to[2] = from[i];
}

static bool use_rows(Plain *p) {
    CoupletFit *fit = &p->fit;
    if (!couplet_fit_middle(fit, (int)p->width, (int)p->height, p->picture->size)) return false;
    int64_t count = fit->end_column - fit->first_column;
    size_t channels = (size_t)p->channels;
    p->pixels = malloc(4 * (size_t)count);
    if (!p->pixels) return false;
    for (int row = fit->first_row; row < fit->end_row; row++) {
        widen(p->rows + (p->width * channels + 1) * (size_t)row + 1 +
                  channels * (size_t)fit->first_column,
              p->pixels, count, p->channels);
        if (p->channels == 4) {
            couplet_picture_on_white(p->pixels, count);
        }
        couplet_fit_row(fit, p->pixels);
    }
    couplet_fit_finish(fit, p->orientation, p->picture->grey, p->picture->out);
    return true;
}

bool couplet_picture_plain(const CoupletPicture *picture) {
    Plain p = {.picture = picture, .orientation = 1};
    static const uint8_t head[HEAD] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    bool good = picture->length > HEAD && memcmp(picture->bytes, head, HEAD) == 0 &&
                read_chunks(&p) && unpack_rows(&p) && undo_filters(&p) && use_rows(&p);
    couplet_fit_free(&p.fit);
    free(p.joined);
    free(p.rows);
    free(p.pixels);
    return good;
}
