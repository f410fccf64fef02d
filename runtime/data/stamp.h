/* Stamps of files, by which a changed file is noticed without reading it. Packed copies and marks
 * are found by the stamps of the files that they were made of. */
#ifndef COUPLET_RUNTIME_DATA_STAMP_H
#define COUPLET_RUNTIME_DATA_STAMP_H

#include <stdint.h>

struct stat;

/* Returns a hash of the file's size, the time of its last change, and the time at which its entry
 * in the file system last changed. Programs may set the former time (cp -p, rsync -t, editors that
 * restore it). The system alone sets the latter, at every write, and also when a mode, an owner or
 * a hard link changes. The stamp then differs for the same content, and what was made of the file
 * is made again. */
uint64_t couplet_stamp(const struct stat *about);
/* Returns the latter time, in nanoseconds. */
int64_t couplet_stamp_changed(const struct stat *about);

/* Waits until a write to a file that was changed at `changed` would get another time. Two writes
 * within one tick of the file system's clock leave the same stamp. The wait is a few hundredths of
 * a second for a file of this moment, two seconds if times are whole seconds, and nothing for older
 * files. Whoever takes a stamp, waits, and then reads, reads what the stamp stands for. */
void couplet_stamp_settle(int64_t changed);

/* Writes the stamps of the files `path(context, i)`, and the time of the latest change, on several
 * threads if there are many files. A path is relative to the folder `root` unless it begins with a
 * slash. Returns -1, or the number of the first file that is missing or is no regular file; *reason
 * is then its errno, or 0. */
typedef const char *(*CoupletStampPath)(const void *context, int64_t number);
int64_t couplet_stamps(const char *root, int64_t count, CoupletStampPath path, const void *context,
                       uint64_t *stamps, int64_t *newest, int *reason);

#endif
