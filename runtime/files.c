#include "runtime/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(const char *path, const char *doing, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s: %s", path, doing, strerror(errno));
    return false;
}

static bool make_one(const char *path) {
    struct stat status;
    if (mkdir(path, 0777) == 0) return true;
    if (errno != EEXIST || stat(path, &status) != 0) return false;
    if (S_ISDIR(status.st_mode)) return true;
    errno = ENOTDIR;
    return false;
}

bool couplet_path_join(const char *folder, const char *name, char *out, char *error, size_t error_bytes) {
    int length = snprintf(out, COUPLET_PATH_BYTES, "%s/%s", folder, name);
    if (length >= 0 && length < COUPLET_PATH_BYTES - 16) return true;
    snprintf(error, error_bytes, "%s: the path is longer than %d bytes", folder, COUPLET_PATH_BYTES - 16);
    return false;
}

bool couplet_folder_make(const char *path, char *error, size_t error_bytes) {
    char part[COUPLET_PATH_BYTES], probe[COUPLET_PATH_BYTES];
    if (!couplet_path_join(path, ".writable", probe, error, error_bytes)) return false;
    size_t length = strlen(path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (!make_one(part)) return fail(path, "the folder cannot be made", error, error_bytes);
    }
    int file = open(probe, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    if (file < 0) return fail(path, "nothing can be written to this folder", error, error_bytes);
    close(file);
    unlink(probe);
    return true;
}

static bool partial_name(const char *path, char *out) { return snprintf(out, COUPLET_PATH_BYTES, "%s.partial", path) < COUPLET_PATH_BYTES; }

bool couplet_run_folder(const char *name, bool resume, char *out, char *error, size_t error_bytes) {
    char folder[COUPLET_PATH_BYTES], held[COUPLET_PATH_BYTES], checkpoint[COUPLET_PATH_BYTES];
    for (int i = 1;; i++) {
        int length = i == 1 ? snprintf(folder, sizeof folder, "runs/%s", name) : snprintf(folder, sizeof folder, "runs/%s-%d", name, i);
        if (length >= (int)sizeof folder || !couplet_path_join(folder, "checkpoint.safetensors", checkpoint, error, error_bytes)) {
            snprintf(error, error_bytes, "the method's name is too long for a folder");
            return false;
        }
        if (i == 1) strcpy(held, folder);
        if (access(checkpoint, F_OK) != 0) break;
        strcpy(held, folder);
    }
    strcpy(out, resume ? held : folder);
    return true;
}

FILE *couplet_file_begin(const char *path, char *error, size_t error_bytes) {
    char partial[COUPLET_PATH_BYTES];
    errno = ENAMETOOLONG;
    FILE *file = partial_name(path, partial) ? fopen(partial, "wb") : NULL;
    if (!file) fail(path, "cannot be written", error, error_bytes);
    return file;
}

void couplet_file_drop(const char *path, FILE *file) {
    char partial[COUPLET_PATH_BYTES];
    if (file) fclose(file);
    if (partial_name(path, partial)) unlink(partial);
}

/* The rename itself is safe once the folder is on the disk too. */
static void sync_folder(const char *path) {
    char folder[COUPLET_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
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
    bool good = partial_name(path, partial) && !ferror(file) && fflush(file) == 0 && fsync(fileno(file)) == 0;
    if (!good && errno == 0) errno = ENOSPC;
    int kept = errno;
    if (fclose(file) != 0 && good) {
        good = false;
        kept = errno;
    }
    errno = kept;
    if (good && rename(partial, path) == 0) {
        sync_folder(path);
        return true;
    }
    fail(path, "cannot be written", error, error_bytes);
    unlink(partial);
    return false;
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
    if (!file || fstat(fileno(file), &status) != 0 || !S_ISREG(status.st_mode)) {
        if (file && errno == 0) errno = EISDIR;
        fail(path, "cannot be read", error, error_bytes);
    } else {
        text = malloc((size_t)status.st_size + 1);
        *length = text ? fread(text, 1, (size_t)status.st_size, file) : 0;
        if (text) text[*length] = 0;
        else snprintf(error, error_bytes, "%s: out of memory for %lld bytes", path, (long long)status.st_size);
    }
    if (file) fclose(file);
    return text;
}
