/* Prints a graph as text, for --print-after and goldens. read.c reads the text back.
 *
 *     graph train {
 *     %1 : real[4, 3] = input "x"                        an array from outside
 *     %2 : real[4] = compute sum[3] nonempty             # stdlib/losses.cpl:14 length
 *         let t1 = mul(%1[i0, i1], 2.0)                  a part that stands in several places
 *         active lt(i0, 3)                               over the output's indices: others are 0
 *         where ne(i0, i1)                               over all indices
 *         = mul(t1, t1)
 *     output "loss" %2
 *     commit assign "w" <- %2
 *     }
 *
 * Other nodes are `state "name"`, `const [1.0, 2.5, ..]`, `stop %1` and `topk %1`. Other commits
 * are `push "Q" <- %2 head "Q.head" fill "Q.fill"` and `rows "M" <- %2 at %3`.
 *
 * i0, i1, .. are the output's indices, then the reduced ones. Operations are the rows of
 * scalars.def. A real has a point, an exponent or is inf or nan; anything else is an int. A read
 * that may leave its array ends in `else value`. After # stands the place that the node comes from,
 * and the node's name there. On any other line, # begins a comment. */
#include "compiler/graph/text.h"

#include "compiler/graph/private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const graph_op_words[G_OP_COUNT] = {
    [G_RANDOM] = "random",
#define SCALAR(name, text, ...) [G_##name] = #text,
#include "compiler/graph/scalars.def"
#undef SCALAR
};
const int graph_op_arity[G_OP_COUNT] = {
    [G_RANDOM] = 3,
#define SCALAR(name, text, arity, ...) [G_##name] = arity,
#include "compiler/graph/scalars.def"
#undef SCALAR
};
const char *const graph_type_words[GRAPH_TYPES] = {"real", "int", "bool", "u8"};
const char *const graph_reducer_words[GRAPH_REDUCERS] = {
#define REDUCER(name, word, ...) word,
#include "compiler/graph/reducers.def"
#undef REDUCER
};
const char *const graph_commit_words[GRAPH_COMMITS] = {"assign", "push", "rows"};

typedef struct Printer {
    FILE *out;
    /* By the id of an expression, in the node at hand: the number of its uses, or -n once it is
     * named tn. */
    int *uses;
    int named;
    ARRAY(const GExpr *) walked;
    Arena *arena;
} Printer;

/* ---- parts that stand in several places ------------------------------------------------------ */

static bool is_leaf(const GExpr *e) {
    return e->op == G_CONST || e->op == G_INDEX;
}

/* True if the expression is short enough to be written out wherever it stands. */
static bool is_short(const GExpr *e) {
    for (int i = 0; i < e->arg_count; i++)
        if (!is_leaf(e->args[i])) return false;
    return true;
}

static void count_uses(Printer *p, const GExpr *e) {
    if (!e || is_leaf(e) || p->uses[e->id]++ > 0) return;
    array_push(p->arena, &p->walked, e);
    for (int i = 0; i < e->arg_count; i++)
        count_uses(p, e->args[i]);
}

static void print_expr(Printer *p, const GExpr *e);

/* Prints the parts that get a name, arguments first, so that a name stands before its uses. */
static void print_shared(Printer *p, const GExpr *e) {
    if (!e || is_leaf(e) || p->uses[e->id] < 0) return;
    for (int i = 0; i < e->arg_count; i++)
        print_shared(p, e->args[i]);
    if (p->uses[e->id] < 2 || is_short(e)) return;
    fprintf(p->out, "\n    let t%d = ", p->named + 1);
    print_expr(p, e);
    p->uses[e->id] = -++p->named;
}

static void share(Printer *p, const GNode *n) {
    p->named = p->walked.count = 0;
    const GExpr *parts[3] = {n->active, n->guard, n->value};
    for (int i = 0; i < 3; i++)
        count_uses(p, parts[i]);
    for (int i = 0; i < 3; i++)
        print_shared(p, parts[i]);
}

static void forget_uses(Printer *p) {
    for (int i = 0; i < p->walked.count; i++)
        p->uses[p->walked.items[i]->id] = 0;
}

/* ---- expressions ----------------------------------------------------------------------------- */

static void print_real(double value, FILE *out) {
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    if (isnan(value))
        fprintf(out, "nan");
    else
        fprintf(out, strpbrk(text, ".ein") ? "%s" : "%s.0", text);
}

static void print_string(const char *text, FILE *out) {
    fprintf(out, "\"");
    for (; *text; text++)
        fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    fprintf(out, "\"");
}

static void print_args(Printer *p, const GExpr *e, int count) {
    for (int i = 0; i < count; i++) {
        if (i) fprintf(p->out, ", ");
        print_expr(p, e->args[i]);
    }
}

static void print_load(Printer *p, const GExpr *e) {
    fprintf(p->out, "%%%u[", e->tensor->id);
    print_args(p, e, e->tensor->rank);
    if (e->has_else) {
        fprintf(p->out, " else ");
        print_expr(p, e->args[e->tensor->rank]);
    }
    fprintf(p->out, "]");
}

static void print_constant(const GExpr *e, FILE *out) {
    if (e->type == GT_REAL)
        print_real(e->real, out);
    else if (e->type == GT_BOOL)
        fprintf(out, "%s", e->integer ? "true" : "false");
    else
        fprintf(out, "%lld", (long long)e->integer);
}

static void print_expr(Printer *p, const GExpr *e) {
    if (e->op == G_CONST) {
        print_constant(e, p->out);
    } else if (e->op == G_INDEX) {
        fprintf(p->out, "i%d", e->index);
    } else if (p->uses[e->id] < 0) {
        fprintf(p->out, "t%d", -p->uses[e->id]);
    } else if (e->op == G_LOAD) {
        print_load(p, e);
    } else {
        fprintf(p->out, "%s(", graph_op_words[e->op]);
        print_args(p, e, e->arg_count);
        fprintf(p->out, ")");
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static void print_shape(const int64_t *shape, int rank, FILE *out) {
    fprintf(out, "[");
    for (int i = 0; i < rank; i++)
        fprintf(out, "%s%lld", i ? ", " : "", (long long)shape[i]);
    fprintf(out, "]");
}

/* Prints the place behind a node. A comment ends with its line, so a path that contains a line feed
 * is left out. */
static void print_path(Span span, FILE *out) {
    fprintf(out, "    # ");
    for (const char *at = span.source->path; *at; at++)
        fputc((unsigned char)*at < ' ' ? '?' : *at, out);
    fprintf(out, ":%d", span.line);
}

static void print_place(const GNode *n, FILE *out) {
    const char *name = n->kind == GN_COMPUTE ? n->name : NULL;
    if (n->span.source)
        print_path(n->span, out);
    else if (name)
        fprintf(out, "    # -");
    if (name) fprintf(out, " %s", name);
}

static void print_compute(Printer *p, const GNode *n) {
    fprintf(p->out, "compute %s", graph_reducer_words[n->reducer]);
    if (n->red_rank) print_shape(n->red_shape, n->red_rank, p->out);
    if (n->empty_is_error) fprintf(p->out, " nonempty");
    if (n->streamed) fprintf(p->out, " streamed");
    for (int i = 0; i < n->again; i++)
        fprintf(p->out, " again");
    print_place(n, p->out);
    share(p, n);
    if (n->active) {
        fprintf(p->out, "\n    active ");
        print_expr(p, n->active);
    }
    if (n->guard) {
        fprintf(p->out, "\n    where ");
        print_expr(p, n->guard);
    }
    fprintf(p->out, "\n    = ");
    print_expr(p, n->value);
    forget_uses(p);
}

static void print_data(const GNode *n, FILE *out) {
    int64_t count = 1;
    for (int i = 0; i < n->rank; i++)
        count *= n->shape[i];
    fprintf(out, "const [");
    for (int64_t i = 0; i < count; i++) {
        if (i) fprintf(out, ", ");
        if (n->type == GT_REAL)
            print_real(n->data[i], out);
        else
            fprintf(out, "%lld", (long long)n->data[i]);
    }
    fprintf(out, "]");
}

static void print_node(Printer *p, const GNode *n) {
    FILE *out = p->out;
    fprintf(out, "%%%u : %s", n->id, graph_type_words[n->type]);
    if (n->rank) print_shape(n->shape, n->rank, out);
    fprintf(out, " = ");
    switch (n->kind) {
    case GN_INPUT:
    case GN_STATE:
        fprintf(out, n->kind == GN_INPUT ? "input " : "state ");
        print_string(n->name, out);
        break;
    case GN_CONST:
        print_data(n, out);
        break;
    case GN_STOP:
        fprintf(out, "stop %%%u", n->operand->id);
        break;
    case GN_TOPK:
        fprintf(out, "topk %%%u", n->operand->id);
        break;
    case GN_CALL:
        fprintf(out, "call %s", couplet_calls[n->call].name);
        for (int i = 0; i < n->operand_count; i++)
            fprintf(out, "%s%%%u", i ? ", " : " ", n->operands[i]->id);
        break;
    case GN_COMPUTE:
        print_compute(p, n);
        break;
    }
    if (n->kind != GN_COMPUTE) print_place(n, out);
    fprintf(out, "\n");
}

static void print_commit(const GCommit *c, FILE *out) {
    fprintf(out, "commit %s ", graph_commit_words[c->kind]);
    print_string(c->state->name, out);
    fprintf(out, " <- %%%u", c->value->id);
    if (c->rows) fprintf(out, " at %%%u", c->rows->id);
    if (c->head) {
        fprintf(out, " head ");
        print_string(c->head->name, out);
    }
    if (c->fill) {
        fprintf(out, " fill ");
        print_string(c->fill->name, out);
    }
    fprintf(out, "\n");
}

void graph_print(const Graph *g, FILE *out) {
    Printer p = {.out = out, .arena = g->arena};
    p.uses = calloc((size_t)g->tables->last_expr + 1, sizeof *p.uses);
    if (!p.uses) {
        fprintf(out, "# no memory to print the graph\n");
        return;
    }
    fprintf(out, "graph %s {\n", g->name);
    for (int i = 0; i < g->nodes.count; i++)
        print_node(&p, g->nodes.items[i]);
    for (int i = 0; i < g->outputs.count; i++) {
        fprintf(out, "output ");
        print_string(g->outputs.items[i].name, out);
        fprintf(out, " %%%u\n", g->outputs.items[i].node->id);
    }
    for (int i = 0; i < g->commits.count; i++)
        print_commit(&g->commits.items[i], out);
    fprintf(out, "}\n");
    free(p.uses);
}

uint64_t graph_hash(const Graph *g) {
    uint64_t hash = 1469598103934665603u;
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    if (!memory) return hash;
    graph_print(g, memory);
    fclose(memory);
    bool comment = false;
    for (size_t i = 0; i < length; i++) {
        comment = text[i] == '#' || (comment && text[i] != '\n');
        if (!comment) {
            hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
        }
    }
    free(text);
    return hash;
}

/* Returns the position of a node in the order in which the text first mentions nodes. */
static uint32_t order_in_text(const Graph *g, uint32_t *places, uint32_t *last, unsigned long id) {
    if (id > g->tables->last_node) return 0;
    if (!places[id]) places[id] = ++*last;
    return places[id];
}

uint64_t graph_form_hash(const Graph *g) {
    uint64_t hash = 1469598103934665603u;
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    uint32_t *places = calloc((size_t)g->tables->last_node + 1, sizeof *places);
    uint32_t last = 0;
    if (memory) {
        graph_print(g, memory);
        fclose(memory);
    }
    for (char *at = text; places && at && *at;) {
        uint32_t value = (unsigned char)*at++;
        if (value == '#') at += strcspn(at, "\n");
        if (value == '%') value += 256 * order_in_text(g, places, &last, strtoul(at, &at, 10));
        hash = (hash ^ value) * 1099511628211u;
    }
    free(places);
    free(text);
    return hash;
}
