/* The formulas of a plan's steps, for the message behind a fault or a value that is not finite. A
 * kernel only says that there is one. The formulas say which array is read outside, at which index
 * and with which value. That costs the kernels nothing, since nobody looks at the formulas as long
 * as all goes well.
 *
 * compiler/graph/formulas.c writes the bytes, and formula_read.c reads them. All numbers have 7
 * bits a byte, the lowest first; signed ones have their sign in the lowest bit. A count stands
 * ahead of what it counts, and `number + 1` stands for a number that may be missing (0).
 *
 *     plan     seed + 1, step + 1 (buffers); strings; places; for each step its length in bytes;
 *              the steps
 *     string   length, bytes
 *     place    string of the path, line, column, place of the call + 1,
 *              1 if it is the slope of what stands there
 *     step     nodes, how many of them are results of the step (the others are arrays of pairs
 *              that they read); the nodes
 *     node     CoupletFormulaKind, buffer, string of the name + 1, place + 1, then
 *       all      rank, its extents and, for each, the string of the index + 1
 *       COMPUTE  CoupletFormulaReducer, 1 if having no term is a fault, rank reduced, extents and
 *                strings as above, expressions, then guard + 1, active + 1, value + 1
 *       TOPK     buffer of the candidates, how many of them a row has
 *       CALL     CoupletCallKind, rows, the three CoupletCallSize, operands: a buffer each
 *     expression  2 * operation, + 1 if it is real; place + 1, arguments, each the distance back
 *                 to an earlier expression, then
 *       REAL     8 bytes, a double
 *       INT      signed
 *       INDEX    its number
 *       LOAD     array: 2 * buffer, or 2 * node + 1; string of the name + 1; 1 if it is worth
 *                x / 255; 1 if its last argument is the value of a read outside; extents, and for
 *                each 1 if a read may fall outside */
#ifndef COUPLET_RUNTIME_FORMULA_H
#define COUPLET_RUNTIME_FORMULA_H

#include "runtime/abi.h"

typedef enum {
    COUPLET_FORMULA_COMPUTE,
    COUPLET_FORMULA_TOPK,
    COUPLET_FORMULA_CALL
} CoupletFormulaKind;

/* In the order of GReducer (compiler/graph/graph.h). */
typedef enum {
    COUPLET_REDUCE_NONE,
    COUPLET_REDUCE_SUM,
    COUPLET_REDUCE_MAX,
    COUPLET_REDUCE_MIN,
    COUPLET_REDUCE_ARGMAX,
    COUPLET_REDUCE_ARGMIN,
    COUPLET_REDUCE_ANY,
    COUPLET_REDUCE_ALL,
    COUPLET_REDUCE_LSE,
    COUPLET_REDUCE_LSE_REST,
    COUPLET_REDUCE_PROD
} CoupletFormulaReducer;

/* In the order of GOp: the four that are no scalar function, then the rows of
 * compiler/graph/scalars.def. */
typedef enum {
    /* a constant; the reader turns it into COUPLET_OP_REAL or COUPLET_OP_INT, which stand behind */
    COUPLET_OP_CONST,
    COUPLET_OP_INDEX,
    COUPLET_OP_LOAD,
    COUPLET_OP_RANDOM,
    COUPLET_OP_ADD,
    COUPLET_OP_SUB,
    COUPLET_OP_MUL,
    COUPLET_OP_DIV,
    COUPLET_OP_NEG,
    COUPLET_OP_POW,
    COUPLET_OP_MAX,
    COUPLET_OP_MIN,
    COUPLET_OP_EXP,
    COUPLET_OP_EXPM1,
    COUPLET_OP_LOG,
    COUPLET_OP_LOG1P,
    COUPLET_OP_SQRT,
    COUPLET_OP_ROOT,
    COUPLET_OP_RSQRT,
    COUPLET_OP_TANH,
    COUPLET_OP_SIGMOID,
    COUPLET_OP_SOFTPLUS,
    COUPLET_OP_ERF,
    COUPLET_OP_SIN,
    COUPLET_OP_COS,
    COUPLET_OP_ABS,
    COUPLET_OP_SIGN,
    COUPLET_OP_FLOOR,
    COUPLET_OP_CEIL,
    COUPLET_OP_ROUND,
    COUPLET_OP_TO_REAL,
    COUPLET_OP_TO_INT,
    COUPLET_OP_FLOORDIV,
    COUPLET_OP_MOD,
    COUPLET_OP_LT,
    COUPLET_OP_LE,
    COUPLET_OP_EQ,
    COUPLET_OP_NE,
    COUPLET_OP_AND,
    COUPLET_OP_OR,
    COUPLET_OP_NOT,
    COUPLET_OP_IS_FINITE,
    COUPLET_OP_SELECT,
    COUPLET_OP_REAL,
    COUPLET_OP_INT,
    COUPLET_OP_COUNT
} CoupletFormulaOp;

/* The arrays that formulas read. `read` returns an element of a buffer as it is in memory; a byte
 * is 0 to 255. */
typedef struct CoupletArrays {
    double (*read)(void *context, int buffer, int64_t element);
    void *context;
    /* Formulas are computed in double. If false, every real operation is rounded to float32, as in
     * a kernel. */
    bool exact;
} CoupletArrays;

typedef struct CoupletFinding {
    CoupletFaultKind kind;
    char sentence[500]; /* the finding: "y[1] is -1, and axis 2 of `o` has 0 to 3" */
    /* The place, such as "f.cpl:7:12"; if the formula is in the library, the place of the call that
     * led there. "": unknown. */
    char place[400];
    char inner[400];    /* the line of the library; "": none */
    const char *advice; /* advice to the user; NULL: none */
    /* The buffer from which a value that is not finite was read. -1: the formula made the value. */
    int buffer;
    int64_t element;
} CoupletFinding;

/* Finds the cause of a fault in a step: the first result of the step that meets a fault, its first
 * such element, and the first such read in its formula. `from` and `count` are those of the step's
 * results. Returns false if none is found, because memory runs out or there are too many elements
 * to look through. */
bool couplet_formula_fault(const CoupletPlan *plan, int step, int from, int count,
                           const CoupletArrays *arrays, CoupletFinding *out);
/* Returns the number of results of the step that have a formula. */
int couplet_formula_count(const CoupletPlan *plan, int step);
/* Finds the reason for which element number `element` of the result in `buffer` is not finite. */
bool couplet_formula_origin(const CoupletPlan *plan, int step, int buffer, int64_t element,
                            const CoupletArrays *arrays, CoupletFinding *out);
/* Writes an element of an array of this shape, such as "grad_z[3, 7]". */
void couplet_element_text(const char *name, int rank, const int64_t *shape, int64_t element,
                          char *text, size_t bytes);

#endif
