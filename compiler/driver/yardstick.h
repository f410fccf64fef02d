/* The best that this machine can do, measured when it is asked: the two lines of its roofline.
 * Profiles and benchmarks are fractions of these figures, since figures of another minute or
 * another machine say little. */
#ifndef COUPLET_DRIVER_YARDSTICK_H
#define COUPLET_DRIVER_YARDSTICK_H

#include "runtime/threads.h"

typedef struct Yardstick {
    /* multiply-adds in registers alone, by all threads together, in operations a second */
    double flops;
    /* the bytes a second if one array is read and another written, both larger than the caches; the
     * bytes of both count */
    double bytes;
    /* the seconds for handing no work to all threads and waiting for them, while they are awake */
    double fork;
} Yardstick;

/* Measures the machine, which takes about a tenth of a second. `bytes` is 0 if there is no memory
 * for the arrays. */
Yardstick yardstick_measure(CoupletThreads *threads);
double yardstick_now(void); /* Returns the seconds of a monotonic clock. */
/* Sorts the values, and returns their median; 0 if there are none. */
double yardstick_median(double *values, int count);

#endif
