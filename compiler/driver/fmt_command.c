/* couplet fmt: rewrites a spec in its canonical layout. The new text is parsed again, and written
 * only if its tree equals the old one. */
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "lang/format.h"
#include "runtime/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Returns the new text, or NULL after messages. */
static const char *format_file(Arena *arena, const Source *source) {
    Diag *diag = diag_new(arena);
    const char *text = format_source(arena, diag, source);
    if (!text) report_messages(diag);
    return text;
}

/* Writes the text in place of the file. A link stays, and the file that it names keeps its
 * permissions. */
static bool replace_file(const char *path, const char *text) {
    char error[REPORT_BYTES];
    struct stat info;
    char *target = realpath(path, NULL);
    if (!target || stat(target, &info) != 0) {
        free(target);
        return report(CODE_OUTPUT, "%s: cannot be written: %s", path, strerror(errno));
    }
    FILE *file = couplet_file_begin(target, error, sizeof error);
    bool good = file != NULL;
    if (good && fchmod(fileno(file), info.st_mode & 07777) != 0) {
        snprintf(error, sizeof error, "%s: its permissions cannot be kept: %s", path,
                 strerror(errno));
        couplet_file_drop(target, file);
        good = false;
    } else if (good) {
        fwrite(text, 1, strlen(text), file);
        good = couplet_file_commit(target, file, error, sizeof error);
    }
    free(target);
    return good || report_error(CODE_OUTPUT, error);
}

static int run_file(const Options *o, const char *path) {
    Arena *arena = arena_new();
    const bool piped = strcmp(path, "-") == 0;
    const Source *source = piped && o->write ? NULL : load_source(arena, path);
    const char *text = source ? format_file(arena, source) : NULL;
    int status = text ? 0 : 2;
    if (piped && o->write)
        report(CODE_COMMAND_LINE,
               "--write puts the text into its file, and standard input is none");
    const bool same =
        text && strlen(text) == source->length && memcmp(text, source->text, source->length) == 0;
    if (text && o->check && !same) {
        report_with_help(
            CODE_LAYOUT,
            piped ? NULL : arena_printf(arena, "`couplet fmt --write %s` brings it there", path),
            "%s: not in canonical layout", source->path);
        status = 1;
    } else if (text && o->write && !same && !replace_file(path, text)) {
        status = 2;
    }
    if (text && !o->check && !o->write) fputs(text, stdout);
    arena_free(arena);
    return status;
}

int fmt_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "fmt", "check write [files]", argc, argv)) {
        status = 0;
        for (int i = 0; i < o.files.count; i++) {
            const int one = run_file(&o, o.files.items[i]);
            if (one > status) status = one;
        }
    }
    arena_free(arena);
    return status;
}
