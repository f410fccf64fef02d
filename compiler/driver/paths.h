/* Paths as the driver writes them into files: shortened, and seen from another folder. */
#ifndef COUPLET_DRIVER_PATHS_H
#define COUPLET_DRIVER_PATHS_H

#include "lang/support.h"

/* Returns the path without "." and without "x/..", as far as possible. The slash that an absolute
 * path begins with is left out. */
const char *path_normal(Arena *arena, const char *path);

/* Returns a path that leads from `folder`, which need not exist yet, to where `path` leads from the
 * current folder. Links behind the last `..` of `path` stay as they are written. An absolute path
 * stays as it is, and seen from an absolute folder the result is absolute. Returns NULL, with errno
 * set, if what is there cannot be found. */
const char *path_seen_from(Arena *arena, const char *folder, const char *path);

#endif
