/* Checks `use`. A module of the library is used by its name, and a file or a folder of the user's
 * by its path.
 *
 * A module is loaded and checked where it is used first, and every later `use` means the same
 * module. A module that is used while it is being checked uses itself; the stack of uses shows by
 * which way. */
#include "lang/check.h"

#include <ctype.h>
#include <string.h>

/* ---- modules of the library ------------------------------------------------------------------ */

/* Returns the module of the library if it is loaded, or NULL. */
static Module *find_library(const Check *c, const char *name) {
    for (int i = 0; i < c->modules.count; i++) {
        Module *m = c->modules.items[i];
        if (!m->used && m != c->method->spec && strcmp(m->name, name) == 0) return m;
    }
    return NULL;
}

/* True if a file NAME.cpl stands beside the file `from`, so that its path was meant. */
static bool is_file_beside(Check *c, const char *name, const Source *from) {
    const char *sentence;
    const char *help;
    const char *path = arena_printf(c->arena, "%s.cpl", name);
    return c->hooks->files &&
           c->hooks->files(c->hooks->context, c->arena, from, path, &sentence, &help);
}

static void report_no_module(Check *c, const char *name, Span span) {
    static const char *const known[] = {"nn",  "losses", "measure", "cluster", "stats", "pair",
                                        "mix", "optim",  "anneal",  "augment", "data"};
    diag_report(c->diag, CODE_UNKNOWN_MODULE, span, "the library has no module `%s`", name);
    const char *near = diag_nearest(name, known, (int)(sizeof known / sizeof *known));
    if (is_file_beside(c, name, span.source))
        diag_suggest(c->diag, "the file beside this one is used by its path: `use \"%s.cpl\"`",
                     name);
    else if (near)
        diag_mean(c->diag, span, near);
    else
        diag_suggest(c->diag, "there are nn, losses, measure, optim, anneal, augment, cluster, "
                              "stats, pair and mix");
}

/* Checks a module that was just loaded. The module has no `train`, so the batch of the method is
 * put aside and restored. */
static void check_loaded(Check *c, Module *m, Span span) {
    const int64_t batch = c->batch;
    const bool names_batch = c->names_batch;
    array_push(c->arena, &c->uses, ((UseOf){m, span}));
    check_module(c, m);
    c->uses.count--;
    c->batch = batch;
    c->names_batch = names_batch;
}

/* Returns the module of the library, which is loaded if it is not yet, or NULL after a message. */
static Module *library_module(Check *c, const char *name, Span span) {
    /* The module `data` is built in. It has nothing but the readers, which only `data` statements
     * name. */
    if (strcmp(name, "data") == 0) {
        static Module data = {.name = "data"};
        return &data;
    }
    Module *m = find_library(c, name);
    if (m) return m;
    const Source *source;
    for (int part = 0; (source = c->hooks->module(c->hooks->context, c->arena, name, part)); part++)
        m = module_join(c->arena, m, parse_module(c->arena, c->diag, source, name));
    if (m)
        check_loaded(c, m, span);
    else
        report_no_module(c, name, span);
    return m;
}

/* ---- files and folders of the user's --------------------------------------------------------- */

/* Returns the module of a file or a folder if it is loaded, or NULL. */
static Module *find_own(const Check *c, const UsedFiles *used) {
    for (int i = 0; i < c->modules.count; i++)
        if (c->modules.items[i]->used == used) return c->modules.items[i];
    return NULL;
}

/* True after a message: the module is used while it is being checked, and so uses itself. The notes
 * are the places of `use` that lead from the module back to it. */
static bool closes_circle(Check *c, const Module *m, Span span) {
    int first = -1;
    for (int i = 0; i < c->uses.count; i++)
        if (c->uses.items[i].module == m) first = i;
    if (first < 0 && m != c->method->spec) return false;
    diag_report(c->diag, CODE_OWN_MODULE, span, "`%s` uses itself%s", m->source->path,
                first + 1 < c->uses.count ? ", by way of others" : "");
    for (int i = first + 1; i < c->uses.count; i++)
        diag_note(c->diag, c->uses.items[i].span, "`%s` is used here",
                  c->uses.items[i].module->source->path);
    diag_suggest(c->diag, "what both need stands in a file of its own, which both use");
    return true;
}

/* True for a statement that may stand in a module. A network without a list has weights of its own,
 * so it belongs to a method. */
static bool may_be_used(const Stmt *s) {
    return s->kind == STMT_USE || s->kind == STMT_FN || s->kind == STMT_OPTIMISER ||
           (s->kind == STMT_NET && s->has_config);
}

static void report_unusable(Check *c, const Stmt *s, Span span) {
    if (s->kind == STMT_NET) {
        diag_report(c->diag, CODE_OWN_MODULE, s->name_span,
                    "`%s` is a network of a method, and this file is used as a module", s->name);
        diag_suggest(c->diag,
                     "with a list for its configuration each method makes its own: "
                     "`net %s() = ..`",
                     s->name);
    } else {
        diag_report(c->diag, CODE_OWN_MODULE, s->span,
                    "this statement belongs to a method, and this file is used as a module");
        diag_suggest(c->diag, "functions, networks and optimisers that several methods use stand "
                              "in a file of their own");
    }
    diag_note(c->diag, span, "it is used here");
}

/* Drops the statements that a module may not contain, and reports the first of them. They count as
 * broken text, so that nothing is said about the names that they declare. */
static void keep_usable(Check *c, Module *m, Span span) {
    int kept = 0;
    bool said = false;
    Span *broken = arena_array(c->arena, Span, m->broken_count + m->stmt_count + 1);
    for (int i = 0; i < m->broken_count; i++)
        broken[i] = m->broken[i];
    m->broken = broken;
    for (int i = 0; i < m->stmt_count; i++) {
        Stmt *s = m->stmts[i];
        if (may_be_used(s)) {
            m->stmts[kept++] = s;
            continue;
        }
        broken[m->broken_count++] = s->span;
        if (!said) report_unusable(c, s, span);
        said = true;
    }
    m->stmt_count = kept;
}

/* Parses the files of the module, joins them, and checks the result. */
static Module *load_own(Check *c, const UsedFiles *used, Span span) {
    const int errors = diag_error_count(c->diag);
    Module *m = NULL;
    for (int i = 0; i < used->file_count; i++)
        m = module_join(c->arena, m, parse_module(c->arena, c->diag, used->files[i], used->name));
    m->used = used;
    c->is_broken |= diag_error_count(c->diag) > errors;
    keep_usable(c, m, span);
    check_loaded(c, m, span);
    return m;
}

/* Returns the module that the path leads to, which is loaded if it is not yet. NULL after a
 * message. */
static Module *own_module(Check *c, const Param *p) {
    const char *sentence = "there is no file that could be used from here";
    const char *help = NULL;
    const UsedFiles *used = c->hooks->files
                                ? c->hooks->files(c->hooks->context, c->arena, p->span.source,
                                                  p->path, &sentence, &help)
                                : NULL;
    if (!used) {
        diag_report(c->diag, CODE_OWN_MODULE, p->span, "%s", sentence);
        if (help) diag_suggest(c->diag, "%s", help);
        return NULL;
    }
    Module *m = find_own(c, used);
    if (!m) return load_own(c, used, p->span);
    return closes_circle(c, m, p->span) ? NULL : m;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* True if the text can name a module: letters, digits and `_`, and no word of the language. */
static bool is_name(const char *text) {
    static const char *const reserved[] = {
#define RESERVED(text, token, ends, meaning) text,
#include "lang/words.def"
#undef RESERVED
    };
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(reserved[i], text) == 0) return false;
    for (const char *at = text; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '_') return false;
    return *text && !isdigit((unsigned char)*text);
}

/* Makes a name of a text that is none: "my_loss" of "my-loss", and "m" where nothing is left. */
static const char *made_name(Check *c, const char *text) {
    char *name = arena_strndup(c->arena, text, strlen(text));
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at)) *at = '_';
    return *name && !isdigit((unsigned char)*name) ? name : "m";
}

/* Returns the last part of a path, without its ending: "heads" of "./parts/heads.cpl". */
static const char *name_of_path(Check *c, const char *path) {
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        length--;
    if (length > 4 && strncmp(path + length - 4, ".cpl", 4) == 0) {
        length -= 4;
    }
    size_t begin = length;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    return arena_intern(c->arena, path + begin, length - begin);
}

/* Returns the name behind `as`, or else the name of the file or the folder. NULL after a
 * message. */
static const char *name_of_own(Check *c, const Param *p) {
    if (p->name) return p->name;
    const char *name = name_of_path(c, p->path);
    if (is_name(name)) return name;
    diag_report(c->diag, CODE_OWN_MODULE, p->span,
                "`%s` names no module: a name is letters, digits and `_`", name);
    diag_suggest(c->diag, "a name for it stands behind `as`: `use \"%s\" as %s`", p->path,
                 made_name(c, name));
    return NULL;
}

/* True if another file of the same module uses this module under this name already. That is no
 * mistake, because each file says what it needs. */
static bool is_of_another_file(const Check *c, const Param *p, const Module *m) {
    const Symbol *s = scope_find_in(c->at.scope, p->name);
    return s && s->kind == SYMBOL_MODULE && s->span.source != p->span.source && s->module == m;
}

static void declare_use(Check *c, Stmt *s, Param *p, Module *m) {
    if (is_of_another_file(c, p, m)) return;
    const Symbol *other = scope_find_in(c->at.scope, p->name);
    Symbol *symbol = scope_declare(c, SYMBOL_MODULE, p->name, p->span, s, NULL);
    if (p->path && other)
        diag_suggest(c->diag, "another name for it stands behind `as`: `use \"%s\" as %s2`",
                     p->path, p->name);
    symbol->module = m;
    symbol->type = m ? type_make(c, KIND_MODULE, 0, NULL) : type_poison(c);
    p->symbol = symbol;
}

/* Declares the name of a module that could not be loaded, so that its uses are no further
 * errors. */
static void declare_unusable(Check *c, Stmt *s, Param *p) {
    if (!p->name) p->name = name_of_path(c, p->path);
    if (!scope_find_in(c->at.scope, p->name)) declare_use(c, s, p, NULL);
}

void check_use(Check *c, Stmt *s) {
    for (int i = 0; i < s->param_count; i++) {
        Param *p = &s->params[i];
        if (!p->path) {
            declare_use(c, s, p, library_module(c, p->name, p->span));
            continue;
        }
        Module *m = own_module(c, p);
        if (!m)
            declare_unusable(c, s, p);
        else if ((p->name = name_of_own(c, p)))
            declare_use(c, s, p, m);
    }
}
