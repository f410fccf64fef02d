/* Curves over the steps of a run, as SVG within a page: lines with bands, axes with round numbers,
 * and a legend. Colours are classes of the page's style, so that a chart is read on a light and on
 * a dark page. */
#ifndef COUPLET_PAGE_CHART_H
#define COUPLET_PAGE_CHART_H

#include "lang/support.h"

typedef struct ChartPoint {
    double x;
    double y;
    double low, high; /* the band around y; equal to y if there is none */
} ChartPoint;

typedef struct ChartLine {
    const char *label;
    int colour; /* the number of the colour in the page's palette, which is repeated */
    bool dashed;
    ARRAY(ChartPoint) points; /* sorted by x; a y that is not finite interrupts the line */
} ChartLine;

typedef struct Chart {
    const char *title;
    const char *x_label;
    ARRAY(ChartLine) lines;
} Chart;

/* Appends the chart as a <figure>. A chart without a finite point says so in words. */
void chart_append(Arena *arena, const Chart *chart, Text *out);

#endif
