/* The part of the page about one variant: its method, and the evaluations of its features. */
#include "compiler/page/html.h"
#include "compiler/page/parts.h"
#include "compiler/picture/mathml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MANY_CLASSES = 20, /* with more classes a matrix of confusions is a picture */
    PALETTE = 10,
};

/* ---- the method ------------------------------------------------------------------------------ */

static void append_formula(Arena *arena, const PageFormula *f, Text *out) {
    text_printf(out, "<h3>%s%s%s", f->name ? "<code>" : "",
                f->name ? html_text(arena, f->name) : "The loss", f->name ? "</code>" : "");
    if (f->place) {
        text_printf(out, " <small class=\"soft\">%s</small>", html_text(arena, f->place));
    }
    text_printf(out, "</h3>\n<div class=\"formula\">");
    if (!mathml_append(f->latex, out))
        text_printf(out, "<pre>%s</pre>", html_text(arena, f->latex));
    text_printf(out, "</div>\n");
}

/* Returns the width that Graphviz gives a picture, in points, or 0. The page draws it no larger
 * than that, and scrolls it where the page is narrower. */
static double width_of(const char *svg) {
    const char *width = strstr(svg, " width=\"");
    return width ? strtod(width + strlen(" width=\""), NULL) : 0;
}

void page_method(Arena *arena, const PageDetail *detail, const char *prefix, Text *out) {
    const char *svg = detail->svg ? html_svg(arena, detail->svg, prefix) : NULL;
    if (svg)
        text_printf(out, "<figure class=\"paper\" style=\"--own:%.0fpt\">%s</figure>\n",
                    width_of(svg), svg);
    else
        text_printf(out, "<p class=\"missing\">The method has no picture here: %s</p>\n",
                    html_text(arena, detail->no_svg ? detail->no_svg : "Graphviz made none."));
    for (int i = 0; i < detail->formulas.count; i++)
        append_formula(arena, &detail->formulas.items[i], out);
    if (detail->spec)
        text_printf(out, "<details><summary>The spec</summary><pre>%s</pre></details>\n",
                    html_text(arena, detail->spec));
}

/* ---- confusions ------------------------------------------------------------------------------ */

static int64_t truth_count(const PageConfusion *c, int truth) {
    int64_t sum = 0;
    for (int g = 0; g < c->told; g++)
        sum += c->counts[(int64_t)truth * c->told + g];
    return sum;
}

static void append_cell(const PageConfusion *c, int truth, int guess, int64_t all, Text *out) {
    const int64_t count = c->counts[(int64_t)truth * c->told + guess];
    const double share = all ? (double)count / (double)all : 0;
    text_printf(out, "<td class=\"%s\"><i style=\"opacity:%.2f\"></i><span>",
                truth == guess ? "right" : "wrong", share > 0 ? 0.08 + 0.72 * share : 0);
    if (count) text_printf(out, "%lld", (long long)count);
    text_printf(out, "</span></td>");
}

static void append_matrix(Arena *arena, const PageConfusion *c, Text *out) {
    text_printf(out, "<div class=\"wide\"><table class=\"confusion\"><thead><tr><th></th>");
    for (int g = 0; g < c->told; g++)
        text_printf(out, "<th>%s</th>", html_text(arena, c->names[g]));
    text_printf(out, "</tr></thead><tbody>\n");
    for (int t = 0; t < c->truths; t++) {
        text_printf(out, "<tr><th>%s</th>", html_text(arena, c->names[t]));
        for (int g = 0; g < c->told; g++)
            append_cell(c, t, g, truth_count(c, t), out);
        text_printf(out, "</tr>\n");
    }
    text_printf(out, "</tbody></table></div>\n<p class=\"soft\">Rows are classes of the queries, "
                     "columns what they were told to be.</p>\n");
}

/* Appends a picture of confusions, dark for a share of 1. Each class has a row and a column of
 * pixels, in the order of the classes. */
static void append_matrix_picture(Arena *arena, const PageConfusion *c, Text *out) {
    uint8_t *rgb = arena_array(arena, uint8_t, (int64_t)3 * c->truths * c->told);
    for (int t = 0; t < c->truths; t++) {
        const double all = fmax(1, (double)truth_count(c, t));
        for (int g = 0; g < c->told; g++) {
            const double share = (double)c->counts[(int64_t)t * c->told + g] / all;
            uint8_t *pixel = rgb + 3 * ((int64_t)t * c->told + g);
            const double light = 1 - sqrt(share);
            pixel[0] = (uint8_t)(255 * light);
            pixel[1] = (uint8_t)(114 + 141 * light);
            pixel[2] = (uint8_t)(178 + 77 * light);
        }
    }
    const char *picture = html_picture(arena, rgb, c->told, c->truths);
    if (picture)
        text_printf(out,
                    "<p><img alt=\"table of confusions\" style=\"width:100%%;max-width:480px;"
                    "image-rendering:pixelated\" src=\"%s\"></p>\n<p class=\"soft\">Rows are "
                    "classes of the queries, columns what they were told to be, both in the "
                    "order of their numbers; dark is often.</p>\n",
                    picture);
}

typedef struct Share {
    int number;
    double share;
} Share;

static int by_share(const void *a, const void *b) {
    const Share *x = a;
    const Share *y = b;
    return x->share != y->share ? (x->share < y->share) - (x->share > y->share)
                                : x->number - y->number;
}

/* Appends the share of each class that is told rightly, the best first. */
static void append_shares(Arena *arena, const PageConfusion *c, Text *out) {
    Share *shares = arena_array(arena, Share, c->truths + 1);
    for (int t = 0; t < c->truths; t++) {
        const int64_t all = truth_count(c, t);
        const int64_t right = t < c->told ? c->counts[(int64_t)t * c->told + t] : 0;
        shares[t] = (Share){t, all ? (double)right / (double)all : -1};
    }
    qsort(shares, (size_t)c->truths, sizeof *shares, by_share);
    if (c->truths > MANY_CLASSES)
        text_printf(out, "<details><summary>All %d classes</summary>", c->truths);
    text_printf(out, "<table class=\"shares\"><tbody>\n");
    for (int i = 0; i < c->truths && shares[i].share >= 0; i++)
        text_printf(out,
                    "<tr><th>%s</th><td class=\"n\">%.1f %%</td><td class=\"bar\"><i style=\""
                    "width:%.1f%%\"></i></td><td class=\"n soft\">%lld</td></tr>\n",
                    html_text(arena, c->names[shares[i].number]), 100 * shares[i].share,
                    100 * shares[i].share, (long long)truth_count(c, shares[i].number));
    text_printf(out, "</tbody></table>%s\n", c->truths > MANY_CLASSES ? "</details>" : "");
}

static void append_confusion(Arena *arena, const PageConfusion *c, Text *out) {
    text_printf(out, "<h3>%s: what is told to be what</h3>\n<div class=\"sides\"><div>",
                html_text(arena, c->evaluation));
    if (c->truths > MANY_CLASSES || c->told > MANY_CLASSES)
        append_matrix_picture(arena, c, out);
    else
        append_matrix(arena, c, out);
    text_printf(out, "</div><div>");
    append_shares(arena, c, out);
    text_printf(out, "</div></div>\n");
}

/* ---- neighbours ------------------------------------------------------------------------------ */

static void append_sample(Arena *arena, const PageSample *s, const char *kind,
                          const char *similarity, Text *out) {
    text_printf(out, "<div class=\"sample %s\" title=\"%s\">", kind, html_text(arena, s->name));
    if (s->picture)
        text_printf(out, "<img alt=\"%s\" src=\"%s\">", html_text(arena, s->name), s->picture);
    text_printf(out, "<b>%s</b>%s", html_text(arena, s->label), similarity);
    if (!s->picture)
        text_printf(out, "<br><span class=\"soft\">%s</span>", html_text(arena, s->name));
    text_printf(out, "</div>");
}

static void append_neighbours(Arena *arena, const PageDetail *detail, Text *out) {
    if (!detail->neighbours_of) {
        text_printf(out, "<p class=\"missing\">No evaluation goes by nearest neighbours, so none "
                         "are shown: <code>knn(..)</code> in <code>eval</code> would.</p>\n");
        return;
    }
    const bool words = detail->queries.count && !detail->queries.items[0].sample.picture;
    text_printf(out,
                "<h3>Nearest neighbours</h3>\n<p class=\"soft\">At the left a query, then its "
                "neighbours in the bank by %s with their cosine similarities. Green is the "
                "query's class, red another.</p>\n<div%s>",
                html_text(arena, detail->neighbours_of), words ? " class=\"words\"" : "");
    for (int q = 0; q < detail->queries.count; q++) {
        const PageQuery *query = &detail->queries.items[q];
        text_printf(out, "<div class=\"near\">");
        append_sample(arena, &query->sample, "query", "", out);
        for (int i = 0; i < query->near.count; i++) {
            const PageNeighbour *n = &query->near.items[i];
            append_sample(arena, &n->sample, n->same ? "same" : "other",
                          arena_printf(arena, " %.3f", n->similarity), out);
        }
        text_printf(out, "</div>\n");
    }
    text_printf(out, "</div>\n");
}

/* ---- maps ------------------------------------------------------------------------------------ */

enum {
    MAP_WIDTH = 640,
    MAP_HEIGHT = 520,
    MAP_EDGE = 14,
};

static const char *colour_of(Arena *arena, int label, int classes) {
    if (classes <= PALETTE) return arena_printf(arena, "class=\"k%d\"", label);
    /* The golden angle keeps the hues of neighbours apart. */
    const double turn = fmod(label * 137.508, 360);
    return arena_printf(arena, "style=\"fill:hsl(%.0f 60%% 52%%);color:hsl(%.0f 60%% 52%%)\"", turn,
                        turn);
}

static void append_points(Arena *arena, const PageMap *map, Text *out) {
    double low[2] = {INFINITY, INFINITY};
    double high[2] = {-INFINITY, -INFINITY};
    for (int i = 0; i < 2 * map->count; i++) {
        low[i % 2] = fmin(low[i % 2], map->points[i]);
        high[i % 2] = fmax(high[i % 2], map->points[i]);
    }
    const double across = fmax(high[0] - low[0], 1e-12);
    const double down = fmax(high[1] - low[1], 1e-12);
    const double unit =
        fmin((MAP_WIDTH - 2 * MAP_EDGE) / across, (MAP_HEIGHT - 2 * MAP_EDGE) / down);
    for (int i = 0; i < map->count; i++)
        text_printf(out,
                    "<circle %s data-class=\"%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\"><title>%s"
                    "</title></circle>\n",
                    colour_of(arena, map->labels[i], map->classes), map->labels[i],
                    MAP_WIDTH / 2.0 + unit * (map->points[2 * i] - (low[0] + high[0]) / 2),
                    MAP_HEIGHT / 2.0 - unit * (map->points[2 * i + 1] - (low[1] + high[1]) / 2),
                    map->count > 800 ? "2.6" : "3.6", html_text(arena, map->titles[i]));
}

static void append_map(Arena *arena, const PageMap *map, Text *out) {
    text_printf(out,
                "<figure class=\"map\"><figcaption>%s <small>%s</small></figcaption>"
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
                html_text(arena, map->title), html_text(arena, map->note), MAP_WIDTH, MAP_HEIGHT,
                html_text(arena, map->title));
    append_points(arena, map, out);
    text_printf(out, "</svg><div class=\"legend\">");
    for (int c = 0; c < map->classes; c++)
        text_printf(out, "<span data-class=\"%d\"><i %s></i>%s</span>", c,
                    colour_of(arena, c, map->classes), html_text(arena, map->names[c]));
    text_printf(out, "</div></figure>\n");
}

void page_features(Arena *arena, const PageDetail *detail, Text *out) {
    if (detail->no_features) {
        text_printf(out, "<p class=\"missing\">Nothing is shown of the features: %s</p>\n",
                    html_text(arena, detail->no_features));
        return;
    }
    if (detail->features)
        text_printf(out, "<p class=\"soft\">Features are %s.</p>\n",
                    html_text(arena, detail->features));
    for (int i = 0; i < detail->confusions.count; i++)
        append_confusion(arena, &detail->confusions.items[i], out);
    append_neighbours(arena, detail, out);
    if (detail->maps.count)
        text_printf(out, "<h3>Maps of the features</h3>\n<p class=\"soft\">A point is a query; "
                         "the pointer shows which, and a click on a class shows it alone.</p>\n"
                         "<div class=\"sides\">");
    for (int i = 0; i < detail->maps.count; i++)
        append_map(arena, &detail->maps.items[i], out);
    if (detail->maps.count) text_printf(out, "</div>\n");
}
