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

/* Behind the parenthesis that closes the last list; a net has two. */
static const char *signature_end(const char *at) {
    const char *end = strchr(at, '(');
    for (int depth = 0; end && *end; end++) {
        depth += (*end == '(') - (*end == ')');
        if (depth == 0 && end[1] != '(') return end + 1;
    }
    return at;
}

void comment_signature(const Stmt *fn, FILE *out) {
    const char *at = fn->span.source->text + fn->name_span.begin, *end = signature_end(at);
    for (bool space = false; at < end; at++) {
        const bool blank = *at == ' ' || *at == '\n';
        if (!blank || !space) fputc(blank ? ' ' : *at, out);
        space = blank;
    }
}
