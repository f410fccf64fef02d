/* Named arrays in a file of the safetensors format: the length of the header in eight bytes, the
 * header in JSON, the data. Other tools read these files too. */
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
    const char *key;
    const char *value;
} CoupletTensorPair;

typedef struct CoupletTensorFile {
    CoupletTensorEntry *entries;
    int count;
    void *json;  /* owns the names and the metadata */
    char *bytes; /* owns the data; NULL: the caller does */
} CoupletTensorFile;

/* Writes a file beside `path`, flushes it and renames it. After a failure, such as a full disk, the
 * old file is unchanged. */
bool couplet_tensors_write(const char *path, const CoupletTensorEntry *entries, int count,
                           const CoupletTensorPair *pairs, int pair_count, char *error,
                           size_t error_bytes);
/* Makes the head of such a file in memory from malloc. Spaces fill it up, so that the data begins
 * at a multiple of `alignment`, or exactly at `reserved` if that is above 0. The arrays follow each
 * other without gaps. Returns NULL if memory is out, or if the header is longer than `reserved`. */
char *couplet_tensors_head(const CoupletTensorEntry *entries, int count,
                           const CoupletTensorPair *pairs, int pair_count, size_t alignment,
                           size_t reserved, size_t *length);
int64_t couplet_tensor_bytes(const CoupletTensorEntry *entry);
/* Reads a file. The header, and the type, shape and place of every array, are checked first.
 * Returns false with a sentence; there is then nothing to free. */
bool couplet_tensors_read(const char *path, CoupletTensorFile *out, char *error,
                          size_t error_bytes);
/* Reads a file that is in memory already. `bytes` must be aligned to 4 and outlive *out. `name` is
 * for messages. */
bool couplet_tensors_parse(const char *name, const void *bytes, size_t length,
                           CoupletTensorFile *out, char *error, size_t error_bytes);
/* Reads a file whose arrays may have any type of the format. `dtype` names the type; `type` is
 * valid for F32, I32 and U8 alone. Types of less than a byte are refused. */
bool couplet_tensors_parse_any(const char *name, const void *bytes, size_t length,
                               CoupletTensorFile *out, char *error, size_t error_bytes);
/* Returns the array of that name, or NULL. */
const CoupletTensorEntry *couplet_tensors_find(const CoupletTensorFile *file, const char *name);
/* Returns the text of that key, or NULL. */
const char *couplet_tensors_metadata(const CoupletTensorFile *file, const char *key);
void couplet_tensors_free(CoupletTensorFile *file);

#endif
