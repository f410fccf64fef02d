/* Makes a checked method from a file name: reads files and the embedded library, and writes the
 * settings of the command line into the spec. */
#ifndef COUPLET_DRIVER_LOAD_H
#define COUPLET_DRIVER_LOAD_H

#include "compiler/compile/compile.h"
#include "compiler/driver/options.h"
#include "lang/ast.h"

/* A file of the library: stdlib/mix.cpl is the module mix, and the files of stdlib/losses/ together
 * are the module losses. */
typedef struct LibraryFile {
    const char *module;
    const char *path;
    const char *text;
    size_t length;
} LibraryFile;
/* All files in order of path. The last one has a NULL module. The list is made from stdlib/ by
 * embed.cmake. */
extern const LibraryFile library_files[];

/* Serves as CheckHooks.module: reads a part of a module of the embedded library. Returns NULL after
 * the last part. */
const Source *library_read(void *context, Arena *arena, const char *name, int part);

/* Reads a file, or standard input for `-`. Returns NULL after a message. */
Source *load_source(Arena *arena, const char *path);
/* Reads the sources of a spec: a file; the .cpl files of a folder, in order of name, as one module;
 * or a module of the library, if there is no file of this name. Returns NULL, and a *count of 0,
 * after a message. */
const Source **load_spec_sources(Arena *arena, const char *path, int *count);

/* Loads and checks a spec. The settings of `options`, which may be NULL, are written into the spec
 * before the check. In a method each --set is a hyper. In a file of functions, and where --fn names
 * one, it may also be a parameter, and each --in is a parameter. Returns NULL after messages, some
 * of which are in `diag`. */
Method *load_method(Arena *arena, Diag *diag, const char *path, const Options *options);

/* Loads a text in memory, without settings. Never returns NULL; `diag` tells whether the method may
 * be lowered. */
Method *load_text(Arena *arena, Diag *diag, const char *path, const char *text);

/* Loads the files of one module as load_text does. Data is looked for beside `path`, which is a
 * file or a folder. */
Method *load_sources(Arena *arena, Diag *diag, const char *path, const Source *const *sources,
                     int count);

/* True if the method trains something. Returns false for a file of functions. */
bool method_is_trained(const Method *method);

/* Lowers a method, to find the mistakes that the types do not show: only concrete extents can tell
 * that a read is out of range. Returns NULL after errors, and for a file without a loss. The plans
 * are for the CPU, whatever options->target is. */
LoweredProgram *load_lowered(Arena *arena, Diag *diag, const Method *method,
                             const CompileOptions *options);

/* Returns the name of a method: that of its file, without folder and ending, or that of its
 * folder. */
const char *load_spec_name(Arena *arena, const char *path);

#endif
