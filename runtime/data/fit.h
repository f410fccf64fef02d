/* Fits a picture of any size to a square. The largest square in its middle is resampled by a
 * triangle filter (antialiased bilinear resampling). The filter is as wide as two pixels of the
 * result, or of the picture if those are larger. Rows are fed one by one, so a large picture is
 * never in memory as a whole.
 *
 * All sums are made in a fixed order, in 32-bit floats without contraction. So the same picture
 * gives the same bytes on every machine. */
#ifndef COUPLET_RUNTIME_DATA_FIT_H
#define COUPLET_RUNTIME_DATA_FIT_H

#include <stdbool.h>
#include <stdint.h>

/* The filter along an axis. Pixel i of the result is the sum over k < count[i] of weight[i * most +
 * k] * (pixel first[i] + k). */
typedef struct CoupletFitAxis {
    int *first;
    int *count;
    float *weight;
    int most; /* the largest of the counts */
} CoupletFitAxis;

typedef struct CoupletFit {
    int size;
    int first_row, end_row;       /* the rows of the picture that the result needs */
    int first_column, end_column; /* the columns that it needs */
    CoupletFitAxis across;
    CoupletFitAxis down;
    int row;        /* the row that is fed next */
    int next;       /* the row of the result that is completed next */
    int ring;       /* the number of rows of the result that are under way at a time */
    float *sums;    /* [ring][columns][4] */
    uint8_t *bytes; /* [size][size][4]: the result before it is turned */
} CoupletFit;

/* Begins with a picture of width x height pixels, of which the square at (x, y) with side `side` is
 * kept. These three are in pixels of the picture, and need not be whole. Returns false if memory is
 * out. */
bool couplet_fit_begin(CoupletFit *fit, int width, int height, double x, double y, double side,
                       int size);
/* Begins with the largest square in the middle. */
bool couplet_fit_middle(CoupletFit *fit, int width, int height, int size);
/* Feeds the next of the rows first_row .. end_row - 1, from column first_column on. A pixel has
 * four bytes: red, green, blue, and one that is ignored. */
void couplet_fit_row(CoupletFit *fit, const uint8_t *pixels);
/* Ends after the last row. `out` has room for [3, size, size], or for [1, size, size] if grey.
 * `orientation` is that of EXIF: 1 leaves the picture as it is, and 2 .. 8 mirror or turn it. */
void couplet_fit_finish(const CoupletFit *fit, int orientation, bool grey, uint8_t *out);
void couplet_fit_free(CoupletFit *fit);

#endif
