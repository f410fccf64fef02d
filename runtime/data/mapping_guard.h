/* Guards mapped files that others change while they are read. If a file is cut short, reading
 * behind its new end raises a signal (SIGBUS), which would end the program. Instead, pages of zeros
 * are put there, and the reader asks afterwards whether what it read was whole. */
#ifndef COUPLET_RUNTIME_DATA_MAPPING_GUARD_H
#define COUPLET_RUNTIME_DATA_MAPPING_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Guards `length` mapped bytes of the file until couplet_guard_end, which must come before they are
 * unmapped. The runtime guards up to 4096 files at a time. */
void couplet_guard_begin(const void *bytes, size_t length, const char *path);
void couplet_guard_end(const void *bytes);

/* True if these bytes were read behind the file's end. */
bool couplet_guard_was_cut(const void *bytes);

/* Returns false with a sentence that names the file if a guarded file was cut short, or has another
 * size or time of change than when it was mapped. A file that was removed or replaced counts as
 * whole, because the mapping is of the old file. */
bool couplet_guard_whole(char *error, size_t error_bytes);

#endif
