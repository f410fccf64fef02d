/* The numbers of a command line in a spec: --set NAME=VALUE for its hypers and for the parameters
 * of its functions, --epochs and --batch for `train`. */
#ifndef COUPLET_COMPILER_DRIVER_OVERRIDES_H
#define COUPLET_COMPILER_DRIVER_OVERRIDES_H

#include "compiler/driver/options.h"
#include "lang/ast.h"

/* Writes each --set into the hyper of this name, and --epochs and --batch into `train`, before the
 * check. A name that is no hyper is an error with the nearest name, unless `for_functions`: it may
 * then be a parameter, which settings_fit_functions decides. False after a message. */
bool settings_write(Arena *arena, Module *spec, const Options *options, bool for_functions);

/* The value of a hyper (STMT_HYPER) or of a setting of `train` (STMT_TRAIN) as the text of the spec
 * has it, whatever was written into it since; "" where there is none. */
const char *settings_text(Arena *arena, const Module *spec, StmtKind kind, const char *name);

/* True if each --set and --in is a hyper or a parameter of the function that --fn names, or without
 * --fn of some function, and each number is of the parameter's kind. A function that is not there
 * is for others to report. False after a message. */
bool settings_fit_functions(Arena *arena, const Method *method, const Options *options);

#endif
