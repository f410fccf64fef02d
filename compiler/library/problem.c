/* Keeps the messages of a compilation or of a run as one object that the caller owns: the whole
 * text, and the first message taken apart into code, file, line and sentence. If even that does not
 * fit in memory, the problem is NULL, and its texts are empty. */
#include "compiler/library/problem.h"

#include <stdlib.h>
#include <string.h>

struct CoupletProblem {
    char *text;
    char *sentence;
    char *file;
    char code[8];
    int line;
    int column;
};

char *problem_print(const Diag *diag) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    diag_print(diag, out);
    fclose(out);
    return text;
}

static bool fill_problem(CoupletProblem *p, const Diag *diag) {
    Span span;
    DiagCode code;
    p->text = problem_print(diag);
    const char *sentence = diag_first_error(diag, &span, &code);
    if (!sentence) return (p->sentence = strdup("")) && (p->file = strdup("")) && p->text;
    p->sentence = strdup(sentence);
    p->file = strdup(span.source ? span.source->path : "");
    p->line = span.source ? span.line : 0;
    p->column = span.source ? span.column : 0;
    snprintf(p->code, sizeof p->code, "%s", diag_codes[code].code);
    return p->text && p->sentence && p->file;
}

CoupletProblem *problem_new(const Diag *diag) {
    CoupletProblem *p = calloc(1, sizeof *p);
    if (p && fill_problem(p, diag)) return p;
    couplet_problem_free(p);
    return NULL;
}

CoupletProblem *problem_of_sentence(DiagCode code, const char *format, ...) {
    CoupletProblem *p = calloc(1, sizeof *p);
    va_list args;
    va_start(args, format);
    const bool good = p && vasprintf(&p->sentence, format, args) >= 0;
    va_end(args);
    if (p && !good) p->sentence = NULL;
    if (p) snprintf(p->code, sizeof p->code, "%s", diag_codes[code].code);
    if (good && (p->file = strdup("")) &&
        asprintf(&p->text, "error[%s]: %s\n", p->code, p->sentence) >= 0)
        return p;
    if (p) p->text = NULL;
    couplet_problem_free(p);
    return NULL;
}

/* Returns the text, or "" for NULL, since without memory there is no problem to ask. */
static const char *text_or_empty(const char *text) {
    return text ? text : "";
}

const char *couplet_problem_text(const CoupletProblem *p) {
    return text_or_empty(p ? p->text : NULL);
}
const char *couplet_problem_sentence(const CoupletProblem *p) {
    return text_or_empty(p ? p->sentence : NULL);
}
const char *couplet_problem_code(const CoupletProblem *p) {
    return text_or_empty(p ? p->code : NULL);
}
const char *couplet_problem_file(const CoupletProblem *p) {
    return text_or_empty(p ? p->file : NULL);
}
int couplet_problem_line(const CoupletProblem *p) {
    return p ? p->line : 0;
}
int couplet_problem_column(const CoupletProblem *p) {
    return p ? p->column : 0;
}

void couplet_problem_free(CoupletProblem *p) {
    if (!p) return;
    free(p->text);
    free(p->sentence);
    free(p->file);
    free(p);
}
