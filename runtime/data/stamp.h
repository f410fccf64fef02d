/* Stamps of files: what tells a changed file without reading it. Packed copies and marks are found
 * by the stamps of the files that they were made of. */
#ifndef COUPLET_RUNTIME_DATA_STAMP_H
#define COUPLET_RUNTIME_DATA_STAMP_H

#include <stdint.h>

struct stat;

/* Returns a hash of the file's size, the time of its last change, and the time at which its entry
 * in the file system last changed. Programs set the former time as they like (cp -p, rsync -t,
 * editors that put it back); the latter is the system's alone, and moves with every write. It also
 * moves where a mode, an owner or a hard link changes: the stamp is then another one for the same
 * content, and what was made of the file is made again. */
uint64_t couplet_stamp(const struct stat *about);
int64_t couplet_stamp_changed(const struct stat *about); /* the latter time, in nanoseconds */

/* Waits until a write to a file that was changed at `changed` gets another time: two writes within
 * one tick of the file system's clock leave the same stamp. That is a few hundredths of a second
 * for a file of just now, two seconds where times are whole seconds, and nothing for older files.
 * Whoever takes a stamp, waits, and then reads, finds what the stamp stands for. */
void couplet_stamp_settle(int64_t changed);

/* The regular files `path(context, i)`, relative to the folder `root` unless they begin with a
 * slash: writes their stamps and the newest time at which one changed, on several threads where
 * there are many. Returns -1; else the number of the first file that is not there or no regular
 * file, with *reason its errno, or 0. */
typedef const char *(*CoupletStampPath)(const void *context, int64_t number);
int64_t couplet_stamps(const char *root, int64_t count, CoupletStampPath path, const void *context,
                       uint64_t *stamps, int64_t *newest, int *reason);

#endif
