/* Makes a formula smaller as long as it shows the same disagreement (shrink.h). A part takes the
 * place of the whole, or a number the place of a part; lines, parameters and guards are dropped;
 * axes become shorter. The edit that gains most is tried first, and the first edit after which the
 * disagreement still shows is kept. */
#include "tests/differ/shrink.h"

#include "lang/ast_walk.h"
#include "runtime/npy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_TRIES = 600 };

/* An edit that puts `with` in place of text[begin, end). */
typedef struct Edit {
    int begin, end;
    const char *with;
} Edit;

typedef struct Edits {
    Arena *arena;
    const char *text;
    ARRAY(Edit) items;
} Edits;

static void add_edit(Edits *e, int begin, int end, const char *with) {
    if (begin >= 0 && end > begin && (int)strlen(with) < end - begin)
        array_push(e->arena, &e->items, ((Edit){begin, end, with}));
}

static const char *piece(const Edits *e, Span span) {
    return arena_printf(e->arena, "%.*s", span.end - span.begin, e->text + span.begin);
}

/* ---- what may become smaller ----------------------------------------------------------------- */

/* Proposes to put a part of an expression, or a number, in its place, and to drop the guard of a
 * reduction. */
static bool visit(void *context, Expr *x) {
    Edits *e = context;
    Span s = x->span;
    static const char *const numbers[] = {"1", "0.5", "0"};
    for (int i = 0; i < x->arg_count; i++) {
        add_edit(e, s.begin, s.end, arena_printf(e->arena, "(%s)", piece(e, x->args[i]->span)));
        add_edit(e, s.begin, s.end, piece(e, x->args[i]->span));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        add_edit(e, s.begin, s.end, numbers[i]);
    if (x->kind == EXPR_REDUCE && x->guard && x->binder_count) {
        const char *bar =
            memchr(e->text + x->binders[x->binder_count - 1]->span.end, '|',
                   (size_t)(x->guard->span.begin - x->binders[x->binder_count - 1]->span.end));
        if (bar) add_edit(e, (int)(bar - e->text), x->guard->span.end, "");
    }
    return true;
}

/* Proposes to drop a line with a statement, or all lines of a scan. */
static void drop_lines(Edits *e) {
    for (const char *at = e->text; *at;) {
        const char *end = at + strcspn(at, "\n") + 1;
        const char *word = at + strspn(at, " ");
        if (strncmp(word, "scan", 4) == 0)
            end = strstr(at, "  }\n") ? strstr(at, "  }\n") + 4 : end;
        bool statement = strncmp(word, "let", 3) == 0 || strncmp(word, "draw", 4) == 0 ||
                         strncmp(word, "scan", 4) == 0;
        if (statement) add_edit(e, (int)(at - e->text), (int)(end - e->text), "");
        at = end;
    }
}

/* Proposes to drop `x[N, D], ` of the signature, and to make `N=17` of the first line smaller. */
static void drop_params(Edits *e, const Stmt *fn) {
    for (int i = 0; i < fn->param_count; i++) {
        int begin = fn->params[i].span.begin;
        int end = begin;
        int depth = 0;
        for (; e->text[end] && (depth || (e->text[end] != ',' && e->text[end] != ')')); end++)
            depth += (e->text[end] == '[') - (e->text[end] == ']');
        if (e->text[end] == ',')
            end += 1 + (int)strspn(e->text + end + 1, " ");
        else
            while (i > 0 && (e->text[begin - 1] == ' ' || e->text[begin - 1] == ','))
                begin--;
        add_edit(e, begin, end, "");
    }
}

static void shorten_axes(Edits *e) {
    static const int64_t extents[] = {1, 2, 3, 4, 6, 9, 12};
    for (const char *at = e->text; *at != '\n'; at++) {
        if (!isupper((unsigned char)at[0]) || at[1] != '=') continue;
        char *end;
        long now = strtol(at + 2, &end, 10);
        for (size_t i = 0; i < sizeof extents / sizeof *extents && extents[i] < now; i++)
            array_push(e->arena, &e->items,
                       ((Edit){(int)(at + 2 - e->text), (int)(end - e->text),
                               arena_printf(e->arena, "%lld", (long long)extents[i])}));
    }
}

static int by_gain(const void *a, const void *b) {
    const Edit *x = a;
    const Edit *y = b;
    int gain_x = x->end - x->begin - (int)strlen(x->with);
    int gain_y = y->end - y->begin - (int)strlen(y->with);
    return gain_x != gain_y ? gain_y - gain_x : x->begin - y->begin;
}

static void find_edits(Edits *e) {
    Diag *diag = diag_new(e->arena);
    const Source source = {"formula.cpl", e->text, strlen(e->text)};
    Module *module = parse_module(e->arena, diag, &source, "formula");
    for (int i = 0; i < module->stmt_count; i++) {
        Stmt *s = module->stmts[i];
        for (int k = 0; k < s->body_count; k++)
            ast_walk_stmt(s->body[k], visit, e);
        if (s->kind == STMT_FN && i + 1 == module->stmt_count) drop_params(e, s);
    }
    drop_lines(e);
    qsort(e->items.items, (size_t)e->items.count, sizeof *e->items.items, by_gain);
    shorten_axes(e);
}

static const char *apply_edit(Arena *arena, const char *text, const Edit *e) {
    return arena_printf(arena, "%.*s%s%s", e->begin, text, e->with, text + e->end);
}

/* ---- trying ---------------------------------------------------------------------------------- */

static bool still_shows(Backends *b, const char *text, int kind, unsigned wanted) {
    Arena *arena = arena_new();
    Subject s;
    Verdict v;
    subject_of_text(&s, arena, "formula.cpl", text);
    judge(b, &s, 1, wanted, &v);
    arena_free(arena);
    return v.kind == kind;
}

/* Returns the text after the first edit that still shows the disagreement, or NULL if none does. */
static const char *shrink_once(Backends *b, Arena *arena, const char *text, int kind,
                               unsigned wanted, int *tries) {
    Edits e = {.arena = arena_new(), .text = text};
    const char *smaller = NULL;
    find_edits(&e);
    for (int i = 0; !smaller && i < e.items.count && *tries < MOST_TRIES; i++) {
        const char *candidate = apply_edit(e.arena, text, &e.items.items[i]);
        (*tries)++;
        if (still_shows(b, candidate, kind, wanted)) smaller = arena_printf(arena, "%s", candidate);
    }
    arena_free(e.arena);
    return smaller;
}

const char *shrink(Backends *b, Arena *arena, const char *text, int kind, unsigned wanted) {
    int tries = 0;
    for (const char *smaller; (smaller = shrink_once(b, arena, text, kind, wanted, &tries));)
        text = smaller;
    return text;
}

/* ---- showing --------------------------------------------------------------------------------- */

/* Writes an int32 array to a file in NumPy's format, version 1, row by row. */
static bool write_ints(const char *path, const double *values, int rank, const int64_t *shape,
                       int64_t count) {
    char head[128];
    char dims[64] = "";
    for (int i = 0; i < rank; i++)
        snprintf(dims + strlen(dims), sizeof dims - strlen(dims), "%lld, ", (long long)shape[i]);
    int length = snprintf(
        head, sizeof head,
        "\x93NUMPY\x01%cv%c{'descr': '<i4', 'fortran_order': False, 'shape': (%s)}", 0, 0, dims);
    memset(head + length, ' ', sizeof head - (size_t)length);
    head[127] = '\n';
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(head, sizeof head, 1, file) == 1;
    for (int64_t i = 0; good && i < count; i++) {
        int32_t word = (int32_t)values[i];
        good = fwrite(&word, sizeof word, 1, file) == 1;
    }
    return (!file || fclose(file) == 0) && good;
}

void show_case(Arena *arena, const char *folder, const char *name, const char *text,
               const char *sentence) {
    char error[512];
    Subject s;
    const char *path = arena_printf(arena, "%s/%s.cpl", folder, name);
    const char *inputs = "";
    subject_of_text(&s, arena, name, text);
    mkdir(folder, 0777);
    FILE *file = fopen(path, "wb");
    if (file) fputs(text, file), fclose(file);
    for (int i = 0; s.arrays && i < s.arrays->count; i++) {
        const FunctionInput *in = &s.arrays->inputs[i];
        const char *array = arena_printf(arena, "%s/%s_%s.npy", folder, name, in->name);
        if (in->is_constant) {
            inputs = arena_printf(arena, "%s --set %s=%g", inputs, in->name, in->value);
            continue;
        }
        bool good = in->type == GT_INT ? write_ints(array, s.arrays->values[i], in->rank, in->shape,
                                                    arrays_elements(s.arrays, i))
                                       : couplet_npy_write_f32(array, s.arrays->values[i], in->rank,
                                                               in->shape, error, sizeof error);
        if (good) inputs = arena_printf(arena, "%s --in %s=%s", inputs, in->name, array);
    }
    printf("\n%s: %s\n%s", name, sentence, text);
    printf("see it: differ %s\n", path);
    printf("or:     for d in reference cpu opencl; do couplet grad %s --fn %s%s --device $d --out "
           "%s/$d; done\n",
           path, s.function ? s.function : "f", inputs, folder);
    fflush(stdout);
}
