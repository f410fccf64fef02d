/* Decides how the cells of a column are drawn, by type and shape alone, and which range of values
 * they share. All cells of a column have one scale, so that rows can be compared. */
#include "compiler/sheet/cell.h"

#include <math.h>
#include <stdlib.h>

enum {
    PICTURE_SIDE = 128, /* the side up to which small pictures are enlarged by whole factors */
    LARGEST_SIDE = 256, /* the side to which larger pictures are reduced */
    FRAME_SIDE = 80,
    MOST_FRAMES = 8,
    CLOUD_SIDE = 160,
    CURVE_WIDTH = 260,
    CURVE_HEIGHT = 76,
    SPECTROGRAM_FROM = 1024, /* the fewest values of a signal for which a spectrogram is drawn */
    MOST_BARS = 64,
    BARS_WIDTH = 190,
    BAR = 13,
    WORDS_WIDTH = 240,
    NUMBER_WIDTH = 96,
    MOST_LINES = 6
};

static int64_t column_elements(const SheetColumn *column) {
    int64_t count = 1;
    for (int i = 0; i < column->rank; i++)
        count *= column->shape[i];
    return count;
}

double column_value(const SheetColumn *column, const void *cell, int64_t at) {
    switch (column->type) {
    case COUPLET_U8:
        return ((const uint8_t *)cell)[at] / 255.0;
    case COUPLET_I32:
        return ((const int32_t *)cell)[at];
    case COUPLET_F32:
        return (double)((const float *)cell)[at];
    }
    return 0;
}

static bool is_channels(int64_t extent) {
    return extent == 1 || extent == 3 || extent == 4;
}

static CellKind cell_kind(const SheetColumn *c) {
    const int64_t *shape = c->shape;
    if (c->rank == 0 || (c->rank == 1 && c->type == COUPLET_I32)) return CELL_WORDS;
    if (c->rank == 1) return shape[0] <= MOST_BARS ? CELL_BARS : CELL_CURVE;
    if (c->rank == 2 && c->type == COUPLET_F32 && shape[1] == 3 && shape[0] >= 8) return CELL_CLOUD;
    if (c->rank == 2 && c->type == COUPLET_F32 && shape[0] <= 8 && shape[1] >= 8 * shape[0] &&
        shape[1] > MOST_BARS)
        return CELL_CURVE;
    if (c->rank == 2 || (c->rank == 3 && is_channels(shape[0]))) return CELL_PICTURE;
    return CELL_FILM;
}

/* Counts the frames of a picture. Pictures are the last two or three axes, and the axes in front of
 * them count frames. */
static void find_frames(Column *c) {
    const SheetColumn *of = c->of;
    const int rank = of->rank;
    c->rows = (int)of->shape[rank - 2];
    c->columns = (int)of->shape[rank - 1];
    c->channels = rank >= 3 && is_channels(of->shape[rank - 3]) ? (int)of->shape[rank - 3] : 1;
    const int64_t picture = (int64_t)c->rows * c->columns * c->channels;
    c->frames = picture ? column_elements(of) / picture : 0;
    c->shown = c->frames < MOST_FRAMES ? (int)c->frames : MOST_FRAMES;
}

/* Returns the factor by which a picture is drawn whose longer side has `longest` pixels. */
static double drawn_scale(int longest, int side) {
    if (longest <= side) return longest ? floor((double)side / longest) : 1;
    return longest <= LARGEST_SIDE && side == PICTURE_SIDE
               ? 1
               : (double)(side == PICTURE_SIDE ? LARGEST_SIDE : side) / longest;
}

static void size_pictures(Column *c) {
    const int longest = c->rows > c->columns ? c->rows : c->columns;
    const double scale = drawn_scale(longest, c->shown > 1 ? FRAME_SIDE : PICTURE_SIDE);
    c->width = (int)ceil(c->columns * scale);
    c->height = (int)ceil(c->rows * scale);
    if (c->width < 8) c->width = 8;
    if (c->height < 8) c->height = 8;
}

/* Finds the lowest and the highest of the elements first .. end - 1 in all cells; 0 and 0 if none
 * is finite. */
static void elements_range(const SheetColumn *of, int rows, int64_t first, int64_t end, double *low,
                           double *high) {
    bool any = false;
    *low = *high = 0;
    for (int row = 0; row < rows; row++)
        for (int64_t i = first; i < end; i++) {
            const double value = column_value(of, of->cells[row], i);
            if (!isfinite(value)) continue;
            *low = !any || value < *low ? value : *low;
            *high = !any || value > *high ? value : *high;
            any = true;
        }
}

static bool measure_bars(Column *c, int rows) {
    const int64_t count = c->of->shape[0];
    c->width = BARS_WIDTH;
    c->height = count <= 16 ? BAR * (int)count : CURVE_HEIGHT;
    c->lows = malloc((size_t)count * sizeof *c->lows);
    c->highs = malloc((size_t)count * sizeof *c->highs);
    if (!c->lows || !c->highs) return false;
    for (int64_t i = 0; i < count; i++)
        elements_range(c->of, rows, i, i + 1, &c->lows[i], &c->highs[i]);
    return true;
}

void column_free(Column *c) {
    free(c->lows);
    free(c->highs);
}

/* Chooses how values become grey. Values of 0 .. 1 are shown as they are. Values that leave this
 * range are stretched between the lowest and the highest, and so are values that would all be
 * black, like a mask of bytes 0 and 1. */
static void choose_scale(Column *c) {
    static const double slack = 1e-3;
    static const double black = 0.05;
    c->scaled = c->low < -slack || c->high > 1 + slack || (c->high > 0 && c->high < black);
    if (c->scaled && c->high > c->low) return;
    c->low = c->scaled ? c->low - 0.5 : 0;
    c->high = c->scaled ? c->low + 1 : 1;
}

/* Returns the number of lines for the words of a cell. Three words have room in a line, as a
 * rule. */
static int lines_of(const SheetColumn *of) {
    const int64_t lines = of->rank ? (of->shape[0] + 2) / 3 : 1;
    return lines < 1 ? 1 : lines < MOST_LINES ? (int)lines : MOST_LINES;
}

bool column_measure(Column *c, int rows) {
    c->kind = cell_kind(c->of);
    elements_range(c->of, rows, 0, column_elements(c->of), &c->low, &c->high);
    switch (c->kind) {
    case CELL_PICTURE:
    case CELL_FILM:
        find_frames(c);
        size_pictures(c);
        choose_scale(c);
        c->width = c->shown > 1 ? c->shown * (c->width + 3) + 5 : c->width;
        c->height += c->shown > 1 ? 16 : 0;
        break;
    case CELL_CLOUD:
        c->width = c->height = CLOUD_SIDE;
        break;
    case CELL_CURVE:
        c->width = CURVE_WIDTH;
        c->height = c->of->shape[c->of->rank - 1] >= SPECTROGRAM_FROM && c->of->rank == 1
                        ? 2 * CURVE_HEIGHT + 4
                        : CURVE_HEIGHT;
        break;
    case CELL_BARS:
        return measure_bars(c, rows);
    case CELL_WORDS:
        c->width = c->of->rank ? WORDS_WIDTH : NUMBER_WIDTH;
        c->height = LINE * lines_of(c->of);
        break;
    }
    return true;
}
