/* From a file name to a checked method: reading, the embedded library, settings from the command line. */
#ifndef COUPLET_DRIVER_LOAD_H
#define COUPLET_DRIVER_LOAD_H

#include "compiler/driver/options.h"
#include "lang/ast.h"

typedef struct LibraryModule {
    const char *name, *text;
    size_t length;
} LibraryModule;
extern const LibraryModule library_modules[]; /* ends with a NULL name; made from stdlib/ by embed.cmake */

/* NULL after messages in diag or on stderr. Settings (--set) are written into the hypers and into `train` before the check. */
Method *load_method(Arena *arena, Diag *diag, const char *path, const Options *options, bool sets_are_hypers);

/* The spec with every hyper as set, for the run folder. */
const char *resolved_spec(Arena *arena, const Method *method);

#endif
