/* Contenders of one row, measured in turns: A for a few hundredths of a second, then B, then A
 * again, so that what else the machine does meets all of them alike. Each has threads of its own
 * that spin for a while after their work; before a turn there is a pause in which they fall asleep,
 * and the first run of a turn, which wakes its own, does not count. The figure of each is the
 * median of all its runs. */
#ifndef COUPLET_TESTS_BENCH_CONTEST_H
#define COUPLET_TESTS_BENCH_CONTEST_H

#include <time.h>

enum { MOST_RUNS = 512 };

typedef struct Contender {
    const char *name;
    void (*run)(void *context);
    void *context;
    double seconds[MOST_RUNS];
    int runs;
} Contender;

/* `clock`: CLOCK_MONOTONIC; on one thread CLOCK_THREAD_CPUTIME_ID leaves out what others do
 * meanwhile. */
void contest(Contender *contenders, int count, int rounds, clockid_t clock);
double contender_median(Contender *c); /* seconds */
double contender_fastest(Contender *c);

#endif
