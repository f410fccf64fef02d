/* Splits a line into words, characters or bytes. The classes of characters are a few ranges of
 * Unicode, and not its full tables. They suffice for words of European languages, and for Chinese
 * and Japanese, which have no spaces between words. Capital letters become small ones in blocks
 * where both have as many bytes. */
#include "runtime/data/tokenizer.h"

#include <stdint.h>
#include <string.h>

typedef enum {
    SPACE,
    LETTER,
    DIGIT,
    MARK /* a punctuation mark */,
    ALONE /* a letter that is a word by itself */
} Class;

typedef struct Range {
    uint32_t first;
    uint32_t last;
    Class class;
} Range;

/* Ranges beyond ASCII, sorted. A character in none of them is a letter. */
static const Range ranges[] = {
    {0x80, 0xa0, SPACE},      {0xa1, 0xa9, MARK},        {0xab, 0xb1, MARK},
    {0xb4, 0xb4, MARK},       {0xb6, 0xb8, MARK},        {0xbb, 0xbb, MARK},
    {0xbf, 0xbf, MARK},       {0xd7, 0xd7, MARK},        {0xf7, 0xf7, MARK},
    {0x37e, 0x37e, MARK},     {0x589, 0x58a, MARK},      {0x5be, 0x5be, MARK},
    {0x60c, 0x60d, MARK},     {0x61b, 0x61f, MARK},      {0x66a, 0x66d, MARK},
    {0x6d4, 0x6d4, MARK},     {0x964, 0x965, MARK},      {0x1680, 0x1680, SPACE},
    {0x2000, 0x200b, SPACE},  {0x2010, 0x2027, MARK},    {0x2028, 0x2029, SPACE},
    {0x202f, 0x202f, SPACE},  {0x2030, 0x205e, MARK},    {0x205f, 0x2060, SPACE},
    {0x20a0, 0x20cf, MARK},   {0x2190, 0x2bff, MARK},    {0x3000, 0x3000, SPACE},
    {0x3001, 0x3004, MARK},   {0x3005, 0x3007, ALONE},   {0x3008, 0x3020, MARK},
    {0x3030, 0x3030, MARK},   {0x3040, 0x30fa, ALONE},   {0x30fb, 0x30fb, MARK},
    {0x30fc, 0x30ff, ALONE},  {0x3400, 0x4dbf, ALONE},   {0x4e00, 0x9fff, ALONE},
    {0xf900, 0xfaff, ALONE},  {0xfe10, 0xfe19, MARK},    {0xfe30, 0xfe6f, MARK},
    {0xfeff, 0xfeff, SPACE},  {0xff01, 0xff0f, MARK},    {0xff10, 0xff19, DIGIT},
    {0xff1a, 0xff20, MARK},   {0xff3b, 0xff40, MARK},    {0xff5b, 0xff65, MARK},
    {0x1f000, 0x1faff, MARK}, {0x20000, 0x323af, ALONE},
};

static Class character_class(uint32_t c) {
    if (c < 0x80) {
        if (c <= ' ' || c == 0x7f) return SPACE;
        if (c >= '0' && c <= '9') return DIGIT;
        return (c | 32) >= 'a' && (c | 32) <= 'z' ? LETTER : c == '_' ? LETTER : MARK;
    }
    size_t low = 0;
    size_t high = sizeof ranges / sizeof *ranges;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof ranges / sizeof *ranges && c >= ranges[low].first ? ranges[low].class
                                                                          : LETTER;
}

/* Returns the code point at `at`, in a text that is UTF-8. *length is the number of its bytes. */
static uint32_t next_code_point(const char *at, const char *end, size_t *length) {
    const unsigned char *bytes = (const unsigned char *)at;
    *length = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    if (*length > (size_t)(end - at)) *length = 1; /* a line never ends inside a character */
    if (*length == 1) return bytes[0];
    uint32_t c = bytes[0] & (0x7fu >> *length);
    for (size_t i = 1; i < *length; i++)
        c = c << 6 | (bytes[i] & 0x3fu);
    return c;
}

/* Returns the small letter for a capital one. Within these blocks both have as many bytes in
 * UTF-8. */
static uint32_t lower_of(uint32_t c) {
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if (c >= 0x400 && c <= 0x40f) return c + 80;
    if (c == 0x178) return 0xff;
    if (c == 0x130 || c == 0x138 || c == 0x149 || c == 0x17f) return c;
    const bool odd_is_capital = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    if (odd_is_capital) return c & 1 ? c + 1 : c;
    const bool even_is_capital = (c >= 0x100 && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
                                 (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f);
    if (even_is_capital) return c & 1 ? c : c + 1;
    switch (c) { /* Greek with accents */
    case 0x386:
        return 0x3ac;
    case 0x388:
        return 0x3ad;
    case 0x389:
        return 0x3ae;
    case 0x38a:
        return 0x3af;
    case 0x38c:
        return 0x3cc;
    case 0x38e:
        return 0x3cd;
    case 0x38f:
        return 0x3ce;
    default:
        return c;
    }
}

/* Moves `length` bytes from the line to the token. */
static void take_character(CoupletTokens *t, uint32_t c, size_t length) {
    const uint32_t small = t->lower ? lower_of(c) : c;
    char *out = t->text + t->length;
    if (small == c || length > 2)
        memcpy(out, t->at, length);
    else if (length == 1)
        *out = (char)small;
    else {
        out[0] = (char)(0xc0 | small >> 6);
        out[1] = (char)(0x80 | (small & 0x3f));
    }
    t->length += length;
    t->at += length;
    t->text[t->length] = 0;
}

static Class class_behind(const CoupletTokens *t, size_t length) {
    size_t next;
    return t->at + length < t->end ? character_class(next_code_point(t->at + length, t->end, &next))
                                   : SPACE;
}

/* True if a mark within a word belongs to the word. `before` is the class of the character before
 * it. */
static bool joins(const CoupletTokens *t, uint32_t c, size_t length, Class before) {
    const Class behind = class_behind(t, length);
    if (c == '\'' || c == 0x2019) return before == LETTER && behind == LETTER;
    if (c == '.' || c == ',') return before == DIGIT && behind == DIGIT;
    return false;
}

static bool next_word(CoupletTokens *t) {
    Class before = SPACE;
    while (t->at < t->end) {
        size_t length;
        const uint32_t c = next_code_point(t->at, t->end, &length);
        const Class class = character_class(c);
        const bool goes_on = class == LETTER || class == DIGIT ||
                             (class == MARK && t->length && joins(t, c, length, before));
        if (class == SPACE && !t->length) {
            t->at += length;
            continue;
        }
        if (!goes_on) {
            if (!t->length) take_character(t, c, length); /* a token of its own */
            return true;
        }
        if (t->length + length > COUPLET_TOKEN_BYTES_MOST) return true;
        take_character(t, c, length);
        before = class;
    }
    return t->length > 0;
}

bool couplet_tokens_next(CoupletTokens *t) {
    t->length = 0;
    switch (t->kind) {
    case COUPLET_TOKEN_WORDS:
        return next_word(t);
    case COUPLET_TOKEN_CHARACTERS:
        if (t->at < t->end) {
            size_t length;
            const uint32_t c = next_code_point(t->at, t->end, &length);
            take_character(t, c, length);
        }
        return t->length > 0;
    case COUPLET_TOKEN_BYTES:
        if (t->at == t->end) return false;
        t->text[0] = *t->at++;
        t->text[t->length = 1] = 0;
        return true;
    }
    return false;
}
