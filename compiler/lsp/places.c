/* Answers about one name: its declaration, all places where it stands, and its change
 * everywhere. */
#include "compiler/lsp/answers.h"
#include "compiler/lsp/reply.h"
#include "compiler/lsp/scope.h"

#include "lang/diag_messages.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- looking --------------------------------------------------------------------------------- */

/* Returns the declaration of a module, which is the beginning of its first file. */
static Span module_span(const Symbol *s) {
    const Source *file = s->module ? s->module->source : NULL;
    return (Span){.source = file, .line = 1, .column = 1};
}

json_t *answer_definition(const Document *document, Analysis *a, int at) {
    const Name *name = name_at(&a->names, at);
    if (!name) return NULL;
    const bool module = name->symbol && name->symbol->kind == SYMBOL_MODULE;
    return reply_location(document, a, module ? module_span(name->symbol) : name->declared);
}

static bool same_thing(const Name *a, const Name *b) {
    return a->declared.source && span_same(a->declared, b->declared);
}

json_t *answer_references(const Document *document, Analysis *a, int at, bool declaration) {
    const Name *name = name_at(&a->names, at);
    json_t *list = json_array();
    for (int i = 0; name && i < a->names.of.count; i++) {
        const Name *other = &a->names.of.items[i];
        const bool declares =
            other->declared.source == a->file && other->begin == other->declared.begin;
        if (same_thing(name, other) && (declaration || !declares))
            json_array_append_new(list,
                                  json_pack("{s:s, s:o}", "uri", document->uri, "range",
                                            reply_range(&a->lines, other->begin, other->end)));
    }
    return list;
}

json_t *answer_highlights(Analysis *a, int at) {
    const Name *name = name_at(&a->names, at);
    json_t *list = json_array();
    for (int i = 0; name && i < a->names.of.count; i++)
        if (same_thing(name, &a->names.of.items[i]))
            json_array_append_new(list, json_pack("{s:o}", "range",
                                                  reply_range(&a->lines, a->names.of.items[i].begin,
                                                              a->names.of.items[i].end)));
    return list;
}

/* ---- renaming -------------------------------------------------------------------------------- */

/* Returns the name at the place if it may be changed here, or NULL with a sentence. */
static const Name *renamed(Analysis *a, int at, const char **sentence) {
    const Name *name = name_at(&a->names, at);
    *sentence = "there is no name at this place";
    if (!name) return NULL;
    const SymbolKind kind = name->symbol ? name->symbol->kind : SYMBOL_INDEX;
    *sentence = kind == SYMBOL_BUILTIN  ? "this is a word of the language, and has no other name"
                : kind == SYMBOL_MODULE ? "a module has the name of its file"
                : kind == SYMBOL_FIELD  ? "a field has the name that its data gives it"
                                        : "this name belongs to the library, or to another file";
    const bool fixed = kind == SYMBOL_BUILTIN || kind == SYMBOL_MODULE || kind == SYMBOL_FIELD;
    return !fixed && name->declared.source == a->file ? name : NULL;
}

json_t *answer_rename_range(Analysis *a, int at, const char **sentence) {
    const Name *name = renamed(a, at, sentence);
    return name ? reply_range(&a->lines, name->begin, name->end) : NULL;
}

static bool is_identifier(const char *name) {
    if (!isalpha((unsigned char)*name) && *name != '_') return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_') return false;
    return true;
}

/* Returns the text with the new name in all its places, from malloc. `begins` gets the bytes at
 * which they begin in the new text. */
static char *renamed_text(const Analysis *a, const Name *name, const char *word, int *begins) {
    Text text = {0};
    int done = 0;
    int count = 0;
    for (int i = 0; i < a->names.of.count; i++) {
        const Name *other = &a->names.of.items[i];
        if (!same_thing(name, other)) continue;
        text_append(&text, a->file->text + done, (size_t)(other->begin - done));
        begins[count++] = (int)text.length;
        text_append(&text, word, strlen(word));
        done = other->end;
    }
    text_append(&text, a->file->text + done, a->file->length - (size_t)done);
    return text.data;
}

/* True if the names at these places mean one thing, and no other name means that thing. */
static bool is_one_thing(const Analysis *a, const int *begins, int count) {
    const Name *first = name_at(&a->names, begins[0]);
    int found = 0;
    for (int i = 0; first && i < a->names.of.count; i++) {
        if (!same_thing(first, &a->names.of.items[i])) continue;
        if (found == count || a->names.of.items[i].begin != begins[found]) return false;
        found++;
    }
    return found == count;
}

/* Returns a sentence, in the arena of `a`, about the first error of the new text. */
static const char *new_error(Analysis *a, const Analysis *after) {
    Span span;
    DiagCode code;
    const char *sentence = diag_first_error(after->diag, &span, &code);
    return arena_printf(a->arena, "line %d would be wrong then: %s", span.source ? span.line : 1,
                        sentence ? sentence : "");
}

/* Checks the text with the new name. True if the new name hides nothing and nothing hides it.
 * Returns false with a sentence. */
static bool keeps_meaning(const Document *document, Analysis *a, const Name *name, const char *word,
                          const char **sentence) {
    int *begins = arena_array(a->arena, int, a->names.of.count + 1);
    int count = 0;
    for (int i = 0; i < a->names.of.count; i++)
        count += same_thing(name, &a->names.of.items[i]);
    char *text = renamed_text(a, name, word, begins);
    Analysis *after = text ? document_analyse(document, text, strlen(text)) : NULL;
    bool good = false;
    if (!after)
        *sentence = "there is no memory for the renamed text";
    else if (diag_error_count(after->diag) > diag_error_count(a->diag) ||
             after->method->spec->broken_count > a->method->spec->broken_count)
        *sentence = new_error(a, after);
    else if (!is_one_thing(after, begins, count) || after->names.of.count != a->names.of.count)
        *sentence = arena_printf(a->arena, "`%s` means something else in one of the places", word);
    else
        good = true;
    analysis_free(after);
    free(text);
    return good;
}

json_t *answer_rename(const Document *document, Analysis *a, int at, const char *word,
                      const char **sentence) {
    const Name *name = renamed(a, at, sentence);
    if (!name) return NULL;
    if (!is_identifier(word)) {
        *sentence = "a name is made of letters, digits and `_`, and begins with none of the digits";
        return NULL;
    }
    if (!keeps_meaning(document, a, name, word, sentence)) return NULL;
    json_t *edits = json_array();
    for (int i = 0; i < a->names.of.count; i++) {
        const Name *other = &a->names.of.items[i];
        if (same_thing(name, other))
            json_array_append_new(edits, reply_edit(&a->lines, other->begin, other->end, word));
    }
    return reply_change(document, edits);
}
