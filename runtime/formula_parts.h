/* Shared by the files that evaluate formulas for messages. formula_read.c reads a formula from a
 * plan, formula_values.c evaluates it, and formula_text.c writes it as text. formula_faults.c finds
 * what a kernel met, and formula_origin.c finds where a value that is not finite arose. */
#ifndef COUPLET_RUNTIME_FORMULA_PARTS_H
#define COUPLET_RUNTIME_FORMULA_PARTS_H

#include "runtime/formula.h"

#include "runtime/calls.h"
#include "runtime/device.h"
#include "runtime/random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_INDICES = 2 * COUPLET_MAX_RANK,
    MOST_ARGS = COUPLET_MAX_RANK + 1,
    DEEPEST_CONDITIONS = 64
};

typedef struct String {
    const char *text;
    int length;
} String;

typedef struct Place {
    int64_t path;
    int64_t line;
    int64_t column;
    int call; /* the number of the place of the call; -1: none */
    bool is_slope;
} Place;

typedef struct Expr {
    CoupletFormulaOp op;
    bool is_real;
    int place; /* the number of its place; -1: unknown */
    int arg_count;
    int args[MOST_ARGS];
    double number;    /* the value of a constant, or the number of an index */
    uint32_t indices; /* the indices that the expression reads, a bit for each */
    /* The members from here to may_leave are for LOAD. */
    bool is_pairs;
    bool is_byte;
    bool has_else;
    int array;
    int rank;
    int name;
    int64_t shape[COUPLET_MAX_RANK];
    bool may_leave[COUPLET_MAX_RANK];
} Expr;

typedef struct Formula {
    CoupletFormulaKind kind;
    int buffer;
    int name;
    int place;
    int rank;
    int red_rank;
    int64_t extent[MOST_INDICES];
    int index_name[MOST_INDICES];
    CoupletFormulaReducer reducer;
    bool empty_is_fault;
    /* The numbers of expressions; -1: none. expr_count is how many there are. */
    int expr_count, guard, active, value;
    Expr *exprs;
    /* By expression: its value at the present point, which is valid if known_at is `turn`. Each
     * point is a turn of its own. */
    double *known;
    uint64_t *known_at;
    uint64_t turn;
    int candidates_buffer; /* TOPK: the buffer of the candidates */
    int64_t candidates;
    CoupletCallKind call; /* CALL: the library call */
    int64_t rows;
    CoupletCallSize size;
    int operands[COUPLET_CALL_OPERANDS];
    int operand_count;
} Formula;

/* The formulas of a step, as they were read. */
typedef struct Work {
    const unsigned char *at;
    const unsigned char *end;
    bool broken; /* the bytes are damaged, or memory ran out */
    const CoupletArrays *arrays;
    int seed, step; /* the numbers of buffers; -1: none */
    String *strings;
    int64_t string_count;
    Place *places;
    int64_t place_count;
    Formula *formulas;
    int count;
    int results;
    int64_t left; /* the operations that may still be done */
} Work;

typedef struct Point {
    Work *work;
    Formula *formula;
    int64_t index[MOST_INDICES];
} Point;

typedef struct Text {
    char *at;
    size_t length;
    size_t bytes;
} Text;

/* ---- formula_read.c */

/* Reads the formulas of a step. couplet_formula_work_end frees them, and must be called after a
 * failure, too. Returns false if there are none, if they are damaged, or if memory is out. */
bool couplet_formula_work_begin(Work *w, const CoupletPlan *plan, int step,
                                const CoupletArrays *arrays);
void couplet_formula_work_end(Work *w);

/* ---- formula_values.c */

/* Return the value of an expression at a point, and the value of the element at the point, which is
 * reduced if the formula reduces. */
double couplet_formula_eval(Point *p, int number);
double couplet_formula_element_of(Point *p);
/* True if the subscript of a read leaves its array along an axis. Sets *index to the subscript. */
bool couplet_formula_leaves(Point *p, const Expr *e, int axis, double *index);
bool couplet_formula_fits_int(double a);
/* Advances to the next values of the indices from `from` on. Returns false after the last ones. */
bool couplet_formula_advance(int64_t *index, const int64_t *extent, int from, int count);
/* True if a condition holds at the point. A condition of -1 always holds. */
bool couplet_formula_holds(Point *p, int condition);
/* Sets the first `axes` indices to those of row `row`. */
void couplet_formula_set_row(Point *p, int axes, int64_t row);

/* ---- formula_text.c */

void couplet_formula_add(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void couplet_formula_add_real(Text *t, double value);
void couplet_formula_add_string(Text *t, const Work *w, int number);
/* Writes the indices of `which`, a bit for each, with their values at the point, as in " for i = 3,
 * j = 4". Writes nothing if there are none. */
void couplet_formula_add_point(Text *t, const Point *p, uint32_t which);
/* Returns the indices of the result, a bit for each. */
uint32_t couplet_formula_result_indices(const Formula *f);
/* Writes an expression in the language's syntax, with values for its reads. It is put in
 * parentheses if it binds looser than `binds`, the precedence of the operator around it. */
void couplet_formula_add_expr(Text *t, Point *p, int number, int binds);
void couplet_formula_add_load(Text *t, Point *p, int number);
void couplet_formula_add_operation(Text *t, Point *p, int number);
/* Sets the place of a finding to the user's line that led to place `number`. If that place is in
 * the library, it becomes out->inner. */
void couplet_formula_set_place(const Work *w, int number, CoupletFinding *out);
/* Begins the sentence of a finding of this kind. */
Text couplet_formula_begin_finding(CoupletFinding *out, CoupletFaultKind kind);

#endif
