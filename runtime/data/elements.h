/* Converts elements of array files to the types of the language: reals (float32), ints (int32) and
 * bytes. A value that its new type does not hold is reported and never changed. */
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
    bool swapped; /* the most significant byte of each comes first */
    const unsigned char *at;
    ptrdiff_t stride; /* bytes from one to the next */
} CoupletElements;

/* True if elements may be read as `type` at all. Bytes may come from uint8; ints from ints, bools
 * and reals that are all whole; reals from everything. */
bool couplet_elements_fit(CoupletNpyElement element, CoupletType type);

/* Converts `count` elements to `type`, into `out`. Returns the number of the first element that the
 * type does not hold, or `count`. An int holds whole numbers of 32 bits. A real holds a number of
 * float64, rounded to float32, unless it is too large; of whole numbers it holds those that float32
 * has exactly. It holds NaN and the infinities if `unusual`. */
int64_t couplet_elements_convert(const CoupletElements *from, int64_t count, CoupletType type,
                                 bool unusual, void *out);

/* The number of the first of `count` reals that is NaN or an infinity; `count`: there is none. */
int64_t couplet_elements_unusual(const float *values, int64_t count);

/* Writes element `i` in digits: "-1e+300", "nan", "4294967296". Returns `out`; 40 bytes are
 * enough. */
const char *couplet_elements_text(const CoupletElements *from, int64_t i, char *out, size_t bytes);

#endif
