/* Divides a line of text into tokens: words, characters or bytes. */
#ifndef COUPLET_RUNTIME_DATA_TOKENIZER_H
#define COUPLET_RUNTIME_DATA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

typedef enum CoupletTokenKind {
    COUPLET_TOKEN_WORDS,
    COUPLET_TOKEN_CHARACTERS,
    COUPLET_TOKEN_BYTES
} CoupletTokenKind;

enum {
    /* The most bytes of a token; a longer word becomes several tokens. */
    COUPLET_TOKEN_BYTES_MOST = 4096
};

typedef struct CoupletTokens {
    CoupletTokenKind kind;
    bool lower;           /* capital letters of Latin, Greek and Cyrillic become small letters */
    const char *at, *end; /* the rest of the line, in UTF-8 unless the tokens are bytes */
    char text[COUPLET_TOKEN_BYTES_MOST + 8]; /* the token, NUL-terminated */
    size_t length;                           /* the length of the token */
} CoupletTokens;

/* Takes the next token. Returns false at the end of the line.
 *
 * Words end at any space of Unicode. Each mark of punctuation is a token, and so is each character
 * of Chinese and of Japanese kana. All other characters are letters. An apostrophe between two
 * letters belongs to the word, and a point or comma between two digits to the number. Characters
 * are code points, including spaces. Bytes are bytes. */
bool couplet_tokens_next(CoupletTokens *tokens);

#endif
