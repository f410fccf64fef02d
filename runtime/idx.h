/* Gzipped IDX files (the MNIST format): unsigned bytes in up to three axes. */
#ifndef COUPLET_RUNTIME_IDX_H
#define COUPLET_RUNTIME_IDX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CoupletIdx {
    int rank;
    int64_t shape[3];
    int64_t count;  /* bytes */
    uint8_t *bytes; /* malloc'ed: couplet_idx_free */
} CoupletIdx;

/* False with a sentence in `error` (file, offset or field, found and expected); nothing is then owned by the caller. */
bool couplet_idx_read(const char *path, CoupletIdx *out, char *error, size_t error_bytes);
void couplet_idx_free(CoupletIdx *idx);

#endif
