/* Prints messages as JSON for editors, one object a line. */
#include "lang/diag_messages.h"
#include "lang/utf8.h"

#include <stdlib.h>
#include <string.h>

static void print_string(FILE *out, const char *text) {
    utf8_print_json(out, text, strlen(text));
}

/* Prints the file, the line, the column and the end of a span. The end is counted from the text,
 * because a span may go over several lines. */
static void print_place(FILE *out, Span span) {
    if (!span.source) {
        fprintf(out, "\"file\": null");
        return;
    }
    int line = span.line;
    int column = span.column;
    for (int i = span.begin; span.source->text && i < span.end && (size_t)i < span.source->length;
         i++) {
        bool ends = span.source->text[i] == '\n';
        line += ends;
        column = ends ? 1 : column + !utf8_goes_on(span.source->text[i]);
    }
    fprintf(out, "\"file\": ");
    print_string(out, span.source->path);
    fprintf(out, ", \"line\": %d, \"column\": %d, \"end\": {\"line\": %d, \"column\": %d}",
            span.line, span.column, line, column);
}

static void print_fix(FILE *out, const DiagPart *fix) {
    if (!fix->text) {
        fprintf(out, "null");
        return;
    }
    fputc('{', out);
    print_place(out, fix->span);
    fprintf(out, ", \"text\": ");
    print_string(out, fix->text);
    fputc('}', out);
}

static void print_message(FILE *out, const DiagMessage *message) {
    const DiagCodeInfo *info = &diag_codes[message->code];
    fputc('{', out);
    print_place(out, message->parts.items[0].span);
    fprintf(out, ", \"code\": \"%s\", \"severity\": \"%s\", \"message\": ", info->code,
            diag_severity_name(info->severity));
    print_string(out, message->parts.items[0].text);
    fprintf(out, ", \"notes\": [");
    for (int i = 1; diag_part(message, i); i++) {
        fprintf(out, "%s{", i > 1 ? ", " : "");
        print_place(out, diag_part(message, i)->span);
        fprintf(out, ", \"message\": ");
        print_string(out, diag_part(message, i)->text);
        fputc('}', out);
    }
    fprintf(out, "], \"suggestion\": ");
    if (message->suggestion)
        print_string(out, message->suggestion);
    else
        fprintf(out, "null");
    fprintf(out, ", \"fix\": ");
    print_fix(out, &message->fix);
    fprintf(out, "}\n");
}

void diag_print_json(const Diag *diag, FILE *out) {
    DiagList list = diag_sorted(diag);
    for (int i = 0; i < list.count; i++)
        print_message(out, list.messages[i]);
    if (list.hidden)
        fprintf(out,
                "{\"file\": null, \"code\": null, \"severity\": \"note\", \"message\": \"and %d "
                "more %s; --all-errors shows all\", \"notes\": [], \"suggestion\": null, "
                "\"fix\": null}\n",
                list.hidden, list.hidden == 1 ? "error" : "errors");
    free(list.messages);
}
