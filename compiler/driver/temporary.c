/* Makes temporary files and folders (temporary.h). TMPDIR names their folder. If that folder cannot
 * be written, the user is told its name. */
#include "compiler/driver/temporary.h"

#include "compiler/driver/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *temporary_place(void) {
    const char *named = getenv("TMPDIR");
    return named && *named ? named : "/tmp";
}

static const char *refuse_folder(const char *what) {
    const int reason = errno;
    report_with_help(CODE_OUTPUT, "the environment variable TMPDIR names another folder",
                     "no temporary %s can be made in %s: %s", what, temporary_place(),
                     strerror(reason));
    return NULL;
}

const char *temporary_folder(Arena *arena) {
    char *path = arena_printf(arena, "%s/couplet-XXXXXX", temporary_place());
    return mkdtemp(path) ? path : refuse_folder("folder");
}

const char *temporary_file(Arena *arena) {
    char *path = arena_printf(arena, "%s/couplet-XXXXXX", temporary_place());
    const int file = mkstemp(path);
    if (file < 0) return refuse_folder("file");
    close(file);
    return path;
}
