/* Files that live as long as a command. They lie in the folder that the environment variable TMPDIR
 * names, else in /tmp. */
#ifndef COUPLET_DRIVER_TEMPORARY_H
#define COUPLET_DRIVER_TEMPORARY_H

#include "lang/support.h"

/* Make a new, empty folder or file of this user. Return its path, in the arena, or NULL after a
 * message. The caller removes it. */
const char *temporary_folder(Arena *arena);
const char *temporary_file(Arena *arena);

#endif
