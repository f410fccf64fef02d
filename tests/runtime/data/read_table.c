/* Opens a source of data as a spec does, for tests and benchmarks that are written in Python:
 *
 *     read_table READER PATH [SETTING=VALUE ..] [--split NAME] [--raw FILE] [--time THREADS]
 *                [--between COMMAND]
 *
 * Prints a line for each field ("field NAME TYPE CLASSES NAME ..") and one for each row: its name,
 * and the values of fields that are numbers, or "bad" and a sentence. Names are separated by tabs.
 * --raw writes all arrays of a row, row after row; --time prints the seconds that THREADS threads
 * need for all rows, and no row. --between runs a command of the shell when the source is open and
 * no row was read. A reader that loads its columns at once is loaded. */
#include "runtime/data/reader.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_SETTINGS = 16, MOST_THREADS = 64, ERROR_BYTES = 4096 };

typedef struct Work {
    const CoupletTable *table;
    atomic_llong next, bad;
} Work;

/* Makes room for one row: memory for each field, and a NULL behind the last. */
static void **make_cells(const CoupletTable *table) {
    void **cells = calloc((size_t)table->field_count + 1, sizeof *cells);
    for (int f = 0; cells && f < table->field_count; f++)
        cells[f] = malloc((size_t)couplet_field_bytes(&table->fields[f]) + 1);
    return cells;
}

static void free_cells(void **cells, int count) {
    for (int f = 0; f < count; f++)
        free(cells[f]);
    free(cells);
}

static bool fetch_row(const CoupletTable *table, int64_t row, void **cells, char *error) {
    if (table->reader->read) return table->reader->read(table, row, cells, error, ERROR_BYTES);
    for (int f = 0; f < table->field_count; f++) {
        size_t bytes = (size_t)couplet_field_bytes(&table->fields[f]);
        memcpy(cells[f], (const char *)table->columns[f] + (size_t)row * bytes, bytes);
    }
    return true;
}

static void print_fields(const CoupletTable *table) {
    char text[128];
    for (int f = 0; f < table->field_count; f++) {
        const CoupletField *field = &table->fields[f];
        printf("field\t%s\t%s\t%lld", field->name, couplet_field_text(field, text, sizeof text),
               (long long)field->classes);
        for (int64_t c = 0; field->class_names && c < field->classes; c++)
            printf("\t%s", field->class_names[c]);
        printf("\n");
    }
    printf("key\t%016llx\n", (unsigned long long)table->key);
}

static void print_cells(const CoupletTable *table, int64_t row, void **cells) {
    char name[4096];
    snprintf(name, sizeof name, "row %lld", (long long)row);
    if (table->reader->name_row) table->reader->name_row(table, row, name, sizeof name);
    printf("row\t%s", name);
    for (int f = 0; f < table->field_count; f++) {
        if (table->fields[f].rank) continue;
        if (table->fields[f].type == COUPLET_F32)
            printf("\t%.9g", (double)*(float *)cells[f]);
        else
            printf("\t%d", *(int32_t *)cells[f]);
    }
    printf("\n");
}

static void print_rows(const CoupletTable *table, FILE *raw) {
    char error[ERROR_BYTES];
    void **cells = make_cells(table);
    for (int64_t row = 0; cells && row < table->held; row++) {
        if (!fetch_row(table, row, cells, error)) {
            printf("bad\t%s\n", error);
            continue;
        }
        print_cells(table, row, cells);
        for (int f = 0; raw && f < table->field_count; f++)
            if (table->fields[f].rank)
                fwrite(cells[f], 1, (size_t)couplet_field_bytes(&table->fields[f]), raw);
    }
    if (cells) free_cells(cells, table->field_count);
}

static void *read_some(void *context) {
    Work *work = context;
    char error[ERROR_BYTES];
    void **cells = make_cells(work->table);
    for (int64_t row; cells && (row = atomic_fetch_add(&work->next, 1)) < work->table->held;)
        if (!fetch_row(work->table, row, cells, error)) atomic_fetch_add(&work->bad, 1);
    if (cells) free_cells(cells, work->table->field_count);
    return NULL;
}

static void time_rows(const CoupletTable *table, int threads) {
    struct timespec start, end;
    pthread_t thread[MOST_THREADS];
    Work work = {.table = table};
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, read_some, &work) != 0) exit(1);
    for (int i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("seconds\t%.4f\t%lld\t%lld\n",
           (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec),
           (long long)table->held, (long long)work.bad);
}

/* What the command line says. */
typedef struct Options {
    CoupletRequest request;
    CoupletSetting settings[MOST_SETTINGS];
    const char *raw;
    const char *between;
    int threads;
} Options;

static bool read_setting_word(char *word, Options *o) {
    char *equals = strchr(word, '=');
    if (!equals || o->request.setting_count == MOST_SETTINGS) return false;
    *equals = 0;
    char *end;
    const double number = strtod(equals + 1, &end);
    const bool is_number = equals[1] && !*end;
    o->settings[o->request.setting_count++] =
        (CoupletSetting){word, is_number ? number : 0, is_number ? NULL : equals + 1};
    return true;
}

static bool read_options(int argc, char **argv, Options *o) {
    if (argc < 3) return false;
    o->request = (CoupletRequest){.reader = argv[1], .path = argv[2], .settings = o->settings};
    for (int i = 3; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--raw") == 0 && has_value)
            o->raw = argv[++i];
        else if (strcmp(argv[i], "--split") == 0 && has_value)
            o->request.split = argv[++i];
        else if (strcmp(argv[i], "--time") == 0 && has_value)
            o->threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--between") == 0 && has_value)
            o->between = argv[++i];
        else if (!read_setting_word(argv[i], o))
            return false;
    }
    return true;
}

/* Opens the source, and loads it if its reader loads columns. */
static bool open_and_load(const CoupletRequest *request, CoupletTable *table) {
    const CoupletLoading one_thread = {.threads = 1};
    char error[ERROR_BYTES];
    const bool opened = couplet_table_open(request, table, error, sizeof error);
    if (opened &&
        (!table->reader->load || couplet_table_load(table, &one_thread, error, sizeof error)))
        return true;
    printf("error\t%s\n", error);
    if (opened) couplet_table_close(table);
    return false;
}

int main(int argc, char **argv) {
    static Options options;
    CoupletTable table;
    if (!read_options(argc, argv, &options)) return 2;
    if (!open_and_load(&options.request, &table)) return 1;
    print_fields(&table);
    if (options.between && system(options.between) != 0) return 2;
    FILE *file = options.raw ? fopen(options.raw, "wb") : NULL;
    if (options.threads > 0 && options.threads <= MOST_THREADS)
        time_rows(&table, options.threads);
    else
        print_rows(&table, file);
    if (file) fclose(file);
    couplet_table_close(&table);
    return 0;
}
