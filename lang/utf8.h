/* Characters of UTF-8 in bytes that come from outside and may be anything. */
#ifndef COUPLET_LANG_UTF8_H
#define COUPLET_LANG_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Returns the number of bytes of the first character of `text`, 1 to 4, and sets *code to the
 * number of the character. Returns 0 if the bytes are no character: a continuation byte that is
 * alone or missing, an overlong form, a surrogate, a number above U+10FFFF, or no byte at all. */
int utf8_read(const char *text, size_t length, uint32_t *code);

/* True at the second and later bytes of a character. */
static inline bool utf8_goes_on(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Returns the columns that a character takes on a terminal: 0 for combining marks and for invisible
 * characters, 2 for wide characters, else 1. */
int utf8_columns(uint32_t code);

/* Writes the text so that a terminal shows all of it and obeys none of it: control characters and
 * bytes that are no character come out as \xNN. */
void utf8_print(FILE *out, const char *text, size_t length);

/* Writes the text as a JSON string with its quotes. Bytes that are no character come out as \\xNN,
 * so the result is always valid. */
void utf8_print_json(FILE *out, const char *text, size_t length);

#endif
