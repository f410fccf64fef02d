/* Reads a command line by the rows of options.def, which have the name of each option, its member
 * of Options, its kind and its range. A command lists the options that it takes. Any other option
 * is refused, with the nearest name.
 *
 * Values are checked here and nowhere else, so a command may rely on them. Options of one letter,
 * such as -o, stand for a row. */
#include "compiler/driver/options.h"

#include "compiler/driver/report.h"
#include "compiler/driver/span.h"
#include "lang/habits.h"
#include "runtime/numbers.h"
#include "runtime/record.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum {
    OPTION_FLAG,   /* bool: takes no value */
    OPTION_TEXT,   /* const char *: not empty */
    OPTION_TEXTS,  /* a list of texts: may be given several times */
    OPTION_WHOLE,  /* int64_t */
    OPTION_POWER,  /* int64_t: a power of two */
    OPTION_NUMBER, /* double */
    OPTION_SIZE,   /* int64_t, in bytes: 512MiB */
    OPTION_PAIR,   /* SettingList: NAME=VALUE */
    OPTION_SIZES,  /* SettingList: N=8,D=5 */
    OPTION_FORM,   /* const char *: text or json */
    OPTION_WHEN    /* const char *: auto, always or never */
} OptionKind;

typedef struct OptionRow {
    const char *name;
    size_t place; /* the offset of the member in Options */
    OptionKind kind;
    int64_t low;
    int64_t high;
} OptionRow;

static const OptionRow rows[] = {
#define OPTION(name, member, kind, low, high)                                                      \
    {name, offsetof(Options, member), OPTION_##kind, low, high},
#include "compiler/driver/options.def"
#undef OPTION
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

/* The state of reading a command line. */
typedef struct Reader {
    Arena *arena;
    Options *options;
    const char *allowed;
    bool seen[ROW_COUNT];
} Reader;

static bool is_listed(const char *list, const char *name) {
    const size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0)) return true;
    return false;
}

static bool takes(const Reader *r, const char *name) {
    static const char everywhere[] = "diagnostics all-errors color";
    return is_listed(r->allowed, name) || is_listed(everywhere, name);
}

static void *member_of(const Reader *r, const OptionRow *row) {
    return (char *)r->options + row->place;
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool read_whole_option(const OptionRow *row, const char *value, int64_t *out) {
    if (couplet_read_whole(value, row->low, row->high, out)) return true;
    return report(CODE_COMMAND_LINE,
                  "--%s is a whole number from %" PRId64 " to %" PRId64 ", and `%s` was given",
                  row->name, row->low, row->high, value);
}

static bool read_power(const OptionRow *row, const char *value, int64_t *out) {
    if (couplet_read_whole(value, row->low, row->high, out) && (*out & (*out - 1)) == 0)
        return true;
    return report(CODE_COMMAND_LINE,
                  "--%s is a power of two from %" PRId64 " to %" PRId64 ", and `%s` was given",
                  row->name, row->low, row->high, value);
}

static bool read_real_option(const OptionRow *row, const char *value, double *out) {
    const bool good = couplet_read_number(value, out, NULL) && *out > (double)row->low &&
                      *out <= (double)row->high;
    return good ||
           report(CODE_COMMAND_LINE,
                  "--%s is a number above %" PRId64 " and at most %" PRId64 ", and `%s` was given",
                  row->name, row->low, row->high, value);
}

/* Returns the bytes of a unit, or 0 if there is no such unit. */
static double unit_bytes(const char *name) {
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", 1}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].name, name) == 0) return units[i].bytes;
    return 0;
}

/* Reads 512MiB, 1.5GiB, or a number of bytes. */
static bool read_size(const Reader *r, const OptionRow *row, const char *value, int64_t *out) {
    const double smallest = 0x1p16;
    const double largest = 0x1p62;
    const size_t digits = strspn(value, "0123456789.");
    double number;
    if (couplet_read_number(arena_strndup(r->arena, value, digits), &number, NULL)) {
        const double bytes = number * unit_bytes(value + digits);
        *out = bytes >= smallest && bytes < largest ? (int64_t)bytes : 0;
        if (*out) return true;
    }
    return report(CODE_COMMAND_LINE,
                  "--%s is a size of at least 64KiB, like 512MiB or 1.5GiB, and `%s` was given",
                  row->name, value);
}

static bool read_text_option(const OptionRow *row, const char *value, const char **out) {
    *out = value;
    return *value ||
           report(CODE_COMMAND_LINE, "--%s needs a name, and an empty text was given", row->name);
}

static bool add_text_option(const Reader *r, const OptionRow *row, const char *value) {
    const char *text;
    if (!read_text_option(row, value, &text)) return false;
    array_push(r->arena, &r->options->data, text);
    return true;
}

static bool read_form(const OptionRow *row, const char *value, const char **out) {
    *out = value;
    if (strcmp(value, "text") == 0 || strcmp(value, "json") == 0) return true;
    return report(CODE_COMMAND_LINE, "--%s is text or json, and `%s` was given", row->name, value);
}

static bool read_when(const OptionRow *row, const char *value, const char **out) {
    *out = value;
    if (strcmp(value, "auto") == 0 || strcmp(value, "always") == 0 || strcmp(value, "never") == 0)
        return true;
    return report(CODE_COMMAND_LINE, "--%s is auto, always or never, and `%s` was given", row->name,
                  value);
}

/* ---- NAME=VALUE ------------------------------------------------------------------------------ */

static bool add_pair(const Reader *r, const OptionRow *row, const char *text, SettingList *list) {
    const char *equals = strchr(text, '=');
    if (!equals || equals == text || !equals[1])
        return report(CODE_SETTING, "--%s needs NAME=VALUE, and `%s` was given", row->name, text);
    const Setting pair = {arena_intern(r->arena, text, (size_t)(equals - text)), equals + 1};
    for (int i = 0; i < list->count; i++) {
        const Setting *other = &list->items[i];
        if (strcmp(other->name, pair.name) != 0) continue;
        return report(CODE_SETTING, "--%s gives `%s` twice: %s=%s and %s=%s", row->name, pair.name,
                      pair.name, other->value, pair.name, pair.value);
    }
    array_push(r->arena, list, pair);
    return true;
}

/* True if the values of --set are numbers or truths. Their names are compared with the names in the
 * file when the file is read. */
static bool are_numbers(const Reader *r, const Setting *set) {
    const bool list = is_listed(r->allowed, "[lists]");
    NumberSpan span;
    if (list && span_is_meant(set->value))
        return span_read(set->value, &span) ||
               report(CODE_SETTING,
                      "--set %s=%s: a stretch is two numbers, the lower one first, like 0.1..0.5, "
                      "or log:1e-4..1 with both above 0",
                      set->name, set->value);
    for (const char *at = set->value;; at++) {
        const size_t length = list ? strcspn(at, ",") : strlen(at);
        const char *word = arena_strndup(r->arena, at, length);
        double number;
        if (!couplet_read_number(word, &number, NULL) && !habit_of_truth(word))
            return report(CODE_SETTING, "--set %s needs %s and `%s` was given", set->name,
                          list ? "numbers, like 0.1 or 0.1,0.5," : "a number, true or false,",
                          word);
        at += length;
        if (!*at) return true;
    }
}

static bool read_pair(const Reader *r, const OptionRow *row, const char *value, SettingList *list) {
    if (!add_pair(r, row, value, list)) return false;
    if (is_listed(r->allowed, "[texts]")) return true;
    return strcmp(row->name, "set") != 0 || are_numbers(r, &list->items[list->count - 1]);
}

/* Reads sizes such as N=8,D=5. */
static bool read_sizes(const Reader *r, const OptionRow *row, const char *value,
                       SettingList *list) {
    char *copy = arena_strndup(r->arena, value, strlen(value));
    char *rest = NULL;
    for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
        int64_t size;
        if (!add_pair(r, row, word, list) ||
            !read_whole_option(row, list->items[list->count - 1].value, &size))
            return false;
    }
    return true;
}

static bool take_value(const Reader *r, const OptionRow *row, const char *value) {
    void *place = member_of(r, row);
    switch (row->kind) {
    case OPTION_FLAG:
        return true;
    case OPTION_TEXT:
        return read_text_option(row, value, place);
    case OPTION_TEXTS:
        return add_text_option(r, row, value);
    case OPTION_WHOLE:
        return read_whole_option(row, value, place);
    case OPTION_POWER:
        return read_power(row, value, place);
    case OPTION_NUMBER:
        return read_real_option(row, value, place);
    case OPTION_SIZE:
        return read_size(r, row, value, place);
    case OPTION_PAIR:
        return read_pair(r, row, value, place);
    case OPTION_SIZES:
        return read_sizes(r, row, value, place);
    case OPTION_FORM:
        return read_form(row, value, place);
    case OPTION_WHEN:
        return read_when(row, value, place);
    }
    return false;
}

/* ---- the command line ------------------------------------------------------------------------ */

static bool unknown_option(const Reader *r, const char *arg, const char *name) {
    const char *names[ROW_COUNT];
    int count = 0;
    for (int i = 0; i < ROW_COUNT; i++)
        if (takes(r, rows[i].name)) names[count++] = rows[i].name;
    const char *near = diag_nearest(name, names, count);
    return report_with_help(CODE_COMMAND_LINE,
                            near ? arena_printf(r->arena, "did you mean --%s?", near) : NULL,
                            "there is no option %s", arg);
}

static const OptionRow *find_row(const Reader *r, const char *name) {
    for (int i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0 && takes(r, name)) return &rows[i];
    return NULL;
}

/* Returns the long name of an option of one letter, or NULL. */
static const char *long_name(const char *arg) {
    static const struct { const char *letter, *name; } letters[] = {{"-o", "out"}, {"-q", "quiet"}};
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (strcmp(letters[i].letter, arg) == 0) return letters[i].name;
    return NULL;
}

/* True if the option may have no value: `check --memory` reports, and `check --memory 512MiB`
 * reports on the step under that budget. */
static bool stands_alone(const Reader *r, const OptionRow *row, const char *value,
                         const char *next) {
    if (row->kind == OPTION_FLAG) return true;
    if (row->kind != OPTION_SIZE || !is_listed(r->allowed, "[memory]")) return false;
    return !value && !(next && next[0] >= '0' && next[0] <= '9');
}

/* Reads the option argv[*at], with the word behind it if that is its value. */
static bool read_option(Reader *r, char **argv, int argc, int *at) {
    const char *arg = argv[*at];
    const char *equals = strchr(arg, '=');
    const char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    const char *letter = long_name(arg);
    const char *value = equals && !letter ? equals + 1 : NULL;
    const char *name = letter
                           ? letter
                           : arena_strndup(r->arena, arg + 2,
                                           equals ? (size_t)(equals - arg) - 2 : strlen(arg + 2));
    const OptionRow *row = letter || strncmp(arg, "--", 2) == 0 ? find_row(r, name) : NULL;
    if (!row)
        return unknown_option(
            r, arena_strndup(r->arena, arg, equals ? (size_t)(equals - arg) : strlen(arg)),
            arg[1] == '-' ? name : "");
    const bool repeats =
        row->kind == OPTION_PAIR || row->kind == OPTION_SIZES || row->kind == OPTION_TEXTS;
    if (r->seen[row - rows] && !repeats)
        return report(CODE_COMMAND_LINE, "--%s is given twice", row->name);
    r->seen[row - rows] = true;
    if (strcmp(row->name, "memory") == 0) r->options->memory = true;
    if (strcmp(row->name, "seed") == 0) r->options->has_seed = true;
    if (row->kind == OPTION_FLAG && value)
        return report(CODE_COMMAND_LINE, "--%s takes no value, and `%s` was given", row->name,
                      value);
    if (row->kind == OPTION_FLAG) *(bool *)member_of(r, row) = true;
    if (stands_alone(r, row, value, next)) return true;
    if (!value && next && strncmp(next, "--", 2) != 0) value = argv[++*at];
    if (!value) return report(CODE_COMMAND_LINE, "--%s needs a value", row->name);
    return take_value(r, row, value);
}

bool options_read(Arena *arena, Options *o, const char *command, const char *allowed, int argc,
                  char **argv) {
    Reader r = {.arena = arena, .options = o, .allowed = allowed};
    memset(o, 0, sizeof *o);
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1]) {
            if (!read_option(&r, argv, argc, &i)) return false;
            continue;
        }
        if (!argv[i][0]) return report(CODE_COMMAND_LINE, "an empty text is no name of a file");
        array_push(arena, &o->files, argv[i]);
    }
    o->file = o->files.count ? o->files.items[0] : NULL;
    if (o->files.count > 1 && !is_listed(allowed, "[files]"))
        return report(CODE_COMMAND_LINE, "one file at a time, and both `%s` and `%s` were given",
                      o->files.items[0], o->files.items[1]);
    if (!o->file && !is_listed(allowed, "[file]"))
        return report(CODE_COMMAND_LINE, is_listed("eval embed export report", command)
                                             ? "the folder of a run is needed, like runs/simclr"
                                             : "a file is needed, like examples/simclr.cpl");
    return true;
}

int64_t options_shards_for(int64_t ranks) {
    int64_t shards = 8;
    if (ranks < 2) return 0;
    while (shards < ranks && shards < COUPLET_MOST_SHARDS)
        shards *= 2;
    return shards;
}

CoupletPlaces options_places(const Options *o, const char *path) {
    CoupletPlaces places = {.spec = !*path || strcmp(path, "<stdin>") == 0 ? NULL : path,
                            .given = o->data.items,
                            .given_count = o->data.count};
    if (!o->record) return places;
    places.was = (const char *const *)o->record->places;
    places.was_count = o->record->place_count;
    places.kept = o->kept;
    return places;
}
