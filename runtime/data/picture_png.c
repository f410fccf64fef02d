/* PNG, by libpng: row by row, or as a whole if it is interlaced. Of an animation (APNG), the
 * default image is taken. */
#include "runtime/data/fit.h"
#include "runtime/data/picture_format.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

typedef struct Decoding {
    const CoupletPicture *picture;
    png_structp png;
    png_infop info;
    size_t place; /* the position of the next byte of the file */
    CoupletFit fit;
    uint8_t *pixels; /* one row, or all rows */
    png_bytep *rows; /* the rows of an interlaced picture */
    int height, row; /* the row that is being decoded */
    bool has_alpha;
} Decoding;

static void fail_and_jump(png_structp png, png_const_charp text) {
    Decoding *d = png_get_error_ptr(png);
    if (d->height)
        couplet_picture_fail(
            d->picture, "the PNG file cannot be decoded, near byte %zu of %zu, row %d of %d: %s",
            d->place, d->picture->length, d->row, d->height, text);
    else
        couplet_picture_fail(d->picture, "the PNG file cannot be decoded, near byte %zu of %zu: %s",
                             d->place, d->picture->length, text);
    longjmp(png_jmpbuf(png), 1);
}

/* Ignores warnings, which are about what no pixel depends on. png_set_benign_errors makes
 * everything else an error. */
static void hear_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void give_bytes(png_structp png, png_bytep out, size_t count) {
    Decoding *d = png_get_io_ptr(png);
    if (count > d->picture->length - d->place) {
        png_error(png, "the file ends there");
    }
    memcpy(out, d->picture->bytes + d->place, count);
    d->place += count;
}

/* Chunks that no pixel depends on are not even unpacked. The EXIF chunk is kept as it is. */
static void leave_out_chunks(png_structp png) {
    static const png_byte names[] = "bKGD\0cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sC"
                                    "AL\0sPLT\0sRGB\0sTER\0tEXt\0tIME\0zTXt";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_ALWAYS, (png_const_bytep) "eXIf", 1);
}

/* Makes rows have four bytes a pixel, whatever the file has. */
static void ask_for_four_bytes(Decoding *d) {
    png_byte colours = png_get_color_type(d->png, d->info);
    d->has_alpha =
        (colours & PNG_COLOR_MASK_ALPHA) || png_get_valid(d->png, d->info, PNG_INFO_tRNS);
    png_set_expand(d->png);
    png_set_scale_16(d->png);
    png_set_gray_to_rgb(d->png);
    if (!d->has_alpha) png_set_filler(d->png, 255, PNG_FILLER_AFTER);
}

/* Returns the orientation. If the library read the block itself, it would refuse the picture for
 * mistakes in it. */
static int orientation_of(Decoding *d) {
    png_unknown_chunkp chunks = NULL;
    int count = png_get_unknown_chunks(d->png, d->info, &chunks);
    for (int i = 0; i < count; i++)
        if (memcmp(chunks[i].name, "eXIf", 4) == 0)
            return couplet_picture_orientation(chunks[i].data, chunks[i].size);
    return 1;
}

static void use_row(Decoding *d, uint8_t *row) {
    row += 4 * (size_t)d->fit.first_column;
    if (d->has_alpha) {
        couplet_picture_on_white(row, d->fit.end_column - d->fit.first_column);
    }
    couplet_fit_row(&d->fit, row);
}

static bool is_needed(const Decoding *d, int row) {
    return row >= d->fit.first_row && row < d->fit.end_row;
}

static bool read_in_turn(Decoding *d, size_t row_bytes) {
    d->pixels = malloc(row_bytes);
    if (!d->pixels)
        return couplet_picture_fail(d->picture, "out of memory for a row of %zu bytes", row_bytes);
    for (d->row = 0; d->row < d->height; d->row++) {
        png_read_row(d->png, d->pixels, NULL);
        if (is_needed(d, d->row)) use_row(d, d->pixels);
    }
    return true;
}

static bool read_as_a_whole(Decoding *d, size_t row_bytes) {
    d->pixels = malloc(row_bytes * (size_t)d->height);
    d->rows = malloc((size_t)d->height * sizeof *d->rows);
    if (!d->pixels || !d->rows)
        return couplet_picture_fail(d->picture, "out of memory for %zu bytes",
                                    row_bytes * (size_t)d->height);
    for (int i = 0; i < d->height; i++)
        d->rows[i] = d->pixels + (size_t)i * row_bytes;
    png_read_image(d->png, d->rows);
    for (int i = d->fit.first_row; i < d->fit.end_row; i++)
        use_row(d, d->rows[i]);
    d->row = d->height;
    return true;
}

static bool decode(Decoding *d) {
    if (setjmp(png_jmpbuf(d->png))) return false;
    png_set_read_fn(d->png, d, give_bytes);
    png_set_benign_errors(d->png, 0);
    /* the checksums of the chunks are enough */
    png_set_option(d->png, PNG_IGNORE_ADLER32, PNG_OPTION_ON);
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    leave_out_chunks(d->png);
    png_read_info(d->png, d->info);
    png_uint_32 width = png_get_image_width(d->png, d->info);
    png_uint_32 height = png_get_image_height(d->png, d->info);
    if (!couplet_picture_fits(d->picture, width, height)) return false;
    d->height = (int)height;
    ask_for_four_bytes(d);
    bool interlaced = png_set_interlace_handling(d->png) > 1;
    png_read_update_info(d->png, d->info);
    if (!couplet_fit_middle(&d->fit, (int)width, (int)height, d->picture->size))
        return couplet_picture_fail(d->picture, "out of memory for %u x %u pixels", width, height);
    size_t row_bytes = png_get_rowbytes(d->png, d->info);
    if (row_bytes != 4 * (size_t)width)
        return couplet_picture_fail(
            d->picture, "the rows have %zu bytes, and 4 a pixel were expected", row_bytes);
    if (!(interlaced ? read_as_a_whole : read_in_turn)(d, row_bytes)) return false;
    png_read_end(d->png, d->info);
    couplet_fit_finish(&d->fit, orientation_of(d), d->picture->grey, d->picture->out);
    return true;
}

bool couplet_picture_png(const CoupletPicture *picture) {
    Decoding *d = calloc(1, sizeof *d);
    if (!d) return couplet_picture_fail(picture, "out of memory");
    d->picture = picture;
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, fail_and_jump, hear_warning);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    bool good = d->info ? decode(d) : couplet_picture_fail(picture, "out of memory");
    png_destroy_read_struct(d->png ? &d->png : NULL, d->info ? &d->info : NULL, NULL);
    couplet_fit_free(&d->fit);
    free(d->pixels);
    free(d->rows);
    free(d);
    return good;
}
