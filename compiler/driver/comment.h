/* The parts of a file's text that describe one of its functions: the comment above the function,
 * and its signature. */
#ifndef COUPLET_DRIVER_COMMENT_H
#define COUPLET_DRIVER_COMMENT_H

#include "lang/ast.h"

typedef struct CommentLines { /* lines without the leading `# ` */
    ARRAY(const char *) of;
} CommentLines;

/* Returns the lines of the comment that begins at `at`. */
CommentLines comment_at(Arena *arena, const char *at);
/* Returns the lines of the comment that ends right above `at`, which must begin a line of
 * `text`. */
CommentLines comment_above(Arena *arena, const char *text, const char *at);
/* Returns the first sentence of a comment, without its full stop, for lists of functions. */
const char *comment_gist(Arena *arena, const CommentLines *lines);
/* Prints the signature on one line, such as "nt_xent(z[N, D], w[N, D], tau = 0.1)". */
void comment_signature(const Stmt *fn, FILE *out);

#endif
