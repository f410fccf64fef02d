/* Runs the scanner without the grammar. The scanner passes over blanks and comments, so comments
 * are found in the gaps between its tokens. */
#include "lang/tokens.h"
#include "lang/ast_build.h"

#include "parser.h"
#define YYSTYPE COUPLET_YYSTYPE
#define YYLTYPE Span
#include "lexer.h"

#include <string.h>

const char *const token_class_names[TOKEN_CLASSES] = {
    [TOKEN_WORD] = "word",      [TOKEN_REDUCER] = "reducer", [TOKEN_NAME] = "name",
    [TOKEN_NUMBER] = "number",  [TOKEN_TEXT] = "text",       [TOKEN_SIGN] = "sign",
    [TOKEN_COMMENT] = "comment"};

int couplet_yylex(COUPLET_YYSTYPE *value, Span *span, void *scanner);

static TokenClass class_of(int token, const char *text) {
    if (token == NAME) return TOKEN_NAME;
    if (token == NUMBER) return TOKEN_NUMBER;
    if (token == STRING) return TOKEN_TEXT;
    if (token == REDUCER || token == COUNT) return TOKEN_REDUCER;
    const bool letter = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
    return letter ? TOKEN_WORD : TOKEN_SIGN;
}

typedef struct TokenList {
    ARRAY(Token) of;
} TokenList;

/* Appends the comments between two places, where no token is. */
static void add_comments(Arena *arena, TokenList *list, const char *text, int from, int to) {
    for (int at = from; at < to; at++) {
        if (text[at] != '#') continue;
        Token comment = {TOKEN_COMMENT, at, at};
        while (comment.end < to && text[comment.end] != '\n')
            comment.end++;
        array_push(arena, &list->of, comment);
        at = comment.end;
    }
}

Token *token_list(Arena *arena, const Source *source, int *count) {
    TokenList list = {{NULL, 0, 0}};
    Parser *p = arena_new_of(arena, Parser);
    *count = 0;
    if (source->length > MOST_FILE_BYTES) return NULL;
    parser_begin(p, arena, diag_new(arena), source);
    if (couplet_yylex_init_extra(p, &p->scanner) != 0) return NULL;
    YY_BUFFER_STATE buffer = couplet_yy_scan_bytes(source->text, (int)source->length, p->scanner);
    COUPLET_YYSTYPE value;
    Span span;
    int token;
    int done = 0;
    while ((token = couplet_yylex(&value, &span, p->scanner)) != 0) {
        if (token == NEWLINE || span.end <= span.begin || span.begin < done) continue;
        add_comments(arena, &list, source->text, done, span.begin);
        const Token one = {class_of(token, source->text + span.begin), span.begin, p->offset};
        array_push(arena, &list.of, one);
        done = p->offset;
    }
    add_comments(arena, &list, source->text, done, (int)source->length);
    couplet_yy_delete_buffer(buffer, p->scanner);
    couplet_yylex_destroy(p->scanner);
    *count = list.of.count;
    return list.of.items;
}
