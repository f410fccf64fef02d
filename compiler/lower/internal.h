/* The values and frames of lowering, and the functions that its files call in each other.
 *
 *     method.c         the method and its step        lower_expr.c   formulas
 *     lower_data.c     sources and views              reduce.c       reductions
 *     net.c            networks                       call.c         functions, built-ins
 *     unroll.c         networks over views            library.c      library calls
 *     loss.c           what belongs to the loss       scan.c         loops
 *     optimise.c       gradients, rules, ema          draw.c         random draws
 *     memory.c         states and queues              starts.c       starts of states
 *     phase.c          `when`                         value.c        values and elements
 *     lower_epoch.c    `every epoch`                  static.c       numbers known while lowering
 *     features.c       evaluations                    prove.c        reads that stay inside
 *     function.c       one function                   trail.c        calls that led to a message */
#ifndef COUPLET_COMPILER_LOWER_INTERNAL_H
#define COUPLET_COMPILER_LOWER_INTERNAL_H

#include "compiler/lower/lower.h"

typedef struct Net Net;
typedef struct Frame Frame;
typedef struct FunctionUnit FunctionUnit;

typedef enum { VALUE_NONE, VALUE_SCALAR, VALUE_ARRAY, VALUE_NET, VALUE_FUNCTION } ValueKind;

/* The meaning of a name or an expression. An array is a tensor whose leading axes are indexed
 * already: element(i...) is tensor[prefix..., i...]. So `u[i]` is an array too, and a function of
 * one sample is applied to a batch by a prefix alone. */
typedef struct Value {
    ValueKind kind;
    const GExpr *scalar;
    GNode *tensor;
    int prefix_count;
    const GExpr *prefix[GRAPH_MAX_RANK];
    Net *net;
    const Stmt *function; /* a function, with the frame in which it was defined */
    Frame *frame;
    int source;
    bool is_static; /* the value is the number `constant`, known at compile time */
    double constant;
} Value;

typedef struct FrameEntry {
    const void *key; /* the Symbol or the Binder */
    Value value;
} FrameEntry;
struct Frame {
    Frame *parent;
    ARRAY(FrameEntry) entries;
    /* The entries by key, as their number + 1. Empty while there are few entries, which are
     * searched one by one. */
    Map by_key;
    /* The net whose body this is; parameters and constructor calls met here belong to it. */
    Net *owner;
};

/* The place in the text where a network was made, and the network that it is a part of:
 * nn.convnet(width = 32) makes conv3(width). */
typedef struct Made {
    Span place;
    const char *name;
    const struct Made *in;
} Made;

typedef enum {
    NET_LAYER /* has configuration and a data list, and owns parameters */,
    NET_CHAIN /* has parts, in their order */,
    NET_FUNCTION /* a function in a chain */
} NetKind;
typedef struct NetChild {
    const Expr *place; /* the constructor call in the text; each place has one set of weights */
    Net *net;
} NetChild;
struct Net {
    NetKind kind;
    const char *path; /* the prefix of its states, such as "online.trunk.conv3_1" */
    /* The path of the net that this is a copy of, or its own path. The start of its parameters is
     * drawn by it. */
    const char *origin;
    const Stmt *stmt;
    Frame *frame; /* the configuration */
    ARRAY(Net *) parts;
    ARRAY(const char *) part_names;
    ARRAY(NetChild) children;
    Frame *function_frame;
    const Made *made; /* the place at which a layer was made */
};

/* A call of a function that is being lowered. Messages list the calls that led to a line. */
typedef struct Call {
    const struct Call *outer;
    const Stmt *fn;
    const Frame *frame;
    const Net *net;      /* the net whose body this is; NULL: none */
    const Expr *call;    /* NULL: no call in the text */
    const GPlace *place; /* the place of the call, with the calls that led there */
} Call;

/* A state's declaration, remembered so that the init graph can make its start. */
typedef struct StateRecord {
    ProgramState state;
    const Expr *start; /* the expression of its start; NULL: 0 */
    Frame *frame;
    const char *origin; /* the key of its draws */
    const char *init_name;
    /* Of a parameter: true if some phase has reached it, or has frozen it. */
    bool was_reached;
    bool was_frozen;
} StateRecord;

/* The value of a state at this point of the step. Several applications of a net each renew it. */
typedef struct StateValue {
    const char *name;
    GNode *now;
    Span span;
} StateValue;

/* A loss with a name, which has a column of its own, or an array that `give` hands out. */
typedef struct NamedNode {
    const char *name;
    GNode *node;
    Span span;
} NamedNode;

/* Losses that train the same parts. */
typedef struct LossTerm {
    const GExpr *sum;
    const Stmt *trains; /* the statement with `trains PARTS`; NULL: the loss trains everything */
    Span span;
} LossTerm;

/* The parameters that a step trains. */
typedef struct Trained {
    int *records;
    GNode **states;
    GNode **grads;
    GNode **whole; /* the gradients before any clipping */
    int count;
} Trained;

/* The kind of graph that lower_next makes next. */
typedef enum {
    AT_EVALUATIONS,
    AT_PHASE,
    AT_ACTIONS,
    AT_MEASURES,
    AT_INIT,
    AT_FUNCTION,
    AT_END
} LowerPosition;

typedef struct RootFacts RootFacts;
typedef struct VanishFacts VanishFacts;
struct Lower {
    Arena *arena;
    Diag *diag;
    const Method *method;
    Graph *g;
    Frame *root;  /* the frame of the method's own names */
    Frame *frame; /* the frame in which names are looked up now */
    bool training;
    /* The condition that holds at the place at hand: guards and the conditions of `if`. NULL:
     * none. */
    const GExpr *condition;
    /* In a view: the dataset index joined with the view number; else NULL. */
    const GExpr *draw_element;
    const GExpr *sample;       /* in a view: the index in the batch; else NULL */
    const GExpr *view_axes[2]; /* in a view: the indices that draw_element consists of */
    /* Indices that are bound outside of the functions at work and passed to them. Each of their
     * values is a call with draws of its own. */
    const GExpr *mapped[GRAPH_MAX_INDICES];
    int mapped_count;
    const char *site; /* the path of calls, by which draws are keyed */
    int site_count;
    ARRAY(StateRecord) records;
    /* The states of the whole method, for `ema` edges that need them ahead of their first use. */
    ARRAY(StateRecord) foreseen;
    /* True while statements are lowered only to find these states; no graph is kept. */
    bool foresees;
    ARRAY(StateValue) current;
    ARRAY(StateValue) renewed;      /* the parameters after the optimiser; empty before it */
    ARRAY(const Stmt *) statements; /* the statements of this phase, including those in `when` */
    ARRAY(const Stmt *) edges;      /* every `ema` of all phases */
    /* The phase at hand. While a condition on it is read, `epoch` and `step` are its first ones. */
    LoweredPhase *phase;
    bool in_condition;
    int64_t every; /* the number of epochs or steps from one evaluation or action to the next */
    bool every_of_steps;
    int eval_block; /* the number of `eval` blocks that have begun */
    bool between;   /* true inside `every epoch` */
    /* In `over`, and in an evaluation: the source whose fields are those of the batch of a
     * sweep. */
    const DataSource *sweep;
    int64_t sweep_rows; /* the number of samples in that batch */
    /* In an evaluation: its graph has the fields of a sample as inputs, such as "sample.image". */
    bool evaluates;
    bool finishing;         /* true after the forward pass, in updates and pushes */
    int64_t view_images;    /* the number of images that the views of a step make */
    ARRAY(GNode *) applied; /* the results of networks and their layers */
    int64_t batch;          /* the batch of the phase at hand */
    int drawn_first;        /* the source that the stage at hand drew from first; -1: none yet */
    ARRAY(NamedNode) named_losses; /* the losses of the step that have names */
    ARRAY(NamedNode) given;        /* the step's values of `give` */
    GNode *embedding;              /* the first rows that have a name */
    /* The first rows that come out of a network. They are watched if no rows have a name. */
    GNode *encoded;
    /* The number of open indices: those of the lets and reductions around the place at hand. */
    int indices;
    int calls; /* the number of open calls */
    /* The depth of updates at work, each asked for by a `new` in the one before. */
    int news;
    int nested;          /* the depth of expressions at work, including those in called functions */
    const Call *call;    /* the innermost call */
    const Made *making;  /* the network whose parts are being made */
    bool keep_gradients; /* gradients are outputs of the training graphs */
    bool only_views;     /* training graphs end with the views and have them as outputs */
    LoweredProgram *program;
    LowerPosition at;
    int phase_at; /* for AT_PHASE and AT_ACTIONS: the number of the phase */
    ARRAY(GraphUnit *) units;
    int handed;            /* the number of units that lower_next has handed out */
    ARRAY(LossTerm) terms; /* the terms of the step at hand */
    int loss_outputs;      /* the step's outputs ahead of the outputs that hold the terms */
    /* The method's `train`, and the settings of the phase at hand: those of its stage, then those
     * of `train`. */
    const Stmt *train;
    const Stmt *settings;
    Trained trained;
    FunctionUnit *function;    /* the function that is lowered; NULL: a method is lowered */
    RootFacts *root_facts;     /* facts of length.c; NULL: no root was met yet */
    VanishFacts *vanish_facts; /* facts of vanish.c; NULL: nothing was asked yet */
    bool in_rule;              /* true inside an optimiser's rule */
};

/* trail.c: begin and end a call. Messages between the two end with the calls that led there. */
void call_enter(Lower *l, Call *call);
void call_leave(Lower *l);
/* Gives a place in the text with the calls that led there. */
const GPlace *trail_place_at(Lower *l, Span span);

/* value.c */
Frame *frame_new(Lower *l, Frame *parent);
void frame_set(Lower *l, Frame *frame, const void *key, Value value);
const Value *frame_find(const Frame *frame, const void *key);
Value value_none(void);
Value value_scalar(const GExpr *expr);
Value value_static(Lower *l, double constant, bool is_integer);
Value value_array(GNode *tensor);
int value_rank(const Value *value);
int64_t value_extent(const Value *value, int axis);
/* Gives the extents of a value for a message: "[8, 64]", or "one number". */
const char *value_shape_text(Lower *l, const Value *value);
const char *lower_shape_text(Lower *l, const GNode *node);
/* Returns the element at indices, one for each axis of the value. A scalar is its own element. */
const GExpr *value_element(Lower *l, const Value *value, const GExpr *const *indices, Span span);
/* Returns the value as a tensor over its free indices, in the order of binding, and then its own
 * axes. `free` gets the free indices. */
GNode *lower_materialise(Lower *l, const Value *value, const GExpr **free, int *free_count,
                         Span span);
/* Makes a compute node without a reducer over the free indices of `expr`, then `axes`. Returns it
 * as an array whose prefix is the free indices. */
Value lower_array_from(Lower *l, const GExpr *expr, const GExpr *const *axes, int axis_count,
                       const char *name, Span span);
/* Gives the scalar a node of its own, and returns a read of it at its free indices. */
const GExpr *lower_hoist_scalar(Lower *l, const GExpr *expr, const char *name, Span span);
/* Gives a scalar that nests deep a node of its own, so that expressions made of it do not nest
 * deeper and deeper. */
Value value_shallow(Lower *l, Value value, const char *name, Span span);
const GExpr *lower_condition_over(Lower *l, const GExpr *condition, const GExpr *const *free,
                                  int free_count);
bool lower_speaks_only_of(Lower *l, const GExpr *condition, const GExpr *const *free,
                          int free_count);
bool lower_may_leave(Lower *l, const GExpr *e);
/* Reports an index space of more than MOST_ELEMENTS points. */
void lower_refuse_space(Lower *l, const GExpr *const *out, int out_count, const GExpr *const *red,
                        int red_count, Span span);
int lower_sorted_free(Lower *l, const GExpr *const *exprs, int count, const GExpr *const *except,
                      int except_count, const GExpr **out);
const GExpr *lower_as_real(Lower *l, const GExpr *expr);
/* Finds an extent. Returns false after a message, with an extent of 1. */
bool lower_eval_dim(Lower *l, const Dim *dim, Span span, int64_t *out);
/* Notes that the program depends on the hyper, so that another value needs another compilation. */
void lower_mark_static(Lower *l, const Symbol *symbol);

/* lower_expr.c */
Value lower_value(Lower *l, const Expr *expr);
/* Lowers an expression that must be one number. Returns 0 after a message. */
const GExpr *lower_scalar(Lower *l, const Expr *expr);
/* Lowers an expression at method level, where no index is free. */
GNode *lower_tensor(Lower *l, const Expr *expr);
/* rate.c. Returns a number in postfix form (runtime/range.h), over run scalars. NULL: it depends on
 * something else, or has more words. */
const char *lower_run_formula(Lower *l, const GExpr *e, int most_words);
/* parameter_range.c. Tests the ranges that parameters state, in the frame that has their values.
 * `place` is that of the call that gave the values. Returns false after a message. */
bool lower_test_ranges(Lower *l, const Stmt *of, const Param *params, int count, Frame *frame,
                       Span place);
/* lower_finetune.c. The first function lowers the steps of all evaluations that fine-tune. The
 * others return the loss of one such step, and add what the step renews. */
void lower_finetunes(Lower *l);
void lower_finetune_loss(GraphUnit *unit);
void lower_finetune_updates(Lower *l, GraphUnit *unit);
/* Returns the condition of a hyper's range in the form of runtime/range.h. NULL: it is not known
 * before a run. */
const char *lower_range(Lower *l, const Expr *e);
/* True of a source of the library that comes with the program. */
bool lower_is_library(const Source *source);

/* static.c: numbers that are known at compile time */
/* Finds the number that an expression is; truth is 1 or 0. Returns false if it is not known. */
bool lower_static(Lower *l, const Expr *expr, double *out);
/* Finds the extent of an axis. Returns false unless it is a whole number from 1 on. */
bool lower_extent(Lower *l, const Expr *e, int64_t *out);
/* Returns an argument that the checker found to be a number: settings and options. */
double lower_known_number(Lower *l, const Expr *expr);

/* reduce.c */
/* Returns the value of a reduction, over the free indices. `otherwise` is its value where it has no
 * term, or NULL. */
const GExpr *lower_reduce(Lower *l, const Expr *e, const Expr *otherwise);
/* Returns the condition under which an element of the node is asked for, as far as a fault of other
 * elements depends on it; NULL: always. */
const GExpr *lower_active(Lower *l, const ComputeSpec *spec);
/* Returns a node that sums over `red`. Its axes are the other free indices, which `free` gets. */
GNode *lower_sum_node(Lower *l, const GExpr *value, const GExpr *guard, const GExpr *const *red,
                      int red_count, const GExpr **free, int *free_count, Span span);
/* Returns the index that a name is bound to at the place at hand. */
const GExpr *lower_binder_index(Lower *l, const Binder *binder);
/* Returns the line that the user wrote. For a formula in the library, it is that of the call that
 * led there. */
Span lower_user_span(const Lower *l, Span span);
/* Opens `count` indices of a let or a reduction, and reports too many of them. The caller must
 * restore l->indices. */
void lower_open_indices(Lower *l, int count, Span span);

/* call.c */
Value lower_call(Lower *l, const Expr *expr);
Value lower_function_call(Lower *l, const Stmt *fn, Frame *parent, const Expr *call);
Value call_function(Lower *l, const Stmt *fn, Frame *parent, const Value *args, int arg_count,
                    const Expr *call);
/* Runs the statements of a body. Returns the value of `return`, or of the last statement. */
Value lower_body(Lower *l, Stmt *const *body, int count);
void lower_let(Lower *l, const Stmt *stmt);
Value let_value(Lower *l, const Stmt *stmt); /* without binding its name */
Value lower_normalise(Lower *l, const Value *value, double epsilon, Span span);

/* length.c: roots, quotients and powers of values whose squares or products float32 may not hold */
const GExpr *lower_root(Lower *l, const GExpr *e);
const GExpr *lower_quotient(Lower *l, const GExpr *a, const GExpr *b);
const GExpr *lower_power(Lower *l, const GExpr *base, const GExpr *exponent);

/* vanish.c */
const GExpr *lower_log(Lower *l, const GExpr *e);
/* Returns the power, or the log if `exponent` is NULL, of products that float32 may not hold
 * although the result is an ordinary number. NULL: nothing in the value can vanish. */
const GExpr *lower_vanishing(Lower *l, const GExpr *e, const GExpr *exponent);
/* Returns a / b, which is NaN where digits of a or b that matter are lost. */
const GExpr *lower_vanishing_quotient(Lower *l, const GExpr *a, const GExpr *b);

/* scan.c */
void lower_scan(Lower *l, const Stmt *stmt);

/* arrange.c */
/* Return false if the call is no built-in that arranges arrays. */
bool lower_arrangement(Lower *l, const Expr *call, const Value *args, Value *out);

/* library.c */
/* Makes a library call of `args`, each with the axes of its row; `count` as for graph_call. Free
 * indices of the arguments count the rows. */
Value library_call(Lower *l, CoupletCallKind call, const Value *args, int64_t count, Span span);
/* Returns false if there is no library call of that name. */
bool lower_library(Lower *l, const char *name, const Value *args, Span span, Value *out);

/* unroll.c */
/* True if networks of the let are applied to an index of its head. */
bool let_unrolls(const Stmt *let);
Value let_unrolled_value(Lower *l, const Stmt *let);

/* net.c */
/* Returns the network that an expression names, or makes with this path. NULL after a message. */
Net *lower_net(Lower *l, const Expr *expr, const char *path);
/* Makes the network of a definition. `call` has its configuration; NULL: the defaults. */
Net *net_construct(Lower *l, const Stmt *stmt, const Expr *call, const char *path);
Net *net_copy(Lower *l, Net *from, const char *path, const char *origin);
/* Returns the part of a chain that has this name. NULL: there is none. */
Net *net_part(Net *net, const char *name);
Value net_apply(Lower *l, Net *net, Value input, const Expr *call);
/* Notes a state once. Unless `param` has a shape, the state gets `like_shape`. */
void state_declare(Lower *l, const char *path, const char *origin, const Param *param,
                   StateRole role, const int64_t *like_shape, int like_rank);
/* Returns the value of a state at this point of the step. */
GNode *state_now(Lower *l, const char *name);
/* Makes later reads of the state in this step give the value. */
void state_renew(Lower *l, const char *name, GNode *value, Span span);
/* NULL: no state of this name is declared yet. */
const StateRecord *state_find_record(const Lower *l, const char *name);

/* draw.c */
/* Adds the free indices of a call's arguments to those that key draws. Returns how many there were
 * before. */
int draw_map(Lower *l, const Value *args, int count);
void lower_draw(Lower *l, const Stmt *stmt);
int64_t site_key(const char *path);
/* Returns one draw of the distribution that `call` names, keyed by the site and by the element at
 * `axes`. If `call` is NULL, it is a normal number of mean 0 and deviation 1. */
const GExpr *draw_at(Lower *l, const Expr *call, int64_t site, const GExpr *const *axes, int rank);

/* starts.c */
void lower_starts(Lower *l); /* fills the init graph from the records */

/* prove.c */
/* Returns false if the index may leave the extent, with such an index in `bad`. Sets
 * `data_dependent` if data decide, which only a run can check. */
bool prove_in_range(Lower *l, const GExpr *index, int64_t extent, bool *data_dependent,
                    int64_t *bad);
/* True if every read without an `else` stays inside its array, whatever the data. */
bool lower_reads_inside(Lower *l, const GExpr *e);

/* lower_data.c */
void lower_declare_source(Lower *l, const Stmt *stmt);
/* Returns the number of the source, or -1. */
int lower_find_source(const Lower *l, const char *name);
/* Returns the field of this name, and notes that it is read. NULL: the name is `index`, which is no
 * column. */
const DataField *lower_source_field(Lower *l, const DataSource *data, const char *name);
/* Lowers the recipe of one sample for each sample of a sweep's batch. */
Value lower_recipe(Lower *l, const DataSource *data, const Expr *recipe);
/* Returns an input that holds `rows` samples of the field; if `field` is NULL, it holds their
 * numbers. */
GNode *lower_rows_input(Lower *l, const char *name, const DataField *field, int64_t rows,
                        Span span);
/* Returns the value of a name in a view that has is_sample. */
Value lower_sample(Lower *l, const Expr *name, Value whole);
/* Returns the field of a name such as train.image: of the batch or, in a view, of one sample. */
Value lower_field(Lower *l, const Expr *expr);
void lower_view(Lower *l, const Stmt *stmt);
/* Makes the view's values outputs of the graph, after the view was lowered. */
void lower_show_view(Lower *l, const Stmt *stmt);

/* memory.c */
/* Returns the state as it is when the step begins. */
GNode *state_node(Lower *l, const char *name);
/* Commits a value, in place of an earlier commit of the same state. */
void state_commit(Lower *l, GNode *state, GNode *value);
/* Makes later reads of the parameter give the value. */
void lower_renew_parameter(Lower *l, const char *name, GNode *value);
/* Returns the value as an array of the shape of `shape_of`, which a scalar fills. */
GNode *lower_shaped_like(Lower *l, const Value *value, GNode *shape_of, Span span);
void lower_declare_queue(Lower *l, const Stmt *stmt);
void state_declare_of_method(Lower *l, const Stmt *stmt, StateRole role);
void lower_push_queues(Lower *l, const Stmt *stmt);
Value lower_new(Lower *l, const Expr *target); /* the value of `new(s)` */
/* True where a row of the queue has been filled. */
const GExpr *lower_filled(Lower *l, const Expr *queue, const GExpr *row);
/* Returns the right side of an update, in the shape of the state. */
GNode *state_new_value(Lower *l, const Stmt *update, GNode *state);
void lower_write_rows(Lower *l, const Stmt *update); /* update M[rows] <- values */
void lower_update_parameters(Lower *l);              /* between the optimiser and the ema edges */
/* Refuses two updates of one thing in a step, unless both write rows of it. All right sides are
 * computed before any is stored, so the first of the two would be lost. */
void lower_refuse_second_updates(Lower *l);
void lower_update_states(Lower *l);

/* optimise.c */
void lower_find_losses(Lower *l, GraphUnit *unit, const LossTerm *terms, GNode *const *values,
                       int count, const Stmt *train);
/* Adds up the gradients of the losses, and clips them. */
void lower_add_gradients(Lower *l, const GraphUnit *unit, const Stmt *train);
void optimise(Lower *l, const Stmt *train);
/* Returns the value to which an ema edge `before forward` has moved the state in this step, or NULL
 * if no edge does. */
GNode *lower_moved_before(Lower *l, const StateRecord *record);
void lower_ema(Lower *l, const Stmt *stmt);
void lower_warn_unreached(Lower *l);

/* phase.c */
void lower_find_phases(Lower *l); /* from the conditions in the method */
/* Collects the statements of the phase. */
void lower_enter_phase(Lower *l, LoweredPhase *phase);
/* True if the condition of a `when` holds in the phase at hand. */
bool phase_holds(Lower *l, const Expr *condition);
bool stage_holds(const Lower *l, const Symbol *stage); /* true for the stage of the phase at hand */
/* True in the graphs of steps, and in those between epochs. Evaluations and starts are made once
 * for the whole run, in which every stage has its turn. */
bool stage_is_known(const Lower *l);

/* method.c */
GNode *lower_scalar_node(Lower *l, const GExpr *value, const char *name, Span span);

/* give.c: `give`; the outputs are made behind that of the loss, which is a step's first. */
void lower_give(Lower *l, const Stmt *s);
void lower_show_given(Lower *l);

/* loss.c */
void lower_note_loss_formulas(Lower *l, GNode *loss);

/* lower_epoch.c */
void lower_epochs(Lower *l, LoweredPhase *phase);
/* Lowers the statements of `eval`. They come after all phases, when all states are known. */
void lower_measures(Lower *l);

/* features.c */
void lower_eval(Lower *l, const Stmt *stmt);

/* method.c */
/* True for rows of reals, [batch, D] or [views, batch, D]. */
bool lower_is_embedding(const Lower *l, const Value *value);
/* Begins a graph, with nothing lowered in it. */
void lower_begin_graph(Lower *l, const char *name, bool training);
/* NULL: the block, which may be NULL, has no such setting. */
const Expr *lower_find_setting(const Stmt *block, const char *name);
/* Makes the graph at hand a unit, which lower_next hands out. */
GraphUnit *lower_add_unit(Lower *l, UnitKind kind);

/* function.c: lower a function, tell what is differentiated, and output the gradients */
void lower_whole_function(Lower *l);
void function_losses(Lower *l, GraphUnit *unit);
void function_gradients(Lower *l, const GraphUnit *unit);

#endif
