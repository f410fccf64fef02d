/* Reads a spec and checks it: a file, a folder of files, standard input, or a module of the
 * library, which is embedded in the executable.
 *
 * The checker asks back for modules and for the fields of data (CheckHooks). To answer, the table
 * of a source is opened here, by names and headers alone. It is opened once, and read again only if
 * rows are chosen. A resumed run takes its fields from its record, because the data may be gone. */
#include "compiler/driver/load.h"

#include "compiler/cpu/cpu.h"
#include "compiler/driver/overrides.h"
#include "compiler/driver/report.h"
#include "compiler/driver/source_translation.h"
#include "compiler/driver/uses.h"

#include "runtime/classes.h"
#include "runtime/clock.h"
#include "runtime/data/place.h"
#include "runtime/data/progress.h"
#include "runtime/record.h"
#include "runtime/selection.h"
#include "runtime/sources.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_standard_input(const char *path) {
    return strcmp(path, "-") == 0;
}

/* Reads all of a stream, whose length need not be known ahead. */
static Source *read_stream(Arena *arena, FILE *file, const char *name) {
    Text text = {0};
    char piece[1 << 14];
    for (size_t got; (got = fread(piece, 1, sizeof piece, file)) > 0;)
        text_append(&text, piece, got);
    Source *source = NULL;
    if (ferror(file))
        report(CODE_FILE_READ, "`%s` cannot be read: %s", name, strerror(errno));
    else {
        source = arena_new_of(arena, Source);
        *source = (Source){name, text.length ? arena_strndup(arena, text.data, text.length) : "",
                           text.length};
    }
    text_free(&text);
    return source;
}

Source *load_source(Arena *arena, const char *path) {
    struct stat info;
    if (is_standard_input(path)) return read_stream(arena, stdin, "<stdin>");
    errno = 0;
    FILE *file = stat(path, &info) == 0 && !S_ISDIR(info.st_mode) ? fopen(path, "rb") : NULL;
    if (!file) {
        report(CODE_FILE_READ, "`%s` cannot be read: %s", path,
               errno ? strerror(errno) : "it is a folder");
        return NULL;
    }
    Source *source = read_stream(arena, file, path);
    fclose(file);
    return source;
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Serves as CheckHooks.kept: returns the rows that a selection by counts leaves of a source whose
 * data is missing. Other selections depend on the rows themselves, so the answer is 0, not
 * known. */
static int64_t kept_rows(void *context, const DataSource *d, int64_t held, int64_t classes) {
    const CoupletSelection selection = {.per_class = d->selection.per_class,
                                        .fraction = d->selection.fraction,
                                        .imbalance = d->selection.imbalance};
    int64_t rows = 0;
    (void)context;
    if (d->selection.part_to > 0 || d->selection.where_count || d->selection.classes > 0) return 0;
    for (int64_t i = 0; i < classes; i++)
        rows += couplet_selection_keep(&selection, (int)i, (int)classes, held / classes);
    return rows;
}

/* The places and the record by which the data of a method is found. */
typedef struct Seeker {
    CoupletPlaces places;
    CoupletLoading loading; /* how to load rows, for facts that only the rows can tell */
    bool quiet;
    /* the record that says what the data held, so that the data is not opened; NULL: there is
     * none */
    const CoupletRecord *record;
    /* the table of the source that was opened last, until its rows are counted */
    CoupletTable open;
    const DataSource *of;        /* the source whose table is open, or NULL */
    CoupletOpenedTables *opened; /* the list of tables that stay open; NULL: none do */
    FoundFiles files;            /* the files that `use` has named so far */
} Seeker;

static const UsedFiles *find_files(void *context, Arena *arena, const Source *from,
                                   const char *path, const char **sentence, const char **help) {
    return uses_find(&((Seeker *)context)->files, arena, from, path, sentence, help);
}

/* True if the selection may leave out rows. If not, the rows are those that the table was opened
 * with. */
static bool chooses(const Seeker *seeker, const CoupletSelection *s) {
    return seeker->loading.skip_bad > 0 || s->per_class > 0 || s->fraction > 0 ||
           s->imbalance > 0 || s->part_to > 0 || s->classes > 0 || s->where_count > 0;
}

/* Counts the chosen rows. If rows that cannot be read are left out, all rows must be read to know
 * their number. The caller that opens the data later says which rows they are. */
static bool take_chosen(const Seeker *seeker, const CoupletSource *source, CoupletTable *table,
                        char *error, size_t error_bytes) {
    CoupletLoading loading = seeker->loading;
    CoupletProgress progress;
    if (!seeker->quiet) {
        couplet_progress_begin(&progress, stderr, source->name, &loading);
    }
    loading.skipped = NULL;
    const bool good =
        (!loading.skip_bad || couplet_table_load(table, &loading, error, error_bytes)) &&
        couplet_selection_apply(&source->selection, table, &loading, error, error_bytes);
    if (!seeker->quiet) couplet_progress_end(&progress);
    return good;
}

static bool count_chosen(const Seeker *seeker, const CoupletSource *source, CoupletTable *table,
                         DataSource *d, char *error, size_t error_bytes) {
    if (!take_chosen(seeker, source, table, error, error_bytes)) return false;
    d->rows = table->count;
    return true;
}

/* Takes the fields and rows that a source had when the run was made. Returns false if the record
 * does not have the source. */
static bool recall_schema(const Seeker *seeker, Arena *arena, DataSource *d) {
    ARRAY(CoupletField) fields = {NULL, 0, 0};
    CoupletField field;
    double rows;
    while (seeker->record && couplet_record_field(seeker->record, d->name, fields.count, &field))
        array_push(arena, &fields, field);
    if (!fields.count ||
        !couplet_record_number(seeker->record, arena_printf(arena, "data.%s.used", d->name), &rows))
        return false;
    source_take_fields(arena, fields.items, fields.count, d);
    d->rows = (int64_t)rows;
    return true;
}

static bool claim_holds(const DataSource *d, char *error, size_t error_bytes) {
    if (!d->claimed_rows || d->claimed_rows == d->rows) return true;
    snprintf(error, error_bytes, "`%s` has %lld rows, and the spec claims %lld", d->name,
             (long long)d->rows, (long long)d->claimed_rows);
    return false;
}

static void close_open_table(Seeker *seeker) {
    couplet_table_close(&seeker->open);
    seeker->of = NULL;
}

/* Keeps the table as it was opened, with all its rows, for the run. If rows that cannot be read are
 * left out, the table is not kept but opened anew, so that the later reader says which rows these
 * are. */
static void keep_table(Seeker *seeker, Arena *arena) {
    CoupletTable *table = &seeker->open;
    if (seeker->opened && table->reader && !seeker->loading.skip_bad) {
        free(table->origin);
        table->origin = NULL;
        table->count = table->held;
        array_push(arena, seeker->opened, ((CoupletOpenedTable){seeker->of->name, *table}));
        *table = (CoupletTable){.held = 0};
    }
    close_open_table(seeker);
}

static void count_time(const Seeker *seeker, double since) {
    if (seeker->opened) {
        seeker->opened->seconds += couplet_seconds() - since;
    }
}

/* Finds out whether all rows have one class. A loss that compares labels asks for this. */
static void look_for_one_class(const CoupletTable *table, DataSource *d) {
    for (int i = 0; i < d->field_count; i++)
        if (d->fields[i].type == DATA_INT && d->fields[i].rank == 0)
            d->fields[i].is_one_class = couplet_classes_is_one(table, d->fields[i].name);
}

static SchemaAnswer choose_rows(void *context, Arena *arena, DataSource *d, const char **sentence) {
    Seeker *seeker = context;
    const CoupletSource source = source_of_data(arena, d);
    char error[REPORT_BYTES];
    const double start = couplet_seconds();
    bool good = true;
    if (seeker->of == d && chooses(seeker, &source.selection))
        good = count_chosen(seeker, &source, &seeker->open, d, error, sizeof error);
    if (seeker->of == d && good) look_for_one_class(&seeker->open, d);
    keep_table(seeker, arena);
    count_time(seeker, start);
    good = good && claim_holds(d, error, sizeof error);
    if (!good) *sentence = arena_strndup(arena, error, strlen(error));
    return good ? SCHEMA_READ : SCHEMA_REFUSED;
}

static SchemaAnswer read_schema(void *context, Arena *arena, DataSource *d, const char **sentence) {
    Seeker *seeker = context;
    const CoupletSource source = source_of_data(arena, d);
    CoupletRequest request;
    char path[COUPLET_PATH_BYTES];
    char error[REPORT_BYTES];
    close_open_table(seeker);
    bool good =
        couplet_place_request(&seeker->places, &source, path, &request, error, sizeof error);
    if (good && recall_schema(seeker, arena, d)) return SCHEMA_READ;
    if (good && request.path && access(request.path, F_OK) != 0) {
        *sentence = arena_printf(arena, "%s: %s", request.path, strerror(errno));
        return SCHEMA_ABSENT;
    }
    const double start = couplet_seconds();
    /* the facts of a preset hold even if its data cannot be opened */
    const bool of_preset = good && request.split;
    if (good && (good = couplet_table_open(&request, &seeker->open, error, sizeof error))) {
        source_take_fields(arena, seeker->open.fields, seeker->open.field_count, d);
        d->rows = seeker->open.held;
        seeker->of = d;
    }
    count_time(seeker, start);
    if (!good) *sentence = arena_strndup(arena, error, strlen(error));
    return good ? SCHEMA_READ : of_preset ? SCHEMA_ABSENT : SCHEMA_REFUSED;
}

/* True if each --data means something to the spec. Returns false after a message. */
static bool places_fit(Arena *arena, const Module *spec, const CoupletPlaces *places) {
    CoupletSource *sources = arena_array(arena, CoupletSource, spec->stmt_count + 1);
    int count = 0;
    char error[REPORT_BYTES];
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_DATA)
            sources[count++] = (CoupletSource){.name = spec->stmts[i]->name};
    return couplet_places_fit(places, sources, count, error, sizeof error) ||
           report_error(CODE_COMMAND_LINE, error);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Returns the .cpl files of a folder in order of name, or NULL after a message. */
static const char **folder_files(Arena *arena, const char *folder, int *count) {
    ARRAY(const char *) paths = {NULL, 0, 0};
    DIR *open = opendir(folder);
    for (struct dirent *entry; open && (entry = readdir(open));) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && strcmp(entry->d_name + length - 4, ".cpl") == 0)
            array_push(arena, &paths, arena_printf(arena, "%s/%s", folder, entry->d_name));
    }
    if (open) closedir(open);
    if (paths.count == 0)
        report(CODE_FILE_READ, "the folder `%s` holds no .cpl file", folder);
    else
        qsort(paths.items, (size_t)paths.count, sizeof *paths.items, by_name);
    *count = paths.count;
    return paths.items;
}

/* Returns the path without slashes at its end. For ".", ".." and the root, returns the path from
 * the root. */
static const char *named_path(Arena *arena, const char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    const char *trimmed = arena_strndup(arena, path, length);
    const char *slash = strrchr(trimmed, '/');
    const char *name = slash ? slash + 1 : trimmed;
    if (*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) return trimmed;
    char *whole = realpath(path, NULL);
    const char *copy = whole ? arena_strndup(arena, whole, strlen(whole)) : trimmed;
    free(whole);
    return copy;
}

const char *load_spec_name(Arena *arena, const char *path) {
    if (is_standard_input(path)) return "stdin";
    path = named_path(arena, path);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    return arena_strndup(arena, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

/* Returns every part of a library module, or NULL if there is no such module. */
static const Source **library_sources(Arena *arena, const char *name, int *count) {
    ARRAY(const Source *) parts = {NULL, 0, 0};
    const Source *part;
    while ((part = library_read(NULL, arena, name, parts.count)))
        array_push(arena, &parts, part);
    *count = parts.count;
    return parts.items;
}

const Source **load_spec_sources(Arena *arena, const char *path, int *count) {
    struct stat info;
    bool there = stat(path, &info) == 0;
    const Source **library = there ? NULL : library_sources(arena, path, count);
    if (library) return library;
    const char **paths = &path;
    *count = 1;
    if (there && S_ISDIR(info.st_mode)) {
        paths = folder_files(arena, path, count);
    }
    const Source **sources = arena_array(arena, const Source *, *count + 1);
    for (int i = 0; i < *count; i++) {
        sources[i] = load_source(arena, paths[i]);
        if (!sources[i]) *count = 0;
    }
    return sources;
}

/* Returns a list of one source, the text of the options. */
static const Source **text_sources(Arena *arena, const Options *options, int *count) {
    Source *source = arena_new_of(arena, Source);
    const Source **sources = arena_array(arena, const Source *, 1);
    const size_t length = strlen(options->text);
    *source = (Source){options->file, arena_strndup(arena, options->text, length), length};
    sources[0] = source;
    *count = 1;
    return sources;
}

static Module *read_spec(Arena *arena, Diag *diag, const char *path, const Options *options) {
    int count;
    const Source **sources = options->text ? text_sources(arena, options, &count)
                                           : load_spec_sources(arena, path, &count);
    Module *spec = NULL;
    for (int i = 0; i < count; i++)
        spec = module_join(arena, spec,
                           parse_module(arena, diag, sources[i], load_spec_name(arena, path)));
    return spec;
}

static bool has_loss(const Module *spec) {
    for (int i = 0; i < spec->stmt_count; i++)
        if (spec->stmts[i]->kind == STMT_LOSS || spec->stmts[i]->kind == STMT_TRAIN) return true;
    return false;
}

bool method_is_trained(const Method *method) {
    return has_loss(method->spec);
}

static Method *check_module(Arena *arena, Diag *diag, Module *spec, const char *path,
                            Seeker *seeker) {
    const CheckHooks hooks = {library_read, find_files,      read_schema, choose_rows,
                              kept_rows,    &data_catalogue, seeker};
    spec->used = uses_of_spec(&seeker->files, arena, path);
    Method *method = check_method(arena, diag, spec, &hooks);
    close_open_table(seeker);
    return method;
}

Method *load_method(Arena *arena, Diag *diag, const char *path, const Options *options) {
    static const Options none = {.file = NULL};
    if (!options) options = &none;
    Module *spec = read_spec(arena, diag, path, options);
    if (!spec) return NULL;
    const bool for_functions = options->fn || !has_loss(spec);
    if (!settings_write(arena, spec, options, for_functions)) return NULL;
    Seeker seeker = {.places = options_places(options, spec->source->path),
                     .loading = {.threads = (int)options->threads, .skip_bad = options->skip_bad},
                     .quiet = options->quiet,
                     .record = options->trusts_record ? options->record : NULL,
                     .opened = options->opened};
    if (!places_fit(arena, spec, &seeker.places)) return NULL;
    Method *method = check_module(arena, diag, spec, path, &seeker);
    KeptFiles kept;
    if (diag_error_count(diag) || !uses_keep(arena, diag, method, &kept)) return NULL;
    return for_functions && !settings_fit_functions(arena, method, options) ? NULL : method;
}

static Method *check_sources(Arena *arena, Diag *diag, const char *path, Seeker *seeker,
                             const Source *const *sources, int count) {
    Module *spec = NULL;
    for (int i = 0; i < count; i++)
        spec = module_join(arena, spec,
                           parse_module(arena, diag, sources[i], load_spec_name(arena, path)));
    return check_module(arena, diag, spec, path, seeker);
}

Method *load_text(Arena *arena, Diag *diag, const char *path, const char *text) {
    Source *source = arena_new_of(arena, Source);
    const Source *const sources[] = {source};
    Seeker seeker = {.quiet = true};
    *source = (Source){path, text, strlen(text)};
    return check_sources(arena, diag, path, &seeker, sources, 1);
}

Method *load_sources(Arena *arena, Diag *diag, const char *path, const Source *const *sources,
                     int count) {
    Seeker seeker = {.places = {.spec = path}, .quiet = true};
    return check_sources(arena, diag, path, &seeker, sources, count);
}

LoweredProgram *load_lowered(Arena *arena, Diag *diag, const Method *method,
                             const CompileOptions *options) {
    const PlanTarget target = cpu_plan_target(arena);
    CompileOptions here = options ? *options : (CompileOptions){.after = NULL};
    here.target = &target;
    return has_loss(method->spec) ? compile_method(arena, diag, method, METHOD_STEPS, &here) : NULL;
}
