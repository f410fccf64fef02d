/* Handles files and folders of a run. A file is written as NAME.partial, flushed to the disk and
 * renamed, so a file with its final name is complete, whatever ends the process. The folder is
 * flushed as well, since a power failure could otherwise lose the rename. */
#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(const char *path, const char *doing, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s: %s", path, doing, strerror(errno));
    return false;
}

/* Makes one folder. *made counts the folders that are new. */
static bool make_one(const char *path, int *made) {
    struct stat status;
    if (mkdir(path, 0777) == 0) {
        ++*made;
        return true;
    }
    int reason = errno;
    if (stat(path, &status) != 0) {
        errno = reason;
        return false;
    }
    if (S_ISDIR(status.st_mode)) return true;
    errno = ENOTDIR;
    return false;
}

bool couplet_path_join(const char *folder, const char *name, char *out, char *error,
                       size_t error_bytes) {
    int length = snprintf(out, COUPLET_PATH_BYTES, "%s/%s", folder, name);
    if (length >= 0 && length < COUPLET_PATH_BYTES - 16) return true;
    snprintf(error, error_bytes, "%s: the path is longer than %d bytes", folder,
             COUPLET_PATH_BYTES - 16);
    return false;
}

bool couplet_folder_make(const char *path, int *made, char *error, size_t error_bytes) {
    char part[COUPLET_PATH_BYTES];
    int count = 0;
    size_t length = strlen(path);
    if (length >= sizeof part) {
        errno = ENAMETOOLONG;
        return fail(path, "the folder cannot be made", error, error_bytes);
    }
    for (size_t i = 1; i <= length; i++) {
        bool part_ends = path[i] == '/' ? path[i - 1] != '/' : !path[i] && path[i - 1] != '/';
        if (!part_ends) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (!make_one(part, &count))
            return fail(path, "the folder cannot be made", error, error_bytes);
    }
    if (made) *made = count;
    return true;
}

static bool partial_name(const char *path, char *out) {
    return snprintf(out, COUPLET_PATH_BYTES, "%s.partial", path) < COUPLET_PATH_BYTES;
}

bool couplet_path_absolute(const char *path, char *out, char *error, size_t error_bytes) {
    char *found = realpath(path, NULL);
    if (!found) return fail(path, "cannot be found", error, error_bytes);
    bool fits = strlen(found) < COUPLET_PATH_BYTES;
    if (fits)
        strcpy(out, found);
    else
        snprintf(error, error_bytes, "%s: the path is longer than %d bytes", path,
                 COUPLET_PATH_BYTES);
    free(found);
    return fits;
}

bool couplet_file_has_name(int file, const char *path) {
    struct stat held;
    struct stat named;
    return fstat(file, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

/* Opens the partial file and locks it, so that two processes do not write into one file. On a file
 * system without locks it is only opened. Returns -1 with errno, which is EWOULDBLOCK if another
 * process has the file. */
static int open_partial(const char *partial) {
    for (;;) {
        const int file = open(partial, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0) return -1;
        const bool is_taken = flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        const bool is_ours = !is_taken && couplet_file_has_name(file, partial);
        /* A device such as /dev/null cannot be truncated (EINVAL). */
        if (is_ours && (ftruncate(file, 0) == 0 || errno == EINVAL)) return file;
        const int reason = errno;
        close(file);
        errno = reason;
        if (is_taken || is_ours) return -1;
    }
}

FILE *couplet_file_begin(const char *path, char *error, size_t error_bytes) {
    char partial[COUPLET_PATH_BYTES];
    errno = ENAMETOOLONG;
    const int descriptor = partial_name(path, partial) ? open_partial(partial) : -1;
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "wb");
    if (descriptor >= 0 && !file) close(descriptor);
    if (!file && errno == EWOULDBLOCK)
        snprintf(error, error_bytes,
                 "%s: another process writes this file; wait for it, or name another file", path);
    else if (!file)
        fail(path, "cannot be written", error, error_bytes);
    return file;
}

/* The partial file is removed, or gets its final name, while the lock is held. Once the lock is
 * released, a file of that name is another process's. */
void couplet_file_drop(const char *path, FILE *file) {
    char partial[COUPLET_PATH_BYTES];
    if (partial_name(path, partial)) unlink(partial);
    if (file) fclose(file);
}

void couplet_folder_sync(const char *path) {
    char folder[COUPLET_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    /* the folder of "/file" is "/" */
    size_t length = slash ? (size_t)(slash - path) + (slash == path) : 0;
    if (length >= sizeof folder) return;
    memcpy(folder, path, length);
    folder[length] = 0;
    int descriptor = open(length ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    fsync(descriptor);
    close(descriptor);
}

bool couplet_file_commit(const char *path, FILE *file, char *error, size_t error_bytes) {
    char partial[COUPLET_PATH_BYTES];
    errno = 0;
    bool good = partial_name(path, partial) && !ferror(file) && fflush(file) == 0 &&
                fsync(fileno(file)) == 0;
    if (!good && errno == 0) errno = ENOSPC;
    good = good && rename(partial, path) == 0;
    const int reason = errno;
    if (!good) unlink(partial);
    fclose(file); /* fsync has already reported any error */
    if (good) {
        couplet_folder_sync(path);
        return true;
    }
    errno = reason;
    return fail(path, "cannot be written", error, error_bytes);
}

/* Copies a file by way of a partial file. With `keeps_mode`, the copy has the same permissions. */
static bool copy_file(const char *path, const char *to, bool keeps_mode, char *error,
                      size_t error_bytes) {
    char bytes[1 << 16];
    struct stat info;
    FILE *from = fopen(path, "rb");
    if (!from) return fail(path, "cannot be read", error, error_bytes);
    FILE *file = couplet_file_begin(to, error, error_bytes);
    if (file && keeps_mode && fstat(fileno(from), &info) == 0)
        fchmod(fileno(file), info.st_mode & 0777);
    for (size_t length; file && (length = fread(bytes, 1, sizeof bytes, from)) > 0;)
        fwrite(bytes, 1, length, file);
    const bool was_read = !ferror(from);
    fclose(from);
    if (!file || was_read) return file && couplet_file_commit(to, file, error, error_bytes);
    couplet_file_drop(to, file);
    return fail(path, "cannot be read", error, error_bytes);
}

bool couplet_file_put(const char *made, const char *path, char *error, size_t error_bytes) {
    return copy_file(made, path, true, error, error_bytes);
}

bool couplet_file_name_also(const char *path, const char *also, char *error, size_t error_bytes) {
    char partial[COUPLET_PATH_BYTES];
    errno = ENAMETOOLONG;
    if (!partial_name(also, partial)) return fail(also, "cannot be written", error, error_bytes);
    unlink(partial);
    if (link(path, partial) != 0) return copy_file(path, also, false, error, error_bytes);
    if (rename(partial, also) != 0) {
        fail(also, "cannot be written", error, error_bytes);
        unlink(partial);
        return false;
    }
    unlink(partial); /* if both names are of one file, rename leaves both */
    couplet_folder_sync(also);
    return true;
}

bool couplet_text_write(const char *path, const char *text, char *error, size_t error_bytes) {
    FILE *file = couplet_file_begin(path, error, error_bytes);
    if (!file) return false;
    fwrite(text, 1, strlen(text), file);
    return couplet_file_commit(path, file, error, error_bytes);
}

char *couplet_text_read(const char *path, size_t *length, char *error, size_t error_bytes) {
    FILE *file = fopen(path, "rb");
    struct stat status;
    char *text = NULL;
    bool is_regular = file && fstat(fileno(file), &status) == 0;
    if (is_regular && !S_ISREG(status.st_mode)) {
        errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
        is_regular = false;
    }
    if (!is_regular) {
        fail(path, "cannot be read", error, error_bytes);
    } else if (!(text = malloc((size_t)status.st_size + 1))) {
        snprintf(error, error_bytes, "%s: out of memory for %lld bytes", path,
                 (long long)status.st_size);
    } else {
        *length = fread(text, 1, (size_t)status.st_size, file);
        text[*length] = 0;
        if (ferror(file)) {
            fail(path, "cannot be read", error, error_bytes);
            free(text);
            text = NULL;
        }
    }
    if (file) fclose(file);
    return text;
}
