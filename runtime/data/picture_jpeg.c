/* JPEG, by libjpeg-turbo. A large picture is decoded at n eighths of its size, the fewest that
 * leave the kept square at least twice as large as the result. The inverse transforms then make
 * fewer pixels, and the triangle filter still has two of them for each of its own. */
#include "runtime/data/fit.h"
#include "runtime/data/picture_format.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum {
    MOST_SCANS = 100,
    EXIF_MARKER = JPEG_APP0 + 1,
    END_MARKER = 0xd9,
};

/* The state that must be at hand after a jump out of the library. */
typedef struct Decoding {
    const CoupletPicture *picture;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    CoupletFit fit;
    uint8_t *row;
    int orientation;
    bool failed_already; /* true once the sentence is written */
} Decoding;

static Decoding *decoding_of(j_common_ptr jpeg) {
    return jpeg->client_data;
}

/* ---- errors ---------------------------------------------------------------------------------- */

static void fail_and_jump(j_common_ptr jpeg) {
    Decoding *d = decoding_of(jpeg);
    char text[JMSG_LENGTH_MAX];
    if (!d->failed_already) {
        jpeg->err->format_message(jpeg, text);
        size_t place = d->jpeg.src ? d->picture->length - d->jpeg.src->bytes_in_buffer : 0;
        if (jpeg->err->msg_code == JWRN_JPEG_EOF)
            couplet_picture_fail(d->picture, "the JPEG file ends at byte %zu, within the picture",
                                 d->picture->length);
        else
            couplet_picture_fail(d->picture,
                                 "the JPEG file cannot be decoded, near byte %zu of %zu: %s", place,
                                 d->picture->length, text);
    }
    longjmp(d->jump, 1);
}

/* Hears a message of the library. Warnings mean damaged data, except two: bytes between the last
 * pixel and the end marker, which some cameras leave, and an unusual version of the header. */
static void hear_message(j_common_ptr jpeg, int level) {
    const struct jpeg_error_mgr *errors = jpeg->err;
    bool is_filler =
        errors->msg_code == JWRN_EXTRANEOUS_DATA && errors->msg_parm.i[1] == END_MARKER;
    if (level < 0 && !is_filler && errors->msg_code != JWRN_JFIF_MAJOR) {
        fail_and_jump(jpeg);
    }
}

static void say_nothing(j_common_ptr jpeg) {
    (void)jpeg;
}

/* Limits the number of scans. A small file can hold many scans of a large picture, each of which
 * takes time. */
static void watch_scans(j_common_ptr jpeg) {
    Decoding *d = decoding_of(jpeg);
    if (d->jpeg.input_scan_number <= MOST_SCANS) return;
    couplet_picture_fail(d->picture, "the progressive JPEG file has more than %d scans",
                         MOST_SCANS);
    d->failed_already = true;
    fail_and_jump(jpeg);
}

/* ---- headers --------------------------------------------------------------------------------- */

static int orientation_of(const struct jpeg_decompress_struct *jpeg) {
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker; marker = marker->next)
        if (marker->data_length > 6 && memcmp(marker->data, "Exif\0", 6) == 0)
            return couplet_picture_orientation(marker->data, marker->data_length);
    return 1;
}

/* True if the colours have relatively fewer columns than rows compared to the brightness, or more
 * (4:2:2 and the like). The library decodes colours of half the columns and half the rows at twice
 * the scale, without loss. Colours of half the columns alone would be reduced twice. */
static bool has_lean_colours(const struct jpeg_decompress_struct *jpeg) {
    for (int c = 0; c < jpeg->num_components; c++) {
        const jpeg_component_info *component = &jpeg->comp_info[c];
        if (jpeg->max_h_samp_factor * component->v_samp_factor !=
            jpeg->max_v_samp_factor * component->h_samp_factor)
            return true;
    }
    return false;
}

/* Returns the fewest eighths of the size at which the square, and its colours, are at least twice
 * as large as the result. The library has fast code for these numbers. */
static unsigned eighths(const struct jpeg_decompress_struct *jpeg, int size) {
    static const unsigned fast[] = {1, 2, 4};
    uint64_t side = jpeg->image_width < jpeg->image_height ? jpeg->image_width : jpeg->image_height;
    uint64_t wanted = (has_lean_colours(jpeg) ? 4 : 2) * (uint64_t)size;
    for (size_t i = 0; i < sizeof fast / sizeof *fast; i++)
        if (side * fast[i] >= 8 * wanted) return fast[i];
    return 8;
}

static bool has_colours(Decoding *d) {
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    switch (jpeg->jpeg_color_space) {
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        return true;
    case JCS_GRAYSCALE:
    case JCS_RGB:
    case JCS_YCbCr:
        jpeg->out_color_space = JCS_EXT_RGBX;
        return true;
    default:
        return couplet_picture_fail(d->picture,
                                    "the JPEG file has %d components; 1, 3 or 4 were expected",
                                    jpeg->num_components);
    }
}

static bool read_header(Decoding *d) {
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    jpeg_save_markers(jpeg, EXIF_MARKER, 0xffff);
    jpeg_mem_src(jpeg, d->picture->bytes, d->picture->length);
    jpeg_read_header(jpeg, TRUE);
    if (!couplet_picture_fits(d->picture, jpeg->image_width, jpeg->image_height) || !has_colours(d))
        return false;
    d->orientation = orientation_of(jpeg);
    jpeg->scale_num = eighths(jpeg, d->picture->size);
    jpeg->scale_denom = 8;
    d->progress.progress_monitor = watch_scans;
    jpeg->progress = &d->progress;
    return true;
}

/* ---- pixels ---------------------------------------------------------------------------------- */

static unsigned times_over_255(unsigned a, unsigned b) {
    unsigned product = a * b + 128;
    return (product + (product >> 8)) >> 8;
}

/* Converts four bytes of inverted CMYK to red, green and blue. */
static void convert_cmyk(uint8_t *pixels, unsigned count) {
    for (; count > 0; count--, pixels += 4) {
        unsigned light = pixels[3];
        for (int c = 0; c < 3; c++)
            pixels[c] = (uint8_t)(light - times_over_255(255u - pixels[c], light));
    }
}

/* Begins to fit the square, in pixels of the decoded rows. These have n eighths of the size, and a
 * little more at the right and lower edges. */
static bool begin_fit(Decoding *d) {
    const struct jpeg_decompress_struct *jpeg = &d->jpeg;
    double scale = jpeg->scale_num / 8.0;
    double width = jpeg->image_width * scale;
    double height = jpeg->image_height * scale;
    double side = width < height ? width : height;
    return couplet_fit_begin(&d->fit, (int)jpeg->output_width, (int)jpeg->output_height,
                             (width - side) / 2, (height - side) / 2, side, d->picture->size) ||
           couplet_picture_fail(d->picture, "out of memory for %u x %u pixels", jpeg->image_width,
                                jpeg->image_height);
}

/* Leaves out columns that the square does not need, in whole blocks. Returns the first column that
 * is made. A margin is kept, since colours are interpolated from neighbouring blocks. */
static unsigned leave_out_columns(Decoding *d) {
    enum { MARGIN = 32 };
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    unsigned first = (unsigned)d->fit.first_column;
    unsigned end = (unsigned)d->fit.end_column;
    unsigned width = jpeg->output_width;
    JDIMENSION from = first > MARGIN ? first - MARGIN : 0;
    JDIMENSION to = end + MARGIN < width ? end + MARGIN : width;
    JDIMENSION count = to - from;
    bool is_worth_it = count < width - width / 8;
    if (!is_worth_it) return 0;
    jpeg_crop_scanline(jpeg, &from, &count);
    return from;
}

/* Goes through the rows below the square, so that damage in them is found. The last row is read,
 * because the library does not check what it skips up to the end. */
static void read_to_the_end(Decoding *d) {
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    JSAMPROW row = d->row;
    if (jpeg->output_scanline + 1 < jpeg->output_height)
        jpeg_skip_scanlines(jpeg, jpeg->output_height - 1 - jpeg->output_scanline);
    while (jpeg->output_scanline < jpeg->output_height)
        jpeg_read_scanlines(jpeg, &row, 1);
}

static void read_scanlines(Decoding *d, unsigned first_column) {
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    if (d->fit.first_row > 0) {
        jpeg_skip_scanlines(jpeg, (JDIMENSION)d->fit.first_row);
    }
    while ((int)jpeg->output_scanline < d->fit.end_row) {
        JSAMPROW row = d->row;
        if (jpeg_read_scanlines(jpeg, &row, 1) != 1) continue;
        if (jpeg->out_color_space == JCS_CMYK) convert_cmyk(row, jpeg->output_width);
        couplet_fit_row(&d->fit, row + 4 * ((size_t)d->fit.first_column - first_column));
    }
    read_to_the_end(d);
}

static bool decode(Decoding *d) {
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    if (setjmp(d->jump)) return false;
    jpeg_create_decompress(jpeg);
    if (!read_header(d)) return false;
    jpeg_start_decompress(jpeg);
    if (!begin_fit(d)) return false;
    unsigned first_column = leave_out_columns(d);
    d->row = malloc(4 * (size_t)jpeg->output_width);
    if (!d->row)
        return couplet_picture_fail(d->picture, "out of memory for a row of %u pixels",
                                    jpeg->output_width);
    read_scanlines(d, first_column);
    jpeg_finish_decompress(jpeg);
    return true;
}

bool couplet_picture_jpeg(const CoupletPicture *picture) {
    Decoding *d = calloc(1, sizeof *d);
    if (!d) return couplet_picture_fail(picture, "out of memory");
    d->picture = picture;
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->jpeg.client_data = d;
    d->errors.error_exit = fail_and_jump;
    d->errors.emit_message = hear_message;
    d->errors.output_message = say_nothing;
    bool good = decode(d);
    if (good) {
        couplet_fit_finish(&d->fit, d->orientation, picture->grey, picture->out);
    }
    jpeg_destroy_decompress(&d->jpeg);
    couplet_fit_free(&d->fit);
    free(d->row);
    free(d);
    return good;
}
