/* Reads the folder of a run, and puts runs together that differ in their seeds alone. */
#include "compiler/page/page_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the log --------------------------------------------------------------------------------- */

/* True for a key of the log that says when a row was written. Such a key is no curve. */
static bool is_clock(const char *key) {
    static const char *const clocks[] = {"step",         "epoch",       "epochs", "stage",
                                         "before_epoch", "before_step", "time",   "seconds"};
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
        if (strcmp(key, clocks[i]) == 0) return true;
    return false;
}

static PageSeries *series_of(Arena *arena, PageRun *run, const char *name) {
    for (int i = 0; i < run->series.count; i++)
        if (strcmp(run->series.items[i].name, name) == 0) return &run->series.items[i];
    array_push(arena, &run->series,
               ((PageSeries){.name = arena_intern(arena, name, strlen(name))}));
    return &run->series.items[run->series.count - 1];
}

/* Takes a row of results. A resumed run measures again what was not complete, so of two rows of one
 * step the later one counts. */
static void take_result(Arena *arena, PageRun *run, const json_t *row, double step) {
    const json_t *percent = json_object_get(row, "percent");
    const json_t *value = json_object_get(row, "value");
    const char *of = json_string_value(json_object_get(row, "of"));
    const char *name = json_string_value(json_object_get(row, "evaluation"));
    const json_t *number = percent ? percent : value;
    if (!of || !name || !number) return;
    const PageResult result = {.of = arena_intern(arena, of, strlen(of)),
                               .name = arena_intern(arena, name, strlen(name)),
                               .step = step,
                               .value = json_is_number(number) ? json_number_value(number) : NAN,
                               .percent = percent != NULL,
                               .raw = strncmp(of, "raw ", 4) == 0};
    for (int i = 0; i < run->results.count; i++) {
        PageResult *r = &run->results.items[i];
        if (strcmp(r->of, of) != 0 || strcmp(r->name, name) != 0 || r->step != step) continue;
        *r = result;
        return;
    }
    array_push(arena, &run->results, result);
}

static void take_row(Arena *arena, PageRun *run, json_t *row) {
    const double step = json_number_value(json_object_get(row, "step"));
    const char *key;
    json_t *value;
    if (step > run->last_step) run->last_step = step;
    if (json_object_get(row, "evaluation")) {
        take_result(arena, run, row, step);
        return;
    }
    if (json_object_get(row, "class"))
        return; /* the page counts the results of each class by itself */
    json_object_foreach(row, key, value) {
        if (is_clock(key) || !(json_is_number(value) || json_is_null(value))) continue;
        PageSeries *s = series_of(arena, run, key);
        array_push(arena, &s->steps, step);
        array_push(arena, &s->values, json_is_null(value) ? (double)NAN : json_number_value(value));
    }
}

static void read_log(Arena *arena, PageRun *run) {
    FILE *file = fopen(arena_printf(arena, "%s/metrics.jsonl", run->folder), "r");
    char *line = NULL;
    size_t capacity = 0;
    while (file && getline(&line, &capacity, file) > 0) {
        /* The last line may be incomplete, if the run was killed. */
        json_t *row = json_loads(line, 0, NULL);
        if (json_is_object(row)) take_row(arena, run, row);
        json_decref(row);
    }
    free(line);
    if (file) fclose(file);
}

bool page_run_read(Arena *arena, const char *folder, PageRun *out, const char **error) {
    json_error_t why;
    *out = (PageRun){.folder = folder};
    out->settings = json_load_file(arena_printf(arena, "%s/settings.json", folder), 0, &why);
    if (!json_is_object(out->settings)) {
        *error = arena_printf(arena, "`%s` holds no run: %s/settings.json: %s", folder, folder,
                              out->settings ? "it is no record of a run" : why.text);
        return false;
    }
    const char *method = json_string_value(json_object_get(out->settings, "method"));
    out->method = method ? method : "method";
    out->seed = json_number_value(json_object_get(out->settings, "seed"));
    out->steps = json_number_value(json_object_get(out->settings, "steps"));
    read_log(arena, out);
    return true;
}

void page_run_close(PageRun *run) {
    json_decref(run->settings);
    run->settings = NULL;
}

const PageSeries *page_run_series(const PageRun *run, const char *name) {
    for (int i = 0; i < run->series.count; i++)
        if (strcmp(run->series.items[i].name, name) == 0) return &run->series.items[i];
    return NULL;
}

/* ---- variants -------------------------------------------------------------------------------- */

/* The settings that runs of one variant share. */
static const char *const shared_keys[] = {"method", "files",  "epochs", "batch", "steps",
                                          "stages", "hypers", "data",   "start"};
enum { SHARED_KEYS = sizeof shared_keys / sizeof *shared_keys };

static bool is_alike(const PageRun *a, const PageRun *b) {
    for (int i = 0; i < SHARED_KEYS; i++) {
        const json_t *x = json_object_get(a->settings, shared_keys[i]);
        const json_t *y = json_object_get(b->settings, shared_keys[i]);
        if ((x || y) && !json_equal(x, y)) return false;
    }
    return true;
}

/* Returns the value of a hyper, of `epochs` or of `batch`, as a label has it. */
static const char *value_text(Arena *arena, const PageRun *run, const char *name, bool hyper) {
    const json_t *of = hyper ? json_object_get(run->settings, "hypers") : run->settings;
    const json_t *value = json_object_get(of, name);
    return json_is_number(value) ? arena_printf(arena, "%.6g", json_number_value(value)) : "none";
}

/* Returns " tau=0.1" if another run of the same method has another value, or "". */
static const char *label_difference(Arena *arena, const PageVariants *all, const PageRun *run,
                                    const char *name, bool hyper) {
    const char *own = value_text(arena, run, name, hyper);
    for (int i = 0; i < all->count; i++) {
        const PageRun *other = all->items[i].runs.items[0];
        if (strcmp(other->method, run->method) == 0 &&
            strcmp(value_text(arena, other, name, hyper), own) != 0)
            return arena_printf(arena, " %s=%s", name, own);
    }
    return "";
}

static const char *run_label(Arena *arena, const PageVariants *all, const PageRun *run) {
    const char *label = run->method;
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(run->settings, "hypers"), name, value) label =
        arena_printf(arena, "%s%s", label, label_difference(arena, all, run, name, true));
    label = arena_printf(arena, "%s%s%s", label, label_difference(arena, all, run, "epochs", false),
                         label_difference(arena, all, run, "batch", false));
    return label;
}

/* Labels the variants. Variants whose labels would be equal have their folders in them. */
static void tell_apart(Arena *arena, PageVariants *all) {
    for (int i = 0; i < all->count; i++)
        all->items[i].label = run_label(arena, all, all->items[i].runs.items[0]);
    for (int i = 0; i < all->count; i++) {
        bool twice = false;
        for (int k = 0; k < all->count; k++)
            twice |= k != i && strcmp(run_label(arena, all, all->items[k].runs.items[0]),
                                      run_label(arena, all, all->items[i].runs.items[0])) == 0;
        if (twice)
            all->items[i].label = arena_printf(arena, "%s (%s)", all->items[i].label,
                                               all->items[i].runs.items[0]->folder);
    }
}

PageVariants page_variants(Arena *arena, const PageRun *runs, int count) {
    PageVariants all = {0};
    for (int i = 0; i < count; i++) {
        PageVariant *found = NULL;
        for (int v = 0; !found && v < all.count; v++)
            if (is_alike(all.items[v].runs.items[0], &runs[i])) found = &all.items[v];
        for (int r = 0; found && r < found->runs.count; r++)
            /* a second run with the same seed begins a variant of its own */
            if (found->runs.items[r]->seed == runs[i].seed) {
                found = NULL;
            }
        if (!found) {
            array_push(arena, &all, ((PageVariant){0}));
            found = &all.items[all.count - 1];
        }
        array_push(arena, &found->runs, &runs[i]);
    }
    tell_apart(arena, &all);
    return all;
}
