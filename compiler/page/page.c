/* Writes the page from its head to its end. */
#include "compiler/page/page.h"

#include "compiler/page/html.h"
#include "compiler/page/parts.h"
#include "compiler/page/style.h"

#include <string.h>

/* Returns the labels of the variants, as in "simclr, vicreg". */
static const char *title_of(Arena *arena, const PageVariants *variants) {
    const char *text = "";
    for (int v = 0; v < variants->count; v++)
        text = arena_printf(arena, "%s%s%s", text, v ? ", " : "", variants->items[v].label);
    return text;
}

static int run_count(const PageVariants *variants) {
    int count = 0;
    for (int v = 0; v < variants->count; v++)
        count += variants->items[v].runs.count;
    return count;
}

static void append_head(Arena *arena, const PageVariants *variants, Text *out) {
    const char *title = html_text(arena, title_of(arena, variants));
    const int runs = run_count(variants);
    text_printf(out,
                "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                "<title>%s: a report of Couplet</title>\n<style>\n",
                title);
    for (const char *const *line = page_style; *line; line++)
        text_printf(out, "%s\n", *line);
    text_printf(out, "</style></head><body>\n<header><h1>%s</h1><p class=\"soft\">%d run%s", title,
                runs, runs == 1 ? "" : "s");
    if (variants->count > 1) {
        text_printf(out, " of %d variants", variants->count);
    }
    text_printf(out, ", reported by Couplet</p></header>\n<nav><div>"
                     "<a href=\"#results\">Results</a><a href=\"#curves\">Curves</a>");
    for (int v = 0; v < variants->count; v++)
        text_printf(out, "<a href=\"#variant%d\">%s</a>", v,
                    html_text(arena, variants->items[v].label));
    text_printf(out, "<a href=\"#settings\">Settings</a></div></nav>\n<main>\n");
}

static void append_variant(Arena *arena, const PageVariants *variants, int v,
                           const PageDetail *detail, Text *out) {
    const PageVariant *variant = &variants->items[v];
    text_printf(out, "<section id=\"variant%d\"><h2>%s</h2>\n", v,
                html_text(arena, variant->label));
    page_method(arena, detail, arena_printf(arena, "m%d-", v), out);
    text_printf(out, "<h3>Features</h3>\n");
    if (variant->runs.count > 1)
        text_printf(out, "<p class=\"soft\">Of the run with seed %.0f.</p>\n",
                    variant->runs.items[0]->seed);
    page_features(arena, detail, out);
    text_printf(out, "</section>\n");
}

void page_append(Arena *arena, const PageVariants *variants, const PageDetail *details, Text *out) {
    append_head(arena, variants, out);
    page_results(arena, variants, out);
    page_curves(arena, variants, out);
    for (int v = 0; v < variants->count; v++)
        append_variant(arena, variants, v, &details[v], out);
    page_settings(arena, variants, out);
    text_printf(out, "</main>\n<script>\n");
    for (const char *const *line = page_script; *line; line++)
        text_printf(out, "%s\n", *line);
    text_printf(out, "</script></body></html>\n");
}
