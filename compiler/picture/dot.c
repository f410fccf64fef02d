/* Writes the picture as Graphviz text, from left to right. Networks are boxes, memory is a
 * cylinder, moving averages are dashed arrows, and a stop is the double bar of papers.
 *
 * The text of an arrow is a box of its own on the arrow, because Graphviz leads arrows around boxes
 * but across labels. Each line of a box is a row of a table, because Graphviz sets lines of one
 * text closer than fonts are high. */
#include "compiler/picture/picture.h"

#include <ctype.h>
#include <string.h>

static const char *const ink = "#2b2d42";
static const char *const trained_fill = "#dbe9f6", *const still_fill = "#f1efe8",
                         *const follows_fill = "#fbe7d0";
static const char *const average_ink = "#c8641b";

/* ---- text ------------------------------------------------------------------------------------ */

static void append_escaped(Text *out, char c) {
    if (c == '<')
        text_printf(out, "&lt;");
    else if (c == '>')
        text_printf(out, "&gt;");
    else if (c == '&')
        text_printf(out, "&amp;");
    else
        text_append(out, &c, 1);
}

/* Returns a text for an HTML label. Runs of space and comments become one space, lines are broken
 * at spaces, and a text of too many lines is cut, with a sign that it was. */
static const char *html(Arena *arena, const char *text, size_t length, size_t width, int lines) {
    Text out = {0};
    size_t column = 0;
    for (size_t i = 0; i < length;) {
        size_t word = 0;
        if (text[i] == '#')
            while (i < length && text[i] != '\n')
                i++;
        while (i + word < length && !isspace((unsigned char)text[i + word]) &&
               text[i + word] != '#')
            word++;
        if (word && column && column + 1 + word > width) {
            if (--lines == 0) {
                text_printf(&out, " ..");
                break;
            }
            text_printf(&out, "<br/>");
            column = 0;
        }
        if (word && column++) text_append(&out, " ", 1);
        for (size_t k = 0; k < word; k++)
            append_escaped(&out, text[i + k]);
        column += word;
        i += word ? word : 1;
    }
    const char *copy = arena_strndup(arena, out.data ? out.data : "", out.length);
    text_free(&out);
    return copy;
}

static const char *source_html(Arena *arena, const Expr *e, size_t width, int lines) {
    return html(arena, e->span.source->text + e->span.begin, (size_t)(e->span.end - e->span.begin),
                width, lines);
}

static const char *count_text(Arena *arena, int64_t count) {
    if (count < 0) return "";
    if (count >= 10000000) return arena_printf(arena, "%.1f M parameters", (double)count / 1e6);
    if (count >= 1000000) return arena_printf(arena, "%.2f M parameters", (double)count / 1e6);
    if (count >= 10000)
        return arena_printf(arena, "%lld k parameters", (long long)((count + 500) / 1000));
    return arena_printf(arena, "%lld parameters", (long long)count);
}

static const char *shape_text(Arena *arena, const Type *type) {
    const char *text = "";
    for (int i = 0; type && i < type->rank; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? " × " : "", dim_text(arena, type->dims[i]));
    return text;
}

/* The table whose rows are the lines of a box. */
static const char begin_lines[] =
    "<table border=\"0\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"1\">";
static const char end_lines[] = "</table>";

/* Returns the first line of a box, its name. */
static const char *title(Arena *arena, const char *text) {
    return arena_printf(arena, "<tr><td><b>%s</b></td></tr>", text);
}

/* Returns rows in small print for below the name, one for each line of the text. */
static const char *small(Arena *arena, const char *text) {
    static const char row[] = "<tr><td><font point-size=\"9\" color=\"#5c5f72\">";
    static const char end[] = "</font></td></tr>";
    static const char new_line[] = "<br/>";
    const char *rows = "";
    while (*text) {
        const char *next = strstr(text, new_line);
        const int length = next ? (int)(next - text) : (int)strlen(text);
        rows = arena_printf(arena, "%s%s%.*s%s", rows, row, length, text, end);
        text += next ? length + (int)strlen(new_line) : length;
    }
    return rows;
}

/* ---- boxes ----------------------------------------------------------------------------------- */

/* Returns the composition of a network, a line for each part. A value that is no composition, such
 * as `copy encoder`, is one line. */
static const char *structure_text(Arena *arena, const Box *box) {
    const Expr *value = box->stmt->value;
    if (!value) return "";
    if (value->kind != EXPR_COMPOSE) return small(arena, source_html(arena, value, 40, 1));
    const char *text = "";
    for (int i = 0; i < value->arg_count; i++) {
        const char *name = value->arg_names ? value->arg_names[i] : NULL;
        if (box->part && (!name || strcmp(name, box->part) != 0)) continue;
        const char *line = source_html(arena, value->args[i], 40, 1);
        text = arena_printf(arena, "%s%s", text,
                            small(arena, name ? arena_printf(arena, "%s: %s", name, line) : line));
    }
    return text;
}

static void print_net(Arena *arena, const Picture *p, const LoweredProgram *program, int i,
                      FILE *out) {
    const Box *b = &p->boxes.items[i];
    bool follows = picture_edge_to(p, b->stmt) != NULL;
    const char *count =
        program ? count_text(arena, picture_parameters(program, b->stmt->name, b->part)) : "";
    fprintf(out,
            "  b%d [shape=box, style=\"filled,rounded\", margin=\"0.18,0.10\", fillcolor=\"%s\", "
            "label=<%s%s%s%s%s>];\n",
            i,
            follows      ? follows_fill
            : b->trained ? trained_fill
                         : still_fill,
            begin_lines, title(arena, b->name), structure_text(arena, b), small(arena, count),
            end_lines);
}

typedef struct LossText {
    Arena *arena;
    const char *text;
} LossText;

static void add_loss(void *context, Stmt *s) {
    LossText *l = context;
    if (s->kind == STMT_LOSS)
        l->text = arena_printf(l->arena, "%s%s", l->text,
                               small(l->arena, source_html(l->arena, s->value, 52, 4)));
}

/* Prints the loss as it is written: its formula, or the terms that its lines add up. */
static void print_loss(Arena *arena, const Picture *p, FILE *out) {
    LossText loss = {arena, ""};
    method_each_stmt(p->method->spec, add_loss, &loss);
    const char *text = loss.text;
    if (p->mirrored)
        text = arena_printf(arena, "%s%s", text,
                            small(arena, "<i>and with the two views exchanged</i>"));
    fprintf(out,
            "  b0 [shape=box, style=\"filled,rounded\", penwidth=1.6, margin=\"0.20,0.12\", "
            "fillcolor=\"#ffffff\", label=<%s%s%s%s>];\n",
            begin_lines, title(arena, "loss"), text, end_lines);
}

/* Prints an array that is kept: its name, its kind and its shape. */
static void print_memory(Arena *arena, int i, const char *shape, const char *fill, const char *kind,
                         const Box *b, FILE *out) {
    static const char below_the_lid[] = "<tr><td height=\"7\"></td></tr>";
    fprintf(out, "  b%d [shape=%s, style=filled, fillcolor=\"%s\", label=<%s%s%s%s%s%s>];\n", i,
            shape, fill, begin_lines, strcmp(shape, "cylinder") == 0 ? below_the_lid : "",
            title(arena, b->name), small(arena, kind), small(arena, shape_text(arena, b->type)),
            end_lines);
}

static void print_box(Arena *arena, const Picture *p, const LoweredProgram *program, int i,
                      FILE *out) {
    const Box *b = &p->boxes.items[i];
    switch (b->kind) {
    case BOX_LOSS:
        print_loss(arena, p, out);
        break;
    case BOX_NET:
        print_net(arena, p, program, i, out);
        break;
    case BOX_DATA:
        fprintf(out,
                "  b%d [shape=box3d, margin=\"0.16,0.12\", style=filled, fillcolor=\"#ffffff\", "
                "label=<%s%s%s%s>];\n",
                i, begin_lines, title(arena, b->name),
                small(arena, source_html(arena, b->stmt->value, 40, 2)), end_lines);
        break;
    case BOX_VIEW:
        fprintf(out,
                "  b%d [shape=circle, margin=\"0.02\", style=filled, fillcolor=\"#ffffff\", "
                "label=<<i>%s</i>>];\n",
                i, b->name);
        break;
    case BOX_QUEUE:
        print_memory(arena, i, "cylinder", still_fill, "queue", b, out);
        break;
    case BOX_STATE:
        print_memory(arena, i, "cylinder", still_fill,
                     b->stmt->kind == STMT_BANK ? "bank" : "state", b, out);
        break;
    case BOX_PARAM:
        print_memory(arena, i, "box", trained_fill, "trained", b, out);
        break;
    case BOX_FIELD:
        fprintf(out, "  b%d [shape=plaintext, label=<<i>%s</i>>];\n", i, b->name);
        break;
    }
}

/* ---- arrows ---------------------------------------------------------------------------------- */

/* Prints an arrow on which the double bar of papers stands, as a box of its own. */
static void print_stopped(const Arrow *a, int i, FILE *out) {
    fprintf(out,
            "  s%d [shape=plaintext, margin=0, height=0.3, width=0.5, label=<<font "
            "point-size=\"17\"><b>//</b></font><br/><font point-size=\"9\">stop</font>>];\n",
            i);
    fprintf(out, "  b%d -> s%d [arrowhead=none];\n  s%d -> b%d;\n", a->from, i, i, a->to);
}

/* Prints an arrow with a text on it. */
static void print_labelled(const Arrow *a, int i, const char *text, const char *style, FILE *out) {
    fprintf(out,
            "  t%d [shape=plaintext, margin=\"0.04,0.02\", height=0, width=0, label=<<font "
            "point-size=\"9\">%s</font>>];\n",
            i, text);
    fprintf(out, "  b%d -> t%d [arrowhead=none%s];\n  t%d -> b%d [arrowhead=%s%s];\n", a->from, i,
            style, i, a->to, a->kind == ARROW_CHOICE ? "open" : "normal", style);
}

/* Returns a label for an upright arrow. Graphviz centres such a label on the line, so an empty cell
 * of the same width pushes the text to the side. */
static const char *beside(Arena *arena, const char *text, int letters) {
    return arena_printf(
        arena,
        "<table border=\"0\" cellspacing=\"0\" cellpadding=\"0\"><tr><td width=\"%d\"></td><td "
        "width=\"10\"></td><td><font point-size=\"9\">%s</font></td></tr></table>",
        letters * 5 + 24, text);
}

/* Returns the recipes of a view in the order in which they are done: "augment.resized_crop,
 * augment.flip". */
static const char *recipes(Arena *arena, const Expr *e) {
    if (e->kind != EXPR_CALL) return source_html(arena, e, 30, 1);
    const char *own = source_html(arena, e->callee, 30, 1);
    return e->arg_count && e->args[0]->kind == EXPR_CALL
               ? arena_printf(arena, "%s,<br/>%s", recipes(arena, e->args[0]), own)
               : own;
}

/* True if another part of the same network already has the label. If several parts are averaged or
 * shared together, the part that the walk back from the loss finds first has the label. */
static bool is_said_by_another(const Picture *p, int i) {
    const Arrow *a = &p->arrows.items[i];
    const Box *from = &p->boxes.items[a->from];
    for (int k = 0; k < i; k++) {
        const Arrow *b = &p->arrows.items[k];
        const Box *other = &p->boxes.items[b->from];
        if (!b->hidden && b->kind == a->kind && other->stmt == from->stmt &&
            other->part != from->part)
            return true;
    }
    return false;
}

static void print_ema(Arena *arena, const Picture *p, int i, FILE *out) {
    const Arrow *a = &p->arrows.items[i];
    const Expr *rate = a->stmt->value;
    const int letters = (int)(rate->span.end - rate->span.begin);
    /* A long rate takes two lines, since a box may stand beside it. */
    const bool long_rate = letters > 12;
    const char *text = arena_printf(arena, long_rate ? "ema, rate<br/>%s" : "ema, rate %s",
                                    source_html(arena, rate, 30, 1));
    const bool said = is_said_by_another(p, i);
    fprintf(out,
            "  b%d -> b%d [style=dashed, color=\"%s\", fontcolor=\"%s\", penwidth=1.4, "
            "constraint=false, label=<%s>];\n",
            a->from, a->to, average_ink, average_ink,
            said ? "" : beside(arena, text, letters + (long_rate ? 0 : 10)));
}

static void print_arrow(Arena *arena, const Picture *p, int i, FILE *out) {
    const Arrow *a = &p->arrows.items[i];
    switch (a->kind) {
    case ARROW_VALUE:
        if (a->stopped)
            print_stopped(a, i, out);
        else if (p->boxes.items[a->from].kind == BOX_DATA)
            print_labelled(a, i, recipes(arena, p->boxes.items[a->to].stmt->value), "", out);
        else
            fprintf(out, "  b%d -> b%d;\n", a->from, a->to);
        break;
    case ARROW_PUSH:
        print_labelled(a, i, "push", ", style=dashed", out);
        break;
    case ARROW_CHOICE:
        print_labelled(a, i, "chooses", ", style=dotted", out);
        break;
    case ARROW_UPDATE:
        print_labelled(a, i, a->clusters ? "k-means" : "update", ", style=dashed", out);
        break;
    case ARROW_EMA:
        print_ema(arena, p, i, out);
        break;
    case ARROW_SHARED:
        fprintf(
            out,
            "  b%d -> b%d [style=dotted, dir=none, penwidth=1.4, constraint=false, label=<%s>];\n",
            a->from, a->to, is_said_by_another(p, i) ? "" : beside(arena, "shared weights", 14));
        break;
    }
}

/* True if the view is made of another one, and so stands behind it. */
static bool is_view_of_view(const Picture *p, int box) {
    for (int i = 0; i < p->arrows.count; i++) {
        const Arrow *a = &p->arrows.items[i];
        if (!a->hidden && a->to == box && p->boxes.items[a->from].kind == BOX_VIEW) return true;
    }
    return false;
}

/* Prints the boxes that stand under each other: uses of one network, a target and the network that
 * it follows, and the views of the data. */
static void print_ranks(const Picture *p, FILE *out) {
    for (int i = 0; i < p->arrows.count; i++) {
        const Arrow *a = &p->arrows.items[i];
        if (!a->hidden && (a->kind == ARROW_SHARED || a->kind == ARROW_EMA))
            fprintf(out, "  { rank=same; b%d; b%d; }\n", a->from, a->to);
    }
    fprintf(out, "  { rank=same;");
    for (int i = 0; i < p->boxes.count; i++)
        if (p->boxes.items[i].kind == BOX_VIEW && !p->boxes.items[i].hidden &&
            !is_view_of_view(p, i))
            fprintf(out, " b%d;", i);
    fprintf(out, " }\n");
}

/* Returns a name with a backslash in front of each quote and backslash, as Graphviz reads it
 * between quotes. */
static const char *quoted(Arena *arena, const char *name) {
    Text out = {0};
    for (; *name; name++) {
        if (*name == '"' || *name == '\\') text_append(&out, "\\", 1);
        text_append(&out, name, 1);
    }
    const char *copy = arena_strndup(arena, out.data ? out.data : "", out.length);
    text_free(&out);
    return copy;
}

void picture_print_dot(Arena *arena, const Picture *p, const LoweredProgram *program, FILE *out) {
    fprintf(
        out,
        "digraph \"%s\" {\n  rankdir=LR; nodesep=0.45; ranksep=0.5; bgcolor=white; ordering=out;\n",
        quoted(arena, p->method->spec->name));
    fprintf(out,
            "  node [fontname=\"Helvetica\", fontsize=12, color=\"%s\", fontcolor=\"%s\"];\n  edge "
            "[fontname=\"Helvetica\", color=\"%s\", fontcolor=\"%s\", arrowsize=0.8];\n",
            ink, ink, ink, ink);
    for (int i = 0; i < p->boxes.count; i++)
        if (!p->boxes.items[i].hidden) print_box(arena, p, program, i, out);
    for (int i = 0; i < p->arrows.count; i++)
        if (!p->arrows.items[i].hidden) print_arrow(arena, p, i, out);
    print_ranks(p, out);
    fprintf(out, "}\n");
}
