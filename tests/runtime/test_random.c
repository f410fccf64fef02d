/* Tests random numbers, which are functions of their counters. */
#include "runtime/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The answers are those of Random123, the library of Philox' authors. */
static void philox_known_answers(void **state) {
    (void)state;
    const uint32_t zeros[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    const uint32_t ones[4] = {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
    for (int lane = 0; lane < 4; lane++) {
        assert_int_equal(couplet_random_bits(0, 0, 0, 0, 0, lane), zeros[lane]);
        assert_int_equal(couplet_random_bits(~0u, ~0u, ~0u, ~0u, ~(uint64_t)0, lane), ones[lane]);
    }
    for (uint64_t i = 0; i < 1000; i++) {
        double u = couplet_random_unit(1, 2, 3, 4, i, 0);
        assert_true(u >= 0 && u < 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(philox_known_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
