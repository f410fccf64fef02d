/* The text of a file about one of its functions: the comment above the function, and its head. */
#ifndef COUPLET_DRIVER_COMMENT_H
#define COUPLET_DRIVER_COMMENT_H

#include "lang/ast.h"

typedef struct CommentLines { /* without `# ` */
    ARRAY(const char *) of;
} CommentLines;

/* The lines of the comment that begins at `at`. */
CommentLines comment_at(Arena *arena, const char *at);
/* Returns the lines of the comment that ends right above `at`, which begins a line of `text`. */
CommentLines comment_above(Arena *arena, const char *text, const char *at);
/* Returns the first sentence of a comment, without its stop: what a list says of a function. */
const char *comment_gist(Arena *arena, const CommentLines *lines);
/* "nt_xent(z[N, D], w[N, D], tau = 0.1)", on one line. */
void comment_signature(const Stmt *fn, FILE *out);

#endif
