/* Named arrays in a file, in the safetensors format: eight bytes of header length, a JSON header, the data. Other tools read these files too. */
#ifndef COUPLET_RUNTIME_SAFETENSORS_H
#define COUPLET_RUNTIME_SAFETENSORS_H

#include "runtime/abi.h"

typedef struct CoupletTensorEntry {
    const char *name;
    CoupletType type;
    int rank;
    int64_t shape[COUPLET_MAX_RANK];
    const void *data;
    const char *dtype; /* as the file names the type; of an array that was read */
    int64_t bytes;     /* of the data; of an array that was read */
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

/* Written beside `path`, flushed and renamed: a failure (a full disk) leaves the old file as it was. */
bool couplet_tensors_write(const char *path, const CoupletTensorEntry *entries, int count, const CoupletTensorPair *pairs, int pair_count, char *error,
                           size_t error_bytes);
/* What such a file begins with: the header, filled up with spaces so that the data lies at a multiple of `alignment`, or exactly at `reserved` when that is above 0. Every array follows the
 * one before without a gap. malloc'ed; NULL when memory is out, or the header is longer than `reserved`. */
char *couplet_tensors_head(const CoupletTensorEntry *entries, int count, const CoupletTensorPair *pairs, int pair_count, size_t alignment, size_t reserved, size_t *length);
int64_t couplet_tensor_bytes(const CoupletTensorEntry *entry);
/* Checks the header, and every array's type, shape and place, before anything is handed out. False with a sentence; nothing is then owned by the
 * caller. */
bool couplet_tensors_read(const char *path, CoupletTensorFile *out, char *error, size_t error_bytes);
/* The same of a file that is in memory already: `bytes`, aligned to 4, must outlive *out. `name` is for messages. */
bool couplet_tensors_parse(const char *name, const void *bytes, size_t length, CoupletTensorFile *out, char *error, size_t error_bytes);
/* The same of a file with arrays of any type of the format: `dtype` names it, and `type` has a meaning for F32, I32 and U8 alone. Types of less than a byte
 * are refused. */
bool couplet_tensors_parse_any(const char *name, const void *bytes, size_t length, CoupletTensorFile *out, char *error, size_t error_bytes);
const CoupletTensorEntry *couplet_tensors_find(const CoupletTensorFile *file, const char *name); /* NULL: there is none */
const char *couplet_tensors_metadata(const CoupletTensorFile *file, const char *key);            /* NULL: there is none */
void couplet_tensors_free(CoupletTensorFile *file);

#endif
