/* Files that live as long as a command, in the folder that the environment variable TMPDIR names,
 * and without it in /tmp. */
#ifndef COUPLET_DRIVER_TEMPORARY_H
#define COUPLET_DRIVER_TEMPORARY_H

#include "lang/support.h"

/* The path of a new, empty folder or file of this user, in the arena; the caller removes it. NULL
 * after a message. */
const char *temporary_folder(Arena *arena);
const char *temporary_file(Arena *arena);

#endif
