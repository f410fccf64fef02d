/* Inside the checker. Each file checks one kind of thing, and the prototypes below stand under the
 * name of their file.
 *
 * A check that fails reports the error and returns poison (type_poison), and a check that is given
 * poison returns poison without a message. So every error is reported once. */
#ifndef COUPLET_LANG_CHECK_H
#define COUPLET_LANG_CHECK_H

#include "lang/ast.h"

typedef struct Scope {
    struct Scope *parent;
    ARRAY(Symbol *) symbols;
    /* The last symbol of each name. Empty while there are few symbols, which are searched one by
     * one. */
    Map by_name;
} Scope;

/* A field of a batch, such as `train.label`, that the body of a function or a network reads. What
 * it means there holds wherever the body is called, because the body is checked once. */
typedef struct BatchRead {
    const Expr *field;
    const DataSource *data;
    int64_t rows; /* the number of samples that the body takes it for */
} BatchRead;

/* A message about the value of a hyper in a body. It is reported if a call of the body stands
 * outside of all arms of `if`, whose conditions may exclude that value. */
typedef struct Doubt {
    DiagCode code;
    Span span;
    const char *sentence;
    const char *help; /* NULL: none */
} Doubt;

/* What is known of a function, network or optimiser once its body is checked. */
typedef struct Scheme {
    int state; /* 0: not begun; 1: being checked; 2: done */
    /* The type of a call, in the dimensions of the signature. NULL before the body is checked, and
     * for an optimiser, which gives nothing. */
    Type *result;
    ARRAY(BatchRead) reads; /* one for each source, with those of the bodies that it calls */
    ARRAY(Doubt) doubts;    /* those that no call has reported so far */
} Scheme;

/* The read of an array that gave a binder its extent. */
typedef struct Occurrence {
    const Binder *binder;
    Span span;
    const char *what; /* the axis that is read there: "axis 1 of `u`" */
} Occurrence;

/* A module that is being checked now, and the `use` that led to it. */
typedef struct UseOf {
    const Module *module;
    Span span;
} UseOf;

/* What the checker knows of the place at hand. The body of a function is checked in the middle of
 * the expression that calls it first, and begins with a place of its own: whatever says what stands
 * around an expression is a member here, so that no body is judged by its first call. */
typedef struct CheckPlace {
    Scope *scope;
    /* In the body of a function, network or optimiser: the scope around the body. An index may have
     * a name of that scope. NULL outside of bodies. */
    const Scope *outside;
    Module *module;
    Scheme *body; /* the scheme of the body; NULL outside of bodies */
    bool in_view; /* true in a view, where a field means that of one sample */
    Stmt *view;   /* in a view: its statement */
    /* In a view: the number of samples that its arrays have in front. NULL: no array in the view
     * has the batch in front. */
    Dim *view_rows;
    const DataSource *sweep; /* in `over`: the source that is swept */
    int64_t sweep_rows;      /* in `over`: the samples that the sweep takes at a time */
    const Stmt *stage;       /* in `when NAME` of a stage: the stage */
    bool in_epoch;           /* true in `every epoch`, and in the statements of `eval` */
    bool in_eval;            /* true in the statements of `eval` */
    Stmt *scan;              /* the innermost scan around the place at hand, or NULL */
    Type *result;            /* the type of the `return` of the body, or NULL so far */
    /* The number of expressions without a type behind the first error. Such an expression may be
     * the array that would have given an index its extent, so an index over a body with one is not
     * reported for having none. */
    int untyped;
    bool in_index;     /* between the brackets of x[..] */
    bool in_rule;      /* true in the body of an optimiser, and in functions inside it */
    bool in_default;   /* true for the read of `(x[..] else E)`, which may go outside the array */
    bool in_signature; /* between the brackets of a parameter */
    bool in_choice;    /* true in an arm of `if`, which may be left out at run time */
    /* The expression behind `~`, or the start of a parameter or state, which alone may be a call of
     * a distribution. */
    const Expr *drawn;
} CheckPlace;

typedef struct Check {
    Arena *arena;
    Diag *diag;
    DimTable *dims;
    Method *method;
    const CheckHooks *hooks;
    CheckPlace at;
    /* True once a name was missing that stands in text that the parser left out. Errors that may
     * follow from its missing declaration are not reported. */
    bool misses_declaration;
    bool is_broken;   /* true if the parser reported errors, so that statements may be missing */
    int64_t batch;    /* the batch of statements that belong to no stage */
    bool names_batch; /* true if `train` names it, or all stages name the same */
    Map schemes;      /* by statement: the Scheme of each function, network and optimiser */
    ARRAY(Occurrence) occurrences;
    ARRAY(Scope *) module_scopes; /* one for each of `modules` */
    ARRAY(Module *) modules;
    ARRAY(UseOf) uses; /* the modules that are being checked, each used by the one before */
    Span unknown;      /* the place of the unknown name that was reported last */
    /* The depth of calls: the number of functions, networks and optimisers whose bodies are being
     * checked, each called by the one before. */
    int calls;
    /* The depth of the expressions that are being checked, over all these bodies together. */
    int nested;
} Check;

/* check.c */
Type *type_make(Check *c, TypeKind kind, int rank, Dim *const *dims);
Type *type_poison(Check *c);
/* Declares a name in the current scope, and reports a name that this scope has already. The caller
 * sets the type of the symbol. */
Symbol *scope_declare(Check *c, SymbolKind kind, const char *name, Span span, Stmt *stmt,
                      Param *param);
/* Returns the symbol of the name in this scope, or else in the innermost scope around it that has
 * the name. NULL if none has. */
Symbol *scope_find(const Scope *scope, const char *name);
/* Returns the symbol of the name in this scope alone, or NULL. */
Symbol *scope_find_in(const Scope *scope, const char *name);
/* scope_push enters a new scope inside the current one, and scope_pop leaves it. */
Scope *scope_push(Check *c);
void scope_pop(Check *c);
/* Returns the scheme of a function, network or optimiser that is called at the place at hand. Its
 * body is checked now if it was not before. Reports one that uses itself, and its doubts. */
Scheme *type_scheme_of(Check *c, Symbol *symbol);
/* Reports a message about a hyper in the expression at hand, or leaves it to the calls of the body
 * that is being checked. Says nothing in an arm of `if`. */
void check_doubt(Check *c, Doubt doubt);
/* Checks the statements of a body, and sets `result` to the type of its `return`. */
void check_body(Check *c, Stmt **body, int count);
void check_let(Check *c, Stmt *s);
void check_net(Check *c, Stmt *s);
/* Checks and declares the names of a `param` or a `state`, by `kind`. In an optimiser, a state has
 * the shape of the parameter that the rule is for. */
void check_owned(Check *c, Stmt *s, SymbolKind kind, bool optimiser);
/* Returns the type with these axes, or poison after a message. */
Type *type_of_shape(Check *c, TypeKind kind, Expr **exprs, int count);
/* Returns the type of the name of a let, a carry or a `next`. */
Type *type_of_let(Check *c, Stmt *s);
/* Returns the scope of the names of a module, or NULL if no such module was loaded. */
Scope *module_scope(const Check *c, const Module *module);
/* Suggests a module that has the unknown name, or else the nearest visible name. */
void scope_suggest(Check *c, const char *name, Span span);
void check_module(Check *c, Module *m);

/* check_use.c */
/* Loads and checks the used modules, and declares their names. */
void check_use(Check *c, Stmt *s);

/* check_method.c */
void check_statement(Check *c, Module *m, Stmt *s);
/* Returns the first setting of this name in a `train` of the module, or NULL. */
Param *setting_of_train(Module *spec, const char *name);
/* Checks the part that a setting names: of `optimiser .. on` if `optimiser` is true, else of
 * `freeze`. */
void check_trained_part(Check *c, Expr *part, bool optimiser);
/* Checks the condition of `when` or `while`. `of` begins the message: "what stands after
 * `when`". */
void check_condition(Check *c, Expr *condition, const char *of);

/* check_view.c */
void check_view(Check *c, Stmt *s);
/* Returns the type that a name has in a view. For an array with the batch in front it is the type
 * of one sample, and the name is noted in `reads` of the view. For all else it is `whole`. */
Type *type_of_sample(Check *c, Expr *name, Type *whole);

/* check_options.c */
/* Returns the row of an option, such as "k" of the owner "knn", or NULL. */
const OptionRow *option_find(const OptionRow *rows, int count, const char *owner, const char *name);
/* Checks a number whose type was found: it must be known at compile time, and in the range of the
 * row. `name` is the place of the message, and `of` completes the option's name, as in " of knn".
 * Returns false after a message. */
bool check_number(Check *c, const OptionRow *row, const Expr *value, Span name, DiagCode code,
                  const char *of);
/* Checks a value that must be one of the words `true` and `false`. `what` names the setting in
 * messages: "`by_class` of knn". False after a message at `span`. */
bool check_truth(Check *c, const Expr *value, Span span, DiagCode code, const char *what);
/* Suggests, below the message about a value that is no truth value, which of the two words is
 * meant. */
void option_suggest_truth(Check *c, Span value);
void check_train(Check *c, const Module *m, Stmt *s);
/* Declares the names and batches of the stages, ahead of the statements that use them. */
void check_declare_stages(Check *c, Module *m);
void check_stage(Check *c, Stmt *s);

/* check_eval.c */
void check_eval(Check *c, Stmt *s);

/* constant.c */
/* Decides whether an expression whose type was found is a number that is known now. Reports
 * operations on constants that have no value. */
void constant_find(Check *c, Expr *e);

/* check_memory.c */
void check_queue(Check *c, Stmt *s);
/* Checks the pushed value of a queue. Called after all lets, since a queue may stand before the let
 * that it is fed by. */
void check_push(Check *c, Stmt *s);
void check_bank(Check *c, Stmt *s);
void check_update(Check *c, Stmt *s);

/* check_data.c */
void check_data(Check *c, Stmt *s);

/* check_choice.c: the choice of rows, and how batches are drawn */
/* Checks argument `at` of the call that makes a source. Returns false if it is no option that every
 * source has. */
bool check_data_option(Check *c, DataSource *data, const Expr *call, int at);
/* Returns the options as text, "per_class, fraction and batch", and appends their names to `names`,
 * which has room for MOST_DATA_OPTIONS more. */
const char *data_options_text(Check *c, const char **names, int *count);
/* Checks the options together, once the fields of the source are known. */
void check_choice(Check *c, Stmt *s);
/* Checks the state of `weights`, once all states of the method are declared. */
void check_weights(Check *c, Stmt *s);
enum { MOST_DATA_OPTIONS = 32 };

/* check_field.c */
/* Returns the type of `train.image` or `train.all.image`. `data` stands before the last dot. */
Type *check_field(Check *c, Expr *e, Symbol *data);
/* True if the batches that a body reads are the same ones at the place at hand, where it is called
 * as `name`. False after a message. */
bool check_reads_of_body(Check *c, const Scheme *scheme, const char *name, Span call);
/* Returns the field that `train.image` names where no batch is meant. NULL after a message, or if
 * the source is poisoned. */
const DataField *check_named_field(Check *c, Expr *e);
/* Returns the field of this name, or NULL. */
const DataField *source_find_field(const DataSource *data, const char *name);
/* Returns the fields as text: "image u8[1, 28, 28], label int and index int". */
const char *source_fields_text(Check *c, const DataSource *data);
const char *source_nearest_field(Check *c, const DataSource *data, const char *name);
/* Returns the number of rows of a source, for an array that has a row for each sample. Returns 1
 * after the message that the number is not known. */
int64_t source_rows(Check *c, DataSource *data, Span span);
/* Returns the number of samples that a read of the source means here: of a sweep, of the stage at
 * hand, or of a batch of the source. */
int64_t source_batch(const Check *c, const DataSource *data);

/* check_epoch.c */
void check_every(Check *c, Stmt *s);
/* Checks the number of `every 2 epochs` and `every 100 steps`. */
void check_cadence(Check *c, const Stmt *s);
void check_measures(Check *c, const Stmt *eval); /* checks the statements of `eval` */
/* Reports a `report` among the statements of a step. */
void check_misplaced_report(Check *c, const Stmt *s);
/* True for a key that metrics.jsonl has in every run. No report or loss may have such a name. */
bool check_is_key_of_log(const char *name);

/* check_expr.c */
/* Finds the type of an expression, notes it in `type`, and returns it. */
Type *check_expr(Check *c, Expr *e);
/* Returns the place of the name of argument `at`, or of the argument itself if it has none. */
Span call_argument_span(const Expr *call, int at);
bool type_same_shape(const Type *a, const Type *b);
bool type_is_numeric(const Type *t);
/* True if the type is the consequence of an error that was reported. */
static inline bool type_is_poison(const Type *t) {
    return t->kind == KIND_POISON;
}

/* check_dim.c */
/* Returns the dimension that an expression is, or NULL if it is none. */
Dim *dim_of(Check *c, const Expr *e);
/* Reports the fault, if any, in the dimensions that were made since the last call. */
void dim_report_fault(Check *c, Span span);
/* True if two dimensions are equal, or may be for some sizes, as 2*ceil(H / 2) and H. Lowering,
 * which knows the sizes, compares them again. Two different names are not equal. */
bool dim_may_be_equal(Check *c, Dim *a, Dim *b);

/* check_index.c */
/* Returns the type of a reduction, or poison after a message. */
Type *check_reduce(Check *c, Expr *e);
/* Returns the type of a read `x[..]`, or poison after a message. */
Type *check_index(Check *c, Expr *e);
/* Gives an index the extent of an axis at which it stands, and reports an index that has another
 * extent already. `what` names the axis in messages: "axis 1 of `u`". */
void binder_give_extent(Check *c, Binder *binder, Dim *dim, Span span, const char *what);
/* Declares an index in the current scope, with its end if one is written. Reports an index that
 * hides a name. */
void binder_open(Check *c, Binder *binder);
/* True after a message about too many indices. `of` is what they belong to: "a reduction". */
bool binders_too_many(Check *c, Binder *const *binders, int count, const char *of);
/* Closes the binders of a let or a reduction. An index without an extent is reported, and gets the
 * extent 1. If `quiet`, something in the body is wrong already, maybe the very array that would
 * have given the extent, and nothing is reported. */
void binders_close(Check *c, Binder **binders, int count, bool quiet);

/* check_name.c */
/* Returns the type of what a name stands for, or poison after a message. */
Type *check_name(Check *c, Expr *e);
/* Returns the type of `a.b`, or poison after a message. */
Type *check_member(Check *c, Expr *e);
/* True if a name stands in text that the parser left out, where it was most likely declared. The
 * caller then reports nothing. */
bool parse_was_broken(Check *c, const char *name);
/* True if the network has a part of this name, which it got where the network was composed. */
bool net_has_part(const Symbol *net, const char *name);
/* True if the network is composed of parts that all have names. */
bool net_names_all_parts(const Symbol *net);

/* check_draw.c */
void check_draw(Check *c, Stmt *s);

/* check_scan.c */
void check_scan(Check *c, Stmt *s);
void check_next(Check *c, Stmt *s);

/* check_builtin.c */
/* Returns the type of a call of a built-in, or poison after a message. */
Type *check_builtin(Check *c, Expr *e);
/* True if a built-in takes one argument, as whatever stands in a composition must. False after a
 * message. */
bool builtin_takes_one(Check *c, const Expr *name);
/* True for a reduction that is called like a function, `sum(x)`, unless the spec declares that
 * name. */
bool call_is_reduction(Check *c, const Expr *e);
/* Reports `sum(x)`, and suggests the reduction with an index for each axis of its argument. */
Type *call_report_reduction(Check *c, const Expr *e);

/* check_call.c */
Type *check_call(Check *c, Expr *e);
/* Reports a part of a composition, `A >> part`, that is a built-in of two or more arguments. */
void check_part_of_chain(Check *c, const Expr *part);
/* Returns the type of a network applied to an argument of this type, or poison after a message at
 * `span`. */
Type *net_typed_apply(Check *c, Expr *net, Type *argument, Span span);

#endif
