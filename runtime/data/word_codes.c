/* The text that says how a source turns words into codes. It is plain ASCII, one item a line, since
 * it is in the metadata of a checkpoint, which is JSON. After a failure every further item is 0 or
 * empty, so a reader of the text checks once, at the end. */
#include "runtime/data/word_codes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing --------------------------------------------------------------------------------- */

void couplet_codes_text(FILE *out, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c > '~' || c == '%')
            fprintf(out, "%%%02x", c);
        else
            fputc(c, out);
    }
    fputc('\n', out);
}

void couplet_codes_whole(FILE *out, int64_t value) {
    fprintf(out, "%lld\n", (long long)value);
}

void couplet_codes_number(FILE *out, double value) {
    fprintf(out, "%.17g\n", value);
}

/* ---- reading --------------------------------------------------------------------------------- */

static char nothing[1];

void couplet_codes_open(CoupletCodes *codes, const char *text) {
    *codes = (CoupletCodes){.at = text, .item = nothing};
}

static const char *mark_failed(CoupletCodes *codes) {
    codes->failed = true;
    codes->length = 0;
    return "";
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

const char *couplet_codes_next(CoupletCodes *codes) {
    const char *end = codes->failed ? NULL : strchr(codes->at, '\n');
    if (!end) return mark_failed(codes);
    char *item = malloc((size_t)(end - codes->at) + 1);
    char *to = item;
    if (!item) return mark_failed(codes);
    for (const char *at = codes->at; at < end; at++) {
        const int high = *at == '%' && end - at > 2 ? digit(at[1]) : -1;
        const int low = high >= 0 ? digit(at[2]) : -1;
        if (*at == '%' && (low < 0 || high + low == 0)) { /* a text contains no byte 0 */
            free(item);
            return mark_failed(codes);
        }
        *to++ = *at == '%' ? (char)(16 * high + low) : *at;
        if (*at == '%') at += 2;
    }
    *to = 0;
    couplet_codes_close(codes);
    codes->item = item;
    codes->length = (size_t)(to - item);
    codes->at = end + 1;
    return item;
}

int64_t couplet_codes_next_whole(CoupletCodes *codes, int64_t low, int64_t high) {
    char *end;
    const char *item = couplet_codes_next(codes);
    const int64_t value = strtoll(item, &end, 10);
    if (*item && !*end && value >= low && value <= high) return value;
    mark_failed(codes);
    return low > 0 ? low : 0;
}

double couplet_codes_next_number(CoupletCodes *codes) {
    char *end;
    const char *item = couplet_codes_next(codes);
    const double value = strtod(item, &end);
    if (*item && !*end && isfinite(value)) return value;
    mark_failed(codes);
    return 0;
}

void couplet_codes_expect(CoupletCodes *codes, const char *item) {
    if (strcmp(couplet_codes_next(codes), item) != 0) {
        mark_failed(codes);
    }
}

void couplet_codes_close(CoupletCodes *codes) {
    if (codes->item != nothing) free(codes->item);
    codes->item = nothing;
}
