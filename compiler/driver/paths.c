/* Shortens paths, and writes them as seen from another folder (paths.h). A `..` behind a link leads
 * to the folder above the link's target, so only paths without links may be shortened as texts. */
#include "compiler/driver/paths.h"

#include <stdlib.h>
#include <string.h>

typedef ARRAY(const char *) Parts;

/* Returns the names between slashes. A `..` takes the name before it away. */
static Parts split_path(Arena *arena, const char *path) {
    Parts parts = {NULL, 0, 0};
    for (const char *at = path; *at;) {
        const size_t length = strcspn(at, "/");
        const char *part = arena_strndup(arena, at, length);
        at += length + (at[length] == '/');
        const bool is_up = strcmp(part, "..") == 0;
        if (!*part || strcmp(part, ".") == 0) continue;
        if (is_up && parts.count && strcmp(parts.items[parts.count - 1], "..") != 0)
            parts.count--;
        else
            array_push(arena, &parts, part);
    }
    return parts;
}

static const char *join_parts(Arena *arena, const Parts *parts, int from, const char *text) {
    for (int i = from; i < parts->count; i++)
        text = arena_printf(arena, "%s%s%s", text, *text ? "/" : "", parts->items[i]);
    return text;
}

const char *path_normal(Arena *arena, const char *path) {
    const Parts parts = split_path(arena, path);
    return join_parts(arena, &parts, 0, "");
}

/* Returns where the first `length` bytes of a path lead, without links; the current folder for 0
 * bytes. Returns NULL, with errno set, if nothing is there. */
static const char *real_start(Arena *arena, const char *path, size_t length) {
    char *real = realpath(length ? arena_strndup(arena, path, length) : ".", NULL);
    const char *copy = real ? arena_strndup(arena, real, strlen(real)) : NULL;
    free(real);
    return copy;
}

/* Returns the length of a path up to its last `..`, or 0 if it has none. */
static size_t end_of_last_climb(const char *path) {
    size_t end = 0;
    for (size_t at = 0; path[at];) {
        const size_t length = strcspn(path + at, "/");
        if (length == 2 && strncmp(path + at, "..", 2) == 0) end = at + length;
        at += length + strspn(path + at + length, "/");
    }
    return end;
}

/* Returns the absolute path of a folder that need not exist: as much of it as is there, without
 * links, and the rest as it is written. */
static const char *real_folder(Arena *arena, const char *folder) {
    size_t length = strlen(folder);
    const char *real = real_start(arena, folder, length);
    while (!real && length > 0) {
        while (length > 0 && folder[length - 1] != '/')
            length--;
        while (length > 1 && folder[length - 1] == '/')
            length--;
        real = real_start(arena, folder, length);
        if (!real && length == 1) return NULL;
    }
    return real ? arena_printf(arena, "%s/%s", real, folder + length) : NULL;
}

const char *path_seen_from(Arena *arena, const char *folder, const char *path) {
    if (*path == '/') return path;
    const size_t climbed = end_of_last_climb(path);
    const char *start = real_start(arena, path, climbed);
    const char *from = real_folder(arena, folder);
    if (!start || !from) return NULL;
    const Parts to = split_path(arena, arena_printf(arena, "%s/%s", start, path + climbed));
    if (*folder == '/') return arena_printf(arena, "/%s", join_parts(arena, &to, 0, ""));
    const Parts base = split_path(arena, from);
    int shared = 0;
    while (shared < to.count && shared < base.count &&
           strcmp(to.items[shared], base.items[shared]) == 0)
        shared++;
    const char *up = "";
    for (int i = shared; i < base.count; i++)
        up = arena_printf(arena, "%s%s..", up, *up ? "/" : "");
    const char *seen = join_parts(arena, &to, shared, up);
    return *seen ? seen : ".";
}
