/* Parses a file: scanner, grammar, and the module that they make. */
#include "lang/ast_build.h"
#include "lang/utf8.h"

#include "parser.h"
#define YYSTYPE COUPLET_YYSTYPE
#define YYLTYPE Span
#include "lexer.h"

#include <string.h>

/* True if the whole file is text in UTF-8 without a byte 0. Else the first byte that is no text is
 * reported. */
static bool is_text(Diag *diag, const Source *source) {
    Span span = {.source = source, .line = 1, .column = 1};
    for (size_t at = 0; at < source->length;) {
        uint32_t code;
        const int length = utf8_read(source->text + at, source->length - at, &code);
        if (length == 0 || code == 0) {
            const unsigned byte = (unsigned char)source->text[at];
            span.begin = (int)at;
            span.end = span.begin + 1;
            diag_report(diag, CODE_CHARACTER, span,
                        code == 0 && length
                            ? "this is no text: here stands a byte 0"
                            : "this is no text in UTF-8: here stands the byte 0x%02x",
                        byte);
            diag_suggest(
                diag,
                "save the file as UTF-8; editors name UTF-16 and Latin-1 among the encodings");
            return false;
        }
        at += (size_t)length;
        span.column++;
        if (code != '\n') continue;
        span.line++;
        span.column = 1;
    }
    return true;
}

void parser_begin(Parser *p, Arena *arena, Diag *diag, const Source *source) {
    memset(p, 0, sizeof *p);
    p->arena = arena;
    p->diag = diag;
    p->source = source;
    p->line = p->counted = 1;
    p->statement = true;
}

int parser_first_closing(const Source *source, int at, int *count) {
    int depth = 0, found = -1;
    for (; at < (int)source->length; at++) {
        const char c = source->text[at];
        const char end = c == '#' ? '\n' : c == '"' ? '"' : 0;
        const char *stop = end ? memchr(source->text + at + 1, end, source->length - at - 1) : NULL;
        if (end) at = stop ? (int)(stop - source->text) : (int)source->length;
        depth += c == '{';
        if (c != '}' || depth-- > 0) continue;
        depth = 0;
        if ((*count)++ == 0) found = at + 1;
    }
    return found;
}

/* Drops the statements in a part of the text that is left out. */
static void drop_statements(StmtList *stmts, Span part) {
    int kept = 0;
    for (int i = 0; i < stmts->count; i++) {
        const int begin = stmts->items[i]->span.begin;
        if (begin < part.begin || begin >= part.end) stmts->items[kept++] = stmts->items[i];
    }
    stmts->count = kept;
}

Module *parse_module(Arena *arena, Diag *diag, const Source *source, const char *name) {
    Parser p;
    parser_begin(&p, arena, diag, source);
    Module *module = arena_new_of(arena, Module);
    module->name = name;
    module->source = source;
    module->files = arena_array(arena, const Source *, 1);
    module->files[0] = source;
    module->file_count = 1;
    if (source->length > MOST_FILE_BYTES) {
        Span start = {.source = source, .line = 1, .column = 1};
        diag_report(diag, CODE_TOO_DEEP, start, "a file has at most %d bytes, and this one has %zu",
                    MOST_FILE_BYTES, source->length);
        return module;
    }
    if (!is_text(diag, source)) return module;
    if (couplet_yylex_init_extra(&p, &p.scanner) != 0) {
        Span nowhere = {.source = NULL};
        diag_report(diag, CODE_MEMORY, nowhere, "out of memory while reading `%s`", source->path);
        return module;
    }
    YY_BUFFER_STATE buffer = couplet_yy_scan_bytes(source->text, (int)source->length, p.scanner);
    couplet_yyparse(p.scanner, &p);
    couplet_yy_delete_buffer(buffer, p.scanner);
    couplet_yylex_destroy(p.scanner);
    /* The module gets no statements, because every walk over a tree is recursive and would overflow
     * the stack on one that is too deep. */
    if (p.is_too_deep) return module;
    drop_statements(&p.stmts, p.misplaced);
    module->broken = p.broken.items;
    module->broken_count = p.broken.count;
    module->lacks_name = p.lacks_name;
    module->stmts = p.stmts.items;
    module->stmt_count = p.stmts.count;
    return module;
}

Module *module_join(Arena *arena, Module *module, Module *more) {
    if (!module) return more;
    Stmt **stmts = arena_array(arena, Stmt *, module->stmt_count + more->stmt_count + 1);
    memcpy(stmts, module->stmts, sizeof *stmts * (size_t)module->stmt_count);
    memcpy(stmts + module->stmt_count, more->stmts, sizeof *stmts * (size_t)more->stmt_count);
    module->stmts = stmts;
    module->stmt_count += more->stmt_count;
    const Source **files =
        arena_array(arena, const Source *, module->file_count + more->file_count);
    memcpy(files, module->files, sizeof *files * (size_t)module->file_count);
    memcpy(files + module->file_count, more->files, sizeof *files * (size_t)more->file_count);
    module->files = files;
    module->file_count += more->file_count;
    Span *broken = arena_array(arena, Span, module->broken_count + more->broken_count + 1);
    for (int i = 0; i < module->broken_count; i++)
        broken[i] = module->broken[i];
    for (int i = 0; i < more->broken_count; i++)
        broken[module->broken_count + i] = more->broken[i];
    module->broken = broken;
    module->broken_count += more->broken_count;
    module->lacks_name |= more->lacks_name;
    return module;
}
