/* Draws pictures, and film strips of them. */
#include "compiler/sheet/cell.h"

#include <math.h>

static const uint32_t no_number = 0xffff00ff; /* magenta, which marks NaN and infinite values */

/* Returns the level of a value, 0 .. 255. Sets *finite to false for NaN and infinite values. */
static uint32_t level_of(const Column *c, double value, bool *finite) {
    *finite = *finite && isfinite(value);
    const double shown = (value - c->low) / (c->high - c->low);
    return isfinite(shown) ? (uint32_t)lrint(255 * (shown > 0 ? shown < 1 ? shown : 1 : 0)) : 0;
}

/* Returns a pixel: grey, or the first three channels as red, green and blue. */
static uint32_t pixel_of(const Column *c, const void *cell, int64_t first, int64_t at) {
    const int64_t plane = (int64_t)c->rows * c->columns;
    uint32_t pixel = 0xff;
    bool finite = true;
    for (int channel = 0; channel < 3; channel++)
        pixel =
            pixel << 8 |
            level_of(
                c, column_value(c->of, cell, first + (c->channels >= 3 ? channel : 0) * plane + at),
                &finite);
    return finite ? pixel : no_number;
}

static cairo_surface_t *surface_of(const Column *c, const void *cell, int64_t first) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, c->columns, c->rows);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) return surface;
    unsigned char *bytes = cairo_image_surface_get_data(surface);
    const int stride = cairo_image_surface_get_stride(surface);
    for (int y = 0; y < c->rows; y++) {
        uint32_t *line = (uint32_t *)(void *)(bytes + (ptrdiff_t)y * stride);
        for (int x = 0; x < c->columns; x++)
            line[x] = pixel_of(c, cell, first, (int64_t)y * c->columns + x);
    }
    cairo_surface_mark_dirty(surface);
    return surface;
}

static void draw_one(cairo_t *cairo, const Column *c, const void *cell, int64_t first, double x,
                     double y, double width, double height) {
    cairo_surface_t *surface = surface_of(c, cell, first);
    cairo_save(cairo);
    cairo_translate(cairo, x, y);
    cairo_scale(cairo, width / c->columns, height / c->rows);
    cairo_set_source_surface(cairo, surface, 0, 0);
    /* The pixels of an enlarged picture stay squares. */
    cairo_pattern_set_filter(cairo_get_source(cairo),
                             width >= c->columns ? CAIRO_FILTER_NEAREST : CAIRO_FILTER_GOOD);
    cairo_rectangle(cairo, 0, 0, c->columns, c->rows);
    cairo_fill(cairo);
    cairo_restore(cairo);
    cairo_surface_destroy(surface);
}

/* Draws the black strip of a film, with holes along both edges. */
static void draw_film(cairo_t *cairo, const Column *c, double x, double y) {
    cairo_set_source_rgb(cairo, 0.1, 0.1, 0.1);
    cairo_rectangle(cairo, x, y, c->width, c->height);
    cairo_fill(cairo);
    cairo_set_source_rgb(cairo, 0.85, 0.85, 0.85);
    for (double at = x + 4; at + 5 < x + c->width; at += 10) {
        cairo_rectangle(cairo, at, y + 2, 5, 3);
        cairo_rectangle(cairo, at, y + c->height - 5, 5, 3);
    }
    cairo_fill(cairo);
}

void draw_pictures(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    const int64_t picture = (int64_t)c->rows * c->columns * c->channels;
    if (c->shown <= 1) {
        draw_one(cairo, c, cell, 0, x, y, c->width, c->height);
        return;
    }
    draw_film(cairo, c, x, y);
    const double width = (c->width - 5.0) / c->shown - 3;
    const double height = c->height - 16.0;
    for (int i = 0; i < c->shown; i++) {
        const int64_t frame = c->shown > 1 ? i * (c->frames - 1) / (c->shown - 1) : 0;
        draw_one(cairo, c, cell, frame * picture, x + 4 + i * (width + 3), y + 8, width, height);
    }
}
