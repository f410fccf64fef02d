/* Arrays in NumPy's .npz format: a zip archive of .npy files, stored or deflated, also beyond 4 GiB (zip64). In only. */
#ifndef COUPLET_RUNTIME_NPZ_H
#define COUPLET_RUNTIME_NPZ_H

#include "runtime/npy.h"

/* The array `name` of the archive (its member name.npy). False with a sentence in `error`, which lists the arrays that there are when it is
 * only the name that is wrong. The caller owns the array: couplet_npy_free. */
bool couplet_npz_read(const char *path, const char *name, CoupletNpy *out, char *error, size_t error_bytes);

/* A file in an archive. */
typedef struct CoupletNpzMember {
    const char *name;           /* not terminated */
    size_t name_length;
    const unsigned char *bytes; /* where its bytes stand in the archive, packed or not; NULL before couplet_npz_locate */
    size_t packed;              /* bytes in the archive */
    size_t size;                /* bytes of the file */
    bool deflated;              /* `bytes` are packed; false: they are the file */
    uint32_t checksum;          /* CRC-32 of the file */
    char shown[64];             /* its name without .npy, in plain characters, for messages */
    size_t local;               /* where the archive repeats the entry, before the bytes */
    unsigned method, flags;     /* of zip */
} CoupletNpzMember;

/* The files of the archive whose bytes are given, in the order of its directory: malloc'ed, *count of them. NULL with a sentence. `path` is what messages
 * call the archive. */
CoupletNpzMember *couplet_npz_members(const char *path, const void *archive, size_t length, int *count, char *error, size_t error_bytes);
/* Finds the bytes of a member. False with a sentence: they are not there, or packed or encrypted in a way that is not read. */
bool couplet_npz_locate(const char *path, const void *archive, size_t length, CoupletNpzMember *member, char *error, size_t error_bytes);

/* Unpacks a deflated member piece by piece, from its start. */
typedef struct CoupletNpzStream {
    void *zlib;
    const CoupletNpzMember *member;
    size_t taken;      /* of the member's packed bytes */
    size_t given;      /* of its own */
    uint32_t checksum; /* of what was given */
} CoupletNpzStream;

/* False: memory is out, and there is nothing to end. */
bool couplet_npz_begin(CoupletNpzStream *stream, const CoupletNpzMember *member);
/* The next `bytes` bytes into `out`; false when the packed data is damaged or ends before. */
bool couplet_npz_next(CoupletNpzStream *stream, void *out, size_t bytes);
/* Whether all bytes of the member were given, nothing follows them, and the checksum is the archive's. */
bool couplet_npz_is_whole(CoupletNpzStream *stream);
void couplet_npz_end(CoupletNpzStream *stream);

#endif
