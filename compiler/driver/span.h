/* A range of numbers on the command line: "0.1..0.5", or "log:1e-4..1", which is uniform in the
 * logarithm. */
#ifndef COUPLET_DRIVER_SPAN_H
#define COUPLET_DRIVER_SPAN_H

#include <stdbool.h>

typedef struct NumberSpan {
    double low;
    double high;
    bool is_log;
    bool is_whole; /* both ends are written as whole numbers */
} NumberSpan;

/* True if the text is meant as a range, because it has two dots in a row. */
bool span_is_meant(const char *text);
/* Reads a range. Returns false if the text is none, if its ends are the wrong way round, or if it
 * is logarithmic and not above 0. */
bool span_read(const char *text, NumberSpan *out);
/* Returns the number at a position from 0, the low end, to 1, the high end. */
double span_at(const NumberSpan *span, double place);

#endif
