/* Numbers as a command line writes them, and the ranges that `couplet train` and a program made by `couplet build` share. */
#ifndef COUPLET_RUNTIME_NUMBERS_H
#define COUPLET_RUNTIME_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#define COUPLET_MOST_SEED INT64_MAX
#define COUPLET_MOST_THREADS 256
#define COUPLET_MOST_STEPS INT32_MAX /* of a run: kernels count steps in 32 bits */
#define COUPLET_MOST_EPOCHS 1000000

/* A whole number in decimal digits, with a sign or without. False for anything else, and outside low .. high. */
bool couplet_read_whole(const char *text, int64_t low, int64_t high, int64_t *out);

/* A finite number in decimal digits: 3, -0.5, 1e-3. False for anything else: inf, nan, hexadecimal digits, spaces, what is too large for a double. `is_whole`,
 * where it is not NULL, tells whether the text has neither a point nor an exponent. */
bool couplet_read_number(const char *text, double *out, bool *is_whole);

#endif
