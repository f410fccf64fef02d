/* couplet graph draws the method as its paper would. couplet describe describes the method in the
 * words of the survey. */
#include "compiler/driver/graphviz.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/picture/picture.h"
#include "runtime/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct Drawn {
    Picture *picture;
    LoweredProgram *program;
} Drawn;

static bool draw_picture(Arena *arena, const Options *o, Drawn *out) {
    Diag *diag = diag_new(arena);
    Method *method = load_method(arena, diag, o->file, o);
    out->program = method ? load_lowered(arena, diag, method, NULL) : NULL;
    report_messages(diag);
    if (method && !out->program && diag_error_count(diag) == 0)
        report(CODE_NOTHING_TO_DO, "`%s` has no `loss`, so there is no method to show", o->file);
    if (!out->program) return false;
    out->picture = picture_of(arena, method);
    return true;
}

static bool write_picture(Arena *arena, const Drawn *drawn, const char *path) {
    char error[REPORT_BYTES] = "";
    bool plain = text_ends_with(path, ".dot");
    FILE *file = couplet_file_begin(path, error, sizeof error);
    FILE *text = plain ? file : tmpfile();
    if (file && !text)
        snprintf(error, sizeof error, "no temporary file can be made: %s", strerror(errno));
    bool good = file && text;
    bool drawn_well = good;
    if (good) {
        picture_print_dot(arena, drawn->picture, drawn->program, text);
        if (!plain) rewind(text);
        drawn_well = plain || graphviz_run(text,
                                           text_ends_with(path, ".png")   ? "-Tpng"
                                           : text_ends_with(path, ".pdf") ? "-Tpdf"
                                                                          : "-Tsvg",
                                           file);
    }
    if (drawn_well)
        good = couplet_file_commit(path, file, error, sizeof error);
    else if (file)
        couplet_file_drop(path, file);
    if (text && !plain) fclose(text);
    if (!good) report_error(CODE_OUTPUT, error);
    return good && drawn_well;
}

int graph_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "graph", "set data out", argc, argv)) {
        Drawn drawn;
        bool known = !o.out || text_ends_with(o.out, ".svg") || text_ends_with(o.out, ".dot") ||
                     text_ends_with(o.out, ".png") || text_ends_with(o.out, ".pdf");
        status = 1;
        if (!known)
            report(CODE_COMMAND_LINE,
                   "a picture is .svg, .pdf, .png or .dot, and `%s` was asked for", o.out);
        else if (!draw_picture(arena, &o, &drawn))
            status = 1;
        else if (!o.out) {
            picture_print_dot(arena, drawn.picture, drawn.program, stdout);
            status = 0;
        } else
            status = write_picture(arena, &drawn, o.out) ? 0 : 1;
    }
    arena_free(arena);
    return status;
}

int describe_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "describe", "set data", argc, argv)) {
        Drawn drawn;
        status = draw_picture(arena, &o, &drawn) ? 0 : 1;
        if (status == 0) {
            picture_describe(arena, drawn.picture, drawn.program, stdout);
        }
    }
    arena_free(arena);
    return status;
}
