/* Reads a graph back from its text form (text.c). Nothing is folded on the way, so the graph prints
 * as the same text again. */
#include "compiler/graph/private.h"
#include "compiler/graph/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_NODES = 10000000,
    DEEPEST = 400,
};

typedef struct Reader {
    Arena *arena;
    Diag *diag;
    const Source *source;
    Graph *g;
    const char *at; /* the next character */
    int line;
    const char *line_start;
    bool failed;
    int depth;
    ARRAY(GNode *) nodes;       /* by the number in the text; NULL: not read yet */
    ARRAY(const GExpr *) parts; /* the parts t1, t2, .. of the node at hand */
    ARRAY(Source *) files;
    /* the line of the node at hand */
    int node_line;
    const char *comment; /* the comment on that line, from its # on */
    int64_t shape[GRAPH_MAX_RANK];
    int64_t red_shape[GRAPH_MAX_RANK];
    int rank;
    int red_rank;
    Span place;
    const char *name;
} Reader;

/* ---- characters and words -------------------------------------------------------------------- */

static Span here(const Reader *r) {
    int begin = (int)(r->at - r->source->text);
    return (Span){r->source, begin, begin + 1, r->line, (int)(r->at - r->line_start) + 1};
}

/* Reports an error, unless there was one. What follows a first error would be guesses. */
static bool wrong(Reader *r, const char *sentence) {
    if (!r->failed) {
        diag_report(r->diag, CODE_GRAPH_TEXT, here(r), "%s", sentence);
    }
    r->failed = true;
    return false;
}

static void skip_comment(Reader *r) {
    if (!r->comment && r->line == r->node_line) r->comment = r->at;
    while (*r->at && *r->at != '\n')
        r->at++;
}

static void skip_space(Reader *r) {
    for (;; r->at++) {
        if (*r->at == '#') skip_comment(r);
        if (*r->at == '\n') {
            r->line++;
            r->line_start = r->at + 1;
        } else if (*r->at != ' ' && *r->at != '\t' && *r->at != '\r') {
            return;
        }
    }
}

static bool looking_at(Reader *r, const char *text) {
    skip_space(r);
    size_t length = strlen(text);
    if (strncmp(r->at, text, length) != 0) return false;
    bool word = isalnum((unsigned char)text[length - 1]);
    return !word || !(isalnum((unsigned char)r->at[length]) || r->at[length] == '_');
}

static bool accept(Reader *r, const char *text) {
    if (!looking_at(r, text)) return false;
    r->at += strlen(text);
    return true;
}

static bool expect_text(Reader *r, const char *text) {
    if (r->failed) return false;
    return accept(r, text) || wrong(r, arena_printf(r->arena, "`%s` is expected here", text));
}

static const char *read_word(Reader *r) {
    skip_space(r);
    const char *begin = r->at;
    while (isalnum((unsigned char)*r->at) || *r->at == '_')
        r->at++;
    return arena_intern(r->arena, begin, (size_t)(r->at - begin));
}

static bool read_string(Reader *r, const char **out) {
    if (!expect_text(r, "\"")) return false;
    char *text = arena_alloc(r->arena, strcspn(r->at, "\n") + 1);
    size_t length = 0;
    for (; *r->at && *r->at != '"' && *r->at != '\n'; r->at++) {
        if (*r->at == '\\' && (r->at[1] == '"' || r->at[1] == '\\')) r->at++;
        text[length++] = *r->at;
    }
    if (*r->at != '"') return wrong(r, "this string has no end on its line");
    r->at++;
    *out = arena_intern(r->arena, text, length);
    return true;
}

static bool read_whole(Reader *r, int64_t low, int64_t high, int64_t *out) {
    skip_space(r);
    char *end;
    errno = 0;
    long long value = strtoll(r->at, &end, 10);
    if (r->failed || end == r->at) return wrong(r, "a whole number is expected here");
    if (errno || value < low || value > high)
        return wrong(r, arena_printf(r->arena, "a number from %lld to %lld is expected here",
                                     (long long)low, (long long)high));
    r->at = end;
    *out = value;
    return true;
}

static int find_word(Reader *r, const char *const *words, int count, const char *what) {
    skip_space(r);
    const char *before = r->at;
    const char *word = read_word(r);
    for (int i = 0; i < count; i++)
        if (words[i] && strcmp(words[i], word) == 0) return i;
    r->at = before;
    const char *near = diag_nearest(word, words, count);
    bool first = !r->failed;
    wrong(r, arena_printf(r->arena, "there is no %s `%s`", what, word));
    if (near && first) {
        diag_suggest(r->diag, "did you mean `%s`?", near);
    }
    return -1;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static const GExpr *read_expr(Reader *r);

/* Reads expressions with commas between them. The caller reads the bracket or the word that ends
 * them. */
static bool read_args(Reader *r, int most, int *count, const GExpr **args) {
    *count = 0;
    if (looking_at(r, "]") || looking_at(r, ")")) return true;
    do {
        if (*count == most) return wrong(r, "there are too many here");
        args[(*count)++] = read_expr(r);
        if (r->failed) return false;
    } while (accept(r, ","));
    return true;
}

static GNode *read_node(Reader *r) {
    int64_t number;
    if (!expect_text(r, "%") || !read_whole(r, 0, MOST_NODES, &number)) return NULL;
    if (number < r->nodes.count && r->nodes.items[number]) return r->nodes.items[number];
    wrong(r,
          arena_printf(r->arena, "the node %%%lld does not come before this", (long long)number));
    return NULL;
}

static const GExpr *read_load(Reader *r) {
    GExpr e = {.op = G_LOAD};
    e.tensor = read_node(r);
    if (!e.tensor || !expect_text(r, "[") || !read_args(r, GRAPH_MAX_RANK, &e.arg_count, e.args))
        return NULL;
    e.type = e.tensor->type == GT_U8 ? GT_REAL : e.tensor->type;
    int rank = e.arg_count;
    if (accept(r, "else")) {
        e.has_else = true;
        e.args[e.arg_count++] = read_expr(r);
    }
    if (!expect_text(r, "]")) return NULL;
    if (rank == e.tensor->rank) return graph_intern_expr(r->g, &e);
    wrong(r, arena_printf(r->arena, "%%%u has %d axes, and it is read with %d indices",
                          e.tensor->id, e.tensor->rank, rank));
    return NULL;
}

/* Reads a number, inf or nan. */
static const GExpr *read_number(Reader *r) {
    char *end;
    double real = strtod(r->at, &end);
    size_t length = (size_t)(end - r->at);
    bool is_real = false;
    for (size_t i = 0; i < length; i++)
        is_real |= strchr(".eEinxXpP", r->at[i]) != NULL;
    if (is_real) {
        r->at = end;
        return gx_real(r->g, real);
    }
    int64_t whole;
    return read_whole(r, INT64_MIN, INT64_MAX, &whole) ? gx_int(r->g, whole) : NULL;
}

/* Reads the number behind the letter, as in i3 or t3. */
static bool read_numbered(Reader *r, char letter, int64_t high, int64_t *out) {
    if (*r->at != letter || !isdigit((unsigned char)r->at[1])) return false;
    r->at++;
    return read_whole(r, 0, high, out);
}

static const GExpr *read_operation(Reader *r) {
    GExpr e = {.op = G_OP_COUNT};
    int op = find_word(r, graph_op_words, G_OP_COUNT, "operation");
    if (op < 0 || !expect_text(r, "(") || !read_args(r, GRAPH_MAX_RANK, &e.arg_count, e.args) ||
        !expect_text(r, ")"))
        return NULL;
    if (e.arg_count != graph_op_arity[op]) {
        wrong(r, arena_printf(r->arena, "`%s` takes %d, and %d are given", graph_op_words[op],
                              graph_op_arity[op], e.arg_count));
        return NULL;
    }
    e.op = (GOp)op;
    e.type = op == G_RANDOM ? GT_REAL : graph_op_type(e.op, e.arg_count, e.args);
    return graph_intern_expr(r->g, &e);
}

static const GExpr *read_atom(Reader *r) {
    int64_t number;
    skip_space(r);
    if (*r->at == '%') return read_load(r);
    if (accept(r, "true")) return gx_bool(r->g, true);
    if (accept(r, "false")) return gx_bool(r->g, false);
    if (isdigit((unsigned char)*r->at) || *r->at == '-' || looking_at(r, "inf") ||
        looking_at(r, "nan"))
        return read_number(r);
    if (read_numbered(r, 'i', 2 * GRAPH_MAX_RANK - 1, &number))
        return graph_node_index(r->g, (int)number);
    if (read_numbered(r, 't', INT32_MAX, &number)) {
        if (number >= 1 && number <= r->parts.count) return r->parts.items[number - 1];
        wrong(r, arena_printf(r->arena, "t%lld is not said before this", (long long)number));
        return NULL;
    }
    return r->failed ? NULL : read_operation(r);
}

static const GExpr *read_expr(Reader *r) {
    if (r->failed) return NULL;
    if (++r->depth > DEEPEST) {
        wrong(r, "this expression is nested too deeply; name a part of it with `let`");
        return NULL;
    }
    const GExpr *e = read_atom(r);
    r->depth--;
    if (!e) wrong(r, "an expression is expected here");
    return e;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static bool read_shape(Reader *r, int64_t *shape, int *rank) {
    *rank = 0;
    if (!accept(r, "[")) return true;
    double elements = 1;
    do {
        if (*rank == GRAPH_MAX_RANK)
            return wrong(r, arena_printf(r->arena, "an array has at most %d axes", GRAPH_MAX_RANK));
        if (!read_whole(r, 1, INT32_MAX, &shape[*rank])) return false;
        elements *= (double)shape[(*rank)++];
    } while (accept(r, ","));
    if (elements > 1e12) return wrong(r, "an array this large fits no memory");
    return expect_text(r, "]");
}

/* Reads `path:line name` behind the #, if the comment has this form. */
static void read_place(Reader *r) {
    r->place = (Span){0};
    r->name = NULL;
    skip_space(r);
    if (!r->comment) return;
    const char *begin = r->comment + 1 + strspn(r->comment + 1, " ");
    const char *end = begin + strcspn(begin, "\r\n");
    const char *colon = end;
    if (begin[0] == '-' && begin[1] == ' ') {
        r->name = arena_intern(r->arena, begin + 2, (size_t)(end - begin - 2));
        return;
    }
    while (colon > begin && !(*colon == ':' && isdigit((unsigned char)colon[1])))
        colon--;
    if (colon == begin) return;
    const char *path = arena_intern(r->arena, begin, (size_t)(colon - begin));
    const char *after = colon + 1;
    long line = strtol(after, (char **)(uintptr_t)&after, 10);
    if (after != end && *after != ' ') return;
    if (after != end) r->name = arena_intern(r->arena, after + 1, (size_t)(end - after - 1));
    for (int i = 0; i < r->files.count; i++)
        if (r->files.items[i]->path == path)
            r->place = (Span){.source = r->files.items[i], .line = (int)line};
    if (r->place.source) return;
    Source *file = arena_new_of(r->arena, Source);
    *file = (Source){path, "", 0};
    array_push(r->arena, &r->files, file);
    r->place = (Span){.source = file, .line = (int)line};
}

static GNode *read_compute(Reader *r) {
    GNode draft;
    memset(&draft, 0, sizeof draft);
    draft.kind = GN_COMPUTE;
    int reducer = find_word(r, graph_reducer_words, GRAPH_REDUCERS, "reducer");
    if (reducer < 0 || !read_shape(r, r->red_shape, &r->red_rank)) return NULL;
    draft.reducer = (GReducer)reducer;
    draft.rank = r->rank;
    draft.red_rank = r->red_rank;
    memcpy(draft.shape, r->shape, sizeof draft.shape);
    memcpy(draft.red_shape, r->red_shape, sizeof draft.red_shape);
    if (draft.rank + draft.red_rank > GRAPH_MAX_INDICES) return NULL;
    draft.empty_is_error = accept(r, "nonempty");
    draft.streamed = accept(r, "streamed");
    while (accept(r, "again"))
        draft.again++;
    read_place(r);
    r->parts.count = 0;
    while (!r->failed && accept(r, "let")) {
        int64_t number;
        skip_space(r);
        if (!read_numbered(r, 't', INT32_MAX, &number) || number != r->parts.count + 1) {
            wrong(r, arena_printf(r->arena, "the next part is called t%d", r->parts.count + 1));
            return NULL;
        }
        if (!expect_text(r, "=")) return NULL;
        const GExpr *part = read_expr(r);
        array_push(r->arena, &r->parts, part);
    }
    if (accept(r, "active")) draft.active = read_expr(r);
    if (accept(r, "where")) draft.guard = read_expr(r);
    if (!expect_text(r, "=")) return NULL;
    draft.value = read_expr(r);
    return r->failed ? NULL : graph_intern_compute(r->g, &draft, r->name, r->place);
}

static GNode *read_named(Reader *r, GNodeKind kind, GType type) {
    const char *name;
    if (!read_string(r, &name)) return NULL;
    if (graph_find_named(r->g, kind, name)) {
        wrong(r, arena_printf(r->arena, "`%s` stands here a second time", name));
        return NULL;
    }
    read_place(r);
    return kind == GN_INPUT ? graph_input(r->g, name, type, r->rank, r->shape, r->place)
                            : graph_state(r->g, name, type, r->rank, r->shape, r->place);
}

static GNode *read_constant(Reader *r, GType type) {
    int64_t count = 1;
    for (int i = 0; i < r->rank; i++)
        count *= r->shape[i];
    ARRAY(double) data = {0};
    if (!expect_text(r, "[")) return NULL;
    for (int64_t i = 0; i < count; i++) {
        if (i && !expect_text(r, ",")) return NULL;
        skip_space(r);
        char *end;
        double value = strtod(r->at, &end);
        if (end == r->at) {
            wrong(r, arena_printf(r->arena, "a number is expected here: entry %lld of %lld",
                                  (long long)i + 1, (long long)count));
            return NULL;
        }
        r->at = end;
        array_push(r->arena, &data, value);
    }
    if (!expect_text(r, "]")) return NULL;
    read_place(r);
    return graph_constant(r->g, type, r->rank, r->shape, data.items, r->place);
}

static GNode *read_call(Reader *r, GNodeKind kind) {
    GNode *operand = read_node(r);
    if (!operand) return NULL;
    read_place(r);
    if (kind == GN_STOP) return graph_stop(r->g, operand, r->place);
    if (operand->rank > 0 && operand->type == GT_REAL && r->rank == operand->rank)
        return graph_topk(r->g, operand, r->shape[r->rank - 1], r->place);
    wrong(r, "topk takes an array of reals with as many axes as its result");
    return NULL;
}

/* Reads a call such as "call solve %3, %4". Checks no more than graph_call needs; the verifier
 * looks at the shapes. */
static GNode *read_library_call(Reader *r) {
    int call = 0;
    while (call < COUPLET_CALL_COUNT && !accept(r, couplet_calls[call].name))
        call++;
    if (call == COUPLET_CALL_COUNT) {
        wrong(r, "a library call is expected here, one of runtime/calls.def");
        return NULL;
    }
    const CoupletCall *row = &couplet_calls[call];
    GNode *operands[COUPLET_CALL_OPERANDS];
    for (int i = 0; i < COUPLET_CALL_OPERANDS && row->operand_axes[i] >= 0; i++) {
        if (i && !expect_text(r, ",")) return NULL;
        if (!(operands[i] = read_node(r))) return NULL;
    }
    read_place(r);
    int batch = r->rank - row->result_axes;
    if (batch < 0 || operands[0]->rank != batch + row->operand_axes[0]) {
        wrong(r, "the call's first operand and its result differ in their axes");
        return NULL;
    }
    return graph_call(r->g, (CoupletCallKind)call, operands, row->result_axes ? r->shape[batch] : 0,
                      r->place);
}

static GNode *read_kind(Reader *r, GType type) {
    if (accept(r, "compute")) return read_compute(r);
    if (accept(r, "input")) return read_named(r, GN_INPUT, type);
    if (accept(r, "state")) return read_named(r, GN_STATE, type);
    if (accept(r, "const")) return read_constant(r, type);
    if (accept(r, "stop")) return read_call(r, GN_STOP);
    if (accept(r, "topk")) return read_call(r, GN_TOPK);
    if (accept(r, "call")) return read_library_call(r);
    wrong(r, "a kind of node is expected here: compute, input, state, const, stop, topk or call");
    return NULL;
}

static bool read_definition(Reader *r) {
    int64_t number;
    r->comment = NULL;
    r->node_line = r->line;
    if (!read_whole(r, 0, MOST_NODES, &number)) return false;
    if (number < r->nodes.count && r->nodes.items[number])
        return wrong(r, arena_printf(r->arena, "the node %%%lld stands here a second time",
                                     (long long)number));
    if (!expect_text(r, ":")) return false;
    int type = find_word(r, graph_type_words, GRAPH_TYPES, "type");
    if (type < 0 || !read_shape(r, r->shape, &r->rank) || !expect_text(r, "=")) return false;
    Span begin = here(r);
    int before = r->g->nodes.count;
    GNode *node = read_kind(r, (GType)type);
    if (!node) return wrong(r, "this is no node");
    bool same = node->type == (GType)type && node->rank == r->rank &&
                memcmp(node->shape, r->shape, sizeof *r->shape * (size_t)r->rank) == 0;
    if (!same && !r->failed) {
        diag_report(r->diag, CODE_GRAPH_TEXT, begin,
                    "this makes another array than the type before it says: its elements are %s",
                    graph_type_words[node->type]);
        r->failed = true;
    }
    /* The node is new and nothing refers to it yet, so it can take its number from the text. */
    if (r->g->nodes.count > before) {
        node->id = (uint32_t)number;
        if (node->id > r->g->tables->last_node) {
            r->g->tables->last_node = node->id;
        }
    }
    while (r->nodes.count <= number)
        array_push(r->arena, &r->nodes, (GNode *)NULL);
    r->nodes.items[number] = node;
    return !r->failed;
}

/* ---- outputs and commits --------------------------------------------------------------------- */

static bool read_output(Reader *r) {
    const char *name;
    if (!read_string(r, &name)) return false;
    GNode *node = read_node(r);
    if (node) graph_output(r->g, name, node);
    return node != NULL;
}

static bool read_state(Reader *r, GNode **out) {
    const char *name;
    if (!read_string(r, &name)) return false;
    *out = graph_find_named(r->g, GN_STATE, name);
    return *out || wrong(r, arena_printf(r->arena, "there is no state `%s`", name));
}

static bool read_commit(Reader *r) {
    GCommit commit;
    memset(&commit, 0, sizeof commit);
    int kind = find_word(r, graph_commit_words, GRAPH_COMMITS, "commit");
    if (kind < 0 || !read_state(r, &commit.state) || !expect_text(r, "<-")) return false;
    commit.kind = (CommitKind)kind;
    commit.value = read_node(r);
    if (!commit.value) return false;
    if (kind == COMMIT_ROWS && (!expect_text(r, "at") || !(commit.rows = read_node(r))))
        return false;
    if (kind == COMMIT_PUSH && (!expect_text(r, "head") || !read_state(r, &commit.head) ||
                                !expect_text(r, "fill") || !read_state(r, &commit.fill)))
        return false;
    array_push(r->arena, &r->g->commits, commit);
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bool read_statement(Reader *r) {
    if (accept(r, "%")) return read_definition(r);
    if (accept(r, "output")) return read_output(r);
    if (accept(r, "commit")) return read_commit(r);
    return wrong(r, "a node, an output, a commit or `}` is expected here");
}

Graph *graph_read(Arena *arena, Diag *diag, const Source *source) {
    Reader r = {.arena = arena,
                .diag = diag,
                .source = source,
                .at = source->text,
                .line = 1,
                .line_start = source->text};
    if (!expect_text(&r, "graph")) return NULL;
    r.g = graph_new(arena, read_word(&r));
    expect_text(&r, "{");
    while (!r.failed && !accept(&r, "}"))
        read_statement(&r);
    skip_space(&r);
    if (!r.failed && *r.at) {
        wrong(&r, "nothing stands after the `}` of a graph");
    }
    const char *violation = r.failed ? NULL : graph_verify(r.g);
    if (violation) diag_report(diag, CODE_GRAPH_TEXT, (Span){source, 0, 5, 1, 1}, "%s", violation);
    return r.failed || violation ? NULL : r.g;
}
