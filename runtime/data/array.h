/* Arrays in files, with their elements in place: .npy files, .npz archives, safetensors files, and
 * folders of .npy files. */
#ifndef COUPLET_RUNTIME_DATA_ARRAY_H
#define COUPLET_RUNTIME_DATA_ARRAY_H

#include "runtime/data/elements.h"
#include "runtime/data/mapping.h"
#include "runtime/npz.h"
#include "runtime/safetensors.h"

typedef struct CoupletArray {
    char name[128];  /* the name in the file; "x" for a single .npy file */
    char label[256]; /* the name for messages, such as "cells.npz, array y" */
    CoupletNpyElement element;
    bool swapped, by_columns; /* the members of CoupletNpyLayout with these names */
    int rank;
    int64_t shape[COUPLET_NPY_MAX_RANK];
    int64_t count;             /* the number of elements, at least 1 */
    const unsigned char *data; /* the elements; NULL: they are in a deflated member of an archive */
    size_t offset;             /* the position of the first element in the member */
    CoupletNpzMember member;   /* the member; its `bytes` are NULL if the array is in no archive */
} CoupletArray;

/* Names of classes that a file has beside a field, as a list of texts called FIELD_names. */
typedef struct CoupletArrayNames {
    char name[128]; /* as in "label_names" */
    char **names;   /* [count] */
    int64_t count;
} CoupletArrayNames;

typedef struct CoupletArrays {
    CoupletArray *arrays; /* [count], in the order of the file, or of names in a folder */
    int count;
    CoupletMapping *mappings; /* [mapping_count]: what the arrays point into */
    int mapping_count;
    CoupletArrayNames *names; /* [name_count] */
    int name_count;
    CoupletTensorFile tensors; /* the safetensors file, with its metadata */
} CoupletArrays;

/* Reads the headers of the file, or of the .npy files in the folder, and no elements. The first
 * bytes of a file tell its kind. `name` is the name for messages. With `wanted`, arrays of other
 * names are ignored.
 *
 * Returns false with a sentence if it is no such file, if it is cut short, or if an array has an
 * unknown type, no axis, or an axis without entries. There is then nothing to free. */
typedef bool CoupletArrayWanted(const void *context, const char *name);
bool couplet_arrays_open(const char *path, const char *name, CoupletArrayWanted *wanted,
                         const void *context, CoupletArrays *out, char *error, size_t error_bytes);
void couplet_arrays_close(CoupletArrays *arrays);

/* True if the elements are in memory in the form of a column of this type. */
bool couplet_array_is_column(const CoupletArray *array, CoupletType type);
/* True if any row can be read without the rows before it. */
static inline bool couplet_array_has_rows(const CoupletArray *array) {
    return array->data != NULL;
}

/* Reads all elements, row by row, as `type` into `out`. `unusual` is as in
 * couplet_elements_convert. Returns false with a sentence that names the element that the type does
 * not hold, or the damage. */
bool couplet_array_read(const CoupletArray *array, CoupletType type, bool unusual, void *out,
                        char *error, size_t error_bytes);
/* Reads the elements of one row, if couplet_array_has_rows. */
bool couplet_array_row(const CoupletArray *array, int64_t row, CoupletType type, bool unusual,
                       void *out, char *error, size_t error_bytes);
/* True if the bytes of the array have the checksum of their archive, or if the array is in no
 * archive. */
bool couplet_array_checksum(const CoupletArray *array, char *error, size_t error_bytes);
/* Checks an array that is a column: its checksum, if it has one, and that there are no NaN and
 * infinities, unless `unusual` allows them. */
bool couplet_array_check(const CoupletArray *array, CoupletType type, bool unusual, char *error,
                         size_t error_bytes);

/* Writes shape and type, as in "[60000, 28, 28] of uint8". Returns `out`. */
const char *couplet_array_text(const CoupletArray *array, char *out, size_t bytes);

#endif
