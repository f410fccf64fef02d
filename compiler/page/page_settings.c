/* The table of the settings of the runs, with a column for each variant, and the table of their
 * data. Both come from the records of the runs. */
#include "compiler/page/html.h"
#include "compiler/page/parts.h"

#include <stdlib.h>
#include <string.h>

/* Returns a value of the record as a cell shows it, or NULL if the value is missing or of another
 * kind. */
static const char *setting_text(Arena *arena, const json_t *value) {
    if (json_is_string(value)) return json_string_value(value);
    if (json_is_true(value)) return "yes";
    if (json_is_false(value)) return "no";
    if (json_is_number(value)) return arena_printf(arena, "%.9g", json_number_value(value));
    return NULL;
}

typedef ARRAY(const char *) Cells;

/* Appends one row, unless no variant has a value. */
static void append_cells(Arena *arena, const char *name, const Cells *cells, Text *out) {
    bool any = false;
    for (int i = 0; i < cells->count; i++)
        any |= cells->items[i] != NULL;
    if (!any) return;
    text_printf(out, "<tr><th>%s</th>", html_text(arena, name));
    for (int i = 0; i < cells->count; i++)
        text_printf(out, "<td class=\"code\">%s</td>",
                    cells->items[i] ? html_text(arena, cells->items[i]) : "–");
    text_printf(out, "</tr>\n");
}

static const json_t *settings_of(const PageVariants *variants, int v) {
    return variants->items[v].runs.items[0]->settings;
}

/* Appends a row for a key of the record, or of an object `within` the record. */
static void append_key(Arena *arena, const PageVariants *variants, const char *within,
                       const char *key, Text *out) {
    Cells cells = {0};
    for (int v = 0; v < variants->count; v++) {
        const json_t *of = settings_of(variants, v);
        if (within) of = json_object_get(of, within);
        array_push(arena, &cells, setting_text(arena, json_object_get(of, key)));
    }
    append_cells(arena, key, &cells, out);
}

/* Appends a row for each key that some variant has in the object. */
static void append_object(Arena *arena, const PageVariants *variants, const char *within,
                          Text *out) {
    Cells seen = {0};
    const char *key;
    json_t *value;
    for (int v = 0; v < variants->count; v++)
        json_object_foreach(json_object_get(settings_of(variants, v), within), key, value) {
            bool is_new = true;
            for (int i = 0; i < seen.count; i++)
                is_new &= strcmp(seen.items[i], key) != 0;
            if (!is_new) continue;
            array_push(arena, &seen, key);
            append_key(arena, variants, within, key, out);
        }
}

static void append_runs(Arena *arena, const PageVariants *variants, Text *out) {
    Cells seeds = {0};
    Cells steps = {0};
    Cells folders = {0};
    for (int v = 0; v < variants->count; v++) {
        const char *seed = "";
        const char *step = "";
        const char *folder = "";
        for (int i = 0; i < variants->items[v].runs.count; i++) {
            const PageRun *run = variants->items[v].runs.items[i];
            const char *comma = i ? ", " : "";
            seed = arena_printf(arena, "%s%s%.0f", seed, comma, run->seed);
            step = run->last_step < run->steps
                       ? arena_printf(arena, "%s%s%.0f of %.0f", step, comma, run->last_step,
                                      run->steps)
                       : arena_printf(arena, "%s%s%.0f", step, comma, run->last_step);
            folder = arena_printf(arena, "%s%s%s", folder, comma, run->folder);
        }
        array_push(arena, &seeds, seed);
        array_push(arena, &steps, step);
        array_push(arena, &folders, folder);
    }
    append_cells(arena, variants->items[0].runs.count > 1 ? "seeds" : "seed", &seeds, out);
    append_cells(arena, "steps", &steps, out);
    append_cells(arena, "folder", &folders, out);
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Returns a value as JSON has it, in the arena. A value that memory does not suffice to write is a
 * question mark, as a missing one is. */
static const char *value_text(Arena *arena, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const char *copy = text ? arena_strndup(arena, text, strlen(text)) : "?";
    free(text);
    return copy;
}

/* Returns the keys and values of an object, as in "size = 32, grey = 0". */
static const char *object_text(Arena *arena, const json_t *object, const char *equals) {
    const char *text = "";
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        const char *of = setting_text(arena, value);
        text = arena_printf(arena, "%s%s%s%s%s", text, *text ? ", " : "", key, equals,
                            of ? of : value_text(arena, value));
    }
    return text;
}

static void append_source(Arena *arena, const char *name, const json_t *source, Text *out) {
    const char *reader = json_string_value(json_object_get(source, "reader"));
    const char *place = json_string_value(json_object_get(source, "place"));
    const double held = json_number_value(json_object_get(source, "rows"));
    const double used = json_number_value(json_object_get(source, "used"));
    const char *chosen = used < held ? arena_printf(arena, "%.0f of %.0f", used, held)
                                     : arena_printf(arena, "%.0f", used);
    text_printf(out,
                "<tr><th>%s</th><td>data.%s</td><td class=\"code\">%s</td><td class=\"n\">%s</td>"
                "<td>%s</td><td>%s</td><td>%s</td></tr>\n",
                html_text(arena, name), html_text(arena, reader ? reader : "?"),
                html_text(arena, place ? place : ""), chosen,
                html_text(arena, object_text(arena, json_object_get(source, "fields"), " ")),
                html_text(arena, object_text(arena, json_object_get(source, "settings"), " = ")),
                html_text(arena, object_text(arena, json_object_get(source, "selection"), " = ")));
}

/* Appends the data of a variant, unless an earlier variant has the same. */
static void append_data(Arena *arena, const PageVariants *variants, int v, Text *out) {
    const json_t *data = json_object_get(settings_of(variants, v), "data");
    const char *of = variants->items[v].label;
    const char *name;
    json_t *source;
    for (int i = 0; i < v; i++)
        if (json_equal(data, json_object_get(settings_of(variants, i), "data"))) return;
    for (int i = v + 1; i < variants->count; i++)
        if (json_equal(data, json_object_get(settings_of(variants, i), "data")))
            of = arena_printf(arena, "%s, %s", of, variants->items[i].label);
    text_printf(out,
                "<h3>Data%s%s</h3>\n<div class=\"wide\"><table><thead><tr><th>Source</th>"
                "<th>Reader</th><th>Place</th><th class=\"n\">Rows</th><th>Fields</th>"
                "<th>Settings</th><th>Selection</th></tr></thead><tbody>\n",
                variants->count > 1 ? " of " : "", variants->count > 1 ? html_text(arena, of) : "");
    json_object_foreach((json_t *)data, name, source) append_source(arena, name, source, out);
    text_printf(out, "</tbody></table></div>\n");
}

void page_settings(Arena *arena, const PageVariants *variants, Text *out) {
    text_printf(out, "<section id=\"settings\"><h2>Settings</h2>\n<div class=\"wide\"><table>");
    if (variants->count > 1) {
        text_printf(out, "<thead><tr><th></th>");
        for (int v = 0; v < variants->count; v++)
            text_printf(out, "<th>%s</th>", html_text(arena, variants->items[v].label));
        text_printf(out, "</tr></thead>");
    }
    text_printf(out, "<tbody>\n");
    append_object(arena, variants, "hypers", out);
    append_key(arena, variants, NULL, "epochs", out);
    append_key(arena, variants, NULL, "batch", out);
    append_key(arena, variants, NULL, "start", out);
    append_runs(arena, variants, out);
    append_object(arena, variants, "options", out);
    append_object(arena, variants, "versions", out);
    text_printf(out, "</tbody></table></div>\n");
    for (int v = 0; v < variants->count; v++)
        append_data(arena, variants, v, out);
    text_printf(out, "</section>\n");
}
