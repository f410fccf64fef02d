/* The parser's state, and the builders that the grammar's actions call. Only lang/ includes this
 * header. */
#ifndef COUPLET_LANG_AST_BUILD_H
#define COUPLET_LANG_AST_BUILD_H

#include "lang/ast.h"
#include "lang/limits.h"

typedef ARRAY(Expr *) ExprList;
typedef ARRAY(Stmt *) StmtList;
typedef ARRAY(Binder *) BinderList;

/* A list of expressions, each with its name and the place of the name, or NULL. */
typedef struct ExprListBox {
    ExprList exprs;
    ARRAY(const char *) names;
    ARRAY(Span) spans; /* the places of the names, or of the expressions without one */
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
    /* The state of the scanner. A newline ends a statement, except inside ( or [ and behind an
     * operator. */
    int depth[MOST_NESTED_BRACKETS + 1]; /* by level: 1 for ( and [, 0 for a brace */
    /* By level: the keyword of the statement that opened the bracket. */
    int opener[MOST_NESTED_BRACKETS + 1];
    /* By level: the value of `wanted_elses` in the text around the bracket. */
    int outer_elses[MOST_NESTED_BRACKETS + 1];
    /* By level: the first word of the statement around the bracket. */
    Span outer_first[MOST_NESTED_BRACKETS + 1];
    /* By level: true for the brackets of a reduction, behind which its body stands. */
    bool is_index[MOST_NESTED_BRACKETS + 1];
    /* By level: true for a brace behind which a second one was passed over. */
    bool is_doubled[MOST_NESTED_BRACKETS + 1];
    int level;          /* the number of open brackets */
    bool may_end;       /* true if the last token can end a statement */
    bool reduces;       /* true if the last token is the word of a reduction */
    bool wants_body;    /* true if the last token closed the brackets of a reduction */
    bool statement;     /* true at the first word of a statement */
    bool closed_double; /* true if the last token closed a block whose brace was doubled */
    /* The keyword of the statement. `rate`, `with`, `trains` and the like are words of the language
     * only in statements of their own keyword. */
    int soft;
    int offset;     /* the byte at which the next token is looked for */
    int line;       /* the line of that byte */
    int line_start; /* the first byte of that line */
    /* The column of byte `counted_to`, from which columns further on the line are counted. */
    int counted, counted_to;
    int last_error_line;  /* the line of the last message, of which each line gets one */
    int last_letter_line; /* the line on which the last letter outside of ASCII was reported */
    /* The places, counts and flags that messages about the grammar are made of. */
    Span lexeme;                         /* the text that was matched last */
    Span latest;                         /* the token that was returned last */
    Span previous;                       /* the token before that one */
    Span first;                          /* the first word of the statement */
    Span open[MOST_NESTED_BRACKETS + 1]; /* by level: the place of the bracket */
    /* A bracket that was still open at the end of its statement, or no place. */
    Span unclosed;
    int base;         /* the number of brackets that were open where the statement began */
    int wanted_elses; /* how many `if` inside the bracket at hand have no `else` so far */
    int closed_elses; /* that number at the end of the bracket that was closed last */
    /* The values of `unclosed` and `wanted_elses` at the end of the statement before. The parser is
     * one token behind the scanner, so an error at the end of a statement needs these. */
    Span ended_unclosed;
    int ended_elses;
    bool compared; /* true behind a comparison, up to a word or sign that ends it */
    bool skips;    /* true while the rest of a statement that does not fit is left out */
    int drops_to;  /* the scanner leaves out the text up to this byte: the block of a broken head */
    /* True once a surplus or a missing brace was reported. What does not fit at a `}` or at the end
     * of the file follows from that. */
    bool braces_broken;
    /* The first `{` that its indent says was meant to be closed before, or no place. */
    Span suspect;
    Span block_end; /* the last `}` that closed a block outside of all others, or no place */
    /* The statements behind the `}` of a block that was meant to go on up to a `}` that closes
     * nothing, or no place. They are left out. */
    Span misplaced;
    bool lacks_name;    /* true once a name was missing where nothing else can stand */
    ARRAY(Span) broken; /* the places of the text that was left out */
    /* The byte of the next word, as next_word found it last. If the scanner is past that byte, the
     * value means nothing. */
    int ahead;
    bool is_too_deep; /* true after a message about the depth; such a file has no tree */
} Parser;

/* Begins the parse of a file. */
void parser_begin(Parser *p, Arena *arena, Diag *diag, const Source *source);
/* Returns the offset behind the first `}` from `at` on that closes no `{` of the text between, or
 * -1 if there is none. Adds the number of all such `}` to *count. */
int parser_first_closing(const Source *source, int at, int *count);
/* Reports that the text nests deeper than a limit of lang/limits.h. `what` is the kind of thing
 * that nests: "brackets" or "expressions". */
void parser_too_deep(Parser *p, Span span, const char *what);

Expr *ast_expr(Parser *p, ExprKind kind, Span span);
Expr *ast_number(Parser *p, Span span);
Expr *ast_name(Parser *p, const char *name, Span span);
Expr *ast_unary(Parser *p, Operator op, Expr *a, Span span);
Expr *ast_binary(Parser *p, Operator op, Expr *a, Expr *b);
Expr *ast_member(Parser *p, Expr *base, const char *name, Span span);
/* Makes a call or a read of an array, by `kind`. */
Expr *ast_call(Parser *p, ExprKind kind, Expr *callee, ExprListBox *args, Span span);
/* Makes an expression whose parts are a list: a composition, a default, a stop, a range. */
Expr *ast_nary(Parser *p, ExprKind kind, ExprListBox *args, Span span);
Expr *ast_reduce(Parser *p, ReduceKind reduce, BinderList *binders, Expr *guard, Expr *body,
                 Span span);
/* These append to a list, which is NULL at first, and return it. */
ExprListBox *ast_list(Parser *p, ExprListBox *list, const char *name, Expr *expr);
ExprListBox *ast_named(Parser *p, ExprListBox *list, const char *name, Span name_span, Expr *expr);
BinderList *ast_binders(Parser *p, BinderList *list, const char *name, Expr *bound, Span span);
ParamList *ast_params(Parser *p, ParamList *list, Param param);
StmtList *ast_stmts(Parser *p, StmtList *list, StmtList *more);
StmtList *ast_one(Parser *p, Stmt *stmt);
Stmt *ast_stmt(Parser *p, StmtKind kind, Span span);
/* Makes statements of this kind out of lets, which are written alike. */
StmtList *ast_as(StmtKind kind, StmtList *lets);
Stmt *ast_eval(Parser *p, Span span);
/* Sets how often an `eval` measures during training. If `cadence` is NULL, it measures only before
 * and after the training. */
Stmt *ast_eval_every(Parser *p, Stmt *eval, const Stmt *cadence);
/* Appends a line to an `eval` block: its calls or its statements, of which one list is NULL. */
Stmt *ast_eval_line(Parser *p, Stmt *eval, const ExprListBox *calls, const StmtList *stmts);
Stmt *ast_scan(Parser *p, BinderList *round, const StmtList *carry, const StmtList *body,
               Span span);
void ast_set_params(Stmt *stmt, const ParamList *params);
void ast_set_config(Stmt *stmt, const ParamList *params);
void ast_set_body(Stmt *stmt, Expr *value, const StmtList *body);
Stmt *ast_ema(Parser *p, Expr *target, Expr *source, Expr *rate, Span span);
/* These read `with state` and `before forward` of an ema edge. `what` is the second word. */
void ast_with(Parser *p, Stmt *ema, const char *what, Span span);
void ast_before(Parser *p, Stmt *ema, const char *what, Span span);
Stmt *ast_when(Parser *p, Expr *condition, StmtList *body, StmtList *otherwise, Span span);
/* Makes the head `every 2 epochs` or `every 100 steps` of a statement: its value and of_steps. A
 * NULL count means 1. */
Stmt *ast_cadence(Parser *p, Expr *count, const char *what, Span what_span, Span span);
Stmt *ast_every(Parser *p, Expr *count, const char *what, Span what_span, StmtList *body,
                Span span);
Stmt *ast_over(Parser *p, Expr *source, StmtList *body, Span span);
Stmt *ast_start(Parser *p, Expr *part, const char *path, Span path_span, ParamList *names,
                Span span);
/* Returns a chain of members as text: "block_1.body.conv3_1.K". */
const char *ast_part_text(Parser *p, const Expr *part);
/* Returns the setting with one more part. */
Param ast_on(Parser *p, Param setting, Expr *part);
/* Appends a setting to the list. A part that stands alone belongs to the setting before it. */
ParamList *ast_setting(Parser *p, ParamList *list, Param setting);
/* Reads `read before push` or `read after push`; `when` and `what` are the words behind `read`. */
QueueOrder ast_order(Parser *p, const char *when, const char *what, Span span);

#endif
