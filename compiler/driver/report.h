/* Messages for which no line of a spec is to blame: a wrong option, a file that cannot be read, a
 * run that stopped. Each has a code of lang/codes.def. All messages of a process have one form,
 * that of --diagnostics: text, or JSON with one object a line. */
#ifndef COUPLET_DRIVER_REPORT_H
#define COUPLET_DRIVER_REPORT_H

#include "lang/diag.h"
#include "runtime/files.h"

struct Method;

/* The bytes of an `error` in which the runtime leaves a sentence: it may name two paths, and what
 * is wrong stands behind them. */
enum { REPORT_BYTES = 2 * COUPLET_PATH_BYTES + 512 };

/* Takes the name of the command, and the form and colours of all messages, from the command line,
 * before anything can go wrong. `name` is "train", say, or NULL without a command. Messages are
 * coloured on a terminal unless NO_COLOR is set; --color always or never overrides both. */
void report_begin(const char *name, int argc, char **argv);

/* Prints a message. Always returns false, so that `return report(CODE_COMMAND_LINE, "..")` says why
 * something failed. */
bool report(DiagCode code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints a message with a line of help, such as "did you mean `tau`?". `help` may be NULL. */
bool report_with_help(DiagCode code, const char *help, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints what the runtime or a back end says in its `error`. Always returns false. The text is a
 * sentence, to which `code` belongs, or it begins with a code of its own, with a place in a file,
 * or with both:
 *
 *   error[E607]: SENTENCE
 *   FILE:LINE: error: SENTENCE
 *   FILE:LINE:COLUMN: error[E801]: SENTENCE
 *
 * Lines may follow that name a place in the library and say what to do (couplet_fault_text in
 * runtime/executor.h). The line in the file is shown. */
bool report_error(DiagCode code, const char *text);

/* Prints a sentence that is no mistake. It has no code and no help. */
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the messages of a file. */
void report_messages(Diag *diag);

/* Begins to collect the messages of this thread: they are not printed but added to `diag`, in whose
 * arena `arena` they lie. Notes that are no mistakes are dropped. Lines are shown from the sources
 * of `method`, which may be NULL, rather than from the disk. A `diag` of NULL ends this. */
void report_collect(Arena *arena, Diag *diag, const struct Method *method);

#endif
