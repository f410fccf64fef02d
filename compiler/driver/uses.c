/* Finds the files that `use` names, and lays out the copy of a method that a run keeps.
 *
 * The layout of a copy follows the paths as they are written. If a file names `../common/x`, its
 * copy finds the module's copy at ../common/x. The layout follows no link and makes none. A file
 * that is reached by two paths is copied to both places. */
#include "compiler/driver/uses.h"

#include "compiler/driver/paths.h"
#include "runtime/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Identifies a file or a folder, by whatever path it was reached. */
typedef struct Identity {
    dev_t device;
    ino_t number;
} Identity;

typedef struct FoundFile {
    UsedFiles used;
    Identity identity;
} FoundFile;

static bool is_same_file(Identity a, const struct stat *b) {
    return a.device == b->st_dev && a.number == b->st_ino;
}

static Identity identity_of(const struct stat *info) {
    return (Identity){info->st_dev, info->st_ino};
}

static const char ending[] = ".cpl";
enum { ENDING = sizeof ending - 1 };

static bool ends_in_cpl(const char *path) {
    const size_t length = strlen(path);
    return length > ENDING && strcmp(path + length - ENDING, ending) == 0;
}

static const char *copy_of(Arena *arena, char *text) {
    const char *copy = text ? arena_strndup(arena, text, strlen(text)) : NULL;
    free(text);
    return copy;
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Returns the folder of a path: "a/b" for "a/b/c.cpl", "." for "c.cpl". */
static const char *folder_of(Arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return ".";
    return slash == path ? "/" : arena_strndup(arena, path, (size_t)(slash - path));
}

/* Returns the folder from which the paths in a file begin. For a link, it is the folder of the file
 * that the link leads to. Else it is the folder as written, so that messages show short paths. */
static const char *base_of(Arena *arena, const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0 || !S_ISLNK(info.st_mode)) return folder_of(arena, path);
    const char *real = copy_of(arena, realpath(path, NULL));
    return real ? folder_of(arena, real) : folder_of(arena, path);
}

/* Joins a folder and a path: "parts/heads" from "." and "./parts/heads". */
static const char *join_paths(Arena *arena, const char *base, const char *path) {
    while (strncmp(path, "./", 2) == 0)
        path += 2 + strspn(path + 2, "/");
    if (strcmp(base, ".") == 0) return path;
    return arena_printf(arena, "%s%s%s", base, strcmp(base, "/") == 0 ? "" : "/", path);
}

/* ---- what lies at a place -------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

typedef ARRAY(const char *) NameList;

/* Lists the names in a folder that end in .cpl, in order. */
static NameList list_specs(Arena *arena, const char *folder) {
    NameList names = {NULL, 0, 0};
    DIR *open = opendir(folder);
    for (struct dirent *entry; open && (entry = readdir(open));)
        if (ends_in_cpl(entry->d_name))
            array_push(arena, &names, arena_strndup(arena, entry->d_name, strlen(entry->d_name)));
    if (open) closedir(open);
    if (names.count) qsort(names.items, (size_t)names.count, sizeof *names.items, by_name);
    return names;
}

/* Returns a list for messages: "losses.cpl, nets.cpl and 3 more". */
static const char *list_text(Arena *arena, const NameList *names) {
    enum { MOST = 6 };
    const char *text = "";
    for (int i = 0; i < names->count && i < MOST; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", names->items[i]);
    if (names->count > MOST)
        text = arena_printf(arena, "%s and %d more", text, names->count - MOST);
    return text;
}

static void leave_out_name(NameList *names, const char *name) {
    int kept = 0;
    for (int i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) != 0) names->items[kept++] = names->items[i];
    names->count = kept;
}

/* Returns the nearest name. Endings are left out, since they make names alike. */
static const char *nearest_spec(Arena *arena, const char *name, const NameList *names) {
    const char **bare = arena_array(arena, const char *, names->count + 1);
    for (int i = 0; i < names->count; i++)
        bare[i] = arena_strndup(arena, names->items[i], strlen(names->items[i]) - ENDING);
    const size_t length = strlen(name) - (ends_in_cpl(name) ? ENDING : 0);
    const char *near = diag_nearest(arena_strndup(arena, name, length), bare, names->count);
    for (int i = 0; near && i < names->count; i++)
        if (bare[i] == near) return names->items[i];
    return NULL;
}

/* Returns a sentence about a missing file: which file or folder is missing, and which files lie
 * beside it. */
static const char *explain_missing(Arena *arena, const char *path, const char *from,
                                   const char **help) {
    struct stat info;
    const char *folder = folder_of(arena, path);
    const char *above = folder;
    if (stat(folder, &info) != 0) {
        while (strchr(above, '/') && stat(folder_of(arena, above), &info) != 0)
            above = folder_of(arena, above);
        return arena_printf(arena, "there is no folder `%s`", above);
    }
    NameList names = list_specs(arena, folder);
    const char *name = last_part(path);
    if (strcmp(base_of(arena, from), folder) == 0) {
        leave_out_name(&names, last_part(from));
    }
    const char *near = nearest_spec(arena, name, &names);
    const char *what = ends_in_cpl(name) ? "" : arena_printf(arena, ", and no folder `%s`", path);
    if (near) {
        *help = arena_printf(arena, "did you mean `%s`?", join_paths(arena, folder, near));
    }
    const char *lie = names.count == 0   ? "no other .cpl file lies"
                      : names.count == 1 ? arena_printf(arena, "%s lies", list_text(arena, &names))
                                         : arena_printf(arena, "%s lie", list_text(arena, &names));
    return arena_printf(arena, "there is no file `%s%s`%s; %s there", path,
                        ends_in_cpl(name) ? "" : ending, what, lie);
}

/* Returns the file or folder to which a written path leads, or NULL with a sentence. */
static const char *resolve_path(Arena *arena, const char *path, bool wants_folder, const char *from,
                                const char **sentence, const char **help) {
    struct stat info;
    const char *file = ends_in_cpl(path) ? path : arena_printf(arena, "%s%s", path, ending);
    const bool is_file = !wants_folder && stat(file, &info) == 0;
    const bool is_folder = file != path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    if (is_file && is_folder) {
        *sentence =
            arena_printf(arena, "`%s` may be the file `%s` or the folder `%s`", path, file, path);
        *help = "the file is named with its ending, the folder with a `/` at its end";
        return NULL;
    }
    if (is_file) return file;
    if (is_folder) return path;
    *sentence = explain_missing(arena, path, from, help);
    return NULL;
}

/* ---- finding --------------------------------------------------------------------------------- */

static FoundFile *find_read_file(const FoundFiles *found, const struct stat *info) {
    for (int i = 0; i < found->items.count; i++)
        if (is_same_file(found->items.items[i]->identity, info)) return found->items.items[i];
    return NULL;
}

static const Source *read_source(Arena *arena, const char *path, const char **sentence) {
    char error[2 * COUPLET_PATH_BYTES];
    size_t length;
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode)) {
        *sentence = arena_printf(arena, "`%s` is no file that can be read", path);
        return NULL;
    }
    char *text = couplet_text_read(path, &length, error, sizeof error);
    if (!text) {
        *sentence = arena_strndup(arena, error, strlen(error));
        return NULL;
    }
    Source *source = arena_new_of(arena, Source);
    *source = (Source){path, length ? arena_strndup(arena, text, length) : "", length};
    free(text);
    return source;
}

static bool read_files(Arena *arena, const char *place, UsedFiles *used, const char **sentence) {
    NameList names = {NULL, 0, 0};
    if (used->is_folder)
        names = list_specs(arena, place);
    else
        array_push(arena, &names, last_part(place));
    const Source **files = arena_array(arena, const Source *, names.count + 1);
    for (int i = 0; i < names.count; i++) {
        const char *path = used->is_folder ? join_paths(arena, place, names.items[i]) : place;
        files[i] = read_source(arena, path, sentence);
        if (!files[i]) return false;
    }
    used->files = files;
    used->file_count = names.count;
    if (names.count == 0)
        *sentence = arena_printf(arena, "the folder `%s` holds no .cpl file", place);
    return names.count > 0;
}

static const char *name_of_place(Arena *arena, const char *place, bool is_folder) {
    const char *name = last_part(place);
    return is_folder ? name : arena_strndup(arena, name, strlen(name) - ENDING);
}

static const UsedFiles *found_at(FoundFiles *found, Arena *arena, const char *place,
                                 const char **sentence) {
    struct stat info;
    if (stat(place, &info) != 0) {
        *sentence = arena_printf(arena, "`%s`: %s", place, strerror(errno));
        return NULL;
    }
    FoundFile *f = find_read_file(found, &info);
    if (f) return &f->used;
    f = arena_new_of(arena, FoundFile);
    f->identity = identity_of(&info);
    f->used.is_folder = S_ISDIR(info.st_mode);
    f->used.name = name_of_place(arena, place, f->used.is_folder);
    if (!read_files(arena, place, &f->used, sentence)) return NULL;
    array_push(arena, &found->items, f);
    return &f->used;
}

/* Returns what is wrong with a path by its text alone, or NULL. */
static const char *fault_of_path(Arena *arena, const char *path, const char **help) {
    const char *name = last_part(path);
    if (*path == '/' || *path == '~') {
        *help = "a run keeps a copy of the files, in which the path leads to the copy: "
                "`../common/losses.cpl`";
        return arena_printf(arena, "`%s` does not begin in the folder of this file", path);
    }
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return arena_printf(arena, "`%s` names neither a file nor a folder of files", path);
    return NULL;
}

static const char *without_slashes(Arena *arena, const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return arena_strndup(arena, path, length);
}

const UsedFiles *uses_find(FoundFiles *found, Arena *arena, const Source *from, const char *path,
                           const char **sentence, const char **help) {
    *help = NULL;
    const bool wants_folder = *path && path[strlen(path) - 1] == '/';
    path = without_slashes(arena, path);
    *sentence = fault_of_path(arena, path, help);
    if (*sentence) return NULL;
    const char *at = join_paths(arena, base_of(arena, from->path), path);
    const char *place = resolve_path(arena, at, wants_folder, from->path, sentence, help);
    return place ? found_at(found, arena, place, sentence) : NULL;
}

const UsedFiles *uses_of_spec(FoundFiles *found, Arena *arena, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return NULL;
    FoundFile *f = arena_new_of(arena, FoundFile);
    f->identity = identity_of(&info);
    f->used.is_folder = S_ISDIR(info.st_mode);
    f->used.name = last_part(path);
    array_push(arena, &found->items, f);
    return &f->used;
}

/* ---- the copy of a method -------------------------------------------------------------------- */

/* A module and its place in the copy, from the folder of the spec: "parts/heads.cpl",
 * "../common". */
typedef struct Placed {
    const Module *module;
    const char *at;
} Placed;

typedef struct Layout {
    Arena *arena;
    Diag *diag;
    ARRAY(Placed) modules;
    ARRAY(KeptFile) files; /* the files, named by their places from the folder of the spec */
    int climbs;            /* the most `..` that any place begins with */
    bool clash;
} Layout;

static int climbs_of(const char *place) {
    int climbs = 0;
    while (strncmp(place, "../", 3) == 0) {
        place += 3;
        climbs++;
    }
    return climbs;
}

/* True if the two texts are of one file. A file of a folder that is a module may also be used
 * alone. */
static bool is_same_text(const Source *a, const Source *b) {
    return a == b || (a->length == b->length && memcmp(a->text, b->text, a->length) == 0);
}

static void place_file(Layout *l, const Source *source, const char *at, Span use) {
    const int climbs = climbs_of(at);
    if (climbs > l->climbs) l->climbs = climbs;
    for (int i = 0; i < l->files.count; i++) {
        if (strcmp(l->files.items[i].name, at) != 0) continue;
        if (is_same_text(l->files.items[i].source, source)) return;
        diag_report(l->diag, CODE_OWN_MODULE, use,
                    "a run's copy of the method would have two files at one place, `%s` and `%s`",
                    l->files.items[i].source->path, source->path);
        diag_suggest(l->diag, "a symbolic link leads to one of them; use it by its own path");
        l->clash = true;
        return;
    }
    array_push(l->arena, &l->files, ((KeptFile){source, at}));
}

static void place_module(Layout *l, const Module *m, const char *at, Span use) {
    for (int i = 0; i < l->modules.count; i++)
        if (l->modules.items[i].module == m && strcmp(l->modules.items[i].at, at) == 0) return;
    array_push(l->arena, &l->modules, ((Placed){m, at}));
    for (int i = 0; i < m->file_count; i++) {
        const char *name = last_part(m->files[i]->path);
        const char *file = !m->used->is_folder ? at
                           : *at               ? arena_printf(l->arena, "%s/%s", at, name)
                                               : name;
        place_file(l, m->files[i], file, use);
    }
}

/* Returns the place, from the folder of the spec, of a module that `use` names. */
static const char *place_of_use(Layout *l, const Placed *by, const Param *use, const Module *m) {
    const char *folder =
        by->module->used && by->module->used->is_folder ? by->at : folder_of(l->arena, by->at);
    const char *path = without_slashes(l->arena, use->path);
    const bool lacks_ending = !m->used->is_folder && !ends_in_cpl(path);
    return path_normal(l->arena,
                       arena_printf(l->arena, "%s/%s%s", folder, path, lacks_ending ? ending : ""));
}

static void place_uses(Layout *l, Placed by) {
    for (int i = 0; i < by.module->stmt_count; i++) {
        const Stmt *s = by.module->stmts[i];
        for (int p = 0; s->kind == STMT_USE && p < s->param_count; p++) {
            const Param *use = &s->params[p];
            const Module *m = use->path && use->symbol ? use->symbol->module : NULL;
            if (m) {
                place_module(l, m, place_of_use(l, &by, use, m), use->span);
            }
        }
    }
}

/* Returns the last `count` parts of the spec's folder: "work/try" for 2. */
static const char *last_folders(Arena *arena, const char *folder, int count) {
    const char *real = copy_of(arena, realpath(folder, NULL));
    const char *at = real ? real + strlen(real) : "";
    while (real && at > real && count > 0)
        if (*--at == '/') count--;
    return *at == '/' ? at + 1 : at;
}

static void name_files(Layout *l, const char *folder, const char *main, KeptFiles *out) {
    Arena *arena = l->arena;
    const char *inside = arena_printf(arena, "spec/%s", last_folders(arena, folder, l->climbs));
    out->main = path_normal(arena, join_paths(arena, inside, main));
    for (int i = 0; i < l->files.count; i++) {
        const KeptFile *f = &l->files.items[i];
        const char *name = path_normal(arena, arena_printf(arena, "%s/%s", inside, f->name));
        array_push(arena, &out->items, ((KeptFile){f->source, name}));
    }
}

bool uses_keep(Arena *arena, Diag *diag, const Method *method, KeptFiles *out) {
    const Module *spec = method->spec;
    const char *path = spec->source->path;
    *out = (KeptFiles){.main = spec->file_count == 1 ? "spec.cpl" : "spec"};
    Layout l = {.arena = arena, .diag = diag};
    const bool is_folder = spec->file_count > 1 || (spec->used && spec->used->is_folder);
    const char *main = is_folder                      ? ""
                       : strcmp(path, "<stdin>") == 0 ? "stdin.cpl"
                                                      : last_part(path);
    array_push(arena, &l.modules, ((Placed){spec, main}));
    for (int i = 0; i < spec->file_count; i++)
        place_file(&l, spec->files[i], is_folder ? last_part(spec->files[i]->path) : main,
                   (Span){.source = NULL});
    for (int i = 0; i < l.modules.count; i++)
        place_uses(&l, l.modules.items[i]);
    if (l.clash) return false;
    if (l.modules.count > 1) {
        name_files(&l, base_of(arena, path), main, out);
        return true;
    }
    for (int i = 0; i < spec->file_count; i++) {
        const char *name = spec->file_count == 1
                               ? "spec.cpl"
                               : arena_printf(arena, "spec/%s", last_part(spec->files[i]->path));
        array_push(arena, &out->items, ((KeptFile){spec->files[i], name}));
    }
    return true;
}
