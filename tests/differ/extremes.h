/* Extreme inputs, which real data holds and made-up data does not. A formula whose first line says
 * `input=KIND` is tried on its usual arrays with this change:
 *
 *   nan   one entry of one real array is no number
 *   inf   one entry is infinite, of either sign
 *   zero  a row of each real array of two axes is 0, and two other rows are equal
 *   huge  a row is 2^66 times as large: its squares are beyond float32
 *   tiny  a row is 2^-70 times as large: its squares vanish in float32 */
#ifndef COUPLET_TESTS_DIFFER_EXTREMES_H
#define COUPLET_TESTS_DIFFER_EXTREMES_H

#include <stdint.h>

struct FunctionArrays;

typedef enum Extreme {
    ORDINARY,
    WITH_NAN,
    WITH_INFINITY,
    WITH_ZERO_ROWS,
    WITH_HUGE_ROW,
    WITH_TINY_ROW,
    EXTREMES
} Extreme;

extern const char *const extreme_names[EXTREMES]; /* by Extreme: its KIND */

/* Gives the extreme of a name; ORDINARY for other names. */
Extreme extreme_named(const char *name);
/* Changes the made-up arrays in place. The array, the row and the entry are drawn from the seed. */
void extreme_put(struct FunctionArrays *arrays, Extreme extreme, uint32_t seed);

#endif
