/* The text that an editor shows for the place under the mouse: type and size, the comment, the work
 * of the gradient and of the compiler, and the meaning of a message there. */
#include "compiler/lsp/answers.h"
#include "compiler/lsp/reply.h"
#include "compiler/lsp/scope.h"

#include "compiler/driver/comment.h"
#include "compiler/driver/source_translation.h"
#include "lang/diag_messages.h"
#include "lang/flow.h"
#include "lang/tokens.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct Hover {
    Arena *arena;
    const Document *document;
    Analysis *analysis;
    const char *code; /* the first block, which is code of the language */
    const char *text; /* the paragraphs below it */
} Hover;

static void say(Hover *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(Hover *h, const char *format, ...) {
    char line[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    h->text = arena_printf(h->arena, "%s%s%s", h->text, *h->text ? "\n\n" : "", line);
}

/* ---- words of the language ------------------------------------------------------------------- */

const char *answer_word_meaning(const char *word) {
    static const struct {
        const char *word;
        const char *meaning;
    } rows[] = {
#define RESERVED(text, token, ends, meaning)      {text, meaning},
#define FIRST(text, token, meaning)               {text, meaning},
#define SOFT(text, token, after, inside, meaning) {text, meaning},
#include "lang/words.def"
#undef RESERVED
#undef FIRST
#undef SOFT
#define REDUCTION(text, name, takes, gives, slope, least, sign, meaning) {#text, meaning},
#include "lang/reductions.def"
#undef REDUCTION
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].word, word) == 0) return rows[i].meaning;
    return NULL;
}

const char *answer_builtin_meaning(const char *name, const char **call) {
    static const struct {
        const char *name;
        const char *call;
        const char *meaning;
    } rows[] = {
#define BUILTIN(name, low, high, rule, call, meaning) {#name, call, meaning},
#include "lang/builtins.def"
#undef BUILTIN
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, name) != 0) continue;
        *call = rows[i].call;
        return rows[i].meaning;
    }
    return NULL;
}

/* ---- what the text says ---------------------------------------------------------------------- */

static const char *line_of(const char *text, int at) {
    while (at > 0 && text[at - 1] != '\n')
        at--;
    return text + at;
}

const char *answer_comment(Arena *arena, const Stmt *s) {
    const char *text = s->span.source ? s->span.source->text : NULL;
    const char *said = "";
    if (!text) return said;
    const CommentLines lines = comment_above(arena, text, line_of(text, s->span.begin));
    bool formula = false;
    for (int i = 0; i < lines.of.count; i++) {
        const char *line = lines.of.items[i];
        const bool indented = strncmp(line, "   ", 3) == 0;
        const char *gap = i == 0                ? ""
                          : indented != formula ? "\n\n"
                          : indented || !*line  ? "\n"
                                                : " ";
        said = arena_printf(arena, "%s%s%s%s", said, gap, indented ? "    " : "", line);
        formula = indented;
    }
    return said;
}

const char *answer_head(Arena *arena, const Stmt *s) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return s->name;
    const char *word = s->kind == STMT_NET         ? "net "
                       : s->kind == STMT_OPTIMISER ? "optimiser "
                       : s->kind == STMT_LET       ? "let "
                                                   : "fn ";
    fprintf(out, "%s", word);
    if (s->has_params || s->has_config || s->kind == STMT_FN)
        comment_signature(s, out);
    else
        fprintf(out, "%s", s->name);
    const TypeKind kind = s->result ? s->result->kind : KIND_POISON;
    if (kind == KIND_REAL || kind == KIND_INT || kind == KIND_BOOL)
        fprintf(out, " : %s", type_text(arena, s->result));
    fclose(out);
    const char *head = arena_strndup(arena, text, size);
    free(text);
    return head;
}

/* ---- what is named --------------------------------------------------------------------------- */

/* Returns the bytes of an array whose sizes are all known, or 0 for other arrays. */
static double array_bytes(const Type *t) {
    double bytes = 4;
    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i]->kind != DIM_CONST) return 0;
        bytes *= (double)t->dims[i]->value;
    }
    return t->rank ? bytes : 0;
}

static void say_bytes(Hover *h, const Type *t) {
    const double bytes = t ? array_bytes(t) : 0;
    const double mib = 1 << 20;
    const double kib = 1 << 10;
    if (bytes >= mib)
        say(h, "%.1f MiB", bytes / mib);
    else if (bytes >= kib)
        say(h, "%.1f KiB", bytes / kib);
    else if (bytes > 0)
        say(h, "%.0f bytes", bytes);
}

static void show_typed(Hover *h, const char *word, const char *name, const Type *t) {
    if (t && t->kind != KIND_POISON)
        h->code = arena_printf(h->arena, "%s %s : %s", word, name, type_text(h->arena, t));
    else
        h->code = arena_printf(h->arena, "%s %s", word, name);
    say_bytes(h, t);
}

static void show_index(Hover *h, const Binder *b) {
    const Dim *extent = b->extent;
    if (!extent)
        h->code = arena_printf(h->arena, "index %s", b->name);
    else if (extent->kind == DIM_CONST)
        h->code =
            arena_printf(h->arena, "index %s : 0 .. %lld", b->name, (long long)extent->value - 1);
    else
        h->code =
            arena_printf(h->arena, "index %s : 0 .. %s - 1", b->name, dim_text(h->arena, extent));
}

static void show_data(Hover *h, const Stmt *s) {
    const DataSource *data = s->data;
    h->code = arena_printf(h->arena, "data %s", s->name);
    if (!data) return;
    for (int i = 0; i < data->field_count; i++) {
        const DataField *field = &data->fields[i];
        const char *shape = "";
        for (int a = 0; a < field->rank; a++)
            shape = arena_printf(h->arena, "%s%s%lld", shape, a ? ", " : "",
                                 (long long)field->shape[a]);
        say(h, "`%s.%s` : %s%s%s%s", s->name, field->name, data_type_names[field->type],
            field->rank ? "[" : "", shape, field->rank ? "]" : "");
    }
    if (data->rows)
        say(h, "%lld rows", (long long)data->rows);
    else
        say(h, "how many rows there are is not known here%s%s", data->absent ? ": " : "",
            data->absent ? data->absent : "");
}

static void show_module(Hover *h, const Symbol *s) {
    h->code = arena_printf(h->arena, "module %s", s->name);
    const Module *m = s->module;
    for (int i = 0; m && i < m->file_count; i++) {
        const CommentLines about = comment_at(h->arena, m->files[i]->text);
        if (about.of.count) say(h, "%s", about.of.items[0]);
    }
}

static void show_builtin(Hover *h, const char *name) {
    const char *call = name;
    const char *meaning = answer_builtin_meaning(name, &call);
    h->code = call;
    if (meaning) say(h, "%s", meaning);
}

static const char *symbol_word(SymbolKind kind) {
    switch (kind) {
    case SYMBOL_HYPER:
        return "hyper";
    case SYMBOL_VIEW:
        return "view";
    case SYMBOL_LET:
        return "let";
    case SYMBOL_PARAM:
        return "param";
    case SYMBOL_STATE:
        return "state";
    case SYMBOL_QUEUE:
        return "queue";
    case SYMBOL_COLUMN:
        return "column";
    case SYMBOL_DRAW:
        return "draw";
    case SYMBOL_STAGE:
        return "stage";
    case SYMBOL_ARGUMENT:
        return "argument";
    case SYMBOL_CONFIG:
        return "setting";
    case SYMBOL_DIMENSION:
        return "dimension";
    case SYMBOL_FIELD:
        return "field";
    case SYMBOL_NET_PART:
        return "part";
    case SYMBOL_NET_STATE:
        return "state";
    case SYMBOL_POISON:
    case SYMBOL_MODULE:
    case SYMBOL_DATA:
    case SYMBOL_NET:
    case SYMBOL_FN:
    case SYMBOL_OPTIMISER:
    case SYMBOL_LET_FN:
    case SYMBOL_INDEX:
    case SYMBOL_BUILTIN:
        return "";
    }
    return "";
}

static void show_symbol(Hover *h, const Name *name) {
    const Symbol *s = name->symbol;
    switch (s->kind) {
    case SYMBOL_FN:
    case SYMBOL_LET_FN:
    case SYMBOL_NET:
    case SYMBOL_OPTIMISER: {
        const char *said = s->stmt ? answer_comment(h->arena, s->stmt) : "";
        h->code = s->stmt ? answer_head(h->arena, s->stmt) : s->name;
        if (*said) say(h, "%s", said);
        if (s->stmt && s->stmt->span.source != h->analysis->file)
            say(h, "%s:%d", s->stmt->span.source->path, s->stmt->name_span.line);
        break;
    }
    case SYMBOL_MODULE:
        show_module(h, s);
        break;
    case SYMBOL_DATA:
        if (s->stmt) show_data(h, s->stmt);
        break;
    case SYMBOL_BUILTIN:
        show_builtin(h, s->name);
        break;
    case SYMBOL_INDEX:
        if (s->binder) show_index(h, s->binder);
        break;
    case SYMBOL_STAGE:
        h->code = arena_printf(h->arena, "stage %s", s->name);
        break;
    case SYMBOL_POISON:
        break;
    case SYMBOL_FIELD:
    case SYMBOL_HYPER:
    case SYMBOL_VIEW:
    case SYMBOL_NET_PART:
    case SYMBOL_NET_STATE:
    case SYMBOL_LET:
    case SYMBOL_PARAM:
    case SYMBOL_STATE:
    case SYMBOL_QUEUE:
    case SYMBOL_COLUMN:
    case SYMBOL_DRAW:
    case SYMBOL_ARGUMENT:
    case SYMBOL_CONFIG:
    case SYMBOL_DIMENSION:
        show_typed(h, symbol_word(s->kind), s->name,
                   name->e && name->e->type ? name->e->type : s->type);
        if (s->stmt && s->stmt->kind == STMT_LET && s->stmt->span.source) {
            const char *said = answer_comment(h->arena, s->stmt);
            if (*said) say(h, "%s", said);
        }
        break;
    }
}

static void show_name(Hover *h, const Name *name) {
    if (name->symbol)
        show_symbol(h, name);
    else if (name->binder)
        show_index(h, name->binder);
    else if (name->param)
        h->code = arena_printf(h->arena, "argument %s", name->param->name);
    else
        h->code = arena_strndup(h->arena, h->analysis->file->text + name->begin,
                                (size_t)(name->end - name->begin));
}

/* ---- the gradient ---------------------------------------------------------------------------- */

enum {
    SEEN = 1,    /* the loss reads the symbol */
    REACHED = 2, /* the gradient of the loss reaches the symbol */
};

static char *mark_of(Analysis *a, const Symbol *s) {
    char *mark = map_get(&a->reached, s);
    if (mark) return mark;
    mark = arena_alloc(a->arena, 1);
    map_put(a->arena, &a->reached, s, mark);
    return mark;
}

static bool visit_flow(void *context, const FlowVisit *v) {
    Analysis *a = context;
    const char mark = v->stopped ? SEEN : SEEN | REACHED;
    const char *part;
    const Stmt *net = flow_applied(v->e, &part);
    if (v->e->symbol) *mark_of(a, v->e->symbol) |= mark;
    if (net && net->symbol) *mark_of(a, net->symbol) |= mark;
    return true;
}

/* Marks the symbols that the losses read, by a walk back from them, once for each analysis. */
static void find_reached(Analysis *a) {
    if (a->has_reached) return;
    a->has_reached = true;
    flow_walk_losses(flow_new(a->arena, a->method), visit_flow, a);
}

static void say_gradient(Hover *h, const Symbol *s) {
    const bool holds = s->kind == SYMBOL_LET || s->kind == SYMBOL_PARAM || s->kind == SYMBOL_VIEW ||
                       s->kind == SYMBOL_QUEUE || s->kind == SYMBOL_STATE || s->kind == SYMBOL_NET;
    if (!holds || !s->stmt || s->module != h->analysis->method->spec) return;
    if (diag_error_count(h->analysis->diag)) return;
    bool loses = false;
    for (int i = 0; i < h->analysis->method->spec->stmt_count; i++)
        loses |= h->analysis->method->spec->stmts[i]->kind == STMT_LOSS;
    if (!loses) return;
    find_reached(h->analysis);
    const char *mark = map_get(&h->analysis->reached, s);
    const bool stopped =
        s->kind == SYMBOL_LET && s->stmt->value && s->stmt->value->kind == EXPR_STOP;
    const bool constant =
        s->kind == SYMBOL_VIEW || s->kind == SYMBOL_QUEUE || s->kind == SYMBOL_STATE;
    if (!mark)
        say(h, "the loss does not read it");
    else if (constant)
        say(h, "a constant to the gradient");
    else if (stopped)
        say(h, "no gradient reaches what it is made of: it is a `stop`");
    else if (*mark & REACHED)
        say(h, "the gradient of the loss reaches it");
    else
        say(h, "no gradient reaches it: the loss reads it under a `stop`, or where there is none");
}

/* ---- what the compiler knows ----------------------------------------------------------------- */

static void say_facts(Hover *h, const char *path, int begin, int end) {
    const FactList *facts = &h->document->facts;
    for (int i = 0; i < facts->count; i++) {
        const Fact *f = &facts->items[i];
        bool again = strcmp(f->path, path) != 0 || f->end <= begin || f->begin >= end;
        for (int k = 0; k < i && !again; k++)
            again = strcmp(facts->items[k].text, f->text) == 0 &&
                    strcmp(facts->items[k].path, path) == 0 && facts->items[k].end > begin &&
                    facts->items[k].begin < end;
        if (!again) say(h, "%s", f->text);
    }
}

static void say_facts_of(Hover *h, const Name *name) {
    const Stmt *s = name->stmt;
    const SymbolKind kind = name->symbol ? name->symbol->kind : SYMBOL_POISON;
    const bool computes = kind == SYMBOL_LET || kind == SYMBOL_LET_FN || kind == SYMBOL_FN;
    if (!computes || !s || !s->span.source) return;
    say_facts(h, s->span.source->path, s->span.begin, s->span.end);
}

/* ---- messages, codes and words --------------------------------------------------------------- */

static void say_code(Hover *h, const DiagCodeInfo *info) {
    say(h, "**%s**: %s. %s", info->code, info->meaning, info->why);
}

static void say_messages(Hover *h, int at) {
    DiagList list = diag_sorted(h->analysis->diag);
    for (int i = 0; i < list.count; i++) {
        const Span span = list.messages[i]->parts.items[0].span;
        if (span.source == h->analysis->file && span.begin <= at && at < span.end)
            say_code(h, &diag_codes[list.messages[i]->code]);
    }
    free(list.messages);
}

/* Explains a code that stands in a comment or a text, such as E402. */
static void say_named_code(Hover *h, int *begin, int *end) {
    const char *text = h->analysis->file->text;
    for (int i = 0; i < CODE_COUNT; i++) {
        const size_t length = strlen(diag_codes[i].code);
        if ((size_t)(*end - *begin) == length &&
            memcmp(text + *begin, diag_codes[i].code, length) == 0)
            say_code(h, &diag_codes[i]);
    }
}

/* Returns the range of a setting of `train` as words, or NULL if there is no such setting. */
static const char *setting_meaning(const char *name) {
    static const struct {
        const char *name;
        const char *range;
    } rows[] = {
#define TRAIN_SETTING(name, kind, low, high, range) {#name, range},
#include "lang/settings.def"
#undef TRAIN_SETTING
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].range;
    return NULL;
}

/* Returns the range of an option of the evaluation or the source `callee` as words, or NULL. */
static const char *option_meaning(const char *callee, const char *name) {
#define EVAL_OPTION(of, option, kind, low, high, standard, range)                                  \
    if (strcmp(#of, callee) == 0 && strcmp(#option, name) == 0) return range;
#include "lang/evals.def"
#undef EVAL_OPTION
    if (strncmp(callee, "data.", 5) != 0) return NULL;
    for (int i = 0; i < data_catalogue.setting_count; i++)
        if (strcmp(data_catalogue.settings[i].owner, callee + 5) == 0 &&
            strcmp(data_catalogue.settings[i].name, name) == 0)
            return data_catalogue.settings[i].range;
#define DATA_OPTION(option, kind, low, high, range)                                                \
    if (strcmp(#option, name) == 0) return range;
#include "lang/data_options.def"
#undef DATA_OPTION
    return NULL;
}

/* Explains a word that is a reader behind `data.`, or an evaluation. */
static void say_call(Hover *h, const CursorScope *scope, const char *word) {
    if (scope->owner && strcmp(scope->owner, "data") == 0)
        for (int i = 0; i < data_catalogue.reader_count; i++)
            if (strcmp(data_catalogue.readers[i].name, word) == 0)
                say(h, "a reader of data; its argument is %s",
                    data_catalogue.readers[i].of_split ? "the split, \"train\" or \"test\""
                                                       : "the path of the data");
    const OpenBracket *open = scope->open.count ? &scope->open.items[scope->open.count - 1] : NULL;
    if (!open || strcmp(open->word, "eval") != 0) return;
#define EVALUATION(name, meaning)                                                                  \
    if (strcmp(word, #name) == 0) say(h, meaning);
#include "lang/evaluations.def"
#undef EVALUATION
}

static void say_word(Hover *h, int at, int begin, int end) {
    const CursorScope scope = scope_at(h->arena, h->analysis->file, at);
    const char *word =
        arena_strndup(h->arena, h->analysis->file->text + begin, (size_t)(end - begin));
    const OpenBracket *open = scope.open.count ? &scope.open.items[scope.open.count - 1] : NULL;
    const char *block = open ? open->word : "";
    const char *range = NULL;
    if (strcmp(block, "train") == 0 || strcmp(block, "stage") == 0) range = setting_meaning(word);
    if (open && open->sign == '(') range = option_meaning(open->before, word);
    const char *meaning = answer_word_meaning(word);
    if (scope.is_comment || scope.is_text) {
        say_named_code(h, &begin, &end);
        return;
    }
    if (range)
        say(h, "`%s` is %s", word, range);
    else if (meaning && !scope.owner)
        say(h, "%s", meaning);
    say_call(h, &scope, word);
    if (strcmp(word, "train") == 0 || strcmp(word, "loss") == 0)
        say_facts(h, h->analysis->file->path, begin, end);
}

static void word_around(const Source *file, int *begin, int *end) {
    const char *text = file->text;
    while (*begin > 0 && (isalnum((unsigned char)text[*begin - 1]) || text[*begin - 1] == '_'))
        --*begin;
    while (isalnum((unsigned char)text[*end]) || text[*end] == '_')
        ++*end;
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* Shows the smallest formula around a place at which no name stands. Returns false if it has no
 * type. */
static bool show_expression(Hover *h, int at, int *begin, int *end) {
    const Expr *e = name_expr_at(h->analysis->method->spec, h->analysis->file, at);
    if (!e || !e->type || e->type->kind == KIND_POISON) return false;
    h->code = type_text(h->arena, e->type);
    say_bytes(h, e->type);
    say_facts(h, h->analysis->file->path, e->span.begin, e->span.end);
    *begin = e->span.begin;
    *end = e->span.end;
    return true;
}

static json_t *written(const Hover *h, int begin, int end) {
    if (!h->code && !*h->text) return NULL;
    const char *text = h->code ? arena_printf(h->arena, "```couplet\n%s\n```\n%s%s", h->code,
                                              *h->text ? "\n" : "", h->text)
                               : h->text;
    return json_pack("{s:{s:s, s:o}, s:o}", "contents", "kind", "markdown", "value",
                     reply_text(text), "range", reply_range(&h->analysis->lines, begin, end));
}

json_t *answer_hover(const Document *document, Analysis *a, int at) {
    Hover h = {.arena = arena_new(), .document = document, .analysis = a, .text = ""};
    const Name *name = name_at(&a->names, at);
    int begin = at;
    int end = at;
    if (name) {
        begin = name->begin;
        end = name->end;
        show_name(&h, name);
        if (name->symbol) say_gradient(&h, name->symbol);
        say_facts_of(&h, name);
    } else {
        word_around(a->file, &begin, &end);
        if (end > begin) say_word(&h, at, begin, end);
        if (!*h.text) show_expression(&h, at, &begin, &end);
    }
    say_messages(&h, at);
    json_t *answer = written(&h, begin, end);
    arena_free(h.arena);
    return answer;
}
