/* Reads numbers of a command line. strtol and strtod accept more than people mean (hexadecimal
 * digits, `inf`, leading spaces), so the characters are checked first. */
#include "runtime/numbers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool couplet_read_whole(const char *text, int64_t low, int64_t high, int64_t *out) {
    const char *digits = text + (*text == '-' || *text == '+');
    if (!*digits || digits[strspn(digits, "0123456789")]) return false;
    errno = 0;
    const long long value = strtoll(text, NULL, 10);
    if (errno == ERANGE || value < low || value > high) return false;
    *out = value;
    return true;
}

bool couplet_read_number(const char *text, double *out, bool *is_whole) {
    char *end;
    if (!*text || text[strspn(text, "0123456789+-.eE")]) return false;
    const double value = strtod(text, &end);
    if (*end || !isfinite(value)) return false;
    if (is_whole) *is_whole = strpbrk(text, ".eE") == NULL;
    *out = value;
    return true;
}
