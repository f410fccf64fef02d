/* The drawing of one cell of each kind, for the module of sheets alone. All lengths are in pixels
 * of the sheet. */
#ifndef COUPLET_SHEET_CELL_H
#define COUPLET_SHEET_CELL_H

#include "compiler/sheet/sheet.h"

#include <cairo.h>

typedef enum {
    CELL_PICTURE,
    CELL_FILM,
    CELL_CLOUD,
    CELL_CURVE,
    CELL_BARS,
    CELL_WORDS,
} CellKind;

/* A column with all that its cells have in common. */
typedef struct Column {
    const SheetColumn *of;
    CellKind kind;
    int width, height;           /* the size of a cell */
    int channels, rows, columns; /* the channels and the size of a picture or a frame */
    int64_t frames;              /* the number of frames in the sample */
    int shown;                   /* the number of frames that are drawn */
    /* The values that are drawn as black and white. For a curve they are its lowest and its highest
     * value. */
    double low;
    double high;
    bool scaled; /* true if `low` and `high` are not 0 and 1 */
    /* For bars, the range of each entry, since the entries of a table differ. Both are NULL for
     * other kinds. The arrays are from malloc. */
    double *lows;
    double *highs;
    int x; /* where the column begins, in pixels */
} Column;

enum {
    TEXT_SIZE = 11,
    LINE = 15 /* the pixels from one line of text to the next */
};

/* Sets the kind, the size and the range of a column, from all its cells (column.c). Returns false
 * if memory is out. */
bool column_measure(Column *column, int rows);
void column_free(Column *column);
/* Returns element `at` of a cell. Bytes count as 0 .. 1. */
double column_value(const SheetColumn *column, const void *cell, int64_t at);

/* Draw a cell of each kind, with its upper left corner at x, y. */
void draw_pictures(cairo_t *cairo, const Column *column, const void *cell, double x, double y);
void draw_cloud(cairo_t *cairo, const Column *column, const void *cell, double x, double y);
void draw_curve(cairo_t *cairo, const Column *column, const void *cell, double x, double y);
void draw_bars(cairo_t *cairo, const Column *column, const void *cell, double x, double y);
void draw_words(cairo_t *cairo, const Column *column, const void *cell, double x, double y);

/* Draws a line of text with its base line at y. Text that does not fit into `width` is cut, with
 * two full stops. Bytes that are no UTF-8 become question marks. */
void draw_text(cairo_t *cairo, double x, double y, double width, const char *text);
/* Draws a text that loses its beginning if it is too long. */
void draw_text_end(cairo_t *cairo, double x, double y, double width, const char *text);
double text_width(cairo_t *cairo, const char *text);
/* Writes a number as it stands in a cell: "12", "-0.153". */
void draw_number_text(double value, char *out, size_t bytes);

/* Sets a colour from dark blue over green to yellow, for 0 .. 1. */
void draw_set_shade(cairo_t *cairo, double value);
uint32_t draw_shade_pixel(double value);

#endif
