/* WebP, by libwebp. Of an animation the first image is taken, at its place on the canvas. The
 * library could reduce a picture while decoding it. That took 16 % longer than decoding all of it,
 * measured on photographs of 500 x 375, so it is not used. */
#include "runtime/data/fit.h"
#include "runtime/data/picture_format.h"

#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

typedef struct Decoding {
    const CoupletPicture *picture;
    WebPDemuxer *file;
    WebPIterator image; /* the first image; image.private_ is NULL before it is found */
    WebPDecoderConfig decoder;
    CoupletFit fit;
    uint8_t *pixels;   /* the pixels of the image, four bytes each */
    uint8_t *canvas;   /* a row of the canvas, if the image does not cover the canvas */
    int width, height; /* the size of the canvas */
} Decoding;

static const char *reason(VP8StatusCode status) {
    switch (status) {
    case VP8_STATUS_OK:
        return "nothing is wrong";
    case VP8_STATUS_OUT_OF_MEMORY:
        return "out of memory";
    case VP8_STATUS_INVALID_PARAM:
        return "a parameter is wrong";
    case VP8_STATUS_BITSTREAM_ERROR:
        return "the data is damaged";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "a feature is not known";
    case VP8_STATUS_SUSPENDED:
        return "the data ends too early";
    case VP8_STATUS_USER_ABORT:
        return "it was ended";
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return "the data ends too early";
    }
    return "the data is damaged";
}

static bool find_image(Decoding *d) {
    const CoupletPicture *p = d->picture;
    const WebPData data = {p->bytes, p->length};
    WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
    d->file = WebPDemuxPartial(&data, &state);
    if (!d->file || state != WEBP_DEMUX_DONE)
        return state == WEBP_DEMUX_PARSE_ERROR
                   ? couplet_picture_fail(p,
                                          "the WebP file cannot be decoded: its chunks are damaged")
                   : couplet_picture_fail(p, "the WebP file ends at byte %zu, within the picture",
                                          p->length);
    d->width = (int)WebPDemuxGetI(d->file, WEBP_FF_CANVAS_WIDTH);
    d->height = (int)WebPDemuxGetI(d->file, WEBP_FF_CANVAS_HEIGHT);
    if (!couplet_picture_fits(p, d->width, d->height)) return false;
    return WebPDemuxGetFrame(d->file, 1, &d->image) ||
           couplet_picture_fail(p, "the WebP file has no image");
}

static bool decode_image(Decoding *d) {
    const CoupletPicture *p = d->picture;
    const size_t width = (size_t)d->image.width;
    const size_t height = (size_t)d->image.height;
    if (!WebPInitDecoderConfig(&d->decoder))
        return couplet_picture_fail(
            p, "libwebp has another version than the one that this was built for");
    d->pixels = malloc(width * height * 4);
    if (!d->pixels)
        return couplet_picture_fail(p, "out of memory for %zu x %zu pixels", width, height);
    d->decoder.output.colorspace = MODE_RGBA;
    d->decoder.output.is_external_memory = 1;
    d->decoder.output.u.RGBA = (WebPRGBABuffer){d->pixels, (int)(4 * width), width * height * 4};
    VP8StatusCode status = WebPDecode(d->image.fragment.bytes, d->image.fragment.size, &d->decoder);
    if (status != VP8_STATUS_OK)
        return couplet_picture_fail(p, "the WebP file of %zu bytes cannot be decoded: %s",
                                    p->length, reason(status));
    if (d->image.has_alpha) {
        couplet_picture_on_white(d->pixels, (int64_t)(width * height));
    }
    return true;
}

/* Returns a row of the canvas, which is white outside of the image. */
static const uint8_t *canvas_row(const Decoding *d, int row) {
    const WebPIterator *image = &d->image;
    if (image->width == d->width && image->height == d->height)
        return d->pixels + 4 * (size_t)d->width * (size_t)row;
    memset(d->canvas, 255, 4 * (size_t)d->width);
    int at = row - image->y_offset;
    if (at >= 0 && at < image->height)
        memcpy(d->canvas + 4 * (size_t)image->x_offset,
               d->pixels + 4 * (size_t)image->width * (size_t)at, 4 * (size_t)image->width);
    return d->canvas;
}

static bool use_rows(Decoding *d) {
    d->canvas = malloc(4 * (size_t)d->width);
    if (!d->canvas || !couplet_fit_middle(&d->fit, d->width, d->height, d->picture->size))
        return couplet_picture_fail(d->picture, "out of memory for %d x %d pixels", d->width,
                                    d->height);
    for (int row = d->fit.first_row; row < d->fit.end_row; row++)
        couplet_fit_row(&d->fit, canvas_row(d, row) + 4 * (size_t)d->fit.first_column);
    return true;
}

static int orientation_of(const Decoding *d) {
    WebPChunkIterator chunk;
    if (!WebPDemuxGetChunk(d->file, "EXIF", 1, &chunk)) return 1;
    int orientation = couplet_picture_orientation(chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    return orientation;
}

bool couplet_picture_webp(const CoupletPicture *picture) {
    Decoding d = {.picture = picture};
    bool good = find_image(&d) && decode_image(&d) && use_rows(&d);
    if (good) {
        couplet_fit_finish(&d.fit, orientation_of(&d), picture->grey, picture->out);
    }
    WebPDemuxReleaseIterator(&d.image);
    WebPDemuxDelete(d.file);
    couplet_fit_free(&d.fit);
    free(d.pixels);
    free(d.canvas);
    return good;
}
