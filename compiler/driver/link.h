/* The system's tools at work on objects: cc links, ar collects. Each returns false after their
 * messages, and a sentence, on stderr. */
#ifndef COUPLET_DRIVER_LINK_H
#define COUPLET_DRIVER_LINK_H

#include "lang/support.h"

/* Runs a program found on PATH; `words` ends with NULL. */
bool tool_run(const char *const *words);

/* The folder of libcouplet.a, libcouplet.so and couplet.h: $COUPLET_RUNTIME, or where they lie
 * beside this executable. NULL after a sentence. */
const char *link_runtime_folder(Arena *arena);

bool link_executable(Arena *arena, const char *const *objects, int count, const char *out);
bool link_shared(Arena *arena, const char *const *objects, int count, const char *out);
bool link_archive(Arena *arena, const char *const *objects, int count, const char *out);
/* Several objects as one, in which names that only they share are no longer seen. */
bool link_object(Arena *arena, const char *const *objects, int count, const char *out);

#endif
