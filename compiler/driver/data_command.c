/* couplet data: shows what the sources of a spec hold, writes a source as a file that data.arrays
 * reads, and lists the packed copies in the cache. */
#include "compiler/driver/data_report.h"
#include "compiler/driver/report.h"
#include "runtime/data/copies.h"
#include "runtime/data/pack.h"
#include "runtime/data/pack_layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what the sources hold ------------------------------------------------------------------- */

static bool memory_is_out(void) {
    return report(CODE_DATA, "out of memory to compare the rows of the data");
}

static bool look_at_set(DataSets *sets, DataSet *set, const Options *o, DataFindings *out) {
    if (!data_set_load(sets, set, o, INT64_MAX, true)) return false;
    const CoupletTable *t = &set->table;
    char error[REPORT_BYTES];
    if (!couplet_pack_check(t, error, sizeof error)) return report_error(CODE_DATA, error);
    out->set = set;
    out->fields = arena_array(sets->arena, FieldStatistics, t->field_count + 1);
    for (int f = 0; f < t->field_count; f++)
        out->fields[f] = field_statistics(sets->arena, t, f);
    return twins_within(sets->arena, t, &out->twins) || memory_is_out();
}

/* Finds the rows that any two sources share, for each pair in the order of the spec. *count is the
 * number of pairs. */
static bool compare_sources(DataSets *sets, SharedRows *shared, int *count) {
    for (int i = 0; i < sets->count; i++)
        for (int k = i + 1; k < sets->count; k++) {
            SharedRows *s = &shared[(*count)++];
            *s = (SharedRows){.first = &sets->items[i], .second = &sets->items[k]};
            if (!twins_between(sets->arena, &s->first->table, &s->second->table, &s->twins))
                return memory_is_out();
        }
    return true;
}

/* Describes the sources. Returns the exit status, which is 0 if every row can be read. */
static int describe_rows(Arena *arena, const Options *asked) {
    DataSets sets;
    Options all = *asked;
    const Options *o = &all;
    /* A row that cannot be read is listed and does not stop the command. */
    all.skip_bad = INT32_MAX;
    bool good = data_sets_find(arena, o, &sets);
    bool all_read = true;
    DataFindings *findings = arena_array(arena, DataFindings, sets.count + 1);
    SharedRows *shared = arena_array(arena, SharedRows, sets.count * sets.count + 1);
    int shared_count = 0;
    for (int i = 0; good && i < sets.count; i++) {
        good = look_at_set(&sets, &sets.items[i], o, &findings[i]);
        all_read &= sets.items[i].bad.count == 0;
    }
    good = good && compare_sources(&sets, shared, &shared_count);
    if (good && o->json)
        good = data_report_json(arena, findings, sets.count, shared, shared_count, stdout) ||
               memory_is_out();
    else if (good)
        data_report_text(arena, findings, sets.count, shared, shared_count, stdout);
    data_sets_close(&sets);
    return good && all_read ? 0 : 1;
}

/* ---- files for data.arrays ------------------------------------------------------------------- */

/* Writes a source to FOLDER/train.safetensors, or to FOLDER/READER.safetensors for a source that
 * the command line names. */
static bool pack_one(DataSets *sets, DataSet *set, const Options *o, const char *folder) {
    char error[REPORT_BYTES];
    char path[COUPLET_PATH_BYTES];
    char size[32];
    const char *name =
        arena_printf(sets->arena, "%s.safetensors", set->name ? set->name : set->source.reader);
    if (!data_set_load(sets, set, o, o->skip_bad, false)) return false;
    for (int i = 0; i < set->bad.count; i++)
        report_note("left out: %s", set->bad.items[i]);
    if (!couplet_path_join(folder, name, path, error, sizeof error) ||
        !couplet_pack_write(&set->table, path, error, sizeof error))
        return report_error(CODE_OUTPUT, error);
    int64_t bytes = 0;
    for (int f = 0; f < set->table.field_count; f++)
        bytes += couplet_field_bytes(&set->table.fields[f]) * set->table.count;
    printf("%s: %lld rows, %s\n", path, (long long)set->table.count,
           couplet_bytes_text(bytes, size, sizeof size));
    return true;
}

static int pack(Arena *arena, const Options *o) {
    const char *folder = o->out ? o->out : "packed";
    char error[REPORT_BYTES];
    DataSets sets;
    bool good = data_sets_find(arena, o, &sets);
    if (good && !couplet_folder_make(folder, NULL, error, sizeof error))
        good = report_error(CODE_OUTPUT, error);
    for (int i = 0; good && i < sets.count; i++)
        good = pack_one(&sets, &sets.items[i], o, folder);
    if (good && !o->reader)
        printf("couplet train %s --data %s=%s/%s.safetensors ..\n", o->file, sets.items[0].name,
               folder, sets.items[0].name);
    data_sets_close(&sets);
    return good ? 0 : 1;
}

/* ---- packed copies --------------------------------------------------------------------------- */

static void show_copy(const CoupletPackedCopy *copy) {
    char size[32];
    char used[32] = "";
    const time_t seconds = (time_t)copy->used;
    struct tm local;
    strftime(used, sizeof used, "%Y-%m-%d %H:%M", localtime_r(&seconds, &local));
    couplet_bytes_text(copy->bytes, size, sizeof size);
    if (copy->whole)
        printf("%8s  last read %s  data.%s of %s%s, %lld rows\n          %s\n", size, used,
               copy->reader, copy->source, copy->has_source ? "" : " (which is gone)",
               (long long)copy->rows, copy->path);
    else
        printf("%8s  %s  being made, or left behind\n          %s\n", size, used, copy->path);
}

/* True if the copy is of a source whose path contains `about`. NULL fits all copies. */
static bool is_about(const CoupletPackedCopy *copy, const char *about) {
    return !about || strstr(copy->source, about) || strstr(copy->path, about);
}

static int list_copies(const Options *o) {
    char folder[COUPLET_PATH_BYTES];
    char error[REPORT_BYTES];
    char size[32];
    CoupletPackedCopy *copies;
    int count;
    int removed = 0;
    int shown = 0;
    int64_t bytes = 0;
    bool good = true;
    if (!couplet_copies_folder(folder, error, sizeof error))
        return report_error(CODE_DATA, error) ? 0 : 1;
    if (!couplet_copies_list(folder, &copies, &count)) return memory_is_out() ? 0 : 1;
    for (int i = 0; i < count; i++) {
        if (!is_about(&copies[i], o->file)) continue;
        if (o->clear && !couplet_copy_remove(&copies[i], error, sizeof error))
            good = report_error(CODE_OUTPUT, error);
        else if (o->clear)
            removed++;
        else
            show_copy(&copies[i]);
        shown++;
        bytes += copies[i].bytes;
    }
    couplet_bytes_text(bytes, size, sizeof size);
    if (o->clear)
        printf("%d packed cop%s removed from %s\n", removed, removed == 1 ? "y" : "ies", folder);
    else
        printf("%d packed cop%s, %s, in %s\n", shown, shown == 1 ? "y" : "ies", size, folder);
    free(copies);
    return good ? 0 : 1;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Takes the word `pack` off the front of the files. Returns false if the files do not begin with
 * it. */
static bool takes_pack(Options *o) {
    if (o->files.count == 0 || strcmp(o->files.items[0], "pack") != 0) return false;
    o->files.items++;
    o->files.count--;
    o->file = o->files.count ? o->files.items[0] : NULL;
    return true;
}

static bool check_usage(const Options *o, bool packs) {
    if (o->files.count > 1)
        return report(CODE_COMMAND_LINE, "one file at a time, and both `%s` and `%s` were given",
                      o->files.items[0], o->files.items[1]);
    if (o->clear && !o->cache)
        return report(CODE_COMMAND_LINE, "--clear removes packed copies, and goes with --cache");
    if (o->cache && (packs || o->reader || o->json || o->out))
        return report(CODE_COMMAND_LINE,
                      "--cache lists packed copies, and goes with --clear alone");
    if (!packs && o->out) return report(CODE_COMMAND_LINE, "-o goes with `couplet data pack`");
    if (packs && o->json) return report(CODE_COMMAND_LINE, "--json goes without `pack`");
    if (o->cache || o->file) return true;
    return report(CODE_COMMAND_LINE,
                  o->reader
                      ? "the path of the data is needed"
                      : "a file is needed, like examples/simclr.cpl, or --reader NAME and a path");
}

int data_command(int argc, char **argv) {
    Arena *arena = arena_new();
    Options o;
    int status = 2;
    if (options_read(arena, &o, "data",
                     "reader set data json cache clear out skip-bad threads [file] [files] [texts]",
                     argc, argv)) {
        const bool packs = takes_pack(&o);
        if (check_usage(&o, packs))
            status = o.cache ? list_copies(&o) : packs ? pack(arena, &o) : describe_rows(arena, &o);
    }
    arena_free(arena);
    return status;
}
