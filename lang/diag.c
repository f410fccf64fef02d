/* Keeps messages until the end, and then prints them in the order of their places, each with its
 * source line and a caret. */
#include "lang/diag_messages.h"
#include "lang/utf8.h"

#include <stdlib.h>
#include <string.h>

struct Diag {
    Arena *arena;
    ARRAY(DiagMessage) messages;
    int errors;
    bool unlimited;
    bool coloured;
    const char *speaker;
    void (*trail)(void *context, Diag *diag); /* the writer that diag_follow set, or NULL */
    void *trail_context;
};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char *span_text(Arena *arena, Span span) {
    const char *text = span.source->text;
    int begin = span.begin;
    int end = span.end;
    int open = 0;
    int missing = 0;
    int length = 0;
    for (int i = begin; i < end; i++) {
        open += text[i] == '(';
        if (text[i] == ')' && open-- == 0) open = 0, missing++;
    }
    for (; missing > 0 && begin > 0; missing -= text[begin] == '(')
        begin--;
    for (; open > 0 && text[end]; end++)
        open -= text[end] == ')';
    char *out = arena_strndup(arena, text + begin, (size_t)(end - begin));
    for (int i = begin; i < end; i++)
        if (!is_space(text[i]) || !is_space(text[i + 1]))
            out[length++] = is_space(text[i]) ? ' ' : text[i];
    out[length] = 0;
    return out;
}

Diag *diag_new(Arena *arena) {
    Diag *diag = arena_new_of(arena, Diag);
    diag->arena = arena;
    return diag;
}

static const char *make_text(Diag *diag, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = arena_alloc(diag->arena, (size_t)(length > 0 ? length : 0) + 1);
    if (length > 0) vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

static DiagPart make_part(Diag *diag, Span span, const char *format, va_list args) {
    return (DiagPart){span, make_text(diag, format, args)};
}

void diag_speaker(Diag *diag, const char *name) {
    diag->speaker = name;
}

void diag_unlimited(Diag *diag) {
    diag->unlimited = true;
}

void diag_colour(Diag *diag) {
    diag->coloured = true;
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
    array_push(diag->arena, &diag->messages.items[diag->messages.count - 1].trail,
               make_part(diag, span, format, args));
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
    va_list args;
    va_start(args, format);
    DiagMessage *last = &diag->messages.items[diag->messages.count - 1];
    last->suggestion = make_text(diag, format, args);
    last->fix.text = NULL; /* the fix may belong to an earlier suggestion, which is replaced */
    va_end(args);
}

void diag_fix(Diag *diag, Span span, const char *text) {
    if (diag->messages.count == 0) return;
    DiagPart fix = {span, arena_strndup(diag->arena, text, strlen(text))};
    diag->messages.items[diag->messages.count - 1].fix = fix;
}

void diag_mean(Diag *diag, Span span, const char *text) {
    diag_suggest(diag, "did you mean `%s`?", text);
    diag_fix(diag, span, text);
}

int diag_error_count(const Diag *diag) {
    return diag->errors;
}

int diag_count(const Diag *diag) {
    return diag->messages.count;
}

void diag_drop(Diag *diag, int count) {
    for (int i = count; i < diag->messages.count; i++)
        diag->errors -= diag_codes[diag->messages.items[i].code].severity == DIAG_ERROR;
    diag->messages.count = count;
}

const DiagPart *diag_part(const DiagMessage *message, int i) {
    if (i < message->parts.count) return &message->parts.items[i];
    i -= message->parts.count;
    return i < message->trail.count ? &message->trail.items[i] : NULL;
}

void diag_take(Diag *diag, const Diag *other) {
    for (int i = 0; i < other->messages.count; i++)
        array_push(diag->arena, &diag->messages, other->messages.items[i]);
    diag->errors += other->errors;
}

/* ---- order ----------------------------------------------------------------------------------- */

/* A message with what it is sorted by: its file, its place in the file, and its number in the order
 * of the reports. Files are numbered in the order of their first messages. */
typedef struct Ordered {
    const DiagMessage *message;
    int file;
    int begin;
    int number;
} Ordered;

static int compare(const void *left, const void *right) {
    const Ordered *a = left;
    const Ordered *b = right;
    if (a->file != b->file) return a->file < b->file ? -1 : 1;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static bool same_message(const DiagMessage *a, const DiagMessage *b) {
    const DiagPart *x = &a->parts.items[0];
    const DiagPart *y = &b->parts.items[0];
    return x->span.source == y->span.source && x->span.begin == y->span.begin &&
           strcmp(x->text, y->text) == 0;
}

/* The most errors that are shown. Further ones are only counted. */
enum { SHOWN_ERRORS = 20 };

/* Shortens a sorted list to what is shown. Returns the number of errors behind its end. */
static int limit_messages(const Diag *diag, const DiagMessage **sorted, int *count) {
    int errors = 0;
    int hidden = 0;
    int kept = 0;
    for (int i = 0; i < *count; i++) {
        const bool error = diag_codes[sorted[i]->code].severity == DIAG_ERROR;
        errors += error;
        if (diag->unlimited || errors <= SHOWN_ERRORS)
            kept = i + 1;
        else
            hidden += error;
    }
    *count = kept;
    return hidden;
}

/* Fills `ordered` with all messages, in the order of the reports. Returns false without memory. */
static bool number_messages(const Diag *diag, Ordered *ordered) {
    const int count = diag->messages.count;
    const Source **files = calloc((size_t)count + 1, sizeof *files);
    int file_count = 0;
    if (!files) return false;
    for (int i = 0; i < count; i++) {
        const DiagMessage *message = &diag->messages.items[i];
        const Span span = message->parts.items[0].span;
        int file = 0;
        while (file < file_count && files[file] != span.source)
            file++;
        if (file == file_count) files[file_count++] = span.source;
        ordered[i] = (Ordered){message, file, span.begin, i};
    }
    free(files);
    return true;
}

/* True if the list has the message already, among those of its place. */
static bool is_in_list(const DiagList *list, const DiagMessage *message) {
    const Span span = message->parts.items[0].span;
    for (int i = list->count - 1; i >= 0; i--) {
        const Span other = list->messages[i]->parts.items[0].span;
        if (other.source != span.source || other.begin != span.begin) return false;
        if (same_message(list->messages[i], message)) return true;
    }
    return false;
}

DiagList diag_sorted(const Diag *diag) {
    const int count = diag->messages.count;
    DiagList list = {.messages = calloc((size_t)count + 1, sizeof *list.messages)};
    Ordered *ordered = calloc((size_t)count + 1, sizeof *ordered);
    if (!list.messages || !ordered || !number_messages(diag, ordered)) {
        free(list.messages);
        free(ordered);
        return (DiagList){.messages = NULL};
    }
    qsort(ordered, (size_t)count, sizeof *ordered, compare);
    for (int i = 0; i < count; i++)
        if (!is_in_list(&list, ordered[i].message))
            list.messages[list.count++] = ordered[i].message;
    free(ordered);
    list.hidden = limit_messages(diag, list.messages, &list.count);
    return list;
}

const char *diag_first_error(const Diag *diag, Span *span, DiagCode *code) {
    DiagList list = diag_sorted(diag);
    const char *sentence = NULL;
    for (int i = 0; i < list.count && !sentence; i++) {
        const DiagMessage *message = list.messages[i];
        if (diag_codes[message->code].severity != DIAG_ERROR) continue;
        *span = message->parts.items[0].span;
        *code = message->code;
        sentence = message->parts.items[0].text;
    }
    free(list.messages);
    return sentence;
}

const char *diag_severity_name(DiagSeverity severity) {
    static const char *const names[] = {"error", "warning", "note"};
    return names[severity];
}

/* ---- printing -------------------------------------------------------------------------------- */

/* The part of a source line that is shown: the bytes begin .. end - 1. The flags say that the line
 * goes on before or behind them. */
typedef struct Shown {
    int begin;
    int end;
    bool cut_before;
    bool cut_behind;
} Shown;

/* The bytes that are shown around the caret of a very long line. */
enum {
    SHOWN_BEFORE = 100,
    SHOWN_BEHIND = 140,
};

static Shown shown_line(Span span) {
    const char *text = span.source->text;
    Shown line = {span.begin, span.begin, false, false};
    while (line.begin > 0 && text[line.begin - 1] != '\n' && span.begin - line.begin < SHOWN_BEFORE)
        line.begin--;
    while ((size_t)line.end < span.source->length && text[line.end] != '\n' &&
           line.end - span.begin < SHOWN_BEHIND)
        line.end++;
    while (line.begin > 0 && line.begin < span.begin && utf8_goes_on(text[line.begin]))
        line.begin++;
    while (line.end > span.begin && (size_t)line.end < span.source->length &&
           utf8_goes_on(text[line.end]))
        line.end--;
    line.cut_before = line.begin > 0 && text[line.begin - 1] != '\n';
    line.cut_behind = (size_t)line.end < span.source->length && text[line.end] != '\n';
    if (!line.cut_behind && line.end > line.begin && text[line.end - 1] == '\r') {
        line.end--;
    }
    return line;
}

/* Returns the bytes of the character at a place of a line, and sets *columns to the columns that it
 * takes on the terminal. A tab goes to the next multiple of eight; a control character or a byte
 * that is no text is shown as \xNN. */
static int character(const Source *source, int at, int end, int column, int *columns) {
    enum { TAB = 8, ESCAPED = 4 /* the columns of \xNN */ };
    uint32_t code;
    int length = utf8_read(source->text + at, (size_t)(end - at), &code);
    if (length == 0)
        length = 1, *columns = ESCAPED;
    else if (code == '\t')
        *columns = TAB - column % TAB;
    else if (code < 0x20 || (code >= 0x7f && code < 0xa0))
        *columns = ESCAPED * length;
    else
        *columns = utf8_columns(code);
    return length;
}

/* The parts of a message that are coloured, as rustc does it. */
typedef enum {
    STYLE_PLACE,
    STYLE_ERROR,
    STYLE_WARNING,
    STYLE_NOTE,
    STYLE_HELP,
    STYLE_MARGIN
} Style;

/* The stream that messages are printed to, and whether they are coloured. */
typedef struct Paper {
    FILE *out;
    bool coloured;
} Paper;

static void begin_style(Paper paper, Style style) {
    static const char *const sequences[] = {
        [STYLE_PLACE] = "1", [STYLE_ERROR] = "1;31", [STYLE_WARNING] = "1;33",
        [STYLE_NOTE] = "1",  [STYLE_HELP] = "1;36",  [STYLE_MARGIN] = "1;34"};
    if (paper.coloured) {
        fprintf(paper.out, "\033[%sm", sequences[style]);
    }
}

static void end_style(Paper paper) {
    if (paper.coloured) fputs("\033[0m", paper.out);
}

static Style style_of(DiagSeverity severity) {
    static const Style styles[] = {STYLE_ERROR, STYLE_WARNING, STYLE_NOTE};
    return styles[severity];
}

static void repeat(FILE *out, char what, int times) {
    for (int i = 0; i < times; i++)
        fputc(what, out);
}

/* Prints the margin of a source line: its number and a bar, or the bar alone if `line` is 0. */
static void print_margin(Paper paper, int line) {
    begin_style(paper, STYLE_MARGIN);
    if (line)
        fprintf(paper.out, "%5d |", line);
    else
        fputs("      |", paper.out);
    end_style(paper);
    fputc(' ', paper.out);
}

/* Prints the source line of a span and, below it, a caret with a tilde for each further column. A
 * span without a visible character gets a caret at its place. */
static void print_caret_line(Paper paper, Span span, Style style) {
    FILE *out = paper.out;
    const Source *source = span.source;
    const Shown line = shown_line(span);
    const char *before = line.cut_before ? ".." : "";
    const char *behind = line.cut_behind ? ".." : "";
    int columns;
    print_margin(paper, span.line);
    fputs(before, out);
    for (int at = line.begin, column = 0; at < line.end; column += columns) {
        const int length = character(source, at, line.end, column, &columns);
        if (source->text[at] == '\t')
            repeat(out, ' ', columns);
        else
            utf8_print(out, source->text + at, (size_t)length);
        at += length;
    }
    fprintf(out, "%s\n", behind);
    print_margin(paper, 0);
    repeat(out, ' ', (int)strlen(before));
    int column = 0;
    int marked = 0;
    for (int at = line.begin; at < line.end && at < span.end; column += columns) {
        const bool inside = at >= span.begin;
        at += character(source, at, line.end, column, &columns);
        if (!inside)
            repeat(out, ' ', columns);
        else if (columns > 0) {
            if (marked == 0) begin_style(paper, style);
            if (marked == 0) fputc('^', out);
            repeat(out, '~', marked == 0 ? columns - 1 : columns);
            marked += columns;
        }
    }
    if (!marked) begin_style(paper, style);
    if (!marked) fputc('^', out);
    end_style(paper);
    fputc('\n', out);
}

static void print_text(FILE *out, const char *text) {
    utf8_print(out, text, strlen(text));
}

/* Prints a message or a note with its place and its line. `code` is NULL for a note. */
static void print_part(Paper paper, const DiagPart *part, DiagSeverity severity, const char *code,
                       const char *speaker) {
    FILE *out = paper.out;
    const Style style = style_of(severity);
    begin_style(paper, STYLE_PLACE);
    if (part->span.source) {
        print_text(out, part->span.source->path);
        fprintf(out, ":%d:%d: ", part->span.line, part->span.column);
    } else if (speaker) {
        fprintf(out, "%s: ", speaker);
    }
    end_style(paper);
    begin_style(paper, style);
    fprintf(out, "%s", diag_severity_name(severity));
    if (code) fprintf(out, "[%s]", code);
    end_style(paper);
    if (code) begin_style(paper, STYLE_PLACE);
    fprintf(out, ": ");
    print_text(out, part->text);
    if (code) end_style(paper);
    fputc('\n', out);
    if (part->span.source && part->span.source->text) {
        print_caret_line(paper, part->span, style);
    }
}

static void print_help(Paper paper, const char *text) {
    fputs("      ", paper.out);
    begin_style(paper, STYLE_MARGIN);
    fputs("=", paper.out);
    end_style(paper);
    fputc(' ', paper.out);
    begin_style(paper, STYLE_HELP);
    fputs("help", paper.out);
    end_style(paper);
    fputs(": ", paper.out);
    print_text(paper.out, text);
    fputc('\n', paper.out);
}

void diag_print(const Diag *diag, FILE *out) {
    const Paper paper = {out, diag->coloured};
    DiagList list = diag_sorted(diag);
    for (int i = 0; i < list.count; i++) {
        const DiagMessage *message = list.messages[i];
        const DiagCodeInfo *info = &diag_codes[message->code];
        print_part(paper, &message->parts.items[0], info->severity, info->code, diag->speaker);
        for (int p = 1; diag_part(message, p); p++)
            print_part(paper, diag_part(message, p), DIAG_NOTE, NULL, NULL);
        if (message->suggestion) print_help(paper, message->suggestion);
    }
    if (list.hidden)
        fprintf(out, "and %d more %s; --all-errors shows all\n", list.hidden,
                list.hidden == 1 ? "error" : "errors");
    free(list.messages);
}

/* ---- near names ------------------------------------------------------------------------------ */

/* Returns the number of insertions, deletions, replacements and swaps of neighbours that lead from
 * `a` to `b`. Returns limit + 1 for names of more than 63 bytes, and for lengths that differ by
 * more than `limit`. */
static int edit_distance(const char *a, const char *b, int limit) {
    int n = (int)strlen(a);
    int m = (int)strlen(b);
    if (n > 63 || m > 63 || abs(n - m) > limit) return limit + 1;
    int rows[64][64];
    for (int i = 0; i <= n; i++)
        rows[i][0] = i;
    for (int j = 0; j <= m; j++)
        rows[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            int best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (rows[i - 1][j] + 1 < best) best = rows[i - 1][j] + 1;
            if (rows[i][j - 1] + 1 < best) best = rows[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[i - 2][j - 2] + 1 < best)
                best = rows[i - 2][j - 2] + 1;
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
        int d = edit_distance(name, candidates[i], limit);
        if (d > limit || d >= length) continue;
        limit = d - 1;
        best = candidates[i];
        if (limit < 1) break;
    }
    return best;
}
