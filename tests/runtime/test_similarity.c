/* Compares every dot product with its own sum in double precision. A block that is computed in
 * pieces has all of its products, at their places. */
#include "runtime/similarity.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ROWS = COUPLET_BLOCK_ROWS, PANEL = COUPLET_PANEL_ROWS, LONGEST = 77 };

static void every_product(void **state) {
    (void)state;
    static float queries[ROWS * LONGEST], panel[LONGEST * PANEL];
    for (int width = 1; width <= LONGEST; width += 19) {
        float out[ROWS * PANEL];
        for (int i = 0; i < ROWS * width; i++)
            queries[i] = (float)sin(0.37 * i + 0.1);
        for (int i = 0; i < PANEL * width; i++)
            panel[i] = (float)cos(0.73 * i);
        couplet_similarities(queries, panel, width, out);
        for (int q = 0; q < ROWS; q++)
            for (int i = 0; i < PANEL; i++) {
                double sum = 0;
                for (int d = 0; d < width; d++)
                    sum += (double)queries[q * width + d] * (double)panel[d * PANEL + i];
                assert_true(fabs(sum - (double)out[q * PANEL + i]) <= 1e-5);
            }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_product)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
