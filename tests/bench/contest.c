/* The turns of a contest (contest.h). A contender sleeps first, so that the threads of the
 * contender before it fall asleep, too. The first run of a turn does not count. */
#include "tests/bench/contest.h"

#include "compiler/driver/yardstick.h"

static const double turn_seconds = 0.03;
/* This is longer than a thread of OpenBLAS or libgomp spins before it sleeps: 2^26 cycles, and
 * 300,000 rounds. */
static const long pause_nanoseconds = 40 * 1000 * 1000;

static double seconds_of(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void take_turn(Contender *c, clockid_t clock) {
    nanosleep(&(struct timespec){0, pause_nanoseconds}, NULL);
    c->run(c->context);
    double begin = seconds_of(clock);
    double end = begin;
    do {
        double start = end;
        c->run(c->context);
        end = seconds_of(clock);
        if (c->runs < MOST_RUNS) c->seconds[c->runs++] = end - start;
    } while (end - begin < turn_seconds);
}

void contest(Contender *contenders, int count, int rounds, clockid_t clock) {
    for (int i = 0; i < count; i++)
        contenders[i].runs = 0;
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < count; i++)
            take_turn(&contenders[(i + r) % count], clock);
}

double contender_median(Contender *c) {
    return yardstick_median(c->seconds, c->runs);
}

double contender_fastest(Contender *c) {
    double best = c->runs ? c->seconds[0] : 0;
    for (int i = 1; i < c->runs; i++)
        best = c->seconds[i] < best ? c->seconds[i] : best;
    return best;
}
