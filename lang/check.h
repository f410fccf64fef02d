/* Inside the checker. check.c checks modules, scopes and bodies; check_method.c statements of a
 * method; check_memory.c queues, banks and updates; check_data.c data; check_draw.c draws;
 * check_expr.c expressions; check_scan.c the loop; check_call.c calls and networks. */
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

/* The type that calling a function or applying a layer gives, in the dimensions of its
 * signature. */
typedef struct Scheme {
    int state; /* 0: not begun; 1: being checked; 2: done */
    Type *result;
    Scope *scope;
} Scheme;

typedef struct Occurrence {
    const Binder *binder;
    Span span;
    const char *what; /* as in "axis 1 of `u`" */
} Occurrence;

/* The place at which a module was named that is being checked now. */
typedef struct UseOf {
    const Module *module;
    Span span;
} UseOf;

typedef struct Check {
    Arena *arena;
    Diag *diag;
    DimTable *dims;
    Scope *scope;
    /* In the body of a function, network or optimiser: the scope around the body, whose names an
     * index may have. Else NULL. */
    const Scope *outside;
    Module *module;
    Method *method;
    const CheckHooks *hooks;
    bool in_view; /* true in a view, where a data field is that of one sample */
    Stmt *view;   /* in a view: its statement */
    /* In a view: the number of samples of its arrays. NULL: none of them has the batch in front. */
    Dim *view_rows;
    const DataSource *seen;  /* the source of the last field */
    const DataSource *sweep; /* in `over`: the source whose fields are those of a sweep's batch */
    int64_t sweep_rows;      /* the samples of that batch */
    const Stmt *stage;       /* in `when NAME` of a stage: the stage */
    bool in_epoch;           /* true in `every epoch`, and in the statements of `eval` */
    bool in_eval;            /* true in the statements of `eval` */
    /* True if a missing name stands in the text that the parser left out. */
    bool misses_declaration;
    bool is_broken; /* true if the parser reported errors, so that statements may be missing */
    int64_t batch;
    bool names_batch; /* true if `train` names the batch, or each stage does */
    Map schemes;      /* by statement: the schemes of functions, networks and optimisers */
    ARRAY(Occurrence) occurrences;
    ARRAY(Scope *) module_scopes; /* one for each of `modules` */
    ARRAY(Module *) modules;
    ARRAY(UseOf) uses; /* the modules that are being checked, each used by the one before */
    Stmt *scan;        /* the innermost scan around the place at hand, or NULL */
    Type *result;      /* the type that a return must have */
    Span result_span;
    Span unknown; /* the last unknown name */
    /* The number of unknown names so far. An index that such a name may stand for is not said to be
     * of no array. */
    int unknown_names;
    bool in_index;     /* between the brackets of x[..] */
    bool in_rule;      /* true in the body of an optimiser, and in functions that it calls */
    bool in_default;   /* true in a read with a value for places outside */
    bool in_signature; /* between the brackets of a parameter */
    /* The depth of calls: functions and networks whose bodies are being checked, each called by the
     * one before. */
    int calls;
    /* The depth of expressions that are being checked, including those in such bodies. */
    int nested;
    const Expr *drawn; /* the expression behind `~`, or a start: the one place for a distribution */
    /* True in an arm of `if` and behind a guard, which may be left out at run time. */
    bool in_choice;
} Check;

/* check.c */
Type *type_make(Check *c, TypeKind kind, int rank, Dim *const *dims);
Type *type_poison(Check *c);
Symbol *scope_declare(Check *c, SymbolKind kind, const char *name, Span span, Stmt *stmt,
                      Param *param);
Symbol *scope_find(const Scope *scope, const char *name);
/* Finds a name in this scope alone, not in the scopes around it. */
Symbol *scope_find_in(const Scope *scope, const char *name);
Scope *scope_push(Check *c);
void scope_pop(Check *c);
Scheme *type_scheme_of(Check *c, Symbol *symbol);
void check_body(Check *c, Stmt **body, int count);
void check_let(Check *c, Stmt *s);
void check_net(Check *c, Stmt *s);
void check_owned(Check *c, Stmt *s, SymbolKind kind, bool optimiser); /* param, state */
Type *type_of_shape(Check *c, TypeKind kind, Expr **exprs, int count);
Type *type_of_let(Check *c, Stmt *s); /* the type of the name of a let, a carry or a next */
Scope *module_scope(const Check *c, const Module *module);
void scope_suggest(Check *c, const char *name, Span span);
void check_module(Check *c, Module *m);

/* check_use.c */
void check_use(Check *c, Stmt *s); /* Loads and checks the named module, and declares the names. */

/* check_method.c */
void check_statement(Check *c, Module *m, Stmt *s);
Param *setting_of_train(Module *spec, const char *name);
/* Checks the part named by `optimiser .. on` or `freeze`. */
void check_trained_part(Check *c, Expr *part, bool optimiser);
void check_condition(Check *c, Expr *condition, const char *of);

/* check_view.c */
void check_view(Check *c, Stmt *s);
/* Returns the type of a name in a view, which is that of one sample if the array has the batch in
 * front. */
Type *type_of_sample(Check *c, Expr *name, Type *whole);

/* check_options.c */
const OptionRow *option_find(const OptionRow *rows, int count, const char *owner, const char *name);
/* Checks a number for a row, after its type: it must be known now, and in its range. `name` is the
 * place of the option, and `of` completes its name, as in " of knn". Returns false after a
 * message. */
bool check_number(Check *c, const OptionRow *row, const Expr *value, Span name, DiagCode code,
                  const char *of);
/* Checks a value that must be one of the words `true` and `false`. `what` names the setting in
 * messages: "`by_class` of knn". False after a message at `span`. */
bool check_truth(Check *c, const Expr *value, Span span, DiagCode code, const char *what);
/* Says, below the message about a value that is no truth, which of the two words is meant. */
void option_suggest_truth(Check *c, Span value);
void check_train(Check *c, const Module *m, Stmt *s);
/* Declares the names and batches of the stages, ahead of the statements that use them. */
void check_declare_stages(Check *c, Module *m);
void check_stage(Check *c, Stmt *s);

/* check_eval.c */
void check_eval(Check *c, Stmt *s);

/* constant.c */
/* Decides, after its type, whether an expression is a number known now. Reports operations without
 * a value. */
void constant_find(Check *c, Expr *e);

/* check_memory.c */
void check_queue(Check *c, Stmt *s);
/* Called after all lets, since a queue may stand before what feeds it. */
void check_push(Check *c, Stmt *s);
void check_bank(Check *c, Stmt *s);
void check_update(Check *c, Stmt *s);

/* check_data.c */
void check_data(Check *c, Stmt *s);

/* check_choice.c: which rows, and how batches are drawn */
/* Checks argument `at` of the call. Returns false if no option has its name. */
bool check_data_option(Check *c, DataSource *data, const Expr *call, int at);
/* "per_class, fraction and batch"; the names too, of room for MOST_DATA_OPTIONS. */
const char *data_options_text(Check *c, const char **names, int *count);
void check_choice(Check *c, Stmt *s);  /* after the fields are known */
void check_weights(Check *c, Stmt *s); /* after the method's states are */
enum { MOST_DATA_OPTIONS = 32 };

/* check_field.c */
Type *check_field(Check *c, Expr *e, Symbol *data); /* train.image, train.all.image */
/* Returns the field that `train.image` names where no batch is meant. NULL after a message, or if
 * the source is poisoned. */
const DataField *check_named_field(Check *c, Expr *e);
const DataField *source_find_field(const DataSource *data, const char *name);
/* "image u8[1, 28, 28], label int and index int". */
const char *source_fields_text(Check *c, const DataSource *data);
const char *source_nearest_field(Check *c, const DataSource *data, const char *name);
/* Returns the rows of a source, for an array with a row for each sample; 1 after a message where
 * the number is not known. */
int64_t source_rows(Check *c, DataSource *data, Span span);
int64_t source_batch(const Check *c, const DataSource *data);

/* check_epoch.c */
void check_every(Check *c, Stmt *s);
/* Checks the number in `every 2 epochs`, for work between steps or an `eval`. */
void check_cadence(Check *c, const Stmt *s);
void check_measures(Check *c, const Stmt *eval); /* checks the statements of `eval` */
void check_misplaced_report(Check *c, const Stmt *s);
/* True for a key that rows of metrics.jsonl have in every run. */
bool check_is_key_of_log(const char *name);

/* check_expr.c */
Type *check_expr(Check *c, Expr *e);
/* the place of the argument's name, or of an argument without one */
Span call_argument_span(const Expr *call, int at);
Dim *dim_of(Check *c, const Expr *e); /* NULL when it is no dimension */
/* Reports what dim_fault tells of the dimensions made since the last time, if anything. */
void dim_report_fault(Check *c, Span span);
void binder_give_extent(Check *c, Binder *binder, Dim *dim, Span span, const char *what);
void binder_open(Check *c, Binder *binder);
/* Then it is reported; `of`: "a reduction". */
bool binders_too_many(Check *c, Binder *const *binders, int count, const char *of);
/* True if a name stands in the text that the parser left out, where it was most likely declared. */
bool parse_was_broken(Check *c, const char *name);
void binders_close(Check *c, Binder **binders, int count, bool quiet);
bool type_same_shape(const Type *a, const Type *b);
/* True if two dimensions are equal, or may be for some sizes, as 2*ceil(H / 2) and H. Lowering,
 * which knows the sizes, compares them again. Two different names are not equal. */
bool dim_may_be_equal(Check *c, Dim *a, Dim *b);
/* True if the net has a part of this name, which was given where the network is composed. */
bool net_has_part(const Symbol *net, const char *name);
/* True if every part of the composition has a name. */
bool net_names_all_parts(const Symbol *net);
bool type_is_numeric(const Type *t);
/* True if the type is the consequence of an error that was reported. */
static inline bool type_is_poison(const Type *t) {
    return t->kind == KIND_POISON;
}

/* check_draw.c */
void check_draw(Check *c, Stmt *s);

/* check_scan.c */
void check_scan(Check *c, Stmt *s);
void check_next(Check *c, Stmt *s);

/* check_call.c */
Type *check_call(Check *c, Expr *e);
/* A >> part: reports a built-in of two or more arrays. */
void check_part_of_chain(Check *c, const Expr *part);
Type *net_typed_apply(Check *c, Expr *net, Type *argument, Span span);

#endif
