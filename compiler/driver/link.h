/* Runs the system's tools on objects: cc links, ar collects. Each function returns false after the
 * tool's messages, and a sentence, on stderr. */
#ifndef COUPLET_DRIVER_LINK_H
#define COUPLET_DRIVER_LINK_H

#include "lang/support.h"

/* Runs a program that is found on PATH. `words` ends with NULL. */
bool tool_run(const char *const *words);

bool link_executable(Arena *arena, const char *const *objects, int count, const char *out);
bool link_shared(Arena *arena, const char *const *objects, int count, const char *out);
bool link_archive(Arena *arena, const char *const *objects, int count, const char *out);
/* Joins several objects into one, and hides the names that only they share. */
bool link_object(Arena *arena, const char *const *objects, int count, const char *out);

#endif
