/* Reads what the text of a file says about a function: the comment above it, and its head on one
 * line. Comments are no part of the tree, so they are taken from the text itself. `couplet doc`
 * and the library for other programs both show them. */
#include "compiler/driver/comment.h"

#include <string.h>

static const char *comment_line(Arena *arena, const char *begin, const char *end) {
    begin++;
    if (begin < end && *begin == ' ') begin++;
    return arena_strndup(arena, begin, (size_t)(end - begin));
}

static const char *line_end(const char *at) {
    const char *end = strchr(at, '\n');
    return end ? end : at + strlen(at);
}

CommentLines comment_at(Arena *arena, const char *at) {
    CommentLines lines = {{NULL, 0, 0}};
    while (*at == '#') {
        const char *end = line_end(at);
        array_push(arena, &lines.of, comment_line(arena, at, end));
        at = *end ? end + 1 : end;
    }
    return lines;
}

CommentLines comment_above(Arena *arena, const char *text, const char *at) {
    const char *begin = at;
    while (begin > text) {
        const char *line = begin - 1;
        while (line > text && line[-1] != '\n')
            line--;
        if (*line != '#') break;
        begin = line;
    }
    return begin == at ? (CommentLines){{NULL, 0, 0}} : comment_at(arena, begin);
}

/* Returns the first paragraph as one line. The line of shapes below it, such as "[N, D]", is no
 * part of it. */
static const char *first_paragraph(Arena *arena, const CommentLines *lines) {
    const char *text = "";
    for (int i = 0; i < lines->of.count; i++) {
        const char *line = lines->of.items[i];
        if (!*line || *line == ' ' || (i > 0 && *line == '[')) break;
        text = i == 0 ? line : arena_printf(arena, "%s %s", text, line);
    }
    return text;
}

/* True if a sentence ends at `at`: there is a full stop, a semicolon or a colon ahead of a blank.
 * The full stop of "et al.", of "eq. (4)" or of the range "0 .. 1" ends none, nor does the colon of
 * the type "label : int". */
static bool ends_sentence(const char *text, const char *at) {
    if (at[1] != ' ' && at[1]) return false;
    const char before = at > text ? at[-1] : ' ';
    if (*at == ':') return before != ' ';
    if (*at == ';') return true;
    const bool is_short =
        (at - text >= 2 && (!strncmp(at - 2, "al", 2) || !strncmp(at - 2, "eq", 2))) ||
        (at - text >= 3 && !strncmp(at - 3, "eqs", 3));
    return *at == '.' && before != '.' && !is_short;
}

const char *comment_gist(Arena *arena, const CommentLines *lines) {
    const char *text = first_paragraph(arena, lines);
    const char *end = text;
    for (int depth = 0; *end && (depth > 0 || !ends_sentence(text, end)); end++)
        depth += (*end == '(' || *end == '[') - (*end == ')' || *end == ']');
    const char *shapes = strstr(text, "   [");
    if (shapes && shapes < end) end = shapes;
    while (end > text && strchr(" .,", end[-1]))
        end--;
    return arena_printf(arena, "%.*s", (int)(end - text), text);
}

/* Returns the place behind the parenthesis that closes the last list of a signature. A net has two
 * lists. */
static const char *signature_end(const char *at) {
    const char *end = strchr(at, '(');
    for (int depth = 0; end && *end; end++) {
        depth += (*end == '(') - (*end == ')');
        if (depth == 0 && end[1] != '(') return end + 1;
    }
    return at;
}

void comment_signature(const Stmt *fn, FILE *out) {
    const char *at = fn->span.source->text + fn->name_span.begin;
    const char *end = signature_end(at);
    for (bool space = false; at < end; at++) {
        const bool blank = *at == ' ' || *at == '\n';
        if (!blank || !space) fputc(blank ? ' ' : *at, out);
        space = blank;
    }
}
