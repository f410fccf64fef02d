/* Makes ranges, edits and places in the protocol's form, and the messages of an analysis. Each
 * message has its related places and a page about its code, which lies in the cache. */
#include "compiler/lsp/reply.h"

#include "compiler/driver/load.h"
#include "lang/diag_messages.h"
#include "runtime/data/cache.h"
#include "runtime/json_text.h"

#include <stdlib.h>
#include <string.h>

json_t *reply_text(const char *text) {
    json_t *valid = couplet_json_text(text);
    return valid ? valid : json_string("");
}

/* ---- places ---------------------------------------------------------------------------------- */

static json_t *json_position(Position p) {
    return json_pack("{s:i, s:i}", "line", p.line, "character", p.character);
}

json_t *reply_range(const Lines *lines, int begin, int end) {
    return json_pack("{s:o, s:o}", "start", json_position(position_of_byte(lines, begin)), "end",
                     json_position(position_of_byte(lines, end)));
}

json_t *reply_edit(const Lines *lines, int begin, int end, const char *text) {
    return json_pack("{s:o, s:o}", "range", reply_range(lines, begin, end), "newText",
                     reply_text(text));
}

json_t *reply_change(const Document *document, json_t *edits) {
    return json_pack("{s:{s:o}}", "changes", document->uri, edits);
}

/* ---- files in the cache ---------------------------------------------------------------------- */

static bool holds_text(const char *path, const char *text, size_t length) {
    char error[256];
    size_t size;
    char *now = couplet_text_read(path, &size, error, sizeof error);
    const bool same = now && size == length && memcmp(now, text, length) == 0;
    free(now);
    return same;
}

static bool replace_file(const char *path, const char *text, size_t length) {
    char error[256];
    char folder[COUPLET_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    if (!couplet_folder_make(folder, NULL, error, sizeof error)) return false;
    FILE *file = couplet_file_begin(path, error, sizeof error);
    if (!file) return false;
    fwrite(text, 1, length, file);
    return couplet_file_commit(path, file, error, sizeof error);
}

/* Returns the URI of a file in the cache that holds `text`, and writes the file if it is missing.
 * Returns NULL if the cache cannot be written. The URI lies in the arena. */
static const char *reply_cached(Arena *arena, const char *name, const char *text, size_t length) {
    char folder[COUPLET_PATH_BYTES];
    char path[COUPLET_PATH_BYTES];
    char error[256];
    if (!couplet_cache_folder(folder, error, sizeof error) ||
        !couplet_path_join(folder, arena_printf(arena, "shown/%s", name), path, error,
                           sizeof error))
        return NULL;
    if (!holds_text(path, text, length) && !replace_file(path, text, length)) return NULL;
    return document_uri_of_path(arena, path);
}

/* Returns the URI of a file of the library, which is written with the other files of its module.
 * Returns NULL for other paths. */
static const char *library_uri(Arena *arena, const char *path) {
    const char *module = NULL;
    const char *uri = NULL;
    for (const LibraryFile *f = library_files; f->module && !module; f++)
        if (strcmp(f->path, path) == 0) module = f->module;
    for (const LibraryFile *f = library_files; module && f->module; f++) {
        if (strcmp(f->module, module) != 0) continue;
        const char *one = reply_cached(arena, f->path, f->text, f->length);
        if (strcmp(f->path, path) == 0) uri = one;
    }
    return uri;
}

json_t *reply_location(const Document *document, const Analysis *analysis, Span span) {
    if (!span.source || !span.source->text) return NULL;
    if (span.source == analysis->file)
        return json_pack("{s:s, s:o}", "uri", document->uri, "range",
                         reply_range(&analysis->lines, span.begin, span.end));
    Arena *arena = arena_new();
    const Lines lines = position_lines(arena, span.source->text, span.source->length);
    const char *uri = library_uri(arena, span.source->path);
    if (!uri) uri = document_uri_of_path(arena, span.source->path);
    json_t *location = json_pack("{s:o, s:o}", "uri", reply_text(uri), "range",
                                 reply_range(&lines, span.begin, span.end));
    arena_free(arena);
    return location;
}

/* ---- diagnostics ----------------------------------------------------------------------------- */

/* Makes the page about a code: the reason of the mistake, a wrong example and a right one. Returns
 * NULL if the cache cannot be written. */
static json_t *code_page(DiagCode code) {
    const DiagCodeInfo *info = &diag_codes[code];
    Arena *arena = arena_new();
    char *text = arena_printf(arena, "# %s: %s\n\n%s\n", info->code, info->meaning, info->why);
    if (info->failing)
        text = arena_printf(arena,
                            "%s\nThis gives it:\n\n```couplet\n%s```\n\nThis is right:\n\n"
                            "```couplet\n%s```\n",
                            text, info->failing, info->repaired);
    const char *uri =
        reply_cached(arena, arena_printf(arena, "codes/%s.md", info->code), text, strlen(text));
    json_t *page = uri ? json_pack("{s:s}", "href", uri) : NULL;
    arena_free(arena);
    return page;
}

/* Returns the notes of a message that have a place. */
static json_t *related(const Document *document, const Analysis *a, const DiagMessage *m) {
    json_t *list = json_array();
    for (int i = 1; diag_part(m, i); i++) {
        const DiagPart *part = diag_part(m, i);
        json_t *location = reply_location(document, a, part->span);
        if (location)
            json_array_append_new(list, json_pack("{s:o, s:o}", "location", location, "message",
                                                  reply_text(part->text)));
    }
    return list;
}

/* Returns the sentence of a message with its help. A message about another file also says its place
 * there. */
static json_t *sentence(Arena *arena, const Analysis *a, const DiagMessage *m) {
    const DiagPart *main = &m->parts.items[0];
    const char *text = main->text;
    if (main->span.source && main->span.source != a->file)
        text = arena_printf(arena, "%s:%d:%d: %s", main->span.source->path, main->span.line,
                            main->span.column, text);
    if (m->suggestion) {
        text = arena_printf(arena, "%s\nhelp: %s", text, m->suggestion);
    }
    return reply_text(text);
}

static json_t *diagnostic(const Document *document, Analysis *a, const DiagMessage *m) {
    enum {
        ERROR = 1,
        WARNING = 2,
    };
    const DiagCodeInfo *info = &diag_codes[m->code];
    Span span = m->parts.items[0].span;
    if (span.source != a->file) span = (Span){.source = a->file};
    if (span.end <= span.begin) span.end = span.begin + 1;
    json_t *d = json_pack("{s:o, s:i, s:s, s:s, s:o}", "range",
                          reply_range(&a->lines, span.begin, span.end), "severity",
                          info->severity == DIAG_ERROR ? ERROR : WARNING, "code", info->code,
                          "source", "couplet", "message", sentence(a->arena, a, m));
    json_t *notes = related(document, a, m);
    json_t *page = code_page(m->code);
    if (json_array_size(notes)) {
        json_object_set(d, "relatedInformation", notes);
    }
    json_decref(notes);
    if (page) json_object_set_new(d, "codeDescription", page);
    return d;
}

json_t *reply_diagnostics(const Document *document, Analysis *a) {
    json_t *list = json_array();
    DiagList found = diag_sorted(a->diag);
    for (int i = 0; i < found.count; i++)
        json_array_append_new(list, diagnostic(document, a, found.messages[i]));
    free(found.messages);
    return list;
}
