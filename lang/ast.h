/* The syntax tree. There is one kind of node for expressions and one for statements, and everything
 * lives in the arena of the compilation.
 *
 * The grammar accepts a little too much, and check.c rejects it with a better sentence. Fields
 * under "checker:" are filled by the checker; compiler/lower relies on them. */
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
    OP_FLOORDIV /* the operation `div` */,
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

/* The reductions, one for each row of lang/reductions.def. */
typedef enum {
#define REDUCTION(text, name, ...) REDUCE_##name,
#include "lang/reductions.def"
#undef REDUCTION
    REDUCE_KINDS
} ReduceKind;
typedef enum {
    REDUCE_TAKES_number,
    REDUCE_TAKES_truth,
    REDUCE_TAKES_nothing,
} ReduceTakes;
typedef enum {
    REDUCE_GIVES_same,
    REDUCE_GIVES_real,
    REDUCE_GIVES_int,
    REDUCE_GIVES_bool
} ReduceGives;
/* What reductions.def says of a reduction. */
typedef struct ReduceRow {
    const char *word;
    ReduceTakes takes;
    ReduceGives gives;
    bool has_slope; /* true if a gradient flows through it to its terms */
    int least;      /* the fewest terms that it needs */
} ReduceRow;
extern const ReduceRow reduce_rows[REDUCE_KINDS];

typedef enum {
    EXPR_NUMBER,  /* a number; is_integer if it is written without point or exponent */
    EXPR_STRING,  /* a text, in data sources and settings alone */
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

/* An index that a reduction, the head of a let, `softmax` or `topk` brings into scope. */
struct Binder {
    Span span;
    const char *name;
    Expr *bound; /* the E of `i < E`, or NULL if no end is written */
    /* checker: */
    Dim *extent; /* never NULL after a successful check */
    /* For the index that softmax or topk keeps: the binder outside that has its name. Else NULL. */
    Binder *same;
};

struct Expr {
    ExprKind kind;
    Span span;
    double number;
    bool is_integer;
    bool boolean;
    const char *name; /* for NAME and MEMBER; interned */
    const char *text; /* for STRING */
    Operator op;
    ReduceKind reduce;
    Expr *callee;
    Expr *guard; /* for REDUCE; NULL: no guard */
    Expr **args;
    const char **arg_names; /* NULL, or an entry for each argument */
    Span *arg_spans;        /* the places of these names; NULL if arg_names is */
    int arg_count;
    Binder **binders;
    int binder_count;
    int depth; /* how deep expressions nest in it; 1 if it contains none */
    /* checker: */
    Type *type;     /* the shape and the kind of the elements; poison after an error */
    Symbol *symbol; /* for NAME and MEMBER: the meaning of the name */
    /* is_constant says that the expression is a number known while the file is checked, `constant`.
     * If it is, is_tunable says that a hyper is in it, and is_named that a let or a built-in name
     * is. */
    bool is_constant;
    bool is_tunable;
    bool is_named;
    /* For a NAME in a view: true if it names an array with the batch in front. In the view it means
     * the part of one sample. */
    bool is_sample;
    double constant;
};

/* Returns the place of a member's name alone, without the value that it is a member of. */
static inline Span member_name_span(const Expr *e) {
    Span span = e->span;
    const int length = (int)strlen(e->name);
    /* Columns count characters, but names and points are ASCII, so bytes give the same. */
    span.column += span.end - span.begin - length;
    span.begin = span.end - length;
    return span;
}

/* A name with what belongs to it: `name[dims]` in signatures, params, states, queues and draws,
 * `name = default` in configurations, a module in `use`, a setting in `train`. */
typedef struct Param {
    Span span;
    const char *name;
    Expr **dims; /* An expression over dimension names for each axis. has_shape tells x from x[]. */
    int dim_count;
    bool has_shape;
    const char *kind_name; /* in `y : int[N]`: "int", "bool" or "real"; NULL: not written */
    Expr *value;           /* the default, initialiser or distribution; NULL: none */
    /* The range in `hyper h = 1 | h > 0` and in `fn f(x, h = 1 | h > 0)`, and the condition in
     * `freeze PARTS while COND`. Else NULL. */
    Expr *guard;
    Expr **parts; /* for settings: the PARTS of `optimiser A on PARTS` and `freeze PARTS` */
    int part_count;
    /* For `use`: the path of a file or a folder, as it is written. NULL for a module of the
     * library, and for everything else. */
    const char *path;
    /* checker: */
    Type *type;
    Symbol *symbol;
} Param;

/* True for a state of an optimiser's rule that says neither a shape nor a kind. It holds reals, and
 * has the shape of the parameter, which differs from one application of the rule to the next. */
static inline bool ast_is_like_parameter(const Param *state) {
    return !state->has_shape && !state->kind_name;
}

typedef enum {
    STMT_USE, /* params: a module each; the name is NULL if a path without `as` gives it */
    /* data NAME = value { params } where `where`: value is a call of a reader, and params are the
     * claimed fields; has_params tells { } from no braces */
    STMT_DATA,
    STMT_HYPER, /* params: name = value | guard */
    STMT_VIEW,  /* params: names; value: the call */
    /* net name (config)(params) body, or = value; has_config and has_params tell which lists are
     * written */
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
    /* eval every `value` epochs { calls and statements }: calls are in targets, statements in body.
     * Without a value, the evaluation is done before and after the training alone. of_steps is as
     * in STMT_EVERY. */
    STMT_EVAL,
    STMT_WHEN, /* when value { body } else { otherwise } */
    /* every epoch { body }, or every `value` epochs { body }; a NULL value is 1. of_steps tells
     * steps from epochs. */
    STMT_EVERY,
    STMT_OVER,   /* over value { body }: a sweep of a data set, in `every epoch` and `eval` */
    STMT_REPORT, /* report name = value, in `every epoch` and `eval`; fields as of STMT_LET */
    /* start targets[0] from value { params }: value is a text. Each param is an array below the
     * part, whose `path` is its name in the file. */
    STMT_START,
    STMT_GIVE /* give name = value, of a step; fields as of STMT_LET */
} StmtKind;

/* Whether reads of a queue see the queue without or with the rows that this step pushes. */
typedef enum {
    QUEUE_READ_FIRST,
    QUEUE_PUSH_FIRST,
} QueueOrder;

struct Stmt {
    StmtKind kind;
    Span span;
    Span name_span;
    const char *name;
    Param *params; /* meaning by kind, as above */
    int param_count;
    Param *config; /* for net and optimiser: the first list */
    int config_count;
    bool has_config;
    bool has_params;
    bool is_function;
    bool with_state;  /* for ema: true with `with state` */
    Binder **binders; /* the indices of a let; for a scan its round, `t < T` */
    int binder_count;
    Expr **dims; /* the shape of a queue; the claimed shape of a let */
    int dim_count;
    bool has_dims;
    Expr *value;
    Expr *source;   /* for ema: the network that is followed */
    Expr *where;    /* for data: the condition for which rows are kept; NULL: none */
    Expr **targets; /* the targets of update, loss and ema; the calls of eval */
    int target_count;
    const char *init_name; /* for queue and bank: the word behind `init`; NULL: none */
    QueueOrder order;      /* for queue: `read before push` or `read after push` */
    bool before_forward;   /* for ema: true with `before forward` */
    bool of_steps;         /* for every and eval: true if they count steps, not epochs */
    Stmt **body;           /* { statements }; NULL if `= value` is written */
    int body_count;
    /* For scan: the values that go from round to round. Each is a STMT_LET whose value is its
     * start. */
    Stmt **carry;
    int carry_count;
    Stmt *scan;       /* for a let that is such a value: its scan; else NULL */
    Stmt **otherwise; /* for when: else { statements } */
    int otherwise_count;
    /* checker: */
    Symbol *symbol;
    Type *result;     /* for fn: the type of a call, in the dimensions of the signature */
    DataSource *data; /* for data */
    /* For view: a recipe for each name, if one recipe of a single array is given several arrays and
     * draws alike for all of them. Else NULL. */
    Expr **each;
    int64_t sweep_rows;  /* for over: how many samples are taken at a time */
    int64_t batch;       /* for stage: its own batch; 0: the batch of `train` */
    ARRAY(Expr *) reads; /* for view: the names in it for which is_sample is true */
};

/* A file or a folder that `use` names by its path, as CheckHooks.files found it. */
typedef struct UsedFiles {
    /* The name of the module if no `as` gives one: the name of the file without its ending, or of
     * the folder. */
    const char *name;
    const Source **files; /* sorted by name */
    int file_count;
    bool is_folder;
} UsedFiles;

typedef struct Module {
    /* The name: "losses" for the files of stdlib/losses. For a spec, the name of the file without
     * its ending. */
    const char *name;
    const Source *source; /* the first file */
    const Source **files; /* all files, in order */
    int file_count;
    Stmt **stmts;
    int stmt_count;
    const Span *broken; /* the statements that did not fit the grammar and were left out */
    int broken_count;
    bool lacks_name;       /* a declaration without its name was reported: any name may be that */
    const UsedFiles *used; /* the files that its path led to; NULL for a module of the library */
    /* checker: how many of its statements are checked. What the others declare is not known yet. */
    int checked_count;
} Module;

/* The meaning of a name. Names of let, param, state, queue and draw refer to the statement,
 * parameters of functions to the Param, indices to the Binder, and built-ins to a row of
 * builtins.def. */
typedef enum {
    SYMBOL_POISON,
    SYMBOL_MODULE,
    SYMBOL_DATA,
    SYMBOL_FIELD /* as in train.image */,
    SYMBOL_HYPER,
    SYMBOL_VIEW,
    SYMBOL_NET,
    SYMBOL_NET_PART /* as in online.trunk */,
    SYMBOL_NET_STATE /* as in online.head.b */,
    SYMBOL_FN,
    SYMBOL_OPTIMISER,
    SYMBOL_LET,
    SYMBOL_LET_FN,
    SYMBOL_PARAM,
    SYMBOL_STATE,
    SYMBOL_QUEUE,
    SYMBOL_COLUMN /* as in Q.feat */,
    SYMBOL_DRAW,
    SYMBOL_STAGE /* a truth value: true while the stage runs */,
    SYMBOL_ARGUMENT /* an argument of a fn, net or optimiser */,
    SYMBOL_CONFIG /* a compile-time argument of a net or optimiser */,
    SYMBOL_DIMENSION /* a dimension of a signature, such as N */,
    SYMBOL_INDEX,
    SYMBOL_BUILTIN
} SymbolKind;

struct Symbol {
    SymbolKind kind;
    const char *name;
    Span span;      /* the place of its declaration */
    Stmt *stmt;     /* the declaring statement; NULL: none */
    Param *param;   /* the declaring param; NULL: none */
    Binder *binder; /* for SYMBOL_INDEX */
    Module *module; /* for SYMBOL_MODULE: the module; for others: the module of the declaration */
    /* For a view: the number of the name among those of the statement. For a part of a network: its
     * number in the composition. */
    int item;
    Type *type; /* NULL while the declaration is not checked yet */
    bool used;  /* true once an expression has named it */
};

/* lang/parse.c: parses one file. Messages go to `diag`. Never returns NULL: after errors the module
 * has the statements that fit the grammar. */
Module *parse_module(Arena *arena, Diag *diag, const Source *source, const char *name);
/* Joins the files of a module: appends `more` to `module` and returns the result. `module` is NULL
 * at first. */
Module *module_join(Arena *arena, Module *module, Module *more);

/* A method: the spec's module first, then every module that it uses, each checked. */
typedef struct Method {
    Module *spec;
    Module **modules;
    int module_count;
    int64_t batch; /* the batch of statements that belong to no stage */
} Method;

/* The result of looking at a source. Its fields and rows were read; or the data is absent; or the
 * data does not fit, and the sentence says why. */
typedef enum {
    SCHEMA_READ,
    SCHEMA_ABSENT,
    SCHEMA_REFUSED,
} SchemaAnswer;

/* The questions that the checker asks its caller, which knows files, the library and the
 * readers. */
typedef struct CheckHooks {
    /* Returns part `part` of module `name` of the library ("losses"). A module is one file, or the
     * files of one folder as parts 0, 1, and so on. NULL after the last part. */
    const Source *(*module)(void *context, Arena *arena, const char *name, int part);
    /* Returns the file or the folder that `path` means in the file `from`, or NULL with a sentence,
     * and with help or NULL. The pointer is the same for the same file or folder, whatever the path
     * is. If the hook is NULL, no file can be used. */
    const UsedFiles *(*files)(void *context, Arena *arena, const Source *from, const char *path,
                              const char **sentence, const char **help);
    /* Finds the fields of a source by looking at its data. If the hook is NULL, the data counts as
     * absent. */
    SchemaAnswer (*schema)(void *context, Arena *arena, DataSource *source, const char **sentence);
    /* Counts the rows that the selection leaves, and sets `rows` of the source. Called after
     * `schema`, once the selection is known. Returns SCHEMA_READ, or SCHEMA_REFUSED with a
     * sentence. */
    SchemaAnswer (*rows)(void *context, Arena *arena, DataSource *source, const char **sentence);
    /* Returns how many of `held` rows the selection leaves, for a source whose data is missing, if
     * its `classes` classes all have one size. Returns 0 if that is not known. */
    int64_t (*kept)(void *context, const DataSource *source, int64_t held, int64_t classes);
    const DataCatalogue *data; /* the readers and their settings; NULL: there are none */
    void *context;
} CheckHooks;

/* lang/check.c: resolves names and infers every type, and reports all independent errors. Returns
 * the method even after errors, which diag_error_count tells. Only a method without errors may be
 * lowered. */
Method *check_method(Arena *arena, Diag *diag, Module *spec, const CheckHooks *hooks);

/* Returns the axis of concat(a, b, axis = 2), counted from 0, or -1 if `axis` is given as no known
 * number of an axis. Sets *arrays to the number of arrays that are joined. */
int call_concat_axis(const Expr *call, int *arrays);
/* True if the expression is a call of a distribution, as it stands behind `~`. */
bool call_is_distribution(const Expr *expr);

/* True if a network in the expression is applied to something that contains the index of the
 * binder. A let over such an index is unrolled. The expression is checked before. */
bool net_takes_index(const Expr *e, const Binder *binder);

/* Prints a line for each name, with its type and shape, in source order, for `couplet check`. */
void check_print(const Method *method, FILE *out);

#endif
