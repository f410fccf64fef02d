/* Remembers that a large mapped array was looked through and found without NaN. The mark is an
 * empty file whose name is a hash of all that the answer depends on, the file's time of change
 * among it. A lost mark costs a second look and nothing else. */
#include "runtime/data/checked.h"

#include "runtime/data/cache.h"

#include <fcntl.h>
#include <unistd.h>

static bool mark_path(uint64_t key, char folder[COUPLET_PATH_BYTES],
                      char path[COUPLET_PATH_BYTES]) {
    char cache[COUPLET_PATH_BYTES];
    char name[24];
    char error[COUPLET_PATH_BYTES + 64];
    snprintf(name, sizeof name, "%016llx", (unsigned long long)key);
    return couplet_cache_folder(cache, error, sizeof error) &&
           couplet_path_join(cache, "checked", folder, error, sizeof error) &&
           couplet_path_join(folder, name, path, error, sizeof error);
}

bool couplet_checked_before(uint64_t key) {
    char folder[COUPLET_PATH_BYTES];
    char path[COUPLET_PATH_BYTES];
    return mark_path(key, folder, path) && access(path, F_OK) == 0;
}

void couplet_checked_keep(uint64_t key) {
    char folder[COUPLET_PATH_BYTES];
    char path[COUPLET_PATH_BYTES];
    char error[COUPLET_PATH_BYTES + 64];
    if (!mark_path(key, folder, path) || !couplet_folder_make(folder, NULL, error, sizeof error))
        return;
    const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (file >= 0) close(file);
}
