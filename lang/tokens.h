/* The tokens of a file as the scanner sees them, each with its class and its place, for editors.
 * Here comments are tokens too. */
#ifndef COUPLET_LANG_TOKENS_H
#define COUPLET_LANG_TOKENS_H

#include "lang/diag.h"

typedef enum {
    TOKEN_WORD,    /* a word of the language, such as `let`, `if` or `rate` */
    TOKEN_REDUCER, /* a word such as `sum`, before a bracket */
    TOKEN_NAME,
    TOKEN_NUMBER,
    TOKEN_TEXT,
    TOKEN_SIGN, /* an operator or a bracket */
    TOKEN_COMMENT
} TokenClass;
enum { TOKEN_CLASSES = TOKEN_COMMENT + 1 };
extern const char *const token_class_names[TOKEN_CLASSES];

typedef struct Token {
    TokenClass of;
    int begin, end; /* the bytes begin .. end - 1 */
} Token;

/* Returns the tokens of the whole file in order, and sets *count to their number. Characters that
 * have no meaning in the language are left out, and nothing is reported. Returns NULL with a count
 * of 0 for a file beyond the limit, and without memory. */
Token *token_list(Arena *arena, const Source *source, int *count);

#endif
