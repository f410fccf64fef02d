/* Named arrays in a file of the safetensors format: eight bytes of header length, a JSON header,
 * the data. Other tools read these files too. */
#ifndef COUPLET_RUNTIME_SAFETENSORS_H
#define COUPLET_RUNTIME_SAFETENSORS_H

#include "runtime/abi.h"

typedef struct CoupletTensorEntry {
    const char *name;
    CoupletType type;
    int rank;
    int64_t shape[COUPLET_MAX_RANK];
    const void *data;
    const char *dtype; /* for an array that was read: the type as the file names it */
    int64_t bytes;     /* for an array that was read: the length of its data */
} CoupletTensorEntry;

typedef struct CoupletTensorPair {
    const char *key, *value;
} CoupletTensorPair;

typedef struct CoupletTensorFile {
    CoupletTensorEntry *entries;
    int count;
    void *json;  /* owns the names and the metadata */
    char *bytes; /* owns the data; NULL: the caller does */
} CoupletTensorFile;

/* Writes a file beside `path`, flushes and renames it. A failure, such as a full disk, leaves the
 * old file as it was. */
bool couplet_tensors_write(const char *path, const CoupletTensorEntry *entries, int count,
                           const CoupletTensorPair *pairs, int pair_count, char *error,
                           size_t error_bytes);
/* Makes the head of such a file in malloc'ed memory. It is filled up with spaces, so that the data
 * lies at a multiple of `alignment`, or exactly at `reserved` if that is above 0. Every array
 * follows the one before without a gap. NULL when memory is out, or the header is longer than
 * `reserved`. */
char *couplet_tensors_head(const CoupletTensorEntry *entries, int count,
                           const CoupletTensorPair *pairs, int pair_count, size_t alignment,
                           size_t reserved, size_t *length);
int64_t couplet_tensor_bytes(const CoupletTensorEntry *entry);
/* Reads a file. The header, and every array's type, shape and place, are checked before anything is
 * handed out. False with a sentence; nothing is then owned by the caller. */
bool couplet_tensors_read(const char *path, CoupletTensorFile *out, char *error,
                          size_t error_bytes);
/* Reads a file that is in memory already. `bytes`, aligned to 4, must outlive *out. `name` is for
 * messages. */
bool couplet_tensors_parse(const char *name, const void *bytes, size_t length,
                           CoupletTensorFile *out, char *error, size_t error_bytes);
/* Reads a file with arrays of any type of the format. `dtype` names the type, and `type` has a
 * meaning for F32, I32 and U8 alone. Types of less than a byte are refused. */
bool couplet_tensors_parse_any(const char *name, const void *bytes, size_t length,
                               CoupletTensorFile *out, char *error, size_t error_bytes);
/* Returns NULL if the file has none of that name. */
const CoupletTensorEntry *couplet_tensors_find(const CoupletTensorFile *file, const char *name);
/* Returns NULL if the file has none of that name. */
const char *couplet_tensors_metadata(const CoupletTensorFile *file, const char *key);
void couplet_tensors_free(CoupletTensorFile *file);

#endif
