/* The folder of packed copies: names, locks, automatic removal, and the list (copies.h).
 *
 * Two processes that want the same copy meet at its lock; the second waits, and then finds the copy
 * complete. The holder of a lock removes its file when it is done, so a process that has taken one
 * checks whether the file still has the name. A process that dies loses its lock, and the next
 * process removes what it left. */
#include "runtime/data/copies.h"

#include "runtime/data/cache.h"
#include "runtime/data/mapping_guard.h"
#include "runtime/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char ending[] = ".safetensors", partial_ending[] = ".partial", lock_ending[] = ".lock";
static const char lock_words[] = "couplet data: process %ld";

enum {
    DIGITS = 16,
    OLD_SECONDS = 60 * 24 * 3600,
    WAIT_NANOSECONDS = 50000000,
};

/* ---- mapped files ---------------------------------------------------------------------------- */

bool couplet_mapped_open(const char *path, CoupletMapped *out, char *error, size_t error_bytes) {
    struct stat status;
    *out = (CoupletMapped){.length = 0};
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
        const int reason = errno;
        snprintf(error, error_bytes, "%s: %s", path,
                 file < 0 ? strerror(reason) : "this is an empty file, or none");
        if (file >= 0) close(file);
        errno = file < 0 ? reason : EINVAL;
        return false;
    }
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
    const int reason = errno;
    close(file);
    if (bytes == MAP_FAILED) {
        snprintf(error, error_bytes, "%s: its %lld bytes cannot be mapped into memory: %s", path,
                 (long long)status.st_size, strerror(reason));
        errno = reason;
        return false;
    }
    out->bytes = bytes;
    out->length = (size_t)status.st_size;
    couplet_guard_begin(bytes, out->length, path);
    if (couplet_tensors_parse(path, bytes, out->length, &out->file, error, error_bytes))
        return true;
    couplet_guard_end(bytes);
    munmap(bytes, out->length);
    *out = (CoupletMapped){.length = 0}; /* another mapping may get this address */
    errno = EINVAL;
    return false;
}

void couplet_mapped_close(CoupletMapped *mapped) {
    couplet_tensors_free(&mapped->file);
    couplet_guard_end(mapped->bytes);
    if (mapped->bytes) {
        munmap((void *)(uintptr_t)mapped->bytes, mapped->length);
    }
    *mapped = (CoupletMapped){.length = 0};
}

/* ---- names ----------------------------------------------------------------------------------- */

bool couplet_copies_folder(char *out, char *error, size_t error_bytes) {
    char root[COUPLET_PATH_BYTES];
    return couplet_cache_folder(root, error, error_bytes) &&
           couplet_path_join(root, "data", out, error, error_bytes);
}

bool couplet_copy_path(const char *folder, uint64_t asked, uint64_t key, char *out, char *error,
                       size_t error_bytes) {
    char name[64];
    snprintf(name, sizeof name, "%016llx-%016llx%s", (unsigned long long)asked,
             (unsigned long long)key, ending);
    return couplet_path_join(folder, name, out, error, error_bytes);
}

static bool has_digits(const char *text) {
    return strspn(text, "0123456789abcdef") >= DIGITS;
}

/* Returns the part of a file's name behind that of a copy: "" for the copy itself, ".partial" or
 * ".lock". NULL: the file belongs to no copy. */
static const char *ending_of(const char *name) {
    const size_t stem = 2 * DIGITS + 1;
    if (strlen(name) < stem + strlen(ending) || !has_digits(name) || name[DIGITS] != '-' ||
        !has_digits(name + DIGITS + 1))
        return NULL;
    return strncmp(name + stem, ending, strlen(ending)) == 0 ? name + stem + strlen(ending) : NULL;
}

static bool with_ending(const char *path, const char *end, char *out) {
    return snprintf(out, COUPLET_PATH_BYTES, "%s%s", path, end) < COUPLET_PATH_BYTES;
}

/* ---- the lock -------------------------------------------------------------------------------- */

static void sign(int file) {
    char text[64];
    const int length = snprintf(text, sizeof text, lock_words, (long)getpid());
    /* The number is for a sentence alone, and the lock holds without it. */
    if (ftruncate(file, 0) != 0 || pwrite(file, text, (size_t)length, 0) != length) return;
}

/* Tells the user who holds the lock, whose file names the process. */
static void say_who(int file, const CoupletCopyWait *wait) {
    char text[64] = "";
    char sentence[400];
    long process = 0;
    if (!wait->said) return;
    const ssize_t length = pread(file, text, sizeof text - 1, 0);
    if (length > 0 && sscanf(text, lock_words, &process) == 1)
        snprintf(sentence, sizeof sentence, "%s is being packed by process %ld; waiting for it",
                 wait->name, process);
    else
        snprintf(sentence, sizeof sentence, "%s is being packed by another process; waiting for it",
                 wait->name);
    wait->said(wait->context, sentence);
}

/* Returns 1 if the file is locked now, 0 if another process has the lock, and -1 if it cannot be
 * locked. */
static int try_lock(int file) {
    int result;
    do
        result = flock(file, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    return result == 0 ? 1 : errno == EWOULDBLOCK ? 0 : -1;
}

static bool wait_a_little(const CoupletCopyWait *wait) {
    const struct timespec pause = {0, WAIT_NANOSECONDS};
    nanosleep(&pause, NULL);
    return !wait->stop || !*wait->stop;
}

int couplet_copy_lock(const char *path, const CoupletCopyWait *wait, char *error,
                      size_t error_bytes) {
    char name[COUPLET_PATH_BYTES];
    int waits = 0;
    errno = ENAMETOOLONG;
    for (;;) {
        const int file = with_ending(path, lock_ending, name)
                             ? open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)
                             : -1;
        if (file < 0) {
            snprintf(error, error_bytes,
                     "the packed copy of %s cannot be written to %s: %s; COUPLET_CACHE=FOLDER "
                     "names another folder",
                     wait->name, path, strerror(errno));
            return -1;
        }
        int locked;
        while ((locked = try_lock(file)) == 0) {
            /* a process that tidies the folder holds a lock only for a moment */
            if (++waits == 2) say_who(file, wait);
            if (wait_a_little(wait)) continue;
            snprintf(error, error_bytes, "%s: stopped while another process packs it", wait->name);
            close(file);
            return -1;
        }
        if (locked == 1 && couplet_file_has_name(file, name)) {
            sign(file);
            return file;
        }
        if (locked < 0)
            snprintf(error, error_bytes,
                     "%s: cannot be locked: %s; COUPLET_CACHE=FOLDER names another folder for "
                     "packed copies",
                     name, strerror(errno));
        close(file);
        if (locked < 0) return -1;
    }
}

void couplet_copy_unlock(const char *path, int lock) {
    char name[COUPLET_PATH_BYTES];
    if (lock < 0) return;
    if (with_ending(path, lock_ending, name)) unlink(name);
    close(lock);
}

/* Takes the lock if nobody has it, else returns -1. A lock file is made for the moment. */
static int lock_at_once(const char *path) {
    char name[COUPLET_PATH_BYTES];
    const int file = with_ending(path, lock_ending, name)
                         ? open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666)
                         : -1;
    if (file < 0 || (try_lock(file) == 1 && couplet_file_has_name(file, name))) return file;
    close(file);
    return -1;
}

/* ---- what goes ------------------------------------------------------------------------------- */

/* Removes what a dead process left of a copy, unless another process makes it now. With `whole`,
 * also removes the copy. */
static bool remove_copy(const char *path, bool whole) {
    char partial[COUPLET_PATH_BYTES];
    const int lock = lock_at_once(path);
    if (lock < 0) return false;
    const bool removed = !whole || unlink(path) == 0 || errno == ENOENT;
    if (with_ending(path, partial_ending, partial)) unlink(partial);
    couplet_copy_unlock(path, lock);
    return removed;
}

static int64_t seconds_unused(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? (int64_t)time(NULL) - (int64_t)status.st_atime : 0;
}

/* Tidies one file. `name` is that of a copy, of its partial file, or of its lock. */
static void tidy_one(const char *folder, const char *name, const char *kept) {
    char path[COUPLET_PATH_BYTES];
    char error[COUPLET_PATH_BYTES + 64];
    const char *rest = ending_of(name);
    if (!rest || !couplet_path_join(folder, name, path, error, sizeof error)) return;
    path[strlen(path) - strlen(rest)] = 0;
    const char *kept_name = kept ? strrchr(kept, '/') + 1 : "";
    const bool is_kept = kept && strcmp(path, kept) == 0;
    if (is_kept) return;
    if (*rest)
        remove_copy(path, false);
    else if (kept && strncmp(name, kept_name, DIGITS + 1) == 0)
        remove_copy(path, true);
    else if (seconds_unused(path) > OLD_SECONDS)
        remove_copy(path, true);
}

void couplet_copies_tidy(const char *folder, const char *path) {
    DIR *open = opendir(folder);
    for (struct dirent *entry; open && (entry = readdir(open));)
        tidy_one(folder, entry->d_name, path);
    if (open) closedir(open);
}

bool couplet_copy_remove(const CoupletPackedCopy *copy, char *error, size_t error_bytes) {
    errno = EWOULDBLOCK;
    if (remove_copy(copy->path, true)) return true;
    snprintf(error, error_bytes, "%s: %s", copy->path,
             errno == EWOULDBLOCK ? "a process is making this copy" : strerror(errno));
    return false;
}

/* ---- what is there --------------------------------------------------------------------------- */

static void take_text(const CoupletTensorFile *file, const char *key, char *out, size_t bytes) {
    const char *text = couplet_tensors_metadata(file, key);
    snprintf(out, bytes, "%s", text ? text : "");
}

/* Fills in what the file itself says about the copy. A file that cannot be read leaves `whole`
 * false. */
static void look_into(CoupletPackedCopy *copy) {
    CoupletMapped mapped;
    char error[COUPLET_PATH_BYTES + 256];
    struct stat status;
    if (!couplet_mapped_open(copy->path, &mapped, error, sizeof error)) return;
    const char *rows = couplet_tensors_metadata(&mapped.file, "rows");
    copy->whole = true;
    copy->rows = rows ? strtoll(rows, NULL, 10) : 0;
    take_text(&mapped.file, "path", copy->source, sizeof copy->source);
    take_text(&mapped.file, "reader", copy->reader, sizeof copy->reader);
    copy->has_source = stat(copy->source, &status) == 0;
    couplet_mapped_close(&mapped);
}

/* Lists a copy. A partial file stands for its copy, which has no name yet. */
static bool look_at_copy(const char *folder, const char *name, CoupletPackedCopy *copy) {
    char error[COUPLET_PATH_BYTES + 64];
    struct stat status;
    const char *rest = ending_of(name);
    *copy = (CoupletPackedCopy){.rows = 0};
    if (!rest || strcmp(rest, lock_ending) == 0 ||
        !couplet_path_join(folder, name, copy->path, error, sizeof error))
        return false;
    if (stat(copy->path, &status) != 0) return false;
    copy->bytes = (int64_t)status.st_size;
    copy->used = (int64_t)status.st_atime;
    copy->path[strlen(copy->path) - strlen(rest)] = 0;
    if (!*rest) look_into(copy);
    return true;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const CoupletPackedCopy *)a)->path, ((const CoupletPackedCopy *)b)->path);
}

bool couplet_copies_list(const char *folder, CoupletPackedCopy **out, int *count) {
    CoupletPackedCopy copy;
    bool good = true;
    *out = NULL;
    *count = 0;
    DIR *open = opendir(folder);
    for (struct dirent *entry; good && open && (entry = readdir(open));) {
        if (!look_at_copy(folder, entry->d_name, &copy)) continue;
        CoupletPackedCopy *more = realloc(*out, ((size_t)*count + 1) * sizeof copy);
        good = more != NULL;
        if (!good) break;
        *out = more;
        more[(*count)++] = copy;
    }
    if (open) closedir(open);
    if (good && *count) qsort(*out, (size_t)*count, sizeof copy, by_path);
    if (good) return true;
    free(*out);
    *out = NULL;
    return false;
}
