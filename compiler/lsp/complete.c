/* Completes what is being typed. The proposals for a place are members of a module, of data or of a
 * queue; settings of a block and arguments of a call; words that begin a statement; and names that
 * are known at the place. */
#include "compiler/lsp/answers.h"
#include "compiler/lsp/reply.h"
#include "compiler/lsp/scope.h"

#include "compiler/driver/comment.h"
#include "compiler/driver/load.h"
#include "compiler/driver/source_translation.h"
#include "lang/ast_walk.h"
#include "lang/evals.h"

#include <string.h>
#include <strings.h>

/* The kinds of items, as the protocol numbers them. */
typedef enum {
    ITEM_FUNCTION = 3,
    ITEM_FIELD = 5,
    ITEM_VARIABLE = 6,
    ITEM_MODULE = 9,
    ITEM_PROPERTY = 10,
    ITEM_KEYWORD = 14,
    ITEM_CONSTANT = 21,
    ITEM_TYPE_PARAMETER = 25
} ItemKind;

typedef struct Completion {
    Arena *arena;
    const Document *document;
    Analysis *analysis;
    CursorScope scope;
    int at;
    json_t *items;
    Map seen; /* the labels that are in the list */
} Completion;

static void add_item(Completion *c, const char *label, ItemKind kind, const char *detail,
                     const char *said) {
    if (!label || map_get(&c->seen, label)) return;
    c->seen.of_texts = true;
    map_put(c->arena, &c->seen, label, (void *)label);
    json_t *item = json_pack("{s:o, s:i}", "label", reply_text(label), "kind", (int)kind);
    if (detail && *detail) {
        json_object_set_new(item, "detail", reply_text(detail));
    }
    if (said && *said)
        json_object_set_new(item, "documentation",
                            json_pack("{s:s, s:o}", "kind", "markdown", "value", reply_text(said)));
    json_array_append_new(c->items, item);
}

/* Adds an option, whose name is followed by `=`. */
static void add_option(Completion *c, const char *name, const char *detail) {
    const int before = (int)json_array_size(c->items);
    add_item(c, name, ITEM_PROPERTY, detail, NULL);
    if ((int)json_array_size(c->items) == before) return;
    json_object_set_new(json_array_get(c->items, (size_t)before), "insertText",
                        reply_text(arena_printf(c->arena, "%s = ", name)));
}

/* ---- declared names -------------------------------------------------------------------------- */

static const char *typed(Completion *c, const Type *t) {
    return t && t->kind != KIND_POISON ? type_text(c->arena, t) : "";
}

static void add_params(Completion *c, const Param *params, int count, ItemKind kind) {
    for (int i = 0; i < count; i++)
        if (params[i].name) add_item(c, params[i].name, kind, typed(c, params[i].type), NULL);
}

static void add_binders(Completion *c, Binder *const *binders, int count) {
    for (int i = 0; i < count; i++)
        add_item(c, binders[i]->name, ITEM_VARIABLE, "index", NULL);
}

static void add_stmt(Completion *c, const Stmt *s) {
    switch (s->kind) {
    case STMT_FN:
    case STMT_NET:
    case STMT_OPTIMISER:
        add_item(c, s->name, ITEM_FUNCTION, answer_head(c->arena, s), answer_comment(c->arena, s));
        break;
    case STMT_USE:
        add_params(c, s->params, s->param_count, ITEM_MODULE);
        break;
    case STMT_HYPER:
    case STMT_VIEW:
    case STMT_PARAM:
    case STMT_STATE:
    case STMT_BANK:
    case STMT_DRAW:
        add_params(c, s->params, s->param_count, ITEM_VARIABLE);
        break;
    case STMT_LET:
        add_item(c, s->name, s->is_function ? ITEM_FUNCTION : ITEM_VARIABLE,
                 s->symbol ? typed(c, s->symbol->type) : "", answer_comment(c->arena, s));
        break;
    case STMT_DATA:
    case STMT_QUEUE:
    case STMT_STAGE:
        add_item(c, s->name, ITEM_VARIABLE, "", NULL);
        break;
    case STMT_WHEN:
        for (int i = 0; i < s->body_count; i++)
            add_stmt(c, s->body[i]);
        for (int i = 0; i < s->otherwise_count; i++)
            add_stmt(c, s->otherwise[i]);
        break;
    case STMT_SCAN:
        for (int i = 0; i < s->carry_count; i++)
            add_stmt(c, s->carry[i]);
        break;
    case STMT_UPDATE:
    case STMT_EMA:
    case STMT_LOSS:
    case STMT_RETURN:
    case STMT_NEXT:
    case STMT_TRAIN:
    case STMT_EVAL:
    case STMT_EVERY:
    case STMT_OVER:
    case STMT_REPORT:
    case STMT_GIVE:
    case STMT_START:
        break;
    }
}

/* Adds the indices that are bound by the expressions around the place. */
static bool add_indices(void *context, Expr *e) {
    Completion *c = context;
    const bool around = e->span.begin <= c->at && c->at <= e->span.end;
    if (around) add_binders(c, e->binders, e->binder_count);
    return around;
}

/* Adds the names that a statement declares ahead of the place, if the place is in the statement. */
static void add_inside(Completion *c, Stmt *s) {
    if (s->span.source != c->analysis->file || c->at < s->span.begin || c->at > s->span.end) return;
    add_params(c, s->config, s->config_count, ITEM_VARIABLE);
    if (s->kind == STMT_FN || s->kind == STMT_NET || s->kind == STMT_OPTIMISER || s->is_function)
        add_params(c, s->params, s->param_count, ITEM_VARIABLE);
    for (int i = 0; i < s->param_count; i++)
        for (int d = 0; d < s->params[i].dim_count; d++)
            if (s->params[i].dims[d]->kind == EXPR_NAME)
                add_item(c, s->params[i].dims[d]->name, ITEM_TYPE_PARAMETER, "dimension", NULL);
    add_binders(c, s->binders, s->binder_count);
    for (int i = 0; i < s->carry_count; i++)
        add_stmt(c, s->carry[i]);
    for (int i = 0; i < s->body_count; i++) {
        if (s->body[i]->span.begin < c->at) add_stmt(c, s->body[i]);
        add_inside(c, s->body[i]);
    }
    for (int i = 0; i < s->otherwise_count; i++)
        add_inside(c, s->otherwise[i]);
    ast_walk_stmt(s, add_indices, c);
}

static void add_module(Completion *c, const Module *m) {
    for (int i = 0; i < m->stmt_count; i++)
        add_stmt(c, m->stmts[i]);
}

static void add_names(Completion *c) {
    const Module *now = c->analysis->method->spec;
    for (int i = 0; i < now->stmt_count; i++)
        add_inside(c, now->stmts[i]);
    add_module(c, now);
    if (c->document->whole) {
        add_module(c, c->document->whole->method->spec);
    }
}

/* ---- words ----------------------------------------------------------------------------------- */

static void add_builtins(Completion *c) {
#define BUILTIN(name, low, high, rule, call, meaning)                                              \
    add_item(c, #name, (high) == 0 ? ITEM_CONSTANT : ITEM_FUNCTION, call, meaning);
#define ANY -1
#include "lang/builtins.def"
#undef ANY
#undef BUILTIN
}

/* The places at which a word is proposed: as the first word of a statement, within a formula, or
 * behind another word of a statement that begins with `after`. */
typedef enum {
    STANDS_FIRST,
    STANDS_WITHIN,
    STANDS_BEHIND,
} Stands;

static const struct {
    const char *text;
    const char *meaning;
    Stands stands;
    const char *after;
} words[] = {
#define FIRST(text, token, meaning)               {text, meaning, STANDS_FIRST, ""},
#define RESERVED(text, token, ends, meaning)      {text, meaning, STANDS_WITHIN, ""},
#define SOFT(text, token, after, inside, meaning) {text, meaning, STANDS_BEHIND, #after},
#include "lang/words.def"
#undef FIRST
#undef RESERVED
#undef SOFT
#define REDUCTION(text, name, takes, gives, slope, least, sign, meaning)                           \
    {#text, meaning, STANDS_WITHIN, ""},
#include "lang/reductions.def"
#undef REDUCTION
};

static void add_keywords(Completion *c, Stands stands) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const bool behind = stands == STANDS_BEHIND && *words[i].after != '0' &&
                            strcasecmp(words[i].after, c->scope.first) != 0;
        if (words[i].stands == stands && !behind)
            add_item(c, words[i].text, ITEM_KEYWORD, "", words[i].meaning);
    }
}

/* ---- members --------------------------------------------------------------------------------- */

static void add_readers(Completion *c) {
    for (int i = 0; i < data_catalogue.reader_count; i++)
        add_item(c, data_catalogue.readers[i].name, ITEM_FUNCTION, "a reader of data", NULL);
}

static void add_field_items(Completion *c, const Stmt *s, bool all) {
    const DataSource *data = s->data;
    for (int i = 0; data && i < data->field_count; i++)
        add_item(c, data->fields[i].name, ITEM_FIELD, data_type_names[data->fields[i].type], NULL);
    add_item(c, "index", ITEM_FIELD, "int", "the row of the sample in its data");
    if (!all) {
        add_item(c, "all", ITEM_FIELD, "", "the same field of all rows: `train.all.label`");
    }
}

/* Adds the named parts of a network, which may be a copy or another name of the network that has
 * them. */
static void add_part_items(Completion *c, const Stmt *net) {
    const Expr *whole = net->value;
    for (int hop = 0; whole && whole->kind != EXPR_COMPOSE && hop < 100; hop++) {
        const Expr *next = whole->kind == EXPR_COPY ? whole->args[0] : NULL;
        if (whole->kind == EXPR_NAME && whole->symbol && whole->symbol->stmt)
            next = whole->symbol->stmt->value;
        whole = next == whole ? NULL : next;
    }
    for (int i = 0; whole && whole->arg_names && i < whole->arg_count; i++)
        if (whole->arg_names[i]) add_item(c, whole->arg_names[i], ITEM_FIELD, "a part", NULL);
}

/* Returns the module of a name, also a module of the library that no `use` names yet, or NULL. */
static const Module *library_module(Completion *c, const char *name) {
    const Module *used = scope_find_module(c->analysis, name);
    Module *m = NULL;
    const Source *source;
    if (!used && c->document->whole) {
        used = scope_find_module(c->document->whole, name);
    }
    for (int part = 0; !used && (source = library_read(NULL, c->arena, name, part)); part++)
        m = module_join(c->arena, m, parse_module(c->arena, diag_new(c->arena), source, name));
    return used ? used : m;
}

static const Stmt *declared(const Completion *c, const char *name) {
    const Stmt *s = scope_find_declared(c->analysis, name);
    return s || !c->document->whole ? s : scope_find_declared(c->document->whole, name);
}

static void add_members(Completion *c, const char *owner) {
    const size_t length = strcspn(owner, ".");
    const char *first = arena_strndup(c->arena, owner, length);
    const bool all = strcmp(owner + length, ".all") == 0;
    const Stmt *s = declared(c, first);
    const Module *m = s || owner[length] ? NULL : library_module(c, first);
    if (strcmp(owner, "data") == 0) add_readers(c);
    for (int i = 0; m && i < m->stmt_count; i++)
        if (m->stmts[i]->kind == STMT_FN || m->stmts[i]->kind == STMT_NET ||
            m->stmts[i]->kind == STMT_OPTIMISER)
            add_stmt(c, m->stmts[i]);
    if (!s || (owner[length] && !all)) return;
    if (s->kind == STMT_DATA) add_field_items(c, s, all);
    if (s->kind == STMT_QUEUE) add_params(c, s->params, s->param_count, ITEM_FIELD);
    if (s->kind == STMT_NET && !all) add_part_items(c, s);
}

/* ---- blocks and calls ------------------------------------------------------------------------ */

static void add_settings(Completion *c) {
#define TRAIN_SETTING(name, kind, low, high, range) add_item(c, #name, ITEM_PROPERTY, range, NULL);
#include "lang/settings.def"
#undef TRAIN_SETTING
}

static void add_evaluations(Completion *c) {
#define EVALUATION(name, meaning)                                                                  \
    add_item(c, #name, ITEM_FUNCTION, #name "(features = .., bank = .., query = ..)", meaning);
#include "lang/evaluations.def"
#undef EVALUATION
}

static void add_evaluation_options(Completion *c, const char *evaluation) {
#define EVAL_OPTION(of, name, kind, low, high, standard, range)                                    \
    if (strcmp(#of, evaluation) == 0) add_option(c, #name, range);
#include "lang/evals.def"
#undef EVAL_OPTION
}

static void add_reader_options(Completion *c, const char *reader) {
    for (int i = 0; i < data_catalogue.setting_count; i++)
        if (strcmp(data_catalogue.settings[i].owner, reader) == 0)
            add_option(c, data_catalogue.settings[i].name, data_catalogue.settings[i].range);
#define DATA_OPTION(name, kind, low, high, range) add_option(c, #name, range);
#include "lang/data_options.def"
#undef DATA_OPTION
}

static void add_arguments(Completion *c, const char *callee) {
    const Stmt *s = declared(c, callee);
    const char *point = strchr(callee, '.');
    if (strncmp(callee, "data.", 5) == 0) {
        add_reader_options(c, callee + 5);
    }
    if (!s && point) {
        const Module *m =
            library_module(c, arena_strndup(c->arena, callee, (size_t)(point - callee)));
        s = m ? name_find_stmt(m, point + 1) : NULL;
    }
    if (!s) return;
    for (int i = 0; i < s->config_count; i++)
        add_option(c, s->config[i].name, typed(c, s->config[i].type));
    for (int i = 0; !s->has_config && i < s->param_count; i++)
        add_option(c, s->params[i].name, typed(c, s->params[i].type));
}

static bool is_block(const OpenBracket *open, const char *word) {
    return open && open->sign == '{' && strcmp(open->word, word) == 0;
}

static void add_what_fits(Completion *c) {
    const OpenBracket *open =
        c->scope.open.count ? &c->scope.open.items[c->scope.open.count - 1] : NULL;
    const bool settings = is_block(open, "train") || is_block(open, "stage");
    if (settings && (c->scope.begins || open->commas)) add_settings(c);
    if (is_block(open, "eval")) add_evaluations(c);
    if (open && open->sign == '(' && !*open->argument) {
        add_evaluation_options(c, open->before);
        add_arguments(c, open->before);
    }
    if (c->scope.begins && !settings) {
        add_keywords(c, STANDS_FIRST);
        return;
    }
    add_names(c);
    add_keywords(c, STANDS_BEHIND);
    add_keywords(c, STANDS_WITHIN);
    add_builtins(c);
}

static void add_modules(Completion *c) {
    for (const LibraryFile *f = library_files; f->module; f++) {
        const CommentLines about = comment_at(c->arena, f->text);
        add_item(c, f->module, ITEM_MODULE, about.of.count ? about.of.items[0] : "", NULL);
    }
}

json_t *answer_completion(const Document *document, Analysis *a, int at) {
    Completion c = {.arena = arena_new(), .document = document, .analysis = a, .at = at};
    c.items = json_array();
    c.scope = scope_at(c.arena, a->file, at);
    const bool code = !c.scope.is_comment && !c.scope.is_text;
    if (code && c.scope.owner)
        add_members(&c, c.scope.owner);
    else if (code && strcmp(c.scope.first, "use") == 0 && !c.scope.begins)
        add_modules(&c);
    else if (code)
        add_what_fits(&c);
    arena_free(c.arena);
    return json_pack("{s:b, s:o}", "isIncomplete", 0, "items", c.items);
}
