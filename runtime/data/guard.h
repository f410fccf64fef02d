/* Mapped files that others change while they are read. A file that is cut short has no bytes behind its new end, and a look at them is a signal (SIGBUS) that would end the
 * program: pages of zeros then take their place, and whoever reads asks afterwards whether what was read was whole. */
#ifndef COUPLET_RUNTIME_DATA_GUARD_H
#define COUPLET_RUNTIME_DATA_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* Watches `length` mapped bytes of the file: until couplet_guard_end, which comes before they are unmapped. `by_time`: its time of change says whether it was written to; of a
 * packed copy the time says when it was last read. A copy of the runtime watches up to 4096 files at once. */
void couplet_guard_begin(const void *bytes, size_t length, const char *path, bool by_time);
void couplet_guard_end(const void *bytes);

/* Whether a look at these bytes went past the file's end. */
bool couplet_guard_was_cut(const void *bytes);

/* False with a sentence that names the file, when one that is watched has been cut short, or has another size or time of change than when it was mapped. A file that another one
 * has taken the place of, or that was removed, is whole: the mapping is of the old one. */
bool couplet_guard_whole(char *error, size_t error_bytes);

#endif
