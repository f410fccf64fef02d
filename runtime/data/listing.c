/* Lists the files of a folder, and finds classes in its structure.
 *
 * Files are sorted by the bytes of their paths, so the same folder has the same rows in any locale
 * and on any file system. A similar file in a format that is not read, such as a .gif among
 * pictures, is refused, because ignoring it would lose samples in silence. Hidden files are
 * ignored. */
#include "runtime/data/listing.h"

#include "runtime/data/stamp.h"
#include "runtime/data/vocabulary.h"
#include "runtime/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folders from the root to the one that is being listed. */
typedef struct Above {
    const struct Above *above;
    dev_t device;
    ino_t inode;
} Above;

typedef struct Walk {
    CoupletListing *out;
    const CoupletListingKind *kind;
    int64_t room;
    int64_t folder_room;
    int64_t passed_over;
    char ending[16]; /* the ending of a file that was ignored */
    char *error;
    size_t error_bytes;
} Walk;

static bool out_of_memory(char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "out of memory for the list of files");
    return false;
}

static bool fail(const char *path, const char *what, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: %s: %s", path, what, strerror(errno));
    return false;
}

static bool has_ending(const char *name, const char *ending) {
    size_t length = strlen(name);
    size_t tail = strlen(ending);
    return length > tail && strcasecmp(name + length - tail, ending) == 0;
}

static bool ends_with_any(const char *name, const char *const *endings) {
    for (; endings && *endings; endings++)
        if (has_ending(name, *endings)) return true;
    return false;
}

/* Makes room for one more item. Returns NULL if memory is out; the array is then unchanged. */
static void *grow(void *array, int64_t count, int64_t *room, size_t bytes) {
    if (count < *room) return array;
    int64_t more = *room ? *room * 2 : 64;
    void *grown = realloc(array, (size_t)more * bytes);
    if (grown) *room = more;
    return grown;
}

bool couplet_listing_join(const char *root, const char *path, char out[COUPLET_PATH_BYTES],
                          char *error, size_t error_bytes) {
    if (*root && *path != '/') return couplet_path_join(root, path, out, error, error_bytes);
    if (strlen(path) < COUPLET_PATH_BYTES) {
        strcpy(out, path);
        return true;
    }
    snprintf(error, error_bytes, "%s: the path is longer than %d bytes", path, COUPLET_PATH_BYTES);
    return false;
}

/* ---- walking through folders ----------------------------------------------------------------- */

static bool add_file(Walk *w, const char *path) {
    CoupletListing *out = w->out;
    CoupletListedFile *files = grow(out->files, out->count, &w->room, sizeof *files);
    if (files) out->files = files;
    char *copy = files ? strdup(path) : NULL;
    if (!copy) return out_of_memory(w->error, w->error_bytes);
    out->files[out->count++] = (CoupletListedFile){copy, 0};
    if (out->count <= INT32_MAX) return true;
    snprintf(w->error, w->error_bytes, "%s: the folder has more than %d files", out->root,
             INT32_MAX);
    return false;
}

static bool add_folder(Walk *w, const char *name) {
    CoupletListing *out = w->out;
    CoupletListedFolder *folders =
        grow(out->folders, out->folder_count, &w->folder_room, sizeof *folders);
    if (folders) out->folders = folders;
    char *copy = folders ? strdup(name) : NULL;
    if (!copy) return out_of_memory(w->error, w->error_bytes);
    out->folders[out->folder_count++] = (CoupletListedFolder){copy, 0};
    return true;
}

/* Ignores a file that is no sample, or refuses it if it is a similar file in a format that is not
 * read. */
static bool pass_over(Walk *w, const char *whole, const char *name) {
    if (ends_with_any(name, w->kind->unread)) {
        snprintf(
            w->error, w->error_bytes,
            "%s: files of this kind are not read, %s are; convert it, or move it out of the folder",
            whole, w->kind->library);
        return false;
    }
    const char *dot = strrchr(name, '.');
    if (w->passed_over++ == 0) {
        snprintf(w->ending, sizeof w->ending, "%s", dot ? dot : "");
    }
    return true;
}

/* An entry of a folder that is being listed. */
typedef struct Entry {
    int folder;              /* the open folder */
    unsigned char type;      /* the type in the folder's entry: DT_REG, DT_DIR, .. */
    const char *name, *path; /* the name in the folder; the path below the root */
    const Above *above;
} Entry;

static bool walk_folder(Walk *w, const char *below, const Above *above);

static bool walk_below(Walk *w, const Entry *e, const char *whole, const struct stat *info) {
    const Above here = {e->above, info->st_dev, info->st_ino};
    for (const Above *a = e->above; a; a = a->above) {
        if (a->device != here.device || a->inode != here.inode) continue;
        snprintf(w->error, w->error_bytes,
                 "%s: this link leads to a folder that it lies in; remove it", whole);
        return false;
    }
    return (e->name > e->path || add_folder(w, e->name)) && walk_folder(w, e->path, &here);
}

/* Takes an entry. If the folder says that it is a file, it is not stamped here; stamp_files does
 * that for all. */
static bool walk_entry(Walk *w, const Entry *e) {
    char whole[COUPLET_PATH_BYTES];
    struct stat info;
    const bool is_sample = ends_with_any(e->name, w->kind->endings);
    if (is_sample && e->type == DT_REG) return add_file(w, e->path);
    const bool is_there = fstatat(e->folder, e->name, &info, 0) == 0;
    const int reason = errno;
    if (is_sample && is_there && S_ISREG(info.st_mode)) return add_file(w, e->path);
    if (!couplet_path_join(w->out->root, e->path, whole, w->error, w->error_bytes)) return false;
    if (is_there && S_ISDIR(info.st_mode)) return walk_below(w, e, whole, &info);
    if (!is_sample) return pass_over(w, whole, e->name);
    errno = reason;
    if (!is_there) return fail(whole, "cannot be read", w->error, w->error_bytes);
    snprintf(w->error, w->error_bytes, "%s: this is no file; %s are read", whole, w->kind->library);
    return false;
}

/* Writes the entry's path behind that of its folder, which ends at `at`. */
static bool name_entry(Walk *w, char *path, size_t at, const char *name) {
    const size_t length = strlen(name);
    const size_t root = strlen(w->out->root) + 1;
    if (root + at + length < COUPLET_PATH_BYTES) {
        memcpy(path + at, name, length + 1);
        return true;
    }
    path[at] = 0;
    snprintf(w->error, w->error_bytes, "%s/%s%s: the path is longer than %d bytes", w->out->root,
             path, name, COUPLET_PATH_BYTES);
    return false;
}

/* True for hidden files, and for folders that systems make: Synology's thumbnails of pictures, and
 * what an archive of a Mac contains beside its files. */
static bool is_hidden(const char *name) {
    static const char *const of_systems[] = {"@eaDir", "__MACOSX", "lost+found", "$RECYCLE.BIN",
                                             "System Volume Information"};
    for (size_t i = 0; i < sizeof of_systems / sizeof *of_systems; i++)
        if (strcmp(name, of_systems[i]) == 0) return true;
    return name[0] == '.';
}

static bool walk_entries(Walk *w, DIR *folder, const char *below, const Above *above) {
    char path[COUPLET_PATH_BYTES];
    const size_t at = (size_t)snprintf(path, sizeof path, "%s%s", below, *below ? "/" : "");
    bool good = true;
    errno = 0;
    for (struct dirent *entry; good && (entry = readdir(folder)); errno = 0) {
        if (is_hidden(entry->d_name)) continue;
        const Entry e = {dirfd(folder), entry->d_type, path + at, path, above};
        good = name_entry(w, path, at, entry->d_name) && walk_entry(w, &e);
    }
    return good;
}

/* Lists a folder. `below` is its path below the root, and "" for the root. */
static bool walk_folder(Walk *w, const char *below, const Above *above) {
    char whole[COUPLET_PATH_BYTES];
    if (!*below)
        snprintf(whole, sizeof whole, "%s", w->out->root);
    else if (!couplet_path_join(w->out->root, below, whole, w->error, w->error_bytes))
        return false;
    DIR *folder = opendir(whole);
    if (!folder) return fail(whole, "the folder cannot be read", w->error, w->error_bytes);
    bool good = walk_entries(w, folder, below, above);
    if (good && errno) {
        good = fail(whole, "the folder cannot be read", w->error, w->error_bytes);
    }
    closedir(folder);
    return good;
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const CoupletListedFile *)a)->path, ((const CoupletListedFile *)b)->path);
}
static int by_name(const void *a, const void *b) {
    return strcmp(((const CoupletListedFolder *)a)->name, ((const CoupletListedFolder *)b)->name);
}

/* Returns the length of the first `levels` folders of a path, or 0 if it has fewer. */
static size_t prefix(const char *path, int levels) {
    const char *at = path;
    for (; levels > 0; levels--) {
        const char *slash = strchr(at, '/');
        if (!slash) return 0;
        at = slash + 1;
    }
    return at > path ? (size_t)(at - path - 1) : 0;
}

static CoupletListedFolder *find_folder(const CoupletListing *listing, const char *path) {
    char name[COUPLET_PATH_BYTES];
    size_t length = prefix(path, 1);
    if (!length || length >= sizeof name) return NULL;
    memcpy(name, path, length);
    name[length] = 0;
    CoupletListedFolder key = {.name = name};
    return bsearch(&key, listing->folders, (size_t)listing->folder_count, sizeof key, by_name);
}

/* Sorts the files and counts those of each folder. */
static void put_in_order(CoupletListing *out) {
    if (out->count) {
        qsort(out->files, (size_t)out->count, sizeof *out->files, by_path);
    }
    if (out->folder_count)
        qsort(out->folders, (size_t)out->folder_count, sizeof *out->folders, by_name);
    for (int64_t i = 0; out->folder_count && i < out->count; i++) {
        CoupletListedFolder *folder = find_folder(out, out->files[i].path);
        if (folder) folder->files++;
    }
}

static bool none_found(Walk *w) {
    char endings[160] = "";
    for (const char *const *e = w->kind->endings; *e; e++)
        snprintf(endings + strlen(endings), sizeof endings - strlen(endings), "%s%s",
                 *endings ? ", " : "", *e);
    if (w->passed_over)
        snprintf(w->error, w->error_bytes,
                 "%s: there is no %s in it: none of its %lld files (the first ends in `%s`) has a "
                 "name that ends in %s",
                 w->out->root, w->kind->what, (long long)w->passed_over, w->ending, endings);
    else
        snprintf(w->error, w->error_bytes,
                 "%s: there is no %s in it: files whose names end in %s were expected, here or in "
                 "class folders",
                 w->out->root, w->kind->what, endings);
    return false;
}

static bool set_root(CoupletListing *out, const char *root, char *error, size_t error_bytes) {
    size_t length = strlen(root);
    while (length > 1 && root[length - 1] == '/')
        length--;
    *out = (CoupletListing){.count = 0};
    if (length < sizeof out->root - 16) {
        memcpy(out->root, root, length);
        return true;
    }
    snprintf(error, error_bytes, "%s: the path is longer than %d bytes", root,
             COUPLET_PATH_BYTES - 16);
    return false;
}

/* ---- stamps ---------------------------------------------------------------------------------- */

static const char *listed_path(const void *context, int64_t number) {
    return ((const CoupletListing *)context)->files[number].path;
}

/* Sets the stamp of each file. Returns the number of the first that is no file, with *reason its
 * errno, or 0. Returns -1 if there is none, and -2 with a sentence if memory is out. */
static int64_t stamp_files(CoupletListing *out, int *reason, char *error, size_t error_bytes) {
    uint64_t *stamps = malloc(((size_t)out->count + 1) * sizeof *stamps);
    if (!stamps) {
        out_of_memory(error, error_bytes);
        return -2;
    }
    const int64_t bad =
        couplet_stamps(out->root, out->count, listed_path, out, stamps, &out->changed, reason);
    for (int64_t i = 0; bad < 0 && i < out->count; i++)
        out->files[i].stamp = stamps[i];
    free(stamps);
    return bad;
}

/* Stamps the files, and reports a file that has gone or changed its kind since its folder was
 * read. */
static bool stamp_walked(CoupletListing *out, char *error, size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    int reason;
    const int64_t bad = stamp_files(out, &reason, error, error_bytes);
    if (bad < 0) return bad == -1;
    couplet_listing_path(out, bad, path);
    snprintf(error, error_bytes, "%s: cannot be read: %s", path,
             reason ? strerror(reason) : "this is no file");
    return false;
}

static bool stamp_listed(CoupletListing *out, const int64_t *lines, const char *place, char *error,
                         size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    int reason;
    const int64_t bad = stamp_files(out, &reason, error, error_bytes);
    if (bad < 0) return bad == -1;
    couplet_listing_path(out, bad, path);
    snprintf(error, error_bytes, "%s:%lld: `%s`: %s", place, (long long)lines[bad], path,
             reason ? strerror(reason) : "this is no file");
    return false;
}

bool couplet_listing_read(CoupletListing *out, const char *root, const CoupletListingKind *kind,
                          char *error, size_t error_bytes) {
    struct stat info;
    Walk w = {.out = out, .kind = kind, .error = error, .error_bytes = error_bytes};
    if (!set_root(out, root, error, error_bytes)) return false;
    if (stat(root, &info) != 0) return fail(root, "cannot be read", error, error_bytes);
    Above here = {NULL, info.st_dev, info.st_ino};
    bool good;
    if (S_ISREG(info.st_mode)) {
        out->root[0] = 0;
        good = add_file(&w, root);
    } else
        good = walk_folder(&w, "", &here);
    if (good && !out->count) good = none_found(&w);
    if (good) put_in_order(out);
    good = good && stamp_walked(out, error, error_bytes);
    if (!good) couplet_listing_free(out);
    return good;
}

/* Compares paths, to find two that are equal. */
static int by_pointed_path(const void *a, const void *b) {
    const CoupletListedFile *const *x = a;
    const CoupletListedFile *const *y = b;
    int order = strcmp((*x)->path, (*y)->path);
    return order ? order : (*x > *y) - (*x < *y);
}

static bool all_differ(const CoupletListing *listing, const int64_t *lines, const char *place,
                       char *error, size_t error_bytes) {
    const CoupletListedFile **sorted = malloc(((size_t)listing->count + 1) * sizeof *sorted);
    if (!sorted) return out_of_memory(error, error_bytes);
    bool good = true;
    for (int64_t i = 0; i < listing->count; i++)
        sorted[i] = &listing->files[i];
    qsort(sorted, (size_t)listing->count, sizeof *sorted, by_pointed_path);
    for (int64_t i = 1; good && i < listing->count; i++) {
        good = strcmp(sorted[i - 1]->path, sorted[i]->path) != 0;
        if (good) continue;
        snprintf(error, error_bytes,
                 "%s:%lld: `%s` is in the list already, in line %lld; a file is one row", place,
                 (long long)lines[sorted[i] - listing->files], sorted[i]->path,
                 (long long)lines[sorted[i - 1] - listing->files]);
    }
    free(sorted);
    return good;
}

bool couplet_listing_of(CoupletListing *out, const char *root, const char *const *paths,
                        const int64_t *lines, int64_t count, const char *place, char *error,
                        size_t error_bytes) {
    Walk w = {.out = out, .error = error, .error_bytes = error_bytes};
    bool good = set_root(out, root, error, error_bytes);
    for (int64_t i = 0; good && i < count; i++) {
        char whole[COUPLET_PATH_BYTES];
        good = couplet_listing_join(out->root, paths[i], whole, error, error_bytes) &&
               add_file(&w, paths[i]);
    }
    if (good && out->count) good = stamp_listed(out, lines, place, error, error_bytes);
    if (good) good = all_differ(out, lines, place, error, error_bytes);
    if (!good) couplet_listing_free(out);
    return good;
}

void couplet_listing_free(CoupletListing *listing) {
    for (int64_t i = 0; i < listing->count; i++)
        free(listing->files[i].path);
    for (int64_t i = 0; i < listing->folder_count; i++)
        free(listing->folders[i].name);
    free(listing->files);
    free(listing->folders);
    *listing = (CoupletListing){.count = 0};
}

bool couplet_listing_path(const CoupletListing *listing, int64_t file,
                          char out[COUPLET_PATH_BYTES]) {
    char error[COUPLET_PATH_BYTES + 64];
    return couplet_listing_join(listing->root, listing->files[file].path, out, error, sizeof error);
}

bool couplet_listing_same(const CoupletListing *listing, int64_t file, char *error,
                          size_t error_bytes) {
    const CoupletListedFile *listed = &listing->files[file];
    char path[COUPLET_PATH_BYTES];
    struct stat info;
    const bool is_there = couplet_listing_path(listing, file, path) && stat(path, &info) == 0;
    if (is_there && couplet_stamp(&info) == listed->stamp) return true;
    snprintf(error, error_bytes, "%s: the file %s while the data was read", path,
             is_there ? "was changed" : "went away");
    return false;
}

uint64_t couplet_listing_key(const CoupletListing *listing, uint64_t key) {
    for (int64_t i = 0; i < listing->count; i++) {
        const CoupletListedFile *file = &listing->files[i];
        key = couplet_hash(key, file->path, strlen(file->path));
        key = couplet_hash(key, &file->stamp, sizeof file->stamp);
    }
    return key;
}

/* ---- classes --------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, int64_t count) {
    for (int64_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

static int folders_above(const char *path) {
    int folders = 0;
    for (; *path; path++)
        folders += *path == '/';
    return folders;
}

/* Returns the number of levels of classes, or -1 with a sentence if some files have a class and
 * others have none. */
static int levels_of(const CoupletListing *listing, const CoupletListingKind *kind, char *error,
                     size_t error_bytes) {
    if (!*listing->root) return 0;
    int least = folders_above(listing->files[0].path);
    int most = least;
    int64_t bare = 0;
    for (int64_t i = 0; i < listing->count; i++) {
        int folders = folders_above(listing->files[i].path);
        if (folders < least) bare = i;
        least = folders < least ? folders : least;
        most = folders > most ? folders : most;
    }
    if (least > 0) return least == most ? least : 1;
    if (most == 0) return 0;
    char path[COUPLET_PATH_BYTES];
    couplet_listing_path(listing, bare, path);
    snprintf(error, error_bytes,
             "%s: this %s lies beside the class folders, so it has no class; move it into one of "
             "them, or out of the folder",
             path, kind->what);
    return -1;
}

static bool each_has_files(const CoupletListing *listing, const CoupletListingKind *kind,
                           char *error, size_t error_bytes) {
    for (int64_t i = 0; i < listing->folder_count; i++) {
        if (listing->folders[i].files) continue;
        snprintf(error, error_bytes,
                 "%s/%s: there is no %s in this folder, and each folder here is a class; remove "
                 "it, or begin its name with a full stop, which hides it%s",
                 listing->root, listing->folders[i].name, kind->what,
                 kind->has_names ? "; names = \"FILE\" takes the classes from a list, a name a "
                                   "line, where some may be empty"
                                 : "");
        return false;
    }
    return true;
}

/* Returns false with a sentence if a name is in the list twice. */
static bool names_differ(char *const *names, int64_t count, const char *path, char *error,
                         size_t error_bytes) {
    char **sorted = malloc(((size_t)count + 1) * sizeof *sorted);
    if (!sorted) return out_of_memory(error, error_bytes);
    bool good = true;
    memcpy(sorted, names, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, by_text);
    for (int64_t i = 1; good && i < count; i++) {
        good = strcmp(sorted[i - 1], sorted[i]) != 0;
        if (!good)
            snprintf(error, error_bytes, "%s: the name `%s` is in it twice", path, sorted[i]);
    }
    free(sorted);
    return good;
}

/* Returns the lines of a text, without UTF-8's mark, spaces at their ends, carriage returns, and
 * empty lines. */
static char **read_names(const char *path, int64_t *count, char *error, size_t error_bytes) {
    size_t length;
    int64_t room = 0;
    char **names = NULL;
    char *rest = NULL;
    char *text = couplet_text_read(path, &length, error, error_bytes);
    bool good =
        text &&
        (strlen(text) == length ||
         (snprintf(error, error_bytes, "%s: this is no text: a zero byte is in it", path), false));
    *count = 0;
    for (char *at =
             good ? strtok_r(strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text, "\n", &rest)
                  : NULL;
         good && at; at = strtok_r(NULL, "\n", &rest)) {
        size_t end = strlen(at);
        while (end && strchr(" \t\r", at[end - 1]))
            end--;
        at[end] = 0;
        if (!end) continue;
        char **grown = grow(names, *count, &room, sizeof *names);
        if (grown) names = grown;
        char *copy = grown ? strdup(at) : NULL;
        good = copy || out_of_memory(error, error_bytes);
        if (good) names[(*count)++] = copy;
    }
    if (good && !*count) {
        snprintf(error, error_bytes,
                 "%s: there is no name in it; a name of a class a line was expected", path);
        good = false;
    }
    good = good && names_differ(names, *count, path, error, error_bytes);
    free(text);
    if (good) return names;
    free_names(names, *count);
    *count = 0;
    return NULL;
}

/* ---- the order of class folders -------------------------------------------------------------- */

enum { MOST_LEVELS = 64 };

/* A folder of a level, such as "plants/7". numbers[i] is true if all names of level i are whole
 * numbers, which are then sorted as numbers. */
typedef struct Folder {
    char *name;
    const bool *numbers;
} Folder;

/* Returns the bytes up to the next slash. */
static size_t part_length(const char *path) {
    return strcspn(path, "/");
}

static int compare_parts(const char *a, const char *b, bool numbers) {
    const long long x = numbers ? strtoll(a, NULL, 10) : 0;
    const long long y = numbers ? strtoll(b, NULL, 10) : 0;
    if (x != y) return (x > y) - (x < y);
    const size_t length = part_length(a);
    const size_t other = part_length(b);
    const int order = memcmp(a, b, length < other ? length : other);
    return order ? order : (length > other) - (length < other);
}

static int by_numbers(const void *left, const void *right) {
    const char *a = ((const Folder *)left)->name;
    const char *b = ((const Folder *)right)->name;
    const bool *numbers = ((const Folder *)left)->numbers;
    for (int level = 0;; level++) {
        const int order = compare_parts(a, b, numbers[level]);
        a += part_length(a);
        b += part_length(b);
        if (order || !*a || !*b) return order;
        a++;
        b++;
    }
}

/* Finds the levels that have whole numbers alone. True if there is one. */
static bool find_numbers(char *const *names, int64_t count, int levels, bool *numbers) {
    bool some = false;
    for (int level = 0; level < levels; level++) {
        numbers[level] = true;
        for (int64_t i = 0; numbers[level] && i < count; i++) {
            const char *part = names[i] + (level ? prefix(names[i], level) + 1 : 0);
            numbers[level] = couplet_word_is_whole(part, part_length(part));
        }
        some = some || numbers[level];
    }
    return some;
}

/* Sorts folders in byte order. If all names of a level are whole numbers, they are sorted as
 * numbers: `where label == 2` then means the folder 2, and not the folder 10, which comes third in
 * byte order. */
static bool sort_folders(char **names, int64_t count, int levels) {
    bool numbers[MOST_LEVELS];
    if (levels > MOST_LEVELS || !find_numbers(names, count, levels, numbers)) {
        qsort(names, (size_t)count, sizeof *names, by_text);
        return true;
    }
    Folder *folders = malloc(((size_t)count + 1) * sizeof *folders);
    if (!folders) return false;
    for (int64_t i = 0; i < count; i++)
        folders[i] = (Folder){names[i], numbers};
    qsort(folders, (size_t)count, sizeof *folders, by_numbers);
    for (int64_t i = 0; i < count; i++)
        names[i] = folders[i].name;
    free(folders);
    return true;
}

/* Returns the names of a level, each once and sorted. Files are sorted, so those of one folder
 * follow each other. */
static char **names_of_level(const CoupletListing *listing, int level, int64_t *count, char *error,
                             size_t error_bytes) {
    char **names = NULL;
    int64_t room = 0;
    *count = 0;
    for (int64_t i = 0; i < listing->count; i++) {
        const char *path = listing->files[i].path;
        size_t length = prefix(path, level);
        const char *last = *count ? names[*count - 1] : NULL;
        if (last && strlen(last) == length && memcmp(last, path, length) == 0) continue;
        char **grown = grow(names, *count, &room, sizeof *names);
        if (grown) names = grown;
        char *copy = grown ? strndup(path, length) : NULL;
        if (!copy) {
            free_names(names, *count);
            out_of_memory(error, error_bytes);
            return NULL;
        }
        names[(*count)++] = copy;
    }
    if (sort_folders(names, *count, level)) return names;
    free_names(names, *count);
    out_of_memory(error, error_bytes);
    return NULL;
}

/* ---- the class of each file ------------------------------------------------------------------ */

typedef struct Ranked {
    char *name;
    int32_t rank;
} Ranked;

static int by_ranked_name(const void *a, const void *b) {
    return strcmp(((const Ranked *)a)->name, ((const Ranked *)b)->name);
}

static bool not_listed(const CoupletListing *listing, const char *folder, const char *names,
                       char *error, size_t error_bytes) {
    snprintf(error, error_bytes,
             "%s/%s: the folder is no class of %s; add its name there, or move the folder away",
             listing->root, folder, names);
    return false;
}

/* Sets the number of each file's class. The names may be in any order. */
static bool number_files(const CoupletListing *listing, int level, char *const *names,
                         int64_t count, const char *list, int32_t *label, char *error,
                         size_t error_bytes) {
    Ranked *ranked = malloc(((size_t)count + 1) * sizeof *ranked);
    bool good = ranked || out_of_memory(error, error_bytes);
    for (int64_t i = 0; good && i < count; i++)
        ranked[i] = (Ranked){names[i], (int32_t)i};
    if (good) {
        qsort(ranked, (size_t)count, sizeof *ranked, by_ranked_name);
    }
    for (int64_t i = 0; good && i < listing->count; i++) {
        char name[COUPLET_PATH_BYTES];
        size_t length = prefix(listing->files[i].path, level);
        memcpy(name, listing->files[i].path, length);
        name[length] = 0;
        Ranked key = {name, 0};
        Ranked *found = bsearch(&key, ranked, (size_t)count, sizeof key, by_ranked_name);
        if (!found)
            good = not_listed(listing, name, list, error, error_bytes);
        else
            label[i] = found->rank;
    }
    free(ranked);
    return good;
}

/* Makes one level of classes: their names, and the class of each file at this level. */
static bool make_level(const CoupletListing *listing, int level, const char *names,
                       CoupletListedClasses *out, char *error, size_t error_bytes) {
    char path[COUPLET_PATH_BYTES];
    char **list;
    int64_t count;
    if (names && level == 1) {
        if (!couplet_listing_join(listing->root, names, path, error, error_bytes)) return false;
        list = read_names(path, &count, error, error_bytes);
    } else
        list = names_of_level(listing, level, &count, error, error_bytes);
    if (!list) return false;
    out->name[level - 1] = list;
    out->classes[level - 1] = count;
    out->label[level - 1] = malloc((size_t)listing->count * sizeof **out->label);
    if (!out->label[level - 1]) return out_of_memory(error, error_bytes);
    return number_files(listing, level, list, count, names, out->label[level - 1], error,
                        error_bytes);
}

static bool is_part(const char *name) {
    static const char *const parts[] = {"train", "training", "val",     "valid", "validation",
                                        "dev",   "test",     "testing", "eval"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasecmp(name, parts[i]) == 0) return true;
    return false;
}

/* Returns false with a sentence if the folders are the parts of a data set, with the classes below
 * them. If the parts counted as classes, evaluations would predict them, and never the true
 * classes. */
static bool are_no_parts(const CoupletListing *listing, char *error, size_t error_bytes) {
    bool parts = listing->folder_count > 1;
    for (int64_t i = 0; parts && i < listing->folder_count; i++)
        parts = is_part(listing->folders[i].name);
    for (int64_t i = 0; parts && i < listing->count; i++)
        parts = folders_above(listing->files[i].path) > 1;
    if (parts)
        snprintf(error, error_bytes,
                 "%s: `%s` and `%s` in it are parts of the data, and would be read as classes; "
                 "give one of them, \"%s/%s\", or rename them if they are classes",
                 listing->root, listing->folders[0].name, listing->folders[1].name, listing->root,
                 listing->folders[0].name);
    return !parts;
}

bool couplet_listing_classes(const CoupletListing *listing, const CoupletListingKind *kind,
                             const char *names, CoupletListedClasses *out, char *error,
                             size_t error_bytes) {
    *out = (CoupletListedClasses){.levels = 0};
    int levels = levels_of(listing, kind, error, error_bytes);
    if (levels < 0 && !listing->unlabelled) return false;
    if (levels <= 0 && listing->unlabelled) return true;
    if (levels == 0 && names) {
        snprintf(error, error_bytes, "%s: names = \"%s\" names class folders, and there are none",
                 listing->root, names);
        return false;
    }
    if (levels == 0) return true;
    if (!names && !listing->unlabelled &&
        !(each_has_files(listing, kind, error, error_bytes) &&
          are_no_parts(listing, error, error_bytes)))
        return false;
    out->label = calloc((size_t)levels, sizeof *out->label);
    out->name = calloc((size_t)levels, sizeof *out->name);
    out->classes = calloc((size_t)levels, sizeof *out->classes);
    bool good = (out->label && out->name && out->classes) || out_of_memory(error, error_bytes);
    out->levels = good ? levels : 0;
    for (int level = 1; good && level <= levels; level++)
        good = make_level(listing, level, names, out, error, error_bytes);
    if (!good) couplet_listing_classes_free(out);
    return good;
}

void couplet_listing_classes_free(CoupletListedClasses *classes) {
    for (int level = 0; level < classes->levels; level++) {
        free(classes->label[level]);
        free_names(classes->name[level], classes->classes[level]);
    }
    free(classes->label);
    free(classes->name);
    free(classes->classes);
    *classes = (CoupletListedClasses){.levels = 0};
}

bool couplet_listing_fields(const CoupletListedClasses *classes, CoupletTable *table, char *error,
                            size_t error_bytes) {
    for (int level = 0; level < classes->levels; level++) {
        char name[24];
        if (level)
            snprintf(name, sizeof name, "label%d", level + 1);
        else
            snprintf(name, sizeof name, "label");
        CoupletField *field = couplet_table_add(table, name, COUPLET_I32, 0, NULL);
        if (!field || !couplet_field_classes(field, (const char *const *)classes->name[level],
                                             classes->classes[level]))
            return out_of_memory(error, error_bytes);
    }
    return true;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Reads `size` bytes. A file that has become shorter is refused. */
static bool read_all_bytes(int file, uint8_t *bytes, size_t size, const char *path, char *error,
                           size_t error_bytes) {
    for (size_t got = 0; got < size;) {
        ssize_t count = read(file, bytes + got, size - got);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(path, "cannot be read", error, error_bytes);
        if (count == 0) {
            snprintf(
                error, error_bytes,
                "%s: the file ended at byte %zu, and %zu bytes were expected; it changed meanwhile",
                path, got, size);
            return false;
        }
        got += (size_t)count;
    }
    return true;
}

static bool size_is_right(int64_t size, size_t most, const char *path, char *error,
                          size_t error_bytes) {
    if (size == 0)
        snprintf(error, error_bytes, "%s: the file is empty", path);
    else if (size > (int64_t)most)
        snprintf(error, error_bytes, "%s: the file has %lld bytes; at most %zu are read", path,
                 (long long)size, most);
    else
        return true;
    return false;
}

uint8_t *couplet_listing_bytes(const char *path, size_t most, size_t *length, char *error,
                               size_t error_bytes) {
    struct stat info;
    uint8_t *bytes = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good = file >= 0 && fstat(file, &info) == 0;
    if (!good)
        fail(path, "cannot be read", error, error_bytes);
    else if (!S_ISREG(info.st_mode)) {
        snprintf(error, error_bytes, "%s: this is no file", path);
        good = false;
    }
    if (good && size_is_right(info.st_size, most, path, error, error_bytes)) {
        *length = (size_t)info.st_size;
        bytes = malloc(*length);
        if (!bytes)
            snprintf(error, error_bytes, "%s: out of memory for %zu bytes", path, *length);
        else if (!read_all_bytes(file, bytes, *length, path, error, error_bytes)) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file >= 0) close(file);
    return bytes;
}
