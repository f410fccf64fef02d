/* The subject of a differential test: one function with its gradients, or one training step of a
 * method, with the answers of the reference evaluator. */
#ifndef COUPLET_TESTS_DIFFER_SUBJECT_H
#define COUPLET_TESTS_DIFFER_SUBJECT_H

#include "tests/differ/extremes.h"

#include "compiler/compile/compile.h"
#include "compiler/driver/function_arrays.h"
#include "compiler/driver/gradcheck.h"
#include "compiler/reference/reference.h"

typedef struct Answer {
    const char *name; /* the name of an output, or of the state that a commit renews */
    GType type;
    int64_t count;
    double *exact;  /* the values in float64 */
    double allowed; /* the allowed distance of a float32 back end from them */
} Answer;

typedef struct Subject {
    Arena *arena;
    const char *name; /* "formula 17", "losses.nt_xent", "examples/simclr.cpl" */
    const char *text; /* the whole file of a function; NULL for a method */
    const char *function;
    Graph *g; /* the graph after all passes, whose outputs and then commits are the answers */
    Answer *answers;
    int answer_count;
    double unshifted; /* the value ahead of the pass `shift` */
    /* The fault that the reference evaluator meets: every back end must meet one, too. */
    const char *fault;
    const char *error;      /* why it cannot be tried, or what is wrong before any back end runs */
    ReferenceSource source; /* gives its inputs and states */
    void *context;
    const LoweredProgram *lowered; /* the states of a method, which graphs number */
    FunctionArrays *arrays;        /* for a function */
    Extreme extreme;               /* for a function: the extreme that its inputs hold */
    /* For a function: true if it has sums of a million terms. They take long, so they are not
     * computed again after every pass. */
    bool is_long;
    Snapshot differentiated; /* a function after `differentiate`, for perturbed runs */
} Subject;

/* Makes a subject of the last function of a text. Its first line may say `# N=5 D=3 seed=7 stream=1
 * shards=8 input=nan long=1`: the extents of dimensions, the seed of the arrays, whether every
 * array of pairs is streamed, at how many shards ranks cut whatever they can, which extreme the
 * arrays hold (extremes.h), and whether its sums are long. The value in float64 must be that of the
 * formula as written, and the gradients those of differences, both after every pass. With an
 * extreme, values that are no numbers must stay so after every pass. */
void subject_of_text(Subject *s, Arena *arena, const char *name, const char *text);
/* Makes a subject of one step of the first phase of a method, its sizes cut down, from made-up
 * states. */
void subject_of_method(Subject *s, Arena *arena, const char *path);

/* True if answers this far off (one number for each answer) may come of rounding. The reference
 * evaluator then moves as far when the inputs of the function are moved by a few units of their
 * last place, or when its operations are rounded by chance. So it is no disagreement if a
 * comparison or a winner depends on the last digit. */
bool subject_is_fragile(Subject *s, const double *off);

int64_t subject_elements(const GNode *node);

#endif
