/* couplet report: shows runs as one HTML page. */
#include "compiler/driver/report.h"
#include "compiler/driver/report_detail.h"
#include "compiler/page/page.h"
#include "runtime/files.h"
#include "runtime/interrupt.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct Report {
    Arena *arena;
    const Options *options;
    ARRAY(PageRun) runs;
} Report;

static bool holds_run(Arena *arena, const char *folder) {
    return access(arena_printf(arena, "%s/settings.json", folder), F_OK) == 0;
}

static bool add_run(Report *r, const char *folder) {
    char path[COUPLET_PATH_BYTES];
    char known[COUPLET_PATH_BYTES];
    char error[REPORT_BYTES];
    const char *sentence;
    PageRun run;
    if (!couplet_path_absolute(folder, path, error, sizeof error))
        return report_error(CODE_RUN_FOLDER, error);
    for (int i = 0; i < r->runs.count; i++)
        if (couplet_path_absolute(r->runs.items[i].folder, known, error, sizeof error) &&
            strcmp(path, known) == 0)
            return report(CODE_COMMAND_LINE, "the run `%s` is given twice", folder);
    const bool good = page_run_read(r->arena, folder, &run, &sentence);
    array_push(r->arena, &r->runs, run);
    return good || report(CODE_RUN_FOLDER, "%s", sentence);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds the runs in a folder of runs, such as couplet compare leaves, in the order of their
 * names. */
static bool add_runs_in(Report *r, const char *folder) {
    ARRAY(const char *) found = {0};
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *below = arena_printf(r->arena, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.' && holds_run(r->arena, below))
            array_push(r->arena, &found, below);
    }
    if (dir) closedir(dir);
    if (found.count == 0)
        return report(CODE_RUN_FOLDER,
                      "`%s` holds no run: it has no settings.json, and no folder in it has one",
                      folder);
    qsort(found.items, (size_t)found.count, sizeof *found.items, by_name);
    for (int i = 0; i < found.count; i++)
        if (!add_run(r, found.items[i])) return false;
    return true;
}

static bool add_run_folder(Report *r, const char *folder) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    const char *plain = arena_strndup(r->arena, folder, length);
    return holds_run(r->arena, plain) ? add_run(r, plain) : add_runs_in(r, plain);
}

static bool write_page(Report *r, const char *path) {
    char error[REPORT_BYTES];
    const PageVariants variants = page_variants(r->arena, r->runs.items, r->runs.count);
    PageDetail *details = arena_array(r->arena, PageDetail, variants.count + 1);
    for (int v = 0; v < variants.count; v++)
        if (!report_detail(r->arena, r->options, variants.items[v].runs.items[0]->folder,
                           &details[v]))
            return report(CODE_RUN_STOPPED, "interrupted; nothing is written");
    Text page = {0};
    page_append(r->arena, &variants, details, &page);
    const bool good = couplet_text_write(path, page.data, error, sizeof error);
    text_free(&page);
    if (good && !r->options->quiet) printf("%s\n", path);
    return good || report_error(CODE_OUTPUT, error);
}

static bool make_report(Report *r) {
    const Options *o = r->options;
    for (int i = 0; i < o->files.count; i++)
        if (!add_run_folder(r, o->files.items[i])) return false;
    return write_page(r, o->out ? o->out : arena_printf(r->arena, "%s/report.html", o->file));
}

int report_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "report", "data skip-bad threads out quiet [files]", argc, argv)) {
        Report r = {.arena = arena, .options = &o};
        couplet_catch_interrupts();
        status = make_report(&r) ? 0 : couplet_interrupt_status() ? couplet_interrupt_status() : 1;
        for (int i = 0; i < r.runs.count; i++)
            page_run_close(&r.runs.items[i]);
    }
    arena_free(arena);
    return status;
}
