/* Recognises the format of a picture by its first bytes, and calls its decoder (picture_jpeg.c,
 * picture_png.c, picture_webp.c). Also has what these share: limits on size, the EXIF orientation,
 * and transparent pixels on white.
 *
 * A size is checked before memory is allocated, since a small file may claim a billion pixels. */
#include "runtime/data/picture_format.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool couplet_picture_fail(const CoupletPicture *picture, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~') *at = '?';
    snprintf(picture->error, picture->error_bytes, "%s: %s", picture->name, text);
    return false;
}

bool couplet_picture_fits(const CoupletPicture *picture, int64_t width, int64_t height) {
    if (width < 1 || height < 1)
        return couplet_picture_fail(picture, "the picture has no pixel (%lld x %lld)",
                                    (long long)width, (long long)height);
    if (width <= COUPLET_PICTURE_SIDE && height <= COUPLET_PICTURE_SIDE &&
        width * height <= COUPLET_PICTURE_PIXELS)
        return true;
    return couplet_picture_fail(
        picture, "the picture has %lld x %lld pixels; at most %d a side, and %d in all, are read",
        (long long)width, (long long)height, COUPLET_PICTURE_SIDE, COUPLET_PICTURE_PIXELS);
}

void couplet_picture_on_white(uint8_t *pixels, int64_t count) {
    for (uint8_t *p = pixels; count > 0; count--, p += 4) {
        unsigned alpha = p[3];
        if (alpha == 255) continue;
        for (int c = 0; c < 3; c++) {
            unsigned sum = p[c] * alpha + 255 * (255 - alpha) + 128;
            p[c] = (uint8_t)((sum + (sum >> 8)) >> 8); /* the quotient by 255, rounded */
        }
        p[3] = 255;
    }
}

/* ---- EXIF ------------------------------------------------------------------------------------ */

typedef struct Exif {
    const uint8_t *bytes;
    size_t length;
    bool big_endian;
} Exif;

/* Returns a whole number of 2 or 4 bytes, or 0 outside the block. */
static uint32_t exif_number(const Exif *e, size_t at, size_t count) {
    uint32_t value = 0;
    if (at > e->length || e->length - at < count) return 0;
    for (size_t i = 0; i < count; i++)
        value |= (uint32_t)e->bytes[at + i] << (8 * (e->big_endian ? count - 1 - i : i));
    return value;
}

int couplet_picture_orientation(const uint8_t *bytes, size_t length) {
    enum {
        ORIENTATION = 0x0112,
        SHORT = 3,
        ENTRY_BYTES = 12,
        HEAD = 6,
    };
    if (length > HEAD && memcmp(bytes, "Exif\0", HEAD) == 0)
        return couplet_picture_orientation(bytes + HEAD, length - HEAD);
    Exif e = {bytes, length, length > 1 && bytes[0] == 'M'};
    bool is_tiff = length >= 8 && (memcmp(bytes, "II*", 4) == 0 || memcmp(bytes, "MM\0*", 4) == 0);
    if (!is_tiff) return 1;
    size_t at = exif_number(&e, 4, 4);
    uint32_t entries = exif_number(&e, at, 2);
    for (at += 2; entries > 0 && at < length; entries--, at += ENTRY_BYTES) {
        if (exif_number(&e, at, 2) != ORIENTATION) continue;
        uint32_t value = exif_number(&e, at + 2, 2) == SHORT ? exif_number(&e, at + 8, 2) : 0;
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

/* ---- formats --------------------------------------------------------------------------------- */

static bool begins(const CoupletPicture *p, size_t at, const char *text) {
    size_t length = strlen(text);
    return p->length >= at + length && memcmp(p->bytes + at, text, length) == 0;
}

/* Names what the file is instead, if its first bytes tell. */
static bool no_picture(const CoupletPicture *p) {
    static const struct {
        size_t at;
        const char *text;
        const char *kind;
    } others[] = {{0, "GIF8", "a GIF picture"},
                  {0, "BM", "a BMP picture"},
                  {0, "II*", "a TIFF picture"},
                  {0, "MM", "a TIFF picture"},
                  {4, "ftyp", "an AVIF, HEIC or video file"},
                  {0, "%PDF", "a PDF file"},
                  {0, "<", "a text in XML or HTML"},
                  {0, "PK", "a ZIP archive"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (begins(p, others[i].at, others[i].text))
            return couplet_picture_fail(
                p, "this is %s; a picture in JPEG, PNG or WebP was expected", others[i].kind);
    char first[40] = "";
    for (size_t i = 0; i < 4 && i < p->length; i++)
        snprintf(first + 3 * i, sizeof first - 3 * i, "%02x ", p->bytes[i]);
    return couplet_picture_fail(
        p, "this is no picture in JPEG, PNG or WebP: it begins with the bytes %s", first);
}

bool couplet_picture_read(const CoupletPicture *p) {
    if (begins(p, 0, "\xff\xd8")) return couplet_picture_jpeg(p);
    if (begins(p, 0, "\x89PNG")) return couplet_picture_plain(p) || couplet_picture_png(p);
    if (begins(p, 0, "RIFF") && begins(p, 8, "WEBP")) return couplet_picture_webp(p);
    return no_picture(p);
}
