/* Arrays in NumPy's .npy format, versions 1 and 2, row major, little endian: float32, float64, int32, int64, uint8 and bool in;
 * float32 out. */
#ifndef COUPLET_RUNTIME_NPY_H
#define COUPLET_RUNTIME_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COUPLET_NPY_MAX_RANK = 8 };

typedef struct CoupletNpy {
    int rank;
    int64_t shape[COUPLET_NPY_MAX_RANK];
    int64_t count;  /* elements */
    bool is_integer;
    double *values; /* malloc'ed: couplet_npy_free */
} CoupletNpy;

/* False with a sentence in `error` (what, where, what was expected); nothing is then owned by the caller. */
bool couplet_npy_read(const char *path, CoupletNpy *out, char *error, size_t error_bytes);
/* The same from the bytes of such a file; `path` is what messages call it. */
bool couplet_npy_read_bytes(const char *path, const void *data, size_t length, CoupletNpy *out, char *error, size_t error_bytes);
/* Writes to a temporary file beside `path` and renames it: a full disk leaves nothing half-written. */
bool couplet_npy_write_f32(const char *path, const double *values, int rank, const int64_t *shape, char *error, size_t error_bytes);
void couplet_npy_free(CoupletNpy *array);

#endif
