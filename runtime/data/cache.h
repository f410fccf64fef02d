/* The cache folder, for what takes long to make: compiled kernels, and packed copies of data. */
#ifndef COUPLET_RUNTIME_DATA_CACHE_H
#define COUPLET_RUNTIME_DATA_CACHE_H

#include "runtime/files.h"

/* Writes the path of the folder into out[COUPLET_PATH_BYTES]: $COUPLET_CACHE, else
 * $XDG_CACHE_HOME/couplet, else $HOME/.cache/couplet. The folder need not exist. Returns false with
 * a sentence if none of the three is set, or if the path is too long. */
bool couplet_cache_folder(char *out, char *error, size_t error_bytes);

#endif
