/* A text that says how a source turns words into codes: vocabularies, names of classes, means of
 * columns. A checkpoint keeps it, so that new rows are read equally when the source is gone. The
 * text is ASCII, with one item a line. A byte that cannot be printed, and `%`, is written as % and
 * two hexadecimal digits. */
#ifndef COUPLET_RUNTIME_DATA_WORD_CODES_H
#define COUPLET_RUNTIME_DATA_WORD_CODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- writing */

void couplet_codes_text(FILE *out, const char *text, size_t length);
void couplet_codes_whole(FILE *out, int64_t value);
void couplet_codes_number(FILE *out, double value);

/* ---- reading */

typedef struct CoupletCodes {
    const char *at; /* the rest of the text */
    char *item;     /* the last item, NUL-terminated; owned */
    size_t length;  /* the length of that item */
    /* True if an item was missing or was no number; what is read after that is 0 or empty. */
    bool failed;
} CoupletCodes;

void couplet_codes_open(CoupletCodes *codes, const char *text);
/* Returns the next item; "" after a failure. */
const char *couplet_codes_next(CoupletCodes *codes);
int64_t couplet_codes_next_whole(CoupletCodes *codes, int64_t low, int64_t high);
double couplet_codes_next_number(CoupletCodes *codes);
/* Fails unless the next item is this one. */
void couplet_codes_expect(CoupletCodes *codes, const char *item);
void couplet_codes_close(CoupletCodes *codes);

#endif
