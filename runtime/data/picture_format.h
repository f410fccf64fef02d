/* Decodes a picture (JPEG, PNG, WebP) and fits it to a square (fit.h). The first bytes tell the
 * format, not the end of the name.
 *
 * Grey becomes three equal channels. Palettes are looked up, 16 bits are rounded to 8, and CMYK is
 * converted (inverted, as Adobe's programs write it). What is transparent lies on white. The first
 * image of an animation is taken, and a picture is turned upright as its EXIF orientation says.
 * Colour profiles and gamma are not looked at. Damaged data is refused, also data that the
 * libraries would pass over with a warning. */
#ifndef COUPLET_RUNTIME_DATA_PICTURE_FORMAT_H
#define COUPLET_RUNTIME_DATA_PICTURE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COUPLET_PICTURE_SIDE = 65535, /* pixels of a side, at most */
    /* Pixels of a picture, at most. One that claims more is refused before memory is taken. */
    COUPLET_PICTURE_PIXELS = 1 << 27,
    COUPLET_PICTURE_BYTES = 1 << 30, /* bytes of a file, at most */
};

/* A picture that is to be decoded, for the decoders of the three formats. */
typedef struct CoupletPicture {
    const uint8_t *bytes;
    size_t length;
    const char *name; /* the file's name, for messages */
    int size;
    bool grey;
    uint8_t *out; /* [3, size, size], or [1, size, size] when grey */
    char *error;
    size_t error_bytes;
} CoupletPicture;

/* False with a sentence that begins with the picture's name. Safe to call from several threads. */
bool couplet_picture_read(const CoupletPicture *picture);

bool couplet_picture_jpeg(const CoupletPicture *picture);
bool couplet_picture_png(const CoupletPicture *picture);
bool couplet_picture_webp(const CoupletPicture *picture);
/* Decodes the usual kind of PNG, faster. False without a sentence for any other kind, which
 * couplet_picture_png reads or refuses. */
bool couplet_picture_plain(const CoupletPicture *picture);

/* False with a sentence for a picture that is too large or has no pixel. */
bool couplet_picture_fits(const CoupletPicture *picture, int64_t width, int64_t height);
/* Writes the sentence "NAME: ..." and returns false. */
bool couplet_picture_fail(const CoupletPicture *picture, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The orientation, 1 .. 8, that an EXIF block says (a TIFF header and its first directory); 1 where
 * it says none, or is damaged. JPEG has the word `Exif` before the header; the other formats do
 * not, but some programs leave it there. */
int couplet_picture_orientation(const uint8_t *bytes, size_t length);
/* Lays pixels of four bytes on white, by their fourth byte. */
void couplet_picture_on_white(uint8_t *pixels, int64_t count);

#endif
