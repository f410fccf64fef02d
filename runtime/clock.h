/* The clock that measures durations. It runs steadily, even if the time of day is changed. */
#ifndef COUPLET_RUNTIME_CLOCK_H
#define COUPLET_RUNTIME_CLOCK_H

#include <time.h>

/* Returns the seconds since a moment that stays the same while the machine runs. */
static inline double couplet_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#endif
