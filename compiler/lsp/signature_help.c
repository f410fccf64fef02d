/* Shows the head of the function whose call the place is in, with the argument that is being
 * written. */
#include "compiler/lsp/answers.h"
#include "compiler/lsp/reply.h"
#include "compiler/lsp/scope.h"

#include "compiler/driver/load.h"

#include <ctype.h>
#include <string.h>

/* Returns the innermost call that the place is in, or NULL outside of calls. */
static const OpenBracket *call_around(const CursorScope *scope) {
    for (int i = scope->open.count; i-- > 0;) {
        const OpenBracket *open = &scope->open.items[i];
        if (open->sign == '(' && *open->before) return open;
        if (open->sign == '{') return NULL;
    }
    return NULL;
}

/* The parameters of a head, "f(z[N, D], tau = 0.1)": the first and the last byte of each. */
typedef struct Parameters {
    ARRAY(int) begins;
    ARRAY(int) ends;
} Parameters;

static Parameters parameters_of(Arena *arena, const char *head) {
    Parameters found = {0};
    const char *open = strchr(head, '(');
    int depth = 0;
    int begin = 0;
    for (const char *at = open; at && *at; at++) {
        const int place = (int)(at - head);
        const bool closes = strchr(")]", *at) != NULL;
        depth += (*at == '(' || *at == '[') - closes;
        const bool ends = (closes && depth == 0) || (*at == ',' && depth == 1);
        if (at == open) begin = place + 1;
        if (!ends) continue;
        if (place > begin) {
            array_push(arena, &found.begins, begin);
            array_push(arena, &found.ends, place);
        }
        begin = place + 1 + (at[1] == ' ');
        if (depth == 0) break;
    }
    return found;
}

/* Returns the number of the argument that is being written. */
static int active(const Parameters *list, const char *head, const OpenBracket *call) {
    const size_t length = strlen(call->argument);
    for (int i = 0; length && i < list->begins.count; i++) {
        const char *name = head + list->begins.items[i];
        if (strncmp(name, call->argument, length) == 0 && !isalnum((unsigned char)name[length]))
            return i;
    }
    return call->commas;
}

/* Returns the function that a call names, also if no `use` names its module yet, or NULL. */
static const Stmt *called(Arena *arena, const Document *document, Analysis *a, const char *name) {
    const Stmt *s = scope_find_declared(a, name);
    const char *point = strchr(name, '.');
    Module *m = NULL;
    const Source *source;
    if (!s && document->whole) s = scope_find_declared(document->whole, name);
    if (s || !point) return s;
    const char *module = arena_strndup(arena, name, (size_t)(point - name));
    for (int part = 0; (source = library_read(NULL, arena, module, part)); part++)
        m = module_join(arena, m, parse_module(arena, diag_new(arena), source, module));
    return m ? name_find_stmt(m, point + 1) : NULL;
}

json_t *answer_signature(const Document *document, Analysis *a, int at) {
    Arena *arena = arena_new();
    const CursorScope scope = scope_at(arena, a->file, at);
    const OpenBracket *call = call_around(&scope);
    const Stmt *s = call ? called(arena, document, a, call->before) : NULL;
    const char *head = NULL;
    const char *said = "";
    if (s) head = answer_head(arena, s), said = answer_comment(arena, s);
    if (call && !s) said = answer_builtin_meaning(call->before, &head);
    json_t *answer = NULL;
    if (head && said) {
        const Parameters list = parameters_of(arena, head);
        json_t *parameters = json_array();
        for (int i = 0; i < list.begins.count; i++)
            json_array_append_new(parameters, json_pack("{s:[i, i]}", "label", list.begins.items[i],
                                                        list.ends.items[i]));
        answer = json_pack("{s:[{s:o, s:{s:s, s:o}, s:o}], s:i, s:i}", "signatures", "label",
                           reply_text(head), "documentation", "kind", "markdown", "value",
                           reply_text(said), "parameters", parameters, "activeSignature", 0,
                           "activeParameter", active(&list, head, call));
    }
    arena_free(arena);
    return answer;
}
