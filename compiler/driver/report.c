#include "compiler/driver/report.h"

#include "lang/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What the command line says about messages. A process has one command line. */
static struct {
    const char *command;
    bool json, all;
} said;

void report_begin(const char *name, int argc, char **argv) {
    static const char option[] = "--diagnostics";
    const size_t length = sizeof option - 1;
    said.command = name;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--all-errors") == 0) said.all = true;
        if (strncmp(argv[i], option, length) != 0) continue;
        const char *value = argv[i][length] == '=' ? argv[i] + length + 1 : argv[i][length] == 0 && i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(value, "json") == 0) said.json = true;
    }
}

static void print(Arena *arena, Diag *diag) {
    diag_speaker(diag, said.command ? arena_printf(arena, "couplet %s", said.command) : "couplet");
    fflush(stdout);
    report_messages(diag);
}

void report_messages(Diag *diag) {
    if (said.all) diag_unlimited(diag);
    if (said.json) diag_print_json(diag, stderr);
    else diag_print(diag, stderr);
}

static bool report_text(DiagCode code, Span span, const char *help, const char *text) {
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
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) text = NULL;
    va_end(args);
    fflush(stdout);
    if (text && said.json) {
        fprintf(stderr, "{\"file\": null, \"code\": null, \"severity\": \"note\", \"message\": ");
        utf8_print_json(stderr, text, strlen(text));
        fprintf(stderr, ", \"notes\": [], \"suggestion\": null}\n");
    } else if (text) {
        utf8_print(stderr, text, strlen(text));
        fputc('\n', stderr);
    }
    free(text);
}

/* ---- what others say -------------------------------------------------------------------------------------------------- */

/* "error[E607]: " at the start of a text: the code, and what follows it. The code stays when there is none, or none of ours. */
static const char *after_code(const char *text, DiagCode *code) {
    static const char word[] = "error";
    const char *at = text + sizeof word - 1;
    if (strncmp(text, word, sizeof word - 1) != 0) return text;
    for (int i = 0; *at == '[' && i < CODE_COUNT; i++)
        if (strncmp(at + 1, diag_codes[i].code, strlen(diag_codes[i].code)) == 0) *code = (DiagCode)i;
    if (*at == '[') at += strcspn(at, "]");
    if (*at == ']') at++;
    return strncmp(at, ": ", 2) == 0 ? at + 2 : text;
}

/* ":12" or ":12:5"; 0 where there is no number. */
static int number_after_colon(const char **at) {
    if (**at != ':' || !isdigit((unsigned char)(*at)[1])) return 0;
    char *end;
    const long number = strtol(*at + 1, &end, 10);
    *at = end;
    return (int)number;
}

/* "FILE:LINE: error" or "FILE:LINE:COLUMN: error" at the start of a text: the place, and where `error` begins; NULL where there is no place. */
static const char *after_place(Arena *arena, const char *text, Span *span) {
    const char *error = strstr(text, ": error");
    for (const char *at = text; error && (at = strchr(at, ':')) && at < error; at++) {
        const char *rest = at;
        const int line = number_after_colon(&rest), column = line ? number_after_colon(&rest) : 0;
        if (rest != error || line == 0) continue;
        Source *source = arena_new_of(arena, Source);
        source->path = arena_strndup(arena, text, (size_t)(at - text));
        *span = (Span){.source = source, .line = line, .column = column ? column : 1};
        return error + 2;
    }
    return NULL;
}

bool report_error(DiagCode code, const char *text) {
    Arena *arena = arena_new();
    Span span = {.source = NULL};
    const char *error = after_place(arena, text, &span);
    report_text(code, span, NULL, after_code(error ? error : text, &code));
    arena_free(arena);
    return false;
}
