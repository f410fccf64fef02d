/* Messages to the user: a code, a place, a sentence, notes with places of their own, and a
 * suggestion. This module owns the carets; everybody else says diag_report(diag, CODE_NAME, span,
 * "..."). */
#ifndef COUPLET_LANG_DIAG_H
#define COUPLET_LANG_DIAG_H

#include "lang/support.h"

/* A file of text. Owned by the arena of the compilation. `path` is as the user wrote it; library
 * modules have the path "stdlib/mix.cpl" and the like. */
typedef struct Source {
    const char *path;
    const char *text; /* NUL-terminated; NULL for a file whose text is not at hand */
    size_t length;
} Source;

/* Half-open byte range in one source, with the line and column (both from 1) of its start. A column
 * is a character, whatever its bytes and its width. */
typedef struct Span {
    const Source *source;
    int begin;
    int end;
    int line;
    int column;
} Span;
/* Returns the text of an expression, with the outermost parentheses of its operands, which its span
 * leaves out, and with single spaces. */
const char *span_text(Arena *arena, Span span);
static inline bool span_same(Span a, Span b) {
    return a.source == b.source && a.begin == b.begin && a.end == b.end;
}

typedef enum {
    DIAG_ERROR,
    DIAG_WARNING,
    DIAG_NOTE,
} DiagSeverity;

/* The mistakes that are reported: a row of codes.def each. The code (E101) is printed and stays
 * what it is; the name (CODE_UNKNOWN_NAME) is for the sources. */
typedef enum {
#define CODE(code, name, severity, meaning, why, failing, repaired) CODE_##name,
#include "lang/codes.def"
#undef CODE
    CODE_COUNT
} DiagCode;

typedef struct DiagCodeInfo {
    const char *code;
    DiagSeverity severity;
    const char *meaning;
    const char *why;
    const char *failing, *repaired; /* texts of whole files; NULL if the mistake is not in a file */
} DiagCodeInfo;
extern const DiagCodeInfo diag_codes[CODE_COUNT];

typedef struct Diag Diag;
Diag *diag_new(Arena *arena);
/* Starts a message; its code says whether it is an error or a warning. Notes and suggestions attach
 * to the message started last. */
void diag_report(Diag *diag, DiagCode code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_note(Diag *diag, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets the writer of the trail, the calls that led to the place of a message. While it is set,
 * `write` is called at each report, and the lines that it writes with diag_trail stand behind the
 * notes. NULL ends it. */
void diag_follow(Diag *diag, void (*write)(void *context, Diag *diag), void *context);
void diag_trail(Diag *diag, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "did you mean `losses.nt_xent`?": printed as the last line of the message, without a caret. */
void diag_suggest(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The change that mends the mistake of the message started last: `text` in place of what stands at
 * `span`. Editors offer it. `diag_mean` suggests it in words, too: "did you mean `text`?". */
void diag_fix(Diag *diag, Span span, const char *text);
void diag_mean(Diag *diag, Span span, const char *text);
int diag_error_count(const Diag *diag);
/* Adds the messages of `other` to those of `diag`. Their texts must live as long as `diag`. */
void diag_take(Diag *diag, const Diag *other);
/* Returns the sentence, the place and the code of the first error that is printed, or NULL. */
const char *diag_first_error(const Diag *diag, Span *span, DiagCode *code);
/* Sets the name with which messages without a place begin, "couplet train". */
void diag_speaker(Diag *diag, const char *name);
/* Shows every error. Without it the first 20 are shown, and then how many more there are. */
void diag_unlimited(Diag *diag);
/* Colours what diag_print prints, by the sequences of ANSI terminals. */
void diag_colour(Diag *diag);
/* Prints all messages, in order of file and line, as
 *   path:line:column: error[E101]: sentence
 *      12 | the source line
 *         |     ^~~~~
 * then notes in the same form, then "help: ...". Identical messages are printed once. */
void diag_print(const Diag *diag, FILE *out);
/* Prints the messages for editors, one JSON object a line: file, line, column, end {line, column},
 * code, severity, message, notes [{file, line, column, end, message}], suggestion (or null) and fix
 * (null, or {file, line, column, end, text}: the text that belongs there). Lines and columns count
 * from 1, columns are characters; `end` is exclusive. The text is valid UTF-8, whatever the file
 * holds. */
void diag_print_json(const Diag *diag, FILE *out);
/* The candidate nearest to `name` by edit distance, or NULL when none is near. */
const char *diag_nearest(const char *name, const char *const *candidates, int count);

#endif
