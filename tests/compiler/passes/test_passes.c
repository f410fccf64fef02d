/* test_passes FOLDER
 *
 * Tests by small graphs what each pass does. FOLDER has a folder for each row of passes.def, and in
 * it a file for each behaviour:
 *
 *     # why: a sentence
 *     # set: stream_bytes 1                 a member of GraphSettings; any number of such lines
 *     graph f { .. }
 *     ---
 *     graph f { .. }                        what the pass makes of it; for place, the plan
 *
 * The pass must change something in each of its files, and each pass has three files or more. With
 * COUPLET_UPDATE=1 the second half is written, and the difference should then be read. */
#include "compiler/compile/stage.h"
#include "compiler/graph/properties.h"
#include "compiler/plan/plan.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST_FILES = 3, MOST_FILES = 64 };

static int faults;

static bool fail(const char *path, const char *what, const char *more) {
    printf("FAILED  %s: %s%s%s\n", path, what, more ? ": " : "", more ? more : "");
    faults++;
    return false;
}

/* ---- reading a file -------------------------------------------------------------------------- */

static const char *file_text(Arena *arena, const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = arena_alloc(arena, (size_t)size + 1);
    size_t got = fread(text, 1, (size_t)size, file);
    text[got] = 0;
    fclose(file);
    return text;
}

typedef struct Setting {
    const char *name;
    size_t offset;
    bool is_flag;
} Setting;

static const Setting settings[] = {
    {"no_stream", offsetof(GraphSettings, no_stream), true},
    {"no_fuse", offsetof(GraphSettings, no_fuse), true},
    {"apart", offsetof(GraphSettings, apart), true},
    {"is_bounded", offsetof(GraphSettings, is_bounded), true},
    {"stream_bytes", offsetof(GraphSettings, stream_bytes), false},
    {"kept_bytes", offsetof(GraphSettings, kept_bytes), false},
    {"stored_bytes", offsetof(GraphSettings, stored_bytes), false},
    {"chunks", offsetof(GraphSettings, chunks), false},
    {"shards", offsetof(GraphSettings, shards), false},
};

static bool set(GraphSettings *into, const char *name, long long value) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (strcmp(settings[i].name, name) != 0) continue;
        char *at = (char *)into + settings[i].offset;
        if (settings[i].is_flag)
            *(bool *)at = value != 0;
        else
            *(int64_t *)at = value;
        return true;
    }
    return false;
}

static bool read_graph_settings(const char *path, const char *text, GraphSettings *into) {
    for (const char *at = text; (at = strstr(at, "# set: ")); at++) {
        char name[32];
        long long value;
        if (sscanf(at, "# set: %31s %lld", name, &value) != 2 || !set(into, name, value))
            return fail(path, "a line `# set:` names no member of GraphSettings", NULL);
    }
    return true;
}

/* ---- running a pass -------------------------------------------------------------------------- */

static char *printed(const Graph *g) {
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    graph_print(g, out);
    fclose(out);
    return text;
}

/* Adds the gradient of the first output by every real input and state, each as an output
 * "grad_NAME". */
static void differentiate(Graph *g) {
    GNode **wanted = arena_array(g->arena, GNode *, g->nodes.count + 1);
    GNode **gradients = arena_array(g->arena, GNode *, g->nodes.count + 1);
    int count = 0;
    for (int i = 0; i < g->nodes.count; i++) {
        GNode *n = g->nodes.items[i];
        const bool is_given = n->kind == GN_INPUT || n->kind == GN_STATE;
        if (is_given && n->type == GT_REAL) wanted[count++] = n;
    }
    pass_differentiate(g, g->outputs.items[0].node, wanted, count, gradients);
    for (int i = 0; i < count; i++) {
        const char *name = arena_printf(g->arena, "grad_%s", wanted[i]->name);
        if (gradients[i]) graph_output(g, name, gradients[i]);
    }
}

/* Returns the plan as text, for a target like a processor with registers of 8 floats, so that it is
 * the same on any machine. */
static char *planned_text(Graph *g, const char **error) {
    static const PlanTarget target = {.name = "test",
                                      .alignment = 128,
                                      .lanes = 8,
                                      .sweeps = true,
                                      .buckets = true,
                                      .arguments = true,
                                      .together = true,
                                      .abreast = true};
    Plan plan;
    char *text;
    size_t size;
    if (!plan_make(&plan, g->arena, g, NULL, 0, &target, error)) return NULL;
    FILE *out = open_memstream(&text, &size);
    plan_print(&plan, out);
    fclose(out);
    return text;
}

static char *run_pass(Graph *g, const PassRow *pass, const char **error) {
    *error = graph_lacks(g, pass->needs);
    if (*error) return NULL;
    if (pass->stage == PASS_plan) return planned_text(g, error);
    if (pass->run)
        pass->run(g);
    else
        differentiate(g);
    *error = graph_verify(g);
    if (!*error) *error = graph_lacks(g, pass->gives);
    return *error ? NULL : printed(g);
}

/* ---- files ----------------------------------------------------------------------------------- */

static void update_file(const char *path, const char *text, size_t length, const char *result) {
    FILE *file = fopen(path, "w");
    if (!file) {
        fail(path, "it cannot be written", NULL);
        return;
    }
    fprintf(file, "%.*s---\n%s", (int)length, text, result);
    fclose(file);
    printf("updated %s\n", path);
}

static bool compare_text(const char *path, const char *text, bool changes, const char *after) {
    const char *rule = strstr(text, "\n---\n");
    const size_t length = rule ? (size_t)(rule + 1 - text) : strlen(text);
    if (!changes) return fail(path, "the pass changes nothing", NULL);
    if (rule && strcmp(rule + 5, after) == 0) return true;
    if (!getenv("COUPLET_UPDATE")) return fail(path, "the pass makes another graph", after);
    update_file(path, text, length, after);
    return true;
}

static void try_example(const PassRow *pass, const char *path) {
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    const char *text = file_text(arena, path);
    const char *error = "it cannot be read";
    const char *rule = text ? strstr(text, "\n---\n") : NULL;
    const char *input =
        text ? arena_strndup(arena, text, rule ? (size_t)(rule + 1 - text) : strlen(text)) : "";
    Source source = {path, input, strlen(input)};
    Graph *g = graph_read(arena, diag, &source);
    if (!strstr(input, "# why: ")) fail(path, "it does not say why", NULL);
    if (g && read_graph_settings(path, input, &g->settings)) {
        /* The chunks of a step are made of its loss, so the first output becomes one. */
        array_push(arena, &g->loss, g->outputs.count ? g->outputs.items[0].node->span : (Span){0});
        const uint64_t before = graph_form_hash(g);
        char *after = run_pass(g, pass, &error);
        const bool changes = pass->stage == PASS_plan || graph_form_hash(g) != before;
        if (after)
            compare_text(path, text, changes, after);
        else
            fail(path, error, NULL);
        free(after);
    } else if (!g) {
        diag_print(diag, stdout);
        fail(path, "it holds no graph", NULL);
    }
    arena_free(arena);
}

static int by_entry_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_graph(const struct dirent *entry) {
    const char *end = strrchr(entry->d_name, '.');
    return end && strcmp(end, ".graph") == 0;
}

static int try_pass(const PassRow *pass, const char *folder) {
    char path[4096];
    struct dirent **entries = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, pass->name);
    const int count = scandir(path, &entries, is_graph, by_entry_name);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", folder, pass->name, entries[i]->d_name);
        try_example(pass, path);
        free(entries[i]);
    }
    free(entries);
    if (count < FEWEST_FILES) fail(pass->name, "a pass has three files or more", NULL);
    return count > 0 ? count : 0;
}

int main(int argc, char **argv) {
    int count;
    int files = 0;
    const PassRow *passes = passes_table(&count);
    for (int i = 0; i < count && argc > 1; i++)
        files += try_pass(&passes[i], argv[1]);
    printf("%d passes, %d files, %d faults\n", count, files, faults);
    return faults != 0 || files == 0;
}
