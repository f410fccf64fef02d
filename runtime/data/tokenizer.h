/* Takes a line of text apart into tokens: words, characters or bytes. */
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
    COUPLET_TOKEN_BYTES_MOST = 4096 /* the most bytes of a token: a longer word is several tokens */
};

typedef struct CoupletTokens {
    CoupletTokenKind kind;
    bool lower;           /* capital letters of Latin, Greek and Cyrillic become small ones */
    const char *at, *end; /* the rest of the line, in UTF-8 unless the tokens are bytes */
    char text[COUPLET_TOKEN_BYTES_MOST + 8]; /* the token, with a closing 0 */
    size_t length;                           /* the length of the token */
} CoupletTokens;

/* Takes the next token. False at the line's end.
 *
 * Words end at spaces, which are all that Unicode has. Each mark of punctuation is a token, and so
 * is each character of Chinese and of Japanese kana. All others are letters. An apostrophe between
 * two letters belongs to the word, and a point or a comma between two digits to the number.
 * Characters are code points, spaces among them. Bytes are bytes. */
bool couplet_tokens_next(CoupletTokens *tokens);

#endif
