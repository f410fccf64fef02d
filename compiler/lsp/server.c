/* The server: the open documents, and the answer to each method of the protocol. One thread does
 * everything but the compiler's work (facts.c). Changes of a text are taken in at once. The text is
 * checked when an answer needs it or when the editor is silent, so that fast typing does not pile
 * up work. */
#include "compiler/lsp/lsp.h"

#include "compiler/lsp/answers.h"
#include "compiler/lsp/facts.h"
#include "compiler/lsp/reply.h"

#include "compiler/driver/options.h"
#include "compiler/driver/report.h"

#include <string.h>
#include <unistd.h>

/* The milliseconds of silence after which the compiler is asked. */
enum { QUIET_MILLISECONDS = 300 };

typedef struct Server {
    Arena *arena;
    FILE *out;
    MessageReader reader;
    ARRAY(Document *) documents;
    Study study;
    bool is_initialized;
    bool is_shut_down;
    bool ends;
} Server;

/* ---- documents ------------------------------------------------------------------------------- */

static Document *find_document(const Server *s, const char *uri) {
    for (int i = 0; uri && i < s->documents.count; i++)
        if (strcmp(s->documents.items[i]->uri, uri) == 0) return s->documents.items[i];
    return NULL;
}

static const char *uri_of(const json_t *params) {
    return json_string_value(json_object_get(json_object_get(params, "textDocument"), "uri"));
}

static void close_document(Server *s, Document *d) {
    if (s->study.document == d) facts_cancel(&s->study);
    for (int i = 0; i < s->documents.count; i++)
        if (s->documents.items[i] == d)
            s->documents.items[i] = s->documents.items[--s->documents.count];
    document_free(d);
}

static void publish(Server *s, Document *d) {
    Analysis *a = document_analysis(d);
    json_t *list = a ? reply_diagnostics(d, a) : json_array();
    if (d->found && json_array_size(d->found)) {
        json_decref(list);
        list = json_incref(d->found);
    }
    d->is_published = true;
    message_notify(s->out, "textDocument/publishDiagnostics",
                   json_pack("{s:s, s:I, s:o}", "uri", d->uri, "version", (json_int_t)d->version,
                             "diagnostics", list));
}

static void text_changed(Server *s, Document *d) {
    if (s->study.document == d) facts_cancel(&s->study);
    document_forget(d);
}

/* ---- notifications --------------------------------------------------------------------------- */

static void did_open(Server *s, const json_t *params) {
    const json_t *given = json_object_get(params, "textDocument");
    const char *uri = uri_of(params);
    const json_t *text = json_object_get(given, "text");
    if (!uri || !json_is_string(text)) return;
    Document *old = find_document(s, uri);
    if (old) close_document(s, old);
    Document *d = document_new(uri, json_string_value(text), json_string_length(text),
                               json_integer_value(json_object_get(given, "version")));
    if (d) array_push(s->arena, &s->documents, d);
}

/* Reads a position of the protocol. Returns false if the JSON is no position. */
static bool read_position(const json_t *given, Position *position) {
    const json_t *line = json_object_get(given, "line");
    const json_t *character = json_object_get(given, "character");
    if (!json_is_integer(line) || !json_is_integer(character)) return false;
    const json_int_t most = 1 << 30;
    const json_int_t l = json_integer_value(line);
    const json_int_t c = json_integer_value(character);
    *position = (Position){(int)(l < 0      ? 0
                                 : l > most ? most
                                            : l),
                           (int)(c < 0      ? 0
                                 : c > most ? most
                                            : c)};
    return true;
}

static bool read_range(const Lines *lines, const json_t *given, int *begin, int *end) {
    Position from;
    Position to;
    if (!read_position(json_object_get(given, "start"), &from) ||
        !read_position(json_object_get(given, "end"), &to))
        return false;
    *begin = position_to_byte(lines, from);
    *end = position_to_byte(lines, to);
    return true;
}

/* Makes one change of a document: of a range, or of the whole text. */
static void change(Document *d, const json_t *given) {
    const json_t *text = json_object_get(given, "text");
    const json_t *range = json_object_get(given, "range");
    if (!json_is_string(text)) return;
    if (!json_is_object(range)) {
        document_replace(d, json_string_value(text), json_string_length(text));
        return;
    }
    Arena *arena = arena_new();
    const Lines lines = position_lines(arena, d->text.data ? d->text.data : "", d->text.length);
    int begin;
    int end;
    if (read_range(&lines, range, &begin, &end))
        document_edit(d, begin, end, json_string_value(text), json_string_length(text));
    arena_free(arena);
}

static void did_change(Server *s, const json_t *params) {
    Document *d = find_document(s, uri_of(params));
    const json_t *changes = json_object_get(params, "contentChanges");
    if (!d) return;
    text_changed(s, d);
    d->version =
        json_integer_value(json_object_get(json_object_get(params, "textDocument"), "version"));
    for (size_t i = 0; i < json_array_size(changes); i++)
        change(d, json_array_get(changes, i));
}

static void did_close(Server *s, const json_t *params) {
    Document *d = find_document(s, uri_of(params));
    if (!d) return;
    message_notify(s->out, "textDocument/publishDiagnostics",
                   json_pack("{s:s, s:[]}", "uri", d->uri, "diagnostics"));
    close_document(s, d);
}

/* Takes note of a saved file, which may be a module of other files. */
static void did_save(Server *s, const json_t *params) {
    const Document *saved = find_document(s, uri_of(params));
    for (int i = 0; i < s->documents.count; i++)
        if (s->documents.items[i] != saved) text_changed(s, s->documents.items[i]);
}

static void ignore(Server *s, const json_t *params) {
    (void)s;
    (void)params;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* A request about a document, and its result. */
typedef struct Request {
    const json_t *params;
    Document *document; /* the document of the request; NULL: none */
    Analysis *analysis;
    int at; /* the byte of the request's position, or 0 */
    RpcError error;
    const char *sentence; /* the error of the request; NULL: none */
} Request;

static json_t *capabilities(void) {
    enum { INCREMENTAL = 2 };
    json_t *can =
        json_pack("{s:s, s:{s:b, s:i, s:b}, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:{s:b}, s:{s:[s]}}",
                  "positionEncoding", "utf-16", "textDocumentSync", "openClose", 1, "change",
                  INCREMENTAL, "save", 1, "hoverProvider", 1, "definitionProvider", 1,
                  "referencesProvider", 1, "documentHighlightProvider", 1, "documentSymbolProvider",
                  1, "documentFormattingProvider", 1, "inlayHintProvider", 1, "renameProvider",
                  "prepareProvider", 1, "codeActionProvider", "codeActionKinds", "quickfix");
    json_object_set_new(can, "completionProvider", json_pack("{s:[s]}", "triggerCharacters", "."));
    json_object_set_new(can, "signatureHelpProvider",
                        json_pack("{s:[s, s]}", "triggerCharacters", "(", ","));
    json_object_set_new(can, "semanticTokensProvider",
                        json_pack("{s:o, s:b}", "legend", answer_token_legend(), "full", 1));
    return can;
}

static json_t *initialize(Server *s, Request *r) {
    if (s->is_initialized) {
        r->error = RPC_INVALID_REQUEST;
        r->sentence = "the server is initialized already";
        return NULL;
    }
    s->is_initialized = true;
    return json_pack("{s:o, s:{s:s}}", "capabilities", capabilities(), "serverInfo", "name",
                     "couplet");
}

static json_t *shut_down(Server *s, Request *r) {
    (void)r;
    s->is_shut_down = true;
    return NULL;
}

static json_t *hover(Server *s, Request *r) {
    (void)s;
    return answer_hover(r->document, r->analysis, r->at);
}

static json_t *definition(Server *s, Request *r) {
    (void)s;
    return answer_definition(r->document, r->analysis, r->at);
}

static json_t *references(Server *s, Request *r) {
    (void)s;
    const json_t *context = json_object_get(r->params, "context");
    return answer_references(r->document, r->analysis, r->at,
                             json_is_true(json_object_get(context, "includeDeclaration")));
}

static json_t *highlights(Server *s, Request *r) {
    (void)s;
    return answer_highlights(r->analysis, r->at);
}

static json_t *completion(Server *s, Request *r) {
    (void)s;
    return answer_completion(r->document, r->analysis, r->at);
}

static json_t *signature(Server *s, Request *r) {
    (void)s;
    return answer_signature(r->document, r->analysis, r->at);
}

static json_t *outline(Server *s, Request *r) {
    (void)s;
    return answer_outline(r->document, r->analysis);
}

static json_t *layout(Server *s, Request *r) {
    (void)s;
    return answer_layout(r->document, r->analysis);
}

static json_t *tokens(Server *s, Request *r) {
    (void)s;
    return answer_tokens(r->analysis);
}

static json_t *within_range(Request *r, bool hints) {
    int begin;
    int end;
    if (!read_range(&r->analysis->lines, json_object_get(r->params, "range"), &begin, &end)) {
        r->error = RPC_INVALID_PARAMS;
        r->sentence = "a range is needed, with its start and its end";
        return NULL;
    }
    return hints ? answer_hints(r->analysis, begin, end)
                 : answer_actions(r->document, r->analysis, begin, end);
}

static json_t *actions(Server *s, Request *r) {
    (void)s;
    return within_range(r, false);
}

static json_t *hints(Server *s, Request *r) {
    (void)s;
    return within_range(r, true);
}

static json_t *rename_range(Server *s, Request *r) {
    (void)s;
    const char *sentence;
    json_t *range = answer_rename_range(r->analysis, r->at, &sentence);
    r->error = RPC_FAILED;
    r->sentence = range ? NULL : sentence;
    return range;
}

static json_t *renaming(Server *s, Request *r) {
    (void)s;
    const char *name = json_string_value(json_object_get(r->params, "newName"));
    const char *sentence;
    if (!name) {
        r->error = RPC_INVALID_PARAMS;
        r->sentence = "a new name is needed";
        return NULL;
    }
    json_t *changes = answer_rename(r->document, r->analysis, r->at, name, &sentence);
    r->error = RPC_FAILED;
    r->sentence = changes ? NULL : sentence;
    return changes;
}

/* ---- the methods of the protocol ------------------------------------------------------------- */

/* The subject of a request. */
typedef enum {
    ABOUT_NOTHING,
    ABOUT_DOCUMENT,
    ABOUT_PLACE,
} About;

static const struct {
    const char *method;
    json_t *(*answer)(Server *s, Request *r);
    About about;
} requests[] = {
    {"initialize", initialize, ABOUT_NOTHING},
    {"shutdown", shut_down, ABOUT_NOTHING},
    {"textDocument/codeAction", actions, ABOUT_DOCUMENT},
    {"textDocument/completion", completion, ABOUT_PLACE},
    {"textDocument/definition", definition, ABOUT_PLACE},
    {"textDocument/documentHighlight", highlights, ABOUT_PLACE},
    {"textDocument/documentSymbol", outline, ABOUT_DOCUMENT},
    {"textDocument/formatting", layout, ABOUT_DOCUMENT},
    {"textDocument/hover", hover, ABOUT_PLACE},
    {"textDocument/inlayHint", hints, ABOUT_DOCUMENT},
    {"textDocument/prepareRename", rename_range, ABOUT_PLACE},
    {"textDocument/references", references, ABOUT_PLACE},
    {"textDocument/rename", renaming, ABOUT_PLACE},
    {"textDocument/semanticTokens/full", tokens, ABOUT_DOCUMENT},
    {"textDocument/signatureHelp", signature, ABOUT_PLACE},
};

static void leave(Server *s, const json_t *params) {
    (void)params;
    s->ends = true;
}

static const struct {
    const char *method;
    void (*take)(Server *s, const json_t *params);
} notifications[] = {
    {"exit", leave},
    {"initialized", ignore},
    {"textDocument/didChange", did_change},
    {"textDocument/didClose", did_close},
    {"textDocument/didOpen", did_open},
    {"textDocument/didSave", did_save},
};

/* Finds the document and the place of a request. Returns false with an error if they are
 * missing. */
static bool prepare_request(Server *s, Request *r, About about) {
    Position position;
    if (about == ABOUT_NOTHING) return true;
    r->error = RPC_INVALID_PARAMS;
    r->sentence = "the request names no document that is open";
    r->document = find_document(s, uri_of(r->params));
    if (!r->document) return false;
    r->error = RPC_INTERNAL;
    r->sentence = "there is no memory to check the text";
    r->analysis = document_analysis(r->document);
    if (!r->analysis) return false;
    r->error = RPC_INVALID_PARAMS;
    r->sentence = "a position is needed, with its line and its character";
    if (about == ABOUT_PLACE && !read_position(json_object_get(r->params, "position"), &position))
        return false;
    if (about == ABOUT_PLACE) {
        r->at = position_to_byte(&r->analysis->lines, position);
    }
    r->sentence = NULL;
    return true;
}

static void answer(Server *s, json_t *id, const char *method, const json_t *params) {
    Request r = {.params = params};
    const bool begins = strcmp(method, "initialize") == 0;
    if (!s->is_initialized && !begins) {
        message_refuse(s->out, id, RPC_NOT_INITIALIZED, "`initialize` comes first");
        return;
    }
    if (s->is_shut_down) {
        message_refuse(s->out, id, RPC_INVALID_REQUEST, "the server is shut down");
        return;
    }
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (strcmp(requests[i].method, method) != 0) continue;
        json_t *result =
            prepare_request(s, &r, requests[i].about) ? requests[i].answer(s, &r) : NULL;
        if (r.sentence)
            message_refuse(s->out, id, r.error, r.sentence);
        else
            message_answer(s->out, id, result);
        return;
    }
    message_refuse(s->out, id, RPC_UNKNOWN_METHOD, "the server has no such method");
}

static void dispatch(Server *s, const char *method, const json_t *params) {
    const bool ends = strcmp(method, "exit") == 0;
    if ((!s->is_initialized || s->is_shut_down) && !ends) return;
    for (size_t i = 0; i < sizeof notifications / sizeof *notifications; i++)
        if (strcmp(notifications[i].method, method) == 0) notifications[i].take(s, params);
}

static void handle(Server *s, const json_t *message) {
    json_t *id = json_object_get(message, "id");
    const char *method = json_string_value(json_object_get(message, "method"));
    const json_t *params = json_object_get(message, "params");
    const bool answers = json_object_get(message, "result") || json_object_get(message, "error");
    const bool named = json_is_string(id) || json_is_integer(id);
    if (method && named)
        answer(s, id, method, params);
    else if (method && !id)
        dispatch(s, method, params);
    else if (!answers)
        message_refuse(s->out, named ? id : NULL, RPC_INVALID_REQUEST,
                       "a request has a method, and an id that is a number or a text");
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* Publishes the messages of one changed document. Returns false if no document has changed. */
static bool publish_next(Server *s) {
    for (int i = 0; i < s->documents.count; i++) {
        if (s->documents.items[i]->is_published) continue;
        publish(s, s->documents.items[i]);
        return true;
    }
    return false;
}

/* Returns the next document that the compiler has not seen, or NULL if there is none or the
 * compiler is busy. */
static Document *next_to_study(const Server *s) {
    for (int i = 0; i < s->documents.count && !s->study.child; i++) {
        Document *d = s->documents.items[i];
        if (d->now && !d->is_studied && diag_error_count(d->now->diag) == 0) return d;
    }
    return NULL;
}

/* Does the work of the moments in which the editor is silent. */
static void idle(Server *s) {
    if (publish_next(s)) {
        message_wait(&s->reader, -1, 0);
        return;
    }
    Document *next = next_to_study(s);
    Document *studied = s->study.document;
    const int other = s->study.child ? s->study.answer : -1;
    const int64_t left = next ? next->changed + QUIET_MILLISECONDS - document_clock() : -1;
    if (next && left <= 0) {
        facts_study(&s->study, next);
        return;
    }
    const Waited waited = message_wait(&s->reader, other, (int)left);
    if (waited == WAITED_OTHER && facts_read(&s->study) && studied->found) {
        publish(s, studied);
    }
}

int lsp_serve(int in, FILE *out) {
    Server s = {.arena = arena_new(), .out = out, .reader = {.descriptor = in}};
    while (!s.ends) {
        json_t *message;
        const MessageAnswer got = message_take(&s.reader, &message);
        if (got == MESSAGE_END) break;
        if (got == MESSAGE_READ) handle(&s, message);
        if (got == MESSAGE_BROKEN)
            message_refuse(out, NULL, RPC_PARSE_ERROR, "the message is no JSON in UTF-8");
        if (got == MESSAGE_NONE) idle(&s);
        json_decref(message);
    }
    facts_cancel(&s.study);
    for (int i = 0; i < s.documents.count; i++)
        document_free(s.documents.items[i]);
    message_reader_free(&s.reader);
    arena_free(s.arena);
    return s.is_shut_down ? 0 : 1;
}

/* Serves on standard output, which belongs to the protocol. Any other output goes to standard
 * error. */
static int serve(void) {
    const int output = dup(STDOUT_FILENO);
    FILE *out = output >= 0 ? fdopen(output, "w") : NULL;
    if (!out || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        report(CODE_OUTPUT, "standard output cannot be written");
        return 1;
    }
    const int status = lsp_serve(STDIN_FILENO, out);
    fclose(out);
    return status;
}

int lsp_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "lsp", "stdio [file]", argc, argv)) {
        if (o.file)
            report(CODE_COMMAND_LINE,
                   "`couplet lsp` takes no file: the editor says which are open");
        else
            status = serve();
    }
    arena_free(arena);
    return status;
}
