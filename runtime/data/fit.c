/* Resamples a picture to a square with a triangle filter, rows first. A row of the picture is
 * added to the sums of those rows of the result that it touches, so only a few rows are ever in
 * memory.
 *
 * Four channels of a pixel are one vector, and the order of all sums is fixed, so the bytes are
 * the same on every machine. Contraction to fused multiply-adds is off for this file
 * (CMakeLists.txt). */
#include "runtime/data/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef float Pixel __attribute__((vector_size(16)));

#if defined(__x86_64__)
#define FOR_THIS_MACHINE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_THIS_MACHINE
#endif

/* ---- the filter ------------------------------------------------------------------------------ */

static double triangle(double distance) {
    double at = fabs(distance);
    return at < 1 ? 1 - at : 0;
}

static int between(double value, int low, int high) {
    return value < low ? low : value > high ? high : (int)value;
}

/* Computes the weights of pixel i, which sum to one. */
static void fill_weights(CoupletFitAxis *axis, int i, double centre, double support) {
    float *weight = axis->weight + (int64_t)i * axis->most;
    double sum = 0;
    for (int k = 0; k < axis->count[i]; k++)
        sum += triangle((axis->first[i] + k + 0.5 - centre) / support);
    for (int k = 0; k < axis->count[i]; k++)
        weight[k] = (float)(triangle((axis->first[i] + k + 0.5 - centre) / support) / sum);
}

/* Computes by which pixels and with which weights the `size` pixels of the result are made from the
 * stretch of `side` pixels at `start`. Returns false if memory is out. */
static bool make_axis(CoupletFitAxis *axis, int length, double start, double side, int size) {
    double scale = side / size;
    double support = scale > 1 ? scale : 1;
    axis->most = 1;
    axis->first = malloc((size_t)size * sizeof *axis->first);
    axis->count = malloc((size_t)size * sizeof *axis->count);
    if (!axis->first || !axis->count) return false;
    for (int i = 0; i < size; i++) {
        double centre = start + (i + 0.5) * scale;
        int first = between(floor(centre - support + 0.5), 0, length - 1);
        int end = between(floor(centre + support + 0.5), first + 1, length);
        axis->first[i] = first;
        axis->count[i] = end - first;
        axis->most = end - first > axis->most ? end - first : axis->most;
    }
    axis->weight = calloc((size_t)size * (size_t)axis->most, sizeof *axis->weight);
    if (!axis->weight) return false;
    for (int i = 0; i < size; i++)
        fill_weights(axis, i, start + (i + 0.5) * scale, support);
    return true;
}

/* Returns the most rows of the result that are under way at a time. */
static int rows_under_way(const CoupletFitAxis *down, int size) {
    int most = 1;
    int end = 0;
    for (int i = 0; i < size; i++) {
        while (end < size && down->first[end] < down->first[i] + down->count[i])
            end++;
        most = end - i > most ? end - i : most;
    }
    return most;
}

bool couplet_fit_begin(CoupletFit *fit, int width, int height, double x, double y, double side,
                       int size) {
    *fit = (CoupletFit){.size = size};
    if (make_axis(&fit->across, width, x, side, size) &&
        make_axis(&fit->down, height, y, side, size)) {
        int last = size - 1;
        fit->first_column = fit->across.first[0];
        fit->end_column = fit->across.first[last] + fit->across.count[last];
        fit->first_row = fit->row = fit->down.first[0];
        fit->end_row = fit->down.first[last] + fit->down.count[last];
        fit->ring = rows_under_way(&fit->down, size);
        size_t columns = (size_t)(fit->end_column - fit->first_column);
        fit->sums = malloc((size_t)fit->ring * columns * sizeof(Pixel));
        fit->bytes = malloc((size_t)size * (size_t)size * 4);
    }
    if (fit->sums && fit->bytes) return true;
    couplet_fit_free(fit);
    return false;
}

bool couplet_fit_middle(CoupletFit *fit, int width, int height, int size) {
    int side = width < height ? width : height;
    return couplet_fit_begin(fit, width, height, (width - side) / 2.0, (height - side) / 2.0, side,
                             size);
}

void couplet_fit_free(CoupletFit *fit) {
    free(fit->across.first);
    free(fit->across.count);
    free(fit->across.weight);
    free(fit->down.first);
    free(fit->down.count);
    free(fit->down.weight);
    free(fit->sums);
    free(fit->bytes);
    *fit = (CoupletFit){.size = 0};
}

/* ---- rows ------------------------------------------------------------------------------------ */

FOR_THIS_MACHINE static void first_of_sum(float *restrict sums, const uint8_t *restrict pixels,
                                          float weight, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        sums[i] = weight * (float)pixels[i];
}

FOR_THIS_MACHINE static void add_to_sum(float *restrict sums, const uint8_t *restrict pixels,
                                        float weight, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        sums[i] += weight * (float)pixels[i];
}

static uint8_t rounded_byte(float value) {
    return (uint8_t)(int)(value + 0.5f);
}

/* Makes a row of the result from the sums along the columns. */
static void filter_across(const CoupletFit *fit, const Pixel *sums, uint8_t *out) {
    const CoupletFitAxis *axis = &fit->across;
    for (int i = 0; i < fit->size; i++, out += 4) {
        const Pixel *at = sums + (axis->first[i] - fit->first_column);
        const float *weight = axis->weight + (int64_t)i * axis->most;
        Pixel sum = {0, 0, 0, 0};
        for (int k = 0; k < axis->count[i]; k++)
            sum += weight[k] * at[k];
        for (int c = 0; c < 3; c++)
            out[c] = rounded_byte(sum[c]);
    }
}

void couplet_fit_row(CoupletFit *fit, const uint8_t *pixels) {
    const CoupletFitAxis *axis = &fit->down;
    int64_t count = (int64_t)(fit->end_column - fit->first_column) * 4;
    int row = fit->row++;
    for (int i = fit->next; i < fit->size && axis->first[i] <= row; i++) {
        float *sums = fit->sums + (i % fit->ring) * count;
        int at = row - axis->first[i];
        float weight = axis->weight[(int64_t)i * axis->most + at];
        if (at == 0)
            first_of_sum(sums, pixels, weight, count);
        else
            add_to_sum(sums, pixels, weight, count);
        if (at + 1 < axis->count[i]) continue;
        filter_across(fit, (const Pixel *)sums, fit->bytes + (int64_t)i * fit->size * 4);
        fit->next = i + 1;
    }
}

/* ---- the result ------------------------------------------------------------------------------ */

/* Returns the position in the stored picture of pixel (row, column) of the upright picture. */
static int64_t stored_place(int orientation, int row, int column, int size) {
    int last = size - 1;
    int r = row;
    int c = column;
    if (orientation >= 5) {
        r = column;
        c = row;
    }
    bool mirror_columns =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool mirror_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    if (mirror_columns) c = last - c;
    if (mirror_rows) r = last - r;
    return (int64_t)r * size + c;
}

/* Returns the luma after ITU-R 601, rounded. Equal channels keep their value. */
static uint8_t grey_of(const uint8_t *pixel) {
    return (uint8_t)((pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 32768) >> 16);
}

void couplet_fit_finish(const CoupletFit *fit, int orientation, bool grey, uint8_t *out) {
    int64_t plane = (int64_t)fit->size * fit->size;
    int64_t at = 0;
    for (int row = 0; row < fit->size; row++)
        for (int column = 0; column < fit->size; column++, at++) {
            int64_t place =
                orientation > 1 ? stored_place(orientation, row, column, fit->size) : at;
            const uint8_t *pixel = fit->bytes + 4 * place;
            out[at] = grey ? grey_of(pixel) : pixel[0];
            if (grey) continue;
            out[plane + at] = pixel[1];
            out[2 * plane + at] = pixel[2];
        }
}
