/* Guards mapped files that others change while they are read. A file that is cut short has no bytes
 * behind its new end. A look at them is a signal (SIGBUS), which would end the program. Pages of
 * zeros take their place instead, and whoever reads asks afterwards whether what was read was
 * whole. */
#ifndef COUPLET_RUNTIME_DATA_MAPPING_GUARD_H
#define COUPLET_RUNTIME_DATA_MAPPING_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Watches `length` mapped bytes of the file until couplet_guard_end, which comes before they are
 * unmapped. A copy of the runtime watches up to 4096 files at once. */
void couplet_guard_begin(const void *bytes, size_t length, const char *path);
void couplet_guard_end(const void *bytes);

/* True if a look at these bytes went past the file's end. */
bool couplet_guard_was_cut(const void *bytes);

/* False with a sentence that names the file when a watched one has been cut short, or has another
 * size or time of change than when it was mapped. A file that was removed, or that another one has
 * replaced, is whole, because the mapping is of the old file. */
bool couplet_guard_whole(char *error, size_t error_bytes);

#endif
