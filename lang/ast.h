/* The syntax tree, as the parser leaves it and as the checker annotates it. There is one kind of
 * node for expressions and one for statements, and everything lives in the arena of the
 * compilation.
 *
 * The grammar accepts a little too much; check.c rejects it with a better sentence. Fields under
 * "checker:" are filled by the checker and are what compiler/lower relies on. */
#ifndef COUPLET_LANG_AST_H
#define COUPLET_LANG_AST_H

#include "lang/data.h"
#include "lang/diag.h"
#include "lang/type.h"

#include <string.h>

typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct Binder Binder;
typedef struct Symbol Symbol;

/* Operators of EXPR_BINARY and EXPR_UNARY. */
typedef enum {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV /* div */,
    OP_MOD,
    OP_POW,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_EQ,
    OP_NE,
    OP_AND,
    OP_OR,
    OP_NEG,
    OP_NOT
} Operator;

/* lang/reductions.def, one row each. */
typedef enum {
#define REDUCTION(text, name, ...) REDUCE_##name,
#include "lang/reductions.def"
#undef REDUCTION
    REDUCE_KINDS
} ReduceKind;
typedef enum { REDUCE_TAKES_number, REDUCE_TAKES_truth, REDUCE_TAKES_nothing } ReduceTakes;
typedef enum {
    REDUCE_GIVES_same,
    REDUCE_GIVES_real,
    REDUCE_GIVES_int,
    REDUCE_GIVES_bool
} ReduceGives;
typedef struct ReduceRow {
    const char *word;
    ReduceTakes takes;
    ReduceGives gives;
    bool has_slope;
    int least; /* the terms that it needs */
} ReduceRow;
extern const ReduceRow reduce_rows[REDUCE_KINDS];

typedef enum {
    EXPR_NUMBER,  /* number; is_integer when written without point or exponent */
    EXPR_STRING,  /* text (data sources and settings only) */
    EXPR_BOOL,    /* true, false */
    EXPR_NAME,    /* name */
    EXPR_MEMBER,  /* args[0] . name       losses.nt_xent, train.image, online.trunk */
    EXPR_CALL,    /* callee ( args )      argument i may carry arg_names[i] (else NULL) */
    EXPR_INDEX,   /* callee [ args ] */
    EXPR_UNARY,   /* op args[0] */
    EXPR_BINARY,  /* args[0] op args[1] */
    EXPR_REDUCE,  /* reduce [ binders | guard ] args[0]; count has no args[0] */
    EXPR_IF,      /* if args[0] then args[1] else args[2] */
    EXPR_DEFAULT, /* ( args[0] else args[1] ); args[0] is a load or a reduction */
    EXPR_STOP,    /* stop ( args[0] ) */
    EXPR_COPY,    /* copy args[0]         nets only */
    EXPR_RANGE,   /* args[0] .. args[1]   part = 0.0 .. 0.8, of a data source */
    EXPR_COMPOSE  /* args[0] >> args[1] >> ...; part i may carry arg_names[i] ("trunk: ...") */
} ExprKind;

/* An index brought into scope: by a reduction, a let head, or `softmax`. */
struct Binder {
    Span span;
    const char *name;
    Expr *bound; /* the E of `i < E`, or NULL */
    /* checker: */
    Dim *extent;  /* never NULL after a successful check */
    Binder *same; /* softmax/topk: the outer binder this mention refers to, else NULL */
};

struct Expr {
    ExprKind kind;
    Span span;
    double number;
    bool is_integer, boolean;
    const char *name; /* NAME, MEMBER; interned */
    const char *text; /* STRING */
    Operator op;
    ReduceKind reduce;
    Expr *callee;
    Expr *guard; /* REDUCE, or NULL */
    Expr **args;
    const char **arg_names; /* NULL, or one entry an argument */
    Span *arg_spans;        /* the places of these names; NULL with them */
    int arg_count;
    Binder **binders;
    int binder_count;
    int depth; /* the number of expressions that nest in this one, itself among them */
    /* checker: */
    Type *type;     /* shape and element kind; poisoned after an error */
    Symbol *symbol; /* NAME and MEMBER: what the name means */
    /* a number known while the file is checked; with a hyper in it; with a let or a built-in name
     */
    bool is_constant, is_tunable, is_named;
    /* NAME in a view: an array with the batch in front, of which the sample's part is meant */
    bool is_sample;
    double constant;
};

/* The span of a member's name alone, without the value that it is a member of. */
static inline Span member_name_span(const Expr *e) {
    Span span = e->span;
    const int length = (int)strlen(e->name);
    span.column += span.end - span.begin - length; /* on one line: names and points are ASCII */
    span.begin = span.end - length;
    return span;
}

/* name[dims] in signatures, params, states, queues, draws; `name = default` in configurations. */
typedef struct Param {
    Span span;
    const char *name;
    Expr **dims; /* each an expression over dimension names; has_shape tells x from x[] */
    int dim_count;
    bool has_shape;
    const char *kind_name; /* `y : int[N]`: "int", "bool" or "real"; NULL when not written */
    Expr *value;           /* default, initialiser or distribution; may be NULL */
    /* hyper h = 1 | h > 0: the range; `freeze PARTS while COND`: the condition; or NULL */
    Expr *guard;
    Expr **parts; /* settings: `optimiser A on PARTS`, `freeze PARTS` */
    int part_count;
    /* use: the path of a file or a folder as it is written; NULL for a module of the library */
    const char *path;
    /* checker: */
    Type *type;
    Symbol *symbol;
} Param;

typedef enum {
    STMT_USE, /* params: one module each; the name is NULL where a path without `as` gives it */
    /* data NAME = value { params } where `where`: value is a call of a reader, params are the
       claimed fields; has_params tells { } from none */
    STMT_DATA,
    STMT_HYPER, /* params: name = value | guard */
    STMT_VIEW,  /* params: names; value: the call */
    /* net name (config)(params) body, or = value; has_config, has_params say which lists stood
       there */
    STMT_NET,
    STMT_FN,        /* fn name (params) body, or = value */
    STMT_OPTIMISER, /* optimiser name (config)(params) body */
    /* let name [binders] = value; let name : [claim] = value; let name(params) = value
       (is_function) */
    STMT_LET,
    STMT_PARAM, /* params: name[dims] = initialiser */
    STMT_STATE, /* params: name[dims] = initialiser */
    /* queue name [dims] <- value; or columns: params with value = what is pushed; init_name */
    STMT_QUEUE,
    STMT_BANK,   /* bank name[data, ..]: one param; init_name */
    STMT_UPDATE, /* update targets <- value (one or several names, or name[index]) */
    STMT_EMA,    /* ema target <- source rate value [with state] */
    STMT_DRAW,   /* params: name[dims] ~ value (a call: uniform, normal, ...) */
    STMT_LOSS,   /* loss [name :] value [trains targets] */
    STMT_RETURN, /* return value */
    STMT_SCAN,   /* scan binders[0] (carry) body: a fixed number of rounds */
    STMT_NEXT,   /* next name [binders] = value, in the body of a scan; fields as of STMT_LET */
    /* train { settings }: params with name and value, or value a call after the name */
    STMT_TRAIN,
    STMT_STAGE, /* stage name { settings }: params as of STMT_TRAIN */
    /* eval every `value` epochs { calls, and statements }: targets and body; a NULL value is an
     * `eval` around the training alone, and of_steps is as of STMT_EVERY */
    STMT_EVAL,
    STMT_WHEN, /* when value { body } else { otherwise } */
    /* every epoch { body }, every `value` epochs { body }: NULL is 1; or steps, as of_steps says */
    STMT_EVERY,
    STMT_OVER,   /* over value { body }: a sweep of a data set, in `every epoch` and `eval` */
    STMT_REPORT, /* report name = value, in `every epoch` and `eval`; fields as of STMT_LET */
    /* start targets[0] from value { params }: value is a text, and each param the name of an array
       below the part with `path`, its name in the file */
    STMT_START,
    STMT_GIVE /* give name = value, of a step; fields as of STMT_LET */
} StmtKind;

/* The place of a read of a queue: before or behind this step's push. */
typedef enum { QUEUE_READ_FIRST, QUEUE_PUSH_FIRST } QueueOrder;

struct Stmt {
    StmtKind kind;
    Span span;
    Span name_span;
    const char *name;
    Param *params; /* see kind */
    int param_count;
    Param *config; /* net and optimiser: the first list */
    int config_count;
    bool has_config, has_params, is_function, with_state;
    Binder **binders; /* let heads; of a scan its round, `t < T` */
    int binder_count;
    Expr **dims; /* queue shape; let shape claim */
    int dim_count;
    bool has_dims;
    Expr *value;
    Expr *source;   /* ema: the network that is followed */
    Expr *where;    /* data: the condition that rows are kept by, or NULL */
    Expr **targets; /* update, loss .. trains, eval calls, ema target */
    int target_count;
    const char *init_name; /* queue or bank .. init unit_normal, or NULL */
    QueueOrder order;      /* queue .. read after push */
    bool before_forward;   /* ema .. before forward */
    bool of_steps;         /* every .. steps */
    Stmt **body;           /* { statements }, or NULL when written `= value` */
    int body_count;
    Stmt **carry; /* scan: what goes from round to round, each a STMT_LET with its start */
    int carry_count;
    Stmt *scan;       /* a carry: the scan it belongs to, else NULL */
    Stmt **otherwise; /* when .. else { statements } */
    int otherwise_count;
    /* checker: */
    Symbol *symbol;
    Type *result;     /* FN: what a call gives, in the dimensions of the signature */
    DataSource *data; /* STMT_DATA */
    /* STMT_VIEW: the recipe for each name, where one is given several arrays and draws alike for
     * all; else NULL */
    Expr **each;
    int64_t sweep_rows;  /* STMT_OVER: samples at a time */
    int64_t batch;       /* STMT_STAGE: its own; 0: that of `train` */
    ARRAY(Expr *) reads; /* STMT_VIEW: the names in it whose is_sample is set */
};

/* A file or a folder that `use` names by its path, as CheckHooks.files found it. */
typedef struct UsedFiles {
    /* the name of the module where `as` gives none: the file's without its ending, or the folder's
     */
    const char *name;
    const Source **files; /* in order of name */
    int file_count;
    bool is_folder;
} UsedFiles;

typedef struct Module {
    /* "losses" for the files of stdlib/losses; the file name without ending for a spec */
    const char *name;
    const Source *source; /* the first file */
    const Source **files; /* all of them, in order */
    int file_count;
    Stmt **stmts;
    int stmt_count;
    const Span *broken; /* statements that do not fit the grammar, and were passed over */
    int broken_count;
    const UsedFiles *used; /* what a path led to; NULL for a module of the library */
    bool checked;
} Module;

/* The meaning of a name. Names of let, param, state, queue, draw point at the statement; parameters
 * of functions at the Param; indices at the Binder; builtins at a row of builtins.def. */
typedef enum {
    SYMBOL_POISON,
    SYMBOL_MODULE,
    SYMBOL_DATA,
    SYMBOL_FIELD /* train.image */,
    SYMBOL_HYPER,
    SYMBOL_VIEW,
    SYMBOL_NET,
    SYMBOL_NET_PART /* online.trunk */,
    SYMBOL_NET_STATE /* online.head.b */,
    SYMBOL_FN,
    SYMBOL_OPTIMISER,
    SYMBOL_LET,
    SYMBOL_LET_FN,
    SYMBOL_PARAM,
    SYMBOL_STATE,
    SYMBOL_QUEUE,
    SYMBOL_COLUMN /* Q.feat */,
    SYMBOL_DRAW,
    SYMBOL_STAGE /* a truth: it is the one at hand */,
    SYMBOL_ARGUMENT /* an argument of fn, net or optimiser */,
    SYMBOL_CONFIG /* a compile-time argument of net or optimiser */,
    SYMBOL_DIMENSION /* N of a signature */,
    SYMBOL_INDEX,
    SYMBOL_BUILTIN
} SymbolKind;

struct Symbol {
    SymbolKind kind;
    const char *name;
    Span span;      /* the place of its declaration */
    Stmt *stmt;     /* the declaring statement, where there is one */
    Param *param;   /* the declaring param, where there is one */
    Binder *binder; /* SYMBOL_INDEX */
    Module *module; /* SYMBOL_MODULE: that module; others: where it was declared */
    int builtin;    /* SYMBOL_BUILTIN: enum Builtin */
    int item;       /* which of several names in one statement; the field of a data source */
    Type *type;
    bool used;
};

/* lang/parse.c. Parses one file; messages go to diag. Never NULL: what could be parsed is there. */
Module *parse_module(Arena *arena, Diag *diag, const Source *source, const char *name);
/* A module of several files: `more` comes after what `module` holds already (NULL: it is all so
 * far). */
Module *module_join(Arena *arena, Module *module, Module *more);

/* A method: the spec's module first, then every module it uses, each checked. */
typedef struct Method {
    Module *spec;
    Module **modules;
    int module_count;
    int64_t batch; /* the batch of lines that belong to no stage */
} Method;

/* The result of a look at the data of a source: its fields and rows; nothing, since it is not where
 * it was looked for; or data that does not fit, and the sentence says why. */
typedef enum { SCHEMA_READ, SCHEMA_ABSENT, SCHEMA_REFUSED } SchemaAnswer;

/* The questions that the checker asks its caller. */
typedef struct CheckHooks {
    /* A part of module NAME of the library ("losses"). A module is one file, or the files of one
     * folder: parts 0, 1, ..; NULL after the last. */
    const Source *(*module)(void *context, Arena *arena, const char *name, int part);
    /* The file or the folder that `path` is to the file that says so. The same pointer for the same
     * file or folder, by whatever path. NULL with a sentence, and with what helps or NULL. A hook
     * that is NULL has no files. */
    const UsedFiles *(*files)(void *context, Arena *arena, const Source *from, const char *path,
                              const char **sentence, const char **help);
    /* Looks at the data of a source: its fields. NULL: nobody looks. */
    SchemaAnswer (*schema)(void *context, Arena *arena, DataSource *source, const char **sentence);
    /* Looks again, once it is known how rows are chosen: what the selection leaves becomes `rows`.
     * SCHEMA_READ, or SCHEMA_REFUSED with a sentence. */
    SchemaAnswer (*rows)(void *context, Arena *arena, DataSource *source, const char **sentence);
    /* Returns how many of `held` rows the selection of a source leaves, where its data is not
     * there: for as many classes of one size; 0: that is not known. */
    int64_t (*kept)(void *context, const DataSource *source, int64_t held, int64_t classes);
    const DataCatalogue *data; /* the readers that there are; NULL: none */
    void *context;
} CheckHooks;

/* lang/check.c. Resolves names and infers every type, reporting all independent errors. Returns the
 * method even after errors (diag_error_count tells); only an error-free one may be lowered. */
Method *check_method(Arena *arena, Diag *diag, Module *spec, const CheckHooks *hooks);

/* concat(a, b, axis = 2): the axis, counted from 0 (-1: no number), and how many arrays are joined.
 */
int call_concat_axis(const Expr *call, int *arrays);
/* Is it a call of a distribution, as after `~`? */
bool call_is_distribution(const Expr *expr);

/* True if a network in the (checked) expression is applied to something that contains the index:
 * such a let is unrolled. */
bool net_takes_index(const Expr *e, const Binder *binder);

/* `couplet check`: one line a name, with its type and shape, in source order. */
void check_print(const Method *method, FILE *out);

#endif
