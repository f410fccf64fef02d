/* Reads a list of files in CSV (list.h): the column `file`, and a field for each other one.
 * Types are decided by a column's first cell, and every cell must fit.
 *
 * The parser is given one line at a time, so that each mistake has its line. Cells are kept as
 * texts until all are there, because classes are numbered in the byte order of their words. */
#include "runtime/data/list.h"

#include "runtime/numbers.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <csv.h>

enum { MOST_CLASSES = 1 << 20 };

/* The cells of the list, row by row, before their types are known. */
typedef struct Cells {
    const char *path;
    char **cell;    /* [rows * columns]; the names of the columns come first */
    int64_t *lines; /* [rows]: the line where each row ends */
    int64_t count;
    int64_t room;
    int64_t rows;
    int64_t row_room;
    int columns;  /* 0 until the first row has ended */
    int64_t line; /* the number of the line that is being read */
    int64_t row_start;
    bool failed;
    char *error;
    size_t error_bytes;
} Cells;

static bool fail_at(const char *path, int64_t line, const char *text, char *error,
                    size_t error_bytes) {
    snprintf(error, error_bytes, "%s:%lld: %s", path, (long long)line, text);
    return false;
}

static bool out_of_memory(const char *path, char *error, size_t error_bytes) {
    snprintf(error, error_bytes, "%s: out of memory", path);
    return false;
}

/* Makes room for one more item of `bytes`. Returns NULL if memory is out. */
static void *grow(void *array, int64_t count, int64_t *room, size_t bytes) {
    if (count < *room) return array;
    int64_t more = *room ? 2 * *room : 256;
    void *grown = realloc(array, (size_t)more * bytes);
    if (grown) *room = more;
    return grown;
}

/* ---- cells ----------------------------------------------------------------------------------- */

static void take_cell(void *text, size_t length, void *context) {
    Cells *c = context;
    if (c->failed) return;
    char **cells = grow(c->cell, c->count, &c->room, sizeof *cells);
    if (cells) c->cell = cells;
    char *copy = cells ? strndup(text ? text : "", length) : NULL;
    if (copy)
        c->cell[c->count++] = copy;
    else
        c->failed = !out_of_memory(c->path, c->error, c->error_bytes);
}

static void end_row(int end, void *context) {
    (void)end;
    Cells *c = context;
    if (c->failed) return;
    int64_t found = c->count - c->row_start;
    if (!c->columns) c->columns = (int)found;
    if (found != c->columns) {
        snprintf(c->error, c->error_bytes,
                 "%s:%lld: this row has %lld cells, and the first line names %d columns", c->path,
                 (long long)c->line, (long long)found, c->columns);
        c->failed = true;
        return;
    }
    int64_t *lines = grow(c->lines, c->rows, &c->row_room, sizeof *lines);
    if (lines) {
        c->lines = lines;
        c->lines[c->rows++] = c->line;
        c->row_start = c->count;
    } else
        c->failed = !out_of_memory(c->path, c->error, c->error_bytes);
}

/* Gives the parser one line at a time, so that the number of the line is known. */
static bool parse_lines(Cells *c, struct csv_parser *parser, const char *text, size_t length) {
    for (size_t at = 0; at < length && !c->failed;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t count = end ? (size_t)(end - text) + 1 - at : length - at;
        c->line++;
        if (csv_parse(parser, text + at, count, take_cell, end_row, c) != count)
            return fail_at(c->path, c->line, csv_strerror(csv_error(parser)), c->error,
                           c->error_bytes);
        at += count;
    }
    if (!c->failed && csv_fini(parser, take_cell, end_row, c) != 0)
        return fail_at(c->path, c->line, "a quotation mark is opened and not closed", c->error,
                       c->error_bytes);
    return !c->failed;
}

static bool read_cells(Cells *c) {
    struct csv_parser parser;
    size_t length = 0;
    size_t start = 0;
    char *text = couplet_text_read(c->path, &length, c->error, c->error_bytes);
    if (!text) return false;
    if (memchr(text, 0, length)) {
        free(text);
        snprintf(c->error, c->error_bytes, "%s: this is no text: a zero byte is in it", c->path);
        return false;
    }
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0) {
        free(text);
        return out_of_memory(c->path, c->error, c->error_bytes);
    }
    if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) start = 3;
    bool good = parse_lines(c, &parser, text + start, length - start);
    csv_free(&parser);
    free(text);
    return good;
}

static const char *cell_of(const Cells *c, int64_t row, int column) {
    return c->cell[row * c->columns + column];
}

static void free_cells(Cells *c) {
    for (int64_t i = 0; i < c->count; i++)
        free(c->cell[i]);
    free(c->cell);
    free(c->lines);
}

/* ---- columns --------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Returns the position of a word among the sorted classes. */
static int32_t class_number(const CoupletListColumn *column, const char *word) {
    char *const *found =
        bsearch(&word, column->classes, (size_t)column->class_count, sizeof word, by_text);
    return (int32_t)(found - column->classes);
}

/* Reads a column of words, which become classes in byte order. */
static bool read_words(const Cells *c, int number, CoupletListColumn *out) {
    int64_t count = c->rows - 1;
    int64_t kept = 0;
    const char **words = malloc((size_t)count * sizeof *words);
    out->wholes = malloc((size_t)count * sizeof *out->wholes);
    out->classes = calloc((size_t)count, sizeof *out->classes);
    bool good = words && out->wholes && out->classes;
    for (int64_t i = 0; good && i < count; i++)
        words[i] = cell_of(c, i + 1, number);
    if (good) qsort(words, (size_t)count, sizeof *words, by_text);
    for (int64_t i = 0; good && i < count; i++) {
        if (kept && strcmp(out->classes[kept - 1], words[i]) == 0) continue;
        out->classes[kept] = strdup(words[i]);
        good = out->classes[kept] != NULL;
        if (good) out->class_count = ++kept;
    }
    for (int64_t i = 0; good && i < count; i++)
        out->wholes[i] = class_number(out, cell_of(c, i + 1, number));
    free(words);
    out->type = COUPLET_I32;
    return good || out_of_memory(c->path, c->error, c->error_bytes);
}

/* Reads all cells as whole numbers. Returns false without a sentence if a cell is none. */
static bool read_wholes(const Cells *c, int number, CoupletListColumn *out) {
    int64_t most = -1;
    int64_t least = 0;
    for (int64_t i = 0; i + 1 < c->rows; i++) {
        int64_t value;
        if (!couplet_read_whole(cell_of(c, i + 1, number), INT32_MIN, INT32_MAX, &value))
            return false;
        out->wholes[i] = (int32_t)value;
        most = value > most ? value : most;
        least = value < least ? value : least;
    }
    out->class_count = least >= 0 && most < MOST_CLASSES ? most + 1 : 0;
    return true;
}

static bool read_reals(const Cells *c, int number, CoupletListColumn *out) {
    for (int64_t i = 0; i + 1 < c->rows; i++) {
        double value;
        bool whole;
        const char *cell = cell_of(c, i + 1, number);
        if (!couplet_read_number(cell, &value, &whole)) {
            snprintf(c->error, c->error_bytes,
                     "%s:%lld: `%s` is in the column `%s`, whose first cell is a number; a number "
                     "was expected",
                     c->path, (long long)c->lines[i + 1], cell, out->name);
            return false;
        }
        int64_t fits;
        if (whole && !couplet_read_whole(cell, -16777216, 16777216, &fits)) {
            snprintf(c->error, c->error_bytes,
                     "%s:%lld: the whole number %s of the column `%s` does not fit 32 bits",
                     c->path, (long long)c->lines[i + 1], cell, out->name);
            return false;
        }
        out->reals[i] = (float)value;
    }
    return true;
}

/* Reads a column of numbers: as int32 if all are whole numbers that fit, and otherwise as
 * floats. */
static bool read_numbers(const Cells *c, int number, CoupletListColumn *out) {
    size_t count = (size_t)(c->rows - 1);
    out->type = COUPLET_I32;
    out->wholes = malloc(count * sizeof *out->wholes);
    if (!out->wholes) return out_of_memory(c->path, c->error, c->error_bytes);
    if (read_wholes(c, number, out)) return true;
    free(out->wholes);
    out->wholes = NULL;
    out->class_count = 0;
    out->type = COUPLET_F32;
    out->reals = malloc(count * sizeof *out->reals);
    return out->reals ? read_reals(c, number, out)
                      : out_of_memory(c->path, c->error, c->error_bytes);
}

static bool is_identifier(const char *text) {
    if (!isalpha((unsigned char)*text) && *text != '_') return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '_') return false;
    return true;
}

static bool read_column(const Cells *c, int number, CoupletListColumn *out) {
    const char *name = cell_of(c, 0, number);
    double value;
    for (int64_t i = 1; i < c->rows; i++) {
        if (*cell_of(c, i, number)) continue;
        snprintf(c->error, c->error_bytes, "%s:%lld: the cell of the column `%s` is empty", c->path,
                 (long long)c->lines[i], name);
        return false;
    }
    if (!is_identifier(name)) {
        snprintf(c->error, c->error_bytes,
                 "%s:%lld: the column `%s` is a field, whose name has letters, digits and "
                 "underscores alone; rename it",
                 c->path, (long long)c->lines[0], name);
        return false;
    }
    for (int other = 0; other < number; other++) {
        if (strcmp(cell_of(c, 0, other), name) != 0) continue;
        snprintf(c->error, c->error_bytes, "%s:%lld: two columns have the name `%s`", c->path,
                 (long long)c->lines[0], name);
        return false;
    }
    out->name = strdup(name);
    if (!out->name) return out_of_memory(c->path, c->error, c->error_bytes);
    return couplet_read_number(cell_of(c, 1, number), &value, NULL) ? read_numbers(c, number, out)
                                                                    : read_words(c, number, out);
}

/* ---- the list -------------------------------------------------------------------------------- */

static int column_named(const Cells *c, const char *name) {
    for (int i = 0; i < c->columns; i++)
        if (strcmp(cell_of(c, 0, i), name) == 0) return i;
    return -1;
}

static bool take_files(CoupletList *out, const Cells *c, int column) {
    out->files = calloc((size_t)(c->rows - 1), sizeof *out->files);
    out->lines = malloc((size_t)(c->rows - 1) * sizeof *out->lines);
    if (!out->files || !out->lines) return out_of_memory(c->path, c->error, c->error_bytes);
    for (int64_t i = 1; i < c->rows; i++) {
        const char *cell = cell_of(c, i, column);
        if (!*cell)
            return fail_at(c->path, c->lines[i], "the cell of the column `file` is empty", c->error,
                           c->error_bytes);
        out->lines[i - 1] = c->lines[i];
        out->files[i - 1] = strdup(cell);
        if (!out->files[i - 1]) return out_of_memory(c->path, c->error, c->error_bytes);
        out->count = i;
    }
    return true;
}

static bool make_list(CoupletList *out, const Cells *c) {
    int files = c->rows ? column_named(c, "file") : -1;
    if (!c->rows)
        return fail_at(c->path, 1,
                       "the list is empty; a first line that names the columns was expected, like "
                       "`file,label`",
                       c->error, c->error_bytes);
    if (files < 0)
        return fail_at(c->path, c->lines[0],
                       "no column is called `file`; a first line that names the columns was "
                       "expected, like `file,label`",
                       c->error, c->error_bytes);
    if (c->rows < 2)
        return fail_at(c->path, c->lines[0], "the list names no file", c->error, c->error_bytes);
    out->columns = calloc((size_t)c->columns, sizeof *out->columns);
    if (!out->columns) return out_of_memory(c->path, c->error, c->error_bytes);
    if (!take_files(out, c, files)) return false;
    for (int i = 0; i < c->columns; i++)
        if (i != files && !read_column(c, i, &out->columns[out->column_count++])) return false;
    return true;
}

bool couplet_list_read(CoupletList *out, const char *path, char *error, size_t error_bytes) {
    Cells cells = {.path = path, .error = error, .error_bytes = error_bytes};
    *out = (CoupletList){.count = 0};
    bool good = read_cells(&cells) && make_list(out, &cells);
    free_cells(&cells);
    if (!good) couplet_list_free(out);
    return good;
}

void couplet_list_free(CoupletList *list) {
    for (int64_t i = 0; i < list->count; i++)
        free(list->files[i]);
    for (int i = 0; i < list->column_count; i++) {
        CoupletListColumn *column = &list->columns[i];
        for (int64_t k = 0; column->classes && k < column->class_count; k++)
            free(column->classes[k]);
        free(column->classes);
        free(column->wholes);
        free(column->reals);
        free(column->name);
    }
    free(list->files);
    free(list->lines);
    free(list->columns);
    *list = (CoupletList){.count = 0};
}

bool couplet_list_fields(const CoupletList *list, const char *path, const char *const *taken,
                         CoupletTable *table, char *error, size_t error_bytes) {
    for (int i = 0; i < list->column_count; i++) {
        const CoupletListColumn *column = &list->columns[i];
        for (const char *const *name = taken; *name; name++) {
            if (strcmp(*name, column->name) != 0) continue;
            snprintf(error, error_bytes,
                     "%s:1: the name `%s` of a column is taken by a field; rename the column", path,
                     column->name);
            return false;
        }
        CoupletField *field = couplet_table_add(table, column->name, column->type, 0, NULL);
        bool good = field && (!column->classes ||
                              couplet_field_classes(field, (const char *const *)column->classes,
                                                    column->class_count));
        if (!good) return out_of_memory(path, error, error_bytes);
        field->classes = column->class_count;
    }
    return true;
}
