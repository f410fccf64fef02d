/* The two files beside a library: a C header with shapes and sizes, and a manifest for other
 * tools. */
#ifndef COUPLET_DRIVER_BUILD_HEADER_H
#define COUPLET_DRIVER_BUILD_HEADER_H

#include "lang/support.h"
#include "runtime/abi.h"

/* Write the files for a method, whose name in C is `name`. Return false after a sentence on
 * stderr. */
bool write_header(Arena *arena, const CoupletProgram *program, const char *name, const char *path);
bool write_manifest(const CoupletProgram *program, const char *name, const char *const *targets,
                    int target_count, const char *path);

#endif
