/* Reads arrays in NumPy's .npz format: a zip archive of .npy files, stored or deflated, also beyond
 * 4 GiB (zip64). */
#ifndef COUPLET_RUNTIME_NPZ_H
#define COUPLET_RUNTIME_NPZ_H

#include "runtime/npy.h"

/* Reads the array `name` of the archive, which is its member name.npy. The caller frees the array
 * with couplet_npy_free. Returns false with a sentence in `error`. If only the name is wrong, the
 * sentence lists the arrays. */
bool couplet_npz_read(const char *path, const char *name, CoupletNpy *out, char *error,
                      size_t error_bytes);

/* A file in an archive. */
typedef struct CoupletNpzMember {
    const char *name; /* not NUL-terminated */
    size_t name_length;
    /* The member's bytes in the archive, packed or not. NULL before couplet_npz_locate. */
    const unsigned char *bytes;
    size_t packed;     /* the length in the archive */
    size_t size;       /* the length of the file */
    bool deflated;     /* true if `bytes` are packed; false: they are the file itself */
    uint32_t checksum; /* the CRC-32 of the file */
    char shown[64];    /* the name without .npy, in plain characters, for messages */
    /* The position at which the archive repeats the entry, ahead of the bytes. */
    size_t local;
    unsigned method, flags; /* fields of the zip format with these names */
} CoupletNpzMember;

/* Lists the *count files of an archive in memory, in the order of its directory. The list is from
 * malloc. `path` is the name for messages. Returns NULL with a sentence. */
CoupletNpzMember *couplet_npz_members(const char *path, const void *archive, size_t length,
                                      int *count, char *error, size_t error_bytes);
/* Finds the bytes of a member. Returns false with a sentence if they are missing, or are packed or
 * encrypted in a way that cannot be read. */
bool couplet_npz_locate(const char *path, const void *archive, size_t length,
                        CoupletNpzMember *member, char *error, size_t error_bytes);

/* Unpacks a deflated member piece by piece, from its start. */
typedef struct CoupletNpzStream {
    void *zlib;
    const CoupletNpzMember *member;
    size_t taken;      /* packed bytes that were read so far */
    size_t given;      /* bytes of the file that were given out so far */
    uint32_t checksum; /* the checksum of the bytes given out so far */
} CoupletNpzStream;

/* Begins to unpack. Returns false if memory is out; there is then nothing to end. */
bool couplet_npz_begin(CoupletNpzStream *stream, const CoupletNpzMember *member);
/* Unpacks the next `bytes` bytes into `out`. Returns false if the packed data is damaged or ends
 * before. */
bool couplet_npz_next(CoupletNpzStream *stream, void *out, size_t bytes);
/* True if all bytes of the member were given out, nothing follows them, and the checksum is that of
 * the archive. */
bool couplet_npz_is_whole(CoupletNpzStream *stream);
void couplet_npz_end(CoupletNpzStream *stream);

#endif
