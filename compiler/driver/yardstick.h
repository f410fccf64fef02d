/* The best that this machine can do, measured now: the two lines of its roofline. Profiles and
 * benchmarks are fractions of these, since figures from another minute or another machine say
 * little. */
#ifndef COUPLET_DRIVER_YARDSTICK_H
#define COUPLET_DRIVER_YARDSTICK_H

#include "runtime/threads.h"

typedef struct Yardstick {
    /* multiply-adds in registers only, all threads together; operations in a second */
    double flops;
    /* the bytes in a second when an array is read and another written, both larger than the caches;
     * the bytes of both are counted */
    double bytes;
    /* the seconds that it takes to hand nothing to all threads and to wait for them, while they are
     * awake */
    double fork;
} Yardstick;

/* Takes about a tenth of a second. bytes is 0 when there is no memory for the arrays. */
Yardstick yardstick_measure(CoupletThreads *threads);
double yardstick_now(void); /* seconds, monotonic */
/* Sorts the values, and returns their median; 0 if there are none. */
double yardstick_median(double *values, int count);

#endif
