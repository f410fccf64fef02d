/* Messages: kept until the end, sorted by place, printed with the line and a caret. */
#include "lang/diag.h"

#include <stdlib.h>
#include <string.h>

typedef struct Part {
    DiagSeverity severity;
    Span span;
    const char *text;
} Part;

typedef struct Message {
    ARRAY(Part) parts; /* the message itself, then its notes */
    const char *suggestion;
} Message;

struct Diag {
    Arena *arena;
    ARRAY(Message) messages;
    int errors;
};

Diag *diag_new(Arena *arena) {
    Diag *diag = arena_new_of(arena, Diag);
    diag->arena = arena;
    return diag;
}

static Part make_part(Diag *diag, DiagSeverity severity, Span span, const char *format, va_list args) {
    char text[2048];
    vsnprintf(text, sizeof text, format, args);
    return (Part){severity, span, arena_strndup(diag->arena, text, strlen(text))};
}

static void start(Diag *diag, Part part) {
    Message message;
    memset(&message, 0, sizeof message);
    array_push(diag->arena, &message.parts, part);
    array_push(diag->arena, &diag->messages, message);
}

void diag_error(Diag *diag, Span span, const char *format, ...) {
    va_list args;
    va_start(args, format);
    start(diag, make_part(diag, DIAG_ERROR, span, format, args));
    va_end(args);
    diag->errors++;
}

void diag_warning(Diag *diag, Span span, const char *format, ...) {
    va_list args;
    va_start(args, format);
    start(diag, make_part(diag, DIAG_WARNING, span, format, args));
    va_end(args);
}

void diag_note(Diag *diag, Span span, const char *format, ...) {
    if (diag->messages.count == 0) return;
    va_list args;
    va_start(args, format);
    Part part = make_part(diag, DIAG_NOTE, span, format, args);
    va_end(args);
    Message *last = &diag->messages.items[diag->messages.count - 1];
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

static void print_part(FILE *out, const Part *part) {
    static const char *const names[] = {"error", "warning", "note"};
    if (!part->span.source) {
        fprintf(out, "%s: %s\n", names[part->severity], part->text);
        return;
    }
    fprintf(out, "%s:%d:%d: %s: %s\n", part->span.source->path, part->span.line, part->span.column, names[part->severity], part->text);
    print_caret_line(out, part->span);
}

typedef struct Order {
    const Message *message;
    int position;
} Order;

static int compare(const void *left, const void *right) {
    const Order *a = left, *b = right;
    Span x = a->message->parts.items[0].span, y = b->message->parts.items[0].span;
    if (x.source != y.source) return a->position - b->position;
    if (x.begin != y.begin) return x.begin - y.begin;
    return a->position - b->position;
}

static bool same_message(const Message *a, const Message *b) {
    const Part *x = &a->parts.items[0], *y = &b->parts.items[0];
    return x->span.source == y->span.source && x->span.begin == y->span.begin && strcmp(x->text, y->text) == 0;
}

void diag_print(const Diag *diag, FILE *out) {
    int count = diag->messages.count;
    Order *order = calloc((size_t)count + 1, sizeof *order);
    if (!order) return;
    for (int i = 0; i < count; i++) order[i] = (Order){&diag->messages.items[i], i};
    qsort(order, (size_t)count, sizeof *order, compare);
    for (int i = 0; i < count; i++) {
        if (i > 0 && same_message(order[i].message, order[i - 1].message)) continue;
        const Message *message = order[i].message;
        for (int p = 0; p < message->parts.count; p++) print_part(out, &message->parts.items[p]);
        if (message->suggestion) fprintf(out, "      = help: %s\n", message->suggestion);
    }
    free(order);
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
