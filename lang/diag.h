/* Messages to the user. A message has a code, a place, a sentence, notes with places of their own,
 * and a suggestion. Callers say diag_report(diag, CODE_NAME, span, ".."); the lines of source and
 * the carets are the concern of diag.c alone. */
#ifndef COUPLET_LANG_DIAG_H
#define COUPLET_LANG_DIAG_H

#include "lang/support.h"

/* A file of text, which the arena of the compilation owns. `path` is as the user wrote it; modules
 * of the library have paths such as "stdlib/mix.cpl". */
typedef struct Source {
    const char *path;
    const char *text; /* NUL-terminated; NULL for a file whose text is not at hand */
    size_t length;
} Source;

/* The bytes begin .. end - 1 of one source, with the line and the column of the first, both counted
 * from 1. A column is one character, however many bytes or terminal columns it takes. */
typedef struct Span {
    const Source *source;
    int begin;
    int end;
    int line;
    int column;
} Span;
/* Returns the text of an expression on one line, with single spaces. Outermost parentheses of its
 * operands, which its span leaves out, are put back. */
const char *span_text(Arena *arena, Span span);
static inline bool span_same(Span a, Span b) {
    return a.source == b.source && a.begin == b.begin && a.end == b.end;
}

typedef enum {
    DIAG_ERROR,
    DIAG_WARNING,
    DIAG_NOTE,
} DiagSeverity;

/* The mistakes that are reported, one for each row of codes.def. The code (E101) is printed and
 * never changes its meaning; the name (CODE_UNKNOWN_NAME) is used in the sources. */
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
    const char *failing, *repaired; /* texts of whole files, or NULL if no file makes the mistake */
} DiagCodeInfo;
extern const DiagCodeInfo diag_codes[CODE_COUNT];

typedef struct Diag Diag;
Diag *diag_new(Arena *arena);
/* Starts a message, which is an error or a warning by its code. Notes and suggestions belong to the
 * message that was started last. */
void diag_report(Diag *diag, DiagCode code, Span span, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void diag_note(Diag *diag, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets the writer of the trail, which is the calls that led to the place of a message. As long as
 * it is set, each report calls `write`, and what `write` adds with diag_trail stands behind the
 * notes. NULL ends that. */
void diag_follow(Diag *diag, void (*write)(void *context, Diag *diag), void *context);
void diag_trail(Diag *diag, Span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets the help of a message, "did you mean `losses.nt_xent`?", which is printed as its last line,
 * without a caret. */
void diag_suggest(Diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* diag_fix sets the change that mends the mistake of the message started last, which editors offer:
 * `text` in place of what stands at `span`. diag_mean also suggests it in words, "did you mean
 * `text`?". */
void diag_fix(Diag *diag, Span span, const char *text);
void diag_mean(Diag *diag, Span span, const char *text);
int diag_error_count(const Diag *diag);
/* Returns the number of messages. */
int diag_count(const Diag *diag);
/* Removes all messages but the first `count`: those that an error before them made follow. */
void diag_drop(Diag *diag, int count);
/* Appends the messages of `other` to those of `diag`. Their texts must live as long as `diag`. */
void diag_take(Diag *diag, const Diag *other);
/* Returns the sentence of the first error that is printed, with its place and its code, or NULL if
 * there is none. */
const char *diag_first_error(const Diag *diag, Span *span, DiagCode *code);
/* Sets the name that stands ahead of messages without a place: "couplet train". */
void diag_speaker(Diag *diag, const char *name);
/* Makes diag_print show every error. Else it shows the first 20, and how many more there are. */
void diag_unlimited(Diag *diag);
/* Makes diag_print use colours, by the escape sequences of ANSI terminals. */
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
/* Returns the candidate nearest to `name` by edit distance, or NULL if none is near. A candidate
 * that equals `name` is passed over. */
const char *diag_nearest(const char *name, const char *const *candidates, int count);

#endif
