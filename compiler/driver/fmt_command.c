/* couplet fmt: one canonical layout. What it writes was parsed again and means the same, or it writes nothing. */
#include "compiler/driver/load.h"
#include "lang/ast_walk.h"
#include "lang/format.h"
#include "runtime/files.h"

#include <string.h>

typedef struct FmtOptions {
    bool check, write;
} FmtOptions;

/* The new text, or NULL after messages. */
static const char *format_file(Arena *arena, const Source *source) {
    Diag *diag = diag_new(arena);
    const Module *module = parse_module(arena, diag, source, "spec");
    if (diag_error_count(diag)) {
        diag_print(diag, stderr);
        return NULL;
    }
    const char *text = format_module(arena, module);
    const Source again = {source->path, text, strlen(text)};
    const Module *formatted = parse_module(arena, diag, &again, "spec");
    if (diag_error_count(diag) == 0 && ast_same_module(module, formatted)) return text;
    fprintf(stderr, "couplet fmt: a fault of the formatter: `%s` would come out with another meaning; it stays as it is\n", source->path);
    return NULL;
}

static int run_file(const FmtOptions *o, const char *path) {
    Arena *arena = arena_new();
    const Source *source = read_text(arena, path);
    const char *text = source ? format_file(arena, source) : NULL;
    int status = text ? 0 : 2;
    char error[512];
    bool same = text && strlen(text) == source->length && memcmp(text, source->text, source->length) == 0;
    if (text && o->check && !same) {
        fprintf(stderr, "%s: not in canonical layout; `couplet fmt --write %s` brings it there\n", path, path);
        status = 1;
    } else if (text && o->write && !same && !couplet_text_write(path, text, error, sizeof error)) {
        fprintf(stderr, "couplet fmt: %s\n", error);
        status = 2;
    }
    if (text && !o->check && !o->write) fputs(text, stdout);
    arena_free(arena);
    return status;
}

int fmt_command(int argc, char **argv) {
    FmtOptions o = {0};
    int files = 0, status = 0;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--check") == 0) o.check = true;
        else if (strcmp(argv[i], "--write") == 0) o.write = true;
        else if (strncmp(argv[i], "--", 2) == 0) {
            fprintf(stderr, "couplet fmt: there is no option %s; there are --check and --write\n", argv[i]);
            return 2;
        } else files++;
    }
    if (files == 0) fprintf(stderr, "couplet fmt: a file is needed, like examples/simclr.cpl\n");
    for (int i = 0; i < argc; i++) {
        int one = strncmp(argv[i], "--", 2) == 0 ? 0 : run_file(&o, argv[i]);
        if (one > status) status = one;
    }
    return files ? status : 2;
}
