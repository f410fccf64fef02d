/* Places in an arena: blocks that are needed at one time do not overlap, and other blocks share
 * memory. */
#include "runtime/arena.h"
#include "runtime/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SPANS = 60, STEPS = 40, MOST = 50 };

static unsigned next_number(unsigned *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static bool at_one_time(const CoupletSpan *a, const CoupletSpan *b) {
    return a->first <= b->last && b->first <= a->last;
}

static bool overlap(const CoupletSpan *a, const CoupletSpan *b) {
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static void keeps_apart(void **state) {
    CoupletSpan spans[SPANS], *placed[SPANS];
    unsigned seed = 5;
    (void)state;
    for (int round = 0; round < 50; round++) {
        int64_t all = 0;
        int64_t most = 0;
        for (int i = 0; i < SPANS; i++) {
            const int first = (int)(next_number(&seed) % STEPS);
            spans[i] = (CoupletSpan){128 * (int64_t)(next_number(&seed) % MOST), 0, first,
                                     first + (int)(next_number(&seed) % 6), i};
            all += spans[i].bytes;
        }
        const int64_t bytes = couplet_arena_place(spans, SPANS, placed);
        for (int i = 0; i < SPANS; i++) {
            assert_true(spans[i].offset >= 0 && spans[i].offset + spans[i].bytes <= bytes);
            for (int k = 0; k < i; k++)
                assert_false(at_one_time(&spans[i], &spans[k]) && overlap(&spans[i], &spans[k]));
        }
        for (int step = 0; step < STEPS + 6; step++) {
            int64_t needed = 0;
            for (int i = 0; i < SPANS; i++)
                if (spans[i].first <= step && step <= spans[i].last) needed += spans[i].bytes;
            if (needed > most) most = needed;
        }
        assert_true(bytes >= most && bytes < 2 * most && bytes < all);
    }
    assert_int_equal(couplet_arena_place(spans, 0, placed), 0);
}

/* Three ranks share 8 shards: a block in rows has 2, 3 and 3 of them, at the places where the rows
 * of the whole would lie; the other block is whole everywhere. */
static void has_own_shards(void **state) {
    enum { SLAB = 200, WHOLE = 1280 };
    const CoupletBlock blocks[] = {{8 * SLAB + 64, SLAB, 0, 3}, {WHOLE, 0, 1, 2}};
    const CoupletBuffer rows = {.block = 0};
    const CoupletBuffer whole = {.block = 1};
    const CoupletPlan plan = {.shards = 8, .blocks = blocks, .block_count = 2};
    (void)state;
    for (int rank = 0; rank < 3; rank++) {
        CoupletPart *part = couplet_part_new(&plan, 3, rank);
        const int64_t first = couplet_part_first(&plan, 3, rank) * SLAB;
        const int64_t end = couplet_part_first(&plan, 3, rank + 1) * SLAB;
        const int64_t base = couplet_part_offset(part, &rows);
        const int64_t other = couplet_part_offset(part, &whole);
        assert_int_equal(end - first, (rank == 0 ? 2 : 3) * SLAB);
        assert_int_equal(base % 128, 0);
        assert_int_equal(other % 128, 0);
        assert_true(base + first >= 0 && base + end <= couplet_part_bytes(part));
        assert_true(other >= 0 && other + WHOLE <= couplet_part_bytes(part));
        assert_true(base + end <= other || other + WHOLE <= base + first);
        assert_true(couplet_part_bytes(part) <= WHOLE + 3 * SLAB + 256);
        couplet_part_free(part);
    }
    assert_int_equal(couplet_part_first(&plan, 3, 3), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_apart),
        cmocka_unit_test(has_own_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
