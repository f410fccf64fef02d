/* The members of a tar archive, packed or not, and their bytes at any place. libarchive reads
 * it. */
#ifndef COUPLET_RUNTIME_DATA_ARCHIVE_H
#define COUPLET_RUNTIME_DATA_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive;

/* A member, while the archive is walked through. */
typedef struct CoupletMember {
    const char *name; /* "train/0001.jpg" */
    /* The place of the member's data in the tar stream. An archive that is not packed is that
     * stream itself. */
    int64_t offset, bytes;
    struct archive *archive; /* for couplet_member_text */
} CoupletMember;

/* Calls `visit` for each file in the archive, in order, until it returns false. *packed says
 * whether the tar stream is packed (gzip, bzip2, xz, zstd), and *length is its length unpacked.
 * False with a sentence when the archive is damaged, ends too early, or has a member that is no
 * plain file. */
bool couplet_archive_walk(const char *path,
                          bool (*visit)(void *context, const CoupletMember *member), void *context,
                          bool *packed, int64_t *length, char *error, size_t error_bytes);
/* Reads a member of at most `most` bytes as a text without spaces at its ends, malloc'ed. NULL with
 * a sentence. */
char *couplet_member_text(const CoupletMember *member, const char *path, size_t most, char *error,
                          size_t error_bytes);
/* Writes the unpacked tar stream to the end of a file, whose next byte is *at, and moves *at on.
 * `length` is the one that the walk found. */
bool couplet_archive_unpack(const char *path, int64_t length, int file, int64_t *at, char *error,
                            size_t error_bytes);

#endif
