/* Opens a file or a text for other programs. driver/load.c does the work, and its messages are
 * collected instead of printed.
 *
 * A file is shared by its owner and by the formulas made of it, and is freed with the last of
 * them. Running out of memory must not end the caller's process, so everything that takes memory
 * runs where it can be caught. */
#include "compiler/library/file.h"

#include "compiler/driver/comment.h"
#include "compiler/driver/load.h"
#include "compiler/driver/report.h"
#include "compiler/library/problem.h"
#include "compiler/library/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening --------------------------------------------------------------------------------- */

typedef struct Opening {
    const char *path;
    const char *text;
    const CoupletValue *hypers;
    int hyper_count;
    CoupletFile *file;
    CoupletProblem *problem;
} Opening;

static Param *find_hyper(const Module *spec, const char *name, int *number) {
    for (int i = 0; i < spec->stmt_count; i++) {
        Stmt *s = spec->stmts[i];
        for (int p = 0; s->kind == STMT_HYPER && p < s->param_count; p++) {
            if (name ? strcmp(s->params[p].name, name) == 0 : (*number)-- == 0)
                return &s->params[p];
        }
    }
    return NULL;
}

static bool knows_hypers(const Opening *o, const Method *method, Diag *diag) {
    bool good = true;
    for (int i = 0; i < o->hyper_count; i++) {
        const char *name = o->hypers[i].name;
        if (find_hyper(method->spec, name, NULL)) continue;
        const Span nowhere = {.source = NULL};
        const char *names[64];
        const char *near;
        int count = 0;
        for (int number = 0; count < 64; number = ++count) {
            const Param *hyper = find_hyper(method->spec, NULL, &number);
            if (!hyper) break;
            names[count] = hyper->name;
        }
        diag_report(diag, CODE_SETTING, nowhere, "`%s` has no hyper `%s`", o->path, name);
        if ((near = diag_nearest(name, names, count)))
            diag_suggest(diag, "did you mean `%s`?", near);
        good = false;
    }
    return good;
}

static void take_hypers(Arena *arena, const Opening *o, Options *options) {
    for (int i = 0; i < o->hyper_count; i++) {
        const Setting setting = {o->hypers[i].name,
                                 arena_printf(arena, "%.17g", o->hypers[i].value)};
        array_push(arena, &options->sets, setting);
    }
}

static Method *load_program(const Opening *o, Arena *arena, Diag *diag, bool with_hypers) {
    const char *path = arena_strndup(arena, o->path, strlen(o->path));
    Options options = {.file = path, .text = o->text, .quiet = true};
    if (with_hypers) take_hypers(arena, o, &options);
    return load_method(arena, diag, path, &options);
}

/* Opens the file, and opens it again with the hypers. The names of the hypers are compared with
 * those of the file first, so that messages about names come in the order in which the caller gave
 * them, and ahead of messages about values. */
static void open_method_file(void *context) {
    Opening *o = context;
    CoupletFile *file = o->file;
    Diag *diag = diag_new(file->arena);
    report_collect(file->arena, diag, NULL);
    file->method = load_program(o, file->arena, diag, false);
    if (file->method && o->hyper_count > 0) {
        const bool known = knows_hypers(o, file->method, diag);
        if (known) diag = diag_new(file->arena);
        report_collect(file->arena, diag, NULL);
        file->method = known ? load_program(o, file->arena, diag, true) : NULL;
    }
    report_collect(NULL, NULL, NULL);
    if (file->method)
        file->warnings = problem_print(diag);
    else
        o->problem = problem_new(diag);
}

static CoupletStatus opened(Opening *o, bool had_memory, CoupletFile **file,
                            CoupletProblem **problem) {
    if (had_memory && o->file->method && o->file->warnings) {
        *file = o->file;
        return COUPLET_OK;
    }
    const CoupletStatus status =
        had_memory && !o->file->method ? COUPLET_ERROR_TEXT : COUPLET_ERROR_MEMORY;
    if (status == COUPLET_ERROR_MEMORY)
        o->problem = problem_of_sentence(CODE_MEMORY, "out of memory");
    couplet_file_free(o->file);
    if (problem)
        *problem = o->problem;
    else
        couplet_problem_free(o->problem);
    return status;
}

static CoupletFile *file_new(void) {
    CoupletFile *file = calloc(1, sizeof *file);
    if (!file) return NULL;
    atomic_init(&file->holders, 1);
    return file;
}

static void make_arena(void *context) {
    ((CoupletFile *)context)->arena = arena_new();
}

bool file_values_are_wrong(const char *call, const CoupletValue *hypers, int count, char *text,
                           size_t bytes) {
    bool wrong = count < 0 || (count > 0 && !hypers);
    for (int i = 0; i < count && !wrong; i++)
        wrong = !hypers[i].name;
    if (wrong) {
        snprintf(text, bytes, "%s: a pointer is NULL, or a count is negative", call);
    }
    for (int i = 0; i < count && !wrong; i++)
        for (int k = 0; k < i && !wrong; k++) {
            wrong = strcmp(hypers[i].name, hypers[k].name) == 0;
            if (wrong)
                snprintf(text, bytes, "%s: the hyper `%.99s` is given twice", call, hypers[i].name);
        }
    return wrong;
}

CoupletStatus couplet_file_open(const char *path, const char *text, const CoupletValue *hypers,
                                int hyper_count, CoupletFile **file, CoupletProblem **problem) {
    if (file) *file = NULL;
    if (problem) *problem = NULL;
    char wrong[200] = "couplet_file_open: a pointer is NULL";
    if (!path || !file ||
        file_values_are_wrong("couplet_file_open", hypers, hyper_count, wrong, sizeof wrong)) {
        if (problem) {
            *problem = problem_of_sentence(CODE_COMMAND_LINE, "%s", wrong);
        }
        return COUPLET_ERROR_ARGUMENT;
    }
    Opening o = {path, text, hypers, hyper_count, file_new(), NULL};
    if (!o.file) return COUPLET_ERROR_MEMORY;
    library_compiling_begin();
    const bool good = arena_guard(make_arena, o.file) && arena_guard(open_method_file, &o);
    report_collect(NULL, NULL, NULL);
    library_compiling_end();
    return opened(&o, good, file, problem);
}

void couplet_file_free(CoupletFile *file) {
    if (!file || atomic_fetch_sub(&file->holders, 1) > 1) return;
    free(file->warnings);
    arena_free(file->arena);
    free(file);
}

/* ---- what it holds --------------------------------------------------------------------------- */

const char *couplet_file_warnings(const CoupletFile *file) {
    return file ? file->warnings : "";
}

const char *couplet_file_function(const CoupletFile *file, int number) {
    const Module *spec = file ? file->method->spec : NULL;
    for (int i = 0; spec && number >= 0 && i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_FN && number-- == 0) return spec->stmts[i]->name;
    return NULL;
}

const char *couplet_file_hyper(const CoupletFile *file, int number) {
    const Param *hyper = file && number >= 0 ? find_hyper(file->method->spec, NULL, &number) : NULL;
    return hyper ? hyper->name : NULL;
}

static CoupletKind kind_of(const Type *type) {
    if (!type) return COUPLET_KIND_REAL;
    switch (type->kind) {
    case KIND_REAL:
        return COUPLET_KIND_REAL;
    case KIND_INT:
        return COUPLET_KIND_INT;
    case KIND_BOOL:
        return COUPLET_KIND_BOOL;
    case KIND_POISON:
    case KIND_STRING:
    case KIND_NET:
    case KIND_FN:
    case KIND_OPTIMISER:
    case KIND_DATA:
    case KIND_MODULE:
    case KIND_ANY_SHAPE:
        return COUPLET_KIND_OTHER;
    }
    return COUPLET_KIND_OTHER;
}

int couplet_file_parameter(const CoupletFile *file, const char *function, int number,
                           CoupletParameter *parameter) {
    const Stmt *fn = file && function ? method_find_function(file->method, function) : NULL;
    if (!fn || !parameter || number < 0 || number >= fn->param_count) return 0;
    const Param *p = &fn->params[number];
    *parameter = (CoupletParameter){.name = p->name,
                                    .kind = kind_of(p->type),
                                    .rank = p->type        ? p->type->rank
                                            : p->has_shape ? p->dim_count
                                                           : 0,
                                    .has_default = p->value != NULL};
    return 1;
}

/* ---- what it says of a function -------------------------------------------------------------- */

typedef struct About {
    const Stmt *fn;
    char *text; /* from malloc */
} About;

static void write_about(void *context) {
    About *about = context;
    const Source *source = about->fn->span.source;
    size_t length;
    Arena *arena = arena_new();
    const char *at = source->text + about->fn->span.begin;
    const CommentLines said = comment_above(arena, source->text, at);
    FILE *out = open_memstream(&about->text, &length);
    if (out) {
        comment_signature(about->fn, out);
        for (int i = 0; i < said.of.count; i++)
            fprintf(out, "%s%s\n", i ? "" : "\n\n", said.of.items[i]);
        fclose(out);
    }
    arena_free(arena);
}

int64_t couplet_file_about(const CoupletFile *file, const char *function, char *text,
                           size_t bytes) {
    About about = {file && function ? method_find_function(file->method, function) : NULL, NULL};
    if (!about.fn || (bytes > 0 && !text)) return -1;
    const bool good = arena_guard(write_about, &about) && about.text;
    const int64_t length = good ? (int64_t)strlen(about.text) : -1;
    if (good && bytes > 0) snprintf(text, bytes, "%s", about.text);
    free(about.text);
    return length;
}
