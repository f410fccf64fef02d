/* Arrays in NumPy's .npy format, versions 1 to 3, row by row or column by column, little or big endian. Read are float16,
 * float32, float64, all widths of int and uint, and bool; written is float32. */
#ifndef COUPLET_RUNTIME_NPY_H
#define COUPLET_RUNTIME_NPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COUPLET_NPY_MAX_RANK = 8 };

/* The types of elements that array files hold: of NumPy all but the last of the reals, of safetensors all. */
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

/* What the header of an .npy file says of the data behind it. */
typedef struct CoupletNpyLayout {
    CoupletNpyElement element;
    bool swapped;    /* the most significant byte of an element is the first */
    bool by_columns; /* the first axis runs fastest */
    int rank;
    int64_t shape[COUPLET_NPY_MAX_RANK];
    int64_t count;   /* elements */
    size_t offset;   /* of the data, in bytes from the file's start */
    size_t bytes;    /* of the data; that so many are there is not checked */
} CoupletNpyLayout;

/* Reads the header of an .npy file from the file's first `length` bytes, which need not hold the data. `path` is what messages call the file. False with a
 * sentence. */
bool couplet_npy_layout(const char *path, const void *data, size_t length, CoupletNpyLayout *out, char *error, size_t error_bytes);

/* Whether the file that begins so holds text, by fixed numbers of characters: NumPy's types U and S. */
bool couplet_npy_is_text(const void *data, size_t length);
/* The texts of such a file, of one axis, in UTF-8 with closing zeros: one malloc'ed piece of memory, *count of them. NULL with a sentence. */
char **couplet_npy_texts(const char *path, const void *data, size_t length, int64_t *count, char *error, size_t error_bytes);

typedef struct CoupletNpy {
    int rank;
    int64_t shape[COUPLET_NPY_MAX_RANK];
    int64_t count;  /* elements */
    bool is_integer;  /* whole numbers, and truth values as 0 and 1: they are in `wholes`, other numbers in `values` */
    bool is_unsigned; /* the entries of `wholes` are of uint64_t, bit for bit */
    double *values;   /* row by row, exactly; NULL if is_integer. malloc'ed: couplet_npy_free */
    int64_t *wholes;  /* row by row, exactly; NULL unless is_integer */
} CoupletNpy;

/* False with a sentence in `error` (what, where, what was expected); nothing is then owned by the caller. */
bool couplet_npy_read(const char *path, CoupletNpy *out, char *error, size_t error_bytes);
/* The same from the bytes of such a file; `path` is what messages call it. */
bool couplet_npy_read_bytes(const char *path, const void *data, size_t length, CoupletNpy *out, char *error, size_t error_bytes);
/* The entry `at` of an array of whole numbers, in digits. Returns `out`; 24 bytes are enough. */
const char *couplet_npy_whole_text(const CoupletNpy *array, int64_t at, char *out, size_t bytes);
/* Writes to a temporary file beside `path` and renames it: a full disk leaves nothing half-written. */
bool couplet_npy_write_f32(const char *path, const double *values, int rank, const int64_t *shape, char *error, size_t error_bytes);
void couplet_npy_free(CoupletNpy *array);

#endif
