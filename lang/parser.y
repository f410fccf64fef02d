/* The grammar. It accepts a little too much, and check.c rejects that with a better sentence. The
 * second half reports what does not fit the grammar, and passes over it. */
%code requires {
#include "lang/ast_build.h"
#include "lang/habits.h"
}
%define api.pure full
%define api.prefix {couplet_yy}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {void *scanner}
%parse-param {Parser *p}

%union {
    const char *name;
    ReduceKind reduce;
    Operator op;
    QueueOrder order;
    Expr *expr;
    ExprListBox *list;
    BinderList *binders;
    ParamList *params;
    Param param;
    Stmt *stmt;
    StmtList *stmts;
    struct { Expr *value; StmtList *body; } body;
    struct { ExprListBox *list; StmtList *stmts; } line;
    struct { const char *name; Span span; Expr *expr; } named;
}

%token <name> NAME "a name" STRING "a text" PATH "a path"
%token NUMBER "a number" NEWLINE "the end of the line"
%token IF "if" THEN "then" ELSE "else" AND "and" OR "or" NOT "not" MOD "mod" DIV "div" STOP "stop"
%token COPY "copy" TRUE "true" FALSE "false"
%token <name> USE "use" DATA "data" HYPER "hyper" VIEW "view" NET "net" EMA "ema" LET "let" FN "fn"
%token <name> LOSS "loss" TRAIN "train" EVAL "eval"
%token <name> QUEUE "queue" BANK "bank" WHEN "when" EVERY "every" OVER "over" STATE "state"
%token <name> UPDATE "update" PARAM "param" DRAW "draw" RETURN "return" OPTIMISER "optimiser"
%token <name> SCAN "scan" NEXT "next" REPORT "report" START "start" GIVE "give" STAGE "stage"
%token WHERE "where" AS "as" FROM "from" DOTS ".."
%token RATE "rate" WITH "with" BEFORE "before" ON "on" WHILE "while" TRAINS "trains" INIT "init"
%token READ "read"
%token ARROW "<-" COMPOSE ">>" LE "<=" GE ">=" EQ "==" NE "!=" COUNT "count"
%token <reduce> REDUCER "a reduction"

%type <expr> range where netpart rounds expr choice or and not comparison sum product chain unary
%type <expr> power postfix primary reduction guard bound
%type <named> part
%type <list> parts args arglist exprs targets calls
%type <binders> binders
%type <params> claim claimlist params paramlist uses views hypers inits draws columns columnlist
%type <params> settings settinglist renames renamelist
%type <name> path
%type <param> rename used claimed param number view hyper init draw column setting
%type <stmts> stmts block lets statement
%type <stmt> simple let queue_body evals cadence
%type <line> evalline
%type <body> body
%type <op> relation
%type <name> setname opt_init
%type <order> opt_order

%{
#include "parser.h"

#include <string.h>

/* Room for MOST_NESTED_TERMS of the longest rule, an `if` in an `else`. yyerror reports a text that
 * nests deeper. */
#define YYMAXDEPTH (8 * (MOST_NESTED_TERMS + MOST_NESTED_BRACKETS))

int couplet_yylex(YYSTYPE *value, Span *span, void *scanner);
static void yyerror(Span *span, void *scanner, Parser *p, const char *text);
#define YYLLOC_DEFAULT(Current, Rhs, N)                                                            \
    do {                                                                                           \
        if (N) {                                                                                   \
            (Current) = YYRHSLOC(Rhs, 1);                                                          \
            if (YYRHSLOC(Rhs, N).end > (Current).end) (Current).end = YYRHSLOC(Rhs, N).end;        \
        } else {                                                                                   \
            (Current) = YYRHSLOC(Rhs, 0);                                                          \
            (Current).begin = (Current).end;                                                       \
        }                                                                                          \
    } while (0)
static Param named(const char *name, Span span) {
    Param param = {.name = name, .span = span};
    return param;
}
static Param shaped(Param param, ExprListBox *dims) {
    param.has_shape = true;
    param.dims = dims ? dims->exprs.items : NULL;
    param.dim_count = dims ? dims->exprs.count : 0;
    return param;
}
static Param valued(Param param, Expr *value) {
    param.value = value;
    return param;
}
static Stmt *named_stmt(Parser *p, StmtKind kind, Span span, const char *name, Span name_span) {
    Stmt *s = ast_stmt(p, kind, span);
    s->name = name;
    s->name_span = name_span;
    return s;
}
%}

%%

program : stmts                          { p->stmts = *$1; }
        ;
stmts   : %empty                         { $$ = ast_stmts(p, NULL, NULL); }
        | stmts NEWLINE                  { $$ = $1; }
        | stmts statement NEWLINE        { $$ = ast_stmts(p, $1, $2); }
        | stmts error NEWLINE            { $$ = $1; yyerrok; }
        ;
block   : '{' stmts '}'                  { $$ = $2; }
        | '{' stmts statement '}'        { $$ = ast_stmts(p, $2, $3); }
        ;
statement : simple                       { $1->span = @1; $$ = ast_one(p, $1); }
        | LET lets                       { $$ = $2; }
        | NEXT lets                      { $$ = ast_as(STMT_NEXT, $2); }
        | REPORT lets                    { $$ = ast_as(STMT_REPORT, $2); }
        | GIVE lets                      { $$ = ast_as(STMT_GIVE, $2); }
        ;
lets    : let                            { $$ = ast_one(p, $1); }
        | lets ',' let                   { $$ = ast_stmts(p, $1, ast_one(p, $3)); }
        ;
let     : NAME '=' expr
          {
              $$ = named_stmt(p, STMT_LET, @$, $1, @1);
              $$->value = $3;
          }
        | NAME '[' binders ']' '=' expr
          {
              $$ = named_stmt(p, STMT_LET, @$, $1, @1);
              $$->binders = $3->items;
              $$->binder_count = $3->count;
              $$->value = $6;
          }
        | NAME ':' '[' exprs ']' '=' expr
          {
              $$ = named_stmt(p, STMT_LET, @$, $1, @1);
              $$->has_dims = true;
              $$->dims = $4->exprs.items;
              $$->dim_count = $4->exprs.count;
              $$->value = $7;
          }
        | NAME '(' params ')' '=' expr
          {
              $$ = named_stmt(p, STMT_LET, @$, $1, @1);
              $$->is_function = true;
              ast_set_params($$, $3);
              $$->value = $6;
          }
        ;
simple  : USE uses                       { $$ = ast_stmt(p, STMT_USE, @$); ast_set_params($$, $2); }
        | DATA NAME '=' expr claim where
          {
              $$ = named_stmt(p, STMT_DATA, @$, $2, @2);
              $$->value = $4;
              $$->where = $6;
              if ($5) ast_set_params($$, $5);
          }
        | HYPER hypers
          {
              $$ = ast_stmt(p, STMT_HYPER, @$);
              ast_set_params($$, $2);
          }
        | VIEW views '=' expr
          {
              $$ = ast_stmt(p, STMT_VIEW, @$);
              ast_set_params($$, $2);
              $$->value = $4;
          }
        | NET NAME '=' expr
          {
              $$ = named_stmt(p, STMT_NET, @$, $2, @2);
              $$->value = $4;
          }
        | NET NAME '(' params ')' body
          {
              $$ = named_stmt(p, STMT_NET, @$, $2, @2);
              ast_set_config($$, $4);
              ast_set_body($$, $6.value, $6.body);
          }
        | NET NAME '(' params ')' '(' params ')' body
          {
              $$ = named_stmt(p, STMT_NET, @$, $2, @2);
              ast_set_config($$, $4);
              ast_set_params($$, $7);
              ast_set_body($$, $9.value, $9.body);
          }
        | OPTIMISER NAME '(' params ')' '(' params ')' body
          {
              $$ = named_stmt(p, STMT_OPTIMISER, @$, $2, @2);
              ast_set_config($$, $4);
              ast_set_params($$, $7);
              ast_set_body($$, $9.value, $9.body);
          }
        | FN NAME '(' params ')' body
          {
              $$ = named_stmt(p, STMT_FN, @$, $2, @2);
              ast_set_params($$, $4);
              ast_set_body($$, $6.value, $6.body);
          }
        | EMA postfix ARROW postfix RATE expr { $$ = ast_ema(p, $2, $4, $6, @$); }
        | EMA postfix ARROW postfix RATE expr WITH NAME
          {
              $$ = ast_ema(p, $2, $4, $6, @$);
              ast_with(p, $$, $8, @8);
          }
        | EMA postfix ARROW postfix RATE expr BEFORE NAME
          {
              $$ = ast_ema(p, $2, $4, $6, @$);
              ast_before(p, $$, $8, @8);
          }
        | EMA postfix ARROW postfix RATE expr WITH NAME BEFORE NAME
          {
              $$ = ast_ema(p, $2, $4, $6, @$);
              ast_with(p, $$, $8, @8);
              ast_before(p, $$, $10, @10);
          }
        | PARAM inits
          {
              $$ = ast_stmt(p, STMT_PARAM, @$);
              ast_set_params($$, $2);
          }
        | STATE inits
          {
              $$ = ast_stmt(p, STMT_STATE, @$);
              ast_set_params($$, $2);
          }
        | DRAW draws
          {
              $$ = ast_stmt(p, STMT_DRAW, @$);
              ast_set_params($$, $2);
          }
        | QUEUE NAME '[' exprs ']' queue_body opt_init opt_order
          {
              $$ = $6;
              $$->kind = STMT_QUEUE;
              $$->name = $2;
              $$->name_span = @2;
              $$->has_dims = true;
              $$->dims = $4->exprs.items;
              $$->dim_count = $4->exprs.count;
              $$->init_name = $7;
              $$->order = $8;
          }
        | BANK NAME '[' exprs ']' opt_init
          {
              $$ = named_stmt(p, STMT_BANK, @$, $2, @2);
              ast_set_params($$, ast_params(p, NULL, shaped(named($2, @2), $4)));
              $$->init_name = $6;
          }
        | UPDATE targets ARROW expr
          {
              $$ = ast_stmt(p, STMT_UPDATE, @$);
              $$->targets = $2->exprs.items;
              $$->target_count = $2->exprs.count;
              $$->value = $4;
          }
        | LOSS expr                      { $$ = ast_stmt(p, STMT_LOSS, @$); $$->value = $2; }
        | LOSS expr TRAINS targets
          {
              $$ = ast_stmt(p, STMT_LOSS, @$);
              $$->value = $2;
              $$->targets = $4->exprs.items;
              $$->target_count = $4->exprs.count;
          }
        | LOSS NAME ':' choice
          {
              $$ = named_stmt(p, STMT_LOSS, @$, $2, @2);
              $$->value = $4;
          }
        | LOSS NAME ':' choice TRAINS targets
          {
              $$ = named_stmt(p, STMT_LOSS, @$, $2, @2);
              $$->value = $4;
              $$->targets = $6->exprs.items;
              $$->target_count = $6->exprs.count;
          }
        | SCAN NAME '<' rounds '(' lets ')' block
          {
              $$ = ast_scan(p, ast_binders(p, NULL, $2, $4, @2), $6, $8, @$);
          }
        | START netpart FROM STRING renames { $$ = ast_start(p, $2, $4, @4, $5, @$); }
        | RETURN expr                    { $$ = ast_stmt(p, STMT_RETURN, @$); $$->value = $2; }
        | TRAIN '{' settings '}'
          {
              $$ = ast_stmt(p, STMT_TRAIN, @$);
              ast_set_params($$, $3);
          }
        | STAGE NAME '{' settings '}'
          {
              $$ = named_stmt(p, STMT_STAGE, @$, $2, @2);
              ast_set_params($$, $4);
          }
        | EVAL cadence '{' evals '}'     { $$ = ast_eval_every(p, $4, $2); }
        | EVAL cadence '{' evals evalline '}'
          {
              $$ = ast_eval_every(p, ast_eval_line(p, $4, $5.list, $5.stmts), $2);
          }
        | WHEN expr block                { $$ = ast_when(p, $2, $3, NULL, @$); }
        | WHEN expr block ELSE block     { $$ = ast_when(p, $2, $3, $5, @$); }
        | EVERY NAME block               { $$ = ast_every(p, NULL, $2, @2, $3, @$); }
        | EVERY NUMBER NAME block        { $$ = ast_every(p, ast_number(p, @2), $3, @3, $4, @$); }
        | OVER NAME block                { $$ = ast_over(p, ast_name(p, $2, @2), $3, @$); }
        ;
/* The end of a scan's index is no whole expression, because `T (h = h0)` would read as a call. */
rounds  : NUMBER                         { $$ = ast_number(p, @1); }
        | NAME                           { $$ = ast_name(p, $1, @1); }
        | '(' expr ')'                   { $$ = $2; }
        ;
body    : '=' expr                       { $$.value = $2; $$.body = NULL; }
        | block                          { $$.value = NULL; $$.body = $1; }
        ;
queue_body : ARROW expr                  { $$ = ast_stmt(p, STMT_QUEUE, @$); $$->value = $2; }
        | '{' columns '}'
          {
              $$ = ast_stmt(p, STMT_QUEUE, @$);
              ast_set_params($$, $2);
          }
        ;
opt_init : %empty                        { $$ = NULL; }
        | INIT NAME                      { $$ = $2; }
        ;
opt_order : %empty                       { $$ = QUEUE_READ_FIRST; }
        | READ NAME NAME                 { $$ = ast_order(p, $2, $3, @$); }
        ;
targets : postfix                        { $$ = ast_list(p, NULL, NULL, $1); }
        | targets ',' postfix            { $$ = ast_list(p, $1, NULL, $3); }
        ;
/* The names that arrays have in a file, if they differ from those of the method. */
renames : %empty                         { $$ = NULL; }
        | '{' renamelist '}'             { $$ = $2; }
        | '{' renamelist separators '}'  { $$ = $2; }
        | '{' separators renamelist '}'  { $$ = $3; }
        | '{' separators renamelist separators '}' { $$ = $3; }
        ;
renamelist : rename                      { $$ = ast_params(p, NULL, $1); }
        | renamelist separators rename   { $$ = ast_params(p, $1, $3); }
        | error                          { $$ = NULL; }
        | renamelist separators error    { $$ = $1; }
        ;
rename  : netpart ARROW STRING           { $$ = named(ast_part_text(p, $1), @1); $$.path = $3; }
        ;
uses    : used                           { $$ = ast_params(p, NULL, $1); }
        | uses ',' used                  { $$ = ast_params(p, $1, $3); }
        ;
used    : NAME                           { $$ = named($1, @1); $$.path = NULL; }
        | path                           { $$ = named(NULL, @1); $$.path = $1; }
        | path AS NAME                   { $$ = named($3, @3); $$.span = @1; $$.path = $1; }
        ;
path    : STRING | PATH
        ;
views   : view                           { $$ = ast_params(p, NULL, $1); }
        | views ',' view                 { $$ = ast_params(p, $1, $3); }
        ;
view    : NAME                           { $$ = named($1, @1); }
        | NAME '[' exprs ']'             { $$ = shaped(named($1, @1), $3); }
        ;
params  : %empty                         { $$ = NULL; }
        | paramlist
        ;
paramlist : param                        { $$ = ast_params(p, NULL, $1); }
        | paramlist ',' param            { $$ = ast_params(p, $1, $3); }
        ;
param   : number
        | number '|' expr                { $$ = $1; $$.guard = $3; }
        | NAME '[' exprs ']'             { $$ = shaped(named($1, @1), $3); }
        | NAME ':' NAME '[' exprs ']'    { $$ = shaped(named($1, @1), $5); $$.kind_name = $3; }
        ;
number  : NAME                           { $$ = named($1, @1); }
        | NAME '=' expr                  { $$ = valued(named($1, @1), $3); }
        | NAME ':' NAME                  { $$ = named($1, @1); $$.kind_name = $3; }
        | NAME ':' NAME '=' expr         { $$ = valued(named($1, @1), $5); $$.kind_name = $3; }
        ;
hypers  : hyper                          { $$ = ast_params(p, NULL, $1); }
        | hypers ',' hyper               { $$ = ast_params(p, $1, $3); }
        ;
hyper   : NAME '=' expr                  { $$ = valued(named($1, @1), $3); }
        | NAME '=' expr '|' expr         { $$ = valued(named($1, @1), $3); $$.guard = $5; }
        ;
inits   : init                           { $$ = ast_params(p, NULL, $1); }
        | inits ',' init                 { $$ = ast_params(p, $1, $3); }
        ;
init    : NAME '=' expr                  { $$ = valued(named($1, @1), $3); }
        | NAME '[' exprs ']' '=' expr    { $$ = valued(shaped(named($1, @1), $3), $6); }
        | NAME ':' NAME '=' expr         { $$ = valued(named($1, @1), $5); $$.kind_name = $3; }
        | NAME ':' NAME '[' exprs ']' '=' expr
          {
              $$ = valued(shaped(named($1, @1), $5), $8);
              $$.kind_name = $3;
          }
        ;
draws   : draw                           { $$ = ast_params(p, NULL, $1); }
        | draws ',' draw                 { $$ = ast_params(p, $1, $3); }
        ;
draw    : NAME '~' expr                  { $$ = valued(named($1, @1), $3); }
        | NAME '[' exprs ']' '~' expr    { $$ = valued(shaped(named($1, @1), $3), $6); }
        ;
claim   : %empty                         { $$ = NULL; }
        | '{' claimlist '}'              { $$ = $2; }
        | '{' claimlist separators '}'   { $$ = $2; }
        | '{' separators claimlist '}'   { $$ = $3; }
        | '{' separators claimlist separators '}' { $$ = $3; }
        ;
claimlist : claimed                      { $$ = ast_params(p, NULL, $1); }
        | claimlist separators claimed   { $$ = ast_params(p, $1, $3); }
        | error                          { $$ = NULL; }
        | claimlist separators error     { $$ = $1; }
        ;
claimed : NAME ':' NAME                  { $$ = named($1, @1); $$.kind_name = $3; }
        | NAME ':' NAME '[' exprs ']'    { $$ = shaped(named($1, @1), $5); $$.kind_name = $3; }
        ;
where   : %empty                         { $$ = NULL; }
        | WHERE expr                     { $$ = $2; }
        ;
columns : columnlist separators
        | separators columnlist separators { $$ = $2; }
        | columnlist
        | separators columnlist          { $$ = $2; }
        ;
columnlist : column                      { $$ = ast_params(p, NULL, $1); }
        | columnlist separators column   { $$ = ast_params(p, $1, $3); }
        | error                          { $$ = NULL; }
        | columnlist separators error    { $$ = $1; }
        ;
column  : NAME ARROW expr                { $$ = valued(named($1, @1), $3); }
        | NAME '[' exprs ']' ARROW expr  { $$ = valued(shaped(named($1, @1), $3), $6); }
        ;
separators : ','
        | NEWLINE
        | separators ','
        | separators NEWLINE
        ;
settings : %empty                        { $$ = NULL; }
        | separators                     { $$ = NULL; }
        | settinglist
        | settinglist separators
        | separators settinglist         { $$ = $2; }
        | separators settinglist separators { $$ = $2; }
        ;
/* A setting that does not fit is passed over, and the list goes on behind it. */
settinglist : setting                    { $$ = ast_setting(p, NULL, $1); }
        | settinglist separators setting { $$ = ast_setting(p, $1, $3); }
        | error                          { $$ = NULL; }
        | settinglist separators error   { $$ = $1; }
        ;
/* In `optimiser A on encoder, head` and `freeze C, head while epoch < 1`, a part that stands alone
 * belongs to the setting before it. */
setting : setname expr                   { $$ = valued(named($1, @1), $2); }
        | setname expr ON netpart        { $$ = ast_on(p, valued(named($1, @1), $2), $4); }
        | setname expr ON netpart WHILE expr
          {
              $$ = ast_on(p, valued(named($1, @1), $2), $4);
              $$.guard = $6;
          }
        | setname expr WHILE expr        { $$ = valued(named($1, @1), $2); $$.guard = $4; }
        | netpart                        { $$ = ast_on(p, named(NULL, @1), $1); }
        | netpart WHILE expr             { $$ = ast_on(p, named(NULL, @1), $1); $$.guard = $3; }
        ;
netpart : NAME                           { $$ = ast_name(p, $1, @1); }
        | netpart '.' NAME               { $$ = ast_member(p, $1, $3, @3); }
        ;
setname : NAME | OPTIMISER | DATA | VIEW | NET | STATE | QUEUE | BANK | LOSS
        ;
/* How often an `eval` measures during training, written like the head of an `every`. */
cadence : %empty                         { $$ = NULL; }
        | EVERY NAME                     { $$ = ast_cadence(p, NULL, $2, @2, @$); }
        | EVERY NUMBER NAME              { $$ = ast_cadence(p, ast_number(p, @2), $3, @3, @$); }
        ;
/* The lines of `eval`. A line is a list of evaluations with commas, or a statement. */
evals   : %empty                         { $$ = ast_eval(p, @$); }
        | evals NEWLINE                  { $$ = $1; }
        | evals evalline NEWLINE         { $$ = ast_eval_line(p, $1, $2.list, $2.stmts); }
        | evals error NEWLINE            { $$ = $1; yyerrok; }
        ;
evalline : calls                         { $$.list = $1; $$.stmts = NULL; }
        | calls ','                      { $$.list = $1; $$.stmts = NULL; }
        | statement                      { $$.list = NULL; $$.stmts = $1; }
        ;
calls   : expr                           { $$ = ast_list(p, NULL, NULL, $1); }
        | calls ',' expr                 { $$ = ast_list(p, $1, NULL, $3); }
        ;

expr    : choice
        | parts                          { $$ = ast_nary(p, EXPR_COMPOSE, $1, @$); }
        ;
choice  : or
        | IF expr THEN expr ELSE expr
          {
              ExprListBox *l = ast_list(p, ast_list(p, ast_list(p, NULL, NULL, $2), NULL, $4),
                  NULL, $6);
              $$ = ast_nary(p, EXPR_IF, l, @$);
          }
        ;
parts   : part COMPOSE part
          {
              $$ = ast_named(p, ast_named(p, NULL, $1.name, $1.span, $1.expr), $3.name, $3.span,
                  $3.expr);
          }
        | parts COMPOSE part             { $$ = ast_named(p, $1, $3.name, $3.span, $3.expr); }
        ;
part    : or                             { $$.name = NULL; $$.span = @1; $$.expr = $1; }
        | NAME ':' or                    { $$.name = $1; $$.span = @1; $$.expr = $3; }
        ;
or      : and
        | or OR and                      { $$ = ast_binary(p, OP_OR, $1, $3); }
        ;
and     : not
        | and AND not                    { $$ = ast_binary(p, OP_AND, $1, $3); }
        ;
not     : comparison
        | NOT not                        { $$ = ast_unary(p, OP_NOT, $2, @1); }
        ;
comparison : sum
        | sum relation sum               { $$ = ast_binary(p, $2, $1, $3); }
        ;
relation : '<'                           { $$ = OP_LT; }
        | LE                             { $$ = OP_LE; }
        | '>'                            { $$ = OP_GT; }
        | GE                             { $$ = OP_GE; }
        | EQ                             { $$ = OP_EQ; }
        | NE                             { $$ = OP_NE; }
        ;
sum     : product
        | sum '+' product                { $$ = ast_binary(p, OP_ADD, $1, $3); }
        | sum '-' product                { $$ = ast_binary(p, OP_SUB, $1, $3); }
        ;
/* A reduction is the last factor of a product and takes the rest of it. */
product : chain
        | reduction
        | '-' reduction                  { $$ = ast_unary(p, OP_NEG, $2, @1); }
        | chain '*' reduction            { $$ = ast_binary(p, OP_MUL, $1, $3); }
        | chain '/' reduction            { $$ = ast_binary(p, OP_DIV, $1, $3); }
        ;
reduction : REDUCER '[' binders guard ']' product { $$ = ast_reduce(p, $1, $3, $4, $6, @$); }
        ;
chain   : unary
        | chain '*' unary                { $$ = ast_binary(p, OP_MUL, $1, $3); }
        | chain '/' unary                { $$ = ast_binary(p, OP_DIV, $1, $3); }
        | chain DIV unary                { $$ = ast_binary(p, OP_FLOORDIV, $1, $3); }
        | chain MOD unary                { $$ = ast_binary(p, OP_MOD, $1, $3); }
        ;
unary   : power
        | '-' unary                      { $$ = ast_unary(p, OP_NEG, $2, @1); }
        | COPY postfix
          {
              $$ = ast_nary(p, EXPR_COPY, ast_list(p, NULL, NULL, $2), @$);
          }
        ;
power   : postfix
        | postfix '^' unary              { $$ = ast_binary(p, OP_POW, $1, $3); }
        ;
postfix : primary
        | postfix '(' args ')'           { $$ = ast_call(p, EXPR_CALL, $1, $3, @4); }
        | postfix '[' exprs ']'          { $$ = ast_call(p, EXPR_INDEX, $1, $3, @4); }
        | postfix '.' NAME               { $$ = ast_member(p, $1, $3, @3); }
        ;
primary : NUMBER                         { $$ = ast_number(p, @1); }
        | STRING                         { $$ = ast_expr(p, EXPR_STRING, @1); $$->text = $1; }
        | TRUE                           { $$ = ast_expr(p, EXPR_BOOL, @1); $$->boolean = true; }
        | FALSE                          { $$ = ast_expr(p, EXPR_BOOL, @1); }
        | NAME                           { $$ = ast_name(p, $1, @1); }
        | '(' expr ')'                   { $$ = $2; }
        | '(' expr ELSE expr ')'
          {
              $$ = ast_nary(p, EXPR_DEFAULT, ast_list(p, ast_list(p, NULL, NULL, $2), NULL, $4),
                  @$);
          }
        | STOP '(' expr ')'
          {
              $$ = ast_nary(p, EXPR_STOP, ast_list(p, NULL, NULL, $3), @$);
          }
        | COUNT '[' binders guard ']'    { $$ = ast_reduce(p, REDUCE_COUNT, $3, $4, NULL, @$); }
        ;
binders : NAME bound                     { $$ = ast_binders(p, NULL, $1, $2, @1); }
        | binders ',' NAME bound         { $$ = ast_binders(p, $1, $3, $4, @3); }
        ;
bound   : %empty                         { $$ = NULL; }
        | '<' sum                        { $$ = $2; }
        ;
guard   : %empty                         { $$ = NULL; }
        | '|' expr                       { $$ = $2; }
        ;
exprs   : expr                           { $$ = ast_list(p, NULL, NULL, $1); }
        | exprs ',' expr                 { $$ = ast_list(p, $1, NULL, $3); }
        ;
args    : %empty                         { $$ = NULL; }
        | arglist
        ;
arglist : expr                           { $$ = ast_list(p, NULL, NULL, $1); }
        | NAME '=' expr                  { $$ = ast_named(p, NULL, $1, @1, $3); }
        | arglist ',' expr               { $$ = ast_list(p, $1, NULL, $3); }
        | arglist ',' NAME '=' expr      { $$ = ast_named(p, $1, $3, @3, $5); }
        | NAME '=' range                 { $$ = ast_named(p, NULL, $1, @1, $3); }
        | arglist ',' NAME '=' range     { $$ = ast_named(p, $1, $3, @3, $5); }
        ;
range   : expr DOTS expr
          {
              $$ = ast_nary(p, EXPR_RANGE, ast_list(p, ast_list(p, NULL, NULL, $1), NULL, $3), @$);
          }
        ;

%%

static void yyerror(Span *span, void *scanner, Parser *p, const char *text) {
    (void)scanner;
    (void)text; /* always "memory exhausted", since mistakes of grammar are reported below */
    parser_too_deep(p, *span, "expressions");
}

static bool is_in_train(const Parser *p) {
    return p->level > 0 && !p->depth[p->level] &&
           (p->opener[p->level] == TRAIN || p->opener[p->level] == STAGE);
}

/* True if an `if` ahead of the text that was found has no `else`. The scanner is one token ahead.
 * If that token ended a statement or a bracket, the count of the ended one was kept. */
static bool wants_else(const Parser *p, Span found, bool at_end) {
    const char first = p->source->text[found.begin];
    if (at_end || first == '{') return p->ended_elses > 0;
    if (first == ')' || first == ']') return p->closed_elses > 0;
    return p->wanted_elses > 0;
}

/* Adds to the message the bracket that was left open, or else a guess at what was meant. */
static void suggest_habit(Parser *p, const Misfit *m) {
    const Span open = m->at_end ? p->ended_unclosed : p->unclosed;
    if (open.source) {
        diag_note(p->diag, open, "this bracket is not closed");
        diag_suggest(p->diag, "close the `%c` of line %d, column %d", p->source->text[open.begin],
                     open.line, open.column);
        return;
    }
    const char *meant = habit_of_syntax(m);
    if (meant) diag_suggest(p->diag, "%s", meant);
}

/* Gives the block behind a head that does not fit to the broken statement, and forgets the brackets
 * that the head left open. */
static void take_block(Parser *p, Span from) {
    int outside = p->level;
    while (outside > 0 && p->open[outside].begin >= from.begin)
        outside--;
    if (outside + 1 < p->level) {
        p->open[outside + 1] = p->open[p->level];
        p->opener[outside + 1] = p->opener[p->level];
        p->depth[outside + 1] = 0;
    }
    if (outside < p->level) p->level = outside + 1;
    p->base = outside;
}

/* Returns the offset behind the `else { .. }` that stands at a place, or the place itself if there
 * is none. */
static int behind_else(const Source *source, int at) {
    const char *word = source->text + at + strspn(source->text + at, " \t\r\n");
    if (strncmp(word, "else", 4) != 0) return at;
    const char *brace = word + 4 + strspn(word + 4, " \t\r");
    int count = 0;
    if (*brace != '{') return at;
    const int end = parser_first_closing(source, (int)(brace + 1 - source->text), &count);
    return end < 0 ? at : end;
}

/* Returns the offset up to which the lines behind a broken head belong to it, or 0. That is the end
 * of its block, which begins on the next line, or for which the head lacks the `{`. */
static int end_of_block(const Parser *p, bool wants_brace) {
    const int next = p->offset + (int)strspn(p->source->text + p->offset, " \t\r\n");
    const bool opens = p->source->text[next] == '{';
    int open = 0, closing = 0;
    for (int i = 1; i <= p->level; i++)
        open += !p->depth[i];
    if (!opens && !wants_brace) return 0;
    const int end = parser_first_closing(p->source, opens ? next + 1 : p->offset, &closing);
    if (opens && end < 0) return (int)p->source->length;
    return closing > open ? behind_else(p->source, end) : 0;
}

/* Passes over the rest of a statement that does not fit, with the blocks that belong to it. */
static void skip_statement(Parser *p, const Misfit *m) {
    const Span from = m->first.source ? m->first : m->found;
    if (!m->at_end && p->source->text[m->found.begin] == '{') take_block(p, from);
    array_push(p->arena, &p->broken, from);
    p->broken.items[p->broken.count - 1].end = p->offset;
    const bool below = m->wants_brace && m->before.source && m->found.line > m->before.line;
    p->drops_to = m->at_end || below ? end_of_block(p, m->wants_brace) : 0;
    p->skips = !m->at_end;
}

/* True if a brace does not fit, or if one is missing. */
static bool is_of_braces(const Parser *p, const Misfit *m) {
    if (span_same(m->first, m->found) && m->found.end - m->found.begin == 4 &&
        strncmp(p->source->text + m->found.begin, "else", 4) == 0)
        return true; /* behind the block of a `when`, whose end is missing */
    const char first = m->at_end ? 0 : p->source->text[m->found.begin];
    return m->wants_brace || first == '{' || first == '}';
}

/* True for an error that only follows from a brace that was reported. */
static bool follows_brace(const Parser *p, const Misfit *m, bool ends_file) {
    const bool closes = !m->at_end && p->source->text[m->found.begin] == '}';
    return p->braces_broken && (closes || (ends_file && p->ended_unclosed.source));
}

/* True if a `{` can stand at the place. The list that is shown has room for few tokens and may lack
 * it. */
static bool expects_brace(const yypcontext_t *context) {
    yysymbol_kind_t all[YYNTOKENS];
    const int count = yypcontext_expected_tokens(context, all, YYNTOKENS);
    for (int i = 0; i < count; i++)
        if (strcmp(yysymbol_name(all[i]), "'{'") == 0) return true;
    return false;
}

/* True for a `}` that closes nothing, while the indent of the lines behind the last block says that
 * they belong to it. That block was closed too early. */
static bool closes_earlier_block(const Parser *p, const Misfit *m) {
    const Span end = p->block_end;
    if (m->at_end || p->level > 0 || p->misplaced.source || !end.source) return false;
    const char *text = p->source->text;
    if (text[m->found.begin] != '}') return false;
    const char *line = text + end.end + strspn(text + end.end, " \t\r\n");
    return line < text + m->found.begin && (line[-1] == ' ' || line[-1] == '\t');
}

/* Leaves out the statements between an early `}` and the one that was meant. */
static void leave_out_misplaced(Parser *p, const Misfit *m) {
    p->misplaced = p->block_end;
    p->misplaced.begin = p->block_end.end;
    p->misplaced.end = m->found.begin;
    array_push(p->arena, &p->broken, p->misplaced);
    diag_note(p->diag, p->block_end,
              "the block before ends here, ahead of lines that are indented");
}

/* Reports "found `)`, and a name, a number or `(` is expected": the found text as it is written,
 * and what is expected if it is little. */
static int yyreport_syntax_error(const yypcontext_t *context, void *scanner, Parser *p) {
    (void)scanner;
    Span span = *yypcontext_location(context);
    yysymbol_kind_t found = yypcontext_token(context);
    yysymbol_kind_t expected[5];
    int count = yypcontext_expected_tokens(context, expected, 5);
    Text text = {0};
    const bool at_end = found == YYSYMBOL_YYEOF || found == YYSYMBOL_NEWLINE,
               again = p->last_error_line == span.line;
    Misfit misfit = {
        .first = p->first,
        .before = at_end ? p->latest : p->previous,
        .found = span,
        .at_end = at_end,
        .compared = p->compared,
        .wants_else = wants_else(p, span, at_end),
        .in_index =
            p->level > 0 && p->depth[p->level] && p->source->text[p->open[p->level].begin] == '[',
        .in_binders = p->level > 0 && p->is_index[p->level],
        .in_train = is_in_train(p)};
    bool wants_number = false;
    for (int i = 0; i < count; i++) {
        misfit.wants_name |= expected[i] == YYSYMBOL_NAME;
        wants_number |= expected[i] == YYSYMBOL_NUMBER;
    }
    misfit.wants_brace = (count || at_end) && expects_brace(context);
    p->lacks_name |= misfit.wants_name && !wants_number;
    const bool follows = follows_brace(p, &misfit, found == YYSYMBOL_YYEOF);
    skip_statement(p, &misfit);
    p->braces_broken |= is_of_braces(p, &misfit);
    if (again || follows) return 0; /* one message a line: the rest follows from the first */
    p->last_error_line = span.line;
    if (found == YYSYMBOL_YYEOF)
        text_printf(&text, "the file ends here");
    else if (found == YYSYMBOL_NEWLINE)
        text_printf(&text, "the line ends here");
    else
        text_printf(&text, "found `%.*s`", span.end - span.begin, p->source->text + span.begin);
    if (count > 0) {
        text_printf(&text, ", and ");
        for (int i = 0; i < count; i++) {
            const char *name = yysymbol_name(expected[i]);
            bool plain = expected[i] == YYSYMBOL_NAME || expected[i] == YYSYMBOL_NUMBER ||
                         expected[i] == YYSYMBOL_STRING || expected[i] == YYSYMBOL_NEWLINE ||
                         expected[i] == YYSYMBOL_REDUCER;
            size_t length = strlen(name);
            bool quoted = name[0] == '\'' && length > 2;
            const char *separator = i == 0 ? "" : i == count - 1 ? " or " : ", ";
            if (plain)
                text_printf(&text, "%s%s", separator, name);
            else if (quoted)
                text_printf(&text, "%s`%.*s`", separator, (int)length - 2, name + 1);
            else
                text_printf(&text, "%s`%s`", separator, name);
        }
        text_printf(&text, " is expected");
    } else if (misfit.wants_brace) {
        text_printf(&text, ", and `{` is expected");
    } else {
        text_printf(&text, "%s",
                    found == YYSYMBOL_NEWLINE || found == YYSYMBOL_YYEOF
                        ? ", and the statement is not complete"
                        : ", which does not fit here");
    }
    diag_report(p->diag, CODE_SYNTAX, span, "%s", text.data ? text.data : "syntax error");
    text_free(&text);
    suggest_habit(p, &misfit);
    if (closes_earlier_block(p, &misfit)) {
        leave_out_misplaced(p, &misfit);
    }
    for (int i = 0; i < count; i++)
        if (found == YYSYMBOL_REDUCER && expected[i] == YYSYMBOL_NAME)
            diag_suggest(p->diag, "`%.*s` is a reduction and cannot name an array",
                         span.end - span.begin, p->source->text + span.begin);
    return 0;
}
