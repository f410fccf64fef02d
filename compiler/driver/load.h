/* From a file name to a checked method: reading, the embedded library, settings from the command
 * line. */
#ifndef COUPLET_DRIVER_LOAD_H
#define COUPLET_DRIVER_LOAD_H

#include "compiler/compile/compile.h"
#include "compiler/driver/options.h"
#include "lang/ast.h"

/* A file of the library: stdlib/mix.cpl is the module mix, the files of stdlib/losses/ together are
 * the module losses. */
typedef struct LibraryFile {
    const char *module, *path, *text;
    size_t length;
} LibraryFile;
/* in order of path; ends with a NULL module; made from stdlib/ by embed.cmake */
extern const LibraryFile library_files[];

/* A ModuleReader of the embedded library. */
const Source *library_read(void *context, Arena *arena, const char *name, int part);

/* A file as it stands, or standard input for `-`; NULL after a message. */
Source *load_source(Arena *arena, const char *path);
/* Reads the sources that make up a spec: a file; the .cpl files of a folder, in order of name, as
 * one module; or a module of the library by its name, when there is no such file. None (*count is
 * 0) after a message. */
const Source **load_spec_sources(Arena *arena, const char *path, int *count);

/* NULL after messages, some of them in diag. The settings of `options`, which may be NULL, are
 * written into the spec before the check. In a method each --set is a hyper; in a file of
 * functions, and where --fn names one, it may also be a parameter, and each --in is one. */
Method *load_method(Arena *arena, Diag *diag, const char *path, const Options *options);

/* Loads a text in memory, without settings. Never NULL: diag tells whether the method may be
 * lowered. */
Method *load_text(Arena *arena, Diag *diag, const char *path, const char *text);

/* The same for the files of one module, whose paths are relative to `path`, the file or the folder
 * that the data lies beside. */
Method *load_sources(Arena *arena, Diag *diag, const char *path, const Source *const *sources,
                     int count);

/* True if the method trains something: else it is a file of functions. */
bool method_is_trained(const Method *method);

/* Finds the mistakes that `couplet check` reports beyond types: a file with a loss is a method, and
 * only concrete extents can tell that a read is out of range, so the method is lowered. NULL after
 * errors and for a file without a loss. The plans are for the CPU, whatever options->target is. */
LoweredProgram *load_lowered(Arena *arena, Diag *diag, const Method *method,
                             const CompileOptions *options);

/* The name of a method: its file's, without folder and ending, or its folder's. */
const char *load_spec_name(Arena *arena, const char *path);

#endif
