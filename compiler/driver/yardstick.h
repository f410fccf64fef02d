/* What this machine can do at best, measured now: the two lines of its roofline. Profiles and
 * benchmarks are fractions of these, since figures from another minute or another machine say
 * little. */
#ifndef COUPLET_DRIVER_YARDSTICK_H
#define COUPLET_DRIVER_YARDSTICK_H

#include "runtime/threads.h"

typedef struct Yardstick {
    /* multiply-adds in registers only, all threads together; operations in a second */
    double flops;
    /* one array read and another written, both larger than the caches; bytes in a second, both
     * counted */
    double bytes;
    /* what handing nothing to all threads and waiting for them costs while they are awake; seconds
     */
    double fork;
} Yardstick;

/* Takes about a tenth of a second. bytes is 0 when there is no memory for the arrays. */
Yardstick yardstick_measure(CoupletThreads *threads);
double yardstick_now(void); /* seconds, monotonic */
/* Of an array that is sorted by this; 0 for none. */
double yardstick_median(double *values, int count);

#endif
