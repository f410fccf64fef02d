/* Reads ranges of numbers (span.h). */
#include "compiler/driver/span.h"

#include "runtime/numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char log_word[] = "log:";

bool span_is_meant(const char *text) {
    return strstr(text, "..") != NULL;
}

bool span_read(const char *text, NumberSpan *out) {
    out->is_log = strncmp(text, log_word, strlen(log_word)) == 0;
    if (out->is_log) text += strlen(log_word);
    const char *dots = strstr(text, "..");
    char *low = dots ? strndup(text, (size_t)(dots - text)) : NULL;
    bool whole_low = false;
    bool whole_high = false;
    const bool good = low && couplet_read_number(low, &out->low, &whole_low) &&
                      couplet_read_number(dots + 2, &out->high, &whole_high);
    free(low);
    if (!good) return false;
    out->is_whole = whole_low && whole_high;
    return out->low < out->high && (!out->is_log || out->low > 0);
}

double span_at(const NumberSpan *span, double place) {
    if (!span->is_log) return span->low + place * (span->high - span->low);
    return exp(log(span->low) + place * (log(span->high) - log(span->low)));
}
