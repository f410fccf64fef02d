/* Converts elements of array files to the types of the language: reals (float32), ints (int32) and
 * bytes. A value that does not fit the type is reported, and never changed in silence. */
#ifndef COUPLET_RUNTIME_DATA_ELEMENTS_H
#define COUPLET_RUNTIME_DATA_ELEMENTS_H

#include "runtime/abi.h"
#include "runtime/npy.h"

size_t couplet_elements_bytes(CoupletNpyElement element);
bool couplet_elements_are_real(CoupletNpyElement element);
/* Returns a name such as "float64". */
const char *couplet_elements_name(CoupletNpyElement element);

/* Elements in memory, of whatever alignment. */
typedef struct CoupletElements {
    CoupletNpyElement element;
    bool swapped; /* true if the most significant byte of each comes first */
    const unsigned char *at;
    ptrdiff_t stride; /* the bytes from one element to the next */
} CoupletElements;

/* True if elements of this kind may be read as `type` at all. Bytes may come from uint8; ints from
 * ints, bools, and reals that are all whole; reals from everything. */
bool couplet_elements_fit(CoupletNpyElement element, CoupletType type);

/* Converts `count` elements to `type`, into `out`. Returns the position of the first element that
 * does not fit the type, or `count`. An int holds whole numbers of 32 bits. A real holds a float64,
 * rounded to float32, unless it is too large; it holds whole numbers only if float32 has them
 * exactly. It holds NaN and infinities if `unusual`. */
int64_t couplet_elements_convert(const CoupletElements *from, int64_t count, CoupletType type,
                                 bool unusual, void *out);

/* Returns the position of the first of `count` reals that is NaN or infinite, or `count`. */
int64_t couplet_elements_unusual(const float *values, int64_t count);

/* Writes element `i` in digits, as in "-1e+300", "nan" or "4294967296". 40 bytes are enough.
 * Returns `out`. */
const char *couplet_elements_text(const CoupletElements *from, int64_t i, char *out, size_t bytes);

#endif
