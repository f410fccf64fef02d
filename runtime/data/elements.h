/* Elements of array files as the language has them: reals (float32), ints (int32) and bytes. A value that its new type does not hold is found, never changed. */
#ifndef COUPLET_RUNTIME_DATA_ELEMENTS_H
#define COUPLET_RUNTIME_DATA_ELEMENTS_H

#include "runtime/abi.h"
#include "runtime/npy.h"

size_t couplet_elements_bytes(CoupletNpyElement element);
bool couplet_elements_are_real(CoupletNpyElement element);
const char *couplet_elements_name(CoupletNpyElement element); /* "float64" */

/* Elements in memory, of whatever alignment. */
typedef struct CoupletElements {
    CoupletNpyElement element;
    bool swapped;            /* the most significant byte of each is the first */
    const unsigned char *at;
    ptrdiff_t stride;        /* bytes from one to the next */
} CoupletElements;

/* Whether elements may be read as `type` at all: bytes from uint8; ints from ints, bools and, where all are whole, reals; reals from everything. */
bool couplet_elements_fit(CoupletNpyElement element, CoupletType type);

/* Converts `count` elements to `type`, into `out`. Returns the number of the first that the type does not hold; `count`: there is none. An int holds whole numbers
 * of 32 bits. A real holds a number of float64 rounded to float32 unless it is too large, and whole numbers that float32 has exactly. NaN and the infinities are
 * held where `unusual` says so. */
int64_t couplet_elements_convert(const CoupletElements *from, int64_t count, CoupletType type, bool unusual, void *out);

/* The first of `count` reals in memory that is NaN or an infinity; `count`: there is none. */
int64_t couplet_elements_unusual(const float *values, int64_t count);

/* Element `i` in digits: "-1e+300", "nan", "4294967296". Returns `out`; 40 bytes are enough. */
const char *couplet_elements_text(const CoupletElements *from, int64_t i, char *out, size_t bytes);

#endif
