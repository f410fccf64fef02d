/* Writes numbers of the command line into a spec: --set NAME=VALUE into its hypers and the
 * parameters of its functions, --epochs and --batch into `train`. */
#ifndef COUPLET_COMPILER_DRIVER_OVERRIDES_H
#define COUPLET_COMPILER_DRIVER_OVERRIDES_H

#include "compiler/driver/options.h"
#include "lang/ast.h"

/* Writes each --set into the hyper of its name, and --epochs and --batch into `train`, before the
 * check. A name that is no hyper is an error, with the nearest name. If `for_functions`, the name
 * may be a parameter instead, which settings_fit_functions decides. Returns false after a
 * message. */
bool settings_write(Arena *arena, Module *spec, const Options *options, bool for_functions);

/* Reads `text`, one of the words `true` and `false`, as the value of `what`: "the hyper `flag`".
 * Returns false after a message. For `1`, `yes` and the like, the message names the right word. */
bool settings_read_truth(Arena *arena, const char *what, const char *text, bool *value);

/* Returns the value of a hyper (STMT_HYPER), or of a setting of `train` (STMT_TRAIN), as the text
 * of the spec has it, whatever was written into the spec since. Returns "" if the text has none. */
const char *settings_text(Arena *arena, const Module *spec, StmtKind kind, const char *name);

/* True if each --set and --in is a hyper, or a parameter of the function that --fn names, or
 * without --fn of some function. Each number must be of the parameter's kind. Returns false after a
 * message. A function that does not exist is left for the caller to report. */
bool settings_fit_functions(Arena *arena, const Method *method, const Options *options);

#endif
