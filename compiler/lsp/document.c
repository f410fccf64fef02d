/* The texts of open files. A text is checked when an answer needs it, and the result is kept until
 * the text changes. While someone types in the middle of a statement, names are also looked up in
 * the last text that fitted the grammar. */
#include "compiler/lsp/document.h"

#include "compiler/driver/load.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- paths ----------------------------------------------------------------------------------- */

static const char file_scheme[] = "file://";

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Returns the path of a URI that begins with `file:`, or the URI itself if it is of another kind.
 * The caller frees it. */
static char *document_path_of_uri(const char *uri) {
    char *path = strdup(uri);
    if (!path || strncmp(uri, file_scheme, sizeof file_scheme - 1) != 0) return path;
    const char *from = uri + sizeof file_scheme - 1;
    from += strcspn(from, "/"); /* skips the name of a machine */
    char *to = path;
    for (; *from; from++) {
        const int high = *from == '%' ? hex_digit(from[1]) : -1;
        const int low = high >= 0 ? hex_digit(from[2]) : -1;
        *to++ = low >= 0 && high * 16 + low ? (char)(high * 16 + low) : *from;
        if (low >= 0 && high * 16 + low) from += 2;
    }
    *to = 0;
    return path;
}

const char *document_uri_of_path(Arena *arena, const char *path) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
    char *absolute = realpath(path, NULL);
    const char *from = absolute ? absolute : path;
    char *uri = arena_alloc(arena, sizeof file_scheme + 3 * strlen(from));
    char *to = uri;
    to += sprintf(to, "%s", file_scheme);
    for (; *from; from++)
        to += strchr(plain, *from) ? sprintf(to, "%c", *from)
                                   : sprintf(to, "%%%02X", (unsigned char)*from);
    free(absolute);
    return uri;
}

/* ---- the files of a module ------------------------------------------------------------------- */

/* Returns the file of the library that a path ends with, in a tree of sources or in the folder from
 * which definitions are shown. Returns NULL for other paths. */
static const LibraryFile *library_file_of(const char *path) {
    const size_t length = strlen(path);
    for (const LibraryFile *file = library_files; file->module; file++) {
        const size_t own = strlen(file->path);
        if (length > own && path[length - own - 1] == '/' &&
            strcmp(path + length - own, file->path) == 0)
            return file;
    }
    return NULL;
}

/* Reads another file of the library beside `path`, which is the file `own`. Returns NULL if it
 * cannot be read. */
static const Source *read_library_part(Arena *arena, const char *path, const LibraryFile *own,
                                       const LibraryFile *part) {
    const size_t root = strlen(path) - strlen(own->path);
    const char *other = arena_printf(arena, "%.*s%s", (int)root, path, part->path);
    return access(other, R_OK) == 0 ? load_source(arena, other) : NULL;
}

/* Finds the sources of a file's module. A module of the library has several files, which know each
 * other's names. */
static void find_sources(Analysis *a, const char *path) {
    const LibraryFile *own = library_file_of(path);
    ARRAY(const Source *) sources = {NULL, 0, 0};
    for (const LibraryFile *part = library_files; own && part->module; part++) {
        if (strcmp(part->module, own->module) != 0) continue;
        const Source *source = part == own ? a->file : read_library_part(a->arena, path, own, part);
        if (source) array_push(a->arena, &sources, source);
    }
    if (!own) array_push(a->arena, &sources, a->file);
    a->sources = sources.items;
    a->source_count = sources.count;
}

/* ---- analyses -------------------------------------------------------------------------------- */

typedef struct Work {
    const char *path;
    const char *text;
    size_t length;
    Analysis *analysis; /* NULL until the analysis is complete */
    Arena *arena;
} Work;

/* Returns the byte at which the last statement of the file begins, on the last line that begins
 * with a letter. */
static int last_statement(const Source *file) {
    int at = (int)file->length;
    while (at > 0 &&
           !((at == 1 || file->text[at - 2] == '\n') && isalpha((unsigned char)file->text[at - 1])))
        at--;
    return at > 0 ? at - 1 : 0;
}

/* Reads the text again without its last statement, if no statement could be read. A statement that
 * the end of the file cuts off would otherwise take all others with it. The messages stay those of
 * the whole text. */
static void read_without_end(Analysis *a, Source *file, const char *path) {
    const Source whole = *file;
    const int length = last_statement(file);
    if (a->method->spec->stmt_count || !diag_error_count(a->diag) || length == 0) return;
    a->is_partial = true;
    file->text = arena_strndup(a->arena, whole.text, (size_t)length);
    file->length = (size_t)length;
    a->method = load_sources(a->arena, diag_new(a->arena), path, a->sources, a->source_count);
    *file = whole;
}

static void analyse(void *context) {
    Work *work = context;
    Analysis *a = arena_new_of(work->arena, Analysis);
    Source *file = arena_new_of(work->arena, Source);
    *file = (Source){arena_strndup(work->arena, work->path, strlen(work->path)),
                     arena_strndup(work->arena, work->text, work->length), work->length};
    a->arena = work->arena;
    a->file = file;
    a->lines = position_lines(a->arena, file->text, file->length);
    a->diag = diag_new(a->arena);
    find_sources(a, work->path);
    a->method = load_sources(a->arena, a->diag, work->path, a->sources, a->source_count);
    read_without_end(a, file, work->path);
    a->names = name_list(a->arena, a->method->spec, file);
    work->analysis = a;
}

Analysis *document_analyse(const Document *document, const char *text, size_t length) {
    Work work = {document->path, text, length, NULL, arena_new()};
    if (arena_guard(analyse, &work) && work.analysis) return work.analysis;
    arena_free(work.arena);
    return NULL;
}

void analysis_free(Analysis *analysis) {
    if (analysis) arena_free(analysis->arena);
}

Analysis *document_analysis(Document *d) {
    if (d->now) return d->now;
    d->now = document_analyse(d, d->text.data ? d->text.data : "", d->text.length);
    if (!d->now || d->now->is_partial) return d->now;
    if (d->now->method->spec->broken_count || !d->now->method->spec->stmt_count) return d->now;
    if (d->whole) analysis_free(d->whole);
    d->whole = d->now;
    return d->now;
}

/* ---- documents ------------------------------------------------------------------------------- */

void document_free_facts(FactList *facts) {
    for (int i = 0; i < facts->count; i++) {
        free(facts->items[i].path);
        free(facts->items[i].text);
    }
    free(facts->items);
    *facts = (FactList){0};
}

int64_t document_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Forgets the analysis of the text, unless it is kept as the last whole one. */
void document_forget(Document *d) {
    if (d->now != d->whole) analysis_free(d->now);
    d->now = NULL;
    document_free_facts(&d->facts);
    json_decref(d->found);
    d->found = NULL;
    d->is_published = d->is_studied = false;
    d->changed = document_clock();
}

Document *document_new(const char *uri, const char *text, size_t length, int64_t version) {
    Document *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->uri = strdup(uri);
    d->path = document_path_of_uri(uri);
    d->version = version;
    d->changed = document_clock();
    text_append(&d->text, text, length);
    if (d->uri && d->path) return d;
    document_free(d);
    return NULL;
}

void document_free(Document *d) {
    if (!d) return;
    document_forget(d);
    analysis_free(d->whole);
    text_free(&d->text);
    free(d->path);
    free(d->uri);
    free(d);
}

void document_replace(Document *d, const char *text, size_t length) {
    document_forget(d);
    d->text.length = 0;
    text_append(&d->text, text, length);
}

void document_edit(Document *d, int begin, int end, const char *text, size_t length) {
    Text whole = {0};
    if (begin < 0) begin = 0;
    if (end < begin) end = begin;
    if ((size_t)end > d->text.length) end = (int)d->text.length;
    if (begin > end) begin = end;
    text_append(&whole, d->text.data ? d->text.data : "", (size_t)begin);
    text_append(&whole, text, length);
    text_append(&whole, d->text.data ? d->text.data + end : "", d->text.length - (size_t)end);
    document_forget(d);
    text_free(&d->text);
    d->text = whole;
}
