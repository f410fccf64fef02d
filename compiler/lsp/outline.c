/* Answers about the file as a whole: its outline, its layout, its tokens, the types of its lets,
 * and the changes that messages propose. */
#include "compiler/lsp/answers.h"
#include "compiler/lsp/reply.h"

#include "lang/diag_messages.h"
#include "lang/format.h"
#include "lang/tokens.h"

#include <stdlib.h>
#include <string.h>

/* ---- outline --------------------------------------------------------------------------------- */

/* The kinds of symbols, as the protocol numbers them. */
typedef enum {
    OUTLINE_MODULE = 2,
    OUTLINE_CLASS = 5,
    OUTLINE_FIELD = 8,
    OUTLINE_FUNCTION = 12,
    OUTLINE_VARIABLE = 13,
    OUTLINE_CONSTANT = 14,
    OUTLINE_ARRAY = 18,
    OUTLINE_EVENT = 24
} OutlineKind;

typedef struct Outline {
    const Analysis *a;
    json_t *list;
} Outline;

static json_t *add_symbol(const Outline *o, const char *name, OutlineKind kind, Span whole,
                          Span named, const Type *type) {
    if (!name || !*name || named.source != o->a->file) return NULL;
    if (whole.begin > named.begin) whole.begin = named.begin;
    if (whole.end < named.end) whole.end = named.end;
    json_t *symbol = json_pack("{s:o, s:i, s:o, s:o}", "name", reply_text(name), "kind", (int)kind,
                               "range", reply_range(&o->a->lines, whole.begin, whole.end),
                               "selectionRange", reply_range(&o->a->lines, named.begin, named.end));
    if (type && type->kind != KIND_POISON)
        json_object_set_new(symbol, "detail", reply_text(type_text(o->a->arena, type)));
    json_array_append_new(o->list, symbol);
    return symbol;
}

static void add_params(const Outline *o, const Stmt *s, OutlineKind kind) {
    for (int i = 0; i < s->param_count; i++)
        add_symbol(o, s->params[i].name ? s->params[i].name : s->params[i].path, kind,
                   s->params[i].span, s->params[i].span, s->params[i].type);
}

static void add_stmts(const Outline *o, Stmt *const *stmts, int count);

static void add_function(const Outline *o, const Stmt *s, OutlineKind kind) {
    json_t *symbol = add_symbol(o, s->name, kind, s->span, s->name_span, s->result);
    const Outline inner = {o->a, json_array()};
    add_stmts(&inner, s->body, s->body_count);
    if (symbol) json_object_set(symbol, "children", inner.list);
    json_decref(inner.list);
}

/* Adds a statement without a name of its own under its word. */
static void add_nameless(const Outline *o, const Stmt *s, const char *word) {
    Span named = s->span;
    named.end = named.begin + (int)strlen(word);
    add_symbol(o, word, OUTLINE_EVENT, s->span, named, NULL);
}

static void add_stmt(const Outline *o, const Stmt *s) {
    switch (s->kind) {
    case STMT_FN:
    case STMT_OPTIMISER:
        add_function(o, s, OUTLINE_FUNCTION);
        break;
    case STMT_NET:
        add_function(o, s, OUTLINE_CLASS);
        break;
    case STMT_USE:
        add_params(o, s, OUTLINE_MODULE);
        break;
    case STMT_HYPER:
        add_params(o, s, OUTLINE_CONSTANT);
        break;
    case STMT_VIEW:
    case STMT_DRAW:
        add_params(o, s, OUTLINE_VARIABLE);
        break;
    case STMT_PARAM:
    case STMT_STATE:
    case STMT_BANK:
        add_params(o, s, OUTLINE_FIELD);
        break;
    case STMT_DATA:
    case STMT_QUEUE:
        add_symbol(o, s->name, OUTLINE_ARRAY, s->span, s->name_span, NULL);
        break;
    case STMT_LET:
    case STMT_GIVE:
    case STMT_REPORT:
        add_symbol(o, s->name, s->is_function ? OUTLINE_FUNCTION : OUTLINE_VARIABLE, s->span,
                   s->name_span, s->symbol ? s->symbol->type : NULL);
        break;
    case STMT_STAGE:
    case STMT_START:
        add_symbol(o, s->name, OUTLINE_EVENT, s->span, s->name_span, NULL);
        break;
    case STMT_LOSS:
        add_nameless(o, s, "loss");
        break;
    case STMT_TRAIN:
        add_nameless(o, s, "train");
        break;
    case STMT_EVAL:
        add_nameless(o, s, "eval");
        break;
    case STMT_EVERY:
        add_nameless(o, s, "every");
        break;
    case STMT_WHEN:
        add_stmts(o, s->body, s->body_count);
        add_stmts(o, s->otherwise, s->otherwise_count);
        break;
    case STMT_SCAN:
        add_stmts(o, s->carry, s->carry_count);
        break;
    case STMT_UPDATE:
    case STMT_EMA:
    case STMT_RETURN:
    case STMT_NEXT:
    case STMT_OVER:
        break;
    }
}

static void add_stmts(const Outline *o, Stmt *const *stmts, int count) {
    for (int i = 0; i < count; i++)
        add_stmt(o, stmts[i]);
}

json_t *answer_outline(const Document *document, Analysis *a) {
    const Outline outline = {a, json_array()};
    (void)document;
    add_stmts(&outline, a->method->spec->stmts, a->method->spec->stmt_count);
    return outline.list;
}

/* ---- layout ---------------------------------------------------------------------------------- */

/* Returns the layout as one edit of the lines that differ, so that the editor keeps its place.
 * Returns NULL if the text does not fit the grammar. */
json_t *answer_layout(const Document *document, Analysis *a) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    const char *before = a->file->text;
    const char *after = format_source(arena, diag, a->file);
    json_t *edits = after ? json_array() : NULL;
    (void)document;
    if (after &&
        (strlen(after) != a->file->length || memcmp(after, before, a->file->length) != 0)) {
        int begin = 0;
        int end = (int)a->file->length;
        int stop = (int)strlen(after);
        int same = 0;
        for (; begin < end && begin < stop && before[begin] == after[begin]; begin++)
            if (before[begin] == '\n') same = begin + 1;
        begin = same;
        while (end > begin && stop > begin && before[end - 1] == after[stop - 1])
            end--, stop--;
        while (before[end] && end > 0 && before[end - 1] != '\n')
            end++, stop++;
        json_array_append_new(
            edits, reply_edit(&a->lines, begin, end,
                              arena_strndup(arena, after + begin, (size_t)(stop - begin))));
    }
    arena_free(arena);
    return edits;
}

/* ---- changes that messages propose ----------------------------------------------------------- */

/* Returns the quick fix that a message proposes. */
static json_t *action(const Document *document, const Analysis *a, const DiagMessage *m,
                      json_t *diagnostic) {
    const DiagPart *fix = &m->fix;
    const char *title = *fix->text ? arena_printf(a->arena, "Write `%.*s`",
                                                  (int)strcspn(fix->text, "\n"), fix->text)
                                   : "Delete it";
    json_t *edits =
        json_pack("[o]", reply_edit(&a->lines, fix->span.begin, fix->span.end, fix->text));
    return json_pack("{s:o, s:s, s:b, s:[O], s:o}", "title", reply_text(title), "kind", "quickfix",
                     "isPreferred", 1, "diagnostics", diagnostic, "edit",
                     reply_change(document, edits));
}

json_t *answer_actions(const Document *document, Analysis *a, int begin, int end) {
    json_t *actions = json_array();
    json_t *diagnostics = reply_diagnostics(document, a);
    DiagList list = diag_sorted(a->diag);
    for (int i = 0; i < list.count; i++) {
        const DiagMessage *m = list.messages[i];
        const Span span = m->parts.items[0].span;
        const bool meets = span.source == a->file && span.begin <= end && begin <= span.end;
        if (meets && m->fix.text && m->fix.span.source == a->file)
            json_array_append_new(actions,
                                  action(document, a, m, json_array_get(diagnostics, (size_t)i)));
    }
    free(list.messages);
    json_decref(diagnostics);
    return actions;
}

/* ---- tokens ---------------------------------------------------------------------------------- */

/* The classes of tokens that editors colour. */
typedef enum {
    SEMANTIC_KEYWORD,
    SEMANTIC_FUNCTION,
    SEMANTIC_CLASS,
    SEMANTIC_VARIABLE,
    SEMANTIC_PARAMETER,
    SEMANTIC_PROPERTY,
    SEMANTIC_NAMESPACE,
    SEMANTIC_TYPE_PARAMETER,
    SEMANTIC_NUMBER,
    SEMANTIC_STRING,
    SEMANTIC_OPERATOR,
    SEMANTIC_COMMENT,
    SEMANTIC_CLASSES
} SemanticClass;

static const char *const semantic_names[SEMANTIC_CLASSES] = {
    "keyword",   "function",      "class",  "variable", "parameter", "property",
    "namespace", "typeParameter", "number", "string",   "operator",  "comment"};
/* The marks of tokens, a bit each, in the order of the legend. */
enum {
    MARK_DECLARATION = 1,
    MARK_LIBRARY = 2,
};

json_t *answer_token_legend(void) {
    json_t *types = json_array();
    for (int i = 0; i < SEMANTIC_CLASSES; i++)
        json_array_append_new(types, json_string(semantic_names[i]));
    return json_pack("{s:o, s:[s, s]}", "tokenTypes", types, "tokenModifiers", "declaration",
                     "defaultLibrary");
}

static SemanticClass class_of_symbol(SymbolKind kind) {
    switch (kind) {
    case SYMBOL_FN:
    case SYMBOL_LET_FN:
    case SYMBOL_OPTIMISER:
    case SYMBOL_BUILTIN:
        return SEMANTIC_FUNCTION;
    case SYMBOL_NET:
        return SEMANTIC_CLASS;
    case SYMBOL_MODULE:
        return SEMANTIC_NAMESPACE;
    case SYMBOL_DIMENSION:
        return SEMANTIC_TYPE_PARAMETER;
    case SYMBOL_ARGUMENT:
    case SYMBOL_CONFIG:
        return SEMANTIC_PARAMETER;
    case SYMBOL_FIELD:
    case SYMBOL_COLUMN:
    case SYMBOL_NET_PART:
    case SYMBOL_NET_STATE:
        return SEMANTIC_PROPERTY;
    case SYMBOL_POISON:
    case SYMBOL_DATA:
    case SYMBOL_HYPER:
    case SYMBOL_VIEW:
    case SYMBOL_LET:
    case SYMBOL_PARAM:
    case SYMBOL_STATE:
    case SYMBOL_QUEUE:
    case SYMBOL_DRAW:
    case SYMBOL_STAGE:
    case SYMBOL_INDEX:
        return SEMANTIC_VARIABLE;
    }
    return SEMANTIC_VARIABLE;
}

static SemanticClass class_of_token(const Token *t, const Name *name) {
    switch (t->of) {
    case TOKEN_WORD:
    case TOKEN_REDUCER:
        return SEMANTIC_KEYWORD;
    case TOKEN_NUMBER:
        return SEMANTIC_NUMBER;
    case TOKEN_TEXT:
        return SEMANTIC_STRING;
    case TOKEN_SIGN:
        return SEMANTIC_OPERATOR;
    case TOKEN_COMMENT:
        return SEMANTIC_COMMENT;
    case TOKEN_NAME:
        break;
    }
    if (name && name->symbol) return class_of_symbol(name->symbol->kind);
    return name && name->param ? SEMANTIC_PARAMETER : SEMANTIC_VARIABLE;
}

static int marks_of(const Analysis *a, const Name *name) {
    if (!name) return 0;
    const bool declares = name->declared.source == a->file && name->declared.begin == name->begin;
    const bool library = name->symbol && name->symbol->kind == SYMBOL_BUILTIN;
    return (declares ? MARK_DECLARATION : 0) | (library ? MARK_LIBRARY : 0);
}

json_t *answer_tokens(Analysis *a) {
    Arena *arena = arena_new();
    json_t *data = json_array();
    Position last = {0, 0};
    int count;
    int next = 0;
    const Token *tokens = token_list(arena, a->file, &count);
    for (int i = 0; i < count; i++) {
        const Token *t = &tokens[i];
        while (next < a->names.of.count && a->names.of.items[next].begin < t->begin)
            next++;
        const bool named = next < a->names.of.count && a->names.of.items[next].begin == t->begin;
        const Name *name = named ? &a->names.of.items[next] : NULL;
        const Position begin = position_of_byte(&a->lines, t->begin);
        const Position end = position_of_byte(&a->lines, t->end);
        const int line = begin.line - last.line;
        const int figures[] = {line, line ? begin.character : begin.character - last.character,
                               end.character - begin.character, class_of_token(t, name),
                               marks_of(a, name)};
        if (end.line != begin.line) continue;
        for (int k = 0; k < 5; k++)
            json_array_append_new(data, json_integer(figures[k]));
        last = begin;
    }
    arena_free(arena);
    return json_pack("{s:o}", "data", data);
}

/* ---- hints ----------------------------------------------------------------------------------- */

typedef struct Hints {
    Analysis *a;
    int begin;
    int end;
    json_t *list;
} Hints;

/* Adds the type of each let that has none in the text, to be shown behind its head. */
static void add_hints(Hints *h, Stmt *const *stmts, int count) {
    enum { TYPE = 1 };
    for (int i = 0; i < count; i++) {
        const Stmt *s = stmts[i];
        const Type *t = s->symbol ? s->symbol->type : NULL;
        add_hints(h, s->body, s->body_count);
        add_hints(h, s->otherwise, s->otherwise_count);
        const bool inside = s->span.source == h->a->file && s->name_span.end >= h->begin &&
                            s->name_span.begin <= h->end;
        if (s->kind != STMT_LET || s->is_function || s->has_dims || !inside || !t) continue;
        if (t->kind == KIND_POISON || !s->value || s->value->span.begin <= s->name_span.end)
            continue;
        int at = s->value->span.begin;
        while (at > s->name_span.end && s->span.source->text[at] != '=')
            at--;
        while (at > s->name_span.end && s->span.source->text[at - 1] == ' ')
            at--;
        const Position p = position_of_byte(&h->a->lines, at);
        const char *text = arena_printf(h->a->arena, " : %s", type_text(h->a->arena, t));
        json_array_append_new(h->list, json_pack("{s:{s:i, s:i}, s:o, s:i}", "position", "line",
                                                 p.line, "character", p.character, "label",
                                                 reply_text(text), "kind", TYPE));
    }
}

json_t *answer_hints(Analysis *a, int begin, int end) {
    Hints hints = {a, begin, end, json_array()};
    add_hints(&hints, a->method->spec->stmts, a->method->spec->stmt_count);
    return hints.list;
}
