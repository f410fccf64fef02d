/* The cache folder. It keeps what takes long to make, so that the next start finds it: compiled
 * kernels, and packed copies of data. */
#ifndef COUPLET_RUNTIME_DATA_CACHE_H
#define COUPLET_RUNTIME_DATA_CACHE_H

#include "runtime/files.h"

/* Writes the path of the folder into out[COUPLET_PATH_BYTES]: $COUPLET_CACHE, else
 * $XDG_CACHE_HOME/couplet, else $HOME/.cache/couplet. The folder need not be there. False with a
 * sentence when none of the three is set, or the path is too long. */
bool couplet_cache_folder(char *out, char *error, size_t error_bytes);

#endif
