/* The members of a tar archive, packed or not, with the positions of their bytes. libarchive reads
 * the archive. */
#ifndef COUPLET_RUNTIME_DATA_ARCHIVE_H
#define COUPLET_RUNTIME_DATA_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive;

/* A member, during a walk through the archive. */
typedef struct CoupletMember {
    const char *name; /* as in "train/0001.jpg" */
    /* The position of the member's data in the tar stream. An archive that is not packed is itself
     * that stream. */
    int64_t offset;
    int64_t bytes;
    struct archive *archive; /* for couplet_member_text */
} CoupletMember;

/* Calls `visit` for each file in the archive, in order, until it returns false. *packed is true if
 * the tar stream is packed (gzip, bzip2, xz, zstd), and *length is its unpacked length. Returns
 * false with a sentence if the archive is damaged, ends too early, or has a member that is no plain
 * file. */
bool couplet_archive_walk(const char *path,
                          bool (*visit)(void *context, const CoupletMember *member), void *context,
                          bool *packed, int64_t *length, char *error, size_t error_bytes);
/* Reads a member of at most `most` bytes as a text, without spaces at its ends, into memory from
 * malloc. Returns NULL with a sentence. */
char *couplet_member_text(const CoupletMember *member, const char *path, size_t most, char *error,
                          size_t error_bytes);
/* Appends the unpacked tar stream to a file, whose next byte is *at, and moves *at on. `length` is
 * that of the walk. */
bool couplet_archive_unpack(const char *path, int64_t length, int file, int64_t *at, char *error,
                            size_t error_bytes);

#endif
