/* The builders that the grammar's actions call. Private to lang/. */
#ifndef COUPLET_LANG_AST_BUILD_H
#define COUPLET_LANG_AST_BUILD_H

#include "lang/ast.h"
#include "lang/limits.h"

typedef ARRAY(Expr *) ExprList;
typedef ARRAY(Stmt *) StmtList;
typedef ARRAY(Binder *) BinderList;

typedef struct ExprListBox {
    ExprList exprs;
    ARRAY(const char *) names;
    ARRAY(Span) spans; /* the places of the names */
} ExprListBox;
typedef struct ParamList {
    ARRAY(Param) items;
} ParamList;

typedef struct Parser {
    Arena *arena;
    Diag *diag;
    const Source *source;
    Module *module;
    StmtList stmts;
    void *scanner;
    /* The state of the lexer. A newline ends a statement, except inside ( or [ and behind an
     * operator. */
    int depth[MOST_NESTED_BRACKETS + 1];
    /* By level: the keyword of the statement that opened the bracket. */
    int opener[MOST_NESTED_BRACKETS + 1];
    /* By level: `wanted_elses` of the text around the bracket. */
    int outer_elses[MOST_NESTED_BRACKETS + 1];
    /* By level: the first word of the statement around the bracket. */
    Span outer_first[MOST_NESTED_BRACKETS + 1];
    /* By level: true for the brackets of a reduction, which a body follows. */
    bool is_index[MOST_NESTED_BRACKETS + 1];
    int level;
    bool may_end;    /* true if the last token can end a statement */
    bool reduces;    /* true if the last token is the word of a reduction */
    bool wants_body; /* true if the last token closed the brackets of a reduction */
    bool statement;  /* true at the first word of a statement */
    /* The keyword of the statement. `rate`, `with` and `trains` are words only behind theirs. */
    int soft;
    int offset;
    int line;
    int line_start;
    int counted, counted_to; /* the column of that byte, which is on this line */
    int last_error_line;
    int last_letter_line; /* the line on which the last letter outside of ASCII was reported */
    /* For messages: the tokens around the place at hand, and what the statement has had so far. */
    /* The text that was matched last; the token that was returned last, and the token before. */
    Span lexeme;
    Span latest;
    Span previous;
    Span first;                          /* the first word of the statement */
    Span open[MOST_NESTED_BRACKETS + 1]; /* by level: the open brackets */
    /* A bracket that was still open at the end of its statement, or no place. */
    Span unclosed;
    int base;         /* the number of brackets that were open where the statement began */
    int wanted_elses; /* the `if` without an `else` so far, inside the bracket at hand */
    int closed_elses; /* the same number at the end of the bracket that was closed last */
    /* The values of `unclosed` and `wanted_elses` at the end of the statement before. */
    Span ended_unclosed;
    int ended_elses;
    bool compared; /* true if a comparison was read, and nothing that ends it */
    bool skips;    /* true while the rest of a statement that does not fit is left out */
    int drops_to;  /* the text ahead of this byte is left out: the block of a broken head */
    /* True once a brace too many, or one that is missing, was reported. What does not fit at a `}`
     * or at the end of the file follows from that. */
    bool braces_broken;
    bool lacks_name;    /* true once a name was missing where nothing else can stand */
    ARRAY(Span) broken; /* the places of the text that was left out */
    /* The first word that next_word found; or the byte of a word that was read already. */
    int ahead;
    bool is_too_deep; /* true once it is reported; such a file has no tree */
} Parser;

/* Begins the parse of a file. */
void parser_begin(Parser *p, Arena *arena, Diag *diag, const Source *source);
/* Reports that the text nests deeper than a limit of lang/limits.h; `what` nests: "brackets". */
void parser_too_deep(Parser *p, Span span, const char *what);

Expr *ast_expr(Parser *p, ExprKind kind, Span span);
Expr *ast_number(Parser *p, Span span);
Expr *ast_name(Parser *p, const char *name, Span span);
Expr *ast_unary(Parser *p, Operator op, Expr *a, Span span);
Expr *ast_binary(Parser *p, Operator op, Expr *a, Expr *b);
Expr *ast_member(Parser *p, Expr *base, const char *name, Span span);
Expr *ast_call(Parser *p, ExprKind kind, Expr *callee, ExprListBox *args, Span span);
Expr *ast_nary(Parser *p, ExprKind kind, ExprListBox *args, Span span);
Expr *ast_reduce(Parser *p, ReduceKind reduce, BinderList *binders, Expr *guard, Expr *body,
                 Span span);
ExprListBox *ast_list(Parser *p, ExprListBox *list, const char *name, Expr *expr);
ExprListBox *ast_named(Parser *p, ExprListBox *list, const char *name, Span name_span, Expr *expr);
BinderList *ast_binders(Parser *p, BinderList *list, const char *name, Expr *bound, Span span);
ParamList *ast_params(Parser *p, ParamList *list, Param param);
StmtList *ast_stmts(Parser *p, StmtList *list, StmtList *more);
StmtList *ast_one(Parser *p, Stmt *stmt);
Stmt *ast_stmt(Parser *p, StmtKind kind, Span span);
StmtList *ast_as(StmtKind kind, StmtList *lets);
Stmt *ast_eval(Parser *p, Span span);
/* Sets how often an `eval` measures in training. `cadence` is NULL where it does so around the
 * training alone. */
Stmt *ast_eval_every(Parser *p, Stmt *eval, const Stmt *cadence);
/* Makes a line of an `eval` block, from one of the two lists. */
Stmt *ast_eval_line(Parser *p, Stmt *eval, const ExprListBox *calls, const StmtList *stmts);
Stmt *ast_scan(Parser *p, BinderList *round, const StmtList *carry, const StmtList *body,
               Span span);
void ast_set_params(Stmt *stmt, const ParamList *params);
void ast_set_config(Stmt *stmt, const ParamList *params);
void ast_set_body(Stmt *stmt, Expr *value, const StmtList *body);
Stmt *ast_ema(Parser *p, Expr *target, Expr *source, Expr *rate, Span span);
void ast_with(Parser *p, Stmt *ema, const char *what, Span span);   /* with state */
void ast_before(Parser *p, Stmt *ema, const char *what, Span span); /* before forward */
Stmt *ast_when(Parser *p, Expr *condition, StmtList *body, StmtList *otherwise, Span span);
/* Makes `every 2 epochs` or `every 100 steps`: the value and of_steps. A NULL count means 1. */
Stmt *ast_cadence(Parser *p, Expr *count, const char *what, Span what_span, Span span);
Stmt *ast_every(Parser *p, Expr *count, const char *what, Span what_span, StmtList *body,
                Span span);
Stmt *ast_over(Parser *p, Expr *source, StmtList *body, Span span);
Stmt *ast_start(Parser *p, Expr *part, const char *path, Span path_span, ParamList *names,
                Span span);
/* "block_1.body.conv3_1.K" of such members. */
const char *ast_part_text(Parser *p, const Expr *part);
Param ast_on(Parser *p, Param setting, Expr *part);
ParamList *ast_setting(Parser *p, ParamList *list, Param setting);
/* read after push */
QueueOrder ast_order(Parser *p, const char *when, const char *what, Span span);
Span ast_span(Span a, Span b);

#endif
