/* Draws waves and other long rows of numbers: a curve, with a spectrogram below it if there are
 * many. */
#include "compiler/sheet/cell.h"

#include <math.h>
#include <stdlib.h>

enum {
    WINDOW = 256,
    BINS = WINDOW / 2,
};
/* the level that is drawn darkest, in decibels relative to the loudest */
static const double silence = -80;

/* Draws, for each pixel, a bar from the lowest to the highest value of its part, so that no peak is
 * lost. */
static void draw_line(cairo_t *cairo, const Column *c, const void *cell, int64_t first,
                      int64_t count, double x, double y, double height) {
    const double range = c->high > c->low ? c->high - c->low : 1;
    for (int pixel = 0; pixel < c->width; pixel++) {
        const int64_t begin = pixel * count / c->width;
        int64_t end = (pixel + 1) * count / c->width + 1;
        double low = INFINITY;
        double high = -INFINITY;
        if (end > count) end = count;
        for (int64_t i = begin; i < end; i++) {
            const double value = column_value(c->of, cell, first + i);
            if (!isfinite(value)) continue;
            low = fmin(low, value);
            high = fmax(high, value);
        }
        if (low > high) continue;
        const double top = y + height * (1 - (high - c->low) / range);
        const double bottom = y + height * (1 - (low - c->low) / range);
        cairo_rectangle(cairo, x + pixel, top, 1, fmax(bottom - top, 1));
    }
    cairo_fill(cairo);
}

static void draw_zero(cairo_t *cairo, const Column *c, double x, double y, double height) {
    if (c->low > 0 || c->high < 0 || c->low == c->high) return;
    cairo_set_source_rgb(cairo, 0.8, 0.8, 0.8);
    cairo_rectangle(cairo, x, floor(y + height * (1 + c->low / (c->high - c->low))), c->width, 1);
    cairo_fill(cairo);
}

/* ---- the spectrogram ------------------------------------------------------------------------- */

/* Computes the power of each frequency in a window of the wave, in decibels. */
static void spectrum(const SheetColumn *of, const void *cell, int64_t first, int64_t count,
                     double *out) {
    double shaped[WINDOW];
    for (int i = 0; i < WINDOW; i++) {
        const int64_t at = first + i;
        const double value = at >= 0 && at < count ? column_value(of, cell, at) : 0;
        shaped[i] = isfinite(value) ? value * (0.5 - 0.5 * cos(2 * M_PI * i / WINDOW)) : 0;
    }
    for (int bin = 0; bin < BINS; bin++) {
        /* Goertzel's recurrence gives one frequency of a Fourier sum */
        const double turn = 2 * cos(2 * M_PI * bin / WINDOW);
        double last = 0;
        double before = 0;
        for (int i = 0; i < WINDOW; i++) {
            const double now = shaped[i] + turn * last - before;
            before = last;
            last = now;
        }
        out[bin] = 10 * log10(last * last + before * before - turn * last * before + 1e-20);
    }
}

static void draw_spectrogram(cairo_t *cairo, const Column *c, const void *cell, int64_t count,
                             double x, double y, int height) {
    double *levels = malloc((size_t)c->width * BINS * sizeof *levels);
    double loudest = -200;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, c->width, height);
    if (levels && cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS) {
        for (int pixel = 0; pixel < c->width; pixel++) {
            spectrum(c->of, cell, pixel * count / c->width - WINDOW / 2, count,
                     levels + (ptrdiff_t)pixel * BINS);
            for (int bin = 0; bin < BINS; bin++)
                loudest = fmax(loudest, levels[pixel * BINS + bin]);
        }
        unsigned char *bytes = cairo_image_surface_get_data(surface);
        for (int row = 0; row < height; row++) {
            uint32_t *line =
                (uint32_t *)(void *)(bytes +
                                     (ptrdiff_t)row * cairo_image_surface_get_stride(surface));
            /* Low frequencies are at the bottom. */
            const int bin = (height - 1 - row) * BINS / height;
            for (int pixel = 0; pixel < c->width; pixel++)
                line[pixel] =
                    draw_shade_pixel(1 - (levels[pixel * BINS + bin] - loudest) / silence);
        }
        cairo_surface_mark_dirty(surface);
        cairo_set_source_surface(cairo, surface, x, y);
        cairo_rectangle(cairo, x, y, c->width, height);
        cairo_fill(cairo);
    }
    cairo_surface_destroy(surface);
    free(levels);
}

void draw_curve(cairo_t *cairo, const Column *c, const void *cell, double x, double y) {
    const SheetColumn *of = c->of;
    const int64_t count = of->shape[of->rank - 1];
    const int64_t lines = of->rank == 2 ? of->shape[0] : 1;
    const bool with_spectrogram = of->rank == 1 && c->height > c->width / 2;
    const double height = with_spectrogram ? (c->height - 4) / 2.0 : c->height;
    cairo_set_source_rgb(cairo, 0.97, 0.97, 0.97);
    cairo_rectangle(cairo, x, y, c->width, height);
    cairo_fill(cairo);
    draw_zero(cairo, c, x, y, height);
    for (int64_t i = 0; i < lines; i++) {
        draw_set_shade(cairo, lines > 1 ? 0.85 * (double)i / (double)(lines - 1) : 0.3);
        draw_line(cairo, c, cell, i * count, count, x, y, height);
    }
    if (with_spectrogram) {
        draw_spectrogram(cairo, c, cell, count, x, y + height + 4, (int)height);
    }
}
