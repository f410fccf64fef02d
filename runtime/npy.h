/* Arrays in NumPy's .npy format, versions 1 to 3, row by row or column by column, little or big
 * endian. float16, float32, float64, all widths of int and uint, and bool are read. float32 and
 * int32 are written. */
#ifndef COUPLET_RUNTIME_NPY_H
#define COUPLET_RUNTIME_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COUPLET_NPY_MAX_RANK = 8 };

/* The types of elements that array files hold. NumPy has all of them but BF16, safetensors has
 * all. */
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

/* The contents of the header of an .npy file: they describe the data behind it. */
typedef struct CoupletNpyLayout {
    CoupletNpyElement element;
    bool swapped;    /* the most significant byte of an element comes first */
    bool by_columns; /* the first axis runs fastest */
    int rank;
    int64_t shape[COUPLET_NPY_MAX_RANK];
    int64_t count; /* elements */
    size_t offset; /* the beginning of the data, in bytes from the file's start */
    size_t bytes;  /* the length of the data; that so many bytes are there is not checked */
} CoupletNpyLayout;

/* Reads the header of an .npy file from the file's first `length` bytes, which need not hold the
 * data. `path` is what messages call the file. False with a sentence. */
bool couplet_npy_layout(const char *path, const void *data, size_t length, CoupletNpyLayout *out,
                        char *error, size_t error_bytes);

/* True if the file that begins so holds texts of a fixed number of characters: NumPy's types U and
 * S. */
bool couplet_npy_is_text(const void *data, size_t length);
/* The *count texts of such a file, which has one axis, in UTF-8 with closing zeros. They are one
 * malloc'ed piece of memory. NULL with a sentence. */
char **couplet_npy_texts(const char *path, const void *data, size_t length, int64_t *count,
                         char *error, size_t error_bytes);

typedef struct CoupletNpy {
    int rank;
    int64_t shape[COUPLET_NPY_MAX_RANK];
    int64_t count; /* elements */
    /* The entries are whole numbers, or truth values as 0 and 1. They are in `wholes`, and other
     * numbers in `values`. */
    bool is_integer;
    bool is_unsigned; /* the entries of `wholes` are of uint64_t, bit for bit */
    double *values;   /* row by row, exactly; NULL if is_integer */
    int64_t *wholes;  /* row by row, exactly; NULL unless is_integer */
} CoupletNpy;

/* Reads a file. The caller owns the array: couplet_npy_free. False with a sentence in `error` that
 * says what was found, where, and what was expected; nothing is then owned. */
bool couplet_npy_read(const char *path, CoupletNpy *out, char *error, size_t error_bytes);
/* Reads the bytes of such a file; `path` is what messages call it. */
bool couplet_npy_read_bytes(const char *path, const void *data, size_t length, CoupletNpy *out,
                            char *error, size_t error_bytes);
/* Writes entry `at` of an array of whole numbers in digits. Returns `out`; 24 bytes are enough. */
const char *couplet_npy_whole_text(const CoupletNpy *array, int64_t at, char *out, size_t bytes);
/* Writes to a temporary file beside `path` and renames it: a full disk leaves nothing
 * half-written. */
bool couplet_npy_write_f32(const char *path, const double *values, int rank, const int64_t *shape,
                           char *error, size_t error_bytes);
/* Writes entries that are float32 already, or ints of 32 bits, in the same way. */
bool couplet_npy_write(const char *path, bool is_integer, const void *entries, int rank,
                       const int64_t *shape, char *error, size_t error_bytes);
void couplet_npy_free(CoupletNpy *array);

#endif
