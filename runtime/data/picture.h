/* Decodes one picture (JPEG, PNG, WebP) and fits it to a square (fit.h). What a picture is, its first bytes say, not the end of its name.
 *
 * Grey becomes three equal channels, palettes are looked up, 16 bits are rounded to 8, CMYK is converted (inverted, as Adobe's programs write it), what is
 * transparent lies on white, of an animation the first image is taken, and a picture is turned upright as its EXIF orientation says. Colour profiles and gamma are
 * not looked at. Damaged data is refused, also what the libraries would pass over with a warning. */
#ifndef COUPLET_RUNTIME_DATA_PICTURE_H
#define COUPLET_RUNTIME_DATA_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COUPLET_PICTURE_SIDE = 65535,        /* pixels of a side, at most */
    COUPLET_PICTURE_PIXELS = 1 << 27,    /* pixels of a picture, at most: one that claims more is refused before memory is taken */
    COUPLET_PICTURE_BYTES = 1 << 30,     /* bytes of a file, at most */
};

/* What is decoded, for the decoders of the three formats. */
typedef struct CoupletPicture {
    const uint8_t *bytes;
    size_t length;
    const char *name; /* of the file, for messages */
    int size;
    bool grey;
    uint8_t *out;     /* [3, size, size], or [1, size, size] when grey */
    char *error;
    size_t error_bytes;
} CoupletPicture;

/* False with a sentence that begins with the picture's name. Safe to call from several threads. */
bool couplet_picture_read(const CoupletPicture *picture);

bool couplet_picture_jpeg(const CoupletPicture *picture);
bool couplet_picture_png(const CoupletPicture *picture);
bool couplet_picture_webp(const CoupletPicture *picture);
/* The usual kind of PNG, faster. False, without a sentence, for all else: couplet_picture_png reads or refuses it. */
bool couplet_picture_plain(const CoupletPicture *picture);

/* False with a sentence for a picture that is too large or has no pixel. */
bool couplet_picture_fits(const CoupletPicture *picture, int64_t width, int64_t height);
/* Writes the sentence "NAME: ..." and returns false. */
bool couplet_picture_fail(const CoupletPicture *picture, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The orientation, 1 .. 8, that an EXIF block says (a TIFF header and its first directory); 1 where it says none, or is damaged. JPEG has the word `Exif` before
 * the header; the other formats do not, but some programs leave it there. */
int couplet_picture_orientation(const uint8_t *bytes, size_t length);
/* Lays pixels of four bytes on white, by their fourth byte. */
void couplet_picture_on_white(uint8_t *pixels, int64_t count);

#endif
