/* Finds and loads the sources that `couplet data` and `couplet show` look at. These are the
 * sources of a spec with the rows that it chooses, or one that the command line names with
 * --reader.
 *
 * A source is also written back as a spec would say it, so that a line of the report can be
 * pasted into one. */
#include "compiler/driver/data_sets.h"

#include "compiler/driver/load.h"
#include "compiler/driver/overrides.h"
#include "compiler/driver/report.h"
#include "compiler/driver/source_translation.h"
#include "runtime/data/place.h"
#include "runtime/data/progress.h"
#include "runtime/data/reader.h"
#include "runtime/interrupt.h"
#include "runtime/numbers.h"
#include "runtime/selection.h"

#include <string.h>

/* ---- a source that the command line names ---------------------------------------------------- */

static const OptionRow *find_setting(const char *reader, const char *name) {
    for (int i = 0; i < data_catalogue.setting_count; i++)
        if (strcmp(data_catalogue.settings[i].owner, reader) == 0 &&
            strcmp(data_catalogue.settings[i].name, name) == 0)
            return &data_catalogue.settings[i];
    return NULL;
}

static bool report_unknown(Arena *arena, const char *reader, const char *name) {
    const char **names = arena_array(arena, const char *, data_catalogue.setting_count + 1);
    const char *list = "";
    int count = 0;
    for (int i = 0; i < data_catalogue.setting_count; i++) {
        if (strcmp(data_catalogue.settings[i].owner, reader) != 0) continue;
        names[count++] = data_catalogue.settings[i].name;
        list = arena_printf(arena, "%s%s `%s`", list, count > 1 ? "," : "",
                            data_catalogue.settings[i].name);
    }
    const char *near = diag_nearest(name, names, count);
    const char *help = near ? arena_printf(arena, "did you mean `%s`?", near) : NULL;
    if (count == 0)
        return report_with_help(CODE_SETTING, NULL, "data.%s has no settings, and `%s` was given",
                                reader, name);
    return report_with_help(CODE_SETTING, help, "data.%s has no setting `%s`; it has%s", reader,
                            name, list);
}

static bool take_value(Arena *arena, const OptionRow *row, const char *reader, const char *text,
                       CoupletSetting *out) {
    bool truth;
    *out = (CoupletSetting){.name = row->name};
    if (row->wants == WANTS_TEXT) {
        out->text = text;
        return true;
    }
    if (row->wants == WANTS_TRUTH) {
        const char *what = arena_printf(arena, "`%s` of data.%s", row->name, reader);
        const bool good = settings_read_truth(arena, what, text, &truth);
        out->number = truth;
        return good;
    }
    if (couplet_read_number(text, &out->number, NULL) && option_in_range(row, out->number))
        return true;
    return report(CODE_SETTING, "`%s` of data.%s is %s, and `%s` was given", row->name, reader,
                  row->range, text);
}

/* True if every setting that the reader needs is given. A needed setting is a number without a
 * standard value, whose row has a standard below its range. Returns false after a message. */
static bool has_needed(const char *reader, const CoupletSource *source) {
    for (int i = 0; i < data_catalogue.setting_count; i++) {
        const OptionRow *row = &data_catalogue.settings[i];
        if (strcmp(row->owner, reader) != 0 || row->wants != WANTS_WHOLE ||
            row->standard >= row->low)
            continue;
        bool given = false;
        for (int k = 0; k < source->setting_count; k++)
            given |= strcmp(source->settings[k].name, row->name) == 0;
        if (!given)
            return report(CODE_SETTING, "data.%s needs `%s`, %s: --set %s=%g", reader, row->name,
                          row->range, row->name, row->low > 64 ? row->low : 64);
    }
    return true;
}

static bool take_settings(Arena *arena, const Options *o, CoupletSource *source) {
    CoupletSetting *settings = arena_array(arena, CoupletSetting, o->sets.count + 1);
    for (int i = 0; i < o->sets.count; i++) {
        const OptionRow *row = find_setting(o->reader, o->sets.items[i].name);
        if (!row) return report_unknown(arena, o->reader, o->sets.items[i].name);
        if (!take_value(arena, row, o->reader, o->sets.items[i].value, &settings[i])) return false;
    }
    source->settings = settings;
    source->setting_count = o->sets.count;
    return has_needed(o->reader, source);
}

static bool find_named(const Options *o, DataSets *out) {
    char error[REPORT_BYTES];
    if (!couplet_reader_find(o->reader, error, sizeof error)) return report_error(CODE_DATA, error);
    DataSet *set = out->items = arena_new_of(out->arena, DataSet);
    set->source =
        (CoupletSource){.name = "data", .reader = o->reader, .path = o->file, .weights = -1};
    out->count = 1;
    return take_settings(out->arena, o, &set->source);
}

/* ---- the sources of a spec ------------------------------------------------------------------- */

static bool find_in_spec(const Options *o, DataSets *out) {
    Diag *diag = diag_new(out->arena);
    Method *method = load_method(out->arena, diag, o->file, o);
    if (diag_error_count(diag)) report_messages(diag);
    if (!method) return false;
    out->method = method;
    out->items = arena_array(out->arena, DataSet, method->spec->stmt_count + 1);
    for (int i = 0; i < method->spec->stmt_count; i++) {
        const Stmt *s = method->spec->stmts[i];
        if (s->kind != STMT_DATA) continue;
        DataSet *set = &out->items[out->count++];
        set->name = s->name;
        set->source = source_of_data(out->arena, s->data);
    }
    if (out->count == 0) return report(CODE_NOTHING_TO_DO, "`%s` has no `data` statement", o->file);
    return true;
}

/* Returns which rows are chosen, as a spec would say it: ", fraction = 0.1". */
static const char *write_choice(Arena *arena, const CoupletSource *s) {
    const CoupletSelection *c = &s->selection;
    const bool counts = c->per_class > 0 || c->fraction > 0 || c->imbalance > 0;
    const struct {
        const char *name;
        double value;
        bool given;
    } numbers[] = {{"classes", c->classes, c->classes > 0},
                   {"from", c->first_class, c->classes > 0 && c->first_class > 0},
                   {"per_class", c->per_class, c->per_class > 0},
                   {"fraction", c->fraction, c->fraction > 0},
                   {"imbalance", c->imbalance, c->imbalance > 0},
                   {"seed", c->seed, c->seed >= 0 && counts}};
    const char *text =
        c->part_to > 0 ? arena_printf(arena, ", part = %.10g .. %.10g", c->part_from, c->part_to)
                       : "";
    if (c->by) text = arena_printf(arena, "%s, by = %s", text, c->by);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].given)
            text = arena_printf(arena, "%s, %s = %.10g", text, numbers[i].name, numbers[i].value);
    if (s->balanced) {
        text = arena_printf(arena, "%s, balanced = true", text);
    }
    return s->ways ? arena_printf(arena, "%s, episodes(ways = %lld, each = %lld)", text,
                                  (long long)s->ways, (long long)s->each)
                   : text;
}

/* Returns conditions as a spec would say them: " where label == 3 and index < 1000". */
static const char *write_conditions(Arena *arena, const CoupletSelection *c) {
    static const char *const signs[] = {
        [COUPLET_EQUAL] = "==",   [COUPLET_UNEQUAL] = "!=", [COUPLET_BELOW] = "<",
        [COUPLET_AT_MOST] = "<=", [COUPLET_ABOVE] = ">",    [COUPLET_AT_LEAST] = ">="};
    const char *text = "";
    for (int i = 0; i < c->where_count; i++)
        text = arena_printf(arena, "%s %s %s %s %.10g", text, i ? "and" : "where",
                            c->where[i].field, signs[c->where[i].is], c->where[i].value);
    return text;
}

/* Returns a source as a spec would say it: data.images("photos", size = 64, part = 0 .. 0.8) where
 * label < 3 */
static const char *write_source(Arena *arena, const CoupletSource *s) {
    const char *text = arena_printf(arena, "data.%s(\"%s\"", s->reader, s->path ? s->path : "");
    for (int i = 0; i < s->setting_count; i++) {
        const CoupletSetting *setting = &s->settings[i];
        if (setting->text)
            text = arena_printf(arena, "%s, %s = \"%s\"", text, setting->name, setting->text);
        else
            text = arena_printf(arena, "%s, %s = %.10g", text, setting->name, setting->number);
    }
    return arena_printf(arena, "%s%s)%s", text, write_choice(arena, s),
                        write_conditions(arena, &s->selection));
}

bool data_sets_find(Arena *arena, const Options *o, DataSets *out) {
    *out = (DataSets){.arena = arena};
    if (!(o->reader ? find_named(o, out) : find_in_spec(o, out))) return false;
    for (int i = 0; i < out->count; i++)
        out->items[i].written = write_source(arena, &out->items[i].source);
    return true;
}

/* ---- tables ---------------------------------------------------------------------------------- */

/* The listener while a table is loaded: a line that shows progress, and the list of rows that are
 * left out. */
typedef struct Hearing {
    CoupletProgress progress;
    /* the progress line's functions, to which these below pass on what they hear */
    CoupletLoading loading;
    Arena *arena;
    DataSet *set;
} Hearing;

static void hear_progress(void *context, int64_t done, int64_t rows) {
    Hearing *h = context;
    h->loading.progress(&h->progress, done, rows);
}

static void hear_said(void *context, const char *sentence) {
    Hearing *h = context;
    h->loading.said(&h->progress, sentence);
}

static void hear_skipped(void *context, const char *sentence) {
    Hearing *h = context;
    array_push(h->arena, &h->set->bad, arena_strndup(h->arena, sentence, strlen(sentence)));
}

static bool open_data_set(DataSet *set, const Options *o, char *error, size_t error_bytes) {
    const CoupletPlaces places = options_places(o, o->reader ? "" : o->file);
    CoupletRequest request;
    char path[COUPLET_PATH_BYTES];
    set->is_open =
        couplet_place_request(&places, &set->source, path, &request, error, error_bytes) &&
        couplet_table_open(&request, &set->table, error, error_bytes);
    return set->is_open;
}

bool data_set_load(DataSets *sets, DataSet *set, const Options *o, int64_t skip_bad, bool chosen) {
    char error[REPORT_BYTES];
    if (!open_data_set(set, o, error, sizeof error)) return report_error(CODE_DATA, error);
    Hearing hearing = {.arena = sets->arena, .set = set};
    couplet_progress_begin(&hearing.progress, stderr, set->name, &hearing.loading);
    const CoupletLoading loading = {.threads = (int)o->threads,
                                    .skip_bad = skip_bad,
                                    .progress = hear_progress,
                                    .skipped = hear_skipped,
                                    .said = hear_said,
                                    .context = &hearing,
                                    .stop = couplet_catch_interrupts()};
    const bool good = couplet_table_load(&set->table, &loading, error, sizeof error) &&
                      (!chosen || couplet_selection_apply(&set->source.selection, &set->table,
                                                          &loading, error, sizeof error));
    couplet_progress_end(&hearing.progress);
    return good || report_error(CODE_DATA, error);
}

void data_sets_close(DataSets *sets) {
    for (int i = 0; i < sets->count; i++)
        if (sets->items[i].is_open) couplet_table_close(&sets->items[i].table);
    sets->count = 0;
}

const char *data_row_name(Arena *arena, const CoupletTable *table, int64_t row) {
    char name[COUPLET_PATH_BYTES];
    if (!table->reader->name_row) return arena_printf(arena, "row %lld", (long long)row);
    table->reader->name_row(table, row, name, sizeof name);
    return arena_strndup(arena, name, strlen(name));
}
