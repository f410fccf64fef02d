/* Groups of ranks that are threads: what all ranks do together gives every rank the same bytes for
 * any number of ranks, and a rank that fails or falls silent ends the group with its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/runtime/group_threads.h"

#include <time.h>

static void sleep_ms(int ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static const int numbers[] = {2, 3, 4, 5, 8};

/* The number of faults that the ranks have found. Assertions can be made only on the thread of the
 * test. */
static _Atomic int wrong;

static void expect(bool is_right) {
    if (!is_right) wrong++;
}

static void run_all(void (*work)(CoupletGroup *group, void *context), void *context) {
    ThreadRank ranks[8];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        wrong = 0;
        run_ranks(ranks, numbers[i], 30, work, context);
        for (int r = 0; r < numbers[i]; r++)
            assert_string_equal(ranks[r].fault, "");
        assert_int_equal(wrong, 0);
        assert_int_equal(world.orderly, numbers[i]);
    }
}

/* ---- arrays ---------------------------------------------------------------------------------- */

/* Rank r brings r * 1000 + 1 bytes, and rank 1 none. */
static void gather_uneven(CoupletGroup *g, void *context) {
    int64_t first[9] = {0};
    (void)context;
    for (int r = 0; r < g->ranks; r++)
        first[r + 1] = first[r] + (r == 1 ? 0 : r * 1000 + 1);
    unsigned char *array = calloc(1, (size_t)first[g->ranks] + 1);
    for (int64_t i = first[g->rank]; i < first[g->rank + 1]; i++)
        array[i] = (unsigned char)(i % 251);
    expect(couplet_group_gather(g, array, first));
    for (int64_t i = 0; i < first[g->ranks]; i++)
        expect(array[i] == i % 251);
    expect(g->sent_bytes == (first[g->rank + 1] - first[g->rank]) * (g->ranks - 1));
    free(array);
}

static void gathers(void **state) {
    (void)state;
    run_all(gather_uneven, NULL);
}

static void broadcast_each(CoupletGroup *g, void *context) {
    (void)context;
    for (int from = 0; from < g->ranks; from++) {
        int64_t values[100];
        for (int i = 0; i < 100; i++)
            values[i] = g->rank == from ? i + from : -1;
        expect(couplet_group_broadcast(g, from, values, sizeof values));
        for (int i = 0; i < 100; i++)
            expect(values[i] == i + from);
    }
}

static void broadcasts(void **state) {
    (void)state;
    run_all(broadcast_each, NULL);
}

/* Every rank sends its successor three arrays with one tag, the second of which is empty. */
static void pass_on(CoupletGroup *g, void *context) {
    CoupletTransfer t[6];
    const int to = (g->rank + 1) % g->ranks;
    const int from = (g->rank + g->ranks - 1) % g->ranks;
    const int out[2] = {g->rank, g->rank + 100};
    int in[2] = {-1, -1};
    (void)context;
    expect(couplet_group_receive(g, from, 7, &in[0], sizeof *in, &t[0]) &&
           couplet_group_receive(g, from, 7, NULL, 0, &t[1]) &&
           couplet_group_receive(g, from, 7, &in[1], sizeof *in, &t[2]) &&
           couplet_group_send(g, to, 7, &out[0], sizeof *out, &t[3]) &&
           couplet_group_send(g, to, 7, NULL, 0, &t[4]) &&
           couplet_group_send(g, to, 7, &out[1], sizeof *out, &t[5]));
    expect(couplet_group_wait(g, t, 6));
    expect(in[0] == from && in[1] == from + 100);
}

static void passes(void **state) {
    (void)state;
    run_all(pass_on, NULL);
}

/* ---- agreement ------------------------------------------------------------------------------- */

static void agree_on_each(CoupletGroup *g, void *context) {
    CoupletAgreed worst;
    char text[64];
    (void)context;
    expect(couplet_group_agree(g, 0, "nothing", &worst));
    expect(worst.status == 0 && !*worst.sentence);
    for (int who = 0; who < g->ranks; who++) {
        snprintf(text, sizeof text, "a sentence of %d", g->rank);
        expect(couplet_group_agree(g, g->rank >= who ? 2 : 1, text, &worst));
        expect(worst.status == 2 && worst.rank == who);
        snprintf(text, sizeof text, "a sentence of %d", who);
        expect(strcmp(worst.sentence, text) == 0);
    }
}

static void agrees(void **state) {
    (void)state;
    run_all(agree_on_each, NULL);
}

/* ---- ordered sums ---------------------------------------------------------------------------- */

enum { MOST_SHARDS = 16 };
/* A few floats are added by every rank; many are added in parts, one by each rank. */
static const int64_t counts[] = {1, 37, 20011};

typedef struct Sizes {
    int shards;
    int64_t count;
} Sizes;

/* Gives values whose sum depends on the order. */
static float leaf(int shard, int64_t i) {
    return (float)((shard * 7919 + i * 104729) % 1000003) * (shard % 3 ? 1e-3f : -17.25f);
}

static float tree(int first, int leaves, int64_t i) {
    if (leaves == 1) return leaf(first, i);
    const float left = tree(first, leaves / 2, i);
    return left + tree(first + leaves / 2, leaves / 2, i);
}

/* Adds the leaves, cut as evenly as possible: with more ranks than leaves some ranks have none. */
static void sum_in_order(CoupletGroup *g, void *context) {
    const Sizes *sizes = context;
    const int64_t count = sizes->count;
    int first[9];
    for (int r = 0; r <= g->ranks; r++)
        first[r] = sizes->shards * r / g->ranks;
    const int own = first[g->rank + 1] - first[g->rank];
    float *parts = malloc((size_t)(own + 1) * (size_t)count * sizeof *parts);
    float *sum = malloc((size_t)count * sizeof *sum);
    CoupletSum *it = couplet_group_sum_new(g, count, sizes->shards, first, false);
    for (int s = 0; s < own; s++)
        for (int64_t i = 0; i < count; i++)
            parts[s * count + i] = leaf(first[g->rank] + s, i);
    expect(it && couplet_group_sum_start(it, 5, parts, sum) && couplet_group_sum_move(it));
    expect(couplet_group_sum_end(it) && couplet_group_sum_is_done(it));
    for (int64_t i = 0; i < count; i++)
        expect(sum[i] == tree(0, sizes->shards, i));
    couplet_group_sum_free(it);
    free(parts);
    free(sum);
}

static void sums_in_order(void **state) {
    (void)state;
    for (int shards = 1; shards <= MOST_SHARDS; shards *= 2)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            Sizes sizes = {shards, counts[i]};
            run_all(sum_in_order, &sizes);
            wrong = 0;
            sum_in_order(couplet_group_alone(), &sizes);
            assert_int_equal(wrong, 0);
        }
    assert_true(couplet_group_sum_is_at_once(37, 8) && !couplet_group_sum_is_at_once(20011, 2));
}

/* ---- failure --------------------------------------------------------------------------------- */

/* Rank 1 fails while the others wait for it. */
static void fail_one(CoupletGroup *g, void *context) {
    (void)context;
    /* All ranks have met here. Some may hear of the failure while they are still in this call. */
    couplet_group_barrier(g);
    if (g->rank == 1) {
        expect(!couplet_group_fail(g, "its disk is full"));
        expect(!couplet_group_barrier(g));
        return;
    }
    expect(!couplet_group_barrier(g));
    expect(!couplet_group_barrier(g));
}

static void fails(void **state) {
    ThreadRank ranks[8];
    (void)state;
    for (int count = 2; count <= 8; count += 3) {
        wrong = 0;
        run_ranks(ranks, count, 30, fail_one, NULL);
        assert_int_equal(wrong, 0);
        for (int r = 0; r < count; r++) {
            char start[40];
            snprintf(start, sizeof start, "rank 1 of %d (process ", count);
            assert_int_equal(strncmp(ranks[r].fault, start, strlen(start)), 0);
            assert_non_null(strstr(ranks[r].fault, "): its disk is full"));
            assert_int_equal(ranks[r].culprit, 1);
        }
    }
}

/* Rank 2 is cut off without noticing. */
static void cut_one(CoupletGroup *g, void *context) {
    (void)context;
    expect(couplet_group_barrier(g));
    if (g->rank == 2) {
        sleep_ms(50);
        pthread_mutex_lock(&world.lock);
        world.is_cut[2] = true;
        pthread_mutex_unlock(&world.lock);
    } else
        sleep_ms(100);
    expect(!couplet_group_barrier(g));
}

static void misses(void **state) {
    ThreadRank ranks[5];
    (void)state;
    wrong = 0;
    run_ranks(ranks, 5, 2, cut_one, NULL);
    assert_int_equal(wrong, 0);
    for (int r = 0; r < 5; r++) {
        assert_non_null(strstr(ranks[r].fault, "was not heard of for 2 seconds"));
        if (r != 2) assert_int_equal(ranks[r].culprit, 2);
    }
}

/* A rank that computes for longer than the patience lives, and so does the group. */
static void compute_for_long(CoupletGroup *g, void *context) {
    (void)context;
    if (g->rank == 0) sleep_ms(5000);
    expect(couplet_group_barrier(g));
}

static void waits(void **state) {
    ThreadRank ranks[3];
    (void)state;
    wrong = 0;
    run_ranks(ranks, 3, 2, compute_for_long, NULL);
    assert_int_equal(wrong, 0);
    assert_int_equal(world.orderly, 3);
}

/* ---- one rank -------------------------------------------------------------------------------- */

static void is_alone(void **state) {
    CoupletGroup *g = couplet_group_alone();
    const int64_t first[2] = {0, 4};
    float values[2] = {1, 2};
    CoupletAgreed worst;
    (void)state;
    assert_int_equal(g->ranks, 1);
    assert_true(couplet_group_gather(g, values, first));
    assert_true(couplet_group_broadcast(g, 0, values, sizeof values));
    assert_true(couplet_group_barrier(g));
    assert_true(couplet_group_sum(g, values, 2));
    assert_true(values[0] == 1 && values[1] == 2);
    assert_true(couplet_group_agree(g, 3, "alone", &worst));
    assert_int_equal(worst.status, 3);
    assert_string_equal(worst.sentence, "alone");
    couplet_group_close(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_alone),   cmocka_unit_test(passes),        cmocka_unit_test(gathers),
        cmocka_unit_test(broadcasts), cmocka_unit_test(agrees),        cmocka_unit_test(fails),
        cmocka_unit_test(misses),     cmocka_unit_test(sums_in_order), cmocka_unit_test(waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
