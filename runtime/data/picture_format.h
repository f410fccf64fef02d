/* Decodes a picture (JPEG, PNG, WebP) and fits it to a square (fit.h). The format is known by the
 * first bytes, and not by the name.
 *
 * Grey becomes three equal channels. Palettes are looked up, 16 bits are rounded to 8, and CMYK is
 * converted (inverted, as Adobe's programs write it). Transparent pixels are put on white. Of an
 * animation the first image is taken. A picture is turned upright as its EXIF orientation says.
 * Colour profiles and gamma are ignored. Damaged data is refused, even where the libraries would
 * only warn. */
#ifndef COUPLET_RUNTIME_DATA_PICTURE_FORMAT_H
#define COUPLET_RUNTIME_DATA_PICTURE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COUPLET_PICTURE_SIDE = 65535, /* the most pixels of a side */
    /* The most pixels of a picture. A picture that claims more is refused before memory is
     * allocated. */
    COUPLET_PICTURE_PIXELS = 1 << 27,
    COUPLET_PICTURE_BYTES = 1 << 30, /* the most bytes of a file */
};

/* A picture to decode, for the decoders of the three formats. */
typedef struct CoupletPicture {
    const uint8_t *bytes;
    size_t length;
    const char *name; /* the file's name for messages */
    int size;
    bool grey;
    uint8_t *out; /* [3, size, size], or [1, size, size] if grey */
    char *error;
    size_t error_bytes;
} CoupletPicture;

/* Decodes a picture. Returns false with a sentence that begins with the picture's name. May be
 * called from several threads. */
bool couplet_picture_read(const CoupletPicture *picture);

bool couplet_picture_jpeg(const CoupletPicture *picture);
bool couplet_picture_png(const CoupletPicture *picture);
bool couplet_picture_webp(const CoupletPicture *picture);
/* Decodes the most common kind of PNG, which is faster. Returns false without a sentence for any
 * other kind, which couplet_picture_png reads or refuses. */
bool couplet_picture_plain(const CoupletPicture *picture);

/* Returns false with a sentence for a picture that is too large or has no pixels. */
bool couplet_picture_fits(const CoupletPicture *picture, int64_t width, int64_t height);
/* Writes the sentence "NAME: ..." and returns false. */
bool couplet_picture_fail(const CoupletPicture *picture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Returns the orientation, 1 .. 8, in an EXIF block (a TIFF header and its first directory).
 * Returns 1 if the block has none, or is damaged. In JPEG the word `Exif` comes before the header.
 * In the other formats it should not, but some programs leave it there. */
int couplet_picture_orientation(const uint8_t *bytes, size_t length);
/* Puts pixels of four bytes on white, by their fourth byte. */
void couplet_picture_on_white(uint8_t *pixels, int64_t count);

#endif
