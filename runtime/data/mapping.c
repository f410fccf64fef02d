/* Maps files to read, and takes pages of memory. Every mapped file is watched (mapping_guard.c),
 * because others may cut or write it while a run reads it. */
#include "runtime/data/mapping.h"

#include "runtime/data/mapping_guard.h"
#include "runtime/data/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(const char *path, int reason, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: cannot be read: %s", path, strerror(reason));
    return false;
}

static bool map(int file, const char *path, CoupletMapping *out, char *error, size_t error_bytes) {
    struct stat about;
    if (fstat(file, &about) != 0) return fail(path, errno, error, error_bytes);
    if (S_ISDIR(about.st_mode)) return fail(path, EISDIR, error, error_bytes);
    if (!S_ISREG(about.st_mode)) {
        snprintf(error, error_bytes, "%s: this is no file on a disk (a pipe, or a device)", path);
        return false;
    }
    out->length = (size_t)about.st_size;
    out->stamp = couplet_stamp(&about);
    out->changed = couplet_stamp_changed(&about);
    if (!out->length) return true;
    void *bytes = mmap(NULL, out->length, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED) return fail(path, errno, error, error_bytes);
    out->bytes = bytes;
    couplet_guard_begin(bytes, out->length, path);
    return true;
}

bool couplet_mapping_open(const char *path, CoupletMapping *out, char *error, size_t error_bytes) {
    memset(out, 0, sizeof *out);
    /* the program must not wait for a pipe without a writer */
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return fail(path, errno, error, error_bytes);
    const bool good = map(file, path, out, error, error_bytes);
    close(file);
    return good;
}

void couplet_mapping_close(CoupletMapping *mapping) {
    couplet_guard_end(mapping->bytes);
    if (mapping->bytes) {
        munmap((void *)(uintptr_t)mapping->bytes, mapping->length);
    }
    memset(mapping, 0, sizeof *mapping);
}

void *couplet_pages_take(size_t bytes) {
    void *pages =
        mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

void couplet_pages_give(void *pages, size_t bytes) {
    if (pages) munmap(pages, bytes ? bytes : 1);
}

void *couplet_lines_take(int64_t bytes) {
    enum { LINE = 64 };
    return aligned_alloc(LINE, ((size_t)bytes + LINE) / LINE * LINE);
}
