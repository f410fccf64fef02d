/* Measures contenders in turns: A for a few hundredths of a second, then B, then A again, so that
 * other work of the machine meets all of them alike. Each contender has threads of its own, which
 * spin for a while after their work. Before a turn there is a pause in which these threads fall
 * asleep, and the first run of a turn, which wakes the contender's own, does not count. The figure
 * of a contender is the median of all its runs. */
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

/* Runs the contest. `clock` is CLOCK_MONOTONIC; on one thread, CLOCK_THREAD_CPUTIME_ID leaves out
 * the work of other programs. */
void contest(Contender *contenders, int count, int rounds, clockid_t clock);
double contender_median(Contender *c); /* seconds */
double contender_fastest(Contender *c);

#endif
