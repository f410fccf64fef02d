/* A stretch of numbers on the command line: "0.1..0.5", or "log:1e-4..1", whose logarithm is even.
 */
#ifndef COUPLET_DRIVER_SPAN_H
#define COUPLET_DRIVER_SPAN_H

#include <stdbool.h>

typedef struct NumberSpan {
    double low, high;
    bool is_log;
    bool is_whole; /* both ends are written as whole numbers */
} NumberSpan;

/* True if the text is meant as a stretch: it has two dots in a row. */
bool span_is_meant(const char *text);
/* False when it is none, has its ends the wrong way round, or a logarithm of what is not above
 * 0. */
bool span_read(const char *text, NumberSpan *out);
/* The number at a place from 0, the low end, to 1. */
double span_at(const NumberSpan *span, double place);

#endif
