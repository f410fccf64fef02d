/* The one rule for the place of cached files: $COUPLET_CACHE, then $XDG_CACHE_HOME/couplet, then
 * $HOME/.cache/couplet. It serves compiled kernels, packed copies, and marks of checked files
 * (checked.c). */
#include "runtime/data/cache.h"

#include <stdlib.h>
#include <string.h>

/* Writes the folder without slashes at its end. */
static bool take_cache_folder(const char *folder, char *out, char *error, size_t error_bytes) {
    if (!couplet_path_join(folder, "", out, error, error_bytes)) return false;
    size_t length = strlen(out);
    while (length > 1 && out[length - 1] == '/')
        out[--length] = 0;
    return true;
}

bool couplet_cache_folder(char *out, char *error, size_t error_bytes) {
    const char *set = getenv("COUPLET_CACHE");
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    if (set && *set) return take_cache_folder(set, out, error, error_bytes);
    if (base && *base) return couplet_path_join(base, "couplet", out, error, error_bytes);
    if (home && *home) return couplet_path_join(home, ".cache/couplet", out, error, error_bytes);
    snprintf(error, error_bytes,
             "there is no folder for packed copies: none of COUPLET_CACHE, XDG_CACHE_HOME and HOME "
             "is set; COUPLET_CACHE=FOLDER names one");
    return false;
}
