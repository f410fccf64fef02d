#include "tests/bench/contest.h"

#include "compiler/driver/yardstick.h"

#include <time.h>

static const double turn_seconds = 0.03;
/* Longer than a thread of OpenBLAS or libgomp spins before it sleeps: 2^26 cycles, and 300,000 rounds. */
static const long pause_nanoseconds = 40 * 1000 * 1000;

static void take_turn(Contender *c) {
    nanosleep(&(struct timespec){0, pause_nanoseconds}, NULL);
    c->run(c->context);
    double begin = yardstick_now(), end = begin;
    do {
        double start = end;
        c->run(c->context);
        end = yardstick_now();
        if (c->runs < MOST_RUNS) c->seconds[c->runs++] = end - start;
    } while (end - begin < turn_seconds);
}

void contest(Contender *contenders, int count, int rounds) {
    for (int i = 0; i < count; i++) contenders[i].runs = 0;
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < count; i++) take_turn(&contenders[(i + r) % count]);
}

double contender_median(Contender *c) { return yardstick_median(c->seconds, c->runs); }

double contender_fastest(Contender *c) {
    double best = c->runs ? c->seconds[0] : 0;
    for (int i = 1; i < c->runs; i++) best = c->seconds[i] < best ? c->seconds[i] : best;
    return best;
}
