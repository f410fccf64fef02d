/* Messages: kept until the end, sorted by place, printed with the line and a caret. */
#include "lang/diag_private.h"

#include <stdlib.h>
#include <string.h>

struct Diag {
    Arena *arena;
    ARRAY(DiagMessage) messages;
    int errors;
    void (*trail)(void *context, Diag *diag);
    void *trail_context;
};

Diag *diag_new(Arena *arena) {
    Diag *diag = arena_new_of(arena, Diag);
    diag->arena = arena;
    return diag;
}

static DiagPart make_part(Diag *diag, Span span, const char *format, va_list args) {
    char text[2048];
    vsnprintf(text, sizeof text, format, args);
    return (DiagPart){span, arena_strndup(diag->arena, text, strlen(text))};
}

void diag_report(Diag *diag, DiagCode code, Span span, const char *format, ...) {
    DiagMessage message;
    memset(&message, 0, sizeof message);
    message.code = code;
    va_list args;
    va_start(args, format);
    array_push(diag->arena, &message.parts, make_part(diag, span, format, args));
    va_end(args);
    array_push(diag->arena, &diag->messages, message);
    if (diag_codes[code].severity == DIAG_ERROR) diag->errors++;
    if (diag->trail) diag->trail(diag->trail_context, diag);
}

void diag_follow(Diag *diag, void (*write)(void *context, Diag *diag), void *context) {
    diag->trail = write;
    diag->trail_context = context;
}

void diag_trail(Diag *diag, Span span, const char *format, ...) {
    va_list args;
    va_start(args, format);
    array_push(diag->arena, &diag->messages.items[diag->messages.count - 1].trail, make_part(diag, span, format, args));
    va_end(args);
}

void diag_note(Diag *diag, Span span, const char *format, ...) {
    if (diag->messages.count == 0) return;
    va_list args;
    va_start(args, format);
    DiagPart part = make_part(diag, span, format, args);
    va_end(args);
    DiagMessage *last = &diag->messages.items[diag->messages.count - 1];
    array_push(diag->arena, &last->parts, part);
}

void diag_suggest(Diag *diag, const char *format, ...) {
    if (diag->messages.count == 0) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    diag->messages.items[diag->messages.count - 1].suggestion = arena_strndup(diag->arena, text, strlen(text));
}

int diag_error_count(const Diag *diag) { return diag->errors; }

const DiagPart *diag_part(const DiagMessage *message, int i) {
    if (i < message->parts.count) return &message->parts.items[i];
    i -= message->parts.count;
    return i < message->trail.count ? &message->trail.items[i] : NULL;
}

/* ---- order ---------------------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right) {
    const DiagMessage *a = *(const DiagMessage *const *)left, *b = *(const DiagMessage *const *)right;
    Span x = a->parts.items[0].span, y = b->parts.items[0].span;
    int position = a < b ? -1 : a > b; /* one array holds them, in the order of their making */
    if (x.source != y.source || x.begin == y.begin) return position;
    return x.begin - y.begin;
}

static bool same_message(const DiagMessage *a, const DiagMessage *b) {
    const DiagPart *x = &a->parts.items[0], *y = &b->parts.items[0];
    return x->span.source == y->span.source && x->span.begin == y->span.begin && strcmp(x->text, y->text) == 0;
}

const DiagMessage **diag_sorted(const Diag *diag, int *count) {
    *count = 0;
    const DiagMessage **sorted = calloc((size_t)diag->messages.count + 1, sizeof *sorted);
    if (!sorted) return NULL;
    for (int i = 0; i < diag->messages.count; i++) sorted[i] = &diag->messages.items[i];
    qsort(sorted, (size_t)diag->messages.count, sizeof *sorted, compare);
    for (int i = 0; i < diag->messages.count; i++)
        if (*count == 0 || !same_message(sorted[i], sorted[*count - 1])) sorted[(*count)++] = sorted[i];
    return sorted;
}

const char *diag_severity_name(DiagSeverity severity) {
    static const char *const names[] = {"error", "warning", "note"};
    return names[severity];
}

/* ---- printing ----------------------------------------------------------------------------------------- */

static void print_caret_line(FILE *out, Span span) {
    const Source *source = span.source;
    int begin = span.begin;
    while (begin > 0 && source->text[begin - 1] != '\n') begin--;
    int end = begin;
    while ((size_t)end < source->length && source->text[end] != '\n') end++;
    fprintf(out, "%5d | %.*s\n      | ", span.line, end - begin, source->text + begin);
    for (int i = begin; i < span.begin; i++) fputc(source->text[i] == '\t' ? '\t' : ' ', out);
    fputc('^', out);
    for (int i = span.begin + 1; i < span.end && i < end; i++) fputc('~', out);
    fputc('\n', out);
}

static void print_part(FILE *out, const DiagPart *part, DiagSeverity severity, const char *code) {
    if (part->span.source) fprintf(out, "%s:%d:%d: ", part->span.source->path, part->span.line, part->span.column);
    fprintf(out, "%s", diag_severity_name(severity));
    if (code) fprintf(out, "[%s]", code);
    fprintf(out, ": %s\n", part->text);
    if (part->span.source) print_caret_line(out, part->span);
}

void diag_print(const Diag *diag, FILE *out) {
    int count = 0;
    const DiagMessage **messages = diag_sorted(diag, &count);
    for (int i = 0; i < count; i++) {
        const DiagMessage *message = messages[i];
        const DiagCodeInfo *info = &diag_codes[message->code];
        print_part(out, &message->parts.items[0], info->severity, info->code);
        for (int p = 1; diag_part(message, p); p++) print_part(out, diag_part(message, p), DIAG_NOTE, NULL);
        if (message->suggestion) fprintf(out, "      = help: %s\n", message->suggestion);
    }
    free(messages);
}

/* ---- near names ---------------------------------------------------------------------------------------- */

/* Edit distance with transposition, bounded: anything past `limit` is just far. */
static int distance(const char *a, const char *b, int limit) {
    int n = (int)strlen(a), m = (int)strlen(b);
    if (n > 63 || m > 63 || abs(n - m) > limit) return limit + 1;
    int rows[64][64];
    for (int i = 0; i <= n; i++) rows[i][0] = i;
    for (int j = 0; j <= m; j++) rows[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            int best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (rows[i - 1][j] + 1 < best) best = rows[i - 1][j] + 1;
            if (rows[i][j - 1] + 1 < best) best = rows[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && rows[i - 2][j - 2] + 1 < best) best = rows[i - 2][j - 2] + 1;
            rows[i][j] = best;
        }
    return rows[n][m];
}

const char *diag_nearest(const char *name, const char *const *candidates, int count) {
    int length = (int)strlen(name);
    int limit = length <= 2 ? 1 : length <= 5 ? 2 : 3;
    const char *best = NULL;
    for (int i = 0; i < count; i++) {
        if (!candidates[i] || strcmp(candidates[i], name) == 0) continue;
        int d = distance(name, candidates[i], limit);
        if (d > limit || d >= length) continue;
        limit = d - 1;
        best = candidates[i];
        if (limit < 1) break;
    }
    return best;
}
