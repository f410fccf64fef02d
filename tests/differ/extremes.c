/* Puts one kind of extreme into ordinary arrays (extremes.h). The places are drawn from a number,
 * so that a case can be made again. */
#include "tests/differ/extremes.h"

#include "compiler/driver/function_arrays.h"
#include "runtime/random.h"

#include <math.h>
#include <string.h>

const char *const extreme_names[EXTREMES] = {"ordinary", "nan", "inf", "zero", "huge", "tiny"};

Extreme extreme_named(const char *name) {
    for (int i = 0; i < EXTREMES; i++)
        if (strcmp(extreme_names[i], name) == 0) return (Extreme)i;
    return ORDINARY;
}

static uint32_t drawn(uint32_t seed, uint32_t site, int64_t count) {
    return couplet_random_bits(seed, 0, 0, 3, site, 0) % (uint32_t)count;
}

static bool has_values(const FunctionArrays *a, int at) {
    return a->values[at] && a->inputs[at].type == GT_REAL;
}

/* Gives the number of entries of a row; a vector is one row. */
static int64_t row_length(const FunctionArrays *a, int at) {
    const FunctionInput *input = &a->inputs[at];
    const int64_t count = arrays_elements(a, at);
    return input->rank > 1 ? count / input->shape[0] : count;
}

static int64_t row_count(const FunctionArrays *a, int at) {
    return arrays_elements(a, at) / row_length(a, at);
}

/* Gives the number of a real array of the function; -1 if it has none. */
static int any_array(const FunctionArrays *a, uint32_t seed) {
    const int start = a->count ? (int)drawn(seed, 0, a->count) : 0;
    for (int i = 0; i < a->count; i++)
        if (has_values(a, (start + i) % a->count)) return (start + i) % a->count;
    return -1;
}

static void scale_row(FunctionArrays *a, int at, int64_t row, double factor) {
    const int64_t length = row_length(a, at);
    for (int64_t i = 0; i < length; i++)
        a->values[at][row * length + i] *= factor;
}

/* Makes a row 0 and, with three rows and more, the two rows after it equal. */
static void put_zero_rows(FunctionArrays *a, uint32_t seed) {
    for (int at = 0; at < a->count; at++) {
        if (!has_values(a, at) || a->inputs[at].rank < 2) continue;
        const int64_t rows = row_count(a, at);
        const int64_t length = row_length(a, at);
        const int64_t row = drawn(seed, (uint32_t)at, rows);
        const int64_t first = (row + 1) % rows;
        const int64_t second = (row + 2) % rows;
        scale_row(a, at, row, 0);
        double *values = a->values[at];
        if (rows > 2)
            memcpy(values + second * length, values + first * length,
                   sizeof *values * (size_t)length);
    }
}

void extreme_put(FunctionArrays *a, Extreme extreme, uint32_t seed) {
    const int at = any_array(a, seed);
    if (at < 0) return;
    const int64_t entry = drawn(seed, 1, arrays_elements(a, at));
    const int64_t row = drawn(seed, 2, row_count(a, at));
    switch (extreme) {
    case ORDINARY:
    case EXTREMES:
        return;
    case WITH_NAN:
        a->values[at][entry] = NAN;
        return;
    case WITH_INFINITY:
        a->values[at][entry] = seed % 2 ? INFINITY : -INFINITY;
        return;
    case WITH_ZERO_ROWS:
        put_zero_rows(a, seed);
        return;
    case WITH_HUGE_ROW:
        scale_row(a, at, row, 0x1p66);
        return;
    case WITH_TINY_ROW:
        scale_row(a, at, row, 0x1p-70);
        return;
    }
}
