/* couplet fmt: one canonical layout. What it writes was parsed again and means the same, or it writes nothing. */
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "lang/ast_walk.h"
#include "lang/format.h"
#include "runtime/files.h"

#include <string.h>

/* The new text, or NULL after messages. */
static const char *format_file(Arena *arena, const Source *source) {
    Diag *diag = diag_new(arena);
    const Module *module = parse_module(arena, diag, source, "spec");
    if (diag_error_count(diag)) {
        report_messages(diag);
        return NULL;
    }
    const char *text = format_module(arena, module);
    const Source again = {source->path, text, strlen(text)};
    const Module *formatted = parse_module(arena, diag, &again, "spec");
    if (diag_error_count(diag) == 0 && ast_same_module(module, formatted)) return text;
    report(CODE_INTERNAL, "a fault of the formatter: `%s` would come out with another meaning; it stays as it is", source->path);
    return NULL;
}

static int run_file(const Options *o, const char *path) {
    Arena *arena = arena_new();
    const Source *source = read_text(arena, path);
    const char *text = source ? format_file(arena, source) : NULL;
    int status = text ? 0 : 2;
    char error[512];
    bool same = text && strlen(text) == source->length && memcmp(text, source->text, source->length) == 0;
    if (text && o->check && !same) {
        report(CODE_LAYOUT, "%s: not in canonical layout; `couplet fmt --write %s` brings it there", path, path);
        status = 1;
    } else if (text && o->write && !same && !couplet_text_write(path, text, error, sizeof error)) {
        report_error(CODE_OUTPUT, error);
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
