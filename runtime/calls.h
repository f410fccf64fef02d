/* Library calls: the table of them (calls.def), a function that does one row in double precision,
 * and the kernel that does all rows of float32 arrays. The reference evaluator calls the same
 * functions. So both agree up to rounding, and make the same choices. */
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

/* The sizes of one row: the axes of a row of operand 0 (1 if it has none), and the elements of a
 * row of the result. */
typedef struct CoupletCallSize {
    int64_t rows;
    int64_t columns;
    int64_t result;
} CoupletCallSize;

typedef struct CoupletCall {
    const char *name;
    CoupletType result;
    /* The number of axes; -1: there is no such operand. */
    int result_axes;
    int operand_axes[COUPLET_CALL_OPERANDS];
    /* Does one row. `work` has room for couplet_call_work doubles. */
    CoupletFaultKind (*run)(const CoupletCallSize *size, double *const *in, double *out,
                            double *work);
} CoupletCall;

extern const CoupletCall couplet_calls[COUPLET_CALL_COUNT];

/* Returns the elements of a row with `axes` axes. */
int64_t couplet_call_elements(int axes, const CoupletCallSize *size);
/* Returns the doubles of working memory for a row. */
int64_t couplet_call_work(const CoupletCallSize *size);
/* Returns the bytes of a worker's scratch that couplet_call needs. */
int64_t couplet_call_scratch(CoupletCallKind call, const CoupletCallSize *size);

#endif
