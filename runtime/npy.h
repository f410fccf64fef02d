/* Arrays in NumPy's .npy format, versions 1 to 3, in row or column order, little or big endian.
 * Reads float16, float32, float64, all widths of int and uint, and bool. Writes float32 and
 * int32. */
#ifndef COUPLET_RUNTIME_NPY_H
#define COUPLET_RUNTIME_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COUPLET_NPY_MAX_RANK = 8 };

/* The types of elements in array files. NumPy has all but BF16, and safetensors has all. */
typedef enum CoupletNpyElement {
    COUPLET_ELEMENT_F16,
    COUPLET_ELEMENT_F32,
    COUPLET_ELEMENT_F64,
    COUPLET_ELEMENT_I8,
    COUPLET_ELEMENT_I16,
    COUPLET_ELEMENT_I32,
    COUPLET_ELEMENT_I64,
    COUPLET_ELEMENT_U8,
    COUPLET_ELEMENT_U16,
    COUPLET_ELEMENT_U32,
    COUPLET_ELEMENT_U64,
    COUPLET_ELEMENT_BOOL,
    COUPLET_ELEMENT_BF16
} CoupletNpyElement;

/* The header of an .npy file, which describes the data behind it. */
typedef struct CoupletNpyLayout {
    CoupletNpyElement element;
    bool swapped;    /* the most significant byte of an element comes first */
    bool by_columns; /* the first axis runs fastest */
    int rank;
    int64_t shape[COUPLET_NPY_MAX_RANK];
    int64_t count; /* the number of elements */
    size_t offset; /* where the data begins, in bytes from the start of the file */
    size_t bytes;  /* the length of the data, which the file may not have */
} CoupletNpyLayout;

/* Reads the header of an .npy file from the file's first `length` bytes, which need not include the
 * data. `path` is the name for messages. Returns false with a sentence. */
bool couplet_npy_layout(const char *path, const void *data, size_t length, CoupletNpyLayout *out,
                        char *error, size_t error_bytes);

/* True if a file with this beginning holds texts of a fixed number of characters: NumPy's types U
 * and S. */
bool couplet_npy_is_text(const void *data, size_t length);
/* Returns the *count texts of such a file, which has one axis, as NUL-terminated UTF-8 in one piece
 * of memory from malloc. `path` is the name for messages. Returns NULL with a sentence. */
char **couplet_npy_texts(const char *path, const void *data, size_t length, int64_t *count,
                         char *error, size_t error_bytes);

typedef struct CoupletNpy {
    int rank;
    int64_t shape[COUPLET_NPY_MAX_RANK];
    int64_t count; /* the number of elements */
    /* True if the entries are whole numbers, or truth values as 0 and 1. They are then in `wholes`,
     * and else in `values`. */
    bool is_integer;
    bool is_unsigned; /* the entries of `wholes` are uint64_t, bit for bit */
    double *values;   /* in row order, exactly; NULL if is_integer */
    int64_t *wholes;  /* in row order, exactly; NULL unless is_integer */
} CoupletNpy;

/* Reads a file. The caller frees the array with couplet_npy_free. Returns false with a sentence in
 * `error` that says what was found, where, and what was expected; there is then nothing to free. */
bool couplet_npy_read(const char *path, CoupletNpy *out, char *error, size_t error_bytes);
/* Reads such a file from memory. `path` is the name for messages. */
bool couplet_npy_read_bytes(const char *path, const void *data, size_t length, CoupletNpy *out,
                            char *error, size_t error_bytes);
/* Writes entry `at` of an array of whole numbers in digits. 24 bytes are enough. Returns `out`. */
const char *couplet_npy_whole_text(const CoupletNpy *array, int64_t at, char *out, size_t bytes);
/* Writes a file as float32. The file is written beside `path` and renamed, so a full disk leaves
 * nothing half-written. */
bool couplet_npy_write_f32(const char *path, const double *values, int rank, const int64_t *shape,
                           char *error, size_t error_bytes);
/* Writes entries that are float32 or int32 already, in the same way. */
bool couplet_npy_write(const char *path, bool is_integer, const void *entries, int rank,
                       const int64_t *shape, char *error, size_t error_bytes);
void couplet_npy_free(CoupletNpy *array);

#endif
