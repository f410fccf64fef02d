/* The clock by which durations are measured. It goes on steadily, whatever is done to the time of
 * day. */
#ifndef COUPLET_RUNTIME_CLOCK_H
#define COUPLET_RUNTIME_CLOCK_H

#include <time.h>

/* Seconds since a moment that stays the same while the machine runs. */
static inline double couplet_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
