/* Library calls: the table (calls.def), one row of each in double precision, and the kernel that does them in float32 arrays. The reference evaluator
 * runs the same rows, so both evaluators agree to rounding, in every choice too. */
#ifndef COUPLET_RUNTIME_CALLS_H
#define COUPLET_RUNTIME_CALLS_H

#include "runtime/abi.h"

typedef enum {
#define CALL(name, ...) COUPLET_CALL_##name,
#include "runtime/calls.def"
#undef CALL
    COUPLET_CALL_COUNT
} CoupletCallKind;

enum { COUPLET_CALL_OPERANDS = 3 };

/* The sizes of a row: the axes of operand 0's (1 where there is none), and the elements of the result's. */
typedef struct CoupletCallSize {
    int64_t rows, columns, result;
} CoupletCallSize;

typedef struct CoupletCall {
    const char *name;
    CoupletType result;
    int result_axes, operand_axes[COUPLET_CALL_OPERANDS]; /* -1: there is none */
    /* One row; `work` holds couplet_call_work doubles. */
    CoupletFaultKind (*run)(const CoupletCallSize *size, double *const *in, double *out, double *work);
} CoupletCall;

extern const CoupletCall couplet_calls[COUPLET_CALL_COUNT];

int64_t couplet_call_elements(int axes, const CoupletCallSize *size); /* of an operand's row */
int64_t couplet_call_work(const CoupletCallSize *size);               /* doubles */
int64_t couplet_call_scratch(CoupletCallKind call, const CoupletCallSize *size); /* bytes of a worker's scratch for couplet_call */

#endif
