/* couplet doc: makes a page in Markdown from the comments of a module. The README.md of a folder is
 * the head of its page, and each file of the folder is a section; a module of one file is a page by
 * itself. The comment at the top of a file begins its section or page, whose title is the first
 * line. The comment above a function describes the function; its indented lines are formulas.
 * Behind each comment stands the function's formula as LaTeX, which viewers of Markdown set. */
#include "compiler/driver/comment.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/picture/tex.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Prints lines of a comment. A formula keeps its four spaces, so that Markdown shows it as it
 * stands. Other neighbouring lines become one paragraph. */
static void print_lines(const CommentLines *lines, int from, FILE *out) {
    for (int i = from; i < lines->of.count; i++)
        fprintf(out, "%s\n", lines->of.items[i]);
    fprintf(out, "\n");
}

/* True if the statement has a name and a signature. */
static bool is_documented(const Stmt *s) {
    return s->kind == STMT_FN || s->kind == STMT_OPTIMISER ||
           (s->kind == STMT_NET && s->has_config);
}

/* The most lines of a row for which a formula is printed. A row of more lines is a program, which
 * no page sets well. */
enum { MOST_ROW_LINES = 6 };

static bool is_short(const char *formula) {
    int lines = 0;
    for (const char *at = formula; (at = strchr(at, '\n')); at++) {
        const bool ends_row = at - formula >= 2 && at[-1] == '\\' && at[-2] == '\\';
        lines = ends_row ? 0 : lines + 1;
        if (lines > MOST_ROW_LINES) return false;
    }
    return true;
}

static void print_formula(Arena *arena, const Stmt *fn, FILE *out) {
    char *formula = NULL;
    size_t length;
    FILE *text = open_memstream(&formula, &length);
    if (!text) return;
    tex_print(arena, fn, text);
    if (fclose(text) == 0 && is_short(formula)) fprintf(out, "```math\n%s```\n\n", formula);
    free(formula);
}

/* Prints a function under a heading of a level such as "##". The formula is made from the checked
 * form of the function, which `method` has. */
static void print_function(Arena *arena, const Stmt *fn, const Method *method, const char *level,
                           FILE *out) {
    const Source *source = fn->span.source;
    CommentLines said = comment_above(arena, source->text, source->text + fn->span.begin);
    fprintf(out, "%s %s\n\n`", level, fn->name);
    comment_signature(fn, out);
    fprintf(out, "`\n\n");
    if (said.of.count) print_lines(&said, 0, out);
    const Stmt *checked = fn->kind == STMT_FN ? method_find_function(method, fn->name) : NULL;
    if (checked) print_formula(arena, checked, out);
    fprintf(out, "<details><summary>in the language</summary>\n\n```\n%.*s\n```\n\n</details>\n\n",
            fn->span.end - fn->span.begin, source->text + fn->span.begin);
}

/* Prints the cell of a table, in which a bar is escaped. */
static void print_cell(const char *text, FILE *out) {
    for (; *text; text++)
        fprintf(out, "%s%c", *text == '|' ? "\\" : "", *text);
}

static void print_gist(Arena *arena, const Stmt *fn, FILE *out) {
    CommentLines said =
        comment_above(arena, fn->span.source->text, fn->span.source->text + fn->span.begin);
    print_cell(comment_gist(arena, &said), out);
}

static const char *title(Arena *arena, const Module *file) {
    CommentLines about = comment_at(arena, file->source->text);
    return about.of.count ? about.of.items[0] : file->source->path;
}

/* Prints the title of a file, and the rest of the comment at its top. */
static void print_head(Arena *arena, const Module *file, const char *level, FILE *out) {
    CommentLines about = comment_at(arena, file->source->text);
    fprintf(out, "%s %s\n\n", level, title(arena, file));
    if (about.of.count > 1) print_lines(&about, 1 + (*about.of.items[1] == 0), out);
}

/* Prints a table of the functions of a file, in the order of the text. */
static void print_contents(Arena *arena, const Module *file, FILE *out) {
    fprintf(out, "| | |\n| --- | --- |\n");
    for (int i = 0; i < file->stmt_count; i++) {
        if (!is_documented(file->stmts[i])) continue;
        fprintf(out, "| [`%s`](#%s) | ", file->stmts[i]->name, file->stmts[i]->name);
        print_gist(arena, file->stmts[i], out);
        fprintf(out, " |\n");
    }
}

static void print_functions(Arena *arena, const Module *file, const Method *method,
                            const char *level, FILE *out) {
    for (int i = 0; i < file->stmt_count; i++)
        if (is_documented(file->stmts[i]))
            print_function(arena, file->stmts[i], method, level, out);
}

static void print_folder(Arena *arena, const Source *about, Module *const *files, int count,
                         const Method *method, FILE *out) {
    fprintf(out, "%s", about->text);
    for (int i = 0; i < count; i++) {
        fprintf(out, "\n**%s**\n\n", title(arena, files[i]));
        print_contents(arena, files[i], out);
    }
    fprintf(out, "\n");
    for (int i = 0; i < count; i++) {
        print_head(arena, files[i], "##", out);
        print_functions(arena, files[i], method, "###", out);
    }
}

/* Prints the page of a file or a folder. In a folder without README.md each file is a page, and the
 * pages follow each other. */
static void print_page(Arena *arena, const char *path, Module *const *files, int count,
                       const Method *method, FILE *out) {
    const char *readme = arena_printf(arena, "%s/README.md", path);
    const Source *about = access(readme, R_OK) == 0 ? load_source(arena, readme) : NULL;
    fprintf(out, "<!-- Made by `couplet doc %s`: change the comments there. -->\n\n", path);
    if (about) {
        print_folder(arena, about, files, count, method, out);
        return;
    }
    for (int i = 0; i < count; i++) {
        print_head(arena, files[i], "#", out);
        print_contents(arena, files[i], out);
        fprintf(out, "\n");
        print_functions(arena, files[i], method, "##", out);
    }
}

int doc_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options options;
    int status = 2;
    int count;
    if (options_read(arena, &options, "doc", "", argc, argv)) {
        Diag *diag = diag_new(arena);
        const Source **sources = load_spec_sources(arena, options.file, &count);
        Module **files = arena_array(arena, Module *, count + 1);
        for (int i = 0; i < count; i++)
            files[i] = parse_module(arena, diag, sources[i], sources[i]->path);
        const bool parsed = count > 0 && diag_error_count(diag) == 0;
        const Method *method = parsed ? load_method(arena, diag, options.file, NULL) : NULL;
        report_messages(diag);
        status = method ? 0 : 1;
        if (method) print_page(arena, options.file, files, count, method, stdout);
    }
    arena_free(arena);
    return status;
}
