/* Arrays in NumPy's .npz format: a zip archive of .npy files, stored or deflated. In only. */
#ifndef COUPLET_RUNTIME_NPZ_H
#define COUPLET_RUNTIME_NPZ_H

#include "runtime/npy.h"

/* The array `name` of the archive (its member name.npy). False with a sentence in `error`, which lists the arrays that there are when it is
 * only the name that is wrong. The caller owns the array: couplet_npy_free. */
bool couplet_npz_read(const char *path, const char *name, CoupletNpy *out, char *error, size_t error_bytes);

#endif
