/* Decides who may write into a run folder. The writer holds an advisory lock on run.lock; the lock
 * ends with the process, so no stale lock is ever in the way. The file is removed when the lock is
 * given up, so a descriptor must be compared with the name before the lock counts
 * (couplet_file_has_name).
 *
 * A folder that holds any of a run's file names, but no run, belongs to someone else and is not
 * touched. */
#include "runtime/folder.h"

#include "runtime/events.h"
#include "runtime/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char couplet_checkpoint_name[] = "checkpoint.safetensors",
           couplet_best_name[] = "best.safetensors", couplet_csv_name[] = "metrics.csv",
           couplet_metrics_name[] = "metrics.jsonl";
const char couplet_evaluations_name[] = "evaluations.jsonl",
           couplet_start_name[] = "start.safetensors", couplet_record_name[] = "settings.json";
static const char lock_name[] = "run.lock", lock_words[] = "couplet run: process %ld since %31s";

typedef enum { CLAIMED, TAKEN /* TAKEN: another folder may be free */, FAILED } Claim;

/* ---- the lock -------------------------------------------------------------------------------- */

/* Writes a sentence that names the process which holds the lock. */
static void name_holder(const char *folder, int file, char *error, size_t error_bytes) {
    char text[160] = "";
    char since[32] = "";
    long process = 0;
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    if (length > 0 && sscanf(text, lock_words, &process, since) == 2)
        snprintf(error, error_bytes,
                 "%s: another run is at work in this folder: process %ld, since %s", folder,
                 process, since);
    else
        snprintf(error, error_bytes, "%s: another run is at work in this folder", folder);
}

/* Writes this process and the time into the lock file, for name_holder. */
static bool sign_lock(int file) {
    char text[160];
    char since[32];
    time_t seconds = time(NULL);
    struct tm utc;
    strftime(since, sizeof since, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
    int length =
        snprintf(text, sizeof text, "couplet run: process %ld since %s\n", (long)getpid(), since);
    return ftruncate(file, 0) == 0 && pwrite(file, text, (size_t)length, 0) == length;
}

/* Takes the lock of the folder. Returns TAKEN if another process holds it. Tries again if the file
 * was removed between opening and locking it. */
static Claim take_lock(CoupletRunFolder *f, char *error, size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    if (!couplet_path_join(f->path, lock_name, path, error, error_bytes)) return FAILED;
    for (;;) {
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (file < 0) {
            snprintf(error, error_bytes, "%s: nothing can be written to this folder: %s", f->path,
                     strerror(errno));
            return FAILED;
        }
        bool locked = flock(file, LOCK_EX | LOCK_NB) == 0;
        int reason = errno;
        if (locked && couplet_file_has_name(file, path)) {
            f->lock = file;
            if (sign_lock(file)) return CLAIMED;
            snprintf(error, error_bytes, "%s: cannot be written: %s", path, strerror(errno));
            couplet_folder_release(f);
            return FAILED;
        }
        if (!locked && reason == EWOULDBLOCK)
            name_holder(f->path, file, error, error_bytes);
        else if (!locked)
            snprintf(error, error_bytes, "%s: cannot be locked: %s", path, strerror(reason));
        close(file);
        if (!locked) return reason == EWOULDBLOCK ? TAKEN : FAILED;
    }
}

/* ---- what a folder holds --------------------------------------------------------------------- */

static bool has_entry(const char *folder, const char *name, const char *ending) {
    char path[COUPLET_PATH_BYTES];
    struct stat info;
    int length = snprintf(path, sizeof path, "%s/%s%s", folder, name, ending);
    return length < (int)sizeof path && lstat(path, &info) == 0;
}

/* True if the folder holds a run. Another program's settings.json is no record. */
static bool holds_run(const char *folder) {
    char path[COUPLET_PATH_BYTES];
    char error[COUPLET_PATH_BYTES + 64];
    if (!couplet_path_join(folder, couplet_record_name, path, error, sizeof error)) return false;
    json_t *record = json_load_file(path, 0, NULL);
    const char *format = json_string_value(json_object_get(record, "format"));
    bool holds = format && strncmp(format, "couplet run", strlen("couplet run")) == 0;
    json_decref(record);
    return holds;
}

/* True if run.lock belongs to another program. It is then left alone. */
static bool is_foreign_lock(const char *folder) {
    char path[COUPLET_PATH_BYTES];
    char text[12] = "";
    char error[COUPLET_PATH_BYTES + 64];
    struct stat info;
    if (!couplet_path_join(folder, lock_name, path, error, sizeof error) || lstat(path, &info) != 0)
        return false;
    FILE *file = S_ISREG(info.st_mode) ? fopen(path, "r") : NULL;
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 1;
    if (file) fclose(file);
    return length > 0 && strcmp(text, "couplet run") != 0;
}

bool couplet_folder_is_kept(const char *name, int64_t *step) {
    const size_t begin = strlen(COUPLET_KEPT_BEGIN);
    char *end;
    if (strncmp(name, COUPLET_KEPT_BEGIN, begin) != 0 || name[begin] < '1' || name[begin] > '9')
        return false;
    errno = 0;
    *step = strtoll(name + begin, &end, 10);
    return errno == 0 && strcmp(end, COUPLET_KEPT_END) == 0;
}

bool couplet_folder_split(const char *path, char *folder, const char **checkpoint, char *error,
                          size_t error_bytes) {
    const size_t length = strlen(path);
    const size_t end = strlen(COUPLET_KEPT_END);
    const char *slash = strrchr(path, '/');
    struct stat info;
    *checkpoint = NULL;
    if (length >= COUPLET_PATH_BYTES) {
        snprintf(error, error_bytes, "%s: the path is longer than %d bytes", path,
                 COUPLET_PATH_BYTES - 1);
        return false;
    }
    strcpy(folder, path);
    if (length <= end || strcmp(path + length - end, COUPLET_KEPT_END) != 0 ||
        stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return true;
    /* the folder of "/checkpoint" is "/", and without a slash it is the one that we are in */
    snprintf(folder, COUPLET_PATH_BYTES, "%.*s", slash > path ? (int)(slash - path) : 1,
             slash ? path : ".");
    *checkpoint = slash ? slash + 1 : path;
    return true;
}

static bool is_event_file(const char *name) {
    const size_t length = strlen(name);
    const size_t end = strlen(COUPLET_EVENTS_END);
    return strncmp(name, COUPLET_EVENTS_BEGIN, strlen(COUPLET_EVENTS_BEGIN)) == 0 && length > end &&
           strcmp(name + length - end, COUPLET_EVENTS_END) == 0;
}

/* True if the folder has a kept checkpoint or an event file, whose name goes into out[256]. */
static bool has_numbered(const char *path, char *out) {
    DIR *folder = opendir(path);
    bool found = false;
    int64_t step;
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        found = couplet_folder_is_kept(entry->d_name, &step) || is_event_file(entry->d_name);
        if (found) snprintf(out, 256, "%s", entry->d_name);
    }
    if (folder) closedir(folder);
    return found;
}

/* Returns the first of a run's file names that the folder has, or NULL. `numbered` is room for a
 * name. */
static const char *taken_name(const char *folder, char *numbered) {
    const char *const names[] = {couplet_record_name,
                                 "spec.cpl",
                                 "spec",
                                 couplet_metrics_name,
                                 couplet_csv_name,
                                 couplet_checkpoint_name,
                                 couplet_best_name,
                                 couplet_evaluations_name,
                                 couplet_start_name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (has_entry(folder, names[i], "") || has_entry(folder, names[i], ".partial"))
            return names[i];
    if (has_numbered(folder, numbered)) return numbered;
    return is_foreign_lock(folder) ? lock_name : NULL;
}

/* True if the folder has no file of a run's name, so that a new run replaces nothing. Returns false
 * with a sentence. */
static bool is_free(const char *folder, char *error, size_t error_bytes) {
    char numbered[256];
    const char *taken = taken_name(folder, numbered);
    if (holds_run(folder))
        snprintf(error, error_bytes,
                 "%s: this folder holds a run already; --resume goes on with it, --out FOLDER "
                 "names another",
                 folder);
    else if (taken)
        snprintf(error, error_bytes,
                 "%s: this folder has a file `%s` that no run wrote, and a new run would replace "
                 "it; --out FOLDER names another",
                 folder, taken);
    return !taken;
}

/* ---- folders --------------------------------------------------------------------------------- */

/* Begins with a path, if it is not empty and leaves room for the names of files. */
static bool set_path(CoupletRunFolder *f, const char *path, char *error, size_t error_bytes) {
    char probe[COUPLET_PATH_BYTES];
    *f = (CoupletRunFolder){.lock = -1};
    if (!*path) {
        snprintf(error, error_bytes,
                 "--out needs the name of a folder, and an empty one was given");
        return false;
    }
    if (!couplet_path_join(path, couplet_checkpoint_name, probe, error, error_bytes)) return false;
    strcpy(f->path, path);
    return true;
}

/* Makes the folder, and takes it for a new run. Returns TAKEN if another run has it. */
static Claim claim(CoupletRunFolder *f, const char *path, char *error, size_t error_bytes) {
    if (!set_path(f, path, error, error_bytes) ||
        !couplet_folder_make(path, &f->made, error, error_bytes))
        return FAILED;
    if (is_foreign_lock(path)) return is_free(path, error, error_bytes) ? FAILED : TAKEN;
    Claim claimed = take_lock(f, error, error_bytes);
    if (claimed != CLAIMED || is_free(path, error, error_bytes)) return claimed;
    couplet_folder_release(f);
    return TAKEN;
}

/* Writes the path runs/NAME for 1, runs/NAME-2 for 2, and so on. */
static bool numbered(const char *name, long number, char *out, char *error, size_t error_bytes) {
    int length = number == 1 ? snprintf(out, COUPLET_PATH_BYTES, "runs/%s", name)
                             : snprintf(out, COUPLET_PATH_BYTES, "runs/%s-%ld", name, number);
    if (length < COUPLET_PATH_BYTES) return true;
    snprintf(error, error_bytes,
             "the method's name `%.60s..` is too long for a folder: --out names one", name);
    return false;
}

/* Returns the number of an entry NAME or NAME-2 of the folder runs, or 0 for any other entry. */
static long entry_number(const char *entry, const char *name) {
    size_t length = strlen(name);
    if (strncmp(entry, name, length) != 0) return 0;
    if (!entry[length]) return 1;
    char *end;
    long number = entry[length] == '-' && entry[length + 1] >= '1' && entry[length + 1] <= '9'
                      ? strtol(entry + length + 1, &end, 10)
                      : 0;
    return number >= 2 && number < 1000000000 && !*end ? number : 0;
}

/* Returns the highest number among the folders of the name; with `of_runs`, among those that hold a
 * run. 0: there is none. */
static long last_number(const char *name, bool of_runs) {
    DIR *runs = opendir("runs");
    long last = 0;
    for (struct dirent *entry; runs && (entry = readdir(runs));) {
        char path[COUPLET_PATH_BYTES];
        long number = entry_number(entry->d_name, name);
        if (number <= last) continue;
        int length = snprintf(path, sizeof path, "runs/%s", entry->d_name);
        if (!of_runs || (length < (int)sizeof path && holds_run(path))) {
            last = number;
        }
    }
    if (runs) closedir(runs);
    return last;
}

bool couplet_folder_claim(CoupletRunFolder *f, const char *out, const char *name, char *error,
                          size_t error_bytes) {
    if (out) return claim(f, out, error, error_bytes) == CLAIMED;
    long last = last_number(name, false);
    for (long number = last ? last : 1;; number++) {
        char path[COUPLET_PATH_BYTES];
        if (!numbered(name, number, path, error, error_bytes)) return false;
        Claim claimed = claim(f, path, error, error_bytes);
        if (claimed != TAKEN) return claimed == CLAIMED;
    }
}

/* Reports why a folder cannot be resumed or evaluated, and for a resume what to do instead. */
static bool no_run(const char *path, bool resume, const char *why, const char *advice, char *error,
                   size_t error_bytes) {
    if (resume)
        snprintf(error, error_bytes, "%s: nothing to resume here: %s; %s", path, why, advice);
    else
        snprintf(error, error_bytes, "%s: %s; the folder of a run was expected, like runs/simclr",
                 path, why);
    return false;
}

bool couplet_folder_open(CoupletRunFolder *f, const char *out, const char *name, bool resume,
                         char *error, size_t error_bytes) {
    static const char leave_out[] = "leave out --resume";
    char path[COUPLET_PATH_BYTES];
    struct stat info;
    *f = (CoupletRunFolder){.lock = -1};
    if (!out) {
        long last = last_number(name, true);
        if (!numbered(name, last ? last : 1, path, error, error_bytes)) return false;
        if (!last)
            return no_run(path, resume, "no such folder holds a run", leave_out, error,
                          error_bytes);
        out = path;
    }
    if (!set_path(f, out, error, error_bytes)) return false;
    if (stat(out, &info) != 0)
        return no_run(out, resume, "there is no such folder", leave_out, error, error_bytes);
    if (!S_ISDIR(info.st_mode))
        return no_run(out, resume, "this is a file", "--out names the folder of a run", error,
                      error_bytes);
    if (!has_entry(out, couplet_record_name, ""))
        return no_run(out, resume, "it holds no run (no settings.json)", leave_out, error,
                      error_bytes);
    if (take_lock(f, error, error_bytes) != CLAIMED) return false;
    if (has_entry(out, couplet_checkpoint_name, "")) return true;
    couplet_folder_release(f);
    return no_run(out, resume, "its run ended before the first checkpoint",
                  "remove the folder, or name another by --out", error, error_bytes);
}

bool couplet_folder_share(CoupletRunFolder *f, const char *path, char *error, size_t error_bytes) {
    return set_path(f, path, error, error_bytes) &&
           couplet_folder_make(path, &f->made, error, error_bytes) &&
           take_lock(f, error, error_bytes) == CLAIMED;
}

/* Removes the folders that were made, from the last one of the path upwards, as long as they are
 * empty. */
static void remove_made(CoupletRunFolder *f) {
    char path[COUPLET_PATH_BYTES];
    strcpy(path, f->path);
    for (; f->made > 0 && rmdir(path) == 0; f->made--) {
        size_t length = strlen(path);
        while (length && path[length - 1] == '/')
            length--;
        while (length && path[length - 1] != '/')
            length--;
        while (length && path[length - 1] == '/')
            length--;
        if (!length) return;
        path[length] = 0;
    }
}

void couplet_folder_release(CoupletRunFolder *f) {
    char path[COUPLET_PATH_BYTES];
    char error[COUPLET_PATH_BYTES + 64];
    if (f->lock < 0) return;
    if (couplet_path_join(f->path, lock_name, path, error, sizeof error)) unlink(path);
    if (f->made > 0) remove_made(f);
    close(f->lock);
    f->lock = -1;
}
