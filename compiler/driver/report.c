/* Prints messages without a line of a spec, and the texts of errors of the runtime. Such a text may
 * begin with a code and a place. They are taken apart here, so that the message looks like one of
 * the checker, with the line and a caret.
 *
 * The form (text or JSON) is taken from the command line before anything can go wrong. A process
 * has one command line, which is why this is the one file of the driver with a variable of its
 * own. */
#include "compiler/driver/report.h"

#include "compiler/driver/load.h"
#include "lang/ast.h"
#include "lang/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The command line's settings for messages. A process has one command line. */
static struct {
    const char *command;
    bool json;
    bool all;
    bool coloured;
} said;

/* Returns the value of `option` at argument `i`, or "" if another option stands there. */
static const char *option_value(const char *option, int i, int argc, char **argv) {
    const size_t length = strlen(option);
    if (strncmp(argv[i], option, length) != 0) return "";
    if (argv[i][length] == '=') return argv[i] + length + 1;
    return argv[i][length] == 0 && i + 1 < argc ? argv[i + 1] : "";
}

/* True if stderr is a terminal that shows colours, and NO_COLOR is not set to a text
 * (https://no-color.org). */
static bool takes_colours(void) {
    const char *no = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && !(no && *no) && !(terminal && strcmp(terminal, "dumb") == 0);
}

void report_begin(const char *name, int argc, char **argv) {
    said.command = name;
    said.coloured = takes_colours();
    for (int i = 0; i < argc; i++) {
        const char *colour = option_value("--color", i, argc, argv);
        if (strcmp(argv[i], "--all-errors") == 0) said.all = true;
        if (strcmp(option_value("--diagnostics", i, argc, argv), "json") == 0) said.json = true;
        if (strcmp(colour, "always") == 0) said.coloured = true;
        if (strcmp(colour, "never") == 0) said.coloured = false;
    }
}

/* The place to which messages of this thread go. A `diag` of NULL means that they are printed on
 * stderr. */
static _Thread_local struct {
    Arena *arena;
    Diag *diag;
    const Method *method; /* the method whose sources are at hand */
} collected;

void report_collect(Arena *arena, Diag *diag, const Method *method) {
    collected.arena = arena;
    collected.diag = diag;
    collected.method = method;
}

static void print(Arena *arena, Diag *diag) {
    diag_speaker(diag, said.command ? arena_printf(arena, "couplet %s", said.command) : "couplet");
    fflush(stdout);
    report_messages(diag);
}

void report_messages(Diag *diag) {
    if (collected.diag) {
        if (diag != collected.diag) diag_take(collected.diag, diag);
        return;
    }
    if (said.all) diag_unlimited(diag);
    if (said.coloured) diag_colour(diag);
    if (said.json)
        diag_print_json(diag, stderr);
    else
        diag_print(diag, stderr);
}

static bool report_text(DiagCode code, Span span, const char *help, const char *text) {
    if (collected.diag) {
        diag_report(collected.diag, code, span, "%s", text);
        if (help) diag_suggest(collected.diag, "%s", help);
        return false;
    }
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    diag_report(diag, code, span, "%s", text);
    if (help) diag_suggest(diag, "%s", help);
    print(arena, diag);
    arena_free(arena);
    return false;
}

static bool report_list(DiagCode code, const char *help, const char *format, va_list args) {
    char *text = NULL;
    const Span nowhere = {.source = NULL};
    if (vasprintf(&text, format, args) < 0) text = NULL;
    report_text(code, nowhere, help, text ? text : "out of memory");
    free(text);
    return false;
}

bool report(DiagCode code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report_list(code, NULL, format, args);
    va_end(args);
    return false;
}

bool report_with_help(DiagCode code, const char *help, const char *format, ...) {
    va_list args;
    va_start(args, format);
    report_list(code, help, format, args);
    va_end(args);
    return false;
}

void report_note(const char *format, ...) {
    va_list args;
    char *text = NULL;
    if (collected.diag) return; /* a caller that collects messages could do nothing about a note */
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    fflush(stdout);
    if (text && said.json) {
        fprintf(stderr, "{\"file\": null, \"code\": null, \"severity\": \"note\", \"message\": ");
        utf8_print_json(stderr, text, strlen(text));
        fprintf(stderr, ", \"notes\": [], \"suggestion\": null, \"fix\": null}\n");
    } else if (text) {
        utf8_print(stderr, text, strlen(text));
        fputc('\n', stderr);
    }
    free(text);
}

/* ---- what others say ------------------------------------------------------------------------- */

/* Reads a code at the start of a text, as in "error[E607]: ", and returns what follows. Leaves
 * *code as it is if there is no code, or an unknown one. */
static const char *after_code(const char *text, DiagCode *code) {
    static const char word[] = "error";
    const char *at = text + sizeof word - 1;
    if (strncmp(text, word, sizeof word - 1) != 0) return text;
    for (int i = 0; *at == '[' && i < CODE_COUNT; i++)
        if (strncmp(at + 1, diag_codes[i].code, strlen(diag_codes[i].code)) == 0)
            *code = (DiagCode)i;
    if (*at == '[') at += strcspn(at, "]");
    if (*at == ']') at++;
    return strncmp(at, ": ", 2) == 0 ? at + 2 : text;
}

/* Reads the number behind a colon, as in ":12" or ":12:5". Returns 0 if there is no number. */
static int number_after_colon(const char **at) {
    if (**at != ':' || !isdigit((unsigned char)(*at)[1])) return 0;
    char *end;
    const long number = strtol(*at + 1, &end, 10);
    *at = end;
    return (int)number;
}

static const Source *source_at_hand(const char *path) {
    for (int m = 0; collected.method && m < collected.method->module_count; m++) {
        const Module *module = collected.method->modules[m];
        for (int f = 0; f < module->file_count; f++)
            if (strcmp(module->files[f]->path, path) == 0) return module->files[f];
    }
    return NULL;
}

/* Returns a file of the library or of a spec. Its text is NULL if the file cannot be read. */
static const Source *source_at(Arena *arena, const char *path) {
    const Source *known = source_at_hand(path);
    if (known) return known;
    Source *source = arena_new_of(arena, Source);
    struct stat info;
    source->path = path;
    for (const LibraryFile *file = library_files; file->module; file++) {
        if (strcmp(file->path, path) != 0) continue;
        source->text = file->text;
        source->length = file->length;
        return source;
    }
    FILE *file = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL;
    if (!file) return source;
    char *text = arena_alloc(arena, (size_t)info.st_size + 1);
    source->length = fread(text, 1, (size_t)info.st_size, file);
    source->text = text;
    fclose(file);
    return source;
}

/* Returns the span of a place, up to the end of the word that begins there. The text may have
 * changed since the message was made, and a place that it lacks is shown without its line. */
static Span span_of(Arena *arena, const char *path, int line, int column) {
    const Source *source = source_at(arena, path);
    Span span = {.source = source, .line = line, .column = column ? column : 1};
    const char *at = source->text;
    const char *end = at ? at + source->length : NULL;
    for (int i = 1; at && i < line; i++)
        at = (at = memchr(at, '\n', (size_t)(end - at))) ? at + 1 : NULL;
    const char *stop = at ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (at && !stop) stop = end;
    for (int i = 1; at && i < column && at < stop; i++)
        do
            at++;
        while (at < stop && utf8_goes_on(*at));
    if (!at || at >= stop) {
        Source *bare = arena_new_of(arena, Source);
        bare->path = path;
        span.source = bare;
        return span;
    }
    span.begin = span.end = (int)(at - source->text);
    if (!column) span.end = (int)(stop - source->text);
    while (span.end < (int)(stop - source->text) &&
           (isalnum((unsigned char)source->text[span.end]) || source->text[span.end] == '_'))
        span.end++;
    if (span.end == span.begin) span.end++;
    return span;
}

/* Reads a place, "FILE:LINE" or "FILE:LINE:COLUMN", that ends at `end`. */
static bool read_place(Arena *arena, const char *text, const char *end, Span *span) {
    for (const char *at = text; (at = strchr(at, ':')) && at < end; at++) {
        const char *rest = at;
        const int line = number_after_colon(&rest);
        const int column = line ? number_after_colon(&rest) : 0;
        if (rest != end || line == 0) continue;
        *span = span_of(arena, arena_strndup(arena, text, (size_t)(at - text)), line, column);
        return true;
    }
    return false;
}

/* Reads "FILE:LINE: error" or "FILE:LINE:COLUMN: error" at the start of a text. Returns where
 * `error` begins, or NULL if there is no place. */
static const char *after_place(Arena *arena, const char *text, Span *span) {
    const char *error = strstr(text, ": error");
    return error && read_place(arena, text, error, span) ? error + 2 : NULL;
}

/* Reports the lines behind a sentence (runtime/executor.h): the line in the library, and advice. */
static void report_lines(Arena *arena, Diag *diag, const char *lines) {
    static const char library[] = "\n      = in the library: ";
    static const char help[] = "\n      = help: ";
    for (const char *end; lines; lines = end) {
        end = strchr(lines + 1, '\n');
        const char *stop = end ? end : lines + strlen(lines);
        Span span;
        if (strncmp(lines, library, sizeof library - 1) == 0 &&
            read_place(arena, lines + sizeof library - 1, stop, &span))
            diag_note(diag, span, "in the library");
        else if (strncmp(lines, help, sizeof help - 1) == 0)
            diag_suggest(diag, "%.*s", (int)(stop - lines - (sizeof help - 1)),
                         lines + sizeof help - 1);
    }
}

static void read_error(Arena *arena, Diag *diag, DiagCode code, const char *text) {
    Span span = {.source = NULL};
    const bool has_code = strncmp(text, "error[", 6) == 0;
    const char *error = has_code ? NULL : after_place(arena, text, &span);
    const char *sentence = after_code(error ? error : text, &code);
    const char *lines = strstr(sentence, "\n      = ");
    const int length = lines ? (int)(lines - sentence) : (int)strlen(sentence);
    diag_report(diag, code, span, "%.*s", length, sentence);
    report_lines(arena, diag, lines);
}

bool report_error(DiagCode code, const char *text) {
    if (collected.diag) {
        read_error(collected.arena, collected.diag, code, text);
        return false;
    }
    Arena *arena = arena_new();
    Diag *diag = diag_new(arena);
    read_error(arena, diag, code, text);
    print(arena, diag);
    arena_free(arena);
    return false;
}
