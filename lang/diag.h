/* Messages to the user: a severity, a place, a sentence, notes with places of their own, and a
 * suggestion. This module owns the carets; everybody else says diag_error(diag, span, "..."). */
#ifndef COUPLET_LANG_DIAG_H
#define COUPLET_LANG_DIAG_H

#include "lang/support.h"

/* One file of text. Owned by the arena of the compilation. `path` is as the user wrote it;
 * library modules have the path "stdlib/losses.cpl" and the like. */
typedef struct Source {
    const char *path;
    const char *text; /* NUL-terminated */
    size_t length;
} Source;

/* Half-open byte range in one source, with the line and column (both from 1) of its start. */
typedef struct Span {
    const Source *source;
    int begin, end;
    int line, column;
} Span;

typedef enum { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } DiagSeverity;

typedef struct Diag Diag;
Diag *diag_new(Arena *arena);
/* Starts a message. Notes and suggestions attach to the message started last. */
void diag_error(Diag *diag, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_warning(Diag *diag, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
void diag_note(Diag *diag, Span span, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "did you mean `losses.nt_xent`?": printed as the last line of the message, without a caret. */
void diag_suggest(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
int diag_error_count(const Diag *diag);
/* Prints all messages, in order of file and line, as
 *   path:line:column: error: sentence
 *      12 | the source line
 *         |     ^~~~~
 * then notes in the same form, then "help: ...". Identical messages are printed once. */
void diag_print(const Diag *diag, FILE *out);
/* The candidate nearest to `name` by edit distance, or NULL when none is near. */
const char *diag_nearest(const char *name, const char *const *candidates, int count);

#endif
