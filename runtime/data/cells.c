/* Reads a CSV table into columns of numbers and words, through libcsv.
 *
 * The first cell of a column that is not missing decides what the column is. In a column of
 * numbers, a later cell that is no number is refused with its line. If all cells decided together,
 * one typing error in line 10,000 would turn numbers into words in silence. For the same reason, a
 * first cell that is the only one without a number is refused.
 *
 * A fast path reads numbers of up to fifteen digits exactly, since most cells are such. What one
 * table knows (names, kinds, words, means) can be applied to another, or stored (cells_codes.c). */
#include "runtime/data/cells.h"

#include "runtime/data/mapping_guard.h"
#include "runtime/data/textfile.h"
#include "runtime/hash.h"
#include "runtime/numbers.h"

#include <csv.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PIECE = 1 << 16,
    MOST_COLUMNS = 1 << 16,
    MOST_CELL = 1 << 20,
    NUMBER_BYTES = 64,
    SHOWN = 60
};

typedef struct Reading {
    const CoupletCellsRules *rules;
    const CoupletCells *like;
    CoupletCells *out;
    CoupletWords names; /* the names of all columns of the file, in order */
    int *kept;          /* by column of the file: its number in `out`, or -1 */
    int64_t room;       /* the number of rows for which there is memory */
    bool named;         /* true once the names were read, or if there are none */
    bool failed;
    /* The character that ended the line before. A line feed behind a carriage return does not end
     * another line. */
    char last;
    int64_t line;    /* the line that is being read, from 1 */
    int64_t begun;   /* the line in which this row begins */
    int64_t cell;    /* the number of cells of this row so far */
    bool is_missing; /* true if a cell of this row is missing */
    char *error;
    size_t error_bytes;
} Reading;

/* ---- sentences ------------------------------------------------------------------------------- */

static void note_failure(Reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note_failure(Reading *r, const char *format, ...) {
    if (r->failed) return;
    va_list args;
    va_start(args, format);
    vsnprintf(r->error, r->error_bytes, format, args);
    va_end(args);
    r->failed = true;
}

static void out_of_memory(Reading *r) {
    note_failure(r, "%s: out of memory", r->out->name);
}

/* Writes a cell for a message: on one line, and not too long. A character is not cut. */
static const char *quote_cell(const char *text, size_t length, char out[SHOWN + 8]) {
    size_t used = 0;
    for (; used < length && used < SHOWN; used++)
        out[used] = (char)((unsigned char)text[used] < ' ' ? ' ' : text[used]);
    while (used < length && used && ((unsigned char)text[used] & 0xc0) == 0x80)
        used--;
    strcpy(out + used, used < length ? ".." : "");
    return out;
}

/* Writes names, as in "age, workclass, ..". */
static const char *list_names(const Reading *r, char *out, size_t bytes) {
    size_t at = 0;
    *out = 0;
    for (int32_t i = 0; i < r->names.count && at < bytes; i++)
        at += (size_t)snprintf(out + at, bytes - at, "%s%s", i ? ", " : "", r->names.words[i].text);
    return out;
}

/* ---- lists of names -------------------------------------------------------------------------- */

bool couplet_cells_item(const char **at, const char **item, size_t *length) {
    const char *text = *at;
    if (!text || !*text) return false;
    const char *comma = strchr(text, ',');
    const char *end = comma ? comma : text + strlen(text);
    *at = comma ? comma + 1 : end;
    while (text < end && *text == ' ')
        text++;
    while (end > text && end[-1] == ' ')
        end--;
    *item = text;
    *length = (size_t)(end - text);
    return true;
}

/* Returns the column of the file that an item names, by its name or by its number, as in "#3".
 * Returns -1 after a sentence; also if there is no such column, and another table has decided what
 * the names mean. */
static int find_column(Reading *r, const char *setting, const char *item, size_t length) {
    char names[600];
    char shown[SHOWN + 8];
    char number[16];
    const int32_t found = couplet_words_find(&r->names, item, length);
    if (found >= 0) return found;
    int64_t at = 0;
    if (length > 1 && length < sizeof number && *item == '#') {
        snprintf(number, sizeof number, "%.*s", (int)length - 1, item + 1);
        if (couplet_read_whole(number, 1, r->names.count, &at)) return (int)at - 1;
    }
    if (r->like) return -1;
    note_failure(r, "%s has no column `%s`, which `%s` names; it has %s", r->out->name,
                 quote_cell(item, length, shown), setting, list_names(r, names, sizeof names));
    return -1;
}

static bool lists(Reading *r, const char *setting, const char *list, int column) {
    const char *item;
    size_t length;
    bool found = false;
    while (!r->failed && couplet_cells_item(&list, &item, &length))
        found = find_column(r, setting, item, length) == column || found;
    return found;
}

/* ---- the columns ----------------------------------------------------------------------------- */

static CoupletColumn *new_column(Reading *r, const char *name) {
    CoupletCells *cells = r->out;
    CoupletColumn *columns = realloc(cells->columns, ((size_t)cells->count + 1) * sizeof *columns);
    if (!columns) return NULL;
    cells->columns = columns;
    CoupletColumn *c = &columns[cells->count];
    *c = (CoupletColumn){.name = strdup(name)};
    if (!c->name) return NULL;
    cells->count++;
    return c;
}

/* Makes a column for column `i` of the file if the settings choose it. r->kept[i] is then its
 * number, and otherwise -1. */
static void choose_column(Reading *r, int i) {
    const CoupletCellsRules *rules = r->rules;
    const char *name = r->names.words[i].text;
    const bool is_label =
        *rules->label && find_column(r, "label", rules->label, strlen(rules->label)) == i;
    const bool is_listed = lists(r, "columns", rules->columns, i) || is_label;
    const bool is_skipped = lists(r, "skip", rules->skip, i);
    const bool as_words = lists(r, "words", rules->words, i);
    const bool is_apart = lists(r, "fields", rules->fields, i);
    r->kept[i] = -1;
    if (is_label && is_skipped)
        note_failure(r, "%s: the column `%s` is both the `label` and in `skip`", r->out->name,
                     name);
    if (r->failed || is_skipped || (*rules->columns && !is_listed)) return;
    if (strncmp(name, "column_", 7) == 0 && r->rules->header && !is_listed && !is_apart &&
        r->names.words[i].count > 1) {
        note_failure(
            r,
            "%s, line %lld: column %d has no name; if it counts the rows, leave it out: skip = "
            "\"#%d\"; columns = \"..\" lists those that are read",
            r->out->name, (long long)r->begun, i + 1, i + 1);
        return;
    }
    CoupletColumn *c = new_column(r, name);
    if (!c) {
        out_of_memory(r);
        return;
    }
    c->is_label = is_label;
    c->is_apart = is_apart && !is_label;
    c->as_words = as_words || is_label;
    r->kept[i] = r->out->count - 1;
}

/* Takes the columns of `like`, in its order, wherever they are in this file. */
static void choose_like(Reading *r) {
    char names[600];
    for (int32_t i = 0; i < r->names.count; i++)
        r->kept[i] = -1;
    for (int k = 0; !r->failed && k < r->like->count; k++) {
        const CoupletColumn *known = &r->like->columns[k];
        const int32_t i = couplet_words_find(&r->names, known->name, strlen(known->name));
        if (i < 0 && known->is_label) continue;
        if (i < 0) {
            note_failure(r, "%s has no column `%s`, which %s has; it has %s", r->out->name,
                         known->name, r->like->name, list_names(r, names, sizeof names));
            return;
        }
        CoupletColumn *c = new_column(r, known->name);
        if (!c) {
            out_of_memory(r);
            return;
        }
        c->alike = k;
        c->is_label = known->is_label;
        c->is_apart = known->is_apart;
        c->as_words = known->as_words;
        c->kind = known->kind;
        c->decided = known->decided;
        r->kept[i] = r->out->count - 1;
    }
    for (int32_t i = 0; !r->failed && i < r->names.count; i++) {
        const char *name = r->names.words[i].text;
        if (r->kept[i] >= 0 || lists(r, "skip", r->rules->skip, i) || *r->rules->columns) continue;
        note_failure(r, "%s has a column `%s`, which %s does not have; leave it out: skip = \"%s\"",
                     r->out->name, name, r->like->name, name);
    }
}

static bool is_number_text(const char *text) {
    double value;
    return couplet_read_number(text, &value, NULL);
}

/* Chooses the columns to read, once all names are known. */
static void choose_columns(Reading *r) {
    bool all_numbers = r->rules->header && !r->rules->header_is_said;
    for (int32_t i = 0; i < r->names.count; i++)
        all_numbers = all_numbers && is_number_text(r->names.words[i].text);
    if (all_numbers) {
        note_failure(
            r,
            "%s, line %lld: names of columns are expected, and all of them are numbers; say "
            "header = false where the first line is a row, and header = true where it has names",
            r->out->name, (long long)r->begun);
        return;
    }
    r->kept = calloc((size_t)r->names.count + 1, sizeof *r->kept);
    if (!r->kept) {
        out_of_memory(r);
        return;
    }
    if (r->like) choose_like(r);
    for (int32_t i = 0; !r->like && !r->failed && i < r->names.count; i++)
        choose_column(r, i);
    if (!r->failed && !r->out->count)
        note_failure(r, "%s: no column is left to be read", r->out->name);
    r->named = true;
}

/* Takes the name of a column. A column without a name gets one, and its word is counted twice, by
 * which choose_column knows it. */
static void take_name(Reading *r, const char *text, size_t length) {
    char own[32];
    char shown[SHOWN + 8];
    const bool is_empty = length == 0;
    if (is_empty) {
        length = (size_t)snprintf(own, sizeof own, "column_%d", r->names.count + 1);
        text = own;
    }
    const int32_t before = couplet_words_find(&r->names, text, length);
    if (before >= 0) {
        note_failure(r, "%s, line %lld: the columns %d and %d have the name `%s`; each has its own",
                     r->out->name, (long long)r->line, before + 1, r->names.count + 1,
                     quote_cell(text, length, shown));
        return;
    }
    if (r->names.count == MOST_COLUMNS) {
        note_failure(r, "%s, line %lld: a table has at most %d columns", r->out->name,
                     (long long)r->line, MOST_COLUMNS);
        return;
    }
    const int32_t added = couplet_words_add(&r->names, text, length);
    if (added < 0)
        out_of_memory(r);
    else if (is_empty)
        r->names.words[added].count++;
}

/* ---- one cell -------------------------------------------------------------------------------- */

static bool is_absent(const Reading *r, const char *text, size_t length) {
    if (*text >= '0' && *text <= '9' && !*r->rules->absent) return false;
    static const char *const usual[] = {"",     "?",   "NA",  "N/A", "n/a",  "#N/A",
                                        "<NA>", "NaN", "nan", "NAN", "null", "NULL"};
    if (length < 5)
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
            if (strcmp(usual[i], text) == 0) return true;
    const char *list = r->rules->absent;
    const char *item;
    for (size_t bytes; couplet_cells_item(&list, &item, &bytes);)
        if (bytes == length && memcmp(item, text, length) == 0) return true;
    return false;
}

/* Reads a number of at most 15 digits, with or without a point. It is the quotient of two whole
 * numbers that double has exactly, and so the nearest double. Most cells are such. */
static bool read_plain(const char *text, double *out) {
    static const double tens[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    const char *at = text + (*text == '-');
    int64_t digits = 0;
    int count = 0;
    int behind = -1;
    for (; *at; at++) {
        if (*at == '.' && behind < 0) {
            behind = 0;
            continue;
        }
        if (*at < '0' || *at > '9' || count == 15) return false;
        digits = 10 * digits + (*at - '0');
        count++;
        if (behind >= 0) behind++;
    }
    if (!count) return false;
    const double value = behind > 0 ? (double)digits / tens[behind] : (double)digits;
    *out = *text == '-' ? -value : value;
    return true;
}

/* True for digits with a sign, a point and an exponent whose value no double holds, such as
 * 1e400. */
static bool is_beyond(const char *text) {
    char *end;
    if (!*text || text[strspn(text, "0123456789+-.eE")]) return false;
    return !isfinite(strtod(text, &end)) && !*end;
}

/* Reads a number by the rules. A number that is too large becomes an infinity. */
static bool read_number(const Reading *r, const char *text, size_t length, double *out) {
    char copy[NUMBER_BYTES];
    if (r->rules->decimal == '.' && read_plain(text, out)) return true;
    if (r->rules->decimal != '.') {
        if (length >= sizeof copy || strchr(text, '.')) return false;
        memcpy(copy, text, length + 1);
        char *comma = strchr(copy, ',');
        if (comma) *comma = '.';
        text = copy;
    }
    if (couplet_read_number(text, out, NULL)) return true;
    *out = *text == '-' ? -INFINITY : INFINITY;
    return is_beyond(text);
}

/* Returns the bytes of a mark of thousands other than comma and point: a space, an apostrophe, an
 * underscore, or one of Unicode's spaces that do not break. */
static size_t mark_of_thousands(const char *text) {
    static const char *const marks[] = {" ", "'", "_", "\u00a0", "\u2009", "\u202f", "\u2019"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strncmp(text, marks[i], strlen(marks[i])) == 0) return strlen(marks[i]);
    return 0;
}

/* True for a text that means a number in a form that is not read, such as 1,234.5, 3 000, 12% or
 * $5. Three digits follow a mark of thousands. */
static bool is_odd_number(const char *text) {
    static const char *const ahead[] = {"-", "+", "\u2212", "$", "\u20ac", "\u00a3", "\u00a5"};
    size_t digits = 0;
    size_t mark;
    size_t taken;
    for (size_t i = 0; i < sizeof ahead / sizeof *ahead; i++)
        if (strncmp(text, ahead[i], strlen(ahead[i])) == 0) text += strlen(ahead[i]);
    for (; *text && strcmp(text, "%") != 0; text += taken) {
        taken = strspn(text, "0123456789");
        digits += taken;
        if (!taken) taken = strspn(text, ".,");
        mark = taken || !digits ? 0 : mark_of_thousands(text);
        if (mark && strspn(text + mark, "0123456789") == 3) taken = mark + 3;
        if (!taken) return false;
    }
    return digits > 0;
}

/* Decides the kind of a column by its first cell that is not missing. */
static void decide(Reading *r, CoupletColumn *c, const char *text, size_t length) {
    char shown[SHOWN + 8];
    char number[NUMBER_BYTES] = "";
    double value;
    c->decided = r->line;
    c->kind = !c->as_words && read_number(r, text, length, &value) ? COUPLET_CELLS_NUMBERS
                                                                   : COUPLET_CELLS_WORDS;
    if (c->as_words || c->kind == COUPLET_CELLS_NUMBERS || !is_odd_number(text)) return;
    const char *comma = strchr(text, ',');
    const bool is_comma = r->rules->decimal == '.' && comma && comma == strrchr(text, ',') &&
                          !strchr(text, '.') && length < sizeof number;
    if (is_comma && strspn(text, "0123456789+-,") == length) {
        memcpy(number, text, length + 1);
        *strchr(number, ',') = '.';
    }
    note_failure(
        r,
        "%s, line %lld, column `%s`: `%s` is no number as they are read here: digits with a "
        "sign, a `%c` and an exponent, without marks of thousands, signs of money or per cent; "
        "%s%s%swords = \"%s\" reads the column as words",
        r->out->name, (long long)r->line, c->name, quote_cell(text, length, shown),
        r->rules->decimal, *number ? "decimal = \",\" reads it as " : "", number,
        *number ? ", " : "", c->name);
}

static bool make_room_for_row(Reading *r) {
    CoupletCells *cells = r->out;
    if (cells->rows < r->room) return true;
    const int64_t room = r->room ? 2 * r->room : 256;
    int64_t *lines = realloc(cells->lines, (size_t)room * sizeof *lines);
    bool good = lines != NULL;
    if (lines) cells->lines = lines;
    /* numbers and ids need the same room, and the kind may still be open */
    for (int i = 0; good && i < cells->count; i++) {
        CoupletColumn *c = &cells->columns[i];
        void *values = realloc(c->numbers ? (void *)c->numbers : (void *)c->ids, (size_t)room * 4);
        good = values != NULL;
        if (!good) break;
        c->numbers = NULL;
        c->ids = NULL;
        if (c->kind == COUPLET_CELLS_NUMBERS)
            c->numbers = values;
        else
            c->ids = values;
    }
    if (good)
        r->room = room;
    else
        out_of_memory(r);
    return good;
}

/* Takes a missing cell: a NaN, or -1 for a word. Notes a failure if the settings refuse missing
 * cells, or if the cell is a label, which no mean replaces. */
static void take_missing(Reading *r, CoupletColumn *c, int64_t row) {
    r->is_missing = true;
    c->missing++;
    if (c->kind == COUPLET_CELLS_NUMBERS)
        c->numbers[row] = NAN;
    else
        c->ids[row] = -1;
    if (r->rules->missing == COUPLET_MISSING_DROP) return;
    if (c->is_label)
        note_failure(
            r,
            "%s, line %lld: the label, column `%s`, is missing; missing = \"drop\" leaves such "
            "rows out",
            r->out->name, (long long)r->line, c->name);
    else if (r->rules->missing == COUPLET_MISSING_REFUSE)
        note_failure(
            r,
            "%s, line %lld, column `%s`: the value is missing; missing = \"mean\" takes the "
            "column's mean for numbers and `?` for words, \"drop\" leaves such rows out",
            r->out->name, (long long)r->line, c->name);
}

/* Makes a column one of numbers, at its first number. All cells before were missing. */
static void turn_to_numbers(CoupletColumn *c, int64_t row) {
    if (c->numbers || !c->ids) return;
    c->numbers = (float *)(void *)c->ids;
    c->ids = NULL;
    for (int64_t i = 0; i < row; i++)
        c->numbers[i] = NAN;
}

/* Notes a whole number that is rounded. It may be a time, or somebody's number, and two of them may
 * become one. A number with a point is a measure, and rounding is expected. */
static void note_rounded(Reading *r, const CoupletColumn *c, const char *text, size_t length,
                         double value) {
    char shown[SHOWN + 8];
    if (*r->out->note || strspn(text, "+-0123456789") != length) return;
    snprintf(r->out->note, sizeof r->out->note,
             "line %lld, column `%s`: the whole number %s is read as %.0f, since a real has 24 "
             "bits; words = \"%s\" keeps such numbers apart, skip = \"%s\" leaves them out",
             (long long)r->line, c->name, quote_cell(text, length, shown), (double)(float)value,
             c->name, c->name);
}

static void take_number(Reading *r, CoupletColumn *c, int64_t row, const char *text,
                        size_t length) {
    char shown[SHOWN + 8];
    double value = 0;
    turn_to_numbers(c, row);
    if (!read_number(r, text, length, &value))
        note_failure(
            r,
            "%s, line %lld, column `%s`: `%s` is no number, and %s%s; words = \"%s\" reads the "
            "column as words, absent = \"..\" says what stands for a missing value",
            r->out->name, (long long)r->line, c->name, quote_cell(text, length, shown),
            r->like ? "the column has numbers in " : "the cells above it are numbers",
            r->like ? r->like->name : "", c->name);
    else if (!isfinite((float)value))
        note_failure(r, "%s, line %lld, column `%s`: `%s` is too large for a real of 32 bits",
                     r->out->name, (long long)r->line, c->name, quote_cell(text, length, shown));
    if ((double)(float)value != value && fabs(value) > 0x1p24)
        note_rounded(r, c, text, length, value);
    c->numbers[row] = (float)value;
}

static void take_word(Reading *r, CoupletColumn *c, int64_t row, const char *text, size_t length) {
    const CoupletColumn *known = r->like ? &r->like->columns[c->alike] : NULL;
    const int32_t theirs = known ? couplet_words_find(&known->words, text, length) : 0;
    char shown[SHOWN + 8];
    if (known && (theirs < 0 || known->codes[theirs] < 0)) {
        if (r->rules->missing == COUPLET_MISSING_DROP) {
            take_missing(r, c, row);
            return;
        }
        note_failure(r,
                     "%s, line %lld, column `%s`: `%s` is no value of this column in %s; missing = "
                     "\"drop\" leaves such rows out",
                     r->out->name, (long long)r->line, c->name, quote_cell(text, length, shown),
                     r->like->name);
        return;
    }
    c->ids[row] = couplet_words_add(&c->words, text, length);
    if (c->ids[row] < 0) out_of_memory(r);
}

static void take_cell(Reading *r, CoupletColumn *c, const char *text, size_t length) {
    const int64_t row = r->out->rows;
    const bool missing = is_absent(r, text, length);
    if (!missing && c->kind == COUPLET_CELLS_OPEN) decide(r, c, text, length);
    if (r->failed) return;
    if (missing && c->kind == COUPLET_CELLS_WORDS && !c->is_label &&
        r->rules->missing == COUPLET_MISSING_MEAN) {
        c->missing++;
        take_word(r, c, row, "?", 1);
    } else if (missing)
        take_missing(r, c, row);
    else if (c->kind == COUPLET_CELLS_NUMBERS)
        take_number(r, c, row, text, length);
    else
        take_word(r, c, row, text, length);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static int64_t line_ends_in(const char *text, size_t length) {
    int64_t ends = 0;
    for (size_t i = 0; i < length; i++)
        ends += text[i] == '\n' || (text[i] == '\r' && (i + 1 == length || text[i + 1] != '\n'));
    return ends;
}

static void on_cell(void *bytes, size_t length, void *context) {
    Reading *r = context;
    const char *text = bytes;
    if (r->failed) return;
    if (r->cell++ == 0) r->begun = r->line;
    r->last = 0;
    if (!r->named && r->rules->header)
        take_name(r, text, length);
    else if (!r->named)
        take_name(r, "", 0); /* the first row is read again, for its cells */
    else if (r->cell <= r->names.count && make_room_for_row(r)) {
        const int column = r->kept[r->cell - 1];
        if (column >= 0) {
            take_cell(r, &r->out->columns[column], text, length);
        }
    }
    if (memchr(text, '\n', length) || memchr(text, '\r', length))
        r->line += line_ends_in(text, length);
}

/* Takes back the counts of words in a row that is left out. */
static void drop_row(Reading *r) {
    r->out->dropped++;
    for (int i = 0; i < r->out->count; i++) {
        CoupletColumn *c = &r->out->columns[i];
        const int64_t row = r->out->rows;
        if (c->kind == COUPLET_CELLS_WORDS && c->ids && c->ids[row] >= 0)
            c->words.words[c->ids[row]].count--;
    }
}

static void end_row(Reading *r) {
    if (!r->named) {
        choose_columns(r);
        return;
    }
    if (r->cell != r->names.count) {
        note_failure(r, "%s, line %lld has %lld cell%s, and the table has %d column%s",
                     r->out->name, (long long)r->begun, (long long)r->cell, r->cell == 1 ? "" : "s",
                     r->names.count, r->names.count == 1 ? "" : "s");
        return;
    }
    if (r->out->rows == INT32_MAX) {
        note_failure(r, "%s, line %lld: a table has at most %d rows", r->out->name,
                     (long long)r->begun, INT32_MAX);
        return;
    }
    if (r->is_missing && r->rules->missing == COUPLET_MISSING_DROP) {
        drop_row(r);
        return;
    }
    r->out->lines[r->out->rows++] = r->begun;
}

/* Is called for each row. `end` is the character that ended the row, or an empty line; -1 at the
 * end of the file. */
static void on_row(int end, void *context) {
    Reading *r = context;
    if (r->failed) return;
    /* A line feed behind a carriage return is the second character of the same line end. */
    const bool is_second = end == '\n' && r->last == '\r';
    if (r->cell) end_row(r);
    r->cell = 0;
    r->is_missing = false;
    if (!is_second && end >= 0) r->line++;
    r->last = is_second ? 0 : (char)end;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Returns the separator that occurs most often, outside quotes, in the first line that is not
 * empty. Returns 0 after a sentence. */
static char find_separator(Reading *r, const char *text, size_t length) {
    static const char candidates[] = ",;\t|";
    int64_t counts[sizeof candidates - 1] = {0};
    bool quoted = false;
    bool begun = false;
    for (size_t i = 0; i < length; i++) {
        if (!quoted && (text[i] == '\n' || text[i] == '\r')) {
            if (begun) break;
            continue;
        }
        begun = true;
        if (text[i] == '"') quoted = !quoted;
        const char *found = quoted || !text[i] ? NULL : strchr(candidates, text[i]);
        if (found) counts[found - candidates]++;
    }
    size_t best = 0;
    int as_often = 0;
    for (size_t i = 1; i < sizeof counts / sizeof *counts; i++)
        if (counts[i] > counts[best]) best = i;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        as_often += counts[i] == counts[best];
    if (as_often == 1 || !counts[best]) return candidates[best];
    note_failure(
        r,
        "%s, line 1: two separators stand equally often in the first line; say which it is, "
        "separator = \",\" or \";\"",
        r->out->name);
    return 0;
}

static void refuse_quotes(Reading *r) {
    char column[SHOWN + 32];
    snprintf(column, sizeof column, "cell %lld", (long long)r->cell + 1);
    if (r->named && r->cell < r->names.count)
        snprintf(column, sizeof column, "column `%.60s`", r->names.words[r->cell].text);
    note_failure(
        r,
        "%s, line %lld, %s: a quote stands where none may: a cell that has quotes stands in "
        "quotes itself, with each of its own written twice, \"5\"\" pipe\"",
        r->out->name, (long long)r->line, column);
}

static void parse_csv(Reading *r, struct csv_parser *parser, const char *text, size_t length) {
    for (size_t at = 0; at < length && !r->failed; at += PIECE) {
        const size_t here = length - at < PIECE ? length - at : PIECE;
        if (csv_parse(parser, text + at, here, on_cell, on_row, r) != here) {
            if (csv_error(parser) == CSV_EPARSE)
                refuse_quotes(r);
            else
                out_of_memory(r);
        }
        if (parser->entry_pos > MOST_CELL)
            note_failure(
                r,
                "%s, line %lld: the cell that begins here has more than %d bytes; does a quote "
                "open that none closes?",
                r->out->name, (long long)r->line, MOST_CELL);
    }
    if (!r->failed && csv_fini(parser, on_cell, on_row, r) != 0)
        note_failure(r,
                     "%s, line %lld: the cell that begins here opens with a quote that none closes",
                     r->out->name, (long long)r->line);
}

/* Parses `length` bytes of text with the separator. The text begins on line `line`. */
static void parse_text(Reading *r, const char *text, size_t length, char separator, int64_t line) {
    struct csv_parser parser;
    r->line = line;
    r->cell = 0;
    r->last = 0;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL | CSV_APPEND_NULL) != 0) {
        out_of_memory(r);
        return;
    }
    csv_set_delim(&parser, (unsigned char)separator);
    csv_set_blk_size(&parser, 4096);
    parse_csv(r, &parser, text, length);
    csv_free(&parser);
}

/* Returns the length of the first line that is not empty, with the empty lines before it. */
static size_t first_row(const char *text, size_t length) {
    bool quoted = false;
    bool begun = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') quoted = !quoted;
        const bool ends = !quoted && (text[i] == '\n' || text[i] == '\r');
        if (ends && begun) return i;
        begun = begun || !ends;
    }
    return length;
}

static void read_all_cells(Reading *r, const char *text, size_t length) {
    char separator = r->rules->separator;
    int64_t line = 1;
    /* Spreadsheet programs write a first line such as "sep=;", which names the separator. */
    if (length > 6 && memcmp(text, "sep=", 4) == 0 && (text[5] == '\n' || text[5] == '\r')) {
        separator = separator ? separator : text[4];
        const size_t head = text[5] == '\r' && text[6] == '\n' ? 7 : 6;
        text += head;
        length -= head;
        line = 2;
    }
    if (!separator) separator = find_separator(r, text, length);
    if (r->failed) return;
    if (!r->rules->header) { /* without names, the first row tells the number of columns */
        parse_text(r, text, first_row(text, length), separator, line);
        if (!r->failed && !r->named) choose_columns(r);
    }
    if (!r->failed) parse_text(r, text, length, separator, line);
    if (!r->failed && !r->named) note_failure(r, "%s has no rows", r->out->name);
}

/* ---- after the last row ---------------------------------------------------------------------- */

/* Refuses a column of words in which all cells but the first are numbers. The first cell more
 * likely stands for a missing value than the numbers for names. That it comes first is no reason to
 * read the others differently. */
static void refuse_stray_word(Reading *r, const CoupletColumn *c) {
    const CoupletWord *stray = NULL;
    char shown[SHOWN + 8];
    bool some = false;
    double value;
    for (int32_t i = 0; i < c->words.count; i++) {
        const CoupletWord *word = &c->words.words[i];
        const bool is_number = read_number(r, word->text, word->length, &value);
        if (word->count < 1 || strcmp(word->text, "?") == 0) continue;
        if (!is_number && stray) return;
        if (is_number)
            some = true;
        else
            stray = word;
    }
    if (!some || !stray) return;
    quote_cell(stray->text, stray->length, shown);
    note_failure(
        r,
        "%s, line %lld, column `%s`: `%s` is no number, and all other cells of the column are; "
        "absent = \"%s\" says that it stands for a missing value, words = \"%s\" reads the "
        "column as words",
        r->out->name, (long long)c->decided, c->name, shown, shown, c->name);
}

static int64_t line_of_word(const Reading *r, const CoupletColumn *c, int32_t word) {
    int64_t row = 0;
    while (row + 1 < r->out->rows && c->ids[row] != word)
        row++;
    return r->out->lines[row];
}

/* Refuses a column with classes such as 1 and 1.0, which are one class in two forms. */
static void refuse_alike(Reading *r, const CoupletColumn *c) {
    int32_t pair[2];
    char one[SHOWN + 8];
    char other[SHOWN + 8];
    if (!couplet_words_alike(&c->words, c->order, c->classes, pair)) return;
    const CoupletWord *a = &c->words.words[pair[0]];
    const CoupletWord *b = &c->words.words[pair[1]];
    note_failure(
        r,
        "%s: the classes of the column `%s` are told by their texts, and `%s` in line %lld and "
        "`%s` in line %lld are one number; write them alike",
        r->out->name, c->name, quote_cell(a->text, a->length, one),
        (long long)line_of_word(r, c, pair[0]), quote_cell(b->text, b->length, other),
        (long long)line_of_word(r, c, pair[1]));
}

/* Numbers the words of a column: as those of the column `known`, with -1 for words that `known`
 * lacks, or in the order of names if `known` is NULL. Returns false if memory is out. */
static bool take_known_codes(CoupletColumn *c, const CoupletColumn *known) {
    c->codes = malloc(((size_t)c->words.count + 1) * sizeof *c->codes);
    c->order = known ? NULL : malloc(((size_t)c->words.count + 1) * sizeof *c->order);
    if (!c->codes || (!known && !c->order)) return false;
    if (!known) c->classes = couplet_words_by_name(&c->words, c->codes, c->order);
    for (int32_t i = 0; known && i < c->words.count; i++) {
        const int32_t theirs =
            couplet_words_find(&known->words, c->words.words[i].text, c->words.words[i].length);
        c->codes[i] = theirs < 0 ? -1 : known->codes[theirs];
    }
    if (known) c->classes = known->classes;
    return c->classes >= 0;
}

static void finish_column(Reading *r, CoupletColumn *c) {
    const CoupletColumn *known = r->like ? &r->like->columns[c->alike] : NULL;
    if (c->kind == COUPLET_CELLS_OPEN) {
        note_failure(r, "%s: no cell of the column `%s` has a value; leave it out: skip = \"%s\"",
                     r->out->name, c->name, c->name);
        return;
    }
    if (c->kind == COUPLET_CELLS_WORDS) { /* cells may be missing before the first word */
        for (int64_t i = 0; i < r->out->rows && !r->failed; i++)
            if (c->ids[i] < 0) take_word(r, c, i, "?", 1);
        if (!known && !c->as_words) refuse_stray_word(r, c);
        if (!r->failed && !take_known_codes(c, known)) out_of_memory(r);
        if (!r->failed && !known && (c->is_label || c->is_apart)) refuse_alike(r, c);
        return;
    }
    turn_to_numbers(c, r->out->rows);
    int64_t present = 0;
    double sum = 0;
    for (int64_t i = 0; i < r->out->rows; i++) {
        if (isnan(c->numbers[i])) continue;
        sum += (double)c->numbers[i];
        present++;
    }
    c->mean = known ? known->mean : present ? sum / (double)present : 0;
    for (int64_t i = 0; i < r->out->rows; i++)
        if (isnan(c->numbers[i])) c->numbers[i] = (float)c->mean;
}

static void finish_cells(Reading *r) {
    CoupletCells *cells = r->out;
    if (!r->failed && !cells->rows)
        note_failure(r,
                     cells->dropped ? "%s has no row without a missing value"
                                    : "%s has names of columns, and no row",
                     cells->name);
    for (int i = 0; !r->failed && i < cells->count; i++)
        finish_column(r, &cells->columns[i]);
}

bool couplet_cells_read(const char *path, const char *name, const CoupletCellsRules *rules,
                        const CoupletCells *like, CoupletCells *out, char *error,
                        size_t error_bytes) {
    CoupletTextFile file;
    memset(out, 0, sizeof *out);
    if (!couplet_textfile_open(path, name, "a CSV table", false, &file, error, error_bytes))
        return false;
    Reading reading = {
        .rules = rules, .like = like, .out = out, .error = error, .error_bytes = error_bytes};
    out->name = strdup(name);
    if (!out->name)
        note_failure(&reading, "out of memory");
    else
        read_all_cells(&reading, file.text, file.length);
    finish_cells(&reading);
    out->hash = couplet_hash_array(COUPLET_HASH_START, file.text, (int64_t)file.length);
    if (couplet_guard_was_cut(file.mapping.bytes)) {
        /* The zeros that are read behind the end of a shortened file are no failure of their
         * own. */
        reading.failed = false;
        note_failure(&reading, "%s: the file was cut short while it was read", name);
    }
    out->bytes = file.mapping.length;
    out->stamp = file.mapping.stamp;
    couplet_words_free(&reading.names);
    free(reading.kept);
    couplet_textfile_close(&file);
    if (reading.failed) couplet_cells_free(out);
    return !reading.failed;
}

void couplet_cells_free(CoupletCells *cells) {
    for (int i = 0; i < cells->count; i++) {
        CoupletColumn *c = &cells->columns[i];
        couplet_words_free(&c->words);
        free(c->name);
        free(c->numbers);
        free(c->ids);
        free(c->codes);
        free(c->order);
    }
    free(cells->columns);
    free(cells->lines);
    free(cells->name);
    memset(cells, 0, sizeof *cells);
}
