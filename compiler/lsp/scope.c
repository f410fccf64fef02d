/* Finds what stands around a place, by one pass over the tokens in front of it. */
#include "compiler/lsp/scope.h"

#include "lang/tokens.h"

#include <string.h>

typedef struct Walk {
    Arena *arena;
    const Source *file;
    const Token *tokens;
    int count;
    int at;
    CursorScope *scope;
} Walk;

static char sign_of(const Walk *w, const Token *t) {
    return t->of == TOKEN_SIGN && t->end == t->begin + 1 ? w->file->text[t->begin] : 0;
}

static const char *token_text(const Walk *w, const Token *t) {
    return arena_strndup(w->arena, w->file->text + t->begin, (size_t)(t->end - t->begin));
}

static bool is_name_token(const Token *t) {
    return t->of == TOKEN_NAME || t->of == TOKEN_WORD || t->of == TOKEN_REDUCER;
}

/* Returns the dotted name that ends with token `i`, with the names that it is a member of, or
 * "". */
static const char *dotted_name(const Walk *w, int i) {
    if (i < 0 || !is_name_token(&w->tokens[i])) return "";
    int first = i;
    while (first >= 2 && sign_of(w, &w->tokens[first - 1]) == '.' &&
           is_name_token(&w->tokens[first - 2]))
        first -= 2;
    return arena_strndup(w->arena, w->file->text + w->tokens[first].begin,
                         (size_t)(w->tokens[i].end - w->tokens[first].begin));
}

static OpenBracket *innermost_bracket(const Walk *w) {
    return w->scope->open.count ? &w->scope->open.items[w->scope->open.count - 1] : NULL;
}

static bool is_inside(const Walk *w) {
    const OpenBracket *open = innermost_bracket(w);
    return open && open->sign != '{';
}

/* True if token `i` begins a line, or follows the end of a statement. */
static bool begins_line(const Walk *w, int i) {
    const int from = i ? w->tokens[i - 1].end : 0;
    const char *gap = w->file->text + from;
    if (i && strchr("{};", sign_of(w, &w->tokens[i - 1])) && sign_of(w, &w->tokens[i - 1]))
        return true;
    return !i || memchr(gap, '\n', (size_t)(w->tokens[i].begin - from)) != NULL;
}

static void take_bracket(Walk *w, int i, char sign) {
    OpenBracket open = {.sign = sign,
                        .at = w->tokens[i].begin,
                        .before = dotted_name(w, i - 1),
                        .word = sign == '{' ? w->scope->first : "",
                        .argument = ""};
    array_push(w->arena, &w->scope->open, open);
}

static void take_token(Walk *w, int i) {
    const Token *t = &w->tokens[i];
    const char sign = sign_of(w, t);
    if (!is_inside(w) && begins_line(w, i))
        w->scope->first = is_name_token(t) ? token_text(w, t) : "";
    OpenBracket *open = innermost_bracket(w);
    if (sign && strchr("([{", sign)) take_bracket(w, i, sign);
    if (sign && strchr(")]}", sign) && open) {
        w->scope->first = open->sign == '{' ? open->word : w->scope->first;
        w->scope->open.count--;
    }
    if (sign == ',' && open) open->commas++, open->argument = "";
    if (sign == '=' && open && open->sign == '(') open->argument = dotted_name(w, i - 1);
}

/* Takes the word that the place is in or behind, which is the word that is completed. */
static void take_cursor_word(Walk *w, int last) {
    CursorScope *scope = w->scope;
    const Token *t = last >= 0 ? &w->tokens[last] : NULL;
    int before = last;
    if (t && is_name_token(t) && w->at <= t->end) {
        before--;
        if (!is_inside(w) && begins_line(w, last)) scope->begins = true;
    } else if (!is_inside(w)) {
        /* the place may be inside the token, if that is a text or a number */
        const int from = t && t->end < w->at ? t->end : t ? w->at : 0;
        const char sign = t ? sign_of(w, t) : 0;
        scope->begins = !t || (sign && strchr("{};", sign)) ||
                        memchr(w->file->text + from, '\n', (size_t)(w->at - from)) != NULL;
    }
    if (before >= 0 && sign_of(w, &w->tokens[before]) == '.')
        scope->owner = dotted_name(w, before - 1);
}

/* Finds a text or a comment that began on the line. A text may still lack its closing quote. */
static void find_text(Walk *w) {
    const char *text = w->file->text;
    int at = w->at;
    while (at > 0 && text[at - 1] != '\n')
        at--;
    for (; at < w->at && !w->scope->is_comment; at++) {
        if (text[at] == '"') w->scope->is_text = !w->scope->is_text;
        if (text[at] == '#' && !w->scope->is_text) w->scope->is_comment = true;
    }
}

CursorScope scope_at(Arena *arena, const Source *file, int at) {
    CursorScope scope = {.first = ""};
    Walk w = {.arena = arena, .file = file, .at = at, .scope = &scope};
    w.tokens = token_list(arena, file, &w.count);
    int last = -1;
    for (int i = 0; i < w.count && w.tokens[i].begin < at; i++) {
        last = i;
        if (w.tokens[i].end <= at || !is_name_token(&w.tokens[i])) {
            take_token(&w, i);
        }
    }
    take_cursor_word(&w, last);
    find_text(&w);
    return scope;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Returns the module that a `use` of the file gives this name, or NULL. */
const Module *scope_find_module(const Analysis *a, const char *name) {
    for (int i = 0; a && i < a->method->spec->stmt_count; i++) {
        const Stmt *s = a->method->spec->stmts[i];
        for (int k = 0; s->kind == STMT_USE && k < s->param_count; k++) {
            const Symbol *used = s->params[k].symbol;
            if (used && strcmp(used->name, name) == 0) return used->module;
        }
    }
    return NULL;
}

const Stmt *scope_find_declared(const Analysis *a, const char *dotted) {
    const char *point = strchr(dotted, '.');
    if (!a) return NULL;
    if (!point) return name_find_stmt(a->method->spec, dotted);
    const Module *module =
        scope_find_module(a, arena_strndup(a->arena, dotted, (size_t)(point - dotted)));
    return module ? name_find_stmt(module, point + 1) : NULL;
}
