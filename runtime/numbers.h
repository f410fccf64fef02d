/* Numbers of a command line, and their ranges, for `couplet train` and for programs made by
 * `couplet build`. */
#ifndef COUPLET_RUNTIME_NUMBERS_H
#define COUPLET_RUNTIME_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#define COUPLET_MOST_SEED    INT64_MAX
#define COUPLET_MOST_THREADS 256
#define COUPLET_MOST_KEPT    10000
#define COUPLET_MOST_STEPS   INT32_MAX /* kernels count the steps of a run in 32 bits */
#define COUPLET_MOST_EPOCHS  1000000

/* Reads a whole number in decimal digits, with or without a sign. Returns false for anything else,
 * and for a number outside low .. high. */
bool couplet_read_whole(const char *text, int64_t low, int64_t high, int64_t *out);

/* Reads a finite number in decimal digits, such as 3, -0.5 or 1e-3. Returns false for anything
 * else: inf, nan, hexadecimal digits, spaces, a number too large for a double. Unless `is_whole` is
 * NULL, *is_whole is true if the text has neither a point nor an exponent. */
bool couplet_read_number(const char *text, double *out, bool *is_whole);

#endif
